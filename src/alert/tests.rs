mod of_ends;
mod of_jobs;
mod of_looks;

use super::{
    Book, Route, Rules, Said, SeriesOf, certificates, inventory, is_blind, messages, server, servers, statements,
};
use crate::drift::EARLIER;
use crate::drift::tests::world::{World, timed_out};
use crate::history::outbox::Standing;
use crate::model::alert::{Kind, Notice, Phase};
use crate::model::matter::{Matter, MatterState};
use crate::model::run::{Run, Trouble};
use crate::model::statement::About;
use crate::model::verdict::Severity;
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const CLIENT: &str = "Harbour Dental Group";
const NAME: &str = "automate-01";

fn rules() -> Rules {
    Rules { at_least: Severity::Medium, certificate_days: vec![30, 14, 7, 1], statement_days: vec![30, 7, 1] }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The night of this number.
fn night(number: u64) -> Timestamp {
    at("2026-11-01T02:00:00Z") + (24 * i64::try_from(number).unwrap()).hours()
}

/// What is known of a run beside what it saw.
#[derive(Clone, Copy)]
struct How {
    asks_as_before: bool,
    is_scheduled: bool,
    is_late: bool,
}

/// One server over its nights, looked at after each as the program does.
struct Nights {
    standing: Standing,
    runs: Vec<(u64, Run)>,
}

impl Nights {
    fn new() -> Self {
        Self { standing: Standing { looks: 1, ..Standing::default() }, runs: Vec::new() }
    }

    fn scanned(&mut self, world: &World) -> Vec<Notice> {
        self.ran(world.run())
    }

    fn ran(&mut self, run: Run) -> Vec<Notice> {
        self.ran_as(run, How { asks_as_before: true, is_scheduled: false, is_late: false })
    }

    fn ran_as(&mut self, run: Run, how: How) -> Vec<Notice> {
        let number = u64::try_from(self.runs.len()).unwrap() + 1;
        self.runs.push((number, Run { started: night(number).to_string(), ..run }));
        let mut book = Book::new(self.standing.clone());
        let against = |one: &Matter| match one.state {
            MatterState::Worse { against, .. } => against,
            _ => None,
        };
        let raised: BTreeSet<u64> = book
            .open()
            .filter(|one| one.kind == Kind::Drift)
            .flat_map(|one| one.run.into_iter().chain(against(one)))
            .collect();
        let (_, earlier) = self.runs.split_last().unwrap();
        let usable: Vec<u64> = earlier
            .iter()
            .rev()
            .filter(|(_, run)| !run.targets.iter().any(is_blind))
            .map(|(number, _)| *number)
            .take(EARLIER)
            .collect();
        let wanted = |known: u64| known == number || usable.contains(&known) || raised.contains(&known);
        let series: Vec<(u64, &Run)> =
            self.runs.iter().filter(|(number, _)| wanted(*number)).map(|(number, run)| (*number, run)).collect();
        let How { asks_as_before, is_scheduled, is_late } = how;
        let series = SeriesOf { runs: &series, asks_as: &|_| asks_as_before, is_scheduled, is_late };
        server(&mut book, series, "inventory", &rules());
        certificates(&mut book, |_| true, night(number), &rules());
        self.standing = book.standing();
        for matter in &self.standing.matters {
            assert_eq!(super::key_of(matter), matter.key, "a key is made of what is remembered: {}", matter.title);
        }
        book.notices().to_vec()
    }

    /// What a day makes of it without a run.
    fn day(&mut self, now: &str) -> Vec<String> {
        let mut book = Book::new(self.standing.clone());
        certificates(&mut book, |_| true, at(now), &rules());
        self.standing = book.standing();
        told(book.notices())
    }
}

fn told(notices: &[Notice]) -> Vec<String> {
    notices.iter().map(|notice| format!("{} {}: {}", notice.phase.as_str(), notice.kind, notice.title)).collect()
}

fn rdp() -> World {
    World::sound().with(&["tcp/9999 open", "tcp/9999 service http"])
}

/// Asked, and in the night of `lost` without an answer.
fn sound() -> World {
    World::sound().with(&["tcp/9999 closed"])
}

fn lost() -> World {
    let mut world = sound();
    let last = world.asked.iter_mut().find(|(question, _)| question.port() == 9999).unwrap();
    last.1 = timed_out();
    world
}

fn unreachable() -> World {
    World { troubles: vec![Trouble::Unreachable], ..World::new(&["tcp/443 filtered"]) }
}

#[test]
fn what_is_worse_is_told_once_and_what_is_better_again_ends_it() {
    let mut nights = Nights::new();
    assert!(nights.scanned(&sound()).is_empty(), "the first scan of a server is no drift");
    let raised = nights.scanned(&rdp());
    let words = told(&raised);
    assert!(words.iter().any(|line| line.starts_with("raised drift: ") && line.contains("tcp/9999")), "{words:#?}");
    assert!(raised.iter().all(|notice| notice.run == Some(2) && notice.target.as_deref() == Some(NAME)));
    assert!(raised.iter().all(|notice| !notice.details.is_empty() && notice.action.is_some()), "{raised:#?}");
    for _ in 0..3 {
        assert_eq!(told(&nights.scanned(&rdp())), [""; 0]);
    }
    let resolved = nights.scanned(&sound());
    assert_eq!(resolved.len(), raised.len(), "{:#?}", told(&resolved));
    assert!(resolved.iter().all(|notice| notice.phase == Phase::Resolved && notice.run == Some(6)));
    let keys = |notices: &[Notice]| notices.iter().map(|notice| notice.key.clone()).collect::<BTreeSet<_>>();
    assert_eq!(keys(&resolved), keys(&raised), "receivers join what belongs together");
    assert!(nights.standing.matters.is_empty());
}

#[test]
fn a_lost_sight_ends_nothing_however_long_it_lasts() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let raised = nights.scanned(&rdp());
    let open = nights.standing.matters.len();
    assert!(open > 0 && open == raised.len());
    // More nights than are looked back.
    for _ in 0..12 {
        let words = told(&nights.scanned(&lost()));
        assert!(words.iter().all(|line| !line.starts_with("resolved")), "{words:#?}");
    }
    assert_eq!(nights.standing.matters.len(), open);
    let words = told(&nights.scanned(&sound()));
    assert!(nights.standing.matters.is_empty(), "{words:#?}");
}

