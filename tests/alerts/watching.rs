//! Alerts of a watch, from outside.

use super::*;

/// A watch, and what it said.
struct Watching(Child);

impl Watching {
    fn begin(estate: &Estate, scan: &[&str]) -> Self {
        let mut command = process();
        command.arg("watch").arg("--targets").arg(estate.path("inventory")).arg("--store");
        command.arg(estate.path("history.db")).arg("--status").arg(estate.path("status.json"));
        command.arg("--").args(scan);
        Self(command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn reload(&self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGHUP).unwrap();
    }

    fn end(mut self) -> Output {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.0.wait().unwrap();
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        Output { status, stdout: Vec::new(), stderr: said }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    let watching = Watching::begin(&estate, &["--ca-file", &ca, "--guide", SMALL, "--fail-on", "never"]);
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
    let mut watching = Watching::begin(&estate, &["--guide", SMALL, "--fail-on", "never"]);
    mock.wait_for_connection(443);
    watching.0.kill().unwrap();
    watching.0.wait().unwrap();
    let held = || {
        let names = fs::read_dir(estate.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap());
        names.filter(|entry| entry.file_name().to_string_lossy().contains("-run-job-")).any(|entry| {
            let file = fs::File::open(entry.path());
            file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
        })
    };
    until("its scan ends with it", || !held());
    ended(&estate.check(), 0);
    assert_eq!(phases(&receiver.taken(), "raised"), 1, "that it did not come to its end is told");
    let again = Watching::begin(&estate, &["--guide", SMALL, "--fail-on", "never"]);
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
    let watching = Watching::begin(&estate, &["--guide", SMALL]);
    let trouble = || status(&estate)["trouble"].as_str().unwrap_or_default().to_owned();
    until("it says what is wrong", || trouble().contains("channels for alerts cannot be read"));
    // Mended, and read again.
    receiver.goes();
    estate.settled(LONG_AGO);
    fs::write(&file, &good).unwrap();
    ended(&estate.check(), 3);
    watching.reload();
    until("it is well", || trouble().is_empty() && status(&estate)["alerts"]["waiting"] == 1);
    // Without the file what waits is not forgotten.
    fs::remove_file(&file).unwrap();
    watching.reload();
    until("its channel is gone", || !status(&estate)["alerts"]["gone"][0].is_null());
    assert_eq!(status(&estate)["alerts"]["waiting"], 1);
    fs::write(&file, &good).unwrap();
    watching.reload();
    until("it is there again", || status(&estate)["alerts"]["gone"][0].is_null());
    // A status that cannot be written ends nothing.
    fs::remove_file(estate.path("status.json")).unwrap();
    fs::create_dir(estate.path("status.json")).unwrap();
    watching.reload();
    receiver.comes_back();
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    fs::remove_dir(estate.path("status.json")).unwrap();
    watching.reload();
    until("nothing waits", || status(&estate)["alerts"]["waiting"] == 0);
    ended(&watching.end(), 0);
}
