//! `portreeve alerts`: what is open, what waits to be told, and whether channels work.

mod list;
mod look;
mod outbox;

pub(super) use look::{Asked, channels_all_the_same, look, why_partial};
pub(super) use outbox::{Health, Outbox, STUCK_DAYS, Sent};

use super::args::Shared;
use super::args::alerts::{AlertsCommand, ChannelArgs, CheckArgs, DropArgs, SendArgs, TestArgs};
use super::exit::{CliError, Exit};
use super::output::{complain, print, wrapped};
use crate::alert::key;
use crate::catalog::channels::{self, Alerts, Channel, Known};
use crate::catalog::inventory;
use crate::history::Archive as _;
use crate::history::outbox::Waiting;
use crate::history::sqlite::Mode;
use crate::model::alert::{Kind, Message, Notice, Phase};
use crate::model::verdict::Severity;
use crate::notify;
use crate::report::text::clean;
use futures::future::join_all;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// However slow a receiver is, one try has an end: longer than those that channels have themselves.
const ONE_TRY: Duration = Duration::from_mins(3);

/// Runs `portreeve alerts`.
pub(super) async fn run(command: AlertsCommand, shared: &Shared) -> Result<Exit, CliError> {
    match command {
        AlertsCommand::Test(args) => test(args, shared).await,
        AlertsCommand::List(args) => list::run(&args, shared),
        AlertsCommand::Check(args) => check(args, shared).await,
        AlertsCommand::Send(args) => send(args, shared).await,
        AlertsCommand::Drop(args) => drop_messages(&args, shared),
    }
    .map_err(|error| match error {
        // Nothing was to be scanned.
        CliError::Files(diagnostics) => CliError::Catalogs(diagnostics),
        other => other,
    })
}

/// The channels of an inventory, and of files that were named.
pub(super) fn channels_of(args: &ChannelArgs) -> Result<Alerts, CliError> {
    if args.targets.is_empty() {
        return Ok(channels::load(&args.alerts, None)?);
    }
    let inventory = inventory::load(&args.targets)?;
    let files: Vec<PathBuf> = inventory.alerts.iter().chain(&args.alerts).cloned().collect();
    let known = Known { targets: &inventory.targets, elsewhere: &inventory.elsewhere };
    Ok(channels::load(&files, Some(known))?)
}

/// The channels that are wanted, and all that there are.
fn chosen(args: &ChannelArgs, names: &[String]) -> Result<(Vec<Channel>, Alerts), CliError> {
    if args.targets.is_empty() && args.alerts.is_empty() {
        return Err(CliError::Usage("name the inventory with --targets, or the file with --alerts".to_owned()));
    }
    let alerts = channels_of(args)?;
    let channels = &alerts.channels;
    if let Some(unknown) = names.iter().find(|name| channels.iter().all(|channel| channel.name != **name)) {
        let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        return Err(CliError::Usage(format!(
            "there is no channel `{}`; those that are: {}",
            clean(unknown),
            clean(&known.join(", "))
        )));
    }
    let wanted = |channel: &&Channel| names.is_empty() || names.contains(&channel.name);
    let chosen: Vec<Channel> = channels.iter().filter(wanted).cloned().collect();
    if chosen.is_empty() { Err(CliError::Usage(NO_CHANNEL.to_owned())) } else { Ok((chosen, alerts)) }
}

const NO_CHANNEL: &str = "there is no channel: write an alerts.toml beside the inventory, or name one with --alerts; \
                          targets/alerts.toml is an example of each kind";

