//! `portreeve alerts list`.

use super::outbox::{Health, is_gone, is_stuck};
use super::{STUCK_DAYS, channels_of};
use crate::alert::as_of;
use crate::catalog::channels::Alerts;
use crate::cli::args::alerts::ListArgs;
use crate::cli::args::{DoctorFormat, Shared};
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::{print, wrapped};
use crate::history::Archive as _;
use crate::history::outbox::{Addressee, Waiting, behind};
use crate::history::sqlite::Mode;
use crate::model::matter::Matter;
use crate::report::text::clean;
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// `--format json`: format `portreeve-alerts`, version 1. Times are RFC 3339, UTC.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    format: &'static str,
    version: u32,
    /// What is open, what to do first comes first.
    open: Vec<Opened<'a>>,
    /// The messages that wait, in the order in which they were made.
    waiting: Vec<Message<'a>>,
    health: &'a Health,
}

#[derive(Debug, Serialize)]
struct Opened<'a> {
    key: &'a str,
    kind: &'static str,
    severity: String,
    client: &'a str,
    target: Option<&'a str>,
    title: &'a str,
    details: &'a [String],
    action: Option<&'a str>,
    since: &'a str,
    run: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    id: &'a str,
    channel: &'a str,
    /// The alerts.toml that has the channel.
    channel_file: &'a str,
    client: &'a str,
    made: &'a str,
    notices: u32,
    attempts: u32,
    tried: Option<String>,
    due: String,
    /// The message of the same channel whose turn comes before, whatever `due` says; none where none does.
    behind: Option<&'a str>,
    /// When that one is due.
    behind_due: Option<String>,
    error: Option<&'a str>,
    stuck: bool,
    in_flight: bool,
}

/// A message that waits, and the one whose turn comes before.
struct Turn<'a> {
    message: &'a Waiting,
    behind: Option<&'a Waiting>,
}

pub(super) fn run(args: &ListArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let now = Timestamp::now();
    // Days that were left when it was told are fewer by now.
    let mut matters: Vec<Matter> = store.standing()?.matters.iter().map(|matter| as_of(matter, now)).collect();
    let waiting = store.waiting()?;
    let named = !args.channels.targets.is_empty() || !args.channels.alerts.is_empty();
    let alerts = if named { Some(channels_of(&args.channels)?) } else { None };
    let health = Health::of(&waiting, &store.refusals()?, alerts.as_ref(), now);
    let wanted = |client: &str| {
        args.client.is_empty() || args.client.iter().any(|wanted| wanted.to_lowercase() == client.to_lowercase())
    };
    matters.retain(|matter| wanted(&matter.client));
    let turns = behind(&waiting, now);
    let turn =
        |(message, before): (_, Option<usize>)| Turn { message, behind: before.and_then(|place| waiting.get(place)) };
    let waiting: Vec<Turn<'_>> =
        waiting.iter().zip(turns).map(turn).filter(|turn| wanted(&turn.message.client)).collect();
    matters.sort_by_key(|matter| (Reverse(matter.severity), matter.kind, matter.client.clone(), matter.since.clone()));
    print(&match args.format {
        DoctorFormat::Text => text(&matters, &waiting, alerts.as_ref(), &health, now, shared.columns()),
        DoctorFormat::Json => json(&matters, &waiting, &health, now)?,
    })?;
    Ok(if health.words().is_some() || !health.refused.is_empty() { Exit::Partial } else { Exit::Clean })
}

