//! Whose a bundle is: one of two servers', one that nothing ties to the host, files exported by hand; and what the text report
//! says of it.

use crate::items::{find, judged, judged_beside, seen};
use crate::parts::{Parts, policy, utf16};
use crate::support::{ended, json, run, stderr, stdout};
use portreeve::model::fact::PortState;
use portreeve::model::run::Trouble;
use portreeve::model::verdict::{Confidence, Verdict};
use std::path::Path;
use tempfile::tempdir;

#[test]
fn a_bundle_that_nothing_ties_to_the_host_is_believed_less() {
    let at = |port: &str, state: PortState| {
        let (addresses, observations) = seen(&[(port, state)], 3);
        let evidence = Parts::good().evidence();
        let judgement = judged_beside(Some(&evidence), &addresses, &observations, false);
        let finding = find(&judgement, "AUT-GPO-05");
        (finding.verdict, finding.confidence, judgement.evidence.as_ref().unwrap().doubts.join("; "))
    };
    let (verdict, confidence, doubts) = at("tcp/443", PortState::Open);
    assert_eq!((verdict, confidence), (Verdict::Pass, Confidence::High), "{doubts}");
    let (verdict, confidence, doubts) = at("tcp/443", PortState::Closed);
    assert_eq!((verdict, confidence), (Verdict::Pass, Confidence::Medium));
    assert!(doubts.contains("nothing ties the bundle"), "{doubts}");
    let mut evidence = Parts::good().evidence();
    evidence.shared = Some("the same bundle was given for x too".to_owned());
    let judgement = judged(&evidence);
    assert_eq!(find(&judgement, "AUT-GPO-05").confidence, Confidence::Medium);
    assert!(judgement.evidence.unwrap().doubts.join("; ").contains("same bundle"));
}

/// What tells the bundle's age, and whether Windows was restarted, is missed wherever it is.
#[test]
fn a_clock_that_the_host_did_not_tell_makes_the_run_partial() {
    let troubles = |parts: &Parts| {
        let told = judged(&parts.evidence()).troubles.into_iter().map(|trouble| match trouble {
            Trouble::Evidence { message } => message,
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<String>>().join("; ")
    };
    assert_eq!(troubles(&Parts::good()), "");
    let system = |utc: &str| {
        format!("utc={utc}\nboot=2026-11-20T03:00:00Z\nbuild=17763\npart_of_domain=False\nrole=2\ncomplete=yes\n")
    };
    for parts in [
        Parts::good().failing("system", "system.txt", 1),
        Parts::good().with("system", &system("yesterday")),
        Parts::good()
            .with("system", "utc=2026-11-21T11:00:00Z\nbuild=17763\npart_of_domain=False\nrole=2\ncomplete=yes\n"),
    ] {
        let told = troubles(&parts);
        assert!(told.contains("clock") && told.contains("Run the collector again, as SYSTEM where"), "{told}");
        assert!(!told.contains("elevated"), "it was: {told}");
    }
    let told = troubles(&Parts::good().with("whoami", "\"x\",\"Label\",\"S-1-16-8192\",\"\"\n").silent("lsa"));
    assert!(told.contains("from an elevated prompt"), "{told}");
}

fn export(folder: &Path, name: &str, keys: &str) -> String {
    let text = format!("Windows Registry Editor Version 5.00\r\n\r\n{keys}");
    std::fs::write(folder.join(name), utf16(&text)).unwrap();
    folder.join(name).to_str().unwrap().to_owned()
}

/// The verdict and the first check of AUT-GPO-06, of these files.
fn elevating(folder: &Path, files: &[&str]) -> String {
    let report = folder.join("run.json");
    let mut arguments =
        vec!["host", "check", "--role", "automate", "--fail-on", "never", "--json", report.to_str().unwrap()];
    for file in files {
        arguments.extend(["--reg", file]);
    }
    let output = run(&arguments);
    ended(&output, 0);
    let report = json(&report);
    let findings = report["targets"][0]["findings"].as_array().unwrap().clone();
    let finding = findings.into_iter().find(|finding| finding["item"] == "AUT-GPO-06").unwrap();
    format!("{} {}", finding["verdict"].as_str().unwrap(), finding["confidence"].as_str().unwrap())
}

#[test]
fn hives_of_users_exported_by_hand_count() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let machine = export(folder, "lm.reg", "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies]\r\n\r\n");
    let user = |name: &str, hive: &str, value: &str| {
        let policies = format!("{hive}\\Software\\Policies");
        let keys = format!("[{policies}]\r\n\r\n[{policies}\\Microsoft\\Windows\\Installer]\r\n{value}\r\n");
        export(folder, name, &keys)
    };
    let (on, off) = ("\"AlwaysInstallElevated\"=dword:00000001\r\n", "\"AlwaysInstallElevated\"=dword:00000000\r\n");
    let sid = "HKEY_USERS\\S-1-5-21-1-2-3-1001";
    assert!(elevating(folder, &[&machine]).starts_with("needs-evidence"));
    assert!(elevating(folder, &[&machine, &user("a.reg", "HKEY_CURRENT_USER", on)]).starts_with("fail"));
    assert!(elevating(folder, &[&machine, &user("b.reg", "HKEY_CURRENT_USER", off)]).starts_with("needs-evidence"));
    assert!(elevating(folder, &[&machine, &user("c.reg", sid, on)]).starts_with("fail"));
    assert_eq!(elevating(folder, &[&machine, &user("d.reg", sid, off)]), "pass low", "others are not known");
    let (one, other) = (user("e.reg", sid, on), user("f.reg", sid, off));
    let output = run(&["host", "check", "--role", "automate", "--reg", &one, "--reg", &other]);
    ended(&output, 2);
    assert!(stderr(&output).contains("e.reg") && stderr(&output).contains("f.reg"), "{}", stderr(&output));
}

#[test]
fn the_text_report_shows_the_line_of_a_pass_and_the_reason_of_a_gap() {
    let folder = tempdir().unwrap();
    let bundle = folder.path().join("b");
    Parts::good().silent("lsa").with("secedit-merged", &policy(&[])).write(&bundle);
    let check = |more: &[&str]| {
        let mut arguments = vec!["host", "check", bundle.to_str().unwrap(), "--role", "automate"];
        arguments.extend(more);
        stdout(&run(&arguments)).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for more in ["--all", "--evidence"] {
        let said = check(&[more]);
        assert!(said.contains("NoAutorun\"=dword:00000001"), "{more}: {said}");
        assert!(said.contains("`lsa` ended with exit code 0 and wrote no file"), "{more}: {said}");
    }
    assert!(!check(&[]).contains("NoAutorun\"=dword"), "it is short without");
}

/// Which of several bundles it was is said.
#[test]
fn an_error_names_its_bundle() {
    let folder = tempdir().unwrap();
    let bundle = folder.path().join("of-that-server");
    Parts::good().write(&bundle);
    let manifest = bundle.join("manifest.txt");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("fact;computer;RMM01", "fact;computer;RMM01\r\nfact;computer;OTHER", 1))
        .unwrap();
    let output = run(&["host", "check", bundle.to_str().unwrap(), "--role", "automate"]);
    ended(&output, 2);
    assert!(stderr(&output).contains("of-that-server") && stderr(&output).contains("twice"), "{}", stderr(&output));
}
