//! What fails on a server, and since when.

use super::asked::Unasked;
use super::shelf::Shelf;
use super::{AllTold, Mark, Server, choice};
use crate::catalog::rule::NOT_ATTACKED;
use crate::history::courses::{Courses, RULE_SEVERITY, Sight};
use crate::model::expected::RuleFinding;
use crate::model::observation::{Observation, ObservationId};
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::statement::{About, Effect, Waived};
use crate::model::verdict::{Check, Finding, Severity, Verdict};
use jiff::civil::Date;
use std::collections::HashMap;

/// Something that fails on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose server it is.
    pub client: String,
    /// What the technicians call it.
    pub server: String,
    /// The item or the expected rule.
    pub about: About,
    /// The recommendation; of a rule what it wants.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// A version that is known to be attacked was seen.
    pub exploited: bool,
    /// It was seen from outside, as the Internet sees it.
    pub outside: bool,
    /// What is wrong.
    pub wrong: String,
    /// What to do: steps, in order.
    pub todo: Vec<String>,
    /// Since when it fails.
    pub since: Since,
    /// The last day of the waiver by which it is accepted.
    pub waived: Option<Date>,
    /// The last day of a waiver that is over.
    pub waiver_ended: Option<Date>,
    /// It failed when it was last told, in this run, and could not be told since.
    pub unconfirmed: Option<Mark>,
    /// It is not confirmed because the last run was not asked for it.
    pub unasked: bool,
    /// The run that shows it.
    pub seen: Mark,
    /// A command that shows whether it is mended.
    pub verify: String,
}

/// Since when something fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The first run of the series in which it was not seen to pass.
    pub mark: Mark,
    /// No earlier run tells of it, so it may have failed before.
    pub at_least: bool,
}

/// What the runs before say of an item or a rule.
struct Before {
    /// The first run in which it failed.
    since: Option<usize>,
    /// The last sight in which it failed, by its place.
    last: Option<usize>,
    /// A run before did not fail.
    bounded: bool,
    /// It did not fail when it was last told: there is nothing to look for further back.
    settled: bool,
}

/// Goes back through the sights of a target that tell anything of it, given from the oldest to the newest.
fn back<'a>(courses: &Courses, told: &'a AllTold, sights: &[usize]) -> HashMap<&'a About, Before> {
    let mut found: HashMap<&About, Before> = HashMap::new();
    let told_by = |place: &usize| {
        let sight = courses.sights.get(*place).filter(|sight| choice::tells(courses, sight))?;
        Some((*place, sight))
    };
    let tells: Vec<(usize, &Sight)> = sights.iter().filter_map(told_by).collect();
    // The same words night after night are read once.
    for same in tells.chunk_by(|(_, one), (_, next)| one.snapshot == next.snapshot).rev() {
        let (Some((_, first)), Some((last, _))) = (same.first(), same.last()) else { continue };
        let number = courses.snapshots.get(first.snapshot).map(|snapshot| snapshot.number);
        for one in number.and_then(|number| told.get(&number)).into_iter().flatten() {
            let before =
                found.entry(&one.about).or_insert(Before { since: None, last: None, bounded: false, settled: false });
            if before.settled {
                continue;
            }
            match one.verdict {
                Verdict::Fail => {
                    before.since = Some(first.run);
                    before.last = before.last.or(Some(*last));
                }
                Verdict::Pass | Verdict::NotApplicable => (before.settled, before.bounded) = (true, true),
                Verdict::Inconclusive | Verdict::NeedsEvidence | Verdict::NeedsAttestation => {}
            }
        }
    }
    found
}

