//! What a witness behind the firewall proved, in words and as the rows of a table; the same for the terminal and the HTML.

use super::text::number;
use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Observation};
use crate::model::ports::Ports;
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::witness::{NotHeld, Proof, ToldBy, WitnessFact};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What the table says above its rows.
pub(super) const MEANING: &str = "from both ends: what was sent from here to each port, and what a witness behind the \
                                  firewall received there; it proves what the firewall does, not what a service does";

/// The columns after the ports.
pub(super) const COLUMNS: [&str; 5] = ["Port", "Sent", "Arrived", "Answered", "Proof"];

/// The table of one address.
pub(super) struct Table {
    pub(super) address: IpAddr,
    pub(super) rows: Vec<Row>,
    /// What is said below: ports that the witness does not hold, and how its account came.
    pub(super) notes: Vec<String>,
}

/// What is known of neighbouring ports.
pub(super) struct Row {
    pub(super) ports: String,
    pub(super) sent: String,
    pub(super) arrived: String,
    pub(super) answered: String,
    pub(super) proof: String,
    pub(super) kind: Kind,
}

/// What a proof means at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages reach the machine.
    In,
    /// They do not.
    Out,
    /// Something between changes or answers them.
    Odd,
    /// Not known.
    Unknown,
}

impl Kind {
    /// The class of the cell in the HTML, which has the colours of verdicts.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::In => "let-in",
            Self::Out => "blocked",
            Self::Odd => "odd",
            Self::Unknown => "unknown",
        }
    }
}

/// The tables of a target: one for each address where a witness was asked.
pub(super) fn tables(run: &TargetRun) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for address in &run.addresses {
        let asked: Vec<&Observation> =
            run.observations.iter().filter(|seen| seen.address == address.address && ports(seen).is_some()).collect();
        if asked.is_empty() {
            continue;
        }
        let rows = asked.iter().filter_map(|seen| row(seen)).collect();
        tables.push(Table { address: address.address, rows, notes: notes(address.address, &asked) });
    }
    tables
}

fn ports(observation: &Observation) -> Option<Ports> {
    match observation.question {
        Question::Witness { ports } => Some(ports),
        _ => None,
    }
}

fn fact(observation: &Observation) -> Option<&WitnessFact> {
    match observation.attempt.fact() {
        Some(Fact::Witness(fact)) => Some(fact),
        _ => None,
    }
}

/// A row; ports that the witness does not hold are only named below the table.
fn row(observation: &Observation) -> Option<Row> {
    let ports = ports(observation)?.to_string();
    let count = |count: u32| number(usize::try_from(count).unwrap_or(usize::MAX));
    match (&observation.attempt, fact(observation)) {
        (_, Some(fact)) if !matches!(fact.proof, Proof::NotHeld { .. }) => Some(Row {
            ports,
            sent: count(fact.sent),
            arrived: count(fact.arrived),
            answered: count(fact.answered),
            proof: in_words(&fact.proof, observation),
            kind: kind(&fact.proof),
        }),
        (Attempt::Failed { .. } | Attempt::Skipped { .. }, _) => Some(Row {
            ports,
            sent: count(observation.tries),
            arrived: "?".to_owned(),
            answered: "0".to_owned(),
            proof: "unknown".to_owned(),
            kind: Kind::Unknown,
        }),
        (Attempt::Answered { .. }, _) => None,
    }
}

fn kind(proof: &Proof) -> Kind {
    match proof {
        Proof::Passed | Proof::AnswerLost => Kind::In,
        Proof::Blocked => Kind::Out,
        Proof::AnsweredByAnother | Proof::ArrivedElsewhere { .. } | Proof::Altered => Kind::Odd,
        Proof::NotHeld { .. } => Kind::Unknown,
    }
}

fn in_words(proof: &Proof, observation: &Observation) -> String {
    let words = proof.words();
    match proof {
        Proof::ArrivedElsewhere { at } => {
            format!("{words}, to {}/{at}", observation.question.transport())
        }
        Proof::Altered => format!("{words}, damaged"),
        _ => words.to_owned(),
    }
}

