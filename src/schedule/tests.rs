use super::*;
use proptest::prelude::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::new(cron, zone, None, &[]).unwrap()
}

fn upcoming(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let next = |from: &Timestamp| schedule.next(*from, "who").map(|due| due.nominal);
    let times = std::iter::successors(next(&time(after)), next).take(count);
    times.map(|time| time.to_zoned(schedule.zone().clone()).strftime("%m-%d %H:%M %:z").to_string()).collect()
}

#[test]
fn a_nightly_scan_runs_once_in_every_night_of_a_clock_change() {
    let berlin = schedule("30 2 * * *", "Europe/Berlin");
    // Put forward from 02:00 to 03:00 on 28 March 2027.
    assert_eq!(
        upcoming(&berlin, "2027-03-26T12:00:00Z", 4),
        ["03-27 02:30 +01:00", "03-28 03:30 +02:00", "03-29 02:30 +02:00", "03-30 02:30 +02:00"]
    );
    // Put back from 03:00 to 02:00 on 31 October 2027.
    assert_eq!(
        upcoming(&berlin, "2027-10-30T12:00:00Z", 3),
        ["10-31 02:30 +02:00", "11-01 02:30 +01:00", "11-02 02:30 +01:00"]
    );
}

#[test]
fn what_is_due_often_is_due_in_order_over_a_clock_change() {
    let berlin = schedule("*/30 * * * *", "Europe/Berlin");
    assert_eq!(
        upcoming(&berlin, "2027-03-28T00:15:00Z", 5),
        ["03-28 01:30 +01:00", "03-28 03:00 +02:00", "03-28 03:30 +02:00", "03-28 04:00 +02:00", "03-28 04:30 +02:00"]
    );
    assert_eq!(
        upcoming(&berlin, "2027-10-31T00:15:00Z", 4),
        ["10-31 02:30 +02:00", "10-31 03:00 +01:00", "10-31 03:30 +01:00", "10-31 04:00 +01:00"]
    );
}

#[test]
fn a_day_that_a_country_left_out_does_not_lose_what_was_due() {
    // Samoa went from 29 to 31 December 2011.
    let apia = schedule("0 4 * * *", "Pacific/Apia");
    assert_eq!(
        upcoming(&apia, "2011-12-29T00:00:00Z", 3),
        ["12-29 04:00 -10:00", "12-31 04:00 +14:00", "01-01 04:00 +14:00"]
    );
}

#[test]
fn cron_means_what_cron_means() {
    let sundays = schedule("0 3 * * SUN", "America/Chicago");
    assert_eq!(upcoming(&sundays, "2026-11-21T12:00:00Z", 2), ["11-22 03:00 -06:00", "11-29 03:00 -06:00"]);
    let leap = schedule("0 0 29 2 *", "UTC");
    assert_eq!(upcoming(&leap, "2026-01-01T00:00:00Z", 1), ["02-29 00:00 +00:00"]);
}

#[test]
fn mistakes_are_told_by_their_key() {
    let wrong = |cron: &str, zone: &str, jitter: Option<&str>, quiet: &[&str]| {
        Schedule::new(cron, zone, jitter, quiet).unwrap_err().to_string()
    };
    assert!(wrong("0 2 * *", "UTC", None, &[]).contains("five fields"));
    assert!(wrong("0 2 * * * UTC", "UTC", None, &[]).contains("this has 6"));
    assert!(!wrong("99 2 * * *", "UTC", None, &[]).is_empty());
    assert_eq!(wrong("0 0 30 2 *", "UTC", None, &[]), "no day ever fits this expression");
    assert_eq!(wrong("0 2 * * *", "Europe/Berln", None, &[]), "there is no time zone `Europe/Berln`");
    assert!(wrong("0 2 * * *", "UTC", Some("soon"), &[]).contains("`30m`"));
    assert!(wrong("0 2 * * *", "UTC", Some("13h"), &[]).contains("between 0 and 12 hours"));
    assert!(wrong("0 2 * * *", "UTC", Some("-5m"), &[]).contains("between 0 and 12 hours"));
    for quiet in ["", "Mon", "Mon-Fri", "07:00", "7:00-9:00", "25:00-26:00", "Mo 07:00-09:00", "07:00-07:00", "a b c"] {
        assert!(
            matches!(Schedule::new("0 2 * * *", "UTC", None, &[quiet]), Err(ScheduleError::Quiet { place: 0, .. })),
            "{quiet}"
        );
    }
    assert!(wrong("0 2 * * *", "UTC", None, &["00:00-12:00", "12:00-24:00"]).contains("no minute of the week"));
    assert!(wrong("0 2 * * *", "UTC", None, &["00:00-24:00"]).contains("no minute of the week"));
}

