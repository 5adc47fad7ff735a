//! The course of asking the UDP ports of one address: which port is asked when, and when to stop.
//!
//! First a **sweep**: every port that has no answer gets its tries, quickly and overlapping, in the order that the caller
//! gave. A host that answers nothing costs no more. Then, where the host refuses some ports and is silent on others,
//! **trials** ([`Trial`]): silent ports are asked again, each time followed by one that is known to be closed. A closed
//! port is refused in time; a port that stays silent while the next is refused, several times, is silent by itself.
//! Where the host rations its refusals ([`Ration`]), trials follow the ration, and groups of ports that cannot be decided
//! within the caller's patience are left alone.
//!
//! Pure: no socket, no clock. Promises: it never says that a port was refused or answered which was not; datagrams and
//! time are bounded; a [`Step::Wait`] lies in the future.

use super::clock::{Ramp, Trips, Waits};
use super::ration::Ration;
use super::trial::{Outcome, Trial};
use crate::model::udp::Rationed;
use std::ops::Range;
use std::time::Duration;

/// How often a port must be silent in a trial in which another was refused; and how often on a path that loses datagrams.
const SILENCES: u32 = 3;
const SILENCES_WITH_LOSS: u32 = 5;

/// The most ports of one trial.
const VOLLEY: usize = 256;

/// Groups are tried together up to about this many ports; and so many are tried while a token is waited for.
const TOGETHER: usize = 16;

/// So many refusals in a row that stay away mean that the host cannot or will not answer so fast.
const EASED_AFTER: u32 = 32;
const EASED_PAUSE: Duration = Duration::from_millis(100);

/// The most datagrams for each port, on average, and for the address besides.
const DATAGRAMS_A_PORT: usize = 40;
const DATAGRAMS: usize = 200;

/// How the ports are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// How often a port that stays silent is asked in the sweep.
    pub(super) tries: u32,
    /// How long a port is listened to where nothing is known of the round trip.
    pub(super) wait: Duration,
    /// The most datagrams a second.
    pub(super) rate: u32,
    /// How long trials may take after the sweep.
    pub(super) patience: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the port of this place; then say that it was [sent](Course::sent).
    Send(usize),
    /// Nothing, until then or until something arrives.
    Wait(Duration),
    /// Nothing more.
    Done,
}

/// What the silence of a port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It has not been asked, or not as often as it should be.
    Unfinished,
    /// No more than silence.
    Plain,
    /// The host rations its refusals.
    Rationed(Rationed),
    /// Others were refused beside it.
    AmongRefusals {
        /// How many others.
        refusals: usize,
        /// How often.
        tries: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent,
    Refused,
    Settled,
}

#[derive(Clone, Debug)]
struct Port {
    standing: Standing,
    sent: u32,
    first_sent: Option<Duration>,
    last_sent: Option<Duration>,
    /// In how many trials it was silent while another was refused.
    silences: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sweep { round: u32, next: usize },
    Trials { since: Duration },
    Ending,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Course {
    manner: Manner,
    ports: Vec<Port>,
    /// Ports that are decided together or not at all, the most wanted first.
    groups: Vec<Range<usize>>,
    phase: Phase,
    trips: Trips,
    waits: Waits,
    ramp: Ramp,
    ration: Ration,
    /// Ports that the host itself refused, or, where it refused none, that something before it did.
    closed: Vec<usize>,
    by_host: bool,
    /// When the last refusal of those came.
    last_refusal: Option<Duration>,
    sent_since_refusal: u32,
    trial: Option<Trial>,
    trials: usize,
    volley: usize,
    /// Whether the last trial found more than one token.
    plenty: bool,
    /// A port answered that had been thought silent, or answered only to a second try.
    loss: bool,
    /// When the last trial was over.
    concluded: Duration,
    /// How many ports have no answer.
    silent: usize,
    datagrams: usize,
    /// When the last port got its first datagram.
    last_begun: Duration,
    last_sent: Duration,
}

impl Course {
    /// A course for groups of these sizes; places count through all of them.
    pub(super) fn new(groups: &[usize], manner: Manner) -> Self {
        let mut count = 0;
        let ranges = groups.iter().map(|size| {
            count += size;
            count - size..count
        });
        let groups: Vec<Range<usize>> = ranges.collect();
        let new = Port { standing: Standing::Silent, sent: 0, first_sent: None, last_sent: None, silences: 0 };
        let trips = Trips::default();
        Self {
            manner,
            ports: vec![new; count],
            groups,
            phase: Phase::Sweep { round: 1, next: 0 },
            trips,
            waits: trips.waits(None, manner.wait),
            ramp: Ramp::new(manner.rate),
            ration: Ration::default(),
            closed: Vec::new(),
            by_host: false,
            last_refusal: None,
            sent_since_refusal: 0,
            trial: None,
            trials: 0,
            volley: 1,
            plenty: false,
            loss: false,
            concluded: Duration::ZERO,
            silent: count,
            datagrams: 0,
            last_begun: Duration::ZERO,
            last_sent: Duration::ZERO,
        }
    }

