//! Which of many does a server accept? Hellos that offer some of them side by side, without any sending of its own.
//!
//! A hello names what the server picks of it; the rest is offered again, until it is refused. What met no clear word is kept
//! apart: it was neither accepted nor refused.

use std::collections::VecDeque;

/// What is left of an offer is halved while it is longer than this: a further hello costs less than a further round trip.
const HALVED: usize = 12;

/// How a server answered an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probe) enum Said {
    /// It chose this.
    Picked(u16),
    /// It wants none of it.
    Refused,
    /// Nobody can tell.
    Unclear(Why),
}

/// Why an answer is not clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probe) enum Why {
    /// The connection was closed or reset.
    HungUp,
    /// An alert that refuses no suite by its meaning.
    Alert(u8),
    /// Nothing came in time.
    Silent,
    /// No connection could be made.
    NoConnection,
    /// What was accepted before is so no longer.
    Stopped,
    /// Our time was over.
    OutOfTime,
    /// Something else.
    Odd(String),
}

impl Why {
    /// Whether it refuses where hellos that are known to work are accepted before and after.
    pub(in crate::probe) fn may_refuse(&self) -> bool {
        matches!(self, Self::HungUp | Self::Alert(_))
    }

    /// What is to be said of a list that lacks an answer for this reason.
    pub(in crate::probe) fn words(&self) -> String {
        match self {
            Self::HungUp => "connections are closed whatever is offered".to_owned(),
            Self::Alert(number) => format!("some hellos are answered by alert {number}, whatever they offer"),
            Self::Silent => "some hellos are not answered".to_owned(),
            Self::NoConnection => "some connections could not be made".to_owned(),
            Self::Stopped => "what was accepted before was turned away later".to_owned(),
            Self::OutOfTime => "the time for this port was over".to_owned(),
            Self::Odd(what) => what.clone(),
        }
    }
}

/// What was chosen of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probe) struct Pick {
    pub(in crate::probe) winner: u16,
    pub(in crate::probe) offered: Vec<u16>,
}

/// A search.
#[derive(Clone, Debug, Default)]
pub(in crate::probe) struct Search {
    open: VecDeque<Vec<u16>>,
    most: usize,
    found: Vec<u16>,
    picks: Vec<Pick>,
    unheard: Vec<(Vec<u16>, Why)>,
}

impl Search {
    /// Searches those that servers often accept, `few` in an offer, since each that is accepted costs a hello, and hellos for
    /// the same few can only be sent one after the other; and `others`, `most` in an offer.
    pub(in crate::probe) fn new(likely: &[u16], few: usize, others: &[u16], most: usize) -> Self {
        let most = most.max(1);
        let open = deal(likely, few.min(most)).into_iter().chain(deal(others, most)).collect();
        Self { open, most, ..Self::default() }
    }

    /// The next offer, which can be sent beside all others that have no answer yet.
    pub(in crate::probe) fn next(&mut self) -> Option<Vec<u16>> {
        self.open.pop_front()
    }

    /// Notes how an offer was answered.
    pub(in crate::probe) fn tell(&mut self, offered: Vec<u16>, said: Said) {
        match said {
            Said::Refused => {}
            Said::Unclear(why) => self.unheard.push((offered, why)),
            Said::Picked(winner) => {
                let rest: Vec<u16> = offered.iter().copied().filter(|item| *item != winner).collect();
                if rest.len() == offered.len() {
                    let why = Why::Odd(format!("the server chose 0x{winner:04x}, which was not offered"));
                    self.unheard.push((offered, why));
                    return;
                }
                self.found.push(winner);
                self.picks.push(Pick { winner, offered });
                if rest.is_empty() {
                    return;
                }
                // Longer rests wait: what they hold is the least likely, and the slots are few.
                let parts = if rest.len() > HALVED { deal(&rest, rest.len().div_ceil(2)) } else { vec![rest] };
                self.open.extend(parts);
            }
        }
    }

    /// What was accepted, in the order in which it was found.
    pub(in crate::probe) fn found(&self) -> &[u16] {
        &self.found
    }

    /// What was chosen of what.
    pub(in crate::probe) fn picks(&self) -> &[Pick] {
        &self.picks
    }

    /// Takes what met no clear word, to be offered alone: in as few offers as may be.
    pub(in crate::probe) fn take_unheard(&mut self) -> Vec<Vec<u16>> {
        let items: Vec<u16> = self.unheard.drain(..).flat_map(|(offered, _)| offered).collect();
        deal(&items, self.most)
    }

