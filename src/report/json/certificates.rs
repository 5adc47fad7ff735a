//! Certificates, and what came along with them.

use crate::model::certificate::{
    ChainLink, ChainProblem, LinkRole, OcspAge, OcspAnswer, OcspSignature, OcspStatus, Staple,
};
use crate::model::tls::{CertificateFact, Trust};
use crate::report::describe::version_name;
use schemars::JsonSchema;
use serde::Serialize;

/// A certificate, and what a careful client makes of it.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own, named in the format")]
pub(super) struct Certificate {
    /// The subject.
    subject: String,
    /// The issuer.
    issuer: String,
    /// The names it is for.
    names: Vec<String>,
    /// The serial number, hexadecimal.
    serial: String,
    /// SHA-256 of it, hexadecimal.
    sha256: String,
    /// Start of validity.
    not_before: String,
    /// End of validity.
    not_after: String,
    /// Whole days to the end of validity; negative when over.
    days_left: i64,
    /// Validity has not begun.
    not_yet_valid: bool,
    /// It vouches for itself.
    self_signed: bool,
    /// The key.
    key: String,
    /// The key is too weak.
    weak_key: bool,
    /// The signature algorithm.
    signature: String,
    /// The signature algorithm is too weak.
    weak_signature: bool,
    /// How many certificates were served.
    chain_length: usize,
    /// The name it was checked against.
    checked_name: String,
    /// Whether it is valid for that name.
    name_matches: bool,
    /// `trusted`, `untrusted` or `unknown`.
    trust: &'static str,
    /// Why it is not trusted, or why that is unknown.
    trust_reason: Option<String>,
    /// The negotiated version.
    negotiated: String,
    /// The certificates that were served, in the order in which they were sent; the first 16 of them.
    chain: Vec<Link>,
    /// They do not each certify the one before.
    chain_out_of_order: bool,
    /// What is wrong with the chain, apart from the server's own certificate. Empty where trust is not known.
    chain_problems: Vec<Problem>,
    /// How many signed certificate timestamps (RFC 6962) stand in the certificate; null where they cannot be read.
    embedded_scts: Option<usize>,
    /// How many stand in the OCSP staple. The extension of the handshake is not asked for.
    stapled_scts: usize,
    /// The OCSP response that came along.
    ocsp_staple: OcspStaple,
    /// The certificate demands that one comes (RFC 7633).
    must_staple: bool,
}

/// One certificate of a chain.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own, named in the format")]
struct Link {
    /// Its place; the server's own is 0.
    position: usize,
    /// `leaf`, `intermediate`, `root`, `duplicate`, `stray` (certifies none of the others) or `unreadable`; then the
    /// texts are empty.
    role: &'static str,
    /// The subject.
    subject: String,
    /// The issuer.
    issuer: String,
    /// Start of validity.
    not_before: String,
    /// End of validity.
    not_after: String,
    /// Validity is over.
    expired: bool,
    /// Validity has not begun.
    not_yet_valid: bool,
    /// SHA-256 of it, hexadecimal.
    sha256: String,
    /// The key.
    key: String,
    /// The key is too weak.
    weak_key: bool,
    /// The signature algorithm.
    signature: String,
    /// The signature algorithm is too weak, which is of no matter for a root.
    weak_signature: bool,
    /// It says that it is an authority's.
    authority: bool,
    /// It vouches for itself.
    self_signed: bool,
}

/// What is wrong with a chain.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "so it is named in the format")]
struct Problem {
    /// `self-signed-leaf`, `self-signed-authority`, `incomplete`, `unknown-authority`, `issuer-not-sent` (one of the two
    /// before), `expired`, `not-yet-valid`, `weak-key` or `weak-signature`.
    problem: &'static str,
    /// Whose certificate it is about.
    subject: Option<String>,
    /// Where that was sent.
    position: Option<usize>,
    /// The date, the key or the signature algorithm.
    detail: Option<String>,
    /// The same in words.
    text: String,
}

