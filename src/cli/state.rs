//! `portreeve attest` and `portreeve waive`: statements are asked for, shown and written, or listed.
//!
//! What is to be written is read before, as a scan would read it: a file that a scan would refuse is not written.

mod talk;

use super::args::{AttestArgs, DoctorFormat, Shared, StateArgs, WaiveArgs};
use super::ask::Asker;
use super::exit::{CliError, Exit};
use super::guides;
use super::output::{complain, print, shown};
use super::pending::PendingFile;
use super::statements::{self, Listed};
use crate::catalog::diagnostic::{Diagnostic, Diagnostics};
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{self, Inventory, NO_CLIENT, read_text};
use crate::catalog::statements::edit::{Change, Entry, difference};
use crate::catalog::statements::{self as files, Kind, Known, Read, Scope, Statement};
use crate::model::statement::{About, Attestation, Waiver};
use crate::model::target::Target;
use crate::report::text::clean;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use talk::Talk;

/// Runs `portreeve attest`.
pub(super) fn attest(args: &AttestArgs, shared: &Shared) -> Result<Exit, CliError> {
    let place = Place::find(&args.state, Kind::Attestations)?;
    if args.state.list {
        let listed = place.read.attestations.iter().map(Listed::attestation).collect();
        return list(Kind::Attestations, listed, &args.state, place.now, shared);
    }
    with_terminal(|asker| {
        let mut talk = Talk::new(&args.state, &place, asker, shared.columns());
        let target = talk.target()?;
        let about = talk.item(target.as_ref())?;
        let by = talk.text("--by", "Who attests", args.by.as_deref())?;
        let seen = talk.text("--seen", "What was seen", args.seen.as_deref())?;
        let span = talk.days()?;
        let reference = talk.reference()?;
        talk.complete()?;
        let (Some(target), Some(about), Some(by), Some(seen), Some((on, until))) = (target, about, by, seen, span)
        else {
            return Err(CliError::Bug("an answer is missing, and that was not told".to_owned()));
        };
        let said = Attestation { by, on, seen, until, reference };
        let entry = Entry::attestation(client(&target), &target.name, &about, &said);
        let earlier = place.read.attestations.iter().find(|one| is_of(one, &target, &about));
        let earlier = earlier.map(|one| Earlier::of(one, &one.content.by, one.content.until));
        write(&entry, (&target, earlier), &place, talk, shared)
    })
}

/// Runs `portreeve waive`.
pub(super) fn waive(args: &WaiveArgs, shared: &Shared) -> Result<Exit, CliError> {
    let place = Place::find(&args.state, Kind::Waivers)?;
    if args.state.list {
        let listed = place.read.waivers.iter().map(Listed::waiver).collect();
        return list(Kind::Waivers, listed, &args.state, place.now, shared);
    }
    with_terminal(|asker| {
        let mut talk = Talk::new(&args.state, &place, asker, shared.columns());
        let target = talk.target()?;
        let about = talk.item_or_rule(target.as_ref(), args.rule.as_deref())?;
        let why = talk.text("--why", "Why is it not mended", args.why.as_deref())?;
        let approved_by = talk.text("--approved-by", "Who approved that", args.approved_by.as_deref())?;
        let span = talk.days()?;
        let risk = talk.risk(args.risk.as_deref())?;
        let risk_words = talk.text("--risk-words", "What may happen meanwhile", args.risk_words.as_deref())?;
        let reference = talk.reference()?;
        talk.complete()?;
        let (Some(target), Some(about), Some(why), Some(approved_by), Some((on, until)), Some(risk), Some(risk_words)) =
            (target, about, why, approved_by, span, risk, risk_words)
        else {
            return Err(CliError::Bug("an answer is missing, and that was not told".to_owned()));
        };
        let said = Waiver { why, approved_by, on, until, risk, risk_words, reference };
        let entry = Entry::waiver(client(&target), &target.name, &about, &said);
        let earlier = place.read.waivers.iter().find(|one| is_of(one, &target, &about));
        let earlier = earlier.map(|one| Earlier::of(one, &one.content.approved_by, one.content.until));
        write(&entry, (&target, earlier), &place, talk, shared)
    })
}

