//! Reading a `ClientHello`: only what decides the answer.

use super::{SSL3, TLS13};

/// The longest hello that is read.
pub(super) const MAX: usize = 64 * 1024;
const HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
const SCSV: u16 = 0x00ff;
const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;
const RENEGOTIATION_INFO: u16 = 0xff01;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) legacy_version: u16,
    pub(super) supported_versions: Option<Vec<u16>>,
    pub(super) suites: Vec<u16>,
    pub(super) has_server_name: bool,
    pub(super) secure_renegotiation: bool,
}

/// How long the records are that carry the hello, once they are all there. Bytes that are no handshake record
/// count as complete, so that they get refused instead of waited for.
pub(super) fn complete(bytes: &[u8]) -> Option<usize> {
    let mut records = 0;
    let mut payload = 0;
    let mut message = None;
    loop {
        let header = bytes.get(records..records + RECORD_HEADER)?;
        if header[0] != HANDSHAKE || header[1] != 3 {
            return Some(records + RECORD_HEADER);
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let body = bytes.get(records + RECORD_HEADER..records + RECORD_HEADER + length)?;
        if length == 0 {
            return Some(records + RECORD_HEADER);
        }
        records += RECORD_HEADER + length;
        payload += length;
        // A first record too short for the message header is legal but never sent; it counts as malformed.
        let whole = *message.get_or_insert_with(|| match body {
            [_, a, b, c, ..] => MESSAGE_HEADER + usize::from(*a) * 65536 + usize::from(*b) * 256 + usize::from(*c),
            _ => 0,
        });
        if payload >= whole || records > MAX {
            return Some(records);
        }
    }
}

impl ClientHello {
    /// Reads a hello from complete records.
    pub(super) fn parse(records: &[u8]) -> Option<Self> {
        let mut message = Vec::new();
        let mut rest = records;
        while let [kind, 3, _, high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if *kind != HANDSHAKE || after.len() < length {
                return None;
            }
            message.extend_from_slice(&after[..length]);
            rest = &after[length..];
        }
        let mut reader = Reader(&message);
        let header = reader.take(MESSAGE_HEADER)?;
        if header[0] != 1 {
            return None;
        }
        let legacy_version = reader.number()?;
        if legacy_version >> 8 != 3 {
            return None;
        }
        reader.take(32)?;
        reader.short_list()?;
        let suites = numbers(reader.list()?);
        reader.short_list()?;
        let mut hello = Self {
            legacy_version,
            supported_versions: None,
            secure_renegotiation: suites.contains(&SCSV),
            suites,
            has_server_name: false,
        };
        // SSL 3.0 and lean TLS 1.0 hellos end here.
        if let Some(extensions) = reader.list() {
            let mut extensions = Reader(extensions);
            while let (Some(kind), Some(body)) = (extensions.number(), extensions.list()) {
                match kind {
                    SERVER_NAME => hello.has_server_name = !body.is_empty(),
                    SUPPORTED_VERSIONS => hello.supported_versions = Some(numbers(Reader(body).short_list()?)),
                    RENEGOTIATION_INFO => hello.secure_renegotiation = true,
                    _ => {}
                }
            }
        }
        Some(hello)
    }

    /// The known versions that the client offers, lowest first.
    pub(super) fn offered(&self) -> Vec<u16> {
        match &self.supported_versions {
            Some(versions) => (SSL3..=TLS13).filter(|version| versions.contains(version)).collect(),
            // TLS 1.3 cannot be offered without the extension.
            None => (SSL3..=self.legacy_version.min(super::TLS12)).collect(),
        }
    }
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn list(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }

    fn short_list(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 4, 0x13, 0x01, 0x00, 0xff, 1, 0]);
        let extensions = [0, 43, 0, 5, 4, 0x3a, 0x3a, 3, 4, 0, 0, 0, 3, 0, 0, 0];
        body.extend([0, 16]);
        body.extend(extensions);
        let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
        message.extend(body);
        message
    }

    fn record(payload: &[u8]) -> Vec<u8> {
        [&[22, 3, 1, 0, u8::try_from(payload.len()).unwrap()], payload].concat()
    }

    #[test]
    fn a_hello_is_read_in_one_record_or_in_many() {
        let message = sample();
        let whole = record(&message);
        let split = [record(&message[..10]), record(&message[10..40]), record(&message[40..])].concat();
        for bytes in [whole, split] {
            for end in 0..bytes.len() {
                assert_eq!(complete(&bytes[..end]), None);
            }
            assert_eq!(complete(&bytes), Some(bytes.len()));
            let hello = ClientHello::parse(&bytes).unwrap();
            assert_eq!(hello.offered(), [TLS13]);
            assert!(hello.has_server_name && hello.secure_renegotiation);
        }
    }

    #[test]
    fn what_is_no_hello_is_refused_at_once() {
        for bytes in [&b"\x80\x2e\x01\x00\x02"[..], &[22, 3, 1, 0, 0], &[21, 3, 1, 0, 2]] {
            let length = complete(bytes).unwrap();
            assert_eq!(ClientHello::parse(&bytes[..length]), None);
        }
    }
}
