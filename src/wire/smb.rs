//! SMB over TCP: the negotiation of SMB2, and whether SMB1 is still answered.

use super::Parse;
use super::bytes::{Bytes, Stop, bad, size};
use crate::model::service::Service;

/// The longest answer that is read; a negotiate response with its security blob takes a few hundred bytes.
pub const LIMIT: usize = 64 * 1024;

/// The dialects that are offered (MS-SMB2 2.2.3): 2.0.2, 2.1, 3.0, 3.0.2. 3.1.1 would need negotiate contexts, and a
/// server that has it has the others.
const DIALECTS: [u16; 4] = [0x0202, 0x0210, 0x0300, 0x0302];

/// `ProtocolId` of SMB2 (MS-SMB2 2.2.1).
const SMB2: &[u8] = &[0xfe, b'S', b'M', b'B'];
/// `Protocol` of SMB1 (MS-CIFS 2.2.3.1).
const SMB1: &[u8] = &[0xff, b'S', b'M', b'B'];

/// `SMB_COM_NEGOTIATE` (MS-CIFS 2.2.2.1).
const SMB1_NEGOTIATE: u8 = 0x72;

/// The SMB2 NEGOTIATE request (MS-SMB2 2.2.3) in its Direct TCP frame (MS-SMB2 2.1). `client` is the client's GUID, any
/// sixteen bytes.
pub fn smb2_negotiate(client: [u8; 16]) -> Vec<u8> {
    let mut message = SMB2.to_vec();
    message.extend_from_slice(&64_u16.to_le_bytes()); // structure size
    message.extend_from_slice(&[0; 8]); // credit charge, status, command: negotiate is 0
    message.extend_from_slice(&1_u16.to_le_bytes()); // credits asked for
    message.extend_from_slice(&[0; 48]); // flags to signature
    message.extend_from_slice(&36_u16.to_le_bytes()); // structure size
    message.extend_from_slice(&4_u16.to_le_bytes()); // dialects
    message.extend_from_slice(&1_u16.to_le_bytes()); // signing enabled
    message.extend_from_slice(&[0; 6]); // reserved, capabilities
    message.extend_from_slice(&client);
    message.extend_from_slice(&[0; 8]); // start time
    for dialect in DIALECTS {
        message.extend_from_slice(&dialect.to_le_bytes());
    }
    frame(&message)
}

/// The SMB1 negotiate request (MS-CIFS 2.2.4.52.1) that offers `NT LM 0.12` and nothing of SMB2.
pub fn smb1_negotiate() -> Vec<u8> {
    let mut message = SMB1.to_vec();
    message.push(SMB1_NEGOTIATE);
    message.extend_from_slice(&[0; 4]); // status
    message.push(0x18); // flags: case-insensitive, canonical paths
    message.extend_from_slice(&0xc801_u16.to_le_bytes()); // flags2: Unicode, NT status, extended security, long names
    message.extend_from_slice(&[0; 12]); // process id high, signature, reserved
    message.extend_from_slice(&[0xff, 0xff, 0xfe, 0xff, 0, 0, 0, 0]); // tree, process, user, multiplex
    let dialect = b"\x02NT LM 0.12\0";
    message.push(0); // words
    message.extend_from_slice(&u16::try_from(dialect.len()).unwrap_or(0).to_le_bytes());
    message.extend_from_slice(dialect);
    frame(&message)
}

/// Puts the Direct TCP header before a message: a zero byte and 24 bits of length.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(0);
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

/// An answer to a negotiate request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiated {
    /// An SMB2 response that chose a dialect (MS-SMB2 2.2.4).
    Smb2 {
        /// The dialect's revision; 0x02ff asks for another negotiation.
        dialect: u16,
    },
    /// An SMB2 response that refused.
    Smb2Refused {
        /// The status (MS-ERREF 2.3).
        status: u32,
    },
    /// An SMB1 response that chose a dialect (MS-CIFS 2.2.4.52.2): SMB1 is on.
    Smb1,
    /// An SMB1 response that chose none of the dialects or carried an error: it speaks the format and refuses the
    /// protocol.
    Smb1Refused,
}

impl Negotiated {
    /// Whether SMB1 would go on.
    pub fn is_smb1(self) -> bool {
        self == Self::Smb1
    }

    /// What it proves of the listener: whoever answers in SMB speaks SMB, whatever it chose.
    pub fn service(self) -> Service {
        match self {
            Self::Smb2 { dialect } => Service::Smb { dialect: Some(dialect) },
            Self::Smb2Refused { .. } | Self::Smb1 | Self::Smb1Refused => Service::Smb { dialect: None },
        }
    }
}

/// Reads the answer to a negotiate request of either kind.
pub fn read_negotiated(bytes: &[u8]) -> Parse<Negotiated> {
    negotiated(bytes).into()
}

