//! `portreeve scan`.

use super::args::{FactArgs, Format, LookArgs, OutputArgs, ScanArgs, Shared, StatedArgs};
use super::exit::{CliError, Exit};
use super::keep::{self, Keeping, Recording};
use super::output::{self, called, complain, print};
use super::pending::PendingFile;
use super::session::{self, Brief, Families};
use super::vantage::{self, Control};
use super::{diff, dry_run, guides, host, statements, watch, witness};
use crate::catalog::builtin::Catalogs;
use crate::catalog::expected::{Beside, Conflict, PORTS_LIMIT, conflict};
use crate::catalog::guide::Guide;
use crate::catalog::inventory::{self, Inventory, NO_CLIENT, Selection};
use crate::catalog::statements::{Read, Scope};
use crate::engine::plan::Extra;
use crate::history::Wanted;
use crate::history::sqlite::Mode;
use crate::model::expected::{Direction, ExpectedRule, RulePorts};
use crate::model::run::{Run, TargetRun};
use crate::model::target::{Host, Role, Target};
use crate::model::verdict::Verdict;
use crate::report;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// Runs `portreeve scan`.
pub(super) async fn run(mut args: ScanArgs, shared: &Shared) -> Result<Exit, CliError> {
    let mut keeping = Keeping::open(&mut args)?;
    let mut catalogs = guides::catalogs(&args.what.guides)?;
    let now = Timestamp::now();
    let (targets, said) = targets(&args, &catalogs, now, shared)?;
    if !args.what.ciphers {
        catalogs.guides.iter_mut().for_each(Guide::leave_out_suites);
    }
    if let Some(target) = targets
        .iter()
        .find(|target| catalogs.guides.iter().all(|guide| guide.items_for(&target.roles).next().is_none()))
    {
        let roles: Vec<&str> = target.roles.iter().map(|role| role.as_str()).collect();
        return Err(CliError::Usage(format!(
            "no guide that was chosen concerns {} (roles: {}); see `portreeve guides list`",
            called(target),
            roles.join(", ")
        )));
    }
    let extra = Extra { ports: args.what.ports.clone(), sweep: args.what.sweep, suites: args.what.ciphers };
    let families = Families::of_options(args.what.only_v4, args.what.only_v6);
    let witness = witness::settings(&args.prove)?;
    let mut engine = session::engine(
        &args.timing,
        families,
        args.what.ca_file.as_deref(),
        extra.sweep,
        session::PATIENCE_OF_SCAN,
        shared,
    )?;
    engine.settings.witness.clone_from(&witness);
    let hosts = host::of_targets(&targets, &args.what.host_evidence)?;
    if let Some(keeping) = &mut keeping {
        keeping.with(&args, &targets, &catalogs.guides, &hosts)?;
    }
    let control = Control::of_options(args.what.control_host.as_ref(), &args.what.control_ports)?;
    if args.dry_run {
        let said = statements::Said { read: &said, now };
        let (catalogs, extra, control) = (&catalogs, &extra, control.as_ref());
        let asked = dry_run::Asked { targets: &targets, catalogs, extra, control, said };
        return dry_run::run(&engine, asked, args.output.format, shared).await;
    }
    // Before the files' places are made: whoever stops the program early leaves nothing behind.
    let interrupted = session::interrupts(shared);
    let files = Files::create(args.output.json.as_deref(), args.output.html.as_deref(), &targets)?;
    let (stream, whole) = (args.output.format == Format::Jsonl && !shared.quiet, !files.is_empty());
    // What was written need not be kept in memory; the exit code needs the verdicts.
    let whole = whole || args.output.format != Format::Jsonl;
    let (earlier, known) = keeping.as_ref().map(Keeping::earlier).unwrap_or_default();
    let started = session::now();
    let recording = keeping.map(|keeping| keeping.begin(&started, &targets, stream)).transpose()?;
    let mut written = Ok(());
    let finished = |place, target: &mut TargetRun| {
        match &recording {
            // Printed once it is kept.
            Some(recording) => recording.finished(place, target),
            None if stream && written.is_ok() => written = output::lines(target),
            None => {}
        }
        if !whole {
            forget(target);
        }
    };
    let vantage = vantage::before(&engine, control.as_ref(), interrupted.clone()).await;
    let learner = recording.as_ref().map(Recording::learner);
    let said = statements::by_target(&said, &targets, now);
    let brief = Brief {
        catalogs: &catalogs,
        extra: &extra,
        vantage: &vantage,
        hosts: &hosts,
        statements: &said,
        earlier: earlier.as_ref(),
        known: &known,
        learner: learner.as_ref(),
    };
    let mut run = session::run(&engine, targets, brief, shared, interrupted, finished).await;
    if earlier.is_none() {
        run.started = started;
    }
    let unused = witness::note_unused(&mut run, witness.as_deref());
    let kept = recording.map_or(Ok(()), |recording| {
        let (settled, printed) = recording.settle();
        written = printed;
        let number = keep::finish(settled, &run, whole, shared)?;
        // What was written already is not in memory any more, and such a report has no place for it.
        if whole && !run.interrupted {
            let store = args.keep.place.open(Mode::Existing)?;
            diff::attach(&store, number, &mut run, &Wanted::default())?;
        }
        Ok(())
    });
    if stream && written.is_ok() {
        written = output::last_line(&run.vantage);
    }
    // The files first: what is on a terminal can be had again from them.
    both(both(kept, both(written, files.finish(&run))), show(&run, &args.output, shared))?;
    match Exit::of_run(&run, args.output.fail_on) {
        // What was asked for was not done, even where no report may say so.
        Exit::Clean | Exit::Findings if unused => Ok(Exit::Partial),
        exit => Ok(exit),
    }
}

