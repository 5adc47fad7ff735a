//! JSON Lines: one object a line, written for each target as soon as it is finished, so that thousands of targets need no
//! more memory than those under way.
//!
//! The lines of a target stand together; targets come in the order in which they are finished. The `kind` of a line says
//! what it is: `port` (one for each port that was asked), `proof` (one for each port of which a witness behind the firewall was
//! asked what arrived), `finding` (one for each item of each guide, in a scan), `rule` (one
//! for each expected rule), `trouble` (what kept the target from being scanned as a whole), and at last `target`. Where the
//! vantage is in doubt, or a control host was asked, the last line of all is `vantage`: what it says was not known when the
//! lines before it were written, and lowers the worth of silence on the ports that it names.

use super::json::{AttestationPart, Rule, WaiverPart, WitnessPart, one_line};
use super::reading;
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Observation};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, TargetRun};
use crate::model::service::Service;
use crate::model::vantage::{Checkup, Subject, Vantage, Ways};
use crate::model::verdict::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What every line of a target begins with.
#[derive(Clone, Copy, Debug, Serialize)]
struct Head<'a> {
    kind: &'static str,
    client: &'a str,
    target: &'a str,
}

/// One port of one address.
#[derive(Debug, Serialize)]
struct Place {
    /// The address.
    host: IpAddr,
    proto: String,
    port: u16,
}

/// The state of one port of one address.
#[derive(Debug, Serialize)]
struct PortLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(flatten)]
    place: Place,
    /// `open`, `closed`, `rejected`, `filtered`, `open|filtered`, `unstable`; `fake` where the handshake was completed as it
    /// was on ports that nothing uses, and nobody spoke; `unknown` where there is no state.
    state: &'static str,
    /// What was seen, in words.
    reason: String,
    /// Who sent the ICMP message.
    sender: Option<IpAddr>,
    /// What speaks there, where that was asked.
    service: Option<String>,
    tries: u32,
}

/// What a witness behind the firewall proved of one port of one address. It goes before the port's state: while the witness
/// holds the port, no service is seen there.
#[derive(Debug, Serialize)]
struct ProofLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(flatten)]
    place: Place,
    /// As in the JSON report: `proof`, `sent`, `arrived` and so on; nothing of it where it could not be learned.
    #[serde(flatten)]
    witness: Option<WitnessPart>,
    /// Why it could not be learned.
    unknown: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    guide: &'a str,
    item: &'a str,
    verdict: Verdict,
    confidence: String,
    seen: &'a [String],
    why: &'a str,
    /// As in the JSON report; the verdict is what it is without.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<AttestationPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiver: Option<WaiverPart>,
}

#[derive(Debug, Serialize)]
struct RuleLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// As in the JSON report.
    #[serde(flatten)]
    rule: Rule,
}

#[derive(Debug, Serialize)]
struct TroubleLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    text: String,
}

#[derive(Debug, Serialize)]
struct TargetLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    addresses: Vec<AddressPart>,
    whole: bool,
}

#[derive(Debug, Serialize)]
struct VantageLine {
    kind: &'static str,
    #[serde(flatten)]
    vantage: super::json::VantagePart,
}

#[derive(Debug, Serialize)]
struct AddressPart {
    address: IpAddr,
    answered: bool,
    decoys_open: Vec<u16>,
    stopped_answering: bool,
    round_trip_ms: Option<f64>,
    limit_per_second: Option<u32>,
}

/// The lines of one target, each with its line feed.
pub fn render(run: &TargetRun) -> serde_json::Result<String> {
    let head = |kind| Head { kind, client: &run.target.client, target: &run.target.name };
    let mut text = String::new();
    let mut line = |value: serde_json::Result<String>| {
        value.map(|value| {
            text.push_str(&value);
            text.push('\n');
        })
    };
    let services = services(run);
    for observation in &run.observations {
        let Question::Port { ports } = observation.question else { continue };
        let health = run.addresses.iter().find(|address| address.address == observation.address);
        for port in ports.each() {
            let before = services.range(..=(observation.address, ports.transport(), port)).next_back();
            let service = before.and_then(|((address, ..), (asked, service))| {
                (*address == observation.address && asked.contains(ports.transport(), port)).then_some(*service)
            });
            line(one_line(&PortLine {
                head: head("port"),
                place: Place { host: observation.address, proto: ports.transport().to_string(), port },
                state: state(observation, health.map(|address| &address.health), service),
                reason: reason(observation),
                sender: match observation.attempt.fact() {
                    Some(Fact::Port(fact)) => fact.sender,
                    _ => None,
                },
                service: service.map(ToString::to_string),
                tries: observation.tries,
            }))?;
        }
    }
    for observation in &run.observations {
        let Question::Witness { ports } = observation.question else { continue };
        for port in ports.each() {
            line(one_line(&ProofLine {
                head: head("proof"),
                place: Place { host: observation.address, proto: ports.transport().to_string(), port },
                witness: match observation.attempt.fact() {
                    Some(Fact::Witness(fact)) => Some(fact.into()),
                    _ => None,
                },
                unknown: match &observation.attempt {
                    Attempt::Answered { .. } => None,
                    Attempt::Failed { failure } => Some(failure.to_string()),
                    Attempt::Skipped { skip } => Some(format!("not asked: {skip}")),
                },
            }))?;
        }
    }
    for finding in &run.findings {
        line(one_line(&FindingLine {
            head: head("finding"),
            guide: &finding.guide,
            item: &finding.item,
            verdict: finding.verdict,
            confidence: finding.confidence.to_string(),
            seen: finding.deciding().map(|check| check.seen.as_slice()).unwrap_or_default(),
            why: finding.deciding().map_or("", |check| &check.why),
            attestation: finding.attestation.as_deref().map(AttestationPart::from),
            waiver: finding.waiver.as_deref().map(WaiverPart::from),
        }))?;
    }
    for rule in &run.rules {
        line(one_line(&RuleLine { head: head("rule"), rule: rule.into() }))?;
    }
    for trouble in &run.troubles {
        line(one_line(&TroubleLine { head: head("trouble"), text: trouble.describe() }))?;
    }
    let addresses = run.addresses.iter().map(|address| AddressPart {
        address: address.address,
        answered: address.health.answered,
        decoys_open: address.health.decoys_open.clone(),
        stopped_answering: address.health.stopped_answering,
        round_trip_ms: address.health.path.as_ref().map(reading::round_trip_ms),
        limit_per_second: address.health.path.as_ref().and_then(|path| path.limit_per_second),
    });
    let whole = run.troubles.is_empty();
    line(one_line(&TargetLine { head: head("target"), addresses: addresses.collect(), whole }))?;
    Ok(text)
}

