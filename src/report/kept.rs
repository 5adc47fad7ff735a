//! What was kept reads like what was said: the history, tried with the run that holds one of everything.

use super::fixture::{self, estate};
use super::{describe, html, json, terminal};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive as _, Beginning, Kept, Prune, Record, RunNumber, State, Wanted, transfer};
use crate::model::fact::Fact;
use crate::model::http::Header;
use crate::model::observation::{Attempt, Observation};
use crate::model::peer_text::PeerText;
use crate::model::run::{Run, Tally, TargetRun};
use crate::model::verdict::Verdict;
use std::path::Path;
use tempfile::TempDir;

fn open(folder: &TempDir) -> Sqlite {
    Sqlite::open(&folder.path().join("history.db"), Mode::Create, describe).unwrap()
}

/// The run that holds one of everything; its evidence is as old as its date says.
fn everything() -> Run {
    let mut run = fixture::everything();
    let seconds = |time: &str| time.parse::<jiff::Timestamp>().unwrap().as_second();
    for evidence in run.targets.iter_mut().filter_map(|target| target.evidence.as_mut()) {
        let collected = evidence.collected.as_deref().map(seconds);
        evidence.age_seconds = collected.map(|collected| seconds(&run.started) - collected);
    }
    run
}

/// The counts of all verdicts.
fn counted(tally: &Tally) -> Vec<usize> {
    Verdict::ALL.into_iter().map(|verdict| tally.count(verdict)).collect()
}

/// Asserts that two runs are the same, and shows where they are not.
#[track_caller]
fn assert_same(one: &Run, other: &Run) {
    let text = |run: &Run| serde_json::to_string(run).unwrap();
    let (one, other) = (text(one), text(other));
    if let Some(at) = one.bytes().zip(other.bytes()).position(|(a, b)| a != b) {
        let part = |text: &str| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(120)..][..200]).into_owned();
        panic!("{}\nis not\n{}", part(&one), part(&other));
    }
    assert_eq!(one.len(), other.len());
}

/// Keeps a run as a scan does.
fn keep(store: &mut Sqlite, run: &Run) -> RunNumber {
    let targets: Vec<_> = run.targets.iter().map(|target| target.target.clone()).collect();
    let number = store.begin(&run.started, &Beginning::default(), &targets).unwrap();
    let changed: Vec<(usize, &TargetRun)> = run.targets.iter().enumerate().collect();
    store.finish(number, run, &changed).unwrap();
    number
}

