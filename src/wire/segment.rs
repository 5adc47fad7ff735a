//! TCP segments (RFC 9293, section 3.1): the SYN that asks a port, in its IP packet, and the headers of what comes back.
//!
//! Checksums of received segments are not checked. The system checks them for its own connections; what a raw socket is
//! shown may still lack one (Linux fills it in at the network card, which packets of this machine never see).

use super::Parse;
use super::bytes::{Bytes, Stop, bad};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The most bytes of a packet that are read: the longest IPv4 header and the longest TCP header, both of 60 bytes.
pub const LIMIT: usize = 120;

/// Control bits (RFC 9293, section 3.1).
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The protocol number of TCP (RFC 9293, section 3.9.2).
const TCP: u8 = 6;

/// How many routers our packets may pass (RFC 9293, section 3.9.2, asks for 64 or more).
const HOPS: u8 = 64;

/// A SYN, which asks whether somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syn {
    /// From where; of the same family as `to`.
    pub from: SocketAddr,
    /// Which port is asked.
    pub to: SocketAddr,
    /// The initial sequence number; whoever answers shows that he has seen it.
    pub sequence: u32,
    /// Our clock, in milliseconds since any moment (RFC 7323, section 5.4).
    pub clock: u32,
}

impl Syn {
    /// The IP packet. The IPv4 header's checksum is left to the system. Addresses of different families make an empty one.
    pub fn packet(&self) -> Vec<u8> {
        let segment = self.segment();
        let length = u16::try_from(segment.len()).unwrap_or(u16::MAX);
        let mut packet = Vec::with_capacity(LIMIT);
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                packet.extend([0x45, 0]); // version 4, a header of 5 words; ordinary service
                packet.extend((length + 20).to_be_bytes());
                packet.extend(self.sequence.to_be_bytes().iter().take(2)); // the identification: any
                packet.extend([0x40, 0, HOPS, TCP, 0, 0]); // never in fragments; no checksum yet
                packet.extend(from.octets());
                packet.extend(to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                packet.extend([0x60, 0, 0, 0]); // version 6, ordinary traffic, no flow label
                packet.extend(length.to_be_bytes());
                packet.extend([TCP, HOPS]);
                packet.extend(from.octets());
                packet.extend(to.octets());
            }
            _ => return packet,
        }
        packet.extend(segment);
        packet
    }

    /// The segment, with the options of a common client in their order, so that no firewall finds us odd.
    fn segment(&self) -> Vec<u8> {
        // An Ethernet frame less the headers (RFC 9293, section 3.7.1).
        let largest: u16 = if self.to.is_ipv6() { 1440 } else { 1460 };
        let mut segment = Vec::with_capacity(40);
        segment.extend(self.from.port().to_be_bytes());
        segment.extend(self.to.port().to_be_bytes());
        segment.extend(self.sequence.to_be_bytes());
        segment.extend([0; 4]); // nothing is acknowledged
        segment.extend([10 << 4, SYN]); // a header of 10 words
        segment.extend(64_240_u16.to_be_bytes()); // the window
        segment.extend([0; 4]); // no checksum yet, nothing urgent
        segment.extend([2, 4]); // maximum segment size
        segment.extend(largest.to_be_bytes());
        segment.extend([4, 2, 8, 10]); // selective acknowledgements permitted; timestamps
        segment.extend(self.clock.to_be_bytes());
        segment.extend([0; 4]); // no echo
        segment.extend([1, 3, 3, 7]); // padding; a window in units of 128 bytes
        let checksum = checksum(self.from.ip(), self.to.ip(), &segment);
        if let Some(field) = segment.get_mut(16..18) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
        segment
    }
}

/// The checksum of a segment whose own field is 0 (RFC 9293, section 3.1; RFC 8200, section 8.1).
fn checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    };
    let length = u64::try_from(segment.len()).unwrap_or(u64::MAX);
    let mut total = address(from) + address(to) + u64::from(TCP) + length + sum(segment);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or_default()
}

/// The sum of 16-bit words, an odd last byte counting as the upper one (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [upper, lower] => u64::from(u16::from_be_bytes([*upper, *lower])),
        [upper] => u64::from(*upper) << 8,
        _ => 0,
    });
    words.sum()
}

