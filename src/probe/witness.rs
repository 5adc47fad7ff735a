//! Asks a witness behind the firewall what arrived there: the other end of `portreeve witness`.
//!
//! Every asked port that the witness may hold gets messages with fresh nonces; then the witness is asked, through any port
//! that lets messages pass and TCP first, for its account of the session. What is known from both ends is a proof
//! (module `proof`); what is not is a failure that says why.
//!
//! Messages are sent several times before "blocked" is said, and so often that neither loss nor a limit explains their absence;
//! both are measured by messages to ports that let them pass. At the end such a port is asked again: else a firewall that began
//! to drop us would look like one that had always done so. A service that has shown what it is gets no message of ours, unless the witness claims to hold its port.

mod account;
mod brought;
mod hail;
mod proof;
mod rounds;

use super::{Asker, Outcome, Peer};
use crate::model::observation::{Attempt, Blame, Cause, Failure, Skip, Stage};
use crate::model::peer_text::PeerText;
use crate::model::ports::Transport;
use crate::net::failure::{from_io, millis};
use crate::wire::witness::{Key, Nonce, SessionId};
use crate::witness::random;
use account::Account;
use hail::Datagrams;
use proof::{Ended, Evidence};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

/// On how many ports messages must have arrived before those that did not are said to be blocked: one that is forwarded says
/// little of where the others lead.
const SEVERAL: usize = 2;

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
    /// The user says that whatever goes to those addresses goes to the witness's machine, whichever port it is for.
    pub all_ports: bool,
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
    /// Whether it was refused as a machine does on which nothing listens: with a RST, or as port unreachable.
    pub refused: bool,
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
    datagrams: Option<Datagrams>,
    account: Option<Account>,
    /// Why there is no account, once that is known.
    unread: Option<(Blame, String)>,
    /// How many rounds there were.
    round: usize,
    /// What became of messages to ports that let them pass, sent between the others.
    controls: Vec<ControlHail>,
    /// Whether ports of each transport that had let messages pass still do at the end.
    canary: HashMap<Transport, bool>,
    /// When the last message was sent, by our clock as it stands in messages.
    last_sent_ms: u64,
    began: Instant,
    finished: bool,
}

/// A message to a port that lets messages pass, to see whether it still does.
#[derive(Clone, Copy, Debug)]
struct ControlHail {
    transport: Transport,
    round: usize,
    nonce: Nonce,
    confirmed: bool,
}

/// A port and what came of the messages to it.
#[derive(Debug)]
struct Port {
    asked: AskedPort,
    evidence: Evidence,
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
            datagrams: None,
            account: None,
            unread: None,
            round: 0,
            controls: Vec::new(),
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
        if self.has_door() {
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
                Err(error) => {
                    self.unread = Some((error.blame(), error.to_string()));
                    None
                }
            };
        }
        self.note_late_arrivals();
        self.finished = true;
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
        let (tcp, udp) = (self.controls_of(Transport::Tcp), self.controls_of(Transport::Udp));
        let leads_here = self.settings.all_ports || self.arrived_on() >= SEVERAL;
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
                leads_here,
                controls: if transport == Transport::Tcp { &tcp } else { &udp },
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

#[cfg(test)]
mod tests;
