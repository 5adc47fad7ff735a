//! Whether the place from which was asked can be believed, from what it saw: pure, and without one packet more.

use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::run::{AddressRun, TargetRun};
use crate::model::vantage::{Remark, Weight};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Ports that providers and offices commonly block on the way out: SMTP, MSRPC, NetBIOS, SMB.
pub const OFTEN_BLOCKED: [u16; 5] = [25, 135, 137, 139, 445];

/// From how many addresses that show the same a conclusion about this place is drawn.
const ENOUGH: usize = 3;

/// What a whole run says of the place from which it was made: only what a reader must know.
pub fn of_run(targets: &[TargetRun]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    remarks.extend(decoys(targets, ENOUGH).filter(|remark| remark.weight > Weight::Notice));
    remarks.extend(outbound(targets, ENOUGH).into_iter().filter(|remark| remark.weight > Weight::NotChecked));
    remarks
}

fn addresses(targets: &[TargetRun]) -> impl Iterator<Item = (&TargetRun, &AddressRun)> {
    targets.iter().flat_map(|target| target.addresses.iter().map(move |address| (target, address)))
}

/// Whether every address opens ports that nothing uses: then it is this side that answers.
pub fn decoys(targets: &[TargetRun], enough: usize) -> impl Iterator<Item = Remark> {
    let asked: Vec<&AddressRun> = addresses(targets)
        .map(|(_, address)| address)
        .filter(|address| address.health.answered && address.health.decoys_asked > 0)
        .collect();
    let open = asked.iter().filter(|address| address.health.handshakes_untrusted()).count();
    let about = "decoys";
    let remark = if open > 0 && open == asked.len() && open >= enough {
        Remark::new(
            about,
            Weight::Broken,
            format!("all {open} addresses that answered completed handshakes on ports that nothing uses"),
            "something near this machine (a proxy, a captive portal, a security product) completes connections in the \
             place of the servers, so an open port proves nothing from here",
        )
        .settle("Scan from another network, without a proxy on the way out.")
    } else if open > 0 {
        Remark::new(
            about,
            Weight::Notice,
            format!("{open} of {} addresses completed handshakes on ports that nothing uses", asked.len()),
            "something answers in the place of those servers; the others are believed",
        )
    } else if asked.is_empty() {
        Remark::new(about, Weight::NotChecked, "no address answered", "nothing is known of what answers for others")
    } else {
        let (number, noun) = (asked.len(), if asked.len() == 1 { "address" } else { "addresses" });
        let seen = format!("ports that nothing uses stayed shut at {number} {noun}");
        Remark::new(about, Weight::Fine, seen, "nothing near this machine answers for others")
    };
    std::iter::once(remark)
}

/// Whether ports that are often blocked on the way out show no sign of life anywhere, while the same addresses refuse others
/// with a RST.
pub fn outbound(targets: &[TargetRun], enough: usize) -> Vec<Remark> {
    let mut seen: BTreeMap<u16, Vec<&PortFact>> = BTreeMap::new();
    for (target, address) in addresses(targets) {
        let states = states(target, address.address);
        let refuses = states.iter().any(|(port, fact)| {
            !OFTEN_BLOCKED.contains(port) && matches!(fact.reason, PortReason::Reset | PortReason::Refused)
        });
        if !refuses || address.health.handshakes_untrusted() || address.health.silence_untrusted() {
            continue;
        }
        for (port, fact) in states.into_iter().filter(|(port, _)| OFTEN_BLOCKED.contains(port)) {
            seen.entry(port).or_default().push(fact);
        }
    }
    let dead = |facts: &[&PortFact]| {
        let lifeless = |fact: &&PortFact| matches!(fact.state, PortState::Filtered | PortState::Rejected);
        facts.len() >= enough && facts.iter().all(lifeless)
    };
    let blocked: Vec<u16> = seen.iter().filter(|(_, facts)| dead(facts)).map(|(port, _)| *port).collect();
    let about = "ports blocked on the way out";
    if seen.is_empty() {
        let meaning = "whether ports such as 445 are blocked on the way out of here is not known";
        return vec![
            Remark::new(about, Weight::NotChecked, "no address refuses other ports with a RST", meaning)
                .settle("Name a host that listens on them: `portreeve doctor --control HOST`."),
        ];
    }
    if blocked.is_empty() {
        let ports: Vec<String> = seen.keys().map(ToString::to_string).collect();
        let seen = format!("tcp {} are answered somewhere, or too few addresses were asked", ports.join(", "));
        return vec![Remark::new(about, Weight::Fine, seen, "no sign of a block on the way out of here")];
    }
    let senders: BTreeSet<Option<IpAddr>> =
        blocked.iter().filter_map(|port| seen.get(port)).flatten().map(|fact| fact.sender).collect();
    let by = match senders.iter().next() {
        Some(Some(sender)) if senders.len() == 1 => format!(", all rejected by {sender}"),
        _ => String::new(),
    };
    let ports: Vec<String> = blocked.iter().map(ToString::to_string).collect();
    let addresses = blocked.iter().filter_map(|port| seen.get(port)).map(Vec::len).max().unwrap_or(0);
    vec![
        Remark::new(
            about,
            Weight::Warning,
            format!("tcp {} answered at none of {addresses} addresses that refuse other ports with a RST{by}", ports.join(", ")),
            "they are probably blocked on the way out of here, and then \"filtered\" says nothing of the servers",
        )
        .settle("Settle it with a host that listens on them: `portreeve doctor --control HOST`; or scan from another network."),
    ]
}

