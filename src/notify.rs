//! Takes a message to where a channel leads: webhook, Slack, Teams, mail, a program.
//!
//! One try, with an end: whether, when and how often it is tried again is the outbox's business. What went wrong says whose
//! fault it is and what to do next. No secret, and nothing that a receiver said unescaped, is in any text of this module.

mod command;
mod hidden;
mod hook;
mod http;
mod outcome;
pub mod payload;
mod smtp;
mod trouble;

use crate::catalog::channels::{Channel, Means};
use crate::model::alert::Message;
use crate::net::trust;
pub use outcome::{Blame, Receipt, Refused, Undelivered};
use std::path::Path;
use std::time::Duration;

/// The name that a web server sees.
const USER_AGENT: &str = concat!("portreeve/", env!("CARGO_PKG_VERSION"));

/// How long a delivery may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection, for each address.
    pub connect: Duration,
    /// Until a webhook has answered, from the beginning.
    pub hook: Duration,
    /// Until a mail is taken, from the beginning. Servers that greet late on purpose take half a minute of it.
    pub mail: Duration,
    /// Until a program has ended.
    pub program: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            hook: Duration::from_secs(30),
            mail: Duration::from_mins(2),
            program: Duration::from_mins(1),
        }
    }
}

/// Delivers `message` by `channel`, once.
///
/// `reached` are those of the [`recipients`] who are left out: who was reached by an earlier try of the same message
/// ([`Undelivered::reached`]), or waits for another one.
pub async fn deliver(channel: &Channel, message: &Message, reached: &[String]) -> Result<Receipt, Undelivered> {
    deliver_within(channel, message, reached, &Limits::default()).await
}

/// The same within other limits.
pub async fn deliver_within(
    channel: &Channel,
    message: &Message,
    reached: &[String],
    limits: &Limits,
) -> Result<Receipt, Undelivered> {
    match &channel.means {
        Means::Webhook(webhook) => hook::webhook(webhook, message, limits).await,
        Means::Slack(slack) => hook::slack(slack, message, limits).await,
        Means::Teams(teams) => hook::teams(teams, message, limits).await,
        Means::Mail(mail) => smtp::mail(mail, message, reached, limits).await,
        Means::Command(program) => command::run(program, message, limits).await,
    }
}

/// Who gets the messages of a channel that may have several receivers, and is told apart; empty for all others.
pub fn recipients(channel: &Channel) -> Vec<String> {
    match &channel.means {
        Means::Mail(mail) => mail.to.iter().map(|to| to.email.to_string()).collect(),
        Means::Webhook(_) | Means::Slack(_) | Means::Teams(_) | Means::Command(_) => Vec::new(),
    }
}

/// Whether every notice of `message` is shown in what the channel's receiver gets.
pub fn has_room(channel: &Channel, message: &Message) -> bool {
    match &channel.means {
        Means::Slack(_) => message.notices.len() <= payload::slack::NOTICES,
        Means::Teams(_) => payload::teams::has_room(message),
        Means::Mail(_) => message.notices.len() <= payload::mail::NOTICES,
        Means::Webhook(_) | Means::Command(_) => true,
    }
}

/// Whether everything that a delivery needs from this machine is there: secrets, roots, the program. Nothing is sent.
pub fn check(channel: &Channel) -> Result<(), Undelivered> {
    channel.check().map_err(|error| trouble::settings(&error.to_string(), &error.advice()))?;
    let ca_file = match &channel.means {
        Means::Webhook(webhook) => webhook.ca_file.as_deref(),
        Means::Slack(hook) | Means::Teams(hook) => hook.ca_file.as_deref(),
        Means::Mail(mail) => mail.ca_file.as_deref(),
        Means::Command(program) => return command::check(program),
    };
    ca_file.map_or(Ok(()), |file| trust::verifying_client(Some(file)).map(drop).map_err(|error| trouble::trust(&error)))
}

/// What verifies the receiver's certificate; reading the system's store may take a while.
async fn verifying(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, Undelivered> {
    let ca_file = ca_file.map(Path::to_owned);
    let read = tokio::task::spawn_blocking(move || trust::verifying_client(ca_file.as_deref())).await;
    let read = read.map_err(|_| trouble::here("the system's trust store could not be read", "try again"))?;
    read.map_err(|error| trouble::trust(&error))
}
