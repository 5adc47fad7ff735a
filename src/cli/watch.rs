//! `portreeve watch`: scans by the schedules of an inventory.
//!
//! What is due is `schedule::planner`'s to know; this module has the clock, the signals and the processes. Each scan is a process
//! of its own, `portreeve scan` with `--job`: what goes wrong in one touches no other, its memory is given back, and the watch
//! itself stays small. A job is the targets of one client with one schedule.

mod alerting;
mod process;
mod records;
mod status;
mod units;
mod words;

use super::alerts::{Health, why_partial};
use super::args::watch::WatchArgs;
use super::args::{Cli, Command, Shared};
use super::exit::{CliError, Exit};
use super::output::{complain, print, shown};
use super::store::say_if_open_to_others;
use crate::alert::{GRACE, Partly};
use crate::catalog::channels::Alerts;
use crate::catalog::inventory;
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive as _, JobRecord};
use crate::model::target::Target;
use crate::report::text::clean;
use crate::schedule::Schedule;
use crate::schedule::planner::{Job, Planner, Start};
use crate::schedule::scans;
use alerting::Alerting;
use clap::Parser as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use process::{Course, Reloads, attend, child_of_watch};
use records::{Begun, Records};
use status::{AlertsStatus, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use words::Channels;

/// The clock is looked at this often at least: it may be set, and the machine may sleep.
const LOOK_AT_LEAST: Duration = Duration::from_secs(20);

/// How often it is looked whether a scan that another watch began has ended.
const HELD: Duration = Duration::from_secs(1);

/// How long scans have to write what they learned once they are told to stop.
const STOP_WITHIN: Duration = Duration::from_mins(1);

/// Messages that were tried so long ago are tried at a start: a watch that is started again and again asks nobody all the time.
const HURRY_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Which job scans a target; none where it has no schedule.
pub(super) fn job_of(target: &Target) -> Option<String> {
    let schedule = Schedule::of(target.schedule.as_ref()?).ok()?;
    Some(schedule.job(&target.client))
}

/// A job, whose servers it scans, and how many.
struct Scheduled {
    client: String,
    job: Job,
    targets: usize,
}

fn scheduled(paths: &[PathBuf]) -> Result<BTreeMap<String, Scheduled>, CliError> {
    let mut jobs: BTreeMap<String, Scheduled> = BTreeMap::new();
    for target in &inventory::load(paths)?.targets {
        let Some(schedule) = target.schedule.as_ref().and_then(|written| Schedule::of(written).ok()) else { continue };
        let Some(id) = job_of(target) else { continue };
        let job = Job { id: id.clone(), schedule };
        jobs.entry(id).or_insert(Scheduled { client: target.client.clone(), job, targets: 0 }).targets += 1;
    }
    if jobs.is_empty() {
        return Err(CliError::Usage(
            "no target of the inventory has a schedule; give a file or a target \
             `schedule = { cron = \"30 2 * * *\", zone = \"Europe/Berlin\" }`"
                .to_owned(),
        ));
    }
    Ok(jobs)
}

/// Runs `portreeve watch`.
pub(super) async fn run(args: WatchArgs, shared: &Shared) -> Result<Exit, CliError> {
    check_options(&args)?;
    let jobs = match scheduled(&args.targets) {
        Err(error @ CliError::Files(_)) if !args.list && args.write_units.is_none() && !args.place.is_none() => {
            // Nobody watches, and whoever is to know of it is told.
            alerting::tell_once(&args, shared).await;
            return Err(error);
        }
        jobs => jobs?,
    };
    if let Some(folder) = &args.write_units {
        return units::write(folder, &args, shared);
    }
    if args.place.is_none() {
        return Err(CliError::Usage(
            "scheduled scans are kept, so they need a store; name one with --store".to_owned(),
        ));
    }
    let store = args.place.open(Mode::Create)?;
    if store.is_new() && !args.list && !shared.quiet {
        complain(&format!(
            "a new store was made at {}: it knows of no run, no alert and no message yet",
            named(store.path())
        ));
    }
    if !args.list && !shared.quiet {
        say_if_open_to_others(store.path());
    }
    let records = Records::open(store)?;
    let now = Timestamp::now();
    let settled = |id: &str| records.get(id).and_then(|record| record.settled.parse().ok());
    let plan = jobs.values().map(|scheduled| scheduled.job.clone()).collect();
    let planner = if args.once { Planner::once(plan, now, settled) } else { Planner::new(plan, now, settled) };
    if args.list {
        print(&status::list(&planner, &jobs, records.all(), now))?;
        return list_channels(&args);
    }
    let place = records.store.path().to_owned();
    let (scans, worst) = (JoinSet::new(), Exit::Clean);
    let (alerting, alerts, broken, mute, unsaid) = (None, Alerts::default(), None, None, None);
    let mut watch = Watch {
        args,
        place,
        jobs,
        records,
        planner,
        scans,
        alerting,
        alerts,
        broken,
        mute,
        unsaid,
        worst,
        is_beside_another: false,
    };
    watch.begin_anew(now);
    watch.reload_alerts();
    if !watch.args.once {
        // A message that waits may wait for what was mended before this start. One that was tried a moment ago is left alone.
        watch.hurry(now.saturating_sub(HURRY_AFTER).unwrap_or(now));
        watch.say_what_is_watched(now, shared);
    }
    watch.go(shared).await
}

/// Says where is told what, and what is wrong there.
fn list_channels(args: &WatchArgs) -> Result<Exit, CliError> {
    let (alerts, wrong) = alerting::alerts_of(args)?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    print(&format!("alerts\n  {}\n", Channels::Of(&alerts).words()))?;
    alerting::check(&alerts);
    Ok(Exit::Clean)
}

/// The options of every scan are checked before the first is due.
fn check_options(args: &WatchArgs) -> Result<(), CliError> {
    let scan = ["portreeve", "scan", "--targets", "x"].map(OsString::from).into_iter().chain(args.scan.iter().cloned());
    match Cli::try_parse_from(scan).map(|cli| cli.command) {
        Ok(Command::Scan(scan)) if scan.dry_run || scan.keep.no_store || scan.keep.place.store.is_some() => {
            Err(CliError::Usage("--dry-run, --no-store and --store are not for scheduled scans".to_owned()))
        }
        Ok(Command::Scan(scan)) if scan.output.json.is_some() || scan.output.html.is_some() => Err(CliError::Usage(
            "scheduled scans would write over each other's reports; write them with `portreeve show`".to_owned(),
        )),
        // Behind the inventory's own place, which is `x` here, a host is taken for another.
        Ok(Command::Scan(scan)) if scan.targets.len() != 1 => Err(CliError::Usage(
            "what follows -- names targets; the watch scans those of its own --targets, before the --".to_owned(),
        )),
        Ok(Command::Scan(_)) => Ok(()),
        Ok(_) => Err(CliError::Usage("what follows -- must be options of `portreeve scan`".to_owned())),
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Err(CliError::Usage(format!("options of every scan: {}", clean(first))))
        }
    }
}