fn notes(address: IpAddr, asked: &[&Observation]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for seen in asked {
        let why = match &seen.attempt {
            Attempt::Failed { failure } => failure.cause.to_string(),
            Attempt::Skipped { skip } => skip.to_string(),
            Attempt::Answered { .. } => continue,
        };
        let note = format!("Unknown: {why}");
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    for because in [NotHeld::Occupied, NotHeld::NotPermitted, NotHeld::Unavailable, NotHeld::NotListed] {
        let held_not = |seen: &&&Observation| matches!(fact(seen), Some(WitnessFact { proof: Proof::NotHeld { because: why }, .. }) if *why == because);
        let names: Vec<String> =
            asked.iter().filter(held_not).filter_map(|seen| ports(seen)).map(|ports| ports.to_string()).collect();
        if !names.is_empty() {
            notes.push(format!("Not held, so only their ordinary state is known: {} ({because})", names.join(", ")));
        }
    }
    let mut sources: Vec<String> =
        asked.iter().filter_map(|seen| fact(seen)?.source).map(|source| source.to_string()).collect();
    sources.sort_unstable();
    sources.dedup();
    if !sources.is_empty() {
        sources.truncate(8);
        notes.push(format!("Seen there as coming from {}", sources.join(", ")));
    }
    let there: BTreeSet<IpAddr> = asked.iter().filter_map(|seen| fact(seen)?.translated(address)).collect();
    if !there.is_empty() {
        let named: Vec<String> = there.iter().take(8).map(ToString::to_string).collect();
        notes.push(format!("Translated on the way: what was sent to {address} arrived at {}", named.join(", ")));
    }
    if asked.iter().filter_map(|seen| fact(seen)).any(|fact| fact.told_by == ToldBy::Log) {
        notes.push("What arrived was read from the witness's signed log".to_owned());
    }
    notes
}

/// What a witness proves of ports of `address`, in one sentence without a full stop.
pub(super) fn describe(ports: Ports, address: IpAddr, fact: &WitnessFact) -> String {
    let several = ports.count() > 1;
    let is = if several { "are" } else { "is" };
    let it = if several { "them" } else { "it" };
    let each = if several { " of each" } else { "" };
    let WitnessFact { sent, arrived, answered, .. } = fact;
    let mut text = match &fact.proof {
        Proof::Passed => format!(
            "{ports} {is} let through: {arrived} of {sent} messages{each} arrived at the witness, and {answered} came back \
             confirmed"
        ),
        Proof::Blocked => {
            format!("{ports} {is} blocked: none of {sent} messages{each} arrived at the witness, which holds {it}")
        }
        Proof::AnsweredByAnother => format!(
            "{ports} {is} answered by another: something answered, but none of {sent} messages{each} arrived at the \
             witness, which holds {it}"
        ),
        Proof::ArrivedElsewhere { at } => format!(
            "{ports} {is} changed on the way: {arrived} of {sent} messages{each} arrived at the witness, on {}/{at}",
            ports.transport()
        ),
        Proof::Altered => format!(
            "{ports} {is} changed on the way: something arrived at the witness, but none of {sent} messages{each} as it \
             was sent"
        ),
        Proof::AnswerLost => format!(
            "{ports} {is} let in one way only: {arrived} of {sent} messages{each} arrived at the witness, and no answer \
             came back"
        ),
        Proof::NotHeld { because } => {
            return format!("{ports} {is} not held by the witness, so only the ordinary state is known: {because}");
        }
    };
    if let Some(source) = fact.source {
        let _ = write!(text, ", seen there as coming from {source}");
    }
    if let Some(there) = fact.translated(address) {
        let _ = write!(text, " to {there}, to which the address is translated on the way");
    }
    if fact.told_by == ToldBy::Log {
        text.push_str(", by the witness's signed log");
    }
    text
}
