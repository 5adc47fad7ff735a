//! The judge: from what was seen to what is said of every item.
//!
//! Pure: no I/O, no clock, no printing; the same observations give the same findings. Its first law is that a question
//! without an answer never becomes a pass: every branch that ends in [`Verdict::Pass`] names the answer that it rests
//! on. Evidence from the host is a second basis beside the network (`host`); where they contradict each other, the network is
//! believed. What people say (`statements`) answers only what nobody else can, and hides nothing.

mod certificate;
mod disagreement;
pub mod examples;
mod host;
mod http;
mod part;
mod ports;
mod product;
mod statements;
mod suites;
mod tls;
pub mod vantage;
mod view;

use crate::catalog::exploited::ExploitedVersions;
use crate::catalog::guide::{Guide, GuideRule, How, Item};
use crate::catalog::rule::{OnlyWhen, Rule, Source};
use crate::host::evidence::Evidence;
use crate::model::evidence::{Contradiction, EvidenceRun, NotCollected};
use crate::model::expected::{ExpectedRule, RuleFinding};
use crate::model::observation::Observation;
use crate::model::run::{AddressRun, Disagreement, Trouble};
use crate::model::statement::{About, Statements};
use crate::model::target::{ControlServer, Role, Target};
use crate::model::vantage::Ways;
use crate::model::verdict::{Check, Confidence, Finding, Verdict};
use part::Part;
use view::View;

/// What the judge is given.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its addresses.
    pub addresses: &'a [AddressRun],
    /// What was asked of it.
    pub observations: &'a [Observation],
    /// The guides to hold it against.
    pub guides: &'a [Guide],
    /// The versions known to be attacked.
    pub exploited: &'a ExploitedVersions,
    /// What is known of the way out of this machine's network.
    pub ways: &'a Ways,
    /// What the host says of itself, where that was collected.
    pub evidence: Option<&'a Evidence>,
    /// What people say of the target, and the day on which it is read.
    pub statements: &'a Statements,
    /// Nothing was asked: the evidence alone is judged, and only items that it can speak of.
    pub evidence_alone: bool,
}

/// What the judge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// A finding for every item that concerns the target, in the guides' order.
    pub findings: Vec<Finding>,
    /// What is said of every expected rule, in the target's order.
    pub rules: Vec<RuleFinding>,
    /// Where the guides, or a guide and an expected rule, ask for opposite things.
    pub disagreements: Vec<Disagreement>,
    /// What a report says of the host's evidence, where there is any.
    pub evidence: Option<Box<EvidenceRun>>,
    /// What keeps the host's evidence from being whole, or of this host: with any of these the run is partial.
    pub troubles: Vec<Trouble>,
}

/// Judges a target.
pub fn judge(case: Case<'_>) -> Judgement {
    let mut view = View::new(case);
    // What another host says of itself settles nothing here: judged is as if there were no evidence.
    let another = case.evidence.and_then(|evidence| host::ports::another_host(&view, evidence));
    if another.is_some() {
        view.case.evidence = None;
    }
    let mut findings = Vec::new();
    let mut contradictions: Vec<Contradiction> = Vec::new();
    let mut lacking: Vec<String> = Vec::new();
    for guide in case.guides {
        let items = guide.items_for(&case.target.roles);
        for item in items.filter(|item| !case.evidence_alone || item.how.contains(&How::Host)) {
            let mut against = Vec::new();
            let judged = item.rules.iter().map(|rule| {
                let mut check = both(guide, item, rule, &view, &mut against);
                if let Some(why) = another.as_deref().filter(|_| item.how.contains(&How::Host)) {
                    host::unused(&mut check, why);
                }
                check
            });
            let mut checks: Vec<Check> = judged.collect();
            if let Some(evidence) = view.case.evidence
                && item
                    .rules
                    .iter()
                    .zip(&checks)
                    .any(|(rule, check)| host::whole::lacks(item, &rule.rule, check, evidence))
            {
                lacking.push(item.id.clone());
            }
            let attested = statements::attest(case.statements, guide, item, &mut checks);
            let mut found = finding(guide, item, checks);
            found.disagreements.extend(against.iter().map(told));
            found.disagreements.extend(attested.as_deref().and_then(statements::contradiction));
            found.attestation = attested;
            let mine = |about: &About| matches!(about, About::Item { item: id, .. } if *id == item.id);
            found.waiver = statements::waiver(case.statements, mine, found.verdict == Verdict::Fail);
            findings.push(found);
            contradictions.extend(against);
        }
    }
    let mut troubles: Vec<Trouble> = another.iter().map(|why| host::of_another(why)).collect();
    troubles.extend(case.evidence.iter().flat_map(|evidence| host::whole::troubles(evidence, &lacking)));
    if case.evidence_alone {
        let evidence = case.evidence.map(|evidence| report(&view, evidence, another, contradictions));
        return Judgement { findings, rules: Vec::new(), disagreements: Vec::new(), evidence, troubles };
    }
    let mut rules: Vec<RuleFinding> = case.target.rules.iter().map(|rule| expected_rule(rule, &view)).collect();
    let mut disagreements = disagreement::find(view.case, &mut findings);
    disagreements.extend(disagreement::with_rules(&view, &mut findings, &mut rules));
    let evidence = case.evidence.map(|evidence| report(&view, evidence, another, contradictions));
    Judgement { findings, rules, disagreements, evidence, troubles }
}

