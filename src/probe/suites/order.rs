//! In which order does a server prefer what it accepts? A hello that offers some of it names the first of them, and no more.
//!
//! Asking for the first, the second and so on would take as many round trips as there are suites. So an order is guessed, and
//! every place of it asked at once: whether what the guess names there is the first of all that come later. What is wrong
//! leads to the next guess. All that was ever answered counts, and nothing is asked that follows from it.

use super::search::Pick;
use std::collections::BTreeSet;

/// How many hellos a round of guessing sends at most, after the first, which asks every place of the guess.
const ROUND: usize = 16;

/// What is known of a server's order.
#[derive(Clone, Debug)]
pub(in crate::probe) struct Ranking {
    /// What is accepted, in the order that is guessed first.
    items: Vec<u16>,
    /// Whether the server prefers one (row) to another (column), as was answered or follows.
    beats: Vec<Vec<bool>>,
    contradicted: bool,
    asked: usize,
}

/// How a guess goes on where nothing is known.
#[derive(Clone, Copy, Debug)]
enum Guess {
    /// In our order.
    Ours,
    /// With the neighbour of what went before: what is out of our order is so in blocks.
    Neighbour,
}

impl Ranking {
    /// Nothing is known of the order of `items`, and this one is guessed.
    pub(in crate::probe) fn new(items: &[u16]) -> Self {
        let count = items.len();
        Self { items: items.to_vec(), beats: vec![vec![false; count]; count], contradicted: false, asked: 0 }
    }

    /// Notes what was chosen of an offer. What is not accepted does not matter.
    pub(in crate::probe) fn note(&mut self, pick: &Pick) {
        let Some(winner) = self.place(pick.winner) else { return };
        let offered: Vec<usize> = pick.offered.iter().filter_map(|item| self.place(*item)).collect();
        for loser in offered {
            if loser != winner {
                self.prefer(winner, loser);
            }
        }
    }

    fn place(&self, item: u16) -> Option<usize> {
        self.items.iter().position(|other| *other == item)
    }

    fn known(&self, one: usize, other: usize) -> bool {
        self.beats.get(one).and_then(|row| row.get(other)).copied().unwrap_or(false)
    }

    /// Notes that one is preferred to another, and all that follows.
    fn prefer(&mut self, winner: usize, loser: usize) {
        if self.known(loser, winner) {
            self.contradicted = true;
        }
        if self.known(winner, loser) {
            return;
        }
        let all = 0..self.items.len();
        let below: Vec<usize> = all.clone().filter(|item| *item == loser || self.known(loser, *item)).collect();
        let above: Vec<usize> = all.filter(|item| *item == winner || self.known(*item, winner)).collect();
        for item in above {
            let Some(row) = self.beats.get_mut(item) else { continue };
            for (place, beats) in row.iter_mut().enumerate() {
                *beats |= below.contains(&place);
            }
        }
    }

    /// Whether answers contradict each other: the server has no one order.
    pub(in crate::probe) fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// The order, where all of it is known.
    pub(in crate::probe) fn order(&self) -> Option<Vec<u16>> {
        let mut by_losers: Vec<(usize, u16)> = Vec::new();
        for (row, item) in self.beats.iter().zip(&self.items) {
            by_losers.push((row.iter().filter(|beats| **beats).count(), *item));
        }
        by_losers.sort_unstable_by(|a, b| b.cmp(a));
        let whole = by_losers.iter().rev().enumerate().all(|(place, (losers, _))| *losers == place);
        (whole && !self.contradicted).then(|| by_losers.into_iter().map(|(_, item)| item).collect())
    }

    /// What to offer next, all at once; nothing where the order is known, or none exists.
    pub(in crate::probe) fn questions(&mut self) -> Vec<Vec<u16>> {
        if self.contradicted || self.order().is_some() {
            return Vec::new();
        }
        let most = if self.asked == 0 { self.items.len() } else { ROUND };
        let guesses = if self.asked == 0 { vec![Guess::Ours] } else { vec![Guess::Ours, Guess::Neighbour] };
        self.asked += 1;
        let walks: Vec<Vec<Vec<usize>>> = guesses.into_iter().map(|guess| self.walk(guess)).collect();
        let longest = walks.iter().map(Vec::len).max().unwrap_or(0);
        // The first places of every guess come before the later ones of any.
        let in_turn = (0..longest).flat_map(|place| walks.iter().filter_map(move |walk| walk.get(place)));
        let mut seen = BTreeSet::new();
        let new = in_turn.filter(|question| seen.insert((*question).clone()));
        let item = |place: &usize| self.items.get(*place).copied();
        new.take(most).map(|question| question.iter().filter_map(item).collect()).collect()
    }

