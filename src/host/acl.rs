//! Access lists: SDDL ([MS-DTYP] 2.5.1.1), and the files of `icacls /save`, which hold it.

use super::{Line, sids};
use crate::catalog::diagnostic::Diagnostic;

/// The most entries of one list; Windows' own lists have 64 KiB.
const LIMIT: usize = 4096;

/// Read, write, execute and delete, as `modify` of icacls grants them.
pub const MODIFY: u32 = 0x0013_01bf;

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grants rights.
    Allow,
    /// It takes them.
    Deny,
    /// Another: audits, labels.
    Other(String),
}

/// An entry of an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it does.
    pub kind: Kind,
    /// It holds for what is beneath only.
    pub inherit_only: bool,
    /// It was inherited.
    pub inherited: bool,
    /// The rights, as a mask.
    pub rights: u32,
    /// Whom it is about: a SID, or the alias of a domain's group.
    pub sid: String,
    /// It holds only under a condition.
    pub conditional: bool,
}

/// The access list of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The entries; `None` is a null list, which lets everyone do everything.
    pub entries: Option<Vec<Entry>>,
}

/// Two-letter rights, generic and of files ([MS-DTYP] 2.5.1.1).
const RIGHTS: [(&str, u32); 26] = [
    ("GA", 0x1000_0000),
    ("GX", 0x2000_0000),
    ("GW", 0x4000_0000),
    ("GR", 0x8000_0000),
    ("FA", 0x001f_01ff),
    ("FR", 0x0012_0089),
    ("FW", 0x0012_0116),
    ("FX", 0x0012_00a0),
    ("KA", 0x000f_003f),
    ("KR", 0x0002_0019),
    ("KW", 0x0002_0006),
    ("KX", 0x0002_0019),
    ("RC", 0x0002_0000),
    ("SD", 0x0001_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("CC", 0x1),
    ("DC", 0x2),
    ("LC", 0x4),
    ("SW", 0x8),
    ("RP", 0x10),
    ("WP", 0x20),
    ("DT", 0x40),
    ("LO", 0x80),
    ("CR", 0x100),
    ("SY", 0x0010_0000),
];

/// Reads an access list written in SDDL; what is wrong with it, and at which byte.
pub fn read(sddl: &str) -> Result<Acl, (usize, String)> {
    let mut at = 0;
    let mut acl = None;
    while at < sddl.len() {
        let rest = sddl.get(at..).unwrap_or_default();
        let mut letters = rest.chars();
        let part = (letters.next(), letters.next());
        let (Some(part @ ('O' | 'G' | 'D' | 'S')), Some(':')) = part else {
            return Err((at, "a security descriptor has the parts O:, G:, D: and S:".to_owned()));
        };
        let body = rest.get(2..).unwrap_or_default();
        let length = length_of(body).map_err(|message| (at, message))?;
        if part == 'D' {
            let body = body.get(..length).unwrap_or_default();
            acl = Some(list(body).map_err(|(offset, message)| (at + 2 + offset, message))?);
        }
        at += 2 + length;
    }
    acl.ok_or_else(|| (0, "there is no access list (D:) in it".to_owned()))
}

/// How long a part is: up to the next part outside of brackets.
fn length_of(body: &str) -> Result<usize, String> {
    let mut depth = 0_usize;
    let bytes = body.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or("a bracket is closed that was not opened")?,
            b'O' | b'G' | b'D' | b'S' if depth == 0 && bytes.get(at + 1) == Some(&b':') => return Ok(at),
            _ => {}
        }
    }
    if depth > 0 { Err("a bracket is not closed: it was cut off".to_owned()) } else { Ok(body.len()) }
}

fn list(body: &str) -> Result<Acl, (usize, String)> {
    if body.contains("NO_ACCESS_CONTROL") {
        return Ok(Acl { entries: None });
    }
    let start = body.find('(').unwrap_or(body.len());
    let flags = body.get(..start).unwrap_or_default();
    if !flags.bytes().all(|byte| matches!(byte, b'P' | b'A' | b'I' | b'R')) {
        return Err((0, format!("`{flags}` are no flags of an access list")));
    }
    let mut entries = Vec::new();
    let mut at = start;
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let mut depth = 0_usize;
        let end = rest.bytes().position(|byte| {
            depth = match byte {
                b'(' => depth + 1,
                b')' => depth.saturating_sub(1),
                _ => depth,
            };
            depth == 0
        });
        let Some(end) = end.filter(|end| *end > 0) else { return Err((at, "an entry stands in brackets".to_owned())) };
        let inner = rest.get(1..end).unwrap_or_default();
        entries.push(entry(inner).map_err(|message| (at, message))?);
        if entries.len() > LIMIT {
            return Err((at, "more entries than an access list can have".to_owned()));
        }
        at += end + 1;
    }
    Ok(Acl { entries: Some(entries) })
}

