//! Reading: lists of runs, and runs put together again.

use super::{Done, Sqlite, Wrong};
use crate::history::content::{self, Answer, ItemText, is_dated};
use crate::history::dates::Dates;
use crate::history::{At, Beginning, HistoryError, Mark, Named, Record, RunNumber, State, Summary, Wanted};
use crate::model::expected::RuleFinding;
use crate::model::observation::{Observation, ObservationId};
use crate::model::run::{GuideUsed, Run, Tally, TargetRun};
use crate::model::target::Target;
use crate::model::verdict::{Finding, Verdict};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The columns of counts, in the order of [`Counts::read`].
pub(super) const COUNTS: &str = "count(*), coalesce(sum(unfinished), 0), coalesce(sum(fail), 0), \
     coalesce(sum(inconclusive), 0), coalesce(sum(needs_evidence), 0), coalesce(sum(needs_attestation), 0), \
     coalesce(sum(pass), 0), coalesce(sum(not_applicable), 0), coalesce(sum(violated), 0)";

/// The verdicts of the columns, in order.
pub(super) const VERDICTS: [Verdict; 6] = [
    Verdict::Fail,
    Verdict::Inconclusive,
    Verdict::NeedsEvidence,
    Verdict::NeedsAttestation,
    Verdict::Pass,
    Verdict::NotApplicable,
];

/// More bodies than this are not kept in memory between two runs that are loaded.
const CACHE_LIMIT: usize = 50_000;

/// What is counted of targets.
#[derive(Clone, Debug, Default)]
struct Counts {
    targets: usize,
    unfinished: usize,
    findings: Tally,
    violated: usize,
    troubled: bool,
}

impl Counts {
    /// From the column `first` on.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let number = |place: usize| row.get::<_, i64>(first + place).map(|n| usize::try_from(n).unwrap_or_default());
        let mut findings = Tally::default();
        for (place, verdict) in (2..).zip(VERDICTS) {
            findings.extend([(verdict, number(place)?)]);
        }
        Ok(Self { targets: number(0)?, unfinished: number(1)?, findings, violated: number(8)?, troubled: false })
    }
}

/// The runs in which any wanted target is.
pub(super) fn runs(store: &Sqlite, wanted: &Wanted) -> Done<Vec<Summary>> {
    let everything = wanted.is_everything();
    let counted = if everything { counts_of_ended(store)? } else { counts_of(store, &targets(store, wanted)?)? };
    let mut statement = store.connection.prepare_cached(
        "SELECT id, uid, state, started, elapsed_ms, partial, interrupted, tool_version FROM run ORDER BY started, id",
    )?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let number = RunNumber(row.get(0)?);
        let counts = match counted.get(&number.0) {
            Some(counts) => counts.clone(),
            None if everything => counts_of_run(store, number)?,
            None => continue,
        };
        let state = store.state(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
        let partial = if everything { row.get(5)? } else { counts.troubled || counts.unfinished > 0 || row.get(6)? };
        runs.push(Summary {
            number,
            started: row.get(3)?,
            elapsed_ms: row.get::<_, Option<i64>>(4)?.and_then(|elapsed| u64::try_from(elapsed).ok()),
            state,
            partial,
            targets: counts.targets,
            unfinished: counts.unfinished,
            findings: counts.findings,
            violated: counts.violated,
            tool_version: row.get(7)?,
        });
    }
    Ok(runs)
}

