//! What is said of a target of which two runs say the same, without comparing them again.

use super::of_target;
use super::pair::In;
use super::seen::band;
use crate::model::drift::{NotCompared, Presence, TargetDrift};
use crate::model::fact::Fact;
use crate::model::run::{Run, TargetRun};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// By which rules it was made: to be raised whenever what [`super::compare`] says of two runs that say the same is made otherwise, so
/// that what was kept by the older rules does not count.
const RULES: u32 = 1;

/// What two runs that say the same of a target, word for word but for days that are counted, come to: nothing changed, and this
/// could be told by neither.
///
/// It is kept with what is said, so that of hundreds of servers only those are looked at again that say something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    rules: u32,
    host: String,
    not_compared: Vec<NotCompared>,
    /// When the certificates that were seen end, RFC 3339.
    ends: Vec<String>,
}

impl Still {
    /// Of a target of this run. `None` where even the same run compared with itself would tell of something.
    pub fn of(run: &Run, target: &TargetRun) -> Option<Self> {
        let same = Some(In { run, target });
        let drift = of_target(target, &[same, same], 0, &[]);
        let mut ends: Vec<String> = target.observations.iter().filter_map(end).collect();
        ends.sort_unstable();
        ends.dedup();
        let quiet = drift.presence == Presence::Both
            && drift.changes.is_empty()
            && drift.flapping.is_empty()
            && drift.inventory.is_empty()
            && drift.left_out == 0;
        quiet.then_some(Self { rules: RULES, host: drift.host, not_compared: drift.not_compared, ends })
    }

    /// Whether it holds for two runs that say the same of the target: they saw it through the same network, and no certificate
    /// came nearer to its end than a word more.
    pub fn holds(&self, before: &Run, after: &Run) -> bool {
        let day = |run: &Run| run.started.parse::<Timestamp>().ok().map(Timestamp::as_second);
        let (Some(old), Some(new)) = (day(before), day(after)) else { return false };
        let same = |end: &String| {
            let end = end.parse::<Timestamp>().ok().map(Timestamp::as_second);
            end.is_some_and(|end| band(days(old, end)) == band(days(new, end)))
        };
        self.rules == RULES && before.vantage.ways == after.vantage.ways && self.ends.iter().all(same)
    }

    /// What is to be said of the target.
    pub fn drift(&self, client: &str, name: &str) -> TargetDrift {
        TargetDrift {
            client: client.to_owned(),
            name: name.to_owned(),
            host: self.host.clone(),
            presence: Presence::Both,
            inventory: Vec::new(),
            changes: Vec::new(),
            flapping: Vec::new(),
            not_compared: self.not_compared.clone(),
            left_out: 0,
        }
    }
}

/// When the certificate of an observation ends.
fn end(observation: &crate::model::observation::Observation) -> Option<String> {
    match observation.attempt.fact() {
        Some(Fact::Certificate(certificate)) => Some(certificate.not_after.clone()),
        _ => None,
    }
}

/// The whole days from one time to another, in seconds since 1970; negative where that is over.
fn days(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).div_euclid(24 * 60 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::tests::properties::examples;
    use crate::drift::tests::world::World;
    use crate::drift::{Series, compare};
    use crate::model::observation::Attempt;
    use crate::model::ports::{Ports, Transport};
    use crate::model::vantage::{Passage, Vantage, Way};

    /// A run that says what `run` says, begun on another day: only the days that are left of certificates are others.
    fn begun(run: &Run, at: Timestamp) -> Run {
        let mut run = Run { started: at.to_string(), ..run.clone() };
        for observation in run.targets.iter_mut().flat_map(|target| &mut target.observations) {
            if let Attempt::Answered { fact: Fact::Certificate(certificate) } = &mut observation.attempt {
                let end: Timestamp = certificate.not_after.parse().unwrap();
                certificate.days_left = days(at.as_second(), end.as_second());
            }
        }
        run
    }

    fn on(day: &str) -> Run {
        begun(&World::sound().run(), format!("{day}T02:00:00Z").parse().unwrap())
    }

    #[test]
    fn where_it_holds_comparing_says_the_same() {
        let mut held = [0, 0];
        for world in examples().into_iter().chain([World::sound()]) {
            let run = world.run();
            let end = run.targets[0].observations.iter().find_map(end);
            let end: Timestamp = end.unwrap_or_else(|| "2027-01-01T00:00:00Z".to_owned()).parse().unwrap();
            let first = |day: i64| Timestamp::from_second(end.as_second() - day * 86_400 + 3_600).unwrap();
            for (before, after) in
                [(200, 100), (40, 31), (31, 30), (30, 29), (15, 14), (8, 7), (1, 0), (0, -1), (-1, -9)]
            {
                let (before, after) = (begun(&run, first(before)), begun(&run, first(after)));
                let still = Still::of(&before, &before.targets[0]).unwrap();
                let holds = still.holds(&before, &after);
                held[usize::from(holds)] += 1;
                let compared = compare(&Series::new([(None, &before), (None, &after)]).unwrap()).targets.remove(0);
                let target = &after.targets[0].target;
                if holds {
                    assert_eq!(still.drift(&target.client, &target.name), compared, "{world:?}");
                } else {
                    assert!(!compared.changes.is_empty() || !compared.not_compared.is_empty(), "{world:?}");
                }
            }
        }
        assert!(held.iter().all(|held| *held > 5), "{held:?}");
    }

    #[test]
    fn a_certificate_that_comes_near_its_end_is_looked_at() {
        let still = |end: &str| Still {
            rules: RULES,
            host: "h".to_owned(),
            not_compared: Vec::new(),
            ends: vec![end.to_owned()],
        };
        let (before, after) = (on("2026-11-01"), on("2026-11-02"));
        for (end, same) in [
            ("2027-11-01T02:00:00Z", true),
            // 30 days are left on the first day, and 29 on the second.
            ("2026-12-01T02:00:00Z", false),
            ("2026-12-01T01:59:59Z", true),
            ("2026-12-02T02:00:00Z", true),
            ("2026-11-15T02:00:00Z", false),
            ("2026-11-08T02:00:00Z", false),
            // It ends between the two.
            ("2026-11-01T12:00:00Z", false),
            ("2026-10-01T12:00:00Z", true),
            ("when it likes", false),
        ] {
            assert_eq!(still(end).holds(&before, &after), same, "{end}");
        }
    }

    #[test]
    fn what_was_seen_through_another_network_or_made_by_other_rules_is_looked_at() {
        let (before, after) = (on("2026-11-01"), on("2026-11-02"));
        let still = Still::of(&after, &after.targets[0]).unwrap();
        assert!(still.holds(&before, &after));
        assert!(!Still { rules: RULES + 1, ..still.clone() }.holds(&before, &after));
        let mut vantage = Vantage::default();
        vantage.ways.add(Way {
            ports: Ports::one(Transport::Tcp, 3389).unwrap(),
            v6: false,
            inside: false,
            passage: Passage::Blocked,
            sender: None,
        });
        let elsewhere = Run { vantage, ..after.clone() };
        assert!(!still.holds(&before, &elsewhere));
        assert!(!still.holds(&Run { started: "once".to_owned(), ..before }, &after));
    }
}
