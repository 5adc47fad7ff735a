//! Which port of an address is asked when, and when an answer or a silence is believed.
//!
//! A port that answers is done at once. A port that stays silent is asked again until its silence can no longer be chance:
//! every try counts for as much as the loss around it was small, as witnesses show: ports that are known to answer, asked
//! again in between ("canaries"). When the witnesses fall silent too, something drops us, and from there on silence counts
//! for nothing.
//!
//! Pure: time is a [`Duration`] since the run began, given by the caller, and the caller sends.

mod refusals;
mod watch;

use super::path::Path;
use super::throttle::Throttle;
use super::witnesses::Witnesses;
use crate::model::fact::{PortFact, PortReason, PortState};
use crate::model::observation::{Failure, Skip};
use refusals::{Rechecks, is_refusal};
use std::collections::VecDeque;
use std::time::Duration;
use watch::Watch;

/// How probable it may be that a port that answers is called silent.
const DOUBT: f64 = 5e-5;

/// How often a silent port is asked at least, and at most, where witnesses tell what silence is worth.
const TRIES_LEAST: usize = 2;
const TRIES_MOST: usize = 24;

/// The same where nothing at all has answered.
const BLIND_TRIES_LEAST: u32 = 3;
const BLIND_TRIES_MOST: u32 = 6;

/// Of how many ports that are to be asked again the next is drawn.
const SHUFFLED: usize = 256;

/// How long after its first try a port is called silent at the earliest: a queue on the way may hold packets back.
const GRACE: Duration = Duration::from_millis(250);

/// Below this loss, an answer after a silence is odd enough to be asked for once more.
const ODD_BELOW: f64 = 0.02;

/// A path whose answers count as late so soon is steady.
const STEADY: Duration = Duration::from_millis(60);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a SYN; tell [`Schedule::sent`].
    Send,
    /// Nothing before this time, unless an answer comes.
    Wait(Duration),
    /// Everything is settled.
    Done,
}

/// A SYN on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shot {
    /// The port.
    pub(super) port: u16,
    purpose: Purpose,
    serial: u64,
    sent: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To learn the state of the port with this index.
    Ask(u32),
    /// To learn it once more.
    Confirm(u32),
    /// To see whether a port that answered still does.
    Witness,
}

/// What came of asking a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The port.
    pub port: u16,
    /// Its state, or why there is none.
    pub result: Result<PortFact, NotSettled>,
    /// How many SYNs were sent to it.
    pub tries: u32,
    /// When the first was sent.
    pub started: Duration,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a port has no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSettled {
    /// This machine could not ask.
    Failed(Failure),
    /// It was not asked, or not often enough.
    Skipped(Skip),
}

#[derive(Clone, Debug)]
struct Port {
    number: u16,
    stage: Stage,
    tries: u32,
    first: Duration,
    /// When the tries were sent that went unanswered.
    unanswered: Vec<Duration>,
    /// The answer that waits for its confirmation, or a refusal that waits until a witness vouches for it.
    answer: Option<(PortFact, Duration)>,
    /// When the SYN was sent that was refused.
    refused_at: Duration,
    /// An earlier refusal, of which it is not known what it is worth.
    refusal: Option<PortFact>,
    /// Asked again because it was refused.
    rechecked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Flying,
    /// Waits in `again`.
    Again,
    /// Has an odd answer; waits in `confirm`.
    Doubted,
    /// Refused; waits until ports that are open, and still open up, show that it was not a limit that refused.
    Held,
    /// Silent often enough; waits for its grace.
    Lingering,
    Settled,
}

/// The ports of one address, and what is known of them.
#[derive(Debug)]
pub(super) struct Schedule<'p> {
    path: &'p mut Path,
    throttle: &'p mut Throttle,
    witnesses: &'p mut Witnesses,
    patience: Duration,
    ports: Vec<Port>,
    /// The first port that was never asked.
    fresh: usize,
    again: VecDeque<u32>,
    confirm: VecDeque<u32>,
    lingering: VecDeque<u32>,
    held: VecDeque<u32>,
    rechecks: Rechecks,
    unvouched_refusals: bool,
    /// SYNs that are neither answered nor late, oldest first.
    flying: VecDeque<Shot>,
    serial: u64,
    /// Every SYN before this serial number is answered or late.
    overdue: u64,
    open: usize,
    settled: Vec<Settled>,
    watch: Watch,
    /// When the last try was sent whose silence counts.
    last_silence: Option<Duration>,
}

