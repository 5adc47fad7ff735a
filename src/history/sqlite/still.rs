//! What targets of which two runs say the same come to: made once for all that is said of a target, and not for each night.

use super::{Done, Sqlite, Wrong, fold, load};
use crate::drift::Still;
use crate::history::content::{self, Body, Kind};
use crate::history::dates::Dates;
use crate::history::{HistoryError, RunNumber};
use crate::model::run::Run;
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// So many targets are in memory at once while it is made.
const AT_ONCE: usize = 64;

/// What is known of the way out.
fn ways(run: &Run) -> Done<Body> {
    Ok(content::whole(Kind::Ways, &run.vantage.ways)?)
}

/// What the finished targets of a run come to, by their places, as far as it is kept.
pub(super) fn of_run(store: &Sqlite, number: RunNumber) -> Done<HashMap<usize, Arc<Still>>> {
    let run = load::places(store, number, &BTreeSet::new())?;
    // No number of anything is given twice: what is pruned meanwhile is not found, and nothing else is found in its place.
    let view = store.connection.unchecked_transaction()?;
    let dates = Dates::new(&run.started);
    let ways: Option<i64> = store
        .connection
        .prepare_cached("SELECT number FROM content_by_hash WHERE hash = ?1")?
        .query_row([ways(&run)?.hash], |row| row.get(0))
        .optional()?;
    let (mut stills, mut known) = (HashMap::new(), HashMap::new());
    let Some(ways) = ways else { return Ok(stills) };
    let mut statement = store.connection.prepare_cached(
        "SELECT place, content FROM run_target JOIN still ON still.snapshot = run_target.snapshot AND ways = ?2
         WHERE run = ?1",
    )?;
    let mut body = store.connection.prepare_cached("SELECT form, body FROM content WHERE id = ?1")?;
    let mut rows = statement.query([number.0, ways])?;
    while let Some(row) = rows.next()? {
        let (place, content): (i64, i64) = (row.get(0)?, row.get(1)?);
        let still = match known.entry(content) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let read = |row: &Row<'_>| Ok(content::unpack(row.get(0)?, row.get_ref(1)?.as_blob()?, &dates));
                let json = body.query_row([content], read)?;
                let still: Still = content::read(&json?)?;
                Arc::clone(new.insert(Arc::new(still)))
            }
        };
        stills.insert(usize::try_from(place).unwrap_or_default(), still);
    }
    drop(rows);
    view.finish()?;
    Ok(stills)
}

/// Keeps what the targets of a run come to, where it is not kept yet. A run is whole without it, so this comes after its end: what
/// is not kept for want of room is looked at anew whenever it is asked for.
pub(super) fn note(store: &mut Sqlite, number: RunNumber) -> Result<(), HistoryError> {
    let missing: Vec<(usize, i64)> = store.blamed(missing(store, number))?.into_iter().collect();
    for some in missing.chunks(AT_ONCE) {
        let (ways, made) = store.blamed(make(store, number, some))?;
        store.whole(|transaction, _| {
            let ways = fold::content(transaction, &ways)?;
            for (snapshot, still) in &made {
                let still = fold::content(transaction, still)?;
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO still SELECT id, ?2, ?3 FROM snapshot WHERE id = ?1")?
                    .execute(params![snapshot, ways, still])?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The places and snapshots of the finished targets of which it is not kept.
fn missing(store: &Sqlite, number: RunNumber) -> Done<BTreeMap<usize, i64>> {
    let run = load::places(store, number, &BTreeSet::new())?;
    let mut statement = store.connection.prepare_cached(
        "SELECT place, snapshot FROM run_target JOIN snapshot ON snapshot.id = snapshot
         WHERE run = ?1 AND NOT unfinished AND NOT EXISTS (SELECT 1 FROM still
             JOIN content_by_hash ON content_by_hash.number = ways
             WHERE still.snapshot = run_target.snapshot AND hash = ?2)",
    )?;
    let rows = statement.query_map(params![number.0, ways(&run)?.hash], |row| {
        Ok((usize::try_from(row.get::<_, i64>(0)?).unwrap_or_default(), row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What these targets come to, by their snapshots, and through which network they were seen.
fn make(store: &Sqlite, number: RunNumber, some: &[(usize, i64)]) -> Result<(Body, Vec<(i64, Body)>), Wrong> {
    let run = load::places(store, number, &some.iter().map(|(place, _)| *place).collect())?;
    let mut made = Vec::with_capacity(some.len());
    for (target, (_, snapshot)) in run.targets.iter().zip(some) {
        if let Some(still) = Still::of(&run, target) {
            let dates = content::dates(&run.started, target);
            made.push((*snapshot, content::dated(Kind::Still, &still, &dates)?));
        }
    }
    Ok((ways(&run)?, made))
}
