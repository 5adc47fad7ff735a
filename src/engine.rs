//! The engine: plans what must be asked of a target, asks it, and keeps what came of it.
//!
//! It emits events and prints nothing; progress bars and reports only listen. Whatever happens, an interrupt, a limit, a
//! host that stops answering, what was learned is kept and what was not asked is named.

mod address;
mod early;
pub mod event;
mod log;
mod look;
pub mod memory;
pub mod plan;
mod stop;
mod witness;

use crate::model::address::is_inside;
use crate::model::observation::Observation;
use crate::model::run::{AddressHealth, AddressRun, Trouble};
use crate::model::target::Target;
use crate::net::resolve::Resolver;
use crate::net::route;
use crate::probe::{Asker, WitnessSettings};
use address::AddressScan;
use event::{Event, Events};
use futures::stream::{self, StreamExt as _};
use memory::{Keep, Memory};
use plan::Plan;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many targets are scanned side by side.
    pub parallel: usize,
    /// How long one target may take.
    pub host_time: Duration,
    /// Ask IPv4 addresses.
    pub ipv4: bool,
    /// Ask IPv6 addresses.
    pub ipv6: bool,
    /// The witness behind the firewall, where there is one.
    pub witness: Option<Arc<WitnessSettings>>,
}

/// A target, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The target.
    pub target: Target,
    /// What is asked of every address of it. Thousands of hosts share one.
    pub plan: Arc<Plan>,
    /// What an interrupted run had learned of it, which is not asked again.
    pub known: Arc<[Observation]>,
    /// Who is told each answer as it comes.
    pub keep: Option<Arc<dyn Keep>>,
}

impl Inquiry {
    /// Asks what the plan says, of a target of which nothing is known.
    pub fn new(target: Target, plan: Arc<Plan>) -> Self {
        Self { target, plan, known: Arc::default(), keep: None }
    }
}

/// What a scan of one target brought.
#[derive(Clone, Debug)]
pub struct TargetScan {
    /// Its addresses.
    pub addresses: Vec<AddressRun>,
    /// What was asked of them.
    pub observations: Vec<Observation>,
    /// What kept it from being whole.
    pub troubles: Vec<Trouble>,
}

/// What a run needs.
#[derive(Clone)]
pub struct Engine {
    /// Asks.
    pub asker: Arc<Asker>,
    /// Resolves names.
    pub resolver: Arc<Resolver>,
    /// How.
    pub settings: Settings,
}

impl Engine {
    /// Asks, and tells each result, with the place of its inquiry, as soon as it is final. When `interrupted` becomes true,
    /// asking ends and what was learned is told.
    pub async fn run(
        &self,
        inquiries: &[Inquiry],
        interrupted: watch::Receiver<bool>,
        events: mpsc::UnboundedSender<Event>,
        mut tell: impl FnMut(usize, TargetScan),
    ) {
        let events = Events(events);
        let scans = in_turn(inquiries).into_iter().map(|number| {
            let (events, interrupted) = (events.clone(), interrupted.clone());
            async move {
                let inquiry = inquiries.get(number)?;
                let scan = self.scan(number, inquiry, interrupted, &events).await;
                for trouble in &scan.troubles {
                    events.tell(Event::Troubled { target: number, trouble: trouble.clone() });
                }
                events.tell(Event::Finished { target: number });
                Some((number, scan))
            }
        });
        let mut scans = stream::iter(scans).buffer_unordered(self.settings.parallel.max(1));
        while let Some(done) = scans.next().await {
            if let Some((number, scan)) = done {
                tell(number, scan);
            }
        }
    }

