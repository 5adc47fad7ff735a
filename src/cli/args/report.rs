//! What the user can say to `report`.

use super::FailOn;
use super::history::{OfArgs, StoreArgs};
use crate::catalog::statements::{day_called, parse_day};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;

/// How it ends.
pub(super) const REPORT_EXIT_CODES: &str = "\
Exit codes:
  0  every server was seen wholly by its last scan, none is overdue, and nothing is at or beyond --fail-on
  1  something is at or beyond --fail-on
  2  the command line is wrong, or there is no such run
  3  the picture of a server is old or not whole, or a target of the inventory was never scanned
  4  a defect of portreeve; please report it";

/// `report`
#[derive(Args, Debug)]
pub(in crate::cli) struct ReportArgs {
    /// Which targets.
    #[command(flatten)]
    pub(in crate::cli) of: OfArgs,
    /// Compare with these inventory files, or folders of them: tells targets that were never scanned, and leaves out those
    /// that are no longer there.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    pub(in crate::cli) targets: Vec<PathBuf>,
    /// Which time.
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// What to write.
    #[command(flatten)]
    pub(in crate::cli) show: ReportShowArgs,
    /// Where the runs are kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// Which time a report is about.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Period")]
pub(in crate::cli) struct TimeArgs {
    /// Tell changes and the trend from then on: a day (UTC) or a time such as 2026-10-01, `yesterday`, or so long ago, such as
    /// 30d [default: 30d].
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with = "last")]
    pub(in crate::cli) since: Option<When>,
    /// Tell them over the last N runs of a client; over many clients, as far back as for half of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(in crate::cli) last: Option<u32>,
    /// The report as it would have been then: later runs do not count, and days are counted from it [default: now].
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub(in crate::cli) until: Option<When>,
    /// Call a server's picture old after this long, such as 2d [default: when a scan is overdue by its schedule; without one by
    /// how often it was scanned].
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    pub(in crate::cli) stale_after: Option<Duration>,
}

/// What to write.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct ReportShowArgs {
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: ReportFormat,
    /// Write the report as one HTML page without scripts, which prints well.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// Write it as JSON: see `portreeve schema report`.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) markdown: Option<PathBuf>,
    /// Write the action plan as CSV, what to do first comes first. Cells that a spreadsheet would run as a formula begin with an
    /// apostrophe.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) csv: Option<PathBuf>,
    /// Write a report for each client into this folder, which names no other client.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) by_client: Option<PathBuf>,
    /// As what each client's report is written.
    #[arg(long, value_name = "FORM", value_delimiter = ',', default_value = "html", requires = "by_client")]
    pub(in crate::cli) forms: Vec<Form>,
    /// Exit with 1 when a verdict is at or beyond this.
    #[arg(long, value_name = "VERDICT", default_value = "fail")]
    pub(in crate::cli) fail_on: FailOn,
}

/// What `report` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    /// For people.
    Text,
    /// For programs: see `portreeve schema report`.
    Json,
    /// For tickets and wikis.
    Markdown,
    /// The action plan, for spreadsheets.
    Csv,
}

/// As what a client's report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::cli) enum Form {
    /// One HTML page.
    Html,
    /// JSON.
    Json,
    /// Markdown.
    Markdown,
    /// The action plan.
    Csv,
}

impl Form {
    /// How such files end.
    pub(in crate::cli) const fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Csv => "csv",
        }
    }
}

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// This time.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// The time, where it is `now`.
    pub(in crate::cli) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    when_from(text, Timestamp::now())
}

fn when_from(text: &str, now: Timestamp) -> Result<When, String> {
    let wrong = || {
        "a day such as 2026-10-01, `today` or `yesterday`, a time such as 2026-10-01T06:00:00Z, or so long ago, such as 30d \
         or 12h"
            .to_owned()
    };
    let midnight =
        |day: Date| day.to_zoned(TimeZone::UTC).map(|midnight| When::At(midnight.timestamp())).map_err(|_| wrong());
    if let Some(day) = day_called(text, now) {
        return midnight(day);
    }
    if let Ok(length) = length(text) {
        return Ok(When::Ago(length));
    }
    // What has the form of a day and is none is told so; text that has another form is told the forms.
    match parse_day(text) {
        Ok((_, Some(instant))) => Ok(When::At(instant)),
        Ok((day, None)) => midnight(day),
        Err(why) if why.starts_with("there is no day") => {
            Err(format!("{why}: no calendar has it; the last day of a month may be meant"))
        }
        Err(_) => text.parse().map(When::At).map_err(|_| wrong()),
    }
}

fn length(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of days or hours, such as 30d or 12h".to_owned();
    let (number, unit) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(number), _) => (number, 86_400),
        (_, Some(number)) => (number, 3600),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(unit) {
        Some(seconds @ 1..=3_153_600_000) if text.as_bytes().first().is_some_and(u8::is_ascii_digit) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_an_instant_or_so_long_ago() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (text, time) in [
            ("today", "2026-11-21T00:00:00Z"),
            ("Yesterday", "2026-11-20T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2026-10-01", "2026-10-01T00:00:00Z"),
            ("2026-10-01T06:00:00Z", "2026-10-01T06:00:00Z"),
            ("30d", "2026-10-22T10:00:00Z"),
            ("12h", "2026-11-20T22:00:00Z"),
        ] {
            assert_eq!(when_from(text, now).unwrap().before(now), time.parse().unwrap(), "{text}");
        }
        for wrong in
            ["", "d", "30", "-3d", "+3d", "0d", "1m", "2026-13-01", "tomorrow", "2026-10-01T25:00:00Z", "99999999999d"]
        {
            assert!(when(wrong).is_err(), "{wrong}");
        }
        for day in ["2026-02-30", "2025-02-29", "2026-11-31", "2026-13-01", "2026-02-30T06:00:00Z"] {
            let why = when(day).unwrap_err();
            assert!(why.starts_with(&format!("there is no day {}", &day[..10])), "{day}: {why}");
        }
        assert!(when("soon").unwrap_err().contains("`yesterday`"));
        assert!(length("2d").is_ok() && length("2026-10-01").is_err());
    }
}
