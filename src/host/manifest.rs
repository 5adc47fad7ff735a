//! The manifest of a bundle: what was run, how it ended, and what each file must be.
//!
//! One line each, fields separated by `;`:
//!
//! ```text
//! portreeve-evidence;1
//! fact;computer;RMM01
//! run;lsa;0;21.11.2026 10:00:00,12;21.11.2026 10:00:00,31;lsa.txt;1234;9f86d0...;reg query "HKLM\..." /reg:64
//! done;31
//! ```
//!
//! The times are the host's local ones, as its own settings write them, and are for people. A run without `done` in the last
//! line broke off.

use crate::catalog::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// The name of the file.
pub const NAME: &str = "manifest.txt";

/// The version that is read.
const VERSION: &str = "1";

/// The most lines.
const LIMIT: usize = 10_000;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it collects.
    pub id: String,
    /// How it ended.
    pub exit: i64,
    /// When it began, in the host's own words.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// Its file.
    pub file: String,
    /// How large that is, where it was written at all.
    pub size: Option<u64>,
    /// What the host noted as its SHA-256, lower case and without blanks. What is no digest, such as the words of an error, is
    /// kept: of such a file nobody knows that it is whole.
    pub sha256: Option<String>,
    /// The command.
    pub arguments: String,
}

/// The manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What the collector says of the host and itself.
    pub facts: BTreeMap<String, String>,
    /// The commands, in their order.
    pub runs: Vec<Run>,
    /// Whether it came to its end, with as many commands as it counted.
    pub done: bool,
}

/// Reads a manifest.
pub fn read(file: &str, text: &str) -> Result<Manifest, Box<Diagnostic>> {
    let mut found = Manifest::default();
    let mut at = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim_end();
        let wrong = |message: &str| {
            let help = Some("Run the collector again and send the folder as it is.".to_owned());
            Box::new(Diagnostic::at(file, text, span.clone(), message, help))
        };
        if line.is_empty() {
            continue;
        }
        lines += 1;
        if lines > LIMIT {
            return Err(wrong("more lines than are read"));
        }
        if found.done {
            return Err(wrong("something stands behind `done`: two bundles were mixed"));
        }
        let (kind, rest) = line.split_once(';').unwrap_or((line, ""));
        match (kind, lines) {
            ("portreeve-evidence", 1) if rest == VERSION => {}
            ("portreeve-evidence", 1) => {
                return Err(wrong(&format!(
                    "the bundle is of version `{rest}`, and this portreeve reads version {VERSION}"
                )));
            }
            (_, 1) => return Err(wrong("a manifest begins with `portreeve-evidence;1`")),
            ("fact", _) => {
                let (key, value) = rest.split_once(';').ok_or_else(|| wrong("a fact has a name and a value"))?;
                if found.facts.insert(key.to_owned(), value.to_owned()).is_some() {
                    return Err(wrong("a fact stands here twice: two bundles were mixed"));
                }
            }
            ("run", _) => {
                let run = run(rest).ok_or_else(|| {
                    wrong("a command has its id, exit code, start, end, file, size, SHA-256 and arguments")
                })?;
                if found.runs.iter().any(|known| known.id == run.id || known.file == run.file) {
                    return Err(wrong("two commands have the same id or file"));
                }
                found.runs.push(run);
            }
            ("done", _) => {
                if rest.parse() != Ok(found.runs.len()) {
                    return Err(wrong(&format!(
                        "the collector counted {rest} commands, and {} are here",
                        found.runs.len()
                    )));
                }
                found.done = true;
            }
            _ => return Err(wrong("neither a fact nor a command nor the end")),
        }
    }
    if lines == 0 {
        return Err(Box::new(Diagnostic::whole(
            file,
            "the manifest is empty",
            Some("Run the collector again.".to_owned()),
        )));
    }
    Ok(found)
}

/// Whether it is a SHA-256 in hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn run(rest: &str) -> Option<Run> {
    let mut fields = rest.splitn(8, ';');
    let mut next = || fields.next().map(str::trim);
    let (id, exit, start, end, file, size, hash) = (next()?, next()?, next()?, next()?, next()?, next()?, next()?);
    let arguments = next()?;
    let plain = |name: &str| {
        !name.is_empty()
            && name.len() <= 200
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let hash = hash.replace(' ', "").to_ascii_lowercase();
    (plain(id) && plain(file) && !file.starts_with('.')).then_some(())?;
    Some(Run {
        id: id.to_owned(),
        exit: exit.parse().ok()?,
        start: start.to_owned(),
        end: end.to_owned(),
        file: file.to_owned(),
        size: if size == "-" { None } else { Some(super::number(size)?) },
        sha256: Some(hash).filter(|hash| hash != "-" && !hash.is_empty()),
        arguments: arguments.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_manifest_is_read() {
        let text = format!(
            "portreeve-evidence;1\r\nfact;computer;RMM01\r\nrun;lsa;0;21.11. 10:00; 9:00;lsa.txt;12;{HASH};reg query \"a;b\"\r\nrun;x;1;a;b;x.txt;-;-;x\r\ndone;2\r\n"
        );
        let found = read(NAME, &text).unwrap();
        assert!(found.done);
        assert_eq!(found.facts["computer"], "RMM01");
        assert_eq!((found.runs[0].size, found.runs[0].arguments.as_str()), (Some(12), "reg query \"a;b\""));
        assert_eq!((found.runs[1].exit, found.runs[1].size), (1, None));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (rest, wanted) in [
            ("", "begins"),
            ("portreeve-evidence;2\n", "version"),
            ("portreeve-evidence;1\nrun;a;0\n", "manifest.txt:2:1"),
            ("portreeve-evidence;1\nrun;a;0;s;e;../x;1;-;c\n", "manifest.txt:2:1"),
            ("portreeve-evidence;1\nrun;a;0;s;e;x;+1;-;c\n", "manifest.txt:2:1"),
            ("portreeve-evidence;1\nrun;a;0;s;e;x;1;-;c\nrun;a;0;s;e;y;1;-;c\n", "same"),
            ("portreeve-evidence;1\nfact;computer;A\nfact;computer;B\n", "twice"),
            ("portreeve-evidence;1\ndone;3\n", "counted"),
            ("portreeve-evidence;1\ndone;0\nfact;a;b\n", "behind"),
            ("portreeve-evidence;1\nwhat\n", "neither"),
        ] {
            let error = read(NAME, if rest.is_empty() { "x\n" } else { rest }).unwrap_err().to_string();
            assert!(error.contains(wanted), "{rest}: {error}");
        }
        assert!(read(NAME, "").is_err());
        assert!(!read(NAME, "portreeve-evidence;1\n").unwrap().done);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(portreeve-evidence;1\n|run;|done;|fact;|[;a0\n-])*") {
            let _ = read("any", &text);
        }
    }
}
