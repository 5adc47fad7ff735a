//! Asks a witness behind the firewall what arrived there: the other end of `portreeve witness`.
//!
//! Every asked port that the witness may hold gets messages with fresh nonces; then the witness is asked, through any port
//! that lets messages pass and TCP first, for its account of the session. What is known from both ends is a proof
//! (module `proof`); what is not is a failure that says why.
//!
//! Messages are sent several times before "blocked" is said, more often where some of those on open ports were lost, and at
//! the end a port that had let them pass is asked again: else a firewall that began to drop us would look like one that had
//! always done so. A service that has shown what it is gets no message of ours, unless the witness claims to hold its port.

mod account;
mod brought;
mod hail;
mod proof;

use super::{Asker, Outcome, Peer};
use crate::model::observation::{Attempt, Blame, Cause, Failure, Skip, Stage};
use crate::model::peer_text::PeerText;
use crate::model::ports::Transport;
use crate::model::witness::NotHeld;
use crate::net::failure::{from_io, millis};
use crate::wire::witness::{Key, Nonce, SessionId};
use crate::witness::{MOST_PORTS, random};
use account::Account;
use hail::{Came, Datagrams, Hail};
use proof::{Ended, Evidence};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

/// How often a port is sent a message before silence counts, and where messages to open ports were seen to get lost.
const ROUNDS: usize = 4;
const LOSSY_ROUNDS: usize = 8;

/// How often a TCP port is tried that refuses in words; refusals are not lost messages.
const REFUSALS: usize = 2;

/// After how many handshakes without an answer a TCP port is not tried again.
const ENOUGH_HANDSHAKES: u32 = 2;

/// How often a port is sent a message that the witness does not hold: it may still arrive at another one.
const UNHELD_ROUNDS: usize = 2;

/// How many open TCP ports are tried at once while none is known that leads to the witness.
const DOORS_AT_ONCE: usize = 8;

/// How many connections are under way at once; the run's own limits bound them further.
const AT_ONCE: usize = 64;

/// How many times a port that had let messages pass is asked again at the end.
const CANARY_TRIES: usize = 3;

/// How much of a complaint is kept, in bytes.
const COMPLAINT: usize = 600;

/// A witness, as the user names it.
#[derive(Clone, Debug)]
pub struct WitnessSettings {
    /// The scanned addresses behind which it holds ports.
    pub addresses: Vec<IpAddr>,
    /// The shared key.
    pub key: Key,
    /// Where its log is brought to, if its account cannot be read.
    pub log: Option<PathBuf>,
}

/// A port that was asked, and what the scan knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedPort {
    /// Its transport.
    pub transport: Transport,
    /// Its number.
    pub number: u16,
    /// Whether a handshake was completed there.
    pub open: bool,
    /// Whether a service there has shown what it is. A witness never does.
    pub speaks: bool,
}

/// What is known of each port from both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// One outcome for each port, in the same order.
    pub outcomes: Vec<(Transport, u16, Outcome)>,
    /// Whether any message is known to have reached the witness.
    pub reached: bool,
    /// What kept ports from being proved, and what to do.
    pub trouble: Option<String>,
}

/// What the user should do meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Bring the log here.
    Log(PathBuf),
}

/// The proving of one address. It keeps what it has learned when it is interrupted.
#[derive(Debug)]
pub struct Inquest<'a> {
    asker: &'a Asker,
    address: IpAddr,
    settings: &'a WitnessSettings,
    session: SessionId,
    /// What is added to our clock to have the witness's, in milliseconds.
    ahead_ms: i64,
    ports: Vec<Port>,
    /// Which port each nonce was sent to.
    sent: HashMap<Nonce, usize>,
    datagrams: Option<Datagrams>,
    account: Option<Account>,
    /// Why there is no account, once that is known.
    unread: Option<(Blame, String)>,
    /// Whether ports of each transport that had let messages pass still do at the end.
    canary: HashMap<Transport, bool>,
    /// When the last message was sent, by our clock as it stands in messages.
    last_sent_ms: u64,
    began: Instant,
    finished: bool,
}

/// A port and what came of the messages to it.
#[derive(Debug)]
struct Port {
    asked: AskedPort,
    evidence: Evidence,
    /// TCP: how often a connection was refused in words.
    refusals: usize,
    failure: Option<Failure>,
    no_route: bool,
    started: Option<Instant>,
    ended: Instant,
}

