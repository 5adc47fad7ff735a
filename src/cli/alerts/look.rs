//! A look: what the runs since the last one, the inventory, what people say and the day come to.
//!
//! Nothing is kept until all of it is known, and then all of it at once, with the messages that it leads to. Where another process
//! looked meanwhile it is begun anew. Servers are loaded one by one, so that it does not matter how many there are.

use super::outbox::posted;
use super::{NO_CHANNEL, new_id};
use crate::alert::{self, Book, JobStanding, Route, Rules, Said, SeriesOf};
use crate::catalog::channels::{self, Alerts, Channel, Known, When};
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{self, ALERTS, Inventory};
use crate::catalog::statements::{Read, Scope};
use crate::cli::args::{Cli, Command, ScanArgs};
use crate::cli::exit::CliError;
use crate::cli::{guides, statements, watch};
use crate::drift::EARLIER;
use crate::history::outbox::Appeared;
use crate::history::sqlite::Sqlite;
use crate::history::{Archive as _, HistoryError, JobRecord, RunNumber, Wanted};
use crate::model::alert::Kind;
use crate::model::matter::{KnownServer, MatterState};
use crate::model::run::Run;
use crate::schedule::Schedule;
use clap::Parser as _;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How many runs back are loaded to find [`EARLIER`] of which anything was learned.
const BACK: usize = 30;

/// How many runs that showed what is open are compared with: the last of them. What began before stays open until its subject is
/// seen to be better than the night before.
const RAISED_MOST: usize = 24;

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
        if let Some(inventory) = &world.inventory {
            let appeared = store.appearances()?.servers;
            let appeared: BTreeMap<(&str, &str), &Appeared> =
                appeared.iter().map(|one| ((one.client.as_str(), one.name.as_str()), one)).collect();
            for target in &inventory.targets {
                if let Some(appeared) = appeared.get(&(target.client.as_str(), target.name.as_str())) {
                    Server { store, appeared, loaded: BTreeMap::new(), asked_as: BTreeMap::new() }.look(
                        &mut book,
                        &world.name,
                        &rules,
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
            let standing = jobs(store, inventory, now)?;
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
                let (inventory, servers, said) = (None, BTreeSet::new(), None);
                return Ok(Self { name, inventory, servers, alerts, said, problem: Some(problem) });
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
        Ok(Self { name, inventory: Some(inventory), servers, alerts, said, problem })
    }

    fn has(&self, client: &str, name: &str) -> bool {
        self.servers.contains(&(client.to_owned(), name.to_owned()))
    }
}

/// The paths of an inventory in one text, the same from whatever folder they are named.
fn name(paths: &[PathBuf]) -> String {
    let real = |path: &PathBuf| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    let all: BTreeSet<String> = paths.iter().filter_map(real).map(|path| path.display().to_string()).collect();
    all.into_iter().collect::<Vec<_>>().join("\n")
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
fn jobs(store: &mut Sqlite, inventory: &Inventory, now: Timestamp) -> Result<Vec<JobStanding>, CliError> {
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
        jobs.insert(id.clone(), JobStanding { id, client: target.client.clone(), schedule, record, running });
    }
    Ok(jobs.into_values().collect())
}

/// One server, and what was loaded of its runs.
struct Server<'a> {
    store: &'a Sqlite,
    appeared: &'a Appeared,
    loaded: BTreeMap<RunNumber, Option<Run>>,
    /// The options of runs.
    asked_as: BTreeMap<RunNumber, Vec<String>>,
}

impl Server<'_> {
    fn look(mut self, book: &mut Book, inventory: &str, rules: &Rules) -> Result<(), CliError> {
        let Appeared { client, name, runs } = self.appeared;
        let seen = book.server(client, name).and_then(|known| known.seen.clone());
        let fresh: Vec<usize> = match &seen {
            Some(seen) => (0..runs.len())
                .filter(|place| {
                    runs.get(*place)
                        .is_some_and(|(started, number)| (started.as_str(), number.0) > (seen.0.as_str(), seen.1))
                })
                .collect(),
            // What is past is not told; how it stands is.
            None => return self.begin(book, inventory, rules),
        };
        for place in fresh {
            let Some((_, number)) = runs.get(place) else { continue };
            self.load(*number)?;
            let mut series = self.earlier(book, place)?;
            series.push(*number);
            self.look_at(book, &series, inventory, rules)?;
        }
        Ok(())
    }

    /// The first look at a server: its last run alone, and the last that saw it.
    fn begin(mut self, book: &mut Book, inventory: &str, rules: &Rules) -> Result<(), CliError> {
        let last: Vec<RunNumber> = self.appeared.runs.iter().rev().map(|(_, number)| *number).take(BACK).collect();
        let mut seen = None;
        for number in &last {
            if self.load(*number)?.is_some_and(|run| !run.targets.iter().any(alert::is_blind)) {
                seen = Some(*number);
                break;
            }
        }
        let newest = last.first().copied();
        for number in seen.into_iter().filter(|seen| Some(*seen) != newest).chain(newest) {
            self.look_at(book, &[number], inventory, rules)?;
        }
        Ok(())
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
            // One that was pruned is not there to be compared with.
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
    ) -> Result<(), CliError> {
        let Some(last) = series.last() else { return Ok(()) };
        let own = self.options(*last)?;
        let known = book.server(&self.appeared.client, &self.appeared.name).and_then(|known| known.seen.clone());
        let mut same: BTreeSet<u64> = BTreeSet::new();
        for number in series.iter().copied().chain(known.map(|(_, number)| RunNumber(number))) {
            if is_same(&self.options(number)?, &own) {
                same.extend(u64::try_from(number.0));
            }
        }
        let runs: Vec<(u64, &Run)> = series
            .iter()
            .filter_map(|number| Some((u64::try_from(number.0).ok()?, self.loaded.get(number)?.as_ref()?)))
            .collect();
        alert::server(book, SeriesOf { runs: &runs, asks_as: &|number| same.contains(&number) }, inventory, rules);
        Ok(())
    }

    /// The options of a run; none where it is gone.
    fn options(&mut self, number: RunNumber) -> Result<Vec<String>, CliError> {
        if let Some(known) = self.asked_as.get(&number) {
            return Ok(known.clone());
        }
        let options = match self.store.beginning(number) {
            Ok(beginning) => beginning.arguments,
            Err(HistoryError::NoRun { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        self.asked_as.insert(number, options.clone());
        Ok(options)
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

/// Whether two runs were asked the same: by the same options, or both by the watch, whose options are the user's word.
fn is_same(one: &[String], other: &[String]) -> bool {
    let by_watch = |options: &[String]| options.iter().any(|option| option == "--job");
    !one.is_empty() && (one == other || by_watch(one) && by_watch(other))
}
