//! The archive in one file: an `SQLite` database.
//!
//! Write-ahead logging, so that `history` reads while a scan writes. `synchronous = FULL`: a commit is on the disk when it returns.
//! The writer commits whatever waits in one transaction, so that this costs one flush for many answers, and a power cut, like a
//! kill, loses only what was under way. Writers wait for each other; each transaction is short.

mod alerts;
mod courses;
mod fold;
mod jobs;
mod load;
mod prune;
mod still;
mod take;

use super::content::{self, Kind};
use super::courses::{Courses, SnapshotNumber, Told};
use super::error::shown;
use super::holder::Holder;
use super::outbox::{Addressee, Appearances, Came, Claimed, Failed, Look, Refusal, Standing, Waiting};
use super::schema::{self, FORMAT, Found};
use super::{
    Archive, At, Beginning, HistoryError, JobRecord, Kept, Mark, Named, Prune, Pruned, Record, RunNumber, State,
    Summary, Wanted,
};
use crate::drift::Still;
use crate::model::observation::Observation;
use crate::model::run::{Run, TargetRun, Trouble};
use crate::model::target::Target;
use crate::model::vantage::Vantage;
use jiff::Timestamp;
use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};
use sha2::Digest as _;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long another writer is waited for. A transaction takes milliseconds; pruning a large store takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// More runs than this no store has: a number of a damaged page may be any.
const CANDIDATES_MOST: i64 = 1_000_000;

/// How many pages the log grows to before it is written back: half a megabyte, so that a small disk has room for it.
const LOG_PAGES: i64 = 128;

/// How an answer is put into words, for queries.
pub type Words = fn(&Observation) -> String;

/// Whether a file that is not there is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is made, with its folder; both for their owner alone.
    Create,
    /// It must be there.
    Existing,
}

/// An archive in a file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
    words: Words,
    /// The run that this process is at.
    held: Option<(RunNumber, Holder)>,
    /// The job of a schedule that this process is at.
    job: Option<Holder>,
    /// The jobs that this process has scanned.
    watched: HashMap<String, Holder>,
    /// The name under which this process takes messages.
    sender: Option<(String, Holder)>,
    cache: RefCell<load::Cache>,
    /// Nothing was in it before it was opened.
    is_new: bool,
    /// What tells the file from any other; none where the system does not say.
    file: Option<(u64, u64)>,
}

/// What the parts of this module end with, until it is known whose file it is about.
#[derive(Debug)]
enum Wrong {
    Sql(rusqlite::Error),
    History(HistoryError),
    /// Something that cannot be, or a body that cannot be read.
    Content(String),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self::Content(message)
    }
}

impl From<HistoryError> for Wrong {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

type Done<T> = Result<T, Wrong>;

impl Sqlite {
    /// Opens a store, or makes it. A file that is something else is refused and left as it is.
    pub fn open(path: &Path, mode: Mode, words: Words) -> Result<Self, HistoryError> {
        let path = std::path::absolute(path).map_err(|error| HistoryError::of_file(path, &error))?;
        if mode == Mode::Create {
            make(&path)?;
        }
        check_beginning(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut is_new = false;
        let mut opened = || -> Done<Connection> {
            let mut connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            match schema::look(&connection)? {
                Found::Foreign => return Err(foreign(&path).into()),
                Found::Store(found) if found > FORMAT => return Err(newer(&path, found).into()),
                Found::Empty if mode == Mode::Existing => {
                    return Err(HistoryError::Missing { path: shown(&path) }.into());
                }
                Found::Empty => {
                    is_new = true;
                    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
                }
                Found::Store(_) => {}
            }
            log_ahead(&connection)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
            connection.set_prepared_statement_cache_capacity(64);
            match schema::migrate(&mut connection)? {
                Found::Store(FORMAT) => Ok(connection),
                Found::Store(found) => Err(newer(&path, found).into()),
                Found::Foreign | Found::Empty => Err(foreign(&path).into()),
            }
        };
        match opened() {
            Ok(connection) => {
                let (file, cache) = (identity(&path), RefCell::default());
                Ok(Self {
                    path,
                    connection,
                    words,
                    held: None,
                    job: None,
                    watched: HashMap::new(),
                    sender: None,
                    cache,
                    is_new,
                    file,
                })
            }
            Err(wrong) => Err(blame(&path, wrong)),
        }
    }

    /// Whether it was made when it was opened.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file that was opened is still the one at its path: it may be removed, or put back from a copy, while it is open,
    /// and then what is written here is in no store that anybody opens.
    pub fn is_in_place(&self) -> bool {
        self.path.exists() && (self.file.is_none() || identity(&self.path) == self.file)
    }

    /// The numbers that runs may have, the oldest first, for a store that is too damaged to list them.
    pub fn candidates(&self) -> Result<Vec<RunNumber>, HistoryError> {
        let highest = self.connection.query_row("SELECT max(id) FROM run", [], |row| row.get::<_, Option<i64>>(0));
        let highest = self.blamed(highest.map_err(Wrong::from))?;
        Ok((1..=highest.unwrap_or_default().min(CANDIDATES_MOST)).map(RunNumber).collect())
    }

    fn blamed<T>(&self, done: Done<T>) -> Result<T, HistoryError> {
        done.map_err(|wrong| blame(&self.path, wrong))
    }

    /// Does all of `work`, or nothing of it.
    fn whole<T>(&mut self, work: impl FnOnce(&Transaction<'_>, Words) -> Done<T>) -> Result<T, HistoryError> {
        let words = self.words;
        let done = (|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction, words)?;
            transaction.commit()?;
            Ok(done)
        })();
        self.blamed(done)
    }

