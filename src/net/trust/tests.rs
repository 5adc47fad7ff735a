use super::*;

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
