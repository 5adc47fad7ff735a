//! A target in two runs, and what is otherwise around it: all that may make it read otherwise without having changed itself.

use super::ranges::Layer;
use crate::model::address::is_inside;
use crate::model::evidence::EvidenceRun;
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{GuideUsed, Run, TargetRun};
use crate::model::target::{ControlServer, Target};
use crate::model::vantage::{Checkup, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The addresses of an older run by those of the newer: the only one of its family that went, for the only one that came, so
/// that a server that moved is compared with itself.
pub(super) type Moves = BTreeMap<IpAddr, IpAddr>;

/// A target in one run.
#[derive(Clone, Copy)]
pub(super) struct In<'a> {
    pub(super) run: &'a Run,
    pub(super) target: &'a TargetRun,
}

/// A target in two runs.
pub(super) struct Pair<'a> {
    pub(super) before: In<'a>,
    pub(super) after: In<'a>,
    /// What the inventory says otherwise.
    pub(super) inventory: Vec<String>,
    /// From where else it was asked.
    pub(super) vantage: Vec<String>,
    /// What is otherwise about the evidence from inside.
    pub(super) evidence: Option<String>,
    moves: Moves,
    asked_before: BTreeMap<ObservationId, &'a Observation>,
    asked_after: BTreeMap<ObservationId, &'a Observation>,
    questions_before: Questions,
    questions_after: Questions,
}

impl<'a> Pair<'a> {
    pub(super) fn new(before: In<'a>, after: In<'a>) -> Self {
        let by_id = |target: &'a TargetRun| target.observations.iter().map(|one| (one.id, one)).collect();
        let moves = moves(before.target, after.target);
        Self {
            inventory: inventory(&before.target.target, &after.target.target),
            vantage: vantage(before.target, after.target),
            evidence: evidence(before.target.evidence.as_deref(), after.target.evidence.as_deref()),
            questions_before: Questions::of(before.target, &moves),
            questions_after: Questions::of(after.target, &Moves::new()),
            moves,
            asked_before: by_id(before.target),
            asked_after: by_id(after.target),
            before,
            after,
        }
    }

    /// portreeve's versions, where they differ.
    pub(super) fn program(&self) -> Option<(&'a str, &'a str)> {
        let (before, after) = (self.before.run.tool_version.as_str(), self.after.run.tool_version.as_str());
        (before != after).then_some((before, after))
    }

    /// Whether the inventory leads elsewhere.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.before.target.target.host != self.after.target.target.host
    }

    /// Whether it was seen from inside once and from outside once.
    pub(super) fn is_other_side(&self) -> bool {
        let inside = |target: &TargetRun| target.addresses.iter().any(|address| address.health.inside);
        inside(self.before.target) != inside(self.after.target)
            && !self.before.target.addresses.is_empty()
            && !self.after.target.addresses.is_empty()
    }

    /// Which of these observations of one run, the newer or the older, have no like in the other, though its name leads to
    /// the address too; by the newer run's addresses.
    pub(super) fn unasked(&self, ids: impl Iterator<Item = ObservationId>, newer: bool) -> Vec<(IpAddr, Question)> {
        let none = std::iter::empty;
        let (asked, other) = if newer {
            (self.asked(none(), ids), &self.questions_before)
        } else {
            (self.asked(ids, none()), &self.questions_after)
        };
        let asked = asked.into_iter().map(|(at, one)| (at, one.question));
        asked.filter(|(at, question)| other.addresses.contains(at) && !other.has(*at, *question)).collect()
    }

    fn moved(&self, address: IpAddr) -> IpAddr {
        self.moves.get(&address).copied().unwrap_or(address)
    }

    /// What an observation of the older run is about, by the newer run's addresses, and likewise of the newer.
    pub(super) fn asked(
        &self,
        before: impl Iterator<Item = ObservationId>,
        after: impl Iterator<Item = ObservationId>,
    ) -> Vec<(IpAddr, &'a Observation)> {
        let before =
            before.filter_map(|id| self.asked_before.get(&id).copied()).map(|one| (self.moved(one.address), one));
        let after = after.filter_map(|id| self.asked_after.get(&id).copied()).map(|one| (one.address, one));
        before.chain(after).collect()
    }
}

