//! Attestations and waivers from outside: every mistake that their files can hold, what they are worth in a scan, and the
//! commands that write them.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use support::{Mock, array, ended, json, portreeve, root, run, stderr, stdout};

const FIXTURES: &str = "tests/fixtures/statements";
const TARGETS: &str = "tests/fixtures/statements/targets";

/// The day in UTC, some days from now.
fn day(days: i32) -> Date {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    now.date().checked_add(days.days()).unwrap()
}

/// Compares with the message that stands beside the fixture.
fn message_is(name: &str, message: &str) {
    // The day of the test is the only thing that changes.
    let message = message.replace(&day(0).to_string(), "TODAY");
    insta::with_settings!({
        snapshot_path => "fixtures/statements",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, message);
    });
}

#[test]
fn every_wrong_statement_is_refused_where_it_is_wrong() {
    let folder = fs::read_dir(root().join(FIXTURES)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut fixtures: Vec<String> =
        folder.filter_map(|name| name.to_string_lossy().strip_suffix(".toml").map(str::to_owned)).collect();
    fixtures.sort();
    assert!(fixtures.len() > 35, "{fixtures:?}");
    for name in fixtures {
        let file = format!("{FIXTURES}/{name}.toml");
        let option = if name.starts_with("waiver") { "--waivers" } else { "--attestations" };
        let output = run(&["scan", "--targets", TARGETS, option, &file]);
        ended(&output, 2);
        assert_eq!(stdout(&output), "", "{name}");
        let message = stderr(&output);
        assert!(message.contains(&format!("{file}:")), "{name}: {message}");
        assert!(message.ends_with("found; nothing was scanned.\n"), "{name}: {message}");
        assert!(!message.contains('\u{1b}'), "{name}: {message:?}");
        message_is(&name, &message);
    }
}

/// A folder with an inventory of two clients, and perhaps statements.
fn estate(attestations: Option<&str>, waivers: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (client, name) in [("Acme", "acme"), ("Bolt", "bolt")] {
        let text = format!(
            "# {client}\nclient = \"{client}\"\n[[target]]\nname = \"rmm\"\nhost = \"rmm.{name}.invalid\"\n\
             roles = [\"automate\"]\ndeny = [\"tcp/3389\"]\n"
        );
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    for (file, text) in [("attestations.toml", attestations), ("waivers.toml", waivers)] {
        if let Some(text) = text {
            fs::write(folder.path().join(file), text).unwrap();
        }
    }
    folder
}

fn attestation(client: &str, item: &str, until: Date) -> String {
    format!(
        "[[attestation]]\nclient = \"{client}\"\ntarget = \"rmm\"\nitem = \"{item}\"\nby = \"Dana Cole\"\non = {}\n\
         seen = \"All twelve accounts.\"\nuntil = {until}\n",
        day(-60)
    )
}

fn waiver(client: &str, what: &str, until: Date) -> String {
    format!(
        "[[waiver]]\nclient = \"{client}\"\ntarget = \"rmm\"\n{what}\nwhy = \"The hoster moves it.\"\napproved_by = \"Kim Lee\"\n\
         on = {}\nuntil = {until}\nrisk = \"high\"\nrisk_words = \"Guessing.\"\n",
        day(-60)
    )
}

fn plan(folder: &Path, targets: &str, format: &str) -> Output {
    let arguments = ["scan", "--targets", targets, "--dry-run", "--format", format, "--width", "160"];
    portreeve().current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn statements_beside_an_inventory_are_found_and_the_plan_tells_them() {
    let attested = attestation("Acme", "AUT-ACC-01", day(100)) + &attestation("Bolt", "AUT-ACC-01", day(-5));
    let waived = waiver("Bolt", "rule = \"deny tcp/3389\"", day(10));
    let folder = estate(Some(&attested), Some(&waived));
    // All of it, and one inventory: what stands beside it is about other inventories too.
    for (targets, acme, bolt) in [(".", true, true), ("acme.toml", true, false), ("bolt.toml", false, true)] {
        let output = plan(folder.path(), targets, "text");
        ended(&output, 3);
        let text = stdout(&output);
        let of_acme = format!("AUT-ACC-01  attested until {} by Dana Cole: valid, 100 days left", day(100));
        let of_bolt = format!("AUT-ACC-01  attested until {} by Dana Cole: expired, and counts for nothing", day(-5));
        let rule = format!("deny tcp/3389  waived until {} by Kim Lee: valid, 10 days left", day(10));
        assert_eq!(text.contains(&of_acme), acme, "{text}");
        assert_eq!((text.contains(&of_bolt), text.contains(&rule)), (bolt, bolt), "{text}");
    }
    let output = plan(folder.path(), "bolt.toml", "json");
    let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let target = &plan["targets"][0];
    assert_eq!(target["attestations"][0]["standing"], "expired");
    assert_eq!((&target["waivers"][0]["rule"], &target["waivers"][0]["used"]), (&"deny tcp/3389".into(), &true.into()));
}

#[test]
fn an_item_that_the_scan_does_not_judge_may_be_stated_all_the_same() {
    // Suites are judged with --ciphers only, and one guide may be left out.
    let waived = waiver("Acme", "item = \"BEY-TLS-03\"", day(10)) + &waiver("Bolt", "item = \"AUT-NET-12\"", day(10));
    let folder = estate(None, Some(&waived));
    let arguments = ["scan", "--targets", ".", "--dry-run", "--guide", "beyond", "--width", "160"];
    let output = portreeve().current_dir(folder.path()).args(arguments).output().unwrap();
    ended(&output, 3);
    assert_eq!(stdout(&output).matches("not part of this scan").count(), 2, "{}", stdout(&output));
}

#[test]
fn a_mistake_in_any_file_keeps_everything_from_being_scanned() {
    let folder = estate(Some(&attestation("Acme", "AUT-ACC-01", day(500))), None);
    let output = plan(folder.path(), "bolt.toml", "text");
    ended(&output, 2);
    assert!(stderr(&output).contains("attestations.toml:8:9"), "{}", stderr(&output));
    let folder = estate(Some("x = 1\n"), None);
    ended(&plan(folder.path(), ".", "text"), 2);
    // A file of statements is no inventory.
    let folder = estate(Some(""), None);
    let output = plan(folder.path(), "attestations.toml", "text");
    ended(&output, 2);
    assert!(stderr(&output).contains("holds statements about targets"), "{}", stderr(&output));
    ended(&plan(folder.path(), ".", "text"), 3);
}

/// A guide of two items: one of a port that is open, one that only a person can answer.
const GUIDE: &str = "[guide]\nid = \"two\"\ntitle = \"t\"\nsource = \"s\"\nrevision = \"1\"\nroles = [\"iis\"]\n\
    [[item]]\nid = \"TWO-01\"\ntitle = \"443 is closed\"\nsection = \"s\"\nseverity = \"low\"\nhow = [\"outside\"]\n\
    rationale = \"r\"\ncheck = \"c\"\nremedy = [\"r\"]\n[[item.rule]]\ncheck = \"unreachable\"\nports = [\"tcp/443\"]\n\
    [[item.rule.example]]\nseen = [\"tcp/443 open\"]\nverdict = \"fail\"\n\
    [[item]]\nid = \"TWO-02\"\ntitle = \"Somebody looked\"\nsection = \"s\"\nseverity = \"low\"\nhow = [\"attestation\"]\n\
    rationale = \"r\"\ncheck = \"c\"\nremedy = [\"r\"]\n[[item.rule]]\ncheck = \"needs\"\nsource = \"attestation\"\nby = \"Look.\"\n\
    [[item.rule.example]]\nseen = []\nverdict = \"needs-attestation\"\n";

const WEB: &str = "[[face]]\nport = \"tcp/443\"\n[face.kind.http.tls]\n[face.kind.http.product.iis]\n";

/// Scans a mock of which 443 is open, with these statements beside its inventory.
fn scan(mock: &Mock, statements: &[(&str, String)], arguments: &[&str]) -> Output {
    fs::write(mock.path("two.guide"), GUIDE).unwrap();
    for file in ["attestations.toml", "waivers.toml"] {
        let _ = fs::remove_file(mock.path(file));
    }
    for (file, text) in statements {
        fs::write(mock.path(file), text.replace("\"rmm\"", "\"mock\"")).unwrap();
    }
    let actual = mock.running.actual(mock_servers::Transport::Tcp, 443).unwrap();
    let guide = mock.path("two.guide");
    let keys = format!("roles = [\"iis\"]\ndeny = [\"tcp/{actual}\"]");
    let mut command = mock.scan_as(&keys, &["--guide", guide.to_str().unwrap()]);
    command.args(arguments).output().unwrap()
}

#[test]
fn a_waived_failure_is_told_as_a_failure_and_does_not_count_for_the_exit_code() {
    let mock = Mock::new(WEB);
    let actual = mock.running.actual(mock_servers::Transport::Tcp, 443).unwrap();
    let rule = format!("rule = \"deny tcp/{actual}\"");
    let both = |until| waiver("Test", "item = \"TWO-01\"", until) + &waiver("Test", &rule, until);
    ended(&scan(&mock, &[], &[]), 1);
    // One of the two is not enough.
    ended(&scan(&mock, &[("waivers.toml", waiver("Test", "item = \"TWO-01\"", day(40)))], &[]), 1);
    ended(&scan(&mock, &[("waivers.toml", waiver("Test", &rule, day(40)))], &[]), 1);
    let (file, page) = (mock.path("run.json"), mock.path("run.html"));
    let files = ["--json", file.to_str().unwrap(), "--html", page.to_str().unwrap(), "--width", "160"];
    let output = scan(&mock, &[("waivers.toml", both(day(40)))], &files);
    ended(&output, 0);
    let text = stdout(&output);
    for words in
        ["1 fail, 1 of them waived", "FAIL (1, 1 of them waived)", "1 violated, 1 of them waived", "VIOLATED  deny"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let report = json(&file);
    let finding = &array(&report["targets"][0], "findings")[0];
    assert_eq!((&finding["verdict"], &finding["waiver"]["effect"]), (&"fail".into(), &"counts".into()));
    let found = &array(&report["targets"][0], "rules")[0];
    assert_eq!((&found["verdict"], &found["waiver"]["effect"]), (&"violated".into(), &"counts".into()));
    assert_eq!((&report["summary"]["fail"], &report["summary"]["waived"]), (&1.into(), &1.into()));
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("<h3>Fail (1, 1 of them waived)</h3>") && page.contains("<span class=\"tag fail\">fail</span>")
    );
    let output = scan(&mock, &[("waivers.toml", both(day(40)))], &["--format", "jsonl"]);
    ended(&output, 0);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["item"] == "TWO-01").unwrap();
    assert_eq!((&line["verdict"], &line["waiver"]["approved_by"]), (&"fail".into(), &"Kim Lee".into()));
    assert!(lines.iter().any(|line| line["kind"] == "rule" && line["verdict"] == "violated"));
    // Its last day is over.
    let output = scan(&mock, &[("waivers.toml", both(day(-1)))], &["--width", "160"]);
    ended(&output, 1);
    let text = stdout(&output);
    assert!(
        text.contains("expired 1 day ago") && text.contains("FAIL (1)") && !text.contains("of them waived"),
        "{text}"
    );
}

#[test]
fn an_attestation_answers_until_its_last_day_is_over() {
    let mock = Mock::new("[[face]]\nport = \"tcp/443\"\nkind = \"closed\"\n");
    let needs = ["--fail-on", "needs", "--width", "160", "--all"];
    ended(&scan(&mock, &[], &needs), 1);
    let of = |until| [("attestations.toml", attestation("Test", "TWO-02", until))];
    let output = scan(&mock, &of(day(5)), &needs);
    ended(&output, 0);
    let text = stdout(&output);
    let told =
        format!("Attested  by Dana Cole on {}, until {}, ends in 5 days: All twelve accounts.", day(-60), day(5));
    assert!(text.contains(&told) && text.contains("PASS (2, 1 of them attested)"), "{text}");
    assert!(text.contains("1 attestation: 1 counts and 1 ends within 30 days."), "{text}");
    let output = scan(&mock, &of(day(-51)), &needs);
    ended(&output, 1);
    let told = format!("attested until {} by Dana Cole, expired 51 days ago: All twelve accounts.", day(-51));
    assert!(stdout(&output).contains(&told), "{}", stdout(&output));
}

#[test]
fn servers_of_the_command_line_have_files_named_by_options() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said.toml");
    let of = |target: &str| {
        attestation("x", "AUT-ACC-01", day(9)).replace("client = \"x\"\n", "").replace("\"rmm\"", target)
    };
    fs::write(&file, of("\"a.invalid\"") + &of("\"other.invalid\"")).unwrap();
    let scan = || {
        let mut command = portreeve();
        command
            .args(["scan", "a.invalid", "--role", "automate", "--dry-run", "--width", "160", "--attestations"])
            .arg(&file);
        command.output().unwrap()
    };
    let output = scan();
    ended(&output, 3);
    assert!(stdout(&output).contains("AUT-ACC-01  attested until"), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("not used, for these servers are not scanned")
            && stderr(&output).contains("other.invalid")
    );
    fs::write(&file, attestation("Acme", "AUT-ACC-01", day(9))).unwrap();
    let output = scan();
    ended(&output, 2);
    assert!(stderr(&output).contains("without an inventory no client is known"), "{}", stderr(&output));
}
