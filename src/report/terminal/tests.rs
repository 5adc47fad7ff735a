use super::{Lists, Options, drift, render};
use crate::catalog::inventory::NO_CLIENT;
use crate::model::verdict::Verdict;
use crate::report::fixture::{self, drifted, estate, everything, hostile, hostile_drift, quiet, unchanged};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

const WIDTHS: [usize; 4] = [40, 80, 120, 160];

fn all(width: usize, colour: bool) -> Options {
    Options { width, colour, lists: Lists::Full, evidence: true, remedy: true, ..Options::default() }
}

/// The text without our own colour sequences; what is left may hold no control character.
fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let (sequence, after) = after.split_once('m').expect("a colour sequence ends in m");
        assert!(sequence.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{sequence:?}");
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn assert_well_formed(text: &str, width: usize) {
    for line in without_colour(text).lines() {
        assert!(line.width() <= width, "{} columns of {width}: {line:?}", line.width());
        assert_eq!(line.trim_end(), line, "trailing spaces");
        assert!(!line.contains(crate::report::text::is_special), "{line:?}");
    }
    assert!(!text.contains("\n\n\n"), "two empty lines");
}

#[test]
fn compact_at_80_columns() {
    insta::assert_snapshot!(render(&everything(), &Options::default()));
}

#[test]
fn all_of_it_at_160_columns() {
    insta::assert_snapshot!(render(&everything(), &all(160, false)));
}

#[test]
fn compact_at_40_columns() {
    insta::assert_snapshot!(render(&everything(), &Options { width: 40, ..Options::default() }));
}

#[test]
fn a_whole_run_without_failures() {
    insta::assert_snapshot!(render(&quiet(), &Options::default()));
}

#[test]
fn the_summary_of_many_hosts_stays_readable() {
    let options = Options { show: [].into(), ..Options::default() };
    let text = render(&estate(24), &options);
    let summary = text.split_once("== SUMMARY").unwrap().1;
    insta::assert_snapshot!(format!("== SUMMARY{summary}"));
}

#[test]
fn drift_at_40_80_and_160_columns() {
    for width in [40, 80, 160] {
        insta::assert_snapshot!(format!("drift_{width}"), drift(&fixture::drift(), width, false));
    }
}

#[test]
fn no_drift_is_said() {
    insta::assert_snapshot!(drift(&unchanged(), 80, false));
}

#[test]
fn a_run_says_what_changed_since_the_last_one() {
    let text = render(&drifted(), &Options { show: [].into(), ..Options::default() });
    let section = text.split_once("== WHAT CHANGED").unwrap().1;
    insta::assert_snapshot!(section.split_once("== Harbour Dental Group").unwrap().0);
    assert!(text.trim_end().ends_with("so this is not the whole picture."), "{text}");
    assert_eq!(text.matches("3 worse (1 critical)").count(), 3);
}

#[test]
fn drift_is_well_formed_at_any_width() {
    for text in ["\x1b[31mred\x1b]0;title\x07", "\u{9b}2J\r\nforged: PASS", "a\u{202e}b", "", &"x".repeat(5000)] {
        for width in WIDTHS {
            assert_well_formed(&drift(&hostile_drift(text), width, true), width);
            let run = crate::model::run::Run { drift: Some(Box::new(hostile_drift(text))), ..quiet() };
            assert_well_formed(&render(&run, &all(width, true)), width);
        }
    }
    let coloured = drift(&fixture::drift(), 80, true);
    assert_eq!(without_colour(&coloured), drift(&fixture::drift(), 80, false));
}

#[test]
fn no_line_exceeds_the_width() {
    for run in [everything(), quiet(), estate(7)] {
        for width in WIDTHS {
            for colour in [false, true] {
                assert_well_formed(&render(&run, &all(width, colour)), width);
                assert_well_formed(&render(&run, &Options { width, colour, ..Options::default() }), width);
            }
        }
    }
}

#[test]
fn colour_changes_no_word() {
    let run = everything();
    assert_eq!(without_colour(&render(&run, &all(80, true))), render(&run, &all(80, false)));
    assert!(render(&run, &all(80, true)).contains("\x1b["));
    assert!(!render(&run, &all(80, false)).contains('\x1b'));
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let long = "x".repeat(10_000);
    for text in [
        "\x1b[31mred\x1b]0;title\x07",
        "\u{9b}2J\r\nforged: PASS",
        "a\u{202e}b\u{2066}c",
        "👩‍👩‍👧 ❤️ 🇬🇧 漢字 שלום",
        "",
        "   ",
        &long,
    ] {
        for width in WIDTHS {
            assert_well_formed(&render(&hostile(text), &all(width, true)), width);
        }
    }
    let forged = render(&hostile("x\r\n  PASS (40)"), &Options { width: 160, ..Options::default() });
    assert!(!forged.lines().any(|line| line.starts_with("  PASS (40)")));
}

#[test]
fn a_partial_run_says_so_first_and_last() {
    let text = render(&everything(), &Options::default());
    let first = text.find("PARTIAL RUN").unwrap();
    assert!(first < text.find("== Harbour Dental Group").unwrap());
    assert!(text.rfind("PARTIAL RUN").unwrap() > text.find("SUMMARY").unwrap());
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.ends_with(&["not", "the", "whole", "picture."]));
    assert!(!render(&quiet(), &Options::default()).contains("PARTIAL"));
}

#[test]
fn a_client_that_nobody_named_is_not_shown() {
    let mut run = everything();
    for width in [40, 80] {
        let options = Options { width, ..Options::default() };
        run.targets.iter_mut().for_each(|target| target.target.client = NO_CLIENT.to_owned());
        let text = render(&run, &options);
        assert!(text.contains("PARTIAL RUN") && !text.contains(NO_CLIENT), "{text}");
        // Beside others it must be told which servers have none.
        run.targets[0].target.client = "Harbour Dental Group".to_owned();
        assert!(render(&run, &options).contains(NO_CLIENT));
    }
}

#[test]
fn what_is_not_shown_is_counted() {
    let options = Options { width: 160, show: [Verdict::Fail].into(), ..Options::default() };
    let text = render(&everything(), &options);
    assert!(text.contains(
        "Not shown: 1 inconclusive, 3 need evidence, 9 need attestation, 8 pass, 2 of them attested, 1 not applicable"
    ));
    assert!(!text.contains("AUT-GPO-01"));
}

#[test]
fn every_item_is_named_by_default() {
    let run = everything();
    let text = render(&run, &Options::default());
    for finding in run.targets.iter().flat_map(|target| &target.findings) {
        assert!(text.contains(&finding.item), "{}", finding.item);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_at_any_width_is_well_formed(text in "\\PC{0,60}|[\\x00-\\u{10ffff}]{0,40}", width in 20usize..200, colour: bool) {
        assert_well_formed(&render(&hostile(&text), &all(width, colour)), width);
    }
}
