//! Keeps what a running scan learns, on a thread of its own, so that no flush of a disk holds up a question.

use super::{Archive, HistoryError, Kept, RunNumber};
use crate::engine::memory::Keep;
use crate::model::observation::Observation;
use crate::model::run::{Run, TargetRun};
use std::fmt;
use std::sync::Arc;
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

enum Message {
    Keep(Kept),
    /// Nothing more comes.
    End,
}

/// Keeps what is learned of one target. It never waits.
#[derive(Clone)]
pub struct Learner {
    sender: Sender<Message>,
    place: usize,
}

impl Learner {
    /// The same for the target at this place of the run, whatever number the engine gives it.
    pub fn of(&self, place: usize) -> Arc<dyn Keep> {
        Arc::new(Self { sender: self.sender.clone(), place })
    }
}

impl fmt::Debug for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learner").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Keep for Learner {
    fn learned(&self, _: usize, observation: &Observation) {
        let (target, observation) = (self.place, Box::new(observation.clone()));
        let _ = self.sender.send(Message::Keep(Kept::Learned { target, observation }));
    }
}

/// Keeps what a scan learns.
pub struct Keeper {
    run: RunNumber,
    sender: Sender<Message>,
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

    /// Who keeps what is learned of targets that are not finished.
    pub fn learner(&self) -> Learner {
        Learner { sender: self.sender.clone(), place: 0 }
    }

    /// Keeps a finished target. Never waits.
    pub fn finished(&self, target: usize, run: TargetRun) {
        // Nobody listens only after a defect, which `settle` tells.
        let _ = self.sender.send(Message::Keep(Kept::Finished { target, run: Box::new(run) }));
    }

    /// Waits until everything is kept that was given, and gives the end of the run to be told.
    pub fn settle(self) -> Result<Settled, HistoryError> {
        let _ = self.sender.send(Message::End);
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
    fn write(mut self, receiver: &Receiver<Message>) -> Self {
        let mut ended = false;
        while !ended && let Ok(first) = receiver.recv() {
            let mut waiting = Vec::new();
            for message in std::iter::once(first).chain(receiver.try_iter().take(TOGETHER - 1)) {
                match message {
                    Message::Keep(kept) => waiting.push(kept),
                    Message::End => ended = true,
                }
            }
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
