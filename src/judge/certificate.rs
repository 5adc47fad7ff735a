//! What a certificate is worth, and what to do about it.

use super::part::Part;
use crate::model::certificate::{ChainProblem, LinkRole, OcspAnswer, OcspSignature, OcspStatus, Staple};
use crate::model::tls::{CertificateFact, Trust};
use crate::model::verdict::Confidence;

const STRONGER: &str =
    "Get a new certificate with a key of at least RSA 2048 or EC P-256 that is signed with SHA-256 or better.";

/// What is wrong, and what helps.
#[derive(Default)]
struct Faults {
    wrong: Vec<String>,
    remedies: Vec<String>,
}

impl Faults {
    fn add(&mut self, wrong: impl Into<String>, remedy: impl Into<String>) {
        self.wrong.push(wrong.into());
        let remedy = remedy.into();
        if !self.remedies.contains(&remedy) {
            self.remedies.push(remedy);
        }
    }
}

/// Judges a certificate that is served at `place`. `named`: the target has a name that it must be for.
pub(super) fn judge(certificate: &CertificateFact, named: bool, place: &str) -> Part {
    let faults = faults(certificate, named);
    let seen = |part: Part| about_chain(part.seen(sentence(certificate, place)), certificate, place);
    if !faults.wrong.is_empty() {
        return seen(Part::fail(&faults.wrong.join("; ")).settle(&faults.remedies.join(" ")));
    }
    if let Some((why, settle)) = doubtful_staple(&certificate.staple) {
        return seen(Part::inconclusive(why).settle(settle));
    }
    if let Trust::Unknown { reason } = &certificate.trust {
        return seen(
            Part::inconclusive(&format!("this machine's trust store could not be read: {reason}"))
                .settle("Install the system's CA certificates (package ca-certificates), or give them with --ca-file."),
        );
    }
    if !certificate.name_matches {
        return seen(
            Part::inconclusive("the target is given by address only, so the name cannot be checked")
                .settle("Give the name that clients use: as `host`, or with `sni` (option --sni)."),
        );
    }
    let mut part = seen(Part::pass("it is trusted, in date, valid for the name, and its key and signature are strong"));
    if certificate.days_left < 14 {
        part =
            part.at_most(Confidence::Medium).seen(format!("it ends in {} days: renew it now", certificate.days_left));
    }
    if let Some(fault) = staple_fault(&certificate.staple) {
        part = part.at_most(Confidence::Medium).seen(format!("{place}: the OCSP staple is of no use: {fault}"));
    } else if matches!(&certificate.staple, Staple::Answer(answer) if !answer.is_vouched_for()) {
        part = part.at_most(Confidence::Medium).seen(format!(
            "{place}: the OCSP staple's signature could not be checked, so what it claims counts for nothing"
        ));
    }
    part
}

fn faults(certificate: &CertificateFact, named: bool) -> Faults {
    let mut faults = Faults::default();
    if certificate.days_left < 0 {
        faults.add(
            format!("it ended on {}", certificate.not_after),
            "Renew the certificate, and have the server load it.",
        );
    }
    if certificate.not_yet_valid {
        faults.add(
            format!("it begins only on {}", certificate.not_before),
            "Check the clocks of this machine and of the authority, or wait until the certificate begins.",
        );
    }
    if certificate.self_signed && certificate.trust != Trust::Trusted {
        faults.add(
            "it is self-signed",
            "Get a certificate from an authority that clients trust. If every client was given this very certificate, give it here with --ca-file.",
        );
    }
    if certificate.weak_key {
        faults.add(format!("its key is weak ({})", certificate.key), STRONGER);
    }
    if certificate.weak_signature {
        faults.add(format!("its signature is weak ({})", certificate.signature), STRONGER);
    }
    for problem in &certificate.chain.problems {
        if *problem != ChainProblem::SelfSignedLeaf || !certificate.self_signed {
            faults.add(problem.to_string(), remedy(problem));
        }
    }
    let explained = certificate.days_left < 0
        || certificate.not_yet_valid
        || certificate.self_signed
        || !certificate.chain.problems.is_empty();
    if let Trust::Untrusted { reason } = &certificate.trust
        && !explained
    {
        faults.add(
            format!("it is not trusted: {reason}"),
            "Get a certificate from an authority that clients trust, made for servers.",
        );
    }
    if !certificate.name_matches && named {
        faults.add(
            format!("it is not valid for {}", certificate.checked_name),
            format!(
                "Get a certificate with {} among its subject alternative names; if clients use another name, give that one.",
                certificate.checked_name
            ),
        );
    }
    revocation(&mut faults, certificate);
    faults
}

