//! Registry keys: what `reg export` writes and what `reg query` prints.

use super::{Line, State, line_of};
use crate::catalog::diagnostic::Diagnostic;
use crate::model::peer_text::PeerText;
use std::collections::{BTreeMap, BTreeSet};

/// The most keys and values that are kept of one file.
pub const LIMIT: usize = 400_000;

/// The first line of what `reg export` writes.
const HEADER: &str = "Windows Registry Editor Version 5.00";
/// The first line of what Windows 9x wrote and regedit still offers.
const OLD_HEADER: &str = "REGEDIT4";

/// A service of every Windows, Windows Update, that comes after all that are asked for: keys are listed in their order.
const LATE_SERVICE: &str = "wuauserv";

/// Types of values (winnt.h).
const REG_EXPAND_SZ: u32 = 2;
const REG_DWORD: u32 = 4;
const REG_MULTI_SZ: u32 = 7;

/// What a value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `REG_SZ`, or another kind of text as `reg query` prints it.
    Text(String),
    /// `REG_DWORD`.
    Dword(u32),
    /// Any other type: its number and its bytes.
    Bytes(u32, Vec<u8>),
}

impl Data {
    /// The number, where it is one.
    pub fn dword(&self) -> Option<u32> {
        match self {
            Self::Dword(number) => Some(*number),
            Self::Bytes(REG_DWORD, bytes) => Some(u32::from_le_bytes(bytes.as_slice().try_into().ok()?)),
            _ => None,
        }
    }

    /// The texts: one, or those of a `REG_MULTI_SZ`.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Bytes(REG_EXPAND_SZ | REG_MULTI_SZ, bytes) => {
                let units: Vec<u16> =
                    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                let texts = units.split(|unit| *unit == 0).filter(|text| !text.is_empty());
                texts.map(String::from_utf16_lossy).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first text.
    pub fn text(&self) -> Option<String> {
        self.texts().into_iter().next()
    }
}

/// A value, and the line where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name as written; empty for the default value.
    pub name: String,
    /// What it holds.
    pub data: Data,
    /// Where it stands.
    pub line: Line,
}

#[derive(Clone, Debug, Default)]
struct Key {
    name: String,
    line: Option<Line>,
    values: BTreeMap<String, Value>,
    /// Whether all its values are known.
    whole: bool,
}

/// How far a source of evidence reaches.
#[derive(Clone, Debug)]
struct Scope {
    root: String,
    /// Everything beneath, or only the key's own values and the names of its subkeys.
    deep: bool,
    line: Line,
}

/// What is known of the registry, of however many files.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    keys: BTreeMap<String, Key>,
    scopes: Vec<Scope>,
    /// Parts that should have been collected and were not: the root, and why.
    missing: Vec<(String, String)>,
}

/// The key's full name in lower case, without a backslash at the end.
pub(super) fn normal(key: &str) -> String {
    let key = key.trim_end_matches('\\');
    let (hive, rest) = key.split_once('\\').map_or((key, ""), |(hive, rest)| (hive, rest));
    let hive = match hive.to_ascii_uppercase().as_str() {
        "HKLM" => "HKEY_LOCAL_MACHINE".to_owned(),
        "HKU" => "HKEY_USERS".to_owned(),
        "HKCU" => "HKEY_CURRENT_USER".to_owned(),
        other => other.to_owned(),
    };
    let whole = if rest.is_empty() { hive } else { format!("{hive}\\{rest}") };
    whole.to_lowercase()
}

fn is_under(key: &str, root: &str) -> bool {
    key.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
}

/// A key of a file as it is told: escaped, without the doubled backslashes of that.
pub(super) fn shown(key: &str) -> String {
    PeerText::new(key, 160).as_str().replace("\\\\", "\\")
}

