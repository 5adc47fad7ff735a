//! `portreeve watch`: scans by the schedules of an inventory.
//!
//! What is due is `schedule::planner`'s to know; this module has the clock, the signals and the processes. Each scan is a process
//! of its own, `portreeve scan` with `--job`: what goes wrong in one touches no other, its memory is given back, and the watch
//! itself stays small. A job is the targets of one client with one schedule.

mod alerting;
mod status;
mod units;

use super::alerts::Health;
use super::args::watch::WatchArgs;
use super::args::{Cli, Command, Shared};
use super::exit::{CliError, Exit};
use super::output::{complain, print, shown};
use super::parent;
use crate::alert::GRACE;
use crate::catalog::channels::Alerts;
use crate::catalog::inventory;
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive as _, JobRecord};
use crate::model::target::Target;
use crate::report::text::clean;
use crate::schedule::Schedule;
use crate::schedule::planner::{Job, Planner, Start};
use alerting::Alerting;
use clap::Parser as _;
use jiff::{SignedDuration, Timestamp};
use status::{AlertsStatus, Status};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The clock is looked at this often at least: it may be set, and the machine may sleep.
const LOOK_AT_LEAST: Duration = Duration::from_secs(20);

/// How often it is looked whether a scan that another watch began has ended.
const HELD: Duration = Duration::from_secs(1);

/// How long scans have to write what they learned once they are told to stop.
const STOP_WITHIN: Duration = Duration::from_mins(1);

/// Which job scans a target; none where it has no schedule.
pub(super) fn job_of(target: &Target) -> Option<String> {
    let schedule = Schedule::of(target.schedule.as_ref()?).ok()?;
    Some(schedule.job(&target.client))
}

/// A job, and how many targets it scans.
struct Scheduled {
    job: Job,
    targets: usize,
}

