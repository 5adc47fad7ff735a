//! Connections made within the run's limits and pace.

use super::knock::Knock;
use super::limits::{Limits, Permit};
use super::pace::{AddressPermit, Pace, Rates};
use super::raw::RawSyn;
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
    raw: Option<RawSyn>,
}

/// The right to hold a connection to an address; given back when dropped.
#[derive(Debug)]
pub struct Leave {
    _address: Option<AddressPermit>,
    _descriptor: Permit,
}

/// The right to send one SYN now, wherever to, and to hold its descriptor.
#[derive(Debug)]
pub struct Clearance {
    _descriptor: Option<Permit>,
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
        Self { limits, pace: Pace::new(rates), raw: None }
    }

    /// The same, with SYNs of our own where they can be used.
    #[must_use]
    pub fn with_raw(self, raw: RawSyn) -> Self {
        Self { raw: Some(raw), ..self }
    }

    /// What sends SYNs of our own to `address`, where this process may.
    pub fn raw(&self, address: IpAddr) -> Option<&RawSyn> {
        self.raw.as_ref().filter(|raw| raw.serves(address).is_ok())
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
        Leave { _address: Some(address), _descriptor: self.limits.permit().await }
    }

    /// Waits for the right to send a SYN, within what the run may hold and send in all. How fast one address may be asked
    /// is the caller's to know.
    pub async fn clearance(&self) -> Clearance {
        let descriptor = self.limits.permit().await;
        self.pace.pass().await;
        Clearance { _descriptor: Some(descriptor) }
    }

    /// The same for a SYN of our own, which needs no descriptor.
    pub async fn clearance_without_descriptor(&self) -> Clearance {
        self.pace.pass().await;
        Clearance { _descriptor: None }
    }

    /// The same without waiting, where nobody else waits.
    pub fn try_clearance_without_descriptor(&self) -> Option<Clearance> {
        self.pace.try_pass().then_some(Clearance { _descriptor: None })
    }

    /// The same without waiting, where nobody else waits.
    pub fn try_clearance(&self) -> Option<Clearance> {
        let descriptor = self.limits.try_permit()?;
        self.pace.try_pass().then_some(Clearance { _descriptor: Some(descriptor) })
    }

    /// One try to connect to `peer`, which may answer `within` this time; the connection is let go at once.
    pub async fn knock(
        &self,
        peer: SocketAddr,
        within: Duration,
        _clearance: Clearance,
    ) -> Result<Knock, NoConnection> {
        tcp::knock(peer, within).await
    }

    /// Connects to `peer`, which must answer `within` this time; waiting for leave does not count. Also says when it began.
    pub async fn dial(&self, peer: SocketAddr, within: Duration) -> (Instant, Result<Connection, NoConnection>) {
        let leave = self.leave(peer.ip()).await;
        Self::connect(peer, within, leave).await
    }

    /// The same for an address that bears any number of connections, since something before the target makes them.
    pub async fn dial_at_once(
        &self,
        peer: SocketAddr,
        within: Duration,
    ) -> (Instant, Result<Connection, NoConnection>) {
        let leave = Leave { _address: None, _descriptor: self.limits.permit().await };
        self.pace.pass().await;
        Self::connect(peer, within, leave).await
    }

    async fn connect(peer: SocketAddr, within: Duration, leave: Leave) -> (Instant, Result<Connection, NoConnection>) {
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