/// How large the store is, with its log written back.
fn size(store: &Sqlite, path: &Path) -> u64 {
    drop(rusqlite::Connection::open(path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
    std::fs::metadata(store.path()).unwrap().len()
}

#[test]
fn what_is_loaded_is_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let run = everything();
    let number = keep(&mut store, &run);
    let loaded = store.load(number, &Wanted::default()).unwrap();
    assert_same(&loaded, &run);
    let reports = |run: &Run| {
        let options = terminal::Options::default();
        (json::render(run).unwrap(), html::render(run).unwrap(), terminal::render(run, &options))
    };
    assert_eq!(reports(&loaded), reports(&run));
    let summary = store.runs(&Wanted::default()).unwrap().remove(0);
    assert_eq!((counted(&summary.findings), summary.targets), (counted(&run.tally()), 5));
    assert_eq!(summary.state, State::Interrupted);
    assert!(summary.partial && summary.elapsed_ms == Some(run.elapsed_ms));
}

/// The same night again, with everything changed that changes with every asking.
fn next_night(run: &Run, night: u8) -> Run {
    let mut run = run.clone();
    run.started = format!("2026-03-{:02}T21:05:09Z", 14 + night);
    run.elapsed_ms += u64::from(night);
    let text = |text: String| PeerText::new(&text, 200);
    for target in &mut run.targets {
        for address in &mut target.addresses {
            if let Some(path) = &mut address.health.path {
                path.round_trip_us += u64::from(night) * 17;
                path.answerable += 1;
            }
        }
        for observation in &mut target.observations {
            observation.started_ms += 3;
            observation.elapsed_ms += u64::from(night);
            observation.elapsed_max_ms += u64::from(night);
            match &mut observation.attempt {
                Attempt::Answered { fact: Fact::Http(answer) } => {
                    answer.headers.retain(|header| !["Date", "Set-Cookie"].contains(&header.name.as_str()));
                    answer.headers.push(Header {
                        name: text("Date".to_owned()),
                        value: text(format!("Mon, {night} Mar 2026 21:05:10 GMT")),
                    });
                    answer.headers.push(Header {
                        name: text("Set-Cookie".to_owned()),
                        value: text(format!("ASP.NET_SessionId=x{night}y; path=/; HttpOnly")),
                    });
                }
                Attempt::Answered { fact: Fact::Certificate(fact) } => {
                    fact.not_after = "2026-06-01T12:00:00Z".to_owned();
                    fact.days_left = 78 - i64::from(night);
                    let text = format!("it serves x, until {} ({} days)", fact.not_after, fact.days_left);
                    if let Some(check) = target.findings.first_mut().and_then(|finding| finding.checks.first_mut()) {
                        check.seen = vec![text];
                    }
                }
                _ => {}
            }
        }
    }
    run
}

#[test]
fn a_night_in_which_nothing_changed_costs_a_few_dozen_bytes_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let path = store.path().to_owned();
    let run = estate(20);
    keep(&mut store, &next_night(&run, 0));
    let count = |table: &str| -> i64 {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let before = (count("snapshot"), count("observation"), count("finding"));
    let first = size(&store, &path);
    for night in 1..=10 {
        let run = next_night(&run, night);
        let number = keep(&mut store, &run);
        let loaded = store.load(number, &Wanted::default()).unwrap();
        assert_eq!(loaded.started, run.started);
        for (loaded, said) in loaded.targets.iter().zip(&run.targets) {
            assert_eq!(loaded.findings, said.findings, "the sentences, with their days, are those of that night");
            assert_eq!(loaded.troubles, said.troubles);
            let days = |target: &TargetRun| -> Vec<i64> {
                let facts = target.observations.iter().filter_map(|one| match one.attempt.fact() {
                    Some(Fact::Certificate(fact)) => Some(fact.days_left),
                    _ => None,
                });
                facts.collect()
            };
            assert_eq!(days(loaded), days(said));
        }
    }
    assert_eq!((count("snapshot"), count("observation"), count("finding")), before, "nothing was new");
    let growth = (size(&store, &path) - first) / 10 / 20;
    assert!(growth < 100, "{growth} bytes a target and a night");
}

#[test]
fn what_changed_is_kept_and_what_an_earlier_run_said_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let first = everything();
    let mut second = next_night(&first, 0);
    second.started = "2026-03-15T21:05:09Z".to_owned();
    let finding = &mut second.targets[0].findings[0];
    finding.verdict = if finding.verdict == Verdict::Fail { Verdict::Pass } else { Verdict::Fail };
    let numbers = [keep(&mut store, &first), keep(&mut store, &second)];
    assert_same(&store.load(numbers[0], &Wanted::default()).unwrap(), &first);
    let loaded = store.load(numbers[1], &Wanted::default()).unwrap();
    assert_eq!(loaded.targets[0].findings, second.targets[0].findings);
}

