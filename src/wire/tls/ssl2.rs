//! SSL 2.0, as far as the question goes whether it is spoken ("The SSL Protocol", Netscape, 1995; forbidden by RFC 6176).

use super::super::Parse;
use super::super::bytes::{Bytes, Stop, bad, with_u16_length};
use super::answer::{ServerAnswer, ServerHello, read_server_answer};
use crate::model::peer_text::PeerText;
use crate::model::tls::TlsVersion;

/// Message types (section 5.2 of the protocol).
const ERROR: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 4;

/// The kinds of cipher, and their names (section C.4 of the protocol; the last is of `SSLeay`).
const KINDS: [(u32, &str); 8] = [
    (0x0007_00c0, "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"),
    (0x0005_0080, "SSL_CK_IDEA_128_CBC_WITH_MD5"),
    (0x0003_0080, "SSL_CK_RC2_128_CBC_WITH_MD5"),
    (0x0001_0080, "SSL_CK_RC4_128_WITH_MD5"),
    (0x0006_0040, "SSL_CK_DES_64_CBC_WITH_MD5"),
    (0x0004_0080, "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"),
    (0x0002_0080, "SSL_CK_RC4_128_EXPORT40_WITH_MD5"),
    (0x0008_0080, "SSL_CK_RC4_64_WITH_MD5"),
];

/// The longest record with a header of two bytes.
const RECORD_LIMIT: u16 = 0x7fff;

/// The name of a kind of cipher.
pub fn kind_name(kind: u32) -> Option<&'static str> {
    KINDS.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// A CLIENT-HELLO with every kind of cipher; the first 16 bytes of `random` are the challenge.
pub(super) fn client_hello(random: &[u8; 32]) -> Vec<u8> {
    let mut body = vec![CLIENT_HELLO];
    body.extend(TlsVersion::Ssl2.wire().to_be_bytes());
    let mut kinds = Vec::new();
    with_u16_length(&mut kinds, |out| {
        out.extend(KINDS.iter().flat_map(|(kind, _)| kind.to_be_bytes().into_iter().skip(1)));
    });
    let (length, kinds) = kinds.split_at_checked(2).unwrap_or_default();
    body.extend_from_slice(length);
    // No session id; a challenge of 16 bytes.
    body.extend_from_slice(&[0, 0, 0, 16]);
    body.extend_from_slice(kinds);
    body.extend(random.iter().take(16));
    let mut record = Vec::new();
    with_u16_length(&mut record, |out| out.extend_from_slice(&body));
    // The first bit says that the header has two bytes.
    if let Some(first) = record.first_mut() {
        *first |= 0x80;
    }
    record
}

/// Reads the kinds of cipher that a server of SSL 2.0 names in its answer, all of them at once: those that it has in common
/// with the hello (section 5.3 of the protocol). None where something else answered.
pub fn read_kinds(bytes: &[u8]) -> Parse<Vec<u32>> {
    let kinds = || {
        let mut record = Bytes::stream(bytes);
        let length = record.u16()? & RECORD_LIMIT;
        server_hello(Bytes::whole(record.take(usize::from(length))?)).map(|(_, kinds)| kinds)
    };
    match read_answer(bytes) {
        Parse::Done(ServerAnswer::Hello(hello)) if hello.version == TlsVersion::Ssl2.wire() => kinds().into(),
        Parse::Done(_) => Parse::Done(Vec::new()),
        Parse::Incomplete => Parse::Incomplete,
        Parse::Malformed(what) => Parse::Malformed(what),
    }
}

/// Reads what answered: SSL 2.0, or TLS records from a server that knows better.
pub(super) fn read_answer(bytes: &[u8]) -> Parse<ServerAnswer> {
    match bytes {
        [] => Parse::Incomplete,
        [first, ..] if first & 0x80 != 0 => match answer(bytes) {
            // What has the first bit set may be anything.
            Err(Stop::Bad(_)) => Parse::Done(ServerAnswer::NotTls { first_bytes: PeerText::from_bytes(bytes, 64) }),
            result => result.into(),
        },
        _ => read_server_answer(bytes),
    }
}

