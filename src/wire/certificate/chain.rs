//! The chain as it was served: what each certificate is there for, and where it stops.

use super::{LIMIT, extension, hex, is_self_signed, is_signed_by, is_weak_signature, key, name_text, rfc3339};
use crate::model::certificate::{ChainFact, ChainLink, ChainProblem, LinkRole};
use crate::model::peer_text::PeerText;
use crate::model::tls::Trust;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid;
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::FromDer;

/// The arc beneath which the CA/Browser Forum marks certificates of public authorities (its registry of object
/// identifiers, `certificate-policies`).
const PUBLIC_POLICIES: Oid<'static> = oid!(2.23.140.1);

/// What stores made of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<'a> {
    /// The verdict on it as served.
    pub trust: &'a Trust,
    /// With dates left aside, what remains against it is that no trusted root issued it.
    pub unknown_issuer: bool,
    /// How many certificates of [`Chain::path`] a trusted chain needs.
    pub needed: usize,
}

/// A chain as served, with the path from the server's certificate upwards.
#[derive(Debug)]
pub struct Chain<'a> {
    served: Vec<Option<X509Certificate<'a>>>,
    bytes: Vec<&'a [u8]>,
    path: Vec<usize>,
    now: i64,
}

/// What an issuer that was not sent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Intermediate,
    Root,
    Either,
}

impl<'a> Chain<'a> {
    /// Reads the first [`ChainFact::KEPT`] certificates of a chain; `now` in seconds after 1970-01-01 UTC.
    pub fn read(served: impl IntoIterator<Item = &'a [u8]>, now: i64) -> Self {
        let bytes: Vec<&[u8]> = served.into_iter().take(ChainFact::KEPT).collect();
        let read = |bytes: &&'a [u8]| {
            let whole = (bytes.len() <= LIMIT).then_some(*bytes)?;
            X509Certificate::from_der(whole).ok().map(|(_, certificate)| certificate)
        };
        let served: Vec<_> = bytes.iter().map(read).collect();
        let path = path(&served, &bytes);
        Self { served, bytes, path, now }
    }

    /// The places of the server's certificate, its issuer, that one's issuer, and so on as far as they were sent.
    pub fn path(&self) -> &[usize] {
        &self.path
    }

    /// The certificate that issued the server's own, where it was sent.
    pub fn issuer(&self) -> Option<&'a [u8]> {
        self.path.get(1).and_then(|place| self.bytes.get(*place)).copied()
    }

    /// Whether a certificate of an authority on the path has something against it that a store may overlook.
    pub fn has_weak_authority(&self) -> bool {
        self.authorities().any(|(_, one)| {
            key::describe(one.public_key()).weak
                || (!is_self_signed(one) && is_weak_signature(&one.signature_algorithm))
        })
    }

    /// A time, in seconds after 1970-01-01 UTC, at which everything on the path is valid, where it is not so now.
    pub fn when_valid(&self) -> Option<i64> {
        let validity = || self.certificates().map(|(_, one)| one.validity());
        let begin = validity().map(|validity| validity.not_before.timestamp()).max()?;
        let end = validity().map(|validity| validity.not_after.timestamp()).min()?;
        (begin <= end && !(begin..=end).contains(&self.now)).then(|| self.now.clamp(begin, end))
    }

    fn certificates(&self) -> impl Iterator<Item = (usize, &X509Certificate<'a>)> {
        self.path.iter().filter_map(|place| Some((*place, self.served.get(*place)?.as_ref()?)))
    }

    fn authorities(&self) -> impl Iterator<Item = (usize, &X509Certificate<'a>)> {
        self.certificates().skip(1)
    }

    /// What there is to say of the chain.
    pub fn fact(&self, judged: &Judged<'_>) -> ChainFact {
        ChainFact {
            links: (0..self.served.len()).map(|place| self.link(place)).collect(),
            out_of_order: self.path.iter().enumerate().any(|(step, place)| step != *place),
            problems: self.problems(judged),
        }
    }

    fn link(&self, place: usize) -> ChainLink {
        let bytes = self.bytes.get(place).copied().unwrap_or_default();
        let sha256 = hex(&Sha256::digest(bytes));
        let Some(Some(one)) = self.served.get(place) else {
            return ChainLink {
                role: LinkRole::Unreadable,
                subject: PeerText::default(),
                issuer: PeerText::default(),
                not_before: String::new(),
                not_after: String::new(),
                expired: false,
                not_yet_valid: false,
                sha256,
                key: String::new(),
                weak_key: false,
                signature: String::new(),
                weak_signature: false,
                authority: false,
                self_signed: false,
            };
        };
        let self_signed = is_self_signed(one);
        let role = match self.path.iter().position(|on_path| *on_path == place) {
            Some(0) => LinkRole::Leaf,
            Some(_) if self_signed => LinkRole::Root,
            Some(_) => LinkRole::Intermediate,
            None if self.bytes.iter().take(place).any(|before| *before == bytes) => LinkRole::Duplicate,
            None => LinkRole::Stray,
        };
        let validity = one.validity();
        let key = key::describe(one.public_key());
        ChainLink {
            role,
            subject: name_text(one.subject()),
            issuer: name_text(one.issuer()),
            not_before: rfc3339(validity.not_before),
            not_after: rfc3339(validity.not_after),
            expired: validity.not_after.timestamp() < self.now,
            not_yet_valid: self.now < validity.not_before.timestamp(),
            sha256,
            key: key.name,
            weak_key: key.weak,
            signature: key::oid_name(&one.signature_algorithm.algorithm),
            weak_signature: is_weak_signature(&one.signature_algorithm),
            authority: is_authority(one),
            self_signed,
        }
    }

    fn problems(&self, judged: &Judged<'_>) -> Vec<ChainProblem> {
        let mut problems = Vec::new();
        let trusted = match judged.trust {
            Trust::Unknown { .. } => return problems,
            Trust::Trusted => true,
            Trust::Untrusted { .. } => false,
        };
        if !trusted {
            problems.extend(self.end(judged.unknown_issuer));
        }
        for (step, (position, one)) in self.certificates().enumerate().skip(1) {
            if trusted && step >= judged.needed {
                break;
            }
            let (subject, validity) = (|| name_text(one.subject()), one.validity());
            if !trusted && validity.not_after.timestamp() < self.now {
                let not_after = rfc3339(validity.not_after);
                problems.push(ChainProblem::Expired { position, subject: subject(), not_after });
            }
            if !trusted && self.now < validity.not_before.timestamp() {
                let not_before = rfc3339(validity.not_before);
                problems.push(ChainProblem::NotYetValid { position, subject: subject(), not_before });
            }
            let key = key::describe(one.public_key());
            if key.weak {
                problems.push(ChainProblem::WeakKey { position, subject: subject(), key: key.name });
            }
            if is_weak_signature(&one.signature_algorithm) && !is_self_signed(one) {
                let signature = key::oid_name(&one.signature_algorithm.algorithm);
                problems.push(ChainProblem::WeakSignature { position, subject: subject(), signature });
            }
        }
        problems
    }

    /// Why no trusted root is reached.
    fn end(&self, unknown_issuer: bool) -> Option<ChainProblem> {
        let (place, last) = self.certificates().last()?;
        let own = place == 0;
        if is_self_signed(last) {
            // A self-signed certificate of a server may be refused for more than its issuer.
            return if own {
                Some(ChainProblem::SelfSignedLeaf)
            } else {
                unknown_issuer.then(|| ChainProblem::SelfSignedAuthority { authority: name_text(last.subject()) })
            };
        }
        let issuer = name_text(last.issuer());
        unknown_issuer.then(|| match what_is_missing(last, own) {
            Missing::Intermediate => ChainProblem::Incomplete { missing: issuer },
            Missing::Root => ChainProblem::UnknownAuthority { authority: issuer },
            Missing::Either => ChainProblem::IssuerNotSent { issuer },
        })
    }
}

