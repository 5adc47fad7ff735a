//! The history from outside: every scan is kept, whatever happens to it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use assert_cmd::Command;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::{HANGS, Mock, SMALL, WEB, array, ended, json, portreeve, process, stderr, stdout, text};

/// A command about the store in this folder.
fn about(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = portreeve();
    command.args(arguments).arg("--store").arg(folder.join("history.db"));
    command
}

fn runs(folder: &Path) -> Vec<Value> {
    let output = about(folder, &["history", "--format", "json"]).output().unwrap();
    ended(&output, 0);
    array(&serde_json::from_slice(&output.stdout).unwrap(), "runs").to_vec()
}

fn shown(folder: &Path, run: &str) -> Value {
    let output = about(folder, &["show", run, "--format", "json", "--fail-on", "never"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn integrity(store: &Path) {
    let connection = rusqlite::Connection::open(store).unwrap();
    let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

/// A mock, and a scan of it that is kept.
fn kept_scan(mock: &Mock) -> Command {
    let mut command = mock.scan();
    command.arg("--store").arg(mock.path("history.db"));
    command
}

#[test]
fn every_scan_is_kept_and_reads_as_it_did() {
    let mock = Mock::new(WEB);
    let output = kept_scan(&mock)
        .arg("--json")
        .arg(mock.path("run.json"))
        .arg("--html")
        .arg(mock.path("run.html"))
        .output()
        .unwrap();
    ended(&output, 0);
    assert_eq!(stderr(&output), "");
    let listed = runs(mock.folder.path());
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["run"], text(&listed[0], "state")), (&1.into(), "finished"));
    let again = about(mock.folder.path(), &["show", "1"]).output().unwrap();
    ended(&again, 0);
    assert_eq!(stdout(&again), stdout(&output));
    let (again_json, again_html) = (mock.path("again.json"), mock.path("again.html"));
    let again = about(mock.folder.path(), &["show", "last", "-q"])
        .arg("--json")
        .arg(&again_json)
        .arg("--html")
        .arg(&again_html)
        .output();
    ended(&again.unwrap(), 0);
    assert_eq!(json(&again_json), json(&mock.path("run.json")));
    assert!(fs::read(&again_html).unwrap() == fs::read(mock.path("run.html")).unwrap());
    let output = about(mock.folder.path(), &["show", "last~1"]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("there is no run last~1"), "{}", stderr(&output));
    for command in [&["show", "last"][..], &["diff"], &["history"]] {
        let output = about(mock.folder.path(), &[command, &["--client", "Nobody"]].concat()).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains("has a target of --client Nobody"), "{}", stderr(&output));
    }
}

#[test]
fn a_line_for_each_run_says_when_and_what_came_of_it() {
    let mock = Mock::new(WEB);
    for _ in 0..3 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    let output = about(mock.folder.path(), &["history", "--last", "2", "--width", "100"]).output().unwrap();
    ended(&output, 0);
    let page = stdout(&output);
    assert_eq!(page.lines().count(), 2, "{page}");
    assert!(
        page.lines().all(|line| line.contains(" UTC  ") && line.contains("1 target: ") && line.contains("3 pass")),
        "{page}"
    );
    assert!(page.starts_with("2  20") && page.contains("\n3  20"), "{page}");
    let narrow = about(mock.folder.path(), &["history", "--width", "40"]).output().unwrap();
    assert!(stdout(&narrow).lines().all(|line| line.chars().count() <= 40), "{}", stdout(&narrow));
    let output = about(mock.folder.path(), &["history", "--client", "nobody\u{1b}[2J"]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("--client nobody\\x1b[2J") && !stderr(&output).contains('\u{1b}'));
}

#[test]
fn what_is_not_to_be_kept_is_not_and_a_dry_run_makes_no_store() {
    let mock = Mock::new(WEB);
    let store = mock.path("history.db");
    ended(&mock.scan().env("PORTREEVE_STORE", &store).arg("--no-store").output().unwrap(), 0);
    ended(&mock.scan().env("PORTREEVE_STORE", &store).arg("--dry-run").output().unwrap(), 0);
    assert!(!store.exists());
    ended(&mock.scan().env("PORTREEVE_STORE", &store).output().unwrap(), 0);
    assert!(store.exists());
}

#[cfg(unix)]
#[test]
fn a_new_store_and_its_folder_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mock = Mock::new(WEB);
    let home = mock.path("home");
    let mut command = mock.scan();
    command.env_remove("PORTREEVE_STORE").env("HOME", &home).env("XDG_DATA_HOME", home.join("data"));
    ended(&command.output().unwrap(), 0);
    let folder = home.join("data/portreeve");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("history.db"))), (0o700, 0o600));
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["history.db"], "neither a log nor a lock is left");
}

