//! Why something reads otherwise. A reason is only given where something that was recorded differs; else nobody can tell.

use super::pair::{Pair, guide};
use super::things::Difference;
use crate::model::drift::{Because, Reason, Sighting, Subject};
use crate::model::observation::ObservationId;
use crate::model::question::Question;
use crate::model::run::Trouble;
use crate::model::statement::{Attestation, Attested, Effect};
use crate::model::verdict::{Check, Confidence, Verdict};
use std::net::IpAddr;

/// How many observations a reason names; the changes themselves are all listed.
const NAMED: usize = 5;

/// What a verdict of one run rests on.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) verdict: Verdict,
    pub(super) checks: &'a [Check],
    /// What a person says of the item.
    pub(super) attested: Option<&'a Attested>,
}

impl Said<'_> {
    /// The attestation that answers it.
    fn answered_by(&self) -> Option<&Attestation> {
        self.attested.filter(|attested| attested.counts()).map(|attested| &attested.attestation)
    }
}

/// What became of the attestation, where that is what answers the item now, or did before.
fn attestation(before: Said<'_>, after: Said<'_>) -> Option<Reason> {
    let what = match (before.answered_by(), after.answered_by(), after.attested) {
        (None, Some(new), _) => format!("{} attested it on {}, until {}", new.by, new.on, new.until),
        (Some(_), None, Some(old)) if old.effect == Effect::Expired => {
            format!("that of {} ended with {}", old.attestation.by, old.attestation.until)
        }
        (Some(old), None, None) => format!("that of {}, until {}, is no longer there", old.by, old.until),
        _ => return None,
    };
    Some(Reason::Attestation { what })
}

/// The reasons, the one that decides first, with how sure it is: the first is sure where it is the only one, and what stands
/// behind it is only possible.
pub(super) fn ordered(reasons: Vec<Reason>) -> Vec<Because> {
    if reasons.is_empty() {
        return vec![Because { reason: Reason::Unknown, confidence: Confidence::Low }];
    }
    let first = if reasons.len() == 1 { Confidence::High } else { Confidence::Medium };
    let confidence = |place| if place == 0 { first } else { Confidence::Low };
    reasons.into_iter().enumerate().map(|(place, reason)| Because { reason, confidence: confidence(place) }).collect()
}

pub(super) fn sure(reason: Reason) -> Vec<Because> {
    ordered(vec![reason])
}

/// The observations that differ, in words.
pub(super) fn target(differences: &[&Difference]) -> Reason {
    let named = differences.iter().take(NAMED).map(|difference| difference.told()).collect();
    Reason::Target { differences: named, more: differences.len().saturating_sub(NAMED) }
}

/// Why a thing that was seen in both runs reads otherwise: the target, unless something around it differs too.
pub(super) fn of_thing(pair: &Pair<'_>, time: Option<&str>) -> Vec<Because> {
    if let Some(what) = time {
        return sure(Reason::Time { what: what.to_owned() });
    }
    let own = Reason::Target { differences: Vec::new(), more: 0 };
    let mut reasons = Vec::new();
    if pair.is_elsewhere() {
        reasons.push(Reason::Inventory { what: pair.inventory.clone() });
    }
    let vantage = elsewhere(pair);
    if pair.is_other_side() {
        reasons.extend(vantage);
        reasons.push(own);
    } else {
        reasons.push(own);
        reasons.extend(vantage);
    }
    reasons.extend(program(pair));
    ordered(reasons)
}

fn elsewhere(pair: &Pair<'_>) -> Option<Reason> {
    let mut what = pair.vantage.clone();
    if pair.is_other_side() {
        let inside = pair.after.target.addresses.iter().any(|address| address.health.inside);
        what.push(
            if inside { "from inside now, before from outside" } else { "from outside now, before from inside" }
                .to_owned(),
        );
    }
    (!what.is_empty()).then_some(Reason::Vantage { what })
}

fn program(pair: &Pair<'_>) -> Option<Reason> {
    let (before, after) = pair.program()?;
    Some(Reason::Program { before: before.to_owned(), after: after.to_owned() })
}

/// What kept the newer run from seeing the target wholly, and not the older.
pub(super) fn troubles(pair: &Pair<'_>) -> Vec<String> {
    let new = pair.after.target.troubles.iter().filter(|trouble| !pair.before.target.troubles.contains(trouble));
    new.map(Trouble::describe).collect()
}

/// Why a finding or a rule reads otherwise.
pub(super) struct Case<'a> {
    pub(super) pair: &'a Pair<'a>,
    pub(super) before: Said<'a>,
    pub(super) after: Said<'a>,
    /// The guide, where it is an item of one.
    pub(super) guide: Option<&'a str>,
    pub(super) sighting: Sighting,
    /// Why the older run could not tell, where it could not.
    pub(super) untold: Option<String>,
    /// What differs of that which the verdicts rest on.
    pub(super) differences: Vec<&'a Difference>,
}

