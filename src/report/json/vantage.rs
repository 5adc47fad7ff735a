//! The vantage: what is known of this machine and its own network.

use super::document::texts;
use crate::model::vantage;
use schemars::JsonSchema;
use serde::Serialize;

/// What is known of the vantage: the machine that asked, and its own network.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct Vantage {
    /// What was looked at and is wrong or not known; the control host in any case. Empty where nothing is in doubt.
    checkups: Vec<Checkup>,
    /// What is known of ports on the way out of this machine's network.
    ways_out: Vec<Way>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct Checkup {
    /// What was looked at, such as `control-host`, `outbound-blocks` or `inside-addresses`.
    subject: &'static str,
    /// `ok`, `warning`, `broken`, `unknown` (it could not be checked) or `not-checked` (nobody asked for it).
    standing: &'static str,
    /// What was seen.
    seen: String,
    /// Why it matters.
    why: Option<String>,
    /// What to do.
    todo: Option<String>,
}

/// What is known of the way out to some ports.
#[derive(Debug, Serialize, JsonSchema)]
struct Way {
    /// The ports, such as `tcp/135-139`.
    ports: String,
    /// Over IPv6, or IPv4.
    v6: bool,
    /// To addresses that are not public, or to public ones.
    inside: bool,
    /// `passes` or `blocked` (the control host proved it), `refused` (the control host refused), or `probably-blocked` (the
    /// servers of the run suggest it).
    passage: &'static str,
    /// Who refuses with an ICMP message, where somebody does.
    sender: Option<String>,
}

impl From<&vantage::Vantage> for Vantage {
    fn from(known: &vantage::Vantage) -> Self {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let checkup = |checkup: &vantage::Checkup| Checkup {
            subject: checkup.subject.as_str(),
            standing: checkup.standing.as_str(),
            seen: checkup.seen.clone(),
            why: some(&checkup.why),
            todo: some(&checkup.todo),
        };
        let way = |way: &vantage::Way| Way {
            ports: way.ports.to_string(),
            v6: way.v6,
            inside: way.inside,
            passage: way.passage.as_str(),
            sender: texts(way.sender).pop(),
        };
        Self { checkups: known.checkups.iter().map(checkup).collect(), ways_out: known.ways.each().map(way).collect() }
    }
}

/// What the doctor found.
#[derive(Debug, Serialize)]
pub(super) struct Doctor {
    format: &'static str,
    version: u32,
    tool_version: &'static str,
    started: String,
    /// Nothing is wrong, and nothing that was to be checked could not be.
    healthy: bool,
    #[serde(flatten)]
    vantage: Vantage,
}

impl Doctor {
    pub(super) fn of(known: &vantage::Vantage, started: &str) -> Self {
        Self {
            format: "portreeve-doctor",
            version: super::VERSION,
            tool_version: env!("CARGO_PKG_VERSION"),
            started: started.to_owned(),
            healthy: known.doubts().next().is_none(),
            vantage: known.into(),
        }
    }
}
