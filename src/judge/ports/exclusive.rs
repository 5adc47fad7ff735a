//! "Only these are open": the rule that looks at every port.

use super::{MIDDLEBOX, NOTHING_ANSWERED, SETTLE_DEAD, SETTLE_MIDDLEBOX};
use crate::catalog::rule::Rule;
use crate::judge::part::Part;
use crate::judge::view::{AddressView, BLOCKED, SETTLE_BLOCKED, View};
use crate::model::fact::PortState;
use crate::model::ports::{Ports, Transport};
use crate::model::verdict::Confidence;

pub(in crate::judge) fn only_these_open(view: &View<'_>, ports: &[Ports]) -> Vec<Part> {
    let allowed = allowed(view, ports);
    view.addresses.iter().map(|address| only_these_at(view, address, &allowed)).collect()
}

/// The rule's ports, those that other applied guides want open, and those that the inventory expects, as they are on the
/// target.
fn allowed(view: &View<'_>, ports: &[Ports]) -> Vec<Ports> {
    let target = view.target();
    let wanted = view.guides().iter().flat_map(|guide| guide.items_for(&target.roles)).flat_map(|item| &item.rules);
    let wanted = wanted.filter(|rule| crate::judge::condition(rule.only_when, target).is_none());
    let wanted = wanted.filter(|rule| matches!(rule.rule, Rule::Reachable { .. })).flat_map(|rule| rule.rule.ports());
    let actual = |ports: &Ports| target.actual_ranges(*ports, false);
    ports.iter().chain(wanted).flat_map(actual).chain(target.expected.iter().copied()).collect()
}

fn only_these_at(view: &View<'_>, address: &AddressView<'_>, allowed: &[Ports]) -> Part {
    let mut unexpected = Vec::new();
    let mut doubted = 0_usize;
    let mut unknown = 0_usize;
    let mut asked = 0_usize;
    let mut blocked = 0_usize;
    for (range, observation) in address.port_ranges() {
        let state = match observation.attempt.fact() {
            Some(crate::model::fact::Fact::Port(fact)) => Some(fact.state),
            _ => None,
        };
        if range.transport() == Transport::Tcp {
            asked += range.count();
            if let Some(crate::model::fact::Fact::Port(fact)) = observation.attempt.fact() {
                blocked += address.blocked(range, fact).map_or(0, |(count, _)| count);
            }
            unknown += if matches!(state, None | Some(PortState::Unstable)) { range.count() } else { 0 };
        }
        if state != Some(PortState::Open) {
            continue;
        }
        for actual in range.each() {
            if allowed.iter().any(|ports| ports.contains(range.transport(), actual)) {
                continue;
            }
            if range.transport() == Transport::Udp || address.believed(actual) {
                unexpected.push((view.actual_name(range.transport(), actual), observation.id));
            } else {
                doubted += 1;
            }
        }
    }
    let at = address.address;
    if !unexpected.is_empty() {
        let names: Vec<&str> = unexpected.iter().map(|(name, _)| name.as_str()).take(40).collect();
        let more = if unexpected.len() > 40 { format!(" and {} more", unexpected.len() - 40) } else { String::new() };
        return Part::fail("ports are open that the guides do not name")
            .settle("A port that is meant to be open is declared in the inventory under `expected`.")
            .seen(format!("open at {at} and not expected: {}{more}", names.join(", ")))
            .on(unexpected.iter().map(|(_, id)| *id));
    }
    if !address.health.answered {
        return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
    }
    if doubted > 0 {
        return Part::inconclusive(MIDDLEBOX).settle(SETTLE_MIDDLEBOX).seen(format!(
            "{doubted} unexpected ports complete the handshake at {at}, none with an answer of its own"
        ));
    }
    if address.health.silence_untrusted() {
        return Part::stopped_answering();
    }
    if blocked > 0 {
        return Part::inconclusive(&format!(
            "{blocked} TCP {} {BLOCKED}, and may be open",
            if blocked == 1 { "port is" } else { "ports are" }
        ))
        .settle(SETTLE_BLOCKED)
        .seen(format!("no unexpected port open at {at} among those that are let out"));
    }
    if asked - unknown < 65_535 {
        return Part::inconclusive(&format!(
            "{} of 65,535 TCP ports were asked; the others may be open",
            asked - unknown
        ))
        .settle("Sweep all TCP ports with --sweep.")
        .seen(format!("no unexpected port open at {at} among those that were asked"));
    }
    Part::pass("all 65,535 TCP ports were asked, and nothing unexpected is open; UDP was asked only where a guide names a port")
        .at_most(Confidence::Medium)
        .seen(format!("no unexpected port open at {at}"))
}
