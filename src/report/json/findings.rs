//! Findings: what is said of every item of the guides.

use super::document::texts;
use super::statements::{Attestation, Waiver};
use crate::model::verdict;
use schemars::JsonSchema;
use serde::Serialize;

/// What is said of an item of a guide.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Finding {
    /// The guide's id.
    guide: String,
    /// The item's id.
    item: String,
    /// The item's section.
    section: String,
    /// The recommendation.
    title: String,
    /// How much it matters.
    severity: Severity,
    /// The worst of the checks.
    verdict: Verdict,
    /// How sure that is.
    confidence: Confidence,
    /// The checks, at least one.
    checks: Vec<Check>,
    /// Why the item matters.
    rationale: String,
    /// What to do: steps, in order.
    remedy: Vec<String>,
    /// References as the guide gives them.
    references: Vec<String>,
    /// Where sources disagree about this item.
    disagreements: Vec<String>,
    /// What a person attests of it; null where nobody does.
    attestation: Option<Attestation>,
    /// The waiver of it; null where there is none. The verdict is what it is without.
    waiver: Option<Waiver>,
}

/// The outcome of one rule of an item.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// What the rule asks for.
    rule: String,
    /// What is said of it.
    verdict: Verdict,
    /// How sure that is.
    confidence: Confidence,
    /// What was seen.
    seen: Vec<String>,
    /// Why that leads to the verdict.
    why: String,
    /// What would settle it, where something is unsettled.
    settle: Option<String>,
    /// The ids of the target's observations that it rests on.
    rests_on: Vec<String>,
}

/// Makes an enum of the format that mirrors one of the model.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub(super) enum $name { $($(#[$variant_doc])* $variant),* }

        impl From<verdict::$name> for $name {
            fn from(value: verdict::$name) -> Self {
                match value { $(verdict::$name::$variant => Self::$variant),* }
            }
        }
    };
}

mirror! {
    /// What is said of an item.
    Verdict { Fail, Inconclusive, NeedsEvidence, NeedsAttestation, Pass, NotApplicable }
}
mirror! {
    /// How much an item matters.
    Severity { Low, Medium, High, Critical }
}
mirror! {
    /// How sure a verdict is.
    Confidence { Low, Medium, High }
}

impl From<&verdict::Finding> for Finding {
    fn from(finding: &verdict::Finding) -> Self {
        let finding = finding.clone();
        Self {
            guide: finding.guide,
            item: finding.item,
            section: finding.section,
            title: finding.title,
            severity: finding.severity.into(),
            verdict: finding.verdict.into(),
            confidence: finding.confidence.into(),
            checks: finding.checks.iter().map(Check::from).collect(),
            rationale: finding.rationale,
            remedy: finding.remedy,
            references: finding.references,
            disagreements: finding.disagreements,
            attestation: finding.attestation.as_deref().map(Attestation::from),
            waiver: finding.waiver.as_deref().map(Waiver::from),
        }
    }
}

impl From<&verdict::Check> for Check {
    fn from(check: &verdict::Check) -> Self {
        let check = check.clone();
        Self {
            rule: check.rule,
            verdict: check.verdict.into(),
            confidence: check.confidence.into(),
            seen: check.seen,
            why: check.why,
            settle: check.settle,
            rests_on: texts(check.rests_on),
        }
    }
}