fn negotiated(bytes: &[u8]) -> Result<Negotiated, Stop> {
    let mut stream = Bytes::stream(bytes);
    stream.expect(&[0], "a session message")?;
    let length = size(stream.u24()?);
    if !(35..=LIMIT).contains(&length) {
        return Err(bad(format!("an answer of {length} bytes")));
    }
    let start = stream.rest();
    if !start.is_empty() && !start.starts_with(&[0xfe]) && !start.starts_with(&[0xff]) {
        return Err(bad("no SMB message"));
    }
    let message = stream.take(length)?;
    match message.first() {
        Some(0xfe) => smb2(Bytes::whole(message)),
        _ => smb1(Bytes::whole(message)),
    }
}

fn smb2(mut message: Bytes<'_>) -> Result<Negotiated, Stop> {
    message.expect(SMB2, "an SMB2 header")?;
    message.take(4)?; // structure size, credit charge
    let status = message.u32_le()?;
    let command = message.u16_le()?;
    if command != 0 {
        return Err(bad(format!("an answer to SMB2 command {command}")));
    }
    message.take(64 - 14)?;
    if status != 0 {
        return Ok(Negotiated::Smb2Refused { status });
    }
    let size = message.u16_le()?;
    if size != 65 {
        return Err(bad(format!("a negotiate response of structure size {size}")));
    }
    message.u16_le()?; // security mode
    Ok(Negotiated::Smb2 { dialect: message.u16_le()? })
}

fn smb1(mut message: Bytes<'_>) -> Result<Negotiated, Stop> {
    message.expect(SMB1, "an SMB1 header")?;
    let command = message.u8()?;
    if command != SMB1_NEGOTIATE {
        return Err(bad(format!("an answer to SMB1 command {command:#04x}")));
    }
    let status = message.u32_le()?;
    message.take(32 - 9)?;
    let words = message.u8()?;
    if status != 0 || words == 0 {
        return Ok(Negotiated::Smb1Refused);
    }
    // MS-CIFS 2.2.4.52.2: 0xFFFF is "none of them". We offered one, which has index 0.
    Ok(if message.u16_le()? == 0 { Negotiated::Smb1 } else { Negotiated::Smb1Refused })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_frames_announce_their_length() {
        for request in [smb2_negotiate([1; 16]), smb1_negotiate()] {
            assert_eq!(usize::from(request[3]), request.len() - 4);
        }
        assert_eq!(smb2_negotiate([0; 16]).len(), 4 + 64 + 36 + 8);
        assert_eq!(smb1_negotiate().len(), 4 + 32 + 3 + 12);
    }

    /// smbd 4.17.12 with its defaults.
    const SMB2_ANSWER: &str =
        "000000cafe534d424000000000000000000001000100000000000000000000000000000000000000000000000000000000000000
        000000000000000000000000000000004100010002030000766d0000000000000000000000000000070000000000800000008000
        00008000c6e80f615f79dd01000000000000000080004a0000000000604806062b0601050502a03e303ca00e300c060a2b060104
        01823702020aa32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265";
    /// smbd 4.17.12 with `server min protocol = NT1`.
    const SMB1_ON: &str =
        "0000009fff534d4272000000008801c8000000000000000000000000fffffeff0000000011000003320001000441000000000100
        8a400000fdf38080b56814615f79dd010000005a00766d0000000000000000000000000000604806062b0601050502a03e303ca0
        0e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c65617365
        5f69676e6f7265";
    /// smbd 4.17.12 with its defaults: it answers in SMB1 that it takes none of the dialects.
    const SMB1_OFF: &str = "00000025ff534d4272000000008803c0000000000000000000000000fffffeff0000000001ffff0000";

    #[test]
    fn smb2_answers_with_the_dialect() {
        let answer = only_whole(&hex(SMB2_ANSWER), read_negotiated);
        assert_eq!(answer, Negotiated::Smb2 { dialect: 0x0302 });
        assert_eq!(answer.service(), Service::Smb { dialect: Some(0x0302) });
    }

    #[test]
    fn smb1_is_on_only_where_a_dialect_was_chosen() {
        assert_eq!(only_whole(&hex(SMB1_ON), read_negotiated), Negotiated::Smb1);
        assert_eq!(only_whole(&hex(SMB1_OFF), read_negotiated), Negotiated::Smb1Refused);
        assert!(!Negotiated::Smb1Refused.is_smb1());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, smb1: bool) {
            let _ = read_negotiated(&bytes);
            let length = u8::try_from(bytes.len().min(200) + 4).unwrap();
            let _ = read_negotiated(&[&[0, 0, 0, length][..], if smb1 { SMB1 } else { SMB2 }, &bytes].concat());
        }
    }
}
