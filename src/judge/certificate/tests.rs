use super::*;
use crate::catalog::example::certificate;
use crate::model::certificate::OcspAge;
use crate::model::verdict::{Check, Verdict};
use proptest::prelude::*;

fn judged(certificate: &CertificateFact) -> Check {
    Part::combine("rule".to_owned(), vec![judge(certificate, true, "tcp/443")])
}

fn kind(name: &str) -> CertificateFact {
    certificate(name).expect("a kind of certificate")
}

fn answer(certificate: &mut CertificateFact) -> &mut OcspAnswer {
    match &mut certificate.staple {
        Staple::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_fault_is_named_with_its_remedy() {
    for (name, why, remedy) in [
        ("incomplete", "incomplete chain: the certificate of CN=Example CA was not sent", "chain file"),
        ("unknown-authority", "unknown authority: CN=Example CA", "--ca-file"),
        ("private-root", "unknown authority: the chain ends at CN=Example CA", "--ca-file"),
        ("issuer-not-sent", "incomplete chain or unknown authority", "If CN=Example CA is an intermediate"),
        ("expired-intermediate", "CN=Example CA (no. 1) ended on 2025-12-01", "gives out now"),
        ("self-signed", "it is self-signed", "--ca-file"),
        ("expired", "it ended on", "Renew"),
        ("wrong-name", "it is not valid for rmm.example", "subject alternative names"),
        ("weak-key", "its key is weak (RSA 1024)", "RSA 2048"),
        ("revoked", "its OCSP staple says: revoked on 2025-12-01T00:00:00Z, key compromise", "new key"),
        ("staple-missing", "it demands an OCSP staple", "ssl_stapling"),
    ] {
        let check = judged(&kind(name));
        assert_eq!(check.verdict, Verdict::Fail, "{name}");
        assert!(check.why.contains(why), "{name}: {}", check.why);
        assert!(check.settle.as_deref().is_some_and(|settle| settle.contains(remedy)), "{name}: {:?}", check.settle);
    }
    for name in ["trusted", "good-staple"] {
        assert_eq!(judged(&kind(name)).verdict, Verdict::Pass, "{name}");
    }
    assert_eq!(judged(&kind("unknown-to-authority")).verdict, Verdict::Inconclusive);
}

#[test]
fn a_forged_staple_neither_proves_nor_excuses() {
    let mut revoked = kind("revoked");
    answer(&mut revoked).signature = OcspSignature::Unchecked;
    assert_eq!(judged(&revoked).verdict, Verdict::Fail);
    answer(&mut revoked).signature = OcspSignature::Invalid;
    assert_eq!(judged(&revoked).verdict, Verdict::Inconclusive);
    answer(&mut revoked).about_this = false;
    let check = judged(&revoked);
    assert_eq!((check.verdict, check.confidence), (Verdict::Pass, Confidence::Medium));

    // Where a staple is demanded, only a good one will do.
    let mut good = kind("good-staple");
    answer(&mut good).signature = OcspSignature::Unchecked;
    let check = judged(&good);
    assert_eq!((check.verdict, check.confidence), (Verdict::Pass, Confidence::Medium));
    assert!(check.seen.iter().any(|seen| seen.contains("counts for nothing")), "{:?}", check.seen);
    answer(&mut good).signature = OcspSignature::Valid;
    answer(&mut good).age = OcspAge::Stale;
    assert_eq!(judged(&good).verdict, Verdict::Fail);
    good.staple = Staple::NotAsked;
    assert_eq!(judged(&good).verdict, Verdict::Pass, "nobody asked for it");
}

#[test]
fn trust_that_is_not_known_is_not_judged() {
    let unknown = CertificateFact { trust: Trust::Unknown { reason: "no store".to_owned() }, ..kind("trusted") };
    assert_eq!(judged(&unknown).verdict, Verdict::Inconclusive);
}

proptest! {
    #[test]
    fn nothing_passes_that_is_untrusted_out_of_date_weak_or_revoked(
        fault in 0_usize..6, days in -9_i64..99, staple in 0_usize..3, must_staple: bool, named: bool,
    ) {
        let mut fact = kind(["trusted", "good-staple", "unknown-to-authority"][staple]);
        (fact.days_left, fact.must_staple) = (days, must_staple);
        match fault {
            0 => fact.trust = kind("untrusted").trust,
            1 => fact.weak_key = true,
            2 => fact.weak_signature = true,
            3 => fact.staple = kind("revoked").staple,
            4 => fact.chain = kind("expired-intermediate").chain,
            _ => fact.days_left = -1,
        }
        let check = Part::combine("rule".to_owned(), vec![judge(&fact, named, "tcp/443")]);
        prop_assert_eq!(check.verdict, Verdict::Fail);
        prop_assert!(check.settle.is_some());
    }
}
