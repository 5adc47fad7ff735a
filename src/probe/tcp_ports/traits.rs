//! What the answers of an address looked like: two kinds of them from one address may be two machines.

use crate::model::fact::PortState;
use crate::model::run::Oddity;
use crate::net::knock::Knock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// From how many answers of each kind on they are compared.
const ENOUGH: u32 = 3;

/// How many different values are kept; more are no sign of anything.
const VALUES: usize = 16;

/// By how much handshakes must be faster than refusals to be told: less is chance, or the work of a listener.
const NEARER: u32 = 4;
const NEARER_BY: Duration = Duration::from_millis(5);

/// The traits of handshakes and of refusals.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    open: Kind,
    closed: Kind,
}

#[derive(Clone, Debug, Default)]
struct Kind {
    answers: u32,
    shortest: Option<Duration>,
    /// Where segments are seen: their time to live, and how many had it.
    times_to_live: BTreeMap<u8, u32>,
    /// And their windows.
    windows: BTreeSet<u16>,
}

impl Traits {
    /// Takes an answer into account.
    pub(super) fn note(&mut self, knock: &Knock) {
        let kind = match knock.fact.state {
            PortState::Open => &mut self.open,
            PortState::Closed => &mut self.closed,
            _ => return,
        };
        let Some(took) = knock.round_trip else { return };
        kind.answers = kind.answers.saturating_add(1);
        kind.shortest = Some(kind.shortest.map_or(took, |shortest| shortest.min(took)));
        if let Some(segment) = knock.segment
            && kind.windows.len() < VALUES
        {
            kind.windows.insert(segment.window);
        }
        if let Some(segment) = knock.segment
            && (kind.times_to_live.len() < VALUES || kind.times_to_live.contains_key(&segment.ttl))
        {
            *kind.times_to_live.entry(segment.ttl).or_default() += 1;
        }
    }

    /// What is odd about them.
    pub fn oddities(&self) -> Vec<Oddity> {
        let mut oddities = Vec::new();
        let (open, closed) = (&self.open, &self.closed);
        if open.answers >= ENOUGH
            && closed.answers >= ENOUGH
            && let (Some(handshake), Some(refusal)) = (open.shortest, closed.shortest)
            && handshake * NEARER <= refusal
            && handshake + NEARER_BY <= refusal
        {
            oddities.push(Oddity::Nearer { handshake_us: micros(handshake), refusal_us: micros(refusal) });
        }
        let hops = |kind: &Kind| kind.times_to_live.keys().copied().collect::<Vec<u8>>();
        let (accepting, refusing) = (hops(open), hops(closed));
        let differ = !accepting.is_empty() && !refusing.is_empty() && accepting != refusing;
        if differ || accepting.len() > 1 {
            oddities.push(Oddity::TimesToLive { accepting, refusing });
        }
        let windows = &open.windows;
        if windows.len() > 1 || windows.contains(&0) {
            oddities.push(Oddity::Windows { accepting: windows.iter().copied().collect() });
        }
        oddities
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{PortFact, PortReason};
    use crate::net::knock::SegmentTraits;

    const OPEN: PortState = PortState::Open;
    const CLOSED: PortState = PortState::Closed;

    #[test]
    fn a_window_of_nothing_and_different_windows_are_recorded() {
        let noted = |windows: &[(PortState, u16)]| {
            let mut traits = Traits::default();
            for (state, window) in windows {
                let fact = PortFact { state: *state, reason: PortReason::Reset, sender: None };
                let segment = Some(SegmentTraits { ttl: 60, window: *window });
                traits.note(&Knock { fact, round_trip: Some(Duration::from_millis(20)), segment });
            }
            traits.oddities()
        };
        // A RST has no window of use.
        assert!(noted(&[(OPEN, 64_240), (OPEN, 64_240), (CLOSED, 0)]).is_empty());
        let different = noted(&[(OPEN, 64_240), (OPEN, 8192)]);
        assert_eq!(different, [Oddity::Windows { accepting: vec![8192, 64_240] }]);
        assert!(!different[0].is_telling());
        let proxied = noted(&[(OPEN, 0)]);
        assert_eq!(proxied, [Oddity::Windows { accepting: vec![0] }]);
        assert!(proxied[0].is_telling() && proxied[0].describe().contains("SYN proxy"));
    }

    fn noted(answers: &[(PortState, u64, Option<u8>)]) -> Vec<Oddity> {
        let mut traits = Traits::default();
        for (state, ms, ttl) in answers {
            let fact = PortFact { state: *state, reason: PortReason::Reset, sender: None };
            let segment = ttl.map(|ttl| SegmentTraits { ttl, window: 64_240 });
            traits.note(&Knock { fact, round_trip: Some(Duration::from_millis(*ms)), segment });
        }
        traits.oddities()
    }

    #[test]
    fn handshakes_from_much_nearer_than_refusals_are_odd() {
        let answers = |open, closed| {
            let times = [open, closed, open + 1, closed + 1, open, closed + 3];
            let states = [OPEN, CLOSED].into_iter().cycle();
            states.zip(times).map(|(state, ms)| (state, ms, None)).collect::<Vec<_>>()
        };
        assert_eq!(noted(&answers(2, 21)), [Oddity::Nearer { handshake_us: 2000, refusal_us: 21_000 }]);
        assert!(noted(&answers(20, 21)).is_empty());
        assert!(noted(&answers(2, 21)[..5]).is_empty(), "two refusals are no measure");
    }

    #[test]
    fn two_machines_behind_one_address_are_seen_by_their_hops() {
        assert_eq!(
            noted(&[(OPEN, 20, Some(62)), (CLOSED, 20, Some(126))]),
            [Oddity::TimesToLive { accepting: vec![62], refusing: vec![126] }]
        );
        assert_eq!(noted(&[(OPEN, 20, Some(62)), (OPEN, 20, Some(61))]).len(), 1);
        assert!(noted(&[(OPEN, 20, Some(62)), (CLOSED, 20, Some(62))]).is_empty());
    }
}
