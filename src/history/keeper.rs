//! Keeps what a running scan learns, on a thread of its own, so that no flush of a disk holds up a question.

use super::{Archive, HistoryError, Kept, RunNumber};
use crate::model::run::{Run, TargetRun};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// How much is kept in one transaction at most.
const TOGETHER: usize = 500;

/// What the keeper tells.
#[derive(Debug)]
pub enum Told<'a> {
    /// It was kept, and stays whatever happens to this process, or could not be kept, which was told before.
    Done(&'a Kept),
    /// Something could not be kept. It is told once; what is left is tried again at the end.
    Failed(&'a HistoryError),
}

/// Keeps what a scan learns.
pub struct Keeper {
    run: RunNumber,
    sender: Sender<Kept>,
    thread: JoinHandle<Writer>,
}

struct Writer {
    archive: Box<dyn Archive>,
    run: RunNumber,
    tell: Box<dyn FnMut(Told<'_>) + Send>,
    failed: Option<HistoryError>,
}

impl Keeper {
    /// Begins to keep. `tell` is called on the keeper's thread.
    pub fn start(
        archive: Box<dyn Archive>,
        run: RunNumber,
        tell: impl FnMut(Told<'_>) + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let (sender, receiver) = channel();
        let writer = Writer { archive, run, tell: Box::new(tell), failed: None };
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || writer.write(&receiver))?;
        Ok(Self { run, sender, thread })
    }

    /// Keeps a finished target. Never waits.
    pub fn finished(&self, target: usize, run: TargetRun) {
        // Nobody listens only after a defect, which `settle` tells.
        let _ = self.sender.send(Kept::Finished { target, run: Box::new(run) });
    }

    /// Waits until everything is kept that was given, and gives the end of the run to be told.
    pub fn settle(self) -> Result<Settled, HistoryError> {
        drop(self.sender);
        let Ok(writer) = self.thread.join() else {
            return Err(HistoryError::Bug { message: "the keeper's thread panicked".to_owned() });
        };
        Ok(Settled { archive: writer.archive, run: self.run, failed: writer.failed })
    }
}

/// A run of which everything is kept but its end.
pub struct Settled {
    archive: Box<dyn Archive>,
    run: RunNumber,
    failed: Option<HistoryError>,
}

impl Settled {
    /// Ends the run. `changed` are the targets of which more may be known by now: all of them, or none where they were not kept
    /// in memory. What could not be kept before is kept now, if it is among them.
    pub fn finish(mut self, run: &Run, changed: &[(usize, &TargetRun)]) -> Result<RunNumber, HistoryError> {
        self.archive.finish(self.run, run, changed)?;
        match self.failed {
            Some(error) if changed.len() < run.targets.len() => Err(error),
            _ => Ok(self.run),
        }
    }
}

impl Writer {
    fn write(mut self, receiver: &Receiver<Kept>) -> Self {
        while let Ok(first) = receiver.recv() {
            let waiting: Vec<Kept> = std::iter::once(first).chain(receiver.try_iter().take(TOGETHER - 1)).collect();
            if let Err(error) = self.archive.keep(self.run, &waiting)
                && self.failed.is_none()
            {
                (self.tell)(Told::Failed(&error));
                self.failed = Some(error);
            }
            for kept in &waiting {
                (self.tell)(Told::Done(kept));
            }
        }
        self
    }
}
