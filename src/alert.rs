//! Alerts: from what runs show, what people stated and what the clock says to notices: what began, got more urgent or is mended.
//!
//! Pure: no I/O, no clock. [`Book`] has what is open; what a look at the runs adds to it, and takes from it, becomes notices, and
//! those become messages (`message`). Laws, which property tests hold:
//!
//! - **Nothing is mended that was not seen to be.** A server that cannot be reached, a sight that is lost, an item that was not
//!   asked: whatever is open stays open. What nobody asks for any more is withdrawn, in that word.
//! - **What is open is told once**, however often it is seen, in whichever run, by whichever process.
//! - **The first look at an inventory tells nothing of the past**: what is open by then is told together, in one message for each
//!   channel.

mod book;
mod clock;
mod day;
mod jobs;
mod mended;
mod message;
mod renamed;
mod server;

pub use book::Book;
pub use clock::{Said, certificates, statements};
pub use day::as_of;
pub use jobs::{GRACE, JobStanding, Partly, ScheduledServer, channels, inventory, jobs, scheduled, servers};
pub use message::{NOTICES_MOST, Route, messages};
pub use renamed::{Placed, placed, renamed};
pub use server::{SeriesOf, is_blind, server};

use crate::model::alert::Kind;
use crate::model::matter::{Matter, MatterState};
use crate::model::verdict::Severity;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Whose a matter is that is about the whole inventory.
pub const EVERYBODY: &str = "all clients";

/// What is told at all, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Drift below this severity is not told.
    pub at_least: Severity,
    /// So many days before a certificate expires it is told (again). That it has expired is always told.
    pub certificate_days: Vec<u32>,
    /// The same for attestations and waivers.
    pub statement_days: Vec<u32>,
}

/// What tells a matter from every other: 16 hexadecimal digits.
pub fn key(client: &str, target: Option<&str>, kind: Kind, subject: &str) -> String {
    let mut digest = Sha256::new();
    for part in
        [client, target.unwrap_or_default(), if target.is_some() { "server" } else { "all" }, kind.as_str(), subject]
    {
        // With its length, so that no two matters are one text.
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    data_encoding::HEXLOWER.encode(digest.finalize().first_chunk::<8>().map_or(&[], |first| first))
}

/// The key of a matter of a server, by what it is about.
fn key_of(matter: &Matter) -> String {
    let subject = match &matter.state {
        MatterState::Worse { subject, .. } => server::name(subject),
        MatterState::Flapping { subject, .. } => server::flapping(subject),
        MatterState::NotWhole { .. } => server::WHOLE.to_owned(),
        MatterState::Certificate { sha256, .. } => sha256.clone(),
        MatterState::Statement { item, .. } => clock::subject(item),
        // They are about no server.
        MatterState::JobFailed { .. } | MatterState::JobMissed { .. } | MatterState::Inventory { .. } => {
            return matter.key.clone();
        }
    };
    key(&matter.client, matter.target.as_deref(), matter.kind, &subject)
}

/// Whether whoever looks at an inventory looks at all of another: each path of that one is one of these, or in one. A look by hand
/// at one file of a folder must not keep the folder's own looks from seeing what is gone from it.
fn covers(inventory: &str, other: &str) -> bool {
    let is_in = |path: &str| inventory.lines().any(|own| Path::new(path).starts_with(own));
    !other.is_empty() && other.lines().all(is_in)
}

/// A number of things.
fn counted(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
