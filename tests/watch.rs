//! Scheduled scans from outside: what is due is scanned, kept, and said.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
#[cfg(unix)]
use support::{HANGS, watching::Watching};
use support::{Mock, PATIENCE, SMALL, WEB, array, ended, portreeve, stderr, stdout, text};

/// Once a year, so that no test meets an occurrence by chance.
const YEARLY: &str = "roles = [\"iis\"]\nschedule = { cron = \"17 3 29 2 *\", zone = \"UTC\" }";

/// The options of `watch` for a mock.
fn options(mock: &Mock) -> Vec<String> {
    let path = |name: &str| mock.path(name).display().to_string();
    ["--targets".to_owned(), path("targets.toml"), "--store".to_owned(), path("history.db")].to_vec()
}

/// Those of each scan.
fn of_scans(mock: &Mock) -> Vec<String> {
    let ca = mock.path("ca.pem").display().to_string();
    ["--", "--ca-file", &ca, "--guide", SMALL].map(str::to_owned).to_vec()
}

fn watch(mock: &Mock, more: &[&str]) -> Command {
    let mut command = portreeve();
    command.arg("watch").args(options(mock)).args(more).args(of_scans(mock));
    command
}

fn runs(folder: &Path) -> Vec<Value> {
    let mut command = portreeve();
    let output =
        command.args(["history", "--format", "json", "--store"]).arg(folder.join("history.db")).output().unwrap();
    ended(&output, 0);
    array(&serde_json::from_slice(&output.stdout).unwrap(), "runs").to_vec()
}

/// As if every job had last been scanned long ago.
fn long_ago(mock: &Mock) {
    let store = rusqlite::Connection::open(mock.path("history.db")).unwrap();
    let changed = store.execute("UPDATE job SET settled = '2015-01-01T00:00:00Z'", []).unwrap();
    assert!(changed > 0, "there is a job");
}

#[test]
fn what_is_due_is_scanned_once_and_what_is_not_is_left() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    // The first look only notes since when the schedule counts.
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    assert_eq!((runs(mock.folder.path()).len(), mock.asked()), (0, 0));
    long_ago(&mock);
    let output = watch(&mock, &["--once"]).output().unwrap();
    ended(&output, 0);
    assert!(stderr(&output).contains("earlier scans did not happen, because nobody watched"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("watching"), "cron would send it each time");
    let listed = runs(mock.folder.path());
    assert_eq!((listed.len(), text(&listed[0], "state")), (1, "finished"));
    assert!(mock.asked() > 0);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    assert_eq!(runs(mock.folder.path()).len(), 1, "what was missed is made up for once");
    let list = watch(&mock, &["--list"]).output().unwrap();
    ended(&list, 0);
    assert!(stdout(&list).contains("ended with code 0") && stdout(&list).contains("03:17 UTC"), "{}", stdout(&list));
}

#[test]
fn a_scan_that_finds_something_or_fails_is_told_by_the_exit_code() {
    let mock = Mock::new(&WEB.replace("remove-server-header = true", "remove-server-header = false"));
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 1);
    long_ago(&mock);
    // A guide that is not there any more keeps the scan from being made.
    let mut command = portreeve();
    let missing = ["--", "--guide", "no-such-guide.toml"];
    let output = command.arg("watch").args(options(&mock)).arg("--once").args(missing).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("the scan ended with code 2"), "{}", stderr(&output));
}

/// A watch of a mock, with its status.
#[cfg(unix)]
fn begin(mock: &Mock) -> Watching {
    let status = ["--status".to_owned(), mock.path("status.json").display().to_string()];
    Watching::begin([options(mock), status.to_vec(), of_scans(mock)].concat())
}

