//! Which runs are looked at beside the two that are compared, and of which servers.
//!
//! A run may have the servers of one client or of hundreds. So what surrounds two runs is looked for server by server, and read only
//! of servers of which something reads otherwise somewhere in it; of most, night after night the same is said.

use crate::cli::exit::CliError;
use crate::drift::{EARLIER, Series, compare};
use crate::history::{Archive, Mark, RunNumber, State, Summary, Wanted};
use crate::model::drift::{Drift, RunMark, TargetDrift};
use crate::model::run::{Run, TargetRun};
use crate::report;
use std::collections::{BTreeMap, BTreeSet};

/// How many runs back are looked at for one of the same servers.
const BACK: usize = 5000;

/// How many runs of its neighbours are looked through for one server.
const NEIGHBOURS: usize = 256;

/// A run, with its number in the history.
#[derive(Debug)]
pub(in crate::cli) struct Loaded {
    pub(in crate::cli) number: Option<u64>,
    pub(in crate::cli) run: Run,
}

impl Loaded {
    fn of(number: RunNumber, run: Run) -> Self {
        Self { number: plain(number), run }
    }
}

fn plain(number: RunNumber) -> Option<u64> {
    u64::try_from(number.0).ok()
}

/// Puts into `run` what reads otherwise than in the last run of the same servers, where there is one.
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
        run.drift = Some(Box::new(of_runs(store, &runs, (old, store.load(old, wanted)?), (number, run))?));
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
    let called = |run: RunNumber| -> Result<BTreeSet<(String, String)>, CliError> {
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

/// A server: its client and its name.
type Named = (String, String);

/// What surrounds two runs, for one server: its neighbours may be scanned more often.
#[derive(Debug, Default)]
struct Window {
    /// Runs between the two that have it, newest first.
    between: Vec<RunNumber>,
    /// Runs before the older one, newest first.
    earlier: Vec<RunNumber>,
    /// What all of these and the two say of it.
    said: Option<Said>,
    /// How many of the two have it.
    of_both: usize,
}

/// What several runs say of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The same, all of them.
    Same(i64),
    /// Not the same, or one of them did not finish it.
    Otherwise,
}

/// Servers of a client that are compared together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// Every run says the same, so that only the days have gone on: no other run is looked at.
    Quiet,
    /// Only one of the two runs has them: one may be another that is called otherwise now.
    Unmatched,
    /// Those of which the same runs are looked at.
    Around { between: Vec<RunNumber>, earlier: Vec<RunNumber> },
}

impl Window {
    fn note(&mut self, mark: &Mark) {
        let new = mark.said.map_or(Said::Otherwise, Said::Same);
        if *self.said.get_or_insert(new) != new {
            self.said = Some(Said::Otherwise);
        }
    }

    fn group(&self) -> Group {
        match self.said {
            _ if self.of_both < 2 => Group::Unmatched,
            Some(Said::Same(_)) => Group::Quiet,
            _ => Group::Around { between: self.between.clone(), earlier: self.earlier.clone() },
        }
    }
}

/// By server.
type Windows = BTreeMap<Named, Window>;

/// Looks through `runs`, newest first, until of each server so many have been found that have it.
fn look(
    store: &dyn Archive,
    runs: &[RunNumber],
    windows: &mut Windows,
    count: usize,
    of: fn(&mut Window) -> &mut Vec<RunNumber>,
) -> Result<(), CliError> {
    let mut wanting = windows.len();
    // A server that is new among its neighbours is not looked for through all of their past.
    let mut looked: BTreeMap<String, usize> = windows.keys().map(|(client, _)| (client.clone(), 0)).collect();
    for number in runs.iter().take(BACK) {
        if wanting == 0 || looked.values().all(|runs| *runs >= NEIGHBOURS) {
            break;
        }
        let mut last: Option<String> = None;
        for mark in store.marks(*number)? {
            if last.as_ref() != Some(&mark.client) {
                looked.entry(mark.client.clone()).and_modify(|runs| *runs += 1);
                last = Some(mark.client.clone());
            }
            let Some(window) = windows.get_mut(&(mark.client.clone(), mark.name.clone())) else { continue };
            if of(window).len() < count {
                of(window).push(*number);
                wanting -= usize::from(of(window).len() == count);
                window.note(&mark);
            }
        }
    }
    Ok(())
}

