//! The course of one thing over the runs: whether it changed, and whether it only flaps.

use super::sight::{Sight, Value};

/// How many of the last sights are looked at for flapping.
pub const WINDOW: usize = 5;

/// So many changes back to a value that was left before, within [`WINDOW`] sights, are flapping.
pub const CHANGES_BACK: usize = 2;

/// What stands among the sights of what flaps for a run that asked and was not told.
pub const NOT_TOLD: &str = "not told";

/// What became of one thing. Numbers are places of runs in the series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// Nothing to say: it reads as before, or was never asked of either run.
    Same,
    /// It reads otherwise.
    Changed {
        /// What was seen before, and in which run.
        from: (usize, &'a Value),
        to: &'a Value,
        /// The older of the two runs could not tell: why.
        regained: Option<&'a str>,
    },
    /// It reads as it did when it could last be told, which the older of the two runs could not.
    Returned { from: (usize, &'a Value), to: &'a Value, why: &'a str },
    /// It alternates: the last sights in words, oldest first.
    Flapping(Vec<String>),
    /// It could be told by the older of the two runs and no more: why.
    Lost { from: &'a Value, why: &'a str },
    /// It is told for the first time; `asked`: why it could not be told before, where it was asked.
    First { to: &'a Value, asked: Option<&'a str> },
    /// It could not be told by either run: why.
    Untold(&'a str),
    /// It was told by the older of the two runs, and not asked by the newer.
    Gone(&'a Value),
}

/// What became of a thing whose sights by each run of the series are `sights`, oldest first; the last is the newer of the
/// two runs that are compared and `base` the place of the older. `None` is a run that did not ask.
///
/// The state machine goes over the sights, leaving out the runs that could not tell. With each it is in one of two states:
/// *steady*, or *flapping* when among the last five sights ([`WINDOW`]) two or more ([`CHANGES_BACK`]) are a change back,
/// which is a change to a value that had been left within those five: `A B A B` flaps, `A B A` does not yet, and neither does
/// `A B C D`. Steady to steady is compared with the older run, or where that could not tell, with the last one before it that
/// could. While it flaps there is no change. When it comes to rest, that is compared with the other value that it last had,
/// so that the change it ended in is told once. A sight that is lost again and again, and reads the same each time that it
/// returns, flaps likewise: told and not told in turn three times among the last five runs that asked.
pub(super) fn course<'a>(sights: &[Option<&'a Sight>], base: usize) -> Outcome<'a> {
    let now = sights.last().copied().flatten();
    let before = sights.get(base).copied().flatten();
    let older = sights.get(..=base).unwrap_or_default();
    let last_seen = older.iter().enumerate().rev().find_map(|(place, sight)| Some((place, (*sight)?.seen()?)));
    let to = match (now, before) {
        (None, Some(Sight::Seen(from))) => return Outcome::Gone(from),
        (None, _) => return Outcome::Same,
        (Some(Sight::Lost(why)), Some(Sight::Seen(from))) => return Outcome::Lost { from, why },
        (Some(Sight::Lost(why)), _) => return Outcome::Untold(why),
        (Some(Sight::Seen(to)), _) => to,
    };
    let seen: Vec<&Value> = sights.iter().filter_map(|sight| (*sight)?.seen()).collect();
    if flaps(&seen) {
        return Outcome::Flapping(window(&seen).iter().map(|value| value.words.clone()).collect());
    }
    let Some(from) = last_seen else {
        let asked = before.and_then(|sight| match sight {
            Sight::Lost(why) => Some(why.as_str()),
            Sight::Seen(_) => None,
        });
        return Outcome::First { to, asked };
    };
    let regained = match before {
        Some(Sight::Lost(why)) => Some(why.as_str()),
        _ => None,
    };
    if let Some((_, earlier)) = seen.split_last()
        && flaps(earlier)
    {
        // It came to rest.
        let other = sights.iter().enumerate().rev().find_map(|(place, sight)| {
            let value = (*sight)?.seen()?;
            (value.same != to.same).then_some((place, value))
        });
        return other.map_or(Outcome::Same, |from| Outcome::Changed { from, to, regained });
    }
    match (from.1.same == to.same, regained) {
        (false, regained) => Outcome::Changed { from, to, regained },
        (true, Some(why)) => comes_and_goes(sights).map_or(Outcome::Returned { from, to, why }, Outcome::Flapping),
        (true, None) => Outcome::Same,
    }
}

/// The last sights of what could be told and could not be in turn, within [`WINDOW`] runs that asked.
fn comes_and_goes(sights: &[Option<&Sight>]) -> Option<Vec<String>> {
    let asked: Vec<&Sight> = sights.iter().copied().flatten().collect();
    let window = asked.get(asked.len().saturating_sub(WINDOW)..)?;
    let turns =
        window.windows(2).filter(|pair| matches!(pair, [one, other] if one.seen().is_some() != other.seen().is_some()));
    let words = |sight: &&Sight| sight.seen().map_or_else(|| NOT_TOLD.to_owned(), |value| value.words.clone());
    (turns.count() > CHANGES_BACK).then(|| window.iter().map(words).collect())
}

fn window<'s, 'a>(seen: &'s [&'a Value]) -> &'s [&'a Value] {
    seen.get(seen.len().saturating_sub(WINDOW)..).unwrap_or(seen)
}

