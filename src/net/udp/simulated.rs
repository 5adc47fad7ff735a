//! A host that is simulated: it refuses with a ration, loses datagrams, and needs no waiting.

use super::course::{Course, Manner, Silence, Step};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// What stands behind a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Closed,
    /// A listener that says nothing, or a rule that drops.
    Silent,
    Answers,
    /// A router before the host refuses, without any ration.
    RefusedBefore,
}

use Port::{Answers, Closed, RefusedBefore, Silent};

#[derive(Clone, Debug)]
struct Host {
    ports: Vec<Port>,
    round_trip: Duration,
    /// Tokens at most, and the time in which one comes; `None`: no ration.
    ration: Option<(u32, Duration)>,
    /// Of a hundred packets, how many are lost on each way.
    loss: u32,
    seed: u64,
}

#[derive(Debug)]
struct Told {
    /// Whether an answer came from each port, and whether it was a refusal.
    heard: BTreeMap<usize, bool>,
    silences: BTreeMap<usize, Silence>,
    ration: Option<(u32, Option<Duration>)>,
    took: Duration,
    datagrams: usize,
}

impl Told {
    fn refused(&self) -> usize {
        self.heard.values().filter(|refused| **refused).count()
    }

    fn among_refusals(&self) -> Vec<usize> {
        let among = |silence: &Silence| matches!(silence, Silence::AmongRefusals { .. });
        self.silences.iter().filter(|(_, silence)| among(silence)).map(|(place, _)| *place).collect()
    }
}