#[test]
fn what_was_learned_of_a_target_is_there_until_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let run = everything();
    let targets: Vec<_> = run.targets.iter().map(|target| target.target.clone()).collect();
    let number = store.begin(&run.started, &Beginning::default(), &targets).unwrap();
    let whole = &run.targets[0];
    let learned = |observation: &Observation| Kept::Learned { target: 0, observation: Box::new(observation.clone()) };
    let kept: Vec<Kept> = whole.observations.iter().take(5).map(learned).collect();
    store.keep(number, &kept).unwrap();
    let partial = store.load(number, &Wanted::default()).unwrap();
    assert!(partial.interrupted && partial.is_partial());
    assert_eq!(partial.targets[0].observations, whole.observations[..5]);
    assert_eq!(partial.targets.iter().map(|target| target.target.clone()).collect::<Vec<_>>(), targets);
    assert!(terminal::render(&partial, &terminal::Options::default()).contains("PARTIAL RUN"));
    assert_eq!(store.unfinished(number).unwrap().len(), targets.len());
    store.keep(number, &[Kept::Finished { target: 0, run: Box::new(whole.clone()) }]).unwrap();
    let partial = store.load(number, &Wanted::default()).unwrap();
    assert_eq!(partial.targets[0].observations, whole.observations);
    assert_eq!(store.unfinished(number).unwrap().len(), targets.len() - 1);
    assert_eq!(store.runs(&Wanted::default()).unwrap()[0].state, State::Running);
    drop(store);
    let store = open(&folder);
    assert_eq!(store.runs(&Wanted::default()).unwrap()[0].state, State::Interrupted, "nobody is at it any more");
}

#[test]
fn one_clients_runs_are_counted_and_loaded_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let run = estate(7);
    let number = keep(&mut store, &run);
    let wanted =
        Wanted { clients: vec!["küstner & söhne".to_owned(), "north shore LOGISTICS".to_owned()], names: vec![] };
    let own = store.load(number, &wanted).unwrap();
    let names: Vec<&str> = own.targets.iter().map(|target| target.target.name.as_str()).collect();
    assert_eq!(names, ["server-001", "server-002", "server-004", "server-005"]);
    let summary = store.runs(&wanted).unwrap().remove(0);
    assert_eq!((summary.targets, counted(&summary.findings)), (4, counted(&own.tally())));
    let nobody = Wanted { clients: vec!["nobody".to_owned()], names: vec![] };
    assert!(store.runs(&nobody).unwrap().is_empty());
}

fn exported(store: &Sqlite) -> Vec<u8> {
    let mut exporter = transfer::Exporter::new(Vec::new()).unwrap();
    for run in store.runs(&Wanted::default()).unwrap() {
        exporter.write(store.record(run.number).unwrap()).unwrap();
    }
    exporter.finish().unwrap()
}

/// A day on which every run here is over.
fn now() -> jiff::Timestamp {
    "2027-06-01T00:00:00Z".parse().unwrap()
}

#[test]
fn an_export_that_is_imported_is_exported_as_the_same_bytes_and_taken_once() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(&folder);
    let run = everything();
    for night in 0..3 {
        keep(&mut store, &next_night(&run, night));
    }
    let file = folder.path().join("export.jsonl");
    std::fs::write(&file, exported(&store)).unwrap();
    let mut into = open(&other);
    let imported = transfer::import(&file, &mut into, now()).unwrap();
    assert_eq!((imported.taken.len(), imported.known), (3, 0));
    assert!(exported(&into) == exported(&store), "not the same bytes");
    let again = transfer::import(&file, &mut into, now()).unwrap();
    assert_eq!((again.taken.len(), again.known), (0, 3));
    assert_eq!(into.runs(&Wanted::default()).unwrap().len(), 3);
}

#[test]
fn pruning_leaves_the_last_run_of_each_target_and_sweeps_up_what_only_others_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let path = store.path().to_owned();
    let run = Run { interrupted: false, ..estate(9) };
    let only = Run { targets: run.targets[..1].to_vec(), started: "2026-01-01T00:00:00Z".to_owned(), ..run.clone() };
    let mut gone = only.clone();
    gone.targets[0].target.name = "gone".to_owned();
    let gone = keep(&mut store, &gone);
    let old = keep(&mut store, &only);
    for night in 0..4 {
        keep(&mut store, &next_night(&run, night));
    }
    let dry = store.prune(Prune::Keep(1), now(), true).unwrap();
    assert_eq!(store.runs(&Wanted::default()).unwrap().len(), 6);
    let before = size(&store, &path);
    let pruned = store.prune(Prune::Keep(1), now(), false).unwrap();
    assert_eq!((&pruned.runs, &pruned.spared), (&dry.runs, &dry.spared));
    assert_eq!(pruned.spared, [gone], "its target is in no other run");
    assert!(pruned.runs.contains(&old));
    let left: Vec<RunNumber> = store.runs(&Wanted::default()).unwrap().iter().map(|run| run.number).collect();
    assert_eq!(left, [gone, RunNumber(6)]);
    let loaded = store.load(RunNumber(6), &Wanted::default()).unwrap();
    assert_eq!(loaded.targets.len(), 9);
    assert_eq!(loaded.tally(), run.tally());
    assert!(size(&store, &path) <= before);
    let integrity: String =
        rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    let next = keep(&mut store, &next_night(&run, 5));
    assert_eq!(next, RunNumber(7), "a number is never given twice");
}

