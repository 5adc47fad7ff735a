//! The document: the run, its guides and targets, and what is said of them.

use super::drift::Drift;
use super::evidence::HostEvidence;
use super::findings::Finding;
use super::observations::Observation;
use super::rules::{Rule, RulesSummary};
use super::vantage::Vantage;
use super::{FORMAT, VERSION};
use crate::model::expected::RuleTally;
use crate::model::run;
use crate::model::target;
use crate::model::udp;
use crate::model::verdict::Verdict;
use crate::report::reading::{self, bottom_line, products_seen};
use schemars::JsonSchema;
use serde::Serialize;

/// One scan, whole and self-contained.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "portreeve run, version 1")]
pub struct Document {
    /// Always `portreeve-run`.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// What made the run.
    tool: Tool,
    /// When it began: RFC 3339, UTC.
    started: String,
    /// How long it took, in milliseconds.
    elapsed_ms: u64,
    /// The run was interrupted.
    interrupted: bool,
    /// Something that should have been asked was not: the targets' `troubles` name it.
    partial: bool,
    /// The run in one sentence.
    bottom_line: String,
    /// How many findings have each verdict.
    summary: Summary,
    /// How many expected rules have each verdict.
    rules_summary: RulesSummary,
    /// How many questions there were.
    coverage: Coverage,
    /// The guides that were used.
    guides: Vec<Guide>,
    /// What is known of the machine that asked and of its own network.
    vantage: Vantage,
    /// What reads otherwise than in an earlier run; null where it was compared with none.
    drift: Option<Drift>,
    /// The targets, in the inventory's order.
    targets: Vec<Target>,
}

/// What made the run.
#[derive(Debug, Serialize, JsonSchema)]
struct Tool {
    /// Always `portreeve`.
    name: &'static str,
    /// Its version.
    version: String,
}

/// How many findings have each verdict.
#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    /// All findings.
    total: usize,
    /// The recommendation is not followed, and that was seen; those that are waived among them.
    fail: usize,
    /// How many of those that fail are waived.
    waived: usize,
    /// It was asked and could not be told.
    inconclusive: usize,
    /// Only evidence from inside the host can tell.
    needs_evidence: usize,
    /// Only a person can tell.
    needs_attestation: usize,
    /// The recommendation is followed, and that was seen or attested.
    pass: usize,
    /// How many of those that pass do so by a person's word.
    attested: usize,
    /// The recommendation does not concern the target.
    not_applicable: usize,
}

impl From<&run::Tally> for Summary {
    fn from(tally: &run::Tally) -> Self {
        Self {
            total: tally.total(),
            fail: tally.count(Verdict::Fail),
            waived: tally.waived(),
            inconclusive: tally.count(Verdict::Inconclusive),
            needs_evidence: tally.count(Verdict::NeedsEvidence),
            needs_attestation: tally.count(Verdict::NeedsAttestation),
            pass: tally.count(Verdict::Pass),
            attested: tally.attested(),
            not_applicable: tally.count(Verdict::NotApplicable),
        }
    }
}

/// How many questions there were, and what came of them. Ports that were joined to a range count one by one.
#[derive(Debug, Serialize, JsonSchema)]
struct Coverage {
    /// Those that were asked: answered, silent and failed.
    asked: usize,
    /// Those that something answered.
    answered: usize,
    /// Those about ports that met only silence.
    silent: usize,
    /// Those that failed.
    failed: usize,
    /// Those that were not asked.
    skipped: usize,
}

impl From<reading::Coverage> for Coverage {
    fn from(counts: reading::Coverage) -> Self {
        let reading::Coverage { asked, answered, silent, failed, skipped } = counts;
        Self { asked, answered, silent, failed, skipped }
    }
}

/// A guide, and which text of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Guide {
    /// Its id.
    id: String,
    /// Its title.
    title: String,
    /// Its revision.
    revision: String,
    /// SHA-256 of its text, hexadecimal.
    sha256: String,
    /// Whether it is the one built in.
    built_in: bool,
}

