//! What the program says of itself.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};
use support::{Mock, SMALL, WEB, array, ended, portreeve, run, stderr, stdout};

#[test]
fn the_help_is_as_it_was_agreed() {
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help-short", &["-h"]),
        ("help-scan", &["scan", "--help"]),
        ("help-demo", &["demo", "--help"]),
        ("help-doctor", &["doctor", "--help"]),
        ("help-probe", &["probe", "--help"]),
        ("help-probe-ports", &["probe", "ports", "--help"]),
        ("help-probe-tls", &["probe", "tls", "-h"]),
        ("help-probe-http", &["probe", "http", "-h"]),
        ("help-probe-service", &["probe", "service", "-h"]),
        ("help-doctor", &["doctor", "--help"]),
        ("help-history", &["history", "--help"]),
        ("help-show", &["show", "--help"]),
        ("help-diff", &["diff", "--help"]),
        ("help-report", &["report", "--help"]),
        ("help-export", &["export", "--help"]),
        ("help-import", &["import", "--help"]),
        ("help-prune", &["prune", "--help"]),
        ("help-watch", &["watch", "--help"]),
        ("help-alerts", &["alerts", "--help"]),
        ("help-alerts-test", &["alerts", "test", "--help"]),
        ("help-alerts-list", &["alerts", "list", "-h"]),
        ("help-alerts-check", &["alerts", "check", "--help"]),
        ("help-alerts-drop", &["alerts", "drop", "-h"]),
        ("help-witness", &["witness", "--help"]),
        ("help-host", &["host", "--help"]),
        ("help-host-collector", &["host", "collector", "--help"]),
        ("help-host-collect", &["host", "collect", "--help"]),
        ("help-host-check", &["host", "check", "--help"]),
        ("help-attest", &["attest", "--help"]),
        ("help-waive", &["waive", "--help"]),
        ("help-guides", &["guides", "--help"]),
        ("help-guides-list", &["guides", "list", "--help"]),
    ] {
        let output = portreeve().args(arguments).env("COLUMNS", "100").output().unwrap();
        ended(&output, 0);
        let page = stdout(&output);
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{name}: {page}");
        insta::with_settings!({
            snapshot_path => "fixtures/help",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, page);
        });
    }
}

#[test]
fn the_version_tells_the_guides_revisions() {
    let output = run(&["--version"]);
    ended(&output, 0);
    let page = stdout(&output);
    assert_eq!(page.lines().next(), Some(concat!("portreeve ", env!("CARGO_PKG_VERSION"))));
    for guide in ["automate", "control", "screenconnect", "endpoint-central", "iis", "beyond"] {
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("guide {guide} ")));
        assert!(line.is_some_and(|rest| rest.ends_with(" items)") && rest.starts_with("20")), "{guide}: {page}");
    }
    assert!(page.contains("exploited versions 20"), "{page}");
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        ended(&output, 0);
        for word in ["scan", "demo", "probe", "witness", "attest", "waive", "guides", "targets", "fail-on"] {
            assert!(stdout(&output).contains(word), "{shell} does not know {word}");
        }
    }
    let output = run(&["completions", "bassh"]);
    ended(&output, 2);
}

