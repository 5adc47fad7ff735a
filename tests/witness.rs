//! `portreeve witness` and the proofs that it makes possible, from outside and on loopback; what firewalls do to them is
//! tested in network namespaces.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};
use support::{array, ended, own_address, portreeve, process, run, stderr, stdout};
use tempfile::TempDir;

fn new_key(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    ended(&run(&["witness", "--new-key", path.to_str().unwrap()]), 0);
    path
}

/// So many neighbouring ports of either transport that are free now, on an address that this test has for itself.
fn free_ports(address: IpAddr, count: u16) -> u16 {
    for _ in 0..200 {
        let first = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let Some(last) = first.checked_add(count - 1) else { continue };
        let free = |port| UdpSocket::bind((address, port)).is_ok() && TcpListener::bind((address, port)).is_ok();
        if (first..=last).all(free) {
            return first;
        }
    }
    panic!("no {count} neighbouring ports are free");
}

/// A running witness.
struct Witness {
    child: Child,
    said: Vec<String>,
    rest: BufReader<ChildStdout>,
}

impl Witness {
    fn start(arguments: &[&str]) -> Self {
        let mut child = process();
        child.arg("witness").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let rest = BufReader::new(child.stdout.take().unwrap());
        let mut witness = Self { child, said: Vec::new(), rest };
        loop {
            let mut line = String::new();
            if witness.rest.read_line(&mut line).unwrap() == 0 {
                let mut complaint = String::new();
                witness.child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
                panic!("the witness ended: {:?}\n{complaint}", witness.said);
            }
            if line == "ready\n" {
                return witness;
            }
            witness.said.push(line.trim_end().to_owned());
        }
    }

