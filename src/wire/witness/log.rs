//! The witness's signed log: one JSON object a line, each with an HMAC over itself and the line before it, so that no line
//! can be altered, left out or put elsewhere without the key. Only its end can be cut off: what is not covered by a later
//! `alive` or `ended` line is not known.

use super::{Key, Nonce, SessionId};
use crate::model::ports::{Ports, Transport};
use crate::model::witness::NotHeld;
use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The longest line, in bytes: the ports are written as ranges of text, of which there can be 4096.
pub const LINE_LIMIT: usize = 1 << 19;

/// The version of the format.
pub const VERSION: u32 = 1;

/// What stands between a line's content and its HMAC.
const MAC: &str = ",\"mac\":\"";

/// A line of the log. Times are those of the witness's clock, in milliseconds since 1970, unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// The first: what it holds, and until when.
    Opened {
        /// [`VERSION`].
        version: u32,
        /// When.
        at_ms: u64,
        /// When it is to end.
        until_ms: u64,
        /// The ports of its list.
        ports: Vec<ListedPorts>,
    },
    /// A hail arrived.
    Arrived(Arrived),
    /// A hail arrived whose clock is too far from ours, so that it was not answered.
    Stale(Arrived),
    /// A message that names a session was altered on the way.
    Altered {
        /// The session.
        #[serde(with = "hex")]
        session: SessionId,
        /// Over which transport.
        transport: Transport,
        /// On which port.
        port: u16,
        /// When.
        at_ms: u64,
    },
    /// How many strangers came to a port so far.
    Strangers {
        /// Over which transport.
        transport: Transport,
        /// On which port.
        port: u16,
        /// How many.
        count: u32,
        /// When.
        at_ms: u64,
    },
    /// Everything that arrived before stands above.
    Alive {
        /// When.
        at_ms: u64,
        /// How often there was no room for another connection so far.
        crowded: u32,
        /// Something arrived that there was no room to note.
        full: bool,
    },
    /// The last: everything that arrived stands above.
    Ended {
        /// When.
        at_ms: u64,
        /// How often there was no room for another connection.
        crowded: u32,
        /// Something arrived that there was no room to note.
        full: bool,
    },
}

/// A hail that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Its session.
    #[serde(with = "hex")]
    pub session: SessionId,
    /// Its nonce.
    #[serde(with = "hex")]
    pub nonce: Nonce,
    /// Over which transport.
    pub transport: Transport,
    /// On which port of the witness.
    pub port: u16,
    /// The port that it was sent to.
    pub sent_to: u16,
    /// Where it came from.
    pub source: SocketAddr,
    /// To which address of the witness's machine it came, where its system says so.
    pub here: Option<IpAddr>,
    /// When it was sent, by the scanner's clock.
    pub sent_ms: u64,
    /// When it arrived.
    pub at_ms: u64,
}

/// Ports of the witness's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPorts {
    /// Whether that is about IPv6.
    pub v6: bool,
    /// The ports.
    pub ports: Ports,
    /// Why they are not held; nothing for those that are.
    pub not_held: Option<NotHeld>,
}

mod hex {
    use super::super::{Nonce, SessionId};
    use data_encoding::HEXLOWER;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) trait Bytes: Sized {
        fn bytes(&self) -> &[u8];
        fn of(bytes: Vec<u8>) -> Option<Self>;
    }

    impl Bytes for SessionId {
        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn of(bytes: Vec<u8>) -> Option<Self> {
            bytes.try_into().ok().map(Self)
        }
    }

    impl Bytes for Nonce {
        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn of(bytes: Vec<u8>) -> Option<Self> {
            bytes.try_into().ok().map(Self)
        }
    }

    pub(super) fn serialize<T: Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(value.bytes()))
    }

    pub(super) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        T::of(bytes).ok_or_else(|| D::Error::custom("of another length"))
    }
}

/// Signs lines, each with all before it.
#[derive(Debug)]
pub struct Chain {
    key: hmac::Key,
    before: Vec<u8>,
}

impl Chain {
    /// The beginning of a log.
    pub fn new(key: &Key) -> Self {
        Self { key: key.of_log().clone(), before: Vec::new() }
    }

    /// The line as text, with its HMAC and a line end.
    pub fn sign(&mut self, line: &Line) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string(line)?;
        let content = json.strip_suffix('}').unwrap_or(&json);
        let tag = self.tag(content);
        let text = format!("{content}{MAC}{}\"}}\n", HEXLOWER.encode(tag.as_ref()));
        self.before = tag.as_ref().to_vec();
        Ok(text)
    }

    fn tag(&self, content: &str) -> hmac::Tag {
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(&self.before);
        signed.update(content.as_bytes());
        signed.sign()
    }

    /// Reads a line that must follow those before; nothing where it was not signed so.
    fn verify(&mut self, text: &str) -> Option<Line> {
        let (content, tag) = text.rsplit_once(MAC)?;
        let tag = HEXLOWER.decode(tag.strip_suffix("\"}")?.as_bytes()).ok()?;
        let signed = [self.before.as_slice(), content.as_bytes()].concat();
        hmac::verify(&self.key, &signed, &tag).ok()?;
        self.before = tag;
        serde_json::from_str(&format!("{content}}}")).ok()
    }
}