impl<'a> Inquest<'a> {
    /// The proving of `ports` of `peer`, each named once.
    pub fn new(
        asker: &'a Asker,
        peer: &Peer,
        settings: &'a WitnessSettings,
        ports: &[AskedPort],
    ) -> Result<Self, Failure> {
        let began = Instant::now();
        let session = SessionId(random().map_err(|error| from_io(Stage::Socket, &error))?);
        let port = |asked: &AskedPort| Port {
            asked: *asked,
            evidence: Evidence::default(),
            refusals: 0,
            failure: None,
            no_route: false,
            started: None,
            ended: began,
        };
        Ok(Self {
            asker,
            address: peer.address,
            settings,
            session,
            ahead_ms: 0,
            ports: ports.iter().map(port).collect(),
            sent: HashMap::new(),
            datagrams: None,
            account: None,
            unread: None,
            canary: HashMap::new(),
            last_sent_ms: 0,
            began,
            finished: false,
        })
    }

    /// Asks. Dropping the future keeps what was learned before the round under way. `await_for` is told once what the user is
    /// waited for.
    pub async fn run(&mut self, await_for: impl Fn(Awaited)) {
        self.find_door().await;
        self.read_account().await;
        let log = self.settings.log.clone();
        if self.account.is_none() && log.is_none() {
            self.finished = true;
            return;
        }
        self.rounds().await;
        if self.account.is_some() {
            self.ask_canaries().await;
            tokio::time::sleep(self.asker.timing.udp_wait).await;
            self.account = None;
            self.read_account().await;
        }
        if let Some(path) = log.filter(|_| self.account.is_none()) {
            await_for(Awaited::Log(path.clone()));
            self.account = match brought::read(&path, &self.settings.key, self.session, self.last_sent_ms).await {
                Ok(account) => {
                    self.unread = None;
                    Some(account)
                }
                Err(why) => {
                    self.unread = Some((Blame::Ourselves, why));
                    None
                }
            };
        }
        self.finished = true;
    }

    /// Sends messages until one is confirmed: to open TCP ports on which nothing has shown what it is, some at a time; then to
    /// all UDP ports.
    async fn find_door(&mut self) {
        let quiet: Vec<usize> = self.which(|port| port.asked.open && !port.asked.speaks);
        for some in quiet.chunks(DOORS_AT_ONCE) {
            let before = self.ahead_ms;
            self.hail(some).await;
            if self.ahead_ms != before {
                self.hail(some).await;
            }
            if self.has_door() {
                return;
            }
        }
        for _ in 0..UNHELD_ROUNDS {
            let datagrams = self.which(|port| port.asked.transport == Transport::Udp);
            self.hail(&datagrams).await;
            if self.has_door() {
                return;
            }
        }
    }

    fn has_door(&self) -> bool {
        self.ports.iter().any(|port| !port.evidence.confirmed.is_empty())
    }

    fn which(&self, wanted: impl Fn(&Port) -> bool) -> Vec<usize> {
        let places = self.ports.iter().enumerate().filter(|(_, port)| wanted(port));
        places.map(|(place, _)| place).collect()
    }

    /// Whether the witness says that it holds the port; without an account every port may be held.
    fn standing(&self, port: &Port) -> Option<NotHeld> {
        let account = self.account.as_ref()?;
        account.not_held(port.asked.transport, port.asked.number, self.address.is_ipv6())
    }

    /// Sends to every port that has not confirmed, until each had its number of messages.
    async fn rounds(&mut self) {
        for _ in 0..LOSSY_ROUNDS {
            let most = if self.is_lossy() { LOSSY_ROUNDS } else { ROUNDS };
            let wanted = self.which(|port| self.needs_more(port, most));
            if wanted.is_empty() {
                return;
            }
            self.hail(&wanted).await;
        }
    }

    fn needs_more(&self, port: &Port, most: usize) -> bool {
        let AskedPort { transport, open, speaks, .. } = port.asked;
        let sent = port.evidence.sent.len();
        if !port.evidence.confirmed.is_empty() || port.failure.is_some() || port.no_route {
            return false;
        }
        let udp = transport == Transport::Udp;
        match self.standing(port) {
            // Whoever says nothing to strangers has not shown what it is; a real service is left alone without an account.
            None if self.account.is_none() && (speaks || !udp && !open && self.ports.len() > MOST_PORTS) => false,
            None if !udp && port.evidence.answered_by_others >= ENOUGH_HANDSHAKES => false,
            None => sent < if port.refusals > 0 && port.refusals == sent { REFUSALS } else { most },
            Some(_) => (udp || open && !speaks) && sent < if udp { UNHELD_ROUNDS } else { 1 },
        }
    }

