//! Remote Desktop before TLS: the X.224 connection request, and the negotiation inside the confirm.

use super::Parse;
use super::bytes::{Bytes, Stop, bad};
use crate::model::service::Service;

/// Standard RDP security (MS-RDPBCGR 2.2.1.1.1).
pub const PROTOCOL_RDP: u32 = 0;
/// TLS.
pub const PROTOCOL_SSL: u32 = 1;
/// CredSSP, that is network level authentication.
pub const PROTOCOL_HYBRID: u32 = 2;
/// CredSSP with early user authorization.
pub const PROTOCOL_HYBRID_EX: u32 = 8;

/// The failure of a server that insists on network level authentication (MS-RDPBCGR 2.2.1.2.2).
pub const HYBRID_REQUIRED_BY_SERVER: u32 = 5;

/// Negotiation types (MS-RDPBCGR 2.2.1.1.1, 2.2.1.2.1, 2.2.1.2.2).
const TYPE_REQUEST: u8 = 1;
const TYPE_RESPONSE: u8 = 2;
const TYPE_FAILURE: u8 = 3;

/// X.224 TPDU codes (X.224, sections 13.3 and 13.4), in the upper four bits.
const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;

/// The X.224 connection request (MS-RDPBCGR 2.2.1.1) that offers `protocols`, without cookie.
pub fn connection_request(protocols: u32) -> Vec<u8> {
    // TPKT (RFC 1006, section 6); then length, code, references and class; then the negotiation's type, flags, length.
    let mut request = vec![3, 0, 0, 19, 14, CONNECTION_REQUEST, 0, 0, 0, 0, 0, TYPE_REQUEST, 0, 8, 0];
    request.extend_from_slice(&protocols.to_le_bytes());
    request
}

/// The X.224 connection confirm (MS-RDPBCGR 2.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// The server selected a protocol.
    Selected {
        /// The protocol.
        protocol: u32,
        /// What the server can beside (MS-RDPBCGR 2.2.1.2.1).
        flags: u8,
    },
    /// The server refused.
    Failure {
        /// Why (MS-RDPBCGR 2.2.1.2.2).
        code: u32,
    },
    /// The server knows no negotiation: standard RDP security (MS-RDPBCGR 5.4.2.1).
    NoNegotiation,
}

impl From<Confirm> for Service {
    fn from(confirm: Confirm) -> Self {
        match confirm {
            Confirm::Selected { protocol, .. } => Self::Rdp { selected: Some(protocol), failure: None },
            Confirm::Failure { code } => Self::Rdp { selected: None, failure: Some(code) },
            Confirm::NoNegotiation => Self::Rdp { selected: None, failure: None },
        }
    }
}

/// Reads the connection confirm.
pub fn read_confirm(bytes: &[u8]) -> Parse<Confirm> {
    confirm(bytes).into()
}

fn confirm(bytes: &[u8]) -> Result<Confirm, Stop> {
    let mut stream = Bytes::stream(bytes);
    stream.expect(&[3, 0], "a TPKT header")?;
    let length = usize::from(stream.u16()?);
    if !(11..=512).contains(&length) {
        return Err(bad(format!("a connection confirm of {length} bytes")));
    }
    let mut tpdu = Bytes::whole(stream.take(length - 4)?);
    let indicator = usize::from(tpdu.u8()?);
    if indicator + 5 != length {
        return Err(bad(format!("a TPDU of {indicator} bytes in a packet of {length}")));
    }
    let code = tpdu.u8()?;
    if code & 0xf0 != CONNECTION_CONFIRM {
        return Err(bad(format!("a TPDU of code {code:#04x}")));
    }
    tpdu.take(5)?; // references, class
    if tpdu.is_empty() {
        return Ok(Confirm::NoNegotiation);
    }
    let (kind, flags, length, value) = (tpdu.u8()?, tpdu.u8()?, tpdu.u16_le()?, tpdu.u32_le()?);
    match (kind, length) {
        (TYPE_RESPONSE, 8) => Ok(Confirm::Selected { protocol: value, flags }),
        (TYPE_FAILURE, 8) => Ok(Confirm::Failure { code: value }),
        _ => Err(bad(format!("a negotiation of type {kind} and {length} bytes"))),
    }
}

/// The meaning of a failure code (MS-RDPBCGR 2.2.1.2.2).
pub fn failure_meaning(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "the server requires TLS",
        2 => "the server does not allow TLS",
        3 => "the server has no certificate for TLS",
        4 => "the protocols that were asked for are inconsistent",
        5 => "the server requires network level authentication (CredSSP)",
        6 => "the server requires TLS with user authentication",
        _ => return None,
    })
}

/// The meaning of a selected protocol (MS-RDPBCGR 2.2.1.2.1).
pub fn protocol_meaning(protocol: u32) -> Option<&'static str> {
    Some(match protocol {
        PROTOCOL_RDP => "standard RDP security",
        PROTOCOL_SSL => "TLS",
        PROTOCOL_HYBRID => "CredSSP",
        4 => "RDSTLS",
        PROTOCOL_HYBRID_EX => "CredSSP with early user authorization",
        16 => "RDS with Azure AD authentication",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_request_is_the_specification_s_without_cookie() {
        assert_eq!(connection_request(3), hex("03 00 00 13 0e e0 00 00 00 00 00 01 00 08 00 03 00 00 00"));
    }

    #[test]
    fn network_level_authentication_shows_as_failure_5() {
        let answer = hex("03 00 00 13 0e d0 00 00 12 34 00 03 00 08 00 05 00 00 00");
        assert_eq!(only_whole(&answer, read_confirm), Confirm::Failure { code: HYBRID_REQUIRED_BY_SERVER });
        let answer = hex("03 00 00 13 0e d0 00 00 12 34 00 02 1f 08 00 02 00 00 00");
        assert_eq!(only_whole(&answer, read_confirm), Confirm::Selected { protocol: PROTOCOL_HYBRID, flags: 0x1f });
        let answer = hex("03 00 00 0b 06 d0 00 00 12 34 00");
        assert_eq!(only_whole(&answer, read_confirm), Confirm::NoNegotiation);
    }

    #[test]
    fn xrdp_selects_what_it_can() {
        // xrdp 0.9.21.1 to the protocols 0, and to 1, 3 and 11.
        for (answer, protocol) in [
            ("030000130ed000001234000201080000000000", PROTOCOL_RDP),
            ("030000130ed000001234000201080001000000", PROTOCOL_SSL),
        ] {
            assert_eq!(only_whole(&hex(answer), read_confirm), Confirm::Selected { protocol, flags: 1 });
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = read_confirm(&bytes);
            let length = u8::try_from(bytes.len().min(200) + 4).unwrap();
            let _ = read_confirm(&[&[3, 0, 0, length], &bytes[..]].concat());
        }
    }
}
