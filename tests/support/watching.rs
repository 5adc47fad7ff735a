//! A `portreeve watch` that goes on while a test looks at it.

use super::{PATIENCE, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::Read as _;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// A watch, which ends with the test.
pub(crate) struct Watching(pub(crate) Child);

impl Watching {
    /// Begins one with these options.
    pub(crate) fn begin(options: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = process();
        command.arg("watch").args(options).stderr(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Tells it to end.
    pub(crate) fn end(self) -> Output {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// What it said, once it has ended by itself.
    pub(crate) fn ended(mut self) -> Output {
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.0.wait().unwrap();
        let mut said = Vec::new();
        self.0.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        Output { status, stdout: Vec::new(), stderr: said }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
