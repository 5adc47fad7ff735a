//! What the tests of the program share: the program itself, and mock servers it can be pointed at.

#![allow(dead_code, reason = "each test program uses a part of this")]

pub(crate) mod mailserver;
#[cfg(target_os = "linux")]
pub(crate) mod namespaces;
#[cfg(target_os = "linux")]
pub(crate) mod perimeter;
#[cfg(unix)]
pub(crate) mod receiver;
#[cfg(unix)]
pub(crate) mod watching;
#[cfg(target_os = "linux")]
pub(crate) mod wire;

use assert_cmd::Command;
use mock_servers::{Authority, Builtin, Description, Running, SeenRequest, Transport};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A guide of two ports that asks everything the tests need, and no port that a mock does not stand for.
pub(crate) const SMALL: &str = "tests/fixtures/guides/small.toml";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program, in the repository's root, untouched by the environment of whoever runs the tests.
pub(crate) fn portreeve() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    command.current_dir(root()).timeout(PATIENCE);
    for name in ["COLUMNS", "NO_COLOR", "PORTREEVE_LOG", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    // Nothing of a test is kept in the history of whoever runs it.
    command.env("PORTREEVE_STORE", "none");
    command
}

/// The same for tests that must hold the running process.
pub(crate) fn process() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"));
    command.current_dir(root()).env("PORTREEVE_STORE", "none");
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    portreeve().args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts how the program ended, and shows what it said if it ended otherwise.
pub(crate) fn ended(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", stdout(output), stderr(output));
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"))
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// An exported run as another one, which began then, with each of its targets changed by `change`.
pub(crate) fn another_run(exported: &str, uid: u8, started: &str, mut change: impl FnMut(&mut Value)) -> String {
    let uid = format!("{uid:032x}");
    let changed = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line.get("run").is_some() {
            line["run"]["uid"] = uid.as_str().into();
            line["run"]["run"]["started"] = started.into();
        }
        if line.get("end").is_some() {
            line["end"]["uid"] = uid.as_str().into();
        }
        if let Some(target) = line.get_mut("target") {
            change(target);
        }
        line.to_string()
    };
    let lines: Vec<String> = exported.lines().map(changed).collect();
    format!("{}\n", lines.join("\n"))
}

/// A mock server of one test, and a folder for its files.
pub(crate) struct Mock {
    pub(crate) running: Running,
    pub(crate) folder: TempDir,
    host: String,
    runtime: Runtime,
}

impl Mock {
    pub(crate) fn builtin(builtin: Builtin) -> Self {
        Self::start(&Description::builtin(builtin))
    }

    pub(crate) fn new(faces: &str) -> Self {
        let text = format!("name = \"mock\"\nhost = \"rmm.mock.example\"\n{faces}");
        Self::start(&Description::from_toml(&text).unwrap())
    }

