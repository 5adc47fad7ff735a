//! Which store, and opening it.

use super::args::history::StoreArgs;
use super::exit::CliError;
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Blamed, HistoryError};
use crate::report;
use etcetera::BaseStrategy as _;
use std::path::PathBuf;

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

    /// Opens the store.
    pub(super) fn open(&self, mode: Mode) -> Result<Sqlite, CliError> {
        Sqlite::open(&self.place()?, mode, report::describe).map_err(CliError::from)
    }
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
