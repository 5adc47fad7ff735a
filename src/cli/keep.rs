//! Keeping a scan's run while it goes on, and going on with one that was interrupted.

use super::args::{Cli, Command, ScanArgs, Shared};
use super::exit::CliError;
use super::output::{self, complain, shown};
use super::session::{HostEvidences, Learned};
use crate::catalog::guide::Guide;
use crate::catalog::inventory;
use crate::history::keeper::{Keeper, Learner, Settled, Told};
use crate::history::sqlite::{Mode, Sqlite};
use crate::history::{Archive, Beginning, FileUsed, HistoryError, Kept, RunNumber, Wanted};
use crate::host::evidence::Evidence;
use crate::model::run::{Run, TargetRun, Trouble};
use crate::model::target::Target;
use crate::report::text::clean;
use clap::Parser as _;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// An interrupted run that is gone on with.
pub(super) struct Resumed {
    number: RunNumber,
    beginning: Beginning,
    /// The targets that it finished, and the others.
    run: Run,
    /// What was learned of the others.
    known: Learned,
}

/// The store of a scan, opened before anything is asked.
pub(super) struct Keeping {
    archive: Box<dyn Archive>,
    beginning: Beginning,
    resumed: Option<Resumed>,
    /// The watch began it.
    is_scheduled: bool,
}

/// An error of the store before anything was asked is one of the command line's; not where the watch gave it.
fn before(error: CliError, is_scheduled: bool) -> CliError {
    match error {
        CliError::Machine(message) if !is_scheduled => {
            CliError::Usage(format!("{message}. Nothing was asked; --no-store scans without"))
        }
        other => other,
    }
}

/// A job is never scanned by two processes at once.
fn hold_job(archive: &mut Sqlite, args: &ScanArgs) -> Result<(), CliError> {
    match &args.job {
        Some(job) if !archive.hold_job(job)? => {
            Err(CliError::Machine(format!("another process scans this job already: {}", clean(job))))
        }
        _ => Ok(()),
    }
}

impl Keeping {
    /// Opens the store, and with `--resume` takes the options of the run that is gone on with. `None` where nothing is to be kept.
    pub(super) fn open(args: &mut ScanArgs) -> Result<Option<Self>, CliError> {
        if args.keep.no_store || args.dry_run {
            return Ok(None);
        }
        let is_scheduled = args.job.is_some();
        let Some(name) = args.keep.resume else {
            if args.keep.place.is_none() {
                return Ok(None);
            }
            let mut archive = args.keep.place.open(Mode::Create).map_err(|error| before(error, is_scheduled))?;
            hold_job(&mut archive, args)?;
            return Ok(Some(Self { archive: Box::new(archive), beginning: beginning()?, resumed: None, is_scheduled }));
        };
        let mut archive = args.keep.place.open(Mode::Existing).map_err(|error| before(error, is_scheduled))?;
        let resumed = resumed(&archive, name)?;
        let own = beginning()?;
        let not = |why: String| CliError::from(HistoryError::NotResumable { run: resumed.number, why });
        if own.folder != resumed.beginning.folder {
            return Err(not(format!(
                "it was begun in the folder {}; go there first",
                clean(&resumed.beginning.folder)
            )));
        }
        let given = std::iter::once("portreeve").chain(resumed.beginning.arguments.iter().map(String::as_str));
        match Cli::try_parse_from(given).map(|cli| cli.command) {
            Ok(Command::Scan(earlier)) => {
                let now = std::mem::replace(args, *earlier);
                (args.output, args.keep) = (now.output, now.keep);
            }
            _ => return Err(not("this version of portreeve does not know its options; scan anew".to_owned())),
        }
        hold_job(&mut archive, args)?;
        Ok(Some(Self { archive: Box::new(archive), beginning: own, resumed: Some(resumed), is_scheduled }))
    }

    /// Notes what a run is made of; where it is gone on with, that must be what it was.
    pub(super) fn with(
        &mut self,
        args: &ScanArgs,
        targets: &[Target],
        guides: &[Guide],
        hosts: &HostEvidences,
    ) -> Result<(), CliError> {
        let mut files = inventory::files(&args.targets);
        if !args.targets.is_empty() {
            // What people say beside the inventory decides verdicts too.
            let read = inventory::load(&args.targets)?;
            files.extend(read.attestations.into_iter().chain(read.waivers));
        }
        files.extend(args.stated.attestations.iter().chain(&args.stated.waivers).cloned());
        self.beginning.inventories = files.iter().map(|path| used(path)).collect();
        self.beginning.guides = guides.iter().map(Guide::used).collect();
        let bundle = |(label, evidence): (&String, &Evidence)| FileUsed {
            path: format!("{label}: {}", evidence.name),
            sha256: evidence.digest.clone().unwrap_or_default(),
        };
        self.beginning.evidence = hosts.iter().map(bundle).collect();
        let Some(Resumed { number, beginning, run, .. }) = &self.resumed else { return Ok(()) };
        let changed = if beginning.inventories != self.beginning.inventories {
            Some("its inventory, or what people say beside it, was changed")
        } else if beginning.guides != self.beginning.guides {
            Some("its guides were changed")
        } else if beginning.evidence != self.beginning.evidence {
            Some("the evidence from inside its hosts was changed")
        } else if !run.targets.iter().map(|target| &target.target).eq(targets) {
            Some("its targets are others now")
        } else {
            None
        };
        let not = |why: &str| HistoryError::NotResumable { run: *number, why: format!("{why} since; scan anew") };
        changed.map_or(Ok(()), |why| Err(not(why).into()))
    }

