//! The states of many TCP ports of one address.
//!
//! `schedule` decides what is asked when and what is believed, `path` and `throttle` what the way there bears; all
//! three are pure. Here is the clock, and here SYNs are sent.

mod path;
mod schedule;
#[cfg(test)]
mod simulation;
mod throttle;
mod traits;
mod witnesses;

pub use path::{Path, RoundTrip, Tally};
pub use schedule::{NotSettled, Settled};
pub use throttle::Throttle;
pub use traits::Traits;

use super::{Asker, Outcome, Peer};
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::observation::{Attempt, Skip};
use crate::net::dial::Clearance;
use crate::net::failure::millis;
use crate::net::knock::Knock;
use crate::net::limits;
use crate::net::raw::RawSyn;
use crate::net::tcp::{self, NoConnection};
use futures::FutureExt as _;
use futures::future::Either;
use futures::stream::{FuturesUnordered, StreamExt as _};
use schedule::{Schedule, Shot, Step};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use witnesses::Witnesses;
pub use witnesses::is_sensitive;

/// From how many ports on they are asked by SYNs of our own, where this process may send them: for fewer it saves nothing.
pub const RAW_FROM: usize = 1000;

/// How long nothing is sent while this machine waits for room.
const SHORT_PAUSE: Duration = Duration::from_millis(20);

/// What was learned of the way to an address; kept from one set of its ports to the next.
#[derive(Clone, Debug)]
pub struct Acquaintance {
    path: Path,
    throttle: Throttle,
    witnesses: Witnesses,
    traits: Traits,
    cut: bool,
    unchecked: bool,
    unvouched_refusals: bool,
}

impl Acquaintance {
    /// Nothing is known yet; at most `rate` SYNs a second. Connections are counted at the `sensitive` ports too, beside
    /// those that [`is_sensitive`].
    pub fn new(rate: f64, sensitive: Vec<u16>) -> Self {
        Self {
            path: Path::new(tcp::REFUSALS_KEPT),
            throttle: Throttle::new(rate),
            witnesses: Witnesses::new(sensitive),
            traits: Traits::default(),
            cut: false,
            unchecked: false,
            unvouched_refusals: false,
        }
    }

    /// What the answers looked like.
    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Round trip and loss.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rate, and the limit that was met.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Ports whose silence was believed while nothing at all had answered, or whose refusal before it was seen that open
    /// ports are refused too; they are forgotten here. Once something does answer they are to be asked again: the target, or
    /// the way to it, may have been down, or something refuses for it.
    pub fn take_unvouched(&mut self) -> Vec<u16> {
        self.witnesses.take_unvouched()
    }

    /// Whether any TCP port has answered.
    pub fn has_witness(&self) -> bool {
        self.witnesses.known()
    }

    /// A port that answered, to be asked whether it still does.
    pub fn witness(&mut self) -> Option<u16> {
        self.witnesses.next()
    }

    /// Whether a port that answered before answered so again.
    pub fn is_as_before(&self, port: u16, fact: &PortFact) -> bool {
        self.witnesses.as_before(port, fact)
    }

    /// Whether asking ended before a witness answered after the last silence.
    pub fn recheck_missing(&self) -> bool {
        self.unchecked || self.unvouched_refusals
    }

    /// Whether the target stopped answering.
    pub fn stopped_answering(&self) -> bool {
        self.cut
    }
}

impl Settled {
    /// The port, and what came of asking it.
    pub(super) fn into_outcome(self) -> (u16, Outcome) {
        let attempt = match self.result {
            Ok(fact) => Attempt::Answered { fact: Fact::Port(fact) },
            Err(NotSettled::Failed(failure)) => Attempt::Failed { failure },
            Err(NotSettled::Skipped(skip)) => Attempt::Skipped { skip },
        };
        let outcome =
            Outcome { attempt, tries: self.tries, started_ms: millis(self.started), elapsed_ms: millis(self.elapsed) };
        (self.port, outcome)
    }
}

/// The evidence of loss of all addresses of a run: they share the first hops.
#[derive(Debug, Default)]
pub(super) struct Pool {
    asked: AtomicU64,
    lost: AtomicU64,
}

impl Pool {
    /// Adds what is new of `path`, and tells it what the others met.
    fn exchange(&self, path: &mut Path) {
        path.share(|more| Tally {
            asked: self.asked.fetch_add(more.asked, Ordering::Relaxed) + more.asked,
            lost: self.lost.fetch_add(more.lost, Ordering::Relaxed) + more.lost,
        });
    }
}

