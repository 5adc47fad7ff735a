//! What firewalls do to the messages of a scan, and what a witness behind them proves of it: a scanner, a firewall and a
//! witness in network namespaces of our own.
//!
//! Needs Linux, root, `ip` and `nft`; says so and passes where it cannot run. The addresses are those reserved for
//! documentation, and the namespaces have no way out.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const TARGETS: [&str; 2] = ["203.0.113.10", "2001:db8:7::10"];
/// Where the firewall's own proxy listens.
const PROXY: u16 = 7777;
/// What the witness is told to hold.
const PORTS: &str = "1101-1111";

/// Why the tests cannot run here.
fn missing() -> Option<String> {
    let works = |program: &str, argument: &str| {
        let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n") {
        Some("not root".to_owned())
    } else if !works("ip", "-V") || !works("nft", "-v") {
        Some("`ip` or `nft` is not installed".to_owned())
    } else {
        None
    }
}

struct Lab {
    prefix: String,
    folder: TempDir,
    helpers: Vec<Child>,
}

impl Lab {
    /// Three namespaces in a row: scanner `s`, firewall `r`, witness `t`; `None` where that cannot be.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if let Some(reason) = missing() {
            eprintln!("SKIPPED: network namespaces are needed: {reason}");
            return None;
        }
        let prefix = format!("pw{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Self { prefix, folder: tempfile::tempdir().unwrap(), helpers: Vec::new() };
        for namespace in ["s", "r", "t"] {
            lab.run(&format!("ip netns add @{namespace}"));
            lab.run(&format!("ip -n @{namespace} link set lo up"));
            for setting in
                ["net.ipv6.conf.default.accept_dad=0", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
            {
                lab.run(&format!("ip netns exec @{namespace} sysctl -qw {setting}"));
            }
        }
        lab.run("ip link add name scan0 netns @s type veth peer name near0 netns @r");
        lab.run("ip link add name far0 netns @r type veth peer name serv0 netns @t");
        for (namespace, link, v4, v6) in [
            ("s", "scan0", "198.51.100.2/24", "2001:db8:ff::2/64"),
            ("r", "near0", "198.51.100.1/24", "2001:db8:ff::1/64"),
            ("r", "far0", "203.0.113.1/24", "2001:db8:7::1/64"),
            ("t", "serv0", "203.0.113.10/24", "2001:db8:7::10/64"),
        ] {
            lab.run(&format!("ip -n @{namespace} addr add {v4} dev {link}"));
            lab.run(&format!("ip -n @{namespace} addr add {v6} dev {link} nodad"));
            lab.run(&format!("ip -n @{namespace} link set {link} up"));
        }
        lab.run("ip -n @s route add default via 198.51.100.1");
        lab.run("ip -n @s route add default via 2001:db8:ff::1");
        lab.run("ip -n @t route add default via 203.0.113.1");
        lab.run("ip -n @t route add default via 2001:db8:7::1");
        // A second address: answers must come from the one that was asked.
        lab.run("ip -n @t addr add 203.0.113.11/24 dev serv0");
        let made = lab.inside("s", &["witness", "--new-key"]).arg(lab.path("key")).output().unwrap();
        assert!(made.status.success());
        Some(lab)
    }

    fn run(&self, line: &str) {
        let line = line.replace('@', &self.prefix);
        let mut words = line.split_whitespace();
        let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
        assert!(status.success(), "{line}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The firewall's rules.
    fn firewall(&self, rules: &str) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}r", self.prefix), "nft", "-f", "-"]).stdin(Stdio::piped());
        let mut nft = command.spawn().unwrap();
        // Its language wants an end of the line before a bracket that closes.
        let rules = rules.replace('}', "\n}\n");
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "{rules}");
    }

    fn exec(&self, namespace: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}{namespace}", self.prefix)]).arg(program);
        command.current_dir(self.folder.path()).env("PORTREEVE_STORE", "none");
        command
    }

    /// The program inside a namespace.
    fn inside(&self, namespace: &str, arguments: &[&str]) -> Command {
        let mut command = self.exec(namespace, Path::new(env!("CARGO_BIN_EXE_portreeve")));
        command.args(arguments);
        command
    }

    /// Starts something that says "ready" and stays until the network is gone.
    fn keep(&mut self, mut command: Command) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        self.helpers.push(child);
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("ready")), "{command:?}");
        // Whatever it says later, it must not be stopped by nobody reading it.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// One of this very program's ignored tests, inside a namespace.
    fn helper(&mut self, namespace: &str, test: &str) {
        let mut command = self.exec(namespace, &std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env("PORTREEVE_LAB", "1");
        self.keep(command);
    }

    fn witness(&mut self, arguments: &[&str]) {
        let mut command = self.inside("t", &["witness", "--key-file", "key"]);
        command.args(arguments);
        self.keep(command);
    }

    fn probe(&self, address: &str, ports: [&str; 2], arguments: &[&str]) -> Output {
        let mut command = self.inside("s", &["probe", "ports", address, "--timeout", "0.5", "--witness", address]);
        command.args(["--witness-key", "key", "--tcp", ports[0], "--udp", ports[1]]).args(arguments);
        command.output().unwrap()
    }

    /// What is proved of each port, and the report.
    fn proofs(&self, address: &str, ports: [&str; 2], arguments: &[&str]) -> BTreeMap<String, String> {
        let output = self.probe(address, ports, &[&["--format", "json"], arguments].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let mut proofs = BTreeMap::new();
        for seen in report["targets"][0]["observations"].as_array().unwrap() {
            if seen["question"]["ask"] != "witness" {
                continue;
            }
            let answer = &seen["answer"];
            let mut proof = answer["proof"].as_str().map_or_else(|| format!("{} ", seen["text"]), str::to_owned);
            if let Some(port) = answer["arrived_on"].as_u64() {
                proof = format!("{proof} {port}");
            }
            if answer["told_by"] == "log" {
                proof.push_str(" by log");
            }
            let (transport, range) = seen["question"]["ports"].as_str().unwrap().split_once('/').unwrap();
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            for port in first.parse::<u16>().unwrap()..=last.parse().unwrap() {
                proofs.insert(format!("{transport}/{port}"), proof.clone());
            }
        }
        proofs
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for helper in &mut self.helpers {
            let _ = helper.kill();
            let _ = helper.wait();
        }
        // What `ip netns exec` started lives in the namespaces.
        for namespace in ["s", "r", "t", "o"] {
            let name = format!("{}{namespace}", self.prefix);
            let living = Command::new("ip").args(["netns", "pids", &name]).output();
            for id in living.iter().flat_map(|output| output.stdout.split(|byte| *byte == b'\n')) {
                if let Ok(id) = String::from_utf8_lossy(id).trim().parse() {
                    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
                }
            }
            let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
        }
    }
}

/// In the firewall's namespace: a proxy that completes handshakes and says nothing, and sends datagrams back as they came.
#[test]
#[ignore = "runs inside a namespace, started by the other tests"]
fn proxy() {
    if std::env::var_os("PORTREEVE_LAB").is_none() {
        return;
    }
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PROXY)).unwrap();
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PROXY)).unwrap();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
}

