//! A program on this machine, started without a shell: the message comes on its standard input. It has our environment, but for
//! the secrets of channels.

use super::hidden::Hidden;
use super::outcome::{Receipt, Undelivered};
use super::{Limits, payload, trouble};
use crate::catalog::channels::Program;
use crate::model::alert::Message;
use crate::report::text::clean;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// How much is kept of what it says on each of its outputs, in bytes. The rest is read and forgotten.
const SAID: usize = 4096;

/// How long outputs are read after its end: a process that it left behind may hold them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// `EX_TEMPFAIL` of sysexits.h: try again.
const TEMPFAIL: i32 = 75;

/// Whether the program is there and may be started.
pub(super) fn check(program: &Program) -> Result<(), Undelivered> {
    let path = clean(&program.path.display().to_string()).into_owned();
    let data = std::fs::metadata(&program.path).map_err(|error| not_started(&path, &error))?;
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    if data.is_file() && may_run {
        return Ok(());
    }
    Err(trouble::settings(&format!("{path} is no program that may be started"), "name a file that is executable"))
}

fn not_started(path: &str, error: &io::Error) -> Undelivered {
    let what = format!("{path} cannot be started: {}", clean(&error.to_string()));
    match error.kind() {
        io::ErrorKind::NotFound => {
            trouble::settings(&what, "check `program`, and, for a script, the interpreter in its first line")
        }
        io::ErrorKind::PermissionDenied => {
            trouble::settings(&what, "let the user that portreeve runs as execute it, and reach its folder")
        }
        _ => trouble::here(&what, "see whether it starts by hand, as the user that portreeve runs as"),
    }
}

/// Starts it, and waits for its end.
pub(super) async fn run(program: &Program, message: &Message, limits: &Limits) -> Result<Receipt, Undelivered> {
    let mut body = payload::json::render(message)
        .map_err(|_| trouble::here("the message cannot be written as JSON", "report this as a bug"))?;
    body.push('\n');
    let path = clean(&program.path.display().to_string()).into_owned();
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in &program.withheld {
        command.env_remove(variable);
    }
    // A group of its own, so that what it starts ends with it; Ctrl-C is not for it either.
    #[cfg(unix)]
    command.process_group(0);
    let mut group = Group::new(command.spawn().map_err(|error| not_started(&path, &error))?);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let ended = tokio::time::timeout(limits.program, group.talk(body.as_bytes(), &mut stdout, &mut stderr)).await;
    let Ok(ended) = ended else {
        group.kill().await;
        let what = format!("{path} had not ended after {} s, and was stopped", limits.program.as_secs_f64());
        return Err(trouble::receiver(
            &what,
            "see what it waits for; it may have done its work, and be given the message again",
        ));
    };
    group.leave();
    let status = ended.map_err(|error| trouble::here(&format!("{path} was lost: {error}"), "it is tried again"))?;
    let hidden = Hidden::default();
    let [out, err] = [stdout, stderr].map(|said| hidden.shown(&String::from_utf8_lossy(&said)));
    outcome(&path, status, &out, &err)
}

fn outcome(path: &str, status: ExitStatus, out: &str, err: &str) -> Result<Receipt, Undelivered> {
    let said = if err.is_empty() { out } else { err };
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    match status.code() {
        Some(0) => {
            let said = if out.is_empty() { "exit code 0".to_owned() } else { format!("exit code 0: {out}") };
            Ok(Receipt { said, refused: Vec::new() })
        }
        Some(TEMPFAIL) => {
            let what = format!("{path} ended with exit code {TEMPFAIL}, which asks for another try{said}");
            Err(trouble::receiver(&what, "it is tried again"))
        }
        Some(code) => {
            let what = format!("{path} ended with exit code {code}{said}");
            // Programs end with 1 or 7 (curl) for what passes by itself: none of their codes is taken for "never".
            Err(trouble::receiver(&what, "it is tried again; run it by hand with a message on its input"))
        }
        None => Err(trouble::here(
            &format!("{path} was ended by a signal{said}"),
            "see who stops it: memory, limits, people",
        )),
    }
}

/// A program, and all that it starts. Where it is dropped before its end, all of it is killed.
struct Group {
    child: Child,
    #[cfg(unix)]
    id: Option<nix::unistd::Pid>,
}

impl Group {
    fn new(child: Child) -> Self {
        #[cfg(unix)]
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(nix::unistd::Pid::from_raw);
        Self {
            child,
            #[cfg(unix)]
            id,
        }
    }

    /// Writes, reads what it says, and waits for its end.
    async fn talk(&mut self, body: &[u8], stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) -> io::Result<ExitStatus> {
        let (stdin, from, complaint) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program may end without reading.
                let _ = stdin.write_all(body).await;
                let _ = stdin.shutdown().await;
            }
        };
        let reading = async { tokio::join!(write, keep(from, stdout), keep(complaint, stderr)) };
        let mut reading = std::pin::pin!(reading);
        let mut done = false;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status?,
                _ = &mut reading, if !done => done = true,
            }
        };
        if !done {
            let _ = tokio::time::timeout(LAST_WORDS, reading).await;
        }
        Ok(status)
    }

    /// It ended: what it started on purpose may go on.
    fn leave(&mut self) {
        #[cfg(unix)]
        {
            self.id = None;
        }
    }

    async fn kill(&mut self) {
        self.kill_all();
        let _ = self.child.kill().await;
        self.leave();
    }

    fn kill_all(&self) {
        #[cfg(unix)]
        if let Some(id) = self.id {
            let _ = nix::sys::signal::killpg(id, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Reads to the end, and keeps the beginning.
async fn keep(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let room = SAID.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(count.min(room)));
    }
}
