//! What is kept of an observation, a finding and a target, and under which hash: what two nights' answers must have in common
//! to be kept as one.

use super::dates::{Dates, is_marked};
use crate::model::certificate::Staple;
use crate::model::expected::RuleFinding;
use crate::model::fact::{Fact, PortReason};
use crate::model::http::{Header, HttpAnswer, Request};
use crate::model::observation::{Attempt, Cause, Observation, ObservationId};
use crate::model::peer_text::PeerText;
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun, Oddity, PathHealth, Run, TargetRun};
use crate::model::target::{Host, Target};
use crate::model::tls::CertificateFact;
use crate::model::udp::{Rationed, UdpRation};
use crate::model::verdict::{Check, Finding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bodies shorter than this are not compressed: it would save nothing.
const PLAIN_LIMIT: usize = 120;

/// What a body may grow to when it is unpacked.
const BODY_LIMIT: usize = 256 << 20;

/// How hard it is tried to make a body smaller, from 0 to 10.
const LEVEL: u8 = 6;

/// A body is compressed.
const PACKED: i64 = 1;
/// A body has days that are counted anew.
const DATED: i64 = 2;

/// What a body is of: a hash is of one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Observation = 1,
    Finding = 2,
    Text = 3,
    Rule = 4,
    Target = 5,
    Head = 6,
    Header = 7,
    Beginning = 8,
    Snapshot = 9,
    Answer = 10,
    Ways = 11,
    Still = 12,
}

/// Something that is kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) hash: [u8; 32],
    pub(super) json: Vec<u8>,
}

/// The form and the bytes in which a body is kept.
pub(super) fn pack(json: &[u8]) -> (i64, Vec<u8>) {
    let dated = if is_marked(json) { DATED } else { 0 };
    if json.len() >= PLAIN_LIMIT {
        let packed = miniz_oxide::deflate::compress_to_vec(json, LEVEL);
        if packed.len() < json.len() {
            return (dated | PACKED, packed);
        }
    }
    (dated, json.to_vec())
}

/// The JSON of a body, with the days of this run.
pub(super) fn unpack(form: i64, body: &[u8], dates: &Dates) -> Result<Vec<u8>, String> {
    let json = if form & PACKED == 0 {
        body.to_vec()
    } else {
        miniz_oxide::inflate::decompress_to_vec_with_limit(body, BODY_LIMIT).map_err(|error| error.to_string())?
    };
    Ok(if form & DATED == 0 { json } else { dates.unmark(&json) })
}

/// Whether a body reads otherwise in another run.
pub(super) const fn is_dated(form: i64) -> bool {
    form & DATED != 0
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

pub(super) fn hash(kind: Kind, identity: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix([kind as u8]).chain_update(identity).finalize().into()
}

/// What is kept as it is.
pub(super) fn whole(kind: Kind, value: &impl Serialize) -> Result<Body, String> {
    let json = json(value)?;
    Ok(Body { hash: hash(kind, &json), json })
}

/// What is kept as it is, but for days that are counted.
pub(super) fn dated(kind: Kind, value: &impl Serialize, dates: &Dates) -> Result<Body, String> {
    let json = dates.mark(json(value)?);
    Ok(Body { hash: hash(kind, &json), json })
}

/// The dates to which texts about a target count days.
pub(super) fn dates(started: &str, target: &TargetRun) -> Dates {
    let mut dates = Dates::new(started);
    for observation in &target.observations {
        if let Some(Fact::Certificate(fact)) = observation.attempt.fact() {
            dates.add(&fact.not_after);
        }
    }
    if let Some(collected) = target.evidence.as_ref().and_then(|evidence| evidence.collected.as_ref()) {
        dates.add(collected);
    }
    dates
}

// Observations.

/// What was asked and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) attempt: Attempt,
}

/// The hash of an observation of a target, and what it says. Its times, address and number are kept beside it. Two servers share what
/// they said to the letter, and nothing else: what is left out of the hash, a cookie's value or a time, is to be that server's own
/// when it is loaded.
pub(super) fn observation(
    target: &Target,
    observation: &Observation,
    dates: &Dates,
) -> Result<([u8; 32], Body), String> {
    let whose = json(&(&target.client, &target.name, observation.address))?;
    let answer = |attempt| Answer { question: observation.question, attempt };
    let said = dates.mark(json(&answer(observation.attempt.clone()))?);
    let lasting = dates.mark(json(&answer(lasting(observation)))?);
    let hash_of_all = hash(Kind::Observation, &[whose.as_slice(), &lasting].concat());
    // What a witness proves is told with the address.
    let salt = if matches!(observation.question, Question::Witness { .. }) { whose } else { Vec::new() };
    let body = Body { hash: hash(Kind::Answer, &[salt.as_slice(), &said].concat()), json: said };
    Ok((hash_of_all, body))
}

