use super::super::{Terms, only_these_open, reachable, unreachable};
use crate::catalog::builtin::Catalogs;
use crate::catalog::example::{Seen, parse_seen};
use crate::catalog::rule::AnswersAs;
use crate::judge::Case;
use crate::judge::part::Part;
use crate::judge::view::View;
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::Ports;
use crate::model::run::{AddressHealth, AddressRun};
use crate::model::statement::Statements;
use crate::model::target::{Host, Target};
use crate::model::vantage::{Passage, Way, Ways};
use crate::model::verdict::{Check, Confidence, Verdict};
use std::net::{IpAddr, Ipv4Addr};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
const PLAIN: Terms =
    Terms { unless_redirectors: false, grows_with_technicians: false, inside_active_directory: false, product: None };

fn observations(seen: &[&str]) -> Vec<Observation> {
    let attempts = seen.iter().map(|text| match parse_seen(text).unwrap() {
        Seen::Observation(question, attempt) => (question, *attempt),
        other => panic!("{other:?}"),
    });
    attempts
        .zip(1..)
        .map(|((question, attempt), number)| Observation {
            id: ObservationId(number),
            address: ADDRESS,
            question,
            started_ms: 0,
            elapsed_ms: 20,
            elapsed_max_ms: 20,
            tries: 3,
            attempt,
        })
        .collect()
}