/// What came of a process, or of waiting for another's.
enum Ended {
    /// A scan.
    Scan(String, Course),
    /// Nobody is at this job any more; or this watch is to stop.
    Free(Start),
}

/// How often it is tried to note that a job begins, while another watch notes something of it.
const TRIES: usize = 5;

struct Watch {
    args: WatchArgs,
    place: PathBuf,
    jobs: BTreeMap<String, Scheduled>,
    records: Records,
    planner: Planner,
    scans: JoinSet<Ended>,
    /// It was said that another watch is at work.
    is_beside_another: bool,
    /// None where nobody is to be told anything.
    alerting: Option<Alerting>,
    /// The files of channels, while there is no channel in them.
    alerts: Alerts,
    /// What is wrong with the inventory since it was read last.
    broken: Option<String>,
    /// What is wrong with the channels since they were read last.
    mute: Option<String>,
    /// Why it could not be said how it goes.
    unsaid: Option<String>,
    /// The worst that a scan ended with.
    worst: Exit,
}

impl Watch {
    async fn go(mut self, shared: &Shared) -> Result<Exit, CliError> {
        let mut interrupted = super::session::interrupts_but_hangup(shared);
        let mut reloads = Reloads::listen();
        let (stop, stopping) = watch::channel(false);
        units::tell_ready();
        loop {
            if !self.records.store.is_in_place() {
                // A new one would begin without a word on what was open, and what is noted here would be lost.
                let gone = format!(
                    "the store {} was removed or replaced while it was watched: put it back, and start the watch again; \
                     without it what is open is not known, and what waits is not sent",
                    named(&self.place)
                );
                self.broken = Some(gone.clone());
                self.say(Timestamp::now());
                return Err(CliError::StoreGone(gone));
            }
            let now = Timestamp::now();
            // Where it is known that nothing can be kept, nothing begins.
            let starts = if self.records.keep() { self.planner.begin(now) } else { Vec::new() };
            let is_late = |start: &Start| start.missed > 0 || now.duration_since(start.due) > GRACE;
            if let Some(alerting) = &mut self.alerting
                && starts.iter().any(is_late)
            {
                tokio::select! {
                    Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => break,
                    () = alerting.look_first(&self.args) => {}
                }
            }
            for start in starts {
                self.start(&start, Timestamp::now(), stopping.clone(), shared);
            }
            if let Some(alerting) = &mut self.alerting {
                alerting.step(&self.args, now);
            }
            self.say(now);
            if self.args.once && self.scans.is_empty() {
                return self.end_once().await;
            }
            let pause = self.pause(now);
            let alerted = async {
                match &mut self.alerting {
                    Some(alerting) => alerting.next(&self.args).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => break,
                Some(ended) = self.scans.join_next() => match ended {
                    Ok(Ended::Scan(id, course)) => self.ended(&id, &course, Timestamp::now()),
                    Ok(Ended::Free(start)) => self.start(&start, Timestamp::now(), stopping.clone(), shared),
                    Err(_) => {}
                },
                () = reloads.next() => self.reload(Timestamp::now(), shared),
                () = alerted => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        units::tell_stopping();
        let _ = stop.send(true);
        // Each writes what it learned; what it did not finish is there to be gone on with.
        let all = async {
            while let Some(ended) = self.scans.join_next().await {
                match ended {
                    Ok(Ended::Scan(id, course)) => self.ended(&id, &course, Timestamp::now()),
                    // It was not begun, so it is due at the next start.
                    Ok(Ended::Free(start)) => self.planner.put_back(&start.id),
                    Err(_) => {}
                }
            }
        };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            self.scans.shutdown().await;
            let left = self.planner.standing().filter(|(_, standing)| standing.running.is_some());
            let left: Vec<String> = left.map(|(id, _)| id.to_owned()).collect();
            for id in left {
                self.ended(&id, &Course::not_begun(), Timestamp::now());
            }
        }
        if let Some(alerting) = &mut self.alerting {
            alerting.finish(&self.args, false).await;
        }
        self.say(Timestamp::now());
        Ok(if self.args.once { Exit::Partial } else { Exit::Clean })
    }

    /// Tells what is to be told, and ends.
    async fn end_once(&mut self) -> Result<Exit, CliError> {
        if let Some(alerting) = &mut self.alerting {
            alerting.finish(&self.args, true).await;
        }
        let alerts = self.alerting.as_ref().map_or(&self.alerts, |alerting| &alerting.alerts);
        let health =
            Health::of(&self.records.store.waiting()?, &self.records.store.refusals()?, Some(alerts), Timestamp::now());
        if let Some(words) = health.words() {
            complain(&clean(&words));
        }
        let problem = self.alerting.as_ref().is_some_and(|alerting| alerting.problem().is_some());
        let whole = health.words().is_none() && health.refused.is_empty() && health.unusable.is_empty() && !problem;
        if !whole || self.mute.is_some() || !self.records.keep() {
            self.worst = worse(self.worst, Some(3));
        }
        self.say(Timestamp::now());
        if self.unsaid.is_some() {
            self.worst = worse(self.worst, Some(3));
        }
        Ok(self.worst)
    }

    /// How long nothing is to be done.
    fn pause(&self, now: Timestamp) -> Duration {
        if self.records.why().is_some() {
            // What is due waits for the store.
            return LOOK_AT_LEAST;
        }
        let left = self.planner.wake().map(|at| at.duration_since(now));
        left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(LOOK_AT_LEAST).min(LOOK_AT_LEAST)
    }

    /// Notes from when on jobs count that were never seen before.
    fn begin_anew(&mut self, now: Timestamp) {
        let new: Vec<String> = self.jobs.keys().filter(|id| self.records.get(id).is_none()).cloned().collect();
        for id in new {
            let settled = now.to_string();
            self.records.note(JobRecord { id, settled, began: None, ended: None, exit: None, skipped: 0 });
        }
    }

    /// The time zone of a job.
    fn zone(&self, id: &str) -> TimeZone {
        self.jobs.get(id).map_or(TimeZone::UTC, |job| job.job.schedule.zone().clone())
    }

    /// Begins a scan. One that cannot be noted is due as before: what nobody knows of would be begun again and again.
    fn start(&mut self, start: &Start, now: Timestamp, stopping: watch::Receiver<bool>, shared: &Shared) {
        let id = start.id.clone();
        if self.records.store.is_job_held(&id) || self.records.store.is_job_watched(&id) {
            return self.wait_for(start, stopping);
        }
        // Where the lock cannot be had for another reason, the record alone tells of another watch.
        if let Ok(false) = self.records.store.watch_job(&id) {
            return self.wait_for(start, stopping);
        }
        let Some((last, since)) = self.note_begin(start, now) else {
            self.records.store.let_go(&id);
            return;
        };
        let making_up = last.and_then(|last| words::making_up(&last, start.missed, since, &self.zone(&id)));
        if let Some(words) = making_up.filter(|_| !shared.quiet) {
            complain(&format!("{}: {words}", clean(&id)));
        }
        let mut command = match self.scan(&id) {
            Ok(command) => command,
            Err(error) => {
                let status = Err(std::io::Error::other(error.render(false)));
                return self.ended(&id, &Course { status, told: false }, now);
            }
        };
        match command.spawn() {
            Ok(child) => {
                self.scans.spawn(async move { Ended::Scan(id, attend(child, stopping).await) });
            }
            Err(error) => self.ended(&id, &Course { status: Err(error), told: false }, now),
        }
    }

    /// Notes that a scan begins; gives what was known of its job, and how many were due since that began. None where it is not to
    /// begin: because it cannot be noted, or because another watch settled the same.
    fn note_begin(&mut self, start: &Start, now: Timestamp) -> Option<(Option<JobRecord>, usize)> {
        let id = &start.id;
        for _ in 0..TRIES {
            let last = self.records.get(id).cloned();
            let since = last.as_ref().map_or(0, |last| self.due_since(last, start));
            match self.records.begin(records::begun(last.as_ref(), id, since, now)) {
                Begun::Noted => return Some((last, since)),
                Begun::NotKept => break,
                Begun::ByAnother => {
                    self.say_beside_another();
                    if self.records.get(id).is_some_and(|record| record.is_settled(start.nominal)) {
                        let _ = self.planner.finished(id, now);
                        return None;
                    }
                }
            }
        }
        self.planner.put_back(id);
        None
    }

    /// Says once that one watch would do.
    fn say_beside_another(&mut self) {
        if !std::mem::replace(&mut self.is_beside_another, true) {
            complain(&format!(
                "another watch is at work on the store {} with the same schedules: what it has scanned is not \
                 scanned here again; one of the two is enough",
                named(&self.place)
            ));
        }
    }

    /// Waits until nobody is at a job, then looks anew whether it is still to begin.
    fn wait_for(&mut self, start: &Start, stopping: watch::Receiver<bool>) {
        // Where it cannot be opened it is tried again.
        let store = Sqlite::open(&self.place, Mode::Existing, crate::report::describe).ok();
        if self.records.store.is_job_watched(&start.id) {
            self.say_beside_another();
        } else {
            complain(&format!(
                "{}: a scan that another watch began still runs; this one waits for it",
                clean(&start.id)
            ));
        }
        let start = start.clone();
        self.scans.spawn(async move {
            loop {
                tokio::time::sleep(HELD).await;
                let is_free = store
                    .as_ref()
                    .is_none_or(|store| !store.is_job_held(&start.id) && !store.is_job_watched(&start.id));
                if is_free || *stopping.borrow() {
                    return Ended::Free(start);
                }
            }
        });
    }

    /// How many scans of a job were due since its last began, up to the one that begins now.
    fn due_since(&self, last: &JobRecord, start: &Start) -> usize {
        let began = last.began.as_ref().and_then(|began| began.parse().ok());
        let (Some(began), Some(job)) = (began, self.jobs.get(&start.id)) else { return 0 };
        job.job.schedule.count(began, start.nominal)
    }

    /// A scan of a job, as a process of its own.
    fn scan(&self, id: &str) -> Result<tokio::process::Command, CliError> {
        let mut command = child_of_watch()?;
        command.arg("scan").arg("--quiet").arg("--job").arg(id).arg("--store").arg(&self.place);
        for path in &self.args.targets {
            command.arg("--targets").arg(path);
        }
        command.args(&self.args.scan);
        Ok(command)
    }

    /// A scan has ended: its occurrence is settled, however it ended. One that was killed is not: it is made up for. Neither is one
    /// that was stopped, but for the second time.
    fn ended(&mut self, id: &str, course: &Course, now: Timestamp) {
        let standing = self.planner.finished(id, now).unwrap_or_default();
        if standing.skipped > 0 {
            complain(&format!(
                "{}: {} did not happen, because the one before still ran; let them be due less often",
                clean(id),
                scans(standing.skipped, "")
            ));
        }
        let record = self.records.get(id).cloned();
        let why = self.why_partial(id, course);
        let was_stopped = match (course.exit(), why) {
            // Before it could write anything.
            (None, _) | (Some(_), Some(Partly::NotKept)) => course.told,
            (Some(exit), None) => course.told && exit == Exit::Partial as i32,
            (Some(_), Some(why)) => why == Partly::Stopped,
        };
        let is_again = record.as_ref().is_some_and(JobRecord::is_again);
        let exit = if was_stopped { Some(Exit::Partial as i32) } else { course.exit() };
        let settled = match (exit, &record) {
            (None, Some(record)) => record.settled.clone(),
            (Some(_), Some(record)) if was_stopped && !is_again => record.settled.clone(),
            // Everything up to now: what came meanwhile is not caught up.
            _ => now.to_string(),
        };
        let words = match (exit, &course.status) {
            (Some(_), _) if was_stopped && is_again => {
                Some("the scan was stopped a second time; it is not run again before it is due".to_owned())
            }
            (Some(_), _) if was_stopped => {
                Some("the scan was stopped; it is run again once, at the next start".to_owned())
            }
            (Some(0 | 1), _) => None,
            (Some(3), _) if why == Some(Partly::NotKept) => Some("the scan was not kept, or not to its end".to_owned()),
            (Some(3), _) => Some("the scan is partial; see `portreeve show last`".to_owned()),
            (Some(code), _) => Some(format!("the scan ended with code {code}")),
            (None, Ok(_)) => Some("the scan was killed; it is made up for at the next start".to_owned()),
            (None, Err(error)) => Some(format!(
                "the scan could not be started: {}; it is made up for at the next start",
                clean(&error.to_string())
            )),
        };
        if let Some(words) = words {
            complain(&format!("{}: {words}", clean(id)));
        }
        self.worst = worse(self.worst, exit);
        let skipped = u32::try_from(standing.skipped).unwrap_or(u32::MAX);
        let (began, ended) = (record.and_then(|record| record.began), Some(now.to_string()));
        self.records.note(JobRecord { id: id.to_owned(), settled, began, ended, exit, skipped });
        self.records.store.let_go(id);
        if let Some(alerting) = &mut self.alerting {
            alerting.want();
        }
    }

    /// Why a scan that has ended is partial; none where it is not, or that cannot be told.
    fn why_partial(&self, id: &str, course: &Course) -> Option<Partly> {
        course.exit().filter(|exit| *exit == Exit::Partial as i32)?;
        let began = self.records.get(id)?.began.clone()?;
        why_partial(&self.records.store, id, &began).ok()
    }

    /// Reads the inventory again. One with mistakes changes nothing.
    fn reload(&mut self, now: Timestamp, shared: &Shared) {
        match scheduled(&self.args.targets) {
            Ok(jobs) => {
                self.planner.reload(jobs.values().map(|scheduled| scheduled.job.clone()).collect(), now);
                let mut changes = words::changes(&self.jobs, &jobs);
                let before = self.channels();
                (self.jobs, self.broken) = (jobs, None);
                self.begin_anew(now);
                self.reload_alerts();
                changes.push_str(&words::channels_changed(&before, &self.channels()));
                if !shared.quiet {
                    complain(changes.trim_end());
                }
                self.say_what_is_watched(now, shared);
            }
            Err(error) => {
                complain(&error.render(false));
                let message = "the inventory was changed and cannot be read; what was scheduled before goes on";
                complain(message);
                self.broken = Some(message.to_owned());
            }
        }
        if let Some(alerting) = &mut self.alerting {
            alerting.want();
        }
        // Whoever mended a channel says so by this.
        self.hurry(now);
    }

    /// Lets messages that wait be tried that were not since then, whenever they are due: each once.
    fn hurry(&mut self, since: Timestamp) {
        if let Some(alerting) = &mut self.alerting {
            alerting.hurry(since);
        }
    }

    /// The names of the channels.
    fn channels(&self) -> BTreeSet<String> {
        let alerts = self.alerting.as_ref().map_or(&self.alerts, |alerting| &alerting.alerts);
        alerts.channels.iter().map(|channel| channel.name.clone()).collect()
    }

    fn say_what_is_watched(&self, now: Timestamp, shared: &Shared) {
        if shared.quiet {
            return;
        }
        let alerts = self.alerting.as_ref().map_or(&self.alerts, |alerting| &alerting.alerts);
        let channels =
            if self.mute.is_some() { Channels::Broken(self.alerting.is_some()) } else { Channels::Of(alerts) };
        complain(words::watching(&self.planner, &self.jobs, &channels, &self.place, now).trim_end());
    }

    /// Begins or ends telling, as the files say now.
    fn reload_alerts(&mut self) {
        self.mute = None;
        let read = alerting::alerts_of(&self.args).map(|(alerts, wrong)| {
            if let Some(wrong) = wrong {
                // Each look tells of it, and so does the status, until it is mended.
                complain(&wrong.render(false));
            }
            alerts
        });
        match read {
            // What is being sent goes on.
            Ok(alerts) if !alerts.channels.is_empty() => match &mut self.alerting {
                Some(alerting) => alerting.alerts = alerts,
                None => match Alerting::of(alerts, &self.place) {
                    Ok(alerting) => self.alerting = Some(alerting),
                    Err(error) => self.is_mute(&error),
                },
            },
            Ok(alerts) => (self.alerting, self.alerts) = (None, alerts),
            Err(error) => self.is_mute(&error),
        }
    }

    /// The scans go on all the same.
    fn is_mute(&mut self, error: &CliError) {
        complain(&error.render(false));
        let message = match &self.alerting {
            Some(_) => "the channels for alerts cannot be read; those that were go on",
            None => "the channels for alerts cannot be read; nobody is told anything",
        };
        complain(message);
        self.mute = Some(message.to_owned());
    }

    /// Says how it goes. That it cannot be said ends nothing.
    fn say(&mut self, now: Timestamp) {
        units::tell_alive(self.scans.len(), self.planner.wake());
        let unsaid = self.write_status(now).err().map(|error| error.render(false));
        if let Some(unsaid) = unsaid.as_ref().filter(|unsaid| self.unsaid.as_ref() != Some(*unsaid)) {
            complain(&format!("the status could not be written: {unsaid}"));
        }
        self.unsaid = unsaid;
    }

    fn write_status(&self, now: Timestamp) -> Result<(), CliError> {
        let Some(path) = &self.args.status else { return Ok(()) };
        let wrong = self.broken.as_deref().into_iter().chain(self.mute.as_deref()).chain(self.records.why());
        let wrong: Vec<&str> = wrong.collect();
        let trouble = (!wrong.is_empty()).then(|| wrong.join("; "));
        let mut status = Status::of(&self.planner, &self.jobs, self.records.all(), trouble.as_deref(), now);
        let alerts = self.alerting.as_ref().map_or(&self.alerts, |alerting| &alerting.alerts);
        let problem = self.alerting.as_ref().and_then(Alerting::problem);
        let kept = self.records.store.waiting().and_then(|waiting| Ok((waiting, self.records.store.refusals()?)));
        let (health, problem) = match kept {
            Ok((waiting, refusals)) => (Health::of(&waiting, &refusals, Some(alerts), now), problem),
            Err(error) => (Health::default(), Some(CliError::from(error).render(false))),
        };
        // What waits is said also where nobody is to be told anything any more.
        if self.alerting.is_some() || problem.is_some() || health != Health::default() {
            status.alerts = Some(AlertsStatus { problem, health });
        }
        status.write(path)
    }
}

/// The worse of how scans ended, for whoever called `--once`.
fn worse(known: Exit, exit: Option<i32>) -> Exit {
    let new = match exit {
        Some(0) => Exit::Clean,
        Some(1) => Exit::Findings,
        Some(2) => Exit::Usage,
        Some(4) => Exit::Bug,
        _ => Exit::Partial,
    };
    if new as u8 > known as u8 { new } else { known }
}

/// How a path is shown in a message of this module.
fn named(path: &Path) -> String {
    shown(path).to_string()
}

/// A length of time in words, to the minute.
fn about(length: SignedDuration) -> String {
    let minutes = length.as_mins();
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
