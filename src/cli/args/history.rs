//! What the user can say about the history.

use super::OutputArgs;
use crate::history::RunName;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Where runs are kept.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct StoreArgs {
    /// The store of runs [default: the file that the variable `PORTREEVE_STORE` names (`none` for no store), else
    /// portreeve/history.db in this user's folder for data].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) store: Option<PathBuf>,
}

/// What becomes of a scan's run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "History")]
pub(in crate::cli) struct KeepArgs {
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
    /// Do not keep this run.
    #[arg(long, conflicts_with_all = ["store", "resume"])]
    pub(in crate::cli) no_store: bool,
    /// Go on with an interrupted run, with the options that it was given, and ask only what is missing: its number, `last` or
    /// `last~1`. Inventories and guides must be what they were.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["hosts", "roles", "targets", "SelectArgs", "FactArgs", "WhatArgs", "ProveArgs", "StatedArgs", "TimingArgs", "dry_run"])]
    pub(in crate::cli) resume: Option<RunName>,
}

/// Which targets of a run.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct OfArgs {
    /// Only targets of this client.
    #[arg(long, value_name = "CLIENT")]
    pub(in crate::cli) client: Vec<String>,
    /// Only targets with this name, or CLIENT/NAME; `*` stands for any characters.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Vec<String>,
}

/// `history`
#[derive(Args, Debug)]
pub(in crate::cli) struct HistoryArgs {
    /// Which targets are counted.
    #[command(flatten)]
    pub(in crate::cli) of: OfArgs,
    /// Only the last N runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) last: Option<u32>,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: HistoryFormat,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// What `history` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum HistoryFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// `show`
#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    /// The run: its number, `last`, or `last~1` for the one before.
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: RunName,
    /// Which targets.
    #[command(flatten)]
    pub(in crate::cli) of: OfArgs,
    /// What to write.
    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// `export`
#[derive(Args, Debug)]
#[command(allow_missing_positional = true)]
pub(in crate::cli) struct ExportArgs {
    /// The run: its number, `last` or `last~1`.
    #[arg(value_name = "RUN", required_unless_present = "all", conflicts_with = "all")]
    pub(in crate::cli) run: Option<RunName>,
    /// Where to write it: JSON Lines, as `portreeve import` reads them; - for stdout.
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) file: PathBuf,
    /// Every run.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Where from.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// `import`
#[derive(Args, Debug)]
pub(in crate::cli) struct ImportArgs {
    /// What `portreeve export` wrote.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// `prune`
#[derive(Args, Debug)]
pub(in crate::cli) struct PruneArgs {
    /// Keep the last N runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), required_unless_present = "older_than", conflicts_with = "older_than")]
    pub(in crate::cli) keep: Option<u32>,
    /// Forget runs that began longer ago than this many days, such as 400d.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(in crate::cli) older_than: Option<Duration>,
    /// Only say what would go.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

fn days(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of days from 1d to 36500d, such as 400d".to_owned();
    let days: u32 = text.strip_suffix('d').and_then(|days| days.parse().ok()).ok_or_else(wrong)?;
    (1..=36_500).contains(&days).then(|| Duration::from_hours(u64::from(days) * 24)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read() {
        assert_eq!(days("400d"), Ok(Duration::from_hours(9600)));
        for wrong in ["0d", "400", "d", "-1d", "1.5d", "36501d", "99999999999d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
