//! Whether Windows was restarted since its settings changed, by the times of keys.

use crate::items::{find, judged, judged_beside, seen};
use crate::parts::Parts;
use crate::support::{ended, run, stderr};
use portreeve::catalog::example::{Seen, parse_seen};
use portreeve::host::key_times::{HTTP, SCHANNEL, START};
use portreeve::model::fact::PortState;
use portreeve::model::observation::{Observation, ObservationId};
use portreeve::model::verdict::{Check, Confidence, Verdict};

/// A bundle of the compiled collector: SCHANNEL's keys were written then. Windows started on 2026-11-20 at three.
fn written(schannel: &str) -> Parts {
    noted("2026-11-01T00:00:00Z", schannel, "2026-11-20T03:00:09.5Z")
}

/// The same, with the times of SCHANNEL's own key, of a protocol's, and of the one that Windows writes when it starts.
fn noted(all: &str, protocol: &str, start: &str) -> Parts {
    let text = format!(
        "{all}|{SCHANNEL}\n{protocol}|{SCHANNEL}\\Protocols\\TLS 1.0\\Server\n2026-11-01T00:00:00Z|{HTTP}\n{start}|{START}\n\
         2026-11-01T00:00:00Z|{SCHANNEL}\\Protocols\n2026-11-01T00:00:00Z|{SCHANNEL}\\Protocols\\TLS 1.1\\Server\n[complete]\n"
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
    let absent = good().with(
        "key-times",
        &format!("2026-11-01T00:00:00Z|{SCHANNEL}\\Protocols\n2026-11-01T00:00:00Z|{SCHANNEL}\n[absent] {HTTP}\n[absent] {START}\n[complete]\n"),
    );
    for (what, parts) in [
        ("no key of the start", absent),
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

/// A machine that was saved and resumed started, by its own word, later than it did.
#[test]
fn a_start_that_a_key_of_then_does_not_bear_out_settles_nothing() {
    // Started on the 19th at three, changed at ten; saved, and resumed a day later.
    let (verdict, said) = restarted(&noted("2026-11-01T00:00:00Z", "2026-11-19T10:00:00Z", "2026-11-19T03:00:00Z"));
    assert_eq!(verdict, Verdict::NeedsEvidence, "{said}");
    assert!(said.contains("saved and resumed") && said.contains("key-times.txt:4:"), "{said}");
    let judgement = judged(&written("2026-11-19T10:00:00Z").evidence());
    let check = &find(&judgement, "AUT-TLS-03").checks[0];
    assert_eq!((check.verdict, check.confidence), (Verdict::Pass, Confidence::Medium), "clocks may be wrong");
}

/// What SCHANNEL logs is set in the key above the protocols', and is no protocol's matter.
#[test]
fn only_the_protocols_keys_count() {
    let (verdict, said) = restarted(&noted("2026-11-21T10:00:00Z", "2026-11-19T10:00:00Z", "2026-11-20T03:00:00Z"));
    assert_eq!(verdict, Verdict::Pass, "{said}");
}

/// A bundle whose collector was to note the times and could not is not whole; of the script's nothing is missing.
#[test]
fn times_that_were_to_be_noted_and_were_not_are_missing() {
    let told = |parts: &Parts| format!("{:?}", judged(&parts.evidence()).troubles).contains("AUT-TLS-03");
    assert!(!told(&Parts::good()) && !told(&written("2026-11-19T10:00:00Z")));
    let written = written("2026-11-19T10:00:00Z");
    assert!(told(&written.clone().failing("key-times", "key-times.txt", 2)) && told(&written.silent("key-times")));
}

/// The check of a bundle beside a scan that saw TLS 1.0 so.
fn beside(parts: &Parts, outcome: &str) -> Check {
    let (addresses, mut observations) = seen(&[("tcp/443", PortState::Open)], 3);
    let versions = [("tls1.0", outcome), ("tls1.1", outcome), ("tls1.2", "accepted")].into_iter();
    let hellos =
        versions.flat_map(|(version, how)| ["", " without-sni"].map(|sni| format!("tcp/443 {version} {how}{sni}")));
    for said in hellos.chain(["tcp/443 service https".to_owned()]) {
        let Seen::Observation(question, attempt) = parse_seen(&said).unwrap() else { panic!("{said}") };
        let id = ObservationId(u32::try_from(observations.len()).unwrap() + 1);
        observations.push(Observation { id, question, attempt: *attempt, ..observations[0].clone() });
    }
    let evidence = parts.evidence();
    let judgement = judged_beside(Some(&evidence), &addresses, &observations, false);
    find(&judgement, "AUT-TLS-03").checks[0].clone()
}

/// The network wins: a version that the settings disable and that is accepted is not explained by a restart that took place.
#[test]
fn a_restart_that_took_place_explains_nothing_that_is_accepted() {
    let accepted = |parts: &Parts| beside(parts, "accepted");
    assert_eq!(accepted(&Parts::good()).verdict, Verdict::Fail, "not restarted, or something else answers");
    let check = accepted(&written("2026-11-19T10:00:00Z"));
    assert_eq!(check.verdict, Verdict::Inconclusive);
    assert!(check.why.contains("something else than SCHANNEL"), "{}", check.why);
    assert_eq!(accepted(&written("2026-11-20T10:00:00Z")).verdict, Verdict::Fail);
}

/// A policy may set the same value again after the start: what is refused from outside is in effect.
#[test]
fn a_key_that_is_newer_than_the_start_is_no_failure_where_the_network_refuses() {
    let refused = |parts: &Parts| beside(parts, "refused");
    assert_eq!(refused(&Parts::good()).verdict, Verdict::Pass);
    let check = refused(&written("2026-11-20T10:00:00Z"));
    assert_eq!(check.verdict, Verdict::Inconclusive, "{check:#?}");
    assert!(check.why.contains("set again"), "{}", check.why);
    // Where the times do not tell, the network does, as it does without them.
    for time in ["2026-11-20T03:05:00Z", "2026-11-20T02:55:00Z"] {
        let check = refused(&written(time));
        assert_eq!(check.verdict, Verdict::Pass, "{time}: {check:#?}");
        assert!(check.seen.join("; ").contains("less than ten minutes"), "{:#?}", check.seen);
        assert_eq!(beside(&written(time), "accepted").verdict, Verdict::Fail, "{time}");
    }
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
