//! A look: what the runs since the last one, the inventory, what people say and the day come to.
//!
//! Nothing is kept until all of it is known, and then all of it at once, with the messages that it leads to. Where another process
//! looked meanwhile it is begun anew. Servers are loaded one by one, so that it does not matter how many there are.

use super::outbox::posted;
use super::{NO_CHANNEL, new_id};
use crate::alert::{self, Book, JobStanding, Partly, Route, Rules, Said, ScheduledServer, SeriesOf};
use crate::catalog::channels::{self, Alerts, Channel, Known, When};
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{self, ALERTS, Inventory};
use crate::catalog::statements::{Read, Scope};
use crate::cli::args::{Cli, Command, ScanArgs};
use crate::cli::exit::CliError;
use crate::cli::{guides, statements, watch};
use crate::drift::EARLIER;
use crate::history::outbox::{APPEARANCES, Appeared};
use crate::history::sqlite::Sqlite;
use crate::history::{Archive as _, Beginning, HistoryError, JobRecord, RunNumber, Summary, Wanted};
use crate::model::alert::Kind;
use crate::model::matter::{KnownServer, MatterState};
use crate::model::run::Run;
use crate::model::target::Target;
use crate::schedule::Schedule;
use clap::Parser as _;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// How many runs back are loaded to find [`EARLIER`] of which anything was learned.
const BACK: usize = 30;

/// How many runs that showed what is open, or that it reads worse than, are compared with: the last of them. What began before
/// stays open until fewer are.
const RAISED_MOST: usize = 64;

/// How many numbers of runs that were looked at are remembered of a server: of those that are [named](APPEARANCES) all.
const LOOKED_MOST: usize = 3 * APPEARANCES;

/// How often a look is begun anew because another process looked meanwhile.
const AGAIN_MOST: usize = 10;

/// What is to be looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Asked<'a> {
    /// The inventories.
    pub(in crate::cli) targets: &'a [PathBuf],
    /// Files of channels that do not stand beside them.
    pub(in crate::cli) alerts: &'a [PathBuf],
    /// The options of scans.
    pub(in crate::cli) scan: &'a [OsString],
}

/// What a look came to.
#[derive(Debug)]
pub(in crate::cli) struct Looked {
    /// Where it is told.
    pub(in crate::cli) alerts: Alerts,
    /// How many notices there are.
    pub(in crate::cli) notices: usize,
    /// How many matters are open.
    pub(in crate::cli) open: usize,
    /// Why not everything could be looked at.
    pub(in crate::cli) problem: Option<String>,
}

/// What is known before the runs are looked at.
struct World {
    /// The inventory's paths, in one text: what tells it from others that are scanned into the same store.
    name: String,
    inventory: Option<Inventory>,
    /// Its servers, by client and name.
    servers: BTreeSet<(String, String)>,
    /// By which jobs they are scanned.
    jobs: Vec<ScheduledServer>,
    alerts: Alerts,
    said: Option<Vec<Said>>,
    problem: Option<String>,
}

/// Looks, and keeps what came of it.
pub(in crate::cli) fn look(store: &mut Sqlite, asked: Asked<'_>, now: Timestamp) -> Result<Looked, CliError> {
    let world = World::read(asked, now)?;
    if world.alerts.channels.is_empty() {
        // Without anybody to tell, the first look is still to come.
        return Err(CliError::Usage(NO_CHANNEL.to_owned()));
    }
    for _ in 0..AGAIN_MOST {
        let mut book = Book::new(store.standing()?);
        let rules = rules(&world.alerts.when);
        let since = alert::scheduled(&mut book, &world.name, &world.jobs, now);
        if let Some(inventory) = &world.inventory {
            let appeared = store.appearances()?.servers;
            let appeared: BTreeMap<(&str, &str), &Appeared> =
                appeared.iter().map(|one| ((one.client.as_str(), one.name.as_str()), one)).collect();
            for target in &inventory.targets {
                if let Some(appeared) = appeared.get(&(target.client.as_str(), target.name.as_str())) {
                    Server { store, appeared, loaded: BTreeMap::new(), begun: BTreeMap::new() }.look(
                        &mut book,
                        &world.name,
                        &rules,
                        now,
                    )?;
                }
            }
        }
        // By their names, for the same servers may be looked at by another path too; and where these are not known, as they were.
        let is_ours = |server: &KnownServer| world.has(&server.client, &server.name) || server.inventory == world.name;
        alert::certificates(&mut book, is_ours, now, &rules);
        if let Some(said) = &world.said {
            let is_asked = |client: &str, name: &str| world.has(client, name);
            alert::statements(&mut book, said, is_asked, now, &rules);
        }
        alert::inventory(&mut book, &world.name, world.problem.as_deref(), now);
        if let Some(inventory) = &world.inventory {
            let standing = jobs(store, inventory, &since, now)?;
            alert::jobs(&mut book, &world.name, &standing, now);
            let targets = inventory.targets.iter().map(|target| (target.client.as_str(), target.name.as_str()));
            alert::servers(&mut book, &world.name, targets);
        }
        let mut look = book.look();
        look.messages = {
            let channels = &world.alerts.channels;
            let routes: Vec<Route<'_>> = channels.iter().map(route).collect();
            posted(channels, alert::messages(&book, &routes, now, new_id))
        };
        let idle = look.is_empty() && !book.is_first_look();
        if idle || store.note_look(&look)? {
            return Ok(Looked {
                alerts: world.alerts,
                notices: book.notices().len(),
                open: book.open().count(),
                problem: world.problem,
            });
        }
    }
    Err(CliError::Machine("other processes look at the same store all the time; let one of them do it".to_owned()))
}