impl Case<'_> {
    /// Why it reads otherwise.
    pub(super) fn reasons(&self) -> Vec<Because> {
        let (lost, seen): (Vec<&Difference>, Vec<&Difference>) =
            self.differences.iter().partition(|difference| difference.sighting == Sighting::Lost);
        match self.after.verdict {
            Verdict::Inconclusive => return self.sight_lost(&lost),
            Verdict::NeedsEvidence | Verdict::NeedsAttestation => return ordered(self.unanswered()),
            _ => {}
        }
        match self.before.verdict {
            Verdict::NeedsEvidence | Verdict::NeedsAttestation if self.after.answered_by().is_some() => {
                return ordered(attestation(self.before, self.after).into_iter().collect());
            }
            Verdict::NeedsEvidence | Verdict::NeedsAttestation => return ordered(self.unanswered()),
            _ => {}
        }
        let (time, seen): (Vec<&Difference>, Vec<&Difference>) =
            seen.into_iter().partition(|difference| difference.time);
        let mut reasons = Vec::new();
        let mut around: Vec<Reason> = Vec::new();
        let guide = self.guide_changed();
        let asks_otherwise = guide.is_some() && self.asks() != asks(self.after.checks);
        if let Some(guide) = guide {
            around.push(guide);
        }
        if !self.pair.inventory.is_empty() {
            around.push(Reason::Inventory { what: self.pair.inventory.clone() });
        }
        around.extend(self.evidence());
        around.extend(elsewhere(self.pair));
        around.extend(program(self.pair));
        let own = if !seen.is_empty() {
            Some(target(&seen))
        } else if let Some(first) = time.first() {
            Some(Reason::Time { what: first.told() })
        } else {
            self.sentences()
        };
        let first = asks_otherwise || self.pair.is_elsewhere() || self.pair.is_other_side();
        if first {
            reasons.extend(around);
            reasons.extend(own);
        } else {
            reasons.extend(own);
            reasons.extend(around);
        }
        if let Some(why) = &self.untold {
            let again = Reason::SightRegained { why: vec![why.clone()] };
            // A verdict that was never known before is known because it can be told, unless something else asks otherwise.
            let place = if self.sighting == Sighting::First && !first { 0 } else { reasons.len() };
            reasons.insert(place, again);
        }
        ordered(reasons)
    }

    /// It can no longer be told: why. Where nothing shows that less was seen, the guide or what else differs may ask for more.
    fn sight_lost(&self, lost: &[&Difference]) -> Vec<Because> {
        let mut why = troubles(self.pair);
        why.extend(lost.iter().take(NAMED).map(|difference| difference.told()));
        let shown = !why.is_empty();
        why.extend(whys(self.after));
        let mut reasons = vec![Reason::SightLost { why }];
        let mut around: Vec<Reason> = self.guide_changed().into_iter().collect();
        if !self.pair.inventory.is_empty() {
            around.push(Reason::Inventory { what: self.pair.inventory.clone() });
        }
        around.extend(elsewhere(self.pair));
        around.extend(program(self.pair));
        if !shown && !around.is_empty() {
            around.append(&mut reasons);
            return ordered(around);
        }
        // That it was lost is certain; what else differs only stands beside it.
        let mut because = sure(reasons.remove(0));
        because.extend(around.into_iter().map(|reason| Because { reason, confidence: Confidence::Low }));
        because
    }

    /// It hangs, or hung, on evidence or an attestation.
    fn unanswered(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        reasons.extend(attestation(self.before, self.after));
        reasons.extend(self.evidence());
        reasons.extend(self.guide_changed());
        if !self.pair.inventory.is_empty() {
            reasons.push(Reason::Inventory { what: self.pair.inventory.clone() });
        }
        if reasons.is_empty() && !self.differences.is_empty() {
            reasons.push(target(&self.differences));
        }
        reasons.extend(program(self.pair));
        reasons
    }

    fn evidence(&self) -> Option<Reason> {
        let what = self.pair.evidence.clone()?;
        // What rests on the network alone reads the same with any evidence.
        let (before, after) = (sentences(self.before.checks), sentences(self.after.checks));
        (before != after || self.before.verdict != self.after.verdict && self.differences.is_empty())
            .then_some(Reason::Evidence { what })
    }

    fn guide_changed(&self) -> Option<Reason> {
        let id = self.guide?;
        let (before, after) = (guide(self.pair.before.run, id)?, guide(self.pair.after.run, id)?);
        (before.sha256 != after.sha256).then(|| Reason::Guide {
            guide: id.to_owned(),
            before: Some(before.revision.clone()),
            after: Some(after.revision.clone()),
            what: if self.asks() == asks(self.after.checks) {
                "it asks for the same here, as far as its rules say".to_owned()
            } else {
                "it asks for something else here".to_owned()
            },
        })
    }

    fn asks(&self) -> Vec<&str> {
        asks(self.before.checks)
    }

    /// What was seen reads otherwise although nothing that is compared here does: something of an answer that is not compared
    /// by itself. Numbers alone, such as days left, are no difference.
    fn sentences(&self) -> Option<Reason> {
        if self.pair.evidence.is_some() || self.pair.program().is_some() || self.guide_changed().is_some() {
            return None;
        }
        let (before, after) = (sentences(self.before.checks), sentences(self.after.checks));
        let fresh = |checks: &[Check], other: &[String]| -> Vec<String> {
            let seen = checks.iter().flat_map(|check| &check.seen);
            seen.filter(|seen| !other.contains(&without_numbers(seen))).take(2).cloned().collect()
        };
        let (was, now) = (fresh(self.before.checks, &after), fresh(self.after.checks, &before));
        let words = |texts: &[String]| if texts.is_empty() { "nothing of it".to_owned() } else { texts.join(", ") };
        (!was.is_empty() || !now.is_empty())
            .then(|| Reason::Target { differences: vec![format!("{}; before: {}", words(&now), words(&was))], more: 0 })
    }
}

