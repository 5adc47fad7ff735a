//! Turns the system's errors into typed failures that say who is to blame.

use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How much of a message is kept, in bytes.
const MESSAGE: usize = 200;

/// The failure that `error` means at `stage`.
pub fn from_io(stage: Stage, error: &io::Error) -> Failure {
    let message = || error.to_string();
    let (blame, cause) = if is_exhausted(error) {
        (Blame::Ourselves, Cause::Exhausted { message: message() })
    } else {
        match error.kind() {
            ErrorKind::ConnectionRefused => (Blame::Peer, Cause::Refused),
            // A write after the peer's RST is a broken pipe.
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                (Blame::Peer, Cause::Reset)
            }
            ErrorKind::UnexpectedEof => (Blame::Peer, Cause::Closed),
            _ if is_unreachable(error) => (Blame::Path, Cause::Unreachable),
            ErrorKind::PermissionDenied => (Blame::Ourselves, Cause::Forbidden { message: message() }),
            ErrorKind::InvalidInput | ErrorKind::NotConnected | ErrorKind::Unsupported => {
                (Blame::Bug, Cause::Other { message: PeerText::new(&message(), MESSAGE) })
            }
            _ => (Blame::Path, Cause::Other { message: PeerText::new(&message(), MESSAGE) }),
        }
    };
    Failure { stage, blame, cause }
}

/// Whether `error` says that the host or its network cannot be reached.
pub fn is_unreachable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown)
        || is_host_down(error)
}

/// BSD's word, and so macOS's, for a neighbour that does not answer.
#[cfg(unix)]
fn is_host_down(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EHOSTDOWN as i32)
}

/// `WSAEHOSTDOWN`.
#[cfg(not(unix))]
fn is_host_down(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10064)
}

/// Nothing came within `allowed`. Until a connection stands the path is blamed, since most packets without an answer were
/// dropped on the way; afterwards the server, which is there and says nothing.
pub fn timed_out(stage: Stage, allowed: Duration) -> Failure {
    let blame = if matches!(stage, Stage::Socket | Stage::Connect) { Blame::Path } else { Blame::Peer };
    Failure { stage, blame, cause: Cause::TimedOut { allowed_ms: millis(allowed) } }
}

/// A duration in whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether `error` says that this machine ran out of descriptors, buffers or local ports.
pub fn is_exhausted(error: &io::Error) -> bool {
    // "Address in use" is what `bind` says to whoever asks for any port when none is left.
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(is_exhausted_code)
}

#[cfg(unix)]
fn is_exhausted_code(code: i32) -> bool {
    use nix::errno::Errno;
    matches!(
        Errno::from_raw(code),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EADDRNOTAVAIL
    )
}

/// `WSAEMFILE`, `WSAENOBUFS`, `WSAEADDRNOTAVAIL`.
#[cfg(not(unix))]
fn is_exhausted_code(code: i32) -> bool {
    matches!(code, 10024 | 10055 | 10049)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_our_own_fault_and_never_a_refusal() {
        use nix::errno::Errno;
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::EADDRNOTAVAIL, Errno::EADDRINUSE] {
            let failure = from_io(Stage::Socket, &io::Error::from_raw_os_error(errno as i32));
            assert_eq!(failure.blame, Blame::Ourselves, "{errno}");
            assert!(matches!(failure.cause, Cause::Exhausted { .. }), "{errno}");
        }
        for errno in [Errno::EPERM, Errno::EACCES] {
            let failure = from_io(Stage::Connect, &io::Error::from_raw_os_error(errno as i32));
            assert_eq!(failure.blame, Blame::Ourselves, "{errno}");
            assert!(matches!(failure.cause, Cause::Forbidden { .. }), "{errno}");
        }
        for errno in [Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::EHOSTDOWN, Errno::ENETDOWN] {
            let failure = from_io(Stage::Connect, &io::Error::from_raw_os_error(errno as i32));
            assert_eq!((failure.blame, failure.cause), (Blame::Path, Cause::Unreachable), "{errno}");
        }
    }
}
