//! Reports: a [`Run`] in, text out.
//!
//! [`terminal`] is for the technician, [`html`] for the technician's client, [`json`] for programs; [`csv`] has what drifted and what
//! to do, for spreadsheets. [`overview`] puts many servers together from several runs; [`markdown`] is for tickets about those. All say the
//! same: what a run means in words is decided once, in `reading` and [`describe()`], and a verdict is never decided
//! here at all. Nothing here reads a clock, a file or the network, so the same run gives the same report.
//!
//! What an inventory or a guide wrote may hold anything. The terminal and the HTML pass every text through one
//! function, which [`text`] holds, at the point where it is written.

mod certificate;
pub mod csv;
mod describe;
mod drift;
mod host_evidence;
pub mod html;
pub mod json;
pub mod lines;
pub mod markdown;
pub mod overview;
mod plot;
mod proof;
mod reading;
mod reference;
mod statements;
mod suites;
pub mod terminal;
pub mod text;

use crate::model::drift::Drift;
use crate::model::run::Run;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kept;

pub use certificate::chain;
pub use describe::describe;
pub use drift::headline;
pub use reading::{
    Caution, Coverage, bottom_line, cautions, coverage, doubt_of_handshakes, doubts_of_vantage, duration, instant,
    products_seen, tallied,
};
pub use reference::Reference;

/// The clients of a run, in the inventory's order.
pub fn clients(run: &Run) -> Vec<&str> {
    reading::by_client(run).into_iter().map(|client| client.name).collect()
}

/// The run as far as it concerns `client`: what may be handed to that client without naming another.
pub fn for_client(run: &Run, client: &str) -> Run {
    Run {
        tool_version: run.tool_version.clone(),
        started: run.started.clone(),
        elapsed_ms: run.elapsed_ms,
        guides: run.guides.clone(),
        targets: run.targets.iter().filter(|target| target.target.client == client).cloned().collect(),
        interrupted: run.interrupted,
        vantage: run.vantage.clone(),
        drift: run.drift.as_deref().map(|drift| Box::new(drift_for_client(drift, client))),
    }
}

