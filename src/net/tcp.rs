//! TCP connections that know why they were not made.
//!
//! An unprivileged `connect` reports an errno; whether "refused" was a RST of the target or a firewall's ICMP message, and
//! who sent that, stands in the error queue (module `error_queue`). On systems without one a refusal is
//! [`PortReason::Refused`].
//!
//! Connections are closed the polite way: no `SO_LINGER`, so the system sends FIN after what was written. A reset would
//! free our port at once, but servers log it as an error and some count it against us. `TIME_WAIT` costs nothing here: it
//! blocks one pair of local port and asked port for a minute.

use super::error_queue::{self, Icmp};
use super::failure::{from_io, is_unreachable, timed_out};
use super::knock::Knock;
use super::limits::patiently;
use super::route;
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tracing::trace;

/// How often a connection that found itself is made anew before the port counts as closed.
const SELF_CONNECTIONS: u32 = 3;

/// How long this system keeps a refusal to itself. Windows answers a RST with another SYN, half a second later, as often as
/// it would repeat one that met silence (Microsoft, article 175523); with its four repetitions that takes two seconds.
pub const REFUSALS_KEPT: Duration = if cfg!(windows) { Duration::from_millis(2300) } else { Duration::ZERO };

/// Whether an error of `connect` itself, before anything can have come back, means that no route leads there. Systems with
/// BSD's network (macOS) and Windows remember for a while that a neighbour did not answer, and say it in the same words.
const REFUSES_AT_ONCE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConnection {
    /// The network said so, or said nothing: the port's state and the reason.
    #[error("{}: {}", .0.state, .0.reason.describe())]
    NotOpen(PortFact, Duration),
    /// The handshake was completed, and the connection reset before anything was said: the port is open, whoever it was that
    /// reset it.
    #[error("the connection was reset right after the handshake")]
    Reset,
    /// This machine has no route to the address; nothing was sent.
    #[error("no route to the address")]
    NoRoute,
    /// The attempt failed here and says nothing about the port.
    #[error(transparent)]
    Failed(Failure),
}

impl NoConnection {
    /// The same as a failure of something that needed the connection.
    pub fn into_failure(self) -> Failure {
        let failure = |blame, cause| Failure { stage: Stage::Connect, blame, cause };
        match self {
            Self::NotOpen(PortFact { state: PortState::Filtered, .. }, allowed) => timed_out(Stage::Connect, allowed),
            Self::NotOpen(PortFact { state: PortState::Closed, .. }, _) => failure(Blame::Peer, Cause::Refused),
            Self::NotOpen(..) => failure(Blame::Path, Cause::Unreachable),
            Self::Reset => failure(Blame::Peer, Cause::Reset),
            Self::NoRoute => failure(Blame::Ourselves, Cause::Unreachable),
            Self::Failed(failure) => failure,
        }
    }
}

/// Connects to `peer`; silence counts as an answer after `within`.
///
/// Exhaustion of this machine is waited out before the time begins to run. Dropping the future closes the socket.
pub async fn connect(peer: SocketAddr, within: Duration) -> Result<TcpStream, NoConnection> {
    connect_unless(peer, within, std::future::pending).await
}

/// The same, but silence counts as an answer already when `overdue`, begun with the connection, says so.
pub(super) async fn connect_unless<F: Future<Output = ()>>(
    peer: SocketAddr,
    within: Duration,
    overdue: impl Fn() -> F,
) -> Result<TcpStream, NoConnection> {
    for _ in 0..SELF_CONNECTIONS {
        let stream = begin(peer).await?;
        let in_time = tokio::time::timeout(within, async {
            tokio::select! {
                biased;
                done = finished(&stream) => Some(done),
                () = overdue() => None,
            }
        });
        let in_time = in_time.await.unwrap_or_default();
        // A busy machine listens late: what the system knows by now is no silence.
        match in_time.or_else(|| outcome(&stream)) {
            // A listener of our own choosing: to a port of this machine on which nobody listens, the system may connect us
            // from that very port (RFC 9293, section 3.5, simultaneous open).
            Some(Ok(())) if stream.local_addr().is_ok_and(|local| local == peer) => drop(stream),
            Some(Ok(())) => return Ok(stream),
            Some(Err(error)) => return Err(explain(peer.ip(), &stream, &error, within)),
            None => return Err(not_open(PortState::Filtered, PortReason::Silence, None, within)),
        }
    }
    Err(not_open(PortState::Closed, PortReason::Refused, None, within))
}

