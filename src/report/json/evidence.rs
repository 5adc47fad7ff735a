//! The host's evidence in the JSON report.

use crate::model::evidence;
use schemars::JsonSchema;
use serde::Serialize;

/// What was collected inside the host, and where it and the network disagree.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HostEvidence {
    /// The bundle or files.
    name: String,
    /// The computer's name by its own word.
    computer: Option<String>,
    /// What Windows says of its version.
    version: Option<String>,
    /// When it was collected, RFC 3339, UTC, by the host's clock.
    collected: Option<String>,
    /// How old it is, in seconds; negative where the host's clock is ahead.
    age_seconds: Option<i64>,
    /// When the host was started, RFC 3339, UTC.
    booted: Option<String>,
    /// Whether the collector was elevated; null where the bundle does not show it.
    elevated: Option<bool>,
    /// What lowers the confidence in all of it.
    doubts: Vec<String>,
    /// Commands whose output does not count.
    not_collected: Vec<NotCollected>,
    /// Where the host and the network disagree; the network is believed.
    contradictions: Vec<Contradiction>,
    /// What the host's listeners and firewall say of ports, beside what was seen from outside.
    firewall: Vec<FirewallRow>,
}

/// A command whose output does not count.
#[derive(Debug, Serialize, JsonSchema)]
struct NotCollected {
    /// The command's id.
    what: String,
    /// Why.
    why: String,
}

/// The host says one thing, the network another.
#[derive(Debug, Serialize, JsonSchema)]
struct Contradiction {
    /// What it is about.
    subject: String,
    /// The items, with their guides.
    items: Vec<String>,
    /// What the host says, with the line that says it.
    host: String,
    /// What was seen from outside.
    network: String,
    /// What may explain it, the likeliest first.
    explanations: Vec<String>,
    /// What would settle it.
    settle: String,
}

/// A port, from both sides.
#[derive(Debug, Serialize, JsonSchema)]
struct FirewallRow {
    /// The port, such as `tcp/443`.
    port: String,
    /// What listens there; null for nothing.
    listener: Option<String>,
    /// What the host's firewall does with it: `let in`, `dropped`, `depends`, `nothing listens` or `not collected`.
    claim: String,
    /// The lines that say so.
    line: String,
    /// What was seen from outside; null where it was not told.
    outside: Option<String>,
    /// What both together say.
    together: String,
}

impl From<&evidence::EvidenceRun> for HostEvidence {
    fn from(run: &evidence::EvidenceRun) -> Self {
        let evidence::EvidenceRun {
            name,
            computer,
            version,
            collected,
            age_seconds,
            booted,
            elevated,
            doubts,
            not_collected,
            contradictions,
            firewall,
        } = run.clone();
        let missing = |one: evidence::NotCollected| NotCollected { what: one.what, why: one.why };
        let against = |one: evidence::Contradiction| {
            let evidence::Contradiction { subject, items, host, network, explanations, settle } = one;
            Contradiction { subject, items, host, network, explanations, settle }
        };
        let row = |one: evidence::FirewallRow| {
            let evidence::FirewallRow { port, listener, claim, line, outside, together } = one;
            FirewallRow { port, listener, claim, line, outside, together }
        };
        Self {
            name,
            computer,
            version,
            collected,
            age_seconds,
            booted,
            elevated,
            doubts,
            not_collected: not_collected.into_iter().map(missing).collect(),
            contradictions: contradictions.into_iter().map(against).collect(),
            firewall: firewall.into_iter().map(row).collect(),
        }
    }
}
