//! The command line: what the user says, and how the program ends.

mod alerts;
mod args;
mod ask;
#[cfg(feature = "demo")]
mod demo;
mod diff;
mod doctor;
mod dry_run;
mod exit;
mod guides;
mod history;
mod host;
mod keep;
mod output;
mod parent;
mod pending;
mod probe;
mod progress;
mod report;
mod scan;
mod session;
mod state;
mod statements;
mod store;
mod vantage;
mod watch;
mod witness;

use args::diff::SchemaOf;
use args::{Cli, Command, Shared};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use exit::{CliError, Exit};
use output::{complain, print};
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs the program with the arguments that it was started with.
pub fn main() -> ExitCode {
    let parsed = |command: clap::Command| {
        let matches = command.try_get_matches()?;
        Cli::from_arg_matches(&matches)
    };
    let cli = match parsed(Cli::command().version(env!("CARGO_PKG_VERSION"))) {
        Ok(cli) => cli,
        Err(error) => {
            // The guides' revisions are read where they are asked for: it takes longer than all else before a run.
            let told = (error.kind() == ErrorKind::DisplayVersion).then(|| parsed(Cli::command().version(version())));
            let error = told.and_then(Result::err).unwrap_or(error);
            let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let shared = cli.shared.clone();
    log_to_stderr(&shared);
    // A panic is a defect. It has been reported on stderr by the hook; the exit code must say so too.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli.command, &shared)));
    let ended = ended.unwrap_or_else(|_| Err(CliError::Bug("it panicked; the message is above".to_owned())));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&shared.fitted(&error.render(shared.colour_stderr())));
            error.exit().into()
        }
    }
}

fn run(command: Command, shared: &Shared) -> Result<Exit, CliError> {
    parent::end_with_watch()?;
    match command {
        Command::Guides(command) => guides::run(&command, shared),
        Command::Host(command) => host::run(&command, shared),
        Command::History(args) => history::list(&args, shared),
        Command::Show(args) => history::show(&args, shared),
        Command::Diff(args) => diff::run(&args, shared),
        Command::Report(args) => report::run(&args, shared),
        Command::Export(args) => history::export(&args, shared),
        Command::Import(args) => history::import(&args, shared),
        Command::Prune(args) => history::prune(&args, shared),
        Command::Attest(args) => state::attest(&args, shared),
        Command::Waive(args) => state::waive(&args, shared),
        Command::Schema { of } => {
            let schema = serde_json::to_string_pretty(&match of {
                SchemaOf::Run => crate::report::json::schema(),
                SchemaOf::Diff => crate::report::json::diff_schema(),
                SchemaOf::Report => crate::report::json::overview_schema(),
                SchemaOf::Alert => crate::notify::payload::json::schema(),
            });
            let schema = schema.map_err(|error| CliError::Bug(format!("the schema: {error}")))?;
            print(&format!("{schema}\n"))?;
            Ok(Exit::Clean)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "portreeve", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Clean)
        }
        Command::Man => {
            print(&man()?)?;
            Ok(Exit::Clean)
        }
        Command::Scan(args) => block_on(scan::run(*args, shared)),
        Command::Probe(command) => block_on(probe::run(command, shared)),
        Command::Doctor(args) => block_on(doctor::run(*args, shared)),
        Command::Witness(args) => block_on(witness::run(args, shared)),
        Command::Watch(args) => block_on(watch::run(args, shared)),
        Command::Alerts(command) => block_on(alerts::run(command, shared)),
        #[cfg(feature = "demo")]
        Command::Demo(args) => block_on(demo::run(args, shared)),
    }
}

fn block_on(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Machine(format!("this machine let us start no threads: {error}")))?;
    runtime.block_on(work)
}

fn log_to_stderr(shared: &Shared) {
    let level = match shared.verbose {
        0 => "off",
        1 => "portreeve=info",
        2 => "portreeve=debug",
        _ => "portreeve=trace,info",
    };
    let filter = EnvFilter::try_from_env("PORTREEVE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // A second subscriber in the same process (tests) is no error.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(shared.colour_stderr())
        .try_init();
}

/// The version, with the guides' revisions.
fn version() -> String {
    let mut version = env!("CARGO_PKG_VERSION").to_owned();
    if let Ok(catalogs) = crate::catalog::builtin::Catalogs::built_in() {
        for guide in &catalogs.guides {
            let _ = write!(version, "\nguide {} {} ({} items)", guide.id, guide.revision, guide.items.len());
        }
        let _ = write!(version, "\nexploited versions {}", catalogs.exploited.revision);
    }
    version
}

/// The manual page: the program's own, followed by its commands'.
fn man() -> Result<String, CliError> {
    let mut command = Cli::command();
    command.build();
    let wrong = |error: std::io::Error| CliError::Bug(format!("the manual page: {error}"));
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(wrong)?;
    for name in [
        "scan", "demo", "history", "show", "diff", "report", "export", "import", "prune", "watch", "alerts", "probe",
        "doctor", "witness", "host", "attest", "waive", "guides",
    ] {
        if let Some(sub) = command.find_subcommand(name) {
            let man = clap_mangen::Man::new(sub.clone());
            page.extend(format!(".SH PORTREEVE {}\n", name.to_uppercase()).bytes());
            man.render_description_section(&mut page).map_err(wrong)?;
            man.render_options_section(&mut page).map_err(wrong)?;
        }
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}
