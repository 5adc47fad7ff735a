//! What came of a delivery.

use std::fmt;
use std::time::Duration;

/// A message was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the receiver answered, such as `204 No Content`. Fit to be shown anywhere.
    pub said: String,
    /// Who of several did not get it, and will not by trying again. Worth telling the user.
    pub refused: Vec<Refused>,
}

/// Somebody who did not get a message that others got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who.
    pub whom: String,
    /// What was said of it. Fit to be shown anywhere.
    pub said: String,
}

/// Whose fault it is that something was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The receiver had it and did not take it.
    Receiver,
    /// The way there: name, connection, TLS.
    Path,
    /// This machine: a program or a file that is not there, no descriptors left.
    Here,
    /// What `alerts.toml` says, or a secret that it names.
    Settings,
}

impl Blame {
    /// Whose fault it is, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Receiver => "the receiver",
            Self::Path => "the way to the receiver",
            Self::Here => "this machine",
            Self::Settings => "alerts.toml, or a secret it names",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A message was not taken, or it is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Undelivered {
    /// Whose fault it is.
    pub blame: Blame,
    /// What happened. Fit to be shown anywhere.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// Whether another try will fail as well until somebody changes something.
    pub lasting: bool,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Whom the message reached all the same, of several: to be left out when it is tried again.
    pub reached: Vec<String>,
    /// Who of several was refused it for good, while others have it: to be left out as well.
    pub refused: Vec<Refused>,
}