/// In the witness's namespace: another program has port 1110, over both transports.
#[test]
#[ignore = "runs inside a namespace, started by the other tests"]
fn occupant() {
    if std::env::var_os("PORTREEVE_LAB").is_none() {
        return;
    }
    let _kept = (
        TcpListener::bind((Ipv6Addr::UNSPECIFIED, 1110)).unwrap(),
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 1110)).unwrap(),
    );
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
}

fn expected(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(ports, proof)| ((*ports).to_owned(), (*proof).to_owned())).collect()
}

/// Each port in its own way; what an answer or a message is, is told by its length.
const EVERY_WAY: &str = "table inet lab {
    chain before { type nat hook prerouting priority -100;
        iifname near0 tcp dport 1105 dnat to :1106
        iifname near0 udp dport 1105 dnat to :1106
        iifname near0 tcp dport 1107 redirect to :7777
        iifname near0 udp dport 1107 redirect to :7777
    }
    chain through { type filter hook forward priority 0;
        tcp dport 1101 drop
        udp dport 1101 drop
        tcp dport 1102 reject with icmpx admin-prohibited
        udp dport 1102 reject with icmpx admin-prohibited
        tcp dport 1103 reject with tcp reset
        udp dport 1103 reject with icmpx port-unreachable
        iifname far0 tcp sport 1108 meta length > 120 drop
        iifname far0 udp sport 1108 drop
        iifname near0 tcp dport 1109 meta length > 120 drop
        iifname near0 udp dport 1109 @th,440,16 set 0xbeef
    }
}";

