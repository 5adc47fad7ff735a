//! What a refusal is worth.
//!
//! Something before the target may let only so many SYNs through and refuse the others, with a RST or an ICMP message, where
//! most drop them. Then an open port is refused. So refusals are held until open ports, asked again among the others, have
//! opened often enough; and a number of ports that were refused are asked once more, with open ports in between: what a
//! short burst met, a few witnesses do not show. When one of those is refused, or a refused port opens, a refusal is worth
//! no more than silence.

use super::{Duration, Port, PortFact, PortState, Schedule, Stage};

/// How many refused ports are asked again. A limit refuses so much of what comes so fast that a sample shows it.
const RECHECKED: usize = 256;

/// Of refusals while an open port was known and asked among them, one in how many; where its owner counts connections and it
/// is therefore asked little, each.
const ONE_IN: usize = 3;

/// After how many of them an open port is asked, unless its owner counts connections.
const BETWEEN: u32 = 3;

/// For how many refusals at least, and for what share of all ports, such an owner is asked once while more are asked for.
const MANY_LEAST: usize = 12;
const MANY_SHARE: usize = 12;

/// Where every port was refused, how many are asked again, and how far apart: hardly a limit refuses what comes so slowly.
const ALONE: usize = 64;
const ALONE_GAP: Duration = Duration::from_millis(25);

/// So few SYNs no limit refuses.
const FEW: usize = 4;

/// With so many witnesses lost around it, a rejection is worth no more than silence.
const LOSSY: f64 = 0.4;

/// Refused ports that are asked again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rechecks {
    /// How many will be or were.
    chosen: usize,
    /// How many ports were refused since an open one was known.
    refused: usize,
    /// How many were since an open port was asked.
    since: u32,
    /// When the next is asked of those that were all refused.
    next: Option<Duration>,
    /// Those were all asked again.
    done: bool,
    /// How many refusals waited when an open port was last asked to vouch for them.
    held_at_voucher: usize,
}

impl Rechecks {
    /// A port is asked again, perhaps because it was refused.
    pub(super) fn asked(&mut self, recheck: bool) {
        self.since += u32::from(recheck);
    }
}

/// Whether this is a refusal, whoever sent it.
pub(super) fn is_refusal(fact: &PortFact) -> bool {
    matches!(fact.state, PortState::Closed | PortState::Rejected)
}

