//! The log as a file.

use crate::wire::witness::Key;
use crate::wire::witness::log::{Chain, Line};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// The largest log, in bytes. A day of nothing but "alive" is 3 MB.
const MOST: usize = 64 << 20;

/// The log of a witness, new for each.
#[derive(Debug)]
pub struct Logbook {
    chain: Chain,
    file: File,
    written: usize,
    broken: bool,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogbookError {
    /// Logs are never overwritten.
    #[error("it exists already, and a log is never overwritten; name another file, or move it away")]
    Exists,
    /// It could not be made or written.
    #[error(transparent)]
    Io(io::Error),
}

impl Logbook {
    /// A new log at `path`.
    pub fn create(path: &Path, key: &Key) -> Result<Self, LogbookError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => LogbookError::Exists,
            _ => LogbookError::Io(error),
        })?;
        Ok(Self { chain: Chain::new(key), file, written: 0, broken: false })
    }

    /// Adds a line. After the first failure nothing more is written: without its last lines a log proves nothing that it does
    /// not hold. The failure is returned once.
    pub(super) fn write(&mut self, line: &Line) -> Result<(), String> {
        if self.broken {
            return Ok(());
        }
        let written = self.chain.sign(line).map_err(io::Error::other).and_then(|text| {
            if self.written + text.len() > MOST {
                return Err(io::Error::other(format!("it reached its limit of {} MiB", MOST >> 20)));
            }
            self.written += text.len();
            self.file.write_all(text.as_bytes())
        });
        written.map_err(|error| {
            self.broken = true;
            error.to_string()
        })
    }
}
