//! What a run of a server adds to what is open, and ends: drift, failures, and which certificates it shows.

use super::{Book, Rules, counted, key, mended};
use crate::drift::{EARLIER, NOT_TOLD, Series, WINDOW, compare};
use crate::model::alert::Kind;
use crate::model::drift::{Because, CertificatePart, Change, Class, Flapping, Reason, Sighting, Subject, TargetDrift};
use crate::model::fact::Fact;
use crate::model::matter::{KnownServer, Matter, MatterState, SeenCertificate};
use crate::model::question::Question;
use crate::model::run::{Run, TargetRun, Trouble};
use crate::model::verdict::{Confidence, Severity};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How many details of a notice are differences and reasons.
const REASONS_MOST: usize = 6;

/// The runs of one server, of which the last is looked at. Each has that server alone.
#[derive(Clone, Copy)]
pub struct SeriesOf<'a> {
    /// Runs with their numbers, oldest first, none of them [blind](is_blind) but perhaps the last.
    pub runs: &'a [(u64, &'a Run)],
    /// Whether what this run did not ask is asked no more: it was made by the same options as the one with this number.
    pub asks_as: &'a dyn Fn(u64) -> bool,
    /// What the last run asks is the user's word: it was made by a schedule.
    pub is_scheduled: bool,
    /// A run that began after the last of these was looked at already: it may have been asked before that one, or after it. Then it
    /// only adds to what is open.
    pub is_late: bool,
}

/// Whether nothing at all was learned of the server.
pub fn is_blind(target: &TargetRun) -> bool {
    target.findings.is_empty() && target.rules.is_empty()
        || target.troubles.contains(&Trouble::Interrupted)
        || target.is_out_of_sight()
}

/// Looks at the last of these runs. What is told of it becomes notices of the book.
pub fn server(book: &mut Book, series: SeriesOf<'_>, inventory: &str, rules: &Rules) {
    let Some((number, run)) = series.runs.last().copied() else { return };
    let Some(target) = run.targets.first() else { return };
    let new = Newest { number, run, target };
    if !is_blind(target) {
        drift(book, series, new, rules);
    }
    failure(book, series, new);
    let (client, name) = (&target.target.client, &target.target.name);
    let mut known = book.server(client, name).cloned().unwrap_or_else(|| KnownServer::new(client, name));
    inventory.clone_into(&mut known.inventory);
    let own = i64::try_from(number).unwrap_or(i64::MAX);
    known.looked.insert(own);
    if !series.is_late {
        known.certificates = certificates(book, known.certificates, series, new);
        known.seen = Some((run.started.clone(), own));
        if !is_blind(target) {
            known.telling = Some(own);
        }
    }
    book.remember(known);
}

/// The run that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Newest<'a> {
    pub(super) number: u64,
    pub(super) run: &'a Run,
    pub(super) target: &'a TargetRun,
}

impl Newest<'_> {
    pub(super) fn client(&self) -> &str {
        &self.target.target.client
    }

    pub(super) fn name(&self) -> &str {
        &self.target.target.name
    }

    /// A matter of this server that began with this run.
    fn matter(&self, kind: Kind, subject: &str, severity: Severity, state: MatterState) -> Matter {
        Matter {
            key: key(self.client(), Some(self.name()), kind, subject),
            kind,
            severity,
            client: self.client().to_owned(),
            target: Some(self.name().to_owned()),
            title: String::new(),
            details: Vec::new(),
            action: None,
            since: self.run.started.clone(),
            run: Some(self.number),
            state,
            told_as: None,
        }
    }
}

// Drift.

