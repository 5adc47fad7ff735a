//! Writing: a target becomes a list of what is kept already, and of what is new.

use super::{Done, Words};
use crate::history::RunNumber;
use crate::history::content::{self, Body, Kind};
use crate::history::dates::{self, Dates};
use crate::model::expected::RuleVerdict;
use crate::model::observation::Observation;
use crate::model::run::{Tally, TargetRun, Trouble};
use crate::model::target::Target;
use crate::model::verdict::Verdict;
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The number of a body, which is kept if it is new.
pub(super) fn content(store: &Transaction<'_>, body: &Body) -> Done<i64> {
    Ok(place(store, body)?.0)
}

/// The number of a body, and whether it is new.
fn place(store: &Transaction<'_>, body: &Body) -> Done<(i64, bool)> {
    let known = store
        .prepare_cached("SELECT number FROM content_by_hash WHERE hash = ?1")?
        .query_row([body.hash], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok((known, false));
    }
    let (form, packed) = content::pack(&body.json);
    store.prepare_cached("INSERT INTO content (form, body) VALUES (?1, ?2)")?.execute(params![form, packed])?;
    let number = store.last_insert_rowid();
    store
        .prepare_cached("INSERT INTO content_by_hash (hash, number) VALUES (?1, ?2)")?
        .execute(params![body.hash, number])?;
    Ok((number, true))
}

