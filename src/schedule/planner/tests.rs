use super::*;
use proptest::prelude::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn job(id: &str, cron: &str, quiet: &[&str]) -> Job {
    Job { id: id.to_owned(), schedule: Schedule::new(cron, "UTC", None, quiet).unwrap() }
}

fn never(_: &str) -> Option<Timestamp> {
    None
}

fn ids(starts: &[Start]) -> Vec<&str> {
    starts.iter().map(|start| start.id.as_str()).collect()
}

#[test]
fn a_job_begins_when_it_is_due_and_only_then() {
    let mut planner = Planner::new(vec![job("a", "0 2 * * *", &[])], time("2026-11-21T00:00:00Z"), never);
    assert_eq!(planner.wake(), Some(time("2026-11-21T02:00:00Z")));
    assert!(planner.begin(time("2026-11-21T01:59:59Z")).is_empty());
    let starts = planner.begin(time("2026-11-21T02:00:00Z"));
    assert_eq!((ids(&starts), starts[0].missed), (vec!["a"], 0));
    assert!(planner.begin(time("2026-11-21T02:00:01Z")).is_empty(), "it runs");
    assert_eq!(planner.finished("a", time("2026-11-21T02:20:00Z")), Some(Ended { skipped: 0 }));
    assert_eq!(planner.wake(), Some(time("2026-11-22T02:00:00Z")));
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let settled = |_: &str| Some(time("2026-11-11T02:00:00Z"));
    let now = time("2026-11-21T09:00:00Z");
    let mut planner = Planner::new(vec![job("a", "0 2 * * *", &[])], now, settled);
    let starts = planner.begin(now);
    assert_eq!(ids(&starts), ["a"]);
    assert_eq!((starts[0].nominal, starts[0].missed), (time("2026-11-21T02:00:00Z"), 9));
    planner.finished("a", time("2026-11-21T09:10:00Z"));
    assert!(planner.begin(time("2026-11-21T09:11:00Z")).is_empty());
    assert_eq!(planner.wake(), Some(time("2026-11-22T02:00:00Z")));
}

#[test]
fn who_asks_once_catches_up_at_once() {
    let settled = |_: &str| Some(time("2026-11-11T02:00:00Z"));
    let now = time("2026-11-21T09:00:00Z");
    let jittered = Schedule::new("0 2 * * *", "UTC", Some("6h"), &["10:00-11:00"]).unwrap();
    let jobs = || vec![Job { id: "a".to_owned(), schedule: jittered.clone() }];
    assert_eq!(ids(&Planner::once(jobs(), now, settled).begin(now)), ["a"]);
    let quiet = time("2026-11-21T10:30:00Z");
    assert!(Planner::once(jobs(), quiet, settled).begin(quiet).is_empty());
}

#[test]
fn what_was_missed_is_not_caught_up_in_quiet_hours() {
    let settled = |_: &str| Some(time("2026-11-11T02:00:00Z"));
    let now = time("2026-11-20T09:00:00Z");
    let mut planner = Planner::new(vec![job("a", "0 2 * * *", &["Mon-Fri 07:00-19:00"])], now, settled);
    assert!(planner.begin(now).is_empty());
    assert_eq!(planner.wake(), Some(time("2026-11-20T19:00:00Z")));
    assert_eq!(ids(&planner.begin(time("2026-11-20T19:00:00Z"))), ["a"]);
}

#[test]
fn what_could_not_begin_is_due_as_before_and_not_in_quiet_hours() {
    let settled = |_: &str| Some(time("2026-11-11T02:00:00Z"));
    let now = time("2026-11-20T05:00:00Z");
    let mut planner = Planner::new(vec![job("a", "0 2 * * *", &["Mon-Fri 07:00-19:00"])], now, settled);
    let first = planner.begin(now);
    planner.put_back("a");
    assert_eq!(planner.begin(time("2026-11-20T05:00:20Z")), first, "with all that was missed");
    planner.put_back("a");
    assert!(planner.begin(time("2026-11-20T08:00:00Z")).is_empty());
    let starts = planner.begin(time("2026-11-20T19:00:00Z"));
    assert_eq!((ids(&starts), starts[0].missed), (vec!["a"], 8));
    planner.finished("a", time("2026-11-20T19:10:00Z"));
    planner.put_back("a");
    assert!(planner.begin(time("2026-11-20T19:11:00Z")).is_empty(), "what ran is not put back");
}

#[test]
fn a_job_that_never_ran_has_missed_nothing() {
    let mut planner = Planner::new(vec![job("a", "0 2 * * *", &[])], time("2026-11-21T03:00:00Z"), never);
    assert!(planner.begin(time("2026-11-21T03:00:00Z")).is_empty());
}

#[test]
fn a_machine_that_slept_catches_up_once() {
    let mut planner = Planner::new(vec![job("a", "0 * * * *", &[])], time("2026-11-21T00:30:00Z"), never);
    let starts = planner.begin(time("2026-11-21T07:45:00Z"));
    assert_eq!((starts.len(), starts[0].missed, starts[0].nominal), (1, 6, time("2026-11-21T07:00:00Z")));
}