#[test]
fn every_way_of_a_firewall_is_told_apart_from_both_ends() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(EVERY_WAY);
    lab.helper("r", "proxy");
    lab.helper("t", "occupant");
    lab.witness(&["--tcp", PORTS, "--udp", PORTS]);
    let ways = expected(&[
        ("tcp/1101", "blocked"),
        ("tcp/1102", "blocked"),
        ("tcp/1103", "answered-by-another"),
        ("tcp/1104", "passed"),
        ("tcp/1105", "arrived-elsewhere 1106"),
        ("tcp/1106", "passed"),
        ("tcp/1107", "answered-by-another"),
        ("tcp/1108", "answer-lost"),
        ("tcp/1109", "altered"),
        ("tcp/1110", "not-held"),
        ("tcp/1111", "passed"),
        ("tcp/1112", "not-held"),
        ("udp/1101", "blocked"),
        ("udp/1102", "blocked"),
        ("udp/1103", "answered-by-another"),
        ("udp/1104", "passed"),
        ("udp/1105", "arrived-elsewhere 1106"),
        ("udp/1106", "passed"),
        ("udp/1107", "answered-by-another"),
        ("udp/1108", "answer-lost"),
        ("udp/1109", "altered"),
        ("udp/1110", "not-held"),
        ("udp/1111", "passed"),
        ("udp/1112", "not-held"),
    ]);
    for target in TARGETS {
        assert_eq!(lab.proofs(target, ["1101-1112", "1101-1112"], &[]), ways, "{target}");
    }
    // Another address of the same machine: its datagrams are answered from it, not from the first.
    let second = lab.proofs("203.0.113.11", ["1101,1104", "1101,1104"], &[]);
    assert_eq!(second["udp/1104"], "passed");
    assert_eq!(second["udp/1101"], "blocked");
}

/// One public address, whose ports are forwarded to two machines: of what goes to the other machine the witness hears nothing,
/// and that is never called blocked.
#[test]
fn what_is_forwarded_to_another_machine_is_not_called_blocked() {
    let Some(mut lab) = Lab::new() else { return };
    // The other machine: it refuses what it does not have, but for what its own firewall drops.
    lab.run("ip netns add @o");
    lab.run("ip -n @o link set lo up");
    lab.run("ip link add name other0 netns @r type veth peer name serv1 netns @o");
    lab.run("ip -n @r addr add 192.0.2.1/24 dev other0");
    lab.run("ip -n @r link set other0 up");
    lab.run("ip -n @o addr add 192.0.2.10/24 dev serv1");
    lab.run("ip -n @o link set serv1 up");
    lab.run("ip -n @o route add default via 192.0.2.1");
    let forward = |ports: &str| {
        format!(
            "table inet lab; delete table inet lab; table inet lab {{ chain before {{ type nat hook prerouting priority -100;
                iifname near0 ip daddr 203.0.113.10 tcp dport {ports} dnat ip to 192.0.2.10
                iifname near0 ip daddr 203.0.113.10 udp dport {ports} dnat ip to 192.0.2.10
            }}
            chain through {{ type filter hook forward priority 0;
                tcp dport 1103 drop
                udp dport 1103 drop
                oifname other0 tcp dport 1102 drop
                oifname other0 udp dport 1102 drop
            }} }}"
        )
    };
    lab.witness(&["--tcp", PORTS, "--udp", PORTS]);
    // One port alone leads to the witness: whatever is silent may have gone to the other machine.
    lab.firewall(&forward("1101-1103"));
    let proofs = lab.proofs(TARGETS[0], ["1101-1104", "1101-1103"], &[]);
    assert_eq!(proofs["tcp/1104"], "passed");
    for transport in ["tcp", "udp"] {
        assert_eq!(proofs[&format!("{transport}/1101")], "answered-by-another", "{proofs:?}");
        for port in [1102, 1103] {
            let told = &proofs[&format!("{transport}/{port}")];
            assert!(told.contains("forwarded to another machine"), "{told}");
        }
    }
    // The user says where the ports lead, or several do arrive.
    lab.firewall(&forward("1101"));
    let proofs = lab.proofs(TARGETS[0], ["1103-1104", "1103"], &["--witness-all-ports"]);
    assert_eq!(proofs["tcp/1103"], "blocked", "{proofs:?}");
    let proofs = lab.proofs(TARGETS[0], ["1101-1105", "1101-1105"], &[]);
    for transport in ["tcp", "udp"] {
        assert_eq!(proofs[&format!("{transport}/1103")], "blocked", "{proofs:?}");
        assert_eq!(proofs[&format!("{transport}/1101")], "answered-by-another", "{proofs:?}");
    }
}

