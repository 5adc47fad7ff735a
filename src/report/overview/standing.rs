//! How old a picture may be.

use crate::model::target::Target;
use crate::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// How much later than by its schedule a scan may be: another client's takes long, or the machine was off for a while.
const GRACE: SignedDuration = SignedDuration::from_hours(6);

/// How often the usual pause between two tries may pass without one.
const PAUSES: i64 = 3;

/// No picture is old before this, by its pauses alone: nobody scans by hand every day.
const LEAST: i64 = 2 * DAY;

/// With too few tries to tell what is usual.
const UNKNOWN: i64 = 14 * DAY;

/// How old, in seconds, a picture may be where no schedule says it: by when the target was tried.
pub(super) fn allowed(tries: &[i64], stale_after: Option<i64>) -> i64 {
    if let Some(given) = stale_after {
        return given;
    }
    let mut pauses: Vec<i64> =
        tries.iter().zip(tries.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one)).collect();
    pauses.sort_unstable();
    match pauses.get(pauses.len() / 2) {
        Some(usual) if pauses.len() > 1 => usual.saturating_mul(PAUSES).max(LEAST),
        _ => UNKNOWN,
    }
}

/// Why a picture of `seen` is older at `until` than is to be expected; `None` where it is not. The schedule is the inventory's, where
/// one was given, for that of the run may have been changed since.
pub(super) fn overdue(
    (target, planned): (&Target, Option<&Target>),
    (seen, tried, until): (Timestamp, Timestamp, Timestamp),
    tries: &[i64],
    stale_after: Option<i64>,
) -> Option<String> {
    // How old a picture may be is the word of whoever says it; else what counts is whether it was tried.
    let counted_from = if stale_after.is_some() { seen } else { tried };
    let age = until.as_second().saturating_sub(counted_from.as_second());
    let days = age / DAY;
    let old = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let known = planned.unwrap_or(target);
    if stale_after.is_none()
        && let Some(schedule) = known.schedule.as_ref().and_then(|written| Schedule::of(written).ok())
    {
        let due = schedule.next(tried, &schedule.job(&known.client))?.at;
        let late = due.checked_add(GRACE).ok()? < until;
        return late.then(|| {
            let due = due.strftime("%-d %B %Y, %H:%M UTC");
            format!("a scan was due on {due} and is not in the history")
        });
    }
    let allowed = match (allowed(tries, stale_after), stale_after) {
        // How often it was scanned by a schedule that it no longer has says nothing.
        (allowed, None) if target.schedule.is_some() && known.schedule.is_none() => allowed.max(UNKNOWN),
        (allowed, _) => allowed,
    };
    (age > allowed).then(|| match stale_after {
        Some(_) => format!("the last sight is {old} old"),
        None if tried == seen => format!("the last sight is {old} old, and scans were more frequent before"),
        None => format!("the last try was {old} ago, and scans were more frequent before"),
    })
}
