//! The doctor, and what a scan says of its vantage, on a machine without a network of the test's own.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use assert_cmd::Command;
use serde_json::Value;
use std::net::{IpAddr, TcpListener};
use support::{Mock, SMALL, WEB, array, ended, own_address, portreeve, stderr, stdout, text};

/// The doctor, on a machine that is told of no proxy.
fn doctor(arguments: &[&str]) -> Command {
    let mut command = portreeve();
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.arg("doctor").args(arguments);
    command
}

fn report(command: &mut Command) -> Value {
    let output = command.args(["--format", "json"]).output().unwrap();
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

fn checkup<'a>(report: &'a Value, subject: &str) -> &'a Value {
    let found = array(report, "checkups").iter().find(|one| text(one, "subject") == subject);
    found.unwrap_or_else(|| panic!("nothing is said of {subject}: {report}"))
}

/// Listeners, and a port of the same address that nobody listens at.
fn ports(address: IpAddr, count: usize) -> (Vec<TcpListener>, u16) {
    let bind = || TcpListener::bind((address, 0)).unwrap();
    let listeners = (0..count).map(|_| bind()).collect();
    let shut = bind().local_addr().unwrap().port();
    (listeners, shut)
}

fn numbers(listeners: &[TcpListener]) -> Vec<String> {
    listeners.iter().map(|listener| listener.local_addr().unwrap().port().to_string()).collect()
}

#[test]
fn every_subject_of_this_machine_has_its_say() {
    let report = report(&mut doctor(&[]));
    assert_eq!((text(&report, "format"), &report["version"]), ("portreeve-doctor", &1.into()));
    for subject in ["open-files", "error-queue", "raw-sockets", "routes", "local-ports", "connection-tracking", "clock"]
    {
        checkup(&report, subject);
    }
    for subject in ["invented-names", "nowhere", "control-host", "decoys", "outbound-blocks", "server-routes"] {
        let said = checkup(&report, subject);
        assert_eq!(text(said, "standing"), "not-checked", "{said}");
    }
    let wrong = |one: &Value| ["warning", "broken", "unknown"].contains(&text(one, "standing"));
    assert_eq!(report["healthy"], !array(&report, "checkups").iter().any(wrong));
}

#[test]
fn the_page_is_well_formed_at_any_width() {
    for width in ["40", "80", "160"] {
        let page = stdout(&doctor(&["--width", width]).output().unwrap());
        for line in page.lines() {
            assert!(line.chars().count() <= width.parse().unwrap(), "{line}");
            assert_eq!(line.trim_end(), line);
        }
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in ["This machine (nothing is sent)", "Open files: ", "The network", "Not checked: "] {
            assert!(words.contains(said), "{said} is not in {page}");
        }
    }
    assert_eq!(stdout(&doctor(&["--quiet"]).output().unwrap()), "");
}

#[test]
fn a_control_host_that_listens_on_everything_asked_proves_the_way() {
    let address = own_address();
    let (listeners, shut) = ports(address, 3);
    let asked = numbers(&listeners);
    let host = address.to_string();
    let open = report(&mut doctor(&["--control-host", &host, "--ports", &asked.join(",")]));
    let said = checkup(&open, "control-host");
    assert!(text(said, "seen").starts_with("All 3 TCP ports that were asked are open at"), "{said}");
    assert!(array(&open, "ways_out").iter().all(|way| text(way, "passage") == "passes" && way["inside"] == true));
    // This machine is not outside, and says nothing of the way to the Internet.
    assert_eq!(text(said, "standing"), "warning");
    assert!(text(said, "seen").contains("not public"), "{said}");

    let refused = report(&mut doctor(&["--control", &host, "--ports", &format!("{},{shut}", asked.join(","))]));
    let said = checkup(&refused, "control-host");
    assert_eq!(text(said, "standing"), "warning");
    assert!(text(said, "seen").contains(&format!("Refused: tcp/{shut}.")), "{said}");
    let passages: Vec<&str> = array(&refused, "ways_out").iter().map(|way| text(way, "passage")).collect();
    assert!(passages.contains(&"refused"), "{passages:?}");
}

#[test]
fn a_control_host_that_cannot_be_used_is_no_proof() {
    let address = own_address().to_string();
    let (_, shut) = ports(own_address(), 0);
    for arguments in
        [&["--control-host", "control.invalid"][..], &["--control-host", &address, "--ports", &shut.to_string()]]
    {
        let output = doctor(arguments).output().unwrap();
        ended(&output, 3);
        let report = report(&mut doctor(arguments));
        assert_eq!(text(checkup(&report, "control-host"), "standing"), "unknown");
        let passages: Vec<&str> = array(&report, "ways_out").iter().map(|way| text(way, "passage")).collect();
        assert!(passages.iter().all(|passage| *passage == "refused"), "only refusals are put in doubt: {passages:?}");
    }
}

