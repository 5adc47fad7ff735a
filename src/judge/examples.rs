//! Runs the examples of a guide: what each says was seen must lead to the verdict that it says.

use super::view::View;
use super::{Case, Part, apply, condition};
use crate::catalog::builtin::Catalogs;
use crate::catalog::example::{Example, Given, Seen};
use crate::catalog::guide::{Guide, GuideRule, Item};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Observation, ObservationId};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun};
use crate::model::statement::Statements;
use crate::model::target::{Host, Target};
use crate::model::vantage::Ways;
use crate::model::verdict::{Check, Verdict};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// An example that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The item.
    pub item: String,
    /// The line of the catalog where the example's verdict stands.
    pub line: usize,
    /// The verdict that it says.
    pub expected: Verdict,
    /// The verdict that the rule gives.
    pub actual: Verdict,
    /// Why the rule gives it.
    pub why: String,
}

/// A documentation address (RFC 5737).
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

/// Runs every example of `guide`; `catalogs` supplies the list of exploited versions. Returns how many were run, and
/// those that do not hold.
pub fn run(guide: &Guide, catalogs: &Catalogs) -> (usize, Vec<Broken>) {
    let mut count = 0;
    let mut broken = Vec::new();
    for item in &guide.items {
        for rule in &item.rules {
            for example in &rule.examples {
                count += 1;
                broken.extend(run_one(guide, item, rule, example, catalogs));
            }
        }
    }
    (count, broken)
}

fn run_one(guide: &Guide, item: &Item, rule: &GuideRule, example: &Example, catalogs: &Catalogs) -> Option<Broken> {
    let check = verdict_of(guide, item, rule, example, catalogs, &Ways::default());
    (check.verdict != example.verdict).then(|| Broken {
        item: item.id.clone(),
        line: example.line,
        expected: example.verdict,
        actual: check.verdict,
        why: check.why,
    })
}

fn verdict_of(
    guide: &Guide,
    item: &Item,
    rule: &GuideRule,
    example: &Example,
    catalogs: &Catalogs,
    ways: &Ways,
) -> Check {
    posed(guide, item, example, catalogs, ways, |case| {
        let view = View::new(case);
        let parts = condition(rule.only_when, case.target).map_or_else(|| apply(&rule.rule, &view), |part| vec![part]);
        Part::combine(rule.rule.describe(), parts)
    })
}

