//! What the targets of a run say of the vantage, all together, without an extra packet.
//!
//! Targets are added one by one, in any order, and little is kept of each: a run may have thousands.

use super::{SUSPECTS, Seen, counted, fact, ports_in_words};
use crate::model::address::{is_documentation, is_inside};
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::ports::{Ports, Transport};
use crate::model::run::AddressRun;
use crate::model::vantage::{Checkup, Passage, Standing, Subject, Way, Ways};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// At fewer addresses than this, what they have in common may be chance, or one firewall before all of them.
const LEAST: usize = 3;

/// How many ports an address must refuse itself before its silence on a suspect stands out.
const REFUSALS: usize = 2;

/// Ports on which nearly every network lets its machines out: HTTP and HTTPS.
const WEB: [u16; 2] = [80, 443];

/// What was seen of all targets so far.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Addresses inside and outside, over either version, lead different ways.
    kinds: BTreeMap<(bool, bool), Kind>,
    /// An address that two targets share counts once.
    known: BTreeSet<IpAddr>,
}

/// Addresses that packets take the same way to, as far as can be told.
#[derive(Clone, Debug, Default)]
struct Kind {
    addresses: usize,
    /// Where decoys opened, and where they stayed shut.
    decoys: (usize, usize),
    /// Addresses that refuse most of what is asked, themselves.
    refusing: usize,
    suspects: BTreeMap<u16, Suspect>,
    /// Whether anything came back from the ports of the web, and from any other.
    web: bool,
    beyond: bool,
    /// Whether any other was asked.
    asked_beyond: bool,
}

/// What was seen of one port at all addresses.
#[derive(Clone, Debug, Default)]
struct Suspect {
    /// Where packets arrived.
    reached: usize,
    /// Where there was silence, although the address refuses other ports.
    silent: usize,
    /// Who refused instead of such an address, and at how many of them.
    refused: BTreeMap<IpAddr, usize>,
}

impl Evidence {
    /// Adds what was seen of a target.
    pub fn add(&mut self, seen: Seen<'_>) {
        for run in seen.addresses {
            if !self.known.insert(run.address) {
                continue;
            }
            let kind = self.kinds.entry((is_inside(run.address), run.address.is_ipv6())).or_default();
            kind.addresses += 1;
            // What an interrupt cut short says nothing for certain.
            let whole = seen.troubles.is_empty();
            if run.health.handshakes_untrusted() {
                kind.decoys.0 += 1;
            } else if run.health.decoys_asked > 0 && run.health.answered && whole {
                kind.decoys.1 += 1;
            }
            if run.health.answered && !run.health.handshakes_untrusted() {
                kind.add(run, seen);
            }
        }
    }

    /// What it comes to, beside what is `known` of the way out already. All subjects are in it, also those of which
    /// nothing can be said.
    pub fn conclude(&self, known: &Ways) -> (Vec<Checkup>, Ways) {
        let mut ways = known.clone();
        let mut sentences = Vec::new();
        for ((inside, v6), kind) in &self.kinds {
            let mut found: BTreeMap<Option<IpAddr>, (Vec<u16>, usize)> = BTreeMap::new();
            if kind.web && !kind.beyond && kind.asked_beyond {
                let unproven =
                    |ports| Way { ports, v6: *v6, inside: *inside, passage: Passage::Unproven, sender: None };
                for ports in known.unknown(*inside, *v6, &WEB) {
                    ways.add(unproven(ports));
                }
                continue;
            }
            for (port, suspect) in &kind.suspects {
                let Some((sender, count)) = suspect.is_blocked() else { continue };
                let Some(ports) = Ports::tcp(*port) else { continue };
                if ways.add(Way { ports, v6: *v6, inside: *inside, passage: Passage::ProbablyBlocked, sender }) {
                    let (ports, least) = found.entry(sender).or_insert((Vec::new(), count));
                    ports.push(*port);
                    *least = count.min(*least);
                }
            }
            for (sender, (ports, count)) in found {
                let over = if *v6 { "IPv6" } else { "IPv4" };
                let (ports, addresses) = (ports_in_words(ports), counted(count, "address", "addresses"));
                let what = match sender {
                    Some(sender) => format!("was refused by {sender}, or met silence,"),
                    None => "met silence".to_owned(),
                };
                sentences.push(format!("Over {over} {ports} {what} at all {addresses} that refuse other ports."));
            }
        }
        let checkups = vec![self.inside(), self.decoys(), self.blocks(&ways, &sentences)];
        (checkups.into_iter().flatten().collect(), ways)
    }

