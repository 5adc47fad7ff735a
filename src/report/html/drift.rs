//! What the page shows of drift: on a page of its own, and as a part of a run's.

use crate::model::drift::{Class, Drift, Presence, TargetDrift};
use crate::report::drift::{
    Entry, called, entries, heading, headline, is_told, mark, meaning, not_compared, of_target, remarks,
};
use crate::report::reading::instant;
use crate::report::text::{capitalised, counted, listed, number};
use askama::Template;

/// The page.
#[derive(Template)]
#[template(path = "drift.html")]
pub(super) struct Page<'a> {
    client_names: String,
    date: String,
    drift: Drifted<'a>,
}

/// Everything that is shown of drift.
pub(super) struct Drifted<'a> {
    pub(super) headline: String,
    pub(super) is_whole: bool,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) figures: Vec<Figure>,
    pub(super) targets: Vec<Target<'a>>,
    /// The servers without a change, and how much of each could not be compared.
    pub(super) same: Vec<(String, String)>,
}

/// The count of a class.
pub(super) struct Figure {
    pub(super) class: Class,
    pub(super) count: usize,
}

impl Figure {
    pub(super) fn name(&self) -> String {
        capitalised(self.class.words())
    }

    pub(super) fn number(&self) -> String {
        number(self.count)
    }

    pub(super) fn look(&self) -> &'static str {
        look(self.class)
    }
}

/// The look of a class: that of the verdict that one would sooner have read it as.
pub(super) fn look(class: Class) -> &'static str {
    match class {
        Class::Worse => "fail",
        Class::New => "needs-evidence",
        Class::Better => "pass",
        Class::Neutral => "not-applicable",
    }
}

pub(super) struct Target<'a> {
    pub(super) drift: &'a TargetDrift,
    pub(super) client: Option<&'a str>,
    pub(super) heading: String,
    pub(super) counts: String,
    pub(super) classes: Vec<Group<'a>>,
    pub(super) not_compared: Vec<(String, String)>,
}

pub(super) struct Group<'a> {
    pub(super) class: Class,
    pub(super) entries: Vec<Entry<'a>>,
}

impl Target<'_> {
    pub(super) fn left_out(&self) -> Option<String> {
        let count = self.drift.left_out;
        (count > 0).then(|| counted(count, "more change is", "more changes are"))
    }
}

impl Group<'_> {
    pub(super) fn title(&self) -> String {
        let count: usize = self.entries.iter().map(Entry::count).sum();
        format!("{} ({})", capitalised(self.class.words()), number(count))
    }

    pub(super) fn meaning(&self) -> String {
        capitalised(meaning(self.class))
    }

    pub(super) fn look(&self) -> &'static str {
        look(self.class)
    }
}

impl<'a> Page<'a> {
    pub(super) fn of(drift: &'a Drift) -> Self {
        let mut names: Vec<String> = Vec::new();
        for target in &drift.targets {
            if !names.contains(&target.client) {
                names.push(target.client.clone());
            }
        }
        Self { client_names: listed(&names), date: instant(&drift.after.started), drift: Drifted::of(drift) }
    }
}

impl<'a> Drifted<'a> {
    pub(super) fn of(drift: &'a Drift) -> Self {
        let tally = drift.tally();
        let several =
            drift.targets.iter().any(|target| target.client != drift.targets.first().map_or("", |one| &one.client));
        let mut facts = vec![("Before", mark(&drift.before)), ("Now", mark(&drift.after))];
        let others: Vec<String> = drift.others.iter().map(called).collect();
        if !others.is_empty() {
            facts.push(("Looked at beside", listed(&others)));
        }
        facts.extend(remarks(drift));
        let same = drift.targets.iter().filter(|target| !is_told(target) && target.presence == Presence::Both);
        let same = same.map(|target| {
            let count: usize = target.not_compared.iter().map(|one| one.subjects.len()).sum();
            let compared =
                if count == 0 { "all was compared".to_owned() } else { format!("{} not compared", number(count)) };
            (if several { target.label() } else { target.name.clone() }, compared)
        });
        Self {
            headline: headline(drift),
            is_whole: drift.is_whole(),
            facts,
            figures: Class::ALL.into_iter().map(|class| Figure { class, count: tally.count(class) }).collect(),
            targets: drift
                .targets
                .iter()
                .filter(|target| is_told(target))
                .map(|target| Target {
                    drift: target,
                    client: several.then_some(target.client.as_str()),
                    heading: heading(target),
                    counts: of_target(target),
                    classes: entries(target).into_iter().map(|(class, entries)| Group { class, entries }).collect(),
                    not_compared: not_compared(target),
                })
                .collect(),
            same: same.collect(),
        }
    }
}
