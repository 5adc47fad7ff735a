//! Whether Windows was restarted since its settings changed, by the times of keys.

use crate::items::{find, judged, judged_beside, seen};
use crate::parts::Parts;
use crate::support::{ended, run, stderr};
use portreeve::catalog::example::{Seen, parse_seen};
use portreeve::host::key_times::{HTTP, SCHANNEL};
use portreeve::model::fact::PortState;
use portreeve::model::observation::{Observation, ObservationId};
use portreeve::model::verdict::Verdict;

/// A bundle of the compiled collector: SCHANNEL's keys were written then. Windows started on 2026-11-20 at three.
fn written(schannel: &str) -> Parts {
    let text = format!(
        "2026-11-01T00:00:00Z|{SCHANNEL}\n{schannel}|{SCHANNEL}\\Protocols\\TLS 1.0\\Server\n2026-11-01T00:00:00Z|{HTTP}\n[complete]\n"
    );
    Parts::good()
        .text("key-times", "key-times.txt", &text)
        .arguments("key-times", "\"C:\\p q\\portreeve.exe\" host key-times")
}

fn restarted(parts: &Parts) -> (Verdict, String) {
    let judgement = judged(&parts.evidence());
    let check = &find(&judgement, "AUT-TLS-03").checks[0];
    (check.verdict, format!("{}; {}", check.why, check.seen.join("; ")))
}

#[test]
fn the_times_of_keys_tell_whether_windows_was_restarted() {
    for (time, verdict, why) in [
        ("2026-11-19T10:00:00Z", Verdict::Pass, "started after every change"),
        ("2026-11-20T10:00:00.5Z", Verdict::Fail, "restart is outstanding"),
        ("2026-11-20T03:05:00Z", Verdict::NeedsEvidence, "less than ten minutes"),
        ("2026-11-20T02:55:00Z", Verdict::NeedsEvidence, "less than ten minutes"),
        ("2026-12-20T02:55:00Z", Verdict::NeedsEvidence, "clock was set back"),
    ] {
        let (found, said) = restarted(&written(time));
        assert_eq!(found, verdict, "{time}: {said}");
        assert!(said.contains(why) && said.contains("key-times.txt:"), "{time}: {said}");
        assert!(said.contains("boot=2026-11-20T03:00:00Z"), "{said}");
    }
}

/// What is missing is never read as "earlier".
#[test]
fn times_that_were_not_collected_settle_nothing() {
    let good = || written("2026-11-19T10:00:00Z");
    assert_eq!(restarted(&good()).0, Verdict::Pass);
    let system = |text: &str| good().with("system", &format!("{text}part_of_domain=False\ncomplete=yes\n"));
    for (what, parts) in [
        ("none", Parts::good()),
        ("empty", good().silent("key-times")),
        ("failed", good().failing("key-times", "key-times.txt", 2)),
        ("cut off", good().change("key-times", |content| content.truncate(content.len() - 5))),
        ("no schannel", good().with("key-times", &format!("2026-11-01T00:00:00Z|{HTTP}\n[complete]\n"))),
        ("another command", good().arguments("key-times", "cmd.exe /c type x")),
        ("no start", system("utc=2026-11-21T11:00:00Z\n")),
        ("no clock", system("boot=2026-11-20T03:00:00Z\n")),
        ("a start later than now", system("utc=2026-11-21T11:00:00Z\nboot=2026-11-22T03:00:00Z\n")),
        ("no settings", good().silent("schannel")),
    ] {
        let (verdict, said) = restarted(&parts);
        assert_eq!(verdict, Verdict::NeedsEvidence, "{what}: {said}");
    }
}

/// The network wins: a version that the settings disable and that is accepted is not explained by a restart that took place.
#[test]
fn a_restart_that_took_place_explains_nothing_that_is_accepted() {
    let (addresses, mut observations) = seen(&[("tcp/443", PortState::Open)], 3);
    for said in ["tcp/443 service https", "tcp/443 tls1.0 accepted"] {
        let Seen::Observation(question, attempt) = parse_seen(said).unwrap() else { panic!("{said}") };
        let id = ObservationId(u32::try_from(observations.len()).unwrap() + 1);
        observations.push(Observation { id, question, attempt: *attempt, ..observations[0].clone() });
    }
    let verdict = |parts: &Parts| {
        let evidence = parts.evidence();
        let judgement = judged_beside(Some(&evidence), &addresses, &observations, false);
        let check = find(&judgement, "AUT-TLS-03").checks[0].clone();
        (check.verdict, check.why)
    };
    assert_eq!(verdict(&Parts::good()).0, Verdict::Fail, "not restarted, or something else answers");
    let (found, why) = verdict(&written("2026-11-19T10:00:00Z"));
    assert_eq!(found, Verdict::Inconclusive);
    assert!(why.contains("something else than SCHANNEL"), "{why}");
    assert_eq!(verdict(&written("2026-11-20T10:00:00Z")).0, Verdict::Fail);
}

#[cfg(not(windows))]
#[test]
fn collecting_is_for_windows_and_says_so_elsewhere() {
    for arguments in [["host", "collect"], ["host", "key-times"]] {
        let output = run(&arguments);
        ended(&output, 2);
        assert!(stderr(&output).contains("host collector"), "{}", stderr(&output));
    }
}
