//! What a report says of the evidence from inside a host.

use serde::{Deserialize, Serialize};

/// The evidence of one target, and where it and the network disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRun {
    /// The bundle or files, as the user names them.
    pub name: String,
    /// The computer's name by its own word.
    pub computer: Option<String>,
    /// What Windows says of its version.
    pub version: Option<String>,
    /// When it was collected, RFC 3339, UTC, by the host's clock.
    pub collected: Option<String>,
    /// How old it is, in seconds; negative where the host's clock is ahead of ours.
    pub age_seconds: Option<i64>,
    /// When the host was started, RFC 3339, UTC.
    pub booted: Option<String>,
    /// Whether the collector was elevated; `None` where the bundle does not show it.
    pub elevated: Option<bool>,
    /// What lowers the confidence in all of it.
    pub doubts: Vec<String>,
    /// What was not collected.
    pub not_collected: Vec<NotCollected>,
    /// Where the host and the network disagree.
    pub contradictions: Vec<Contradiction>,
    /// What the host's firewall and listeners say of ports, beside what was seen from outside.
    pub firewall: Vec<FirewallRow>,
}

/// A command whose output does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCollected {
    /// The command's id.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The host says one thing, the network another. The network is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// What it is about, such as `TLS 1.0` or `tcp/3306`.
    pub subject: String,
    /// The items, such as `automate AUT-TLS-01`.
    pub items: Vec<String>,
    /// What the host says, with the line that says it.
    pub host: String,
    /// What was seen from outside.
    pub network: String,
    /// What may explain it, the likeliest first.
    pub explanations: Vec<String>,
    /// What would settle it.
    pub settle: String,
}

/// One port, from both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallRow {
    /// The port, such as `tcp/443`.
    pub port: String,
    /// What listens there, such as `mysqld.exe`; `None` for nothing.
    pub listener: Option<String>,
    /// What the host's firewall does with it.
    pub claim: String,
    /// The line that says so.
    pub line: String,
    /// What was seen from outside; `None` where it was not asked.
    pub outside: Option<String>,
    /// What both together say.
    pub together: String,
}
