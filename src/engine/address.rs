//! One address of a target: its ports, then what speaks on the open ones, then what the items want to know of that, and
//! at last whether the target still answers as it did at first.

use super::early::Early;
use super::event::{Event, Events};
use super::log::Entry;
use super::memory::{self, Keep, Memory};
use super::plan::Plan;
use super::stop::Stop;
use crate::model::fact::{Fact, PortReason, PortState};
use crate::model::observation::{Attempt, Blame, Cause, ObservationId, Skip, Stage};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, PathHealth, Trouble};
use crate::model::target::Target;
use crate::model::udp::UdpRation;
use crate::probe::tcp_ports::{Acquaintance, is_sensitive};
use crate::probe::{Asker, Known, Outcome, Peer, WitnessSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many ports that were open and are silent now are asked again at the end.
const LOST_ASKED_AGAIN: usize = 3;

/// How long the last check may take whether a target still answers.
const CHECK_WITHIN: Duration = Duration::from_secs(20);

/// How often ports are asked again whose answers turned out to be worth nothing.
const ASKED_AGAIN_MOST: usize = 3;

/// How many decoy ports are asked.
const DECOYS: usize = 3;

/// One more decoy each among the ports of system services and among those of applications, for what answers in a server's
/// place need not do so on every port: numbers that IANA lists as reserved or unassigned.
const LOW_DECOYS: [std::ops::Range<u16>; 3] = [225..242, 288..308, 325..333];
const MIDDLE_DECOYS: [std::ops::Range<u16>; 2] = [9420..9443, 7860..7869];

/// Where decoys are drawn from: above the ports that services register, below the ranges of the guides and the ports
/// that systems give to outgoing connections (RFC 6335, section 6; Linux from 32768 on).
const DECOY_RANGE: std::ops::Range<u16> = 20_100..32_000;

/// Ports that servers of the guides usually have open, asked first: an answer tells how long answers take, and whether
/// silence means anything.
const LIKELY: [u16; 9] = [443, 8040, 8484, 8041, 80, 8443, 8383, 8020, 8080];

/// The scan of one address.
pub(super) struct AddressScan<'a> {
    pub(super) asker: &'a Asker,
    pub(super) target: &'a Target,
    pub(super) plan: &'a Plan,
    pub(super) address: IpAddr,
    pub(super) stop: &'a Stop,
    pub(super) events: &'a Events,
    pub(super) number: usize,
    pub(super) witness: Option<&'a WitnessSettings>,
    pub(super) memory: &'a Memory,
    pub(super) keep: Option<&'a dyn Keep>,
}

/// What it brought.
pub(super) struct Done {
    pub(super) health: AddressHealth,
    pub(super) entries: Vec<Entry>,
    pub(super) troubles: Vec<Trouble>,
}

/// What stopping for this reason means for the target.
pub(super) fn trouble_of(skip: &Skip) -> Trouble {
    match skip {
        Skip::OutOfTime => Trouble::OutOfTime,
        _ => Trouble::Interrupted,
    }
}

