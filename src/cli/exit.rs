//! How the program ends.

use super::args::FailOn;
use crate::catalog::diagnostic::Diagnostics;
use crate::model::expected::RuleVerdict;
use crate::model::fact::Fact;
use crate::model::observation::Attempt;
use crate::model::run::{Run, Trouble};
use crate::model::vantage::Vantage;
use crate::model::verdict::Verdict;
use std::fmt;
use std::process::ExitCode;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Nothing is at or beyond `--fail-on`.
    Clean = 0,
    /// Something is.
    Findings = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// The run is partial.
    Partial = 3,
    /// A defect of portreeve.
    Bug = 4,
    /// The store was taken away while it was watched: a watch that is started again by itself would begin with an empty one.
    StoreGone = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// How a probe ends. A host that answers nothing is a result there, not a failure to ask; a list of suites that may lack
    /// some is not what was asked for.
    pub(super) fn of_probe(run: &Run) -> Self {
        if has_bug(run) {
            return Self::Bug;
        }
        let troubles = run.targets.iter().flat_map(|target| &target.troubles);
        let observations = run.targets.iter().flat_map(|target| &target.observations);
        let asked = troubles.into_iter().all(|trouble| matches!(trouble, Trouble::Unreachable))
            && observations.into_iter().all(|one| match &one.attempt {
                Attempt::Answered { fact: Fact::Suites(suites) } => suites.is_exact(),
                Attempt::Answered { .. } => true,
                _ => false,
            });
        if asked && !run.interrupted { Self::Clean } else { Self::Partial }
    }

    /// How a look at the vantage ends: what could not be looked at before what is wrong.
    pub(super) fn of_vantage(vantage: &Vantage, interrupted: bool) -> Self {
        if interrupted || vantage.unknown().next().is_some() {
            Self::Partial
        } else if vantage.doubts().next().is_some() {
            Self::Findings
        } else {
            Self::Clean
        }
    }

    /// How a run ends: a defect before a partial run before findings.
    pub(super) fn of_run(run: &Run, fail_on: FailOn) -> Self {
        if has_bug(run) {
            return Self::Bug;
        }
        if run.is_partial() {
            return Self::Partial;
        }
        let counted: &[Verdict] = match fail_on {
            FailOn::Fail => &[Verdict::Fail],
            FailOn::Inconclusive => &[Verdict::Fail, Verdict::Inconclusive],
            FailOn::Needs => &[Verdict::Fail, Verdict::Inconclusive, Verdict::NeedsEvidence, Verdict::NeedsAttestation],
            FailOn::Never => &[],
        };
        let (tally, rules) = (run.tally(), run.rule_tally());
        // What is waived is told, and is not held against the run.
        let of_items = |verdict| match verdict {
            Verdict::Fail => tally.count(verdict).saturating_sub(tally.waived()),
            _ => tally.count(verdict),
        };
        let of_rules = |verdict| match verdict {
            RuleVerdict::Violated => rules.count(verdict).saturating_sub(rules.waived()),
            _ => rules.count(verdict),
        };
        let broken = RuleVerdict::ALL.into_iter().filter(|verdict| of_rules(*verdict) > 0).map(RuleVerdict::weight);
        let broken: Vec<Verdict> = broken.collect();
        if counted.iter().any(|verdict| of_items(*verdict) > 0 || broken.contains(verdict)) {
            Self::Findings
        } else {
            Self::Clean
        }
    }
}

/// Whether a defect of portreeve kept anything from being asked.
fn has_bug(run: &Run) -> bool {
    run.targets.iter().flat_map(|target| &target.troubles).any(|trouble| matches!(trouble, Trouble::Bug { .. }))
}

/// Why a command ended without doing what it was asked to.
#[derive(Debug)]
pub(super) enum CliError {
    /// The user's files are wrong, so that nothing was scanned.
    Files(Diagnostics),
    /// The catalogs that were looked at are wrong; nothing was to be scanned.
    Catalogs(Diagnostics),
    /// The command line is wrong: what, and what to do.
    Usage(String),
    /// This machine did not let us: what, and what to do.
    Machine(String),
    /// The store was taken away while it was watched: what, and what to do.
    StoreGone(String),
    /// A defect of portreeve.
    Bug(String),
}