#[test]
fn runs_never_overlap_and_what_came_meanwhile_is_said() {
    let mut planner = Planner::new(vec![job("a", "*/10 * * * *", &[])], time("2026-11-21T00:05:00Z"), never);
    assert_eq!(planner.begin(time("2026-11-21T00:10:00Z")).len(), 1);
    assert!(planner.begin(time("2026-11-21T00:20:00Z")).is_empty());
    assert!(planner.begin(time("2026-11-21T00:30:00Z")).is_empty());
    assert_eq!(planner.finished("a", time("2026-11-21T00:35:00Z")), Some(Ended { skipped: 2 }));
    assert!(planner.begin(time("2026-11-21T00:35:00Z")).is_empty());
    assert_eq!(planner.wake(), Some(time("2026-11-21T00:40:00Z")));
}

#[test]
fn a_slow_job_keeps_no_other_waiting() {
    let jobs = vec![job("fast", "*/10 * * * *", &[]), job("slow", "*/10 * * * *", &[])];
    let mut planner = Planner::new(jobs, time("2026-11-21T00:05:00Z"), never);
    assert_eq!(ids(&planner.begin(time("2026-11-21T00:10:00Z"))), ["fast", "slow"]);
    planner.finished("fast", time("2026-11-21T00:11:00Z"));
    assert_eq!(ids(&planner.begin(time("2026-11-21T00:20:00Z"))), ["fast"]);
}

#[test]
fn a_reload_in_flight_neither_ends_nor_repeats_what_runs() {
    let now = time("2026-11-21T00:05:00Z");
    let mut planner = Planner::new(vec![job("a", "*/10 * * * *", &[]), job("b", "*/10 * * * *", &[])], now, never);
    assert_eq!(planner.begin(time("2026-11-21T00:10:00Z")).len(), 2);
    // `a` is taken away, `b` gets another schedule, `c` is new.
    planner.reload(vec![job("b", "0 3 * * *", &[]), job("c", "0 2 * * *", &[])], time("2026-11-21T00:12:00Z"));
    assert!(planner.begin(time("2026-11-21T00:30:00Z")).is_empty());
    assert!(planner.finished("a", time("2026-11-21T00:31:00Z")).is_some());
    assert_eq!(planner.finished("b", time("2026-11-21T00:31:00Z")), Some(Ended { skipped: 0 }));
    let standing: Vec<(String, Option<Timestamp>)> =
        planner.standing().map(|(id, standing)| (id.to_owned(), standing.next)).collect();
    assert_eq!(
        standing,
        [("b".to_owned(), Some(time("2026-11-21T03:00:00Z"))), ("c".to_owned(), Some(time("2026-11-21T02:00:00Z")))]
    );
}

#[test]
fn the_same_jobs_again_change_nothing() {
    let now = time("2026-11-21T00:05:00Z");
    let settled = |_: &str| Some(time("2026-11-20T02:00:00Z"));
    let jobs = || vec![job("a", "0 2 * * *", &[]), job("b", "*/10 * * * *", &[])];
    let mut planner = Planner::new(jobs(), now, settled);
    planner.begin(now);
    let before: Vec<(String, Standing)> = planner.standing().map(|(id, one)| (id.to_owned(), one)).collect();
    planner.reload(jobs(), time("2026-11-21T00:06:00Z"));
    let after: Vec<(String, Standing)> = planner.standing().map(|(id, one)| (id.to_owned(), one)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_job_from_running() {
    let settled = |_: &str| Some(time("2036-11-20T02:00:00Z"));
    let planner = Planner::new(vec![job("a", "0 2 * * *", &[])], time("2026-11-21T00:00:00Z"), settled);
    assert_eq!(planner.wake(), Some(time("2026-11-21T02:00:00Z")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the clock does and however long runs take.
    #[test]
    fn no_job_ever_runs_twice_at_once_nor_for_the_same_occurrence(steps in proptest::collection::vec((0_i64..7200, any::<bool>(), any::<bool>()), 1..60)) {
        let mut now = time("2026-11-21T00:05:00Z");
        let jobs = || vec![job("a", "*/20 * * * *", &[]), job("b", "7 * * * *", &["01:00-03:00"])];
        let mut planner = Planner::new(jobs(), now, never);
        let mut running: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
        let mut ran: std::collections::BTreeSet<(String, Timestamp)> = std::collections::BTreeSet::new();
        for (seconds, ends, reloads) in steps {
            now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            for start in planner.begin(now) {
                prop_assert!(running.insert(start.id.clone()));
                prop_assert!(ran.insert((start.id.clone(), start.nominal)));
                prop_assert!(start.nominal <= now && start.due <= now);
                if start.id == "b" {
                    let hour = now.to_zoned(jiff::tz::TimeZone::UTC).hour();
                    prop_assert!(!(1..3).contains(&hour), "quiet hours");
                }
            }
            if reloads {
                planner.reload(jobs(), now);
            }
            if ends {
                for id in std::mem::take(&mut running) {
                    prop_assert!(planner.finished(&id, now).is_some());
                }
            }
            prop_assert_eq!(planner.wake().is_none(), running.len() == 2);
        }
    }
}
