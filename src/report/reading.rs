//! What a run means in words, decided once for the terminal and the HTML.

use super::describe::product_name;
use super::statements::{of_them, rules_of_them};
use super::text::{capitalised, counted, listed, number};
use crate::model::expected::{RuleFinding, RuleTally, RuleVerdict};
use crate::model::fact::{Fact, PortFact, PortReason};
use crate::model::observation::{Attempt, Observation};
use crate::model::question::Question;
use crate::model::run::{AddressRun, Disagreement, PathHealth, Run, Tally, TargetRun, Trouble};
use crate::model::service::Service;
use crate::model::udp::Rationed;
use crate::model::vantage::{Checkup, Group, Standing, Subject, Vantage};
use crate::model::verdict::{Confidence, Finding, Severity, Verdict};
use crate::model::witness::WitnessFact;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A client and its targets, in the inventory's order.
pub(super) struct Client<'a> {
    pub(super) name: &'a str,
    pub(super) targets: Vec<&'a TargetRun>,
}

/// The targets by client, clients in the order in which the inventory first names them.
pub(super) fn by_client(run: &Run) -> Vec<Client<'_>> {
    let mut clients: Vec<Client<'_>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for target in &run.targets {
        let name = target.target.client.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            clients.push(Client { name, targets: Vec::new() });
            clients.len() - 1
        });
        if let Some(client) = clients.get_mut(place) {
            client.targets.push(target);
        }
    }
    clients
}

/// The findings with this verdict, the most severe first, otherwise in the catalog's order.
pub(super) fn with_verdict(target: &TargetRun, verdict: Verdict) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = target.findings.iter().filter(|finding| finding.verdict == verdict).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether a verdict is one to lean on lightly.
pub(super) fn is_doubtful(finding: &Finding) -> bool {
    finding.confidence == Confidence::Low && matches!(finding.verdict, Verdict::Pass | Verdict::Fail)
}

/// `3 need evidence`, `1 pass`.
pub fn tallied(count: usize, verdict: Verdict) -> String {
    let words = verdict.words();
    let plural = words.strip_prefix("needs ").filter(|_| count != 1);
    plural.map_or_else(|| format!("{count} {words}"), |rest| format!("{count} need {rest}"))
}

/// `3 fail, 1 of them waived`: the count of a verdict, and what of it stands on a statement.
pub(super) fn tallied_all(tally: &Tally, verdict: Verdict) -> String {
    let count = tallied(tally.count(verdict), verdict);
    of_them(tally, verdict).map_or_else(|| count.clone(), |of_them| format!("{count}, {of_them}"))
}

/// The counts of all verdicts that occur among expected rules: `1 violated, 3 proved`.
pub(super) fn rules_tallied(tally: &RuleTally) -> String {
    let counts = RuleVerdict::ALL.into_iter().filter(|verdict| tally.count(*verdict) > 0);
    let told = |verdict| {
        let count = format!("{} {verdict}", number(tally.count(verdict)));
        rules_of_them(tally, verdict).map_or_else(|| count.clone(), |of_them| format!("{count}, {of_them}"))
    };
    counts.map(told).collect::<Vec<_>>().join(", ")
}

/// Whether a rule's verdict is one to lean on lightly.
pub(super) fn is_doubtful_rule(finding: &RuleFinding) -> bool {
    finding.check.confidence != Confidence::High
        && matches!(finding.verdict(), RuleVerdict::Violated | RuleVerdict::Proved)
}

/// The items of guides that ask for the opposite of a rule.
pub(super) fn opposed_by<'a>(target: &'a TargetRun, finding: &RuleFinding) -> Vec<&'a str> {
    let rule = finding.rule.to_string();
    let against = target.disagreements.iter().filter(|disagreement| disagreement.rule.as_ref() == Some(&rule));
    against.flat_map(|disagreement| disagreement.items.iter().map(String::as_str)).collect()
}

/// Who disagrees, in two or three words.
pub(super) fn who_disagrees(disagreement: &Disagreement) -> &'static str {
    if disagreement.rule.is_some() { "A rule is against a guide" } else { "Guides disagree" }
}

/// What a verdict says, for people who meet the word for the first time.
pub(super) fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "the recommendation is not followed, and that was seen",
        Verdict::Inconclusive => "it was asked and could not be told; it may be right or wrong",
        Verdict::NeedsEvidence => "only evidence from inside the server can tell",
        Verdict::NeedsAttestation => "only a person can tell, with a dated statement",
        Verdict::Pass => "the recommendation is followed, and that was seen",
        Verdict::NotApplicable => "the recommendation does not concern this server",
    }
}

