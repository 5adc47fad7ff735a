//! The servers that are to be scanned: their names, their addresses, and the ways there. These checkups name servers, and
//! are for whoever scans them, not for a report.

use super::{counted, listed};
use crate::model::address::{is_documentation, is_inside};
use crate::model::run::{AddressRun, Trouble};
use crate::model::target::Host;
use crate::model::vantage::{Checkup, Interface, InterfaceKind, Machine, NameAnswer, Route, Standing, Subject};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A server that was asked.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    /// What to call it.
    pub label: String,
    /// Where it is.
    pub host: &'a Host,
    /// Its addresses, each with the way there.
    pub addresses: Vec<(&'a AddressRun, Option<Route>)>,
    /// What kept it from being asked wholly.
    pub troubles: &'a [Trouble],
}

impl Server<'_> {
    fn inside(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|(run, _)| run.address).filter(|address| is_inside(*address))
    }
}

/// What is said of the DNS servers of this machine; `needed` says that names are to be resolved.
pub fn resolver(servers: &Result<Vec<IpAddr>, String>, needed: bool) -> Checkup {
    let subject = Subject::Resolver;
    match servers {
        Ok(servers) if !servers.is_empty() => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            Checkup::ok(subject, format!("Names are asked of {}.", listed(&servers)))
        }
        found => {
            let why = found.as_ref().err().map_or_else(String::new, |why| format!(" ({why})"));
            let seen = format!("This machine is configured with none{why}.");
            if !needed {
                return Checkup::ok(subject, format!("{seen} No name is to be resolved."));
            }
            let why = "Names cannot be resolved here, and their servers not be scanned.";
            Checkup::bad(subject, Standing::Broken, seen, why, "Configure one, or give addresses instead of names.")
        }
    }
}

/// What is said of names: whether the DNS servers invent answers, and which names lead inside.
pub fn names(said: &[(IpAddr, NameAnswer)], servers: &[Server<'_>]) -> Vec<Checkup> {
    let mut checkups = vec![invented(said)];
    let named: Vec<&Server<'_>> = servers.iter().filter(|server| matches!(server.host, Host::Name(_))).collect();
    let subject = Subject::SplitHorizon;
    let leading: Vec<String> = named
        .iter()
        .filter_map(|server| {
            let inside: Vec<String> = server.inside().map(|address| address.to_string()).collect();
            (!inside.is_empty()).then(|| format!("{} to {}", server.host, listed(&inside)))
        })
        .collect();
    if !leading.is_empty() {
        checkups.push(Checkup::bad(
            subject,
            Standing::Warning,
            format!("Names lead to addresses that are not public: {}.", listed(&leading)),
            "The DNS servers here answer as for a machine inside. The Internet is led elsewhere, and that is not looked at.",
            "Scan from outside, or give the public addresses instead of the names.",
        ));
    } else if named.iter().any(|server| !server.addresses.is_empty()) {
        checkups.push(Checkup::ok(subject, "No name leads to an address inside."));
    }
    checkups
}

fn invented(said: &[(IpAddr, NameAnswer)]) -> Checkup {
    let subject = Subject::InventedNames;
    let lies: Vec<String> = said
        .iter()
        .filter_map(|(server, answer)| match answer {
            NameAnswer::Addresses(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                Some(format!("{server} says {}", listed(&addresses)))
            }
            _ => None,
        })
        .collect();
    if !lies.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Broken,
            format!("Asked for a name that cannot exist, {}.", listed(&lies)),
            "A misspelt or removed name would lead to somebody's server, and that would be scanned.",
            "Use DNS servers that say when a name does not exist, or give addresses instead of names.",
        );
    }
    let mute: Vec<String> = said
        .iter()
        .filter_map(|(server, answer)| match answer {
            NameAnswer::Unreadable(why) => Some(format!("{server} ({why})")),
            _ => None,
        })
        .collect();
    if !mute.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Unknown,
            format!("Asked for a name that cannot exist, these say nothing: {}.", listed(&mute)),
            "Whether they invent answers is not known.",
            "Check this machine's connection and its DNS servers.",
        );
    }
    if said.is_empty() {
        return Checkup::not_checked(
            subject,
            "No name is to be resolved, so the DNS servers were not asked.",
            "Name a server by its DNS name.",
        );
    }
    Checkup::ok(subject, "Asked for a name under .invalid, they say that it does not exist.")
}

