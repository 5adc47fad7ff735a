//! Expected rules: what the inventory wants reachable and what it does not, judged as the guides' ports are.

use super::{
    Group, Naming, Sorted, Terms, known_proof, not_open, not_reachable, open_as_wanted, open_but_unwanted, proof, sort,
    told, unknown_part, why_unknown,
};
use crate::judge::part::Part;
use crate::judge::view::{AddressView, View};
use crate::model::expected::{Direction, ExpectedRule, RuleAddress, RulePorts, decides, rest};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::ObservationId;
use crate::model::ports::{Ports, Transport};
use crate::model::target::Host;
use std::collections::BTreeMap;

/// How many ranges of ports a sentence names.
const RANGES_TOLD: usize = 40;

/// How many observations the sum of alike ports names; a sweep of a target that answers now so, now so, has thousands.
const IDS_TOLD: usize = 100;

/// How many kinds of answers of one address to a rule about all its ports are told apart.
const KINDS_TOLD: usize = 200;

/// Stands for the names of ports where sentences are compared.
const THESE: &str = "these";

/// What an expected rule comes to.
pub(in crate::judge) fn declared(view: &View<'_>, rule: &ExpectedRule) -> Vec<Part> {
    if view.addresses.is_empty() {
        return vec![Part::no_address()];
    }
    let addresses: Vec<&AddressView<'_>> =
        view.addresses.iter().filter(|address| rule.address.is_about(address.address)).collect();
    if addresses.is_empty() {
        return vec![not_among(view, rule)];
    }
    let mine = |address: &AddressView<'_>, transport, port| is_mine(view, rule, address, transport, port);
    let parts: Vec<Part> = match (rule.direction, rule.ports) {
        (_, RulePorts::Rest) => addresses.iter().flat_map(|address| rest_at(view, address, rule)).collect(),
        (Direction::Deny, RulePorts::These(ports)) => {
            let transport = ports.transport();
            let at = |address: &&AddressView<'_>| {
                denied_at(view, address, transport, ports.each().filter(|port| mine(address, transport, *port)))
            };
            addresses.iter().flat_map(at).collect()
        }
        (Direction::Allow, RulePorts::These(ports)) => {
            let transport = ports.transport();
            let at = |address: &&AddressView<'_>, ports: Ports| {
                allowed_at(view, address, transport, ports.each().filter(|port| mine(address, transport, *port)))
            };
            if rule.address == RuleAddress::Any {
                let one = |port: u16| Ports::one(transport, port).into_iter();
                let each = ports
                    .each()
                    .flat_map(one)
                    .map(|port| addresses.iter().flat_map(|address| at(address, port)).collect());
                each.flat_map(Part::one_is_enough).collect()
            } else {
                addresses.iter().flat_map(|address| at(address, ports)).collect()
            }
        }
    };
    let decides_anything = addresses.iter().any(|address| match rule.ports {
        RulePorts::These(ports) => ports.each().any(|port| mine(address, ports.transport(), port)),
        RulePorts::Rest => true,
    });
    if parts.is_empty() && !decides_anything {
        return vec![Part::not_applicable("what this target says itself of these ports goes before this default")];
    }
    parts
}

fn is_mine(view: &View<'_>, rule: &ExpectedRule, address: &AddressView<'_>, transport: Transport, port: u16) -> bool {
    let target = view.target();
    decides(rule, &target.rules, &target.expected, (address.address, transport, port))
}

/// A rule about addresses of which none was asked.
fn not_among(view: &View<'_>, rule: &ExpectedRule) -> Part {
    let asked: Vec<String> = view.addresses.iter().map(|address| address.address.to_string()).collect();
    if let Host::Address(host) = view.target().host {
        return Part::not_applicable(&format!("the host is the address {host}, and has no other"));
    }
    let settle = match rule.address {
        RuleAddress::One(address) => format!(
            "If the name no longer leads to {address}, mend the rule or DNS; a server of another name is a target of its own."
        ),
        _ => "Scan without --ipv4 and --ipv6; if the name has no such address, take the rule out.".to_owned(),
    };
    Part::inconclusive("no such address of the name was asked")
        .settle(&settle)
        .seen(format!("asked: {}", asked.join(", ")))
}

