//! Port states against firewalls, routers, lossy paths and dead hosts: the program from outside, in namespaces that the
//! test makes, held against what is really there.
//!
//! Every assertion is about states, reasons, senders and health in the JSON report, never about time. Where namespaces
//! cannot be had the tests say so and pass; with the environment variable `PORTREEVE_REQUIRE_NAMESPACES=1` they fail.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may")]

#[path = "../support/mod.rs"]
mod support;

mod firewalls;
mod limits;
mod loss;
mod ourselves;
mod seen;
mod udp;
mod unreachable;
mod vantage;

/// TCP ports as guides name them.
const PORTS: [u16; 40] = [
    22, 25, 70, 80, 135, 137, 138, 139, 443, 445, 1433, 1434, 3306, 3389, 5985, 5986, 8002, 8040, 8041, 8080, 8383,
    8443, 8484, 9389, 12413, 40000, 40001, 40002, 40003, 40004, 40005, 40006, 40007, 40008, 40009, 40010, 40011, 40012,
    40013, 40014,
];
