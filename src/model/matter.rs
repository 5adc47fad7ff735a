//! What is open: matters, of which notices tell how they begin, get more urgent and end.
//!
//! A matter is told from every other by its key, over runs and restarts. It is open from when it was told until it was seen to be
//! mended, or nobody asks for it any more.

use super::alert::{Kind, Notice, Phase};
use super::drift::Subject;
use super::peer_text::PeerText;
use super::statement::About;
use super::verdict::Severity;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Something that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matter {
    /// What tells it from every other: 16 hexadecimal digits.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// Whose server it is.
    pub client: String,
    /// The server; none where it is about a schedule, or all of an inventory.
    pub target: Option<String>,
    /// What happened, as it was told last.
    pub title: String,
    /// What was seen, and why.
    pub details: Vec<String>,
    /// What to do next.
    pub action: Option<String>,
    /// When it began, RFC 3339, UTC.
    pub since: String,
    /// The run that showed it.
    pub run: Option<u64>,
    /// What is needed to tell when it gets worse, and when it is mended.
    pub state: MatterState,
    /// The key by which it was told, where its server was called otherwise then: receivers join by it what belongs together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_as: Option<String>,
}

/// What is remembered of a matter by what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "about")]
pub enum MatterState {
    /// Something that reads worse.
    Worse {
        /// What.
        subject: Subject,
        /// What is said of it now.
        after: Option<String>,
        /// The run that it reads worse than.
        against: Option<u64>,
    },
    /// Something that alternates.
    Flapping {
        /// What.
        subject: Subject,
        /// In how many runs in a row it did not.
        quiet: usize,
    },
    /// A server whose scan is not whole.
    NotWhole {
        /// What kept it from being so, in a word that stays the same while it is the same.
        what: String,
    },
    /// A job whose scans fail.
    JobFailed {
        /// The job.
        job: String,
        /// The exit code; none where it was killed.
        exit: Option<i32>,
        /// The inventory that has it: its paths, in one text.
        #[serde(default)]
        inventory: String,
    },
    /// A job whose scans do not happen.
    JobMissed {
        /// The job.
        job: String,
        /// The inventory that has it: its paths, in one text.
        #[serde(default)]
        inventory: String,
    },
    /// An inventory that cannot be read.
    Inventory {
        /// The files that options named when it could not: only who reads them too can tell that all can be read again.
        #[serde(default)]
        files: BTreeSet<String>,
    },
    /// A certificate.
    Certificate {
        /// SHA-256 of it, hexadecimal.
        sha256: String,
        /// Its end, RFC 3339, UTC.
        not_after: String,
        /// The threshold in days that was told last; negative where it is over.
        told: i64,
        /// Where it was last seen: address, port, and whether the server was named.
        places: Vec<(IpAddr, u16, bool)>,
    },
    /// What somebody stated.
    Statement {
        /// Of what.
        item: About,
        /// The last day on which it holds.
        until: Date,
        /// The threshold in days that was told last; negative where it is over.
        told: i64,
        /// The file that has it, by its own path; none where that was not noted.
        #[serde(default)]
        file: Option<String>,
        /// Its end was told, and then that it was renewed, though not for long: whatever is told of it next begins anew.
        #[serde(default)]
        renewed: bool,
    },
}

impl Matter {
    /// The key by which receivers know it.
    pub fn told_key(&self) -> &str {
        self.told_as.as_ref().unwrap_or(&self.key)
    }

    /// What is told of it as it stands.
    pub fn notice(&self, phase: Phase) -> Notice {
        Notice {
            key: self.told_key().to_owned(),
            kind: self.kind,
            phase,
            severity: self.severity,
            client: self.client.clone(),
            target: self.target.clone(),
            title: self.title.clone(),
            details: self.details.clone(),
            action: self.action.clone(),
            since: self.since.clone(),
            run: self.run,
        }
    }

    /// Whether receivers know it as ended, though it will have to be told again before long.
    pub const fn is_renewed(&self) -> bool {
        matches!(self.state, MatterState::Statement { renewed: true, .. })
    }

    /// Whether it is about this server.
    pub fn is_of(&self, client: &str, target: &str) -> bool {
        self.client == client && self.target.as_deref() == Some(target)
    }
}

/// What is remembered of a server: how far its runs were looked at, and what they last showed of its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownServer {
    /// Whose it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
    /// Which inventories it was in: their paths, in one text.
    pub inventory: String,
    /// The newest run of it that was looked at: when that began, RFC 3339, UTC, and its number. None where there was none yet.
    pub seen: Option<(String, i64)>,
    /// The numbers of the last runs of it that were looked at, or that there is no need to look at any more.
    #[serde(default)]
    pub looked: BTreeSet<i64>,
    /// The number of the newest run that was looked at and learned anything of it: what is compared with after an outage, however
    /// long. None where that was not noted.
    #[serde(default)]
    pub telling: Option<i64>,
    /// The certificates that it showed last, one for each place that served one.
    pub certificates: Vec<SeenCertificate>,
    /// By which job it is scanned; none where it was not noted yet.
    #[serde(default)]
    pub job: Option<KnownJob>,
    /// Its host as the inventory names it; none where it was not noted yet.
    #[serde(default)]
    pub host: Option<String>,
    /// What it was called before, the oldest first: runs of these times are kept under these names.
    #[serde(default)]
    pub formerly: Vec<Former>,
}

/// What a server was called before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Whose it was said to be.
    pub client: String,
    /// What the technicians called it.
    pub name: String,
    /// The number of its last run under that name.
    pub until: i64,
}

/// By which job a server is scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownJob {
    /// The job; none where the server has no schedule.
    pub id: Option<String>,
    /// Since when, RFC 3339, UTC; none where it was so when the inventory was first looked at.
    pub since: Option<String>,
}

impl KnownServer {
    /// One of which nothing is known yet.
    pub fn new(client: &str, name: &str) -> Self {
        Self {
            client: client.to_owned(),
            name: name.to_owned(),
            inventory: String::new(),
            seen: None,
            looked: BTreeSet::new(),
            telling: None,
            certificates: Vec::new(),
            job: None,
            host: None,
            formerly: Vec::new(),
        }
    }
}

/// A certificate in a place where it was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCertificate {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whether the server was named.
    pub sni: bool,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// Its subject.
    pub subject: PeerText,
    /// Its end, RFC 3339, UTC.
    pub not_after: String,
    /// The run that showed it.
    pub run: Option<u64>,
}
