//! How the counts went, run after run.
//!
//! A point is the picture of all servers at that time: each as it was last seen. A server that was not seen counts as it was last
//! seen, and the point says so; where none was seen, or nothing was tried for much longer than usual, there is a gap. What can no longer be told
//! stands as it was last told: a lost sight never makes the line fall.

use super::asked::Dropped;
use super::standing::{DAY, allowed};
use super::{AllTold, Period, choice};
use crate::history::courses::{Courses, Told};
use crate::model::run::GuideUsed;
use crate::model::statement::About;
use crate::model::verdict::{Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// With more runs than this in the period a point is a day, and a week with more days.
const POINTS: usize = 60;

/// A pause that is this many halves of the usual one is a gap: a night that is missing.
const GAP_HALVES: i64 = 5;

/// How the counts went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// The points, oldest first.
    pub points: Vec<Point>,
    /// What else may explain a jump, oldest first.
    pub marks: Vec<TrendMark>,
}

/// The picture of all servers at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// When the last run that it is made of began, in seconds since 1970.
    pub at: i64,
    /// The same, RFC 3339, UTC.
    pub started: String,
    /// How many servers had been seen by then.
    pub servers: usize,
    /// How many of them were not seen by their last try, or not for too long.
    pub unseen: usize,
    /// Failures by severity, the lowest first.
    pub fails: [usize; 4],
    /// Items that could not be told.
    pub inconclusive: usize,
    /// Items that pass.
    pub pass: usize,
    /// Expected rules that are violated; they are not among the failures.
    pub violated: usize,
    /// There was a much longer pause before it than is usual.
    pub gap_before: bool,
}

/// How much a point can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sureness {
    /// Every server was seen.
    Whole,
    /// Some servers count as they were last seen.
    Partly,
    /// No server was seen: the point is a gap.
    Nothing,
}

impl Point {
    /// How many failures there are, violated rules among them.
    pub fn failing(&self) -> usize {
        self.fails.iter().sum::<usize>() + self.violated
    }

    /// How many of them are critical or high; a violated rule is high.
    pub fn grave(&self) -> usize {
        let [_, _, high, critical] = self.fails;
        high + critical + self.violated
    }

    /// How much it can be relied upon.
    pub const fn sureness(&self) -> Sureness {
        match self.unseen {
            0 => Sureness::Whole,
            unseen if unseen < self.servers => Sureness::Partly,
            _ => Sureness::Nothing,
        }
    }
}

/// Something else that changed, which may explain a jump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrendMark {
    /// The point at which it came, by its place in [`Trend::points`].
    pub point: usize,
    /// What, in words.
    pub what: String,
}

/// What is known of a server while the runs go by.
#[derive(Clone, Debug, Default)]
struct Now<'a> {
    /// What it was seen as last, by its place in the snapshots.
    snapshot: Option<usize>,
    /// When that was.
    seen: i64,
    /// The last try saw nothing.
    lost: bool,
    /// The guides and the program of that run.
    made_by: Option<(usize, String)>,
    /// What failed when it was last told.
    failing: BTreeMap<&'a About, Severity>,
    /// The same by severity, without expected rules.
    fails: [usize; 4],
}

/// Severities, the lowest first.
const SEVERITIES: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

impl<'a> Now<'a> {
    /// Takes what a snapshot says. What it cannot tell stays as it was, and so does what it was not asked for.
    fn take(&mut self, place: usize, told: &'a [Arc<Told>], dropped: &[About]) {
        if self.snapshot == Some(place) && dropped.is_empty() {
            return;
        }
        self.snapshot = Some(place);
        let before = std::mem::take(&mut self.failing);
        let stands = |one: &&'a Arc<Told>| match one.verdict {
            Verdict::Fail => true,
            Verdict::Pass | Verdict::NotApplicable => false,
            _ => before.contains_key(&one.about),
        };
        self.failing = told.iter().filter(stands).map(|one| (&one.about, one.severity)).collect();
        for (about, severity) in before {
            let told = self.failing.contains_key(about) || told.iter().any(|one| one.about == *about);
            if !told && !dropped.contains(about) {
                self.failing.insert(about, severity);
            }
        }
        self.fails = SEVERITIES.map(|severity| {
            let of = |(about, known): &(&&About, &Severity)| **known == severity && matches!(about, About::Item { .. });
            self.failing.iter().filter(of).count()
        });
    }

    fn violated(&self) -> usize {
        self.failing.keys().filter(|about| matches!(about, About::Rule(_))).count()
    }
}

