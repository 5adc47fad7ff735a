//! Attestations and waivers: what people say of an item or a rule, beside its verdict.

use super::findings::Severity;
use crate::model::statement;
use schemars::JsonSchema;
use serde::Serialize;

/// A person's word on an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct Attestation {
    /// Who attests.
    by: String,
    /// On which day, such as `2026-09-01`.
    on: String,
    /// What was seen.
    seen: String,
    /// The last day on which it holds, in UTC.
    until: String,
    /// A ticket or document.
    reference: Option<String>,
    /// What it is worth.
    effect: Effect,
    /// It holds, and ends within 30 days of the run.
    ends_soon: bool,
}

/// A failure that is accepted for a time. The verdict beside it is what it is without.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct Waiver {
    /// Why it is not mended.
    why: String,
    /// Who approved that.
    approved_by: String,
    /// On which day.
    on: String,
    /// The last day on which it holds, in UTC.
    until: String,
    /// How much is at stake meanwhile.
    risk: Severity,
    /// What may happen meanwhile.
    risk_words: String,
    /// A ticket or document.
    reference: Option<String>,
    /// What it is worth. Only one that counts keeps the failure from the exit code.
    effect: Effect,
    /// It holds, and ends within 30 days of the run.
    ends_soon: bool,
}

/// What a statement is worth.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Effect {
    /// It answers the item, or accepts the failure.
    Counts,
    /// Its last day was over on the day of the run.
    Expired,
    /// What was seen speaks against the attestation, and is believed.
    Contradicted,
    /// There is nothing to be answered or accepted.
    Unneeded,
}

impl From<statement::Effect> for Effect {
    fn from(effect: statement::Effect) -> Self {
        match effect {
            statement::Effect::Counts => Self::Counts,
            statement::Effect::Expired => Self::Expired,
            statement::Effect::Contradicted => Self::Contradicted,
            statement::Effect::Unneeded => Self::Unneeded,
        }
    }
}

impl From<&statement::Attested> for Attestation {
    fn from(attested: &statement::Attested) -> Self {
        let statement::Attestation { by, on, seen, until, reference } = attested.attestation.clone();
        Self {
            by,
            on: on.to_string(),
            seen,
            until: until.to_string(),
            reference,
            effect: attested.effect.into(),
            ends_soon: attested.ends_soon,
        }
    }
}

impl From<&statement::Waived> for Waiver {
    fn from(waived: &statement::Waived) -> Self {
        let statement::Waiver { why, approved_by, on, until, risk, risk_words, reference } = waived.waiver.clone();
        Self {
            why,
            approved_by,
            on: on.to_string(),
            until: until.to_string(),
            risk: risk.into(),
            risk_words,
            reference,
            effect: waived.effect.into(),
            ends_soon: waived.ends_soon,
        }
    }
}
