//! TLS as far as the question "is this version accepted?" goes: hellos of our own, and what answers them.
//!
//! No TLS library still speaks SSL 3.0 to TLS 1.1, so the hellos are our own bytes. A hello offers exactly one version
//! and every suite that a server of its time may have, so that a refusal is about the version. The handshake ends with
//! the server's first flight; nothing is ever encrypted.

mod alert;
mod answer;
mod chain;
mod hello;
mod key_exchange;
mod messages;
mod parts;
mod ssl2;
mod suite;

pub use alert::alert_name;
pub use answer::{ServerAnswer, ServerHello, read_answer_to, read_server_answer, says_goodbye};
pub use chain::read_certificate_chain;
pub use hello::{Offer, Seed, Shape, client_hello, groups, is_server_name};
pub use key_exchange::{KeyExchange, KeyExchangeAnswer, read_key_exchange};
pub use parts::Parts;
pub use ssl2::{kind_name, read_kinds};
pub use suite::{all_suites, suite_name, usual as usual_suites};

/// How many bytes are read for a ServerHello or an alert; a real one takes less than a hundredth of it.
pub const ANSWER_LIMIT: usize = 64 * 1024;

/// How many bytes are read for the certificate chain.
pub const CHAIN_LIMIT: usize = 256 * 1024;

/// Whether these first bytes can be the beginning of a TLS record: a content type (RFC 8446, section 5.1) and a version
/// of major number 3.
pub fn looks_like_record(bytes: &[u8]) -> bool {
    match bytes {
        [kind] | [kind, 3, ..] => messages::is_content_type(*kind),
        _ => false,
    }
}
