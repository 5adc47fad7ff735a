//! What the scanning machine lacks is never said of the target.

use crate::PORTS;
use crate::seen::Transport::{Tcp, Udp};
use crate::seen::{ANSWERS, CLOSED, OPEN, PATIENCE, SILENT, Seen, States, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, v4};
use crate::support::{stderr, stdout};
use std::process::{Command, Output};

/// A careless host, and ports that it drops.
fn perimeter() -> (Perimeter, States) {
    let mut perimeter = Perimeter::new(&[10]);
    perimeter
        .target
        .nft("table inet gate { chain input { type filter hook input priority 0; udp dport 3001-3100 drop; }; }");
    perimeter.tcp(v4(10), &[443, 3389, 8040]);
    perimeter.udp_echo(v4(10), 3000);
    let udp: Vec<u16> = (3000..=3100).collect();
    let truth =
        truth(&[(Tcp, &PORTS, CLOSED), (Tcp, &[443, 3389, 8040], OPEN), (Udp, &udp, SILENT), (Udp, &[3000], ANSWERS)]);
    (perimeter, truth)
}

/// Probes with a limit of open files that cannot be raised.
fn with_files(perimeter: &Perimeter, files: u32) -> Output {
    let ports: Vec<String> = PORTS.iter().map(u16::to_string).collect();
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), "sh", "-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"]);
    command.args([env!("CARGO_BIN_EXE_portreeve"), "probe", "ports", &v4(10).to_string(), "--format", "json"]);
    command.args(["--tcp", &ports.join(","), "--udp", "3000-3100"]);
    perimeter.scanner.inside(|| command.output().unwrap())
}

#[test]
fn few_open_files_make_a_probe_slow_and_nothing_else() {
    if !usable() {
        return;
    }
    let (perimeter, truth) = perimeter();
    let output = with_files(&perimeter, 40);
    assert!(stderr(&output).contains("only 40 open files"), "{}", stderr(&output));
    Seen::of(output).ended(0).is(v4(10), &truth);
}

#[test]
fn too_few_open_files_are_named_before_anything_is_asked() {
    if !usable() {
        return;
    }
    let (perimeter, _) = perimeter();
    let output = with_files(&perimeter, 12);
    crate::support::ended(&output, 3);
    assert!(stderr(&output).contains("too few to ask anything"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

/// Four local ports for more sockets than that: what could not be had is waited for, or named as what we lack.
#[test]
fn too_few_local_ports_are_our_own_trouble() {
    if !usable() {
        return;
    }
    let (perimeter, truth) = perimeter();
    perimeter.scanner.set("ipv4/ip_local_port_range", "50000 50003");
    let udp: Vec<u16> = (2600..=3100).collect();
    let mut command = crate::seen::probe(&[v4(10)], &PORTS, &udp);
    command.args(["--format", "json"]);
    let seen = Seen::of(perimeter.scanner.inside(|| command.output().unwrap()));
    let states = seen.states(v4(10));
    assert_eq!(states.len(), PORTS.len() + udp.len(), "a port is lost");
    let mut lacking = 0;
    for (port, state) in &states {
        if state == "failed ourselves exhausted" {
            lacking += 1;
        } else if let Some(is) = truth.get(port) {
            // Beside ports that are refused, silence tells more than alone.
            let silent = is == SILENT && state.starts_with("open-or-filtered ");
            assert!(silent || state == is, "{port:?}: {state}");
        } else {
            assert!(state.starts_with("closed icmp 3/3 "), "{port:?}: {state}");
        }
    }
    if lacking > 0 {
        seen.ended(3);
        assert!(seen.troubles().contains(&"ourselves"), "{:?}", seen.troubles());
    } else {
        seen.ended(0);
    }
}
