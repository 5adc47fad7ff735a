use super::super::super::testing::{hex, only_whole};
use super::super::{read_certificate_chain, suite_name};
use super::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// The first flight of `openssl s_server` 3.0.19, `-cipher ALL:@SECLEVEL=0`, answering our TLS 1.0 hello.
const OPENSSL_TLS10: &str = include_str!("../captured/openssl-3.0.19-tls1.0.hex");
/// The first flight of `gnutls-serv` 3.7.9 with an ECDSA certificate, answering our TLS 1.2 hello.
const GNUTLS_TLS12: &str = include_str!("../captured/gnutls-3.7.9-tls1.2-ecdsa.hex");

/// `openssl s_server` 3.0.19, answering our TLS 1.3 hello.
const OPENSSL_TLS13: &str = "
    160303007a020000760303541166f5a5aa7e4868eb9676b4d15a1edd66366dc5f84ab5f84b55481ed62a7520111111111111
    1111111111111111111111111111111111111111111111111111130200002e002b0002030400330024001d0020f5e00bf538
    cec8a3d283fb99dd0273666c457eca4684f92bdc26144250aea851140303000101";
/// `openssl s_server` 3.0.19 with `-groups P-384`, answering our TLS 1.3 hello, whose key share is for X25519.
const OPENSSL_RETRY: &str =
    "1603030058020000540303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c201111111111111
    111111111111111111111111111111111111111111111111111130200000c002b00020304003300020018140303000101";
/// `gnutls-serv` 3.7.9 with `-VERS-TLS1.3`, answering our TLS 1.3 hello.
const GNUTLS_NOT_TLS13: &str =
    "16030300570200005303035d3099dbfda3f9c3a7234af649e1db9038cd56bdc030a3277a46c91699bd5ca920db9fd4d477
    f5de86f9e3dd5d8686052e49c602e272ff7639400b34da1d76d336c03000000b000b00020100ff01000100";
/// nginx 1.22.1 on a port without TLS, answering any hello.
const NGINX_PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\n";

fn fact(answer: &[u8], offered: TlsVersion) -> TlsAnswer {
    only_whole(answer, read_server_answer).to_fact(offered)
}

#[test]
fn a_server_hello_of_the_offered_version_is_accepted() {
    assert_eq!(fact(&hex(OPENSSL_TLS10), TlsVersion::Tls10), TlsAnswer::Accepted { suite: 0xc014 });
    assert_eq!(fact(&hex(GNUTLS_TLS12), TlsVersion::Tls12), TlsAnswer::Accepted { suite: 0xc02c });
    assert_eq!(fact(&hex(OPENSSL_TLS13), TlsVersion::Tls13), TlsAnswer::Accepted { suite: 0x1302 });
    assert_eq!(suite_name(0x1302), Some("TLS_AES_256_GCM_SHA384"));
}

#[test]
fn a_request_to_try_again_has_negotiated_tls_1_3() {
    let answer = only_whole(&hex(OPENSSL_RETRY), read_server_answer);
    assert_eq!(
        answer,
        ServerAnswer::Hello(ServerHello { version: 0x0304, suite: 0x1302, is_retry: true, group: Some(0x0018) })
    );
    assert_eq!(RETRY_RANDOM[..], Sha256::digest(b"HelloRetryRequest")[..]);
}

#[test]
fn tls_1_3_answered_with_1_2_is_not_1_3() {
    assert_eq!(fact(&hex(GNUTLS_NOT_TLS13), TlsVersion::Tls13), TlsAnswer::OtherVersion { version: 0x0303 });
}

#[test]
fn a_version_higher_than_offered_is_kept_as_it_is() {
    assert_eq!(fact(&hex(OPENSSL_TLS13), TlsVersion::Tls12), TlsAnswer::OtherVersion { version: 0x0304 });
}

#[test]
fn fatal_alerts_answer_and_warnings_do_not() {
    // openssl s_server 3.0.19: to SSL 3.0, and with -no_tls1_3 to TLS 1.3; nginx 1.22.1 at OpenSSL's level 2 to TLS
    // 1.0.
    for (answer, description) in [("15030000020228", 40), ("15030300020246", 70), ("15030100020250", 80)] {
        assert_eq!(fact(&hex(answer), TlsVersion::Tls13), TlsAnswer::Alert { description });
    }
    let warned = [hex("15 03 01 00 02 01 70"), hex(OPENSSL_TLS10)].concat();
    assert_eq!(fact(&warned, TlsVersion::Tls10), TlsAnswer::Accepted { suite: 0xc014 });
    assert!(read_server_answer(&hex("15 03 01 00 02 01 70")).is_incomplete());
    assert!(matches!(read_server_answer(&hex("15 03 01 00 02 07 70")), Parse::Malformed(_)));
    let split = hex("15 03 01 00 01 02  15 03 01 00 01 28");
    assert_eq!(fact(&split, TlsVersion::Tls10), TlsAnswer::Alert { description: 40 });
}

