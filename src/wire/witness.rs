//! What a witness behind the firewall and a scanner outside say to each other, and the witness's signed log.
//!
//! Both hold the same [`Key`]; every message ends in its HMAC-SHA256 (RFC 2104), so that nothing which does not come from
//! the other holder is believed, and a witness that hears anything else can stay silent. Contents are not hidden: they are
//! port numbers, addresses and times.
//!
//! A message is, numbers with the most significant byte first:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `PRW1` |
//! | 1 | what kind it is |
//! | 2 | its whole length |
//! | 16 | the session, drawn by the scanner for each address that it asks |
//! | 8 | the nonce, drawn by the scanner for each message; an answer repeats it |
//! | 8 | the sender's clock, in milliseconds since 1970 |
//! | … | the body |
//! | 32 | the HMAC of all before it |
//!
//! No answer is longer than its question, so that a forged source never receives more than was sent: what asks is filled up
//! with zeros. The kinds of questions and answers differ, so that neither can be turned around.

mod account;
mod key;
pub mod log;

pub use account::{ArrivalRecord, NoiseRecord, Page, PortsRecord, Records, Section};
pub use key::{Key, KeyError, new_key_text};

use super::Parse;
use super::bytes::{Bytes, Stop, bad};
use crate::model::ports::Transport;
use ring::hmac;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The longest message, in bytes: fits into an IPv6 packet of the least size that every path carries (RFC 8200, section 5).
pub const LIMIT: usize = 1200;

/// How far the clocks of the two ends may differ, in milliseconds: what Kerberos allows (RFC 4120, section 1.6).
pub const WINDOW_MS: u64 = 300_000;

const MAGIC: &[u8] = b"PRW1";
/// The length of the HMAC, in bytes.
const TAG: usize = 32;
/// What stands before the body.
const HEAD: usize = 4 + 1 + 2 + 16 + 8 + 8;
/// The length of every body but those of accounts.
const SHORT: usize = 1 + 2 + 16 + 2 + 16;

/// The kinds of messages; those of answers have the highest bit set.
const HAIL: u8 = 1;
const ASK: u8 = 2;
const CONFIRM: u8 = 0x81;
const ACCOUNT: u8 = 0x82;
const CLOCK: u8 = 0x83;

/// One scan of one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

/// What makes a message unlike every other one of its session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 8]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The session.
    pub session: SessionId,
    /// The nonce; an answer has that of its question.
    pub nonce: Nonce,
    /// The sender's clock, in milliseconds since 1970.
    pub time_ms: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The scanner: this was sent to that port.
    Hail {
        /// Over which transport.
        transport: Transport,
        /// The port that it was sent to.
        port: u16,
    },
    /// The scanner: what do you know?
    Ask {
        /// Of what.
        section: Section,
        /// From which record on.
        from: u32,
    },
    /// The witness: a hail arrived here.
    Confirm {
        /// Over which transport.
        transport: Transport,
        /// On which port of the witness.
        port: u16,
        /// Where it came from, as the witness saw it.
        source: SocketAddr,
        /// To which address of the witness's machine it came, where its system says so.
        here: Option<IpAddr>,
    },
    /// The witness: what it knows, as much as fits.
    Account(Page),
    /// The witness: your clock is not mine, which the message's time tells. Only over TCP, whose sources cannot be forged.
    Clock,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// From the other holder of the key.
    Ours(Message),
    /// It has the form of a message of this session, and was not made with this key: another key, or altered on the way.
    Foreign(SessionId),
}

/// The message in bytes. An account whose records would make it longer than [`LIMIT`] is the caller's mistake; they are left
/// out.
pub fn write(key: &Key, message: &Message) -> Vec<u8> {
    let (kind, body) = match &message.body {
        Body::Hail { transport, port } => (HAIL, place(*transport, *port)),
        Body::Ask { section, from } => {
            let mut body = vec![section.number()];
            body.extend_from_slice(&from.to_be_bytes());
            body.resize(LIMIT - HEAD - TAG, 0);
            (ASK, body)
        }
        Body::Confirm { transport, port, source, here } => {
            let mut body = place(*transport, *port);
            write_socket(&mut body, *source);
            write_address(&mut body, *here);
            (CONFIRM, body)
        }
        Body::Account(page) => (ACCOUNT, page.write(LIMIT - HEAD - TAG)),
        Body::Clock => (CLOCK, Vec::new()),
    };
    let mut body = body;
    body.resize(body.len().max(SHORT), 0);
    let mut out = Vec::with_capacity(HEAD + body.len() + TAG);
    out.extend_from_slice(MAGIC);
    out.push(kind);
    let length = u16::try_from(HEAD + body.len() + TAG).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&message.session.0);
    out.extend_from_slice(&message.nonce.0);
    out.extend_from_slice(&message.time_ms.to_be_bytes());
    out.extend_from_slice(&body);
    let tag = hmac::sign(key.of_messages(), &out);
    out.extend_from_slice(tag.as_ref());
    out
}

