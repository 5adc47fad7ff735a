use super::server::{News, Plan, Server, plan};
use super::{First, is_same, name, why_partial};
use crate::alert::{Book, Partly, Rules};
use crate::drift::tests::world::World;
use crate::history::outbox::{APPEARANCES, Appeared, Look};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive as _, Beginning, Prune, RunNumber};
use crate::model::alert::Notice;
use crate::model::matter::Former;
use crate::model::run::{Run, Trouble};
use crate::model::verdict::Severity;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn begun(line: &str) -> Beginning {
    Beginning {
        arguments: line.split(' ').map(str::to_owned).collect(),
        folder: "/srv".to_owned(),
        ..Beginning::default()
    }
}

#[test]
fn what_is_written_does_not_make_another_question() {
    let one = begun("scan --targets inventory --html scan-2026-11-20.html");
    for same in [
        "scan --targets inventory --html scan-2026-11-21.html --store x.db",
        "scan --quiet --format json --targets /srv/./inventory",
    ] {
        assert!(is_same(&one, &begun(same)), "{same}");
    }
    for other in [
        "scan --targets inventory --sweep",
        "scan --targets other",
        "scan --targets inventory --guide iis",
        "scan --targets inventory --host-time 9",
        "scan --targets inventory --job x",
        "scan --targets inventory --an-option-of-another-version",
        "",
    ] {
        assert!(!is_same(&one, &begun(other)), "{other}");
    }
    assert!(!is_same(&one, &Beginning { folder: "/home".to_owned(), ..begun("scan --targets inventory") }));
    assert!(!is_same(&Beginning::default(), &Beginning::default()), "of a run that is gone nothing is known");
    assert!(is_same(&begun("scan --job x --targets a"), &begun("scan --job y --targets b")), "both by the watch");
}

#[cfg(unix)]
#[test]
fn an_inventory_is_called_the_same_whether_it_is_there_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a"), folder.path().join("link"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let named = |path: &Path| name(&[path.to_owned()]);
    let before = (named(&path), named(&link));
    std::fs::create_dir(&path).unwrap();
    assert_eq!((named(&path), named(&link)), before);
    assert_eq!(named(&folder.path().join("b/../a/.")), before.0);
    let here = std::env::current_dir().unwrap();
    assert_eq!(named(Path::new("a")), named(&here.join("a")), "from whatever folder");
    let both = |paths: [&str; 2]| name(&paths.map(PathBuf::from));
    assert_eq!(both(["/a", "/b"]), both(["/b", "/a"]));
}

/// What is news of these runs, by their numbers, and which numbers are not news any more.
fn news(runs: &[(&str, i64)], seen: (&str, i64), looked: &[i64]) -> (Vec<(i64, News)>, Vec<i64>) {
    let mut runs: Vec<(String, RunNumber)> =
        runs.iter().map(|(started, number)| (format!("2026-{started}:00:00Z"), RunNumber(*number))).collect();
    runs.sort();
    let seen = (format!("2026-{}:00:00Z", seen.0), seen.1);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let Plan { fresh, passed } = plan(&runs, &seen, &looked.iter().copied().collect(), now);
    (fresh.into_iter().map(|(place, news)| (runs[place].1.0, news)).collect(), passed.into_iter().collect())
}

#[test]
fn a_run_of_a_clock_that_was_ahead_keeps_no_other_from_being_looked_at() {
    let runs = [("11-19T02", 1), ("12-24T02", 2), ("11-20T02", 3), ("11-21T02", 4)];
    let ahead = ("12-24T02", 2);
    assert_eq!(news(&runs, ahead, &[1, 2]).0, [(3, News::New), (4, News::New)]);
    assert_eq!(news(&runs, ahead, &[1, 2, 3, 4]).0, [], "and each once");
    assert_eq!(news(&runs, ahead, &[]).0, [(3, News::New), (4, News::New)], "also where only the time was noted");
    // It is not looked at before its time.
    assert_eq!(news(&runs, ("11-19T02", 1), &[1]), (vec![(3, News::New), (4, News::New)], vec![1]));
}

#[test]
fn a_run_that_began_before_one_that_was_looked_at_and_ended_after_it_is_looked_at() {
    let runs = [("11-20T02", 1), ("11-21T02", 2), ("11-21T03", 3)];
    assert_eq!(news(&runs, ("11-21T03", 3), &[1, 3]), (vec![(2, News::Late)], vec![1, 3]));
    assert_eq!(news(&runs, ("11-21T03", 3), &[]).0, [], "an older version looked at all of them");
    assert_eq!(news(&runs, ("11-20T02", 1), &[1]).0, [(2, News::New), (3, News::New)]);
}

