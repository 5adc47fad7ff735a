//! How much of this machine a run may hold at once, and patience when it holds too much.

use super::failure::is_exhausted;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

/// Descriptors that are left for everything but connections: files, the resolver, the runtime, standard streams.
const HEADROOM: usize = 64;

/// More connections than this at once help no scan.
const MOST: usize = 16_384;

/// The first pause after exhaustion; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How many pauses are made before we give up: about six seconds in all.
const PAUSES: u32 = 7;

/// The connections that a run may hold at once.
#[derive(Clone, Debug)]
pub struct Limits {
    connections: Arc<Semaphore>,
}

/// The right to hold one descriptor; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Limits {
    /// Raises the soft limit of open files to the hard one and takes what that allows, less headroom; `most` lowers it.
    pub fn of_system(most: Option<usize>) -> Self {
        Self::new(capacity(raise_open_files()).min(most.unwrap_or(MOST)))
    }

    /// Exactly so many connections, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { connections: Arc::new(Semaphore::new(capacity.clamp(1, MOST))) }
    }

    /// The right to hold a descriptor, if one is free.
    pub fn try_permit(&self) -> Option<Permit> {
        let permit = Arc::clone(&self.connections).try_acquire_owned().ok()?;
        Some(Permit { _permit: Some(permit) })
    }

    /// Waits for the right to hold a descriptor. First come, first served.
    pub async fn permit(&self) -> Permit {
        // The semaphore is never closed, so there is always a permit.
        Permit { _permit: Arc::clone(&self.connections).acquire_owned().await.ok() }
    }
}

/// How many connections so many open files allow.
pub(super) fn capacity(open_files: usize) -> usize {
    open_files.saturating_sub(HEADROOM).max(open_files / 2).clamp(1, MOST)
}

/// `OPEN_MAX` of macOS: what a soft limit may be where the hard one is unlimited (setrlimit(2) there).
#[cfg(unix)]
const OPEN_MAX: u64 = 10_240;

/// How many files this process may open, after raising the limit as far as it goes without privilege.
#[cfg(unix)]
pub(super) fn raise_open_files() -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let now = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        // macOS reports an unlimited hard limit and refuses it as a soft one.
        Err(_) if setrlimit(Resource::RLIMIT_NOFILE, soft.max(OPEN_MAX.min(hard)), hard).is_ok() => {
            soft.max(OPEN_MAX.min(hard))
        }
        Err(error) => {
            debug!(%error, soft, hard, "the limit of open files cannot be raised");
            soft
        }
    };
    usize::try_from(now).unwrap_or(usize::MAX)
}

/// Sockets of Windows are not counted against a limit of open files.
#[cfg(not(unix))]
pub(super) fn raise_open_files() -> usize {
    MOST
}

/// How much of this process waits now, see [`is_short`].
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Whether something of this process waits because this machine ran out of files, ports or memory. What is under way
/// meanwhile may leave late or not at all, and its silence says nothing of anybody else.
pub fn is_short() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// Counts as waiting while it lives.
struct Waiting;

impl Waiting {
    fn new() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `operation`, and again after growing pauses while this machine says that it ran out of something; then the error.
pub async fn patiently<T>(operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    patiently_from(FIRST_PAUSE, operation).await
}

/// The same with another first pause.
pub(super) async fn patiently_from<T>(
    mut pause: Duration,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    for _ in 0..PAUSES {
        match operation() {
            Err(error) if is_exhausted(&error) => {
                debug!(%error, ?pause, "waiting for this machine to have room again");
                let _waiting = Waiting::new();
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    operation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_room_for_everything_else() {
        assert_eq!(capacity(1024), 960);
        assert_eq!(capacity(64), 32);
        assert_eq!(capacity(0), 1);
        assert_eq!(capacity(usize::MAX), MOST);
    }

    #[tokio::test]
    async fn exhaustion_is_waited_out_and_then_reported() {
        let full = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut left = 3;
        let pause = Duration::from_micros(100);
        let result = patiently_from(pause, || {
            left -= 1;
            if left > 0 { Err(full()) } else { Ok(7) }
        })
        .await;
        assert_eq!(result.unwrap(), 7);
        assert!(is_exhausted(&patiently_from(pause, || Err::<(), _>(full())).await.unwrap_err()));
    }

    #[tokio::test]
    async fn no_more_permits_than_capacity() {
        let limits = Limits::new(1);
        let held = limits.permit().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), limits.permit()).await.is_err());
        drop(held);
        limits.permit().await;
    }
}
