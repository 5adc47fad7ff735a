//! The server's answer to a hello.

use super::super::Parse;
use super::super::bytes::{Bytes, Stop, bad, complaint};
use super::messages::{Message, Messages};
use super::{ANSWER_LIMIT, looks_like_record, ssl2};
use crate::model::peer_text::PeerText;
use crate::model::tls::{TlsAnswer, TlsVersion};

/// How many of a stranger's first bytes are kept.
const FIRST_BYTES: usize = 64;

/// A ServerHello, as far as it matters (RFC 8446, section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The negotiated version's number: that of `supported_versions` where the server sent it, else `server_version`.
    pub version: u16,
    /// The chosen suite; of SSL 2.0 the first kind of cipher.
    pub suite: u32,
    /// Whether it is a `HelloRetryRequest`. It settles version and suite, and asks for another key share.
    pub is_retry: bool,
    /// The group of the server's key share, or the one that it asks for instead (RFC 8446, section 4.2.8).
    pub group: Option<u16>,
}

/// What answered a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    /// A ServerHello, legal or not: the version may be one that was not offered.
    Hello(ServerHello),
    /// A fatal alert.
    FatalAlert {
        /// What it says (RFC 8446, section 6).
        description: u8,
    },
    /// An error of SSL 2.0.
    Ssl2Error {
        /// What it says (section 5.2.1 of the protocol).
        code: u16,
    },
    /// Something that is no TLS.
    NotTls {
        /// Its first bytes, as far as they had come.
        first_bytes: PeerText,
    },
}

impl ServerAnswer {
    /// The answer to a hello that offered `offered` and nothing else.
    pub fn to_fact(&self, offered: TlsVersion) -> TlsAnswer {
        match self {
            Self::Hello(hello) if hello.version == offered.wire() => TlsAnswer::Accepted { suite: hello.suite },
            Self::Hello(hello) => TlsAnswer::OtherVersion { version: hello.version },
            Self::FatalAlert { description } => TlsAnswer::Alert { description: *description },
            Self::Ssl2Error { code } => TlsAnswer::Ssl2Error { code: *code },
            Self::NotTls { first_bytes } => TlsAnswer::NotTls { first_bytes: first_bytes.clone() },
        }
    }
}

/// Reads the answer to a hello of `version` out of all bytes that came so far.
pub fn read_answer_to(version: TlsVersion, bytes: &[u8]) -> Parse<ServerAnswer> {
    if version == TlsVersion::Ssl2 { ssl2::read_answer(bytes) } else { read_server_answer(bytes) }
}

/// Reads the answer to a hello out of all bytes that came so far. Warnings before it are skipped.
pub fn read_server_answer(bytes: &[u8]) -> Parse<ServerAnswer> {
    if !bytes.is_empty() && !looks_like_record(bytes) {
        return Parse::Done(ServerAnswer::NotTls { first_bytes: PeerText::from_bytes(bytes, FIRST_BYTES) });
    }
    match answer(&mut Messages::new(bytes.get(..ANSWER_LIMIT).unwrap_or(bytes), ANSWER_LIMIT)) {
        Err(Stop::Short) if bytes.len() >= ANSWER_LIMIT => {
            Parse::Malformed(complaint(format!("no ServerHello in {ANSWER_LIMIT} bytes")))
        }
        result => result.into(),
    }
}

/// Whether the bytes of a connection that ended are warnings alone, of which the last is `close_notify` (RFC 5246, section
/// 7.2.1): it was closed in good order, without a ServerHello.
pub fn says_goodbye(bytes: &[u8]) -> bool {
    // A record of type alert (21), and in it level and description.
    let mut alerts = bytes.chunks(7);
    alerts.clone().all(|alert| matches!(alert, [21, 3, _, 0, 2, 1, _]))
        && alerts.next_back().is_some_and(|a| a.ends_with(&[0]))
}

fn answer(messages: &mut Messages<'_>) -> Result<ServerAnswer, Stop> {
    loop {
        match messages.next()? {
            // RFC 5246, section 7.4.1.1: a HelloRequest may come at any time and is ignored while negotiating.
            Message::Alert { level: 1, .. } | Message::Handshake { kind: HELLO_REQUEST, .. } => {}
            Message::Alert { level: 2, description } => return Ok(ServerAnswer::FatalAlert { description }),
            Message::Alert { level, .. } => return Err(bad(format!("an alert of level {level}"))),
            Message::Handshake { kind: SERVER_HELLO, body } => {
                return read_server_hello(&body).map(ServerAnswer::Hello);
            }
            Message::Handshake { kind, .. } => {
                return Err(bad(format!("a handshake message of type {kind} in place of the ServerHello")));
            }
        }
    }
}

/// Handshake types (RFC 5246, section 7.4).
const HELLO_REQUEST: u8 = 0;
pub(super) const SERVER_HELLO: u8 = 2;

/// Extensions: `supported_versions` (RFC 8446, section 4.2.1) and `key_share` (section 4.2.8).
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// The random that makes a ServerHello a `HelloRetryRequest`: the SHA-256 of that word (RFC 8446, section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Reads the body of a ServerHello (RFC 5246, section 7.4.1.3; RFC 8446, section 4.1.3).
pub(super) fn read_server_hello(body: &[u8]) -> Result<ServerHello, Stop> {
    let mut bytes = Bytes::whole(body);
    let mut version = bytes.u16()?;
    let random = bytes.take(32)?;
    let session_id = bytes.u8()?;
    bytes.take(usize::from(session_id))?;
    let suite = bytes.u16()?;
    bytes.u8()?; // compression method
    let mut group = None;
    if !bytes.is_empty() {
        let length = bytes.u16()?;
        let mut extensions = Bytes::whole(bytes.take(usize::from(length))?);
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let length = extensions.u16()?;
            let mut content = Bytes::whole(extensions.take(usize::from(length))?);
            if kind == SUPPORTED_VERSIONS {
                version = content.u16()?;
            } else if kind == KEY_SHARE {
                group = Some(content.u16()?);
            }
        }
    }
    // Before TLS 1.3 a random is a random, whatever its value.
    let is_retry = random == RETRY_RANDOM && version >= TlsVersion::Tls13.wire();
    Ok(ServerHello { version, suite: u32::from(suite), is_retry, group })
}

#[cfg(test)]
mod tests;
