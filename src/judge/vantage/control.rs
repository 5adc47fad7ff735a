//! The control host: a machine of the user's that listens, by the user's word, on every port that it is asked for.
//!
//! What does not arrive there is blocked between here and there. A host that does not keep that word makes ports look
//! blocked, which makes findings inconclusive and never passes.

use super::{Seen, counted, listed, ports_in_words};
use crate::model::address::is_inside;
use crate::model::fact::{PortFact, PortState};
use crate::model::ports::Ports;
use crate::model::run::{AddressRun, Trouble};
use crate::model::target::Host;
use crate::model::vantage::{Checkup, Passage, Standing, Subject, Way, Ways};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const WHAT_IT_IS: &str = "A control host is a machine of yours outside this network that listens on the ports asked, and \
                          not on every other one too.";

const SETTLE_UNUSABLE: &str = "Make sure that it is on and listens there, and look again; if it does, this machine's network lets \
                               nothing out to it: scan from another one.";

/// What came of asking the control host for TCP `asked`: what is said of it, and what is known of the way out since.
pub fn control(host: &Host, asked: &[u16], seen: Seen<'_>) -> (Checkup, Ways) {
    let mut ways = Ways::default();
    let mut kinds: BTreeMap<(bool, bool), Vec<&AddressRun>> = BTreeMap::new();
    for run in seen.addresses.iter().filter(|run| is_usable(run, seen)) {
        kinds.entry((is_inside(run.address), run.address.is_ipv6())).or_default().push(run);
    }
    for ((inside, v6), runs) in &kinds {
        for port in asked {
            let Some((passage, sender)) = passage(runs, *port, seen) else { continue };
            if let Some(ports) = Ports::tcp(*port) {
                ways.add(Way { ports, v6: *v6, inside: *inside, passage, sender });
            }
        }
    }
    let checkup = if kinds.is_empty() { unusable(host, asked, seen) } else { checkup(host, asked, &kinds, &ways) };
    // A refusal needs no open port beside it to put refusals elsewhere in doubt: a filter may refuse everything.
    for run in seen.addresses.iter().filter(|run| !run.health.handshakes_untrusted()) {
        let (inside, v6) = (is_inside(run.address), run.address.is_ipv6());
        let by_another = !kinds.contains_key(&(inside, v6));
        for port in asked {
            let (passage, sender) = match refusal(run.address, *port, seen) {
                Some(Refusal::InItsName) => (Passage::Refused, None),
                Some(Refusal::OnTheWay(sender)) if by_another => (Passage::Blocked, sender),
                _ => continue,
            };
            if let Some(ports) = Ports::tcp(*port) {
                ways.add(Way { ports, v6, inside, passage, sender });
            }
        }
    }
    (checkup, ways)
}

/// Whose word a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It bears the host's address, whoever made it.
    InItsName,
    /// Somebody else's, who forbids it.
    OnTheWay(Option<IpAddr>),
    /// Somebody else's, who cannot deliver it: the host may be off.
    Undeliverable(Option<IpAddr>),
}

/// The refusal that came from this port.
fn refusal(address: IpAddr, port: u16, seen: Seen<'_>) -> Option<Refusal> {
    let fact = seen.port(address, port)?;
    match fact.state {
        PortState::Closed => Some(Refusal::InItsName),
        PortState::Rejected if fact.sender == Some(address) => Some(Refusal::InItsName),
        PortState::Rejected if fact.is_undeliverable() => Some(Refusal::Undeliverable(fact.sender)),
        PortState::Rejected => Some(Refusal::OnTheWay(fact.sender)),
        _ => None,
    }
}

/// Whether anything that was seen at this address tells of the way there.
fn is_usable(run: &AddressRun, seen: Seen<'_>) -> bool {
    let opened = seen.tcp(run.address).any(|(_, observation)| is_open(observation));
    opened && run.health.decoys_asked > 0 && !run.health.handshakes_untrusted() && !run.health.silence_untrusted()
}