/// Hands on a way to ask, where somebody is there to answer.
fn with_terminal(work: impl FnOnce(Option<Asker<'_>>) -> Result<Exit, CliError>) -> Result<Exit, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return work(None);
    }
    work(Some(Asker { input: &mut io::stdin().lock(), output: &mut io::stderr().lock() }))
}

fn client(target: &Target) -> Option<&str> {
    Some(target.client.as_str()).filter(|client| *client != NO_CLIENT)
}

fn is_of<T>(statement: &Statement<T>, target: &Target, about: &About) -> bool {
    statement.client == target.client && statement.target == target.name && statement.about == *about
}

/// What is known before anything is asked.
pub(super) struct Place {
    kind: Kind,
    inventory: Inventory,
    /// No inventory was named: servers are hosts.
    hosts: bool,
    guides: Vec<Guide>,
    /// The files of this kind that there are.
    files: Vec<PathBuf>,
    read: Read,
    now: Timestamp,
}

impl Place {
    fn find(state: &StateArgs, kind: Kind) -> Result<Self, CliError> {
        // Nothing was to be scanned.
        let not_scanned = |error| match error {
            CliError::Files(found) => CliError::Catalogs(found),
            other => other,
        };
        let guides = if state.guides.is_empty() { Vec::new() } else { guides::catalogs(&state.guides)?.guides };
        let guides = guides::with_others(&guides)?;
        let hosts = state.targets.is_empty();
        let inventory = if hosts { Ok(Inventory::default()) } else { inventory::load(&state.targets) };
        let inventory = inventory.map_err(|found| not_scanned(found.into()))?;
        let mut files = match kind {
            Kind::Attestations => inventory.attestations.clone(),
            Kind::Waivers => inventory.waivers.clone(),
        };
        let named = state.file.iter().filter(|named| named.symlink_metadata().is_ok());
        let named: Vec<PathBuf> =
            named.filter(|named| !files.iter().any(|file| is_same(file, named))).cloned().collect();
        files.extend(named);
        let mut place = Self { kind, inventory, hosts, guides, files, read: Read::default(), now: Timestamp::now() };
        let (attestations, waivers): (&[PathBuf], &[PathBuf]) = match kind {
            Kind::Attestations => (&place.files, &[]),
            Kind::Waivers => (&[], &place.files),
        };
        let read = files::load(attestations, waivers, place.known()).map_err(|found| not_scanned(found.into()))?;
        place.read = read;
        Ok(place)
    }

    fn known(&self) -> Known<'_> {
        let scope = if self.hosts { Scope::Hosts } else { Scope::Inventory(&self.inventory.elsewhere) };
        Known { targets: &self.inventory.targets, scope, guides: &self.guides, now: self.now }
    }

    /// Where a new statement about `target` is written: beside its inventory, unless a file was named.
    fn file_of(&self, target: &Target, named: Option<&Path>) -> Result<PathBuf, CliError> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let targets = self.inventory.targets.iter().zip(&self.inventory.files);
        let file = targets.into_iter().find(|(known, _)| *known == target).map(|(_, file)| file.as_path());
        let folder = file.and_then(Path::parent);
        let folder = folder.ok_or_else(|| CliError::Bug(format!("no inventory has {}", clean(&target.label()))))?;
        Ok(folder.join(self.kind.file_name()))
    }
}

/// Whether two paths lead to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

/// What is stated already of the same thing.
struct Earlier {
    file: String,
    index: usize,
    told: String,
}

impl Earlier {
    fn of<T>(statement: &Statement<T>, who: &str, until: jiff::civil::Date) -> Self {
        let Statement { file, line, index, about, .. } = statement;
        Self { file: file.clone(), index: *index, told: format!("{about}: until {until} by {who}, at {file}:{line}") }
    }
}

