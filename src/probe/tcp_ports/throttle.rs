//! How fast an address may be asked: begins modestly, goes faster while what is known to answer does answer, and falls
//! back to what gets through when something before the target counts our packets.
//!
//! Random loss is told from a limit by what it follows: a limit lets the same number through however much is sent, so that
//! the share that is lost rises with the rate; random loss is there at any rate, and slowing down would mend nothing.
//!
//! Pure: time is a [`Duration`] since the run began, given by the caller.

use std::time::Duration;

/// SYNs per second at the beginning. The ports of all guides are asked in a tenth of a second; that is no flood by any
/// vendor's defaults, and slow enough that a limit of 200 a second costs one more round.
const FIRST: f64 = 1000.0;

/// The least rate that a limit can bring us down to.
const LEAST: f64 = 20.0;

/// How long evidence is gathered before the rate changes, at least.
const INTERVAL: Duration = Duration::from_millis(60);

/// The longest that a few witnesses are waited for.
const INTERVAL_MOST: Duration = Duration::from_secs(2);

/// How many witnesses must have been heard or missed before the rate rises or falls.
const WITNESSES_TO_RISE: u32 = 2;
const WITNESSES_TO_FALL: u32 = 12;

/// The share of tries lost, beyond the usual one, up to which the rate rises and from which it falls.
const CALM: f64 = 0.1;
const HEAVY: f64 = 0.3;

/// What share of the rate must be used for losses and answers to say anything of it.
const USED: f64 = 1.0 / 3.0;

/// After so many falls in a row that left this share of the loss, it is no limit that loses packets. The first may be in vain
/// behind a limit too: such limits commonly let a burst pass first.
const IN_VAIN: u32 = 2;
const NO_BETTER: f64 = 0.75;

/// Where nothing answers there is no evidence: the rate rises to this within some seconds and no further.
const BLIND: f64 = 4000.0;

/// What is left of the rate that got through when a limit was met: below the limit, so that silence means something.
const BELOW_LIMIT: f64 = 0.95;

/// Decides when the next packet may leave.
#[derive(Clone, Debug)]
pub struct Throttle {
    rate: f64,
    most: f64,
    /// Whether the rate may still double: nothing has pushed it back yet.
    starting: bool,
    /// The rate that got through when a limit was last met.
    limit: Option<f64>,
    /// The loss that is there at any rate.
    usual: Option<f64>,
    /// Where the rate fell from, and how often in a row that made nothing better.
    fall: Option<Fall>,
    /// Packets that may leave at once, and when that was.
    tokens: f64,
    counted: Duration,
    interval: Interval,
}

#[derive(Clone, Copy, Debug)]
struct Fall {
    from: f64,
    share: f64,
    in_vain: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    began: Duration,
    sent: u32,
    /// Ports that answered.
    through: u32,
    /// Witnesses that did.
    answered: u32,
    lost: u32,
}

impl Throttle {
    /// A throttle that never goes beyond `most` packets a second.
    pub(super) fn new(most: f64) -> Self {
        let most = most.max(1.0);
        let rate = FIRST.min(most);
        Self {
            rate,
            most,
            starting: true,
            limit: None,
            usual: None,
            fall: None,
            tokens: burst(rate),
            counted: Duration::ZERO,
            interval: Interval::default(),
        }
    }

    /// The rate that a limit before the target lets through, in SYNs per second, where one was met.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// The rate now, in SYNs per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many packets may leave at once.
    pub(super) fn burst(&self) -> usize {
        let packets = Duration::from_secs_f64(burst(self.rate).clamp(1.0, 1e6)).as_secs();
        usize::try_from(packets).unwrap_or(usize::MAX)
    }