fn drift(book: &mut Book, series: SeriesOf<'_>, new: Newest<'_>, rules: &Rules) {
    let earlier = series.runs.len() - 1;
    // What is open is held against the run that showed it, however many runs ago.
    let raised: BTreeSet<u64> = book
        .of_server(new.client(), new.name())
        .filter(|matter| matter.kind == Kind::Drift)
        .filter_map(|matter| matter.run)
        .collect();
    for place in 0..earlier {
        let Some((number, _)) = series.runs.get(place).copied() else { continue };
        let is_last = place + 1 == earlier;
        if !is_last && !raised.contains(&number) {
            continue;
        }
        let Some(of_target) = since(series, place) else { continue };
        if raised.contains(&number) && !series.is_late {
            mended::look(book, series, new, place, &of_target);
        }
        if is_last {
            worse(book, new, number, &of_target, rules);
            if !series.is_late {
                came_to_rest(book, series, new, &of_target);
            }
        }
    }
}

/// What reads otherwise than in the run at this place.
pub(super) fn since(series: SeriesOf<'_>, place: usize) -> Option<TargetDrift> {
    let runs = series.runs.iter().map(|(number, run)| (Some(*number), *run));
    let drift = compare(&Series::new(runs)?.against(place)?);
    drift.targets.into_iter().next()
}

/// What reads worse, or alternates, and is not open yet.
fn worse(book: &mut Book, new: Newest<'_>, against: u64, drift: &TargetDrift, rules: &Rules) {
    let grave = |change: &&Change| change.class == Class::Worse && change.severity >= rules.at_least;
    let told: BTreeSet<String> = drift.counted().filter(grave).map(|change| change.subject.to_string()).collect();
    for change in drift.changes.iter().filter(grave) {
        // What explains nothing that is told is told itself: an item that could not be judged before is not worse now.
        let is_explained = change.explains.iter().any(|name| told.contains(name));
        if is_explained || is_told_by_the_clock(change) || mended::is_meant(new.target, &change.subject) {
            continue;
        }
        let matter = of_change(new, against, change);
        match book.get(&matter.key) {
            None => book.raise(matter),
            Some(known) => {
                let MatterState::Worse { after, against, subject } = &known.state else { continue };
                if *after != change.after || matter.severity > known.severity {
                    let (subject, against) = (subject.clone(), *against);
                    let state = MatterState::Worse { subject, after: change.after.clone(), against };
                    book.escalate(Matter { state, ..matter });
                }
            }
        }
    }
    // That a sight is lost again and again is told as such: it is no value.
    let alternates = |flapping: &&Flapping| {
        let told: BTreeSet<&str> =
            flapping.sights.iter().map(String::as_str).filter(|told| *told != NOT_TOLD).collect();
        flapping.severity >= rules.at_least && told.len() > 1
    };
    for flapping in drift.flapping.iter().filter(alternates) {
        flaps(book, new, flapping);
    }
}

/// What is open since a change for the worse.
fn of_change(new: Newest<'_>, against: u64, change: &Change) -> Matter {
    let (subject, after) = (change.subject.clone(), change.after.clone());
    let state = MatterState::Worse { subject, after, against: Some(against) };
    let matter = new.matter(Kind::Drift, &name(&change.subject), change.severity, state);
    let what = change.title.as_ref().map_or_else(String::new, |title| format!(" ({title})"));
    Matter {
        title: format!("{}{what} on {}: {}", change.subject, new.name(), turn(change)),
        details: details(new, change),
        action: Some(action(new, against, change)),
        ..matter
    }
}

fn flaps(book: &mut Book, new: Newest<'_>, flapping: &Flapping) {
    let state = MatterState::Flapping { subject: flapping.subject.clone(), quiet: 0 };
    let matter = new.matter(Kind::Drift, &self::flapping(&flapping.subject), flapping.severity, state);
    let what = flapping.title.as_ref().map_or_else(String::new, |title| format!(" ({title})"));
    let matter = Matter {
        title: format!("{}{what} on {} alternates", flapping.subject, new.name()),
        details: vec![
            format!("Seen in the last runs, oldest first: {}.", flapping.sights.join(", ")),
            "It is told once, and then when it has come to rest.".to_owned(),
        ],
        action: Some(
            "Find out what answers: several servers behind one address, a load balancer, or something that is restarted."
                .to_owned(),
        ),
        ..matter
    };
    book.raise(matter);
}

