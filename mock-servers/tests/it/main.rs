//! Every face, seen from a client's side with plain sockets, and with `openssl` and `curl` where they are installed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers fail and speak as tests do, and clippy.toml only knows of the tests themselves"
)]

mod builtins;
mod ports;
mod program;
mod services;
mod support;
mod tls;
mod web;