/// A machine behind a translation has another address than the one that is asked, which the proof says.
#[test]
fn a_translated_address_is_named_with_where_it_leads() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain before { type nat hook prerouting priority -100;
            iifname near0 ip daddr 192.0.2.80 dnat ip to 203.0.113.10
            iifname near0 ip6 daddr 2001:db8:80::1 dnat ip6 to 2001:db8:7::10
        }
        chain through { type filter hook forward priority 0; udp dport 1101 drop; } }",
    );
    lab.witness(&["--tcp", PORTS, "--udp", PORTS]);
    for (asked, target) in ["192.0.2.80", "2001:db8:80::1"].into_iter().zip(TARGETS) {
        for (asked, translated) in [(asked, true), (target, false)] {
            let output = lab.probe(asked, ["1102-1104", "1101-1104"], &["--format", "json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let all = report["targets"][0]["observations"].as_array().unwrap().iter();
            let proofs: Vec<(&str, &Value)> = all
                .filter(|seen| seen["question"]["ask"] == "witness")
                .map(|seen| (seen["question"]["ports"].as_str().unwrap(), &seen["answer"]["destination"]))
                .collect();
            let there = Value::from(target);
            assert_eq!(
                proofs,
                [("tcp/1102-1104", &there), ("udp/1101", &Value::Null), ("udp/1102-1104", &there)],
                "{asked}"
            );
            let told = String::from_utf8_lossy(&output.stdout);
            let said = format!("to {target}, to which the address is translated on the way");
            assert_eq!((told.contains(&said), told.contains("translated")), (translated, translated), "{told}");
        }
    }
}

#[test]
fn where_a_middlebox_takes_every_connection_the_account_comes_by_datagrams() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain before { type nat hook prerouting priority -100;
            iifname near0 meta l4proto tcp redirect to :7777
        }
        chain through { type filter hook forward priority 0; udp dport 1101-1103 drop; } }",
    );
    lab.helper("r", "proxy");
    lab.witness(&["--tcp", PORTS, "--udp", PORTS]);
    for target in TARGETS {
        let proofs = lab.proofs(target, ["1101-1106", "1101-1106"], &[]);
        for port in 1101..=1106 {
            let udp = if port < 1104 { "blocked" } else { "passed" };
            assert_eq!(proofs[&format!("tcp/{port}")], "answered-by-another", "{target}");
            assert_eq!(proofs[&format!("udp/{port}")], udp, "{target}");
        }
    }
}

#[test]
fn where_every_port_leads_to_one_it_is_said_to_which() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain before { type nat hook prerouting priority -100;
            iifname near0 meta l4proto tcp dnat to :1104
            iifname near0 meta l4proto udp dnat to :1104
        } }",
    );
    lab.witness(&["--tcp", PORTS, "--udp", PORTS]);
    let proofs = lab.proofs(TARGETS[0], ["1101-1106", "1101-1106"], &[]);
    for (ports, proof) in proofs {
        let expected = if ports.ends_with("1104") { "passed" } else { "arrived-elsewhere 1104" };
        assert_eq!(proof, expected, "{ports}");
    }
}

