//! `portreeve report`: many servers in one report, from the history.

use super::args::report::{Form, ReportArgs, ReportFormat, ReportShowArgs, TimeArgs, When};
use super::args::{Cli, Command, FailOn, Shared};
use super::exit::{CliError, Exit};
use super::output::{complain, print, shown};
use super::pending::PendingFile;
use super::scan::{both, file_name};
use crate::catalog::inventory;
use crate::history::courses::{Courses, SnapshotNumber};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive as _, RunNumber, Wanted};
use crate::model::expected::RuleVerdict;
use crate::model::run::Run;
use crate::model::target::Target;
use crate::model::verdict::Verdict;
use crate::report::overview::{Asked, AskedOptions, Choice, Estate, Loaded, Narrowed, Overview, Period};
use crate::report::{self, text::clean};
use clap::Parser as _;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The period where the user names none.
const USUAL: Duration = Duration::from_hours(30 * 24);

/// Runs `portreeve report`.
pub(super) fn run(args: &ReportArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let wanted = args.of.wanted();
    let targets = if args.targets.is_empty() { None } else { Some(inventory::load(&args.targets)?.targets) };
    let targets: Option<Vec<Target>> = targets
        .map(|targets| targets.into_iter().filter(|target| wanted.wants(&target.client, &target.name)).collect());
    let now = Timestamp::now();
    let until = args.time.until.map_or(now, |until| until.before(now));
    if until > now && !shared.quiet {
        let until = until.strftime("%Y-%m-%d %H:%M UTC");
        complain(&format!(
            "--until {until} is yet to come: what is known today is shown, with its days counted as of then"
        ));
    }
    let courses = store.courses(&wanted, until.as_second())?;
    let none = |what: String| CliError::Usage(format!("{what}; `portreeve history` lists the runs"));
    if courses.sights.is_empty() && targets.as_ref().is_none_or(Vec::is_empty) {
        let of = if wanted.is_everything() { String::new() } else { format!(" of {}", args.of.said()) };
        let by = args.time.until.map_or_else(String::new, |_| format!(" until {until}"));
        return Err(none(format!("{} holds no run{of}{by}", shown(store.path()))));
    }
    let period = period(&args.time, &courses, until)?;
    let narrowed = Narrowed { clients: !wanted.clients.is_empty(), names: !wanted.names.is_empty() };
    let (places, estate) =
        (Places::create(&args.show)?, estate(&store, courses, period, targets.as_deref())?.narrowed(narrowed));
    let clients = estate.clients();
    if clients.is_empty() {
        return Err(none("no run that is kept has come to the end of any of these targets".to_owned()));
    }
    let client = if let [only] = clients.as_slice() { Some(only.as_str()) } else { None };
    let overview = estate.overview(client);
    // So many runs of a client are another time for each.
    let of_client = |client: &str| -> Result<Overview, CliError> {
        if args.time.last.is_none() || clients.len() == 1 {
            return Ok(estate.overview(Some(client)));
        }
        let own = Wanted { clients: vec![client.to_owned()], names: wanted.names.clone() };
        let courses = store.courses(&own, until.as_second())?;
        let period = self::period(&args.time, &courses, until)?;
        let estate = self::estate(&store, courses, period, targets.as_deref())?.narrowed(narrowed);
        Ok(estate.overview(Some(client)))
    };
    let written = both(places.finish(&overview), by_client(&args.show, of_client, &clients, shared));
    let told =
        if shared.quiet { Ok(()) } else { text(&overview, args.show.format, shared).and_then(|text| print(&text)) };
    both(written, told)?;
    Ok(Exit::of_overview(&overview, args.show.fail_on))
}

