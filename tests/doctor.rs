//! `portreeve doctor` on listeners of the test's own.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use serde_json::Value;
use std::net::TcpListener;
use support::{ended, portreeve, stderr, stdout, text};

fn remarks(arguments: &[&str], code: i32) -> Vec<Value> {
    let output = portreeve().arg("doctor").args(arguments).args(["--format", "json"]).output().unwrap();
    ended(&output, code);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["format"], "portreeve-doctor");
    report["remarks"].as_array().unwrap().clone()
}

fn about<'a>(remarks: &'a [Value], what: &str) -> Vec<&'a Value> {
    remarks.iter().filter(|remark| text(remark, "about") == what).collect()
}

#[test]
fn without_anything_named_nothing_is_asked_and_what_is_not_known_is_said() {
    let remarks = remarks(&[], 0);
    for what in ["an address that must not answer", "ports blocked on the way out"] {
        assert_eq!(text(about(&remarks, what)[0], "weight"), "not-checked");
    }
    assert_eq!(about(&remarks, "open files").len(), 1);
}

#[test]
fn a_control_host_that_listens_shows_that_nothing_is_blocked() {
    let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<String> =
        listeners.iter().map(|listener| format!("tcp/{}", listener.local_addr().unwrap().port())).collect();
    let remarks = remarks(&["--control", "127.0.0.1", "--ports", &ports.join(",")], 0);
    let remark = about(&remarks, "ports blocked on the way out")[0];
    assert_eq!(text(remark, "weight"), "fine", "{remark}");
    assert!(text(remark, "seen").contains("3 ports"), "{remark}");
}

#[test]
fn a_control_host_without_listener_proves_nothing() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let remarks = remarks(&["--control", "127.0.0.1", "--ports", &format!("tcp/{port}")], 0);
    assert_eq!(text(about(&remarks, "ports blocked on the way out")[0], "weight"), "not-checked");
}

#[test]
fn somebody_at_the_address_that_nobody_has_is_a_broken_vantage() {
    let remarks = remarks(&["--nowhere", "127.0.0.1"], 1);
    assert_eq!(text(about(&remarks, "an address that must not answer")[0], "weight"), "broken");
}

#[test]
fn a_server_at_an_inside_address_is_no_outside_view() {
    let remarks = remarks(&["127.0.0.1"], 1);
    assert_eq!(text(about(&remarks, "an outside view")[0], "weight"), "warning");
    assert_eq!(text(about(&remarks, "decoys")[0], "weight"), "fine");
}

#[test]
fn a_wrong_address_is_a_usage_error() {
    let output = portreeve().args(["doctor", "--nowhere", "nobody.example"]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("--nowhere"), "{}", stderr(&output));
}
