//! Datagrams for UDP ports, harmless to whatever listens there, and whether an answer is of the protocol.
//!
//! The guides' UDP ports (75, 70 to 74, 8002, 40000 to 41000, 42000) belong to Automate, whose formats are not public,
//! and whose server answers a heartbeat only when it has something for that agent. So nothing that we could send is sure
//! to be answered, and a payload made up to resemble an agent would claim to be one. They get the probe of the redirector
//! over TCP, two line ends: it says nothing, and it is not empty because some firewalls drop empty datagrams, and some
//! servers take a read of zero bytes for the end of their input. What a closed port answers, ICMP port unreachable, does
//! not depend on the payload.
//!
//! Where a port is the home of a public protocol, that protocol's own question proves more. Each is a question that every
//! client asks before anything else: it names nobody, signs in nowhere, carries no community string, leaves no session
//! behind, and its answer is short. So there is none for LDAP, Kerberos, DHCP, L2TP, Remote Desktop over UDP and SNMP
//! before version 3, and none for TFTP, whose answers come from another port.

use crate::model::udp::UdpProtocol;

/// A question, the ports where it is asked, and what its answer looks like.
struct Talk {
    protocol: UdpProtocol,
    ports: &'static [u16],
    question: fn() -> Vec<u8>,
    is_answer: fn(&[u8]) -> bool,
}

/// Every protocol, with the port that IANA assigned to it.
const TALKS: [Talk; 15] = [
    Talk { protocol: UdpProtocol::Dns, ports: &[53], question: dns, is_answer: is_dns },
    Talk { protocol: UdpProtocol::Rpcbind, ports: &[111], question: rpcbind, is_answer: is_rpcbind },
    Talk { protocol: UdpProtocol::Ntp, ports: &[123], question: ntp, is_answer: is_ntp },
    Talk { protocol: UdpProtocol::NetbiosNames, ports: &[137], question: netbios_names, is_answer: is_dns },
    Talk { protocol: UdpProtocol::Snmp, ports: &[161], question: snmp, is_answer: is_snmp },
    Talk { protocol: UdpProtocol::Quic, ports: &[443], question: quic, is_answer: is_quic },
    Talk { protocol: UdpProtocol::Ike, ports: &[500], question: ike, is_answer: is_ike },
    Talk { protocol: UdpProtocol::Ike, ports: &[4500], question: ike_behind_nat, is_answer: is_ike_behind_nat },
    Talk { protocol: UdpProtocol::Ipmi, ports: &[623], question: ipmi, is_answer: is_ipmi },
    Talk { protocol: UdpProtocol::SqlBrowser, ports: &[1434], question: sql_browser, is_answer: is_sql_browser },
    Talk { protocol: UdpProtocol::Ssdp, ports: &[1900], question: ssdp, is_answer: is_ssdp },
    Talk { protocol: UdpProtocol::Stun, ports: &[3478], question: stun, is_answer: is_stun },
    Talk { protocol: UdpProtocol::Sip, ports: &[5060], question: sip, is_answer: is_sip },
    Talk { protocol: UdpProtocol::Dns, ports: &[5353], question: multicast_dns, is_answer: is_dns },
    Talk { protocol: UdpProtocol::Memcached, ports: &[11211], question: memcached, is_answer: is_memcached },
];

/// What we call ourselves where a protocol wants a number of ours that its answer repeats.
const NAME: &[u8; 12] = b"PORTREEVE/UD";

fn talk(port: u16) -> Option<&'static Talk> {
    TALKS.iter().find(|talk| talk.ports.contains(&port))
}

/// The payload of a datagram to `port`.
pub fn payload(port: u16) -> Vec<u8> {
    talk(port).map_or_else(|| super::redirector::PROBE.to_vec(), |talk| (talk.question)())
}

/// The protocol of an answer from `port` to [`payload`], where it is the one that belongs there. What merely sends back
/// what it was sent speaks none.
pub fn read_answer(port: u16, answer: &[u8]) -> Option<UdpProtocol> {
    let talk = talk(port)?;
    ((talk.is_answer)(answer) && answer != (talk.question)()).then_some(talk.protocol)
}

fn starts(bytes: &[u8], at: usize, expected: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(expected))
}

/// A number that a client of ours chooses, 16 bits.
fn number() -> &'static [u8] {
    NAME.get(..2).unwrap_or_default()
}

