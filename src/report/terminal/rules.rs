//! The expected rules of a host: each with what was seen, whatever the verdict, for a proof is as much asked for as a breach.

use super::Options;
use super::findings::one_observation;
use super::host::style_of;
use super::page::{BOLD, DIM, PLAIN, Page};
use crate::model::expected::{RuleFinding, RuleTally, RuleVerdict};
use crate::model::run::TargetRun;
use crate::report::reading::{is_doubtful_rule, opposed_by, rules_tallied};
use crate::report::statements::beside_rule;

/// The width of the column of labels.
const LABELS: usize = 9;
const INDENT: usize = 6;

pub(super) fn render(page: &mut Page, target: &TargetRun, options: &Options) {
    if target.rules.is_empty() {
        return;
    }
    page.gap();
    let title = format!("EXPECTED RULES ({})", target.rules.len());
    page.block(2, &[(&title, BOLD), ("  ", PLAIN)], 4, DIM, &rules_tallied(&RuleTally::of(&target.rules)));
    for verdict in RuleVerdict::ALL.into_iter().filter(|verdict| options.show.contains(&verdict.weight())) {
        for finding in target.rules.iter().filter(|finding| finding.verdict() == verdict) {
            one_rule(page, target, finding, options);
        }
    }
}

fn one_rule(page: &mut Page, target: &TargetRun, finding: &RuleFinding, options: &Options) {
    let (check, verdict) = (&finding.check, finding.verdict());
    page.gap();
    let word = verdict.words().to_uppercase();
    let lead = [(word.as_str(), style_of(verdict.weight())), ("  ", PLAIN)];
    let default = if finding.rule.default { " (default)" } else { "" };
    page.block(4, &lead, INDENT, BOLD, &format!("{}{default}", finding.rule));
    let waiver = beside_rule(finding, page.day());
    let mut row = |label: &str, text: &str| {
        if !text.is_empty() {
            page.labelled(INDENT, label, LABELS, text);
        }
    };
    row("Note", finding.rule.note.as_deref().unwrap_or_default());
    for (number, seen) in check.seen.iter().enumerate() {
        row(if number == 0 { "Seen" } else { "" }, seen);
    }
    row("Why", &check.why);
    if is_doubtful_rule(finding) {
        row("Doubt", &format!("{} confidence", check.confidence));
    }
    row("Settle", check.settle.as_deref().unwrap_or_default());
    if let Some((label, text)) = &waiver {
        row(label, text);
    }
    let items = opposed_by(target, finding);
    if !items.is_empty() {
        row("Guides", &format!("{} against it, see above", items.join(", ")));
    }
    if !options.evidence {
        let ids: Vec<String> = check.rests_on.iter().map(ToString::to_string).collect();
        row("Rests on", &ids.join(", "));
        return;
    }
    for (number, id) in check.rests_on.iter().enumerate() {
        let observation = target.observations.iter().find(|observation| observation.id == *id);
        let text = observation.map_or_else(|| format!("{id}: not in this run"), one_observation);
        row(if number == 0 { "Evidence" } else { "" }, &text);
    }
}
