//! What runs were asked for, and what a run that was asked for less leaves open.
//!
//! A scan by hand with one guide is the newest sight of a server, and says nothing of what other guides saw. What a run does not list is
//! no longer asked only where that run was asked for no less than the one that listed it; else it stands as it was told last.

use super::{AllTold, choice};
use crate::history::RunNumber;
use crate::history::courses::{Courses, Sight, Told};
use crate::model::run::GuideUsed;
use crate::model::statement::About;
use crate::model::target::Role;
use crate::model::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What a run was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The options as given.
    pub arguments: Vec<String>,
    /// Every guide that was read.
    pub guides: Vec<GuideUsed>,
    /// What the options come to; none where they cannot be read.
    pub options: Option<AskedOptions>,
}

/// The options that say which items and rules a run tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedOptions {
    /// It was begun by the watch: its inventory and options are the user's standing word.
    pub by_watch: bool,
    /// Only some guides were chosen.
    pub only_some_guides: bool,
    /// Suites were asked for.
    pub suites: bool,
    /// The inventories, as absolute paths; none where hosts were named instead.
    pub inventories: BTreeSet<PathBuf>,
    /// The roles of the hosts that were named.
    pub roles: BTreeSet<Role>,
}

impl Asked {
    /// Whether this run would have told of it, had there still been anything to ask: it was asked for no less than an earlier run
    /// that did.
    pub fn covers(&self, earlier: &Self, about: &About) -> bool {
        if !self.arguments.is_empty() && self.arguments == earlier.arguments {
            return true;
        }
        let (Some(own), Some(before)) = (&self.options, &earlier.options) else { return false };
        let by_inventory = !before.inventories.is_empty() && before.inventories.is_subset(&own.inventories);
        let by_hosts =
            before.inventories.is_empty() && own.inventories.is_empty() && before.roles.is_subset(&own.roles);
        let standing = own.by_watch && before.by_watch || by_inventory;
        let has_guide = |guide: &str| {
            let built_in = || earlier.guides.iter().any(|known| known.id == guide && known.built_in);
            self.guides.iter().any(|known| known.id == guide) || !own.only_some_guides && built_in()
        };
        match about {
            About::Item { guide, .. } => (standing || by_hosts) && (own.suites || !before.suites) && has_guide(guide),
            // Rules of hosts that are named are options themselves.
            About::Rule(_) => standing,
        }
    }
}

/// What runs were asked for, each read once, and only where it matters.
pub(super) struct Book<F> {
    known: BTreeMap<RunNumber, Arc<Asked>>,
    load: F,
}

impl<E, F: FnMut(RunNumber) -> Result<Asked, E>> Book<F> {
    pub(super) fn new(load: F) -> Self {
        Self { known: BTreeMap::new(), load }
    }

    fn of(&mut self, run: RunNumber) -> Result<Arc<Asked>, E> {
        if let Some(known) = self.known.get(&run) {
            return Ok(Arc::clone(known));
        }
        let asked = Arc::new((self.load)(run)?);
        self.known.insert(run, Arc::clone(&asked));
        Ok(asked)
    }
}

/// What is no longer asked of a target from a sight on, by the sight's place in the courses.
pub(super) type Dropped = HashMap<usize, Vec<About>>;

/// What the last sight of a target was not asked for, and sights before were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unasked {
    /// What failed when it was told last, and the sight that says so.
    pub(super) failing: Vec<(About, usize)>,
    /// How many others there are that sights usually tell of.
    pub(super) others: usize,
}

/// Something that is not told any more.
struct Gone {
    about: About,
    /// The sight that told it last.
    told: usize,
    /// The sight in which it failed, where it was not seen to be better since.
    failed: Option<usize>,
    /// How many sights told of it.
    times: usize,
    /// How many did not since.
    missed: usize,
}