/// The scanning machine's own addresses from which the target was asked.
pub(super) fn vantages(target: &TargetRun) -> Vec<String> {
    let mut vantages: Vec<String> = Vec::new();
    for vantage in target.addresses.iter().filter_map(|run| run.vantage) {
        let vantage = vantage.to_string();
        if !vantages.contains(&vantage) {
            vantages.push(vantage);
        }
    }
    vantages
}

/// The products and other telling services that answered, each with the port.
pub fn products_seen(target: &TargetRun) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut add = |name: String, question: Question| {
        let entry = match question {
            Question::Service { ports } => format!("{name} ({ports})"),
            other => format!("{name} (tcp/{})", other.port()),
        };
        if !seen.contains(&entry) {
            seen.push(entry);
        }
    };
    for observation in &target.observations {
        if let Some(Fact::Products { products }) = observation.attempt.fact() {
            for product in products {
                add(product_name(product), observation.question);
            }
        }
    }
    for observation in &target.observations {
        match observation.attempt.fact() {
            Some(Fact::Service { service, .. })
                if !matches!(service, Service::Http | Service::Https | Service::Silent | Service::Unknown { .. }) =>
            {
                add(service.to_string(), observation.question);
            }
            _ => {}
        }
    }
    seen
}

/// Something to know before believing the verdicts on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caution {
    /// What it is, in two or three words.
    pub title: &'static str,
    /// The same for a narrow column.
    pub short: &'static str,
    /// What happened, what it means and what to do.
    pub text: String,
    /// Whether something is missing from the run because of it.
    pub missing: bool,
}

/// What to know before believing the verdicts on a target: troubles first, then what its addresses showed.
pub fn cautions(target: &TargetRun) -> Vec<Caution> {
    let mut cautions: Vec<Caution> = target
        .troubles
        .iter()
        .map(|trouble| {
            let (title, short) = trouble_title(trouble);
            Caution { title, short, text: capitalised(&trouble.describe()), missing: true }
        })
        .collect();
    let doubt = |title, short, text| Caution { title, short, text, missing: false };
    for run in &target.addresses {
        if let Some(text) = doubt_of_handshakes(run) {
            cautions.push(doubt("Open ports in doubt", "decoys open", text));
        }
    }
    for run in &target.addresses {
        for oddity in run.health.oddities.iter().filter(|oddity| oddity.is_telling()) {
            cautions.push(doubt("Odd answers", "odd answers", format!("{}: {}.", run.address, oddity.describe())));
        }
        if let Some(limit) = run.health.path.as_ref().and_then(|path| path.limit_per_second) {
            let text = format!(
                "Something on the way to {} lets about {limit} SYNs a second through. Ports were asked no faster than that, \
                 and silence was weighed by it.",
                run.address
            );
            cautions.push(doubt("Limited", "limited", text));
        }
    }
    cautions.extend(rations(target));
    let inside: Vec<String> =
        target.addresses.iter().filter(|run| run.health.inside).map(|run| run.address.to_string()).collect();
    if !inside.is_empty() {
        let text = format!(
            "{} {} not public, so this is not a view from outside. The Internet may reach more, or less, than was seen.",
            listed(&inside),
            if inside.len() == 1 { "is" } else { "are" }
        );
        cautions.push(doubt("Not an outside view", "inside", text));
    }
    cautions
}

/// The addresses whose silent UDP ports are silent for want of leave to answer, with what it would cost to decide them.
fn rations(target: &TargetRun) -> impl Iterator<Item = Caution> + '_ {
    let undecided = |address| {
        target.observations.iter().filter(move |observation| observation.address == address).find_map(|observation| {
            match observation.attempt.fact() {
                Some(Fact::Port(PortFact { reason: PortReason::Rationed(rationed), .. })) => Some(*rationed),
                _ => None,
            }
        })
    };
    target.addresses.iter().filter_map(move |run| {
        let rationed: Rationed = undecided(run.address)?;
        let text = format!(
            "{} said of {} of {} UDP ports that they are closed, and says so no more often than {}, so the silence of the \
             others tells nothing. To decide them: {}.",
            run.address,
            number(rationed.answered),
            number(rationed.asked),
            rationed.pace(),
            rationed.cost()
        );
        Some(Caution { title: "UDP ports undecided", short: "UDP rationed", text, missing: false })
    })
}

/// Why open ports of an address may be nothing, where decoys opened.
pub fn doubt_of_handshakes(run: &AddressRun) -> Option<String> {
    let (address, health) = (run.address, &run.health);
    if !health.handshakes_untrusted() {
        return None;
    }
    let decoys: Vec<String> = health.decoys_open.iter().map(ToString::to_string).collect();
    Some(format!(
        "{address} completed handshakes on {} of {} ports that nothing uses (tcp {}). Something in between, such as a \
         firewall or a proxy, answers in its place, so an open port there proves nothing{}.",
        decoys.len(),
        health.decoys_asked,
        decoys.join(", "),
        if health.decoys_speak { ", nor does what it answers" } else { " until a service speaks" }
    ))
}

