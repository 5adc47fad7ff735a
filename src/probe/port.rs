//! In which states are these UDP ports?

use super::{Asker, Outcome, Peer};
use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Skip};
use crate::net::failure::millis;
use crate::net::udp::{self, Answer, Asking};
use crate::wire::datagram;
use std::time::Instant;

/// The states of many UDP ports.
pub(super) async fn ask_udp(asker: &Asker, peer: &Peer, ports: &[u16]) -> Vec<(u16, Outcome)> {
    let timing = asker.timing;
    let asking = Asking { payload: datagram::payload, tries: timing.udp_tries, wait: timing.udp_wait };
    let permit = asker.dialer.limits().permit().await;
    let began = Instant::now();
    let since = |instant: Instant| millis(instant.saturating_duration_since(asker.began));
    match udp::ask(peer.address, ports, asking, asker.dialer.pace(), permit).await {
        Ok(answers) => answers
            .into_iter()
            .map(|one| {
                let attempt = match one.answer {
                    Answer::State(fact) => Attempt::Answered { fact: Fact::Port(fact) },
                    Answer::Failed(failure) => Attempt::Failed { failure },
                    Answer::NoRoute => Attempt::Skipped { skip: Skip::NoRoute },
                };
                let tries = if matches!(attempt, Attempt::Skipped { .. }) { 0 } else { one.tries };
                let (started_ms, elapsed_ms) = (since(one.started), millis(one.elapsed));
                (one.port, Outcome { attempt, tries, started_ms, elapsed_ms })
            })
            .collect(),
        Err(failure) => {
            let outcome = Outcome {
                attempt: Attempt::Failed { failure },
                tries: 1,
                started_ms: since(began),
                elapsed_ms: millis(began.elapsed()),
            };
            ports.iter().map(|&port| (port, outcome.clone())).collect()
        }
    }
}
