pub(crate) mod properties;
mod reasons;
pub(crate) mod world;

use super::{Series, compare};
use crate::model::drift::{Change, Class, Drift, Presence, Sighting};
use crate::model::run::{Run, Trouble};
use crate::model::target::Host;
use crate::model::verdict::Severity;
use world::{World, run, timed_out};

pub(super) fn drift(runs: &[&Run]) -> Drift {
    compare(&Series::new(runs.iter().map(|run| (None, *run))).unwrap())
}

/// The changes of the only target, as lines: class, subject, before, after; those that explain others are indented.
fn lines(drift: &Drift) -> Vec<String> {
    let nothing = || "-".to_owned();
    let line = |change: &Change| {
        let indent = if change.explains.is_empty() { "" } else { "  " };
        let (before, after) = (change.before.clone(), change.after.clone());
        format!(
            "{indent}{} {}: {} → {}",
            change.class.as_str(),
            change.subject,
            before.unwrap_or_else(nothing),
            after.unwrap_or_else(nothing)
        )
    };
    drift.targets.iter().flat_map(|target| &target.changes).map(line).collect()
}

fn told(runs: &[&World]) -> Vec<String> {
    let runs: Vec<Run> = runs.iter().map(|world| world.run()).collect();
    lines(&drift(&runs.iter().collect::<Vec<_>>()))
}

#[test]
fn the_same_run_twice_has_no_drift() {
    let run = World::sound().run();
    let drift = drift(&[&run, &run]);
    assert!(drift.is_unchanged() && drift.is_whole(), "{:?}", lines(&drift));
    assert_eq!(drift.tally().changes(), 0);
    assert!(!drift.targets[0].not_compared.is_empty(), "what nobody can tell is named");
}