/// Keeps of a target only what the exit code needs.
fn forget(target: &mut TargetRun) {
    target.observations = Vec::new();
    for finding in &mut target.findings {
        finding.forget_texts();
    }
    for rule in &mut target.rules {
        rule.check.seen = Vec::new();
    }
}

/// The targets of the scan, and what people say of them.
fn targets(
    args: &ScanArgs,
    catalogs: &Catalogs,
    now: Timestamp,
    shared: &Shared,
) -> Result<(Vec<Target>, Read), CliError> {
    let StatedArgs { attestations, waivers } = &args.stated;
    if args.targets.is_empty() {
        let targets = given(&args.hosts, &args.roles, &args.facts)?;
        let said = statements::load([attestations, waivers], &targets, Scope::Hosts, &catalogs.guides, now)?;
        statements::note_others(&said, shared);
        return Ok((targets, said));
    }
    let Inventory { targets: all, attestations: beside, waivers: waivers_beside, elsewhere, .. } =
        inventory::load(&args.targets)?;
    let (attestations, waivers) = ([&beside[..], attestations].concat(), [&waivers_beside[..], waivers].concat());
    let scope = Scope::Inventory(&elsewhere);
    let said = statements::load([&attestations, &waivers], &all, scope, &catalogs.guides, now)?;
    let select = &args.select;
    let selection = Selection { clients: select.client.clone(), tags: select.tag.clone(), names: select.name.clone() };
    let count = all.len();
    let of_job = |target: &Target| args.job.as_ref().is_none_or(|job| watch::job_of(target).as_ref() == Some(job));
    let selected: Vec<Target> = all.into_iter().filter(|target| selection.selects(target) && of_job(target)).collect();
    if selected.is_empty() {
        return Err(CliError::Usage(format!(
            "none of the {count} targets of the inventory is selected by --client, --tag and --name"
        )));
    }
    Ok((selected, said))
}

fn given(hosts: &[Host], roles: &[Role], facts: &FactArgs) -> Result<Vec<Target>, CliError> {
    if roles.is_empty() {
        let known: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        return Err(CliError::Usage(format!("say what the server is for with --role: {}", known.join(", "))));
    }
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for (index, moved) in facts.moved.iter().enumerate() {
        let earlier = facts.moved.get(..index).unwrap_or_default();
        if earlier.iter().any(|known| known.from.overlaps(moved.from) || known.to.overlaps(moved.to)) {
            return Err(CliError::Usage(format!("--moved {}={} overlaps an earlier --moved", moved.from, moved.to)));
        }
    }
    let rules = rules(facts)?;
    for host in hosts {
        if !seen.insert(host) {
            return Err(CliError::Usage(format!("{host} is named twice")));
        }
        targets.push(Target {
            roles: roles.iter().copied().collect(),
            active_directory: facts.active_directory,
            technicians: facts.technicians,
            redirectors: facts.redirectors,
            control: facts.control.map(Into::into),
            sni: facts.sni.clone(),
            moved: facts.moved.clone(),
            shared_address: facts.shared_address,
            expected: facts.expect.clone(),
            rules: rules.clone(),
            ..Target::new(NO_CLIENT, host.clone())
        });
    }
    Ok(targets)
}

/// The expected rules of --allow and --deny, each for every host and each of its addresses.
fn rules(facts: &FactArgs) -> Result<Vec<ExpectedRule>, CliError> {
    let given = |direction, ports: &[RulePorts]| -> Vec<ExpectedRule> {
        ports.iter().map(|ports| ExpectedRule::new(direction, *ports)).collect()
    };
    let mut rules: Vec<ExpectedRule> = Vec::new();
    let beside =
        Beside { host: None, moved: &facts.moved, shared_address: facts.shared_address, expected: &facts.expect };
    for rule in given(Direction::Allow, &facts.allow).into_iter().chain(given(Direction::Deny, &facts.deny)) {
        if let Some(Conflict { message, help, with }) = conflict(&rule, &rules, &beside) {
            let help = if with.is_none() { format!("; {help}") } else { String::new() };
            let message = format!("{message}{help}").replace("`expected`", "`--expect`");
            return Err(CliError::Usage(format!("--{} {}: {message}", rule.direction, rule.ports)));
        }
        rules.push(rule);
    }
    let named: usize = rules.iter().map(ExpectedRule::named).sum();
    if named > PORTS_LIMIT {
        return Err(CliError::Usage(format!(
            "--allow and --deny name {named} ports, and {PORTS_LIMIT} are the most; `--deny rest --sweep` is about every TCP \
             port that is not named"
        )));
    }
    Ok(rules)
}

