//! Writing statements into their files: texts in, texts out. What a file holds already keeps its order and comments.

use super::Kind;
use crate::model::statement::{About, Attestation, Waiver};
use jiff::civil::Date;
use std::fmt::Write as _;
use toml_edit::{DocumentMut, Item, TomlError, Value};

/// What a new file begins with.
const HEAD: [(Kind, &str); 2] = [
    (Kind::Attestations, "# What people attest of the targets beside this file: see `portreeve attest --help`.\n"),
    (Kind::Waivers, "# Failures that are accepted for a time: see `portreeve waive --help`.\n"),
];

/// A statement as it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    kind: Kind,
    values: Vec<(&'static str, Value)>,
}

/// The keys that say what a statement is about: a renewal leaves them as they are.
const ABOUT: [&str; 5] = ["client", "target", "guide", "item", "rule"];

/// Keys that a renewal takes away where the new statement does not have them.
const OPTIONAL: [&str; 2] = ["valid_for", "reference"];

impl Entry {
    /// An attestation of `about` on a target.
    pub fn attestation(client: Option<&str>, target: &str, about: &About, said: &Attestation) -> Self {
        let mut entry = Self::new(Kind::Attestations, client, target, about);
        entry.add("by", &said.by);
        entry.add_day("on", said.on);
        entry.add("seen", &said.seen);
        entry.add_day("until", said.until);
        entry.add_some("reference", said.reference.as_deref());
        entry
    }

    /// A waiver of `about` on a target.
    pub fn waiver(client: Option<&str>, target: &str, about: &About, said: &Waiver) -> Self {
        let mut entry = Self::new(Kind::Waivers, client, target, about);
        entry.add("why", &said.why);
        entry.add("approved_by", &said.approved_by);
        entry.add_day("on", said.on);
        entry.add_day("until", said.until);
        entry.add("risk", &said.risk.to_string());
        entry.add("risk_words", &said.risk_words);
        entry.add_some("reference", said.reference.as_deref());
        entry
    }

    fn new(kind: Kind, client: Option<&str>, target: &str, about: &About) -> Self {
        let mut entry = Self { kind, values: Vec::new() };
        entry.add_some("client", client);
        entry.add("target", target);
        match about {
            About::Item { item, .. } => entry.add("item", item),
            About::Rule(rule) => entry.add("rule", rule),
        }
        entry
    }

    fn add(&mut self, key: &'static str, text: &str) {
        self.values.push((key, Value::from(text)));
    }

    fn add_some(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.add(key, text);
        }
    }

    /// Days are TOML's own dates.
    fn add_day(&mut self, key: &'static str, day: Date) {
        let day = day.to_string();
        self.values.push((key, day.parse::<toml_edit::Datetime>().map_or_else(|_| Value::from(day), Value::from)));
    }

    /// The entry as a table of its own.
    pub fn text(&self) -> String {
        let mut text = format!("[[{}]]\n", self.kind.key());
        for (key, value) in &self.values {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }

    /// `text` with the entry at its end, and nothing else changed; the text of a new file where there was none.
    pub fn append_to(&self, text: Option<&str>) -> String {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            let head = HEAD.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, head)| head);
            return format!("{head}\n{}", self.text());
        };
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut whole = text.to_owned();
        if !whole.ends_with('\n') {
            whole.push_str(end);
        }
        whole.push_str(end);
        whole.push_str(&self.text().replace('\n', end));
        whole
    }

    /// `text` with the entry's values in place of those of the statement at `index`, among those of its kind from 0; the
    /// comments stay.
    pub fn renew_in(&self, text: &str, index: usize) -> Result<String, TomlError> {
        let mut document: DocumentMut = text.parse()?;
        let tables = document.get_mut(self.kind.key()).and_then(Item::as_array_of_tables_mut);
        if let Some(table) = tables.and_then(|tables| tables.get_mut(index)) {
            for key in OPTIONAL.iter().filter(|key| !self.values.iter().any(|(known, _)| known == *key)) {
                table.remove(key);
            }
            for (key, value) in self.values.iter().filter(|(key, _)| !ABOUT.contains(key)) {
                let mut value = value.clone();
                // What stands around the old value and before its key stays.
                match table.get_mut(key) {
                    Some(old) => {
                        if let Some(old) = old.as_value() {
                            *value.decor_mut() = old.decor().clone();
                        }
                        *old = Item::Value(value);
                    }
                    None => drop(table.insert(key, Item::Value(value))),
                }
            }
        }
        let written = document.to_string();
        Ok(if text.contains("\r\n") { written.replace("\r\n", "\n").replace('\n', "\r\n") } else { written })
    }
}

