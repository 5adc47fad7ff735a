//! What is known of jobs: in the store, and what the store could not take yet.
//!
//! A store that cannot be written, because its disk is full or another process holds it, may be mended at any moment. Until then
//! nothing is begun, what ended is remembered, and why is said once.

use super::named;
use crate::cli::exit::CliError;
use crate::cli::output::complain;
use crate::history::sqlite::Sqlite;
use crate::history::{Archive as _, HistoryError, JobRecord};
use crate::report::text::clean;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a job that is to begin was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Noted,
    /// The store takes nothing.
    NotKept,
    /// Another watch is at this job: what it noted is known now, and nothing was noted.
    ByAnother,
}

pub(super) struct Records {
    pub(super) store: Sqlite,
    known: BTreeMap<String, JobRecord>,
    /// Those of which the store does not know yet.
    unkept: BTreeSet<String>,
    /// Why the store cannot be written, since it could not.
    why: Option<String>,
}

impl Records {
    pub(super) fn open(store: Sqlite) -> Result<Self, CliError> {
        let known = store.jobs()?.into_iter().map(|record| (record.id.clone(), record)).collect();
        Ok(Self { store, known, unkept: BTreeSet::new(), why: None })
    }

    pub(super) fn all(&self) -> &BTreeMap<String, JobRecord> {
        &self.known
    }

    pub(super) fn get(&self, id: &str) -> Option<&JobRecord> {
        self.known.get(id)
    }

    /// Why the store cannot be written; none where it can, as far as is known.
    pub(super) fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Keeps it, or remembers it until it can be kept.
    pub(super) fn note(&mut self, record: JobRecord) {
        self.unkept.insert(record.id.clone());
        self.known.insert(record.id.clone(), record);
        self.keep();
    }

    /// Notes that a job begins, unless another watch noted anything of it since.
    pub(super) fn begin(&mut self, record: JobRecord) -> Begun {
        if !self.keep() {
            return Begun::NotKept;
        }
        let noted = self.store.begin_job(self.known.get(&record.id), &record);
        match noted {
            Ok(None) => {
                self.came(&Ok(()));
                self.known.insert(record.id.clone(), record);
                Begun::Noted
            }
            Ok(Some(kept)) => {
                self.known.insert(kept.id.clone(), kept);
                Begun::ByAnother
            }
            Err(error) => {
                self.came(&Err(error));
                Begun::NotKept
            }
        }
    }

    /// Tries to keep what is not kept yet; whether the store could be written when that was tried last.
    pub(super) fn keep(&mut self) -> bool {
        let wanted: Vec<String> = self.unkept.iter().cloned().collect();
        for id in wanted {
            let Some(record) = self.known.get(&id) else { continue };
            let noted = self.store.note_job(record);
            if !self.came(&noted) {
                return false;
            }
            self.unkept.remove(&id);
        }
        if self.why.is_some()
            && let Some(any) = self.known.values().next()
        {
            // What is known anyhow, to see whether it can be written.
            let noted = self.store.note_job(any);
            return self.came(&noted);
        }
        self.why.is_none()
    }

    /// Says once that the store cannot be written, and once that it can be again.
    fn came(&mut self, noted: &Result<(), HistoryError>) -> bool {
        let why = noted
            .as_ref()
            .err()
            .map(|error| format!("no scan begins until the store can be written: {}", clean(&error.to_string())));
        match (&self.why, &why) {
            (None, Some(why)) => complain(&format!("{why}. The watch goes on, and tries again by itself.")),
            (Some(_), None) => {
                complain(&format!("the store {} can be written again", named(self.store.path())));
            }
            _ => {}
        }
        self.why = why;
        self.why.is_none()
    }
}

