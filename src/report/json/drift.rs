//! What reads otherwise than in an earlier run, and why: a document of its own, and a part of a run's.

use super::document::texts;
use super::findings::{Confidence, Severity};
use crate::model::drift::{self, DriftTally};
use crate::report::drift::headline;
use schemars::JsonSchema;
use serde::Serialize;

/// The name of the format, the value of `format`.
pub const FORMAT: &str = "portreeve-diff";
/// The version of the format, the value of `version`.
pub const VERSION: u32 = 1;

/// What reads otherwise in one run than in another.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "portreeve diff, version 1")]
pub struct Diff {
    /// Always `portreeve-diff`.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// What reads otherwise.
    #[serde(flatten)]
    drift: Drift,
}

impl From<&drift::Drift> for Diff {
    fn from(drift: &drift::Drift) -> Self {
        Self { format: FORMAT, version: VERSION, drift: drift.into() }
    }
}

/// What reads otherwise in one run than in an earlier one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drift {
    /// The older run.
    before: Mark,
    /// The newer run.
    after: Mark,
    /// Other runs that were looked at, oldest first: for what the older did not see, and for what flaps.
    others: Vec<Mark>,
    /// All of it in one sentence.
    headline: String,
    /// Nothing changed. What could not be compared, or flaps, may have.
    unchanged: bool,
    /// Neither run is partial, no sight was lost, and no target is missing from the newer run.
    whole: bool,
    /// How many changes there are. Those that only explain another one are not counted.
    summary: Summary,
    /// Doubts of this machine's network that came or went.
    vantage: Vec<String>,
    /// Every target of either run.
    targets: Vec<Target>,
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
struct Mark {
    /// Its number in the history; null where it is kept in none.
    number: Option<u64>,
    /// When it began: RFC 3339, UTC.
    started: String,
    /// Something that should have been asked was not.
    partial: bool,
    /// portreeve's version.
    tool_version: String,
    /// The guides that were used.
    guides: Vec<Guide>,
}

/// Which text of a guide was used.
#[derive(Debug, Serialize, JsonSchema)]
struct Guide {
    /// Its id.
    id: String,
    /// Its revision.
    revision: String,
    /// SHA-256 of its text, hexadecimal.
    sha256: String,
}

/// How many changes there are.
#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    /// Seen to be worse.
    worse: usize,
    /// Known now and not before, or no longer known.
    new: usize,
    /// Those of `new` that can no longer be told.
    lost: usize,
    /// Seen to be better.
    better: usize,
    /// Otherwise, neither worse nor better.
    neutral: usize,
    /// What alternates, and is no change.
    flapping: usize,
    /// What could not be compared.
    not_compared: usize,
}

impl From<DriftTally> for Summary {
    fn from(tally: DriftTally) -> Self {
        let DriftTally { worse, new, lost, better, neutral, flapping, not_compared } = tally;
        Self { worse, new, lost, better, neutral, flapping, not_compared }
    }
}

/// What reads otherwise on one target.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Target {
    /// Whose server it is.
    client: String,
    /// What the technicians call it.
    name: String,
    /// The name or address in the inventory.
    host: String,
    /// In which of the runs it is.
    presence: Presence,
    /// How many changes there are.
    summary: Summary,
    /// What the inventory says otherwise of it.
    inventory: Vec<String>,
    /// What changed; what to do first comes first.
    changes: Vec<Change>,
    /// What alternates, and is no change.
    flapping: Vec<Flapping>,
    /// What could be told in neither run, or was not asked in the newer.
    not_compared: Vec<NotCompared>,
    /// How many changes were left out because there are so many.
    left_out: usize,
}

/// In which of the runs a target is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Presence {
    /// In both.
    Both,
    /// Only in the newer.
    Added,
    /// Only in the older.
    Missing,
}

/// How a change is to be taken.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Class {
    /// It was seen to be worse.
    Worse,
    /// Something is known that was not, or no longer.
    New,
    /// It was seen to be better.
    Better,
    /// It is otherwise.
    Neutral,
}

/// Whether both sides of a change were seen.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Sighting {
    /// In both runs.
    Both,
    /// It can be told again, and is compared with the last time that it could.
    Regained,
    /// It can no longer be told.
    Lost,
    /// It is told for the first time.
    First,
    /// It is no longer asked.
    Gone,
}

/// Something that reads otherwise.
#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    /// What kind of thing it is: `item`, `rule`, `target`, `address`, `port`, `service`, `proof`, `tls-version`, `suites`,
    /// `certificate`, `http`, `product`, `rdp-nla` or `smb1`.
    kind: &'static str,
    /// What it is about, such as `AUT-NET-12` or `tcp/3306 at 203.0.113.10`.
    subject: String,
    /// The guide, where it is an item of one.
    guide: Option<String>,
    /// The address, where it is about one.
    address: Option<String>,
    /// The recommendation, where it is an item.
    title: Option<String>,
    /// How it is to be taken.
    class: Class,
    /// How much it matters.
    severity: Severity,
    /// Whether both sides were seen.
    sighting: Sighting,
    /// What was said before; null where nothing was.
    before: Option<String>,
    /// What is said now; null where nothing is.
    after: Option<String>,
    /// When the run began in which `before` was seen, where that is not the older one.
    last_seen: Option<String>,
    /// Why it reads otherwise; the reason that decides comes first. Never empty.
    reasons: Vec<Because>,
    /// The items and rules whose change this one explains. Where there are any, it is not counted.
    explains: Vec<String>,
}