/// The OCSP response that came with a certificate (RFC 6960).
#[derive(Debug, Default, Serialize, JsonSchema)]
struct OcspStaple {
    /// `not-asked`, `none`, `unreadable`, or what it says: `good`, `revoked` or `unknown`. Anybody can write "good", so it is
    /// `good` only where the authority's signature was checked and it is about this certificate and in date; otherwise
    /// `claims-good`.
    status: &'static str,
    /// What is wrong with it.
    fault: Option<String>,
    /// Since when the certificate is revoked.
    revoked_at: Option<String>,
    /// The number of the reason (RFC 5280, section 5.3.1).
    reason: Option<u32>,
    /// Since when that has been known to be right.
    this_update: Option<String>,
    /// When there is to be a newer one.
    next_update: Option<String>,
    /// `current`, `stale` or `early`.
    age: Option<&'static str>,
    /// Whether it is about the certificate that was served.
    about_this: Option<bool>,
    /// Whether the authority signed it: `valid`, `invalid` or `unchecked`.
    signature: Option<&'static str>,
}

impl From<&CertificateFact> for Certificate {
    fn from(fact: &CertificateFact) -> Self {
        let (trust, trust_reason) = match &fact.trust {
            Trust::Trusted => ("trusted", None),
            Trust::Untrusted { reason } => ("untrusted", Some(reason.to_string())),
            Trust::Unknown { reason } => ("unknown", Some(reason.clone())),
        };
        Self {
            subject: fact.subject.to_string(),
            issuer: fact.issuer.to_string(),
            names: fact.names.iter().map(ToString::to_string).collect(),
            serial: fact.serial.clone(),
            sha256: fact.sha256.clone(),
            not_before: fact.not_before.clone(),
            not_after: fact.not_after.clone(),
            days_left: fact.days_left,
            not_yet_valid: fact.not_yet_valid,
            self_signed: fact.self_signed,
            key: fact.key.clone(),
            weak_key: fact.weak_key,
            signature: fact.signature.clone(),
            weak_signature: fact.weak_signature,
            chain_length: fact.chain_length,
            checked_name: fact.checked_name.clone(),
            name_matches: fact.name_matches,
            trust,
            trust_reason,
            negotiated: version_name(fact.negotiated),
            chain: fact.chain.links.iter().enumerate().map(Link::of).collect(),
            chain_out_of_order: fact.chain.out_of_order,
            chain_problems: fact.chain.problems.iter().map(Problem::from).collect(),
            embedded_scts: fact.transparency.embedded,
            stapled_scts: fact.transparency.stapled,
            ocsp_staple: (&fact.staple).into(),
            must_staple: fact.must_staple,
        }
    }
}

impl Link {
    fn of((position, link): (usize, &ChainLink)) -> Self {
        Self {
            position,
            role: match link.role {
                LinkRole::Leaf => "leaf",
                LinkRole::Intermediate => "intermediate",
                LinkRole::Root => "root",
                LinkRole::Duplicate => "duplicate",
                LinkRole::Stray => "stray",
                LinkRole::Unreadable => "unreadable",
            },
            subject: link.subject.to_string(),
            issuer: link.issuer.to_string(),
            not_before: link.not_before.clone(),
            not_after: link.not_after.clone(),
            expired: link.expired,
            not_yet_valid: link.not_yet_valid,
            sha256: link.sha256.clone(),
            key: link.key.clone(),
            weak_key: link.weak_key,
            signature: link.signature.clone(),
            weak_signature: link.weak_signature,
            authority: link.authority,
            self_signed: link.self_signed,
        }
    }
}

