//! What was collected inside the host: contradictions first, then the ports from both sides, then what is missing.

use super::page::{BOLD, DIM, PLAIN, Page, RED, YELLOW};
use crate::model::evidence::{Contradiction, FirewallRow};
use crate::model::run::TargetRun;
use crate::report::host_evidence::{COLUMNS, MEANING, not_collected};
use std::fmt::Write as _;

/// Narrower than this, and the table becomes a list.
const TABLE: usize = 72;

/// The widths of the columns before the last.
const WIDTHS: [usize; 4] = [12, 24, 16, 18];

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
        if page.width() >= TABLE {
            let titles = cells(&COLUMNS.map(str::to_owned));
            page.line(&[("    ", PLAIN), (&titles, DIM), (COLUMNS[4], DIM)]);
        }
        for row in &evidence.firewall {
            one_row(page, row);
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

fn one_row(page: &mut Page, row: &FirewallRow) {
    let style = if row.together.starts_with("contradiction") { RED } else { PLAIN };
    let listener = row.listener.clone().unwrap_or_else(|| "nothing".to_owned());
    let outside = row.outside.clone().unwrap_or_else(|| "not told".to_owned());
    if page.width() >= TABLE {
        let cells = cells(&[row.port.clone(), listener, row.claim.clone(), outside, String::new()]);
        page.block(4, &[(&cells, PLAIN)], 4 + WIDTHS.iter().sum::<usize>() + 4, style, &row.together);
    } else {
        let text = format!("{} (listens: {listener}; host firewall: {}; outside: {outside})", row.together, row.claim);
        page.block(4, &[(&row.port, BOLD), (" ", PLAIN)], 6, style, &text);
    }
}

/// The cells before the last one, each at least a blank apart.
fn cells(cells: &[String; 5]) -> String {
    cells.iter().zip(WIDTHS).fold(String::new(), |mut line, (cell, width)| {
        let _ = write!(line, "{cell:<width$} ");
        line
    })
}
