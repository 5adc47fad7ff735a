//! What people say of a host: all of it, whatever it is worth, for what expired is seen only where it is told.

use super::page::{BOLD, DIM, PLAIN, Page, YELLOW};
use crate::model::run::TargetRun;
use crate::report::statements::{rows, summary};

pub(super) fn render(page: &mut Page, target: &TargetRun) {
    let rows = rows(target, page.day());
    if rows.is_empty() {
        return;
    }
    page.gap();
    let title = format!("ATTESTATIONS AND WAIVERS ({})", rows.len());
    let summary = summary([target]).unwrap_or_default();
    page.block(2, &[(&title, BOLD), ("  ", PLAIN)], 4, DIM, summary.trim_end_matches('.'));
    for row in rows {
        let style = if row.pressing { YELLOW } else { PLAIN };
        let lead = [(row.about.as_str(), BOLD), ("  ", PLAIN), (row.standing, style), ("  ", PLAIN)];
        page.block(4, &lead, 6, PLAIN, &row.text);
    }
}
