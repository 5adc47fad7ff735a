//! The `ServerKeyExchange`, which a server sends in plain text up to TLS 1.2: the curve or the prime that it chose.

use super::super::Parse;
use super::super::bytes::{Bytes, Stop, bad, complaint};
use super::CHAIN_LIMIT;
use super::answer::{SERVER_HELLO, read_server_hello};
use super::looks_like_record;
use super::messages::{Message, Messages};
use super::parts::Parts;
use super::suite::suite_name;
use crate::model::tls::TlsVersion;

/// Handshake types (RFC 5246, section 7.4).
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;

/// `named_curve` (RFC 8422, section 5.4).
const NAMED_CURVE: u8 = 3;

/// What a server chose for the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// A named group (RFC 8422, section 5.4).
    Group(u16),
    /// A curve in its own parameters, which RFC 8422 forbids.
    ExplicitCurve,
    /// A prime of so many bits (RFC 5246, section 7.4.3).
    Prime {
        /// The length.
        bits: u32,
    },
    /// None of its own: the suite has no such key exchange.
    None,
}

/// What answered a hello whose key exchange is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchangeAnswer {
    /// A ServerHello and what follows it.
    Chosen {
        /// The negotiated version's number.
        version: u16,
        /// The chosen suite.
        suite: u16,
        /// What the server chose.
        exchange: KeyExchange,
    },
    /// A fatal alert.
    FatalAlert {
        /// What it says (RFC 8446, section 6).
        description: u8,
    },
}

/// Reads what the server chose out of all bytes that answered a hello for TLS 1.2 or older.
pub fn read_key_exchange(bytes: &[u8]) -> Parse<KeyExchangeAnswer> {
    if !bytes.is_empty() && !looks_like_record(bytes) {
        return Parse::Malformed(complaint("no TLS record"));
    }
    match read(&mut Messages::new(bytes.get(..CHAIN_LIMIT).unwrap_or(bytes), CHAIN_LIMIT)) {
        Err(Stop::Short) if bytes.len() >= CHAIN_LIMIT => {
            Parse::Malformed(complaint(format!("no key exchange in {CHAIN_LIMIT} bytes")))
        }
        result => result.into(),
    }
}

fn read(messages: &mut Messages<'_>) -> Result<KeyExchangeAnswer, Stop> {
    let mut greeted: Option<(u16, u16)> = None;
    loop {
        let (kind, body) = match messages.next()? {
            Message::Alert { level: 2, description } => return Ok(KeyExchangeAnswer::FatalAlert { description }),
            Message::Alert { .. } => continue,
            Message::Handshake { kind, body } => (kind, body),
        };
        match (kind, greeted) {
            (SERVER_HELLO, None) => {
                let hello = read_server_hello(&body)?;
                if hello.version >= TlsVersion::Tls13.wire() {
                    return Err(bad("TLS 1.3 has no ServerKeyExchange"));
                }
                greeted = Some((hello.version, u16::try_from(hello.suite).unwrap_or(0)));
            }
            (SERVER_KEY_EXCHANGE, Some((version, suite))) => {
                let exchange = read_params(suite, &body)?;
                return Ok(KeyExchangeAnswer::Chosen { version, suite, exchange });
            }
            (SERVER_HELLO_DONE, Some((version, suite))) => {
                return Ok(KeyExchangeAnswer::Chosen { version, suite, exchange: KeyExchange::None });
            }
            // Certificates, their status, supplemental data, and HelloRequests before all.
            _ => {}
        }
    }
}

fn read_params(suite: u16, body: &[u8]) -> Result<KeyExchange, Stop> {
    let parts = Parts::of(suite_name(suite).unwrap_or_default());
    let mut bytes = Bytes::whole(body);
    if !(parts.is_ephemeral_curve() || parts.is_ephemeral_prime()) {
        return Ok(KeyExchange::None);
    }
    if parts.exchanges("PSK") {
        // RFC 4279, section 3, and RFC 5489, section 2: a hint comes first.
        let hint = bytes.u16()?;
        bytes.take(usize::from(hint))?;
    }
    if parts.is_ephemeral_curve() {
        return Ok(if bytes.u8()? == NAMED_CURVE {
            KeyExchange::Group(bytes.u16()?)
        } else {
            KeyExchange::ExplicitCurve
        });
    }
    let length = bytes.u16()?;
    Ok(KeyExchange::Prime { bits: bits(bytes.take(usize::from(length))?) })
}

/// The length of a number, most significant byte first, in bits.
fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = number.get(zeros..).unwrap_or_default();
    let first = rest.first().map_or(0, |byte| byte.leading_zeros());
    u32::try_from(rest.len()).unwrap_or(u32::MAX / 8).saturating_mul(8).saturating_sub(first)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::only_whole;
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
    }

    fn flight(suite: u16, params: &[u8]) -> Vec<u8> {
        let mut hello = vec![3, 3];
        hello.extend([7; 32]);
        hello.push(0);
        hello.extend(suite.to_be_bytes());
        hello.push(0);
        let mut messages = message(2, &hello);
        messages.extend(message(11, &[0, 0, 0]));
        messages.extend(if params.is_empty() { message(14, &[]) } else { message(12, params) });
        // Cut into records of seven bytes.
        messages.chunks(7).flat_map(|part| [&[22, 3, 3, 0, u8::try_from(part.len()).unwrap()], part].concat()).collect()
    }

    fn exchange(suite: u16, params: &[u8]) -> KeyExchange {
        match only_whole(&flight(suite, params), read_key_exchange) {
            KeyExchangeAnswer::Chosen { version: 0x0303, suite: chosen, exchange } if chosen == suite => exchange,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn curves_and_primes_are_read() {
        assert_eq!(exchange(0xc02f, &[3, 0, 0x1d, 1, 9]), KeyExchange::Group(0x1d));
        assert_eq!(exchange(0xc02f, &[1, 0, 0x1d, 1, 9]), KeyExchange::ExplicitCurve);
        assert_eq!(exchange(0xc035, &[0, 2, b'h', b'i', 3, 0, 0x17]), KeyExchange::Group(0x17));
        let prime = [[0_u8, 130, 0, 0].as_slice(), &[0x80; 128]].concat();
        assert_eq!(exchange(0x009e, &prime), KeyExchange::Prime { bits: 1024 });
        assert_eq!(exchange(0x0034, &[0, 2, 1, 0, 9]), KeyExchange::Prime { bits: 9 });
        assert_eq!(exchange(0x009c, &[]), KeyExchange::None);
        let refused = read_key_exchange(&[21, 3, 3, 0, 2, 2, 40]);
        assert_eq!(refused, Parse::Done(KeyExchangeAnswer::FatalAlert { description: 40 }));
        assert!(matches!(read_key_exchange(b"HTTP/1.1 400 "), Parse::Malformed(_)));
    }

    #[test]
    fn lengths_that_lie_are_complaints() {
        assert!(matches!(read_key_exchange(&flight(0x009e, &[0, 200, 1])), Parse::Malformed(_)));
        assert!(matches!(read_key_exchange(&flight(0xc02f, &[3, 0])), Parse::Malformed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, params in proptest::collection::vec(any::<u8>(), 1..60)) {
            let _ = read_key_exchange(&bytes);
            for suite in [0xc02f, 0xc035, 0x009e, 0x00aa, 0x002f] {
                let _ = read_key_exchange(&flight(suite, &params));
            }
        }
    }
}
