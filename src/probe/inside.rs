//! HTTP within TLS that rustls does not speak.

use super::session::Session;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::net::dial::Leave;
use crate::net::openssl::Inside;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that the `openssl` command holds, within the run's limits.
pub(super) struct OldTls {
    inside: Inside,
    _leave: Leave,
}

/// Whether a server that refused rustls may speak to a client that knows older things.
pub(super) fn may_be_older(failure: &Failure) -> bool {
    failure.stage == Stage::Handshake
        && failure.blame == Blame::Peer
        && matches!(failure.cause, Cause::Declined { .. } | Cause::Closed | Cause::Reset | Cause::Other { .. })
}

/// Connects by other means, after rustls met this `failure`, which is given back where there are none.
pub(super) async fn connect(session: &mut Session<'_>, failure: Failure) -> Result<OldTls, Failure> {
    let Some(openssl) = session.asker.openssl.clone().filter(|_| may_be_older(&failure)) else {
        return Err(explained(failure, "the openssl command, which may know more, is not installed here"));
    };
    let leave = session.leave().await;
    match openssl.connect(session.socket(), session.peer.server_name()) {
        Ok(inside) => Ok(OldTls { inside, _leave: leave }),
        Err(error) => Err(explained(failure, &format!("the openssl command could not be started: {error}"))),
    }
}

impl OldTls {
    /// What is to be said where nothing came of it either.
    pub(super) async fn failed(self, failure: Failure) -> Failure {
        let reason = self.inside.complaint().await;
        let reason = reason.unwrap_or_else(|| "no answer".to_owned());
        explained(failure, &format!("the openssl command fared no better: {reason}"))
    }
}

/// The failure, with what else was tried.
fn explained(failure: Failure, what: &str) -> Failure {
    if !may_be_older(&failure) {
        return failure;
    }
    let how = PeerText::new(&format!("{}; {what}", failure.cause), 300);
    Failure { cause: Cause::Declined { how }, ..failure }
}

impl AsyncRead for OldTls {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inside).poll_read(cx, buffer)
    }
}

impl AsyncWrite for OldTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inside).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inside).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inside).poll_shutdown(cx)
    }
}
