//! "Only these are open": the rule that looks at every port.

use super::{LIKELY_LISTENER, NOTHING_ANSWERED, SETTLE_DEAD, SETTLE_UDP, disbelief};
use crate::catalog::rule::Rule;
use crate::judge::part::Part;
use crate::judge::view::{AddressView, BLOCKED, REFUSED_TOO, SETTLE_BLOCKED, SETTLE_REFUSED, View};
use crate::model::expected::{Direction, decides};
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::observation::ObservationId;
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

/// Whether an expected rule allows the port at this address, and none denies it.
fn is_allowed(view: &View<'_>, address: &AddressView<'_>, transport: Transport, port: u16) -> bool {
    let target = view.target();
    let place = (address.address, transport, port);
    let deciding = || target.rules.iter().filter(|rule| decides(rule, &target.rules, &target.expected, place));
    deciding().any(|rule| rule.direction == Direction::Allow)
        && deciding().all(|rule| rule.direction == Direction::Allow)
}

fn only_these_at(view: &View<'_>, address: &AddressView<'_>, allowed: &[Ports]) -> Part {
    let mut unexpected = Vec::new();
    let mut doubted = Vec::new();
    let mut unknown = 0_usize;
    let mut asked = 0_usize;
    let (mut blocked, mut refused) = (0_usize, 0_usize);
    let (mut likely, mut untold) = (Vec::new(), Vec::new());
    for (range, observation) in address.port_ranges() {
        let fact = match observation.attempt.fact() {
            Some(Fact::Port(fact)) if !fact.is_undeliverable() => Some(fact),
            _ => None,
        };
        let state = fact.map(|fact| fact.state);
        if range.transport() == Transport::Tcp {
            asked += range.count();
            if let Some(Fact::Port(fact)) = observation.attempt.fact() {
                blocked += address.blocked(range, fact).map_or(0, |(count, _)| count);
                refused += address.refused_everywhere(range, fact).map_or(0, |(count, _)| count);
            }
            unknown += if matches!(state, None | Some(PortState::Unstable)) { range.count() } else { 0 };
        }
        let expected = |actual: u16| {
            allowed.iter().any(|ports| ports.contains(range.transport(), actual))
                || is_allowed(view, address, range.transport(), actual)
        };
        if range.transport() == Transport::Udp {
            let names = range.each().filter(|actual| !expected(*actual));
            let names = names.map(|actual| (view.actual_name(Transport::Udp, actual), observation.id));
            match fact {
                Some(PortFact { reason: PortReason::SilentAmongRefusals { .. }, .. }) => likely.extend(names),
                None | Some(PortFact { state: PortState::Unstable, .. }) => untold.extend(names),
                Some(_) => {}
            }
        }
        let open = state == Some(PortState::Open);
        for actual in range.each() {
            // A witness shows what the firewall lets through where no service answers, over UDP above all.
            let let_in = address.is_let_in(range.transport(), actual);
            if !(open || let_in) || expected(actual) {
                continue;
            }
            if range.transport() == Transport::Udp || address.believed(actual) {
                let name = view.actual_name(range.transport(), actual);
                let name = if let_in { format!("{name} (let through to the witness)") } else { name };
                unexpected.push((name, observation.id));
            } else {
                doubted.push(actual);
            }
        }
    }
    let at = address.address;
    if !unexpected.is_empty() {
        return Part::fail("ports are open that the guides do not name")
            .settle("A port that is meant to be open is declared in the inventory under `expected`.")
            .seen(format!("open at {at} and not expected: {}", first_names(&unexpected)))
            .on(unexpected.iter().map(|(_, id)| *id));
    }
    if !address.health.answered {
        return Part::inconclusive(NOTHING_ANSWERED).settle(SETTLE_DEAD);
    }
    if !doubted.is_empty() {
        return disbelief(address, &doubted).seen(format!(
            "{} unexpected ports complete the handshake at {at}, none with an answer that proves a service",
            doubted.len()
        ));
    }
    if address.health.silence_untrusted() {
        return Part::stopped_answering();
    }
    let untold_here = [(blocked, BLOCKED, SETTLE_BLOCKED), (refused, REFUSED_TOO, SETTLE_REFUSED)];
    if let Some((count, how, settle)) = untold_here.into_iter().find(|(count, ..)| *count > 0) {
        let are = if count == 1 { "port is" } else { "ports are" };
        return Part::inconclusive(&format!("{count} TCP {are} {how}, and may be open"))
            .settle(settle)
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
    if !untold.is_empty() {
        return Part::inconclusive("not every UDP port that was to be asked has an answer, or the same answer twice")
            .settle("Scan again; if it stays so, the reason given says who must act.")
            .seen(format!("of unknown state at {at} and not expected: {}", first_names(&untold)))
            .on(untold.iter().map(|(_, id)| *id));
    }
    if !likely.is_empty() {
        return Part::inconclusive(&format!("of a UDP port that the guides do not name: {LIKELY_LISTENER}"))
            .settle(SETTLE_UDP)
            .seen(format!("silent at {at} among refused UDP ports and not expected: {}", first_names(&likely)))
            .on(likely.iter().map(|(_, id)| *id));
    }
    Part::pass("all 65,535 TCP ports were asked, and nothing unexpected is open; UDP was asked only where a guide names a port")
        .at_most(Confidence::Medium)
        .seen(format!("no unexpected port open at {at}"))
}

fn first_names(ports: &[(String, ObservationId)]) -> String {
    let names: Vec<&str> = ports.iter().map(|(name, _)| name.as_str()).take(40).collect();
    let more = if ports.len() > 40 { format!(" and {} more", ports.len() - 40) } else { String::new() };
    format!("{}{more}", names.join(", "))
}
