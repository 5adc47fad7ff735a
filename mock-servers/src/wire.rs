//! Connections: bytes seen before can be given back, segments can be kept small, and every way to end is at hand.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a peer may say nothing where the server waits for it.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// How long any connection may last.
pub(crate) const LIFETIME: Duration = Duration::from_mins(5);
/// How much a connection may send before it is cut off.
const MAX_READ: usize = 1 << 20;

/// Anything the protocol faces can talk over: TCP, or TLS over TCP.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A TCP connection.
#[derive(Debug)]
pub(crate) struct Wire {
    inner: TcpStream,
    replay: Vec<u8>,
    /// How much was read so far; nobody may fill the server's memory or time.
    read: usize,
    pub(crate) split: Option<usize>,
}

impl Wire {
    pub(crate) fn new(inner: TcpStream) -> Self {
        // Segments are to leave as they are written; a socket that cannot do so still works.
        let _ = inner.set_nodelay(true);
        Self { inner, replay: Vec::new(), read: 0, split: None }
    }

    /// Gives bytes back, to be read again.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        self.replay.splice(0..0, bytes.iter().copied());
    }

    pub(crate) fn local_ip(&self) -> io::Result<std::net::IpAddr> {
        Ok(self.inner.local_addr()?.ip())
    }

    /// Ends with RST.
    pub(crate) fn reset(self) {
        let _ = SockRef::from(&self.inner).set_linger(Some(Duration::ZERO));
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            let count = self.replay.len().min(buf.remaining());
            buf.put_slice(&self.replay[..count]);
            self.replay.drain(..count);
            return Poll::Ready(Ok(()));
        }
        if self.read > MAX_READ {
            return Poll::Ready(Err(io::Error::other("the peer sent too much")));
        }
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read += buf.filled().len() - before;
        poll
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = self.split.map_or(buf.len(), |split| buf.len().min(split.max(1)));
        Pin::new(&mut self.inner).poll_write(cx, &buf[..count])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Ends with FIN: says so first and then reads what is left, since closing with unread bytes would be a RST.
pub(crate) async fn finish(mut stream: impl Stream) {
    if stream.shutdown().await.is_ok() {
        listen(&mut stream).await;
    }
}

/// Waits until the peer leaves, reading and forgetting whatever it sends.
pub(crate) async fn listen(stream: &mut impl Stream) {
    let mut buffer = [0; 4096];
    while let Ok(Ok(1..)) = timeout(IDLE, stream.read(&mut buffer)).await {}
}

/// Stays connected and silent for as long as a connection may last.
pub(crate) async fn hang(mut stream: impl Stream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// Reads until `complete` finds a whole message and says how long it is; `None` if the peer leaves before.
/// Gives the message and what came after it.
pub(crate) async fn read_message(
    stream: &mut impl Stream,
    limit: usize,
    complete: impl Fn(&[u8]) -> Option<usize>,
) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(length) = complete(&bytes) {
            if length > limit {
                return Err(io::Error::other("the message is too long"));
            }
            if bytes.len() >= length {
                let rest = bytes.split_off(length);
                return Ok(Some((bytes, rest)));
            }
        }
        if bytes.len() > limit {
            return Err(io::Error::other("the message is too long"));
        }
        let mut buffer = [0; 4096];
        let count = timeout(IDLE, stream.read(&mut buffer)).await??;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}
