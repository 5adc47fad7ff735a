//! The network as an unprivileged program sees it: names, limits, rates, connections that know why they failed, datagrams,
//! and TLS that records what it is shown. Only module `raw` can use a privilege, where there is one.
//!
//! Promises: every wait has an end or ends when its future is dropped; what this machine lacks (descriptors, ports, a
//! route, a permission) is never taken for an answer of the peer; no failure is ever read as "closed". Nothing here knows
//! a question, a guide or a protocol above TLS, and nothing prints.

pub mod dial;
pub mod failure;
pub mod knock;
pub mod limits;
pub mod machine;
pub mod openssl;
pub mod pace;
pub mod raw;
pub mod resolve;
pub mod round_trip;
pub mod route;
pub mod tcp;
pub mod trust;
pub mod udp;

mod error_queue;