fn rules(when: &When) -> Rules {
    Rules {
        at_least: when.at_least,
        certificate_days: when.certificate_days.clone(),
        statement_days: when.statement_days.clone(),
    }
}

fn route(channel: &Channel) -> Route<'_> {
    Route {
        channel: &channel.name,
        takes: Box::new(|notice| channel.wants.takes(notice)),
        is_of_some: !channel.wants.clients.is_empty(),
    }
}

impl World {
    fn read(asked: Asked<'_>, now: Timestamp) -> Result<Self, CliError> {
        let name = name(asked.targets);
        let scan = scan_options(asked.scan)?;
        let inventory = match inventory::load(asked.targets) {
            Ok(inventory) => inventory,
            Err(found) => {
                // Whoever is to know of it is known all the same, or else nobody would.
                let problem = CliError::Catalogs(found).render(false);
                let files: Vec<PathBuf> = beside(asked.targets).chain(asked.alerts.iter().cloned()).collect();
                let alerts = channels::load(&files, None)?;
                let (inventory, servers, jobs, said) = (None, BTreeSet::new(), Vec::new(), None);
                return Ok(Self { name, inventory, servers, jobs, alerts, said, problem: Some(problem) });
            }
        };
        let known = Known { targets: &inventory.targets, elsewhere: &inventory.elsewhere };
        let files: Vec<PathBuf> = inventory.alerts.iter().chain(asked.alerts).cloned().collect();
        let alerts = channels::load(&files, Some(known))?;
        let (said, problem) = match said(&inventory, &scan, now) {
            Ok(said) => (Some(said), None),
            Err(CliError::Files(found)) => (None, Some(CliError::Catalogs(found).render(false))),
            Err(error) => (None, Some(error.render(false))),
        };
        let servers = inventory.targets.iter().map(|target| (target.client.clone(), target.name.clone())).collect();
        let scheduled = |target: &Target| ScheduledServer {
            client: target.client.clone(),
            name: target.name.clone(),
            job: watch::job_of(target),
        };
        let jobs = inventory.targets.iter().map(scheduled).collect();
        Ok(Self { name, inventory: Some(inventory), servers, jobs, alerts, said, problem })
    }

    fn has(&self, client: &str, name: &str) -> bool {
        self.servers.contains(&(client.to_owned(), name.to_owned()))
    }
}

/// The paths of an inventory in one text, the same from whatever folder they are named, and whether they are there or not: what
/// was told of a file that is gone is about the same file when it is back.
fn name(paths: &[PathBuf]) -> String {
    let all: BTreeSet<String> = paths.iter().map(|path| absolute(Path::new(""), path).display().to_string()).collect();
    all.into_iter().collect::<Vec<_>>().join("\n")
}

