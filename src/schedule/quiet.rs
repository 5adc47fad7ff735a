//! Quiet hours: when no scan begins.

use jiff::ToSpan as _;
use jiff::civil::{DateTime, Time, Weekday};
use std::fmt;

const MINUTES_OF_DAY: usize = 24 * 60;
const MINUTES_OF_WEEK: usize = 7 * MINUTES_OF_DAY;

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// Quiet hours on some days, on the clock on the wall. They begin on such a day, and may end on the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// From Monday on.
    days: [bool; 7],
    from: Time,
    /// Not one of them any more.
    until: Time,
}

impl Quiet {
    /// Reads `Mon-Fri 07:00-19:00`, `Sat,Sun 00:00-24:00` or `22:00-06:00`, which is on every day.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let how = "write them like `Mon-Fri 07:00-19:00` or `22:00-06:00`";
        let (days, hours) = match text.split_whitespace().collect::<Vec<&str>>().as_slice() {
            [hours] => ([true; 7], *hours),
            [days, hours] => (read_days(days).ok_or_else(|| format!("`{days}` names no days; {how}"))?, *hours),
            _ => return Err(format!("`{text}` is no quiet hours; {how}")),
        };
        let (from, until) = hours.split_once('-').ok_or_else(|| format!("`{hours}` is no time of day; {how}"))?;
        let time = |text: &str| read_time(text).ok_or_else(|| format!("`{text}` is no time of day; {how}"));
        let (from, until) = (time(from)?, if until == "24:00" { Time::midnight() } else { time(until)? });
        if from == until && from != Time::midnight() {
            return Err(format!("`{hours}` begins when it ends; a whole day is `00:00-24:00`"));
        }
        Ok(Self { days, from, until })
    }

    /// When they end, where `now` is one of them.
    pub(super) fn end_of(&self, now: DateTime) -> Option<DateTime> {
        // Those that began today, or yesterday.
        [0, 1].into_iter().find_map(|ago| {
            let day = now.date().checked_sub(ago.days()).ok()?;
            let place = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
            let begin = self.days.get(place).copied().unwrap_or_default().then(|| day.to_datetime(self.from))?;
            let last_day = if self.until > self.from { day } else { day.tomorrow().ok()? };
            let end = last_day.to_datetime(self.until);
            (begin <= now && now < end).then_some(end)
        })
    }

    /// Whether every minute of the week is in some of these.
    pub(super) fn never_ends(all: &[Self]) -> bool {
        let mut quiet = vec![false; MINUTES_OF_WEEK];
        for hours in all {
            let minute =
                |time: Time| usize::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0);
            let (from, until) = (minute(hours.from), minute(hours.until));
            let length = if until > from { until - from } else { until + MINUTES_OF_DAY - from };
            for day in hours.days.iter().enumerate().filter_map(|(day, quiet)| quiet.then_some(day)) {
                for minute in 0..length {
                    if let Some(one) = quiet.get_mut((day * MINUTES_OF_DAY + from + minute) % MINUTES_OF_WEEK) {
                        *one = true;
                    }
                }
            }
        }
        quiet.into_iter().all(|quiet| quiet)
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let names = DAYS.iter().zip(self.days).filter_map(|((name, _), quiet)| quiet.then_some(*name));
            write!(f, "{} ", names.collect::<Vec<&str>>().join(","))?;
        }
        let until = if self.until == Time::midnight() { "24:00".to_owned() } else { clock(self.until) };
        write!(f, "{}-{until}", clock(self.from))
    }
}

fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let place = |name: &str| DAYS.iter().position(|(day, _)| day.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (place(first)?, place(last)?),
            None => (place(part)?, place(part)?),
        };
        // `Sat-Mon` goes on over the end of the week.
        let length = (last + 7 - first) % 7;
        for day in first..=first + length {
            *days.get_mut(day % 7)? = true;
        }
    }
    Some(days)
}

fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?;
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}
