//! What changed between two runs, from outside.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use support::{Mock, WEB, another_run, array, ended, portreeve, stderr, stdout, text};

fn about(mock: &Mock, arguments: &[&str]) -> Command {
    let mut command = portreeve();
    command.args(arguments).arg("--store").arg(mock.path("history.db"));
    command
}

fn scanned(mock: &Mock) -> String {
    let output = mock.scan().arg("--store").arg(mock.path("history.db")).output().unwrap();
    ended(&output, 0);
    stdout(&output)
}

/// Carries the last run back into the store as another, later one, in which one item that passed fails.
fn worse_run(mock: &Mock) -> String {
    let file = mock.path("last.jsonl");
    ended(&about(mock, &["export", "last", file.to_str().unwrap()]).output().unwrap(), 0);
    let mut item = None;
    let exported = fs::read_to_string(&file).unwrap();
    let soon =
        (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let changed = another_run(&exported, 1, &soon, |target| {
        let findings = target["findings"].as_array_mut().unwrap();
        let finding = findings.iter_mut().find(|finding| finding["verdict"] == "pass").unwrap();
        finding["verdict"] = "fail".into();
        for check in finding["checks"].as_array_mut().unwrap() {
            check["verdict"] = "fail".into();
        }
        item = Some(text(finding, "item").to_owned());
    });
    fs::write(&file, changed).unwrap();
    let output = about(mock, &["import", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    item.unwrap()
}

#[test]
fn what_changed_is_told_in_every_form_and_by_the_exit_code() {
    let mock = Mock::new(WEB);
    assert!(!scanned(&mock).contains("WHAT CHANGED"), "there is nothing to compare the first run with");
    let output = about(&mock, &["diff"]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("name two runs"), "{}", stderr(&output));
    let second = scanned(&mock);
    assert!(second.contains("WHAT CHANGED") && second.contains("Nothing that could be compared changed"), "{second}");
    let output = about(&mock, &["diff", "--width", "100"]).output().unwrap();
    ended(&output, 0);
    assert!(stdout(&output).contains("Nothing that could be compared changed since run 1 of"), "{}", stdout(&output));

    let item = worse_run(&mock);
    let output = about(&mock, &["diff", "--width", "100"]).output().unwrap();
    ended(&output, 1);
    let page = stdout(&output);
    assert!(page.contains("1 worse") && page.contains(&format!("{item}: pass → fail")), "{page}");
    assert!(page.contains("Cannot tell why"), "nothing else differs: {page}");
    let (html, json) = (mock.path("diff.html"), ["diff", "2", "last", "--format", "json", "--fail-on", "never"]);
    let output = about(&mock, &json).arg("--html").arg(&html).output().unwrap();
    ended(&output, 0);
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((text(&written, "format"), &written["summary"]["worse"]), ("portreeve-diff", &1.into()));
    assert_eq!(array(&written["targets"][0], "changes").len(), 1);
    assert!(fs::read_to_string(&html).unwrap().contains(&item));
    let output = about(&mock, &["diff", "--format", "csv"]).output().unwrap();
    ended(&output, 1);
    let table = stdout(&output);
    assert!(table.starts_with("client,server,host,class") && table.contains(",worse,"), "{table}");
    // The other way round it is better.
    let output = about(&mock, &["diff", "last", "1", "--format", "json"]).output().unwrap();
    ended(&output, 0);
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&written["summary"]["worse"], &written["summary"]["better"]), (&0.into(), &1.into()));
    assert!(stderr(&output).contains("compares backwards"), "{}", stderr(&output));
    ended(&about(&mock, &["diff", "last", "last"]).output().unwrap(), 2);
    let same = about(&mock, &["diff", "last"]).output().unwrap();
    ended(&same, 2);
    assert!(stderr(&same).contains("where only OLD is named, NEW is `last`"), "{}", stderr(&same));
    ended(&about(&mock, &["diff", "7"]).output().unwrap(), 2);
    ended(&about(&mock, &["diff", "--client", "nobody"]).output().unwrap(), 2);
    let shown = about(&mock, &["show", "last", "--fail-on", "never"]).output().unwrap();
    assert!(stdout(&shown).contains(&format!("{item}: pass → fail")), "{}", stdout(&shown));
}

#[test]
fn a_run_that_is_dated_in_the_future_is_told_and_is_not_the_last() {
    let mock = Mock::new(WEB);
    scanned(&mock);
    scanned(&mock);
    let file = mock.path("ahead.jsonl");
    ended(&about(&mock, &["export", "last", file.to_str().unwrap()]).output().unwrap(), 0);
    let exported = fs::read_to_string(&file).unwrap();
    fs::write(&file, another_run(&exported, 7, "2099-01-01T00:00:00Z", |_| {})).unwrap();
    let ahead = |output: &std::process::Output| {
        assert!(stderr(output).contains("run 3 is dated in the future"), "{}", stderr(output));
    };
    ahead(&about(&mock, &["import", file.to_str().unwrap()]).output().unwrap());
    let listed = about(&mock, &["history"]).output().unwrap();
    ended(&listed, 0);
    ahead(&listed);
    assert_eq!(stdout(&listed).matches("DATED IN THE FUTURE").count(), 1, "{}", stdout(&listed));
    let compared = about(&mock, &["diff", "--width", "100"]).output().unwrap();
    ended(&compared, 0);
    ahead(&compared);
    assert!(stdout(&compared).contains("since run 1 of"), "{}", stdout(&compared));
    let shown = about(&mock, &["show", "last", "--format", "json"]).output().unwrap();
    ahead(&shown);
    assert!(!stdout(&shown).contains("2099-01-01"), "the last real run is shown");
    let pruned = about(&mock, &["prune", "--keep", "1"]).output().unwrap();
    ended(&pruned, 0);
    let said = stdout(&pruned);
    assert!(said.contains("1 run forgotten") && said.contains("KiB freed: 1\n"), "{said}");
    assert!(said.contains("kept and not counted, as dated in the future by a wrong clock: 3"), "{said}");
}
