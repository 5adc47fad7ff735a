//! Files that are written at the end of a run, and are known to be writable at its beginning.

use super::exit::CliError;
use super::output::shown;
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More symbolic links in a row than this are a loop.
const LINKS_LIMIT: u32 = 40;

/// How many names are tried for a temporary file.
const NAMES_LIMIT: u32 = 1000;

/// What many programs take for stdout.
const STDOUT: &str = "-";

/// Two outputs in one stream would be neither: what is printed is chosen by one option, and files have names.
const NO_FILE: &str = if cfg!(unix) {
    "`-` names no file: what is printed is chosen with --format, where there is that option; any report goes to stdout as \
     /dev/stdout, alone with --quiet; a file of this name is ./-"
} else {
    "`-` names no file: what is printed is chosen with --format, where there is that option; a file of this name is ./-"
};

/// The temporary files that have not got their names yet.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what is not finished, for a program that ends at once.
pub(super) fn discard_unfinished() {
    for temporary in std::mem::take(&mut *unfinished()) {
        let _ = std::fs::remove_file(temporary);
    }
}

/// A file that will be written at the end of a run.
#[derive(Debug)]
pub(super) struct PendingFile {
    /// As the user named it.
    path: PathBuf,
    /// Where it really is, after symbolic links.
    place: PathBuf,
    file: Option<File>,
    /// What takes the place's name when it is complete, so that a crash leaves the earlier report in place; `None`
    /// for devices and pipes, which are written into.
    temporary: Option<PathBuf>,
}

impl PendingFile {
    /// Opens the file's place for a report.
    pub(super) fn create(path: &Path) -> Result<Self, CliError> {
        if let Some(what) = std::fs::metadata(path).ok().filter(Metadata::is_file).and_then(|_| precious(path)) {
            return Err(CliError::Usage(format!(
                "{} is {what}, and would be lost; name another file, or remove it yourself",
                shown(path)
            )));
        }
        Self::in_place_of(path)
    }

    /// Opens the place of a file that was read, and is written anew.
    pub(super) fn in_place_of(path: &Path) -> Result<Self, CliError> {
        let usage = |what: &str| CliError::Usage(format!("{} {what}", shown(path)));
        let wrong = |error: io::Error| usage(&format!("cannot be written: {error}"));
        if path == Path::new(STDOUT) {
            return Err(CliError::Usage(NO_FILE.to_owned()));
        }
        let existing = match std::fs::metadata(path) {
            Ok(existing) => Some(existing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(wrong(error)),
        };
        if existing.as_ref().is_some_and(Metadata::is_dir) {
            return Err(usage("is a folder; name a file in it"));
        }
        if let Some(existing) = &existing
            && let Some(opened) = special::open(path, existing)
        {
            let file = opened.map_err(|reason| usage(&format!("cannot be written: {reason}")))?;
            let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            return Ok(Self { path: path.to_owned(), place, file: Some(file), temporary: None });
        }
        let place = follow(path).map_err(wrong)?.ok_or_else(|| usage("does not name a file"))?;
        let (temporary, file) = temporary_beside(&place).map_err(wrong)?;
        let pending = Self { path: path.to_owned(), place, file: Some(file), temporary: Some(temporary) };
        if let (Some(existing), Some(file)) = (existing, &pending.file) {
            special::keep_owner(file, &existing);
            file.set_permissions(existing.permissions()).map_err(wrong)?;
        }
        Ok(pending)
    }

    /// Where the file really is: the same for two paths that lead to the same file.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Writes the content and gives the file its name.
    pub(super) fn finish(self, content: &str) -> Result<(), CliError> {
        self.finish_by(|file| file.write_all(content.as_bytes()))
    }

    /// Lets `write` write the content, and gives the file its name.
    pub(super) fn finish_by(mut self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), CliError> {
        let written = self.file.take().map_or(Ok(()), |mut file| {
            write(&mut file)?;
            match &self.temporary {
                Some(temporary) => {
                    file.sync_all()?;
                    drop(file);
                    std::fs::rename(temporary, &self.place)
                }
                None => file.flush(),
            }
        });
        written.map_err(|error| CliError::Machine(format!("{} could not be written: {error}", shown(&self.path))))
    }
}

/// What a file is that no report may take the place of: a slip of the hand must cost neither the history nor an inventory.
fn precious(path: &Path) -> Option<&'static str> {
    let mut beginning = [0; 16];
    let is_database = File::open(path).and_then(|mut file| file.read_exact(&mut beginning)).is_ok()
        && beginning == *b"SQLite format 3\0";
    if is_database {
        Some("a database, as a store of runs is")
    } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        Some("a TOML file, as inventories and guides are")
    } else {
        None
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // After a rename there is nothing left to remove.
            let _ = std::fs::remove_file(temporary);
            unfinished().remove(temporary);
        }
    }
}