#[test]
fn servers_on_this_machine_are_no_view_from_outside() {
    let address = own_address();
    let (listeners, shut) = ports(address, 1);
    let host = address.to_string();
    let asked = format!("{},{shut}", numbers(&listeners)[0]);
    let output = doctor(&[&host, "--ports", &asked]).output().unwrap();
    ended(&output, 1);
    let report = report(&mut doctor(&[&host, "--ports", &asked]));
    for subject in ["inside-addresses", "server-routes"] {
        let said = checkup(&report, subject);
        assert_eq!(text(said, "standing"), "warning", "{said}");
        assert!(text(said, "seen").contains(&host), "{said}");
    }
    assert_eq!(text(checkup(&report, "answers"), "standing"), "ok");
}

#[test]
fn an_inventory_with_a_mistake_is_shown_and_nothing_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.toml");
    std::fs::write(&file, "[[target]]\nname = \"a\"\n").unwrap();
    let output = doctor(&["--targets", file.to_str().unwrap()]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("targets.toml"), "{}", stderr(&output));
}

#[test]
fn what_must_not_answer_cannot_be_this_machine() {
    for wrong in ["127.0.0.1", "0.0.0.0", "rmm.example.com", "224.0.0.1", "::1"] {
        let output = doctor(&["--nowhere", wrong]).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains("192.0.2.1"), "{}", stderr(&output));
    }
}

#[test]
fn a_proxys_password_is_not_shown() {
    let output = doctor(&[]).env("https_proxy", "http://user:secret@proxy.example:3128").output().unwrap();
    ended(&output, 1);
    let page = stdout(&output);
    assert!(page.contains("https_proxy names a proxy") && !page.contains("secret"), "{page}");
}

#[cfg(unix)]
#[test]
fn few_open_files_are_named() {
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_portreeve");
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "sh", program, "doctor", "--width", "160"]);
    let output = command.output().unwrap();
    ended(&output, 1);
    assert!(stdout(&output).contains("Open files: 40 files may be open"), "{}", stdout(&output));
}

#[test]
fn a_scan_with_a_control_host_that_cannot_be_used_is_partial() {
    let mock = Mock::new(WEB);
    let scan = |arguments: &[&str]| {
        let mut command = mock.scan();
        command.args(["--control-host", "control.invalid"]).args(arguments).output().unwrap()
    };
    let output = scan(&["--width", "160"]);
    ended(&output, 3);
    let page = stdout(&output);
    assert!(page.contains("PARTIAL RUN") && page.contains("THE VANTAGE"), "{page}");
    assert!(page.contains("The control host control.invalid could not be used"), "{page}");
    let output = scan(&["--format", "json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["partial"], true);
    assert_eq!(text(checkup(&report["vantage"], "control-host"), "standing"), "unknown");
    let output = scan(&["--format", "jsonl"]);
    ended(&output, 3);
    let last: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert_eq!(text(&last, "kind"), "vantage");
    assert_eq!(text(checkup(&last, "control-host"), "standing"), "unknown");
}

#[test]
fn a_scan_by_a_control_host_tells_what_it_proved() {
    let mock = Mock::new(WEB);
    let address = own_address();
    let (listeners, _) = ports(address, 2);
    let ports = numbers(&listeners).join(",");
    let arguments = ["--control-host", &address.to_string(), "--control-ports", &ports, "--format", "json"];
    let output = mock.scan().args(arguments).output().unwrap();
    ended(&output, 0);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(text(checkup(&report["vantage"], "control-host"), "seen").starts_with("All 2 TCP ports"));
    assert_eq!(array(&report["vantage"], "ways_out").len(), 2);
}

#[test]
fn a_plan_tells_of_the_control_host() {
    let arguments = ["scan", "198.51.100.7", "--role", "iis", "--dry-run", "--guide", SMALL];
    let control = ["--control-host", "198.51.100.9", "--control-ports", "443,445"];
    let plan = stdout(&portreeve().args(arguments).args(control).output().unwrap());
    assert!(plan.starts_with("first the control host 198.51.100.9: states of 2 TCP ports"), "{plan}");
    let output = portreeve().args(arguments).args(control).args(["--format", "json"]).output().unwrap();
    let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(plan["control_host"]["tcp_ports"], serde_json::json!([443, 445]));
}
