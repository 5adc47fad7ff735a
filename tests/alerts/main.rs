//! Alerts from outside: what is told, to whom, how often, and that none is lost.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod looks;
mod mail;
#[path = "../support/mod.rs"]
mod support;
mod watching;

use assert_cmd::Command;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use support::receiver::{Mood, Receiver};
use support::{Mock, PATIENCE, SMALL, WEB, array, ended, portreeve, process, stderr, stdout, text};
use tempfile::TempDir;

/// An inventory with channels, and a store.
struct Estate {
    folder: TempDir,
}

impl Estate {
    fn new(targets: &str, channels: &[(&str, &Receiver)]) -> Self {
        let estate = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(estate.path("inventory")).unwrap();
        fs::write(estate.path("inventory/targets.toml"), targets).unwrap();
        let secret = estate.path("secret");
        fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        estate.channels(channels);
        estate
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn channels(&self, channels: &[(&str, &Receiver)]) {
        let secret = self.path("secret").display().to_string();
        let channel = |(name, receiver): &(&str, &Receiver)| {
            format!(
                "[[channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"{secret}\"\n",
                receiver.url()
            )
        };
        let text: String = channels.iter().map(channel).collect();
        fs::write(self.path("inventory/alerts.toml"), text).unwrap();
    }

    fn alerts(&self, what: &[&str]) -> Command {
        let mut command = portreeve();
        command.arg("alerts").args(what).arg("--targets").arg(self.path("inventory"));
        command.arg("--store").arg(self.path("history.db"));
        command
    }

    fn check(&self) -> Output {
        self.alerts(&["check"]).output().unwrap()
    }

    /// What is open, what waits and how it stands.
    fn listed(&self) -> Value {
        let output = self.alerts(&["list", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
    }

    fn open(&self) -> usize {
        array(&self.listed(), "open").len()
    }

    fn waiting(&self) -> usize {
        array(&self.listed(), "waiting").len()
    }

    /// As if every job had last been scanned then.
    fn settled(&self, time: &str) {
        let store = rusqlite::Connection::open(self.path("history.db")).unwrap();
        store.busy_timeout(Duration::from_secs(20)).unwrap();
        let changed = store.execute("UPDATE job SET settled = ?1, began = ?1, ended = ?1, exit = 0", [time]).unwrap();
        assert!(changed > 0, "there is a job");
    }
}

const LONG_AGO: &str = "2015-01-01T00:00:00Z";
const NEVER: &str = "2030-01-01T00:00:00Z";
const AHEAD: &str = "2099-01-01T00:00:00Z";

/// So many clients, each with a server that nobody ever scans.
fn clients(number: usize) -> String {
    let target = |number: usize| {
        format!(
            "[[target]]\nclient = \"Client {number}\"\nname = \"server\"\nhost = \"h{number}.invalid\"\nroles = [\"iis\"]\n\
             schedule = {{ cron = \"17 3 29 2 *\", zone = \"UTC\" }}\n"
        )
    };
    (0..number).map(target).collect()
}

/// An estate at which was looked once, so that what comes is told.
fn looked_at(number: usize, channels: &[(&str, &Receiver)]) -> Estate {
    let estate = Estate::new(&clients(number), channels);
    ended(&estate.check(), 0);
    estate
}

/// How often each notice was told, over messages each counted once, by key and phase.
fn told(messages: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut seen = BTreeSet::new();
    let mut told = BTreeMap::new();
    for message in messages.iter().filter(|message| seen.insert(text(message, "id").to_owned())) {
        for notice in array(message, "notices") {
            *told.entry((text(notice, "key").to_owned(), text(notice, "phase").to_owned())).or_default() += 1;
        }
    }
    told
}

fn phases(messages: &[Value], phase: &str) -> usize {
    let told = told(messages);
    assert!(told.values().all(|times| *times == 1), "told twice: {told:#?}");
    told.keys().filter(|(_, known)| known == phase).count()
}

#[test]
fn drift_is_told_once_and_when_it_is_mended() {
    drift_over_nights(|_| {});
}

#[test]
fn a_clock_that_was_ahead_for_a_night_keeps_no_drift_from_being_told() {
    drift_over_nights(|estate| {
        let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
        let started: String = store.query_row("SELECT started FROM run WHERE id = 2", [], |row| row.get(0)).unwrap();
        store.execute("UPDATE run SET started = ?1 WHERE id = 2", [AHEAD]).unwrap();
        store.execute("UPDATE known_server SET body = replace(body, ?1, ?2)", [started.as_str(), AHEAD]).unwrap();
    });
}

/// Nights of a server whose port opens and closes again; `after_two` of them something else may happen.
fn drift_over_nights(after_two: impl Fn(&Estate)) {
    let receiver = Receiver::start();
    // A server whose port 80 is closed, and opens.
    let address = support::own_address();
    let (web, mut extra) = (Receiver::start_at(address), Receiver::start_at(address));
    // Any answer tells that something speaks there.
    web.is(Mood::Refuses);
    extra.is(Mood::Refuses);
    extra.goes();
    let (open, closed) = (web.port(), extra.port());
    let target = format!(
        "[[target]]\nclient = \"Test\"\nname = \"web\"\nhost = \"{address}\"\nroles = [\"iis\"]\n[target.moved]\n\
         \"tcp/443\" = {open}\n\"tcp/80\" = {closed}\n"
    );
    let estate = Estate::new(&target, &[("noc", &receiver)]);
    let night = || {
        let mut command = portreeve();
        command.arg("scan").arg("--targets").arg(estate.path("inventory"));
        command.args(["--guide", SMALL, "--fail-on", "never", "--store"]).arg(estate.path("history.db"));
        ended(&command.output().unwrap(), 0);
        ended(&estate.check(), 0);
    };
    night();
    night();
    assert!(receiver.taken().is_empty(), "{:#?}", receiver.taken());
    after_two(&estate);
    extra.comes_back();
    night();
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1, "{taken:#?}");
    assert_eq!((text(&taken[0], "client"), &taken[0]["test"]), ("Test", &Value::Bool(false)));
    let notice = &array(&taken[0], "notices")[0];
    assert_eq!((text(notice, "kind"), text(notice, "phase"), &notice["run"]), ("drift", "raised", &3.into()));
    assert!(text(notice, "title").contains("SML-02") && text(notice, "title").contains("fail"), "{notice:#}");
    night();
    assert_eq!(receiver.taken().len(), 1, "what is open is told once");
    extra.goes();
    night();
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2, "{taken:#?}");
    assert_eq!(phases(&taken, "raised"), phases(&taken, "resolved"));
    assert_eq!(text(&array(&taken[1], "notices")[0], "key"), text(notice, "key"));
    assert_eq!((estate.open(), estate.waiting()), (0, 0));
}

#[test]
fn what_a_receiver_does_not_take_waits_and_goes_when_it_is_back() {
    let mut receiver = Receiver::start();
    let other = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver), ("psa", &other)]);
    receiver.goes();
    estate.settled(LONG_AGO);
    let output = estate.check();
    ended(&output, 3);
    assert!(stderr(&output).contains("noc: ") && stdout(&output).contains("1 sent, 1 wait"), "{}", stderr(&output));
    assert_eq!(phases(&other.taken(), "raised"), 1, "one channel does not wait for another");
    let listed = estate.listed();
    let waiting = &array(&listed, "waiting")[0];
    assert_eq!((&waiting["attempts"], text(waiting, "channel")), (&1.into(), "noc"));
    assert!(text(waiting, "error").contains("the way to the receiver"), "{waiting:#}");
    let id = text(waiting, "id").to_owned();
    // It is there again, and fails: that is tried at its time, or when somebody asks for it.
    receiver.comes_back();
    receiver.is(Mood::Fails);
    ended(&estate.check(), 3);
    assert_eq!(receiver.asked(), 0, "it is not time yet");
    ended(&estate.alerts(&["send"]).output().unwrap(), 3);
    assert_eq!(receiver.asked(), 1);
    receiver.is(Mood::Takes);
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    let taken = receiver.taken();
    assert_eq!((taken.len(), text(&taken[0], "id")), (1, id.as_str()), "the id stays the same");
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    assert_eq!((receiver.taken().len(), other.taken().len(), estate.waiting()), (1, 1, 0));
}

