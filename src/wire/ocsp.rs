//! OCSP responses that come with a certificate (RFC 6960).
//!
//! Only what a staple says of one certificate is read, with the DER library that reads the certificates.

use super::certificate::{count_timestamps, rfc3339, signature_holds};
use crate::model::certificate::{OcspAge, OcspAnswer, OcspSignature, OcspStatus, Staple};
use crate::model::peer_text::PeerText;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, BitString, Class, Enumerated, Header, Tag};
use x509_parser::der_parser::oid;
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The longest response that is read, in bytes: as long as a message of the handshake may be in practice.
pub const LIMIT: usize = 256 * 1024;

/// How many answers of one response are looked at; a staple has one.
const ANSWERS: usize = 64;

/// How many certificates of a response are looked at; it has one or none.
const SIGNERS: usize = 4;

/// `id-pkix-ocsp-basic` (RFC 6960, section 4.2.1).
const BASIC: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.1);

/// `SignedCertificateTimestampList` of a response (RFC 6962, section 3.3).
const TIMESTAMPS: Oid<'static> = oid!(1.3.6.1.4.1.11129.2.4.5);

/// Clocks differ; clients commonly allow for five minutes. In seconds.
const SKEW: i64 = 300;

/// Why it is no answer about a certificate.
type Complaint = &'static str;

/// Reads the staple that came with `leaf` at `now`, in seconds after 1970-01-01 UTC, and says how many signed certificate
/// timestamps it holds for the certificate. `issuer` is the certificate of the leaf's issuer, where it is at hand.
pub fn read_staple(response: &[u8], leaf: &[u8], issuer: Option<&[u8]>, now: i64) -> (Staple, usize) {
    if response.is_empty() {
        return (Staple::None, 0);
    }
    let certificate = |bytes| X509Certificate::from_der(bytes).ok().map(|(_, certificate)| certificate);
    let read = match certificate(leaf) {
        _ if response.len() > LIMIT => Err("longer than any OCSP response"),
        None => Err("it came without a certificate that can be read"),
        Some(leaf) => read(response, &leaf, issuer.and_then(certificate).as_ref(), now),
    };
    match read {
        Ok((answer, timestamps)) => (Staple::Answer(answer), timestamps),
        Err(what) => (Staple::Unreadable { what: PeerText::new(what, 200) }, 0),
    }
}

fn read(
    response: &[u8],
    leaf: &X509Certificate<'_>,
    issuer: Option<&X509Certificate<'_>>,
    now: i64,
) -> Result<(OcspAnswer, usize), Complaint> {
    let mut outer = Fields(response).sequence()?;
    let (_, status) = Enumerated::from_der(outer.next()?.0).map_err(|_| "its status cannot be read")?;
    // RFC 6960, section 4.2.1.
    match status.0 {
        0 => {}
        1 => return Err("the responder says: malformed request"),
        2 => return Err("the responder says: internal error"),
        3 => return Err("the responder says: try later"),
        5 => return Err("the responder says: signature required"),
        6 => return Err("the responder says: unauthorized"),
        _ => return Err("the responder failed for a reason without a name"),
    }
    let mut bytes = outer.tagged(0)?.ok_or("it has no content")?.sequence()?;
    if bytes.next()?.oid()? != BASIC {
        return Err("it is of another kind than the basic one");
    }
    let mut basic = Fields(bytes.next()?.of(Tag::OctetString)?).sequence()?;
    let signed = basic.next()?;
    let (_, algorithm) = AlgorithmIdentifier::from_der(basic.next()?.0).map_err(|_| "its algorithm cannot be read")?;
    let (_, signature) = BitString::from_der(basic.next()?.0).map_err(|_| "its signature cannot be read")?;
    let signers = basic.tagged(0)?;

    let mut data = signed.sequence()?;
    data.tagged(0)?; // The version.
    data.next()?; // The responder, by name or by key.
    data.next()?; // When it was made.
    let mut answers = data.sequence()?;
    let mut chosen = None;
    for _ in 0..ANSWERS {
        if answers.0.is_empty() {
            break;
        }
        let single = Single::read(answers.sequence()?, leaf, issuer)?;
        if single.about_this || chosen.is_none() {
            let about_this = single.about_this;
            chosen = Some(single);
            if about_this {
                break;
            }
        }
    }
    let single = chosen.ok_or("it is about no certificate")?;
    let holds =
        |key: &SubjectPublicKeyInfo<'_>| signature_holds(key, &verify_signature(key, &algorithm, &signature, signed.0));
    Ok((
        OcspAnswer {
            status: single.status,
            this_update: rfc3339(single.this_update),
            next_update: single.next_update.map(rfc3339),
            age: if now < single.this_update.timestamp().saturating_sub(SKEW) {
                OcspAge::Early
            } else if single.next_update.is_some_and(|next| next.timestamp().saturating_add(SKEW) < now) {
                OcspAge::Stale
            } else {
                OcspAge::Current
            },
            about_this: single.about_this,
            signature: issuer.map_or(OcspSignature::Unchecked, |issuer| weigh(holds, signers, issuer, now)),
        },
        if single.about_this { single.timestamps } else { 0 },
    ))
}

