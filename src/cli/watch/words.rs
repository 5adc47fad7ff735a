//! What a watch says of itself: when it begins, when it read its files again, and of what was cut short.

use super::{Scheduled, about, named};
use crate::catalog::channels::Alerts;
use crate::cli::output::wrapped;
use crate::history::JobRecord;
use crate::report::text::clean;
use crate::schedule::planner::Planner;
use crate::schedule::scans;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Columns of a log: whoever reads it has a terminal of the usual width.
const WIDTH: usize = 80;

/// More changes than this are counted, not named.
const CHANGES_MOST: usize = 12;

/// A time on the clock of a zone.
pub(super) fn on_clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// A time that was noted, on the clock of a zone.
pub(super) fn noted_on_clock(at: &str, zone: &TimeZone) -> String {
    at.parse().map_or_else(|_| clean(at).into_owned(), |at| on_clock(at, zone))
}

/// So many of them.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// A paragraph behind a short word, no line wider than a terminal.
fn row(word: &str, text: &str) -> String {
    wrapped(text, WIDTH, &format!("  {word:<8}"), &" ".repeat(10)) + "\n"
}

/// What a scan that begins makes up for; none where it begins in its time. `missed` occurrences came before the one that it is of.
pub(super) fn making_up(last: &JobRecord, missed: usize, since: usize, zone: &TimeZone) -> Option<String> {
    let stopped = last.stopped().map(|ended| format!("was stopped {}", noted_on_clock(ended, zone)));
    let killed = match last {
        JobRecord { began: Some(_), ended: Some(ended), exit: None, .. } => {
            Some(format!("was killed {}", noted_on_clock(ended, zone)))
        }
        JobRecord { began: Some(began), ended: None, .. } => {
            Some(format!("began {} and did not come to its end", noted_on_clock(began, zone)))
        }
        _ => None,
    };
    let others = |count: usize| format!("{} did not happen, because nobody watched", scans(count, ""));
    match (stopped.or(killed), since) {
        (Some(cut_short), 0) => Some(format!("the last scan {cut_short}; it is run again")),
        // Only the one that begins now was due since, and in its time.
        (Some(cut_short), 1) => Some(format!("the last scan {cut_short}; this one makes up for it")),
        (Some(cut_short), since) => {
            Some(format!("the last scan {cut_short}, and {}; this one makes up for them", others(since - 1)))
        }
        (None, _) if missed > 0 => {
            let (earlier, them) = (scans(missed, "earlier "), if missed == 1 { "it" } else { "them" });
            Some(format!("{earlier} did not happen, because nobody watched; this one makes up for {them}"))
        }
        (None, _) => None,
    }
}

/// What there is to watch, in a short block.
pub(super) fn watching(
    planner: &Planner,
    jobs: &BTreeMap<String, Scheduled>,
    channels: &Channels<'_>,
    store: &Path,
    now: Timestamp,
) -> String {
    let targets: usize = jobs.values().map(|job| job.targets).sum();
    let mut text =
        format!("watching {} with {}\n", counted(jobs.len(), "job", "jobs"), counted(targets, "target", "targets"));
    let running = planner.standing().filter(|(_, standing)| standing.running.is_some()).count();
    let next = planner.standing().filter_map(|(id, standing)| Some((standing.next?, id))).min();
    let mut due = match next {
        Some((at, id)) => {
            let zone = jobs.get(id).map_or(TimeZone::UTC, |job| job.job.schedule.zone().clone());
            let when = if at <= now { "now".to_owned() } else { format!("in {}", about(at.duration_since(now))) };
            format!("{}, {when}: {}", on_clock(at, &zone), clean(id))
        }
        None => "nothing is due".to_owned(),
    };
    if running > 0 {
        due = format!("{due} ({} now)", counted(running, "scan goes on", "scans go on"));
    }
    text.push_str(&row("next", &due));
    text.push_str(&row("alerts", &channels.words()));
    text.push_str(&row("store", &clean(&named(store))));
    text
}

/// Where is told what.
pub(super) enum Channels<'a> {
    /// By these.
    Of(&'a Alerts),
    /// Their files cannot be read; whether those that were go on.
    Broken(bool),
}

