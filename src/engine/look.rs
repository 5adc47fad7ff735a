//! What speaks on the open ports of an address, and what the items want to know of it.

use super::address::{AddressScan, open_ports};
use super::early::{Early, Led};
use super::event::Event;
use super::log::{Entry, Joined};
use crate::model::fact::Fact;
use crate::model::http::Scheme;
use crate::model::observation::{Attempt, Cause};
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::service::Service;
use crate::model::suites::Unsettled;
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::probe::tcp_ports::{Path, is_sensitive};
use crate::probe::{Control, Known, Outcome, Peer, TlsVersions};
use futures::future;
use futures::stream::{self, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How many open ports are looked into at once: each costs several connections.
const PORTS_AT_ONCE: usize = 24;

/// How many open ports of an address are looked into at all. More are open only where something answers for the server.
const PORTS_LOOKED_INTO: usize = 200;

/// How long questions that were turned away are asked again one by one, for one port.
const ALONE_WITHIN: Duration = Duration::from_secs(10);

/// By how many connections a port is asked then where packets are lost.
const LOSSY_CONNECTIONS: usize = 3;

/// Where something answers for the server: how long an open port has to say anything, in round trips, and at least.
const HURRY_ROUND_TRIPS: u32 = 10;
const HURRY_LEAST: Duration = Duration::from_millis(300);

/// The same where items rest on what speaks there: most servers say their first word in this time.
const UNHURRIED: Duration = Duration::from_secs(2);

/// How many ports are asked at once whether anything speaks there.
const HURRIED_AT_ONCE: usize = 256;

/// What came of asking for versions, or what was skipped because the run was stopped.
pub(super) type TlsAsked<'a> = Result<TlsVersions<'a>, Vec<Entry>>;

impl AddressScan<'_> {
    /// Whether an open decoy answers like a service, as a proxy with an error page for everything would.
    pub(super) async fn speaks(&self, decoy: Option<u16>, round_trip: Option<Duration>) -> bool {
        let Some(port) = decoy else { return false };
        let attempt = if self.plan.follow_up.service.is_empty() {
            let peer = self.peer();
            match self.stop.unless(self.asker.ask_quickly(&peer, port, self.hurry(round_trip))).await {
                Ok(outcome) => outcome.attempt,
                Err(skip) => Attempt::Skipped { skip },
            }
        } else {
            self.ask(Question::service(port), &Known::default()).await.attempt
        };
        matches!(attempt.fact(), Some(Fact::Service { service, .. }) if service.is_protocol_answer())
    }

    /// Where something completes handshakes in the server's place: which open ports say anything at all. Those that do not
    /// are answered for, and are not looked into any further.
    ///
    /// Where packets are lost on the way and there is little time, most are asked by several connections at once: one may be
    /// lost, and with it what would have told a service from nothing.
    pub(super) async fn hear_open(&self, entries: &mut Vec<Entry>, path: &Path) {
        let round_trip = path.round_trip().map(|known| known.smoothed);
        let lossy = path.tally().lost > 0 && self.plan.follow_up.service.is_empty();
        let connections = |port| if lossy && !is_sensitive(port) { LOSSY_CONNECTIONS } else { 1 };
        let seen = looked_into(entries);
        let mut open = open_ports(entries);
        open.retain(|port| !seen.contains(port));
        let within = self.hurry(round_trip);
        self.events.tell(Event::Planned { target: self.number, questions: open.len() });
        let peer = self.peer();
        let peer = &peer;
        let heard = open.into_iter().map(|port| async move {
            let asked = future::join_all((0..connections(port)).map(|_| self.asker.ask_quickly(peer, port, within)));
            let spoken = |outcome: &Outcome| !is_silent(&outcome.attempt);
            let outcome = self.stop.unless(asked).await.map(|mut outcomes| {
                let place = outcomes.iter().position(spoken).unwrap_or_default();
                outcomes.swap_remove(place)
            });
            self.events.tell(Event::Asked { target: self.number, questions: 1 });
            match outcome {
                Ok(outcome) => self.entry(Question::service(port), outcome),
                Err(skip) => self.skipped(Question::service(port), skip),
            }
        });
        // Whoever speaks is asked in full, if anybody wants to know; that answer takes the place of this one.
        let wanted = !self.plan.follow_up.service.is_empty();
        let kept = stream::iter(heard)
            .buffer_unordered(HURRIED_AT_ONCE)
            .filter(|entry| future::ready(is_silent(&entry.attempt) || !wanted))
            .fold(Joined::default(), |joined, entry| future::ready(joined.with(entry)))
            .await;
        entries.extend(kept.into_entries());
    }

    /// How long an open port is given to say anything.
    fn hurry(&self, round_trip: Option<Duration>) -> Duration {
        if self.plan.follow_up.service.is_empty() {
            HURRY_LEAST.max(round_trip.unwrap_or_default() * HURRY_ROUND_TRIPS)
        } else {
            UNHURRIED
        }
    }

    /// Looks into the open ports that nobody has looked into, as long as there are not too many; says how many those were.
    pub(super) async fn look_into_open(
        &self,
        entries: &mut Vec<Entry>,
        before: usize,
        early: &mut BTreeMap<u16, Early<'_>>,
    ) -> usize {
        let seen = looked_into(entries);
        let mut open = open_ports(entries);
        open.retain(|port| !seen.contains(port));
        open.truncate(PORTS_LOOKED_INTO.saturating_sub(before));
        let looked_into = open.iter().map(|port| self.look_into(*port, early.remove(port)));
        let found: Vec<Vec<Entry>> = stream::iter(looked_into).buffer_unordered(PORTS_AT_ONCE).collect().await;
        entries.extend(found.into_iter().flatten());
        open.len()
    }

    /// Finds out what speaks on an open port, and asks what the items want to know of it.
    async fn look_into(&self, port: u16, early: Option<Early<'_>>) -> Vec<Entry> {
        if self.plan.follow_up.service.is_empty() {
            return Vec::new();
        }
        let known = Known { logical_port: Some(self.target.logical(Transport::Tcp, port)), ..Known::default() };
        // What speaks TLS may hang, drip and turn away at every question.
        let mut until = early.as_ref().map_or_else(|| Instant::now() + self.asker.endpoint(), |early| early.until);
        let (mut service, early) = match early {
            // Whether it does has its own waits: mute ports side by side wait for our own limits, too. That is no time of the
            // port's, which begins with the first connection.
            None => {
                let service = self.counted_until(Question::service(port), &known, None).await;
                until = until.max(self.asker.instant(service.started_ms) + self.asker.endpoint());
                (vec![service], Vec::new())
            }
            Some(early) => match self.after_early(port, early).await {
                Led::Tls(entries) => return entries,
                Led::Elsewhere { service, tls } => (service, tls),
            },
        };
        let Some(Fact::Service { service: speaks, tls }) =
            service.first().and_then(|entry| entry.attempt.fact()).cloned()
        else {
            service.extend(early);
            return service;
        };
        if !early.is_empty() && (tls == Some(TlsPreface::Direct) || speaks == Service::Silent) {
            service.extend(early);
            return service;
        }
        let known = Known { scheme: speaks.scheme(), preface: tls, ..known };
        let questions = self.follow_up(port, &speaks, tls);
        let mut entries = service;
        let peer = self.peer();
        let bound = tls.map(|_| until);
        let found = questions.into_iter().map(|question| self.counted_until(question, &known, bound));
        let (versions, mut found) = futures::join!(self.tls_versions(&peer, port, tls, until), future::join_all(found));
        self.ask_alone(&mut found, &known, bound).await;
        entries.extend(found);
        if let (Some(versions), Some(preface)) = (versions, tls) {
            entries.extend(self.settled(port, preface, versions).await);
        }
        entries
    }

    /// Which versions of TLS are accepted, where the items want to know.
    pub(super) async fn tls_versions<'a>(
        &'a self,
        peer: &'a Peer,
        port: u16,
        preface: Option<TlsPreface>,
        until: Instant,
    ) -> Option<TlsAsked<'a>> {
        let preface = preface.filter(|_| !self.plan.follow_up.tls_versions.is_empty())?;
        // SNI means nothing to MySQL, which counts every handshake that is broken off.
        let named = self.target.server_name().is_some() && preface != TlsPreface::MySql;
        let sni = if named { [true, false].as_slice() } else { [false].as_slice() };
        let questions = || {
            sni.iter().flat_map(|&sni| {
                TlsVersion::ALL.into_iter().map(move |version| Question::TlsVersion { port, version, sni })
            })
        };
        self.events.tell(Event::Planned { target: self.number, questions: 1 });
        if let Some(remembered) = self.remembered_tls(port, preface, questions()) {
            return Some(Err(remembered));
        }
        let asked = self.stop.unless(self.asker.ask_tls_versions(peer, port, preface, sni, until)).await;
        Some(asked.map_err(|skip| questions().map(|question| self.skipped(question, skip.clone())).collect()))
    }

    /// What an earlier run had learned of the versions, and of the suites where they are wanted; nothing where any is missing.
    fn remembered_tls(
        &self,
        port: u16,
        preface: TlsPreface,
        versions: impl Iterator<Item = Question>,
    ) -> Option<Vec<Entry>> {
        // Behind the greeting of MySQL nobody can begin with SSL 2.0, and so it is not asked.
        let asked = |question: &Question| {
            let is_ssl2 = matches!(question, Question::TlsVersion { version: TlsVersion::Ssl2, .. });
            !(is_ssl2 && preface == TlsPreface::MySql)
        };
        let mut entries = self.memory.all(versions.filter(asked))?;
        if !self.plan.follow_up.suites.is_empty() {
            let suites = [true, false].map(|sni| self.memory.answer(Question::Suites { port, sni }));
            entries.push(suites.into_iter().flatten().next()?.clone());
        }
        Some(entries)
    }

    /// What came of asking for versions, after what had no clear answer was asked again.
    /// Then, where they are wanted, the suites of those that are accepted.
    pub(super) async fn settled(&self, port: u16, preface: TlsPreface, versions: TlsAsked<'_>) -> Vec<Entry> {
        self.events.tell(Event::Asked { target: self.number, questions: 1 });
        let mut versions = match versions {
            Ok(versions) => versions,
            Err(skipped) => return skipped,
        };
        // What is known when the run is stopped stays.
        let _ = self.stop.unless(versions.settle()).await;
        let until = versions.until();
        let mut controls = versions.accepted(true);
        let nameless = versions.accepted(false);
        let outcomes = self.asker.tls_versions(versions);
        let mut entries: Vec<Entry> =
            outcomes.into_iter().map(|(question, outcome)| self.kept(question, outcome)).collect();
        if self.plan.follow_up.suites.is_empty() {
            return entries;
        }
        // With SNI where it is accepted so: that is how clients come.
        let question = Question::Suites { port, sni: !controls.is_empty() };
        controls.extend(without(nameless, &controls));
        controls.sort_by_key(Control::version);
        let unsettled = unsettled(&entries, &controls);
        let peer = self.peer();
        self.events.tell(Event::Planned { target: self.number, questions: 1 });
        let asked =
            self.stop.unless(self.asker.ask_suites(&peer, question, preface, &controls, unsettled, until)).await;
        self.events.tell(Event::Asked { target: self.number, questions: 1 });
        entries.push(match asked {
            Ok(outcome) => self.kept(question, outcome),
            Err(skip) => self.skipped(question, skip),
        });
        entries
    }

    /// What the items want to know of a port where `service` speaks.
    fn follow_up(&self, port: u16, service: &Service, tls: Option<TlsPreface>) -> Vec<Question> {
        let wanted = &self.plan.follow_up;
        let mut questions = Vec::new();
        if tls.is_some() {
            let named = self.target.server_name().is_some();
            if !wanted.certificate.is_empty() {
                questions.push(Question::Certificate { port, sni: named && tls != Some(TlsPreface::MySql) });
            }
        }
        if let Some(Scheme::Http | Scheme::Https) = service.scheme() {
            questions.extend(wanted.http.keys().map(|request| Question::Http { port, request: *request }));
            if !wanted.products.is_empty() {
                questions.push(Question::Products { port });
            }
        }
        if matches!(service, Service::Rdp { .. }) && !wanted.rdp_nla.is_empty() {
            questions.push(Question::RdpNla { port });
        }
        if matches!(service, Service::Smb { .. }) && !wanted.smb1.is_empty() {
            questions.push(Question::Smb1 { port });
        }
        questions
    }

    /// Asks again, one by one, what a server that serves only so many at once may have turned away.
    async fn ask_alone(&self, entries: &mut [Entry], known: &Known, until: Option<Instant>) {
        let deadline = Instant::now() + ALONE_WITHIN;
        let deadline = until.map_or(deadline, |until| until.min(deadline));
        for entry in entries.iter_mut().filter(|entry| was_turned_away(entry)) {
            if Instant::now() >= deadline {
                return;
            }
            *entry = self.ask_until(entry.question, known, until).await;
        }
    }

    /// Asks a question until the time that its port is given is over, if there is any, and counts it for the listeners.
    pub(super) async fn counted_until(&self, question: Question, known: &Known, until: Option<Instant>) -> Entry {
        self.events.tell(Event::Planned { target: self.number, questions: 1 });
        let entry = self.ask_until(question, known, until).await;
        self.events.tell(Event::Asked { target: self.number, questions: 1 });
        entry
    }

    /// The same, not counted.
    pub(super) async fn ask_until(&self, question: Question, known: &Known, until: Option<Instant>) -> Entry {
        let Some(until) = until else { return self.ask(question, known).await };
        if let Some(remembered) = self.memory.answer(question) {
            return remembered.clone();
        }
        let peer = self.peer();
        let asked = Box::pin(self.asker.ask_until(&peer, question, known, until));
        match self.stop.unless(asked).await {
            Ok(outcome) => self.kept(question, outcome),
            Err(skip) => self.skipped(question, skip),
        }
    }
}

