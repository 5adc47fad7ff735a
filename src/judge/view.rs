//! The observations of a target, found by address, port and question.

use super::Case;
use super::part::Part;
use crate::catalog::exploited::ExploitedVersions;
use crate::catalog::guide::Guide;
use crate::model::fact::{Fact, PortFact, PortState};
use crate::model::http::{HttpAnswer, Request, Scheme};
use crate::model::observation::{Attempt, Observation, ObservationId, Skip};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun};
use crate::model::service::{Identified, Product, Service};
use crate::model::suites::SuitesFact;
use crate::model::target::{Role, Target};
use crate::model::tls::{CertificateFact, TlsAnswer, TlsPreface, TlsVersion};
use crate::model::vantage::{Passage, Way, Ways};
use crate::model::witness::{Proof, WitnessFact};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Where the guides' servers have their web servers by default: IIS and its Web Management Service, ScreenConnect, Endpoint Central.
const USUAL_WEB_PORTS: [u16; 11] = [80, 443, 8020, 8040, 8080, 8172, 8383, 8384, 8443, 8444, 9443];

/// How many open ports or ranges of them, of which it is not known what speaks there, are named each.
const UNIDENTIFIED_NAMED: usize = 64;

/// What is said of a port that the control host proved to be so.
pub(super) const BLOCKED: &str = "blocked on the way out of this machine's network";
pub(super) const SETTLE_BLOCKED: &str = "Scan from a network that lets those ports out.";

/// What is said of a port that something refused in the name of the target, and of the control host too.
pub(super) const REFUSED_TOO: &str = "refused here and at the control host too";
pub(super) const SETTLE_REFUSED: &str = "Make sure that the control host listens on that port, and scan again. If it does, \
                                         something on the way refuses in its place: scan from another network.";

/// All addresses.
pub(super) struct View<'a> {
    pub(super) case: Case<'a>,
    pub(super) addresses: Vec<AddressView<'a>>,
}

