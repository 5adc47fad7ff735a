//! Drift: what reads otherwise in a run than in an earlier one, and why.
//!
//! Made by [`crate::drift`], which says by which rules; stored with the run that it was made for, and rendered by the reports.

mod subject;

pub use subject::{CertificatePart, HttpPart, Subject, TargetPart};

use super::run::{GuideUsed, Run};
use super::verdict::{Confidence, Severity};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which run it was, and by what it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMark {
    /// Its number in the history, where it is kept in one.
    #[serde(default)]
    pub number: Option<u64>,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Something that should have been asked was not.
    pub partial: bool,
    /// portreeve's version.
    pub tool_version: String,
    /// The guides that were used.
    pub guides: Vec<GuideUsed>,
}

impl RunMark {
    /// The mark of a run that is in no history.
    pub fn of(run: &Run) -> Self {
        Self {
            number: None,
            started: run.started.clone(),
            partial: run.is_partial(),
            tool_version: run.tool_version.clone(),
            guides: run.guides.clone(),
        }
    }
}

/// What reads otherwise in one run than in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The older run.
    pub before: RunMark,
    /// The newer run.
    pub after: RunMark,
    /// Other runs that were looked at, oldest first: for what the older run did not see, and for what flaps.
    pub others: Vec<RunMark>,
    /// What is otherwise about this machine and its network: doubts that came or went, in words.
    pub vantage: Vec<String>,
    /// Every target of either run: those of the newer one in its order, then those that only the older one has.
    pub targets: Vec<TargetDrift>,
}

/// In which of the two runs a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// In both.
    Both,
    /// Only in the newer one.
    Added,
    /// Only in the older one: taken out of the inventory, or not selected.
    Missing,
}

/// What reads otherwise on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDrift {
    /// Whose server it is.
    pub client: String,
    /// What the technicians call it, by the newer run.
    pub name: String,
    /// Where it is, by the newer run.
    pub host: String,
    /// In which of the runs it is.
    pub presence: Presence,
    /// What the inventory says otherwise of it, as far as verdicts may depend on it.
    pub inventory: Vec<String>,
    /// What changed, what to do first comes first.
    pub changes: Vec<Change>,
    /// What alternates, and so is no change.
    pub flapping: Vec<Flapping>,
    /// What could be told in neither run, or was not asked in one of them.
    pub not_compared: Vec<NotCompared>,
    /// How many changes were left out because there are so many; those to do first are kept.
    pub left_out: usize,
}

impl TargetDrift {
    /// `client/name`, by which reports and options name it.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.name)
    }

    /// The changes that count: those that do not merely explain another one.
    pub fn counted(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.explains.is_empty())
    }
}

/// How a change is to be taken. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It was seen to be worse.
    Worse,
    /// Something is known that was not known before, or is no longer known. Neither worse nor better.
    New,
    /// It was seen to be better.
    Better,
    /// It is otherwise, and neither worse nor better.
    Neutral,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Worse, Self::New, Self::Better, Self::Neutral];

    /// The class as it is written in JSON and CSV.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::New => "new",
            Self::Better => "better",
            Self::Neutral => "neutral",
        }
    }

    /// The class in words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::New => "new to know",
            other => other.as_str(),
        }
    }

    /// The class of the change the other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Worse => Self::Better,
            Self::Better => Self::Worse,
            other => other,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Whether both sides of a change were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sighting {
    /// In both runs.
    Both,
    /// It can be told again, and is compared with the last time that it could.
    Regained,
    /// It can no longer be told.
    Lost,
    /// It is told for the first time.
    First,
    /// It is no longer asked, because it is no longer there to be asked of.
    Gone,
}

impl Sighting {
    /// The sighting as it is written in JSON and CSV.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Regained => "regained",
            Self::Lost => "lost",
            Self::First => "first",
            Self::Gone => "gone",
        }
    }
}

/// Something that reads otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// The recommendation, where it is an item of a guide.
    pub title: Option<String>,
    /// How it is to be taken.
    pub class: Class,
    /// How much it matters.
    pub severity: Severity,
    /// Whether both sides were seen.
    pub sighting: Sighting,
    /// What was said before; nothing where nothing was.
    pub before: Option<String>,
    /// What is said now; nothing where nothing is.
    pub after: Option<String>,
    /// When the run began in which `before` was seen, RFC 3339, UTC, where that is not the older one of the two.
    pub last_seen: Option<String>,
    /// Why it reads otherwise; the one that decides comes first. Never empty.
    pub reasons: Vec<Because>,
    /// The items and rules whose change this one explains. Where there are any, it is told there and not counted again.
    pub explains: Vec<String>,
}

impl Change {
    /// Why it reads otherwise: the reason that decides.
    pub fn because(&self) -> Option<&Because> {
        self.reasons.first()
    }
}

/// A reason, and how sure it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The reason.
    #[serde(flatten)]
    pub reason: Reason,
    /// How sure it is that it decides. High: nothing else that could explain it differs.
    pub confidence: Confidence,
}

