//! `portreeve diff`: what reads otherwise between two runs, and why.

use super::args::Shared;
use super::args::diff::{DiffArgs, DiffFailOn, DiffFormat, DiffShowArgs};
use super::exit::{CliError, Exit};
use super::output::print;
use super::pending::PendingFile;
use super::scan::{both, file_name};
use crate::drift::{EARLIER, Series, compare};
use crate::history::sqlite::Mode;
use crate::history::{Archive, RunName, RunNumber, State, Summary, Wanted};
use crate::model::drift::{Drift, RunMark};
use crate::model::run::Run;
use crate::report;
use std::collections::BTreeSet;
use std::path::Path;

/// How many runs back are looked at for one of the same servers.
const BACK: usize = 60;

/// A run, with its number in the history.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) number: Option<u64>,
    pub(super) run: Run,
}

impl Loaded {
    fn of(number: RunNumber, run: Run) -> Self {
        Self { number: u64::try_from(number.0).ok(), run }
    }
}

/// Runs `portreeve diff`.
pub(super) fn run(args: &DiffArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let wanted = Wanted { clients: args.of.client.clone(), names: args.of.name.clone() };
    let runs = store.runs(&wanted)?;
    let ended: Vec<&Summary> = runs.iter().filter(|run| run.state == State::Finished).collect();
    let none = |what: &str| CliError::Usage(format!("{what}; `portreeve history` lists the runs"));
    let new = match args.new.or(args.old.filter(|_| args.new.is_none()).map(|_| RunName::Last(0))) {
        Some(name) => name.find(&runs)?,
        None => *ended.last().ok_or_else(|| none("there is no run that came to its end"))?,
    };
    let loaded = store.load(new.number, &wanted)?;
    let old = match args.old {
        Some(name) => {
            let old = name.find(&runs)?;
            Some((old.number, store.load(old.number, &wanted)?))
        }
        None => earlier(&store, &runs, (new.number, &loaded), &wanted)?,
    };
    let old = old.ok_or_else(|| none("no earlier run that came to its end has the same servers; name two runs"))?;
    if old.0 == new.number {
        return Err(none("the two runs are the same one"));
    }
    let drift = of_runs(&store, &runs, old, (new.number, &loaded))?;
    show(&drift, &args.show, shared)
}

/// Puts into `run` what reads otherwise than in the last run of the same servers, where there is one.
pub(super) fn attach(store: &dyn Archive, number: RunNumber, run: &mut Run, wanted: &Wanted) -> Result<(), CliError> {
    let runs = store.runs(wanted)?;
    if let Some(old) = earlier(store, &runs, (number, run), wanted)? {
        run.drift = Some(Box::new(of_runs(store, &runs, old, (number, run))?));
    }
    Ok(())
}

/// The last run before this one that came to its end and has the same servers.
fn earlier(
    store: &dyn Archive,
    runs: &[Summary],
    (number, new): (RunNumber, &Run),
    wanted: &Wanted,
) -> Result<Option<(RunNumber, Run)>, CliError> {
    let called = |run: &Run| -> BTreeSet<String> { run.targets.iter().map(|target| target.target.label()).collect() };
    let servers = called(new);
    let before = runs.iter().rev().skip_while(|run| run.number != number).skip(1).take(BACK);
    for run in before.filter(|run| run.state == State::Finished && run.targets == servers.len()) {
        let old = store.load(run.number, wanted)?;
        if called(&old) == servers {
            return Ok(Some((run.number, old)));
        }
    }
    Ok(None)
}

/// What reads otherwise, with the runs around the two: client by client, so that no more is held than is compared.
fn of_runs(
    store: &dyn Archive,
    runs: &[Summary],
    (old_number, old): (RunNumber, Run),
    (new_number, new): (RunNumber, &Run),
) -> Result<Drift, CliError> {
    let place = |number| runs.iter().position(|run| run.number == number);
    let (Some(mut first), Some(mut last)) = (place(old_number), place(new_number)) else {
        return Err(CliError::Bug("a run is not in the list of runs".to_owned()));
    };
    if first > last {
        // Asked the other way round: what lies between lies between.
        (first, last) = (last, first);
    }
    let usable = |run: &&Summary| run.state != State::Running;
    let between: Vec<&Summary> = runs.get(first + 1..last).unwrap_or_default().iter().rev().filter(usable).collect();
    let earlier: Vec<&Summary> = runs.get(..first).unwrap_or_default().iter().rev().filter(usable).collect();
    let mut clients = report::clients(new);
    clients.extend(report::clients(&old).into_iter().filter(|client| !report::clients(new).contains(client)));
    let mut whole: Option<Drift> = None;
    for client in clients {
        let wanted = Wanted { clients: vec![client.to_owned()], names: Vec::new() };
        let load = |run: &&Summary| Ok(Loaded::of(run.number, store.load(run.number, &wanted)?));
        let own = Loaded::of(old_number, report::for_client(&old, client));
        let now = report::for_client(new, client);
        let drift =
            since(own, (u64::try_from(new_number.0).ok(), &now), between.iter().map(load), earlier.iter().map(load))?;
        match &mut whole {
            None => whole = Some(drift),
            Some(whole) => whole.targets.extend(drift.targets),
        }
    }
    let mut whole = match whole {
        Some(drift) => drift,
        None => since(
            Loaded::of(old_number, Run { targets: Vec::new(), ..old.clone() }),
            (u64::try_from(new_number.0).ok(), new),
            std::iter::empty(),
            std::iter::empty(),
        )?,
    };
    // A client's part of a run may be whole where the run is not.
    let mark = |number: RunNumber, run: &Run| RunMark { number: u64::try_from(number.0).ok(), ..RunMark::of(run) };
    (whole.before, whole.after) = (mark(old_number, &old), mark(new_number, new));
    for other in &mut whole.others {
        let known = runs.iter().find(|run| u64::try_from(run.number.0).ok() == other.number);
        other.partial = known.map_or(other.partial, |known| known.partial);
    }
    Ok(whole)
}