/// What alternated and does so no more: it was seen to rest, or has been the same, or not to be told, for as long as is looked at.
fn came_to_rest(book: &mut Book, series: SeriesOf<'_>, new: Newest<'_>, drift: &TargetDrift) {
    let open: Vec<Matter> = book.of_server(new.client(), new.name()).cloned().collect();
    for mut matter in open {
        let MatterState::Flapping { subject, quiet } = &mut matter.state else { continue };
        if drift.flapping.iter().any(|flapping| flapping.subject == *subject) {
            *quiet = 0;
            book.update(matter);
            continue;
        }
        *quiet += 1;
        let seen = |change: &&Change| matches!(change.sighting, Sighting::Both | Sighting::Regained);
        if let Some(change) = drift.changes.iter().filter(seen).find(|change| change.subject == *subject) {
            let now = change.after.as_deref().unwrap_or("not there");
            let title = format!("{subject} on {} has come to rest: {now}", new.name());
            if change.class == Class::Better {
                book.resolve(&matter.key, title, Vec::new(), Some(new.number));
            } else {
                book.withdraw(
                    &matter.key,
                    title,
                    "It does not alternate any more. What is wrong is told by itself.".to_owned(),
                );
            }
        } else if *quiet >= WINDOW {
            if let Some(wrong) = rests_where_it_is_wrong(series, new, subject) {
                book.raise(wrong);
            }
            let title = format!("{subject} on {} does not alternate any more", new.name());
            let why = format!("In the last {WINDOW} runs it read the same, or could not be told: look how it stands.");
            book.withdraw(&matter.key, title, why);
        } else {
            book.update(matter);
        }
    }
}

/// What is open where something that alternated has stayed at its worse value: against the last run in which it had the other.
fn rests_where_it_is_wrong(series: SeriesOf<'_>, new: Newest<'_>, subject: &Subject) -> Option<Matter> {
    let earlier = series.runs.iter().enumerate().rev().skip(1);
    earlier.take(EARLIER).find_map(|(place, (number, _))| {
        let drift = since(series, place)?;
        let worse = |change: &&Change| change.subject == *subject && change.class == Class::Worse;
        drift.changes.iter().find(worse).map(|change| of_change(new, *number, change))
    })
}

/// A certificate that is nearer its end than the night before is told by the day, and once for all its ports.
fn is_told_by_the_clock(change: &Change) -> bool {
    matches!(change.subject, Subject::Certificate { part: CertificatePart::End, .. })
        && matches!(change.because(), Some(Because { reason: Reason::Time { .. }, .. }))
}

/// What a subject is called in a matter's key: what it shows as, and of which guide.
pub(super) fn name(subject: &Subject) -> String {
    match subject {
        Subject::Item { guide, item } => format!("item {guide} {item}"),
        other => format!("{} {other}", other.kind()),
    }
}

/// The same for one that alternates.
pub(super) fn flapping(subject: &Subject) -> String {
    format!("flapping {}", name(subject))
}

pub(super) fn turn(change: &Change) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (Some(before), None) => format!("{before} → not known"),
        (None, Some(after)) => after.clone(),
        (None, None) => "not known".to_owned(),
    }
}

pub(super) fn reasons(change: &Change) -> Vec<String> {
    let reason = |(place, because): (usize, &Because)| {
        let text = because.reason.describe();
        match because.confidence {
            _ if matches!(because.reason, Reason::Unknown) => capitalised(&text),
            Confidence::High => capitalised(&text),
            Confidence::Medium => format!("Probably {text}."),
            Confidence::Low if place == 0 => format!("Perhaps {text}."),
            Confidence::Low => format!("Or {text}."),
        }
    };
    change.reasons.iter().enumerate().take(REASONS_MOST).map(reason).collect()
}

