//! What ends what was told, and what does not: where it was not asked, or is otherwise by the guide or the inventory alone.

use super::*;
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::target::Host;
use crate::model::verdict::Verdict;

/// At two addresses; the second is asked the same as the first.
fn at_two(first: &World, second: &World) -> Run {
    let (mut run, other) = (first.run(), World { address: SECOND.parse().unwrap(), ..second.clone() }.run());
    let offset = u32::try_from(run.targets[0].observations.len()).unwrap();
    let target = &mut run.targets[0];
    let later = |id: ObservationId| ObservationId(id.0 + offset);
    for other in other.targets {
        target.addresses.extend(other.addresses);
        target.observations.extend(other.observations.into_iter().map(|one| Observation { id: later(one.id), ..one }));
        for (finding, mut of_other) in target.findings.iter_mut().zip(other.findings) {
            for check in &mut of_other.checks {
                check.rests_on = check.rests_on.iter().copied().map(later).collect();
            }
            if of_other.verdict == Verdict::Fail && finding.verdict != Verdict::Fail {
                *finding = of_other;
            }
        }
    }
    run
}

const SECOND: &str = "192.0.2.99";

/// An item fails: TLS 1.0 is accepted.
fn old_tls() -> World {
    sound().with(&["tcp/443 tls1.0 accepted"])
}

#[test]
fn what_was_wrong_at_an_address_that_was_not_asked_is_not_mended() {
    let mut nights = Nights::new();
    nights.ran(at_two(&sound(), &sound()));
    let raised = nights.ran(at_two(&sound(), &old_tls()));
    assert!(raised.iter().any(|notice| notice.title.contains("pass → fail")), "{:#?}", told(&raised));
    let open = nights.standing.matters.len();
    // The name leads to the first address alone, for once.
    assert_eq!(told(&nights.ran(sound().run())), [""; 0]);
    assert_eq!(nights.standing.matters.len(), open);
    // For good.
    let mut words = Vec::new();
    for _ in 0..4 {
        assert_eq!(words, [""; 0], "not yet");
        words = told(&nights.ran(sound().run()));
    }
    assert_eq!(words.len(), open, "{words:#?}");
    assert!(words.iter().all(|line| line.starts_with("withdrawn") && line.contains("192.0.2.99")), "{words:#?}");
    // Where it is there again and well, it was seen to be.
    let mut nights = Nights::new();
    nights.ran(at_two(&sound(), &sound()));
    nights.ran(at_two(&sound(), &old_tls()));
    nights.ran(sound().run());
    let words = told(&nights.ran(at_two(&sound(), &sound())));
    assert!(words.len() == open && words.iter().all(|line| line.starts_with("resolved")), "{words:#?}");
}

#[test]
fn what_a_server_that_moved_did_wrong_is_mended_where_it_is_now() {
    let elsewhere = |world: World| World { address: SECOND.parse().unwrap(), ..world };
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let raised = nights.scanned(&rdp()).len();
    let words = told(&nights.scanned(&elsewhere(rdp())));
    assert!(words.iter().all(|line| !line.starts_with("resolved")), "{words:#?}");
    // Perhaps the name leads back in a day.
    let mut words = Vec::new();
    for _ in 0..4 {
        assert_eq!(words, [""; 0], "not yet");
        words = told(&nights.scanned(&elsewhere(sound())));
    }
    assert_eq!(words.iter().filter(|line| line.starts_with("resolved")).count(), raised, "{words:#?}");
    assert!(nights.standing.matters.is_empty());
}

#[test]
fn what_is_behind_a_port_that_was_closed_is_asked_no_more_and_ends() {
    let speaks = |service: &str| sound().with(&["tcp/9999 open", &format!("tcp/9999 service {service}")]);
    let mut nights = Nights::new();
    nights.scanned(&speaks("https"));
    let raised = nights.scanned(&speaks("http"));
    assert!(raised.iter().any(|notice| notice.title.contains("service on tcp/9999")), "{:#?}", told(&raised));
    let less = How { asks_as_before: false, is_scheduled: false, is_late: false };
    nights.ran_as(sound().run(), less);
    assert!(!nights.standing.matters.is_empty(), "a scan that asks less ends nothing");
    nights.scanned(&sound());
    assert!(nights.standing.matters.is_empty(), "{:#?}", nights.standing.matters);
}

#[test]
fn half_an_answer_of_the_name_server_hides_nothing() {
    let half = |world: World| World {
        troubles: vec![Trouble::Unresolved { message: "the AAAA records could not be had".to_owned() }],
        ..world
    };
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let words = told(&nights.scanned(&half(rdp())));
    assert!(words.iter().any(|line| line.starts_with("raised drift")), "{words:#?}");
    assert!(words.contains(&"raised failure: automate-01 was not scanned wholly".to_owned()), "{words:#?}");
}

