//! `portreeve doctor`: is what this machine sees to be believed?

use super::args::history::StoreArgs;
use super::args::{DoctorArgs, DoctorFormat, Shared};
use super::exit::{CliError, Exit};
use super::output::{called, print};
use super::progress;
use super::session::{self, Families};
use super::store::say_if_open_to_others;
use super::vantage::{self, Control, inquiry, seen};
use crate::catalog::inventory::{self, NO_CLIENT};
use crate::engine::{Engine, Inquiry, TargetScan};
use crate::judge::vantage::{self as rules, Evidence, SUSPECTS, Server};
use crate::model::ports::Ports;
use crate::model::run::Trouble;
use crate::model::target::{Host, Target};
use crate::model::vantage::{Checkup, Machine, Standing, Subject, Vantage, Ways};
use crate::net::machine;
use crate::net::resolve::NameServers;
use crate::report;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a DNS server has to say that a name does not exist.
const NAME_WITHIN: Duration = Duration::from_secs(8);

/// Web ports, that proxies answer for where they answer for any.
const PROXIED: [u16; 2] = [80, 443];

/// How many ports without a meaning are asked beside those, and where they are drawn from: where decoys are.
const RANDOM: usize = 3;
const RANDOM_FROM: std::ops::Range<u16> = 20_100..32_000;

/// Ports that servers of the guides use, most of them shut at any one server: how it says so tells whether silence on
/// others stands out.
const USUAL: [u16; 12] = [22, 70, 80, 443, 1433, 3306, 3389, 5985, 8040, 8041, 8443, 8484];

/// What is asked over the network.
struct Asked {
    nowhere: Vec<IpAddr>,
    nowhere_ports: Vec<u16>,
    control: Option<Control>,
    servers: Vec<Target>,
    server_ports: Vec<u16>,
}

/// Runs `portreeve doctor`.
pub(super) async fn run(args: DoctorArgs, shared: &Shared) -> Result<Exit, CliError> {
    let asked = asked(&args)?;
    let usual = StoreArgs { store: None };
    if let Some(store) = usual.existing().filter(|_| !shared.quiet) {
        say_if_open_to_others(&store);
    }
    let started = session::empty_run().started;
    let (machine, checkups) = vantage::look();
    let mut vantage = Vantage::default();
    vantage.extend(checkups);
    let named = |host: &Host| matches!(host, Host::Name(_));
    let names = asked.servers.iter().any(|server| named(&server.host))
        || asked.control.as_ref().is_some_and(|control| named(&control.host));
    let dns = NameServers::of_system(NAME_WITHIN);
    let addresses = dns.as_ref().map(NameServers::addresses).map_err(Clone::clone);
    vantage.extend([rules::resolver(&addresses, names)]);
    let said = match &dns {
        Ok(dns) if names => dns.ask_for_nothing().await,
        _ => Vec::new(),
    };
    let mut exit = Exit::Clean;
    let mut scans = Vec::new();
    let inquiries = asked.inquiries();
    if !inquiries.is_empty() {
        let families = Families::of_options(args.only_v4, args.only_v6);
        let engine = session::engine(&args.timing, families, None, false, session::PATIENCE_OF_PROBE, shared)?;
        let (brought, interrupted) = ask(&engine, &inquiries, shared).await;
        scans = brought;
        exit = Exit::of_vantage(&vantage, interrupted);
    }
    if scans.iter().any(|scan| scan.troubles.iter().any(|trouble| matches!(trouble, Trouble::Bug { .. }))) {
        exit = Exit::Bug;
    }
    asked.judge(&scans, &machine, &said, &mut vantage);
    if !matches!(exit, Exit::Bug | Exit::Partial) {
        exit = Exit::of_vantage(&vantage, false);
    }
    if !shared.quiet {
        print(&match args.format {
            DoctorFormat::Text => report::terminal::doctor(&vantage, shared.columns(), shared.colour()),
            DoctorFormat::Json => report::json::doctor(&vantage, &started)
                .map_err(|error| CliError::Bug(format!("the JSON output: {error}")))?,
        })?;
    }
    Ok(exit)
}

/// What the options ask for.
fn asked(args: &DoctorArgs) -> Result<Asked, CliError> {
    let mut servers = if args.targets.is_empty() { Vec::new() } else { inventory::load(&args.targets)?.targets };
    let mut hosts: BTreeSet<Host> = servers.iter().map(|server| server.host.clone()).collect();
    let more = args.hosts.iter().filter(|host| hosts.insert((*host).clone()));
    servers.extend(more.map(|host| Target::new(NO_CLIENT, host.clone())));
    if let Some(own) =
        args.nowhere.iter().find(|address| machine::route(**address).is_some_and(|way| way.source == **address))
    {
        return Err(CliError::Usage(format!(
            "--nowhere {own}: that is an address of this machine, which answers for it"
        )));
    }
    let chosen: Vec<u16> =
        args.ports.iter().flat_map(|ports| ports.each()).collect::<BTreeSet<u16>>().into_iter().collect();
    let or = |usual: Vec<u16>| if chosen.is_empty() { usual } else { chosen.clone() };
    let random = fastrand::choose_multiple(RANDOM_FROM, RANDOM);
    let control_ports: Vec<Ports> = args.ports.clone();
    Ok(Asked {
        nowhere: args.nowhere.clone(),
        nowhere_ports: or(sorted(PROXIED.into_iter().chain(random))),
        control: Control::of_options(args.control_host.as_ref(), &control_ports)?,
        servers,
        server_ports: or(sorted(USUAL.into_iter().chain(SUSPECTS))),
    })
}

