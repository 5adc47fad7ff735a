//! Old doors of Windows: `NetBIOS` sessions and the RPC endpoint mapper.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::settings::{Netbios, Rpc};
use crate::wire::{self, Stream};

const SESSION_REQUEST: u8 = 0x81;
const BIND: u8 = 11;
/// The transfer syntax NDR, version 2.
const NDR: [u8; 20] =
    [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0];

/// The `NetBIOS` session service.
pub(crate) async fn netbios(mut stream: impl Stream, settings: &Netbios) -> io::Result<()> {
    let length =
        |bytes: &[u8]| bytes.get(..4).map(|header| 4 + usize::from(u16::from_be_bytes([header[2], header[3]])));
    let Some((request, _)) = wire::read_message(&mut stream, 4096, length).await? else { return Ok(()) };
    if request[0] == SESSION_REQUEST {
        if let Some(code) = settings.refuse {
            stream.write_all(&[0x83, 0, 0, 1, code]).await?;
        } else {
            stream.write_all(&[0x82, 0, 0, 0]).await?;
            wire::listen(&mut stream).await;
        }
    }
    wire::finish(stream).await;
    Ok(())
}

/// The RPC endpoint mapper.
pub(crate) async fn msrpc(mut stream: impl Stream, settings: &Rpc) -> io::Result<()> {
    let length =
        |bytes: &[u8]| bytes.get(..16).map(|header| usize::from(u16::from_le_bytes([header[8], header[9]])).max(16));
    let Some((request, _)) = wire::read_message(&mut stream, 16 * 1024, length).await? else { return Ok(()) };
    if request[0] == 5 && request[2] == BIND {
        let call = &request[12..16];
        stream.write_all(&if settings.refuse { bind_nak(call) } else { bind_ack(call) }).await?;
        wire::listen(&mut stream).await;
    }
    wire::finish(stream).await;
    Ok(())
}

fn header(kind: u8, length: u8, call: &[u8]) -> Vec<u8> {
    // Version 5.0, first and last fragment, little endian, no authentication.
    [&[5, 0, kind, 3, 0x10, 0, 0, 0, length, 0, 0, 0], call].concat()
}

fn bind_ack(call: &[u8]) -> Vec<u8> {
    let mut reply = header(12, 60, call);
    // Fragment sizes, association group, secondary address "135", one result: accepted.
    reply.extend([0xb8, 0x10, 0xb8, 0x10, 0x34, 0x12, 0, 0, 4, 0]);
    reply.extend(b"135\0");
    reply.extend([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    reply.extend(NDR);
    reply
}

fn bind_nak(call: &[u8]) -> Vec<u8> {
    let mut reply = header(13, 21, call);
    // Reason: not specified; supported versions: one, 5.0.
    reply.extend([0, 0, 1, 5, 0]);
    reply
}
