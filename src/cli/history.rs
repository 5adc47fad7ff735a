//! `portreeve history`, `show`, `export`, `import` and `prune`: what was kept.

use super::args::Shared;
use super::args::history::{ExportArgs, HistoryArgs, HistoryFormat, ImportArgs, OfArgs, PruneArgs, ShowArgs};
use super::exit::{CliError, Exit};
use super::output::{self, complain, print, shown, wrapped};
use super::pending::PendingFile;
use super::scan::{Files, both};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::transfer::{self, Exporter};
use crate::history::{Archive as _, HistoryError, Prune, RunName, RunNumber, State, Summary, Wanted};
use crate::model::run::Tally;
use crate::model::verdict::Verdict;
use crate::report::{self, text::clean};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

impl OfArgs {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { clients: self.client.clone(), names: self.name.clone() }
    }

    /// The same as it was said, for a message.
    pub(super) fn said(&self) -> String {
        let client = self.client.iter().map(|client| format!(" --client {client}"));
        let name = self.name.iter().map(|name| format!(" --name {name}"));
        clean(&client.chain(name).collect::<String>()).trim_start().to_owned()
    }
}

/// The runs that have any of these targets; that none has is said in these words, not as if a run were missing.
pub(super) fn runs_of(store: &Sqlite, of: &OfArgs) -> Result<Vec<Summary>, CliError> {
    let wanted = of.wanted();
    let runs = store.runs(&wanted)?;
    if runs.is_empty() && !wanted.is_everything() {
        return Err(CliError::Usage(format!("no run in {} has a target of {}", shown(store.path()), of.said())));
    }
    Ok(runs)
}

/// Says in a line which of `runs` are dated in the future, and what that keeps them from.
pub(super) fn say_ahead(runs: &[Summary], now: Timestamp, consequence: &str, shared: &Shared) {
    let ahead: Vec<&Summary> = runs.iter().filter(|run| run.is_ahead(now)).collect();
    if let Some(newest) = ahead.last().filter(|_| !shared.quiet) {
        let numbers: Vec<RunNumber> = ahead.iter().map(|run| run.number).collect();
        complain(&format!(
            "{} dated in the future ({}), by a wrong clock here or where it was taken in from: {consequence}",
            if numbers.len() == 1 {
                format!("run {} is", newest.number)
            } else {
                format!("runs {} are", listed(&numbers))
            },
            began(newest),
        ));
    }
}

