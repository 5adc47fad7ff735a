//! What a run saw of one thing, freed of what varies with every asking.

use crate::model::drift::Class;
use crate::model::service::Version;

/// What a run says of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It was told.
    Seen(Value),
    /// It was asked, or would have been, and could not be told: why.
    Lost(String),
}

impl Sight {
    pub(super) fn seen(&self) -> Option<&Value> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Lost(_) => None,
        }
    }

    /// Something that is read the same only where it is written the same.
    pub(super) fn text(words: impl Into<String>) -> Self {
        Self::Seen(Value::new(words, Worth::Unknown))
    }

    /// Something that is good or bad in itself.
    pub(super) fn level(words: impl Into<String>, bad: usize) -> Self {
        Self::Seen(Value::new(words, Worth::Bad(bad)))
    }

    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self::Lost(why.into())
    }
}

/// What was told of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Equal where nothing changed: without what varies with every asking.
    pub(super) same: String,
    /// For people.
    pub(super) words: String,
    /// How good it is.
    pub(super) worth: Worth,
    /// It is that there is nothing.
    pub(super) absent: bool,
}

impl Value {
    pub(super) fn new(words: impl Into<String>, worth: Worth) -> Self {
        let words = words.into();
        Self { same: words.clone(), words, worth, absent: false }
    }
}

/// How good a value is, as far as values of the same thing can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Neither good nor bad by itself.
    Unknown,
    /// How bad: more is worse.
    Bad(usize),
    /// A version: later is better.
    Version(Version),
}

/// How a change from one value to another is to be taken. The other way round it is the reverse, by construction.
pub(super) fn class(before: &Value, after: &Value) -> Class {
    let order = match (&before.worth, &after.worth) {
        (Worth::Bad(before), Worth::Bad(after)) => after.cmp(before),
        (Worth::Version(before), Worth::Version(after)) => before.cmp(after),
        _ => std::cmp::Ordering::Equal,
    };
    match order {
        std::cmp::Ordering::Greater => Class::Worse,
        std::cmp::Ordering::Less => Class::Better,
        std::cmp::Ordering::Equal => Class::Neutral,
    }
}