    /// Stops it as Ctrl-C does; what it said afterwards.
    fn stop(mut self) -> (String, String) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        let (mut out, mut err) = (String::new(), String::new());
        self.rest.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (out, err)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answers of a JSON report about the firewall, by their ports.
fn proofs(report: &Value) -> Vec<(String, Value)> {
    let observations = report["targets"].as_array().unwrap().iter().flat_map(|target| array(target, "observations"));
    let proofs = observations.filter(|seen| seen["question"]["ask"] == "witness");
    proofs.map(|seen| (seen["question"]["ports"].as_str().unwrap().to_owned(), seen["answer"].clone())).collect()
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_new_key_is_for_its_owner_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_key(&folder, "key");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(text.trim().len(), 64);
    let again = run(&["witness", "--new-key", text_of(&path)]);
    ended(&again, 2);
    assert!(stderr(&again).contains("never overwritten"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let other = fs::read_to_string(new_key(&folder, "other")).unwrap();
    assert_ne!(other, text);
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_key(&folder, "key");
    let address = own_address().to_string();
    let refused = |words: &str| {
        for arguments in [
            vec!["witness", "--tcp", "1", "--key-file", text_of(&path)],
            vec!["probe", "ports", &address, "--tcp", "1", "--witness", &address, "--witness-key", text_of(&path)],
            vec!["scan", &address, "--role", "iis", "--witness", &address, "--witness-key", text_of(&path)],
        ] {
            let output = run(&arguments);
            ended(&output, 2);
            assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
        }
    };
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    refused("may be read or written by others (mode 640)");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    for (text, words) in [
        ("", "is empty"),
        ("00112233", "holds 4 bytes, and a key needs at least 32"),
        (&"ab".repeat(40), "not drawn at random"),
        ("hello, world", "neither hexadecimal nor base64"),
    ] {
        fs::write(&path, text).unwrap();
        refused(words);
    }
    fs::remove_file(&path).unwrap();
    refused("--new-key FILE");
}

#[test]
fn every_port_that_the_witness_holds_is_proved_and_the_others_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let address = own_address();
    let at = address.to_string();
    let first = free_ports(address, 4);
    // The first is another program's, over both transports; the last is not asked to be held.
    let _others = (TcpListener::bind((address, first)).unwrap(), UdpSocket::bind((address, first)).unwrap());
    let held = format!("{first}-{}", first + 2);
    let witness = Witness::start(&["--tcp", &held, "--udp", &held, "--listen", &at, "--key-file", text_of(&key)]);
    let said = witness.said.join("\n");
    assert!(said.contains(&format!("tcp/{}-{}, udp/{}-{}", first + 1, first + 2, first + 1, first + 2)), "{said}");
    assert!(said.contains("another program listens there"), "{said}");

    let all = format!("{first}-{}", first + 3);
    let arguments =
        ["probe", "ports", &at, "--tcp", &all, "--udp", &all, "--witness", &at, "--witness-key", text_of(&key)];
    let output = portreeve().args(arguments).args(["--format", "json"]).output().unwrap();
    ended(&output, 0);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let mut seen = Vec::new();
    for (ports, answer) in proofs(&report) {
        let detail = answer["not_held"].as_str().or(answer["source"].as_str()).unwrap_or_default().to_owned();
        seen.push((ports, answer["proof"].as_str().unwrap().to_owned(), detail));
    }
    let mut expected = Vec::new();
    for transport in ["tcp", "udp"] {
        let name = |port: u16| format!("{transport}/{port}");
        let of = |ports: String, proof: &str, detail: &str| (ports, proof.to_owned(), detail.to_owned());
        expected.push(of(name(first), "not-held", "occupied"));
        expected.push(of(format!("{transport}/{}-{}", first + 1, first + 2), "passed", "127.0.0.1"));
        expected.push(of(name(first + 3), "not-held", "not-listed"));
    }
    assert_eq!(seen, expected);

    let output = portreeve().args(arguments).output().unwrap();
    ended(&output, 0);
    let table = stdout(&output);
    assert!(table.contains("FIREWALL PROOF") && table.contains("another program has it"), "{table}");
    let (out, err) = witness.stop();
    assert!(out.contains("Ended: 2 sessions, "), "{out}");
    assert!(!err.contains("warning"), "{err}");
}

#[test]
fn a_scan_says_what_the_firewall_does_and_that_it_says_nothing_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let address = own_address();
    let at = address.to_string();
    let first = free_ports(address, 6);
    let ports = format!("{first}-{}", first + 5);
    let _witness = Witness::start(&["--udp", &ports, "--listen", &at, "--key-file", text_of(&key)]);
    let (report, page) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let output = portreeve()
        .args(["scan", &at, "--role", "automate", "--guide", "automate", "--shared-address", "--redirectors", "no"])
        .args(["--moved", &format!("udp/70-74={first}-{}", first + 4), "--moved", &format!("udp/75={}", first + 5)])
        .args(["--witness", &at, "--witness-key", text_of(&key)])
        .args(["--json", text_of(&report), "--html", text_of(&page)])
        .output()
        .unwrap();
    ended(&output, 1);
    let run = support::json(&report);
    let finding = |id: &str| {
        let findings = array(&run["targets"][0], "findings");
        findings.iter().find(|finding| finding["item"] == id).unwrap().clone()
    };
    let heartbeat = finding("AUT-NET-01");
    assert_eq!(heartbeat["verdict"], "pass");
    assert!(heartbeat["checks"][0]["why"].as_str().unwrap().contains("nothing of the service"), "{heartbeat}");
    let tunnels = finding("AUT-NET-07");
    assert_eq!(tunnels["verdict"], "fail");
    assert!(tunnels["checks"][0]["why"].as_str().unwrap().contains("the firewall lets it through"), "{tunnels}");
    assert!(stdout(&output).contains("FIREWALL PROOF"));
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("<h3>Firewall proof") && page.contains(">passed</td>"));
}

