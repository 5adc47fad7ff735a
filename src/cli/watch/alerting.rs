//! Alerts of a watch: looks by a process of their own, whose memory is given back, and deliveries in the background.

use super::WatchArgs;
use super::process::child_of_watch;
use crate::catalog::channels::Alerts;
use crate::catalog::inventory;
use crate::cli::alerts::{Asked, Outbox, Sent, channels_all_the_same, look, send_all};
use crate::cli::args::Shared;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::complain;
use crate::history::sqlite::Mode;
use crate::report::text::clean;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tokio::task::{self, JoinSet};

/// Without anything that happened it is looked this often: days end, and scans do not happen.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How often it is looked whether a message is due again.
const SEND_EVERY: Duration = Duration::from_secs(15);

/// How long scans that are late wait for a look.
const FIRST_LOOK: Duration = Duration::from_mins(1);

/// How long a watch that is told to stop goes on looking, and then sending: what waits is sent after the next start.
const LAST_LOOK: Duration = Duration::from_secs(15);
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long `--once` sends: whoever calls it does so again in a few minutes.
const ONCE_WORDS: Duration = Duration::from_mins(1);

/// What a watch has to do with alerts.
pub(super) struct Alerting {
    place: PathBuf,
    outbox: Outbox,
    pub(super) alerts: Alerts,
    /// Something happened since the last look began.
    wanted: bool,
    looking: JoinSet<std::io::Result<ExitStatus>>,
    /// When the last look began.
    looked: Option<Timestamp>,
    /// What keeps looks from being taken.
    problem: Option<String>,
    /// When every channel was sent to last.
    sent_at: Option<Instant>,
    sending: JoinSet<Result<Sent, CliError>>,
    /// What was not tried since then is sent, whenever it is due.
    hurry: Option<Timestamp>,
    /// The channels that are being sent to, by who does it.
    busy: HashMap<task::Id, String>,
    /// What keeps messages of a channel from being sent, where it is not its receiver.
    failing: BTreeMap<String, String>,
    /// What was said last of each channel: the same is not said again.
    told: BTreeMap<String, String>,
}

/// The channels of the inventory, and what is wrong with them where they can be used all the same.
pub(super) fn alerts_of(args: &WatchArgs) -> Result<(Alerts, Option<CliError>), CliError> {
    channels_all_the_same(&inventory::load(&args.targets)?, &args.alerts)
}

/// Says what is wrong with channels that can be read.
pub(super) fn check(alerts: &Alerts) {
    for channel in &alerts.channels {
        if let Err(error) = channel.check() {
            let (name, advice) = (clean(&channel.name), error.advice());
            complain(&format!("{name}: {}; {}", clean(&error.to_string()), clean(&advice)));
        }
    }
}

/// Looks and sends where there will be no watch, because the inventory cannot be read.
pub(super) async fn tell_once(args: &WatchArgs, shared: &Shared) {
    if let Err(error) = look_and_send(args, shared).await {
        complain(&error.render(false));
    }
}

