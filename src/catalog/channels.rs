//! Where alerts go: `alerts.toml`, which stands beside the inventories, like attestations and waivers.
//!
//! A channel that cannot be meant (an unknown key, a client that no inventory has, an address that is none) is a mistake, and
//! nothing is done. No secret stands in the file: it names an environment variable or another file for each, which is read when
//! something is delivered. What was read of it shows in no text ([`Secret`]).

mod address;
mod filter;
mod read;
mod secret;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::inventory::{Named, read_text, shown};
use crate::model::alert::{Kind, Notice};
use crate::model::target::Target;
use crate::model::verdict::Severity;
pub use address::{Address, AddressError, UrlProblem, WebAddress, is_loopback};
pub use filter::is_about;
use lettre::message::Mailbox;
use read::Reading;
pub use secret::{Key, Problem, Secret, SecretError, Source};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `alerts.toml` says; several files are one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// What is told at all.
    pub when: When,
    /// Where it goes, in the order of the files. Names are unique.
    pub channels: Vec<Channel>,
    /// The places of the files ([`place`]).
    pub places: Vec<String>,
}

/// What is told at all, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// Drift below this severity is not told.
    pub at_least: Severity,
    /// So many days before a certificate expires it is told (again), the most first. That it has expired is always told.
    pub certificate_days: Vec<u32>,
    /// The same for attestations and waivers.
    pub statement_days: Vec<u32>,
}

impl Default for When {
    fn default() -> Self {
        Self { at_least: Severity::Medium, certificate_days: vec![30, 14, 7, 1], statement_days: vec![30, 7, 1] }
    }
}

/// A way to somebody who should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What the user calls it.
    pub name: String,
    /// How it is reached.
    pub means: Means,
    /// What it is for.
    pub wants: Wants,
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The file, the same from whatever folder it is named ([`place`]): it tells the channel from others of its name.
    pub place: String,
}

/// A file's own path in one text, whether it is there or not.
pub fn place(file: &Path) -> String {
    let gone = || {
        let whole = std::path::absolute(file).ok()?;
        Some(std::fs::canonicalize(whole.parent()?).ok()?.join(whole.file_name()?))
    };
    let real = std::fs::canonicalize(file).ok().or_else(gone).or_else(|| std::path::absolute(file).ok());
    real.unwrap_or_else(|| file.to_owned()).display().to_string()
}

impl Alerts {
    /// Keeps from programs what the environment holds for other channels. A program has no secret of its own here.
    fn withhold(&mut self) {
        let sources = self.channels.iter().flat_map(|channel| channel.means.secrets());
        let variables = sources.filter_map(|source| match source {
            Source::Variable(name) => Some(name.clone()),
            Source::File(_) => None,
        });
        let variables: BTreeSet<String> = variables.collect();
        for channel in &mut self.channels {
            if let Means::Command(program) = &mut channel.means {
                program.withheld.clone_from(&variables);
            }
        }
    }
}

impl Channel {
    /// Whether everything that a delivery needs from this machine can be read now: secrets, and roots of the user's own. Nothing
    /// is sent.
    pub fn check(&self) -> Result<(), AddressError> {
        let secrets = match &self.means {
            Means::Webhook(webhook) => {
                webhook.address.read(Service::Webhook)?;
                Some(&webhook.secret)
            }
            Means::Slack(hook) => {
                hook.address.read(Service::Slack)?;
                None
            }
            Means::Teams(hook) => {
                hook.address.read(Service::Teams)?;
                None
            }
            Means::Mail(mail) => mail.login.as_ref().map(|login| &login.password),
            Means::Command(_) => None,
        };
        match (&self.means, secrets) {
            (Means::Webhook(_), Some(source)) => {
                source.read_key()?;
            }
            (_, Some(source)) => {
                source.read()?;
            }
            (_, None) => {}
        }
        Ok(())
    }
}

/// What a channel is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Clients, whatever their case, with `*` for any characters. Empty: all.
    pub clients: Vec<String>,
    /// Kinds of notices. Empty: all.
    pub kinds: BTreeSet<Kind>,
    /// The least severity; none where everything that is told at all is wanted.
    pub at_least: Option<Severity>,
}

impl Wants {
    /// Whether the channel gets this notice.
    pub fn takes(&self, notice: &Notice) -> bool {
        (self.clients.is_empty() || self.clients.iter().any(|pattern| is_about(pattern, &notice.client)))
            && (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
            && self.at_least.is_none_or(|least| notice.severity >= least)
    }
}

/// How a channel is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// JSON to an address of the user's own, signed.
    Webhook(Webhook),
    /// An incoming webhook of Slack, or of what understands the same.
    Slack(Hook),
    /// A webhook of a workflow of Microsoft Teams.
    Teams(Hook),
    /// Mail by SMTP.
    Mail(Box<Mail>),
    /// A program on this machine.
    Command(Program),
}

