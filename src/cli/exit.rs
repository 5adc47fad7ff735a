//! How the program ends.

use super::args::FailOn;
use crate::catalog::diagnostic::Diagnostics;
use crate::model::run::{Run, Trouble};
use crate::model::verdict::Verdict;
use std::fmt;
use std::process::ExitCode;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Nothing is at or beyond `--fail-on`.
    Clean = 0,
    /// Something is.
    Findings = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// The run is partial.
    Partial = 3,
    /// A defect of portreeve.
    Bug = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// How a run ends: a defect before a partial run before findings.
    pub(super) fn of_run(run: &Run, fail_on: FailOn) -> Self {
        if run.targets.iter().flat_map(|target| &target.troubles).any(|trouble| matches!(trouble, Trouble::Bug { .. }))
        {
            return Self::Bug;
        }
        if run.is_partial() {
            return Self::Partial;
        }
        let counted: &[Verdict] = match fail_on {
            FailOn::Fail => &[Verdict::Fail],
            FailOn::Inconclusive => &[Verdict::Fail, Verdict::Inconclusive],
            FailOn::Needs => &[Verdict::Fail, Verdict::Inconclusive, Verdict::NeedsEvidence, Verdict::NeedsAttestation],
            FailOn::Never => &[],
        };
        let tally = run.tally();
        if counted.iter().any(|verdict| tally.count(*verdict) > 0) { Self::Findings } else { Self::Clean }
    }
}

/// Why a command ended without doing what it was asked to.
#[derive(Debug)]
pub(super) enum CliError {
    /// The user's files are wrong.
    Files(Diagnostics),
    /// The command line is wrong: what, and what to do.
    Usage(String),
    /// This machine did not let us: what, and what to do.
    Machine(String),
    /// A defect of portreeve.
    Bug(String),
}

impl CliError {
    /// How the program ends for it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Files(_) | Self::Usage(_) => Exit::Usage,
            Self::Machine(_) => Exit::Partial,
            Self::Bug(_) => Exit::Bug,
        }
    }

    /// The message for stderr.
    pub(super) fn render(&self, colour: bool) -> String {
        match self {
            Self::Files(Diagnostics(found)) => {
                let rendered: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(colour)).collect();
                let count = found.len();
                let (things, verb) = if count == 1 { ("mistake", "was") } else { ("mistakes", "were") };
                format!("{}\n\n{count} {things} {verb} found; nothing was scanned.", rendered.join("\n\n"))
            }
            Self::Usage(message) | Self::Machine(message) => format!("error: {message}"),
            Self::Bug(message) => {
                format!("error: a defect of portreeve: {message}\nPlease report it with the command line you used.")
            }
        }
    }
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Files(diagnostics)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
