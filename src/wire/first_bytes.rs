//! What speaks, by the first bytes that it sent.

use super::{Parse, http, msrpc, mysql, netbios, rdp, redirector, smb, ssh, tls};
use crate::model::peer_text::PeerText;
use crate::model::service::Service;

/// How many of a stranger's first bytes are kept.
const FIRST_BYTES: usize = 64;

/// How many bytes decide: whatever is still undecided after so many is unknown.
pub const LIMIT: usize = 8 * 1024;

/// Classifies first bytes, whether they came unasked or in answer to any of our requests.
///
/// [`Parse::Incomplete`] while they may still become something that we know, [`Service::Unknown`] when they cannot. A
/// TLS record tells nothing of what is inside.
pub fn classify(bytes: &[u8]) -> Parse<Service> {
    if bytes.is_empty() {
        return Parse::Incomplete;
    }
    let mut undecided = false;
    for reader in READERS {
        match reader(bytes) {
            Parse::Done(service) => return Parse::Done(service),
            Parse::Incomplete => undecided = true,
            Parse::Malformed(_) => {}
        }
    }
    if undecided && bytes.len() < LIMIT { Parse::Incomplete } else { Parse::Done(unknown(bytes)) }
}

/// Classifies all that a listener sent before it fell silent or closed.
pub fn settle(bytes: &[u8]) -> Service {
    match classify(bytes) {
        Parse::Done(service) => service,
        _ if bytes.is_empty() => Service::Silent,
        _ => unknown(bytes),
    }
}

fn unknown(bytes: &[u8]) -> Service {
    Service::Unknown { first_bytes: PeerText::from_bytes(bytes, FIRST_BYTES) }
}

/// A reader that knows one protocol.
type Reader = fn(&[u8]) -> Parse<Service>;

/// The readers. No two of them accept the same bytes.
const READERS: [Reader; 10] = [
    |bytes| mysql::read_greeting(bytes).map(Service::from),
    |bytes| mysql::read_x_notice(bytes).map(|()| Service::MySqlX),
    ssh_banner,
    http_status,
    tls_record,
    |bytes| rdp::read_confirm(bytes).map(Service::from),
    smb2_response,
    |bytes| netbios::read_session(bytes).map(Service::from),
    |bytes| msrpc::read_bind_answer(bytes).map(Service::from),
    |bytes| redirector::read_redirector(bytes).map(|()| Service::AutomateRedirector),
];

fn refuse() -> Parse<Service> {
    Parse::Malformed(PeerText::default())
}

/// Without the lines that may precede the identification string: any text could be one of those.
fn ssh_banner(bytes: &[u8]) -> Parse<Service> {
    if bytes.iter().zip(b"SSH-").any(|(byte, expected)| byte != expected) {
        return refuse();
    }
    ssh::read_banner(bytes).map(|banner| Service::Ssh { banner })
}

fn http_status(bytes: &[u8]) -> Parse<Service> {
    match http::looks_like_http(bytes) {
        Some(true) => Parse::Done(Service::Http),
        Some(false) => refuse(),
        None => Parse::Incomplete,
    }
}

/// What is inside cannot be told from first bytes.
fn tls_seen() -> Service {
    Service::TlsOpaque { why: PeerText::new("known by its first bytes only", 40) }
}

/// An alert or a handshake record with a message or alert that a server sends first.
fn tls_record(bytes: &[u8]) -> Parse<Service> {
    if !tls::looks_like_record(bytes) {
        return refuse();
    }
    // An alert is an answer whatever its level: what matters here is who speaks.
    match (bytes, tls::read_server_answer(bytes)) {
        ([21, 3, minor, 0, 2, 1 | 2, _, ..], _) if *minor <= 4 => Parse::Done(tls_seen()),
        (_, answer) => answer.map(|_| tls_seen()),
    }
}

fn smb2_response(bytes: &[u8]) -> Parse<Service> {
    smb::read_negotiated(bytes).map(smb::Negotiated::service)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    fn tls() -> Service {
        tls_seen()
    }

    #[test]
    fn every_protocol_is_known_by_its_first_bytes() {
        for (answer, service) in [
            (b"SSH-2.0-x\r\n".to_vec(), Service::Ssh { banner: PeerText::new("SSH-2.0-x", 99) }),
            (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Service::Http),
            (hex("15 03 01 00 02 02 28"), tls()),
            (hex("15 03 03 00 02 01 00"), tls()),
            (hex("05 00 00 00 0b 08 05 1a 00"), Service::MySqlX),
            (hex("02 00 00 01 42 09 00 00 01 42"), Service::AutomateRedirector),
            (hex("83 00 00 01 82"), Service::NetBios { answer: 0x83 }),
            (hex("03 00 00 0b 06 d0 00 00 12 34 00"), Service::Rdp { selected: None, failure: None }),
            (hex("05 00 0d 03 10 00 00 00 15 00 00 00 01 00 00 00 00 00 01 05 00"), Service::MsRpc { answer: 13 }),
        ] {
            assert_eq!(only_whole(&answer, classify), service);
        }
    }

    #[test]
    fn silence_and_strangers_are_told_apart() {
        assert_eq!(settle(b""), Service::Silent);
        assert_eq!(settle(b"220 smtp"), Service::Unknown { first_bytes: PeerText::new("220 smtp", 99) });
        assert_eq!(settle(b"HTT"), Service::Unknown { first_bytes: PeerText::new("HTT", 99) });
        assert!(classify(b"HTT").is_incomplete());
    }

    proptest! {
        #[test]
        fn any_bytes_are_classified(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let settled = settle(&bytes);
            prop_assert_eq!(matches!(settled, Service::Silent), bytes.is_empty());
            if let Parse::Done(service) = classify(&bytes) {
                prop_assert_eq!(service, settled);
            }
        }
    }
}