impl Means {
    /// The means as it is written in `alerts.toml`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Mail(_) => "mail",
            Self::Command(_) => "command",
        }
    }

    /// Where its secrets are kept.
    fn secrets(&self) -> Vec<&Source> {
        let (address, secret) = match self {
            Self::Webhook(webhook) => (Some(&webhook.address), Some(&webhook.secret)),
            Self::Slack(hook) | Self::Teams(hook) => (Some(&hook.address), None),
            Self::Mail(mail) => (None, mail.login.as_ref().map(|login| &login.password)),
            Self::Command(_) => (None, None),
        };
        let address = address.and_then(|address| match address {
            Address::Written(_) => None,
            Address::Kept(source) => Some(source),
        });
        address.into_iter().chain(secret).collect()
    }
}

/// Who answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Something of the user's own.
    Webhook,
    /// Slack.
    Slack,
    /// Teams.
    Teams,
}

/// A webhook of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub address: Address,
    /// What signs each message.
    pub secret: Source,
    /// Roots to trust beside the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// A webhook whose address is its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Where.
    pub address: Address,
    /// Roots to trust beside the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is protected.
    pub tls: MailTls,
    /// The sender.
    pub from: Mailbox,
    /// Who gets it; at least one.
    pub to: Vec<Mailbox>,
    /// Who signs in; nobody where the server wants none.
    pub login: Option<Login>,
    /// How this machine introduces itself; none where it is found out.
    pub hello: Option<String>,
    /// Roots to trust beside the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// In the open until the server is asked for TLS; without it nothing is sent (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// In the open.
    None,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// By which password.
    pub password: Source,
}

/// A program, started without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// What it is given, one text each.
    pub arguments: Vec<String>,
    /// Variables of the environment that it is not given: those that hold the secrets of channels.
    pub withheld: BTreeSet<String>,
}

/// Which clients there are.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The targets of the inventories.
    pub targets: &'a [Target],
    /// Those of other inventories beside them.
    pub elsewhere: &'a [Named],
}

impl<'a> Known<'a> {
    fn clients(self) -> BTreeSet<&'a str> {
        let targets = self.targets.iter().map(|target| target.client.as_str());
        targets.chain(self.elsewhere.iter().map(|named| named.client.as_str())).collect()
    }
}

/// Reads files of channels. With `known`, clients that no inventory has are mistakes.
pub fn load(files: &[PathBuf], known: Option<Known<'_>>) -> Result<Alerts, Diagnostics> {
    let mut reading = Reading::new(known);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files {
        // One that is named by an option may stand beside the inventory too.
        if !seen.insert(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone())) {
            continue;
        }
        match read_text(file) {
            Ok(text) => {
                let folder = file.parent().unwrap_or_else(|| Path::new(""));
                let before = reading.alerts.channels.len();
                let own = place(file);
                if let Err(Diagnostics(more)) = reading.add(&shown(file), &text, folder) {
                    found.extend(more);
                }
                for channel in reading.alerts.channels.iter_mut().skip(before) {
                    channel.place.clone_from(&own);
                }
                reading.alerts.places.push(own);
                let mut fresh = reading.alerts.channels.iter().skip(before);
                if fresh.any(|channel| matches!(channel.means, Means::Command(_))) && may_be_changed_by_anybody(file) {
                    let message = "everybody on this machine may change this file, and it names a program that is run";
                    let help = format!("chmod o-w {}", shown(file));
                    found.push(Diagnostic::whole(&shown(file), message, Some(help)));
                }
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    reading.alerts.withhold();
    if found.is_empty() { Ok(reading.alerts) } else { Err(Diagnostics(found)) }
}

#[cfg(unix)]
fn may_be_changed_by_anybody(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn may_be_changed_by_anybody(_: &Path) -> bool {
    false
}

/// Reads the text of one file; paths in it begin at `folder`.
pub fn parse(file: &str, text: &str, folder: &Path, known: Option<Known<'_>>) -> Result<Alerts, Diagnostics> {
    let mut reading = Reading::new(known);
    reading.add(file, text, folder)?;
    reading.alerts.withhold();
    Ok(reading.alerts)
}

#[cfg(test)]
mod tests;
