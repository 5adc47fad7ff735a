//! Days that are left until a date, or have gone since, so that a sentence that counts them is the same every night.
//!
//! In what is kept, such a count is a mark that names the date, between the bytes 0x01 and 0x02, which JSON never has.
//! A count is replaced only where it is what the date gives at the run's begin, so that what is loaded is what was said.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

const OPEN: u8 = 1;
const CLOSE: u8 = 2;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What a date in a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// A time, in seconds since 1970.
    Time(i64),
    /// A day, in days since 1970, UTC.
    Day(i64),
}

/// The dates of a target that its texts may count days to, and when the run began.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates {
    /// In seconds since 1970.
    started: i64,
    moments: BTreeSet<Moment>,
}

/// A time as reports write it, in seconds since 1970.
pub(super) fn seconds(rfc3339: &str) -> Option<i64> {
    rfc3339.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

impl Dates {
    /// Of a run that began then.
    pub(super) fn new(started: &str) -> Self {
        Self { started: seconds(started).unwrap_or_default(), moments: BTreeSet::new() }
    }

    /// Texts may count days to this time, RFC 3339.
    pub(super) fn add(&mut self, rfc3339: &str) {
        self.moments.extend(seconds(rfc3339).map(Moment::Time));
    }

    /// The whole days from the run's begin to a moment, negative where it is over.
    fn days(&self, moment: Moment) -> i64 {
        match moment {
            Moment::Time(at) => at.saturating_sub(self.started).div_euclid(DAY),
            Moment::Day(day) => day.saturating_sub(self.started.div_euclid(DAY)),
        }
    }

    /// Puts marks in the place of counted days: `"days_left":52`, `52 days`, `1 day`.
    pub(super) fn mark(&self, json: Vec<u8>) -> Vec<u8> {
        let mut moments = self.moments.clone();
        moments.extend(days_in(&json).into_iter().map(Moment::Day));
        if moments.is_empty() {
            return json;
        }
        let mut marked = Vec::with_capacity(json.len() + 32);
        let mut rest = json.as_slice();
        while let Some(at) = rest.iter().position(u8::is_ascii_digit) {
            let (before, from) = rest.split_at(at);
            let length = from.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(from.len());
            let (digits, after) = from.split_at(length);
            marked.extend_from_slice(before);
            let negative = before.last() == Some(&b'-');
            match self.counted(digits, before, after, &moments) {
                Some((moment, plain)) => {
                    if negative && plain {
                        marked.pop();
                    }
                    push(&mut marked, moment, plain);
                }
                None => marked.extend_from_slice(digits),
            }
            rest = after;
        }
        marked.extend_from_slice(rest);
        marked
    }

    /// The moment to which these digits count the days, and whether they count with their sign.
    fn counted(
        &self,
        digits: &[u8],
        before: &[u8],
        after: &[u8],
        moments: &BTreeSet<Moment>,
    ) -> Option<(Moment, bool)> {
        if !after.starts_with(b" day") && !before.ends_with(b"\"days_left\":") && !before.ends_with(b"\"days_left\":-")
        {
            return None;
        }
        let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let signed = if before.last() == Some(&b'-') { -number } else { number };
        let plain = moments.iter().find(|moment| self.days(**moment) == signed).map(|moment| (*moment, true));
        // "expired 51 days ago": the days are over, and told without a sign.
        let gone = || moments.iter().find(|moment| self.days(**moment) == -number).map(|moment| (*moment, false));
        plain.or_else(|| gone().filter(|_| signed >= 0))
    }

    /// Puts the counts of this run in the place of marks.
    pub(super) fn unmark(&self, marked: &[u8]) -> Vec<u8> {
        let mut json = Vec::with_capacity(marked.len());
        let mut rest = marked;
        while let Some(at) = rest.iter().position(|byte| *byte == OPEN) {
            let (before, from) = rest.split_at(at);
            json.extend_from_slice(before);
            let end = from.iter().position(|byte| *byte == CLOSE).unwrap_or(from.len());
            let (mark, after) = from.split_at(end);
            if let Some((moment, plain)) = pull(mark.get(1..).unwrap_or_default()) {
                let days = self.days(moment);
                let days = if plain { days.to_string() } else { days.unsigned_abs().to_string() };
                json.extend_from_slice(days.as_bytes());
            }
            rest = after.get(1..).unwrap_or_default();
        }
        json.extend_from_slice(rest);
        json
    }
}

/// Whether there is any mark.
pub(super) fn is_marked(json: &[u8]) -> bool {
    json.contains(&OPEN)
}

/// The text without the clauses that count days.
pub(super) fn without_counts(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(char::from(OPEN)) {
        let (before, from) = rest.split_at(at);
        let after = from.split_once(char::from(CLOSE)).map_or("", |(_, after)| after);
        kept.push_str(before.trim_end());
        let word = after.trim_start();
        let word = word.strip_prefix("days").or_else(|| word.strip_prefix("day")).unwrap_or(word);
        rest = word.strip_prefix(" left").or_else(|| word.strip_prefix(" ago")).unwrap_or(word);
        if kept.ends_with(';') && rest.starts_with(';') {
            kept.pop();
        }
    }
    kept + rest
}

/// Days as `2026-10-01` in a text, in days since 1970; those with a time of day are no such.
fn days_in(text: &[u8]) -> BTreeSet<i64> {
    let is_day = |window: &[u8]| {
        window
            .iter()
            .enumerate()
            .all(|(place, byte)| if [4, 7].contains(&place) { *byte == b'-' } else { byte.is_ascii_digit() })
    };
    let mut days = BTreeSet::new();
    for (at, window) in text.windows(10).enumerate().filter(|(_, window)| is_day(window)) {
        let alone = text.get(at + 10).is_none_or(|next| *next != b'T' && !next.is_ascii_digit());
        let date = std::str::from_utf8(window).ok().and_then(|text| text.parse::<jiff::civil::Date>().ok());
        let day = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp().as_second());
        days.extend(day.filter(|_| alone).map(|seconds| seconds.div_euclid(DAY)));
    }
    days
}

