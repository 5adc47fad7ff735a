//! Alerts of a watch, from outside.

use super::*;
use nix::sys::signal::Signal;
use support::watching::Watching;

/// A watch of an estate, with these options of its scans.
fn begin(estate: &Estate, scan: &[&str]) -> Watching {
    let path = |name: &str| estate.path(name).into_os_string();
    let own = ["--targets".into(), path("inventory"), "--store".into(), path("history.db"), "--status".into()];
    let scan = scan.iter().map(std::ffi::OsString::from);
    Watching::begin(own.into_iter().chain([path("status.json"), "--".into()]).chain(scan))
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(estate: &Estate) -> Value {
    let text = fs::read(estate.path("status.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Whether any process holds a job.
fn is_any_job_held(estate: &Estate) -> bool {
    let names = fs::read_dir(estate.folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap());
    names.filter(|entry| entry.file_name().to_string_lossy().contains("-run-job-")).any(|entry| {
        let file = fs::File::open(entry.path());
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    })
}

#[test]
fn a_watch_tells_without_being_asked_and_a_channel_that_hangs_delays_no_other() {
    let (hangs, takes) = (Receiver::start(), Receiver::start());
    let mock = Mock::new(WEB);
    let keys = "roles = [\"iis\"]\nschedule = { cron = \"17 3 29 2 *\", zone = \"UTC\" }";
    let estate = Estate::new(&mock.target("Test", "mock", keys), &[("slow", &hangs), ("noc", &takes)]);
    ended(&estate.check(), 0);
    hangs.is(Mood::Hangs);
    estate.settled(LONG_AGO);
    let ca = mock.path("ca.pem").display().to_string();
    let watching = begin(&estate, &["--ca-file", &ca, "--guide", SMALL, "--fail-on", "never"]);
    // It did not happen, and then it is made up for.
    takes.wait(|receiver| phases(&receiver.taken(), "resolved") == 1);
    hangs.wait(|receiver| receiver.asked() > 0);
    let taken = takes.taken();
    assert!(phases(&taken, "raised") <= 1 && taken.len() <= 2, "{taken:#?}");
    until("its health is in the status", || status(&estate)["alerts"]["waiting"].as_u64().is_some_and(|n| n > 0));
    // It waits, and does not spin: its status, which it writes in each round, is the same for as long as five processes take.
    let written = || {
        ended(&estate.alerts(&["list"]).output().unwrap(), 0);
        text(&status(&estate), "written").to_owned()
    };
    until("it rests", || {
        let first = written();
        (0..5).all(|_| written() == first)
    });
    let output = watching.end();
    ended(&output, 0);
    hangs.is(Mood::Takes);
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    assert_eq!(told(&hangs.taken()), told(&taken), "what hung is told all the same");
}

#[test]
fn a_watch_that_is_killed_leaves_no_scan_behind_and_loses_no_message() {
    let receiver = Receiver::start();
    let mock =
        Mock::new("[[face]]\nport = \"tcp/443\"\nkind = \"hang\"\n[[face]]\nport = \"tcp/80\"\nkind = \"hang\"\n");
    let keys = "roles = [\"iis\"]\nschedule = { cron = \"17 3 29 2 *\", zone = \"UTC\" }";
    let estate = Estate::new(&mock.target("Test", "mock", keys), &[("noc", &receiver)]);
    ended(&estate.check(), 0);
    estate.settled(LONG_AGO);
    let mut watching = begin(&estate, &["--guide", SMALL, "--fail-on", "never"]);
    mock.wait_for_connection(443);
    watching.0.kill().unwrap();
    watching.0.wait().unwrap();
    until("its scan ends with it", || !is_any_job_held(&estate));
    ended(&estate.check(), 0);
    assert_eq!(phases(&receiver.taken(), "raised"), 1, "that it did not come to its end is told");
    let again = begin(&estate, &["--guide", SMALL, "--fail-on", "never"]);
    receiver.wait(|receiver| phases(&receiver.taken(), "resolved") == 1);
    ended(&again.end(), 0);
}

#[test]
fn a_job_is_never_scanned_by_two_at_once() {
    let mock =
        Mock::new("[[face]]\nport = \"tcp/443\"\nkind = \"hang\"\n[[face]]\nport = \"tcp/80\"\nkind = \"hang\"\n");
    let keys = "roles = [\"iis\"]\nschedule = { cron = \"17 3 29 2 *\", zone = \"UTC\" }";
    let inventory = mock.inventory(keys);
    let scan = || {
        let mut command = process();
        command
            .args(["scan", "--quiet", "--job", "Test: 17 3 29 2 * UTC", "--guide", SMALL, "--targets"])
            .arg(&inventory);
        command.arg("--store").arg(mock.path("history.db"));
        command
    };
    let mut first = scan().spawn().unwrap();
    mock.wait_for_connection(443);
    let second = scan().stderr(Stdio::piped()).output().unwrap();
    assert!(
        !second.status.success() && stderr(&second).contains("another process scans this job"),
        "{}",
        stderr(&second)
    );
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_watch_that_cannot_begin_for_its_inventory_tells_so() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    fs::write(estate.path("inventory/targets.toml"), "[[target]]\nname = 5\n").unwrap();
    for more in [&["--once"][..], &[][..], &["--once"][..]] {
        let mut command = portreeve();
        command.arg("watch").args(more).arg("--targets").arg(estate.path("inventory"));
        let output = command.arg("--store").arg(estate.path("history.db")).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains("targets.toml"), "{}", stderr(&output));
        assert_eq!(phases(&receiver.taken(), "raised"), 1, "once");
    }
}

#[test]
fn a_watch_scans_whatever_becomes_of_its_channels_and_says_what_waits() {
    let mut receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    let good = fs::read_to_string(estate.path("inventory/alerts.toml")).unwrap();
    let file = estate.path("inventory/alerts.toml");
    fs::write(&file, "[[channel]]\nname = \"x\"\n").unwrap();
    let mut once = portreeve();
    once.args(["watch", "--once", "--targets"]).arg(estate.path("inventory"));
    let output = once.arg("--store").arg(estate.path("history.db")).output().unwrap();
    ended(&output, 3);
    assert!(stderr(&output).contains("nobody is told anything"), "{}", stderr(&output));
    let watching = begin(&estate, &["--guide", SMALL]);
    let trouble = || status(&estate)["trouble"].as_str().unwrap_or_default().to_owned();
    until("it says what is wrong", || trouble().contains("channels for alerts cannot be read"));
    // Mended, and read again.
    receiver.goes();
    estate.settled(LONG_AGO);
    fs::write(&file, &good).unwrap();
    ended(&estate.check(), 3);
    watching.signal(Signal::SIGHUP);
    until("it is well", || trouble().is_empty() && status(&estate)["alerts"]["waiting"] == 1);
    // Without the file what waits is not forgotten.
    fs::remove_file(&file).unwrap();
    watching.signal(Signal::SIGHUP);
    until("its channel is gone", || !status(&estate)["alerts"]["gone"][0].is_null());
    assert_eq!(status(&estate)["alerts"]["waiting"], 1);
    fs::write(&file, &good).unwrap();
    watching.signal(Signal::SIGHUP);
    until("it is there again", || status(&estate)["alerts"]["gone"][0].is_null());
    // A status that cannot be written ends nothing.
    let place = estate.path("status.json");
    until("a folder is in its place", || {
        let _ = fs::remove_file(&place);
        fs::create_dir(&place).is_ok()
    });
    watching.signal(Signal::SIGHUP);
    receiver.comes_back();
    // The watch may be at it itself: it was told to read its files again.
    until("it goes", || estate.alerts(&["send"]).output().unwrap().status.code() == Some(0));
    fs::remove_dir(estate.path("status.json")).unwrap();
    watching.signal(Signal::SIGHUP);
    until("nothing waits", || status(&estate)["alerts"]["waiting"] == 0);
    ended(&watching.end(), 0);
}

/// A refusal waits for an hour, unless somebody says that it is mended.
#[test]
fn what_a_receiver_refused_goes_at_a_reload_and_at_a_start_once_it_is_mended() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    let refused = || {
        estate.settled(LONG_AGO);
        receiver.is(Mood::Refuses);
        ended(&estate.check(), 3);
        receiver.is(Mood::Takes);
        estate.settled(NEVER);
    };
    refused();
    // What was tried a moment ago is left alone by a start: one that fails again and again asks nobody all the time.
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    assert_eq!(store.execute("UPDATE outbox SET tried = tried - 120000", []).unwrap(), 1);
    drop(store);
    let watching = begin(&estate, &["--guide", SMALL]);
    receiver.wait(|receiver| receiver.taken().len() == 2);
    let phase = |at: usize| text(&array(&receiver.taken()[at], "notices")[0], "phase").to_owned();
    assert_eq!([phase(0), phase(1)], ["raised", "resolved"]);
    refused();
    watching.signal(Signal::SIGHUP);
    receiver.wait(|receiver| receiver.taken().len() == 4);
    assert_eq!([phase(2), phase(3)], ["raised", "resolved"]);
    ended(&watching.end(), 0);
}

#[test]
fn a_list_says_where_is_told_what_and_what_is_wrong_there() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    let list = || {
        let mut command = portreeve();
        command.args(["watch", "--list", "--targets"]).arg(estate.path("inventory"));
        command.arg("--store").arg(estate.path("history.db")).output().unwrap()
    };
    let output = list();
    ended(&output, 0);
    assert!(stdout(&output).contains("alerts\n  1 channel: noc\n"), "{}", stdout(&output));
    fs::remove_file(estate.path("secret")).unwrap();
    let output = list();
    ended(&output, 0);
    assert!(stderr(&output).contains("noc: ") && stderr(&output).contains("secret"), "{}", stderr(&output));
    fs::write(estate.path("inventory/alerts.toml"), "[[channel]]\nname = \"x\"\n").unwrap();
    let output = list();
    ended(&output, 2);
    assert!(stdout(&output).contains("17 3 29 2 *") && stderr(&output).contains("alerts.toml"), "{}", stderr(&output));
}

/// Kills a watch at moments of its time, and lets one that is not killed make up for it.
#[test]
fn a_watch_that_is_killed_at_any_moment_loses_no_scan_and_no_alert() {
    const ROUNDS: usize = 6;
    let seed = std::env::var("PORTREEVE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    eprintln!("PORTREEVE_SEED={seed} draws the same moments");
    let mut random = fastrand::Rng::with_seed(seed);
    let (noc, psa) = (Receiver::start(), Receiver::start());
    let keys = "roles = [\"iis\"]\nschedule = { cron = \"17 3 29 2 *\", zone = \"UTC\" }";
    let clients = ["Ash", "Birch", "Cedar"];
    let mocks = clients.map(|_| Mock::new(WEB));
    let targets: String = clients.iter().zip(&mocks).map(|(client, mock)| mock.target(client, "mock", keys)).collect();
    let estate = Estate::new(&targets, &[("noc", &noc), ("psa", &psa)]);
    ended(&estate.check(), 0);
    let first = [noc.taken().len(), psa.taken().len()];
    let watch = || begin(&estate, &["--guide", SMALL, "--fail-on", "never"]);
    let open = || {
        let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
        store.busy_timeout(Duration::from_secs(20)).unwrap();
        store
    };
    let all_done = || {
        let sql = "SELECT count(*) FROM job WHERE settled > '2020' AND ended IS NOT NULL AND exit = 0";
        open().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 3
    };
    let finished = || -> Vec<usize> {
        let of = |client: &&str| {
            let mut command = portreeve();
            command.args(["history", "--format", "json", "--client", client, "--store"]);
            let output = command.arg(estate.path("history.db")).output().unwrap();
            // Before the first run nothing is known of a client.
            let runs: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let runs = runs["runs"].as_array().cloned().unwrap_or_default();
            runs.iter().filter(|run| text(run, "state") == "finished").count()
        };
        clients.iter().map(of).collect()
    };
    let (mut whole, mut killed) = (Duration::ZERO, 0);
    for round in 0..ROUNDS {
        estate.settled(LONG_AGO);
        let before = finished();
        let start = Instant::now();
        if round > 0 {
            let mut watching = watch();
            let patience = whole.mul_f64(random.f64());
            while start.elapsed() < patience {
                std::thread::sleep(Duration::from_millis(1));
            }
            watching.0.kill().unwrap();
            watching.0.wait().unwrap();
            killed += 1;
        }
        let watching = watch();
        until("it watches", || status(&estate)["process"] == watching.0.id());
        until("what was due is scanned", all_done);
        if round == 0 {
            whole = start.elapsed();
        }
        ended(&watching.end(), 0);
        ended(&estate.check(), 0);
        for (client, (after, before)) in clients.iter().zip(finished().iter().zip(&before)) {
            // Twice only where it is not known that it had come to its end.
            let most = if round > 0 { 2 } else { 1 };
            assert!((1..=most).contains(&(after - before)), "round {round}: {client} has {} runs", after - before);
        }
        assert_eq!((estate.open(), estate.waiting()), (0, 0), "round {round}: all is told and mended");
        assert!(!is_any_job_held(&estate), "round {round}");
    }
    for (receiver, first) in [(&noc, first[0]), (&psa, first[1])] {
        let taken: Vec<Value> = receiver.taken().split_off(first);
        let told = told(&taken);
        let times = |phase: &str| -> BTreeMap<String, usize> {
            let of = told.iter().filter(|((_, known), _)| known == phase);
            of.map(|((key, _), times)| (key.clone(), *times)).collect()
        };
        let (raised, resolved) = (times("raised"), times("resolved"));
        assert_eq!(raised, resolved, "what was told is mended, as often");
        let missed = raised.values().filter(|times| **times == ROUNDS).count();
        assert!(missed >= clients.len(), "each that did not happen is told in each round: {raised:?}");
        let ids: BTreeSet<&str> = taken.iter().map(|message| text(message, "id")).collect();
        assert!(taken.len() <= ids.len() + killed, "only what was under way is sent again: {killed}");
    }
}