/// Sets what is said of the target at this place of a run.
pub(super) fn target(
    store: &Transaction<'_>,
    run: RunNumber,
    started: &str,
    (place, target): (usize, &TargetRun),
    words: Words,
) -> Done<()> {
    let snapshot = snapshot(store, started, target, words)?;
    let finished = !target.troubles.contains(&Trouble::Interrupted);
    store
        .prepare_cached("INSERT OR IGNORE INTO target (client, name) VALUES (?1, ?2)")?
        .execute(params![target.target.client, target.target.name])?;
    let target: i64 = store
        .prepare_cached("SELECT id FROM target WHERE client = ?1 AND name = ?2")?
        .query_row(params![target.target.client, target.target.name], |row| row.get(0))?;
    let place = i64::try_from(place).map_err(|error| error.to_string())?;
    store
        .prepare_cached("INSERT OR REPLACE INTO run_target (run, place, target, snapshot) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.0, place, target, snapshot])?;
    // What was learned of a target that an interrupt cut short is worth more than what it ended with: each of it is final.
    if finished {
        store.prepare_cached("DELETE FROM journal WHERE run = ?1 AND place = ?2")?.execute([run.0, place])?;
    }
    Ok(())
}

/// Notes what was learned of a target that is not finished.
pub(super) fn learned(store: &Transaction<'_>, run: RunNumber, place: usize, observation: &Observation) -> Done<()> {
    let place = i64::try_from(place).map_err(|error| error.to_string())?;
    let observation = serde_json::to_vec(observation).map_err(|error| error.to_string())?;
    store.prepare_cached("INSERT INTO journal (run, place, observation) VALUES (?1, ?2, ?3)")?.execute(params![
        run.0,
        place,
        observation
    ])?;
    Ok(())
}

/// The lists of a target, by the numbers of what is in them.
struct Lists {
    definition: i64,
    head: i64,
    /// Number, address and body.
    observations: Vec<(u32, i64, i64)>,
    findings: Vec<(i64, Vec<u8>)>,
    rules: Vec<(i64, Vec<u8>)>,
}

impl Lists {
    /// What two targets must have in common to be the same.
    fn hash(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        let mut add = |number: i64| bytes.extend_from_slice(&number.to_le_bytes());
        add(self.definition);
        add(self.head);
        add(i64::try_from(self.observations.len()).unwrap_or(i64::MAX));
        for (number, address, observation) in &self.observations {
            add(i64::from(*number));
            add(*address);
            add(*observation);
        }
        for list in [&self.findings, &self.rules] {
            bytes.extend_from_slice(&list.len().to_le_bytes());
            for (body, rests_on) in list {
                bytes.extend_from_slice(&body.to_le_bytes());
                bytes.extend_from_slice(&rests_on.len().to_le_bytes());
                bytes.extend_from_slice(rests_on);
            }
        }
        content::hash(Kind::Snapshot, &bytes)
    }
}

/// The number of what is said of a target, which is kept if it is new.
fn snapshot(store: &Transaction<'_>, started: &str, target: &TargetRun, words: Words) -> Done<i64> {
    let dates = content::dates(started, target);
    let lists = lists(store, target, &dates, words)?;
    let hash = lists.hash();
    let known = store
        .prepare_cached("SELECT number FROM snapshot_by_hash WHERE hash = ?1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let tally = Tally::of(&target.findings);
    let violated = target.rules.iter().filter(|rule| rule.verdict() == RuleVerdict::Violated).count();
    let count = |verdict| i64::try_from(tally.count(verdict)).unwrap_or(i64::MAX);
    store
        .prepare_cached(
            "INSERT INTO snapshot (definition, head, unfinished, troubled, fail, inconclusive, needs_evidence,
             needs_attestation, pass, not_applicable, violated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            lists.definition,
            lists.head,
            target.troubles.contains(&Trouble::Interrupted),
            !target.troubles.is_empty(),
            count(Verdict::Fail),
            count(Verdict::Inconclusive),
            count(Verdict::NeedsEvidence),
            count(Verdict::NeedsAttestation),
            count(Verdict::Pass),
            count(Verdict::NotApplicable),
            i64::try_from(violated).unwrap_or(i64::MAX),
        ])?;
    let number = store.last_insert_rowid();
    store
        .prepare_cached("INSERT INTO snapshot_by_hash (hash, number) VALUES (?1, ?2)")?
        .execute(params![hash, number])?;
    let mut insert = store.prepare_cached("INSERT INTO snapshot_observation VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (place, (own, address, observation)) in (0i64..).zip(&lists.observations) {
        insert.execute(params![number, place, own, address, observation])?;
    }
    for (table, list) in [("snapshot_finding", &lists.findings), ("snapshot_rule", &lists.rules)] {
        let mut insert = store.prepare_cached(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3, ?4)"))?;
        for (place, (body, rests_on)) in (0i64..).zip(list) {
            insert.execute(params![number, place, body, rests_on])?;
        }
    }
    Ok(number)
}

fn lists(store: &Transaction<'_>, target: &TargetRun, dates: &Dates, words: Words) -> Done<Lists> {
    let mut addresses = BTreeMap::new();
    let mut observations = Vec::with_capacity(target.observations.len());
    for observation in &target.observations {
        let address = match addresses.get(&observation.address) {
            Some(known) => *known,
            None => *addresses.entry(observation.address).or_insert(address(store, observation.address)?),
        };
        observations.push((
            observation.id.0,
            address,
            self::observation(store, (&target.target, observation), dates, words)?,
        ));
    }
    let mut findings = Vec::with_capacity(target.findings.len());
    for finding in &target.findings {
        findings.push((self::finding(store, finding, dates)?, content::rests_on(&finding.checks)));
    }
    let mut rules = Vec::with_capacity(target.rules.len());
    for rule in &target.rules {
        rules.push((self::rule(store, rule, dates)?, content::rests_on(std::slice::from_ref(&rule.check))));
    }
    let definition = content(store, &content::whole(Kind::Target, &target.target)?)?;
    let head = content(store, &content::head(target, dates)?)?;
    Ok(Lists { definition, head, observations, findings, rules })
}

fn address(store: &Transaction<'_>, address: IpAddr) -> Done<i64> {
    let text = address.to_string();
    store.prepare_cached("INSERT OR IGNORE INTO address (address) VALUES (?1)")?.execute([&text])?;
    Ok(store.prepare_cached("SELECT id FROM address WHERE address = ?1")?.query_row([&text], |row| row.get(0))?)
}

fn observation(
    store: &Transaction<'_>,
    (target, observation): (&Target, &Observation),
    dates: &Dates,
    words: Words,
) -> Done<i64> {
    let (hash, body) = content::observation(target, observation, dates)?;
    let known = store
        .prepare_cached("SELECT number FROM observation_by_hash WHERE hash = ?1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let (content, new) = place(store, &body)?;
    if new {
        let marked = dates.mark(words(observation).into_bytes());
        let answer = dates::without_counts(&String::from_utf8_lossy(&marked));
        store.prepare_cached("INSERT INTO answer VALUES (?1, ?2, ?3)")?.execute(params![
            content,
            observation.question.to_string(),
            answer
        ])?;
    }
    let time = |milliseconds: u64| i64::try_from(milliseconds).unwrap_or(i64::MAX);
    store
        .prepare_cached(
            "INSERT INTO observation (content, started_ms, elapsed_ms, elapsed_max_ms, tries) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            content,
            time(observation.started_ms),
            time(observation.elapsed_ms),
            time(observation.elapsed_max_ms),
            observation.tries
        ])?;
    let number = store.last_insert_rowid();
    store
        .prepare_cached("INSERT INTO observation_by_hash (hash, number) VALUES (?1, ?2)")?
        .execute(params![hash, number])?;
    Ok(number)
}

fn finding(store: &Transaction<'_>, finding: &crate::model::verdict::Finding, dates: &Dates) -> Done<i64> {
    let (text, body) = content::finding(finding, dates)?;
    let (number, new) = place(store, &body)?;
    if new {
        let text = content(store, &text)?;
        store.prepare_cached("INSERT INTO finding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
            number,
            text,
            finding.guide,
            finding.item,
            finding.verdict.as_str(),
            finding.severity.to_string(),
            finding.confidence.to_string()
        ])?;
    }
    Ok(number)
}

fn rule(store: &Transaction<'_>, rule: &crate::model::expected::RuleFinding, dates: &Dates) -> Done<i64> {
    let (number, new) = place(store, &content::rule(rule, dates)?)?;
    if new {
        store.prepare_cached("INSERT INTO rule VALUES (?1, ?2, ?3)")?.execute(params![
            number,
            rule.rule.to_string(),
            rule.verdict().words()
        ])?;
    }
    Ok(number)
}