/// A target and everything about it.
#[derive(Debug, Serialize, JsonSchema)]
struct Target {
    /// Whose server it is.
    client: String,
    /// What the technicians call it.
    name: String,
    /// The name or address in the inventory.
    host: String,
    /// The name that was sent as SNI, where there is one.
    server_name: Option<String>,
    /// What it is for.
    roles: Vec<String>,
    /// Labels to select by.
    tags: Vec<String>,
    /// Whether it is joined to Active Directory; null where the inventory does not say.
    active_directory: Option<bool>,
    /// How many technicians use it.
    technicians: Option<u32>,
    /// Whether Automate's redirectors are in use.
    redirectors: Option<bool>,
    /// Whether the database is on a machine of its own.
    split_database: Option<bool>,
    /// Where the integrated Control server is: `here`, `elsewhere`, `cloud` or `none`.
    control: Option<&'static str>,
    /// Services on other ports than the guides say.
    moved: Vec<Moved>,
    /// Ports beyond the guides that are meant to be open, such as `tcp/8443`.
    expected: Vec<String>,
    /// Free text.
    notes: Option<String>,
    /// The addresses, and whether their port results can be believed.
    addresses: Vec<Address>,
    /// The products and services that showed themselves.
    seen: Vec<String>,
    /// How many findings have each verdict.
    summary: Summary,
    /// How many expected rules have each verdict.
    rules_summary: RulesSummary,
    /// How many questions there were.
    coverage: Coverage,
    /// What kept the scan of this target from being whole.
    troubles: Vec<Trouble>,
    /// Where guides, or a guide and an expected rule, ask for opposite things.
    disagreements: Vec<Disagreement>,
    /// What was collected inside the host; null where nothing was.
    host_evidence: Option<HostEvidence>,
    /// What is said of every item of the guides that apply.
    findings: Vec<Finding>,
    /// What must be reachable and what must not by the inventory's own word, and what is said of it.
    rules: Vec<Rule>,
    /// What was asked, and what came of it.
    observations: Vec<Observation>,
}

/// A service on other ports than the guides say.
#[derive(Debug, Serialize, JsonSchema)]
struct Moved {
    /// The guides' ports.
    from: String,
    /// Where they are.
    to: String,
}

/// An address of a target.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the format names it so")]
#[expect(clippy::struct_excessive_bools, reason = "the format's own flat names")]
struct Address {
    /// The address.
    address: String,
    /// The scanning machine's own address from which it was asked.
    vantage: Option<String>,
    /// Something at it answered.
    answered: bool,
    /// How many decoy ports were asked.
    decoys_asked: usize,
    /// Decoy ports that opened: a middlebox completes handshakes, and open ports are in doubt.
    decoys_open: Vec<u16>,
    /// An open decoy even answered like a service, so no answer on any port proves anything.
    decoys_speak: bool,
    /// It answered at first and not at the end.
    stopped_answering: bool,
    /// Whether it still answers could not be asked again.
    recheck_missing: bool,
    /// It is not public: this is not a view from outside.
    inside: bool,
    /// What was odd about the answers, in words; no verdict rests on it.
    oddities: Vec<String>,
    /// What the way there was like, once something had answered.
    path: Option<Path>,
    /// It rations the messages with which it refuses UDP ports, where that was seen.
    udp_ration: Option<UdpRation>,
}

/// What the way to an address was like.
#[derive(Debug, Serialize, JsonSchema)]
struct Path {
    /// The smoothed round trip time, in milliseconds.
    round_trip_ms: f64,
    /// How many SYNs went to ports that do answer.
    answerable: u64,
    /// How many of those stayed without an answer.
    lost: u64,
    /// How many SYNs a second something on the way lets through, where a limit was met.
    limit_per_second: Option<u32>,
}

/// How often a host says that a UDP port is closed.
#[derive(Debug, Serialize, JsonSchema)]
struct UdpRation {
    /// How many refusals came at once before the first pause.
    burst: u32,
    /// The time between two refusals afterwards, in milliseconds, where it was seen.
    interval_ms: Option<u64>,
}

/// What kept the scan from being whole.
#[derive(Debug, Serialize, JsonSchema)]
struct Trouble {
    /// `unresolved`, `unreachable`, `no-route`, `silent-address`, `stopped-answering`, `interrupted`, `out-of-time`, `witness`,
    /// `ourselves` or `bug`.
    kind: &'static str,
    /// The address concerned, where it is one.
    address: Option<String>,
    /// What happened and what to do.
    text: String,
}

/// Guides that ask for opposite things, or guides and an expected rule.
#[derive(Debug, Serialize, JsonSchema)]
struct Disagreement {
    /// What it is about.
    subject: String,
    /// The items.
    items: Vec<String>,
    /// The expected rule that is against the items; null where only guides disagree.
    rule: Option<String>,
    /// What each asks for, and how it was resolved.
    explanation: String,
}

pub(super) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

impl From<&run::Run> for Document {
    fn from(run: &run::Run) -> Self {
        let observations = run.targets.iter().flat_map(|target| &target.observations);
        Self {
            format: FORMAT,
            version: VERSION,
            tool: Tool { name: "portreeve", version: run.tool_version.clone() },
            started: run.started.clone(),
            elapsed_ms: run.elapsed_ms,
            interrupted: run.interrupted,
            partial: run.is_partial(),
            bottom_line: bottom_line(run),
            summary: Summary::from(&run.tally()),
            rules_summary: RulesSummary::from(&run.rule_tally()),
            coverage: reading::coverage(observations).into(),
            guides: run.guides.iter().map(Guide::from).collect(),
            vantage: Vantage::from(&run.vantage),
            drift: run.drift.as_deref().map(Drift::from),
            targets: run.targets.iter().map(Target::from).collect(),
        }
    }
}

