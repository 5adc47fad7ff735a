//! How targets fared run after run: what is told of many runs without reading any of them.

use super::{RunNumber, State};
use crate::model::run::{GuideUsed, Tally, TargetRun, Trouble};
use crate::model::statement::About;
use crate::model::verdict::{Severity, Verdict};

/// A snapshot's number within a store: all that is said of a target, the same night after night while nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotNumber(pub i64);

/// The runs of some targets, and what came of each target in each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Courses {
    /// The targets, by client and name.
    pub targets: Vec<TargetName>,
    /// The runs in which any of them is, in the order in which they began.
    pub runs: Vec<RunLine>,
    /// What was said of targets; each that differs once.
    pub snapshots: Vec<Snapshot>,
    /// Which guides were used; each list that differs once.
    pub guides: Vec<Vec<GuideUsed>>,
    /// A target in a run, in the order of the runs.
    pub sights: Vec<Sight>,
}

/// What a target is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetName {
    /// Whose server it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
}

/// A run, as far as it is needed to put many of them in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLine {
    /// Its number.
    pub number: RunNumber,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// The same in seconds since 1970; a time that cannot be read is before all others.
    pub at: i64,
    /// How far it came.
    pub state: State,
    /// portreeve's version.
    pub tool_version: String,
    /// The guides that were used, by their place in [`Courses::guides`].
    pub guides: usize,
}

/// A target in a run; all by their places in [`Courses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The target.
    pub target: usize,
    /// The run.
    pub run: usize,
    /// The target's place in the run.
    pub place: usize,
    /// What was said of it.
    pub snapshot: usize,
}

/// How much of a target a run saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// The run ended before the target was finished.
    Unfinished,
    /// Nothing came from it: not reached, or its name not resolved.
    Nothing,
    /// Not all of it.
    Partly,
    /// All that was asked.
    Whole,
}

impl Seen {
    /// Of a target with these troubles.
    pub fn of(target: &TargetRun) -> Self {
        if target.troubles.is_empty() {
            Self::Whole
        } else if target.troubles.contains(&Trouble::Interrupted) {
            Self::Unfinished
        } else if target.is_out_of_sight() {
            Self::Nothing
        } else {
            Self::Partly
        }
    }

    /// Whether anything can be said of the target by it.
    pub const fn tells(self) -> bool {
        matches!(self, Self::Partly | Self::Whole)
    }
}

/// What was said of a target, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number.
    pub number: SnapshotNumber,
    /// How much was seen.
    pub seen: Seen,
    /// How many findings have each verdict.
    pub findings: Tally,
    /// How many expected rules are violated.
    pub violated: usize,
}

/// A verdict on an item or an expected rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which item or rule.
    pub about: About,
    /// How much it matters.
    pub severity: Severity,
    /// What was said; of a rule what weighs as much.
    pub verdict: Verdict,
}

/// How much a violated rule matters: somebody declared it, and it does not hold.
pub const RULE_SEVERITY: Severity = Severity::High;
