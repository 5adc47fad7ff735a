//! Where output goes: stdout, files, the terminal's width and colours.

use super::args::{ColorWhen, Shared};
use super::exit::CliError;
use crate::model::peer_text::PeerText;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

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

    /// Whether to colour what goes to stdout.
    pub(super) fn colour(&self) -> bool {
        self.colour_on(io::stdout().is_terminal())
    }

    /// Whether to colour what goes to stderr.
    pub(super) fn colour_stderr(&self) -> bool {
        self.colour_on(io::stderr().is_terminal())
    }

    fn colour_on(&self, terminal: bool) -> bool {
        match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                terminal && !forbidden && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
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

/// Prints to stderr; there is nobody to tell when that fails.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Wraps `text` so that no line is wider than `width`: the algorithm that balances lines lets some be.
pub(super) fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> String {
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> PeerText {
    PeerText::new(&path.display().to_string(), 400)
}

/// A file that will be written at the end of a run, and is known to be writable at its beginning. It takes its name
/// only when it is complete, so that a crash leaves the earlier report in place.
#[derive(Debug)]
pub(super) struct PendingFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl PendingFile {
    /// Opens the file's place.
    pub(super) fn create(path: &Path) -> Result<Self, CliError> {
        let wrong = |error: &io::Error| CliError::Usage(format!("{} cannot be written: {error}", shown(path)));
        if path.is_dir() {
            return Err(CliError::Usage(format!("{} is a folder; name a file in it", shown(path))));
        }
        let name = path
            .file_name()
            .ok_or_else(|| CliError::Usage(format!("{} does not name a file", shown(path))))?
            .to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&temporary).map_err(|error| wrong(&error))?;
        Ok(Self { path: path.to_owned(), temporary, file: Some(file) })
    }

    /// Writes the content and gives the file its name.
    pub(super) fn finish(mut self, content: &str) -> Result<(), CliError> {
        let written = self.file.take().map_or(Ok(()), |mut file| {
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            drop(file);
            std::fs::rename(&self.temporary, &self.path)
        });
        written.map_err(|error| CliError::Machine(format!("{} could not be written: {error}", shown(&self.path))))
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
