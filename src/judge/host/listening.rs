//! What the host's firewall and processes say.

use super::{not_collected, on};
use crate::host::config::ScreenConnect;
use crate::host::evidence::Evidence;
use crate::host::firewall::Action;
use crate::host::registry::Data;
use crate::host::sockets::Process;
use crate::host::{Line, State};
use crate::judge::part::Part;
use crate::model::ports::Transport;
use crate::model::verdict::Confidence;
use std::collections::BTreeSet;

/// Whether a program is one of Automate's, by the folders that it installs itself to.
fn is_automates(program: Option<&str>) -> bool {
    program.is_some_and(|path| {
        let path = path.to_ascii_lowercase();
        ["\\labtech", "\\ltsvc", "\\automate", "\\ltshare"].iter().any(|folder| path.contains(folder))
    })
}

pub(super) fn loopback_free(evidence: &Evidence) -> Vec<Part> {
    let firewall = match &evidence.firewall {
        Err(why) => return vec![not_collected(&format!("the firewall: {why}"))],
        Ok(firewall) => firewall,
    };
    let mut parts: Vec<Part> = firewall
        .rules
        .iter()
        .filter(|placed| placed.rule.active && placed.rule.action == Action::Block)
        .filter(|placed| placed.rule.meets_loopback() || is_automates(placed.rule.program.as_deref()))
        .map(|placed| on(Part::fail("a rule that is in force blocks the machine's way to itself"), &placed.line))
        .collect();
    parts.extend(firewall.unread.iter().map(|rule| {
        Part::inconclusive("a rule could not be read, and may block it")
            .settle("Look at the rule on the host.")
            .seen(rule.clone())
    }));
    if parts.is_empty() {
        let part =
            Part::pass("no rule that is in force blocks 127.0.0.1, and Windows' firewall leaves it alone otherwise");
        parts.push(part.at_most(Confidence::Medium).seen(format!(
            "{} rules of both stores read; firewalls of other makers are not seen",
            firewall.rules.len()
        )));
    }
    parts
}

/// The ports that an address of http.sys or of the relay names: `http://+:8040/`, `relay://+:8041/`.
fn port_of(address: &str) -> Option<u16> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
        _ => match scheme.to_ascii_lowercase().as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        },
    }
}

/// What the names of the agent's programs have in them: they connect to a server, and run on it as on any managed machine.
const CLIENT: [&str; 3] = ["client", "backstage", "filemanager"];

/// Whether a process is of ScreenConnect's server: one of its services, or a program of its that is not the agent's.
fn is_server(process: &Process) -> bool {
    let name = process.name.to_ascii_lowercase();
    let service = |service: &String| {
        let service = service.to_ascii_lowercase();
        service.starts_with("screenconnect") && !service.starts_with("screenconnect client")
    };
    name.starts_with("screenconnect") && CLIENT.iter().all(|word| !name.contains(word))
        || process.services.iter().any(service)
}

/// Whether the session manager is in a process.
fn is_session_manager(process: &Process) -> bool {
    process.services.iter().any(|service| service.eq_ignore_ascii_case("ScreenConnect Session Manager"))
        || process.name.eq_ignore_ascii_case("ScreenConnect.SessionManager.exe")
}

pub(super) fn session_manager(evidence: &Evidence) -> Vec<Part> {
    let config = match &evidence.screenconnect {
        Err(why) => return vec![not_collected(&format!("ScreenConnect's web.config: {why}"))],
        Ok(config) => config,
    };
    let mut parts: Vec<Part> = config
        .endpoints
        .iter()
        .map(|(address, line)| {
            if address.to_ascii_lowercase().starts_with("net.pipe://") {
                on(Part::pass("the session manager has named pipes only"), line)
            } else {
                on(Part::fail("an endpoint of the session manager is on the network"), line)
            }
        })
        .collect();
    if parts.is_empty() {
        let why = "an endpoint of the session manager: there is none with an address in ScreenConnect's web.config";
        parts.push(not_collected(why).seen(config.file.clone()));
    }
    parts.extend(listens(evidence, config).unwrap_or_else(|why| vec![not_collected(&why)]));
    parts
}

/// Where ScreenConnect's server listens, by its sockets and by what it has registered at http.sys, whose sockets are the
/// system's own.
fn listens(evidence: &Evidence, config: &ScreenConnect) -> Result<Vec<Part>, String> {
    let listeners = evidence.listeners.as_ref().map_err(|why| format!("what listens: {why}"))?;
    let processes = evidence.processes.as_ref().map_err(|why| format!("the processes: {why}"))?;
    let registered = evidence.registrations.as_ref().map_err(|why| format!("what http.sys serves: {why}"))?;
    if !processes.values().any(is_session_manager) {
        return Err("ScreenConnect's session manager did not run, so what it listens on could not be seen".to_owned());
    }
    let own: BTreeSet<u32> = processes.iter().filter(|(_, process)| is_server(process)).map(|(pid, _)| *pid).collect();
    let known: Vec<u16> = config.listen.iter().filter_map(|(_, address, _)| port_of(address)).collect();
    if known.is_empty() {
        return Err("where ScreenConnect's web server and relay listen: its web.config does not say it".to_owned());
    }
    let mut parts = Vec::new();
    let mut judge = |owner: Owner, port: u16, line: &Line| {
        let part = match (owner, known.contains(&port)) {
            (Owner::Other, _) | (Owner::Unknown, true) => return,
            (Owner::Server, true) => Part::pass(CONFIGURED),
            (Owner::Server, false) => Part::fail(
                "a process of ScreenConnect listens on a port that is neither the web server's nor the relay's",
            ),
            (Owner::Unknown, false) => not_collected("whose process listens there"),
        };
        parts.push(on(part, line));
    };
    // Who holds a port, if it is none of the processes that were listed, is not known.
    let owner = |pid: u32| match pid {
        pid if own.contains(&pid) => Owner::Server,
        pid if pid <= SYSTEM || processes.contains_key(&pid) => Owner::Other,
        _ => Owner::Unknown,
    };
    for listener in listeners.iter().filter(|one| one.transport == Transport::Tcp && one.beyond_loopback()) {
        judge(owner(listener.pid), listener.port, &listener.line);
    }
    for place in registered {
        let owners = place.pids.iter().flatten().map(|pid| owner(*pid));
        let owner = if place.pids.is_none() { Owner::Unknown } else { owners.max().unwrap_or(Owner::Other) };
        judge(owner, place.port, &place.line);
    }
    if parts.is_empty() {
        parts.push(Part::pass(CONFIGURED).seen(format!(
            "{} processes of ScreenConnect's server run and none of them listens beyond this machine",
            own.len()
        )));
    }
    Ok(parts)
}

const CONFIGURED: &str = "ScreenConnect's processes listen only where its web server and relay are configured";

/// The number of the system's own process; 0 is nobody's.
const SYSTEM: u32 = 4;

/// Who listens; what decides comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Another program.
    Other,
    /// Nobody knows.
    Unknown,
    /// ScreenConnect's server.
    Server,
}

/// A number of the registry.
pub(super) fn dword(state: &State<Data>) -> Option<u32> {
    state.value().and_then(Data::dword)
}