async fn test(args: TestArgs, shared: &Shared) -> Result<Exit, CliError> {
    let (channels, _) = chosen(&args.channels, &args.channel)?;
    let now = Timestamp::now();
    let tried = channels.iter().map(|channel| async move {
        let delivered = tokio::time::timeout(ONE_TRY, notify::deliver(channel, &test_message(channel, now), &[])).await;
        (channel, delivered)
    });
    let mut exit = Exit::Clean;
    for (channel, delivered) in join_all(tried).await {
        let name = clean(&channel.name).into_owned();
        let means = channel.means.as_str();
        let mut rest = Vec::new();
        let first = match delivered {
            Ok(Ok(receipt)) => {
                rest.extend(receipt.refused.iter().map(|one| format!("but not by {}: {}", one.whom, one.said)));
                if !rest.is_empty() {
                    exit = Exit::Partial;
                }
                format!("taken: {}", receipt.said)
            }
            Ok(Err(error)) => {
                exit = Exit::Partial;
                rest.push(format!("{}: {}", error.blame, error.advice));
                format!("not taken: {error}")
            }
            Err(_) => {
                exit = Exit::Partial;
                format!("not taken: nothing came of it within {} s", ONE_TRY.as_secs())
            }
        };
        let width = shared.columns();
        let mut text = wrapped(&clean(&format!("{name} ({means}): {first}")), width, "", "  ");
        for line in rest {
            text.push('\n');
            text.push_str(&wrapped(&clean(&line), width, "  ", "    "));
        }
        print(&format!("{text}\n"))?;
    }
    Ok(exit)
}

/// A text of several lines without anything that a terminal would obey.
fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn test_message(channel: &Channel, now: Timestamp) -> Message {
    let client = "portreeve alerts test".to_owned();
    let notice = Notice {
        key: key(&client, None, Kind::Failure, &channel.name),
        kind: Kind::Failure,
        phase: Phase::Raised,
        severity: Severity::Low,
        client: client.clone(),
        target: None,
        title: format!("A test of the channel {}: nothing happened", channel.name),
        details: vec!["Somebody asked `portreeve alerts test` whether messages arrive here.".to_owned()],
        action: Some("Nothing is to be done.".to_owned()),
        since: now.to_string(),
        run: None,
    };
    Message { id: new_id(), made: now.to_string(), test: true, client, notices: vec![notice] }
}

/// What tells a message from every other: 128 random bits.
fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

async fn check(args: CheckArgs, shared: &Shared) -> Result<Exit, CliError> {
    if args.channels.targets.is_empty() {
        return Err(CliError::Usage("name the inventory with --targets: it says what is to be looked at".to_owned()));
    }
    if args.place.is_none() {
        return Err(CliError::Usage("alerts are about runs that are kept; name a store with --store".to_owned()));
    }
    let mut store = args.place.open(Mode::Create)?;
    let asked = Asked { targets: &args.channels.targets, alerts: &args.channels.alerts, scan: &args.scan };
    let now = Timestamp::now();
    let looked = look(&mut store, asked, Timestamp::from_second(now.as_second()).unwrap_or(now))?;
    if let Some(problem) = &looked.problem {
        complain(&format!("{}\nWhat could be looked at was.", clean_lines(problem)));
    }
    if !shared.quiet {
        for left in &looked.left {
            complain(&format!("Not looked at: {}", clean(left)));
        }
    }
    let exit = looked.exit;
    if args.no_send {
        return Ok(exit);
    }
    if !shared.quiet {
        if let Some(words) = looked.first.words() {
            print(&format!("{}\n", wrapped(&words, shared.columns(), "", "")))?;
        }
        let told = looked.notices.to_string();
        print(&format!("{told} to tell, {} open; `portreeve alerts list` shows them\n", looked.open))?;
    }
    let place = store.path().to_owned();
    drop(store);
    let sent = send_all(&place, &looked.alerts.channels, &looked.alerts, None, shared).await?;
    Ok(if exit == Exit::Clean { sent } else { exit })
}

async fn send(args: SendArgs, shared: &Shared) -> Result<Exit, CliError> {
    let (channels, alerts) = chosen(&args.channels, &args.channel)?;
    let store = args.place.open(Mode::Existing)?;
    let place = store.path().to_owned();
    drop(store);
    send_all(&place, &channels, &alerts, Some(Timestamp::now()), shared).await
}

