use super::super::{Book, JobStanding, Partly, ScheduledServer, jobs, scheduled, servers};
use super::{CLIENT, at, told};
use crate::history::JobRecord;
use crate::history::outbox::Standing;
use crate::model::matter::MatterState;
use crate::model::verdict::Severity;
use crate::schedule::Schedule;

const JOB: &str = "N: 0 2 * * * UTC";

fn job(record: Option<JobRecord>, running: bool) -> JobStanding {
    let schedule = Schedule::new("0 2 * * *", "UTC", None, &[]).unwrap();
    let (id, client) = (JOB.to_owned(), CLIENT.to_owned());
    JobStanding { id, client, schedule, record, running, why: None, since: None }
}

fn record(settled: &str, began: Option<&str>, ended: Option<&str>, exit: Option<i32>) -> JobRecord {
    JobRecord {
        id: JOB.to_owned(),
        settled: settled.to_owned(),
        began: began.map(str::to_owned),
        ended: ended.map(str::to_owned),
        exit,
        skipped: 0,
    }
}

#[test]
fn a_scan_that_does_not_happen_is_told_until_one_has_come_to_its_end() {
    let mut standing = Standing { looks: 1, ..Standing::default() };
    let mut look = |one: JobStanding, now: &str| {
        let mut book = Book::new(standing.clone());
        jobs(&mut book, "inventory", &[one], at(now));
        standing = book.standing();
        told(book.notices())
    };
    let settled = "2026-11-20T02:04:00Z";
    let idle = || record(settled, Some("2026-11-20T02:00:00Z"), Some(settled), Some(0));
    assert_eq!(look(job(None, false), "2026-11-21T12:00:00Z"), [""; 0], "nobody ever watched");
    assert_eq!(look(job(Some(idle()), false), "2026-11-21T02:29:00Z"), [""; 0], "not yet");
    let begun = record(settled, Some("2026-11-21T02:00:01Z"), None, None);
    assert_eq!(look(job(Some(begun.clone()), true), "2026-11-21T09:00:00Z"), [""; 0], "it takes long, and goes on");
    assert_eq!(
        look(job(Some(begun), false), "2026-11-21T09:00:00Z"),
        [format!("raised missed: The scan of {CLIENT} that was due 2026-11-21T02:00:00Z did not come to its end")]
    );
    assert_eq!(look(job(Some(idle()), false), "2026-11-23T09:00:00Z"), [""; 0]);
    // What makes up for it has begun, and is not there yet.
    let late = record(settled, Some("2026-11-23T09:00:00Z"), None, None);
    assert_eq!(look(job(Some(late), true), "2026-11-23T09:01:00Z"), [""; 0]);
    let done = record("2026-11-23T09:05:00Z", Some("2026-11-23T09:00:00Z"), Some("2026-11-23T09:05:00Z"), Some(1));
    assert_eq!(
        look(job(Some(done.clone()), false), "2026-11-23T09:06:00Z"),
        [format!("resolved missed: A scan of {CLIENT} has come to its end again")]
    );
    let skipped = JobRecord { skipped: 2, ..done.clone() };
    assert_eq!(
        look(job(Some(skipped.clone()), false), "2026-11-23T09:07:00Z"),
        [format!("raised missed: 2 scans of {CLIENT} did not happen, because the one before still ran")]
    );
    assert_eq!(look(job(Some(skipped), false), "2026-11-23T09:08:00Z"), [""; 0]);
    assert_eq!(look(job(Some(done), false), "2026-11-23T09:09:00Z").len(), 1);
}

#[test]
fn a_scan_that_fails_as_a_whole_is_told_until_one_is_whole() {
    let mut standing = Standing { looks: 1, ..Standing::default() };
    let mut look = |exit: Option<i32>| {
        let mut book = Book::new(standing.clone());
        let ended = record("2026-11-20T02:04:00Z", Some("2026-11-20T02:00:00Z"), Some("2026-11-20T02:04:00Z"), exit);
        jobs(&mut book, "inventory", &[job(Some(ended), false)], at("2026-11-20T03:00:00Z"));
        standing = book.standing();
        told(book.notices())
    };
    assert_eq!(look(Some(0)), [""; 0]);
    assert_eq!(look(Some(2)), [format!("raised failure: The scan of {CLIENT} was refused: nothing was scanned")]);
    assert_eq!(look(Some(2)), [""; 0]);
    assert_eq!(look(None), [format!("escalated failure: The scan of {CLIENT} was killed")]);
    assert_eq!(look(Some(1)), [format!("resolved failure: The scan of {CLIENT} is whole again")]);
}