#[test]
fn what_is_no_store_is_refused_before_anything_is_asked_and_left_as_it_is() {
    let mock = Mock::new(WEB);
    let refused = |store: &Path, why: &str| {
        let before = fs::read(store).ok();
        let output = mock.scan().arg("--store").arg(store).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(fs::read(store).ok() == before, "it was changed");
    };
    let other = mock.path("notes.txt");
    fs::write(&other, "not a database, but somebody's notes").unwrap();
    refused(&other, "is no store of portreeve");
    let foreign = mock.path("foreign.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)")
        .unwrap();
    refused(&foreign, "is no store of portreeve");
    refused(mock.folder.path(), "it is a folder");
    refused(&other.join("history.db"), "notes.txt");
    assert_eq!(mock.asked(), 0);
    let newer = mock.path("newer.db");
    ended(&mock.scan().arg("--store").arg(&newer).output().unwrap(), 0);
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused(&newer, "newer portreeve (format 99");
}

#[test]
fn a_damaged_store_is_said_to_be_damaged() {
    let mock = Mock::new(WEB);
    let store = mock.path("history.db");
    for _ in 0..2 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    let mut bytes = fs::read(&store).unwrap();
    // All but the first page, which says what the file is.
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x5a);
    fs::write(&store, bytes).unwrap();
    let output = about(mock.folder.path(), &["history"]).output().unwrap();
    ended(&output, 3);
    assert!(stderr(&output).contains("is damaged"), "{}", stderr(&output));
}

#[test]
fn what_can_be_read_of_a_damaged_store_is_exported_and_the_rest_is_named() {
    let mock = Mock::new(WEB);
    for _ in 0..3 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    // What only the second run says cannot be read any more.
    let store = rusqlite::Connection::open(mock.path("history.db")).unwrap();
    let own = "INSERT INTO content (form, body) VALUES (0, x'5a5a5a');
        UPDATE run SET header = (SELECT max(id) FROM content) WHERE id = 2;";
    store.execute_batch(own).unwrap();
    drop(store);
    let file = mock.path("runs.jsonl");
    let output = about(mock.folder.path(), &["export", "--all"]).arg(&file).output().unwrap();
    ended(&output, 3);
    let said = stderr(&output);
    assert!(
        said.contains("1 run is lost") && said.trim_end().ends_with(": 2") && said.contains("2 runs written"),
        "{said}"
    );
    let other = tempfile::tempdir().unwrap();
    let output = about(other.path(), &["import"]).arg(&file).output().unwrap();
    ended(&output, 0);
    assert_eq!(stdout(&output), "2 runs taken\n");
}