#[test]
fn what_was_taken_in_from_elsewhere_is_news_only_where_it_is_the_newest() {
    let runs = [("11-18T02", 3), ("11-20T02", 1), ("11-20T09", 4), ("11-21T02", 2), ("11-21T09", 5)];
    let known = ("11-21T02", 2);
    assert_eq!(news(&runs, known, &[1, 2]), (vec![(5, News::New)], vec![1, 2, 3, 4]));
}

#[test]
fn what_was_looked_at_so_long_ago_that_its_number_is_forgotten_is_no_news() {
    let looked: Vec<i64> = (40..140).collect();
    let runs = [("10-01T02", 39), ("10-02T02", 40), ("11-21T02", 139)];
    assert_eq!(news(&runs, ("11-21T02", 139), &looked).0, []);
    let known: BTreeSet<i64> = news(&runs, ("11-21T02", 139), &looked).1.into_iter().collect();
    assert_eq!(known, BTreeSet::from([39, 40, 139]));
}

#[test]
fn a_server_has_the_runs_of_its_former_name_and_none_of_whoever_has_that_name_now() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
    let appeared = |name: &str, numbers: &[i64]| Appeared {
        client: "c".to_owned(),
        name: name.to_owned(),
        runs: numbers.iter().map(|number| (format!("2026-11-{number:02}T02:00:00Z"), RunNumber(*number))).collect(),
    };
    let all = [appeared("old", &[1, 2, 4, 5]), appeared("new", &[1, 3, 5])];
    let all: BTreeMap<(&str, &str), &Appeared> =
        all.iter().map(|one| ((one.client.as_str(), one.name.as_str()), one)).collect();
    let numbers = |name: &str, formerly: &[Former]| -> Vec<i64> {
        let server = Server::of(&store, &all, ("c", name), formerly.to_vec());
        server.map_or_else(Vec::new, |server| server.runs().iter().map(|(_, number)| number.0).collect())
    };
    let former = Former { client: "c".to_owned(), name: "old".to_owned(), until: 2 };
    assert_eq!(numbers("new", &[former]), [1, 2, 3, 5], "nor of whoever had its name before");
    assert_eq!(numbers("new", &[]), [1, 3, 5]);
    assert_eq!(numbers("never", &[]), [0; 0]);
}

#[test]
fn why_a_scan_is_partial_is_told_by_the_run_of_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
    let run = |started: &str, trouble: Option<Trouble>| {
        let world = World { troubles: trouble.into_iter().collect(), ..World::sound() };
        Run { started: format!("2026-11-{started}:00Z"), ..world.run() }
    };
    let mut keep = |run: &Run, line: &str, is_finished: bool| {
        let targets = [run.targets[0].target.clone()];
        let number = store.begin(&run.started, &begun(line), &targets).unwrap();
        if is_finished {
            store.finish(number, run, &[(0, &run.targets[0])]).unwrap();
        }
    };
    keep(&run("18T02:00", Some(Trouble::OutOfTime)), "scan --job a --targets x", true);
    let stopped = Run { interrupted: true, ..run("19T02:00", Some(Trouble::Interrupted)) };
    keep(&stopped, "scan --job a --targets x", true);
    keep(&run("20T02:00", None), "scan --job a --targets x", true);
    keep(&run("21T02:00", None), "scan --job b --targets x", true);
    keep(&run("21T02:01", None), "scan --targets x", true);
    keep(&run("22T02:00", None), "scan --job a --targets x", false);
    let why = |job: &str, began: &str| why_partial(&store, job, began).unwrap();
    assert_eq!(why("a", "2026-11-22T02:00:00.5Z"), Partly::NotKept, "begun, and not kept to its end");
    assert_eq!(why("b", "2026-11-21T02:00:00.5Z"), Partly::Otherwise, "no server is the reason");
    assert_eq!(why("b", "2026-11-21T02:00:01Z"), Partly::NotKept, "that was the scan before");
    let until = |last: i64| {
        let connection = rusqlite::Connection::open(folder.path().join("history.db")).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection.execute("DELETE FROM run WHERE id > ?1", [last]).unwrap();
    };
    until(2);
    assert_eq!(why("a", "2026-11-19T02:00:00Z"), Partly::Stopped);
    until(1);
    assert_eq!(why("a", "2026-11-18T02:00:00Z"), Partly::OfServers);
}

/// The runs of one server, an hour from each to the next, looked at as the program does.
struct Hours {
    _folder: tempfile::TempDir,
    store: Sqlite,
    hour: i64,
}