    fn inside(&self) -> Option<Checkup> {
        let all: usize = self.kinds.values().map(|kind| kind.addresses).sum();
        let inside: usize = self.kinds.iter().filter(|((inside, _), _)| *inside).map(|(_, kind)| kind.addresses).sum();
        if all == 0 {
            return None;
        }
        let subject = Subject::InsideAddresses;
        if inside == 0 {
            let all = counted(all, "address", "addresses");
            let documentation = self.known.iter().filter(|address| is_documentation(**address)).count();
            let seen = match documentation {
                0 => format!("All {all} are public."),
                1 => {
                    format!("None of {all} is inside; 1 is a documentation address, which nobody has on the Internet.")
                }
                more => {
                    format!(
                        "None of {all} is inside; {more} are documentation addresses, which nobody has on the Internet."
                    )
                }
            };
            return Some(Checkup::ok(subject, seen));
        }
        let verb = if inside == 1 { "is" } else { "are" };
        Some(Checkup::bad(
            subject,
            Standing::Warning,
            format!("{inside} of {} {verb} not public.", counted(all, "address", "addresses")),
            "What is seen there is seen from inside: the Internet may reach more, or less.",
            "Scan the servers' public addresses, from a machine outside their network.",
        ))
    }

    fn decoys(&self) -> Option<Checkup> {
        let subject = Subject::Decoys;
        let (opened, shut) =
            self.kinds.values().fold((0, 0), |sum, kind| (sum.0 + kind.decoys.0, sum.1 + kind.decoys.1));
        let all = opened + shut;
        let everywhere = self.kinds.values().find(|kind| kind.decoys.0 >= 2 && kind.decoys.1 == 0);
        if let Some(kind) = everywhere {
            return Some(Checkup::bad(
                subject,
                Standing::Warning,
                format!("Ports that nothing uses are open at all {} addresses that were asked.", kind.decoys.0),
                "Not every server has such a firewall before it: something on this side, such as a proxy that nobody \
                 sees, answers for them, and an open port proves nothing until a service speaks.",
                "Look whether an address that must not answer does: `portreeve doctor --nowhere`. Scan from another network.",
            ));
        }
        match (opened, shut) {
            (0, 0) => None,
            (_, 0) => Some(Checkup::not_checked(
                subject,
                "They are open at the one address that was asked; what is between it and here cannot be told from that.",
                "Look whether an address that must not answer does: --nowhere.",
            )),
            _ => Some(Checkup::ok(
                subject,
                format!("They stay shut at {shut} of {}.", counted(all, "address", "addresses")),
            )),
        }
    }

    fn blocks(&self, ways: &Ways, sentences: &[String]) -> Option<Checkup> {
        let subject = Subject::OutboundBlocks;
        if !sentences.is_empty() {
            return Some(Checkup::bad(
                subject,
                Standing::Warning,
                sentences.join(" "),
                "Providers and companies often block these ports on the way out. If that is so here, silence on them says \
                 nothing of the servers.",
                "Settle it with a control host, a machine of yours outside that listens on them (--control-host), or scan \
                 from another network.",
            ));
        }
        if ways.each().any(|way| way.passage == Passage::Unproven) {
            return Some(Checkup::bad(
                subject,
                Standing::Warning,
                "Nothing answered on any port but 80 and 443.",
                "This machine may be let out on those only: silence on other ports need not be the servers' doing.",
                "Settle it with a control host, a machine of yours outside that listens on the ports in question: \
                 --control-host.",
            ));
        }
        let mut asked = false;
        let mut open: BTreeSet<u16> = BTreeSet::new();
        for ((inside, v6), kind) in &self.kinds {
            let passes = |port| {
                let kind = |way: &&Way| (way.inside, way.v6) == (*inside, *v6) && way.passage == Passage::Passes;
                ways.each().filter(kind).any(|way| way.ports.contains(Transport::Tcp, port))
            };
            asked |= !kind.suspects.is_empty();
            let unsettled = kind.suspects.iter().filter(|(port, suspect)| suspect.reached == 0 && !passes(**port));
            open.extend(unsettled.map(|(port, _)| *port));
        }
        if !asked {
            return None;
        }
        if open.is_empty() {
            return Some(Checkup::ok(subject, "Every port that is often blocked was answered for somewhere."));
        }
        let refusing: usize = self.kinds.values().map(|kind| kind.refusing).sum();
        Some(Checkup::not_checked(
            subject,
            format!(
                "Nothing answered for {}, and only {} most ports: too little to tell the servers' firewalls from a block on \
                 the way out.",
                ports_in_words(open),
                counted(refusing, "address refuses", "addresses refuse"),
            ),
            "Settle it with a control host, a machine of yours outside that listens on them: --control-host.",
        ))
    }
}

