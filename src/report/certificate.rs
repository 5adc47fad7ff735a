//! Certificates and their chains in words.

use crate::model::certificate::{ChainLink, ChainProblem, LinkRole, OcspSignature, OcspStatus, Staple, Transparency};
use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Observation};
use crate::model::question::Question;
use crate::model::tls::{CertificateFact, Trust};
use std::fmt::Write as _;

/// What a certificate is, in one sentence without a full stop.
pub(super) fn describe(on: &str, question: Question, fact: &CertificateFact) -> String {
    let without = matches!(question, Question::Certificate { sni: false, .. });
    let mut text = format!(
        "{on} serves{} a certificate of {} by {}, valid {} to {}",
        if without { " without SNI" } else { "" },
        fact.subject,
        if fact.self_signed { "itself".to_owned() } else { fact.issuer.to_string() },
        day(&fact.not_before),
        day(&fact.not_after),
    );
    let validity = match fact.days_left {
        _ if fact.not_yet_valid => "not valid yet".to_owned(),
        left if left < 0 => format!("expired {} days ago", left.unsigned_abs()),
        left => format!("{left} days left"),
    };
    let trust = match &fact.trust {
        Trust::Trusted => "trusted".to_owned(),
        Trust::Untrusted { reason } => format!("not trusted: {}", why_untrusted(fact, reason.as_str())),
        Trust::Unknown { reason } => format!("trust unknown: {reason}"),
    };
    let name = if fact.name_matches { "is valid for" } else { "is NOT valid for" };
    let _ = write!(
        text,
        "; {validity}; {trust}; {name} {}; key {}; signed with {}; {}; {}",
        fact.checked_name,
        weighed(&fact.key, fact.weak_key),
        weighed(&fact.signature, fact.weak_signature),
        describe_transparency(fact.transparency),
        describe_staple(fact),
    );
    text
}

/// The problems of the chain, or else the verifier's own words.
fn why_untrusted(fact: &CertificateFact, reason: &str) -> String {
    let problems: Vec<String> = fact.chain.problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() { reason.to_owned() } else { problems.join(", and ") }
}

fn weighed(what: &str, weak: bool) -> String {
    format!("{what}{}", if weak { " (weak)" } else { "" })
}

fn describe_transparency(transparency: Transparency) -> String {
    match (transparency.embedded, transparency.stapled) {
        (None, _) => "SCTs that cannot be read".to_owned(),
        (Some(0), 0) => "no SCT".to_owned(),
        (Some(embedded), 0) => format!("{embedded} SCT{}", if embedded == 1 { "" } else { "s" }),
        (Some(embedded), stapled) => format!("{embedded} SCTs in it and {stapled} in the OCSP staple"),
    }
}

fn describe_staple(fact: &CertificateFact) -> String {
    let mut text = match &fact.staple {
        Staple::NotAsked => "OCSP staple not asked for".to_owned(),
        Staple::None => "no OCSP staple".to_owned(),
        Staple::Unreadable { what } => format!("an OCSP staple of no use: {what}"),
        Staple::Answer(answer) => {
            let until = answer.next_update.as_deref().map_or("until further notice", day);
            let fault = answer.fault().map_or_else(String::new, |fault| format!(", but {fault}"));
            let dates = format!("{} to {until}", day(&answer.this_update));
            match (answer.signature, &answer.status) {
                // Anybody can write "good".
                (OcspSignature::Unchecked, status) => {
                    format!("OCSP staple unchecked: {}; it claims \"{status}\" ({dates}){fault}", why_unchecked(fact))
                }
                (_, status @ OcspStatus::Good) if !answer.is_vouched_for() => {
                    format!("an OCSP staple that claims \"{status}\" ({dates}){fault}")
                }
                (_, status) => format!("OCSP staple: {status} ({dates}){fault}"),
            }
        }
    };
    if fact.must_staple {
        text.push_str(", which the certificate demands (must-staple)");
    }
    text
}

fn why_unchecked(fact: &CertificateFact) -> &'static str {
    let is_issuer = |link: &ChainLink| matches!(link.role, LinkRole::Intermediate | LinkRole::Root);
    if fact.chain.links.iter().any(is_issuer) {
        "its signature is of a kind that is not known"
    } else {
        "issuer not sent"
    }
}

