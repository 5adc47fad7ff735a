//! Attestations and waivers: those of a scan, and lists of them.

use super::args::Shared;
use super::exit::CliError;
use super::guides;
use super::output::{complain, wrapped};
use super::session::TargetStatements;
use crate::catalog::guide::Guide;
use crate::catalog::inventory::NO_CLIENT;
use crate::catalog::statements::{self, Known, Read, Scope, Statement, today};
use crate::model::statement::{About, Attestation, Statements, Term, Waiver, days_left};
use crate::model::target::Target;
use crate::report::text::clean;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The most servers that a note names.
const NAMES_TOLD: usize = 8;

/// Reads files of attestations and of waivers. `targets` are all of the inventory, `guides` those that were chosen.
pub(super) fn load(
    [attestations, waivers]: [&[PathBuf]; 2],
    targets: &[Target],
    scope: Scope<'_>,
    guides: &[Guide],
    now: Timestamp,
) -> Result<Read, CliError> {
    if attestations.is_empty() && waivers.is_empty() {
        return Ok(Read::default());
    }
    let guides = guides::with_others(guides)?;
    Ok(statements::load(attestations, waivers, Known { targets, scope, guides: &guides, now })?)
}

/// What is said of each of the targets that are scanned, where anything is.
pub(super) fn by_target(read: &Read, targets: &[Target], now: Timestamp) -> TargetStatements {
    let said = targets.iter().map(|target| (target.label(), read.about(target, now)));
    said.filter(|(_, Statements { attestations, waivers, .. })| !attestations.is_empty() || !waivers.is_empty())
        .collect()
}

/// A file for servers of the command line may be about others too, and a misspelt one looks like that.
pub(super) fn note_others(read: &Read, shared: &Shared) {
    let attested = read.attestations.iter().filter(|one| !one.known).map(|one| one.target.as_str());
    let waived = read.waivers.iter().filter(|one| !one.known).map(|one| one.target.as_str());
    let others: BTreeSet<&str> = attested.chain(waived).collect();
    if others.is_empty() || shared.quiet {
        return;
    }
    let named: Vec<&str> = others.iter().take(NAMES_TOLD).copied().collect();
    let more = if others.len() > named.len() { " and more" } else { "" };
    complain(&format!(
        "note: not used, for these servers are not scanned: attestations or waivers of {}{more}",
        clean(&named.join(", "))
    ));
}

/// A statement as it is listed.
pub(super) struct Listed<'a> {
    label: String,
    pub(super) client: &'a str,
    about: &'a About,
    who: &'a str,
    on: Date,
    until: Date,
    more: Value,
    file: &'a str,
    line: usize,
}

impl<'a> Listed<'a> {
    fn new<T>(statement: &'a Statement<T>, (who, on, until): (&'a str, Date, Date), more: Value) -> Self {
        let label = if statement.client == NO_CLIENT { statement.target.clone() } else { statement.label() };
        Self {
            label,
            client: &statement.client,
            about: &statement.about,
            who,
            on,
            until,
            more,
            file: &statement.file,
            line: statement.line,
        }
    }

    pub(super) fn attestation(statement: &'a Statement<Attestation>) -> Self {
        let Attestation { by, on, seen, until, reference } = &statement.content;
        Self::new(statement, (by, *on, *until), json!({ "by": by, "seen": seen, "reference": reference }))
    }

    pub(super) fn waiver(statement: &'a Statement<Waiver>) -> Self {
        let Waiver { why, approved_by, on, until, risk, risk_words, reference } = &statement.content;
        let more = json!({
            "approved_by": approved_by, "why": why, "risk": risk.to_string(), "risk_words": risk_words, "reference": reference,
        });
        Self::new(statement, (approved_by, *on, *until), more)
    }

    /// `valid`, `ends soon` or `expired`.
    fn standing(&self, day: Date) -> &'static str {
        match Term::of(self.until, day) {
            Term::Holds => "valid",
            Term::EndsSoon => "ends soon",
            Term::Expired => "expired",
        }
    }

    /// `99 days left`
    fn left(&self, day: Date) -> String {
        let days = |days: i32| format!("{} {}", days.abs(), if days.abs() == 1 { "day" } else { "days" });
        match days_left(self.until, day) {
            0 => "ends today".to_owned(),
            left if left < 0 => format!("{} ago", days(left)),
            left => format!("{} left", days(left)),
        }
    }

    fn json(&self, day: Date) -> Value {
        let mut value = json!({
            "target": self.label,
            "standing": self.standing(day),
            "on": self.on.to_string(),
            "until": self.until.to_string(),
            "days_left": days_left(self.until, day),
            "file": self.file,
            "line": self.line,
        });
        let (key, about) = match self.about {
            About::Item { item, .. } => ("item", item),
            About::Rule(rule) => ("rule", rule),
        };
        value[key] = about.as_str().into();
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), self.more.clone()) {
            value.extend(more);
        }
        value
    }
}

