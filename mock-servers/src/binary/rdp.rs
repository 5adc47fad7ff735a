//! Remote Desktop up to the connection confirm, and the TLS behind it.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::settings::Rdp;
use crate::tls::TlsFace;
use crate::wire::{self, Wire};

const PROTOCOL_TLS: u32 = 1;
const PROTOCOL_HYBRID: u32 = 2;
const SSL_REQUIRED: u32 = 1;
const HYBRID_REQUIRED: u32 = 5;

pub(crate) async fn serve(mut wire: Wire, settings: &Rdp, tls: Option<&TlsFace>) -> io::Result<()> {
    let Some((request, rest)) = wire::read_message(&mut wire, 4096, tpkt_length).await? else { return Ok(()) };
    // TPKT version 3, X.224 connection request.
    if request.len() < 11 || request[0] != 3 || request[5] != 0xe0 {
        wire.reset();
        return Ok(());
    }
    if !settings.negotiation {
        wire.write_all(&confirm(&[])).await?;
        wire::hang(wire).await;
        return Ok(());
    }
    let requested = requested_protocols(&request);
    let selected = match requested & (PROTOCOL_HYBRID | PROTOCOL_TLS) {
        protocols if protocols & PROTOCOL_HYBRID != 0 => Ok(PROTOCOL_HYBRID),
        _ if settings.nla => Err(HYBRID_REQUIRED),
        0 if settings.tls_required => Err(SSL_REQUIRED),
        protocols => Ok(protocols),
    };
    let selected = match selected {
        Ok(protocol) => protocol,
        Err(failure) => {
            wire.write_all(&confirm(&negotiation(3, 0, failure))).await?;
            wire::finish(wire).await;
            return Ok(());
        }
    };
    wire.write_all(&confirm(&negotiation(2, settings.flags, selected))).await?;
    match tls {
        Some(tls) if selected != 0 => {
            wire.unread(&rest);
            if let Some(stream) = tls.accept(wire).await? {
                wire::hang(stream).await;
            }
        }
        _ => wire::hang(wire).await,
    }
    Ok(())
}

fn tpkt_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..4)?;
    // What is no TPKT is handed on at once, to be refused.
    Some(if header[0] == 3 { usize::from(u16::from_be_bytes([header[2], header[3]])).max(4) } else { 4 })
}

/// The negotiation request stands at the end, perhaps after a cookie. Without one, standard security is meant.
fn requested_protocols(request: &[u8]) -> u32 {
    match request.last_chunk::<8>() {
        Some([1, _, 8, 0, protocols @ ..]) if request.len() >= 19 => u32::from_le_bytes(*protocols),
        _ => 0,
    }
}

fn negotiation(kind: u8, flags: u8, value: u32) -> [u8; 8] {
    let [a, b, c, d] = value.to_le_bytes();
    [kind, flags, 8, 0, a, b, c, d]
}

fn confirm(negotiation: &[u8]) -> Vec<u8> {
    let length = u8::try_from(11 + negotiation.len()).unwrap_or_default();
    [&[3, 0, 0, length, length - 5, 0xd0, 0, 0, 0x12, 0x34, 0], negotiation].concat()
}
