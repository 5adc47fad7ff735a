//! Which answers are awaited, and whose an answer is.

use crate::net::error_queue::Icmp;
use crate::net::knock::SegmentTraits;
use crate::wire::segment::{Answer, Quoted, Segment};
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What came back.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Segment(Answer, SegmentTraits),
    Icmp(Icmp),
}

/// How many peers have a turn of their own (see [`Knocks::turns`]); a power of two.
const TURNS: usize = 1 << 16;

/// The knocks that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    knocks: Mutex<Knocks>,
    /// Makes the initial sequence numbers: a keyed hash (`SipHash`), its key drawn when we start, that nobody can foresee.
    key: RandomState,
}

/// The two ends of what would be a connection. Scopes of addresses are left out, they are not on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    peer: IpAddr,
    asked: u16,
    local: u16,
}

#[derive(Debug)]
struct Knocks {
    /// Counts the numbers that were made, so that none is made twice of the same ends.
    made: u64,
    /// Which local port is next, for each peer, or rather for all peers that fall on the same place.
    turns: Box<[u8]>,
    /// Whether nobody listens any more.
    deaf: bool,
    waiting: HashMap<Ends, Waiting>,
}

impl Default for Knocks {
    fn default() -> Self {
        Self { made: 0, turns: vec![0; TURNS].into(), deaf: false, waiting: HashMap::new() }
    }
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    answer: oneshot::Sender<Heard>,
}

/// Why no answer can be awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody listens any more.
    Deaf,
    /// As many knocks as there are local ports wait for this very peer.
    Busy,
}

/// A knock that waits for its answer; forgotten when dropped.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    awaited: &'a Awaited,
    ends: Ends,
    /// The initial sequence number; whoever acknowledges it has seen it.
    pub(super) sequence: u32,
    /// The answer; fails when nobody listens any more.
    pub(super) answer: oneshot::Receiver<Heard>,
}

impl Ticket<'_> {
    /// The local port.
    pub(super) fn port(&self) -> u16 {
        self.ends.local
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut knocks = self.awaited.knocks();
        if let Entry::Occupied(waiting) = knocks.waiting.entry(self.ends)
            // The place may be another's by now.
            && waiting.get().sequence == self.sequence
        {
            waiting.remove();
        }
    }
}

impl Awaited {
    fn knocks(&self) -> MutexGuard<'_, Knocks> {
        self.knocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Awaits an answer of `peer` to a SYN from one of `ports`.
    ///
    /// The local port changes from knock to knock, as that of connections does, and is never used for two at a time: what
    /// an earlier knock left behind (a half-open connection whose SYN-ACK or RST was lost, an entry in a firewall's table)
    /// is not in the way of a later one.
    pub(super) fn expect(&self, peer: SocketAddr, ports: &[u16]) -> Result<Ticket<'_>, Refused> {
        let (sender, answer) = oneshot::channel();
        let mut knocks = self.knocks();
        let knocks = &mut *knocks;
        if knocks.deaf {
            return Err(Refused::Deaf);
        }
        let place = usize::try_from(self.key.hash_one(peer) % TURNS as u64).unwrap_or_default();
        let mut first = 0;
        if let Some(turn) = knocks.turns.get_mut(place) {
            first = usize::from(*turn);
            *turn = u8::try_from((first + 1) % ports.len().max(1)).unwrap_or_default();
        }
        for &local in ports.iter().cycle().skip(first).take(ports.len()) {
            let ends = Ends { peer: peer.ip(), asked: peer.port(), local };
            if let Entry::Vacant(vacant) = knocks.waiting.entry(ends) {
                knocks.made += 1;
                let [.., a, b, c, d] = self.key.hash_one((ends, knocks.made)).to_be_bytes();
                let sequence = u32::from_be_bytes([a, b, c, d]);
                vacant.insert(Waiting { sequence, answer: sender });
                return Ok(Ticket { awaited: self, ends, sequence, answer });
            }
        }
        Err(Refused::Busy)
    }

    /// A segment came from `source`; it is told to whoever waits for it.
    pub(super) fn segment(&self, source: IpAddr, ttl: u8, segment: &Segment, at: Instant) {
        if let Some((answer, sequence)) = segment.answer() {
            let ends = Ends { peer: source, asked: segment.source_port, local: segment.destination_port };
            let traits = SegmentTraits { ttl, window: segment.window };
            self.settle(ends, sequence, Heard { at, what: What::Segment(answer, traits) });
        }
    }

    /// An ICMP message came about a segment to `destination`; it is told to whoever sent that.
    pub(super) fn icmp(&self, destination: IpAddr, quoted: Quoted, icmp: Icmp, at: Instant) {
        if ends_a_connection(icmp) {
            let ends = Ends { peer: destination, asked: quoted.destination_port, local: quoted.source_port };
            self.settle(ends, quoted.sequence, Heard { at, what: What::Icmp(icmp) });
        }
    }

    fn settle(&self, ends: Ends, sequence: u32, heard: Heard) {
        let mut knocks = self.knocks();
        if let Entry::Occupied(waiting) = knocks.waiting.entry(ends)
            && waiting.get().sequence == sequence
        {
            // Whoever waited may be gone this very moment.
            let _ = waiting.remove().answer.send(heard);
        }
    }

    /// Nobody listens any more: whoever waits is told so, and whoever comes later.
    pub(super) fn close(&self) {
        let mut knocks = self.knocks();
        knocks.deaf = true;
        knocks.waiting.clear();
    }
}

