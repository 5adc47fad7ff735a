//! SMB: the answers to the two kinds of negotiation, old and new.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::settings::Smb;
use crate::wire::{self, Wire};

const SMB1: &[u8] = b"\xffSMB";
const SMB2: &[u8] = b"\xfeSMB";
const NEGOTIATE: u8 = 0x72;
/// "Go on in SMB2", the answer to an SMB1 hello that knows of SMB2.
const WILDCARD: u16 = 0x02ff;
const STATUS_NOT_SUPPORTED: u32 = 0xc000_00bb;

pub(crate) async fn serve(mut wire: Wire, settings: &Smb) -> io::Result<()> {
    while let Some((frame, rest)) = wire::read_message(&mut wire, 64 * 1024, frame_length).await? {
        wire.unread(&rest);
        let message = &frame[4..];
        let reply = if message.starts_with(SMB2) && message.len() >= 100 {
            smb2_reply(settings, message)
        } else if message.starts_with(SMB1) && message.get(4) == Some(&NEGOTIATE) {
            smb1_reply(settings, message)
        } else {
            None
        };
        let Some(reply) = reply else {
            if settings.reset {
                wire.reset();
                return Ok(());
            }
            break;
        };
        let length = u32::try_from(reply.len()).unwrap_or_default().to_be_bytes();
        wire.write_all(&[&length, reply.as_slice()].concat()).await?;
    }
    wire::finish(wire).await;
    Ok(())
}

/// The length in front is 24 bits after a zero byte.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<4>()?;
    Some(4 + usize::try_from(u32::from_be_bytes(*header) & 0x00ff_ffff).unwrap_or(usize::MAX >> 1))
}

fn smb2_reply(settings: &Smb, message: &[u8]) -> Option<Vec<u8>> {
    let count = usize::from(u16::from_le_bytes([message[66], message[67]]));
    let dialects = message.get(100..100 + count * 2)?;
    let chosen = dialects
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .filter(|dialect| *dialect <= settings.dialect)
        .max();
    let message_id = message.get(24..32)?;
    Some(match chosen {
        Some(dialect) => smb2_negotiate(settings, dialect, message_id),
        // An error response: structure size 9 and one byte of padding.
        None => [&smb2_header(STATUS_NOT_SUPPORTED, message_id), [9, 0, 0, 0, 0, 0, 0, 0, 0].as_slice()].concat(),
    })
}

fn smb2_header(status: u32, message_id: &[u8]) -> Vec<u8> {
    let mut header = SMB2.to_vec();
    header.extend([64, 0, 0, 0]);
    header.extend(status.to_le_bytes());
    // Command negotiate, one credit, flag "response", no next command.
    header.extend([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(message_id);
    header.extend([0; 8]);
    header.extend([0; 8]);
    header.extend([0; 16]);
    header
}

fn smb2_negotiate(settings: &Smb, dialect: u16, message_id: &[u8]) -> Vec<u8> {
    let mut reply = smb2_header(0, message_id);
    reply.extend([65, 0, if settings.signing_required { 3 } else { 1 }, 0]);
    reply.extend(dialect.to_le_bytes());
    reply.extend([0, 0]);
    reply.extend(*b"mock-server-guid");
    reply.extend(0x7f_u32.to_le_bytes());
    for _ in 0..3 {
        reply.extend(0x0010_0000_u32.to_le_bytes());
    }
    // System time (2024-01-01) and start time; no security buffer, whose offset is the end of the message.
    reply.extend(133_485_408_000_000_000_u64.to_le_bytes());
    reply.extend([0; 8]);
    reply.extend([128, 0, 0, 0, 0, 0, 0, 0]);
    reply
}

fn smb1_reply(settings: &Smb, message: &[u8]) -> Option<Vec<u8>> {
    // Word count, byte count, then dialects as 0x02 name 0x00.
    let dialects: Vec<&[u8]> = message.get(35..)?.split(|byte| *byte == 0).collect();
    let position = |name: &[u8]| dialects.iter().position(|dialect| dialect.strip_prefix(&[2]) == Some(name));
    if position(b"SMB 2.???").is_some() {
        return Some(smb2_negotiate(settings, WILDCARD, &[0; 8]));
    }
    if position(b"SMB 2.002").is_some() {
        return Some(smb2_negotiate(settings, 0x0202, &[0; 8]));
    }
    if !settings.smb1 {
        return None;
    }
    let mut reply = message.get(..32)?.to_vec();
    // Success, and the flag "reply".
    reply[5..9].fill(0);
    reply[9] |= 0x80;
    match position(b"NT LM 0.12") {
        Some(index) => {
            reply.push(17);
            reply.extend(u16::try_from(index).unwrap_or_default().to_le_bytes());
            reply.push(if settings.signing_required { 0x0f } else { 0x03 });
            // Multiplex count, virtual circuits, buffer size, raw size, session key.
            reply.extend([50, 0, 1, 0, 0x04, 0x11, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
            // Capabilities, time, zone, length of the challenge.
            reply.extend(0x0000_f3fd_u32.to_le_bytes());
            reply.extend(133_485_408_000_000_000_u64.to_le_bytes());
            reply.extend([0, 0, 8, 12, 0]);
            reply.extend(b"12345678");
            reply.extend([0; 4]);
        }
        // None of the dialects.
        None => reply.extend([1, 0xff, 0xff, 0, 0]),
    }
    Some(reply)
}
