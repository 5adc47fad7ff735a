use super::{drift, pieces, render};
use crate::model::observation::ObservationId;
use crate::report::fixture::{self, drifted, estate, everything, hostile, hostile_drift, quiet, unchanged};
use std::collections::BTreeSet;

/// Everything between `before` and `after`, wherever they occur.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

#[test]
fn the_whole_page() {
    insta::assert_snapshot!(render(&everything()).unwrap());
}

#[test]
fn the_whole_page_of_drift() {
    insta::assert_snapshot!(drift(&fixture::drift()).unwrap());
    let same = drift(&unchanged()).unwrap();
    assert!(same.contains("Nothing that could be compared changed"), "{same}");
    let page = render(&drifted()).unwrap();
    assert!(page.contains("<h2 id=\"drift\">") && page.contains("3 worse (1 critical)"));
    assert!(!render(&everything()).unwrap().contains("id=\"drift\""));
}

#[test]
fn hostile_drift_is_shown_and_not_obeyed() {
    for text in ["<script>alert(1)</script>", "\" onmouseover=\"alert(1)", "\u{1b}[31m\u{202e}\0", ""] {
        let page = drift(&hostile_drift(text)).unwrap();
        assert!(!page.contains("<script") && !page.contains("\" onmouseover=\""));
        assert!(!page.chars().any(|character| character != '\n' && crate::report::text::is_special(character)));
    }
}

#[test]
fn nothing_runs_and_nothing_is_loaded() {
    for run in [everything(), hostile("\"'><img src=x onerror=alert(1)><script>alert(1)</script>")] {
        let page = render(&run).unwrap();
        for never in ["<script", "<img", "<link", "<iframe", "src=", "@import", "url(", "javascript:", " style="] {
            let written = page.replace("src=x", "");
            assert!(!written.contains(never), "{never}");
        }
        assert!(page.contains("default-src 'none'"));
        for link in between(&page, "href=\"", "\"") {
            assert!(link.starts_with('#') || link.starts_with("https://"), "{link}");
        }
    }
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let long = "y".repeat(10_000);
    for text in
        ["<script>alert(1)</script>", "\u{1b}[31m\u{9b}2J\r\n\0", "a\u{202e}b\u{2066}c", "👩‍👩‍👧 ❤️ 漢字 שלום", "", &long]
    {
        let page = render(&hostile(text)).unwrap();
        assert!(!page.contains("<script"));
        assert!(!page.chars().any(|character| character != '\n' && crate::report::text::is_special(character)));
    }
    let page = render(&hostile("\" onmouseover=\"alert(1)")).unwrap();
    assert!(!page.contains("\" onmouseover=\""));
    assert!(render(&hostile("{{ run.started }}")).unwrap().contains("{{ run.started }}"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut run = everything();
    let page = render(&run).unwrap();
    let anchors = between(&page, " id=\"", "\"");
    let unique: BTreeSet<&str> = anchors.iter().copied().collect();
    assert_eq!(unique.len(), anchors.len(), "an anchor occurs twice");
    for link in between(&page, "href=\"#", "\"") {
        assert!(unique.contains(link), "{link}");
    }
    run.targets[0].findings[10].checks[0].rests_on = vec![ObservationId(999)];
    let page = render(&run).unwrap();
    assert!(!page.contains("href=\"#s1-o999\"") && page.contains("o999"));
}

#[test]
fn every_item_and_every_observation_is_there() {
    let run = everything();
    let page = render(&run).unwrap();
    for (place, target) in run.targets.iter().enumerate() {
        for finding in &target.findings {
            assert!(page.contains(&finding.item), "{}", finding.item);
        }
        for observation in &target.observations {
            assert!(page.contains(&format!("id=\"s{}-{}\"", place + 1, observation.id)));
        }
    }
}

#[test]
fn a_partial_run_says_so() {
    assert!(render(&everything()).unwrap().contains("<strong>Partial run.</strong>"));
    assert!(!render(&quiet()).unwrap().contains("Partial run"));
    assert!(render(&estate(30)).unwrap().contains("server-029"));
}

#[test]
fn what_stands_between_backticks_is_code() {
    assert_eq!(pieces("set `a` to `b`."), [(false, "set "), (true, "a"), (false, " to "), (true, "b"), (false, ".")]);
    assert_eq!(pieces("one ` alone"), [(false, "one ` alone")]);
    assert_eq!(pieces("plain"), [(false, "plain")]);
}