#[test]
fn whatever_page_of_a_store_is_overwritten_what_is_left_is_exported_or_said_to_be_lost() {
    let mock = Mock::new(WEB);
    for _ in 0..2 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    let whole = fs::read(mock.path("history.db")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (folder.path().join("history.db"), folder.path().join("runs.jsonl"));
    let mut brought = [0; 2];
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        fs::write(&store, bytes).unwrap();
        let _ = fs::remove_file(&file);
        let output = about(folder.path(), &["export", "--all"]).arg(&file).output().unwrap();
        let said = stderr(&output);
        assert!(matches!(output.status.code(), Some(0 | 3)), "page {page}: {said}");
        if output.status.code() == Some(3) {
            assert!(said.contains("damaged"), "page {page}: {said}");
            brought[usize::from(file.exists())] += 1;
        }
        if file.exists() {
            let other = tempfile::tempdir().unwrap();
            ended(&about(other.path(), &["import"]).arg(&file).output().unwrap(), 0);
        }
        for log in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("history.db{log}")));
        }
    }
    eprintln!("pages that cost every run, and some: {brought:?}");
}

#[test]
fn what_is_to_be_imported_and_is_not_there_is_said_to_be_no_file_and_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [folder.path().join("nonexistent"), folder.path().to_owned()] {
        let output = about(folder.path(), &["import"]).arg(&wrong).output().unwrap();
        ended(&output, 2);
        let said = stderr(&output);
        assert!(
            said.contains("cannot be read") && said.contains("portreeve export") && !said.contains("store"),
            "{said}"
        );
    }
    assert!(!folder.path().join("history.db").exists());
}

#[test]
fn an_export_is_taken_in_once_and_nothing_of_a_malformed_one() {
    let mock = Mock::new(WEB);
    for _ in 0..2 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    let (file, other) = (mock.path("runs.jsonl"), tempfile::tempdir().unwrap());
    ended(&about(mock.folder.path(), &["export", "--all"]).arg(&file).output().unwrap(), 0);
    for said in ["2 runs taken\n", "0 runs taken; 2 were in the store before\n"] {
        let output = about(other.path(), &["import"]).arg(&file).output().unwrap();
        ended(&output, 0);
        assert_eq!(stdout(&output), said);
    }
    assert_eq!(shown(other.path(), "1"), shown(mock.folder.path(), "1"));
    let one = about(mock.folder.path(), &["export", "last", "-"]).output().unwrap();
    ended(&one, 0);
    assert_eq!(stdout(&one).lines().count(), 4);
    let mut lines: Vec<String> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    lines[5] = lines[5].replacen("\"observations\":[", "\"observations\":[nonsense", 1);
    fs::write(&file, lines.join("\n")).unwrap();
    let third = tempfile::tempdir().unwrap();
    let output = about(third.path(), &["import"]).arg(&file).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("runs.jsonl:6:"), "{}", stderr(&output));
    assert!(runs(third.path()).is_empty(), "the first run was right, and is not taken all the same");
}

#[test]
fn pruning_says_first_what_would_go() {
    let mock = Mock::new(WEB);
    for _ in 0..3 {
        ended(&kept_scan(&mock).output().unwrap(), 0);
    }
    let dry = about(mock.folder.path(), &["prune", "--keep", "1", "--dry-run"]).output().unwrap();
    ended(&dry, 0);
    assert_eq!(stdout(&dry), "2 runs would be forgotten: 1, 2\n");
    assert_eq!(runs(mock.folder.path()).len(), 3);
    ended(&about(mock.folder.path(), &["prune", "--keep", "1"]).output().unwrap(), 0);
    let left = runs(mock.folder.path());
    assert_eq!((left.len(), &left[0]["run"]), (1, &3.into()));
    let old = about(mock.folder.path(), &["prune", "--older-than", "1d"]).output().unwrap();
    assert_eq!(stdout(&old), "nothing to forget\n");
    integrity(&mock.path("history.db"));
}

/// Many targets that are one mock, so that a scan takes a while. Each says that another service was moved, which no guide asks
/// for: a server is a target once.
fn estate(mock: &Mock, count: usize) -> PathBuf {
    let one = mock.target("Test", "mock", "roles = [\"iis\"]");
    let mut inventory = String::new();
    for number in 0..count {
        let one = one.replace("name = \"mock\"", &format!("name = \"mock{number:03}\""));
        let _ = writeln!(inventory, "{one}\"tcp/{}\" = \"9\"", 61_000 + number);
    }
    let path = mock.path("estate.toml");
    fs::write(&path, inventory).unwrap();
    path
}

