//! The samples were made with OpenSSL 3.0.19; names say what is special about each.

use super::super::testing::hex as from_hex;
use super::*;
use proptest::prelude::*;

const NAMES: &str = include_str!("samples/names.hex");
const P256: &str = include_str!("samples/p256.hex");

fn read_at(sample: &str, checked_name: &str, now: i64) -> CertificateFact {
    let trust = Trust::Trusted;
    let served = Served {
        chain_length: 1,
        checked_name,
        now,
        trust,
        negotiated: 0x0303,
        chain: ChainFact::default(),
        staple: <_>::default(),
    };
    read_certificate(&from_hex(sample), served).expect("a certificate")
}

fn read(sample: &str) -> CertificateFact {
    read_at(sample, "rmm.example.com", 1_800_000_000)
}

#[test]
fn every_field_is_what_openssl_shows() {
    let fact = read(NAMES);
    assert_eq!(fact.subject.as_str(), "C=US, O=Example, CN=rmm.example.com");
    assert_eq!(fact.issuer, fact.subject);
    let names: Vec<&str> = fact.names.iter().map(PeerText::as_str).collect();
    assert_eq!(names, ["rmm.example.com", "*.wild.example.com", "192.0.2.7", "2001:db8::7"]);
    assert_eq!(fact.serial, "6b8f7bcdc76f22983fcd829b5dccb70d02a90fe3");
    assert_eq!(fact.sha256, "744556b233e0b699e9a5d3c21dbb28f1b83118326f06f01283559d724f7c7ec8");
    assert_eq!(fact.not_before, "2026-11-21T02:12:02Z");
    assert_eq!(fact.not_after, "2036-11-18T02:12:02Z");
    assert_eq!((fact.key.as_str(), fact.weak_key), ("RSA 2048", false));
    assert_eq!((fact.signature.as_str(), fact.weak_signature), ("sha256WithRSAEncryption", false));
    assert!(fact.self_signed && fact.name_matches && !fact.not_yet_valid);
}

#[test]
fn names_match_as_rfc_9525_says() {
    for (name, expected) in [
        ("rmm.example.com", true),
        ("a.wild.example.com", true),
        ("wild.example.com", false),
        ("192.0.2.7", true),
        ("2001:db8::7", true),
        ("2001:db8::8", false),
        ("example.com", false),
    ] {
        assert_eq!(read_at(NAMES, name, 0).name_matches, expected, "{name}");
    }
    // The common name alone is no name.
    assert!(!read_at(P256, "ec.example.com", 0).name_matches);
}

#[test]
fn days_are_counted_to_the_second() {
    let end = 2_110_587_122; // 2036-11-18T02:12:02Z
    let days = |now| read_at(NAMES, "x", now).days_left;
    assert_eq!((days(end), days(end + 1), days(end - DAY), days(end - DAY + 1)), (0, -1, 1, 0));
    let start = 1_795_227_122; // 2026-11-21T02:12:02Z
    assert!(read_at(NAMES, "x", start - 1).not_yet_valid && !read_at(NAMES, "x", start).not_yet_valid);
    assert!(days(i64::MIN) > 0 && days(i64::MAX) < 0);
}

#[test]
fn keys_and_signatures_are_named_and_weighed() {
    for (sample, key, weak_key, signature, weak_signature) in [
        (P256, "EC P-256", false, "ecdsa-with-SHA256", false),
        (include_str!("samples/p192.hex"), "EC 192 (1.2.840.10045.3.1.1)", true, "ecdsa-with-SHA256", false),
        (include_str!("samples/ed25519.hex"), "Ed25519", false, "ed25519", false),
        (include_str!("samples/dsa1024.hex"), "DSA", true, "2.16.840.1.101.3.4.3.2", false),
        (include_str!("samples/rsa1024-md5.hex"), "RSA 1024", true, "md5WithRSAEncryption", true),
        (include_str!("samples/sha1-by-ca.hex"), "RSA 2048", false, "sha1WithRSAEncryption", true),
        (include_str!("samples/pss-sha1.hex"), "RSA 2048", false, "rsassa-pss", true),
    ] {
        let fact = read(sample);
        assert_eq!((fact.key.as_str(), fact.weak_key), (key, weak_key));
        assert_eq!((fact.signature.as_str(), fact.weak_signature), (signature, weak_signature));
    }
}

#[test]
fn self_signed_is_about_the_signature() {
    for sample in [
        P256,
        include_str!("samples/ed25519.hex"),
        include_str!("samples/p192.hex"),
        include_str!("samples/rsa1024-md5.hex"),
        include_str!("samples/dsa1024.hex"),
        include_str!("samples/pss-sha1.hex"),
    ] {
        assert!(read(sample).self_signed);
    }
    assert!(!read(include_str!("samples/sha1-by-ca.hex")).self_signed);
    // Subject and issuer are equal, the signature is that of another key.
    let namesake = read(include_str!("samples/namesake.hex"));
    assert_eq!(namesake.subject, namesake.issuer);
    assert!(!namesake.self_signed);
}

#[test]
fn what_is_no_certificate_is_said_so() {
    let served = || Served {
        chain_length: 0,
        checked_name: "x",
        now: 0,
        trust: Trust::Trusted,
        negotiated: 0,
        chain: ChainFact::default(),
        staple: <_>::default(),
    };
    assert!(read_certificate(b"", served()).is_err());
    assert!(read_certificate(&vec![0x30; LIMIT + 1], served()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_damaged_certificate_is_read_without_panic(at in 0_usize..929, byte: u8, end in 0_usize..1000, now: i64) {
        let mut leaf = from_hex(NAMES);
        leaf[at] = byte;
        leaf.truncate(end);
        let trust = Trust::Trusted;
        let served = Served { chain_length: 1, checked_name: "x.example.com", now, trust, negotiated: 0, chain: ChainFact::default(), staple: <_>::default() };
        let _ = read_certificate(&leaf, served);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, name: String) {
        let served = Served { chain_length: 1, checked_name: &name, now: 0, trust: Trust::Trusted, negotiated: 0, chain: ChainFact::default(), staple: <_>::default() };
        let _ = read_certificate(&bytes, served);
        let _ = name_matches(&String::from_utf8_lossy(&bytes), &name);
    }
}