/// Drift as far as it concerns `client`.
pub fn drift_for_client(drift: &Drift, client: &str) -> Drift {
    Drift {
        before: drift.before.clone(),
        after: drift.after.clone(),
        others: drift.others.clone(),
        vantage: drift.vantage.clone(),
        targets: drift.targets.iter().filter(|target| target.client == client).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Verdict;
    use serde_json::Value;

    #[test]
    fn what_one_client_gets_names_no_other() {
        let run = fixture::drifted();
        assert_eq!(clients(&run), ["Harbour Dental Group", "K\u{fc}stner & S\u{f6}hne <Logistik>"]);
        let run = for_client(&run, "Harbour Dental Group");
        for text in [
            html::render(&run).unwrap(),
            json::render(&run).unwrap(),
            terminal::render(&run, &terminal::Options::default()),
        ] {
            assert!(text.contains("Harbour Dental Group"));
            assert!(!text.contains("stner") && !text.contains("2001:db8:20::5"));
        }
    }

    /// The run as it would be if nobody had waived anything.
    fn unwaived(mut run: Run) -> Run {
        for target in &mut run.targets {
            target.findings.iter_mut().for_each(|finding| finding.waiver = None);
            target.rules.iter_mut().for_each(|finding| finding.waiver = None);
        }
        run
    }

    /// JSON without what waivers add to it.
    fn strip(value: &mut Value) {
        match value {
            Value::Object(keys) => {
                keys.retain(|key, _| !["waiver", "waived", "bottom_line"].contains(&key.as_str()));
                keys.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }

    /// The law, for programs: a waiver adds itself, and changes nothing else.
    #[test]
    fn waivers_change_no_verdict_in_json_and_json_lines() {
        let (run, raw) = (fixture::everything(), unwaived(fixture::everything()));
        assert_ne!(run, raw);
        let read = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            strip(&mut value);
            value
        };
        let [json, raw_json] = [&run, &raw].map(|run| json::render(run).unwrap());
        assert_ne!(json, raw_json);
        assert_eq!(read(&json), read(&raw_json));
        for (target, raw) in run.targets.iter().zip(&raw.targets) {
            let [lines, raw_lines] = [target, raw].map(|target| lines::render(target).unwrap());
            assert_eq!(lines.lines().map(read).collect::<Vec<_>>(), raw_lines.lines().map(read).collect::<Vec<_>>());
        }
        let written: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&written["summary"]["fail"], &written["summary"]["waived"]),
            (&run.tally().count(Verdict::Fail).into(), &2.into())
        );
        assert_eq!(written["rules_summary"]["waived"], 1);
    }

    /// The law, for people at a terminal: what fails stands under FAIL, waived or not, and is counted there.
    #[test]
    fn a_waived_failure_stands_among_the_failures_on_the_terminal() {
        for width in [40, 80, 160] {
            for lists in [terminal::Lists::Compact, terminal::Lists::Full] {
                let options = terminal::Options { width, lists, ..terminal::Options::default() };
                let text = terminal::render(&fixture::everything(), &options);
                let plain = terminal::render(&unwaived(fixture::everything()), &options);
                let section = |text: &str, begin: &str, end: &str| {
                    let rest = text.split_once(begin).unwrap_or_else(|| panic!("{begin} at {width}: {text}")).1;
                    rest.split_once(end).map_or(rest, |(section, _)| section).to_owned()
                };
                let failures = section(&text, "\n  FAIL (4, 2 of them waived)", "\n  INCONCLUSIVE (");
                let raw = section(&plain, "\n  FAIL (4)", "\n  INCONCLUSIVE (");
                for item in ["AUT-NET-12", "AUT-TLS-01", "AUT-IIS-01", "AUT-IIS-03"] {
                    assert!(failures.contains(item) && raw.contains(item), "{item} at {width}");
                }
                assert_eq!(failures.matches("Waived ").count(), 2, "{failures}");
                // What was seen, and what it means, is told all the same.
                let told = raw.lines().skip_while(|line| !line.contains("AUT-"));
                assert!({ told }.all(|line| failures.contains(line)), "{width}");
                assert!(text.contains("VIOLATED  deny rest") || width < 80);
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(words.contains("4 fail, 2 of them waived") && words.contains("2 violated, 1 of them waived"));
                assert!(words.contains("Waiver expired: it held until 2026-03-13, expired 1 day ago"), "{words}");
            }
        }
    }

    /// The law, for the client.
    #[test]
    fn a_waived_failure_stands_among_the_failures_on_the_page() {
        let page = html::render(&fixture::everything()).unwrap();
        assert!(page.contains("<h3>Fail (4, 2 of them waived)</h3>"));
        for item in ["AUT-NET-12", "AUT-IIS-01"] {
            let card =
                page.split("<article ").find(|card| card.contains(&format!("<span class=\"item\">{item}</span>")));
            let card = card.unwrap();
            assert!(
                card.starts_with("class=\"card fail\"") && card.contains("<span class=\"tag fail\">fail</span>"),
                "{card}"
            );
            assert!(card.contains("<dt>Waived</dt>") && card.contains("approved by Kim Lee"), "{card}");
        }
    }

    #[test]
    fn a_pass_by_a_persons_word_is_told_as_one() {
        let run = fixture::everything();
        let text = terminal::render(&run, &terminal::Options { width: 160, ..terminal::Options::default() });
        for words in [
            "PASS (8, 2 of them attested)",
            "Attested  by Dana Cole on 2025-09-01, until 2026-03-31, ends in 17 days (CHG-0907): Signed in with",
            "AUT-ACC-01  attestation expired  by Dana Cole on 2025-09-01, until 2026-01-31, expired 42 days ago",
            "Attested  attested until 2026-01-31 by Dana Cole, expired 42 days ago",
            "Attested contradicted: what was seen says otherwise, and is believed. By Dana Cole",
            "Attested  not needed: the verdict is pass without it",
            "5 attestations: 2 count, 1 ends within 30 days, 1 expired, 1 contradicted and 1 not needed; 6 waivers: 3 count",
        ] {
            let found = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(found.contains(&words), "{words}:\n{text}");
        }
    }
}
