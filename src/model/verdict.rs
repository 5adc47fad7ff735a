//! Verdicts on the items of the guides.

use super::observation::ObservationId;
use super::statement::{Attested, Waived};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is said of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The recommendation is not followed, and that was seen.
    Fail,
    /// It was asked and could not be told.
    Inconclusive,
    /// Only evidence from inside the host can tell.
    NeedsEvidence,
    /// Only a person can tell.
    NeedsAttestation,
    /// The recommendation is followed, and that was seen.
    Pass,
    /// The recommendation does not concern this target.
    NotApplicable,
}

impl Verdict {
    /// Every verdict, in the order of reports: what needs work comes first.
    pub const ALL: [Self; 6] =
        [Self::Fail, Self::Inconclusive, Self::NeedsEvidence, Self::NeedsAttestation, Self::Pass, Self::NotApplicable];

    /// The verdict as it is written in catalogs and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NeedsEvidence => "needs-evidence",
            Self::NeedsAttestation => "needs-attestation",
            Self::Pass => "pass",
            Self::NotApplicable => "not-applicable",
        }
    }

    /// The verdict in words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NeedsEvidence => "needs evidence",
            Self::NeedsAttestation => "needs attestation",
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How sure we are of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Something makes the observation doubtful; the finding says what.
    Low,
    /// The observation is sound, its reading has exceptions.
    Medium,
    /// The protocol leaves no other reading.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// How much an item matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good practice.
    Low,
    /// Helps an attacker who is already at work.
    Medium,
    /// Opens a way in, or weakens the protection of what passes.
    High,
    /// Known to be used to take over such servers.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// The outcome of one rule of an item. An item's verdict is the worst of its checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What the rule asks for, in words.
    pub rule: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// How sure we are.
    pub confidence: Confidence,
    /// What was seen, one sentence an observation or a group of them.
    pub seen: Vec<String>,
    /// Why that leads to the verdict.
    pub why: String,
    /// What would settle it, where something is unsettled.
    pub settle: Option<String>,
    /// The observations it rests on.
    pub rests_on: Vec<ObservationId>,
    /// Whether something of the host's evidence that it needed was not collected. No part of a report, which says it in words.
    #[serde(skip)]
    pub lacking: bool,
}

/// What is said of an item of a guide on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The guide's id.
    pub guide: String,
    /// The item's id.
    pub item: String,
    /// The item's section in the guide.
    pub section: String,
    /// The recommendation.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// The worst of the checks.
    pub verdict: Verdict,
    /// The confidence of the check that decided; the lowest where several did.
    pub confidence: Confidence,
    /// The checks, at least one, in the catalog's order.
    pub checks: Vec<Check>,
    /// Why the item matters.
    pub rationale: String,
    /// What to do: steps, in order.
    pub remedy: Vec<String>,
    /// References: STIG and CIS ids, addresses of documents.
    pub references: Vec<String>,
    /// Notes where guides or sources disagree about this item.
    pub disagreements: Vec<String>,
    /// What a person attests of it, and what that is worth.
    #[serde(default)]
    pub attestation: Option<Box<Attested>>,
    /// The waiver of it. The verdict is what it is without.
    #[serde(default)]
    pub waiver: Option<Box<Waived>>,
}

impl Finding {
    /// Keeps only what the finding is about and its verdict: for thousands of targets whose texts are written already.
    pub fn forget_texts(&mut self) {
        self.checks = Vec::new();
        self.remedy = Vec::new();
        self.references = Vec::new();
        self.disagreements = Vec::new();
        self.rationale = String::new();
        self.title = String::new();
    }

    /// Whether it fails, and that is accepted for a time.
    pub fn is_waived(&self) -> bool {
        self.verdict == Verdict::Fail && self.waiver.as_ref().is_some_and(|waived| waived.counts())
    }

    /// Whether it passes by the word of a person.
    pub fn is_attested(&self) -> bool {
        self.verdict == Verdict::Pass && self.attestation.as_ref().is_some_and(|attested| attested.counts())
    }

    /// The check that decided the verdict: the first of the worst.
    pub fn deciding(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.verdict == self.verdict)
    }
}