fn answer(bytes: &[u8]) -> Result<ServerAnswer, Stop> {
    let mut record = Bytes::stream(bytes);
    let length = record.u16()? & RECORD_LIMIT;
    // What cannot be one is known before the rest of it comes.
    match bytes.get(2) {
        Some(&ERROR) if length != 3 => return Err(bad("an error of SSL 2.0 of another length")),
        Some(&(ERROR | SERVER_HELLO)) | None => {}
        Some(_) => return Err(bad("no message of an SSL 2.0 server")),
    }
    let message = record.take(usize::from(length))?;
    let mut body = Bytes::whole(message);
    match body.u8()? {
        ERROR => Ok(ServerAnswer::Ssl2Error { code: body.u16()? }),
        SERVER_HELLO => server_hello(Bytes::whole(message)).map(|(hello, _)| ServerAnswer::Hello(hello)),
        _ => Err(bad("no message of an SSL 2.0 server")),
    }
}

/// SERVER-HELLO (section 5.3 of the protocol), and the kinds of cipher in it.
fn server_hello(mut body: Bytes<'_>) -> Result<(ServerHello, Vec<u32>), Stop> {
    body.u8()?; // its type
    let (_session_hit, certificate_type) = (body.u8()?, body.u8()?);
    let version = body.u16()?;
    let (certificate, kinds, connection) = (body.u16()?, body.u16()?, body.u16()?);
    if certificate_type > 1 || version != TlsVersion::Ssl2.wire() || !kinds.is_multiple_of(3) {
        return Err(bad("no SERVER-HELLO of SSL 2.0"));
    }
    body.take(usize::from(certificate))?;
    let kinds: Vec<u32> = body
        .take(usize::from(kinds))?
        .chunks(3)
        .map(|kind| kind.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
        .collect();
    body.take(usize::from(connection))?;
    if !body.is_empty() {
        return Err(bad("a SERVER-HELLO of SSL 2.0 goes on behind its end"));
    }
    let suite = kinds.first().copied().unwrap_or(0);
    Ok((ServerHello { version, suite, is_retry: false, group: None }, kinds))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::only_whole;
    use super::*;
    use proptest::prelude::*;

    fn hello(kinds: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut body = vec![SERVER_HELLO, 0, 1, 0, 2, 0, 5, 0, u8::try_from(kinds.len()).unwrap(), 0, 16];
        body.extend_from_slice(b"cert!");
        body.extend_from_slice(kinds);
        body.extend_from_slice(&[7; 16]);
        body.extend_from_slice(tail);
        let mut record = vec![0x80, u8::try_from(body.len()).unwrap()];
        record.extend(body);
        record
    }

    #[test]
    fn a_server_hello_says_that_ssl_2_is_spoken() {
        for (kinds, suite) in [([7, 0, 0xc0, 1, 0, 0x80].as_slice(), 0x0007_00c0), (&[], 0)] {
            let answer = only_whole(&hello(kinds, &[]), read_answer);
            let expected = ServerHello { version: 2, suite, is_retry: false, group: None };
            assert_eq!(answer, ServerAnswer::Hello(expected));
        }
        let kinds = only_whole(&hello(&[7, 0, 0xc0, 1, 0, 0x80], &[]), read_kinds);
        assert_eq!(kinds, [0x0007_00c0, 0x0001_0080]);
        assert_eq!(read_kinds(&[21, 3, 1, 0, 2, 2, 70]), Parse::Done(Vec::new()));
        assert_eq!(kind_name(0x0007_00c0), Some("SSL_CK_DES_192_EDE3_CBC_WITH_MD5"));
    }

    #[test]
    fn what_only_looks_like_ssl_2_is_none() {
        let longer = hello(&[1, 0, 0x80], &[9]);
        for bytes in
            [longer.as_slice(), &[0x80, 3, 9, 9, 9], &[0xff; 40], b"\x82\x00\x00\x00", b"HTTP/1.1 400 Bad Request\r\n"]
        {
            assert!(matches!(read_answer(bytes), Parse::Done(ServerAnswer::NotTls { .. })), "{bytes:?}");
        }
        assert_eq!(read_answer(&[0x80, 3, 0, 0, 1]), Parse::Done(ServerAnswer::Ssl2Error { code: 1 }));
        assert_eq!(
            read_answer(&[21, 3, 1, 0, 2, 2, 70]),
            Parse::Done(ServerAnswer::FatalAlert { description: 70 }),
            "a server that knows no SSL 2.0"
        );
    }

    #[test]
    fn the_hello_says_its_own_length() {
        let hello = client_hello(&[5; 32]);
        assert_eq!(hello.len(), 2 + usize::from(u16::from_be_bytes([hello[0] & 0x7f, hello[1]])));
        assert_eq!(hello.get(..9), Some([0x80, 49, 1, 0, 2, 0, 24, 0, 0].as_slice()));
        assert!(hello.ends_with(&[5; 16]) && hello.len() == 51);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = (read_answer(&bytes), read_kinds(&bytes));
        }
    }
}
