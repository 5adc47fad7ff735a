//! What drift means in words, decided once for the terminal, the HTML and the other forms.

use super::reading::instant;
use super::text::{capitalised, counted, listed, number};
use crate::model::drift::{
    Because, Change, Class, Drift, DriftTally, Presence, Reason, RunMark, Sighting, TargetDrift,
};
use crate::model::verdict::{Confidence, Severity};

/// The whole drift in one sentence: `Since the run of 20 November 2026, 02:00 UTC: 2 worse (1 critical), 1 better.` It says so
/// where nothing changed, and never without what could not be compared.
pub fn headline(drift: &Drift) -> String {
    let tally = drift.tally();
    let since = called(&drift.before);
    let mut clauses = vec![if tally.changes() == 0 {
        format!("Nothing that could be compared changed since {since}")
    } else {
        format!("Since {since}: {}", changes(drift.targets.iter(), tally))
    }];
    if tally.lost > 0 {
        clauses.push(format!("{} can no longer be told", number(tally.lost)));
    }
    let missing = drift.targets.iter().filter(|target| target.presence == Presence::Missing).count();
    if missing > 0 {
        clauses.push(format!("{} not asked again", counted(missing, "server was", "servers were")));
    }
    if tally.flapping > 0 {
        clauses.push(format!("{} flapping, which is no change", number(tally.flapping)));
    }
    if tally.not_compared > 0 {
        clauses.push(format!("{} could not be compared", number(tally.not_compared)));
    }
    if drift.before.partial || drift.after.partial {
        clauses.push(format!("{}, so this is not the whole picture", partial(drift)));
    }
    format!("{}.", clauses.join("; "))
}

/// `2 worse (1 critical), 3 new to know, 1 better`.
fn changes<'a>(targets: impl Iterator<Item = &'a TargetDrift>, tally: DriftTally) -> String {
    let worse = targets.flat_map(TargetDrift::counted).filter(|change| change.class == Class::Worse);
    let critical = worse.filter(|change| change.severity == Severity::Critical).count();
    let counts = Class::ALL.into_iter().filter(|class| tally.count(*class) > 0).map(|class| {
        let grave =
            if class == Class::Worse && critical > 0 { format!(" ({critical} critical)") } else { String::new() };
        format!("{} {class}{grave}", number(tally.count(class)))
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// The counts of one target: `2 worse, 1 better`, or that nothing changed.
pub(super) fn of_target(target: &TargetDrift) -> String {
    let tally = DriftTally::of([target]);
    if tally.changes() == 0 { "no change".to_owned() } else { changes([target].into_iter(), tally) }
}

fn partial(drift: &Drift) -> &'static str {
    match (drift.before.partial, drift.after.partial) {
        (true, true) => "both runs are partial",
        (true, false) => "the older run is partial",
        _ => "the newer run is partial",
    }
}

/// `the run of 20 November 2026, 02:00 UTC`, with its number where it has one.
pub(super) fn called(mark: &RunMark) -> String {
    match mark.number {
        Some(number) => format!("run {number} of {}", instant(&mark.started)),
        None => format!("the run of {}", instant(&mark.started)),
    }
}

/// A run in a row of its own.
pub(super) fn mark(mark: &RunMark) -> String {
    let number = mark.number.map(|number| format!("run {number}, ")).unwrap_or_default();
    let partial = if mark.partial { ", partial" } else { "" };
    format!("{number}{}, portreeve {}{partial}", instant(&mark.started), mark.tool_version)
}

/// What is otherwise around all targets: the program, the guides, this machine's network.
pub(super) fn remarks(drift: &Drift) -> Vec<(&'static str, String)> {
    let (before, after) = (&drift.before, &drift.after);
    let mut remarks = Vec::new();
    if before.tool_version != after.tool_version {
        remarks.push(("Program", format!("portreeve {} → {}", before.tool_version, after.tool_version)));
    }
    for guide in &after.guides {
        match before.guides.iter().find(|known| known.id == guide.id) {
            None => remarks.push(("Guide", format!("{}: not used before", guide.id))),
            Some(known) if known.sha256 == guide.sha256 => {}
            Some(known) if known.revision == guide.revision => {
                remarks.push(("Guide", format!("{}: another text of revision {}", guide.id, guide.revision)));
            }
            Some(known) => {
                remarks.push(("Guide", format!("{}: revision {} → {}", guide.id, known.revision, guide.revision)));
            }
        }
    }
    for guide in before.guides.iter().filter(|guide| after.guides.iter().all(|known| known.id != guide.id)) {
        remarks.push(("Guide", format!("{}: not used now", guide.id)));
    }
    remarks.extend(drift.vantage.iter().map(|what| ("Vantage", capitalised(what))));
    remarks
}

/// Changes that are told in one go: one, or several of which the same is to be said.
pub(super) struct Entry<'a> {
    pub(super) changes: Vec<&'a Change>,
    /// `pass → fail`.
    pub(super) turn: String,
    /// Why, the reason that decides first, each with how sure it is where it is not.
    pub(super) why: Vec<String>,
    /// When it was last seen, where that was not in the older run.
    pub(super) last_seen: Option<String>,
}

impl Entry<'_> {
    pub(super) fn severity(&self) -> Severity {
        self.changes.iter().map(|change| change.severity).max().unwrap_or(Severity::Low)
    }

    /// What it is about: `AUT-NET-12`, or several, each with what was said of it where that is not the same.
    pub(super) fn subjects(&self) -> String {
        let same = self.changes.iter().all(|change| turn(change) == self.turn);
        let name = |change: &&Change| match &change.before {
            Some(before) if !same => format!("{} ({before})", change.subject),
            _ => change.subject.to_string(),
        };
        self.changes.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The recommendation, where it is about one item alone.
    pub(super) fn title(&self) -> Option<&str> {
        match self.changes.as_slice() {
            [only] => only.title.as_deref(),
            _ => None,
        }
    }

    /// How many changes are told in one.
    pub(super) fn count(&self) -> usize {
        self.changes.len()
    }
}

/// Whether it is to be looked at before others.
pub(super) fn is_grave(entry: &Entry<'_>) -> bool {
    entry.severity() >= Severity::High
}

/// The changes of a target that count, class by class; those of which the same is to be said are told in one go.
pub(super) fn entries(target: &TargetDrift) -> Vec<(Class, Vec<Entry<'_>>)> {
    let mut classes: Vec<(Class, Vec<Entry<'_>>)> = Vec::new();
    for class in Class::ALL {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut keys: Vec<Option<(Sighting, String, String)>> = Vec::new();
        for change in target.counted().filter(|change| change.class == class) {
            let key = joined(change);
            let place = key.as_ref().and_then(|key| keys.iter().position(|known| known.as_ref() == Some(key)));
            if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
                entry.changes.push(change);
                if entry.turn != turn(change) {
                    "told before, and not known now".clone_into(&mut entry.turn);
                }
            } else {
                entries.push(entry(change));
                keys.push(key);
            }
        }
        if !entries.is_empty() {
            classes.push((class, entries));
        }
    }
    classes
}

/// What makes a change be told together with others: a server that was not seen loses a hundred sights for one reason.
fn joined(change: &Change) -> Option<(Sighting, String, String)> {
    let reason = change.because()?;
    match (&reason.reason, change.sighting) {
        (Reason::SightLost { why }, Sighting::Lost) => Some((Sighting::Lost, why.first()?.clone(), String::new())),
        (Reason::Unknown, _) => None,
        (reason, Sighting::First | Sighting::Gone | Sighting::Regained) => {
            Some((change.sighting, reason.describe(), turn(change)))
        }
        _ => None,
    }
}

fn entry(change: &Change) -> Entry<'_> {
    let mut why: Vec<String> = change.reasons.iter().enumerate().map(because).collect();
    // Of many that are lost together only the first reason is common to all.
    if let (Some(Because { reason: Reason::SightLost { why: whys }, .. }), Some(first)) =
        (change.because(), why.first_mut())
        && let Some(common) = whys.first()
    {
        *first = capitalised(common);
    }
    Entry {
        changes: vec![change],
        turn: turn(change),
        why,
        last_seen: change.last_seen.as_deref().map(|at| format!("last seen in the run of {}", instant(at))),
    }
}

