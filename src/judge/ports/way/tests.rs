use crate::catalog::builtin::Catalogs;
use crate::judge::Case;
use crate::judge::part::Part;
use crate::judge::ports::{Terms, only_these_open, reachable, unreachable};
use crate::judge::vantage::fixture::Host as Fixture;
use crate::judge::view::View;
use crate::model::ports::Ports;
use crate::model::statement::Statements;
use crate::model::target::{Host, Target};
use crate::model::vantage::{Passage, Way, Ways};
use crate::model::verdict::{Check, Confidence, Verdict};

const TERMS: Terms =
    Terms { unless_redirectors: false, grows_with_technicians: false, inside_active_directory: false, product: None };

fn ways(ports: &str, passage: Passage) -> Ways {
    let mut ways = Ways::default();
    ways.add(Way { ports: ports.parse().unwrap(), v6: false, inside: false, passage, sender: None });
    ways
}

fn check(fixture: &Fixture, ways: &Ways, apply: impl Fn(&View<'_>, &[Ports]) -> Vec<Part>, ports: &str) -> Check {
    let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
    let target = Target::new("client", Host::Name("rmm.example".to_owned()));
    let case = Case {
        target: &target,
        addresses: &fixture.addresses,
        observations: &fixture.observations,
        guides: &[],
        exploited: &catalogs.exploited,
        ways,
        evidence: None,
        statements: &Statements::default(),
        evidence_alone: false,
    };
    Part::combine("rule".to_owned(), apply(&View::new(case), &[ports.parse().unwrap()]))
}

fn shut(state: &str, ways: &Ways) -> Check {
    let line = format!("tcp/445 {state}");
    let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", &line]);
    check(&fixture, ways, |view, ports| unreachable(view, ports, &TERMS), "tcp/445")
}

const STRANGER: &str = "rejected 198.51.100.1";

#[test]
fn silence_on_a_port_that_is_blocked_here_decides_nothing() {
    for state in ["filtered", STRANGER] {
        assert_eq!(shut(state, &Ways::default()).verdict, Verdict::Pass);
        let check = shut(state, &ways("tcp/445", Passage::Blocked));
        assert_eq!(check.verdict, Verdict::Inconclusive, "{state}");
        assert!(check.why.contains("blocked on the way out of this machine's network"), "{check:?}");
        assert!(check.settle.is_some() && !check.seen.is_empty());
    }
    // The target's own word came through all the same.
    for state in ["closed", "rejected 203.0.113.5"] {
        assert_eq!(shut(state, &ways("tcp/445", Passage::Blocked)).verdict, Verdict::Pass, "{state}");
    }
    assert_eq!(shut("open", &ways("tcp/445", Passage::Blocked)).verdict, Verdict::Fail);
    assert_eq!(shut("filtered", &ways("tcp/139", Passage::Blocked)).verdict, Verdict::Pass);
}

#[test]
fn silence_on_a_port_that_is_probably_blocked_here_is_worth_little() {
    let check = shut("filtered", &ways("tcp/445", Passage::ProbablyBlocked));
    assert_eq!((check.verdict, check.confidence), (Verdict::Pass, Confidence::Low));
    assert!(check.why.contains("but it is probably blocked"), "{check:?}");
    assert!(check.settle.unwrap().contains("--control-host"));
}

#[test]
fn silence_is_worth_more_where_the_port_is_known_to_be_let_out() {
    assert_eq!(shut("filtered", &Ways::default()).confidence, Confidence::Medium);
    assert_eq!(shut("filtered", &ways("tcp/445", Passage::Passes)).confidence, Confidence::High);
}

/// Either the control host does not listen there, or an egress filter refuses for everybody: the target was not heard.
#[test]
fn a_refusal_decides_nothing_where_the_control_host_refused_too() {
    assert_eq!(shut("closed", &Ways::default()).confidence, Confidence::High);
    let refused = ways("tcp/445", Passage::Refused);
    for state in ["closed", "rejected 203.0.113.5"] {
        let told = shut(state, &refused);
        assert_eq!(told.verdict, Verdict::Inconclusive, "{state}: {told:?}");
        assert!(told.why.contains("the control host refused on that port too"), "{told:?}");
        assert!(told.settle.unwrap().contains("Make sure that the control host listens on that port"));
        let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", &format!("tcp/445 {state}")]);
        let wanted = check(&fixture, &refused, |view, ports| reachable(view, ports, None), "tcp/445");
        assert_eq!(wanted.verdict, Verdict::Inconclusive, "{state}: {wanted:?}");
    }
    assert_eq!(shut("open", &refused).verdict, Verdict::Fail);
    let silent = shut("filtered", &refused);
    assert_eq!((silent.verdict, silent.confidence), (Verdict::Pass, Confidence::Medium), "{silent:?}");
    assert_eq!(shut("closed", &ways("tcp/444", Passage::Refused)).verdict, Verdict::Pass);
}

#[test]
fn only_these_are_open_is_not_said_where_the_control_host_refused_too() {
    let fixture = Fixture::new("203.0.113.5", &["tcp/1-442 closed", "tcp/443 open", "tcp/444-65535 closed"]);
    let by = |ways: &Ways| check(&fixture, ways, only_these_open, "tcp/443");
    assert_eq!(by(&Ways::default()).verdict, Verdict::Pass);
    let check = by(&ways("tcp/445", Passage::Refused));
    assert_eq!(check.verdict, Verdict::Inconclusive, "{check:?}");
    assert!(check.why.starts_with("1 TCP port is refused"), "{check:?}");
}

#[test]
fn a_range_is_judged_by_its_blocked_part() {
    let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", "tcp/130-140 filtered"]);
    let by = |ways: &Ways| check(&fixture, ways, |view, ports| unreachable(view, ports, &TERMS), "tcp/130-140");
    assert_eq!(by(&Ways::default()).seen.len(), 1);
    let check = by(&ways("tcp/135-139", Passage::Blocked));
    assert_eq!(check.verdict, Verdict::Inconclusive);
    assert_eq!(check.seen.len(), 3, "{check:?}");
    assert!(check.seen[0].starts_with("tcp/135-139 filtered"), "what decides comes first: {check:?}");
}

#[test]
fn neighbours_that_are_blocked_by_different_hands_name_them_all() {
    let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", "tcp/130-150 filtered"]);
    let why = |senders: &[Option<u8>], passage| {
        let mut ways = Ways::default();
        for (port, last) in (130..).zip(senders) {
            let sender = last.map(|last| [198, 51, 100, last].into());
            ways.add(Way { ports: Ports::tcp(port).unwrap(), v6: false, inside: false, passage, sender });
        }
        let last = 129 + senders.len();
        check(&fixture, &ways, |view, ports| unreachable(view, ports, &TERMS), &format!("tcp/130-{last}")).why
    };
    let blocked = |senders: &[Option<u8>]| why(senders, Passage::Blocked);
    assert!(blocked(&[Some(1), Some(1)]).contains("network by 198.51.100.1: "));
    assert!(blocked(&[Some(2), Some(1), Some(2)]).contains("network by 198.51.100.1 and 198.51.100.2: "));
    assert!(blocked(&[None, Some(2)]).contains("network, some of them by 198.51.100.2: "));
    assert!(blocked(&[None, None]).contains("the ports are blocked on the way out of this machine's network: "));
    let probably = why(&[Some(2), Some(1)], Passage::ProbablyBlocked);
    assert!(probably.contains("network by 198.51.100.1 and 198.51.100.2: "), "{probably}");
    let many: Vec<Option<u8>> = (1..=20).map(Some).collect();
    let many = blocked(&many);
    assert!(many.contains("198.51.100.7 and 13 more: ") && !many.contains("198.51.100.8"), "{many}");
}

#[test]
fn a_port_that_should_be_reachable_is_not_called_shut_either() {
    for state in ["filtered", STRANGER] {
        let line = format!("tcp/25 {state}");
        let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", &line]);
        let by = |ways: &Ways| check(&fixture, ways, |view, ports| reachable(view, ports, None), "tcp/25").verdict;
        assert_eq!(by(&Ways::default()), Verdict::Fail);
        assert_eq!(by(&ways("tcp/25", Passage::Blocked)), Verdict::Inconclusive);
    }
}

#[test]
fn only_these_are_open_is_not_said_where_some_are_blocked_here() {
    let fixture = Fixture::new("203.0.113.5", &["tcp/1-442 filtered", "tcp/443 open", "tcp/444-65535 filtered"]);
    let by = |ways: &Ways| check(&fixture, ways, only_these_open, "tcp/443");
    assert_eq!(by(&Ways::default()).verdict, Verdict::Pass);
    let check = by(&ways("tcp/445", Passage::Blocked));
    assert_eq!(check.verdict, Verdict::Inconclusive);
    assert!(check.why.starts_with("1 TCP port is blocked"), "{check:?}");
}

#[test]
fn silence_is_worth_less_where_nothing_but_the_web_ever_answered() {
    let fixture = Fixture::new("203.0.113.5", &["tcp/443 open", "tcp/3306 filtered"]);
    let by = |ways: &Ways| check(&fixture, ways, |view, ports| unreachable(view, ports, &TERMS), "tcp/3306");
    assert_eq!(by(&Ways::default()).confidence, Confidence::High);
    let check = by(&ways("tcp/444-65535", Passage::Unproven));
    assert_eq!((check.verdict, check.confidence), (Verdict::Pass, Confidence::Medium));
    assert!(check.why.contains("80 and 443"), "{check:?}");
    assert!(check.settle.unwrap().contains("--control-host"));
}

#[test]
fn a_refusal_is_worth_less_where_nothing_but_refusals_came() {
    let by = |ports: &[&str]| {
        let fixture = Fixture::new("203.0.113.5", ports);
        check(&fixture, &Ways::default(), |view, ports| unreachable(view, ports, &TERMS), "tcp/3306")
    };
    let alone = by(&["tcp/3306 closed", "tcp/443 closed"]);
    assert_eq!((alone.verdict, alone.confidence), (Verdict::Pass, Confidence::Medium));
    assert!(alone.why.contains("a machine that is not there"), "{alone:?}");
    assert_eq!(by(&["tcp/3306 closed", "tcp/443 open"]).confidence, Confidence::High);
}