    /// When the next packet may leave: now or later.
    pub(super) fn ready(&mut self, now: Duration) -> Duration {
        self.refill(now);
        if self.tokens >= 1.0 { now } else { now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate) }
    }

    /// A packet leaves.
    pub(super) fn sent(&mut self, now: Duration) {
        self.refill(now);
        self.tokens -= 1.0;
        self.interval.sent += 1;
    }

    /// A port answered. That others did not is known only later, if ever, so this says that something gets through, and not
    /// how much of it.
    pub(super) fn answered(&mut self, now: Duration, sent: Duration, hearing: Option<Duration>) {
        if sent >= self.interval.began {
            self.interval.through += 1;
            self.settle(now, hearing);
        }
    }

    /// A witness that was asked at `sent` answered, or did not. What was sent before the rate last changed says nothing of
    /// this rate.
    pub(super) fn witnessed(&mut self, now: Duration, sent: Duration, lost: bool, hearing: Option<Duration>) {
        if sent < self.interval.began {
            return;
        }
        if lost {
            self.interval.lost += 1;
        } else {
            self.interval.answered += 1;
        }
        self.settle(now, hearing);
    }

    /// The target answers again after it had stopped: from here on at a quarter of the rate, which rises slowly.
    pub(super) fn resume(&mut self, now: Duration) {
        self.starting = false;
        self.change(self.rate / 4.0, now);
        self.begin(now);
    }

    /// Nothing was witnessed; the rate may rise all the same, slowly, where nothing answers at all.
    pub(super) fn blind(&mut self, now: Duration) {
        let age = now.saturating_sub(self.interval.began);
        if age >= INTERVAL * 2 && self.interval.answered + self.interval.lost + self.interval.through == 0 {
            if self.rate < BLIND && self.limit.is_none() {
                self.change((self.rate * 1.2).min(BLIND), now);
            }
            self.begin(now);
        }
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted).as_secs_f64();
        self.counted = self.counted.max(now);
        self.tokens = (self.tokens + passed * self.rate).min(burst(self.rate));
    }

    /// At the end of an interval, which lasts at least two times `hearing`, the time until an answer is known or missed: what
    /// it says of the rate.
    fn settle(&mut self, now: Duration, hearing: Option<Duration>) {
        let Interval { began, sent, through, answered, lost } = self.interval;
        let age = now.saturating_sub(began);
        if age < INTERVAL.max(hearing.unwrap_or_default() * 2) {
            return;
        }
        let witnesses = answered + lost;
        let share = f64::from(lost) / f64::from(witnesses.max(1));
        let usual = self.usual.unwrap_or(0.0);
        // Of a rate that is not used, losses say nothing: it would fall with the witnesses, that are fewer the lower it is.
        let used = f64::from(sent) / age.as_secs_f64() > self.rate * USED;
        if witnesses >= WITNESSES_TO_FALL && share >= HEAVY + usual && used {
            let fall = match self.fall {
                Some(fall) if share >= fall.share * NO_BETTER => Fall { share, in_vain: fall.in_vain + 1, ..fall },
                _ => Fall { from: self.rate, share, in_vain: 0 },
            };
            if fall.in_vain >= IN_VAIN {
                // Slower, and no better: it is the path that loses them, at any rate.
                self.usual = Some(share);
                (self.limit, self.fall) = (None, None);
                self.change(fall.from, now);
                self.begin(now);
                return;
            }
            self.fall = Some(fall);
            let seconds = age.as_secs_f64();
            let through = (f64::from(sent) / seconds * (1.0 - share)).max(f64::from(answered + through) / seconds);
            let through = through.clamp(LEAST, self.rate);
            self.limit = Some(through);
            self.starting = false;
            self.change(through * BELOW_LIMIT, now);
            self.begin(now);
        } else if share <= CALM + usual && (witnesses >= WITNESSES_TO_RISE || (witnesses == 0 && through > 0)) {
            if self.usual.is_none() && witnesses >= WITNESSES_TO_FALL {
                self.usual = Some(share.min(HEAVY));
            }
            self.fall = None;
            let factor = if self.starting { 2.0 } else { 1.1 };
            // Beyond what is used, a higher rate says nothing.
            if used {
                self.change(self.rate * factor, now);
            }
            self.begin(now);
        } else if witnesses >= WITNESSES_TO_FALL || age >= INTERVAL_MOST {
            // The first such share is taken for the usual one; a limit shows when it grows with the rate.
            if self.usual.is_none() && witnesses >= WITNESSES_TO_FALL {
                self.usual = Some(share.min(HEAVY));
            }
            self.begin(now);
        }
    }

    fn change(&mut self, rate: f64, now: Duration) {
        self.refill(now);
        self.rate = rate.clamp(LEAST.min(self.most), self.most);
        self.tokens = self.tokens.min(burst(self.rate));
    }

    fn begin(&mut self, now: Duration) {
        self.interval = Interval { began: now, ..Interval::default() };
    }
}

/// How many packets may leave at once: those of a hundredth of a second, since no timer is finer, and a few to begin with.
fn burst(rate: f64) -> f64 {
    (rate / 100.0).max(if rate >= FIRST { 16.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends as fast as allowed for `seconds`, each packet a try to a port that answers, through a path that answers as
    /// `path` says of the packet's time; what was sent in the last second.
    fn run(throttle: &mut Throttle, seconds: u32, mut path: impl FnMut(Duration) -> bool) -> u32 {
        let mut last = 0;
        for ms in 0..seconds * 1000 {
            let now = ms * MS;
            while throttle.ready(now) <= now {
                throttle.sent(now);
                last += u32::from(ms >= (seconds - 1) * 1000);
                throttle.witnessed(now, now, !path(now), Some(20 * MS));
            }
        }
        last
    }

    #[test]
    fn a_clean_path_is_taken_at_full_speed() {
        let mut throttle = Throttle::new(20_000.0);
        assert!(run(&mut throttle, 2, |_| true) > 19_000);
        assert_eq!(throttle.limit(), None);
    }

    #[test]
    fn the_users_limit_holds() {
        let mut throttle = Throttle::new(150.0);
        assert!((149..=152).contains(&run(&mut throttle, 3, |_| true)));
    }

    #[test]
    fn random_loss_does_not_slow_us() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut throttle = Throttle::new(20_000.0);
        assert!(run(&mut throttle, 4, |_| random.f64() > 0.19) > 8000, "{}", throttle.rate());
    }

    #[test]
    fn a_limit_is_found_and_used() {
        let (mut tokens, mut before) = (50.0, Duration::ZERO);
        let mut through = 0;
        let mut throttle = Throttle::new(20_000.0);
        let sent = run(&mut throttle, 20, |now| {
            tokens = f64::min(tokens + now.saturating_sub(before).as_secs_f64() * 200.0, 50.0);
            before = now;
            let passes = tokens >= 1.0;
            if passes {
                tokens -= 1.0;
                through += 1;
            }
            passes
        });
        assert!(through >= 3600, "only {through} of 4050 got through");
        assert!(sent < 500, "{sent} sent a second through a limit of 200");
        let limit = throttle.limit().unwrap();
        assert!((150.0..300.0).contains(&limit), "{limit}");
    }

    #[test]
    fn without_any_answer_the_rate_rises_slowly_and_not_far() {
        let mut throttle = Throttle::new(20_000.0);
        for ms in 0..20_000 {
            throttle.blind(ms * MS);
        }
        assert!((throttle.rate() - BLIND).abs() < 1.0);
    }
}
