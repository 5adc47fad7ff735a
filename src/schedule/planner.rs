//! What is to be scanned now: pure, and told the time.
//!
//! A job is due when its schedule says so. It never runs twice at once: what comes due meanwhile is skipped, and said. What was
//! missed, because nobody watched, is caught up once, however much it was, and not in quiet hours.

use super::Schedule;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Something that is done by a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// By which it is told from others, over restarts too.
    pub id: String,
    /// When.
    pub schedule: Schedule,
}

/// A job that is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub id: String,
    /// For which occurrence: the last one that is due.
    pub nominal: Timestamp,
    /// When it should have begun.
    pub due: Timestamp,
    /// How many occurrences before it were missed.
    pub missed: usize,
}

/// A job that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many occurrences came and went while it ran.
    pub skipped: usize,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Since when it runs, if it does.
    pub running: Option<Timestamp>,
    /// When it is due next; none while it runs, or when it never will be.
    pub next: Option<Timestamp>,
}

/// Later than this a job does not begin where it should have, but as one that was missed: with others that were, so not at once.
const LATE: SignedDuration = SignedDuration::from_mins(10);

#[derive(Clone, Debug)]
struct State {
    schedule: Schedule,
    /// All occurrences up to this one are settled: they ran, or were skipped.
    settled: Timestamp,
    /// When the one run begins that makes up for what was missed.
    catch_up: Option<Timestamp>,
    /// Since when it runs.
    running: Option<Timestamp>,
    /// What was settled, and when it was to be caught up, before it began.
    before: (Timestamp, Option<Timestamp>),
    /// Nobody wants it any more; it is forgotten when it has ended.
    is_gone: bool,
}

impl State {
    /// When it is to begin, as far as is known now.
    fn wake(&self, id: &str) -> Option<Timestamp> {
        if self.running.is_some() || self.is_gone {
            return None;
        }
        self.catch_up.or_else(|| self.schedule.next(self.settled, id).map(|due| due.at))
    }

    fn begin(&mut self, id: &str, now: Timestamp, at_once: bool) -> Option<Start> {
        let due = self.schedule.next(self.settled, id).filter(|_| self.running.is_none() && !self.is_gone)?;
        if due.at > now {
            // The clock was put back, or nothing is due.
            self.catch_up = None;
            return None;
        }
        if !at_once && self.catch_up.is_none() && now.duration_since(due.at) > LATE {
            self.catch_up = Some(self.schedule.soon(now, id));
        }
        let at = self.schedule.out_of_quiet(self.catch_up.map_or(now, |at| at.max(now)), id);
        if at > now {
            self.catch_up = Some(at);
            return None;
        }
        let nominal = self.schedule.last(self.settled, now).unwrap_or(due.nominal);
        let missed = self.schedule.count(self.settled, nominal).saturating_sub(1);
        self.before = (self.settled, self.catch_up);
        self.settled = nominal;
        self.catch_up = None;
        self.running = Some(now);
        Some(Start { id: id.to_owned(), nominal, due: due.at, missed })
    }

    fn finished(&mut self, now: Timestamp) -> Ended {
        self.running = None;
        let skipped = self.schedule.count(self.settled, now);
        self.settled = self.schedule.last(self.settled, now).unwrap_or(self.settled);
        Ended { skipped }
    }
}

/// All jobs.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    jobs: BTreeMap<String, State>,
    /// What was missed begins at once, as soon as no quiet hours are.
    at_once: bool,
}

impl Planner {
    /// The jobs, of which `settled` tells the last occurrence that ran before, by its nominal time. Of one that never ran nothing
    /// was missed.
    pub fn new(jobs: Vec<Job>, now: Timestamp, settled: impl Fn(&str) -> Option<Timestamp>) -> Self {
        let mut planner = Self::default();
        for job in jobs {
            let settled = settled(&job.id);
            planner.add(job, now, settled);
        }
        planner
    }

    /// The same, for who asks once what is due and not again: what was missed begins at once.
    pub fn once(jobs: Vec<Job>, now: Timestamp, settled: impl Fn(&str) -> Option<Timestamp>) -> Self {
        let mut planner = Self { at_once: true, ..Self::default() };
        for job in jobs {
            let settled = settled(&job.id);
            planner.add(job, now, settled);
        }
        planner
    }

    /// Takes other jobs. What runs goes on; what is no longer wanted ends with its run; a job whose schedule is another one
    /// begins with it now, and has missed nothing of it.
    pub fn reload(&mut self, jobs: Vec<Job>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.jobs);
        for job in jobs {
            match before.remove(&job.id) {
                Some(state) if state.schedule == job.schedule => {
                    self.jobs.insert(job.id, State { is_gone: false, ..state });
                }
                Some(state) => {
                    let (settled, catch_up) = (now.max(state.settled), None);
                    let state = State { schedule: job.schedule, settled, catch_up, is_gone: false, ..state };
                    self.jobs.insert(job.id, state);
                }
                None => self.add(job, now, None),
            }
        }
        let running = before.into_iter().filter(|(_, state)| state.running.is_some());
        self.jobs.extend(running.map(|(id, state)| (id, State { is_gone: true, ..state })));
    }

    /// What begins now. Whoever is given it says when it has [`finished`](Self::finished).
    pub fn begin(&mut self, now: Timestamp) -> Vec<Start> {
        let at_once = self.at_once;
        self.jobs.iter_mut().filter_map(|(id, state)| state.begin(id, now, at_once)).collect()
    }

    /// A job has ended. Nothing where it is not known, or did not run.
    pub fn finished(&mut self, id: &str, now: Timestamp) -> Option<Ended> {
        let state = self.jobs.get_mut(id).filter(|state| state.running.is_some())?;
        let ended = state.finished(now);
        if state.is_gone {
            self.jobs.remove(id);
        }
        Some(ended)
    }

    /// A job that was to begin could not: it is due as before.
    pub fn put_back(&mut self, id: &str) {
        let Some(state) = self.jobs.get_mut(id).filter(|state| state.running.is_some()) else { return };
        (state.settled, state.catch_up) = state.before;
        state.running = None;
        if state.is_gone {
            self.jobs.remove(id);
        }
    }

    /// When to ask next what begins; none while nothing will.
    pub fn wake(&self) -> Option<Timestamp> {
        self.jobs.iter().filter_map(|(id, state)| state.wake(id)).min()
    }

    /// How each job stands, by its id.
    pub fn standing(&self) -> impl Iterator<Item = (&str, Standing)> {
        self.jobs.iter().map(|(id, state)| (id.as_str(), Standing { running: state.running, next: state.wake(id) }))
    }

    fn add(&mut self, job: Job, now: Timestamp, settled: Option<Timestamp>) {
        // A clock that was ahead must not keep a job from running.
        let settled = settled.map_or(now, |settled| settled.min(now));
        let (schedule, before) = (job.schedule, (settled, None));
        let mut state = State { schedule, settled, catch_up: None, running: None, before, is_gone: false };
        if !self.at_once && state.schedule.next(settled, &job.id).is_some_and(|due| due.at < now) {
            state.catch_up = Some(state.schedule.soon(now, &job.id));
        }
        self.jobs.insert(job.id, state);
    }
}

#[cfg(test)]
mod tests;
