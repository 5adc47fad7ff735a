//! What a run saw of ports, which it keeps as ranges: whose bounds depend on their neighbours and mean nothing.

use super::seen::{lost, service};
use super::sight::{Sight, Value, Worth};
use crate::model::drift::Subject;
use crate::model::expected::{Direction, RulePorts};
use crate::model::fact::{Fact, PortFact, PortState};
use crate::model::observation::Observation;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, Run, TargetRun};
use crate::model::target::Target;
use crate::model::vantage::{Passage, Ways};
use crate::model::witness::{Proof, WitnessFact};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is told of ports in ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Port,
    Service,
    Proof,
}

impl Layer {
    pub(super) fn subject(self, address: IpAddr, ports: Ports) -> Subject {
        match self {
            Self::Port => Subject::Port { address, ports },
            Self::Service => Subject::Service { address, ports },
            Self::Proof => Subject::Proof { address, ports },
        }
    }
}

/// Of which ports something is told.
pub(super) type Place = (IpAddr, Transport, Layer);

/// What is told of the ports of each place, in order of the ports.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<Place, Vec<(Ports, Sight)>>);

impl Ranges {
    pub(super) fn of(run: &Run, target: &TargetRun) -> Self {
        let mut ranges: BTreeMap<Place, Vec<(Ports, Sight)>> = BTreeMap::new();
        let spoke = spoke(target);
        for observation in &target.observations {
            let address = observation.address;
            match observation.question {
                Question::Port { ports } => {
                    let health = target.addresses.iter().find(|known| known.address == address);
                    let view = View {
                        target: &target.target,
                        health: health.map(|known| &known.health),
                        ways: &run.vantage.ways,
                        spoke: &spoke,
                    };
                    let place = (address, ports.transport(), Layer::Port);
                    ranges.entry(place).or_default().extend(view.port(observation, ports));
                }
                Question::Service { ports } => {
                    let sight = match observation.attempt.fact() {
                        Some(Fact::Service { service: speaks, .. }) => service(speaks),
                        _ => Sight::Lost(lost(&observation.attempt)),
                    };
                    ranges.entry((address, ports.transport(), Layer::Service)).or_default().push((ports, sight));
                }
                Question::Witness { ports } => {
                    let place = (address, ports.transport(), Layer::Proof);
                    ranges.entry(place).or_default().push((ports, proof(observation)));
                }
                _ => {}
            }
        }
        for told in ranges.values_mut() {
            told.sort_by_key(|(ports, _)| (ports.first(), ports.last()));
        }
        Self(ranges)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.0.keys().copied()
    }

    /// What is told of one port.
    pub(super) fn get(&self, place: Place, port: u16) -> Option<&Sight> {
        let told = self.0.get(&place)?;
        let after = told.partition_point(|(ports, _)| ports.first() <= port);
        let (ports, sight) = told.get(after.checked_sub(1)?)?;
        ports.contains(place.1, port).then_some(sight)
    }

    /// The first port of each range, and the one after each.
    pub(super) fn bounds(&self, place: Place, into: &mut BTreeSet<u16>) {
        for (ports, _) in self.0.get(&place).into_iter().flatten() {
            into.insert(ports.first());
            into.extend(ports.last().checked_add(1));
        }
    }
}

/// The parts of all ports of a place of each of which every run says one thing.
pub(super) fn parts(runs: &[Option<&Ranges>], places: &[Option<Place>], declared: &BTreeSet<u16>) -> Vec<Ports> {
    let mut bounds = BTreeSet::new();
    for (ranges, place) in runs.iter().zip(places) {
        if let (Some(ranges), Some(place)) = (ranges, place) {
            ranges.bounds(*place, &mut bounds);
        }
    }
    let Some(transport) = places.iter().flatten().map(|place| place.1).next() else { return Vec::new() };
    let (Some(first), Some(last)) = (bounds.first().copied(), bounds.last().copied()) else { return Vec::new() };
    bounds.extend(declared.iter().copied().filter(|port| (first..=last).contains(port)));
    let firsts: Vec<u16> = bounds.into_iter().collect();
    let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    firsts.iter().zip(lasts).filter_map(|(first, last)| Ports::new(transport, *first, last)).collect()
}

/// Where what the inventory expects of ports begins and ends.
pub(super) fn declared(target: &Target, into: &mut BTreeSet<u16>) {
    let ruled = target.rules.iter().filter_map(|rule| match rule.ports {
        RulePorts::These(ports) => Some(ports),
        RulePorts::Rest => None,
    });
    for ports in target.expected.iter().copied().chain(ruled) {
        into.insert(ports.first());
        into.extend(ports.last().checked_add(1));
    }
}

/// Whether the inventory says that a port is to be open.
pub(super) fn is_wanted(target: &Target, address: IpAddr, transport: Transport, port: u16) -> bool {
    target.expected.iter().any(|ports| ports.contains(transport, port))
        || target.rules.iter().any(|rule| rule.direction == Direction::Allow && rule.covers(address, transport, port))
}

