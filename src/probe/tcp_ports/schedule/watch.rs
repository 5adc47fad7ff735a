//! What witnesses say, and what is done when they fall silent.

use super::refusals::is_refusal;
use super::{Duration, PortFact, PortState, Schedule, Shot};

/// How long witnesses must have been silent, and how many of them, before asking pauses.
const SILENT_FOR: Duration = Duration::from_millis(1500);
const SILENT_WITNESSES: u32 = 8;

/// After what pauses a witness is asked whether it answers again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
];

/// How the witnesses are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// They answer, or there are none.
    Fine,
    /// They were silent for long: nothing else is asked until one answers. So many pauses were made; the next ends then.
    Paused { since: Duration, pauses: usize, until: Duration, asked: bool },
    /// They stay silent.
    Cut,
}

impl Schedule<'_> {
    pub(super) fn witness_answered(&mut self, shot: Shot, now: Duration, fact: &PortFact, late: bool) {
        if !self.witnesses.as_before(shot.port, fact) {
            // Another answer than before is no sign that the port is as it was: like silence, but more telling.
            // Unless it was counted when its time was over, or counts for nothing.
            if self.witnesses.forget(shot.serial) {
                self.witness_lost(shot.sent, now);
            }
            let contradicts = is_refusal(fact) && self.witnesses.is_open(shot.port) || fact.state == PortState::Open;
            if contradicts && !self.witnesses.doubts_refusals() {
                self.doubt_refusals(now);
                self.witnesses.found(shot.port, fact.state == PortState::Open, now);
            }
            return;
        }
        if self.witnesses.forget(shot.serial) {
            self.evidence(shot.sent, now, false);
        } else if late && shot.sent >= self.witnesses.vouch_from() {
            // What was sent before counts for nothing, and was perhaps never counted.
            self.path.forgive(shot.sent);
        }
        self.witnesses.good(shot.sent);
        if fact.state == PortState::Open {
            self.witnesses.opened(shot.sent);
        }
        if matches!(self.watch, Watch::Paused { .. }) {
            self.watch = Watch::Fine;
            self.throttle.resume(now);
        }
    }

    pub(super) fn witness_lost(&mut self, sent: Duration, now: Duration) {
        self.evidence(sent, now, true);
        self.witnesses.bad();
        if let Watch::Paused { since, pauses, until, asked } = &mut self.watch
            && *since <= sent
        {
            *pauses += 1;
            match PAUSES.get(*pauses) {
                Some(pause) => (*until, *asked) = (now + *pause, false),
                None => self.watch = Watch::Cut,
            }
        }
    }

    /// A witness did or did not answer.
    fn evidence(&mut self, sent: Duration, now: Duration, lost: bool) {
        self.path.evidence(sent, lost);
        self.throttle.witnessed(now, sent, lost, self.hearing());
    }

    /// Answers may have come that were not heard: what was sent until now counts for nothing.
    pub(in super::super) fn deaf_until(&mut self, now: Duration) {
        self.witnesses.void(now);
        self.unheard(now);
    }

    /// Of the witness that was to end a pause nothing will be heard.
    pub(super) fn unheard(&mut self, now: Duration) {
        if let Watch::Paused { until, asked, pauses, .. } = &mut self.watch {
            *until = (*until).max(now + PAUSES.get(*pauses).copied().unwrap_or_default());
            *asked = false;
        }
    }

    /// Whether the witnesses still answer.
    pub(super) fn watch(&mut self, now: Duration) {
        if self.watch != Watch::Fine || !self.witnesses.known() {
            return;
        }
        let good = self.witnesses.last_good().unwrap_or_default();
        let patience = SILENT_FOR.max(self.answer_within() * 10) + self.path.refusals_kept();
        if self.witnesses.bad_in_a_row() >= SILENT_WITNESSES && now.saturating_sub(good) >= patience {
            self.watch = Watch::Paused { since: now, pauses: 0, until: now + PAUSES[0], asked: false };
        }
    }

    /// This machine could not ask a witness.
    pub(super) fn witness_failed(&mut self, serial: u64, now: Duration) {
        self.witnesses.failed();
        if !self.witnesses.forget(serial) {
            return;
        }
        self.unheard(now);
        if let Watch::Paused { pauses, .. } = &mut self.watch {
            *pauses += 1;
            if *pauses >= PAUSES.len() {
                self.watch = Watch::Cut;
            }
        }
    }
}
