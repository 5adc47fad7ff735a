//! Running portreeve, and reading its JSON as its users would.

use super::rig::{Rig, foreign};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// Every version that is asked for, as reports name it.
pub(crate) const VERSIONS: [&str; 5] = ["SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"];

/// What portreeve printed.
pub(crate) struct Report {
    document: Value,
    command_line: String,
}

/// Scans the rig's address.
pub(crate) fn scan(rig: &Rig, arguments: &[&str]) -> Report {
    let all = scan_of(rig, arguments);
    let report = portreeve(&all.iter().map(String::as_str).collect::<Vec<_>>(), &[0, 1]);
    assert!(report.document["partial"] == false, "{}: {:#}", report.command_line, report.target()["troubles"]);
    report
}

/// The same with the waits that are usual, and how long it took.
pub(crate) fn scan_timed(rig: &Rig, arguments: &[&str]) -> (Report, Duration) {
    let all = scan_of(rig, arguments);
    let begun = Instant::now();
    let report = run(&all.iter().map(String::as_str).collect::<Vec<_>>(), &[0, 1]);
    (report, begun.elapsed())
}

fn scan_of(rig: &Rig, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["scan".to_owned(), rig.address.to_string()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let elsewhere: Vec<String> = foreign(rig.address)
        .into_iter()
        .filter(|(port, _)| !arguments.iter().any(|argument| argument.starts_with(&format!("tcp/{port}="))))
        .flat_map(|(port, free)| ["--moved".to_owned(), format!("tcp/{port}={free}")])
        .collect();
    all.extend(elsewhere);
    all
}

/// Runs `portreeve probe`. A question without an answer makes the exit code 3, and is for the test to judge.
pub(crate) fn probe(arguments: &[&str]) -> Report {
    let mut all = vec!["probe"];
    all.extend(arguments);
    portreeve(&all, &[0, 3])
}

/// The same with the waits that are usual, and how long it took.
pub(crate) fn probe_timed(arguments: &[&str]) -> (Report, Duration) {
    let mut all = vec!["probe"];
    all.extend(arguments);
    let begun = Instant::now();
    let report = run(&all, &[0, 3]);
    (report, begun.elapsed())
}

fn portreeve(arguments: &[&str], exits: &[i32]) -> Report {
    // The machine may be busy with other tests.
    run(&[arguments, &["--timeout", "2"]].concat(), exits)
}

fn run(arguments: &[&str], exits: &[i32]) -> Report {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    command.args(arguments).args(["--format", "json"]);
    command.env_remove("PORTREEVE_LOG").env("PORTREEVE_STORE", "none");
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let command_line = format!("portreeve {}", arguments.join(" "));
    assert!(exits.contains(&output.status.code().unwrap()), "{command_line}: {}\n{error}", output.status);
    let document =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{command_line}: {why}\n{error}"));
    Report { document, command_line }
}

impl Report {
    fn target(&self) -> &Value {
        &self.document["targets"][0]
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.target()[name].as_array().unwrap().iter()
    }

    /// Holds a finding against the verdict that it must have and the words that must be among what was seen and why.
    #[track_caller]
    pub(crate) fn says(&self, item: &str, verdict: &str, words: &[&str]) {
        let finding = self.list("findings").find(|finding| finding["item"] == item);
        let finding = finding.unwrap_or_else(|| panic!("{item} is not in the report of {}", self.command_line));
        let checks = &finding["checks"];
        assert!(finding["verdict"] == verdict, "{}: {item} is not {verdict}: {checks:#}", self.command_line);
        let mut text = String::new();
        for check in checks.as_array().unwrap() {
            let seen = check["seen"].as_array().unwrap().iter();
            seen.chain([&check["why"]]).for_each(|part| text.extend([part.as_str().unwrap(), "\n"]));
            let rests_on = check["rests_on"].as_array().unwrap();
            assert!(verdict != "pass" || !rests_on.is_empty(), "{item} passes and rests on nothing: {checks:#}");
        }
        for word in words {
            assert!(text.contains(word), "{}: {item} does not say \"{word}\":\n{text}", self.command_line);
        }
    }

    /// Whether an item is in the report.
    pub(crate) fn judges(&self, item: &str) -> bool {
        self.list("findings").any(|finding| finding["item"] == item)
    }

    /// The observations of one kind of question about a port.
    pub(crate) fn observations(&self, ask: &str, port: u16) -> impl Iterator<Item = &Value> {
        self.list("observations")
            .filter(move |seen| seen["question"]["ask"] == ask && seen["question"]["port"] == u64::from(port))
    }

    /// The answer to one kind of question about a port.
    #[track_caller]
    pub(crate) fn answer(&self, ask: &str, port: u16) -> &Value {
        let found = self.observations(ask, port).find(|seen| seen["outcome"] == "answered");
        found.map_or_else(
            || {
                let all: Vec<String> = self.list("observations").map(|seen| seen["text"].to_string()).collect();
                panic!("{}: no answer to {ask} of tcp/{port}:\n{}", self.command_line, all.join("\n"))
            },
            |seen| &seen["answer"],
        )
    }

    /// The ports that were asked, with their states.
    pub(crate) fn states(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ports = self.list("observations").filter(|seen| seen["question"]["ask"] == "port");
        ports.map(|seen| (text(&seen["question"]["ports"]), text(&seen["answer"]["state"]))).collect()
    }

    /// The protocol that speaks on a port.
    #[track_caller]
    pub(crate) fn protocol(&self, port: u16) -> &str {
        self.answer("service", port)["protocol"].as_str().unwrap()
    }

    /// The answer to one request.
    #[track_caller]
    pub(crate) fn http(&self, port: u16, method: &str, path: &str) -> &Value {
        let found = self.observations("http", port).find(|seen| {
            let question = &seen["question"];
            question["method"] == method && question["path"] == path && question["host_field"] == true
        });
        let found = found.unwrap_or_else(|| panic!("{}: {method} {path} was not asked", self.command_line));
        assert!(found["outcome"] == "answered", "{}: {}", self.command_line, found["text"]);
        &found["answer"]
    }

    /// How each version of TLS was answered on a port, in the words of the report, each time that it was asked.
    pub(crate) fn answers(&self, port: u16) -> Vec<(String, String)> {
        let seen = self.observations("tls-version", port).filter(|seen| seen["outcome"] != "skipped");
        let answer =
            |seen: &Value| seen["answer"]["answer"].as_str().map_or_else(|| seen["text"].to_string(), str::to_owned);
        seen.map(|seen| (seen["question"]["version"].as_str().unwrap().to_owned(), answer(seen))).collect()
    }

    /// The same for servers that answer alike with SNI and without.
    pub(crate) fn versions(&self, port: u16) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        for (version, answer) in self.answers(port) {
            let before = versions.insert(version.clone(), answer.clone());
            let same = before.as_ref().is_none_or(|before| *before == answer);
            assert!(same, "{version} depends on SNI, or on luck: {before:?} and {answer}");
        }
        versions
    }
}