/// Why something reads otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Reason {
    /// The target changed.
    Target {
        /// The observations that differ, in words: the first of them.
        differences: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Nothing changed but the date.
    Time {
        /// What came with it.
        what: String,
    },
    /// The guide changed.
    Guide {
        /// Its id.
        guide: String,
        /// Its revision before; nothing where it was not used.
        before: Option<String>,
        /// Its revision now.
        after: Option<String>,
        /// What that means here.
        what: String,
    },
    /// The run was asked for something else, by its options.
    Options {
        /// What.
        what: String,
    },
    /// The program changed.
    Program {
        /// Its version before.
        before: String,
        /// Its version now.
        after: String,
    },
    /// The inventory says otherwise what the target is, or what is expected of it.
    Inventory {
        /// What it says otherwise.
        what: Vec<String>,
    },
    /// What was seen can no longer be told.
    SightLost {
        /// Why.
        why: Vec<String>,
    },
    /// What could not be told can be again.
    SightRegained {
        /// Why it could not.
        why: Vec<String>,
    },
    /// It was asked from elsewhere, or through a network that does other things.
    Vantage {
        /// What is otherwise.
        what: Vec<String>,
    },
    /// Evidence from inside the host was added, removed, collected anew, or is older.
    Evidence {
        /// Which of these.
        what: String,
    },
    /// An attestation was added, expired or was taken back. Waivers change no verdict, so nothing reads otherwise by them.
    Attestation {
        /// Which of these, of whom and until when.
        what: String,
    },
    /// Nothing that was recorded explains it.
    Unknown,
}

impl Reason {
    /// The kind of reason as it is written in JSON and CSV.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Target { .. } => "target",
            Self::Time { .. } => "time",
            Self::Guide { .. } => "guide",
            Self::Options { .. } => "options",
            Self::Program { .. } => "program",
            Self::Inventory { .. } => "inventory",
            Self::SightLost { .. } => "sight-lost",
            Self::SightRegained { .. } => "sight-regained",
            Self::Vantage { .. } => "vantage",
            Self::Evidence { .. } => "evidence",
            Self::Attestation { .. } => "attestation",
            Self::Unknown => "unknown",
        }
    }

    /// The reason in words, without a full stop.
    pub fn describe(&self) -> String {
        match self {
            Self::Target { differences, more: 0 } if differences.is_empty() => "the server changed".to_owned(),
            Self::Target { differences, more: 0 } => format!("the server changed: {}", differences.join("; ")),
            Self::Target { differences, more } => {
                format!("the server changed: {}; and {more} more", differences.join("; "))
            }
            Self::Time { what } => format!("time passed: {what}"),
            Self::Guide { guide, before, after, what } => {
                let revision = |revision: &Option<String>| revision.clone().unwrap_or_else(|| "not used".to_owned());
                let (before, after) = (revision(before), revision(after));
                if before == after {
                    format!("the guide {guide} changed (revision {after}, another text): {what}")
                } else {
                    format!("the guide {guide} changed (revision {before} to {after}): {what}")
                }
            }
            Self::Options { what } => format!("the run was asked for something else: {what}"),
            Self::Program { before, after } => format!("portreeve changed: {before} to {after}"),
            Self::Inventory { what } => format!("the inventory changed: {}", what.join("; ")),
            Self::SightLost { why } => format!("it can no longer be told: {}", why.join("; ")),
            Self::SightRegained { why } if why.is_empty() => "it can be told again".to_owned(),
            Self::SightRegained { why } => format!("it can be told again; before, {}", why.join("; ")),
            Self::Vantage { what } => format!("it was asked from elsewhere: {}", what.join("; ")),
            Self::Evidence { what } => format!("the host's evidence: {what}"),
            Self::Attestation { what } => format!("attestation: {what}"),
            Self::Unknown => "cannot tell why: nothing that was recorded explains it".to_owned(),
        }
    }
}

/// What alternates between values. It is reported once, apart, and is no change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// What it is about.
    pub subject: Subject,
    /// The recommendation, where it is an item of a guide.
    pub title: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What was seen, oldest first, the newest run's last.
    pub sights: Vec<String>,
}

/// What could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompared {
    /// What.
    pub subjects: Vec<String>,
    /// Why.
    pub why: String,
}

/// How many changes there are of each class, and what is no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriftTally {
    /// Seen to be worse.
    pub worse: usize,
    /// Known now and not before, or no longer known.
    pub new: usize,
    /// Those of `new` that can no longer be told.
    pub lost: usize,
    /// Seen to be better.
    pub better: usize,
    /// Otherwise, neither worse nor better.
    pub neutral: usize,
    /// What alternates.
    pub flapping: usize,
    /// What could not be compared.
    pub not_compared: usize,
}

impl DriftTally {
    /// Counts what is said of `targets`.
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a TargetDrift>) -> Self {
        let mut tally = Self::default();
        for target in targets {
            for change in target.counted() {
                match change.class {
                    Class::Worse => tally.worse += 1,
                    Class::New => tally.new += 1,
                    Class::Better => tally.better += 1,
                    Class::Neutral => tally.neutral += 1,
                }
                tally.lost += usize::from(change.sighting == Sighting::Lost);
            }
            tally.flapping += target.flapping.len();
            tally.not_compared += target.not_compared.iter().map(|one| one.subjects.len()).sum::<usize>();
        }
        tally
    }

    /// How many changes there are of `class`.
    pub const fn count(&self, class: Class) -> usize {
        match class {
            Class::Worse => self.worse,
            Class::New => self.new,
            Class::Better => self.better,
            Class::Neutral => self.neutral,
        }
    }

    /// How many changes there are in all.
    pub const fn changes(&self) -> usize {
        self.worse + self.new + self.better + self.neutral
    }
}

impl Drift {
    /// How many changes there are.
    pub fn tally(&self) -> DriftTally {
        DriftTally::of(&self.targets)
    }

    /// Whether nothing changed. What could not be compared, or flaps, may have.
    pub fn is_unchanged(&self) -> bool {
        self.targets.iter().all(|target| target.changes.is_empty())
    }

    /// Whether everything that the older run told could be compared: neither is partial, no sight was lost, and no target is
    /// missing from the newer.
    pub fn is_whole(&self) -> bool {
        let missing = self.targets.iter().any(|target| target.presence == Presence::Missing);
        !self.before.partial && !self.after.partial && !missing && self.tally().lost == 0
    }
}
