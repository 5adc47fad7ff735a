//! Faces that speak something other than HTTP.

pub(crate) mod mysql;
pub(crate) mod rdp;
pub(crate) mod smb;
pub(crate) mod windows;

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::wire::{self, Stream};

/// What the Automate redirector says to an empty line.
const REDIRECTOR_ANSWER: [u8; 10] = [0x02, 0x00, 0x00, 0x01, 0x42, 0x09, 0x00, 0x00, 0x01, 0x42];
/// The most a flood sends: a client that takes so much has failed the test already.
const FLOOD: usize = 1 << 30;

/// Sends fixed bytes, then waits until the peer leaves.
pub(crate) async fn banner(mut stream: impl Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    wire::listen(&mut stream).await;
    Ok(())
}

/// Sends garbage until the peer leaves.
pub(crate) async fn flood(mut stream: impl Stream) -> io::Result<()> {
    let mut garbage = vec![0; 16 * 1024];
    let _ = crate::random(&mut garbage);
    for _ in 0..FLOOD / garbage.len() {
        stream.write_all(&garbage).await?;
    }
    wire::finish(stream).await;
    Ok(())
}

/// Sends a byte a second until the peer leaves.
pub(crate) async fn drip(mut stream: impl Stream) -> io::Result<()> {
    loop {
        stream.write_all(b".").await?;
        stream.flush().await?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// The Automate redirector.
pub(crate) async fn redirector(mut stream: impl Stream) -> io::Result<()> {
    let blank_line =
        |bytes: &[u8]| bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4);
    if wire::read_message(&mut stream, 4096, blank_line).await?.is_some() {
        stream.write_all(&REDIRECTOR_ANSWER).await?;
    }
    wire::finish(stream).await;
    Ok(())
}