/// What a host that listens on `wanted`, by its owner's word, says of the way out: a remark, and the ports that are blocked.
pub fn control(run: &TargetRun, wanted: &BTreeSet<u16>) -> (Remark, BTreeSet<u16>) {
    let about = "ports blocked on the way out";
    let mut open = BTreeSet::new();
    let mut refused = BTreeSet::new();
    let mut shut = BTreeSet::new();
    let mut senders = BTreeSet::new();
    for address in &run.addresses {
        for (port, fact) in states(run, address.address).into_iter().filter(|(port, _)| wanted.contains(port)) {
            match fact.state {
                PortState::Open => _ = open.insert(port),
                PortState::Closed => _ = refused.insert(port),
                PortState::Filtered | PortState::Rejected => {
                    shut.insert(port);
                    senders.extend(fact.sender);
                }
                _ => {}
            }
        }
    }
    let list = |ports: &BTreeSet<u16>| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if open.is_empty() {
        let seen = format!("no port of the control host {} is open", run.target.host);
        let meaning = "it proves nothing of the way out of here";
        let settle = "Check its address, and that something listens there on the ports of the guides.";
        return (Remark::new(about, Weight::NotChecked, seen, meaning).settle(settle), BTreeSet::new());
    }
    let blocked: BTreeSet<u16> = shut.iter().filter(|port| !open.contains(port)).copied().collect();
    let mut remark = if blocked.is_empty() {
        let seen = format!("{} ports of the control host are open from here", open.len());
        Remark::new(about, Weight::Fine, seen, "none of them is blocked on the way out")
    } else {
        let by: Vec<String> = senders.iter().map(ToString::to_string).collect();
        let by = if by.is_empty() { String::new() } else { format!(" (rejected by {})", by.join(", ")) };
        Remark::new(
            about,
            Weight::Broken,
            format!("tcp {} of the control host cannot be reached{by}, while tcp {} can", list(&blocked), list(&open)),
            "they are blocked on the way, so that \"filtered\" and \"rejected\" say nothing of other servers from here",
        )
        .settle("Let them out of this network, or scan from another one. If the control host's own firewall drops them, open it.")
    };
    if !refused.is_empty() {
        let _ = write!(remark.seen, "; nothing listens there on tcp {}", list(&refused));
    }
    (remark, blocked)
}

/// What an address that must not answer says of this side.
pub fn nowhere(run: &TargetRun) -> Remark {
    let about = "an address that must not answer";
    let open: Vec<u16> = run
        .addresses
        .iter()
        .flat_map(|address| {
            let states = states(run, address.address);
            let open = states.into_iter().filter(|(_, fact)| fact.state == PortState::Open).map(|(port, _)| port);
            open.chain(address.health.decoys_open.iter().copied()).collect::<Vec<u16>>()
        })
        .collect();
    let answered = run.addresses.iter().any(|address| address.health.answered);
    if open.is_empty() && !answered {
        let seen = format!("{} answers nothing", run.target.host);
        return Remark::new(about, Weight::Fine, seen, "nothing near this machine answers for others");
    }
    let seen = if open.is_empty() {
        format!("{} refuses connections, though nobody should be there", run.target.host)
    } else {
        let ports: Vec<String> = open.iter().map(ToString::to_string).collect();
        format!("{} completes handshakes on tcp {}, though nobody should be there", run.target.host, ports.join(", "))
    };
    Remark::new(about, Weight::Broken, seen, "something near this machine answers in the place of others: no result from here can be believed")
        .settle("Scan from another network, without a proxy or captive portal on the way out. Check that really nobody has that address.")
}

