//! Every public module that reads foreign bytes has a fuzz target of its name, which is built and calls it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers are test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn names(directory: &str) -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Modules of the host's evidence that read nothing foreign: the script that is printed, SIDs.
const NO_READERS: [&str; 2] = ["collector", "sids"];

/// Modules of the history that read only what is in the store.
const KEEPERS: [&str; 4] = ["courses", "keeper", "outbox", "sqlite"];

/// Modules of the catalog that read what may be anybody's: the other files are ours, or written by whoever runs the program.
const CATALOG_READERS: [&str; 2] = ["channels", "statements"];

/// The public modules of `src/FOLDER`.
fn public(folder: &str) -> BTreeSet<String> {
    let parent = text(&format!("src/{folder}.rs"));
    let names = names(&format!("src/{folder}")).into_iter();
    names.filter(|name| parent.contains(&format!("\npub mod {name};"))).collect()
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let wire = public("wire");
    let host: BTreeSet<String> =
        public("host").into_iter().filter(|name| !NO_READERS.contains(&name.as_str())).collect();
    assert!(wire.len() >= 10 && host.len() >= 10, "the modules of src/wire and src/host: {wire:?} {host:?}");
    let history: BTreeSet<String> =
        public("history").into_iter().filter(|name| !KEEPERS.contains(&name.as_str())).collect();
    let targets = wire.iter().cloned().chain(host.iter().map(|name| format!("host_{name}")));
    let targets = targets.chain(history.iter().map(|name| format!("history_{name}")));
    let catalog = CATALOG_READERS.map(str::to_owned);
    let missing = catalog.iter().find(|name| !public("catalog").contains(*name));
    assert_eq!(missing, None, "a module of src/catalog");
    let targets = targets.chain(catalog.iter().map(|name| format!("catalog_{name}")));
    assert_eq!(targets.collect::<BTreeSet<_>>(), names("fuzz/fuzz_targets"), "public readers, and fuzz targets");

    let manifest = text("fuzz/Cargo.toml");
    let called = wire.iter().map(|name| (name.clone(), format!("wire::{name}")));
    let called = called.chain(host.iter().map(|name| (format!("host_{name}"), format!("host::{name}"))));
    let called = called.chain(history.iter().map(|name| (format!("history_{name}"), format!("history::{name}"))));
    let called = called.chain(catalog.iter().map(|name| (format!("catalog_{name}"), format!("catalog::{name}"))));
    for (target, module) in called {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "fuzz/Cargo.toml names {target}");
        let source = text(&format!("fuzz/fuzz_targets/{target}.rs"));
        assert!(source.contains(&module), "the target {target} calls {module}");
    }
}