fn scheduled(paths: &[PathBuf]) -> Result<BTreeMap<String, Scheduled>, CliError> {
    let mut jobs: BTreeMap<String, Scheduled> = BTreeMap::new();
    for target in &inventory::load(paths)?.targets {
        let Some(schedule) = target.schedule.as_ref().and_then(|written| Schedule::of(written).ok()) else { continue };
        let Some(id) = job_of(target) else { continue };
        let job = Job { id: id.clone(), schedule };
        jobs.entry(id).or_insert(Scheduled { job, targets: 0 }).targets += 1;
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
    let records: BTreeMap<String, JobRecord> =
        store.jobs()?.into_iter().map(|record| (record.id.clone(), record)).collect();
    let now = Timestamp::now();
    let settled = |id: &str| records.get(id).and_then(|record| record.settled.parse().ok());
    let plan = jobs.values().map(|scheduled| scheduled.job.clone()).collect();
    let planner = if args.once { Planner::once(plan, now, settled) } else { Planner::new(plan, now, settled) };
    if args.list {
        print(&status::list(&planner, &jobs, &records, now))?;
        return Ok(Exit::Clean);
    }
    let place = store.path().to_owned();
    let (scans, worst) = (JoinSet::new(), Exit::Clean);
    let (alerting, alerts, broken, mute, unsaid) = (None, Alerts::default(), None, None, None);
    let mut watch =
        Watch { args, store, place, jobs, records, planner, scans, alerting, alerts, broken, mute, unsaid, worst };
    watch.begin_anew(now)?;
    watch.reload_alerts();
    watch.go(shared).await
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

struct Watch {
    args: WatchArgs,
    store: Sqlite,
    place: PathBuf,
    jobs: BTreeMap<String, Scheduled>,
    records: BTreeMap<String, JobRecord>,
    planner: Planner,
    scans: JoinSet<(String, std::io::Result<ExitStatus>)>,
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
            if !self.store.is_in_place() {
                // A new one would begin without a word on what was open, and what is noted here would be lost.
                let gone = format!(
                    "the store {} was removed or replaced while it was watched: put it back, and start the watch again",
                    named(&self.place)
                );
                self.broken = Some(gone.clone());
                self.say(Timestamp::now());
                return Err(CliError::Machine(gone));
            }
            let now = Timestamp::now();
            let starts = self.planner.begin(now);
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
                self.start(&start, Timestamp::now(), stopping.clone(), shared)?;
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
                Some(ended) = self.scans.join_next() => {
                    if let Ok((id, status)) = ended {
                        self.ended(&id, status, Timestamp::now())?;
                    }
                }
                () = reloads.next() => self.reload(Timestamp::now()),
                () = alerted => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        units::tell_stopping();
        let _ = stop.send(true);
        // Each writes what it learned; what it did not finish is there to be gone on with.
        let all = async {
            while let Some(ended) = self.scans.join_next().await {
                if let Ok((id, status)) = ended {
                    self.ended(&id, status, Timestamp::now())?;
                }
            }
            Ok::<(), CliError>(())
        };
        let in_time = tokio::time::timeout(STOP_WITHIN, all).await;
        in_time.unwrap_or(Ok(()))?;
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
        let health = Health::of(&self.store.waiting()?, Some(alerts), Timestamp::now());
        if let Some(words) = health.words() {
            complain(&clean(&words));
        }
        let problem = self.alerting.as_ref().is_some_and(|alerting| alerting.problem().is_some());
        if health.words().is_some() || problem || self.mute.is_some() || !health.unusable.is_empty() {
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
        let left = self.planner.wake().map(|at| at.duration_since(now));
        left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(LOOK_AT_LEAST).min(LOOK_AT_LEAST)
    }

    /// Notes from when on jobs count that were never seen before.
    fn begin_anew(&mut self, now: Timestamp) -> Result<(), CliError> {
        let new: Vec<String> = self.jobs.keys().filter(|id| !self.records.contains_key(*id)).cloned().collect();
        for id in new {
            let record = JobRecord { id, settled: now.to_string(), began: None, ended: None, exit: None, skipped: 0 };
            self.note(record)?;
        }
        Ok(())
    }

    fn note(&mut self, record: JobRecord) -> Result<(), CliError> {
        self.store.note_job(&record)?;
        self.records.insert(record.id.clone(), record);
        Ok(())
    }

    fn start(
        &mut self,
        start: &Start,
        now: Timestamp,
        stopping: watch::Receiver<bool>,
        shared: &Shared,
    ) -> Result<(), CliError> {
        if start.missed > 0 && !shared.quiet {
            complain(&format!(
                "{}: {} earlier scans did not happen, because nobody watched; this one makes up for them",
                clean(&start.id),
                start.missed
            ));
        }
        let settled = self.records.get(&start.id).map_or_else(|| now.to_string(), |record| record.settled.clone());
        let skipped = self.records.get(&start.id).map_or(0, |record| record.skipped);
        let began = Some(now.to_string());
        let begun = JobRecord { id: start.id.clone(), settled, began, ended: None, exit: None, skipped };
        self.note(begun)?;
        let mut command = self.scan(&start.id)?;
        let id = start.id.clone();
        if self.store.is_job_held(&id) {
            complain(&format!("{}: a scan that another watch began still runs; this one waits for it", clean(&id)));
            let store = Sqlite::open(&self.place, Mode::Existing, crate::report::describe)?;
            self.scans.spawn(async move {
                while store.is_job_held(&id) && !*stopping.borrow() {
                    tokio::time::sleep(HELD).await;
                }
                let ended = match command.spawn() {
                    Ok(child) => attend(child, stopping).await,
                    Err(error) => Err(error),
                };
                (id, ended)
            });
            return Ok(());
        }
        let machine = |error: std::io::Error| CliError::Machine(format!("a scan could not be started: {error}"));
        let child = command.spawn().map_err(machine)?;
        self.scans.spawn(async move { (id, attend(child, stopping).await) });
        Ok(())
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

    /// A scan has ended: its occurrence is settled, however it ended. One that was killed is not: it is made up for.
    fn ended(&mut self, id: &str, status: std::io::Result<ExitStatus>, now: Timestamp) -> Result<(), CliError> {
        let exit = status.ok().and_then(|status| status.code());
        let standing = self.planner.finished(id, now).unwrap_or_default();
        if standing.skipped > 0 {
            complain(&format!(
                "{}: {} scans did not happen, because the one before still ran; let them be due less often",
                clean(id),
                standing.skipped
            ));
        }
        let began = self.records.get(id).and_then(|record| record.began.clone());
        let settled = match exit {
            // Everything up to now: what came meanwhile is not caught up.
            Some(_) => now.to_string(),
            None => self.records.get(id).map_or_else(|| now.to_string(), |record| record.settled.clone()),
        };
        match exit {
            Some(0 | 1) => {}
            Some(3) => complain(&format!("{}: the scan is partial; see `portreeve show last`", clean(id))),
            Some(code) => complain(&format!("{}: the scan ended with code {code}", clean(id))),
            None => complain(&format!("{}: the scan was killed; it is made up for at the next start", clean(id))),
        }
        self.worst = worse(self.worst, exit);
        let skipped = u32::try_from(standing.skipped).unwrap_or(u32::MAX);
        self.note(JobRecord { id: id.to_owned(), settled, began, ended: Some(now.to_string()), exit, skipped })?;
        if let Some(alerting) = &mut self.alerting {
            alerting.want();
        }
        Ok(())
    }

    /// Reads the inventory again. One with mistakes changes nothing.
    fn reload(&mut self, now: Timestamp) {
        match scheduled(&self.args.targets) {
            Ok(jobs) => {
                self.planner.reload(jobs.values().map(|scheduled| scheduled.job.clone()).collect(), now);
                (self.jobs, self.broken) = (jobs, None);
                if let Err(error) = self.begin_anew(now) {
                    complain(&error.render(false));
                }
                self.reload_alerts();
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
    }

    /// Begins or ends telling, as the files say now.
    fn reload_alerts(&mut self) {
        self.mute = None;
        match alerting::alerts_of(&self.args) {
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
        let wrong: Vec<&str> = self.broken.iter().chain(&self.mute).map(String::as_str).collect();
        let trouble = (!wrong.is_empty()).then(|| wrong.join("; "));
        let mut status = Status::of(&self.planner, &self.jobs, &self.records, trouble.as_deref(), now);
        let alerts = self.alerting.as_ref().map_or(&self.alerts, |alerting| &alerting.alerts);
        let problem = self.alerting.as_ref().and_then(Alerting::problem);
        let (health, problem) = match self.store.waiting() {
            Ok(waiting) => (Health::of(&waiting, Some(alerts), now), problem),
            Err(error) => (Health::default(), Some(CliError::from(error).render(false))),
        };
        // What waits is said also where nobody is to be told anything any more.
        if self.alerting.is_some() || problem.is_some() || health != Health::default() {
            status.alerts = Some(AlertsStatus { problem, health });
        }
        status.write(path)
    }
}

/// A process of our own program, that ends with us.
fn child_of_watch() -> Result<tokio::process::Command, CliError> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| CliError::Machine(format!("portreeve itself is not to be found: {error}")))?;
    let mut command = tokio::process::Command::new(program);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.env(parent::VARIABLE, std::process::id().to_string());
    // A key pressed at the terminal is for us: each scan is told by us.
    #[cfg(unix)]
    command.process_group(0);
    command.kill_on_drop(true);
    Ok(command)
}

/// Waits for a scan, and passes on that it is to stop.
async fn attend(mut child: Child, mut stopping: watch::Receiver<bool>) -> std::io::Result<ExitStatus> {
    let told = async {
        // Without anybody left who could tell, the scan goes on.
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        status = child.wait() => return status,
        () = told => {}
    }
    ask_to_stop(&mut child);
    child.wait().await
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}

#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    // What was learned is in the store.
    let _ = child.start_kill();
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

/// Wishes to read the inventory again.
struct Reloads {
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Reloads {
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { hangup: signal(SignalKind::hangup()).ok() }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.hangup
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
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
