//! Rules about ports.

mod declared;
mod exclusive;
mod proof;
mod way;

pub(super) use declared::declared;
pub(super) use exclusive::only_these_open;

use super::part::Part;
use super::view::{AddressView, Answer, PortSeen, View};
use crate::catalog::rule::AnswersAs;
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::observation::{Attempt, Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::service::{Product, Service};
use crate::model::verdict::Confidence;
use crate::model::witness::WitnessFact;
use std::net::IpAddr;

/// What softens `unreachable`.
#[derive(Default)]
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
const MIDDLEBOX_SPEAKS: &str = "ports that nothing uses complete the handshake here too, and answer like a service: something in \
                                between answers for the server, and nothing that is heard on a port proves a service";
const NO_DECOYS: &str = "of no port that nothing uses is the state known, so whether something in between answers for the server \
                         is not known either";
const SETTLE_NO_DECOYS: &str = "Scan again without naming every port one by one; --sweep asks all of them.";
const SETTLE_MIDDLEBOX: &str =
    "Scan from a network without such a middlebox, or look at the listening sockets on the host.";
const SETTLE_UDP: &str = "Look at the host: `Get-NetUDPEndpoint` and the firewall's inbound rules show whether anything \
                          listens and may be reached. Whether the firewall lets it through, `portreeve witness` behind it \
                          proves.";

const LIKELY_LISTENER: &str = "it stays silent while other ports of the server, asked right after it, are refused: very \
                               likely something listens there that has nothing to say, or a firewall rule drops what \
                               comes for it";

/// How ports are named, and how much is told of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// By the guides' numbers, with where they are on the target.
    Guides,
    /// As they were asked, and always with who sent the packet.
    Asked,
}

impl Naming {
    fn port(self, view: &View<'_>, transport: Transport, actual: u16) -> String {
        match self {
            Self::Guides => view.actual_name(transport, actual),
            Self::Asked => format!("{transport}/{actual}"),
        }
    }
}

/// Neighbouring ports with the same state and reason, for one sentence. The ports are those that were asked.
struct Group<'a> {
    transport: Transport,
    first: u16,
    last: u16,
    fact: &'a PortFact,
    /// What a witness proved of them; of a range the least that was sent.
    proof: Option<&'a WitnessFact>,
    /// A witness was asked about them, and it is not known what arrived there.
    unproved: bool,
    tries: u32,
    ids: Vec<ObservationId>,
}

struct Sorted<'a> {
    groups: Vec<Group<'a>>,
    unknown: Vec<(u16, String, Vec<ObservationId>)>,
}

/// Sorts ports, as they were asked, by what was seen of them; each by itself where `apart`.
fn sort<'a>(
    view: &View<'_>,
    address: &AddressView<'a>,
    transport: Transport,
    ports: impl Iterator<Item = u16>,
    apart: bool,
) -> Sorted<'a> {
    let offset = |port: u16| i32::from(view.target().logical(transport, port)) - i32::from(port);
    let passage = |port: u16| address.way(transport, port).map(|way| way.passage);
    let mut sorted = Sorted { groups: Vec::new(), unknown: Vec::new() };
    for port in ports {
        let (proof, unproved, proved_by) = known_proof(address, transport, port);
        match address.port(transport, port) {
            PortSeen::Known(fact, observation) => {
                let ids = [observation.id].into_iter().chain(proved_by);
                match sorted.groups.last_mut() {
                    Some(group)
                        if !apart
                            && group.last.checked_add(1) == Some(port)
                            && *group.fact == *fact
                            && group.unproved == unproved
                            && group.proof.map(|known| &known.proof) == proof.map(|fact| &fact.proof)
                            && offset(group.last) == offset(port)
                            && passage(group.last) == passage(port) =>
                    {
                        group.last = port;
                        group.tries = group.tries.min(observation.tries);
                        if proof.is_some_and(|new| group.proof.is_some_and(|known| new.sent < known.sent)) {
                            group.proof = proof;
                        }
                        for id in ids.filter(|id| !group.ids.contains(id)).collect::<Vec<_>>() {
                            group.ids.push(id);
                        }
                    }
                    _ => sorted.groups.push(Group {
                        transport,
                        first: port,
                        last: port,
                        fact,
                        proof,
                        unproved,
                        tries: observation.tries,
                        ids: ids.collect(),
                    }),
                }
            }
            PortSeen::Unknown(observation) => {
                sorted.unknown.push((port, why_unknown(observation), vec![observation.id]));
            }
            PortSeen::NotAsked => sorted.unknown.push((port, "it was not asked".to_owned(), Vec::new())),
        }
    }
    sorted
}

