//! A process that the watch started ends with it, however that ended.
//!
//! Without this a watch that was killed leaves its scans behind, and the one that is started after it begins the same scans beside them.
//! Only Linux can tell a process that its parent is gone; elsewhere the next watch waits until the store says that a job is nobody's.

use super::exit::CliError;

/// Names the process that started us.
pub(super) const VARIABLE: &str = "PORTREEVE_WATCH";

/// Whether a watch started us.
pub(super) fn is_watch() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Asks to be stopped when the watch that started us is gone.
#[cfg(target_os = "linux")]
pub(super) fn end_with_watch() -> Result<(), CliError> {
    use nix::sys::signal::Signal;
    let Ok(parent) = std::env::var(VARIABLE) else { return Ok(()) };
    let machine =
        |error: nix::Error| CliError::Machine(format!("the system does not tell of the watch's end: {error}"));
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(machine)?;
    // It may have been gone before we asked.
    if nix::unistd::getppid().to_string() != parent {
        return Err(CliError::Machine("the watch that started this is gone".to_owned()));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_with_watch() -> Result<(), CliError> {
    Ok(())
}
