//! What is known of the jobs of schedules.

use super::Done;
use crate::history::JobRecord;
use rusqlite::{Connection, params};

pub(super) fn all(store: &Connection) -> Done<Vec<JobRecord>> {
    let mut statement = store.prepare_cached("SELECT id, settled, began, ended, exit, skipped FROM job ORDER BY id")?;
    let jobs = statement.query_map([], |row| {
        Ok(JobRecord {
            id: row.get(0)?,
            settled: row.get(1)?,
            began: row.get(2)?,
            ended: row.get(3)?,
            exit: row.get(4)?,
            skipped: row.get(5)?,
        })
    })?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn note(store: &Connection, job: &JobRecord) -> Done<()> {
    insert(store, "REPLACE", job)
}

/// Of a job that another process noted meanwhile, that process knows better.
pub(super) fn note_new(store: &Connection, job: &JobRecord) -> Done<()> {
    insert(store, "IGNORE", job)
}

fn insert(store: &Connection, or: &str, job: &JobRecord) -> Done<()> {
    let JobRecord { id, settled, began, ended, exit, skipped } = job;
    let sql =
        format!("INSERT OR {or} INTO job (id, settled, began, ended, exit, skipped) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    store.execute(&sql, params![id, settled, began, ended, exit, skipped])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Archive as _;
    use crate::history::sqlite::{Mode, Sqlite};

    #[test]
    fn what_is_known_of_a_job_takes_the_place_of_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let begun = JobRecord {
            id: "Northwind: 0 2 * * * UTC".to_owned(),
            settled: "2026-11-20T02:00:00Z".to_owned(),
            began: Some("2026-11-21T02:00:00Z".to_owned()),
            ended: None,
            exit: None,
            skipped: 2,
        };
        open().note_job(&begun).unwrap();
        assert_eq!(open().jobs().unwrap(), std::slice::from_ref(&begun));
        let ended = JobRecord { ended: Some("2026-11-21T02:09:00Z".to_owned()), exit: Some(1), ..begun };
        open().note_job(&ended).unwrap();
        assert_eq!(open().jobs().unwrap(), [ended]);
    }

    #[test]
    fn what_is_first_noted_of_a_job_undoes_nothing_that_was_noted_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let first = JobRecord {
            id: "Northwind: 0 2 * * * UTC".to_owned(),
            settled: "2026-11-20T02:00:00Z".to_owned(),
            began: None,
            ended: None,
            exit: None,
            skipped: 0,
        };
        store.note_new_job(&first).unwrap();
        assert_eq!(store.jobs().unwrap(), std::slice::from_ref(&first));
        let begun = JobRecord { began: Some("2026-11-21T02:00:00Z".to_owned()), ..first.clone() };
        store.note_job(&begun).unwrap();
        store.note_new_job(&first).unwrap();
        assert_eq!(store.jobs().unwrap(), [begun]);
    }

    #[test]
    fn a_job_is_watched_by_one_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let (mut one, mut other) = (open(), open());
        assert!(one.watch_job("a").unwrap() && other.watch_job("b").unwrap());
        assert!(other.is_job_watched("a") && !other.is_job_held("a"), "the scan itself holds another lock");
        one.let_go("a");
        assert!(!other.is_job_watched("a") && other.watch_job("a").unwrap());
        drop(other);
        assert!(!one.is_job_watched("a") && !one.is_job_watched("b"));
    }

    #[test]
    fn of_two_that_begin_the_same_job_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let (mut one, mut other) = (open(), open());
        let known = JobRecord {
            id: "Northwind: 0 2 * * * UTC".to_owned(),
            settled: "2026-11-20T02:00:00Z".to_owned(),
            began: None,
            ended: None,
            exit: None,
            skipped: 0,
        };
        let begun = |time: &str| JobRecord { began: Some(time.to_owned()), ..known.clone() };
        assert_eq!(one.begin_job(None, &known).unwrap(), None, "nothing is known of it");
        let (first, second) = (begun("2026-11-21T02:00:00Z"), begun("2026-11-21T02:00:01Z"));
        assert_eq!(one.begin_job(Some(&known), &first).unwrap(), None);
        assert_eq!(other.begin_job(Some(&known), &second).unwrap(), Some(first.clone()));
        assert_eq!(other.jobs().unwrap(), std::slice::from_ref(&first), "nothing was noted");
        assert_eq!(other.begin_job(Some(&first), &second).unwrap(), None);
    }

    #[test]
    fn a_run_that_was_stopped_is_to_be_made_up_for_until_it_was() {
        let stopped = JobRecord {
            id: "Northwind: 0 2 * * * UTC".to_owned(),
            settled: "2026-11-20T02:00:00Z".to_owned(),
            began: Some("2026-11-21T02:00:00Z".to_owned()),
            ended: Some("2026-11-21T02:10:00Z".to_owned()),
            exit: Some(3),
            skipped: 0,
        };
        assert_eq!((stopped.stopped(), stopped.is_again()), (Some("2026-11-21T02:10:00Z"), false));
        let again = JobRecord { began: Some("2026-11-21T03:00:00Z".to_owned()), ended: None, ..stopped.clone() };
        assert_eq!((again.stopped(), again.is_again()), (None, true));
        let first = JobRecord { exit: None, ..again };
        assert_eq!((first.stopped(), first.is_again()), (None, false));
        let killed = JobRecord { exit: None, ..stopped.clone() };
        assert_eq!((killed.stopped(), killed.is_again()), (None, false));
        let over = JobRecord { settled: "2026-11-21T02:10:00Z".to_owned(), ..stopped };
        assert_eq!((over.stopped(), over.is_again()), (None, false));
    }
}