fn details(new: Newest<'_>, change: &Change) -> Vec<String> {
    let mut details = reasons(change);
    if let Some(at) = &change.last_seen {
        details.push(format!("Before, it was last seen in the run of {at}."));
    }
    if let Some(finding) = finding(new, change) {
        if let Some(check) = finding.deciding() {
            details.push(capitalised(&check.why));
        }
        if let Some(waived) = finding.waiver.as_deref().filter(|waived| waived.counts()) {
            let waiver = &waived.waiver;
            details.push(format!(
                "A waiver accepts that until {}, approved by {}: {}.",
                waiver.until,
                waiver.approved_by,
                waiver.why.trim_end_matches('.')
            ));
        }
    }
    details
}

fn finding<'a>(new: Newest<'a>, change: &Change) -> Option<&'a crate::model::verdict::Finding> {
    let Subject::Item { guide, item } = &change.subject else { return None };
    new.target.findings.iter().find(|finding| finding.guide == *guide && finding.item == *item)
}

/// What to do; the two runs are named, for by the time it is read there may be others.
fn action(new: Newest<'_>, against: u64, change: &Change) -> String {
    let label = new.target.target.label();
    let name = label.replace('\'', "'\\''");
    let more = format!("`portreeve diff {against} {} --name '{name}'` shows all of it.", new.number);
    match change.because().map(|because| &because.reason) {
        Some(Reason::Guide { .. }) => {
            return format!("Read what the guide asks for now; the server need not have changed. {more}");
        }
        Some(Reason::Attestation { .. }) => {
            return format!("Look again and renew it with `portreeve attest --renew`. {more}");
        }
        _ => {}
    }
    match finding(new, change).and_then(|finding| finding.remedy.first()) {
        Some(remedy) => format!("{remedy} {more}"),
        None => format!("Find out who changed that, and why. {more}"),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

// Failures.

/// What a server's failure is called in its key.
pub(super) const WHOLE: &str = "server";

/// What is remembered of a server that could not be reached, of one whose name led nowhere, and of one that could not be asked from
/// here at all.
const UNREACHABLE: &str = "unreachable";
const UNRESOLVED: &str = "unresolved";
const NO_ROUTE: &str = "no-route";

/// What kept a run from being whole: what is remembered of it, how much it matters, and in words. Whether anything answered comes
/// first, whatever else there was.
fn gravest(target: &TargetRun) -> Option<(&'static str, Severity, &'static str)> {
    let any = |wanted: fn(&Trouble) -> bool| target.troubles.iter().any(wanted);
    target.troubles.first()?;
    if any(|trouble| matches!(trouble, Trouble::Bug { .. })) {
        return Some(("bug", Severity::High, "could not be scanned wholly: portreeve has a defect"));
    }
    if any(|trouble| matches!(trouble, Trouble::Unreachable)) {
        return Some((UNREACHABLE, Severity::High, "cannot be reached"));
    }
    if !target.has_answered() {
        if target.addresses.is_empty() && any(|trouble| matches!(trouble, Trouble::Unresolved { .. })) {
            return Some((UNRESOLVED, Severity::High, "cannot be found: its name leads nowhere"));
        }
        if any(|trouble| matches!(trouble, Trouble::NoRoute { .. })) {
            return Some((NO_ROUTE, Severity::High, "could not be asked: this machine has no route to it"));
        }
    }
    if any(|trouble| matches!(trouble, Trouble::Ourselves { .. })) {
        return Some(("ourselves", Severity::Medium, "could not be scanned wholly by this machine"));
    }
    Some(("partial", Severity::Medium, "was not scanned wholly"))
}

fn failure(book: &mut Book, series: SeriesOf<'_>, new: Newest<'_>) {
    let troubles: Vec<&Trouble> = new.target.troubles.iter().collect();
    if troubles.iter().any(|trouble| matches!(trouble, Trouble::Interrupted)) {
        // Somebody, or the watch, ended it: no word about the server.
        return;
    }
    let own = key(new.client(), Some(new.name()), Kind::Failure, WHOLE);
    let Some((what, severity, words)) = gravest(new.target) else {
        // A run that asks less is whole sooner. But any run that is whole reached the server.
        let is_enough = book.get(&own).is_some_and(|open| {
            let reached = matches!(&open.state,
                MatterState::NotWhole { what } if [UNREACHABLE, UNRESOLVED, NO_ROUTE].contains(&what.as_str()));
            reached || series.is_scheduled || open.run.is_some_and(|run| (series.asks_as)(run))
        });
        if series.is_late || !is_enough {
            return;
        }
        let title = format!("{} was scanned wholly again", new.name());
        return book.resolve(&own, title, Vec::new(), Some(new.number));
    };
    let matter = new.matter(Kind::Failure, WHOLE, severity, MatterState::NotWhole { what: what.to_owned() });
    let mut details: Vec<String> =
        troubles.iter().take(REASONS_MOST).map(|trouble| capitalised(&trouble.describe())).collect();
    let more = troubles.len().saturating_sub(REASONS_MOST);
    if more > 0 {
        details.push(format!("And {} more.", counted(i64::try_from(more).unwrap_or(i64::MAX), "reason", "reasons")));
    }
    details.push("What was open on this server stays open: nothing was seen to be mended.".to_owned());
    let matter = Matter {
        title: format!("{} {words}", new.name()),
        details,
        action: Some(format!("`portreeve show {}` has the whole run.", new.number)),
        ..matter
    };
    let Some(known) = book.get(&matter.key) else { return book.raise(matter) };
    let MatterState::NotWhole { what: before } = &known.state else { return };
    if before == what || series.is_late {
        return;
    }
    // Only what is worse, and that it answers again: of the rest one word is as good as another.
    let silent = |what: &str| [UNREACHABLE, UNRESOLVED, NO_ROUTE].contains(&what);
    if severity > known.severity || !silent(before) && severity > Severity::Medium {
        book.escalate(matter);
    } else if silent(before) && silent(what) {
        // No way to it, by one cause or another: one word is enough.
        book.update(Matter { since: known.since.clone(), severity: known.severity, ..matter });
    } else if silent(before) && new.target.has_answered() {
        book.escalate(Matter { title: format!("{} answers again, but {words}", new.name()), ..matter });
    }
}

// Certificates.

/// The certificates that were last seen, by the new run where it tells. A place that lost its sight keeps what it showed; one
/// that is not asked any more is forgotten.
fn certificates(
    book: &Book,
    known: Vec<SeenCertificate>,
    series: SeriesOf<'_>,
    new: Newest<'_>,
) -> Vec<SeenCertificate> {
    let mut shown: Vec<SeenCertificate> = Vec::new();
    let mut asked: BTreeSet<(IpAddr, u16, bool)> = BTreeSet::new();
    for observation in &new.target.observations {
        let Question::Certificate { port, sni } = observation.question else { continue };
        asked.insert((observation.address, port, sni));
        if let Some(Fact::Certificate(fact)) = observation.attempt.fact() {
            shown.push(SeenCertificate {
                address: observation.address,
                port,
                sni,
                sha256: fact.sha256.clone(),
                subject: fact.subject.clone(),
                not_after: fact.not_after.clone(),
                run: Some(new.number),
            });
        }
    }
    let last = book.server(new.client(), new.name()).and_then(|server| server.seen.as_ref());
    let as_before =
        last.and_then(|(_, number)| u64::try_from(*number).ok()).is_some_and(|number| (series.asks_as)(number));
    for before in known {
        let place = (before.address, before.port, before.sni);
        let seen = shown.iter().any(|one| (one.address, one.port, one.sni) == place);
        let is_asked = asked.contains(&place);
        let is_gone = as_before && !is_asked && mended::is_closed(new.target, before.address, before.port)
            || mended::is_gone_for_long(series, &[before.address]);
        if !seen && !is_gone {
            shown.push(before);
        }
    }
    shown.sort_by_key(|one| (one.address, one.port, one.sni));
    shown
}
