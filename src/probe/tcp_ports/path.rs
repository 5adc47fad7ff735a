//! What is known of the way to an address: how long an answer takes, and how many are lost.
//!
//! Pure: time is a [`Duration`] since the run began, given by the caller.

pub use crate::net::round_trip::RoundTrip;
use std::collections::VecDeque;
use std::time::Duration;

/// The shortest time after which an answer counts as late. Below it the scheduling of this machine is measured, not the path.
const RTO_LEAST: Duration = Duration::from_millis(40);

/// The longest, after which even an intercontinental path over a satellite has answered.
const RTO_MOST: Duration = Duration::from_secs(3);

/// How finely the evidence of loss is kept in time.
const BUCKET: Duration = Duration::from_millis(50);

/// How long it is kept. Older evidence stays in the totals.
const KEPT: usize = 200;

/// How far before and after a try its surroundings reach, at least.
const NEAR: Duration = Duration::from_millis(150);

/// How many tries the long-term estimate counts for against the surroundings of one try.
const PRIOR_WEIGHT: f64 = 4.0;

/// The least loss that is ever assumed: however many answers came, the next may be lost.
const LOSS_LEAST: f64 = 0.005;

/// The most: silence of a port among silence proves nothing, but it is not proof of loss either.
const LOSS_MOST: f64 = 0.97;

/// What is assumed before there is evidence: so many tries lost and answered, which is to say nearly nothing.
const PRIOR_LOST: f64 = 0.5;
const PRIOR_ANSWERED: f64 = 1.0;

/// How many tries to other addresses count at most for this one; and what share of theirs, where this one lost none itself
/// and they would make silence worth more, and where they would make it worth less: what they lose may be lost here too.
const POOLED_MOST: f64 = 24.0;
const POOLED_SHARE: f64 = 0.05;
const POOLED_SHARE_LOSSY: f64 = 0.25;

/// How many tries were answered, of those to ports that do answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tries.
    pub asked: u64,
    /// Tries without an answer.
    pub lost: u64,
}

/// What is known of the way to one address.
#[derive(Clone, Debug, Default)]
pub struct Path {
    round_trip: Option<RoundTrip>,
    /// Tries to every port that answered in the end, for the record.
    all: Tally,
    /// Tries to witnesses. Only these are evidence: of other ports, those that answer are known at once, and those whose
    /// answer was lost only when they are asked again, so that loss would seem smaller than it is.
    total: Tally,
    /// Evidence by the time at which the tries were sent, oldest first: the bucket's number and what it holds.
    recent: VecDeque<(u64, Tally)>,
    /// How many SYNs were sent to ports whose state is not known, by the same buckets.
    load: VecDeque<(u64, u64)>,
    /// The share of witnesses lost, each weighed by the SYNs that were sent about when it was: what a limit takes of a burst
    /// is not made good by witnesses in the quiet between bursts.
    under_load: f64,
    /// Evidence of other addresses in this run, over the same first hops.
    pooled: Tally,
    /// Evidence of this one that the others were told of, and that they are to be told of.
    told: Tally,
    untold: Tally,
    /// How long this system keeps a refusal to itself before it tells of it.
    refusals_kept: Duration,
}

impl Path {
    /// Nothing is known yet, except for how long this system keeps refusals to itself.
    pub(super) fn new(refusals_kept: Duration) -> Self {
        Self { refusals_kept, ..Self::default() }
    }

    /// How long this system keeps a refusal to itself.
    pub(super) fn refusals_kept(&self) -> Duration {
        self.refusals_kept
    }

    /// Gives what is new to `add`, which tells what all addresses of the run have met until now, this one among them.
    pub(super) fn share(&mut self, add: impl FnOnce(Tally) -> Tally) {
        let untold = std::mem::take(&mut self.untold);
        add_to(&mut self.told, untold);
        let all = add(untold);
        self.pooled =
            Tally { asked: all.asked.saturating_sub(self.told.asked), lost: all.lost.saturating_sub(self.told.lost) };
    }