/// What reads otherwise in `new` than in `old`. `between` and `earlier` are the runs between the two and those before `old`, each
/// newest first; they are loaded one by one, and only as many as are of use.
pub(super) fn since(
    old: Loaded,
    new: (Option<u64>, &Run),
    between: impl Iterator<Item = Result<Loaded, CliError>>,
    earlier: impl Iterator<Item = Result<Loaded, CliError>>,
) -> Result<Drift, CliError> {
    let few = |runs: &mut dyn Iterator<Item = Result<Loaded, CliError>>| -> Result<Vec<Loaded>, CliError> {
        let mut runs = runs.collect::<Result<Vec<Loaded>, CliError>>()?;
        runs.reverse();
        Ok(runs)
    };
    let (between, mut runs) = (few(&mut between.take(EARLIER / 2))?, few(&mut earlier.take(EARLIER))?);
    let base = runs.len();
    runs.push(old);
    runs.extend(between);
    let all = runs.iter().map(|loaded| (loaded.number, &loaded.run)).chain([new]);
    let series = Series::new(all).and_then(|series| series.against(base));
    let series = series.ok_or_else(|| CliError::Bug("a run was compared with none".to_owned()))?;
    Ok(compare(&series))
}

/// Shows what reads otherwise, and says how the program ends.
pub(super) fn show(drift: &Drift, how: &DiffShowArgs, shared: &Shared) -> Result<Exit, CliError> {
    let pages = how.html.as_deref().map(|path| pages(path, drift)).transpose()?.unwrap_or_default();
    let mut written = Ok(());
    for (client, file) in pages {
        let own = client.map(|client| report::drift_for_client(drift, &client));
        let page = report::html::drift(own.as_ref().unwrap_or(drift));
        let page = page.map_err(|error| CliError::Bug(format!("the HTML report: {error}")));
        written = both(written, page.and_then(|page| file.finish(&page)));
    }
    let shown = if shared.quiet { Ok(()) } else { text(drift, how.format, shared).and_then(|text| print(&text)) };
    both(written, shown)?;
    Ok(Exit::of_drift(drift, how.fail_on))
}

fn text(drift: &Drift, format: DiffFormat, shared: &Shared) -> Result<String, CliError> {
    match format {
        DiffFormat::Text => Ok(report::terminal::drift(drift, shared.columns(), shared.colour())),
        DiffFormat::Json => {
            report::json::drift(drift).map_err(|error| CliError::Bug(format!("the JSON report: {error}")))
        }
        DiffFormat::Csv => report::csv::drift(drift).map_err(|error| CliError::Bug(format!("the CSV report: {error}"))),
    }
}

/// The places of the HTML pages. A client sees its own servers only, so with several clients `path` must be a folder.
fn pages(path: &Path, drift: &Drift) -> Result<Vec<(Option<String>, PendingFile)>, CliError> {
    let clients: BTreeSet<&str> = drift.targets.iter().map(|target| target.client.as_str()).collect();
    if path.is_dir() {
        let mut names = BTreeSet::new();
        let page = |client: &str| {
            let file = PendingFile::create(&path.join(file_name(client, &mut names)))?;
            Ok((Some(client.to_owned()), file))
        };
        return clients.into_iter().map(page).collect();
    }
    if clients.len() > 1 {
        return Err(CliError::Usage(format!(
            "the runs have targets of {} clients, and one HTML file would show each the others' servers; name an existing \
             folder with --html, and one file is written for each client",
            clients.len()
        )));
    }
    Ok(vec![(None, PendingFile::create(path)?)])
}