fn text(
    matters: &[Matter],
    waiting: &[Turn<'_>],
    alerts: Option<&Alerts>,
    health: &Health,
    now: Timestamp,
    width: usize,
) -> String {
    let mut text = String::new();
    let mut line = |line: &str, first: &str, rest: &str| {
        let _ = writeln!(text, "{}", wrapped(&clean(line), width, first, rest));
    };
    if matters.is_empty() {
        line("Nothing is open.", "", "");
    }
    for matter in matters {
        let Matter { severity, kind, client, since, run, title, .. } = matter;
        line(&format!("{severity}  {kind}  {client}: {title}"), "", "  ");
        let run = run.map(|run| format!(", run {run}")).unwrap_or_default();
        line(&format!("since {since}{run}  [{}]", matter.told_key()), "  ", "  ");
        for detail in &matter.details {
            line(detail, "  ", "  ");
        }
        if let Some(action) = &matter.action {
            line(&format!("What to do: {action}"), "  ", "  ");
        }
    }
    line("", "", "");
    if waiting.is_empty() {
        line("No message waits.", "", "");
    }
    for Turn { message, behind } in waiting {
        let standing = if alerts.is_some_and(|alerts| is_gone(message, alerts)) {
            "its channel is in no alerts.toml".to_owned()
        } else if message.claimed {
            "is being sent".to_owned()
        } else if let Some(before) = behind {
            behind_in_words(before, now)
        } else if message.is_due(now) {
            "is due now".to_owned()
        } else {
            format!("next try {}", short(message.due))
        };
        let stuck =
            if is_stuck(message, now) { format!(", STUCK for more than {STUCK_DAYS} day") } else { String::new() };
        let notices = if message.notices == 1 { "notice" } else { "notices" };
        let tries = match message.attempts {
            0 => "not tried yet".to_owned(),
            1 => "tried once".to_owned(),
            many => format!("tried {many} times"),
        };
        let Waiting { to: Addressee { place, channel }, client, notices: count, made, .. } = message;
        line(
            &format!("waits  {channel}: {count} {notices} about {client}, made {made}, {tries}, {standing}{stuck}"),
            "",
            "  ",
        );
        line(&format!("[{}]  channel of {place}", message.id), "  ", "  ");
        if let Some(error) = &message.error {
            line(&format!("last try: {error}"), "  ", "  ");
        }
    }
    for refused in &health.refused {
        line(&format!("refused  {refused}"), "", "  ");
    }
    for unusable in &health.unusable {
        line("", "", "");
        line(&format!("This process could not send by the channel {unusable}"), "", "  ");
    }
    if let Some(words) = health.words() {
        line("", "", "");
        line(&words, "", "");
    }
    text
}

/// `waits behind message 3f9a01c2 of its channel, which is tried next 2026-11-21T04:00:00Z`
pub(super) fn behind_in_words(before: &Waiting, now: Timestamp) -> String {
    let when = match before {
        _ if before.claimed => "is being sent".to_owned(),
        _ if before.is_due(now) => "is due now".to_owned(),
        _ => format!("is tried next {}", short(before.due)),
    };
    format!("waits behind message {} of its channel, which {when}", before.id.get(..8).unwrap_or(&before.id))
}

fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn json(matters: &[Matter], waiting: &[Turn<'_>], health: &Health, now: Timestamp) -> Result<String, CliError> {
    let open = matters.iter().map(|matter| Opened {
        key: matter.told_key(),
        kind: matter.kind.as_str(),
        severity: matter.severity.to_string(),
        client: &matter.client,
        target: matter.target.as_deref(),
        title: &matter.title,
        details: &matter.details,
        action: matter.action.as_deref(),
        since: &matter.since,
        run: matter.run,
    });
    let waiting = waiting.iter().map(|Turn { message, behind }| Message {
        id: &message.id,
        channel: &message.to.channel,
        channel_file: &message.to.place,
        client: &message.client,
        made: &message.made,
        notices: message.notices,
        attempts: message.attempts,
        tried: message.tried.map(short),
        due: short(message.due),
        behind: behind.map(|before| before.id.as_str()),
        behind_due: behind.map(|before| short(before.due)),
        error: message.error.as_deref(),
        stuck: is_stuck(message, now),
        in_flight: message.claimed,
    });
    let listed =
        Listed { format: "portreeve-alerts", version: 1, open: open.collect(), waiting: waiting.collect(), health };
    let text = serde_json::to_string_pretty(&listed).map_err(|error| CliError::Bug(format!("the list: {error}")))?;
    Ok(crate::cli::dry_run::showable(&format!("{text}\n")))
}
