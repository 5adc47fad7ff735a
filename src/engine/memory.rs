//! What is told as soon as it is known, and what an interrupted run had learned already, so that it is not asked again.
//!
//! Only answers are kept. The states of an address's ports are one question here: silence and refusals are worth what ports
//! that are known to answer say after them, so none is final before all are, and only then are they told.

use super::log::{Entry, settle};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Observation};
use crate::model::ports::Transport;
use crate::model::question::Question;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::IpAddr;

/// Is told what is learned.
pub trait Keep: Debug + Send + Sync {
    /// An answer of the target at this place of the list that was given. It will not change during the run. Not to block:
    /// asking waits for it.
    fn learned(&self, target: usize, observation: &Observation);
}

/// How many refused ports stand for all, where no port is open.
const CLOSED_ANCHORS: usize = 3;

/// How many open ports are asked again.
const OPEN_ANCHORS: usize = 16;

/// The answers of an earlier run about one address.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// States of ports, by the first port of each range.
    ports: BTreeMap<(Transport, u16), Observation>,
    /// Everything else.
    answers: BTreeMap<Question, Observation>,
}

impl Memory {
    /// What `known` says of `address`. What a witness proves is not remembered: it is worth something only whole.
    pub(super) fn of(known: &[Observation], address: IpAddr) -> Self {
        let mut memory = Self::default();
        let answered = |one: &&Observation| matches!(one.attempt, Attempt::Answered { .. });
        for one in known.iter().filter(|one| one.address == address).filter(answered) {
            match one.question {
                Question::Port { ports } => {
                    memory.ports.insert((ports.transport(), ports.first()), one.clone());
                }
                Question::Witness { .. } => {}
                question => {
                    memory.answers.insert(question, one.clone());
                }
            }
        }
        memory
    }

    /// The answer to a question that is not about a port's state.
    pub(super) fn answer(&self, question: Question) -> Option<&Observation> {
        self.answers.get(&question)
    }

    /// The answers to all these questions; none where one is missing.
    pub(super) fn all(&self, questions: impl IntoIterator<Item = Question>) -> Option<Vec<Entry>> {
        questions.into_iter().map(|question| self.answer(question).cloned()).collect()
    }

    /// What is known of those of `ports` of which anything is, each by itself.
    pub(super) fn states(&self, transport: Transport, ports: &[u16]) -> Vec<Entry> {
        let state = |port: &u16| {
            let (_, range) = self.ports.range(..=(transport, *port)).next_back()?;
            let Question::Port { ports } = range.question else { return None };
            let one = ports.transport() == transport && ports.first() <= *port && *port <= ports.last();
            one.then(|| Observation { question: super::address::port_question(transport, *port), ..range.clone() })
        };
        ports.iter().filter_map(state).collect()
    }
}

/// Which ports of an earlier run are asked again, so that there are some that answer, and it is known that they answer as they
/// did: open ones, or else a few that were refused.
pub(super) fn anchors(known: &[Entry]) -> BTreeSet<u16> {
    let of = |wanted: PortState, most: usize| -> BTreeSet<u16> {
        let same = known.iter().filter(|entry| super::address::state(entry) == Some(wanted));
        same.map(|entry| entry.question.port()).take(most).collect()
    };
    let open = of(PortState::Open, OPEN_ANCHORS);
    if open.is_empty() { of(PortState::Closed, CLOSED_ANCHORS) } else { open }
}

/// Whether every port of `known` that was asked again says the same.
pub(super) fn agree(known: &[Entry], again: &[Entry]) -> bool {
    let now: BTreeMap<u16, Option<PortState>> =
        again.iter().map(|entry| (entry.question.port(), super::address::state(entry))).collect();
    known.iter().all(|entry| now.get(&entry.question.port()).is_none_or(|state| *state == super::address::state(entry)))
}

/// Tells the answers among `entries`, neighbouring ports joined.
pub(super) fn tell(keep: Option<&dyn Keep>, target: usize, entries: &[Entry]) {
    let Some(keep) = keep else { return };
    let answered = entries.iter().filter(|entry| matches!(entry.attempt, Attempt::Answered { .. }));
    for observation in settle(answered.cloned().collect(), &[]) {
        keep.learned(target, &observation);
    }
}