/// A file in which a key stands that is not of the one it should be about.
#[expect(clippy::unnecessary_box_returns, reason = "errors are boxed where they are made")]
fn of_another(file: &str, stray: &str, root: &str) -> Box<Diagnostic> {
    let message = format!("this is not of {root} alone: {} stands in it", shown(stray));
    Box::new(Diagnostic::whole(file, &message, Some("Collect it again.".to_owned())))
}

/// Why a command is not `reg export ROOT` or `reg query ROOT` of the 64-bit registry, by its arguments; `None` where it is.
pub fn not_of(verb: &str, root: &str, arguments: &str) -> Option<String> {
    let words = words(arguments);
    let root = normal(root);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [program, said, key, rest @ ..] = words.as_slice() else {
        return Some("the recorded command is not that of the collector".to_owned());
    };
    let program = program.to_ascii_lowercase();
    if !matches!(program.as_str(), "reg" | "reg.exe") || !said.eq_ignore_ascii_case(verb) {
        return Some(format!("the recorded command is not `reg {verb}`"));
    }
    if normal(key) != root {
        return Some(format!("the recorded command is of {}, and not of {root}", shown(&normal(key))));
    }
    // The first word behind the key of an export is the file.
    let options = if verb == "export" { rest.get(1..).unwrap_or_default() } else { rest };
    let known = |option: &&&str| matches!(option.to_ascii_lowercase().as_str(), "/y" | "/reg:64");
    if let Some(other) = options.iter().find(|option| !known(option)) {
        return Some(format!(
            "the recorded command has the option `{}`, which leaves something out",
            PeerText::new(other, 40)
        ));
    }
    let shared = root.starts_with("hkey_users");
    (!shared && !options.iter().any(|option| option.eq_ignore_ascii_case("/reg:64")))
        .then(|| "it may show the registry of 32-bit programs: the recorded command has no /reg:64".to_owned())
}

