//! What holds of any runs.

use super::world::{CATALOGS, SOUND, World, is_alive, run, timed_out};
use super::{drift, lines};
use crate::catalog::example::Seen;
use crate::model::drift::{Class, Drift, Reason, Sighting};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Skip};
use crate::model::run::{Run, TargetRun};
use proptest::prelude::*;

/// Every server that an example of a guide describes.
pub(crate) fn examples() -> Vec<World> {
    let mut worlds = Vec::new();
    for guide in &CATALOGS.guides {
        for item in &guide.items {
            for example in item.rules.iter().flat_map(|rule| &rule.examples) {
                let mut world = World::new(&[]);
                for seen in &example.seen {
                    match seen {
                        Seen::Observation(question, attempt) => world.asked.push((*question, (**attempt).clone())),
                        Seen::DecoysOpen => world.health.decoys_open = vec![20_001, 20_002],
                        Seen::DecoysSpeak => {
                            (world.health.decoys_open, world.health.decoys_speak) = (vec![20_001, 20_002], true);
                        }
                        Seen::StoppedAnswering => world.health.stopped_answering = true,
                        Seen::SilentHost => world.health.answered = false,
                        Seen::Inside => world.health.inside = true,
                    }
                }
                let given = example.given.clone();
                world.target.roles = item.roles.clone().unwrap_or_else(|| guide.roles.clone());
                world.target.control = given.control;
                world.target.redirectors = given.redirectors;
                world.target.active_directory = given.active_directory;
                world.target.technicians = given.technicians;
                world.target.expected = given.expected;
                worlds.push(world);
            }
        }
    }
    worlds
}

/// Loses the answers whose places are in `lost`.
fn lose(world: &World, lost: impl Fn(usize) -> Option<Option<Attempt>>) -> World {
    let mut poorer = world.clone();
    let mut place = 0;
    poorer.asked.retain_mut(|(_, attempt)| {
        place += 1;
        match lost(place - 1) {
            None => true,
            Some(None) => false,
            Some(Some(instead)) => {
                *attempt = instead;
                true
            }
        }
    });
    poorer.health.answered &= is_alive(&poorer.asked);
    poorer
}

fn none_is(drift: &Drift, class: Class) -> bool {
    drift.targets.iter().flat_map(|target| &target.changes).all(|change| change.class != class)
}

#[test]
fn losing_any_one_answer_of_any_example_is_never_better() {
    for world in examples() {
        let whole = world.run();
        for place in 0..world.asked.len() {
            for instead in [None, Some(timed_out()), Some(Attempt::Skipped { skip: Skip::StoppedAnswering })] {
                let poorer = lose(&world, |at| (at == place).then(|| instead.clone())).run();
                let lost = drift(&[&whole, &poorer]);
                assert!(
                    none_is(&lost, Class::Better),
                    "{world:?} without {}: {:#?}",
                    world.asked[place].0,
                    lines(&lost)
                );
            }
        }
    }
}

/// A server made of parts, each of which may be otherwise.
fn world() -> impl Strategy<Value = World> {
    let variants: [&[&str]; 8] = [
        &["tcp/3389 open", "tcp/3389 service rdp", "tcp/3389 nla off"],
        &["tcp/3306 open", "tcp/3306 service mysql"],
        &["tcp/445 open", "tcp/445 service smb", "tcp/445 smb1 answered"],
        &["tcp/443 tls1.0 accepted"],
        &["tcp/443 product automate 23.0.1"],
        &["tcp/80 open", "tcp/80 service http", "tcp/80 GET / 200 Server: Microsoft-IIS/10.0"],
        &["tcp/443 certificate expired"],
        &["tcp/50000-50010 filtered", "tcp/50011 open", "tcp/50011 service silent"],
    ];
    prop::collection::vec(any::<bool>(), variants.len()).prop_map(move |chosen| {
        let mut world = World::sound();
        for (lines, _) in variants.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
            world = world.with(lines);
        }
        world
    })
}

