//! What portreeve talks about: targets, questions, observations, verdicts and runs.
//!
//! Plain data without I/O. Every other module uses these types and this module uses none of theirs.
//! Wire numbers keep the values we do not know; "false" and "could not tell" never share an encoding.

pub mod address;
pub mod alert;
pub mod certificate;
pub mod drift;
pub mod evidence;
pub mod expected;
pub mod fact;
pub mod http;
pub mod matter;
pub mod observation;
pub mod peer_text;
pub mod ports;
pub mod question;
pub mod run;
pub mod service;
pub mod statement;
pub mod suites;
pub mod target;
pub mod tls;
pub mod udp;
pub mod vantage;
pub mod verdict;
pub mod witness;