#[test]
fn what_falls_into_quiet_hours_waits_for_their_end() {
    let at = |cron: &str, quiet: &[&str], after: &str| {
        let schedule = Schedule::new(cron, "Europe/Berlin", None, quiet).unwrap();
        let due = schedule.next(time(after), "who").unwrap();
        due.at.to_zoned(schedule.zone().clone()).strftime("%a %H:%M").to_string()
    };
    let office = ["Mon-Fri 07:00-19:00"];
    // 23 November 2026 is a Monday.
    assert_eq!(at("0 12 * * *", &office, "2026-11-23T00:00:00Z"), "Mon 19:00");
    assert_eq!(at("0 12 * * *", &office, "2026-11-21T00:00:00Z"), "Sat 12:00");
    assert_eq!(at("0 7 * * *", &office, "2026-11-23T00:00:00Z"), "Mon 19:00", "the first minute is quiet");
    assert_eq!(at("0 19 * * *", &office, "2026-11-23T00:00:00Z"), "Mon 19:00", "the last is not");
    assert_eq!(at("0 23 * * *", &["22:00-06:00"], "2026-11-23T00:00:00Z"), "Tue 06:00");
    assert_eq!(at("0 5 * * *", &["22:00-06:00"], "2026-11-23T00:00:00Z"), "Mon 06:00", "of those that began on Sunday");
    assert_eq!(at("0 23 * * *", &["22:00-06:00", "Tue 06:00-24:00"], "2026-11-23T00:00:00Z"), "Wed 06:00");
    assert_eq!(at("0 1 * * *", &["Sat-Mon 00:00-24:00"], "2026-11-20T12:00:00Z"), "Tue 00:00");
}

#[test]
fn jitter_is_the_same_after_a_restart_and_not_the_same_for_all() {
    let schedule = Schedule::new("0 2 * * *", "UTC", Some("1h"), &[]).unwrap();
    let at = |who: &str| schedule.next(time("2026-11-21T00:00:00Z"), who).unwrap().at;
    assert_eq!(at("Northwind"), at("Northwind"));
    let all: std::collections::BTreeSet<Timestamp> = (0..50).map(|who| at(&who.to_string())).collect();
    assert!(all.len() > 40, "{}", all.len());
    let (first, last) = (time("2026-11-21T02:00:00Z"), time("2026-11-21T03:00:00Z"));
    assert!(all.iter().all(|at| (first..=last).contains(at)));
}

#[test]
fn what_was_due_is_counted_and_its_last_found() {
    let hourly = schedule("0 * * * *", "UTC");
    let (from, to) = (time("2026-11-21T00:30:00Z"), time("2026-11-22T00:00:00Z"));
    assert_eq!(hourly.count(from, to), 24);
    assert_eq!(scans(24, ""), "24 scans");
    let year = from.saturating_add(SignedDuration::from_hours(9000)).unwrap();
    assert_eq!(scans(hourly.count(from, year), "earlier "), "more than 1000 earlier scans", "a bound is no count");
    let near = from.saturating_add(SignedDuration::from_hours(1000)).unwrap();
    assert_eq!(scans(hourly.count(from, near), ""), "1000 scans");
    assert_eq!(hourly.last(from, to), Some(to));
    assert_eq!(hourly.last(from, time("2026-11-21T00:59:59Z")), None);
    let yearly = schedule("0 0 1 1 *", "UTC");
    assert_eq!(
        yearly.last(time("2020-06-01T00:00:00Z"), time("2026-11-21T00:00:00Z")),
        Some(time("2026-01-01T00:00:00Z"))
    );
}

#[test]
fn a_schedule_is_shown_as_it_was_written() {
    let schedule = Schedule::new("30  2 * * *", "Europe/Berlin", Some("30m"), &["mon-fri 07:00-19:00", "22:00-24:00"]);
    assert_eq!(
        schedule.unwrap().to_string(),
        "30 2 * * * Europe/Berlin, within 30m, not Mon,Tue,Wed,Thu,Fri 07:00-19:00, not 22:00-24:00"
    );
}

proptest! {
    #[test]
    fn every_occurrence_is_later_than_the_one_before(
        minute in 0_u8..60, hour in 0_u8..24, often in any::<bool>(),
        zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe", "Pacific/Apia"]),
        begin in 1_200_000_000_i64..1_900_000_000,
        quiet in proptest::sample::select(vec![None, Some("22:00-06:00"), Some("Mon-Fri 07:00-19:00"), Some("00:00-23:59")]),
    ) {
        let cron = if often { format!("{minute} * * * *") } else { format!("{minute} {hour} * * *") };
        let quiet: Vec<&str> = quiet.into_iter().collect();
        let schedule = Schedule::new(&cron, zone, Some("20m"), &quiet).unwrap();
        let mut after = Timestamp::from_second(begin).unwrap();
        for _ in 0..5 {
            let due = schedule.next(after, "who").unwrap();
            prop_assert!(due.nominal > after && due.at >= due.nominal);
            let longest = if often { 3 } else { 50 };
            prop_assert!(due.nominal.duration_since(after) <= SignedDuration::from_hours(longest));
            prop_assert_eq!(schedule.out_of_quiet(due.at, "who"), due.at, "never in quiet hours");
            prop_assert_eq!(schedule.count(after, due.nominal), 1);
            prop_assert_eq!(schedule.last(after, due.nominal), Some(due.nominal));
            after = due.nominal;
        }
    }
}
