//! Why something could not be kept or read, who is to blame, and what to do.

use super::RunNumber;
use crate::model::peer_text::PeerText;
use std::path::Path;

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blamed {
    /// What the user asked for, or the file that was named.
    User,
    /// This machine: its disk, its permissions, another process.
    Machine,
    /// A defect of portreeve.
    Bug,
}

/// Why something could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// There is no such file.
    #[error("there is no store at {path} yet: `portreeve scan` makes it; name another with --store")]
    Missing {
        /// The file.
        path: PeerText,
    },
    /// The file is something else.
    #[error("{path} is no store of portreeve ({why}), and was left as it is; name another file with --store")]
    NotAStore {
        /// The file.
        path: PeerText,
        /// What tells.
        why: String,
    },
    /// A newer portreeve made it.
    #[error(
        "{path} was written by a newer portreeve (format {found}; this one knows {known}), and was left as it is; use that \
         version, or another store"
    )]
    Newer {
        /// The file.
        path: PeerText,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// No room is left.
    #[error("the disk that holds {path} is full: make room, or name a store elsewhere with --store ({message})")]
    Full {
        /// The file.
        path: PeerText,
        /// What the database says.
        message: String,
    },
    /// Somebody else writes, longer than we wait.
    #[error("another process holds the store {path} for longer than {seconds} s: let it end, then try again")]
    Locked {
        /// The file.
        path: PeerText,
        /// How long we waited.
        seconds: u64,
    },
    /// The file may not be read or written.
    #[error(
        "{path} may not be opened or written by this user: change its permissions, or name another with --store ({message})"
    )]
    Forbidden {
        /// The file.
        path: PeerText,
        /// What the system says.
        message: String,
    },
    /// The file is damaged.
    #[error(
        "the store {path} is damaged ({message}): keep a copy, and get the runs that can be read with `portreeve export --all`; \
         then begin a new one with --store"
    )]
    Damaged {
        /// The file.
        path: PeerText,
        /// What tells.
        message: String,
    },
    /// The disk or the system failed.
    #[error("{path} could not be read or written: {message}; look at the disk and the system's log")]
    Failed {
        /// The file.
        path: PeerText,
        /// What the system says.
        message: String,
    },
    /// There is no such run.
    #[error("there is no run {name} in this store; `portreeve history` lists those that are")]
    NoRun {
        /// As it was asked for.
        name: String,
    },
    /// The run cannot be taken up.
    #[error("run {run} cannot be resumed: {why}")]
    NotResumable {
        /// The run.
        run: RunNumber,
        /// Why, and what to do.
        why: String,
    },
    /// A file that is to be imported cannot be read.
    #[error("{path} cannot be read: {message}; name a file that `portreeve export` wrote")]
    Unreadable {
        /// The file.
        path: PeerText,
        /// What the system says.
        message: String,
    },
    /// A file that is to be imported is not of the form.
    #[error("{path}:{line}:{column}: {message}; nothing was imported")]
    Malformed {
        /// The file.
        path: PeerText,
        /// The line, from 1 on.
        line: usize,
        /// The column in bytes, from 1 on.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Something that cannot be.
    #[error("the history: {message}")]
    Bug {
        /// What.
        message: String,
    },
}

impl HistoryError {
    /// Who is to blame.
    pub const fn blamed(&self) -> Blamed {
        match self {
            Self::Missing { .. }
            | Self::NotAStore { .. }
            | Self::Newer { .. }
            | Self::NoRun { .. }
            | Self::NotResumable { .. }
            | Self::Unreadable { .. }
            | Self::Malformed { .. } => Blamed::User,
            Self::Full { .. }
            | Self::Locked { .. }
            | Self::Forbidden { .. }
            | Self::Damaged { .. }
            | Self::Failed { .. } => Blamed::Machine,
            Self::Bug { .. } => Blamed::Bug,
        }
    }

    /// What the system says of a file that was to be opened.
    pub(super) fn of_file(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let (path, message) = (shown(path), error.to_string());
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Forbidden { path, message },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path, message },
            ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Failed { path, message },
        }
    }
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> PeerText {
    PeerText::new(&path.display().to_string(), 400)
}
