//! Which runs tell of a target.

use crate::history::courses::{Courses, Sight};

/// The sights that tell of a target, by their places in [`Courses::sights`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The target, by its place in [`Courses::targets`].
    pub target: usize,
    /// The last that saw anything of it.
    pub now: Option<usize>,
    /// What it is compared with: the last before the period that saw anything, or else the first in it.
    pub before: Option<usize>,
    /// The last try, where it saw nothing.
    pub failed: Option<usize>,
}

/// Which runs tell of each target, for a period that begins then, in seconds since 1970.
pub fn choices(courses: &Courses, since: i64) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        (0..courses.targets.len()).map(|target| Choice { target, ..Choice::default() }).collect();
    for (place, sight) in courses.sights.iter().enumerate() {
        let Some(choice) = choices.get_mut(sight.target) else { continue };
        if tells(courses, sight) {
            // Whether the one before is from before the period, or the first of all.
            if choice.before.is_none() || at(courses, sight) <= since {
                choice.before = Some(place);
            }
            (choice.now, choice.failed) = (Some(place), None);
        } else {
            choice.failed = Some(place);
        }
    }
    for choice in &mut choices {
        choice.before = choice.before.filter(|before| choice.now != Some(*before));
    }
    choices
}

/// Whether a sight says anything of its target.
pub(super) fn tells(courses: &Courses, sight: &Sight) -> bool {
    courses.snapshots.get(sight.snapshot).is_some_and(|snapshot| snapshot.seen.tells())
}

/// When a sight's run began, in seconds since 1970.
pub(super) fn at(courses: &Courses, sight: &Sight) -> i64 {
    courses.runs.get(sight.run).map_or(i64::MIN, |run| run.at)
}
