//! What is known of the place from which was asked: whether its own network answers for others, or blocks on the way out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Good to know; no result is worse for it.
    Notice,
    /// Could not be looked at: nothing is known.
    NotChecked,
    /// Some results from here may be wrong.
    Warning,
    /// Results from here are wrong.
    Broken,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Notice => "notice",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Broken => "broken",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// What was looked at, such as `decoys`.
    pub about: String,
    /// How much it matters.
    pub weight: Weight,
    /// What was seen.
    pub seen: String,
    /// What it means for a scan.
    pub meaning: String,
    /// What to do, where something is to be done.
    pub settle: Option<String>,
}

impl Remark {
    /// A remark with nothing to do about it.
    pub fn new(about: &str, weight: Weight, seen: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { about: about.to_owned(), weight, seen: seen.into(), meaning: meaning.into(), settle: None }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn settle(self, settle: impl Into<String>) -> Self {
        Self { settle: Some(settle.into()), ..self }
    }
}
