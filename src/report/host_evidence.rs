//! The host's evidence in words: its identity, its doubts, what was not collected.

use crate::model::evidence::EvidenceRun;
use crate::report::text::counted;
use std::fmt::Write as _;

/// The columns of the table of ports from both sides.
pub(in crate::report) const COLUMNS: [&str; 5] = ["Port", "Listens", "Host firewall", "From outside", "Together"];

/// What the table is.
pub(in crate::report) const MEANING: &str =
    "what listens on the host and what its own firewall says, beside what was seen from outside";

/// How many commands that were not collected are named one by one.
const NAMED: usize = 40;

/// Whose evidence it is, and how old.
pub(in crate::report) fn identity(evidence: &EvidenceRun) -> String {
    let mut text = evidence.name.clone();
    if let Some(computer) = &evidence.computer {
        let _ = write!(text, ", of {computer}");
    }
    if let Some(version) = &evidence.version {
        let _ = write!(text, ", {version}");
    }
    match (&evidence.collected, evidence.age_seconds) {
        (Some(collected), Some(age)) => drop(write!(text, ", collected {collected}, {}", how_old(age))),
        (Some(collected), None) => drop(write!(text, ", collected {collected}")),
        _ => text.push_str(", when collected is not known"),
    }
    if let Some(booted) = &evidence.booted {
        let _ = write!(text, ", host started {booted}");
    }
    match evidence.elevated {
        Some(true) => text.push_str(", elevated"),
        Some(false) => text.push_str(", NOT elevated"),
        None => {}
    }
    text
}

fn how_old(seconds: i64) -> String {
    let amount = |number: i64, one: &str, many: &str| counted(usize::try_from(number).unwrap_or_default(), one, many);
    match seconds {
        ..0 => format!("by a clock that is {} ahead of ours", amount((-seconds + 59) / 60, "minute", "minutes")),
        0..3600 => format!("{} old", amount(seconds / 60, "minute", "minutes")),
        3600..172_800 => format!("{} old", amount(seconds / 3600, "hour", "hours")),
        _ => format!("{} old", amount(seconds / 86_400, "day", "days")),
    }
}

/// What was not collected, a sentence each.
pub(in crate::report) fn not_collected(evidence: &EvidenceRun) -> Vec<String> {
    let mut lines: Vec<String> =
        evidence.not_collected.iter().take(NAMED).map(|one| format!("{}: {}", one.what, one.why)).collect();
    if evidence.not_collected.len() > NAMED {
        lines.push(format!("and {} more", evidence.not_collected.len() - NAMED));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_clocks_are_told() {
        assert_eq!(how_old(30), "0 minutes old");
        assert_eq!(how_old(7200), "2 hours old");
        assert_eq!(how_old(86_400 * 3), "3 days old");
        assert_eq!(how_old(-61), "by a clock that is 2 minutes ahead of ours");
    }
}
