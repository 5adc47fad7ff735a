//! The `schedule` of an inventory or a target.

use super::toml_file::Reader;
use crate::model::target::Scheduled;
use crate::schedule::{Schedule, ScheduleError};
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSchedule {
    cron: Spanned<String>,
    zone: Spanned<String>,
    jitter: Option<Spanned<String>>,
    #[serde(default)]
    quiet: Vec<Spanned<String>>,
}

/// Reads a schedule, noting what is wrong with it at its key.
pub(super) fn read(reader: &mut Reader<'_>, raw: RawSchedule) -> Option<Scheduled> {
    let (cron, zone, jitter) = (raw.cron.span(), raw.zone.span(), raw.jitter.as_ref().map(Spanned::span));
    let quiet: Vec<_> = raw.quiet.iter().map(Spanned::span).collect();
    let written = Scheduled {
        cron: raw.cron.into_inner(),
        zone: raw.zone.into_inner(),
        jitter: raw.jitter.map(Spanned::into_inner),
        quiet: raw.quiet.into_iter().map(Spanned::into_inner).collect(),
    };
    let Err(error) = Schedule::of(&written) else { return Some(written) };
    let (span, help) = match &error {
        ScheduleError::Cron { .. } => {
            (cron, Some("write minute, hour, day of month, month and day of week, such as `30 2 * * *`".to_owned()))
        }
        ScheduleError::Zone { name } => (zone, Some(near_zone(name))),
        ScheduleError::Jitter { .. } => (jitter.unwrap_or(cron), None),
        ScheduleError::Quiet { place, .. } => (quiet.get(*place).cloned().unwrap_or(cron), None),
    };
    reader.wrong(span, &error.to_string(), help);
    None
}

fn near_zone(name: &str) -> String {
    let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    super::diagnostic::nearest(name, zones.iter().map(String::as_str)).map_or_else(
        || "write a name of the IANA time zone database, such as `Europe/Berlin` or `America/Chicago`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    )
}
