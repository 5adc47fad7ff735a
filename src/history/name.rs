//! How a user names a run.

use super::{HistoryError, RunNumber, Summary};
use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A run as a user names it: by its number, or counted back from the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunName {
    /// By its number.
    Number(RunNumber),
    /// The last one, or so many before it.
    Last(usize),
}

impl RunName {
    /// Which of `runs`, in the order in which they began, it is. What is dated in the future is not the last.
    pub fn find(self, runs: &[Summary], now: Timestamp) -> Result<&Summary, HistoryError> {
        let found = match self {
            Self::Number(number) => runs.iter().find(|run| run.number == number),
            Self::Last(back) => runs.iter().rev().filter(|run| !run.is_ahead(now)).nth(back),
        };
        found.ok_or_else(|| HistoryError::NoRun { name: self.to_string() })
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Last(0) => f.write_str("last"),
            Self::Last(back) => write!(f, "last~{back}"),
        }
    }
}

impl FromStr for RunName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
        let wrong = || "name a run by its number, or as `last`, or as `last~1` for the one before".to_owned();
        match text.strip_prefix("last") {
            Some("") => Ok(Self::Last(0)),
            Some(back) => match back.strip_prefix('~') {
                Some(back) if digits(back) => back.parse().map(Self::Last).map_err(|_| wrong()),
                _ => Err(wrong()),
            },
            None if digits(text) => text.parse().map(|number| Self::Number(RunNumber(number))).map_err(|_| wrong()),
            None => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_number_or_from_the_end() {
        for (text, name) in [
            ("7", RunName::Number(RunNumber(7))),
            ("last", RunName::Last(0)),
            ("last~0", RunName::Last(0)),
            ("last~12", RunName::Last(12)),
        ] {
            assert_eq!(text.parse(), Ok(name));
        }
        for wrong in ["", "-1", "+1", "1.0", "last~", "last~x", "last~-1", "last1", "first", "9999999999"] {
            assert!(wrong.parse::<RunName>().is_err(), "{wrong}");
        }
    }
}