impl CliError {
    /// How the program ends for it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Files(_) | Self::Catalogs(_) | Self::Usage(_) => Exit::Usage,
            Self::Machine(_) => Exit::Partial,
            Self::StoreGone(_) => Exit::StoreGone,
            Self::Bug(_) => Exit::Bug,
        }
    }

    /// The message for stderr.
    pub(super) fn render(&self, colour: bool) -> String {
        match self {
            Self::Files(diagnostics) => format!("{}; nothing was scanned.", found(diagnostics, colour)),
            Self::Catalogs(diagnostics) => format!("{}.", found(diagnostics, colour)),
            Self::Usage(message) | Self::Machine(message) | Self::StoreGone(message) => format!("error: {message}"),
            Self::Bug(message) => {
                format!("error: a defect of portreeve: {message}\nPlease report it with the command line you used.")
            }
        }
    }
}

/// Every mistake, and how many there are.
fn found(Diagnostics(found): &Diagnostics, colour: bool) -> String {
    let rendered: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(colour)).collect();
    let count = found.len();
    let (things, verb) = if count == 1 { ("mistake", "was") } else { ("mistakes", "were") };
    format!("{}\n\n{count} {things} {verb} found", rendered.join("\n\n"))
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Files(diagnostics)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::{Observation, ObservationId};
    use crate::model::question::Question;
    use crate::model::run::TargetRun;
    use crate::model::suites::{SuiteOrder, SuitesFact, VersionSuites};
    use crate::model::target::{Host, Target};
    use crate::model::tls::TlsVersion;

    fn probed(troubles: &[Trouble], interrupted: bool) -> Exit {
        probed_with(Vec::new(), troubles, interrupted)
    }

    fn probed_with(observations: Vec<Observation>, troubles: &[Trouble], interrupted: bool) -> Exit {
        let target = Target::new("c", Host::Name("h.invalid".to_owned()));
        let target = TargetRun {
            target,
            addresses: Vec::new(),
            observations,
            findings: Vec::new(),
            rules: Vec::new(),
            disagreements: Vec::new(),
            troubles: troubles.to_vec(),
            evidence: None,
        };
        let run = Run {
            tool_version: String::new(),
            started: String::new(),
            elapsed_ms: 0,
            guides: Vec::new(),
            targets: vec![target],
            interrupted,
            vantage: Vantage::default(),
            drift: None,
        };
        Exit::of_probe(&run)
    }

    #[test]
    fn a_probe_says_when_it_met_a_defect() {
        let bug = Trouble::Bug { message: "m".to_owned() };
        assert_eq!(probed(&[], false), Exit::Clean);
        assert_eq!(probed(&[Trouble::Unreachable], false), Exit::Clean);
        assert_eq!(probed(&[Trouble::OutOfTime], false), Exit::Partial);
        assert_eq!(probed(&[], true), Exit::Partial);
        assert_eq!(probed(&[Trouble::OutOfTime, bug], true), Exit::Bug);
    }

    #[test]
    fn a_list_of_suites_that_may_lack_some_is_partial() {
        let listed = |incomplete: Option<&str>| Observation {
            id: ObservationId(1),
            address: std::net::IpAddr::from([192, 0, 2, 1]),
            question: Question::Suites { port: 443, sni: false },
            started_ms: 0,
            elapsed_ms: 1,
            elapsed_max_ms: 1,
            tries: 1,
            attempt: Attempt::Answered {
                fact: Fact::Suites(SuitesFact {
                    versions: vec![VersionSuites {
                        version: TlsVersion::Tls12,
                        sni: false,
                        suites: vec![0xc030],
                        order: SuiteOrder::Single,
                        incomplete: incomplete.map(str::to_owned),
                        groups: Vec::new(),
                        groups_incomplete: None,
                        dh_bits: Vec::new(),
                        dh_incomplete: None,
                    }],
                    unsettled: Vec::new(),
                }),
            },
        };
        assert_eq!(probed_with(vec![listed(None)], &[], false), Exit::Clean);
        assert_eq!(probed_with(vec![listed(Some("it closes connections"))], &[], false), Exit::Partial);
    }
}
