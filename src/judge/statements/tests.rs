use crate::catalog::builtin::Catalogs;
use crate::catalog::guide::{self, Guide};
use crate::judge::examples::posed;
use crate::judge::{Case, Judgement, judge};
use crate::model::statement::{About, Attestation, Effect, Statements, Waiver};
use crate::model::vantage::Ways;
use crate::model::verdict::{Confidence, Finding, Severity, Verdict};
use jiff::civil::{Date, date};
use std::sync::LazyLock;

static CATALOGS: LazyLock<Catalogs> = LazyLock::new(|| Catalogs::built_in().unwrap());

const TODAY: Date = date(2026, 11, 21);

fn attestation(until: Date) -> Attestation {
    let (by, seen) = ("Dana Cole".to_owned(), "All twelve accounts.".to_owned());
    Attestation { by, on: date(2026, 9, 1), seen, until, reference: None }
}

fn waiver(until: Date) -> Waiver {
    Waiver {
        why: "The hoster manages it.".to_owned(),
        approved_by: "Kim Lee".to_owned(),
        on: date(2026, 9, 1),
        until,
        risk: Severity::Medium,
        risk_words: "Guessing.".to_owned(),
        reference: None,
    }
}

/// Statements about every item of a guide, whether a catalog would let them stand or not.
fn of_all(guide: &Guide, until: Date) -> Statements {
    let abouts = guide.items.iter().map(|item| About::Item { guide: guide.id.clone(), item: item.id.clone() });
    Statements {
        attestations: abouts.clone().map(|about| (about, attestation(until))).collect(),
        waivers: abouts.map(|about| (about, waiver(until))).collect(),
        today: Some(TODAY),
    }
}