/// The words of a command line; blanks within quotes are of the word.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => words.push(String::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(character)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Registry {
    /// Adds what `reg export` wrote, of whatever key: the first key of the file is its root, and everything beneath it is known
    /// then. A whole hive as the root proves nothing of what is not there: nobody can tell whether it was exported so.
    pub fn add_export(&mut self, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        self.export(file, text, None)
    }

    /// Adds what `reg export ROOT` wrote: a file that is of another key is refused.
    pub fn add_export_of(&mut self, file: &str, text: &str, root: &str) -> Result<(), Box<Diagnostic>> {
        self.export(file, text, Some(&normal(root)))
    }

    fn export(&mut self, file: &str, text: &str, wanted: Option<&str>) -> Result<(), Box<Diagnostic>> {
        let entries = Export { file, text, at: 0 }.read()?;
        let keys = || entries.iter().filter_map(|entry| if let Entry::Key(key, _) = entry { Some(key) } else { None });
        let Some(root) = keys().next().map(|key| normal(key)) else {
            let message = "there is no key in this export";
            return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != root) {
            return Err(of_another(file, &root, wanted));
        }
        if let Some(stray) = keys().map(|key| normal(key)).find(|key| !is_under(key, &root)) {
            return Err(of_another(file, &stray, &root));
        }
        let mut found = Found { file, ..Found::default() };
        for entry in entries {
            match entry {
                Entry::Key(key, line) => {
                    found.key(&key, line)?.whole = true;
                }
                Entry::Value(value) => found.value(value)?,
            }
        }
        let deep = (wanted.is_some() || root.contains('\\')).then_some(root.as_str());
        self.merge(found, deep)?;
        if wanted.is_some() || root.contains('\\') {
            self.scopes.push(Scope { root, deep: true, line: Line::new(file, 0, "") });
        }
        Ok(())
    }

    /// Adds what `reg query KEY` printed of `root`: its values, and the names of its subkeys.
    pub fn add_listing(&mut self, file: &str, text: &str, root: &str) -> Result<(), Box<Diagnostic>> {
        let root = normal(root);
        let is_key = |line: &str| line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("HKEY_"));
        if let Some(stray) = text.lines().filter(|line| is_key(line)).map(normal).find(|key| !is_under(key, &root)) {
            return Err(of_another(file, &stray, &root));
        }
        // What a listing does not name is proven absent, so it must be whole. Nothing marks its end: half a line is told, and
        // of the services a late one that every Windows has; the manifest tells the rest.
        let short = |message: &str| Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned())));
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(short("the last line has no end: the file was cut off"));
        }
        let late = format!(r"{root}\{LATE_SERVICE}");
        if root.ends_with(r"\currentcontrolset\services") && !text.lines().any(|line| normal(line) == late) {
            return Err(short("wuauserv is not listed, which every Windows has near the end: the list was cut off"));
        }
        // A text of several lines goes on at the start of a line, or as if it were another value.
        if text.contains("\r\n") && text.matches('\n').count() != text.matches("\r\n").count() {
            return Err(short(
                "lines end differently: a text of several lines stands in it, and may be made to look like another value",
            ));
        }
        let mut found = Found { file, ..Found::default() };
        for (number, line) in (1..).zip(text.lines()) {
            if is_key(line) {
                found.key(line, Line::new(file, number, line))?.whole = normal(line) == root;
            } else if !line.trim().is_empty() {
                let wrong = || short(&format!("line {number} is neither a key nor a value as `reg query` prints them"));
                found.value(listed(file, number, line).filter(|_| !found.current.is_empty()).ok_or_else(wrong)?)?;
            }
            if number > LIMIT {
                return Err(Box::new(Diagnostic::whole(file, "the file has more lines than are read", None)));
            }
        }
        if found.keys.is_empty() {
            return Err(short("no key is listed in what `reg query` printed"));
        }
        self.merge(found, None)?;
        // `reg query` prints a key's own name only where it has values.
        let key = self.keys.entry(root.clone()).or_default();
        key.whole = true;
        key.line.get_or_insert_with(|| Line::new(file, 0, ""));
        self.scopes.push(Scope { root, deep: false, line: Line::new(file, 0, "") });
        Ok(())
    }

    /// Adds what one file says, where no other says otherwise; `deep` is the key that it holds whole with all beneath.
    fn merge(&mut self, found: Found<'_>, deep: Option<&str>) -> Result<(), Box<Diagnostic>> {
        let differ = |here: &Line, there: &Line| {
            let message = format!(
                "{} and {} say different things of the same, and which one holds is not known",
                there.quote(),
                here.quote()
            );
            let help = Some("Export both at the same time, or give only the one that counts.".to_owned());
            Err(Box::new(Diagnostic::whole(found.file, &message, help)))
        };
        let of = |key: &Key| key.line.clone().unwrap_or_else(|| Line::new(&key.name, 0, ""));
        for (name, new) in &found.keys {
            let Some(known) = self.keys.get(name) else {
                // What another file holds whole has no such key.
                let beside = self.scopes.iter().find(|scope| scope.deep && is_under(name, &scope.root));
                if let Some(scope) = beside {
                    return differ(&of(new), &scope.line);
                }
                continue;
            };
            for (one, other) in [(new, known), (known, new)] {
                for (value, said) in &one.values {
                    match other.values.get(value) {
                        Some(same) if same.data == said.data => {}
                        Some(other) => return differ(&said.line, &other.line),
                        None if other.whole => return differ(&said.line, &of(other)),
                        None => {}
                    }
                }
            }
        }
        if let Some(root) = deep {
            let gone = self.keys.iter().find(|(name, _)| is_under(name, root) && !found.keys.contains_key(*name));
            if let Some((_, gone)) = gone {
                return differ(&Line::new(found.file, 0, ""), &of(gone));
            }
        }
        for (name, new) in found.keys {
            let known = self.keys.entry(name).or_default();
            known.whole |= new.whole;
            if known.line.is_none() || !new.values.is_empty() || new.whole {
                known.line = new.line;
            }
            known.name = new.name;
            known.values.extend(new.values);
        }
        Ok(())
    }

    /// Notes that everything beneath `root` should be known and is not.
    pub fn add_missing(&mut self, root: &str, why: &str) {
        self.missing.push((normal(root), why.to_owned()));
    }

    /// What is known of `value` of `key`.
    pub fn value(&self, key: &str, value: &str) -> State<Data> {
        let wanted = normal(key);
        if let Some(known) = self.keys.get(&wanted) {
            if let Some(found) = known.values.get(&value.to_lowercase()) {
                return State::Value(found.data.clone(), found.line.clone());
            }
            if known.whole {
                let line = known.line.clone().unwrap_or_else(|| Line::new(key, 0, ""));
                return State::NotSet(line);
            }
        }
        match self.key(key) {
            State::Absent(line) => State::Absent(line),
            State::NotCollected(why) => State::NotCollected(why),
            State::Value(..) | State::NotSet(_) => {
                State::NotCollected(format!("the key {key} is there, and its values were not collected"))
            }
        }
    }

    /// Whether `key` exists.
    pub fn key(&self, key: &str) -> State<()> {
        let wanted = normal(key);
        if let Some(known) = self.keys.get(&wanted) {
            return State::Value((), known.line.clone().unwrap_or_else(|| Line::new(key, 0, "")));
        }
        for scope in &self.scopes {
            if scope.deep && is_under(&wanted, &scope.root) {
                return State::Absent(scope.line.clone());
            }
            // The listing names all subkeys: that on the way to the wanted key is not among them.
            if let Some(rest) = wanted.strip_prefix(&scope.root).and_then(|rest| rest.strip_prefix('\\')) {
                let child = rest.split('\\').next().unwrap_or(rest);
                if !self.keys.contains_key(&format!("{}\\{child}", scope.root)) {
                    return State::Absent(scope.line.clone());
                }
            }
        }
        let why = self.missing.iter().find(|(root, _)| is_under(&wanted, root)).map(|(_, why)| why.clone());
        State::NotCollected(why.unwrap_or_else(|| format!("nothing that was collected covers {key}")))
    }

    /// The names of the subkeys of `key` that are known, as they were written.
    pub fn subkeys(&self, key: &str) -> Vec<String> {
        let prefix = format!("{}\\", normal(key));
        let direct = self.keys.iter().filter(|(name, _)| {
            name.strip_prefix(&prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('\\'))
        });
        direct
            .filter_map(|(_, known)| Some(known.name.trim_end_matches('\\').rsplit_once('\\')?.1.to_owned()))
            .collect()
    }

    /// The names of `key` and of all beneath it that are known, in lower case.
    pub(super) fn beneath(&self, key: &str) -> impl Iterator<Item = String> {
        let root = normal(key);
        self.keys.keys().filter(move |name| is_under(name, &root)).cloned()
    }

    /// The users of whom something of their own hive is known, by SID, and the one who is signed in as `HKCU`.
    pub fn users(&self) -> BTreeSet<String> {
        let user = |name: &String| match name.split('\\').collect::<Vec<_>>().as_slice() {
            ["hkey_users", sid, ..] if !sid.ends_with("_classes") => Some(format!(r"HKU\{}", sid.to_uppercase())),
            ["hkey_current_user", _, ..] => Some("HKCU".to_owned()),
            _ => None,
        };
        self.keys.keys().filter_map(user).collect()
    }

    /// All values of `key` that are known.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.keys.get(&normal(key)).into_iter().flat_map(|known| known.values.values())
    }
}