fn judged(seen: &[&str], health: &AddressHealth, rule: impl Fn(&View<'_>) -> Vec<Part>) -> Check {
    judged_by(seen, health, &Ways::default(), rule)
}

fn judged_by(seen: &[&str], health: &AddressHealth, ways: &Ways, rule: impl Fn(&View<'_>) -> Vec<Part>) -> Check {
    let target = Target::new("c", Host::Address(ADDRESS));
    let observations = observations(seen);
    let addresses = [AddressRun { address: ADDRESS, vantage: None, health: health.clone() }];
    let exploited = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}")).exploited;
    let case = Case {
        target: &target,
        addresses: &addresses,
        observations: &observations,
        guides: &[],
        exploited: &exploited,
        ways,
        evidence: None,
        statements: &Statements::default(),
        evidence_alone: false,
    };
    Part::combine("rule".to_owned(), rule(&View::new(case)))
}

fn alive() -> AddressHealth {
    AddressHealth { answered: true, decoys_asked: 3, ..AddressHealth::default() }
}

fn ports(text: &str) -> Vec<Ports> {
    vec![text.parse().unwrap()]
}

fn closed(which: &str, seen: &[&str]) -> Check {
    judged(seen, &alive(), |view| unreachable(view, &ports(which), &PLAIN))
}

fn open(which: &str, seen: &[&str], answers_as: Option<AnswersAs>) -> Check {
    judged(seen, &alive(), |view| reachable(view, &ports(which), answers_as))
}

/// Verdict and confidence.
fn outcome(check: &Check) -> (Verdict, Confidence) {
    (check.verdict, check.confidence)
}

#[test]
fn blocked_over_udp_passes_without_a_doubt_and_without_a_word_of_open_or_filtered() {
    let seen = ["udp/70-75 open-or-filtered", "udp/70-74 witness blocked", "udp/75 witness passed"];
    let check = closed("udp/70-74", &seen);
    assert_eq!(outcome(&check), (Verdict::Pass, Confidence::High));
    assert_eq!(
        check.seen,
        ["udp/70-74 blocked at 203.0.113.5: none of 4 messages reached the witness, which held them"]
    );
    assert_eq!(check.rests_on, [ObservationId(1), ObservationId(2)]);
    let one = closed("udp/70-75", &seen);
    assert_eq!(outcome(&one), (Verdict::Fail, Confidence::High), "75 passes");
}

#[test]
fn blocked_is_less_sure_where_nothing_of_its_kind_got_through() {
    let alone = closed("udp/70", &["udp/70 open-or-filtered", "udp/70 witness blocked", "tcp/443 witness passed"]);
    assert_eq!(outcome(&alone), (Verdict::Pass, Confidence::Low));
    assert!(alone.seen.iter().any(|seen| seen.contains("nothing over udp reached the witness")), "{:?}", alone.seen);
    let common = closed("tcp/445", &["tcp/445 filtered", "tcp/445 witness blocked", "tcp/443 witness passed"]);
    assert_eq!(outcome(&common), (Verdict::Pass, Confidence::Medium), "providers block 445");
    let inside = AddressHealth { inside: true, ..alive() };
    let seen = ["udp/70-75 open-or-filtered", "udp/70-74 witness blocked", "udp/75 witness passed"];
    let inside = judged(&seen, &inside, |view| unreachable(view, &ports("udp/70-74"), &PLAIN));
    assert_eq!(outcome(&inside), (Verdict::Pass, Confidence::Medium));
}

/// The witness sees what arrives, and not which of the firewalls between drops the rest.
#[test]
fn blocked_by_the_scanners_own_network_proves_nothing_of_the_servers_firewall() {
    let seen = ["tcp/445 filtered", "tcp/445 witness blocked", "tcp/443 witness passed"];
    let by = |passage| {
        let mut ways = Ways::default();
        ways.add(Way { ports: "tcp/445".parse().unwrap(), v6: false, inside: false, passage, sender: None });
        let shut = judged_by(&seen, &alive(), &ways, |view| unreachable(view, &ports("tcp/445"), &PLAIN));
        let open = judged_by(&seen, &alive(), &ways, |view| reachable(view, &ports("tcp/445"), None));
        (outcome(&shut), open.verdict)
    };
    assert_eq!(by(Passage::Passes), ((Verdict::Pass, Confidence::High), Verdict::Fail));
    assert_eq!(by(Passage::ProbablyBlocked), ((Verdict::Pass, Confidence::Low), Verdict::Fail));
    let (shut, open) = by(Passage::Blocked);
    assert_eq!((shut.0, open), (Verdict::Inconclusive, Verdict::Inconclusive));
}

#[test]
fn let_through_fails_though_only_the_witness_listens_and_says_so() {
    for (proof, words) in [
        ("passed", "the firewall lets it through"),
        ("arrived-elsewhere", "leads it to another port"),
        ("answer-lost", "the firewall lets it in"),
    ] {
        let check = closed("udp/70", &["udp/70 open-or-filtered", &format!("udp/70 witness {proof}")]);
        assert_eq!(outcome(&check), (Verdict::Fail, Confidence::High), "{proof}");
        assert!(check.why.contains(words) && check.why.contains("not about a service"), "{}", check.why);
    }
    let tcp = closed("tcp/70", &["tcp/70 open", "tcp/70 service silent", "tcp/70 witness passed"]);
    assert_eq!(outcome(&tcp), (Verdict::Fail, Confidence::High));
    assert!(tcp.seen.iter().any(|seen| seen.ends_with("the witness listened there")), "{:?}", tcp.seen);
}

#[test]
fn a_proof_outweighs_silence_and_never_turns_into_a_pass_by_it() {
    let filtered = closed("tcp/70", &["tcp/70 filtered", "tcp/70 witness passed"]);
    assert_eq!(filtered.verdict, Verdict::Fail);
    let was_open = closed("udp/70", &["udp/70 open", "udp/70 witness blocked", "udp/75 witness passed"]);
    assert_eq!(was_open.verdict, Verdict::Inconclusive);
    for proof in ["altered", "answered-by-another"] {
        let check = closed("tcp/70", &["tcp/70 open", "tcp/70 service silent", &format!("tcp/70 witness {proof}")]);
        assert_eq!(check.verdict, Verdict::Inconclusive, "{proof}");
    }
    let served = ["tcp/70 open", "tcp/70 service http", "tcp/70 witness answered-by-another"];
    assert_eq!(closed("tcp/70", &served).verdict, Verdict::Fail, "a service answers, whosesoever it is");
}

#[test]
fn without_a_proof_the_ordinary_state_decides() {
    for proof in ["not-held", "unknown"] {
        let of = |state: &str| closed("udp/70", &[&format!("udp/70 {state}"), &format!("udp/70 witness {proof}")]);
        assert_eq!(of("open-or-filtered").verdict, Verdict::Inconclusive, "{proof}");
        assert_eq!(of("closed").verdict, Verdict::Pass, "{proof}");
        assert_eq!(of("open").verdict, Verdict::Fail, "{proof}");
        assert!(of("closed").seen.len() == 2, "{:?}", of("closed").seen);
    }
}

#[test]
fn a_firewall_rule_is_proved_where_a_port_must_be_reachable_and_a_service_is_not() {
    let seen = |proof: &str| ["udp/75 open-or-filtered".to_owned(), format!("udp/75 witness {proof}")];
    let heartbeat = |proof: &str, answers_as| {
        let seen = seen(proof);
        open("udp/75", &[&seen[0], &seen[1]], answers_as)
    };
    let passed = heartbeat("passed", None);
    assert_eq!(outcome(&passed), (Verdict::Pass, Confidence::High));
    assert!(passed.why.contains("proves the firewall's rule, and nothing of the service"), "{}", passed.why);
    let seen = ["udp/75 open-or-filtered", "udp/75 witness blocked", "udp/70 witness passed"];
    assert_eq!(outcome(&open("udp/75", &seen, None)), (Verdict::Fail, Confidence::High));
    assert_eq!(outcome(&heartbeat("blocked", None)), (Verdict::Fail, Confidence::Low));
    assert_eq!(outcome(&heartbeat("answer-lost", None)), (Verdict::Fail, Confidence::Medium));
    for proof in ["arrived-elsewhere", "altered", "answered-by-another", "not-held", "unknown"] {
        assert_eq!(heartbeat(proof, None).verdict, Verdict::Inconclusive, "{proof}");
    }
    let https = ["tcp/443 open", "tcp/443 service silent", "tcp/443 witness passed"];
    let https = open("tcp/443", &https, Some(AnswersAs::Https));
    assert_eq!(https.verdict, Verdict::Inconclusive);
    assert!(https.why.contains("what answers there was not seen"), "{}", https.why);
}

#[test]
fn what_is_let_through_unexpectedly_is_named_over_udp_too() {
    let seen = ["tcp/443 open", "udp/70 open-or-filtered", "udp/70 witness passed", "udp/71 open-or-filtered"];
    let check = judged(&seen, &alive(), |view| only_these_open(view, &ports("tcp/443")));
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.seen[0].ends_with("udp/70 (let through to the witness)"), "{:?}", check.seen);
}