/// Which time the report is about.
fn period(args: &TimeArgs, courses: &Courses, until: Timestamp) -> Result<Period, CliError> {
    let since = match (args.since, args.last) {
        (_, Some(last)) => {
            let last = usize::try_from(last).unwrap_or(usize::MAX);
            Timestamp::from_second(back(courses, last)).unwrap_or(Timestamp::MIN)
        }
        (Some(since), None) => since.before(until),
        (None, None) => When::Ago(USUAL).before(until),
    };
    if since > until {
        return Err(CliError::Usage(format!("the period would begin on {since}, after it ends on {until}")));
    }
    let stale_after = args.stale_after.map(|length| i64::try_from(length.as_secs()).unwrap_or(i64::MAX));
    Ok(Period { since, until, stale_after })
}

/// When the last so many runs of a client began, in seconds since 1970. Over many clients each may be scanned by runs of its own: as
/// far back as for half of them.
fn back(courses: &Courses, last: usize) -> i64 {
    let mut of_clients: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for sight in &courses.sights {
        if let Some(target) = courses.targets.get(sight.target) {
            of_clients.entry(&target.client).or_default().insert(sight.run);
        }
    }
    let first = |runs: &BTreeSet<usize>| {
        let first = runs.iter().nth(runs.len().saturating_sub(last))?;
        courses.runs.get(*first).map(|run| run.at)
    };
    let mut begins: Vec<i64> = of_clients.values().filter_map(first).collect();
    begins.sort_unstable();
    begins.get(begins.len() / 2).copied().unwrap_or(i64::MIN)
}

/// What a run was asked for, by the options that it was begun with.
fn asked(store: &Sqlite, run: RunNumber) -> Result<Asked, CliError> {
    let beginning = store.beginning(run)?;
    let given = std::iter::once("portreeve").chain(beginning.arguments.iter().map(String::as_str));
    let options = match Cli::try_parse_from(given).map(|cli| cli.command) {
        Ok(Command::Scan(scan)) => Some(AskedOptions {
            by_watch: scan.job.is_some(),
            only_some_guides: !scan.what.guides.is_empty(),
            suites: scan.what.ciphers,
            inventories: scan.targets.iter().map(|path| Path::new(&beginning.folder).join(path)).collect(),
            roles: scan.roles.into_iter().collect(),
        }),
        _ => None,
    };
    Ok(Asked { arguments: beginning.arguments, guides: beginning.guides, options })
}

/// Puts the newest picture of each target together. Of all runs only columns are read, whole only those that tell of a target.
fn estate(store: &Sqlite, courses: Courses, period: Period, targets: Option<&[Target]>) -> Result<Estate, CliError> {
    let tells: BTreeSet<SnapshotNumber> =
        courses.snapshots.iter().filter(|one| one.seen.tells()).map(|one| one.number).collect();
    let told = store.told(&tells.into_iter().collect::<Vec<_>>())?;
    let places: Vec<(RunNumber, usize)> = courses
        .sights
        .iter()
        .map(|sight| (courses.runs.get(sight.run).map_or(RunNumber(0), |run| run.number), sight.place))
        .collect();
    let load = |sight: Option<usize>| -> Result<Option<Run>, CliError> {
        let Some((run, place)) = sight.and_then(|sight| places.get(sight)) else { return Ok(None) };
        Ok(Some(store.load_places(*run, &BTreeSet::from([*place]))?))
    };
    let loaded = |choice: &Choice| -> Result<Loaded, CliError> {
        Ok(Loaded { now: load(choice.now)?, before: load(choice.before)?, failed: load(choice.failed)? })
    };
    Estate::new(period, (courses, told), targets, loaded, |run| asked(store, run))
}

fn text(overview: &Overview, format: ReportFormat, shared: &Shared) -> Result<String, CliError> {
    match format {
        ReportFormat::Text => {
            Ok(report::terminal::overview(overview, shared.columns(), shared.colour(), shared.unicode()))
        }
        ReportFormat::Json => render(overview, Form::Json),
        ReportFormat::Markdown => render(overview, Form::Markdown),
        ReportFormat::Csv => render(overview, Form::Csv),
    }
}

