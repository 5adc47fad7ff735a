//! History: every run is kept, and none is kept twice.
//!
//! [`Archive`] is what the rest of the program knows of it; [`sqlite`] is the form that it has today, one file.
//! [`keeper`] writes what a running scan learns while it learns it.
//!
//! # What is kept, and what is not
//!
//! A night's scan says almost word for word what the night before said. So each observation and each finding is kept
//! once, under the SHA-256 of what it says, and a run's target is a reference to a list of them. What differs with every
//! asking although nothing changed is left out of that hash (`content` says exactly what): an answer that differs in
//! nothing else is not kept again. A run that is loaded has these values from the first sighting of that answer, at that server:
//! servers share no answers, only what guides and the judge say of them alike.
//!
//! - when a question was asked, how long it took and how many tries (the run's own begin and duration are kept);
//! - `Date`, `Age`, `Expires`, `Last-Modified`, `ETag`, the values of cookies, ids of requests and nonces in HTTP headers, and
//!   the beginning of a page, but for `TRACE`, where it is the evidence;
//! - round trips, lost SYNs and other measures of the way, the drawn decoy ports, rations of refusals, counts of messages of a
//!   witness, how long was waited for what did not come;
//! - the beginning of a datagram, and the dates of an OCSP staple (whether it is in date is kept).
//!
//! Days that are left, or have gone, are counted anew from the run's begin when it is loaded, in numbers and in sentences.

mod content;
pub mod courses;
mod dates;
mod error;
mod holder;
pub mod keeper;
mod name;
pub mod outbox;
mod schema;
pub mod sqlite;
pub mod transfer;

pub use error::{Blamed, HistoryError};
pub use name::RunName;

use crate::catalog::inventory::selects;
use crate::drift::Still;
use crate::model::observation::Observation;
use crate::model::run::{GuideUsed, Run, Tally, TargetRun};
use crate::model::target::Target;
use courses::{Courses, SnapshotNumber, Told};
use jiff::{SignedDuration, Timestamp};
use outbox::{Addressee, Appearances, Came, Claimed, Failed, Look, Refusal, Standing, Waiting};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// A run's number within a store, from 1 on, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunNumber(pub i64);

impl fmt::Display for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a run before anything is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// The options as given, without the program's name.
    pub arguments: Vec<String>,
    /// The folder in which it was started, to which paths in the options are relative.
    pub folder: String,
    /// The inventory's files.
    pub inventories: Vec<FileUsed>,
    /// The evidence from inside its hosts: each bundle after the server that it was given for.
    #[serde(default)]
    pub evidence: Vec<FileUsed>,
    /// Every guide that was read, whether or not a target needs it.
    pub guides: Vec<GuideUsed>,
    /// The name of the scanning machine.
    pub machine: String,
    /// The scanning process's id.
    pub process: u32,
}

/// A file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileUsed {
    /// As the user named it, or as it was found in a folder.
    pub path: String,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A process is at it.
    Running,
    /// It was interrupted, or ended without saying so: killed, out of power, out of disk.
    Interrupted,
    /// It came to its end.
    Finished,
}

impl State {
    /// The state as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
        }
    }
}

/// A run that begins later than so long after now was made by a wrong clock: nobody scanned it yet.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The last moment at which a run may have begun, as it is now. What is dated later is no measure of what is the last.
pub(crate) fn latest(now: Timestamp) -> Timestamp {
    now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX)
}

/// A run in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its number.
    pub number: RunNumber,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// How long it took, in milliseconds; `None` where it has not come to its end.
    pub elapsed_ms: Option<u64>,
    /// How far it came.
    pub state: State,
    /// Something that should have been asked was not.
    pub partial: bool,
    /// How many targets it has.
    pub targets: usize,
    /// How many of them are not finished.
    pub unfinished: usize,
    /// How many findings have each verdict.
    pub findings: Tally,
    /// How many expected rules are violated.
    pub violated: usize,
    /// portreeve's version.
    pub tool_version: String,
}

impl Summary {
    /// Whether it is dated in the future: by a wrong clock, here or where it was taken in from.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        dates::seconds(&self.started).is_some_and(|started| started > latest(now).as_second())
    }
}

/// Which targets; no restriction where a list is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only of these clients, whatever their case.
    pub clients: Vec<String>,
    /// Only of these names, or `CLIENT/NAME`, with `*` for any characters.
    pub names: Vec<String>,
}

impl Wanted {
    /// Whether every target is wanted.
    pub fn is_everything(&self) -> bool {
        self.clients.is_empty() && self.names.is_empty()
    }

    /// Whether this target is wanted.
    pub fn wants(&self, client: &str, name: &str) -> bool {
        selects(&self.clients, &self.names, client, name)
    }
}