/// Shows what is to be written, asks whether it is, and writes it.
fn write(
    entry: &Entry,
    (target, earlier): (&Target, Option<Earlier>),
    place: &Place,
    mut talk: Talk<'_>,
    shared: &Shared,
) -> Result<Exit, CliError> {
    let state = talk.state;
    if let Some(earlier) = earlier.as_ref().filter(|_| !state.renew) {
        let told = format!("this is stated already of {}", clean(&earlier.told));
        match &mut talk.asker {
            Some(asker) => asker.show(&format!("{told}. It is renewed."))?,
            None => return Err(CliError::Usage(format!("{told}; --renew puts the new one in its place"))),
        }
    }
    let path = match &earlier {
        Some(earlier) => place.files.iter().find(|file| shown(file).as_str() == earlier.file).cloned(),
        None => Some(place.file_of(target, state.file.as_deref())?),
    };
    let path = path.ok_or_else(|| CliError::Bug("the file of a statement is not known".to_owned()))?;
    let before = match path.symlink_metadata() {
        Ok(_) => Some(read_text(&path).map_err(|found| CliError::Catalogs(Diagnostics(vec![*found])))?),
        Err(_) => None,
    };
    let text = before.as_deref().unwrap_or_default();
    let after = match &earlier {
        Some(earlier) => entry.renew_in(text, earlier.index),
        None => Ok(entry.append_to(before.as_deref())),
    };
    let after = after.map_err(|error| CliError::Bug(format!("{}: {error}", shown(&path))))?;
    check(place, &path, &after, earlier.is_some())?;
    if !shared.quiet {
        let mut lines = format!("{}\n", shown(&path));
        for (change, line) in difference(text, &after) {
            let sign = if change == Change::Added { '+' } else { '-' };
            let _ = writeln!(lines, "{}", format!("{sign} {}", clean(line)).trim_end());
        }
        match &mut talk.asker {
            Some(asker) => asker.show(&lines)?,
            None => print(&format!("{lines}\n"))?,
        }
    }
    if !state.yes {
        let Some(asker) = &mut talk.asker else {
            return Err(CliError::Usage(
                "nothing was written: without a terminal, --yes says that it is to be".to_owned(),
            ));
        };
        if !asker.confirm("Write this")? {
            asker.show("Nothing was written.")?;
            return Ok(Exit::Clean);
        }
    }
    let pending = PendingFile::in_place_of(&path)?;
    let now = path.symlink_metadata().is_ok().then(|| read_text(&path).ok()).flatten();
    if now != before {
        return Err(CliError::Usage(format!("{} was changed meanwhile; nothing was written, try again", shown(&path))));
    }
    pending.finish(&after)?;
    if !shared.quiet {
        complain(&format!("written to {}", shown(&path)));
    }
    Ok(Exit::Clean)
}

/// Reads what is to be written as a scan would, among the other files of its kind.
fn check(place: &Place, path: &Path, after: &str, renewed: bool) -> Result<(), CliError> {
    let mut read = Read::default();
    for file in place.files.iter().filter(|file| !is_same(file, path)) {
        let text = read_text(file).map_err(|found| CliError::Catalogs(Diagnostics(vec![*found])))?;
        read.add(place.kind, shown(file).as_str(), &text, place.known())?;
    }
    let refused = |Diagnostics(found)| {
        let told = |Diagnostic { message, help, .. }: &Diagnostic| {
            help.as_ref().map_or_else(|| message.clone(), |help| format!("{message} ({help})"))
        };
        let all: Vec<String> = found.iter().map(told).collect();
        CliError::Usage(format!("nothing was written: {}", all.join("; ")))
    };
    read.add(place.kind, shown(path).as_str(), after, place.known()).map_err(refused)?;
    let count = |read: &Read| read.attestations.len() + read.waivers.len();
    if count(&read) != count(&place.read) + usize::from(!renewed) {
        return Err(CliError::Bug("what was to be written is not what would be read".to_owned()));
    }
    Ok(())
}

fn list(
    kind: Kind,
    mut listed: Vec<Listed<'_>>,
    state: &StateArgs,
    now: Timestamp,
    shared: &Shared,
) -> Result<Exit, CliError> {
    if let Some(client) = &state.client {
        listed.retain(|one| one.client.to_lowercase() == client.to_lowercase());
    }
    print(&match state.format {
        DoctorFormat::Text => statements::table(kind.key(), listed, now, shared.columns()),
        DoctorFormat::Json => statements::list_json(kind.key(), &listed, now),
    })?;
    Ok(Exit::Clean)
}