#[test]
fn a_port_that_opened_is_told_with_what_it_breaks() {
    let open = World::sound().with(&["tcp/3389 open", "tcp/3389 service rdp", "tcp/3389 nla enforced"]);
    let told = told(&[&World::sound(), &open]);
    assert!(told.iter().any(|line| line.starts_with("worse ") && line.ends_with("pass → fail")), "{told:#?}");
    let port = "  worse tcp/3389 at 203.0.113.5: filtered → open: Remote Desktop (RDP)";
    assert!(told.iter().any(|line| line == port), "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("service on")), "{told:#?}");
}

#[test]
fn a_port_that_no_item_asks_for_is_told_by_itself() {
    let open = World::sound().with(&["tcp/9999 open", "tcp/9999 service http"]);
    let closed = World::sound().with(&["tcp/9999 closed"]);
    let told_line = |told: Vec<String>| told.into_iter().filter(|line| line.contains("9999")).collect::<Vec<_>>();
    let opened = told_line(told(&[&closed, &open]));
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(
        opened[0].trim().starts_with("worse tcp/9999 at 203.0.113.5: closed → open: HTTP without TLS"),
        "{opened:?}"
    );
    // It was never asked before: that it is open is news, and not worse than before.
    let first = told_line(told(&[&World::sound(), &open]));
    assert_eq!(first, ["new tcp/9999 at 203.0.113.5: - → open: HTTP without TLS"]);
}

#[test]
fn bounds_of_ranges_mean_nothing() {
    let joined = World::sound().with(&["tcp/40000-40050 closed"]);
    let split = World::sound().with(&["tcp/40000-40020 closed", "tcp/40021 closed", "tcp/40022-40050 closed"]);
    assert_eq!(told(&[&joined, &split]), Vec::<String>::new());
    let opened = World::sound().with(&["tcp/40000-40020 closed", "tcp/40021-40022 filtered", "tcp/40023-40050 closed"]);
    let told = told(&[&joined, &opened]);
    assert!(told.iter().any(|line| line.contains("tcp/40021-40022 at 203.0.113.5: closed → filtered")), "{told:?}");
}

#[test]
fn what_varies_with_every_asking_is_no_change() {
    let head = "tcp/443 GET / 200 Server: Microsoft-IIS/10.0";
    let Ok(crate::catalog::example::Seen::Observation(..)) = crate::catalog::example::parse_seen(head) else {
        panic!("{head}");
    };
    let with = |date: &str, cookie: &str, days: i64| {
        let mut world = World::sound().with(&[head]).certificate(|fact| fact.days_left = days);
        for (_, attempt) in &mut world.asked {
            if let crate::model::observation::Attempt::Answered { fact: crate::model::fact::Fact::Http(answer) } =
                attempt
            {
                let text = |text: &str| crate::model::peer_text::PeerText::new(text, 99);
                for (name, value) in [("Date", date), ("Set-Cookie", cookie), ("ETag", cookie)] {
                    answer.headers.push(crate::model::http::Header { name: text(name), value: text(value) });
                }
            }
        }
        let mut run = world.run();
        for (place, observation) in run.targets[0].observations.iter_mut().enumerate() {
            observation.started_ms += u64::try_from(place).unwrap() * 7;
            observation.elapsed_ms += u64::try_from(days).unwrap();
            observation.tries += 1;
        }
        run
    };
    let (one, other) = (with("Fri, 20 Nov 2026", "a=1", 90), with("Sat, 21 Nov 2026", "a=2", 89));
    let drift = drift(&[&one, &other]);
    assert!(drift.is_unchanged(), "{:?}", lines(&drift));
}

#[test]
fn a_certificate_is_renewed_expires_and_is_distrusted() {
    let days = |days: i64| World::sound().certificate(|fact| fact.days_left = days);
    let port = "tcp/443 at 203.0.113.5";
    let until = "2027-01-01";
    assert_eq!(
        told(&[&days(31), &days(29)]),
        [format!("worse end of the certificate on {port}: ends on {until} → ends within 30 days, on {until}")]
    );
    assert_eq!(told(&[&days(29), &days(15)]), Vec::<String>::new(), "the same band");
    let renewed = World::sound().certificate(|fact| {
        fact.sha256 = "11".repeat(32);
        fact.not_after = "2027-06-01T00:00:00Z".to_owned();
    });
    let told_of = told(&[&days(5), &renewed]);
    assert!(
        told_of.iter().any(|line| line.contains("neutral certificate on") && line.contains("2027-06-01")),
        "{told_of:?}"
    );
    assert!(told_of.iter().any(|line| line.contains("better end of the certificate")), "{told_of:?}");
    let untrusted = World::sound().with(&["tcp/443 certificate untrusted"]);
    let told_of = told(&[&days(90), &untrusted]);
    assert!(told_of.iter().any(|line| line.contains("worse trust in the certificate")), "{told_of:?}");
}

#[test]
fn versions_of_tls_and_products_are_compared() {
    let old = World::sound().with(&["tcp/443 tls1.0 accepted", "tcp/443 product automate 24.0.1"]);
    let told_of = told(&[&old, &World::sound()]);
    let has = |told: &[String], text: &str| told.iter().any(|line| line.trim().starts_with(text));
    assert!(has(&told_of, "better TLS 1.0 on tcp/443 at 203.0.113.5: accepted → not accepted"), "{told_of:#?}");
    assert!(has(&told_of, "better ConnectWise Automate on tcp/443 at 203.0.113.5: 24.0.1 → 25.0.372"), "{told_of:#?}");
    let told_of = told(&[&World::sound(), &old]);
    assert!(has(&told_of, "worse TLS 1.0 on tcp/443"), "{told_of:#?}");
    assert!(has(&told_of, "worse ConnectWise Automate on tcp/443"), "{told_of:#?}");
    let same = World::sound().with(&["tcp/443 product automate 25.0.372.0", "tcp/443 tls1.0 alert 70"]);
    assert_eq!(told(&[&World::sound(), &same]), Vec::<String>::new());
}

#[test]
fn a_refusal_without_a_control_is_a_lost_sight() {
    let accepted = World::sound().with(&["tcp/443 tls1.0 accepted"]);
    let silent = World::sound()
        .with(&["tcp/443 tls1.2 timeout", "tcp/443 tls1.3 timeout"])
        .without("tcp/443 certificate trusted");
    let told = told(&[&accepted, &silent]);
    assert!(!told.iter().any(|line| line.contains("better")), "{told:#?}");
}

fn unreachable() -> World {
    let mut world = World::sound();
    for (_, attempt) in &mut world.asked {
        *attempt = timed_out();
    }
    world.health.answered = false;
    world.troubles = vec![Trouble::Unreachable];
    world
}

#[test]
fn a_lost_sight_is_neither_mended_nor_worse_and_returns_to_what_was_last_seen() {
    let open = World::sound().with(&["tcp/3389 open", "tcp/3389 service rdp"]);
    for seen in [World::sound(), open.clone()] {
        let runs = [seen.run(), unreachable().run()];
        let drift = drift(&runs.iter().collect::<Vec<_>>());
        let changes: Vec<&Change> = drift.targets[0].changes.iter().collect();
        assert!(!changes.is_empty() && !drift.is_whole());
        for change in changes {
            assert_eq!((change.class, change.sighting), (Class::New, Sighting::Lost), "{change:?}");
        }
    }
    // Seen, lost twice, and back: as it was, and otherwise.
    let as_before = told(&[&World::sound(), &unreachable(), &unreachable(), &World::sound()]);
    assert!(
        as_before.iter().all(|line| line.starts_with("new ") && line.ends_with("pass → pass")
            || line.ends_with("not applicable → not applicable")
            || line.ends_with("fail → fail")),
        "{as_before:#?}"
    );
    let runs = [World::sound().run(), unreachable().run(), open.run()];
    let drift = drift(&runs.iter().collect::<Vec<_>>());
    let worse: Vec<&Change> = drift.targets[0].changes.iter().filter(|change| change.class == Class::Worse).collect();
    assert!(worse.iter().any(|change| change.after.as_deref() == Some("fail")), "{:#?}", lines(&drift));
    assert!(
        worse.iter().all(|change| change.sighting == Sighting::Regained && change.last_seen.is_some()),
        "{worse:#?}"
    );
}

#[test]
fn what_alternates_is_told_once_apart() {
    let open = World::sound().with(&["tcp/3389 open", "tcp/3389 service mysql"]);
    let (a, b) = (World::sound().run(), open.run());
    let drift_of = drift(&[&a, &b, &a, &b]);
    assert!(drift_of.is_unchanged(), "{:#?}", lines(&drift_of));
    let flapping: Vec<String> = drift_of.targets[0].flapping.iter().map(|one| one.subject.to_string()).collect();
    assert!(flapping.contains(&"tcp/3389 at 203.0.113.5".to_owned()), "{flapping:?}");
    assert_eq!(drift_of.tally().flapping, flapping.len());
    let rested = drift(&[&a, &b, &a, &b, &b, &b]);
    assert!(lines(&rested).iter().any(|line| line.contains("worse tcp/3389 at")), "{:#?}", lines(&rested));
}

#[test]
fn targets_are_matched_by_name_and_by_host() {
    let mut renamed = World::sound();
    renamed.target.name = "automate-new".to_owned();
    assert_eq!(told(&[&World::sound(), &renamed]), ["neutral name: automate-01 → automate-new"]);
    let mut moved = World::sound();
    moved.target.host = Host::Name("rmm2.example".to_owned());
    let told_of = told(&[&World::sound(), &moved]);
    assert_eq!(told_of, ["new host: rmm.example → rmm2.example"]);
    let mut other = World::sound();
    (other.target.name, other.target.host) = ("other".to_owned(), Host::Name("other.example".to_owned()));
    let both = run([World::sound().judged(), other.judged()]);
    let one = World::sound().run();
    let came = drift(&[&one, &both]);
    assert_eq!(came.targets.iter().map(|one| one.presence).collect::<Vec<_>>(), [Presence::Both, Presence::Added]);
    let went = drift(&[&both, &one]);
    assert_eq!(went.targets.iter().map(|one| one.presence).collect::<Vec<_>>(), [Presence::Both, Presence::Missing]);
    for change in came.targets[1].changes.iter().chain(&went.targets[1].changes) {
        assert_eq!(change.class, Class::New, "a server that is not asked is neither mended nor worse");
    }
    assert!(!went.is_whole() && came.is_whole());
    // A run in between that had other targets says nothing of this one.
    let between = drift(&[&one, &other.run(), &World::sound().with(&["tcp/3389 open"]).run()]);
    assert!(lines(&between).iter().any(|line| line.contains("filtered → open")), "{:?}", lines(&between));
}

#[test]
fn a_server_that_moved_is_compared_with_itself() {
    let mut moved = World::sound();
    moved.address = "203.0.113.77".parse().unwrap();
    let told = told(&[&World::sound(), &moved]);
    assert_eq!(
        told,
        [
            "new address 203.0.113.77: does not lead there → leads there; open: tcp/443",
            "neutral address 203.0.113.5: leads there → does not lead there"
        ]
    );
}

#[test]
fn dynamic_ports_that_only_moved_are_no_change() {
    let at = |port: u16, other: u16| {
        let lines = [format!("tcp/{port} open"), format!("tcp/{port} service msrpc"), format!("tcp/{other} filtered")];
        World::sound().with(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let told_of = told(&[&at(49_700, 49_701), &at(49_701, 49_700)]);
    assert!(!told_of.iter().any(|line| line.contains("4970")), "{told_of:?}");
    // One more than before is told, and so is a service that is told apart.
    let more = at(49_700, 49_702).with(&["tcp/49701 open", "tcp/49701 service msrpc"]);
    assert!(told(&[&at(49_700, 49_701), &more]).iter().any(|line| line.contains("tcp/49701")));
    let moved = World::sound().with(&["tcp/49700 filtered", "tcp/49701 open", "tcp/49701 service rdp"]);
    let rdp = World::sound().with(&["tcp/49700 open", "tcp/49700 service rdp", "tcp/49701 filtered"]);
    assert!(told(&[&rdp, &moved]).iter().any(|line| line.contains("tcp/49701")));
}

#[test]
fn what_is_meant_to_be_open_is_worse_where_it_is_not() {
    let mut wanted = World::sound().with(&["tcp/9443 open", "tcp/9443 service https"]);
    wanted.target.expected = vec!["tcp/9443".parse().unwrap()];
    let gone = World {
        asked: wanted.clone().with(&["tcp/9443 closed"]).without("tcp/9443 service https").asked,
        ..wanted.clone()
    };
    let told = told(&[&wanted, &gone]);
    assert!(told.iter().any(|line| line.contains("worse tcp/9443 at 203.0.113.5: open: HTTPS → closed")), "{told:?}");
}

#[test]
fn expected_rules_are_compared() {
    use crate::model::expected::{Direction, ExpectedRule, RulePorts};
    let ruled = |world: World| {
        let mut world = world;
        world.target.rules = vec![ExpectedRule::new(Direction::Deny, RulePorts::These("tcp/3389".parse().unwrap()))];
        world
    };
    let open = ruled(World::sound().with(&["tcp/3389 open", "tcp/3389 service rdp"]));
    let told_of = told(&[&ruled(World::sound()), &open]);
    assert!(told_of.contains(&"worse deny tcp/3389: proved → violated".to_owned()), "{told_of:#?}");
    let without = told(&[&ruled(World::sound()), &World::sound()]);
    assert!(without.contains(&"new deny tcp/3389: proved → -".to_owned()), "{without:#?}");
}

#[test]
fn what_to_do_first_comes_first() {
    let open = World::sound().with(&[
        "tcp/3306 open",
        "tcp/3306 service mysql",
        "tcp/443 tls1.0 accepted",
        "tcp/80 open",
        "tcp/80 service http",
    ]);
    let runs = [World::sound().run(), open.run()];
    let drift = drift(&runs.iter().collect::<Vec<_>>());
    let keys: Vec<(Class, std::cmp::Reverse<Severity>)> =
        drift.targets[0].changes.iter().map(|change| (change.class, std::cmp::Reverse(change.severity))).collect();
    assert!(keys.is_sorted() && keys.len() > 3, "{keys:?}");
}

#[test]
fn a_flood_of_changes_has_a_bound() {
    let flood = |state: &str| {
        let lines: Vec<String> = (10_000..14_000_u16).step_by(2).map(|port| format!("tcp/{port} {state}")).collect();
        World::sound().with(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let runs = [flood("closed").run(), flood("open").run()];
    let drift = drift(&runs.iter().collect::<Vec<_>>());
    assert_eq!(drift.targets[0].changes.len(), super::CHANGES_LIMIT);
    assert!(drift.targets[0].left_out > 1000);
}

#[test]
fn one_run_alone_is_no_series() {
    let one = World::sound().run();
    assert!(Series::new([(None, &one)]).is_none());
    let series = Series::new([(Some(4), &one), (Some(5), &one), (Some(6), &one)]).unwrap();
    assert!(series.clone().against(2).is_none());
    let drift = compare(&series.against(0).unwrap());
    assert_eq!((drift.before.number, drift.after.number), (Some(4), Some(6)));
    assert_eq!(drift.others.iter().map(|mark| mark.number).collect::<Vec<_>>(), [Some(5)]);
}
