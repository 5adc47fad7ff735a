//! Runs the examples of a guide: what each says was seen must lead to the verdict that it says.

use super::view::View;
use super::{Case, Part, apply, condition};
use crate::catalog::builtin::Catalogs;
use crate::catalog::example::{Example, Given, Seen};
use crate::catalog::guide::{Guide, GuideRule, Item};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Observation, ObservationId};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun};
use crate::model::target::{Host, Target};
use crate::model::verdict::Verdict;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// An example that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The item.
    pub item: String,
    /// The line of the catalog where the example's verdict stands.
    pub line: usize,
    /// The verdict that it says.
    pub expected: Verdict,
    /// The verdict that the rule gives.
    pub actual: Verdict,
    /// Why the rule gives it.
    pub why: String,
}

/// A documentation address (RFC 5737).
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

/// Runs every example of `guide`; `catalogs` supplies the list of exploited versions. Returns how many were run, and
/// those that do not hold.
pub fn run(guide: &Guide, catalogs: &Catalogs) -> (usize, Vec<Broken>) {
    let mut count = 0;
    let mut broken = Vec::new();
    for item in &guide.items {
        for rule in &item.rules {
            for example in &rule.examples {
                count += 1;
                broken.extend(run_one(guide, item, rule, example, catalogs));
            }
        }
    }
    (count, broken)
}

fn run_one(guide: &Guide, item: &Item, rule: &GuideRule, example: &Example, catalogs: &Catalogs) -> Option<Broken> {
    let roles = item.roles.as_ref().unwrap_or(&guide.roles);
    let target = target(&example.given, roles.first().copied().into_iter().collect());
    let observations = observations(example);
    let run = AddressRun { address: ADDRESS, vantage: None, health: health(example, &observations) };
    let addresses = [run];
    let case = Case {
        target: &target,
        addresses: &addresses,
        observations: &observations,
        guides: std::slice::from_ref(guide),
        exploited: &catalogs.exploited,
    };
    let view = View::new(case);
    let parts = condition(rule.only_when, &target).map_or_else(|| apply(&rule.rule, &view), |part| vec![part]);
    let check = Part::combine(rule.rule.describe(), parts);
    (check.verdict != example.verdict).then(|| Broken {
        item: item.id.clone(),
        line: example.line,
        expected: example.verdict,
        actual: check.verdict,
        why: check.why,
    })
}

fn target(given: &Given, roles: BTreeSet<crate::model::target::Role>) -> Target {
    Target {
        client: "example".to_owned(),
        name: "example".to_owned(),
        host: Host::Name("rmm.example".to_owned()),
        roles: if given.roles.is_empty() { roles } else { given.roles.clone() },
        tags: BTreeSet::new(),
        active_directory: given.active_directory,
        technicians: given.technicians,
        redirectors: given.redirectors,
        split_database: given.split_database,
        control: given.control,
        sni: None,
        moved: Vec::new(),
        expected: given.expected.clone(),
        notes: None,
    }
}

fn observations(example: &Example) -> Vec<Observation> {
    let seen = example.seen.iter().filter_map(|seen| match seen {
        Seen::Observation(question, attempt) => Some((*question, (**attempt).clone())),
        _ => None,
    });
    seen.zip(1..)
        .map(|((question, attempt), number)| Observation {
            id: ObservationId(number),
            address: ADDRESS,
            question,
            started_ms: 0,
            elapsed_ms: 20,
            elapsed_max_ms: 20,
            tries: 2,
            attempt,
        })
        .collect()
}

fn health(example: &Example, observations: &[Observation]) -> AddressHealth {
    let says = |flag: &Seen| example.seen.contains(flag);
    let answered = observations.iter().any(|observation| match (&observation.question, &observation.attempt) {
        (Question::Port { .. }, Attempt::Answered { fact: Fact::Port(fact) }) => {
            !matches!(fact.state, PortState::Filtered | PortState::OpenOrFiltered)
        }
        _ => true,
    });
    AddressHealth {
        // An address whose examples show only silence is alive unless the example says otherwise: another port answers.
        answered: !says(&Seen::SilentHost) || answered,
        decoys_open: if says(&Seen::DecoysOpen) { vec![20_001, 20_002, 20_003] } else { Vec::new() },
        decoys_asked: 3,
        stopped_answering: says(&Seen::StoppedAnswering),
        inside: says(&Seen::Inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_built_in_guides_holds() {
        let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
        let mut broken = Vec::new();
        for guide in &catalogs.guides {
            let (count, found) = run(guide, &catalogs);
            assert!(count >= guide.items.len(), "{}: {count} examples", guide.id);
            for Broken { item, line, expected, actual, why } in found {
                broken
                    .push(format!("guides/{}.toml:{line}: {item}: expected {expected}, got {actual}: {why}", guide.id));
            }
        }
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
