//! How a host rations its refusals, learned from when they come.
//!
//! A host holds tokens for its peer: a few at first, then one more each interval. A refusal takes one; without any the
//! host is silent, which costs it nothing. Linux: six, then one a second (`net.ipv4.icmp_ratelimit`; over IPv6 faster,
//! the shorter the prefix of its route to us). That a port is silent for want of a token shows only when a port that is
//! known to be closed is silent too.
//!
//! Pure: time is told, never asked for.

use std::time::Duration;

/// Refusals further apart than this are no longer those of the first burst.
const BURST_ENDS: Duration = Duration::from_millis(100);

/// How many trials in a row must go without any answer before they mean a ration, and not loss.
const DENIED: u32 = 3;

/// The same for trials that do not follow each other: a host that refuses more often than we ask is seldom without a token.
const DENIED_IN_ALL: u32 = 6;

/// The least time between two trials of which the first was denied.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

/// Datagrams that follow each other within this time meet the same tokens, unless the interval is hardly longer.
const MOMENT: Duration = Duration::from_millis(20);

/// How much sooner the next trial begins after one that went well, and how much later after one that was denied. What comes
/// too soon costs a datagram; what comes too late costs nothing where the host saves its tokens.
const FASTER: f64 = 0.95;
const SLOWER: f64 = 1.1;
const FASTEST: f64 = 0.25;

/// A host that has said nothing for so long, or for so many intervals, says nothing more.
const GIVEN_UP: Duration = Duration::from_secs(10);
const GIVEN_UP_INTERVALS: u32 = 8;

/// What is known of the ration.
#[derive(Clone, Debug)]
pub(super) struct Ration {
    burst: u32,
    /// The last refusal of the burst.
    burst_end: Option<Duration>,
    last: Option<Duration>,
    /// How many trials nothing answered, in a row and in all.
    denied: u32,
    denied_in_all: u32,
    /// Whether the host was seen without a token. Then every token that came since the burst has been taken.
    known: bool,
    /// How many refusals came since the burst.
    counted: u32,
    /// How long after a refusal the next trial begins, as a part of the interval: shorter while that goes well.
    pace: f64,
}

impl Default for Ration {
    fn default() -> Self {
        let (burst, denied, denied_in_all, counted) = (0, 0, 0, 0);
        Self { burst, burst_end: None, last: None, denied, denied_in_all, known: false, counted, pace: 1.0 }
    }
}

impl Ration {
    /// A refusal came.
    pub(super) fn refused(&mut self, now: Duration) {
        if self.burst_end.is_none() {
            self.burst_end = self.last.filter(|last| now.saturating_sub(*last) > BURST_ENDS);
        }
        if self.burst_end.is_some() {
            self.counted += 1;
        } else {
            self.burst += 1;
        }
        if self.denied == 0 {
            self.pace = (self.pace * FASTER).max(FASTEST);
        }
        self.denied = 0;
        self.last = Some(now);
    }

    /// A trial that held a port known to be closed went without any answer.
    pub(super) fn denied(&mut self) {
        if self.denied == 0 {
            self.pace = (self.pace * SLOWER).min(1.0);
        }
        self.denied += 1;
        self.denied_in_all += 1;
        self.known |= self.denied >= DENIED || self.denied_in_all >= DENIED_IN_ALL;
        self.burst_end = self.burst_end.or(self.last);
    }

    /// Whether the host is known to ration its refusals.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Whether the host may be without a token right now.
    pub(super) fn may_be_empty(&self) -> bool {
        self.is_known() || self.denied > 0
    }

    /// How many refusals came at once.
    pub(super) fn burst(&self) -> u32 {
        self.burst
    }

    /// The time between two refusals, an average over all since the burst.
    pub(super) fn interval(&self) -> Option<Duration> {
        let since = self.last?.saturating_sub(self.burst_end.filter(|_| self.known)?);
        since.checked_div(self.counted)
    }

