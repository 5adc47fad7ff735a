//! The certificates of a server that end soon, or have.
//!
//! A place that could not be read by the last sight shows what it showed when it was read last: a handshake that failed for a night
//! makes no certificate last longer.

use super::shelf::Shelf;
use super::standing::DAY;
use super::{Mark, age, choice, words};
use crate::history::courses::Courses;
use crate::model::fact::{Fact, PortState};
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::service::Service;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A certificate that ends soon, or has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The port, such as `tcp/443`.
    pub port: String,
    /// Whose it is.
    pub subject: String,
    /// The end of its validity, RFC 3339, UTC.
    pub not_after: String,
    /// Whole days from the report to its end; negative when it is over.
    pub days_left: i64,
    /// The run that saw it.
    pub seen: Mark,
    /// The last try did not see it.
    pub old: bool,
}

impl Certificate {
    /// `9 days left`, `over for 3 days`.
    pub fn left(&self) -> String {
        words::left(self.days_left)
    }

    /// When it was seen, where the last try did not see it.
    pub fn seen_last(&self) -> Option<String> {
        self.old.then(|| format!("seen last on {} (run {})", words::day(&self.seen.started), self.seen.run))
    }
}

/// So many earlier pictures that differ are read at most.
const PICTURES: usize = 16;

/// Where a certificate is shown: the address, the port, and whether a name was sent.
type Place = (IpAddr, u16, bool);

/// A sight that tells of the target: its place in the courses, and its run.
pub(super) struct Telling {
    pub(super) sight: usize,
    pub(super) mark: Mark,
}

/// The certificates that end soon, each once: a server has the same one on many ports, and says so for each name. `less`: the last
/// sight was asked for less than those before it; `lost`: the last try saw nothing at all.
pub(super) fn all<E, F: FnMut(usize) -> Result<Option<TargetRun>, E>>(
    courses: &Courses,
    (target, seen, sights): (&TargetRun, &Mark, &[usize]),
    (less, lost): (bool, bool),
    until: Timestamp,
    shelf: &mut Shelf<F>,
) -> Result<Vec<Certificate>, E> {
    let mut told = Told { found: Vec::new(), places: BTreeSet::new(), gone: Vec::new(), until };
    told.take(target, seen, lost);
    let mut open = Open::of(target, &told.places);
    let mut pictures = pictures(courses, sights).into_iter().skip(1).take(PICTURES);
    let mut later = Says::of(target);
    while (less || open.is_any())
        && let Some(one) = pictures.next()
    {
        let Some(earlier) = shelf.of(one.sight)? else { continue };
        // What a scan was not asked for is not gone.
        if !less {
            told.gone.push(std::mem::replace(&mut later, Says::of(earlier)));
        }
        told.take(earlier, &one.mark, true);
        open.narrow(earlier, &told.places);
    }
    let mut found = told.found;
    found.sort_by_key(|one| one.days_left);
    Ok(found)
}

/// The sights that tell of the target and differ, the newest first; of those that are the same the last.
fn pictures(courses: &Courses, sights: &[usize]) -> Vec<Telling> {
    let sight = |place: &usize| courses.sights.get(*place);
    let tells: Vec<usize> =
        sights.iter().filter(|place| sight(place).is_some_and(|one| choice::tells(courses, one))).copied().collect();
    let same = |one: &usize, next: &usize| sight(one).map(|one| one.snapshot) == sight(next).map(|next| next.snapshot);
    let last = |same: &[usize]| {
        let place = *same.last()?;
        let run = courses.runs.get(sight(&place)?.run)?;
        Some(Telling { sight: place, mark: Mark { started: run.started.clone(), run: run.number.0 } })
    };
    tells.chunk_by(same).rev().filter_map(last).collect()
}

/// The questions for certificates.
fn asked(target: &TargetRun) -> impl Iterator<Item = (Place, Option<&Fact>)> {
    target.observations.iter().filter_map(|one| match one.question {
        Question::Certificate { port, sni } => Some(((one.address, port, sni), one.attempt.fact())),
        _ => None,
    })
}

