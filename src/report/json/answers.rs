//! Answers, one kind for each question.

use super::certificates::Certificate;
use super::suites::Suites;
use crate::model::fact::{self, Fact, PortReason, PortState};
use crate::model::http::Scheme;
use crate::model::service::{Identified, Product, Service as Spoken};
use crate::model::tls::{TlsAnswer, TlsPreface};
use crate::model::udp::{Rationed, UdpProtocol};
use crate::model::witness::{NotHeld, Proof, ToldBy, WitnessFact};
use crate::report::describe::version_name;
use schemars::JsonSchema;
use serde::Serialize;

/// An answer. Texts that the server sent are escaped: control characters as `\n`, `\xNN` or `\u{NNNN}`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The state of a port.
    Port(Port),
    /// What speaks on a port.
    Service {
        /// `http`, `https`, `tls`, `mysql`, `mysql-x`, `rdp`, `smb`, `netbios`, `msrpc`, `automate-redirector`, `ssh`,
        /// `unknown` or `silent`.
        protocol: &'static str,
        /// What it told of itself: a version, a banner, its first bytes.
        detail: Option<String>,
        /// The number that says so: a refusal's, a dialect's, an answer's or a security protocol's.
        code: Option<u32>,
        /// How TLS starts, where it can: `direct`, `rdp` or `mysql`.
        tls: Option<&'static str>,
    },
    /// How an offer of one TLS version was answered.
    Tls {
        /// `accepted`, `other-version`, `alert`, `ssl2-error`, `reset`, `closed` or `not-tls`.
        answer: &'static str,
        /// The number of the suite, the version, the alert or the error.
        number: Option<u32>,
        /// The version that was negotiated instead, in words, or the first bytes of what is not TLS.
        detail: Option<String>,
    },
    /// The certificate that was served.
    Certificate(Box<Certificate>),
    /// The suites and groups that are accepted.
    Suites(Suites),
    /// The head of an HTTP response.
    Http {
        /// `http` or `https`.
        scheme: &'static str,
        /// The status code.
        status: u16,
        /// The minor version of HTTP/1.
        minor_version: u8,
        /// The reason phrase.
        reason: String,
        /// The fields, in order.
        headers: Vec<Header>,
        /// The beginning of the body.
        body_start: String,
    },
    /// The products that were recognised.
    Products {
        /// The products, possibly none.
        products: Vec<ProductSeen>,
    },
    /// Whether RDP insists on network level authentication.
    RdpNla {
        /// Whether it does.
        enforced: bool,
        /// The code that says so.
        code: u32,
    },
    /// Whether SMB 1 is answered.
    Smb1 {
        /// Whether it is.
        answered: bool,
    },
    /// What a witness behind the firewall proves of a port, or of each of a range.
    Witness(Witness),
}

/// What a witness behind the firewall proves: what the firewall does, not what a service does.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct Witness {
    /// The proof.
    proof: ProofName,
    /// How many messages were sent; over TCP, how many were to be sent, for without a connection none leaves.
    sent: u32,
    /// How many arrived at the witness, on whichever port.
    arrived: u32,
    /// How many confirmations came back.
    answered: u32,
    /// The witness's port where they arrived, where it is another one.
    arrived_on: Option<u16>,
    /// Why the witness does not hold the port: `not-listed`, `occupied`, `not-permitted` or `unavailable`.
    not_held: Option<&'static str>,
    /// The address from which they came, as the witness saw it.
    source: Option<String>,
    /// The address of the witness's machine to which they came: another than the one that was asked where it is translated on
    /// the way; null where none arrived, or where the machine's system does not say.
    destination: Option<String>,
    /// How that is known: `confirmation`, `account` or `log`.
    told_by: &'static str,
}

/// What both ends together prove.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ProofName {
    /// A message arrived on this port, and the confirmation came back.
    Passed,
    /// None arrived, though the witness holds the port.
    Blocked,
    /// Something answered, and the witness, which holds the port, saw nothing.
    AnsweredByAnother,
    /// A message arrived, on another port of the witness.
    ArrivedElsewhere,
    /// Something arrived, but not the message as it was sent.
    Altered,
    /// Messages arrived on this port, and no confirmation came back.
    AnswerLost,
    /// The witness does not hold the port: only its ordinary state is known.
    NotHeld,
}

/// The state of a port.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Port {
    /// The state.
    state: State,
    /// `handshake-completed`, `reset`, `refused`, `icmp`, `unreachable`, `datagram`, `silence`, `rationed`,
    /// `silent-among-refusals` or `disagreement`.
    reason: &'static str,
    /// The reason in words.
    text: String,
    /// The ICMP message, where one was seen.
    icmp: Option<Icmp>,
    /// Who sent it.
    sender: Option<String>,
    /// The length of the datagram that came back, in bytes.
    datagram_length: Option<usize>,
    /// Its beginning.
    datagram_start: Option<String>,
    /// The protocol that it is of, such as `dns`, where it answers a question of that protocol.
    datagram_protocol: Option<&'static str>,
    /// How far a host that rations its refusals came.
    ration: Option<Ration>,
    /// How many other ports of the host were refused while this one was silent.
    refusals: Option<usize>,
    /// What each try saw, where they disagree.
    disagreeing: Vec<State>,
}

