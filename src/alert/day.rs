//! How many days are left, in words: reckoned when they are read, not when they were told.

use super::counted;
use crate::model::alert::Kind;
use crate::model::matter::{Matter, MatterState};
use crate::model::statement::{About, days_left};
use crate::model::verdict::Severity;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// From this many days on an end is urgent.
const URGENT_DAYS: i64 = 7;

/// The whole days until a time; negative where it is over.
pub(super) fn until(end: Timestamp, now: Timestamp) -> i64 {
    end.as_second().saturating_sub(now.as_second()).div_euclid(SignedDuration::from_hours(24).as_secs())
}

/// The day on which a statement is read.
pub(super) fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// `The certificate of rmm ends in 9 days (2026-12-25)`, and how much that matters.
pub(super) fn certificate(server: &str, end: Timestamp, now: Timestamp) -> (String, Severity) {
    let left = until(end, now);
    let (verb, severity) = match left {
        -1 => ("expired less than a day ago".to_owned(), Severity::Critical),
        ..-1 => (format!("expired {} ago", counted(-left - 1, "day", "days")), Severity::Critical),
        0 => ("ends within a day".to_owned(), Severity::High),
        1..=URGENT_DAYS => (format!("ends in {}", counted(left, "day", "days")), Severity::High),
        _ => (format!("ends in {}", counted(left, "day", "days")), Severity::Medium),
    };
    (format!("The certificate of {server} {verb} ({})", end.to_zoned(TimeZone::UTC).date()), severity)
}

/// What is told of a statement on a day.
pub(super) struct OfStatement {
    pub(super) title: String,
    /// What it means that it ends.
    pub(super) what: String,
    pub(super) severity: Severity,
}

/// What is told of an attestation, or of a waiver, of this server and with this last day.
pub(super) fn statement(kind: Kind, about: &About, server: &str, until: Date, today: Date) -> OfStatement {
    let left = i64::from(days_left(until, today));
    let (verb, severity) = match left {
        ..0 => (format!("ended {} ago and counts no more", counted(-left, "day", "days")), Severity::High),
        0 => ("ends today".to_owned(), Severity::Medium),
        1..=URGENT_DAYS => (format!("ends in {}", counted(left, "day", "days")), Severity::Medium),
        _ => (format!("ends in {}", counted(left, "day", "days")), Severity::Low),
    };
    let what = match kind {
        Kind::Attestation => "What it answered needs a person again",
        _ => "What it accepted is a failure again",
    };
    OfStatement {
        title: format!("The {kind} of {about} on {server} {verb} ({until})"),
        what: if left < 0 { format!("{what}.") } else { format!("{what} when its last day is over.") },
        severity,
    }
}

/// A matter as it reads at `now`: days that were left when it was told are fewer since.
pub fn as_of(matter: &Matter, now: Timestamp) -> Matter {
    let mut matter = matter.clone();
    let server = matter.target.as_deref().unwrap_or_default();
    match &matter.state {
        MatterState::Certificate { not_after, .. } => {
            if let Ok(end) = not_after.parse() {
                let (title, severity) = certificate(server, end, now);
                (matter.title, matter.severity) = (title, matter.severity.max(severity));
            }
        }
        MatterState::Statement { item, until, .. } => {
            let OfStatement { title, what, severity } = statement(matter.kind, item, server, *until, today(now));
            (matter.title, matter.severity) = (title, matter.severity.max(severity));
            if let Some(last) = matter.details.get_mut(1) {
                *last = what;
            }
        }
        _ => {}
    }
    matter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_ones_and_the_last_second_counts() {
        let end: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        for (now, left) in [
            ("2026-11-21T12:00:00Z", 9),
            ("2026-11-21T12:00:01Z", 8),
            ("2026-11-30T12:00:00Z", 0),
            ("2026-11-30T12:00:01Z", -1),
        ] {
            assert_eq!(until(end, now.parse().unwrap()), left, "{now}");
        }
    }
}