fn sorted(ports: impl Iterator<Item = u16>) -> Vec<u16> {
    ports.collect::<BTreeSet<u16>>().into_iter().collect()
}

/// Asks, and says whether that was interrupted.
async fn ask(engine: &Engine, inquiries: &[Inquiry], shared: &Shared) -> (Vec<TargetScan>, bool) {
    let interrupted = session::interrupts(shared);
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut done: Vec<Option<TargetScan>> = inquiries.iter().map(|_| None).collect();
    let asked = engine.run(inquiries, interrupted.clone(), sender, |number, scan| {
        if let Some(place) = done.get_mut(number) {
            *place = Some(scan);
        }
    });
    tokio::join!(asked, progress::listen(receiver, inquiries, shared.quiet));
    let nothing =
        || TargetScan { addresses: Vec::new(), observations: Vec::new(), troubles: vec![Trouble::Interrupted] };
    (done.into_iter().map(|scan| scan.unwrap_or_else(nothing)).collect(), *interrupted.borrow())
}

impl Asked {
    /// The addresses that must not answer, the control host, the servers: in this order.
    fn inquiries(&self) -> Vec<Inquiry> {
        let nowhere = self
            .nowhere
            .iter()
            .map(|address| inquiry(Target::new(NO_CLIENT, Host::Address(*address)), &self.nowhere_ports, false));
        let control = self.control.iter().map(Control::inquiry);
        let servers = self.servers.iter().map(|server| inquiry(server.clone(), &self.server_ports, true));
        nowhere.chain(control).chain(servers).collect()
    }

    /// Adds what came of it; `scans` stand in the order of the inquiries.
    fn judge(
        &self,
        scans: &[TargetScan],
        machine: &Machine,
        said: &[(IpAddr, crate::model::vantage::NameAnswer)],
        vantage: &mut Vantage,
    ) {
        let mut scans = scans.iter();
        let nowhere: Vec<Checkup> = self
            .nowhere
            .iter()
            .zip(scans.by_ref())
            .map(|(address, scan)| rules::nowhere(*address, &self.nowhere_ports, seen(scan)))
            .collect();
        let honest = !nowhere.is_empty() && nowhere.iter().all(|checkup| checkup.standing == Standing::Ok);
        vantage.extend([rules::proxies(machine, honest)]);
        if nowhere.is_empty() {
            vantage.extend([Checkup::not_checked(
                Subject::Nowhere,
                "None was named.",
                "Ask one with --nowhere: 192.0.2.1 (TEST-NET-1, RFC 5737), or another that nobody has.",
            )]);
        }
        vantage.extend(nowhere);
        match &self.control {
            Some(control) => {
                let judged = scans.next().map(|scan| control.judge(scan));
                let (checkup, ways) = judged.map_or((None, Ways::default()), |(checkup, ways)| (Some(checkup), ways));
                vantage.extend(checkup);
                vantage.ways = ways;
            }
            None => vantage.extend([Checkup::not_checked(
                Subject::ControlHost,
                "None was named.",
                "Name a machine of yours outside that listens on what the guides name, with --control-host.",
            )]),
        }
        self.judge_servers(scans.as_slice(), machine, said, vantage);
    }

    fn judge_servers(
        &self,
        scans: &[TargetScan],
        machine: &Machine,
        said: &[(IpAddr, crate::model::vantage::NameAnswer)],
        vantage: &mut Vantage,
    ) {
        let mut evidence = Evidence::default();
        let servers: Vec<Server<'_>> = self
            .servers
            .iter()
            .zip(scans)
            .map(|(server, scan)| {
                evidence.add(seen(scan));
                Server {
                    label: called(server),
                    host: &server.host,
                    addresses: scan.addresses.iter().map(|run| (run, machine::route(run.address))).collect(),
                    troubles: &scan.troubles,
                }
            })
            .collect();
        vantage.extend(rules::names(said, &servers));
        vantage.extend(rules::servers(&servers, machine));
        let (checkups, ways) = evidence.conclude(&vantage.ways);
        vantage.ways = ways;
        // Where servers are inside they are named above.
        vantage.extend(checkups.into_iter().filter(|checkup| checkup.subject != Subject::InsideAddresses));
    }
}