/// The counts of runs that came to an end, which are kept with them.
fn counts_of_ended(store: &Sqlite) -> Done<HashMap<i64, Counts>> {
    let mut statement = store.connection.prepare_cached("SELECT * FROM run_count")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Counts::read(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn counts_of_run(store: &Sqlite, run: RunNumber) -> Done<Counts> {
    let sql = format!("SELECT {COUNTS} FROM run_target JOIN snapshot ON snapshot.id = snapshot WHERE run = ?1");
    let mut statement = store.connection.prepare_cached(&sql)?;
    Ok(statement.query_row([run.0], |row| Counts::read(row, 0))?)
}

/// The counts of some targets, run by run.
fn counts_of(store: &Sqlite, targets: &HashSet<i64>) -> Done<HashMap<i64, Counts>> {
    let mut counted: HashMap<i64, Counts> = HashMap::new();
    let mut statement = store.connection.prepare_cached("SELECT target, run, snapshot FROM run_target")?;
    let mut of_snapshot = store.connection.prepare_cached(
        "SELECT unfinished, fail, inconclusive, needs_evidence, needs_attestation, pass, not_applicable, violated, troubled
         FROM snapshot WHERE id = ?1",
    )?;
    // A target's snapshot is the same night after night.
    let mut known: HashMap<i64, [usize; 9]> = HashMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !targets.contains(&row.get(0)?) {
            continue;
        }
        let snapshot: i64 = row.get(2)?;
        let numbers = match known.get(&snapshot) {
            Some(numbers) => *numbers,
            None => *known.entry(snapshot).or_insert(of_snapshot.query_row([snapshot], |row| {
                let mut numbers = [0; 9];
                for (place, number) in numbers.iter_mut().enumerate() {
                    *number = usize::try_from(row.get::<_, i64>(place)?).unwrap_or_default();
                }
                Ok(numbers)
            })?),
        };
        let counts = counted.entry(row.get(1)?).or_default();
        let [unfinished, verdicts @ .., violated, troubled] = numbers;
        counts.targets += 1;
        counts.unfinished += unfinished;
        counts.findings.extend(VERDICTS.into_iter().zip(verdicts));
        counts.violated += violated;
        counts.troubled |= troubled > 0;
    }
    Ok(counted)
}

/// The targets that are wanted.
pub(super) fn targets(store: &Sqlite, wanted: &Wanted) -> Done<HashSet<i64>> {
    let mut statement = store.connection.prepare_cached("SELECT id, client, name FROM target")?;
    let mut rows = statement.query([])?;
    let mut targets = HashSet::new();
    while let Some(row) = rows.next()? {
        if wanted.wants(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?) {
            targets.insert(row.get(0)?);
        }
    }
    Ok(targets)
}

/// All targets of a run.
pub(super) fn marks(store: &Sqlite, run: RunNumber) -> Done<Vec<Mark>> {
    let mut statement = store.connection.prepare_cached(
        "SELECT client, name, iif(unfinished, NULL, snapshot) FROM run_target JOIN target ON target.id = target
         JOIN snapshot ON snapshot.id = snapshot WHERE run = ?1 ORDER BY place",
    )?;
    let marks =
        statement.query_map([run.0], |row| Ok(Mark { client: row.get(0)?, name: row.get(1)?, said: row.get(2)? }))?;
    Ok(marks.collect::<rusqlite::Result<_>>()?)
}

/// Every run that has any of these servers: in one pass, for there is no index by target.
pub(super) fn sights(store: &Sqlite, servers: &[Named]) -> Done<HashMap<Named, Vec<At>>> {
    let mut statement = store.connection.prepare_cached("SELECT id FROM target WHERE client = ?1 AND name = ?2")?;
    let mut names: HashMap<i64, &Named> = HashMap::new();
    for server in servers {
        let id: Option<i64> = statement.query_row([&server.0, &server.1], |row| row.get(0)).optional()?;
        names.extend(id.map(|id| (id, server)));
    }
    let list = serde_json::to_string(&names.keys().collect::<Vec<_>>()).map_err(|error| error.to_string())?;
    let mut statement = store.connection.prepare_cached(
        "SELECT target, run, place, iif(unfinished, NULL, snapshot) FROM run_target
         JOIN snapshot ON snapshot.id = snapshot WHERE target IN (SELECT value FROM json_each(?1))",
    )?;
    let mut rows = statement.query([&list])?;
    let mut sights: HashMap<Named, Vec<At>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let Some(name) = names.get(&row.get(0)?) else { continue };
        let place = usize::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        let at = At { run: RunNumber(row.get(1)?), place, said: row.get(3)? };
        sights.entry((*name).clone()).or_default().push(at);
    }
    Ok(sights)
}

