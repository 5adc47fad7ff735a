//! What one address, or one port of it, contributes to a check.

use crate::model::observation::ObservationId;
use crate::model::verdict::{Check, Confidence, Verdict};
use std::collections::BTreeSet;

/// How many sentences of what was seen a check keeps; the observations hold the rest.
const SEEN_LIMIT: usize = 12;

/// How many observations a check names; where something answers on every port, each is one of tens of thousands.
const RESTS_LIMIT: usize = 500;

/// A contribution to a check.
#[derive(Clone, Debug)]
pub(super) struct Part {
    verdict: Verdict,
    confidence: Confidence,
    why: String,
    settle: Option<String>,
    seen: Vec<String>,
    rests_on: Vec<ObservationId>,
    excusable: bool,
    lacking: bool,
}

impl Part {
    pub(super) fn new(verdict: Verdict, confidence: Confidence, why: &str) -> Self {
        Self {
            verdict,
            confidence,
            why: why.to_owned(),
            settle: None,
            seen: Vec::new(),
            rests_on: Vec::new(),
            excusable: false,
            lacking: false,
        }
    }

    pub(super) fn pass(why: &str) -> Self {
        Self::new(Verdict::Pass, Confidence::High, why)
    }

    pub(super) fn fail(why: &str) -> Self {
        Self::new(Verdict::Fail, Confidence::High, why)
    }

    pub(super) fn inconclusive(why: &str) -> Self {
        Self::new(Verdict::Inconclusive, Confidence::High, why)
    }

    pub(super) fn not_applicable(why: &str) -> Self {
        Self::new(Verdict::NotApplicable, Confidence::High, why)
    }

    /// Nothing could be asked, for there is nothing to ask.
    pub(super) fn no_address() -> Self {
        Self::inconclusive("the name leads to no address, so nothing was asked")
            .settle("Make the name resolve from this machine, or give the server's address as `host`.")
    }

    /// Silence that proves nothing, for the target may be dropping us.
    pub(super) fn stopped_answering() -> Self {
        Self::inconclusive("the target did not answer again what it had answered before, so silence proves nothing")
            .settle("Scan again more slowly (--rate 20), or from an address that the target does not block.")
    }

    /// Says more of why.
    pub(super) fn but(mut self, why: &str) -> Self {
        self.why = format!("{}, but {why}", self.why);
        self
    }

    /// What would settle it.
    pub(super) fn settle(mut self, settle: &str) -> Self {
        self.settle = Some(settle.to_owned());
        self
    }

