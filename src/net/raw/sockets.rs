//! The sockets of one family: sending whole packets, hearing segments and ICMP messages, and the local ports.

use super::RawUnavailable;
use super::awaited::Awaited;
use super::filter;
use crate::model::observation::Stage;
use crate::net::error_queue::{self, Notice};
use crate::net::failure::{from_io, is_exhausted};
use crate::net::limits::{patiently, patiently_from};
use crate::wire::segment::{self, Syn};
use nix::sys::socket::sockopt::{RcvBufForce, RxqOvfl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tracing::debug;

/// The protocol number for "what is sent has its IP header" (raw(7), `IPPROTO_RAW`).
const WITH_HEADER: i32 = 255;

/// How much the system may queue for us, in bytes: a hundred milliseconds of answers at 60,000 a second, of which each
/// occupies about a kilobyte. It may grant less.
const RECEIVE_BUFFER: usize = 8 << 20;

/// How long an answer of this same machine may take.
const OWN_ANSWER: Duration = Duration::from_millis(200);

/// How many packets are taken before others get their turn.
const BATCH: usize = 256;

/// How often so many are taken to catch up: more than a receive buffer holds.
const BATCHES: usize = 256;

/// The first pause when the system's queue is full: time for a thousand packets, which a queue commonly holds, at a million
/// a second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Room for the control messages that are asked for: a hop limit and a count.
const CONTROL: usize = 128;

/// Raw sockets are waited for as datagram sockets are, and Tokio's type for those is the safe one that fits.
#[derive(Debug)]
pub(super) struct Sockets {
    v6: bool,
    /// Sends whole packets.
    sender: UdpSocket,
    /// Those that wait for the system's queue to have room.
    turn: tokio::sync::Mutex<()>,
    /// Hears segments, and ICMP messages in its error queue.
    hearer: UdpSocket,
    /// Held while what was heard is told; when everything was told that had come until then.
    told: Mutex<Instant>,
    /// Hold the local ports.
    _bound: Vec<Socket>,
    ports: Vec<u16>,
    overflowed: AtomicU64,
}

impl Sockets {
    pub(super) fn open(v6: bool) -> Result<Self, RawUnavailable> {
        let (sender, hearer) = (sender(v6)?, hearer(v6)?);
        let bound = (0..filter::MOST_PORTS).map(|_| bound(v6)).collect::<io::Result<Vec<_>>>()?;
        let ports: Vec<u16> =
            bound.iter().filter_map(|socket| Some(socket.local_addr().ok()?.as_socket()?.port())).collect();
        // Where there is no such filter, what is not ours is left out later.
        if let Err(error) = hearer.attach_filter(&filter::answers_to(&ports, v6)) {
            debug!(%error, "no filter in the kernel");
        }
        hears_itself(&sender, &hearer, &ports, v6)?;
        let asynchronous = |socket: Socket| {
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket.into())
        };
        Ok(Self {
            v6,
            sender: asynchronous(sender)?,
            turn: tokio::sync::Mutex::default(),
            hearer: asynchronous(hearer)?,
            told: Mutex::new(Instant::now()),
            _bound: bound,
            ports,
            overflowed: AtomicU64::new(0),
        })
    }

    /// The local ports.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// How many packets the system threw away because we were slow.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Sends `packet` to `peer`, waiting while this machine has no room for it; when it was sent at last.
    pub(super) async fn send(&self, packet: &[u8], peer: SocketAddr) -> io::Result<Instant> {
        let peer = without_port(peer);
        match self.try_send(packet, peer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock || is_exhausted(&error) => {}
            done => return done,
        }
        // One asks whether there is room again, the others wait for him.
        let _turn = self.turn.lock().await;
        loop {
            // A queue is usually empty within milliseconds; one that is not deserves more patience.
            let mut sent = patiently_from(FIRST_PAUSE, || self.try_send(packet, peer)).await;
            if sent.as_ref().is_err_and(is_exhausted) {
                sent = patiently(|| self.try_send(packet, peer)).await;
            }
            match sent {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.sender.writable().await?,
                done => return done,
            }
        }
    }

    fn try_send(&self, packet: &[u8], peer: SocketAddr) -> io::Result<Instant> {
        // Before it is sent: from this machine the answer is there before `send_to` returns.
        let at = Instant::now();
        self.sender.try_send_to(packet, peer).map(|_| at)
    }

    /// Tells `awaited` whatever comes, until that fails for good.
    pub(super) async fn hear(&self, awaited: &Awaited) -> io::Result<()> {
        let emptied = |taken: &io::Result<()>| taken.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        loop {
            self.hearer.ready(Interest::READABLE | Interest::ERROR).await?;
            // One after the other: `try_io` knows no two interests at once. Only what ends with "nothing there" is waited for again.
            let told = self.told();
            let packets = self.hearer.try_io(Interest::READABLE, || self.take_packets(awaited));
            let notices = self.hearer.try_io(Interest::ERROR, || self.take_notices(awaited));
            drop(told);
            if emptied(&packets) && emptied(&notices) {
                continue;
            }
            if let Err(error) = packets
                && error.kind() != ErrorKind::WouldBlock
            {
                debug!(%error, "hearing answers");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Tells `awaited` everything that came until `until`, at once. A busy machine may be late with listening; what lies
    /// unheard in a queue is no silence.
    pub(super) fn catch_up(&self, awaited: &Awaited, until: Instant) {
        let would_block = |taken: io::Result<()>| taken.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        for _ in 0..BATCHES {
            let mut told = self.told();
            if *told >= until {
                return;
            }
            let now = Instant::now();
            if would_block(self.take_packets(awaited)) & would_block(self.take_notices(awaited)) {
                *told = now;
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Instant> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the packets that are there, a few at a time; fails with "would block" when none is left.
    fn take_packets(&self, awaited: &Awaited) -> io::Result<()> {
        let mut buffer = [0; segment::LIMIT];
        let mut unexplained = false;
        for _ in 0..BATCH {
            match next(self.hearer.as_raw_fd(), &mut buffer) {
                Ok(Some(message)) => self.tell(awaited, &message, &buffer),
                Ok(None) => return Err(ErrorKind::WouldBlock.into()),
                // What an ICMP message left behind; the message itself is in the error queue, or was there already.
                Err(_) if self.notices(awaited) > 0 => {}
                Err(error) if std::mem::replace(&mut unexplained, true) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes what is in the error queue, a few at a time; fails with "would block" when nothing is left.
    fn take_notices(&self, awaited: &Awaited) -> io::Result<()> {
        if self.notices(awaited) < BATCH { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn tell(&self, awaited: &Awaited, message: &Message, buffer: &[u8]) {
        if let Some(overflowed) = message.overflowed {
            self.overflowed.fetch_max(overflowed.into(), Ordering::Relaxed);
        }
        let (bytes, now) = (buffer.get(..message.length).unwrap_or(buffer), Instant::now());
        if self.v6 {
            if let (Some(segment), Some(source)) = (segment::read_segment(bytes).done(), message.source) {
                awaited.segment(source, message.hop_limit, &segment, now);
            }
        } else if let Some(packet) = segment::read_packet(bytes).done() {
            awaited.segment(packet.source.into(), packet.ttl, &packet.segment, now);
        }
    }

    /// How many entries of the error queue were taken.
    fn notices(&self, awaited: &Awaited) -> usize {
        let mut quoted = [0; 20];
        for taken in 0..BATCH {
            let Ok(Some((notice, length))) = error_queue::next_quoting(&self.hearer, &mut quoted) else { return taken };
            let Notice { destination: Some(destination), icmp: Some(icmp) } = notice else { continue };
            if let Some(quoted) = segment::read_quoted(quoted.get(..length).unwrap_or(&quoted)).done() {
                awaited.icmp(destination.ip(), quoted, icmp, Instant::now());
            }
        }
        BATCH
    }
}

/// What came with a packet.
#[derive(Debug)]
struct Message {
    length: usize,
    source: Option<IpAddr>,
    /// 0 where it is in the packet.
    hop_limit: u8,
    /// How many packets were thrown away before this one came, where any were.
    overflowed: Option<u32>,
}

/// Takes the next packet; `None` when there is none. Waits only if the socket does.
fn next(socket: RawFd, buffer: &mut [u8]) -> io::Result<Option<Message>> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = [0; CONTROL];
    let received = match recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut control), MsgFlags::empty()) {
        Ok(received) => received,
        Err(nix::errno::Errno::EAGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let address = received.address.as_ref();
    let v4 = address.and_then(|address| address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip())));
    let v6 = address.and_then(|address| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())));
    let mut message = Message { length: received.bytes, source: v4.or(v6), hop_limit: 0, overflowed: None };
    for control in received.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv6HopLimit(limit) => message.hop_limit = u8::try_from(limit).unwrap_or_default(),
            ControlMessageOwned::RxqOvfl(count) => message.overflowed = Some(count),
            _ => {}
        }
    }
    Ok(Some(message))
}

fn domain(v6: bool) -> Domain {
    if v6 { Domain::IPV6 } else { Domain::IPV4 }
}

fn sender(v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(domain(v6), Type::RAW, Some(Protocol::from(WITH_HEADER)))?;
    // Only who asks for errors is told that a packet was dropped on the way to the network card. Errors of the network go
    // to sockets of the protocol TCP, which this one is not.
    error_queue::enable(&socket, v6)?;
    Ok(socket)
}

fn hearer(v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(domain(v6), Type::RAW, Some(Protocol::TCP))?;
    error_queue::enable(&socket, v6)?;
    if v6 {
        socket.set_recv_hoplimit_v6(true)?;
    }
    // What follows only helps.
    let beyond_limit = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    if beyond_limit.is_err()
        && let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER)
    {
        debug!(%error, "the receive buffer stays as it is");
    }
    if let Err(error) = setsockopt(&socket, RxqOvfl, &1) {
        debug!(%error, "lost answers are not counted");
    }
    Ok(socket)
}

/// A socket that does nothing but hold a local port.
fn bound(v6: bool) -> io::Result<Socket> {
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = Socket::new(domain(v6), Type::STREAM, Some(Protocol::TCP))?;
    if v6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SocketAddr::new(any, 0).into())?;
    Ok(socket)
}

/// The address of `peer`; the port is in the packet, and IPv6 takes it for a protocol here.
fn without_port(mut peer: SocketAddr) -> SocketAddr {
    peer.set_port(0);
    peer
}

impl From<io::Error> for RawUnavailable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::Forbidden,
            _ => Self::Failed(from_io(Stage::Socket, &error)),
        }
    }
}

