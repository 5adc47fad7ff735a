//! Earlier pictures of one target, each read once, and only where the last one leaves something open.

use super::age;
use crate::model::run::TargetRun;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What sights say of the target, by their places in the courses, as it is to be read on the day of the report.
pub(super) struct Shelf<F> {
    known: BTreeMap<usize, Option<TargetRun>>,
    load: F,
    until: Timestamp,
}

impl<E, F: FnMut(usize) -> Result<Option<TargetRun>, E>> Shelf<F> {
    pub(super) fn new(load: F, until: Timestamp) -> Self {
        Self { known: BTreeMap::new(), load, until }
    }

    /// What this sight says; nothing where it cannot be read.
    pub(super) fn of(&mut self, sight: usize) -> Result<Option<&TargetRun>, E> {
        Ok(match self.known.entry(sight) {
            Entry::Occupied(known) => known.into_mut().as_ref(),
            Entry::Vacant(free) => {
                let mut target = (self.load)(sight)?;
                if let Some(target) = &mut target {
                    age::on(target, self.until.to_zoned(TimeZone::UTC).date());
                }
                free.insert(target).as_ref()
            }
        })
    }
}