#[test]
fn a_server_that_cannot_be_reached_is_told_and_keeps_what_is_open() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    nights.scanned(&rdp());
    let drift = nights.standing.matters.len();
    assert_eq!(told(&nights.scanned(&unreachable())), ["raised failure: automate-01 cannot be reached"]);
    for _ in 0..12 {
        assert_eq!(told(&nights.scanned(&unreachable())), [""; 0]);
    }
    assert_eq!(nights.standing.matters.len(), drift + 1);
    // Back, and as bad as before: only that is told.
    assert_eq!(told(&nights.scanned(&rdp())), ["resolved failure: automate-01 was scanned wholly again"]);
    assert_eq!(nights.standing.matters.len(), drift);
    assert_eq!(nights.scanned(&sound()).len(), drift);
}

#[test]
fn worse_than_before_a_long_outage_is_told_when_it_is_over() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    for _ in 0..12 {
        nights.scanned(&unreachable());
    }
    let words = told(&nights.scanned(&rdp()));
    assert!(words.iter().any(|line| line.starts_with("raised drift") && line.contains("tcp/9999")), "{words:#?}");
}

#[test]
fn a_run_that_came_late_may_tell_what_is_worse_and_mends_nothing() {
    let late = How { asks_as_before: true, is_scheduled: true, is_late: true };
    let mut nights = Nights::new();
    nights.scanned(&sound());
    nights.scanned(&rdp());
    nights.scanned(&unreachable());
    let (open, seen) = (nights.standing.matters.len(), nights.standing.servers[0].seen.clone());
    assert!(nights.ran_as(sound().run(), late).is_empty(), "nobody knows whether it asked before the others or after");
    assert_eq!(nights.standing.matters.len(), open);
    assert_eq!(nights.standing.servers[0].seen, seen, "the newest is still the newest");
    assert_eq!(nights.standing.servers[0].looked, BTreeSet::from([1, 2, 3, 4]));
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let words = told(&nights.ran_as(rdp().run(), late));
    assert!(words.iter().any(|line| line.starts_with("raised drift") && line.contains("tcp/9999")), "{words:#?}");
    assert_eq!(told(&nights.ran_as(unreachable().run(), late)), ["raised failure: automate-01 cannot be reached"]);
    nights.scanned(&sound());
    assert!(nights.standing.matters.is_empty());
}

