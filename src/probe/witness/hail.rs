//! Sending messages to ports, and waiting for what comes back.

use super::AskedPort;
use super::proof::Landing;
use super::rounds::AT_ONCE;
use crate::model::fact::PortState;
use crate::model::observation::Failure;
use crate::model::ports::Transport;
use crate::net::limits::Permit;
use crate::net::tcp::NoConnection;
use crate::net::udp::{Exchange, Unsent};
use crate::probe::Asker;
use crate::wire::Parse;
use crate::wire::witness::{Body, Key, LIMIT, Message, Nonce, Read, SessionId, length, read, write};
use crate::witness::now_ms;
use futures::stream::{self, StreamExt as _};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// What messages of a session have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) asker: &'a Asker,
    pub(super) address: IpAddr,
    pub(super) key: &'a Key,
    pub(super) session: SessionId,
    pub(super) ahead_ms: i64,
}

/// A message that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToSend {
    /// The port's place.
    pub(super) at: usize,
    pub(super) port: AskedPort,
    pub(super) nonce: Nonce,
    /// It is not the first to this port.
    pub(super) again: bool,
    /// The port is known to let messages pass: this one only shows whether they still do.
    pub(super) control: bool,
}

/// A message that was sent, or was to be.
#[derive(Debug)]
pub(super) struct Hail {
    pub(super) nonce: Nonce,
    /// When it was sent, as it says itself.
    pub(super) sent_ms: u64,
    pub(super) started: Instant,
    /// It was sent in an earlier round, and has been counted there.
    pub(super) late: bool,
    pub(super) control: bool,
    pub(super) came: Came,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Came {
    /// The witness confirms that it arrived.
    Confirmed(Landing),
    /// The witness has another clock, which is so far ahead of ours.
    Clock {
        ahead_ms: i64,
    },
    /// Something else answered: over TCP a handshake alone.
    Stranger,
    /// TCP: refused in words, and whether as a machine does on which nothing listens.
    Refused {
        by_port: bool,
    },
    /// Silence.
    Nothing,
    /// This machine could not send.
    Failed(Failure),
    NoRoute,
}

impl Line<'_> {
    /// The time as messages say it.
    pub(super) fn time_ms(&self) -> u64 {
        now_ms().saturating_add_signed(self.ahead_ms)
    }

    pub(super) fn message(&self, nonce: Nonce, body: Body) -> (u64, Vec<u8>) {
        let time_ms = self.time_ms();
        (time_ms, write(self.key, &Message { session: self.session, nonce, time_ms, body }))
    }

    /// The witness's message that answers one of ours.
    pub(super) fn answer(&self, bytes: &[u8]) -> Option<Message> {
        match read(self.key, bytes) {
            Parse::Done(Read::Ours(message)) if message.session == self.session => Some(message),
            _ => None,
        }
    }

    /// What an answer to a hail says.
    fn meaning(transport: Transport, answer: &Message) -> Option<Came> {
        match answer.body {
            Body::Confirm { transport: over, port, source, here } if over == transport => {
                Some(Came::Confirmed(Landing { port, source, here }))
            }
            Body::Clock => {
                let ahead = i128::from(answer.time_ms) - i128::from(now_ms());
                Some(Came::Clock { ahead_ms: i64::try_from(ahead).unwrap_or_default() })
            }
            _ => None,
        }
    }
}

/// Sends messages over connections of their own.
pub(super) async fn over_tcp(line: &Line<'_>, hails: &[ToSend]) -> Vec<(usize, Hail)> {
    let each = hails.iter().map(|to_send| async move { (to_send.at, one_over_tcp(line, to_send).await) });
    stream::iter(each).buffer_unordered(AT_ONCE).collect().await
}

async fn one_over_tcp(line: &Line<'_>, to_send: &ToSend) -> Hail {
    let (timing, nonce, port) = (&line.asker.timing, to_send.nonce, to_send.port.number);
    // A witness answers at once; whoever did not gets more time, for packets may have been lost.
    let patience = if to_send.again { timing.exchange } else { timing.first_byte };
    let (started, connected) = line.asker.dialer.dial(SocketAddr::new(line.address, port), timing.connect_again).await;
    let hail = |sent_ms, came| Hail { nonce, sent_ms, started, late: false, control: to_send.control, came };
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) => {
            let came = match error {
                NoConnection::NotOpen(fact, _) if fact.state == PortState::Filtered => Came::Nothing,
                NoConnection::NotOpen(fact, _) => Came::Refused { by_port: fact.is_port_refusal() },
                NoConnection::Reset => Came::Stranger,
                NoConnection::NoRoute => Came::NoRoute,
                NoConnection::Failed(failure) => Came::Failed(failure),
            };
            return hail(line.time_ms(), came);
        }
    };
    let (sent_ms, bytes) = line.message(nonce, Body::Hail { transport: Transport::Tcp, port });
    let exchange = async {
        connection.write_all(&bytes).await.ok()?;
        let answer = one_message(&mut connection).await?;
        line.answer(&answer).filter(|answer| answer.nonce == nonce)
    };
    let answer = timeout(patience, exchange).await.ok().flatten();
    hail(sent_ms, answer.and_then(|answer| Line::meaning(Transport::Tcp, &answer)).unwrap_or(Came::Stranger))
}

