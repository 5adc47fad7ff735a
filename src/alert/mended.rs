//! What ends what was told of a server: it was seen to be better, or nobody asks for it any more.

use super::Book;
use super::server::{Newest, SeriesOf, reasons, since, turn};
use crate::drift::{WINDOW, is_meant_open, moved};
use crate::model::drift::{Change, Class, Reason, Sighting, Subject, TargetDrift};
use crate::model::fact::{Fact, PortState};
use crate::model::matter::{Matter, MatterState};
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::{Run, TargetRun, Trouble};
use crate::model::verdict::{Check, Confidence, Verdict};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What was seen to be better than when it was raised, by the run at this place, and what is asked no more.
pub(super) fn look(book: &mut Book, series: SeriesOf<'_>, new: Newest<'_>, place: usize, drift: &TargetDrift) {
    let Some((raised, showed)) = series.runs.get(place).copied() else { return };
    let open: Vec<Matter> = book
        .of_server(new.client(), new.name())
        .filter(|matter| matter.run == Some(raised) && matches!(matter.state, MatterState::Worse { .. }))
        .cloned()
        .collect();
    let seen = |change: &&Change| matches!(change.sighting, Sighting::Both | Sighting::Regained);
    let told: Vec<&Change> = drift.changes.iter().filter(seen).collect();
    let better: Vec<&Change> = told.iter().copied().filter(|change| change.class == Class::Better).collect();
    let moves = showed.targets.first().map(|before| moved(before, new.target)).unwrap_or_default();
    for matter in open {
        let MatterState::Worse { subject, against, .. } = &matter.state else { continue };
        let left: Vec<IpAddr> = (places(showed, subject).into_iter())
            .filter(|at| !moves.contains_key(at) && !new.target.addresses.iter().any(|one| one.address == *at))
            .collect();
        if !left.is_empty() {
            // What was wrong there was not looked at, however well the other addresses do.
            if (series.asks_as)(raised) && is_gone_for_long(series, &left) && failing(new.target, subject).is_empty() {
                let at: Vec<String> = left.iter().map(ToString::to_string).collect();
                let title =
                    format!("{subject} on {}: its name does not lead to {} any more", new.name(), at.join(", "));
                let why = format!("In the last {WINDOW} runs that was not asked, and so not seen to be mended.");
                book.withdraw(&matter.key, title, why);
            }
            continue;
        }
        let subject_then = subject;
        let subject = &subject.clone().moved(|address| moves.get(&address).copied().unwrap_or(address));
        if let Some(change) = covering(&better, subject) {
            if is_still_worse(series, *against, subject) || is_doubtful(new.target, subject) {
                continue;
            }
            let title = format!("{} on {}: {}", change.subject, new.name(), turn(change));
            if is_by_ourselves(change) {
                let why = format!("The server was not seen to be mended. {}", reasons(change).join(" "));
                book.withdraw(&matter.key, title, why);
                continue;
            }
            // A name that leads to one of several in turn leads to the other again.
            let from: Vec<IpAddr> =
                places(showed, subject_then).into_iter().filter(|at| moves.contains_key(at)).collect();
            if from.is_empty() || is_gone_for_long(series, &from) {
                book.resolve(&matter.key, title, reasons(change), Some(new.number));
            }
            continue;
        }
        if is_meant(new.target, subject) {
            let title = format!("{subject} on {}: the inventory says that it is to be open", new.name());
            book.withdraw(&matter.key, title, "It is as open as it was.".to_owned());
            continue;
        }
        if !(series.asks_as)(raised) {
            continue;
        }
        let beside = |change: &&&Change| {
            change.subject == *subject && change.after.as_deref() == Some(Verdict::NotApplicable.words())
        };
        let is_gone =
            || drift.changes.iter().any(|change| change.subject == *subject && change.sighting == Sighting::Gone);
        if let Some(change) = told.iter().find(beside).filter(|_| is_whole(new.target)) {
            let title = format!("{subject} on {}: {}", new.name(), turn(change));
            let why = format!("What it asks for is not there any more. {}", reasons(change).join(" "));
            book.withdraw(&matter.key, title, why);
        } else if is_gone() && is_whole(new.target) || is_unasked(new.target, subject) {
            let title = format!("{subject} on {} is not asked about any more", new.name());
            let why = "It was not seen to be mended: what it was about is gone, as where its port is closed, or no guide, rule or \
                       option asks for it.";
            book.withdraw(&matter.key, title, why.to_owned());
        }
    }
}