/// Groups, with the open TCP ports each by itself: each must be believed, and each has its own service.
fn open_apart(groups: Vec<Group<'_>>) -> impl Iterator<Item = Group<'_>> {
    groups.into_iter().flat_map(|group| {
        let apart = group.fact.state == PortState::Open && group.transport == Transport::Tcp;
        let firsts = if apart { group.first..=group.last } else { group.first..=group.first };
        firsts.map(move |first| Group {
            transport: group.transport,
            first,
            last: if apart { first } else { group.last },
            fact: group.fact,
            proof: group.proof,
            unproved: group.unproved,
            tries: group.tries,
            ids: group.ids.clone(),
        })
    })
}

fn allowed_at(
    view: &View<'_>,
    address: &AddressView<'_>,
    transport: Transport,
    ports: impl Iterator<Item = u16>,
) -> Vec<Part> {
    let sorted = sort(view, address, transport, ports, false);
    let mut parts: Vec<Part> = unknown_part(view, transport, &sorted.unknown, Naming::Asked).into_iter().collect();
    parts.extend(open_apart(sorted.groups).map(|group| {
        let by_proof = proof::wanted(address, &group, None);
        told(view, address, &group, Naming::Asked, by_proof, |group| match group.fact.state {
            PortState::Open => on_service(open_as_wanted(address, group, None), address, group),
            _ => not_reachable(address, group),
        })
    }));
    parts
}

fn denied_at(
    view: &View<'_>,
    address: &AddressView<'_>,
    transport: Transport,
    ports: impl Iterator<Item = u16>,
) -> Vec<Part> {
    let sorted = sort(view, address, transport, ports, false);
    let mut parts: Vec<Part> = unknown_part(view, transport, &sorted.unknown, Naming::Asked).into_iter().collect();
    let groups: Vec<Group<'_>> = open_apart(sorted.groups).collect();
    if groups.len() > RANGES_TOLD {
        parts.extend(summed(view, address, groups.into_iter()));
    } else {
        parts.extend(groups.iter().map(|group| denied(view, address, group)));
    }
    parts
}

/// What is denied: by the witness's proof where there is one, else by the ports' ordinary state.
fn denied(view: &View<'_>, address: &AddressView<'_>, group: &Group<'_>) -> Part {
    let by_proof = proof::unwanted(view, address, group, &Terms::default());
    told(view, address, group, Naming::Asked, by_proof, |group| denied_by_state(view, address, group))
}

fn denied_by_state(view: &View<'_>, address: &AddressView<'_>, group: &Group<'_>) -> Part {
    match group.fact.state {
        PortState::Open => on_service(open_but_unwanted(view, address, group, &Terms::default()), address, group),
        _ => not_open(address, group),
    }
}

/// What speaks on the port is part of what a verdict on an open port rests on.
fn on_service(part: Part, address: &AddressView<'_>, group: &Group<'_>) -> Part {
    part.on((group.transport == Transport::Tcp).then(|| address.service_id(group.first)).flatten())
}

/// "Everything else": the TCP ports that were asked and that no other rule decides. Those that were not asked may be open, so
/// only a sweep can end in a pass. Works by ranges, for there are 65,535 of them.
fn rest_at(view: &View<'_>, address: &AddressView<'_>, rule: &ExpectedRule) -> Vec<Part> {
    let target = view.target();
    let meant = rest(rule, &target.rules, &target.expected, address.address);
    if meant.is_empty() {
        let why = "every TCP port is named by a rule that goes before it, or expected to be open";
        return vec![Part::not_applicable(why)];
    }
    let sorted = sort_rest(address, &meant);
    let asked: usize = sorted.groups.iter().map(|group| group.each().count()).sum::<usize>() + sorted.unknown.len();
    let mut parts: Vec<Part> = unknown_part(view, Transport::Tcp, &sorted.unknown, Naming::Asked).into_iter().collect();
    let none_open = parts.is_empty() && sorted.groups.iter().all(|group| group.fact.state != PortState::Open);
    parts.extend(summed(view, address, open_apart(sorted.groups)));
    let meant: usize = meant.iter().map(|ports| ports.count()).sum();
    if asked == meant {
        let why = "every other TCP port was asked, and none is open; UDP is no part of this rule";
        parts.extend(none_open.then(|| Part::pass(why)));
    } else {
        let seen = format!("{asked} of {meant} other TCP ports were asked at {}", address.address);
        parts.push(
            Part::inconclusive("the other TCP ports that were not asked may be open")
                .settle("Sweep all TCP ports with --sweep.")
                .seen(seen),
        );
    }
    parts
}

/// What denied ports come to: those that answered alike, and of which a witness proved the same, in one sum. However many
/// ports and kinds of answers there are, what is told of them stays within bounds.
fn summed<'a>(view: &View<'_>, address: &AddressView<'a>, groups: impl Iterator<Item = Group<'a>>) -> Vec<Part> {
    let mut alike: BTreeMap<(String, Option<String>, String), Alike<'_>> = BTreeMap::new();
    for group in groups {
        let by_proof = proof::unwanted(view, address, &group, &Terms::default());
        let part = by_proof.unwrap_or_else(|| proof::beside(&group, denied_by_state(view, address, &group)));
        // What a middlebox says at every port, now so, now so, is told of the first kinds only.
        let (state, proved) = if alike.len() < KINDS_TOLD {
            (group.describe_state(address, Naming::Asked), group.describe_proof(THESE, address))
        } else {
            (format!("{} at {}, in many ways", group.fact.state, address.address), None)
        };
        let key = (state, proved, part.reason().to_owned());
        match alike.get_mut(&key) {
            Some(alike) => alike.add(&part, &group),
            None => drop(alike.insert(key, Alike::new(&part, &group))),
        }
    }
    // However many kinds there are, every one has something that it rests on.
    let ids = (IDS_TOLD / alike.len().max(1)).max(2);
    let kinds = alike.into_iter();
    kinds.map(|((state, proved, _), alike)| alike.told(address, &state, proved.is_some(), ids)).collect()
}

