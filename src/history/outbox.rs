//! What is open and what waits to be told, as it is kept between two looks at the runs.

use super::RunNumber;
use crate::model::alert::Message;
use crate::model::matter::{KnownServer, Matter};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is due later than this was noted by a clock that was ahead: no wait is as long.
pub(super) const LONGEST_WAIT_MS: i64 = 26 * 60 * 60 * 1000;

/// How many of a server's last runs are named.
pub const APPEARANCES: usize = 60;

/// Which channel a message is for. Inventories that share a store may each have one that is called `mail`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addressee {
    /// The place of the file that has the channel.
    pub place: String,
    /// The channel's name in it.
    pub channel: String,
}

/// In which runs servers were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appearances {
    /// Each server, by client and name.
    pub servers: Vec<Appeared>,
}

/// A server, and the last runs in which it was finished and that go on no more, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeared {
    /// Whose it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
    /// When each began, RFC 3339, UTC, and its number; at most [`APPEARANCES`].
    pub runs: Vec<(String, RunNumber)>,
}

/// What is open, and what is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How often it was looked before; 0 where never.
    pub looks: i64,
    /// What is open.
    pub matters: Vec<Matter>,
    /// What is remembered of servers.
    pub servers: Vec<KnownServer>,
}

/// What a look came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The looks before it, as [`Standing`] told.
    pub looks: i64,
    /// Matters that are new, or stand otherwise.
    pub open: Vec<Matter>,
    /// The keys of those that are open no more.
    pub closed: Vec<String>,
    /// Servers of which something else is remembered.
    pub servers: Vec<KnownServer>,
    /// Servers that are forgotten, by client and name.
    pub forgotten: Vec<(String, String)>,
    /// What is to be sent, with the channel that gets it.
    pub messages: Vec<(Addressee, Message)>,
}

impl Look {
    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
            && self.closed.is_empty()
            && self.servers.is_empty()
            && self.forgotten.is_empty()
            && self.messages.is_empty()
    }
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The message's id.
    pub id: String,
    /// Which channel it is for.
    pub to: Addressee,
    /// Whose servers it is about.
    pub client: String,
    /// When it was made, RFC 3339, UTC.
    pub made: String,
    /// How many notices it has.
    pub notices: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub tried: Option<Timestamp>,
    /// When it is tried next.
    pub due: Timestamp,
    /// What the last try met.
    pub error: Option<String>,
    /// The receiver refused this very message.
    pub refused: bool,
    /// A process is at it.
    pub claimed: bool,
    /// It reached some of its recipients: only those who are left wait behind it.
    pub partly: bool,
    /// The keys of what it tells; only where some message was refused, for else no one need know.
    pub keys: Vec<String>,
}

/// Behind which other each message waits, by its place among them: its turn comes after that one's, whatever its own time is. None
/// for one that waits for its own time, or for none.
///
/// As [`claim`](super::Archive::claim) takes them: those of a channel in their order. One that the receiver refused is passed by
/// those that tell nothing of what it tells.
pub fn behind(waiting: &[Waiting], now: Timestamp) -> Vec<Option<usize>> {
    #[derive(Default)]
    struct Channel<'a> {
        /// What all wait for.
        first: Option<usize>,
        /// What messages tell that were refused, and what waits for these.
        held: BTreeMap<&'a str, usize>,
    }
    let mut channels: BTreeMap<&Addressee, Channel<'_>> = BTreeMap::new();
    let mut all = Vec::new();
    for (place, message) in waiting.iter().enumerate() {
        let channel = channels.entry(&message.to).or_default();
        let holder = message.keys.iter().filter_map(|key| channel.held.get(key.as_str()).copied()).min();
        let is_due = message.is_due(now);
        let behind = match channel.first {
            Some(first) => Some(first),
            None if message.claimed || !is_due => None,
            None => holder,
        };
        all.push(behind);
        if channel.first.is_some() {
            continue;
        }
        if message.claimed || !is_due && !message.refused && !message.partly {
            channel.first = Some(place);
        } else if message.refused && !is_due || behind.is_some() {
            for key in &message.keys {
                channel.held.entry(key).or_insert(behind.unwrap_or(place));
            }
        }
    }
    all
}

impl Waiting {
    /// Whether its time has come.
    pub fn is_due(&self, now: Timestamp) -> bool {
        is_due(self.due.as_millisecond(), now.as_millisecond())
    }
}

/// Whether a time has come, in milliseconds since 1970.
pub(super) const fn is_due(due: i64, now: i64) -> bool {
    due <= now || due > now.saturating_add(LONGEST_WAIT_MS)
}

/// A message that this process is to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The message.
    pub message: Message,
    /// How often it was tried before.
    pub attempts: u32,
    /// Who of several needs no more tries: whom earlier ones reached, or refused for good.
    pub reached: Vec<String>,
    /// Who of several is still to get an earlier message, and not this one before it.
    pub held: Vec<String>,
}

/// What came of a try for recipients of whom there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// When it was tried.
    pub at: Timestamp,
    /// Who was given the message.
    pub took: Vec<String>,
    /// Who was refused it for good, while others have it, and what was said; fit to be shown anywhere.
    pub refused: Vec<(String, String)>,
}

/// A recipient who was refused a message for good, and was given none since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// By which channel.
    pub to: Addressee,
    /// Who.
    pub whom: String,
    /// What was said of it, fit to be shown anywhere.
    pub said: String,
    /// When.
    pub at: Timestamp,
    /// Whose servers the message was about.
    pub client: String,
    /// When the message was made, RFC 3339, UTC.
    pub made: String,
}

/// Why a message could not be delivered, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// When it was tried.
    pub tried: Timestamp,
    /// When it is tried again.
    pub due: Timestamp,
    /// What was met, for people; nothing secret in it.
    pub error: String,
    /// The receiver refused this very message: those behind it need not wait.
    pub refused: bool,
    /// Who of several needs no more tries, after this one and those before it.
    pub reached: Vec<String>,
    /// What came of this one.
    pub came: Came,
}