/// What is kept while a run goes on. Targets are named by their place in the run.
#[derive(Clone, Debug)]
pub enum Kept {
    /// Something was learned of a target that is not finished.
    Learned {
        /// The target.
        target: usize,
        /// What.
        observation: Box<Observation>,
    },
    /// A target is finished.
    Finished {
        /// The target.
        target: usize,
        /// What came of it.
        run: Box<TargetRun>,
    },
}

/// A target of a run, without anything that was learned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose server it is.
    pub client: String,
    /// What it is called.
    pub name: String,
    /// What is said of it: the same number is the same in every word, but for days that are counted. `None` where it is not finished.
    pub said: Option<i64>,
}

/// A server: its client and its name.
pub type Named = (String, String);

/// Where a run has a server, and what it says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The run.
    pub run: RunNumber,
    /// The server's place in it.
    pub place: usize,
    /// What is said of it, as in a [`Mark`].
    pub said: Option<i64>,
}

/// Everything of a run, to be carried to another store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What tells this run from every other, whatever store it is in: 32 hexadecimal digits.
    pub uid: String,
    /// How far it came; never running.
    pub state: State,
    /// What was known before.
    pub beginning: Beginning,
    /// The run.
    pub run: Run,
}

/// What is known of a job of a schedule. Times are RFC 3339, UTC.
///
/// One that was stopped before its end is made up for once: until then what is `settled` lies before its `ended`, and while the run
/// that makes up for it goes on, `exit` is still that of the one that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// What tells it from others.
    pub id: String,
    /// The last occurrence that is settled, by its nominal time.
    pub settled: String,
    /// When its last run began.
    pub began: Option<String>,
    /// When that ended.
    pub ended: Option<String>,
    /// With which exit code, where it ended by itself.
    pub exit: Option<i32>,
    /// How many occurrences did not happen because that run still went on.
    pub skipped: u32,
}

impl JobRecord {
    /// When its last run was stopped, where that is still to be made up for.
    pub fn stopped(&self) -> Option<&str> {
        let ended = self.ended.as_deref().filter(|_| self.exit.is_some())?;
        let time = |text: &str| text.parse::<Timestamp>().ok();
        (time(&self.settled)? < time(ended)?).then_some(ended)
    }

    /// Whether an occurrence is settled.
    pub fn is_settled(&self, nominal: Timestamp) -> bool {
        self.settled.parse::<Timestamp>().is_ok_and(|settled| settled >= nominal)
    }

    /// Whether the run that was begun last, and has no end, makes up for one that was stopped.
    pub const fn is_again(&self) -> bool {
        self.began.is_some() && self.ended.is_none() && self.exit.is_some()
    }
}

/// What `prune` is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// So many runs, the newest. Those that are dated in the future stay, and are not counted.
    Keep(usize),
    /// What began at this time or later, in seconds since 1970.
    Since(i64),
}

/// What pruning did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The runs that went.
    pub runs: Vec<RunNumber>,
    /// Those that the rule would have taken, and that stay because they are the last of a target, showed what is open, or go on.
    pub spared: Vec<RunNumber>,
    /// Those that are dated in the future, and were not counted.
    pub ahead: Vec<RunNumber>,
    /// How many bytes the store became smaller by; 0 where nothing was done.
    pub freed: u64,
}

/// Where runs are kept. Small, so that a database on a server can take the place of a file.
pub trait Archive: Send {
    /// Begins a run of these targets, and holds it until it is finished or the process ends.
    fn begin(&mut self, started: &str, beginning: &Beginning, targets: &[Target]) -> Result<RunNumber, HistoryError>;

    /// Takes up an interrupted run again.
    fn resume(&mut self, run: RunNumber) -> Result<(), HistoryError>;

    /// Keeps what was learned: all of it, or nothing and an error.
    fn keep(&mut self, run: RunNumber, kept: &[Kept]) -> Result<(), HistoryError>;

    /// Ends a run. `changed` are the targets, with their places, of which more may be known than when they were kept.
    fn finish(&mut self, number: RunNumber, run: &Run, changed: &[(usize, &TargetRun)]) -> Result<(), HistoryError>;

    /// The runs in which any wanted target is, in the order in which they began; counts are of those targets.
    fn runs(&self, wanted: &Wanted) -> Result<Vec<Summary>, HistoryError>;

    /// All targets of a run, in its order.
    fn marks(&self, run: RunNumber) -> Result<Vec<Mark>, HistoryError>;

    /// Every run that has any of these servers, in no order, by server.
    fn sights(&self, servers: &[Named]) -> Result<HashMap<Named, Vec<At>>, HistoryError>;

    /// The wanted targets of a run; of those that are not finished, what was learned.
    fn load(&self, run: RunNumber, wanted: &Wanted) -> Result<Run, HistoryError>;

    /// How the wanted targets fared in the runs that began at this time, in seconds since 1970, or before.
    fn courses(&self, wanted: &Wanted, until: i64) -> Result<Courses, HistoryError>;

    /// What each of these snapshots says of items and rules.
    fn told(&self, snapshots: &[SnapshotNumber]) -> Result<HashMap<SnapshotNumber, Vec<Arc<Told>>>, HistoryError>;

