//! What was collected inside the host: contradictions first, then the ports from both sides, then what is missing.

use super::page::{BOLD, DIM, PLAIN, Page, RED, YELLOW};
use crate::model::evidence::{Contradiction, FirewallRow};
use crate::model::run::TargetRun;
use crate::report::host_evidence::{COLUMNS, MEANING, not_collected};
use std::fmt::Write as _;
use textwrap::core::display_width;

/// The least room that the last column needs; with less the table becomes a list.
const LAST: usize = 28;

/// The most that a column before it takes.
const WIDEST: usize = 34;

pub(super) fn render(page: &mut Page, target: &TargetRun) {
    let Some(evidence) = &target.evidence else { return };
    for contradiction in &evidence.contradictions {
        against(page, contradiction);
    }
    for doubt in &evidence.doubts {
        page.gap();
        page.block(2, &[("! Host evidence", YELLOW), (" ", PLAIN)], 4, PLAIN, &format!("- {doubt}"));
    }
    if !evidence.firewall.is_empty() {
        page.gap();
        page.block(2, &[("FIREWALL, BOTH SIDES", BOLD), ("  ", PLAIN)], 4, DIM, MEANING);
        let rows: Vec<[String; 5]> = evidence.firewall.iter().map(row).collect();
        let titles = COLUMNS.map(str::to_owned);
        let width = |column: usize| {
            let cells = rows.iter().chain([&titles]).filter_map(|row| row.get(column));
            cells.map(|cell| display_width(cell)).max().unwrap_or_default().min(WIDEST)
        };
        let widths: [usize; 4] = std::array::from_fn(width);
        let fits = 4 + widths.iter().sum::<usize>() + widths.len() + LAST <= page.width();
        if fits {
            one_row(page, &titles, Some(&widths));
        }
        for row in &rows {
            one_row(page, row, fits.then_some(&widths));
        }
    }
    let missing = not_collected(evidence);
    if !missing.is_empty() {
        page.gap();
        let title = format!("NOT COLLECTED ({})", evidence.not_collected.len());
        let meaning = "no verdict rests on these; an item that needed one says so";
        page.block(2, &[(&title, BOLD), ("  ", PLAIN)], 4, DIM, meaning);
        for line in missing {
            page.paragraph(4, PLAIN, &line);
        }
    }
}

fn against(page: &mut Page, contradiction: &Contradiction) {
    let Contradiction { subject, items, host, network, explanations, settle } = contradiction;
    page.gap();
    let title = format!("! Contradiction on {subject}");
    page.block(
        2,
        &[(&title, RED), (" ", PLAIN)],
        4,
        PLAIN,
        &format!("({}); the network is believed", items.join(", ")),
    );
    page.labelled(4, "Host", 10, host);
    page.labelled(4, "Network", 10, network);
    for (place, explanation) in (1..).zip(explanations) {
        page.labelled(4, if place == 1 { "Likely" } else { "" }, 10, &format!("{place}. {explanation}"));
    }
    page.labelled(4, "Settle", 10, settle);
}

fn row(row: &FirewallRow) -> [String; 5] {
    let FirewallRow { port, listener, claim, outside, together, .. } = row.clone();
    let (listener, outside) =
        (listener.unwrap_or_else(|| "nothing".to_owned()), outside.unwrap_or_else(|| "not told".to_owned()));
    [port, listener, claim, outside, together]
}

fn one_row(page: &mut Page, row: &[String; 5], widths: Option<&[usize; 4]>) {
    let [port, listener, claim, outside, together] = row;
    let style = if together.starts_with("contradiction") { RED } else { PLAIN };
    let Some(widths) = widths else {
        let text = format!("{together} (listens: {listener}; host firewall: {claim}; outside: {outside})");
        page.block(4, &[(port, BOLD), (" ", PLAIN)], 6, style, &text);
        return;
    };
    let cells = row.iter().zip(widths).fold(String::new(), |mut line, (cell, width)| {
        let padding = width.saturating_sub(display_width(cell)) + 1;
        let _ = write!(line, "{cell}{:padding$}", "");
        line
    });
    page.block(4, &[(&cells, PLAIN)], 4 + display_width(&cells), style, together);
}
