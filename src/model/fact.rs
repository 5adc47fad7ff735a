//! Answers to questions.

use super::http::HttpAnswer;
use super::peer_text::PeerText;
use super::service::{Identified, Service};
use super::suites::SuitesFact;
use super::tls::{CertificateFact, TlsAnswer, TlsPreface};
use super::udp::{Rationed, UdpProtocol, grouped};
use super::witness::WitnessFact;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The state of a port as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortState {
    /// A TCP handshake was completed, or a datagram came back.
    Open,
    /// The target said that nothing listens: a TCP RST, or ICMP port unreachable from the target itself.
    Closed,
    /// Something refused on purpose or could not deliver: another ICMP unreachable, or one from another address.
    Rejected,
    /// TCP: no answer to any try. A listener would have answered, unless something dropped the packets.
    Filtered,
    /// UDP: no answer to any try. A listener that has nothing to say looks the same as a dropped packet, and so does a closed
    /// port of a host that rations its refusals.
    OpenOrFiltered,
    /// Tries disagree.
    Unstable,
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
            Self::Filtered => "filtered",
            Self::OpenOrFiltered => "open or filtered",
            Self::Unstable => "unstable",
        })
    }
}

/// Why a port is said to be in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum PortReason {
    /// The TCP handshake was completed.
    HandshakeCompleted,
    /// A TCP RST.
    Reset,
    /// The connection was refused, and this platform does not tell by what: a RST, or an ICMP message that may be anybody's
    /// on the way.
    Refused,
    /// An ICMP or ICMPv6 destination unreachable.
    Icmp {
        /// Whether it was ICMPv6 (RFC 4443) or ICMP (RFC 792).
        v6: bool,
        /// The type.
        #[serde(rename = "type")]
        kind: u8,
        /// The code.
        code: u8,
    },
    /// The kernel reported the host or network as unreachable and no ICMP message was seen.
    Unreachable,
    /// A datagram came back.
    Datagram {
        /// How long it was, in bytes.
        length: usize,
        /// Its beginning.
        first_bytes: PeerText,
        /// The protocol that it is of, where it answers a question of that protocol.
        speaks: Option<UdpProtocol>,
    },
    /// Nothing came back within the time allowed.
    Silence,
    /// Over UDP: nothing came back, and the host says only so often that a port is closed, so that most closed ports are
    /// silent too.
    Rationed(Rationed),
    /// Over UDP: nothing came back, again and again, while other ports of the same host that were asked right afterwards
    /// were refused. A closed port would have been refused in their place.
    SilentAmongRefusals {
        /// How many other ports of the host were refused.
        refusals: usize,
        /// How often it was silent while another port, asked right afterwards, was refused.
        tries: u32,
    },
    /// The tries disagree: the state of each, in order.
    Disagreement {
        /// What each try saw.
        tries: Vec<PortState>,
    },
}

impl PortReason {
    /// Whether nothing came back, whatever that says.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Silence | Self::Rationed(_) | Self::SilentAmongRefusals { .. })
    }

    /// The reason in words.
    pub fn describe(&self) -> String {
        match self {
            Self::HandshakeCompleted => "TCP handshake completed".to_owned(),
            Self::Reset => "TCP RST".to_owned(),
            Self::Refused => "connection refused".to_owned(),
            Self::Icmp { v6, kind, code } => match icmp_meaning(*v6, *kind, *code) {
                Some(meaning) => format!("ICMP{} {kind}/{code}, {meaning}", if *v6 { "v6" } else { "" }),
                None => format!("ICMP{} {kind}/{code}", if *v6 { "v6" } else { "" }),
            },
            Self::Unreachable => "no route".to_owned(),
            Self::Datagram { length, speaks: Some(speaks), .. } => {
                format!("{speaks} answered with a datagram of {length} bytes")
            }
            Self::Datagram { length, .. } => format!("a datagram of {length} bytes came back"),
            Self::Silence => "no answer".to_owned(),
            Self::Rationed(rationed) => format!(
                "no answer, and the host rations its refusals: {} of {} ports refused, {}",
                grouped(rationed.answered),
                grouped(rationed.asked),
                rationed.pace()
            ),
            Self::SilentAmongRefusals { refusals, tries } => format!(
                "silent {tries} times while another port, asked right after, was refused; {} {} refused",
                grouped(*refusals),
                if *refusals == 1 { "port is" } else { "ports are" }
            ),
            Self::Disagreement { tries } => {
                let tries: Vec<String> = tries.iter().map(ToString::to_string).collect();
                format!("tries disagree: {}", tries.join(", "))
            }
        }
    }
}

