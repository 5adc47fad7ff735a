//! The collector itself, under wine: its flow, its quoting, real files of `reg export`, and commands that "succeed" and write
//! nothing, which must come out as not collected.
//!
//! Where wine is missing the test says so and passes; with `PORTREEVE_REQUIRE_WINE=1` it fails.

use crate::support::{run, stdout};
use portreeve::host::bundle::Bundle;
use portreeve::host::evidence::Evidence;
use portreeve::host::{Line, State, collector};
use std::path::Path;
use std::process::{Command, Stdio};

fn wine(folder: &Path, arguments: &[&str]) -> Option<std::process::Output> {
    let mut command = Command::new("wine");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("WINEPREFIX", folder.join("prefix")).env("WINEDEBUG", "-all").env_remove("DISPLAY");
    // A prefix of its own, made at the first start; no window, no browser, no mono.
    command.env("WINEDLLOVERRIDES", "mscoree,mshtml=");
    command.output().ok()
}

fn available() -> bool {
    let found =
        Command::new("wine").arg("--version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("PORTREEVE_REQUIRE_WINE").is_none(), "wine is required and not installed");
        eprintln!("SKIPPED: wine is not installed, so the collector was not run");
    }
    found
}

/// Waits until nothing of wine runs in the folder any more.
fn settle(folder: &Path) {
    let _ = Command::new("wineserver").arg("-w").env("WINEPREFIX", folder.join("prefix")).status();
}

#[test]
fn the_collector_runs_and_what_it_could_not_collect_is_not_collected() {
    if !available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("collector.cmd"), collector::script()).unwrap();
    // The first start makes the prefix.
    wine(folder.path(), &["cmd", "/d", "/c", "echo made"]).unwrap();
    let output = wine(folder.path(), &["cmd", "/d", "/c", "collector.cmd", "evidence with blanks"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = folder.path().join("evidence with blanks");
    settle(folder.path());
    let bundle = Bundle::open(&path, "evidence").unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert!(bundle.manifest.runs.len() > 30, "{:#?}", bundle.manifest);
    assert!(said.contains("Done"), "{said}");

    // The manifest records the commands as the reader knows them: what failed, failed by itself.
    for run in bundle.manifest.runs.iter().filter(|run| !run.id.starts_with("user-")) {
        assert_eq!(collector::not_asked(&run.id, &run.arguments), None, "{run:?}");
    }

    let evidence = Evidence::of_bundle(&bundle, jiff::Timestamp::now());
    // Real files of `reg export` and `reg query`.
    let schannel = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL";
    assert!(
        matches!(evidence.registry.key(schannel), State::Value((), Line { number: 3.., .. })),
        "{:#?}",
        evidence.missing
    );
    let restrict = evidence.registry.value(r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa", "RestrictAnonymous");
    assert!(matches!(restrict, State::NotSet(_)), "{restrict:?}");
    assert!(evidence.users.as_ref().is_ok_and(|users| users.iter().any(|user| user.sid.starts_with("S-1-5-21-"))));
    // wine's secedit, icacls and netsh end well and write nothing.
    for (id, why) in [
        ("secedit-local", "exit code 0 and wrote no file"),
        ("ltshare", "exit code 0 and wrote no file"),
        ("sslcert", "is empty"),
        ("system", "is empty"),
        ("iis", "is empty"),
    ] {
        let found = bundle.text(id).unwrap_err();
        assert!(found.contains(why), "{id}: {found}");
        assert!(evidence.missing.iter().any(|(missing, _)| missing == id), "{id}");
    }
    assert!(evidence.policy().is_err() && evidence.elevated.is_none());

    // And so no right is said to be nobody's.
    let output = run(&["host", "check", path.to_str().unwrap(), "--role", "automate,iis", "--all"]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    let said = stdout(&output);
    let needs = said.split("NEEDS EVIDENCE").nth(1).unwrap_or_default();
    for item in ["AUT-GPO-05", "IIS-URA-01", "AUT-APP-03", "AUT-NET-04"] {
        assert!(needs.contains(item), "{item}: {said}");
    }

    // A folder that exists already is left alone.
    let again = wine(folder.path(), &["cmd", "/d", "/c", "collector.cmd", "evidence with blanks"]).unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("exists already"));
    settle(folder.path());
}

/// The reader refuses files of commands that ask for something else: the collector's own must be those it takes.
#[test]
fn the_collector_asks_as_the_reader_wants_it() {
    let script = collector::script().replace("\r\n", "\n");
    let mut compared = 0;
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let (Some(asks), Some(call)) = (line.strip_prefix("set RUN="), lines.peek()) else { continue };
        let call: Vec<&str> = call.split(' ').collect();
        let ["call", ":print" | ":write", id, file] = call.as_slice() else { continue };
        let expected = crate::parts::asked(id, file);
        // The others are read out of the script itself.
        if expected.starts_with("reg.exe ") || expected.starts_with("secedit.exe ") {
            assert_eq!(asks, expected, "{id}");
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
}
