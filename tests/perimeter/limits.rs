//! What changes with how much is asked: limits on SYNs, blocks, and middleboxes that answer for everybody.

use crate::PORTS;
use crate::seen::Transport::Tcp;
use crate::seen::{CLOSED, FILTERED, OPEN, PATIENCE, Seen, States, ports, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, v4, v6};
use crate::support::{array, text};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};

/// Drops SYNs of a source that sends more than 200 a second.
const SYN_LIMIT: &str = "table inet gate {
    set talkers4 { type ipv4_addr; flags dynamic; }
    set talkers6 { type ipv6_addr; flags dynamic; }
    chain input { type filter hook input priority 0
        tcp flags & (syn | ack) == syn add @talkers4 { ip saddr limit rate over 200/second burst 50 packets } drop
        tcp flags & (syn | ack) == syn add @talkers6 { ip6 saddr limit rate over 200/second burst 50 packets } drop
    }; }";

/// 600 ports of a host with a limit on SYNs, with what is said of them when they are asked with these options.
fn behind_syn_limit(options: &[&str]) -> (Seen, States) {
    let mut perimeter = Perimeter::new(&[16]);
    perimeter.target.nft(SYN_LIMIT);
    let all: Vec<u16> = (2000..2600).collect();
    let open: Vec<u16> = (2000..2600).step_by(97).collect();
    for address in [v4(16), v6(16)] {
        perimeter.tcp(address, &open);
    }
    let mut command = crate::seen::probe(&[v4(16), v6(16)], &all, &[]);
    command.args(["--format", "json"]).args(options);
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    (seen, truth(&[(Tcp, &all, CLOSED), (Tcp, &open, OPEN)]))
}

#[test]
fn a_limit_on_syns_hides_no_port() {
    if !usable() {
        return;
    }
    let (seen, truth) = behind_syn_limit(&[]);
    seen.ended(0).is(v4(16), &truth).is(v6(16), &truth);
}

/// Whoever asks faster than is let through may learn less, and is told so.
#[test]
fn a_limit_on_syns_is_no_firewall_for_the_hasty_either() {
    if !usable() {
        return;
    }
    let (seen, truth) = behind_syn_limit(&["--rate", "2000"]);
    for address in [v4(16), v6(16)] {
        let states = seen.states(address);
        assert_eq!(states.len(), truth.len(), "{address}: a port is lost");
        let health = seen.health(address);
        let marked = health["stopped_answering"] == true || health["recheck_missing"] == true;
        let unseen = states.iter().filter(|(port, state)| truth[port] != **state).collect::<Vec<_>>();
        let of = unseen.len();
        for (port, state) in unseen {
            let honest = state.starts_with("unstable") || state.starts_with("skipped") || marked && state == FILTERED;
            assert!(honest, "{address} {port:?} and {of} more: {state}; {health}");
        }
    }
}

/// A limit that refuses what is too much for it: its refusals say nothing of the ports.
#[test]
fn a_limit_that_refuses_makes_no_open_port_closed() {
    if !usable() {
        return;
    }
    for refusal in ["reject with tcp reset", "reject with icmpx type admin-prohibited"] {
        for (limit, options) in
            [("100/second burst 20 packets", &[][..]), ("200/second burst 50 packets", &["--rate", "2000"])]
        {
            let mut perimeter = Perimeter::new(&[16]);
            let rules = SYN_LIMIT
                .replace("200/second burst 50 packets", limit)
                .replace("packets } drop", &format!("packets }} {refusal}"));
            perimeter.target.nft(&rules);
            let all: Vec<u16> = (2000..2070).collect();
            let open: Vec<u16> = (2000..2070).step_by(3).collect();
            for address in [v4(16), v6(16)] {
                perimeter.tcp(address, &open);
            }
            let mut command = crate::seen::probe(&[v4(16), v6(16)], &all, &[]);
            command.args(["--format", "json"]).args(options);
            let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
            let hasty = !options.is_empty();
            for address in [v4(16), v6(16)] {
                let states = seen.states(address);
                assert_eq!(states.len(), all.len(), "{address}, {limit}, {refusal}: a port is lost");
                for port in &open {
                    let state = &states[&(Tcp, *port)];
                    let undecided = state.starts_with("unstable") || state.starts_with("skipped");
                    assert!(state == OPEN || hasty && undecided, "{address} {port}, {limit}, {refusal}: {state}");
                }
                assert!(hasty || seen.open(address) == open, "{address}, {limit}, {refusal}");
            }
        }
    }
}

