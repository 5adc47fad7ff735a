//! What stands in the evidence twice, or in another form than Windows writes, is not read as if it were plain.

use crate::items::{find, judged};
use crate::parts::Parts;
use portreeve::host::key_times::{HTTP, SCHANNEL, START};
use portreeve::model::verdict::Verdict;

fn verdict(parts: &Parts, item: &str) -> Verdict {
    find(&judged(&parts.evidence()), item).verdict
}

/// A key that has no time may be the one that was written last.
#[test]
fn a_key_without_its_time_makes_no_pass() {
    let keys = ["", r"\Protocols", r"\Protocols\TLS 1.0\Server", r"\Protocols\TLS 1.1\Server"];
    let lines = |left_out: &str, time: &str| {
        let keys = keys.iter().filter(|key| **key != left_out).map(|key| format!("{time}|{SCHANNEL}{key}\n"));
        keys.chain([format!("{time}|{HTTP}\n2026-11-20T03:00:09Z|{START}\n")]).collect::<String>()
    };
    let with = |text: &str| {
        let parts = Parts::good().text("key-times", "key-times.txt", &format!("{text}[complete]\n"));
        verdict(&parts.arguments("key-times", "\"C:\\portreeve.exe\" host key-times"), "AUT-TLS-03")
    };
    let time = "2026-11-19T10:00:00Z";
    let all = lines("-", time);
    assert_eq!(with(&all), Verdict::Pass);
    for left_out in &keys[1..] {
        assert_eq!(with(&lines(left_out, time)), Verdict::NeedsEvidence, "{left_out}");
    }
    assert_eq!(with(&lines("-", "1601-01-01T00:00:00Z")), Verdict::NeedsEvidence);
    assert_eq!(with(&format!("{all}{time}|{SCHANNEL}\\PROTOCOLS\n")), Verdict::NeedsEvidence, "twice");
    let gone = all.replace(&format!("{time}|{SCHANNEL}\n"), &format!("[absent] {SCHANNEL}\n"));
    assert_ne!(gone, all);
    assert_eq!(with(&gone), Verdict::NeedsEvidence, "absent, with children");
    let gone = all.replace(&format!("{time}|{HTTP}\n"), &format!("[absent] {HTTP}\n"));
    assert_eq!(with(&gone), Verdict::NeedsEvidence, "absent, and listed");
}
