//! Guides: hardening documents as catalogs of items with rules.

use super::diagnostic::Diagnostics;
use super::example::Example;
use super::rule::{OnlyWhen, RawRule, Rule, Source};
use super::toml_file::Reader;
use crate::model::ports::Ports;
use crate::model::run::GuideUsed;
use crate::model::target::Role;
use crate::model::verdict::Severity;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use toml::Spanned;

/// A hardening document as a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// Its id, by which options select it.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The document that it follows, and whose it is.
    pub source: String,
    /// Where the document is published.
    pub url: Option<String>,
    /// The revision of this catalog.
    pub revision: String,
    /// The roles it is for.
    pub roles: BTreeSet<Role>,
    /// Ports that are asked besides those that rules name, because such servers answer there.
    pub also_ask: Vec<Ports>,
    /// The recommendations, in order.
    pub items: Vec<Item>,
    /// SHA-256 of the catalog's text, hexadecimal.
    pub sha256: String,
    /// Whether it is built in.
    pub built_in: bool,
}

impl Guide {
    /// How a run names it.
    pub fn used(&self) -> GuideUsed {
        GuideUsed {
            id: self.id.clone(),
            title: self.title.clone(),
            revision: self.revision.clone(),
            sha256: self.sha256.clone(),
            built_in: self.built_in,
        }
    }

    /// Leaves out the items that rest on which suites are accepted, for a run in which nobody asks for them.
    pub fn leave_out_suites(&mut self) {
        self.items.retain(|item| !item.rules.iter().any(|rule| matches!(rule.rule, Rule::SuitesRefused { .. })));
    }

    /// The items that concern a target with these roles.
    pub fn items_for<'a>(&'a self, roles: &'a BTreeSet<Role>) -> impl Iterator<Item = &'a Item> + 'a {
        self.items.iter().filter(move |item| !item.roles.as_ref().unwrap_or(&self.roles).is_disjoint(roles))
    }
}

/// How an item can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Seen from outside.
    Outside,
    /// By evidence from the host.
    Host,
    /// By a person.
    Attestation,
}

impl How {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Outside => "seen from outside",
            Self::Host => "by host evidence",
            Self::Attestation => "by attestation",
        }
    }
}

/// Where an item is to be found elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// STIG vulnerability ids, such as `V-205724`.
    pub stig: Vec<String>,
    /// Sections of CIS benchmarks, such as `2.3.10.3` or `IIS 3.12`.
    pub cis: Vec<String>,
    /// CVE ids.
    pub cve: Vec<String>,
    /// Public documents.
    pub urls: Vec<String>,
}

impl References {
    /// All of them, as reports show them.
    pub fn lines(&self) -> Vec<String> {
        let prefixed = |prefix: &'static str, ids: &[String]| {
            ids.iter().map(move |id| format!("{prefix}{id}")).collect::<Vec<_>>()
        };
        [prefixed("STIG ", &self.stig), prefixed("CIS ", &self.cis), self.cve.clone(), self.urls.clone()].concat()
    }
}

/// One recommendation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id, unique over all guides.
    pub id: String,
    /// The recommendation, as a state that holds.
    pub title: String,
    /// The section of the guide.
    pub section: String,
    /// How much it matters.
    pub severity: Severity,
    /// How it can be answered.
    pub how: Vec<How>,
    /// Why it matters.
    pub rationale: String,
    /// How portreeve decides.
    pub check: String,
    /// What to do: steps, in order.
    pub remedy: Vec<String>,
    /// Where sources disagree, and how to decide.
    pub disputed: Option<String>,
    /// Where to read more.
    pub references: References,
    /// The roles it is for, where they are not the guide's.
    pub roles: Option<BTreeSet<Role>>,
    /// What must hold, at least one.
    pub rules: Vec<GuideRule>,
}