/// The check of a rule by what was seen, and by what the host says of the same where the item wants both.
fn both(guide: &Guide, item: &Item, rule: &GuideRule, view: &View<'_>, against: &mut Vec<Contradiction>) -> Check {
    let speaks = item.how.contains(&How::Host) && rule.rule.asks();
    let Some(evidence) = view.case.evidence.filter(|_| speaks) else { return check(rule, view) };
    if let Some(part) = condition(rule.only_when, view.target()) {
        return Part::combine(rule.rule.describe(), vec![part]);
    }
    if view.case.evidence_alone {
        return host::claims::alone(&rule.rule, view, evidence);
    }
    let (check, contradictions) = host::claims::merge(check(rule, view), item, &guide.id, &rule.rule, view, evidence);
    against.extend(contradictions);
    check
}

/// A contradiction in a sentence, for the finding.
fn told(contradiction: &Contradiction) -> String {
    let Contradiction { subject, host, network, explanations, settle, .. } = contradiction;
    format!(
        "Contradiction on {subject}: the host says \"{host}\", and from outside was seen \"{network}\". The network is believed. \
         Likely: {}. {settle}",
        explanations.join("; or ")
    )
}

/// What the report says of the evidence as a whole; `another` is why it is not of this host.
fn report(
    view: &View<'_>,
    evidence: &Evidence,
    another: Option<String>,
    contradictions: Vec<Contradiction>,
) -> Box<EvidenceRun> {
    let (_, mut doubts) = host::trust(evidence);
    doubts.extend(evidence.oddities.iter().cloned());
    doubts.extend(another);
    let mut merged: Vec<Contradiction> = Vec::new();
    for contradiction in contradictions {
        let same =
            |known: &&mut Contradiction| known.subject == contradiction.subject && known.host == contradiction.host;
        match merged.iter_mut().find(same) {
            Some(known) => known.items.extend(contradiction.items),
            None => merged.push(contradiction),
        }
    }
    let system = evidence.system.as_ref().ok();
    Box::new(EvidenceRun {
        name: evidence.name.clone(),
        computer: evidence.computer.clone(),
        version: evidence.version.clone(),
        collected: evidence.collected().map(|time| time.to_string()),
        age_seconds: evidence.age(),
        booted: system.and_then(|system| system.time("boot")).map(|(time, _)| time.to_string()),
        elevated: evidence.elevated.as_ref().map(|(elevated, _)| *elevated),
        doubts,
        not_collected: evidence
            .missing
            .iter()
            .map(|(what, why)| NotCollected { what: what.clone(), why: why.clone() })
            .collect(),
        contradictions: merged,
        firewall: host::ports::table(view, evidence),
    })
}

fn expected_rule(rule: &ExpectedRule, view: &View<'_>) -> RuleFinding {
    let check = Part::combine(rule.to_string(), ports::declared(view, rule));
    let words = rule.to_string();
    let mine = |about: &About| matches!(about, About::Rule(rule) if *rule == words);
    let waiver = statements::waiver(view.case.statements, mine, check.verdict == Verdict::Fail);
    RuleFinding { rule: rule.clone(), check, disagreements: Vec::new(), waiver }
}

fn finding(guide: &Guide, item: &Item, checks: Vec<Check>) -> Finding {
    let verdict = checks.iter().map(|check: &Check| check.verdict).min().unwrap_or(Verdict::Inconclusive);
    let deciding = checks.iter().filter(|check| check.verdict == verdict);
    let confidence = deciding.map(|check| check.confidence).min().unwrap_or(Confidence::Low);
    Finding {
        guide: guide.id.clone(),
        item: item.id.clone(),
        section: item.section.clone(),
        title: item.title.clone(),
        severity: item.severity,
        verdict,
        confidence,
        checks,
        rationale: item.rationale.clone(),
        remedy: item.remedy.clone(),
        references: item.references.lines(),
        disagreements: item.disputed.iter().cloned().collect(),
        attestation: None,
        waiver: None,
    }
}