/// Why a verdict could not be told, by its checks.
fn whys(said: Said<'_>) -> Vec<String> {
    let unsettled = said.checks.iter().filter(|check| check.verdict == said.verdict);
    let mut whys: Vec<String> = unsettled.map(|check| check.why.trim_end_matches('.').to_owned()).collect();
    whys.retain(|why| !why.is_empty());
    whys.dedup();
    whys.truncate(3);
    whys
}

fn asks(checks: &[Check]) -> Vec<&str> {
    checks.iter().map(|check| check.rule.as_str()).collect()
}

fn sentences(checks: &[Check]) -> Vec<String> {
    checks.iter().flat_map(|check| &check.seen).map(|seen| without_numbers(seen)).collect()
}

fn without_numbers(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// Why an item or a rule came or went, that the other run did not judge at all.
pub(super) fn of_presence(pair: &Pair<'_>, id: &str, came: bool) -> Vec<Because> {
    let (before, after) = (guide(pair.before.run, id), guide(pair.after.run, id));
    let moved =
        |what: &str| if came { format!("the item came with it{what}") } else { format!("the item went with it{what}") };
    let inventory = || {
        let what = pair.inventory.clone();
        (!what.is_empty()).then_some(Reason::Inventory { what })
    };
    let reasons: Vec<Reason> = match (before, after) {
        (Some(before), Some(after)) if before.sha256 != after.sha256 => {
            let guide = Reason::Guide {
                guide: id.to_owned(),
                before: Some(before.revision.clone()),
                after: Some(after.revision.clone()),
                what: moved(""),
            };
            std::iter::once(guide).chain(inventory()).collect()
        }
        (Some(_), Some(_)) => inventory().into_iter().chain(program(pair)).collect(),
        _ => inventory().into_iter().collect(),
    };
    if !reasons.is_empty() {
        return ordered(reasons);
    }
    let (run, used) = if came { ("before", before.is_some()) } else { ("now", after.is_some()) };
    let what = if used {
        format!("the item was left out {run}, as by `--ciphers` or its absence")
    } else {
        format!("the guide {id} was not used {run}, as by `--guide`")
    };
    sure(Reason::Options { what })
}

/// Whether an observation is about a thing.
pub(super) fn is_about(asked: (IpAddr, Question), subject: &Subject) -> bool {
    let (at, question) = asked;
    if subject.address() != Some(at) {
        return false;
    }
    match (subject, question) {
        (Subject::Port { ports, .. }, Question::Port { ports: asked })
        | (Subject::Service { ports, .. }, Question::Service { ports: asked })
        | (Subject::Proof { ports, .. }, Question::Witness { ports: asked }) => ports.overlaps(asked),
        (Subject::Address { .. }, _) => true,
        (Subject::TlsVersion { port, version, sni, .. }, Question::TlsVersion { port: p, version: v, sni: s }) => {
            (*port, *version, *sni) == (p, v, s)
        }
        (Subject::Certificate { port, sni, .. }, Question::Certificate { port: p, sni: s }) => (*port, *sni) == (p, s),
        (Subject::Suites { port, .. }, Question::Suites { port: p, .. })
        | (Subject::Product { port, .. }, Question::Products { port: p })
        | (Subject::RdpNla { port, .. }, Question::RdpNla { port: p })
        | (Subject::Smb1 { port, .. }, Question::Smb1 { port: p }) => *port == p,
        (Subject::Http { port, request, .. }, Question::Http { port: p, request: r }) => (*port, *request) == (p, r),
        _ => false,
    }
}

/// The ids that checks rest on.
pub(super) fn rests_on(checks: &[Check]) -> impl Iterator<Item = ObservationId> + '_ {
    checks.iter().flat_map(|check| check.rests_on.iter().copied())
}
