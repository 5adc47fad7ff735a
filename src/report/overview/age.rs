//! What has run out between the scan and the day of the report.

use crate::model::run::TargetRun;
use crate::model::statement::{Effect, SOON_DAYS, Term};
use crate::model::verdict::{Confidence, Verdict};
use jiff::civil::Date;

/// The target as it is to be read on this day: statements whose last day is over by then count for nothing, and a pass that rested
/// on a person's word needs it anew.
pub(super) fn on(target: &mut TargetRun, today: Date) {
    let renewed = |effect: Effect, until: Date| match (effect, Term::of(until, today)) {
        (_, Term::Expired) => (Effect::Expired, false),
        (Effect::Counts, term) => (Effect::Counts, term == Term::EndsSoon),
        (effect, _) => (effect, false),
    };
    for finding in &mut target.findings {
        let attested = finding.is_attested();
        if let Some(one) = &mut finding.attestation {
            (one.effect, one.ends_soon) = renewed(one.effect, one.attestation.until);
            if attested && one.effect == Effect::Expired {
                (finding.verdict, finding.confidence) = (Verdict::NeedsAttestation, Confidence::High);
                for check in finding.checks.iter_mut().filter(|check| check.verdict == Verdict::Pass) {
                    check.verdict = Verdict::NeedsAttestation;
                    check.why = format!("the attestation ended with {}", one.attestation.until);
                }
            }
        }
    }
    let of_items = target.findings.iter_mut().filter_map(|finding| finding.waiver.as_mut());
    for one in of_items.chain(target.rules.iter_mut().filter_map(|finding| finding.waiver.as_mut())) {
        (one.effect, one.ends_soon) = renewed(one.effect, one.waiver.until);
    }
}

/// How many days a statement is told before it ends.
pub(super) const SOON: i64 = SOON_DAYS as i64;
