//! The certificate chain that a server sends in plain text, up to TLS 1.2.

use super::super::Parse;
use super::super::bytes::{Bytes, Stop, bad, complaint, size};
use super::CHAIN_LIMIT;
use super::answer::{SERVER_HELLO, read_server_hello};
use super::messages::{Message, Messages};
use crate::model::tls::TlsVersion;

/// Handshake types (RFC 5246, section 7.4).
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;

/// Reads the chain, leaf first, in DER, out of all bytes that answered a hello for TLS 1.2 or older. It is empty where
/// the server chose an anonymous suite. TLS 1.3 encrypts its certificates: those servers are asked by a TLS library.
pub fn read_certificate_chain(bytes: &[u8]) -> Parse<Vec<Vec<u8>>> {
    match chain(&mut Messages::new(bytes.get(..CHAIN_LIMIT).unwrap_or(bytes), CHAIN_LIMIT)) {
        Err(Stop::Short) if bytes.len() >= CHAIN_LIMIT => {
            Parse::Malformed(complaint(format!("no certificate chain in {CHAIN_LIMIT} bytes")))
        }
        result => result.into(),
    }
}

fn chain(messages: &mut Messages<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let mut greeted = false;
    loop {
        match messages.next()? {
            Message::Handshake { kind: SERVER_HELLO, body } if !greeted => {
                if read_server_hello(&body)?.version >= TlsVersion::Tls13.wire() {
                    return Err(bad("TLS 1.3 encrypts the certificates"));
                }
                greeted = true;
            }
            Message::Handshake { kind: CERTIFICATE, body } if greeted => return read_certificates(&body),
            Message::Handshake { kind: SERVER_KEY_EXCHANGE | SERVER_HELLO_DONE, .. } if greeted => {
                return Ok(Vec::new());
            }
            Message::Alert { level: 2, description } => return Err(bad(format!("alert {description}"))),
            // HelloRequest, supplemental data (RFC 4680) and warnings are of no interest.
            Message::Handshake { .. } | Message::Alert { .. } => {}
        }
    }
}

/// Reads a Certificate message (RFC 5246, section 7.4.2).
fn read_certificates(body: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let mut bytes = Bytes::whole(body);
    let length = bytes.u24()?;
    let mut list = Bytes::whole(bytes.take(size(length))?);
    let mut chain = Vec::new();
    while !list.is_empty() {
        let length = list.u24()?;
        if length == 0 {
            return Err(bad("an empty certificate"));
        }
        chain.push(list.take(size(length))?.to_vec());
    }
    Ok(chain)
}