    /// The targets at these places of a run.
    fn load_places(&self, run: RunNumber, places: &BTreeSet<usize>) -> Result<Run, HistoryError>;

    /// What the targets of a run come to of which another run says the same, by their places, as far as it is known.
    fn stills(&self, run: RunNumber) -> Result<HashMap<usize, Arc<Still>>, HistoryError>;

    /// What was known before a run began.
    fn beginning(&self, run: RunNumber) -> Result<Beginning, HistoryError>;

    /// The places of the targets that are not finished.
    fn unfinished(&self, run: RunNumber) -> Result<Vec<usize>, HistoryError>;

    /// What was learned of a target, in the order in which it was, until it was finished.
    fn learned(&self, run: RunNumber, target: usize) -> Result<Vec<Observation>, HistoryError>;

    /// Everything of a run.
    fn record(&self, run: RunNumber) -> Result<Record, HistoryError>;

    /// Keeps a run of another store; `None` where it is here already.
    fn take(&mut self, record: &Record) -> Result<Option<RunNumber>, HistoryError>;

    /// Forgets old runs, but never the last of a target, nor what showed something that is open. A run that is dated in the
    /// future is nobody's last while there is another.
    fn prune(&mut self, rule: Prune, now: Timestamp, dry_run: bool) -> Result<Pruned, HistoryError>;

    /// What is known of the jobs of schedules.
    fn jobs(&self) -> Result<Vec<JobRecord>, HistoryError>;

    /// Keeps what is known of a job, in the place of what was known before.
    fn note_job(&mut self, job: &JobRecord) -> Result<(), HistoryError>;

    /// Keeps what is first known of a job; nothing where anything is known of it by now.
    fn note_new_job(&mut self, job: &JobRecord) -> Result<(), HistoryError>;

    /// Notes that a run of a job begins, where what is `known` of the job is still what is kept: another watch may have begun, or
    /// settled, the same. Where it is not, nothing is noted, and what is kept is given back.
    fn begin_job(&mut self, known: Option<&JobRecord>, begun: &JobRecord) -> Result<Option<JobRecord>, HistoryError>;

    /// Holds a job until this archive is let go of, or the process ends; `false` where another process is at it.
    fn hold_job(&mut self, job: &str) -> Result<bool, HistoryError>;

    /// Holds a job for the watch that has it scanned, from before it is noted that it begins until its end is noted; `false` where
    /// another watch holds it. It is let go of by [`let_go`](Self::let_go), or when the process ends.
    fn watch_job(&mut self, job: &str) -> Result<bool, HistoryError>;

    /// Lets go of a job that is held for a watch.
    fn let_go(&mut self, job: &str);

    /// Whether any watch holds a job, this one too.
    fn is_job_watched(&self, job: &str) -> bool;

    /// Whether any process is at a job.
    fn is_job_held(&self, job: &str) -> bool;

    /// In which runs each server was.
    fn appearances(&self) -> Result<Appearances, HistoryError>;

    /// What is open, and what is remembered of servers.
    fn standing(&self) -> Result<Standing, HistoryError>;

    /// Keeps what a look at the runs came to, and the messages that it led to: all of it, or nothing. `false`, and nothing is
    /// done, where another process looked since [`standing`](Self::standing) was read.
    fn note_look(&mut self, look: &Look) -> Result<bool, HistoryError>;

    /// The messages that wait, in the order in which they were made.
    fn waiting(&self) -> Result<Vec<Waiting>, HistoryError>;

    /// Takes the message that a channel is to be sent next, for this process alone. None where nothing is due, or another process
    /// is at this channel. With `hurry` also what is due later, unless it was tried since then. `recipients` are those of a channel
    /// that has several: who of them is to get an earlier message first holds up no other.
    fn claim(
        &mut self,
        to: &Addressee,
        recipients: &[String],
        now: Timestamp,
        hurry: Option<Timestamp>,
    ) -> Result<Option<Claimed>, HistoryError>;

    /// A message that was claimed was delivered; who was refused it is remembered ([`refusals`](Self::refusals)).
    fn delivered(&mut self, id: &str, came: &Came) -> Result<(), HistoryError>;

    /// A message that was claimed could not be delivered.
    fn not_delivered(&mut self, id: &str, failed: &Failed) -> Result<(), HistoryError>;

    /// Who was refused a message for good while others got it: for each recipient of a channel the last one, until another was given
    /// them.
    fn refusals(&self) -> Result<Vec<Refusal>, HistoryError>;

    /// Forgets the refusals of those who are no recipients of the channel any more.
    fn forget_refusals(&mut self, to: &Addressee, recipients: &[String]) -> Result<(), HistoryError>;

    /// Gives messages up, by their ids; how many there were.
    fn drop_messages(&mut self, ids: &[String]) -> Result<usize, HistoryError>;
}