/// Whether the last of these sights alternate.
fn flaps(seen: &[&Value]) -> bool {
    let window = window(seen);
    let mut left: Vec<&str> = Vec::new();
    let mut back = 0;
    for pair in window.windows(2) {
        let [before, after] = pair else { continue };
        if before.same != after.same {
            back += usize::from(left.contains(&after.same.as_str()));
            left.push(&before.same);
        }
    }
    back >= CHANGES_BACK
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter is a value, `-` a run that could not tell, and a blank one that did not ask.
    fn told(letters: &str, base: usize) -> String {
        let sights: Vec<Option<Sight>> = letters
            .chars()
            .map(|letter| match letter {
                ' ' => None,
                '-' => Some(Sight::lost("no answer")),
                value => Some(Sight::text(value.to_string())),
            })
            .collect();
        let sights: Vec<Option<&Sight>> = sights.iter().map(Option::as_ref).collect();
        match course(&sights, base) {
            Outcome::Same => "same".to_owned(),
            Outcome::Changed { from, to, regained } => {
                format!("{}{}{}{}", from.1.words, from.0, to.words, if regained.is_some() { " again" } else { "" })
            }
            Outcome::Returned { from, to, .. } => format!("{}{}={}", from.1.words, from.0, to.words),
            Outcome::Flapping(words) => words.concat().replace("not told", "-"),
            Outcome::Lost { from, .. } => format!("{}-", from.words),
            Outcome::First { to, asked } => format!("{}{}", if asked.is_some() { "-" } else { " " }, to.words),
            Outcome::Untold(_) => "untold".to_owned(),
            Outcome::Gone(from) => format!("{} gone", from.words),
        }
    }

    fn last(letters: &str) -> String {
        told(letters, letters.chars().count() - 2)
    }

    #[test]
    fn two_runs_are_compared() {
        for (letters, expected) in [
            ("AA", "same"),
            ("AB", "A0B"),
            ("A-", "A-"),
            ("-A", "-A"),
            (" A", " A"),
            ("A ", "A gone"),
            ("--", "untold"),
            (" -", "untold"),
            ("- ", "same"),
            ("  ", "same"),
        ] {
            assert_eq!(last(letters), expected, "{letters:?}");
        }
    }

    #[test]
    fn a_sight_that_returns_is_compared_with_the_last_one() {
        for (letters, expected) in [
            ("A-A", "A0=A"),
            ("A-B", "A0B again"),
            ("AB--B", "B1=B"),
            ("BA-- A", "same"),
            ("A -B", "A0B again"),
            ("A-A-A", "A-A-A"),
            ("A-AA--A", "A3=A"),
        ] {
            assert_eq!(last(letters), expected, "{letters:?}");
        }
    }

    #[test]
    fn what_alternates_flaps_until_it_rests() {
        for (letters, expected) in [
            ("ABA", "B1A"),
            ("ABAB", "ABAB"),
            ("AABAB", "AABAB"),
            ("A-BA-B", "ABAB"),
            ("ABCD", "C2D"),
            ("ABCAB", "ABCAB"),
            ("ABABB", "ABABB"),
            ("ABABBB", "A2B"),
            ("ABABBBB", "same"),
            ("ABABAAA", "B3A"),
            ("ABABAAAA", "same"),
            ("ABAB-", "B-"),
            ("AAAAB", "A3B"),
            ("ABBBBBBA", "B6A"),
        ] {
            assert_eq!(last(letters), expected, "{letters:?}");
        }
    }

    #[test]
    fn runs_between_the_two_tell_of_flapping_and_of_nothing_else() {
        assert_eq!(told("ACCB", 0), "A0B");
        assert_eq!(told("ABAA", 0), "same");
        assert_eq!(told("ABAB", 0), "ABAB");
    }
}
