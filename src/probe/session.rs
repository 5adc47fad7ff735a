//! A question being asked: its connections, and how many there were.

use super::talk::Deadline;
use super::{Asker, Stop, Timing};
use crate::model::fact::PortState;
use crate::model::http::Scheme;
use crate::model::observation::Skip;
use crate::model::target::Host;
use crate::net::dial::{Connection, Leave, Try};
use crate::net::tcp::NoConnection;
use crate::wire::http::host_value;
use crate::wire::tls::is_server_name;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that is connected to.
    pub address: IpAddr,
    /// The name under which its clients know it: sent as SNI and in the Host field, and what certificates are checked
    /// against. Without one the address takes its place where it may.
    pub name: Option<String>,
}

impl Peer {
    /// The name, where it can be sent as SNI.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| is_server_name(name))
    }

    /// The name or the address, as rustls wants it.
    pub(super) fn tls_name(&self) -> ServerName<'static> {
        let name = self.server_name().and_then(|name| ServerName::try_from(name.to_owned()).ok());
        name.unwrap_or_else(|| ServerName::IpAddress(self.address.into()))
    }

    /// The name or the address, as text.
    pub(super) fn checked_name(&self) -> String {
        self.server_name().map_or_else(|| self.address.to_string(), str::to_owned)
    }

    /// The name or the address, as a host.
    pub(super) fn host(&self) -> Host {
        self.server_name().map_or(Host::Address(self.address), |name| Host::Name(name.to_owned()))
    }
}

/// Does `work`, unless it is not done `until` then.
pub(super) async fn unless_over<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until.into(), work).await.ok(),
        None => Some(work.await),
    }
}

/// A question being asked.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) asker: &'a Asker,
    pub(super) peer: &'a Peer,
    pub(super) port: u16,
    pub(super) timing: Timing,
    /// When the port has been asked for long enough.
    pub(super) until: Option<Instant>,
    /// Whether the address bears any number of connections at once.
    at_once: bool,
    tries: u32,
    started: Option<Instant>,
}

impl<'a> Session<'a> {
    pub(super) fn new(asker: &'a Asker, peer: &'a Peer, port: u16) -> Self {
        Self { asker, peer, port, timing: asker.timing, until: None, at_once: false, tries: 0, started: None }
    }

    /// A session beside this one, about the same port.
    pub(super) fn branch(&self) -> Self {
        let (timing, until, at_once) = (self.timing, self.until, self.at_once);
        Self { timing, until, at_once, ..Self::new(self.asker, self.peer, self.port) }
    }

    /// From here on nothing is waited for longer than `within`, neither for answers nor for other connections to end.
    pub(super) fn hurry(&mut self, within: Duration) {
        self.at_once = true;
        let timing = &mut self.timing;
        for wait in [
            &mut timing.connect,
            &mut timing.connect_again,
            &mut timing.exchange,
            &mut timing.first_byte,
            &mut timing.unasked,
        ] {
            *wait = within.min(*wait);
        }
    }

    /// Counts what was done beside this session.
    pub(super) fn join(&mut self, branch: &Self) {
        self.tries += branch.tries;
        if let Some(began) = branch.started {
            self.started.get_or_insert(began);
        }
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    pub(super) fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.peer.address, self.port)
    }

    /// The value of the Host field.
    pub(super) fn host(&self, scheme: Scheme) -> String {
        host_value(&self.peer.host(), scheme, self.port)
    }

    /// The SNI to send; skips the question where it is wanted and there is none.
    pub(super) fn server_name(&self, sni: bool) -> Result<Option<&'a str>, Stop> {
        match (sni, self.peer.server_name()) {
            (false, _) => Ok(None),
            (true, Some(name)) => Ok(Some(name)),
            (true, None) => Err(Stop::Skipped(Skip::NoName)),
        }
    }

    /// One try to connect, within the run's limits.
    pub(super) async fn dial(&mut self, within: Duration) -> Result<Connection, NoConnection> {
        self.attempt(within, Try::Last).await.0
    }

    /// The same, and how long it took.
    async fn attempt(&mut self, within: Duration, nth: Try) -> (Result<Connection, NoConnection>, Duration) {
        let (began, connected) = self.asker.dialer.attempt(self.socket(), within, nth, self.at_once).await;
        let took = began.elapsed();
        self.count(began);
        (connected, took)
    }

    /// Waits for leave to connect by other means, which count as one try.
    pub(super) async fn leave(&mut self) -> Leave {
        let leave = self.asker.dialer.leave(self.peer.address).await;
        self.count(Instant::now());
        leave
    }

    fn count(&mut self, began: Instant) {
        self.started.get_or_insert(began);
        self.tries += 1;
    }

    /// Connects to a port that is believed to be open, so that one refusal or silence may be loss or a limit.
    pub(super) async fn connect(&mut self) -> Result<Connection, Stop> {
        let timing = self.timing;
        let (mut first, took) = self.attempt(timing.connect, Try::First).await;
        // Given up early, because others to the address took much less. Where a queue is full two SYNs in a row are lost.
        if took < timing.connect
            && matches!(&first, Err(NoConnection::NotOpen(fact, _)) if fact.state == PortState::Filtered)
        {
            (first, _) = self.attempt(timing.connect, Try::First).await;
        }
        let again = match first {
            Err(NoConnection::NotOpen(..) | NoConnection::Reset) => self.dial(timing.connect_again).await,
            first => first,
        };
        again.map_err(|error| match error {
            NoConnection::NoRoute => Stop::Skipped(Skip::NoRoute),
            other => Stop::Failed(other.into_failure()),
        })
    }

    /// The end of an exchange that begins now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.timing.exchange)
    }
}