    async fn scan(
        &self,
        number: usize,
        Inquiry { target, plan, known, keep }: &Inquiry,
        interrupted: watch::Receiver<bool>,
        events: &Events,
    ) -> TargetScan {
        let mut scan = TargetScan { addresses: Vec::new(), observations: Vec::new(), troubles: Vec::new() };
        let stop = Stop::new(interrupted, Instant::now() + self.settings.host_time);
        let addresses = match stop.unless(self.addresses(target)).await {
            Ok(Ok((addresses, trouble))) => {
                scan.troubles.extend(trouble);
                addresses
            }
            Ok(Err(trouble)) => {
                scan.troubles.push(trouble);
                return scan;
            }
            Err(skip) => {
                scan.troubles.push(address::trouble_of(&skip));
                return scan;
            }
        };
        events.tell(Event::Resolved { target: number, addresses: addresses.clone() });
        let memories: Vec<Memory> = addresses.iter().map(|address| Memory::of(known, *address)).collect();
        let scans = addresses.iter().zip(&memories).map(|(address, memory)| {
            let (witness, keep) = (self.settings.witness.as_deref(), keep.as_deref());
            let (asker, address, stop) = (self.asker.as_ref(), *address, &stop);
            AddressScan { asker, target, plan, address, stop, events, number, witness, memory, keep }.run()
        });
        let mut entries = Vec::new();
        for (address, done) in addresses.iter().zip(futures::future::join_all(scans).await) {
            let health = AddressHealth { inside: is_inside(*address), ..done.health };
            scan.addresses.push(AddressRun { address: *address, vantage: route::source(*address), health });
            scan.troubles.extend(done.troubles);
            entries.extend(done.entries);
        }
        let silent: Vec<IpAddr> =
            scan.addresses.iter().filter(|run| !run.health.answered).map(|run| run.address).collect();
        if silent.len() < scan.addresses.len() {
            scan.troubles.extend(silent.into_iter().map(|address| Trouble::SilentAddress { address }));
        } else if silent.into_iter().any(|address| is_unexplained(&scan.troubles, address)) {
            scan.troubles.push(Trouble::Unreachable);
        }
        let mut troubles = Vec::new();
        for trouble in scan.troubles {
            if !troubles.contains(&trouble) {
                troubles.push(trouble);
            }
        }
        scan.troubles = troubles;
        scan.observations = log::settle(entries, &addresses);
        scan
    }

    /// The addresses to ask, and what keeps them from being all.
    async fn addresses(&self, target: &Target) -> Result<(Vec<IpAddr>, Option<Trouble>), Trouble> {
        let resolved = self
            .resolver
            .resolve(&target.host)
            .await
            .map_err(|error| Trouble::Unresolved { message: error.to_string() })?;
        let trouble = resolved.incomplete.map(|error| Trouble::Unresolved { message: error.to_string() });
        let wanted = |address: &IpAddr| if address.is_ipv4() { self.settings.ipv4 } else { self.settings.ipv6 };
        let all = resolved.addresses;
        let addresses: Vec<IpAddr> = all.iter().copied().filter(wanted).collect();
        if addresses.is_empty() {
            let wanted = if self.settings.ipv4 { "IPv4" } else { "IPv6" };
            return Err(Trouble::Unresolved { message: format!("{} has no {wanted} address", target.host) });
        }
        Ok((addresses, trouble))
    }
}

/// Whether nothing else is known that kept an address from answering: it was asked from here, and to the end. That another of its
/// addresses has no way from here explains nothing.
fn is_unexplained(troubles: &[Trouble], address: IpAddr) -> bool {
    troubles.iter().all(|trouble| match trouble {
        Trouble::NoRoute { address: other } => *other != address,
        // That no witness was heard behind it explains nothing either.
        Trouble::Unresolved { .. } | Trouble::Evidence { .. } | Trouble::Witness { .. } => true,
        _ => false,
    })
}

/// The order in which inquiries begin: one of each client in turn, so that the first client's hundred servers do not keep
/// the others waiting.
fn in_turn(inquiries: &[Inquiry]) -> Vec<usize> {
    let mut rounds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(inquiries.len());
    for (number, inquiry) in inquiries.iter().enumerate() {
        let round = rounds.entry(&inquiry.target.client).or_default();
        order.push((*round, number));
        *round += 1;
    }
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests;