/// What a witness proved of a port, whether it was asked and that is not known, and by which observation.
fn known_proof<'a>(
    address: &AddressView<'a>,
    transport: Transport,
    port: u16,
) -> (Option<&'a WitnessFact>, bool, Option<ObservationId>) {
    match address.proof(transport, port) {
        Answer::Got(fact, id) => (Some(fact), false, Some(id)),
        Answer::None(_, id) => (None, true, Some(id)),
        Answer::NotAsked => (None, false, None),
    }
}

fn why_unknown(observation: &Observation) -> String {
    match &observation.attempt {
        Attempt::Failed { failure } => failure.to_string(),
        Attempt::Skipped { skip } => skip.to_string(),
        Attempt::Answered { .. } => "the answer was of another kind".to_owned(),
    }
}

impl Group<'_> {
    /// The same without the observations that it rests on.
    fn alone(&self) -> Self {
        let Self { transport, first, last, fact, proof, unproved, tries, .. } = *self;
        Self { transport, first, last, fact, proof, unproved, tries, ids: Vec::new() }
    }

    fn each(&self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    fn name(&self, view: &View<'_>, naming: Naming) -> String {
        if self.first == self.last {
            return naming.port(view, self.transport, self.first);
        }
        if naming == Naming::Asked {
            return format!("{}/{}-{}", self.transport, self.first, self.last);
        }
        let logical = |port| view.target().logical(self.transport, port);
        let moved = if logical(self.first) == self.first {
            String::new()
        } else {
            format!(" (here {}/{}-{})", self.transport, self.first, self.last)
        };
        format!("{}/{}-{}{moved}", self.transport, logical(self.first), logical(self.last))
    }

    /// Who sent the ICMP message, where it was not the target.
    fn stranger(&self, address: &AddressView<'_>) -> Option<IpAddr> {
        self.fact.sender.filter(|sender| *sender != address.address)
    }

    /// Who sent the packet that tells the state. A RST bears the target's address, whoever made it.
    fn sender(&self, address: &AddressView<'_>) -> Option<IpAddr> {
        self.fact.sender.or_else(|| (self.fact.reason == PortReason::Reset).then_some(address.address))
    }

    /// The state at the address, why it is said to be that, and by whom.
    fn state(&self, address: &AddressView<'_>, naming: Naming) -> String {
        let sender = match naming {
            Naming::Guides => self.stranger(address),
            Naming::Asked => self.sender(address),
        };
        let sender = sender.map_or_else(String::new, |sender| format!(" from {sender}"));
        let tries = match self.fact.reason {
            PortReason::Silence => format!(" to {} tries", self.tries),
            _ => String::new(),
        };
        let (state, reason) = (self.fact.state, self.fact.reason.describe());
        format!("{state} at {} ({reason}{sender}{tries})", address.address)
    }

    fn describe(&self, view: &View<'_>, address: &AddressView<'_>, naming: Naming) -> String {
        format!("{} {}", self.name(view, naming), self.describe_state(address, naming))
    }

    /// The state, and what speaks there.
    fn describe_state(&self, address: &AddressView<'_>, naming: Naming) -> String {
        let speaks = match self.fact.state {
            PortState::Open if address.is_let_in(self.transport, self.first) => {
                "; the witness listened there".to_owned()
            }
            PortState::Open if self.first == self.last && self.transport == Transport::Tcp => {
                match address.service(self.first) {
                    Answer::Got((service, _), _) => format!("; {service}"),
                    Answer::None(why, _) => format!("; what speaks there could not be told: {why}"),
                    Answer::NotAsked => String::new(),
                }
            }
            _ => String::new(),
        };
        format!("{}{speaks}", self.state(address, naming))
    }
}

fn unknown_part(
    view: &View<'_>,
    transport: Transport,
    unknown: &[(u16, String, Vec<ObservationId>)],
    naming: Naming,
) -> Option<Part> {
    let (first, why, ids) = unknown.first()?;
    let more = if unknown.len() > 1 { format!(" and {} more", unknown.len() - 1) } else { String::new() };
    let seen = format!("{}{more}: {why}", naming.port(view, transport, *first));
    Some(
        Part::inconclusive("not every port of it could be asked")
            .settle("Scan again; if it stays so, the reason given says who must act.")
            .seen(seen)
            .on(ids.iter().copied()),
    )
}

