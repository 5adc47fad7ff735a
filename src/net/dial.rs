//! Connections made within the run's limits and pace.

use super::knock::Knock;
use super::limits::{Limits, Permit};
use super::pace::{AddressPermit, Pace, Rates};
use super::raw::RawSyn;
use super::round_trip::RoundTrip;
use super::tcp::{self, NoConnection};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// When the system itself sends a SYN again, at the earliest (RFC 6298, section 2.1).
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The first try to connect is never given up sooner, however near the address is.
const OVERDUE_AT_LEAST: Duration = Duration::from_millis(250);

/// How often it is looked whether an address that had told no round trip has told one meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Makes the connections of a run.
#[derive(Debug)]
pub struct Dialer {
    limits: Limits,
    pace: Pace,
    raw: Option<RawSyn>,
    round_trips: Mutex<HashMap<IpAddr, RoundTrip>>,
}

/// The right to hold a connection to an address; given back when dropped.
#[derive(Debug)]
pub struct Leave {
    _address: Option<AddressPermit>,
    _descriptor: Permit,
}

/// Which of the tries to connect one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// There is another after it.
    First,
    /// There is none.
    Last,
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
        Self { limits, pace: Pace::new(rates), raw: None, round_trips: Mutex::default() }
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
        self.connect(peer, within, Try::Last, leave).await
    }

    /// A try to connect after which there is another, the same or the last: one that takes much longer than others to the same
    /// address is given up, for its SYN was probably lost. Where it is said that the address bears any number of connections,
    /// since something before the target makes them, there is no waiting for leave.
    pub async fn attempt(
        &self,
        peer: SocketAddr,
        within: Duration,
        nth: Try,
        at_once: bool,
    ) -> (Instant, Result<Connection, NoConnection>) {
        let leave = if at_once {
            let leave = Leave { _address: None, _descriptor: self.limits.permit().await };
            self.pace.conversation().await;
            leave
        } else {
            self.leave(peer.ip()).await
        };
        self.connect(peer, within, nth, leave).await
    }

    async fn connect(
        &self,
        peer: SocketAddr,
        within: Duration,
        nth: Try,
        leave: Leave,
    ) -> (Instant, Result<Connection, NoConnection>) {
        let began = Instant::now();
        let connected = match nth {
            Try::First => tcp::connect_unless(peer, within, || self.overdue(peer.ip())).await,
            Try::Last => tcp::connect(peer, within).await,
        };
        if connected.is_ok() {
            self.learn(peer.ip(), began.elapsed());
        }
        (began, connected.map(|stream| Connection { stream, _leave: leave }))
    }

    /// Learns from a connection that was made.
    fn learn(&self, address: IpAddr, took: Duration) {
        // It may be the answer to the SYN before (Karn's algorithm; RFC 6298, section 3).
        if took < SENT_AGAIN_AFTER {
            let mut known = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
            let round_trip = RoundTrip::after(known.get(&address).copied(), took);
            known.insert(address, round_trip);
        }
    }

    /// Returns when a connection to `address` that begins now should have been made long ago, by what others took.
    async fn overdue(&self, address: IpAddr) {
        let began = tokio::time::Instant::now();
        tokio::time::sleep(OVERDUE_AT_LEAST).await;
        loop {
            let known = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied();
            // The retransmission timeout of RFC 6298, section 2.3.
            match known.map(|known| began + known.smoothed + 4 * known.variation) {
                Some(due) if due <= tokio::time::Instant::now() => return,
                Some(due) => tokio::time::sleep_until(due).await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::timeout;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn dialer() -> Arc<Dialer> {
        Arc::new(Dialer::new(Limits::new(8), Rates::default()))
    }

    async fn overdue_within(dialer: &Dialer, time: Duration) -> bool {
        timeout(time, dialer.overdue(ADDRESS)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_overdue_by_what_others_to_the_address_took() {
        let (millis, dialer) = (Duration::from_millis, dialer());
        dialer.learn(ADDRESS, millis(40));
        assert!(!overdue_within(&dialer, millis(249)).await, "never sooner than this");
        assert!(overdue_within(&dialer, millis(251)).await);
        let far = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
        dialer.learn(far, millis(300));
        let far = |time| timeout(time, dialer.overdue(far));
        assert!(far(millis(890)).await.is_err(), "the round trip, and four times its variation");
        assert!(far(millis(910)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_overdue_where_no_other_was_made() {
        let (millis, dialer) = (Duration::from_millis, dialer());
        assert!(!overdue_within(&dialer, Duration::from_mins(1)).await);
        dialer.learn(ADDRESS, Duration::from_secs(1));
        assert!(!overdue_within(&dialer, Duration::from_mins(1)).await, "that may have been the answer to another SYN");
        let waiting = tokio::spawn({
            let dialer = Arc::clone(&dialer);
            async move { overdue_within(&dialer, Duration::from_mins(1)).await }
        });
        tokio::time::sleep(millis(700)).await;
        dialer.learn(ADDRESS, millis(40));
        assert!(timeout(millis(100), waiting).await.is_ok_and(|done| done.is_ok_and(|overdue| overdue)));
    }
}