    /// The questions of one guess: at each place of it, those that may stand there, unless it is but one.
    fn walk(&self, guess: Guess) -> Vec<Vec<usize>> {
        let mut remaining: Vec<usize> = (0..self.items.len()).collect();
        let mut questions = Vec::new();
        let mut last = None;
        while remaining.len() > 1 {
            let may: Vec<usize> = remaining
                .iter()
                .copied()
                .filter(|item| !remaining.iter().any(|other| self.known(*other, *item)))
                .collect();
            let next = match guess {
                Guess::Ours => may.first(),
                Guess::Neighbour => may.iter().find(|item| last.is_some_and(|last| **item > last)).or(may.first()),
            };
            let Some(next) = next.copied() else { return questions };
            if may.len() > 1 {
                questions.push(may);
            }
            remaining.retain(|item| *item != next);
            last = Some(next);
        }
        questions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Asks a server with this order until its order is known; says how many rounds and hellos that took.
    fn ask(truth: &[u16], guess: &[u16]) -> (Option<Vec<u16>>, usize, usize) {
        let mut ranking = Ranking::new(guess);
        let (mut rounds, mut hellos) = (0, 0);
        loop {
            let questions = ranking.questions();
            if questions.is_empty() {
                return (ranking.order(), rounds, hellos);
            }
            rounds += 1;
            for offered in questions {
                hellos += 1;
                let winner = *truth.iter().find(|item| offered.contains(item)).unwrap();
                ranking.note(&Pick { winner, offered });
            }
        }
    }

    #[test]
    fn orders_that_servers_have_take_few_rounds() {
        let ours: Vec<u16> = (0..30).collect();
        let as_guessed = ours.clone();
        let swapped: Vec<u16> = ours[10..20].iter().chain(&ours[..10]).chain(&ours[20..]).copied().collect();
        let mut one_first = ours.clone();
        one_first.rotate_right(1);
        let evens_first: Vec<u16> = ours.iter().step_by(2).chain(ours.iter().skip(1).step_by(2)).copied().collect();
        for (order, most) in [(as_guessed, 1), (swapped, 4), (one_first, 4), (evens_first, 29)] {
            let (found, rounds, hellos) = ask(&order, &ours);
            assert_eq!(found.as_ref(), Some(&order));
            assert!(rounds <= most, "{rounds} rounds and {hellos} hellos for {order:?}");
        }
    }

    #[test]
    fn a_server_that_contradicts_itself_has_no_order() {
        let mut ranking = Ranking::new(&[1, 2, 3]);
        for (winner, loser) in [(1, 2), (2, 3), (3, 1)] {
            ranking.note(&Pick { winner, offered: vec![loser, winner] });
        }
        assert!(ranking.is_contradicted() && ranking.order().is_none() && ranking.questions().is_empty());
    }

    proptest! {
        #[test]
        fn every_order_is_found_in_no_more_rounds_than_one_by_one(
            order in Just((0_u16..40).collect::<Vec<_>>()).prop_shuffle(),
            count in 0_usize..40,
        ) {
            let order = &order[..count];
            let mut guess = order.to_vec();
            guess.sort_unstable();
            let (found, rounds, _) = ask(order, &guess);
            prop_assert_eq!(found.as_deref(), Some(order));
            prop_assert!(rounds <= count.max(1));
        }

        #[test]
        fn what_was_seen_before_is_not_asked_again(order in Just((0_u16..20).collect::<Vec<_>>()).prop_shuffle()) {
            let mut guess = order.clone();
            guess.sort_unstable();
            let mut ranking = Ranking::new(&guess);
            for place in 0..order.len() {
                ranking.note(&Pick { winner: order[place], offered: order[place..].to_vec() });
            }
            prop_assert!(ranking.questions().is_empty());
            prop_assert_eq!(ranking.order(), Some(order));
        }
    }
}
