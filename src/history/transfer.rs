//! Runs as JSON Lines, to be carried from one store to another: `portreeve export` and `portreeve import`.
//!
//! One JSON object on each line, UTF-8:
//!
//! 1. `{"format":"portreeve-history","version":1}`, once, at the beginning.
//! 2. For each run `{"run":{…}}`: `uid` (32 hexadecimal digits, the same in every store), `state` (`finished` or `interrupted`),
//!    `beginning` (options, folder, inventories and guides with their SHA-256, machine, process), and `run`: version, begin,
//!    duration, guides and vantage, with an empty list of targets.
//! 3. `{"target":{…}}` for each target of that run, in order.
//! 4. `{"end":{"uid":…,"targets":…}}`, which tells that the run is whole.
//!
//! Nothing is taken from a file with any mistake in it, and no run is taken twice.

use super::error::shown;
use super::{Archive, Beginning, HistoryError, Record, RunNumber, State, latest};
use crate::model::peer_text::PeerText;
use crate::model::run::{Run, TargetRun};
use crate::model::target::Target;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, Write};
use std::path::Path;

/// The name of the form.
const FORMAT: &str = "portreeve-history";

/// Its version.
const VERSION: u32 = 1;

/// A line longer than this is not read: a target with all that can be said of it has less than a tenth.
pub const LINE_LIMIT: usize = 64 << 20;

/// A run with more targets than this is not read: as many as an inventory may have.
const TARGETS_LIMIT: usize = 100_000;

/// One line.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Format { format: String, version: u32 },
    Run { run: Box<Opening> },
    Target { target: Box<TargetRun> },
    End { end: End },
}

/// A run without its targets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    uid: String,
    state: State,
    beginning: Beginning,
    run: Run,
}

/// The end of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    uid: String,
    targets: usize,
}

/// Writes runs, oldest first.
#[derive(Debug)]
pub struct Exporter<W: Write>(W);

impl<W: Write> Exporter<W> {
    /// Writes the beginning.
    pub fn new(mut into: W) -> io::Result<Self> {
        line(&mut into, &Line::Format { format: FORMAT.to_owned(), version: VERSION })?;
        Ok(Self(into))
    }

