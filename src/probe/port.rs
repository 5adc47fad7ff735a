//! In which state is this port?

use super::session::Session;
use super::{Asker, Outcome, Peer, Stop, UdpOutcomes};
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::observation::{Attempt, Skip};
use crate::net::failure::millis;
use crate::net::tcp::NoConnection;
use crate::net::udp::{self, Answer, Asking};
use crate::wire::datagram;
use std::time::{Duration, Instant};

/// The state of a TCP port.
///
/// Silence is asked again, the last time with more time. An answer after a silence may mean that a packet was lost or that the port
/// answers at whim, so it is confirmed once. Silence contradicts no answer: packets are lost, and routers send their ICMP
/// messages at a limited rate. Only answers that contradict each other make a port unstable.
pub(super) async fn ask(session: &mut Session<'_>) -> Result<PortFact, Stop> {
    let timing = session.asker.timing;
    let mut tries = Vec::new();
    let fact = loop {
        let last = tries.len() + 1 >= timing.tries as usize;
        let fact = once(session, if last { timing.connect_again } else { timing.connect }).await?;
        tries.push(fact.state);
        if fact.state != PortState::Filtered || last {
            break fact;
        }
    };
    if tries.len() == 1 || fact.state == PortState::Filtered {
        return Ok(fact);
    }
    let confirmed = once(session, timing.connect_again).await?;
    tries.push(confirmed.state);
    Ok(agree(fact, confirmed, tries))
}

/// What two tries say together, of which the first was no silence.
fn agree(first: PortFact, second: PortFact, tries: Vec<PortState>) -> PortFact {
    match (first.state, second.state) {
        (_, PortState::Filtered) => first,
        (known, again) if known == again => second,
        // Both say that nobody gets in; the one that names who refused says more.
        (PortState::Closed, PortState::Rejected) => second,
        (PortState::Rejected, PortState::Closed) => first,
        _ => PortFact {
            state: PortState::Unstable,
            reason: PortReason::Disagreement { tries },
            sender: first.sender.or(second.sender),
        },
    }
}

async fn once(session: &mut Session<'_>, within: Duration) -> Result<PortFact, Stop> {
    match session.dial(within).await {
        Ok(connection) => {
            drop(connection);
            Ok(PortFact { state: PortState::Open, reason: PortReason::HandshakeCompleted, sender: None })
        }
        Err(NoConnection::NotOpen(fact, _)) => Ok(fact),
        Err(NoConnection::NoRoute) => Err(Stop::Skipped(Skip::NoRoute)),
        Err(NoConnection::Failed(failure)) => Err(Stop::Failed(failure)),
    }
}

/// The states of many UDP ports. Those that have none when `stop` says why to stop are skipped.
pub(super) async fn ask_udp(
    asker: &Asker,
    peer: &Peer,
    groups: &[Vec<u16>],
    stop: impl Future<Output = Skip>,
    decided: &(dyn Fn(usize) + Sync),
) -> UdpOutcomes {
    let timing = asker.timing;
    let asking = Asking {
        payload: datagram::payload,
        read: datagram::read_answer,
        tries: timing.udp_tries,
        wait: timing.udp_wait,
        patience: timing.udp_patience,
        hint: &|| asker.round_trip(peer.address),
        decided,
    };
    let began = Instant::now();
    let mut stopped = None;
    let asked = {
        // Permits may be long in coming, and must not keep a run from ending.
        tokio::pin!(stop);
        tokio::select! {
            biased;
            skip = &mut stop => Err(Attempt::Skipped { skip }),
            permit = asker.dialer.limits().permit() => {
                let stop = async { stopped = Some(stop.await) };
                let asked = udp::ask(peer.address, groups, asking, asker.dialer.pace(), permit, stop).await;
                asked.map_err(|failure| Attempt::Failed { failure })
            }
        }
    };
    let since = |instant: Instant| millis(instant.saturating_duration_since(asker.began));
    let asked = match asked {
        Ok(asked) => asked,
        Err(attempt) => {
            let tries = u32::from(matches!(attempt, Attempt::Failed { .. }));
            let outcome = Outcome { attempt, tries, started_ms: since(began), elapsed_ms: millis(began.elapsed()) };
            let ports = groups.iter().flatten().map(|&port| (port, outcome.clone())).collect();
            return UdpOutcomes { ports, ration: None };
        }
    };
    let ports = asked.ports.into_iter().map(|one| {
        let attempt = match one.answer {
            Answer::State(fact) => Attempt::Answered { fact: Fact::Port(fact) },
            Answer::Failed(failure) => Attempt::Failed { failure },
            Answer::NoRoute => Attempt::Skipped { skip: Skip::NoRoute },
            Answer::Unfinished => Attempt::Skipped { skip: stopped.clone().unwrap_or(Skip::Interrupted) },
        };
        let tries = if matches!(attempt, Attempt::Skipped { .. }) { 0 } else { one.tries };
        let (started_ms, elapsed_ms) = (since(one.started), millis(one.elapsed));
        (one.port, Outcome { attempt, tries, started_ms, elapsed_ms })
    });
    UdpOutcomes { ports: ports.collect(), ration: asked.ration }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_contradicts_nothing_and_answers_may() {
        let fact = |state| PortFact { state, reason: PortReason::Reset, sender: None };
        let together = |first, second| agree(fact(first), fact(second), vec![first, second]).state;
        assert_eq!(together(PortState::Rejected, PortState::Filtered), PortState::Rejected);
        assert_eq!(together(PortState::Open, PortState::Filtered), PortState::Open);
        assert_eq!(together(PortState::Closed, PortState::Rejected), PortState::Rejected);
        assert_eq!(together(PortState::Open, PortState::Closed), PortState::Unstable);
        assert_eq!(together(PortState::Closed, PortState::Open), PortState::Unstable);
    }
}
