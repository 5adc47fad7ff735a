//! How targets fared run after run: counts and verdicts of many runs, from columns alone.

use super::load::{VERDICTS, head_of, header_of, targets};
use super::{Done, Sqlite};
use crate::history::courses::{
    Courses, RULE_SEVERITY, RunLine, Seen, Sight, Snapshot, SnapshotNumber, TargetName, Told,
};
use crate::history::{RunNumber, State, Wanted};
use crate::model::expected::RuleVerdict;
use crate::model::run::{GuideUsed, Tally};
use crate::model::statement::About;
use crate::model::verdict::{Severity, Verdict};
use rusqlite::OptionalExtension as _;
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of a finding or a rule, by the number of its body.
type Known = HashMap<i64, Arc<Told>>;

/// The runs of the wanted targets that began at this time or before, in seconds since 1970.
pub(super) fn courses(store: &Sqlite, wanted: &Wanted, until: i64) -> Done<Courses> {
    let view = store.connection.unchecked_transaction()?;
    let mut courses = Courses::default();
    let mut places: HashMap<i64, usize> = HashMap::new();
    for number in sorted(targets(store, wanted)?) {
        let name = store
            .connection
            .prepare_cached("SELECT client, name FROM target WHERE id = ?1")?
            .query_row([number], |row| Ok(TargetName { client: row.get(0)?, name: row.get(1)? }))?;
        places.insert(number, courses.targets.len());
        courses.targets.push(name);
    }
    // All in one pass over the table, which has no index by target; the few that are wanted are picked out by the store.
    let list = serde_json::to_string(&sorted(places.keys().copied())).map_err(|error| error.to_string())?;
    let mut statement = store.connection.prepare_cached(
        "SELECT target, run, place, snapshot FROM run_target WHERE target IN (SELECT value FROM json_each(?1))",
    )?;
    let mut rows = statement.query([&list])?;
    let mut found: Vec<(i64, i64, i64, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    }
    drop(rows);
    let runs = runs(store, &mut courses, found.iter().map(|(_, run, ..)| *run), until)?;
    let mut snapshots: HashMap<i64, usize> = HashMap::new();
    for (target, run, place, snapshot) in found {
        let (Some(target), Some(run)) = (places.get(&target), runs.get(&run)) else { continue };
        let known = if let Some(known) = snapshots.get(&snapshot) {
            *known
        } else {
            courses.snapshots.push(self::snapshot(store, snapshot)?);
            *snapshots.entry(snapshot).or_insert(courses.snapshots.len() - 1)
        };
        let place = usize::try_from(place).unwrap_or_default();
        courses.sights.push(Sight { target: *target, run: *run, place, snapshot: known });
    }
    courses.sights.sort_unstable_by_key(|sight| (sight.run, sight.place));
    view.finish()?;
    Ok(courses)
}

fn sorted(numbers: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut numbers: Vec<i64> = numbers.into_iter().collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Reads the runs, and says where each is in the list.
fn runs(
    store: &Sqlite,
    courses: &mut Courses,
    numbers: impl Iterator<Item = i64>,
    until: i64,
) -> Done<HashMap<i64, usize>> {
    let list = serde_json::to_string(&sorted(numbers)).map_err(|error| error.to_string())?;
    let mut statement = store.connection.prepare_cached(
        "SELECT id, uid, state, started, tool_version, header FROM run WHERE id IN (SELECT value FROM json_each(?1))",
    )?;
    let mut rows = statement.query([&list])?;
    let (mut headers, mut lines): (HashMap<i64, usize>, Vec<RunLine>) = (HashMap::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (started, header): (String, i64) = (row.get(3)?, row.get(5)?);
        let at = started.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_second);
        if at > until {
            continue;
        }
        let state = store.state(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
        let guides = match headers.get(&header) {
            Some(known) => *known,
            None => *headers.entry(header).or_insert(place_of(&mut courses.guides, header_of(store, header)?)),
        };
        let number = RunNumber(row.get(0)?);
        lines.push(RunLine { number, started, at, state, tool_version: row.get(4)?, guides });
    }
    lines.sort_by_key(|line| (line.at, line.number));
    courses.runs = lines;
    Ok(courses.runs.iter().enumerate().map(|(place, line)| (line.number.0, place)).collect())
}

fn place_of(lists: &mut Vec<Vec<GuideUsed>>, list: Vec<GuideUsed>) -> usize {
    lists.iter().position(|known| *known == list).unwrap_or_else(|| {
        lists.push(list);
        lists.len() - 1
    })
}

fn snapshot(store: &Sqlite, number: i64) -> Done<Snapshot> {
    let mut statement = store.connection.prepare_cached(
        "SELECT unfinished, troubled, head, fail, inconclusive, needs_evidence, needs_attestation, pass, not_applicable, violated
         FROM snapshot WHERE id = ?1",
    )?;
    let (unfinished, troubled, head, findings, violated) = statement.query_row([number], |row| {
        let mut findings = Tally::default();
        for (place, verdict) in (3..).zip(VERDICTS) {
            findings.extend([(verdict, usize::try_from(row.get::<_, i64>(place)?).unwrap_or_default())]);
        }
        let violated = usize::try_from(row.get::<_, i64>(9)?).unwrap_or_default();
        Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?, row.get::<_, i64>(2)?, findings, violated))
    })?;
    let seen = match (unfinished, troubled) {
        (true, _) => Seen::Unfinished,
        (false, false) => Seen::Whole,
        (false, true) => Seen::of(&head_of(store, head)?),
    };
    Ok(Snapshot { number: SnapshotNumber(number), seen, findings, violated })
}

