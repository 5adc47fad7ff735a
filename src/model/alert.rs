//! Alerts: what somebody should know without having asked.
//!
//! A [`Notice`] is one thing that began, got more urgent or is mended; a [`Message`] is what one channel is sent at once: all
//! notices of one client that came together. Made by `alert`, which says by which rules; kept in the history's outbox until it
//! is delivered.

use super::verdict::Severity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something reads worse than before.
    Drift,
    /// A scan failed, or did not learn what it should have: a server that cannot be reached, a run that is partial.
    Failure,
    /// A scan that was due did not happen.
    Missed,
    /// A certificate is about to expire, or has.
    Certificate,
    /// An attestation is about to end, or has.
    Attestation,
    /// A waiver is about to end, or has.
    Waiver,
}

impl Kind {
    /// Every kind, in the order of messages.
    pub const ALL: [Self; 6] =
        [Self::Drift, Self::Failure, Self::Missed, Self::Certificate, Self::Attestation, Self::Waiver];

    /// The kind as it is written in JSON and in `alerts.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Failure => "failure",
            Self::Missed => "missed",
            Self::Certificate => "certificate",
            Self::Attestation => "attestation",
            Self::Waiver => "waiver",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a matter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It began.
    Raised,
    /// It was told before, and is more urgent now: fewer days are left.
    Escalated,
    /// It is mended, and that was seen.
    Resolved,
    /// Nobody asks any more: the server, the item or the statement is gone. It was not seen to be mended.
    Withdrawn,
}

impl Phase {
    /// The phase as it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether something is to be done about it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Raised | Self::Escalated)
    }
}

/// One thing that began, got more urgent or is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What tells the matter from every other, the same in all its phases: 16 hexadecimal digits. Receivers join by it what
    /// belongs together.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// How far it has come.
    pub phase: Phase,
    /// How much it matters.
    pub severity: Severity,
    /// Whose server it is.
    pub client: String,
    /// The server, by its name in the inventory; none where it is about all servers of a schedule.
    pub target: Option<String>,
    /// What happened, in one line that stands alone.
    pub title: String,
    /// What was seen, and why it reads so: a sentence each.
    pub details: Vec<String>,
    /// What to do next; none where nothing is to be done.
    pub action: Option<String>,
    /// When it began, RFC 3339, UTC.
    pub since: String,
    /// The run that showed it, by its number in the history.
    pub run: Option<u64>,
}

/// What one channel is sent at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What tells it from every other: 32 hexadecimal digits. It stays the same when delivery is tried again, so that a receiver
    /// can tell that it has it already.
    pub id: String,
    /// When it was made, RFC 3339, UTC.
    pub made: String,
    /// Made to try the channel: nothing happened.
    pub test: bool,
    /// Whose servers all notices are about.
    pub client: String,
    /// What happened, what to do first comes first. Never empty.
    pub notices: Vec<Notice>,
}
