use super::IDS_TOLD;
use crate::catalog::builtin::Catalogs;
use crate::catalog::example::{Seen, parse_seen};
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{Places, parse};
use crate::judge::{Case, Judgement, judge};
use crate::model::expected::RulePorts;
use crate::model::expected::RuleVerdict::{self, Inconclusive, NotApplicable, Proved, Violated};
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::observation::{Attempt, Blame, Cause, Failure, Observation, ObservationId, Skip, Stage};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun};
use crate::model::statement::Statements;
use crate::model::target::Target;
use crate::model::vantage::{Passage, Way, Ways};
use crate::model::verdict::{Confidence, Verdict};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

const V4: &str = "203.0.113.5";
const OTHER_V4: &str = "203.0.113.6";
const V6: &str = "2001:db8::5";

/// What was seen of a target at one address, and how far it can be believed.
#[derive(Clone, Debug)]
struct At {
    address: &'static str,
    health: AddressHealth,
    seen: Vec<(Question, Attempt)>,
}

fn healthy() -> AddressHealth {
    AddressHealth { answered: true, decoys_asked: 3, ..AddressHealth::default() }
}

/// An address of which this was seen, in the words of the guides' examples.
fn at(address: &'static str, seen: &[&str]) -> At {
    let seen = seen.iter().map(|text| match parse_seen(text).unwrap() {
        Seen::Observation(question, attempt) => (question, *attempt),
        other => panic!("{other:?}"),
    });
    At { address, health: healthy(), seen: seen.collect() }
}

fn target(keys: &str) -> Target {
    let text = format!("[[target]]\nname = 'rmm'\nhost = 'rmm.example'\nroles = ['automate']\n{keys}");
    parse("t.toml", &text, &mut Places::default()).unwrap_or_else(|found| panic!("{found}")).remove(0)
}

fn judged(target: &Target, guides: &[Guide], places: &[At]) -> Judgement {
    judged_by(target, guides, places, &Ways::default())
}

fn judged_by(target: &Target, guides: &[Guide], places: &[At], ways: &Ways) -> Judgement {
    let addresses: Vec<AddressRun> = places
        .iter()
        .map(|at| AddressRun { address: at.address.parse().unwrap(), vantage: None, health: at.health.clone() })
        .collect();
    let all = places.iter().flat_map(|at| at.seen.iter().map(|(question, attempt)| (at.address, *question, attempt)));
    let observations: Vec<Observation> = all
        .zip(1..)
        .map(|((address, question, attempt), number)| Observation {
            id: ObservationId(number),
            address: address.parse().unwrap(),
            question,
            started_ms: 0,
            elapsed_ms: 20,
            elapsed_max_ms: 20,
            tries: 2,
            attempt: attempt.clone(),
        })
        .collect();
    let exploited =
        crate::catalog::exploited::parse("e.toml", "revision = '2026-01-01'").unwrap_or_else(|found| panic!("{found}"));
    judge(Case {
        target,
        addresses: &addresses,
        observations: &observations,
        guides,
        exploited: &exploited,
        ways,
        evidence: None,
        statements: &Statements::default(),
        evidence_alone: false,
    })
}

fn verdicts(keys: &str, places: &[At]) -> Vec<RuleVerdict> {
    judged(&target(keys), &[], places).rules.iter().map(crate::model::expected::RuleFinding::verdict).collect()
}

/// The verdict on the first rule, and all that is said of it.
fn said(keys: &str, places: &[At]) -> (RuleVerdict, String) {
    let found = judged(&target(keys), &[], places).rules.remove(0);
    let settle = found.check.settle.clone().unwrap_or_default();
    (found.verdict(), format!("{} | {} | {settle}", found.check.seen.join("; "), found.check.why))
}

#[test]
fn what_is_allowed_is_proved_by_an_open_port_only() {
    let allow = "allow = ['tcp/443', 'udp/75']";
    assert_eq!(verdicts(allow, &[at(V4, &["tcp/443 open", "udp/75 open"])]), [Proved, Proved]);
    assert_eq!(verdicts(allow, &[at(V4, &["tcp/443 closed", "udp/75 closed"])]), [Violated, Violated]);
    assert_eq!(verdicts(allow, &[at(V4, &["tcp/443 rejected", "udp/75 rejected"])]), [Violated, Violated]);
    assert_eq!(verdicts(allow, &[at(V4, &["tcp/443 filtered", "udp/75 open-or-filtered"])]), [Violated, Inconclusive]);
    assert_eq!(verdicts(allow, &[at(V4, &["tcp/443 unstable", "udp/75 unstable"])]), [Inconclusive, Inconclusive]);
    assert_eq!(verdicts(allow, &[at(V4, &[])]), [Inconclusive, Inconclusive], "not asked");
    assert_eq!(verdicts(allow, &[]), [Inconclusive, Inconclusive], "no address");
}