#[test]
fn another_key_and_an_absent_witness_say_who_is_to_blame_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (new_key(&folder, "key"), new_key(&folder, "other"));
    let address = own_address();
    let at = address.to_string();
    let port = free_ports(address, 1).to_string();
    let probe = |witness: &str| {
        let arguments = [
            "probe",
            "ports",
            &at,
            "--tcp",
            &port,
            "--udp",
            &port,
            "--witness",
            witness,
            "--witness-key",
            text_of(&other),
        ];
        portreeve().args(arguments).args(["--width", "400"]).output().unwrap()
    };
    let absent = probe(&at);
    ended(&absent, 3);
    assert!(stderr(&absent).contains("no witness answered at"), "{}", stderr(&absent));
    let elsewhere = probe("192.0.2.1");
    ended(&elsewhere, 3);
    assert!(stderr(&elsewhere).contains("no scanned target has this address"), "{}", stderr(&elsewhere));

    let witness = Witness::start(&["--tcp", &port, "--udp", &port, "--listen", &at, "--key-file", text_of(&key)]);
    let output = probe(&at);
    ended(&output, 3);
    assert!(stderr(&output).contains("does not know this key"), "{}", stderr(&output));
    assert!(stdout(&output).contains("unknown") && !stdout(&output).contains("blocked"), "{}", stdout(&output));
    let (_, complaints) = witness.stop();
    assert!(complaints.contains("127.0.0.1 speaks as a scanner with another key"), "{complaints}");
}

#[test]
fn a_witness_without_a_port_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let address = own_address();
    let at = address.to_string();
    let taken = TcpListener::bind((address, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["witness", "--tcp", &port, "--listen", &at, "--key-file", text_of(&key)]);
    ended(&output, 3);
    assert!(stderr(&output).contains("none of the ports could be held"), "{}", stderr(&output));
    assert!(stderr(&output).contains("another program listens there"), "{}", stderr(&output));
    let output = run(&["witness", "--tcp", &port, "--listen", "192.0.2.1", "--key-file", text_of(&key)]);
    ended(&output, 3);
    assert!(stderr(&output).contains("192.0.2.1 is no address of this machine"), "{}", stderr(&output));
    for (arguments, words) in [
        (&["witness", "--key-file", "k"][..], "--tcp"),
        (&["witness", "--tcp", "1-5000", "--key-file", text_of(&key)], "more than a witness holds (4096)"),
        (&["witness", "--tcp", "443", "--key-file", "k", "--for", "2d"], "1s to 24h"),
        (&["scan", "h.invalid", "--role", "iis", "--witness", &at], "--witness-key"),
    ] {
        let output = run(arguments);
        ended(&output, 2);
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}

/// Ports below 1024 need a right that ordinary users have not.
#[test]
fn a_port_that_the_user_may_not_have_is_named_and_what_to_do_about_it() {
    let begin = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if begin.trim().parse::<u16>().unwrap_or_default() <= 1 {
        eprintln!("SKIPPED: on this system anybody may listen on any port");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let address = own_address();
    let mut command = process();
    if nix::unistd::geteuid().is_root() {
        // As somebody without rights: `nobody`, who must be able to reach the key.
        let nobody = nix::unistd::Uid::from_raw(65534);
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        nix::unistd::chown(&key, Some(nobody), None).unwrap();
        command.uid(nobody.as_raw()).gid(65534);
    }
    let arguments = ["witness", "--tcp", "1", "--for", "1s", "--listen", &address.to_string(), "--key-file"];
    let output = match command.args(arguments).arg(&key).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: the program cannot be run as another user: {error}");
            return;
        }
    };
    ended(&output, 3);
    assert!(stderr(&output).contains("setcap cap_net_bind_service=+ep"), "{}", stderr(&output));
}

#[test]
fn a_witness_ends_when_its_time_is_over_and_its_log_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let log = folder.path().join("witness.log");
    let address = own_address();
    let port = free_ports(address, 1).to_string();
    let began = Instant::now();
    let arguments = ["witness", "--udp", &port, "--listen", &address.to_string(), "--for", "1s", "--key-file"];
    let output = portreeve().args(arguments).arg(&key).arg("--log").arg(&log).output().unwrap();
    ended(&output, 0);
    assert!(began.elapsed() >= Duration::from_secs(1));
    let text = fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["line"], "ended");
    let output = portreeve().args(arguments).arg(&key).arg("--log").arg(&log).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("a log is never overwritten"), "{}", stderr(&output));
}
