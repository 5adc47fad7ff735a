//! Rules about ports.

use super::part::Part;
use super::view::{AddressView, Answer, PortSeen, View};
use crate::catalog::rule::{AnswersAs, Rule};
use crate::model::fact::{PortFact, PortState};
use crate::model::observation::{Attempt, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::service::{Product, Service};
use crate::model::verdict::{Confidence, Verdict};

/// What softens `unreachable`.
pub(super) struct Terms {
    pub(super) unless_redirectors: bool,
    pub(super) grows_with_technicians: bool,
    pub(super) inside_active_directory: bool,
    pub(super) product: Option<Product>,
}

const NOTHING_ANSWERED: &str = "nothing at this address answered anything, so silence says nothing about a port";
const SETTLE_DEAD: &str = "Check that the server is up and that this machine can reach it, then scan again.";
const MIDDLEBOX: &str = "ports that nothing uses complete the handshake here too: something in between answers for the \
                         server, and only a protocol's own answer proves a service";
const SETTLE_MIDDLEBOX: &str =
    "Scan from a network without such a middlebox, or look at the listening sockets on the host.";
const SETTLE_UDP: &str = "Look at the host: `Get-NetUDPEndpoint` and the firewall's inbound rules show whether anything \
                          listens and may be reached.";

/// Neighbouring ports with the same state and reason, for one sentence.
struct Group<'a> {
    transport: Transport,
    first: u16,
    last: u16,
    fact: &'a PortFact,
    tries: u32,
    ids: Vec<ObservationId>,
}

struct Sorted<'a> {
    groups: Vec<Group<'a>>,
    unknown: Vec<(u16, String, Vec<ObservationId>)>,
}

/// Sorts the ports of the guides' range by what was seen of them.
fn sort<'a>(view: &View<'a>, address: &AddressView<'a>, ports: Ports) -> Sorted<'a> {
    let transport = ports.transport();
    let mut sorted = Sorted { groups: Vec::new(), unknown: Vec::new() };
    for logical in ports.each() {
        match address.port(transport, view.target().actual(transport, logical)) {
            PortSeen::Known(fact, observation) => match sorted.groups.last_mut() {
                Some(group)
                    if group.last + 1 == logical
                        && *group.fact == *fact
                        && view.target().moved.iter().all(|moved| {
                            !moved.from.contains(transport, logical) || moved.from.contains(transport, group.last)
                        }) =>
                {
                    group.last = logical;
                    group.tries = group.tries.min(observation.tries);
                    if group.ids.last() != Some(&observation.id) {
                        group.ids.push(observation.id);
                    }
                }
                _ => sorted.groups.push(Group {
                    transport,
                    first: logical,
                    last: logical,
                    fact,
                    tries: observation.tries,
                    ids: vec![observation.id],
                }),
            },
            PortSeen::Unknown(observation) => {
                let why = match &observation.attempt {
                    Attempt::Failed { failure } => failure.to_string(),
                    Attempt::Skipped { skip } => skip.to_string(),
                    Attempt::Answered { .. } => "the answer was of another kind".to_owned(),
                };
                sorted.unknown.push((logical, why, vec![observation.id]));
            }
            PortSeen::NotAsked => sorted.unknown.push((logical, "it was not asked".to_owned(), Vec::new())),
        }
    }
    sorted
}

impl Group<'_> {
    fn each(&self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    fn name(&self, view: &View<'_>) -> String {
        if self.first == self.last {
            return view.port_name(self.transport, self.first);
        }
        let (first, last) =
            (view.target().actual(self.transport, self.first), view.target().actual(self.transport, self.last));
        let moved =
            if first == self.first { String::new() } else { format!(" (here {}/{first}-{last})", self.transport) };
        format!("{}/{}-{}{moved}", self.transport, self.first, self.last)
    }

    fn describe(&self, view: &View<'_>, address: &AddressView<'_>) -> String {
        let sender = match self.fact.sender {
            Some(sender) if sender != address.address => format!(" from {sender}"),
            _ => String::new(),
        };
        let tries = match self.fact.state {
            PortState::Filtered | PortState::OpenOrFiltered => format!(" to {} tries", self.tries),
            _ => String::new(),
        };
        let speaks = match self.fact.state {
            PortState::Open if self.first == self.last && self.transport == Transport::Tcp => {
                match address.service(view.target().actual(self.transport, self.first)) {
                    Answer::Got((service, _), _) => format!("; {service}"),
                    Answer::None(why, _) => format!("; what speaks there could not be told: {why}"),
                    Answer::NotAsked => String::new(),
                }
            }
            _ => String::new(),
        };
        let (name, state, reason) = (self.name(view), self.fact.state, self.fact.reason.describe());
        format!("{name} {state} at {} ({reason}{sender}{tries}){speaks}", address.address)
    }
}

