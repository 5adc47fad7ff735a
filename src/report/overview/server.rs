//! One server: its newest picture, how old that is, and what changed.

use super::asked::Unasked;
use super::shelf::Shelf;
use super::standing::{DAY, overdue};
use super::{AllTold, Certificate, Choice, Failure, Loaded, Mark, Period, age, certificates, failure};
use crate::drift::{Series, compare};
use crate::history::courses::Courses;
use crate::model::drift::TargetDrift;
use crate::model::expected::RuleTally;
use crate::model::run::{GuideUsed, Run, Tally, TargetRun, Trouble};
use crate::model::target::Target;
use crate::model::verdict::Severity;
use crate::report::statements::{Row, rows};
use crate::report::text::{counted, listed};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::cmp::Reverse;

/// A server, as its last sight shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// The run that the picture is of; none where no run ever saw anything of it.
    pub seen: Option<Mark>,
    /// How many days before the report that was.
    pub age_days: i64,
    /// The last try, where it saw nothing.
    pub lost: Option<Lost>,
    /// Why the picture is older than it should be.
    pub overdue: Option<String>,
    /// What kept the last sight from being whole.
    pub missing: Vec<String>,
    /// It was seen from inside only, or in part.
    pub inside: bool,
    /// How many findings have each verdict, on the day of the report.
    pub tally: Tally,
    /// The same of expected rules.
    pub rules: RuleTally,
    /// What fails, what to do first comes first.
    pub failures: Vec<Failure>,
    /// Certificates that end soon, or have.
    pub certificates: Vec<Certificate>,
    /// What people say of it; what needs somebody comes first.
    pub(in crate::report) statements: Vec<Row>,
    /// The guides that were used and concern it.
    pub guides: Vec<GuideUsed>,
    /// The run with which it is compared.
    pub before: Option<Mark>,
    /// What changed since then.
    pub drift: Option<TargetDrift>,
}

/// A try that saw nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The run.
    pub mark: Mark,
    /// Why.
    pub why: String,
}

impl Server {
    /// Whether the picture is as new as it should be, and whole.
    pub fn is_current(&self) -> bool {
        self.is_fresh() && self.missing.is_empty()
    }

    /// Whether the picture is as new as it should be.
    pub fn is_fresh(&self) -> bool {
        self.seen.is_some() && self.lost.is_none() && self.overdue.is_none()
    }

    /// `client/name`, by which reports and options name it.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.name)
    }

    /// How many failures of this severity are not waived, those that are not confirmed included.
    pub fn open(&self, severity: Severity) -> usize {
        self.failures.iter().filter(|one| one.severity == severity && one.waived.is_none()).count()
    }

    /// What to look at first comes first: what is attacked, then by severity; then what was not seen.
    pub(super) fn order(&self) -> Order {
        let attacked = self.failures.iter().any(|one| one.exploited && one.waived.is_none());
        let counts = (
            attacked,
            self.open(Severity::Critical),
            self.open(Severity::High),
            self.open(Severity::Medium),
            self.open(Severity::Low),
        );
        (Reverse(counts), self.is_fresh(), self.client.clone(), self.name.clone())
    }
}

/// What a server is ordered by.
type Order = (Reverse<(bool, usize, usize, usize, usize)>, bool, String, String);

fn mark(courses: &Courses, sight: Option<usize>) -> Option<Mark> {
    let run = sight.and_then(|place| courses.sights.get(place)).and_then(|sight| courses.runs.get(sight.run))?;
    Some(Mark { started: run.started.clone(), run: run.number.0 })
}

fn time(mark: &Mark) -> Option<Timestamp> {
    mark.started.parse().ok()
}

