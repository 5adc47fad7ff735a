//! Where output goes: stdout, files, the terminal's width and colours.

use super::args::{ColorWhen, Shared};
use super::exit::CliError;
use crate::catalog::inventory::NO_CLIENT;
use crate::model::peer_text::PeerText;
use crate::model::run::TargetRun;
use crate::model::target::Target;
use crate::model::vantage::Vantage;
use crate::report;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// The width where there is no terminal.
const WIDTH_WITHOUT_TERMINAL: usize = 100;

/// Wider lines are hard to read.
const WIDTH_LIMIT: usize = 160;

impl Shared {
    /// How wide to print.
    pub(super) fn columns(&self) -> usize {
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let width = self.width.map(usize::from).or_else(terminal).unwrap_or(WIDTH_WITHOUT_TERMINAL);
        if self.width.is_some() { width } else { width.clamp(40, WIDTH_LIMIT) }
    }

    /// Wraps the words of an error for people: where they read it on a terminal, or say how wide it is. Lines of files stay whole.
    pub(super) fn fitted(&self, error: &str) -> String {
        let terminal = terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0));
        match self.width.map(usize::from).or(terminal.map(|width| width.clamp(40, WIDTH_LIMIT))) {
            Some(width) => fitted(error, width),
            None => error.to_owned(),
        }
    }

    /// Whether to colour what goes to stdout.
    pub(super) fn colour(&self) -> bool {
        self.colour_on(io::stdout().is_terminal())
    }

    /// Whether to colour what goes to stderr.
    pub(super) fn colour_stderr(&self) -> bool {
        self.colour_on(io::stderr().is_terminal())
    }

    /// Whether what reads stdout shows blocks: where the locale is one of UTF-8.
    #[expect(clippy::unused_self, reason = "it belongs to how things are shown")]
    pub(super) fn unicode(&self) -> bool {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let named = |locale: String| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        };
        // Windows has no such variables, and its consoles show blocks.
        locale.map_or(cfg!(windows), named)
    }

    fn colour_on(&self, terminal: bool) -> bool {
        // Windows shows colours only where the program asks its console to, and old consoles do not.
        let able = anstyle_query::windows::enable_ansi_colors().unwrap_or(true);
        match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && able && !forbidden && !dumb
            }
        }
    }
}

/// Prints to stdout. A reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Machine(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a target as JSON Lines.
pub(super) fn lines(target: &TargetRun) -> Result<(), CliError> {
    let lines = report::lines::render(target);
    print(&lines.map_err(|error| CliError::Bug(format!("the JSON Lines: {error}")))?)
}

/// Prints what is to be known of the vantage as the last of the JSON Lines, where there is anything.
pub(super) fn last_line(vantage: &Vantage) -> Result<(), CliError> {
    let line = report::lines::vantage(vantage);
    print(&line.map_err(|error| CliError::Bug(format!("the JSON Lines: {error}")))?)
}

/// Prints to stderr; there is nobody to tell when that fails.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Wraps `text` so that no line is wider than `width`: the algorithm that balances lines lets some be. Lines break at
/// blanks only, so that a path or an option stays whole and can be copied; a word is cut where no line could hold it.
pub(super) fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> String {
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(true)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// Only what begins like words of ours is wrapped: what is shown of a file is laid out by columns.
fn fitted(error: &str, width: usize) -> String {
    let fit = |line: &str| {
        let said = without_colours(line);
        let indent = said.len() - said.trim_start().len();
        if !["error: ", "help: ", "= help: "].iter().any(|word| said.trim_start().starts_with(word)) {
            return line.to_owned();
        }
        let first = " ".repeat(indent);
        wrapped(line.trim_start_matches(' '), width, &first, &format!("{first}  "))
    };
    error.lines().map(fit).collect::<Vec<_>>().join("\n")
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.filter_map(|part| Some(part.split_once('m')?.1)).collect::<String>()
}

/// What to call a target: without a client where the user named none.
pub(super) fn called(target: &Target) -> String {
    let name = if target.client == NO_CLIENT { target.name.clone() } else { target.label() };
    report::text::clean(&name).into_owned()
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> PeerText {
    PeerText::new(&path.display().to_string(), 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_wrapped_and_the_line_that_it_shows_is_not() {
        let long = "write one of `webhook`, `slack`, `teams`, `mail`, `command`";
        let shown = format!("   | kind = 'x' # {long}");
        let text = format!("error: no kind; {long}\n  --> alerts.toml:3:1\n{shown}\n  help: {long}");
        let fitted = fitted(&text, 40);
        assert!(fitted.lines().all(|line| line.len() <= 40 || line == shown), "{fitted}");
        assert!(fitted.contains(&shown) && fitted.contains("\n  help: write one of"), "{fitted}");
        assert_eq!(fitted.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(without_colours("\x1b[1m\x1b[91merror\x1b[0m: x"), "error: x");
    }

    #[test]
    fn lines_break_at_blanks_only() {
        let text = "run `systemctl restart my-own-server.service` and look at /var/log/some/where/else";
        for width in 20..60 {
            let lines = wrapped(text, width, "", "  ");
            assert!(lines.lines().all(|line| line.len() <= width), "{width}: {lines}");
            if width >= 30 {
                for word in text.split(' ') {
                    assert!(lines.contains(word), "{width}: {word} is broken in {lines}");
                }
            }
        }
    }
}