/// What an ICMP destination unreachable means (RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section 3.1).
fn icmp_meaning(v6: bool, kind: u8, code: u8) -> Option<&'static str> {
    match (v6, kind, code) {
        (false, 3, 0) => Some("network unreachable"),
        (false, 3, 1) => Some("host unreachable"),
        (false, 3, 2) => Some("protocol unreachable"),
        (false, 3, 3) | (true, 1, 4) => Some("port unreachable"),
        (false, 3, 9) => Some("network administratively prohibited"),
        (false, 3, 10) => Some("host administratively prohibited"),
        (false, 3, 13) | (true, 1, 1) => Some("communication administratively prohibited"),
        (true, 1, 0) => Some("no route to destination"),
        (true, 1, 3) => Some("address unreachable"),
        (true, 1, 5) => Some("source address failed policy"),
        (true, 1, 6) => Some("reject route"),
        _ => None,
    }
}

/// A port's state, with reason and sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFact {
    /// The state.
    pub state: PortState,
    /// Why.
    #[serde(flatten)]
    pub reason: PortReason,
    /// Who sent the ICMP message, where one was seen.
    pub sender: Option<IpAddr>,
}

impl PortFact {
    /// Whether only the target can have sent it, or what answers in its place: a handshake, a RST, a datagram, or its own
    /// "port unreachable". A refusal of which the platform tells no more may be a router's.
    pub fn is_from_target(&self) -> bool {
        matches!(self.state, PortState::Open | PortState::Closed) && self.reason != PortReason::Refused
    }

    /// Whether it was refused as a machine does on which nothing listens: with a RST, or with an ICMP port unreachable (RFC 792,
    /// type 3 code 3; RFC 4443, type 1 code 4), whoever sent it.
    pub fn is_port_refusal(&self) -> bool {
        self.state == PortState::Closed
            || self.state == PortState::Rejected
                && matches!(
                    self.reason,
                    PortReason::Icmp { v6: false, kind: 3, code: 3 } | PortReason::Icmp { v6: true, kind: 1, code: 4 }
                )
    }

    /// Whether nobody refused: somebody on the way only said that the target could not be reached, which tells nothing of
    /// the port. Administrative prohibitions and port or protocol unreachable are refusals (RFC 1812, section 5.2.7.1; RFC
    /// 4443, section 3.1).
    pub fn is_undeliverable(&self) -> bool {
        self.state == PortState::Rejected
            && match self.reason {
                PortReason::Icmp { v6: false, kind, code } => kind != 3 || !matches!(code, 2 | 3 | 9 | 10 | 13),
                PortReason::Icmp { v6: true, kind, code } => kind != 1 || !matches!(code, 1 | 4 | 5 | 6),
                _ => true,
            }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Fact {
    /// To [`super::question::Question::Port`].
    Port(PortFact),
    /// To [`super::question::Question::Service`].
    Service {
        /// What speaks there.
        service: Service,
        /// How TLS starts on this port, where it can.
        tls: Option<TlsPreface>,
    },
    /// To [`super::question::Question::TlsVersion`].
    Tls {
        /// How the server answered.
        #[serde(flatten)]
        answer: TlsAnswer,
    },
    /// To [`super::question::Question::Certificate`].
    Certificate(Box<CertificateFact>),
    /// To [`super::question::Question::Suites`].
    Suites(SuitesFact),
    /// To [`super::question::Question::Http`].
    Http(Box<HttpAnswer>),
    /// To [`super::question::Question::Products`]: those that were recognised, possibly none.
    Products {
        /// The products.
        products: Vec<Identified>,
    },
    /// To [`super::question::Question::RdpNla`].
    RdpNla {
        /// Whether a client without network level authentication was refused for that reason.
        enforced: bool,
        /// The failure code or selected protocol that says so.
        code: u32,
    },
    /// To [`super::question::Question::Smb1`].
    Smb1 {
        /// Whether an SMB1 negotiate was answered in SMB1.
        answered: bool,
    },
    /// To [`super::question::Question::Witness`].
    Witness(WitnessFact),
}
