//! What the page shows, in the order in which it shows it.

use super::drift::Drifted;
use super::{duration, instant};
use crate::model::expected::{RuleFinding, RuleTally};
use crate::model::observation::ObservationId;
use crate::model::run::{Disagreement, GuideUsed, Run, Tally, TargetRun};
use crate::model::vantage::{Checkup, Subject};
use crate::model::verdict::{Check, Confidence, Finding, Severity, Verdict};
use crate::report::describe::describe;
use crate::report::proof::{COLUMNS, MEANING, Table, tables};
use crate::report::reading::{
    Caution, Coverage, bottom_line, by_client, cautions, coverage, is_doubtful, is_doubtful_rule, meaning, missing,
    opposed_by, products_seen, rules_tallied, tallied_all, timing, vantages, with_verdict,
};
use crate::report::reference::Reference;
use crate::report::statements::{Row as Statement, beside, beside_rule, day, of_them, rows, summary as statements};
use crate::report::suites::{Accepted, COLUMNS as SUITE_COLUMNS, accepted};
use crate::report::text::{capitalised, counted, listed, number};
use askama::Template;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// The page.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page<'a> {
    run: &'a Run,
    client_names: String,
    date: String,
    took: String,
    bottom_line: String,
    missing: Vec<(String, Vec<String>)>,
    /// What is in doubt of the vantage; addresses inside are told of by themselves.
    vantage: Vec<&'a Checkup>,
    inside: Vec<String>,
    all_inside: bool,
    scope: String,
    asked: String,
    figures: Vec<Figure>,
    counts_in_words: String,
    clients: Vec<Client<'a>>,
    drift: Option<Drifted<'a>>,
}

/// A verdict's count, and its segment of a bar that is 1000 wide.
struct Figure {
    verdict: Verdict,
    count: usize,
    start: usize,
    width: usize,
}

impl Figure {
    fn class(&self) -> &'static str {
        self.verdict.as_str()
    }

    fn name(&self) -> String {
        capitalised(self.verdict.words())
    }

    fn meaning(&self) -> &'static str {
        meaning(self.verdict)
    }

    fn number(&self) -> String {
        number(self.count)
    }
}

/// The counts of all verdicts; a count that is not zero is always visible in the bar.
fn figures(tally: &Tally) -> Vec<Figure> {
    let (total, mut before) = (tally.total().max(1), 0);
    Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let count = tally.count(verdict);
            let start = before * 1000 / total;
            before += count;
            let width = before * 1000 / total - start;
            Figure { verdict, count, start, width: if count > 0 { width.saturating_sub(4).max(3) } else { 0 } }
        })
        .collect()
}

struct Client<'a> {
    name: &'a str,
    hosts: Vec<Host<'a>>,
}

struct Host<'a> {
    anchor: String,
    run: &'a TargetRun,
    identity: Vec<(&'static str, String)>,
    figures: Vec<Figure>,
    counts_in_words: String,
    cautions: Vec<Caution>,
    proofs: Vec<Table>,
    suites: Vec<Accepted>,
    disagreements: Vec<&'a Disagreement>,
    sections: Vec<Section<'a>>,
    failures: Vec<Card<'a>>,
    inconclusive: Vec<Card<'a>>,
    lists: Vec<List<'a>>,
    rules: Vec<Rule<'a>>,
    rules_in_words: String,
    statements: Vec<Statement>,
    statements_in_words: String,
    evidence: Vec<Evidence>,
}

impl Host<'_> {
    fn name(&self) -> &str {
        &self.run.target.name
    }

    fn failures_title(&self) -> String {
        titled(self.run, Verdict::Fail)
    }

    fn judged(&self) -> bool {
        !self.run.findings.is_empty()
    }
}

/// An expected rule.
struct Rule<'a> {
    finding: &'a RuleFinding,
    waiver: Option<(&'static str, String)>,
    opposed_by: String,
    doubtful: bool,
    evidence: Vec<Link>,
}

