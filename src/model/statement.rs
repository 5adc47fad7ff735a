//! What people say of a target: attestations answer what only a person can, waivers accept a failure for a time.
//!
//! Every statement has an end. Days are those of UTC, and a statement holds through the whole of its last day. Who reads the
//! clock hands the day on: what is kept of a statement in a finding changes when its worth does, not from day to day.

use super::verdict::Severity;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a statement may hold, in days: a year, and a month to get round to it. Whoever signs for longer has not looked.
pub const LONGEST_DAYS: i32 = 400;

/// A statement that ends within this many days is told to end soon: time enough to look again.
pub const SOON_DAYS: i32 = 30;

/// A person's word on an item that only a person can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Who attests.
    pub by: String,
    /// On which day.
    pub on: Date,
    /// What was seen.
    pub seen: String,
    /// The last day on which it holds.
    pub until: Date,
    /// A ticket or document.
    pub reference: Option<String>,
}

/// The decision to live with a failure for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Why it is not mended.
    pub why: String,
    /// Who approved that.
    pub approved_by: String,
    /// On which day.
    pub on: Date,
    /// The last day on which it holds.
    pub until: Date,
    /// How much is at stake meanwhile.
    pub risk: Severity,
    /// What may happen meanwhile.
    pub risk_words: String,
    /// A ticket or document.
    pub reference: Option<String>,
}

/// What a statement is about, on its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// An item of a guide.
    Item {
        /// The guide's id.
        guide: String,
        /// The item's id, which belongs to one guide only.
        item: String,
    },
    /// An expected rule in words, such as `deny tcp/3389`.
    Rule(String),
}

/// The item's id, or the rule.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item { item, .. } => f.write_str(item),
            Self::Rule(rule) => f.write_str(rule),
        }
    }
}

/// The statements about one target, and the day on which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// The attestations, none twice about the same item.
    pub attestations: Vec<(About, Attestation)>,
    /// The waivers, none twice about the same item or rule.
    pub waivers: Vec<(About, Waiver)>,
    /// The day of the run; without it no statement holds.
    pub today: Option<Date>,
}

/// Where a statement stands in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// It holds for longer than [`SOON_DAYS`].
    Holds,
    /// It holds, and ends soon.
    EndsSoon,
    /// Its last day is over.
    Expired,
}

impl Term {
    /// Of a statement with this last day, on the day `today`.
    pub fn of(until: Date, today: Date) -> Self {
        match days_left(until, today) {
            ..0 => Self::Expired,
            0..=SOON_DAYS => Self::EndsSoon,
            _ => Self::Holds,
        }
    }
}

/// How many days are left after `today`; negative for how long it is over.
pub fn days_left(until: Date, today: Date) -> i32 {
    // Two days of the calendar are never further apart than fits.
    (until - today).get_days()
}

/// What a statement is worth in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// An attestation answers what only a person can; a waiver accepts the failure.
    Counts,
    /// Its last day was over on the day of the run.
    Expired,
    /// An attestation that what was seen speaks against. What was seen is believed.
    Contradicted,
    /// There is nothing to be answered or accepted.
    Unneeded,
}

impl Effect {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Expired => "expired",
            Self::Contradicted => "contradicted",
            Self::Unneeded => "not needed",
        }
    }
}

/// An attestation, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The attestation.
    pub attestation: Attestation,
    /// What it is worth.
    pub effect: Effect,
    /// It holds, and ends within [`SOON_DAYS`] days of the run.
    pub ends_soon: bool,
}

impl Attested {
    /// Whether it answers anything.
    pub fn counts(&self) -> bool {
        self.effect == Effect::Counts
    }
}

/// A waiver, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// The waiver.
    pub waiver: Waiver,
    /// What it is worth.
    pub effect: Effect,
    /// It holds, and ends within [`SOON_DAYS`] days of the run.
    pub ends_soon: bool,
}

impl Waived {
    /// Whether it accepts anything.
    pub fn counts(&self) -> bool {
        self.effect == Effect::Counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_statement_holds_through_the_whole_of_its_last_day() {
        let today = date(2026, 11, 21);
        for (until, term) in [
            (date(2026, 11, 20), Term::Expired),
            (date(2026, 11, 21), Term::EndsSoon),
            (date(2026, 12, 21), Term::EndsSoon),
            (date(2026, 12, 22), Term::Holds),
        ] {
            assert_eq!(Term::of(until, today), term, "{until}");
        }
        assert_eq!(days_left(date(2026, 10, 1), today), -51);
        assert_eq!(days_left(date(2027, 11, 21), today), 365, "days, not years and months");
    }

    #[test]
    fn findings_of_older_versions_have_no_statements() {
        let finding = r#"{"guide":"g","item":"I","section":"s","title":"t","severity":"low","verdict":"fail","confidence":"high",
            "checks":[],"rationale":"","remedy":[],"references":[],"disagreements":[]}"#;
        let finding: crate::model::verdict::Finding = serde_json::from_str(finding).unwrap();
        assert!(!finding.is_waived() && !finding.is_attested());
    }
}