/// Every example of every built-in guide, judged without statements and with them.
fn over_all_examples(until: Date, mut hold: impl FnMut(&Finding, &Finding)) {
    let mut compared = 0;
    for guide in &CATALOGS.guides {
        let statements = of_all(guide, until);
        for item in &guide.items {
            for example in item.rules.iter().flat_map(|rule| &rule.examples) {
                let (raw, said) = posed(guide, item, example, &CATALOGS, &Ways::default(), |case| {
                    (judge(case), judge(Case { statements: &statements, ..case }))
                });
                assert_eq!(raw.findings.len(), said.findings.len());
                for (raw, said) in raw.findings.iter().zip(&said.findings) {
                    hold(raw, said);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// The law: no waiver hides a verdict. And an attestation answers nothing but what needs one.
#[test]
fn statements_change_nothing_but_what_only_a_person_can_answer() {
    let mut answered = 0;
    over_all_examples(date(2027, 1, 31), |raw, said| {
        let effect = said.attestation.as_ref().unwrap().effect;
        assert_eq!(effect == Effect::Contradicted, raw.verdict == Verdict::Fail, "{}", raw.item);
        assert_eq!(said.is_waived(), raw.verdict == Verdict::Fail, "{}", raw.item);
        if raw.verdict == Verdict::NeedsAttestation {
            assert_eq!((said.verdict, said.confidence), (Verdict::Pass, Confidence::Medium), "{}", raw.item);
            assert!(said.is_attested());
            answered += 1;
            return;
        }
        assert_eq!((raw.verdict, raw.confidence), (said.verdict, said.confidence), "{}", raw.item);
        let same = raw.checks.iter().zip(&said.checks).all(|(raw, said)| {
            raw == said || raw.verdict == Verdict::NeedsAttestation && said.verdict == Verdict::Pass
        });
        assert!(same, "{}", raw.item);
    });
    assert!(answered > 100, "{answered}");
}

#[test]
fn what_expired_counts_for_nothing_and_is_seen() {
    over_all_examples(date(2026, 11, 20), |raw, said| {
        assert_eq!((raw.verdict, raw.confidence), (said.verdict, said.confidence), "{}", raw.item);
        assert!(!said.is_waived() && !said.is_attested());
        assert_eq!(said.attestation.as_ref().unwrap().effect, Effect::Expired);
        assert_eq!(said.waiver.as_ref().unwrap().effect, Effect::Expired);
        if raw.verdict == Verdict::NeedsAttestation {
            let check = said.deciding().unwrap();
            assert!(check.why.contains("attested until 2026-11-20 by Dana Cole, which has expired"), "{check:?}");
            assert!(check.settle.as_ref().unwrap().ends_with("renew the attestation."));
        }
    });
}

/// A guide of a user's own, of which `how` and rules are given.
fn own_guide(how: &str, rules: &str) -> Guide {
    let text = format!(
        "[guide]\nid = 'own'\ntitle = 't'\nsource = 's'\nrevision = '1'\nroles = ['iis']\n[[item]]\nid = 'OWN-01'\ntitle = 't'\n\
         section = 's'\nseverity = 'low'\nhow = {how}\nrationale = 'r'\ncheck = 'c'\nremedy = ['r']\n{rules}"
    );
    guide::parse("own.toml", &text, false).unwrap_or_else(|found| panic!("{found}"))
}

const BY_PERSON: &str = "[[item.rule]]\ncheck = 'needs'\nsource = 'attestation'\nby = 'b'\n[[item.rule.example]]\nseen = []\nverdict = 'needs-attestation'\n";
const BY_HOST: &str = "[[item.rule]]\ncheck = 'needs'\nsource = 'evidence'\nby = 'b'\n[[item.rule.example]]\nseen = []\nverdict = 'needs-evidence'\n";
const BY_NETWORK: &str = "[[item.rule]]\ncheck = 'unreachable'\nports = ['tcp/80']\n[[item.rule.example]]\nseen = ['tcp/80 PORT']\nverdict = 'VERDICT'\n";

/// What becomes of an item, posed as the first example of its first rule.
fn judged(guide: &Guide, until: Date) -> Finding {
    let (item, statements) = (&guide.items[0], of_all(guide, until));
    let example = &item.rules[0].examples[0];
    let mut judgement: Judgement = posed(guide, item, example, &CATALOGS, &Ways::default(), |case| {
        judge(Case { statements: &statements, ..case })
    });
    judgement.findings.remove(0)
}

#[test]
fn a_person_stands_in_for_evidence_only_where_the_catalog_says_so() {
    let until = date(2027, 1, 31);
    let finding = judged(&own_guide("['host', 'attestation']", &format!("{BY_HOST}{BY_PERSON}")), until);
    assert_eq!((finding.verdict, finding.confidence), (Verdict::Pass, Confidence::Low));
    let finding = judged(&own_guide("['host']", BY_HOST), until);
    assert_eq!(finding.verdict, Verdict::NeedsEvidence);
    assert_eq!(finding.attestation.unwrap().effect, Effect::Unneeded);
}

#[test]
fn what_was_seen_goes_before_what_is_said() {
    let of = |port: &str, verdict: &str| {
        let network = BY_NETWORK.replace("PORT", port).replace("VERDICT", verdict);
        judged(&own_guide("['outside', 'attestation']", &format!("{network}{BY_PERSON}")), date(2027, 1, 31))
    };
    let fails = of("open", "fail");
    assert_eq!((fails.verdict, fails.checks[1].verdict), (Verdict::Fail, Verdict::NeedsAttestation));
    let told = &fails.disagreements[0];
    assert!(
        told.starts_with("Contradiction: Dana Cole attested on 2026-09-01") && told.contains("All twelve"),
        "{told}"
    );
    let untold = of("unstable", "inconclusive");
    assert_eq!((untold.verdict, untold.checks[1].verdict), (Verdict::Inconclusive, Verdict::Pass));
    assert!(!untold.is_attested() && untold.attestation.unwrap().counts());
    let passes = of("closed", "pass");
    assert_eq!((passes.verdict, passes.confidence), (Verdict::Pass, Confidence::Medium));
    let check = &passes.checks[1];
    assert_eq!(check.seen, ["attested: All twelve accounts."]);
    assert!(check.why.starts_with("attested by Dana Cole on 2026-09-01, valid until 2027-01-31"), "{check:?}");
}

#[test]
fn what_ends_within_a_month_is_marked() {
    let guide = own_guide("['attestation']", BY_PERSON);
    let soon = |until| judged(&guide, until).attestation.unwrap().ends_soon;
    assert!(soon(TODAY) && soon(date(2026, 12, 21)) && !soon(date(2026, 12, 22)) && !soon(date(2026, 11, 20)));
}

#[test]
fn without_a_day_nothing_that_is_said_is_known_to_hold() {
    let guide = own_guide("['attestation']", BY_PERSON);
    let statements = Statements { today: None, ..of_all(&guide, date(2027, 1, 31)) };
    let (item, example) = (&guide.items[0], &guide.items[0].rules[0].examples[0]);
    let judgement = posed(&guide, item, example, &CATALOGS, &Ways::default(), |case| {
        judge(Case { statements: &statements, ..case })
    });
    assert_eq!(judgement.findings[0].verdict, Verdict::NeedsAttestation);
}
