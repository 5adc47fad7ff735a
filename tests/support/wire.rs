//! A wire that takes time and loses frames: joins two interfaces of a namespace, frame by frame.
//!
//! Which frames are lost is decided by their content and by how many of the kind came before, never by time or order
//! between kinds: the third SYN to a port has the same fate in every run with the same seed, whatever else is sent
//! meanwhile. ARP and neighbour discovery are never lost: a path that loses is not a neighbour that is gone.
//!
//! Carries some ten thousand frames a second, and none that is longer than an interface's.

use super::namespaces::Namespace;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, setsockopt, socket,
};
use nix::sys::time::TimeSpec;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that a wire works, for a test that hangs.
const LIFE: Duration = Duration::from_mins(2);

/// How soon a wire notices that it is to stop.
const NOTICES_WITHIN: Duration = Duration::from_millis(50);

/// How many bytes may wait for us and for the interfaces: thousands of frames, as the system counts them.
const BUFFER: usize = 1 << 25;

/// The longest frame that is carried, in bytes: larger than any that an interface sends without help of hardware.
const LONGEST: usize = 1 << 16;

/// `PACKET_OUTGOING` of `linux/if_packet.h`: a frame that an interface sends, which we see beside those it receives.
const OUTGOING: u8 = 4;

/// What a wire does to frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// There and back; each frame is held for half of it.
    pub(crate) round_trip: Duration,
    /// How many frames of a thousand are lost, each way.
    pub(crate) loss: u32,
    /// Decides which.
    pub(crate) seed: u64,
}

/// A wire at work; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    state: Arc<State>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    cut: AtomicBool,
    carried: AtomicU64,
    lost: AtomicU64,
}

impl Wire {
    /// Joins the interfaces `near` (the scanner's side) and `far` of `namespace`.
    pub(crate) fn start(namespace: &Namespace, near: &str, far: &str, path: Path) -> Self {
        let (socket, ends) = namespace.inside(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
            setsockopt(&socket, RcvBufForce, &BUFFER).unwrap();
            setsockopt(&socket, SndBufForce, &BUFFER).unwrap();
            (socket, [near, far].map(link))
        });
        let state = Arc::new(State::default());
        let relay =
            Relay { socket, ends, path, fates: Fates::new(path), held: VecDeque::new(), state: Arc::clone(&state) };
        Self { state, worker: Some(std::thread::spawn(move || relay.work())) }
    }

    /// How many frames arrived at the other end or are about to.
    pub(crate) fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::Relaxed)
    }

    /// Cuts the wire, or mends it. While it is cut everything is lost.
    pub(crate) fn cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::Relaxed);
    }

    /// How many were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn link(name: &str) -> LinkAddr {
    let mut addresses = getifaddrs().unwrap().filter(|interface| interface.interface_name == name);
    let link = addresses.find_map(|interface| interface.address?.as_link_addr().copied());
    link.unwrap_or_else(|| panic!("no interface {name}"))
}

struct Relay {
    socket: OwnedFd,
    ends: [LinkAddr; 2],
    path: Path,
    fates: Fates,
    /// When it is due, to which end, and the frame. All are held for the same time, so the first is due first.
    held: VecDeque<(Instant, usize, Vec<u8>)>,
    state: Arc<State>,
}

impl Relay {
    fn work(mut self) {
        let end = Instant::now() + LIFE;
        while !self.state.stop.load(Ordering::Relaxed) && Instant::now() < end {
            self.send();
            self.receive();
            self.wait();
        }
    }

    fn send(&mut self) {
        while let Some((due, to, frame)) = self.held.front() {
            if *due > Instant::now() {
                return;
            }
            match sendto(self.socket.as_raw_fd(), frame, &self.ends[*to], MsgFlags::empty()) {
                Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => return,
                // An interface that is down takes nothing.
                Ok(_) | Err(_) => self.held.pop_front(),
            };
        }
    }

    fn receive(&mut self) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let received = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer);
            let (length, from) = match received {
                Ok((length, Some(from))) => (length, from),
                Ok((_, None)) | Err(Errno::EINTR | Errno::ENETDOWN) => continue,
                Err(_) => return,
            };
            let Some(end) = self.ends.iter().position(|end| end.ifindex() == from.ifindex()) else { continue };
            if from.pkttype() == OUTGOING {
                continue;
            }
            let mut frame = buffer[..length].to_vec();
            if self.fates.is_lost(end == 0, &frame) || self.state.cut.load(Ordering::Relaxed) {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.state.carried.fetch_add(1, Ordering::Relaxed);
            complete_checksum(&mut frame);
            self.held.push_back((Instant::now() + self.path.round_trip / 2, 1 - end, frame));
        }
    }

    fn wait(&self) {
        let due = self.held.front().map(|(due, ..)| due.saturating_duration_since(Instant::now()));
        // A frame that could not be sent is tried again soon.
        let timeout = due.map_or(NOTICES_WITHIN, |due| due.clamp(Duration::from_micros(100), NOTICES_WITHIN));
        let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let _ = ppoll(&mut sockets, Some(TimeSpec::from_duration(timeout)), None);
    }
}