async fn look_and_send(args: &WatchArgs, shared: &Shared) -> Result<(), CliError> {
    let mut store = args.place.open(Mode::Create)?;
    let place = store.path().to_owned();
    let asked = Asked { targets: &args.targets, alerts: &args.alerts, scan: &args.scan };
    let now = Timestamp::now();
    let looked = match look(&mut store, asked, Timestamp::from_second(now.as_second()).unwrap_or(now)) {
        Ok(looked) => looked,
        // Nobody is to be told anything.
        Err(CliError::Usage(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    drop(store);
    let quiet = Shared { quiet: true, ..shared.clone() };
    let sent = send_all(&place, &looked.alerts.channels, &looked.alerts, None, &quiet);
    // Whoever starts us does so again.
    tokio::time::timeout(ONCE_WORDS, sent).await.unwrap_or(Ok(Exit::Partial)).map(drop)
}

impl Alerting {
    /// Alerts by these channels.
    pub(super) fn of(alerts: Alerts, place: &Path) -> Result<Self, CliError> {
        check(&alerts);
        Ok(Self {
            place: place.to_owned(),
            outbox: Outbox::open(place)?,
            alerts,
            wanted: true,
            looking: JoinSet::new(),
            looked: None,
            problem: None,
            sent_at: None,
            sending: JoinSet::new(),
            hurry: None,
            busy: HashMap::new(),
            failing: BTreeMap::new(),
            told: BTreeMap::new(),
        })
    }

    /// What is wrong on our side; none where nothing is.
    pub(super) fn problem(&self) -> Option<String> {
        let failing = self.failing.iter().map(|(channel, why)| format!("{channel}: {why}"));
        let all: Vec<String> = self.problem.iter().cloned().chain(failing).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Something happened that may have to be told.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Sends what was not tried since then, whenever it is due; what is not tried is tried once.
    pub(super) fn hurry(&mut self, since: Timestamp) {
        (self.hurry, self.sent_at) = (Some(since), None);
    }

    /// Begins what is to be done now.
    pub(super) fn step(&mut self, args: &WatchArgs, now: Timestamp) {
        let long_ago = self.looked.is_none_or(|at| now < at || now.duration_since(at) >= LOOK_EVERY);
        if (self.wanted || long_ago) && self.looking.is_empty() {
            (self.wanted, self.looked) = (false, Some(now));
            match self.look(args) {
                Ok(mut child) => {
                    self.looking.spawn(async move { child.wait().await });
                }
                Err(error) => self.problem = Some(error.render(false)),
            }
        }
        if self.sent_at.is_none_or(|at| at.elapsed() >= SEND_EVERY) {
            self.send();
        }
    }

    /// Looks at what happened.
    fn look(&self, args: &WatchArgs) -> Result<tokio::process::Child, CliError> {
        let mut command = child_of_watch()?;
        command.args(["alerts", "check", "--no-send", "--quiet", "--store"]).arg(&self.place);
        for path in &args.targets {
            command.arg("--targets").arg(path);
        }
        for path in &args.alerts {
            command.arg("--alerts").arg(path);
        }
        if !args.scan.is_empty() {
            command.arg("--").args(&args.scan);
        }
        command.spawn().map_err(|error| CliError::Machine(format!("a look for alerts could not be started: {error}")))
    }

    /// Sends to every channel that is not being sent to.
    fn send(&mut self) {
        self.sent_at = Some(Instant::now());
        let names: Vec<String> = self.alerts.channels.iter().map(|channel| channel.name.clone()).collect();
        for name in names {
            self.send_to(&name);
        }
    }

    /// Sends to a channel; not where it is being sent to.
    fn send_to(&mut self, name: &str) -> bool {
        let Some(channel) = self.alerts.channels.iter().find(|channel| channel.name == name).cloned() else {
            return true;
        };
        let is_idle = self.busy.values().all(|busy| busy != name);
        if is_idle {
            let (outbox, hurry) = (self.outbox.clone(), self.hurry);
            let task = self.sending.spawn(async move { outbox.send(&channel, hurry).await });
            self.busy.insert(task.id(), name.to_owned());
        }
        is_idle
    }

    /// Waits until something is done.
    pub(super) async fn next(&mut self, args: &WatchArgs) {
        tokio::select! {
            Some(looked) = self.looking.join_next() => self.seen(args, looked.ok().and_then(Result::ok)),
            Some(sent) = self.sending.join_next_with_id() => {
                let (id, sent) = match sent {
                    Ok((id, sent)) => (id, sent),
                    Err(error) => (error.id(), Err(CliError::Bug(format!("sending broke off: {error}")))),
                };
                if let Some(channel) = self.busy.remove(&id) {
                    self.sent(channel, sent);
                }
            }
            else => std::future::pending().await,
        }
    }

    fn seen(&mut self, args: &WatchArgs, ended: Option<ExitStatus>) {
        self.problem = match ended.and_then(|status| status.code()) {
            Some(0) => None,
            // It has said why.
            Some(code) => Some(format!("the last look for alerts ended with code {code}; the log says why")),
            None => Some("the last look for alerts was killed".to_owned()),
        };
        // The look read these files, and so do we: a message may be for a channel that is new.
        if let Ok((alerts, _)) = alerts_of(args)
            && !alerts.channels.is_empty()
        {
            self.alerts = alerts;
        }
        self.send();
    }

    fn sent(&mut self, channel: String, sent: Result<Sent, CliError>) {
        self.failing.remove(&channel);
        let trouble = match sent {
            Ok(Sent { troubles, delivered, .. }) => match troubles.last() {
                Some(trouble) => trouble.clone(),
                None if delivered > 0 => {
                    self.told.remove(&channel);
                    return;
                }
                None => return,
            },
            Err(error) => {
                let why = error.render(false);
                self.failing.insert(channel.clone(), why.clone());
                why
            }
        };
        if self.told.get(&channel) != Some(&trouble) {
            complain(&format!("alerts by {}: {}", clean(&channel), clean(&trouble)));
            self.told.insert(channel, trouble);
        }
    }

    /// Looks before anything else goes on: what did not happen is told before it is made up for.
    pub(super) async fn look_first(&mut self, args: &WatchArgs) {
        self.want();
        let _ = tokio::time::timeout(FIRST_LOOK, self.look_out(args)).await;
    }

    /// Looks until nothing is to be looked at.
    async fn look_out(&mut self, args: &WatchArgs) {
        while self.wanted || !self.looking.is_empty() {
            self.step(args, Timestamp::now());
            if !self.looking.is_empty() {
                self.next(args).await;
            }
        }
    }

    /// Looks a last time, and sends what can be sent in a moment.
    pub(super) async fn finish(&mut self, args: &WatchArgs, once: bool) {
        // A look that is not finished has done nothing: the next watch begins with one.
        let bound = if once { Duration::from_mins(10) } else { LAST_LOOK };
        if tokio::time::timeout(bound, self.look_out(args)).await.is_err() {
            self.looking.abort_all();
        }
        // Each channel once more from here on: whoever was being sent to may have had nothing then. None waits for another.
        let mut left: Vec<String> = self.alerts.channels.iter().map(|channel| channel.name.clone()).collect();
        let words = async {
            loop {
                left.retain(|name| !self.send_to(name));
                if left.is_empty() && self.sending.is_empty() {
                    break;
                }
                self.next(args).await;
            }
        };
        let _ = tokio::time::timeout(if once { ONCE_WORDS } else { LAST_WORDS }, words).await;
        self.sending.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::channels;
    use crate::cli::args::{Cli, Command};
    use clap::Parser as _;

    #[tokio::test]
    async fn a_delivery_that_breaks_off_frees_its_channel_and_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("history.db");
        drop(crate::history::sqlite::Sqlite::open(&place, Mode::Create, |_| String::new()).unwrap());
        let text = "[[channel]]\nname = 'x'\nkind = 'slack'\nurl_env = 'PORTREEVE_NOWHERE'\n";
        let alerts = channels::parse("alerts.toml", text, folder.path(), None).unwrap();
        let Ok(Command::Watch(args)) =
            Cli::try_parse_from(["portreeve", "watch", "--targets", "nowhere"]).map(|cli| cli.command)
        else {
            panic!("it is a watch");
        };
        let mut alerting = Alerting::of(alerts, &place).unwrap();
        let task = alerting.sending.spawn(async { panic!("as a mistake would") });
        alerting.busy.insert(task.id(), "x".to_owned());
        assert!(!alerting.send_to("x"), "it is being sent to");
        alerting.next(&args).await;
        assert!(alerting.problem().is_some_and(|problem| problem.contains("sending broke off")));
        assert!(alerting.send_to("x"));
        alerting.next(&args).await;
        assert_eq!(alerting.problem(), None);
    }
}
