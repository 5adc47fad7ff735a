//! Answers questions: one at a time, of one address, with as few and as polite connections as the answer needs.
//!
//! Promises: every connection has a deadline, which does not run while we wait for our own limits; reads are bounded;
//! dropping a future leaves nothing behind; redirects are never followed, credentials never sent; and a question that could
//! not be asked becomes a typed failure, never "closed" or "not accepted". What a listener is, its bytes say; the port's
//! number only decides what is asked first.
//!
//! [`Asker`] holds what a run shares. It knows no guide and draws no conclusion from an answer.

mod certificate;
mod handshake;
mod http;
mod inside;
mod port;
mod preface;
mod products;
mod rdp;
mod service;
mod session;
mod smb1;
mod suites;
mod talk;
pub mod tcp_ports;
mod tls_version;
mod tls_versions;
mod witness;

pub use service::begins_otherwise;
pub use session::Peer;
pub use suites::Control;
pub use tls_versions::TlsVersions;
pub use witness::{AskedPort, Awaited, Inquest, Proofs, WitnessSettings};

use crate::model::fact::{Fact, PortState};
use crate::model::http::Scheme;
use crate::model::observation::{Attempt, Blame, Cause, Failure, Skip, Stage};
use crate::model::peer_text::PeerText;
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::suites::Unsettled;
use crate::model::tls::TlsPreface;
use crate::model::udp::UdpRation;
use crate::net::dial::Dialer;
use crate::net::failure::millis;
use crate::net::openssl::OpenSsl;
use crate::net::trust::TrustStore;
use session::{Session, unless_over};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How we name ourselves: the administrator of a scanned server should find us in the log.
const USER_AGENT: &str = concat!("portreeve/", env!("CARGO_PKG_VERSION"));

/// How long to wait, and how often to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For a TCP handshake at every try but the last.
    pub connect: Duration,
    /// For a TCP handshake at the second try; long enough for the system to send its SYN twice.
    pub connect_again: Duration,
    /// How long an address is asked for the states of its TCP ports that answers nothing at all.
    pub patience: Duration,
    /// For everything on a connection after the TCP handshake.
    pub exchange: Duration,
    /// For all questions about one port that speaks TLS together, from the one what speaks there on.
    pub endpoint: Duration,
    /// For the first byte of something that may be of another protocol than we guess.
    pub first_byte: Duration,
    /// For a server of a protocol in which the server speaks first. MySQL looks up our name before it does.
    pub unasked: Duration,
    /// How often a UDP port that stays silent is asked, before it is asked beside others.
    pub udp_tries: u32,
    /// How long a UDP port is listened to where the round trip is not known.
    pub udp_wait: Duration,
    /// How long a host is waited for that says only so often that a UDP port is closed.
    pub udp_patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            connect_again: Duration::from_millis(2200),
            patience: Duration::from_millis(500),
            exchange: Duration::from_secs(5),
            endpoint: Duration::from_secs(10),
            first_byte: Duration::from_millis(1500),
            unasked: Duration::from_secs(3),
            udp_tries: 2,
            udp_wait: Duration::from_secs(1),
            udp_patience: Duration::from_secs(8),
        }
    }
}

/// What is known of a port before a question about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether HTTP is spoken with TLS; where not known, questions about HTTP find out first.
    pub scheme: Option<Scheme>,
    /// How TLS starts; at once, where not known.
    pub preface: Option<TlsPreface>,
    /// The port at which the guides expect this service, where the inventory moved it.
    pub logical_port: Option<u16>,
}

/// What came of asking a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer, the failure, or why it was not asked.
    pub attempt: Attempt,
    /// How many connections or datagrams were tried.
    pub tries: u32,
    /// When the first try began, in milliseconds after the run began.
    pub started_ms: u64,
    /// How long all tries took, in milliseconds.
    pub elapsed_ms: u64,
}

/// Asks the questions of a run.
#[derive(Debug)]
pub struct Asker {
    dialer: Dialer,
    timing: Timing,
    trust: Arc<TrustStore>,
    openssl: Option<OpenSsl>,
    began: Instant,
    pool: tcp_ports::Pool,
    /// The shortest time in which a TCP port of each address answered.
    round_trips: Mutex<HashMap<IpAddr, Duration>>,
}