#[test]
fn a_scan_that_asked_less_makes_nothing_whole_but_reaches_the_server() {
    let less = How { asks_as_before: false, is_scheduled: false, is_late: false };
    let partly = || World { troubles: vec![Trouble::OutOfTime], ..sound() };
    let again = ["resolved failure: automate-01 was scanned wholly again"];
    let mut nights = Nights::new();
    nights.scanned(&sound());
    assert_eq!(told(&nights.scanned(&partly())), ["raised failure: automate-01 was not scanned wholly"]);
    assert!(nights.ran_as(sound().run(), less).is_empty());
    assert_eq!(told(&nights.scanned(&sound())), again);
    nights.scanned(&partly());
    assert_eq!(told(&nights.ran_as(sound().run(), How { is_scheduled: true, ..less })), again, "as the user wants it");
    nights.scanned(&unreachable());
    assert_eq!(told(&nights.ran_as(sound().run(), less)), again);
}

#[test]
fn what_nobody_can_compare_any_more_is_not_mended() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    let raised = nights.scanned(&rdp()).len();
    for matter in &mut nights.standing.matters {
        let MatterState::Worse { against, .. } = &mut matter.state else { continue };
        *against = Some(99);
    }
    assert!(raised > 0 && nights.scanned(&sound()).is_empty(), "the run that it was better in is gone");
    assert_eq!(nights.standing.matters.len(), raised);
}

#[test]
fn what_alternates_is_told_as_such_once_until_it_rests() {
    let mut nights = Nights::new();
    let mut flapping = Vec::new();
    let mut drift = Vec::new();
    for place in 0..12 {
        let world = if place % 2 == 0 { sound() } else { rdp() };
        for line in told(&nights.scanned(&world)) {
            if line.contains("alternates") { flapping.push(line) } else { drift.push(line) }
        }
    }
    let flaps = nights.standing.matters.iter().filter(|one| matches!(one.state, MatterState::Flapping { .. })).count();
    assert_eq!(flapping.len(), flaps, "{flapping:#?}");
    assert!(flaps > 0 && flapping.iter().all(|line| line.starts_with("raised drift")), "{flapping:#?}");
    assert!(drift.len() <= 4, "told before it was known to alternate: {drift:#?}");
    let mut rest = Vec::new();
    for _ in 0..6 {
        rest.extend(told(&nights.scanned(&sound())));
    }
    assert!(rest.iter().any(|line| line.starts_with("resolved") && line.contains("come to rest")), "{rest:#?}");
    assert!(nights.standing.matters.is_empty(), "{:#?}", nights.standing.matters);
}

#[test]
fn what_nobody_asks_any_more_is_withdrawn_and_not_resolved() {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    nights.scanned(&rdp());
    let mut book = Book::new(nights.standing.clone());
    servers(&mut book, "another inventory", [("Somebody", "else")], night(3));
    assert!(book.notices().is_empty(), "another inventory says nothing of this server");
    servers(&mut book, "inventory", std::iter::empty(), night(3));
    let words = told(book.notices());
    assert!(!words.is_empty() && words.iter().all(|line| line.starts_with("withdrawn drift: automate-01 is not in")));
    assert!(book.server(CLIENT, NAME).is_none());
}