impl<'p> Schedule<'p> {
    /// Asks `ports`, each named once, in this order. A host that answers nothing is given up after `patience`.
    pub(super) fn new(
        ports: &[u16],
        patience: Duration,
        path: &'p mut Path,
        throttle: &'p mut Throttle,
        witnesses: &'p mut Witnesses,
    ) -> Self {
        let new = |&number: &u16| Port {
            number,
            stage: Stage::Fresh,
            tries: 0,
            first: Duration::ZERO,
            unanswered: Vec::new(),
            answer: None,
            refused_at: Duration::ZERO,
            refusal: None,
            rechecked: false,
        };
        Self {
            path,
            throttle,
            witnesses,
            patience,
            open: ports.len(),
            ports: ports.iter().map(new).collect(),
            fresh: 0,
            again: VecDeque::new(),
            confirm: VecDeque::new(),
            lingering: VecDeque::new(),
            held: VecDeque::new(),
            rechecks: Rechecks::default(),
            unvouched_refusals: false,
            flying: VecDeque::new(),
            serial: 0,
            overdue: 0,
            settled: Vec::new(),
            watch: Watch::Fine,
            last_silence: None,
        }
    }

    /// Whether the target stopped answering half-way.
    pub(super) fn is_cut(&self) -> bool {
        self.watch == Watch::Cut
    }

    /// Whether refusals were believed that no open port vouched for, though one was known.
    pub(super) fn has_unvouched_refusals(&self) -> bool {
        self.unvouched_refusals
    }

    /// What is known of the way to the address.
    pub(super) fn path(&mut self) -> &mut Path {
        self.path
    }

    /// For how long a SYN may still be answered after it was sent: longer than until it counts as late.
    pub(super) fn hold(&self) -> Duration {
        match self.path.round_trip() {
            Some(_) => GRACE.max(self.answer_within() * 3),
            None => self.patience,
        }
        .saturating_add(self.path.refusals_kept())
    }

    /// What was settled since the last call.
    pub(super) fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// What to do at `now`.
    pub(super) fn step(&mut self, now: Duration) -> Step {
        self.expire(now);
        self.end_lingering(now);
        self.release(now);
        self.watch(now);
        if self.watch == Watch::Cut {
            self.finish(&NotSettled::Skipped(Skip::StoppedAnswering), now);
            return Step::Done;
        }
        if self.open == 0 && (!self.owes_a_witness() || self.witnesses.cannot_be_asked()) {
            return Step::Done;
        }
        if !self.witnesses.known() {
            self.throttle.blind(now);
        }
        let mut wake = self.flying.front().map(|shot| shot.sent + self.timeout());
        let mut sooner = |time: Duration| wake = Some(wake.map_or(time, |wake| wake.min(time)));
        if let Some(&index) = self.lingering.front()
            && let Some(over) = self.ports.get(index as usize).map(|port| port.first + self.grace())
            && over > now
        {
            sooner(over);
        }
        if let Some(at) = self.recheck_at() {
            sooner(at);
        }
        match self.wanted_at(now) {
            Some(at) if at <= now => {
                let ready = self.throttle.ready(now);
                if ready <= now {
                    return Step::Send;
                }
                sooner(ready);
            }
            Some(at) => sooner(at),
            None => {}
        }
        // Never for ever: were nothing left to wait for, the next step would find it out.
        Step::Wait(wake.unwrap_or(now + self.timeout()).max(now + Duration::from_micros(100)))
    }

    /// When the next SYN is wanted, whatever the throttle says.
    fn wanted_at(&self, now: Duration) -> Option<Duration> {
        if let Watch::Paused { until, asked, .. } = self.watch {
            return (!asked).then_some(until);
        }
        if !self.confirm.is_empty() || !self.again.is_empty() || self.fresh < self.ports.len() {
            return Some(now);
        }
        if self.owes_a_witness() || self.awaits_voucher() {
            Some(self.witnesses.due(self.evidence_known(), self.throttle.rate()))
        } else {
            self.canary_at()
        }
    }