impl From<&run::GuideUsed> for Guide {
    fn from(guide: &run::GuideUsed) -> Self {
        let run::GuideUsed { id, title, revision, sha256, built_in } = guide.clone();
        Self { id, title, revision, sha256, built_in }
    }
}

impl From<&run::TargetRun> for Target {
    fn from(run: &run::TargetRun) -> Self {
        let target = run.target.clone();
        Self {
            host: target.host.to_string(),
            server_name: target.server_name().map(str::to_owned),
            client: target.client,
            name: target.name,
            roles: texts(&target.roles),
            tags: texts(&target.tags),
            active_directory: target.active_directory,
            technicians: target.technicians,
            redirectors: target.redirectors,
            split_database: target.split_database,
            control: target.control.map(|control| match control {
                target::ControlServer::Here => "here",
                target::ControlServer::Elsewhere => "elsewhere",
                target::ControlServer::Cloud => "cloud",
                target::ControlServer::None => "none",
            }),
            moved: target
                .moved
                .iter()
                .map(|moved| Moved { from: moved.from.to_string(), to: moved.to.to_string() })
                .collect(),
            expected: texts(&target.expected),
            notes: target.notes,
            addresses: run.addresses.iter().map(Address::from).collect(),
            seen: products_seen(run),
            summary: Summary::from(&run::Tally::of(&run.findings)),
            rules_summary: RulesSummary::from(&RuleTally::of(&run.rules)),
            coverage: reading::coverage(&run.observations).into(),
            troubles: run.troubles.iter().map(Trouble::from).collect(),
            disagreements: run.disagreements.iter().map(Disagreement::from).collect(),
            host_evidence: run.evidence.as_deref().map(HostEvidence::from),
            findings: run.findings.iter().map(Finding::from).collect(),
            rules: run.rules.iter().map(Rule::from).collect(),
            observations: run.observations.iter().map(Observation::from).collect(),
        }
    }
}

impl From<&run::AddressRun> for Address {
    fn from(run: &run::AddressRun) -> Self {
        let run::AddressHealth {
            answered,
            decoys_open,
            decoys_asked,
            decoys_speak,
            stopped_answering,
            recheck_missing,
            inside,
            oddities,
            path,
            udp_ration,
        } = run.health.clone();
        let udp_ration = udp_ration.map(|udp::UdpRation { burst, interval_ms }| UdpRation { burst, interval_ms });
        let vantage = run.vantage.map(|vantage| vantage.to_string());
        Self {
            address: run.address.to_string(),
            vantage,
            answered,
            decoys_asked,
            decoys_open,
            decoys_speak,
            stopped_answering,
            recheck_missing,
            inside,
            oddities: oddities.iter().map(run::Oddity::describe).collect(),
            path: path.map(|path| Path {
                round_trip_ms: reading::round_trip_ms(&path),
                answerable: path.answerable,
                lost: path.lost,
                limit_per_second: path.limit_per_second,
            }),
            udp_ration,
        }
    }
}

impl From<&run::Trouble> for Trouble {
    fn from(trouble: &run::Trouble) -> Self {
        let (kind, address) = match trouble {
            run::Trouble::Unresolved { .. } => ("unresolved", None),
            run::Trouble::Unreachable => ("unreachable", None),
            run::Trouble::NoRoute { address } => ("no-route", Some(address.to_string())),
            run::Trouble::SilentAddress { address } => ("silent-address", Some(address.to_string())),
            run::Trouble::StoppedAnswering { address } => ("stopped-answering", Some(address.to_string())),
            run::Trouble::Interrupted => ("interrupted", None),
            run::Trouble::OutOfTime => ("out-of-time", None),
            run::Trouble::Witness { address, .. } => ("witness", Some(address.to_string())),
            run::Trouble::Evidence { .. } => ("evidence", None),
            run::Trouble::Ourselves { .. } => ("ourselves", None),
            run::Trouble::Bug { .. } => ("bug", None),
        };
        Self { kind, address, text: trouble.describe() }
    }
}

impl From<&run::Disagreement> for Disagreement {
    fn from(disagreement: &run::Disagreement) -> Self {
        let run::Disagreement { subject, items, rule, explanation } = disagreement.clone();
        Self { subject, items, rule, explanation }
    }
}
