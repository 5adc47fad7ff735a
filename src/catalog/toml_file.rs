//! Reading TOML with errors that help.

use super::diagnostic::{Diagnostic, Diagnostics, nearest};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;

/// The largest file that is read: far more than anybody writes by hand.
pub(super) const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// A file that is being read, and what was found wrong with it so far.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Reads the raw form; what TOML or its shape forbids ends the reading.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Diagnostics> {
        if self.text.len() > FILE_LIMIT {
            let message = format!("the file is larger than {FILE_LIMIT} bytes");
            return Err(Diagnostics(vec![Diagnostic::whole(self.file, &message, None)]));
        }
        toml::from_str(self.text).map_err(|error| {
            let message = error.message();
            let help = suggestion(message);
            let span = error.span().unwrap_or(0..0);
            Diagnostics(vec![Diagnostic::at(self.file, self.text, span, message, help)])
        })
    }

    /// Notes something wrong at `span` and goes on.
    pub(super) fn wrong(&mut self, span: Range<usize>, message: &str, help: Option<String>) {
        self.found.push(Diagnostic::at(self.file, self.text, span, message, help));
    }

    /// The value, if nothing was found wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.found.is_empty() { Ok(value) } else { Err(Diagnostics(self.found)) }
    }

    /// Reads `value` with `parse`, noting what is wrong with it.
    pub(super) fn read<T, E: std::fmt::Display>(
        &mut self,
        value: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(value.get_ref()) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.wrong(value.span(), &error.to_string(), None);
                None
            }
        }
    }

    /// Reads `value` as one of `candidates`, suggesting the nearest where it is none.
    pub(super) fn choose<T: Copy>(
        &mut self,
        what: &str,
        value: &Spanned<String>,
        candidates: &[(&'static str, T)],
    ) -> Option<T> {
        let text = value.get_ref().as_str();
        let chosen = candidates.iter().find(|(name, _)| *name == text).map(|(_, chosen)| *chosen);
        if chosen.is_none() {
            let names = candidates.iter().map(|(name, _)| *name);
            let help = nearest(text, names.clone()).map_or_else(
                || format!("write one of {}", names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.wrong(value.span(), &format!("`{text}` is not {what}"), Some(help));
        }
        chosen
    }

    /// Notes an empty or blank text.
    pub(super) fn require_text(&mut self, key: &str, value: &Spanned<String>) {
        if value.get_ref().trim().is_empty() {
            self.wrong(value.span(), &format!("`{key}` is empty"), None);
        }
    }
}

/// serde names an unknown key and the keys it knows: the nearest of them is the suggestion.
fn suggestion(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field `").or_else(|| message.split_once("unknown variant `"))?;
    let (wrong, known) = rest.split_once('`')?;
    let near = nearest(wrong, known.split('`').skip(1).step_by(2))?;
    Some(format!("did you mean `{near}`?"))
}