impl Kind {
    fn add(&mut self, run: &AddressRun, seen: Seen<'_>) {
        let refuses = !run.health.silence_untrusted() && refuses_most(run.address, seen);
        self.refusing += usize::from(refuses);
        for (range, observation) in seen.tcp(run.address) {
            self.asked_beyond |= range.each().any(|port| !WEB.contains(&port)) && fact(observation).is_some();
            if !fact(observation).is_some_and(|fact| is_of_target(fact, run.address)) {
                continue;
            }
            let beyond = range.each().any(|port| !WEB.contains(&port));
            (self.beyond, self.web) = (self.beyond || beyond, self.web || !beyond);
        }
        for port in SUSPECTS {
            let Some(fact) = seen.port(run.address, port) else { continue };
            let arrives = seen.reaches_witness(run.address, port);
            let suspect = self.suspects.entry(port).or_default();
            if arrives || is_of_target(fact, run.address) {
                suspect.reached += 1;
            } else if !refuses {
                // A firewall before this server drops what it does not let through, and stands out by nothing.
            } else if fact.state == PortState::Filtered {
                suspect.silent += 1;
            } else if let Some(sender) = fact.sender {
                *suspect.refused.entry(sender).or_default() += 1;
            }
        }
    }
}

impl Suspect {
    /// Whether it is probably blocked: by whom, and at how many addresses that shows.
    fn is_blocked(&self) -> Option<(Option<IpAddr>, usize)> {
        if self.reached > 0 || self.refused.len() > 1 {
            return None;
        }
        let (sender, refused) =
            self.refused.first_key_value().map_or((None, 0), |(sender, count)| (Some(*sender), *count));
        // A lone refusal may be that of the server's own firewall, and packets that come so far are not blocked here.
        (refused != 1 && self.silent + refused >= LEAST).then_some((sender, self.silent + refused))
    }
}

/// Whether the target itself answered, whatever it said.
fn is_of_target(fact: &PortFact, address: IpAddr) -> bool {
    match fact.state {
        PortState::Open | PortState::Closed => fact.is_from_target(),
        PortState::Rejected => fact.sender == Some(address),
        PortState::Unstable => match &fact.reason {
            PortReason::Disagreement { tries } => {
                tries.iter().any(|state| matches!(state, PortState::Open | PortState::Closed))
            }
            _ => false,
        },
        PortState::Filtered | PortState::OpenOrFiltered => false,
    }
}

/// Whether an address itself says "closed" for most ports that are not suspects, so that nothing before it drops them.
fn refuses_most(address: IpAddr, seen: Seen<'_>) -> bool {
    let (mut closed, mut silent) = (0, 0);
    for (range, observation) in seen.tcp(address) {
        let count = range.count() - SUSPECTS.iter().filter(|port| range.contains(range.transport(), **port)).count();
        match fact(observation).map(|fact| fact.state) {
            Some(PortState::Closed) => closed += count,
            Some(PortState::Filtered | PortState::Rejected) => silent += count,
            _ => {}
        }
    }
    closed >= REFUSALS && closed > silent
}

#[cfg(test)]
mod tests;