/// Where `path` leads, whether or not there is a file already; `None` where it names none.
fn follow(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_LIMIT {
        let Some(name) = path.file_name() else { return Ok(None) };
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = std::fs::canonicalize(folder)?.join(name);
        match std::fs::read_link(&place) {
            // An absolute target takes the place of all of it.
            Ok(target) => path = place.with_file_name("").join(target),
            Err(_) => return Ok(Some(place)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A new file in the folder of `place`, with a short name that nothing else has.
fn temporary_beside(place: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut taken = None;
    for _ in 0..NAMES_LIMIT {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = place.with_file_name(format!(".portreeve-{}-{number}.part", std::process::id()));
        // Held while the file is made, so that no file is made that a program that ends at once does not know of.
        let mut unfinished = unfinished();
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => {
                unfinished.insert(temporary.clone());
                return Ok((temporary, file));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(taken.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
}

#[cfg(unix)]
mod special {
    //! What is no regular file, or is one that this program was started with.

    use nix::libc::O_NONBLOCK;
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::fd::{AsFd as _, BorrowedFd};
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
    use std::path::Path;

    /// Opens what is to be written into and must not be replaced, without waiting; `None` for an ordinary file.
    pub(super) fn open(path: &Path, existing: &Metadata) -> Option<Result<File, String>> {
        // `/dev/stdout`, whatever it leads to: what is printed must not be lost with the file that it is printed to.
        for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
            if let Some(file) = same(stream, existing) {
                return Some(Ok(file));
            }
        }
        let kind = existing.file_type();
        if kind.is_file() {
            return None;
        }
        if kind.is_socket() {
            return Some(Err("it is a socket".to_owned()));
        }
        if kind.is_block_device() {
            return Some(Err("it is a disk".to_owned()));
        }
        let mut options = OpenOptions::new();
        options.write(true);
        if !kind.is_fifo() {
            return Some(options.open(path).map_err(|error| error.to_string()));
        }
        // A pipe that nobody reads makes whoever opens it wait, perhaps for ever. Where somebody reads, opening it
        // again does not wait, and writing later may.
        let reader = options.clone().custom_flags(O_NONBLOCK).open(path);
        let opened = reader.and_then(|held| options.open(path).inspect(|_| drop(held)));
        Some(opened.map_err(|error| format!("it is a pipe, and nobody reads from it ({error})")))
    }

    fn same(stream: BorrowedFd<'_>, existing: &Metadata) -> Option<File> {
        let file = File::from(stream.try_clone_to_owned().ok()?);
        let open = file.metadata().ok()?;
        ((open.dev(), open.ino()) == (existing.dev(), existing.ino())).then_some(file)
    }

    /// The new file belongs to whom the old one did, where we may say so.
    pub(super) fn keep_owner(file: &File, existing: &Metadata) {
        let _ = fchown(file, Some(existing.uid()), Some(existing.gid()));
    }
}

#[cfg(not(unix))]
mod special {
    use std::fs::{File, Metadata, OpenOptions};
    use std::path::Path;

    pub(super) fn open(path: &Path, existing: &Metadata) -> Option<Result<File, String>> {
        // Unlike Unix, Windows lets no other file take its name: better to know that now than at the end.
        if existing.is_file() && existing.permissions().readonly() {
            return Some(Err("it is read-only".to_owned()));
        }
        (!existing.is_file()).then(|| OpenOptions::new().write(true).open(path).map_err(|error| error.to_string()))
    }

    pub(super) fn keep_owner(_: &File, _: &Metadata) {}
}
