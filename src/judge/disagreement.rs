//! Guides that ask for opposite things on one target: shown, never merged in silence.

use super::Case;
use crate::catalog::rule::Rule;
use crate::model::run::Disagreement;
use crate::model::verdict::{Finding, Verdict};
use std::collections::BTreeMap;

/// Finds ports that one applied item wants reachable and another does not, and notes it at both findings.
pub(super) fn find(case: Case<'_>, findings: &mut [Finding]) -> Vec<Disagreement> {
    let mut wanted: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for guide in case.guides {
        for item in guide.items_for(&case.target.roles) {
            for rule in item.rules.iter().filter(|rule| super::condition(rule.only_when, case.target).is_none()) {
                for ports in rule.rule.ports().iter().filter(|ports| ports.count() == 1) {
                    let entry = wanted.entry(ports.to_string()).or_default();
                    match &rule.rule {
                        Rule::Reachable { .. } => entry.0.push(item.id.clone()),
                        Rule::Unreachable { .. } => entry.1.push(item.id.clone()),
                        _ => {}
                    }
                }
            }
        }
    }
    let mut disagreements = Vec::new();
    for (subject, (open, closed)) in wanted {
        if open.is_empty() || closed.is_empty() {
            continue;
        }
        let verdict = |ids: &[String]| {
            let said: Vec<String> = ids
                .iter()
                .filter_map(|id| findings.iter().find(|finding| finding.item == *id))
                .map(|finding| format!("{}: {}", finding.item, finding.verdict))
                .collect();
            said.join(", ")
        };
        let explanation = format!(
            "{} wants {subject} reachable ({}); {} wants it closed ({}). {}",
            open.join(", "),
            verdict(&open),
            closed.join(", "),
            verdict(&closed),
            resolution(findings, &open, &closed)
        );
        for finding in
            findings.iter_mut().filter(|finding| open.contains(&finding.item) || closed.contains(&finding.item))
        {
            finding.disagreements.push(explanation.clone());
        }
        disagreements.push(Disagreement { subject, items: open.into_iter().chain(closed).collect(), explanation });
    }
    disagreements
}

fn resolution(findings: &[Finding], open: &[String], closed: &[String]) -> &'static str {
    let has = |ids: &[String], verdict| {
        findings.iter().any(|finding| ids.contains(&finding.item) && finding.verdict == verdict)
    };
    if has(closed, Verdict::NotApplicable) {
        "The product that answers there decided: the wish to close it is about another product."
    } else if has(open, Verdict::Fail) && has(closed, Verdict::Pass) {
        "It is closed now; if the service is needed from outside, the first guide decides."
    } else if has(open, Verdict::Pass) && has(closed, Verdict::Fail) {
        "Both cannot hold: give the two products different ports, and declare the moved one in the inventory."
    } else {
        "Which of the two holds depends on the product that answers there."
    }
}
