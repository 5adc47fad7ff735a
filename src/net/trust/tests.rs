use super::*;
use crate::model::certificate::ChainProblem;
use crate::wire::certificate::Judged;
use crate::wire::testing::hex;

fn store(roots: Vec<CertificateDer<'static>>, verifier: Result<Verifier, String>) -> TrustStore {
    TrustStore { verifiers: Arc::new(OnceLock::from(Verifiers { verifier, incomplete: None })), roots }
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
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let (before, within, after) = (at(1_795_227_121), at(1_800_000_000), at(2_110_587_123));
    assert_eq!(store.judge(std::slice::from_ref(&own), &name(), within), Trust::Trusted);
    for (chain, time) in [(&own, before), (&own, after), (&other, within)] {
        let trust = store.judge(std::slice::from_ref(chain), &name(), time);
        assert!(matches!(trust, Trust::Untrusted { .. }), "{trust:?}");
    }
}

/// The chain of the samples: a leaf by an intermediate by a root.
fn sample(name: &str) -> CertificateDer<'static> {
    let text = match name {
        "root" => include_str!("../../wire/certificate/samples/chain-root.hex"),
        "inter" => include_str!("../../wire/certificate/samples/chain-inter.hex"),
        "inter-old" => include_str!("../../wire/certificate/samples/chain-inter-old.hex"),
        "inter-sha1" => include_str!("../../wire/certificate/samples/chain-inter-sha1.hex"),
        _ => include_str!("../../wire/certificate/samples/chain-leaf.hex"),
    };
    CertificateDer::from(hex(text))
}

/// What a store with these roots says of these certificates at a time after 1970, in seconds.
fn verdict(roots: &[&str], served: &[&str], now: i64) -> (Verdict, Vec<ChainProblem>) {
    let roots: Vec<CertificateDer<'static>> = roots.iter().copied().map(sample).collect();
    let verifier = Verifier::new_with_extra_roots(roots.clone(), provider()).map_err(|error| error.to_string());
    let store = store(roots, verifier);
    let served: Vec<CertificateDer<'static>> = served.iter().copied().map(sample).collect();
    let chain = Chain::read(served.iter().map(AsRef::as_ref), now);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
    let verdict = store.judge_chain(&served, &chain, &name(), at);
    let Verdict { trust, unknown_issuer, needed } = &verdict;
    let judged = Judged { trust, unknown_issuer: *unknown_issuer, needed: *needed };
    let problems = chain.fact(&judged).problems;
    (verdict, problems)
}

/// 2026-11-21: everything is valid.
const NOW: i64 = 1_795_300_000;
/// Four days later: one of the intermediates is not.
const LATER: i64 = NOW + 4 * 86_400;

#[test]
fn an_expired_intermediate_is_told_from_an_unknown_authority() {
    assert_eq!(verdict(&["root"], &["leaf", "inter-old"], NOW).0.trust, Trust::Trusted);
    let (expired, problems) = verdict(&["root"], &["leaf", "inter-old"], LATER);
    assert!(matches!(expired.trust, Trust::Untrusted { .. }) && !expired.unknown_issuer, "{expired:?}");
    let [ChainProblem::Expired { position: 1, subject, not_after }] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert_eq!((subject.as_str(), not_after.as_str()), ("CN=Sample Intermediate", "2026-11-22T10:20:47Z"));

    // Both at once: the expired one does not hide that its authority is unknown.
    let (both, problems) = verdict(&["leaf"], &["leaf", "inter-old"], LATER);
    assert!(both.unknown_issuer, "{both:?}");
    assert!(
        matches!(problems.as_slice(), [ChainProblem::UnknownAuthority { .. }, ChainProblem::Expired { .. }]),
        "{problems:?}"
    );
}

/// Not every root has intermediates below it: to who trusts the issuer itself, nothing is missing.
#[test]
fn a_lone_leaf_of_a_trusted_issuer_lacks_nothing() {
    let (direct, problems) = verdict(&["inter"], &["leaf"], NOW);
    assert_eq!((direct.trust, problems), (Trust::Trusted, Vec::new()));
    // Nor does it when it is out of date.
    let (late, problems) = verdict(&["inter"], &["leaf"], NOW + 100 * 365 * 86_400);
    assert!(matches!(late.trust, Trust::Untrusted { .. }) && !late.unknown_issuer, "{late:?}");
    assert_eq!(problems, Vec::new());
    // To who does not trust it, something is.
    let (unknown, problems) = verdict(&["leaf"], &["leaf"], NOW);
    assert!(unknown.unknown_issuer && problems.len() == 1, "{problems:?}");
}

#[test]
fn a_weak_intermediate_counts_only_where_it_is_needed() {
    let (weak, problems) = verdict(&["root"], &["leaf", "inter-sha1"], NOW);
    assert!(matches!(weak.trust, Trust::Untrusted { .. }), "{weak:?}");
    assert!(matches!(problems.as_slice(), [ChainProblem::WeakSignature { position: 1, .. }]), "{problems:?}");
    // Whoever trusts the intermediate itself needs no signature of it.
    let (trusted, problems) = verdict(&["inter", "root"], &["leaf", "inter-sha1"], NOW);
    assert_eq!((trusted.trust, trusted.needed), (Trust::Trusted, 1));
    assert_eq!(problems, []);
}

#[test]
fn a_store_that_cannot_be_read_finds_no_problem_in_a_chain() {
    let store = store(Vec::new(), Err("no such directory".to_owned()));
    let served = [sample("leaf")];
    let chain = Chain::read(served.iter().map(AsRef::as_ref), LATER);
    let verdict = store.judge_chain(&served, &chain, &name(), UnixTime::now());
    assert!(matches!(verdict.trust, Trust::Unknown { .. }) && !verdict.unknown_issuer);
}