/// It was told as stopped; neither that it is to be run again, nor that it is, is another matter.
#[test]
fn a_scan_that_was_stopped_and_is_run_again_is_told_once_and_mended_once() {
    let (settled, night, stopped_at) = ("2026-11-20T02:04:00Z", "2026-11-21T02:00:01Z", "2026-11-21T02:10:00Z");
    let stopped = record(settled, Some(night), Some(stopped_at), Some(3));
    let mut looks = Looks::new();
    let stood = |record: &JobRecord, running: bool| {
        let why = record.stopped().map(|_| Partly::Stopped);
        [JobStanding { why, ..job(Some(record.clone()), running) }]
    };
    let told = format!("raised failure: The scan of {CLIENT} was stopped before it was whole");
    assert_eq!(looks.look("a", &stood(&stopped, false), "2026-11-21T02:10:01Z"), [told]);
    let action = looks.0.matters[0].action.clone().unwrap_or_default();
    assert!(action.contains("run again once"), "{action}");
    assert_eq!(looks.look("a", &stood(&stopped, false), "2026-11-21T09:00:00Z"), [""; 0], "it waits for the start");
    let again = JobRecord { began: Some("2026-11-21T09:00:00Z".to_owned()), ended: None, ..stopped.clone() };
    assert_eq!(looks.look("a", &stood(&again, true), "2026-11-21T09:01:00Z"), [""; 0]);
    let missed = format!("raised missed: The scan of {CLIENT} that was due 2026-11-22T02:00:00Z did not happen");
    let mut later = Looks(looks.0.clone());
    assert_eq!(later.look("a", &stood(&stopped, false), "2026-11-22T03:00:00Z"), [missed], "what is due after it is");
    // That it was stopped mends nothing.
    assert_eq!(later.look("a", &stood(&stopped, false), "2026-11-22T04:00:00Z"), [""; 0]);
    let done = record("2026-11-21T09:05:00Z", Some("2026-11-21T09:00:00Z"), Some("2026-11-21T09:05:00Z"), Some(0));
    let whole = format!("resolved failure: The scan of {CLIENT} is whole again");
    assert_eq!(looks.look("a", &stood(&done, false), "2026-11-21T09:06:00Z"), [whole]);
}

#[test]
fn what_began_and_ended_between_two_looks_is_told_in_one_word() {
    let mut book = Book::new(Standing { looks: 1, ..Standing::default() });
    let standing = job(Some(record("2026-11-01T02:00:00Z", None, None, None)), false);
    jobs(&mut book, "inventory", std::slice::from_ref(&standing), at("2026-11-20T03:00:00Z"));
    let key = book.notices()[0].key.clone();
    book.resolve(&key, "it came".to_owned(), Vec::new(), None);
    assert_eq!(told(book.notices()), ["resolved missed: it came"]);
    assert!(book.notices()[0].details.iter().any(|detail| detail.contains("It was not told when it began")));
}

/// One job over many looks.
struct Looks(Standing);

impl Looks {
    fn new() -> Self {
        Self(Standing { looks: 1, ..Standing::default() })
    }

    fn look(&mut self, inventory: &str, all: &[JobStanding], now: &str) -> Vec<String> {
        let mut book = Book::new(self.0.clone());
        jobs(&mut book, inventory, all, at(now));
        self.0 = book.standing();
        told(book.notices())
    }

    /// As an inventory with these servers of the client, each with its schedule.
    fn look_with(&mut self, of: &[(&str, bool)], standing: &JobStanding, now: &str) -> Vec<String> {
        let mut book = Book::new(self.0.clone());
        let server = |(name, has): &(&str, bool)| ScheduledServer {
            client: CLIENT.to_owned(),
            name: (*name).to_owned(),
            job: has.then(|| JOB.to_owned()),
        };
        let all: Vec<ScheduledServer> = of.iter().map(server).collect();
        let since = scheduled(&mut book, "inventory", &all, at(now)).get(JOB).cloned();
        let wanted = of.iter().any(|(_, has)| *has).then(|| JobStanding { since, ..standing.clone() });
        jobs(&mut book, "inventory", wanted.as_slice(), at(now));
        servers(&mut book, "inventory", of.iter().map(|(name, _)| (CLIENT, *name)), at(now));
        self.0 = book.standing();
        told(book.notices())
    }
}

