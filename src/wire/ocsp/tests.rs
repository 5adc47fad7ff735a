//! The samples were made with `openssl ocsp` 3.0.22 for the leaf of the chain samples.

use super::super::testing::hex;
use super::*;
use proptest::prelude::*;

const GOOD: &str = include_str!("samples/good.hex");

/// 2026-11-21; the samples hold for a week.
const NOW: i64 = 1_795_300_000;

fn leaf() -> Vec<u8> {
    hex(include_str!("../certificate/samples/chain-leaf.hex"))
}

fn issuer() -> Vec<u8> {
    hex(include_str!("../certificate/samples/chain-inter.hex"))
}

fn answer(response: &str, issuer: Option<&[u8]>, now: i64) -> OcspAnswer {
    match read_staple(&hex(response), &leaf(), issuer, now).0 {
        Staple::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_authority_says_is_what_openssl_shows() {
    let issuer = issuer();
    let good = answer(GOOD, Some(&issuer), NOW);
    let expected = OcspAnswer {
        status: OcspStatus::Good,
        this_update: "2026-11-21T10:20:47Z".to_owned(),
        next_update: Some("2026-11-28T10:20:47Z".to_owned()),
        age: OcspAge::Current,
        about_this: true,
        signature: OcspSignature::Valid,
    };
    assert_eq!(good, expected);
    assert_eq!(good.fault(), None);
    let revoked = answer(include_str!("samples/revoked.hex"), Some(&issuer), NOW);
    let status = OcspStatus::Revoked { at: "2026-11-21T00:00:00Z".to_owned(), reason: Some(1) };
    assert_eq!((revoked.status, revoked.signature), (status, OcspSignature::Valid));
    let unknown = answer(include_str!("samples/unknown.hex"), Some(&issuer), NOW);
    assert_eq!((unknown.status, unknown.about_this), (OcspStatus::Unknown, true));
}

#[test]
fn only_the_authority_and_whom_it_certified_may_sign() {
    let issuer = issuer();
    let signature = |response, issuer| answer(response, issuer, NOW).signature;
    let delegated = include_str!("samples/delegated.hex");
    assert_eq!(signature(delegated, Some(&issuer[..])), OcspSignature::Valid);
    // Signed by a certificate of the same authority that is not for that.
    assert_eq!(signature(include_str!("samples/forged.hex"), Some(&issuer[..])), OcspSignature::Invalid);
    assert_eq!(signature(GOOD, None), OcspSignature::Unchecked);
    let mut damaged = hex(GOOD);
    *damaged.last_mut().unwrap() ^= 1;
    let (staple, _) = read_staple(&damaged, &leaf(), Some(&issuer), NOW);
    assert!(matches!(staple, Staple::Answer(answer) if answer.signature == OcspSignature::Invalid));
}

#[test]
fn a_staple_of_another_certificate_or_time_is_at_fault() {
    let issuer = issuer();
    for other in ["chain-plain", "names"] {
        let other = match other {
            "names" => include_str!("../certificate/samples/names.hex"),
            _ => include_str!("../certificate/samples/chain-plain.hex"),
        };
        let (staple, _) = read_staple(&hex(GOOD), &hex(other), Some(&issuer), NOW);
        assert!(matches!(staple, Staple::Answer(answer) if !answer.about_this && answer.fault().is_some()));
    }
    let age = |now| answer(GOOD, Some(&issuer), now).age;
    let (begin, end) = (1_795_256_447, 1_795_861_247);
    assert_eq!((age(begin - SKEW - 1), age(begin - SKEW)), (OcspAge::Early, OcspAge::Current));
    assert_eq!((age(end + SKEW), age(end + SKEW + 1)), (OcspAge::Current, OcspAge::Stale));
}

#[test]
fn what_says_nothing_of_a_certificate_is_unreadable() {
    let said = |bytes: &[u8]| read_staple(bytes, &leaf(), None, NOW).0;
    assert_eq!(said(b""), Staple::None);
    // SEQUENCE { ENUMERATED tryLater }
    let try_later = said(&[0x30, 3, 10, 1, 3]);
    assert!(matches!(try_later, Staple::Unreadable { what } if what.as_str() == "the responder says: try later"));
    assert!(matches!(said(&vec![0x30; LIMIT + 1]), Staple::Unreadable { .. }));
    for end in 1..hex(GOOD).len() {
        assert!(matches!(said(&hex(GOOD)[..end]), Staple::Unreadable { .. }), "{end}");
    }
    assert!(matches!(read_staple(&hex(GOOD), b"", None, NOW).0, Staple::Unreadable { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_damaged_response_is_read_without_panic_and_never_valid(at in 0_usize..273, bit in 0_u32..8, now: i64) {
        let mut response = hex(GOOD);
        response[at] ^= 1 << bit;
        let (staple, _) = read_staple(&response, &leaf(), Some(&issuer()), now);
        // What is not signed over: only the outer frame, and what the signature's own encoding leaves open.
        if let Staple::Answer(answer) = staple {
            let sound = OcspStatus::Good == answer.status && answer.about_this;
            prop_assert!(sound || answer.signature != OcspSignature::Valid, "{answer:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, other: Vec<u8>, now: i64) {
        let _ = read_staple(&bytes, &other, Some(&other), now);
        let _ = read_staple(&bytes, &leaf(), None, now);
    }
}
