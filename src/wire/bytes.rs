//! A cursor over foreign bytes, and a writer with length prefixes. Nothing here indexes.

use super::Parse;
use crate::model::peer_text::PeerText;

/// How much of a complaint is kept, in bytes.
const COMPLAINT: usize = 200;

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes so far end here and more may come.
    Short,
    /// The bytes are wrong.
    Bad(PeerText),
}

/// Complains about the bytes.
pub(super) fn bad(what: impl AsRef<str>) -> Stop {
    Stop::Bad(complaint(what))
}

/// A complaint as text.
pub(super) fn complaint(what: impl AsRef<str>) -> PeerText {
    PeerText::new(what.as_ref(), COMPLAINT)
}

impl<T> From<Result<T, Stop>> for Parse<T> {
    fn from(result: Result<T, Stop>) -> Self {
        match result {
            Ok(value) => Self::Done(value),
            Err(Stop::Short) => Self::Incomplete,
            Err(Stop::Bad(what)) => Self::Malformed(what),
        }
    }
}

/// A cursor over bytes from a peer.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    /// Whether the bytes are all there will be: then running short is an error of the peer.
    whole: bool,
}

impl<'a> Bytes<'a> {
    /// Bytes of a stream, of which more may come.
    pub(super) fn stream(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: false }
    }

    /// Bytes whose length is known, such as the body of a message.
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: true }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None if self.whole => Err(bad("a message ends before its last field")),
            None => Err(Stop::Short),
        }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Insists on `expected` as the next bytes, and stops at the first that differs.
    pub(super) fn expect(&mut self, expected: &[u8], what: &str) -> Result<(), Stop> {
        if self.rest.iter().zip(expected).any(|(a, b)| a != b) {
            return Err(bad(format!("{what} expected")));
        }
        self.take(expected.len()).map(|_| ())
    }

    /// A byte.
    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A 16-bit number, most significant byte first.
    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 24-bit number, most significant byte first.
    pub(super) fn u24(&mut self) -> Result<u32, Stop> {
        self.array::<3>().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// A 32-bit number, most significant byte first.
    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_be_bytes)
    }

    /// A 16-bit number, least significant byte first.
    pub(super) fn u16_le(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 24-bit number, least significant byte first.
    pub(super) fn u24_le(&mut self) -> Result<u32, Stop> {
        self.array::<3>().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// A 32-bit number, least significant byte first.
    pub(super) fn u32_le(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_le_bytes)
    }
}

/// A length as `usize`; lengths on the wire have at most 32 bits, and no platform that we run on has fewer.
pub(super) fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Appends what `fill` writes, after its length as a 16-bit number. What we write is far below 64 KiB.
pub(super) fn with_u16_length(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    let length = u16::try_from(inner.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend(inner.into_iter().take(usize::from(length)));
}

/// Appends what `fill` writes, after its length as a byte.
pub(super) fn with_u8_length(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    let length = u8::try_from(inner.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(inner.into_iter().take(usize::from(length)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_runs_short_may_go_on_and_a_message_may_not() {
        assert!(matches!(Bytes::stream(&[1]).u16(), Err(Stop::Short)));
        assert!(matches!(Bytes::whole(&[1]).u16(), Err(Stop::Bad(_))));
        assert!(matches!(Bytes::stream(&[1, 9]).expect(&[1, 2, 3], "x"), Err(Stop::Bad(_))));
        assert!(matches!(Bytes::stream(&[1, 2]).expect(&[1, 2, 3], "x"), Err(Stop::Short)));
    }

    #[test]
    fn numbers_are_read_in_both_orders() {
        let mut bytes = Bytes::whole(&[1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 1, 2, 3, 1, 2, 3, 4]);
        assert_eq!(bytes.u16().unwrap(), 0x0102);
        assert_eq!(bytes.u24().unwrap(), 0x0001_0203);
        assert_eq!(bytes.u32().unwrap(), 0x0102_0304);
        assert_eq!(bytes.u16_le().unwrap(), 0x0201);
        assert_eq!(bytes.u24_le().unwrap(), 0x0003_0201);
        assert_eq!(bytes.u32_le().unwrap(), 0x0403_0201);
        assert!(bytes.is_empty());
    }
}