/// A path from the root, without looking at the disk.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let path = folder.join(path);
    let mut whole = PathBuf::new();
    for part in std::path::absolute(&path).unwrap_or(path).components() {
        match part {
            Component::ParentDir => _ = whole.pop(),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

/// The files of channels beside inventories that cannot be read.
fn beside(paths: &[PathBuf]) -> impl Iterator<Item = PathBuf> + '_ {
    let of =
        |path: &PathBuf| if path.is_dir() { path.clone() } else { path.parent().unwrap_or(Path::new("")).to_owned() };
    let files: BTreeSet<PathBuf> = paths.iter().map(of).map(|folder| folder.join(ALERTS)).collect();
    files.into_iter().filter(|file| file.symlink_metadata().is_ok())
}

fn scan_options(options: &[OsString]) -> Result<Box<ScanArgs>, CliError> {
    let whole = ["portreeve", "scan", "--targets", "x"].map(OsString::from).into_iter().chain(options.iter().cloned());
    match Cli::try_parse_from(whole).map(|cli| cli.command) {
        Ok(Command::Scan(scan)) => Ok(scan),
        _ => Err(CliError::Usage("what follows -- must be options of `portreeve scan`".to_owned())),
    }
}

/// What people say of the servers of the inventory.
fn said(inventory: &Inventory, scan: &ScanArgs, now: Timestamp) -> Result<Vec<Said>, CliError> {
    let attestations: Vec<PathBuf> = inventory.attestations.iter().chain(&scan.stated.attestations).cloned().collect();
    let waivers: Vec<PathBuf> = inventory.waivers.iter().chain(&scan.stated.waivers).cloned().collect();
    let guides: Vec<Guide> =
        if scan.what.guides.is_empty() { Vec::new() } else { guides::catalogs(&scan.what.guides)?.guides };
    let scope = Scope::Inventory(&inventory.elsewhere);
    let read: Read = statements::load([&attestations, &waivers], &inventory.targets, scope, &guides, now)?;
    let attested = read.attestations.iter().filter(|one| one.known).map(|one| Said {
        kind: Kind::Attestation,
        client: one.client.clone(),
        target: one.target.clone(),
        about: one.about.clone(),
        until: one.content.until,
        who: one.content.by.clone(),
        place: format!("{}:{}", one.file, one.line),
    });
    let waived = read.waivers.iter().filter(|one| one.known).map(|one| Said {
        kind: Kind::Waiver,
        client: one.client.clone(),
        target: one.target.clone(),
        about: one.about.clone(),
        until: one.content.until,
        who: one.content.approved_by.clone(),
        place: format!("{}:{}", one.file, one.line),
    });
    Ok(attested.chain(waived).collect())
}

/// The jobs of the inventory, each noted from now on where it never was: what is due later and does not happen is missed.
fn jobs(
    store: &mut Sqlite,
    inventory: &Inventory,
    since: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Vec<JobStanding>, CliError> {
    let records: BTreeMap<String, JobRecord> =
        store.jobs()?.into_iter().map(|record| (record.id.clone(), record)).collect();
    let mut jobs: BTreeMap<String, JobStanding> = BTreeMap::new();
    for target in &inventory.targets {
        let Some(schedule) = target.schedule.as_ref().and_then(|written| Schedule::of(written).ok()) else { continue };
        let Some(id) = watch::job_of(target) else { continue };
        if jobs.contains_key(&id) {
            continue;
        }
        let record = records.get(&id).cloned();
        if record.is_none() {
            let settled = now.to_string();
            store.note_job(&JobRecord { id: id.clone(), settled, began: None, ended: None, exit: None, skipped: 0 })?;
        }
        let running = store.is_job_held(&id);
        let why = match &record {
            Some(record) if record.stopped().is_some() => Some(Partly::Stopped),
            Some(JobRecord { exit: Some(3), began: Some(began), ended: Some(_), .. }) => {
                Some(why_partial(store, &id, began)?)
            }
            _ => None,
        };
        let (client, since) = (target.client.clone(), since.get(&id).cloned());
        jobs.insert(id.clone(), JobStanding { id, client, schedule, record, running, why, since });
    }
    Ok(jobs.into_values().collect())
}

/// Why the scan of a job that began then is partial, by the run that it kept.
pub(in crate::cli) fn why_partial(store: &Sqlite, job: &str, began: &str) -> Result<Partly, CliError> {
    let Ok(began) = began.parse::<Timestamp>() else { return Ok(Partly::Otherwise) };
    let since = |run: &Summary| {
        // Runs note the second in which they begin.
        run.started.parse::<Timestamp>().is_ok_and(|started| started.as_second() >= began.as_second())
    };
    let mut runs: Vec<Summary> = store.runs(&Wanted::default())?.into_iter().filter(since).collect();
    runs.sort_by_key(|run| run.number.0);
    for run in runs.iter().rev() {
        if job_of(&store.beginning(run.number)?) != Some(job) {
            continue;
        }
        let places = |places: BTreeSet<usize>| store.load_places(run.number, &places);
        if run.elapsed_ms.is_none() {
            return Ok(Partly::NotKept);
        }
        if places(BTreeSet::new())?.interrupted {
            return Ok(Partly::Stopped);
        }
        if run.unfinished > 0 {
            return Ok(Partly::NotKept);
        }
        // One by one, and not further than the first.
        for place in 0..run.targets {
            if places(BTreeSet::from([place]))?.targets.iter().any(|target| !target.troubles.is_empty()) {
                return Ok(Partly::OfServers);
            }
        }
        return Ok(Partly::Otherwise);
    }
    Ok(Partly::NotKept)
}

/// What a run that was not looked at yet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// The newest.
    New,
    /// It began before one that was looked at, and came to its end, or was gone on with, after that.
    Late,
}

/// Which runs are to be looked at.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// By their places, oldest first.
    fresh: Vec<(usize, News)>,
    /// The numbers of those that are not news any more.
    passed: BTreeSet<i64>,
}

