//! When registry keys were written last, as the compiled collector (`portreeve host collect`) notes it: no built-in command of
//! Windows shows it.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;
use jiff::Timestamp;
use std::fmt::Write as _;

/// SCHANNEL's settings, which Windows reads when it starts.
pub const SCHANNEL: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL";
/// Those of http.sys, likewise.
pub const HTTP: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters";

/// The keys whose times are noted, and whether those of all keys beneath are, too.
pub const ROOTS: [(&str, bool); 2] = [(SCHANNEL, true), (HTTP, false)];

/// The most keys; SCHANNEL has some dozens.
pub const LIMIT: usize = 10_000;

/// The last line.
const END: &str = "[complete]";

/// A key and when it was written: a value of it was, or a key directly beneath it came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTime {
    /// The key.
    pub key: String,
    /// When.
    pub time: Timestamp,
    /// Where it stands.
    pub line: Line,
}

/// When keys were written last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTimes {
    keys: Vec<KeyTime>,
}

/// One key of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was written then.
    Written(String, Timestamp),
    /// There is no such key.
    Absent(String),
}

/// The file: `TIME|KEY`, `[absent] KEY`, and `[complete]` as the last line.
pub fn write(noted: &[Noted]) -> String {
    let plain = |key: &str| key.replace(char::is_control, "?");
    let mut text = String::new();
    for one in noted {
        let _ = match one {
            Noted::Written(key, time) => writeln!(text, "{time}|{}", plain(key)),
            Noted::Absent(key) => writeln!(text, "[absent] {}", plain(key)),
        };
    }
    text + END + "\n"
}

fn is_under(key: &str, root: &str) -> bool {
    let (key, root) = (key.to_lowercase(), root.to_lowercase());
    key.strip_prefix(&root).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
}

/// Reads the file. It must say of each root when it was written, or that there is none.
pub fn read(file: &str, text: &str) -> Result<KeyTimes, Box<Diagnostic>> {
    let again = || Some("Collect it again.".to_owned());
    if text.lines().next_back().is_none_or(|last| last != END) || !text.ends_with('\n') {
        let message = "the last line, `[complete]`, is missing: the collector broke off";
        return Err(Box::new(Diagnostic::whole(file, message, again())));
    }
    let mut found = KeyTimes::default();
    let mut absent = Vec::new();
    let mut at = 0;
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let line = whole.trim_end();
        let span = at..at + line.len();
        at += whole.len();
        let wrong = |message: &str| Box::new(Diagnostic::at(file, text, span.clone(), message, again()));
        if let Some(key) = line.strip_prefix("[absent] ") {
            absent.push(key.to_owned());
        } else if line != END {
            let (time, key) = line.split_once('|').ok_or_else(|| wrong("a key has its time before it: `TIME|KEY`"))?;
            let time = time.parse().map_err(|_| wrong("this is no time, such as 2026-11-21T10:00:00Z"))?;
            if !ROOTS.iter().any(|(root, _)| is_under(key, root)) {
                return Err(wrong("this is no key whose time is asked for"));
            }
            found.keys.push(KeyTime { key: key.to_owned(), time, line: Line::new(file, number, line) });
        } else if at < text.len() {
            return Err(wrong("something stands behind the end"));
        }
        if found.keys.len() > LIMIT {
            return Err(wrong("more keys than are read"));
        }
    }
    let told =
        |root: &str| found.keys.iter().map(|one| &one.key).chain(&absent).any(|key| key.eq_ignore_ascii_case(root));
    match ROOTS.iter().find(|(root, _)| !told(root)) {
        Some((root, _)) => Err(Box::new(Diagnostic::whole(file, &format!("it says nothing of {root}"), again()))),
        None => Ok(found),
    }
}

impl KeyTimes {
    /// The key that was written last, of `root` and everything beneath it.
    pub fn last(&self, root: &str) -> Option<&KeyTime> {
        self.keys.iter().filter(|one| is_under(&one.key, root)).max_by_key(|one| one.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Noted> {
        let at = |time: &str| time.parse().unwrap();
        vec![
            Noted::Written(SCHANNEL.to_owned(), at("2026-11-01T00:00:00Z")),
            Noted::Written(format!(r"{SCHANNEL}\Protocols\TLS 1.0\Server"), at("2026-11-03T10:11:12.5Z")),
            Noted::Absent(HTTP.to_owned()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let found = read("k.txt", &write(&sample())).unwrap();
        let last = found.last(SCHANNEL).unwrap();
        assert_eq!((last.time.to_string().as_str(), last.line.number), ("2026-11-03T10:11:12.5Z", 2));
        assert_eq!(found.last(HTTP), None);
        assert_eq!(found.last(&SCHANNEL.replace("HANNEL", "HANN")), None);
        assert_eq!(write(&[Noted::Absent("a\nb".to_owned())]), "[absent] a?b\n[complete]\n");
    }

    #[test]
    fn what_is_cut_off_or_of_something_else_is_an_error_with_its_place() {
        let text = write(&sample());
        for (from, to, why) in [
            ("[complete]\n", "", "broke off"),
            ("[complete]\n", "[complete]", "broke off"),
            ("[absent] ", "[absent] x", "nothing of"),
            ("2026-11-01T", "yesterday T", "k.txt:1:1"),
            ("HKLM", "HKCU", "k.txt:1:1"),
            ("[complete]\n", "[complete]\n[complete]\n", "k.txt:4:1"),
            ("00Z|", "00Z", "k.txt:1:1"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            let error = read("k.txt", &changed).unwrap_err().to_string();
            assert!(error.contains(why), "{from} {to}: {error}");
        }
        assert!(read("k.txt", "").is_err() && read("k.txt", "[complete]\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(2026-11-01T00:00:00Z\\||\\[absent\\] |HKLM|\\[complete\\]|[|\\\\é0-9\r\n])*") {
            let _ = read("any", &(text + "\n[complete]\n"));
        }
    }
}