impl Rule<'_> {
    /// The tag's look: that of the verdict that weighs as much.
    fn class(&self) -> &'static str {
        self.finding.verdict().weight().as_str()
    }
}

/// A section of a guide with the counts of its verdicts.
struct Section<'a> {
    guide: &'a str,
    name: &'a str,
    figures: Vec<Figure>,
}

/// A finding in full.
struct Card<'a> {
    finding: &'a Finding,
    /// The checks that decide it or are unsettled, the worst first.
    checks: Vec<&'a Check>,
    /// The others.
    settled: Vec<&'a Check>,
    references: Vec<Reference>,
    /// What people say of it.
    beside: Vec<(&'static str, String)>,
    evidence: Vec<Link>,
}

impl Card<'_> {
    /// Whether the checks need their rules as titles, because there are several or the one says something else.
    fn name_rules(&self) -> bool {
        self.finding.checks.len() > 1 || self.checks.iter().any(|check| check.rule != self.finding.title)
    }

    fn severity(&self) -> String {
        capitalised(&self.finding.severity.to_string())
    }

    fn is_grave(&self) -> bool {
        self.finding.severity >= Severity::High
    }
}

/// Findings of a verdict that need no card each.
struct List<'a> {
    verdict: Verdict,
    title: String,
    /// Whether it is shown at once, instead of when it is opened.
    open: bool,
    rows: Vec<Row<'a>>,
}

impl List<'_> {
    fn meaning(&self) -> String {
        capitalised(meaning(self.verdict))
    }

    fn remark_title(&self) -> &'static str {
        match self.verdict {
            Verdict::NeedsEvidence | Verdict::NeedsAttestation => "What would settle it",
            Verdict::NotApplicable => "Why not",
            _ => "What was seen",
        }
    }
}

struct Row<'a> {
    finding: &'a Finding,
    remark: String,
    doubtful: bool,
    beside: Vec<(&'static str, String)>,
    evidence: Vec<Link>,
}

/// An observation that a finding names, with its anchor where the run holds it.
struct Link {
    anchor: Option<String>,
    id: ObservationId,
}

struct Evidence {
    anchor: String,
    id: ObservationId,
    address: String,
    text: String,
    timing: String,
}

impl<'a> Page<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let mut clients: Vec<Client<'_>> = Vec::new();
        let mut count = 0;
        let day = day(run);
        for client in by_client(run) {
            let hosts = client.targets.iter().map(|target| {
                count += 1;
                Host::of(target, count, day)
            });
            clients.push(Client { name: client.name, hosts: hosts.collect() });
        }
        let names: Vec<String> = clients.iter().map(|client| client.name.to_owned()).collect();
        let inside = run.targets.iter().flat_map(|target| &target.addresses).filter(|address| address.health.inside);
        let asked = coverage(run.targets.iter().flat_map(|target| &target.observations));
        Self {
            run,
            client_names: listed(&names),
            date: instant(&run.started),
            took: duration(run.elapsed_ms),
            bottom_line: bottom_line(run),
            missing: missing(run)
                .into_iter()
                .map(|(label, what)| (label, what.iter().map(|text| capitalised(text)).collect()))
                .collect(),
            vantage: run.vantage.doubts().filter(|doubt| doubt.subject != Subject::InsideAddresses).collect(),
            inside: inside.map(|run| run.address.to_string()).collect::<BTreeSet<_>>().into_iter().collect(),
            all_inside: run.targets.iter().flat_map(|target| &target.addresses).all(|address| address.health.inside),
            scope: format!(
                "{} of {}",
                counted(run.targets.len(), "server", "servers"),
                counted(names.len(), "client", "clients")
            ),
            asked: asked_in_words(asked),
            figures: figures(&run.tally()),
            counts_in_words: counts_in_words(&run.tally()),
            clients,
            drift: run.drift.as_deref().map(Drifted::of),
        }
    }

    fn has_rules(&self) -> bool {
        self.run.rule_tally().total() > 0
    }

    /// What statements there are over all servers; empty where there are none.
    fn statements(&self) -> String {
        statements(&self.run.targets).unwrap_or_default()
    }

    fn guides(&self) -> &[GuideUsed] {
        &self.run.guides
    }
}

