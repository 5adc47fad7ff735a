//! A look: what the runs since the last one, the inventory, what people say and the day come to.
//!
//! Nothing is kept until all of it is known, and then all of it at once, with the messages that it leads to. Where another process
//! looked meanwhile it is begun anew. Servers are loaded one by one, so that it does not matter how many there are.

use super::outbox::posted;
use super::{NO_CHANNEL, new_id};
use crate::alert::{self, Book, JobStanding, Partly, Placed, Route, Rules, ScheduledServer};
use crate::catalog::channels::{self, Alerts, Channel, Known, When};
use crate::catalog::inventory::{self, ALERTS, Inventory};
use crate::cli::args::{Cli, Command, ScanArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::watch;
use crate::history::outbox::Appeared;
use crate::history::sqlite::Sqlite;
use crate::history::{Archive as _, Beginning, JobRecord, Summary, Wanted};
use crate::model::matter::KnownServer;
use crate::model::target::Target;
use crate::schedule::Schedule;
use clap::Parser as _;
use jiff::Timestamp;
use said::Stated;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

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
    /// The servers that were looked at for the first time, and how many items fail on them.
    pub(in crate::cli) first: First,
    /// Why not everything could be looked at, or what is wrong with channels.
    pub(in crate::cli) problem: Option<String>,
    /// The exit code that it comes to.
    pub(in crate::cli) exit: Exit,
    /// What is open and was not looked at, because this look was not given the file: in words.
    pub(in crate::cli) left: Vec<String>,
}

/// How servers stood that were looked at for the first time: what fails on them is no news, and is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct First {
    /// How many servers.
    pub(in crate::cli) servers: usize,
    /// How many items fail on them, but for those that a waiver accepts.
    pub(in crate::cli) failing: usize,
}

impl First {
    /// In words; none where none was.
    pub(in crate::cli) fn words(self) -> Option<String> {
        let number =
            |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let servers = number(self.servers, "server was", "servers were");
        let failing = number(self.failing, "item fails", "items fail");
        (self.servers > 0).then(|| {
            format!(
                "{servers} looked at for the first time, and {failing} there by now: that is not told, alerts tell what gets \
                 worse from here on. `portreeve report` has what stands."
            )
        })
    }
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
    /// None where it cannot be read.
    stated: Option<Stated>,
    /// The files that options name.
    given: BTreeSet<String>,
    problem: Option<String>,
    /// The files of channels that options name.
    given_channels: BTreeSet<String>,
    /// What is wrong with channels that can be used all the same.
    of_channels: Option<String>,
}

/// The channels of an inventory, and of other files. That one is for a client that is gone keeps nobody else from being told: it is
/// given back beside them.
pub(in crate::cli) fn channels_all_the_same(
    inventory: &Inventory,
    others: &[PathBuf],
) -> Result<(Alerts, Option<CliError>), CliError> {
    let known = Known { targets: &inventory.targets, elsewhere: &inventory.elsewhere };
    let files: Vec<PathBuf> = inventory.alerts.iter().chain(others).cloned().collect();
    match channels::load(&files, Some(known)) {
        Ok(alerts) => Ok((alerts, None)),
        Err(found) => Ok((channels::load(&files, None)?, Some(CliError::Catalogs(found)))),
    }
}

