//! How the watch goes, for people and for programs.

use super::words::{noted_on_clock, on_clock};
use super::{Scheduled, about};
use crate::cli::alerts::Health;
use crate::cli::exit::CliError;
use crate::cli::pending::PendingFile;
use crate::history::JobRecord;
use crate::report::text::clean;
use crate::schedule::planner::{Planner, Standing};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The file of `--status`: format `portreeve-watch`, version 1. Times are RFC 3339, UTC.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    format: &'static str,
    version: u32,
    tool_version: &'static str,
    process: u32,
    /// When this was written. More than a few minutes ago means that nobody watches.
    written: String,
    /// What keeps it from being well; none where all is.
    trouble: Option<&'a str>,
    jobs: Vec<JobStatus<'a>>,
    /// How it stands with alerts; none where there are no channels, and nothing waits.
    pub(super) alerts: Option<AlertsStatus>,
}

/// How it stands with alerts.
#[derive(Debug, Serialize)]
pub(super) struct AlertsStatus {
    /// What keeps looks from being taken, or messages from being sent; none where nothing does.
    pub(super) problem: Option<String>,
    /// Messages that wait, and those that are stuck.
    #[serde(flatten)]
    pub(super) health: Health,
}

#[derive(Debug, Serialize)]
struct JobStatus<'a> {
    id: &'a str,
    targets: usize,
    running_since: Option<String>,
    next: Option<String>,
    last_began: Option<&'a str>,
    last_ended: Option<&'a str>,
    last_exit: Option<i32>,
}

impl<'a> Status<'a> {
    pub(super) fn of(
        planner: &'a Planner,
        jobs: &BTreeMap<String, Scheduled>,
        records: &'a BTreeMap<String, JobRecord>,
        trouble: Option<&'a str>,
        now: Timestamp,
    ) -> Self {
        let job = |(id, Standing { running, next }): (&'a str, Standing)| {
            let record = records.get(id);
            JobStatus {
                id,
                targets: jobs.get(id).map_or(0, |job| job.targets),
                running_since: running.map(|time| time.to_string()),
                next: next.map(|time| time.to_string()),
                last_began: record.and_then(|record| record.began.as_deref()),
                last_ended: record.and_then(|record| record.ended.as_deref()),
                last_exit: record.filter(|record| record.ended.is_some()).and_then(|record| record.exit),
            }
        };
        Self {
            format: "portreeve-watch",
            version: 1,
            tool_version: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            written: now.to_string(),
            trouble,
            jobs: planner.standing().map(job).collect(),
            alerts: None,
        }
    }

    /// Writes it whole or not at all, in the place of the one before.
    pub(super) fn write(&self, path: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| CliError::Bug(format!("the status: {error}")))?;
        PendingFile::create(path)?.finish(&format!("{text}\n"))
    }
}

/// What is scheduled, the next first.
pub(super) fn list(
    planner: &Planner,
    jobs: &BTreeMap<String, Scheduled>,
    records: &BTreeMap<String, JobRecord>,
    now: Timestamp,
) -> String {
    let mut standing: Vec<(&str, Standing)> = planner.standing().collect();
    standing.sort_by_key(|(_, standing)| standing.next);
    let mut text = String::new();
    for (id, Standing { next, .. }) in standing {
        let targets = jobs.get(id).map_or(0, |job| job.targets);
        let _ = writeln!(text, "{}", clean(id));
        let _ = writeln!(text, "  {targets} {}", if targets == 1 { "target" } else { "targets" });
        let zone = jobs.get(id).map_or(jiff::tz::TimeZone::UTC, |job| job.job.schedule.zone().clone());
        if let Some(next) = next {
            let local = on_clock(next, &zone);
            let when = if next <= now { "now".to_owned() } else { format!("in {}", about(next.duration_since(now))) };
            let _ = writeln!(text, "  next  {local}, {when}");
        }
        match records.get(id) {
            Some(record @ JobRecord { began: Some(began), ended, exit, .. }) => {
                let began = noted_on_clock(began, &zone);
                let how = match (ended, exit) {
                    _ if record.stopped().is_some() => "was stopped, and is run again".to_owned(),
                    (None, _) => "has not come to its end".to_owned(),
                    (Some(_), Some(code)) => format!("ended with code {code}"),
                    (Some(_), None) => "was killed".to_owned(),
                };
                let _ = writeln!(text, "  last  began {began}, {how}");
            }
            _ => text.push_str("  last  never\n"),
        }
    }
    text
}
