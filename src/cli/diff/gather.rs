//! Which runs are looked at beside the two that are compared, and of which servers.
//!
//! A run may have the servers of one client or of hundreds. So what surrounds two runs is looked for server by server, by what each
//! run calls them and whether they say the same; what they say is read only of servers of which that is not known already
//! ([`Still`](crate::drift::Still)). Of most, night after night the same is said.

use crate::cli::exit::CliError;
use crate::drift::{EARLIER, Series, compare};
use crate::history::{Archive, At, Mark, Named, RunNumber, State, Summary, Wanted};
use crate::model::drift::{Drift, RunMark, TargetDrift};
use crate::model::run::Run;
use crate::model::vantage::Ways;
use crate::report;
use std::collections::{BTreeMap, BTreeSet};

/// How many runs back are looked at for one of the same servers.
const BACK: usize = 5000;

/// How many runs of its neighbours are looked through for one server, before all of its own are asked for.
const NEIGHBOURS: usize = 64;

/// What flaps changes at least so often: from a value, to it again, and away from it again.
const CHANGES_OF_FLAPPING: usize = 3;

/// A run, with its number in the history.
#[derive(Debug)]
pub(in crate::cli) struct Loaded {
    pub(in crate::cli) number: Option<u64>,
    pub(in crate::cli) run: Run,
}

fn plain(number: RunNumber) -> Option<u64> {
    u64::try_from(number.0).ok()
}

/// Puts into `run`, which is kept under that number, what reads otherwise than in the last run of the same servers, where there is one.
pub(in crate::cli) fn attach(
    store: &dyn Archive,
    number: RunNumber,
    run: &mut Run,
    wanted: &Wanted,
) -> Result<(), CliError> {
    // Only of these clients: of another's there may be hundreds of runs each night.
    let clients = report::clients(run).into_iter().map(str::to_owned).collect();
    let runs = store.runs(&Wanted { clients, names: wanted.names.clone() })?;
    if let Some(old) = earlier(store, &runs, number, wanted)? {
        run.drift = Some(Box::new(of_runs(store, &runs, (old, number), wanted)?));
    }
    Ok(())
}

/// The last run before this one that came to its end and has the same servers.
pub(super) fn earlier(
    store: &dyn Archive,
    runs: &[Summary],
    number: RunNumber,
    wanted: &Wanted,
) -> Result<Option<RunNumber>, CliError> {
    let called = |run: RunNumber| -> Result<BTreeSet<Named>, CliError> {
        let marks = store.marks(run)?.into_iter().filter(|mark| wanted.wants(&mark.client, &mark.name));
        Ok(marks.map(|mark| (mark.client, mark.name)).collect())
    };
    let servers = called(number)?;
    let before = runs.iter().rev().skip_while(|run| run.number != number).skip(1).take(BACK);
    for run in before.filter(|run| run.state == State::Finished && run.targets == servers.len()) {
        if called(run.number)? == servers {
            return Ok(Some(run.number));
        }
    }
    Ok(None)
}

/// What surrounds two runs, for one server: its neighbours may be scanned more often.
#[derive(Clone, Debug, Default)]
struct Window {
    old: Option<At>,
    new: Option<At>,
    /// Runs between the two that have it, newest first.
    between: Vec<At>,
    /// Runs before the older one, newest first.
    earlier: Vec<At>,
}

/// Servers that are compared together, with the runs around the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// Nothing but the days has gone on, and nothing can flap: no other run is looked at.
    Quiet,
    /// Those of which the same runs are looked at, each newest first.
    Around { between: Vec<RunNumber>, earlier: Vec<RunNumber> },
    /// Those of a client that only one of the two runs has: one may be another that is called otherwise now.
    Unmatched(String),
}

impl Window {
    /// All runs of it, newest first.
    fn runs(&self) -> impl Iterator<Item = &At> {
        self.new.iter().chain(&self.between).chain(&self.old).chain(&self.earlier)
    }

    /// `network` tells through which network each run saw.
    fn group(&self, client: &str, network: &BTreeMap<RunNumber, usize>) -> Group {
        let (Some(old), Some(new)) = (self.old, self.new) else { return Group::Unmatched(client.to_owned()) };
        // What a run did not finish is like nothing.
        let is_same = |one: &At, other: &At| {
            one.said.is_some() && one.said == other.said && network.get(&one.run) == network.get(&other.run)
        };
        let newest_first: Vec<&At> = self.runs().collect();
        let changes =
            newest_first.windows(2).filter(|pair| !matches!(pair, [one, other] if is_same(one, other))).count();
        if changes >= CHANGES_OF_FLAPPING {
            return Group::Around { between: numbers(&self.between), earlier: numbers(&self.earlier) };
        }
        // Nothing flaps. What the older run could not tell is looked for before it, where something else is said.
        if is_same(&old, &new) {
            return Group::Quiet;
        }
        let mut last = old;
        let mut earlier = Vec::new();
        for at in &self.earlier {
            if !is_same(&last, at) {
                earlier.push(at.run);
            }
            last = *at;
        }
        Group::Around { between: Vec::new(), earlier }
    }
}

