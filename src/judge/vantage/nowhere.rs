//! An address that must not answer: nobody has it, so whoever answers for it answers for others.

use super::{Seen, fact, listed, ports_in_words};
use crate::model::fact::{PortReason, PortState};
use crate::model::run::Trouble;
use crate::model::vantage::{Checkup, Standing, Subject};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What came of asking `address`, which must not answer, for TCP `asked`.
pub fn nowhere(address: IpAddr, asked: &[u16], seen: Seen<'_>) -> Checkup {
    let subject = Subject::Nowhere;
    let (mut opened, mut closed, mut told, mut senders) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (ports, observation) in seen.tcp(address) {
        let Some(fact) = fact(observation) else { continue };
        told.extend(ports.each());
        let tries = match &fact.reason {
            PortReason::Disagreement { tries } => tries.as_slice(),
            _ => std::slice::from_ref(&fact.state),
        };
        if tries.contains(&PortState::Open) {
            opened.extend(ports.each());
        } else if tries.contains(&PortState::Closed) {
            closed.extend(ports.each());
        }
        senders.extend(fact.sender.map(|sender| sender.to_string()));
    }
    let why_it_matters = "Whatever answers for an address that nobody has may answer for the servers too";
    if !opened.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Broken,
            format!("{address} completed handshakes on {}. Nobody has that address.", ports_in_words(opened)),
            format!(
                "{why_it_matters}: a proxy that nobody sees, a firewall, or a page to sign in at. Ports that are shut would \
                 seem open."
            ),
            "Scan from another network, or have this machine let out without it.",
        );
    }
    if !closed.is_empty() {
        return Checkup::bad(
            subject,
            Standing::Broken,
            format!("{address} refused connections to {}. Nobody has that address.", ports_in_words(closed)),
            format!("{why_it_matters}: \"closed\" from here would not be the servers' own word."),
            "Scan from another network, or have this machine let out without it.",
        );
    }
    let missing: Vec<u16> = asked.iter().copied().filter(|port| !told.contains(port)).collect();
    if !missing.is_empty() || asked.is_empty() {
        let troubles: Vec<String> = seen.troubles.iter().map(Trouble::describe).collect();
        let because = if troubles.is_empty() { String::new() } else { format!(": {}", troubles.join("; ")) };
        return Checkup::bad(
            subject,
            Standing::Unknown,
            format!("{address} could not be asked{because}."),
            "Whether something on this side answers for others is not known.",
            "Name an address that this machine has a route to and that nobody has, with --nowhere.",
        );
    }
    let by = if senders.is_empty() {
        "It stays silent".to_owned()
    } else {
        let senders: Vec<String> = senders.into_iter().collect();
        format!("{} says that it cannot be reached", listed(&senders))
    };
    Checkup::ok(subject, format!("{address} does not answer on {}. {by}.", ports_in_words(asked.iter().copied())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::vantage::fixture::Host;

    const ADDRESS: &str = "192.0.2.1";

    fn of(lines: &[&str]) -> Checkup {
        nowhere(ADDRESS.parse().unwrap(), &[80, 443, 20_123], Host::new(ADDRESS, lines).seen())
    }

    #[test]
    fn silence_and_a_routers_word_are_as_it_should_be() {
        let silent = of(&["tcp/80 filtered", "tcp/443 filtered", "tcp/20123 filtered"]);
        assert_eq!(silent.standing, Standing::Ok);
        assert_eq!(silent.seen, "192.0.2.1 does not answer on tcp/80, tcp/443 and tcp/20123. It stays silent.");
        let told = of(&["tcp/80 rejected 198.51.100.1", "tcp/443 filtered", "tcp/20123 rejected 198.51.100.1"]);
        assert_eq!(told.standing, Standing::Ok);
        assert!(told.seen.ends_with("198.51.100.1 says that it cannot be reached."), "{told:?}");
    }

    #[test]
    fn an_answer_for_nobody_is_a_lie() {
        let open = of(&["tcp/80 open", "tcp/443 filtered", "tcp/20123 filtered"]);
        assert_eq!(open.standing, Standing::Broken);
        assert!(open.seen.contains("completed handshakes on tcp/80."), "{open:?}");
        let reset = of(&["tcp/80 filtered", "tcp/443 closed", "tcp/20123 filtered"]);
        assert_eq!(reset.standing, Standing::Broken);
        assert!(reset.seen.contains("refused connections to tcp/443."), "{reset:?}");
        assert_eq!(of(&["tcp/80 unstable"]).standing, Standing::Broken);
    }

    #[test]
    fn what_could_not_be_asked_is_not_honest() {
        for lines in [&[][..], &["tcp/80 filtered", "tcp/443 filtered"], &["tcp/80 filtered", "tcp/443 skipped"]] {
            assert_eq!(of(lines).standing, Standing::Unknown, "{lines:?}");
        }
        let mut host = Host::new(ADDRESS, &[]);
        host.troubles = vec![Trouble::NoRoute { address: ADDRESS.parse().unwrap() }];
        let checkup = nowhere(ADDRESS.parse().unwrap(), &[80], host.seen());
        assert!(checkup.seen.contains("no route"), "{checkup:?}");
    }
}