/// Everything that fails on a target, what failed when it was last told, and what the last run was not asked for.
pub(super) fn all<E, F: FnMut(usize) -> Result<Option<TargetRun>, E>>(
    (courses, told): (&Courses, &AllTold),
    (sights, seen): (&[usize], &Mark),
    (target, server): (&TargetRun, &Server),
    (unasked, shelf): (&Unasked, &mut Shelf<F>),
) -> Result<Vec<Failure>, E> {
    let before = back(courses, told, sights);
    let teller = Teller { courses, before: &before, server };
    let mut failures = Vec::new();
    for (about, part) in parts(target) {
        let last = before.get(&about).and_then(|known| known.last).filter(|_| part.is_untold());
        let then = match last {
            Some(sight) => shelf.of(sight)?,
            None => None,
        };
        let then = then.and_then(|then| Some((then, parts(then).find(|(own, _)| *own == about)?.1)));
        failures.extend(teller.failure(about, &part, (target, seen), then.as_ref()));
    }
    for (about, sight) in &unasked.failing {
        let (Some(seen), Some(older)) = (teller.mark(Some(*sight)), shelf.of(*sight)?) else { continue };
        let found = parts(older).find(|(own, _)| own == about);
        let failure = found.and_then(|(about, part)| teller.failure(about, &part, (older, &seen), None));
        failures.extend(failure.map(|one| Failure { unconfirmed: Some(seen), unasked: true, ..one }));
    }
    Ok(failures)
}

/// The items and rules of a target.
fn parts(target: &TargetRun) -> impl Iterator<Item = (About, Part<'_>)> {
    let item = |finding: &Finding| About::Item { guide: finding.guide.clone(), item: finding.item.clone() };
    let items = target.findings.iter().map(move |finding| (item(finding), Part::of(finding)));
    let rule = |finding: &RuleFinding| About::Rule(finding.rule.to_string());
    items.chain(target.rules.iter().map(move |finding| (rule(finding), Part::of_rule(finding))))
}

/// What is known of a target beside what a run says.
struct Teller<'a> {
    courses: &'a Courses,
    before: &'a HashMap<&'a About, Before>,
    server: &'a Server,
}

impl Teller<'_> {
    /// The run of a sight.
    fn mark(&self, sight: Option<usize>) -> Option<Mark> {
        self.run(sight.and_then(|sight| self.courses.sights.get(sight)).map(|sight| sight.run))
    }

    fn run(&self, run: Option<usize>) -> Option<Mark> {
        let line = run.and_then(|run| self.courses.runs.get(run))?;
        Some(Mark { started: line.started.clone(), run: line.number.0 })
    }

    /// The failure, where it is one: seen by this run, or by an earlier one where this one cannot tell. `then` is what that one saw.
    fn failure(
        &self,
        about: About,
        part: &Part<'_>,
        (target, seen): (&TargetRun, &Mark),
        then: Option<&(&TargetRun, Part<'_>)>,
    ) -> Option<Failure> {
        let known = self.before.get(&about);
        let unconfirmed = known.and_then(|known| self.mark(known.last)).filter(|_| part.is_untold());
        if part.verdict != Verdict::Fail && unconfirmed.is_none() {
            return None;
        }
        let (failing, wrong) = match then {
            Some((then, known)) => ((*then, known.checks), not_told_since(known, part)),
            None => ((target, part.checks), wrong(part.checks, part.verdict)),
        };
        let since = Since {
            mark: known.and_then(|known| self.run(known.since)).unwrap_or_else(|| seen.clone()),
            at_least: known.is_none_or(|known| !known.bounded),
        };
        let until =
            |effects: &[Effect]| part.waiver.filter(|one| effects.contains(&one.effect)).map(|one| one.waiver.until);
        Some(Failure {
            client: self.server.client.clone(),
            server: self.server.name.clone(),
            title: part.title.clone(),
            severity: part.severity,
            exploited: then.map_or_else(|| part.is_attacked(), |(_, known)| known.is_attacked()),
            outside: !self.server.inside,
            wrong,
            todo: part.todo.clone(),
            since,
            // A run that cannot tell has no failure to accept; the failure still stands, and so does its waiver.
            waived: until(&[Effect::Counts, Effect::Unneeded]),
            waiver_ended: until(&[Effect::Expired]),
            unconfirmed,
            unasked: false,
            seen: seen.clone(),
            verify: verify(failing.0, failing.1, &about),
            about,
        })
    }
}