fn check(rule: &GuideRule, view: &View<'_>) -> Check {
    let mut parts = match condition(rule.only_when, view.target()) {
        Some(part) => vec![part],
        None => apply(&rule.rule, view),
    };
    if rule.rule.asks() && view.addresses.is_empty() {
        parts = vec![Part::no_address()];
    }
    Part::combine(rule.rule.describe(), parts)
}

/// A rule that does not concern the target says so; one that cannot know whether it does asks.
fn condition(only_when: Option<OnlyWhen>, target: &Target) -> Option<Part> {
    let wanted = match only_when? {
        OnlyWhen::ControlHere => ControlServer::Here,
        OnlyWhen::ControlCloud => ControlServer::Cloud,
    };
    let here = target.roles.contains(&Role::Control) || target.roles.contains(&Role::ScreenConnect);
    match target.control.or(here.then_some(ControlServer::Here)) {
        Some(declared) if declared == wanted => None,
        Some(declared) => {
            let place = match declared {
                ControlServer::Here => "at this host",
                ControlServer::Elsewhere => "at another host, where it is judged as a target of its own",
                ControlServer::Cloud => "in the vendor's cloud",
                ControlServer::None => "not in use",
            };
            Some(Part::not_applicable(&format!("the inventory says that the Control server is {place}")))
        }
        None => Some(Part::inconclusive("the inventory does not say where the Control server is").settle(
            "Declare `control = \"here\"`, `\"elsewhere\"`, `\"cloud\"` or `\"none\"` for this target (option --control).",
        )),
    }
}

fn apply(rule: &Rule, view: &View<'_>) -> Vec<Part> {
    match rule {
        Rule::Reachable { ports, answers_as } => ports::reachable(view, ports, *answers_as),
        Rule::Unreachable { ports, unless_redirectors, grows_with_technicians, inside_active_directory, product } => {
            let terms = ports::Terms {
                unless_redirectors: *unless_redirectors,
                grows_with_technicians: *grows_with_technicians,
                inside_active_directory: *inside_active_directory,
                product: *product,
            };
            ports::unreachable(view, ports, &terms)
        }
        Rule::OnlyTheseOpen { ports } => ports::only_these_open(view, ports),
        Rule::TlsRefused { versions } => tls::refused(view, versions),
        Rule::SuitesRefused { weaknesses } => suites::refused(view, weaknesses),
        Rule::HttpsServed { ports } => tls::https_served(view, ports),
        Rule::CertificateValid { ports } => tls::certificate_valid(view, ports),
        Rule::HeaderAbsent { headers, skip_products } => http::header_absent(view, headers, skip_products),
        Rule::MethodDenied { method, skip_products } => http::method_denied(view, *method, skip_products),
        Rule::HostlessHeaderAbsent { skip_products } => http::hostless_header(view, skip_products),
        Rule::HostlessAddressHidden { skip_products } => http::hostless_address(view, skip_products),
        Rule::HttpSysSilent => http::http_sys_silent(view),
        Rule::VersionAtLeast { product, version } => product::version_at_least(view, *product, version),
        Rule::NotKnownExploited { product } => product::not_known_exploited(view, *product),
        Rule::ProductNotOverHttp { product } => product::not_over_http(view, *product),
        Rule::ServiceAbsent { services } => product::service_absent(view, services),
        Rule::RdpNla => product::rdp_nla(view),
        Rule::Smb1Refused => product::smb1_refused(view),
        Rule::Needs { source, by, evidence: check } => match (check, view.case.evidence) {
            (Some(check), Some(evidence)) => host::apply(*check, by, view, evidence),
            _ => vec![needs(*source, by)],
        },
        Rule::NotApplicable { because } => vec![Part::not_applicable(because)],
    }
}

fn needs(source: Source, by: &str) -> Part {
    let (verdict, why) = match source {
        Source::Evidence => (Verdict::NeedsEvidence, "this lives inside the server and cannot be seen from outside"),
        Source::Attestation => (Verdict::NeedsAttestation, "only a person who knows can state this"),
    };
    Part::new(verdict, Confidence::High, why).settle(by)
}
