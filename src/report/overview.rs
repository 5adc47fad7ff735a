//! Many servers in one report: the newest picture of each, put together from several runs, and how it came about.
//!
//! Pure: the runs are given, and so is the time. What is said of a server comes from the last run that saw anything of it, and says
//! from when it is. Where the last try saw nothing, or a scan is overdue, the server's picture is old, and every form of the report
//! says so before all else: a server that was not seen has not become better.
//!
//! - What failed when it was last told, and can no longer be told, still stands as a failure, marked as not confirmed. So does what
//!   the last run did not ask, because it was asked for less than the one that told it.
//!   What is wrong with it is what was seen then.
//! - A certificate whose place could not be read by the last sight is told as it was read last, with the day.
//! - What has run out since the scan counts for nothing: a waiver or an attestation is read on the day of the report.
//! - A failure is as old as the first run of the series in which it was never seen to pass; what a run did not see breaks nothing.

mod age;
mod asked;
mod certificates;
mod choice;
mod failure;
mod plan;
mod server;
mod shelf;
mod standing;
mod trend;
pub(super) mod words;

pub use asked::{Asked, AskedOptions};
pub use certificates::Certificate;
pub use choice::{Choice, choices};
pub use failure::{Failure, Since};
pub use plan::Step;
pub use server::{Lost, Server};
pub use trend::{Point, Sureness, Trend, TrendMark};

use crate::history::RunNumber;
use crate::history::courses::{Courses, SnapshotNumber, Told};
use crate::model::run::Run;
use crate::model::target::Target;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A run, as a place in time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Its number in the history.
    pub run: i64,
}

/// Which time a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// What changed and the trend are told from here on.
    pub since: Timestamp,
    /// The time of the report: later runs do not count, and days are counted from here.
    pub until: Timestamp,
    /// A picture that is older than this many seconds is old, whatever the schedule says.
    pub stale_after: Option<i64>,
}

/// The runs that tell of one target.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The last that saw anything of it, with this target alone.
    pub now: Option<Run>,
    /// The last before the period that did, or else the first in it.
    pub before: Option<Run>,
    /// The last try, where it saw nothing.
    pub failed: Option<Run>,
}

/// What snapshots say of items and rules.
pub type AllTold = HashMap<SnapshotNumber, Vec<Arc<Told>>>;

/// All servers of which there is to be a report, over all clients.
#[derive(Clone, Debug)]
pub struct Estate {
    period: Period,
    courses: Courses,
    told: AllTold,
    /// What is no longer asked.
    dropped: asked::Dropped,
    /// By their places in the courses.
    servers: Vec<Option<Server>>,
    inventory: Option<BTreeSet<(String, String)>>,
    narrowed: Narrowed,
}

/// By what the user chose servers. His words are no part of this: they may name servers of other clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Only some clients.
    pub clients: bool,
    /// Only servers of some names.
    pub names: bool,
}

/// Which servers a report is of, where it is not of all: only such as it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    /// All servers of these clients.
    Clients(Vec<String>),
    /// These servers, by client and name.
    Servers(Vec<(String, String)>),
}

/// A report over many servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Whose servers, where they are of one client.
    pub client: Option<String>,
    /// Which they are, where it is not all of them.
    pub only: Option<Only>,
    /// Which time it is about; RFC 3339, UTC.
    pub since: String,
    /// The time of the report; RFC 3339, UTC.
    pub until: String,
    /// The servers, what to do first comes first.
    pub servers: Vec<Server>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// How the counts went.
    pub trend: Trend,
    /// What was compared with the inventory.
    pub inventory: Option<Compared>,
}

/// What an inventory and the history do not both have: `client/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// In the inventory, and in no run.
    pub never: Vec<(String, String)>,
    /// In the history, and no longer in the inventory; they count for nothing.
    pub gone: Vec<(String, String)>,
}