pub(super) fn unreachable(view: &View<'_>, ports: &[Ports], terms: &Terms) -> Vec<Part> {
    let target = view.target();
    let mut parts = Vec::new();
    for address in &view.addresses {
        for ports in ports {
            let ports = if terms.grows_with_technicians { target.grown(*ports) } else { *ports };
            let transport = ports.transport();
            // Where the service was moved to, and then the guides' own ports: either may lead in.
            let moved = ports.each().map(|port| target.actual(transport, port));
            let own = ports.each().flat_map(|port| target.places(transport, port).skip(1));
            let sorted = sort(view, address, transport, moved.chain(own), terms.product.is_some());
            parts.extend(unknown_part(view, transport, &sorted.unknown, Naming::Guides));
            for group in &sorted.groups {
                let by_proof = proof::unwanted(view, address, group, terms);
                parts.push(told(view, address, group, Naming::Guides, by_proof, |group| match group.fact.state {
                    PortState::Open => open_but_unwanted(view, address, group, terms),
                    _ => not_open(address, group),
                }));
            }
        }
    }
    parts
}

/// Why open TCP ports are not believed, of which none is ([`AddressView::believed`]).
fn disbelief(address: &AddressView<'_>, ports: &[u16]) -> Part {
    let health = address.health;
    if health.handshakes_untrusted() {
        let why = if health.decoys_speak { MIDDLEBOX_SPEAKS } else { MIDDLEBOX };
        Part::inconclusive(why).settle(SETTLE_MIDDLEBOX)
    } else if ports.iter().all(|port| address.answered_by_another(*port)) {
        // Decoys say nothing here: it is the witness that held the port and saw nothing.
        Part::inconclusive(proof::BY_ANOTHER).settle(proof::SETTLE_LED)
    } else {
        Part::inconclusive(NO_DECOYS).settle(SETTLE_NO_DECOYS)
    }
}

/// Silence over UDP decides nothing, but it may tell more or less.
fn undecided_over_udp(reason: &PortReason) -> Part {
    match reason {
        PortReason::SilentAmongRefusals { .. } => Part::inconclusive(LIKELY_LISTENER).settle(SETTLE_UDP),
        PortReason::Rationed(rationed) => Part::inconclusive(
            "the server says only so often that a UDP port is closed, so that closed ports are silent as well",
        )
        .settle(&format!("Ask for as long as it takes ({}), or look at the host. {SETTLE_UDP}", rationed.cost())),
        _ => Part::inconclusive("over UDP a listener that has nothing to say looks the same as a dropped packet")
            .settle(SETTLE_UDP),
    }
}

/// The part that a witness's proof makes, else the ports' ordinary state; with what was seen of either.
fn told<'a>(
    view: &View<'_>,
    address: &AddressView<'_>,
    group: &Group<'a>,
    naming: Naming,
    by_proof: Option<Part>,
    by_state: impl FnOnce(&Group<'a>) -> Part,
) -> Part {
    let proved = group.describe_proof(&group.name(view, naming), address);
    let state = || group.describe(view, address, naming);
    let part = match (by_proof, proved) {
        // Over UDP the ordinary state is mostly that nothing is known, which a proof has settled.
        (Some(part), Some(proved)) if group.transport == Transport::Udp => part.seen(proved),
        (Some(part), Some(proved)) => part.seen(proved).seen(state()),
        (Some(part), None) => part.seen(state()),
        (None, Some(proved)) => proof::beside(group, by_state(group)).seen(state()).seen(proved),
        (None, None) => by_state(group).seen(state()),
    };
    part.on(group.ids.iter().copied())
}

fn unstable() -> Part {
    Part::inconclusive("tries disagree").settle("Scan again when the network is quiet.")
}

const UNDELIVERABLE: &str =
    "somebody on the way says that the target cannot be reached, which tells nothing of the port";

