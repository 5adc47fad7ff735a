//! Observations: a question, and what came of asking it.

use super::fact::Fact;
use super::peer_text::PeerText;
use super::question::Question;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// An observation's number, unique within a target's run and stable for the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObservationId(pub u32);

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}", self.0)
    }
}

/// A question, asked of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Its number.
    pub id: ObservationId,
    /// The address that was asked.
    pub address: IpAddr,
    /// The question.
    pub question: Question,
    /// When the first try began, in milliseconds after the run began.
    pub started_ms: u64,
    /// How long all tries took, in milliseconds; the shortest where several ports were joined to one range.
    pub elapsed_ms: u64,
    /// The longest of those that were joined; equal to `elapsed_ms` for one port.
    pub elapsed_max_ms: u64,
    /// How many tries were made; 0 where it was skipped; the fewest where several UDP ports were joined to one range.
    pub tries: u32,
    /// What came of it.
    pub attempt: Attempt,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "attempt")]
pub enum Attempt {
    /// An answer, with its raw evidence.
    Answered {
        /// The answer.
        fact: Fact,
    },
    /// No answer: how far it came, and who is to blame.
    Failed {
        /// The failure.
        failure: Failure,
    },
    /// Not asked.
    Skipped {
        /// Why.
        skip: Skip,
    },
}

impl Attempt {
    /// The answer, if there is one.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Answered { fact } => Some(fact),
            Self::Failed { .. } | Self::Skipped { .. } => None,
        }
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Opening a socket here.
    Socket,
    /// Reaching the peer.
    Connect,
    /// What the protocol does before TLS.
    Preface,
    /// The TLS handshake.
    Handshake,
    /// Sending the request.
    Request,
    /// Reading the answer.
    Response,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket => "opening a socket",
            Self::Connect => "connecting",
            Self::Preface => "before TLS",
            Self::Handshake => "in the TLS handshake",
            Self::Request => "sending the request",
            Self::Response => "reading the answer",
        })
    }
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The server that was asked.
    Peer,
    /// Something between us and the server.
    Path,
    /// This machine or its settings.
    Ourselves,
    /// A defect of portreeve: please report it.
    Bug,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "the server",
            Self::Path => "the path",
            Self::Ourselves => "this machine",
            Self::Bug => "a defect of portreeve",
        })
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// Nothing came within the time allowed.
    TimedOut {
        /// The time allowed, in milliseconds.
        allowed_ms: u64,
    },
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was complete.
    Closed,
    /// No route to the address.
    Unreachable,
    /// The answer was larger than we read.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The answer is not of the protocol.
    Malformed {
        /// What is wrong with it.
        what: PeerText,
    },
    /// The peer refused at the level of the protocol (a TLS alert, an RDP failure).
    Declined {
        /// How.
        how: PeerText,
    },
    /// This machine has no file descriptor, port or memory left.
    Exhausted {
        /// The system's message.
        message: String,
    },
    /// This machine forbids it.
    Forbidden {
        /// The system's message.
        message: String,
    },
    /// Anything else.
    Other {
        /// The message.
        message: PeerText,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { allowed_ms } => write!(f, "no answer within {allowed_ms} ms"),
            Self::Refused => write!(f, "connection refused"),
            Self::Reset => write!(f, "connection reset"),
            Self::Closed => write!(f, "connection closed"),
            Self::Unreachable => write!(f, "no route"),
            Self::TooLarge { limit } => write!(f, "answer larger than {limit} bytes"),
            Self::Malformed { what } => write!(f, "not the expected protocol: {what}"),
            Self::Declined { how } => write!(f, "declined: {how}"),
            Self::Exhausted { message } => write!(f, "this machine ran out of a resource: {message}"),
            Self::Forbidden { message } => write!(f, "this machine forbids it: {message}"),
            Self::Other { message } => write!(f, "{message}"),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{cause} ({stage}; {blame})")]
pub struct Failure {
    /// How far it came.
    pub stage: Stage,
    /// Who is to blame.
    pub blame: Blame,
    /// What went wrong.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Why a question was not asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Skip {
    /// The run was interrupted.
    Interrupted,
    /// The target's time was over.
    OutOfTime,
    /// The target has no name that could be sent as SNI.
    NoName,
    /// The address family cannot be reached from this machine.
    NoRoute,
    /// The target had stopped answering: it, or something before it, drops us.
    StoppedAnswering,
    /// So many packets are lost on the way that silence cannot be told from loss.
    Lossy,
    /// MySQL blocks clients that break off a hundred handshakes, and this would.
    WouldBeBlocked,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "the run was interrupted",
            Self::OutOfTime => "the target's time was over",
            Self::NoName => "the target has no name to send as SNI",
            Self::NoRoute => "this machine has no route to such addresses",
            Self::StoppedAnswering => "the target had stopped answering",
            Self::WouldBeBlocked => "MySQL blocks clients that break off so many handshakes (`max_connect_errors`)",
            Self::Lossy => {
                "too many packets are lost, or refused by a limit, on the way to tell what the port itself would say"
            }
        })
    }
}