/// How the counts of these targets went in the period.
pub(super) fn of(courses: &Courses, (told, dropped): (&AllTold, &Dropped), period: Period, wanted: &[bool]) -> Trend {
    let is_wanted = |target: usize| wanted.get(target).copied().unwrap_or_default();
    let mut servers: Vec<Now<'_>> = vec![Now::default(); courses.targets.len()];
    let mut tries: Vec<Vec<i64>> = vec![Vec::new(); courses.targets.len()];
    for sight in courses.sights.iter().filter(|sight| is_wanted(sight.target)) {
        if let Some(tries) = tries.get_mut(sight.target) {
            tries.push(choice::at(courses, sight));
        }
    }
    let patience: Vec<i64> = tries.iter().map(|tries| allowed(tries, period.stale_after)).collect();
    let since = period.since.as_second();
    let in_period: BTreeSet<usize> = courses
        .sights
        .iter()
        .filter(|sight| is_wanted(sight.target) && choice::at(courses, sight) >= since)
        .map(|sight| sight.run)
        .collect();
    let width = width(courses, &in_period);
    let bucket = |at: i64, run: usize| width.map_or(run, |width| usize::try_from(at.div_euclid(width)).unwrap_or(0));

    let mut trend = Trend::default();
    let mut marks: BTreeSet<String> = BTreeSet::new();
    let mut known = 0;
    let mut sights = courses.sights.iter().enumerate().filter(|(_, sight)| is_wanted(sight.target)).peekable();
    while let Some((place, sight)) = sights.next() {
        let at = choice::at(courses, sight);
        if let (Some(now), Some(run)) = (servers.get_mut(sight.target), courses.runs.get(sight.run)) {
            if choice::tells(courses, sight) {
                let made_by = (run.guides, run.tool_version.clone());
                let said_by = |place: usize| told.get(&courses.snapshots.get(place)?.number);
                let said = said_by(sight.snapshot);
                if let Some(before) = now.made_by.as_ref().filter(|before| at >= since && **before != made_by) {
                    let own: BTreeSet<&str> =
                        said.into_iter().chain(now.snapshot.and_then(said_by)).flat_map(|told| guides(told)).collect();
                    marks.extend(otherwise(courses, before, &made_by, &own));
                }
                let dropped = dropped.get(&place).map(Vec::as_slice).unwrap_or_default();
                now.take(sight.snapshot, said.map(Vec::as_slice).unwrap_or_default(), dropped);
                (now.seen, now.lost, now.made_by) = (at, false, Some(made_by));
            } else {
                now.lost = true;
            }
        }
        let this = bucket(at, sight.run);
        let ends = sights.peek().is_none_or(|(_, next)| bucket(choice::at(courses, next), next.run) != this);
        if at < since || !ends {
            continue;
        }
        let started = courses.runs.get(sight.run).map(|run| run.started.clone()).unwrap_or_default();
        let point = point(courses, (at, started), servers.iter().zip(&patience));
        let place = trend.points.len();
        let new = point.servers.saturating_sub(known);
        if known > 0 && new > 0 {
            let what = if new == 1 { "1 more server".to_owned() } else { format!("{new} more servers") };
            trend.marks.push(TrendMark { point: place, what });
        }
        known = point.servers;
        trend.marks.extend(std::mem::take(&mut marks).into_iter().map(|what| TrendMark { point: place, what }));
        trend.points.push(point);
    }
    gaps(&mut trend.points);
    trend
}