fn entry(text: &str) -> Result<Entry, String> {
    let fields: Vec<&str> = text.splitn(7, ';').collect();
    let [kind, flags, rights, _, _, sid, ..] = fields.as_slice() else {
        return Err(format!("an entry has six fields, `{text}` has {}", fields.len()));
    };
    let kind = match kind.trim() {
        "A" | "OA" | "XA" | "ZA" => Kind::Allow,
        "D" | "OD" | "XD" => Kind::Deny,
        other => Kind::Other(other.to_owned()),
    };
    let pairs: Option<Vec<&str>> = flags.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok()).collect();
    let pairs = pairs.ok_or_else(|| format!("`{flags}` are no flags of an entry"))?;
    if sid.is_empty() {
        return Err(format!("`{text}` says not whom it is about"));
    }
    Ok(Entry {
        kind,
        inherit_only: pairs.contains(&"IO"),
        inherited: pairs.contains(&"ID"),
        rights: mask(rights.trim()).ok_or_else(|| format!("`{rights}` are no rights"))?,
        sid: if sids::is_sid(sid) { (*sid).to_owned() } else { sids::of_alias(sid) },
        conditional: fields.len() == 7,
    })
}

fn mask(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return if text.is_empty() { Some(0) } else { text.parse().ok() };
    }
    text.as_bytes().chunks(2).try_fold(0, |mask, pair| {
        let (_, right) = RIGHTS.iter().find(|(name, _)| name.as_bytes() == pair)?;
        Some(mask | right)
    })
}

impl Entry {
    /// The entry in words; `pools` are the host's application pools.
    pub fn describe(&self, pools: &[String]) -> String {
        let kind = match &self.kind {
            Kind::Allow => "allow",
            Kind::Deny => "deny",
            Kind::Other(other) => other,
        };
        let when = if self.conditional { ", under a condition" } else { "" };
        let beneath = if self.inherit_only { ", for what is beneath only" } else { "" };
        format!("{kind} 0x{:x} to {}{beneath}{when}", self.rights, sids::name(&self.sid, pools))
    }
}

/// Reads what `icacls /save` wrote: names and access lists in turn. A file that ends behind a whole list may be short all the
/// same, which only the manifest tells.
pub fn read_saved(file: &str, text: &str) -> Result<Vec<(String, Acl, Line)>, Box<Diagnostic>> {
    let again = || Some("Collect it again.".to_owned());
    let mut found = Vec::new();
    let mut at = 0;
    let mut name: Option<&str> = None;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let trimmed = line.trim_end_matches(['\r', '\n']);
        match name.take() {
            None if trimmed.is_empty() => {}
            None => name = Some(trimmed),
            Some(name) => {
                let acl = read(trimmed).map_err(|(offset, message)| {
                    let span = start + offset..start + trimmed.len().max(offset);
                    Box::new(Diagnostic::at(file, text, span, &message, again()))
                })?;
                found.push((name.to_owned(), acl, Line::new(file, number, trimmed)));
            }
        }
    }
    if name.is_some() || !text.is_empty() && !text.ends_with('\n') {
        let message = "a name without its access list, or a list without its line end: the file was cut off";
        return Err(Box::new(Diagnostic::at(file, text, at..at, message, again())));
    }
    if found.is_empty() {
        return Err(Box::new(Diagnostic::whole(file, "there is no access list in it", again())));
    }
    Ok(found)
}

/// The most things below a folder that the collector looks at; it stops with the next one.
const LOOKED_AT: u64 = 20_000;

/// What stands below a folder, at any depth: each access list once, with the first that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// The folder.
    pub folder: String,
    /// The lists, each with the path below the folder of the first that has it.
    pub lists: Vec<(String, Acl, Line)>,
    /// Files and folders that were looked at.
    pub looked: u64,
    /// There are more than that.
    pub more: bool,
    /// Those that could not be read, and whatever is below them.
    pub unread: u64,
}

