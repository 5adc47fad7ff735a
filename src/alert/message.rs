//! From notices to messages: what each channel is sent.

use super::{Book, EVERYBODY, counted};
use crate::model::alert::{Message, Notice};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// No message has more notices than these: more nobody reads. Others are in the next.
pub const NOTICES_MOST: usize = 40;

/// A channel, as far as messages are made for it.
pub struct Route<'a> {
    /// Its name.
    pub channel: &'a str,
    /// Which notices it gets.
    pub takes: Box<dyn Fn(&Notice) -> bool + 'a>,
    /// It is for some clients only: nothing that is about all of them.
    pub is_of_some: bool,
}

/// The messages of a look: for each channel those of each client, which have every notice between them, and one in all of what was
/// so before anybody was to be told. `id` draws a message's id.
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
                let client = if book.is_past(notice) { "" } else { notice.client.as_str() };
                by_client.entry(client).or_default().push(notice.clone());
            }
        }
        for (client, notices) in by_client {
            let are_past = client.is_empty();
            let mut clients: Vec<&str> = notices.iter().map(|notice| notice.client.as_str()).collect();
            clients.sort_unstable();
            clients.dedup();
            let client = match clients.as_slice() {
                [only] => (*only).to_owned(),
                _ if client.is_empty() => EVERYBODY.to_owned(),
                _ => client.to_owned(),
            };
            for notices in ordered(notices, are_past).chunks(NOTICES_MOST) {
                let (client, notices) = (client.clone(), notices.to_vec());
                let message = Message { id: id(), made: now.to_string(), test: false, client, notices };
                messages.push((route.channel.to_owned(), message));
            }
        }
    }
    messages
}

/// What to do first comes first. Of what was so before anybody was to be told no more than one message has room for: the first of
/// it says how many more there are.
fn ordered(mut notices: Vec<Notice>, are_past: bool) -> Vec<Notice> {
    notices.sort_by_key(|notice| (!notice.phase.is_open(), Reverse(notice.severity), notice.kind));
    if are_past {
        let more = notices.len().saturating_sub(NOTICES_MOST);
        notices.truncate(NOTICES_MOST);
        for notice in &mut notices {
            notice.details.insert(0, "It was so when alerts began: told once, with all else that was.".to_owned());
        }
        if let Some(first) = notices.first_mut().filter(|_| more > 0) {
            let more = counted(i64::try_from(more).unwrap_or(i64::MAX), "thing", "things");
            first
                .details
                .insert(0, format!("So were {more} more, which are not told: `portreeve alerts list` has all."));
        }
    }
    notices
}
