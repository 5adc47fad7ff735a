//! A witness: holds free ports on a machine behind the firewall, and confirms to the scanner outside, which has the same
//! key, what arrived there.
//!
//! Promises:
//!
//! - It says nothing to anybody who does not hold the key. A connection without a message of the key's is closed after a few
//!   seconds without a word; a datagram without one is not answered, and no answer is longer than its question.
//! - A message that is sent again by a listener on the way does nothing: each counts once, and only near its time.
//! - Everything has a bound: connections, bytes, sessions, what is noted of them, the log, and the witness's own time.
//! - What it had no room for it says, so that nobody takes "not noted" for "not arrived".
//!
//! It takes no port away from another program, and it offers no service: while it holds a port, what belongs there cannot
//! start.

mod bind;
mod book;
mod datagrams;
mod log;
mod serve;

pub use bind::{Held, MOST_PORTS, hold};
pub use log::{Logbook, LogbookError};
pub use serve::CONNECTIONS;

use crate::wire::witness::Key;
use book::Book;
use ring::rand::{SecureRandom as _, SystemRandom};
use serve::Server;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// Something that whoever runs the witness should know. Told once for each source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// Somebody speaks as a scanner and has another key.
    OtherKey {
        /// Who.
        source: IpAddr,
    },
    /// Somebody has the key, and a clock that is too far from ours.
    Clock {
        /// Who.
        source: IpAddr,
        /// How far the clock there is ahead of ours, in seconds.
        ahead: i64,
    },
    /// There was no room to note something, which the accounts of the sessions say that it belonged to.
    Full,
    /// The log could not be written any further.
    Log {
        /// Why.
        error: LogbookError,
    },
}

/// What a witness did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many sessions of scanners there were.
    pub sessions: u64,
    /// How many of their messages arrived.
    pub arrivals: u64,
    /// How many connections and datagrams came from strangers.
    pub strangers: u64,
}

/// How a witness works.
#[derive(Debug)]
pub struct Terms {
    /// The shared key.
    pub key: Key,
    /// How long it stays.
    pub lasts: Duration,
    /// Its log.
    pub log: Option<Logbook>,
    /// Its clock, in milliseconds since 1970: [`now_ms`], but for tests.
    pub clock: fn() -> u64,
}

/// Holds the ports until the time is over or `stop` becomes true.
pub async fn run(
    held: Held,
    terms: Terms,
    stop: watch::Receiver<bool>,
    notices: mpsc::Sender<Notice>,
) -> io::Result<Summary> {
    let Terms { key, lasts, log, clock } = terms;
    let book = Book::new(key.clone(), held.listed().to_vec());
    Server::new(book, key, log, clock, notices).run(held, lasts, stop).await
}

/// This machine's clock, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| io::Error::other("the system's random number generator failed"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
