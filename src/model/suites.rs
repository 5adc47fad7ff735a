//! Facts about what a server accepts within the versions of TLS: suites, their order, groups, primes.

use super::tls::TlsVersion;
use serde::{Deserialize, Serialize};

/// The suites that a port accepts, version by version; only accepted versions are listed, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuitesFact {
    /// The versions.
    pub versions: Vec<VersionSuites>,
    /// Versions of which nobody could tell whether they are accepted, and so not with which suites.
    #[serde(default)]
    pub unsettled: Vec<Unsettled>,
}

impl SuitesFact {
    /// Whether every suite is known that the port accepts, and no other.
    pub fn is_exact(&self) -> bool {
        self.unsettled.is_empty() && self.versions.iter().all(|version| version.incomplete.is_none())
    }
}

/// A version of which nobody could tell whether it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The version.
    pub version: TlsVersion,
    /// Why.
    pub why: String,
}

/// What is accepted in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSuites {
    /// The version.
    pub version: TlsVersion,
    /// Whether it was asked with SNI; where a version is accepted only without, it is asked so.
    pub sni: bool,
    /// The accepted suites: in the server's order where it has one that is known, else in ours. Numbers of IANA's registry;
    /// of SSL 2.0 the three bytes of the kind.
    pub suites: Vec<u32>,
    /// Whose order decides.
    pub order: SuiteOrder,
    /// Why `suites` may lack some. `None` means that the list is exact.
    pub incomplete: Option<String>,
    /// The accepted groups of ephemeral key exchange (IANA TLS Supported Groups), in our order.
    pub groups: Vec<u16>,
    /// Why `groups` may lack some.
    pub groups_incomplete: Option<String>,
    /// The lengths of the primes of finite-field Diffie-Hellman that the server chose itself, in bits, shortest first.
    pub dh_bits: Vec<u32>,
    /// Why there may be others.
    pub dh_incomplete: Option<String>,
}

/// Whose order decides which suite is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum SuiteOrder {
    /// The server's, whatever the client prefers.
    Server {
        /// Whether it takes `ChaCha20` nevertheless from a client that puts it first.
        chacha_first: bool,
    },
    /// The client's.
    Client,
    /// There are not two suites to choose from.
    Single,
    /// It could not be told.
    Unknown {
        /// Why.
        why: String,
    },
}
