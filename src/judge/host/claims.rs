//! What the host says of things that the network is asked about too, and both made one verdict.
//!
//! The network wins. Where the host says otherwise that is a contradiction, a result of its own. Where the network could not
//! tell, the host alone does not make a pass of it, but for silence of ports on which nothing listens.

mod reach;
mod tls;
mod web;

use super::ports::{Outside, Side, fits, outside, side};
use super::trust;
use crate::catalog::guide::Item;
use crate::catalog::rule::{Method, Rule};
use crate::host::evidence::Evidence;
use crate::judge::part::Part;
use crate::judge::view::View;
use crate::model::evidence::Contradiction;
use crate::model::fact::PortState;
use crate::model::ports::Transport;
use crate::model::verdict::{Check, Confidence, Verdict};
use reach::places;
pub(super) use tls::schannel;

/// How many ports of a rule are looked at one by one.
const PORTS: usize = 4096;

/// What the host says of a rule, or of a part of it.
#[derive(Clone, Debug)]
struct Claim {
    /// What it is about.
    subject: String,
    /// Whether the rule holds by the host's word; `None` where it does not tell.
    holds: Option<bool>,
    /// The lines that say so.
    seen: Vec<String>,
    /// Something that would tell was not collected.
    lacking: bool,
    /// Without any scan, it may pass by the host's word.
    passes_alone: bool,
    /// The item is about the host itself too: what the host says counts whatever is seen from outside.
    own: bool,
    /// For ports: what the network says of just this one, where that is the opposite.
    network: Option<String>,
    /// What may explain that the network says otherwise, the likeliest first.
    explanations: Vec<String>,
    settle: String,
}

/// The check of one rule from both sides, and where they disagree.
pub(in crate::judge) fn merge(
    check: Check,
    item: &Item,
    label: &str,
    rule: &Rule,
    view: &View<'_>,
    evidence: &Evidence,
) -> (Check, Vec<Contradiction>) {
    let claims = claims(rule, view, evidence);
    let (limit, doubts) = trust(evidence);
    let mut merged = check;
    let mut contradictions = Vec::new();
    let network = merged.verdict;
    let said = merged.seen.first().cloned().unwrap_or_else(|| merged.why.clone());
    for claim in &claims {
        merged.seen.extend(claim.seen.iter().map(|seen| format!("on the host: {seen}")));
        merged.lacking |= claim.lacking;
        if claim.own && claim.holds == Some(false) && network != Verdict::Fail {
            merged.verdict = Verdict::Fail;
            merged.confidence = limit;
            merged.why = format!("{}; the host itself says that it is not so", merged.why);
            continue;
        }
        let against = match network {
            Verdict::Fail => claim.holds == Some(true),
            Verdict::Pass => claim.holds == Some(false),
            _ => false,
        };
        // A failing check of several subjects fails for one of them; the host may be right about the others.
        let against = match rule {
            Rule::Unreachable { .. } | Rule::Reachable { .. } => claim.network.is_some(),
            _ => against && concerns(&merged, claim),
        };
        if against && !claim.own {
            contradictions.push(Contradiction {
                subject: claim.subject.clone(),
                items: vec![format!("{label} {}", item.id)],
                host: claim.seen.first().cloned().unwrap_or_default(),
                network: claim.network.clone().unwrap_or_else(|| about(&merged, claim).unwrap_or_else(|| said.clone())),
                explanations: claim.explanations.clone(),
                settle: claim.settle.clone(),
            });
        }
    }
    if !contradictions.is_empty() {
        merged.why = format!("{}; the host says otherwise, and the network is believed", merged.why);
        if network == Verdict::Pass {
            merged.confidence = merged.confidence.min(Confidence::Medium);
        }
    } else if settles_silence(rule, &claims, network, view, evidence) {
        merged.verdict = Verdict::Pass;
        merged.confidence = limit.min(Confidence::Medium);
        merged.why = format!("{}; on the host nothing listens there, so there is nothing to be reached", merged.why);
        merged.settle = None;
        merged.seen.extend(doubts);
    } else if matches!(network, Verdict::Pass | Verdict::Fail) && merged.verdict == network {
        let said: Vec<bool> = claims.iter().filter_map(|claim| claim.holds).collect();
        if !said.is_empty() && said.iter().all(|holds| *holds == (network == Verdict::Pass)) {
            merged.why = format!("{}; the host says the same", merged.why);
        }
    }
    (merged, contradictions)
}

