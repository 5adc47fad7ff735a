//! Attestations and waivers as an inventory's folder keeps them: `attestations.toml` and `waivers.toml`, reviewed like code.
//!
//! A statement that cannot be meant (an unknown target, item or rule, a day that cannot be read or is yet to come, an end
//! that is missing or too far away, the same thing stated twice) is a mistake, and nothing is scanned. That its last day is
//! over is no mistake: it stops counting, and stays where it is seen.

mod about;
mod days;
pub mod edit;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::guide::{Guide, SEVERITIES};
use super::inventory::{ATTESTATIONS, Named, WAIVERS, read_text, shown};
use super::toml_file::Reader;
use crate::model::statement::{About, Attestation, LONGEST_DAYS, Statements, Waiver};
use crate::model::target::Target;
use about::{Subject, Whose};
use days::{RawDay, Span};
pub use days::{day_called, is_future, length, parse_day, today};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;

/// The longest name of a person, and the longest reference, in characters.
const NAME_LIMIT: usize = 200;

/// The longest text that says what was seen, why, or what may happen, in characters.
const TEXT_LIMIT: usize = 2000;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Attestations.
    Attestations,
    /// Waivers.
    Waivers,
}

impl Kind {
    /// The file beside an inventory.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Attestations => ATTESTATIONS,
            Self::Waivers => WAIVERS,
        }
    }

    /// The key of each statement in it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Attestations => "attestation",
            Self::Waivers => "waiver",
        }
    }
}

/// Which targets there are.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Those of an inventory, and of others beside it that are not read.
    Inventory(&'a [Named]),
    /// Servers of the command line, which have no clients. A file may be about more servers than those of one scan.
    Hosts,
}

/// What statements may be about.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The targets, also those that are not scanned this time.
    pub targets: &'a [Target],
    /// Where they come from.
    pub scope: Scope<'a>,
    /// Every guide, also those that are not used this time.
    pub guides: &'a [Guide],
    /// The time now.
    pub now: Timestamp,
}

/// A statement, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<T> {
    /// The target's client.
    pub client: String,
    /// The target's name.
    pub target: String,
    /// The item or rule.
    pub about: About,
    /// What it says.
    pub content: T,
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Its place among those of its kind in the file, from 0.
    pub index: usize,
    /// Whether the target is one of those that were given, or of another inventory, or another server.
    pub known: bool,
}

impl<T> Statement<T> {
    /// `client/name` of the target.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.target)
    }

    /// Whether it is about this target, one of those that were given.
    pub fn is_about(&self, target: &Target) -> bool {
        self.known && self.client == target.client && self.target == target.name
    }
}

/// What files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The attestations, in the order of the files.
    pub attestations: Vec<Statement<Attestation>>,
    /// The waivers.
    pub waivers: Vec<Statement<Waiver>>,
    /// Where each thing was stated, to name both places of a duplicate.
    places: BTreeMap<(Kind, String, String, About), String>,
}

impl Read {
    /// Those about `target`, as they are read at `now`.
    pub fn about(&self, target: &Target, now: Timestamp) -> Statements {
        fn of<T: Clone>(all: &[Statement<T>], target: &Target) -> Vec<(About, T)> {
            let mine = all.iter().filter(|one| one.is_about(target));
            mine.map(|one| (one.about.clone(), one.content.clone())).collect()
        }
        Statements {
            attestations: of(&self.attestations, target),
            waivers: of(&self.waivers, target),
            today: Some(today(now)),
        }
    }

    /// Adds what the text of a file says.
    pub fn add(&mut self, kind: Kind, file: &str, text: &str, known: Known<'_>) -> Result<(), Diagnostics> {
        let reader = Reader::new(file, text);
        match kind {
            Kind::Attestations => {
                let raw: RawAttestations = reader.parse()?;
                let read = |reader: &mut Reader<'_>, raw| read_attestation(reader, raw, known);
                self.add_all(reader, kind, raw.attestation, read, |all| &mut all.attestations)
            }
            Kind::Waivers => {
                let raw: RawWaivers = reader.parse()?;
                let read = |reader: &mut Reader<'_>, raw| read_waiver(reader, raw, known);
                self.add_all(reader, kind, raw.waiver, read, |all| &mut all.waivers)
            }
        }
    }

