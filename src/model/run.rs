//! A run: everything of one scan, self-contained.

use super::drift::Drift;
use super::evidence::EvidenceRun;
use super::expected::{RuleFinding, RuleTally};
use super::observation::Observation;
use super::target::Target;
use super::udp::UdpRation;
use super::vantage::Vantage;
use super::verdict::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A guide that was used, with the digest that tells exactly which text of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuideUsed {
    /// The guide's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its revision, a date or a number of its author.
    pub revision: String,
    /// SHA-256 of the catalog's text, hexadecimal.
    pub sha256: String,
    /// Whether it is the one built in.
    pub built_in: bool,
}

/// Whether port results of an address can be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a verdict may rest on")]
pub struct AddressHealth {
    /// Something at this address answered that only the target can have sent: a handshake, a RST or a datagram.
    pub answered: bool,
    /// Decoy ports that nothing uses and that "opened" nevertheless: a middlebox completes handshakes.
    pub decoys_open: Vec<u16>,
    /// How many decoy ports were asked.
    pub decoys_asked: usize,
    /// An open decoy even answered like a service: the middlebox talks, and no answer on any port proves anything.
    pub decoys_speak: bool,
    /// A port that had answered did not answer again at the end: the target, or something before it, began to drop us.
    pub stopped_answering: bool,
    /// Whether it still answers could not be asked again, because the run was interrupted or for want of time.
    pub recheck_missing: bool,
    /// The address is private, loopback or link-local: this is not a view from outside.
    pub inside: bool,
    /// What was odd about the answers.
    pub oddities: Vec<Oddity>,
    /// What the way there was like, once something had answered.
    pub path: Option<PathHealth>,
    /// It rations the messages with which it refuses UDP ports.
    pub udp_ration: Option<UdpRation>,
}

/// Something about the answers of an address by which two machines may be told apart. No verdict rests on it: load balancers
/// and port forwarding make them too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "oddity")]
pub enum Oddity {
    /// Handshakes are completed from much nearer than ports are refused.
    Nearer {
        /// The shortest handshake, in microseconds.
        handshake_us: u64,
        /// The shortest refusal, in microseconds.
        refusal_us: u64,
    },
    /// Segments arrive with different times to live.
    TimesToLive {
        /// Those of handshakes.
        accepting: Vec<u8>,
        /// Those of refusals.
        refusing: Vec<u8>,
    },
    /// Handshakes offer a window of 0, or different ones.
    Windows {
        /// Those of handshakes, unscaled (RFC 9293, section 3.1).
        accepting: Vec<u16>,
    },
}

impl Oddity {
    /// Whether a reader is to be told: services that set their own windows are common.
    pub fn is_telling(&self) -> bool {
        match self {
            Self::Nearer { .. } | Self::TimesToLive { .. } => true,
            Self::Windows { accepting } => accepting.contains(&0),
        }
    }

    /// What was seen, and what it may mean, in words.
    pub fn describe(&self) -> String {
        fn list(values: &[impl ToString]) -> String {
            values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Nearer { handshake_us, refusal_us } => format!(
                "handshakes are completed within {} ms and refusals take {} ms: something nearer than the server may \
                 complete them",
                handshake_us / 1000,
                refusal_us / 1000
            ),
            Self::TimesToLive { accepting, refusing } => {
                let refusing =
                    if refusing.is_empty() { String::new() } else { format!(", of refusals {}", list(refusing)) };
                format!(
                    "the time to live of handshakes is {}{refusing}: more than one machine answers at this address",
                    list(accepting)
                )
            }
            Self::Windows { accepting } if accepting.contains(&0) => {
                "handshakes were completed with a window of 0, as by something that completes them before it asks the \
                 server (a SYN proxy)"
                    .to_owned()
            }
            Self::Windows { accepting } => format!(
                "handshakes offer windows of {}: more than one machine may answer at this address, or services chose them",
                list(accepting)
            ),
        }
    }
}