/// What is read of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The port that it came from.
    pub source_port: u16,
    /// The port that it goes to.
    pub destination_port: u16,
    /// The number of its first byte.
    pub sequence: u32,
    /// The next number that the sender expects; of no meaning without the control bit ACK.
    pub acknowledgement: u32,
    /// The control bits.
    pub control: u8,
    /// The window, unscaled.
    pub window: u16,
}

/// What a segment answers to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Somebody listens.
    SynAck,
    /// Nobody does, or nobody may.
    Reset,
}

impl Segment {
    /// What it says to a SYN, and to which initial sequence number (RFC 9293, section 3.10.7.3). Without an acknowledgement
    /// it says nothing: anybody could send it.
    pub fn answer(&self) -> Option<(Answer, u32)> {
        let has = |bit| self.control & bit != 0;
        let answer = if !has(ACK) {
            return None;
        } else if has(RST) {
            Answer::Reset
        } else if has(SYN) {
            Answer::SynAck
        } else {
            return None;
        };
        Some((answer, self.acknowledgement.wrapping_sub(1)))
    }
}

/// A segment with what is read of the IPv4 header before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// How many routers it might still have passed.
    pub ttl: u8,
    /// The segment.
    pub segment: Segment,
}

/// Reads an IPv4 packet (RFC 791, section 3.1) that holds a TCP segment.
pub fn read_packet(bytes: &[u8]) -> Parse<Packet> {
    packet(bytes).into()
}

fn packet(bytes: &[u8]) -> Result<Packet, Stop> {
    let mut header = Bytes::whole(bytes);
    let version_and_words = header.u8()?;
    let options = match (version_and_words >> 4, usize::from(version_and_words & 0x0f)) {
        (4, words @ 5..) => (words - 5) * 4,
        _ => return Err(bad("no IPv4 header")),
    };
    header.take(5)?;
    if header.u16()? & 0x1fff != 0 {
        return Err(bad("a later fragment"));
    }
    let ttl = header.u8()?;
    if header.u8()? != TCP {
        return Err(bad("a packet of another protocol"));
    }
    header.take(2)?;
    let source = Ipv4Addr::from(header.u32()?);
    header.take(4 + options)?;
    Ok(Packet { source, ttl, segment: segment(header.rest())? })
}

/// Reads a TCP header. What follows it is not looked at.
pub fn read_segment(bytes: &[u8]) -> Parse<Segment> {
    segment(bytes).into()
}

fn segment(bytes: &[u8]) -> Result<Segment, Stop> {
    let mut header = Bytes::whole(bytes);
    let (source_port, destination_port) = (header.u16()?, header.u16()?);
    let (sequence, acknowledgement) = (header.u32()?, header.u32()?);
    let words = usize::from(header.u8()? >> 4);
    let (control, window) = (header.u8()?, header.u16()?);
    header.take(4)?;
    let options = words.checked_sub(5).ok_or_else(|| bad("a TCP header of less than 20 bytes"))?;
    header.take(options * 4)?;
    Ok(Segment { source_port, destination_port, sequence, acknowledgement, control, window })
}

/// What an ICMP message repeats of a segment: at least its first eight bytes (RFC 792; RFC 4443, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The port that it came from.
    pub source_port: u16,
    /// The port that it went to.
    pub destination_port: u16,
    /// Its sequence number.
    pub sequence: u32,
}

/// Reads the beginning of a segment that an ICMP message repeats.
pub fn read_quoted(bytes: &[u8]) -> Parse<Quoted> {
    quoted(bytes).into()
}

