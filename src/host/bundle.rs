//! The bundle: a folder or a zip, read with bounds, and held against its manifest.

use super::manifest::{self, Manifest};
use super::{Collected, secrets, text};
use crate::catalog::diagnostic::Diagnostic;
use crate::model::peer_text::PeerText;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

/// The most files of a bundle.
const FILES: usize = 2000;
/// The largest bundle, unpacked, in bytes.
const TOTAL: u64 = 256 * 1024 * 1024;
/// How far a file of a zip may unpack: exports in UTF-16 shrink thirtyfold, a bomb a thousandfold.
const RATIO: u64 = 200;
/// Below this size, in bytes, the ratio does not matter: an empty line shrinks to anything.
const RATIO_FROM: u64 = 1024 * 1024;

/// How much of a command's arguments is looked at where they are told, in bytes.
const ARGUMENTS: usize = 1024;

/// What is said of a pipe, a socket or a device.
const NO_FILE: &str =
    "this is neither a folder nor a regular file. Give the folder or the zip that the collector wrote";

/// Files that the collector writes beside the evidence: what the commands said, for people.
const LOGS: [&str; 3] = ["errors.log", "output.log", "secedit.log"];

/// Why a bundle cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error("{name}: {message}")]
    Unreadable {
        /// The bundle.
        name: String,
        /// The system's message, or what is wrong with the zip.
        message: String,
    },
    /// It is larger than any collector makes it.
    #[error("{name}: {what}; no collector makes that, and nothing of it was read. Collect the evidence again")]
    TooLarge {
        /// The bundle.
        name: String,
        /// What is too large.
        what: String,
    },
    /// It names files outside of itself.
    #[error(
        "{name}: the entry `{entry}` {what}; nothing of it was read. A zip that the collector made has plain names only"
    )]
    Entry {
        /// The bundle.
        name: String,
        /// The entry.
        entry: PeerText,
        /// What is wrong with it.
        what: String,
    },
    /// Its manifest is missing or wrong.
    #[error("{0}")]
    Manifest(Box<Diagnostic>),
    /// The collector broke off.
    #[error(
        "{name}: the manifest has no `done` at its end: the collector broke off, or the bundle was copied before it was \
         finished, so nothing of it counts. Wait until the collector says that it is done, or run it again"
    )]
    NotDone {
        /// The bundle.
        name: String,
    },
}

/// A bundle whose manifest is whole.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// The file or folder, as the user names it.
    pub name: String,
    /// Its manifest.
    pub manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

impl From<Box<Diagnostic>> for Refused {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::Manifest(diagnostic)
    }
}

impl Bundle {
    /// Reads the folder or zip at `path`; `name` is what the user calls it.
    pub fn open(path: &Path, name: &str) -> Result<Self, Refused> {
        let unreadable =
            |error: std::io::Error| Refused::Unreadable { name: name.to_owned(), message: error.to_string() };
        let about = fs::metadata(path).map_err(unreadable)?;
        let files = if about.is_dir() {
            folder(path, name)?
        } else {
            // A pipe or a device may never end.
            if !about.is_file() {
                return Err(Refused::Unreadable { name: name.to_owned(), message: NO_FILE.to_owned() });
            }
            if about.len() > TOTAL {
                return Err(Refused::TooLarge {
                    name: name.to_owned(),
                    what: "the file is larger than 256 MiB".to_owned(),
                });
            }
            unzip(&fs::read(path).map_err(unreadable)?, name)?
        };
        Self::of_files(name, files)
    }

    /// A bundle of files by name.
    pub fn of_files(name: &str, files: BTreeMap<String, Vec<u8>>) -> Result<Self, Refused> {
        let Some(bytes) = files.get(manifest::NAME) else {
            let help = "Give the folder or zip that `portreeve host collector` made, or single files with --reg, --inf, --iis.";
            return Err(
                Box::new(Diagnostic::whole(name, "there is no manifest.txt in it", Some(help.to_owned()))).into()
            );
        };
        let text = text::decode(manifest::NAME, bytes)?;
        let manifest = manifest::read(manifest::NAME, &text)?;
        if !manifest.done {
            return Err(Refused::NotDone { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), manifest, files })
    }

