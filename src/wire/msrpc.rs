//! MSRPC over TCP: a bind to the endpoint mapper (C706, chapter 12; MS-RPCE).

use super::Parse;
use super::bytes::{Bytes, Stop, bad};
use crate::model::service::Service;

/// PDU types (C706, section 12.6.1).
const FAULT: u8 = 3;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;

/// The endpoint mapper's interface, `e1af8308-5d1f-11c9-91a4-08002b14a0fa` version 3.0 (C706, appendix O), as on the
/// wire.
const ENDPOINT_MAPPER: [u8; 20] =
    [0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa, 3, 0, 0, 0];

/// The transfer syntax NDR, `8a885d04-1ceb-11c9-9fe8-08002b104860` version 2.0 (C706, appendix I), as on the wire.
const NDR: [u8; 20] =
    [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0];

/// The longest fragment that is offered and read (the usual one of Windows clients).
const FRAGMENT: u16 = 5840;

/// The bind request (C706, section 12.6.4.3), without authentication.
pub fn bind_request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&FRAGMENT.to_le_bytes()); // to send
    body.extend_from_slice(&FRAGMENT.to_le_bytes()); // to receive
    body.extend_from_slice(&[0; 4]); // a new association group
    body.extend_from_slice(&[1, 0, 0, 0]); // one context
    body.extend_from_slice(&[0, 0, 1, 0]); // number 0, one transfer syntax
    body.extend_from_slice(&ENDPOINT_MAPPER);
    body.extend_from_slice(&NDR);

    let mut request = vec![5, 0, BIND, 3]; // version 5.0; first and last fragment
    request.extend_from_slice(&[0x10, 0, 0, 0]); // little-endian, ASCII, IEEE
    request.extend_from_slice(&u16::try_from(body.len() + 16).unwrap_or(0).to_le_bytes());
    request.extend_from_slice(&[0, 0]); // no authentication
    request.extend_from_slice(&1_u32.to_le_bytes()); // call
    request.extend_from_slice(&body);
    request
}

/// An answer to the bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindAnswer {
    /// `bind_ack`.
    Ack,
    /// `bind_nak`.
    Nak,
    /// `fault`.
    Fault,
}

impl From<BindAnswer> for Service {
    fn from(answer: BindAnswer) -> Self {
        Self::MsRpc {
            answer: match answer {
                BindAnswer::Ack => BIND_ACK,
                BindAnswer::Nak => BIND_NAK,
                BindAnswer::Fault => FAULT,
            },
        }
    }
}

/// Reads the answer.
pub fn read_bind_answer(bytes: &[u8]) -> Parse<BindAnswer> {
    bind_answer(bytes).into()
}

fn bind_answer(bytes: &[u8]) -> Result<BindAnswer, Stop> {
    let mut stream = Bytes::stream(bytes);
    stream.expect(&[5], "version 5")?;
    let minor = stream.u8()?;
    if minor > 1 {
        return Err(bad(format!("version 5.{minor}")));
    }
    let answer = match stream.u8()? {
        BIND_ACK => BindAnswer::Ack,
        BIND_NAK => BindAnswer::Nak,
        FAULT => BindAnswer::Fault,
        other => return Err(bad(format!("a PDU of type {other}"))),
    };
    stream.u8()?; // flags
    let representation = stream.u8()?;
    stream.take(3)?;
    let length = if representation & 0x10 == 0 { stream.u16()? } else { stream.u16_le()? };
    if !(16..=FRAGMENT).contains(&length) {
        return Err(bad(format!("a fragment of {length} bytes")));
    }
    stream.take(usize::from(length) - 10)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bind_announces_its_length() {
        let request = bind_request();
        assert_eq!(request.len(), 72);
        assert_eq!(request[8..10], [72, 0]);
    }

    /// samba-dcerpcd 4.17.12.
    const SAMBA: &str =
        "05000c03100000003c00000001000000d016d0165882000004003133350000000100000000000000045d888aeb1cc9119fe80800
        2b10486002000000";

    #[test]
    fn a_real_endpoint_mapper_acknowledges() {
        assert_eq!(only_whole(&hex(SAMBA), read_bind_answer), BindAnswer::Ack);
    }

    #[test]
    fn a_refusal_is_an_answer_too() {
        // C706, section 12.6.4.5: reason 0, protocol versions 5.0.
        let answer = hex("05 00 0d 03 10 00 00 00 15 00 00 00 01 00 00 00 00 00 01 05 00");
        assert_eq!(only_whole(&answer, read_bind_answer), BindAnswer::Nak);
        let big_endian = hex("05 00 0d 03 00 00 00 00 00 15 00 00 00 00 00 01 00 00 01 05 00");
        assert_eq!(only_whole(&big_endian, read_bind_answer), BindAnswer::Nak);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, kind in 0_u8..20) {
            let _ = read_bind_answer(&bytes);
            let _ = read_bind_answer(&[&[5, 0, kind], &bytes[..]].concat());
        }
    }
}