/// Whether Linux ends a connection attempt for such a message (`tcp_v4_err`, `tcp_v6_err`): "too big" and "source quench" only
/// change how it goes on, all others make it fail.
fn ends_a_connection(icmp: Icmp) -> bool {
    match (icmp.v6, icmp.kind, icmp.code) {
        (false, 3, 4) => false,
        (false, kind, _) => matches!(kind, 3 | 11 | 12),
        (true, kind, _) => matches!(kind, 1 | 3 | 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: [u16; 3] = [40_001, 40_002, 40_003];
    const SYN_ACK: u8 = 0x12;
    const RST_ACK: u8 = 0x14;

    fn peer() -> SocketAddr {
        "203.0.113.10:443".parse().unwrap()
    }

    fn answer(ticket: &Ticket<'_>, control: u8) -> Segment {
        Segment {
            source_port: 443,
            destination_port: ticket.port(),
            sequence: 77,
            acknowledgement: ticket.sequence.wrapping_add(1),
            control,
            window: 501,
        }
    }

    fn heard(ticket: &mut Ticket<'_>) -> Option<What> {
        ticket.answer.try_recv().ok().map(|heard| heard.what)
    }

    #[tokio::test]
    async fn only_the_exact_answer_counts_and_only_the_first() {
        let awaited = Awaited::default();
        let mut ticket = awaited.expect(peer(), &PORTS).unwrap();
        let right = answer(&ticket, SYN_ACK);
        let tell = |source: IpAddr, segment: Segment| awaited.segment(source, 60, &segment, Instant::now());
        let here = peer().ip();
        tell(here, Segment { acknowledgement: ticket.sequence, ..right });
        tell(here, Segment { acknowledgement: ticket.sequence.wrapping_add(2), ..right });
        tell(here, Segment { source_port: 444, ..right });
        tell(here, Segment { destination_port: ticket.port() ^ 1, ..right });
        tell("203.0.113.11".parse().unwrap(), right);
        tell(here, Segment { control: 0x04, ..right });
        tell(here, Segment { control: 0x10, ..right });
        assert_eq!(heard(&mut ticket), None);
        tell(here, right);
        tell(here, answer(&ticket, RST_ACK));
        let traits = SegmentTraits { ttl: 60, window: 501 };
        assert_eq!(heard(&mut ticket), Some(What::Segment(Answer::SynAck, traits)));
        assert_eq!(heard(&mut ticket), None);
    }

    #[tokio::test]
    async fn an_icmp_message_must_repeat_what_was_sent() {
        let awaited = Awaited::default();
        let mut ticket = awaited.expect(peer(), &PORTS).unwrap();
        let quoted = Quoted { source_port: ticket.port(), destination_port: 443, sequence: ticket.sequence };
        let icmp = |kind, code| Icmp { v6: false, kind, code, sender: Some("198.51.100.1".parse().unwrap()) };
        let tell = |destination: IpAddr, quoted, icmp| awaited.icmp(destination, quoted, icmp, Instant::now());
        let here = peer().ip();
        tell(here, Quoted { sequence: quoted.sequence ^ 1, ..quoted }, icmp(3, 13));
        tell(here, Quoted { source_port: 1, ..quoted }, icmp(3, 13));
        tell(here, Quoted { destination_port: 1, ..quoted }, icmp(3, 13));
        tell("203.0.113.11".parse().unwrap(), quoted, icmp(3, 13));
        for (kind, code) in [(3, 4), (4, 0), (5, 1)] {
            tell(here, quoted, icmp(kind, code));
        }
        assert_eq!(heard(&mut ticket), None);
        tell(here, quoted, icmp(3, 13));
        assert_eq!(heard(&mut ticket), Some(What::Icmp(icmp(3, 13))));
    }

    #[test]
    fn a_dropped_knock_is_forgotten() {
        let awaited = Awaited::default();
        let peers = (1..=100).map(|port| SocketAddr::new(peer().ip(), port));
        let tickets: Vec<_> = peers.map(|peer| awaited.expect(peer, &PORTS).unwrap()).collect();
        assert_eq!(awaited.knocks().waiting.len(), 100);
        drop(tickets);
        assert!(awaited.knocks().waiting.is_empty());
    }

    #[test]
    fn a_port_is_asked_again_from_another() {
        let awaited = Awaited::default();
        let mut before = None;
        for _ in 0..1000 {
            let ticket = awaited.expect(peer(), &PORTS).unwrap();
            assert_ne!(before.replace(ticket.port()), Some(ticket.port()));
        }
    }

    #[test]
    fn two_at_a_time_are_never_asked_from_the_same() {
        let awaited = Awaited::default();
        let tickets: Vec<_> = PORTS.iter().map(|_| awaited.expect(peer(), &PORTS).unwrap()).collect();
        assert!(PORTS.iter().all(|port| tickets.iter().any(|ticket| ticket.port() == *port)));
        assert_eq!(awaited.expect(peer(), &PORTS).unwrap_err(), Refused::Busy);
        assert!(awaited.expect("203.0.113.10:444".parse().unwrap(), &PORTS).is_ok());
        drop(tickets);
        assert!(awaited.expect(peer(), &PORTS).is_ok());
    }

    #[test]
    fn who_waits_is_told_that_nobody_listens() {
        let awaited = Awaited::default();
        let mut ticket = awaited.expect(peer(), &PORTS).unwrap();
        awaited.close();
        assert_eq!(ticket.answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        assert_eq!(awaited.expect(peer(), &PORTS).unwrap_err(), Refused::Deaf);
        assert_eq!(Awaited::default().expect(peer(), &[]).unwrap_err(), Refused::Busy);
    }
}
