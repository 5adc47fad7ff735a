//! `portreeve attest` and `portreeve waive`: what they write, what they refuse, how they ask, and their lists.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use support::{ended, portreeve, root, stderr, stdout};

fn day(days: i32) -> Date {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    now.date().checked_add(days.days()).unwrap()
}

/// Inventories of two clients, in a folder that is a client's each.
fn estate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (client, name) in [("Acme", "acme"), ("Bolt", "bolt")] {
        let text = format!(
            "client = \"{client}\"\n[[target]]\nname = \"rmm\"\nhost = \"rmm.{name}.invalid\"\nroles = [\"automate\"]\n\
             deny = [\"tcp/3389\"]\n"
        );
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(format!("{name}/servers.toml")), text).unwrap();
    }
    folder
}

fn command(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let mut command = portreeve();
    command.current_dir(folder).arg(name).args(["--width", "160"]).args(arguments);
    command.output().unwrap()
}

const SAID: [&str; 10] = [
    "--targets",
    ".",
    "--client",
    "Acme",
    "--target",
    "rmm",
    "--by",
    "Dana \"DC\" Cole",
    "--seen",
    "All twelve\taccounts.",
];

fn attest(folder: &Path, more: &[&str]) -> Output {
    command(folder, "attest", &[&SAID[..], more].concat())
}

