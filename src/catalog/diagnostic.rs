//! What is wrong with a file, and where.

use crate::model::peer_text::PeerText;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// The longest message that is kept; a file can make any message long.
const MESSAGE_LIMIT: usize = 600;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name as the user gave it.
    pub file: String,
    /// The line, from 1; 0 where it is about the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 where it is about the file as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    snippet: Option<Excerpt>,
}

/// The line that the diagnostic is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    span: Range<usize>,
}

impl Diagnostic {
    /// Something wrong at `span` (byte offsets) of `text`, the content of `file`.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: &str, help: Option<String>) -> Self {
        let start = floor_boundary(text, span.start);
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line_end =
            text.get(start..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| start + newline);
        let line = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let end = floor_boundary(text, span.end.max(start)).min(line_start + line.len()).max(start);
        let excerpt = (line.len() <= 400).then(|| Excerpt {
            line: line.to_owned(),
            span: (start - line_start).min(line.len())..(end - line_start).min(line.len()),
        });
        Self {
            file: file.to_owned(),
            line: text.get(..start).unwrap_or_default().matches('\n').count() + 1,
            column: text.get(line_start..start).unwrap_or_default().chars().count() + 1,
            message: safe(message),
            help: help.map(|help| safe(&help)),
            snippet: excerpt,
        }
    }

    /// Something wrong with the file as a whole.
    pub fn whole(file: &str, message: &str, help: Option<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, message: message.to_owned(), help, snippet: None }
    }

    /// The same without the line it is about, which may hold a secret.
    #[must_use]
    pub fn without_excerpt(self) -> Self {
        Self { snippet: None, ..self }
    }

    /// The diagnostic with the line it is about, for people; with colour where the terminal has it.
    pub fn render(&self, colour: bool) -> String {
        let Some(excerpt) = &self.snippet else {
            let help = self.help.as_ref().map_or_else(String::new, |help| format!("\n  help: {help}"));
            return format!("error: {self}{help}");
        };
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(
            Snippet::source(excerpt.line.as_str())
                .line_start(self.line)
                .path(self.file.as_str())
                .annotation(AnnotationKind::Primary.span(excerpt.span.clone())),
        );
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).clone()
    }
}

/// `file:line:column: message`, the form that editors can jump to; `file: message` where it is about the whole file.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// One or more things that are wrong with the user's files. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate that `wrong` is probably a misspelling of.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A text that may quote a file, with nothing in it that a terminal obeys.
fn safe(text: &str) -> String {
    PeerText::new(text.trim(), MESSAGE_LIMIT).as_str().replace("\\\\", "\\")
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_line_and_column_in_characters() {
        let text = "a = 1\nü = \"x\"\n";
        let at = text.find('"').unwrap();
        let diagnostic = Diagnostic::at("f.toml", text, at..at + 3, "bad", None);
        assert_eq!(diagnostic.to_string(), "f.toml:2:5: bad");
        assert!(diagnostic.render(false).contains("ü = \"x\""));
    }

    #[test]
    fn a_whole_file_has_no_line() {
        assert_eq!(Diagnostic::whole("f.toml", "bad", None).to_string(), "f.toml: bad");
    }

    #[test]
    fn a_file_cannot_send_escape_sequences_to_the_terminal() {
        let text = "\x1b[31m\u{202e}bad = 1";
        let rendered = Diagnostic::at("f.toml", text, 0..3, "unknown field `\x1b[31m`", None).render(false);
        assert!(!rendered.contains('\x1b') && !rendered.contains('\u{202e}'), "{rendered:?}");
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("technicans", ["technicians", "tags"]), Some("technicians"));
        assert_eq!(nearest("colour", ["technicians", "tags"]), None);
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in "\\PC{0,20}\n?[\\x00-\\x7f]{0,20}", a in 0usize..60, b in 0usize..60) {
            let _ = Diagnostic::at("f", &text, a.min(b)..a.max(b), "m", Some("h".into())).render(true);
        }
    }
}