fn unknown_part(view: &View<'_>, transport: Transport, unknown: &[(u16, String, Vec<ObservationId>)]) -> Option<Part> {
    let (first, why, ids) = unknown.first()?;
    let more = if unknown.len() > 1 { format!(" and {} more", unknown.len() - 1) } else { String::new() };
    let seen = format!("{}{more}: {why}", view.port_name(transport, *first));
    Some(
        Part::inconclusive("not every port of the item could be asked")
            .settle("Scan again; if it stays so, the reason given says who must act.")
            .seen(seen)
            .on(ids.iter().copied()),
    )
}

pub(super) fn unreachable(view: &View<'_>, ports: &[Ports], terms: &Terms) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        for ports in ports {
            let ports = if terms.grows_with_technicians { view.target().grown(*ports) } else { *ports };
            let sorted = sort(view, address, ports);
            parts.extend(unknown_part(view, ports.transport(), &sorted.unknown));
            for group in &sorted.groups {
                let part = match group.fact.state {
                    PortState::Open => open_but_unwanted(view, address, group, terms),
                    _ => not_open(address, group),
                };
                parts.push(part.seen(group.describe(view, address)).on(group.ids.iter().copied()));
            }
        }
    }
    parts
}

fn not_open(address: &AddressView<'_>, group: &Group<'_>) -> Part {
    if !address.health.answered {
        return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
    }
    let part = match group.fact.state {
        PortState::Closed => Part::pass("the target says that nothing listens there"),
        PortState::Rejected => Part::pass("it is refused before anything could answer"),
        PortState::Filtered if address.health.stopped_answering => {
            return Part::inconclusive("the target stopped answering during the scan, so later silence proves nothing")
                .settle("Scan again more slowly (--rate), or from an address that the target does not block.");
        }
        PortState::Filtered => {
            let part = Part::pass(
                "a listener would have answered; every try was dropped, while the address answers elsewhere",
            );
            if group.tries < 2 { part.at_most(Confidence::Medium) } else { part }
        }
        PortState::OpenOrFiltered => {
            return Part::inconclusive(
                "over UDP a listener that has nothing to say looks the same as a dropped packet",
            )
            .settle(SETTLE_UDP);
        }
        PortState::Unstable | PortState::Open => {
            return Part::inconclusive("tries disagree").settle("Scan again when the network is quiet.");
        }
    };
    if address.health.inside {
        return part.at_most(Confidence::Medium).seen(format!(
            "{} is not a public address: this is a view from inside, and says nothing about the perimeter",
            address.address
        ));
    }
    part
}

fn open_but_unwanted(view: &View<'_>, address: &AddressView<'_>, group: &Group<'_>, terms: &Terms) -> Part {
    let target = view.target();
    let actual: Vec<u16> = group.each().map(|logical| target.actual(group.transport, logical)).collect();
    let udp = group.transport == Transport::Udp;
    if !udp && !actual.iter().any(|port| address.believed(*port)) {
        return Part::inconclusive(MIDDLEBOX).settle(SETTLE_MIDDLEBOX);
    }
    if terms.unless_redirectors && target.redirectors == Some(true) {
        return Part::not_applicable("the inventory declares redirectors in use, for which this port is open");
    }
    if let Some(product) = terms.product {
        let port = actual.first().copied().unwrap_or_default();
        return match address.products(port) {
            Answer::Got(seen, id) if seen.iter().any(|seen| seen.product == product) => {
                Part::fail(&format!("{product} answers there")).on([id])
            }
            Answer::Got(seen, id) if seen.iter().any(|seen| seen.product != Product::Iis) => {
                let other = seen.iter().find(|seen| seen.product != Product::Iis).map(|seen| seen.product.to_string());
                let other = other.unwrap_or_default();
                Part::not_applicable(&format!(
                    "{other} answers there, not {product}: the recommendation is about another port"
                ))
                .on([id])
            }
            _ => {
                Part::inconclusive(&format!("the port is open, and whether {product} answers there could not be told"))
                    .settle("Look in a browser which product answers on that port.")
            }
        };
    }
    if terms.inside_active_directory && target.active_directory == Some(true) && address.health.inside {
        return Part::inconclusive(
            "a member of Active Directory may have it open towards its own network, and this is a view from inside",
        )
        .settle("Scan the server's public address from outside.");
    }
    let proven = udp
        || actual
            .iter()
            .any(|port| matches!(address.service(*port), Answer::Got((service, _), _) if service.is_protocol_answer()));
    let part = Part::fail("it is reachable from here");
    if proven { part } else { part.at_most(Confidence::Medium) }
}

