//! The filter that the kernel applies to what a raw socket hears: classic BPF (bpf(4) of BSD; socket(7), `SO_ATTACH_FILTER`).
//!
//! Without it every TCP segment of the machine would be copied to us.

use crate::wire::segment;
use socket2::SockFilter;

/// Operations of `linux/bpf_common.h`.
const LOAD_BYTE: u16 = 0x50; // A = byte at X + k
const LOAD_HALF: u16 = 0x48; // A = two bytes at X + k
const X_IS_HEADER: u16 = 0xb1; // X = 4 * (byte at k & 15): the length of an IPv4 header
const X_IS: u16 = 0x01; // X = k
const JUMP_IF_EQUAL: u16 = 0x15; // A == k
const JUMP_IF_SET: u16 = 0x45; // A & k != 0
const RETURN: u16 = 0x06; // keep k bytes

/// Where a TCP header has its destination port and its control bits (RFC 9293, section 3.1).
const DESTINATION: u32 = 2;
const CONTROL: u32 = 13;

/// The control bits of what may answer a SYN: ACK, and SYN or RST.
const ACK: u32 = 0x10;
const SYN_OR_RST: u32 = 0x06;

/// Lets SYN-ACKs and RSTs to `ports` pass, of which there are at most [`MOST_PORTS`], and nothing else.
///
/// An IPv4 raw socket hears packets from their IP header on, an IPv6 one from their TCP header on.
pub(super) fn answers_to(ports: &[u16], v6: bool) -> Vec<SockFilter> {
    let ports = ports.get(..MOST_PORTS).unwrap_or(ports);
    // Jumps count the instructions that they leave out. There are so few ports that every distance fits.
    let count = u8::try_from(ports.len()).unwrap_or(u8::MAX);
    let keep = u32::try_from(segment::LIMIT).unwrap_or(u32::MAX);
    let always = |operation, value| SockFilter::new(operation, 0, 0, value);
    let mut filter = vec![
        always(if v6 { X_IS } else { X_IS_HEADER }, 0),
        always(LOAD_BYTE, CONTROL),
        SockFilter::new(JUMP_IF_SET, 0, count + 2, ACK),
        SockFilter::new(JUMP_IF_SET, 0, count + 1, SYN_OR_RST),
        always(LOAD_HALF, DESTINATION),
    ];
    filter.extend(
        (0..count).zip(ports).map(|(before, &port)| SockFilter::new(JUMP_IF_EQUAL, count - before, 0, u32::from(port))),
    );
    filter.extend([always(RETURN, 0), always(RETURN, keep)]);
    filter
}

/// More ports than this are not asked from.
pub(super) const MOST_PORTS: usize = 8;