fn is_open(observation: &crate::model::observation::Observation) -> bool {
    super::fact(observation).is_some_and(|fact| fact.state == PortState::Open)
}

/// What becomes of packets to a port, where the addresses of the host agree.
fn passage(runs: &[&AddressRun], port: u16, seen: Seen<'_>) -> Option<(Passage, Option<IpAddr>)> {
    let facts: Vec<_> = runs.iter().map(|run| (run.address, seen.port(run.address, port))).collect();
    if facts.iter().any(|(_, fact)| fact.is_some_and(|fact| fact.state == PortState::Open)) {
        return Some((Passage::Passes, None));
    }
    let mut refused = false;
    let mut sender = None;
    for (address, fact) in facts {
        let fact = fact?;
        match fact.state {
            PortState::Closed => refused = true,
            PortState::Rejected if fact.sender == Some(address) => refused = true,
            PortState::Rejected => sender = sender.or(fact.sender),
            PortState::Filtered => {}
            PortState::Open | PortState::OpenOrFiltered | PortState::Unstable => return None,
        }
    }
    Some(if refused { (Passage::Refused, None) } else { (Passage::Blocked, sender) })
}

fn unusable(host: &Host, asked: &[u16], seen: Seen<'_>) -> Checkup {
    let unknown = |seen: String, todo: &str| {
        let why = "Without it nothing is known of ports that are blocked on the way out.";
        Checkup::bad(Subject::ControlHost, Standing::Unknown, seen, why, todo)
    };
    let troubles: Vec<String> = seen.troubles.iter().map(Trouble::describe).collect();
    let untrusted: Vec<String> = seen
        .addresses
        .iter()
        .filter(|run| run.health.handshakes_untrusted())
        .map(|run| run.address.to_string())
        .collect();
    if !untrusted.is_empty() {
        return unknown(
            format!(
                "The control host {host} has ports open at {} that nothing was said to use: either it listens on every \
                 port, or something on this side answers in its place.",
                listed(&untrusted)
            ),
            &format!("{WHAT_IT_IS} Look whether an address that must not answer does: `portreeve doctor --nowhere`."),
        );
    }
    let began = if troubles.is_empty() {
        format!("None of the ports asked is open at the control host {host}.")
    } else {
        format!("The control host {host} could not be used: {}.", troubles.join("; "))
    };
    let instead = instead(asked, seen);
    let todo = if instead.is_empty() { WHAT_IT_IS.to_owned() } else { format!("{WHAT_IT_IS} {SETTLE_UNUSABLE}") };
    unknown([began].into_iter().chain(instead).collect::<Vec<_>>().join(" "), &todo)
}

/// What came instead of an open port, a sentence for each kind of it, and what it does to findings on those ports.
fn instead(asked: &[u16], seen: Seen<'_>) -> Vec<String> {
    let (mut named, mut forbidden, mut silent) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut by, mut routers) = (BTreeSet::new(), BTreeSet::new());
    for run in seen.addresses {
        for port in asked.iter().copied() {
            match refusal(run.address, port, seen) {
                Some(Refusal::InItsName) => _ = named.insert(port),
                Some(Refusal::OnTheWay(sender)) => {
                    forbidden.insert(port);
                    by.extend(sender);
                }
                Some(Refusal::Undeliverable(sender)) => routers.extend(sender),
                None => {
                    let is_silent = |fact: &PortFact| fact.state == PortState::Filtered;
                    silent.extend(Some(port).filter(|_| seen.port(run.address, port).is_some_and(is_silent)));
                }
            }
        }
    }
    let addresses = |senders: &BTreeSet<IpAddr>| listed(&senders.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut sentences = Vec::new();
    if !named.is_empty() {
        sentences.push(format!(
            "What refused need not be the host: on the ports that were refused ({}), a server's refusal decides nothing.",
            ports_in_words(named)
        ));
    }
    if !forbidden.is_empty() {
        let by = if by.is_empty() { "somebody on the way".to_owned() } else { addresses(&by) };
        sentences.push(format!(
            "Refused by {by}, before this machine or before the control host: {}; on those ports neither silence nor a refusal \
             by somebody else than the server decides anything.",
            ports_in_words(forbidden)
        ));
    }
    if !routers.is_empty() {
        sentences.push(format!("It cannot be reached, says {}.", addresses(&routers)));
    }
    if !silent.is_empty() {
        sentences.push(format!(
            "Silent: {}, which tells nothing of the way there, for the host may be off.",
            ports_in_words(silent)
        ));
    }
    sentences
}