    /// Why the list may lack some.
    pub(in crate::probe) fn incomplete(&self) -> Option<&Why> {
        self.unheard.first().map(|(_, why)| why)
    }
}

/// Deals `items` out in parts of no more than `most`, each in their order, so that neighbours, which servers accept or refuse
/// together, come into different parts.
fn deal(items: &[u16], most: usize) -> Vec<Vec<u16>> {
    let parts = items.len().div_ceil(most.max(1));
    (0..parts).map(|part| items.iter().skip(part).step_by(parts).copied().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Asks a server round by round, with so many connections at once; says how many hellos and rounds it took.
    fn run(search: &mut Search, at_once: usize, mut server: impl FnMut(&[u16]) -> Said) -> (usize, usize) {
        let (mut hellos, mut rounds) = (0, 0);
        loop {
            let round: Vec<Vec<u16>> = std::iter::from_fn(|| search.next()).take(at_once).collect();
            if round.is_empty() {
                return (hellos, rounds);
            }
            rounds += 1;
            for offered in round {
                hellos += 1;
                assert!(!offered.is_empty() && offered.len() <= search.most);
                let said = server(&offered);
                search.tell(offered, said);
            }
        }
    }

    fn sorted(items: &[u16]) -> Vec<u16> {
        let mut items = items.to_vec();
        items.sort_unstable();
        items
    }

    #[test]
    fn a_usual_server_takes_few_rounds() {
        let (likely, others): (Vec<u16>, Vec<u16>) = ((0..110).collect(), (110..340).collect());
        // Thirty of those that are likely, in families; and three odd ones.
        let accepts: BTreeSet<u16> = (0..10).chain(40..50).chain(80..90).chain([111, 112, 113]).collect();
        let mut search = Search::new(&likely, 8, &others, 100);
        let (hellos, rounds) = run(&mut search, 16, |offered| {
            offered.iter().find(|item| accepts.contains(item)).map_or(Said::Refused, |item| Said::Picked(*item))
        });
        assert_eq!(sorted(search.found()), accepts.into_iter().collect::<Vec<_>>());
        assert!(hellos <= 65 && rounds <= 9, "{hellos} hellos in {rounds} rounds");
    }

    proptest! {
        #[test]
        fn what_a_server_accepts_is_found_exactly(
            accepts in proptest::collection::btree_set(0_u16..300, 0..120),
            likely in 0_u16..200,
            most in 1_usize..120,
            by_server: bool,
        ) {
            let (first, others): (Vec<u16>, Vec<u16>) = ((0..likely).collect(), (likely..300).collect());
            let mut search = Search::new(&first, 8, &others, most);
            run(&mut search, 16, |offered| {
                let mut wanted = offered.iter().copied().filter(|item| accepts.contains(item));
                let picked = if by_server { wanted.max() } else { wanted.next() };
                picked.map_or(Said::Refused, Said::Picked)
            });
            prop_assert_eq!(sorted(search.found()), accepts.into_iter().collect::<Vec<_>>());
            prop_assert!(search.incomplete().is_none());
        }

        /// Every offer that is turned away is offered again, and nothing of it counts as refused before.
        #[test]
        fn what_is_turned_away_is_never_refused(
            accepts in proptest::collection::btree_set(0_u16..200, 1..60),
            turned_away in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let all: Vec<u16> = (0..200).collect();
            let mut search = Search::new(&all, 8, &[], 100);
            let pick = |offered: &[u16]| {
                offered.iter().find(|item| accepts.contains(item)).map_or(Said::Refused, |item| Said::Picked(*item))
            };
            let mut turns = turned_away.into_iter();
            run(&mut search, 16, |offered| {
                if turns.next() == Some(true) { Said::Unclear(Why::HungUp) } else { pick(offered) }
            });
            let whole = search.found().len() == accepts.len();
            prop_assert!(whole || search.incomplete().is_some());
            let mut again = search.take_unheard();
            while let Some(offered) = again.pop() {
                let said = pick(&offered);
                search.tell(offered, said);
                again.extend(std::iter::from_fn(|| search.next()));
            }
            prop_assert_eq!(sorted(search.found()), accepts.into_iter().collect::<Vec<_>>());
            prop_assert!(search.incomplete().is_none());
        }
    }

    #[test]
    fn a_choice_that_was_not_offered_makes_the_list_incomplete() {
        let mut search = Search::new(&[1, 2, 3], 8, &[], 100);
        let offered = search.next().unwrap();
        search.tell(offered, Said::Picked(9));
        assert!(matches!(search.incomplete(), Some(Why::Odd(_))) && search.found().is_empty());
    }
}
