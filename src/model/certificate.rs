//! Facts about what a server sends along with its certificate: the chain, an OCSP staple, proofs of transparency.

use super::peer_text::PeerText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The chain as it was served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFact {
    /// The certificates in the order in which they were sent, the server's own first; the first
    /// [`ChainFact::KEPT`] of them.
    pub links: Vec<ChainLink>,
    /// Certificates that belong to the chain do not each certify the one before (RFC 5246, section 7.4.2). TLS 1.3 only
    /// recommends that order (RFC 8446, section 4.4.2), and most clients sort for themselves.
    pub out_of_order: bool,
    /// What is wrong with it, apart from the server's own certificate. Empty where trust is not known.
    pub problems: Vec<ChainProblem>,
}

impl ChainFact {
    /// How many certificates are kept. Real chains have at most five.
    pub const KEPT: usize = 16;
}

/// One certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a verdict may rest on")]
pub struct ChainLink {
    /// What it is there for.
    pub role: LinkRole,
    /// Its subject; empty where it cannot be read, like all that follows but for the digest.
    pub subject: PeerText,
    /// Its issuer.
    pub issuer: PeerText,
    /// Start of validity, RFC 3339, UTC.
    pub not_before: String,
    /// End of validity, RFC 3339, UTC.
    pub not_after: String,
    /// Validity was over at the time of the observation.
    pub expired: bool,
    /// Validity had not begun at the time of the observation.
    pub not_yet_valid: bool,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// The key, such as `RSA 2048` or `EC P-256`.
    pub key: String,
    /// The key is weaker than NIST SP 800-57 part 1 allows (112 bits of strength).
    pub weak_key: bool,
    /// The signature algorithm, such as `sha256WithRSAEncryption`.
    pub signature: String,
    /// The signature uses MD5 or SHA-1. Of no matter for a root, which is trusted for what it is.
    pub weak_signature: bool,
    /// It says that it is an authority's (RFC 5280, section 4.2.1.9).
    pub authority: bool,
    /// Subject and issuer are equal and the signature is its own.
    pub self_signed: bool,
}

/// What a certificate of a chain is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkRole {
    /// The server's own.
    Leaf,
    /// It certifies another one of the chain.
    Intermediate,
    /// It certifies another one and vouches for itself. Clients have their own roots and need none to be sent.
    Root,
    /// A copy of one that was sent before.
    Duplicate,
    /// It certifies none of the chain.
    Stray,
    /// It is no certificate that can be read.
    Unreadable,
}

/// What is wrong with a chain, apart from the server's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "problem")]
pub enum ChainProblem {
    /// The certificate vouches for itself, and is not trusted.
    SelfSignedLeaf,
    /// The chain ends at a root that was sent along, and that is not trusted.
    SelfSignedAuthority {
        /// The root.
        authority: PeerText,
    },
    /// The certificate of an intermediate authority was not sent.
    Incomplete {
        /// The authority.
        missing: PeerText,
    },
    /// The chain is complete up to an authority that is not trusted.
    UnknownAuthority {
        /// The authority.
        authority: PeerText,
    },
    /// The issuer was not sent and is not trusted. Nothing tells whether it is an intermediate authority that should
    /// have been sent or a root that is not known here.
    IssuerNotSent {
        /// The issuer.
        issuer: PeerText,
    },
    /// The certificate of an authority is over.
    Expired {
        /// Where it was sent; the server's own is 0.
        position: usize,
        /// Whose it is.
        subject: PeerText,
        /// The end of its validity, RFC 3339, UTC.
        not_after: String,
    },
    /// The certificate of an authority has not begun.
    NotYetValid {
        /// Where it was sent.
        position: usize,
        /// Whose it is.
        subject: PeerText,
        /// The start of its validity, RFC 3339, UTC.
        not_before: String,
    },
    /// The key of an authority is weak.
    WeakKey {
        /// Where it was sent.
        position: usize,
        /// Whose it is.
        subject: PeerText,
        /// The key.
        key: String,
    },
    /// The certificate of an authority, and not of a root, has a weak signature.
    WeakSignature {
        /// Where it was sent.
        position: usize,
        /// Whose it is.
        subject: PeerText,
        /// The signature algorithm.
        signature: String,
    },
}

