//! One host's block: who it is, what to know before believing it, then the findings.

use super::page::{BOLD, CYAN, DIM, GREEN, PLAIN, Page, RED, Span, YELLOW};
use super::{Lists, Options, evidence, findings, proof, rules, statements, suites};
use crate::model::expected::RuleTally;
use crate::model::run::{Tally, TargetRun};
use crate::model::verdict::{Finding, Verdict};
use crate::report::host_evidence;
use crate::report::reading::{
    Caution, cautions, coverage, is_doubtful, meaning, products_seen, rules_tallied, tallied_all, vantages,
    who_disagrees, with_verdict,
};
use crate::report::statements::{beside, of_them};
use crate::report::text::{counted, number};
use anstyle::Style;
use std::fmt::Write as _;
use textwrap::core::display_width;

/// The width of the column of labels.
const LABELS: usize = 11;

pub(super) fn style_of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Fail => RED,
        Verdict::Inconclusive => YELLOW,
        Verdict::NeedsEvidence | Verdict::NeedsAttestation => CYAN,
        Verdict::Pass => GREEN,
        Verdict::NotApplicable => DIM,
    }
}

pub(super) fn render(page: &mut Page, target: &TargetRun, options: &Options) {
    let host = target.target.host.to_string();
    let heading = if host == target.target.name { host } else { format!("{} ({host})", target.target.name) };
    page.heading('-', BOLD, &heading);
    identity(page, target);
    for caution in cautions(target) {
        warn(page, &caution);
    }
    for disagreement in &target.disagreements {
        page.gap();
        let text =
            format!("on {} ({}). {}", disagreement.subject, disagreement.items.join(", "), disagreement.explanation);
        let title = format!("! {}", who_disagrees(disagreement));
        page.block(2, &[(&title, YELLOW), (" ", PLAIN)], 4, PLAIN, &text);
    }
    evidence::render(page, target);
    rules::render(page, target, options);
    statements::render(page, target);
    proof::render(page, target);
    suites::render(page, target);
    let mut hidden = Vec::new();
    let tally = Tally::of(&target.findings);
    for verdict in Verdict::ALL {
        let found = with_verdict(target, verdict);
        if found.is_empty() {
            continue;
        }
        if !options.show.contains(&verdict) {
            hidden.push(tallied_all(&tally, verdict));
            continue;
        }
        page.gap();
        let of_them = of_them(&tally, verdict).map_or_else(String::new, |of_them| format!(", {of_them}"));
        let title = format!("{} ({}{of_them})", verdict.words().to_uppercase(), found.len());
        page.block(2, &[(&title, style_of(verdict)), ("  ", PLAIN)], 4, DIM, meaning(verdict));
        match verdict {
            Verdict::Fail | Verdict::Inconclusive => {
                for finding in found {
                    findings::in_full(page, target, finding, options);
                }
            }
            _ => list(page, target, &found, options),
        }
    }
    if !hidden.is_empty() {
        page.gap();
        page.paragraph(2, DIM, &format!("Not shown: {}", hidden.join(", ")));
    }
}

fn identity(page: &mut Page, target: &TargetRun) {
    let addresses: Vec<String> = target.addresses.iter().map(|run| run.address.to_string()).collect();
    let roles: Vec<String> = target.target.roles.iter().map(ToString::to_string).collect();
    let mut row = |label: &str, text: &str| {
        if !text.is_empty() {
            page.labelled(2, label, LABELS, text);
        }
    };
    let alone = target.evidence.is_some() && addresses.is_empty() && target.observations.is_empty();
    row("Addresses", if addresses.is_empty() && !alone { "none" } else { "" });
    row("Addresses", &addresses.join(", "));
    row("From", &vantages(target).join(", "));
    row("Roles", &roles.join(", "));
    row("Seen", &products_seen(target).join(", "));
    row("Sent name", target.target.sni.as_deref().unwrap_or_default());
    let moved: Vec<String> =
        target.target.moved.iter().map(|moved| format!("{} is at {}", moved.from, moved.to)).collect();
    row("Moved", &moved.join(", "));
    row("Evidence", &target.evidence.as_deref().map(host_evidence::identity).unwrap_or_default());
    row("Notes", target.target.notes.as_deref().unwrap_or_default());
    let asked = coverage(&target.observations);
    let mut asking = format!("{}, {} answered", counted(asked.asked, "question", "questions"), number(asked.answered));
    for (count, word) in [(asked.silent, "met silence"), (asked.failed, "failed"), (asked.skipped, "not asked")] {
        if count > 0 {
            let _ = write!(asking, ", {} {word}", number(count));
        }
    }
    row(
        "Asked",
        if alone { "nothing: judged by the host's own word, and only items that it can speak of" } else { &asking },
    );
    page.labelled(2, "Result", LABELS, &result(&target.findings));
    if !target.rules.is_empty() {
        page.labelled(2, "Rules", LABELS, &rules_tallied(&RuleTally::of(&target.rules)));
    }
}

/// The counts of all verdicts that occur.
pub(super) fn result(findings: &[Finding]) -> String {
    let tally = Tally::of(findings);
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| tally.count(*verdict) > 0)
        .map(|verdict| tallied_all(&tally, verdict))
        .collect();
    if counts.is_empty() { "nothing was judged".to_owned() } else { counts.join(", ") }
}

fn warn(page: &mut Page, caution: &Caution) {
    page.gap();
    let title = format!("! {}", caution.title);
    let style = if caution.missing { RED } else { YELLOW };
    page.block(2, &[(&title, style), (" ", PLAIN)], 4, PLAIN, &format!("- {}", caution.text));
}

/// Findings that need no work from the reader now: ids, or a line each. What is doubtful, or stands on what people say, gets
/// its line in any case.
fn list(page: &mut Page, target: &TargetRun, found: &[&Finding], options: &Options) {
    let (lines, ids): (Vec<&Finding>, Vec<&Finding>) =
        found.iter().partition(|finding| options.lists == Lists::Full || is_doubtful(finding) || is_stated(finding));
    let ids: Vec<&str> = ids.iter().map(|finding| finding.item.as_str()).collect();
    page_ids(page, &ids);
    let column = lines.iter().map(|finding| display_width(&finding.item)).max().unwrap_or_default().min(16) + 2;
    for finding in lines {
        let doubt = if is_doubtful(finding) { " (low confidence)" } else { "" };
        let padding = " ".repeat(column.saturating_sub(display_width(&finding.item)));
        let lead: [Span<'_>; 2] = [(&finding.item, PLAIN), (&padding, PLAIN)];
        page.block(4, &lead, 4 + column, PLAIN, &format!("{}{doubt}", finding.title));
        if let Some(check) = finding.deciding().filter(|_| is_doubtful(finding)) {
            page.paragraph(6, DIM, &check.why);
        }
        for (label, text) in beside(finding, page.day()) {
            page.block(6, &[(label, DIM), ("  ", PLAIN)], 8, PLAIN, &text);
        }
        if options.evidence {
            findings::evidence(page, target, finding);
        }
    }
}

fn is_stated(finding: &Finding) -> bool {
    finding.attestation.is_some() || finding.waiver.is_some()
}

fn page_ids(page: &mut Page, ids: &[&str]) {
    if !ids.is_empty() {
        page.paragraph(4, PLAIN, &ids.join(", "));
    }
}
