//! One address of a target: its ports, then what speaks on the open ones, then what the items want to know of that, and
//! at last whether the target still answers as it did at first.

use super::event::{Event, Events};
use super::log::Entry;
use super::plan::Plan;
use super::stop::Stop;
use crate::model::fact::{Fact, PortReason, PortState};
use crate::model::http::Scheme;
use crate::model::observation::{Attempt, Blame, Cause, ObservationId, Skip};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, Trouble};
use crate::model::service::Service;
use crate::model::target::Target;
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::probe::{Asker, Known, Outcome, Peer};
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How many questions are under way at once to one address; the asker's pace and permits bound them further.
const AT_ONCE: usize = 4096;

/// How many open ports are looked into at once: each costs several connections.
const PORTS_AT_ONCE: usize = 24;

/// How many open ports of an address are looked into at all. More are open only where something answers for the server.
const PORTS_LOOKED_INTO: usize = 200;

/// How many UDP ports share a socket: what an interrupt can lose.
const UDP_BATCH: usize = 64;

/// How many decoy ports are asked.
const DECOYS: usize = 3;

/// Where decoys are drawn from: above the ports that services register, below the ranges of the guides and the ports
/// that systems give to outgoing connections (RFC 6335, section 6; Linux from 32768 on).
const DECOY_RANGE: std::ops::Range<u16> = 20_100..32_000;

/// The scan of one address.
pub(super) struct AddressScan<'a> {
    pub(super) asker: &'a Asker,
    pub(super) target: &'a Target,
    pub(super) plan: &'a Plan,
    pub(super) address: IpAddr,
    pub(super) stop: &'a Stop,
    pub(super) events: &'a Events,
    pub(super) number: usize,
}

/// What it brought.
pub(super) struct Done {
    pub(super) health: AddressHealth,
    pub(super) entries: Vec<Entry>,
    pub(super) troubles: Vec<Trouble>,
}

/// What stopping for this reason means for the target.
pub(super) fn trouble_of(skip: &Skip) -> Trouble {
    match skip {
        Skip::OutOfTime => Trouble::OutOfTime,
        Skip::Interrupted | Skip::NoName | Skip::NoRoute => Trouble::Interrupted,
    }
}