/// The ports on which something spoke that only a listener says.
fn spoke(target: &TargetRun) -> BTreeSet<(IpAddr, u16)> {
    let mut ports = BTreeSet::new();
    for observation in &target.observations {
        if let (Question::Service { ports: range }, Some(Fact::Service { service, .. })) =
            (observation.question, observation.attempt.fact())
            && service.is_protocol_answer()
        {
            ports.extend(range.each().map(|port| (observation.address, port)));
        }
    }
    ports
}

/// What decides how far the state of a port is to be believed.
struct View<'a> {
    target: &'a Target,
    health: Option<&'a AddressHealth>,
    ways: &'a Ways,
    spoke: &'a BTreeSet<(IpAddr, u16)>,
}

impl View<'_> {
    /// The parts of a range with what is to be said of each.
    fn port(&self, observation: &Observation, ports: Ports) -> Vec<(Ports, Sight)> {
        let Some(Fact::Port(fact)) = observation.attempt.fact() else {
            return vec![(ports, Sight::Lost(lost(&observation.attempt)))];
        };
        let address = observation.address;
        let mut firsts = BTreeSet::new();
        for part in self.ways.apart(address, ports) {
            firsts.insert(part.first());
        }
        declared(self.target, &mut firsts);
        if fact.state == PortState::Open && self.health.is_some_and(AddressHealth::handshakes_untrusted) {
            for (_, port) in self.spoke.iter().filter(|(at, _)| *at == address) {
                firsts.insert(*port);
                firsts.extend(port.checked_add(1));
            }
        }
        firsts.insert(ports.first());
        let firsts: Vec<u16> = firsts.into_iter().filter(|first| ports.contains(ports.transport(), *first)).collect();
        let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([ports.last()]);
        let parts = firsts.iter().zip(lasts).filter_map(|(first, last)| Ports::new(ports.transport(), *first, last));
        parts.map(|part| (part, self.state(address, part, fact))).collect()
    }

    fn state(&self, address: IpAddr, ports: Ports, fact: &PortFact) -> Sight {
        let (transport, first) = (ports.transport(), ports.first());
        let wanted = is_wanted(self.target, address, transport, first);
        let level = |words: &str, open: bool| Sight::level(words, usize::from(open != wanted));
        let way = (transport == Transport::Tcp).then(|| self.ways.to(address, first)).flatten();
        let passage = way.map(|way| way.passage);
        let Some(health) = self.health else { return Sight::lost("what the address answered is not recorded") };
        if fact.state != PortState::Open && passage == Some(Passage::Blocked) {
            return Sight::lost("the port is blocked on the way out of the scanning machine's network");
        }
        let refused_on_the_way =
            "something on the way out of the scanning machine's network may refuse in the server's place";
        match fact.state {
            PortState::Open if transport == Transport::Udp => level("open", true),
            PortState::Open if health.handshakes_untrusted() => {
                if !health.decoys_speak && self.spoke.contains(&(address, first)) {
                    level("open", true)
                } else {
                    Sight::lost("something completes handshakes on every port, in the server's place or before it")
                }
            }
            PortState::Open => level("open", true),
            PortState::Closed if passage == Some(Passage::Refused) => Sight::lost(refused_on_the_way),
            PortState::Closed => level("closed", false),
            PortState::Rejected if fact.is_undeliverable() => Sight::lost("it could not be delivered"),
            PortState::Rejected if matches!(passage, Some(Passage::Refused | Passage::ProbablyBlocked)) => {
                Sight::lost(refused_on_the_way)
            }
            PortState::Rejected => level("rejected", false),
            PortState::Filtered if !health.answered => Sight::lost("nothing at this address answered"),
            PortState::Filtered if health.silence_untrusted() => {
                Sight::lost("the address had stopped answering, so its silence says nothing")
            }
            PortState::Filtered if passage == Some(Passage::ProbablyBlocked) => {
                Sight::lost("the port is probably blocked on the way out of the scanning machine's network")
            }
            PortState::Filtered => level("filtered", false),
            PortState::OpenOrFiltered => Sight::lost("silence over UDP decides nothing"),
            PortState::Unstable => Sight::lost("the tries disagree"),
        }
    }
}

fn proof(observation: &Observation) -> Sight {
    match observation.attempt.fact() {
        Some(Fact::Witness(WitnessFact { proof: Proof::NotHeld { because }, .. })) => Sight::lost(because.to_string()),
        Some(Fact::Witness(WitnessFact { proof, .. })) => Sight::Seen(Value::new(proof.words(), Worth::Unknown)),
        _ => Sight::Lost(lost(&observation.attempt)),
    }
}

/// Services that give a whole machine or its data to whoever gets past the sign-in, by how their words begin.
const GRAVE: [&str; 5] = ["Remote Desktop", "SMB", "MySQL", "NetBIOS", "MSRPC"];

/// Whether an open port with such a service is to be looked at before others.
pub(super) fn is_grave(words: &str) -> bool {
    GRAVE.iter().any(|grave| words.starts_with(grave))
}
