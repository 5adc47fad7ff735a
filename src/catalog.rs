//! What the user and the vendors wrote down: guides, inventories, statements about their targets, channels for alerts, and the
//! list of exploited versions.
//!
//! All of it is TOML. Reading is all or nothing for a file: what is wrong is named with file, line, column and a
//! suggestion, and nothing of it is used. Texts from files are data: they are shown, never obeyed.

pub mod builtin;
pub mod channels;
pub mod diagnostic;
pub mod example;
pub mod expected;
pub mod exploited;
pub mod guide;
pub mod inventory;
pub mod rule;
mod scheduled;
pub mod statements;
pub mod suite_policy;
mod toml_file;