#[test]
fn what_a_receiver_will_never_take_holds_up_nothing_else_and_is_told_before_its_end() {
    let receiver = Receiver::start();
    let estate = looked_at(2, &[("noc", &receiver)]);
    let settled = |client: usize, time: &str| {
        let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
        let sql = "UPDATE job SET settled = ?1, began = ?1, ended = ?1, exit = 0 WHERE id LIKE ?2";
        assert_eq!(store.execute(sql, [time, &format!("Client {client}:%")]).unwrap(), 1);
    };
    settled(0, LONG_AGO);
    receiver.is(Mood::Refuses);
    ended(&estate.check(), 3);
    receiver.is(Mood::Takes);
    settled(0, NEVER);
    settled(1, LONG_AGO);
    ended(&estate.check(), 3);
    // What is about another client passes; that it is over waits for that it began, and the list says so.
    let listed = estate.listed();
    let (first, second) = (&array(&listed, "waiting")[0], &array(&listed, "waiting")[1]);
    assert_eq!((&second["behind"], &second["behind_due"]), (&first["id"], &first["due"]), "{listed:#}");
    assert_eq!(first["behind"], Value::Null);
    let words = format!("waits behind message {} of its channel, which is tried next 20", &text(first, "id")[..8]);
    let list = stdout(&estate.alerts(&["list", "--width", "300"]).output().unwrap());
    assert!(list.contains(&words) && !list.contains("is due now"), "{list}");
    let check = estate.check();
    ended(&check, 3);
    assert!(stdout(&check).contains(&format!("noc: 1 {words}")), "{}", stdout(&check));
    let taken = receiver.taken();
    assert_eq!((phases(&taken, "resolved"), phases(&taken, "raised")), (0, 1));
    assert_eq!((text(&taken[0], "client"), estate.waiting()), ("Client 1", 2));
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    let taken = receiver.taken();
    let of: Vec<&str> = taken.iter().skip(1).map(|message| text(&array(message, "notices")[0], "phase")).collect();
    assert_eq!((of.as_slice(), estate.waiting()), (["raised", "resolved"].as_slice(), 0));
}