/// The server of this choice.
pub(super) fn of<E, F: FnMut(usize) -> Result<Option<TargetRun>, E>>(
    (courses, told): (&Courses, &AllTold),
    (period, planned): (Period, Option<&Target>),
    (choice, sights): (&Choice, &[usize]),
    (loaded, unasked): (&Loaded, &Unasked),
    mut shelf: Shelf<F>,
) -> Result<Server, E> {
    let today: Date = period.until.to_zoned(TimeZone::UTC).date();
    let mut now = loaded.now.as_ref().and_then(|run| run.targets.first().cloned());
    if let Some(target) = &mut now {
        age::on(target, today);
    }
    let named = courses.targets.get(choice.target).cloned().unwrap_or_default();
    let known = now.as_ref().or_else(|| loaded.failed.as_ref().and_then(|run| run.targets.first()));
    let seen = mark(courses, choice.now);
    let tries: Vec<i64> =
        sights.iter().filter_map(|place| courses.runs.get(courses.sights.get(*place)?.run)).map(|run| run.at).collect();
    let at = seen.as_ref().and_then(time);
    let lost = mark(courses, choice.failed).map(|mark| Lost { mark, why: why(loaded.failed.as_ref()) });
    // A server that was tried each night in vain was not seen; it is not overdue.
    let tried = lost.as_ref().map_or(at, |lost| time(&lost.mark));
    let overdue = match (&now, at, tried) {
        (Some(target), Some(at), Some(tried)) => {
            overdue((&target.target, planned), (at, tried, period.until), &tries, period.stale_after)
        }
        (Some(_), ..) => Some("when it was seen cannot be read".to_owned()),
        (None, ..) => None,
    };
    let mut server = Server {
        client: named.client,
        name: named.name,
        host: known.map(|target| target.target.host.to_string()).unwrap_or_default(),
        age_days: at.map_or(0, |at| (period.until.as_second() - at.as_second()).div_euclid(DAY)),
        lost,
        overdue,
        missing: now.iter().flat_map(|target| &target.troubles).map(Trouble::describe).collect(),
        inside: now.as_ref().is_some_and(|target| target.addresses.iter().any(|address| address.health.inside)),
        tally: Tally::of(now.iter().flat_map(|target| &target.findings)),
        rules: RuleTally::of(now.iter().flat_map(|target| &target.rules)),
        failures: Vec::new(),
        certificates: Vec::new(),
        statements: now.as_ref().map(|target| rows(target, Some(today))).unwrap_or_default(),
        guides: loaded.now.as_ref().map(guides).unwrap_or_default(),
        before: mark(courses, choice.before),
        drift: loaded.before.as_ref().zip(loaded.now.as_ref()).and_then(|(before, now)| drift(before, now)),
        seen,
    };
    if let (Some(target), Some(seen)) = (&now, &server.seen) {
        let about = (target, seen, sights);
        let less = (!unasked.failing.is_empty() || unasked.others > 0, server.lost.is_some());
        let certificates = certificates::all(courses, about, less, period.until, &mut shelf)?;
        let mut failures = failure::all((courses, told), (sights, seen), (target, &server), (unasked, &mut shelf))?;
        failures.sort_by_key(|one| (one.waived.is_some(), Reverse(one.severity), Reverse(one.exploited)));
        server.failures = failures;
        server.certificates = certificates;
        server.missing.extend(self::less(unasked));
    }
    Ok(server)
}

/// What the last sight was not asked for.
fn less(unasked: &Unasked) -> Option<String> {
    let (failing, others) = (unasked.failing.len(), unasked.others);
    let parts: Vec<String> = [(failing, "item that failed", "items that failed"), (others, "other", "others")]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(count, one, many))
        .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "the last scan was asked for less than those before it, by its guides or options: it did not look at {}; \
             what failed stands as it was seen last",
            listed(&parts)
        )
    })
}

/// Why a try saw nothing.
fn why(run: Option<&Run>) -> String {
    let Some(target) = run.and_then(|run| run.targets.first()) else { return "the run cannot be read".to_owned() };
    let troubles: Vec<String> = target.troubles.iter().map(Trouble::describe).collect();
    if troubles.is_empty() { "nothing came from it".to_owned() } else { troubles.join("; ") }
}

/// The guides that concern the server: others that the run used may be of another client.
fn guides(run: &Run) -> Vec<GuideUsed> {
    let own = |guide: &&GuideUsed| {
        run.targets.first().is_some_and(|target| target.findings.iter().any(|one| one.guide == guide.id))
    };
    run.guides.iter().filter(own).cloned().collect()
}

fn drift(before: &Run, now: &Run) -> Option<TargetDrift> {
    let series = Series::new([(None, before), (None, now)])?;
    compare(&series).targets.into_iter().next()
}
