//! Networks of a test's own: network namespaces without names, which end with the process however it ends.
//!
//! A thread enters a namespace; what it opens or starts there stays there. Linux and root only: [`usable`] says so where
//! that is not given.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

/// Where this is `1`, a test that needs namespaces and cannot have them fails.
const REQUIRED: &str = "PORTREEVE_REQUIRE_NAMESPACES";

/// A network of its own, with nothing in it but a loopback interface that is down.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> io::Result<Self> {
        let made = thread::scope(|scope| {
            let maker = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            });
            maker.join().unwrap()
        });
        made.map(Self)
    }

    /// Does `work` on a thread inside; programs that it starts are inside too.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            // A failed assertion inside is the caller's, with its message.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What `ip` takes as the name of this namespace, from anywhere on this machine.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs commands of `ip`, one on each line.
    pub(crate) fn ip(&self, commands: &str) {
        self.feed("ip", &["-batch", "-"], commands).unwrap_or_else(|error| panic!("{error}\n{commands}"));
    }

    /// Loads rules of nftables.
    pub(crate) fn nft(&self, rules: &str) {
        self.feed("nft", &["-f", "-"], rules).unwrap_or_else(|error| panic!("{error}\n{rules}"));
    }

    /// Sets a kernel parameter of this namespace, such as `ipv4/ip_forward`.
    pub(crate) fn set(&self, parameter: &str, value: &str) {
        self.try_set(parameter, value).unwrap_or_else(|error| panic!("{parameter}: {error}"));
    }

    /// Whether ICMP errors are rationed as Linux does of itself, or sent as often as there is reason to.
    pub(crate) fn ration_icmp(&self, rationed: bool) {
        // The types that are rationed: a mask over IPv4, a list over IPv6 (ip-sysctl.rst of the kernel).
        let (v4, v6) = if rationed { ("6168", "0-1,3-127") } else { ("0", "") };
        self.set("ipv4/icmp_ratemask", v4);
        self.set("ipv6/icmp/ratemask", v6);
    }

    fn try_set(&self, parameter: &str, value: &str) -> io::Result<()> {
        self.inside(|| std::fs::write(format!("/proc/sys/net/{parameter}"), format!("{value}\n")))
    }

    fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
        let output = self.inside(|| {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn()?;
            // What is written here is much smaller than a pipe, and dropped so that the program sees its end.
            child.stdin.take().unwrap().write_all(input.as_bytes())?;
            child.wait_with_output()
        });
        let output = output.map_err(|error| format!("`{program}`: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        output.status.success().then_some(()).ok_or_else(|| format!("`{program}`: {}", said.trim()))
    }
}

/// Whether tests may make networks here. Says why not, or fails where `PORTREEVE_REQUIRE_NAMESPACES=1`.
pub(crate) fn usable() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING.get_or_init(|| rehearse().err()).as_ref().is_none_or(|missing| skip(missing))
}

/// Says that a test is left out; `false`, for the caller to pass on.
pub(crate) fn skip(missing: &str) -> bool {
    let message = format!("SKIPPED: network namespaces are needed, and root, `ip` and `nft` to make them: {missing}");
    assert!(std::env::var_os(REQUIRED).is_none_or(|value| value != "1"), "{message}, and {REQUIRED}=1 forbids that");
    eprintln!("{message}");
    false
}

/// Does once what the tests do.
fn rehearse() -> Result<(), String> {
    let namespace = Namespace::new().map_err(|error| format!("making one: {error}"))?;
    namespace.feed("ip", &["-batch", "-"], "link add test0 type veth peer name test1\nlink set lo up")?;
    namespace.try_set("ipv4/ip_forward", "1").map_err(|error| format!("/proc/sys: {error}"))?;
    let rules = "table inet test { set some { type ipv4_addr; flags dynamic; }
        chain in { type filter hook input priority 0; tcp dport 1 reject with icmpx admin-prohibited
        tcp dport 2 add @some { ip saddr limit rate over 1/second burst 1 packets } drop; }; }";
    namespace.feed("nft", &["-f", "-"], rules)
}