/// What is blocked on the way out of the scanner's own network proves no rule, neither by itself nor in the sum of ports that
/// answered alike.
#[test]
fn what_is_blocked_on_the_way_out_proves_nothing() {
    let by = |passage, keys: &str, seen: &[&str]| {
        let mut ways = Ways::default();
        ways.add(Way { ports: "tcp/445".parse().unwrap(), v6: false, inside: false, passage, sender: None });
        let found = judged_by(&target(keys), &[], &[at(V4, seen)], &ways).rules.remove(0);
        (found.verdict(), found.check.confidence, found.check.seen.join("; "))
    };
    let silent = ["tcp/1-442 filtered", "tcp/443 open", "tcp/444-65535 filtered"];
    for keys in ["deny = ['tcp/440-450']", "expected = ['tcp/443']\ndeny = 'rest'"] {
        let seen = if keys.contains("rest") {
            silent
        } else {
            ["tcp/440-442 filtered", "tcp/443 closed", "tcp/444-450 filtered"]
        };
        let (verdict, _, told) = by(Passage::Blocked, keys, &seen);
        assert_eq!(verdict, Inconclusive, "{keys}: {told}");
        assert!(told.starts_with("tcp/445 filtered"), "{keys}: {told}");
        let (verdict, confidence, told) = by(Passage::ProbablyBlocked, keys, &seen);
        assert_eq!((verdict, confidence), (Proved, Confidence::Low), "{keys}: {told}");
        assert_eq!(by(Passage::Passes, keys, &seen).0, Proved, "{keys}");
    }
    assert_eq!(by(Passage::Blocked, "allow = 'tcp/445'", &silent).0, Inconclusive);
    assert_eq!(by(Passage::Passes, "allow = 'tcp/445'", &silent).0, Violated);
}

/// The same proofs decide as where a guide asks: a rule never says the contrary of what the witness saw.
#[test]
fn what_a_witness_proved_decides_a_rule_before_the_state_of_the_port_does() {
    let seen = at(
        V4,
        &[
            "udp/611 rejected",
            "udp/611 witness passed",
            "tcp/1110 open",
            "tcp/1110 witness passed",
            "tcp/22 filtered",
            "tcp/22 witness blocked",
        ],
    );
    let by = |keys: &str| said(keys, std::slice::from_ref(&seen));
    for port in ["udp/611", "tcp/1110"] {
        let (verdict, told) = by(&format!("deny = '{port}'"));
        assert_eq!(verdict, Violated, "{told}");
        assert!(told.contains("the firewall lets it through: a message reached the witness"), "{told}");
        assert!(told.contains(&format!("{port} passed at {V4}")), "{told}");
        let (verdict, told) = by(&format!("allow = '{port}'"));
        assert_eq!(verdict, Proved, "{told}");
        assert!(told.contains("proves the firewall's rule, and nothing of the service"), "{told}");
    }
    let (verdict, told) = by("deny = 'tcp/22'");
    assert_eq!(verdict, Proved, "{told}");
    assert!(told.contains("blocked: the witness behind the firewall held the port"), "{told}");
    assert_eq!(by("allow = 'tcp/22'").0, Violated);
    let another = at(V4, &["tcp/1110 open", "tcp/1110 service silent", "tcp/1110 witness answered-by-another"]);
    let (verdict, told) = said("deny = 'tcp/1110'", &[another]);
    assert_eq!(verdict, Inconclusive, "{told}");
    assert!(told.contains("while the witness, which held it, saw nothing"), "{told}");
}

#[test]
fn what_reached_a_witness_is_denied_by_the_rest_too_unless_it_is_allowed_at_that_address() {
    let seen = |address| {
        let seen = at(address, &["tcp/611 witness passed", "tcp/612-613 witness blocked"]).seen;
        At { address, health: healthy(), seen: sweep("closed", seen) }
    };
    let (verdict, told) = said("deny = 'rest'", &[seen(V4)]);
    assert_eq!(verdict, Violated, "{told}");
    assert!(told.contains(&format!("tcp/611 passed at {V4}: ")), "{told}");
    assert!(told.contains("the firewall lets it through"), "{told}");
    let allowed = |at: &str| format!("deny = 'rest'\n[[target.allow]]\nports = 'tcp/611'\naddress = '{at}'");
    for (keys, expected) in [(allowed(V4), Proved), (allowed("ipv4"), Proved), (allowed("ipv6"), Violated)] {
        let found = judged(&target(&keys), &[], &[seen(V4)]);
        let rest = found.rules.iter().find(|found| found.rule.ports == RulePorts::Rest).unwrap();
        assert_eq!(rest.verdict(), expected, "{keys}: {rest:?}");
    }
    let (verdict, told) = said("expected = ['tcp/611']\ndeny = 'rest'", &[seen(V4)]);
    assert_eq!(verdict, Proved, "{told}");
    assert!(told.contains(&format!("tcp/612-613 blocked at {V4}")), "{told}");
}