/// Starts a kept scan of many targets that prints each once it is kept.
fn start(mock: &Mock, inventory: &Path) -> Child {
    let mut command = process();
    command.arg("scan").arg("--targets").arg(inventory).arg("--ca-file").arg(mock.path("ca.pem"));
    command.args(["--guide", SMALL, "--parallel", "2", "--format", "jsonl", "--store"]).arg(mock.path("history.db"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The names of targets that are said to be kept in JSON Lines.
fn told(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["kind"] == "target").then(|| text(&line, "target").to_owned())
}

fn names(run: &Value, finished: bool) -> Vec<String> {
    let is_finished = |target: &&Value| array(target, "findings").is_empty() != finished;
    array(run, "targets").iter().filter(is_finished).map(|target| text(target, "name").to_owned()).collect()
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_told_as_kept() {
    const TARGETS: usize = 12;
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, TARGETS);
    let (mut interrupted, mut begun) = (0, 0);
    for round in 0..10 {
        let mut child = start(&mock, &inventory);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kept = Vec::new();
        // Killed after so many were told as kept, and a moment that is never the same.
        while kept.len() < round {
            let Some(Ok(line)) = lines.next() else { break };
            kept.extend(told(&line));
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        kept.extend(lines.map_while(Result::ok).filter_map(|line| told(&line)));
        let store = mock.path("history.db");
        if !store.exists() {
            continue;
        }
        integrity(&store);
        let listed = about(mock.folder.path(), &["history", "--format", "json"]).output().unwrap();
        if listed.status.code() == Some(2) {
            assert!(stderr(&listed).contains("there is no store") && kept.is_empty(), "{}", stderr(&listed));
            continue;
        }
        let listed = runs(mock.folder.path());
        assert!(listed.len() <= begun + 1);
        if listed.len() == begun {
            assert!(kept.is_empty(), "a target of a run that is not there was told as kept");
            continue;
        }
        begun = listed.len();
        let last = listed.last().unwrap();
        assert_eq!(last["targets"], TARGETS);
        let run = shown(mock.folder.path(), "last");
        let there = names(&run, true);
        for name in &kept {
            assert!(there.contains(name), "{name} was told as kept: {there:?}");
        }
        if text(last, "state") == "interrupted" {
            interrupted += 1;
            assert!(last["partial"] == true && run["partial"] == true);
            assert_eq!(last["unfinished"], TARGETS - there.len());
        }
    }
    assert!(interrupted > 3, "{interrupted} of {begun}");
    let mut child = start(&mock, &inventory);
    BufReader::new(child.stdout.take().unwrap()).lines().for_each(drop);
    assert!(child.wait().unwrap().success());
    let listed = runs(mock.folder.path());
    assert_eq!(text(listed.last().unwrap(), "state"), "finished");
    let left: Vec<String> = fs::read_dir(mock.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!left.iter().any(|name| name.contains("-run-")), "locks of the dead are swept up: {left:?}");
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_only_what_is_missing_is_asked() {
    const TARGETS: usize = 8;
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, TARGETS);
    let mut child = start(&mock, &inventory);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut kept = Vec::new();
    while kept.len() < 3 {
        kept.extend(told(&lines.next().unwrap().unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(lines);
    let before = shown(mock.folder.path(), "1");
    let done = names(&before, true);
    assert!(done.len() >= 3 && done.len() < TARGETS, "{done:?}");
    let output = about(mock.folder.path(), &["scan", "--resume", "1", "--format", "json"]).output().unwrap();
    ended(&output, 0);
    let listed = runs(mock.folder.path());
    assert_eq!(listed.len(), 1, "it is the same run");
    assert_eq!((text(&listed[0], "state"), &listed[0]["unfinished"]), ("finished", &0.into()));
    let after = shown(mock.folder.path(), "1");
    assert_eq!(names(&after, true).len(), TARGETS);
    let of = |run: &Value, name: &str| -> Value {
        array(run, "targets").iter().find(|target| target["name"] == name).unwrap()["observations"].clone()
    };
    for name in &done {
        assert_eq!(of(&before, name), of(&after, name), "{name} was asked again");
    }
    let again = about(mock.folder.path(), &["scan", "--resume", "1"]).output().unwrap();
    ended(&again, 2);
    assert!(stderr(&again).contains("it came to its end"), "{}", stderr(&again));
}

/// A run that Ctrl-C ended is there as partial, and is gone on with.
#[cfg(unix)]
#[test]
fn a_run_that_was_interrupted_is_gone_on_with() {
    let mock = Mock::new(HANGS);
    let inventory = mock.inventory("roles = [\"iis\"]");
    let mut command = process();
    command.arg("scan").arg("--targets").arg(&inventory).args(["--guide", SMALL, "--store"]);
    command.arg(mock.path("history.db")).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    mock.wait_for_connection(443);
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    ended(&output, 3);
    let listed = runs(mock.folder.path());
    assert_eq!((listed.len(), text(&listed[0], "state")), (1, "interrupted"));
    assert_eq!(listed[0]["partial"], true);
    ended(&about(mock.folder.path(), &["show", "last"]).output().unwrap(), 3);
    ended(&about(mock.folder.path(), &["scan", "--resume", "last", "--fail-on", "never"]).output().unwrap(), 0);
    let listed = runs(mock.folder.path());
    assert_eq!((listed.len(), text(&listed[0], "state")), (1, "finished"), "it is the same run");
}

#[test]
fn what_was_learned_of_a_server_before_a_kill_is_not_asked_again() {
    let mock = Mock::new(HANGS);
    let inventory = estate(&mock, 1);
    let mut child = start(&mock, &inventory);
    let observed = || -> Vec<Value> {
        if !mock.path("history.db").exists() {
            return Vec::new();
        }
        let output = about(mock.folder.path(), &["export", "1", "-"]).output().unwrap();
        let line = stdout(&output).lines().nth(2).map(|line| serde_json::from_str::<Value>(line).unwrap());
        line.map(|line| array(&line["target"], "observations").to_vec()).unwrap_or_default()
    };
    let begin = Instant::now();
    while observed().is_empty() {
        assert!(begin.elapsed() < support::PATIENCE && child.try_wait().unwrap().is_none(), "nothing was kept in time");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = observed();
    let listed = runs(mock.folder.path());
    assert_eq!((text(&listed[0], "state"), &listed[0]["unfinished"]), ("interrupted", &1.into()));
    ended(&about(mock.folder.path(), &["scan", "--resume", "last", "--fail-on", "never"]).output().unwrap(), 0);
    let closed = |observations: &[Value]| -> Value {
        let found = observations.iter().find(|one| one["attempt"]["fact"]["state"] == "closed");
        found.unwrap_or_else(|| panic!("{observations:?}")).clone()
    };
    let (before, after) = (closed(&before), closed(&observed()));
    for time in ["started_ms", "elapsed_ms", "tries"] {
        assert_eq!(before[time], after[time], "it was asked again");
    }
    assert_eq!(text(&runs(mock.folder.path())[0], "state"), "finished");
}

#[test]
fn a_run_is_not_gone_on_with_when_its_inventory_is_another() {
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, 8);
    let mut child = start(&mock, &inventory);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while told(&lines.next().unwrap().unwrap()).is_none() {}
    child.kill().unwrap();
    child.wait().unwrap();
    let own = fs::read_to_string(&inventory).unwrap();
    fs::write(&inventory, format!("{own}# a note\n")).unwrap();
    let resume = |arguments: &[&str]| {
        about(mock.folder.path(), &[&["scan", "--resume", "last"], arguments].concat()).output().unwrap()
    };
    let output = resume(&[]);
    ended(&output, 2);
    assert!(
        stderr(&output).contains("its inventory, or what people say beside it, was changed"),
        "{}",
        stderr(&output)
    );
    fs::write(&inventory, own).unwrap();
    let output = resume(&["--sweep"]);
    ended(&output, 2);
    let mut elsewhere = about(mock.folder.path(), &["scan", "--resume", "last"]);
    let output = elsewhere.current_dir(mock.folder.path()).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("it was begun in the folder"), "{}", stderr(&output));
    let asked = mock.asked();
    ended(&resume(&[]), 0);
    assert!(mock.asked() > asked);
}

#[test]
fn a_run_that_goes_on_is_said_to_and_is_not_taken_up() {
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, 60);
    let mut child = start(&mock, &inventory);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while told(&lines.next().unwrap().unwrap()).is_none() {}
    assert_eq!(text(&runs(mock.folder.path())[0], "state"), "running");
    let output = about(mock.folder.path(), &["scan", "--resume", "1"]).output().unwrap();
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    ended(&output, 2);
    if alive {
        assert!(stderr(&output).contains("a process is at it"), "{}", stderr(&output));
    }
}

#[test]
fn two_scans_keep_their_runs_in_one_store_at_once() {
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, 10);
    let children: Vec<Child> = (0..3).map(|_| start(&mock, &inventory)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        ended(&output, 0);
        assert_eq!(stdout(&output).lines().filter_map(told).count(), 10);
    }
    let listed = runs(mock.folder.path());
    assert_eq!(listed.len(), 3);
    for run in &listed {
        assert_eq!((text(run, "state"), &run["unfinished"], &run["targets"]), ("finished", &0.into(), &10.into()));
    }
    integrity(&mock.path("history.db"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_the_scan_goes_on() {
    let mock = Mock::new(WEB);
    let inventory = estate(&mock, 4);
    let disk = mock.path("disk");
    fs::create_dir(&disk).unwrap();
    let small = || {
        let scan = || {
            let mut command = portreeve();
            command.arg("scan").arg("--targets").arg(&inventory).arg("--ca-file").arg(mock.path("ca.pem"));
            command.args(["--guide", SMALL, "--parallel", "2", "--store"]).arg(disk.join("history.db"));
            command.output().unwrap()
        };
        ended(&scan(), 0);
        let free = || {
            let about = nix::sys::statvfs::statvfs(&disk).unwrap();
            about.blocks_available() * about.fragment_size()
        };
        // From room for the beginning of a run, down to none at all.
        let mut unkept = 0;
        for left in [200_000, 120_000, 60_000, 20_000, 0] {
            let (filler, before) = (disk.join("filler"), runs(&disk).len());
            fs::write(&filler, vec![1; usize::try_from(free().saturating_sub(left)).unwrap()]).unwrap();
            let output = scan();
            fs::remove_file(&filler).unwrap();
            match output.status.code() {
                Some(2) => {
                    assert!(stderr(&output).contains("is full") && stdout(&output).is_empty(), "{}", stderr(&output));
                    assert_eq!(runs(&disk).len(), before, "nothing was asked, and nothing is there");
                }
                Some(3) => {
                    assert!(stderr(&output).contains("is full"), "{}", stderr(&output));
                    assert!(stdout(&output).contains("mock003"), "the report is printed: {}", stdout(&output));
                    assert_eq!(text(runs(&disk).last().unwrap(), "state"), "interrupted");
                    unkept += 1;
                }
                _ => {
                    ended(&output, 0);
                    assert!(left > 0, "no room, and nothing was said");
                }
            }
            integrity(&disk.join("history.db"));
        }
        assert!(unkept > 0, "the disk was never filled by a scan");
        ended(&scan(), 0);
        assert_eq!(text(runs(&disk).last().unwrap(), "state"), "finished", "with room again all is well");
    };
    support::on_a_small_disk(&disk, small);
}