/// Which frames are lost.
pub(crate) struct Fates {
    path: Path,
    seen: HashMap<Vec<u8>, u64>,
}

impl Fates {
    pub(crate) fn new(path: Path) -> Self {
        Self { path, seen: HashMap::new() }
    }

    pub(crate) fn is_lost(&mut self, to_target: bool, frame: &[u8]) -> bool {
        let Some(mut kind) = kind(to_target, frame) else { return false };
        let nth = self.seen.entry(kind.clone()).or_default();
        *nth += 1;
        kind.extend(nth.to_be_bytes());
        kind.extend(self.path.seed.to_be_bytes());
        let digest = Sha256::digest(&kind);
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 1000 < self.path.loss
    }
}

/// Direction, protocol, addresses and the target's port (for ICMP: the type, and the port of the packet it answers): what
/// frames are counted by. `None` for those that are never lost.
fn kind(to_target: bool, frame: &[u8]) -> Option<Vec<u8>> {
    let packet = Packet::read(frame)?;
    let mut kind = vec![u8::from(to_target), packet.protocol];
    kind.extend(packet.addresses);
    let port = |transport: &[u8], destination: bool| {
        let at = if destination { 2 } else { 0 };
        transport.get(at..at + 2).map(<[u8]>::to_vec).unwrap_or_default()
    };
    match (packet.protocol, packet.payload) {
        (TCP | UDP, transport) => kind.extend(port(transport, to_target)),
        // Neighbour discovery (RFC 4861, section 4).
        (ICMPV6, [133..=137, ..]) => return None,
        (ICMP, [what, _, _, _, _, _, _, _, quoted @ ..]) => {
            kind.push(*what);
            let head = usize::from(quoted.first().copied().unwrap_or_default() & 15) * 4;
            kind.extend(port(quoted.get(head..).unwrap_or_default(), true));
        }
        (ICMPV6, [what, _, _, _, _, _, _, _, quoted @ ..]) => {
            kind.push(*what);
            kind.extend(port(quoted.get(40..).unwrap_or_default(), true));
        }
        _ => {}
    }
    Some(kind)
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// An IP packet without extension headers, in an Ethernet frame.
struct Packet<'a> {
    protocol: u8,
    /// From and to.
    addresses: &'a [u8],
    /// Where the payload begins in the frame.
    start: usize,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(frame: &'a [u8]) -> Option<Self> {
        let packet = frame.get(14..)?;
        let (protocol, addresses, head, end) = match frame.get(12..14)? {
            [0x08, 0x00] => {
                let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
                (*packet.get(9)?, packet.get(12..20)?, usize::from(packet.first()? & 15) * 4, length)
            }
            [0x86, 0xdd] => {
                let length = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
                (*packet.get(6)?, packet.get(8..40)?, 40, 40 + length)
            }
            _ => return None,
        };
        // A short frame is padded behind the packet.
        Some(Self { protocol, addresses, start: 14 + head, payload: packet.get(head..end)? })
    }
}

/// Computes the checksum of TCP and UDP, which the sender leaves to an interface that never sends to a real wire.
fn complete_checksum(frame: &mut [u8]) {
    let Some(packet) = Packet::read(frame) else { return };
    let at = match packet.protocol {
        TCP => 16,
        UDP => 6,
        _ => return,
    };
    if packet.payload.len() < at + 2 {
        return;
    }
    let length = u32::try_from(packet.payload.len()).unwrap_or_default();
    // The pseudo header (RFC 9293, section 3.1; RFC 8200, section 8.1), added up in words of two bytes.
    let mut sum = words(packet.addresses) + words(&length.to_be_bytes()) + u64::from(packet.protocol);
    sum += words(packet.payload) - words(&packet.payload[at..at + 2]);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // RFC 768: a sum of nought is sent as all ones.
    let checksum = match !u16::try_from(sum).unwrap_or_default() {
        0 => u16::MAX,
        sum => sum,
    };
    let at = packet.start + at;
    frame[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or_default());
    bytes.chunks(2).map(word).sum()
}
