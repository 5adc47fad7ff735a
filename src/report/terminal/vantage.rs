//! The vantage: a section of a report where something is in doubt, and the doctor's own page.

use super::page::{BOLD, CYAN, DIM, GREEN, PLAIN, Page, RED, YELLOW};
use crate::model::run::Run;
use crate::model::vantage::{Checkup, Group, Standing, Vantage};
use crate::report::text::{capitalised, counted, listed};
use anstyle::Style;

/// The width of the column of standings.
const STANDINGS: usize = 13;

fn style(standing: Standing) -> Style {
    match standing {
        Standing::Ok => GREEN,
        Standing::Warning => YELLOW,
        Standing::Broken => RED,
        Standing::Unknown => CYAN,
        Standing::NotChecked => DIM,
    }
}

/// What to know of the vantage before believing a run; nothing where nothing is in doubt.
pub(super) fn section(page: &mut Page, run: &Run) {
    let mut doubts = run.vantage.doubts().peekable();
    let Some(first) = doubts.peek() else { return };
    page.gap();
    let lead = style(first.standing);
    page.block(0, &[("THE VANTAGE", lead), ("  ", PLAIN)], 2, BOLD, "What this machine sees is in doubt:");
    for checkup in doubts {
        let title = format!("- {}: ", checkup.subject.title());
        let text = [&checkup.seen, &checkup.why, &checkup.todo].map(String::as_str).join(" ");
        page.block(2, &[(&title, style(checkup.standing))], 4, PLAIN, &text);
    }
}

/// What the doctor found, as lines of text.
pub fn doctor(vantage: &Vantage, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let mut group = None;
    for checkup in &vantage.checkups {
        if group != Some(checkup.subject.group()) {
            group = Some(checkup.subject.group());
            page.heading('-', BOLD, title(checkup.subject.group()));
        }
        one(&mut page, checkup);
    }
    page.gap();
    verdict(&mut page, vantage);
    page.finish()
}

fn title(group: Group) -> &'static str {
    match group {
        Group::Machine => "This machine (nothing is sent)",
        Group::Names => "Names and addresses",
        Group::Network => "The network",
    }
}

fn one(page: &mut Page, checkup: &Checkup) {
    let words = checkup.standing.words();
    let padding = " ".repeat(STANDINGS.saturating_sub(words.len()));
    let name = format!("{}: ", checkup.subject.title());
    let lead = [(words, style(checkup.standing)), (padding.as_str(), PLAIN), (name.as_str(), BOLD)];
    page.block(2, &lead, 2 + STANDINGS, PLAIN, &checkup.seen);
    for (label, text) in [("Why", &checkup.why), ("Do", &checkup.todo)] {
        if !text.is_empty() {
            page.labelled(2 + STANDINGS, label, 5, text);
        }
    }
}

fn verdict(page: &mut Page, vantage: &Vantage) {
    let titles = |wanted: &dyn Fn(Standing) -> bool| -> Vec<String> {
        let chosen = vantage.checkups.iter().filter(|checkup| wanted(checkup.standing));
        let mut titles: Vec<String> = chosen.map(|checkup| lower(checkup.subject.title())).collect();
        titles.dedup();
        titles
    };
    let (wrong, unknown) = (titles(&Standing::is_wrong), titles(&|standing| standing == Standing::Unknown));
    let mut sentences = Vec::new();
    if wrong.is_empty() && unknown.is_empty() {
        sentences.push("Nothing was found that would spoil a scan from here.".to_owned());
    }
    if !wrong.is_empty() {
        let things = counted(wrong.len(), "thing would", "things would");
        sentences.push(format!("{things} spoil a scan from here, or a part of it: {}.", listed(&wrong)));
    }
    if !unknown.is_empty() {
        sentences.push(format!("Could not be checked: {}.", listed(&unknown)));
    }
    let left_out = titles(&|standing| standing == Standing::NotChecked);
    if !left_out.is_empty() {
        sentences.push(format!("Not checked: {}.", listed(&left_out)));
    }
    let standing = match (wrong.is_empty(), unknown.is_empty()) {
        (false, _) => Standing::Broken,
        (true, false) => Standing::Unknown,
        (true, true) => Standing::Ok,
    };
    page.paragraph(0, style(standing), &capitalised(&sentences.join(" ")));
}

/// A title within a sentence; abbreviations stay as they are.
fn lower(title: &str) -> String {
    let mut characters = title.chars();
    let (first, second) = (characters.next(), characters.next());
    if second.is_some_and(char::is_uppercase) {
        return title.to_owned();
    }
    first.map_or_else(String::new, |first| first.to_lowercase().chain(title.chars().skip(1)).collect())
}
