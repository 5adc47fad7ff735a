//! The server's first flight, made by hand: `ServerHello`, `Certificate`, `ServerKeyExchange` where the suite has
//! one, `ServerHelloDone`.
//!
//! With RSA key exchange all of it is correct. With ECDHE the signature is random: only a client that checks it, and
//! none can before it has the whole flight, sees the difference.

use super::hello::ClientHello;
use super::{SSL3, TLS12};

const MAX_FRAGMENT: usize = 16384;
/// The base point of P-256, uncompressed: a point on the curve, as a client may check.
const P256_BASE: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The records of the flight.
pub(super) fn server_flight(version: u16, suite: u16, certificate: &[u8], rsa: bool, hello: &ClientHello) -> Vec<u8> {
    let mut messages = message(2, &server_hello(version, suite, hello));
    messages.extend(message(11, &long_list(&long_list(certificate))));
    if suite >> 8 == 0xc0 {
        messages.extend(message(12, &key_exchange(version, rsa)));
    }
    messages.extend(message(14, &[]));
    let mut records = Vec::new();
    for fragment in messages.chunks(MAX_FRAGMENT) {
        records.push(22);
        records.extend(version.to_be_bytes());
        records.extend(short(fragment.len()));
        records.extend_from_slice(fragment);
    }
    records
}

fn server_hello(version: u16, suite: u16, hello: &ClientHello) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend(random::<32>());
    body.push(32);
    body.extend(random::<32>());
    body.extend(suite.to_be_bytes());
    body.push(0);
    if hello.secure_renegotiation && version > SSL3 {
        body.extend([0, 5, 0xff, 0x01, 0, 1, 0]);
    }
    body
}

fn key_exchange(version: u16, rsa: bool) -> Vec<u8> {
    // Named curve secp256r1.
    let mut body = vec![3, 0, 23, 65];
    body.extend(P256_BASE);
    if version == TLS12 {
        body.extend([4, if rsa { 1 } else { 3 }]);
    }
    let signature = if rsa {
        random::<256>().to_vec()
    } else {
        // SEQUENCE of two positive INTEGERs.
        let (mut r, mut s) = (random::<32>(), random::<32>());
        (r[0], s[0]) = (r[0] & 0x3f | 0x40, s[0] & 0x3f | 0x40);
        [&[0x30, 68, 2, 32], r.as_slice(), &[2, 32], s.as_slice()].concat()
    };
    body.extend(short(signature.len()));
    body.extend(signature);
    body
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], long_list(body).as_slice()].concat()
}

fn long_list(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], body].concat()
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or_default().to_be_bytes()
}

/// Random bytes, or zeros where the system has none: nothing secret depends on them.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = crate::random(&mut bytes);
    bytes
}