/// The bytes of one message, or of what is none.
pub(super) async fn one_message(connection: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = vec![0; LIMIT];
    let mut had = 0;
    loop {
        let count = connection.read(bytes.get_mut(had..)?).await.ok()?;
        had += count;
        let whole = length(bytes.get(..had)?);
        if let Some(whole) = whole.filter(|whole| *whole <= had) {
            bytes.truncate(whole);
            return Some(bytes);
        }
        if count == 0 || had >= LIMIT || !b"PRW1".starts_with(bytes.get(..had.min(4))?) {
            return None;
        }
    }
}

/// The socket from which all datagrams of a session go.
#[derive(Debug)]
pub(super) struct Datagrams {
    exchange: Exchange,
    address: IpAddr,
    /// Where each message went, so that answers which come after their round still count.
    sent: Mutex<HashMap<Nonce, (usize, u16)>>,
    _permit: Permit,
}

impl Datagrams {
    pub(super) async fn open(asker: &Asker, address: IpAddr) -> Result<Self, Failure> {
        let permit = asker.dialer.limits().permit().await;
        Ok(Self { exchange: Exchange::open(address).await?, address, sent: Mutex::default(), _permit: permit })
    }

    /// Sends a message to each port, listens meanwhile, and then as long as datagrams are waited for.
    pub(super) async fn round(&self, line: &Line<'_>, hails: &[ToSend]) -> Vec<(usize, Hail)> {
        let mut round = Round { line, sent: &self.sent, open: HashMap::new(), done: Vec::new() };
        for &ToSend { at, port, nonce, control, .. } in hails {
            line.asker.dialer.pace().datagram(self.address).await;
            let started = Instant::now();
            let (sent_ms, bytes) = line.message(nonce, Body::Hail { transport: Transport::Udp, port: port.number });
            lock(&self.sent).insert(nonce, (at, port.number));
            let came = self.send(&bytes, port.number).await;
            let waits = matches!(came, Came::Nothing);
            let hail = Hail { nonce, sent_ms, started, late: false, control, came };
            if waits {
                round.open.insert(nonce, (at, port.number, hail));
            } else {
                round.done.push((at, hail));
            }
            while let Some((bytes, port)) = self.try_receive() {
                round.hear(&bytes, port);
            }
        }
        let end = tokio::time::sleep(line.asker.timing.udp_wait);
        tokio::pin!(end);
        while !round.open.is_empty() {
            tokio::select! {
                received = self.receive() => {
                    if let Some((bytes, port)) = received {
                        round.hear(&bytes, port);
                    }
                }
                () = &mut end => break,
            }
        }
        round.done.extend(round.open.into_values().map(|(at, _, hail)| (at, hail)));
        round.done
    }

    /// Sends to a port; what came of it, as far as this machine is concerned.
    pub(super) async fn send(&self, bytes: &[u8], port: u16) -> Came {
        match self.exchange.send(bytes, port).await {
            Ok(()) => Came::Nothing,
            // It never left.
            Err(Unsent::NoRoute | Unsent::Unreachable) => Came::NoRoute,
            Err(Unsent::Failed(failure)) => Came::Failed(failure),
        }
    }

    /// A datagram of the address that is asked, if one waits, and the port that it is from.
    fn try_receive(&self) -> Option<(Vec<u8>, u16)> {
        let mut bytes = vec![0; LIMIT + 1];
        let (length, port) = self.exchange.try_receive(&mut bytes)?;
        bytes.truncate(length);
        Some((bytes, port))
    }

    /// Waits for a datagram of the address that is asked.
    pub(super) async fn receive(&self) -> Option<(Vec<u8>, u16)> {
        self.exchange.arrival().await;
        self.try_receive()
    }
}

/// A round of datagrams.
struct Round<'a> {
    line: &'a Line<'a>,
    sent: &'a Mutex<HashMap<Nonce, (usize, u16)>>,
    /// Those without an answer, with the port that they went to.
    open: HashMap<Nonce, (usize, u16, Hail)>,
    done: Vec<(usize, Hail)>,
}

impl Round<'_> {
    /// A datagram came back from `port`.
    fn hear(&mut self, bytes: &[u8], port: u16) {
        let answer = self.line.answer(bytes);
        let came = answer.and_then(|answer| Some((answer.nonce, Line::meaning(Transport::Udp, &answer)?)));
        let Some((nonce, came)) = came else {
            // Not of the witness; our own message sent back is not either.
            let asked = self.open.values_mut().find(|(_, asked, _)| *asked == port);
            if let Some((_, _, hail)) = asked {
                hail.came = Came::Stranger;
            }
            return;
        };
        // An answer from another port than the one that was asked is none to a client or a firewall.
        let Some((at, _)) = lock(self.sent).get(&nonce).copied().filter(|(_, asked)| *asked == port) else { return };
        match self.open.remove(&nonce) {
            Some((at, _, hail)) => self.done.push((at, Hail { came, ..hail })),
            None if self.done.iter().any(|(_, hail)| hail.nonce == nonce) => {}
            None => self
                .done
                .push((at, Hail { nonce, sent_ms: 0, started: Instant::now(), late: true, control: false, came })),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
