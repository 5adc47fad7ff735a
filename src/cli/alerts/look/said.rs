//! What people state, and which of the files that may say so were read.
//!
//! A look may be given fewer files than the one before: of those that it was not given it knows nothing, and takes nothing back.

use crate::alert::Said;
use crate::catalog::channels::place;
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{self, ATTESTATIONS, Inventory, WAIVERS};
use crate::catalog::statements::{Read, Scope};
use crate::cli::args::ScanArgs;
use crate::cli::exit::CliError;
use crate::cli::{guides, statements};
use crate::model::alert::Kind;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What people say of the servers of an inventory.
pub(super) struct Stated {
    pub(super) said: Vec<Said>,
    pub(super) files: Files,
}

/// Which files were read, by their own paths.
pub(super) struct Files {
    read: BTreeSet<String>,
    /// The folders in which statements are found by themselves.
    folders: Vec<PathBuf>,
}

impl Files {
    /// Whether it is known what stands in this file: it was read, or it is gone from where it would have been found.
    pub(super) fn has(&self, file: &str) -> bool {
        let path = Path::new(file);
        let is_found = [ATTESTATIONS, WAIVERS].iter().any(|name| path.ends_with(name))
            && self.folders.iter().any(|folder| path.starts_with(folder));
        let is_gone = || path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        self.read.contains(file) || is_found && is_gone()
    }
}

/// The files that options of scans name and that decide whether statements can be read.
pub(super) fn given(scan: &ScanArgs) -> BTreeSet<String> {
    let stated = scan.stated.attestations.iter().chain(&scan.stated.waivers).map(|file| place(file));
    let guides = scan.what.guides.iter().map(Path::new).filter(|guide| guide.exists()).map(place);
    stated.chain(guides).collect()
}

/// Reads them.
pub(super) fn read(
    inventory: &Inventory,
    targets: &[PathBuf],
    scan: &ScanArgs,
    now: Timestamp,
) -> Result<Stated, CliError> {
    let attestations: Vec<PathBuf> = inventory.attestations.iter().chain(&scan.stated.attestations).cloned().collect();
    let waivers: Vec<PathBuf> = inventory.waivers.iter().chain(&scan.stated.waivers).cloned().collect();
    let guides: Vec<Guide> =
        if scan.what.guides.is_empty() { Vec::new() } else { guides::catalogs(&scan.what.guides)?.guides };
    let scope = Scope::Inventory(&inventory.elsewhere);
    let read: Read = statements::load([&attestations, &waivers], &inventory.targets, scope, &guides, now)?;
    let all = || attestations.iter().chain(&waivers);
    let places: BTreeMap<String, String> = all().map(|file| (inventory::shown(file), place(file))).collect();
    let own = |file: &str| places.get(file).cloned().unwrap_or_default();
    let attested = read.attestations.iter().filter(|one| one.known).map(|one| Said {
        kind: Kind::Attestation,
        client: one.client.clone(),
        target: one.target.clone(),
        about: one.about.clone(),
        until: one.content.until,
        who: one.content.by.clone(),
        place: format!("{}:{}", one.file, one.line),
        file: own(&one.file),
    });
    let waived = read.waivers.iter().filter(|one| one.known).map(|one| Said {
        kind: Kind::Waiver,
        client: one.client.clone(),
        target: one.target.clone(),
        about: one.about.clone(),
        until: one.content.until,
        who: one.content.approved_by.clone(),
        place: format!("{}:{}", one.file, one.line),
        file: own(&one.file),
    });
    let said = attested.chain(waived).collect();
    let folder = |path: &PathBuf| {
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or_else(|| Path::new("")) };
        PathBuf::from(place(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }))
    };
    let files = Files { read: places.into_values().collect(), folders: targets.iter().map(folder).collect() };
    Ok(Stated { said, files })
}

/// What is open of statements in a file that was not read.
pub(super) fn left_in_words(file: &str, count: usize) -> String {
    let (are, stay) =
        if count == 1 { ("statement that ends is", "stays") } else { ("statements that end are", "stay") };
    if file.is_empty() {
        return format!("{count} {are} in no file that was read, and {stay} open: which file had them was not noted");
    }
    format!(
        "{count} {are} of a file that this look was not given, and {stay} open: {file}; give it behind --, as the watch \
         or the scans have it (an empty file takes back what was stated in it)"
    )
}

/// What is wrong with channels of a file that was not read now.
pub(super) fn unread_channels_in_words(file: &str) -> String {
    format!(
        "that a channel is for a client that no inventory has stays open: a look that was given {file} found so, and this one \
         was not; give it with --alerts"
    )
}

/// What could not be read with a file, where that was not read now.
pub(super) fn unread_in_words(file: &str) -> String {
    format!(
        "that the inventory cannot be read stays open: a look that was given {file} found so, and this one was not; give it \
         behind --"
    )
}
