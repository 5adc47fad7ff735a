//! Bounded sending and reading on one connection.

use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::net::failure::{from_io, timed_out};
use crate::wire::Parse;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// The end of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    until: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `allowed` from now.
    pub(super) fn after(allowed: Duration) -> Self {
        Self { until: Instant::now() + allowed, allowed }
    }

    /// The failure of whoever is late.
    pub(super) fn missed(self, stage: Stage) -> Failure {
        timed_out(stage, self.allowed)
    }

    /// Runs `work` until the deadline.
    pub(super) async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until, work).await.ok()
    }
}

/// Why an answer is not complete. What came of it is in the reader's buffer.
#[derive(Debug)]
pub(super) enum Cut {
    /// The peer closed.
    Closed,
    /// The peer reset.
    Reset,
    /// Nothing more came in time.
    Late,
    /// It is not of the protocol.
    Malformed(PeerText),
    /// It is longer than we read.
    TooLarge(usize),
    /// Another failure, of reading or of TLS.
    Broken(io::Error),
}

impl Cut {
    /// The failure that this is at `stage`.
    pub(super) fn failure(self, stage: Stage, deadline: Deadline) -> Failure {
        let peer = |cause| Failure { stage, blame: Blame::Peer, cause };
        match self {
            Self::Closed => peer(Cause::Closed),
            Self::Reset => peer(Cause::Reset),
            Self::Late => deadline.missed(stage),
            Self::Malformed(what) => peer(Cause::Malformed { what }),
            Self::TooLarge(limit) => peer(Cause::TooLarge { limit }),
            Self::Broken(error) => tls_or_io(stage, &error),
        }
    }

    /// Whether the peer ended the connection.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Closed | Self::Reset)
    }
}

/// The failure of a stream that may be TLS: rustls hides its errors in those of I/O.
pub(super) fn tls_or_io(stage: Stage, error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => super::handshake::tls_failure(stage, error),
        None => from_io(stage, error),
    }
}

/// Sends all of `bytes`.
pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], deadline: Deadline) -> Result<(), Cut> {
    let sending = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match deadline.limit(sending).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(cut(error)),
        None => Err(Cut::Late),
    }
}

/// Reads into `buffer`, which may hold earlier bytes, until `parse` has seen enough of it.
pub(super) async fn read<T>(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    limit: usize,
    deadline: Deadline,
    parse: impl Fn(&[u8]) -> Parse<T>,
) -> Result<T, Cut> {
    let mut chunk = [0; 4096];
    loop {
        match parse(buffer) {
            Parse::Done(value) => return Ok(value),
            Parse::Malformed(what) => return Err(Cut::Malformed(what)),
            Parse::Incomplete if buffer.len() >= limit => return Err(Cut::TooLarge(limit)),
            Parse::Incomplete => {}
        }
        let room = chunk.len().min(limit - buffer.len());
        let read = match chunk.get_mut(..room) {
            Some(part) => deadline.limit(stream.read(part)).await,
            None => return Err(Cut::TooLarge(limit)),
        };
        match read {
            Some(Ok(0)) => return Err(Cut::Closed),
            Some(Ok(count)) => buffer.extend(chunk.iter().take(count)),
            Some(Err(error)) => return Err(cut(error)),
            None => return Err(Cut::Late),
        }
    }
}

fn cut(error: io::Error) -> Cut {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Cut::Reset,
        // A TLS connection that ends without close_notify.
        ErrorKind::UnexpectedEof => Cut::Closed,
        _ => Cut::Broken(error),
    }
}
