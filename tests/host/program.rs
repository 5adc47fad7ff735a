//! `portreeve host`, from outside.

use crate::parts::{Parts, policy, utf16};
use crate::support::{array, ended, json, run, stderr, stdout, text};
use std::io::Write as _;
use std::path::Path;
use tempfile::tempdir;

/// A bundle whose clock is right now.
fn fresh() -> Parts {
    let now = jiff::Timestamp::now();
    Parts::good().with(
        "system",
        &format!(
            "utc={now}\nboot=2026-11-20T03:00:00Z\nbuild=17763\npart_of_domain=False\nnetwork=Public\ncomplete=yes\n"
        ),
    )
}

fn check(path: &Path, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["host", "check", path.to_str().unwrap(), "--role", "automate,iis"];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn a_folder_and_a_zip_of_it_say_the_same() {
    let folder = tempdir().unwrap();
    let bundle = folder.path().join("evidence with blanks");
    let bad = fresh().with("secedit-merged", &policy(&[("SeTcbPrivilege", "*S-1-5-18")]));
    bad.write(&bundle);
    let output = check(&bundle, &["--all"]);
    ended(&output, 1);
    let said = stdout(&output);
    assert!(said.contains("SeTcbPrivilege = *S-1-5-18"), "{said}");
    let zip = folder.path().join("evidence.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&zip).unwrap());
    for (name, content) in bad.files() {
        // As Compress-Archive of Windows PowerShell 5.1 names entries.
        writer.start_file(format!("evidence\\{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap();
    let report = folder.path().join("run.json");
    let output = check(&zip, &["--json", report.to_str().unwrap()]);
    ended(&output, 1);
    let report = json(&report);
    let target = &array(&report, "targets")[0];
    assert_eq!(text(&target["host_evidence"], "computer"), "RMM01");
    let finding = array(target, "findings").iter().find(|finding| text(finding, "item") == "AUT-GPO-05").unwrap();
    assert_eq!(text(finding, "verdict"), "fail");
}

#[test]
fn a_bundle_that_cannot_be_used_is_a_clear_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b");
    fresh().not_done().write(&path);
    let output = check(&path, &[]);
    ended(&output, 2);
    assert!(stderr(&output).contains("broke off"), "{}", stderr(&output));
    let output = check(folder.path(), &[]);
    ended(&output, 2);
    assert!(stderr(&output).contains("no manifest.txt"), "{}", stderr(&output));
    let text = folder.path().join("x.zip");
    std::fs::write(&text, "no zip").unwrap();
    let output = check(&text, &[]);
    ended(&output, 2);
    assert!(stderr(&output).contains("whole zip"), "{}", stderr(&output));
    ended(&check(&folder.path().join("nothing"), &[]), 2);
}

#[test]
fn an_unelevated_bundle_is_a_partial_run() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b");
    fresh().with("whoami", "\"x\",\"Label\",\"S-1-16-8192\",\"\"\n").write(&path);
    let output = check(&path, &[]);
    ended(&output, 3);
    assert!(stdout(&output).contains("not elevated"), "{}", stdout(&output));
}

/// What an item needed and was not collected, and a file that is not as it was written, keep a clean look from being a clean run.
#[test]
fn evidence_that_is_not_whole_is_a_partial_run() {
    let folder = tempdir().unwrap();
    let ended_with = |name: &str, parts: &Parts, code: i32| {
        let (path, report) = (folder.path().join(name), folder.path().join(format!("{name}.json")));
        parts.write(&path);
        let output = check(&path, &["--json", report.to_str().unwrap(), "--fail-on", "never"]);
        ended(&output, code);
        assert_eq!(json(&report)["partial"], code == 3, "{name}");
        (path, stdout(&output))
    };
    let (path, said) = ended_with("good", &fresh(), 0);
    assert!(!said.contains("! Evidence not whole"), "{said}");
    let (_, said) = ended_with("failed", &fresh().failing("lsa", "lsa.txt", 5), 3);
    assert!(said.contains("! Evidence not whole") && said.contains("AUT-GPO-01"), "{said}");
    let (_, said) = ended_with("no-netstat", &fresh().silent("netstat"), 3);
    assert!(said.contains("! Evidence not whole"), "{said}");
    // Nobody asks for what is proven not to be there.
    ended_with("no-mysql", &fresh().with("mysql", "[complete]\n"), 0);
    // A changed file is said loudly, whatever it is for.
    let file = path.join("mysql.txt");
    let changed = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1", "127.0.0.2");
    std::fs::write(&file, changed).unwrap();
    let output = check(&path, &["--fail-on", "never"]);
    ended(&output, 3);
    let said = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("! Evidence not whole") && said.contains("mysql.txt does not have the SHA-256"), "{said}");
}

#[test]
fn single_files_exported_by_hand_are_judged_and_believed_less() {
    let folder = tempdir().unwrap();
    let inf = folder.path().join("rights.inf");
    std::fs::write(&inf, utf16(&policy(&[]).replace('\n', "\r\n"))).unwrap();
    let output = run(&["host", "check", "--inf", inf.to_str().unwrap(), "--role", "automate", "--all", "--evidence"]);
    let said = stdout(&output);
    assert!(said.contains("AUT-GPO-05") && said.contains("low confidence"), "{said}");
    let half = folder.path().join("half.inf");
    let mut bytes = std::fs::read(&inf).unwrap();
    bytes.pop();
    std::fs::write(&half, bytes).unwrap();
    let output = run(&["host", "check", "--inf", half.to_str().unwrap(), "--role", "automate"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("half a UTF-16 character"), "{}", stderr(&output));
    let reg = folder.path().join("x.reg");
    std::fs::write(&reg, "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\X]\r\n\"A\"=dword:1\r\n")
        .unwrap();
    let output = run(&["host", "check", "--reg", reg.to_str().unwrap(), "--role", "automate"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("eight hexadecimal digits"), "{}", stderr(&output));
}

#[test]
fn the_collector_is_printed_for_windows() {
    let output = run(&["host", "collector"]);
    ended(&output, 0);
    let script = stdout(&output);
    assert!(script.starts_with("@echo off\r\n") && script.contains("Sysnative"));
}

/// What a bundle says is shown and never obeyed.
#[test]
fn nothing_of_a_bundle_reaches_the_terminal_unescaped() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b");
    let hostile = "evil\u{1b}]0;title\u{7}\u{202e}<script>";
    let rights = policy(&[("SeTcbPrivilege", hostile)]);
    let text = format!("LTShare\nD:(A;;FA;;;WD)\n{hostile}\nD:(A;;FA;;;WD)\n");
    fresh()
        .fact("computer", hostile)
        .fact("version", hostile)
        .with("secedit-merged", &rights)
        .with("ltshare", &text)
        .write(&path);
    let page = folder.path().join("page.html");
    let output = check(&path, &["--all", "--evidence", "--html", page.to_str().unwrap()]);
    ended(&output, 1);
    let said = stdout(&output);
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}') && !said.contains('\u{202e}'), "{said:?}");
    assert!(said.contains("evil"), "{said}");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(!page.contains("<script>evil") && !page.contains("title\u{7}") && !page.contains("<script>\n"), "escaped");
    assert!(!page.contains('\u{1b}') && page.contains("&#60;script&#62;"), "escaped");
}

/// A hostile bundle takes time in proportion to its size.
#[test]
fn a_huge_and_hostile_bundle_is_judged_in_time() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b");
    let headers: Vec<String> =
        (0..100_000).map(|number| format!("<add name=\"{number}\" value=\"password='x'\" />")).collect();
    let headers = headers.concat();
    let config = crate::parts::IIS.replace("<clear />", &format!("<clear />{headers}"));
    let secrets = "password='x' ".repeat(200_000);
    let begin = std::time::Instant::now();
    fresh().with("iis", &config).with("netstat", &crate::parts::netstat(&format!("  {secrets}\n"))).write(&path);
    let output = check(&path, &[]);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{}", stderr(&output));
    assert!(begin.elapsed() < std::time::Duration::from_mins(1), "{:?}", begin.elapsed());
}

/// One client's bundle is never judged as another's.
#[test]
fn a_name_that_two_clients_use_is_no_address_of_a_bundle() {
    let folder = tempdir().unwrap();
    let inventory = folder.path().join("targets.toml");
    let target = |client: &str, host: &str| {
        format!("[[target]]\nclient = \"{client}\"\nname = \"rmm\"\nhost = \"{host}\"\nroles = [\"iis\"]\n")
    };
    std::fs::write(&inventory, target("one", "127.0.0.1") + &target("two", "::1")).unwrap();
    let bundle = folder.path().join("evidence");
    fresh().write(&bundle);
    let scan = |names: &[&str]| {
        let options: Vec<String> =
            names.iter().map(|name| format!("--host-evidence={name}={}", bundle.display())).collect();
        let mut arguments = vec!["scan", "--dry-run", "--targets", inventory.to_str().unwrap()];
        arguments.extend(options.iter().map(String::as_str));
        run(&arguments)
    };
    ended(&scan(&["one/rmm", "two/rmm"]), 0);
    let output = scan(&["rmm"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("more than one server"), "{}", stderr(&output));
    let output = scan(&["one/rmm", "one/rmm"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("two bundles"), "{}", stderr(&output));
}
