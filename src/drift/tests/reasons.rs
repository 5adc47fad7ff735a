//! Why it reads otherwise.

use super::drift;
use super::world::{World, timed_out};
use crate::model::drift::{Change, Drift};
use crate::model::evidence::EvidenceRun;
use crate::model::run::{Run, Trouble};
use crate::model::statement::{Attestation, Attested, Effect};
use crate::model::verdict::{Confidence, Verdict};
use jiff::civil::date;

fn open() -> World {
    World::sound().with(&["tcp/3306 open", "tcp/3306 service mysql"])
}

/// The first item that reads otherwise in this way.
fn item<'a>(drift: &'a Drift, before: &str, after: &str) -> &'a Change {
    let mut items = drift.targets[0].changes.iter().filter(|change| change.subject.kind() == "item");
    items
        .find(|change| change.before.as_deref() == Some(before) && change.after.as_deref() == Some(after))
        .unwrap_or_else(|| panic!("{before} → {after}: {:#?}", super::lines(drift)))
}

fn first(change: &Change) -> (&'static str, Confidence) {
    let because = change.because().unwrap();
    (because.reason.as_str(), because.confidence)
}

fn kinds(change: &Change) -> Vec<&'static str> {
    change.reasons.iter().map(|because| because.reason.as_str()).collect()
}

/// Says of some item something else, as another guide, program or inventory would.
fn otherwise(run: &mut Run, from: Verdict, to: Verdict) {
    let finding = run.targets[0].findings.iter_mut().find(|finding| finding.verdict == from).unwrap();
    finding.verdict = to;
    for check in finding.checks.iter_mut().filter(|check| check.verdict == from) {
        check.verdict = to;
    }
}

#[test]
fn the_target_changed() {
    let drift = drift(&[&World::sound().run(), &open().run()]);
    let change = item(&drift, "pass", "fail");
    assert_eq!(first(change), ("target", Confidence::High));
    assert!(
        change.because().unwrap().reason.describe().contains("tcp/3306 at 203.0.113.5: filtered → open"),
        "{change:#?}"
    );
}

#[test]
fn the_guide_changed_and_the_same_is_read_otherwise() {
    let before = World::sound().run();
    let mut after = before.clone();
    otherwise(&mut after, Verdict::Pass, Verdict::Fail);
    assert_eq!(
        first(item(&drift(&[&before, &after]), "pass", "fail")),
        ("unknown", Confidence::Low),
        "nobody can tell"
    );
    for guide in &mut after.guides {
        (guide.revision, guide.sha256) = ("2027-01-01".to_owned(), "ab".repeat(32));
    }
    let drifted = drift(&[&before, &after]);
    let change = item(&drifted, "pass", "fail");
    assert_eq!(first(change), ("guide", Confidence::High));
    assert!(change.because().unwrap().reason.describe().contains("to 2027-01-01"), "{change:#?}");
    // Another reason beside it, and neither is sure.
    after.tool_version = "0.2.0".to_owned();
    let drifted = drift(&[&before, &after]);
    let change = item(&drifted, "pass", "fail");
    assert_eq!(kinds(change), ["guide", "program"]);
    assert_eq!(first(change), ("guide", Confidence::Medium));
}

#[test]
fn where_the_target_and_the_guide_changed_what_was_seen_decides_unless_something_else_is_asked() {
    let (before, mut after) = (World::sound().run(), open().run());
    for guide in &mut after.guides {
        guide.sha256 = "ab".repeat(32);
    }
    let drifted = drift(&[&before, &after]);
    assert_eq!(kinds(item(&drifted, "pass", "fail")), ["target", "guide"]);
    for check in after.targets[0].findings.iter_mut().flat_map(|finding| &mut finding.checks) {
        check.rule.push_str(", and more");
    }
    let drifted = drift(&[&before, &after]);
    assert_eq!(kinds(item(&drifted, "pass", "fail")), ["guide", "target"]);
}

#[test]
fn the_program_or_the_inventory_changed() {
    let before = World::sound().run();
    let mut after = before.clone();
    otherwise(&mut after, Verdict::Pass, Verdict::Fail);
    after.tool_version = "0.2.0".to_owned();
    assert_eq!(first(item(&drift(&[&before, &after]), "pass", "fail")), ("program", Confidence::High));
    after.tool_version.clone_from(&before.tool_version);
    after.targets[0].target.technicians = Some(12);
    let drifted = drift(&[&before, &after]);
    let change = item(&drifted, "pass", "fail");
    assert_eq!(first(change), ("inventory", Confidence::High));
    assert_eq!(change.because().unwrap().reason.describe(), "the inventory changed: technicians: not said → 12");
    assert_eq!(drifted.targets[0].inventory, ["technicians: not said → 12"]);
}

