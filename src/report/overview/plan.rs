//! The action plan: what to do, in order; the same on many servers is one step.

use super::{Failure, Server};
use crate::model::statement::About;
use crate::model::verdict::Severity;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// One thing to do, on one server or many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place in the order, from 1 on.
    pub rank: usize,
    /// The item or the expected rule.
    pub about: About,
    /// The recommendation; of a rule what it wants.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// A version that is known to be attacked was seen.
    pub exploited: bool,
    /// It was seen from outside.
    pub outside: bool,
    /// It is waived on all of these servers.
    pub waived: bool,
    /// What to do: steps, in order.
    pub todo: Vec<String>,
    /// Where it fails. Never empty.
    pub failures: Vec<Failure>,
}

impl Step {
    /// On how many of its servers it could not be told since it failed.
    pub fn unconfirmed(&self) -> usize {
        self.failures.iter().filter(|one| one.unconfirmed.is_some()).count()
    }
}

/// What to do, in order: what is not accepted before what is, then by severity, by what is attacked, by what the Internet can
/// reach, and by how many servers it is on.
pub(super) fn steps(servers: &[Server]) -> Vec<Step> {
    let mut grouped: BTreeMap<(bool, &About), Vec<&Failure>> = BTreeMap::new();
    for failure in servers.iter().flat_map(|server| &server.failures) {
        grouped.entry((failure.waived.is_some(), &failure.about)).or_default().push(failure);
    }
    let mut steps: Vec<Step> = grouped
        .into_iter()
        .filter_map(|((waived, about), mut failures)| {
            failures.sort_by_key(|one| {
                (Reverse(one.severity), Reverse(one.exploited), Reverse(one.outside), one.unconfirmed.is_some())
            });
            let first = failures.first()?;
            Some(Step {
                rank: 0,
                about: about.clone(),
                title: first.title.clone(),
                severity: first.severity,
                exploited: failures.iter().any(|one| one.exploited),
                outside: failures.iter().any(|one| one.outside),
                waived,
                todo: first.todo.clone(),
                failures: failures.into_iter().cloned().collect(),
            })
        })
        .collect();
    steps.sort_by(|one, other| {
        let key = |step: &Step| {
            let first = (step.severity, step.exploited, step.outside, step.failures.len());
            (step.waived, Reverse(first))
        };
        key(one).cmp(&key(other)).then_with(|| one.about.cmp(&other.about))
    });
    for (rank, step) in (1..).zip(&mut steps) {
        step.rank = rank;
    }
    steps
}