/// A table of what holds until when, what ends first at the top.
pub(super) fn table(key: &str, mut listed: Vec<Listed<'_>>, now: Timestamp, width: usize) -> String {
    let day = today(now);
    listed.sort_by(|one, other| (one.until, &one.label, one.about).cmp(&(other.until, &other.label, other.about)));
    if listed.is_empty() {
        return format!("There are no {key}s.\n");
    }
    let mut text = String::new();
    for one in &listed {
        let line = format!(
            "{:<9}  {}  {:<13}  {}  {}  by {}, {}:{}",
            one.standing(day),
            one.until,
            one.left(day),
            one.label,
            one.about,
            one.who,
            one.file,
            one.line
        );
        let _ = writeln!(text, "{}", wrapped(&clean(&line), width, "", "           "));
    }
    let count = |standing: &str| listed.iter().filter(|one| one.standing(day) == standing).count();
    let counts = format!(
        "{} {key}{}: {} valid, {} that end within 30 days, {} expired",
        listed.len(),
        if listed.len() == 1 { "" } else { "s" },
        count("valid"),
        count("ends soon"),
        count("expired")
    );
    let _ = writeln!(text, "\n{}", wrapped(&counts, width, "", ""));
    text
}

/// The same as JSON.
pub(super) fn list_json(key: &str, listed: &[Listed<'_>], now: Timestamp) -> String {
    let day = today(now);
    let all: Vec<Value> = listed.iter().map(|one| one.json(day)).collect();
    let mut value = json!({ "format": format!("portreeve-{key}s"), "version": 1, "today": day.to_string() });
    value[format!("{key}s")] = all.into();
    super::dry_run::showable(&format!("{value:#}\n"))
}

/// What people say, for a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) read: &'a Read,
    pub(super) now: Timestamp,
}

impl Said<'_> {
    /// What of it applies to a target, in lines.
    pub(super) fn describe(self, target: &Target, guides: &[Guide], width: usize) -> String {
        let (attested, waived) = (attested(self.read, target), waived(self.read, target));
        if attested.is_empty() && waived.is_empty() {
            return String::new();
        }
        let day = today(self.now);
        let mut text = "  attestations and waivers:\n".to_owned();
        for (word, one) in attested.iter().map(|one| ("attested", one)).chain(waived.iter().map(|one| ("waived", one)))
        {
            let use_of_it = if !is_used(one.about, guides) {
                "not part of this scan"
            } else if Term::of(one.until, day) == Term::Expired {
                "expired, and counts for nothing"
            } else {
                "valid"
            };
            let line = format!(
                "{}  {word} until {} by {}: {use_of_it}, {} ({}:{})",
                one.about,
                one.until,
                one.who,
                one.left(day),
                one.file,
                one.line
            );
            let _ = writeln!(text, "{}", wrapped(&clean(&line), width, "    ", "      "));
        }
        text
    }

    /// The attestations of a target as JSON.
    pub(super) fn attestations(self, target: &Target, guides: &[Guide]) -> Value {
        self.as_json(&attested(self.read, target), guides)
    }

    /// The waivers of a target as JSON.
    pub(super) fn waivers(self, target: &Target, guides: &[Guide]) -> Value {
        self.as_json(&waived(self.read, target), guides)
    }

    fn as_json(self, listed: &[Listed<'_>], guides: &[Guide]) -> Value {
        let each = listed.iter().map(|one| {
            let mut value = one.json(today(self.now));
            value["used"] = is_used(one.about, guides).into();
            value
        });
        each.collect()
    }
}

/// Whether the scan judges what a statement is about.
fn is_used(about: &About, guides: &[Guide]) -> bool {
    match about {
        About::Item { item, .. } => guides.iter().flat_map(|guide| &guide.items).any(|known| known.id == *item),
        About::Rule(_) => true,
    }
}

fn attested<'a>(read: &'a Read, target: &Target) -> Vec<Listed<'a>> {
    let all = read.attestations.iter().filter(|one| one.is_about(target));
    all.map(Listed::attestation).collect()
}

fn waived<'a>(read: &'a Read, target: &Target) -> Vec<Listed<'a>> {
    let all = read.waivers.iter().filter(|one| one.is_about(target));
    all.map(Listed::waiver).collect()
}