#[test]
fn what_is_denied_is_proved_by_a_refusal_or_by_believable_silence() {
    let deny = "deny = ['tcp/3389', 'udp/161']";
    assert_eq!(verdicts(deny, &[at(V4, &["tcp/3389 open", "udp/161 open"])]), [Violated, Violated]);
    assert_eq!(verdicts(deny, &[at(V4, &["tcp/3389 closed", "udp/161 closed"])]), [Proved, Proved]);
    assert_eq!(verdicts(deny, &[at(V4, &["tcp/3389 rejected", "udp/161 rejected"])]), [Proved, Proved]);
    let silent = at(V4, &["tcp/3389 filtered", "udp/161 open-or-filtered"]);
    assert_eq!(verdicts(deny, std::slice::from_ref(&silent)), [Proved, Inconclusive]);
    let doubts: [fn(&mut AddressHealth); 3] = [
        |health| health.answered = false,
        |health| health.stopped_answering = true,
        |health| health.recheck_missing = true,
    ];
    for doubt in doubts {
        let mut doubted = silent.clone();
        doubt(&mut doubted.health);
        assert_eq!(verdicts(deny, &[doubted.clone()]), [Inconclusive, Inconclusive], "{:?}", doubted.health);
    }
    assert_eq!(verdicts(deny, &[at(V4, &["tcp/3389 unstable"])]), [Inconclusive, Inconclusive]);
}

#[test]
fn an_open_port_counts_only_where_decoys_stay_shut_or_a_service_speaks() {
    let rules = "allow = ['tcp/443']\ndeny = ['tcp/3389']";
    let middlebox = AddressHealth { decoys_open: vec![20_101], ..healthy() };
    let none = AddressHealth { decoys_asked: 0, ..healthy() };
    for health in [middlebox.clone(), none] {
        let mute = at(V4, &["tcp/443 open", "tcp/443 service silent", "tcp/3389 open", "tcp/3389 service silent"]);
        assert_eq!(verdicts(rules, &[At { health: health.clone(), ..mute }]), [Inconclusive, Inconclusive]);
        let speaks = at(V4, &["tcp/443 open", "tcp/443 service https", "tcp/3389 open", "tcp/3389 service rdp"]);
        assert_eq!(verdicts(rules, &[At { health, ..speaks }]), [Proved, Violated]);
    }
    let speaks = at(V4, &["tcp/443 open", "tcp/443 service https", "tcp/3389 closed"]);
    let talkative = AddressHealth { decoys_speak: true, ..middlebox };
    assert_eq!(verdicts(rules, &[At { health: talkative, ..speaks }]), [Inconclusive, Proved]);
}

/// Each of many ports is believed for itself: one that speaks proves nothing for its neighbours.
#[test]
fn every_port_of_a_range_is_judged_for_itself() {
    let mut place = at(V4, &["tcp/8000-8002 open", "tcp/8000 service http", "tcp/8001 service silent"]);
    assert_eq!(verdicts("allow = ['tcp/8000-8002']", std::slice::from_ref(&place)), [Proved]);
    assert_eq!(
        verdicts("allow = ['tcp/8000-8003']", std::slice::from_ref(&place)),
        [Inconclusive],
        "8003 was not asked"
    );
    place.health.decoys_open = vec![20_101];
    assert_eq!(verdicts("allow = ['tcp/8000-8002']", std::slice::from_ref(&place)), [Inconclusive]);
    assert_eq!(verdicts("allow = ['tcp/8000']\ndeny = ['tcp/8001-8002']", &[place]), [Proved, Inconclusive]);
    let (verdict, said) =
        said("deny = ['tcp/70-74']", &[at(V4, &["tcp/70-71 closed", "tcp/72 open", "tcp/73-74 closed"])]);
    assert_eq!(verdict, Violated);
    assert!(said.starts_with("tcp/72 open at 203.0.113.5"), "{said}");
}