impl Schedule<'_> {
    /// Whether refusals wait for an open port to show that it still opens. One whose owner counts connections is asked once
    /// for many.
    pub(super) fn awaits_voucher(&self) -> bool {
        let many = MANY_LEAST.max(self.ports.len() / MANY_SHARE);
        let now = !self.witnesses.is_sensitive_alone()
            || self.open <= self.held.len()
            || self.held.len() >= self.rechecks.held_at_voucher + many;
        now && !self.held.is_empty() && self.witnesses.can_vouch()
    }

    /// The next port to ask whether it still answers.
    pub(super) fn next_witness(&mut self) -> Option<u16> {
        if self.awaits_voucher() {
            self.rechecks.held_at_voucher = self.held.len();
            self.witnesses.next_voucher()
        } else {
            self.witnesses.next()
        }
    }

    /// An open port, where its turn has come among ports that are asked again.
    pub(super) fn voucher_between(&mut self) -> Option<u16> {
        if self.rechecks.since < BETWEEN || !self.witnesses.can_vouch() || self.witnesses.is_sensitive_alone() {
            return None;
        }
        self.rechecks.since = 0;
        self.witnesses.next_voucher()
    }

    /// The port was refused.
    pub(super) fn refused(&mut self, index: u32, sent: Duration, fact: PortFact, elapsed: Duration) {
        self.rechecks.refused += usize::from(self.witnesses.vouching_since().is_some());
        let sparing = self.witnesses.is_sensitive_alone() && self.witnesses.vouching_since().is_some();
        let one_in = if sparing { 1 } else { ONE_IN };
        let chosen = self.rechecks.refused % one_in == 1 % one_in && self.rechecks.chosen < RECHECKED;
        let Some(port) = self.ports.get_mut(index as usize) else { return };
        if self.witnesses.doubts_refusals() {
            // It waited for its confirmation, and is worth no more than silence now.
            (port.refusal, port.stage) = (Some(fact), Stage::Again);
            self.again.push_back(index);
        } else if chosen && !port.rechecked {
            self.recheck(index, fact);
        } else {
            (port.answer, port.refused_at, port.stage) = (Some((fact, elapsed)), sent, Stage::Held);
            self.held.push_back(index);
        }
    }

    /// Where every port was refused: when the next is to be asked again.
    pub(super) fn recheck_at(&self) -> Option<Duration> {
        self.rechecks.next
    }

    /// Asks ports again one by one, every one of which was refused; whether that is done.
    fn recheck_alone(&mut self, now: Duration) -> bool {
        if self.rechecks.done || self.ports.len() <= FEW || self.witnesses.vouching_since().is_some() {
            return true;
        }
        if self.open > self.held.len() && self.rechecks.next.is_none() {
            return false;
        }
        if self.rechecks.next.is_some_and(|at| at > now) {
            return false;
        }
        // Of a router's messages it is known that they do not come from the target.
        let fresh = |port: &Port| {
            let by_target = port.answer.as_ref().is_some_and(|(fact, _)| fact.is_from_target());
            port.stage == Stage::Held && !port.rechecked && by_target
        };
        let place = self.held.iter().position(|index| self.ports.get(*index as usize).is_some_and(fresh));
        let index = place.filter(|_| self.rechecks.chosen < ALONE).and_then(|place| self.held.remove(place));
        let port = index.and_then(|index| Some((index, self.ports.get_mut(index as usize)?.answer.take()?.0)));
        self.rechecks.next = port.is_some().then_some(now + ALONE_GAP);
        match port {
            Some((index, fact)) => self.recheck(index, fact),
            None => self.rechecks.done = true,
        }
        self.rechecks.done
    }

    /// Lets go of refusals for which open ports have vouched, or for which nobody can.
    pub(super) fn release(&mut self, now: Duration) {
        self.rechecks.held_at_voucher = self.rechecks.held_at_voucher.min(self.held.len());
        // An open port may still be found.
        if !self.witnesses.can_vouch() {
            if !self.recheck_alone(now) || self.open > self.held.len() {
                return;
            }
            // Open ports are known and can no longer be asked: what is believed now is checked by nothing.
            self.unvouched_refusals |= !self.held.is_empty() && self.witnesses.vouching_since().is_some();
        }
        while let Some(&index) = self.held.front() {
            let Some(port) = self.ports.get(index as usize) else { return };
            if port.stage == Stage::Held {
                if self.witnesses.can_vouch() && !self.witnesses.vouched(port.refused_at) {
                    return;
                }
                let worthless = self.is_worthless(port);
                let Some(port) = self.ports.get_mut(index as usize) else { return };
                let number = port.number;
                match port.answer.take() {
                    Some((fact, _)) if worthless => {
                        let sent = port.refused_at;
                        (port.refusal, port.stage) = (Some(fact), Stage::Flying);
                        self.unanswered(index, sent);
                    }
                    Some((fact, elapsed)) => {
                        self.witnesses.believed_refused(number);
                        self.settle(index, Ok(fact), elapsed);
                    }
                    None => {}
                }
            }
            self.held.pop_front();
        }
    }

    /// Whether a refusal came by an ICMP message while open ports went unanswered. Messages are rationed: of what a limit
    /// rejects, most is met with silence, as if it were dropped (RFC 1812, section 4.3.2.8).
    fn is_worthless(&self, port: &Port) -> bool {
        let rejected = port.answer.as_ref().is_some_and(|(fact, _)| fact.state == PortState::Rejected);
        rejected
            && self.witnesses.can_vouch()
            && (self.throttle.limit().is_some() || self.path.loss(port.refused_at) >= LOSSY)
    }

    /// An open port is known now: ports that were refused before are asked again, all or a sample of many.
    pub(super) fn recheck_early(&mut self) {
        self.rechecks.next = None;
        let room = RECHECKED.saturating_sub(self.rechecks.chosen).max(1);
        let step = self.held.len().div_ceil(room).max(1);
        for index in self.held.iter().copied().step_by(step).collect::<Vec<u32>>() {
            let held = self.ports.get_mut(index as usize).filter(|port| port.stage == Stage::Held);
            if let Some((fact, _)) = held.and_then(|port| port.answer.take()) {
                self.recheck(index, fact);
            }
        }
        self.held.retain(|index| self.ports.get(*index as usize).is_some_and(|port| port.stage == Stage::Held));
    }

    fn recheck(&mut self, index: u32, fact: PortFact) {
        if let Some(port) = self.ports.get_mut(index as usize) {
            (port.refusal, port.rechecked, port.stage) = (Some(fact), true, Stage::Again);
            self.rechecks.chosen += 1;
            self.again.push_back(index);
        }
    }

    /// A port that is open was refused.
    pub(super) fn doubt_refusals(&mut self, now: Duration) {
        self.witnesses.doubt_refusals(now);
        self.rechecks.next = None;
        self.unheard(now);
        self.path.forget_evidence();
        while let Some(index) = self.held.pop_front() {
            let Some(port) = self.ports.get_mut(index as usize).filter(|port| port.stage == Stage::Held) else {
                continue;
            };
            let Some((fact, _)) = port.answer.take() else { continue };
            (port.refusal, port.stage) = (Some(fact), Stage::Again);
            self.again.push_back(index);
        }
    }
}
