//! When scans are due: cron expressions with a time zone, jitter and quiet hours.
//!
//! Pure: the time is always given. What is due, what was missed and what may not overlap is decided in `planner`.
//!
//! An expression speaks of the clock on the wall. Where that is put forward over a time, as at the begin of daylight saving time,
//! what was due then is due as much later as the clock was put forward; where it is put back, a time that comes twice counts the
//! first time only. So a nightly scan runs once in every night.

pub mod planner;
mod quiet;

use crate::model::target::Scheduled;
use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

pub use quiet::Quiet;

/// More jitter would take a nightly scan into the day.
const JITTER_MOST: SignedDuration = SignedDuration::from_hours(12);

/// How far a clock on the wall is ever put forward or back at once; one hour nearly everywhere, but Samoa left out a day.
const CLOCK_CHANGE_MOST: i64 = 25;

/// Occurrences that are counted as missed at most: a number for people.
const COUNTED_MOST: usize = 1000;

/// More quiet hours than a week has days and nights.
const QUIET_MOST: usize = 32;

/// So many scans, as far as they were counted. `what` they are called more closely, with a blank behind it.
pub fn scans(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}scan"),
        count if count > COUNTED_MOST => format!("more than {COUNTED_MOST} {what}scans"),
        count => format!("{count} {what}scans"),
    }
}

/// When a scan is due.
#[derive(Clone)]
pub struct Schedule {
    cron: String,
    zone: TimeZone,
    zone_name: String,
    /// The expression, read against UTC: it is asked for times on the wall.
    wall: Crontab,
    jitter: SignedDuration,
    quiet: Vec<Quiet>,
}

/// Why a schedule cannot be read, and of which key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Of `cron`.
    #[error("{message}")]
    Cron {
        /// What is wrong with it.
        message: String,
    },
    /// Of `zone`.
    #[error("there is no time zone `{name}`")]
    Zone {
        /// What was given.
        name: String,
    },
    /// Of `jitter`.
    #[error("{message}")]
    Jitter {
        /// What is wrong with it.
        message: String,
    },
    /// Of `quiet`.
    #[error("{message}")]
    Quiet {
        /// The place in the list.
        place: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// One time at which a scan is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The time that the expression names. It tells one occurrence from another, whatever becomes of jitter and quiet hours.
    pub nominal: Timestamp,
    /// When the scan is to begin.
    pub at: Timestamp,
}

impl Schedule {
    /// A schedule: five fields of cron (minute, hour, day of month, month, day of week), a time zone of IANA's database, the
    /// longest jitter such as `30m`, and quiet hours such as `Mon-Fri 07:00-19:00`.
    pub fn new(cron: &str, zone: &str, jitter: Option<&str>, quiet: &[&str]) -> Result<Self, ScheduleError> {
        let fields = cron.split_whitespace().count();
        if fields != 5 && !cron.starts_with('@') {
            let message = format!(
                "a cron expression has five fields (minute, hour, day of month, month, day of week), and this has {fields}"
            );
            return Err(ScheduleError::Cron { message });
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let cron = cron.split_whitespace().collect::<Vec<&str>>().join(" ");
        let wall = cronexpr::parse_crontab_with(&cron, options)
            .map_err(|error| ScheduleError::Cron { message: in_one_line(&error.to_string()) })?;
        let found = TimeZone::get(zone).map_err(|_| ScheduleError::Zone { name: zone.to_owned() })?;
        let jitter = jitter.map(read_jitter).transpose()?.unwrap_or_default();
        if quiet.len() > QUIET_MOST {
            let message = format!("more than {QUIET_MOST} quiet hours");
            return Err(ScheduleError::Quiet { place: QUIET_MOST, message });
        }
        let read = |(place, text): (usize, &&str)| {
            Quiet::read(text).map_err(|message| ScheduleError::Quiet { place, message })
        };
        let quiet: Vec<Quiet> = quiet.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        if Quiet::never_ends(&quiet) {
            let message = "the quiet hours leave no minute of the week for a scan".to_owned();
            return Err(ScheduleError::Quiet { place: 0, message });
        }
        let schedule = Self { cron, zone: found, zone_name: zone.to_owned(), wall, jitter, quiet };
        if schedule.next_nominal(Timestamp::UNIX_EPOCH).is_none() {
            let message = "no day ever fits this expression".to_owned();
            return Err(ScheduleError::Cron { message });
        }
        Ok(schedule)
    }

    /// The schedule of a target.
    pub fn of(written: &Scheduled) -> Result<Self, ScheduleError> {
        let quiet: Vec<&str> = written.quiet.iter().map(String::as_str).collect();
        Self::new(&written.cron, &written.zone, written.jitter.as_deref(), &quiet)
    }

    /// The first time after `after` at which the scan of `who` is due. The same `who` gets the same jitter for the same
    /// occurrence, however often it is asked, so that a restart changes nothing.
    pub fn next(&self, after: Timestamp, who: &str) -> Option<Due> {
        self.next_nominal(after).map(|nominal| self.due(nominal, who))
    }

    /// The id of the job that scans a client's targets by it: who is asked for in [`Self::next`].
    pub fn job(&self, client: &str) -> String {
        format!("{client}: {self}")
    }

    /// How many occurrences lie after `after`, up to and with `until`; not counted further than is said in [`scans`].
    pub fn count(&self, after: Timestamp, until: Timestamp) -> usize {
        let next = |from: &Timestamp| self.next_nominal(*from).filter(|next| *next <= until);
        std::iter::successors(next(&after), next).take(COUNTED_MOST + 2).count()
    }

    /// The last occurrence after `after`, up to and with `until`.
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        // Not from the very beginning: between two occurrences there are at most some years.
        let mut from = after;
        let mut last = None;
        let mut window = SignedDuration::from_hours(1);
        while from < until {
            let begin = until.checked_sub(window).ok().filter(|begin| *begin > after).unwrap_or(after);
            let next = |from: &Timestamp| self.next_nominal(*from).filter(|next| *next <= until);
            if let Some(found) = std::iter::successors(next(&begin), next).last() {
                last = Some(found);
                break;
            }
            if begin == after {
                break;
            }
            from = after;
            window = window.saturating_mul(8);
        }
        last
    }

