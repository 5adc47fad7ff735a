//! Addresses at which there is nobody, and networks that lead nowhere.

use crate::PORTS;
use crate::seen::Transport::{Tcp, Udp};
use crate::seen::{CLOSED, FILTERED, OPEN, PATIENCE, SILENT, Seen, States, icmp, probe, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, ROUTER, v4, v6};
use crate::support::wire::Path;
use crate::support::{array, text};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What routers do with packets for a host that is not there.
const ROUTES: &str = "route add blackhole 203.0.113.19/32\nroute add unreachable 203.0.113.20/32
    route add prohibit 203.0.113.21/32\nroute add blackhole 2001:db8:7::19/128
    route add unreachable 2001:db8:7::20/128\nroute add prohibit 2001:db8:7::21/128";

#[test]
fn who_is_not_there_is_neither_open_nor_closed() {
    if !usable() {
        return;
    }
    let perimeter = Perimeter::new(&[10]);
    perimeter.router.ip(ROUTES);
    // Nobody answers ARP at 18; what the router says of that comes after some seconds, or too late.
    let hosts = [18, 19, 20, 21].map(|number| [v4(number), v6(number)]).concat();
    let seen = Seen::probe(&perimeter, &hosts, &PORTS, &[75]);
    for address in &hosts {
        assert_eq!(seen.health(*address)["answered"], false, "{address}");
    }
    for address in [v4(19), v6(19)] {
        seen.is(address, &truth(&[(Tcp, &PORTS, FILTERED), (Udp, &[75], SILENT)]));
    }
    // What routers say of this they say once a second at most; what they say is believed, and no more than that.
    let mut named = 0;
    for (number, over_v4, over_v6) in [(18, (3, 1), (1, 3)), (20, (3, 1), (1, 0)), (21, (3, 13), (1, 1))] {
        for (address, (kind, code), router) in [(v4(number), over_v4, ROUTER[0]), (v6(number), over_v6, ROUTER[1])] {
            let said = icmp("rejected", kind, code, &router);
            let states = seen.states(address);
            assert_eq!(states.len(), PORTS.len() + 1, "{address}: a port is lost");
            for (port, state) in states {
                assert!(state == said || [FILTERED, SILENT].contains(&state.as_str()), "{address} {port:?}: {state}");
                named += usize::from(number != 18 && state == said);
            }
        }
    }
    assert!(named > 4, "{named} refusals were seen");
    // For a probe that is a result; but it is said.
    seen.ended(0);
    assert_eq!(seen.troubles(), vec!["unreachable"; hosts.len()]);
}

#[test]
fn without_a_route_nothing_is_asked_and_that_is_said() {
    if !usable() {
        return;
    }
    let perimeter = Perimeter::new(&[10]);
    // 192.0.2.0/24 is nowhere; the target's network is known, and the way to it is closed on this machine.
    perimeter.scanner.ip("route replace unreachable 203.0.113.0/24\nroute del 2001:db8:7::/64");
    let hosts = ["192.0.2.1".parse().unwrap(), v4(10), v6(10)];
    let seen = Seen::probe(&perimeter, &hosts, &PORTS, &[75]);
    seen.ended(3);
    for address in hosts {
        seen.is(address, &truth(&[(Tcp, &PORTS, "skipped no-route"), (Udp, &[75], "skipped no-route")]));
        assert_eq!(seen.health(address)["answered"], false);
    }
    assert_eq!(seen.troubles(), ["no-route"; 3]);
}

/// Asks ninety ports of a careless host, one in ten of them open, over a wire to which something happens meanwhile.
fn half_way(happens: impl FnOnce(&Perimeter)) -> (Seen, States) {
    let all: Vec<u16> = (2000..2090).collect();
    let open: Vec<u16> = all.iter().copied().step_by(10).collect();
    let truth = truth(&[(Tcp, &all, CLOSED), (Tcp, &open, OPEN)]);
    (half_way_through(&["--tcp", "2000-2089", "--rate", "60"], &open, happens), truth)
}

fn half_way_through(options: &[&str], open: &[u16], happens: impl FnOnce(&Perimeter)) -> Seen {
    let mut perimeter = Perimeter::behind(Path { round_trip: Duration::from_millis(20), loss: 0, seed: 1 }, &[10]);
    perimeter.tcp(v4(10), open);
    let mut command = crate::support::process();
    command.args(["probe", "ports", &v4(10).to_string(), "--format", "json"]).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = perimeter.scanner.inside(|| command.spawn().unwrap());
    // Every port costs two frames at least.
    until(|| perimeter.wire.as_ref().unwrap().carried() > 40);
    happens(&perimeter);
    Seen::of(child.wait_with_output().unwrap())
}

