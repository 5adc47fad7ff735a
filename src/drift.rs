//! Drift: from a series of runs to what reads otherwise in the last one, and why.
//!
//! Pure: no I/O, no clock. Three laws, which property tests hold:
//!
//! - **A lost sight is neither mended nor worse.** What can no longer be told is *new to know*; when it can be told again it is
//!   compared with the last time that it could, however many runs ago within the series.
//! - **A flapping answer is not drift** ([`WINDOW`], [`CHANGES_BACK`]). It is told once, apart.
//! - **A reason is something that was recorded and differs**, or else "cannot tell why". Several may hold; the one that decides
//!   comes first, and is sure only where it is alone.
//!
//! Targets are matched by client and name, and where there is none of that name by client and host. What a finding rests on
//! is told with that finding, and not counted beside it.

mod course;
mod pair;
mod ranges;
mod reason;
mod seen;
mod sight;
mod still;
mod things;
mod verdicts;

pub use course::{CHANGES_BACK, NOT_TOLD, WINDOW};
pub use still::Still;

use crate::model::drift::{
    Because, Change, Class, Drift, Flapping, Presence, Reason, RunMark, Sighting, Subject, TargetDrift, TargetPart,
};
use crate::model::ports::Ports;
use crate::model::run::{Run, Tally, TargetRun};
use crate::model::target::Target;
use crate::model::verdict::{Confidence, Severity, Verdict};
use pair::{In, Pair};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use things::{Seen, Things};

/// How many runs before the older one are worth giving: enough to see whether something flapped until the run before, and to
/// find what a few runs in a row could not tell.
pub const EARLIER: usize = 8;

/// How many changes of a target are kept; where something begins to answer in a server's place every port changes.
const CHANGES_LIMIT: usize = 500;

/// Runs to compare, oldest first: the last one is the newer of the two that are compared.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    runs: Vec<&'a Run>,
    marks: Vec<RunMark>,
    base: usize,
}

impl<'a> Series<'a> {
    /// The runs with their numbers in the history, where they have any: the last compared with the one before it. `None` for
    /// fewer than two.
    pub fn new(runs: impl IntoIterator<Item = (Option<u64>, &'a Run)>) -> Option<Self> {
        let (marks, runs): (Vec<RunMark>, Vec<&Run>) =
            runs.into_iter().map(|(number, run)| (RunMark { number, ..RunMark::of(run) }, run)).unzip();
        let base = runs.len().checked_sub(2)?;
        Some(Self { runs, marks, base })
    }

    /// The last compared with the one at this place instead. `None` where there is no such one before the last.
    pub fn against(self, base: usize) -> Option<Self> {
        (base + 1 < self.runs.len()).then_some(Self { base, ..self })
    }
}

/// What reads otherwise in the last run than in the one that it is compared with, and why.
pub fn compare(series: &Series<'_>) -> Drift {
    let Series { runs, marks, base } = series;
    let (Some(new), Some(old)) = (runs.last(), runs.get(*base)) else {
        unreachable!("a series has two runs or more");
    };
    let last = runs.len() - 1;
    let directories: Vec<Directory<'_>> = runs.iter().map(|run| Directory::of(run, new)).collect();
    let mut targets = Vec::new();
    let mut matched: BTreeSet<(&str, &str)> = BTreeSet::new();
    for target in &new.targets {
        let mut row: Vec<Option<In<'_>>> = directories
            .iter()
            .zip(runs)
            .map(|(directory, run)| directory.find(target).map(|target| In { run, target }))
            .collect();
        if let Some(place) = row.last_mut() {
            *place = Some(In { run: new, target });
        }
        if let Some(Some(found)) = row.get(*base) {
            matched.insert((&found.target.target.client, &found.target.target.name));
        }
        targets.push(of_target(target, &row, *base, marks));
    }
    for target in &old.targets {
        if !matched.contains(&(target.target.client.as_str(), target.target.name.as_str())) {
            targets.push(missing(target));
        }
    }
    let mark = |place: usize| marks.get(place).cloned().unwrap_or_else(|| RunMark::of(new));
    Drift {
        before: mark(*base),
        after: mark(last),
        others: (0..last).filter(|place| place != base).map(mark).collect(),
        vantage: pair::doubts(old, new),
        targets,
    }
}

/// The addresses of an older run by those of the newer, where a server moved and is compared with itself.
pub fn moved(before: &TargetRun, after: &TargetRun) -> BTreeMap<IpAddr, IpAddr> {
    pair::moves(before, after)
}

/// Whether the inventory says of all these ports that they are to be open, or that a service was moved there.
pub fn is_meant_open(target: &Target, address: IpAddr, ports: Ports) -> bool {
    let moved = |port: u16| target.moved.iter().any(|moved| moved.to.contains(ports.transport(), port));
    ports.each().all(|port| ranges::is_wanted(target, address, ports.transport(), port) || moved(port))
}

/// The targets of a run by what they are called and where they are.
struct Directory<'a> {
    by_name: BTreeMap<(&'a str, &'a str), &'a TargetRun>,
    /// Only those whose names the newer run does not know: a name that it knows is matched by name.
    by_host: BTreeMap<(&'a str, String), Vec<&'a TargetRun>>,
}

impl<'a> Directory<'a> {
    fn of(run: &'a Run, new: &Run) -> Self {
        let known: BTreeSet<(&str, &str)> =
            new.targets.iter().map(|one| (one.target.client.as_str(), one.target.name.as_str())).collect();
        let mut directory = Self { by_name: BTreeMap::new(), by_host: BTreeMap::new() };
        for target in &run.targets {
            let (client, name) = (target.target.client.as_str(), target.target.name.as_str());
            directory.by_name.entry((client, name)).or_insert(target);
            if !known.contains(&(client, name)) {
                directory.by_host.entry((client, target.target.host.to_string())).or_default().push(target);
            }
        }
        directory
    }