    /// The run that is gone on with, and what was learned of targets that it did not finish.
    pub(super) fn earlier(&self) -> (Option<Run>, Learned) {
        self.resumed.as_ref().map(|resumed| (Some(resumed.run.clone()), resumed.known.clone())).unwrap_or_default()
    }

    /// Begins the run. With `stream`, each target is printed as JSON Lines once it is kept.
    pub(super) fn begin(mut self, started: &str, targets: &[Target], stream: bool) -> Result<Recording, CliError> {
        let number = match &self.resumed {
            Some(resumed) => self.archive.resume(resumed.number).map(|()| resumed.number),
            None => self.archive.begin(started, &self.beginning, targets),
        };
        let number = number.map_err(|error| before(error.into(), self.is_scheduled))?;
        let printed = Arc::new(Mutex::new(Ok(())));
        let result = Arc::clone(&printed);
        let tell = move |told: Told<'_>| match told {
            Told::Done(Kept::Finished { run, .. }) if stream => {
                let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
                if result.is_ok() {
                    *result = output::lines(run);
                }
            }
            Told::Done(_) => {}
            Told::Failed(error) => {
                let error = clean(&error.to_string()).into_owned();
                complain(&format!(
                    "error: the run is not kept: {error}. The scan goes on, and this is tried again at its end."
                ));
            }
        };
        let keeper = Keeper::start(self.archive, number, tell)
            .map_err(|error| CliError::Machine(format!("this machine let us start no thread: {error}")))?;
        Ok(Recording { keeper, printed })
    }
}

/// A run that is being kept.
pub(super) struct Recording {
    keeper: Keeper,
    printed: Arc<Mutex<Result<(), CliError>>>,
}

impl Recording {
    /// Who keeps what is learned of targets that are not finished.
    pub(super) fn learner(&self) -> Learner {
        self.keeper.learner()
    }

    /// Keeps a finished target.
    pub(super) fn finished(&self, place: usize, target: &TargetRun) {
        self.keeper.finished(place, target.clone());
    }

    /// Waits until everything is kept. The second is what came of printing.
    pub(super) fn settle(self) -> (Result<Settled, HistoryError>, Result<(), CliError>) {
        let settled = self.keeper.settle();
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        (settled, std::mem::replace(&mut printed, Ok(())))
    }
}

/// Ends a run that was kept, and says which it is. `whole` says that `run` still has all that is known of its targets.
pub(super) fn finish(
    settled: Result<Settled, HistoryError>,
    run: &Run,
    whole: bool,
    shared: &Shared,
) -> Result<RunNumber, CliError> {
    let changed: Vec<(usize, &TargetRun)> = if whole { run.targets.iter().enumerate().collect() } else { Vec::new() };
    let number = settled.and_then(|settled| settled.finish(run, &changed)).map_err(|error| {
        CliError::Machine(format!("the run could not be kept whole: {}", clean(&error.to_string())))
    })?;
    if !shared.quiet {
        tracing::info!("kept as run {number}");
    }
    Ok(number)
}

/// Whether the target of a resumed run need not be asked again.
pub(super) fn is_finished(target: &TargetRun) -> bool {
    !target.troubles.contains(&Trouble::Interrupted)
}

fn resumed(archive: &Sqlite, name: crate::history::RunName) -> Result<Resumed, CliError> {
    let number = name.find(&archive.runs(&Wanted::default())?, jiff::Timestamp::now())?.number;
    let beginning = archive.beginning(number)?;
    let run = archive.load(number, &Wanted::default())?;
    let mut known = Learned::new();
    for place in archive.unfinished(number)? {
        known.insert(place, archive.learned(number, place)?.into());
    }
    Ok(Resumed { number, beginning, run, known })
}

fn beginning() -> Result<Beginning, CliError> {
    let folder = std::env::current_dir()
        .map_err(|error| CliError::Machine(format!("the current folder cannot be told: {error}")))?;
    Ok(Beginning {
        arguments: std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect(),
        folder: folder.display().to_string(),
        inventories: Vec::new(),
        evidence: Vec::new(),
        guides: Vec::new(),
        machine: machine(),
        process: std::process::id(),
    })
}

fn used(path: &std::path::Path) -> FileUsed {
    let digest = std::fs::read(path).map(Sha256::digest).unwrap_or_default();
    FileUsed { path: shown(path).to_string(), sha256: data_encoding::HEXLOWER.encode(&digest) }
}

#[cfg(unix)]
fn machine() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(not(unix))]
fn machine() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