#[test]
fn a_goodbye_is_a_warning_that_closes_and_nothing_else() {
    assert!(says_goodbye(&hex("15 03 01 00 02 01 00")));
    assert!(says_goodbye(&hex("15 03 01 00 02 01 70  15 03 01 00 02 01 00")));
    for other in ["", "15 03 01 00 02 01 70", "15 03 01 00 02 02 00", "15 03 01 00 02 01", "15 03 01 00 02 01 00 16"] {
        assert!(!says_goodbye(&hex(other)), "{other}");
    }
    assert!(!says_goodbye(&[hex(OPENSSL_TLS10), hex("15 03 01 00 02 01 00")].concat()));
}

#[test]
fn what_is_no_tls_is_shown() {
    let Parse::Done(ServerAnswer::NotTls { first_bytes }) = read_server_answer(NGINX_PLAIN) else { panic!("not TLS") };
    assert!(first_bytes.as_str().starts_with("HTTP/1.1 400"));
    assert!(matches!(read_server_answer(b"\x16\x02"), Parse::Done(ServerAnswer::NotTls { .. })));
    assert!(read_server_answer(b"\x16").is_incomplete() && read_server_answer(b"").is_incomplete());
}

#[test]
fn bytes_without_end_and_messages_out_of_place_are_malformed() {
    let empty_records = hex("16 03 01 00 00").repeat(ANSWER_LIMIT / 5 + 1);
    assert!(matches!(read_server_answer(&empty_records), Parse::Malformed(_)));
    for wrong in [
        "16 03 01 00 04 0b 00 00 00",       // Certificate first
        "16 03 01 00 04 02 ff ff ff",       // a message of 16 MiB
        "16 03 01 ff ff",                   // a record of 64 KiB
        "14 03 01 00 01 01",                // ChangeCipherSpec first
        "16 03 01 00 06 02 00 00 02 03 01", // a ServerHello that ends after its version
    ] {
        assert!(matches!(read_server_answer(&hex(wrong)), Parse::Malformed(_)), "{wrong}");
    }
}

#[test]
fn the_chain_is_read_from_the_first_flight() {
    let chain = only_whole(&hex(OPENSSL_TLS10), read_certificate_chain);
    assert_eq!(chain.iter().map(Vec::len).collect::<Vec<_>>(), [929]);
    assert_eq!(chain[0], hex(include_str!("../../certificate/samples/names.hex")));
    let chain = only_whole(&hex(GNUTLS_TLS12), read_certificate_chain);
    assert_eq!(chain[0], hex(include_str!("../../certificate/samples/p256.hex")));
    assert!(matches!(read_certificate_chain(&hex(OPENSSL_TLS13)), Parse::Malformed(_)));
    assert!(matches!(read_certificate_chain(&hex("15030000020228")), Parse::Malformed(_)));
    assert!(matches!(read_certificate_chain(NGINX_PLAIN), Parse::Malformed(_)));
}

/// Puts the handshake bytes of `flight` into records of at most `size` bytes.
fn recut(flight: &[u8], size: usize) -> Vec<u8> {
    let mut handshake = Vec::new();
    let mut rest = flight;
    while let [22, 3, _, high, low, body @ ..] = rest {
        let (content, after) = body.split_at(usize::from(*high) << 8 | usize::from(*low));
        handshake.extend_from_slice(content);
        rest = after;
    }
    let record = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], content].concat()
    };
    handshake.chunks(size).flat_map(record).collect()
}

#[test]
fn the_independent_parser_reads_the_same() {
    for (flight, suite) in [(OPENSSL_TLS10, 0xc014), (GNUTLS_TLS12, 0xc02c), (OPENSSL_TLS13, 0x1302)] {
        let flight = hex(flight);
        let (_, record) = tls_parser::parse_tls_plaintext(&flight).unwrap();
        let Some(tls_parser::TlsMessage::Handshake(tls_parser::TlsMessageHandshake::ServerHello(hello))) =
            record.msg.first()
        else {
            panic!("a ServerHello")
        };
        assert_eq!(hello.cipher.0, suite);
    }
}

proptest! {
    #[test]
    fn records_may_be_cut_anywhere(size in 1_usize..2000) {
        let flight = recut(&hex(GNUTLS_TLS12), size);
        prop_assert_eq!(read_server_answer(&flight), read_server_answer(&hex(GNUTLS_TLS12)));
        prop_assert_eq!(read_certificate_chain(&flight), read_certificate_chain(&hex(GNUTLS_TLS12)));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, kind in 20_u8..24) {
        let _ = read_server_answer(&bytes);
        let record = [&[kind, 3, 3, 0, u8::try_from(bytes.len().min(255)).unwrap()], &bytes[..]].concat();
        let _ = read_server_answer(&record);
        let _ = read_certificate_chain(&record);
    }

    #[test]
    fn a_damaged_flight_is_read_without_panic(at in 0_usize..683, byte: u8, end in 0_usize..700) {
        let mut flight = hex(GNUTLS_TLS12);
        flight[at] = byte;
        flight.truncate(end);
        let _ = read_server_answer(&flight);
        let _ = read_certificate_chain(&flight);
    }
}