    /// The round trip time, once something has answered.
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.round_trip
    }

    /// Every try to a port that did answer in the end.
    pub fn tally(&self) -> Tally {
        let mut tally = self.all;
        add_to(&mut tally, self.total);
        tally
    }

    /// The tries to witnesses.
    pub(super) fn witnessed(&self) -> Tally {
        self.total
    }

    /// Counts tries to a port that answered in the end; no evidence.
    pub(super) fn count(&mut self, answered: bool) {
        add_to(&mut self.all, Tally { asked: 1, lost: u64::from(!answered) });
    }

    /// Takes a measured round trip into the estimate.
    pub(super) fn measured(&mut self, sample: Duration) {
        self.round_trip = Some(RoundTrip::after(self.round_trip, sample));
    }

    /// After how long a try counts as unanswered, for now; `unknown` where nothing has answered yet.
    pub(super) fn timeout(&self, unknown: Duration) -> Duration {
        self.round_trip.map_or(unknown, |known| {
            // A fifth of the round trip more than RFC 6298: answers of the same port arrive closely together.
            (known.smoothed * 6 / 5 + known.variation * 4).clamp(RTO_LEAST, RTO_MOST)
        })
    }

    /// A try to a witness, sent at `sent`, was or was not answered.
    pub(super) fn evidence(&mut self, sent: Duration, lost: bool) {
        let bucket = bucket(sent);
        let one = Tally { asked: 1, lost: u64::from(lost) };
        add_to(&mut self.total, one);
        add_to(&mut self.untold, one);
        // Evidence comes nearly in order: the search from the back is short.
        let place = self.recent.iter().rposition(|(number, _)| *number <= bucket);
        match place.and_then(|place| self.recent.get_mut(place).map(|entry| (place, entry))) {
            Some((_, (number, tally))) if *number == bucket => add_to(tally, one),
            Some((place, _)) => self.recent.insert(place + 1, (bucket, one)),
            None => self.recent.push_front((bucket, one)),
        }
        while self.recent.len() > KEPT {
            self.recent.pop_front();
        }
        self.under_load = self.weigh_by_load();
    }

    /// A SYN is sent to a port whose state is not known.
    pub(super) fn loaded(&mut self, sent: Duration) {
        let bucket = bucket(sent);
        match self.load.back_mut() {
            Some((number, count)) if *number == bucket => *count += 1,
            _ => self.load.push_back((bucket, 1)),
        }
        while self.load.len() > KEPT {
            self.load.pop_front();
        }
    }

    fn weigh_by_load(&self) -> f64 {
        let mut load = self.load.iter().peekable();
        let (mut lost, mut all) = (0.0, 0.0);
        for (number, tally) in &self.recent {
            while load.next_if(|(other, _)| other < number).is_some() {}
            if let Some((_, count)) = load.next_if(|(other, _)| other == number) {
                all += float(*count);
                lost += float(*count) * float(tally.lost) / float(tally.asked.max(1));
            }
        }
        if all > 0.0 { lost / all } else { 0.0 }
    }

    /// What was evidence is none: what answered was not the target.
    pub(super) fn forget_evidence(&mut self) {
        (self.total, self.untold) = (Tally::default(), Tally::default());
        self.recent.clear();
        self.under_load = 0.0;
    }

    /// A try that was counted as lost was answered after all, late.
    pub(super) fn forgive(&mut self, sent: Duration) {
        self.total.lost = self.total.lost.saturating_sub(1);
        self.untold.lost = self.untold.lost.saturating_sub(1);
        let bucket = bucket(sent);
        if let Some((_, tally)) = self.recent.iter_mut().rev().find(|(number, _)| *number == bucket) {
            tally.lost = tally.lost.saturating_sub(1);
        }
    }

    /// How probable it is that a try sent at `sent` was lost, were there somebody to answer it.
    pub(super) fn loss(&self, sent: Duration) -> f64 {
        let usual = self.usual_loss();
        let wide = self.round_trip.map_or(NEAR, |known| NEAR.max(known.smoothed * 2));
        // What happened around a try can only make it worth less: a quiet moment proves nothing of a noisy path. At the edge
        // of an outage the nearer surroundings tell more, in the middle the wider.
        let local = self.loss_within(sent, NEAR, usual).max(self.loss_within(sent, wide, usual));
        usual.max(local).max(self.under_load).clamp(LOSS_LEAST, LOSS_MOST)
    }

    fn loss_within(&self, sent: Duration, reach: Duration, usual: f64) -> f64 {
        let (first, last) = (bucket(sent.saturating_sub(reach)), bucket(sent + reach));
        let near = self.recent.iter().rev().skip_while(|(number, _)| *number > last);
        let mut around = Tally::default();
        for (_, tally) in near.take_while(|(number, _)| *number >= first) {
            add_to(&mut around, *tally);
        }
        (float(around.lost) + PRIOR_WEIGHT * usual) / (float(around.asked) + PRIOR_WEIGHT)
    }

    /// The loss over the whole scan of the address, with what others met.
    pub(super) fn usual_loss(&self) -> f64 {
        let rate = |(asked, lost): (f64, f64)| (lost + PRIOR_LOST) / (asked + PRIOR_LOST + PRIOR_ANSWERED);
        self.counted().map(rate).into_iter().fold(LOSS_LEAST, f64::max).min(LOSS_MOST)
    }

    /// The natural logarithm of the probability that tries sent at these times were all lost, though there was somebody to
    /// answer them.
    ///
    /// The loss is not known but estimated, so this is not a power of the estimate: it is the expectation of that power
    /// over all losses that the evidence leaves possible (beta-binomial). What happened around each try can only make it
    /// worth less, and so can what other addresses met.
    pub(super) fn all_lost(&self, tries: &[Duration]) -> f64 {
        let usual = self.usual_loss();
        let around: f64 = tries.iter().map(|sent| (self.loss(*sent) / usual).ln().max(0.0)).sum();
        let chance = |(asked, lost): (f64, f64)| {
            let mut before = 0.0;
            let mut chance = 0.0;
            for _ in tries {
                chance += ((lost + PRIOR_LOST + before) / (asked + PRIOR_LOST + PRIOR_ANSWERED + before)).ln();
                before += 1.0;
            }
            chance
        };
        let worst = self.counted().map(chance).into_iter().fold(f64::NEG_INFINITY, f64::max);
        (worst + around).min(0.0)
    }

    /// Tries and losses, as this address met them, and as others make them look.
    fn counted(&self) -> [(f64, f64); 2] {
        let calm = if self.total.lost == 0 { POOLED_SHARE } else { 0.0 };
        [calm, POOLED_SHARE_LOSSY].map(|share| {
            let weight = (POOLED_MOST / float(self.pooled.asked.max(1))).min(share);
            let asked = float(self.total.asked) + weight * float(self.pooled.asked);
            (asked, float(self.total.lost) + weight * float(self.pooled.lost))
        })
    }

    /// How much other addresses know of the first hops, as tries to this one.
    pub(super) fn pooled_worth(&self) -> u64 {
        if self.total.lost > 0 { 0 } else { self.pooled.asked.min(480) / 20 }
    }
}