/// What items and rules have in common.
struct Part<'a> {
    verdict: Verdict,
    title: String,
    severity: Severity,
    checks: &'a [Check],
    todo: Vec<String>,
    waiver: Option<&'a Waived>,
}

impl<'a> Part<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            verdict: finding.verdict,
            title: finding.title.clone(),
            severity: finding.severity,
            checks: &finding.checks,
            todo: finding.remedy.clone(),
            waiver: finding.waiver.as_deref(),
        }
    }

    fn of_rule(finding: &'a RuleFinding) -> Self {
        let note = finding.rule.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        Self {
            verdict: finding.check.verdict,
            title: format!("Expected rule{note}"),
            severity: RULE_SEVERITY,
            checks: std::slice::from_ref(&finding.check),
            todo: vec![format!(
                "Make the firewall or the service follow the rule `{}`, or mend the rule.",
                finding.rule
            )],
            waiver: finding.waiver.as_deref(),
        }
    }

    /// It is neither seen to fail nor to hold.
    fn is_untold(&self) -> bool {
        matches!(self.verdict, Verdict::Inconclusive | Verdict::NeedsEvidence | Verdict::NeedsAttestation)
    }

    /// A version that is known to be attacked was seen.
    fn is_attacked(&self) -> bool {
        let attacked = |check: &Check| check.verdict == Verdict::Fail && check.rule.ends_with(NOT_ATTACKED);
        self.verdict == Verdict::Fail && self.checks.iter().any(attacked)
    }
}

/// What was wrong when it was seen to fail, and why it cannot be told since.
fn not_told_since(then: &Part<'_>, now: &Part<'_>) -> String {
    let (was, why) = (wrong(then.checks, then.verdict), wrong(now.checks, now.verdict));
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    if was.is_empty() {
        format!("it could not be told by the last scan{why}")
    } else {
        format!("{was}. The last scan could not tell{why}")
    }
}

/// What is wrong: what was seen by the checks that decided, or why it can no longer be told.
fn wrong(checks: &[Check], verdict: Verdict) -> String {
    let deciding = checks.iter().filter(|check| check.verdict == verdict);
    let mut sentences: Vec<&str> = Vec::new();
    for check in deciding {
        let seen = check.seen.iter().map(String::as_str).chain(std::iter::once(check.why.as_str()));
        for sentence in seen.map(|sentence| sentence.trim().trim_end_matches('.')).filter(|one| !one.is_empty()) {
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
    }
    sentences.join("; ")
}

/// The question whose answer shows whether it is mended, as a command; a new scan where there is none.
fn verify(target: &TargetRun, checks: &[Check], about: &About) -> String {
    let decided = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let ids: Vec<ObservationId> = decided.flat_map(|check| check.rests_on.iter().copied()).collect();
    let host = target.target.host.to_string();
    let place = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let asked = |one: &&Observation| ids.contains(&one.id);
    // A store that was imported may name anything, and commands are copied into shells.
    let plain = host.chars().all(|one| one.is_ascii_alphanumeric() || ".-_:".contains(one)) && !host.starts_with('-');
    let command = target.observations.iter().filter(asked).find_map(|one| match one.question {
        Question::TlsVersion { port, .. } | Question::Certificate { port, .. } => {
            Some(format!("portreeve probe tls {place}:{port}"))
        }
        Question::Suites { port, .. } => Some(format!("portreeve probe tls --ciphers {place}:{port}")),
        Question::Port { ports } => {
            let transport = if ports.transport() == Transport::Tcp { "--tcp" } else { "--udp" };
            let range = match (ports.first(), ports.last()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            Some(format!("portreeve probe ports {host} {transport} {range}"))
        }
        Question::Service { .. } => Some(format!("portreeve probe service {place}:{}", one.question.port())),
        _ => None,
    });
    command.filter(|_| plain).unwrap_or_else(|| match about {
        About::Item { item, .. } => format!("scan again: {item} must pass"),
        About::Rule(rule) => format!("scan again: `{rule}` must be proved"),
    })
}