/// The head of a DNS message with one question (RFC 1035, section 4.1.1), and the question.
fn dns_question(name: &[u8], kind: u16, class: u16) -> Vec<u8> {
    let mut message = number().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(name);
    message.extend(kind.to_be_bytes());
    message.extend(class.to_be_bytes());
    message
}

/// Who is the master of the root (RFC 1035, sections 3.2.2 and 4.1.2: type SOA, class IN), without recursion: every server
/// answers, if only that it refuses.
fn dns() -> Vec<u8> {
    dns_question(&[0], 6, 1)
}

/// Which kinds of services there are (RFC 6763, section 9), to be answered to us alone (RFC 6762, section 5.4).
fn multicast_dns() -> Vec<u8> {
    dns_question(b"\x09_services\x07_dns-sd\x04_udp\x05local\0", 12, 0x8001)
}

/// The node status of whoever is there (RFC 1002, section 4.2.17: the name `*`, type NBSTAT), a message in the form of DNS.
fn netbios_names() -> Vec<u8> {
    let mut name = vec![32];
    let wildcard = std::iter::once(b'*').chain(std::iter::repeat_n(0, 15));
    name.extend(wildcard.flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 0x0f)]));
    name.push(0);
    dns_question(&name, 0x21, 1)
}

/// An answer (the bit QR) to our number; multicast DNS may leave the number out (RFC 6762, section 18.1).
fn is_dns(bytes: &[u8]) -> bool {
    let ours = starts(bytes, 0, number()) || starts(bytes, 0, &[0, 0]);
    ours && bytes.len() >= 12 && bytes.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

/// A call of procedure 0, which does nothing, of the port mapper (RFC 5531, section 9; RFC 1833, section 3: program 100000,
/// version 2).
fn rpcbind() -> Vec<u8> {
    let mut call = NAME.get(..4).unwrap_or_default().to_vec();
    for word in [0_u32, 2, 100_000, 2, 0, 0, 0, 0, 0] {
        call.extend(word.to_be_bytes());
    }
    call
}

fn is_rpcbind(bytes: &[u8]) -> bool {
    starts(bytes, 0, NAME.get(..4).unwrap_or_default()) && starts(bytes, 4, &[0, 0, 0, 1]) && bytes.len() >= 12
}

/// A client's request of version 4 (RFC 5905, section 7.3), with a time of sending that the answer repeats.
fn ntp() -> Vec<u8> {
    let mut packet = vec![0; 48];
    packet.splice(..1, [0x23]);
    packet.splice(40.., NAME.get(..8).unwrap_or_default().iter().copied());
    packet
}

fn is_ntp(bytes: &[u8]) -> bool {
    let server = bytes.first().is_some_and(|first| first & 0x07 == 4);
    server && bytes.len() >= 48 && starts(bytes, 24, NAME.get(..8).unwrap_or_default())
}

/// An element of BER (ITU-T X.690, section 8.1) that is shorter than 128 bytes.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len()).unwrap_or(0x7f);
    [&[tag, length], content.as_slice()].concat()
}

/// The question for an engine's name (RFC 3414, section 4): a request of version 3 without user, without security and
/// without anything that is wanted. It carries no community string.
fn snmp() -> Vec<u8> {
    let integer = |bytes: &[u8]| element(0x02, &[bytes]);
    let (zero, empty) = (integer(&[0]), element(0x04, &[]));
    let id = integer(number());
    let head = element(0x30, &[&id, &integer(&[0, 0xff, 0xe3]), &element(0x04, &[&[0x04]]), &integer(&[3])]);
    let security = element(0x30, &[&empty, &zero, &zero, &empty, &empty, &empty]);
    let wanted = element(0xa0, &[&id, &zero, &zero, &element(0x30, &[])]);
    let scoped = element(0x30, &[&empty, &empty, &wanted]);
    element(0x30, &[&integer(&[3]), &head, &element(0x04, &[&security]), &scoped])
}

/// A message of version 3 (RFC 3412, section 6).
fn is_snmp(bytes: &[u8]) -> bool {
    let length = match bytes.get(1) {
        Some(0..=0x7f) => 0,
        Some(0x81) => 1,
        Some(0x82) => 2,
        _ => return false,
    };
    starts(bytes, 0, &[0x30]) && starts(bytes, 2 + length, &[0x02, 0x01, 0x03, 0x30])
}