/// What was asked in a run, by the newer run's addresses.
#[derive(Default)]
struct Questions {
    addresses: BTreeSet<IpAddr>,
    /// Of ports, which come in ranges: by what was asked of them, in order.
    ranges: BTreeMap<(IpAddr, Transport, Layer), Vec<Ports>>,
    others: BTreeSet<(IpAddr, Question)>,
}

impl Questions {
    fn of(target: &TargetRun, moves: &Moves) -> Self {
        let moved = |address: IpAddr| moves.get(&address).copied().unwrap_or(address);
        let mut questions =
            Self { addresses: target.addresses.iter().map(|one| moved(one.address)).collect(), ..Self::default() };
        for one in &target.observations {
            let at = moved(one.address);
            match layer(one.question) {
                // Without the state of its port whatever else was asked of it is not looked at.
                Some((Layer::Port, _)) if one.attempt.fact().is_none() => {}
                Some((layer, ports)) => {
                    questions.ranges.entry((at, ports.transport(), layer)).or_default().push(ports);
                }
                None => {
                    questions.others.insert((at, one.question));
                }
            }
        }
        questions.ranges.values_mut().for_each(|ranges| ranges.sort_unstable());
        questions
    }

    /// Whether the same was asked, and the state of the port was told.
    fn has(&self, at: IpAddr, question: Question) -> bool {
        let asked = match layer(question) {
            Some((layer, ports)) => self.covers(at, layer, ports),
            None => self.others.contains(&(at, question)),
        };
        let transport = question.transport();
        let state = || Ports::one(transport, question.port()).is_some_and(|port| self.covers(at, Layer::Port, port));
        asked && (transport == Transport::Udp || state())
    }

    fn covers(&self, at: IpAddr, layer: Layer, ports: Ports) -> bool {
        let Some(ranges) = self.ranges.get(&(at, ports.transport(), layer)) else { return false };
        let after = ranges.partition_point(|range| range.first() <= ports.last());
        after.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|range| range.overlaps(ports))
    }
}

/// Which ports a question is about, where it may be about many.
fn layer(question: Question) -> Option<(Layer, Ports)> {
    match question {
        Question::Port { ports } => Some((Layer::Port, ports)),
        Question::Service { ports } => Some((Layer::Service, ports)),
        Question::Witness { ports } => Some((Layer::Proof, ports)),
        _ => None,
    }
}

/// The guide with this id, where the run used it.
pub(super) fn guide<'a>(run: &'a Run, id: &str) -> Option<&'a GuideUsed> {
    run.guides.iter().find(|guide| guide.id == id)
}

/// Which address of `before` moved to which of `after`.
pub(super) fn moves(before: &TargetRun, after: &TargetRun) -> Moves {
    let addresses =
        |target: &TargetRun| -> BTreeSet<IpAddr> { target.addresses.iter().map(|one| one.address).collect() };
    let (before, after) = (addresses(before), addresses(after));
    let mut moves = Moves::new();
    for v6 in [false, true] {
        let mut went = before.difference(&after).filter(|address| address.is_ipv6() == v6);
        let mut came = after.difference(&before).filter(|address| address.is_ipv6() == v6);
        if let (Some(went), None, Some(came), None) = (went.next(), went.next(), came.next(), came.next()) {
            moves.insert(*went, *came);
        }
    }
    moves
}

