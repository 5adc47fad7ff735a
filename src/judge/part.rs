//! What one address, or one port of it, contributes to a check.

use crate::model::observation::ObservationId;
use crate::model::verdict::{Check, Confidence, Verdict};

/// How many sentences of what was seen a check keeps; the observations hold the rest.
const SEEN_LIMIT: usize = 12;

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

    /// The check that these parts make: the worst of them decides, and says why.
    pub(super) fn combine(rule: String, parts: Vec<Self>) -> Check {
        let verdict = parts.iter().map(|part| part.verdict).min().unwrap_or(Verdict::Inconclusive);
        let (deciding, others): (Vec<Self>, Vec<Self>) = parts.into_iter().partition(|part| part.verdict == verdict);
        let mut check = Check {
            rule,
            verdict,
            confidence: deciding.iter().map(|part| part.confidence).min().unwrap_or(Confidence::Low),
            seen: Vec::new(),
            why: "nothing was asked that could tell".to_owned(),
            settle: None,
            rests_on: Vec::new(),
        };
        let mut whys = Vec::new();
        let mut settles = Vec::new();
        for part in &deciding {
            push_new(&mut whys, &part.why);
            if let Some(settle) = &part.settle {
                push_new(&mut settles, settle);
            }
        }
        if !whys.is_empty() {
            check.why = whys.join("; ");
        }
        check.settle = (!settles.is_empty()).then(|| settles.join(" "));
        for part in deciding.iter().chain(&others) {
            for seen in &part.seen {
                push_new(&mut check.seen, seen);
            }
            check.rests_on.extend(&part.rests_on);
        }
        if check.seen.len() > SEEN_LIMIT {
            let more = check.seen.len() - SEEN_LIMIT;
            check.seen.truncate(SEEN_LIMIT);
            check.seen.push(format!("and {more} more, among the observations"));
        }
        check.rests_on.sort_unstable();
        check.rests_on.dedup();
        check
    }
}

fn push_new(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
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
    fn without_any_part_nothing_is_claimed() {
        assert_eq!(Part::combine("rule".into(), Vec::new()).verdict, Verdict::Inconclusive);
    }
}
