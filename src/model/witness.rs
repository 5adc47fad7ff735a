//! What a witness behind the firewall proves of a port: a program of ours that holds it there and tells what arrived.
//!
//! A proof is about what stands between here and there, the firewalls of both ends included. It says nothing of the
//! service that belongs on the port: while the witness holds it, nothing else listens there.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What both ends together prove of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "proof")]
pub enum Proof {
    /// A message arrived on this very port, and the witness's confirmation came back.
    Passed,
    /// No message arrived, though the witness holds the port and the path to it was alive at the end.
    Blocked,
    /// Something answered here, while the witness, which holds the port, saw nothing: a proxy, or another machine.
    AnsweredByAnother,
    /// A message arrived, on another port of the witness.
    ArrivedElsewhere {
        /// The port where it arrived, of the same transport.
        at: u16,
    },
    /// Something arrived, but not our message as it was sent.
    Altered,
    /// Messages arrived on this port, and no confirmation came back.
    AnswerLost,
    /// The witness does not hold the port, so only its ordinary state is known.
    NotHeld {
        /// Why.
        because: NotHeld,
    },
}

impl Proof {
    /// The proof in two or three words, for a table.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Blocked => "blocked",
            Self::AnsweredByAnother => "answered by another",
            Self::ArrivedElsewhere { .. } | Self::Altered => "changed on the way",
            Self::AnswerLost => "arrived; answer blocked",
            Self::NotHeld { .. } => "not held",
        }
    }

    /// Whether messages from here reach the machine behind, on whichever port.
    pub const fn lets_in(&self) -> bool {
        matches!(self, Self::Passed | Self::ArrivedElsewhere { .. } | Self::AnswerLost)
    }
}

/// Why a witness does not hold a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotHeld {
    /// It was not told to.
    NotListed,
    /// Another program has it.
    Occupied,
    /// Its user may not have it.
    NotPermitted,
    /// Its machine had no room for it, or no such address family.
    Unavailable,
}

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotListed => "the witness was not told to hold it",
            Self::Occupied => "another program has it on the witness's machine",
            Self::NotPermitted => "the witness's user may not hold it there",
            Self::Unavailable => "the witness's machine could not give it",
        })
    }
}

/// How what the witness knows came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// By a confirmation of the very message.
    Confirmation,
    /// By its account, read over the network.
    Account,
    /// By its signed log, brought by hand.
    Log,
}

/// What is known of a port from both ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessFact {
    /// What that proves.
    #[serde(flatten)]
    pub proof: Proof,
    /// How many messages were sent, or over TCP: were to be sent, for without a connection none leaves.
    pub sent: u32,
    /// How many of them arrived at the witness, on whichever port.
    pub arrived: u32,
    /// How many confirmations came back.
    pub answered: u32,
    /// Where they came from, as the witness saw it: the address after any translation.
    pub source: Option<IpAddr>,
    /// To which address of the witness's machine they came: another than the one that was asked where it is translated on the
    /// way. Nothing where none arrived, or where the machine's system does not say.
    pub destination: Option<IpAddr>,
    /// How that is known.
    pub told_by: ToldBy,
}

impl WitnessFact {
    /// The address to which `asked` is translated on the way, where it is.
    pub fn translated(&self, asked: IpAddr) -> Option<IpAddr> {
        self.destination.map(|there| there.to_canonical()).filter(|there| *there != asked.to_canonical())
    }
}