#[test]
fn a_server_that_is_down_is_told_beside_an_address_that_was_never_to_be_reached() {
    let no_route = Trouble::NoRoute { address: "2001:db8::1".parse().unwrap() };
    let partly = World { troubles: vec![no_route.clone()], ..sound() };
    let mut down = unreachable();
    (down.health.answered, down.troubles) = (false, vec![no_route.clone(), Trouble::Unreachable]);
    let mut nights = Nights::new();
    assert_eq!(told(&nights.scanned(&partly)), ["raised failure: automate-01 was not scanned wholly"]);
    let told_down = nights.scanned(&down);
    assert_eq!(told(&told_down), ["escalated failure: automate-01 cannot be reached"]);
    assert_eq!(told_down[0].severity, Severity::High);
    assert_eq!(told(&nights.scanned(&down)), [""; 0]);
    let again = "escalated failure: automate-01 answers again, but was not scanned wholly";
    assert_eq!(told(&nights.scanned(&partly)), [again]);
    let less = How { asks_as_before: false, is_scheduled: false, is_late: false };
    assert_eq!(told(&nights.ran_as(sound().run(), less)), [""; 0], "a scan that asks less is whole sooner");
    let whole = ["resolved failure: automate-01 was scanned wholly again"];
    assert_eq!(told(&nights.scanned(&sound())), whole);
    // Nothing of it could be asked from here.
    let mut nowhere = unreachable();
    (nowhere.health.answered, nowhere.troubles) = (false, vec![no_route]);
    let no_way = ["raised failure: automate-01 could not be asked: this machine has no route to it"];
    assert_eq!(told(&nights.scanned(&nowhere)), no_way);
}

#[test]
fn what_is_otherwise_by_the_guide_or_the_inventory_alone_is_withdrawn() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let open = nights.scanned(&rdp()).len();
    // The same port, where the name is of another machine now.
    let mut elsewhere = World { address: SECOND.parse().unwrap(), ..sound() };
    elsewhere.target.host = Host::Name("other.example".to_owned());
    let words = told(&nights.scanned(&elsewhere));
    assert_eq!(words.len(), open, "{words:#?}");
    assert!(words.iter().all(|line| line.starts_with("withdrawn")), "{words:#?}");
}

#[test]
fn a_port_that_the_inventory_says_is_to_be_open_is_no_alert() {
    let meant = |mut world: World| {
        world.target.expected = vec![Ports::one(Transport::Tcp, 9999).unwrap()];
        world
    };
    let mut nights = Nights::new();
    nights.scanned(&sound());
    assert!(!nights.scanned(&rdp()).is_empty());
    let words = told(&nights.scanned(&meant(rdp())));
    assert!(nights.standing.matters.is_empty(), "{words:#?}");
    assert!(words.iter().all(|line| line.starts_with("withdrawn")), "{words:#?}");
    for _ in 0..5 {
        nights.scanned(&meant(sound()));
    }
    let words = told(&nights.scanned(&meant(rdp())));
    assert!(!words.iter().any(|line| line.contains("tcp/9999")), "{words:#?}");
}

#[test]
fn a_sight_that_comes_and_goes_is_no_value_that_alternates() {
    let half = || World { troubles: vec![Trouble::OutOfTime], ..lost() };
    let mut nights = Nights::new();
    for night in 0..12 {
        let words = told(&nights.scanned(&if night % 2 == 0 { sound() } else { half() }));
        assert!(words.iter().all(|line| line.contains(" failure: ")), "{words:#?}");
    }
}

#[test]
fn what_comes_to_rest_where_it_is_wrong_is_open() {
    for good_nights in [6, 7] {
        let mut nights = Nights::new();
        for night in 0..good_nights {
            nights.scanned(&if night % 2 == 0 { sound() } else { rdp() });
        }
        let flapping = |nights: &Nights| {
            nights.standing.matters.iter().filter(|one| matches!(one.state, MatterState::Flapping { .. })).count()
        };
        assert!(flapping(&nights) > 0);
        for _ in 0..8 {
            let words = told(&nights.scanned(&rdp()));
            assert!(!words.iter().any(|line| line.starts_with("resolved")), "{words:#?}");
        }
        assert_eq!(flapping(&nights), 0);
        let is_open = |one: &Matter| matches!(&one.state, MatterState::Worse { subject, .. } if subject.to_string().contains("9999"));
        assert!(nights.standing.matters.iter().any(is_open), "{:#?}", nights.standing.matters);
        nights.scanned(&sound());
        assert!(nights.standing.matters.is_empty(), "{:#?}", nights.standing.matters);
    }
}

#[test]
fn a_service_that_says_nothing_for_a_night_ends_nothing_that_is_behind_it() {
    let speaks = |service: &str| sound().with(&["tcp/9999 open", &format!("tcp/9999 service {service}")]);
    let mut nights = Nights::new();
    nights.scanned(&speaks("https"));
    nights.scanned(&speaks("http"));
    let open = nights.standing.matters.len();
    nights.scanned(&sound().with(&["tcp/9999 open"]));
    assert!(open > 0 && nights.standing.matters.len() == open, "{:#?}", nights.standing.matters);
}

#[test]
fn the_certificate_of_an_address_that_is_gone_for_long_is_forgotten() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    assert_eq!(nights.standing.servers[0].certificates.len(), 1);
    let elsewhere = || World { address: SECOND.parse().unwrap(), ..sound() };
    for night in 0..6 {
        nights.scanned(&elsewhere());
        let seen = nights.standing.servers[0].certificates.len();
        assert_eq!(seen, if night < 4 { 2 } else { 1 }, "{night}");
    }
}
