//! The ports of one address, what is known of each so far, and the sending and receiving.

use super::course::{Course, Manner, Silence};
use super::exchange::{self, Unsent};
use super::socket::{interest, is_here, is_ours, next_datagram, next_notice};
use super::{Answer, Asked};
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::peer_text::PeerText;
use crate::model::udp::UdpProtocol;
use crate::net::error_queue::Notice;
use crate::net::tcp::icmp_fact;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tracing::trace;

/// How much of a datagram is kept as evidence, in bytes.
const EVIDENCE: usize = 64;

/// The ports of one address and what is known of them so far.
pub(super) struct Batch {
    pub(super) address: IpAddr,
    pub(super) course: Course,
    /// Whether this machine asks itself.
    here: bool,
    ports: Vec<Port>,
    places: HashMap<u16, usize>,
    read: fn(u16, &[u8]) -> Option<UdpProtocol>,
    began: Instant,
}

#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    pub(super) answer: Option<Answer>,
    /// How many datagrams were sent before there was an answer.
    pub(super) tries: u32,
    started: Option<Instant>,
    ended: Option<Instant>,
}

/// Waits for something to arrive.
pub(super) async fn arrival(socket: &UdpSocket) {
    if let Err(error) = socket.ready(interest()).await {
        trace!(%error, "waiting for datagrams");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Batch {
    /// `ports` in groups of these `sizes`.
    pub(super) fn new(
        address: IpAddr,
        ports: &[u16],
        sizes: &[usize],
        manner: Manner,
        read: fn(u16, &[u8]) -> Option<UdpProtocol>,
    ) -> Self {
        let new = |&number: &u16| Port { number, answer: None, tries: 0, started: None, ended: None };
        Self {
            address,
            course: Course::new(sizes, manner),
            here: is_here(address),
            ports: ports.iter().map(new).collect(),
            places: ports.iter().enumerate().map(|(place, &port)| (port, place)).collect(),
            read,
            began: Instant::now(),
        }
    }

    /// The time since asking began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) async fn send(&mut self, socket: &UdpSocket, place: usize, payload: fn(u16) -> Vec<u8>) {
        let Some(port) = self.ports.get_mut(place) else { return };
        port.started.get_or_insert_with(Instant::now);
        if port.answer.is_none() {
            port.tries += 1;
        }
        let peer = SocketAddr::new(self.address, port.number);
        // Before it leaves: over loopback the answer is there before `send` returns.
        self.course.sent(self.now(), place);
        if let Err(answer) = self.send_one(socket, peer, &payload(peer.port())).await {
            self.settle(peer.port(), answer);
        }
    }

    async fn send_one(&mut self, socket: &UdpSocket, peer: SocketAddr, payload: &[u8]) -> Result<(), Answer> {
        exchange::send(socket, peer, payload, || self.drain_errors(socket)).await.map_err(|unsent| match unsent {
            Unsent::NoRoute => Answer::NoRoute,
            Unsent::Unreachable => {
                let (state, reason) = (PortState::Rejected, PortReason::Unreachable);
                Answer::State(PortFact { state, reason, sender: None })
            }
            Unsent::Failed(failure) => Answer::Failed(failure),
        })
    }

    /// Takes everything that has arrived.
    pub(super) fn receive(&mut self, socket: &UdpSocket) {
        self.drain_errors(socket);
        self.drain_datagrams(socket);
    }

    /// Empties the error queue; whether it held anything.
    fn drain_errors(&mut self, socket: &UdpSocket) -> bool {
        let mut any = false;
        // `try_io` clears the readiness when the queue is empty; without it the next wait would not be one.
        while let Some(notice) = next_notice(socket) {
            any = true;
            if let Notice { destination: Some(asked), icmp: Some(icmp) } = notice
                && asked.ip() == self.address
            {
                self.settle(asked.port(), Answer::State(icmp_fact(self.address, icmp)));
            }
        }
        any
    }

    fn drain_datagrams(&mut self, socket: &UdpSocket) {
        let mut buffer = [0; 2048];
        loop {
            match next_datagram(socket, &mut buffer) {
                // Our own, from this socket or another.
                Ok((_, from)) if self.here && from.ip() == self.address && is_ours(from.port()) => {}
                Ok((length, from)) if from.ip() == self.address => {
                    let bytes = buffer.get(..length).unwrap_or(&buffer);
                    let first_bytes = PeerText::from_bytes(bytes, EVIDENCE);
                    let reason = PortReason::Datagram { length, first_bytes, speaks: (self.read)(from.port(), bytes) };
                    self.settle(from.port(), Answer::State(PortFact { state: PortState::Open, reason, sender: None }));
                }
                // A stranger's.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A pending error of some port: its entry is in the queue.
                Err(_) => {
                    if !self.drain_errors(socket) {
                        break;
                    }
                }
            }
        }
    }

    /// Writes down an answer. A second one that differs makes the port unstable.
    pub(super) fn settle(&mut self, number: u16, answer: Answer) {
        let now = self.now();
        let Some(&place) = self.places.get(&number) else { return };
        let Some(port) = self.ports.get_mut(place).filter(|port| port.tries > 0) else { return };
        let told = match &answer {
            Answer::State(fact) => Told::of(fact, self.address),
            Answer::Failed(_) | Answer::NoRoute | Answer::Unfinished => Told::Other,
        };
        match told {
            Told::Refused { by_host } => self.course.refused(now, place, by_host),
            Told::Datagram => self.course.answered(now, place),
            Told::Other => self.course.settle(place),
        }
        match (&port.answer, &answer) {
            (None, _) => {
                port.answer = Some(answer);
                port.ended = Some(Instant::now());
            }
            (Some(Answer::State(before)), Answer::State(now)) if before.state != now.state => {
                let mut tries = match &before.reason {
                    PortReason::Disagreement { tries } => tries.clone(),
                    _ => vec![before.state],
                };
                if tries.last() != Some(&now.state) && tries.len() < 8 {
                    tries.push(now.state);
                }
                let reason = PortReason::Disagreement { tries };
                port.answer = Some(Answer::State(PortFact { state: PortState::Unstable, reason, sender: now.sender }));
                self.course.settle(place);
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Vec<Asked> {
        let now = Instant::now();
        let course = self.course;
        let asked = |(place, port): (usize, Port)| {
            let started = port.started.unwrap_or(now);
            Asked {
                port: port.number,
                answer: port.answer.unwrap_or_else(|| silent(course.silence(place))),
                tries: port.tries,
                started,
                elapsed: port.ended.unwrap_or(now).saturating_duration_since(started),
            }
        };
        self.ports.into_iter().enumerate().map(asked).collect()
    }

    #[cfg(test)]
    pub(super) fn port(&mut self, place: usize) -> &mut Port {
        &mut self.ports[place]
    }
}

/// What an answer tells about the asking of further ports.
enum Told {
    Refused {
        by_host: bool,
    },
    Datagram,
    /// Nothing: neither the host's own word nor a refusal.
    Other,
}

impl Told {
    fn of(fact: &PortFact, address: IpAddr) -> Self {
        match fact.state {
            PortState::Open => Self::Datagram,
            PortState::Closed => Self::Refused { by_host: true },
            PortState::Rejected if !fact.is_undeliverable() => Self::Refused { by_host: fact.sender == Some(address) },
            _ => Self::Other,
        }
    }
}

fn silent(silence: Silence) -> Answer {
    let reason = match silence {
        Silence::Unfinished => return Answer::Unfinished,
        Silence::Plain => PortReason::Silence,
        Silence::Rationed(rationed) => PortReason::Rationed(rationed),
        Silence::AmongRefusals { refusals, tries } => PortReason::SilentAmongRefusals { refusals, tries },
    };
    Answer::State(PortFact { state: PortState::OpenOrFiltered, reason, sender: None })
}
