//! The vantage of a run: what is known of it before anything is asked, and what the run itself tells of it.

use super::exit::CliError;
use super::probe::guide_ports;
use super::session::{HostEvidences, TargetStatements, judged, said_of};
use crate::catalog::builtin::Catalogs;
use crate::catalog::inventory::NO_CLIENT;
use crate::engine::plan::Plan;
use crate::engine::{Engine, Inquiry, TargetScan};
use crate::judge::vantage::{self as rules, Evidence, Seen};
use crate::model::ports::{Ports, Transport};
use crate::model::run::{Run, Trouble};
use crate::model::target::{Host, Target};
use crate::model::vantage::{Checkup, Machine, Ways};
use crate::net::machine;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Who wants what is asked for the vantage's sake.
const WANTED_BY: &str = "vantage";

/// A host that the user lets stand for the way out, and the TCP ports that it listens on.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) host: Host,
    pub(super) ports: Vec<u16>,
}

impl Control {
    /// As the options say; by themselves, the ports are those that the guides name.
    pub(super) fn of_options(host: Option<&Host>, ports: &[Ports]) -> Result<Option<Self>, CliError> {
        let Some(host) = host else { return Ok(None) };
        let ranges = if ports.is_empty() { guide_ports()? } else { ports.to_vec() };
        let tcp = ranges.iter().filter(|ports| ports.transport() == Transport::Tcp);
        let ports: BTreeSet<u16> = tcp.flat_map(|ports| ports.each()).collect();
        Ok(Some(Self { host: host.clone(), ports: ports.into_iter().collect() }))
    }

    /// What is asked of it.
    pub(super) fn inquiry(&self) -> Inquiry {
        inquiry(Target::new(NO_CLIENT, self.host.clone()), &self.ports, true)
    }

    /// What came of it.
    pub(super) fn judge(&self, scan: &TargetScan) -> (Checkup, Ways) {
        rules::control(&self.host, &self.ports, seen(scan))
    }
}

/// The states of TCP ports, perhaps beside decoys, and nothing else.
pub(super) fn inquiry(target: Target, tcp: &[u16], decoys: bool) -> Inquiry {
    let wanted = BTreeSet::from([WANTED_BY.to_owned()]);
    let ports = Ports::ranges(Transport::Tcp, tcp.iter().copied()).into_iter().map(|ports| (ports, wanted.clone()));
    Inquiry::new(target, Arc::new(Plan { ports: ports.collect(), decoys, ..Plan::default() }))
}

/// What was seen in a scan.
pub(super) fn seen(scan: &TargetScan) -> Seen<'_> {
    Seen { addresses: &scan.addresses, observations: &scan.observations, troubles: &scan.troubles }
}

/// What this machine says of itself.
pub(super) fn look() -> (Machine, Vec<Checkup>) {
    let machine = machine::look();
    let newest = Catalogs::built_in().ok().and_then(|catalogs| {
        let days = catalogs.guides.iter().filter_map(|guide| guide.revision.parse().ok());
        days.max()
    });
    let checkups = rules::machine(&machine, newest);
    (machine, checkups)
}

/// What is known before a run: of this machine, and by the control host.
pub(super) async fn before(
    engine: &Engine,
    control: Option<&Control>,
    interrupted: watch::Receiver<bool>,
) -> crate::model::vantage::Vantage {
    let mut vantage = crate::model::vantage::Vantage::default();
    vantage.extend(look().1);
    if let Some(control) = control {
        // Nobody listens: the run that follows has the progress bar.
        let (sender, _) = mpsc::unbounded_channel();
        let mut asked = None;
        engine.run(&[control.inquiry()], interrupted, sender, |_, scan| asked = Some(control.judge(&scan))).await;
        if let Some((checkup, ways)) = asked {
            vantage.extend([checkup]);
            vantage.ways = ways;
        }
    }
    vantage
}

/// Adds what the run's own targets tell, all together, and judges anew those findings that rest on it.
pub(super) fn conclude(
    run: &mut Run,
    evidence: &Evidence,
    judging: Option<(&Catalogs, &HostEvidences, &TargetStatements)>,
) {
    let (checkups, ways) = evidence.conclude(&run.vantage.ways);
    let mut vantage = std::mem::take(&mut run.vantage);
    vantage.extend(checkups);
    let learned = vantage.ways != ways;
    vantage.ways = ways;
    run.vantage = rules::for_report(vantage);
    let Some((catalogs, hosts, statements)) = judging.filter(|_| learned) else { return };
    // Where the observations were not kept, the findings were written already; the vantage is told after them.
    for target in run.targets.iter_mut().filter(|target| !target.observations.is_empty()) {
        let host = hosts.get(&target.target.label());
        let ways = &run.vantage.ways;
        let said = said_of(statements, &target.target);
        let judgement = judged(&target.target, &target.addresses, &target.observations, catalogs, ways, host, said);
        target.evidence = judgement.evidence;
        target.findings = judgement.findings;
        target.rules = judgement.rules;
        target.disagreements = judgement.disagreements;
        target.troubles.retain(|trouble| !matches!(trouble, Trouble::Evidence { .. }));
        target.troubles.extend(judgement.troubles);
    }
}
