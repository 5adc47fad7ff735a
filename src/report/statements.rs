//! Attestations and waivers in words, for the terminal and the HTML.
//!
//! A waiver stands beside the verdict and never in its place: counts and headings tell both.

use super::text::{counted, listed};
use crate::model::expected::{RuleFinding, RuleTally, RuleVerdict};
use crate::model::run::{Run, Tally, TargetRun};
use crate::model::statement::{Attestation, Attested, Effect, SOON_DAYS, Waived, Waiver, days_left};
use crate::model::verdict::{Finding, Verdict};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The day of the run, by which the ends of statements are counted.
pub(super) fn day(run: &Run) -> Option<Date> {
    run.started.parse::<Timestamp>().ok().map(|at| at.to_zoned(TimeZone::UTC).date())
}

/// One statement of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The item or rule.
    pub(super) about: String,
    /// `attested`, `waiver expired`: what it is, and what it is worth.
    pub(super) standing: &'static str,
    /// It needs somebody: it expired, was contradicted, or ends soon.
    pub(super) pressing: bool,
    /// The last day on which it holds.
    pub(super) until: Date,
    /// Who, when and until when; what for is told where the finding is.
    pub(super) text: String,
    order: u8,
}

/// Every statement of a target, those that need somebody first.
pub(super) fn rows(target: &TargetRun, day: Option<Date>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for finding in &target.findings {
        rows.extend(finding.attestation.as_deref().map(|attested| Row {
            about: finding.item.clone(),
            standing: attested_as(attested),
            pressing: is_pressing(attested.effect, attested.ends_soon),
            until: attested.attestation.until,
            text: brief_attestation(attested, day),
            order: order(attested.effect, attested.ends_soon),
        }));
    }
    let of_items =
        target.findings.iter().filter_map(|finding| Some((finding.item.clone(), finding.waiver.as_deref()?)));
    let of_rules =
        target.rules.iter().filter_map(|finding| Some((finding.rule.to_string(), finding.waiver.as_deref()?)));
    rows.extend(of_items.chain(of_rules).map(|(about, waived)| Row {
        about,
        standing: waived_as(waived),
        pressing: is_pressing(waived.effect, waived.ends_soon),
        until: waived.waiver.until,
        text: brief_waiver(waived, day),
        order: order(waived.effect, waived.ends_soon),
    }));
    rows.sort_by_key(|row| row.order);
    rows
}

fn is_pressing(effect: Effect, ends_soon: bool) -> bool {
    ends_soon || matches!(effect, Effect::Expired | Effect::Contradicted)
}

fn order(effect: Effect, ends_soon: bool) -> u8 {
    match effect {
        Effect::Contradicted => 0,
        Effect::Expired => 1,
        Effect::Counts if ends_soon => 2,
        Effect::Unneeded => 3,
        Effect::Counts => 4,
    }
}

fn attested_as(attested: &Attested) -> &'static str {
    match attested.effect {
        Effect::Counts if attested.ends_soon => "attested, ends soon",
        Effect::Counts => "attested",
        Effect::Expired => "attestation expired",
        Effect::Contradicted => "attestation contradicted",
        Effect::Unneeded => "attestation not needed",
    }
}

fn waived_as(waived: &Waived) -> &'static str {
    match waived.effect {
        Effect::Counts if waived.ends_soon => "waived, ends soon",
        Effect::Counts => "waived",
        Effect::Expired => "waiver expired",
        Effect::Contradicted | Effect::Unneeded => "waiver not needed",
    }
}

/// `, 99 days left`, `, expired 51 days ago`.
fn left(until: Date, day: Option<Date>) -> String {
    let Some(left) = day.map(|day| days_left(until, day)) else { return String::new() };
    let days = |days: i32| counted(usize::try_from(days.abs()).unwrap_or_default(), "day", "days");
    match left {
        ..0 => format!(", expired {} ago", days(left)),
        0 => ", ends today".to_owned(),
        1..=SOON_DAYS => format!(", ends in {}", days(left)),
        _ => format!(", {} left", days(left)),
    }
}

fn reference(reference: Option<&String>) -> String {
    reference.map_or_else(String::new, |reference| format!(" ({reference})"))
}

fn brief_attestation(attested: &Attested, day: Option<Date>) -> String {
    let Attestation { by, on, until, reference: ticket, .. } = &attested.attestation;
    format!("by {by} on {on}, until {until}{}{}", left(*until, day), reference(ticket.as_ref()))
}

fn brief_waiver(waived: &Waived, day: Option<Date>) -> String {
    let Waiver { approved_by, on, until, risk, reference: ticket, .. } = &waived.waiver;
    let (left, ticket) = (left(*until, day), reference(ticket.as_ref()));
    format!("approved by {approved_by} on {on}, until {until}{left}, risk {risk}{ticket}")
}

