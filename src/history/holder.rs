//! Who is at a run: a file beside the store, locked as long as the process lives that scans. The system lets go of the lock
//! however the process ends, and no other process gets it by having the same id later, or in another container.

use super::HistoryError;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock is tried for: whoever only looks whether a run is held has it for a moment too.
const PATIENCE: Duration = Duration::from_secs(2);

/// A run that this process is at.
#[derive(Debug)]
pub(super) struct Holder {
    path: PathBuf,
    file: File,
}

/// The file that is locked for the run with this id.
fn place(store: &Path, uid: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(format!("-run-{uid}"));
    store.with_file_name(name)
}

impl Holder {
    /// Takes the run; `None` where another process is at it.
    pub(super) fn take(store: &Path, uid: &str) -> Result<Option<Self>, HistoryError> {
        let path = place(store, uid);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let begin = Instant::now();
        let mut file = options.open(&path).map_err(|error| HistoryError::of_file(&path, &error))?;
        loop {
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Some(Self { path, file })),
                // Whoever had it took its file away: that lock is nobody's.
                Ok(()) => file = options.open(&path).map_err(|error| HistoryError::of_file(&path, &error))?,
                Err(TryLockError::Error(error)) => return Err(HistoryError::of_file(&path, &error)),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Whether any process is at the run. Where that cannot be told it is not said.
    pub(super) fn is_held(store: &Path, uid: &str) -> bool {
        let Ok(file) = File::open(place(store, uid)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Removes what processes left that are gone, of those whose ids begin so.
    pub(super) fn sweep(store: &Path, prefix: &str) {
        let beginning = place(store, prefix);
        let (Some(folder), Some(beginning)) = (store.parent(), beginning.file_name()) else { return };
        let beginning = beginning.to_string_lossy();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_name().to_string_lossy().starts_with(&*beginning) {
                continue;
            }
            // Held while it is removed, so that whoever takes it meanwhile sees that it is gone.
            if let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Removes what a process left that is gone.
    pub(super) fn clear(store: &Path, uid: &str) {
        let _ = std::fs::remove_file(place(store, uid));
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Whether the file is the one that has this name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same =
        |one: &std::fs::Metadata, other: &std::fs::Metadata| one.ino() == other.ino() && one.dev() == other.dev();
    file.metadata().and_then(|own| Ok(same(&own, &path.metadata()?))).unwrap_or(false)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_held_by_one_at_a_time_and_until_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("history.db");
        assert!(!Holder::is_held(&store, "a"));
        let held = Holder::take(&store, "a").unwrap().expect("it is free");
        assert!(Holder::is_held(&store, "a") && !Holder::is_held(&store, "b"));
        drop(held);
        assert!(!Holder::is_held(&store, "a"));
        let held = Holder::take(&store, "sender-a").unwrap().expect("it is free");
        std::fs::write(place(&store, "sender-b"), "").unwrap();
        std::fs::write(place(&store, "job-c"), "").unwrap();
        Holder::sweep(&store, "sender-");
        let left = |id| place(&store, id).exists();
        assert_eq!((left("sender-a"), left("sender-b"), left("job-c")), (true, false, true));
        drop(held);
        Holder::clear(&store, "job-c");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