    fn start(description: &Description) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.ca_pem()).unwrap();
        let running = runtime.block_on(mock_servers::start(description, &authority, own_address())).unwrap();
        Self { running, folder, host: description.host.clone(), runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many connections or datagrams came to the port.
    pub(crate) fn connections(&self, transport: Transport, port: u16) -> u64 {
        self.running.connections(transport, port)
    }

    /// Everything that ever came.
    pub(crate) fn asked(&self) -> u64 {
        let ports = self.running.ports().iter();
        ports.flat_map(|map| map.logical.clone().map(|port| self.connections(map.transport, port))).sum()
    }

    pub(crate) fn requests(&self) -> Vec<SeenRequest> {
        self.running.requests()
    }

    /// Waits until the port was connected to.
    pub(crate) fn wait_for_connection(&self, port: u16) {
        let begin = Instant::now();
        while self.connections(Transport::Tcp, port) == 0 {
            assert!(begin.elapsed() < PATIENCE, "nothing connects to the mock");
            std::thread::yield_now();
        }
    }

    /// The mock as a target of an inventory.
    pub(crate) fn target(&self, client: &str, name: &str, keys: &str) -> String {
        let mut text = format!(
            "[[target]]\nclient = \"{client}\"\nname = \"{name}\"\nhost = \"{}\"\nsni = \"{}\"\n{keys}\n[target.moved]\n",
            self.running.address(),
            self.host
        );
        for map in self.running.ports() {
            let (first, last) = (*map.logical.start(), *map.logical.end());
            let to = map.actual + (last - first);
            let _ = writeln!(text, "\"{}/{first}-{last}\" = \"{}-{to}\"", map.transport, map.actual);
        }
        text
    }

    /// An inventory of this mock alone.
    pub(crate) fn inventory(&self, keys: &str) -> PathBuf {
        let path = self.path("targets.toml");
        std::fs::write(&path, self.target("Test", "mock", keys)).unwrap();
        path
    }

    /// A scan of this mock by the small guide.
    pub(crate) fn scan(&self) -> Command {
        self.scan_as("roles = [\"iis\"]", &["--guide", SMALL])
    }

    pub(crate) fn scan_as(&self, keys: &str, arguments: &[&str]) -> Command {
        let mut command = portreeve();
        command.arg("scan").arg("--targets").arg(self.inventory(keys)).arg("--ca-file").arg(self.path("ca.pem"));
        command.args(arguments);
        command
    }
}

/// A loopback address that no other test of this process has, where the system has more than one: decoy ports of one
/// scan must not be real ones of another test's mock.
pub(crate) fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [low, high, ..] = std::process::id().to_le_bytes();
    let own = Ipv4Addr::new(127, 64 + number % 128, high, low.clamp(1, 254));
    let usable = std::net::TcpListener::bind((own, 0)).is_ok();
    IpAddr::V4(if usable { own } else { Ipv4Addr::LOCALHOST })
}

/// Two web faces, as the small guide wants them.
pub(crate) const WEB: &str = "
[[face]]
port = \"tcp/443\"
[face.kind.http.tls]
[face.kind.http.product.iis]
remove-server-header = true
[[face]]
port = \"tcp/80\"
kind = \"closed\"
";

/// A port that is connected to and never says a word, of which it takes seconds to find that out, and one that is closed.
pub(crate) const HANGS: &str = "
[[face]]
port = \"tcp/443\"
kind = \"hang\"
[[face]]
port = \"tcp/80\"
kind = \"closed\"
";

/// Runs `script` by a shell in a network namespace of its own; `None`, and a line that says so, where that is not
/// allowed. `$PORTREEVE` is the program.
#[cfg(target_os = "linux")]
pub(crate) fn in_namespace(script: &str, folder: &Path) -> Option<Output> {
    let run = |namespace: &namespaces::Namespace, script: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-ec", script]).current_dir(folder).env("PORTREEVE", env!("CARGO_BIN_EXE_portreeve"));
        command.env("PORTREEVE_STORE", "none");
        namespace.inside(|| command.output().unwrap())
    };
    let namespace = namespaces::Namespace::new();
    let missing = match &namespace {
        Err(error) => error.to_string(),
        Ok(namespace) if !run(namespace, "ip link show lo").status.success() => "`ip` is not installed".to_owned(),
        Ok(namespace) => return Some(run(namespace, script)),
    };
    namespaces::skip(&missing);
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn in_namespace(_script: &str, _folder: &Path) -> Option<Output> {
    eprintln!("SKIPPED: network namespaces are a thing of Linux");
    None
}

/// A disk of 1 MB that nobody else sees, for the files of one folder.
#[cfg(target_os = "linux")]
pub(crate) fn on_a_small_disk(folder: &Path, work: impl FnOnce() + Send) -> bool {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let none = None::<&str>;
            let made = unshare(CloneFlags::CLONE_NEWNS)
                .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
                .and_then(|()| mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some("size=1m")));
            if let Err(error) = made {
                return namespaces::skip(&format!("mounting a disk of our own: {error}"));
            }
            work();
            true
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
