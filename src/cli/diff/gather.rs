//! Which runs are looked at beside the two that are compared, and of which servers.
//!
//! A run may have the servers of one client or of hundreds. So what surrounds two runs is looked for client by client, and read only
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

/// What surrounds two runs, for one client.
#[derive(Debug, Default)]
struct Window {
    /// Runs between the two that have any of its servers, newest first.
    between: Vec<RunNumber>,
    /// Runs before the older one, newest first.
    earlier: Vec<RunNumber>,
    /// What is said of each server, by its name.
    said: BTreeMap<String, Said>,
}

/// What several runs say of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The same, all of them.
    Same(i64),
    /// Not the same, or one of them did not finish it.
    Otherwise,
}

impl Window {
    fn note(&mut self, mark: Mark) {
        let new = mark.said.map_or(Said::Otherwise, Said::Same);
        let said = self.said.entry(mark.name).or_insert(new);
        if *said != new {
            *said = Said::Otherwise;
        }
    }

    /// Whether every run says the same of this server, so that only the days have gone on.
    fn is_quiet(&self, name: &str) -> bool {
        matches!(self.said.get(name), Some(Said::Same(_)))
    }
}

/// Notes what the two runs say. A server that only one of them has may be called otherwise in the other: it is not quiet.
fn note_both(store: &dyn Archive, both: [RunNumber; 2], windows: &mut Windows<'_>) -> Result<(), CliError> {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for number in both {
        for mark in store.marks(number)? {
            if let Some(window) = windows.get_mut(mark.client.as_str()) {
                *seen.entry((mark.client.clone(), mark.name.clone())).or_default() += 1;
                window.note(mark);
            }
        }
    }
    for ((client, name), _) in seen.into_iter().filter(|(_, runs)| *runs < both.len()) {
        if let Some(said) = windows.get_mut(client.as_str()).and_then(|window| window.said.get_mut(&name)) {
            *said = Said::Otherwise;
        }
    }
    Ok(())
}

type Windows<'a> = BTreeMap<&'a str, Window>;

/// Looks through `runs`, newest first, until of each client so many have been found.
fn look(
    store: &dyn Archive,
    runs: &[RunNumber],
    windows: &mut Windows<'_>,
    count: usize,
    of: fn(&mut Window) -> &mut Vec<RunNumber>,
) -> Result<(), CliError> {
    let mut wanting = windows.len();
    for number in runs.iter().take(BACK) {
        if wanting == 0 {
            break;
        }
        for mark in store.marks(*number)? {
            let Some(window) = windows.get_mut(mark.client.as_str()) else { continue };
            let found = of(window);
            if found.last() != Some(number) {
                if found.len() == count {
                    continue;
                }
                found.push(*number);
                wanting -= usize::from(found.len() == count);
            }
            window.note(mark);
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
    let mut windows: Windows<'_> = clients.iter().map(|client| (*client, Window::default())).collect();
    look(store, &between, &mut windows, EARLIER / 2, |window| &mut window.between)?;
    look(store, &before, &mut windows, EARLIER, |window| &mut window.earlier)?;
    note_both(store, [old_number, new_number], &mut windows)?;
    // A client's part of a run may be whole where the run is not.
    let mark = |number: RunNumber, run: &Run| RunMark { number: plain(number), ..RunMark::of(run) };
    let marks = (mark(old_number, &old), mark(new_number, new));
    let (mut olds, news) = (Parts::take(&mut old, &windows), Parts::take(new, &windows));
    let compared =
        clients.iter().flat_map(|client| [(*client, true), (*client, false)]).try_fold(None, |whole, part| {
            let (client, quiet) = part;
            let key = (client.to_owned(), quiet);
            let is = news.parts.get(&key).map(|(_, run)| run);
            let was = olds.parts.remove(&key).map(|(_, run)| run);
            if is.is_none() && was.is_none() {
                return Ok(whole);
            }
            let window = windows.get(client).ok_or_else(|| CliError::Bug("a client without runs".to_owned()))?;
            let was = Loaded::of(old_number, was.unwrap_or_else(|| olds.bare.clone()));
            let is = (plain(new_number), is.unwrap_or(&news.bare));
            of_part(store, client, was, is, window, quiet).map(|drift| Some(joined(whole, drift)))
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

fn called(target: &TargetRun) -> (String, String) {
    (target.target.client.clone(), target.target.name.clone())
}

/// A run in parts: by client, and by whether all runs say the same of the servers. Of each part also the places of its targets.
struct Parts {
    bare: Run,
    parts: BTreeMap<(String, bool), (Vec<usize>, Run)>,
}

impl Parts {
    /// Takes the targets out of a run.
    fn take(run: &mut Run, windows: &Windows<'_>) -> Self {
        let targets = std::mem::take(&mut run.targets);
        let bare = Run { drift: None, ..run.clone() };
        let mut parts: BTreeMap<(String, bool), (Vec<usize>, Run)> = BTreeMap::new();
        for (place, target) in targets.into_iter().enumerate() {
            let (client, name) = called(&target);
            let quiet = windows.get(client.as_str()).is_some_and(|window| window.is_quiet(&name));
            let (places, part) = parts.entry((client, quiet)).or_insert_with(|| (Vec::new(), bare.clone()));
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

/// What reads otherwise on some servers of a client. Around servers of which all runs say the same no run is looked at.
fn of_part(
    store: &dyn Archive,
    client: &str,
    old: Loaded,
    (number, new): (Option<u64>, &Run),
    window: &Window,
    quiet: bool,
) -> Result<Drift, CliError> {
    // A `*` in a name would stand for others too: then all servers of the client are read.
    let names: BTreeSet<&String> = new.targets.iter().chain(&old.run.targets).map(|one| &one.target.name).collect();
    let names = if names.iter().any(|name| name.contains('*')) { BTreeSet::new() } else { names };
    let wanted = Wanted { clients: vec![client.to_owned()], names: names.into_iter().cloned().collect() };
    let load = |number: &RunNumber| Ok(Loaded::of(*number, store.load(*number, &wanted)?));
    let (between, earlier) = if quiet { (&[][..], &[][..]) } else { (&window.between[..], &window.earlier[..]) };
    since(old, (number, new), between.iter().map(load), earlier.iter().map(load))
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