/// Sends what is due to each channel, side by side, and says what did not go.
pub(super) async fn send_all(
    place: &Path,
    channels: &[Channel],
    alerts: &Alerts,
    hurry: Option<Timestamp>,
    shared: &Shared,
) -> Result<Exit, CliError> {
    let outbox = Outbox::open(place)?;
    let sent = join_all(channels.iter().map(|channel| outbox.send(channel, hurry))).await;
    let (mut delivered, mut partly, mut refused) = (0, 0, 0);
    for (channel, sent) in channels.iter().zip(sent) {
        let sent = sent?;
        delivered += sent.delivered;
        partly += sent.partly;
        refused += sent.refused;
        for trouble in &sent.troubles {
            complain(&clean_lines(&format!("{}: {trouble}", channel.name)));
        }
    }
    let health = outbox.health(alerts, Timestamp::now())?;
    if !shared.quiet {
        let waits = if health.waiting == 0 { "nothing waits".to_owned() } else { format!("{} wait", health.waiting) };
        let partly = if partly == 0 { String::new() } else { format!("{partly} sent to some and not yet to all, ") };
        print(&format!("{delivered} sent, {partly}{waits}\n"))?;
        for held in outbox.held(alerts, Timestamp::now())? {
            print(&format!("{}\n", clean(&held)))?;
        }
    }
    for unusable in &health.unusable {
        complain(&clean_lines(&format!("nothing can be sent by the channel {unusable}")));
    }
    if let Some(words) = health.words() {
        complain(&clean_lines(&words));
    }
    let whole = health.waiting == 0 && health.unusable.is_empty() && refused == 0;
    Ok(if whole { Exit::Clean } else { Exit::Partial })
}

fn drop_messages(args: &DropArgs, shared: &Shared) -> Result<Exit, CliError> {
    let mut store = args.place.open(Mode::Existing)?;
    let waiting = store.waiting()?;
    let mut ids = Vec::new();
    for wanted in &args.ids {
        let found: Vec<&str> = waiting
            .iter()
            .map(|message| message.id.as_str())
            .filter(|id| id.starts_with(wanted.to_ascii_lowercase().as_str()))
            .collect();
        match found.as_slice() {
            [one] => ids.push((*one).to_owned()),
            [] => {
                return Err(CliError::Usage(format!(
                    "no message waits whose id begins with `{}`; `portreeve alerts list` has them; nothing was dropped",
                    clean(wanted)
                )));
            }
            several => {
                return Err(CliError::Usage(format!(
                    "{} messages have an id that begins with `{}`; write more of it; nothing was dropped",
                    several.len(),
                    clean(wanted)
                )));
            }
        }
    }
    for name in &args.channel {
        let place = args.alerts.as_deref().map(channels::place);
        let is_meant = |message: &&Waiting| {
            message.to.channel == *name && place.as_ref().is_none_or(|place| *place == message.to.place)
        };
        let meant: Vec<&Waiting> = waiting.iter().filter(is_meant).collect();
        let places: BTreeSet<&str> = meant.iter().map(|message| message.to.place.as_str()).collect();
        let name = clean(name);
        if meant.is_empty() {
            return Err(CliError::Usage(format!("no message waits for the channel `{name}`; nothing was dropped")));
        }
        if places.len() > 1 {
            let places: Vec<&str> = places.into_iter().collect();
            return Err(CliError::Usage(format!(
                "messages wait for channels `{name}` of several files; say which with --alerts: {}; nothing was dropped",
                clean(&places.join(", "))
            )));
        }
        ids.extend(meant.into_iter().map(|message| message.id.clone()));
    }
    let dropped = store.drop_messages(&ids)?;
    if !shared.quiet {
        print(&format!("{dropped} dropped: what they told is told no more\n"))?;
    }
    Ok(Exit::Clean)
}