/// What is said of the servers' addresses and of the ways there.
pub fn servers(servers: &[Server<'_>], machine: &Machine) -> Vec<Checkup> {
    if servers.is_empty() {
        let why = "No server was named.";
        let todo = "Name servers, or an inventory with --targets.";
        let subjects = [
            Subject::InsideAddresses,
            Subject::ServerRoutes,
            Subject::Answers,
            Subject::Decoys,
            Subject::OutboundBlocks,
        ];
        return subjects
            .into_iter()
            .zip([todo].into_iter().chain(std::iter::repeat("")))
            .map(|(subject, todo)| Checkup::not_checked(subject, why, todo))
            .collect();
    }
    [inside(servers), routes(servers, machine), Some(answers(servers))].into_iter().flatten().collect()
}

fn inside(servers: &[Server<'_>]) -> Option<Checkup> {
    let subject = Subject::InsideAddresses;
    let given: Vec<&Server<'_>> = servers.iter().filter(|server| matches!(server.host, Host::Address(_))).collect();
    let inside: Vec<String> =
        given.iter().filter(|server| server.inside().next().is_some()).map(|server| server.label.clone()).collect();
    if !inside.is_empty() {
        return Some(Checkup::bad(
            subject,
            Standing::Warning,
            format!("Not at public addresses: {}.", listed(&inside)),
            "What is seen there is seen from inside: the Internet may reach more, or less.",
            "Name the public addresses, and scan from a machine outside.",
        ));
    }
    let only_written: Vec<String> = given
        .iter()
        .filter(|server| matches!(server.host, Host::Address(address) if is_documentation(*address)))
        .map(|server| server.label.clone())
        .collect();
    let seen = if only_written.is_empty() {
        "All addresses that were given are public.".to_owned()
    } else {
        format!(
            "Documentation addresses, which nobody has on the Internet: {}. No address is inside.",
            listed(&only_written)
        )
    };
    (!given.is_empty()).then(|| Checkup::ok(subject, seen))
}

fn routes(servers: &[Server<'_>], machine: &Machine) -> Option<Checkup> {
    let subject = Subject::ServerRoutes;
    let outward = [&machine.route_v4, &machine.route_v6].into_iter().flatten();
    let usual: Vec<&Interface> = outward.filter_map(|route| route.interface.as_ref()).collect();
    let (mut here, mut tunnelled, mut none, mut all) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut by = BTreeSet::new();
    for server in servers {
        for (run, route) in &server.addresses {
            all += 1;
            let place = format!("{} ({})", server.label, run.address);
            let place = if server.label == run.address.to_string() { server.label.clone() } else { place };
            let Some(route) = route else {
                none.push(place);
                continue;
            };
            match &route.interface {
                _ if route.source == run.address => here.push(place),
                Some(interface) if interface.kind == InterfaceKind::Loopback => here.push(place),
                Some(interface) if interface.kind == InterfaceKind::Tunnel && !usual.contains(&interface) => {
                    tunnelled.push(format!("{place} by {interface}"));
                }
                Some(interface) => {
                    by.insert(format!("{interface} from {}", route.source));
                }
                None => {
                    by.insert(route.source.to_string());
                }
            }
        }
    }
    if all == 0 {
        return None;
    }
    let mut sentences = Vec::new();
    if !here.is_empty() {
        sentences.push(format!("These are this machine itself: {}.", listed(&here)));
    }
    if !tunnelled.is_empty() {
        sentences.push(format!("Packets to these go through a tunnel of their own: {}.", listed(&tunnelled)));
    }
    if !sentences.is_empty() {
        return Some(Checkup::bad(
            subject,
            Standing::Warning,
            sentences.join(" "),
            "That is no view from outside: a VPN may lead past the firewall that is to be looked at.",
            "Scan without the VPN, from a machine that reaches the servers as everybody does.",
        ));
    }
    if !none.is_empty() {
        return Some(Checkup::bad(
            subject,
            Standing::Unknown,
            format!("There is no route to {}.", listed(&none)),
            "Those addresses cannot be asked from here, and a scan would be partial.",
            "Scan from a machine that has IPv6, or IPv4, as the addresses need.",
        ));
    }
    let by: Vec<String> = by.into_iter().collect();
    let leave = if all == 1 { "leave" } else { "all leave" };
    Some(Checkup::ok(
        subject,
        format!("Packets to {} {leave} by {}.", counted(all, "address", "addresses"), listed(&by)),
    ))
}

fn answers(servers: &[Server<'_>]) -> Checkup {
    let subject = Subject::Answers;
    let answering = |server: &&Server<'_>| server.addresses.iter().any(|(run, _)| run.health.answered);
    let answered = servers.iter().filter(answering).count();
    let unasked: Vec<String> = servers
        .iter()
        .filter_map(|server| {
            let grave = |trouble: &&Trouble| {
                !matches!(trouble, Trouble::Unreachable | Trouble::SilentAddress { .. } | Trouble::NoRoute { .. })
            };
            let trouble = server.troubles.iter().find(grave)?;
            Some(format!("{} ({})", server.label, trouble.describe()))
        })
        .collect();
    let all = counted(servers.len(), "server", "servers");
    if !unasked.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Unknown,
            format!("{} of {all} could not be asked wholly: {}.", unasked.len(), listed(&unasked)),
            "What they would have told of this network is missing.",
            "Mend what is named there, and look again.",
        );
    }
    if answered == 0 {
        return Checkup::bad(
            subject,
            Standing::Warning,
            format!("Nothing answered at {all}, on any port that was asked."),
            "Either they are down or drop what comes from here, or this machine's own network lets nothing out.",
            "Check this machine's connection, and name a server that answers.",
        );
    }
    Checkup::ok(subject, format!("{answered} of {all} answered."))
}

#[cfg(test)]
mod tests;
