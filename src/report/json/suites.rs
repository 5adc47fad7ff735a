//! The suites that a port accepts.

use crate::catalog::suite_policy::{self, Weakness};
use crate::model::suites::{SuiteOrder, SuitesFact, VersionSuites};
use crate::report::suites::is_cbc;
use schemars::JsonSchema;
use serde::Serialize;

/// The suites that a port accepts.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Suites {
    /// The date of the policy that says what is weak.
    policy: &'static str,
    /// Every version that is accepted, oldest first.
    versions: Vec<Version>,
    /// Versions of which nobody could tell whether they are accepted: what is weak may be there.
    unsettled: Vec<Unsettled>,
}

/// A version of which nobody could tell whether it is accepted.
#[derive(Debug, Serialize, JsonSchema)]
struct Unsettled {
    /// Such as `TLS 1.0`.
    version: String,
    /// Why.
    why: String,
}

/// What is accepted in one version.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    clippy::struct_excessive_bools,
    reason = "the names of the format, each of its own"
)]
struct Version {
    /// Such as `TLS 1.2`.
    version: String,
    /// Whether it was asked with SNI; a version that is accepted only without is asked so.
    sni: bool,
    /// Whether `suites` is exactly what is accepted.
    exact: bool,
    /// Why it is not.
    incomplete: Option<String>,
    /// Whose order decides: `server`, `client`, `single` (nothing to choose) or `unknown`.
    order: &'static str,
    /// Why it is unknown.
    order_unknown: Option<String>,
    /// Whether a server with an order of its own takes `ChaCha20` from a client that puts it first.
    chacha_first: bool,
    /// The suites, where `order` is `server` in that order.
    suites: Vec<Suite>,
    /// The groups of ephemeral key exchange.
    groups: Vec<Group>,
    /// Why there may be more of them.
    groups_incomplete: Option<String>,
    /// The lengths of the primes of finite-field Diffie-Hellman that the server chose itself, in bits.
    dh_bits: Vec<u32>,
    /// Whether the shortest of them is weak.
    dh_weak: bool,
    /// Why there may be others.
    dh_incomplete: Option<String>,
}

/// A suite.
#[derive(Debug, Serialize, JsonSchema)]
struct Suite {
    /// Its number in IANA's registry; of SSL 2.0 the three bytes of the kind.
    number: u32,
    /// Its name there, where it has one.
    name: Option<&'static str>,
    /// What is weak: `null`, `anonymous`, `export`, `rc4`, `des`, `3des`, `rc2`, `idea`, `gost-64`, `md5`,
    /// `no-forward-secrecy` or `not-known`.
    weaknesses: Vec<&'static str>,
    /// Where each of them is said to be weak.
    sources: Vec<&'static str>,
    /// Whether blocks are chained (CBC), which is told and not called weak.
    cbc: bool,
}

/// A group.
#[derive(Debug, Serialize, JsonSchema)]
struct Group {
    /// Its number in IANA's registry.
    number: u16,
    /// Its name there, where it is known.
    name: Option<&'static str>,
    /// Whether it has less than 112 bits of strength.
    weak: bool,
    /// Whether it holds against a quantum computer.
    post_quantum: bool,
}

impl From<&SuitesFact> for Suites {
    fn from(fact: &SuitesFact) -> Self {
        Self {
            policy: suite_policy::DATE,
            versions: fact.versions.iter().map(Version::from).collect(),
            unsettled: fact
                .unsettled
                .iter()
                .map(|one| Unsettled { version: one.version.to_string(), why: one.why.clone() })
                .collect(),
        }
    }
}

impl From<&VersionSuites> for Version {
    fn from(fact: &VersionSuites) -> Self {
        let (order, order_unknown, chacha_first) = match &fact.order {
            SuiteOrder::Server { chacha_first } => ("server", None, *chacha_first),
            SuiteOrder::Client => ("client", None, false),
            SuiteOrder::Single => ("single", None, false),
            SuiteOrder::Unknown { why } => ("unknown", Some(why.clone()), false),
        };
        Self {
            version: fact.version.to_string(),
            sni: fact.sni,
            exact: fact.incomplete.is_none(),
            incomplete: fact.incomplete.clone(),
            order,
            order_unknown,
            chacha_first,
            suites: fact.suites.iter().map(|suite| Suite::from(*suite)).collect(),
            groups: fact.groups.iter().map(|group| Group::from(*group)).collect(),
            groups_incomplete: fact.groups_incomplete.clone(),
            dh_bits: fact.dh_bits.clone(),
            dh_weak: fact.dh_bits.iter().any(|bits| *bits < suite_policy::SHORTEST_PRIME),
            dh_incomplete: fact.dh_incomplete.clone(),
        }
    }
}

impl From<u32> for Suite {
    fn from(number: u32) -> Self {
        let weak = suite_policy::weaknesses(number);
        Self {
            number,
            name: suite_policy::name(number),
            weaknesses: weak.iter().map(|weakness| weakness.as_str()).collect(),
            sources: weak.into_iter().map(Weakness::source).collect(),
            cbc: is_cbc(number),
        }
    }
}

impl From<u16> for Group {
    fn from(number: u16) -> Self {
        Self {
            number,
            name: suite_policy::group_name(number),
            weak: suite_policy::is_weak_group(number),
            post_quantum: suite_policy::is_post_quantum(number),
        }
    }
}
