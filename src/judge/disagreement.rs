//! Guides, or guides and expected rules, that ask for opposite things on one target: shown, never merged in silence.

use super::Case;
use super::view::{AddressView, View};
use crate::catalog::rule::Rule;
use crate::model::expected::{Direction, ExpectedRule, RuleFinding, decides};
use crate::model::ports::{Ports, Transport};
use crate::model::run::Disagreement;
use crate::model::verdict::{Finding, Verdict};
use std::collections::{BTreeMap, BTreeSet};

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
        let items = open.into_iter().chain(closed).collect();
        disagreements.push(Disagreement { subject, items, rule: None, explanation });
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

/// Finds expected rules that ask for the opposite of an applied item, and notes it at both.
pub(super) fn with_rules(view: &View<'_>, findings: &mut [Finding], rules: &mut [RuleFinding]) -> Vec<Disagreement> {
    let target = view.target();
    let applied = || {
        let items = view.guides().iter().flat_map(|guide| guide.items_for(&target.roles));
        items.flat_map(|item| item.rules.iter().map(move |rule| (item, rule)))
    };
    let mut disagreements = Vec::new();
    for found in rules.iter_mut() {
        let mut ports: BTreeSet<(Transport, u16)> = BTreeSet::new();
        let mut items: Vec<String> = Vec::new();
        for (item, rule) in applied().filter(|(_, rule)| super::condition(rule.only_when, target).is_none()) {
            let opposed: Vec<(Transport, u16)> = opposed(view, &found.rule, &rule.rule).collect();
            if !opposed.is_empty() && !items.contains(&item.id) {
                items.push(item.id.clone());
            }
            ports.extend(opposed);
        }
        if items.is_empty() {
            continue;
        }
        let of = |transport| {
            Ports::ranges(transport, ports.iter().filter(|(known, _)| *known == transport).map(|(_, port)| *port))
        };
        let subject: Vec<String> =
            [Transport::Tcp, Transport::Udp].into_iter().flat_map(of).map(|ports| ports.to_string()).collect();
        let subject = subject.join(", ");
        let said: Vec<String> = findings
            .iter()
            .filter(|finding| items.contains(&finding.item))
            .map(|finding| format!("{}: {}", finding.item, finding.verdict))
            .collect();
        let (want, wish) = match found.rule.direction {
            Direction::Allow => ("wants", "closed"),
            Direction::Deny => ("does not want", "reachable"),
        };
        let note = found.rule.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        let explanation = format!(
            "The inventory {want} {subject} reachable, by its rule `{}`{note}: {}. {} {} it {wish} ({}). Both are shown as they \
             were seen; decide which of the two holds, and change the port or the rule.",
            found.rule,
            found.verdict(),
            items.join(", "),
            if items.len() == 1 { "wants" } else { "want" },
            said.join(", "),
        );
        found.disagreements.push(explanation.clone());
        for finding in findings.iter_mut().filter(|finding| items.contains(&finding.item)) {
            finding.disagreements.push(explanation.clone());
        }
        disagreements.push(Disagreement { subject, items, rule: Some(found.rule.to_string()), explanation });
    }
    disagreements
}

/// The ports, as they are on the target, of which a guide's rule asks for the opposite of the expected rule. What a guide
/// wants reachable it wants at one address of a name, so only what is denied at all of them is against it.
fn opposed<'a>(
    view: &'a View<'_>,
    expected: &'a ExpectedRule,
    rule: &'a Rule,
) -> impl Iterator<Item = (Transport, u16)> + 'a {
    let target = view.target();
    let excepted = match (expected.direction, rule) {
        (Direction::Allow, Rule::Unreachable { unless_redirectors, .. }) => {
            *unless_redirectors && target.redirectors == Some(true)
        }
        (Direction::Deny, Rule::Reachable { .. }) => false,
        _ => true,
    };
    let grows = matches!(rule, Rule::Unreachable { grows_with_technicians: true, .. });
    let named = rule.ports().iter().filter(move |_| !excepted);
    let named = named.map(move |ports| if grows { target.grown(*ports) } else { *ports });
    let places = named.flat_map(move |ports| {
        let transport = ports.transport();
        let wanted = matches!(rule, Rule::Reachable { .. });
        ports.each().flat_map(move |port| {
            let places = target.places(transport, port);
            places.take(if wanted { 1 } else { 2 }).map(move |port| (transport, port))
        })
    });
    places.filter(move |(transport, port)| {
        let decides = |address: &AddressView<'_>| {
            decides(expected, &target.rules, &target.expected, (address.address, *transport, *port))
        };
        match expected.direction {
            Direction::Allow => view.addresses.iter().any(decides),
            Direction::Deny => !view.addresses.is_empty() && view.addresses.iter().all(decides),
        }
    })
}
