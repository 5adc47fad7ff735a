//! UDP: what is said of ports that answer, that refuse, and that are silent for whatever reason.

use crate::seen::Transport::Udp;
use crate::seen::{AMONG_REFUSALS, ANSWERS, PATIENCE, SILENT, Seen, icmp, truth};
use crate::support::array;
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, v4, v6};
use crate::support::wire::Path;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const RATIONED: &str = "open-or-filtered rationed";

/// A closed port, as the target itself says.
fn closed(address: IpAddr) -> String {
    let (kind, code) = if address.is_ipv6() { (1, 4) } else { (3, 3) };
    icmp("closed", kind, code, &address)
}

/// Listeners at 2000, which answers, and 2001, which does not; a rule that drops 3000 to 3009.
fn furnish(mut perimeter: Perimeter) -> Perimeter {
    perimeter
        .target
        .nft("table inet gate { chain input { type filter hook input priority 0; udp dport 3000-3009 drop; }; }");
    for address in [v4(10), v6(10)] {
        perimeter.udp_echo(address, 2000);
        perimeter.udp_silent(address, &[2001]);
        // Answers would come, were they let through.
        perimeter.udp_echo(address, 3000);
    }
    perimeter
}

fn perimeter() -> Perimeter {
    furnish(Perimeter::new(&[10]))
}

/// Asks for UDP ports as an option names them, with further options.
fn probe(perimeter: &Perimeter, hosts: &[IpAddr], udp: &str, more: &[&str]) -> Seen {
    let mut command = crate::support::portreeve();
    command.timeout(PATIENCE).args(["probe", "ports", "--format", "json", "--udp", udp]).args(more);
    command.args(hosts.iter().map(ToString::to_string));
    Seen::of(perimeter.scanner.inside(|| command.output().unwrap()))
}

/// How many ports have each state.
fn counted(seen: &Seen, address: IpAddr) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for state in seen.states(address).into_values() {
        *counted.entry(state).or_default() += 1;
    }
    counted
}

#[test]
fn silence_over_udp_is_never_closed_and_a_refusal_never_silence() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &[], &[2000, 2001, 2002, 2003, 3000, 3001]);
    for address in [v4(10), v6(10)] {
        let closed = closed(address);
        let silent = [2001, 3000, 3001];
        let silent = (Udp, silent.as_slice(), AMONG_REFUSALS);
        seen.is(address, &truth(&[(Udp, &[2000], ANSWERS), silent, (Udp, &[2002, 2003], &closed)]));
        assert!(seen.health(address)["udp_ration"].is_null());
    }
    seen.ended(0);
}

#[test]
fn a_thousand_dropped_ports_are_undecided_and_nobody_waits_for_them() {
    if !usable() {
        return;
    }
    let perimeter = furnish(Perimeter::behind(Path { round_trip: Duration::from_millis(20), loss: 0, seed: 1 }, &[10]));
    perimeter
        .target
        .nft("table inet more { chain input { type filter hook input priority 0; udp dport 40000-41000 drop; }; }");
    let seen = probe(&perimeter, &[v4(10)], "40000-41000", &[]);
    let ports: Vec<u16> = (40_000..=41_000).collect();
    seen.is(v4(10), &truth(&[(Udp, &ports, SILENT)]));
    let took = seen.report["elapsed_ms"].as_u64().unwrap();
    eprintln!("1,001 dropped UDP ports: {took} ms");
    // It takes less than two; a machine that is busy with other tests is given more.
    assert!(took < 10_000, "{took} ms");
}

/// Linux sends six refusals at once and then one a second: whoever hurries sees silence where ports are closed.
#[test]
fn a_ration_decides_the_ports_that_matter_and_the_rest_says_what_it_would_cost() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.target.ration_icmp(true);
    let seen = probe(&perimeter, &[v4(10)], "75,70-74,8002,40000-40050", &[]);
    let mut states = seen.states(v4(10));
    for port in [75, 70, 71, 72, 73, 74, 8002] {
        assert_eq!(states.remove(&(Udp, port)).unwrap(), closed(v4(10)), "{port}");
    }
    for (port, state) in states {
        assert!(state == RATIONED || state == closed(v4(10)), "{port:?}: {state}");
    }
    let ration = &seen.health(v4(10))["udp_ration"];
    assert_eq!(ration["burst"], 6);
    let interval = ration["interval_ms"].as_u64().unwrap();
    assert!((700..2000).contains(&interval), "{interval} ms between refusals");
    let mut told = array(&seen.report["targets"][0], "observations").iter().map(|one| &one["answer"]["ration"]);
    let rationed = told.find(|ration| !ration.is_null()).unwrap();
    let number = |key: &str| rationed[key].as_u64().unwrap();
    assert_eq!((number("asked"), number("answered") + number("undecided")), (58, 58));
    assert_eq!(number("seconds_to_decide"), (number("undecided") * interval).div_ceil(1000));
    seen.ended(0);
}

#[test]
fn with_patience_listeners_and_drop_rules_show_among_the_refusals_of_a_rationed_host() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.target.ration_icmp(true);
    let seen = probe(&perimeter, &[v4(10), v6(10)], "2000-2001,3000-3009,4000-4011", &["--thorough"]);
    let closed_ports: Vec<u16> = (4000..4012).collect();
    let silent: Vec<u16> = (3000..3010).chain([2001]).collect();
    for address in [v4(10), v6(10)] {
        let (closed, silent) = (closed(address), (Udp, silent.as_slice(), AMONG_REFUSALS));
        seen.is(address, &truth(&[(Udp, &[2000], ANSWERS), silent, (Udp, &closed_ports, &closed)]));
    }
    seen.ended(0);
}

#[test]
fn when_the_time_is_over_what_was_learned_is_kept() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.target.ration_icmp(true);
    let seen = probe(&perimeter, &[v4(10)], "2000,4000-4199", &["--thorough", "--host-time", "10"]);
    let mut counted = counted(&seen, v4(10));
    assert_eq!(counted.remove(ANSWERS), Some(1));
    let refused = counted.remove(&closed(v4(10))).unwrap();
    assert!((6..50).contains(&refused), "{refused} refusals");
    assert_eq!(counted, BTreeMap::from([(RATIONED.to_owned(), 200 - refused)]));
    assert_eq!(seen.troubles(), [""; 0]);
}

#[test]
fn on_a_path_that_loses_packets_nothing_is_said_that_was_not_heard() {
    if !usable() {
        return;
    }
    for seed in 1..4 {
        let path = Path { round_trip: Duration::from_millis(20), loss: 100, seed };
        let perimeter = furnish(Perimeter::behind(path, &[10]));
        perimeter.target.ration_icmp(seed == 1);
        let seen = probe(&perimeter, &[v4(10)], "2000-2001,3000-3009,4000-4029", &[]);
        for ((_, port), state) in seen.states(v4(10)) {
            let silent = state.starts_with("open-or-filtered");
            match port {
                2000 => assert!(silent || state == ANSWERS, "{seed}: {port} {state}"),
                4000.. => assert!(silent || state == closed(v4(10)), "{seed}: {port} {state}"),
                _ => assert!(silent, "{seed}: {port} {state}"),
            }
        }
        eprintln!("seed {seed}: {:?}", counted(&seen, v4(10)));
        seen.ended(0);
    }
}