fn asked_in_words(asked: Coverage) -> String {
    let mut words = vec![
        format!("{} asked", counted(asked.asked, "question", "questions")),
        format!("{} answered", number(asked.answered)),
    ];
    for (count, word) in [(asked.silent, "met silence"), (asked.failed, "failed"), (asked.skipped, "not asked")] {
        if count > 0 {
            words.push(format!("{} {word}", number(count)));
        }
    }
    words.join(", ")
}

fn counts_in_words(tally: &Tally) -> String {
    let counts = Verdict::ALL.into_iter().map(|verdict| tallied_all(tally, verdict));
    counts.collect::<Vec<_>>().join(", ")
}

impl<'a> Host<'a> {
    fn of(run: &'a TargetRun, place: usize, day: Option<Date>) -> Self {
        let anchor = format!("s{place}");
        let tally = Tally::of(&run.findings);
        let cards = |verdict| {
            with_verdict(run, verdict).into_iter().map(|finding| Card::of(finding, run, &anchor, day)).collect()
        };
        let lists = [Verdict::NeedsEvidence, Verdict::NeedsAttestation, Verdict::Pass, Verdict::NotApplicable];
        Self {
            identity: identity(run),
            figures: figures(&tally),
            counts_in_words: counts_in_words(&tally),
            cautions: cautions(run),
            proofs: tables(run),
            suites: accepted(run),
            disagreements: run.disagreements.iter().collect(),
            sections: sections(run),
            failures: cards(Verdict::Fail),
            inconclusive: cards(Verdict::Inconclusive),
            lists: lists.into_iter().filter_map(|verdict| List::of(run, verdict, &anchor, day)).collect(),
            rules: rules(run, &anchor, day),
            statements: rows(run, day),
            statements_in_words: statements([run]).unwrap_or_default(),
            rules_in_words: rules_tallied(&RuleTally::of(&run.rules)),
            evidence: run
                .observations
                .iter()
                .map(|observation| Evidence {
                    anchor: format!("{anchor}-{}", observation.id),
                    id: observation.id,
                    address: observation.address.to_string(),
                    text: capitalised(&describe(observation)),
                    timing: timing(observation),
                })
                .collect(),
            anchor,
            run,
        }
    }
}

fn texts(values: Vec<&str>) -> Vec<String> {
    values.into_iter().map(str::to_owned).collect()
}

/// What is violated comes first.
fn rules<'a>(run: &'a TargetRun, host: &str, day: Option<Date>) -> Vec<Rule<'a>> {
    let mut rules: Vec<Rule<'_>> = run
        .rules
        .iter()
        .map(|finding| Rule {
            finding,
            waiver: beside_rule(finding, day),
            opposed_by: listed(&texts(opposed_by(run, finding))),
            doubtful: is_doubtful_rule(finding),
            evidence: links(finding.check.rests_on.iter().copied(), run, host),
        })
        .collect();
    rules.sort_by_key(|rule| rule.finding.verdict());
    rules
}

fn identity(run: &TargetRun) -> Vec<(&'static str, String)> {
    let target = &run.target;
    let texts = |values: Vec<String>| values.join(", ");
    let mut rows = vec![
        ("Host", target.host.to_string()),
        ("Scanned from", texts(vantages(run))),
        ("Addresses", texts(run.addresses.iter().map(|run| run.address.to_string()).collect())),
        ("Roles", texts(target.roles.iter().map(ToString::to_string).collect())),
        ("Seen there", texts(products_seen(run))),
        ("Name sent", target.sni.clone().unwrap_or_default()),
        ("Moved ports", texts(target.moved.iter().map(|moved| format!("{} is at {}", moved.from, moved.to)).collect())),
        ("Meant to be open", texts(target.expected.iter().map(ToString::to_string).collect())),
        ("Host evidence", run.evidence.as_deref().map(crate::report::host_evidence::identity).unwrap_or_default()),
        ("Notes", target.notes.clone().unwrap_or_default()),
        ("Asked", asked_in_words(coverage(&run.observations))),
    ];
    rows.retain(|(_, text)| !text.is_empty());
    rows
}