/// The status, as soon as it is so.
fn status_is(mock: &Mock, wanted: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let status = fs::read(mock.path("status.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match status {
            Some(status) if wanted(&status) => return status,
            status => assert!(begin.elapsed() < PATIENCE, "{status:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
#[test]
fn a_watch_reads_its_inventory_again_and_ends_when_it_is_told() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let watching = begin(&mock);
    status_is(&mock, |status| status["jobs"][0]["last_exit"] == 0);
    assert_eq!(runs(mock.folder.path()).len(), 1);
    // Another schedule, read while it watches.
    mock.inventory(&YEARLY.replace("17 3 29 2 *", "18 3 29 2 *"));
    watching.signal(nix::sys::signal::Signal::SIGHUP);
    let status = status_is(&mock, |status| text(&status["jobs"][0], "id").contains("18 3 29 2 *"));
    assert_eq!((array(&status, "jobs").len(), &status["trouble"]), (1, &Value::Null));
    watching.signal(nix::sys::signal::Signal::SIGHUP);
    // One that cannot be read changes nothing, and is said.
    fs::write(mock.path("targets.toml"), "[[target]]\nname = 5\n").unwrap();
    watching.signal(nix::sys::signal::Signal::SIGHUP);
    let status = status_is(&mock, |status| status["trouble"] != Value::Null);
    assert!(text(&status["jobs"][0], "id").contains("18 3 29 2 *"));
    let output = watching.end();
    ended(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("what was scheduled before goes on"), "{said}");
    let block = "watching 1 job with 1 target\n  next    ";
    assert!(said.starts_with(block) && said.contains("  alerts  no channel: nobody is told anything"), "{said}");
    assert!(
        said.contains("the inventory was read again: 1 job changed\n  changed Test: 18 3 29 2 * UTC, before 17"),
        "{said}"
    );
    assert!(
        said.lines().filter(|line| line.starts_with("  ") && !line.contains("store")).all(|line| line.len() <= 80),
        "{said}"
    );
}

/// Another file would begin without a word on what was open before.
#[cfg(unix)]
#[test]
fn a_watch_whose_store_was_removed_says_so_and_ends() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    let watching = begin(&mock);
    status_is(&mock, |status| status["trouble"] == Value::Null);
    fs::remove_file(mock.path("history.db")).unwrap();
    watching.signal(nix::sys::signal::Signal::SIGHUP);
    let output = watching.ended();
    // The code at which the units of systemd do not start it again.
    ended(&output, 5);
    assert!(stderr(&output).contains("a new store was made"), "{}", stderr(&output));
    assert!(stderr(&output).contains("was removed or replaced"), "{}", stderr(&output));
    assert!(!mock.path("history.db").exists(), "no other is made in its place");
    status_is(&mock, |status| status["trouble"].as_str().is_some_and(|trouble| trouble.contains("was removed")));
}

#[cfg(unix)]
#[test]
fn two_watches_on_one_store_scan_what_is_due_once_and_the_second_says_so() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let start = || {
        let mut command = support::process();
        command.arg("watch").args(options(&mock)).arg("--once").args(of_scans(&mock));
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    assert_eq!(runs(mock.folder.path()).len(), 1, "{:?}", both.each_ref().map(stderr));
    for output in &both {
        ended(output, 0);
    }
}

/// A store that others may read tells them where each server is weak.
#[cfg(unix)]
#[test]
fn a_store_that_others_may_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    let first = watch(&mock, &["--once"]).output().unwrap();
    assert!(!stderr(&first).contains("other users"), "{}", stderr(&first));
    fs::set_permissions(mock.path("history.db"), fs::Permissions::from_mode(0o666)).unwrap();
    let open = watch(&mock, &["--once"]).output().unwrap();
    assert_eq!(stderr(&open).matches("other users of this machine may write to").count(), 1, "{}", stderr(&open));
    let mut doctor = portreeve();
    let doctor = doctor.arg("doctor").env("PORTREEVE_STORE", mock.path("history.db")).output().unwrap();
    assert_eq!(stderr(&doctor).matches("other users of this machine").count(), 1, "{}", stderr(&doctor));
}

#[cfg(unix)]
#[test]
fn a_scan_that_runs_when_the_watch_is_told_to_end_keeps_what_it_learned() {
    // Nothing ever speaks on this port, so the scan takes seconds.
    let mock =
        Mock::new("[[face]]\nport = \"tcp/443\"\nkind = \"hang\"\n[[face]]\nport = \"tcp/80\"\nkind = \"hang\"\n");
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let watching = begin(&mock);
    mock.wait_for_connection(443);
    ended(&watching.end(), 0);
    let listed = runs(mock.folder.path());
    assert_eq!((listed.len(), text(&listed[0], "state")), (1, "interrupted"), "{listed:?}");
}

/// Waits until the port was connected to so often.
#[cfg(unix)]
fn connected(mock: &Mock, times: u64) {
    let begin = Instant::now();
    while mock.connections(mock_servers::Transport::Tcp, 443) < times {
        assert!(begin.elapsed() < PATIENCE, "nothing connects");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_scan_that_was_stopped_is_run_again_once_and_said_so() {
    let mock = Mock::new(HANGS);
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let asked = |more: &[&str]| {
        let known = mock.connections(mock_servers::Transport::Tcp, 443);
        let more = more.iter().map(|option| (*option).to_owned()).collect();
        let watching = Watching::begin([options(&mock), more, of_scans(&mock)].concat());
        connected(&mock, known + 1);
        watching.end()
    };
    let output = asked(&["--once"]);
    ended(&output, 3);
    assert!(stderr(&output).contains("it is run again once, at the next start"), "{}", stderr(&output));
    let list = watch(&mock, &["--list"]).output().unwrap();
    assert!(stdout(&list).contains("was stopped, and is run again"), "{}", stdout(&list));
    let output = asked(&[]);
    ended(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("the last scan was stopped 2") && said.contains(" UTC; it is run again"), "{said}");
    assert!(said.contains("stopped a second time; it is not run again before it is due"), "{said}");
    assert_eq!(runs(mock.folder.path()).len(), 2);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    assert_eq!(runs(mock.folder.path()).len(), 2, "never again");
}

/// Somebody may stop a scan, and not the watch, because a client wants it: it is not begun again behind their back.
#[cfg(target_os = "linux")]
#[test]
fn a_scan_that_an_operator_stopped_is_run_again_at_the_next_start_and_not_before() {
    use nix::sys::signal::{Signal, kill};
    let mock = Mock::new(HANGS);
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let watching = begin(&mock);
    mock.wait_for_connection(443);
    let children = format!("/proc/{0}/task/{0}/children", watching.0.id());
    let children = fs::read_to_string(children).unwrap();
    let scan: i32 = children.trim().parse().unwrap();
    kill(nix::unistd::Pid::from_raw(scan), Signal::SIGTERM).unwrap();
    let status = status_is(&mock, |status| status["jobs"][0]["last_exit"] == 3);
    assert!(text(&status["jobs"][0], "next").contains("-02-29T03:17:00Z"), "{status:#}");
    watching.signal(Signal::SIGHUP);
    ended(&watching.end(), 0);
    assert_eq!(runs(mock.folder.path()).len(), 1);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    assert_eq!(runs(mock.folder.path()).len(), 2);
}

/// As a disk that is full, or another process that holds the store: what is due waits, is not begun again and again, and happens.
#[cfg(unix)]
#[test]
fn a_store_that_cannot_be_written_ends_no_watch_and_what_is_due_waits_for_it() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    ended(&watch(&mock, &["--once"]).output().unwrap(), 0);
    long_ago(&mock);
    let sql = |text: &str| {
        let store = rusqlite::Connection::open(mock.path("history.db")).unwrap();
        store.busy_timeout(Duration::from_secs(20)).unwrap();
        store.execute_batch(text).unwrap();
    };
    sql("CREATE TRIGGER full BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, 'no room'); END");
    let watching = begin(&mock);
    let written = |status: &Value| text(status, "written").to_owned();
    let is_told = |status: &Value| {
        status["trouble"]
            .as_str()
            .is_some_and(|trouble| trouble.contains("no scan begins until the store can be written"))
    };
    let mut status = status_is(&mock, is_told);
    for _ in 0..3 {
        let before = written(&status);
        watching.signal(nix::sys::signal::Signal::SIGHUP);
        status = status_is(&mock, |status| written(status) != before);
        assert!(is_told(&status), "{status:#}");
    }
    assert_eq!(mock.asked(), 0);
    sql("DROP TRIGGER full");
    watching.signal(nix::sys::signal::Signal::SIGHUP);
    let status = status_is(&mock, |status| status["jobs"][0]["last_exit"] == 0);
    assert_eq!(status["trouble"], Value::Null);
    let output = watching.end();
    ended(&output, 0);
    let said = stderr(&output);
    let times = |words: &str| said.matches(words).count();
    assert_eq!((times("no scan begins until"), times("can be written again")), (1, 1), "{said}");
    assert_eq!(runs(mock.folder.path()).len(), 1);
}

/// The same with a disk that has no room: a job that is new is noted when there is some.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_no_watch() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    let disk = mock.path("disk");
    fs::create_dir(&disk).unwrap();
    support::on_a_small_disk(&disk, || {
        let path = |name: &str| mock.path(name).display().to_string();
        let own = ["--targets", &path("targets.toml"), "--status", &path("status.json"), "--store"].map(str::to_owned);
        let watching = Watching::begin([own.to_vec(), vec![path("disk/history.db")]].concat());
        status_is(&mock, |status| status["trouble"] == Value::Null);
        let about = nix::sys::statvfs::statvfs(&disk).unwrap();
        let free = usize::try_from(about.blocks_available() * about.fragment_size()).unwrap();
        fs::write(disk.join("filler"), vec![1; free]).unwrap();
        mock.inventory(&YEARLY.replace("17 3 29 2 *", "18 3 29 2 *"));
        watching.signal(nix::sys::signal::Signal::SIGHUP);
        status_is(&mock, |status| status["trouble"].as_str().is_some_and(|trouble| trouble.contains("is full")));
        fs::remove_file(disk.join("filler")).unwrap();
        watching.signal(nix::sys::signal::Signal::SIGHUP);
        status_is(&mock, |status| status["trouble"] == Value::Null);
        ended(&watching.end(), 0);
        let store = rusqlite::Connection::open(disk.join("history.db")).unwrap();
        let noted = "SELECT count(*) FROM job WHERE id LIKE 'Test: 18 3%'";
        assert_eq!(store.query_row(noted, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    });
}

#[test]
fn what_cannot_be_watched_is_refused_before_anything_is_asked() {
    let mock = Mock::new(WEB);
    mock.inventory("roles = [\"iis\"]");
    let refused = |command: &mut Command, why: &str| {
        let output = command.output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    };
    refused(&mut watch(&mock, &["--once"]), "no target of the inventory has a schedule");
    mock.inventory(YEARLY);
    for (option, why) in [
        ("--ciphrs", "unexpected argument '--ciphrs'"),
        ("--no-store", "not for scheduled scans"),
        ("--json=x.json", "would write over each other's reports"),
        ("127.0.0.1", "names targets"),
        ("--targets=other.toml", "names targets"),
    ] {
        let mut command = portreeve();
        refused(command.arg("watch").args(options(&mock)).args(["--once", "--", option]), why);
    }
    let mut command = portreeve();
    refused(command.args(["watch", "--once", "--targets"]).arg(mock.path("targets.toml")), "need a store");
    assert_eq!(mock.asked(), 0);
}

#[test]
fn units_are_written_once_and_systemd_takes_them() {
    let mock = Mock::new(WEB);
    mock.inventory(YEARLY);
    let folder = mock.path("units");
    fs::create_dir(&folder).unwrap();
    let units = || watch(&mock, &["--write-units", &folder.display().to_string()]).output().unwrap();
    ended(&units(), 0);
    let service = fs::read_to_string(folder.join("portreeve.service")).unwrap();
    assert!(service.contains("Type=notify") && service.contains("ExecReload=kill -HUP $MAINPID"), "{service}");
    assert!(service.contains("Restart=on-failure") && service.contains("RestartPreventExitStatus=5\n"), "{service}");
    let again = units();
    ended(&again, 2);
    assert!(stderr(&again).contains("is there already"), "{}", stderr(&again));
    let mut command = std::process::Command::new("systemd-analyze");
    command.arg("verify");
    for unit in ["portreeve.service", "portreeve-once.service", "portreeve-once.timer"] {
        command.arg(folder.join(unit));
    }
    match command.output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output)),
        Err(error) => eprintln!("SKIPPED: systemd-analyze: {error}"),
    }
}