/// What the way to an address was like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathHealth {
    /// The smoothed round trip time, in microseconds (RFC 6298, section 2).
    pub round_trip_us: u64,
    /// How many SYNs went to ports that do answer.
    pub answerable: u64,
    /// How many of those stayed without an answer.
    pub lost: u64,
    /// How many SYNs a second something on the way lets through, where a limit was met.
    pub limit_per_second: Option<u32>,
}

impl AddressHealth {
    /// Whether silence may come of our being dropped, and so says nothing about a port.
    pub fn silence_untrusted(&self) -> bool {
        self.stopped_answering || self.recheck_missing
    }

    /// Whether an open port may be a middlebox's invention.
    pub fn handshakes_untrusted(&self) -> bool {
        !self.decoys_open.is_empty()
    }
}

/// One address of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRun {
    /// The address.
    pub address: IpAddr,
    /// The vantage: the address of this machine from which it was asked.
    pub vantage: Option<IpAddr>,
    /// Whether its port results can be believed.
    pub health: AddressHealth,
}

/// Why a target could not be scanned, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "trouble")]
pub enum Trouble {
    /// The name could not be resolved.
    Unresolved {
        /// The resolver's message, and what to do.
        message: String,
    },
    /// No address of the target answered anything.
    Unreachable,
    /// This address could not be asked from here.
    NoRoute {
        /// The address.
        address: IpAddr,
    },
    /// This address answered nothing, while another one of the target did.
    SilentAddress {
        /// The address.
        address: IpAddr,
    },
    /// This address stopped answering during the scan.
    StoppedAnswering {
        /// The address.
        address: IpAddr,
    },
    /// The run was interrupted before the target was finished.
    Interrupted,
    /// The target's time was over before it was finished.
    OutOfTime,
    /// The witness that was to prove the firewall at this address could not be heard, or not of every port.
    Witness {
        /// The address.
        address: IpAddr,
        /// Why, and what to do.
        message: String,
    },
    /// The evidence from inside the host cannot be used, or not of this host.
    Evidence {
        /// Why, and what to do.
        message: String,
    },
    /// This machine ran out of a resource, or forbids something.
    Ourselves {
        /// The message.
        message: String,
    },
    /// A defect of portreeve: please report it.
    Bug {
        /// The message.
        message: String,
    },
}

impl Trouble {
    /// What happened and what to do, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Unresolved { message } => message.clone(),
            Self::Unreachable => "nothing came back that only the server itself can have sent, at most refusals that may \
                                  be of somebody on the way. Check the address, the server's power and this machine's connection; if a firewall drops everything from \
                                  here, scan from an address it lets in"
                .to_owned(),
            Self::NoRoute { address } => format!(
                "this machine has no route to {address}, so that address was not judged; scan from a machine that has \
                 {}",
                if address.is_ipv6() { "IPv6" } else { "IPv4" }
            ),
            Self::SilentAddress { address } => format!(
                "nothing at {address} answered, while another address of the name did; if it is no longer used, take it \
                 out of DNS"
            ),
            Self::StoppedAnswering { address } => format!(
                "{address} stopped answering during the scan, so later silence proves nothing; scan again more slowly \
                 (--rate 20), or from an address that it does not block"
            ),
            Self::Interrupted => "the run was interrupted before this target was finished".to_owned(),
            Self::OutOfTime => "the time for this target was over before it was finished; give it more with \
                                --host-time"
                .to_owned(),
            Self::Witness { address, message } => format!("the firewall before {address} is not wholly proved: {message}"),
            Self::Evidence { message } => format!("the host's evidence: {message}"),
            Self::Ourselves { message } => format!("this machine could not ask everything: {message}"),
            Self::Bug { message } => format!("a defect of portreeve, please report it: {message}"),
        }
    }
}

/// Everything about one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRun {
    /// The target as the inventory has it.
    pub target: Target,
    /// Its addresses, IPv4 before IPv6.
    pub addresses: Vec<AddressRun>,
    /// What was asked, and what came of it.
    pub observations: Vec<Observation>,
    /// What is said of every item of the guides that apply.
    pub findings: Vec<Finding>,
    /// What is said of every expected rule, in the inventory's order.
    pub rules: Vec<RuleFinding>,
    /// Where guides that apply to this target, or a guide and an expected rule, ask for opposite things.
    pub disagreements: Vec<Disagreement>,
    /// What kept the scan of this target from being whole.
    pub troubles: Vec<Trouble>,
    /// The evidence from inside the host, where there is any.
    pub evidence: Option<Box<EvidenceRun>>,
}