/// What a run's own row says.
struct Opening {
    uid: String,
    state: State,
    started: String,
    elapsed_ms: u64,
    interrupted: bool,
    beginning: i64,
    header: i64,
}

fn opening(store: &Sqlite, run: RunNumber) -> Done<Opening> {
    let mut statement = store.connection.prepare_cached(
        "SELECT uid, state, started, elapsed_ms, interrupted, beginning, header FROM run WHERE id = ?1",
    )?;
    let found = statement.query_row([run.0], |row| {
        let uid: String = row.get(0)?;
        let state = store.state(&uid, &row.get::<_, String>(1)?);
        let elapsed: Option<i64> = row.get(3)?;
        let elapsed_ms = elapsed.and_then(|elapsed| u64::try_from(elapsed).ok()).unwrap_or_default();
        let (started, interrupted) = (row.get(2)?, row.get(4)?);
        Ok(Opening { uid, state, started, elapsed_ms, interrupted, beginning: row.get(5)?, header: row.get(6)? })
    });
    Ok(found.optional()?.ok_or_else(|| HistoryError::NoRun { name: run.to_string() })?)
}

/// Bodies that were read, each once. Those in which days are counted read otherwise in each run.
#[derive(Debug, Default)]
pub(super) struct Cache {
    texts: HashMap<i64, Arc<ItemText>>,
    answers: HashMap<i64, Arc<Answer>>,
    findings: HashMap<i64, Arc<(Finding, Arc<ItemText>)>>,
    rules: HashMap<i64, Arc<RuleFinding>>,
    heads: HashMap<i64, Arc<TargetRun>>,
    targets: HashMap<i64, Arc<Target>>,
    addresses: HashMap<i64, IpAddr>,
}

impl Cache {
    fn make_room(&mut self) {
        if self.answers.len() + self.findings.len() > CACHE_LIMIT {
            *self = Self::default();
        }
    }
}

/// Reads the parts of one run.
struct Reader<'a> {
    store: &'a Sqlite,
    dates: Dates,
    cache: &'a mut Cache,
    /// Where days are counted.
    dated: Cache,
}

/// The body with this number, from memory or from the store.
macro_rules! cached {
    ($reader:ident.$map:ident[$number:expr], $read:expr) => {{
        let number = $number;
        let known = $reader.cache.$map.get(&number).or_else(|| $reader.dated.$map.get(&number));
        match known {
            Some(known) => Arc::clone(known),
            None => {
                let (form, value) = $reader.body(number)?;
                let value = Arc::new($read(&mut *$reader, value)?);
                let cache = if is_dated(form) { &mut $reader.dated } else { &mut *$reader.cache };
                cache.$map.insert(number, Arc::clone(&value));
                value
            }
        }
    }};
}

