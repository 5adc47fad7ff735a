//! `MySQL`: the server speaks first.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::settings::{Mysql, MysqlAnswer};
use crate::tls::TlsFace;
use crate::wire::{self, Stream, Wire};

const CLIENT_SSL: u32 = 0x0800;
const ER_ACCESS_DENIED: u16 = 1045;
const ER_HOST_IS_BLOCKED: u16 = 1129;
const ER_HOST_NOT_PRIVILEGED: u16 = 1130;
/// What the X plugin says on its own: a notice frame, server hello.
const X_HELLO: [u8; 9] = [0x05, 0x00, 0x00, 0x00, 0x0b, 0x08, 0x05, 0x1a, 0x00];

pub(crate) async fn serve(mut wire: Wire, settings: &Mysql, tls: Option<&TlsFace>) -> io::Result<()> {
    let code = match settings.answer {
        MysqlAnswer::Silent => {
            wire::hang(wire).await;
            return Ok(());
        }
        MysqlAnswer::NotAllowed => Some(ER_HOST_NOT_PRIVILEGED),
        MysqlAnswer::Blocked => Some(ER_HOST_IS_BLOCKED),
        MysqlAnswer::Greeting => None,
    };
    if let Some(code) = code {
        wire.write_all(&packet(0, &error(code, "", &settings.text))).await?;
        wire::finish(wire).await;
        return Ok(());
    }
    wire.write_all(&packet(0, &greeting(&settings.version, tls.is_some()))).await?;
    let Some((answer, rest)) = wire::read_message(&mut wire, 64 * 1024, packet_length).await? else { return Ok(()) };
    let capabilities = answer.get(4..8).map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    // An SSLRequest is the login packet cut off before the user name.
    if let (Some(tls), 36, true) = (tls, answer.len(), capabilities & CLIENT_SSL != 0) {
        wire.unread(&rest);
        if let Some(mut stream) = tls.accept(wire).await? {
            if wire::read_message(&mut stream, 64 * 1024, packet_length).await?.is_some() {
                deny(&mut stream, 3).await?;
            }
            wire::finish(stream).await;
        }
        return Ok(());
    }
    deny(&mut wire, 2).await?;
    wire::finish(wire).await;
    Ok(())
}

/// The X plugin.
pub(crate) async fn serve_x(wire: Wire) -> io::Result<()> {
    super::banner(wire, &X_HELLO).await
}

async fn deny(stream: &mut impl Stream, sequence: u8) -> io::Result<()> {
    stream.write_all(&packet(sequence, &error(ER_ACCESS_DENIED, "#28000", "Access denied"))).await?;
    stream.flush().await
}

fn packet_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..4)?;
    Some(4 + usize::from(header[0]) + usize::from(header[1]) * 256 + usize::from(header[2]) * 65536)
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn error(code: u16, state: &str, text: &str) -> Vec<u8> {
    [&[0xff], code.to_le_bytes().as_slice(), state.as_bytes(), text.as_bytes()].concat()
}

fn greeting(version: &str, tls: bool) -> Vec<u8> {
    let capabilities: u32 = if tls { 0xc3ff_ffff } else { 0xc3ff_ffff & !CLIENT_SSL };
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut challenge = [0; 20];
    let _ = crate::random(&mut challenge);
    // The challenge is text: a zero byte would end it.
    for byte in &mut challenge {
        *byte = *byte & 0x3f | 0x40;
    }
    let mut body = vec![10];
    body.extend(version.bytes());
    body.push(0);
    body.extend(42_u32.to_le_bytes());
    body.extend(&challenge[..8]);
    // A zero, lower capabilities, character set utf8mb4, status autocommit, upper capabilities, challenge length.
    body.extend([0, a, b, 45, 2, 0, c, d, 21]);
    body.extend([0; 10]);
    body.extend(&challenge[8..]);
    body.push(0);
    body.extend(b"mysql_native_password\0");
    body
}