impl Channels<'_> {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Of(alerts) if alerts.channels.is_empty() => "no channel: nobody is told anything".to_owned(),
            Self::Of(alerts) => {
                let names: Vec<&str> = alerts.channels.iter().map(|channel| channel.name.as_str()).collect();
                format!("{}: {}", counted(names.len(), "channel", "channels"), clean(&names.join(", ")))
            }
            Self::Broken(true) => "the channels cannot be read; those that were go on".to_owned(),
            Self::Broken(false) => "the channels cannot be read; nobody is told anything".to_owned(),
        }
    }
}

/// What is otherwise since the inventory was read before.
pub(super) fn changes(before: &BTreeMap<String, Scheduled>, after: &BTreeMap<String, Scheduled>) -> String {
    let gone = before.iter().filter(|(id, _)| !after.contains_key(*id));
    let new = after.iter().filter(|(id, _)| !before.contains_key(*id));
    let mut by_client: BTreeMap<&str, [Vec<&Scheduled>; 2]> = BTreeMap::new();
    for (_, job) in gone {
        by_client.entry(&job.client).or_default()[0].push(job);
    }
    for (_, job) in new {
        by_client.entry(&job.client).or_default()[1].push(job);
    }
    let targets = |job: &Scheduled| counted(job.targets, "target", "targets");
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (client, jobs) in by_client {
        if let [[was], [is]] = jobs.each_ref().map(Vec::as_slice) {
            let (was, is) = (was.job.schedule.to_string(), is.job.schedule.to_string());
            changed.push(format!("{}: {}, before {}", clean(client), clean(&is), clean(&was)));
            continue;
        }
        let [was, is] = jobs;
        removed.extend(was.iter().map(|job| clean(&job.job.id).into_owned()));
        added.extend(is.iter().map(|job| format!("{}, {}", clean(&job.job.id), targets(job))));
    }
    for (id, job) in after {
        if let Some(was) = before.get(id).filter(|was| was.targets != job.targets) {
            changed.push(format!("{}: {}, before {}", clean(id), targets(job), was.targets));
        }
    }
    let all = [("added", added), ("removed", removed), ("changed", changed)];
    let counts: Vec<String> = all
        .iter()
        .filter(|(_, jobs)| !jobs.is_empty())
        .map(|(what, jobs)| format!("{} {what}", counted(jobs.len(), "job", "jobs")))
        .collect();
    let counts = if counts.is_empty() { "the same jobs".to_owned() } else { counts.join(", ") };
    let mut text = format!("the inventory was read again: {counts}\n");
    let rows: Vec<(&str, String)> =
        all.into_iter().flat_map(|(what, jobs)| jobs.into_iter().map(move |job| (what, job))).collect();
    for (what, job) in rows.iter().take(CHANGES_MOST) {
        text.push_str(&row(what, job));
    }
    if rows.len() > CHANGES_MOST {
        text.push_str(&row("", &format!("and {} more", rows.len() - CHANGES_MOST)));
    }
    text
}