/// What reads otherwise, with the runs around the two.
pub(super) fn of_runs(
    store: &dyn Archive,
    runs: &[Summary],
    (old_number, mut old): (RunNumber, Run),
    (new_number, new): (RunNumber, &mut Run),
) -> Result<Drift, CliError> {
    let place = |number| runs.iter().position(|run| run.number == number);
    let (Some(mut first), Some(mut last)) = (place(old_number), place(new_number)) else {
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
    let order: Vec<(String, String)> = new.targets.iter().chain(&old.targets).map(called).collect();
    let mut clients: Vec<&str> = Vec::new();
    for (client, _) in &order {
        if !clients.contains(&client.as_str()) {
            clients.push(client);
        }
    }
    let mut windows: Windows = order.iter().map(|server| (server.clone(), Window::default())).collect();
    look(store, &between, &mut windows, EARLIER / 2, |window| &mut window.between)?;
    look(store, &before, &mut windows, EARLIER, |window| &mut window.earlier)?;
    for number in [old_number, new_number] {
        for mark in store.marks(number)? {
            if let Some(window) = windows.get_mut(&(mark.client.clone(), mark.name.clone())) {
                window.note(&mark);
                window.of_both += 1;
            }
        }
    }
    // A client's part of a run may be whole where the run is not.
    let mark = |number: RunNumber, run: &Run| RunMark { number: plain(number), ..RunMark::of(run) };
    let marks = (mark(old_number, &old), mark(new_number, new));
    let (mut olds, news) = (Parts::take(&mut old, &windows), Parts::take(new, &windows));
    let keys: BTreeSet<(String, Group)> = olds.parts.keys().chain(news.parts.keys()).cloned().collect();
    let compared = keys.iter().try_fold(None, |whole, key| {
        let (client, group) = key;
        let was = olds.parts.remove(key).map_or_else(|| olds.bare.clone(), |(_, run)| run);
        let is = news.parts.get(key).map_or(&news.bare, |(_, run)| run);
        let (between, earlier) = match group {
            Group::Quiet => (&[][..], &[][..]),
            Group::Around { between, earlier } => (&between[..], &earlier[..]),
            // One may have been renamed, or be of a run before: what was seen before is held against it.
            Group::Unmatched => was
                .targets
                .iter()
                .chain(&is.targets)
                .filter_map(|target| windows.get(&called(target)))
                .max_by_key(|window| window.earlier.len())
                .map_or((&[][..], &[][..]), |window| (&window.between[..], &window.earlier[..])),
        };
        let was = Loaded::of(old_number, was);
        let part = of_part(store, client, was, (plain(new_number), is), between, earlier);
        part.map(|drift| Some(joined(whole, drift)))
    });
    new.targets = news.targets();
    let none = std::iter::empty;
    let mut drift = match compared? {
        Some(drift) => drift,
        None => since(Loaded::of(old_number, old), (plain(new_number), new), none(), none())?,
    };
    let places: BTreeMap<(&str, &str), (usize, usize)> = {
        let client = |name: &str| clients.iter().position(|known| *known == name).unwrap_or_default();
        let places = order.iter().enumerate().rev();
        places.map(|(place, (whose, name))| ((whose.as_str(), name.as_str()), (client(whose), place))).collect()
    };
    drift.targets.sort_by_key(|one: &TargetDrift| places.get(&(one.client.as_str(), one.name.as_str())).copied());
    (drift.before, drift.after) = marks;
    let place = |other: &RunMark| runs.iter().position(|run| plain(run.number) == other.number);
    drift.others.sort_by_key(place);
    for other in &mut drift.others {
        let known = place(other).and_then(|place| runs.get(place));
        other.partial = known.map_or(other.partial, |known| known.partial);
    }
    Ok(drift)
}

fn called(target: &TargetRun) -> Named {
    (target.target.client.clone(), target.target.name.clone())
}

/// A run in parts: by client, and by which servers are compared together. Of each part also the places of its targets.
struct Parts {
    bare: Run,
    parts: BTreeMap<(String, Group), (Vec<usize>, Run)>,
}

impl Parts {
    /// Takes the targets out of a run.
    fn take(run: &mut Run, windows: &Windows) -> Self {
        let targets = std::mem::take(&mut run.targets);
        let bare = Run { drift: None, ..run.clone() };
        let mut parts: BTreeMap<(String, Group), (Vec<usize>, Run)> = BTreeMap::new();
        for (place, target) in targets.into_iter().enumerate() {
            let group = windows.get(&called(&target)).map_or(Group::Unmatched, Window::group);
            let key = (target.target.client.clone(), group);
            let (places, part) = parts.entry(key).or_insert_with(|| (Vec::new(), bare.clone()));
            places.push(place);
            part.targets.push(target);
        }
        Self { bare, parts }
    }

    /// All targets, in their order.
    fn targets(self) -> Vec<TargetRun> {
        let parts = self.parts.into_values().flat_map(|(places, part)| places.into_iter().zip(part.targets));
        let mut targets: Vec<(usize, TargetRun)> = parts.collect();
        targets.sort_by_key(|(place, _)| *place);
        targets.into_iter().map(|(_, target)| target).collect()
    }
}

/// What reads otherwise on some servers of a client, with these runs around the two.
fn of_part(
    store: &dyn Archive,
    client: &str,
    old: Loaded,
    new: (Option<u64>, &Run),
    between: &[RunNumber],
    earlier: &[RunNumber],
) -> Result<Drift, CliError> {
    // A `*` in a name would stand for others too: then all servers of the client are read.
    let names: BTreeSet<&String> = new.1.targets.iter().chain(&old.run.targets).map(|one| &one.target.name).collect();
    let names = if names.iter().any(|name| name.contains('*')) { BTreeSet::new() } else { names };
    let wanted = Wanted { clients: vec![client.to_owned()], names: names.into_iter().cloned().collect() };
    let load = |number: &RunNumber| Ok(Loaded::of(*number, store.load(*number, &wanted)?));
    since(old, new, between.iter().map(load), earlier.iter().map(load))
}

/// The drift of one part more.
fn joined(whole: Option<Drift>, part: Drift) -> Drift {
    let Some(mut whole) = whole else { return part };
    whole.targets.extend(part.targets);
    for other in part.others {
        if !whole.others.iter().any(|known| known.number == other.number) {
            whole.others.push(other);
        }
    }
    whole
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
