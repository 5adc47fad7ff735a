//! The days of statements: read strictly, never guessed, and never further apart than a statement may hold.

use super::super::toml_file::Reader;
use crate::model::peer_text::PeerText;
use crate::model::statement::{LONGEST_DAYS, days_left};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use toml::Spanned;
use toml::value::Datetime;

/// Where a day begins first (UTC+14, Line Islands): a day that has begun nowhere yet is in the future.
const FIRST_DAY_AHEAD: SignedDuration = SignedDuration::from_hours(14);

/// How far the clock of whoever wrote an instant may be ahead of ours.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A day as written: as text, or as a date of TOML's own, which means the same.
#[derive(Debug)]
pub(super) struct RawDay(String);

impl<'de> Deserialize<'de> for RawDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Day;

        impl<'de> Visitor<'de> for Day {
            type Value = RawDay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day such as \"2026-12-31\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(RawDay(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let read = Datetime::deserialize(MapAccessDeserializer::new(map));
                let wrong = |_| A::Error::custom("invalid type: table, expected a day such as \"2026-12-31\"");
                read.map(|day| RawDay(day.to_string())).map_err(wrong)
            }
        }

        deserializer.deserialize_any(Day)
    }
}

/// How long something holds, as written.
pub(super) enum Span<'a> {
    Until(&'a Spanned<RawDay>),
    For(&'a Spanned<String>),
}

/// The day in UTC.
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The day that `today` or `yesterday` is, UTC; none for anything else.
pub fn day_called(text: &str, now: Timestamp) -> Option<Date> {
    let today = today(now);
    match text.trim().to_ascii_lowercase().as_str() {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        _ => None,
    }
}

/// Reads `2026-12-31`, or an instant of RFC 3339, whose day is that of whoever wrote it.
pub fn parse_day(text: &str) -> Result<(Date, Option<Timestamp>), String> {
    let wrong = || {
        format!("`{}` cannot be read as a day; write year, month and day, such as 2026-12-31", PeerText::new(text, 60))
    };
    let shape = |day: &str| {
        day.len() == 10
            && day
                .bytes()
                .enumerate()
                .all(|(place, byte)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
    };
    let day = text.get(..10).filter(|day| shape(day)).ok_or_else(wrong)?;
    let rest = text.get(10..).unwrap_or_default();
    let date: Date = day.parse().map_err(|_| format!("there is no day {day}"))?;
    if rest.is_empty() {
        return Ok((date, None));
    }
    if !rest.starts_with(['T', 't', ' ']) || rest.contains('[') {
        return Err(wrong());
    }
    let instant = text.parse::<Timestamp>().map_err(|_| {
        format!(
            "`{}` is no instant of RFC 3339, such as 2026-12-31T09:30:00Z; the day alone will do",
            PeerText::new(text, 60)
        )
    })?;
    Ok((date, Some(instant)))
}

/// Reads how many days something holds: `90d`, or `12w`.
pub fn length(text: &str) -> Result<i32, String> {
    let wrong = || {
        format!(
            "`{}` is no length of time from 1d to {LONGEST_DAYS}d; write days or weeks, such as 90d or 12w",
            PeerText::new(text, 60)
        )
    };
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let days = match unit {
        "d" => 1,
        "w" => 7,
        _ => return Err(wrong()),
    };
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<i32>().ok().filter(|_| plain).and_then(|number| number.checked_mul(days));
    number.filter(|days| (1..=LONGEST_DAYS).contains(days)).ok_or_else(wrong)
}

/// Whether a statement of this day, or instant, is yet to be made.
pub fn is_future(date: Date, instant: Option<Timestamp>, now: Timestamp) -> bool {
    match instant {
        Some(instant) => instant.duration_since(now) > SKEW,
        None => now.checked_add(FIRST_DAY_AHEAD).is_ok_and(|latest| date > today(latest)),
    }
}

/// Reads when a statement was made and its last day; `None`, and what is wrong noted, where that cannot be meant.
pub(super) fn read(
    reader: &mut Reader<'_>,
    on: &Spanned<RawDay>,
    span: Option<Span<'_>>,
    now: Timestamp,
) -> Option<(Date, Date)> {
    let made = match parse_day(&on.get_ref().0) {
        Ok((date, instant)) if is_future(date, instant, now) => {
            let message = format!("`on` is {}, which is yet to come: today is {} (UTC)", on.get_ref().0, today(now));
            let help = "`on` is the day on which somebody looked and said so".to_owned();
            reader.wrong(on.span(), &message, Some(help));
            None
        }
        Ok((date, _)) => Some(date),
        Err(message) => {
            reader.wrong(on.span(), &message, None);
            None
        }
    };
    let until = match span? {
        Span::For(text) => {
            let days = reader.read(text, length)?;
            return made.and_then(|on| Some((on, on.checked_add(days.days()).ok()?)));
        }
        Span::Until(until) => until,
    };
    let last = match parse_day(&until.get_ref().0) {
        Ok((date, None)) => date,
        Ok((_, Some(_))) => {
            let help = "it holds through the whole of its last day, in UTC".to_owned();
            reader.wrong(until.span(), "`until` is a day, without a time", Some(help));
            return None;
        }
        Err(message) => {
            reader.wrong(until.span(), &message, None);
            return None;
        }
    };
    let on = made?;
    match days_left(last, on) {
        ..0 => {
            reader.wrong(until.span(), &format!("`until` is {last}, before `on`, which is {on}"), None);
            None
        }
        days if days > LONGEST_DAYS => {
            let message = format!("`until` is {last}, {days} days after `on`; {LONGEST_DAYS} days are the most");
            let help = "give it an end by which somebody looks again, and renew it then".to_owned();
            reader.wrong(until.span(), &message, Some(help));
            None
        }
        _ => Some((on, last)),
    }
}