/// The chain that an observation tells of, a line for each certificate; none where it tells of no chain.
pub fn chain(observation: &Observation) -> Vec<String> {
    let Attempt::Answered { fact: Fact::Certificate(fact) } = &observation.attempt else { return Vec::new() };
    let links = &fact.chain.links;
    if links.is_empty() {
        return Vec::new();
    }
    let order = if fact.chain.out_of_order { ", out of order" } else { "" };
    let more = fact.chain_length.saturating_sub(links.len());
    let mut lines = vec![format!("chain of {} as sent{order}:", fact.chain_length)];
    lines.extend(links.iter().enumerate().map(|(position, link)| format!("{position} {}", describe_link(link))));
    if more > 0 {
        lines.push(format!("and {more} more, which were not read"));
    }
    if let Some(missing) = missing(fact) {
        lines.push(missing);
    }
    lines
}

/// What should have come after the last certificate.
fn missing(fact: &CertificateFact) -> Option<String> {
    fact.chain.problems.iter().find_map(|problem| match problem {
        ChainProblem::Incomplete { missing } => Some(format!("- missing: {missing}")),
        ChainProblem::IssuerNotSent { issuer } => Some(format!("- not sent: {issuer}")),
        _ => None,
    })
}

fn describe_link(link: &ChainLink) -> String {
    let role = match link.role {
        // What there is to say of it is in the sentence above.
        LinkRole::Leaf => return format!("leaf: {}", link.subject),
        LinkRole::Intermediate => "intermediate",
        LinkRole::Root => "root (needs not be sent)",
        LinkRole::Duplicate => "sent twice",
        LinkRole::Stray => "certifies none of these",
        LinkRole::Unreadable => return format!("cannot be read, SHA-256 {}", link.sha256),
    };
    let by = if link.self_signed { "itself".to_owned() } else { link.issuer.to_string() };
    let date = if link.expired {
        format!("EXPIRED {}", day(&link.not_after))
    } else if link.not_yet_valid {
        format!("NOT VALID before {}", day(&link.not_before))
    } else {
        format!("until {}", day(&link.not_after))
    };
    // A root is trusted for what it is, not for its signature.
    let weak_signature = link.weak_signature && !link.self_signed;
    format!(
        "{role}: {} by {by}; {date}; {}; {}",
        link.subject,
        weighed(&link.key, link.weak_key),
        weighed(&link.signature, weak_signature)
    )
}

/// The day of an RFC 3339 instant.
fn day(instant: &str) -> &str {
    instant.split('T').next().unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::{chain, describe_staple};
    use crate::model::certificate::{LinkRole, OcspSignature, Staple};
    use crate::model::fact::Fact;
    use crate::model::tls::CertificateFact;
    use crate::report::fixture::everything;

    /// Anybody can staple "good" to a certificate whose issuer is not at hand.
    #[test]
    fn a_staple_that_was_not_checked_is_not_called_good() {
        let run = everything();
        let facts = run.targets.iter().flat_map(|target| &target.observations).filter_map(|seen| seen.attempt.fact());
        let stapled = facts.filter_map(|fact| match fact {
            Fact::Certificate(fact) if matches!(fact.staple, Staple::Answer(_)) => Some((**fact).clone()),
            _ => None,
        });
        let mut fact = stapled.collect::<Vec<_>>().pop().unwrap();
        assert!(describe_staple(&fact).starts_with("OCSP staple: good ("), "{}", describe_staple(&fact));
        let sign = |fact: &mut CertificateFact, signature| {
            if let Staple::Answer(answer) = &mut fact.staple {
                answer.signature = signature;
            }
        };
        sign(&mut fact, OcspSignature::Invalid);
        let told = describe_staple(&fact);
        assert!(told.starts_with("an OCSP staple that claims \"good\" ("), "{told}");
        assert!(told.ends_with("), but the authority did not sign it"), "{told}");
        sign(&mut fact, OcspSignature::Unchecked);
        assert!(
            describe_staple(&fact).starts_with("OCSP staple unchecked: its signature is of a kind that is not known;")
        );
        fact.chain.links.retain(|link| link.role == LinkRole::Leaf);
        let told = describe_staple(&fact);
        assert!(told.starts_with("OCSP staple unchecked: issuer not sent; it claims \"good\" ("), "{told}");
    }

    #[test]
    fn a_chain_is_told_line_by_line() {
        let run = everything();
        let told: Vec<String> = run.targets.iter().flat_map(|target| &target.observations).flat_map(chain).collect();
        assert!(told.iter().all(|line| !line.contains('\n')));
        insta::assert_snapshot!(told.join("\n"));
    }
}