/// What is in doubt of the vantage, for whoever asks single questions: each in a few sentences. That an address is inside,
/// and that few files may be open, they are told elsewhere.
pub fn doubts_of_vantage(vantage: &Vantage) -> Vec<String> {
    let told = |checkup: &&Checkup| !matches!(checkup.subject, Subject::InsideAddresses | Subject::OpenFiles);
    vantage
        .doubts()
        .filter(told)
        .map(|doubt| format!("{}: {} {} {}", doubt.subject.title(), doubt.seen, doubt.why, doubt.todo))
        .collect()
}

fn trouble_title(trouble: &Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::Unresolved { .. } => ("Not scanned: name not resolved", "not resolved"),
        Trouble::Unreachable => ("Nothing answered", "no answer"),
        Trouble::NoRoute { .. } => ("Address not asked", "no route"),
        Trouble::SilentAddress { .. } => ("Silent address", "silent address"),
        Trouble::StoppedAnswering { .. } => ("Stopped answering", "went silent"),
        Trouble::Interrupted => ("Not finished: interrupted", "interrupted"),
        Trouble::OutOfTime => ("Not finished: out of time", "out of time"),
        Trouble::Witness { .. } => ("Firewall not proved", "not proved"),
        Trouble::Evidence { .. } => ("Evidence not whole", "evidence not whole"),
        Trouble::Ourselves { .. } => ("The scanning machine fell short", "fell short"),
        Trouble::Bug { .. } => ("Internal error", "internal error"),
    }
}

/// How many questions there were, and what came of them. Ports that were joined to a range count one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Those that were asked.
    pub asked: usize,
    /// Those of them that something answered.
    pub answered: usize,
    /// Those of them about ports that met only silence, which is an observation but no answer.
    pub silent: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// Those that were not asked.
    pub skipped: usize,
}

/// Counts the questions of `observations`.
pub fn coverage<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Coverage {
    let mut coverage = Coverage::default();
    for observation in observations {
        let count = match observation.question {
            Question::Port { ports } | Question::Service { ports } | Question::Witness { ports } => ports.count(),
            _ => 1,
        };
        match &observation.attempt {
            // Nothing was sent to a port that the witness does not hold.
            Attempt::Answered { fact: Fact::Witness(WitnessFact { sent: 0, .. }) } => {}
            Attempt::Answered { fact: Fact::Port(PortFact { reason, .. }) } if reason.is_silence() => {
                coverage.silent += count;
            }
            Attempt::Answered { .. } => coverage.answered += count,
            Attempt::Failed { .. } => coverage.failed += count,
            Attempt::Skipped { .. } => coverage.skipped += count,
        }
    }
    coverage.asked = coverage.answered + coverage.silent + coverage.failed;
    coverage
}

/// What is missing from a partial run: the targets concerned, and what happened to each.
pub(super) fn missing(run: &Run) -> Vec<(String, Vec<String>)> {
    let concerned = run.targets.iter().filter(|target| !target.troubles.is_empty());
    let mut missing: Vec<(String, Vec<String>)> = concerned
        .map(|target| (target.target.label(), target.troubles.iter().map(Trouble::describe).collect()))
        .collect();
    let unknown = run.vantage.unknown().map(|checkup| checkup.seen.trim_end_matches('.').to_owned());
    let unknown: Vec<String> = unknown.collect();
    if !unknown.is_empty() {
        missing.push(("the vantage".to_owned(), unknown));
    }
    if missing.is_empty() && run.interrupted {
        missing.push(("the run".to_owned(), vec!["it was interrupted before everything was asked".to_owned()]));
    }
    missing
}

