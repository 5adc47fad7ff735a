//! What is said of the items of guides and of expected rules, in all runs of the series.

use super::course::{Outcome, course};
use super::pair::{In, Pair};
use super::reason::{self, Case, Said, of_presence, ordered, rests_on};
use super::sight::{Sight, class};
use super::things::{Difference, Things};
use crate::model::drift::{Because, Change, Class, Flapping, NotCompared, Reason, Sighting, Subject};
use crate::model::expected::RuleFinding;
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::verdict::{Check, Finding, Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a run says of one item or rule.
#[derive(Clone, Copy)]
struct Word<'a> {
    said: Said<'a>,
    words: &'static str,
    severity: Severity,
    title: Option<&'a str>,
}

impl<'a> Word<'a> {
    fn of_item(finding: &'a Finding) -> Self {
        Self {
            said: Said { verdict: finding.verdict, checks: &finding.checks, attested: finding.attestation.as_deref() },
            words: finding.verdict.words(),
            severity: finding.severity,
            title: Some(&finding.title).filter(|title| !title.is_empty()).map(String::as_str),
        }
    }

    fn of_rule(finding: &'a RuleFinding) -> Self {
        Self {
            said: Said { verdict: finding.check.verdict, checks: std::slice::from_ref(&finding.check), attested: None },
            words: finding.verdict().words(),
            // What the inventory itself forbids or demands is no matter of taste.
            severity: Severity::High,
            title: None,
        }
    }

    /// What it is to be compared as.
    fn sight(&self) -> Sight {
        match self.said.verdict {
            Verdict::Pass => Sight::level(self.words, 0),
            Verdict::Fail => Sight::level(self.words, 1),
            Verdict::NotApplicable => Sight::text(self.words),
            Verdict::Inconclusive => {
                let why =
                    deciding(self.said.checks, Verdict::Inconclusive).map(|check| check.why.trim_end_matches('.'));
                Sight::lost(why.filter(|why| !why.is_empty()).unwrap_or("it was inconclusive"))
            }
            Verdict::NeedsEvidence => Sight::lost("only evidence from inside the host can tell"),
            Verdict::NeedsAttestation => Sight::lost("only a person can tell"),
        }
    }
}

fn deciding(checks: &[Check], verdict: Verdict) -> Option<&Check> {
    checks.iter().find(|check| check.verdict == verdict)
}

/// What is said of everything that is judged.
type Words<'a> = BTreeMap<Subject, Word<'a>>;

fn words(target: &TargetRun) -> Words<'_> {
    let items = target.findings.iter().map(|finding| {
        let subject = Subject::Item { guide: finding.guide.clone(), item: finding.item.clone() };
        (subject, Word::of_item(finding))
    });
    let rules = target.rules.iter().map(|finding| {
        let subject = Subject::Rule { rule: finding.rule.to_string(), default: finding.rule.default };
        (subject, Word::of_rule(finding))
    });
    items.chain(rules).collect()
}

/// The verdicts, compared.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    pub(super) changes: Vec<Change>,
    pub(super) flapping: Vec<Flapping>,
    pub(super) not_compared: Vec<NotCompared>,
    /// Which difference explains which changes, by the place of the difference: their names and classes.
    pub(super) explained: BTreeMap<usize, Vec<(String, Class)>>,
}