    /// Something that was seen.
    pub(super) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen.push(seen.into());
        self
    }

    /// An observation that it rests on.
    pub(super) fn on(mut self, ids: impl IntoIterator<Item = ObservationId>) -> Self {
        self.rests_on.extend(ids);
        self
    }

    /// No more sure than this.
    pub(super) fn at_most(mut self, confidence: Confidence) -> Self {
        self.confidence = self.confidence.min(confidence);
        self
    }

    /// Better news from elsewhere (another address of the name, another directory) outweighs it.
    pub(super) fn excusable(mut self) -> Self {
        self.excusable = true;
        self
    }

    /// Something of the host's evidence that it needed was not collected.
    pub(super) fn lacking(mut self) -> Self {
        self.lacking = true;
        self
    }

    /// No more sure than another part that says the same.
    pub(super) fn lower_to(&mut self, other: &Self) {
        self.confidence = self.confidence.min(other.confidence);
    }

    /// What is said.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why it says what it says.
    pub(super) fn reason(&self) -> &str {
        &self.why
    }

    /// What is left where some part passed: the others, but for those that the good news outweighs. What those saw is kept,
    /// and lowers the confidence.
    pub(super) fn weigh(parts: Vec<Self>) -> Vec<Self> {
        if parts.iter().all(|part| part.verdict != Verdict::Pass) {
            return parts;
        }
        let (excused, kept): (Vec<Self>, Vec<Self>) = parts.into_iter().partition(|part| part.excusable);
        let seen: Vec<String> = excused.iter().flat_map(|part| part.seen.iter().cloned()).collect();
        let mut kept: Vec<Self> = kept;
        for part in kept.iter_mut().filter(|part| part.verdict == Verdict::Pass && !excused.is_empty()) {
            part.confidence = part.confidence.min(Confidence::Medium);
            part.seen.extend(seen.iter().cloned());
            part.rests_on.extend(excused.iter().flat_map(|part| part.rests_on.iter().copied()));
        }
        kept
    }

    /// What is left where one part is enough: those with the best news. What the others saw is kept, and lowers the
    /// confidence of a pass.
    pub(super) fn one_is_enough(parts: Vec<Self>) -> Vec<Self> {
        let news = |part: &Self| match part.verdict {
            Verdict::Pass => 2,
            Verdict::Fail => 0,
            _ => 1,
        };
        let best = parts.iter().map(news).max();
        let (mut kept, others): (Vec<Self>, Vec<Self>) = parts.into_iter().partition(|part| Some(news(part)) == best);
        if let Some(first) = kept.first_mut().filter(|_| !others.is_empty()) {
            if first.verdict == Verdict::Pass {
                first.confidence = first.confidence.min(Confidence::Medium);
            }
            for other in others {
                first.seen.extend(other.seen);
                first.rests_on.extend(other.rests_on);
            }
        }
        kept
    }

    /// The check that these parts make: the worst of them decides, and says why.
    pub(super) fn combine(rule: String, parts: Vec<Self>) -> Check {
        let verdict = parts.iter().map(|part| part.verdict).min().unwrap_or(Verdict::Inconclusive);
        let lacking = parts.iter().any(|part| part.lacking);
        let (deciding, others): (Vec<Self>, Vec<Self>) = parts.into_iter().partition(|part| part.verdict == verdict);
        let mut check = Check {
            rule,
            verdict,
            confidence: deciding.iter().map(|part| part.confidence).min().unwrap_or(Confidence::Low),
            seen: Vec::new(),
            why: "nothing was asked that could tell".to_owned(),
            settle: None,
            rests_on: Vec::new(),
            lacking,
        };
        let whys = each_once(deciding.iter().map(|part| part.why.as_str()));
        let settles = each_once(deciding.iter().filter_map(|part| part.settle.as_deref()));
        if !whys.is_empty() {
            check.why = whys.join("; ");
        }
        check.settle = (!settles.is_empty()).then(|| settles.join(" "));
        let parts = || deciding.iter().chain(&others);
        let mut known = BTreeSet::new();
        let ids = parts().flat_map(|part| part.rests_on.iter().copied());
        check.rests_on = ids.filter(|id| known.insert(*id)).collect();
        let seen = each_once(parts().flat_map(|part| part.seen.iter().map(String::as_str)));
        check.seen = seen.iter().take(SEEN_LIMIT).map(|seen| (*seen).to_owned()).collect();
        if seen.len() > SEEN_LIMIT {
            check.seen.push(format!("and {} more, among the observations", seen.len() - SEEN_LIMIT));
        }
        if check.rests_on.len() > RESTS_LIMIT {
            // What decides comes first, and stays.
            check
                .seen
                .push(format!("rests on {} more observations than are named", check.rests_on.len() - RESTS_LIMIT));
            check.rests_on.truncate(RESTS_LIMIT);
        }
        check.rests_on.sort_unstable();
        check
    }
}

/// The texts in their order, each once.
fn each_once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known = BTreeSet::new();
    texts.filter(|text| known.insert(*text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_and_says_why() {
        let parts = vec![
            Part::pass("fine here").seen("a"),
            Part::inconclusive("no answer").settle("Ask again.").seen("b").at_most(Confidence::Low),
            Part::not_applicable("not here"),
        ];
        let check = Part::combine("rule".into(), parts);
        assert_eq!((check.verdict, check.confidence), (Verdict::Inconclusive, Confidence::Low));
        assert_eq!(check.why, "no answer");
        assert_eq!(check.seen, ["b", "a"]);
    }

    #[test]
    fn where_one_is_enough_the_best_news_decides() {
        let (pass, fail) = (|| Part::pass("open").seen("a"), || Part::fail("refused").seen("b"));
        let untold = || Part::inconclusive("no answer").seen("c");
        let check = |parts| {
            let check = Part::combine("rule".into(), Part::one_is_enough(parts));
            (check.verdict, check.confidence, check.seen.len())
        };
        assert_eq!(check(vec![fail(), pass(), untold()]), (Verdict::Pass, Confidence::Medium, 3));
        assert_eq!(check(vec![fail(), untold()]), (Verdict::Inconclusive, Confidence::High, 2));
        assert_eq!(check(vec![fail(), fail()]), (Verdict::Fail, Confidence::High, 1));
        assert_eq!(check(vec![pass()]), (Verdict::Pass, Confidence::High, 1));
    }

    #[test]
    fn a_check_that_rests_on_every_port_names_no_more_than_the_first_observations_and_says_so() {
        let passes = (1..=60_000).map(|id| Part::pass("fine").on([ObservationId(id)]));
        let fails = (60_001..=60_003).map(|id| Part::fail("open").on([ObservationId(id), ObservationId(id)]));
        let check = Part::combine("rule".into(), passes.chain(fails).collect());
        assert_eq!(check.rests_on.len(), RESTS_LIMIT);
        assert!(check.rests_on.is_sorted() && check.rests_on.ends_with(&[60_001, 60_002, 60_003].map(ObservationId)));
        assert_eq!(check.seen, [format!("rests on {} more observations than are named", 60_003 - RESTS_LIMIT)]);
    }

    #[test]
    fn without_any_part_nothing_is_claimed() {
        assert_eq!(Part::combine("rule".into(), Vec::new()).verdict, Verdict::Inconclusive);
    }
}
