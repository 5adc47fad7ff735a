//! Starting and stopping daemons: free ports, no sleeping for luck, and nothing left behind.

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a daemon may take until it accepts connections; machines under load are slow.
const START_WITHIN: Duration = Duration::from_mins(1);
/// How long a daemon may take to end when it is asked to.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often a daemon is started anew when another program took its port first.
const STARTS: usize = 5;
/// Ports that guides name, among those that the system hands out.
const GUIDE_PORTS: RangeInclusive<u16> = 40_000..=41_000;

/// OpenSSL without what distributions forbid: the daemons' own configuration decides.
const OPENSSL_CONF: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n[default]\n\
    MinProtocol = None\nCipherString = ALL:@SECLEVEL=0\n";

/// A place for the daemons of one test: a folder and a loopback address.
pub(crate) struct Rig {
    pub(crate) address: Ipv4Addr,
    /// Daemons that run as long as the rig does, which end before their folder goes.
    kept: RefCell<Vec<Daemon>>,
    folder: TempDir,
}

impl Rig {
    /// A place where `programs` can run; `None` where one of them is not installed. Those with a folder in their name are
    /// files, such as a daemon's modules.
    pub(crate) fn with(programs: &[&str]) -> Option<Self> {
        let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let message = format!("SKIPPED: {} {verb} not installed", missing.join(", "));
            let required = std::env::var("PORTREEVE_REQUIRE_DAEMONS").is_ok_and(|value| value == "1");
            assert!(!required, "{message}, and PORTREEVE_REQUIRE_DAEMONS=1 forbids that");
            // Past the test harness, which keeps what passing tests print.
            let _ = writeln!(std::io::stderr(), "{message}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Daemons that give up root must still get in.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let rig = Self { address: own_address(), kept: RefCell::default(), folder };
        rig.write("openssl.cnf", OPENSSL_CONF);
        Some(rig)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A folder in the folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(find(program).unwrap());
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            // MariaDB sweeps out of it, when it starts, what another one is still using.
            .env("TMPDIR", self.folder("tmp"))
            .env("OPENSSL_CONF", self.path("openssl.cnf"))
            .env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null")
            .stdin(Stdio::null());
        command
    }

    /// Keeps a daemon until the rig goes.
    pub(crate) fn keep(&self, daemon: Daemon) {
        self.kept.borrow_mut().push(daemon);
    }

    /// The interpreter in the first line of a script: of a Python in a folder of its own, the one that has its packages.
    pub(crate) fn interpreter_of(&self, script: &str) -> Command {
        let text = fs::read_to_string(find(script).unwrap()).unwrap();
        let interpreter = text.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap();
        self.command(interpreter.trim())
    }

    /// Runs a program to its end and gives back what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}\n{error}", output.status);
        text
    }

    /// Starts a daemon on a free port and waits until it accepts connections. `make` configures it, in the foreground.
    pub(crate) fn start(&self, name: &str, mut make: impl FnMut(SocketAddrV4) -> Command) -> Daemon {
        for _ in 0..STARTS {
            let socket = SocketAddrV4::new(self.address, free_port(self.address));
            let log = self.path(&format!("{name}-{}.log", socket.port()));
            let file = File::create(&log).unwrap();
            let mut command = make(socket);
            command.stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
            let mut daemon = Daemon { child: command.spawn().unwrap(), socket };
            match daemon.wait_until_ready() {
                Ok(()) => return daemon,
                Err(why) => {
                    drop(daemon);
                    let said = fs::read_to_string(&log).unwrap_or_default();
                    assert!(said.to_lowercase().contains("in use"), "{name} {why}:\n{said}");
                }
            }
        }
        panic!("{name} found its port taken {STARTS} times");
    }
}

/// Where a program is; many daemons are not in the path of ordinary users.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let is_there = |path: &PathBuf| if Path::new(program).is_absolute() { path.is_file() } else { is_program(path) };
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(is_there)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// An address that no other test has, so that what is open there is what the test opened.
fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = u8::try_from(COUNT.fetch_add(1, Ordering::SeqCst)).unwrap();
    Ipv4Addr::new(127, 64 | (high & 0x3f), low, number)
}

/// A port that is free on every address, for daemons that insist on all of them.
fn free_port(address: Ipv4Addr) -> u16 {
    loop {
        let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
        if !GUIDE_PORTS.contains(&port) && TcpListener::bind((address, port)).is_ok() {
            return port;
        }
    }
}

/// Ports that guides may name and where something else listens on every address of this machine, with a free port for
/// each: the scan is told to look there instead, so that it never meets a server which the test did not start.
pub(crate) fn foreign(address: Ipv4Addr) -> Vec<(u16, u16)> {
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let mut columns = line.split_whitespace().skip(1);
            let (local, state) = (columns.next().unwrap_or_default(), columns.nth(1));
            let (host, port) = local.split_once(':').unwrap_or_default();
            if state == Some("0A") && host.bytes().all(|digit| digit == b'0') {
                ports.extend(u16::from_str_radix(port, 16));
            }
        }
    }
    ports.retain(|port| *port < 30_000 || GUIDE_PORTS.contains(port));
    let mut free = BTreeSet::new();
    while free.len() < ports.len() {
        free.insert(free_port(address));
    }
    ports.into_iter().zip(free).collect()
}

/// A running daemon, with all processes that it starts. Dropping it ends them.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) socket: SocketAddrV4,
}

impl Daemon {
    pub(crate) fn port(&self) -> u16 {
        self.socket.port()
    }

    /// `--moved`'s value, by which the guides' `port` is found here.
    pub(crate) fn moved(&self, port: u16) -> String {
        format!("tcp/{port}={}", self.port())
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            let accepted = TcpStream::connect_timeout(&self.socket.into(), Duration::from_secs(1)).is_ok();
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("ended at once ({status})"));
            }
            if accepted {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("accepts no connection after {START_WITHIN:?}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()).map(Pid::from_raw) else { return };
        // The child leads a process group of its own. Until it is reaped, nothing else can have its number.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(pid, Signal::SIGTERM);
            let deadline = Instant::now() + STOP_WITHIN;
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            while Instant::now() < deadline && matches!(waitid(Id::Pid(pid), look), Ok(WaitStatus::StillAlive)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = killpg(pid, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}
