//! Ports from both sides: what listens, what the host's firewall says of it, and what was seen from outside.

use crate::host::evidence::Evidence;
use crate::host::firewall::Claim;
use crate::host::sockets::Listener;
use crate::judge::view::{PortSeen, View};
use crate::model::evidence::FirewallRow;
use crate::model::fact::PortState;
use crate::model::ports::Transport;
use crate::model::vantage::Passage;
use std::collections::BTreeSet;

/// The most rows of the table.
const ROWS: usize = 200;

/// The most listening ports that the table looks at; each is held against all rules of the firewall.
const LISTENED: usize = 5000;

/// Ports from here on are handed out to programs as they come (RFC 6335); listeners there are Windows' own RPC.
const DYNAMIC: u16 = 49152;

/// What the host says of one of its ports.
#[derive(Clone, Debug)]
pub(in crate::judge) enum Side {
    /// Nothing listens there, or only for the machine itself.
    Nothing(String),
    /// Something listens, and the firewall drops what comes from outside: by which line.
    Dropped(String),
    /// Something listens, and the firewall lets in what comes from anywhere.
    LetIn(String),
    /// Something listens; whether it is let in depends.
    Depends(String),
    /// Not collected: why.
    Unknown(String),
}

impl Side {
    pub(in crate::judge) fn text(&self) -> &str {
        match self {
            Self::Nothing(text)
            | Self::Dropped(text)
            | Self::LetIn(text)
            | Self::Depends(text)
            | Self::Unknown(text) => text,
        }
    }
}

fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

fn listening(evidence: &Evidence, transport: Transport, port: u16) -> Result<Vec<&Listener>, String> {
    let all = evidence.listeners.as_ref().map_err(Clone::clone)?;
    // They are in the order of ports (`sockets::read`): a DNS server has thousands, and this is asked for every port.
    let from = all.partition_point(|one| (one.transport, one.port) < (transport, port));
    let of_port = all.iter().skip(from).take_while(|one| (one.transport, one.port) == (transport, port));
    Ok(of_port.collect())
}

/// The names of the programs that have a port.
fn names(evidence: &Evidence, listeners: &[&Listener]) -> String {
    let process = |pid: u32| match evidence.processes.as_ref().ok().and_then(|all| all.get(&pid)) {
        Some(process) => process.name.clone(),
        None => format!("process {pid}"),
    };
    let names: BTreeSet<String> = listeners.iter().map(|listener| process(listener.pid)).collect();
    let names: Vec<String> = names.into_iter().collect();
    crate::model::peer_text::PeerText::new(&names.join(", "), 120).to_string()
}

/// Where on the host a port may be that is `actual` from outside: there, or, where a forward changes it, at the guides' own number.
fn inside(view: &View<'_>, transport: Transport, actual: u16) -> impl Iterator<Item = u16> {
    let logical = view.target().logical(transport, actual);
    std::iter::once(actual).chain((logical != actual).then_some(logical))
}

/// What the host says of the port that is `actual` from outside.
pub(in crate::judge) fn side(view: &View<'_>, evidence: &Evidence, transport: Transport, actual: u16) -> Side {
    let mut sides = inside(view, transport, actual).map(|port| of_port(evidence, transport, port));
    let first = sides.next().unwrap_or_else(|| Side::Unknown(String::new()));
    match (&first, sides.next()) {
        (Side::Nothing(none), Some(Side::Nothing(other))) if !none.contains(LOCAL) && other.contains(LOCAL) => {
            Side::Nothing(other)
        }
        (Side::Nothing(_), Some(other)) if !matches!(other, Side::Nothing(_)) => other,
        _ => first,
    }
}

/// What is said of a port that only the machine itself can use.
pub(in crate::judge) const LOCAL: &str = "for the machine itself only";