fn numbers(runs: &[At]) -> Vec<RunNumber> {
    runs.iter().map(|at| at.run).collect()
}

/// By server.
type Windows = BTreeMap<Named, Window>;

/// Finds of each server the newest `count` of `runs` that have it. Of most these are the very next; what is scanned seldom beside
/// neighbours that are scanned often is looked for by itself.
fn look(
    store: &dyn Archive,
    runs: &[RunNumber],
    windows: &mut Windows,
    count: usize,
    of: fn(&mut Window) -> &mut Vec<At>,
) -> Result<(), CliError> {
    let mut wanting = windows.len();
    for number in runs.iter().take(NEIGHBOURS) {
        if wanting == 0 {
            return Ok(());
        }
        for (place, Mark { client, name, said }) in store.marks(*number)?.into_iter().enumerate() {
            let Some(window) = windows.get_mut(&(client, name)) else { continue };
            if of(window).len() < count {
                of(window).push(At { run: *number, place, said });
                wanting -= usize::from(of(window).len() == count);
            }
        }
    }
    let Some(rest) = runs.get(NEIGHBOURS..).filter(|rest| wanting > 0 && !rest.is_empty()) else { return Ok(()) };
    let newest_first: BTreeMap<RunNumber, usize> = rest.iter().zip(0..).map(|(run, place)| (*run, place)).collect();
    let few = windows.iter_mut().filter_map(|(name, window)| (of(window).len() < count).then(|| name.clone()));
    let few: Vec<Named> = few.collect();
    for (server, mut sights) in store.sights(&few)? {
        let Some(window) = windows.get_mut(&server) else { continue };
        sights.retain(|sight| newest_first.contains_key(&sight.run));
        sights.sort_by_key(|sight| newest_first.get(&sight.run));
        let missing = count.saturating_sub(of(window).len());
        of(window).extend(sights.into_iter().take(missing));
    }
    Ok(())
}

/// What reads otherwise in the second of these runs than in the first, with the runs around the two.
pub(super) fn of_runs(
    store: &dyn Archive,
    runs: &[Summary],
    (old, new): (RunNumber, RunNumber),
    wanted: &Wanted,
) -> Result<Drift, CliError> {
    let place = |number| runs.iter().position(|run| run.number == number);
    let (Some(mut first), Some(mut last)) = (place(old), place(new)) else {
        return Err(CliError::Bug("a run is not in the list of runs".to_owned()));
    };
    if first > last {
        // Asked the other way round: what lies between lies between.
        (first, last) = (last, first);
    }
    let newest_first = |runs: Option<&[Summary]>| -> Vec<RunNumber> {
        let usable = runs.unwrap_or_default().iter().rev().filter(|run| run.state != State::Running);
        usable.map(|run| run.number).collect()
    };
    let (between, before) = (newest_first(runs.get(first + 1..last)), newest_first(runs.get(..first)));
    // The servers in the order of the newer run, then those that only the older one has.
    let mut order: Vec<Named> = Vec::new();
    let mut windows = Windows::new();
    for (run, of) in
        [(new, (|window| &mut window.new) as fn(&mut Window) -> &mut Option<At>), (old, |window| &mut window.old)]
    {
        for (place, Mark { client, name, said }) in store.marks(run)?.into_iter().enumerate() {
            if wanted.wants(&client, &name) {
                let window = windows.entry((client.clone(), name.clone())).or_insert_with(|| {
                    order.push((client, name));
                    Window::default()
                });
                of(window).get_or_insert(At { run, place, said });
            }
        }
    }
    look(store, &between, &mut windows, EARLIER / 2, |window| &mut window.between)?;
    look(store, &before, &mut windows, EARLIER, |window| &mut window.earlier)?;
    // What was seen through another network is not the same, whatever is said of it.
    let mut networks: Vec<Ways> = Vec::new();
    let mut network: BTreeMap<RunNumber, usize> = BTreeMap::new();
    for run in windows.values().flat_map(Window::runs).map(|at| at.run).collect::<BTreeSet<_>>() {
        let ways = store.load_places(run, &BTreeSet::new())?.vantage.ways;
        let known = networks.iter().position(|known| *known == ways);
        network.insert(run, known.unwrap_or(networks.len()));
        if known.is_none() {
            networks.push(ways);
        }
    }
    let mut drift = gathered(store, (old, new), windows, &network)?;
    let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
    for (client, _) in &order {
        let next = clients.len();
        clients.entry(client).or_insert(next);
    }
    let places = order.iter().enumerate().map(|(place, (client, name))| {
        ((client.as_str(), name.as_str()), (clients.get(client.as_str()).copied(), place))
    });
    let places: BTreeMap<(&str, &str), (Option<usize>, usize)> = places.collect();
    drift.targets.sort_by_key(|one: &TargetDrift| places.get(&(one.client.as_str(), one.name.as_str())).copied());
    let place = |other: &RunMark| runs.iter().position(|run| plain(run.number) == other.number);
    drift.others.sort_by_key(place);
    // Of each run only some servers were read: whether it is whole is known of all of them.
    for mark in drift.others.iter_mut().chain([&mut drift.before, &mut drift.after]) {
        let known = place(mark).and_then(|place| runs.get(place));
        mark.partial |= known.is_some_and(|known| known.partial);
    }
    Ok(drift)
}

