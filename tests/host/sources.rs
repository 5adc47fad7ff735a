//! Where evidence comes from: what is no file, what nobody gave, and what reads as if it were missing.

use crate::items::{find, judged};
use crate::parts::Parts;
use crate::support::{ended, run, stderr};
use portreeve::model::run::Trouble;
use portreeve::model::verdict::Verdict;

/// A pipe that nobody writes to never ends: it is refused, wherever a file is asked for.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = pipe.to_str().unwrap();
    let refused = |arguments: &[&str], why: &str| {
        let output = run(arguments);
        ended(&output, 2);
        assert!(stderr(&output).contains(why), "{arguments:?}: {}", stderr(&output));
    };
    refused(&["host", "check", pipe, "--role", "automate"], "neither a folder nor a regular file");
    for option in ["--reg", "--inf", "--iis"] {
        refused(&["host", "check", option, pipe, "--role", "automate"], "no regular file");
    }
    refused(
        &["scan", "127.0.0.1", "--role", "automate", "--dry-run", "--host-evidence", pipe],
        "neither a folder nor a regular file",
    );
}

#[test]
fn without_anything_to_check_every_kind_of_file_is_named() {
    let output = run(&["host", "check"]);
    ended(&output, 2);
    let said = stderr(&output);
    for word in ["BUNDLE", "--reg", "--inf", "--iis", "--role"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b");
    Parts::good().write(&bundle);
    let both = ["host", "check", bundle.to_str().unwrap(), "--reg", "x.reg", "--role", "automate"];
    ended(&run(&both), 2);
}

/// A folder may be called as a gap is told.
#[test]
fn what_reads_like_a_gap_is_none() {
    let beneath = "what is not collected\nD:AI(A;OICIID;FA;;;SY)(A;;FR;;;AU)\n";
    let judgement = judged(&Parts::good().with("ltshare-beneath", beneath).evidence());
    let finding = find(&judgement, "AUT-APP-03");
    assert_eq!(finding.verdict, Verdict::Pass);
    assert!(finding.checks[0].seen.iter().any(|seen| seen.contains("what is not collected")), "{:#?}", finding.checks);
    assert!(!finding.checks[0].lacking && judgement.troubles.is_empty(), "{:?}", judgement.troubles);
    // What really is one, and only lowers a pass, is told.
    let judgement = judged(&Parts::good().silent("profiles").evidence());
    assert_eq!(find(&judgement, "AUT-GPO-06").verdict, Verdict::Pass);
    let [Trouble::Evidence { message }] = judgement.troubles.as_slice() else { panic!("{:?}", judgement.troubles) };
    assert!(message.contains("AUT-GPO-06"), "{message}");
}

#[test]
fn a_clock_that_is_ahead_is_told_in_words() {
    let ahead = |utc: &str| {
        let parts = Parts::good().with("system", &format!("utc={utc}\npart_of_domain=False\ncomplete=yes\n"));
        find(&judged(&parts.evidence()), "AUT-GPO-01").checks[0].seen.join("; ")
    };
    // Bundles are judged on 2026-11-21 at noon.
    for (utc, words) in [
        ("2026-11-21T12:06:00Z", "6 minutes ahead"),
        ("2026-11-21T13:30:00Z", "90 minutes ahead"),
        ("2026-11-22T11:00:00Z", "23 hours ahead"),
        ("2026-11-24T13:00:00Z", "3 days ahead"),
        ("2029-12-31T00:00:00Z", "3 years ahead"),
    ] {
        assert!(ahead(utc).contains(words), "{utc}: {}", ahead(utc));
    }
}
