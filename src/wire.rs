//! What goes over the wire: bytes that we send, and readers of the bytes that come back.
//!
//! Everything here is pure: bytes in, types out; no sockets, no clock, no randomness. Each protocol has a module of its
//! own, which builds the few requests that we make and reads only as much of the answer as a question needs. None of
//! them is an implementation of its protocol.
//!
//! Promises, held by property tests beside the code and by the targets under `fuzz/`:
//!
//! - Any bytes are read without panic, without a loop that the peer controls, and with memory bounded by the module's
//!   `LIMIT` or by the input.
//! - TCP may split an answer anywhere, so every reader is given all that came so far and returns a [`Parse`]: a proper
//!   beginning of an answer is [`Parse::Incomplete`], never a wrong answer.
//! - Numbers that we do not know are kept as numbers.

mod bytes;
pub mod certificate;
pub mod datagram;
pub mod first_bytes;
pub mod http;
pub mod msrpc;
pub mod mysql;
pub mod netbios;
pub mod ocsp;
pub mod product;
pub mod rdp;
pub mod redirector;
pub mod segment;
pub mod smb;
pub mod ssh;
pub mod tls;
pub mod witness;

use crate::model::peer_text::PeerText;

/// What came of reading the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Parse<T> {
    /// The answer is complete; later bytes would not change it.
    Done(T),
    /// The bytes are a proper beginning of an answer; more must come.
    Incomplete,
    /// The bytes are not of the protocol, or more than we read of it, and later bytes would not change that.
    Malformed(PeerText),
}

impl<T> Parse<T> {
    /// The answer, if it is complete.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Incomplete | Self::Malformed(_) => None,
        }
    }

    /// The same result with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Parse<U> {
        match self {
            Self::Done(value) => Parse::Done(change(value)),
            Self::Incomplete => Parse::Incomplete,
            Self::Malformed(what) => Parse::Malformed(what),
        }
    }

    /// Whether more bytes are needed.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Incomplete)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Parse;

    /// Reads bytes written as hexadecimal digits; anything else is skipped.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
        assert!(digits.len().is_multiple_of(2), "odd number of digits");
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// Checks that every prefix of a complete answer is incomplete, and that bytes after it change nothing.
    pub(crate) fn only_whole<T: PartialEq + std::fmt::Debug>(answer: &[u8], read: impl Fn(&[u8]) -> Parse<T>) -> T {
        let whole = read(answer);
        let mut first_done = answer.len();
        for length in 0..answer.len() {
            match read(&answer[..length]) {
                Parse::Incomplete => assert_eq!(first_done, answer.len(), "incomplete again at {length}"),
                Parse::Malformed(what) => panic!("malformed at {length}: {what}"),
                done @ Parse::Done(_) => {
                    first_done = first_done.min(length);
                    assert_eq!(done, whole, "another answer at {length} of {}", answer.len());
                }
            }
        }
        let mut longer = answer.to_vec();
        longer.extend_from_slice(b"\x16\x03\x01 more");
        assert_eq!(read(&longer), whole, "later bytes changed the answer");
        whole.done().expect("the answer is complete")
    }
}