/// Whether the issuer signed, or one to whom the issuer gave a certificate for that (RFC 6960, section 4.2.2.2).
fn weigh(
    holds: impl Fn(&SubjectPublicKeyInfo<'_>) -> Option<bool>,
    signers: Option<Fields<'_>>,
    issuer: &X509Certificate<'_>,
    now: i64,
) -> OcspSignature {
    let mut unsure = false;
    match holds(issuer.public_key()) {
        Some(true) => return OcspSignature::Valid,
        Some(false) => {}
        None => unsure = true,
    }
    let mut signers = signers.and_then(|mut signers| signers.sequence().ok()).unwrap_or(Fields(&[]));
    for _ in 0..SIGNERS {
        let Ok((rest, signer)) = X509Certificate::from_der(signers.0) else { break };
        signers = Fields(rest);
        let may_sign = signer.extended_key_usage().ok().flatten().is_some_and(|usage| usage.value.ocsp_signing);
        let validity = signer.validity();
        let in_date = (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
        if signer.issuer().as_raw() != issuer.subject().as_raw() || !may_sign || !in_date {
            continue;
        }
        let certified = signature_holds(issuer.public_key(), &signer.verify_signature(Some(issuer.public_key())));
        match (certified, holds(signer.public_key())) {
            (Some(true), Some(true)) => return OcspSignature::Valid,
            (Some(false), _) | (_, Some(false)) => {}
            _ => unsure = true,
        }
    }
    if unsure { OcspSignature::Unchecked } else { OcspSignature::Invalid }
}

/// What a response says of one certificate.
struct Single {
    about_this: bool,
    status: OcspStatus,
    this_update: ASN1Time,
    next_update: Option<ASN1Time>,
    timestamps: usize,
}

impl Single {
    fn read(
        mut fields: Fields<'_>,
        leaf: &X509Certificate<'_>,
        issuer: Option<&X509Certificate<'_>>,
    ) -> Result<Self, Complaint> {
        let about_this = names(fields.sequence()?, leaf, issuer)?;
        let status = fields.next()?;
        let (header, content) = status.parts()?;
        let status = match (header.class(), header.tag().0) {
            (Class::ContextSpecific, 0) => OcspStatus::Good,
            (Class::ContextSpecific, 1) => {
                let mut revoked = Fields(content);
                let at = rfc3339(revoked.time()?);
                let reason = revoked.tagged(0)?.and_then(|reason| Enumerated::from_der(reason.0).ok());
                OcspStatus::Revoked { at, reason: reason.map(|(_, reason)| reason.0) }
            }
            (Class::ContextSpecific, 2) => OcspStatus::Unknown,
            _ => return Err("it says neither good nor revoked nor unknown"),
        };
        let this_update = fields.time()?;
        let next_update = fields.tagged(0)?.map(|mut next| next.time()).transpose()?;
        let timestamps = fields.tagged(1)?.and_then(|mut all| timestamps(all.sequence().ok()?)).unwrap_or_default();
        Ok(Self { about_this, status, this_update, next_update, timestamps })
    }
}

/// Whether a `CertID` names `leaf`: by its serial number and digests of its issuer's name and key.
fn names(
    mut id: Fields<'_>,
    leaf: &X509Certificate<'_>,
    issuer: Option<&X509Certificate<'_>>,
) -> Result<bool, Complaint> {
    let algorithm = id.sequence()?.next()?.oid()?;
    let name = id.next()?.of(Tag::OctetString)?;
    let key = id.next()?.of(Tag::OctetString)?;
    let serial = id.next()?.of(Tag::Integer)?;
    let same_serial = without_zeros(serial) == without_zeros(leaf.raw_serial());
    let algorithm = DIGESTS.into_iter().find(|(oid, _)| *oid == algorithm).map(|(_, algorithm)| algorithm);
    let Some(algorithm) = algorithm else { return Ok(same_serial) };
    let same = |expected: &[u8], bytes: &[u8]| digest(algorithm, bytes).as_ref() == expected;
    let same_key = issuer.is_none_or(|issuer| same(key, &issuer.public_key().subject_public_key.data));
    Ok(same_serial && same_key && same(name, leaf.issuer().as_raw()))
}

/// Digests by which an issuer may be named (RFC 8017, appendix B.1).
const DIGESTS: [(Oid<'static>, &ring::digest::Algorithm); 4] = [
    (oid!(1.3.14.3.2.26), &SHA1_FOR_LEGACY_USE_ONLY),
    (oid!(2.16.840.1.101.3.4.2.1), &SHA256),
    (oid!(2.16.840.1.101.3.4.2.2), &SHA384),
    (oid!(2.16.840.1.101.3.4.2.3), &SHA512),
];

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The timestamps among the extensions of an answer; `None` where there are none that can be read.
fn timestamps(mut extensions: Fields<'_>) -> Option<usize> {
    while !extensions.0.is_empty() {
        let mut extension = extensions.sequence().ok()?;
        if extension.next().ok()?.oid().ok()? != TIMESTAMPS {
            continue;
        }
        let mut value = extension.next().ok()?;
        if value.parts().ok()?.0.tag() == Tag::Boolean {
            value = extension.next().ok()?;
        }
        return count_timestamps(value.of(Tag::OctetString).ok()?);
    }
    None
}

/// Values in DER, one after the other.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

/// One value in DER, header and all.
#[derive(Clone, Copy)]
struct Value<'a>(&'a [u8]);

const CUT: Complaint = "it is no DER or ends too soon";
const OTHER: Complaint = "it holds something else than was expected";

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Value<'a>, Complaint> {
        let (rest, _) = Any::from_der(self.0).map_err(|_| CUT)?;
        let (value, _) = self.0.split_at_checked(self.0.len() - rest.len()).ok_or(CUT)?;
        self.0 = rest;
        Ok(Value(value))
    }

    fn sequence(&mut self) -> Result<Self, Complaint> {
        self.next()?.sequence()
    }

    /// What is in the next value, where that has this context-specific tag; otherwise nothing is taken.
    fn tagged(&mut self, tag: u32) -> Result<Option<Self>, Complaint> {
        let mut ahead = *self;
        if ahead.0.is_empty() {
            return Ok(None);
        }
        let (header, content) = ahead.next()?.parts()?;
        if header.class() != Class::ContextSpecific || header.tag().0 != tag {
            return Ok(None);
        }
        *self = ahead;
        Ok(Some(Self(content)))
    }

    fn time(&mut self) -> Result<ASN1Time, Complaint> {
        let value = self.next()?;
        ASN1Time::from_der(value.0).map(|(_, time)| time).map_err(|_| "a time in it cannot be read")
    }
}

impl<'a> Value<'a> {
    fn parts(self) -> Result<(Header<'a>, &'a [u8]), Complaint> {
        Any::from_der(self.0).map(|(_, any)| (any.header, any.data)).map_err(|_| CUT)
    }

    fn of(self, tag: Tag) -> Result<&'a [u8], Complaint> {
        let (header, content) = self.parts()?;
        if header.class() == Class::Universal && header.tag() == tag { Ok(content) } else { Err(OTHER) }
    }

    fn sequence(self) -> Result<Fields<'a>, Complaint> {
        self.of(Tag::Sequence).map(Fields)
    }

    fn oid(self) -> Result<Oid<'a>, Complaint> {
        Oid::from_der(self.0).map(|(_, oid)| oid).map_err(|_| OTHER)
    }
}

#[cfg(test)]
mod tests;
