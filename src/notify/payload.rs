//! What a message looks like to each kind of receiver: pure functions.
//!
//! Texts of a message may hold what a peer, a file or a user chose. Each function shows them ([`clean`]) and escapes what its
//! receiver would take for markup; none of them can make a mention, a link, a header or a tag.
//!
//! [`clean`]: crate::report::text::clean

pub mod json;
pub mod mail;
pub mod slack;
pub mod teams;
mod words;

#[cfg(test)]
mod fixture;