/// What each of these snapshots says of items and rules.
pub(super) fn told(store: &Sqlite, snapshots: &[SnapshotNumber]) -> Done<HashMap<SnapshotNumber, Vec<Arc<Told>>>> {
    let view = store.connection.unchecked_transaction()?;
    let (mut findings, mut rules) = (Known::new(), Known::new());
    let mut told = HashMap::with_capacity(snapshots.len());
    for snapshot in snapshots {
        let mut list = Vec::new();
        for (sql, known, read) in [
            ("SELECT finding FROM snapshot_finding WHERE snapshot = ?1", &mut findings, finding as Reader),
            ("SELECT rule FROM snapshot_rule WHERE snapshot = ?1", &mut rules, rule as Reader),
        ] {
            let mut statement = store.connection.prepare_cached(sql)?;
            let mut rows = statement.query([snapshot.0])?;
            while let Some(row) = rows.next()? {
                let number: i64 = row.get(0)?;
                let one = match known.get(&number) {
                    Some(one) => Some(Arc::clone(one)),
                    None => read(store, number)?.map(|one| Arc::clone(known.entry(number).or_insert(Arc::new(one)))),
                };
                list.extend(one);
            }
        }
        told.insert(*snapshot, list);
    }
    view.finish()?;
    Ok(told)
}

type Reader = fn(&Sqlite, i64) -> Done<Option<Told>>;

fn finding(store: &Sqlite, number: i64) -> Done<Option<Told>> {
    let mut statement =
        store.connection.prepare_cached("SELECT guide, item, verdict, severity FROM finding WHERE content = ?1")?;
    let found = statement.query_row([number], |row| {
        let (verdict, severity): (String, String) = (row.get(2)?, row.get(3)?);
        Ok((About::Item { guide: row.get(0)?, item: row.get(1)? }, verdict, severity))
    });
    let Some((about, verdict, severity)) = found.optional()? else { return Ok(None) };
    let verdict = Verdict::ALL.into_iter().find(|known| known.as_str() == verdict);
    let severity = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .find(|known| known.to_string() == severity);
    Ok(verdict.zip(severity).map(|(verdict, severity)| Told { about, severity, verdict }))
}

fn rule(store: &Sqlite, number: i64) -> Done<Option<Told>> {
    let mut statement = store.connection.prepare_cached("SELECT rule, verdict FROM rule WHERE content = ?1")?;
    let found = statement.query_row([number], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let Some((rule, verdict)) = found.optional()? else { return Ok(None) };
    let verdict = RuleVerdict::ALL.into_iter().find(|known| known.words() == verdict);
    Ok(verdict.map(|verdict| Told { about: About::Rule(rule), severity: RULE_SEVERITY, verdict: verdict.weight() }))
}

/// A run that goes on says nothing yet of what it has not finished.
pub(super) fn without_going_on(courses: &mut Courses) {
    let Courses { runs, snapshots, sights, .. } = courses;
    sights.retain(|sight| {
        let going_on = runs.get(sight.run).is_some_and(|run| run.state == State::Running);
        let unfinished = snapshots.get(sight.snapshot).is_some_and(|one| one.seen == Seen::Unfinished);
        !(going_on && unfinished)
    });
}