/// A contradiction about one of several subjects needs a word of the network about that one.
fn concerns(check: &Check, claim: &Claim) -> bool {
    check.verdict != Verdict::Fail || about(check, claim).is_some()
}

/// What was seen of the subject of a claim.
fn about(check: &Check, claim: &Claim) -> Option<String> {
    let names = |seen: &&String| {
        !seen.starts_with("on the host")
            && seen.match_indices(&claim.subject).any(|(at, found)| {
                let next = seen.get(at + found.len()..).and_then(|rest| rest.chars().next());
                !next.is_some_and(|next| next.is_ascii_digit())
            })
    };
    check.seen.iter().find(names).cloned()
}

/// Whether silence from outside may be believed: nothing listens on any port of the rule, and the bundle is of this host, fresh
/// and collected whole. Where several machines share an address, the bundle knows only one of them, and another may listen.
fn settles_silence(rule: &Rule, claims: &[Claim], network: Verdict, view: &View<'_>, evidence: &Evidence) -> bool {
    let Rule::Unreachable { ports, grows_with_technicians, .. } = rule else { return false };
    let silent = |port: (Transport, u16)| matches!(outside(view, port.0, port.1), Outside::Shut(state) if !matches!(state, PortState::Open | PortState::Unstable));
    let places = places(view, ports, *grows_with_technicians, true);
    network == Verdict::Inconclusive
        && !view.target().shared_address
        && !claims.is_empty()
        && claims.iter().all(|claim| claim.holds == Some(true))
        && places.len() <= PORTS
        && places.iter().all(|(transport, port)| {
            silent((*transport, *port)) && matches!(side(view, evidence, *transport, *port), Side::Nothing(_))
        })
        && view
            .addresses
            .iter()
            .all(|address| !address.health.silence_untrusted() && !address.health.handshakes_untrusted())
        && matches!(evidence.age(), Some(age) if (-300..24 * 3600).contains(&age))
        && fits(view, evidence)
}

/// The check of one rule by the host's word alone.
pub(in crate::judge) fn alone(rule: &Rule, view: &View<'_>, evidence: &Evidence) -> Check {
    let (limit, doubts) = trust(evidence);
    let scan = "Scan the host from outside with this bundle: `portreeve scan HOST --host-evidence BUNDLE`.";
    let mut claims = claims(rule, view, evidence);
    if claims.iter().any(|claim| claim.own) {
        claims.retain(|claim| claim.own);
    }
    let parts: Vec<Part> = claims
        .into_iter()
        .map(|claim| {
            let part = match claim.holds {
                Some(true) if claim.passes_alone => Part::pass(
                    "the host's settings are as the guide asks; whether they are in effect only a scan can tell",
                )
                .at_most(Confidence::Medium),
                Some(false) if claim.passes_alone || claim.own => {
                    Part::fail("the host's settings are not as the guide asks")
                }
                Some(_) => {
                    Part::inconclusive("what is reachable is seen from outside only; this is what the host says of it")
                        .settle(scan)
                }
                None if claim.seen.is_empty() => super::not_collected("nothing in the bundle tells").settle(scan),
                None => {
                    Part::new(Verdict::NeedsEvidence, Confidence::High, "what was collected does not tell").settle(scan)
                }
            };
            let part = if claim.lacking { part.lacking() } else { part };
            let part = claim.seen.into_iter().fold(part.at_most(limit), Part::seen);
            doubts.iter().cloned().fold(part, Part::seen)
        })
        .collect();
    let parts = if parts.is_empty() {
        vec![Part::inconclusive("what this asks is seen from outside only").settle(scan)]
    } else {
        parts
    };
    Part::combine(rule.describe(), parts)
}

fn claims(rule: &Rule, view: &View<'_>, evidence: &Evidence) -> Vec<Claim> {
    match rule {
        Rule::TlsRefused { versions } => versions.iter().map(|version| tls::claim(evidence, *version)).collect(),
        Rule::HeaderAbsent { headers, .. } => headers.iter().map(|header| web::header(evidence, header)).collect(),
        Rule::MethodDenied { method: Method::Options, .. } => vec![web::options(evidence)],
        Rule::Unreachable { ports, grows_with_technicians, .. } => {
            reach::shut(view, evidence, ports, *grows_with_technicians)
        }
        Rule::Reachable { ports, .. } => reach::open(view, evidence, ports),
        _ => Vec::new(),
    }
}
