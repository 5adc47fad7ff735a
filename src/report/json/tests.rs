use super::{diff_schema, drift, overview, overview_schema, render, schema};
use crate::catalog::builtin::Catalogs;
use crate::judge::{Case, Judgement, judge};
use crate::model::statement::Statements;
use crate::model::vantage::Ways;
use crate::model::verdict::Verdict;
use crate::report::fixture::{self, drifted, estate, everything, hostile, hostile_drift, middlebox, quiet, unchanged};
use serde_json::Value;

const SCHEMA: &str = "schema/run-v1.schema.json";
const DIFF_SCHEMA: &str = "schema/diff-v1.schema.json";
const REPORT_SCHEMA: &str = "schema/report-v1.schema.json";

fn published(file: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_default()
        .replace("\r\n", "\n")
}

#[test]
fn the_published_schemas_are_current() {
    for (file, schema) in [(SCHEMA, schema()), (DIFF_SCHEMA, diff_schema()), (REPORT_SCHEMA, overview_schema())] {
        let current = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("PORTREEVE_UPDATE_SCHEMA").is_some() {
            std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &current).unwrap();
        }
        let hint = "run PORTREEVE_UPDATE_SCHEMA=1 cargo test --lib report::json, and look at what changed for readers";
        assert!(published(file) == current, "{file} is not current: {hint}");
    }
}

#[test]
fn drift_is_what_its_schema_says() {
    insta::assert_snapshot!(drift(&fixture::drift()).unwrap());
    let validator = jsonschema::validator_for(&serde_json::to_value(diff_schema()).unwrap()).unwrap();
    for drifted in [fixture::drift(), unchanged(), hostile_drift("\u{1b}[31m\u{202e}")] {
        let text = drift(&drifted).unwrap();
        assert!(!text.chars().any(|character| character != '\n' && crate::report::text::is_special(character)));
        let written: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(written["targets"].as_array().unwrap().len(), drifted.targets.len());
        assert_eq!(written["summary"]["worse"], drifted.tally().worse);
    }
    let written: Value = serde_json::from_str(&render(&drifted()).unwrap()).unwrap();
    assert_eq!(written["drift"]["after"]["number"], 13);
}

#[test]
fn what_is_written_is_what_the_schema_says() {
    let validator = jsonschema::validator_for(&serde_json::to_value(schema()).unwrap()).unwrap();
    for run in [everything(), drifted(), quiet(), estate(5), hostile("\u{1b}[31m\u{202e}")] {
        let written: Value = serde_json::from_str(&render(&run).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    assert!(!validator.is_valid(&serde_json::json!({"format": "something-else", "version": 1})));
    let mut other: Value = serde_json::from_str(&render(&quiet()).unwrap()).unwrap();
    other["version"] = 2.into();
    assert!(!validator.is_valid(&other));
}

#[test]
fn the_whole_run() {
    insta::assert_snapshot!(render(&everything()).unwrap());
}

#[test]
fn a_middlebox_that_opens_every_port_fills_no_disk() {
    let mut run = middlebox();
    let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
    let target = &mut run.targets[0];
    let case = Case {
        target: &target.target,
        addresses: &target.addresses,
        observations: &target.observations,
        guides: &catalogs.guides,
        exploited: &catalogs.exploited,
        ways: &Ways::default(),
        evidence: None,
        statements: &Statements::default(),
        evidence_alone: false,
    };
    let Judgement { findings, .. } = judge(case);
    assert!(findings.len() > 100);
    assert!(findings.iter().filter(|finding| finding.item.contains("-NET-")).all(|one| one.verdict != Verdict::Pass));
    target.findings = findings;
    let written = render(&run).unwrap();
    assert!(written.len() < 1 << 20, "{} bytes", written.len());
    let written: Value = serde_json::from_str(&written).unwrap();
    let observations = written["targets"][0]["observations"].as_array().unwrap().iter();
    let heard: Vec<&str> = observations.filter_map(|one| one["question"]["ports"].as_str()).collect();
    assert_eq!(heard, ["tcp/1-65535", "tcp/1-442", "tcp/443", "tcp/444-65535"]);
}

#[test]
fn nothing_of_the_run_is_lost() {
    let run = everything();
    let written: Value = serde_json::from_str(&render(&run).unwrap()).unwrap();
    for (target, written) in run.targets.iter().zip(written["targets"].as_array().unwrap()) {
        assert_eq!(written["observations"].as_array().unwrap().len(), target.observations.len());
        assert_eq!(written["findings"].as_array().unwrap().len(), target.findings.len());
        assert_eq!(written["troubles"].as_array().unwrap().len(), target.troubles.len());
    }
    assert_eq!(written["partial"], true);
    assert_eq!(written["summary"]["total"], run.tally().total());
}

#[test]
fn hostile_text_is_kept_and_harmless() {
    let text = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\u{e0041}\"\\<script>";
    let written = render(&hostile(text)).unwrap();
    assert!(!written.chars().any(|character| character != '\n' && crate::report::text::is_special(character)));
    let read: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(read["targets"][0]["client"], text);
}

#[test]
fn a_report_over_many_servers_is_what_its_schema_says() {
    use crate::report::fixture::overview::{hostile_overview, month};
    let validator = jsonschema::validator_for(&serde_json::to_value(overview_schema()).unwrap()).unwrap();
    let estate = month();
    for told in
        [estate.overview(None), estate.overview(Some("Harbour Dental Group")), hostile_overview("\u{1b}[31m\u{202e}")]
    {
        let text = overview(&told).unwrap();
        assert!(!text.chars().any(|character| character != '\n' && crate::report::text::is_special(character)));
        let written: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!((&written["format"], &written["version"]), (&"portreeve-report".into(), &1.into()));
    }
}