    /// Whether messages to a port that lets them pass were lost.
    fn is_lossy(&self) -> bool {
        let lost = |port: &Port| port.evidence.sent.len() > port.evidence.confirmed.len();
        self.ports.iter().any(|port| !port.evidence.confirmed.is_empty() && lost(port))
    }

    /// Sends a message to each of these ports, over both transports side by side, and notes what comes back.
    async fn hail(&mut self, places: &[usize]) {
        let came = self.send(places).await;
        self.note(came);
    }

    async fn send(&mut self, places: &[usize]) -> Vec<(usize, Hail)> {
        let mut hails = Vec::new();
        for &place in places {
            let Some(port) = self.ports.get_mut(place) else { continue };
            match random() {
                Ok(nonce) => {
                    let nonce = Nonce(nonce);
                    self.sent.insert(nonce, place);
                    hails.push((place, port.asked, nonce));
                }
                Err(error) => port.failure = Some(from_io(Stage::Request, &error)),
            }
        }
        let (tcp, udp): (Vec<_>, Vec<_>) = hails.into_iter().partition(|(_, port, _)| port.transport == Transport::Tcp);
        if self.datagrams.is_none() && !udp.is_empty() {
            match Datagrams::open(self.asker, self.address).await {
                Ok(datagrams) => self.datagrams = Some(datagrams),
                Err(failure) => {
                    for (place, _, _) in &udp {
                        if let Some(port) = self.ports.get_mut(*place) {
                            port.failure = Some(failure.clone());
                        }
                    }
                }
            }
        }
        let line = self.line();
        let over_udp = async {
            match &self.datagrams {
                Some(datagrams) => datagrams.round(&line, &udp).await,
                None => Vec::new(),
            }
        };
        let (mut came, over_udp) = futures::join!(hail::over_tcp(&line, &tcp), over_udp);
        came.extend(over_udp);
        came
    }

