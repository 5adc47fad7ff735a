//! One server: which of its runs are news, and what they are compared with.

use super::{is_by_watch, is_same};
use crate::alert::{self, Book, Rules, SeriesOf};
use crate::cli::exit::CliError;
use crate::drift::EARLIER;
use crate::history::outbox::{APPEARANCES, Appeared};
use crate::history::sqlite::Sqlite;
use crate::history::{Archive as _, Beginning, HistoryError, RunNumber, Wanted};
use crate::model::alert::Kind;
use crate::model::matter::{Former, MatterState};
use crate::model::run::Run;
use crate::model::statement::Waived;
use crate::model::verdict::{Finding, Verdict};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How many runs back are loaded to find [`EARLIER`] of which anything was learned. Where none of them did, the last that did is
/// remembered ([`KnownServer::telling`](crate::model::matter::KnownServer)).
const BACK: usize = 30;

/// How many runs that showed what is open, or that it reads worse than, are compared with: the last of them. What began before
/// stays open until fewer are.
const RAISED_MOST: usize = 64;

/// How many numbers of runs that were looked at are remembered of a server: of those that are [named](APPEARANCES) all.
const LOOKED_MOST: usize = 3 * APPEARANCES;

/// What a run that was not looked at yet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The newest.
    New,
    /// It began before one that was looked at, and came to its end, or was gone on with, after that.
    Late,
}

/// Which runs are to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// By their places, oldest first.
    pub(super) fresh: Vec<(usize, News)>,
    /// The numbers of those that are not news any more.
    pub(super) passed: BTreeSet<i64>,
}

/// Tells what is news among the runs of a server, oldest first. A number is never given twice and numbers follow the order in which
/// runs came into the store, so that a run is known by it whatever a clock said. What a clock that was ahead dates to come is left
/// until then, and is no measure for others. A run with a greater number that began earlier than one that was looked at was taken
/// in from elsewhere: that is old.
pub(super) fn plan(runs: &[(String, RunNumber)], seen: &(String, i64), looked: &BTreeSet<i64>, now: Timestamp) -> Plan {
    let seen_is_to_come = is_to_come(&seen.0, now);
    // What an older version looked at it knew by the time alone.
    let was_looked_at = |started: &str, number: i64| {
        looked.contains(&number)
            || looked.len() >= APPEARANCES && looked.first().is_some_and(|first| number < *first)
            || looked.is_empty()
                && if seen_is_to_come { number <= seen.1 } else { (started, number) <= (seen.0.as_str(), seen.1) }
    };
    let past: Vec<(usize, &str, i64, bool)> = (runs.iter().enumerate())
        .filter(|(_, (started, _))| !is_to_come(started, now))
        .map(|(place, (started, number))| (place, started.as_str(), number.0, was_looked_at(started, number.0)))
        .collect();
    let newest = past.iter().rposition(|(.., is_known)| *is_known);
    let mut plan = Plan { fresh: Vec::new(), passed: BTreeSet::new() };
    for (order, (place, _, number, is_known)) in past.iter().enumerate() {
        let later = past.get(order + 1..).unwrap_or_default();
        if *is_known {
            plan.passed.insert(*number);
        } else if newest.is_none_or(|newest| order > newest) {
            plan.fresh.push((*place, News::New));
        } else if later.iter().all(|(_, _, other, is_known)| !is_known || other > number) {
            plan.fresh.push((*place, News::Late));
        } else {
            plan.passed.insert(*number);
        }
    }
    plan
}

/// Whether an item fails, and no waiver accepts that.
fn fails(finding: &Finding) -> bool {
    let is_waived = finding.waiver.as_deref().is_some_and(Waived::counts);
    finding.verdict == Verdict::Fail && !is_waived
}

/// Whether a run began later than now.
fn is_to_come(started: &str, now: Timestamp) -> bool {
    started.parse::<Timestamp>().is_ok_and(|started| started > now)
}

/// One server, and what was loaded of its runs.
pub(super) struct Server<'a> {
    store: &'a Sqlite,
    appeared: Appeared,
    /// What it was called before.
    formerly: Vec<Former>,
    loaded: BTreeMap<RunNumber, Option<Run>>,
    /// How runs were begun.
    begun: BTreeMap<RunNumber, Beginning>,
}