/// Asks `ports` of `peer`, each named once, in this order, and tells each result to `emit` as soon as it is final. When
/// `stop` is ready, what is not final is given its reason.
pub(super) async fn ask(
    asker: &Asker,
    peer: &Peer,
    ports: &[u16],
    known: &mut Acquaintance,
    stop: impl Future<Output = Skip>,
    mut emit: impl FnMut(Settled),
) {
    let heard = |outcome: &Result<Knock, NoConnection>, traits: &mut Traits| {
        if let Ok(knock) = outcome {
            traits.note(knock);
            if let Some(took) = knock.round_trip {
                asker.note_round_trip(peer.address, took);
            }
        }
    };
    let began = asker.began;
    let now = || began.elapsed();
    let Acquaintance { path, throttle, witnesses, traits, .. } = known;
    let raw = if ports.len() >= RAW_FROM { asker.dialer.raw(peer.address) } else { None };
    let mut schedule = Schedule::new(ports, asker.timing.patience, path, throttle, witnesses);
    let mut overflowed = raw.map_or(0, RawSyn::overflowed);
    let mut flying = FuturesUnordered::new();
    let mut clearance: Option<Clearance> = None;
    let mut stop = std::pin::pin!(stop);
    let timer = tokio::time::sleep(Duration::ZERO);
    let mut timer = std::pin::pin!(timer);
    loop {
        // Everything that has come already, before anything counts as late.
        while let Some(Some((shot, outcome))) = flying.next().now_or_never() {
            heard(&outcome, traits);
            if !take(&mut schedule, shot, outcome, now()) {
                schedule.finish(&NotSettled::Skipped(Skip::NoRoute), now());
            }
        }
        if let Some(lost) = raw.map(RawSyn::overflowed)
            && lost != overflowed
        {
            overflowed = lost;
            schedule.deaf_until(now());
        }
        let short = limits::is_short();
        if short {
            schedule.deaf_until(now());
        }
        asker.pool.exchange(schedule.path());
        let step = schedule.step(now());
        for settled in schedule.take_settled() {
            emit(settled);
        }
        let until = match step {
            Step::Done => break,
            Step::Wait(until) => until,
            Step::Send if short => now() + SHORT_PAUSE,
            Step::Send => {
                if clearance.is_none() {
                    clearance = match raw {
                        Some(_) => asker.dialer.try_clearance_without_descriptor(),
                        None => asker.dialer.try_clearance(),
                    };
                }
                if let Some(cleared) = clearance.take() {
                    let Some(shot) = schedule.sent(now()) else { continue };
                    let socket = SocketAddr::new(peer.address, shot.port);
                    let hold = schedule.hold();
                    flying.push(match raw {
                        Some(raw) => Either::Left(async move {
                            let until = tokio::time::Instant::now() + hold;
                            (shot, raw.knock(socket, until).await)
                        }),
                        None => Either::Right(async move { (shot, asker.dialer.knock(socket, hold, cleared).await) }),
                    });
                    // Answers are taken between SYNs, or their round trips would be measured too long.
                    tokio::task::coop::consume_budget().await;
                    continue;
                }
                now() + Duration::from_secs(1)
            }
        };
        timer.as_mut().reset(tokio::time::Instant::from_std(began + until));
        tokio::select! {
            biased;
            skip = &mut stop => {
                schedule.finish(&NotSettled::Skipped(skip), now());
                for settled in schedule.take_settled() {
                    emit(settled);
                }
                break;
            }
            Some((shot, outcome)) = flying.next() => {
                heard(&outcome, traits);
                if !take(&mut schedule, shot, outcome, now()) {
                    schedule.finish(&NotSettled::Skipped(Skip::NoRoute), now());
                }
            }
            cleared = cleared(asker, raw.is_some()), if step == Step::Send && !short => clearance = Some(cleared),
            () = &mut timer => {}
        }
    }
    let (cut, unchecked) = (schedule.is_cut(), schedule.owes_a_witness());
    let unvouched_refusals = schedule.has_unvouched_refusals();
    drop(flying);
    known.cut |= cut;
    known.unchecked = unchecked && !cut;
    known.unvouched_refusals |= unvouched_refusals;
    asker.pool.exchange(&mut known.path);
}

async fn cleared(asker: &Asker, raw: bool) -> Clearance {
    if raw { asker.dialer.clearance_without_descriptor().await } else { asker.dialer.clearance().await }
}

/// Gives an outcome to the schedule; `false` when there is no route, so that no other port needs to be asked.
fn take(schedule: &mut Schedule<'_>, shot: Shot, outcome: Result<Knock, NoConnection>, now: Duration) -> bool {
    match outcome {
        // Silence is the schedule's to find: it knows when a SYN is late.
        Ok(knock) if knock.is_silence() => {}
        Ok(knock) => schedule.answered(shot, now, knock.fact, knock.round_trip),
        Err(NoConnection::NotOpen(fact, _)) => schedule.answered(shot, now, fact, None),
        Err(NoConnection::Reset) => schedule.answered(
            shot,
            now,
            PortFact { state: PortState::Open, reason: PortReason::HandshakeCompleted, sender: None },
            None,
        ),
        Err(NoConnection::NoRoute) => return false,
        Err(NoConnection::Failed(failure)) => schedule.failed(shot, now, failure),
    }
    true
}