impl AddressScan<'_> {
    pub(super) async fn run(self) -> Done {
        let tcp = self.plan.numbers(Transport::Tcp);
        let udp = self.plan.numbers(Transport::Udp);
        let decoys = self.decoys(&tcp);
        self.events.tell(Event::Planned { target: self.number, questions: tcp.len() + udp.len() });
        let ((mut entries, mut health), udp) = futures::join!(self.tcp(&tcp, &decoys), self.udp_ports(&udp));
        entries.extend(udp);
        health.answered = entries.iter().any(is_sign_of_life);
        let troubles = self.troubles(&entries);
        Done { health, entries, troubles }
    }

    /// Everything over TCP: the ports, what speaks on the open ones, and whether the target still answers at the end.
    async fn tcp(&self, ports: &[u16], decoys: &[u16]) -> (Vec<Entry>, AddressHealth) {
        let (mut entries, decoys) = futures::join!(self.tcp_ports(ports), self.ask_decoys(decoys));
        let open = open_ports(&entries);
        let looked_into = open.iter().take(PORTS_LOOKED_INTO).map(|port| self.look_into(*port));
        let found: Vec<Vec<Entry>> = stream::iter(looked_into).buffer_unordered(PORTS_AT_ONCE).collect().await;
        entries.extend(found.into_iter().flatten());
        let health = AddressHealth {
            decoys_asked: decoys.len(),
            decoys_open: decoys.into_iter().filter_map(|(port, open)| open.then_some(port)).collect(),
            stopped_answering: self.stopped_answering(&entries).await,
            ..AddressHealth::default()
        };
        (entries, health)
    }

    /// Ports that nothing uses: asked beside the others, to find out whether something answers for the server.
    fn decoys(&self, asked: &[u16]) -> Vec<u16> {
        if self.plan.sweep || !self.plan.decoys {
            // In a sweep every port is asked anyway.
            return Vec::new();
        }
        let asked: BTreeSet<u16> = asked.iter().copied().collect();
        let mut decoys = BTreeSet::new();
        while decoys.len() < DECOYS {
            let port = fastrand::u16(DECOY_RANGE);
            if !asked.contains(&port) {
                decoys.insert(port);
            }
        }
        decoys.into_iter().collect()
    }

    async fn ask_decoys(&self, decoys: &[u16]) -> Vec<(u16, bool)> {
        let ask = decoys.iter().map(|port| async move {
            let entry = self.ask(port_question(Transport::Tcp, *port), &Known::default()).await;
            (*port, state(&entry) == Some(PortState::Open))
        });
        futures::future::join_all(ask).await
    }

    async fn tcp_ports(&self, ports: &[u16]) -> Vec<Entry> {
        let ask = ports.iter().map(|port| async move {
            let entry = self.ask(port_question(Transport::Tcp, *port), &Known::default()).await;
            self.events.tell(Event::Asked { target: self.number, questions: 1 });
            entry
        });
        stream::iter(ask).buffer_unordered(AT_ONCE).collect().await
    }

    async fn udp_ports(&self, ports: &[u16]) -> Vec<Entry> {
        let peer = self.peer();
        let peer = &peer;
        let batches = ports.chunks(UDP_BATCH).map(|batch| async move {
            let outcomes = self.stop.unless(self.asker.ask_udp_ports(peer, batch)).await;
            self.events.tell(Event::Asked { target: self.number, questions: batch.len() });
            match outcomes {
                Ok(outcomes) => outcomes
                    .into_iter()
                    .map(|(port, outcome)| self.entry(port_question(Transport::Udp, port), outcome))
                    .collect::<Vec<Entry>>(),
                Err(skip) => {
                    batch.iter().map(|port| self.skipped(port_question(Transport::Udp, *port), skip.clone())).collect()
                }
            }
        });
        futures::future::join_all(batches).await.into_iter().flatten().collect()
    }

    /// Finds out what speaks on an open port, and asks what the items want to know of it.
    async fn look_into(&self, port: u16) -> Vec<Entry> {
        if self.plan.follow_up.service.is_empty() {
            return Vec::new();
        }
        let known = Known { logical_port: Some(self.target.logical(Transport::Tcp, port)), ..Known::default() };
        let service = self.counted(vec![Question::Service { port }], &known).await;
        let Some(Fact::Service { service: speaks, tls }) =
            service.first().and_then(|entry| entry.attempt.fact()).cloned()
        else {
            return service;
        };
        let known = Known { scheme: speaks.scheme(), preface: tls, ..known };
        let questions = self.follow_up(port, &speaks, tls);
        let mut entries = service;
        entries.extend(self.counted(questions, &known).await);
        entries
    }

    /// What the items want to know of a port where `service` speaks.
    fn follow_up(&self, port: u16, service: &Service, tls: Option<TlsPreface>) -> Vec<Question> {
        let wanted = &self.plan.follow_up;
        let mut questions = Vec::new();
        if tls.is_some() {
            let named = self.target.server_name().is_some();
            let both = if named { [true, false].as_slice() } else { [false].as_slice() };
            for sni in both.iter().copied().filter(|_| !wanted.tls_versions.is_empty()) {
                questions.extend(TlsVersion::ALL.map(|version| Question::TlsVersion { port, version, sni }));
            }
            if !wanted.certificate.is_empty() {
                questions.push(Question::Certificate { port, sni: named });
            }
        }
        if let Some(Scheme::Http | Scheme::Https) = service.scheme() {
            questions.extend(wanted.http.keys().map(|request| Question::Http { port, request: *request }));
            if !wanted.products.is_empty() {
                questions.push(Question::Products { port });
            }
        }
        if matches!(service, Service::Rdp { .. }) && !wanted.rdp_nla.is_empty() {
            questions.push(Question::RdpNla { port });
        }
        if matches!(service, Service::Smb { .. }) && !wanted.smb1.is_empty() {
            questions.push(Question::Smb1 { port });
        }
        questions
    }

    /// Asks several questions side by side, and counts them for the listeners.
    async fn counted(&self, questions: Vec<Question>, known: &Known) -> Vec<Entry> {
        self.events.tell(Event::Planned { target: self.number, questions: questions.len() });
        let ask = questions.into_iter().map(|question| async move {
            let entry = self.ask(question, known).await;
            self.events.tell(Event::Asked { target: self.number, questions: 1 });
            entry
        });
        futures::future::join_all(ask).await
    }

    /// Asks a port again that had answered. The target may have begun to drop us half-way, and then later silence says
    /// nothing. An open port is the better witness; a closed one may be silent by a limit on resets.
    async fn stopped_answering(&self, entries: &[Entry]) -> bool {
        let silent = |entry: &Entry| state(entry) == Some(PortState::Filtered);
        if !entries.iter().any(silent) {
            return false;
        }
        let Some(port) = open_ports(entries).into_iter().next() else { return false };
        let again = self.ask(port_question(Transport::Tcp, port), &Known::default()).await;
        matches!(state(&again), Some(state) if state != PortState::Open)
    }

    fn troubles(&self, entries: &[Entry]) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut add = |trouble: Trouble| {
            if !troubles.contains(&trouble) {
                troubles.push(trouble);
            }
        };
        for entry in entries {
            match &entry.attempt {
                Attempt::Skipped { skip: Skip::NoRoute } => add(Trouble::NoRoute { address: self.address }),
                Attempt::Skipped { skip: skip @ (Skip::Interrupted | Skip::OutOfTime) } => add(trouble_of(skip)),
                Attempt::Failed { failure } => match (failure.blame, &failure.cause) {
                    (Blame::Bug, cause) => add(Trouble::Bug { message: cause.to_string() }),
                    (Blame::Ourselves, cause @ (Cause::Exhausted { .. } | Cause::Forbidden { .. })) => {
                        add(Trouble::Ourselves { message: cause.to_string() });
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        troubles
    }

    fn peer(&self) -> Peer {
        Peer { address: self.address, name: self.target.server_name().map(str::to_owned) }
    }

    async fn ask(&self, question: Question, known: &Known) -> Entry {
        // One future can ask anything, so it is as large as the largest question: it is kept off the callers' frames.
        let peer = self.peer();
        let asked = Box::pin(self.asker.ask(&peer, question, known));
        match self.stop.unless(asked).await {
            Ok(outcome) => self.entry(question, outcome),
            Err(skip) => self.skipped(question, skip),
        }
    }

    fn entry(&self, question: Question, outcome: Outcome) -> Entry {
        Entry {
            id: ObservationId(0),
            address: self.address,
            question,
            started_ms: outcome.started_ms,
            elapsed_ms: outcome.elapsed_ms,
            elapsed_max_ms: outcome.elapsed_ms,
            tries: outcome.tries,
            attempt: outcome.attempt,
        }
    }

    fn skipped(&self, question: Question, skip: Skip) -> Entry {
        Entry {
            id: ObservationId(0),
            address: self.address,
            question,
            started_ms: 0,
            elapsed_ms: 0,
            elapsed_max_ms: 0,
            tries: 0,
            attempt: Attempt::Skipped { skip },
        }
    }
}

/// The question about one port. Ports of a plan are never 0, which `Ports` forbids.
fn port_question(transport: Transport, port: u16) -> Question {
    let port = port.max(1);
    let ports = Ports::one(transport, port).unwrap_or_else(|| unreachable!("{port} is a port"));
    Question::Port { ports }
}

fn state(entry: &Entry) -> Option<PortState> {
    match entry.attempt.fact() {
        Some(Fact::Port(fact)) => Some(fact.state),
        _ => None,
    }
}

fn open_ports(entries: &[Entry]) -> Vec<u16> {
    let tcp = entries.iter().filter(|entry| entry.question.transport() == Transport::Tcp);
    let mut open: Vec<u16> =
        tcp.filter(|entry| state(entry) == Some(PortState::Open)).map(|entry| entry.question.port()).collect();
    open.sort_unstable();
    open
}

/// Whether something answered that shows the target, or a firewall that guards it, to be there. A router that cannot
/// deliver (host or network unreachable) shows the opposite.
fn is_sign_of_life(entry: &Entry) -> bool {
    let Some(Fact::Port(fact)) = entry.attempt.fact() else { return false };
    match (fact.state, &fact.reason) {
        (PortState::Rejected, PortReason::Icmp { v6: false, code, .. }) => !matches!(code, 0 | 1),
        (PortState::Rejected, PortReason::Icmp { v6: true, code, .. }) => !matches!(code, 0 | 3),
        (PortState::Rejected, _) => false,
        // Silence at first and a router's word later is no answer of the target's.
        (PortState::Unstable, PortReason::Disagreement { tries }) => tries.iter().any(|state| is_answer(*state)),
        (state, _) => is_answer(state) || state == PortState::Unstable,
    }
}

fn is_answer(state: PortState) -> bool {
    matches!(state, PortState::Open | PortState::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::PortFact;

    #[test]
    fn a_routers_word_after_silence_is_no_sign_of_life() {
        let life = |tries: Vec<PortState>| {
            let fact =
                PortFact { state: PortState::Unstable, reason: PortReason::Disagreement { tries }, sender: None };
            is_sign_of_life(&Entry {
                id: ObservationId(0),
                address: IpAddr::from([192, 0, 2, 1]),
                question: port_question(Transport::Tcp, 443),
                started_ms: 0,
                elapsed_ms: 0,
                elapsed_max_ms: 0,
                tries: 3,
                attempt: Attempt::Answered { fact: Fact::Port(fact) },
            })
        };
        assert!(!life(vec![PortState::Filtered, PortState::Rejected, PortState::Filtered]));
        assert!(life(vec![PortState::Filtered, PortState::Closed]) && life(vec![PortState::Open, PortState::Filtered]));
    }
}