/// The beginning of a connection in a version that does not exist (RFC 9000, sections 15 and 17.2), which a server must
/// answer with the versions that it has (section 6.1), and only if the datagram has 1200 bytes (section 14.1).
fn quic() -> Vec<u8> {
    let mut packet = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8];
    packet.extend(NAME.get(..8).unwrap_or_default());
    packet.push(0);
    packet.resize(1200, 0);
    packet
}

/// A version negotiation (RFC 9000, section 17.2.1): version 0, no name for us, and the name that we gave.
fn is_quic(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x80 != 0)
        && starts(bytes, 1, &[0, 0, 0, 0, 0, 8])
        && starts(bytes, 7, NAME.get(..8).unwrap_or_default())
}

/// The header of a first request in version 3.0, which does not exist: a responder answers that it does not know it, and
/// keeps nothing (RFC 7296, sections 2.5 and 3.1).
fn ike() -> Vec<u8> {
    let mut header = NAME.get(..8).unwrap_or_default().to_vec();
    header.extend([0; 8]);
    // No payload, version 3.0, IKE_SA_INIT, from the initiator, message 0, 28 bytes.
    header.extend([0, 0x30, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 28]);
    header
}

fn is_ike(bytes: &[u8]) -> bool {
    starts(bytes, 0, NAME.get(..8).unwrap_or_default()) && bytes.len() >= 28
}

/// The same after the mark that tells it from ESP (RFC 3948, section 2.2).
fn ike_behind_nat() -> Vec<u8> {
    [vec![0; 4], ike()].concat()
}

fn is_ike_behind_nat(bytes: &[u8]) -> bool {
    starts(bytes, 0, &[0; 4]) && bytes.get(4..).is_some_and(is_ike)
}

/// Whether anybody is there (DMTF DSP0136, section 3.2.4: RMCP version 6, no acknowledgement, class ASF, presence ping).
fn ipmi() -> Vec<u8> {
    vec![0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe, 0x80, 0x00, 0x00, 0x00]
}

/// A presence pong.
fn is_ipmi(bytes: &[u8]) -> bool {
    starts(bytes, 0, &[0x06]) && starts(bytes, 4, &[0x00, 0x00, 0x11, 0xbe, 0x40])
}

/// Which instances there are (MC-SQLR, section 2.2.2).
fn sql_browser() -> Vec<u8> {
    vec![0x03]
}

/// A response (MC-SQLR, section 2.2.5), whose length is its own.
fn is_sql_browser(bytes: &[u8]) -> bool {
    match bytes {
        [0x05, low, high, data @ ..] => usize::from(u16::from_le_bytes([*low, *high])) == data.len(),
        _ => false,
    }
}

/// A search for root devices, one answer from each (the Device Architecture 1.1 of `UPnP`, section 1.3.2).
fn ssdp() -> Vec<u8> {
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n"
        .to_vec()
}

fn is_ssdp(bytes: &[u8]) -> bool {
    starts(bytes, 0, b"HTTP/1.1 ")
}

/// A binding request without attributes (RFC 8489, sections 5 and 6).
fn stun() -> Vec<u8> {
    [&[0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42], NAME.as_slice()].concat()
}

/// A binding response, of success or of error.
fn is_stun(bytes: &[u8]) -> bool {
    matches!(bytes, [0x01, 0x01 | 0x11, ..])
        && starts(bytes, 4, &[0x21, 0x12, 0xa4, 0x42])
        && starts(bytes, 8, NAME.as_slice())
}

/// What can you do (RFC 3261, section 11), to be forwarded by nobody, and answered to where it came from (RFC 3581).
fn sip() -> Vec<u8> {
    b"OPTIONS sip:portreeve.invalid SIP/2.0\r\n\
      Via: SIP/2.0/UDP portreeve.invalid;rport;branch=z9hG4bK-portreeve\r\n\
      Max-Forwards: 0\r\n\
      To: <sip:portreeve.invalid>\r\n\
      From: <sip:portreeve.invalid>;tag=portreeve\r\n\
      Call-ID: portreeve@portreeve.invalid\r\n\
      CSeq: 1 OPTIONS\r\n\
      Content-Length: 0\r\n\r\n"
        .to_vec()
}

fn is_sip(bytes: &[u8]) -> bool {
    starts(bytes, 0, b"SIP/2.0 ")
}

