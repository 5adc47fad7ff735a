//! What this machine allows a scan, as far as it can be told without sending anything.

use super::error_queue;

/// Whether this system tells a RST from an ICMP message, and who sent it.
pub const TELLS_REJECTS: bool = error_queue::AVAILABLE;

/// How many files may be open at once; `None` where sockets do not count as files.
#[cfg(unix)]
pub fn open_files() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

/// How many files may be open at once; `None` where sockets do not count as files.
#[cfg(not(unix))]
pub fn open_files() -> Option<u64> {
    None
}

/// How many connections the firewall of this machine tracks, and how many it can (Linux, `nf_conntrack`); `None` where it
/// tracks none, or does not say.
pub fn tracked_connections() -> Option<(u64, u64)> {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?.trim().parse().ok()
    };
    Some((read("count")?, read("max")?))
}