/// What came of asking, without what differs each time.
fn lasting(observation: &Observation) -> Attempt {
    let mut attempt = observation.attempt.clone();
    match &mut attempt {
        Attempt::Failed { failure } => {
            if let Cause::TimedOut { allowed_ms } = &mut failure.cause {
                *allowed_ms = 0;
            }
        }
        Attempt::Answered { fact } => match fact {
            Fact::Port(fact) => fact.reason = lasting_reason(&fact.reason),
            Fact::Certificate(fact) => lasting_certificate(fact),
            Fact::Http(answer) => lasting_http(answer, observation.question),
            Fact::Witness(fact) => {
                for count in [&mut fact.sent, &mut fact.arrived, &mut fact.answered] {
                    *count = (*count).min(1);
                }
            }
            _ => {}
        },
        Attempt::Skipped { .. } => {}
    }
    attempt
}

fn lasting_reason(reason: &PortReason) -> PortReason {
    match reason {
        PortReason::Datagram { speaks, .. } => {
            PortReason::Datagram { length: 0, first_bytes: PeerText::default(), speaks: *speaks }
        }
        PortReason::Rationed(_) => {
            PortReason::Rationed(Rationed { answered: 0, asked: 0, undecided: 0, interval_ms: None })
        }
        PortReason::SilentAmongRefusals { .. } => PortReason::SilentAmongRefusals { refusals: 0, tries: 0 },
        other => other.clone(),
    }
}

fn lasting_certificate(fact: &mut CertificateFact) {
    if let Staple::Answer(answer) = &mut fact.staple {
        answer.this_update = String::new();
        answer.next_update = answer.next_update.take().map(|_| String::new());
    }
}

/// Header fields whose values differ with every asking, in lower case.
const PASSING: [&str; 17] = [
    "date",
    "age",
    "expires",
    "last-modified",
    "etag",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-trace-id",
    "traceparent",
    "cf-ray",
    "x-amz-cf-id",
    "x-amz-request-id",
    "x-azure-ref",
    "x-runtime",
    "x-response-time",
    "server-timing",
];

fn lasting_http(answer: &mut HttpAnswer, question: Question) {
    let text = |text: &str| PeerText::new(text, usize::MAX);
    for Header { name, value } in &mut answer.headers {
        let name = name.as_str().to_ascii_lowercase();
        if PASSING.contains(&name.as_str()) {
            *value = PeerText::default();
        } else if name == "set-cookie" {
            *value = text(&cookie(value.as_str()));
        } else if name.starts_with("content-security-policy") {
            *value = text(&without_nonces(value.as_str()));
        }
    }
    if !matches!(question, Question::Http { request: Request::Trace(_), .. }) {
        answer.body_start = PeerText::default();
    }
}

/// A cookie without its value and the time at which it ends: its name and what protects it stay.
fn cookie(value: &str) -> String {
    let mut parts = value.split(';');
    let name = parts.next().unwrap_or_default().split('=').next().unwrap_or_default().trim();
    let mut lasting = format!("{name}=");
    for part in parts.map(str::trim) {
        let attribute = part.split('=').next().unwrap_or_default();
        let passing = ["expires", "max-age"].iter().any(|name| attribute.eq_ignore_ascii_case(name));
        lasting.push(';');
        lasting.push_str(if passing { attribute } else { part });
    }
    lasting
}

