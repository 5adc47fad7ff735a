//! When registry keys were written last, as the compiled collector (`portreeve host collect`) notes it: no built-in command of
//! Windows shows it.

use super::registry::{self, Registry};
use super::{Line, State};
use crate::catalog::diagnostic::Diagnostic;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// SCHANNEL's settings, which Windows reads when it starts.
pub const SCHANNEL: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL";
/// Those of them that are about protocol versions. Others, such as what SCHANNEL logs, are no item's concern.
pub const PROTOCOLS: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols";
/// Those of http.sys, likewise.
pub const HTTP: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters";
/// A key that is kept in no file: Windows writes it anew when it starts, by the clock of then. When it started, as Windows
/// tells it, is worked out from the clock of now, and a machine that slept or whose clock was set has another one.
pub const START: &str = r"HKLM\HARDWARE\DESCRIPTION\System";

/// The keys whose times are noted, and whether those of all keys beneath are, too.
pub const ROOTS: [(&str, bool); 3] = [(SCHANNEL, true), (HTTP, false), (START, false)];

/// The most keys; SCHANNEL has some dozens.
pub const LIMIT: usize = 10_000;

/// The last line.
const END: &str = "[complete]";

/// Before this no key was written: a key without a time has that of FILETIME's zero, 1601.
const FIRST: i16 = 1602;

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
    let mut absent: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut at = 0;
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        // Blanks may be of the key's name.
        let line = whole.trim_end_matches(['\r', '\n']);
        let span = at..at + line.len();
        at += whole.len();
        let wrong = |message: &str| Box::new(Diagnostic::at(file, text, span.clone(), message, again()));
        if let Some(key) = line.strip_prefix("[absent] ") {
            if !seen.insert(key.to_lowercase()) {
                return Err(wrong("this key stands here twice"));
            }
            absent.push(key.to_owned());
        } else if line != END {
            let (time, key) = line.split_once('|').ok_or_else(|| wrong("a key has its time before it: `TIME|KEY`"))?;
            let no_time = "this is no time when a key can have been written, such as 2026-11-21T10:00:00Z";
            let time: Timestamp = time.parse().map_err(|_| wrong(no_time))?;
            if time.to_zoned(TimeZone::UTC).year() < FIRST {
                return Err(wrong(no_time));
            }
            if !seen.insert(key.to_lowercase()) {
                return Err(wrong("this key stands here twice"));
            }
            if !ROOTS.iter().any(|(root, _)| is_under(key, root)) {
                return Err(wrong("this is no key whose time is asked for"));
            }
            found.keys.push(KeyTime { key: key.to_owned(), time, line: Line::new(file, number, line) });
        } else if at < text.len() {
            return Err(wrong("something stands behind the end"));
        }
        if found.keys.len() + absent.len() > LIMIT {
            return Err(wrong("more keys than are read"));
        }
    }
    if let Some(gone) = absent.iter().find(|gone| found.last(gone).is_some()) {
        return Err(Box::new(Diagnostic::whole(
            file,
            &format!("it says that {gone} does not exist, and has keys beneath it"),
            again(),
        )));
    }
    let told =
        |root: &str| found.keys.iter().map(|one| &one.key).chain(&absent).any(|key| key.eq_ignore_ascii_case(root));
    match ROOTS.iter().find(|(root, _)| !told(root)) {
        Some((root, _)) => Err(Box::new(Diagnostic::whole(file, &format!("it says nothing of {root}"), again()))),
        None => Ok(found),
    }
}

impl KeyTimes {
    /// When a key itself was written.
    pub fn of(&self, key: &str) -> Option<&KeyTime> {
        self.keys.iter().find(|one| one.key.eq_ignore_ascii_case(key))
    }

    /// Why these times are not whole, where they are not: a key of SCHANNEL's protocols, or of http.sys, that the registry's own
    /// evidence holds has none. The one that has none may be the one that was written last.
    pub fn lacking(&self, registry: &Registry) -> Option<String> {
        let has = |key: &String| self.keys.iter().any(|one| registry::normal(&one.key) == *key);
        let http = matches!(registry.key(HTTP), State::Value(..)).then(|| registry::normal(HTTP));
        let key = registry.beneath(PROTOCOLS).chain(http).find(|key| !has(key))?;
        Some(format!("the times of keys say nothing of {}, which is there", registry::shown(&key)))
    }

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
            Noted::Written(START.to_owned(), at("2026-11-02T00:00:00Z")),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let found = read("k.txt", &write(&sample())).unwrap();
        let last = found.last(SCHANNEL).unwrap();
        assert_eq!((last.time.to_string().as_str(), last.line.number), ("2026-11-03T10:11:12.5Z", 2));
        assert_eq!(found.last(HTTP), None);
        assert_eq!(found.last(PROTOCOLS), Some(last));
        assert_eq!(found.of(START).map(|start| start.line.number), Some(4));
        assert_eq!(found.of(PROTOCOLS), None, "only a key beneath it was noted");
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
            ("[complete]\n", "[complete]\n[complete]\n", "k.txt:5:1"),
            ("00Z|", "00Z", "k.txt:1:1"),
            ("2026-11-01T", "1601-01-01T", "k.txt:1:1"),
            ("2026-11-01T", "-009998-01-01T", "k.txt:1:1"),
            (r"\Protocols\TLS 1.0\Server", "", "twice"),
            ("[complete]", &format!("[absent] {SCHANNEL}\\PROTOCOLS\n[complete]"), "beneath"),
            ("[complete]", &format!("[absent] {}\n[complete]", SCHANNEL.to_lowercase()), "twice"),
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
