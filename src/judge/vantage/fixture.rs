//! Hosts made of a few words, for the tests of the rules.

use super::Seen;
use crate::model::address::is_inside;
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::observation::{Attempt, Observation, ObservationId, Skip};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun, Trouble};
use std::net::IpAddr;

/// One host of one address, or of several when joined.
#[derive(Clone, Debug, Default)]
pub(in crate::judge) struct Host {
    pub(in crate::judge) addresses: Vec<AddressRun>,
    pub(in crate::judge) observations: Vec<Observation>,
    pub(in crate::judge) troubles: Vec<Trouble>,
}

impl Host {
    /// `ports` are lines of ports and a state, where `rejected` and `undeliverable` may be followed by who sent it.
    pub(in crate::judge) fn new(address: &str, ports: &[&str]) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let observations: Vec<Observation> = ports.iter().map(|line| observation(address, line)).collect();
        let answered = observations.iter().any(|one| {
            matches!(one.attempt.fact(), Some(Fact::Port(fact)) if matches!(fact.state, PortState::Open | PortState::Closed))
        });
        let health =
            AddressHealth { answered, decoys_asked: 3, inside: is_inside(address), ..AddressHealth::default() };
        let run = AddressRun { address, vantage: None, health };
        Self { addresses: vec![run], observations, troubles: Vec::new() }
    }

    pub(in crate::judge) fn with_health(mut self, change: impl Fn(&mut AddressHealth)) -> Self {
        self.addresses.iter_mut().for_each(|run| change(&mut run.health));
        self
    }

    pub(in crate::judge) fn decoys_open(self) -> Self {
        self.with_health(|health| health.decoys_open = vec![20_001, 20_002])
    }

    pub(in crate::judge) fn and(mut self, other: Self) -> Self {
        self.addresses.extend(other.addresses);
        self.observations.extend(other.observations);
        self.troubles.extend(other.troubles);
        self
    }

    pub(in crate::judge) fn seen(&self) -> Seen<'_> {
        Seen { addresses: &self.addresses, observations: &self.observations, troubles: &self.troubles }
    }
}

fn observation(address: IpAddr, line: &str) -> Observation {
    let words: Vec<&str> = line.split(' ').collect();
    let plain = |state, reason| Some(PortFact { state, reason, sender: None });
    let sender = words.get(2).map(|sender| sender.parse().unwrap());
    let icmp = |code| PortReason::Icmp { v6: address.is_ipv6(), kind: if address.is_ipv6() { 1 } else { 3 }, code };
    let fact = match words[1] {
        "open" => plain(PortState::Open, PortReason::HandshakeCompleted),
        "closed" => plain(PortState::Closed, PortReason::Reset),
        "filtered" => plain(PortState::Filtered, PortReason::Silence),
        "unstable" => {
            plain(PortState::Unstable, PortReason::Disagreement { tries: vec![PortState::Open, PortState::Closed] })
        }
        "rejected" => {
            Some(PortFact { state: PortState::Rejected, reason: icmp(if address.is_ipv6() { 1 } else { 13 }), sender })
        }
        "undeliverable" => {
            Some(PortFact { state: PortState::Rejected, reason: icmp(if address.is_ipv6() { 3 } else { 1 }), sender })
        }
        _ => None,
    };
    let attempt = match fact {
        Some(fact) => Attempt::Answered { fact: Fact::Port(fact) },
        None => Attempt::Skipped { skip: Skip::StoppedAnswering },
    };
    Observation {
        id: ObservationId(1),
        address,
        question: Question::Port { ports: words[0].parse().unwrap() },
        started_ms: 0,
        elapsed_ms: 1,
        elapsed_max_ms: 1,
        tries: 3,
        attempt,
    }
}