impl Reader<'_> {
    /// A body's form and what it says.
    fn body<T: DeserializeOwned>(&self, number: i64) -> Done<(i64, T)> {
        let mut statement = self.store.connection.prepare_cached("SELECT form, body FROM content WHERE id = ?1")?;
        let (form, json) = statement.query_row([number], |row| {
            let form = row.get(0)?;
            Ok((form, content::unpack(form, row.get_ref(1)?.as_blob()?, &self.dates)))
        })?;
        Ok((form, content::read(&json?)?))
    }

    fn target(&mut self, snapshot: i64, started: &str) -> Done<TargetRun> {
        let connection = &self.store.connection;
        let (definition, head) = connection
            .prepare_cached("SELECT definition, head FROM snapshot WHERE id = ?1")?
            .query_row([snapshot], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let plain = |_: &mut Self, value| Ok::<_, Wrong>(value);
        let definition: Arc<Target> =
            cached!(self.targets[definition], |_: &mut Self, value| Ok::<Target, Wrong>(value));
        let head: Arc<TargetRun> = cached!(self.heads[head], plain);
        let mut target = content::headed((*head).clone(), (*definition).clone(), started);
        let mut statement = connection.prepare_cached(
            "SELECT number, address, content, started_ms, elapsed_ms, elapsed_max_ms, tries FROM snapshot_observation
             JOIN observation ON observation.id = observation WHERE snapshot = ?1 ORDER BY place",
        )?;
        let mut rows = statement.query([snapshot])?;
        while let Some(row) = rows.next()? {
            let (id, address) = (ObservationId(row.get(0)?), self.address(row.get(1)?)?);
            let answer = cached!(self.answers[row.get(2)?], |_: &mut Self, value| Ok::<Answer, Wrong>(value));
            let time = |place| row.get::<_, i64>(place).map(|time| u64::try_from(time).unwrap_or_default());
            target.observations.push(Observation {
                id,
                address,
                question: answer.question,
                started_ms: time(3)?,
                elapsed_ms: time(4)?,
                elapsed_max_ms: time(5)?,
                tries: row.get(6)?,
                attempt: answer.attempt.clone(),
            });
        }
        let mut statement = connection
            .prepare_cached("SELECT finding, rests_on FROM snapshot_finding WHERE snapshot = ?1 ORDER BY place")?;
        let mut rows = statement.query([snapshot])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let finding = cached!(self.findings[number], |reader: &mut Self, value: Finding| {
                let text = reader.text(number)?;
                Ok::<_, Wrong>((value, text))
            });
            target.findings.push(content::found(
                finding.0.clone(),
                &finding.1,
                row.get_ref(1)?.as_blob().map_err(other)?,
            ));
        }
        let mut statement =
            connection.prepare_cached("SELECT rule, rests_on FROM snapshot_rule WHERE snapshot = ?1 ORDER BY place")?;
        let mut rows = statement.query([snapshot])?;
        while let Some(row) = rows.next()? {
            let rule = cached!(self.rules[row.get(0)?], |_: &mut Self, value| Ok::<RuleFinding, Wrong>(value));
            target.rules.push(content::ruled((*rule).clone(), row.get_ref(1)?.as_blob().map_err(other)?));
        }
        Ok(target)
    }

    /// What the guide says of the item of a finding.
    fn text(&mut self, finding: i64) -> Done<Arc<ItemText>> {
        let mut statement = self.store.connection.prepare_cached("SELECT text FROM finding WHERE content = ?1")?;
        let text: i64 = statement.query_row([finding], |row| row.get(0))?;
        Ok(cached!(self.texts[text], |_: &mut Self, value| Ok::<ItemText, Wrong>(value)))
    }

    fn address(&mut self, number: i64) -> Done<IpAddr> {
        if let Some(known) = self.cache.addresses.get(&number) {
            return Ok(*known);
        }
        let mut statement = self.store.connection.prepare_cached("SELECT address FROM address WHERE id = ?1")?;
        let text: String = statement.query_row([number], |row| row.get(0))?;
        let address = text.parse().map_err(|error| format!("an address: {error}"))?;
        self.cache.addresses.insert(number, address);
        Ok(address)
    }
}

fn other(error: rusqlite::types::FromSqlError) -> Wrong {
    Wrong::Sql(error.into())
}

/// The wanted targets of a run.
pub(super) fn run(store: &Sqlite, number: RunNumber, wanted: &Wanted) -> Done<Run> {
    let targets = targets(store, wanted)?;
    some(store, number, |target, _| targets.contains(&target))
}

/// The targets at these places of a run.
pub(super) fn places(store: &Sqlite, number: RunNumber, places: &BTreeSet<usize>) -> Done<Run> {
    some(store, number, |_, place| places.contains(&place))
}