fn until(mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "what is waited for does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whatever was learned stays, no port is lost, and silence is believed only where it is said that it must not be.
fn hardens_nobody(seen: &Seen, truth: &States) {
    let states = seen.states(v4(10));
    assert_eq!(states.len(), truth.len(), "a port is lost");
    let learned = states.iter().filter(|(port, state)| truth[port] == **state).count();
    assert!(learned >= 10, "{learned} ports were learned");
    let health = seen.health(v4(10));
    let marked = health["stopped_answering"] == true || health["recheck_missing"] == true;
    let honest: &[&str] =
        &["skipped no-route", "skipped stopped-answering", "skipped lossy", "failed ourselves", "unstable", "filtered"];
    let honest = if marked { honest } else { &honest[..5] };
    for (port, state) in states.iter().filter(|(port, state)| truth[port] != **state) {
        assert!(honest.iter().any(|word| state.starts_with(word)), "{port:?}: {state}; {health}");
    }
}

#[test]
fn an_interface_that_goes_down_half_way_hardens_nobody() {
    if !usable() {
        return;
    }
    let (seen, truth) = half_way(|perimeter| perimeter.scanner.ip("link set scan0 down"));
    hardens_nobody(&seen, &truth);
    seen.ended(3);
    assert!(!seen.troubles().is_empty());
}

/// The same over UDP: what was not asked is not silent.
#[test]
fn datagrams_that_cannot_leave_are_said_to_have_no_route() {
    if !usable() {
        return;
    }
    let options = ["--udp", "2000-2199", "--udp-rate", "60"];
    let seen = half_way_through(&options, &[], |perimeter| perimeter.scanner.ip("link set scan0 down"));
    let states = seen.states(v4(10));
    assert_eq!(states.len(), 200, "a port is lost");
    let closed = icmp("closed", 3, 3, &v4(10));
    let count = |wanted: &str| states.values().filter(|state| state.starts_with(wanted)).count();
    let (refused, silent, left) = (count(&closed), count("open-or-filtered"), count("skipped no-route"));
    assert_eq!(refused + silent + left, 200, "{states:?}");
    assert!(refused >= 10 && left >= 100, "{refused} ports refused, {silent} were silent, {left} were left");
    seen.ended(3);
    assert_eq!(seen.troubles(), ["no-route"]);
}

#[test]
fn a_path_that_is_cut_half_way_hardens_nobody() {
    if !usable() {
        return;
    }
    let (seen, truth) = half_way(|perimeter| perimeter.wire.as_ref().unwrap().cut(true));
    hardens_nobody(&seen, &truth);
    seen.ended(3);
    assert_eq!(seen.troubles(), ["stopped-answering"]);
}

/// A path that is away for a while and comes back: at the end the target answers as it did at first.
#[test]
fn an_outage_that_passes_hardens_nobody() {
    if !usable() {
        return;
    }
    let (seen, truth) = half_way(|perimeter| {
        let wire = perimeter.wire.as_ref().unwrap();
        wire.cut(true);
        let begin = Instant::now();
        // Long enough for whoever gives up on a port after some seconds, and over for whoever waits for the path.
        until(|| wire.lost() > 400 || begin.elapsed() > Duration::from_secs(6));
        wire.cut(false);
    });
    hardens_nobody(&seen, &truth);
}

/// The same for a name of which one side has no route: the other is asked in full.
#[test]
fn the_family_that_has_a_route_is_asked() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    perimeter.scanner.ip("route del 2001:db8:7::/64");
    perimeter.tcp(v4(10), &[443]);
    let mut command = probe(&[v4(10), v6(10)], &[443, 444], &[]);
    command.args(["--format", "json"]);
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    seen.ended(3)
        .is(v4(10), &truth(&[(Tcp, &[443], OPEN), (Tcp, &[444], CLOSED)]))
        .is(v6(10), &truth(&[(Tcp, &[443, 444], "skipped no-route")]));
    let troubles = array(&seen.report["targets"][1], "troubles");
    assert!(text(&troubles[0], "text").contains("no route to 2001:db8:7::10"), "{troubles:?}");
}