    /// The output of a command as text, where it is what the manifest says; else why it does not count. A command that ended
    /// with an error has none.
    pub fn text(&self, id: &str) -> Collected<(String, String)> {
        let run = self.manifest.runs.iter().find(|run| run.id == id);
        let run = run.ok_or_else(|| format!("the collector did not run `{id}`"))?;
        if run.exit != 0 {
            return Err(format!("`{id}` ended with exit code {} ({})", run.exit, quoted(&run.arguments)));
        }
        let Some(size) = run.size else {
            return Err(format!("`{id}` ended with exit code 0 and wrote no file ({})", quoted(&run.arguments)));
        };
        let bytes = self.whole(run, size)?;
        if bytes.is_empty() {
            return Err(format!("{} of `{id}` is empty", run.file));
        }
        let text = text::decode(&run.file, bytes).map_err(|error| error.to_string())?;
        Ok((run.file.clone(), text))
    }

    /// The file of a command, where it has the size and the digest that the manifest says.
    fn whole(&self, run: &manifest::Run, size: u64) -> Collected<&[u8]> {
        let Some(bytes) = self.files.get(&run.file) else {
            return Err(format!("{} of `{}` is not in the bundle", run.file, run.id));
        };
        if size != bytes.len() as u64 {
            return Err(format!(
                "{} has {} bytes, and the manifest says {size}: it was cut off or changed",
                run.file,
                bytes.len()
            ));
        }
        let Some(wanted) = run.sha256.as_ref().filter(|_| size > 0) else { return Ok(bytes) };
        if !manifest::is_digest(wanted) {
            return Err(format!(
                "the manifest has `{}` where the SHA-256 of {} would be: the host could not compute it",
                PeerText::new(wanted, 80),
                run.file
            ));
        }
        if *wanted != hex(&Sha256::digest(bytes)) {
            return Err(format!("{} does not have the SHA-256 of the manifest: it was changed", run.file));
        }
        Ok(bytes)
    }

    /// What is wrong with each file that is not as the collector wrote it, whether anything needs it or not.
    pub fn changed(&self) -> Vec<String> {
        self.manifest.runs.iter().filter_map(|run| self.whole(run, run.size?).err()).collect()
    }

    /// How the command ended and what its arguments were; `None` where it was not run.
    pub fn run(&self, id: &str) -> Option<&manifest::Run> {
        self.manifest.runs.iter().find(|run| run.id == id)
    }

    /// The SHA-256 of its manifest.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.files.get(manifest::NAME).map_or(&[][..], Vec::as_slice)))
    }

    /// What should be known of the bundle as a whole: files without a digest, files that the manifest does not name, secrets
    /// that the collector should have taken out.
    pub fn oddities(&self) -> Vec<String> {
        let mut found = Vec::new();
        let without = self
            .manifest
            .runs
            .iter()
            .filter(|run| run.size.is_some_and(|size| size > 0) && run.sha256.is_none())
            .count();
        if without > 0 {
            found.push(format!(
                "the host computed no SHA-256 of {without} files, of which only the sizes could be checked"
            ));
        }
        let known = |name: &str| {
            name == manifest::NAME || LOGS.contains(&name) || self.manifest.runs.iter().any(|run| run.file == name)
        };
        let strange: Vec<&str> = self.files.keys().map(String::as_str).filter(|name| !known(name)).collect();
        if let Some(first) = strange.first() {
            found.push(format!(
                "{} files are not of the collector and were not read (the first: {})",
                strange.len(),
                PeerText::new(first, 80)
            ));
        }
        for run in &self.manifest.runs {
            let text = self.files.get(&run.file).and_then(|bytes| text::decode(&run.file, bytes).ok());
            if let Some(line) = text.as_deref().and_then(secrets::first) {
                found.push(format!(
                    "{}:{line} holds a secret that should have been taken out: do not pass this bundle on",
                    run.file
                ));
            }
        }
        found
    }
}