/// What an example gives and shows, as a case.
pub(super) fn posed<T>(
    guide: &Guide,
    item: &Item,
    example: &Example,
    catalogs: &Catalogs,
    ways: &Ways,
    judge: impl FnOnce(Case<'_>) -> T,
) -> T {
    let roles = item.roles.as_ref().unwrap_or(&guide.roles);
    let target = target(&example.given, roles.first().copied().into_iter().collect());
    let observations = observations(example);
    let addresses = [AddressRun { address: ADDRESS, vantage: None, health: health(example, &observations) }];
    judge(Case {
        target: &target,
        addresses: &addresses,
        observations: &observations,
        guides: std::slice::from_ref(guide),
        exploited: &catalogs.exploited,
        ways,
        evidence: None,
        statements: &Statements::default(),
        evidence_alone: false,
    })
}

fn target(given: &Given, roles: BTreeSet<crate::model::target::Role>) -> Target {
    Target {
        roles: if given.roles.is_empty() { roles } else { given.roles.clone() },
        active_directory: given.active_directory,
        technicians: given.technicians,
        redirectors: given.redirectors,
        split_database: given.split_database,
        control: given.control,
        expected: given.expected.clone(),
        ..Target::new("example", Host::Name("rmm.example".to_owned()))
    }
}

fn observations(example: &Example) -> Vec<Observation> {
    let seen = example.seen.iter().filter_map(|seen| match seen {
        Seen::Observation(question, attempt) => Some((*question, (**attempt).clone())),
        _ => None,
    });
    seen.zip(1..)
        .map(|((question, attempt), number)| Observation {
            id: ObservationId(number),
            address: ADDRESS,
            question,
            started_ms: 0,
            elapsed_ms: 20,
            elapsed_max_ms: 20,
            tries: 2,
            attempt,
        })
        .collect()
}

fn health(example: &Example, observations: &[Observation]) -> AddressHealth {
    let says = |flag: &Seen| example.seen.contains(flag);
    let answered = observations.iter().any(|observation| match (&observation.question, &observation.attempt) {
        (Question::Port { .. }, Attempt::Answered { fact: Fact::Port(fact) }) => {
            !matches!(fact.state, PortState::Filtered | PortState::OpenOrFiltered)
        }
        _ => true,
    });
    AddressHealth {
        // An address whose examples show only silence is alive unless the example says otherwise: another port answers.
        answered: !says(&Seen::SilentHost) || answered,
        decoys_open: if says(&Seen::DecoysOpen) || says(&Seen::DecoysSpeak) {
            vec![20_001, 20_002, 20_003]
        } else {
            Vec::new()
        },
        decoys_asked: 3,
        decoys_speak: says(&Seen::DecoysSpeak),
        stopped_answering: says(&Seen::StoppedAnswering),
        recheck_missing: false,
        inside: says(&Seen::Inside),
        path: None,
        oddities: Vec::new(),
        udp_ration: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::rule::Rule;
    use crate::model::observation::{Blame, Cause, Failure, Skip, Stage};
    use crate::model::ports::Transport;
    use crate::model::vantage::{Passage, Way};

    /// The first law of the judge, over every example of every guide: an answer that is taken away never turns anything
    /// else into a pass, nor into "not applicable" where it had failed.
    #[test]
    fn a_question_without_an_answer_never_becomes_a_pass() {
        let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
        let failure = Failure { stage: Stage::Response, blame: Blame::Peer, cause: Cause::TimedOut { allowed_ms: 9 } };
        let losses = [Attempt::Skipped { skip: Skip::Interrupted }, Attempt::Failed { failure }];
        let mut tried = 0;
        for guide in &catalogs.guides {
            for (item, rule) in guide.items.iter().flat_map(|item| item.rules.iter().map(move |rule| (item, rule))) {
                for example in &rule.examples {
                    for (place, loss) in
                        (0..example.seen.len()).flat_map(|place| losses.iter().map(move |loss| (place, loss)))
                    {
                        let mut lost = example.clone();
                        let Some(Seen::Observation(question, attempt)) = lost.seen.get_mut(place) else { continue };
                        let question = *question;
                        **attempt = loss.clone();
                        tried += 1;
                        let now = verdict_of(guide, item, rule, &lost, &catalogs, &Ways::default()).verdict;
                        let worse = example.verdict == Verdict::Fail && now == Verdict::NotApplicable;
                        assert!(
                            !worse && (now != Verdict::Pass || example.verdict == Verdict::Pass),
                            "{}: {} becomes {now} when {question} is lost (line {})",
                            item.id,
                            example.verdict,
                            example.line
                        );
                    }
                }
            }
        }
        assert!(tried > 500, "{tried}");
    }

    /// The same for what is blocked on the way out of our own network: it is no answer of the target.
    #[test]
    fn silence_that_is_our_own_never_becomes_a_pass() {
        let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
        let mut ways = Ways::default();
        let ports = "tcp/1-65535".parse().unwrap();
        ways.add(Way { ports, v6: false, inside: false, passage: Passage::Blocked, sender: None });
        let is_silent = |seen: &Seen| {
            let Seen::Observation(Question::Port { ports }, attempt) = seen else { return false };
            let silent = |state| matches!(state, PortState::Filtered | PortState::Rejected);
            ports.transport() == Transport::Tcp
                && matches!(attempt.fact(), Some(Fact::Port(fact)) if silent(fact.state))
        };
        let mut silences = 0;
        for guide in &catalogs.guides {
            for (item, rule) in guide.items.iter().flat_map(|item| item.rules.iter().map(move |rule| (item, rule))) {
                // What is served on a port that is open at one address may be silent at another.
                let about_open_ports = matches!(
                    rule.rule,
                    Rule::Reachable { .. } | Rule::HttpsServed { .. } | Rule::CertificateValid { .. }
                );
                for example in &rule.examples {
                    let now = verdict_of(guide, item, rule, example, &catalogs, &ways).verdict;
                    let silent = example.seen.iter().any(is_silent);
                    silences += usize::from(silent);
                    assert!(
                        now != Verdict::Pass || example.verdict == Verdict::Pass && (!silent || about_open_ports),
                        "{}: {} becomes {now} where nothing is let out (line {})",
                        item.id,
                        example.verdict,
                        example.line
                    );
                }
            }
        }
        assert!(silences > 40, "{silences}");
    }

    #[test]
    fn every_example_of_the_built_in_guides_holds() {
        let catalogs = Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}"));
        let mut broken = Vec::new();
        for guide in &catalogs.guides {
            let (count, found) = run(guide, &catalogs);
            assert!(count >= guide.items.len(), "{}: {count} examples", guide.id);
            for Broken { item, line, expected, actual, why } in found {
                broken
                    .push(format!("guides/{}.toml:{line}: {item}: expected {expected}, got {actual}: {why}", guide.id));
            }
        }
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