/// The classes of the changes that were seen on both sides, by subject.
fn classes(drift: &Drift) -> Vec<(String, Class)> {
    let mut classes: Vec<(String, Class)> = drift
        .targets
        .iter()
        .flat_map(|target| &target.changes)
        .filter(|change| change.sighting == Sighting::Both)
        .map(|change| (change.subject.to_string(), change.class))
        .collect();
    classes.sort();
    classes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_run_and_itself_have_no_drift(world in world(), times in 2usize..7) {
        let run = world.run();
        let drift = drift(&vec![&run; times]);
        prop_assert!(drift.is_unchanged() && drift.is_whole(), "{:#?}", lines(&drift));
        prop_assert!(drift.targets.iter().all(|target| target.flapping.is_empty()));
    }

    #[test]
    fn the_other_way_round_is_the_reverse(one in world(), other in world()) {
        let (one, other) = (one.run(), other.run());
        let there = classes(&drift(&[&one, &other]));
        let mut back = classes(&drift(&[&other, &one]));
        for (_, class) in &mut back {
            *class = class.reversed();
        }
        prop_assert_eq!(there, back);
    }

    #[test]
    fn losing_answers_is_never_better(world in world(), lost in prop::collection::vec(0u8..4, SOUND.len() + 24), stopped: bool) {
        let whole = world.run();
        let mut poorer = lose(&world, |place| match lost.get(place) {
            Some(1) => Some(None),
            Some(2) => Some(Some(timed_out())),
            _ => None,
        });
        poorer.health.stopped_answering |= stopped;
        let poorer = poorer.run();
        let seen = drift(&[&whole, &poorer]);
        prop_assert!(none_is(&seen, Class::Better), "{:#?}", lines(&seen));
        // When the sight returns, it reads as before.
        let returned = drift(&[&whole, &poorer, &whole]);
        prop_assert!(none_is(&returned, Class::Better) && none_is(&returned, Class::Worse), "{:#?}", lines(&returned));
    }

    #[test]
    fn the_order_of_targets_is_of_no_matter(worlds in prop::collection::vec((world(), world()), 1..4), turn in 0usize..4) {
        let targets = |pick: fn(&(World, World)) -> &World| -> Vec<TargetRun> {
            let named = worlds.iter().enumerate().map(|(place, pair)| {
                let mut world = pick(pair).clone();
                world.target.name = format!("server-{place}");
                world.judged()
            });
            named.collect()
        };
        let (before, after) = (run(targets(|pair| &pair.0)), run(targets(|pair| &pair.1)));
        let turned = |run: &Run| {
            let mut run = run.clone();
            let by = turn % run.targets.len();
            run.targets.rotate_left(by);
            run
        };
        let by_name = |drift: Drift| {
            let mut targets = drift.targets;
            targets.sort_by(|one, other| one.name.cmp(&other.name));
            targets
        };
        let plain = by_name(drift(&[&before, &after]));
        prop_assert_eq!(&plain, &by_name(drift(&[&turned(&before), &after])));
        prop_assert_eq!(&plain, &by_name(drift(&[&before, &turned(&after)])));
    }

    #[test]
    fn every_change_has_a_reason_and_none_is_made_up(one in world(), other in world()) {
        let (one, other) = (one.run(), other.run());
        for change in drift(&[&one, &other]).targets.iter().flat_map(|target| &target.changes) {
            let Some(because) = change.because() else { return Err(TestCaseError::fail(format!("{change:?}"))) };
            // Nothing but what was seen differs between these runs.
            prop_assert!(
                matches!(because.reason, Reason::Target { .. } | Reason::Time { .. } | Reason::SightLost { .. }
                    | Reason::SightRegained { .. } | Reason::Options { .. } | Reason::Unknown),
                "{:?}", change
            );
        }
    }

    #[test]
    fn it_is_read_back_as_it_was_written(one in world(), other in world()) {
        let drift = drift(&[&one.run(), &other.run()]);
        let written = serde_json::to_string(&drift).unwrap();
        prop_assert_eq!(serde_json::from_str::<Drift>(&written).unwrap(), drift);
    }
}

/// That silence is taken for what it is only where something lives is shown by the fixture itself.
#[test]
fn the_sound_server_is_alive() {
    let world = World::sound();
    assert!(is_alive(&world.asked));
    let silent =
        |attempt: &Attempt| matches!(attempt.fact(), Some(Fact::Port(fact)) if fact.state == PortState::Filtered);
    assert!(world.asked.iter().any(|(_, attempt)| silent(attempt)));
}