#[test]
fn the_manual_page_can_be_read() {
    let output = run(&["man"]);
    ended(&output, 0);
    let page = stdout(&output);
    for part in [
        ".TH portreeve",
        ".SH NAME",
        ".SH PORTREEVE SCAN",
        ".SH PORTREEVE PROBE",
        ".SH PORTREEVE ALERTS",
        ".SH PORTREEVE WITNESS",
        ".SH PORTREEVE ATTEST",
        ".SH PORTREEVE WAIVE",
        "Exit codes",
    ] {
        assert!(page.contains(part), "{part} is not in the manual page");
    }
    let groff = Command::new("groff")
        .args(["-man", "-Tascii", "-ww", "-z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut groff) = groff else {
        eprintln!("SKIPPED: groff is not installed");
        return;
    };
    groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = groff.wait_with_output().unwrap();
    assert!(output.status.success());
    let complaints = stderr(&output);
    let grave: Vec<&str> = complaints.lines().filter(|line| line.contains("macro") || line.contains("error")).collect();
    assert!(grave.is_empty(), "{complaints}");
}

#[test]
fn a_misspelling_gets_a_suggestion() {
    for (arguments, suggestion) in [
        (&["scn"][..], "'scan'"),
        (&["scan", "--targtes", "x"], "'--targets'"),
        (&["guides", "lst"], "'list'"),
        (&["probe", "port", "x"], "'ports'"),
        (&["scan", "h.invalid", "--role", "automat"], "'automate'"),
        (&["scan", "h.invalid", "--role", "iis", "--fail-on", "fial"], "'fail'"),
        (&["scan", "h.invalid", "--role", "iis", "--guide", "automte"], "`automate`"),
        (&["guides", "show", "AUT-NET-6"], "AUT-NET-06"),
    ] {
        let output = run(arguments);
        ended(&output, 2);
        assert!(stderr(&output).contains(suggestion), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn no_arguments_show_the_help_and_are_a_mistake() {
    let output = run(&[]);
    ended(&output, 2);
    assert!(stderr(&output).contains("Usage: portreeve"), "{}", stderr(&output));
}

#[test]
fn a_dry_run_tells_everything_and_asks_nothing() {
    let mock = Mock::new(WEB);
    let output = mock.scan().args(["--dry-run", "--ports", "tcp/9999,udp/53"]).output().unwrap();
    ended(&output, 0);
    let plan = stdout(&output);
    let actual = |port| mock.running.actual(mock_servers::Transport::Tcp, port).unwrap();
    for words in [
        mock.running.address().to_string(),
        format!("tcp/{} (the guides' tcp/443)  for SML-01", actual(443)),
        format!("tcp/{} (the guides' tcp/80)  for SML-02", actual(80)),
        "tcp/9999".to_owned(),
        "udp/53".to_owned(),
        "states of 4 TCP and 1 UDP ports".to_owned(),
        "SML-03".to_owned(),
    ] {
        assert!(plan.contains(&words), "{words:?} is not in:\n{plan}");
    }
    let output = mock.scan().args(["--dry-run", "--format", "json"]).output().unwrap();
    ended(&output, 0);
    let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&plan["format"], &plan["version"]), (&"portreeve-plan".into(), &1.into()));
    let target = &plan["targets"][0];
    assert_eq!(target["addresses"][0], mock.running.address().to_string());
    assert_eq!((&target["tcp_ports"], &target["udp_ports"]), (&3.into(), &0.into()));
    let wanted: Vec<String> =
        array(target, "ports").iter().map(|port| format!("{} {}", port["guide_port"], port["for"])).collect();
    assert!(
        wanted.contains(&"443 [\"SML-01\",\"inventory\"]".to_owned()) && wanted.contains(&"80 [\"SML-02\"]".to_owned()),
        "{wanted:?}"
    );
    assert_eq!(mock.asked(), 0, "a dry run asked something");
}

#[test]
fn a_plan_tells_of_decoys_once_with_a_sweep_and_without() {
    for sweep in [&["--dry-run"][..], &["--dry-run", "--sweep"]] {
        let output = portreeve().args(["scan", "127.0.0.1", "--role", "iis", "--width", "160"]).args(sweep).output();
        let plan = stdout(&output.unwrap());
        assert_eq!(plan.matches("3 more TCP ports that nothing uses").count(), 1, "{plan}");
    }
}

#[test]
fn a_dry_run_of_a_quiet_scan_writes_no_file() {
    let mock = Mock::new(WEB);
    let file = mock.path("run.json");
    let output = mock.scan_as("roles = [\"iis\"]", &["--guide", SMALL, "--dry-run", "--json", file.to_str().unwrap()]);
    let output = { output }.output().unwrap();
    ended(&output, 0);
    assert!(!file.exists() && mock.asked() == 0);
}
