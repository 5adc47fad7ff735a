//! A scanner's own network that is not honest: what the doctor and a scan make of it.

use crate::seen::{PATIENCE, Seen};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, ROUTER, v4};
use crate::support::{array, ended, portreeve, stdout, text};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::{Command, Output};

/// The servers, and the control host.
const SERVERS: [u8; 3] = [10, 11, 12];
const CONTROL: u8 = 13;

/// What providers block.
const SUSPECTS: [u16; 7] = [25, 135, 136, 137, 138, 139, 445];

/// Where the control host listens, beside those.
const OTHERS: [u16; 5] = [80, 443, 3306, 3389, 40_000];

fn joined(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

/// Three servers without a firewall and a control host, and a way to everywhere by the router.
fn perimeter() -> Perimeter {
    let mut perimeter = Perimeter::new(&[SERVERS[0], SERVERS[1], SERVERS[2], CONTROL]);
    perimeter.scanner.ip(&format!("route add default via {}", ROUTER[0]));
    for server in SERVERS {
        // Not the web alone, which is let out where nothing else is.
        perimeter.tcp(v4(server), &[72, 443]);
    }
    perimeter.tcp(v4(CONTROL), &[SUSPECTS.as_slice(), &OTHERS].concat());
    perimeter
}

/// The program within the scanner's network, without proxies.
fn program(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = portreeve();
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.timeout(PATIENCE * 3).args(arguments);
    command
}

/// What the doctor says: the standing of each subject with what was seen, and the output.
fn doctor(perimeter: &Perimeter, arguments: &[&str]) -> (BTreeMap<String, (String, String)>, Output) {
    let mut command = program(&["doctor", "--format", "json"]);
    command.args(arguments);
    told(perimeter.scanner.inside(|| command.output().unwrap()))
}

fn told(output: Output) -> (BTreeMap<String, (String, String)>, Output) {
    let report: Value = serde_json::from_str(&stdout(&output))
        .unwrap_or_else(|error| panic!("{error}: {}", crate::support::stderr(&output)));
    let checkups = array(&report, "checkups").iter();
    let of = |one: &Value| {
        (text(one, "subject").to_owned(), (text(one, "standing").to_owned(), text(one, "seen").to_owned()))
    };
    (checkups.map(of).collect(), output)
}

fn hosts() -> Vec<String> {
    SERVERS.iter().map(|server| v4(*server).to_string()).collect()
}

fn with_hosts<'a>(hosts: &'a [String], arguments: &[&'a str]) -> Vec<&'a str> {
    hosts.iter().map(String::as_str).chain(arguments.iter().copied()).collect()
}

#[test]
fn an_honest_network_is_healthy() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    let (hosts, control) = (hosts(), v4(CONTROL).to_string());
    // The router says itself that 192.0.2.1 is nowhere.
    let (said, output) = doctor(&perimeter, &with_hosts(&hosts, &["--nowhere"]));
    ended(&output, 0);
    assert_eq!(said["nowhere"].0, "ok", "{said:?}");
    assert!(said["nowhere"].1.contains(ROUTER[0]), "{said:?}");
    for subject in ["inside-addresses", "server-routes", "answers", "decoys", "outbound-blocks", "routes", "clock"] {
        assert_eq!(said[subject].0, "ok", "{subject}: {said:?}");
    }
    assert_eq!(said["control-host"].0, "not-checked");
    let ports = joined(&[SUSPECTS.as_slice(), &OTHERS].concat());
    let (said, output) = doctor(&perimeter, &["--control-host", &control, "--ports", &ports]);
    ended(&output, 0);
    assert_eq!(said["control-host"].0, "ok", "{said:?}");
    assert!(said["control-host"].1.starts_with("All 12 TCP ports"), "{said:?}");
}

#[test]
fn nothing_is_sent_to_anybody_who_is_not_named() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.scanner.nft(
        "table inet watch { counter sent { }; chain out { type filter hook output priority 0
            meta l4proto { tcp, udp, sctp } counter name sent; }; }",
    );
    let (_, output) = doctor(&perimeter, &[]);
    ended(&output, 0);
    let counted = perimeter.scanner.inside(|| Command::new("nft").args(["-j", "list", "counters"]).output().unwrap());
    assert!(stdout(&counted).contains("\"packets\": 0"), "{}", stdout(&counted));
}