fn bucket(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / BUCKET.as_millis()).unwrap_or(u64::MAX)
}

fn add_to(to: &mut Tally, more: Tally) {
    to.asked += more.asked;
    to.lost += more.lost;
}

#[expect(clippy::cast_precision_loss, reason = "counts of tries, far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_sample_and_the_next_are_taken_as_rfc_6298_says() {
        let mut path = Path::default();
        assert_eq!(path.timeout(7 * MS), 7 * MS);
        path.measured(100 * MS);
        assert_eq!(path.round_trip, Some(RoundTrip { smoothed: 100 * MS, variation: 50 * MS }));
        path.measured(20 * MS);
        assert_eq!(path.round_trip, Some(RoundTrip { smoothed: 90 * MS, variation: Duration::from_micros(57_500) }));
        assert_eq!(path.timeout(MS), 108 * MS + 230 * MS);
    }

    #[test]
    fn loss_around_a_try_raises_it_and_calm_does_not_lower_it() {
        let mut path = Path::default();
        assert!((path.loss(MS) - 1.0 / 3.0).abs() < 1e-9, "nothing is known");
        for time in 0..100 {
            path.evidence(time * 10 * MS, false);
        }
        let calm = path.loss(500 * MS);
        assert!(calm < 0.01, "{calm}");
        for time in 0..20 {
            path.evidence(2000 * MS + time * 10 * MS, true);
        }
        assert!(path.loss(2100 * MS) > 0.8);
        assert!(path.loss(500 * MS) >= path.usual_loss() && path.usual_loss() > 0.1);
    }

    #[test]
    fn what_others_lose_makes_silence_worth_less_and_what_they_do_not_lose_hardly_more() {
        let mut pool = Tally::default();
        let all = |more: Tally, pool: &mut Tally| {
            add_to(pool, more);
            *pool
        };
        let tries = [MS, 2 * MS, 3 * MS, 4 * MS];
        let (mut lucky, mut lossy, mut calm) = (Path::default(), Path::default(), Path::default());
        (0..25).for_each(|time| lucky.evidence(time * MS, false));
        let alone = lucky.all_lost(&tries);
        (0..100).for_each(|time| calm.evidence(time * MS, false));
        calm.share(|more| all(more, &mut pool));
        lucky.share(|more| all(more, &mut pool));
        assert_eq!((pool.asked, lucky.pooled.asked), (125, 100), "an address does not count for itself");
        let among_calm = lucky.all_lost(&tries);
        (0..100).for_each(|time| lossy.evidence(time * MS, time % 5 == 0));
        lossy.share(|more| all(more, &mut pool));
        lucky.share(|more| all(more, &mut pool));
        assert_eq!(lucky.pooled, Tally { asked: 200, lost: 20 }, "it is told once");
        let among_lossy = lucky.all_lost(&tries);
        assert!(among_calm <= alone && among_calm > alone - 1.0, "{among_calm}, {alone}");
        assert!(among_lossy > alone + 1.0, "{among_lossy}, {alone}");
    }

    proptest! {
        #[test]
        fn loss_is_a_probability_whatever_the_order(tries in proptest::collection::vec((0u32..20_000, any::<bool>()), 0..400), at in 0u32..20_000) {
            let mut path = Path::default();
            path.share(|_| Tally { asked: 1000, lost: 20 });
            for (sent, lost) in tries {
                path.evidence(sent * MS, lost);
            }
            prop_assert!((LOSS_LEAST..=LOSS_MOST).contains(&path.loss(at * MS)));
            prop_assert!(path.recent.iter().is_sorted_by_key(|(number, _)| *number));
        }

        #[test]
        fn a_timeout_is_bounded_and_never_below_the_round_trip(samples in proptest::collection::vec(1u64..2_000, 1..50)) {
            let mut path = Path::default();
            for sample in samples {
                path.measured(Duration::from_millis(sample));
            }
            let timeout = path.timeout(Duration::ZERO);
            prop_assert!((RTO_LEAST..=RTO_MOST).contains(&timeout));
            prop_assert!(timeout >= path.round_trip.unwrap().smoothed.min(RTO_MOST));
        }
    }
}
