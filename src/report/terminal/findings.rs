//! A finding in full: what was seen, why that decides it, what would settle it, what to do.

use super::Options;
use super::host::style_of;
use super::page::{BOLD, DIM, PLAIN, Page};
use crate::model::observation::{Observation, ObservationId};
use crate::model::run::TargetRun;
use crate::model::verdict::{Check, Confidence, Finding, Severity, Verdict};
use crate::report::describe::describe;
use crate::report::reading::timing;
use crate::report::reference::Reference;
use crate::report::statements::beside;
use anstyle::Style;
use std::collections::BTreeSet;

/// The width of the column of labels.
const LABELS: usize = 9;
const INDENT: usize = 6;

pub(super) fn in_full(page: &mut Page, target: &TargetRun, finding: &Finding, options: &Options) {
    page.gap();
    let severity = finding.severity.to_string();
    let style = severity_style(finding);
    let lead = [(finding.item.as_str(), BOLD), ("  ", PLAIN), (severity.as_str(), style), ("  ", PLAIN)];
    page.block(4, &lead, INDENT, BOLD, &finding.title);
    let unsettled: Vec<&Check> = [Verdict::Fail, Verdict::Inconclusive]
        .into_iter()
        .flat_map(|verdict| finding.checks.iter().filter(move |check| check.verdict == verdict))
        .collect();
    let several = finding.checks.len() > 1;
    for check in &unsettled {
        one_check(page, check, several, finding);
    }
    let settled = finding.checks.len() - unsettled.len();
    if settled > 0 {
        let rules: Vec<String> = finding
            .checks
            .iter()
            .filter(|check| !matches!(check.verdict, Verdict::Fail | Verdict::Inconclusive))
            .map(|check| format!("{}: {}", check.rule, check.verdict))
            .collect();
        page.labelled(INDENT, "Other", LABELS, &rules.join("; "));
    }
    for (label, text) in beside(finding, page.day()) {
        page.labelled(INDENT, label, LABELS, &text);
    }
    for note in &finding.disagreements {
        page.labelled(INDENT, "Sources", LABELS, note);
    }
    if options.remedy {
        remedy(page, finding);
    }
    if options.evidence {
        evidence(page, target, finding);
    }
}

fn severity_style(finding: &Finding) -> Style {
    match finding.severity {
        Severity::Critical | Severity::High => style_of(finding.verdict),
        Severity::Medium | Severity::Low => PLAIN,
    }
}

fn one_check(page: &mut Page, check: &Check, several: bool, finding: &Finding) {
    let mut row = |label: &str, text: &str| {
        if !text.is_empty() {
            page.labelled(INDENT, label, LABELS, text);
        }
    };
    if several || check.rule != finding.title {
        row(if check.verdict == Verdict::Fail { "Fails" } else { "Unclear" }, &check.rule);
    }
    for (number, seen) in check.seen.iter().enumerate() {
        row(if number == 0 { "Seen" } else { "" }, seen);
    }
    row("Why", &check.why);
    if check.confidence != Confidence::High {
        row("Doubt", &format!("{} confidence", check.confidence));
    }
    row("Settle", check.settle.as_deref().unwrap_or_default());
}

fn remedy(page: &mut Page, finding: &Finding) {
    if !finding.rationale.is_empty() {
        page.labelled(INDENT, "Matters", LABELS, &finding.rationale);
    }
    for (number, step) in finding.remedy.iter().enumerate() {
        let (label, count) = (if number == 0 { "Do" } else { "" }, format!("{}. ", number + 1));
        let padding = " ".repeat(LABELS - label.len());
        page.block(INDENT, &[(label, DIM), (&padding, PLAIN), (&count, PLAIN)], INDENT + LABELS + 3, PLAIN, step);
    }
    for (number, reference) in finding.references.iter().enumerate() {
        page.labelled(INDENT, if number == 0 { "See" } else { "" }, LABELS, &Reference::read(reference).plain());
    }
}

/// The observations that a finding rests on.
pub(super) fn evidence(page: &mut Page, target: &TargetRun, finding: &Finding) {
    let ids: BTreeSet<ObservationId> = finding.checks.iter().flat_map(|check| check.rests_on.iter().copied()).collect();
    for (number, id) in ids.iter().enumerate() {
        let label = if number == 0 { "Evidence" } else { "" };
        match target.observations.iter().find(|observation| observation.id == *id) {
            Some(observation) => page.labelled(INDENT, label, LABELS, &one_observation(observation)),
            None => page.labelled(INDENT, label, LABELS, &format!("{id}: not in this run")),
        }
    }
}

pub(super) fn one_observation(observation: &Observation) -> String {
    let (id, address) = (observation.id, observation.address);
    format!("{id} {address}: {} [{}]", describe(observation), timing(observation))
}
