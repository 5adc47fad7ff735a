//! The suites that ports accept, in words and as the rows of tables; the same for the terminal and the HTML.

use super::text::{counted, listed};
use crate::catalog::suite_policy::{
    DATE, SHORTEST_PRIME, chains_blocks, group_name, is_post_quantum, is_weak_group, name, weaknesses,
};
use crate::model::fact::Fact;
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::suites::{SuiteOrder, SuitesFact, Unsettled, VersionSuites};
use crate::model::tls::TlsVersion;
use crate::wire::tls::Parts;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The columns.
pub(super) const COLUMNS: [&str; 4] = ["", "Suite", "Number", "Weak"];

/// The suites of one port.
pub(super) struct Accepted {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// What is to be known of all versions.
    pub(super) meaning: String,
    pub(super) versions: Vec<Table>,
    /// Versions of which nobody could tell whether they are accepted.
    pub(super) unsettled: Vec<String>,
}

/// The suites of one version.
pub(super) struct Table {
    /// The version, how many, and in whose order.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    /// Why the list may lack some.
    pub(super) incomplete: Option<String>,
    /// Groups and primes.
    pub(super) notes: Vec<Note>,
}

/// One suite.
pub(super) struct Row {
    /// Its place in the server's order.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) number: String,
    /// What is weak about it.
    pub(super) weak: String,
}

/// A line below a table.
pub(super) struct Note {
    pub(super) text: String,
    pub(super) weak: bool,
}

/// The suites that a target's ports accept, where they were asked for.
pub(super) fn accepted(run: &TargetRun) -> Vec<Accepted> {
    let mut all = Vec::new();
    for observation in &run.observations {
        let (Question::Suites { port, sni }, Some(Fact::Suites(fact))) =
            (observation.question, observation.attempt.fact())
        else {
            continue;
        };
        let without = if sni { "" } else { " Asked without SNI." };
        let meaning = format!(
            "What is weak is said by the policy of {DATE}. Suites that chain blocks (CBC) are not called weak.{without}"
        );
        all.push(Accepted {
            address: observation.address,
            port,
            meaning,
            versions: tables(fact, sni),
            unsettled: unsettled(fact),
        });
    }
    all
}

fn tables(fact: &SuitesFact, sni: bool) -> Vec<Table> {
    // The newest version first, as most clients negotiate it.
    fact.versions.iter().rev().map(|version| table(version, sni)).collect()
}

/// What is not known, version by version.
fn unsettled(fact: &SuitesFact) -> Vec<String> {
    let told = |one: &Unsettled| {
        format!("{}: could not tell whether it is accepted, nor with which suites: {}.", one.version, one.why)
    };
    fact.unsettled.iter().rev().map(told).collect()
}

/// What to add of a version that is accepted only without SNI, where others are with it.
fn nameless(version: &VersionSuites, sni: bool) -> &'static str {
    // SSL knows no SNI.
    if sni && !version.sni && version.version >= TlsVersion::Tls10 { ", without SNI" } else { "" }
}

fn table(version: &VersionSuites, sni: bool) -> Table {
    let by_server = matches!(version.order, SuiteOrder::Server { .. });
    let rows = version.suites.iter().enumerate().map(|(place, suite)| Row {
        place: if by_server { (place + 1).to_string() } else { String::new() },
        name: suite_name(*suite),
        number: hexadecimal(*suite),
        weak: weaknesses(*suite)
            .into_iter()
            .map(crate::catalog::suite_policy::Weakness::words)
            .collect::<Vec<_>>()
            .join(", "),
    });
    let count = counted(version.suites.len(), "suite", "suites");
    let at_least = if version.incomplete.is_some() { "at least " } else { "" };
    Table {
        title: format!("{}{}: {at_least}{count}, {}", version.version, nameless(version, sni), order(&version.order)),
        rows: rows.collect(),
        incomplete: version.incomplete.as_ref().map(|why| format!("Incomplete, there may be more: {why}.")),
        notes: notes(version),
    }
}

/// Whose order decides, in words.
fn order(order: &SuiteOrder) -> String {
    match order {
        SuiteOrder::Server { chacha_first: false } => "in the server's order".to_owned(),
        SuiteOrder::Server { chacha_first: true } => {
            "in the server's order, but ChaCha20 for a client that puts it first".to_owned()
        }
        SuiteOrder::Client => "the client's order decides".to_owned(),
        SuiteOrder::Single => "nothing to choose".to_owned(),
        SuiteOrder::Unknown { why } => format!("order not known: {why}"),
    }
}