/// Reads `[folder] PATH`, lines `PATH|SDDL`, `[looked] N`, `[unread] N`, `[complete]`.
pub fn read_below(file: &str, text: &str) -> Result<Below, Box<Diagnostic>> {
    let again = || Some("Collect it again.".to_owned());
    let broken = |message: &str| Box::new(Diagnostic::whole(file, message, again()));
    if text.lines().next_back().is_none_or(|last| last.trim() != "[complete]") || !text.ends_with('\n') {
        return Err(broken("the last line, `[complete]`, is missing: the command broke off"));
    }
    let (mut folder, mut looked, mut unread) = (None, None, None);
    let mut lists = Vec::new();
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        if let Some((path, sddl)) = line.rsplit_once('|') {
            let acl = read(sddl).map_err(|(offset, message)| {
                let from = start + path.len() + 1 + offset;
                Box::new(Diagnostic::at(file, text, from..(start + line.len()).max(from), &message, again()))
            })?;
            lists.push((path.trim_start_matches('\\').to_owned(), acl, Line::new(file, number, line)));
        } else if let Some(path) = line.strip_prefix("[folder] ") {
            folder = Some(path.to_owned());
        } else if let Some(count) = line.strip_prefix("[looked] ") {
            looked = count.parse::<u64>().ok();
        } else if let Some(count) = line.strip_prefix("[unread] ") {
            unread = count.parse::<u64>().ok();
        }
    }
    let (Some(folder), Some(looked), Some(unread)) = (folder, looked, unread) else {
        return Err(broken("the folder, or how much below it was looked at and could not be read, is missing"));
    };
    if looked > unread && lists.is_empty() {
        return Err(broken("there are things below the folder, and no access list of any"));
    }
    Ok(Below { folder, lists, looked: looked.min(LOOKED_AT), more: looked > LOOKED_AT, unread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_read() {
        let acl = read(
            "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICIIO;0x1301bf;;;WD)(D;;GA;;;S-1-5-7)(XA;ID;FR;;;BU;(@User.x==1))S:AI(AU;SA;FA;;;WD)",
        );
        let entries = acl.unwrap().entries.unwrap();
        assert_eq!(entries.len(), 4);
        assert_eq!(
            (entries[0].sid.as_str(), entries[0].rights, &entries[0].kind),
            (sids::SYSTEM, 0x001f_01ff, &Kind::Allow)
        );
        assert!(entries[1].inherit_only && entries[1].sid == sids::EVERYONE && entries[1].rights == MODIFY);
        assert_eq!(entries[2].kind, Kind::Deny);
        assert!(entries[3].inherited && entries[3].conditional);
        assert_eq!(read("D:NO_ACCESS_CONTROL").unwrap().entries, None);
        assert_eq!(read("D:P").unwrap().entries, Some(Vec::new()));
    }

    #[test]
    fn a_list_that_is_none_is_an_error_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("O:BA", 0),
            ("X:", 0),
            ("D:(A;;FA;;;WD", 0),
            ("D:(A;;FA;;WD)", 2),
            ("D:(A;;QQ;;;WD)", 2),
            ("D:Q", 2),
        ] {
            assert_eq!(read(text).unwrap_err().0, at, "{text}");
        }
        let saved = "LTShare\r\nD:(A;;FA;;;SY)\r\nLTShare\\a\r\nD:(A;;XY;;;SY)\r\n";
        assert!(read_saved("l.acl", saved).unwrap_err().to_string().starts_with("l.acl:4:3:"));
        assert!(read_saved("l.acl", "LTShare\r\nD:(A;;FA;;;SY)\r\nLTShare\\a\r\n").is_err());
        assert!(read_saved("l.acl", "").is_err());
        assert!(read_saved("l.acl", "LTShare\r\nD:(A;;FA;;;SY)").is_err(), "more entries may follow");
    }

    #[test]
    fn what_is_below_says_how_much_of_it_was_seen() {
        let text = "[folder] D:\\LTShare\r\n\\a b\\c|D:AI(A;ID;FA;;;SY)\r\n[looked] 7\r\n[unread] 0\r\n[complete]\r\n";
        let found = read_below("b.txt", text).unwrap();
        assert_eq!((found.folder.as_str(), found.looked, found.more, found.unread), ("D:\\LTShare", 7, false, 0));
        assert_eq!((found.lists[0].0.as_str(), found.lists[0].2.number), ("a b\\c", 2));
        let many = read_below("b.txt", &text.replace("[looked] 7", "[looked] 20001")).unwrap();
        assert!(many.more && many.looked == 20_000);
        for (from, to) in [
            ("[complete]\r\n", ""),
            ("[looked] 7\r\n", ""),
            ("[unread] 0", "[unread] x"),
            ("[folder] D:\\LTShare\r\n", ""),
            ("FA;;;SY)", "FA;;;SY"),
            ("\\a b\\c|D:AI(A;ID;FA;;;SY)\r\n", ""),
        ] {
            assert!(read_below("b.txt", &text.replace(from, to)).is_err(), "{from}");
        }
        let empty = "[folder] D:\\x\r\n[looked] 0\r\n[unread] 0\r\n[complete]\r\n";
        assert!(read_below("b.txt", empty).unwrap().lists.is_empty());
        let error = read_below("b.txt", &text.replace("SY)", "SY)x")).unwrap_err().to_string();
        assert!(error.starts_with("b.txt:2:"), "{error}");
    }

    proptest! {
        #[test]
        fn any_account_of_what_is_below_is_read_without_panic(text in "(\\[folder\\] |\\[looked\\] |\\[unread\\] |[|\\\\D:()é0-9\r\n])*") {
            let _ = read_below("any", &(text + "\n[complete]\n"));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[OGDS:();APIR0-9xWéD\r\n]{0,60}") {
            let _ = read(&text);
            let _ = read_saved("any", &text);
        }
    }
}