/// Answers are dropped, whatever they are: only the log can tell, and without it nothing is said.
#[test]
fn where_no_answer_comes_back_the_log_tells() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain through { type filter hook forward priority 0;
            udp dport 1101-1103 drop
            iifname far0 meta l4proto udp drop
            iifname near0 meta l4proto tcp drop
        } }",
    );
    lab.witness(&["--tcp", PORTS, "--udp", PORTS, "--log", "witness.log"]);
    let output = lab.probe(TARGETS[0], ["1101-1106", "1101-1106"], &["--width", "400"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(complaint.contains("--witness-log") && complaint.contains("no witness answered"), "{complaint}");
    assert!(said.contains("unknown") && !said.contains("blocked"), "{said}");

    let proofs = lab.proofs(TARGETS[0], ["1101-1106", "1101-1107"], &["--witness-log", "witness.log"]);
    for port in 1101..=1106 {
        let udp = if port < 1104 { "blocked by log" } else { "answer-lost by log" };
        assert_eq!(proofs[&format!("tcp/{port}")], "blocked by log");
        assert_eq!(proofs[&format!("udp/{port}")], udp, "{port}");
    }
    // A log that somebody altered proves nothing.
    let log = std::fs::read_to_string(lab.path("witness.log")).unwrap();
    std::fs::write(lab.path("forged.log"), log.replacen("\"port\":1104", "\"port\":1101", 1)).unwrap();
    let output = lab.probe(TARGETS[0], ["1101", "1101,1104"], &["--witness-log", "forged.log", "--width", "400"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("was altered, or a line before it is missing"), "{complaint}");
}

/// One packet in five is lost, either way: no port that lets messages pass is called blocked.
#[test]
fn loss_is_no_firewall() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain through { type filter hook forward priority 0;
            udp dport 1201-1220 drop
            numgen random mod 100 < 20 drop
        } }",
    );
    lab.witness(&["--tcp", "1101-1104", "--udp", "1101-1300"]);
    let proofs = lab.proofs(TARGETS[0], ["1101-1104", "1101-1300"], &[]);
    for port in 1101..=1300 {
        let blocked = (1201..=1220).contains(&port);
        let proof = proofs[&format!("udp/{port}")].as_str();
        // What arrived once and was never confirmed is no wrong word either.
        let right = if blocked { proof == "blocked" } else { ["passed", "answer-lost"].contains(&proof) };
        assert!(right, "udp/{port}: {proof}");
    }
    assert!((1101..=1104).all(|port| proofs[&format!("tcp/{port}")] == "passed"), "{proofs:?}");
}

/// A limit on new connections drops most of them: what it drops is not called blocked.
#[test]
fn a_limit_is_no_firewall() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain through { type filter hook forward priority 0;
            tcp dport 1199 drop
            ct state new limit rate over 15/second burst 5 packets drop
        } }",
    );
    lab.witness(&["--tcp", "1101-1199"]);
    let proofs = lab.proofs(TARGETS[0], ["1101-1199", "1"], &[]);
    let count = |wanted: &str| proofs.values().filter(|proof| proof.as_str() == wanted).count();
    assert!(count("passed") > 5, "{proofs:?}");
    let blocked: Vec<&String> = proofs.iter().filter(|(_, proof)| *proof == "blocked").map(|(port, _)| port).collect();
    assert!(blocked.is_empty() || blocked == ["tcp/1199"], "{blocked:?}");
}

#[test]
fn the_guides_verdicts_rest_on_the_proof() {
    let Some(mut lab) = Lab::new() else { return };
    lab.firewall(
        "table inet lab { chain through { type filter hook forward priority 0; udp dport 70-74 drop; tcp dport 70 drop; } }",
    );
    lab.witness(&["--tcp", "70,3306", "--udp", "70-75"]);
    let mut scan =
        lab.inside("s", &["scan", TARGETS[0], "--role", "automate", "--guide", "automate", "--redirectors", "no"]);
    scan.args(["--timeout", "0.5", "--witness", TARGETS[0], "--witness-key", "key", "--format", "json"]);
    let output = scan.output().unwrap();
    let run: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = run["targets"][0]["findings"].as_array().unwrap();
    for (id, verdict, confidence, words) in [
        ("AUT-NET-01", "pass", "high", "proves the firewall's rule, and nothing of the service"),
        ("AUT-NET-06", "pass", "high", "none of the messages arrived"),
        ("AUT-NET-07", "pass", "high", "none of the messages arrived"),
        ("AUT-NET-12", "fail", "high", "about the firewall and not about a service"),
    ] {
        let finding = findings.iter().find(|finding| finding["item"] == id).unwrap();
        assert_eq!((&finding["verdict"], &finding["confidence"]), (&verdict.into(), &confidence.into()), "{finding:#}");
        let check = finding["checks"].as_array().unwrap().iter().find(|check| check["verdict"] == verdict).unwrap();
        assert!(check["why"].as_str().unwrap().contains(words), "{check:#}");
        assert!(!check["seen"].to_string().contains("open or filtered"), "{check:#}");
    }
    assert_eq!(run["targets"][0]["troubles"].as_array().unwrap().len(), 0, "{}", run["targets"][0]["troubles"]);
}