fn quoted(bytes: &[u8]) -> Result<Quoted, Stop> {
    let mut header = Bytes::whole(bytes);
    Ok(Quoted { source_port: header.u16()?, destination_port: header.u16()?, sequence: header.u32()? })
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;
    use proptest::prelude::*;

    /// From 198.51.100.2 port 40000 to 203.0.113.10 port 443.
    fn syn() -> Syn {
        Syn {
            from: "198.51.100.2:40000".parse().unwrap(),
            to: "203.0.113.10:443".parse().unwrap(),
            sequence: 0x1234_5678,
            clock: 0x0102_0304,
        }
    }

    #[test]
    fn a_syn_has_the_form_of_a_common_clients() {
        let packet = syn().packet();
        let expected = "4500 003c 1234 4000 40 06 0000 c6336402 cb00710a
            9c40 01bb 12345678 00000000 a0 02 faf0 CCCC 0000
            0204 05b4 0402 080a 01020304 00000000 01 030307";
        let (before, after) = expected.split_once("CCCC").unwrap();
        assert_eq!(&packet[..36], hex(before));
        assert_eq!(&packet[38..], hex(after));
        let read = read_packet(&packet).done().unwrap();
        assert_eq!((read.source, read.ttl), ("198.51.100.2".parse().unwrap(), 64));
        assert_eq!((read.segment.source_port, read.segment.destination_port), (40_000, 443));
        assert_eq!(read.segment.answer(), None, "a SYN of our own that comes back");
    }

    #[test]
    fn families_are_not_mixed() {
        assert!(Syn { to: "[2001:db8::1]:443".parse().unwrap(), ..syn() }.packet().is_empty());
    }

    fn segment_with(control: u8) -> Segment {
        let ports = (443, 40_000);
        let (source_port, destination_port) = ports;
        Segment { source_port, destination_port, sequence: 9, acknowledgement: 0, control, window: 1 }
    }

    /// RFC 9293, section 3.10.7.3.
    #[test]
    fn only_what_acknowledges_answers() {
        let answer = |control| segment_with(control).answer().map(|(answer, _)| answer);
        assert_eq!(answer(SYN | ACK), Some(Answer::SynAck));
        assert_eq!(answer(RST | ACK), Some(Answer::Reset));
        assert_eq!(answer(RST | SYN | ACK), Some(Answer::Reset), "the RST is looked at first");
        for nothing in [0, SYN, RST, ACK, SYN | RST, ACK | 0x08, ACK | 0x01] {
            assert_eq!(answer(nothing), None, "{nothing:#04x}");
        }
        assert_eq!(segment_with(SYN | ACK).answer().unwrap().1, u32::MAX, "numbers go round");
    }

    #[test]
    fn other_packets_are_told_from_segments() {
        let packet = syn().packet();
        let changed = |at: usize, byte: u8| {
            let mut packet = packet.clone();
            packet[at] = byte;
            read_packet(&packet)
        };
        for (at, byte) in [(0, 0x65), (0, 0x44), (6, 0x00), (9, 17), (32, 0x40), (32, 0xf0)] {
            let wrong = matches!(changed(at, byte), Parse::Malformed(_));
            assert_eq!(wrong, (at, byte) != (6, 0x00), "{byte:#04x} at {at}");
        }
        assert!(matches!(changed(7, 1), Parse::Malformed(_)), "a later fragment");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_back_and_its_checksum_holds(
            v6: bool, from: u128, to: u128, ports: (u16, u16), sequence: u32, clock: u32,
        ) {
            let address = |bits: u128| -> IpAddr {
                let [a, b, c, d, ..] = bits.to_be_bytes();
                if v6 { IpAddr::from(bits.to_be_bytes()) } else { IpAddr::from([a, b, c, d]) }
            };
            let (from, to) = (SocketAddr::new(address(from), ports.0), SocketAddr::new(address(to), ports.1));
            let packet = Syn { from, to, sequence, clock }.packet();
            let segment = &packet[if v6 { 40 } else { 20 }..];
            // Over a segment with its checksum in place the sum is all ones.
            prop_assert_eq!(checksum(from.ip(), to.ip(), segment), 0);
            let read = read_segment(segment).done().unwrap();
            prop_assert_eq!((read.source_port, read.destination_port, read.sequence), (ports.0, ports.1, sequence));
            let quoted = read_quoted(&segment[..8]).done().unwrap();
            prop_assert_eq!((quoted.source_port, quoted.destination_port, quoted.sequence), (ports.0, ports.1, sequence));
            prop_assert_eq!(read_packet(&packet).done().is_some(), !v6);
        }

        #[test]
        fn a_packet_that_was_cut_is_no_packet(length in 0_usize..60) {
            prop_assert!(matches!(read_packet(&syn().packet()[..length]), Parse::Malformed(_)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, words: u8) {
            let _ = read_packet(&bytes);
            let _ = read_segment(&bytes);
            let _ = read_quoted(&bytes);
            let _ = read_packet(&[&[0x40 | words & 0x0f, 0, 0, 0, 0, 0, 0, 0, 64, TCP], &bytes[..]].concat());
        }
    }
}
