//! Security policies as `secedit /export` writes them: INF files.

use super::{Collected, Line, State};
use crate::catalog::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// The section of the user rights.
pub const RIGHTS: &str = "Privilege Rights";
/// The section of passwords and accounts.
pub const ACCESS: &str = "System Access";
/// The section of registry values.
pub const VALUES: &str = "Registry Values";

/// The first section that secedit writes.
const FIRST: &str = "Unicode";

/// A whole export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    file: String,
    sections: BTreeMap<String, Section>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    number: usize,
    entries: BTreeMap<String, (String, Line)>,
}

/// Reads an export. One that does not end with `[Version]` is no whole export, for secedit writes that section last; a template
/// may begin with it, and tells nothing of where it ends.
pub fn read(file: &str, text: &str) -> Result<Policy, Box<Diagnostic>> {
    let again = || Some("Collect it again, from an elevated prompt.".to_owned());
    if text.trim().is_empty() {
        return Err(Box::new(Diagnostic::whole(file, "the file is empty", again())));
    }
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        let wrong = |message: &str| Box::new(Diagnostic::at(file, text, span.clone(), message, again()));
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| wrong("a section without its closing bracket"))?;
            let section = Section { number, ..Section::default() };
            if sections.is_empty() && !name.eq_ignore_ascii_case(FIRST) {
                return Err(wrong("secedit begins with [Unicode]: this is a template, or the beginning is missing"));
            }
            if sections.insert(name.to_lowercase(), section).is_some() {
                return Err(wrong("a section stands here twice, and secedit writes each once"));
            }
            current = Some(name.to_lowercase());
            continue;
        }
        let Some(section) = current.as_ref().and_then(|name| sections.get_mut(name)) else {
            return Err(wrong("something stands before the first section"));
        };
        let known = current
            .as_deref()
            .is_some_and(|name| [RIGHTS, ACCESS, VALUES].iter().any(|known| known.eq_ignore_ascii_case(name)));
        match line.split_once('=') {
            Some((key, value)) => {
                let blank = [' ', '\t'];
                let (key, value) = (key.trim_matches(blank), value.trim_matches(blank));
                // A name that only looks like that of a right is none.
                let rights = current.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(RIGHTS));
                if rights && !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(wrong("the name of a right has letters only"));
                }
                let value = (value.to_owned(), Line::new(file, number, line));
                if section.entries.insert(key.to_lowercase(), value).is_some() {
                    return Err(wrong("a setting stands here twice, and secedit writes each once"));
                }
            }
            None if known => return Err(wrong("a setting without `=`")),
            None => {}
        }
    }
    if current.as_deref() != Some("version") {
        let message = if sections.contains_key("version") {
            "[Version] is not the last section, as secedit writes it: this is a template, or not a whole export"
        } else {
            "there is no section [Version], which secedit writes last: this is not a whole export"
        };
        return Err(Box::new(Diagnostic::whole(file, message, again())));
    }
    if !text.ends_with('\n') {
        let message = "the export does not end with a line end: it was cut off";
        return Err(Box::new(Diagnostic::at(file, text, at..at, message, again())));
    }
    Ok(Policy { file: file.to_owned(), sections })
}

impl Policy {
    /// What is known of a setting of a section.
    pub fn value(&self, section: &str, key: &str) -> State<String> {
        let Some(found) = self.sections.get(&section.to_lowercase()) else {
            return State::NotCollected(format!("{} has no section [{section}]", self.file));
        };
        match found.entries.get(&key.to_lowercase()) {
            Some((value, line)) => State::Value(value.clone(), line.clone()),
            None => State::NotSet(Line::new(&self.file, found.number, &format!("[{section}] without {key}"))),
        }
    }

