//! What the way out of this machine's network makes of what was seen of a port.

use super::Group;
use crate::judge::part::Part;
use crate::judge::vantage::{SUSPECTS, listed};
use crate::judge::view::{AddressView, BLOCKED, SETTLE_BLOCKED, SETTLE_REFUSED};
use crate::model::ports::Ports;
use crate::model::vantage::{Passage, Way};
use crate::model::verdict::Confidence;
use std::collections::BTreeSet;
use std::net::IpAddr;

const SETTLE_WITH_CONTROL: &str =
    "Scan with a control host that listens on that port (--control-host), or from another network.";

const REFUSED_TOO: &str = "the control host refused on that port too: it does not listen there, or something on the way refuses \
                           for every server, so nothing is known of it here";

fn way<'a>(address: &AddressView<'a>, group: &Group<'_>) -> Option<&'a Way> {
    address.way(group.transport, group.first)
}

/// Whether dropped tries need not be the target's doing.
pub(super) fn is_doubtful(address: &AddressView<'_>, group: &Group<'_>) -> bool {
    group.tries < 2 || may_be_blocked(address, group)
}

/// Whether the port is one that providers often block, and nothing proves that it is let out here.
pub(super) fn may_be_blocked(address: &AddressView<'_>, group: &Group<'_>) -> bool {
    let passes = way(address, group).is_some_and(|way| way.passage == Passage::Passes);
    !passes && group.each().any(|port| SUSPECTS.contains(&port))
}

/// Who refuses on the way to the ports of the group, of which the same becomes of packets to each, though not always by the same
/// hand: a path may lead over several routers.
fn by_whom(address: &AddressView<'_>, group: &Group<'_>) -> String {
    let sender = |port| address.way(group.transport, port).and_then(|way| way.sender);
    let senders: BTreeSet<Option<IpAddr>> = group.each().map(sender).collect();
    let named: Vec<String> = senders.iter().flatten().map(ToString::to_string).collect();
    match (named.as_slice(), senders.contains(&None)) {
        ([], _) => String::new(),
        (named, false) => format!(" by {}", listed(named)),
        (named, true) => format!(", some of them by {}", listed(named)),
    }
}

/// What is left of a refusal that bears the target's address, where the control host's was the same.
fn refused_too(address: &AddressView<'_>, group: &Group<'_>) -> Option<Part> {
    let ports = Ports::new(group.transport, group.first, group.last)?;
    address.refused_everywhere(ports, group.fact).map(|_| Part::inconclusive(REFUSED_TOO).settle(SETTLE_REFUSED))
}

/// What `part` is worth that rests on silence, or on a refusal by somebody else than the target.
pub(super) fn weigh_silence(address: &AddressView<'_>, group: &Group<'_>, part: Part) -> Part {
    if let Some(untold) = refused_too(address, group) {
        return untold;
    }
    let Some(way) = way(address, group).filter(|_| address.is_unheard(group.fact)) else { return part };
    let by = by_whom(address, group);
    match way.passage {
        Passage::Passes => part,
        Passage::Refused => part
            .but("the control host refused on that port, so that it is let out of this machine's network is not proved")
            .settle(SETTLE_REFUSED)
            .at_most(Confidence::Medium),
        Passage::Unproven => part
            .but(
                "nothing in this run answered on any port but 80 and 443, so this machine may be let out on those only",
            )
            .settle(SETTLE_WITH_CONTROL)
            .at_most(Confidence::Medium),
        Passage::ProbablyBlocked => part
            .but(&format!("it is probably {BLOCKED}{by}: it is so at every server that refuses other ports"))
            .settle(SETTLE_WITH_CONTROL)
            .at_most(Confidence::Low),
        Passage::Blocked => {
            let (ports, on) = if group.first == group.last { ("port is", "it") } else { ("ports are", "them") };
            Part::inconclusive(&format!(
                "the {ports} {BLOCKED}{by}: the control host listens on {on} and could not be reached, so nothing is known of {on} here"
            ))
            .settle(SETTLE_BLOCKED)
        }
    }
}

/// What `part` is worth that rests on a refusal by the target.
pub(super) fn weigh_refusal(address: &AddressView<'_>, group: &Group<'_>, part: Part) -> Part {
    if let Some(untold) = refused_too(address, group) {
        return untold;
    }
    if address.only_refusals() {
        part.but(
            "everything at this address was refused with a RST, and nothing else came from it: a router may do so for a machine \
             that is not there",
        )
        .settle("Ask also for a port that the server does serve, or look at the host.")
        .at_most(Confidence::Medium)
    } else {
        part
    }
}

#[cfg(test)]
mod tests;