#[test]
fn a_certificate_is_told_at_each_threshold_and_until_another_is_seen() {
    let lasting = |sha256: &str, end: &str| {
        let (sha256, end) = (sha256.to_owned(), end.to_owned());
        World::sound().certificate(move |fact| (fact.sha256, fact.not_after) = (sha256, end))
    };
    let certificate = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| line.contains(" certificate: ")).collect()
    };
    let mut nights = Nights::new();
    assert_eq!(certificate(told(&nights.scanned(&lasting("a", "2026-12-25T12:00:00Z")))), [""; 0]);
    assert_eq!(
        nights.day("2026-11-25T11:00:00Z"),
        ["raised certificate: The certificate of automate-01 ends in 30 days (2026-12-25)"]
    );
    assert_eq!(nights.day("2026-11-26T11:00:00Z"), [""; 0]);
    // Two thresholds while nobody looked.
    assert_eq!(
        nights.day("2026-12-20T11:00:00Z"),
        ["escalated certificate: The certificate of automate-01 ends in 5 days (2026-12-25)"]
    );
    // A clock that is put back changes nothing.
    assert_eq!(nights.day("2026-11-01T11:00:00Z"), [""; 0]);
    assert_eq!(
        nights.day("2026-12-24T12:30:00Z"),
        ["escalated certificate: The certificate of automate-01 ends within a day (2026-12-25)"]
    );
    assert_eq!(
        nights.day("2026-12-26T12:30:00Z"),
        ["escalated certificate: The certificate of automate-01 expired 1 day ago (2026-12-25)"]
    );
    assert_eq!(nights.day("2027-01-26T12:30:00Z"), [""; 0]);
    // It is not mended by not being seen.
    assert!(!certificate(told(&nights.scanned(&unreachable()))).iter().any(|line| line.contains("resolved")));
    assert_eq!(
        certificate(told(&nights.scanned(&lasting("b", "2027-12-25T12:00:00Z")))),
        ["resolved certificate: automate-01 has a new certificate, until 2027-12-25T12:00:00Z"]
    );
    // One that ends sooner is no renewal.
    nights.day("2027-12-20T00:00:00Z");
    let words = certificate(told(&nights.scanned(&lasting("c", "2026-12-01T12:00:00Z"))));
    assert!(
        words.iter().any(|line| line.starts_with("withdrawn")) && words.iter().any(|line| line.starts_with("raised")),
        "{words:#?}"
    );
}

#[test]
fn a_certificate_of_two_ports_is_one_matter_until_both_have_another() {
    let end = |port: u16, sha256: &'static str, end: &'static str, world: World| {
        world.certificate_on(port, |fact| (fact.sha256, fact.not_after) = (sha256.to_owned(), end.to_owned()))
    };
    let both = end(443, "a", "2026-11-20T00:00:00Z", World::sound());
    let both = end(8443, "a", "2026-11-20T00:00:00Z", both.with(&["tcp/8443 open", "tcp/8443 service https"]));
    let mut nights = Nights::new();
    let first = nights.scanned(&both);
    assert_eq!(first.iter().filter(|notice| notice.kind == Kind::Certificate).count(), 1, "{:#?}", told(&first));
    let half = end(443, "b", "2027-11-20T00:00:00Z", both);
    let words = told(&nights.scanned(&half));
    assert!(!words.iter().any(|line| line.contains(" certificate: ")), "{words:#?}");
    let whole = end(8443, "b", "2027-11-20T00:00:00Z", half);
    let words = told(&nights.scanned(&whole));
    assert!(words.iter().any(|line| line.starts_with("resolved certificate")), "{words:#?}");
}

