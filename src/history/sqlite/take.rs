//! Taking in a run of another store.

use super::{Done, Words, count, fold};
use crate::history::content::{self, Kind};
use crate::history::{Record, RunNumber};
use rusqlite::{OptionalExtension as _, Transaction, params};

/// Keeps a run; `None` where it is here already.
pub(super) fn record(store: &Transaction<'_>, record: &Record, words: Words) -> Done<Option<RunNumber>> {
    let Record { uid, state, beginning, run } = record;
    let known: Option<i64> =
        store.query_row("SELECT id FROM run WHERE uid = ?1", [uid], |row| row.get(0)).optional()?;
    if known.is_some() {
        return Ok(None);
    }
    let before = fold::content(store, &content::whole(Kind::Beginning, beginning)?)?;
    let header = fold::content(store, &content::header(run)?)?;
    store.execute(
        "INSERT INTO run (uid, state, started, elapsed_ms, interrupted, partial, tool_version, machine, process, beginning, header)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            uid,
            state.as_str(),
            run.started,
            i64::try_from(run.elapsed_ms).unwrap_or(i64::MAX),
            run.interrupted,
            run.is_partial(),
            run.tool_version,
            beginning.machine,
            beginning.process,
            before,
            header
        ],
    )?;
    let number = RunNumber(store.last_insert_rowid());
    for (place, target) in run.targets.iter().enumerate() {
        fold::target(store, number, &run.started, (place, target), words)?;
    }
    count(store, number)?;
    Ok(Some(number))
}