    fn add_all<R, T>(
        &mut self,
        mut reader: Reader<'_>,
        kind: Kind,
        raw: Vec<R>,
        read: impl Fn(&mut Reader<'_>, R) -> Option<One<T>>,
        list: impl Fn(&mut Self) -> &mut Vec<Statement<T>>,
    ) -> Result<(), Diagnostics> {
        let mut fresh = Vec::new();
        // The line and the byte that were last counted to: a file may hold thousands of statements.
        let (mut line, mut counted) = (1, 0);
        for (index, raw) in raw.into_iter().enumerate() {
            let before = reader.found.len();
            let Some((whose, subject, content)) = read(&mut reader, raw) else { continue };
            if subject.span.start < counted {
                (line, counted) = (1, 0);
            }
            line += reader.text.get(counted..subject.span.start).unwrap_or_default().matches('\n').count();
            counted = subject.span.start;
            let key = (kind, whose.client.to_lowercase(), whose.name.to_lowercase(), subject.about.clone());
            let place = format!("{}:{line}", reader.file);
            if let Some(earlier) = self.places.insert(key, place) {
                let (word, command) = match kind {
                    Kind::Attestations => ("attested", "attest"),
                    Kind::Waivers => ("waived", "waive"),
                };
                let message =
                    format!("`{}` of {}/{} is already {word}, at {earlier}", subject.about, whose.client, whose.name);
                let help = format!(
                    "state a thing once: change the entry that is there, as `portreeve {command} --renew` does"
                );
                reader.wrong(subject.span, &message, Some(help));
            }
            if reader.found.len() == before {
                fresh.push(Statement {
                    client: whose.client,
                    target: whose.name,
                    about: subject.about,
                    content,
                    file: reader.file.to_owned(),
                    line,
                    index,
                    known: whose.known,
                });
            }
        }
        let fresh = reader.finish(fresh)?;
        list(self).extend(fresh);
        Ok(())
    }
}

/// Reads files of attestations and of waivers.
pub fn load(attestations: &[PathBuf], waivers: &[PathBuf], known: Known<'_>) -> Result<Read, Diagnostics> {
    let mut read = Read::default();
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut seen = BTreeSet::new();
    let files = attestations.iter().map(|file| (Kind::Attestations, file));
    for (kind, file) in files.chain(waivers.iter().map(|file| (Kind::Waivers, file))) {
        // One that is named by an option may stand beside the inventory too.
        if !seen.insert((kind, std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))) {
            continue;
        }
        match read_text(file) {
            Ok(text) => {
                if let Err(Diagnostics(more)) = read.add(kind, &shown(file), &text, known) {
                    found.extend(more);
                }
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    if found.is_empty() { Ok(read) } else { Err(Diagnostics(found)) }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttestations {
    #[serde(default)]
    attestation: Vec<RawAttestation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttestation {
    client: Option<Spanned<String>>,
    target: Spanned<String>,
    guide: Option<Spanned<String>>,
    item: Spanned<String>,
    by: Spanned<String>,
    on: Spanned<RawDay>,
    seen: Spanned<String>,
    until: Option<Spanned<RawDay>>,
    valid_for: Option<Spanned<String>>,
    reference: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaivers {
    #[serde(default)]
    waiver: Vec<RawWaiver>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    client: Option<Spanned<String>>,
    target: Spanned<String>,
    guide: Option<Spanned<String>>,
    item: Option<Spanned<String>>,
    rule: Option<Spanned<String>>,
    why: Spanned<String>,
    approved_by: Spanned<String>,
    on: Spanned<RawDay>,
    until: Spanned<RawDay>,
    risk: Spanned<String>,
    risk_words: Spanned<String>,
    reference: Option<Spanned<String>>,
}

/// Whose it is, what it is about and what it says.
type One<T> = (Whose, Subject, T);

fn read_attestation(reader: &mut Reader<'_>, raw: RawAttestation, known: Known<'_>) -> Option<One<Attestation>> {
    let whose = about::whose(reader, raw.client.as_ref(), &raw.target, known);
    let target = whose.as_ref().and_then(|whose| whose.target(known));
    let subject = about::item(reader, raw.guide.as_ref(), &raw.item, target, Kind::Attestations, known);
    check_name(reader, "by", &raw.by);
    check_text(reader, "seen", &raw.seen);
    check_reference(reader, raw.reference.as_ref());
    let given = match (&raw.until, &raw.valid_for) {
        (Some(until), None) => Some(Span::Until(until)),
        (None, Some(length)) => Some(Span::For(length)),
        (Some(_), Some(length)) => {
            let help = "leave one of them out".to_owned();
            reader.wrong(length.span(), "`valid_for` and `until` both say how long it holds", Some(help));
            None
        }
        (None, None) => {
            let help =
                format!("add `until = \"2026-12-31\"` or `valid_for = \"90d\"`; {LONGEST_DAYS} days are the most");
            reader.wrong(raw.item.span(), "the attestation does not say how long it holds", Some(help));
            None
        }
    };
    let (on, until) = days::read(reader, &raw.on, given, known.now)?;
    let content = Attestation {
        by: raw.by.into_inner(),
        on,
        seen: raw.seen.into_inner().trim().to_owned(),
        until,
        reference: raw.reference.map(Spanned::into_inner),
    };
    Some((whose?, subject?, content))
}

fn read_waiver(reader: &mut Reader<'_>, raw: RawWaiver, known: Known<'_>) -> Option<One<Waiver>> {
    let whose = about::whose(reader, raw.client.as_ref(), &raw.target, known);
    let target = whose.as_ref().and_then(|whose| whose.target(known));
    let subject = match (&raw.item, &raw.rule) {
        (Some(item), None) => about::item(reader, raw.guide.as_ref(), item, target, Kind::Waivers, known),
        (None, Some(rule)) => {
            if let Some(guide) = &raw.guide {
                let help = "leave it out: an expected rule is the inventory's".to_owned();
                reader.wrong(guide.span(), "`guide` belongs to `item`, and this waiver is of a rule", Some(help));
            }
            about::rule(reader, rule, target)
        }
        (Some(_), Some(rule)) => {
            let help = "make two waivers of it: each has its own reason and end".to_owned();
            reader.wrong(rule.span(), "a waiver is of an `item` or of a `rule`, not of both", Some(help));
            None
        }
        (None, None) => {
            let help = "add `item = \"AUT-NET-11\"`, or `rule = \"deny tcp/3389\"` for an expected rule".to_owned();
            reader.wrong(raw.target.span(), "the waiver does not say what is waived", Some(help));
            None
        }
    };
    check_text(reader, "why", &raw.why);
    check_name(reader, "approved_by", &raw.approved_by);
    let risk = reader.choose("a risk", &raw.risk, &SEVERITIES);
    check_text(reader, "risk_words", &raw.risk_words);
    check_reference(reader, raw.reference.as_ref());
    let (on, until) = days::read(reader, &raw.on, Some(Span::Until(&raw.until)), known.now)?;
    let content = Waiver {
        why: raw.why.into_inner().trim().to_owned(),
        approved_by: raw.approved_by.into_inner(),
        on,
        until,
        risk: risk?,
        risk_words: raw.risk_words.into_inner().trim().to_owned(),
        reference: raw.reference.map(Spanned::into_inner),
    };
    Some((whose?, subject?, content))
}

fn check_name(reader: &mut Reader<'_>, key: &str, value: &Spanned<String>) {
    check_length(reader, key, value, NAME_LIMIT);
    if value.get_ref().chars().any(char::is_control) {
        reader.wrong(value.span(), &format!("`{key}` may not hold control characters"), None);
    }
}

fn check_reference(reader: &mut Reader<'_>, value: Option<&Spanned<String>>) {
    if let Some(value) = value {
        check_name(reader, "reference", value);
    }
}

/// A text of several lines.
fn check_text(reader: &mut Reader<'_>, key: &str, value: &Spanned<String>) {
    check_length(reader, key, value, TEXT_LIMIT);
    if value.get_ref().chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        reader.wrong(value.span(), &format!("`{key}` may not hold control characters but line ends"), None);
    }
}

fn check_length(reader: &mut Reader<'_>, key: &str, value: &Spanned<String>, limit: usize) {
    reader.require_text(key, value);
    if value.get_ref().chars().count() > limit {
        reader.wrong(value.span(), &format!("`{key}` is longer than {limit} characters"), None);
    }
}

#[cfg(test)]
mod tests;