#[test]
fn which_packet_came_and_who_sent_it_is_said() {
    let (verdict, closed) = said("allow = ['tcp/443']", &[at(V4, &["tcp/443 closed"])]);
    assert_eq!(verdict, Violated);
    assert!(closed.starts_with("tcp/443 closed at 203.0.113.5 (TCP RST from 203.0.113.5)"), "{closed}");
    let mut place = at(V4, &["tcp/443 filtered"]);
    let reason = PortReason::Icmp { v6: false, kind: 3, code: 13 };
    let fact = PortFact { state: PortState::Rejected, reason, sender: Some("198.51.100.1".parse().unwrap()) };
    place.seen[0].1 = Attempt::Answered { fact: Fact::Port(fact) };
    let (_, rejected) = said("allow = ['tcp/443']", &[place]);
    assert!(
        rejected.contains(
            "rejected at 203.0.113.5 (ICMP 3/13, communication administratively prohibited from 198.51.100.1)"
        )
    );
    let (_, filtered) = said("allow = ['tcp/443']", &[at(V4, &["tcp/443 filtered"])]);
    assert!(filtered.starts_with("tcp/443 filtered at 203.0.113.5 (no answer to 2 tries)"), "{filtered}");
    let (_, open) = said("deny = ['tcp/3389']", &[at(V4, &["tcp/3389 open", "tcp/3389 service rdp"])]);
    assert!(open.contains("Remote Desktop (RDP)"), "{open}");
    let (_, udp) = said("deny = ['udp/161']", &[at(V4, &["udp/161 open-or-filtered"])]);
    assert!(udp.contains("Get-NetUDPEndpoint"), "{udp}");
}

/// What a witness proved decides an expected rule as it decides a guide's.
#[test]
fn expected_rules_follow_the_proofs() {
    let deny = |ports: &str, seen: &[&str]| said(&format!("deny = ['{ports}']"), &[at(V4, seen)]);
    let (verdict, told) = deny("udp/611", &["udp/611 closed", "udp/611 witness passed"]);
    assert_eq!(verdict, Violated, "{told}");
    assert!(told.contains("udp/611 passed at 203.0.113.5") && told.contains("the firewall lets it through"), "{told}");
    assert_eq!(deny("tcp/1110", &["tcp/1110 filtered", "tcp/1110 witness passed"]).0, Violated);
    let blocked = ["udp/611 open-or-filtered", "udp/611 witness blocked", "udp/75 witness passed"];
    assert_eq!(deny("udp/611", &blocked).0, Proved);
    assert_eq!(verdicts("allow = ['udp/611']", &[at(V4, &blocked)]), [Violated]);
    let (_, told) = deny("tcp/1110", &["tcp/1110 closed", "tcp/1110 witness answered-by-another"]);
    assert!(told.contains("another machine to which the port is forwarded refused, or a firewall"), "{told}");
    assert_eq!(deny("tcp/1110", &["tcp/1110 filtered", "tcp/1110 witness altered"]).0, Inconclusive);
}

#[test]
fn the_rest_is_not_shut_where_a_witness_was_reached() {
    let rule = "allow = ['tcp/443']\ndeny = ['rest']";
    let rest = |proof: &str| {
        let seen = at(V4, &["tcp/443 open", "tcp/1110 filtered"]).seen;
        let mut place = At { seen: sweep("filtered", seen), ..at(V4, &[]) };
        place.seen.extend(at(V4, &[proof]).seen);
        let found = judged(&target(rule), &[], &[place]).rules.remove(1);
        (found.verdict(), found.check.seen.join("; "))
    };
    for port in ["tcp/1110", "tcp/2000-2010"] {
        let (verdict, told) = rest(&format!("{port} witness passed"));
        assert_eq!(verdict, Violated, "{told}");
        assert!(told.contains(&format!("{port} passed")), "{told}");
    }
    assert_eq!(rest("tcp/443 witness passed").0, Proved, "an allowed one");
    assert_eq!(rest("tcp/1110 witness altered").0, Inconclusive);
    let allowed_there = "allow = [{ ports = 'tcp/1110', address = '203.0.113.5' }]\ndeny = ['rest']";
    let mut place = At { seen: sweep("filtered", at(V4, &["tcp/443 closed"]).seen), ..at(V4, &[]) };
    place.seen.extend(at(V4, &["tcp/1110 witness passed"]).seen);
    assert_eq!(verdicts(allowed_there, &[place]), [Proved, Proved], "what the address allows may be let in");
}

/// A router that cannot deliver refuses nothing, and tells nothing of the port.
#[test]
fn what_could_not_be_delivered_proves_nothing() {
    let mut place = at(V4, &["tcp/443 filtered"]);
    let reason = PortReason::Icmp { v6: false, kind: 3, code: 1 };
    place.seen[0].1 =
        Attempt::Answered { fact: Fact::Port(PortFact { state: PortState::Rejected, reason, sender: None }) };
    assert_eq!(verdicts("allow = ['tcp/443']", std::slice::from_ref(&place)), [Inconclusive]);
    assert_eq!(verdicts("deny = ['tcp/443']", std::slice::from_ref(&place)), [Inconclusive]);
    assert_eq!(verdicts("deny = 'rest'", &[At { seen: sweep("closed", place.seen), ..at(V4, &[]) }]), [Inconclusive]);
}