/// Compares what the runs of a series say of a target; the newer run is last and the older at `base`.
pub(super) fn compare(runs: &[Option<In<'_>>], base: usize, pair: &Pair<'_>, things: &Things) -> Verdicts {
    let said: Vec<Option<Words<'_>>> = runs.iter().map(|run| run.map(|run| words(run.target))).collect();
    let mut verdicts = Verdicts::default();
    let mut untold: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let of = |place: usize| said.get(place).and_then(Option::as_ref);
    let (Some(new), Some(old)) = (of(runs.len().saturating_sub(1)), of(base)) else { return verdicts };
    // A server on which nothing at all was judged was not seen; its items did not go.
    let nothing = Sight::lost("nothing was judged on this server");
    let unjudged: Vec<bool> = runs.iter().flatten().map(|run| run.target.findings.is_empty()).collect();
    let judged_sometimes = unjudged.iter().any(|unjudged| !unjudged);
    let subjects: BTreeSet<&Subject> = new.keys().chain(old.keys()).collect();
    for subject in subjects {
        let sights: Vec<Option<Sight>> = said
            .iter()
            .zip(runs)
            .map(|(words, run)| match words.as_ref()?.get(subject) {
                Some(word) => Some(word.sight()),
                None => run
                    .filter(|run| judged_sometimes && run.target.findings.is_empty() && !run.target.troubles.is_empty())
                    .map(|_| nothing.clone()),
            })
            .collect();
        let sights: Vec<Option<&Sight>> = sights.iter().map(Option::as_ref).collect();
        let making = Making { subject, pair, things, runs, said: &said };
        let (before, after) = (old.get(subject).copied(), new.get(subject).copied());
        let outcome = course(&sights, base);
        match &outcome {
            Outcome::Untold(why) => untold.entry((*why).to_owned()).or_default().push(subject.to_string()),
            Outcome::Flapping(words) => {
                let word = after.or(before);
                verdicts.flapping.push(Flapping {
                    subject: subject.clone(),
                    title: word.and_then(|word| word.title).map(str::to_owned),
                    severity: word.map_or(Severity::Low, |word| word.severity),
                    sights: words.clone(),
                });
            }
            _ => {
                if let Some((change, rests)) = making.change(&outcome, before, after) {
                    let told = (change.subject.to_string(), change.class);
                    for place in rests {
                        verdicts.explained.entry(place).or_default().push(told.clone());
                    }
                    verdicts.changes.push(change);
                }
            }
        }
    }
    verdicts.not_compared = untold.into_iter().map(|(why, subjects)| NotCompared { subjects, why }).collect();
    verdicts
}

struct Making<'m, 'a> {
    subject: &'m Subject,
    pair: &'m Pair<'a>,
    things: &'m Things,
    runs: &'m [Option<In<'a>>],
    said: &'m [Option<Words<'a>>],
}