impl fmt::Display for ChainProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfSignedLeaf => f.write_str("it is self-signed"),
            Self::SelfSignedAuthority { authority } => {
                write!(
                    f,
                    "unknown authority: the chain ends at {authority}, self-signed and sent along, which is not trusted"
                )
            }
            Self::Incomplete { missing } => write!(f, "incomplete chain: the certificate of {missing} was not sent"),
            Self::UnknownAuthority { authority } => {
                write!(f, "unknown authority: {authority}, who issued it, is not trusted")
            }
            Self::IssuerNotSent { issuer } => {
                write!(
                    f,
                    "incomplete chain or unknown authority: {issuer} issued it, whose certificate was not sent and is not trusted"
                )
            }
            Self::Expired { position, subject, not_after } => {
                write!(f, "expired intermediate: the certificate of {subject} (no. {position}) ended on {not_after}")
            }
            Self::NotYetValid { position, subject, not_before } => {
                write!(f, "the intermediate certificate of {subject} (no. {position}) begins only on {not_before}")
            }
            Self::WeakKey { position, subject, key } => {
                write!(f, "the key of the authority {subject} (no. {position}) is weak ({key})")
            }
            Self::WeakSignature { position, subject, signature } => {
                write!(
                    f,
                    "the signature of the intermediate certificate of {subject} (no. {position}) is weak ({signature})"
                )
            }
        }
    }
}

/// Proofs that a certificate was logged in public (RFC 6962, RFC 9162).
///
/// The extension of the handshake is not asked for: the TLS library has no way to, and authorities put the proofs into
/// the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transparency {
    /// How many signed certificate timestamps stand in the certificate; `None` where the list cannot be read.
    pub embedded: Option<usize>,
    /// How many stand in the OCSP staple.
    pub stapled: usize,
}

/// What came of asking for an OCSP response along with the certificate (RFC 6066, section 8; RFC 8446, section 4.4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "staple")]
pub enum Staple {
    /// It was not asked for: the certificate was read from a hello of our own for an old version.
    #[default]
    NotAsked,
    /// None came.
    None,
    /// One came.
    Answer(OcspAnswer),
    /// What came is no answer about a certificate.
    Unreadable {
        /// What is wrong with it.
        what: PeerText,
    },
}

/// An OCSP response about one certificate (RFC 6960, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OcspAnswer {
    /// What it says.
    pub status: OcspStatus,
    /// Since when that has been known to be right, RFC 3339, UTC.
    pub this_update: String,
    /// When there is to be a newer one, RFC 3339, UTC.
    pub next_update: Option<String>,
    /// Whether it was in date at the time of the observation.
    pub age: OcspAge,
    /// Whether it is about the certificate that was served.
    pub about_this: bool,
    /// Whether the issuer signed it, or whom the issuer certified for that.
    pub signature: OcspSignature,
}

/// What an OCSP response says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum OcspStatus {
    /// It is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// Since when, RFC 3339, UTC.
        at: String,
        /// The reason's number (RFC 5280, section 5.3.1).
        reason: Option<u32>,
    },
    /// The authority does not know it.
    Unknown,
}

impl fmt::Display for OcspStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Revoked { at, reason } => {
                let reason = reason.map_or("no reason given", |reason| match reason {
                    0 => "unspecified",
                    1 => "key compromise",
                    2 => "authority compromised",
                    3 => "affiliation changed",
                    4 => "superseded",
                    5 => "cessation of operation",
                    6 => "on hold",
                    9 => "privilege withdrawn",
                    10 => "attribute authority compromised",
                    _ => "unknown reason",
                });
                write!(f, "revoked on {at}, {reason}")
            }
            Self::Unknown => f.write_str("unknown to the authority"),
        }
    }
}

/// Whether an OCSP response is in date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OcspAge {
    /// It is.
    Current,
    /// Its `nextUpdate` has passed.
    Stale,
    /// Its `thisUpdate` is yet to come.
    Early,
}

impl OcspAnswer {
    /// Whether a client that checks it may rely on it: the authority signed it, for this certificate and for now.
    pub fn is_vouched_for(&self) -> bool {
        self.signature == OcspSignature::Valid && self.fault().is_none()
    }

    /// Why a client that checks it would refuse it; `None` where nothing is wrong with it.
    pub fn fault(&self) -> Option<&'static str> {
        if !self.about_this {
            Some("it is about another certificate")
        } else if self.signature == OcspSignature::Invalid {
            Some("the authority did not sign it")
        } else {
            match self.age {
                OcspAge::Current => None,
                OcspAge::Stale => Some("it is out of date"),
                OcspAge::Early => Some("it is not valid yet"),
            }
        }
    }
}

/// Whether the signature of an OCSP response holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OcspSignature {
    /// It does.
    Valid,
    /// It does not.
    Invalid,
    /// The issuer's certificate is not at hand, or the algorithm is not one that we can check.
    Unchecked,
}
