//! The NetBIOS session service (RFC 1002, section 4.3).

use super::Parse;
use super::bytes::{Bytes, Stop, bad, size};
use crate::model::service::Service;

/// Packet types (RFC 1002, section 4.3.1).
const SESSION_REQUEST: u8 = 0x81;
const POSITIVE: u8 = 0x82;
const NEGATIVE: u8 = 0x83;
const RETARGET: u8 = 0x84;
const KEEPALIVE: u8 = 0x85;

/// How many keepalives may come before the answer.
const KEEPALIVES: usize = 16;

/// The session request (RFC 1002, section 4.3.2) to `*SMBSERVER`, the name under which every SMB server can be called
/// without knowing its own. We call ourselves `PORTREEVE`.
pub fn session_request() -> Vec<u8> {
    let mut request = vec![SESSION_REQUEST, 0, 0, 68];
    push_name(&mut request, b"*SMBSERVER", 0x20); // the file server service
    push_name(&mut request, b"PORTREEVE", 0x00); // a workstation
    request
}

/// Appends a name in first-level encoding (RFC 1001, section 14.1): padded to 15 characters with a suffix for the kind
/// of service, each half byte as a letter from `A`.
fn push_name(out: &mut Vec<u8>, name: &[u8], suffix: u8) {
    out.push(32);
    let padded = name.iter().copied().chain(std::iter::repeat(b' ')).take(15).chain([suffix]);
    out.extend(padded.flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 0x0f)]));
    out.push(0);
}

/// An answer to the session request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// The session is open.
    Positive,
    /// It was refused (RFC 1002, section 4.3.4).
    Negative {
        /// Why: 0x80 to 0x83, or 0x8f.
        code: u8,
    },
    /// Another address should be asked (RFC 1002, section 4.3.5); nobody asks it.
    Retarget,
}

impl From<Session> for Service {
    fn from(session: Session) -> Self {
        Self::NetBios {
            answer: match session {
                Session::Positive => POSITIVE,
                Session::Negative { .. } => NEGATIVE,
                Session::Retarget => RETARGET,
            },
        }
    }
}

/// Reads the answer. Keepalives before it are skipped.
pub fn read_session(bytes: &[u8]) -> Parse<Session> {
    session(bytes).into()
}

fn session(bytes: &[u8]) -> Result<Session, Stop> {
    let mut stream = Bytes::stream(bytes);
    for _ in 0..KEEPALIVES {
        let kind = stream.u8()?;
        // The length is the type's own, so a wrong one shows before the rest is waited for.
        let expected: u32 = match kind {
            POSITIVE | KEEPALIVE => 0,
            NEGATIVE => 1,
            RETARGET => 6,
            _ => return Err(bad(format!("a session packet of type {kind:#04x}"))),
        };
        let length = stream.u24()?;
        if length != expected {
            return Err(bad(format!("a session packet of type {kind:#04x} and {length} bytes")));
        }
        let body = stream.take(size(length))?;
        match (kind, body) {
            (POSITIVE, _) => return Ok(Session::Positive),
            (NEGATIVE, [code]) => return Ok(Session::Negative { code: *code }),
            (RETARGET, _) => return Ok(Session::Retarget),
            _ => {}
        }
    }
    Err(bad("nothing but keepalives"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_is_encoded_as_every_client_does() {
        let request = session_request();
        assert_eq!(request.len(), 72);
        assert_eq!(&request[5..37], b"CKFDENECFDEFFCFGEFFCCACACACACACA");
    }

    #[test]
    fn the_three_answers_are_read() {
        assert_eq!(only_whole(&hex("82 00 00 00"), read_session), Session::Positive);
        assert_eq!(only_whole(&hex("85 00 00 00 83 00 00 01 82"), read_session), Session::Negative { code: 0x82 });
        assert_eq!(only_whole(&hex("84 00 00 06 c0 00 02 07 00 8b"), read_session), Session::Retarget);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, kind in 0x80_u8..0x88) {
            let _ = read_session(&bytes);
            let _ = read_session(&[&[kind, 0, 0], &bytes[..]].concat());
        }
    }
}