/// Whether the issuer of `last`, which was not sent, is an intermediate authority or a root.
fn what_is_missing(last: &X509Certificate<'_>, own: bool) -> Missing {
    // Some certificates name the issuer of their issuer (RFC 5280, section 4.2.1.1). A root is its own.
    let above = last.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.authority_cert_issuer.iter().flatten().find_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(name),
                _ => None,
            })
        }
        _ => None,
    });
    if let Some(above) = above {
        return if above.as_raw() == last.issuer().as_raw() { Missing::Root } else { Missing::Intermediate };
    }
    if !own {
        // Above an intermediate there is a root, as a rule.
        return if is_authority(last) { Missing::Root } else { Missing::Either };
    }
    // Roots of public authorities issue no certificates for servers (CA/Browser Forum, Baseline Requirements, section
    // 6.1.7). Where the issuer's certificate can be fetched, it is one that servers are to send; roots are not.
    let public = extension::embedded_timestamps(last).is_some_and(|count| count > 0) || has_public_policy(last);
    if public || can_be_fetched(last) { Missing::Intermediate } else { Missing::Either }
}

fn has_public_policy(certificate: &X509Certificate<'_>) -> bool {
    certificate.iter_extensions().any(|extension| match extension.parsed_extension() {
        ParsedExtension::CertificatePolicies(policies) => {
            policies.iter().any(|policy| policy.policy_id.as_bytes().starts_with(PUBLIC_POLICIES.as_bytes()))
        }
        _ => false,
    })
}

/// Whether it says where the issuer's certificate is on the web (RFC 5280, section 4.2.2.1).
fn can_be_fetched(certificate: &X509Certificate<'_>) -> bool {
    certificate.iter_extensions().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => access.iter().any(|one| {
            one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS
                && matches!(one.access_location, GeneralName::URI(uri) if uri.starts_with("http"))
        }),
        _ => false,
    })
}

/// Whether it says that it is an authority's (RFC 5280, section 4.2.1.9).
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca)
}

/// From the first certificate upwards, each one once.
fn path(served: &[Option<X509Certificate<'_>>], bytes: &[&[u8]]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut next = served.first().and_then(Option::as_ref).map(|leaf| (0, leaf));
    while let Some((place, one)) = next {
        path.push(place);
        next = if is_self_signed(one) {
            None
        } else {
            served.iter().enumerate().find_map(|(place, candidate)| {
                let candidate = candidate.as_ref()?;
                let known = path.iter().any(|on_path| bytes.get(*on_path) == bytes.get(place));
                (!known && is_signed_by(one, candidate)).then_some((place, candidate))
            })
        };
    }
    path
}

/// Whether the key of `issuer` signed `certificate`, both in DER.
pub fn is_issued_by(certificate: &[u8], issuer: &[u8]) -> bool {
    let read = |bytes| X509Certificate::from_der(bytes).ok().map(|(_, certificate)| certificate);
    read(certificate).zip(read(issuer)).is_some_and(|(certificate, issuer)| is_signed_by(&certificate, &issuer))
}

#[cfg(test)]
mod tests;