fn quoted(arguments: &str) -> String {
    // Cut first, as lines are: a secret that is cut in two is still taken for one.
    let arguments = arguments.get(..arguments.floor_char_boundary(ARGUMENTS)).unwrap_or_default();
    // Paths of Windows are full of backslashes, which the escaping doubles.
    PeerText::new(&secrets::blacked_out(arguments), 160).as_str().replace("\\\\", "\\")
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn folder(path: &Path, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Refused> {
    let unreadable = |error: std::io::Error| Refused::Unreadable { name: name.to_owned(), message: error.to_string() };
    let mut files = BTreeMap::new();
    let mut total = 0;
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let about = entry.metadata().map_err(unreadable)?;
        // Links are not followed: a bundle comes from elsewhere, and has no business with files of this machine.
        if !about.is_file() {
            continue;
        }
        total += about.len();
        bounded(name, files.len() + 1, about.len(), total)?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).map_err(unreadable)?);
    }
    Ok(files)
}

fn bounded(name: &str, count: usize, size: u64, total: u64) -> Result<(), Refused> {
    let what = if count > FILES {
        format!("it has more than {FILES} files")
    } else if size > text::LIMIT as u64 {
        "a file in it is larger than 32 MiB".to_owned()
    } else if total > TOTAL {
        "it is larger than 256 MiB".to_owned()
    } else {
        return Ok(());
    };
    Err(Refused::TooLarge { name: name.to_owned(), what })
}

/// Unpacks a zip into memory. What the archive says of unpacked sizes is not believed. Of packed ones it is, for `RATIO` alone:
/// an archive that lies there still unpacks to no more than `TOTAL`.
pub fn unzip(bytes: &[u8], name: &str) -> Result<BTreeMap<String, Vec<u8>>, Refused> {
    let unreadable = |message: String| Refused::Unreadable { name: name.to_owned(), message };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
        unreadable(format!("this is neither a folder nor a whole zip ({error}). Copy it again, or give the folder"))
    })?;
    bounded(name, archive.len(), 0, 0)?;
    // Of entries with one name the archive's reader keeps the last without a word.
    if listed(bytes, &archive) != archive.len() {
        return Err(unreadable(
            "a name is there twice in the zip, so which file counts is not known. Collect the evidence again"
                .to_owned(),
        ));
    }
    let mut files = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut total = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| unreadable(format!("an entry of the zip: {error}")))?;
        let raw = String::from_utf8_lossy(entry.name_raw()).replace('\\', "/");
        if raw.ends_with('/') {
            continue;
        }
        let wrong = |what: &str| Refused::Entry {
            name: name.to_owned(),
            entry: PeerText::new(&raw, 120),
            what: what.to_owned(),
        };
        let parts: Vec<&str> = raw.split('/').collect();
        if raw.starts_with('/') || raw.contains(':') || parts.iter().any(|part| matches!(*part, ".." | "." | "")) {
            return Err(wrong("leads out of the bundle"));
        }
        if entry.is_symlink() {
            return Err(wrong("is a link"));
        }
        let file = match parts.as_slice() {
            [file] | [_, file] => (*file).to_owned(),
            _ => return Err(wrong("is in a folder of a folder")),
        };
        let packed = entry.compressed_size();
        let mut content = Vec::new();
        let limit = text::LIMIT as u64 + 1;
        entry
            .by_ref()
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|error| unreadable(format!("{}: {error}", PeerText::new(&raw, 120))))?;
        let size = content.len() as u64;
        total += size;
        bounded(name, files.len() + 1, size, total)?;
        if size > RATIO_FROM && size / packed.max(1) > RATIO {
            return Err(Refused::TooLarge {
                name: name.to_owned(),
                what: format!("a file in it unpacks to {} times its size", size / packed.max(1)),
            });
        }
        // Windows has one file of a name, whatever its case.
        if !names.insert(file.to_lowercase()) {
            return Err(wrong("is there twice"));
        }
        files.insert(file, content);
    }
    Ok(files)
}

/// How many entries the central directory of a zip lists (APPNOTE 4.3.12), names that stand there twice among them.
fn listed(bytes: &[u8], archive: &zip::ZipArchive<Cursor<&[u8]>>) -> usize {
    let mut at = usize::try_from(archive.central_directory_start()).unwrap_or(usize::MAX);
    let mut count = 0;
    while let Some(header) =
        bytes.get(at..).and_then(|rest| rest.get(..46)).filter(|header| header.starts_with(b"PK\x01\x02"))
    {
        let length =
            |from: usize| header.get(from..from + 2).map_or(0, |two| usize::from(two[0]) | usize::from(two[1]) << 8);
        at += 46 + length(28) + length(30) + length(32);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests;