fn checkup(host: &Host, asked: &[u16], kinds: &BTreeMap<(bool, bool), Vec<&AddressRun>>, ways: &Ways) -> Checkup {
    let subject = Subject::ControlHost;
    let addresses: Vec<String> =
        kinds.values().flatten().map(|run| run.address.to_string()).filter(|text| *text != host.to_string()).collect();
    let called = if addresses.is_empty() { host.to_string() } else { format!("{host} ({})", listed(&addresses)) };
    let with = |passage: Passage| -> BTreeSet<u16> {
        ways.each().filter(|way| way.passage == passage).flat_map(|way| way.ports.each()).collect()
    };
    let (passed, refused, blocked) = (with(Passage::Passes), with(Passage::Refused), with(Passage::Blocked));
    let asked: BTreeSet<u16> = asked.iter().copied().collect();
    let ports = counted(asked.len(), "TCP port", "TCP ports");
    let mut sentences = Vec::new();
    if refused.is_empty() && blocked.is_empty() && passed == asked {
        sentences.push(format!("All {ports} that were asked are open at {called}."));
    } else {
        sentences.push(format!("{} of {ports} that were asked are open at {called}.", passed.len()));
    }
    if !blocked.is_empty() {
        let senders: BTreeSet<String> = ways.each().filter_map(|way| way.sender).map(|ip| ip.to_string()).collect();
        let senders: Vec<String> = senders.into_iter().collect();
        let by = if senders.is_empty() { String::new() } else { format!(" ({} refuses)", listed(&senders)) };
        sentences.push(format!("Blocked on the way{by}: {}.", ports_in_words(blocked.iter().copied())));
    }
    if !refused.is_empty() {
        sentences.push(format!("Refused: {}.", ports_in_words(refused.iter().copied())));
    }
    let unclear: Vec<u16> = asked
        .iter()
        .copied()
        .filter(|port| ![&passed, &refused, &blocked].iter().any(|set| set.contains(port)))
        .collect();
    if !unclear.is_empty() {
        sentences.push(format!("Not known: {}.", ports_in_words(unclear)));
    }
    let only_inside = kinds.keys().all(|(inside, _)| *inside);
    if only_inside {
        sentences.push("Its address is not public, so this says nothing of the way to the Internet.".to_owned());
    }
    let seen = sentences.join(" ");
    if !blocked.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Broken,
            seen,
            "On those ports silence, or a refusal on the way, says nothing of the servers.",
            "Scan from another network, or have them let out. A control host that does not listen on them looks the same: \
             then name the ports that it has with --ports, in `portreeve doctor`.",
        );
    }
    if !refused.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Warning,
            seen,
            "Either the control host does not listen there, or something on the way refuses in its place. Until that is known, \
             \"closed\" from here says nothing of the servers on those ports, and rules about them stay inconclusive.",
            "Make sure that the control host listens on them, and look again; or name the ports that it has with --ports, in \
             `portreeve doctor`. If it does listen, scan from another network.",
        );
    }
    if only_inside {
        let why = "What a provider, or the company's firewall, blocks on the way out is not seen.";
        return Checkup::bad(subject, Standing::Warning, seen, why, WHAT_IT_IS);
    }
    Checkup::ok(subject, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::vantage::fixture::Host as Fixture;

    const ASKED: [u16; 4] = [25, 139, 443, 445];

    fn of(fixture: &Fixture) -> (Checkup, Vec<String>) {
        let host = Host::Name("control.example.net".to_owned());
        let (checkup, ways) = control(&host, &ASKED, fixture.seen());
        let ways = ways.each().map(|way| format!("{} {:?} v6={}", way.ports, way.passage, way.v6)).collect();
        (checkup, ways)
    }

    #[test]
    fn what_opens_passes() {
        let (checkup, ways) =
            of(&Fixture::new("203.0.113.9", &["tcp/25 open", "tcp/139 open", "tcp/443 open", "tcp/445 open"]));
        assert_eq!(checkup.standing, Standing::Ok, "{checkup:?}");
        assert_eq!(checkup.seen, "All 4 TCP ports that were asked are open at control.example.net (203.0.113.9).");
        assert_eq!(ways.len(), 4);
    }

    #[test]
    fn silence_and_a_strangers_refusal_are_blocks() {
        let lines = ["tcp/25 filtered", "tcp/139 rejected 198.51.100.1", "tcp/443 open", "tcp/445 closed"];
        let (checkup, ways) = of(&Fixture::new("203.0.113.9", &lines));
        assert_eq!(checkup.standing, Standing::Broken);
        assert!(checkup.seen.contains("Blocked on the way (198.51.100.1 refuses): tcp/25 and tcp/139."), "{checkup:?}");
        assert!(checkup.seen.contains("Refused: tcp/445."), "{checkup:?}");
        assert_eq!(
            ways,
            [
                "tcp/25 Blocked v6=false",
                "tcp/139 Blocked v6=false",
                "tcp/443 Passes v6=false",
                "tcp/445 Refused v6=false"
            ]
        );
    }

    #[test]
    fn a_host_that_opens_nothing_or_everything_proves_nothing() {
        let silent = ["tcp/25 filtered", "tcp/139 filtered", "tcp/443 filtered", "tcp/445 filtered"];
        let lines = ["tcp/25 filtered", "tcp/139 open", "tcp/443 open", "tcp/445 open"];
        let usual = || Fixture::new("203.0.113.9", &lines);
        for fixture in [
            Fixture::default(),
            Fixture::new("203.0.113.9", &silent),
            usual().decoys_open(),
            usual().with_health(|health| health.stopped_answering = true),
            usual().with_health(|health| health.decoys_asked = 0),
            Fixture {
                troubles: vec![Trouble::Unresolved { message: "no such name".to_owned() }],
                ..Fixture::default()
            },
        ] {
            let (checkup, ways) = of(&fixture);
            assert_eq!(checkup.standing, Standing::Unknown, "{checkup:?}");
            assert!(ways.is_empty());
        }
    }

    #[test]
    fn what_refuses_everything_puts_every_refusal_in_doubt() {
        let lines = ["tcp/25 closed", "tcp/139 closed", "tcp/443 closed", "tcp/445 filtered"];
        let (checkup, ways) = of(&Fixture::new("203.0.113.9", &lines));
        assert_eq!(checkup.standing, Standing::Unknown, "{checkup:?}");
        assert!(checkup.seen.contains("a server's refusal decides nothing"), "{checkup:?}");
        assert_eq!(ways, ["tcp/25 Refused v6=false", "tcp/139 Refused v6=false", "tcp/443 Refused v6=false"]);
    }

    #[test]
    fn refusals_by_somebody_else_are_held_against_the_way_and_silence_is_not() {
        let host = |address, lines: &[&str]| Fixture::new(address, lines).with_health(|health| health.answered = false);
        let unreachable = |fixture: Fixture| Fixture { troubles: vec![Trouble::Unreachable], ..fixture };
        // A filter near this machine that refuses everything: the control host cannot be told from one that is not there.
        let lines = ["tcp/25 rejected 198.51.100.2", "tcp/139 rejected 198.51.100.1", "tcp/443 filtered"];
        for fixture in [host("203.0.113.9", &lines), unreachable(host("203.0.113.9", &lines))] {
            let (checkup, ways) = of(&fixture);
            assert_eq!(checkup.standing, Standing::Unknown, "{checkup:?}");
            let by = "Refused by 198.51.100.1 and 198.51.100.2, before this machine or before the control host: tcp/25 and \
                      tcp/139; on those ports neither silence";
            assert!(checkup.seen.contains(by), "{checkup:?}");
            assert!(
                checkup
                    .seen
                    .ends_with("Silent: tcp/443, which tells nothing of the way there, for the host may be off.")
            );
            assert!(checkup.todo.contains("Make sure that it is on"), "{checkup:?}");
            assert_eq!(ways, ["tcp/25 Blocked v6=false", "tcp/139 Blocked v6=false"]);
        }
        // A message in its name is worth what a RST is.
        let (checkup, ways) = of(&host("203.0.113.9", &["tcp/25 rejected 203.0.113.9"]));
        assert!(checkup.seen.contains("were refused (tcp/25), a server's refusal decides nothing"), "{checkup:?}");
        assert_eq!(ways, ["tcp/25 Refused v6=false"]);
        // Nobody says who: it is not the host.
        let (checkup, ways) = of(&host("203.0.113.9", &["tcp/25 rejected"]));
        assert!(checkup.seen.contains("Refused by somebody on the way"), "{checkup:?}");
        assert_eq!(ways, ["tcp/25 Blocked v6=false"]);
        // A host that is off, or an address that does not exist, blocks nothing.
        let away = unreachable(host("203.0.113.9", &["tcp/25 undeliverable 198.51.100.1"]));
        let (checkup, ways) = of(&away);
        assert!(checkup.seen.contains("It cannot be reached, says 198.51.100.1."), "{checkup:?}");
        assert!(ways.is_empty(), "{ways:?}");
        let (checkup, ways) = of(&unreachable(host("203.0.113.9", &["tcp/25 filtered"])));
        assert!(checkup.seen.contains("the host may be off") && ways.is_empty(), "{checkup:?}");
        // Where another address of the kind can be used, that one tells.
        let usable = Fixture::new("203.0.113.8", &["tcp/25 open", "tcp/139 unstable"]);
        let (_, ways) = of(&usable.and(host("203.0.113.9", &lines)));
        assert_eq!(ways, ["tcp/25 Passes v6=false"]);
    }

    #[test]
    fn addresses_that_disagree_are_weighed() {
        let first =
            Fixture::new("203.0.113.9", &["tcp/25 filtered", "tcp/139 filtered", "tcp/443 open", "tcp/445 skipped"]);
        let second =
            Fixture::new("203.0.113.8", &["tcp/25 open", "tcp/139 closed", "tcp/443 open", "tcp/445 filtered"]);
        let (_, ways) = of(&first.clone().and(second));
        // A packet that meets a refusal by the host itself was not dropped on the way.
        assert_eq!(ways, ["tcp/25 Passes v6=false", "tcp/139 Refused v6=false", "tcp/443 Passes v6=false"]);
        let v6 = Fixture::new("2001:db8::9", &["tcp/25 open", "tcp/139 open", "tcp/443 open", "tcp/445 open"]);
        let (checkup, ways) = of(&first.and(v6));
        assert_eq!(checkup.standing, Standing::Broken, "one version does not speak for the other: {ways:?}");
    }

    #[test]
    fn a_control_host_inside_says_nothing_of_the_way_out() {
        let lines = ["tcp/25 open", "tcp/139 open", "tcp/443 open", "tcp/445 open"];
        let (checkup, _) = of(&Fixture::new("192.168.1.9", &lines));
        assert_eq!(checkup.standing, Standing::Warning);
        assert!(checkup.seen.contains("not public"), "{checkup:?}");
    }
}
