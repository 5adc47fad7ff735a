//! Which store, and opening it.

use super::args::history::StoreArgs;
use super::exit::CliError;
use super::output::{complain, shown};
use super::parent;
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Blamed, HistoryError};
use crate::report;
use etcetera::BaseStrategy as _;
use std::path::{Path, PathBuf};

/// Names the store where no option does.
const VARIABLE: &str = "PORTREEVE_STORE";

/// What the variable says where no run is to be kept.
const NONE: &str = "none";

/// The store in this user's folder for data.
const USUAL: &str = "portreeve/history.db";

impl StoreArgs {
    /// Whether this user's scans are not to be kept.
    pub(super) fn is_none(&self) -> bool {
        self.store.is_none() && std::env::var_os(VARIABLE).is_some_and(|value| value == NONE)
    }

    /// Where the store is, if it is there.
    pub(super) fn existing(&self) -> Option<PathBuf> {
        self.place().ok().filter(|path| path.is_file())
    }

    /// Where the store is.
    fn place(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.store {
            return Ok(path.clone());
        }
        if self.is_none() {
            return Err(CliError::Usage(format!(
                "{VARIABLE} is `{NONE}`, so no runs are kept; name a store with --store"
            )));
        }
        if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Ok(path.into());
        }
        // `choose_native_strategy`: what the system's own programs do, on macOS and Windows too.
        let folders = etcetera::base_strategy::choose_native_strategy();
        let data = folders.map(|folders| folders.data_dir()).map_err(|_| {
            CliError::Usage(format!(
                "this user has no home folder to keep the history in; name a store with --store or {VARIABLE}"
            ))
        })?;
        Ok(data.join(USUAL))
    }

    /// Opens the store. A scan or a look that a watch began makes none: that of the watch was taken away.
    pub(super) fn open(&self, mode: Mode) -> Result<Sqlite, CliError> {
        let mode = if parent::is_watch() { Mode::Existing } else { mode };
        Sqlite::open(&self.place()?, mode, report::describe).map_err(CliError::from)
    }
}

/// Says that others than its owner may read or write the store, which names clients, servers and their weak places.
pub(super) fn say_if_open_to_others(path: &Path) {
    if let Some(what) = open_to_others(path) {
        complain(&format!("{what} the store {}, which says where each server is weak: `chmod 600` it", shown(path)));
    }
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().ok()?.permissions().mode();
    match mode & 0o077 {
        0 => None,
        others if others & 0o022 != 0 => Some("other users of this machine may write to"),
        others if others & 0o044 != 0 => Some("other users of this machine may read"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<&'static str> {
    None
}

impl From<HistoryError> for CliError {
    fn from(error: HistoryError) -> Self {
        let message = report::text::clean(&error.to_string()).into_owned();
        match error.blamed() {
            Blamed::User => Self::Usage(message),
            Blamed::Machine => Self::Machine(message),
            Blamed::Bug => Self::Bug(message),
        }
    }
}
