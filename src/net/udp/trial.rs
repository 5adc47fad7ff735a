//! One trial: ports that are silent, asked once more, and right after them one that is known to be closed.
//!
//! A closed port that is asked while the host has a token takes the token and is refused. So a port that stays silent
//! while the next one is refused had the token before it and did not take it: something listens there, or drops what
//! comes. When nothing is refused, the host had no token, or the answer was lost, and nothing is learned.

use super::ration::Ration;
use std::time::Duration;

/// Once the last port was refused, how long the answers before it may still be under way.
const STRAGGLERS: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug)]
struct Sent {
    port: usize,
    at: Option<Duration>,
    refused: Option<Duration>,
}

/// A trial under way.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// The ports in question, and last the one that is known to be closed.
    ports: Vec<Sent>,
    /// The last refusal before this trial.
    before: Option<Duration>,
    /// Whether the host may have been without a token when it began.
    may_be_empty: bool,
}

/// What a trial showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Ports that were silent while the host had a token, as far as can be known.
    pub(super) silent: Vec<usize>,
    /// How many of the ports in question were refused.
    pub(super) refused: usize,
    /// Whether the port that is known to be closed was refused.
    pub(super) control: bool,
}

impl Trial {
    pub(super) fn new(ports: &[usize], control: usize, before: Option<Duration>, ration: &Ration) -> Self {
        let sent = |&port: &usize| Sent { port, at: None, refused: None };
        Self { ports: ports.iter().chain([&control]).map(sent).collect(), before, may_be_empty: ration.may_be_empty() }
    }

    /// The port that is asked next. Once the only port in question was refused, the known one tells nothing more.
    pub(super) fn next(&self) -> Option<usize> {
        match self.ports.as_slice() {
            [only, control] if only.refused.is_some() && control.at.is_none() => None,
            ports => ports.iter().find(|sent| sent.at.is_none()).map(|sent| sent.port),
        }
    }

    /// The next datagram left, or could not.
    pub(super) fn sent(&mut self, now: Duration) {
        if let Some(sent) = self.ports.iter_mut().find(|sent| sent.at.is_none()) {
            sent.at = Some(now);
        }
    }

    /// A port was refused. What comes before it can be an answer is one to an earlier trial.
    pub(super) fn refused(&mut self, now: Duration, port: usize, too_soon: Duration) {
        let asked =
            self.ports.iter_mut().find(|sent| sent.port == port && sent.at.is_some_and(|at| now >= at + too_soon));
        if let Some(sent) = asked {
            sent.refused.get_or_insert(now);
        }
    }

    /// When it is over, for one whose datagrams have all left.
    pub(super) fn ends(&self, listen: Duration) -> Duration {
        match self.ports.as_slice() {
            [only, control] if control.at.is_none() => only.refused.unwrap_or_default(),
            // Once all were refused, what comes of the known port comes right behind.
            [ports @ .., control] => match control.refused.or(latest(ports)) {
                Some(refused) => refused + STRAGGLERS,
                None => control.at.unwrap_or_default() + listen,
            },
            [] => Duration::ZERO,
        }
    }

    /// What it showed.
    pub(super) fn outcome(&self, ration: &Ration) -> Outcome {
        let [ports @ .., control] = self.ports.as_slice() else {
            return Outcome { silent: Vec::new(), refused: 0, control: false };
        };
        // The first refusal took the first token. Those asked before it had the choice; those after it may have had none.
        let mut silent = Vec::new();
        let first = self.ports.iter().position(|sent| sent.refused.is_some());
        for (place, sent) in ports.iter().enumerate().filter(|(_, sent)| sent.refused.is_none()) {
            let witness = match first {
                Some(first) if place < first => self.ports.get(first),
                _ => Some(control).filter(|control| control.refused.is_some()),
            };
            let Some((at, witnessed)) = sent.at.zip(witness.and_then(|witness| witness.at)) else { continue };
            let together = witnessed.saturating_sub(at) <= ration.moment();
            let had_token = ration.had_token(self.before, at) && first.is_some_and(|first| place < first);
            if !self.may_be_empty || together || had_token {
                silent.push(sent.port);
            }
        }
        Outcome {
            silent,
            refused: ports.iter().filter(|sent| sent.refused.is_some()).count(),
            control: control.refused.is_some(),
        }
    }
}

/// When the last of these ports was refused, if all were.
fn latest(ports: &[Sent]) -> Option<Duration> {
    ports.iter().map(|sent| sent.refused).collect::<Option<Vec<Duration>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A ration of one a second, last refused at 1 s.
    fn rationed() -> Ration {
        let mut ration = Ration::default();
        ration.refused(at(0));
        (0..3).for_each(|_| ration.denied());
        ration.refused(at(1000));
        ration
    }

    /// Asks ports 0 to `count - 1` and then 9, one each `step`, from `begin` on; those in `refused` are.
    fn after(count: usize, begin: u64, step: u64, refused: &[usize], ration: &Ration) -> Outcome {
        let ports: Vec<usize> = (0..count).collect();
        let mut trial = Trial::new(&ports, 9, Some(at(1000)), ration);
        let mut now = at(begin);
        while trial.next().is_some() {
            trial.sent(now);
            now += at(step);
        }
        for port in refused {
            trial.refused(now + at(20), *port, at(10));
        }
        trial.outcome(ration)
    }

    #[test]
    fn a_silent_port_before_a_refused_one_did_not_take_the_token() {
        let outcome = after(1, 2000, 1, &[9], &rationed());
        assert_eq!(outcome, Outcome { silent: vec![0], refused: 0, control: true });
        let outcome = after(4, 2500, 1, &[2], &rationed());
        assert_eq!(outcome, Outcome { silent: vec![0, 1], refused: 1, control: false });
    }

    #[test]
    fn where_nothing_is_refused_nothing_is_learned() {
        assert_eq!(after(3, 2500, 1, &[], &rationed()).silent, Vec::<usize>::new());
    }

    #[test]
    fn a_token_that_may_have_come_in_between_speaks_for_none_before_it() {
        assert_eq!(after(3, 1900, 30, &[9], &rationed()).silent, Vec::<usize>::new());
        assert_eq!(after(3, 2500, 30, &[9], &rationed()).silent, [0, 1, 2]);
        let plenty = Ration::default();
        assert_eq!(after(3, 1900, 30, &[9], &plenty).silent, [0, 1, 2], "this host has never been without a token");
    }

    #[test]
    fn the_known_port_is_spared_when_the_only_one_in_question_is_refused() {
        let ration = rationed();
        let mut trial = Trial::new(&[3], 9, None, &ration);
        trial.sent(at(2000));
        trial.refused(at(2001), 3, at(10));
        assert_eq!(trial.next(), Some(9), "that was the answer to an earlier datagram");
        trial.refused(at(2020), 3, at(10));
        assert_eq!(trial.next(), None);
        assert_eq!(trial.ends(at(100)), at(2020));
        assert_eq!(trial.outcome(&ration), Outcome { silent: vec![], refused: 1, control: false });
    }
}
