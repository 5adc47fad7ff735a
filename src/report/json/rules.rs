//! Expected rules: what the inventory wants reachable and what it does not, and what is said of it.

use super::document::texts;
use super::findings::Confidence;
use super::statements::Waiver;
use crate::model::expected::{self, RuleTally};
use schemars::JsonSchema;
use serde::Serialize;

/// An expected rule, and what is said of it.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the format names it so")]
pub(in crate::report) struct Rule {
    /// The rule in words, such as `deny tcp/3389 over IPv6`.
    rule: String,
    /// What it wants.
    direction: Direction,
    /// The ports as they are on the target, such as `tcp/443` or `udp/500-510`; `rest` for every TCP port that no rule names.
    ports: String,
    /// `each` address of the target, `any` one of them, each `ipv4` or `ipv6` address, or one address.
    address: String,
    /// Why, or by which ticket.
    note: Option<String>,
    /// It is one of the inventory's defaults, not the target's own.
    default: bool,
    /// What is said of it.
    verdict: RuleVerdict,
    /// How sure that is.
    confidence: Confidence,
    /// What was seen: state, reason and sender of each port, and what speaks there.
    seen: Vec<String>,
    /// Why that leads to the verdict.
    why: String,
    /// What would settle it, where something is unsettled.
    settle: Option<String>,
    /// The ids of the target's observations that it rests on.
    rests_on: Vec<String>,
    /// Where a guide asks for the opposite.
    disagreements: Vec<String>,
    /// The waiver of it; null where there is none. The verdict is what it is without.
    waiver: Option<Waiver>,
}

/// What an expected rule wants.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    /// That the ports are reachable.
    Allow,
    /// That they are not.
    Deny,
}

/// What is said of an expected rule.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RuleVerdict {
    /// It does not hold, and that was seen.
    Violated,
    /// It was asked and could not be told.
    Inconclusive,
    /// It holds, and that was seen.
    Proved,
    /// It does not concern the target.
    NotApplicable,
}

impl From<expected::RuleVerdict> for RuleVerdict {
    fn from(verdict: expected::RuleVerdict) -> Self {
        match verdict {
            expected::RuleVerdict::Violated => Self::Violated,
            expected::RuleVerdict::Inconclusive => Self::Inconclusive,
            expected::RuleVerdict::Proved => Self::Proved,
            expected::RuleVerdict::NotApplicable => Self::NotApplicable,
        }
    }
}

impl From<&expected::RuleFinding> for Rule {
    fn from(finding: &expected::RuleFinding) -> Self {
        let expected::RuleFinding { rule, check, disagreements, waiver } = finding.clone();
        Self {
            rule: rule.to_string(),
            direction: match rule.direction {
                expected::Direction::Allow => Direction::Allow,
                expected::Direction::Deny => Direction::Deny,
            },
            ports: rule.ports.to_string(),
            address: rule.address.to_string(),
            note: rule.note,
            default: rule.default,
            verdict: finding.verdict().into(),
            confidence: check.confidence.into(),
            seen: check.seen,
            why: check.why,
            settle: check.settle,
            rests_on: texts(check.rests_on),
            disagreements,
            waiver: waiver.as_deref().map(Waiver::from),
        }
    }
}

/// How many expected rules have each verdict.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RulesSummary {
    /// All rules.
    total: usize,
    /// They do not hold, and that was seen; those that are waived among them.
    violated: usize,
    /// How many of the violated ones are waived.
    waived: usize,
    /// They were asked and could not be told.
    inconclusive: usize,
    /// They hold, and that was seen.
    proved: usize,
    /// They do not concern their targets.
    not_applicable: usize,
}

impl From<&RuleTally> for RulesSummary {
    fn from(tally: &RuleTally) -> Self {
        use expected::RuleVerdict::{Inconclusive, NotApplicable, Proved, Violated};
        Self {
            total: tally.total(),
            violated: tally.count(Violated),
            waived: tally.waived(),
            inconclusive: tally.count(Inconclusive),
            proved: tally.count(Proved),
            not_applicable: tally.count(NotApplicable),
        }
    }
}
