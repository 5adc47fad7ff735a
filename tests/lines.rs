//! JSON Lines: every line is an object that says what it is, and the lines of a target stand together.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpListener;
use support::{Mock, WEB, ended, portreeve, stderr, stdout, text};

fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| text(line, "kind") == kind).collect()
}

#[test]
fn a_scan_tells_every_port_every_finding_and_the_target_at_last() {
    let mock = Mock::new(WEB);
    let output = mock.scan_as("roles = [\"iis\"]", &["--format", "jsonl"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    let lines = lines(&stdout(&output));
    assert_eq!(text(lines.last().unwrap(), "kind"), "target");
    let findings = of_kind(&lines, "finding");
    assert!(findings.len() >= 8 && findings.iter().all(|line| !text(line, "verdict").is_empty()));
    let mut ports = BTreeSet::new();
    for line in of_kind(&lines, "port") {
        assert!(ports.insert((text(line, "proto").to_owned(), line["port"].as_u64().unwrap())), "{line} is told twice");
    }
    assert!(ports.len() > 2);
}

#[test]
fn a_scan_exits_as_it_does_with_any_format() {
    let mock = Mock::new(WEB);
    let code = |format: &str| {
        let keys = "roles = [\"iis\"]";
        let output = mock.scan_as(keys, &["--format", format, "--fail-on", "inconclusive"]).output().unwrap();
        output.status.code()
    };
    assert_eq!(code("jsonl"), code("json"));
}

#[test]
fn probe_reads_hosts_from_a_file_and_tells_each_port_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let shut = {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        other.local_addr().unwrap().port()
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // With a byte order mark, as some editors write it, before the first host.
    writeln!(file, "\u{feff}127.0.0.1\n# ours\n127.0.0.1  # this machine\n\n127.0.0.1").unwrap();
    let ports = format!("{open},{shut}");
    let path = file.path().to_str().unwrap();
    let arguments = ["probe", "ports", "--hosts-from", path, "--tcp", &ports, "--format", "jsonl"];
    let output = portreeve().args(arguments).output().unwrap();
    ended(&output, 0);
    let lines = lines(&stdout(&output));
    let states: BTreeMap<u64, &str> =
        of_kind(&lines, "port").into_iter().map(|line| (line["port"].as_u64().unwrap(), text(line, "state"))).collect();
    assert_eq!(states.get(&u64::from(open)), Some(&"open"));
    assert_eq!(states.get(&u64::from(shut)), Some(&"closed"));
    assert_eq!(of_kind(&lines, "target").len(), 1, "a host named twice is asked once");
}

#[test]
fn a_line_that_is_no_host_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "198.51.100.7\nhttps://rmm.example.com/\n").unwrap();
    let path = file.path().to_str().unwrap();
    let output = portreeve().args(["probe", "ports", "--hosts-from", path]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains(&format!("{path}:2: ")), "{}", stderr(&output));
}