/// The reports that are written to files; their places are known to be writable before anything is asked.
pub(super) struct Files {
    json: Option<PendingFile>,
    /// With the client whose report it is; `None` for the only one.
    html: Vec<(Option<String>, PendingFile)>,
}

impl Files {
    /// Opens their places. A client sees its own servers only, so with several clients `html` must be a folder.
    pub(super) fn create(json: Option<&Path>, html: Option<&Path>, targets: &[Target]) -> Result<Self, CliError> {
        let mut pages = Vec::new();
        if let Some(path) = html {
            let clients: BTreeSet<&str> = targets.iter().map(|target| target.client.as_str()).collect();
            if path.is_dir() {
                for client in clients {
                    let name = file_name(client);
                    pages.push((Some(client.to_owned()), PendingFile::create(&path.join(name))?));
                }
            } else if clients.len() > 1 {
                return Err(CliError::Usage(format!(
                    "the targets are of {} clients, and one HTML file would show each the others' servers; name an \
                     existing folder with --html, and one file is written for each client",
                    clients.len()
                )));
            } else {
                pages.push((None, PendingFile::create(path)?));
            }
        }
        let json = json.map(PendingFile::create).transpose()?;
        if json.as_ref().is_some_and(|json| pages.iter().any(|(_, page)| page.place() == json.place())) {
            return Err(CliError::Usage("--json and --html name the same file".to_owned()));
        }
        Ok(Self { json, html: pages })
    }

    /// Whether nothing is to be written.
    fn is_empty(&self) -> bool {
        self.json.is_none() && self.html.is_empty()
    }

    /// Writes all of them; a failure of one does not keep the others from being written.
    pub(super) fn finish(self, run: &Run) -> Result<(), CliError> {
        let mut result = self.json.map_or(Ok(()), |file| file.finish(&json(run)?));
        for (client, file) in self.html {
            let own = client.map(|client| report::for_client(run, &client));
            let page = report::html::render(own.as_ref().unwrap_or(run));
            let page = page.map_err(|error| CliError::Bug(format!("the HTML report: {error}")));
            result = both(result, page.and_then(|page| file.finish(&page)));
        }
        result
    }
}

/// Both of two things that were done, or the first error; the other error is told at once.
pub(super) fn both(first: Result<(), CliError>, second: Result<(), CliError>) -> Result<(), CliError> {
    match (first, second) {
        (Err(first), Err(second)) => {
            complain(&second.to_string());
            Err(first)
        }
        (first, second) => first.and(second),
    }
}

/// A file's name for a client, which depends on that client alone: what is another's today must not bear its name tomorrow. Letters
/// and digits only; where that is not all of the client's name, so much of its SHA-256 that no other client has it.
pub(super) fn file_name(client: &str) -> String {
    let plain: String =
        client.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let plain: String = plain.join("-").chars().take(FILE_NAME_MOST).collect();
    if plain == client && !is_device(&plain) {
        return format!("{plain}.html");
    }
    let digest = Sha256::digest(client);
    let tail = data_encoding::HEXLOWER.encode(digest.first_chunk::<4>().map_or(&[], |first| first));
    format!("{plain}{}{tail}.html", if plain.is_empty() { "" } else { "-" })
}

/// So many characters of a client's name are in that of its file; file systems take 255 bytes.
const FILE_NAME_MOST: usize = 100;

/// Names that Windows gives to devices, whatever follows the dot.
fn is_device(name: &str) -> bool {
    let numbered = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest != "0");
    matches!(name, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

fn json(run: &Run) -> Result<String, CliError> {
    report::json::render(run).map_err(|error| CliError::Bug(format!("the JSON report: {error}")))
}

pub(super) fn show(run: &Run, output: &OutputArgs, shared: &Shared) -> Result<(), CliError> {
    if shared.quiet {
        return Ok(());
    }
    match output.format {
        Format::Json => print(&json(run)?),
        Format::Text => print(&terminal(run, output.look, shared)),
        Format::Jsonl => Ok(()),
    }
}

/// The report for the terminal.
pub(super) fn terminal(run: &Run, look: LookArgs, shared: &Shared) -> String {
    let options = report::terminal::Options {
        width: shared.columns(),
        colour: shared.colour(),
        show: Verdict::ALL.into(),
        lists: if look.all { report::terminal::Lists::Full } else { report::terminal::Lists::Compact },
        evidence: look.evidence,
        remedy: look.remedy,
    };
    report::terminal::render(run, &options)
}
