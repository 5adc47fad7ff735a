//! From notices to messages: what each channel is sent.

use super::{Book, EVERYBODY, counted};
use crate::model::alert::{Kind, Message, Notice, Phase};
use crate::model::verdict::Severity;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// More notices than these are in no message; it says how many more there are.
pub const NOTICES_MOST: usize = 50;

/// A channel, as far as messages are made for it.
pub struct Route<'a> {
    /// Its name.
    pub channel: &'a str,
    /// Which notices it gets.
    pub takes: Box<dyn Fn(&Notice) -> bool + 'a>,
    /// It is for some clients only: nothing that is about all of them.
    pub is_of_some: bool,
}

/// The messages of a look: for each channel one of each client, or one in all where nobody looked before. `id` draws a message's id.
pub fn messages(
    book: &Book,
    routes: &[Route<'_>],
    now: Timestamp,
    mut id: impl FnMut() -> String,
) -> Vec<(String, Message)> {
    let mut messages = Vec::new();
    for route in routes {
        let mut by_client: BTreeMap<&str, Vec<Notice>> = BTreeMap::new();
        for notice in book.notices() {
            let concerns = notice.client != EVERYBODY || !route.is_of_some;
            if concerns && (route.takes)(notice) {
                let client = if book.is_first_look() { "" } else { notice.client.as_str() };
                by_client.entry(client).or_default().push(notice.clone());
            }
        }
        for (client, notices) in by_client {
            let mut clients: Vec<&str> = notices.iter().map(|notice| notice.client.as_str()).collect();
            clients.sort_unstable();
            clients.dedup();
            let client = match clients.as_slice() {
                [only] => (*only).to_owned(),
                _ if client.is_empty() => EVERYBODY.to_owned(),
                _ => client.to_owned(),
            };
            let notices = bounded(notices, &client, book.is_first_look(), now);
            let message = Message { id: id(), made: now.to_string(), test: false, client, notices };
            messages.push((route.channel.to_owned(), message));
        }
    }
    messages
}

/// What to do first comes first, and no more than can be read.
fn bounded(mut notices: Vec<Notice>, client: &str, first_look: bool, now: Timestamp) -> Vec<Notice> {
    notices.sort_by_key(|notice| (!notice.phase.is_open(), Reverse(notice.severity), notice.kind));
    if first_look {
        for notice in &mut notices {
            notice.details.insert(0, "It was so when alerts began: told once, with all else that was.".to_owned());
        }
    }
    let more = notices.len().saturating_sub(NOTICES_MOST);
    if more > 0 {
        // In the place of the last that fits.
        let left = notices.split_off(NOTICES_MOST - 1);
        let worst = left.iter().map(|notice| notice.severity).max().unwrap_or(Severity::Low);
        let more = i64::try_from(left.len()).unwrap_or(i64::MAX);
        let open = left.iter().any(|notice| notice.phase.is_open());
        notices.push(Notice {
            // Of this message alone: nothing ever resolves it.
            key: super::key(client, None, Kind::Failure, &format!("more notices at {now}")),
            kind: left.first().map_or(Kind::Drift, |notice| notice.kind),
            phase: if open { Phase::Raised } else { Phase::Resolved },
            severity: worst,
            client: client.to_owned(),
            target: None,
            title: format!("And {} that this message has no room for", counted(more, "notice", "notices")),
            details: vec!["Those to do first are above.".to_owned()],
            action: Some("`portreeve alerts list` has everything that is open.".to_owned()),
            since: now.to_string(),
            run: None,
        });
    }
    notices
}