/// What the provider, or this machine's own firewall, does to packets that leave.
const WAYS_TO_BLOCK: [(&str, &str, bool); 3] = [
    ("the provider drops", "chain forward { type filter hook forward priority 0; tcp dport BLOCKED drop; }", false),
    (
        "the provider refuses",
        "chain forward { type filter hook forward priority 0; tcp dport BLOCKED reject with icmpx admin-prohibited; }",
        false,
    ),
    ("this machine drops", "chain out { type filter hook output priority 0; tcp dport BLOCKED drop; }", true),
];

#[test]
fn ports_that_are_not_let_out_are_named_by_whatever_tells() {
    if !usable() {
        return;
    }
    for (name, rules, own) in WAYS_TO_BLOCK {
        let perimeter = perimeter();
        let table = format!("table inet block {{ {}; }}", rules.replace("BLOCKED", "{ 25, 135-139, 445 }"));
        if own { &perimeter.scanner } else { &perimeter.router }.nft(&table);
        let (hosts, control) = (hosts(), v4(CONTROL).to_string());
        let (said, output) = doctor(&perimeter, &hosts.iter().map(String::as_str).collect::<Vec<_>>());
        ended(&output, 1);
        assert_eq!(said["outbound-blocks"].0, "warning", "{name}: {said:?}");
        for port in ["tcp/25", "tcp/135-139", "tcp/445"] {
            assert!(said["outbound-blocks"].1.contains(port), "{name}: {said:?}");
        }
        let refused = name.contains("refuses");
        assert_eq!(said["outbound-blocks"].1.contains(ROUTER[0]), refused, "{name}: {said:?}");
        let ports = joined(&[SUSPECTS.as_slice(), &OTHERS].concat());
        let (said, output) = doctor(&perimeter, &["--control-host", &control, "--ports", &ports]);
        ended(&output, 1);
        assert_eq!(said["control-host"].0, "broken", "{name}: {said:?}");
        assert!(said["control-host"].1.contains("tcp/25, tcp/135-139 and tcp/445"), "{name}: {said:?}");
        assert_eq!(said["control-host"].1.contains(ROUTER[0]), refused, "{name}: {said:?}");
    }
}

/// The verdict on one item of one server, and how sure it is.
fn finding<'a>(report: &'a Value, address: IpAddr, item: &str) -> (&'a str, &'a str, &'a str) {
    let targets = array(report, "targets").iter().filter(|target| text(target, "host") == address.to_string());
    let mut findings = targets.flat_map(|target| array(target, "findings")).filter(|one| text(one, "item") == item);
    let found = findings.next().unwrap_or_else(|| panic!("no {item} of {address}"));
    (text(found, "verdict"), text(found, "confidence"), text(&found["checks"][0], "why"))
}

/// A guide of two items: 445 is closed, and 3306 is.
const GUIDE: &str = "tests/fixtures/guides/blocked.toml";

#[test]
fn a_scan_does_not_take_its_own_networks_silence_for_the_servers() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter
        .router
        .nft("table inet block { chain forward { type filter hook forward priority 0; tcp dport 445 drop; }; }");
    let (hosts, control) = (hosts(), v4(CONTROL).to_string());
    let scan = |more: &[&str]| {
        let mut command = program(&["scan", "--role", "iis", "--guide", GUIDE, "--format", "json"]);
        // Ports that the servers refuse, so that silence stands out.
        command.args(["--ports", "tcp/70-75"]).args(more).args(&hosts);
        Seen::of(perimeter.scanner.inside(|| command.output().unwrap()))
    };
    let address = v4(SERVERS[0]);
    let alone = scan(&[]);
    let (verdict, confidence, why) = finding(&alone.report, address, "BLK-01");
    assert_eq!((verdict, confidence), ("pass", "low"), "{why}");
    assert!(why.contains("probably blocked on the way out"), "{why}");
    assert_eq!(finding(&alone.report, address, "BLK-02").1, "high");
    let subjects = |seen: &Seen| -> Vec<String> {
        let checkups = array(&seen.report["vantage"], "checkups").iter();
        checkups.map(|one| format!("{} {}", text(one, "subject"), text(one, "standing"))).collect()
    };
    assert_eq!(subjects(&alone), ["outbound-blocks warning"]);
    alone.ended(0);

    let with_control = scan(&["--control-host", &control, "--control-ports", &joined(&[80, 443, 445, 3306])]);
    let (verdict, _, why) = finding(&with_control.report, address, "BLK-01");
    assert_eq!(verdict, "inconclusive", "{why}");
    assert!(why.contains("the control host listens on it and could not be reached"), "{why}");
    assert_eq!(finding(&with_control.report, address, "BLK-02"), finding(&alone.report, address, "BLK-02"));
    assert_eq!(subjects(&with_control), ["control-host broken"]);
    with_control.ended(0);
}