fn render(overview: &Overview, form: Form) -> Result<String, CliError> {
    let bug = |what: &str, error: &dyn std::fmt::Display| CliError::Bug(format!("the {what} report: {error}"));
    match form {
        Form::Html => report::html::overview(overview).map_err(|error| bug("HTML", &error)),
        Form::Json => report::json::overview(overview).map_err(|error| bug("JSON", &error)),
        Form::Markdown => Ok(report::markdown::overview(overview)),
        Form::Csv => report::csv::plan(overview).map_err(|error| bug("CSV", &error)),
    }
}

/// The files of the whole report.
struct Places(Vec<(Form, PendingFile)>);

impl Places {
    fn create(show: &ReportShowArgs) -> Result<Self, CliError> {
        let wanted: [(Form, &Option<PathBuf>); 4] = [
            (Form::Html, &show.html),
            (Form::Json, &show.json),
            (Form::Markdown, &show.markdown),
            (Form::Csv, &show.csv),
        ];
        let mut files: Vec<(Form, PendingFile)> = Vec::new();
        for (form, path) in wanted {
            let Some(path) = path else { continue };
            let file = PendingFile::create(path)?;
            if files.iter().any(|(_, known)| known.place() == file.place()) {
                return Err(CliError::Usage(format!("{} is named for two forms of the report", shown(path))));
            }
            files.push((form, file));
        }
        if let Some(folder) = show.by_client.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(CliError::Usage(format!("{} is no folder; make it, and try again", shown(folder))));
        }
        Ok(Self(files))
    }

    fn finish(self, overview: &Overview) -> Result<(), CliError> {
        let mut done = Ok(());
        for (form, file) in self.0 {
            done = both(done, render(overview, form).and_then(|text| file.finish(&text)));
        }
        done
    }
}

/// Writes the report of each client.
fn by_client(
    show: &ReportShowArgs,
    of_client: impl Fn(&str) -> Result<Overview, CliError>,
    clients: &[String],
    shared: &Shared,
) -> Result<(), CliError> {
    let Some(folder) = &show.by_client else { return Ok(()) };
    let forms: BTreeSet<Form> = show.forms.iter().copied().collect();
    let mut done = Ok(());
    for client in clients {
        let page = PathBuf::from(file_name(client));
        let overview = of_client(client)?;
        for form in &forms {
            let path = folder.join(page.with_extension(form.extension()));
            done = both(done, write(&overview, *form, &path));
        }
    }
    if done.is_ok() && !shared.quiet {
        let count = clients.len();
        let whose = if count == 1 { "1 client".to_owned() } else { format!("{count} clients") };
        complain(&format!("reports of {whose} written to {}", clean(&shown(folder).to_string())));
    }
    done
}

fn write(overview: &Overview, form: Form, path: &Path) -> Result<(), CliError> {
    let file = PendingFile::create(path)?;
    file.finish(&render(overview, form)?)
}

impl Exit {
    /// How a report ends: what was not seen before what fails.
    fn of_overview(overview: &Overview, fail_on: FailOn) -> Self {
        let never = overview.inventory.as_ref().is_some_and(|inventory| !inventory.never.is_empty());
        if never || overview.servers.iter().any(|server| !server.is_current()) {
            return Self::Partial;
        }
        let servers = &overview.servers;
        let has = |verdict| {
            let rule = RuleVerdict::from(verdict);
            servers.iter().any(|server| server.tally.count(verdict) > 0 || server.rules.count(rule) > 0)
        };
        let fails = servers.iter().flat_map(|server| &server.failures).any(|failure| failure.waived.is_none());
        let counted = match fail_on {
            FailOn::Never => false,
            FailOn::Fail => fails,
            FailOn::Inconclusive => fails || has(Verdict::Inconclusive),
            FailOn::Needs => {
                let needs = |server: &report::overview::Server| {
                    [Verdict::NeedsEvidence, Verdict::NeedsAttestation]
                        .into_iter()
                        .any(|verdict| server.tally.count(verdict) > 0)
                };
                fails || has(Verdict::Inconclusive) || servers.iter().any(needs)
            }
        };
        if counted { Self::Findings } else { Self::Clean }
    }
}
