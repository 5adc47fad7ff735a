//! Forgetting old runs, and what only they said.

use super::{Done, Sqlite};
use crate::history::dates::seconds;
use crate::history::outbox::Standing;
use crate::history::{Archive as _, HistoryError, Prune, Pruned, RunNumber, State, Wanted, latest};
use crate::model::matter::MatterState;
use jiff::Timestamp;
use rusqlite::Transaction;
use std::collections::BTreeSet;

/// What nothing refers to any more, in an order in which nothing is left that refers to what is gone.
const SWEEP: &str = "
    DELETE FROM snapshot WHERE id NOT IN (SELECT snapshot FROM run_target);
    DELETE FROM snapshot_observation WHERE snapshot NOT IN (SELECT id FROM snapshot);
    DELETE FROM snapshot_finding WHERE snapshot NOT IN (SELECT id FROM snapshot);
    DELETE FROM snapshot_rule WHERE snapshot NOT IN (SELECT id FROM snapshot);
    DELETE FROM still WHERE snapshot NOT IN (SELECT id FROM snapshot);
    DELETE FROM observation WHERE id NOT IN (SELECT observation FROM snapshot_observation);
    DELETE FROM observation_by_hash WHERE number NOT IN (SELECT id FROM observation);
    DELETE FROM answer WHERE content NOT IN (SELECT content FROM observation);
    DELETE FROM finding WHERE content NOT IN (SELECT finding FROM snapshot_finding);
    DELETE FROM rule WHERE content NOT IN (SELECT rule FROM snapshot_rule);
    DELETE FROM content WHERE id NOT IN (
        SELECT content FROM answer UNION ALL SELECT content FROM finding UNION ALL SELECT text FROM finding
        UNION ALL SELECT content FROM rule UNION ALL SELECT definition FROM snapshot UNION ALL SELECT head FROM snapshot
        UNION ALL SELECT beginning FROM run UNION ALL SELECT header FROM run
        UNION ALL SELECT ways FROM still UNION ALL SELECT content FROM still);
    DELETE FROM snapshot_by_hash WHERE number NOT IN (SELECT id FROM snapshot);
    DELETE FROM content_by_hash WHERE number NOT IN (SELECT id FROM content);
    DELETE FROM address WHERE id NOT IN (SELECT address FROM snapshot_observation);
    DELETE FROM target WHERE id NOT IN (SELECT target FROM run_target);";

/// Forgets what the rule takes.
pub(super) fn prune(store: &mut Sqlite, rule: Prune, now: Timestamp, dry_run: bool) -> Result<Pruned, HistoryError> {
    let runs = store.runs(&Wanted::default())?;
    let old: Vec<(RunNumber, State)> = match rule {
        Prune::Keep(count) => {
            let counted = runs.iter().rev().filter(|run| !run.is_ahead(now));
            counted.skip(count).map(|run| (run.number, run.state)).collect()
        }
        Prune::Since(time) => {
            let old = runs.iter().filter(|run| seconds(&run.started).is_some_and(|started| started < time));
            old.map(|run| (run.number, run.state)).collect()
        }
    };
    let mut needed = store.blamed(lasts(store, now))?;
    needed.extend(store.blamed(shown(store))?);
    let ahead = runs.iter().filter(|run| run.is_ahead(now)).map(|run| run.number);
    let mut pruned = Pruned { ahead: ahead.collect(), ..Pruned::default() };
    for (number, state) in old {
        let spared = state == State::Running || needed.contains(&number);
        if spared { pruned.spared.push(number) } else { pruned.runs.push(number) }
    }
    pruned.runs.sort_unstable();
    pruned.spared.sort_unstable();
    if dry_run || pruned.runs.is_empty() {
        return Ok(pruned);
    }
    let before = size(store);
    store.cache = std::cell::RefCell::default();
    let numbers = pruned.runs.clone();
    store.whole(|transaction, _| forget(transaction, &numbers))?;
    let shrunk = (|| -> Done<()> {
        // Steps through the pragma's rows: each gives back a page.
        let mut statement = store.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        store.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    })();
    store.blamed(shrunk)?;
    pruned.freed = before.saturating_sub(size(store));
    Ok(pruned)
}

fn size(store: &Sqlite) -> u64 {
    std::fs::metadata(store.path()).map_or(0, |file| file.len())
}

/// For each target the last run that is worth keeping for its sake: the last in which it was finished, and where there is none,
/// the last in which it is at all. One that is dated in the future is the last only where there is no other.
fn lasts(store: &Sqlite, now: Timestamp) -> Done<BTreeSet<RunNumber>> {
    let mut lasts = BTreeSet::new();
    let mut statement = store.connection.prepare(
        "SELECT id, max((started <= ?1) || finished || started || printf('%020d', id)) FROM (
             SELECT target, run.id AS id, started, NOT unfinished AS finished FROM run_target
             JOIN run ON run.id = run JOIN snapshot ON snapshot.id = snapshot)
         GROUP BY target",
    )?;
    let mut rows = statement.query([latest(now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()])?;
    while let Some(row) = rows.next()? {
        lasts.insert(RunNumber(row.get(0)?));
    }
    Ok(lasts)
}