/// A rule in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuideRule {
    /// What must hold.
    pub rule: Rule,
    /// When it concerns a target.
    pub only_when: Option<OnlyWhen>,
    /// What must follow from what.
    pub examples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGuide {
    guide: RawHead,
    #[serde(default)]
    item: Vec<RawItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    id: Spanned<String>,
    title: Spanned<String>,
    source: Spanned<String>,
    url: Option<Spanned<String>>,
    revision: Spanned<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    also_ask: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    id: Spanned<String>,
    title: Spanned<String>,
    section: Spanned<String>,
    severity: Spanned<String>,
    how: Spanned<Vec<Spanned<String>>>,
    rationale: Spanned<String>,
    check: Spanned<String>,
    remedy: Spanned<Vec<Spanned<String>>>,
    disputed: Option<Spanned<String>>,
    #[serde(default)]
    references: RawReferences,
    roles: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReferences {
    stig: Vec<Spanned<String>>,
    cis: Vec<Spanned<String>>,
    cve: Vec<Spanned<String>>,
    urls: Vec<Spanned<String>>,
}

/// The roles by their names.
pub const ROLES: [(&str, Role); 7] = {
    let mut names = [("", Role::Automate); 7];
    let mut index = 0;
    while index < names.len() {
        names[index] = (Role::ALL[index].as_str(), Role::ALL[index]);
        index += 1;
    }
    names
};

const HOW: [(&str, How); 3] = [("outside", How::Outside), ("host", How::Host), ("attestation", How::Attestation)];

pub(super) const SEVERITIES: [(&str, Severity); 4] =
    [("low", Severity::Low), ("medium", Severity::Medium), ("high", Severity::High), ("critical", Severity::Critical)];

/// Reads a catalog. `file` is the name that errors show.
pub fn parse(file: &str, text: &str, built_in: bool) -> Result<Guide, Diagnostics> {
    let mut reader = Reader::new(file, text);
    let raw: RawGuide = reader.parse()?;
    let guide = read_guide(&mut reader, raw, text, built_in);
    reader.finish(guide)
}

fn read_guide(reader: &mut Reader<'_>, raw: RawGuide, text: &str, built_in: bool) -> Guide {
    let head = raw.guide;
    for (key, value) in
        [("id", &head.id), ("title", &head.title), ("source", &head.source), ("revision", &head.revision)]
    {
        reader.require_text(key, value);
    }
    if !is_id(head.id.get_ref(), |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        reader.wrong(head.id.span(), "a guide's id has only a-z, 0-9 and `-`", None);
    }
    if let Some(url) = &head.url {
        require_https(reader, url);
    }
    if head.roles.get_ref().is_empty() {
        reader.wrong(head.roles.span(), "a guide is for at least one role", None);
    }
    let roles = head.roles.get_ref().iter().filter_map(|role| reader.choose("a role", role, &ROLES)).collect();
    let also_ask = head.also_ask.iter().filter_map(|ports| reader.read(ports, str::parse::<Ports>)).collect();
    let mut ids = BTreeMap::new();
    let mut items = Vec::new();
    for raw in raw.item {
        let (id, span) = (raw.id.get_ref().clone(), raw.id.span());
        if let Some(line) = ids.get(&id) {
            reader.wrong(span.clone(), &format!("the id `{id}` is already used in line {line}"), None);
        }
        let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
        ids.entry(id).or_insert(line);
        items.extend(read_item(reader, raw));
    }
    if items.is_empty() && reader.found.is_empty() {
        reader.wrong(head.id.span(), "the guide has no items", Some("add at least one [[item]]".to_owned()));
    }
    Guide {
        id: head.id.into_inner(),
        title: head.title.into_inner(),
        source: head.source.into_inner(),
        url: head.url.map(Spanned::into_inner),
        revision: head.revision.into_inner(),
        roles,
        also_ask,
        items,
        sha256: sha256(text),
        built_in,
    }
}

fn read_item(reader: &mut Reader<'_>, raw: RawItem) -> Option<Item> {
    for (key, value) in
        [("title", &raw.title), ("section", &raw.section), ("rationale", &raw.rationale), ("check", &raw.check)]
    {
        reader.require_text(key, value);
    }
    if !is_id(raw.id.get_ref(), |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
        reader.wrong(raw.id.span(), "an item's id has only A-Z, 0-9 and `-`, such as `AUT-NET-06`", None);
    }
    if raw.title.get_ref().chars().count() > 90 {
        reader.wrong(raw.title.span(), "the title is longer than 90 characters", None);
    }
    if raw.remedy.get_ref().is_empty() {
        reader.wrong(raw.remedy.span(), "`remedy` is empty: say what to do", None);
    }
    let severity = reader.choose("a severity", &raw.severity, &SEVERITIES);
    let how: Vec<How> =
        raw.how.get_ref().iter().filter_map(|how| reader.choose("a way to answer", how, &HOW)).collect();
    if raw.how.get_ref().is_empty() {
        reader.wrong(raw.how.span(), "`how` is empty: `outside`, `host` or `attestation`", None);
    }
    let roles = raw.roles.map(|roles| roles.iter().filter_map(|role| reader.choose("a role", role, &ROLES)).collect());
    let references = read_references(reader, raw.references);
    if raw.rule.is_empty() {
        reader.wrong(raw.id.span(), "the item has no rule", Some("add at least one [[item.rule]]".to_owned()));
    }
    let rules: Vec<GuideRule> = raw.rule.into_iter().filter_map(|rule| read_rule(reader, rule)).collect();
    check_how(reader, &raw.how, &how, &rules);
    Some(Item {
        id: raw.id.into_inner(),
        title: raw.title.into_inner(),
        section: raw.section.into_inner(),
        severity: severity?,
        how,
        rationale: raw.rationale.into_inner().trim().to_owned(),
        check: raw.check.into_inner().trim().to_owned(),
        remedy: raw.remedy.into_inner().into_iter().map(Spanned::into_inner).collect(),
        disputed: raw.disputed.map(|disputed| disputed.into_inner().trim().to_owned()),
        references,
        roles,
        rules,
    })
}

/// Every way to answer must be backed by a rule, or the item would promise what it cannot do.
fn check_how(reader: &mut Reader<'_>, written: &Spanned<Vec<Spanned<String>>>, how: &[How], rules: &[GuideRule]) {
    let asks = rules.iter().any(|rule| rule.rule.asks());
    let needs =
        |wanted: Source| rules.iter().any(|rule| matches!(&rule.rule, Rule::Needs { source, .. } if *source == wanted));
    let impossible = rules.iter().any(|rule| matches!(rule.rule, Rule::NotApplicable { .. }));
    if how.contains(&How::Outside) && !asks {
        reader.wrong(written.span(), "`how` says `outside`, and no rule asks the network", None);
    }
    if !how.contains(&How::Outside) && asks {
        reader.wrong(written.span(), "a rule asks the network, and `how` does not say `outside`", None);
    }
    let host_only = how.contains(&How::Host) && !how.contains(&How::Outside);
    if host_only && !impossible && !needs(Source::Evidence) {
        reader.wrong(written.span(), "`how` says `host`, and no rule needs evidence", None);
    }
    if how.contains(&How::Attestation) && !impossible && !needs(Source::Attestation) {
        reader.wrong(written.span(), "`how` says `attestation`, and no rule needs an attestation", None);
    }
}

fn read_rule(reader: &mut Reader<'_>, mut raw: RawRule) -> Option<GuideRule> {
    raw.refuse_strangers(reader);
    let span = raw.span();
    let written = std::mem::take(&mut raw.example);
    if written.is_empty() {
        let help = "add at least one [[item.rule.example]] with `seen` and `verdict`".to_owned();
        reader.wrong(span, "the rule has no example", Some(help));
    }
    let examples = written.into_iter().filter_map(|example| example.read(reader)).collect();
    let (rule, only_when) = raw.read(reader)?;
    Some(GuideRule { rule, only_when, examples })
}

fn read_references(reader: &mut Reader<'_>, raw: RawReferences) -> References {
    for id in &raw.stig {
        let digits = id.get_ref().strip_prefix("V-").unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            reader.wrong(id.span(), "a STIG id is `V-` and six digits", None);
        }
    }
    for id in &raw.cis {
        let section = id.get_ref().rsplit(' ').next().unwrap_or_default();
        let numbers =
            |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        if !numbers(section) || !section.contains('.') {
            reader.wrong(id.span(), "a CIS reference ends with a section number such as `2.3.10.3`", None);
        }
    }
    for id in &raw.cve {
        let mut parts = id.get_ref().split('-');
        let digits = |part: Option<&str>, least: usize| {
            part.is_some_and(|part| part.len() >= least && part.bytes().all(|b| b.is_ascii_digit()))
        };
        if parts.next() != Some("CVE") || !digits(parts.next(), 4) || !digits(parts.next(), 4) || parts.next().is_some()
        {
            reader.wrong(id.span(), "a CVE id looks like `CVE-2024-1709`", None);
        }
    }
    for url in &raw.urls {
        require_https(reader, url);
    }
    let inner = |values: Vec<Spanned<String>>| values.into_iter().map(Spanned::into_inner).collect();
    References { stig: inner(raw.stig), cis: inner(raw.cis), cve: inner(raw.cve), urls: inner(raw.urls) }
}

fn require_https(reader: &mut Reader<'_>, url: &Spanned<String>) {
    let sound = url.get_ref().strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'`\\{}|^".contains(&b))
    });
    if !sound {
        reader.wrong(url.span(), "an address of a document starts with `https://` and has no blanks or quotes", None);
    }
}

fn is_id(id: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !id.is_empty() && id.len() <= 40 && id.bytes().all(allowed)
}

/// SHA-256 of a text, hexadecimal.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
