//! The last thing on the screen: a table over all hosts, and the bottom line.

use super::host::{result, style_of};
use super::page::{BOLD, DIM, PLAIN, Page, RED, Span, YELLOW};
use super::{called, is_nameless};
use crate::model::expected::{RuleTally, RuleVerdict};
use crate::model::run::{Run, Tally, TargetRun};
use crate::model::verdict::Verdict;
use crate::report::drift::headline;
use crate::report::reading::{Caution, bottom_line, by_client, cautions, missing, rules_tallied};
use crate::report::statements::summary as statements;
use crate::report::text::{clean, counted, listed, number};
use anstyle::Style;
use textwrap::core::display_width;

/// Narrower than this, and the table becomes a list.
const TABLE: usize = 66;
/// The verdicts' columns, each as wide as its title and two spaces before it.
const COLUMNS: [(Verdict, &str); 6] = [
    (Verdict::Fail, "Fail"),
    (Verdict::Inconclusive, "Unclear"),
    (Verdict::NeedsEvidence, "Evid."),
    (Verdict::NeedsAttestation, "Attest."),
    (Verdict::Pass, "Pass"),
    (Verdict::NotApplicable, "n/a"),
];
const REMARKS: &str = "Remarks";

pub(super) fn render(page: &mut Page, run: &Run) {
    page.heading('=', BOLD, "SUMMARY");
    if page.width() >= TABLE {
        table(page, run);
    } else {
        stacked(page, run);
    }
    rules(page, run);
    if let Some(text) = statements(&run.targets) {
        page.gap();
        page.paragraph(0, PLAIN, &text);
    }
    page.gap();
    if run.is_partial() {
        let labels: Vec<String> = missing(run).iter().map(|(label, _)| called(run, label).to_owned()).collect();
        let text = format!("Not whole: {}. What is missing is told at the top.", listed(&labels));
        page.block(0, &[("PARTIAL RUN", RED), ("  ", PLAIN)], 2, PLAIN, &text);
        page.gap();
    }
    let violated = run.rule_tally().count(RuleVerdict::Violated) > 0;
    let style = if run.tally().count(Verdict::Fail) > 0 || violated || run.is_partial() { RED } else { BOLD };
    page.paragraph(0, style, &bottom_line(run));
    if let Some(drift) = &run.drift {
        page.paragraph(0, if drift.tally().worse > 0 { RED } else { BOLD }, &headline(drift));
    }
}

/// The expected rules of each server that has any.
fn rules(page: &mut Page, run: &Run) {
    if run.rule_tally().total() == 0 {
        return;
    }
    page.gap();
    page.paragraph(0, DIM, "Expected rules");
    for client in by_client(run) {
        for target in client.targets.iter().filter(|target| !target.rules.is_empty()) {
            let tally = RuleTally::of(&target.rules);
            let label = target.target.label();
            let lead = format!("{}  ", called(run, &label));
            let style = if tally.count(RuleVerdict::Violated) > 0 { style_of(Verdict::Fail) } else { PLAIN };
            page.block(2, &[(&lead, PLAIN)], 4, style, &rules_tallied(&tally));
        }
    }
}

fn table(page: &mut Page, run: &Run) {
    let numbers: usize = COLUMNS.iter().map(|(_, title)| title.len() + 2).sum();
    let longest =
        run.targets.iter().map(|target| display_width(&clean(&target.target.name))).max().unwrap_or_default() + 2;
    // Remarks get the rest, if that is enough for them; a name gets what its longest needs, up to half of what is left.
    let free = page.width() - numbers;
    let names = longest.clamp(12, if free > 48 { free / 2 } else { free - 9 });
    let remarks = free - names;
    let header: Vec<String> = COLUMNS.iter().map(|(_, title)| format!("  {title}")).collect();
    let head = format!("{}{}  {REMARKS}", " ".repeat(names), header.concat());
    page.line(&[(&head, DIM)]);
    for client in by_client(run) {
        if !is_nameless(run) {
            page.paragraph(0, BOLD, client.name);
        }
        for target in client.targets {
            let name = cut(&format!("  {}", clean(&target.target.name).trim()), names);
            row(page, &name, names, target, remarks);
        }
    }
    if run.targets.len() > 1 {
        let tally = run.tally();
        let total = counted(run.targets.len(), "server", "servers");
        let cells = cells(&tally, |_| BOLD);
        let padding = " ".repeat(names.saturating_sub(total.len()));
        let mut spans: Vec<Span<'_>> = vec![(&total, BOLD), (&padding, PLAIN)];
        spans.extend(cells.iter().map(|(text, style)| (text.as_str(), *style)));
        page.line(&[(&"-".repeat(names + numbers), DIM)]);
        page.line(&spans);
    }
}

fn row(page: &mut Page, name: &str, names: usize, target: &TargetRun, remarks: usize) {
    let tally = Tally::of(&target.findings);
    let padding = " ".repeat(names.saturating_sub(display_width(name)));
    let cells = cells(&tally, |verdict| if tally.count(verdict) > 0 { style_of(verdict) } else { DIM });
    let remark = remark(target, remarks.saturating_sub(2));
    let mut spans: Vec<Span<'_>> = vec![(name, PLAIN), (&padding, PLAIN)];
    spans.extend(cells.iter().map(|(text, style)| (text.as_str(), *style)));
    spans.extend([("  ", PLAIN), (remark.as_str(), YELLOW)]);
    page.line(&spans);
}

fn cells(tally: &Tally, style: impl Fn(Verdict) -> Style) -> Vec<(String, Style)> {
    COLUMNS
        .iter()
        .map(|(verdict, title)| {
            // A server that was not judged has no counts: zeros would read as "nothing wrong".
            let count = if tally.total() == 0 { "-".to_owned() } else { number(tally.count(*verdict)) };
            (format!("{count:>width$}", width = title.len() + 2), style(*verdict))
        })
        .collect()
}

/// What to know of a host, as far as it fits: in full, in short, or the first and how many more.
fn remark(target: &TargetRun, room: usize) -> String {
    let cautions = cautions(target);
    let Some(first) = cautions.first() else { return String::new() };
    let all = |word: fn(&Caution) -> &'static str| cautions.iter().map(word).collect::<Vec<_>>().join("; ");
    let some = match cautions.len() {
        1 => first.short.to_owned(),
        count => format!("{} (+{})", first.short, count - 1),
    };
    let choices = [all(|caution| caution.title), all(|caution| caution.short), some];
    choices.into_iter().find(|text| display_width(text) <= room).unwrap_or_else(|| cut(first.short, room))
}

/// `text` within `width` columns; a cut is shown.
fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = display_width(character.encode_utf8(&mut [0; 4]));
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// For narrow terminals: a name, and the counts beneath.
fn stacked(page: &mut Page, run: &Run) {
    for client in by_client(run) {
        if !is_nameless(run) {
            page.paragraph(0, BOLD, client.name);
        }
        for target in client.targets {
            page.paragraph(2, PLAIN, &target.target.name);
            let style =
                if Tally::of(&target.findings).count(Verdict::Fail) > 0 { style_of(Verdict::Fail) } else { PLAIN };
            page.paragraph(4, style, &result(&target.findings));
            let remark = remark(target, usize::MAX);
            if !remark.is_empty() {
                page.paragraph(4, YELLOW, &remark);
            }
        }
    }
}