/// The whole run in one sentence. It never sounds clean where something is missing or untold.
pub fn bottom_line(run: &Run) -> String {
    let tally = run.tally();
    let servers = |count: usize| counted(count, "server", "servers");
    let failed = tally.count(Verdict::Fail);
    let untold = tally.count(Verdict::Inconclusive);
    let inside_needed = tally.count(Verdict::NeedsEvidence) + tally.count(Verdict::NeedsAttestation);
    let rules = run.rule_tally();
    let violated = rules.count(RuleVerdict::Violated);
    let unproved = rules.count(RuleVerdict::Inconclusive);
    let mut clauses = Vec::new();
    if violated > 0 && failed == 0 {
        clauses.push(violations(violated, rules.waived()));
    }
    if run.targets.is_empty() {
        clauses.push("no server was scanned".to_owned());
    } else if tally.total() == 0 {
        clauses.push(format!("nothing could be judged on {}", servers(run.targets.len())));
    } else if failed > 0 {
        let concerned = run.targets.iter().filter(|target| !with_verdict(target, Verdict::Fail).is_empty()).count();
        let verb = if failed == 1 { "is" } else { "are" };
        let on = if run.targets.len() == 1 {
            "on the one server".to_owned()
        } else if concerned == run.targets.len() {
            format!("on all {}", servers(concerned))
        } else {
            format!("on {concerned} of {}", servers(run.targets.len()))
        };
        clauses.push(format!(
            "{} {verb} not followed {on}{}",
            counted(failed, "recommendation", "recommendations"),
            worst(run)
        ));
        if tally.waived() > 0 {
            let verb = if tally.waived() == 1 { "is" } else { "are" };
            clauses.push(format!("{} of these {verb} waived for a time", number(tally.waived())));
        }
    } else if violated > 0 && (run.is_partial() || untold > 0) {
        clauses.push("no recommendation was seen not to be followed".to_owned());
    } else if run.is_partial() || untold > 0 || unproved > 0 {
        clauses.push("no failure was seen".to_owned());
    } else if tally.count(Verdict::Pass) > 0 {
        clauses.push("every recommendation that can be judged from the network is followed".to_owned());
    } else {
        clauses.push("no recommendation could be judged from the network".to_owned());
    }
    if untold > 0 {
        clauses.push(format!("{untold} could not be told"));
    }
    if violated > 0 && failed > 0 {
        clauses.push(violations(violated, rules.waived()));
    }
    let proved = rules.count(RuleVerdict::Proved);
    if proved > 0 && violated == 0 && unproved == 0 {
        clauses.push(match proved {
            1 => "the one expected rule is proved".to_owned(),
            proved => format!("all {} expected rules are proved", number(proved)),
        });
    }
    if unproved > 0 {
        clauses.push(format!("{} could not be proved", counted(unproved, "expected rule", "expected rules")));
    }
    if tally.attested() > 0 {
        let verb = if tally.attested() == 1 { "passes" } else { "pass" };
        clauses.push(format!("{} {verb} by a person's word", number(tally.attested())));
    }
    if inside_needed > 0 {
        let verb = if inside_needed == 1 { "needs" } else { "need" };
        clauses.push(format!("{inside_needed} {verb} evidence from inside or a person's statement"));
    }
    let spoils = |doubt: &Checkup| doubt.subject.group() == Group::Network || doubt.standing == Standing::Broken;
    if run.vantage.doubts().any(spoils) {
        clauses.push("what this machine sees is in doubt".to_owned());
    }
    if run.is_partial() {
        clauses.push("the run is partial, so this is not the whole picture".to_owned());
    }
    format!("{}.", capitalised(&clauses.join("; ")))
}

fn violations(count: usize, waived: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    let waived = if waived == 0 { String::new() } else { format!(", {} of them waived", number(waived)) };
    format!("{} {verb} violated{waived}", counted(count, "expected rule", "expected rules"))
}

/// How many failures are critical or high, for the bottom line.
fn worst(run: &Run) -> String {
    let of = |severity: Severity| {
        let findings = run.targets.iter().flat_map(|target| &target.findings);
        findings.filter(|finding| finding.verdict == Verdict::Fail && finding.severity == severity).count()
    };
    let parts: Vec<String> = [Severity::Critical, Severity::High]
        .into_iter()
        .map(|severity| (of(severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    if parts.is_empty() { String::new() } else { format!(", {} of them", listed(&parts)) }
}

/// An RFC 3339 instant for people, in UTC; as it stands where it is none.
pub fn instant(rfc3339: &str) -> String {
    rfc3339
        .parse::<Timestamp>()
        .map_or_else(|_| rfc3339.to_owned(), |at| at.strftime("%-d %B %Y, %H:%M UTC").to_string())
}

/// A length of time for people.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..=9 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// When an observation was made, how long it took and how often it was tried.
pub(super) fn timing(observation: &Observation) -> String {
    if observation.tries == 0 {
        return "not asked".to_owned();
    }
    let took = if observation.elapsed_ms == observation.elapsed_max_ms {
        duration(observation.elapsed_ms)
    } else {
        format!("{} to {} each", duration(observation.elapsed_ms), duration(observation.elapsed_max_ms))
    };
    let tries = match usize::try_from(observation.tries) {
        Ok(tries) => counted(tries, "try", "tries"),
        Err(_) => format!("{} tries", observation.tries),
    };
    format!("{tries}, {took}, at +{}", duration(observation.started_ms))
}
/// The round trip time in milliseconds.
pub(super) fn round_trip_ms(path: &PathHealth) -> f64 {
    std::time::Duration::from_micros(path.round_trip_us).as_secs_f64() * 1000.0
}