fn said(until: &str) -> Said {
    Said {
        kind: Kind::Attestation,
        client: CLIENT.to_owned(),
        target: NAME.to_owned(),
        about: About::Item { guide: "automate".to_owned(), item: "AUT-ACC-01".to_owned() },
        until: until.parse().unwrap(),
        who: "Ann".to_owned(),
        place: "attestations.toml:3".to_owned(),
        file: "/a/attestations.toml".to_owned(),
    }
}

#[test]
fn a_statement_is_told_by_the_day_until_it_is_renewed_or_taken_back() {
    let mut standing = Standing { looks: 1, ..Standing::default() };
    let mut look = |all: &[Said], now: &str| {
        let mut book = Book::new(standing.clone());
        statements(&mut book, all, |_, _| true, |_| true, at(now), &rules());
        standing = book.standing();
        told(book.notices())
    };
    let one = said("2026-12-31");
    assert_eq!(look(std::slice::from_ref(&one), "2026-11-21T00:00:00Z"), [""; 0]);
    let title = "attestation: The attestation of AUT-ACC-01 on automate-01";
    assert_eq!(
        look(std::slice::from_ref(&one), "2026-12-10T00:00:00Z"),
        [format!("raised {title} ends in 21 days (2026-12-31)")]
    );
    assert_eq!(
        look(std::slice::from_ref(&one), "2026-12-31T23:59:59Z"),
        [format!("escalated {title} ends today (2026-12-31)")]
    );
    assert_eq!(
        look(std::slice::from_ref(&one), "2027-01-01T00:00:00Z"),
        [format!("escalated {title} ended 1 day ago and counts no more (2026-12-31)")]
    );
    // For a few days only: nobody is told twice of what somebody just did. That it ended is over all the same.
    assert_eq!(
        look(&[said("2027-01-20")], "2027-01-02T00:00:00Z"),
        [format!("resolved {title} holds until 2027-01-20")]
    );
    assert_eq!(look(&[said("2027-01-20")], "2027-01-02T01:00:00Z"), [""; 0]);
    assert_eq!(look(&[said("2027-01-21")], "2027-01-02T02:00:00Z"), [""; 0]);
    assert_eq!(
        look(&[said("2027-01-20")], "2027-01-15T00:00:00Z"),
        [format!("raised {title} ends in 5 days (2027-01-20)")]
    );
    assert_eq!(
        look(&[said("2027-06-30")], "2027-01-16T00:00:00Z"),
        ["resolved attestation: The attestation of AUT-ACC-01 on automate-01 holds until 2027-06-30"]
    );
    look(&[said("2027-06-30")], "2027-06-20T00:00:00Z");
    assert_eq!(
        look(&[], "2027-06-21T00:00:00Z"),
        ["withdrawn attestation: What was stated of automate-01 was taken back"]
    );
}

#[test]
fn an_inventory_that_cannot_be_read_is_told_to_who_hears_of_all_clients() {
    let mut book = Book::new(Standing { looks: 1, ..Standing::default() });
    inventory(&mut book, "a", Some("targets.toml:3:1: no such key"), &BTreeSet::new(), at("2026-11-20T03:00:00Z"));
    let route = |is_of_some| Route { channel: "noc", takes: Box::new(|_| true), is_of_some };
    let sent = |is_of_some| messages(&book, &[route(is_of_some)], at("2026-11-20T03:00:00Z"), String::new).len();
    assert_eq!((sent(false), sent(true)), (1, 0));
}