    /// Marks runs whose process is gone, and removes what it left.
    fn note_gone(&mut self) -> Result<(), HistoryError> {
        for uid in self.blamed(self.gone())? {
            self.whole(|store, _| {
                store.execute("UPDATE run SET state = 'interrupted' WHERE uid = ?1 AND state = 'running'", [&uid])?;
                let number =
                    store.query_row("SELECT id FROM run WHERE uid = ?1", [&uid], |row| row.get(0)).optional()?;
                number.map_or(Ok(()), |number| count(store, RunNumber(number)))
            })?;
            Holder::clear(&self.path, &uid);
        }
        Ok(())
    }

    /// The runs that are said to go on, and that no process is at.
    fn gone(&self) -> Done<Vec<String>> {
        let mut statement = self.connection.prepare("SELECT uid FROM run WHERE state = 'running'")?;
        let running = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(running.into_iter().filter(|uid| !Holder::is_held(&self.path, uid)).collect())
    }

    fn state(&self, uid: &str, state: &str) -> State {
        match state {
            "finished" => State::Finished,
            "running" if Holder::is_held(&self.path, uid) => State::Running,
            _ => State::Interrupted,
        }
    }
}

impl Archive for Sqlite {
    fn begin(&mut self, started: &str, beginning: &Beginning, targets: &[Target]) -> Result<RunNumber, HistoryError> {
        self.note_gone()?;
        let uid = new_uid();
        let held = Holder::take(&self.path, &uid)?;
        let number = self.whole(|store, words| {
            let version = env!("CARGO_PKG_VERSION");
            let empty = Run {
                tool_version: version.to_owned(),
                started: String::new(),
                elapsed_ms: 0,
                guides: beginning.guides.clone(),
                targets: Vec::new(),
                interrupted: true,
                vantage: Vantage::default(),
                drift: None,
            };
            let before = fold::content(store, &content::whole(Kind::Beginning, beginning)?)?;
            let header = fold::content(store, &content::header(&empty)?)?;
            store.execute(
                "INSERT INTO run (uid, state, started, interrupted, partial, tool_version, machine, process, beginning, header)
                 VALUES (?1, 'running', ?2, 1, 1, ?3, ?4, ?5, ?6, ?7)",
                params![uid, started, version, beginning.machine, beginning.process, before, header],
            )?;
            let number = RunNumber(store.last_insert_rowid());
            for (place, target) in targets.iter().enumerate() {
                fold::target(store, number, started, (place, &unasked(target)), words)?;
            }
            Ok(number)
        })?;
        self.held = held.map(|held| (number, held));
        Ok(number)
    }