#[test]
fn a_rule_holds_at_the_addresses_that_it_names() {
    let places = [at(V4, &["tcp/443 open"]), at(V6, &["tcp/443 filtered"])];
    let of = |address: &str| {
        let rule =
            |list: &str| verdicts(&format!("{list} = [{{ ports = 'tcp/443', address = '{address}' }}]"), &places)[0];
        (rule("allow"), rule("deny"))
    };
    assert_eq!(of("each"), (Violated, Violated));
    assert_eq!(of("any"), (Proved, Violated));
    assert_eq!(of("ipv4"), (Proved, Violated));
    assert_eq!(of("ipv6"), (Violated, Proved));
    assert_eq!(of(V6), (Violated, Proved));
    assert_eq!(of(OTHER_V4), (Inconclusive, Inconclusive), "that address was not asked");
    let found = judged(&target("allow = [{ ports = 'tcp/443', address = 'any' }]"), &[], &places).rules.remove(0);
    assert_eq!(found.check.confidence, Confidence::Medium);
    assert!(found.check.seen.iter().any(|seen| seen.contains(V6)), "{:?}", found.check.seen);
    let untold = [at(V4, &["tcp/443 closed"]), at(V6, &["tcp/443 unstable"])];
    assert_eq!(verdicts("allow = [{ ports = 'tcp/443', address = 'any' }]", &untold), [Inconclusive]);
    assert_eq!(
        verdicts("deny = [{ ports = 'tcp/443', address = 'ipv6' }]", &[at(V4, &["tcp/443 closed"])]),
        [Inconclusive]
    );
}

/// Every TCP port in this state, but for those that were seen otherwise.
fn sweep(state: &str, seen: Vec<(Question, Attempt)>) -> Vec<(Question, Attempt)> {
    let ports = seen.iter().filter_map(|(question, _)| match question {
        Question::Port { ports } if ports.transport() == Transport::Tcp => Some(ports.each()),
        _ => None,
    });
    let taken: BTreeSet<u16> = ports.flatten().collect();
    let free = Ports::ranges(Transport::Tcp, (1..=u16::MAX).filter(|port| !taken.contains(port)));
    let rest = free.into_iter().map(|ports| match parse_seen(&format!("{ports} {state}")).unwrap() {
        Seen::Observation(question, attempt) => (question, *attempt),
        other => panic!("{other:?}"),
    });
    let rest: Vec<(Question, Attempt)> = rest.collect();
    seen.into_iter().chain(rest).collect()
}

#[test]
fn nothing_else_is_open_only_where_everything_was_asked() {
    let rules = "allow = ['tcp/443']\nexpected = ['tcp/80']\ndeny = ['rest']";
    let asked = at(V4, &["tcp/443 open", "tcp/80 open", "tcp/3389 closed", "udp/161 open"]);
    let rest = |place: &At| {
        let found = judged(&target(rules), &[], std::slice::from_ref(place)).rules.remove(1);
        (found.verdict(), found)
    };
    let (verdict, found) = rest(&asked);
    assert_eq!(verdict, Inconclusive);
    assert!(found.check.settle.as_deref().is_some_and(|settle| settle.contains("--sweep")));
    let said = found.check.seen.join("; ");
    assert!(said.contains("1 of 65533 other TCP ports were asked") && said.contains("tcp/3389 closed"), "{said}");

    let swept = At { seen: sweep("filtered", asked.seen.clone()), ..asked.clone() };
    let (verdict, found) = rest(&swept);
    assert_eq!(verdict, Proved, "{found:?}");
    assert!(!found.check.rests_on.is_empty());

    let mut open = swept.clone();
    open.seen.extend(at(V4, &["tcp/3389 service rdp"]).seen);
    open.seen[2] = at(V4, &["tcp/3389 open"]).seen.remove(0);
    let (verdict, found) = rest(&open);
    assert_eq!(verdict, Violated);
    assert!(found.check.seen[0].contains("tcp/3389 open") && found.check.seen[0].contains("RDP"), "{found:?}");
    let few = At { seen: at(V4, &["tcp/3389 open"]).seen, ..asked.clone() };
    assert_eq!(rest(&few).0, Violated, "without a sweep too");

    let silent = At { health: AddressHealth { stopped_answering: true, ..healthy() }, ..swept.clone() };
    assert_eq!(rest(&silent).0, Inconclusive);
    let mut unstable = swept;
    unstable.seen[2] = at(V4, &["tcp/3389 unstable"]).seen.remove(0);
    assert_eq!(rest(&unstable).0, Inconclusive);
}