/// What one file says, before it counts: Windows writes each key and each value once, whatever their case.
#[derive(Default)]
struct Found<'a> {
    file: &'a str,
    keys: BTreeMap<String, Key>,
    current: String,
}

impl Found<'_> {
    #[expect(clippy::unnecessary_box_returns, reason = "errors are boxed where they are made")]
    fn twice(&self, what: &str, first: &Line, second: &Line) -> Box<Diagnostic> {
        let message =
            format!("a {what} stands in it twice, in lines {} and {}: {}", first.number, second.number, second.text);
        Box::new(Diagnostic::whole(self.file, &message, Some("Collect it again.".to_owned())))
    }

    fn key(&mut self, name: &str, line: Line) -> Result<&mut Key, Box<Diagnostic>> {
        self.current = normal(name);
        if let Some(first) = self.keys.get(&self.current).and_then(|known| known.line.as_ref()) {
            return Err(self.twice("key", first, &line));
        }
        let key = self.keys.entry(self.current.clone()).or_default();
        name.clone_into(&mut key.name);
        key.line = Some(line);
        Ok(key)
    }

    fn value(&mut self, value: Value) -> Result<(), Box<Diagnostic>> {
        let name = value.name.to_lowercase();
        if let Some(first) = self.keys.get(&self.current).and_then(|key| key.values.get(&name)) {
            return Err(self.twice("value", &first.line, &value.line));
        }
        self.keys.entry(self.current.clone()).or_default().values.insert(name, value);
        Ok(())
    }
}

