//! The log as a file.

use crate::model::observation::Blame;
use crate::wire::witness::Key;
use crate::wire::witness::log::{Chain, Line};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The largest log, in bytes. A day of nothing but "alive" is 3 MB.
const MOST: usize = 64 << 20;

/// The log of a witness, new for each.
#[derive(Debug)]
pub struct Logbook<W = File> {
    chain: Chain,
    file: W,
    written: usize,
    broken: bool,
}

/// Why there is no log, or no more of it; each with what to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LogbookError {
    /// Logs are never overwritten.
    #[error("it exists already, and a log is never overwritten; name another file, or move it away")]
    Exists,
    /// Its folder does not exist.
    #[error("its folder does not exist; make it, or name another file")]
    NoFolder,
    /// The witness's user may not write there.
    #[error("this user may not write it ({0}); name a file in a folder where it may")]
    Forbidden(String),
    /// The disk, or the user's share of it, is full.
    #[error("there is no room for it ({0}); make room, and start the witness again with a new log")]
    NoRoom(String),
    /// It is as large as a log may be.
    #[error("it reached its limit of {} MiB; start the witness again with a new log, for a shorter time", MOST >> 20)]
    Limit,
    /// The system's own words.
    #[error("it cannot be written ({0}); see to that file and its disk, and start the witness again with a new log")]
    Io(String),
    /// A line could not be put into words.
    #[error("a line of it could not be made ({0}); please report that")]
    Bug(String),
}

impl LogbookError {
    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        if matches!(self, Self::Bug(_)) { Blame::Bug } else { Blame::Ourselves }
    }
}

impl From<io::Error> for LogbookError {
    fn from(error: io::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::AlreadyExists => Self::Exists,
            ErrorKind::NotFound => Self::NoFolder,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Forbidden(message),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::NoRoom(message),
            _ => Self::Io(message),
        }
    }
}

impl Logbook {
    /// A new log at `path`.
    pub fn create(path: &Path, key: &Key) -> Result<Self, LogbookError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self::new(file, key))
    }
}

impl<W: Write> Logbook<W> {
    fn new(file: W, key: &Key) -> Self {
        Self { chain: Chain::new(key), file, written: 0, broken: false }
    }

    /// Adds a line. After the first failure nothing more is written: without its last lines a log proves nothing that it does
    /// not hold. The failure is returned once.
    pub(super) fn write(&mut self, line: &Line) -> Result<(), LogbookError> {
        if self.broken {
            return Ok(());
        }
        let written = self.add(line);
        self.broken = written.is_err();
        written
    }

    fn add(&mut self, line: &Line) -> Result<(), LogbookError> {
        let text = self.chain.sign(line).map_err(|error| LogbookError::Bug(error.to_string()))?;
        if self.written + text.len() > MOST {
            return Err(LogbookError::Limit);
        }
        self.written += text.len();
        Ok(self.file.write_all(text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that takes so many bytes, and then fails in this way.
    struct Failing(usize, ErrorKind);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(self.1)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const ALIVE: Line = Line::Alive { at_ms: 1, crowded: 0, full: false };

    fn key() -> Key {
        Key::from_text("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap()
    }

    /// How a log ends that fails so in its third line.
    fn ends(kind: ErrorKind) -> LogbookError {
        let length = Chain::new(&key()).sign(&ALIVE).unwrap().len();
        let mut log = Logbook::new(Failing(2 * length, kind), &key());
        assert_eq!([log.write(&ALIVE), log.write(&ALIVE)], [Ok(()), Ok(())]);
        let error = log.write(&ALIVE).unwrap_err();
        assert_eq!(log.write(&ALIVE), Ok(()), "told once");
        assert_eq!(log.file.0, 0, "nothing is written after a gap");
        error
    }

    #[test]
    fn the_end_of_a_log_says_whose_fault_it_is_and_what_to_do() {
        for (kind, words) in [
            (ErrorKind::StorageFull, "make room, and start the witness again with a new log"),
            (ErrorKind::QuotaExceeded, "make room"),
            (ErrorKind::PermissionDenied, "this user may not write it"),
            (ErrorKind::BrokenPipe, "see to that file and its disk"),
        ] {
            let error = ends(kind);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.blame(), Blame::Ourselves);
        }
        assert_eq!(LogbookError::Bug(String::new()).blame(), Blame::Bug);
    }

    #[test]
    fn a_log_does_not_grow_beyond_its_limit() {
        let mut log = Logbook { written: MOST, ..Logbook::new(Vec::new(), &key()) };
        let error = log.write(&ALIVE).unwrap_err();
        assert_eq!(error, LogbookError::Limit);
        assert!(error.to_string().starts_with("it reached its limit of 64 MiB; start"), "{error}");
        assert!(log.file.is_empty());
    }
}