#[test]
fn inventories_that_share_a_store_send_each_their_own_messages() {
    let (receiver, theirs) = (Receiver::start(), Receiver::start());
    let mut gone = Receiver::start();
    gone.goes();
    let estate = looked_at(1, &[("mail", &gone)]);
    estate.settled(LONG_AGO);
    ended(&estate.check(), 3);
    // Another inventory, in the same store, with a channel of the same name.
    let (other, more) = (Estate::new(&clients(1).replace("Client", "Other"), &[("mail", &theirs)]), ["send", "check"]);
    let of_other = |what: &[&str]| {
        let mut command = portreeve();
        command.arg("alerts").args(what).arg("--targets").arg(other.path("inventory"));
        command.arg("--store").arg(estate.path("history.db")).output().unwrap()
    };
    for what in more {
        ended(&of_other(&[what]), 0);
    }
    ended(&of_other(&["list"]), 0);
    assert_eq!(theirs.asked(), 0, "it is not theirs");
    estate.channels(&[("mail", &receiver)]);
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    assert_eq!((phases(&receiver.taken(), "raised"), theirs.asked(), estate.waiting()), (1, 0, 0));
}

#[test]
fn what_waits_too_long_or_has_no_channel_is_told_by_the_exit_code() {
    let mut receiver = Receiver::start();
    let other = Receiver::start();
    let estate = looked_at(2, &[("noc", &receiver)]);
    receiver.goes();
    estate.settled(LONG_AGO);
    ended(&estate.check(), 3);
    let list = || estate.alerts(&["list", "--width", "200"]).output().unwrap();
    ended(&list(), 0);
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    store.execute("UPDATE outbox SET made = '2026-01-01T00:00:00Z'", []).unwrap();
    let stuck = list();
    ended(&stuck, 3);
    assert!(stdout(&stuck).contains("STUCK"), "{}", stdout(&stuck));
    assert_eq!(estate.listed()["health"]["stuck"], 2);
    // A channel that is called otherwise is another one.
    estate.channels(&[("psa", &other)]);
    let gone = list();
    ended(&gone, 3);
    assert!(stdout(&gone).contains("its channel is in no alerts.toml"), "{}", stdout(&gone));
    let drop = |what: &[&str]| {
        let mut command = portreeve();
        command.args(["alerts", "drop"]).args(what).arg("--store").arg(estate.path("history.db"));
        command.output().unwrap()
    };
    ended(&drop(&["zz"]), 2);
    ended(&drop(&["--channel", "psa"]), 2);
    // Two files have a channel of this name: it is said which is meant.
    store.execute("UPDATE outbox SET place = '/another/alerts.toml' WHERE client = 'Client 1'", []).unwrap();
    ended(&drop(&["--channel", "noc"]), 2);
    assert_eq!(estate.waiting(), 2);
    ended(&drop(&["--channel", "noc", "--alerts", "/another/alerts.toml"]), 0);
    assert_eq!(estate.waiting(), 1);
    ended(&drop(&["--channel", "noc"]), 0);
    ended(&list(), 0);
    assert_eq!((estate.waiting(), other.taken().len()), (0, 0));
}