    /// The SYN to send at `now`, after [`Step::Send`].
    pub(super) fn sent(&mut self, now: Duration) -> Option<Shot> {
        let (port, purpose) = self.choose(now)?;
        self.throttle.sent(now);
        let shot = Shot { port, purpose, serial: self.serial, sent: now };
        self.serial += 1;
        match purpose {
            Purpose::Ask(index) | Purpose::Confirm(index) => {
                self.path.loaded(now);
                if let Some(port) = self.ports.get_mut(index as usize) {
                    if port.tries == 0 {
                        port.first = now;
                    }
                    port.tries += 1;
                    port.stage = Stage::Flying;
                }
            }
            Purpose::Witness => {
                self.witnesses.asked(shot.serial, now);
                if let Watch::Paused { asked, .. } = &mut self.watch {
                    *asked = true;
                }
            }
        }
        self.flying.push_back(shot);
        Some(shot)
    }

    fn choose(&mut self, now: Duration) -> Option<(u16, Purpose)> {
        if let Some(port) = self.voucher_between() {
            return Some((port, Purpose::Witness));
        }
        let canary = matches!(self.watch, Watch::Paused { .. }) || self.canary_at().is_some_and(|at| at <= now);
        let others = !(self.confirm.is_empty() && self.again.is_empty() && self.fresh == self.ports.len());
        // Not always the first after a pause: a limit that has just let its next SYN through would spare the witness, and
        // the witness would say that nothing is lost.
        if canary
            && (!others
                || matches!(self.watch, Watch::Paused { .. })
                || self.witnesses.turn_comes(self.throttle.burst()))
            && let Some(port) = self.next_witness()
        {
            return Some((port, Purpose::Witness));
        }
        while let Some(index) = self.confirm.pop_front() {
            if let Some(port) = self.ports.get(index as usize).filter(|port| port.stage == Stage::Doubted) {
                return Some((port.number, Purpose::Confirm(index)));
            }
        }
        // The ports that were never asked go first: the more is known of the path, the fewer tries silence needs.
        if let Some(port) = self.ports.get(self.fresh) {
            let index = u32::try_from(self.fresh).ok()?;
            self.fresh += 1;
            return Some((port.number, Purpose::Ask(index)));
        }
        // In no order, or the same ports would always be last of a burst, where a limit drops them, and witnesses elsewhere in
        // it would vouch for their silence. What lingered may have been answered late.
        while !self.again.is_empty() {
            self.again.swap(0, self.witnesses.dice(self.again.len().min(SHUFFLED)));
            let Some(index) = self.again.pop_front() else { break };
            if let Some(port) = self.ports.get(index as usize).filter(|port| port.stage == Stage::Again) {
                self.rechecks.asked(port.rechecked);
                return Some((port.number, Purpose::Ask(index)));
            }
        }
        if self.owes_a_witness() || self.awaits_voucher() {
            return self.next_witness().map(|port| (port, Purpose::Witness));
        }
        None
    }

    /// When the next witness is to be asked, if silence is about that needs one.
    fn canary_at(&self) -> Option<Duration> {
        if !self.witnesses.known() {
            return None;
        }
        let brewing = self.flying.front().map(|shot| {
            let usual = self.path.round_trip().map_or(Duration::ZERO, |known| known.smoothed * 3 / 2);
            shot.sent + usual
        });
        let due = self.witnesses.due(self.evidence_known(), self.throttle.rate());
        if self.awaits_voucher() {
            Some(due)
        } else if self.again.is_empty() && self.lingering.is_empty() && self.last_silence.is_none() {
            Some(due.max(brewing?))
        } else if self.open > 0 {
            Some(due)
        } else {
            None
        }
    }

    /// Whether silence was believed since a witness last answered.
    pub(super) fn owes_a_witness(&self) -> bool {
        let Some(silence) = self.last_silence else { return false };
        self.witnesses.known() && self.witnesses.last_good().is_none_or(|good| good < silence)
    }

