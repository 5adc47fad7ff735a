use super::*;
use crate::wire::testing::hex;

fn store(roots: Vec<CertificateDer<'static>>, verifier: Result<Verifier, String>) -> TrustStore {
    TrustStore { verifier, incomplete: None, roots }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("rmm.example.com").unwrap()
}

#[test]
fn a_store_that_cannot_be_read_leaves_trust_unknown() {
    let store = store(Vec::new(), Err("no such directory".to_owned()));
    let chain = [CertificateDer::from(vec![0x30, 0])];
    let expected = Trust::Unknown { reason: "no such directory".to_owned() };
    assert_eq!(store.judge(&chain, &name(), UnixTime::now()), expected);
}

#[test]
fn bytes_that_are_no_certificate_are_never_trusted() {
    let Ok(store) = TrustStore::load(None) else { panic!("no file was given") };
    let trust = store.judge(&[CertificateDer::from(vec![0x30, 0])], &name(), UnixTime::now());
    assert!(!matches!(trust, Trust::Trusted), "{trust:?}");
    assert!(matches!(store.judge(&[], &name(), UnixTime::now()), Trust::Unknown { .. }));
}

#[test]
fn a_pinned_certificate_that_cannot_be_read_is_not_trusted() {
    let garbage = pinned(&[1, 2, 3], UnixTime::now());
    assert!(matches!(garbage, Trust::Untrusted { .. }));
}

#[test]
fn a_servers_own_certificate_in_the_ca_file_is_trusted_in_its_time_and_no_other() {
    // Made by `openssl req -x509`, which makes a CA of every certificate.
    let own = CertificateDer::from(hex(include_str!("../../wire/certificate/samples/names.hex")));
    let other = CertificateDer::from(hex(include_str!("../../wire/certificate/samples/namesake.hex")));
    let verifier = Verifier::new_with_extra_roots([own.clone()], provider()).map_err(|error| error.to_string());
    let store = store(vec![own.clone()], verifier);
    let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let (before, within, after) = (at(1_795_227_121), at(1_800_000_000), at(2_110_587_123));
    assert_eq!(store.judge(std::slice::from_ref(&own), &name(), within), Trust::Trusted);
    for (chain, time) in [(&own, before), (&own, after), (&other, within)] {
        let trust = store.judge(std::slice::from_ref(chain), &name(), time);
        assert!(matches!(trust, Trust::Untrusted { .. }), "{trust:?}");
    }
}
