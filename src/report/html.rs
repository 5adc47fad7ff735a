//! The report for the technician's client: one self-contained page without scripts, which loads nothing.
//!
//! Every value passes through [`Escape`], which `askama.toml` names as the escaper of HTML templates: what a browser
//! or a reader could be misled by is made visible, and markup is escaped. Anchors are made of numbers only, and only
//! `https` addresses of a guide become links.

mod drift;
mod overview;
mod view;

use super::reading::{duration, instant};
use super::text::clean;
use crate::model::drift::Drift;
use crate::model::run::Run;
use crate::report::overview::Overview;
use askama::Template;
use askama::filters::{Escaper, Html};
use std::fmt;

/// The report as an HTML page.
pub fn render(run: &Run) -> Result<String, askama::Error> {
    view::Page::of(run).render()
}

/// What reads otherwise in one run than in another, as a page of its own.
pub fn drift(drift: &Drift) -> Result<String, askama::Error> {
    drift::Page::of(drift).render()
}

/// A report over many servers as a page.
pub fn overview(overview: &Overview) -> Result<String, askama::Error> {
    overview::Page::of(overview).render()
}

/// Sanitises and escapes a value that a template writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Escape;

impl Escaper for Escape {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &clean(string))
    }

    fn write_escaped_char<W: fmt::Write>(&self, dest: W, character: char) -> fmt::Result {
        self.write_escaped_str(dest, character.encode_utf8(&mut [0; 4]))
    }
}

/// The parts of a text, each with whether it stood between backticks, which guides put around what is typed.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return vec![(false, text)];
    }
    parts
        .into_iter()
        .enumerate()
        .map(|(place, part)| (place % 2 == 1, part))
        .filter(|(_, part)| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