fn not_open(address: &AddressView<'_>, group: &Group<'_>) -> Part {
    let part = match group.fact.state {
        PortState::Closed => {
            let of_target = group.fact.is_from_target();
            let why =
                if of_target { "the target says that nothing listens there" } else { "the connection is refused" };
            way::weigh_refusal(address, group, Part::pass(why))
        }
        PortState::Rejected if group.fact.is_undeliverable() => {
            return Part::inconclusive(UNDELIVERABLE).settle(SETTLE_DEAD);
        }
        PortState::Rejected => {
            let part = Part::pass("it is refused before anything could answer");
            // Who refuses need not stand before the target: a provider near us does it for everybody.
            let part = if group.stranger(address).is_some() { part.at_most(Confidence::Medium) } else { part };
            way::weigh_silence(address, group, part)
        }
        PortState::Filtered | PortState::OpenOrFiltered if !address.health.answered => {
            return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
        }
        PortState::Filtered if address.health.silence_untrusted() => return Part::stopped_answering(),
        PortState::Filtered => {
            let part = Part::pass(
                "a listener would have answered; every try was dropped, while the address answers elsewhere",
            );
            let part = if way::is_doubtful(address, group) { part.at_most(Confidence::Medium) } else { part };
            way::weigh_silence(address, group, part)
        }
        PortState::OpenOrFiltered => {
            return undecided_over_udp(&group.fact.reason);
        }
        PortState::Unstable | PortState::Open => {
            return unstable();
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
    let actual: Vec<u16> = group.each().collect();
    let udp = group.transport == Transport::Udp;
    if !udp && !actual.iter().any(|port| address.believed(*port)) {
        return disbelief(address, &actual);
    }
    let speaks = |port: &u16| match address.service(*port) {
        Answer::Got((service, _), _) => Some(service),
        _ => None,
    };
    let other = actual.iter().filter_map(speaks).any(is_no_tunnel);
    if terms.unless_redirectors && target.redirectors == Some(true) && !other {
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

/// Whether a service is certainly none of Automate's redirectors and tunnels.
fn is_no_tunnel(service: &Service) -> bool {
    !matches!(service, Service::AutomateRedirector | Service::Silent | Service::Unknown { .. })
}

pub(super) fn reachable(view: &View<'_>, ports: &[Ports], answers_as: Option<AnswersAs>) -> Vec<Part> {
    let mut parts = Vec::new();
    for ports in ports {
        let transport = ports.transport();
        for port in ports.each().map(|port| view.target().actual(transport, port)) {
            let mut here: Vec<Part> = Vec::new();
            for address in &view.addresses {
                let sorted = sort(view, address, transport, std::iter::once(port), true);
                here.extend(unknown_part(view, transport, &sorted.unknown, Naming::Guides));
                for group in &sorted.groups {
                    let by_proof = proof::wanted(address, group, answers_as);
                    here.push(told(view, address, group, Naming::Guides, by_proof, |group| match group.fact.state {
                        PortState::Open => open_as_wanted(address, group, answers_as),
                        _ => not_reachable(address, group),
                    }));
                }
            }
            // A service that is reachable at one address of a name is reachable.
            parts.extend(Part::weigh(here));
        }
    }
    parts
}

fn not_reachable(address: &AddressView<'_>, group: &Group<'_>) -> Part {
    let part = match group.fact.state {
        PortState::Rejected if group.fact.is_undeliverable() => Part::inconclusive(UNDELIVERABLE).settle(SETTLE_DEAD),
        PortState::Closed => way::weigh_refusal(address, group, Part::fail("it should be reachable, and is refused")),
        PortState::Rejected => {
            let part = Part::fail("it should be reachable, and is refused");
            let part = if group.stranger(address).is_some() { part.at_most(Confidence::Medium) } else { part };
            way::weigh_silence(address, group, part)
        }
        PortState::Filtered | PortState::OpenOrFiltered if !address.health.answered => {
            Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD)
        }
        PortState::Filtered if address.health.silence_untrusted() => Part::stopped_answering(),
        PortState::Filtered => {
            let part = Part::fail("it should be reachable, and every try was dropped");
            let part = if way::is_doubtful(address, group) { part.at_most(Confidence::Medium) } else { part };
            way::weigh_silence(address, group, part)
        }
        PortState::OpenOrFiltered => {
            return undecided_over_udp(&group.fact.reason);
        }
        PortState::Unstable | PortState::Open => {
            return unstable();
        }
    };
    part.excusable()
}

fn open_as_wanted(address: &AddressView<'_>, group: &Group<'_>, answers_as: Option<AnswersAs>) -> Part {
    let port = group.first;
    if group.transport == Transport::Udp {
        return Part::pass("a datagram came back");
    }
    if !address.believed(port) {
        return disbelief(address, &[port]);
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
            Answer::None(why, id) => {
                Part::inconclusive(&format!("it is open, and what answers could not be told: {why}"))
                    .settle("Scan again; if it stays so, look at the server's own log.")
                    .on([id])
            }
            Answer::NotAsked => Part::inconclusive("it is open, and what answers was not asked").settle("Scan again."),
        },
    }
}

fn unknown_product(product: Product, why: &str) -> Part {
    Part::inconclusive(&format!("the port is open, but {why}")).settle(&format!(
        "Look in a browser whether {product} answers on that port; if it was moved, declare it under `moved`."
    ))
}