#[test]
fn the_first_look_is_one_message_and_later_ones_are_of_one_client_each() {
    let receiver = Receiver::start();
    let estate = Estate::new(&clients(60), &[("noc", &receiver)]);
    // As a store that was used before anybody was to be told.
    ended(&estate.check(), 0);
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    store.execute("DELETE FROM looked", []).unwrap();
    estate.settled(LONG_AGO);
    ended(&estate.check(), 0);
    let taken = receiver.taken();
    assert_eq!((taken.len(), array(&taken[0], "notices").len(), estate.open()), (1, 40, 60));
    estate.settled(NEVER);
    ended(&estate.check(), 0);
    let taken = receiver.taken();
    assert_eq!(taken.len(), 61);
    assert_eq!(phases(&taken, "resolved"), 60);
}

#[test]
fn a_test_says_what_each_channel_answered_and_keeps_nothing() {
    let (mut receiver, other) = (Receiver::start(), Receiver::start());
    let estate = Estate::new(&clients(1), &[("noc", &receiver), ("psa", &other)]);
    let test = |more: &[&str]| {
        let mut command = portreeve();
        command.args(["alerts", "test", "--targets"]).arg(estate.path("inventory")).args(more);
        command.output().unwrap()
    };
    let output = test(&[]);
    ended(&output, 0);
    assert!(stdout(&output).contains("noc (webhook): taken: "), "{}", stdout(&output));
    assert_eq!(receiver.taken()[0]["test"], true);
    receiver.goes();
    let output = test(&[]);
    ended(&output, 3);
    assert!(stdout(&output).contains("noc (webhook): not taken: "), "{}", stdout(&output));
    assert!(stdout(&output).contains("psa (webhook): taken: "), "{}", stdout(&output));
    // As wide as it is wanted.
    let narrow = test(&["--width", "50"]);
    let said = stdout(&narrow);
    assert!(said.lines().all(|line| line.chars().count() <= 50) && said.lines().count() > 4, "{said}");
    ended(&test(&["--channel", "psa"]), 0);
    ended(&test(&["--channel", "pas"]), 2);
    assert_eq!(other.taken().len(), 4);
    assert!(!estate.path("history.db").exists());
}

#[test]
fn two_processes_at_once_tell_each_thing_once() {
    let receiver = Receiver::start();
    let estate = looked_at(12, &[("noc", &receiver)]);
    for (round, time) in [LONG_AGO, NEVER, LONG_AGO, NEVER].iter().enumerate() {
        estate.settled(time);
        let start = |what: &str| {
            let mut command = process();
            command.args(["alerts", what, "--quiet", "--targets"]).arg(estate.path("inventory")).arg("--store");
            command.arg(estate.path("history.db")).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        };
        let children: Vec<Child> = ["check", "send", "check", "check"].iter().map(|what| start(what)).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            // Somebody else may still have been at it.
            assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
        }
        ended(&estate.check(), 0);
        let taken = receiver.taken();
        let ids: BTreeSet<&str> = taken.iter().map(|message| text(message, "id")).collect();
        assert_eq!((ids.len(), taken.len()), (12 * (round + 1), 12 * (round + 1)), "each once");
    }
}