/// A port that takes four connections and then is silent, while every other answers as it did.
const CLOSING: &str = "table inet gate { chain input { type filter hook input priority 0
    tcp dport 443 tcp flags & (syn | ack) == syn limit rate over 1/hour burst 4 packets drop
    }; }";

/// What was open and cannot be connected to any more was not looked into, and nobody may say that the run was whole.
#[test]
fn a_port_that_was_open_and_is_silent_when_it_is_looked_into_makes_no_whole_run() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[20]);
    perimeter.target.nft(CLOSING);
    perimeter.tcp(v4(20), &[443]);
    let mut command = crate::support::portreeve();
    command.timeout(PATIENCE).args(["scan", "--role", "screenconnect", "--format", "json"]).arg(v4(20).to_string());
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    seen.ended(3);
    assert_eq!(seen.states(v4(20))[&(Tcp, 443)], OPEN);
    assert_eq!(seen.troubles(), ["stopped-answering"]);
    assert_eq!(seen.health(v4(20))["stopped_answering"], true);
}

/// After forty SYNs within a minute a source is dropped for a minute.
const BLOCK: &str = "table inet gate {
    set talkers { type ipv4_addr; flags dynamic; timeout 1m; }
    set blocked { type ipv4_addr; flags dynamic, timeout; timeout 1m; }
    chain input { type filter hook input priority 0
        ip saddr @blocked drop
        tcp flags & (syn | ack) == syn add @talkers { ip saddr limit rate over 1/minute burst 40 packets } add @blocked { ip saddr } drop
    }; }";

/// Silence after a block is the block's, and must not make a careless server look hardened.
#[test]
fn a_target_that_begins_to_drop_us_is_not_said_to_filter() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[20]);
    perimeter.target.nft(BLOCK);
    let all: Vec<u16> = (2000..2100).collect();
    let open: Vec<u16> = (2000..2100).step_by(10).collect();
    perimeter.tcp(v4(20), &open);
    let seen = Seen::probe(&perimeter, &[v4(20)], &all, &[]);
    seen.ended(3);
    assert_eq!(seen.health(v4(20))["stopped_answering"], true, "{}", seen.health(v4(20)));
    assert!(seen.troubles().contains(&"stopped-answering"), "{:?}", seen.troubles());
    // What was seen before stays, and nothing is invented; the rest says that nothing came back, or that it was not asked.
    let truth = truth(&[(Tcp, &all, CLOSED), (Tcp, &open, OPEN)]);
    let states = seen.states(v4(20));
    assert_eq!(states.len(), all.len(), "a port is lost");
    let differing = states.iter().filter(|(port, state)| truth[port] != **state);
    let (mut unseen, mut learned) = (0, states.len());
    for (port, state) in differing {
        assert!(
            ["filtered", "unstable", "failed", "skipped"].iter().any(|word| state.starts_with(word)),
            "{port:?}: {state}"
        );
        unseen += 1;
        learned -= 1;
    }
    assert!(unseen > 0 && learned >= 20, "{learned} ports seen before the block, {unseen} not");
}

/// Drops the first eighty or so SYNs, as a way does that is down when a scan begins, whatever the clock says.
const OUTAGE: &str = "table inet gate { chain input { type filter hook input priority 0
    meta l4proto tcp quota until 5 kbytes drop
}; }";

/// Silence while nothing at all answered says nothing once something does.
#[test]
fn what_was_silent_while_the_way_was_down_is_asked_again() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[21]);
    perimeter.target.nft(OUTAGE);
    let all: Vec<u16> = (2000..2020).collect();
    perimeter.tcp(v4(21), &[2003, 2017]);
    // The only sign of life while TCP is down.
    perimeter.udp_echo(v4(21), 3000);
    let seen = Seen::probe(&perimeter, &[v4(21)], &all, &[3000]);
    let mut truth = truth(&[(Tcp, &all, CLOSED), (Tcp, &[2003, 2017], OPEN)]);
    truth.extend(seen.states(v4(21)).into_iter().filter(|((transport, _), _)| *transport != Tcp));
    seen.ended(0).is(v4(21), &truth);
}