/// The same for port states, which are told only where something answers: without that, silence says nothing.
pub(super) fn tell_states(keep: Option<&dyn Keep>, target: usize, transport: Transport, entries: &[Entry]) {
    let is_state =
        |entry: &&Entry| entry.question.transport() == transport && matches!(entry.attempt.fact(), Some(Fact::Port(_)));
    if keep.is_some() {
        tell(keep, target, &entries.iter().filter(is_state).cloned().collect::<Vec<Entry>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{PortFact, PortReason};
    use crate::model::observation::{ObservationId, Skip};
    use crate::model::ports::Ports;
    use std::sync::Mutex;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5));

    fn entry(ports: Ports, state: PortState) -> Entry {
        let reason = if state == PortState::Open { PortReason::HandshakeCompleted } else { PortReason::Silence };
        Observation {
            id: ObservationId(0),
            address: HERE,
            question: Question::Port { ports },
            started_ms: 5,
            elapsed_ms: 6,
            elapsed_max_ms: 6,
            tries: 1,
            attempt: Attempt::Answered { fact: Fact::Port(PortFact { state, reason, sender: None }) },
        }
    }

    fn range(first: u16, last: u16) -> Ports {
        Ports::new(Transport::Tcp, first, last).unwrap()
    }

    #[test]
    fn a_range_is_remembered_port_by_port() {
        let known = [entry(range(70, 74), PortState::Filtered), entry(range(443, 443), PortState::Open)];
        let memory = Memory::of(&known, HERE);
        let states = memory.states(Transport::Tcp, &[69, 70, 74, 75, 443, 444]);
        let said: Vec<(u16, Option<PortState>)> =
            states.iter().map(|entry| (entry.question.port(), super::super::address::state(entry))).collect();
        assert_eq!(
            said,
            [(70, Some(PortState::Filtered)), (74, Some(PortState::Filtered)), (443, Some(PortState::Open))]
        );
        assert!(memory.states(Transport::Udp, &[70, 443]).is_empty());
        let elsewhere = IpAddr::from([203, 0, 113, 6]);
        assert!(Memory::of(&known, elsewhere).states(Transport::Tcp, &[70]).is_empty());
    }

    #[test]
    fn what_was_skipped_or_failed_is_asked_again() {
        let skipped = Observation {
            attempt: Attempt::Skipped { skip: Skip::Interrupted },
            ..entry(range(80, 80), PortState::Open)
        };
        let memory = Memory::of(&[skipped], HERE);
        assert!(memory.states(Transport::Tcp, &[80]).is_empty());
    }

    #[test]
    fn open_ports_vouch_for_the_rest_and_refused_ones_where_there_are_none() {
        let open = [entry(range(70, 70), PortState::Closed), entry(range(443, 443), PortState::Open)];
        assert_eq!(anchors(&open), BTreeSet::from([443]));
        let closed: Vec<Entry> = (70..80).map(|port| entry(range(port, port), PortState::Closed)).collect();
        assert_eq!(anchors(&closed).len(), CLOSED_ANCHORS);
        assert!(anchors(&[entry(range(70, 70), PortState::Filtered)]).is_empty());
        assert!(agree(&open, &[entry(range(443, 443), PortState::Open)]));
        assert!(!agree(&open, &[entry(range(443, 443), PortState::Filtered)]));
    }

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Keep for Kept {
        fn learned(&self, target: usize, observation: &Observation) {
            self.0.lock().unwrap().push(format!("{target}: {}", observation.question));
        }
    }

    #[test]
    fn answers_are_told_joined_and_nothing_else_is() {
        let kept = Kept::default();
        let skipped = Observation {
            attempt: Attempt::Skipped { skip: Skip::Interrupted },
            ..entry(range(82, 82), PortState::Open)
        };
        let entries = [entry(range(81, 81), PortState::Filtered), entry(range(80, 80), PortState::Filtered), skipped];
        tell_states(Some(&kept), 3, Transport::Tcp, &entries);
        assert_eq!(*kept.0.lock().unwrap(), ["3: state of tcp/80-81"]);
    }
}
