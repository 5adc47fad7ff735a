//! Facts about TLS: versions, how a server answered a hello, the certificate it served.

use super::certificate::{ChainFact, Staple, Transparency};
use super::peer_text::PeerText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A protocol version we can offer in a hello of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// SSL 2.0 (the SSL Protocol, 1995; forbidden by RFC 6176).
    #[serde(rename = "ssl2")]
    Ssl2,
    /// SSL 3.0 (RFC 6101).
    #[serde(rename = "ssl3")]
    Ssl3,
    /// TLS 1.0 (RFC 2246).
    #[serde(rename = "tls1.0")]
    Tls10,
    /// TLS 1.1 (RFC 4346).
    #[serde(rename = "tls1.1")]
    Tls11,
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "tls1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "tls1.3")]
    Tls13,
}

impl TlsVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 6] = [Self::Ssl2, Self::Ssl3, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// The `ProtocolVersion` on the wire (RFC 8446, section 4.1.2 and 4.2.1).
    pub const fn wire(self) -> u16 {
        match self {
            Self::Ssl2 => 0x0002,
            Self::Ssl3 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version with this number, if we know it.
    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.wire() == number)
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssl2 => "SSL 2.0",
            Self::Ssl3 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// What a port does before TLS can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPreface {
    /// Nothing: the first byte is TLS.
    Direct,
    /// The X.224 connection request and confirm of RDP (MS-RDPBCGR 2.2.1.1).
    Rdp,
    /// The MySQL greeting and `SSLRequest`.
    MySql,
}

/// How a server answered a hello that offered exactly one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum TlsAnswer {
    /// A ServerHello of that very version.
    Accepted {
        /// The chosen suite's number (IANA TLS Cipher Suites); of SSL 2.0 the three bytes of the first kind that the server
        /// names, and 0 where it names none.
        suite: u32,
    },
    /// A ServerHello of another version: the one asked for was not negotiated.
    OtherVersion {
        /// The negotiated version's number.
        version: u16,
    },
    /// A fatal alert.
    Alert {
        /// The alert's number (RFC 8446, section 6).
        description: u8,
    },
    /// An error of SSL 2.0: none of the kinds of cipher that were offered is wanted.
    Ssl2Error {
        /// Its number (section 5.2.1 of the protocol): 1 no cipher, 2 no certificate, 4 bad certificate, 6 unsupported
        /// type of certificate.
        code: u16,
    },
    /// The connection was reset before a ServerHello.
    Reset,
    /// The connection was closed (FIN) before a ServerHello.
    Closed,
    /// Bytes that are no TLS.
    NotTls {
        /// The first of them.
        first_bytes: PeerText,
    },
}

/// The certificate that a port served, and what a careful client makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a verdict may rest on")]
pub struct CertificateFact {
    /// The leaf's subject.
    pub subject: PeerText,
    /// The leaf's issuer.
    pub issuer: PeerText,
    /// DNS names and IP addresses of the subject alternative name.
    pub names: Vec<PeerText>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the leaf, hexadecimal.
    pub sha256: String,
    /// Start of validity, RFC 3339, UTC.
    pub not_before: String,
    /// End of validity, RFC 3339, UTC.
    pub not_after: String,
    /// Whole days from the observation to the end of validity; negative when over.
    pub days_left: i64,
    /// Whether the time of the observation is before the start of validity.
    pub not_yet_valid: bool,
    /// Subject and issuer are equal and the signature is its own.
    pub self_signed: bool,
    /// The key, such as `RSA 2048` or `EC P-256`.
    pub key: String,
    /// The key is weaker than NIST SP 800-57 part 1 allows (112 bits of strength).
    pub weak_key: bool,
    /// The signature algorithm, such as `sha256WithRSAEncryption`.
    pub signature: String,
    /// The signature uses MD5 or SHA-1.
    pub weak_signature: bool,
    /// How many certificates the server sent.
    pub chain_length: usize,
    /// The name that the certificate was checked against: the SNI name, or the address.
    pub checked_name: String,
    /// Whether the certificate is valid for `checked_name` (RFC 9525).
    pub name_matches: bool,
    /// The verdict of the platform's trust store (and any `--ca-file`) on the chain as served.
    pub trust: Trust,
    /// The negotiated version's number.
    pub negotiated: u16,
    /// The chain as served.
    pub chain: ChainFact,
    /// Proofs that the certificate was logged in public.
    pub transparency: Transparency,
    /// The OCSP response that came with it.
    pub staple: Staple,
    /// The certificate demands that one comes (RFC 7633).
    pub must_staple: bool,
}

/// Whether a chain is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "trust")]
pub enum Trust {
    /// It ends at an anchor of the store and everything on the way holds.
    Trusted,
    /// It does not.
    Untrusted {
        /// The verifier's reason.
        reason: PeerText,
    },
    /// The store could not be read, so nothing is known.
    Unknown {
        /// Why.
        reason: String,
    },
}