    /// When a scan of `who` may begin that should begin `at`, or as soon as possible after: when no quiet hours are.
    pub fn out_of_quiet(&self, at: Timestamp, who: &str) -> Timestamp {
        let mut free = at;
        // Quiet hours may follow upon each other; a week has no more of them than this.
        for _ in 0..=2 * 7 * self.quiet.len() {
            let wall = free.to_zoned(self.zone.clone()).datetime();
            let Some(end) = self.quiet.iter().filter_map(|quiet| quiet.end_of(wall)).max() else { return free };
            let Some(end) = self.on_clock(end).filter(|end| *end > free) else { return free };
            free = end;
            if self.quiet.iter().all(|quiet| quiet.end_of(free.to_zoned(self.zone.clone()).datetime()).is_none()) {
                // What was postponed begins no more at one moment than the rest.
                let later = free.saturating_add(self.jitter_of(free, who)).unwrap_or(free);
                let wall = later.to_zoned(self.zone.clone()).datetime();
                return if self.quiet.iter().any(|quiet| quiet.end_of(wall).is_some()) { free } else { later };
            }
        }
        free
    }

    /// When what was missed is made up for: soon, but not with everything else at the same moment, and not in quiet hours.
    pub fn soon(&self, now: Timestamp, who: &str) -> Timestamp {
        self.due(now, who).at
    }

    fn due(&self, nominal: Timestamp, who: &str) -> Due {
        let at = nominal.saturating_add(self.jitter_of(nominal, who)).unwrap_or(nominal);
        Due { nominal, at: self.out_of_quiet(at, who) }
    }

    /// A part of the jitter, by who is scanned and when.
    fn jitter_of(&self, nominal: Timestamp, who: &str) -> SignedDuration {
        let most = u64::try_from(self.jitter.as_secs()).unwrap_or(0);
        let digest = Sha256::new().chain_update(who).chain_update(nominal.as_second().to_be_bytes()).finalize();
        let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        SignedDuration::from_secs(i64::try_from(number % (most + 1)).unwrap_or(0))
    }

    fn next_nominal(&self, after: Timestamp) -> Option<Timestamp> {
        let here = after.to_zoned(self.zone.clone()).datetime();
        if self.is_plain(here) {
            let wall = self.next_on_wall(here)?;
            if self.is_plain(wall) {
                return self.on_clock(wall);
            }
        }
        // Times on the wall are not in the order of time where it is put back or forward: those around are looked at together.
        let mut wall = here.checked_sub(CLOCK_CHANGE_MOST.hours()).ok()?;
        let mut best: Option<Timestamp> = None;
        let mut bound: Option<DateTime> = None;
        loop {
            wall = self.next_on_wall(wall)?;
            if bound.is_some_and(|bound| wall > bound) {
                return best;
            }
            let Some(time) = self.on_clock(wall) else { return best };
            if time > after {
                best = Some(best.map_or(time, |known| known.min(time)));
                bound = bound.or_else(|| wall.checked_add(CLOCK_CHANGE_MOST.hours()).ok());
            }
        }
    }

    /// Whether the clock is not put back or forward around this time on the wall.
    fn is_plain(&self, wall: DateTime) -> bool {
        let offset = |hours: i64| {
            let wall = wall.checked_add(hours.hours()).ok()?;
            Some(self.zone.to_ambiguous_timestamp(wall).compatible().ok()?.to_zoned(self.zone.clone()).offset())
        };
        offset(-CLOCK_CHANGE_MOST) == offset(CLOCK_CHANGE_MOST)
    }

    fn next_on_wall(&self, after: DateTime) -> Option<DateTime> {
        let as_utc = TimeZone::UTC.to_timestamp(after).ok()?;
        self.wall.find_next(cronexpr::MakeTimestamp(as_utc)).ok().map(|next| next.datetime())
    }

    fn on_clock(&self, wall: DateTime) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(wall).compatible().ok()
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The longest jitter.
    pub fn jitter(&self) -> SignedDuration {
        self.jitter
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.cron == other.cron
            && self.zone_name == other.zone_name
            && self.jitter == other.jitter
            && self.quiet == other.quiet
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.zone_name)?;
        if !self.jitter.is_zero() {
            write!(f, ", within {:#}", self.jitter)?;
        }
        for quiet in &self.quiet {
            write!(f, ", not {quiet}")?;
        }
        Ok(())
    }
}

fn read_jitter(text: &str) -> Result<SignedDuration, ScheduleError> {
    let wrong = |message: String| ScheduleError::Jitter { message };
    let jitter: SignedDuration = text
        .parse()
        .map_err(|_| wrong(format!("`{text}` is no length of time; write it like `90s`, `30m` or `2h`")))?;
    if jitter.is_negative() || jitter > JITTER_MOST {
        return Err(wrong(format!("`{text}` is not between 0 and {} hours", JITTER_MOST.as_hours())));
    }
    Ok(jitter)
}

/// The library's errors draw the place below the text.
fn in_one_line(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next_back().unwrap_or(message).trim_start_matches(['^', ' ']).to_owned()
}

#[cfg(test)]
mod tests;