impl<'a> Making<'_, 'a> {
    /// The change, and the places of the differences that it rests on.
    fn change(
        &self,
        outcome: &Outcome<'_>,
        before: Option<Word<'a>>,
        after: Option<Word<'a>>,
    ) -> Option<(Change, Vec<usize>)> {
        let word = after.or(before)?;
        let severity = before.map_or(word.severity, |before| before.severity.max(word.severity));
        let words = |word: Option<Word<'_>>| word.map(|word| word.words.to_owned());
        let mut change = Change {
            subject: self.subject.clone(),
            title: word.title.map(str::to_owned),
            class: Class::New,
            severity,
            sighting: Sighting::Both,
            before: words(before),
            after: words(after),
            last_seen: None,
            reasons: Vec::new(),
            explains: Vec::new(),
        };
        let (from, untold) = match outcome {
            Outcome::Same | Outcome::Untold(_) | Outcome::Flapping(_) => return None,
            Outcome::Changed { from, to, regained } => {
                change.class = class(from.1, to);
                change.before = Some(from.1.words.clone());
                if regained.is_some() {
                    change.sighting = Sighting::Regained;
                }
                (Some(from.0), *regained)
            }
            Outcome::Returned { from, why, .. } => {
                change.sighting = Sighting::Regained;
                change.before = Some(from.1.words.clone());
                change.reasons = reason::sure(Reason::SightRegained { why: vec![(*why).to_owned()] });
                (Some(from.0), Some(*why))
            }
            Outcome::Lost { .. } => {
                change.sighting = Sighting::Lost;
                (None, None)
            }
            Outcome::First { asked, .. } => {
                change.sighting = Sighting::First;
                (None, *asked)
            }
            Outcome::Gone(_) => {
                change.sighting = Sighting::Gone;
                (None, None)
            }
        };
        // What was seen before the older of the two runs is compared with that run, whatever was changed around it since.
        let earlier = from.filter(|place| {
            !std::ptr::eq(self.pair.before.run, self.run(*place).map_or(self.pair.before.run, |run| run.run))
        });
        if let Some(run) = earlier.and_then(|place| self.run(place)) {
            change.last_seen = Some(run.run.started.clone());
        }
        let before = match earlier {
            Some(place) => {
                self.said.get(place).and_then(Option::as_ref).and_then(|words| words.get(self.subject)).copied()
            }
            None => before,
        };
        let other = earlier.and_then(|place| self.run(place)).map(|run| Pair::new(run, self.pair.after));
        let pair = other.as_ref().unwrap_or(self.pair);
        if !change.reasons.is_empty() {
            return Some((change, Vec::new()));
        }
        let (Some(before), Some(after)) = (before, after) else {
            change.reasons = self.presence(pair, after.is_some(), untold);
            return Some((change, Vec::new()));
        };
        let rests = self.rests(pair, before, after);
        // What it failed by was not asked in the other run: that is neither mended nor worse.
        let failed = match change.class {
            Class::Better => Some((before, false)),
            Class::Worse => Some((after, true)),
            _ => None,
        };
        if let Some((failed, newer)) = failed
            && let Some(question) = self.unasked(pair, failed, newer)
        {
            change.class = Class::New;
            let what = if newer { "fails, was not asked before" } else { "failed, was not asked now" };
            let what = format!("{question}, by which it {what}");
            change.reasons = reason::sure(Reason::Options { what });
            return Some((change, Vec::new()));
        }
        let differences: Vec<&Difference> =
            rests.iter().filter_map(|place| self.things.differences.get(*place)).collect();
        let case = Case {
            pair,
            before: before.said,
            after: after.said,
            guide: match self.subject {
                Subject::Item { guide, .. } => Some(guide),
                _ => None,
            },
            sighting: change.sighting,
            untold: untold.map(str::to_owned),
            differences,
        };
        change.reasons = case.reasons();
        // What does not decide it explains nothing.
        let decides = matches!(
            change.reasons.first().map(|because| &because.reason),
            Some(Reason::Target { .. } | Reason::Time { .. } | Reason::SightLost { .. })
        );
        Some((change, if decides { rests } else { Vec::new() }))
    }

    fn run(&self, place: usize) -> Option<In<'a>> {
        self.runs.get(place).copied().flatten()
    }

    /// The differences of that which both verdicts rest on.
    fn rests(&self, pair: &Pair<'a>, before: Word<'a>, after: Word<'a>) -> Vec<usize> {
        let asked = pair.asked(rests_on(before.said.checks), rests_on(after.said.checks));
        let places: BTreeSet<usize> = asked.iter().flat_map(|(at, one)| self.things.about(*at, one.question)).collect();
        places.into_iter().collect()
    }

    /// What a failure of one run, the newer or the older, rests on and the other did not ask, though nothing was seen to change
    /// on that port by which there would be nothing to ask.
    fn unasked(&self, pair: &Pair<'a>, failed: Word<'a>, newer: bool) -> Option<Question> {
        let failing = failed.said.checks.iter().filter(|check| check.verdict == failed.said.verdict);
        let unasked = pair.unasked(failing.flat_map(|check| check.rests_on.iter().copied()), newer);
        let changed = |at: IpAddr, question: Question| {
            self.things.differences.iter().any(|difference| {
                matches!(difference.sighting, Sighting::Both | Sighting::Regained)
                    && match &difference.subject {
                        Subject::Port { address, ports } | Subject::Service { address, ports } => {
                            *address == at && ports.contains(question.transport(), question.port())
                        }
                        _ => false,
                    }
            })
        };
        unasked.into_iter().find(|(at, question)| !changed(*at, *question)).map(|(_, question)| question)
    }

    /// Why only one of the runs judged it.
    fn presence(&self, pair: &Pair<'_>, came: bool, untold: Option<&str>) -> Vec<Because> {
        if let Some(why) = untold {
            return reason::sure(Reason::SightRegained { why: vec![why.to_owned()] });
        }
        let empty = |target: &TargetRun| target.findings.is_empty() && !target.troubles.is_empty();
        if !came && empty(pair.after.target) {
            let mut why = reason::troubles(pair);
            why.push("nothing was judged on this server".to_owned());
            return reason::sure(Reason::SightLost { why });
        }
        if let Subject::Item { guide, .. } = self.subject {
            return of_presence(pair, guide, came);
        }
        let what: Vec<String> = pair.inventory.iter().filter(|one| one.starts_with("rules:")).cloned().collect();
        if what.is_empty() { ordered(Vec::new()) } else { reason::sure(Reason::Inventory { what }) }
    }
}
