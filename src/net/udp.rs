//! Many UDP ports of one address over one socket.
//!
//! The socket is not connected, and its error queue names for every ICMP message the port that was asked and the sender.
//! Silence is never more than "open or filtered": a listener may have nothing to say to a stranger, and systems ration
//! their ICMP messages (Linux: about one a second after the first six), so that most closed ports of a range stay silent.
//! Where there is no error queue, only datagrams are seen.
//!
//! Scanning this same machine, sockets of our own may stand in the asked range: what they send is no answer.

use super::error_queue::{self, Notice};
use super::failure::from_io;
use super::limits::{Permit, patiently};
use super::pace::Pace;
use super::route;
use super::tcp::icmp_fact;
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::observation::{Failure, Stage};
use crate::model::peer_text::PeerText;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::trace;

/// How much of a datagram is kept as evidence, in bytes.
const EVIDENCE: usize = 64;

/// How much the system may queue for us, in bytes; it may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// How many pending errors of other ports are cleared before one `send` counts as failed.
const SEND_ATTEMPTS: u32 = 64;

/// How many local ports are tried so that none is among those asked.
const BINDS: u32 = 16;

/// The local ports that sockets of ours had. They stay here when the socket is gone: its datagrams may still be waiting in
/// the queue of another.
static OURS: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// How ports are asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// What is sent to each port.
    pub payload: fn(u16) -> Vec<u8>,
    /// How often a port that stays silent is asked.
    pub tries: u32,
    /// How long answers are waited for after the last datagram of a round.
    pub wait: Duration,
}

/// What came of asking a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A state, perhaps from silence.
    State(PortFact),
    /// This machine could not ask.
    Failed(Failure),
    /// This machine has no route to the address; nothing was sent.
    NoRoute,
}

/// A port that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The port.
    pub port: u16,
    /// What came of it.
    pub answer: Answer,
    /// How many datagrams were sent.
    pub tries: u32,
    /// When the first was sent, or would have been.
    pub started: Instant,
    /// From the first datagram to the answer, or to the end of the last wait.
    pub elapsed: Duration,
}

/// Asks `ports` of `address`, of which each is named once; one result for each, in the same order.
///
/// Returns early only with a failure that concerns all of them, and not before exhaustion was waited out. Dropping the
/// future closes the socket; what was learned is lost with it.
pub async fn ask(
    address: IpAddr,
    ports: &[u16],
    asking: Asking,
    pace: &Pace,
    _permit: Permit,
) -> Result<Vec<Asked>, Failure> {
    let socket = match patiently(|| open_beside(address, ports)).await {
        Ok(socket) => UdpSocket::from_std(socket).map_err(|error| from_io(Stage::Socket, &error))?,
        Err(error) if route::is_no_route(&error) => return Ok(all_without_route(ports)),
        Err(error) => return Err(from_io(Stage::Socket, &error)),
    };
    if !route::exists(address) {
        return Ok(all_without_route(ports));
    }
    let mut batch = Batch::new(address, ports);
    for _ in 0..asking.tries.max(1) {
        if !batch.round(&socket, asking, pace).await {
            break;
        }
    }
    Ok(batch.finish())
}

/// A socket whose own port is not among `ports`, where that can be had: on this same machine it would hear itself.
fn open_beside(address: IpAddr, ports: &[u16]) -> io::Result<std::net::UdpSocket> {
    let mut socket = open(address)?;
    if is_here(address) {
        for _ in 0..BINDS {
            if !ports.contains(&socket.local_addr()?.port()) {
                break;
            }
            // The next one is opened while this one still holds its port.
            socket = open(address)?;
        }
    }
    Ok(socket)
}

/// Whether `address` is this machine's own, as far as datagrams to it come from it.
fn is_here(address: IpAddr) -> bool {
    route::source(address) == Some(address)
}

/// Whether a socket of ours has, or had, this local port.
fn is_ours(port: u16) -> bool {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|ours| ours.contains(&port))
}

fn open(address: IpAddr) -> io::Result<std::net::UdpSocket> {
    let (domain, any): (_, IpAddr) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Less is enough for every real peer; more helps where a thousand answer at once.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        trace!(%error, "the receive buffer stays as it is");
    }
    error_queue::enable(&socket, address.is_ipv6())?;
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let socket = std::net::UdpSocket::from(socket);
    let port = socket.local_addr()?.port();
    OURS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(port);
    Ok(socket)
}

fn all_without_route(ports: &[u16]) -> Vec<Asked> {
    let (started, elapsed) = (Instant::now(), Duration::ZERO);
    ports.iter().map(|&port| Asked { port, answer: Answer::NoRoute, tries: 0, started, elapsed }).collect()
}

/// The ports of one address and what is known of them so far.
struct Batch {
    address: IpAddr,
    /// Whether this machine asks itself.
    here: bool,
    ports: Vec<Port>,
    index: HashMap<u16, usize>,
    /// How many have no answer yet.
    open: usize,
}

struct Port {
    number: u16,
    answer: Option<Answer>,
    tries: u32,
    started: Option<Instant>,
    ended: Option<Instant>,
}

impl Batch {
    fn new(address: IpAddr, ports: &[u16]) -> Self {
        let new = |&number: &u16| Port { number, answer: None, tries: 0, started: None, ended: None };
        Self {
            address,
            here: is_here(address),
            ports: ports.iter().map(new).collect(),
            index: ports.iter().enumerate().map(|(index, &port)| (port, index)).collect(),
            open: ports.len(),
        }
    }

