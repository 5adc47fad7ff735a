//! `portreeve history`, `show`, `export`, `import` and `prune`: what was kept.

use super::args::Shared;
use super::args::history::{ExportArgs, HistoryArgs, HistoryFormat, ImportArgs, OfArgs, PruneArgs, ShowArgs};
use super::exit::{CliError, Exit};
use super::output::{self, complain, print, shown, wrapped};
use super::pending::PendingFile;
use super::scan::{Files, both};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::transfer::{self, Exporter};
use crate::history::{Archive as _, Prune, RunNumber, State, Summary, Wanted};
use crate::model::run::Tally;
use crate::model::verdict::Verdict;
use crate::report::{self, text::clean};
use serde_json::{Value, json};
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

/// Runs `portreeve history`.
pub(super) fn list(args: &HistoryArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let mut runs = runs_of(&store, &args.of)?;
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
        HistoryFormat::Text => print(&table(&runs, shared.columns()))?,
    }
    Ok(Exit::Clean)
}

/// A line a run, the newest last; what does not fit is wrapped beneath.
fn table(runs: &[Summary], width: usize) -> String {
    let numbers: Vec<String> = runs.iter().map(|run| run.number.to_string()).collect();
    let digits = numbers.iter().map(String::len).max().unwrap_or_default();
    let took = |run: &Summary| run.elapsed_ms.map_or_else(|| "-".to_owned(), report::duration);
    let longest = runs.iter().map(|run| took(run).len()).max().unwrap_or_default();
    let indent = " ".repeat(digits + 2);
    let mut text = String::new();
    for (run, number) in runs.iter().zip(numbers) {
        let targets = format!("{} {}", run.targets, if run.targets == 1 { "target" } else { "targets" });
        let line = format!("{number:>digits$}  {}  {:<longest$}  {targets}: {}", began(run), took(run), said(run));
        // No leading blanks: the wrapper would count them as a word.
        let blanks = line.len() - line.trim_start().len();
        text.push_str(&wrapped(line.trim_start(), width, &" ".repeat(blanks), &indent));
        text.push('\n');
    }
    text
}

/// When a run began, to the minute.
fn began(run: &Summary) -> String {
    let at = run.started.parse::<jiff::Timestamp>();
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
    let number = args.run.find(&runs)?.number;
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
    let runs = store.runs(&Wanted::default())?;
    let numbers: Vec<RunNumber> = match args.run {
        Some(name) => vec![name.find(&runs)?.number],
        None => runs.iter().map(|run| run.number).collect(),
    };
    if args.file == Path::new("-") {
        let mut failed = None;
        let done = write(&store, &numbers, &mut io::stdout().lock(), &mut failed);
        return match (failed, done) {
            (Some(failed), _) => Err(failed),
            (None, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::Machine(format!("cannot write to stdout: {error}")))
            }
            (None, _) => Ok(Exit::Clean),
        };
    }
    let file = PendingFile::create(&args.file)?;
    let mut failed = None;
    let done = file.finish_by(|file| write(&store, &numbers, file, &mut failed));
    failed.map_or(done, Err)?;
    if !shared.quiet {
        complain(&format!("{} written to {}", runs_said(numbers.len()), shown(&args.file)));
    }
    Ok(Exit::Clean)
}

/// Writes runs one by one; `failed` says what the store could not give.
fn write(store: &Sqlite, numbers: &[RunNumber], into: &mut dyn Write, failed: &mut Option<CliError>) -> io::Result<()> {
    let mut exporter = Exporter::new(BufWriter::new(into))?;
    for number in numbers {
        match store.record(*number) {
            Ok(record) => exporter.write(record)?,
            Err(error) => {
                *failed = Some(error.into());
                return Err(io::Error::other("the store could not be read"));
            }
        }
    }
    exporter.finish()?;
    Ok(())
}

fn runs_said(count: usize) -> String {
    format!("{count} {}", if count == 1 { "run" } else { "runs" })
}

/// Runs `portreeve import`.
pub(super) fn import(args: &ImportArgs, shared: &Shared) -> Result<Exit, CliError> {
    let mut store = args.place.open(Mode::Create)?;
    let imported = transfer::import(&args.file, &mut store)?;
    if !shared.quiet {
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
    let rule = match (args.keep, args.older_than) {
        (Some(keep), _) => Prune::Keep(usize::try_from(keep).unwrap_or(usize::MAX)),
        (None, Some(age)) => {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            Prune::Since(jiff::Timestamp::now().as_second().saturating_sub(age))
        }
        (None, None) => return Err(CliError::Usage("say what to keep: --keep N or --older-than 400d".to_owned())),
    };
    let pruned = store.prune(rule, args.dry_run)?;
    if shared.quiet {
        return Ok(Exit::Clean);
    }
    let numbers = |runs: &[RunNumber]| runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = match (pruned.runs.len(), args.dry_run) {
        (0, _) => "nothing to forget".to_owned(),
        (count, true) => format!("{} would be forgotten: {}", runs_said(count), numbers(&pruned.runs)),
        (count, false) => {
            format!("{} forgotten, {} KiB freed: {}", runs_said(count), pruned.freed / 1024, numbers(&pruned.runs))
        }
    };
    if !pruned.spared.is_empty() {
        text = format!(
            "{text}\nkept, as the last of a target, needed for what is open, or still going on: {}",
            numbers(&pruned.spared)
        );
    }
    let lines: Vec<String> = text.lines().map(|line| wrapped(line, shared.columns(), "", "  ")).collect();
    print(&format!("{}\n", lines.join("\n")))?;
    Ok(Exit::Clean)
}