/// Goes through the sights of a target, by their places, from the oldest to the newest.
pub(super) fn unasked<E, F: FnMut(RunNumber) -> Result<Asked, E>>(
    courses: &Courses,
    told: &AllTold,
    sights: &[usize],
    (book, dropped): (&mut Book<F>, &mut Dropped),
) -> Result<Unasked, E> {
    let sight = |place: usize| courses.sights.get(place);
    let tells = |place: &&usize| sight(**place).is_some_and(|sight| choice::tells(courses, sight));
    let tells: Vec<usize> = sights.iter().filter(tells).copied().collect();
    let same =
        |one: &usize, next: &usize| sight(*one).map(|one| one.snapshot) == sight(*next).map(|next| next.snapshot);
    let pieces: Vec<Piece<'_>> = tells
        .chunk_by(same)
        .map(|places| Piece { list: places.first().and_then(|place| list(courses, told, sight(*place)?)), places })
        .collect();
    let run = |place: usize| sight(place).and_then(|sight| courses.runs.get(sight.run)).map(|run| run.number);
    let mut gone: Vec<Gone> = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let earlier = pieces.get(..place).unwrap_or_default();
        if let Some(last) = earlier.last().filter(|last| !last.lists_the_same(piece)) {
            gone.retain(|one| piece.verdict(&one.about).is_none());
            let missing = last.list.into_iter().flatten().filter(|one| piece.verdict(&one.about).is_none());
            gone.extend(missing.filter_map(|one| Gone::of(&one.about, earlier)));
        }
        for seen in piece.places.first().into_iter().chain(piece.places.last()) {
            let mut kept = Vec::with_capacity(gone.len());
            for one in std::mem::take(&mut gone) {
                let covered = match (run(*seen), run(one.told)) {
                    (Some(own), Some(earlier)) => {
                        let (own, earlier) = (book.of(own)?, book.of(earlier)?);
                        own.covers(&earlier, &one.about)
                    }
                    _ => false,
                };
                if covered {
                    dropped.entry(*seen).or_default().push(one.about);
                } else {
                    kept.push(one);
                }
            }
            gone = kept;
        }
        for one in &mut gone {
            one.missed += piece.places.len();
        }
    }
    // What was looked at once, by a scan that was asked for more than is usual, makes no picture after it a part.
    let others = gone.iter().filter(|one| one.failed.is_none() && one.missed <= one.times).count();
    let failing = gone.into_iter().filter_map(|one| Some((one.about, one.failed?))).collect();
    Ok(Unasked { failing, others })
}

fn list<'a>(courses: &Courses, told: &'a AllTold, sight: &Sight) -> Option<&'a [Arc<Told>]> {
    let snapshot = courses.snapshots.get(sight.snapshot)?;
    told.get(&snapshot.number).map(Vec::as_slice)
}

/// Sights one after the other that say the same.
struct Piece<'a> {
    places: &'a [usize],
    list: Option<&'a [Arc<Told>]>,
}

impl Piece<'_> {
    fn lists_the_same(&self, other: &Self) -> bool {
        let (one, other) = (self.list.unwrap_or_default(), other.list.unwrap_or_default());
        let same = |(one, other): (&Arc<Told>, &Arc<Told>)| Arc::ptr_eq(one, other) || one.about == other.about;
        one.len() == other.len() && one.iter().zip(other).all(same)
    }

    fn verdict(&self, about: &About) -> Option<Verdict> {
        self.list.into_iter().flatten().find(|one| one.about == *about).map(|one| one.verdict)
    }
}

impl Gone {
    /// Of what the last of these pieces tells, and the next does not.
    fn of(about: &About, pieces: &[Piece<'_>]) -> Option<Self> {
        let told = *pieces.last()?.places.last()?;
        let telling = || pieces.iter().rev().filter_map(|piece| Some((piece, piece.verdict(about)?)));
        let decided = telling()
            .find(|(_, verdict)| matches!(verdict, Verdict::Fail | Verdict::Pass | Verdict::NotApplicable))
            .filter(|(_, verdict)| *verdict == Verdict::Fail);
        let failed = decided.and_then(|(piece, _)| piece.places.last().copied());
        let times = telling().map(|(piece, _)| piece.places.len()).sum();
        Some(Self { about: about.clone(), told, failed, times, missed: 0 })
    }
}