/// Reads a message. Over TCP more bytes may come; a datagram that is [`Parse::Incomplete`] is none.
pub fn read(key: &Key, bytes: &[u8]) -> Parse<Read> {
    read_message(key, bytes).into()
}

/// How long the first message of `bytes` is, once that is known.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let mut head = Bytes::stream(bytes);
    head.expect(MAGIC, "").ok()?;
    head.u8().ok()?;
    head.u16().ok().map(usize::from)
}

fn read_message(key: &Key, bytes: &[u8]) -> Result<Read, Stop> {
    let mut head = Bytes::stream(bytes);
    head.expect(MAGIC, "a witness's message")?;
    let kind = head.u8()?;
    let length = usize::from(head.u16()?);
    if !(HEAD + SHORT + TAG..=LIMIT).contains(&length) {
        return Err(bad("a message of impossible length"));
    }
    let whole = Bytes::stream(bytes).take(length)?;
    let session = SessionId(head.array()?);
    let Some((signed, tag)) = whole.split_at_checked(length - TAG) else { return Err(bad("a message without end")) };
    if hmac::verify(key.of_messages(), signed, tag).is_err() {
        return Ok(Read::Foreign(session));
    }
    let nonce = Nonce(head.array()?);
    let time_ms = u64::from_be_bytes(head.array()?);
    let mut body = Bytes::whole(signed.get(HEAD..).unwrap_or_default());
    let body = match kind {
        HAIL => {
            let (transport, port) = read_place(&mut body)?;
            Body::Hail { transport, port }
        }
        ASK => Body::Ask { section: Section::read(&mut body)?, from: u32::from_be_bytes(body.array()?) },
        CONFIRM => {
            let (transport, port) = read_place(&mut body)?;
            Body::Confirm { transport, port, source: read_socket(&mut body)?, here: read_address(&mut body)? }
        }
        ACCOUNT => Body::Account(Page::read(&mut body)?),
        CLOCK => Body::Clock,
        other => return Err(bad(format!("a message of unknown kind {other}"))),
    };
    Ok(Read::Ours(Message { session, nonce, time_ms, body }))
}

fn place(transport: Transport, port: u16) -> Vec<u8> {
    let mut out = Vec::new();
    write_transport(&mut out, transport);
    out.extend_from_slice(&port.to_be_bytes());
    out
}

fn read_place(bytes: &mut Bytes<'_>) -> Result<(Transport, u16), Stop> {
    Ok((read_transport(bytes)?, bytes.u16()?))
}

/// The protocol's number (RFC 5237).
fn write_transport(out: &mut Vec<u8>, transport: Transport) {
    out.push(match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    });
}

fn read_transport(bytes: &mut Bytes<'_>) -> Result<Transport, Stop> {
    match bytes.u8()? {
        6 => Ok(Transport::Tcp),
        17 => Ok(Transport::Udp),
        _ => Err(bad("a transport that is neither TCP nor UDP")),
    }
}

/// An address and a port.
fn write_socket(out: &mut Vec<u8>, socket: SocketAddr) {
    write_address(out, Some(socket.ip()));
    out.extend_from_slice(&socket.port().to_be_bytes());
}

fn read_socket(bytes: &mut Bytes<'_>) -> Result<SocketAddr, Stop> {
    let address = read_address(bytes)?.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
    Ok(SocketAddr::new(address, bytes.u16()?))
}

/// An address; IPv4 addresses mapped into IPv6 (RFC 4291, section 2.5.5.2), and the unspecified one where there is none.
fn write_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
    let address = match address {
        Some(IpAddr::V4(v4)) => v4.to_ipv6_mapped(),
        Some(IpAddr::V6(v6)) => v6,
        None => Ipv6Addr::UNSPECIFIED,
    };
    out.extend_from_slice(&address.octets());
}

fn read_address(bytes: &mut Bytes<'_>) -> Result<Option<IpAddr>, Stop> {
    let address = Ipv6Addr::from(bytes.array::<16>()?);
    Ok(Some(address.to_canonical()).filter(|_| !address.is_unspecified()))
}

#[cfg(test)]
mod tests;