impl Estate {
    /// Of these targets, each with the runs that `load` gives for it. With an inventory, targets that it does not name are left out.
    pub fn new<E>(
        period: Period,
        (courses, told): (Courses, AllTold),
        inventory: Option<&[Target]>,
        mut load: impl FnMut(&Choice) -> Result<Loaded, E>,
        asked: impl FnMut(RunNumber) -> Result<Asked, E>,
    ) -> Result<Self, E> {
        let (mut book, mut dropped) = (asked::Book::new(asked), asked::Dropped::new());
        let given: Option<BTreeMap<(String, String), &Target>> = inventory.map(|targets| {
            targets.iter().map(|target| ((target.client.clone(), target.name.clone()), target)).collect()
        });
        let mut sights: Vec<Vec<usize>> = vec![Vec::new(); courses.targets.len()];
        for (place, sight) in courses.sights.iter().enumerate() {
            if let Some(own) = sights.get_mut(sight.target) {
                own.push(place);
            }
        }
        let mut servers = Vec::with_capacity(courses.targets.len());
        for (choice, own) in choices(&courses, period.since.as_second()).into_iter().zip(&sights) {
            let named = courses.targets.get(choice.target).map(|name| (name.client.clone(), name.name.clone()));
            let target = named.and_then(|named| given.as_ref()?.get(&named).copied());
            let tried = choice.now.is_some() || choice.failed.is_some();
            if !tried || given.is_some() && target.is_none() {
                servers.push(None);
                continue;
            }
            let loaded = load(&choice)?;
            let unasked = asked::unasked(&courses, &told, own, (&mut book, &mut dropped))?;
            let older = |sight: usize| {
                let alone = Choice { target: choice.target, now: Some(sight), ..Choice::default() };
                Ok(load(&alone)?.now.and_then(|run| run.targets.into_iter().next()))
            };
            let shelf = shelf::Shelf::new(older, period.until);
            let server = server::of((&courses, &told), (period, target), (&choice, own), (&loaded, &unasked), shelf)?;
            servers.push(Some(server));
        }
        let inventory = given.map(|given| given.into_keys().collect());
        Ok(Self { period, courses, told, dropped, servers, inventory, narrowed: Narrowed::default() })
    }

    /// Says that these are only some of the servers.
    #[must_use]
    pub fn narrowed(self, narrowed: Narrowed) -> Self {
        Self { narrowed, ..self }
    }

    /// The clients, in the order of their names: those of servers, and those of targets that were never scanned.
    pub fn clients(&self) -> Vec<String> {
        let servers = self.servers.iter().flatten().map(|server| server.client.clone());
        let named = self.inventory.iter().flatten().map(|(client, _)| client.clone());
        servers.chain(named).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// The report over one client, or over all.
    pub fn overview(&self, client: Option<&str>) -> Overview {
        let of_client = |name: &str| client.is_none_or(|client| client == name);
        let own = |server: &&Server| of_client(&server.client);
        let mut servers: Vec<Server> = self.servers.iter().flatten().filter(own).cloned().collect();
        servers.sort_by_cached_key(Server::order);
        let counted: Vec<bool> =
            self.servers.iter().map(|server| server.as_ref().is_some_and(|server| of_client(&server.client))).collect();
        let inventory = self.inventory.as_ref().map(|named| {
            let seen = |one: &(String, String)| {
                let found = servers.iter().any(|server| (&server.client, &server.name) == (&one.0, &one.1));
                !found && of_client(&one.0)
            };
            let never = named.iter().filter(|one| seen(one)).cloned().collect();
            let known = self.courses.targets.iter().map(|name| (name.client.clone(), name.name.clone()));
            let gone: BTreeSet<(String, String)> =
                known.filter(|one| of_client(&one.0) && !named.contains(one)).collect();
            Compared { never, gone: gone.into_iter().collect() }
        });
        Overview {
            client: client.map(str::to_owned),
            only: self.only(client, &servers, inventory.as_ref()),
            since: self.period.since.to_string(),
            until: self.period.until.to_string(),
            steps: plan::steps(&servers),
            trend: trend::of(&self.courses, (&self.told, &self.dropped), self.period, &counted),
            servers,
            inventory,
        }
    }

    /// Which servers a report is of, by its own servers alone.
    fn only(&self, client: Option<&str>, servers: &[Server], inventory: Option<&Compared>) -> Option<Only> {
        if self.narrowed.names {
            let told = servers.iter().map(|server| (server.client.clone(), server.name.clone()));
            let never = inventory.into_iter().flat_map(|inventory| &inventory.never).cloned();
            let all: BTreeSet<(String, String)> = told.chain(never).collect();
            return Some(Only::Servers(all.into_iter().collect()));
        }
        (self.narrowed.clients && client.is_none()).then(|| Only::Clients(self.clients()))
    }
}

#[cfg(test)]
mod tests;