/// What reads otherwise, server by server or many together.
fn gathered(
    store: &dyn Archive,
    (old, new): (RunNumber, RunNumber),
    windows: Windows,
    network: &BTreeMap<RunNumber, usize>,
) -> Result<Drift, CliError> {
    let mut groups: BTreeMap<Group, Windows> = BTreeMap::new();
    for (server, window) in windows {
        groups.entry(window.group(&server.0, network)).or_default().insert(server, window);
    }
    let bare = |number| store.load_places(number, &BTreeSet::new());
    let (before, after) = (bare(old)?, bare(new)?);
    let mut drift = since(
        Loaded { number: plain(old), run: before.clone() },
        (plain(new), &after),
        std::iter::empty(),
        std::iter::empty(),
    )?;
    if let Some(quiet) = groups.get_mut(&Group::Quiet) {
        let stills = store.stills(new)?;
        quiet.retain(|(client, name), window| {
            let still = window.new.and_then(|at| stills.get(&at.place)).filter(|still| still.holds(&before, &after));
            drift.targets.extend(still.map(|still| still.drift(client, name)));
            still.is_none()
        });
    }
    for (group, servers) in groups.into_iter().filter(|(_, servers)| !servers.is_empty()) {
        let (between, earlier) = match group {
            Group::Quiet => (Vec::new(), Vec::new()),
            Group::Around { between, earlier } => (between, earlier),
            // One may have been renamed, or be of a run before: what was seen before is held against it.
            Group::Unmatched(_) => servers
                .values()
                .max_by_key(|window| window.earlier.len())
                .map(|window| (numbers(&window.between), numbers(&window.earlier)))
                .unwrap_or_default(),
        };
        let part = of_part(store, (old, new), &servers, &between, &earlier)?;
        drift.targets.extend(part.targets);
        for other in part.others {
            if !drift.others.iter().any(|known| known.number == other.number) {
                drift.others.push(other);
            }
        }
    }
    Ok(drift)
}

/// What reads otherwise on some servers, with these runs around the two.
fn of_part(
    store: &dyn Archive,
    (old, new): (RunNumber, RunNumber),
    servers: &Windows,
    between: &[RunNumber],
    earlier: &[RunNumber],
) -> Result<Drift, CliError> {
    let load = |number: &RunNumber| -> Result<Loaded, CliError> {
        let all = servers
            .values()
            .flat_map(|window| window.old.iter().chain(&window.new).chain(&window.between).chain(&window.earlier));
        let places = all.filter(|at| at.run == *number).map(|at| at.place).collect();
        Ok(Loaded { number: plain(*number), run: store.load_places(*number, &places)? })
    };
    let newer = load(&new)?;
    since(load(&old)?, (newer.number, &newer.run), between.iter().map(load), earlier.iter().map(load))
}

/// What reads otherwise in `new` than in `old`. `between` and `earlier` are the runs between the two and those before `old`, each
/// newest first; they are loaded one by one, and only as many as are of use.
pub(super) fn since(
    old: Loaded,
    new: (Option<u64>, &Run),
    between: impl Iterator<Item = Result<Loaded, CliError>>,
    earlier: impl Iterator<Item = Result<Loaded, CliError>>,
) -> Result<Drift, CliError> {
    let few = |runs: &mut dyn Iterator<Item = Result<Loaded, CliError>>| -> Result<Vec<Loaded>, CliError> {
        let mut runs = runs.collect::<Result<Vec<Loaded>, CliError>>()?;
        runs.reverse();
        Ok(runs)
    };
    let (between, mut runs) = (few(&mut between.take(EARLIER / 2))?, few(&mut earlier.take(EARLIER))?);
    let base = runs.len();
    runs.push(old);
    runs.extend(between);
    let all = runs.iter().map(|loaded| (loaded.number, &loaded.run)).chain([new]);
    let series = Series::new(all).and_then(|series| series.against(base));
    let series = series.ok_or_else(|| CliError::Bug("a run was compared with none".to_owned()))?;
    Ok(compare(&series))
}