impl TargetRun {
    /// Whether any of its addresses answered with something that only the server itself sends.
    pub fn has_answered(&self) -> bool {
        self.addresses.iter().any(|one| one.health.answered)
    }

    /// Whether nothing can be said of it: whatever else kept the run from being whole, no address answered.
    pub fn is_out_of_sight(&self) -> bool {
        self.troubles.contains(&Trouble::Unreachable) || !self.troubles.is_empty() && !self.has_answered()
    }

    /// Whether everything that was to be asked at an address was, whatever there was at others.
    pub fn is_whole_at(&self, address: IpAddr) -> bool {
        let answers = self.addresses.iter().any(|one| one.address == address && one.health.answered);
        let touches = |trouble: &Trouble| match trouble {
            Trouble::NoRoute { address: at }
            | Trouble::SilentAddress { address: at }
            | Trouble::StoppedAnswering { address: at } => *at == address,
            Trouble::Unresolved { .. } | Trouble::Witness { .. } | Trouble::Evidence { .. } => false,
            Trouble::Unreachable
            | Trouble::Interrupted
            | Trouble::OutOfTime
            | Trouble::Ourselves { .. }
            | Trouble::Bug { .. } => true,
        };
        answers && !self.troubles.iter().any(touches)
    }
}

/// Guides that ask for opposite things on one target, or guides and an expected rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// What it is about, such as `tcp/8040`.
    pub subject: String,
    /// The items.
    pub items: Vec<String>,
    /// The expected rule that asks for the opposite, such as `allow tcp/3389`; none where only guides disagree.
    pub rule: Option<String>,
    /// What each asks for, and how it was resolved here.
    pub explanation: String,
}

/// Everything of one scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// portreeve's version.
    pub tool_version: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The guides that were used.
    pub guides: Vec<GuideUsed>,
    /// The targets, in the inventory's order.
    pub targets: Vec<TargetRun>,
    /// The run was interrupted.
    pub interrupted: bool,
    /// What is known of the vantage: what is wrong with it, and what a control host said.
    pub vantage: Vantage,
    /// What reads otherwise than in an earlier run, where there is one to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Box<Drift>>,
}

impl Run {
    /// Whether anything that should have been asked was not.
    pub fn is_partial(&self) -> bool {
        self.interrupted
            || self.vantage.unknown().next().is_some()
            || self.targets.iter().any(|target| !target.troubles.is_empty())
    }

    /// How many findings have each verdict.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for target in &self.targets {
            tally.add(&target.findings);
        }
        tally
    }

    /// How many expected rules have each verdict.
    pub fn rule_tally(&self) -> RuleTally {
        RuleTally::of(self.targets.iter().flat_map(|target| &target.rules))
    }
}

/// How many findings have each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<Verdict, usize>,
    waived: usize,
    attested: usize,
}

/// Counts that were made before.
impl Extend<(Verdict, usize)> for Tally {
    fn extend<T: IntoIterator<Item = (Verdict, usize)>>(&mut self, counts: T) {
        for (verdict, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *self.counts.entry(verdict).or_default() += count;
        }
    }
}

impl Tally {
    /// Counts `findings`.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut tally = Self::default();
        tally.add(findings);
        tally
    }

    fn add<'a>(&mut self, findings: impl IntoIterator<Item = &'a Finding>) {
        for finding in findings {
            *self.counts.entry(finding.verdict).or_default() += 1;
            self.waived += usize::from(finding.is_waived());
            self.attested += usize::from(finding.is_attested());
        }
    }

    /// How many of those that fail are waived.
    pub fn waived(&self) -> usize {
        self.waived
    }

    /// How many of those that pass do so by the word of a person.
    pub fn attested(&self) -> usize {
        self.attested
    }

    /// How many have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.counts.get(&verdict).copied().unwrap_or_default()
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }
}