    fn find(&self, target: &TargetRun) -> Option<&'a TargetRun> {
        let (client, name) = (target.target.client.as_str(), target.target.name.as_str());
        self.by_name.get(&(client, name)).copied().or_else(|| {
            match self.by_host.get(&(client, target.target.host.to_string())).map(Vec::as_slice) {
                Some([only]) => Some(*only),
                _ => None,
            }
        })
    }
}

/// What reads otherwise on a target of the newer run.
fn of_target(target: &TargetRun, row: &[Option<In<'_>>], base: usize, marks: &[RunMark]) -> TargetDrift {
    let mut drift = empty(target, Presence::Both);
    let mut row = row.to_vec();
    // A run that did not have the target says nothing of it: the last one before it that did is the older one then.
    let older = row.iter().take(base + 1).rposition(Option::is_some);
    let (Some(older), Some(Some(after))) = (older, row.last().copied()) else {
        drift.presence = Presence::Added;
        drift.changes.push(added(target));
        return drift;
    };
    let Some(Some(before)) = row.get(older).copied() else { return drift };
    if older != base {
        row.drain(older + 1..=base.min(row.len().saturating_sub(2)));
    }
    let pair = Pair::new(before, after);
    let seen: Vec<Option<Seen<'_>>> =
        row.iter().map(|run| run.map(|run| Seen::of(run, pair::moves(run.target, after.target)))).collect();
    let things = Things::compare(&seen, older, &pair);
    let verdicts = verdicts::compare(&row, older, &pair, &things);
    drift.inventory.clone_from(&pair.inventory);
    drift.changes.extend(renamed(&pair));
    drift.changes.extend(verdicts.changes);
    drift.flapping.extend(verdicts.flapping);
    drift.not_compared.extend(verdicts.not_compared);
    let started = |place: usize| row.get(place).copied().flatten().map(|run| run.run.started.clone());
    for (place, difference) in things.differences.into_iter().enumerate() {
        let explains = verdicts.explained.get(&place).cloned().unwrap_or_default();
        if !difference.listed && explains.is_empty() {
            continue;
        }
        // Beside a verdict that is worse nothing that makes it so is better.
        let mut class = difference.class;
        let valued = |class: Class| matches!(class, Class::Worse | Class::Better);
        let mut given = explains.iter().map(|(_, class)| *class).filter(|class| valued(*class));
        if difference.sighting != Sighting::Lost
            && let Some(first) = given.next()
        {
            class = if given.all(|class| class == first) { first } else { Class::Neutral };
        }
        drift.changes.push(Change {
            subject: difference.subject,
            title: None,
            class,
            severity: difference.severity,
            sighting: difference.sighting,
            before: difference.before,
            after: difference.after,
            last_seen: difference.from.filter(|from| *from != older).and_then(started),
            reasons: difference.why,
            explains: explains.into_iter().map(|(name, _)| name).collect(),
        });
    }
    drift.flapping.extend(things.flapping.into_iter().map(|(subject, severity, sights)| Flapping {
        subject,
        title: None,
        severity,
        sights,
    }));
    drift.not_compared.extend(things.not_compared);
    if older != base
        && let Some(mark) = marks.get(older)
    {
        for change in drift.changes.iter_mut().filter(|change| change.last_seen.is_none() && change.before.is_some()) {
            change.last_seen = Some(mark.started.clone());
        }
    }
    drift.changes.sort_by(|one, other| {
        let key = |change: &Change| (change.class, std::cmp::Reverse(change.severity), !change.explains.is_empty());
        key(one).cmp(&key(other)).then_with(|| one.subject.cmp(&other.subject))
    });
    drift
        .flapping
        .sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.subject.cmp(&other.subject)));
    drift.left_out = drift.changes.len().saturating_sub(CHANGES_LIMIT);
    drift.changes.truncate(CHANGES_LIMIT);
    drift
}