/// Sorts what was asked of the ports of `meant`, which are in order, by what was seen.
fn sort_rest<'a>(address: &AddressView<'a>, meant: &[Ports]) -> Sorted<'a> {
    let mut sorted = Sorted { groups: Vec::new(), unknown: Vec::new() };
    for (range, observation) in address.port_ranges().filter(|(range, _)| range.transport() == Transport::Tcp) {
        let begin = meant.partition_point(|ports| ports.last() < range.first());
        let overlapping = meant.iter().skip(begin).take_while(|ports| ports.first() <= range.last());
        for (first, last) in overlapping.map(|ports| (ports.first().max(range.first()), ports.last().min(range.last())))
        {
            if let Some(Fact::Port(fact)) = observation.attempt.fact() {
                // What is blocked on the way out of here, or proved by a witness, is not judged as its neighbours are.
                let parts = Ports::new(Transport::Tcp, first, last).into_iter().flat_map(|range| address.apart(range));
                sorted.groups.extend(parts.map(|part| {
                    let (proof, unproved, proved_by) = known_proof(address, Transport::Tcp, part.first());
                    Group {
                        transport: Transport::Tcp,
                        first: part.first(),
                        last: part.last(),
                        fact,
                        proof,
                        unproved,
                        tries: observation.tries,
                        ids: [observation.id].into_iter().chain(proved_by).collect(),
                    }
                }));
            } else {
                let why = why_unknown(observation);
                sorted.unknown.extend((first..=last).map(|port| (port, why.clone(), vec![observation.id])));
            }
        }
    }
    sorted
}

/// Ports of an address that answered alike, and of which a witness proved the same.
struct Alike<'a> {
    part: Part,
    first: Group<'a>,
    ports: Vec<Ports>,
    ids: Vec<ObservationId>,
}

impl<'a> Alike<'a> {
    fn new(part: &Part, group: &Group<'a>) -> Self {
        let mut alike = Self { part: part.clone(), first: group.alone(), ports: Vec::new(), ids: Vec::new() };
        alike.add(part, group);
        alike
    }

    fn add(&mut self, part: &Part, group: &Group<'_>) {
        self.part.lower_to(part);
        let room = IDS_TOLD.saturating_sub(self.ids.len());
        self.ids.extend(group.ids.iter().filter(|id| !self.ids.contains(id)).take(room).copied().collect::<Vec<_>>());
        let Some(ports) = Ports::new(Transport::Tcp, group.first, group.last) else { return };
        match self.ports.last_mut() {
            Some(last) if last.last().checked_add(1) == Some(ports.first()) => {
                *last = last.with_last(ports.last()).unwrap_or(*last);
            }
            _ => self.ports.push(ports),
        }
    }

    fn told(self, address: &AddressView<'_>, state: &str, proved: bool, ids: usize) -> Part {
        let names = names(&self.ports);
        let proved = self.first.describe_proof(&names, address).filter(|_| proved);
        let part = self.part.seen(format!("{names} {state}")).on(self.ids.into_iter().take(ids));
        proved.into_iter().fold(part, Part::seen)
    }
}

/// `tcp/1-79, tcp/81-442 and 3 more`: the first ranges, and how many ports there are besides.
fn names(ranges: &[Ports]) -> String {
    let count = |ranges: &[Ports]| ranges.iter().map(|ports| ports.count()).sum::<usize>();
    let (told, rest) = ranges.split_at(ranges.len().min(RANGES_TOLD));
    let names: Vec<String> = told.iter().map(ToString::to_string).collect();
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", count(rest)) };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests;
