//! Ending early: an interrupt by the user, or a target's time being over.

use crate::model::observation::Skip;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Says when to stop asking, and why.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    interrupted: watch::Receiver<bool>,
    deadline: Instant,
}

impl Stop {
    pub(super) fn new(interrupted: watch::Receiver<bool>, deadline: Instant) -> Self {
        Self { interrupted, deadline }
    }

    /// Returns when it is time to stop.
    pub(super) async fn reason(&self) -> Skip {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            // Without anybody left who could interrupt, this branch is off and only the clock counts.
            Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => Skip::Interrupted,
            () = sleep_until(self.deadline) => Skip::OutOfTime,
        }
    }

    /// Runs `work`, even past the deadline, unless the user interrupts it.
    pub(super) async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Skip> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => Err(Skip::Interrupted),
            done = work => Ok(done),
        }
    }

    /// Runs `work` unless it is time to stop before it is done.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Skip> {
        tokio::select! {
            biased;
            skip = self.reason() => Err(skip),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_and_a_deadline_are_told_apart() {
        let (sender, receiver) = watch::channel(false);
        let stop = Stop::new(receiver, Instant::now() + Duration::from_secs(5));
        assert_eq!(stop.unless(async { 1 }).await, Ok(1));
        assert_eq!(stop.unless(std::future::pending::<()>()).await, Err(Skip::OutOfTime));
        let _ = sender.send(true);
        assert_eq!(stop.unless(async { 1 }).await, Err(Skip::Interrupted));
    }
}