    /// What to do at `now`, with a `hint` at the round trip for want of answers of our own.
    pub(super) fn step(&mut self, now: Duration, hint: Option<Duration>) -> Step {
        self.waits = self.trips.waits(hint, self.manner.wait);
        loop {
            let step = match self.phase {
                _ if self.silent == 0 => Some(Step::Done),
                Phase::Sweep { round, next } => self.sweep(now, round, next),
                Phase::Trials { since } => self.try_on(now, since),
                Phase::Ending => {
                    let end = self.end();
                    Some(if now < end { Step::Wait(end) } else { Step::Done })
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// A datagram to the port of this place left, or could not.
    pub(super) fn sent(&mut self, now: Duration, place: usize) {
        let Some(port) = self.ports.get_mut(place) else { return };
        port.sent += 1;
        if port.first_sent.is_none() {
            port.first_sent = Some(now);
            self.last_begun = now;
        }
        port.last_sent = Some(now);
        self.datagrams += 1;
        self.last_sent = now;
        self.sent_since_refusal += 1;
        let stayed_away = self.last_refusal.is_some_and(|last| now > last + EASED_PAUSE + self.waits.listen);
        self.ramp.sent(now, stayed_away && self.sent_since_refusal >= EASED_AFTER);
        if let Some(trial) = &mut self.trial {
            trial.sent(now);
        } else if let Phase::Sweep { next, .. } = &mut self.phase {
            *next = place + 1;
        }
    }

    /// The port of this place was refused, by the host itself or by something before it.
    pub(super) fn refused(&mut self, now: Duration, place: usize, by_host: bool) {
        let Some(port) = self.ports.get_mut(place) else { return };
        if port.standing == Standing::Silent {
            port.standing = Standing::Refused;
            self.silent -= 1;
            self.loss |= port.silences > 0;
            if let (1, Some(sent)) = (port.sent, port.last_sent) {
                self.trips.sample(now.saturating_sub(sent));
            }
            if by_host && !self.by_host {
                // Another's refusals follow another's ration, and say nothing of this one.
                self.by_host = true;
                self.closed.clear();
                self.ration = Ration::default();
            }
            if by_host == self.by_host {
                self.closed.push(place);
            }
        }
        if by_host == self.by_host {
            self.ration.refused(now);
            self.last_refusal = Some(now);
            self.sent_since_refusal = 0;
            if let Some(trial) = &mut self.trial {
                trial.refused(now, place, self.trips.too_soon());
            }
        }
    }

    /// A datagram came from the port of this place.
    pub(super) fn answered(&mut self, now: Duration, place: usize) {
        let Some(port) = self.ports.get_mut(place) else { return };
        if let (Standing::Silent, Some(sent)) = (port.standing, port.last_sent) {
            let took = now.saturating_sub(sent);
            self.loss |= port.sent > 1;
            if port.sent == 1 {
                self.trips.sample(took);
            }
        }
        self.settle(place);
    }

    /// The port of this place needs no more asking, for another reason.
    pub(super) fn settle(&mut self, place: usize) {
        let Some(port) = self.ports.get_mut(place) else { return };
        match std::mem::replace(&mut port.standing, Standing::Settled) {
            Standing::Silent => self.silent -= 1,
            Standing::Refused => self.closed.retain(|closed| *closed != place),
            Standing::Settled => {}
        }
    }

    /// How many ports have an answer.
    pub(super) fn decided(&self) -> usize {
        self.ports.len() - self.silent
    }

    /// The ration of the host, where it was recognised, as the burst and the interval.
    pub(super) fn ration(&self) -> Option<(u32, Option<Duration>)> {
        self.ration.is_known().then(|| (self.ration.burst(), self.ration.interval()))
    }

    /// What it says that the port of this place, which has no answer, is silent.
    pub(super) fn silence(&self, place: usize) -> Silence {
        let port = self.ports.get(place).filter(|_| !matches!(self.phase, Phase::Sweep { .. }));
        let Some(port) = port else { return Silence::Unfinished };
        let refusals = self.closed.len();
        if self.is_silent_by_itself(port) {
            // One refused port among many silent ones is the odd one out, and says little about them.
            let alike = self.ports.iter().filter(|port| self.is_silent_by_itself(port)).count();
            return if refusals > 1 || alike <= refusals {
                Silence::AmongRefusals { refusals, tries: port.silences.min(self.needed()) }
            } else {
                Silence::Plain
            };
        }
        match self.ration() {
            Some((_, interval)) => Silence::Rationed(Rationed {
                answered: refusals,
                asked: self.ports.iter().filter(|port| port.sent > 0).count(),
                undecided: self.ports.iter().filter(|port| self.is_undecided(port)).count(),
                interval_ms: interval.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
            }),
            None => Silence::Plain,
        }
    }

    fn sweep(&mut self, now: Duration, round: u32, next: usize) -> Option<Step> {
        let rest = self.ports.iter().enumerate().skip(next);
        let silent = rest.filter(|(_, port)| is_silent(port)).map(|(place, port)| (place, port.last_sent)).next();
        if let Some((place, last_sent)) = silent {
            let due = last_sent.map_or(Duration::ZERO, |last| last + self.waits.gap).max(self.ramp.due());
            return Some(if now < due { Step::Wait(due) } else { Step::Send(place) });
        }
        let rounds = self.manner.tries.max(1) + u32::from(self.loss);
        if round < rounds {
            self.phase = Phase::Sweep { round: round + 1, next: 0 };
            return None;
        }
        let end = if self.closed.is_empty() { self.end() } else { self.last_sent + self.waits.listen };
        if now < end {
            // The next place is behind the last one: nothing more is sent.
            return Some(Step::Wait(end));
        }
        self.phase = if self.closed.is_empty() { Phase::Ending } else { Phase::Trials { since: now } };
        self.learn_from_sweep();
        None
    }

    /// The sweep was a trial too: a port that was silent had the token of one that was refused right after it, or one of those
    /// of two that were refused soon after it.
    fn learn_from_sweep(&mut self) {
        let moment = self.ration.moment();
        let (mut next, mut next_but_one) = (None, None);
        for place in (0..self.ports.len()).rev() {
            let known = self.closed.contains(&place);
            let Some(port) = self.ports.get_mut(place) else { continue };
            if known {
                (next, next_but_one) = (port.first_sent, next);
            } else if let (true, Some(sent)) = (is_silent(port), port.first_sent) {
                let within =
                    |other: Option<Duration>, most| other.is_some_and(|other| other.saturating_sub(sent) <= most);
                if within(next, moment) || within(next_but_one, moment * 5) {
                    port.silences = 1;
                    self.volley = (self.volley + 1).min(TOGETHER);
                }
            }
        }
    }

    /// When every port has been listened to for long enough.
    fn end(&self) -> Duration {
        (self.last_begun + self.waits.whole).max(self.last_sent + self.waits.last)
    }

    fn try_on(&mut self, now: Duration, since: Duration) -> Option<Step> {
        if let Some(trial) = &self.trial {
            if let Some(place) = trial.next() {
                let due = self.ramp.due();
                return Some(if now < due { Step::Wait(due) } else { Step::Send(place) });
            }
            let end = trial.ends(self.waits.listen);
            if now < end {
                return Some(Step::Wait(end));
            }
            self.conclude(now);
        }
        let end = since.saturating_add(self.manner.patience);
        let ports = self.candidates(end.saturating_sub(now));
        let spent = self.datagrams >= self.ports.len() * DATAGRAMS_A_PORT + DATAGRAMS;
        if ports.is_empty() || self.closed.is_empty() || now >= end || spent || self.ration.has_ended(now) {
            self.phase = Phase::Ending;
            return None;
        }
        let begin = self.ration.next_trial(self.concluded.max(since), self.takes_long(&ports), self.plenty).min(end);
        if now < begin {
            return Some(Step::Wait(begin));
        }
        let ports = ports.get(..self.volley.min(ports.len())).unwrap_or_default();
        let control = *self.closed.get(self.trials % self.closed.len())?;
        self.trial = Some(Trial::new(ports, control, self.last_refusal, &self.ration));
        self.trials += 1;
        None
    }

    /// Learns from the trial that is over.
    fn conclude(&mut self, now: Duration) {
        let Some(trial) = self.trial.take() else { return };
        self.concluded = now;
        let outcome = trial.outcome(&self.ration);
        for place in outcome.silent {
            if let Some(port) = self.ports.get_mut(place) {
                port.silences += 1;
            }
        }
        self.plenty = outcome.control && outcome.refused > 0;
        self.volley = match outcome {
            Outcome { control: true, .. } => (self.volley * 2).min(VOLLEY),
            Outcome { refused: 0, .. } => {
                self.ration.denied();
                self.volley.min(TOGETHER)
            }
            Outcome { refused, .. } => refused,
        };
    }

    /// Whether a trial of these ports, as many as fit, takes longer than the moment in which all meet the same tokens.
    fn takes_long(&self, ports: &[usize]) -> bool {
        let datagrams = u32::try_from(self.volley.min(ports.len())).unwrap_or(u32::MAX);
        Duration::from_secs(1).saturating_mul(datagrams) / self.manner.rate.max(1) > self.ration.moment()
    }

    /// The ports to try next: of the first groups that can be decided in the time that is left, those of which least is known.
    fn candidates(&self, left: Duration) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::new();
        // Not known before the first refusal after a pause, and worth waiting for.
        let interval = self.ration.interval().unwrap_or_default();
        for group in &self.groups {
            let is_open = |place: &usize| self.ports.get(*place).is_some_and(|port| self.is_undecided(port));
            let joined: Vec<usize> = places.iter().copied().chain(group.clone().filter(is_open)).collect();
            if joined.len() == places.len() || interval.saturating_mul(self.tokens(&joined)) > left {
                continue;
            }
            if !places.is_empty() && joined.len() > TOGETHER {
                break;
            }
            places = joined;
        }
        places.sort_by_key(|place| self.ports.get(*place).map(|port| port.silences));
        places
    }

    /// How many tokens it takes to decide these ports: one for each that may be closed, and a few for all those together that
    /// seem to be silent by themselves.
    fn tokens(&self, places: &[usize]) -> u32 {
        let ports = || places.iter().filter_map(|place| self.ports.get(*place));
        let unknown = ports().filter(|port| port.silences == 0).count();
        let least = ports().map(|port| port.silences).filter(|silences| *silences > 0).min();
        u32::try_from(unknown).unwrap_or(u32::MAX).saturating_add(least.map_or(0, |least| self.needed() - least))
    }

    fn needed(&self) -> u32 {
        if self.loss { SILENCES_WITH_LOSS } else { SILENCES }
    }

    fn is_undecided(&self, port: &Port) -> bool {
        is_silent(port) && port.silences < self.needed()
    }

    fn is_silent_by_itself(&self, port: &Port) -> bool {
        is_silent(port) && port.silences >= self.needed()
    }
}

fn is_silent(port: &Port) -> bool {
    port.standing == Standing::Silent
}
