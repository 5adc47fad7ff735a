//! What ARCHITECTURE.md promises about the source, read from the source.

#![expect(clippy::unwrap_used, reason = "a test's helpers are test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module uses only those before it.
const ORDER: [&str; 16] = [
    "model", "wire", "schedule", "catalog", "host", "net", "witness", "probe", "engine", "judge", "drift", "history",
    "report", "alert", "notify", "cli",
];

/// The modules that wait for something.
const ASYNC: [&str; 6] = ["net", "witness", "probe", "engine", "notify", "cli"];

/// A file you cannot hold in your head is two files.
const LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository beneath `folder`, but nothing that was built and nothing of git's.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if ![".git", "target", "corpus", "artifacts"].contains(&name.as_str())
                && !name.starts_with("portreeve-demo")
            {
                found.extend(files(&path));
            }
        } else if name != ".git" {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let rust = files(&root().join(folder)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The module of a file in `src`; none for the crate's root and the binary.
fn module(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// The code of a file: without comments.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let comment = line.trim_start().starts_with("//");
        if comment { "" } else { line.split(" // ").next().unwrap_or_default() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that `crate::…` and `crate::{…}` name.
fn used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut expected = true;
        for (place, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expected = true,
                c if depth == 1 && expected && c.is_alphabetic() => {
                    names.insert(word(&group[place..]));
                    expected = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn the_reader_of_paths_reads_paths() {
    let found = used("use crate::model::x;\nuse crate::{net::{a, b}, wire};\nlet x = crate::probe::y();");
    assert_eq!(found, ["model", "net", "wire", "probe"].map(str::to_owned).into());
}

#[test]
fn each_module_uses_only_those_before_it() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in rust_files("src") {
        let Some(module) = module(&path) else { continue };
        let place = ORDER.iter().position(|name| *name == module);
        let Some(place) = place else {
            wrong.push(format!("{}: the module `{module}` is not in the order", path.display()));
            continue;
        };
        seen.insert(module);
        for name in used(&code(&text)) {
            match ORDER.iter().position(|known| *known == name) {
                Some(other) if other <= place => {}
                Some(_) => wrong.push(format!("{} uses the later module `{name}`", path.display())),
                None => wrong.push(format!("{} uses `crate::{name}`, which is no module of the order", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), ORDER.len(), "{seen:?}");
}

#[test]
fn the_crates_root_names_the_modules_of_the_order() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, ORDER.into());
}

#[test]
fn only_what_talks_to_the_network_waits() {
    for (path, text) in rust_files("src") {
        if module(&path).is_none_or(|module| ASYNC.contains(&module.as_str())) {
            continue;
        }
        let code = code(&text);
        for word in ["tokio", "async fn", "async move", ".await", "std::net::TcpStream", "UdpSocket"] {
            assert!(!code.contains(word), "{} has `{word}`", path.display());
        }
    }
}

#[test]
fn only_the_command_line_prints() {
    for (path, text) in rust_files("src") {
        if module(&path).is_none_or(|module| module == "cli") {
            continue;
        }
        let code = code(&text);
        // A test may say why it does not run.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let of_tests = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
        for word in ["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"] {
            assert!(of_tests || !code.contains(word), "{} has `{word}`", path.display());
        }
    }
}

/// The judge, drift and the model are pure: no clock, no files, no environment, no chance.
#[test]
fn verdicts_depend_on_observations_only() {
    for (path, text) in rust_files("src") {
        let module = module(&path).unwrap_or_default();
        if !["model", "judge", "drift"].contains(&module.as_str()) {
            continue;
        }
        let code = code(&text);
        for word in ["Instant::now", "SystemTime", "Timestamp::now", "std::fs", "std::env", "fastrand", "reqwest"] {
            assert!(!code.contains(word), "{} has `{word}`", path.display());
        }
    }
}

#[test]
fn nothing_is_unsafe() {
    for folder in ["src", "mock-servers", "tests", "benches", "fuzz"] {
        for (path, text) in rust_files(folder) {
            let word = ["unsa", "fe"].concat();
            for keyword in [" {", " fn", " impl", " extern", " trait"] {
                assert!(!code(&text).contains(&format!("{word}{keyword}")), "{}", path.display());
            }
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn every_file_can_be_held_in_the_head() {
    for folder in ["src", "mock-servers", "tests", "benches", "fuzz"] {
        for (path, text) in rust_files(folder) {
            let lines = text.lines().count();
            assert!(lines < LINES, "{} has {lines} lines", path.display());
        }
    }
}

/// What only makes sense on the machine where it was written does not belong into the repository.
#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let foreign = [["/wo", "rk/"], ["/ro", "ot/"], ["/home", "/user"], ["../sha", "red"]].map(|parts| parts.concat());
    for path in files(root()) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for foreign in &foreign {
            assert!(!text.contains(foreign), "{} mentions {foreign}", path.display());
        }
    }
}
