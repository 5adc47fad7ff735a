//! One address of a target: its ports, then what speaks on the open ones, then what the items want to know of that, and
//! at last whether the target still answers as it did at first.

use super::event::{Event, Events};
use super::log::Entry;
use super::plan::Plan;
use super::stop::Stop;
use crate::model::fact::{Fact, PortReason, PortState};
use crate::model::http::Scheme;
use crate::model::observation::{Attempt, Blame, Cause, Failure, ObservationId, Skip, Stage};
use crate::model::peer_text::PeerText;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, Trouble};
use crate::model::service::Service;
use crate::model::target::Target;
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::probe::{Asker, Known, Outcome, Peer, WitnessSettings};
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// How many questions are under way at once to one address; the asker's pace and permits bound them further.
const AT_ONCE: usize = 4096;

/// How many open ports are looked into at once: each costs several connections.
const PORTS_AT_ONCE: usize = 24;

/// How many open ports of an address are looked into at all. More are open only where something answers for the server.
const PORTS_LOOKED_INTO: usize = 200;

/// How many ports of a sweep are asked before it is checked again that the target still answers.
const SWEPT_BETWEEN_CHECKS: usize = 2048;

/// How long that check may take. It is asked once with every try that a port gets.
const CHECK_WITHIN: Duration = Duration::from_secs(20);

