//! The report for a technician at a terminal: what fails comes first, and what is missing comes before that.
//!
//! Every word is there without colour too. No line is wider than asked for (down to 20 columns), none ends in spaces,
//! and no character but the report's own colour sequences is one that a terminal obeys.

mod drift;
mod evidence;
mod findings;
mod host;
mod overview;
mod page;
mod proof;
mod rules;
mod statements;
mod suites;
mod summary;
mod vantage;

pub use drift::drift;
pub use overview::overview;
pub use vantage::doctor;

use super::reading::{by_client, duration, instant, missing};
use super::statements::day;
use super::text::counted;
use crate::catalog::inventory::NO_CLIENT;
use crate::model::run::{Run, TargetRun};
use crate::model::verdict::Verdict;
use page::{BOLD, DIM, PLAIN, Page, RED};
use std::collections::BTreeSet;

/// How much of the long lists is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lists {
    /// Only ids, for verdicts that need no work from the reader now.
    #[default]
    Compact,
    /// A line for every finding.
    Full,
}

/// What to show, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The columns of the terminal.
    pub width: usize,
    /// Whether to use colour.
    pub colour: bool,
    /// The verdicts whose findings are listed; the counts always tell of all.
    pub show: BTreeSet<Verdict>,
    /// How much of the long lists is shown.
    pub lists: Lists,
    /// Whether to show, beneath each finding, the observations that it rests on.
    pub evidence: bool,
    /// Whether to show why each failure matters, what to do, and the references.
    pub remedy: bool,
}

impl Default for Options {
    /// 80 columns without colour, every verdict, compact lists, neither evidence nor remedies.
    fn default() -> Self {
        Self {
            width: 80,
            colour: false,
            show: Verdict::ALL.into(),
            lists: Lists::Compact,
            evidence: false,
            remedy: false,
        }
    }
}

/// The report as lines of text.
pub fn render(run: &Run, options: &Options) -> String {
    let mut page = Page::new(options.width, options.colour).on(day(run));
    masthead(&mut page, run);
    if let Some(drift) = &run.drift {
        drift::section(&mut page, drift);
    }
    for client in by_client(run) {
        if !is_nameless(run) {
            page.heading('=', BOLD, client.name);
        }
        for target in client.targets {
            host::render(&mut page, target, options);
        }
    }
    summary::render(&mut page, run);
    page.finish()
}

/// What a witness behind the firewall proved of a target's ports, alone; nothing where none was asked.
pub fn firewall_proof(target: &TargetRun, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    proof::render(&mut page, target);
    page.finish()
}

/// The suites that a target's ports accept, alone; nothing where they were not asked for.
pub fn accepted_suites(target: &TargetRun, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    suites::render(&mut page, target);
    page.finish()
}

fn masthead(page: &mut Page, run: &Run) {
    let facts = format!(
        "{}, took {}, {}",
        instant(&run.started),
        duration(run.elapsed_ms),
        counted(run.targets.len(), "server", "servers")
    );
    let title = format!("portreeve {}", run.tool_version);
    page.block(0, &[(&title, BOLD), ("  ", PLAIN)], 2, PLAIN, &facts);
    for guide in &run.guides {
        let own = if guide.built_in { "" } else { ", not the built-in one" };
        page.paragraph(2, DIM, &format!("{}: {}, revision {}{own}", guide.id, guide.title, guide.revision));
    }
    partial(page, run);
    vantage::section(page, run);
}

/// Says loudly that a run is partial, and names what is missing; nothing for a whole run.
fn partial(page: &mut Page, run: &Run) {
    if !run.is_partial() {
        return;
    }
    page.gap();
    let lead = if run.interrupted { "The run was interrupted. " } else { "" };
    let text = format!("{lead}What follows is not the whole picture. What is missing:");
    page.block(0, &[("PARTIAL RUN", RED), ("  ", PLAIN)], 2, BOLD, &text);
    for (label, what) in missing(run) {
        let label = called(run, &label);
        let lead = format!("- {label}: ");
        page.block(2, &[(&lead, BOLD)], 4, PLAIN, &what.join(". Also: "));
    }
}

/// Whether the user named no client at all, so that there is nothing to tell the servers apart by.
fn is_nameless(run: &Run) -> bool {
    run.targets.iter().all(|target| target.target.client == NO_CLIENT)
}

/// What to call a target by its label: its name alone where there are no clients.
fn called<'a>(run: &Run, label: &'a str) -> &'a str {
    let name = label.strip_prefix(NO_CLIENT).and_then(|rest| rest.strip_prefix('/'));
    name.filter(|_| is_nameless(run)).unwrap_or(label)
}

#[cfg(test)]
mod tests;