fn host(ports: Vec<Port>, ration: Option<(u32, Duration)>) -> Host {
    Host { ports, round_trip: ms(20), ration, loss: 0, seed: 1 }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Linux: six at once, then one a second.
const LINUX: Option<(u32, Duration)> = Some((6, Duration::from_secs(1)));

/// The options' defaults.
fn usual() -> Manner {
    Manner { tries: 2, wait: ms(1000), rate: 2000, patience: ms(5000) }
}

fn thorough() -> Manner {
    Manner { patience: Duration::from_hours(2), ..usual() }
}

impl Host {
    fn asked(&self, groups: &[usize], manner: Manner, hint: Option<Duration>) -> Told {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut lost = || rng.u32(..100) < self.loss;
        let mut course = Course::new(groups, manner);
        let (mut now, mut datagrams, mut steps) = (Duration::ZERO, 0, 0);
        let (mut tokens, mut counted) = (self.ration.map_or(0.0, |(burst, _)| f64::from(burst)), Duration::ZERO);
        let mut coming: BTreeMap<(Duration, usize), (usize, bool, bool)> = BTreeMap::new();
        let mut heard = BTreeMap::new();
        loop {
            while let Some(entry) = coming.first_entry().filter(|entry| entry.key().0 <= now) {
                let (place, refused, by_host) = entry.remove();
                heard.insert(place, refused);
                if refused { course.refused(now, place, by_host) } else { course.answered(now, place) }
            }
            steps += 1;
            assert!(steps < 5_000_000, "no end after {now:?}");
            match course.step(now, hint) {
                Step::Done => break,
                Step::Wait(until) => {
                    assert!(until > now, "a wait for the past at {now:?}");
                    let next = coming.first_key_value().map_or(until, |((at, _), _)| *at);
                    now = until.min(next);
                }
                Step::Send(place) => {
                    course.sent(now, place);
                    datagrams += 1;
                    if !lost() {
                        let there = now + self.round_trip / 2;
                        let answer = match self.ports[place] {
                            Silent => None,
                            Answers => Some((false, true)),
                            RefusedBefore => Some((true, false)),
                            Closed => match self.ration {
                                None => Some((true, true)),
                                Some((burst, interval)) => {
                                    tokens += there.saturating_sub(counted).as_secs_f64() / interval.as_secs_f64();
                                    tokens = tokens.min(f64::from(burst));
                                    counted = there;
                                    let has = tokens >= 1.0;
                                    tokens -= f64::from(u8::from(has));
                                    has.then_some((true, true))
                                }
                            },
                        };
                        if let Some((refused, by_host)) = answer.filter(|_| !lost()) {
                            coming.insert((there + self.round_trip / 2, datagrams), (place, refused, by_host));
                        }
                    }
                    now += Duration::from_micros(50);
                }
            }
        }
        assert_eq!(course.decided(), heard.len(), "what is decided was heard");
        let silent = (0..self.ports.len()).filter(|place| !heard.contains_key(place));
        let silences = silent.map(|place| (place, course.silence(place))).collect();
        Told { silences, ration: course.ration(), took: now, datagrams, heard }
    }
}

#[test]
fn a_thousand_silent_ports_take_less_than_two_seconds() {
    for (hint, most) in [(None, ms(1700)), (Some(ms(20)), ms(1400))] {
        let told = host(vec![Silent; 1001], None).asked(&[1001], usual(), hint);
        assert!(told.took < most, "{:?}", told.took);
        assert_eq!(told.datagrams, 2002);
        assert!(told.silences.values().all(|silence| *silence == Silence::Plain) && told.silences.len() == 1001);
    }
    let few = host(vec![Silent; 58], None).asked(&[1, 1, 5, 51], usual(), Some(ms(20)));
    assert!(few.took < ms(500), "{:?}", few.took);
}

#[test]
fn closed_ports_without_a_ration_are_told_in_a_round_trip() {
    let told = host(vec![Closed; 58], None).asked(&[58], usual(), None);
    assert_eq!((told.refused(), told.datagrams), (58, 58));
    assert!(told.took < ms(300) && told.ration.is_none(), "{:?}", told.took);
}

#[test]
fn a_ration_goes_to_the_ports_that_are_wanted_most_and_the_rest_says_what_it_would_cost() {
    let told = host(vec![Closed; 1008], LINUX).asked(&[1, 1, 5, 1001], usual(), None);
    assert!((0..7).all(|place| told.heard.get(&place) == Some(&true)), "{:?}", told.heard);
    assert!(told.took < ms(5000), "{:?}", told.took);
    let (burst, interval) = told.ration.unwrap();
    assert!(burst == 6 && (900..1300).contains(&interval.unwrap().as_millis()), "{:?}", told.ration);
    for silence in told.silences.values() {
        let Silence::Rationed(rationed) = silence else { panic!("{silence:?}") };
        assert_eq!((rationed.asked, rationed.answered + rationed.undecided), (1008, 1008));
        assert!((900..1300).contains(&rationed.seconds_to_decide().unwrap()), "{rationed:?}");
    }
}

#[test]
fn a_range_that_cannot_be_decided_in_time_is_left_as_soon_as_its_cost_is_known() {
    let told = host(vec![Closed; 51], LINUX).asked(&[51], usual(), None);
    assert!(told.took < ms(2500), "{:?}", told.took);
    let Some(Silence::Rationed(rationed)) = told.silences.values().next() else { panic!("{told:?}") };
    assert!((900..1300).contains(&rationed.interval_ms.unwrap()), "{rationed:?}");
}

#[test]
fn with_patience_every_port_of_a_rationed_host_is_decided() {
    let told = host(vec![Closed; 58], LINUX).asked(&[1, 1, 5, 51], thorough(), None);
    assert_eq!(told.refused(), 58);
    assert!(told.took < ms(64_000), "52 tokens took {:?}", told.took);
    assert!(told.datagrams < 58 * 10, "{}", told.datagrams);
}

#[test]
fn listeners_and_drop_rules_are_known_by_the_refusals_around_them() {
    // The careless host of the guides: seven listeners that are wanted most, then twenty-one more, then closed ports.
    let mut ports = vec![Silent; 28];
    ports.extend([Closed; 30]);
    let told = host(ports.clone(), LINUX).asked(&[1, 1, 5, 51], thorough(), None);
    assert_eq!((told.refused(), told.among_refusals()), (30, (0..28).collect::<Vec<_>>()));
    assert!(told.took < ms(70_000), "{:?}", told.took);
    let told = host(ports.clone(), LINUX).asked(&[1, 1, 5, 51], usual(), None);
    assert!(told.took < ms(8000), "{:?}", told.took);
    assert_eq!(told.among_refusals(), (0..7).collect::<Vec<_>>(), "within the usual patience");
    let told = host(ports, None).asked(&[1, 1, 5, 51], usual(), None);
    assert_eq!(told.among_refusals(), (0..28).collect::<Vec<_>>());
    assert!(told.took < ms(2500) && told.ration.is_none(), "{told:?}");
}

#[test]
fn a_thousand_dropped_ports_of_a_rationed_host_cost_tokens_by_the_volley() {
    let mut ports = vec![Closed; 8];
    ports.extend([Silent; 1000]);
    let told = host(ports, LINUX).asked(&[8, 1000], thorough(), None);
    assert_eq!(told.among_refusals().len(), 1000);
    assert!(told.took < ms(60_000) && told.datagrams < 8000, "{:?}, {}", told.took, told.datagrams);
}

#[test]
fn one_refused_port_says_little_about_many_silent_ones() {
    let mut ports = vec![Silent; 20];
    ports.push(Closed);
    let told = host(ports, None).asked(&[21], usual(), None);
    assert!(told.silences.values().all(|silence| *silence == Silence::Plain), "{told:?}");
}

#[test]
fn a_routers_refusals_say_nothing_of_the_hosts_ration() {
    let mut ports = vec![RefusedBefore; 30];
    ports.extend([Closed; 20]);
    let told = host(ports, LINUX).asked(&[50], usual(), None);
    assert!(told.among_refusals().is_empty(), "{told:?}");
    assert!(told.ration.is_some());
}

#[test]
fn a_host_that_goes_silent_is_given_up() {
    let never = Some((6, Duration::from_hours(9)));
    let told = host(vec![Closed; 30], never).asked(&[30], thorough(), None);
    assert!(told.took < ms(20_000), "{:?}", told.took);
    let Some(Silence::Rationed(rationed)) = told.silences.values().next() else { panic!("{told:?}") };
    assert_eq!((rationed.answered, rationed.undecided, rationed.interval_ms), (6, 24, None));
}

/// Loss may make a closed port look silent among refusals, but seldom.
#[test]
fn on_a_path_that_loses_packets_few_closed_ports_are_taken_for_listeners() {
    let (mut wrong, mut asked, mut told_closed) = (0, 0, 0);
    for seed in 0..40 {
        for ration in [None, LINUX, Some((3, ms(100)))] {
            let told = Host { loss: 10, seed, ..host(vec![Closed; 40], ration) }.asked(&[7, 33], thorough(), None);
            asked += 40;
            told_closed += told.refused();
            wrong += told.among_refusals().len();
        }
    }
    assert!(wrong * 200 < asked, "{wrong} of {asked}");
    assert!(told_closed * 100 > asked * 98, "{told_closed} of {asked}");
}

fn any_port() -> impl Strategy<Value = Port> {
    prop_oneof![4 => Just(Closed), 3 => Just(Silent), 1 => Just(Answers), 1 => Just(RefusedBefore)]
}

fn any_ration() -> impl Strategy<Value = Option<(u32, Duration)>> {
    prop_oneof![Just(None), Just(LINUX), (1_u32..250, 2_u64..8000).prop_map(|(burst, every)| Some((burst, ms(every))))]
}

prop_compose! {
    fn any_host(most_loss: u32)(
        ports in proptest::collection::vec(any_port(), 1..90),
        round_trip in 1_u64..400,
        ration in any_ration(),
        loss in 0..=most_loss,
        seed: u64,
    ) -> Host {
        Host { ports, round_trip: ms(round_trip), ration, loss, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the ration and the loss: nothing is said that was not heard, and the cost has a bound.
    #[test]
    fn nothing_is_said_that_was_not_heard(host in any_host(20), split in 0_usize..90, all in any::<bool>()) {
        let split = split.min(host.ports.len());
        let manner = if all { thorough() } else { usual() };
        let told = host.asked(&[split, host.ports.len() - split], manner, None);
        for (place, refused) in &told.heard {
            prop_assert_eq!(*refused, matches!(host.ports[*place], Closed | RefusedBefore));
            prop_assert!(host.ports[*place] != Silent);
        }
        prop_assert!(told.silences.values().all(|silence| *silence != Silence::Unfinished));
        prop_assert!(told.datagrams <= host.ports.len() * 40 + 200 + 260, "{} datagrams", told.datagrams);
        // The sweep's rounds, the patience, and the waits of a far host.
        let most = if all { Duration::from_hours(3) } else { ms(5000 + 12_000) };
        prop_assert!(told.took < most, "{:?}", told.took);
        if host.ration.is_none() && host.loss == 0 {
            prop_assert!(told.ration.is_none());
        }
    }

    /// Without loss the evidence is exact: no closed port is ever taken for a listener, and without a ration no listener
    /// among refusals is missed.
    #[test]
    fn without_loss_no_closed_port_is_taken_for_a_listener(host in any_host(0), all in any::<bool>()) {
        let told = host.asked(&[host.ports.len()], if all { thorough() } else { usual() }, None);
        for place in told.among_refusals() {
            prop_assert_eq!(host.ports[place], Silent, "{:?}", told);
        }
        let count = |kind| host.ports.iter().filter(|port| **port == kind).count();
        if host.ration.is_none() && count(Closed) > 1 {
            prop_assert_eq!(told.among_refusals().len(), count(Silent));
        }
    }
}
