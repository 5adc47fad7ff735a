//! What people say, beside what was seen.
//!
//! An attestation answers what only a person can, and nothing else: it turns no failure, and nothing that the network or the
//! host is to tell, into a pass. A waiver changes no verdict at all. What expired, or speaks against what was seen, counts for
//! nothing and is told.

use crate::catalog::guide::{Guide, How, Item};
use crate::catalog::rule::{Rule, Source};
use crate::model::statement::{About, Attestation, Attested, Effect, Statements, Term, Waived};
use crate::model::verdict::{Check, Confidence, Verdict};

/// How sure an attested pass can be: a person looked, and nobody else did.
const BY_WORD: Confidence = Confidence::Medium;

/// The same where evidence from inside the host would tell more.
const INSTEAD_OF_EVIDENCE: Confidence = Confidence::Low;

/// What a person says of an item is laid beside its `checks`, one for each rule of the item. Those that only a person can
/// answer are answered by it, where it counts.
pub(super) fn attest(
    statements: &Statements,
    guide: &Guide,
    item: &Item,
    checks: &mut [Check],
) -> Option<Box<Attested>> {
    let today = statements.today?;
    let mine =
        |about: &About| matches!(about, About::Item { guide: of, item: id } if *of == guide.id && *id == item.id);
    let (_, attestation) = statements.attestations.iter().find(|(about, _)| mine(about))?;
    let term = Term::of(attestation.until, today);
    let fails = checks.iter().any(|check| check.verdict == Verdict::Fail);
    let rules = item.rules.iter().map(|rule| &rule.rule);
    let open: Vec<(&mut Check, Confidence)> = rules
        .zip(checks)
        .filter_map(|(rule, check)| answered(item, rule, check).map(|confidence| (check, confidence)))
        .collect();
    let Attestation { by, on, seen, until, .. } = attestation;
    let effect = match term {
        Term::Expired => {
            for (check, _) in open {
                check.why = format!("{}; it was attested until {until} by {by}, which has expired", check.why);
                check.settle = Some(join(check.settle.take(), "Look again, and renew the attestation."));
            }
            Effect::Expired
        }
        _ if fails => Effect::Contradicted,
        _ if open.is_empty() => Effect::Unneeded,
        _ => {
            for (check, confidence) in open {
                check.verdict = Verdict::Pass;
                check.confidence = confidence;
                check.seen.push(format!("attested: {seen}"));
                check.why = format!("attested by {by} on {on}, valid until {until}; nothing else was seen of it");
                check.settle = None;
            }
            Effect::Counts
        }
    };
    let ends_soon = term == Term::EndsSoon;
    Some(Box::new(Attested { attestation: attestation.clone(), effect, ends_soon }))
}

fn join(text: Option<String>, more: &str) -> String {
    text.map_or_else(|| more.to_owned(), |text| format!("{text} {more}"))
}

/// How sure a person's word is of a check that is open; `None` where it is not for a person to answer. What the host is to
/// tell may be told by a person only where the item's catalog entry says so.
fn answered(item: &Item, rule: &Rule, check: &Check) -> Option<Confidence> {
    match (rule, check.verdict) {
        (Rule::Needs { source: Source::Attestation, .. }, Verdict::NeedsAttestation) => Some(BY_WORD),
        (Rule::Needs { source: Source::Evidence, .. }, Verdict::NeedsEvidence) => {
            item.how.contains(&How::Attestation).then_some(INSTEAD_OF_EVIDENCE)
        }
        _ => None,
    }
}

/// That a person says otherwise than what was seen, in sentences for the finding.
pub(super) fn contradiction(attested: &Attested) -> Option<String> {
    let Attestation { by, on, seen, until, .. } = &attested.attestation;
    (attested.effect == Effect::Contradicted).then(|| {
        format!(
            "Contradiction: {by} attested on {on}, until {until}: \"{seen}\". What was seen says otherwise, and is believed. \
             Ask {by}, and take the attestation back or mend what fails."
        )
    })
}

/// The waiver of an item or rule, and what it is worth where that `fails` or not.
pub(super) fn waiver(statements: &Statements, of: impl Fn(&About) -> bool, fails: bool) -> Option<Box<Waived>> {
    let today = statements.today?;
    let (_, waiver) = statements.waivers.iter().find(|(about, _)| of(about))?;
    let term = Term::of(waiver.until, today);
    let effect = match term {
        Term::Expired => Effect::Expired,
        _ if fails => Effect::Counts,
        _ => Effect::Unneeded,
    };
    Some(Box::new(Waived { waiver: waiver.clone(), effect, ends_soon: term == Term::EndsSoon }))
}

#[cfg(test)]
mod tests;