impl<'a> Server<'a> {
    /// A server, with its runs also of when it was called otherwise; none where there is no run.
    pub(super) fn of(
        store: &'a Sqlite,
        appeared: &BTreeMap<(&str, &str), &Appeared>,
        (client, name): (&str, &str),
        formerly: Vec<Former>,
    ) -> Option<Self> {
        let mut runs: Vec<(String, RunNumber)> = Vec::new();
        // Whoever had a name before it, or has it after, is another server.
        let mut from = i64::MIN;
        let now = (client, name, i64::MAX);
        let names = formerly.iter().map(|former| (former.client.as_str(), former.name.as_str(), former.until));
        for (client, name, until) in names.chain([now]) {
            let all = appeared.get(&(client, name)).into_iter().flat_map(|one| &one.runs);
            runs.extend(all.filter(|(_, number)| number.0 > from && number.0 <= until).cloned());
            from = until;
        }
        runs.sort();
        runs.drain(..runs.len().saturating_sub(APPEARANCES));
        let appeared = Appeared { client: client.to_owned(), name: name.to_owned(), runs };
        let server = Self { store, appeared, formerly, loaded: BTreeMap::new(), begun: BTreeMap::new() };
        (!server.appeared.runs.is_empty()).then_some(server)
    }

    #[cfg(test)]
    pub(super) fn runs(&self) -> &[(String, RunNumber)] {
        &self.appeared.runs
    }