/// What the inventory says otherwise of a target, as far as a verdict may depend on it.
pub(super) fn inventory(before: &Target, after: &Target) -> Vec<String> {
    fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        if values.is_empty() { "none".to_owned() } else { values.join(", ") }
    }
    let said = |answer: Option<bool>| match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not said",
    };
    let number = |number: Option<u32>| number.map_or_else(|| "not said".to_owned(), |number| number.to_string());
    let control = |place: Option<ControlServer>| match place {
        Some(ControlServer::Here) => "here",
        Some(ControlServer::Elsewhere) => "elsewhere",
        Some(ControlServer::Cloud) => "cloud",
        Some(ControlServer::None) => "none",
        None => "not said",
    };
    let moved = |target: &Target| list(target.moved.iter().map(|moved| format!("{} is at {}", moved.from, moved.to)));
    let told = |target: &Target| {
        vec![
            ("host", target.host.to_string()),
            ("roles", list(&target.roles)),
            ("active directory", said(target.active_directory).to_owned()),
            ("technicians", number(target.technicians)),
            ("redirectors", said(target.redirectors).to_owned()),
            ("split database", said(target.split_database).to_owned()),
            ("control", control(target.control).to_owned()),
            ("name sent", target.sni.clone().unwrap_or_else(|| "the host's".to_owned())),
            ("moved ports", moved(target)),
            ("shared address", said(Some(target.shared_address)).to_owned()),
            ("meant to be open", list(&target.expected)),
            ("rules", list(&target.rules)),
        ]
    };
    let (before, after) = (told(before), told(after));
    let differing = before.into_iter().zip(after).filter(|(before, after)| before.1 != after.1);
    differing.map(|((name, before), (_, after))| format!("{name}: {before} → {after}")).collect()
}

/// From where else the target was asked. That this machine got another address on its own network is no other place.
fn vantage(before: &TargetRun, after: &TargetRun) -> Vec<String> {
    let from = |target: &TargetRun| -> BTreeSet<IpAddr> {
        target.addresses.iter().filter_map(|address| address.vantage).filter(|address| !is_inside(*address)).collect()
    };
    let (old, new) = (from(before), from(after));
    let mut what = Vec::new();
    let known = |target: &TargetRun| target.addresses.iter().any(|address| address.vantage.is_some());
    if old != new && known(before) && known(after) {
        let words = |addresses: BTreeSet<IpAddr>| {
            let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            if words.is_empty() { "a private address".to_owned() } else { words.join(", ") }
        };
        what.push(format!("from {}, before from {}", words(new), words(old)));
    }
    what
}

/// What is otherwise about the evidence from inside.
fn evidence(before: Option<&EvidenceRun>, after: Option<&EvidenceRun>) -> Option<String> {
    let collected = |evidence: &EvidenceRun| {
        let day = evidence.collected.as_deref().and_then(|at| at.split('T').next()).unwrap_or("an unknown day");
        format!("collected on {day}")
    };
    match (before, after) {
        (None, Some(now)) => Some(format!("there is some now, {}", collected(now))),
        (Some(was), None) => Some(format!("there is none now; before there was some, {}", collected(was))),
        (Some(was), Some(now)) if (&was.collected, &was.computer) != (&now.collected, &now.computer) => {
            Some(format!("it is {} now, before {}", collected(now), collected(was)))
        }
        (Some(was), Some(now)) if was.not_collected != now.not_collected => {
            Some("something else of it is not collected, or does not count".to_owned())
        }
        (Some(was), Some(now)) if was.doubts != now.doubts => {
            let days = now.age_seconds.unwrap_or_default() / 86_400;
            Some(format!("it is the same as before, {} and {days} days old now", collected(now)))
        }
        _ => None,
    }
}

/// Which doubts of the vantage came or went. That addresses are inside is told of the targets.
pub(super) fn doubts(before: &Run, after: &Run) -> Vec<String> {
    let of = |run: &Run| -> BTreeSet<&'static str> {
        let told = |checkup: &&Checkup| checkup.subject != Subject::InsideAddresses;
        run.vantage.doubts().filter(told).map(|checkup| checkup.subject.title()).collect()
    };
    let (before, after) = (of(before), of(after));
    let came = after.difference(&before).map(|title| format!("in doubt now: {title}"));
    let went = before.difference(&after).map(|title| format!("no longer in doubt: {title}"));
    came.chain(went).collect()
}