/// How long questions that were turned away are asked again one by one, for one port.
const ALONE_WITHIN: Duration = Duration::from_secs(10);

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
    pub(super) witness: Option<&'a WitnessSettings>,
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
        let udp = self.plan.numbers(Transport::Udp);
        self.events.tell(Event::Planned { target: self.number, questions: udp.len() });
        let ((mut entries, mut health), udp) = futures::join!(self.tcp(), self.udp_ports(&udp));
        entries.extend(udp);
        let proved = self.prove(&mut entries).await;
        health.answered = proved.reached || entries.iter().any(is_sign_of_life);
        let mut troubles = self.troubles(&entries);
        troubles.extend(proved.trouble);
        if health.stopped_answering {
            troubles.push(Trouble::StoppedAnswering { address: self.address });
        }
        Done { health, entries, troubles }
    }

    /// Everything over TCP: the ports that items want and what speaks on the open ones, then the rest of a sweep; and again
    /// and again whether the target still answers.
    async fn tcp(&self) -> (Vec<Entry>, AddressHealth) {
        let wanted = self.plan.numbers(Transport::Tcp);
        let decoys = self.decoys(&wanted);
        let mut health = AddressHealth { decoys_asked: decoys.len(), ..AddressHealth::default() };
        let (mut entries, decoys) = futures::join!(self.tcp_ports(&wanted), self.tcp_ports(&decoys));
        health.decoys_open = open_ports(&decoys);
        health.decoys_speak = self.speaks(health.decoys_open.first().copied()).await;
        self.check_again(&mut health, &entries).await;
        let mut looked_into = self.look_into_open(&mut entries, 0).await;
        let rest = self.plan.rest_of_sweep();
        for part in rest.chunks(SWEPT_BETWEEN_CHECKS) {
            let found = self.tcp_ports(part).await;
            self.check_again(&mut health, entries.iter().chain(&found)).await;
            entries.extend(found);
        }
        if !rest.is_empty() {
            looked_into += self.look_into_open(&mut entries, looked_into).await;
        }
        if looked_into > 0 {
            self.check_again(&mut health, &entries).await;
        }
        (entries, health)
    }

    /// Whether an open decoy answers like a service, as a proxy with an error page for everything would.
    async fn speaks(&self, decoy: Option<u16>) -> bool {
        let Some(port) = decoy else { return false };
        let answer = self.ask(Question::Service { port }, &Known::default()).await;
        matches!(answer.attempt.fact(), Some(Fact::Service { service, .. }) if service.is_protocol_answer())
    }

    /// Looks into the open ports that nobody has looked into, as long as there are not too many; says how many those were.
    async fn look_into_open(&self, entries: &mut Vec<Entry>, before: usize) -> usize {
        let seen: BTreeSet<u16> = entries
            .iter()
            .filter(|entry| matches!(entry.question, Question::Service { .. }))
            .map(|entry| entry.question.port())
            .collect();
        let mut open = open_ports(entries);
        open.retain(|port| !seen.contains(port));
        open.truncate(PORTS_LOOKED_INTO.saturating_sub(before));
        let looked_into = open.iter().map(|port| self.look_into(*port));
        let found: Vec<Vec<Entry>> = stream::iter(looked_into).buffer_unordered(PORTS_AT_ONCE).collect().await;
        entries.extend(found.into_iter().flatten());
        open.len()
    }

    /// Ports that nothing uses: asked beside the others, to find out whether something answers for the server. In a sweep
    /// they are among the ports that it asks anyway.
    fn decoys(&self, asked: &[u16]) -> Vec<u16> {
        if !self.plan.decoys {
            return Vec::new();
        }
        let asked: BTreeSet<u16> = asked.iter().copied().collect();
        let mut free: Vec<u16> = DECOY_RANGE.filter(|port| !asked.contains(port)).collect();
        if free.len() < DECOYS {
            free = (1024..u16::MAX).filter(|port| !asked.contains(port)).collect();
        }
        let mut decoys = fastrand::choose_multiple(free, DECOYS);
        decoys.sort_unstable();
        decoys
    }

    async fn tcp_ports(&self, ports: &[u16]) -> Vec<Entry> {
        self.events.tell(Event::Planned { target: self.number, questions: ports.len() });
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
        let mut found = self.counted(questions, &known).await;
        self.ask_alone(&mut found, &known).await;
        entries.extend(found);
        entries
    }

    /// What the items want to know of a port where `service` speaks.
    fn follow_up(&self, port: u16, service: &Service, tls: Option<TlsPreface>) -> Vec<Question> {
        let wanted = &self.plan.follow_up;
        let mut questions = Vec::new();
        if tls.is_some() {
            let named = self.target.server_name().is_some();
            // SNI means nothing to MySQL, which counts every handshake that is broken off.
            let both =
                if named && tls != Some(TlsPreface::MySql) { [true, false].as_slice() } else { [false].as_slice() };
            for sni in both.iter().copied().filter(|_| !wanted.tls_versions.is_empty()) {
                questions.extend(TlsVersion::ALL.map(|version| Question::TlsVersion { port, version, sni }));
            }
            if !wanted.certificate.is_empty() {
                questions.push(Question::Certificate { port, sni: named && tls != Some(TlsPreface::MySql) });
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

    /// Asks again, one by one, what a server that serves only so many at once may have turned away: questions that failed,
    /// and hellos that met a closed connection. Those count as refused only when they are refused alone too, while the
    /// version that is known to work still does.
    async fn ask_alone(&self, entries: &mut [Entry], known: &Known) {
        let deadline = Instant::now() + ALONE_WITHIN;
        for entry in entries.iter_mut().filter(|entry| was_turned_away(entry)) {
            if Instant::now() >= deadline {
                return;
            }
            *entry = self.ask(entry.question, known).await;
        }
        for sni in [true, false] {
            let hello = |entry: &Entry| matches!(entry.question, Question::TlsVersion { sni: with, .. } if with == sni);
            let Some(control) =
                entries.iter().rfind(|entry| hello(entry) && is_accepted(entry)).map(|entry| entry.question)
            else {
                continue;
            };
            for entry in entries.iter_mut().filter(|entry| hello(entry) && is_hang_up(entry)) {
                let alone = self.ask(entry.question, known).await;
                let worked = is_hang_up(&alone) && is_accepted(&self.ask(control, known).await);
                *entry = alone;
                if is_hang_up(entry) && !worked {
                    let message = "connections are closed whatever is offered, so closing one refuses nothing";
                    let cause = Cause::Other { message: PeerText::new(message, 200) };
                    let failure = Failure { stage: Stage::Handshake, blame: Blame::Peer, cause };
                    entry.attempt = Attempt::Failed { failure };
                }
            }
        }
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

    /// Asks a port again that had answered. The target, or something before it, may have begun to drop us half-way, and
    /// then silence says nothing. An open port is the better witness; a closed one may be silent by a limit on resets, and
    /// that too makes silence worthless.
    async fn check_again(&self, health: &mut AddressHealth, entries: impl IntoIterator<Item = &Entry> + Clone) {
        let tcp = || entries.clone().into_iter().filter(|entry| entry.question.transport() == Transport::Tcp);
        if health.stopped_answering || !tcp().any(is_silence) {
            return;
        }
        let witness = |wanted| tcp().find(|entry| state(entry) == Some(wanted)).map(|entry| (entry.question, wanted));
        let Some((question, before)) = witness(PortState::Open).or_else(|| witness(PortState::Closed)) else { return };
        // A target's time may be over; this one question is asked all the same, for all others depend on it.
        let known = Known::default();
        let peer = self.peer();
        let again = Box::pin(self.asker.ask(&peer, question, &known));
        match self.stop.unless_interrupted(tokio::time::timeout(CHECK_WITHIN, again)).await {
            Ok(Ok(outcome)) => {
                let entry = self.entry(question, outcome);
                match state(&entry) {
                    Some(now) => health.stopped_answering = now != before,
                    None => health.recheck_missing = true,
                }
            }
            Ok(Err(_)) => health.stopped_answering = true,
            Err(_) => health.recheck_missing = true,
        }
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

/// Whether the connection was closed or reset before an answer, or could not be made.
fn was_turned_away(entry: &Entry) -> bool {
    matches!(&entry.attempt, Attempt::Failed { failure }
        if matches!(failure.cause, Cause::Closed | Cause::Reset | Cause::Refused | Cause::TimedOut { .. }))
}

/// Whether a hello met a closed or reset connection instead of a word.
fn is_hang_up(entry: &Entry) -> bool {
    matches!(entry.attempt.fact(), Some(Fact::Tls { answer: TlsAnswer::Closed | TlsAnswer::Reset }))
}

fn is_accepted(entry: &Entry) -> bool {
    matches!(entry.attempt.fact(), Some(Fact::Tls { answer: TlsAnswer::Accepted { .. } }))
}

fn open_ports(entries: &[Entry]) -> Vec<u16> {
    let tcp = entries.iter().filter(|entry| entry.question.transport() == Transport::Tcp);
    let mut open: Vec<u16> =
        tcp.filter(|entry| state(entry) == Some(PortState::Open)).map(|entry| entry.question.port()).collect();
    open.sort_unstable();
    open
}

/// Whether something answered that only the target can have sent. An ICMP message may be anybody's on the way: a provider
/// that rejects port 445 does not bring a dead host to life.
fn is_sign_of_life(entry: &Entry) -> bool {
    let Some(Fact::Port(fact)) = entry.attempt.fact() else { return false };
    match &fact.reason {
        PortReason::Disagreement { tries } => tries.iter().any(|state| is_answer(*state)),
        _ => is_answer(fact.state),
    }
}

/// Whether a port met silence, or a word that it could not be reached: what would be seen of a target that drops us.
fn is_silence(entry: &Entry) -> bool {
    matches!(entry.attempt.fact(), Some(Fact::Port(fact)) if fact.state == PortState::Filtered || fact.is_undeliverable())
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
