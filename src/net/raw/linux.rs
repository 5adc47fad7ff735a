//! Knocks, by the raw sockets of Linux.

use super::RawUnavailable;
use super::awaited::{Awaited, Refused, What};
use super::sockets::Sockets;
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::net::failure::from_io;
use crate::net::knock::Knock;
use crate::net::limits::patiently;
use crate::net::route;
use crate::net::tcp::{NoConnection, icmp_fact};
use crate::wire::segment::{Answer, Syn};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

/// How long a source address is taken for granted. Looking it up costs some microseconds; addresses may change during a run.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct RawSyn {
    v4: Result<Channel, RawUnavailable>,
    v6: Result<Channel, RawUnavailable>,
    routes: Mutex<HashMap<IpAddr, (Instant, IpAddr)>>,
    /// When the clock of our segments was 0, as far as anybody can tell.
    epoch: (Instant, u32),
}

/// One family, and who listens to it.
#[derive(Debug)]
struct Channel {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    sockets: Sockets,
    awaited: Awaited,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Channel {
    fn open(v6: bool) -> Result<Self, RawUnavailable> {
        let shared = Arc::new(Shared { sockets: Sockets::open(v6)?, awaited: Awaited::default() });
        let listener = Listener(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let Err(error) = listener.0.sockets.hear(&listener.0.awaited).await else { return };
            debug!(%error, "nobody hears answers any more");
        });
        Ok(Self { shared, task })
    }
}

/// Whoever listens. When he is gone, however that came about, silence must not look like an answer.
struct Listener(Arc<Shared>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.awaited.close();
    }
}

impl RawSyn {
    pub(super) fn open() -> Result<Self, RawUnavailable> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(RawUnavailable::Failed(defect("no runtime to receive answers in")));
        }
        let (v4, v6) = (Channel::open(false), Channel::open(true));
        if let (Err(unavailable), Err(_)) = (&v4, &v6) {
            return Err(unavailable.clone());
        }
        Ok(Self { v4, v6, routes: Mutex::default(), epoch: (Instant::now(), fastrand::u32(..)) })
    }

    pub(super) fn serves(&self, address: IpAddr) -> Result<(), RawUnavailable> {
        let channel = if address.to_canonical().is_ipv6() { &self.v6 } else { &self.v4 };
        channel.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    pub(super) async fn knock(&self, peer: SocketAddr, until: Instant) -> Result<Knock, NoConnection> {
        let allowed = until.saturating_duration_since(Instant::now());
        let (peer, channel) = match peer.ip().to_canonical() {
            IpAddr::V4(v4) => (SocketAddr::from((v4, peer.port())), &self.v4),
            IpAddr::V6(_) => (peer, &self.v6),
        };
        let source = self.source(peer.ip()).await?;
        let channel = channel.as_ref().map_err(|unavailable| NoConnection::Failed(unavailable.to_failure()))?;
        let Shared { sockets, awaited } = &*channel.shared;
        let mut ticket = awaited.expect(peer, sockets.ports()).map_err(refused)?;
        let from = SocketAddr::new(source, ticket.port());
        let packet = Syn { from, to: peer, sequence: ticket.sequence, clock: self.clock() }.packet();
        let sent = sockets.send(&packet, peer).await.map_err(|error| not_sent(peer.ip(), &error))?;
        let end = sent + allowed;
        let in_time = tokio::time::timeout_at(end, &mut ticket.answer).await;
        let answer = if let Ok(answer) = in_time {
            answer.map_err(|_| TryRecvError::Closed)
        } else {
            sockets.catch_up(awaited, end);
            ticket.answer.try_recv()
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(TryRecvError::Closed) => return Err(refused(Refused::Deaf)),
            Err(TryRecvError::Empty) => {
                let fact = fact(PortState::Filtered, PortReason::Silence);
                return Ok(Knock { fact, round_trip: None, segment: None });
            }
        };
        let (fact, segment) = match answer.what {
            What::Segment(Answer::SynAck, traits) => {
                (fact(PortState::Open, PortReason::HandshakeCompleted), Some(traits))
            }
            What::Segment(Answer::Reset, traits) => (fact(PortState::Closed, PortReason::Reset), Some(traits)),
            What::Icmp(icmp) => (icmp_fact(peer.ip(), icmp), None),
        };
        Ok(Knock { fact, round_trip: Some(answer.at.saturating_duration_since(sent)), segment })
    }

    pub(super) fn overflowed(&self) -> u64 {
        [&self.v4, &self.v6].into_iter().flatten().map(|channel| channel.shared.sockets.overflowed()).sum()
    }

    /// The address of this machine from which `address` is asked.
    async fn source(&self, address: IpAddr) -> Result<IpAddr, NoConnection> {
        let now = Instant::now();
        let known = self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied();
        if let Some((at, source)) = known
            && now.saturating_duration_since(at) < FRESH
        {
            return Ok(source);
        }
        // No connection is made to many at once.
        if address.is_multicast() {
            return Err(NoConnection::NoRoute);
        }
        let looked_up = patiently(|| match route::look_up(address) {
            Err(error) if route::is_no_route(&error) => Ok(None),
            other => other.map(Some),
        });
        let source = looked_up.await.map_err(|error| not_sent(address, &error))?.ok_or(NoConnection::NoRoute)?;
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).insert(address, (now, source));
        Ok(source)
    }

    /// Milliseconds, as in the segments of a system that began to count at some time.
    fn clock(&self) -> u32 {
        let (epoch, offset) = self.epoch;
        let [.., a, b, c, d] = epoch.elapsed().as_millis().to_be_bytes();
        offset.wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }
}

impl RawUnavailable {
    fn to_failure(&self) -> Failure {
        let failure = |cause| Failure { stage: Stage::Socket, blame: Blame::Ourselves, cause };
        match self {
            Self::Failed(failure) => failure.clone(),
            Self::Forbidden => failure(Cause::Forbidden { message: self.to_string() }),
            Self::Unsupported | Self::Deaf => failure(Cause::Other { message: PeerText::new(&self.to_string(), 200) }),
        }
    }
}

fn fact(state: PortState, reason: PortReason) -> PortFact {
    PortFact { state, reason, sender: None }
}

fn refused(refused: Refused) -> NoConnection {
    NoConnection::Failed(match refused {
        Refused::Deaf => defect("nobody hears answers any more"),
        Refused::Busy => {
            let message = "too many knocks at one port at the same time".to_owned();
            Failure { stage: Stage::Socket, blame: Blame::Ourselves, cause: Cause::Exhausted { message } }
        }
    })
}

fn defect(message: &str) -> Failure {
    Failure { stage: Stage::Socket, blame: Blame::Bug, cause: Cause::Other { message: PeerText::new(message, 200) } }
}

/// What it means that a packet could not be sent.
fn not_sent(target: IpAddr, error: &io::Error) -> NoConnection {
    match error.kind() {
        // The system has a route and refuses to use it.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => NoConnection::NoRoute,
        _ if route::is_no_route(error) && !route::exists(target) => NoConnection::NoRoute,
        _ => NoConnection::Failed(from_io(Stage::Socket, error)),
    }
}