#[test]
fn a_partial_scan_is_told_by_why_it_is() {
    let ended = || record("2026-11-20T02:04:00Z", Some("2026-11-20T02:00:00Z"), Some("2026-11-20T02:04:00Z"), Some(3));
    let partial = |why: Partly| [JobStanding { why: Some(why), ..job(Some(ended()), false) }];
    let now = "2026-11-20T03:00:00Z";
    let mut looks = Looks::new();
    assert_eq!(looks.look("a", &partial(Partly::OfServers), now), [""; 0], "it is told of each");
    let stopped = format!("raised failure: The scan of {CLIENT} was stopped before it was whole");
    assert_eq!(looks.look("a", &partial(Partly::Stopped), now), [stopped]);
    assert_eq!(looks.0.matters[0].severity, Severity::Low);
    assert_eq!(looks.look("a", &partial(Partly::Stopped), now), [""; 0]);
    let not_kept = format!("escalated failure: The scan of {CLIENT} was not kept");
    assert_eq!(looks.look("a", &partial(Partly::NotKept), now), [not_kept]);
    assert_eq!(looks.0.matters[0].severity, Severity::High);
    assert_eq!(looks.look("a", &partial(Partly::NotKept), now), [""; 0]);
    assert_eq!(looks.look("a", &partial(Partly::Stopped), now), [""; 0], "no mending");
    assert_eq!(
        looks.look("a", &partial(Partly::OfServers), now),
        [format!("resolved failure: The scan of {CLIENT} happens again; what is not whole is told of its servers")]
    );
    assert_eq!(
        looks.look("a", &partial(Partly::Otherwise), now),
        [format!("raised failure: The scan of {CLIENT} is partial")]
    );
}

#[test]
fn an_inventory_withdraws_nothing_of_another() {
    let ended = || record("2026-11-20T02:04:00Z", Some("2026-11-20T02:00:00Z"), Some("2026-11-20T02:04:00Z"), Some(2));
    let now = "2026-11-20T03:00:00Z";
    let other = [JobStanding { id: "N: 0 3 * * * UTC".to_owned(), ..job(None, false) }];
    let mut looks = Looks::new();
    let mut book = Book::new(looks.0.clone());
    servers(&mut book, "a", [(CLIENT, "one")], at(now));
    servers(&mut book, "b", [(CLIENT, "two")], at(now));
    looks.0 = book.standing();
    assert_eq!(looks.look("a", &[job(Some(ended()), false)], now).len(), 1);
    for _ in 0..2 {
        assert_eq!(looks.look("b", &other, now), [""; 0]);
        assert_eq!(looks.look("a", &[job(Some(ended()), false)], now), [""; 0]);
    }
    assert_eq!(looks.look("a", &other, now), [format!("withdrawn failure: A schedule of {CLIENT} is another one now")]);
    // Told before inventories were noted with it, or of paths that are named otherwise now.
    looks.look("", &[job(Some(ended()), false)], now);
    assert_eq!(looks.look("b", &other, now).len(), 1);
    let old: MatterState = serde_json::from_str("{\"about\":\"job-missed\",\"job\":\"x\"}").unwrap();
    assert_eq!(old, MatterState::JobMissed { job: "x".to_owned(), inventory: String::new() });
}

#[test]
fn a_killed_scan_is_told_once_and_what_is_due_after_it_is_missed() {
    let settled = "2026-11-20T02:04:00Z";
    let killed = || record(settled, Some("2026-11-21T02:00:01Z"), Some("2026-11-21T02:20:00Z"), None);
    let mut looks = Looks::new();
    let mut look = |now: &str| looks.look("a", &[job(Some(killed()), false)], now);
    assert_eq!(look("2026-11-21T02:20:01Z"), [format!("raised failure: The scan of {CLIENT} was killed")]);
    assert_eq!(look("2026-11-21T12:00:00Z"), [""; 0], "it was told");
    assert_eq!(
        look("2026-11-22T03:00:00Z"),
        [format!("raised missed: The scan of {CLIENT} that was due 2026-11-22T02:00:00Z did not happen")]
    );
}