pub(super) fn reachable(view: &View<'_>, ports: &[Ports], answers_as: Option<AnswersAs>) -> Vec<Part> {
    let mut parts = Vec::new();
    for ports in ports {
        let mut here: Vec<Part> = Vec::new();
        for address in &view.addresses {
            let sorted = sort(view, address, *ports);
            here.extend(unknown_part(view, ports.transport(), &sorted.unknown));
            for group in &sorted.groups {
                let part = match group.fact.state {
                    PortState::Open => open_as_wanted(view, address, group, answers_as),
                    _ => not_reachable(address, group),
                };
                here.push(part.seen(group.describe(view, address)).on(group.ids.iter().copied()));
            }
        }
        parts.extend(one_address_is_enough(here, view.addresses.len()));
    }
    parts
}

/// A service that is reachable at one address of a name is reachable; the others lower the confidence.
fn one_address_is_enough(parts: Vec<Part>, addresses: usize) -> Vec<Part> {
    let (passed, others): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.verdict() == Verdict::Pass);
    if addresses < 2 || passed.is_empty() {
        return passed.into_iter().chain(others).collect();
    }
    if others.is_empty() {
        return passed;
    }
    passed.into_iter().map(|part| part.at_most(Confidence::Medium).seen("not at every address of the name")).collect()
}

fn not_reachable(address: &AddressView<'_>, group: &Group<'_>) -> Part {
    if !address.health.answered {
        return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
    }
    match group.fact.state {
        PortState::Closed | PortState::Rejected => Part::fail("it should be reachable, and is refused"),
        PortState::Filtered if address.health.stopped_answering => {
            Part::inconclusive("the target stopped answering during the scan, so later silence proves nothing")
                .settle("Scan again more slowly (--rate), or from an address that the target does not block.")
        }
        PortState::Filtered => Part::fail("it should be reachable, and every try was dropped")
            .at_most(if group.tries < 2 { Confidence::Medium } else { Confidence::High }),
        PortState::OpenOrFiltered => {
            Part::inconclusive("over UDP a listener that has nothing to say looks the same as a dropped packet")
                .settle(SETTLE_UDP)
        }
        PortState::Unstable | PortState::Open => {
            Part::inconclusive("tries disagree").settle("Scan again when the network is quiet.")
        }
    }
}

fn open_as_wanted(
    view: &View<'_>,
    address: &AddressView<'_>,
    group: &Group<'_>,
    answers_as: Option<AnswersAs>,
) -> Part {
    let port = view.target().actual(group.transport, group.first);
    if group.transport == Transport::Udp {
        return Part::pass("a datagram came back");
    }
    if !address.believed(port) {
        return Part::inconclusive(MIDDLEBOX).settle(SETTLE_MIDDLEBOX);
    }
    match answers_as {
        None => {
            let part = Part::pass("it is reachable from here");
            if address.health.inside { part.at_most(Confidence::Medium) } else { part }
        }
        Some(AnswersAs::Product(product)) => match address.products(port) {
            Answer::Got(seen, id) if seen.iter().any(|seen| seen.product == product) => {
                Part::pass(&format!("{product} answers there")).on([id])
            }
            Answer::Got(seen, id) if !seen.is_empty() => {
                let others: Vec<String> = seen.iter().map(|seen| seen.product.to_string()).collect();
                Part::fail(&format!("{} answers there, not {product}", others.join(", "))).on([id])
            }
            Answer::Got(_, id) => unknown_product(product, "no product that we know answers there").on([id]),
            Answer::None(why, id) => {
                unknown_product(product, &format!("what answers there could not be told: {why}")).on([id])
            }
            Answer::NotAsked => unknown_product(product, "the port does not speak HTTP"),
        },
        Some(AnswersAs::Https) => match address.service(port) {
            Answer::Got((Service::Https, _), id) => Part::pass("HTTPS answers there").on([id]),
            Answer::Got((Service::Http, _), id) => Part::fail("HTTP without TLS answers there").on([id]),
            Answer::Got((service, _), id) => {
                Part::inconclusive(&format!("it is open, and what answers is not recognised as HTTPS ({service})"))
                    .settle("Look in a browser, or with `portreeve probe service`.")
                    .on([id])
            }
            Answer::None(why, id) => {
                Part::inconclusive(&format!("it is open, and what answers could not be told: {why}"))
                    .settle("Scan again; if it stays so, look at the server's own log.")
                    .on([id])
            }
            Answer::NotAsked => Part::inconclusive("it is open, and what answers was not asked").settle("Scan again."),
        },
        Some(AnswersAs::Raw) => match address.service(port) {
            Answer::Got(
                (service @ (Service::Http | Service::Https | Service::Tls { .. } | Service::TlsOpaque { .. }), _),
                id,
            ) => Part::inconclusive(&format!("{service} answers there, and the relay speaks neither TLS nor HTTP"))
                .settle("Check which program listens on that port; if the relay was moved, declare it under `moved`.")
                .on([id]),
            Answer::Got((_, _), id) => Part::pass("it is reachable, and answers neither as TLS nor as HTTP")
                .at_most(Confidence::Medium)
                .on([id]),
            Answer::None(..) | Answer::NotAsked => Part::pass("it is reachable from here").at_most(Confidence::Low),
        },
    }
}