/// Connects to `peer` and lets go at once: the port's state as one try sees it, and how long the answer took.
pub async fn knock(peer: SocketAddr, within: Duration) -> Result<Knock, NoConnection> {
    let silent = |reason: &PortReason| *reason == PortReason::Silence;
    let began = Instant::now();
    match connect(peer, within).await.map(drop) {
        Ok(()) | Err(NoConnection::Reset) => {
            let round_trip = Some(began.elapsed());
            let fact = PortFact { state: PortState::Open, reason: PortReason::HandshakeCompleted, sender: None };
            Ok(Knock { fact, round_trip, segment: None })
        }
        Err(NoConnection::NotOpen(fact, _)) => {
            let round_trip = (!silent(&fact.reason)).then(|| began.elapsed());
            Ok(Knock { fact, round_trip, segment: None })
        }
        Err(other) => Err(other),
    }
}

/// Opens a socket and sends the SYN.
async fn begin(peer: SocketAddr) -> Result<TcpStream, NoConnection> {
    match patiently(|| start(peer)).await {
        Ok(stream) => TcpStream::from_std(stream).map_err(|error| NoConnection::Failed(from_io(Stage::Socket, &error))),
        Err(error) if route::is_no_route(&error) && !route::exists(peer.ip()) => Err(NoConnection::NoRoute),
        Err(error) => Err(match error.kind() {
            // The system has a route and refuses to use it, such as Linux's `unreachable` routes.
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable if REFUSES_AT_ONCE => NoConnection::NoRoute,
            _ if is_unreachable(&error) => not_open(PortState::Rejected, PortReason::Unreachable, None, Duration::ZERO),
            // Loopback answers before `connect` returns.
            ErrorKind::ConnectionRefused => not_open(
                PortState::Closed,
                if error_queue::AVAILABLE { PortReason::Reset } else { PortReason::Refused },
                None,
                Duration::ZERO,
            ),
            _ => NoConnection::Failed(from_io(Stage::Socket, &error)),
        }),
    }
}

fn start(peer: SocketAddr) -> io::Result<std::net::TcpStream> {
    let domain = if peer.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Every exchange is a question that waits for its answer.
    socket.set_tcp_nodelay(true)?;
    error_queue::enable(&socket, peer.is_ipv6())?;
    match socket.connect(&peer.into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) if is_in_progress(&error) => Ok(socket.into()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32)
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// Waits for the handshake's end.
async fn finished(stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.writable().await?;
        if let Some(outcome) = outcome(stream) {
            return outcome;
        }
        // Woken early: still in progress. Clears the readiness so that the next wait is a wait.
        let still = stream.try_io(tokio::io::Interest::WRITABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        if let Err(error) = still
            && error.kind() != ErrorKind::WouldBlock
        {
            return Err(error);
        }
    }
}

/// How the handshake ended, if it has.
fn outcome(stream: &TcpStream) -> Option<io::Result<()>> {
    match stream.take_error() {
        Ok(Some(error)) | Err(error) => return Some(Err(error)),
        Ok(None) => {}
    }
    match stream.peer_addr() {
        Ok(_) => Some(Ok(())),
        Err(error) if error.kind() == ErrorKind::NotConnected => None,
        Err(error) => Some(Err(error)),
    }
}

/// What the system's error and the error queue say together.
fn explain(target: IpAddr, stream: &TcpStream, error: &io::Error, within: Duration) -> NoConnection {
    let icmp = loop {
        match error_queue::next(stream) {
            Ok(Some(notice)) if notice.icmp.is_some() => break notice.icmp,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break None,
        }
    };
    trace!(%target, %error, ?icmp, "not connected");
    if let Some(icmp) = icmp {
        let fact = icmp_fact(target, icmp);
        return NoConnection::NotOpen(fact, within);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            let reason = if error_queue::AVAILABLE { PortReason::Reset } else { PortReason::Refused };
            not_open(PortState::Closed, reason, None, within)
        }
        // Systems call a RST refused until the handshake is completed (RFC 9293, section 3.10.7.3), and reset from then on, or
        // a broken pipe where the peer had closed its side already.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => NoConnection::Reset,
        _ if is_unreachable(error) && route::exists(target) => {
            not_open(PortState::Rejected, PortReason::Unreachable, None, within)
        }
        _ if is_unreachable(error) => NoConnection::NoRoute,
        ErrorKind::TimedOut => not_open(PortState::Filtered, PortReason::Silence, None, within),
        _ => NoConnection::Failed(from_io(Stage::Connect, error)),
    }
}