/// Serves an empty web page at 443, until the test's process ends.
fn web(perimeter: &Perimeter, address: IpAddr) {
    let web = perimeter.target.inside(|| TcpListener::bind((address, 443)).unwrap());
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 2048]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            });
        }
    });
}

/// Completes the handshake of every port; there is a service at 443 alone.
fn middlebox(address: IpAddr) -> Perimeter {
    let perimeter = Perimeter::new(&[14]);
    let family = if address.is_ipv4() { "ip" } else { "ip6" };
    perimeter.target.nft(&format!(
        "table {family} gate {{ chain pre {{ type nat hook prerouting priority -100
            tcp dport != 443 redirect to :9; }}; }}"
    ));
    web(&perimeter, address);
    let mute = perimeter.target.inside(|| TcpListener::bind((address, 9)).unwrap());
    std::thread::spawn(move || mute.incoming().map_while(Result::ok).collect::<Vec<_>>());
    perimeter
}

/// `portreeve scan` of one address by one guide.
fn scan(perimeter: &Perimeter, address: IpAddr, guide: &str) -> Seen {
    let mut command = crate::support::portreeve();
    command.timeout(PATIENCE).args(["scan", &address.to_string(), "--role", guide, "--guide", guide]);
    // Mute ports are listened to for long; here everybody who has something to say says it at once.
    command.args(["--timeout", "0.3", "--format", "json"]);
    Seen::of(perimeter.scanner.inside(|| command.output().unwrap()))
}

fn decoys_opened(health: &Value) {
    assert!(health["decoys_asked"].as_u64() > Some(0), "{health}");
    assert_eq!(array(health, "decoys_open").len() as u64, health["decoys_asked"].as_u64().unwrap(), "{health}");
    assert_eq!(health["decoys_speak"], false, "{health}");
}

#[test]
fn ports_that_a_middlebox_opens_are_not_believed() {
    if !usable() {
        return;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| is_seen_through(v4(14)));
        scope.spawn(|| is_seen_through(v6(14)));
    });
}

fn is_seen_through(address: IpAddr) {
    let perimeter = middlebox(address);
    let seen = scan(&perimeter, address, "screenconnect");
    decoys_opened(seen.health(address));
    let target = &seen.report["targets"][0];
    let findings = array(target, "findings").iter().filter(|finding| text(finding, "item").contains("-NET-"));
    let verdicts: Vec<&str> = findings.map(|finding| text(finding, "verdict")).collect();
    assert_eq!(verdicts, ["inconclusive"; 5], "{address}");
    let service = |port: u16| {
        let mut all = array(target, "observations").iter();
        let asked = all.find(|one| {
            one["question"]["ask"] == "service" && ports(text(&one["question"], "ports")).any(|one| one == (Tcp, port))
        });
        asked.unwrap_or_else(|| panic!("tcp/{port} was not looked into"))["answer"]["protocol"].clone()
    };
    assert_eq!((service(443), service(8041)), ("http".into(), "silent".into()), "{address}");
}

/// Completes the handshakes of all ports in the target's place, and only then asks the target: closed ports are reset right
/// after the handshake.
const SYN_PROXY: &str = "table inet gate {
    chain before { type filter hook prerouting priority -300; iifname near0 tcp flags & (syn | ack) == syn notrack; }
    chain forward { type filter hook forward priority 0
        meta l4proto tcp ct state { invalid, untracked } synproxy mss 1460 wscale 7 timestamp sack-perm
        ct state invalid drop; }; }";