    fn line(&self) -> hail::Line<'_> {
        let Self { asker, address, settings, session, ahead_ms, .. } = self;
        hail::Line { asker, address: *address, key: &settings.key, session: *session, ahead_ms: *ahead_ms }
    }

    fn note(&mut self, came: Vec<(usize, Hail)>) {
        for (place, hail) in came {
            self.last_sent_ms = self.last_sent_ms.max(hail.sent_ms);
            let Some(port) = self.ports.get_mut(place) else { continue };
            port.started.get_or_insert(hail.started);
            port.ended = Instant::now();
            let evidence = &mut port.evidence;
            // What has its answer from an earlier round counts there.
            if !hail.late {
                evidence.sent.push(hail.nonce);
            }
            match hail.came {
                Came::Confirmed { port, source } => {
                    evidence.confirmed.insert(hail.nonce, (port, source));
                }
                Came::Clock { ahead_ms } => {
                    // It has the key and refuses our clock: from now on its own is used. This message counts for nothing.
                    self.ahead_ms = ahead_ms;
                    evidence.sent.pop();
                }
                Came::Nothing => {}
                Came::Stranger => evidence.answered_by_others += 1,
                Came::Refused => port.refusals += 1,
                Came::Failed(failure) => port.failure = Some(failure),
                Came::NoRoute => port.no_route = true,
            }
        }
    }

    /// Asks ports that had let messages pass once more, one of each transport.
    async fn ask_canaries(&mut self) {
        for transport in [Transport::Tcp, Transport::Udp] {
            let passed = self.which(|port| port.asked.transport == transport && !port.evidence.confirmed.is_empty());
            let Some(place) = passed.first().copied() else { continue };
            let mut alive = false;
            for _ in 0..CANARY_TRIES {
                let came = self.send(&[place]).await;
                alive = came.iter().any(|(_, hail)| matches!(hail.came, Came::Confirmed { .. }));
                if alive {
                    break;
                }
            }
            self.canary.insert(transport, alive);
        }
    }

    /// Reads the account through a port that lets messages pass.
    async fn read_account(&mut self) {
        let doors: Vec<(Transport, u16)> = [Transport::Tcp, Transport::Udp]
            .into_iter()
            .flat_map(|transport| {
                let open = self
                    .ports
                    .iter()
                    .filter(move |port| port.asked.transport == transport && !port.evidence.confirmed.is_empty());
                open.map(|port| (port.asked.transport, port.asked.number)).take(account::DOORS)
            })
            .collect();
        if doors.is_empty() {
            self.unread = Some(self.nobody_answers());
            return;
        }
        let mut why = String::new();
        for (transport, port) in doors {
            let line = self.line();
            let read = match transport {
                Transport::Tcp => account::over_tcp(&line, port).await,
                Transport::Udp => match &self.datagrams {
                    Some(datagrams) => account::over_udp(&line, datagrams, port).await,
                    None => continue,
                },
            };
            match read {
                Ok(account) => {
                    (self.account, self.unread) = (Some(account), None);
                    return;
                }
                Err(error) => why = format!("{transport}/{port}: {error}"),
            }
        }
        let why = format!(
            "the witness answered, but its account could not be read ({why}); scan again, or run the witness with --log \
             FILE and give that file with --witness-log"
        );
        self.unread = Some((Blame::Path, why));
    }

    /// Why no message was confirmed, as far as it can be told from here, and what to do.
    fn nobody_answers(&self) -> (Blame, String) {
        let fingerprint = self.settings.key.fingerprint();
        let log = "if only its answers do not come back, run it with --log FILE and give that file with --witness-log";
        if self.ports.iter().any(|port| port.evidence.answered_by_others > 0) {
            let why = format!(
                "what answers at {} does not know this key: compare its fingerprint, {fingerprint}, with the one that the \
                 witness printed, and see that the witness is what listens there",
                self.address
            );
            (Blame::Ourselves, format!("{why}; {log}"))
        } else {
            let why = format!(
                "no witness answered at {}: see that it runs (it ends by itself), that it holds ports that are asked here \
                 and may be reached, that its key has the fingerprint {fingerprint}, and that its clock is within {} \
                 minutes of this one's",
                self.address,
                crate::wire::witness::WINDOW_MS / 60_000
            );
            (Blame::Path, format!("{why}; {log}"))
        }
    }

    /// What was learned; `stopped` where it was interrupted.
    pub fn finish(self, stopped: Option<Skip>) -> Proofs {
        let stopped = stopped.filter(|_| !self.finished);
        let mut trouble = None;
        let unread = self.unread.clone().unwrap_or_else(|| self.nobody_answers());
        let reached = self.account.as_ref().is_some_and(Account::has_arrivals) || self.has_door();
        let mut outcomes = Vec::new();
        for port in &self.ports {
            let AskedPort { transport, number, .. } = port.asked;
            let not_held = self.standing(port);
            let ended = Ended {
                port: port.asked,
                not_held,
                account: self.account.as_ref(),
                canary: self.canary.get(&transport).copied(),
                reached,
            };
            let attempt = match ended.prove(&port.evidence) {
                Ok(fact) => Attempt::Answered { fact: crate::model::fact::Fact::Witness(fact) },
                Err(_) if port.no_route => Attempt::Skipped { skip: Skip::NoRoute },
                Err(_) if port.failure.is_some() => port
                    .failure
                    .clone()
                    .map_or(Attempt::Skipped { skip: Skip::OutOfTime }, |failure| Attempt::Failed { failure }),
                Err(_) if stopped.is_some() => Attempt::Skipped { skip: stopped.clone().unwrap_or(Skip::Interrupted) },
                Err(why) => {
                    let (blame, why) = why.unwrap_or_else(|| unread.clone());
                    trouble.get_or_insert_with(|| why.clone());
                    let cause = Cause::Other { message: PeerText::new(&why, COMPLAINT) };
                    Attempt::Failed { failure: Failure { stage: Stage::Response, blame, cause } }
                }
            };
            let started = port.started.unwrap_or(self.began);
            let outcome = Outcome {
                tries: match &attempt {
                    Attempt::Skipped { .. } => 0,
                    _ => u32::try_from(port.evidence.sent.len()).unwrap_or(u32::MAX),
                },
                attempt,
                started_ms: millis(started.saturating_duration_since(self.asker.began)),
                elapsed_ms: millis(port.ended.saturating_duration_since(started)),
            };
            outcomes.push((transport, number, outcome));
        }
        Proofs { outcomes, reached, trouble }
    }
}
