//! TLS that rustls does not speak, by the `openssl` command of the system, where there is one.
//!
//! Versions before 1.2, and suites without forward secrecy or with CBC, no maintained TLS library of Rust speaks: with reason.
//! A server that knows nothing else sends headers all the same. OpenSSL still reads them, with every security level switched
//! off, and in a process of its own that ends with the question: what a hostile server may do to that code happens there.
//! Nothing that it says is trusted for more than what the server sent.

use super::dial::Leave;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, Join, join};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// How much of the command's complaint is read, in bytes.
const COMPLAINT: u64 = 16 * 1024;

/// How long a command that has hung up is waited for to say why.
const LAST_WORDS: Duration = Duration::from_millis(500);

#[cfg(windows)]
const PROGRAM: &str = "openssl.exe";
#[cfg(not(windows))]
const PROGRAM: &str = "openssl";

/// A configuration file that says nothing: that of the system may forbid what is wanted here.
#[cfg(windows)]
const NO_CONFIGURATION: &str = "NUL";
#[cfg(not(windows))]
const NO_CONFIGURATION: &str = "/dev/null";

/// The system's `openssl` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSsl {
    program: PathBuf,
}

/// A TLS connection that the command made, or tries to make. It counts against the run's limits for as long as it lives.
#[derive(Debug)]
pub struct Inside {
    /// What is said within it.
    pub stream: Join<ChildStdout, ChildStdin>,
    complaint: ChildStderr,
    /// Killed when dropped.
    _child: Child,
    _leave: Leave,
}

impl OpenSsl {
    /// The command, in a folder of the path; not in one that depends on where we stand.
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(PROGRAM)).find(|program| program.is_file()).map(|program| Self { program })
    }

    /// Lets it connect to `peer`, with `name` as SNI, which must be a DNS name.
    ///
    /// Fails where the command cannot be started. Whether there is a connection shows when something is read.
    pub fn connect(&self, peer: SocketAddr, name: Option<&str>, leave: Leave) -> io::Result<Inside> {
        let mut command = Command::new(&self.program);
        command.args(["s_client", "-quiet", "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-min_protocol", "TLSv1"]);
        command.args(["-legacy_server_connect", "-connect", &peer.to_string()]);
        match name {
            Some(name) => command.args(["-servername", name]),
            None => command.arg("-noservername"),
        };
        command.env("OPENSSL_CONF", NO_CONFIGURATION).env("LC_ALL", "C").kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let gone = || io::Error::other("a pipe to the openssl command is missing");
        let (from, to) = (child.stdout.take().ok_or_else(gone)?, child.stdin.take().ok_or_else(gone)?);
        let complaint = child.stderr.take().ok_or_else(gone)?;
        Ok(Inside { stream: join(from, to), complaint, _child: child, _leave: leave })
    }
}

impl Inside {
    /// Why there was no connection, in the command's words: the reason of its first error. Foreign text.
    pub async fn complaint(self) -> Option<String> {
        let mut said = Vec::new();
        let mut complaint = self.complaint.take(COMPLAINT);
        let _ = tokio::time::timeout(LAST_WORDS, complaint.read_to_end(&mut said)).await;
        reason(&String::from_utf8_lossy(&said))
    }
}

/// The reason in a line such as `40C7:error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol:file.c:1980:`
/// (`ERR_print_errors`).
fn reason(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains(":error:"))?;
    let reason = line.split(':').nth(5)?.trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_the_command_says() {
        let said = "depth=0 CN = x\nverify error:num=18:self-signed certificate\n\
            40C72008A57F0000:error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol:../ssl/x.c:1980:\n";
        assert_eq!(reason(said).as_deref(), Some("unsupported protocol"));
        for said in ["", "error", "a:error:b", "a:error:b:c:d::f"] {
            assert_eq!(reason(said), None);
        }
    }
}