/// What is known of the vantage, on a line of its own; no line where nothing is in doubt. The only remark on addresses
/// inside is that they are, which each line shows.
pub fn vantage(vantage: &Vantage) -> serde_json::Result<String> {
    let told = |checkup: &&Checkup| checkup.subject != Subject::InsideAddresses;
    if vantage.ways == Ways::default() && !vantage.checkups.iter().any(|checkup| told(&checkup)) {
        return Ok(String::new());
    }
    one_line(&VantageLine { kind: "vantage", vantage: vantage.into() }).map(|line| line + "\n")
}

/// What speaks, by the address and the first port of each range.
fn services(run: &TargetRun) -> BTreeMap<(IpAddr, Transport, u16), (Ports, &Service)> {
    let told = run.observations.iter().filter_map(|seen| match (seen.question, seen.attempt.fact()) {
        (Question::Service { ports }, Some(Fact::Service { service, .. })) => {
            Some(((seen.address, ports.transport(), ports.first()), (ports, service)))
        }
        _ => None,
    });
    told.collect()
}

fn state(observation: &Observation, health: Option<&AddressHealth>, service: Option<&Service>) -> &'static str {
    let Some(Fact::Port(fact)) = observation.attempt.fact() else { return "unknown" };
    match fact.state {
        PortState::Open => {
            let doubted = health.is_some_and(AddressHealth::handshakes_untrusted);
            let spoke =
                service.is_some_and(Service::is_protocol_answer) && !health.is_some_and(|known| known.decoys_speak);
            if doubted && !spoke { "fake" } else { "open" }
        }
        PortState::Closed => "closed",
        PortState::Rejected => "rejected",
        PortState::Filtered => "filtered",
        PortState::OpenOrFiltered => "open|filtered",
        PortState::Unstable => "unstable",
    }
}

fn reason(observation: &Observation) -> String {
    match &observation.attempt {
        Attempt::Answered { fact: Fact::Port(fact) } => fact.reason.describe(),
        Attempt::Answered { .. } => String::new(),
        Attempt::Failed { failure } => failure.to_string(),
        Attempt::Skipped { skip } => format!("not asked: {skip}"),
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::model::question::Question;
    use crate::report::fixture;
    use serde_json::Value;

    #[test]
    fn every_port_has_its_line_with_what_speaks_there_however_many_there_are() {
        let lines = render(&fixture::middlebox().targets[0]).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut next = 1;
        for line in lines.filter(|line| line["kind"] == "port") {
            assert_eq!(line["port"], next);
            let (state, service) = if next == 443 {
                ("open", "HTTP without TLS")
            } else {
                ("fake", "accepts connections and says nothing")
            };
            assert_eq!((&line["state"], &line["service"]), (&state.into(), &service.into()), "{line}");
            next += 1;
        }
        assert_eq!(next, 65_536);
    }

    #[test]
    fn every_proof_of_a_witness_has_a_line_for_each_of_its_ports() {
        let (mut told, mut asked) = (0, 0);
        for run in &fixture::everything().targets {
            let lines = render(run).unwrap();
            let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            for line in lines.filter(|line| line["kind"] == "proof") {
                assert!(line["proof"].is_string() != line["unknown"].is_string(), "{line}");
                assert!(line["host"].is_string() && line["proto"].is_string() && line["port"].is_u64(), "{line}");
                told += 1;
            }
            let ports = run.observations.iter().filter_map(|seen| match seen.question {
                Question::Witness { ports } => Some(ports.count()),
                _ => None,
            });
            asked += ports.sum::<usize>();
        }
        assert!(asked > 0, "the fixture has none");
        assert_eq!(told, asked);
    }
}