/// What an ICMP message says of a port of `target`: only "port unreachable" from the target itself means closed.
pub(super) fn icmp_fact(target: IpAddr, icmp: Icmp) -> PortFact {
    let port_unreachable = matches!((icmp.v6, icmp.kind, icmp.code), (false, 3, 3) | (true, 1, 4));
    let state = if port_unreachable && icmp.sender == Some(target) { PortState::Closed } else { PortState::Rejected };
    PortFact { state, reason: PortReason::Icmp { v6: icmp.v6, kind: icmp.kind, code: icmp.code }, sender: icmp.sender }
}

fn not_open(state: PortState, reason: PortReason, sender: Option<IpAddr>, within: Duration) -> NoConnection {
    NoConnection::NotOpen(PortFact { state, reason, sender }, within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_listener_is_connected_to() {
        let listener = std::net::TcpListener::bind((HERE, 0)).unwrap();
        let peer = listener.local_addr().unwrap();
        let stream = connect(peer, SECOND).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), peer);
    }

    /// Or a service that sheds load would be told as a closed port whenever its RST came soon enough.
    #[tokio::test]
    async fn a_listener_that_resets_at_once_is_open() {
        let listener = std::net::TcpListener::bind((HERE, 0)).unwrap();
        let peer = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
        });
        for _ in 0..50 {
            assert_eq!(knock(peer, SECOND).await.unwrap().fact.state, PortState::Open);
            let stream = begin(peer).await.unwrap();
            // Until the RST has come, so that what is looked at is not luck.
            while stream.ready(tokio::io::Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {}
            let error = outcome(&stream).unwrap().unwrap_err();
            assert_eq!(explain(HERE, &stream, &error, SECOND), NoConnection::Reset);
        }
    }

    #[tokio::test]
    async fn a_rst_is_closed_and_is_no_icmp() {
        let listener = std::net::TcpListener::bind((HERE, 0)).unwrap();
        let peer = listener.local_addr().unwrap();
        drop(listener);
        let Err(NoConnection::NotOpen(fact, _)) = connect(peer, SECOND).await else { panic!("connected") };
        assert_eq!(fact.state, PortState::Closed);
        let reason = if error_queue::AVAILABLE { PortReason::Reset } else { PortReason::Refused };
        assert_eq!((fact.reason, fact.sender), (reason, None));
    }

    #[test]
    fn only_the_targets_own_port_unreachable_means_closed() {
        let icmp = |code, sender: [u8; 4]| Icmp { v6: false, kind: 3, code, sender: Some(IpAddr::from(sender)) };
        let target = IpAddr::from([203, 0, 113, 9]);
        assert_eq!(icmp_fact(target, icmp(3, [203, 0, 113, 9])).state, PortState::Closed);
        assert_eq!(icmp_fact(target, icmp(3, [203, 0, 113, 1])).state, PortState::Rejected);
        assert_eq!(icmp_fact(target, icmp(13, [203, 0, 113, 9])).state, PortState::Rejected);
        let nobody = Icmp { v6: false, kind: 3, code: 3, sender: None };
        assert_eq!(icmp_fact(target, nobody).state, PortState::Rejected);
    }

    /// The kernel picks our port from the very range that is asked here; whoever believes `connect` finds "open" ports.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_to_itself_is_not_an_open_port() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        for port in first..first.saturating_add(2000) {
            if let Ok(stream) = connect(SocketAddr::new(HERE, port), SECOND).await {
                assert_ne!(stream.local_addr().unwrap(), stream.peer_addr().unwrap());
            }
        }
    }
}