fn empty(target: &TargetRun, presence: Presence) -> TargetDrift {
    TargetDrift {
        client: target.target.client.clone(),
        name: target.target.name.clone(),
        host: target.target.host.to_string(),
        presence,
        inventory: Vec::new(),
        changes: Vec::new(),
        flapping: Vec::new(),
        not_compared: Vec::new(),
        left_out: 0,
    }
}

/// A change of the target itself, which is the inventory's doing or the user's choice.
fn of_itself(part: TargetPart, before: Option<String>, after: Option<String>, reason: Because) -> Change {
    Change {
        subject: Subject::Target { part },
        title: None,
        class: Class::New,
        severity: Severity::Medium,
        sighting: match (&before, &after) {
            (None, _) => Sighting::First,
            (_, None) => Sighting::Gone,
            _ => Sighting::Both,
        },
        before,
        after,
        last_seen: None,
        reasons: vec![reason],
        explains: Vec::new(),
    }
}

/// The counts of the verdicts on a target: `2 fail, 30 pass`.
fn tallied(target: &TargetRun) -> String {
    let tally = Tally::of(&target.findings);
    let counted = Verdict::ALL.into_iter().filter(|verdict| tally.count(*verdict) > 0);
    let words: Vec<String> = counted.map(|verdict| format!("{} {verdict}", tally.count(verdict))).collect();
    if words.is_empty() { "nothing was judged".to_owned() } else { words.join(", ") }
}

fn selected(what: &str) -> Because {
    Because { reason: Reason::Inventory { what: vec![what.to_owned()] }, confidence: Confidence::Medium }
}

fn added(target: &TargetRun) -> Change {
    let reason = selected("it was not among the targets before: new in the inventory, or not selected then");
    of_itself(TargetPart::Presence, None, Some(tallied(target)), reason)
}

fn missing(target: &TargetRun) -> TargetDrift {
    let reason = selected("it is not among the targets now: taken out of the inventory, or not selected");
    let mut drift = empty(target, Presence::Missing);
    drift.changes.push(of_itself(TargetPart::Presence, Some(tallied(target)), None, reason));
    drift
}

/// That it is called otherwise, or is elsewhere.
fn renamed(pair: &Pair<'_>) -> Vec<Change> {
    let (before, after) = (&pair.before.target.target, &pair.after.target.target);
    let mut changes = Vec::new();
    if before.name != after.name {
        let what = vec![format!("name: {} → {}", before.name, after.name)];
        let reason = Because { reason: Reason::Inventory { what }, confidence: Confidence::High };
        let change = of_itself(TargetPart::Name, Some(before.name.clone()), Some(after.name.clone()), reason);
        changes.push(Change { class: Class::Neutral, severity: Severity::Low, ..change });
    }
    if before.host != after.host {
        let what = vec![format!("host: {} → {}", before.host, after.host)];
        let reason = Because { reason: Reason::Inventory { what }, confidence: Confidence::High };
        changes.push(of_itself(TargetPart::Host, Some(before.host.to_string()), Some(after.host.to_string()), reason));
    }
    changes
}

#[cfg(test)]
pub(crate) mod tests;