fn sections(run: &TargetRun) -> Vec<Section<'_>> {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut grouped: BTreeMap<(&str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &run.findings {
        let key = (finding.guide.as_str(), finding.section.as_str());
        let group = grouped.entry(key).or_default();
        if group.is_empty() {
            order.push(key);
        }
        group.push(finding);
    }
    let tally = |key| Tally::of(grouped.get(key).into_iter().flatten().copied());
    order.iter().map(|key| Section { guide: key.0, name: key.1, figures: figures(&tally(key)) }).collect()
}

impl<'a> Card<'a> {
    fn of(finding: &'a Finding, run: &TargetRun, host: &str, day: Option<Date>) -> Self {
        let unsettled = |check: &&Check| matches!(check.verdict, Verdict::Fail | Verdict::Inconclusive);
        let (mut checks, settled): (Vec<&Check>, Vec<&Check>) = finding.checks.iter().partition(unsettled);
        checks.sort_by_key(|check| check.verdict);
        let references = finding.references.iter().map(|reference| Reference::read(reference)).collect();
        let (beside, evidence) = (beside(finding, day), links(rests_on(finding), run, host));
        Self { finding, checks, settled, references, beside, evidence }
    }
}

fn rests_on(finding: &Finding) -> impl Iterator<Item = ObservationId> {
    finding.checks.iter().flat_map(|check| check.rests_on.iter().copied())
}

fn links(ids: impl Iterator<Item = ObservationId>, run: &TargetRun, host: &str) -> Vec<Link> {
    let ids: BTreeSet<ObservationId> = ids.collect();
    let exists = |id| run.observations.iter().any(|observation| observation.id == id);
    ids.into_iter().map(|id| Link { anchor: exists(id).then(|| format!("{host}-{id}")), id }).collect()
}

impl<'a> List<'a> {
    fn of(run: &'a TargetRun, verdict: Verdict, host: &str, day: Option<Date>) -> Option<Self> {
        let found = with_verdict(run, verdict);
        let title = titled(run, verdict);
        let rows: Vec<Row<'_>> = found
            .into_iter()
            .map(|finding| Row {
                finding,
                remark: remark(finding),
                doubtful: is_doubtful(finding),
                beside: beside(finding, day),
                evidence: links(rests_on(finding), run, host),
            })
            .collect();
        let open = matches!(verdict, Verdict::NeedsEvidence | Verdict::NeedsAttestation);
        (!rows.is_empty()).then_some(Self { verdict, title, open, rows })
    }
}

/// `Fail (3, 1 of them waived)`
fn titled(run: &TargetRun, verdict: Verdict) -> String {
    let tally = Tally::of(&run.findings);
    let of_them = of_them(&tally, verdict).map_or_else(String::new, |of_them| format!(", {of_them}"));
    format!("{} ({}{of_them})", capitalised(verdict.words()), tally.count(verdict))
}

/// What to say of a finding that is only listed.
fn remark(finding: &Finding) -> String {
    let Some(check) = finding.deciding() else { return String::new() };
    match finding.verdict {
        Verdict::NeedsEvidence | Verdict::NeedsAttestation => check.settle.clone().unwrap_or_else(|| check.why.clone()),
        Verdict::NotApplicable => check.why.clone(),
        _ => {
            let seen: Vec<&str> =
                finding.checks.iter().flat_map(|check| &check.seen).map(|seen| seen.trim_end_matches('.')).collect();
            if seen.is_empty() { check.why.clone() } else { capitalised(&seen.join("; ")) }
        }
    }
}