#[test]
fn what_a_target_says_itself_goes_before_a_default() {
    let text = |keys: &str| {
        format!("deny = ['tcp/3380-3390']\n[[target]]\nname = 'a'\nhost = 'a.example'\nroles = ['iis']\n{keys}")
    };
    let verdicts = |keys: &str, seen: &[&str]| {
        let target = parse("t.toml", &text(keys), &mut Places::default()).unwrap().remove(0);
        let found = judged(&target, &[], &[at(V4, seen)]).rules;
        found.iter().map(|found| (found.rule.to_string(), found.verdict())).collect::<Vec<_>>()
    };
    let seen = ["tcp/3380-3388 closed", "tcp/3389 open", "tcp/3390 closed"];
    let default = |verdict| ("deny tcp/3380-3390".to_owned(), verdict);
    assert_eq!(verdicts("", &seen), [default(Violated)]);
    let own = ("allow tcp/3389".to_owned(), Proved);
    assert_eq!(verdicts("allow = ['tcp/3389']", &seen), [own, default(Proved)]);
    let own = ("allow tcp/3380-3390".to_owned(), Violated);
    assert_eq!(verdicts("allow = ['tcp/3380-3390']", &seen), [own, default(NotApplicable)]);
    assert_eq!(verdicts("expected = ['tcp/3389']", &seen), [default(Proved)]);
    assert_eq!(verdicts("default_rules = false", &seen), []);
}

#[test]
fn a_default_about_addresses_that_the_host_cannot_have_does_not_concern_it() {
    let rule = "deny = [{ ports = 'tcp/22', address = 'ipv6' }]";
    let text = format!("{rule}\n[[target]]\nname = 'a'\nhost = '{V4}'\nroles = ['iis']\n");
    let target = parse("t.toml", &text, &mut Places::default()).unwrap().remove(0);
    let found = judged(&target, &[], &[at(V4, &["tcp/22 closed"])]).rules.remove(0);
    assert_eq!(found.verdict(), NotApplicable, "{found:?}");
}

#[test]
fn a_rule_against_a_guide_is_shown_at_both() {
    let catalogs = Catalogs::built_in().unwrap();
    let rules = "allow = [{ ports = 'tcp/3389', note = 'CHG-7' }]\ndeny = ['tcp/443']";
    let place = at(V4, &["tcp/3389 open", "tcp/3389 service rdp", "tcp/443 closed"]);
    let judgement = judged(&target(rules), &catalogs.guides, &[place]);
    assert_eq!(judgement.rules.iter().map(|found| found.disagreements.len()).collect::<Vec<_>>(), [1, 1]);
    let against: Vec<_> = judgement.disagreements.iter().filter(|found| found.rule.is_some()).collect();
    assert_eq!(against[0].subject, "tcp/3389");
    assert!(against[0].items.contains(&"AUT-NET-11".to_owned()), "{against:?}");
    assert!(against[0].explanation.contains("CHG-7"), "{against:?}");
    assert_eq!((against[1].subject.as_str(), against[1].rule.as_deref()), ("tcp/443", Some("deny tcp/443")));
    let item = judgement.findings.iter().find(|finding| finding.item == "AUT-NET-11").unwrap();
    assert_eq!(item.verdict, Verdict::Fail, "the guide's verdict stays");
    assert_eq!(judgement.rules[0].verdict(), Proved, "and so does the rule's");
    assert!(item.disagreements.iter().any(|note| note.contains("allow tcp/3389")), "{:?}", item.disagreements);
    // What is denied at one address of several is not against a guide that one address satisfies.
    let places = [at(V4, &["tcp/443 open"]), at(V6, &["tcp/443 closed"])];
    let judgement = judged(&target("deny = [{ ports = 'tcp/443', address = 'ipv6' }]"), &catalogs.guides, &places);
    assert!(judgement.disagreements.iter().all(|found| found.rule.is_none()));
}

/// Ports that a rule allows are expected by the guides' "only these are open" too; those that it denies are not.
#[test]
fn what_is_allowed_is_expected_by_the_guides_too() {
    let catalogs = Catalogs::built_in().unwrap();
    let only = |keys: &str| {
        let places = [at(V4, &["tcp/50123 open", "tcp/50123 service http"])];
        let findings = judged(&target(keys), &catalogs.guides, &places).findings;
        let checks = findings.iter().flat_map(|finding| &finding.checks);
        let mut only = checks.filter(|check| check.rule.starts_with("nothing open but"));
        only.next().map(|check| check.verdict)
    };
    assert_eq!(only(""), Some(Verdict::Fail));
    assert_eq!(only("allow = ['tcp/50123']"), Some(Verdict::Inconclusive));
    assert_eq!(only("allow = [{ ports = 'tcp/50123', address = 'ipv6' }]"), Some(Verdict::Fail));
    assert_eq!(only("deny = ['tcp/50123']"), Some(Verdict::Fail));
}

