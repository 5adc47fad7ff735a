//! Servers for the tests, written as the catalogs' examples are, and judged by the judge itself.

use crate::catalog::builtin::Catalogs;
use crate::catalog::example::{Seen, certificate, parse_seen};
use crate::judge::{Case, Judgement, judge};
use crate::model::fact::{Fact, PortState};
use crate::model::observation::{Attempt, Blame, Cause, Failure, Observation, ObservationId, Stage};
use crate::model::question::Question;
use crate::model::run::{AddressHealth, AddressRun, Run, TargetRun, Trouble};
use crate::model::statement::Statements;
use crate::model::target::{Host, Role, Target};
use crate::model::tls::CertificateFact;
use crate::model::vantage::Vantage;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

pub(crate) static CATALOGS: LazyLock<Catalogs> =
    LazyLock::new(|| Catalogs::built_in().unwrap_or_else(|errors| panic!("{errors}")));

pub(crate) const ADDRESS: &str = "203.0.113.5";

/// What a sound server says.
pub(crate) const SOUND: [&str; 15] = [
    "tcp/22 filtered",
    "tcp/80 closed",
    "tcp/135-139 filtered",
    "tcp/443 open",
    "tcp/443 service https",
    "tcp/443 tls1.0 refused",
    "tcp/443 tls1.1 refused",
    "tcp/443 tls1.2 accepted",
    "tcp/443 tls1.3 accepted",
    "tcp/443 certificate trusted",
    "tcp/443 product automate 25.0.372",
    "tcp/445 filtered",
    "tcp/3306 filtered",
    "tcp/3389 filtered",
    "udp/75 open",
];

/// A server as one run saw it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) target: Target,
    pub(crate) asked: Vec<(Question, Attempt)>,
    pub(crate) address: IpAddr,
    pub(crate) health: AddressHealth,
    pub(crate) troubles: Vec<Trouble>,
}

/// Short: a property that does not hold is shown with it.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (question, attempt) in &self.asked {
            let told = match attempt {
                Attempt::Answered { fact: Fact::Port(fact) } => fact.state.to_string(),
                Attempt::Answered { fact: Fact::Service { service, .. } } => service.to_string(),
                Attempt::Answered { fact: Fact::Tls { answer } } => format!("{answer:?}"),
                Attempt::Answered { .. } => "answered".to_owned(),
                Attempt::Failed { .. } => "failed".to_owned(),
                Attempt::Skipped { .. } => "skipped".to_owned(),
            };
            writeln!(f, "{question}: {told}")?;
        }
        Ok(())
    }
}

impl World {
    pub(crate) fn new(lines: &[&str]) -> Self {
        let mut health = AddressHealth { answered: true, decoys_asked: 3, ..AddressHealth::default() };
        let mut asked = Vec::new();
        for line in lines {
            match parse_seen(line).unwrap_or_else(|error| panic!("{line}: {error}")) {
                Seen::Observation(question, attempt) => asked.push((question, *attempt)),
                Seen::DecoysOpen => health.decoys_open = vec![20_001, 20_002, 20_003],
                Seen::DecoysSpeak => health.decoys_speak = true,
                Seen::StoppedAnswering => health.stopped_answering = true,
                Seen::SilentHost => health.answered = false,
                Seen::Inside => health.inside = true,
            }
        }
        let target = Target {
            name: "automate-01".to_owned(),
            roles: [Role::Automate, Role::Iis].into(),
            ..Target::new("Harbour Dental Group", Host::Name("rmm.example".to_owned()))
        };
        Self { target, asked, address: ADDRESS.parse().unwrap(), health, troubles: Vec::new() }
    }

    pub(crate) fn sound() -> Self {
        Self::new(&SOUND)
    }

    /// With these lines in the place of those about the same, and after them the new ones.
    pub(crate) fn with(mut self, lines: &[&str]) -> Self {
        for (question, attempt) in Self::new(lines).asked {
            match self.asked.iter_mut().find(|(known, _)| *known == question) {
                Some((_, known)) => *known = attempt,
                None => self.asked.push((question, attempt)),
            }
        }
        self
    }

    /// Without anything about this.
    pub(crate) fn without(mut self, prefix: &str) -> Self {
        let question = Self::new(&[prefix]).asked.remove(0).0;
        self.asked.retain(|(known, _)| *known != question);
        self
    }

    pub(crate) fn certificate(self, change: impl FnOnce(&mut CertificateFact)) -> Self {
        self.certificate_on(443, change)
    }

    pub(crate) fn certificate_on(mut self, port: u16, change: impl FnOnce(&mut CertificateFact)) -> Self {
        let mut fact = certificate("trusted").unwrap();
        change(&mut fact);
        let question = Question::Certificate { port, sni: true };
        self.asked.retain(|(known, _)| *known != question);
        self.asked.push((question, Attempt::Answered { fact: Fact::Certificate(Box::new(fact)) }));
        self
    }

    pub(crate) fn judged(&self) -> TargetRun {
        let observations: Vec<Observation> = self
            .asked
            .iter()
            .zip(1..)
            .map(|((question, attempt), number)| Observation {
                id: ObservationId(number),
                address: self.address,
                question: *question,
                started_ms: u64::from(number),
                elapsed_ms: 20,
                elapsed_max_ms: 20,
                tries: 2,
                attempt: attempt.clone(),
            })
            .collect();
        let addresses = vec![AddressRun { address: self.address, vantage: None, health: self.health.clone() }];
        let vantage = Vantage::default();
        let Judgement { findings, rules, disagreements, .. } = judge(Case {
            target: &self.target,
            addresses: &addresses,
            observations: &observations,
            guides: &CATALOGS.guides,
            exploited: &CATALOGS.exploited,
            ways: &vantage.ways,
            evidence: None,
            statements: &Statements::default(),
            evidence_alone: false,
        });
        TargetRun {
            target: self.target.clone(),
            addresses,
            observations,
            findings,
            rules,
            disagreements,
            troubles: self.troubles.clone(),
            evidence: None,
        }
    }

    /// A run of this server alone.
    pub(crate) fn run(&self) -> Run {
        run([self.judged()])
    }
}

pub(crate) fn run(targets: impl IntoIterator<Item = TargetRun>) -> Run {
    Run {
        tool_version: "0.1.0".to_owned(),
        started: "2026-11-20T02:00:00Z".to_owned(),
        elapsed_ms: 60_000,
        guides: CATALOGS.guides.iter().map(crate::catalog::guide::Guide::used).collect(),
        targets: targets.into_iter().collect(),
        interrupted: false,
        vantage: Vantage::default(),
        drift: None,
    }
}

/// An answer that did not come.
pub(crate) fn timed_out() -> Attempt {
    Attempt::Failed {
        failure: Failure { stage: Stage::Response, blame: Blame::Path, cause: Cause::TimedOut { allowed_ms: 3000 } },
    }
}

/// Whether anything that only a living server says is left.
pub(crate) fn is_alive(asked: &[(Question, Attempt)]) -> bool {
    asked.iter().any(|(_, attempt)| match attempt.fact() {
        Some(Fact::Port(fact)) => !matches!(fact.state, PortState::Filtered | PortState::OpenOrFiltered),
        fact => fact.is_some(),
    })
}