/// Whether a line is taken away or added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is no longer there.
    Removed,
    /// It is new.
    Added,
}

/// The lines in which two texts differ: all between the lines that both begin with and the lines that both end with.
pub fn difference<'a>(before: &'a str, after: &'a str) -> Vec<(Change, &'a str)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let first = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(first..).unwrap_or_default(), new.get(first..).unwrap_or_default());
    let last = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let removed = old.iter().take(old.len() - last).map(|line| (Change::Removed, *line));
    let added = new.iter().take(new.len() - last).map(|line| (Change::Added, *line));
    removed.chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Severity;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn waiver() -> Entry {
        let said = Waiver {
            why: "The vendor's agent still needs it.\nUntil its next release.".to_owned(),
            approved_by: "Kim \"KL\" Lee".to_owned(),
            on: date(2026, 11, 1),
            until: date(2027, 1, 31),
            risk: Severity::Medium,
            risk_words: "Sessions could be read.".to_owned(),
            reference: Some("CHG-1".to_owned()),
        };
        Entry::waiver(Some("Acme"), "rmm", &About::Rule("deny tcp/3389".to_owned()), &said)
    }

    #[test]
    fn an_entry_is_added_at_the_end_and_nothing_else_changes() {
        let before = "# head\n\n[[waiver]]   # first\ntarget = 'a'\n# the end";
        let after = waiver().append_to(Some(before));
        assert!(
            after.starts_with(&format!("{before}\n\n[[waiver]]\nclient = \"Acme\"\ntarget = \"rmm\"\nrule = ")),
            "{after}"
        );
        assert!(after.contains("on = 2026-11-01\nuntil = 2027-01-31\nrisk = \"medium\"\n"), "{after}");
        assert!(after.parse::<DocumentMut>().is_ok(), "{after}");
        let windows = waiver().append_to(Some("# head\r\n"));
        assert!(windows.parse::<DocumentMut>().is_ok() && !windows.replace("\r\n", "").contains('\n'), "{windows:?}");
        assert!(waiver().append_to(None).starts_with("# Failures that are accepted"));
    }

    #[test]
    fn a_renewal_changes_the_values_and_leaves_comments_and_order() {
        let before = "# head\n[[waiver]]\ntarget = 'x' # x\n\n# second\n[[waiver]]\nuntil = '2026-12-01' # asked Kim\n# why\nwhy = 'w'\nvalid_for = '1d'\ntarget = 'rmm'\n# end\n";
        let after = waiver().renew_in(before, 1).unwrap();
        let begin = "# head\n[[waiver]]\ntarget = 'x' # x\n\n# second\n[[waiver]]\nuntil = 2027-01-31 # asked Kim\n# why\nwhy = ";
        assert!(after.starts_with(begin) && after.ends_with("# end\n"), "{after}");
        assert!(after.contains("target = 'rmm'\n") && !after.contains("valid_for"), "{after}");
        let lines = difference(before, &after);
        assert_eq!(lines[0], (Change::Removed, "until = '2026-12-01' # asked Kim"));
        assert!(lines.contains(&(Change::Added, "until = 2027-01-31 # asked Kim")));
        assert!(!lines.iter().any(|(_, line)| line.contains("# head") || line.contains("# end")));
    }

    proptest! {
        #[test]
        fn any_text_is_written_so_that_it_is_read_again(seen in "\\PC{0,60}|[\\x20-\\x7e\n\t\"'\\\\]{0,60}") {
            let said = Attestation {
                by: seen.clone(), on: date(2026, 1, 1), seen: seen.clone(), until: date(2026, 2, 1), reference: None,
            };
            let about = About::Item { guide: "g".to_owned(), item: seen.clone() };
            let text = Entry::attestation(None, &seen, &about, &said).append_to(None);
            let read: toml::Table = toml::from_str(&text).unwrap();
            let entry = &read["attestation"][0];
            for key in ["by", "seen", "item", "target"] {
                prop_assert_eq!(entry[key].as_str(), Some(seen.as_str()), "{}", &text);
            }
        }
    }
}
