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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|one| (*one).to_owned()).collect()
    }

    /// What becomes of messages, each with whether it is due, was refused, whom it reached and what it tells.
    fn turns(recipients: &[&str], messages: &[(bool, bool, &[&str], &str)]) -> Vec<Turn> {
        let recipients = names(recipients);
        let mut queue = Queue::new(&recipients);
        let mut turns = Vec::new();
        for (is_due, refused, reached, keys) in messages {
            let reached = names(reached);
            let keys = || Ok::<_, Infallible>(keys.chars().map(String::from).collect());
            let queued = Queued { is_due: *is_due, refused: *refused, reached: &reached };
            turns.push(queue.next(&queued, keys).unwrap());
        }
        turns
    }

    fn now(held: &[&str]) -> Turn {
        Turn::Now(names(held))
    }

    #[test]
    fn what_reached_some_holds_up_those_alone_whom_it_did_not_reach() {
        let messages: [(bool, bool, &[&str], &str); 4] = [
            (false, false, &["a", "b"], "x"),
            (true, false, &[], "y"),
            (true, false, &["a"], "y"),
            (true, false, &["a", "b"], "y"),
        ];
        assert_eq!(turns(&["a", "b", "c"], &messages), [Turn::Later, now(&["c"]), now(&["c"]), Turn::Later]);
    }

    #[test]
    fn what_reached_nobody_holds_up_all() {
        for recipients in [&["a", "b"][..], &[]] {
            let messages: [(bool, bool, &[&str], &str); 1] = [(false, false, &[], "x")];
            assert_eq!(turns(recipients, &messages), [Turn::Last]);
        }
        // Whom it reached is asked no more, and the one who is left is alone.
        let messages: [(bool, bool, &[&str], &str); 2] = [(false, false, &["gone"], "x"), (true, false, &[], "y")];
        assert_eq!(turns(&["a"], &messages[..1]), [Turn::Last]);
    }

    #[test]
    fn what_one_refused_holds_up_for_that_one_what_tells_of_the_same() {
        let messages: [(bool, bool, &[&str], &str); 5] = [
            (false, true, &["a"], "xy"),
            (true, false, &[], "z"),
            (true, false, &[], "y"),
            (true, false, &["a"], "yv"),
            (true, false, &["a"], "v"),
        ];
        assert_eq!(turns(&["a", "b"], &messages), [Turn::Later, now(&[]), now(&["b"]), Turn::Later, Turn::Later]);
    }

    #[test]
    fn who_is_no_recipient_any_more_holds_up_nothing() {
        let messages: [(bool, bool, &[&str], &str); 2] = [(false, false, &["a"], "x"), (true, false, &[], "y")];
        assert_eq!(turns(&["a"], &messages), [Turn::Later, now(&[])]);
    }

    proptest! {
        /// Mailboxes that are full at times, and messages that are due at times.
        #[test]
        fn each_recipient_gets_each_message_once_and_in_their_order(
            full in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 3), 0..40),
            due in proptest::collection::vec(any::<bool>(), 0..200),
        ) {
            let recipients = names(&["a", "b", "c"]);
            let mut waiting: Vec<(usize, Vec<String>)> = (0..5).map(|number| (number, Vec::new())).collect();
            let mut got: Vec<Vec<usize>> = vec![Vec::new(); 3];
            // At last there is room, and all is due.
            let rounds = full.into_iter().map(Some).chain(std::iter::repeat_n(None, 40));
            let mut due = due.into_iter();
            for full in rounds {
                let mut queue = Queue::new(&recipients);
                let mut chosen = None;
                for (place, (_, reached)) in waiting.iter().enumerate() {
                    let is_due = full.is_none() || due.next().unwrap_or(true);
                    let queued = Queued { is_due, refused: false, reached };
                    match queue.next(&queued, || Ok::<_, Infallible>(BTreeSet::new())).unwrap() {
                        Turn::Now(held) => chosen = Some((place, held)),
                        Turn::Later => continue,
                        Turn::Last => {}
                    }
                    break;
                }
                let Some((place, held)) = chosen else { continue };
                let (number, reached) = &mut waiting[place];
                for (at, whom) in recipients.iter().enumerate() {
                    let has_room = full.as_ref().is_none_or(|full| !full[at]);
                    if has_room && !held.contains(whom) && !reached.contains(whom) {
                        reached.push(whom.clone());
                        got[at].push(*number);
                    }
                }
                if reached.len() == recipients.len() {
                    waiting.remove(place);
                }
            }
            prop_assert_eq!(got, vec![vec![0, 1, 2, 3, 4]; 3]);
        }
    }
}
