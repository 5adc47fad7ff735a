//! The table of what a witness behind the firewall proved.

use super::page::{BOLD, CYAN, DIM, PLAIN, Page, RED, YELLOW};
use crate::model::run::TargetRun;
use crate::report::proof::{COLUMNS, Kind, MEANING, Row, tables};
use anstyle::Style;
use std::fmt::Write as _;

/// Narrower than this, and the table becomes a list.
const TABLE: usize = 64;

/// The widths of the columns before the proof: the ports, which are never longer than `udp/40000-41000`, then numbers, each
/// as wide as its title.
const WIDTHS: [usize; 4] = [16, 6, 9, 10];

pub(super) fn render(page: &mut Page, target: &TargetRun) {
    for table in tables(target) {
        page.gap();
        let lead = [("FIREWALL PROOF", BOLD), ("  ", PLAIN)];
        page.block(2, &lead, 4, DIM, &format!("{}, {MEANING}", table.address));
        if page.width() >= TABLE && !table.rows.is_empty() {
            let titles: String = columns(&COLUMNS.map(str::to_owned));
            page.line(&[("    ", PLAIN), (&titles, DIM), (COLUMNS[4], DIM)]);
        }
        for row in &table.rows {
            one_row(page, row);
        }
        for note in &table.notes {
            page.paragraph(4, DIM, note);
        }
    }
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::In => CYAN,
        Kind::Out => PLAIN,
        Kind::Odd => YELLOW,
        Kind::Unknown => RED,
    }
}

fn one_row(page: &mut Page, row: &Row) {
    let Row { ports, sent, arrived, answered, proof, kind } = row;
    if page.width() >= TABLE {
        let cells = columns(&[ports.clone(), sent.clone(), arrived.clone(), answered.clone(), String::new()]);
        page.block(4, &[(&cells, PLAIN)], 4 + cells.len(), style(*kind), proof);
    } else {
        let text = format!("{proof} (sent {sent}, arrived {arrived}, answered {answered})");
        page.block(4, &[(ports, BOLD), (" ", PLAIN)], 6, style(*kind), &text);
    }
}

/// The cells before the last one: the first to the left, numbers to the right.
fn columns(cells: &[String; 5]) -> String {
    let mut line = String::new();
    for (place, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let _ = if place == 0 { write!(line, "{cell:<width$}") } else { write!(line, "{cell:>width$}") };
    }
    line.push_str("  ");
    line
}
