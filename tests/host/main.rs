//! Evidence from inside the host: every item with a passing, a failing and a not-collected bundle, made here from small parts;
//! the program from outside; contradictions with what a mock server answers; the collector under wine.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]
#![expect(clippy::format_push_string, reason = "a test's helpers are test code")]

mod both;
mod collector;
mod details;
mod doubts;
mod items;
mod parts;
mod program;
mod restart;
mod sources;
#[path = "../support/mod.rs"]
mod support;
