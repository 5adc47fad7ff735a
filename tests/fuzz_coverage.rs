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

#[test]
fn every_parser_has_a_fuzz_target() {
    let wire = text("src/wire.rs");
    let public: BTreeSet<String> =
        names("src/wire").into_iter().filter(|name| wire.contains(&format!("\npub mod {name};"))).collect();
    assert!(public.len() >= 10, "the modules of src/wire: {public:?}");
    assert_eq!(public, names("fuzz/fuzz_targets"), "public readers of src/wire, and fuzz targets");

    let manifest = text("fuzz/Cargo.toml");
    for name in public {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "fuzz/Cargo.toml names {name}");
        let target = text(&format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(target.contains(&format!("wire::{name}")), "the target {name} calls wire::{name}");
    }
}