/// Who attests what, and until when; of an item with this verdict.
pub(super) fn attestation(attested: &Attested, verdict: Verdict, day: Option<Date>) -> String {
    let Attestation { by, on, seen, until, reference: ticket } = &attested.attestation;
    let (left, ticket) = (left(*until, day), reference(ticket.as_ref()));
    match attested.effect {
        Effect::Expired => format!("attested until {until} by {by}{left}{ticket}: {seen}"),
        Effect::Counts => format!("by {by} on {on}, until {until}{left}{ticket}: {seen}"),
        Effect::Contradicted => {
            format!(
                "what was seen says otherwise, and is believed. By {by} on {on}, until {until}{left}{ticket}: {seen}"
            )
        }
        Effect::Unneeded => {
            format!("the verdict is {verdict} without it. By {by} on {on}, until {until}{left}{ticket}: {seen}")
        }
    }
}

/// Why something is waived, who approved it, until when and at what risk; of something with this verdict.
pub(super) fn waiver(waived: &Waived, verdict: &str, day: Option<Date>) -> String {
    let Waiver { why, approved_by, on, until, risk, risk_words, reference: ticket } = &waived.waiver;
    let (left, ticket) = (left(*until, day), reference(ticket.as_ref()));
    let approved = format!("approved by {approved_by} on {on}{ticket}");
    let told = format!("{why} Risk {risk}: {risk_words}");
    match waived.effect {
        Effect::Counts => format!("until {until}{left}, {approved}: {told}"),
        Effect::Expired => format!("it held until {until}{left}, {approved}, and no longer counts: {told}"),
        Effect::Contradicted | Effect::Unneeded => {
            format!(
                "the verdict is {verdict}, and only a failure can be waived. Until {until}{left}, {approved}: {told}"
            )
        }
    }
}

/// What stands beside a finding: a label of one word, and the words.
pub(super) fn beside(finding: &Finding, day: Option<Date>) -> Vec<(&'static str, String)> {
    let attested = finding.attestation.as_deref().map(|attested| {
        let standing = match attested.effect {
            Effect::Counts | Effect::Expired => String::new(),
            Effect::Contradicted => "contradicted: ".to_owned(),
            Effect::Unneeded => "not needed: ".to_owned(),
        };
        ("Attested", format!("{standing}{}", attestation(attested, finding.verdict, day)))
    });
    let waived = finding.waiver.as_deref().map(|waived| waiver_row(waived, finding.verdict.words(), day));
    attested.into_iter().chain(waived).collect()
}

/// The same for an expected rule.
pub(super) fn beside_rule(finding: &RuleFinding, day: Option<Date>) -> Option<(&'static str, String)> {
    finding.waiver.as_deref().map(|waived| waiver_row(waived, finding.verdict().words(), day))
}

fn waiver_row(waived: &Waived, verdict: &str, day: Option<Date>) -> (&'static str, String) {
    let told = waiver(waived, verdict, day);
    match waived.effect {
        Effect::Counts => ("Waived", told),
        Effect::Expired => ("Waiver", format!("expired: {told}")),
        Effect::Contradicted | Effect::Unneeded => ("Waiver", format!("not needed: {told}")),
    }
}

/// How many of those with this verdict stand on a statement: `3 of them waived`.
pub(super) fn of_them(tally: &Tally, verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Fail if tally.waived() > 0 => Some(format!("{} of them waived", tally.waived())),
        Verdict::Pass if tally.attested() > 0 => Some(format!("{} of them attested", tally.attested())),
        _ => None,
    }
}

/// The same for expected rules.
pub(super) fn rules_of_them(tally: &RuleTally, verdict: RuleVerdict) -> Option<String> {
    (verdict == RuleVerdict::Violated && tally.waived() > 0).then(|| format!("{} of them waived", tally.waived()))
}

/// What statements there are, and what of them needs somebody, in a sentence; `None` where there are none.
pub(super) fn summary<'a>(targets: impl IntoIterator<Item = &'a TargetRun>) -> Option<String> {
    let (mut attested, mut waived) = (Vec::new(), Vec::new());
    for target in targets {
        for finding in &target.findings {
            attested.extend(finding.attestation.as_deref().map(|one| (one.effect, one.ends_soon)));
            waived.extend(finding.waiver.as_deref().map(|one| (one.effect, one.ends_soon)));
        }
        waived.extend(
            target.rules.iter().filter_map(|rule| rule.waiver.as_deref()).map(|one| (one.effect, one.ends_soon)),
        );
    }
    let parts: Vec<String> = [("attestation", "attestations", attested), ("waiver", "waivers", waived)]
        .into_iter()
        .filter(|(_, _, all)| !all.is_empty())
        .map(|(one, many, all)| {
            let of = |effect: Effect| all.iter().filter(|(known, _)| *known == effect).count();
            let soon = all.iter().filter(|(_, ends_soon)| *ends_soon).count();
            let mut counts: Vec<String> = [Effect::Expired, Effect::Contradicted, Effect::Unneeded]
                .into_iter()
                .filter(|effect| of(*effect) > 0)
                .map(|effect| format!("{} {}", of(effect), effect.words()))
                .collect();
            if soon > 0 {
                let verb = if soon == 1 { "ends" } else { "end" };
                counts.insert(0, format!("{soon} {verb} within {SOON_DAYS} days"));
            }
            match of(Effect::Counts) {
                0 => {}
                1 => counts.insert(0, "1 counts".to_owned()),
                counting => counts.insert(0, format!("{counting} count")),
            }
            format!("{}: {}", counted(all.len(), one, many), listed(&counts))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("{}.", parts.join("; ")))
}
