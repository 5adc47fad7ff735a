//! The observations of a target, found by address, port and question.

use super::Case;
use crate::catalog::exploited::ExploitedVersions;
use crate::catalog::guide::Guide;
use crate::model::fact::{Fact, PortFact, PortState};
use crate::model::http::{HttpAnswer, Request, Scheme};
use crate::model::observation::{Attempt, Observation, ObservationId, Skip};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::AddressHealth;
use crate::model::service::{Identified, Product, Service};
use crate::model::target::Target;
use crate::model::tls::{CertificateFact, TlsAnswer, TlsPreface, TlsVersion};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// All addresses.
pub(super) struct View<'a> {
    pub(super) case: Case<'a>,
    pub(super) addresses: Vec<AddressView<'a>>,
}

/// One address.
pub(super) struct AddressView<'a> {
    pub(super) address: IpAddr,
    pub(super) health: &'a AddressHealth,
    ports: BTreeMap<(Transport, u16), (Ports, &'a Observation)>,
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
        let addresses =
            case.addresses.iter().map(|run| AddressView::new(run.address, &run.health, case.observations)).collect();
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
    fn new(address: IpAddr, health: &'a AddressHealth, observations: &'a [Observation]) -> Self {
        let mut ports = BTreeMap::new();
        let mut others = HashMap::new();
        for observation in observations.iter().filter(|observation| observation.address == address) {
            if let Question::Port { ports: range } = observation.question {
                ports.insert((range.transport(), range.first()), (range, observation));
            } else {
                others.insert(observation.question, observation);
            }
        }
        Self { address, health, ports, others }
    }

    /// The state of a port as it was asked.
    pub(super) fn port(&self, transport: Transport, actual: u16) -> PortSeen<'a> {
        let nearest = self.ports.range(..=(transport, actual)).next_back();
        let Some((_, (range, observation))) = nearest.filter(|(_, (range, _))| range.contains(transport, actual))
        else {
            return PortSeen::NotAsked;
        };
        let _ = range;
        match observation.attempt.fact() {
            Some(Fact::Port(fact)) => PortSeen::Known(fact, observation),
            _ => PortSeen::Unknown(observation),
        }
    }

    /// Every range of ports that was asked and answered alike.
    pub(super) fn port_ranges(&self) -> impl Iterator<Item = (Ports, &'a Observation)> + '_ {
        self.ports.values().map(|(range, observation)| (*range, *observation))
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
        Answer::from(self.others.get(&Question::Service { port }), |fact| match fact {
            Fact::Service { service, tls } => Some((service, *tls)),
            _ => None,
        })
    }

    pub(super) fn tls(&self, port: u16, version: TlsVersion, sni: bool) -> Answer<&'a TlsAnswer> {
        Answer::from(self.others.get(&Question::TlsVersion { port, version, sni }), |fact| match fact {
            Fact::Tls { answer } => Some(answer),
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

    /// Open ports of which it is not known what speaks there, with the reason.
    pub(super) fn unidentified(&self) -> Vec<(u16, String, Vec<ObservationId>)> {
        self.open_tcp()
            .filter_map(|port| match self.service(port) {
                Answer::Got(..) => None,
                Answer::None(why, id) => Some((port, why, vec![id])),
                Answer::NotAsked => Some((port, "what speaks there was not asked".to_owned(), Vec::new())),
            })
            .collect()
    }

    /// Whether the open port was proven by more than a handshake, or handshakes can be believed here.
    pub(super) fn believed(&self, port: u16) -> bool {
        !self.health.handshakes_untrusted()
            || matches!(self.service(port), Answer::Got((service, _), _) if service.is_protocol_answer())
    }
}