    /// Asks every port that has no answer, listens meanwhile and `wait` longer; whether any is left without an answer.
    async fn round(&mut self, socket: &UdpSocket, asking: Asking, pace: &Pace) -> bool {
        let mut next = 0;
        while let Some(index) = self.next_unanswered(next) {
            tokio::select! {
                () = pace.datagram(self.address) => {
                    self.send(socket, index, asking.payload).await;
                    next = index + 1;
                }
                () = self.listen(socket) => {}
            }
        }
        let end = tokio::time::sleep(asking.wait);
        tokio::pin!(end);
        while self.open > 0 {
            tokio::select! {
                () = self.listen(socket) => {}
                () = &mut end => break,
            }
        }
        let now = Instant::now();
        for port in self.ports.iter_mut().filter(|port| port.answer.is_none()) {
            port.ended = Some(now);
        }
        self.open > 0
    }

    fn next_unanswered(&self, from: usize) -> Option<usize> {
        let later = self.ports.iter().enumerate().skip(from);
        later.filter(|(_, port)| port.answer.is_none()).map(|(index, _)| index).next()
    }

    async fn send(&mut self, socket: &UdpSocket, index: usize, payload: fn(u16) -> Vec<u8>) {
        let Some(port) = self.ports.get_mut(index) else { return };
        port.started.get_or_insert_with(Instant::now);
        port.tries += 1;
        let peer = SocketAddr::new(self.address, port.number);
        if let Err(answer) = self.send_one(socket, peer, &payload(peer.port())).await {
            self.settle(peer.port(), answer);
        }
    }

    async fn send_one(&mut self, socket: &UdpSocket, peer: SocketAddr, payload: &[u8]) -> Result<(), Answer> {
        let mut pause = Duration::from_millis(2);
        for attempt in 0..SEND_ATTEMPTS {
            let Err(error) = socket.try_send_to(payload, peer) else { return Ok(()) };
            if error.kind() == ErrorKind::WouldBlock {
                socket.writable().await.map_err(|error| Answer::Failed(from_io(Stage::Request, &error)))?;
                // After an ICMP error the socket counts as writable even while its buffer is full.
                tokio::task::yield_now().await;
                if attempt > 0 {
                    tokio::time::sleep(pause).await;
                }
            } else if self.drain_errors(socket) {
                // The error was another port's; nothing was sent.
            } else if super::failure::is_exhausted(&error) {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            } else if is_pending(&error) {
                // An error whose entry of the queue was read before.
            } else if route::is_no_route(&error) && !route::exists(self.address) {
                return Err(Answer::NoRoute);
            } else {
                return Err(Answer::Failed(from_io(Stage::Request, &error)));
            }
        }
        let full = io::Error::new(ErrorKind::OutOfMemory, "the system keeps refusing to send datagrams");
        Err(Answer::Failed(from_io(Stage::Request, &full)))
    }

    /// Waits for something to arrive and takes all of it.
    async fn listen(&mut self, socket: &UdpSocket) {
        let interest = if error_queue::AVAILABLE { Interest::READABLE | interest_error() } else { Interest::READABLE };
        if let Err(error) = socket.ready(interest).await {
            trace!(%error, "waiting for datagrams");
            tokio::time::sleep(Duration::from_millis(10)).await;
            return;
        }
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
            match socket.try_recv_from(&mut buffer) {
                // Our own, from this socket or another.
                Ok((_, from)) if self.here && from.ip() == self.address && is_ours(from.port()) => {}
                Ok((length, from)) if from.ip() == self.address => {
                    let first_bytes = PeerText::from_bytes(buffer.get(..length).unwrap_or(&buffer), EVIDENCE);
                    let reason = PortReason::Datagram { length, first_bytes };
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
    fn settle(&mut self, number: u16, answer: Answer) {
        let Some(port) = self.index.get(&number).and_then(|&index| self.ports.get_mut(index)) else {
            return;
        };
        if port.tries == 0 {
            return;
        }
        match (&port.answer, &answer) {
            (None, _) => {
                port.answer = Some(answer);
                port.ended = Some(Instant::now());
                self.open -= 1;
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
            }
            _ => {}
        }
    }

    fn finish(self) -> Vec<Asked> {
        let silent = || {
            let (state, reason) = (PortState::OpenOrFiltered, PortReason::Silence);
            Answer::State(PortFact { state, reason, sender: None })
        };
        let now = Instant::now();
        let asked = |port: Port| {
            let started = port.started.unwrap_or(now);
            Asked {
                port: port.number,
                answer: port.answer.unwrap_or_else(silent),
                tries: port.tries,
                started,
                elapsed: port.ended.unwrap_or(now).saturating_duration_since(started),
            }
        };
        self.ports.into_iter().map(asked).collect()
    }
}

/// Errors that answer an earlier datagram, whoever it was for.
fn is_pending(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn interest_error() -> Interest {
    Interest::ERROR
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn interest_error() -> Interest {
    Interest::READABLE
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn next_notice(socket: &UdpSocket) -> Option<Notice> {
    let taken = socket.try_io(Interest::ERROR, || {
        error_queue::next(socket).and_then(|notice| notice.ok_or_else(|| ErrorKind::WouldBlock.into()))
    });
    match taken {
        Ok(notice) => Some(notice),
        // Not known to be ready: a failed `send` may be ahead of the readiness event.
        Err(_) => error_queue::next(socket).ok().flatten(),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn next_notice(_socket: &UdpSocket) -> Option<Notice> {
    None
}

#[cfg(test)]
mod tests;
