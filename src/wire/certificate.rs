//! What a careful client makes of a certificate, apart from trust, which needs a store.

mod chain;
mod extension;
mod key;
mod name;

pub use chain::{Chain, Judged, is_issued_by};
pub use name::name_matches;

pub(super) use extension::count_timestamps;

use crate::model::certificate::{ChainFact, Staple, Transparency};
use crate::model::peer_text::PeerText;
use crate::model::tls::{CertificateFact, Trust};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid;
use x509_parser::der_parser::oid::Oid;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_HASH_SHA1, OID_MD5_WITH_RSA, OID_PKCS1_MD2WITHRSAENC, OID_PKCS1_MD4WITHRSAENC, OID_PKCS1_MD5WITHRSAENC,
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA, OID_SIG_DSA_WITH_SHA1,
};
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

/// The longest certificate that is read.
pub const LIMIT: usize = 256 * 1024;

/// How many names of a certificate are kept.
const NAMES: usize = 200;

/// How much of each text in a certificate is kept, in bytes.
const TEXT: usize = 500;

/// `ecdsa-with-SHA1` (RFC 3279, section 2.2.3).
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// A day, in seconds.
const DAY: i64 = 86_400;

/// What is known of a served certificate beside its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served<'a> {
    /// How many certificates the server sent.
    pub chain_length: usize,
    /// The name that it is checked against: the SNI name, or the address.
    pub checked_name: &'a str,
    /// The time of the observation, in seconds after 1970-01-01 UTC.
    pub now: i64,
    /// The verdict of the trust store.
    pub trust: Trust,
    /// The negotiated version's number.
    pub negotiated: u16,
    /// The chain that it came with.
    pub chain: ChainFact,
    /// The OCSP response that came with it, and how many signed certificate timestamps that holds.
    pub staple: (Staple, usize),
}

/// Reads a leaf in DER (RFC 5280).
///
/// # Errors
///
/// Says what is wrong with bytes that are no certificate.
pub fn read_certificate(leaf: &[u8], served: Served<'_>) -> Result<CertificateFact, PeerText> {
    let complain = |what: String| PeerText::new(&what, TEXT);
    if leaf.len() > LIMIT {
        return Err(complain(format!("a certificate of {} bytes", leaf.len())));
    }
    let (_, certificate) =
        X509Certificate::from_der(leaf).map_err(|error| complain(format!("no certificate: {error}")))?;
    let validity = certificate.validity();
    let key = key::describe(certificate.public_key());
    Ok(CertificateFact {
        subject: name_text(certificate.subject()),
        issuer: name_text(certificate.issuer()),
        names: alternative_names(&certificate).filter_map(name::show).take(NAMES).collect(),
        serial: hex(certificate.raw_serial()),
        sha256: hex(&Sha256::digest(leaf)),
        not_before: rfc3339(validity.not_before),
        not_after: rfc3339(validity.not_after),
        days_left: validity.not_after.timestamp().saturating_sub(served.now).div_euclid(DAY),
        not_yet_valid: served.now < validity.not_before.timestamp(),
        self_signed: is_self_signed(&certificate),
        key: key.name,
        weak_key: key.weak,
        signature: key::oid_name(&certificate.signature_algorithm.algorithm),
        weak_signature: is_weak_signature(&certificate.signature_algorithm),
        chain_length: served.chain_length,
        checked_name: served.checked_name.to_owned(),
        name_matches: name::matches(alternative_names(&certificate), served.checked_name),
        trust: served.trust,
        negotiated: served.negotiated,
        chain: served.chain,
        transparency: Transparency { embedded: extension::embedded_timestamps(&certificate), stapled: served.staple.1 },
        staple: served.staple.0,
        must_staple: extension::must_staple(&certificate),
    })
}

/// The names of the subject alternative name (RFC 5280, section 4.2.1.6).
fn alternative_names<'a>(certificate: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a GeneralName<'a>> {
    certificate
        .iter_extensions()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(names.general_names.iter()),
            _ => None,
        })
        .flatten()
}

fn name_text(name: &X509Name<'_>) -> PeerText {
    PeerText::new(&name.to_string(), TEXT)
}

/// A point in time as RFC 3339, UTC.
pub(super) fn rfc3339(time: ASN1Time) -> String {
    jiff::Timestamp::from_second(time.timestamp()).map_or_else(|_| time.to_string(), |time| time.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(TEXT).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Subject and issuer are equal and the signature is its own.
fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    is_signed_by(certificate, certificate)
}

/// `issuer` has the name that `certificate` says, and the key that signed it. Where the library cannot check the signature
/// (MD5, SHA-512 with ECDSA, keys that it holds too weak) the key identifiers decide (RFC 5280, section 4.2.1.1): absent
/// or equal.
fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    if issuer.subject().as_raw() != certificate.issuer().as_raw() {
        return false;
    }
    let verified = certificate.verify_signature(Some(issuer.public_key()));
    signature_holds(issuer.public_key(), &verified).unwrap_or_else(|| key_identifiers_agree(certificate, issuer))
}

/// What the library's answer about a signature means; `None` where it could not check it.
pub(super) fn signature_holds(key: &SubjectPublicKeyInfo<'_>, verified: &Result<(), X509Error>) -> Option<bool> {
    match verified {
        Ok(()) => Some(true),
        // The library says the same of RSA keys outside of what it verifies as of a wrong signature.
        Err(X509Error::SignatureVerificationError) if !key::is_rsa(key) => Some(false),
        Err(X509Error::SignatureVerificationError) if (2048..=8192).contains(&key::describe(key).bits) => Some(false),
        Err(_) => None,
    }
}

fn key_identifiers_agree(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let subject = issuer.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id),
        _ => None,
    });
    let authority = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref(),
        _ => None,
    });
    match (subject, authority) {
        (Some(subject), Some(authority)) => subject == authority,
        _ => true,
    }
}

/// Whether the signature uses MD2, MD4, MD5 or SHA-1.
fn is_weak_signature(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let oid = &algorithm.algorithm;
    if *oid == OID_PKCS1_RSASSAPSS {
        // RFC 4055, section 3.1: without parameters the hash is SHA-1.
        return algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| RsaSsaPssParams::try_from(parameters).ok())
            .is_none_or(|parameters| *parameters.hash_algorithm_oid() == OID_HASH_SHA1);
    }
    [
        &OID_PKCS1_MD2WITHRSAENC,
        &OID_PKCS1_MD4WITHRSAENC,
        &OID_PKCS1_MD5WITHRSAENC,
        &OID_MD5_WITH_RSA,
        &OID_PKCS1_SHA1WITHRSA,
        &OID_SHA1_WITH_RSA,
        &OID_SIG_DSA_WITH_SHA1,
        &ECDSA_WITH_SHA1,
    ]
    .contains(&oid)
}

#[cfg(test)]
mod tests;