/// The states of an address's TCP ports. Ranges are asked port by port, and those of a sweep are long: only single ports and
/// short ranges are told one by one.
fn states(target: &TargetRun, address: IpAddr) -> Vec<(u16, &PortFact)> {
    let of_address = target.observations.iter().filter(|seen| seen.address == address);
    of_address
        .filter_map(|seen| match (seen.question, seen.attempt.fact()) {
            (Question::Port { ports }, Some(Fact::Port(fact))) if ports.transport() == Transport::Tcp => {
                Some(ports.each().map(move |port| (port, fact)))
            }
            _ => None,
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::{Attempt, Observation, ObservationId};
    use crate::model::ports::Ports;
    use crate::model::run::AddressHealth;
    use crate::model::target::{Host, Target};

    fn target(last: u8, decoys_open: bool, ports: &[(u16, PortState)]) -> TargetRun {
        let address = IpAddr::from([203, 0, 113, last]);
        let seen = ports.iter().map(|(port, state)| {
            let (reason, sender) = match state {
                PortState::Open => (PortReason::HandshakeCompleted, None),
                PortState::Closed => (PortReason::Reset, None),
                PortState::Rejected => {
                    (PortReason::Icmp { v6: false, kind: 3, code: 13 }, Some(IpAddr::from([198, 51, 100, 1])))
                }
                _ => (PortReason::Silence, None),
            };
            Observation {
                id: ObservationId(0),
                address,
                question: Question::Port { ports: Ports::tcp(*port).unwrap() },
                started_ms: 0,
                elapsed_ms: 1,
                elapsed_max_ms: 1,
                tries: 1,
                attempt: Attempt::Answered { fact: Fact::Port(PortFact { state: *state, reason, sender }) },
            }
        });
        let health = AddressHealth {
            answered: ports.iter().any(|(_, state)| matches!(state, PortState::Open | PortState::Closed)),
            decoys_asked: 3,
            decoys_open: if decoys_open { vec![20_500] } else { Vec::new() },
            ..AddressHealth::default()
        };
        TargetRun {
            target: Target::new("c", Host::Address(address)),
            addresses: vec![AddressRun { address, vantage: None, health }],
            observations: seen.collect(),
            findings: Vec::new(),
            rules: Vec::new(),
            disagreements: Vec::new(),
            troubles: Vec::new(),
        }
    }

    const OPEN: PortState = PortState::Open;
    const CLOSED: PortState = PortState::Closed;
    const FILTERED: PortState = PortState::Filtered;
    const REJECTED: PortState = PortState::Rejected;

    #[test]
    fn decoys_open_everywhere_are_this_sides_doing() {
        let everywhere: Vec<_> = (1..=3).map(|n| target(n, true, &[(443, OPEN)])).collect();
        assert_eq!(of_run(&everywhere)[0].weight, Weight::Broken);
        let once = [target(1, true, &[(443, OPEN)]), target(2, false, &[(443, OPEN)]), target(3, true, &[(443, OPEN)])];
        assert!(of_run(&once).is_empty());
        assert!(of_run(&everywhere[..2]).is_empty(), "two may be behind the same proxy of their own");
    }

    #[test]
    fn a_port_that_is_dead_everywhere_is_probably_blocked_here() {
        let like = |state| (1..=3).map(|n| target(n, false, &[(445, state), (70, CLOSED)])).collect::<Vec<_>>();
        let warned = of_run(&like(FILTERED));
        assert!(warned[0].weight == Weight::Warning && warned[0].seen.contains("445"), "{warned:?}");
        assert!(of_run(&like(REJECTED))[0].seen.contains("all rejected by 198.51.100.1"));
        assert!(of_run(&like(CLOSED)).is_empty());
        let mut mixed = like(FILTERED);
        mixed.push(target(4, false, &[(445, CLOSED), (70, CLOSED)]));
        assert!(of_run(&mixed).is_empty(), "one answer is enough");
        let hardened: Vec<_> = (1..=3).map(|n| target(n, false, &[(445, FILTERED), (443, OPEN)])).collect();
        assert!(of_run(&hardened).is_empty(), "servers that drop everything say nothing of this side");
    }

    #[test]
    fn a_control_host_tells_which_ports_are_blocked() {
        let wanted = BTreeSet::from([443, 445, 3306, 40_000]);
        let host = target(9, false, &[(443, OPEN), (445, FILTERED), (3306, CLOSED), (40_000, REJECTED)]);
        let (remark, blocked) = control(&host, &wanted);
        assert_eq!(blocked, BTreeSet::from([445, 40_000]));
        assert_eq!(remark.weight, Weight::Broken);
        assert!(remark.seen.contains("nothing listens there on tcp 3306"));
        let (remark, blocked) = control(&target(9, false, &[(443, FILTERED)]), &wanted);
        assert!(blocked.is_empty() && remark.weight == Weight::NotChecked, "a dead control host blocks nothing");
    }

    #[test]
    fn nobody_is_nowhere() {
        assert_eq!(nowhere(&target(7, false, &[(443, FILTERED)])).weight, Weight::Fine);
        assert_eq!(nowhere(&target(7, true, &[(443, FILTERED)])).weight, Weight::Broken);
        assert_eq!(nowhere(&target(7, false, &[(443, CLOSED)])).weight, Weight::Broken);
    }
}