    /// Whether a port asked at `instant` was asked when a token had come since the refusal at `before`.
    pub(super) fn had_token(&self, before: Option<Duration>, instant: Duration) -> bool {
        match (before, self.interval()) {
            (Some(before), Some(interval)) => instant >= before + interval.mul_f64(1.25),
            _ => false,
        }
    }

    /// Datagrams that follow each other within this time meet the same tokens.
    pub(super) fn moment(&self) -> Duration {
        self.interval().map_or(MOMENT, |interval| (interval / 8).min(MOMENT))
    }

    /// When the next trial may begin, of which the last was over at `now`. Ports are tried as soon as a token may be there, and again and again, which costs
    /// the host nothing; so many that it takes long only when a token is sure to be there, for one that came in between would
    /// speak for none.
    pub(super) fn next_trial(&self, now: Duration, long: bool, plenty: bool) -> Duration {
        let Some(last) = self.last else { return now };
        let pause = (now.saturating_sub(last) / 8).max(LEAST_PAUSE);
        match self.interval() {
            _ if self.denied > 0 => now + pause,
            _ if !self.is_known() || plenty => now,
            Some(interval) => last + interval.mul_f64(if long { 1.5 } else { self.pace }),
            None => now + pause,
        }
    }

    /// Whether the host has been silent for so long that it will say nothing more.
    pub(super) fn has_ended(&self, now: Duration) -> bool {
        let patience = self.interval().unwrap_or_default() * GIVEN_UP_INTERVALS;
        self.last.is_some_and(|last| now.saturating_sub(last) > patience.max(GIVEN_UP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_ration_of_linux_is_recognised() {
        let mut ration = Ration::default();
        (0..6).for_each(|nth| ration.refused(at(20 + nth)));
        assert!(!ration.is_known(), "six refusals alone are no ration");
        for _ in 0..3 {
            ration.denied();
        }
        assert!(ration.is_known() && ration.interval().is_none());
        for instant in [1020, 2025, 3022] {
            ration.refused(at(instant));
        }
        assert_eq!((ration.burst(), ration.interval().unwrap().as_millis()), (6, 999));
        let next = ration.next_trial(at(3030), false, false).as_millis();
        assert!((3022 + 700..3022 + 999).contains(&next), "{next}");
        assert_eq!(ration.next_trial(at(3030), true, false).as_millis(), 3022 + 1498);
    }

    #[test]
    fn loss_alone_is_no_ration() {
        let mut ration = Ration::default();
        for nth in 0..50 {
            (0..if nth % 25 == 0 { 2 } else { 0 }).for_each(|_| ration.denied());
            ration.refused(at(nth * 100));
        }
        assert!(!ration.is_known());
    }

    #[test]
    fn a_host_that_says_nothing_more_is_given_up() {
        let mut ration = Ration::default();
        ration.refused(at(0));
        (0..9).for_each(|_| ration.denied());
        assert!(!ration.has_ended(at(9_000)) && ration.has_ended(at(10_001)));
    }

    proptest! {
        /// Whatever the ration and however often it is polled, the interval is learned, and polls stay few.
        #[test]
        fn any_interval_is_learned(interval in 200_u64..5000, burst in 1_u32..20, first in 0_u64..60) {
            let mut ration = Ration::default();
            (0..burst).for_each(|nth| ration.refused(at(u64::from(nth))));
            let empty_since = at(u64::from(burst));
            let (mut now, mut polls, mut taken) = (empty_since + at(first), 0_u32, 0_u32);
            while taken < 12 {
                polls += 1;
                now += at(10);
                if now >= empty_since + at(interval) * (taken + 1) {
                    taken += 1;
                    ration.refused(now);
                } else {
                    ration.denied();
                }
                now = now.max(ration.next_trial(now, false, false));
                prop_assert!(polls < 300);
            }
            let learned = ration.interval().unwrap();
            prop_assert!(learned > at(interval * 4 / 5) && learned < at(interval * 4 / 3), "{learned:?} for {interval}");
        }
    }
}