/// What is noted of a job that begins, of which this was noted `last`; so many of its scans were due `since` that one began.
pub(super) fn begun(last: Option<&JobRecord>, id: &str, since: usize, now: Timestamp) -> JobRecord {
    let (id, began) = (id.to_owned(), Some(now.to_string()));
    let Some(last) = last else {
        return JobRecord { id, settled: now.to_string(), began, ended: None, exit: None, skipped: 0 };
    };
    let is_again = since == 0;
    // What was told as killed or stopped is settled by the one that is due after it.
    let is_over = !is_again && last.ended.is_some() && (last.exit.is_none() || last.stopped().is_some());
    let settled = last.began.as_ref().filter(|_| is_over).map_or(&last.settled, |began| began.max(&last.settled));
    let exit = last.exit.filter(|_| is_again && (last.stopped().is_some() || last.is_again()));
    JobRecord { id, settled: settled.clone(), began, ended: None, exit, skipped: last.skipped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sqlite::Mode;

    fn record(id: &str) -> JobRecord {
        JobRecord {
            id: id.to_owned(),
            settled: "2026-11-21T02:00:00Z".to_owned(),
            began: None,
            ended: None,
            exit: None,
            skipped: 0,
        }
    }

    /// A disk that is full cannot be had everywhere; a table that takes nothing can.
    #[test]
    fn what_the_store_does_not_take_is_remembered_and_kept_later() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("history.db");
        let mut records = Records::open(Sqlite::open(&place, Mode::Create, |_| String::new()).unwrap()).unwrap();
        let other = rusqlite::Connection::open(&place).unwrap();
        let kept = || -> Vec<String> {
            let mut ids = other.prepare("SELECT id FROM job ORDER BY id").unwrap();
            ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(records.begin(record("a")), Begun::Noted);
        let refuse = "CREATE TRIGGER full BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, 'no room'); END";
        other.execute_batch(refuse).unwrap();
        records.note(record("b"));
        assert_eq!(records.begin(record("c")), Begun::NotKept, "what cannot be noted is not begun");
        assert!(records.get("c").is_none());
        assert!(records.why().is_some() && records.get("b").is_some());
        assert_eq!(kept(), ["a"]);
        assert!(!records.keep());
        other.execute_batch("DROP TRIGGER full").unwrap();
        assert!(records.keep() && records.why().is_none());
        assert_eq!(kept(), ["a", "b"]);
        assert_eq!(records.begin(record("c")), Begun::Noted);
    }

    #[test]
    fn what_another_watch_began_is_seen_before_it_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("history.db");
        let open = || Records::open(Sqlite::open(&place, Mode::Create, |_| String::new()).unwrap()).unwrap();
        open().note(record("a"));
        let (mut one, mut other) = (open(), open());
        let begun = |at: &str| JobRecord { began: Some(at.to_owned()), ..record("a") };
        let nominal = "2026-11-21T03:00:00Z".parse().unwrap();
        assert_eq!(one.begin(begun("2026-11-21T03:00:01Z")), Begun::Noted);
        assert_eq!(other.begin(begun("2026-11-21T03:00:02Z")), Begun::ByAnother);
        assert!(!other.get("a").unwrap().is_settled(nominal), "it goes on");
        // It ends before the next is due: that is begun by whoever comes first.
        one.note(JobRecord { settled: "2026-11-21T03:00:30Z".to_owned(), ..begun("2026-11-21T03:00:01Z") });
        assert_eq!(other.begin(begun("2026-11-22T03:00:00Z")), Begun::ByAnother);
        let known = other.get("a").unwrap();
        assert!(known.is_settled(nominal) && !known.is_settled("2026-11-22T03:00:00Z".parse().unwrap()));
        assert_eq!(other.begin(begun("2026-11-22T03:00:00Z")), Begun::Noted);
    }

    #[test]
    fn only_what_makes_up_for_a_stopped_scan_alone_is_one_again() {
        const OLD: &str = "2026-11-20T02:04:00Z";
        const NIGHT: &str = "2026-11-21T02:00:00Z";
        let last = |ended: Option<&str>, exit| JobRecord {
            settled: OLD.to_owned(),
            began: Some(NIGHT.to_owned()),
            ended: ended.map(str::to_owned),
            exit,
            ..record("a")
        };
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        let after = |last: &JobRecord, since| {
            let begun = begun(Some(last), "a", since, now);
            (begun.is_again(), begun.settled)
        };
        let (stopped, killed) = (last(Some("2026-11-21T02:10:00Z"), Some(3)), last(Some(NIGHT), None));
        assert_eq!(after(&stopped, 0), (true, OLD.to_owned()), "a kill of it is made up for again");
        // The next night's own scan: that it is stopped is made up for too, and what was stopped before it is over.
        assert_eq!(after(&stopped, 1), (false, NIGHT.to_owned()));
        assert_eq!(after(&killed, 0), (false, OLD.to_owned()));
        assert_eq!(after(&killed, 1), (false, NIGHT.to_owned()));
        let again = last(None, Some(3));
        assert_eq!(after(&again, 0), (true, OLD.to_owned()), "it was killed, and is still the second");
        assert_eq!(after(&again, 1), (false, OLD.to_owned()), "nobody was told of its end");
        assert_eq!(after(&last(None, None), 0), (false, OLD.to_owned()));
        let whole = JobRecord { settled: "2026-11-21T02:10:00Z".to_owned(), ..stopped };
        assert_eq!(after(&whole, 1), (false, whole.settled.clone()));
    }
}
