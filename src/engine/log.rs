//! The log of one target: its observations, in an order that does not depend on which answer came first.

use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use std::net::IpAddr;

/// An observation that has no number yet.
pub(super) type Entry = Observation;

/// Puts observations in order, joins neighbouring ports that answered alike, and numbers them.
pub(super) fn settle(mut entries: Vec<Entry>, addresses: &[IpAddr]) -> Vec<Observation> {
    let place = |address: &IpAddr| addresses.iter().position(|known| known == address);
    entries.sort_by_key(|entry| (place(&entry.address), rank(entry.question), entry.question));
    let mut settled: Vec<Observation> = Vec::new();
    for entry in entries {
        match settled.last_mut() {
            Some(last) if joins(last, &entry) => join(last, &entry),
            _ => settled.push(entry),
        }
    }
    for (observation, number) in settled.iter_mut().zip(1..) {
        observation.id = ObservationId(number);
    }
    settled
}

/// Port states first, then what a witness proves of them, then what was asked of each port in turn.
fn rank(question: Question) -> (u8, Transport, u16) {
    match question {
        Question::Port { .. } => (0, question.transport(), 0),
        Question::Witness { .. } => (1, question.transport(), 0),
        _ => (2, question.transport(), question.port()),
    }
}

/// The ports of two questions of the same kind that may be asked of a range.
fn ranges(last: Question, next: Question) -> Option<(Ports, Ports)> {
    match (last, next) {
        (Question::Port { ports: known }, Question::Port { ports: new })
        | (Question::Witness { ports: known }, Question::Witness { ports: new }) => Some((known, new)),
        _ => None,
    }
}

/// Whether `next` says of the following port what `last` says.
fn joins(last: &Observation, next: &Observation) -> bool {
    let Some((known, new)) = ranges(last.question, next.question) else { return false };
    let alike = match (&last.attempt, &next.attempt) {
        // What an open port sent is its own evidence.
        (Attempt::Answered { fact: Fact::Port(known) }, Attempt::Answered { fact: Fact::Port(new) }) => known == new,
        (known, new) => known == new,
    };
    last.address == next.address
        && known.transport() == new.transport()
        && known.last().checked_add(1) == Some(new.first())
        && alike
}

fn join(last: &mut Observation, next: &Observation) {
    if let Some((known, new)) = ranges(last.question, next.question)
        && let Some(ports) = Ports::new(known.transport(), known.first(), new.last())
    {
        last.question = match last.question {
            Question::Witness { .. } => Question::Witness { ports },
            _ => Question::Port { ports },
        };
        last.started_ms = last.started_ms.min(next.started_ms);
        last.elapsed_ms = last.elapsed_ms.min(next.elapsed_ms);
        last.elapsed_max_ms = last.elapsed_max_ms.max(next.elapsed_max_ms);
        last.tries = last.tries.min(next.tries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{PortFact, PortReason, PortState};
    use proptest::prelude::*;

    fn entry(port: u16, open: bool, elapsed: u64) -> Entry {
        let (state, reason) = if open {
            (PortState::Open, PortReason::HandshakeCompleted)
        } else {
            (PortState::Filtered, PortReason::Silence)
        };
        Observation {
            id: ObservationId(0),
            address: IpAddr::from([203, 0, 113, 5]),
            question: Question::Port { ports: Ports::tcp(port).unwrap() },
            started_ms: 5,
            elapsed_ms: elapsed,
            elapsed_max_ms: elapsed,
            tries: 1,
            attempt: Attempt::Answered { fact: Fact::Port(PortFact { state, reason, sender: None }) },
        }
    }

    #[test]
    fn neighbours_that_answer_alike_become_one_range() {
        let settled =
            settle(vec![entry(82, false, 9), entry(80, false, 3), entry(81, false, 5), entry(83, true, 1)], &[]);
        let said: Vec<(String, u64, u64)> =
            settled.iter().map(|o| (o.question.to_string(), o.elapsed_ms, o.elapsed_max_ms)).collect();
        assert_eq!(said, [("state of tcp/80-82".into(), 3, 9), ("state of tcp/83".into(), 1, 1)]);
        assert_eq!(settled[1].id, ObservationId(2));
    }

    #[test]
    fn neighbours_join_whatever_tries_they_took() {
        let udp = |port, tries| {
            let question = Question::Port { ports: Ports::one(Transport::Udp, port).unwrap() };
            Observation { question, tries, ..entry(port, false, 1) }
        };
        let settled = settle(vec![udp(70, 4), udp(71, 2), udp(72, 3)], &[]);
        assert_eq!((settled.len(), settled[0].tries), (1, 2));
        let tcp = |port, tries| Observation { tries, ..entry(port, false, 1) };
        let settled = settle(vec![tcp(70, 4), tcp(71, 2)], &[]);
        assert_eq!((settled.len(), settled[0].tries), (1, 2), "the fewest count");
    }

    proptest! {
        #[test]
        fn joining_keeps_every_port_and_its_state(ports in proptest::collection::btree_map(1u16..60, any::<bool>(), 0..40)) {
            let entries = ports.iter().rev().map(|(port, open)| entry(*port, *open, 1)).collect();
            let mut kept = std::collections::BTreeMap::new();
            for observation in settle(entries, &[]) {
                let Question::Port { ports } = observation.question else { unreachable!() };
                let Some(Fact::Port(fact)) = observation.attempt.fact() else { unreachable!() };
                for port in ports.each() {
                    kept.insert(port, fact.state == PortState::Open);
                }
            }
            prop_assert_eq!(kept, ports);
        }
    }
}