/// A Content-Security-Policy without the nonces that are drawn for each page.
fn without_nonces(value: &str) -> String {
    let words = value.split(' ').map(|word| if word.starts_with("'nonce-") { "'nonce-'" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

// Findings and rules.

/// What a guide says of an item, the same for every target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ItemText {
    section: String,
    title: String,
    rationale: String,
    remedy: Vec<String>,
    references: Vec<String>,
}

/// A finding: what the guide says, and what is said of the target, without the numbers of observations.
pub(super) fn finding(finding: &Finding, dates: &Dates) -> Result<(Body, Body), String> {
    let mut own = finding.clone();
    let text = ItemText {
        section: std::mem::take(&mut own.section),
        title: std::mem::take(&mut own.title),
        rationale: std::mem::take(&mut own.rationale),
        remedy: std::mem::take(&mut own.remedy),
        references: std::mem::take(&mut own.references),
    };
    let text = whole(Kind::Text, &text)?;
    own.checks.iter_mut().for_each(|check| check.rests_on = Vec::new());
    let body = dates.mark(json(&own)?);
    let identity = [text.hash.as_slice(), &without_measures(&body)].concat();
    Ok((text, Body { hash: hash(Kind::Finding, &identity), json: body }))
}

/// Puts a finding together again.
pub(super) fn found(mut finding: Finding, text: &ItemText, rests_on: &[u8]) -> Finding {
    finding.section.clone_from(&text.section);
    finding.title.clone_from(&text.title);
    finding.rationale.clone_from(&text.rationale);
    finding.remedy.clone_from(&text.remedy);
    finding.references.clone_from(&text.references);
    rest(&mut finding.checks, rests_on);
    finding
}

/// What is said of an expected rule.
pub(super) fn rule(finding: &RuleFinding, dates: &Dates) -> Result<Body, String> {
    let mut own = finding.clone();
    own.check.rests_on = Vec::new();
    let body = dates.mark(json(&own)?);
    Ok(Body { hash: hash(Kind::Rule, &without_measures(&body)), json: body })
}

/// Puts a rule together again.
pub(super) fn ruled(mut finding: RuleFinding, rests_on: &[u8]) -> RuleFinding {
    rest(std::slice::from_mut(&mut finding.check), rests_on);
    finding
}

/// The JSON of a text without what was measured: the numbers before ` ms`, ` times`, ` bytes`, and those of a ration.
fn without_measures(json: &[u8]) -> Vec<u8> {
    const UNITS: [&[u8]; 8] = [
        b" ms",
        b" times",
        b" s",
        b" bytes",
        b" ports refused",
        b" ports are refused",
        b" port is refused",
        b" ports at",
    ];
    let mut lasting = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.iter().position(u8::is_ascii_digit) {
        let (before, from) = rest.split_at(at);
        let length = from.iter().position(|byte| !byte.is_ascii_digit() && !b",.".contains(byte)).unwrap_or(from.len());
        let (number, after) = from.split_at(length);
        lasting.extend_from_slice(before);
        let ends =
            |unit: &&[u8]| after.starts_with(unit) && !after.get(unit.len()).is_some_and(u8::is_ascii_alphanumeric);
        let ration = after.starts_with(b" of ") && after.windows(14).take(24).any(|window| window == b" ports refused");
        if UNITS.iter().any(ends) || ration {
            lasting.push(b'#');
        } else {
            lasting.extend_from_slice(number);
        }
        rest = after;
    }
    lasting.extend_from_slice(rest);
    lasting
}

/// Which observations checks rest on, in a few bytes: for each check how many, and their numbers.
pub(super) fn rests_on(checks: &[Check]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for check in checks {
        let count = u32::try_from(check.rests_on.len()).unwrap_or(u32::MAX);
        varint(&mut bytes, count);
        check.rests_on.iter().for_each(|id| varint(&mut bytes, id.0));
    }
    bytes
}

fn rest(checks: &mut [Check], mut bytes: &[u8]) {
    for check in checks {
        let count = pull_varint(&mut bytes).unwrap_or_default();
        check.rests_on = (0..count).map_while(|_| pull_varint(&mut bytes)).map(ObservationId).collect();
    }
}

/// Seven bits in each byte, the lowest first; the highest bit says that more follow.
fn varint(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn pull_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

// Targets.

/// What is left of a target without its lists, which are kept in parts.
pub(super) fn head(target: &TargetRun, dates: &Dates) -> Result<Body, String> {
    let mut own = TargetRun {
        target: Target::new("", Host::Name(String::new())),
        addresses: target.addresses.clone(),
        observations: Vec::new(),
        findings: Vec::new(),
        rules: Vec::new(),
        disagreements: target.disagreements.clone(),
        troubles: target.troubles.clone(),
        evidence: target.evidence.clone(),
    };
    if let Some(evidence) = &mut own.evidence {
        evidence.age_seconds = evidence.age_seconds.map(|_| 0);
    }
    let body = dates.mark(json(&own)?);
    own.addresses.iter_mut().for_each(lasting_address);
    let whose = json(&(&target.target.client, &target.target.name))?;
    let identity = [whose, without_measures(&dates.mark(json(&own)?))].concat();
    Ok(Body { hash: hash(Kind::Head, &identity), json: body })
}

/// A target without its lists as it was said in a run that began then.
pub(super) fn headed(mut head: TargetRun, target: Target, started: &str) -> TargetRun {
    head.target = target;
    if let Some(evidence) = &mut head.evidence {
        let collected = evidence.collected.as_deref().and_then(super::dates::seconds);
        let age = super::dates::seconds(started).zip(collected).map(|(started, collected)| started - collected);
        evidence.age_seconds = evidence.age_seconds.and(age);
    }
    head
}

fn lasting_address(run: &mut AddressRun) {
    let AddressHealth { decoys_open, oddities, path, udp_ration, .. } = &mut run.health;
    // Drawn anew each time: how many opened is what counts.
    decoys_open.fill(0);
    for oddity in oddities {
        if let Oddity::Nearer { handshake_us, refusal_us } = oddity {
            (*handshake_us, *refusal_us) = (0, 0);
        }
    }
    if let Some(path) = path {
        let limit_per_second = path.limit_per_second.map(|_| 0);
        *path = PathHealth { round_trip_us: 0, answerable: 0, lost: 0, limit_per_second };
    }
    if let Some(ration) = udp_ration {
        *ration = UdpRation { burst: 0, interval_ms: ration.interval_ms.map(|_| 0) };
    }
}

/// What is left of a run without its targets, its begin and its duration, which have columns of their own.
pub(super) fn header(run: &Run) -> Result<Body, String> {
    let own = Run {
        tool_version: run.tool_version.clone(),
        started: String::new(),
        elapsed_ms: 0,
        guides: run.guides.clone(),
        targets: Vec::new(),
        interrupted: false,
        drift: None,
        vantage: run.vantage.clone(),
    };
    whole(Kind::Header, &own)
}