/// Asks one of our own ports, on which nobody listens, over loopback: the system must refuse, and we must hear it.
fn hears_itself(sender: &Socket, hearer: &Socket, ports: &[u16], v6: bool) -> Result<(), RawUnavailable> {
    let here: IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let (Some(&from), Some(&to)) = (ports.first(), ports.last()) else { return Err(RawUnavailable::Deaf) };
    let (from, to) = (SocketAddr::new(here, from), SocketAddr::new(here, to));
    let sequence = fastrand::u32(..);
    sender.send_to(&Syn { from, to, sequence, clock: 0 }.packet(), &without_port(to).into())?;
    hearer.set_read_timeout(Some(OWN_ANSWER))?;
    let mut buffer = [0; segment::LIMIT];
    let until = Instant::now() + OWN_ANSWER;
    while Instant::now() < until {
        let Ok(Some(message)) = next(hearer.as_raw_fd(), &mut buffer) else { break };
        let bytes = buffer.get(..message.length).unwrap_or(&buffer);
        let segment = if v6 {
            segment::read_segment(bytes).done()
        } else {
            segment::read_packet(bytes).done().map(|packet| packet.segment)
        };
        if segment.and_then(|segment| segment.answer()) == Some((segment::Answer::Reset, sequence)) {
            return Ok(());
        }
    }
    Err(RawUnavailable::Deaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// The handshakes and the data of other programs must not cost us anything.
    #[tokio::test]
    async fn only_answers_to_our_own_ports_are_heard() {
        for v6 in [false, true] {
            let sockets = match Sockets::open(v6) {
                Ok(sockets) => sockets,
                Err(unavailable) => {
                    eprintln!("SKIPPED for IPv{}: {unavailable}", if v6 { 6 } else { 4 });
                    continue;
                }
            };
            let here: IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
            let listener = TcpListener::bind((here, 0)).unwrap();
            let peer = listener.local_addr().unwrap();
            let mut buffer = [0; segment::LIMIT];
            let mut heard = || next(sockets.hearer.as_raw_fd(), &mut buffer).unwrap().map(|message| message.length);
            for _ in 0..3 {
                let _connected = (TcpStream::connect(peer).unwrap(), listener.accept().unwrap());
            }
            assert_eq!(heard(), None, "IPv6: {v6}");
            for &port in sockets.ports() {
                let from = SocketAddr::new(here, port);
                let packet = Syn { from, to: peer, sequence: 1, clock: 0 }.packet();
                sockets.send(&packet, peer).await.unwrap();
                assert!(heard().is_some(), "the answer to {from}");
                // Our own SYN, which loopback brings back to us, is none.
                assert_eq!(heard(), None, "after the answer to {from}");
            }
        }
    }
}