fn push(marked: &mut Vec<u8>, moment: Moment, plain: bool) {
    let (kind, number) = match moment {
        Moment::Time(at) => ('T', at),
        Moment::Day(day) => ('D', day),
    };
    marked.push(OPEN);
    marked.extend_from_slice(format!("{kind}{}{number}", if plain { "" } else { "~" }).as_bytes());
    marked.push(CLOSE);
}

fn pull(mark: &[u8]) -> Option<(Moment, bool)> {
    let text = std::str::from_utf8(mark).ok()?;
    let number = text.get(1..)?;
    let (plain, number) = match number.strip_prefix('~') {
        Some(number) => (false, number),
        None => (true, number),
    };
    let number = number.parse().ok()?;
    match text.as_bytes().first()? {
        b'T' => Some((Moment::Time(number), plain)),
        b'D' => Some((Moment::Day(number), plain)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn dates(started: &str, moments: &[&str]) -> Dates {
        let mut dates = Dates::new(started);
        for moment in moments {
            dates.add(moment);
        }
        dates
    }

    fn said(dates: &Dates, marked: &[u8]) -> String {
        String::from_utf8(dates.unmark(marked)).unwrap()
    }

    #[test]
    fn the_days_of_another_night_are_counted_anew() {
        const END: &str = "2027-01-12T10:00:00Z";
        let first = dates("2026-11-21T02:00:00Z", &[END]);
        let text = r#"{"days_left":52,"seen":["until 2027-01-12T10:00:00Z (52 days), 52 bits, 7 days"]}"#;
        let marked = first.mark(text.as_bytes().to_vec());
        assert_eq!(said(&first, &marked), text);
        let later = dates("2027-01-14T02:00:00Z", &[END]);
        assert_eq!(
            said(&later, &marked),
            r#"{"days_left":-2,"seen":["until 2027-01-12T10:00:00Z (-2 days), 52 bits, 7 days"]}"#
        );
        let over = r#"{"days_left":-2,"seen":["expired 2 days ago (-2 days)"]}"#;
        let marked = later.mark(over.as_bytes().to_vec());
        assert_eq!(said(&later, &marked), over);
        let week = dates("2027-01-19T02:00:00Z", &[END]);
        assert_eq!(said(&week, &marked), r#"{"days_left":-7,"seen":["expired 7 days ago (-7 days)"]}"#);
    }

    #[test]
    fn days_to_a_date_that_stands_in_the_text_are_known_too() {
        let first = dates("2026-11-21T22:00:00Z", &[]);
        let text = r#""attested until 2026-10-01 by Ann, expired 51 days ago""#;
        let marked = first.mark(text.as_bytes().to_vec());
        assert_eq!(said(&first, &marked), text);
        let next = dates("2026-11-22T01:00:00Z", &[]);
        assert!(said(&next, &marked).contains("expired 52 days ago"));
        assert_eq!(next.mark(said(&next, &marked).into_bytes()), marked, "the same words every night");
    }

    #[test]
    fn a_text_for_queries_counts_no_days() {
        let first = dates("2026-11-21T02:00:00Z", &["2027-01-12T10:00:00Z"]);
        let marked = first.mark(b"valid 2026-01-01 to 2027-01-12; 52 days left; trusted".to_vec());
        assert_eq!(without_counts(&String::from_utf8(marked).unwrap()), "valid 2026-01-01 to 2027-01-12; trusted");
    }

    proptest! {
        #[test]
        fn what_was_said_is_what_is_loaded(
            started in 1_700_000_000i64..1_900_000_000,
            ends in proptest::collection::vec(1_600_000_000i64..2_000_000_000, 0..4),
            words in proptest::collection::vec((-60i64..60, 0u8..5), 0..12),
            picks in proptest::collection::vec(0usize..4, 0..6),
        ) {
            let time = |seconds| Timestamp::from_second(seconds).unwrap().to_string();
            let mut dates = Dates::new(&time(started));
            for end in &ends {
                dates.add(&time(*end));
            }
            let mut text = String::new();
            for (number, word) in words {
                let _ = match word {
                    0 => write!(text, "{number} days,"),
                    1 => write!(text, "\"days_left\":{number},"),
                    2 => write!(text, "{number} ms "),
                    3 => write!(text, "2026-10-01 "),
                    _ => write!(text, "{} day ago", number.abs()),
                };
            }
            for pick in picks {
                if let Some(end) = ends.get(pick) {
                    let days = (end - started).div_euclid(DAY);
                    let _ = write!(text, "({days} days) \"days_left\":{days}, {} days ago", days.abs());
                }
            }
            let marked = dates.mark(text.clone().into_bytes());
            prop_assert_eq!(String::from_utf8(dates.unmark(&marked)).unwrap(), text);
        }
    }
}
