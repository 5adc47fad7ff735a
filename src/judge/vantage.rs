//! What is said of the vantage: from what was seen of this machine, of hosts that the user named for it, and of the run's
//! own targets, to checkups and to what is known of the way out.
//!
//! Pure, as all of the judge. Nothing here asks anything: a run is judged by the answers that it has anyway.

mod control;
mod evidence;
mod machine;
mod nowhere;
mod servers;

pub use control::control;
pub use evidence::Evidence;
pub use machine::{machine, proxies};
pub use nowhere::nowhere;
pub use servers::{Server, names, resolver, servers};

use crate::model::fact::{Fact, PortFact};
use crate::model::observation::Observation;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressRun, Trouble};
use crate::model::vantage::{Standing, Subject, Vantage};
use std::net::IpAddr;

/// Ports that providers and companies often block for outgoing connections: mail, `NetBIOS` and SMB.
pub const SUSPECTS: [u16; 7] = [25, 135, 136, 137, 138, 139, 445];

/// What was seen of one host.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its addresses.
    pub addresses: &'a [AddressRun],
    /// What was asked of them.
    pub observations: &'a [Observation],
    /// What kept it from being asked wholly.
    pub troubles: &'a [Trouble],
}

impl<'a> Seen<'a> {
    /// What is known of TCP ports of one address, with ranges as they are.
    fn tcp(self, address: IpAddr) -> impl Iterator<Item = (Ports, &'a Observation)> {
        self.observations.iter().filter(move |observation| observation.address == address).filter_map(|observation| {
            match observation.question {
                Question::Port { ports } if ports.transport() == Transport::Tcp => Some((ports, observation)),
                _ => None,
            }
        })
    }

    /// Whether a witness behind the address noted messages to this TCP port.
    fn reaches_witness(self, address: IpAddr, port: u16) -> bool {
        self.observations.iter().filter(|observation| observation.address == address).any(|observation| {
            matches!(observation.question, Question::Witness { ports } if ports.contains(Transport::Tcp, port))
                && matches!(observation.attempt.fact(), Some(Fact::Witness(fact)) if fact.proof.lets_in())
        })
    }

    /// The state of one TCP port of one address.
    fn port(self, address: IpAddr, port: u16) -> Option<&'a PortFact> {
        let (_, observation) = self.tcp(address).find(|(ports, _)| ports.contains(Transport::Tcp, port))?;
        fact(observation)
    }
}

fn fact(observation: &Observation) -> Option<&PortFact> {
    match observation.attempt.fact() {
        Some(Fact::Port(fact)) => Some(fact),
        _ => None,
    }
}

/// What a scan says of the vantage in its report: what is wrong or not known, and the control host in any case.
pub fn for_report(vantage: Vantage) -> Vantage {
    let told = |standing: Standing| standing.is_wrong() || standing == Standing::Unknown;
    let of_scan =
        |subject| !matches!(subject, Subject::Routes | Subject::LocalPorts | Subject::Proxies | Subject::RawSockets);
    let mut vantage = vantage;
    vantage.checkups.retain(|checkup| {
        checkup.subject == Subject::ControlHost || of_scan(checkup.subject) && told(checkup.standing)
    });
    vantage
}

/// How many words a sentence lists.
const LISTED: usize = 8;

/// `a, b and c`; of many, the first few and how many more.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        many if many.len() > LISTED => {
            let shown = many.get(..LISTED - 1).unwrap_or_default().join(", ");
            format!("{shown} and {} more", many.len() - (LISTED - 1))
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// TCP ports as ranges, in words.
fn ports_in_words(ports: impl IntoIterator<Item = u16>) -> String {
    let mut ports: Vec<u16> = ports.into_iter().collect();
    ports.sort_unstable();
    let ranges: Vec<String> = Ports::ranges(Transport::Tcp, ports).iter().map(ToString::to_string).collect();
    listed(&ranges)
}

/// `1 address`, `2 addresses`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
pub(super) mod fixture;