fn revocation(faults: &mut Faults, certificate: &CertificateFact) {
    if let Staple::Answer(OcspAnswer {
        status: status @ OcspStatus::Revoked { .. }, about_this: true, signature, ..
    }) = &certificate.staple
        && *signature != OcspSignature::Invalid
    {
        let unchecked = match signature {
            OcspSignature::Unchecked => " (whose signature could not be checked)",
            OcspSignature::Valid | OcspSignature::Invalid => "",
        };
        faults.add(
            format!("its OCSP staple{unchecked} says: {status}"),
            "Get a new certificate with a new key, have the server load it, and find out who had the old one revoked and why.",
        );
        return;
    }
    if certificate.must_staple {
        let missing = match &certificate.staple {
            Staple::None => Some("none came".to_owned()),
            staple => staple_fault(staple),
        };
        if let Some(missing) = missing {
            faults.add(
                format!("it demands an OCSP staple (RFC 7633), without which some clients refuse it: {missing}"),
                "Turn on OCSP stapling in the server (nginx: ssl_stapling, Apache: SSLUseStapling; IIS does it by itself where it reaches the authority), or get a certificate without that demand.",
            );
        }
    }
}

/// What is wrong with a staple that came, apart from what it says.
fn staple_fault(staple: &Staple) -> Option<String> {
    match staple {
        Staple::NotAsked | Staple::None => None,
        Staple::Answer(answer) => answer.fault().map(str::to_owned),
        Staple::Unreadable { what } => Some(what.to_string()),
    }
}

/// A staple that may mean a revoked certificate, and may not.
fn doubtful_staple(staple: &Staple) -> Option<(&'static str, &'static str)> {
    let Staple::Answer(answer) = staple else { return None };
    match answer.status {
        _ if !answer.about_this => None,
        OcspStatus::Unknown if answer.signature != OcspSignature::Invalid => Some((
            "its OCSP staple says that the authority does not know the certificate, so it may be withdrawn or forged",
            "Ask the authority about the certificate by its serial number; if it was issued just now, scan again in an hour.",
        )),
        OcspStatus::Revoked { .. } => Some((
            "its OCSP staple says that it is revoked, but the certificate's authority did not sign that",
            "Look whether the certificate is revoked (`openssl ocsp` with the responder that the certificate names), and where the server has the staple from.",
        )),
        OcspStatus::Good | OcspStatus::Unknown => None,
    }
}

fn remedy(problem: &ChainProblem) -> String {
    match problem {
        ChainProblem::SelfSignedLeaf => "Get a certificate from an authority that clients trust.".to_owned(),
        ChainProblem::Incomplete { missing } => format!(
            "Have the server send the certificate of {missing} after its own: authorities give it out as the intermediate certificate or chain file."
        ),
        ChainProblem::IssuerNotSent { issuer } => format!(
            "If {issuer} is an intermediate authority, have the server send its certificate too; if it is a root of your own that clients have, give it here with --ca-file; otherwise get a certificate from an authority that clients trust."
        ),
        ChainProblem::SelfSignedAuthority { authority } | ChainProblem::UnknownAuthority { authority } => format!(
            "If {authority} is an authority of your own that clients trust, give its root here with --ca-file; otherwise get a certificate from an authority that clients trust."
        ),
        ChainProblem::Expired { subject, .. } | ChainProblem::NotYetValid { subject, .. } => format!(
            "Have the server send the certificate of {subject} that the authority gives out now instead of this one; where there is none, get a new certificate from another authority."
        ),
        ChainProblem::WeakKey { .. } | ChainProblem::WeakSignature { .. } => {
            "Get a new certificate from an authority whose own keys are at least RSA 2048 or EC P-256 and signed with SHA-256 or better.".to_owned()
        }
    }
}

fn sentence(certificate: &CertificateFact, place: &str) -> String {
    format!(
        "{place} serves {}, issued by {}, until {} ({} days), {}, {}",
        certificate.subject,
        certificate.issuer,
        certificate.not_after,
        certificate.days_left,
        certificate.key,
        certificate.signature
    )
}

/// What is untidy about a chain, though clients put up with it.
fn about_chain(part: Part, certificate: &CertificateFact, place: &str) -> Part {
    let chain = &certificate.chain;
    let count = |wanted: &[LinkRole]| chain.links.iter().filter(|link| wanted.contains(&link.role)).count();
    let mut notes = Vec::new();
    if chain.out_of_order {
        notes.push("the chain is out of order, which old clients do not sort".to_owned());
    }
    let idle = count(&[LinkRole::Stray, LinkRole::Duplicate, LinkRole::Unreadable]);
    if idle > 0 {
        notes.push(format!("{idle} of the {} certificates sent do not belong there", certificate.chain_length));
    }
    if count(&[LinkRole::Root]) > 0 && certificate.trust == Trust::Trusted {
        notes.push("the root is sent along, which no client needs".to_owned());
    }
    notes.iter().fold(part, |part, note| part.seen(format!("{place}: {note}")))
}

#[cfg(test)]
mod tests;
