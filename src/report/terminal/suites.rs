//! The tables of suites that ports accept.

use super::page::{BOLD, DIM, PLAIN, Page, RED, YELLOW};
use crate::model::run::TargetRun;
use crate::report::suites::{Row, accepted};

/// The width of the column of places.
const PLACES: usize = 3;

/// The width of the column of names: with all before and behind it, and the commonest weakness, a line has 80 columns.
const NAMES: usize = 45;

pub(super) fn render(page: &mut Page, target: &TargetRun) {
    for port in accepted(target) {
        page.gap();
        let at = format!("{}, tcp/{}", port.address, port.port);
        page.block(2, &[("SUITES", BOLD), ("  ", PLAIN)], 4, DIM, &format!("{at}. {}", port.meaning));
        for version in &port.versions {
            page.gap();
            page.paragraph(2, BOLD, &version.title);
            for row in &version.rows {
                one_row(page, row);
            }
            if let Some(why) = &version.incomplete {
                page.paragraph(6, RED, why);
            }
            for note in &version.notes {
                page.paragraph(6, if note.weak { YELLOW } else { PLAIN }, &note.text);
            }
        }
        for version in &port.unsettled {
            page.gap();
            page.paragraph(2, RED, version);
        }
    }
}

/// A suite on one line where it fits, else what is weak below it.
fn one_row(page: &mut Page, row: &Row) {
    let Row { place, name, number, weak } = row;
    let style = if weak.is_empty() { PLAIN } else { YELLOW };
    let line = format!("{place:>PLACES$} {name:<NAMES$} {number}");
    let both = if weak.is_empty() { line.clone() } else { format!("{line} {weak}") };
    if 2 + both.len() <= page.width() {
        page.line(&[("  ", PLAIN), (&both, style)]);
        return;
    }
    if 2 + line.len() <= page.width() {
        page.line(&[("  ", PLAIN), (&line, style)]);
    } else {
        page.paragraph(4, style, &format!("{place} {name} {number}"));
    }
    if !weak.is_empty() {
        page.paragraph(8, style, weak);
    }
}