fn of_port(evidence: &Evidence, transport: Transport, port: u16) -> Side {
    let all = match listening(evidence, transport, port) {
        Err(why) => return Side::Unknown(format!("what listens on {transport}/{port} was not collected: {why}")),
        Ok(all) => all,
    };
    let beyond: Vec<&Listener> = all.iter().copied().filter(|listener| listener.beyond_loopback()).collect();
    let Some(first) = beyond.first() else {
        return Side::Nothing(match all.first() {
            Some(local) => format!("{transport}/{port} listens {LOCAL} ({})", local.line.quote()),
            None => format!("nothing listens on {transport}/{port} on the host"),
        });
    };
    let who = format!("{} listens on {transport}/{port} ({})", names(evidence, &beyond), first.line.quote());
    let firewall = match &evidence.firewall {
        Err(why) => return Side::Depends(format!("{who}; the firewall was not collected: {why}")),
        Ok(firewall) => firewall,
    };
    let programs = evidence.programs(&beyond);
    let profiles = evidence.system.as_ref().map(crate::host::system::System::profiles).unwrap_or_default();
    match firewall.claim(number(transport), port, &programs, &profiles) {
        Claim::Allowed(line) => Side::LetIn(format!("{who}, and the host's firewall lets it in ({})", line.quote())),
        Claim::Limited(line) => {
            Side::Depends(format!("{who}, and the host's firewall lets only some in ({})", line.quote()))
        }
        Claim::Blocked(line) => {
            Side::Dropped(format!("{who}, and a rule of the host's firewall blocks it ({})", line.quote()))
        }
        Claim::NotAllowed(line) => {
            Side::Dropped(format!("{who}, and no rule of the host's firewall lets it in ({})", line.quote()))
        }
        Claim::Unclear(why) => Side::Depends(format!("{who}; {why}")),
    }
}

/// What was seen of a port from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum Outside {
    /// Open at some address, and believed.
    Open,
    /// Refused or dropped at every address.
    Shut(PortState),
    /// Not asked, not answered, or not believed.
    Unknown,
}

pub(in crate::judge) fn outside(view: &View<'_>, transport: Transport, port: u16) -> Outside {
    let mut shut = None;
    let mut told = true;
    for address in &view.addresses {
        let blocked = address.way(transport, port).is_some_and(|way| way.passage == Passage::Blocked);
        match address.port(transport, port) {
            PortSeen::Known(fact, _) if fact.state == PortState::Open => {
                if transport == Transport::Udp || address.believed(port) {
                    return Outside::Open;
                }
                told = false;
            }
            PortSeen::Known(fact, _) if !blocked => shut = Some(fact.state),
            PortSeen::Known(..) | PortSeen::Unknown(_) | PortSeen::NotAsked => told = false,
        }
    }
    shut.filter(|_| told).map_or(Outside::Unknown, Outside::Shut)
}

/// The TCP ports that are open from outside, and believed, and those of them on which something listens by the bundle's own word.
fn open_and_listened(view: &View<'_>, evidence: &Evidence) -> Option<(BTreeSet<u16>, BTreeSet<u16>)> {
    let listeners = evidence.listeners.as_ref().ok()?;
    let mut open: BTreeSet<u16> = BTreeSet::new();
    for address in &view.addresses {
        open.extend(address.open_tcp().filter(|port| address.believed(*port)));
    }
    // Both may be many: where something answers on every port, all of them are open.
    let beyond = listeners.iter().filter(|one| one.transport == Transport::Tcp && one.beyond_loopback());
    let beyond: BTreeSet<u16> = beyond.map(|one| one.port).collect();
    let listens = |actual: &u16| inside(view, Transport::Tcp, *actual).any(|port| beyond.contains(&port));
    let listened = open.iter().copied().filter(listens).collect();
    Some((open, listened))
}

/// Whether what was scanned fits the bundle: ports are open, and something listens on each of them by its word.
pub(in crate::judge) fn fits(view: &View<'_>, evidence: &Evidence) -> bool {
    open_and_listened(view, evidence).is_some_and(|(open, listened)| !open.is_empty() && open == listened)
}

/// Whether anything ties the bundle to what was scanned: something listens, by its word, on a port that is open.
pub(in crate::judge) fn tied(view: &View<'_>, evidence: &Evidence) -> bool {
    open_and_listened(view, evidence).is_some_and(|(_, listened)| !listened.is_empty())
}