#[test]
fn roles_bring_items_and_take_them() {
    let one = World::sound();
    let mut other = World::sound();
    other.target.roles = [crate::model::target::Role::Automate].into();
    for (before, after, presence) in [(&one, &other, (true, false)), (&other, &one, (false, true))] {
        let drift = drift(&[&before.run(), &after.run()]);
        let items: Vec<&Change> = drift.targets[0].changes.iter().filter(|one| one.subject.kind() == "item").collect();
        assert!(!items.is_empty());
        for change in items {
            assert_eq!((change.before.is_some(), change.after.is_some()), presence);
            assert_eq!(first(change), ("inventory", Confidence::High), "{change:?}");
        }
    }
}

#[test]
fn a_guide_that_was_not_asked_for_is_the_options() {
    let before = World::sound().run();
    let mut after = before.clone();
    after.guides.retain(|guide| guide.id != "iis");
    after.targets[0].findings.retain(|finding| finding.guide != "iis");
    let drift = drift(&[&before, &after]);
    let item = drift.targets[0].changes.iter().find(|change| change.subject.kind() == "item").unwrap();
    assert_eq!(first(item), ("options", Confidence::High));
}

#[test]
fn a_lost_sight_says_why() {
    let mut lost = World::sound();
    for (question, attempt) in &mut lost.asked {
        if question.port() == 3306 {
            *attempt = timed_out();
        }
    }
    lost.troubles = vec![Trouble::OutOfTime];
    let drift = drift(&[&World::sound().run(), &lost.run()]);
    let change = item(&drift, "pass", "inconclusive");
    assert_eq!(first(change), ("sight-lost", Confidence::High));
    assert!(change.because().unwrap().reason.describe().contains("--host-time"), "{change:#?}");
}

#[test]
fn time_alone_makes_a_certificate_expire() {
    let days = |days: i64| {
        let lines = ["tcp/8040 open", "tcp/8040 service https", "tcp/8040 tls1.2 accepted"];
        let mut world = World::new(&lines);
        world.target.roles = [crate::model::target::Role::Control].into();
        world.certificate_on(8040, |fact| {
            fact.days_left = days;
            if days < 0 {
                fact.trust = crate::model::tls::Trust::Untrusted {
                    reason: crate::model::peer_text::PeerText::new("expired", 20),
                };
            }
        })
    };
    let drift = drift(&[&days(3).run(), &days(-1).run()]);
    let change = item(&drift, "pass", "fail");
    assert_eq!(first(change), ("time", Confidence::High), "{change:#?}");
    let end = drift.targets[0].changes.iter().find(|change| change.subject.to_string().contains("end of")).unwrap();
    assert_eq!(first(end), ("time", Confidence::High));
}

#[test]
fn a_view_from_inside_is_another_view() {
    let mut inside = open();
    inside.health.inside = true;
    let drift = drift(&[&World::sound().run(), &inside.run()]);
    let change = item(&drift, "pass", "fail");
    assert_eq!(kinds(change), ["vantage", "target"]);
}

#[test]
fn evidence_and_attestations_that_come_and_go() {
    let evidence =
        |day: &str| Box::new(EvidenceRun { collected: Some(format!("{day}T09:00:00Z")), ..EvidenceRun::default() });
    let before = World::sound().run();
    let mut after = before.clone();
    after.targets[0].evidence = Some(evidence("2026-11-19"));
    otherwise(&mut after, Verdict::NeedsEvidence, Verdict::Pass);
    let came = drift(&[&before, &after]);
    let change = item(&came, "needs evidence", "pass");
    assert_eq!(first(change), ("evidence", Confidence::High));
    assert_eq!(
        change.because().unwrap().reason.describe(),
        "the host's evidence: there is some now, collected on 2026-11-19"
    );
    let went = drift(&[&after, &before]);
    assert_eq!(first(item(&went, "pass", "needs evidence")), ("evidence", Confidence::High));
    let attestation = |effect| {
        let (on, until) = (date(2026, 3, 1), date(2026, 11, 20));
        let attestation =
            Attestation { by: "Dana Cole".to_owned(), on, seen: "Looked.".to_owned(), until, reference: None };
        Some(Box::new(Attested { attestation, effect, ends_soon: false }))
    };
    let place = before.targets[0].findings.iter().position(|one| one.verdict == Verdict::NeedsAttestation).unwrap();
    let mut attested = before.clone();
    otherwise(&mut attested, Verdict::NeedsAttestation, Verdict::Pass);
    attested.targets[0].findings[place].attestation = attestation(Effect::Counts);
    let said = |runs: [&Run; 2], before: &str, after: &str| {
        let drift = drift(&runs);
        item(&drift, before, after).because().unwrap().reason.describe()
    };
    assert_eq!(
        said([&before, &attested], "needs attestation", "pass"),
        "attestation: Dana Cole attested it on 2026-03-01, until 2026-11-20"
    );
    let mut expired = before.clone();
    expired.targets[0].findings[place].attestation = attestation(Effect::Expired);
    assert_eq!(
        said([&attested, &expired], "pass", "needs attestation"),
        "attestation: that of Dana Cole ended with 2026-11-20"
    );
    assert_eq!(
        said([&attested, &before], "pass", "needs attestation"),
        "attestation: that of Dana Cole, until 2026-11-20, is no longer there"
    );
}
