//! What a server sees of a scan: only paths that do nothing, no question twice, and no more connections than needed.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use mock_servers::{Builtin, Transport};
use std::collections::BTreeMap;
use support::{Mock, array, ended, json};

/// Everything that may ever be asked of a web server. `GET /` is sent with Host and once without, on purpose.
const ALLOWED: [&str; 12] = [
    "GET / HTTP/1.1",
    "GET /aspnet_client HTTP/1.1",
    "GET /LabTech HTTP/1.1",
    "GET /automate HTTP/1.1",
    "GET /portreeve-no-such-page.aspx HTTP/1.1",
    "GET /LabTech/Agent.aspx HTTP/1.1",
    "GET /Login HTTP/1.1",
    "GET /Script.ashx HTTP/1.1",
    "GET /configurations.do HTTP/1.1",
    "OPTIONS / HTTP/1.1",
    "OPTIONS /LabTech/Agent.aspx HTTP/1.1",
    "TRACE / HTTP/1.1",
];

/// Directories that are asked for in the old way, without Host.
const HOSTLESS: [&str; 4] = ["/aspnet_client", "/LabTech", "/automate", "/"];

/// The requests of a scan of a mock server, by port and line.
fn requests(builtin: Builtin, keys: &str) -> (Mock, BTreeMap<(u16, String), usize>) {
    let mock = Mock::builtin(builtin);
    let output = mock.scan_as(keys, &["--quiet", "--json", mock.path("run.json").to_str().unwrap()]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", support::stderr(&output));
    let mut counted = BTreeMap::new();
    for request in mock.requests() {
        *counted.entry((request.port, request.line)).or_default() += 1;
    }
    assert!(!counted.is_empty());
    (mock, counted)
}

fn only_harmless_and_few(counted: &BTreeMap<(u16, String), usize>) {
    for ((port, line), count) in counted {
        let hostless = line.strip_prefix("HEAD ").and_then(|rest| rest.strip_suffix(" HTTP/1.0"));
        let allowed = ALLOWED.contains(&line.as_str()) || hostless.is_some_and(|path| HOSTLESS.contains(&path));
        assert!(allowed, "tcp/{port} was asked: {line}");
        // Once for its headers and once to know the product; `/` also without Host, and to learn what speaks there.
        let most = if line == "GET / HTTP/1.1" { 4 } else { 2 };
        assert!(*count <= most, "tcp/{port} was asked {count} times: {line}");
    }
}

#[test]
fn an_automate_server_is_asked_harmless_paths_only() {
    let keys = "roles = [\"automate\", \"iis\"]\ntechnicians = 5\ncontrol = \"none\"";
    let (mock, counted) = requests(Builtin::AutomateHardened, keys);
    only_harmless_and_few(&counted);
    for closed in [70, 80, 3306, 3389] {
        assert_eq!(mock.connections(Transport::Tcp, closed), 0, "a closed port counts no connections");
    }
}

#[test]
fn a_screenconnect_server_is_never_asked_to_set_itself_up() {
    let (_mock, counted) = requests(Builtin::ScreenConnect, "roles = [\"screenconnect\", \"control\"]");
    only_harmless_and_few(&counted);
    for ((_, line), _) in counted {
        let line = line.to_ascii_lowercase();
        for path in ["setupwizard", "deployment", "install", "bin/", ".msi", ".exe", "service.ashx"] {
            assert!(!line.contains(path), "{line}");
        }
    }
}

#[test]
fn an_endpoint_central_server_is_asked_harmless_paths_only() {
    let (_mock, counted) = requests(Builtin::EndpointCentral, "roles = [\"endpoint-central\"]");
    only_harmless_and_few(&counted);
}

/// MySQL counts connections that break off, and shuts out who has too many of them.
#[test]
fn a_database_is_identified_by_one_connection() {
    let mock = Mock::new("[[face]]\nport = \"tcp/3306\"\nkind.mysql = {}\n");
    let port = mock.running.actual(Transport::Tcp, 3306).unwrap();
    let place = format!("{}:{port}", mock.running.address());
    let output = support::run(&["probe", "service", &place]);
    ended(&output, 0);
    assert!(support::stdout(&output).contains("MySQL"), "{}", support::stdout(&output));
    // One for the port's state, one to read the greeting.
    let count = mock.connections(Transport::Tcp, 3306);
    assert!(count <= 2, "{count} connections");
}

#[test]
fn no_question_is_asked_twice() {
    let keys = "roles = [\"automate\", \"iis\"]\ntechnicians = 5\nredirectors = false\ncontrol = \"none\"";
    let (mock, _) = requests(Builtin::AutomateCareless, keys);
    let report = json(&mock.path("run.json"));
    let mut asked = BTreeMap::new();
    for observation in array(&report["targets"][0], "observations") {
        *asked.entry(format!("{} {}", observation["address"], observation["question"])).or_insert(0) += 1;
    }
    let twice: Vec<_> = asked.iter().filter(|(_, count)| **count > 1).collect();
    assert!(asked.len() > 50 && twice.is_empty(), "{twice:?}");
}