    /// Who holds a user right: SIDs without their `*`, and names as they are written.
    ///
    /// Only a section that has other rights can show that nobody holds this one: every Windows grants some, so an empty section
    /// is a failed export.
    pub fn right(&self, right: &str) -> Collected<(Vec<String>, Line)> {
        let Some(section) = self.sections.get(&RIGHTS.to_lowercase()) else {
            return Err(format!("{} has no section [{RIGHTS}]", self.file));
        };
        let others =
            section.entries.iter().filter(|(key, (value, _))| **key != right.to_lowercase() && !value.is_empty());
        if others.count() < 3 {
            return Err(format!(
                "{} lists fewer than three other rights under [{RIGHTS}], and every Windows grants more: the export failed",
                self.file
            ));
        }
        Ok(match section.entries.get(&right.to_lowercase()) {
            Some((value, line)) => {
                let holders = value.split(',').map(|holder| holder.trim().trim_start_matches('*').to_owned());
                (holders.filter(|holder| !holder.is_empty()).collect(), line.clone())
            }
            None => (Vec::new(), Line::new(&self.file, section.number, &format!("[{RIGHTS}] without {right}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "[Unicode]\r\nUnicode=yes\r\n[System Access]\r\nMinimumPasswordLength = 12\r\n[Registry Values]\r\n\
        MACHINE\\System\\CurrentControlSet\\Control\\Lsa\\RestrictAnonymous=4,1\r\n[Privilege Rights]\r\n\
        SeNetworkLogonRight = *S-1-1-0,*S-1-5-32-544,Gäste\r\nSeBatchLogonRight = *S-1-5-32-544\r\nSeBackupPrivilege = *S-1-5-32-551\r\n\
        SeDebugPrivilege = *S-1-5-32-544\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n";

    #[test]
    fn an_export_is_read_with_its_lines() {
        let policy = read("local.inf", TEXT).unwrap();
        let (holders, line) = policy.right("SeNetworkLogonRight").unwrap();
        assert_eq!(holders, ["S-1-1-0", "S-1-5-32-544", "Gäste"]);
        assert_eq!(line.number, 8);
        let value = policy.value(VALUES, r"machine\system\currentcontrolset\control\lsa\restrictanonymous");
        assert_eq!(value.value().map(String::as_str), Some("4,1"));
        assert!(matches!(policy.value("Kerberos Policy", "x"), State::NotCollected(_)));
    }

    #[test]
    fn nobody_is_said_only_beside_other_rights() {
        let (nobody, line) = read("local.inf", TEXT).unwrap().right("SeTcbPrivilege").unwrap();
        assert!(nobody.is_empty());
        assert_eq!(line.quote(), "local.inf:7: [Privilege Rights] without SeTcbPrivilege");
        for text in [
            "[Unicode]\r\n[Version]\r\n",
            "[Unicode]\r\n[Privilege Rights]\r\n[Version]\r\n",
            "[Unicode]\r\n[Privilege Rights]\r\nSeTcbPrivilege =\r\n[Version]\r\n",
        ] {
            assert!(read("x.inf", text).unwrap().right("SeTcbPrivilege").is_err(), "{text}");
        }
        let template = TEXT.replace("SeDebug", "SeTcbPrivilege =\r\nSeDebug");
        assert_eq!(read("x.inf", &template).unwrap().right("SeTcbPrivilege").unwrap().0, Vec::<String>::new());
    }

    /// Which of two counts nobody knows.
    #[test]
    fn what_stands_twice_or_only_looks_like_a_name_is_an_error() {
        let error = |from: &str, to: &str| {
            let changed = TEXT.replacen(from, to, 1);
            assert_ne!(changed, TEXT);
            read("x.inf", &changed).unwrap_err().to_string()
        };
        let version = "[Version]\r\n";
        assert!(error(version, "SEDEBUGPRIVILEGE = *S-1-1-0\r\n[Version]\r\n").contains("twice"));
        assert!(error(version, "[privilege rights]\r\nSeTcbPrivilege = *S-1-1-0\r\n[Version]\r\n").contains("twice"));
        assert!(read("x.inf", &TEXT.repeat(2)).unwrap_err().to_string().contains("twice"), "two exports in one");
        assert!(error("[Unicode]\r\nUnicode=yes\r\n", "").contains("begins with"));
        for name in ["SeTcbPrivilege\u{a0}", "\u{ff33}eTcbPrivilege", "\u{200b}SeTcbPrivilege", "SeTcb Privilege"] {
            assert!(error(version, &format!("{name} = *S-1-1-0\r\n{version}")).contains("letters"), "{name}");
        }
    }

    #[test]
    fn what_is_no_whole_export_is_an_error() {
        for text in ["", "\r\n", "x=1\r\n", "[Privilege Rights\r\n", "[Privilege Rights]\r\nSeTcb\r\n[Version]\r\n"] {
            assert!(read("x.inf", text).is_err(), "{text:?}");
        }
        let cut = TEXT.split("[Version]").next().unwrap();
        assert!(read("x.inf", cut).unwrap_err().to_string().contains("not a whole export"));
        let template = cut.replacen("[System", "[Version]\r\nsignature=\"$CHICAGO$\"\r\n[System", 1);
        assert!(read("x.inf", &template).unwrap_err().to_string().contains("not a whole export"));
    }

    proptest! {
        #[test]
        fn a_cut_export_is_never_read(cut in 0..TEXT.len()) {
            if let Some(part) = TEXT.get(..cut) && !part.contains("[Version]") {
                prop_assert!(read("x.inf", part).is_err());
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]=a-c*,;\r\n]{0,60}") {
            if let Ok(policy) = read("x", &text) {
                let _ = policy.right("a");
            }
        }
    }
}