#[test]
fn ports_that_a_syn_proxy_opens_are_not_believed() {
    if !usable() {
        return;
    }
    let address = v4(15);
    let perimeter = Perimeter::new(&[15]);
    // Or an acknowledgement in the middle of a connection would begin one.
    perimeter.router.set("netfilter/nf_conntrack_tcp_loose", "0");
    perimeter.router.nft(SYN_PROXY);
    web(&perimeter, address);
    let seen = scan(&perimeter, address, "screenconnect");
    decoys_opened(seen.health(address));
    let target = &seen.report["targets"][0];
    let findings = array(target, "findings").iter().filter(|finding| text(finding, "item").contains("-NET-"));
    let verdicts: Vec<&str> = findings.map(|finding| text(finding, "verdict")).collect();
    assert_eq!(verdicts, ["inconclusive"; 5]);
    // Many ports are asked by SYNs of our own, whose answers show what a connection does not.
    let many: Vec<u16> = (8000..9200).collect();
    let seen = Seen::probe(&perimeter, &[address], &many, &[]);
    let health = seen.health(address);
    decoys_opened(health);
    let oddities = array(health, "oddities").iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
    assert!(oddities.contains("window of 0"), "{health}");
}

/// A report with an entry for each would be of tens of megabytes where all ports are asked.
#[test]
fn ports_that_a_middlebox_opens_and_that_say_nothing_are_told_as_ranges() {
    if !usable() {
        return;
    }
    let perimeter = middlebox(v4(14));
    let asked: Vec<u16> = (1..=1500).collect();
    let mut command = crate::seen::probe(&[v4(14)], &asked, &[]);
    command.args(["--timeout", "0.3", "--format", "json"]);
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    assert_eq!(seen.open(v4(14)), asked);
    let observations = array(&seen.report["targets"][0], "observations");
    let services = observations.iter().filter(|one| one["question"]["ask"] == "service");
    let told: Vec<(&str, &str)> =
        services.map(|one| (text(&one["question"], "ports"), text(&one["answer"], "protocol"))).collect();
    assert_eq!(told, [("tcp/1-442", "silent"), ("tcp/443", "http"), ("tcp/444-1500", "silent")]);
}

#[test]
fn a_probe_of_ports_too_says_when_decoys_open() {
    if !usable() {
        return;
    }
    let perimeter = middlebox(v4(14));
    let probe = |format: &str| {
        let mut command = crate::seen::probe(&[v4(14)], &PORTS, &[]);
        command.args(["--timeout", "0.3", "--format", format]);
        perimeter.scanner.inside(|| command.output().unwrap())
    };
    let seen = Seen::of(probe("json"));
    assert_eq!(seen.open(v4(14)), PORTS);
    decoys_opened(seen.health(v4(14)));
    let text = probe("text");
    let (said, complaint) = (crate::support::stdout(&text), crate::support::stderr(&text));
    assert!(complaint.contains("an open port there proves nothing until a service speaks"), "{complaint}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("not believed unless something speaks there"), "{said}");
}

/// Or nobody would see that something else opens them.
#[test]
fn where_every_port_is_asked_some_are_decoys_and_none_is_lost() {
    if !usable() {
        return;
    }
    let perimeter = Perimeter::new(&[16]);
    web(&perimeter, v4(16));
    let every: Vec<u16> = (1..=u16::MAX).collect();
    let mut command = crate::support::portreeve();
    command.timeout(PATIENCE).args(["probe", "ports", &v4(16).to_string(), "--tcp", "1-65535", "--format", "json"]);
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    let health = seen.health(v4(16));
    assert!(health["decoys_asked"].as_u64() >= Some(3) && array(health, "decoys_open").is_empty(), "{health}");
    seen.ended(0).is(v4(16), &truth(&[(Tcp, &every, CLOSED), (Tcp, &[443], OPEN)]));
}

/// Decoys that are dropped with the rest say that handshakes can be believed.
#[test]
fn behind_an_honest_firewall_decoys_stay_shut() {
    if !usable() {
        return;
    }
    let perimeter = Perimeter::new(&[14]);
    perimeter.target.nft(
        "table ip gate { chain input { type filter hook input priority 0; policy drop
            ct state established accept; tcp dport 443 accept; }; }",
    );
    web(&perimeter, v4(14));
    let seen = scan(&perimeter, v4(14), "iis");
    let health = seen.health(v4(14));
    assert!(health["decoys_asked"].as_u64() > Some(0) && array(health, "decoys_open").is_empty(), "{health}");
    assert_eq!((&health["stopped_answering"], &health["recheck_missing"]), (&false.into(), &false.into()));
    assert_eq!(seen.states(v4(14))[&(Tcp, 80)], FILTERED);
}
