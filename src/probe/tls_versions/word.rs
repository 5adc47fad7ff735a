//! What an answer to one hello is worth, and what it would take for a limit to have given it.

use super::Stop;
use crate::model::observation::Cause;
use crate::model::tls::{TlsAnswer, TlsVersion};

/// `protocol_version` (RFC 8446, section 6.2): the one alert that speaks of the version.
const PROTOCOL_VERSION: u8 = 70;

/// `internal_error` and `user_canceled` (RFC 8446, section 6): the server's own trouble, as when it serves too many.
const OWN_TROUBLE: [u8; 2] = [80, 90];

/// What a hello met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// It could not be asked.
    Skipped,
    /// Another failure, such as an answer that cannot be read.
    Lost,
    /// Nothing came in time.
    Silent,
    /// The connection was not made, or ended in the middle of an answer.
    Broken,
    /// The connection was closed or reset instead of a word, or with one about the server itself.
    HangUp,
    /// Something answered that is no TLS.
    NotTls,
    /// An alert that may be about anything.
    Alert,
    /// The version is refused.
    Refused,
    /// It is accepted.
    Accepted,
}

impl Word {
    pub(super) fn of(version: TlsVersion, answer: &Result<TlsAnswer, Stop>) -> Self {
        match answer {
            Ok(TlsAnswer::Accepted { .. }) => Self::Accepted,
            Ok(TlsAnswer::OtherVersion { .. } | TlsAnswer::Ssl2Error { .. }) => Self::Refused,
            Ok(TlsAnswer::Alert { description }) if OWN_TROUBLE.contains(description) => Self::HangUp,
            // SSL 2.0 has no alerts: who sends one does not speak it.
            Ok(TlsAnswer::Alert { description }) if *description == PROTOCOL_VERSION || version == TlsVersion::Ssl2 => {
                Self::Refused
            }
            Ok(TlsAnswer::Alert { .. }) => Self::Alert,
            Ok(TlsAnswer::Closed | TlsAnswer::Reset) => Self::HangUp,
            Ok(TlsAnswer::NotTls { .. }) => Self::NotTls,
            Err(Stop::Failed(failure)) => match failure.cause {
                Cause::Closed | Cause::Reset | Cause::Refused => Self::Broken,
                Cause::TimedOut { .. } => Self::Silent,
                _ => Self::Lost,
            },
            Err(Stop::Skipped(_)) => Self::Skipped,
        }
    }

    /// Whether it settles what the version is.
    pub(super) fn is_clear(self) -> bool {
        self >= Self::Refused
    }

    /// Whether somebody answered: no limit was in the way.
    pub(super) fn is_served(self) -> bool {
        self >= Self::NotTls
    }

    /// Whether this answer to a hello takes the place of an earlier one.
    pub(super) fn replaces(self, earlier: Self) -> bool {
        self > earlier || !earlier.is_served()
    }
}

/// How many hellos of a pass, sent in random order, met what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance {
    /// Those of one version that were turned away.
    pub(super) away: u32,
    /// The controls, none of which was.
    pub(super) controls: u32,
    /// All, of any version.
    pub(super) all: u32,
    /// Those of all that nobody answered.
    pub(super) unanswered: u32,
}

impl Chance {
    /// One in how many times a limit, which takes no account of what is offered, would meet all of `away` by chance. Either
    /// it spares every control: in as many ways as `away` can lie among both, one is that. Or, without controls, it meets as
    /// many of all hellos as were not answered for whatever reason, and `away` must all be among them.
    pub(super) fn one_in(self) -> f64 {
        if self.away == 0 {
            return 0.0;
        }
        let ways = |more: u32, less: u32| (0..self.away).map(|n| f64::from(more - n) / f64::from(less - n)).product();
        let by_controls: f64 = ways(self.away + self.controls, self.away);
        let by_answers: f64 = ways(self.all.max(self.away), self.unanswered.max(self.away));
        by_controls.max(by_answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::{Blame, Failure, Stage};

    #[test]
    fn only_words_about_the_version_are_clear() {
        let failed = |cause| Err(Stop::Failed(Failure { stage: Stage::Handshake, blame: Blame::Peer, cause }));
        let word = |answer: Result<TlsAnswer, Stop>| Word::of(TlsVersion::Tls10, &answer);
        assert!(word(Ok(TlsAnswer::Accepted { suite: 1 })).is_clear());
        assert!(word(Ok(TlsAnswer::Alert { description: 70 })).is_clear());
        assert!(word(Ok(TlsAnswer::OtherVersion { version: 0x0303 })).is_clear());
        for description in [10, 40, 47, 50, 71, 80, 86, 112] {
            assert!(!word(Ok(TlsAnswer::Alert { description })).is_clear(), "{description}");
        }
        for answer in [Ok(TlsAnswer::Closed), Ok(TlsAnswer::Reset), failed(Cause::Closed), failed(Cause::Refused)] {
            assert!(!word(answer.clone()).is_clear() && !word(answer).is_served());
        }
        assert_eq!(Word::of(TlsVersion::Ssl2, &Ok(TlsAnswer::Alert { description: 40 })), Word::Refused);
        assert_eq!([word(Ok(TlsAnswer::Alert { description: 80 })), word(Ok(TlsAnswer::Closed))], [Word::HangUp; 2]);
    }

    #[test]
    fn a_clear_answer_stays_and_an_unclear_one_gives_way() {
        let every = [Word::Silent, Word::Broken, Word::HangUp, Word::Alert, Word::Refused, Word::Accepted];
        for later in every {
            assert!(later == Word::Accepted || !later.replaces(Word::Accepted));
            assert!(later.replaces(Word::HangUp) && later.replaces(Word::Silent));
            assert_eq!(later.replaces(Word::Alert), later > Word::Alert);
        }
    }

    #[test]
    fn a_limit_spares_all_controls_only_by_chance() {
        let one_in = |away, controls| format!("{:.0}", Chance { away, controls, all: 20, unanswered: 20 }.one_in());
        assert_eq!(
            [one_in(0, 9), one_in(1, 0), one_in(1, 9), one_in(4, 10), one_in(2, 20)],
            ["0", "1", "10", "1001", "231"]
        );
    }

    #[test]
    fn where_many_are_turned_away_it_proves_nothing_that_some_are() {
        let one_in = |away, all, unanswered| format!("{:.0}", Chance { away, controls: 0, all, unanswered }.one_in());
        // Four of thirty, and nobody else; five where every other one was; all of them.
        assert_eq!([one_in(4, 30, 4), one_in(5, 30, 15), one_in(5, 5, 5)], ["27405", "47", "1"]);
    }
}