/// A reason, and how sure it is.
#[derive(Debug, Serialize, JsonSchema)]
struct Because {
    /// `target`, `time`, `guide`, `options`, `program`, `inventory`, `sight-lost`, `sight-regained`, `vantage`, `evidence`,
    /// `attestation`, or `unknown` where nothing that was recorded explains it.
    kind: &'static str,
    /// How sure it is that it decides.
    confidence: Confidence,
    /// The reason in words.
    text: String,
}

/// What alternates.
#[derive(Debug, Serialize, JsonSchema)]
struct Flapping {
    /// What kind of thing it is.
    kind: &'static str,
    /// What it is about.
    subject: String,
    /// The recommendation, where it is an item.
    title: Option<String>,
    /// How much it matters.
    severity: Severity,
    /// What was seen, oldest first.
    sights: Vec<String>,
}

/// What could not be compared.
#[derive(Debug, Serialize, JsonSchema)]
struct NotCompared {
    /// What.
    subjects: Vec<String>,
    /// Why.
    why: String,
}

impl From<&drift::Drift> for Drift {
    fn from(drift: &drift::Drift) -> Self {
        Self {
            before: (&drift.before).into(),
            after: (&drift.after).into(),
            others: drift.others.iter().map(Mark::from).collect(),
            headline: headline(drift),
            unchanged: drift.is_unchanged(),
            whole: drift.is_whole(),
            summary: drift.tally().into(),
            vantage: drift.vantage.clone(),
            targets: drift.targets.iter().map(Target::from).collect(),
        }
    }
}

impl From<&drift::RunMark> for Mark {
    fn from(mark: &drift::RunMark) -> Self {
        let guides = mark.guides.iter().map(|guide| Guide {
            id: guide.id.clone(),
            revision: guide.revision.clone(),
            sha256: guide.sha256.clone(),
        });
        Self {
            number: mark.number,
            started: mark.started.clone(),
            partial: mark.partial,
            tool_version: mark.tool_version.clone(),
            guides: guides.collect(),
        }
    }
}

impl From<&drift::TargetDrift> for Target {
    fn from(target: &drift::TargetDrift) -> Self {
        Self {
            client: target.client.clone(),
            name: target.name.clone(),
            host: target.host.clone(),
            presence: match target.presence {
                drift::Presence::Both => Presence::Both,
                drift::Presence::Added => Presence::Added,
                drift::Presence::Missing => Presence::Missing,
            },
            summary: DriftTally::of([target]).into(),
            inventory: target.inventory.clone(),
            changes: target.changes.iter().map(Change::from).collect(),
            flapping: target.flapping.iter().map(Flapping::from).collect(),
            not_compared: target
                .not_compared
                .iter()
                .map(|one| NotCompared { subjects: one.subjects.clone(), why: one.why.clone() })
                .collect(),
            left_out: target.left_out,
        }
    }
}

impl From<&drift::Change> for Change {
    fn from(change: &drift::Change) -> Self {
        let reasons = change.reasons.iter().map(|because| Because {
            kind: because.reason.as_str(),
            confidence: because.confidence.into(),
            text: because.reason.describe(),
        });
        Self {
            kind: change.subject.kind(),
            subject: change.subject.to_string(),
            guide: match &change.subject {
                drift::Subject::Item { guide, .. } => Some(guide.clone()),
                _ => None,
            },
            address: change.subject.address().map(|address| address.to_string()),
            title: change.title.clone(),
            class: match change.class {
                drift::Class::Worse => Class::Worse,
                drift::Class::New => Class::New,
                drift::Class::Better => Class::Better,
                drift::Class::Neutral => Class::Neutral,
            },
            severity: change.severity.into(),
            sighting: match change.sighting {
                drift::Sighting::Both => Sighting::Both,
                drift::Sighting::Regained => Sighting::Regained,
                drift::Sighting::Lost => Sighting::Lost,
                drift::Sighting::First => Sighting::First,
                drift::Sighting::Gone => Sighting::Gone,
            },
            before: change.before.clone(),
            after: change.after.clone(),
            last_seen: change.last_seen.clone(),
            reasons: reasons.collect(),
            explains: texts(&change.explains),
        }
    }
}

impl From<&drift::Flapping> for Flapping {
    fn from(flapping: &drift::Flapping) -> Self {
        Self {
            kind: flapping.subject.kind(),
            subject: flapping.subject.to_string(),
            title: flapping.title.clone(),
            severity: flapping.severity.into(),
            sights: flapping.sights.clone(),
        }
    }
}
