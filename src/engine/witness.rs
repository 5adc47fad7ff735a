//! What a witness behind the firewall proves of the ports of an address, once their states are known.

use super::address::AddressScan;
use super::event::Event;
use super::log::Entry;
use crate::model::fact::{Fact, PortState};
use crate::model::observation::ObservationId;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::Trouble;
use crate::model::service::Service;
use crate::probe::{AskedPort, Awaited, Inquest, Peer};
use std::collections::{BTreeMap, BTreeSet};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Proved {
    /// A message reached the witness, so the address is alive.
    pub(super) reached: bool,
    /// What kept ports from being proved.
    pub(super) trouble: Option<Trouble>,
}

impl AddressScan<'_> {
    /// Asks the witness about every port of `entries`, and adds what it proves; nothing where none stands behind this address.
    pub(super) async fn prove(&self, entries: &mut Vec<Entry>) -> Proved {
        let here = self.address.to_canonical();
        let Some(settings) = self.witness.filter(|settings| settings.addresses.contains(&here)) else {
            return Proved::default();
        };
        let ports = asked_ports(entries);
        self.events.tell(Event::Planned { target: self.number, questions: ports.len() });
        let peer = Peer { address: self.address, name: None };
        let proved = match Inquest::new(self.asker, &peer, settings, &ports) {
            Ok(mut inquest) => {
                let await_for = |Awaited::Log(path)| self.events.tell(Event::LogAwaited { target: self.number, path });
                let stopped = self.stop.unless(inquest.run(await_for)).await;
                inquest.finish(stopped.err())
            }
            Err(failure) => {
                let trouble = Trouble::Ourselves { message: failure.to_string() };
                return Proved { reached: false, trouble: Some(trouble) };
            }
        };
        self.events.tell(Event::Asked { target: self.number, questions: ports.len() });
        entries.extend(proved.outcomes.into_iter().filter_map(|(transport, port, outcome)| {
            Some(Entry {
                id: ObservationId(0),
                address: self.address,
                question: Question::Witness { ports: Ports::one(transport, port)? },
                started_ms: outcome.started_ms,
                elapsed_ms: outcome.elapsed_ms,
                elapsed_max_ms: outcome.elapsed_ms,
                tries: outcome.tries,
                attempt: outcome.attempt,
            })
        }));
        let trouble = proved.trouble.map(|message| Trouble::Witness { address: self.address, message });
        Proved { reached: proved.reached, trouble }
    }
}

/// Every port of which a state was asked, with what the scan knows of it.
fn asked_ports(entries: &[Entry]) -> Vec<AskedPort> {
    let mut ports: BTreeMap<(Transport, u16), (bool, bool)> = BTreeMap::new();
    let mut speaking = BTreeSet::new();
    for entry in entries {
        match (entry.question, entry.attempt.fact()) {
            (Question::Port { ports: range }, fact) => {
                let open = range.transport() == Transport::Tcp
                    && matches!(fact, Some(Fact::Port(fact)) if fact.state == PortState::Open);
                let refused = matches!(fact, Some(Fact::Port(fact)) if fact.is_port_refusal());
                ports.extend(range.each().map(|port| ((range.transport(), port), (open, refused))));
            }
            (Question::Service { ports }, Some(Fact::Service { service, .. })) if *service != Service::Silent => {
                speaking.extend(ports.each());
            }
            _ => {}
        }
    }
    let asked = |((transport, number), (open, refused))| {
        let speaks = transport == Transport::Tcp && speaking.contains(&number);
        AskedPort { transport, number, open, speaks, refused }
    };
    ports.into_iter().map(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{PortFact, PortReason};
    use crate::model::observation::Attempt;

    #[test]
    fn what_speaks_is_known_before_anything_is_sent_to_it() {
        let entry = |question, fact| Entry {
            id: ObservationId(0),
            address: [192, 0, 2, 1].into(),
            question,
            started_ms: 0,
            elapsed_ms: 0,
            elapsed_max_ms: 0,
            tries: 1,
            attempt: Attempt::Answered { fact },
        };
        let state = |ports: &str, state, reason| {
            let fact = PortFact { state, reason, sender: None };
            entry(Question::Port { ports: ports.parse().unwrap() }, Fact::Port(fact))
        };
        let service = |port, service| entry(Question::service(port), Fact::Service { service, tls: None });
        let asked = asked_ports(&[
            state("tcp/443", PortState::Open, PortReason::HandshakeCompleted),
            state("tcp/444", PortState::Open, PortReason::HandshakeCompleted),
            state("tcp/445", PortState::Closed, PortReason::Reset),
            state("udp/75", PortState::OpenOrFiltered, PortReason::Silence),
            service(443, Service::Http),
            service(444, Service::Silent),
        ]);
        let said: Vec<(u16, bool, bool)> = asked.iter().map(|port| (port.number, port.open, port.speaks)).collect();
        assert_eq!(said, [(443, true, true), (444, true, false), (445, false, false), (75, false, false)]);
    }
}