/// Whether it reads otherwise because something else is asked, or of somebody else, or from elsewhere.
fn is_by_ourselves(change: &Change) -> bool {
    let reason = change.because().map(|because| &because.reason);
    matches!(
        reason,
        Some(
            Reason::Guide { .. }
                | Reason::Inventory { .. }
                | Reason::Options { .. }
                | Reason::Program { .. }
                | Reason::Vantage { .. }
        )
    )
}

/// Whether a subject is a port that is to be open.
pub(super) fn is_meant(target: &TargetRun, subject: &Subject) -> bool {
    match subject {
        Subject::Port { address, ports } | Subject::Service { address, ports } => {
            is_meant_open(&target.target, *address, *ports)
        }
        _ => false,
    }
}

/// Whether everything was asked at every address that answers.
fn is_whole(target: &TargetRun) -> bool {
    let mut answering = target.addresses.iter().filter(|one| one.health.answered);
    target.has_answered() && answering.all(|one| target.is_whole_at(one.address))
}

/// The addresses at which a subject was seen to be wrong.
fn places(showed: &Run, subject: &Subject) -> BTreeSet<IpAddr> {
    if let Some(address) = subject.address() {
        return BTreeSet::from([address]);
    }
    let Some(target) = showed.targets.first() else { return BTreeSet::new() };
    let ids = failing(target, subject);
    target.observations.iter().filter(|one| ids.contains(&one.id)).map(|one| one.address).collect()
}

/// What the failure of an item or a rule rests on.
fn failing(target: &TargetRun, subject: &Subject) -> BTreeSet<ObservationId> {
    let of = |checks: &[Check]| -> BTreeSet<ObservationId> {
        let wrong = checks.iter().filter(|check| check.verdict == Verdict::Fail);
        wrong.flat_map(|check| check.rests_on.iter().copied()).collect()
    };
    match subject {
        Subject::Item { guide, item } => {
            let finding = target.findings.iter().find(|finding| finding.guide == *guide && finding.item == *item);
            finding.map(|finding| of(&finding.checks)).unwrap_or_default()
        }
        Subject::Rule { rule, .. } => {
            let finding = target.rules.iter().find(|finding| finding.rule.to_string() == *rule);
            finding.map(|finding| of(std::slice::from_ref(&finding.check))).unwrap_or_default()
        }
        _ => BTreeSet::new(),
    }
}

/// Whether the name led to none of these addresses in the last runs that had all addresses of their kind: a name that leads to several
/// in turn does so again.
pub(super) fn is_gone_for_long(series: SeriesOf<'_>, left: &[IpAddr]) -> bool {
    let knows = |target: &&TargetRun| {
        let is_whole = !target.troubles.iter().any(|trouble| matches!(trouble, Trouble::Unresolved { .. }));
        let family = |at: &IpAddr| target.addresses.iter().any(|one| one.address.is_ipv6() == at.is_ipv6());
        is_whole && left.iter().all(family)
    };
    let runs = series.runs.iter().rev().filter_map(|(_, run)| run.targets.first());
    let last: Vec<&TargetRun> = runs.take(WINDOW).collect();
    let leads = |target: &&TargetRun| target.addresses.iter().any(|one| left.contains(&one.address));
    last.len() == WINDOW && last.iter().all(knows) && !last.iter().any(leads)
}

/// Whether what is said of an item or a rule now is hardly believed: as where the way out may be what is silent.
fn is_doubtful(target: &TargetRun, subject: &Subject) -> bool {
    match subject {
        Subject::Item { guide, item } => {
            let finding = target.findings.iter().find(|finding| finding.guide == *guide && finding.item == *item);
            finding.is_some_and(|finding| finding.confidence == Confidence::Low)
        }
        Subject::Rule { rule, .. } => {
            let finding = target.rules.iter().find(|finding| finding.rule.to_string() == *rule);
            finding.is_some_and(|finding| finding.check.confidence == Confidence::Low)
        }
        _ => false,
    }
}

/// Whether a TCP port was seen not to be open, in a run that asked everything at its address.
pub(super) fn is_closed(target: &TargetRun, address: IpAddr, port: u16) -> bool {
    let of_port = |one: &Observation| match (one.question, one.attempt.fact()) {
        (Question::Port { ports }, Some(Fact::Port(fact))) if ports.contains(Transport::Tcp, port) => Some(fact.state),
        _ => None,
    };
    let state = target.observations.iter().filter(|one| one.address == address).find_map(of_port);
    target.is_whole_at(address) && matches!(state, Some(PortState::Closed | PortState::Filtered | PortState::Rejected))
}