    /// An answer to `shot` came at `now`, after `round_trip`.
    pub(super) fn answered(&mut self, shot: Shot, now: Duration, fact: PortFact, round_trip: Option<Duration>) {
        let late = shot.serial < self.overdue;
        // A router's ICMP message says nothing of the way beyond, and is rationed.
        let from_target = fact.is_from_target();
        if from_target && let Some(sample) = round_trip {
            self.path.measured(sample);
        }
        match shot.purpose {
            Purpose::Witness => self.witness_answered(shot, now, &fact, late),
            Purpose::Ask(index) | Purpose::Confirm(index) => {
                let Some(port) = self.ports.get_mut(index as usize) else { return };
                if port.stage == Stage::Settled || port.stage == Stage::Held && is_refusal(&fact) {
                    return;
                }
                if is_refusal(&fact) && self.witnesses.doubts_refusals() {
                    // Like silence; the try counts as unanswered when its time is over.
                    port.refusal = Some(fact);
                    return;
                }
                let opens = fact.state == PortState::Open;
                if opens && (port.refusal.is_some() || port.stage == Stage::Held) && !self.witnesses.doubts_refusals() {
                    self.doubt_refusals(now);
                }
                let Some(port) = self.ports.get_mut(index as usize) else { return };
                // A late answer was not lost; its silence was counted before its time.
                let silent = port.unanswered.len();
                port.unanswered.retain(|sent| *sent != shot.sent);
                let lost = port.unanswered.len();
                // A rejection may turn out to be worth no more than they were.
                if fact.state != PortState::Rejected {
                    port.unanswered.clear();
                }
                if from_target {
                    if port.answer.is_none() {
                        (0..lost).for_each(|_| self.path.count(false));
                    }
                    self.path.count(true);
                    self.throttle.answered(now, shot.sent, self.hearing());
                    if self.witnesses.found(shot.port, opens, now) {
                        self.recheck_early();
                    }
                    self.witnesses.good(shot.sent);
                }
                let odd = silent > 0 && !late && self.is_odd();
                let Some(port) = self.ports.get_mut(index as usize) else { return };
                let elapsed = now.saturating_sub(port.first);
                let (fact, elapsed) = match port.answer.take() {
                    Some((first, elapsed)) => (agree(first, fact), elapsed),
                    None if odd => {
                        (port.answer, port.stage) = (Some((fact, elapsed)), Stage::Doubted);
                        self.confirm.push_back(index);
                        return;
                    }
                    None => (fact, elapsed),
                };
                self.believe(index, shot.sent, fact, elapsed);
            }
        }
    }

    /// The port has its answer, and needs no other but where it was refused.
    fn believe(&mut self, index: u32, sent: Duration, fact: PortFact, elapsed: Duration) {
        if is_refusal(&fact) { self.refused(index, sent, fact, elapsed) } else { self.settle(index, Ok(fact), elapsed) }
    }

    /// Whether an answer after a silence is not what the path explains.
    fn is_odd(&self) -> bool {
        self.path.usual_loss() < ODD_BELOW && self.throttle.limit().is_none()
    }

    /// This machine could not send `shot`.
    pub(super) fn failed(&mut self, shot: Shot, now: Duration, failure: Failure) {
        match shot.purpose {
            Purpose::Witness => {
                self.witness_failed(shot.serial, now);
            }
            Purpose::Ask(index) | Purpose::Confirm(index) => {
                let Some(port) = self.ports.get_mut(index as usize) else { return };
                let elapsed = now.saturating_sub(port.first);
                let result = match port.answer.take() {
                    Some((fact, _)) => Ok(fact),
                    None => Err(NotSettled::Failed(failure)),
                };
                self.settle(index, result, elapsed);
            }
        }
    }

    /// Gives every port that is not settled this result.
    pub(super) fn finish(&mut self, why: &NotSettled, now: Duration) {
        // What refused and then fell silent, while no port was ever open, may not have been the target.
        let doubtful = self.watch == Watch::Cut && self.witnesses.vouching_since().is_none();
        let refusals_count = !self.witnesses.doubts_refusals();
        for index in 0..self.ports.len() {
            let Some(port) = self.ports.get_mut(index).filter(|port| port.stage != Stage::Settled) else { continue };
            let refusal = if refusals_count { port.refusal.take() } else { None };
            let known = port.answer.take().map(|(fact, _)| fact).or(refusal);
            let known = known.filter(|fact| !doubtful || !is_refusal(fact));
            let result = known.ok_or_else(|| why.clone());
            let elapsed = if port.tries == 0 { Duration::ZERO } else { now.saturating_sub(port.first) };
            self.settle(u32::try_from(index).unwrap_or(u32::MAX), result, elapsed);
        }
    }