    fn resume(&mut self, run: RunNumber) -> Result<(), HistoryError> {
        self.note_gone()?;
        let not = |why: &str| HistoryError::NotResumable { run, why: why.to_owned() };
        let found = self.connection.query_row("SELECT uid, state FROM run WHERE id = ?1", [run.0], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let found = self.blamed(found.optional().map_err(Wrong::from))?;
        let (uid, state) = found.ok_or_else(|| HistoryError::NoRun { name: run.to_string() })?;
        if self.state(&uid, &state) == State::Finished {
            return Err(not("it came to its end"));
        }
        let held = Holder::take(&self.path, &uid)?.ok_or_else(|| not("a process is at it"))?;
        let taken = self.whole(|store, _| {
            store.execute("DELETE FROM run_count WHERE run = ?1", [run.0])?;
            Ok(store.execute("UPDATE run SET state = 'running' WHERE id = ?1 AND state = 'interrupted'", [run.0])?)
        })?;
        if taken == 0 {
            return Err(not("another process took it up"));
        }
        self.held = Some((run, held));
        Ok(())
    }

    fn keep(&mut self, run: RunNumber, kept: &[Kept]) -> Result<(), HistoryError> {
        self.whole(|store, words| {
            let started: String =
                store.query_row("SELECT started FROM run WHERE id = ?1", [run.0], |row| row.get(0))?;
            for one in kept {
                match one {
                    Kept::Learned { target, observation } => fold::learned(store, run, *target, observation)?,
                    Kept::Finished { target, run: done } => fold::target(store, run, &started, (*target, done), words)?,
                }
            }
            Ok(())
        })
    }

    fn finish(&mut self, number: RunNumber, run: &Run, changed: &[(usize, &TargetRun)]) -> Result<(), HistoryError> {
        self.whole(|store, words| {
            for (place, target) in changed {
                fold::target(store, number, &run.started, (*place, target), words)?;
            }
            let header = fold::content(store, &content::header(run)?)?;
            let unfinished: i64 = store.query_row(
                "SELECT count(*) FROM run_target JOIN snapshot ON snapshot.id = snapshot WHERE run = ?1 AND unfinished",
                [number.0],
                |row| row.get(0),
            )?;
            let state = if run.interrupted || unfinished > 0 { State::Interrupted } else { State::Finished };
            count(store, number)?;
            store.execute(
                "UPDATE run SET state = ?2, elapsed_ms = ?3, interrupted = ?4, partial = ?5, header = ?6, tool_version = ?7
                 WHERE id = ?1",
                params![
                    number.0,
                    state.as_str(),
                    i64::try_from(run.elapsed_ms).unwrap_or(i64::MAX),
                    run.interrupted,
                    run.is_partial(),
                    header,
                    run.tool_version
                ],
            )?;
            Ok(())
        })?;
        self.held = None;
        // The run is kept; what cannot be kept beside it is made again when it is asked for.
        let _ = still::note(self, number);
        Ok(())
    }

    fn runs(&self, wanted: &Wanted) -> Result<Vec<Summary>, HistoryError> {
        self.blamed(load::runs(self, wanted))
    }

    fn marks(&self, run: RunNumber) -> Result<Vec<Mark>, HistoryError> {
        self.blamed(load::marks(self, run))
    }

    fn sights(&self, servers: &[Named]) -> Result<HashMap<Named, Vec<At>>, HistoryError> {
        self.blamed(load::sights(self, servers))
    }

    fn load(&self, run: RunNumber, wanted: &Wanted) -> Result<Run, HistoryError> {
        self.blamed(load::run(self, run, wanted))
    }

    fn courses(&self, wanted: &Wanted, until: i64) -> Result<Courses, HistoryError> {
        let mut courses = self.blamed(courses::courses(self, wanted, until))?;
        courses::without_going_on(&mut courses);
        Ok(courses)
    }

    fn told(&self, snapshots: &[SnapshotNumber]) -> Result<HashMap<SnapshotNumber, Vec<Arc<Told>>>, HistoryError> {
        self.blamed(courses::told(self, snapshots))
    }

    fn load_places(&self, run: RunNumber, places: &BTreeSet<usize>) -> Result<Run, HistoryError> {
        self.blamed(load::places(self, run, places))
    }

    fn stills(&self, run: RunNumber) -> Result<HashMap<usize, Arc<Still>>, HistoryError> {
        self.blamed(still::of_run(self, run))
    }

    fn beginning(&self, run: RunNumber) -> Result<Beginning, HistoryError> {
        self.blamed(load::beginning(self, run))
    }

    fn unfinished(&self, run: RunNumber) -> Result<Vec<usize>, HistoryError> {
        self.blamed(load::unfinished(self, run))
    }

    fn learned(&self, run: RunNumber, target: usize) -> Result<Vec<Observation>, HistoryError> {
        self.blamed(load::learned(self, run, target))
    }

    fn record(&self, run: RunNumber) -> Result<Record, HistoryError> {
        self.blamed(load::record(self, run))
    }

    fn take(&mut self, record: &Record) -> Result<Option<RunNumber>, HistoryError> {
        let taken = self.whole(|store, words| take::record(store, record, words))?;
        if let Some(number) = taken {
            let _ = still::note(self, number);
        }
        Ok(taken)
    }

    fn prune(&mut self, rule: Prune, now: Timestamp, dry_run: bool) -> Result<Pruned, HistoryError> {
        self.note_gone()?;
        prune::prune(self, rule, now, dry_run)
    }

    fn jobs(&self) -> Result<Vec<JobRecord>, HistoryError> {
        self.blamed(jobs::all(&self.connection))
    }

    fn note_job(&mut self, job: &JobRecord) -> Result<(), HistoryError> {
        self.whole(|store, _| jobs::note(store, job))
    }

    fn note_new_job(&mut self, job: &JobRecord) -> Result<(), HistoryError> {
        self.whole(|store, _| jobs::note_new(store, job))
    }

    fn begin_job(&mut self, known: Option<&JobRecord>, begun: &JobRecord) -> Result<Option<JobRecord>, HistoryError> {
        self.whole(|store, _| {
            let kept = jobs::all(store)?.into_iter().find(|job| job.id == begun.id);
            if kept.as_ref() != known && kept.is_some() {
                return Ok(kept);
            }
            jobs::note(store, begun)?;
            Ok(None)
        })
    }

    fn hold_job(&mut self, job: &str) -> Result<bool, HistoryError> {
        self.job = Holder::take(&self.path, &job_lock(job))?;
        Ok(self.job.is_some())
    }

    fn watch_job(&mut self, job: &str) -> Result<bool, HistoryError> {
        let held = Holder::take(&self.path, &watch_lock(job))?;
        Ok(held.is_some_and(|held| self.watched.insert(job.to_owned(), held).is_none()))
    }

    fn let_go(&mut self, job: &str) {
        self.watched.remove(job);
    }

    fn is_job_watched(&self, job: &str) -> bool {
        Holder::is_held(&self.path, &watch_lock(job))
    }

    fn is_job_held(&self, job: &str) -> bool {
        Holder::is_held(&self.path, &job_lock(job))
    }

    fn appearances(&self) -> Result<Appearances, HistoryError> {
        self.blamed(alerts::appearances(self))
    }

    fn standing(&self) -> Result<Standing, HistoryError> {
        self.blamed(alerts::standing(self))
    }

    fn note_look(&mut self, look: &Look) -> Result<bool, HistoryError> {
        self.whole(|store, _| alerts::note_look(store, look))
    }

    fn waiting(&self) -> Result<Vec<Waiting>, HistoryError> {
        self.blamed(alerts::waiting(self))
    }

    fn claim(
        &mut self,
        to: &Addressee,
        recipients: &[String],
        now: Timestamp,
        hurry: Option<Timestamp>,
    ) -> Result<Option<Claimed>, HistoryError> {
        alerts::claim(self, to, recipients, now, hurry)
    }

    fn delivered(&mut self, id: &str, came: &Came) -> Result<(), HistoryError> {
        self.whole(|store, _| alerts::delivered(store, id, came))
    }

    fn refusals(&self) -> Result<Vec<Refusal>, HistoryError> {
        self.blamed(alerts::refusals(self))
    }

    fn forget_refusals(&mut self, to: &Addressee, recipients: &[String]) -> Result<(), HistoryError> {
        alerts::forget_others(self, to, recipients)
    }

    fn not_delivered(&mut self, id: &str, failed: &Failed) -> Result<(), HistoryError> {
        self.whole(|store, _| alerts::not_delivered(store, id, failed))
    }

    fn drop_messages(&mut self, ids: &[String]) -> Result<usize, HistoryError> {
        self.whole(|store, _| alerts::drop_messages(store, ids))
    }
}

/// What tells a file from every other. It is not opened for that: closing it would let go of `SQLite`'s locks.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Keeps what is counted of a run that is not going on any more.
fn count(store: &Transaction<'_>, run: RunNumber) -> Done<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO run_count SELECT ?1, {} FROM run_target JOIN snapshot ON snapshot.id = snapshot WHERE run = ?1",
        load::COUNTS
    );
    store.execute(&sql, [run.0])?;
    Ok(())
}

/// A target of which nothing is known yet: what stands in a run whose process was killed.
fn unasked(target: &Target) -> TargetRun {
    TargetRun {
        target: target.clone(),
        addresses: Vec::new(),
        observations: Vec::new(),
        findings: Vec::new(),
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: vec![Trouble::Interrupted],
        evidence: None,
    }
}

/// What is locked for a job: a part of a digest, for its name may be no file's.
fn job_lock(job: &str) -> String {
    let digest = sha2::Sha256::digest(job);
    format!("job-{}", data_encoding::HEXLOWER.encode(digest.first_chunk::<8>().map_or(&[], |first| first)))
}

/// What is locked for the watch that has a job scanned.
fn watch_lock(job: &str) -> String {
    format!("{}-watch", job_lock(job))
}

/// 128 random bits: no two runs of any two stores have the same.
fn new_uid() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Makes the file and its folder, for their owner alone, where they are missing.
fn make(path: &Path) -> Result<(), HistoryError> {
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| HistoryError::of_file(folder, &error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(HistoryError::of_file(path, &error)),
        _ => Ok(()),
    }
}

/// Turns on the log. Where two processes make a store at once, one of them is refused without the wait that it asked for.
fn log_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begin = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begin.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

/// A file that does not begin as a database does is not even opened as one.
fn check_beginning(path: &Path) -> Result<(), HistoryError> {
    let wrong = |error: std::io::Error| HistoryError::of_file(path, &error);
    if std::fs::metadata(path).map_err(wrong)?.is_dir() {
        return Err(HistoryError::NotAStore { path: shown(path), why: "it is a folder".to_owned() });
    }
    let mut beginning = Vec::new();
    std::fs::File::open(path).map_err(wrong)?.take(16).read_to_end(&mut beginning).map_err(wrong)?;
    if beginning.is_empty() || beginning == b"SQLite format 3\0" { Ok(()) } else { Err(foreign(path)) }
}

fn foreign(path: &Path) -> HistoryError {
    HistoryError::NotAStore { path: shown(path), why: "it is somebody else's file".to_owned() }
}

fn newer(path: &Path, found: i64) -> HistoryError {
    HistoryError::Newer { path: shown(path), found, known: FORMAT }
}

/// Who is to blame for what the database says.
fn blame(path: &Path, wrong: Wrong) -> HistoryError {
    let path = shown(path);
    match wrong {
        Wrong::History(error) => error,
        Wrong::Content(message) => HistoryError::Damaged { path, message },
        Wrong::Sql(rusqlite::Error::SqliteFailure(code, message)) => {
            let message = message.unwrap_or_else(|| code.to_string());
            match code.code {
                ErrorCode::DiskFull => HistoryError::Full { path, message },
                // What a full disk does to the log and its index, which are files too.
                ErrorCode::SystemIoFailure if no_room(code.extended_code) => HistoryError::Full { path, message },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    HistoryError::Locked { path, seconds: PATIENCE.as_secs() }
                }
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::AuthorizationForStatementDenied => HistoryError::Forbidden { path, message },
                ErrorCode::DatabaseCorrupt => HistoryError::Damaged { path, message },
                ErrorCode::NotADatabase => HistoryError::NotAStore { path, why: message },
                ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::TooBig => {
                    HistoryError::Failed { path, message }
                }
                _ => HistoryError::Bug { message },
            }
        }
        Wrong::Sql(error) => match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::QueryReturnedNoRows => HistoryError::Damaged { path, message: error.to_string() },
            other => HistoryError::Bug { message: other.to_string() },
        },
    }
}

/// Whether writing failed, or growing the shared memory of the log: on a disk that works that is for want of room.
const fn no_room(extended: i32) -> bool {
    use rusqlite::ffi;
    matches!(
        extended,
        ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_SHMMAP
    )
}