/// The state of a port as seen from where the scan ran.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    Open,
    Closed,
    Rejected,
    Filtered,
    OpenOrFiltered,
    Unstable,
}

/// How far a host that rations its refusals of UDP ports came, and what it would cost to hear the rest.
#[derive(Debug, Serialize, JsonSchema)]
struct Ration {
    /// How many ports it refused.
    answered: usize,
    /// How many ports were asked.
    asked: usize,
    /// How many are undecided.
    undecided: usize,
    /// The time between two refusals, in milliseconds, where it was seen.
    interval_ms: Option<u64>,
    /// How long it would take to hear of every undecided port, in seconds.
    seconds_to_decide: Option<u64>,
}

/// An ICMP destination unreachable.
#[derive(Debug, Serialize, JsonSchema)]
struct Icmp {
    /// Whether it was ICMPv6.
    v6: bool,
    /// The type.
    r#type: u8,
    /// The code.
    code: u8,
}

/// A header field.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Header {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A product, known by its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProductSeen {
    /// `automate`, `screenconnect`, `endpoint-central` or `iis`.
    product: &'static str,
    /// Its version, where the answer held one.
    version: Option<String>,
    /// The part of the answer that says so.
    evidence: String,
    /// The page that was asked.
    path: &'static str,
}

impl From<&Fact> for Answer {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Port(fact) => Self::Port(fact.into()),
            Fact::Service { service, tls } => {
                let (protocol, detail, code) = spoken(service);
                let tls = tls.map(|preface| match preface {
                    TlsPreface::Direct => "direct",
                    TlsPreface::Rdp => "rdp",
                    TlsPreface::MySql => "mysql",
                });
                Self::Service { protocol, detail, code, tls }
            }
            Fact::Tls { answer } => {
                let (answer, number, detail) = match answer {
                    TlsAnswer::Accepted { suite } => ("accepted", Some(*suite), None),
                    TlsAnswer::OtherVersion { version } => {
                        ("other-version", Some(u32::from(*version)), Some(version_name(*version)))
                    }
                    TlsAnswer::Alert { description } => ("alert", Some(u32::from(*description)), None),
                    TlsAnswer::Ssl2Error { code } => ("ssl2-error", Some(u32::from(*code)), None),
                    TlsAnswer::Reset => ("reset", None, None),
                    TlsAnswer::Closed => ("closed", None, None),
                    TlsAnswer::NotTls { first_bytes } => ("not-tls", None, Some(first_bytes.to_string())),
                };
                Self::Tls { answer, number, detail }
            }
            Fact::Certificate(fact) => Self::Certificate(Box::new(fact.as_ref().into())),
            Fact::Suites(fact) => Self::Suites(fact.into()),
            Fact::Http(answer) => Self::Http {
                scheme: match answer.scheme {
                    Scheme::Http => "http",
                    Scheme::Https => "https",
                },
                status: answer.status,
                minor_version: answer.minor_version,
                reason: answer.reason.to_string(),
                headers: answer
                    .headers
                    .iter()
                    .map(|header| Header { name: header.name.to_string(), value: header.value.to_string() })
                    .collect(),
                body_start: answer.body_start.to_string(),
            },
            Fact::Products { products } => {
                Self::Products { products: products.iter().map(ProductSeen::from).collect() }
            }
            Fact::RdpNla { enforced, code } => Self::RdpNla { enforced: *enforced, code: *code },
            Fact::Smb1 { answered } => Self::Smb1 { answered: *answered },
            Fact::Witness(fact) => Self::Witness(fact.into()),
        }
    }
}

impl From<&WitnessFact> for Witness {
    fn from(fact: &WitnessFact) -> Self {
        let (proof, arrived_on, not_held) = match &fact.proof {
            Proof::Passed => (ProofName::Passed, None, None),
            Proof::Blocked => (ProofName::Blocked, None, None),
            Proof::AnsweredByAnother => (ProofName::AnsweredByAnother, None, None),
            Proof::ArrivedElsewhere { at } => (ProofName::ArrivedElsewhere, Some(*at), None),
            Proof::Altered => (ProofName::Altered, None, None),
            Proof::AnswerLost => (ProofName::AnswerLost, None, None),
            Proof::NotHeld { because } => {
                let because = match because {
                    NotHeld::NotListed => "not-listed",
                    NotHeld::Occupied => "occupied",
                    NotHeld::NotPermitted => "not-permitted",
                    NotHeld::Unavailable => "unavailable",
                };
                (ProofName::NotHeld, None, Some(because))
            }
        };
        Self {
            proof,
            sent: fact.sent,
            arrived: fact.arrived,
            answered: fact.answered,
            arrived_on,
            not_held,
            source: fact.source.map(|source| source.to_string()),
            destination: fact.destination.map(|there| there.to_string()),
            told_by: match fact.told_by {
                ToldBy::Confirmation => "confirmation",
                ToldBy::Account => "account",
                ToldBy::Log => "log",
            },
        }
    }
}