#[test]
fn observations_and_findings_answer_queries() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let run = everything();
    keep(&mut store, &run);
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let failing: i64 = connection
        .query_row("SELECT count(*) FROM findings WHERE run = 1 AND verdict = 'fail'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(failing, i64::try_from(run.tally().count(Verdict::Fail)).unwrap());
    let target = &run.targets[0];
    let first = &target.observations[0];
    let answer: String = connection
        .query_row(
            "SELECT answer FROM observations WHERE client = ?1 AND target = ?2 AND address = ?3 AND question = ?4",
            [&target.target.client, &target.target.name, &first.address.to_string(), &first.question.to_string()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(answer, describe(first));
    let rules: i64 = connection.query_row("SELECT count(*) FROM rules", [], |row| row.get(0)).unwrap();
    assert_eq!(rules, i64::try_from(run.rule_tally().total()).unwrap());
}

#[test]
fn a_malformed_export_is_refused_with_its_place() {
    let record = Record {
        uid: "0123456789abcdef0123456789abcdef".to_owned(),
        state: State::Finished,
        beginning: Beginning::default(),
        run: everything(),
    };
    let mut exporter = transfer::Exporter::new(Vec::new()).unwrap();
    exporter.write(record.clone()).unwrap();
    let bytes = exporter.finish().unwrap();
    assert_eq!(transfer::read(&bytes).unwrap(), [record]);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mistake = |lines: &[&str]| transfer::read(format!("{}\n", lines.join("\n")).as_bytes()).unwrap_err();
    let cut = mistake(&lines[..lines.len() - 1]);
    assert!(cut.message.contains("the file is cut"), "{cut:?}");
    let fewer = mistake(&[&lines[..2], &lines[3..]].concat());
    assert_eq!(fewer.line, lines.len() - 1);
    let twice = mistake(&[&lines[..], &lines[1..]].concat());
    assert!(twice.message.contains("here twice"));
    let same = mistake(&[&lines[..3], &lines[2..]].concat());
    assert!(same.line == 4 && same.message.contains("twice"), "{same:?}");
    let other = lines.last().unwrap().replacen("0123", "4567", 1);
    let other = mistake(&[&lines[..lines.len() - 1], &[&other]].concat());
    assert!(other.message.contains("ends the run 4567") && other.message.contains("is 0123"), "{other:?}");
    let mut hostile: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    hostile["target"]["target"]["client"] = "North\u{1b}[31mwind".into();
    let hostile = hostile.to_string();
    let hostile = mistake(&[&lines[..2], &[&hostile], &lines[3..]].concat());
    assert!(hostile.message.contains("control characters") && !hostile.message.contains('\u{1b}'), "{hostile:?}");
    let spoiled = lines[2].replacen("\"observations\":[{", "\"observations\":[{]", 1);
    let spoiled = mistake(&[&lines[..2], &[&spoiled], &lines[3..]].concat());
    let place = lines[2].find("\"observations\":[{").unwrap() + "\"observations\":[{".len() + 1;
    assert_eq!((spoiled.line, spoiled.column), (3, place), "{}", spoiled.message);
    assert!(mistake(&["{\"format\":\"portreeve-history\",\"version\":2}"]).message.contains("version 2"));
    assert!(mistake(&["{}"]).message.contains("no export") || mistake(&["{}"]).column == 1);
}
