//! portreeve stands outside an RMM server and checks its gates against the vendors' hardening guides.
//!
//! The modules, each using only those before it: [`model`] → wire → schedule → catalog → host → net → witness → probe → engine → judge →
//! drift → history → report → alert → notify → cli. `ARCHITECTURE.md` tells what flows through them and which promises hold.

pub mod alert;
pub mod catalog;
pub mod cli;
pub mod drift;
pub mod engine;
pub mod history;
pub mod host;
pub mod judge;
pub mod model;
pub mod net;
pub mod notify;
pub mod probe;
pub mod report;
pub mod schedule;
pub mod wire;
pub mod witness;
