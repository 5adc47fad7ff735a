//! The log of one target: its observations, in an order that does not depend on which answer came first.

use crate::model::fact::Fact;
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use std::collections::BTreeMap;
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
        | (Question::Service { ports: known }, Question::Service { ports: new })
        | (Question::Witness { ports: known }, Question::Witness { ports: new }) => Some((known, new)),
        _ => None,
    }
}

/// Answers to one kind of question about one address, in which neighbouring ports that say word for word the same are one
/// entry from the start: where something answers for every port, tens of thousands are never kept one by one.
#[derive(Default)]
pub(super) struct Joined(BTreeMap<u16, Entry>);

impl Joined {
    /// Adds what was said of a port that has no entry yet.
    pub(super) fn with(mut self, entry: Entry) -> Self {
        let after = self.0.range(entry.question.port()..).next().filter(|(_, after)| continues(&entry, after));
        let after = after.map(|(first, _)| *first).and_then(|first| self.0.remove(&first));
        let mut entry = entry;
        if let Some(after) = after {
            join(&mut entry, &after);
        }
        match self.0.range_mut(..entry.question.port()).next_back() {
            Some((_, before)) if continues(before, &entry) => join(before, &entry),
            _ => _ = self.0.insert(entry.question.port(), entry),
        }
        self
    }

    /// The entries, in the order of their ports.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.0.into_values()
    }
}

/// Whether `next` says of the following port what `last` says. A service that is known stands for itself: it is what the items
/// are about.
fn joins(last: &Observation, next: &Observation) -> bool {
    let known = matches!(last.attempt.fact(), Some(Fact::Service { service, .. }) if service.is_known());
    !known && continues(last, next)
}

/// The same, whatever it is.
fn continues(last: &Observation, next: &Observation) -> bool {
    let Some((known, new)) = ranges(last.question, next.question) else { return false };
    last.address == next.address
        && known.transport() == new.transport()
        && known.last().checked_add(1) == Some(new.first())
        && last.attempt == next.attempt
}

fn join(last: &mut Observation, next: &Observation) {
    if let Some((known, new)) = ranges(last.question, next.question)
        && let Some(ports) = Ports::new(known.transport(), known.first(), new.last())
    {
        last.question = match last.question {
            Question::Witness { .. } => Question::Witness { ports },
            Question::Service { .. } => Question::Service { ports },
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
    use crate::model::observation::{Attempt, Blame, Cause, Failure, Stage};
    use crate::model::peer_text::PeerText;
    use crate::model::service::Service;
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

    fn service(port: u16, service: Service) -> Entry {
        let fact = Fact::Service { service, tls: None };
        Observation { question: Question::service(port), attempt: Attempt::Answered { fact }, ..entry(port, true, 1) }
    }

    fn said(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|entry| entry.question.to_string()).collect()
    }

    #[test]
    fn ports_that_say_nothing_are_one_range_and_a_known_service_stands_for_itself() {
        let unknown = || Service::Unknown { first_bytes: PeerText::new("?", 9) };
        let failed = |port| {
            let cause = Cause::TimedOut { allowed_ms: 5 };
            let failure = Failure { stage: Stage::Connect, blame: Blame::Path, cause };
            Observation { attempt: Attempt::Failed { failure }, ..service(port, Service::Silent) }
        };
        let entries = vec![
            service(1, Service::Silent),
            service(2, Service::Silent),
            service(3, unknown()),
            service(4, unknown()),
            failed(5),
            failed(6),
            service(7, Service::MySqlX),
            service(8, Service::MySqlX),
            service(10, Service::Silent),
            service(12, Service::Silent),
        ];
        let settled = said(&settle(entries, &[]));
        let expected = ["1-2", "3-4", "5-6", "7", "8", "10", "12"].map(|ports| format!("service on tcp/{ports}"));
        assert_eq!(settled, expected);
    }

    #[test]
    fn where_every_port_says_the_same_few_entries_are_kept_at_any_time() {
        let mut ports: Vec<u16> = (1..=u16::MAX).collect();
        // As they come from hundreds that are asked at once.
        ports.chunks_mut(256).for_each(fastrand::shuffle);
        let mut joined = Joined::default();
        for port in ports {
            joined = joined.with(service(port, if port == 443 { Service::Http } else { Service::Silent }));
            assert!(joined.0.len() <= 131, "{}", joined.0.len());
        }
        let kept: Vec<Entry> = joined.into_entries().collect();
        assert_eq!(said(&kept), ["1-442", "443", "444-65535"].map(|ports| format!("service on tcp/{ports}")));
        assert_eq!(said(&settle(kept, &[])).len(), 3);
    }

    proptest! {
        #[test]
        fn what_is_joined_as_it_comes_is_what_is_joined_at_the_end(
            ports in proptest::collection::btree_map(1u16..60, any::<bool>(), 0..40), seed: u64,
        ) {
            let of = |(port, silent): (&u16, &bool)| {
                service(*port, if *silent { Service::Silent } else { Service::Unknown { first_bytes: PeerText::new("?", 9) } })
            };
            let mut entries: Vec<Entry> = ports.iter().map(of).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut entries);
            let joined = entries.iter().cloned().fold(Joined::default(), Joined::with);
            let joined = settle(joined.into_entries().collect(), &[]);
            prop_assert_eq!(joined, settle(entries, &[]));
        }

        #[test]
        fn joining_keeps_every_port_and_its_state(ports in proptest::collection::btree_map(1u16..60, any::<bool>(), 0..40)) {
            let entries = ports.iter().rev().map(|(port, open)| entry(*port, *open, 1)).collect();
            let mut kept = BTreeMap::new();
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