/// The ways in which an answer is lost: the question was not asked at all, was skipped, or failed.
fn losses() -> Vec<Option<Attempt>> {
    let failure = Failure { stage: Stage::Connect, blame: Blame::Ourselves, cause: Cause::TimedOut { allowed_ms: 9 } };
    vec![Some(Attempt::Skipped { skip: Skip::Interrupted }), None, Some(Attempt::Failed { failure })]
}

fn lose(seen: &mut Vec<(Question, Attempt)>, place: usize, loss: Option<Attempt>) {
    match loss {
        Some(attempt) => seen[place].1 = attempt,
        None => drop(seen.remove(place)),
    }
}

/// What a judgement with fewer answers may say of the rules of one with more. What proves a rule is an answer of its own at
/// each address that it is about, and a proof names what it rests on.
fn claims_no_more(before: &Judgement, after: &Judgement) {
    for (before, after) in before.rules.iter().zip(&after.rules) {
        let became = (before.verdict(), after.verdict());
        assert!(became.1 != Proved || became.0 == Proved, "{}: {became:?}: {:?}", after.rule, after.check);
        assert!(became.0 != Violated || became.1 != NotApplicable, "{}: {became:?}", after.rule);
        assert!(after.verdict() != Proved || !after.check.rests_on.is_empty(), "{}", after.rule);
    }
}

/// The first law of the judge, for expected rules: an answer that is taken away never turns a rule into "proved". Here each
/// answer in turn, where everything else is as good as it can be, so that this one answer decides.
#[test]
fn whichever_answer_is_lost_no_rule_is_proved_by_it() {
    let mut tried = 0;
    for rules in RULES {
        let target = target(rules);
        let swept = rules.contains("rest");
        for port in ["tcp/440", "tcp/445", "udp/75"] {
            for state in ["open", "closed", "rejected", "filtered", "unstable"] {
                let udp = port.starts_with("udp");
                let state = if udp && state == "filtered" { "open-or-filtered" } else { state };
                let seen = at(V4, &[&format!("{port} {state}"), "udp/70 closed"]).seen;
                let seen = if swept { sweep("closed", seen) } else { seen };
                let shut = at(V6, &["tcp/440-445 closed", "udp/75-76 closed"]).seen;
                let shut = if swept { sweep("closed", shut) } else { shut };
                let places =
                    [At { address: V4, health: healthy(), seen }, At { address: V6, health: healthy(), seen: shut }];
                let before = judged(&target, &[], &places);
                for (which, loss) in
                    [0, 1].into_iter().flat_map(|which| losses().into_iter().map(move |loss| (which, loss)))
                {
                    for place in 0..places[which].seen.len() {
                        let mut fewer = places.clone();
                        lose(&mut fewer[which].seen, place, loss.clone());
                        claims_no_more(&before, &judged(&target, &[], &fewer));
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 2000, "{tried}");
}

fn state() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["open", "open", "closed", "closed", "closed", "rejected", "filtered", "unstable"])
}

prop_compose! {
    /// A few ports of both transports, the services of some, and how far all that can be believed.
    fn place(address: &'static str)(
        tcp in prop::collection::vec(state(), 6),
        udp in prop::collection::vec(state(), 2),
        speaks in prop::collection::vec(prop::sample::select(vec!["", "https", "silent"]), 6),
        swept in prop::bool::weighted(0.15),
        doubts in prop::collection::vec(prop::bool::weighted(0.06), 6),
    ) -> At {
        let mut seen = Vec::new();
        for (port, (state, speaks)) in (440..).zip(tcp.iter().zip(&speaks)) {
            seen.push(format!("tcp/{port} {state}"));
            if *state == "open" && !speaks.is_empty() {
                seen.push(format!("tcp/{port} service {speaks}"));
            }
        }
        for (port, state) in (75..).zip(&udp) {
            seen.push(format!("udp/{port} {}", if *state == "filtered" { "open-or-filtered" } else { state }));
        }
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        let seen = at(address, &seen).seen;
        let seen = if swept { sweep("filtered", seen) } else { seen };
        let health = AddressHealth {
            answered: !doubts[0],
            decoys_open: if doubts[1] { vec![20_101] } else { Vec::new() },
            decoys_asked: if doubts[2] { 0 } else { 3 },
            decoys_speak: doubts[1] && doubts[3],
            stopped_answering: doubts[4],
            recheck_missing: doubts[5],
            inside: false,
            path: None,
            oddities: Vec::new(),
            udp_ration: None,
        };
        At { address, health, seen }
    }
}

/// Every form of rule over the ports of [`place`].
const RULES: [&str; 8] = [
    "allow = ['tcp/440-442']\ndeny = ['tcp/443-445', 'udp/75-76']",
    "allow = ['tcp/441', 'udp/75']\ndeny = ['rest']",
    "allow = [{ ports = 'tcp/440-441', address = 'any' }]\ndeny = ['rest', 'udp/76']",
    "allow = [{ ports = 'tcp/440', address = 'ipv4' }]\ndeny = [{ ports = 'tcp/440', address = 'ipv6' }]",
    "deny = [{ ports = 'rest', address = 'ipv6' }]",
    "expected = ['tcp/440-443']\ndeny = 'rest'",
    "deny = [{ ports = ['tcp/440', 'tcp/445'], address = '203.0.113.5' }]",
    "allow = [{ ports = ['tcp/440', 'udp/75'], address = 'any' }, { ports = 'tcp/441', address = '2001:db8::5' }]",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same for several answers at once, of targets in any state.
    #[test]
    fn lost_answers_never_prove_a_rule(
        first in place(V4), second in place(V6), keys in prop::sample::select(RULES.to_vec()),
        lost in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), prop::sample::select(losses())), 1..4),
    ) {
        let target = target(keys);
        let before = judged(&target, &[], &[first.clone(), second.clone()]);
        let mut places = [first, second];
        for (place, at_second, loss) in lost {
            let seen = &mut places[usize::from(at_second)].seen;
            lose(seen, place.index(seen.len()), loss);
        }
        claims_no_more(&before, &judged(&target, &[], &places));
    }

    /// No state of a port proves that it is open and that it is shut.
    #[test]
    fn allow_and_deny_are_never_both_proved(place in place(V4)) {
        for ports in ["tcp/440", "tcp/441-443", "udp/75"] {
            let both = ["allow", "deny"].map(|list| verdicts(&format!("{list} = ['{ports}']"), std::slice::from_ref(&place))[0]);
            prop_assert!(both != [Proved, Proved], "{ports}: {place:?}");
        }
    }
}