/// Tells what is news among the runs of a server, oldest first. A number is never given twice and numbers follow the order in which
/// runs came into the store, so that a run is known by it whatever a clock said. What a clock that was ahead dates to come is left
/// until then, and is no measure for others. A run with a greater number that began earlier than one that was looked at was taken
/// in from elsewhere: that is old.
fn plan(runs: &[(String, RunNumber)], seen: &(String, i64), looked: &BTreeSet<i64>, now: Timestamp) -> Plan {
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

/// Whether a run began later than now.
fn is_to_come(started: &str, now: Timestamp) -> bool {
    started.parse::<Timestamp>().is_ok_and(|started| started > now)
}

/// One server, and what was loaded of its runs.
struct Server<'a> {
    store: &'a Sqlite,
    appeared: &'a Appeared,
    loaded: BTreeMap<RunNumber, Option<Run>>,
    /// How runs were begun.
    begun: BTreeMap<RunNumber, Beginning>,
}

impl Server<'_> {
    fn look(mut self, book: &mut Book, inventory: &str, rules: &Rules, now: Timestamp) -> Result<(), CliError> {
        let Appeared { client, name, runs } = self.appeared;
        let known = book.server(client, name);
        let Some(seen) = known.and_then(|known| known.seen.clone()) else {
            // What is past is not told; how it stands is.
            return self.begin(book, inventory, rules, now);
        };
        let looked = known.map(|known| known.looked.clone()).unwrap_or_default();
        let plan = plan(runs, &seen, &looked, now);
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
        Ok(())
    }

    /// The first look at a server: its last run alone, and the last that saw it.
    fn begin(mut self, book: &mut Book, inventory: &str, rules: &Rules, now: Timestamp) -> Result<(), CliError> {
        let past =
            self.appeared.runs.iter().filter(|(started, _)| !is_to_come(started, now)).map(|(_, number)| *number);
        let past: Vec<RunNumber> = past.collect();
        let mut seen = None;
        for number in past.iter().rev().take(BACK) {
            if self.load(*number)?.is_some_and(|run| !run.targets.iter().any(alert::is_blind)) {
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
        Ok(())
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
        let runs = self.appeared.runs.get(..place).unwrap_or_default();
        let mut series: Vec<RunNumber> = Vec::new();
        for (_, number) in runs.iter().rev().take(BACK) {
            if series.len() == EARLIER {
                break;
            }
            if self.load(*number)?.is_some_and(|run| !run.targets.iter().any(alert::is_blind)) {
                series.push(*number);
            }
        }
        series.reverse();
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
        let Appeared { client, name, .. } = self.appeared;
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

    /// A run of this server alone.
    fn load(&mut self, number: RunNumber) -> Result<Option<&Run>, CliError> {
        if !self.loaded.contains_key(&number) {
            let Appeared { client, name, .. } = self.appeared;
            let wanted = Wanted { clients: vec![client.clone()], names: vec![name.clone()] };
            let run = match self.store.load(number, &wanted) {
                Ok(mut run) => {
                    run.targets.retain(|target| target.target.client == *client && target.target.name == *name);
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

/// Whether two runs were asked the same: by the same options, but for those of what is written, or both by the watch, whose options
/// are the user's word.
fn is_same(one: &Beginning, other: &Beginning) -> bool {
    let both = || Some(what_is_asked(one)? == what_is_asked(other)?);
    !one.arguments.is_empty()
        && (one.arguments == other.arguments && one.folder == other.folder
            || is_by_watch(one) && is_by_watch(other)
            || both().unwrap_or(false))
}

fn is_by_watch(beginning: &Beginning) -> bool {
    beginning.arguments.iter().any(|option| option == "--job")
}

/// Which job of the watch a run was of.
fn job_of(beginning: &Beginning) -> Option<&str> {
    let mut options = beginning.arguments.iter();
    options.find(|option| *option == "--job").and_then(|_| options.next()).map(String::as_str)
}

/// The options of a scan that decide what is asked, in words to be compared; none where this version does not know them.
fn what_is_asked(beginning: &Beginning) -> Option<String> {
    let given = std::iter::once("portreeve").chain(beginning.arguments.iter().map(String::as_str));
    let Ok(Cli { command: Command::Scan(scan), .. }) = Cli::try_parse_from(given) else { return None };
    let folder = Path::new(&beginning.folder);
    let targets: BTreeSet<PathBuf> = scan.targets.iter().map(|path| absolute(folder, path)).collect();
    let ScanArgs { hosts, roles, select, job, facts, what, prove, stated, timing, .. } = *scan;
    Some(format!("{:?}", (hosts, roles, targets, select, job, facts, what, prove, stated, timing)))
}

#[cfg(test)]
mod tests;