/// One address.
pub(super) struct AddressView<'a> {
    pub(super) address: IpAddr,
    pub(super) health: &'a AddressHealth,
    ways: &'a Ways,
    ports: BTreeMap<(Transport, u16), (Ports, &'a Observation)>,
    proofs: BTreeMap<(Transport, u16), (Ports, &'a Observation)>,
    services: BTreeMap<u16, (Ports, &'a Observation)>,
    others: HashMap<Question, &'a Observation>,
}

/// What is known of a port's state.
#[derive(Clone, Copy)]
pub(super) enum PortSeen<'a> {
    Known(&'a PortFact, &'a Observation),
    /// Asked without result, or skipped.
    Unknown(&'a Observation),
    NotAsked,
}

/// What is known of the answer to another question.
pub(super) enum Answer<T> {
    Got(T, ObservationId),
    /// Asked without result, or skipped: why.
    None(String, ObservationId),
    NotAsked,
}

impl<T> Answer<T> {
    fn from<'a>(observation: Option<&&'a Observation>, read: impl FnOnce(&'a Fact) -> Option<T>) -> Self {
        let Some(observation) = observation else { return Self::NotAsked };
        match &observation.attempt {
            Attempt::Answered { fact } => match read(fact) {
                Some(value) => Self::Got(value, observation.id),
                None => Self::None("the answer was of another kind (a defect of portreeve)".to_owned(), observation.id),
            },
            Attempt::Failed { failure } => Self::None(failure.to_string(), observation.id),
            // Without a name there is nothing to ask with SNI: the hello without it is the whole question.
            Attempt::Skipped { skip: Skip::NoName } => Self::NotAsked,
            Attempt::Skipped { skip } => Self::None(format!("not asked: {skip}"), observation.id),
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn new(case: Case<'a>) -> Self {
        let addresses = case.addresses.iter().map(|run| AddressView::new(run, case.observations, case.ways)).collect();
        Self { case, addresses }
    }

    pub(super) fn target(&self) -> &'a Target {
        self.case.target
    }

    pub(super) fn guides(&self) -> &'a [Guide] {
        self.case.guides
    }

    pub(super) fn exploited(&self) -> &'a ExploitedVersions {
        self.case.exploited
    }

    /// The products that the target's roles say it runs.
    pub(super) fn implied_products(&self) -> Vec<Product> {
        let product = |role: &Role| match role {
            Role::Automate => Some(Product::Automate),
            Role::Control | Role::ScreenConnect => Some(Product::ScreenConnect),
            Role::EndpointCentral => Some(Product::EndpointCentral),
            Role::Iis | Role::Database | Role::DistributionServer => None,
        };
        self.target().roles.iter().filter_map(product).collect()
    }

    /// The port as reports name it: the guides' number, and where it is on this target.
    pub(super) fn port_name(&self, transport: Transport, logical: u16) -> String {
        let actual = self.target().actual(transport, logical);
        if actual == logical {
            format!("{transport}/{logical}")
        } else {
            format!("{transport}/{logical} (here {transport}/{actual})")
        }
    }

    /// The same for a port as it was asked.
    pub(super) fn actual_name(&self, transport: Transport, actual: u16) -> String {
        self.port_name(transport, self.target().logical(transport, actual))
    }
}

impl<'a> AddressView<'a> {
    fn new(run: &'a AddressRun, observations: &'a [Observation], ways: &'a Ways) -> Self {
        let AddressRun { address, health, .. } = run;
        let address = *address;
        let mut ports = BTreeMap::new();
        let mut proofs = BTreeMap::new();
        let mut services = BTreeMap::new();
        let mut others = HashMap::new();
        for observation in observations.iter().filter(|observation| observation.address == address) {
            match observation.question {
                Question::Port { ports: range } => {
                    ports.insert((range.transport(), range.first()), (range, observation));
                }
                Question::Witness { ports: range } => {
                    proofs.insert((range.transport(), range.first()), (range, observation));
                }
                Question::Service { ports: range } => {
                    services.insert(range.first(), (range, observation));
                }
                _ => {
                    others.insert(observation.question, observation);
                }
            }
        }
        Self { address, health, ways, ports, proofs, services, others }
    }

    /// What a witness behind the firewall proved of a port, as it was asked.
    pub(super) fn proof(&self, transport: Transport, actual: u16) -> Answer<&'a WitnessFact> {
        let nearest = self.proofs.range(..=(transport, actual)).next_back();
        let asked = nearest.filter(|(_, (range, _))| range.contains(transport, actual));
        Answer::from(asked.map(|(_, (_, observation))| observation), |fact| match fact {
            Fact::Witness(fact) => Some(fact),
            _ => None,
        })
    }

    /// Whether a message over this transport reached the witness on any port.
    pub(super) fn witness_reached_by(&self, transport: Transport) -> bool {
        self.proofs.values().any(|(range, observation)| {
            range.transport() == transport
                && matches!(observation.attempt.fact(), Some(Fact::Witness(fact)) if fact.proof.lets_in())
        })
    }

    /// Whether a witness proved that messages to a port reach the machine.
    pub(super) fn is_let_in(&self, transport: Transport, actual: u16) -> bool {
        matches!(self.proof(transport, actual), Answer::Got(fact, _) if fact.proof.lets_in())
    }

    /// The state of a port as it was asked.
    pub(super) fn port(&self, transport: Transport, actual: u16) -> PortSeen<'a> {
        let nearest = self.ports.range(..=(transport, actual)).next_back();
        let Some((_, (_, observation))) = nearest.filter(|(_, (range, _))| range.contains(transport, actual)) else {
            return PortSeen::NotAsked;
        };
        match observation.attempt.fact() {
            Some(Fact::Port(fact)) => PortSeen::Known(fact, observation),
            _ => PortSeen::Unknown(observation),
        }
    }

    /// Every range of ports that was asked and answered alike.
    pub(super) fn port_ranges(&self) -> impl Iterator<Item = (Ports, &'a Observation)> + '_ {
        self.ports.values().map(|(range, observation)| (*range, *observation))
    }

    /// What is known of the way to a TCP port.
    pub(super) fn way(&self, transport: Transport, actual: u16) -> Option<&'a Way> {
        if transport == Transport::Udp { None } else { self.ways.to(self.address, actual) }
    }

    /// The parts of a range of each of which the same is known on the way there, and from a witness.
    pub(super) fn apart(&self, range: Ports) -> Vec<Ports> {
        let transport = range.transport();
        let mut firsts: BTreeSet<u16> = self.ways.apart(self.address, range).iter().map(|part| part.first()).collect();
        let proved = self.proofs.range((transport, 0)..=(transport, range.last())).map(|(_, (proved, _))| *proved);
        for proved in proved.filter(|proved| proved.overlaps(range)) {
            let ends = [Some(proved.first()), proved.last().checked_add(1)];
            firsts.extend(ends.into_iter().flatten().filter(|first| range.contains(transport, *first)));
        }
        let firsts: Vec<u16> = firsts.into_iter().collect();
        let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([range.last()]);
        firsts.iter().zip(lasts).filter_map(|(first, last)| Ports::new(transport, *first, last)).collect()
    }

    /// How many TCP ports of a range, of which nothing was heard from here, are known to be blocked on the way out, and the
    /// first of them.
    pub(super) fn blocked(&self, range: Ports, fact: &PortFact) -> Option<(usize, u16)> {
        if self.is_unheard(fact) { self.ways.blocked(self.address, range) } else { None }
    }

    /// How many TCP ports of a range, at which something refused in the target's name, the control host's refused too, and the
    /// first of them: nothing is known of those.
    pub(super) fn refused_everywhere(&self, range: Ports, fact: &PortFact) -> Option<(usize, u16)> {
        let refused = matches!(fact.state, PortState::Closed | PortState::Rejected);
        (refused && !self.is_unheard(fact)).then(|| self.ways.of(Passage::Refused, self.address, range)).flatten()
    }

    /// Whether the target itself did not say a word.
    pub(super) fn is_unheard(&self, fact: &PortFact) -> bool {
        match fact.state {
            PortState::Filtered => true,
            PortState::Rejected => fact.sender != Some(self.address),
            _ => false,
        }
    }

    /// The open TCP ports.
    pub(super) fn open_tcp(&self) -> impl Iterator<Item = u16> + '_ {
        self.port_ranges()
            .filter(|(range, observation)| {
                range.transport() == Transport::Tcp
                    && matches!(observation.attempt.fact(), Some(Fact::Port(fact)) if fact.state == PortState::Open)
            })
            .flat_map(|(range, _)| range.each())
    }

    pub(super) fn service(&self, port: u16) -> Answer<(&'a Service, Option<TlsPreface>)> {
        Answer::from(self.service_seen(port).as_ref(), |fact| match fact {
            Fact::Service { service, tls } => Some((service, *tls)),
            _ => None,
        })
    }

    /// The observation that tells, or should tell, what speaks there.
    pub(super) fn service_id(&self, port: u16) -> Option<ObservationId> {
        self.service_seen(port).map(|observation| observation.id)
    }

    fn service_seen(&self, port: u16) -> Option<&'a Observation> {
        let (_, (range, observation)) = self.services.range(..=port).next_back()?;
        range.contains(Transport::Tcp, port).then_some(*observation)
    }

    pub(super) fn tls(&self, port: u16, version: TlsVersion, sni: bool) -> Answer<&'a TlsAnswer> {
        Answer::from(self.others.get(&Question::TlsVersion { port, version, sni }), |fact| match fact {
            Fact::Tls { answer } => Some(answer),
            _ => None,
        })
    }

    /// The suites, with SNI or without, as they were asked for.
    pub(super) fn suites(&self, port: u16) -> Answer<&'a SuitesFact> {
        let asked = [true, false].map(|sni| self.others.get(&Question::Suites { port, sni }));
        Answer::from(asked.into_iter().flatten().next(), |fact| match fact {
            Fact::Suites(suites) => Some(suites),
            _ => None,
        })
    }

    pub(super) fn certificate(&self, port: u16, sni: bool) -> Answer<&'a CertificateFact> {
        Answer::from(self.others.get(&Question::Certificate { port, sni }), |fact| match fact {
            Fact::Certificate(certificate) => Some(&**certificate),
            _ => None,
        })
    }

    pub(super) fn http(&self, port: u16, request: Request) -> Answer<&'a HttpAnswer> {
        Answer::from(self.others.get(&Question::Http { port, request }), |fact| match fact {
            Fact::Http(answer) => Some(&**answer),
            _ => None,
        })
    }

    pub(super) fn rdp_nla(&self, port: u16) -> Answer<bool> {
        Answer::from(self.others.get(&Question::RdpNla { port }), |fact| match fact {
            Fact::RdpNla { enforced, .. } => Some(*enforced),
            _ => None,
        })
    }

    pub(super) fn smb1(&self, port: u16) -> Answer<bool> {
        Answer::from(self.others.get(&Question::Smb1 { port }), |fact| match fact {
            Fact::Smb1 { answered } => Some(*answered),
            _ => None,
        })
    }

    /// The products that answered on a port.
    pub(super) fn products(&self, port: u16) -> Answer<&'a [Identified]> {
        Answer::from(self.others.get(&Question::Products { port }), |fact| match fact {
            Fact::Products { products } => Some(products.as_slice()),
            _ => None,
        })
    }

    /// Whether one of `products` answered on a port.
    pub(super) fn has_product(&self, port: u16, products: &[Product]) -> bool {
        matches!(self.products(port), Answer::Got(seen, _) if seen.iter().any(|seen| products.contains(&seen.product)))
    }

    /// Open ports where HTTP is spoken, with how.
    pub(super) fn web_ports(&self) -> Vec<(u16, Scheme)> {
        let scheme = |port| match self.service(port) {
            Answer::Got((service, _), _) => service.scheme(),
            _ => None,
        };
        self.open_tcp().filter_map(|port| Some((port, scheme(port)?))).collect()
    }

    /// Open ports of which it is not known what speaks there, in words. A port where web servers usually are and that
    /// says nothing, or nothing that is known, is one of them: servers that are slow or overloaded look like that.
    ///
    /// Neighbours with the same reason are named together, and of more than a few reasons only how many ports there are: where
    /// something answers for the server every port is open.
    fn unidentified(&self, view: &View<'_>) -> Vec<(String, Option<ObservationId>)> {
        let told = |port: u16| {
            let logical = view.target().logical(Transport::Tcp, port);
            match self.service(port) {
                Answer::Got((service @ (Service::Silent | Service::Unknown { .. }), _), id)
                    if USUAL_WEB_PORTS.contains(&logical) =>
                {
                    let held = self.is_let_in(Transport::Tcp, port);
                    let held = held.then(|| "the witness held it, so what belongs there was not seen".to_owned());
                    Some((held.unwrap_or_else(|| format!("it {service}")), Some(id)))
                }
                Answer::Got(..) => None,
                Answer::None(why, id) => Some((why, Some(id))),
                Answer::NotAsked => Some(("what speaks there was not asked".to_owned(), None)),
            }
        };
        let is_moved = |port| view.target().logical(Transport::Tcp, port) != port;
        let mut groups: Vec<(Ports, String, Option<ObservationId>)> = Vec::new();
        let mut more = 0;
        for port in self.open_tcp() {
            let Some((why, id)) = told(port) else { continue };
            let room = groups.len() < UNIDENTIFIED_NAMED;
            match groups.last_mut() {
                Some((ports, known, by))
                    if more == 0
                        && ports.last().checked_add(1) == Some(port)
                        && (&*known, &*by) == (&why, &id)
                        && !is_moved(port)
                        && !is_moved(ports.last()) =>
                {
                    *ports = ports.with_last(port).unwrap_or(*ports);
                }
                _ if room => groups.extend(Ports::tcp(port).map(|ports| (ports, why, id))),
                _ => more += 1,
            }
        }
        let name = |ports: Ports| match ports.count() {
            1 => view.actual_name(Transport::Tcp, ports.first()),
            _ => ports.to_string(),
        };
        let groups = groups.into_iter();
        let named = groups.map(|(ports, why, id)| (format!("{} at {}: {why}", name(ports), self.address), id));
        let rest = format!("{more} more open ports at {} of which it is not known what speaks there", self.address);
        named.chain((more > 0).then_some((rest, None))).collect()
    }

    /// Whether every TCP port was asked and answered for.
    pub(super) fn every_port_told(&self) -> bool {
        let told = self.port_ranges().filter(|(range, observation)| {
            range.transport() == Transport::Tcp
                && matches!(observation.attempt.fact(), Some(Fact::Port(fact)) if fact.state != PortState::Unstable)
        });
        let blocked = |range, observation: &Observation| match observation.attempt.fact() {
            Some(Fact::Port(fact)) => {
                self.blocked(range, fact).or(self.refused_everywhere(range, fact)).map_or(0, |(count, _)| count)
            }
            _ => 0,
        };
        told.map(|(range, observation)| range.count() - blocked(range, observation)).sum::<usize>()
            == usize::from(u16::MAX)
    }

    /// What this address hides from a rule about any of its ports: ports whose state is not known, silence that may come of
    /// our being dropped, a middlebox that answers for the server, and open ports of which it is not known what speaks there.
    /// Each keeps such a rule from passing.
    pub(super) fn blind_spots(&self, view: &View<'_>, what: &str) -> Vec<Part> {
        let at = self.address;
        let mut parts = Vec::new();
        let mut unknown: Vec<(Ports, &Observation)> = Vec::new();
        let mut silent = 0_usize;
        let mut blocked: Option<(usize, u16)> = None;
        let mut refused: Option<(usize, u16)> = None;
        for (range, observation) in self.port_ranges().filter(|(range, _)| range.transport() == Transport::Tcp) {
            if let Some(Fact::Port(fact)) = observation.attempt.fact()
                && let Some((count, first)) = self.blocked(range, fact)
            {
                blocked = Some(blocked.map_or((count, first), |(sum, known)| (sum + count, known)));
            }
            if let Some(Fact::Port(fact)) = observation.attempt.fact()
                && let Some((count, first)) = self.refused_everywhere(range, fact)
            {
                refused = Some(refused.map_or((count, first), |(sum, known)| (sum + count, known)));
            }
            match observation.attempt.fact() {
                Some(Fact::Port(fact)) if fact.state == PortState::Unstable => unknown.push((range, observation)),
                Some(Fact::Port(fact)) if fact.state == PortState::Filtered || fact.is_undeliverable() => {
                    silent += range.count();
                }
                Some(_) => {}
                None => unknown.push((range, observation)),
            }
        }
        if let Some((first, observation)) = unknown.first() {
            let count: usize = unknown.iter().map(|(range, _)| range.count()).sum();
            let name = view.actual_name(Transport::Tcp, first.first());
            let why = match &observation.attempt {
                Attempt::Failed { failure } => failure.to_string(),
                Attempt::Skipped { skip } => skip.to_string(),
                Attempt::Answered { .. } => "tries disagree".to_owned(),
            };
            parts.push(
                Part::inconclusive(&format!("whether {what} is on a port whose state is not known cannot be told"))
                    .settle("Scan again until every port is answered for.")
                    .seen(format!("{count} TCP ports at {at} of unknown state, the first {name}: {why}"))
                    .on(unknown.iter().map(|(_, observation)| observation.id).take(20)),
            );
        }
        if let Some((count, first)) = blocked {
            parts.push(
                Part::inconclusive(&format!("whether {what} is on a port that is {BLOCKED} cannot be told"))
                    .settle(SETTLE_BLOCKED)
                    .seen(format!(
                        "{count} TCP ports at {at} are {BLOCKED}, the first {}",
                        view.actual_name(Transport::Tcp, first)
                    )),
            );
        }
        if let Some((count, first)) = refused {
            parts.push(
                Part::inconclusive(&format!("whether {what} is on a port that is {REFUSED_TOO} cannot be told"))
                    .settle(SETTLE_REFUSED)
                    .seen(format!(
                        "{count} TCP ports at {at} are {REFUSED_TOO}, the first {}",
                        view.actual_name(Transport::Tcp, first)
                    )),
            );
        }
        if silent > 0 && self.health.silence_untrusted() {
            parts.push(Part::stopped_answering().seen(format!("{silent} silent TCP ports at {at}")));
        }
        if self.health.handshakes_untrusted() {
            parts.push(
                Part::inconclusive(&format!(
                    "something in between answers for the server, so which ports have {what} is not known"
                ))
                .settle("Scan from a network without such a middlebox, or look at the listening sockets on the host.")
                .seen(format!(
                    "{} of {} ports that nothing uses are open at {at}",
                    self.health.decoys_open.len(),
                    self.health.decoys_asked
                )),
            );
        }
        parts.extend(self.unidentified(view).into_iter().map(|(seen, id)| {
            Part::inconclusive(&format!("what speaks on an open port could not be told, and it may be {what}"))
                .settle("Scan again; if it stays so, look at the host which program listens there.")
                .seen(seen)
                .on(id)
        }));
        parts
    }

    /// Whether all that ever came from the address were segments that refuse: no port is open, no datagram and no message to
    /// a witness arrived.
    pub(super) fn only_refusals(&self) -> bool {
        let facts = || {
            self.ports.values().filter_map(|(ports, observation)| match observation.attempt.fact() {
                Some(Fact::Port(fact)) => Some((ports.transport(), fact)),
                _ => None,
            })
        };
        let refuses = |fact: &PortFact| fact.state == PortState::Closed && fact.is_from_target();
        let alive = |(transport, fact): (Transport, &PortFact)| {
            fact.is_from_target() && (transport == Transport::Udp || fact.state != PortState::Closed)
        };
        let proved = || {
            self.proofs.values().any(|(_, observation)| {
            matches!(observation.attempt.fact(), Some(Fact::Witness(fact)) if fact.proof.lets_in())
        })
        };
        facts().any(|(transport, fact)| transport == Transport::Tcp && refuses(fact))
            && !facts().any(alive)
            && !proved()
    }

    /// Whether something answers for the TCP port, while a witness that holds it saw nothing.
    pub(super) fn answered_by_another(&self, port: u16) -> bool {
        matches!(self.proof(Transport::Tcp, port), Answer::Got(fact, _) if fact.proof == Proof::AnsweredByAnother)
    }

    /// Whether the open port was proven by more than a handshake, or handshakes can be believed here: not where a middlebox
    /// completes them, nor where a witness that holds the port saw nothing.
    pub(super) fn believed(&self, port: u16) -> bool {
        let doubted =
            self.health.handshakes_untrusted() || self.health.decoys_asked == 0 || self.answered_by_another(port);
        self.is_let_in(Transport::Tcp, port)
            || !doubted
            || !self.health.decoys_speak
                && matches!(self.service(port), Answer::Got((service, _), _) if service.is_protocol_answer())
    }
}
