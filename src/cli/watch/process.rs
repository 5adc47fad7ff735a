//! The processes that a watch starts, and the signals that it is told things by.

use crate::cli::exit::CliError;
use crate::cli::parent;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// What the system says of a program whose file was replaced while it ran.
const REPLACED: &str = " (deleted)";

/// How a scan came to its end.
#[derive(Debug)]
pub(super) struct Course {
    /// How its process ended; an error where there was none.
    pub(super) status: std::io::Result<ExitStatus>,
    /// We asked it to stop before that.
    pub(super) told: bool,
}

impl Course {
    /// One that was not begun, because the watch is to stop.
    pub(super) fn not_begun() -> Self {
        Self { status: Err(std::io::ErrorKind::Interrupted.into()), told: true }
    }

    /// The code that it ended with by itself.
    pub(super) fn exit(&self) -> Option<i32> {
        // Where a process cannot be asked, it is ended, and its code is not its own.
        let is_own = cfg!(unix) || !self.told;
        self.status.as_ref().ok().and_then(ExitStatus::code).filter(|_| is_own)
    }
}

/// A process of our own program, that ends with us.
pub(super) fn child_of_watch() -> Result<Command, CliError> {
    let mut command = Command::new(program()?);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.env(parent::VARIABLE, std::process::id().to_string());
    // A key pressed at the terminal is for us: each scan is told by us.
    #[cfg(unix)]
    command.process_group(0);
    command.kill_on_drop(true);
    Ok(command)
}

/// The program that we are, also where its file was replaced by a newer one since.
fn program() -> Result<PathBuf, CliError> {
    let path = std::env::current_exe()
        .map_err(|error| CliError::Machine(format!("portreeve itself is not to be found: {error}")))?;
    let is_replaced = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(REPLACED);
    if cfg!(target_os = "linux") && path.file_name().is_some_and(is_replaced) {
        return Ok(OsString::from("/proc/self/exe").into());
    }
    Ok(path)
}

/// Waits for a scan, and passes on that it is to stop.
pub(super) async fn attend(mut child: Child, mut stopping: watch::Receiver<bool>) -> Course {
    let asked = async {
        // Without anybody left who could tell, the scan goes on.
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        status = child.wait() => return Course { status, told: false },
        () = asked => {}
    }
    ask_to_stop(&mut child);
    Course { status: child.wait().await, told: true }
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}

#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    // What was learned is in the store.
    let _ = child.start_kill();
}

/// Wishes to read the inventory again.
pub(super) struct Reloads {
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Reloads {
    #[cfg(unix)]
    pub(super) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { hangup: signal(SignalKind::hangup()).ok() }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> Self {
        Self {}
    }

    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.hangup
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