/// What a picture says of where certificates may be.
struct Says {
    /// Nothing kept it from being whole.
    whole: bool,
    /// Where a certificate was asked for.
    asked: BTreeSet<Place>,
    /// Open ports of which it could not be told what is behind them.
    mute: BTreeSet<(IpAddr, u16)>,
}

impl Says {
    fn of(target: &TargetRun) -> Self {
        let telling: BTreeSet<(IpAddr, u16)> = target
            .observations
            .iter()
            .filter(|one| match one.attempt.fact() {
                Some(Fact::Service { service, tls }) => tls.is_some() || *service != Service::Silent,
                Some(Fact::Certificate(_)) => true,
                _ => false,
            })
            .map(|one| (one.address, one.question.port()))
            .collect();
        let open = target.observations.iter().filter_map(|one| match (&one.question, one.attempt.fact()) {
            (Question::Port { ports }, Some(Fact::Port(fact))) if fact.state == PortState::Open => {
                (ports.transport() == Transport::Tcp).then(|| (one.address, ports.first()))
            }
            _ => None,
        });
        Self {
            whole: target.troubles.is_empty(),
            asked: asked(target).map(|(place, _)| place).collect(),
            mute: open.filter(|port| !telling.contains(port)).collect(),
        }
    }

    /// Whether there was no certificate at this place, as far as it says.
    fn has_none(&self, place: &Place) -> bool {
        self.whole && !self.asked.contains(place) && !self.mute.contains(&(place.0, place.1))
    }
}

/// What the last sight leaves open.
struct Open {
    /// It was not whole.
    part: bool,
    /// Places that were asked and not read.
    places: BTreeSet<Place>,
    /// Open ports of which it could not be told what is behind them.
    mute: BTreeSet<(IpAddr, u16)>,
}

impl Open {
    fn of(target: &TargetRun, read: &BTreeSet<Place>) -> Self {
        let Says { whole, asked, mute } = Says::of(target);
        Self { part: !whole, places: asked.difference(read).copied().collect(), mute }
    }

    fn is_any(&self) -> bool {
        self.part || !self.places.is_empty() || !self.mute.is_empty()
    }

    /// Takes away what an earlier sight tells.
    fn narrow(&mut self, earlier: &TargetRun, read: &BTreeSet<Place>) {
        let says = Says::of(earlier);
        if self.part {
            self.part = !says.whole;
            self.places.extend(&says.asked);
        }
        self.places.retain(|place| !read.contains(place));
        self.mute.retain(|port| says.mute.contains(port));
    }
}

/// What is known, the newest first.
struct Told {
    found: Vec<Certificate>,
    /// Where a certificate was read.
    places: BTreeSet<Place>,
    /// What later sights say, by which a place may be gone.
    gone: Vec<Says>,
    until: Timestamp,
}

impl Told {
    /// Takes the certificates of places that were not read by a later sight, and are not gone.
    fn take(&mut self, target: &TargetRun, seen: &Mark, old: bool) {
        let known = self.places.clone();
        for (place, fact) in asked(target) {
            let Some(Fact::Certificate(fact)) = fact else { continue };
            if known.contains(&place) || self.gone.iter().any(|later| later.has_none(&place)) {
                continue;
            }
            self.places.insert(place);
            let Ok(end) = fact.not_after.parse::<Timestamp>() else { continue };
            let days_left = (end.as_second() - self.until.as_second()).div_euclid(DAY);
            let port = format!("tcp/{}", place.1);
            let new = !self.found.iter().any(|known| known.port == port && known.not_after == fact.not_after);
            if days_left <= age::SOON && new {
                let (subject, not_after) = (fact.subject.to_string(), fact.not_after.clone());
                self.found.push(Certificate { port, subject, not_after, days_left, seen: seen.clone(), old });
            }
        }
    }
}