/// Why a file is not to be believed as a witness's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It has no line, or the first is of something else.
    #[error("it is no log of a witness")]
    NotALog,
    /// The first line was signed with another key.
    #[error("it was signed with another key, or is no log of a witness from its beginning on")]
    OtherKey,
    /// A later line was altered, or one before it is missing.
    #[error("its line {0} was altered, or a line before it is missing")]
    Broken(usize),
}

/// Reads a log. A last line without an end is still being written, and is left out.
pub fn read(key: &Key, text: &str) -> Result<Vec<Line>, LogError> {
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).ok_or(LogError::NotALog)?;
    if !whole.starts_with("{\"line\":\"opened\"") {
        return Err(LogError::NotALog);
    }
    let mut chain = Chain::new(key);
    let mut lines = Vec::new();
    for (number, text) in whole.split('\n').enumerate() {
        let text = text.strip_suffix('\r').unwrap_or(text);
        let line = chain.verify(text).filter(|_| text.len() <= LINE_LIMIT);
        lines.push(line.ok_or(if number == 0 { LogError::OtherKey } else { LogError::Broken(number + 1) })?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::new_key_text;
    use super::*;
    use proptest::prelude::*;

    fn key(seed: u8) -> Key {
        let random = std::array::from_fn(|place| u8::try_from(place).unwrap().wrapping_mul(41).wrapping_add(seed));
        Key::from_text(&new_key_text(random)).unwrap()
    }

    fn arrived(number: u8) -> Arrived {
        Arrived {
            session: SessionId([number; 16]),
            nonce: Nonce([number; 8]),
            transport: Transport::Udp,
            port: 75,
            sent_to: 75,
            source: "198.51.100.2:40000".parse().unwrap(),
            here: (number == 1).then(|| "10.0.0.5".parse().unwrap()),
            sent_ms: 1,
            at_ms: 2,
        }
    }

    fn lines() -> Vec<Line> {
        let listed = |text: &str, not_held| ListedPorts { v6: false, ports: text.parse().unwrap(), not_held };
        let (session, transport, port, at_ms) = (SessionId([9; 16]), Transport::Tcp, 443, 5);
        vec![
            Line::Opened {
                version: VERSION,
                at_ms: 1,
                until_ms: 9,
                ports: vec![listed("tcp/443", None), listed("udp/70-75", Some(NotHeld::Occupied))],
            },
            Line::Arrived(arrived(1)),
            Line::Stale(arrived(2)),
            Line::Altered { session, transport, port, at_ms },
            Line::Strangers { transport, port, count: 3, at_ms },
            Line::Alive { at_ms, crowded: 0, full: false },
            Line::Ended { at_ms, crowded: 1, full: true },
        ]
    }

    fn written(key: &Key) -> String {
        let mut chain = Chain::new(key);
        lines().iter().map(|line| chain.sign(line).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = written(&key(1));
        assert_eq!(read(&key(1), &text), Ok(lines()));
        assert_eq!(read(&key(1), &text.replace('\n', "\r\n")), Ok(lines()), "copied through another system");
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["line"].is_string() && value["mac"].as_str().unwrap().len() == 64, "{line}");
        }
    }

    #[test]
    fn a_line_that_was_altered_left_out_or_moved_is_noticed() {
        let text = written(&key(1));
        let lines: Vec<&str> = text.lines().collect();
        let without = |number: usize| {
            let kept = lines.iter().enumerate().filter(|(place, _)| *place != number);
            kept.map(|(_, line)| [*line, "\n"].concat()).collect::<String>()
        };
        assert_eq!(read(&key(1), &without(0)), Err(LogError::NotALog));
        for number in 1..lines.len() - 1 {
            assert_eq!(read(&key(1), &without(number)), Err(LogError::Broken(number + 1)));
        }
        assert_eq!(read(&key(1), &text.replace("\"port\":75", "\"port\":76")), Err(LogError::Broken(2)));
        assert_eq!(read(&key(2), &text), Err(LogError::OtherKey));
        assert_eq!(read(&key(1), "hello\n"), Err(LogError::NotALog));
        assert_eq!(read(&key(1), ""), Err(LogError::NotALog));
    }

    #[test]
    fn a_line_that_is_being_written_is_left_out() {
        let text = written(&key(1));
        let most = lines().len() - 1;
        assert_eq!(read(&key(1), &text[..text.len() - 1]).unwrap().len(), most);
        assert_eq!(read(&key(1), &text[..text.len() - 30]).unwrap().len(), most);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,120}", begin: bool) {
            let text = if begin { format!("{{\"line\":\"opened\"{text}\n") } else { text };
            prop_assert!(read(&key(1), &text).is_err());
        }
    }
}
