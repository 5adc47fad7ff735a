//! Connections made within the run's limits and pace.

use super::limits::{Limits, Permit};
use super::pace::{AddressPermit, Pace, Rates};
use super::tcp::{self, NoConnection};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Makes the connections of a run.
#[derive(Debug)]
pub struct Dialer {
    limits: Limits,
    pace: Pace,
}

/// The right to hold a connection to an address; given back when dropped.
#[derive(Debug)]
pub struct Leave {
    _address: AddressPermit,
    _descriptor: Permit,
}

/// A connection that counts against the run's limits for as long as it lives.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    _leave: Leave,
}

impl Dialer {
    /// A dialer within these limits and rates.
    pub fn new(limits: Limits, rates: Rates) -> Self {
        Self { limits, pace: Pace::new(rates) }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The pace.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Waits until another connection to `address` may be made and held.
    pub async fn leave(&self, address: IpAddr) -> Leave {
        // The address first: whoever waits for a slow address must not hold a descriptor that others could use.
        let address = self.pace.connection(address).await;
        Leave { _address: address, _descriptor: self.limits.permit().await }
    }

    /// Connects to `peer`, which must answer `within` this time; waiting for leave does not count. Also says when it began.
    pub async fn dial(&self, peer: SocketAddr, within: Duration) -> (Instant, Result<Connection, NoConnection>) {
        let leave = self.leave(peer.ip()).await;
        let began = Instant::now();
        let connected = tcp::connect(peer, within).await;
        (began, connected.map(|stream| Connection { stream, _leave: leave }))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
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