/// The port behind which a subject is.
fn port_of(subject: &Subject) -> Option<u16> {
    match subject {
        Subject::Service { ports, .. } => Some(ports.first()),
        Subject::TlsVersion { port, .. }
        | Subject::Suites { port, .. }
        | Subject::Certificate { port, .. }
        | Subject::Product { port, .. }
        | Subject::RdpNla { port, .. }
        | Subject::Smb1 { port, .. }
        | Subject::Http { port, .. } => Some(*port),
        _ => None,
    }
}

/// Whether nothing was asked of a subject at its address, where everything was asked that was to be. What is behind an open port was not
/// asked where its service did not say for once what it is: that ends nothing.
fn is_unasked(target: &TargetRun, subject: &Subject) -> bool {
    let Some(address) = subject.address() else { return false };
    let is_of = |question: Question| match (subject, question) {
        (Subject::Port { ports, .. }, Question::Port { ports: asked })
        | (Subject::Service { ports, .. }, Question::Service { ports: asked })
        | (Subject::Proof { ports, .. }, Question::Witness { ports: asked }) => ports.overlaps(asked),
        (Subject::TlsVersion { port, version, .. }, Question::TlsVersion { port: asked, version: of, .. }) => {
            *port == asked && *version == of
        }
        (Subject::Suites { port, .. }, Question::Suites { port: asked, .. })
        | (Subject::Certificate { port, .. }, Question::Certificate { port: asked, .. })
        | (Subject::Product { port, .. }, Question::Products { port: asked })
        | (Subject::RdpNla { port, .. }, Question::RdpNla { port: asked })
        | (Subject::Smb1 { port, .. }, Question::Smb1 { port: asked }) => *port == asked,
        (Subject::Http { port, request, .. }, Question::Http { port: asked, request: of }) => {
            *port == asked && *request == of
        }
        _ => false,
    };
    let mut asked = target.observations.iter().filter(|one| one.address == address);
    let is_unasked = match port_of(subject) {
        Some(port) => is_closed(target, address, port),
        None => of_ports(subject).is_some() && target.is_whole_at(address),
    };
    is_unasked && !asked.any(|one| is_of(one.question))
}

/// Whether a subject still reads worse than in this run: better than it was is not yet as good as it had been. Where that run is
/// not there to be compared with, nobody can tell that it does not.
fn is_still_worse(series: SeriesOf<'_>, against: Option<u64>, subject: &Subject) -> bool {
    let place = series.runs.iter().position(|(number, _)| Some(*number) == against);
    let Some(drift) = place.and_then(|place| since(series, place)) else { return true };
    let touches = |other: &Subject| match (of_ports(other), of_ports(subject)) {
        (Some((at, ports)), Some((address, own))) => {
            at == address && other.kind() == subject.kind() && ports.overlaps(own)
        }
        _ => other == subject,
    };
    drift.changes.iter().any(|change| change.class == Class::Worse && touches(&change.subject))
}

/// The change for the better of a subject: for ports, of all of them.
fn covering<'a>(better: &[&'a Change], subject: &Subject) -> Option<&'a Change> {
    if let Some(same) = better.iter().find(|change| change.subject == *subject) {
        return Some(same);
    }
    let (address, ports) = of_ports(subject)?;
    let kind = subject.kind();
    let parts: Vec<(&Change, Ports)> = better
        .iter()
        .filter(|change| change.subject.kind() == kind)
        .filter_map(|change| of_ports(&change.subject).map(|(at, ports)| (*change, at, ports)))
        .filter(|(_, at, _)| *at == address)
        .map(|(change, _, ports)| (change, ports))
        .collect();
    let taken: Vec<Ports> = parts.iter().map(|(_, ports)| *ports).collect();
    if !ports.without(&taken).is_empty() {
        return None;
    }
    parts.into_iter().find(|(_, part)| part.overlaps(ports)).map(|(change, _)| change)
}

fn of_ports(subject: &Subject) -> Option<(IpAddr, Ports)> {
    match subject {
        Subject::Port { address, ports } | Subject::Service { address, ports } | Subject::Proof { address, ports } => {
            Some((*address, *ports))
        }
        _ => None,
    }
}
