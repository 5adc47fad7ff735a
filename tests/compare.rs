//! The comparison with other scanners still reads what we print, and has nothing to hold against us.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may")]

#[path = "support/namespaces.rs"]
#[allow(dead_code, reason = "whether namespaces can be had is all that is wanted here")]
mod namespaces;

use namespaces::{skip, usable};
use std::process::Command;

#[test]
fn the_comparison_finds_no_mistake_of_ours() {
    if !usable() || !installed() {
        return;
    }
    let mut command = assert_cmd::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare"));
    command.args(["--works", "five,proxy", "--tools", "portreeve,nmap-sS", "--limit", "60", "--rtt", "0"]);
    command.args(["--portreeve", env!("CARGO_BIN_EXE_portreeve")]).timeout(std::time::Duration::from_mins(5));
    let process = command.output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&process.stdout), String::from_utf8_lossy(&process.stderr));
    assert!(process.status.success(), "{complaints}");
    for work in ["five", "proxy"] {
        let row = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|row| row.starts_with(&[work]) && row.get(2) == Some(&"portreeve"));
        let row = row.unwrap_or_else(|| panic!("no row for {work}:\n{said}{complaints}"));
        assert_eq!(row[5..8], ["0", "0", "0"], "wrong open, wrong closed, undecided:\n{said}");
        assert_eq!(row.len(), 9, "no note:\n{said}");
    }
}

/// Whether there is everything that the script needs beside namespaces.
fn installed() -> bool {
    ["python3", "nsenter", "setpriv", "sysctl", "tc"].iter().all(|program| {
        let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        there.is_ok_and(|output| output.status.success()) || skip(&format!("`{program}` is not installed"))
    })
}