#[test]
fn an_attestation_is_written_beside_the_inventory_and_read_by_the_next_scan() {
    let folder = estate();
    let file = folder.path().join("acme/attestations.toml");
    fs::write(&file, "# reviewed by Kim\n\n# nothing yet").unwrap();
    let output = attest(folder.path(), &["--item", "aut-acc-01", "--valid-for", "90d", "--yes"]);
    ended(&output, 0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# reviewed by Kim\n\n# nothing yet\n\n[[attestation]]\nclient = \"Acme\"\n"), "{text}");
    assert!(text.contains(&format!("until = {}\n", day(90))) && text.contains(&format!("on = {}\n", day(0))), "{text}");
    let shown = stdout(&output);
    assert!(shown.contains("+ [[attestation]]") && !shown.contains("- #"), "{shown}");
    assert!(stderr(&output).contains("written to ./acme/attestations.toml"), "{}", stderr(&output));
    let plan = command(folder.path(), "scan", &["--targets", "acme/servers.toml", "--dry-run"]);
    ended(&plan, 3);
    assert!(stdout(&plan).contains(&format!("AUT-ACC-01  attested until {} by Dana \"DC\" Cole: valid", day(90))));
    // The same file by another path is the same file.
    let named = ["--item", "AUT-ACC-02", "--valid-for", "90d", "--yes", "--file", "acme/attestations.toml"];
    ended(&attest(folder.path(), &named), 0);
    let twice = ["--targets", ".", "--dry-run", "--attestations", "acme/attestations.toml"];
    let output = command(folder.path(), "scan", &twice[..]);
    ended(&output, 3);
    assert_eq!(stdout(&output).matches(" attested until ").count(), 2, "{}", stdout(&output));
}

#[test]
fn what_is_stated_already_is_renewed_in_its_place_or_not_at_all() {
    let folder = estate();
    let file = folder.path().join("acme/attestations.toml");
    ended(&attest(folder.path(), &["--item", "AUT-ACC-01", "--valid-for", "90d", "--yes"]), 0);
    let first = fs::read_to_string(&file).unwrap().replace("seen = ", "# the accounts\nseen = ");
    fs::write(&file, &first).unwrap();
    let again = ["--item", "AUT-ACC-01", "--valid-for", "200d", "--reference", "T-2", "--yes"];
    let output = attest(folder.path(), &again);
    ended(&output, 2);
    assert!(stderr(&output).contains("stated already") && stderr(&output).contains("--renew"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    let output = attest(folder.path(), &[&again[..], &["--renew"]].concat());
    ended(&output, 0);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("[[attestation]]").count(), 1);
    assert!(text.contains("# the accounts\nseen = ") && text.contains(&format!("until = {}\n", day(200))), "{text}");
    assert!(
        text.contains("reference = \"T-2\"") && stdout(&output).contains(&format!("- until = {}", day(90))),
        "{text}"
    );
}

#[test]
fn a_file_that_a_scan_would_refuse_is_not_written() {
    let folder = estate();
    for (arguments, words) in [
        (&["--item", "AUT-ACC-01", "--until", "2999-01-01", "--yes"][..], "400 days are the most"),
        (&["--item", "AUT-ACC-01", "--until", "2020-01-01", "--yes"], "before `on`"),
        (&["--item", "AUT-ACC-01", "--until", "31.12.2026", "--yes"], "--until: `31.12.2026` cannot be read as a day"),
        (&["--item", "AUT-ACC-01", "--valid-for", "1y", "--yes"], "--valid-for: `1y` is no length of time"),
        (&["--item", "AUT-ACC-01", "--valid-for", "9d", "--on", "2999-01-01", "--yes"], "yet to come"),
        (&["--item", "AUT-ACC-99", "--valid-for", "9d", "--yes"], "did you mean `AUT-ACC-0"),
        (&["--item", "AUT-NET-12", "--valid-for", "9d", "--yes"], "no attestation can answer it"),
        (&["--item", "EC-LOG-01", "--valid-for", "9d", "--yes"], "does not concern `Acme/rmm`"),
        (&["--item", "AUT-ACC-01", "--valid-for", "9d", "--reference", "\u{1b}[31m", "--yes"], "control characters"),
        (&["--item", "AUT-ACC-01", "--valid-for", "9d"], "without a terminal, --yes"),
        (&["--valid-for", "9d"], "there is no terminal; add --item"),
        (&["--item", "AUT-ACC-01"], "add --until"),
    ] {
        let output = attest(folder.path(), arguments);
        ended(&output, 2);
        let message = stderr(&output);
        assert!(message.contains(words) && !message.contains('\u{1b}'), "{arguments:?}: {message}");
        assert!(!folder.path().join("acme/attestations.toml").exists(), "{arguments:?}");
    }
    let output = command(folder.path(), "attest", &["--targets", ".", "--target", "rmm", "--item", "AUT-ACC-01"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("may be any of Acme/rmm, Bolt/rmm"), "{}", stderr(&output));
    let output = command(folder.path(), "attest", &["--targets", "."]);
    ended(&output, 2);
    assert!(stderr(&output).contains("add --target, --item, --by, --seen, --until"), "{}", stderr(&output));
    ended(&command(folder.path(), "attest", &[]), 2);
    // A file with a mistake is left as it is.
    let file = folder.path().join("acme/attestations.toml");
    fs::write(&file, "[[attestation]]\ntarget = 1\n").unwrap();
    let output = attest(folder.path(), &["--item", "AUT-ACC-01", "--valid-for", "9d", "--yes"]);
    ended(&output, 2);
    assert!(
        stderr(&output).contains("attestations.toml:2:10") && !stderr(&output).contains("scanned"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "[[attestation]]\ntarget = 1\n");
    // Nothing else is left behind.
    assert_eq!(fs::read_dir(folder.path().join("acme")).unwrap().count(), 2);
}

const WAIVED: [&str; 12] = [
    "--target",
    "Bolt/rmm",
    "--why",
    "It moves.",
    "--approved-by",
    "Kim Lee",
    "--risk",
    "high",
    "--risk-words",
    "Guessing.",
    "--until",
    "UNTIL",
];

#[test]
fn a_rule_is_waived_as_reports_name_it_and_lists_say_what_ends() {
    let folder = estate();
    let until = day(20).to_string();
    let said: Vec<&str> = WAIVED.iter().map(|one| if *one == "UNTIL" { until.as_str() } else { one }).collect();
    let waive = |more: &[&str]| command(folder.path(), "waive", &[&["--targets", "."], &said[..], more].concat());
    ended(&waive(&["--rule", "deny  tcp/3389", "--yes"]), 0);
    ended(&waive(&["--item", "AUT-NET-12", "--yes", "--quiet"]), 0);
    let output = waive(&["--rule", "deny tcp/3390", "--yes"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("did you mean `deny tcp/3389`?"), "{}", stderr(&output));
    let text = fs::read_to_string(folder.path().join("bolt/waivers.toml")).unwrap();
    assert!(text.contains("rule = \"deny tcp/3389\"\n") && text.contains("risk = \"high\"\n"), "{text}");
    let old = text.split("\n\n").nth(1).unwrap().replace("Bolt", "Acme").replace(&day(0).to_string(), "2024-01-01");
    fs::write(folder.path().join("acme/waivers.toml"), old.replace(&until, "2024-02-01")).unwrap();
    let output = command(folder.path(), "waive", &["--list", "--targets", "."]);
    ended(&output, 0);
    let list = stdout(&output);
    let first = list.lines().next().unwrap();
    assert!(
        first.starts_with("expired    2024-02-01  ") && first.contains("Acme/rmm  deny tcp/3389  by Kim Lee"),
        "{list}"
    );
    assert!(list.contains(&format!("ends soon  {until}  20 days left   Bolt/rmm  AUT-NET-12")), "{list}");
    assert!(list.ends_with("3 waivers: 0 valid, 2 that end within 30 days, 1 expired\n"), "{list}");
    let output = command(folder.path(), "waive", &["--list", "--targets", ".", "--client", "bolt", "--format", "json"]);
    ended(&output, 0);
    let list: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&list["format"], list["waivers"].as_array().unwrap().len()), (&"portreeve-waivers".into(), 2));
    assert_eq!((&list["waivers"][0]["standing"], &list["waivers"][0]["days_left"]), (&"ends soon".into(), &20.into()));
    assert_eq!(
        stdout(&command(folder.path(), "attest", &["--list", "--targets", "."])),
        "There are no attestations.\n"
    );
}

#[test]
fn servers_without_an_inventory_are_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let said = [
        "--file",
        "said.toml",
        "--target",
        "RMM.example.invalid",
        "--item",
        "AUT-ACC-01",
        "--by",
        "Dana",
        "--seen",
        "All.",
        "--valid-for",
        "4w",
        "--yes",
    ];
    ended(&command(folder.path(), "attest", &said), 0);
    let text = fs::read_to_string(folder.path().join("said.toml")).unwrap();
    assert!(text.contains("target = \"rmm.example.invalid\"\n") && !text.contains("client"), "{text}");
    let scan = ["rmm.example.invalid", "--role", "automate", "--dry-run", "--attestations", "said.toml"];
    let output = command(folder.path(), "scan", &scan);
    ended(&output, 3);
    assert!(stdout(&output).contains("AUT-ACC-01  attested until"), "{}", stdout(&output));
    let list = stdout(&command(folder.path(), "attest", &["--list", "--file", "said.toml"]));
    assert!(list.contains("28 days left   rmm.example.invalid  AUT-ACC-01"), "{list}");
}

/// What the templates show behind `#` works when it is uncommented.
#[test]
fn the_templates_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let template = fs::read_to_string(root().join("targets/template.toml")).unwrap();
    let template = template.replace("# deny = [\"tcp/22\"", "deny = [\"tcp/22\"");
    fs::write(folder.path().join("template.toml"), template).unwrap();
    for file in ["attestations.toml", "waivers.toml"] {
        let text = fs::read_to_string(root().join("targets").join(file)).unwrap();
        let used: Vec<&str> = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        let begin = used.iter().position(|line| line.starts_with("[[")).unwrap();
        fs::write(folder.path().join(file), used[begin..].join("\n")).unwrap();
    }
    let output = command(folder.path(), "scan", &["--targets", ".", "--dry-run"]);
    ended(&output, 3);
    let plan = stdout(&output);
    assert!(
        plan.contains("AUT-ACC-01  attested until 2027-02-28") && plan.contains("AUT-NET-12  waived until"),
        "{plan}"
    );
}

#[cfg(target_os = "linux")]
mod asked {
    //! At a terminal, which is a pseudo-terminal here.

    use super::{day, estate, fs};
    use nix::pty::openpty;
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::path::Path;
    use std::process::Stdio;

    /// Types these lines, and gives back what was shown and how it ended.
    fn talk(folder: &Path, name: &str, arguments: &[&str], lines: &str) -> (String, Option<i32>) {
        let pty = openpty(None, None).unwrap();
        let mut command = super::support::process();
        command.current_dir(folder).arg(name).args(["--width", "100"]).args(arguments);
        command.stdin(Stdio::from(pty.slave.try_clone().unwrap())).stdout(Stdio::null()).stderr(Stdio::from(pty.slave));
        let mut child = command.spawn().unwrap();
        // The command holds the other end too.
        drop(command);
        let mut terminal = File::from(pty.master);
        terminal.write_all(lines.as_bytes()).unwrap();
        let mut shown = Vec::new();
        // Reading ends with an error when nobody holds the other end any more.
        let _ = terminal.read_to_end(&mut shown);
        (String::from_utf8_lossy(&shown).replace('\r', ""), child.wait().unwrap().code())
    }

    #[test]
    fn what_options_do_not_say_is_asked_until_it_can_be_used() {
        let folder = estate();
        let lines = "rmm\nacme/rmm\nAUT-ACC-9\naut-acc-02\n\nDana Cole\nTwo accounts each.\ntomorrow\n\n31.1.\n12w\nCHG-1\nyes\n";
        let (shown, code) = talk(folder.path(), "attest", &["--targets", "."], lines);
        assert_eq!(code, Some(0), "{shown}");
        for words in [
            "Acme/rmm (rmm.acme.invalid)",
            "may be any of Acme/rmm, Bolt/rmm; write CLIENT/NAME",
            "AUT-ACC-02 ",
            "there is no item `AUT-ACC-9`; did you mean `AUT-ACC-0",
            "Why it matters: ",
            "What to state: ",
            "it is empty",
            "`tomorrow` cannot be read as a day",
            "`31.1.` cannot be read as a day",
            "Ticket or document",
            "+ by = \"Dana Cole\"",
            "Write this (yes or no) [no]:",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        let text = fs::read_to_string(folder.path().join("acme/attestations.toml")).unwrap();
        assert!(text.contains("item = \"AUT-ACC-02\"\n") && text.contains(&format!("until = {}\n", day(84))), "{text}");
        assert!(text.contains("reference = \"CHG-1\""), "{text}");
    }

    #[test]
    fn nothing_is_written_without_a_yes() {
        let folder = estate();
        let said = ["--targets", ".", "--target", "Bolt/rmm", "--approved-by", "Kim", "--until", &day(9).to_string()];
        let (shown, code) =
            talk(folder.path(), "waive", &said, "deny tcp/3389\nIt moves.\n\nhihg\nhigh\nGuessing.\n\n\n");
        assert_eq!(code, Some(0), "{shown}");
        assert!(
            shown.contains("its expected rules: deny tcp/3389") && shown.contains("Nothing was written."),
            "{shown}"
        );
        // Ctrl-D instead of an answer.
        let (shown, code) = talk(folder.path(), "waive", &said, "deny tcp/3389\n\u{4}");
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains("nothing was written"), "{shown}");
        assert!(!folder.path().join("bolt/waivers.toml").exists());
    }
}
