//! Whose turn it is among the messages of a channel: pure.
//!
//! Each recipient gets messages in their order. Where a channel has only one, or the messages have reached none of several yet, that
//! is the channel's order. A message that reached some holds up those alone whom it did not reach.

use std::collections::BTreeSet;

/// A message, as far as its turn depends on it.
#[derive(Debug)]
pub(super) struct Queued<'a> {
    /// It is time to try it.
    pub(super) is_due: bool,
    /// The receiver refused this very message.
    pub(super) refused: bool,
    /// Who needs no more tries.
    pub(super) reached: &'a [String],
}

/// What becomes of a message now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is sent, but not to those, who are still to get an earlier one.
    Now(Vec<String>),
    /// It waits, and others may pass.
    Later,
    /// It waits, and all behind it.
    Last,
}

/// A channel's messages, looked at from the oldest on.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    /// Who gets the channel's messages, where it has several receivers; empty where it has one.
    recipients: &'a [String],
    /// Who is still to get an earlier message.
    waiting: BTreeSet<&'a str>,
    /// What earlier messages tell that hold up nothing else, and who is still to get it; `None`: everybody.
    told: Vec<(BTreeSet<String>, Option<BTreeSet<&'a str>>)>,
}

impl<'a> Queue<'a> {
    pub(super) const fn new(recipients: &'a [String]) -> Self {
        Self { recipients, waiting: BTreeSet::new(), told: Vec::new() }
    }

    /// Looks at the next message; `keys` are of what it tells, asked only where that matters.
    pub(super) fn next<E>(
        &mut self,
        message: &Queued<'_>,
        keys: impl FnOnce() -> Result<BTreeSet<String>, E>,
    ) -> Result<Turn, E> {
        let pending: BTreeSet<&str> =
            self.recipients.iter().map(String::as_str).filter(|one| !has(message.reached, one)).collect();
        let is_partly = pending.len() < self.recipients.len();
        if !message.is_due && !message.refused && !is_partly {
            return Ok(Turn::Last);
        }
        let keys = if message.refused || !self.told.is_empty() { keys()? } else { BTreeSet::new() };
        let mut held = self.waiting.clone();
        let mut is_held = false;
        for (told, whom) in &self.told {
            if !told.is_disjoint(&keys) {
                // A beginning never comes after its end.
                match whom {
                    Some(whom) => held.extend(whom),
                    None => is_held = true,
                }
            }
        }
        let is_open = pending.is_empty() || !pending.is_subset(&held);
        if message.is_due && is_open && !is_held {
            return Ok(Turn::Now(pending.intersection(&held).map(|one| (*one).to_owned()).collect()));
        }
        if is_partly && !message.refused && !message.is_due {
            self.waiting.extend(pending);
        } else {
            self.told.push((keys, is_partly.then_some(pending)));
        }
        Ok(Turn::Later)
    }
}

fn has(list: &[String], one: &str) -> bool {
    list.iter().any(|known| known == one)
}