impl AddressScan<'_> {
    pub(super) async fn run(self) -> Done {
        let wanted = self.plan.numbers(Transport::Tcp);
        let decoys = if wanted.is_empty() { Vec::new() } else { self.decoys(&wanted) };
        let ((mut entries, mut health, mut known), (udp, ration)) = futures::join!(self.tcp(&decoys), self.udp_ports());
        entries.extend(udp);
        health.udp_ration = ration;
        self.check_to_the_end(&entries, &mut health, &mut known).await;
        let proved = self.prove(&mut entries).await;
        // Alive, by other signs than TCP: perhaps it was not when its TCP ports were asked.
        if !known.has_witness() && (proved.reached || entries.iter().any(is_sign_of_life)) {
            self.ask_unvouched(&mut entries, &mut known, &decoys, &mut health).await;
            self.look(&mut entries, 0, &mut BTreeMap::new()).await;
        }
        health.answered = proved.reached || entries.iter().any(is_sign_of_life);
        let mut troubles = self.troubles(&entries);
        troubles.extend(proved.trouble);
        if health.stopped_answering {
            troubles.push(Trouble::StoppedAnswering { address: self.address });
        }
        Done { health, entries, troubles }
    }

    /// Everything over TCP: the ports that items want and what speaks on the open ones, then the rest of a sweep.
    async fn tcp(&self, decoys: &[u16]) -> (Vec<Entry>, AddressHealth, Acquaintance) {
        let mut wanted = self.plan.numbers(Transport::Tcp);
        wanted.sort_by_key(|port| LIKELY.iter().position(|likely| likely == port).unwrap_or(LIKELY.len()));
        let rate = f64::from(self.asker.dialer().pace().rates().syn.get());
        let mut known = Acquaintance::new(rate, self.moved_services());
        let mut health = AddressHealth::default();
        let decoys_only = decoys.iter().copied().filter(|port| !wanted.contains(port)).collect::<Vec<u16>>();
        let peer = self.peer();
        let (mut entries, mut early) = futures::join!(
            self.tcp_ports_anew(&wanted, &decoys_only, &mut known),
            Box::pin(self.early_tls(&peer, &wanted))
        );
        note_decoys(&mut health, decoys, &entries);
        entries.retain(|entry| !decoys_only.contains(&entry.question.port()));
        if known.has_witness() {
            self.ask_unvouched(&mut entries, &mut known, decoys, &mut health).await;
        }
        if health.handshakes_untrusted() {
            let round_trip = known.path().round_trip().map(|known| known.smoothed);
            let decoy = health.decoys_open.first().copied();
            let heard = async {
                self.hear_open(&mut entries, known.path()).await;
            };
            (health.decoys_speak, ()) = futures::join!(self.speaks(decoy, round_trip), heard);
        }
        self.keep_states(&entries, &known);
        self.go_gently(&known);
        let looked_into = self.look(&mut entries, 0, &mut early).await;
        let mut rest = self.plan.rest_of_sweep();
        if !rest.is_empty() {
            // In no order: a scan in order is what intrusion detection looks for, and a cut half-way should not take all
            // high ports.
            fastrand::shuffle(&mut rest);
            entries.extend(self.tcp_ports_anew(&rest, &[], &mut known).await);
            if known.has_witness() {
                self.ask_unvouched(&mut entries, &mut known, decoys, &mut health).await;
            }
            if health.handshakes_untrusted() {
                self.hear_open(&mut entries, known.path()).await;
            }
            self.keep_states(&entries, &known);
            self.look(&mut entries, looked_into, &mut early).await;
        }
        health.stopped_answering |= known.stopped_answering();
        health.recheck_missing |= known.recheck_missing();
        health.oddities = known.traits().oddities();
        health.path = path_health(&known);
        (entries, health, known)
    }

    /// Asks ports again whose silence was believed while nothing at all had answered (the target, or the way to it, may have
    /// been down), or whose refusal before it was seen that open ports are refused too.
    async fn ask_unvouched(
        &self,
        entries: &mut Vec<Entry>,
        known: &mut Acquaintance,
        decoys: &[u16],
        health: &mut AddressHealth,
    ) {
        for _ in 0..ASKED_AGAIN_MOST {
            let ports = known.take_unvouched();
            if ports.is_empty() {
                return;
            }
            self.ask_again(&ports, entries, known, decoys, health).await;
        }
        // What refused or was silent was found to be worth nothing every time.
        health.stopped_answering |= !known.take_unvouched().is_empty();
    }

    async fn ask_again(
        &self,
        ports: &[u16],
        entries: &mut Vec<Entry>,
        known: &mut Acquaintance,
        decoys: &[u16],
        health: &mut AddressHealth,
    ) {
        let mut again = self.tcp_ports(ports, known).await;
        note_decoys(health, decoys, &again);
        // A port that could not be asked again is not known to be silent.
        let ports: BTreeSet<u16> = ports.iter().copied().collect();
        let replaced: BTreeSet<u16> = entries
            .extract_if(.., |entry| is_tcp_port(entry) && ports.contains(&entry.question.port()))
            .map(|entry| entry.question.port())
            .collect();
        again.retain(|entry| replaced.contains(&entry.question.port()));
        entries.extend(again);
    }

    /// Looks into the open ports, where anybody wants to know what speaks there.
    async fn look(&self, entries: &mut Vec<Entry>, before: usize, early: &mut BTreeMap<u16, Early<'_>>) -> usize {
        if self.plan.follow_up.service.is_empty() { 0 } else { self.look_into_open(entries, before, early).await }
    }

    /// What lets only so many SYNs through bears no more connections either.
    fn go_gently(&self, known: &Acquaintance) {
        if let Some(limit) = known.throttle().limit() {
            let rate = NonZeroU32::new(whole(limit * 0.8)).unwrap_or(NonZeroU32::MIN);
            self.asker.dialer().pace().slow_down(self.address, rate);
        }
    }

    /// Where the inventory moved services to, whose owners count connections wherever they are.
    fn moved_services(&self) -> Vec<u16> {
        let moved = self.target.moved.iter().filter(|moved| moved.to.transport() == Transport::Tcp);
        moved
            .flat_map(|moved| moved.to.each())
            .filter(|port| is_sensitive(self.target.logical(Transport::Tcp, *port)))
            .collect()
    }

    /// Ports that nothing uses: asked beside the others, to find out whether something answers for the server.
    fn decoys(&self, asked: &[u16]) -> Vec<u16> {
        if !self.plan.decoys {
            return Vec::new();
        }
        let asked: BTreeSet<u16> = asked.iter().copied().collect();
        let mut free: Vec<u16> = DECOY_RANGE.filter(|port| !asked.contains(port)).collect();
        if free.len() < DECOYS {
            free = (1024..u16::MAX).filter(|port| !asked.contains(port)).collect();
        }
        // Where every port is asked, some of them are decoys as well.
        if free.len() < DECOYS {
            free = DECOY_RANGE.collect();
        }
        let mut decoys = fastrand::choose_multiple(free, DECOYS);
        for ranges in [LOW_DECOYS.as_slice(), &MIDDLE_DECOYS] {
            let among: Vec<u16> = ranges.iter().cloned().flatten().filter(|port| !asked.contains(port)).collect();
            decoys.extend(fastrand::choice(among));
        }
        decoys.sort_unstable();
        decoys
    }

    /// The states of `ports`, and of `decoys`: those of an earlier run as they were, where some of them, asked again, still say
    /// the same; all others are asked.
    async fn tcp_ports_anew(&self, ports: &[u16], decoys: &[u16], known: &mut Acquaintance) -> Vec<Entry> {
        let mut remembered = self.memory.states(Transport::Tcp, ports);
        let anchors = memory::anchors(&remembered);
        remembered.retain(|_| !anchors.is_empty());
        let skipped: BTreeSet<u16> =
            remembered.iter().map(|entry| entry.question.port()).filter(|port| !anchors.contains(port)).collect();
        let asked: Vec<u16> =
            ports.iter().copied().filter(|port| !skipped.contains(port)).chain(decoys.iter().copied()).collect();
        let mut entries = self.tcp_ports(&asked, known).await;
        if memory::agree(&remembered, &entries) {
            entries.extend(remembered.into_iter().filter(|entry| skipped.contains(&entry.question.port())));
        } else {
            let rest: Vec<u16> = ports.iter().copied().filter(|port| skipped.contains(port)).collect();
            entries.extend(self.tcp_ports(&rest, known).await);
        }
        entries
    }

    /// Tells the states of TCP ports, which are final now.
    fn keep_states(&self, entries: &[Entry], known: &Acquaintance) {
        if known.has_witness() && !known.stopped_answering() {
            memory::tell_states(self.keep, self.number, Transport::Tcp, entries);
        }
    }

    async fn tcp_ports(&self, ports: &[u16], known: &mut Acquaintance) -> Vec<Entry> {
        self.events.tell(Event::Planned { target: self.number, questions: ports.len() });
        let mut entries = Vec::with_capacity(ports.len());
        let peer = self.peer();
        let asked = self.asker.ask_tcp_ports(&peer, ports, known, self.stop.reason(), |port, outcome| {
            self.events.tell(Event::Asked { target: self.number, questions: 1 });
            entries.push(self.entry(port_question(Transport::Tcp, port), outcome));
        });
        asked.await;
        entries
    }

    /// All UDP ports at once, those first that items want most; whatever stops it, what was learned is kept.
    async fn udp_ports(&self) -> (Vec<Entry>, Option<UdpRation>) {
        let mut groups = self.plan.udp_groups();
        let remembered = self.memory.states(Transport::Udp, &groups.concat());
        let known: BTreeSet<u16> = remembered.iter().map(|entry| entry.question.port()).collect();
        for group in &mut groups {
            group.retain(|port| !known.contains(port));
        }
        let count: usize = groups.iter().map(Vec::len).sum();
        self.events.tell(Event::Planned { target: self.number, questions: count });
        let told = AtomicUsize::new(0);
        let tell = |questions| self.events.tell(Event::Asked { target: self.number, questions });
        let decided = |more| {
            told.fetch_add(more, Ordering::Relaxed);
            tell(more);
        };
        let asked = self.asker.ask_udp_ports(&self.peer(), &groups, self.stop.reason(), &decided).await;
        tell(count.saturating_sub(told.into_inner()));
        let entry = |(port, outcome)| self.entry(port_question(Transport::Udp, port), outcome);
        let mut entries: Vec<Entry> = asked.ports.into_iter().map(entry).collect();
        memory::tell_states(self.keep, self.number, Transport::Udp, &entries);
        entries.extend(remembered);
        (entries, asked.ration)
    }

    /// Asks a port again that had answered, after all others: the target, or something before it, may have begun to drop us while its
    /// ports were looked into, and will be no witness next time. Of ports that were open and could not be connected to again,
    /// the first are asked themselves.
    async fn check_to_the_end(&self, entries: &[Entry], health: &mut AddressHealth, known: &mut Acquaintance) {
        let lost = lost(entries);
        if !known.has_witness() || health.silence_untrusted() || lost.is_empty() && !entries.iter().any(is_silence) {
            return;
        }
        let again: BTreeSet<u16> = known.witness().into_iter().chain(lost.into_iter().take(LOST_ASKED_AGAIN)).collect();
        let again: Vec<u16> = again.into_iter().collect();
        let peer = self.peer();
        let mut answered = Vec::new();
        // A target's time may be over; this is asked all the same, for all else depends on it.
        let stop = async {
            match self.stop.unless_interrupted(tokio::time::sleep(CHECK_WITHIN)).await {
                Ok(()) => Skip::OutOfTime,
                Err(skip) => skip,
            }
        };
        let asked =
            self.asker.ask_tcp_ports(&peer, &again, known, stop, |port, outcome| answered.push((port, outcome)));
        asked.await;
        for port in again {
            let outcome = answered.iter().find(|(asked, _)| *asked == port);
            match outcome.map(|(_, outcome)| &outcome.attempt) {
                Some(Attempt::Answered { fact: Fact::Port(fact) }) => {
                    health.stopped_answering |= !known.is_as_before(port, fact);
                }
                Some(Attempt::Skipped { skip: Skip::StoppedAnswering | Skip::Lossy }) => {
                    health.stopped_answering = true;
                }
                _ => health.recheck_missing = true,
            }
        }
        health.stopped_answering |= known.stopped_answering();
    }

    fn troubles(&self, entries: &[Entry]) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut add = |trouble: Trouble| {
            if !troubles.contains(&trouble) {
                troubles.push(trouble);
            }
        };
        for entry in entries {
            match &entry.attempt {
                Attempt::Skipped { skip: Skip::NoRoute } => add(Trouble::NoRoute { address: self.address }),
                Attempt::Skipped { skip: skip @ (Skip::Interrupted | Skip::OutOfTime) } => add(trouble_of(skip)),
                Attempt::Failed { failure } => match (failure.blame, &failure.cause) {
                    (Blame::Bug, cause) => add(Trouble::Bug { message: cause.to_string() }),
                    (Blame::Ourselves, cause @ (Cause::Exhausted { .. } | Cause::Forbidden { .. })) => {
                        add(Trouble::Ourselves { message: cause.to_string() });
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        troubles
    }

    pub(super) fn peer(&self) -> Peer {
        Peer { address: self.address, name: self.target.server_name().map(str::to_owned) }
    }

    pub(super) async fn ask(&self, question: Question, known: &Known) -> Entry {
        if let Some(remembered) = self.memory.answer(question) {
            return remembered.clone();
        }
        // One future can ask anything, so it is as large as the largest question: it is kept off the callers' frames.
        let peer = self.peer();
        let asked = Box::pin(self.asker.ask(&peer, question, known));
        match self.stop.unless(asked).await {
            Ok(outcome) => self.kept(question, outcome),
            Err(skip) => self.skipped(question, skip),
        }
    }

    /// An entry that is told at once.
    pub(super) fn kept(&self, question: Question, outcome: Outcome) -> Entry {
        let entry = self.entry(question, outcome);
        memory::tell(self.keep, self.number, std::slice::from_ref(&entry));
        entry
    }

    pub(super) fn entry(&self, question: Question, outcome: Outcome) -> Entry {
        Entry {
            id: ObservationId(0),
            address: self.address,
            question,
            started_ms: outcome.started_ms,
            elapsed_ms: outcome.elapsed_ms,
            elapsed_max_ms: outcome.elapsed_ms,
            tries: outcome.tries,
            attempt: outcome.attempt,
        }
    }

    pub(super) fn skipped(&self, question: Question, skip: Skip) -> Entry {
        Entry {
            id: ObservationId(0),
            address: self.address,
            question,
            started_ms: 0,
            elapsed_ms: 0,
            elapsed_max_ms: 0,
            tries: 0,
            attempt: Attempt::Skipped { skip },
        }
    }
}

fn path_health(known: &Acquaintance) -> Option<PathHealth> {
    let round_trip = known.path().round_trip()?;
    let tally = known.path().tally();
    Some(PathHealth {
        round_trip_us: u64::try_from(round_trip.smoothed.as_micros()).unwrap_or(u64::MAX),
        answerable: tally.asked,
        lost: tally.lost,
        limit_per_second: known.throttle().limit().map(whole),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, far below 2^32 and not negative")]
fn whole(rate: f64) -> u32 {
    rate.round() as u32
}

/// The question about one port. Ports of a plan are never 0, which `Ports` forbids.
pub(super) fn port_question(transport: Transport, port: u16) -> Question {
    let port = port.max(1);
    let ports = Ports::one(transport, port).unwrap_or_else(|| unreachable!("{port} is a port"));
    Question::Port { ports }
}

pub(super) fn state(entry: &Entry) -> Option<PortState> {
    match entry.attempt.fact() {
        Some(Fact::Port(fact)) => Some(fact.state),
        _ => None,
    }
}

/// What `entries` say of decoys. One without a state proves nothing; one that opened once is not forgotten.
fn note_decoys(health: &mut AddressHealth, decoys: &[u16], entries: &[Entry]) {
    let is_decoy = |entry: &&Entry| is_tcp_port(entry) && decoys.contains(&entry.question.port());
    let known: Vec<Entry> = entries.iter().filter(is_decoy).filter(|entry| state(entry).is_some()).cloned().collect();
    health.decoys_asked = health.decoys_asked.max(known.len());
    health.decoys_open.extend(open_ports(&known));
    health.decoys_open.sort_unstable();
    health.decoys_open.dedup();
}

fn is_tcp_port(entry: &Entry) -> bool {
    matches!(entry.question, Question::Port { ports } if ports.transport() == Transport::Tcp)
}

pub(super) fn open_ports(entries: &[Entry]) -> Vec<u16> {
    let tcp = entries.iter().filter(|entry| entry.question.transport() == Transport::Tcp);
    let mut open: Vec<u16> =
        tcp.filter(|entry| state(entry) == Some(PortState::Open)).map(|entry| entry.question.port()).collect();
    open.sort_unstable();
    open
}

/// Whether something answered that only the target can have sent. An ICMP message may be anybody's on the way: a provider
/// that rejects port 445 does not bring a dead host to life.
fn is_sign_of_life(entry: &Entry) -> bool {
    let Some(Fact::Port(fact)) = entry.attempt.fact() else { return false };
    match &fact.reason {
        PortReason::Disagreement { tries } => {
            tries.iter().any(|state| matches!(state, PortState::Open | PortState::Closed))
        }
        _ => fact.is_from_target(),
    }
}

/// Whether a port met silence, or a word that it could not be reached: what would be seen of a target that drops us.
fn is_silence(entry: &Entry) -> bool {
    let silent = |state| matches!(state, PortState::Filtered | PortState::OpenOrFiltered);
    matches!(entry.attempt.fact(), Some(Fact::Port(fact)) if silent(fact.state) || fact.is_undeliverable())
}

/// The TCP ports that were open, and that did not answer when they were to be looked into.
fn lost(entries: &[Entry]) -> BTreeSet<u16> {
    let is_open = |entry: &&Entry| {
        is_tcp_port(entry) && matches!(entry.attempt.fact(), Some(Fact::Port(fact)) if fact.state == PortState::Open)
    };
    let open: BTreeSet<u16> = entries.iter().filter(is_open).map(|entry| entry.question.port()).collect();
    let silent = |entry: &&Entry| {
        matches!(&entry.attempt, Attempt::Failed { failure } if failure.stage == Stage::Connect && failure.blame == Blame::Path)
            && entry.question.transport() == Transport::Tcp
    };
    entries.iter().filter(silent).map(|entry| entry.question.port()).filter(|port| open.contains(port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::PortFact;

    #[test]
    fn a_routers_word_after_silence_is_no_sign_of_life() {
        let life = |tries: Vec<PortState>| {
            let fact =
                PortFact { state: PortState::Unstable, reason: PortReason::Disagreement { tries }, sender: None };
            is_sign_of_life(&Entry {
                id: ObservationId(0),
                address: IpAddr::from([192, 0, 2, 1]),
                question: port_question(Transport::Tcp, 443),
                started_ms: 0,
                elapsed_ms: 0,
                elapsed_max_ms: 0,
                tries: 3,
                attempt: Attempt::Answered { fact: Fact::Port(fact) },
            })
        };
        assert!(!life(vec![PortState::Filtered, PortState::Rejected, PortState::Filtered]));
        assert!(life(vec![PortState::Filtered, PortState::Closed]) && life(vec![PortState::Open, PortState::Filtered]));
    }
}