fn looked_into(entries: &[Entry]) -> BTreeSet<u16> {
    let asked = entries.iter().filter_map(|entry| match entry.question {
        Question::Service { ports } => Some(ports.each()),
        _ => None,
    });
    asked.flatten().collect()
}

/// Those of `more` for versions that none of `known` is for.
fn without<'a>(more: Vec<Control<'a>>, known: &[Control<'a>]) -> Vec<Control<'a>> {
    more.into_iter().filter(|one| known.iter().all(|other| other.version() != one.version())).collect()
}

/// The versions of which nobody could tell whether they are accepted, with the first reason.
fn unsettled(entries: &[Entry], accepted: &[Control<'_>]) -> Vec<Unsettled> {
    let mut unsettled: Vec<Unsettled> = Vec::new();
    for entry in entries {
        let Question::TlsVersion { version, .. } = entry.question else { continue };
        let why = match &entry.attempt {
            Attempt::Failed { failure } => failure.to_string(),
            Attempt::Skipped { skip } => skip.to_string(),
            // What is no TLS is no SSL 2.0 either.
            Attempt::Answered { fact: Fact::Tls { answer: TlsAnswer::NotTls { .. } } }
                if version != TlsVersion::Ssl2 =>
            {
                "the answer is no TLS".to_owned()
            }
            Attempt::Answered { .. } => continue,
        };
        let is_told = accepted.iter().any(|control| control.version() == version)
            || unsettled.iter().any(|other| other.version == version);
        if !is_told {
            unsettled.push(Unsettled { version, why });
        }
    }
    unsettled.sort_by_key(|one| one.version);
    unsettled
}

/// Whether nothing spoke.
fn is_silent(attempt: &Attempt) -> bool {
    !matches!(attempt.fact(), Some(Fact::Service { service, .. }) if !matches!(service, Service::Silent))
}

/// How TLS starts on a port, where this is what speaks there and that is TLS.
pub(super) fn speaks_tls(entry: &Entry) -> Option<TlsPreface> {
    match entry.attempt.fact() {
        Some(Fact::Service { tls, .. }) => *tls,
        _ => None,
    }
}

/// Whether the connection was closed or reset before an answer, or could not be made.
pub(super) fn was_turned_away(entry: &Entry) -> bool {
    matches!(&entry.attempt, Attempt::Failed { failure }
        if matches!(failure.cause, Cause::Closed | Cause::Reset | Cause::Refused | Cause::TimedOut { .. }))
}