/// Why the bundle may be of another host than the one that was scanned: TCP ports are open, and on none of them anything listens
/// by the bundle's own word.
pub(in crate::judge) fn another_host(view: &View<'_>, evidence: &Evidence) -> Option<String> {
    let (open, listened) = open_and_listened(view, evidence)?;
    (!open.is_empty() && listened.is_empty()).then(|| {
        let ports: Vec<String> = open.iter().take(8).map(|port| format!("tcp/{port}")).collect();
        format!(
            "{} open from outside, and by the bundle nothing listens there: it is of another host, or something in front answers",
            ports.join(", ")
        )
    })
}

/// One table of both sides: what listens and may be let in, and what is open from outside.
pub(in crate::judge) fn table(view: &View<'_>, evidence: &Evidence) -> Vec<FirewallRow> {
    let Ok(listeners) = &evidence.listeners else { return Vec::new() };
    let mut ports: BTreeSet<(Transport, u16)> = BTreeSet::new();
    for listener in listeners.iter().filter(|listener| listener.beyond_loopback() && listener.port < DYNAMIC) {
        if ports.len() >= LISTENED {
            break;
        }
        ports.insert((listener.transport, view.target().actual(listener.transport, listener.port)));
    }
    for address in &view.addresses {
        ports.extend(address.open_tcp().filter(|port| address.believed(*port)).map(|port| (Transport::Tcp, port)));
    }
    let mut rows: Vec<FirewallRow> = Vec::new();
    let mut last: Option<(Transport, u16, u16)> = None;
    for (transport, port) in ports {
        if rows.len() >= ROWS {
            break;
        }
        let here = side(view, evidence, transport, port);
        let there = outside(view, transport, port);
        // What nobody can reach by anybody's word needs no row.
        if matches!(here, Side::Dropped(_)) && there == Outside::Unknown {
            continue;
        }
        let all =
            inside(view, transport, port).flat_map(|port| listening(evidence, transport, port).unwrap_or_default());
        let beyond: Vec<&Listener> = all.filter(|one| one.beyond_loopback()).collect();
        let claim = match &here {
            Side::Nothing(_) => "nothing listens",
            Side::Dropped(_) => "dropped",
            Side::LetIn(_) => "let in",
            Side::Depends(_) => "depends",
            Side::Unknown(_) => "not collected",
        };
        let row = FirewallRow {
            port: view.actual_name(transport, port),
            listener: (!beyond.is_empty()).then(|| names(evidence, &beyond)),
            claim: claim.to_owned(),
            line: here.text().to_owned(),
            outside: match there {
                Outside::Open => Some("open".to_owned()),
                Outside::Shut(state) => Some(state.to_string()),
                Outside::Unknown => None,
            },
            together: together(&here, there).to_owned(),
        };
        // Neighbours of which the same is said are one row.
        match (rows.last_mut(), last) {
            (Some(known), Some((of, from, to))) if of == transport && to + 1 == port && same(known, &row) => {
                known.port = format!("{transport}/{from}-{port}");
                last = Some((transport, from, port));
            }
            _ => {
                rows.push(row);
                last = Some((transport, port, port));
            }
        }
    }
    rows
}

/// Whether two rows say the same but of another port.
fn same(one: &FirewallRow, other: &FirewallRow) -> bool {
    let said = |row: &FirewallRow| (row.listener.clone(), row.claim.clone(), row.outside.clone(), row.together.clone());
    said(one) == said(other)
}

fn together(here: &Side, there: Outside) -> &'static str {
    match (here, there) {
        (_, Outside::Unknown) => "not told from outside",
        (Side::LetIn(_), Outside::Open) => "open, as the rules say",
        (Side::Depends(_) | Side::Unknown(_), Outside::Open) => "open from here",
        (Side::Dropped(_), Outside::Open) => "contradiction: open, though the rules drop it",
        (Side::Nothing(_), Outside::Open) => "contradiction: open, though nothing listens",
        (Side::LetIn(_), Outside::Shut(PortState::Closed)) => "refused, though it is let in",
        (Side::LetIn(_), Outside::Shut(_)) => "dropped before the host",
        (Side::Dropped(_) | Side::Nothing(_), Outside::Shut(_)) => "shut, as the host says",
        (Side::Depends(_) | Side::Unknown(_), Outside::Shut(_)) => "shut from here",
    }
}