#[test]
fn a_schedule_that_was_taken_out_missed_nothing_when_it_is_back() {
    let done = "2026-11-01T02:04:00Z";
    let idle = job(Some(record(done, Some("2026-11-01T02:00:00Z"), Some(done), Some(2))), false);
    let refused = [format!("raised failure: The scan of {CLIENT} was refused: nothing was scanned")];
    let mut looks = Looks::new();
    assert_eq!(looks.look_with(&[("one", true), ("two", false)], &idle, "2026-11-01T12:00:00Z"), refused);
    // Out, and back by another server, one that is new, and the same one: no word of what was between.
    for (back, names) in [
        ("2026-11-10T12:00:00Z", [("one", false), ("two", true)]),
        ("2026-11-14T12:00:00Z", [("new", true), ("two", false)]),
        ("2026-11-18T12:00:00Z", [("one", true), ("two", true)]),
    ] {
        looks.look_with(&[("one", false), ("two", false)], &idle, "2026-11-05T12:00:00Z");
        assert!(looks.0.matters.is_empty());
        assert_eq!(looks.look_with(&names, &idle, back), [""; 0], "{back}");
    }
    // From then on it counts, by whichever server.
    assert_eq!(looks.look_with(&[("one", false), ("two", true)], &idle, "2026-11-19T02:20:00Z"), [""; 0]);
    assert_eq!(
        looks.look_with(&[("three", true)], &idle, "2026-11-19T03:00:00Z"),
        [format!("raised missed: The scan of {CLIENT} that was due 2026-11-19T02:00:00Z did not happen")]
    );
}

#[test]
fn what_was_missed_before_the_first_look_at_an_inventory_is_told() {
    let done = "2026-11-01T02:04:00Z";
    let idle = job(Some(record(done, Some("2026-11-01T02:00:00Z"), Some(done), Some(0))), false);
    let mut looks = Looks::new();
    assert_eq!(looks.look_with(&[("one", true)], &idle, "2026-11-10T12:00:00Z").len(), 1);
}

#[test]
fn scans_that_were_missed_are_told_beside_those_that_a_long_one_kept_from_happening() {
    let mut looks = Looks::new();
    let settled = "2026-11-20T09:00:00Z";
    let long = JobRecord { skipped: 1, ..record(settled, Some("2026-11-20T02:00:00Z"), Some(settled), Some(0)) };
    let mut look = |record: &JobRecord, now: &str| {
        let words = looks.look("a", &[job(Some(record.clone()), false)], now);
        (words, looks.0.matters.iter().map(|matter| matter.severity).max())
    };
    let (words, severity) = look(&long, "2026-11-20T09:00:01Z");
    assert!(words.len() == 1 && words[0].starts_with("raised missed: 1 scan of "), "{words:#?}");
    assert_eq!(severity, Some(Severity::Medium));
    let (words, severity) = look(&long, "2026-11-22T09:00:00Z");
    let missed = format!("raised missed: The scan of {CLIENT} that was due 2026-11-21T02:00:00Z did not happen");
    assert_eq!((words, severity), (vec![missed], Some(Severity::High)));
    // Scans happen again, though one of them took too long.
    let settled = "2026-11-24T03:00:00Z";
    let again = JobRecord { skipped: 1, ..record(settled, Some("2026-11-22T09:01:00Z"), Some(settled), Some(0)) };
    let (words, severity) = look(&again, "2026-11-24T03:00:01Z");
    assert_eq!(words, [format!("resolved missed: A scan of {CLIENT} has come to its end again")]);
    assert_eq!(severity, Some(Severity::Medium));
}

#[test]
fn a_scan_that_began_in_time_and_goes_on_and_on_is_told() {
    let mut looks = Looks::new();
    let began = "2026-11-21T02:00:01Z";
    let begun = record("2026-11-20T02:04:00Z", Some(began), None, None);
    let mut look =
        |record: &JobRecord, running: bool, now: &str| looks.look("a", &[job(Some(record.clone()), running)], now);
    assert_eq!(look(&begun, true, "2026-11-22T12:00:00Z"), [""; 0], "one was due meanwhile");
    let hangs = format!("raised missed: The scan of {CLIENT} that began {began} has not come to its end");
    assert_eq!(look(&begun, true, "2026-11-23T02:31:00Z"), [hangs]);
    assert_eq!(look(&begun, true, "2026-11-24T02:31:00Z"), [""; 0]);
    let ended = "2026-11-24T03:00:00Z";
    let done = record(ended, Some(began), Some(ended), Some(0));
    let over = format!("resolved missed: A scan of {CLIENT} has come to its end again");
    assert_eq!(look(&done, false, "2026-11-24T03:00:01Z"), [over]);
}
