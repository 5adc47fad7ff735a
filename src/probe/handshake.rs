//! A real TLS handshake, with rustls, that keeps what it saw when it fails.

use super::talk::Deadline;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::net::failure::from_io;
use crate::net::trust::{Recorded, recording_client};
use crate::wire::first_bytes;
use crate::wire::tls::alert_name;
use rustls::pki_types::ServerName;
use rustls::{Error, PeerIncompatible};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The alert `protocol_version` (RFC 8446, section 6.2).
const PROTOCOL_VERSION: u8 = 70;

/// What came of a handshake.
pub(super) struct Handshake<S> {
    /// The connection, or why there is none.
    pub(super) result: Result<TlsStream<Tee<S>>, Failure>,
    /// What the server showed, even where the handshake failed.
    pub(super) recorded: Recorded,
    /// The first bytes that came, whatever they are.
    pub(super) first_bytes: Vec<u8>,
}

/// Makes a handshake over `stream`, with or without SNI.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: ServerName<'static>,
    sni: bool,
    deadline: Deadline,
) -> Handshake<S> {
    handshake_begun(stream, name, sni, deadline, deadline).await
}

/// Like [`handshake`], of which the server must have said the first byte at `first_byte` and all else at `deadline`.
pub(super) async fn handshake_begun<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: ServerName<'static>,
    sni: bool,
    first_byte: Deadline,
    deadline: Deadline,
) -> Handshake<S> {
    let (config, recorded) = match recording_client(sni) {
        Ok(made) => made,
        Err(error) => {
            let result = Err(super::bug(&error.to_string()));
            return Handshake { result, recorded: Recorded::default(), first_bytes: Vec::new() };
        }
    };
    let first = FirstBytes::default();
    let tee = Tee { stream, first: first.clone() };
    let mute = async {
        let _: Option<()> = first_byte.limit(pending()).await;
        if !first.is_empty() {
            pending::<()>().await;
        }
    };
    let result = tokio::select! {
        biased;
        made = deadline.limit(TlsConnector::from(config).connect(name, tee)) => match made {
            Some(Ok(stream)) => Ok(stream),
            Some(Err(error)) => Err(failure(&error)),
            None => Err(deadline.missed(Stage::Handshake)),
        },
        () = mute => Err(first_byte.missed(Stage::Handshake)),
    };
    Handshake { result, recorded, first_bytes: first.take() }
}

/// What a server shows of itself in a handshake, which is broken off as soon as it has signed: what follows shows nothing more,
/// and is another round trip in TLS 1.2. Where it did not come so far, also why.
pub(super) async fn shown<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: ServerName<'static>,
    sni: bool,
    deadline: Deadline,
) -> (Recorded, Result<(), Failure>) {
    let (config, recorded) = match recording_client(sni) {
        Ok(made) => made,
        Err(error) => return (Recorded::default(), Err(super::bug(&error.to_string()))),
    };
    let mut connecting = std::pin::pin!(TlsConnector::from(config).connect(name, stream));
    let until_shown = poll_fn(|cx| match connecting.as_mut().poll(cx) {
        Poll::Pending if recorded.version().is_some() => Poll::Ready(Ok(())),
        polled => polled.map(|made| made.map(drop)),
    });
    let result = match deadline.limit(until_shown).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(failure(&error)),
        None => Err(deadline.missed(Stage::Handshake)),
    };
    (recorded, result)
}

fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => tls_failure(Stage::Handshake, error),
        None => from_io(Stage::Handshake, error),
    }
}

/// The failure that an error of rustls means.
pub(super) fn tls_failure(stage: Stage, error: &Error) -> Failure {
    let declined = |how: String| Cause::Declined { how: PeerText::new(&how, 300) };
    let cause = match error {
        Error::AlertReceived(alert) => {
            let number = u8::from(*alert);
            let old = if number == PROTOCOL_VERSION { ": TLS 1.2 and 1.3 refused" } else { "" };
            declined(format!("TLS alert {number} ({}){old}", alert_name(number).unwrap_or("unknown")))
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => declined("only TLS versions older than 1.2".to_owned()),
        Error::PeerIncompatible(why) => declined(format!("nothing in common with a present-day client: {why:?}")),
        Error::InvalidMessage(_) => Cause::Malformed { what: PeerText::new(&error.to_string(), 200) },
        other => Cause::Other { message: PeerText::new(&other.to_string(), 200) },
    };
    Failure { stage, blame: Blame::Peer, cause }
}

/// A stream that remembers the first bytes that were read. They outlive it: a handshake that fails drops its stream.
#[derive(Debug)]
pub(super) struct Tee<S> {
    stream: S,
    first: FirstBytes,
}

#[derive(Clone, Debug, Default)]
struct FirstBytes(Arc<Mutex<Vec<u8>>>);

impl FirstBytes {
    fn add(&self, bytes: &[u8]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = first_bytes::LIMIT.saturating_sub(held.len());
        held.extend(bytes.iter().take(room));
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tee<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.first.add(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tee<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