fn notes(version: &VersionSuites) -> Vec<Note> {
    let mut notes = Vec::new();
    let named = |group: &u16| {
        let name = group_name(*group).map_or_else(|| format!("0x{group:04x}"), str::to_owned);
        match (is_weak_group(*group), is_post_quantum(*group)) {
            (true, _) => format!("{name} (weak)"),
            (_, true) => format!("{name} (holds against a quantum computer)"),
            _ => name,
        }
    };
    if !version.groups.is_empty() {
        let groups: Vec<String> = version.groups.iter().map(named).collect();
        let weak = version.groups.iter().copied().any(is_weak_group);
        notes.push(Note { text: format!("Groups: {}.", groups.join(", ")), weak });
    }
    if let Some(why) = &version.groups_incomplete {
        notes.push(Note { text: format!("There may be more groups: {why}."), weak: true });
    }
    let primes =
        version.suites.iter().filter_map(|suite| name(*suite)).any(|name| Parts::of(name).is_ephemeral_prime());
    let lengths: Vec<String> = version
        .dh_bits
        .iter()
        .map(|bits| format!("{bits} bits{}", if *bits < SHORTEST_PRIME { " (weak)" } else { "" }))
        .collect();
    if !lengths.is_empty() {
        let weak = version.dh_bits.iter().any(|bits| *bits < SHORTEST_PRIME);
        notes.push(Note { text: format!("Diffie-Hellman prime: {}.", listed(&lengths)), weak });
    }
    match &version.dh_incomplete {
        Some(why) if lengths.is_empty() => {
            notes.push(Note { text: format!("Diffie-Hellman prime: not known: {why}."), weak: true });
        }
        Some(why) => notes.push(Note { text: format!("There may be other primes: {why}."), weak: true }),
        None if lengths.is_empty() && primes => {
            notes.push(Note { text: "Diffie-Hellman prime: not known.".to_owned(), weak: true });
        }
        None => {}
    }
    notes
}

/// The suites in one sentence.
pub(super) fn describe(on: &str, question: Question, fact: &SuitesFact) -> String {
    let sni = !matches!(question, Question::Suites { sni: false, .. });
    let without = if sni { "" } else { " without SNI" };
    let versions: Vec<String> = fact.versions.iter().rev().map(|version| in_short(version, sni)).collect();
    let unsettled: Vec<String> = fact.unsettled.iter().rev().map(|one| one.version.to_string()).collect();
    let open = if unsettled.is_empty() {
        String::new()
    } else {
        format!("; nobody could tell whether it accepts {}, nor with which suites", listed(&unsettled))
    };
    if versions.is_empty() {
        return format!("{on} accepts no version of TLS{without} whose suites could be asked for{open}");
    }
    format!("{on} accepts{without} {}{open} (policy of {DATE})", versions.join("; "))
}

fn in_short(version: &VersionSuites, sni: bool) -> String {
    let mut weak: Vec<&'static str> = Vec::new();
    let mut count = 0;
    for suite in &version.suites {
        let found = weaknesses(*suite);
        count += usize::from(!found.is_empty());
        for weakness in found {
            if !weak.contains(&weakness.words()) {
                weak.push(weakness.words());
            }
        }
    }
    let at_least = if version.incomplete.is_some() { "at least " } else { "" };
    let suites = counted(version.suites.len(), "suite", "suites");
    let nameless = nameless(version, sni);
    let mut text = format!("{at_least}{suites} of {}{nameless}, {}", version.version, order(&version.order));
    if count > 0 {
        let _ = write!(text, ", {count} weak ({})", weak.join(", "));
    }
    if let Some(bits) = version.dh_bits.iter().find(|bits| **bits < SHORTEST_PRIME) {
        let _ = write!(text, ", a Diffie-Hellman prime of {bits} bits");
    }
    text
}

/// A suite's name in IANA's registry, or that it has none.
fn suite_name(suite: u32) -> String {
    name(suite).unwrap_or("(not registered)").to_owned()
}

/// A suite's number, as the registry writes it.
pub(super) fn hexadecimal(suite: u32) -> String {
    if suite <= 0xffff { format!("0x{suite:04x}") } else { format!("0x{suite:06x}") }
}

/// Whether a suite chains blocks, for programs.
pub(super) fn is_cbc(suite: u32) -> bool {
    chains_blocks(suite)
}