    /// After how long a SYN counts as unanswered, for now.
    fn timeout(&self) -> Duration {
        self.answer_within() + self.path.refusals_kept()
    }

    /// How long it takes until it is known of a SYN whether it was answered. On a steady path losses are known soon after
    /// answers; where answers take their time, the rate may not rise on those that have come while the losses are still out.
    fn hearing(&self) -> Option<Duration> {
        let late = self.path.timeout(Duration::ZERO);
        self.path.round_trip().map(|known| if late > STEADY { late } else { known.smoothed })
    }

    /// The same on a system that tells of refusals as soon as they come.
    fn answer_within(&self) -> Duration {
        self.path.timeout(self.patience / self.blind_tries())
    }

    fn grace(&self) -> Duration {
        let grace = if self.witnesses.known() { GRACE.max(self.answer_within() * 3) } else { self.patience };
        grace.saturating_add(self.path.refusals_kept())
    }

    /// How often a port is asked while nothing at all has answered.
    fn blind_tries(&self) -> u32 {
        let usual = self.path.usual_loss();
        (BLIND_TRIES_LEAST..BLIND_TRIES_MOST)
            .find(|tries| usual < 0.3 && f64::from(*tries) * -usual.ln() >= -DOUBT.ln() / 2.0)
            .unwrap_or(if usual < 0.3 { BLIND_TRIES_MOST } else { BLIND_TRIES_LEAST })
    }

    /// Whether the tries to `port` are enough to believe its silence, by all that is known of their surroundings by now.
    fn is_silent(&self, port: &Port) -> bool {
        let tries = self.vouched(port);
        if !self.witnesses.known() {
            return tries.len() >= self.blind_tries() as usize;
        }
        // Behind a limit losses come together, and what witnesses say of their moment is worth less for another.
        let least = TRIES_LEAST + usize::from(self.throttle.limit().is_some());
        tries.len() >= least && self.path.all_lost(tries) <= DOUBT.ln()
    }

    /// Whether the first witnesses are still to be heard of. Few that were all lucky would make a lossy path look calm.
    fn knows_too_little(&self) -> bool {
        self.throttle.limit().is_none() && self.witnesses.wants_more(self.evidence_known())
    }

    /// How many tries tell of the path.
    fn evidence_known(&self) -> u64 {
        self.path.witnessed().asked + self.path.pooled_worth()
    }

