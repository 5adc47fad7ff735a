//! Rules about the suites that TLS ports accept.

use super::part::Part;
use super::tls::nothing_suits;
use super::view::{AddressView, Answer, View};
use crate::catalog::suite_policy::{self, Weakness};
use crate::model::observation::ObservationId;
use crate::model::ports::Transport;
use crate::model::suites::SuitesFact;
use crate::model::tls::{TlsAnswer, TlsVersion};
use crate::model::verdict::Confidence;

/// How many suites are named; the report lists them all elsewhere.
const NAMED: usize = 4;

/// No suite with one of `weaknesses` is accepted on any port with TLS.
pub(super) fn refused(view: &View<'_>, weaknesses: &[Weakness]) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let before = parts.len();
        for port in address.open_tcp() {
            if let Answer::Got((_, Some(_)), _) = address.service(port) {
                parts.push(refused_on(view, address, port, weaknesses));
            }
        }
        if parts.len() == before {
            parts.push(nothing_suits(address, "TLS"));
        }
        parts.extend(address.blind_spots(view, "TLS"));
    }
    parts
}

fn refused_on(view: &View<'_>, address: &AddressView<'_>, port: u16, weaknesses: &[Weakness]) -> Part {
    let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
    let (fact, id) = match address.suites(port) {
        Answer::Got(fact, id) => (fact, id),
        Answer::None(why, id) => {
            return Part::inconclusive("which suites are accepted could not be asked")
                .settle("Scan again; where the port is MySQL's, look at its own settings.")
                .seen(format!("{place}: {why}"))
                .on([id]);
        }
        Answer::NotAsked => {
            return Part::inconclusive("which suites are accepted was not asked")
                .settle("Scan with --ciphers.")
                .seen(place);
        }
    };
    let weak = weak(fact, weaknesses);
    if !weak.is_empty() {
        return Part::fail("weak suites are accepted").seen(format!("{place} accepts {}", named(&weak))).on([id]);
    }
    if let Some(why) = open(fact).or_else(|| missing(address, port, fact)) {
        return Part::inconclusive("not everything could be asked, so weak suites may be accepted")
            .settle("Scan again; if it stays so, ask from another network, or look at the server's own settings.")
            .seen(format!("{place}, {why}"))
            .on([id]);
    }
    pass(address, fact, &place, id)
}

fn pass(address: &AddressView<'_>, fact: &SuitesFact, place: &str, id: ObservationId) -> Part {
    let count: usize = fact.versions.iter().map(|version| version.suites.len()).sum();
    let versions: Vec<String> = fact.versions.iter().map(|version| version.version.to_string()).collect();
    let part = Part::pass("all accepted suites are known, and none of them is weak so")
        .seen(format!("{place} accepts {count} suites of {} (policy of {})", versions.join(", "), suite_policy::DATE))
        .on([id]);
    // "On any port" is only known of all ports.
    if address.every_port_told() { part } else { part.at_most(Confidence::Medium) }
}

/// The weak suites, each once with its versions, oldest first.
fn weak(fact: &SuitesFact, weaknesses: &[Weakness]) -> Vec<(u32, Vec<TlsVersion>)> {
    let mut weak: Vec<(u32, Vec<TlsVersion>)> = Vec::new();
    for version in &fact.versions {
        for suite in &version.suites {
            let found = suite_policy::weaknesses(*suite);
            if !found.iter().any(|weakness| weaknesses.contains(weakness)) {
                continue;
            }
            match weak.iter_mut().find(|(other, _)| other == suite) {
                Some((_, versions)) => versions.push(version.version),
                None => weak.push((*suite, vec![version.version])),
            }
        }
    }
    weak
}

fn named(weak: &[(u32, Vec<TlsVersion>)]) -> String {
    let one = |(suite, versions): &(u32, Vec<TlsVersion>)| {
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        let name = suite_policy::name(*suite).map_or_else(|| format!("0x{suite:04x}"), str::to_owned);
        format!("{name} ({})", versions.join(", "))
    };
    let first: Vec<String> = weak.iter().take(NAMED).map(one).collect();
    let more = weak.len().saturating_sub(NAMED);
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{and_more}", first.join(", "))
}

/// What nobody could tell.
fn open(fact: &SuitesFact) -> Option<String> {
    if let Some(one) = fact.unsettled.first() {
        return Some(format!("{}: {}", one.version, one.why));
    }
    if fact.versions.is_empty() {
        return Some("no version was accepted whose suites could be asked for".to_owned());
    }
    fact.versions.iter().find_map(|version| {
        version.incomplete.as_ref().map(|why| format!("{}: the list may lack some: {why}", version.version))
    })
}

/// A version that is accepted by its own hello, or may be, and that the suites say nothing of.
fn missing(address: &AddressView<'_>, port: u16, fact: &SuitesFact) -> Option<String> {
    let listed = |version: TlsVersion| fact.versions.iter().any(|one| one.version == version && !one.suites.is_empty());
    TlsVersion::ALL.into_iter().filter(|version| !listed(*version)).find_map(|version| {
        [true, false].into_iter().find_map(|sni| match address.tls(port, version, sni) {
            Answer::Got(TlsAnswer::Accepted { .. }, _) => {
                Some(format!("{version} is accepted, and with which suites is not known"))
            }
            Answer::None(why, _) => Some(format!("{version}: {why}")),
            _ => None,
        })
    })
}
