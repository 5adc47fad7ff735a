//! What a lost sight leaves of the report: what was known stands, with the day on which it was seen.

use super::*;
use crate::catalog::rule::NOT_ATTACKED;
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Skip};
use crate::model::question::Question;
use crate::model::run::GuideUsed;
use crate::report::fixture::overview::vanish;

/// A night in which a certificate of the port with the automation ends three days after the report.
fn ending(number: u32) -> Run {
    let mut run = night(number);
    for observation in &mut run.targets[0].observations {
        if let Attempt::Answered { fact: Fact::Certificate(fact) } = &mut observation.attempt {
            "2026-03-17T21:00:00Z".clone_into(&mut fact.not_after);
        }
    }
    run
}

/// No certificate can be read.
fn unread(run: &mut Run) {
    for observation in &mut run.targets[0].observations {
        if matches!(observation.question, Question::Certificate { .. }) {
            observation.attempt = Attempt::Skipped { skip: Skip::OutOfTime };
        }
    }
}

#[test]
fn a_certificate_that_could_not_be_read_ends_all_the_same() {
    let mut dim = ending(27);
    unread(&mut dim);
    let overview = of_runs([ending(25), ending(26), dim.clone()]).overview(None);
    let found = &server(&overview, "automate-01").certificates;
    let [one, ..] = found.as_slice() else { panic!("it vanished") };
    assert_eq!((one.port.as_str(), one.days_left, one.old), ("tcp/443", 3, true));
    assert_eq!(one.seen.started, "2026-03-13T02:30:00Z");
    for text in [
        html::overview(&overview).unwrap(),
        markdown::overview(&overview),
        terminal::overview(&overview, 200, false, true),
    ] {
        assert!(text.contains("seen last on 2026-03-13"), "{text}");
    }
    let told: serde_json::Value = serde_json::from_str(&json::overview(&overview).unwrap()).unwrap();
    let servers = told["servers"].as_array().unwrap();
    let own = servers.iter().find(|server| server["name"] == "automate-01").unwrap();
    assert_eq!((&own["certificates"][0]["days_left"], &own["certificates"][0]["old"]), (&3.into(), &true.into()));
    // Seen by the last try, it needs no day.
    let overview = of_runs([ending(26), ending(27)]).overview(None);
    assert!(server(&overview, "automate-01").certificates.iter().all(|one| !one.old));
    // Where the whole server was lost, neither.
    vanish(&mut dim.targets[0]);
    let overview = of_runs([ending(26), dim]).overview(None);
    assert!(server(&overview, "automate-01").certificates.iter().any(|one| one.old && one.days_left == 3));
}

#[test]
fn a_certificate_of_a_port_that_is_closed_now_is_gone() {
    let mut shut = ending(27);
    shut.targets[0].observations.retain(|one| !matches!(one.question, Question::Certificate { .. }));
    let mut mute = shut.clone();
    for observation in &mut shut.targets[0].observations {
        if let Attempt::Answered { fact: Fact::Port(fact) } = &mut observation.attempt {
            fact.state = PortState::Closed;
        }
    }
    let found = |last: Run| {
        let overview = of_runs([ending(26), last]).overview(None);
        server(&overview, "automate-01").certificates.clone()
    };
    assert_eq!(found(shut), []);
    // Open, and nothing that was said there could be read.
    mute.targets[0].observations.retain(|one| !matches!(one.attempt.fact(), Some(Fact::Service { .. })));
    assert!(found(mute).iter().any(|one| one.old && one.port == "tcp/443"));
}

