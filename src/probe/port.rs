//! In which states are these UDP ports?

use super::{Asker, Outcome, Peer, UdpOutcomes};
use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Skip};
use crate::net::failure::millis;
use crate::net::udp::{self, Answer, Asking};
use crate::wire::datagram;
use std::time::Instant;

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