/// Looks, and keeps what came of it.
pub(in crate::cli) fn look(store: &mut Sqlite, asked: Asked<'_>, now: Timestamp) -> Result<Looked, CliError> {
    let world = World::read(asked, now)?;
    if world.alerts.channels.is_empty() {
        // Without anybody to tell, the first look is still to come.
        return Err(CliError::Usage(NO_CHANNEL.to_owned()));
    }
    for _ in 0..AGAIN_MOST {
        let mut book = Book::new(store.standing()?).of_inventory(&world.name);
        let rules = rules(&world.alerts.when);
        let appeared = store.appearances()?.servers;
        let appeared: BTreeMap<(&str, &str), &Appeared> =
            appeared.iter().map(|one| ((one.client.as_str(), one.name.as_str()), one)).collect();
        if let Some(inventory) = &world.inventory {
            let last = |client: &str, name: &str| {
                let runs = appeared.get(&(client, name)).into_iter().flat_map(|one| &one.runs);
                runs.map(|(_, number)| number.0).max().unwrap_or_default()
            };
            let others = inventory.elsewhere.iter().map(|other| other.client.as_str()).collect();
            alert::renamed(&mut book, &world.name, &placed(inventory), &others, last, now);
        }
        let since = alert::scheduled(&mut book, &world.name, &world.jobs, now);
        let mut first = First::default();
        for target in world.inventory.iter().flat_map(|inventory| &inventory.targets) {
            let formerly = book.server(&target.client, &target.name).map(|known| known.formerly.clone());
            let server = Server::of(store, &appeared, (&target.client, &target.name), formerly.unwrap_or_default());
            let Some(server) = server else { continue };
            if let Some(failing) = server.look(&mut book, &world.name, &rules, now)? {
                (first.servers, first.failing) = (first.servers + 1, first.failing + failing);
            }
        }
        // By their names, for the same servers may be looked at by another path too; and where these are not known, as they were.
        let is_ours = |server: &KnownServer| world.has(&server.client, &server.name) || server.inventory == world.name;
        alert::certificates(&mut book, is_ours, now, &rules);
        let mut left = Vec::new();
        if let Some(Stated { said, files }) = &world.stated {
            let is_asked = |client: &str, name: &str| world.has(client, name);
            let unread = alert::statements(&mut book, said, is_asked, |file| files.has(file), now, &rules);
            left.extend(unread.iter().map(|(file, count)| said::left_in_words(file, *count)));
        }
        let unread = alert::inventory(&mut book, &world.name, world.problem.as_deref(), &world.given, now);
        left.extend(unread.iter().map(|file| said::unread_in_words(file)));
        if world.inventory.is_some() {
            let (wrong, given) = (world.of_channels.as_deref(), &world.given_channels);
            let unread = alert::channels(&mut book, &world.name, wrong, given, now);
            left.extend(unread.iter().map(|file| said::unread_channels_in_words(file)));
        }
        if let Some(inventory) = &world.inventory {
            let standing = jobs(store, inventory, &since, now)?;
            alert::jobs(&mut book, &world.name, &standing, now);
            let targets = inventory.targets.iter().map(|target| (target.client.as_str(), target.name.as_str()));
            alert::servers(&mut book, &world.name, targets, now);
            alert::placed(&mut book, &placed(inventory));
        }
        let mut look = book.look();
        look.messages = {
            let channels = &world.alerts.channels;
            let routes: Vec<Route<'_>> = channels.iter().map(route).collect();
            posted(channels, alert::messages(&book, &routes, now, new_id))
        };
        let idle = look.is_empty() && !book.is_first_look();
        if idle || store.note_look(&look)? {
            let exit = match (&world.problem, &world.of_channels) {
                (Some(_), _) => Exit::Usage,
                (None, Some(_)) => Exit::Partial,
                (None, None) => Exit::Clean,
            };
            let problems: Vec<String> = world.problem.into_iter().chain(world.of_channels).collect();
            return Ok(Looked {
                alerts: world.alerts,
                notices: book.notices().len(),
                open: book.open().count(),
                first,
                exit,
                problem: (!problems.is_empty()).then(|| problems.join("\n")),
                left,
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
                let (inventory, servers, jobs, stated) = (None, BTreeSet::new(), Vec::new(), None);
                // Those of options have nothing to do with it.
                let (given, given_channels, of_channels) = (BTreeSet::new(), BTreeSet::new(), None);
                let problem = Some(problem);
                return Ok(Self {
                    name,
                    inventory,
                    servers,
                    jobs,
                    alerts,
                    stated,
                    given,
                    problem,
                    given_channels,
                    of_channels,
                });
            }
        };
        let (alerts, of_channels) = channels_all_the_same(&inventory, asked.alerts)?;
        let of_channels = of_channels.map(|wrong| wrong.render(false));
        let given_channels = asked.alerts.iter().map(|file| channels::place(file)).collect();
        let given = said::given(&scan);
        let (stated, problem) = match said::read(&inventory, asked.targets, &scan, now) {
            Ok(stated) => (Some(stated), None),
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
        let inventory = Some(inventory);
        Ok(Self { name, inventory, servers, jobs, alerts, stated, given, problem, given_channels, of_channels })
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

/// The servers of an inventory, and where they are.
fn placed(inventory: &Inventory) -> Vec<Placed> {
    let placed = |target: &Target| {
        // Behind one address there may be several servers, told apart by their ports and by the name that is sent.
        let moved = target.moved.iter().map(|moved| format!("{}={}", moved.from, moved.to));
        let told = std::iter::once(target.host.to_string()).chain(moved).chain(target.sni.clone());
        let host = told.collect::<Vec<_>>().join(" ");
        Placed { client: target.client.clone(), name: target.name.clone(), host }
    };
    inventory.targets.iter().map(placed).collect()
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
            store.note_new_job(&JobRecord {
                id: id.clone(),
                settled,
                began: None,
                ended: None,
                exit: None,
                skipped: 0,
            })?;
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

mod said;
mod server;

#[cfg(test)]
mod tests;
