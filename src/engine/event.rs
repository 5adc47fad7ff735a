//! What the engine tells while it works. Listeners cannot hold it up.

use crate::model::run::Trouble;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::sync::mpsc::UnboundedSender;

/// Something that happened. Targets are named by their place in the list that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A target's name leads to these addresses.
    Resolved {
        /// The target.
        target: usize,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// So many more questions are to be asked.
    Planned {
        /// The target.
        target: usize,
        /// How many more.
        questions: usize,
    },
    /// So many questions were answered, failed or skipped.
    Asked {
        /// The target.
        target: usize,
        /// How many.
        questions: usize,
    },
    /// The witness's account cannot be read, so its log is waited for.
    LogAwaited {
        /// The target.
        target: usize,
        /// Where the log is to be put.
        path: PathBuf,
    },
    /// Something keeps the scan of a target from being whole.
    Troubled {
        /// The target.
        target: usize,
        /// What.
        trouble: Trouble,
    },
    /// A target is finished.
    Finished {
        /// The target.
        target: usize,
    },
}

/// Where events go. The number of events is bounded by the number of questions, so the channel need not be.
#[derive(Clone, Debug)]
pub(super) struct Events(pub(super) UnboundedSender<Event>);

impl Events {
    /// Tells `event`; nobody listening is no error.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.0.send(event);
    }
}
