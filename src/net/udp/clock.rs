//! How long answers are waited for, and how fast datagrams follow each other. Pure: time is told, never asked for.

use crate::net::round_trip::RoundTrip;
use std::time::Duration;

/// The least wait after the last datagram: a listener may have to think before it answers.
const LEAST_LAST_WAIT: Duration = Duration::from_millis(200);

/// The least wait for an answer that costs no thought.
const LEAST_LISTEN: Duration = Duration::from_millis(60);

/// The least time between two datagrams to the same port, so that one burst of loss does not take both.
const LEAST_GAP: Duration = Duration::from_millis(50);

/// Nearer than this, times of answers are largely our own.
const NEAR: Duration = Duration::from_millis(5);

/// How much longer than the usual wait a slow path may make us wait.
const SLOW_PATH: u32 = 3;

/// How many datagrams a second are sent at first.
const START: f64 = 1000.0;

/// After so much time of sending the rate doubles, as far as it may.
const DOUBLES_AFTER: Duration = Duration::from_millis(100);

/// What a late timer may catch up on at once.
const CATCH_UP: Duration = Duration::from_millis(5);

/// What the answers of an address told of the time that they take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trips {
    estimate: Option<RoundTrip>,
    shortest: Option<Duration>,
}

/// The waits that follow from what is known of the round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    /// Between two datagrams to the same port.
    pub(super) gap: Duration,
    /// For an answer that costs no thought, such as a refusal.
    pub(super) listen: Duration,
    /// After the first datagram to each port.
    pub(super) whole: Duration,
    /// After the last datagram of all.
    pub(super) last: Duration,
}

impl Trips {
    /// An answer took so long, of a port that was asked once.
    pub(super) fn sample(&mut self, took: Duration) {
        self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
        self.estimate = Some(RoundTrip::after(self.estimate, took));
    }

    /// Half of the shortest time of an answer: nothing that comes earlier answers what was sent just now. For a host so near
    /// that our own slowness counts, no time is too short.
    pub(super) fn too_soon(&self) -> Duration {
        self.shortest.filter(|shortest| *shortest >= NEAR).unwrap_or_default() / 2
    }

    /// The waits, with `hint` for want of answers of our own, and with `usual` where nothing is known.
    pub(super) fn waits(&self, hint: Option<Duration>, usual: Duration) -> Waits {
        let known = self.estimate.or(hint.map(|hint| RoundTrip::after(None, hint)));
        let Some(RoundTrip { smoothed, variation }) = known else {
            return Waits { gap: usual / 3, listen: usual / 2, whole: usual, last: usual / 2 };
        };
        let longest = usual * SLOW_PATH;
        let wait = smoothed * 2 + variation * 4;
        let between = |least: Duration, most: Duration| wait.max(least).min(most);
        Waits {
            gap: between(LEAST_GAP, usual / 3),
            listen: between(LEAST_LISTEN, longest),
            whole: between(LEAST_LAST_WAIT, longest),
            last: between(LEAST_LAST_WAIT, longest),
        }
    }
}

/// When the next datagram is due: gently at first, then faster, at most at a given rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    most: f64,
    rate: f64,
    doubles: Option<Duration>,
    due: Duration,
}

impl Ramp {
    /// At most `most` datagrams a second.
    pub(super) fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self { most, rate: most.min(START), doubles: None, due: Duration::ZERO }
    }

    /// When the next datagram may leave.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// A datagram left. While answers stay away that had been coming, `eased`, no more than half of the rate is used.
    pub(super) fn sent(&mut self, now: Duration, eased: bool) {
        let doubles = *self.doubles.get_or_insert(now + DOUBLES_AFTER);
        if now >= doubles {
            self.rate = (self.rate * 2.0).min(self.most);
            self.doubles = Some(now + DOUBLES_AFTER);
        }
        let rate = if eased { self.rate.min(self.most / 2.0) } else { self.rate };
        self.due = self.due.max(now.saturating_sub(CATCH_UP)) + Duration::from_secs_f64(1.0 / rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Duration = Duration::from_secs(1);

    fn after(samples: &[u64]) -> Waits {
        let mut trips = Trips::default();
        for sample in samples {
            trips.sample(Duration::from_millis(*sample));
        }
        trips.waits(None, USUAL)
    }

    #[test]
    fn without_any_answer_a_port_is_listened_to_for_the_usual_wait() {
        let waits = after(&[]);
        assert_eq!((waits.whole, waits.last), (USUAL, USUAL / 2));
    }

    #[test]
    fn a_near_host_is_waited_for_briefly_and_a_far_one_long() {
        assert_eq!(after(&[20; 20]).last, LEAST_LAST_WAIT);
        assert!(after(&[600; 20]).last >= Duration::from_millis(1200));
        let hinted = Trips::default().waits(Some(Duration::from_millis(20)), USUAL);
        assert_eq!(hinted.last, LEAST_LAST_WAIT);
        assert!(after(&[20, 20, 20, 400]).last > after(&[20; 4]).last, "what varies is waited for longer");
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_the_round_trip_nor_without_end(samples in proptest::collection::vec(0_u64..1400, 1..9)) {
            let waits = after(&samples);
            let mean = samples.iter().sum::<u64>() / samples.len() as u64;
            prop_assert!(waits.last >= waits.listen && waits.last <= USUAL * SLOW_PATH);
            prop_assert!(samples.len() > 1 || waits.listen >= Duration::from_millis(mean));
        }

        #[test]
        fn no_second_sees_more_datagrams_than_the_rate(most in 1_u32..5000, late in 0_u64..40) {
            let mut ramp = Ramp::new(most);
            let mut sent: Vec<Duration> = Vec::new();
            let mut now = Duration::ZERO;
            while sent.len() < 3000 && now < Duration::from_secs(20) {
                now = now.max(ramp.due()) + Duration::from_micros(if sent.len().is_multiple_of(7) { late * 1000 } else { 0 });
                ramp.sent(now, false);
                sent.push(now);
            }
            let per_second = most as usize;
            // What a late timer catches up on comes on top.
            let more = per_second / 100 + 2;
            for window in sent.windows(per_second + more + 1) {
                prop_assert!(window[window.len() - 1] >= window[0] + Duration::from_millis(980));
            }
        }
    }
}