/// What a target says beside its lists.
pub(super) fn head_of(store: &Sqlite, head: i64) -> Done<TargetRun> {
    let mut cache = Cache::default();
    let reader = Reader { store, dates: Dates::default(), cache: &mut cache, dated: Cache::default() };
    Ok(reader.body(head)?.1)
}

/// The guides that runs with this header used.
pub(super) fn header_of(store: &Sqlite, header: i64) -> Done<Vec<GuideUsed>> {
    let mut cache = Cache::default();
    let reader = Reader { store, dates: Dates::default(), cache: &mut cache, dated: Cache::default() };
    let (_, run): (_, Run) = reader.body(header)?;
    Ok(run.guides)
}

/// Those targets of a run that are wanted, by their number and place.
fn some(store: &Sqlite, number: RunNumber, wants: impl Fn(i64, usize) -> bool) -> Done<Run> {
    // One view of the store for all of it: a scan may be writing.
    let view = store.connection.unchecked_transaction()?;
    let opening = opening(store, number)?;
    let mut cache = store.cache.borrow_mut();
    cache.make_room();
    let dates = Dates::new(&opening.started);
    let mut reader = Reader { store, dates, cache: &mut cache, dated: Cache::default() };
    let (_, mut run): (_, Run) = reader.body(opening.header)?;
    run.started = opening.started;
    run.elapsed_ms = opening.elapsed_ms;
    run.interrupted = opening.interrupted;
    let mut statement = store
        .connection
        .prepare_cached("SELECT snapshot, target, place FROM run_target WHERE run = ?1 ORDER BY place")?;
    let mut rows = statement.query([number.0])?;
    while let Some(row) = rows.next()? {
        let place = usize::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        if wants(row.get(1)?, place) {
            let mut target = reader.target(row.get(0)?, &run.started)?;
            if target.observations.is_empty() {
                target.observations = learned(store, number, place)?;
            }
            run.targets.push(target);
        }
    }
    drop(rows);
    view.finish()?;
    Ok(run)
}

/// What was learned of a target that is not finished.
pub(super) fn learned(store: &Sqlite, run: RunNumber, place: usize) -> Done<Vec<Observation>> {
    let mut statement =
        store.connection.prepare_cached("SELECT observation FROM journal WHERE run = ?1 AND place = ?2 ORDER BY id")?;
    let place = i64::try_from(place).map_err(|error| error.to_string())?;
    let mut rows = statement.query([run.0, place])?;
    let mut observations = Vec::new();
    while let Some(row) = rows.next()? {
        let mut observation: Observation = content::read(row.get_ref(0)?.as_blob().map_err(other)?)?;
        observation.id = ObservationId(u32::try_from(observations.len() + 1).unwrap_or(u32::MAX));
        observations.push(observation);
    }
    Ok(observations)
}

/// What was known before a run began.
pub(super) fn beginning(store: &Sqlite, number: RunNumber) -> Done<Beginning> {
    let opening = opening(store, number)?;
    let mut cache = Cache::default();
    let reader = Reader { store, dates: Dates::default(), cache: &mut cache, dated: Cache::default() };
    Ok(reader.body(opening.beginning)?.1)
}

/// The places of the targets that are not finished.
pub(super) fn unfinished(store: &Sqlite, run: RunNumber) -> Done<Vec<usize>> {
    let mut statement = store.connection.prepare_cached(
        "SELECT place FROM run_target JOIN snapshot ON snapshot.id = snapshot WHERE run = ?1 AND unfinished ORDER BY place",
    )?;
    let places = statement.query_map(params![run.0], |row| row.get::<_, i64>(0))?;
    let places = places.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(places.into_iter().filter_map(|place| usize::try_from(place).ok()).collect())
}

/// Everything of a run.
pub(super) fn record(store: &Sqlite, number: RunNumber) -> Done<Record> {
    let Opening { uid, state, .. } = opening(store, number)?;
    let state = if state == State::Finished { state } else { State::Interrupted };
    Ok(Record { uid, state, beginning: beginning(store, number)?, run: run(store, number, &Wanted::default())? })
}
