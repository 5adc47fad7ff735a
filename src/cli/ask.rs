//! Questions to a person at a terminal, one line each.

use super::exit::CliError;
use std::io::{self, BufRead, Write};

/// Asks on one end and reads the answers on the other.
pub(super) struct Asker<'a> {
    pub(super) input: &'a mut (dyn BufRead + 'static),
    pub(super) output: &'a mut (dyn Write + 'static),
}

impl Asker<'_> {
    /// Shows a text.
    pub(super) fn show(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.output, "{text}").map_err(|error| broken(&error))
    }

    /// Asks until `read` takes the answer, and says why where it does not. An empty answer is the `usual` one.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        usual: Option<&str>,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        loop {
            let usual_shown =
                usual.filter(|usual| !usual.is_empty()).map_or_else(String::new, |usual| format!(" [{usual}]"));
            write!(self.output, "{question}{usual_shown}: ")
                .and_then(|()| self.output.flush())
                .map_err(|error| broken(&error))?;
            let mut line = String::new();
            // What nobody can type by hand is nobody's answer.
            let mut limited = io::Read::take(&mut *self.input, 64 * 1024);
            if limited.read_line(&mut line).map_err(|error| broken(&error))? == 0 {
                return Err(CliError::Usage("the answers ended; nothing was written".to_owned()));
            }
            let answer = line.trim();
            let answer = if answer.is_empty() { usual.unwrap_or_default() } else { answer };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(why) => self.show(&format!("  {}", crate::report::text::clean(&why)))?,
            }
        }
    }

    /// Whether the answer is yes; without one it is no.
    pub(super) fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        self.ask(&format!("{question} (yes or no)"), Some("no"), |answer| match answer.to_lowercase().as_str() {
            "yes" | "y" => Ok(true),
            "no" | "n" => Ok(false),
            _ => Err("yes or no".to_owned()),
        })
    }
}

fn broken(error: &io::Error) -> CliError {
    CliError::Machine(format!("the terminal cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_until_the_answer_can_be_used() {
        let (mut input, mut output) = (&b"x\n\n7\n"[..], Vec::new());
        let mut asker = Asker { input: &mut input, output: &mut output };
        let number =
            asker.ask("How many", Some("z"), |text| text.parse::<u32>().map_err(|_| format!("{text}?\u{202e}")));
        assert_eq!(number.unwrap(), 7);
        let ended = asker.confirm("Write it");
        assert!(matches!(ended, Err(CliError::Usage(_))));
        let shown = String::from_utf8(output).unwrap();
        assert!(shown.starts_with("How many [z]:   x?\\u{202e}\nHow many [z]:   z?"), "{shown:?}");
    }
}