fn because((place, because): (usize, &Because)) -> String {
    let text = because.reason.describe();
    let sure = match because.confidence {
        _ if matches!(because.reason, Reason::Unknown) => "",
        Confidence::High => "",
        Confidence::Medium => "Probably ",
        Confidence::Low if place == 0 => "Perhaps ",
        Confidence::Low => "Or ",
    };
    if sure.is_empty() { capitalised(&text) } else { format!("{sure}{text}") }
}

/// `pass → fail`; what was not known on one side is said so.
pub(super) fn turn(change: &Change) -> String {
    match (&change.before, &change.after, change.sighting) {
        (Some(before), Some(after), Sighting::Regained) if before == after => format!("{after} again"),
        (Some(before), Some(after), _) => format!("{before} → {after}"),
        (Some(before), None, Sighting::Gone) => format!("{before}, and not in the newer run"),
        (Some(before), None, _) => format!("{before} → not known"),
        (None, Some(after), _) => format!("{after}, and not in the older run"),
        (None, None, _) => "not known".to_owned(),
    }
}

/// What a class says, for people who meet the word for the first time.
pub(super) fn meaning(class: Class) -> &'static str {
    match class {
        Class::Worse => "it was seen to be worse than before",
        Class::New => "known now and not before, or no longer known; neither mended nor worse",
        Class::Better => "it was seen to be better than before",
        Class::Neutral => "it is otherwise, and neither worse nor better",
    }
}

/// What could not be compared, a line for each reason.
pub(super) fn not_compared(target: &TargetDrift) -> Vec<(String, String)> {
    let lines = target
        .not_compared
        .iter()
        .map(|one| (format!("{} ({})", listed_few(&one.subjects), number(one.subjects.len())), capitalised(&one.why)));
    lines.collect()
}

/// The first of many, and how many more there are.
fn listed_few(words: &[String]) -> String {
    const SHOWN: usize = 8;
    if words.len() <= SHOWN + 2 {
        return listed(words);
    }
    let shown = words.get(..SHOWN).unwrap_or_default().join(", ");
    format!("{shown} and {} more", number(words.len() - SHOWN))
}

/// Whether there is anything to tell of a target beside that nothing changed.
pub(super) fn is_told(target: &TargetDrift) -> bool {
    !target.changes.is_empty() || !target.flapping.is_empty() || !target.inventory.is_empty()
}

/// `server (host)`, and that it is in one run only.
pub(super) fn heading(target: &TargetDrift) -> String {
    let mut heading = target.name.clone();
    if target.host != target.name {
        heading = format!("{heading} ({})", target.host);
    }
    match target.presence {
        Presence::Both => heading,
        Presence::Added => format!("{heading}, not in the older run"),
        Presence::Missing => format!("{heading}, not in the newer run"),
    }
}
