//! Lines of a given width: the only place where text becomes terminal output.

use crate::report::text::clean;
use anstyle::{AnsiColor, Style};
use jiff::civil::Date;
use std::fmt::Write as _;
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Narrower than this, and labels leave no room for what they label.
pub(super) const NARROWEST: usize = 20;

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Text that goes before other text on a line.
pub(super) type Span<'a> = (&'a str, Style);

/// Lines, none wider than the page, without trailing spaces and without anything that a terminal would obey except
/// our own colours.
pub(super) struct Page {
    text: String,
    width: usize,
    colour: bool,
    day: Option<Date>,
}

impl Page {
    pub(super) fn new(width: usize, colour: bool) -> Self {
        Self { text: String::new(), width: width.max(NARROWEST), colour, day: None }
    }

    /// The same, in a report of this day.
    pub(super) fn on(self, day: Option<Date>) -> Self {
        Self { day, ..self }
    }

    /// The day of the run, by which the ends of statements are counted.
    pub(super) fn day(&self) -> Option<Date> {
        self.day
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// An empty line, unless there is one already.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, indent: usize, style: Style, text: &str) {
        self.block(indent, &[], indent, style, text);
    }

    /// A label, and text beside it that stays in its column.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, column: usize, text: &str) {
        let padding = " ".repeat(column.saturating_sub(display_width(label)));
        self.block(indent, &[(label, DIM), (&padding, PLAIN)], indent + column, PLAIN, text);
    }

    /// A line across the page with a heading in it.
    pub(super) fn heading(&mut self, stroke: char, style: Style, text: &str) {
        self.gap();
        let text = clean(text);
        let used = display_width(text.trim()) + 4;
        if used + 2 > self.width {
            self.line(&[(&stroke.to_string().repeat(self.width), DIM)]);
            self.paragraph(0, style, &text);
        } else {
            let after = stroke.to_string().repeat(self.width - used);
            let before = stroke.to_string().repeat(2);
            self.line(&[(&before, DIM), (" ", PLAIN), (text.trim(), style), (" ", PLAIN), (&after, DIM)]);
        }
    }

    /// `lead` and then `text`, which continues `hang` columns in; where `lead` leaves too little room, `text` begins
    /// below it.
    pub(super) fn block(&mut self, indent: usize, lead: &[Span<'_>], hang: usize, style: Style, text: &str) {
        let lead: Vec<(String, Style)> = lead.iter().map(|(text, style)| (clean(text).into_owned(), *style)).collect();
        let lead_width: usize = lead.iter().map(|(text, _)| display_width(text)).sum();
        let text = clean(text);
        let text = text.trim();
        if indent + lead_width + 12.max(self.width / 4) > self.width && lead_width > 0 {
            let plain: String = lead.iter().map(|(text, _)| text.as_str()).collect();
            let lead_style = lead.iter().map(|(_, style)| *style).find(|style| !style.is_plain()).unwrap_or(PLAIN);
            self.wrapped(indent, 0, indent + 2, &[], lead_style, plain.trim());
            if !text.is_empty() {
                let hang = hang.min(indent + 4);
                self.wrapped(hang, 0, hang, &[], style, text);
            }
        } else {
            let spans: Vec<Span<'_>> = lead.iter().map(|(text, style)| (text.as_str(), *style)).collect();
            self.wrapped(indent, lead_width, hang, &spans, style, text);
        }
    }

    fn wrapped(&mut self, indent: usize, lead_width: usize, hang: usize, lead: &[Span<'_>], style: Style, text: &str) {
        let hang = hang.min(self.width / 2);
        let (first, rest) = (" ".repeat(indent.min(self.width / 2) + lead_width), " ".repeat(hang));
        let options = Options::new(self.width)
            .initial_indent(&first)
            .subsequent_indent(&rest)
            .break_words(true)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        let indent = " ".repeat(indent.min(self.width / 2));
        for (number, line) in textwrap::wrap(text, options).iter().enumerate() {
            let line = line.trim_end();
            if number == 0 {
                let mut spans = vec![(indent.as_str(), PLAIN)];
                spans.extend_from_slice(lead);
                spans.push((line.get(first.len()..).unwrap_or_default(), style));
                self.line(&spans);
            } else {
                self.line(&[(&rest, PLAIN), (line.get(rest.len()..).unwrap_or_default(), style)]);
            }
        }
    }

    /// A line of spans that are known to fit; what ends it in spaces is left out.
    pub(super) fn line(&mut self, spans: &[Span<'_>]) {
        let kept = spans.iter().rposition(|(text, _)| !text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (place, (text, style)) in spans.iter().take(kept).enumerate() {
            let text = if place + 1 == kept { text.trim_end() } else { text };
            if self.colour && !style.is_plain() && !text.trim().is_empty() {
                let _ = write!(self.text, "{style}{text}{style:#}");
            } else {
                self.text.push_str(text);
            }
        }
        if kept > 0 {
            self.text.push('\n');
        }
    }
}