/// Answers every connection that comes to the router, wherever it was meant to go.
fn answer_for_everybody(perimeter: &Perimeter) {
    let listener = perimeter.router.inside(|| TcpListener::bind(("0.0.0.0", 9)).unwrap());
    std::thread::spawn(move || for _ in listener.incoming() {});
    perimeter.router.nft(
        "table ip lie { chain pre { type nat hook prerouting priority -100
            iifname near0 meta l4proto tcp redirect to :9; }; }",
    );
}

#[test]
fn a_network_that_answers_for_others_is_caught() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    answer_for_everybody(&perimeter);
    let hosts = hosts();
    let (said, output) = doctor(&perimeter, &with_hosts(&hosts, &["--nowhere", "192.0.2.7"]));
    ended(&output, 1);
    assert_eq!(said["nowhere"].0, "broken", "{said:?}");
    assert!(said["nowhere"].1.contains("192.0.2.7 completed handshakes on"), "{said:?}");
    assert_eq!(said["decoys"].0, "warning", "{said:?}");
    let control = v4(CONTROL).to_string();
    let (said, output) = doctor(&perimeter, &["--control-host", &control, "--ports", "80,443"]);
    ended(&output, 3);
    assert_eq!(said["control-host"].0, "unknown", "its ports were not what opened: {said:?}");
}

#[test]
fn a_network_that_refuses_for_others_is_caught() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.router.ip("route add 192.0.2.0/24 dev far0");
    perimeter.router.nft(
        "table inet lie { chain forward { type filter hook forward priority 0
            ip daddr 192.0.2.0/24 meta l4proto tcp reject with tcp reset; }; }",
    );
    let (said, output) = doctor(&perimeter, &["--nowhere"]);
    ended(&output, 1);
    assert_eq!(said["nowhere"].0, "broken", "{said:?}");
    assert!(said["nowhere"].1.contains("refused connections to"), "{said:?}");
}

#[test]
fn an_address_that_cannot_be_asked_is_not_called_honest() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    perimeter.scanner.ip(&format!("route del default via {}", ROUTER[0]));
    let (said, output) = doctor(&perimeter, &["--nowhere"]);
    ended(&output, 3);
    assert_eq!(said["nowhere"].0, "unknown", "{said:?}");
    assert_eq!(said["routes"].0, "warning", "{said:?}");
}

/// A DNS server that says of every name that it has this address.
fn lying_dns(perimeter: &Perimeter, address: [u8; 4]) {
    let socket = perimeter.scanner.inside(|| UdpSocket::bind(("127.0.0.1", 53)).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            // RFC 1035, section 4: a header of 12 bytes, a name that ends with an empty label, type and class.
            let name = query[12..].iter().position(|byte| *byte == 0).unwrap();
            let question = &query[12..12 + name + 5];
            let is_a = question[name + 1..name + 3] == [0, 1];
            let mut answer = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0];
            answer.extend(question);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(address);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
}

#[test]
fn dns_servers_that_invent_answers_and_names_that_lead_inside_are_caught() {
    if !usable() {
        return;
    }
    let mut perimeter = perimeter();
    perimeter.target.ip("addr add 10.0.0.5/32 dev lo");
    perimeter.router.ip("route add 10.0.0.5/32 via 203.0.113.10");
    perimeter.tcp("10.0.0.5".parse().unwrap(), &[443]);
    lying_dns(&perimeter, [10, 0, 0, 5]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
    let mut command = program(&["doctor", "--format", "json", "rmm.example.com"]);
    let (said, output) = told(perimeter.scanner.inside(|| {
        // The program reads this file instead of the system's; nobody else on this machine does.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        let place = std::fs::canonicalize("/etc/resolv.conf").unwrap();
        mount(Some(&file), &place, nothing, MsFlags::MS_BIND, nothing).unwrap();
        command.output().unwrap()
    }));
    ended(&output, 1);
    assert_eq!(said["resolver"], ("ok".to_owned(), "Names are asked of 127.0.0.1.".to_owned()));
    assert_eq!(said["invented-names"].0, "broken", "{said:?}");
    assert!(said["invented-names"].1.contains("127.0.0.1 says 10.0.0.5"), "{said:?}");
    assert_eq!(said["split-horizon"].0, "warning", "{said:?}");
    assert!(said["split-horizon"].1.contains("rmm.example.com to 10.0.0.5"), "{said:?}");
}