    /// Looks at it; at the first look, how many items fail on it.
    pub(super) fn look(
        mut self,
        book: &mut Book,
        inventory: &str,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Option<usize>, CliError> {
        let Appeared { client, name, runs } = self.appeared.clone();
        let known = book.server(&client, &name);
        let Some(seen) = known.and_then(|known| known.seen.clone()) else {
            // What is past is not told; how it stands is.
            return self.begin(book, inventory, rules, now).map(Some);
        };
        let looked = known.map(|known| known.looked.clone()).unwrap_or_default();
        let plan = plan(&runs, &seen, &looked, now);
        for (place, news) in plan.fresh {
            let Some((_, number)) = runs.get(place) else { continue };
            if self.load(*number)?.is_none() {
                // Pruned meanwhile.
                continue;
            }
            let mut series = self.earlier(book, place)?;
            series.push(*number);
            self.look_at(book, &series, inventory, rules, news == News::Late)?;
        }
        self.remember(book, plan.passed);
        Ok(None)
    }

    /// The first look at a server: its last run alone, and the last that saw it. How many items fail by that one.
    fn begin(mut self, book: &mut Book, inventory: &str, rules: &Rules, now: Timestamp) -> Result<usize, CliError> {
        let past =
            self.appeared.runs.iter().filter(|(started, _)| !is_to_come(started, now)).map(|(_, number)| *number);
        let past: Vec<RunNumber> = past.collect();
        let mut seen = None;
        for number in past.iter().rev().take(BACK) {
            if self.is_telling(*number)? {
                seen = Some(*number);
                break;
            }
        }
        let newest = past.last().copied();
        for number in seen.into_iter().filter(|seen| Some(*seen) != newest).chain(newest) {
            self.load(number)?;
            self.look_at(book, &[number], inventory, rules, false)?;
        }
        self.remember(book, past.into_iter().map(|number| number.0).collect());
        let all = |run: &Run| run.targets.iter().flat_map(|target| &target.findings).filter(|one| fails(one)).count();
        let shown = seen.and_then(|seen| self.loaded.get(&seen)?.as_ref());
        Ok(shown.map_or(0, all))
    }

    /// Remembers which runs need not be looked at any more.
    fn remember(&self, book: &mut Book, passed: BTreeSet<i64>) {
        let Some(mut known) = book.server(&self.appeared.client, &self.appeared.name).cloned() else { return };
        known.looked.extend(passed);
        while known.looked.len() > LOOKED_MOST {
            known.looked.pop_first();
        }
        book.remember(known);
    }

    /// The runs before one that are worth comparing with: those that showed what is open, and the last that saw anything.
    fn earlier(&mut self, book: &Book, place: usize) -> Result<Vec<RunNumber>, CliError> {
        let runs = self.appeared.runs.get(..place).unwrap_or_default().to_vec();
        let mut series: Vec<RunNumber> = Vec::new();
        let telling = book.server(&self.appeared.client, &self.appeared.name).and_then(|known| known.telling);
        // What an older version did not note is looked for in all that are named.
        let back = if telling.is_some() { BACK } else { APPEARANCES };
        for (order, (_, number)) in runs.iter().rev().take(back).enumerate() {
            if series.len() == EARLIER || order >= BACK && !series.is_empty() {
                break;
            }
            if self.is_telling(*number)? {
                series.push(*number);
            }
        }
        series.reverse();
        if let (true, Some(telling)) = (series.is_empty(), telling.map(RunNumber)) {
            let own = self.appeared.runs.get(place).map(|(started, _)| started.clone()).unwrap_or_default();
            let is_earlier = self.load(telling)?.is_some_and(|run| run.started < own);
            if is_earlier && self.is_telling(telling)? {
                series.push(telling);
            }
        }
        let mut raised: BTreeSet<RunNumber> = book
            .of_server(&self.appeared.client, &self.appeared.name)
            .filter(|matter| matter.kind == Kind::Drift)
            .flat_map(|matter| {
                let against = match matter.state {
                    MatterState::Worse { against, .. } => against,
                    _ => None,
                };
                matter.run.into_iter().chain(against)
            })
            .filter_map(|run| i64::try_from(run).ok().map(RunNumber))
            .collect();
        for number in &series {
            raised.remove(number);
        }
        let mut older = Vec::new();
        // Few: what is open of a server began in one run, or some.
        for number in raised.into_iter().rev().take(RAISED_MOST).rev() {
            // `prune` spares them; one that is gone all the same is not there to be compared with.
            if self.load(number)?.is_some() {
                older.push(number);
            }
        }
        older.extend(series);
        Ok(older)
    }

    fn look_at(
        &mut self,
        book: &mut Book,
        series: &[RunNumber],
        inventory: &str,
        rules: &Rules,
        is_late: bool,
    ) -> Result<(), CliError> {
        let Some(last) = series.last() else { return Ok(()) };
        let own = self.beginning(*last)?;
        let Appeared { client, name, .. } = &self.appeared;
        let known = book.server(client, name).and_then(|known| known.seen.clone());
        let failed = book.of_server(client, name).filter(|matter| matter.kind == Kind::Failure);
        let failed = failed.filter_map(|matter| i64::try_from(matter.run?).ok()).map(RunNumber);
        let failed: Vec<RunNumber> = failed.collect();
        let mut same: BTreeSet<u64> = BTreeSet::new();
        for number in series.iter().copied().chain(known.map(|(_, number)| RunNumber(number))).chain(failed) {
            if is_same(&self.beginning(number)?, &own) {
                same.extend(u64::try_from(number.0));
            }
        }
        let runs: Vec<(u64, &Run)> = series
            .iter()
            .filter_map(|number| Some((u64::try_from(number.0).ok()?, self.loaded.get(number)?.as_ref()?)))
            .collect();
        let asks_as = |number| same.contains(&number);
        let series = SeriesOf { runs: &runs, asks_as: &asks_as, is_scheduled: is_by_watch(&own), is_late };
        alert::server(book, series, inventory, rules);
        Ok(())
    }

    /// How a run was begun; without options where it is gone.
    fn beginning(&mut self, number: RunNumber) -> Result<Beginning, CliError> {
        if let Some(known) = self.begun.get(&number) {
            return Ok(known.clone());
        }
        let beginning = match self.store.beginning(number) {
            Ok(beginning) => beginning,
            Err(HistoryError::NoRun { .. }) => Beginning::default(),
            Err(error) => return Err(error.into()),
        };
        self.begun.insert(number, beginning.clone());
        Ok(beginning)
    }

    /// Whether anything was learned of the server by a run.
    fn is_telling(&mut self, number: RunNumber) -> Result<bool, CliError> {
        Ok(self.load(number)?.is_some_and(|run| !run.targets.iter().any(alert::is_blind)))
    }

    /// A run of this server alone.
    fn load(&mut self, number: RunNumber) -> Result<Option<&Run>, CliError> {
        if !self.loaded.contains_key(&number) {
            let former = self.formerly.iter().find(|former| number.0 <= former.until);
            let (client, name) =
                former.map_or((&self.appeared.client, &self.appeared.name), |former| (&former.client, &former.name));
            let wanted = Wanted { clients: vec![client.clone()], names: vec![name.clone()] };
            let run = match self.store.load(number, &wanted) {
                Ok(mut run) => {
                    run.targets.retain(|target| target.target.client == *client && target.target.name == *name);
                    for target in &mut run.targets {
                        // As it is called now.
                        target.target.client.clone_from(&self.appeared.client);
                        target.target.name.clone_from(&self.appeared.name);
                    }
                    (!run.targets.is_empty()).then_some(run)
                }
                Err(HistoryError::NoRun { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            self.loaded.insert(number, run);
        }
        Ok(self.loaded.get(&number).and_then(Option::as_ref))
    }
}