/// A number of hexadecimal digits only, and not too many of them: the standard library takes a sign too.
fn hexadecimal(digits: &str) -> Option<u32> {
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// A line such as `    Start    REG_DWORD    0x2`.
fn listed(file: &str, number: usize, line: &str) -> Option<Value> {
    let inner = line.strip_prefix("    ")?;
    let at = inner.find("    REG_")?;
    let (name, rest) = inner.split_at(at);
    let rest = rest.get(4..)?;
    let (kind, data) = rest.split_once("    ").unwrap_or((rest, ""));
    let data = match kind {
        "REG_DWORD" => Data::Dword(hexadecimal(data.strip_prefix("0x")?)?),
        _ => Data::Text(data.to_owned()),
    };
    Some(Value { name: name.to_owned(), data, line: Line::new(file, number, line) })
}

enum Entry {
    Key(String, Line),
    Value(Value),
}

/// Reads one export from top to bottom.
struct Export<'a> {
    file: &'a str,
    text: &'a str,
    at: usize,
}

impl Export<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[expect(clippy::unnecessary_box_returns, reason = "errors are boxed where they are made")]
    fn wrong(&self, message: &str) -> Box<Diagnostic> {
        let end = self.at + self.rest().find(['\r', '\n']).unwrap_or(self.rest().len());
        Box::new(Diagnostic::at(self.file, self.text, self.at..end, message, Some("Collect it again.".to_owned())))
    }

    /// The rest of the line, and the cursor behind it.
    fn line(&mut self) -> String {
        let rest = self.rest();
        let (line, length) =
            rest.find('\n').map_or((rest, rest.len()), |end| (rest.get(..end).unwrap_or_default(), end + 1));
        let line = line.trim_end_matches('\r').to_owned();
        self.at += length;
        line
    }

    fn read(mut self) -> Result<Vec<Entry>, Box<Diagnostic>> {
        if self.text.trim().is_empty() {
            return Err(self.wrong("the file is empty"));
        }
        let first = self.line();
        if first.trim() != HEADER && first.trim() != OLD_HEADER {
            self.at = 0;
            return Err(self.wrong(&format!("this is not an export of `reg export`, which begins with `{HEADER}`")));
        }
        let mut entries = Vec::new();
        let mut number = 2;
        let mut counted = self.at;
        while !self.rest().is_empty() {
            // Counted as we go: counting from the top each time would be quadratic.
            number += line_of(self.text.get(counted..self.at).unwrap_or_default(), usize::MAX) - 1;
            counted = self.at;
            let start = self.at;
            let first = self.rest().chars().next().unwrap_or('\n');
            match first {
                '[' => {
                    let line = self.line();
                    let name = line.strip_prefix('[').and_then(|rest| rest.trim_end().strip_suffix(']'));
                    let Some(name) = name.filter(|name| !name.is_empty()) else {
                        self.at = start;
                        return Err(self.wrong("a key without its closing bracket"));
                    };
                    if name.starts_with('-') {
                        self.at = start;
                        return Err(self.wrong("this file deletes a key: it is meant to be imported, and is no export"));
                    }
                    entries.push(Entry::Key(name.to_owned(), Line::new(self.file, number, &line)));
                }
                '"' | '@' if entries.is_empty() => return Err(self.wrong("a value before any key")),
                '"' | '@' => {
                    let name = if first == '@' {
                        self.at += 1;
                        String::new()
                    } else {
                        self.quoted()?
                    };
                    if !self.rest().starts_with('=') {
                        return Err(self.wrong("a value without `=`"));
                    }
                    self.at += 1;
                    let data = self.data()?;
                    let written = self.text.get(start..self.at).unwrap_or_default();
                    let shown = written.lines().next().unwrap_or_default();
                    let line = Line::new(self.file, number, shown);
                    entries.push(Entry::Value(Value { name, data, line }));
                }
                ';' | '\r' | '\n' => drop(self.line()),
                _ => return Err(self.wrong("neither a key nor a value")),
            }
            if entries.len() > LIMIT {
                return Err(self.wrong("the export has more keys and values than are read"));
            }
        }
        if !self.text.ends_with('\n') {
            return Err(self.wrong("the export does not end with a line end: it was cut off"));
        }
        Ok(entries)
    }

    /// A text in quotes, which may go over several lines.
    fn quoted(&mut self) -> Result<String, Box<Diagnostic>> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err(self.wrong("a text without its closing quote: the export was cut off"))
    }

    fn data(&mut self) -> Result<Data, Box<Diagnostic>> {
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            let after = self.line();
            return if after.trim().is_empty() {
                Ok(Data::Text(text))
            } else {
                Err(self.wrong("something after a text"))
            };
        }
        let start = self.at;
        let mut line = self.line();
        if let Some(digits) = line.strip_prefix("dword:") {
            let number = (digits.len() == 8).then(|| hexadecimal(digits)).flatten();
            return number.map(Data::Dword).ok_or_else(|| {
                self.at = start;
                self.wrong("`dword:` has eight hexadecimal digits")
            });
        }
        let broken = |export: &mut Self, message: &str| {
            export.at = start;
            Err(export.wrong(message))
        };
        let Some((kind, first)) = line.strip_prefix("hex").and_then(|rest| rest.split_once(':')) else {
            return broken(self, "neither a text nor `dword:` nor `hex:`");
        };
        let kind = match kind {
            "" => Some(3),
            kind => kind.strip_prefix('(').and_then(|kind| kind.strip_suffix(')')).and_then(hexadecimal),
        };
        let Some(kind) = kind else { return broken(self, "`hex(n):` has a number in its brackets") };
        let mut digits = first.to_owned();
        while let Some(kept) = digits.trim_end().strip_suffix('\\').map(|kept| kept.trim_end().len()) {
            // Cut in place: copying at each line would be quadratic.
            digits.truncate(kept);
            if self.rest().is_empty() {
                return broken(self, "the bytes go on in a line that is not there: the export was cut off");
            }
            line = self.line();
            digits.push_str(line.trim());
        }
        let digits = digits.trim();
        if digits.is_empty() {
            return Ok(Data::Bytes(kind, Vec::new()));
        }
        let bytes: Option<Vec<u8>> = digits
            .split(',')
            .map(|byte| (byte.trim().len() == 2).then(|| u8::try_from(hexadecimal(byte.trim())?).ok()).flatten())
            .collect();
        match bytes {
            Some(bytes) => Ok(Data::Bytes(kind, bytes)),
            None => broken(self, "bytes are pairs of hexadecimal digits with commas between"),
        }
    }
}

#[cfg(test)]
mod tests;