/// What came of asking UDP ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpOutcomes {
    /// One outcome for each port, in the order in which they were given.
    pub ports: Vec<(u16, Outcome)>,
    /// How the host rations its refusals, where that was seen.
    pub ration: Option<UdpRation>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    Failed(Failure),
    Skipped(Skip),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Asker {
    /// An asker for a run that began at `began`.
    pub fn new(dialer: Dialer, timing: Timing, trust: TrustStore, began: Instant) -> Self {
        Self {
            dialer,
            timing,
            trust: Arc::new(trust),
            openssl: OpenSsl::find(),
            began,
            pool: tcp_ports::Pool::default(),
            round_trips: Mutex::default(),
        }
    }

    /// The dialer, for its limits and its pace.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Asks `question` of `peer`.
    pub async fn ask(&self, peer: &Peer, question: Question, known: &Known) -> Outcome {
        if let Question::Port { ports } = question
            && ports.transport() == Transport::Udp
        {
            let (alone, never) = ([vec![ports.first()]], std::future::pending());
            if let Some((_, outcome)) = self.ask_udp_ports(peer, &alone, never, &|_| {}).await.ports.pop() {
                return outcome;
            }
        }
        if let Question::Port { ports } = question
            && ports.count() == 1
        {
            let mut found = None;
            let rate = f64::from(self.dialer.pace().rates().syn.get());
            let mut known = tcp_ports::Acquaintance::new(rate, Vec::new());
            let asked = [ports.first()];
            let never = std::future::pending();
            self.ask_tcp_ports(peer, &asked, &mut known, never, |_, outcome| found = Some(outcome)).await;
            if let Some(outcome) = found {
                return outcome;
            }
        }
        let mut session = Session::new(self, peer, question.port());
        let answer = Self::answer(&mut session, question, known).await;
        self.outcome(&session, question, answer)
    }

    /// The same, until the time that its port is given is over.
    pub async fn ask_until(&self, peer: &Peer, question: Question, known: &Known, until: Instant) -> Outcome {
        let mut session = Session::new(self, peer, question.port());
        session.until = Some(until);
        let asking = unless_over(Some(until), Self::answer(&mut session, question, known)).await;
        let answer = asking.unwrap_or_else(|| {
            let over = self.endpoint_over();
            // Nothing was asked of the peer: what kept it were our own limits.
            let blame = if session.tries() == 0 { Blame::Ourselves } else { over.blame };
            Err(Failure { blame, ..over }.into())
        });
        self.outcome(&session, question, answer)
    }

    fn outcome(&self, session: &Session<'_>, question: Question, answer: Result<Fact, Stop>) -> Outcome {
        let peer = session.peer;
        let attempt = match answer {
            Ok(fact) => Attempt::Answered { fact },
            Err(Stop::Failed(failure)) => Attempt::Failed { failure },
            Err(Stop::Skipped(skip)) => Attempt::Skipped { skip },
        };
        tracing::debug!(address = %peer.address, %question, ?attempt, tries = session.tries(), "asked");
        let started = session.started().unwrap_or_else(Instant::now);
        if session.tries() == 1
            && let Attempt::Answered { fact: Fact::Port(fact) } = &attempt
            && matches!(fact.state, PortState::Open | PortState::Closed)
        {
            self.note_round_trip(peer.address, started.elapsed());
        }
        Outcome {
            tries: if matches!(attempt, Attempt::Skipped { .. }) { 0 } else { session.tries() },
            attempt,
            started_ms: millis(started.saturating_duration_since(self.began)),
            elapsed_ms: millis(started.elapsed()),
        }
    }

    async fn answer(session: &mut Session<'_>, question: Question, known: &Known) -> Result<Fact, Stop> {
        let preface = known.preface.unwrap_or(TlsPreface::Direct);
        match question {
            Question::Witness { .. } => Err(bug("the witness is asked about all ports together").into()),
            Question::Port { .. } => Err(bug("a range is asked port by port").into()),
            // The largest question: it is kept off the frames of all others.
            Question::Service { ports } => {
                Box::pin(service::ask(session, known.logical_port.unwrap_or(ports.first()))).await
            }
            Question::TlsVersion { version, sni, .. } => {
                tls_version::ask_one(session, preface, version, sni).await.map(|answer| Fact::Tls { answer })
            }
            Question::Certificate { sni, .. } => {
                certificate::ask(session, preface, sni).await.map(|fact| Fact::Certificate(Box::new(fact)))
            }
            Question::Suites { .. } => Err(bug("suites are asked beside hellos that are accepted").into()),
            Question::Http { port, request } => {
                let scheme = scheme(session, known, port).await?;
                http::ask(session, scheme, request).await.map(|answer| Fact::Http(Box::new(answer)))
            }
            Question::Products { port } => {
                let scheme = scheme(session, known, port).await?;
                // So is this one.
                Box::pin(products::ask(session, scheme)).await.map(|products| Fact::Products { products })
            }
            Question::RdpNla { .. } => rdp::ask(session).await,
            Question::Smb1 { .. } => smb1::ask(session).await.map(|answered| Fact::Smb1 { answered }),
        }
    }

    /// Asks TCP `ports` of `peer`, each named once and in this order, and tells each result as soon as it is final. When
    /// `stop` is ready, what is not final yet is skipped for its reason.
    pub async fn ask_tcp_ports(
        &self,
        peer: &Peer,
        ports: &[u16],
        known: &mut tcp_ports::Acquaintance,
        stop: impl Future<Output = Skip>,
        mut tell: impl FnMut(u16, Outcome),
    ) {
        tcp_ports::ask(self, peer, ports, known, stop, |settled| {
            let (port, outcome) = settled.into_outcome();
            tracing::trace!(address = %peer.address, port, ?outcome, "asked");
            tell(port, outcome);
        })
        .await;
    }

    /// Asks which versions of TLS a port accepts, all at once; see [`TlsVersions::settle`]. At `until` the time is over that
    /// the port is given.
    pub async fn ask_tls_versions<'a>(
        &'a self,
        peer: &'a Peer,
        port: u16,
        preface: TlsPreface,
        sni: &[bool],
        until: Instant,
    ) -> TlsVersions<'a> {
        TlsVersions::ask(self, peer, port, preface, sni, until).await
    }

    /// What came of asking for versions, one question for each version and way of asking.
    pub fn tls_versions(&self, versions: TlsVersions<'_>) -> Vec<(Question, Outcome)> {
        versions.into_outcomes(self)
    }

    /// Asks which suites and groups a port accepts in the versions of `controls`; `unsettled` are others that it may accept too.
    /// At `until` the time is over that the port is given.
    pub async fn ask_suites<'a>(
        &'a self,
        peer: &'a Peer,
        question: Question,
        preface: TlsPreface,
        controls: &[Control<'a>],
        unsettled: Vec<Unsettled>,
        until: Instant,
    ) -> Outcome {
        let mut session = Session::new(self, peer, question.port());
        let answer = suites::ask(&mut session, preface, controls, unsettled, until).await.map(Fact::Suites);
        self.outcome(&session, question, answer)
    }

    /// What speaks on a port, in a hurry: only whether anything is said at all `within` this time.
    pub async fn ask_quickly(&self, peer: &Peer, port: u16, within: Duration) -> Outcome {
        let mut session = Session::new(self, peer, port);
        session.hurry(within);
        let answer = service::ask_quickly(&mut session).await;
        self.outcome(&session, Question::service(port), answer)
    }

    /// Asks UDP ports of `peer`, each named once, over one socket: those of the first groups first, and each group wholly or
    /// not at all where the host rations its answers. What is known when `stop` says why to stop is kept. Tells `decided` how
    /// many more ports have an answer.
    pub async fn ask_udp_ports(
        &self,
        peer: &Peer,
        groups: &[Vec<u16>],
        stop: impl Future<Output = Skip>,
        decided: &(dyn Fn(usize) + Sync),
    ) -> UdpOutcomes {
        port::ask_udp(self, peer, groups, stop, decided).await
    }

    /// How long all questions about one port that speaks TLS may take together.
    pub fn endpoint(&self) -> Duration {
        self.timing.endpoint
    }

    /// So many milliseconds after the run began.
    pub fn instant(&self, since_began_ms: u64) -> Instant {
        self.began + Duration::from_millis(since_began_ms)
    }

    /// Why a question about a port has no answer whose time is over.
    pub fn endpoint_over(&self) -> Failure {
        let seconds = self.timing.endpoint.as_secs_f64();
        let message = format!("could not tell: the {seconds} s that one port may be asked for are over");
        Failure {
            stage: Stage::Handshake,
            blame: Blame::Peer,
            cause: Cause::Other { message: PeerText::new(&message, 200) },
        }
    }

    /// The round trip to `address`, as far as TCP ports showed it.
    fn round_trip(&self, address: IpAddr) -> Option<Duration> {
        self.round_trips.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied()
    }

    fn note_round_trip(&self, address: IpAddr, took: Duration) {
        let mut round_trips = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        let shortest = round_trips.entry(address).or_insert(took);
        *shortest = took.min(*shortest);
    }
}

/// Whether HTTP is spoken with TLS: as known, or by finding out.
async fn scheme(session: &mut Session<'_>, known: &Known, port: u16) -> Result<Scheme, Stop> {
    if let Some(scheme) = known.scheme {
        return Ok(scheme);
    }
    match Box::pin(service::ask(session, known.logical_port.unwrap_or(port))).await? {
        Fact::Service { service, .. } => service.scheme().ok_or_else(|| {
            let what = PeerText::new(&format!("the port speaks no HTTP: {service}"), 200);
            Failure { stage: Stage::Request, blame: Blame::Peer, cause: Cause::Malformed { what } }.into()
        }),
        _ => Err(bug("a question about a service had another answer").into()),
    }
}

fn bug(message: &str) -> Failure {
    let message = PeerText::new(message, 200);
    Failure { stage: Stage::Request, blame: Blame::Bug, cause: Cause::Other { message } }
}