/// The runs that showed what is open of servers, and those that it reads worse than: without them nobody could tell when it is
/// mended. And the last that learned anything of each server: without it nobody could tell what an outage hid.
fn shown(store: &Sqlite) -> Done<BTreeSet<RunNumber>> {
    let Standing { matters, servers, .. } = super::alerts::standing(store)?;
    let telling = servers.iter().filter_map(|server| server.telling).map(RunNumber);
    let runs = matters.iter().flat_map(|matter| {
        let (run, against) = match matter.state {
            MatterState::Worse { against, .. } => (matter.run, against),
            MatterState::Flapping { .. } | MatterState::NotWhole { .. } => (matter.run, None),
            _ => (None, None),
        };
        run.into_iter().chain(against)
    });
    Ok(runs.filter_map(|run| i64::try_from(run).ok()).map(RunNumber).chain(telling).collect())
}

fn forget(transaction: &Transaction<'_>, runs: &[RunNumber]) -> Done<()> {
    for run in runs {
        for table in ["run_target", "run_count", "journal"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [run.0])?;
        }
        transaction.execute("DELETE FROM run WHERE id = ?1", [run.0])?;
    }
    transaction.execute_batch(SWEEP)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::tests::world::World;
    use crate::history::Beginning;
    use crate::history::outbox::Look;
    use crate::history::sqlite::Mode;
    use crate::model::alert::Kind;
    use crate::model::drift::Subject;
    use crate::model::matter::Matter;
    use crate::model::verdict::Severity;

    fn now() -> Timestamp {
        "2026-11-07T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_run_that_is_dated_in_the_future_takes_no_real_one_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let run = World::sound().run();
        let targets = [run.targets[0].target.clone()];
        for started in ["2026-11-05T02:00:00Z", "2026-11-06T02:00:00Z", "2027-11-06T02:00:00Z", "2028-11-06T02:00:00Z"]
        {
            let run = crate::model::run::Run { started: started.to_owned(), ..run.clone() };
            let number = store.begin(&run.started, &Beginning::default(), &targets).unwrap();
            store.finish(number, &run, &[(0, &run.targets[0])]).unwrap();
        }
        let numbers = |numbers: &[i64]| numbers.iter().copied().map(RunNumber).collect::<Vec<_>>();
        let pruned = store.prune(Prune::Keep(1), now(), false).unwrap();
        assert_eq!((pruned.runs, pruned.spared, pruned.ahead), (numbers(&[1]), numbers(&[]), numbers(&[3, 4])));
        // By age too the last real run of a server stays.
        let since = "2026-11-07T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        let pruned = store.prune(Prune::Since(since), now(), false).unwrap();
        assert_eq!((pruned.runs, pruned.spared), (numbers(&[]), numbers(&[2])));
    }

    #[test]
    fn what_showed_something_that_is_open_is_not_forgotten_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        let run = World::sound().run();
        let targets = [run.targets[0].target.clone()];
        for night in 1..=6 {
            let run = crate::model::run::Run { started: format!("2026-11-0{night}T02:00:00Z"), ..run.clone() };
            let number = store.begin(&run.started, &Beginning::default(), &targets).unwrap();
            store.finish(number, &run, &[(0, &run.targets[0])]).unwrap();
        }
        let subject = Subject::Item { guide: "iis".to_owned(), item: "IIS-01".to_owned() };
        let matter = Matter {
            key: "a".to_owned(),
            kind: Kind::Drift,
            severity: Severity::High,
            client: targets[0].client.clone(),
            target: Some(targets[0].name.clone()),
            title: "t".to_owned(),
            details: Vec::new(),
            action: None,
            since: run.started.clone(),
            run: Some(3),
            told_as: None,
            state: MatterState::Worse { subject, after: None, against: Some(2) },
        };
        assert!(store.note_look(&Look { open: vec![matter], ..Look::default() }).unwrap());
        let numbers = |numbers: &[i64]| numbers.iter().copied().map(RunNumber).collect::<Vec<_>>();
        for dry_run in [true, false] {
            let pruned = store.prune(Prune::Keep(1), now(), dry_run).unwrap();
            assert_eq!((pruned.runs, pruned.spared), (numbers(&[1, 4, 5]), numbers(&[2, 3])));
        }
        let look = Look { looks: 1, closed: vec!["a".to_owned()], ..Look::default() };
        assert!(store.note_look(&look).unwrap());
        assert_eq!(store.prune(Prune::Keep(1), now(), false).unwrap().runs, numbers(&[2, 3]));
    }
}