impl Exit {
    /// How a comparison ends: what could not be compared before what is worse.
    pub(super) fn of_drift(drift: &Drift, fail_on: DiffFailOn) -> Self {
        let tally = drift.tally();
        let counted = match fail_on {
            DiffFailOn::Worse => tally.worse > 0,
            DiffFailOn::Change => !drift.is_unchanged(),
            DiffFailOn::Never => false,
        };
        if !drift.is_whole() {
            Self::Partial
        } else if counted {
            Self::Findings
        } else {
            Self::Clean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::session::empty_run;
    use crate::model::run::{TargetRun, Trouble};
    use crate::model::target::{Host, Target};
    use crate::model::verdict::{Check, Confidence, Finding, Severity, Verdict};

    fn run(client: &str, verdict: Verdict, troubles: &[Trouble]) -> Run {
        let check = Check {
            rule: "r".to_owned(),
            verdict,
            confidence: Confidence::High,
            seen: Vec::new(),
            why: "w".to_owned(),
            settle: None,
            rests_on: Vec::new(),
            lacking: false,
        };
        let finding = Finding {
            guide: "g".to_owned(),
            item: "ITEM".to_owned(),
            section: String::new(),
            title: String::new(),
            severity: Severity::High,
            verdict,
            confidence: Confidence::High,
            checks: vec![check],
            rationale: String::new(),
            remedy: Vec::new(),
            references: Vec::new(),
            disagreements: Vec::new(),
            attestation: None,
            waiver: None,
        };
        let target = TargetRun {
            target: Target::new(client, Host::Name("h.invalid".to_owned())),
            addresses: Vec::new(),
            observations: Vec::new(),
            findings: vec![finding],
            rules: Vec::new(),
            disagreements: Vec::new(),
            troubles: troubles.to_vec(),
            evidence: None,
        };
        Run { targets: vec![target], ..empty_run() }
    }

    fn loaded(number: u64, verdict: Verdict) -> Loaded {
        Loaded { number: Some(number), run: run("c", verdict, &[]) }
    }

    fn ended(old: Verdict, new: Verdict, troubles: &[Trouble], fail_on: DiffFailOn) -> Exit {
        let new = run("c", new, troubles);
        let drift = since(loaded(1, old), (Some(2), &new), std::iter::empty(), std::iter::empty()).unwrap();
        Exit::of_drift(&drift, fail_on)
    }

    #[test]
    fn the_exit_code_tells_what_is_worse_and_what_could_not_be_compared() {
        use Verdict::{Fail, Inconclusive, Pass};
        assert_eq!(ended(Pass, Pass, &[], DiffFailOn::Change), Exit::Clean);
        assert_eq!(ended(Pass, Fail, &[], DiffFailOn::Worse), Exit::Findings);
        assert_eq!(ended(Pass, Fail, &[], DiffFailOn::Never), Exit::Clean);
        assert_eq!(ended(Fail, Pass, &[], DiffFailOn::Worse), Exit::Clean);
        assert_eq!(ended(Fail, Pass, &[], DiffFailOn::Change), Exit::Findings);
        assert_eq!(ended(Fail, Inconclusive, &[], DiffFailOn::Never), Exit::Partial, "a lost sight is no mending");
        assert_eq!(ended(Pass, Fail, &[Trouble::OutOfTime], DiffFailOn::Worse), Exit::Partial);
    }

    #[test]
    fn only_as_many_runs_are_loaded_as_are_of_use() {
        let mut asked = 0;
        let earlier = (0..100).rev().map(|number| {
            asked += 1;
            Ok(loaded(number, Verdict::Pass))
        });
        let between = (101..110).rev().map(|number| Ok(loaded(number, Verdict::Inconclusive)));
        let new = run("c", Verdict::Fail, &[]);
        let drift = since(loaded(100, Verdict::Pass), (Some(110), &new), between, earlier).unwrap();
        let others: Vec<u64> = drift.others.iter().filter_map(|mark| mark.number).collect();
        assert_eq!(others, [92, 93, 94, 95, 96, 97, 98, 99, 106, 107, 108, 109]);
        assert_eq!((drift.before.number, drift.after.number), (Some(100), Some(110)));
        assert_eq!(asked, EARLIER);
    }

    #[test]
    fn a_run_that_cannot_be_loaded_is_an_error() {
        let broken = || Err(CliError::Machine("the disk is gone".to_owned()));
        let new = run("c", Verdict::Pass, &[]);
        let error = since(loaded(1, Verdict::Pass), (None, &new), std::iter::empty(), std::iter::once_with(broken));
        assert!(matches!(error, Err(CliError::Machine(_))));
    }

    #[test]
    fn no_client_is_shown_the_servers_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = run("a", Verdict::Fail, &[]);
        new.targets.extend(run("b", Verdict::Fail, &[]).targets);
        let mut old = loaded(1, Verdict::Pass);
        old.run = Run { targets: Vec::new(), ..old.run };
        let drift = since(old, (None, &new), std::iter::empty(), std::iter::empty()).unwrap();
        let error = pages(&folder.path().join("one.html"), &drift).map(|_| ());
        assert!(matches!(error, Err(CliError::Usage(message)) if message.contains("2 clients")));
        let names: Vec<Option<String>> =
            pages(folder.path(), &drift).unwrap().into_iter().map(|(client, _)| client).collect();
        assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]);
        let own = report::drift_for_client(&drift, "a");
        assert!(own.targets.iter().all(|target| target.client == "a") && !own.targets.is_empty());
    }
}