fn unknown_product(product: Product, why: &str) -> Part {
    Part::inconclusive(&format!("the port is open, but {why}")).settle(&format!(
        "Look in a browser whether {product} answers on that port; if it was moved, declare it under `moved`."
    ))
}

pub(super) fn only_these_open(view: &View<'_>, ports: &[Ports]) -> Vec<Part> {
    let allowed = allowed(view, ports);
    view.addresses.iter().map(|address| only_these_at(view, address, &allowed)).collect()
}

/// The rule's ports, those that other applied guides want open, and those that the inventory expects.
fn allowed(view: &View<'_>, ports: &[Ports]) -> Vec<Ports> {
    let target = view.target();
    let wanted = view.guides().iter().flat_map(|guide| guide.items_for(&target.roles)).flat_map(|item| &item.rules);
    let wanted = wanted.filter(|rule| super::condition(rule.only_when, target).is_none());
    let wanted = wanted.filter(|rule| matches!(rule.rule, Rule::Reachable { .. })).flat_map(|rule| rule.rule.ports());
    ports.iter().chain(wanted).chain(&target.expected).copied().collect()
}

fn only_these_at(view: &View<'_>, address: &AddressView<'_>, allowed: &[Ports]) -> Part {
    let target = view.target();
    let mut unexpected = Vec::new();
    let mut doubted = 0_usize;
    let mut unknown = 0_usize;
    let mut asked = 0_usize;
    for (range, observation) in address.port_ranges() {
        let state = match observation.attempt.fact() {
            Some(crate::model::fact::Fact::Port(fact)) => Some(fact.state),
            _ => None,
        };
        if range.transport() == Transport::Tcp {
            asked += range.count();
            unknown += if matches!(state, None | Some(PortState::Unstable)) { range.count() } else { 0 };
        }
        if state != Some(PortState::Open) {
            continue;
        }
        for actual in range.each() {
            let logical = target.logical(range.transport(), actual);
            if allowed.iter().any(|ports| ports.contains(range.transport(), logical)) {
                continue;
            }
            if range.transport() == Transport::Udp || address.believed(actual) {
                unexpected.push((view.actual_name(range.transport(), actual), observation.id));
            } else {
                doubted += 1;
            }
        }
    }
    let at = address.address;
    if !unexpected.is_empty() {
        let names: Vec<&str> = unexpected.iter().map(|(name, _)| name.as_str()).take(40).collect();
        let more = if unexpected.len() > 40 { format!(" and {} more", unexpected.len() - 40) } else { String::new() };
        return Part::fail("ports are open that the guides do not name")
            .settle("A port that is meant to be open is declared in the inventory under `expected`.")
            .seen(format!("open at {at} and not expected: {}{more}", names.join(", ")))
            .on(unexpected.iter().map(|(_, id)| *id));
    }
    if !address.health.answered {
        return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
    }
    if doubted > 0 {
        return Part::inconclusive(MIDDLEBOX).settle(SETTLE_MIDDLEBOX).seen(format!(
            "{doubted} unexpected ports complete the handshake at {at}, none with an answer of its own"
        ));
    }
    if address.health.stopped_answering {
        return Part::inconclusive("the target stopped answering during the scan, so later silence proves nothing")
            .settle("Scan again more slowly (--rate), or from an address that the target does not block.");
    }
    if asked - unknown < 65_535 {
        return Part::inconclusive(&format!(
            "{} of 65,535 TCP ports were asked; the others may be open",
            asked - unknown
        ))
        .settle("Sweep all TCP ports with --sweep.")
        .seen(format!("no unexpected port open at {at} among those that were asked"));
    }
    Part::pass("all 65,535 TCP ports were asked, and nothing unexpected is open; UDP was asked only where a guide names a port")
        .at_most(Confidence::Medium)
        .seen(format!("no unexpected port open at {at}"))
}