    /// The tries whose silence counts.
    fn vouched<'a>(&self, port: &'a Port) -> &'a [Duration] {
        let from = self.witnesses.vouch_from();
        let void = port.unanswered.partition_point(|sent| *sent < from);
        port.unanswered.get(void..).unwrap_or_default()
    }

    /// SYNs that should have been answered by now.
    fn expire(&mut self, now: Duration) {
        let timeout = self.timeout();
        while let Some(shot) = self.flying.front().copied().filter(|shot| shot.sent + timeout <= now) {
            self.flying.pop_front();
            self.overdue = shot.serial + 1;
            match shot.purpose {
                Purpose::Witness => {
                    if self.witnesses.forget(shot.serial) {
                        self.witness_lost(shot.sent, now);
                    }
                }
                Purpose::Confirm(index) => self.unconfirmed(index),
                Purpose::Ask(index) => self.unanswered(index, shot.sent),
            }
        }
        // What is answered need not be waited for.
        while let Some(shot) = self.flying.front() {
            let answered = match shot.purpose {
                Purpose::Ask(index) | Purpose::Confirm(index) => self
                    .ports
                    .get(index as usize)
                    .is_none_or(|port| matches!(port.stage, Stage::Settled | Stage::Held | Stage::Doubted)),
                Purpose::Witness => !self.witnesses.is_flying(shot.serial),
            };
            if !answered {
                break;
            }
            self.flying.pop_front();
        }
    }

    fn unconfirmed(&mut self, index: u32) {
        // Silence contradicts nothing: packets are lost.
        if let Some(port) = self.ports.get_mut(index as usize)
            && let Some((fact, elapsed)) = port.answer.take()
        {
            let sent = port.first + elapsed;
            self.believe(index, sent, fact, elapsed);
        }
    }

    fn unanswered(&mut self, index: u32, sent: Duration) {
        let Some(port) = self.ports.get_mut(index as usize) else { return };
        if port.stage != Stage::Flying || port.answer.is_some() {
            return;
        }
        port.unanswered.push(sent);
        self.last_silence = Some(self.last_silence.map_or(sent, |last| last.max(sent)));
        let Some(port) = self.ports.get(index as usize) else { return };
        let enough = self.is_silent(port) || is_tried_enough(port, self.vouched(port));
        let (stage, queue) =
            if enough { (Stage::Lingering, &mut self.lingering) } else { (Stage::Again, &mut self.again) };
        queue.push_back(index);
        if let Some(port) = self.ports.get_mut(index as usize) {
            port.stage = stage;
        }
    }

    /// Settles the ports that were silent often enough and long enough, while a witness answered after their last try.
    fn end_lingering(&mut self, now: Duration) {
        let grace = self.grace();
        while let Some(&index) = self.lingering.front() {
            let Some(port) = self.ports.get(index as usize) else { return };
            if port.stage == Stage::Lingering {
                let witnessed = !self.witnesses.known()
                    || self.witnesses.last_good() >= port.unanswered.last().copied()
                    || self.watch == Watch::Cut
                    || self.witnesses.cannot_be_asked();
                if port.first + grace > now || !witnessed || self.knows_too_little() {
                    return;
                }
                let elapsed = now.saturating_sub(port.first);
                if self.is_silent(port) {
                    let silence = PortFact { state: PortState::Filtered, reason: PortReason::Silence, sender: None };
                    let fact = port.refusal.clone().unwrap_or(silence);
                    self.settle(index, Ok(fact), elapsed);
                } else if is_tried_enough(port, self.vouched(port)) {
                    self.settle(index, Err(NotSettled::Skipped(Skip::Lossy)), elapsed);
                } else {
                    // Something was learned since: a witness was found, or was lost.
                    self.again.push_back(index);
                    if let Some(port) = self.ports.get_mut(index as usize) {
                        port.stage = Stage::Again;
                    }
                }
            }
            self.lingering.pop_front();
        }
    }

    fn settle(&mut self, index: u32, result: Result<PortFact, NotSettled>, elapsed: Duration) {
        let Some(port) = self.ports.get_mut(index as usize) else { return };
        if port.stage == Stage::Settled {
            return;
        }
        port.stage = Stage::Settled;
        self.open -= 1;
        if result.as_ref().is_ok_and(|fact| fact.reason == PortReason::Silence) {
            if !self.witnesses.known() {
                self.witnesses.cannot_vouch(port.number);
            } else if self.witnesses.are_refusals() {
                self.witnesses.believed_refused(port.number);
            }
        }
        let (port, tries, started) = (port.number, port.tries, port.first);
        self.settled.push(Settled { port, result, tries, started, elapsed });
    }
}

/// Whether no more tries are to be spent on `port`, of which these count. Others count for nothing, and yet are traffic.
fn is_tried_enough(port: &Port, vouched: &[Duration]) -> bool {
    vouched.len() >= TRIES_MOST || port.unanswered.len() >= TRIES_MOST * 4
}

/// What two answers say together.
pub(super) fn agree(first: PortFact, second: PortFact) -> PortFact {
    match (first.state, second.state) {
        (known, again) if known == again => second,
        // Both say that nobody gets in; the one that names who refused says more.
        (PortState::Closed, PortState::Rejected) => second,
        (PortState::Rejected, PortState::Closed) => first,
        _ => PortFact {
            state: PortState::Unstable,
            reason: PortReason::Disagreement { tries: vec![first.state, second.state] },
            sender: first.sender.or(second.sender),
        },
    }
}