/// The version, after the header of a request in one datagram (memcached's doc/protocol.txt, "UDP protocol").
fn memcached() -> Vec<u8> {
    [number(), &[0, 0, 0, 1, 0, 0], b"version\r\n"].concat()
}

fn is_memcached(bytes: &[u8]) -> bool {
    starts(bytes, 0, number()) && (starts(bytes, 8, b"VERSION ") || starts(bytes, 8, b"ERROR"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_payload_is_empty_and_the_guides_ports_get_two_line_ends() {
        for port in [75, 70, 74, 8002, 40_000, 41_000, 42_000] {
            assert_eq!(payload(port), b"\r\n\r\n");
            assert_eq!(read_answer(port, b"\r\n\r\n"), None);
        }
        for talk in &TALKS {
            let question = (talk.question)();
            // QUIC wants 1200 bytes, so that no answer can be longer than the question.
            let most = if talk.protocol == UdpProtocol::Quic { 1200 } else { 330 };
            assert!((1..=most).contains(&question.len()), "{}: {} bytes", talk.protocol, question.len());
            for port in talk.ports {
                assert_eq!(read_answer(*port, &question), None, "{}: an echo is no answer", talk.protocol);
            }
        }
    }

    #[test]
    fn questions_are_those_of_the_specifications() {
        assert_eq!(payload(53), hex("504f 0000 0001 0000 0000 0000 00 0006 0001"));
        assert_eq!(payload(137).len(), 50);
        assert!(starts(&payload(137), 12, b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01"));
        assert_eq!(
            payload(161),
            hex("303a 020103 300f 0202504f 020300ffe3 040104 020103 0410 300e 0400 020100 020100 0400 0400 0400
                 3012 0400 0400 a00c 0202504f 020100 020100 3000")
        );
        assert_eq!(payload(111).len(), 40);
        assert_eq!(payload(500).len(), 28);
        assert_eq!(payload(4500).len(), 32);
        assert_eq!(payload(443).len(), 1200);
    }

    #[test]
    fn answers_are_recognised_at_their_port_only() {
        let name = "504f52545245455645 2f5544";
        let answers = [
            (53, "504f 8005 0001 0000 0000 0000 00 0006 0001".to_owned(), UdpProtocol::Dns),
            (111, "504f5254 00000001 00000000 00000000 00000000 00000000".to_owned(), UdpProtocol::Rpcbind),
            (123, format!("24010300 {} 504f525452454556 {}", "00".repeat(20), "01".repeat(16)), UdpProtocol::Ntp),
            (137, format!("504f 8400 0000 0001 0000 0000 {}", "00".repeat(60)), UdpProtocol::NetbiosNames),
            (161, "30 8180 020103 3011 0202504f".to_owned(), UdpProtocol::Snmp),
            (443, "80 00000000 00 08 504f525452454556 00000001".to_owned(), UdpProtocol::Quic),
            (
                500,
                format!("504f525452454556 {} 29202220 00000000 00000024 {}", "01".repeat(8), "00".repeat(8)),
                UdpProtocol::Ike,
            ),
            (623, format!("0600ff06 000011be 40000010 {}", "00".repeat(16)), UdpProtocol::Ipmi),
            (1434, "05 0300 414243".to_owned(), UdpProtocol::SqlBrowser),
            (3478, format!("0101 0000 2112a442 {name}"), UdpProtocol::Stun),
            (11211, "504f 0000 0001 0000 56455253494f4e20312e36".to_owned(), UdpProtocol::Memcached),
        ];
        for (port, answer, protocol) in &answers {
            assert_eq!(read_answer(*port, &hex(answer)), Some(*protocol), "{protocol}");
            assert_eq!(read_answer(75, &hex(answer)), None);
        }
        assert_eq!(read_answer(1900, b"HTTP/1.1 200 OK\r\n"), Some(UdpProtocol::Ssdp));
        assert_eq!(read_answer(5060, b"SIP/2.0 200 OK\r\n"), Some(UdpProtocol::Sip));
        assert_eq!(read_answer(1434, b"\x05\x09\x00ABC"), None, "a length that is not its own");
        assert_eq!(read_answer(123, &[0x24; 48]), None, "the answer to somebody else");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, talk in 0..TALKS.len()) {
            for port in TALKS[talk].ports {
                let _ = read_answer(*port, &bytes);
                let mut like = payload(*port);
                like.extend(&bytes);
                let _ = read_answer(*port, &like);
            }
        }
    }
}