impl From<&ChainProblem> for Problem {
    fn from(problem: &ChainProblem) -> Self {
        let (name, subject, position, detail) = match problem {
            ChainProblem::SelfSignedLeaf => ("self-signed-leaf", None, None, None),
            ChainProblem::SelfSignedAuthority { authority } => ("self-signed-authority", Some(authority), None, None),
            ChainProblem::Incomplete { missing } => ("incomplete", Some(missing), None, None),
            ChainProblem::UnknownAuthority { authority } => ("unknown-authority", Some(authority), None, None),
            ChainProblem::IssuerNotSent { issuer } => ("issuer-not-sent", Some(issuer), None, None),
            ChainProblem::Expired { position, subject, not_after } => {
                ("expired", Some(subject), Some(*position), Some(not_after))
            }
            ChainProblem::NotYetValid { position, subject, not_before } => {
                ("not-yet-valid", Some(subject), Some(*position), Some(not_before))
            }
            ChainProblem::WeakKey { position, subject, key } => ("weak-key", Some(subject), Some(*position), Some(key)),
            ChainProblem::WeakSignature { position, subject, signature } => {
                ("weak-signature", Some(subject), Some(*position), Some(signature))
            }
        };
        Self {
            problem: name,
            subject: subject.map(ToString::to_string),
            position,
            detail: detail.cloned(),
            text: problem.to_string(),
        }
    }
}

impl From<&Staple> for OcspStaple {
    fn from(staple: &Staple) -> Self {
        let only = |status| Self { status, ..Self::default() };
        match staple {
            Staple::NotAsked => only("not-asked"),
            Staple::None => only("none"),
            Staple::Unreadable { what } => Self { fault: Some(what.to_string()), ..only("unreadable") },
            Staple::Answer(answer) => answer.into(),
        }
    }
}

impl From<&OcspAnswer> for OcspStaple {
    fn from(answer: &OcspAnswer) -> Self {
        let (status, revoked_at, reason) = match &answer.status {
            OcspStatus::Good if answer.is_vouched_for() => ("good", None, None),
            OcspStatus::Good => ("claims-good", None, None),
            OcspStatus::Revoked { at, reason } => ("revoked", Some(at.clone()), *reason),
            OcspStatus::Unknown => ("unknown", None, None),
        };
        Self {
            status,
            fault: answer.fault().map(str::to_owned),
            revoked_at,
            reason,
            this_update: Some(answer.this_update.clone()),
            next_update: answer.next_update.clone(),
            age: Some(match answer.age {
                OcspAge::Current => "current",
                OcspAge::Stale => "stale",
                OcspAge::Early => "early",
            }),
            about_this: Some(answer.about_this),
            signature: Some(match answer.signature {
                OcspSignature::Valid => "valid",
                OcspSignature::Invalid => "invalid",
                OcspSignature::Unchecked => "unchecked",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OcspStaple;
    use crate::model::certificate::{OcspAge, OcspAnswer, OcspSignature, OcspStatus};

    #[test]
    fn good_is_only_what_the_authority_signed_for_this_certificate_and_now() {
        let good = OcspAnswer {
            status: OcspStatus::Good,
            this_update: "2026-11-21T10:20:47Z".to_owned(),
            next_update: None,
            age: OcspAge::Current,
            about_this: true,
            signature: OcspSignature::Valid,
        };
        let status = |answer: &OcspAnswer| OcspStaple::from(answer).status;
        assert_eq!(status(&good), "good");
        let others = [
            OcspAnswer { signature: OcspSignature::Unchecked, ..good.clone() },
            OcspAnswer { signature: OcspSignature::Invalid, ..good.clone() },
            OcspAnswer { age: OcspAge::Stale, ..good.clone() },
            OcspAnswer { age: OcspAge::Early, ..good.clone() },
            OcspAnswer { about_this: false, ..good.clone() },
        ];
        assert!(others.iter().all(|other| status(other) == "claims-good"));
        // A revocation is told whoever signed it: what it is worth is the judge's to say.
        let revoked = OcspStatus::Revoked { at: "2026-11-21T00:00:00Z".to_owned(), reason: None };
        let revoked = OcspAnswer { status: revoked, signature: OcspSignature::Unchecked, ..good };
        assert_eq!(status(&revoked), "revoked");
    }
}