    /// Writes a run.
    pub fn write(&mut self, record: Record) -> io::Result<()> {
        let Record { uid, state, beginning, mut run } = record;
        let targets = std::mem::take(&mut run.targets);
        let end = End { uid: uid.clone(), targets: targets.len() };
        line(&mut self.0, &Line::Run { run: Box::new(Opening { uid, state, beginning, run }) })?;
        for target in targets {
            line(&mut self.0, &Line::Target { target: Box::new(target) })?;
        }
        line(&mut self.0, &Line::End { end })
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<W> {
        self.0.flush()?;
        Ok(self.0)
    }
}

fn line(into: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.write_all(b"\n")
}

/// What is wrong, and where: line and column from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line.
    pub line: usize,
    /// The column in bytes.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why reading ended.
enum Ended {
    Mistake(Mistake),
    Read(io::Error),
    History(HistoryError),
}

impl From<HistoryError> for Ended {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

/// Lines of a file, none longer than is read.
struct Lines<R> {
    from: R,
    number: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn mistake(&self, column: usize, message: impl Into<String>) -> Ended {
        Ended::Mistake(Mistake { line: self.number, column: column.max(1), message: message.into() })
    }

    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<Line>, Ended> {
        self.buffer.clear();
        self.number += 1;
        let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX) + 1;
        let read = (&mut self.from).take(limit).read_until(b'\n', &mut self.buffer).map_err(Ended::Read)?;
        if read == 0 {
            return Ok(None);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read > LINE_LIMIT {
            return Err(self.mistake(LINE_LIMIT, format!("the line is longer than {} MiB", LINE_LIMIT >> 20)));
        }
        match parse(&self.buffer) {
            Ok(line) => Ok(Some(line)),
            Err((column, message)) => Err(self.mistake(column, message)),
        }
    }
}

/// The first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfFormat {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRun {
    run: Box<Opening>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTarget {
    target: Box<TargetRun>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEnd {
    end: End,
}

/// Reads one line. Its first key says what it is, so that a mistake within is told where it is.
fn parse(line: &[u8]) -> Result<Line, (usize, String)> {
    fn of<T: DeserializeOwned>(line: &[u8]) -> Result<T, (usize, String)> {
        serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            (error.column(), PeerText::new(message, 300).to_string())
        })
    }
    match line {
        _ if line.starts_with(b"{\"run\"") => of(line).map(|OfRun { run }| Line::Run { run }),
        _ if line.starts_with(b"{\"target\"") => of(line).map(|OfTarget { target }| Line::Target { target }),
        _ if line.starts_with(b"{\"end\"") => of(line).map(|OfEnd { end }| Line::End { end }),
        _ if line.starts_with(b"{\"format\"") => {
            of(line).map(|OfFormat { format, version }| Line::Format { format, version })
        }
        _ => Err((1, "a line begins with {\"format\", {\"run\", {\"target\" or {\"end\"".to_owned())),
    }
}

/// Reads all runs, one after the other.
fn each<R: BufRead>(from: R, mut take: impl FnMut(Record) -> Result<(), HistoryError>) -> Result<(), Ended> {
    let mut lines = Lines { from, number: 0, buffer: Vec::new() };
    match lines.next()? {
        Some(Line::Format { format, version: VERSION }) if format == FORMAT => {}
        Some(Line::Format { format, version }) if format == FORMAT => {
            return Err(lines.mistake(1, format!("this is version {version} of the form, and {VERSION} is known here")));
        }
        _ => {
            return Err(lines.mistake(
                1,
                format!("the file is no export of portreeve: it does not begin with {{\"format\":\"{FORMAT}\""),
            ));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(line) = lines.next()? {
        let Line::Run { run: opening } = line else {
            return Err(lines.mistake(1, "a run is expected here"));
        };
        let Opening { uid, state, beginning, mut run } = *opening;
        check(&uid, state, &run, &mut seen).map_err(|message| lines.mistake(1, message))?;
        let (begun, mut names) = (lines.number, BTreeSet::new());
        loop {
            match lines.next()? {
                Some(Line::Target { target }) if run.targets.len() < TARGETS_LIMIT => {
                    check_target(&target).map_err(|message| lines.mistake(1, message))?;
                    let Target { client, name, .. } = &target.target;
                    if !names.insert((client.to_lowercase(), name.to_lowercase())) {
                        let message = format!("this run has the target {} twice", named(&target.target));
                        return Err(lines.mistake(1, message));
                    }
                    run.targets.push(*target);
                }
                Some(Line::Target { .. }) => {
                    return Err(lines.mistake(1, format!("more than {TARGETS_LIMIT} targets in one run")));
                }
                Some(Line::End { end }) if end.uid == uid && end.targets == run.targets.len() => break,
                Some(Line::End { end }) if end.uid != uid => {
                    let message = format!(
                        "this ends the run {}, and the one that began in line {begun} is {uid}",
                        PeerText::new(&end.uid, 40)
                    );
                    return Err(lines.mistake(1, message));
                }
                Some(Line::End { end }) => {
                    let message = format!(
                        "this ends a run of {} targets, and the one that began in line {begun} has {}",
                        end.targets,
                        run.targets.len()
                    );
                    return Err(lines.mistake(1, message));
                }
                Some(Line::Run { .. } | Line::Format { .. }) | None => {
                    return Err(
                        lines.mistake(1, format!("the run that began in line {begun} has no end: the file is cut"))
                    );
                }
            }
        }
        take(Record { uid, state, beginning, run })?;
    }
    Ok(())
}

fn check(uid: &str, state: State, run: &Run, seen: &mut BTreeSet<String>) -> Result<(), String> {
    if uid.len() != 32 || !uid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("`uid` is 32 hexadecimal digits, in lower case".to_owned());
    }
    if !seen.insert(uid.to_owned()) {
        return Err(format!("the run {uid} is here twice"));
    }
    if state == State::Running {
        return Err("`state` is finished or interrupted".to_owned());
    }
    if !run.targets.is_empty() {
        return Err("the targets of a run have lines of their own".to_owned());
    }
    let utc = run.started.ends_with('Z') && run.started.len() == 20;
    if !utc || super::dates::seconds(&run.started).is_none() {
        return Err("`started` is a time such as 2026-11-21T02:00:00Z".to_owned());
    }
    Ok(())
}

/// A target as a message calls it.
fn named(target: &Target) -> PeerText {
    PeerText::new(&target.label(), 200)
}

/// What the types of a target do not promise, and others rely on.
fn check_target(run: &TargetRun) -> Result<(), String> {
    for (key, text) in [("client", &run.target.client), ("name", &run.target.name)] {
        if text.chars().any(char::is_control) {
            return Err(format!("the `{key}` of {} holds control characters", named(&run.target)));
        }
        if text.trim().is_empty() {
            return Err(format!("a target without a `{key}`"));
        }
    }
    let uneven = run
        .target
        .moved
        .iter()
        .find(|moved| moved.from.count() != moved.to.count() || moved.from.transport() != moved.to.transport());
    match uneven {
        Some(moved) => Err(format!("{} cannot be moved to {}", moved.from, moved.to)),
        None => Ok(()),
    }
}

/// Reads an export from memory.
pub fn read(bytes: &[u8]) -> Result<Vec<Record>, Mistake> {
    let mut records = Vec::new();
    let done = each(bytes, |record| {
        records.push(record);
        Ok(())
    });
    match done {
        Ok(()) => Ok(records),
        Err(Ended::Mistake(mistake)) => Err(mistake),
        Err(Ended::Read(error)) => Err(Mistake { line: 0, column: 0, message: error.to_string() }),
        Err(Ended::History(error)) => Err(Mistake { line: 0, column: 0, message: error.to_string() }),
    }
}

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The numbers that the runs have here.
    pub taken: Vec<RunNumber>,
    /// Those of them that are dated in the future.
    pub ahead: Vec<RunNumber>,
    /// How many runs were here before.
    pub known: usize,
}

/// Opens an export.
pub fn open(path: &Path) -> Result<File, HistoryError> {
    let failed = |message: String| HistoryError::Unreadable { path: shown(path), message };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(failed("it is a folder".to_owned()));
    }
    Ok(file)
}

/// Takes every run of an export that is not in the archive yet. The file is read twice: first to see that all of it is right.
pub fn import(path: &Path, archive: &mut dyn Archive, now: Timestamp) -> Result<Imported, HistoryError> {
    let failed = |error: &io::Error| HistoryError::Unreadable { path: shown(path), message: error.to_string() };
    let told = |ended| match ended {
        Ended::Mistake(Mistake { line, column, message }) => {
            HistoryError::Malformed { path: shown(path), line, column, message }
        }
        Ended::Read(error) => failed(&error),
        Ended::History(error) => error,
    };
    let mut file = open(path)?;
    each(BufReader::new(&file), |_| Ok(())).map_err(told)?;
    file.rewind().map_err(|error| failed(&error))?;
    let mut imported = Imported::default();
    let taken = each(BufReader::new(&file), |record| {
        match archive.take(&record)? {
            Some(number) => {
                imported.taken.push(number);
                let started = super::dates::seconds(&record.run.started);
                if started.is_some_and(|started| started > latest(now).as_second()) {
                    imported.ahead.push(number);
                }
            }
            None => imported.known += 1,
        }
        Ok(())
    });
    taken.map_err(told)?;
    Ok(imported)
}