#[test]
fn an_attacked_version_that_could_not_be_read_keeps_its_rank_and_its_words() {
    let (name, item) = ("automate-01", "AUT-TLS-01");
    let attacked = |number: u32| {
        let mut run = night(number);
        for finding in run.targets[0].findings.iter_mut().filter(|finding| finding.item == item) {
            finding.checks.iter_mut().for_each(|check| check.rule = format!("iis.{NOT_ATTACKED}"));
        }
        run
    };
    let mut dim = attacked(27);
    set(&mut dim.targets[0], item, Verdict::Inconclusive);
    for finding in dim.targets[0].findings.iter_mut().filter(|finding| finding.item == item) {
        for check in &mut finding.checks {
            (check.seen, check.why) = (Vec::new(), "the handshake failed".to_owned());
        }
    }
    let (before, after) = (of_runs([attacked(26)]).overview(None), of_runs([attacked(26), dim]).overview(None));
    let rank = |overview: &Overview| {
        let step = overview.steps.iter().find(|step| step.about.to_string() == item).unwrap();
        (step.rank, step.severity, step.exploited)
    };
    assert!(rank(&before).2);
    assert_eq!(rank(&after), rank(&before));
    let (was, is) = (failure(&before, name, item), failure(&after, name, item));
    assert!(is.unconfirmed.is_some() && is.exploited && !was.wrong.is_empty());
    assert_eq!(is.wrong, format!("{}. The last scan could not tell: the handshake failed", was.wrong));
    assert_eq!(is.verify, was.verify);
}

#[test]
fn a_server_that_is_tried_each_night_in_vain_is_not_overdue() {
    let dark = |number: u32| {
        let mut run = night(number);
        run.targets.iter_mut().for_each(vanish);
        run
    };
    let overview = of_runs((0..10).map(night).chain((10..28).map(dark))).overview(None);
    for name in ["automate-01", "control-01"] {
        let server = server(&overview, name);
        assert_eq!((words::standing(server), &server.overdue), ("NOT SEEN", &None));
    }
    // The tries came to an end, too.
    let overview = of_runs((0..10).map(night).chain((10..20).map(dark))).overview(None);
    let automate = server(&overview, "automate-01");
    assert!(automate.overdue.as_ref().unwrap().contains("due on 7 March 2026, 02:30 UTC"), "{:?}", automate.overdue);
    assert_eq!(words::standing(automate), "NOT SEEN");
    let control = server(&overview, "control-01").overdue.clone().unwrap();
    assert!(control.contains("the last try was 8 days ago"), "{control}");
    assert!(words::doubts(automate).iter().any(|(title, _)| *title == "Overdue"));
}

#[test]
fn servers_that_were_not_seen_for_the_same_reason_are_told_together() {
    let clones = |number: u32| {
        let mut run = night(number);
        run.targets.truncate(1);
        let first = run.targets[0].clone();
        run.targets = ["one", "two", "three"]
            .map(|name| {
                let mut target = first.clone();
                name.clone_into(&mut target.target.name);
                target
            })
            .to_vec();
        run
    };
    let mut dark = clones(27);
    dark.targets.iter_mut().for_each(vanish);
    let overview = of_runs([clones(26), dark]).overview(None);
    let page = terminal::overview(&overview, 80, false, true);
    let first = page.split("NOT CURRENT").nth(1).unwrap().split("SERVERS").next().unwrap();
    let text = first.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("3 servers were not seen by their last scan: "), "{first}");
    assert!(text.contains("/two (picture of 2026-03-13)") && !text.contains("Not seen by"), "{first}");
}

/// A guide may be one client's own, and its name says whose.
#[test]
fn guides_that_do_not_concern_a_server_are_not_named() {
    let with = |number: u32, sha256: &str| {
        let mut run = night(number);
        let own = run.guides[0].clone();
        let sha256 = sha256.repeat(64);
        run.guides.push(GuideUsed { id: "northwind".to_owned(), revision: sha256.clone(), sha256, ..own });
        run
    };
    let overview = of_runs([with(26, "1"), with(27, "2")]).overview(Some("Harbour Dental Group"));
    for text in [html::overview(&overview).unwrap(), json::overview(&overview).unwrap(), markdown::overview(&overview)]
    {
        assert!(!text.contains("northwind"), "{text}");
    }
    assert!(!server(&overview, "automate-01").guides.is_empty());
}