fn spoken(service: &Spoken) -> (&'static str, Option<String>, Option<u32>) {
    match service {
        Spoken::Http => ("http", None, None),
        Spoken::Https => ("https", None, None),
        Spoken::Tls { inside } => ("tls", Some(inside.to_string()).filter(|inside| !inside.is_empty()), None),
        Spoken::TlsOpaque { why } => ("tls-opaque", Some(why.to_string()), None),
        Spoken::MySql { version, refused, .. } => {
            ("mysql", version.as_ref().map(ToString::to_string), refused.map(u32::from))
        }
        Spoken::MySqlX => ("mysql-x", None, None),
        Spoken::Rdp { selected: Some(selected), .. } => ("rdp", Some("selected".to_owned()), Some(*selected)),
        Spoken::Rdp { failure, .. } => ("rdp", failure.map(|_| "failure".to_owned()), *failure),
        Spoken::Smb { dialect } => ("smb", None, dialect.map(u32::from)),
        Spoken::NetBios { answer } => ("netbios", None, Some(u32::from(*answer))),
        Spoken::MsRpc { answer } => ("msrpc", None, Some(u32::from(*answer))),
        Spoken::AutomateRedirector => ("automate-redirector", None, None),
        Spoken::Ssh { banner } => ("ssh", Some(banner.to_string()), None),
        Spoken::Unknown { first_bytes } => ("unknown", Some(first_bytes.to_string()), None),
        Spoken::Silent => ("silent", None, None),
    }
}

impl From<PortState> for State {
    fn from(state: PortState) -> Self {
        match state {
            PortState::Open => Self::Open,
            PortState::Closed => Self::Closed,
            PortState::Rejected => Self::Rejected,
            PortState::Filtered => Self::Filtered,
            PortState::OpenOrFiltered => Self::OpenOrFiltered,
            PortState::Unstable => Self::Unstable,
        }
    }
}

impl From<&fact::PortFact> for Port {
    fn from(fact: &fact::PortFact) -> Self {
        let mut port = Self {
            state: fact.state.into(),
            reason: "",
            text: fact.reason.describe(),
            icmp: None,
            sender: fact.sender.map(|sender| sender.to_string()),
            datagram_length: None,
            datagram_start: None,
            datagram_protocol: None,
            ration: None,
            refusals: None,
            disagreeing: Vec::new(),
        };
        port.reason = match &fact.reason {
            PortReason::HandshakeCompleted => "handshake-completed",
            PortReason::Reset => "reset",
            PortReason::Refused => "refused",
            PortReason::Icmp { v6, kind, code } => {
                port.icmp = Some(Icmp { v6: *v6, r#type: *kind, code: *code });
                "icmp"
            }
            PortReason::Unreachable => "unreachable",
            PortReason::Datagram { length, first_bytes, speaks } => {
                (port.datagram_length, port.datagram_start) = (Some(*length), Some(first_bytes.to_string()));
                port.datagram_protocol = speaks.map(UdpProtocol::as_str);
                "datagram"
            }
            PortReason::Silence => "silence",
            PortReason::Rationed(rationed) => {
                let seconds_to_decide = rationed.seconds_to_decide();
                let Rationed { answered, asked, undecided, interval_ms } = *rationed;
                port.ration = Some(Ration { answered, asked, undecided, interval_ms, seconds_to_decide });
                "rationed"
            }
            PortReason::SilentAmongRefusals { refusals, .. } => {
                port.refusals = Some(*refusals);
                "silent-among-refusals"
            }
            PortReason::Disagreement { tries } => {
                port.disagreeing = tries.iter().map(|state| (*state).into()).collect();
                "disagreement"
            }
        };
        port
    }
}

impl From<&Identified> for ProductSeen {
    fn from(seen: &Identified) -> Self {
        Self {
            product: match seen.product {
                Product::Automate => "automate",
                Product::ScreenConnect => "screenconnect",
                Product::EndpointCentral => "endpoint-central",
                Product::Iis => "iis",
            },
            version: seen.version.as_ref().map(ToString::to_string),
            evidence: seen.evidence.to_string(),
            path: seen.path.as_str(),
        }
    }
}