/// What is said of an open port that is not believed is what happened there.
#[test]
fn an_open_port_is_disbelieved_for_the_reason_that_holds_there() {
    let rules = [
        (&|view: &View<'_>| unreachable(view, &["tcp/443".parse().unwrap()], &PLAIN))
            as &dyn Fn(&View<'_>) -> Vec<Part>,
        &|view: &View<'_>| only_these_open(view, &[]),
    ];
    let open = ["tcp/443 open"];
    let by_another = ["tcp/443 open", "tcp/443 witness answered-by-another"];
    let middlebox = || AddressHealth { decoys_open: vec![20_001], ..alive() };
    for (seen, health, words) in [
        (&open[..], AddressHealth { decoys_asked: 0, ..alive() }, "of no port that nothing uses is the state known"),
        (&open[..], middlebox(), "only a protocol's own answer proves a service"),
        (&open[..], AddressHealth { decoys_speak: true, ..middlebox() }, "nothing that is heard on a port proves"),
        (&by_another[..], alive(), "while the witness, which held it, saw nothing"),
    ] {
        for rule in rules {
            let check = judged(seen, &health, rule);
            assert_eq!(check.verdict, Verdict::Inconclusive, "{check:?}");
            assert!(check.why.contains(words), "{}", check.why);
        }
    }
}