/// What a path may make of a sweep has no bound but the number of ports; it is still judged, and told in few words.
#[test]
fn a_sweep_with_another_answer_at_every_port_is_judged() {
    let seen = (1..=u16::MAX).map(|port| {
        let reason = PortReason::Icmp { v6: false, kind: 3, code: 13 };
        let sender = Some(IpAddr::from([198, 51, port.to_be_bytes()[0], port.to_be_bytes()[1]]));
        let fact = PortFact { state: PortState::Rejected, reason, sender };
        (Question::Port { ports: Ports::tcp(port).unwrap() }, Attempt::Answered { fact: Fact::Port(fact) })
    });
    let place = At { address: V4, health: healthy(), seen: seen.collect() };
    let found = judged(&target("deny = 'rest'"), &[], &[place]).rules.remove(0);
    assert_eq!(found.verdict(), Proved);
    assert!(found.check.seen.len() < 20, "{}", found.check.seen.len());
}

/// A middlebox that completes every handshake, and answers now so, now so: whatever it does, the report stays readable.
#[test]
fn a_sweep_of_what_answers_at_every_port_is_told_in_ranges() {
    let open = |port| (port, format!("tcp/{port} open"));
    let each = |speaks: fn(u16) -> String| -> At {
        let lines: Vec<String> = (1..=u16::MAX).map(open).flat_map(|(port, open)| [open, speaks(port)]).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut place = at(V4, &lines);
        place.health.decoys_open = vec![1, 2, 3];
        place
    };
    let silent = each(|port| format!("tcp/{port} service silent"));
    for keys in ["deny = 'rest'", "expected = ['tcp/80', 'tcp/443']\ndeny = 'rest'", "deny = ['tcp/1-9000']"] {
        let found = judged(&target(keys), &[], std::slice::from_ref(&silent)).rules.remove(0);
        assert_eq!(found.verdict(), Inconclusive, "{keys}");
        assert!(found.check.seen.len() < 4, "{keys}: {:?}", found.check.seen);
        assert!(found.check.rests_on.len() <= IDS_TOLD + 2, "{keys}: {}", found.check.rests_on.len());
        assert!(serde_json::to_string(&found).unwrap().len() < 10_000, "{keys}");
    }
    let found = judged(&target("expected = ['tcp/80', 'tcp/443']\ndeny = 'rest'"), &[], &[silent]).rules.remove(0);
    assert!(found.check.seen[0].starts_with("tcp/1-79, tcp/81-442, tcp/444-65535 open at"), "{:?}", found.check.seen);
    let mixed = each(|port| {
        let said = ["silent", "http", "https"];
        format!("tcp/{port} service {}", said[usize::from(port) % said.len()])
    });
    let found = judged(&target("deny = 'rest'"), &[], &[mixed]).rules.remove(0);
    assert!(serde_json::to_string(&found).unwrap().len() < 20_000, "{:?}", found.check.seen);
    assert!(
        found.check.seen[0].contains(" and ") && found.check.seen[0].contains(" more open at"),
        "{:?}",
        found.check.seen
    );
}