/// How often the store was looked at.
fn looks(estate: &Estate) -> i64 {
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    store.busy_timeout(Duration::from_secs(20)).unwrap();
    store.query_row("SELECT times FROM looked", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_tells_nothing_twice() {
    let receiver = Receiver::start();
    let clients = 8;
    let estate = looked_at(clients, &[("noc", &receiver), ("psa", &receiver)]);
    let start = || {
        let mut command = process();
        command.args(["alerts", "check", "--quiet", "--targets"]).arg(estate.path("inventory")).arg("--store");
        command.arg(estate.path("history.db")).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    };
    let rounds: usize = 24;
    let (mut killed, mut before, mut after) = (0, 0, 0);
    let mut whole = Duration::ZERO;
    for round in 0..rounds {
        estate.settled(if round % 2 == 0 { LONG_AGO } else { NEVER });
        let (known, asked) = (looks(&estate), receiver.asked());
        let begin = Instant::now();
        if round % 8 == 7 {
            // It is sending: what it tells is noted, and no answer comes.
            receiver.is(Mood::Hangs);
        }
        let mut child = start();
        match round {
            // How long one takes here and now.
            0 => {
                child.wait().unwrap();
                whole = begin.elapsed();
            }
            _ if round % 8 == 7 => receiver.wait(|receiver| receiver.asked() > asked),
            // Before it can have done anything.
            _ if round % 8 == 3 => {}
            _ => {
                let patience = whole.mul_f64(f64::from(u32::try_from(round).unwrap()) / 24.0);
                while begin.elapsed() < patience && child.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let was_killed = child.try_wait().unwrap().is_none();
        let _ = child.kill();
        child.wait().unwrap();
        receiver.is(Mood::Takes);
        killed += usize::from(was_killed);
        let noted = looks(&estate) > known;
        before += usize::from(was_killed && !noted);
        after += usize::from(was_killed && noted);
        // Nothing may happen twice before it was told once: so the other way round only after a look.
        ended(&estate.check(), 0);
    }
    assert!(before > 0 && after > 0, "killed before the first write {before} times, and after it {after} times");
    let taken = receiver.taken();
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    for message in &taken {
        let known = by_id.insert(text(message, "id"), message);
        assert!(known.is_none_or(|known| known == message), "the same id says the same");
    }
    // Each of two channels is told each of eight things in each round, whatever was killed.
    assert_eq!(by_id.len(), 2 * clients * rounds);
    assert!(taken.len() <= by_id.len() + 2 * killed, "only what was under way is sent again: {killed}");
    let left: Vec<String> = fs::read_dir(estate.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("-run-sender-"))
        .collect();
    assert!(left.len() <= killed, "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_no_message_and_none_is_sent_twice() {
    let receiver = Receiver::start();
    let estate = looked_at(40, &[("noc", &receiver)]);
    let disk = estate.path("disk");
    fs::create_dir(&disk).unwrap();
    let small = || {
        let store = disk.join("history.db");
        fs::copy(estate.path("history.db"), &store).unwrap();
        let set = |time: &str| {
            let store = rusqlite::Connection::open(&store).unwrap();
            store.execute("UPDATE job SET settled = ?1, began = ?1, ended = ?1, exit = 0", [time]).unwrap();
        };
        let check = || {
            let mut command = portreeve();
            command.args(["alerts", "check", "--targets"]).arg(estate.path("inventory")).arg("--store").arg(&store);
            command.output().unwrap()
        };
        let mut full = 0;
        for (round, left) in [150_000_u64, 80_000, 30_000, 8_000, 0].into_iter().enumerate() {
            set(if round % 2 == 0 { LONG_AGO } else { NEVER });
            let about = nix::sys::statvfs::statvfs(&disk).unwrap();
            let free = about.blocks_available() * about.fragment_size();
            let filler = disk.join("filler");
            fs::write(&filler, vec![1; usize::try_from(free.saturating_sub(left)).unwrap()]).unwrap();
            let output = check();
            fs::remove_file(&filler).unwrap();
            if output.status.code() != Some(0) {
                assert!(stderr(&output).contains("is full"), "{}", stderr(&output));
                full += 1;
            }
            // With room again all is well.
            ended(&check(), 0);
            let by_id: BTreeSet<String> =
                receiver.taken().iter().map(|message| text(message, "id").to_owned()).collect();
            assert_eq!(by_id.len(), 40 * (round + 1));
        }
        assert!(full > 0, "the disk was never full");
    };
    support::on_a_small_disk(&disk, small);
}

#[test]
fn mistakes_are_told_and_tell_nobody_that_all_is_well() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    let refused = |output: &Output, why: &str| {
        ended(output, 2);
        assert!(stderr(output).contains(why), "{}", stderr(output));
    };
    // An inventory that cannot be read is itself something to be told.
    let good = fs::read_to_string(estate.path("inventory/targets.toml")).unwrap();
    fs::write(estate.path("inventory/targets.toml"), "[[target]]\nname = 5\n").unwrap();
    estate.settled(LONG_AGO);
    refused(&estate.check(), "targets.toml");
    assert_eq!(phases(&receiver.taken(), "raised"), 1);
    assert!(text(&array(&receiver.taken()[0], "notices")[0], "title").contains("cannot be read"));
    fs::write(estate.path("inventory/targets.toml"), good).unwrap();
    ended(&estate.check(), 0);
    assert_eq!((phases(&receiver.taken(), "resolved"), phases(&receiver.taken(), "raised")), (1, 2));
    // Channels that cannot be read tell nobody.
    fs::write(estate.path("inventory/alerts.toml"), "[[channel]]\nname = \"x\"\n").unwrap();
    refused(&estate.check(), "alerts.toml");
    fs::write(estate.path("inventory/alerts.toml"), "").unwrap();
    refused(&estate.check(), "there is no channel");
    let nothing: &Path = &estate.path("nothing");
    let mut command = portreeve();
    refused(&command.args(["alerts", "list", "--store"]).arg(nothing).output().unwrap(), "no store");
}
