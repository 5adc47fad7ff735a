//! Takes a message to where a channel leads: webhook, Slack, Teams, mail, a program.
//!
//! One try, with an end: whether, when and how often it is tried again is the outbox's business. What went wrong says whose
//! fault it is and what to do next. No secret, and nothing that a receiver said unescaped, is in any text of this module.

mod outcome;

use crate::catalog::channels::Channel;
use crate::model::alert::Message;
pub use outcome::{Blame, Receipt, Refused, Undelivered};

/// Delivers `message` by `channel`, once.
///
/// `reached` are those whom an earlier try of the same message reached already ([`Undelivered::reached`]): they are left out.
pub async fn deliver(channel: &Channel, message: &Message, reached: &[String]) -> Result<Receipt, Undelivered> {
    let _ = (channel, message, reached);
    std::future::pending().await
}
