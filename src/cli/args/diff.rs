//! What the user can say to `diff`.

use super::history::{OfArgs, StoreArgs};
use crate::history::RunName;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How it ends.
pub(in crate::cli) const EXIT_CODES: &str = "\
Exit codes:
  0  nothing was lost from sight, and nothing is at or beyond --fail-on
  1  something is at or beyond --fail-on, and nothing was lost from sight
  2  the command line is wrong, or there are no two such runs
  3  something was lost from sight (a run is partial, a server is missing, ...), whatever is worse
  4  a defect of portreeve; please report it

So 3 goes before 1. What neither run could tell, or only one was asked for, changes no code.";

/// `diff`
#[derive(Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// The older run: its number, `last`, or `last~1` for the one before [default: the last one before NEW that came to its end
    /// and has the same servers].
    #[arg(value_name = "OLD")]
    pub(in crate::cli) old: Option<RunName>,
    /// The newer run [default: the last one that came to its end; `last` where OLD is given, so OLD must be another].
    #[arg(value_name = "NEW")]
    pub(in crate::cli) new: Option<RunName>,
    /// Which targets.
    #[command(flatten)]
    pub(in crate::cli) of: OfArgs,
    /// How it is shown.
    #[command(flatten)]
    pub(in crate::cli) show: DiffShowArgs,
    /// Where the runs are kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// How a comparison is shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct DiffShowArgs {
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: DiffFormat,
    /// Also write the comparison as an HTML page; with several clients an existing folder, in which each gets its own.
    #[arg(long, value_name = "FILE|DIR")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// What makes the exit code 1.
    #[arg(long, value_name = "WHAT", default_value = "worse")]
    pub(in crate::cli) fail_on: DiffFailOn,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DiffFormat {
    /// For people.
    Text,
    /// For programs: see `portreeve schema diff`.
    Json,
    /// For spreadsheets. Cells that a spreadsheet would run as a formula begin with an apostrophe.
    Csv,
}

/// What makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DiffFailOn {
    /// Anything that was seen to be worse.
    Worse,
    /// Any change.
    Change,
    /// Nothing.
    Never,
}

/// Which format's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SchemaOf {
    /// `portreeve-run`, of `scan --json` and `--format json`.
    Run,
    /// `portreeve-diff`, of what reads otherwise between two runs.
    Diff,
    /// `portreeve-report`, of a report over many servers.
    Report,
    /// `portreeve-alert`, of what webhooks and programs are told.
    Alert,
}
