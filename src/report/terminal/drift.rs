//! What reads otherwise than in an earlier run: what to do first comes first.

use super::page::{BOLD, CYAN, DIM, GREEN, PLAIN, Page, RED, YELLOW};
use crate::catalog::inventory::NO_CLIENT;
use crate::model::drift::{Class, Drift, Presence, TargetDrift};
use crate::report::drift::{
    Entry, called, entries, heading, headline, is_grave, is_told, mark, meaning, not_compared, of_target, remarks,
};
use crate::report::text::{counted, listed};
use anstyle::Style;

/// The width of the column of labels.
const LABELS: usize = 9;

/// What reads otherwise, alone.
pub fn drift(drift: &Drift, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    page.block(0, &[("Drift", BOLD), ("  ", PLAIN)], 2, style(drift), &headline(drift));
    page.labelled(2, "Before", LABELS, &mark(&drift.before));
    page.labelled(2, "Now", LABELS, &mark(&drift.after));
    let others: Vec<String> = drift.others.iter().map(called).collect();
    if !others.is_empty() {
        page.labelled(2, "Beside", LABELS, &listed(&others));
    }
    about(&mut page, drift);
    let named = drift.targets.iter().any(|target| target.client != NO_CLIENT);
    let mut client = None;
    for target in drift.targets.iter().filter(|target| is_told(target)) {
        if named && client != Some(&target.client) {
            page.heading('=', BOLD, &target.client);
            client = Some(&target.client);
        }
        page.heading('-', BOLD, &heading(target));
        of(&mut page, target, true);
    }
    rest(&mut page, drift, named);
    page.finish()
}

/// The section of a run's report.
pub(super) fn section(page: &mut Page, drift: &Drift) {
    page.heading('=', BOLD, "WHAT CHANGED");
    page.paragraph(0, style(drift), &headline(drift));
    about(page, drift);
    let named = drift.targets.iter().any(|target| target.client != NO_CLIENT);
    for target in drift.targets.iter().filter(|target| is_told(target)) {
        page.gap();
        let label = if named { format!("{}/{}", target.client, heading(target)) } else { heading(target) };
        page.block(0, &[(&label, BOLD), ("  ", PLAIN)], 2, DIM, &of_target(target));
        of(page, target, false);
    }
}

fn about(page: &mut Page, drift: &Drift) {
    for (label, text) in remarks(drift) {
        page.labelled(2, label, LABELS, &text);
    }
}

fn style(drift: &Drift) -> Style {
    let tally = drift.tally();
    if tally.worse > 0 {
        RED
    } else if drift.is_whole() {
        BOLD
    } else {
        YELLOW
    }
}

fn style_of(class: Class) -> Style {
    match class {
        Class::Worse => RED,
        Class::New => CYAN,
        Class::Better => GREEN,
        Class::Neutral => DIM,
    }
}

fn of(page: &mut Page, target: &TargetDrift, full: bool) {
    for change in &target.inventory {
        page.labelled(2, "Inventory", LABELS + 2, change);
    }
    for (class, entries) in entries(target) {
        page.gap();
        let count: usize = entries.iter().map(Entry::count).sum();
        let title = format!("{} ({count})", class.words().to_uppercase());
        page.block(2, &[(&title, style_of(class)), ("  ", PLAIN)], 4, DIM, meaning(class));
        for entry in entries {
            one(page, &entry);
        }
    }
    if target.left_out > 0 {
        page.gap();
        let more = counted(target.left_out, "more change is", "more changes are");
        page.paragraph(2, YELLOW, &format!("{more} left out; those to do first are told."));
    }
    if !target.flapping.is_empty() {
        page.gap();
        let title = format!("FLAPPING ({})", target.flapping.len());
        page.block(2, &[(&title, YELLOW), ("  ", PLAIN)], 4, DIM, "it alternates, which is no change; oldest first");
        for flapping in &target.flapping {
            let lead = format!("{}  ", flapping.subject);
            page.block(4, &[(&lead, PLAIN)], 6, DIM, &flapping.sights.join(", "));
        }
    }
    if full {
        untold(page, target);
    }
}

fn untold(page: &mut Page, target: &TargetDrift) {
    let lines = not_compared(target);
    if lines.is_empty() {
        return;
    }
    page.gap();
    page.block(2, &[("NOT COMPARED", BOLD), ("  ", PLAIN)], 4, DIM, "told by neither run, or not asked in the newer");
    for (what, why) in lines {
        page.block(4, &[], 6, PLAIN, &format!("{what}: {why}"));
    }
}

fn one(page: &mut Page, entry: &Entry<'_>) {
    page.gap();
    let severity = entry.severity();
    let word = severity.to_string().to_uppercase();
    let lead = [(word.as_str(), if is_grave(entry) { RED } else { DIM }), ("  ", PLAIN)];
    if entry.count() == 1 {
        page.block(4, &lead, 6, BOLD, &format!("{}: {}", entry.subjects(), entry.turn));
    } else {
        page.block(4, &lead, 6, BOLD, &format!("{} of them: {}", entry.count(), entry.turn));
        page.paragraph(6, PLAIN, &entry.subjects());
    }
    if let Some(title) = entry.title() {
        page.paragraph(6, PLAIN, title);
    }
    if let Some(last) = &entry.last_seen {
        page.labelled(6, "Before", LABELS, last);
    }
    for (number, why) in entry.why.iter().enumerate() {
        page.labelled(6, if number == 0 { "Why" } else { "" }, LABELS, why);
    }
}

/// The servers of which there is nothing to tell, and what could not be compared on them.
fn rest(page: &mut Page, drift: &Drift, named: bool) {
    let same: Vec<&TargetDrift> =
        drift.targets.iter().filter(|target| !is_told(target) && target.presence == Presence::Both).collect();
    if same.is_empty() {
        return;
    }
    page.heading('=', BOLD, "NO CHANGE");
    for target in same {
        let label = if named { target.label() } else { target.name.clone() };
        let count: usize = target.not_compared.iter().map(|one| one.subjects.len()).sum();
        let text =
            if count == 0 { "all of it was compared".to_owned() } else { format!("{count} could not be compared") };
        page.block(2, &[(&label, PLAIN), ("  ", PLAIN)], 4, DIM, &text);
        if drift.targets.len() == 1 {
            untold(page, target);
        }
    }
}