/// Which channels came, and which went.
pub(super) fn channels_changed(before: &BTreeSet<String>, after: &BTreeSet<String>) -> String {
    let names = |names: Vec<&str>| clean(&names.join(", ")).into_owned();
    let added: Vec<&str> = after.difference(before).map(String::as_str).collect();
    let removed: Vec<&str> = before.difference(after).map(String::as_str).collect();
    let mut text = String::new();
    if !added.is_empty() {
        text.push_str(&row(
            "added",
            &format!("{} {}", if added.len() == 1 { "channel" } else { "channels" }, names(added)),
        ));
    }
    if !removed.is_empty() {
        text.push_str(&row(
            "removed",
            &format!("{} {}", if removed.len() == 1 { "channel" } else { "channels" }, names(removed)),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;
    use crate::schedule::planner::Job;

    fn jobs(of: &[(&str, &str, usize)]) -> BTreeMap<String, Scheduled> {
        let job = |(client, cron, targets): &(&str, &str, usize)| {
            let schedule = Schedule::new(cron, "Europe/Berlin", None, &[]).unwrap();
            let job = Job { id: schedule.job(client), schedule };
            (job.id.clone(), Scheduled { client: (*client).to_owned(), job, targets: *targets })
        };
        of.iter().map(job).collect()
    }

    fn last(settled: &str, began: &str, ended: Option<&str>, exit: Option<i32>) -> JobRecord {
        JobRecord {
            id: "N: 0 2 * * * UTC".to_owned(),
            settled: settled.to_owned(),
            began: Some(began.to_owned()),
            ended: ended.map(str::to_owned),
            exit,
            skipped: 0,
        }
    }

    #[test]
    fn what_a_scan_makes_up_for_is_said_by_why_it_has_to() {
        const NIGHT: &str = "2026-11-21T02:00:00Z";
        let said = |last: &JobRecord, missed, since| making_up(last, missed, since, &TimeZone::UTC).unwrap_or_default();
        let sound = last(NIGHT, NIGHT, Some(NIGHT), Some(0));
        assert_eq!(said(&sound, 0, 1), "");
        assert_eq!(
            said(&sound, 1, 2),
            "1 earlier scan did not happen, because nobody watched; this one makes up for it"
        );
        assert!(said(&sound, 2, 3).starts_with("2 earlier scans did not happen"));
        let stopped = last("2026-11-20T02:00:00Z", NIGHT, Some("2026-11-21T02:10:00Z"), Some(3));
        assert_eq!(said(&stopped, 0, 0), "the last scan was stopped 2026-11-21 02:10 UTC; it is run again");
        assert_eq!(said(&stopped, 1, 1), "the last scan was stopped 2026-11-21 02:10 UTC; this one makes up for it");
        assert_eq!(
            said(&stopped, 2, 2),
            "the last scan was stopped 2026-11-21 02:10 UTC, and 1 scan did not happen, because nobody watched; this one \
             makes up for them"
        );
        let killed = last("2026-11-20T02:00:00Z", NIGHT, Some("2026-11-21T02:10:00Z"), None);
        assert_eq!(said(&killed, 0, 0), "the last scan was killed 2026-11-21 02:10 UTC; it is run again");
        let gone = last("2026-11-20T02:00:00Z", NIGHT, None, None);
        assert_eq!(
            said(&gone, 0, 0),
            "the last scan began 2026-11-21 02:00 UTC and did not come to its end; it is run again"
        );
    }

    #[test]
    fn what_changed_in_the_inventory_is_told_by_job() {
        let before = jobs(&[("A", "0 2 * * *", 1), ("B", "0 2 * * *", 3), ("C", "0 2 * * *", 1)]);
        let after = jobs(&[("A", "0 3 * * *", 1), ("B", "0 2 * * *", 4), ("D", "0 2 * * *", 1)]);
        assert_eq!(
            changes(&before, &after),
            "the inventory was read again: 1 job added, 1 job removed, 2 jobs changed\n  \
             added   D: 0 2 * * * Europe/Berlin, 1 target\n  \
             removed C: 0 2 * * * Europe/Berlin\n  \
             changed A: 0 3 * * * Europe/Berlin, before 0 2 * * * Europe/Berlin\n  \
             changed B: 0 2 * * * Europe/Berlin: 4 targets, before 3\n"
        );
        assert_eq!(changes(&before, &before), "the inventory was read again: the same jobs\n");
        let many: Vec<(String, &str, usize)> = (0..40).map(|number| (format!("C{number}"), "0 2 * * *", 1)).collect();
        let many: Vec<(&str, &str, usize)> = many.iter().map(|(a, b, c)| (a.as_str(), *b, *c)).collect();
        let text = changes(&jobs(&[]), &jobs(&many));
        assert!(text.contains("40 jobs added") && text.ends_with("and 28 more\n"), "{text}");
    }

    #[test]
    fn what_is_watched_is_said_in_lines_of_a_terminal() {
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let hostile = "Northwind Dental\u{1b}[31m and a name that goes on and on, as names of clients do";
        let jobs = jobs(&[("A", "30 2 * * *", 2), (hostile, "0 1 * * *", 1)]);
        let planner = Planner::new(jobs.values().map(|job| job.job.clone()).collect(), now, |_| None);
        let alerts = Alerts::default();
        let text = watching(&planner, &jobs, &Channels::Of(&alerts), Path::new("/var/lib/portreeve/history.db"), now);
        assert!(
            text.starts_with("watching 2 jobs with 3 targets\n  next    2026-11-21 02:30 CET, in 1 h 30 min: A"),
            "{text}"
        );
        assert!(
            text.contains("  alerts  no channel: nobody is told anything\n  store   /var/lib/portreeve/history.db\n")
        );
        let later = "2026-11-21T02:00:00Z".parse().unwrap();
        let planner = Planner::new(jobs.values().map(|job| job.job.clone()).collect(), later, |_| None);
        let text = watching(&planner, &jobs, &Channels::Broken(false), Path::new("/x"), later);
        assert!(text.contains("Northwind Dental") && !text.contains('\u{1b}'), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