/// How many seconds a point is made of; none where each run is one.
fn width(courses: &Courses, runs: &BTreeSet<usize>) -> Option<i64> {
    let days: BTreeSet<i64> =
        runs.iter().filter_map(|run| courses.runs.get(*run)).map(|run| run.at.div_euclid(DAY)).collect();
    match (runs.len() > POINTS, days.len() > 2 * POINTS) {
        (false, _) => None,
        (true, false) => Some(DAY),
        (true, true) => Some(7 * DAY),
    }
}

fn point<'a>(
    courses: &Courses,
    (at, started): (i64, String),
    servers: impl Iterator<Item = (&'a Now<'a>, &'a i64)>,
) -> Point {
    let mut point = Point {
        at,
        started,
        servers: 0,
        unseen: 0,
        fails: [0; 4],
        inconclusive: 0,
        pass: 0,
        violated: 0,
        gap_before: false,
    };
    for (now, patience) in servers {
        let Some(snapshot) = now.snapshot.and_then(|place| courses.snapshots.get(place)) else { continue };
        point.servers += 1;
        point.unseen += usize::from(now.lost || at.saturating_sub(now.seen) > *patience);
        point.fails.iter_mut().zip(now.fails).for_each(|(sum, count)| *sum += count);
        point.inconclusive += snapshot.findings.count(Verdict::Inconclusive);
        point.pass += snapshot.findings.count(Verdict::Pass);
        point.violated += now.violated();
    }
    point
}

/// The guides of what was told.
fn guides(told: &[Arc<Told>]) -> impl Iterator<Item = &str> {
    told.iter().filter_map(|one| match &one.about {
        About::Item { guide, .. } => Some(guide.as_str()),
        About::Rule(_) => None,
    })
}

/// What is otherwise about what a verdict was made by. Only of the server's own guides: others may be of another client.
fn otherwise(courses: &Courses, before: &(usize, String), now: &(usize, String), own: &BTreeSet<&str>) -> Vec<String> {
    let mut told = Vec::new();
    if before.1 != now.1 {
        told.push(format!("portreeve {} instead of {}", now.1, before.1));
    }
    let of = |place: usize| courses.guides.get(place).map(Vec::as_slice).unwrap_or_default();
    let is_own = |guide: &&GuideUsed| own.contains(guide.id.as_str());
    for guide in of(now.0).iter().filter(is_own) {
        match of(before.0).iter().find(|known| known.id == guide.id) {
            Some(known) if known.sha256 == guide.sha256 => {}
            Some(known) if known.revision == guide.revision => {
                told.push(format!("another text of guide {}, revision {}", guide.id, guide.revision));
            }
            Some(known) => {
                told.push(format!("guide {}: revision {} instead of {}", guide.id, guide.revision, known.revision));
            }
            None => told.push(format!("guide {} used for the first time", guide.id)),
        }
    }
    for guide in of(before.0).iter().filter(is_own).filter(|guide| of(now.0).iter().all(|known| known.id != guide.id)) {
        told.push(format!("guide {} no longer used", guide.id));
    }
    told
}

/// Marks the points before which nothing was tried for much longer than usual.
fn gaps(points: &mut [Point]) {
    let mut pauses: Vec<i64> =
        points.iter().zip(points.iter().skip(1)).map(|(one, next)| next.at.saturating_sub(one.at)).collect();
    pauses.sort_unstable();
    let Some(usual) = pauses.get(pauses.len() / 2).copied().filter(|_| pauses.len() > 1) else { return };
    let mut before: Option<i64> = None;
    for point in points {
        point.gap_before = before.is_some_and(|before| point.at - before > usual.max(1).saturating_mul(GAP_HALVES) / 2);
        before = Some(point.at);
    }
}