#[test]
fn a_flood_is_as_many_messages_as_it_needs_and_none_of_it_is_lost() {
    let many = |looks: i64| {
        let mut book = Book::new(Standing { looks, ..Standing::default() });
        let of = |client: &str, number: usize| Said {
            client: client.to_owned(),
            target: number.to_string(),
            ..said("2026-11-01")
        };
        let all: Vec<Said> = ["A", "B"].iter().flat_map(|client| (0..400).map(|number| of(client, number))).collect();
        statements(&mut book, &all, |_, _| true, |_| true, at("2026-11-20T03:00:00Z"), &rules());
        book
    };
    let route = || [Route { channel: "noc", takes: Box::new(|_| true), is_of_some: false }];
    let sent = |book: &Book| messages(book, &route(), at("2026-11-20T03:00:00Z"), String::new);
    let later = sent(&many(1));
    for client in ["A", "B"] {
        let of: Vec<_> = later.iter().filter(|(_, message)| message.client == client).collect();
        assert!(of.iter().all(|(_, message)| message.notices.len() <= super::NOTICES_MOST));
        let keys: BTreeSet<&str> =
            of.iter().flat_map(|(_, message)| &message.notices).map(|notice| notice.key.as_str()).collect();
        assert_eq!((of.len(), keys.len()), (10, 400));
    }
    let first = sent(&many(0));
    assert_eq!(first.len(), 1, "the first look is one message");
    assert_eq!(first[0].1.client, super::EVERYBODY);
    let notices = &first[0].1.notices;
    assert_eq!(notices.len(), super::NOTICES_MOST);
    assert!(notices[0].details[0].contains("760 things more"), "{:?}", notices[0].details);
    assert!(
        notices.iter().all(|notice| later.iter().any(|(_, one)| one.notices.iter().any(|told| told.key == notice.key)))
    );
}

#[test]
fn keys_tell_matters_apart_and_stay_the_same() {
    let known = super::key("A", Some("b"), Kind::Drift, "c");
    assert_eq!(known, super::key("A", Some("b"), Kind::Drift, "c"));
    assert_eq!(known.len(), 16);
    for other in [
        super::key("Ab", Some(""), Kind::Drift, "c"),
        super::key("A", None, Kind::Drift, "c"),
        super::key("A", Some("bc"), Kind::Drift, ""),
        super::key("A", Some("b"), Kind::Failure, "c"),
    ] {
        assert_ne!(known, other);
    }
}

/// What a night may bring.
static NIGHTS: LazyLock<[Run; 5]> = LazyLock::new(|| {
    let partly = World { troubles: vec![Trouble::OutOfTime], ..lost() };
    [sound().run(), rdp().run(), lost().run(), unreachable().run(), partly.run()]
});

/// Nights on which the port was seen to be closed, and those on which it was seen to be open.
const CLOSED: usize = 0;
const OPEN: usize = 1;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_lost_sight_ends_anything_and_what_is_open_is_told_once(kinds in proptest::collection::vec(0..5_usize, 1..14)) {
        let mut nights = Nights::new();
        let mut open: BTreeSet<String> = BTreeSet::new();
        for kind in kinds {
            let notices = nights.ran(NIGHTS[kind].clone());
            for notice in notices {
                match notice.phase {
                    Phase::Raised => prop_assert!(open.insert(notice.key.clone()), "told twice: {}", notice.title),
                    Phase::Escalated => prop_assert!(open.contains(&notice.key)),
                    Phase::Resolved | Phase::Withdrawn => {
                        prop_assert!(open.remove(&notice.key), "ended and never begun: {}", notice.title);
                        // Whatever comes to rest may do so open; only what is closed is mended.
                        let rests = notice.title.contains("come to rest") || notice.title.contains("does not alternate");
                        prop_assert!(notice.phase == Phase::Resolved || rests);
                        let whole = notice.kind == Kind::Failure;
                        prop_assert!(kind == CLOSED || rests || whole, "{kind}: {}", notice.title);
                    }
                }
            }
            let known: BTreeSet<String> = nights.standing.matters.iter().map(|matter| matter.key.clone()).collect();
            prop_assert_eq!(&known, &open, "what is open is what was told");
        }
    }
}

#[test]
fn the_runs_of_these_tests_are_what_they_are_said_to_be() {
    assert!(is_blind(&unreachable().run().targets[0]) && !is_blind(&lost().run().targets[0]));
    assert!(NIGHTS[CLOSED] != NIGHTS[OPEN]);
    assert!(sound().asked.iter().any(|(question, _)| question.port() == 9999));
}