/// `1, 3 to 9`: each number, and those in a row by the first and the last.
fn listed(numbers: &[RunNumber]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let rows = sorted.chunk_by(|one, next| one.0 + 1 == next.0);
    let told = rows.flat_map(|row| match row {
        [first, _, .., last] => vec![format!("{first} to {last}")],
        few => few.iter().map(ToString::to_string).collect(),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Runs `portreeve history`.
pub(super) fn list(args: &HistoryArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let (mut runs, now) = (runs_of(&store, &args.of)?, Timestamp::now());
    if let Some(last) = args.last.and_then(|last| usize::try_from(last).ok()) {
        runs.drain(..runs.len().saturating_sub(last));
    }
    if shared.quiet {
        return Ok(Exit::Clean);
    }
    match args.format {
        HistoryFormat::Json => {
            let runs: Vec<Value> = runs.iter().map(object).collect();
            let text = serde_json::to_string_pretty(&json!({ "format": "portreeve-runs", "version": 1, "runs": runs }));
            print(&format!("{}\n", text.map_err(|error| CliError::Bug(format!("the list of runs: {error}")))?))?;
        }
        HistoryFormat::Text if runs.is_empty() => {
            print(&format!("{} holds no run; `portreeve scan` keeps each of its runs there\n", shown(store.path())))?;
        }
        HistoryFormat::Text => print(&table(&runs, shared.columns(), now))?,
    }
    say_ahead(&runs, now, "`last` and `prune --keep` leave it out", shared);
    Ok(Exit::Clean)
}

/// A line a run, the newest last; what does not fit is wrapped beneath.
fn table(runs: &[Summary], width: usize, now: Timestamp) -> String {
    let numbers: Vec<String> = runs.iter().map(|run| run.number.to_string()).collect();
    let digits = numbers.iter().map(String::len).max().unwrap_or_default();
    let took = |run: &Summary| run.elapsed_ms.map_or_else(|| "-".to_owned(), report::duration);
    let longest = runs.iter().map(|run| took(run).len()).max().unwrap_or_default();
    let indent = " ".repeat(digits + 2);
    let mut text = String::new();
    for (run, number) in runs.iter().zip(numbers) {
        let targets = format!("{} {}", run.targets, if run.targets == 1 { "target" } else { "targets" });
        let ahead = if run.is_ahead(now) { "; DATED IN THE FUTURE" } else { "" };
        let line =
            format!("{number:>digits$}  {}  {:<longest$}  {targets}: {}{ahead}", began(run), took(run), said(run));
        // No leading blanks: the wrapper would count them as a word.
        let blanks = line.len() - line.trim_start().len();
        text.push_str(&wrapped(line.trim_start(), width, &" ".repeat(blanks), &indent));
        text.push('\n');
    }
    text
}

/// When a run began, to the minute.
fn began(run: &Summary) -> String {
    let at = run.started.parse::<Timestamp>();
    at.map_or_else(|_| clean(&run.started).into_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// What came of a run: the counts of its verdicts, and what it lacks.
fn said(run: &Summary) -> String {
    let mut parts: Vec<String> = tallied(&run.findings);
    if run.violated > 0 {
        let rules = if run.violated == 1 { "rule" } else { "rules" };
        parts.push(format!("{} {rules} violated", run.violated));
    }
    let mut said = if parts.is_empty() { "no verdicts".to_owned() } else { parts.join(", ") };
    let lacks = match run.state {
        State::Running => Some(format!("RUNNING, {} to go", run.unfinished)),
        State::Interrupted if run.unfinished > 0 => Some(format!("INTERRUPTED, {} not finished", run.unfinished)),
        State::Interrupted => Some("INTERRUPTED".to_owned()),
        State::Finished => run.partial.then(|| "PARTIAL".to_owned()),
    };
    if let Some(lacks) = lacks {
        said = format!("{said}; {lacks}");
    }
    said
}

fn tallied(tally: &Tally) -> Vec<String> {
    let counts = Verdict::ALL.into_iter().filter(|verdict| tally.count(*verdict) > 0);
    counts.map(|verdict| report::tallied(tally.count(verdict), verdict)).collect()
}

fn object(run: &Summary) -> Value {
    let findings: serde_json::Map<String, Value> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.as_str().to_owned(), run.findings.count(verdict).into()))
        .collect();
    json!({
        "run": run.number.0,
        "started": clean(&run.started),
        "elapsed_ms": run.elapsed_ms,
        "state": run.state.as_str(),
        "partial": run.partial,
        "targets": run.targets,
        "unfinished": run.unfinished,
        "findings": findings,
        "rules_violated": run.violated,
        "tool_version": clean(&run.tool_version),
    })
}

/// Runs `portreeve show`.
pub(super) fn show(args: &ShowArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let (wanted, runs) = (args.of.wanted(), runs_of(&store, &args.of)?);
    let now = Timestamp::now();
    let number = args.run.find(&runs, now)?.number;
    if matches!(args.run, RunName::Last(_)) {
        say_ahead(&runs, now, "`last` leaves it out", shared);
    }
    let mut run = store.load(number, &wanted)?;
    super::diff::attach(&store, number, &mut run, &wanted)?;
    let targets: Vec<_> = run.targets.iter().map(|target| target.target.clone()).collect();
    let files = Files::create(args.output.json.as_deref(), args.output.html.as_deref(), &targets)?;
    if args.output.format == super::args::Format::Jsonl && !shared.quiet {
        run.targets.iter().try_for_each(output::lines)?;
        output::last_line(&run.vantage)?;
    }
    both(files.finish(&run), super::scan::show(&run, &args.output, shared))?;
    Ok(Exit::of_run(&run, args.output.fail_on))
}

/// Runs `portreeve export`.
pub(super) fn export(args: &ExportArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let mut exported = Exported { all: args.all, ..Exported::default() };
    let numbers: Vec<RunNumber> = match (store.runs(&Wanted::default()), args.run) {
        (Ok(runs), Some(name)) => vec![name.find(&runs, Timestamp::now())?.number],
        (Ok(runs), None) => runs.iter().map(|run| run.number).collect(),
        // Each is tried by its number.
        (Err(HistoryError::Damaged { message, .. }), None) => {
            exported.list = Some(message);
            store.candidates()?
        }
        (Err(error), _) => return Err(error.into()),
    };
    if args.file == Path::new("-") {
        let done = write(&store, &numbers, &mut io::stdout().lock(), &mut exported);
        return match (exported.failed.take(), done) {
            (Some(failed), _) => Err(failed),
            (None, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::Machine(format!("cannot write to stdout: {error}")))
            }
            (None, _) => Ok(exported.end()),
        };
    }
    let file = PendingFile::create(&args.file)?;
    let done = file.finish_by(|file| write(&store, &numbers, file, &mut exported));
    exported.failed.take().map_or(done, Err)?;
    if !shared.quiet {
        complain(&format!("{} written to {}", runs_said(exported.written), shown(&args.file)));
    }
    Ok(exported.end())
}

/// What an export came to.
#[derive(Default)]
struct Exported {
    /// Every run is wanted: those that can be read are written also where others cannot.
    all: bool,
    written: usize,
    /// The runs that cannot be read, by why.
    lost: BTreeMap<String, Vec<RunNumber>>,
    /// Why the runs could not be listed, where they could not.
    list: Option<String>,
    /// What ended it.
    failed: Option<CliError>,
}

impl Exported {
    /// Says what is lost. That is said to whoever wants quiet too.
    fn end(&self) -> Exit {
        if let Some(why) = &self.list {
            complain(&format!("the list of runs is damaged ({}): each run was tried by its number", clean(why)));
        }
        for (why, runs) in &self.lost {
            let are = if runs.len() == 1 { "run is" } else { "runs are" };
            complain(&format!(
                "{} {are} lost, for the store is damaged ({}): {}",
                runs.len(),
                clean(why),
                listed(runs)
            ));
        }
        if self.lost.is_empty() && self.list.is_none() { Exit::Clean } else { Exit::Partial }
    }
}

/// Writes runs one by one.
fn write(store: &Sqlite, numbers: &[RunNumber], into: &mut dyn Write, exported: &mut Exported) -> io::Result<()> {
    let mut exporter = Exporter::new(BufWriter::new(into))?;
    for number in numbers {
        match store.record(*number) {
            Ok(record) => {
                exporter.write(record)?;
                exported.written += 1;
            }
            Err(HistoryError::Damaged { message, .. }) if exported.all => {
                exported.lost.entry(message).or_default().push(*number);
            }
            // Only tried: whether there ever was one is not known.
            Err(HistoryError::NoRun { .. }) if exported.list.is_some() => {}
            Err(error) => {
                exported.failed = Some(error.into());
                return Err(io::Error::other("the store could not be read"));
            }
        }
    }
    if exported.written == 0 && !(exported.lost.is_empty() && exported.list.is_none()) {
        exported.failed = Some(CliError::Machine(format!(
            "{} is damaged, and none of its runs can be read: take it from a backup",
            shown(store.path())
        )));
        return Err(io::Error::other("the store could not be read"));
    }
    exporter.finish()?;
    Ok(())
}

fn runs_said(count: usize) -> String {
    format!("{count} {}", if count == 1 { "run" } else { "runs" })
}

/// Runs `portreeve import`.
pub(super) fn import(args: &ImportArgs, shared: &Shared) -> Result<Exit, CliError> {
    // A file that is not there makes no store.
    drop(transfer::open(&args.file)?);
    let mut store = args.place.open(Mode::Create)?;
    let now = Timestamp::now();
    let imported = transfer::import(&args.file, &mut store, now)?;
    if !shared.quiet {
        let runs = if imported.ahead.is_empty() { Vec::new() } else { store.runs(&Wanted::default())? };
        let ahead: Vec<Summary> = runs.into_iter().filter(|run| imported.ahead.contains(&run.number)).collect();
        say_ahead(&ahead, now, "`last` and `prune --keep` leave it out", shared);
        let known = match imported.known {
            0 => String::new(),
            known => format!(
                "; {} in the store before",
                if known == 1 { "1 was".to_owned() } else { format!("{known} were") }
            ),
        };
        print(&format!("{} taken{known}\n", runs_said(imported.taken.len())))?;
    }
    Ok(Exit::Clean)
}

/// Runs `portreeve prune`.
pub(super) fn prune(args: &PruneArgs, shared: &Shared) -> Result<Exit, CliError> {
    let mut store = args.place.open(Mode::Existing)?;
    let now = Timestamp::now();
    let rule = match (args.keep, args.older_than) {
        (Some(keep), _) => Prune::Keep(usize::try_from(keep).unwrap_or(usize::MAX)),
        (None, Some(age)) => {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            Prune::Since(now.as_second().saturating_sub(age))
        }
        (None, None) => return Err(CliError::Usage("say what to keep: --keep N or --older-than 400d".to_owned())),
    };
    let pruned = store.prune(rule, now, args.dry_run)?;
    if shared.quiet {
        return Ok(Exit::Clean);
    }
    let mut text = match (pruned.runs.len(), args.dry_run) {
        (0, _) => "nothing to forget".to_owned(),
        (count, true) => format!("{} would be forgotten: {}", runs_said(count), listed(&pruned.runs)),
        (count, false) => {
            format!("{} forgotten, {} KiB freed: {}", runs_said(count), pruned.freed / 1024, listed(&pruned.runs))
        }
    };
    if !pruned.spared.is_empty() {
        text = format!(
            "{text}\nkept, as the last of a target, needed for what is open, or still going on: {}",
            listed(&pruned.spared)
        );
    }
    if !pruned.ahead.is_empty() {
        text =
            format!("{text}\nkept and not counted, as dated in the future by a wrong clock: {}", listed(&pruned.ahead));
    }
    let lines: Vec<String> = text.lines().map(|line| wrapped(line, shared.columns(), "", "  ")).collect();
    print(&format!("{}\n", lines.join("\n")))?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_in_a_row_are_told_by_the_first_and_the_last() {
        let told = |numbers: &[i64]| listed(&numbers.iter().copied().map(RunNumber).collect::<Vec<_>>());
        assert_eq!(told(&[1, 2]), "1, 2");
        assert_eq!(told(&[9, 1, 3, 4, 5, 6, 11, 12]), "1, 3 to 6, 9, 11, 12");
        assert_eq!(told(&[]), "");
    }
}