impl Hours {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("history.db"), Mode::Create, |_| String::new()).unwrap();
        Self { _folder: folder, store, hour: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + self.hour * 3600).unwrap()
    }

    fn scan(&mut self, world: &World) {
        self.hour += 1;
        let run = Run { started: self.now().to_string(), ..world.run() };
        let targets = [run.targets[0].target.clone()];
        let number = self.store.begin(&run.started, &begun("scan --targets x"), &targets).unwrap();
        self.store.finish(number, &run, &[(0, &run.targets[0])]).unwrap();
    }

    /// What was told, and how many items fail where it is the first look.
    fn look(&mut self) -> (Vec<String>, Option<usize>) {
        let mut book = Book::new(self.store.standing().unwrap());
        let all = self.store.appearances().unwrap().servers;
        let all: BTreeMap<(&str, &str), &Appeared> =
            all.iter().map(|one| ((one.client.as_str(), one.name.as_str()), one)).collect();
        let (name, _) = all.first_key_value().unwrap();
        let server = Server::of(&self.store, &all, *name, Vec::new()).unwrap();
        let rules = Rules { at_least: Severity::Medium, certificate_days: Vec::new(), statement_days: Vec::new() };
        let failing = server.look(&mut book, "inventory", &rules, self.now()).unwrap();
        assert!(self.store.note_look(&book.look()).unwrap());
        let words = |notice: &Notice| format!("{} {}", notice.phase.as_str(), notice.title);
        (book.notices().iter().map(words).collect(), failing)
    }
}

fn closed() -> World {
    World::sound().with(&["tcp/9999 closed"])
}

fn open() -> World {
    World::sound().with(&["tcp/9999 open", "tcp/9999 service http"])
}

fn down() -> World {
    World { troubles: vec![Trouble::Unreachable], ..World::new(&["tcp/443 filtered"]) }
}

fn tells_the_port(words: &[String]) -> bool {
    words.iter().any(|line| line.starts_with("raised ") && line.contains("9999"))
}

#[test]
fn what_is_worse_after_an_outage_is_told_however_long_that_was() {
    let mut hours = Hours::new();
    hours.scan(&closed());
    hours.look();
    for _ in 0..40 {
        hours.scan(&down());
    }
    hours.look();
    let pruned = hours.store.prune(Prune::Keep(1), Timestamp::now(), true).unwrap();
    assert!(!pruned.runs.contains(&RunNumber(1)), "it is what is compared with");
    hours.scan(&open());
    let (words, _) = hours.look();
    assert!(tells_the_port(&words), "{words:#?}");
    // Then that is what is known, and the other is needed for as long as it is open.
    hours.scan(&closed());
    let (words, _) = hours.look();
    assert!(words.iter().any(|line| line.starts_with("resolved ") && line.contains("9999")), "{words:#?}");
}

#[test]
fn what_is_worse_is_told_though_nobody_looked_for_more_runs_than_are_named() {
    let mut hours = Hours::new();
    hours.scan(&closed());
    hours.look();
    for _ in 0..APPEARANCES + 5 {
        hours.scan(&open());
    }
    let (words, _) = hours.look();
    assert!(tells_the_port(&words), "{words:#?}");
}

#[test]
fn what_an_older_version_did_not_note_is_looked_for_in_all_runs_that_are_named() {
    let mut hours = Hours::new();
    hours.scan(&closed());
    for _ in 0..40 {
        hours.scan(&down());
    }
    hours.look();
    let mut known = hours.store.standing().unwrap().servers.remove(0);
    known.telling = None;
    let looks = hours.store.standing().unwrap().looks;
    assert!(hours.store.note_look(&Look { looks, servers: vec![known], ..Look::default() }).unwrap());
    hours.scan(&open());
    let (words, _) = hours.look();
    assert!(tells_the_port(&words), "{words:#?}");
}

#[test]
fn the_first_look_says_how_much_fails_by_then() {
    let mut hours = Hours::new();
    hours.scan(&World::sound().with(&["tcp/443 tls1.0 accepted"]));
    let (words, failing) = hours.look();
    assert_eq!(words, [""; 0]);
    assert!(failing.is_some_and(|failing| failing > 0), "{failing:?}");
    hours.scan(&closed());
    assert_eq!(hours.look().1, None, "only the first");
    let first = First { servers: 2, failing: 1 };
    let words = first.words().unwrap();
    assert!(words.starts_with("2 servers were looked at for the first time, and 1 item fails there"), "{words}");
    assert_eq!(First::default().words(), None);
}
