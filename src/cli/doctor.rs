//! `portreeve doctor`: can what is seen from this machine be believed?

use super::args::{DoctorArgs, Format, Shared};
use super::exit::{CliError, Exit};
use super::output::{print, wrapped};
use super::probe::{self, guide_ports};
use super::scan;
use super::session::{self, Families};
use crate::engine::plan::{FollowUp, Plan};
use crate::engine::{Engine, Inquiry};
use crate::judge::vantage;
use crate::model::address::is_inside;
use crate::model::ports::{Ports, Transport};
use crate::model::run::{TargetRun, Trouble};
use crate::model::target::{Host, Target};
use crate::model::vantage::{Remark, Weight};
use crate::net::{here, route};
use crate::report::text::clean;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use tokio::sync::{mpsc, watch};

/// From how many targets that show the same `doctor` draws a conclusion: it asks them for nothing else.
const ENOUGH: usize = 2;

/// Ports that a web proxy answers for everybody.
const PROXIED: [u16; 2] = [80, 443];

/// Runs `portreeve doctor`.
pub(super) async fn run(args: DoctorArgs, shared: &Shared) -> Result<Exit, CliError> {
    let families = Families::of_options(false, false);
    let engine = session::engine(&args.timing, families, None, false, session::PATIENCE_OF_SCAN, shared)?;
    let interrupted = session::interrupts(shared);
    let targets = targets(&args)?;
    let mut remarks = local();
    let mut partial = false;
    if !targets.is_empty() {
        let inquiries = targets.iter().map(|target| inquiry(target.clone(), &often_blocked(), true)).collect();
        let seen = ask(&engine, inquiries, interrupted.clone()).await;
        partial |= seen.iter().any(is_cut_short);
        remarks.extend(views(&seen));
        remarks.extend(vantage::decoys(&seen, ENOUGH));
        if args.control.is_none() {
            remarks.extend(vantage::outbound(&seen, ENOUGH));
        }
    }
    match args.nowhere {
        Some(address) => {
            let target = Target::new("", Host::Address(address));
            let seen = ask(&engine, vec![inquiry(target, &PROXIED.into(), true)], interrupted.clone()).await;
            partial |= seen.iter().any(is_cut_short);
            remarks.extend(seen.iter().map(vantage::nowhere));
        }
        None => remarks.push(
            Remark::new(
                "an address that must not answer",
                Weight::NotChecked,
                "none was named, and none is asked that is not named",
                "whether something near this machine answers for others is known only from decoys",
            )
            .settle("Name one: `portreeve doctor --nowhere 192.0.2.1` (TEST-NET-1, which nobody has: RFC 5737)."),
        ),
    }
    match &args.control {
        Some(host) => {
            let (seen, remark, _) = control(&engine, host, &args.ports, interrupted).await?;
            partial |= seen.iter().any(is_cut_short);
            remarks.push(remark);
        }
        None if targets.is_empty() => remarks.push(
            Remark::new(
                "ports blocked on the way out",
                Weight::NotChecked,
                "no control host was named",
                "whether ports such as 445 are blocked on the way out of here is not known",
            )
            .settle("Name a host of yours that listens on the guides' ports: `portreeve doctor --control HOST`."),
        ),
        None => {}
    }
    if !shared.quiet {
        print(&match args.format {
            Format::Text => text(&remarks, shared.columns()),
            Format::Json | Format::Jsonl => {
                format!("{}\n", json!({ "format": "portreeve-doctor", "version": 1, "remarks": remarks }))
            }
        })?;
    }
    let worst = remarks.iter().map(|remark| remark.weight).max();
    Ok(if partial {
        Exit::Partial
    } else if worst >= Some(Weight::Warning) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Asks a host that listens on the guides' ports, by its owner's word: a remark, and the ports that are blocked on the way.
pub(super) async fn control(
    engine: &Engine,
    host: &Host,
    ports: &[Ports],
    interrupted: watch::Receiver<bool>,
) -> Result<(Vec<TargetRun>, Remark, BTreeSet<u16>), CliError> {
    let guides = if ports.is_empty() { guide_ports()? } else { ports.to_vec() };
    let tcp = guides.iter().filter(|ports| ports.transport() == Transport::Tcp);
    let mut wanted: BTreeSet<u16> = tcp.flat_map(|ports| ports.each()).collect();
    if ports.is_empty() {
        wanted.extend(vantage::OFTEN_BLOCKED);
    }
    let target = Target::new("", host.clone());
    let seen = ask(engine, vec![inquiry(target, &wanted, false)], interrupted).await;
    let (remark, blocked) = match seen.first() {
        Some(run) => vantage::control(run, &wanted),
        None => return Err(CliError::Bug("the control host was not asked".to_owned())),
    };
    Ok((seen, remark, blocked))
}

fn often_blocked() -> BTreeSet<u16> {
    // And two that servers of the guides have open or refuse, so that there is something to compare with.
    vantage::OFTEN_BLOCKED.into_iter().chain([70, 443]).collect()
}

fn targets(args: &DoctorArgs) -> Result<Vec<Target>, CliError> {
    let mut targets = scan::of_inventories(&args.targets)?;
    targets.extend(args.hosts.iter().map(|host| Target::new("", host.clone())));
    Ok(targets)
}

fn inquiry(target: Target, ports: &BTreeSet<u16>, decoys: bool) -> Inquiry {
    let ports = ports.iter().filter_map(|port| Ports::tcp(*port)).collect();
    let plan = Plan { decoys, ..probe::plan(ports, FollowUp::default()) };
    Inquiry { target, plan }
}

async fn ask(engine: &Engine, inquiries: Vec<Inquiry>, interrupted: watch::Receiver<bool>) -> Vec<TargetRun> {
    let (events, _) = mpsc::unbounded_channel();
    let mut seen: Vec<Option<TargetRun>> = inquiries.iter().map(|_| None).collect();
    let asked = engine.run(&inquiries, interrupted, events, |number, scan| {
        if let (Some(inquiry), Some(place)) = (inquiries.get(number), seen.get_mut(number)) {
            *place = Some(TargetRun {
                target: inquiry.target.clone(),
                addresses: scan.addresses,
                observations: scan.observations,
                findings: Vec::new(),
                rules: Vec::new(),
                disagreements: Vec::new(),
                troubles: scan.troubles,
            });
        }
    });
    asked.await;
    seen.into_iter().flatten().collect()
}

/// Whether something was not asked that should have been. A host that does not answer is an answer here.
fn is_cut_short(run: &TargetRun) -> bool {
    let trouble = |trouble: &Trouble| {
        matches!(trouble, Trouble::Interrupted | Trouble::OutOfTime | Trouble::Ourselves { .. } | Trouble::Bug { .. })
    };
    run.troubles.iter().any(trouble)
}

/// What can be told without sending anything.
fn local() -> Vec<Remark> {
    let mut remarks = Vec::new();
    let files = here::open_files();
    let about = "open files";
    remarks.push(match files {
        Some(allowed) if allowed < 1024 => Remark::new(
            about,
            Weight::Notice,
            format!("this machine allows {allowed} at once"),
            "a sweep and a scan of many servers are slower; no result is worse for it",
        )
        .settle("Allow more with `ulimit -n 16384`."),
        Some(allowed) => Remark::new(about, Weight::Fine, format!("this machine allows {allowed} at once"), "enough"),
        None => Remark::new(about, Weight::Fine, "this system does not count sockets as files", "enough"),
    });
    remarks.push(if here::TELLS_REJECTS {
        Remark::new(
            "who refuses",
            Weight::Fine,
            "this system tells a RST from an ICMP message, and who sent it",
            "states are exact",
        )
    } else {
        Remark::new(
            "who refuses",
            Weight::Notice,
            "this system does not tell a RST from an ICMP message",
            "a rejected port reads as refused, and nobody is named; open, refused and silent are told apart as well",
        )
        .settle("Scan from a Linux machine to learn more.")
    });
    if let Some((used, most)) = here::tracked_connections() {
        let seen = format!("{used} of {most} connections are tracked by this machine's firewall");
        let about = "connection tracking";
        remarks.push(if used.saturating_mul(10) > most.saturating_mul(7) {
            let meaning = "a full table drops packets, and a scan that fills it sees silence where there is none";
            Remark::new(about, Weight::Warning, seen, meaning)
                .settle("Raise net.netfilter.nf_conntrack_max, or scan with a lower --rate.")
        } else {
            Remark::new(about, Weight::Fine, seen, "there is room")
        });
    }
    let proxies: Vec<&str> = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if !proxies.is_empty() {
        let seen = format!("{} in the environment", proxies.join(", "));
        let meaning = "portreeve never uses a proxy: it connects directly, or the answers would be the proxy's";
        remarks.push(Remark::new("proxies", Weight::Notice, seen, meaning));
    }
    remarks
}

/// From where each target's addresses are seen.
fn views(seen: &[TargetRun]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let addresses = || seen.iter().flat_map(|run| run.addresses.iter().map(move |address| (run, address)));
    let about = "an outside view";
    let inside: BTreeSet<IpAddr> =
        addresses().map(|(_, address)| address.address).filter(|address| is_inside(*address)).collect();
    if !inside.is_empty() {
        let list: Vec<String> = inside.iter().map(ToString::to_string).collect();
        let seen = format!("{} not public", listed(&list));
        let meaning = "what is seen there is a view from inside: the Internet may reach more, or less";
        remarks.push(
            Remark::new(about, Weight::Warning, seen, meaning)
                .settle("Name the servers' public addresses, and scan from outside."),
        );
    }
    let behind: BTreeSet<IpAddr> = addresses()
        .filter(|(_, address)| !is_inside(address.address))
        .filter_map(|(_, address)| route::source(address.address))
        .filter(|source| is_inside(*source))
        .collect();
    if !behind.is_empty() {
        let list: Vec<String> = behind.iter().map(ToString::to_string).collect();
        let seen = format!(
            "public addresses are asked from {}, which {} not public",
            list.join(", "),
            if list.len() == 1 { "is" } else { "are" }
        );
        remarks.push(Remark::new(
            "address translation",
            Weight::Notice,
            seen,
            "a router translates on the way out: its table of connections is another limit, and servers see its address",
        ));
    }
    for (run, trouble) in seen.iter().flat_map(|run| run.troubles.iter().map(move |trouble| (run, trouble))) {
        let weight = match trouble {
            Trouble::Unresolved { .. } | Trouble::NoRoute { .. } | Trouble::Ourselves { .. } => Weight::Warning,
            Trouble::Unreachable | Trouble::SilentAddress { .. } | Trouble::StoppedAnswering { .. } => Weight::Notice,
            _ => Weight::NotChecked,
        };
        remarks.push(Remark::new(
            &run.target.host.to_string(),
            weight,
            trouble.describe(),
            "it cannot be scanned as it is",
        ));
    }
    if remarks.is_empty() && addresses().next().is_some() {
        remarks.push(Remark::new(
            about,
            Weight::Fine,
            "every address is public, and so is this machine's",
            "what is seen is what the Internet sees",
        ));
    }
    remarks
}

fn listed(texts: &[String]) -> String {
    format!("{} {}", texts.join(", "), if texts.len() == 1 { "is" } else { "are" })
}

fn text(remarks: &[Remark], columns: usize) -> String {
    let mut text = String::new();
    for remark in remarks {
        let head = format!("{}: {}", remark.weight.to_string().to_uppercase(), remark.about);
        let _ = writeln!(text, "{}", wrapped(&clean(&head), columns, "", "  "));
        let mut line = |line: &str| {
            let _ = writeln!(text, "{}", wrapped(&clean(line), columns, "    ", "    "));
        };
        line(&format!("{}: {}.", remark.seen, remark.meaning));
        if let Some(settle) = &remark.settle {
            line(&format!("To do: {settle}"));
        }
    }
    let worst = remarks.iter().map(|remark| remark.weight).max().unwrap_or(Weight::Fine);
    let _ = writeln!(
        text,
        "\n{}",
        wrapped(
            match worst {
                Weight::Fine | Weight::Notice => "Scans from here can be believed, as far as was looked.",
                Weight::NotChecked => "Nothing speaks against scans from here; not everything could be looked at.",
                Weight::Warning => "Some results of scans from here may be wrong: see the warnings.",
                Weight::Broken => "Do not believe scans from here before that is mended.",
            },
            columns,
            "",
            ""
        )
    );
    text
}
