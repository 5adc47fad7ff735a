//! What listeners and the host's firewall say of ports.

use super::{Claim, PORTS};
use crate::host::evidence::{Evidence, SERVICES};
use crate::host::ini::{Network, Options};
use crate::host::services::RUNNING;
use crate::host::{Line, State};
use crate::judge::host::listening::dword;
use crate::judge::host::ports::{LOCAL, Outside, Side, outside, side};
use crate::judge::view::View;
use crate::model::fact::PortState;
use crate::model::ports::{Ports, Transport};

/// IIS's Web Management Service.
const WEB_MANAGEMENT: u16 = 8172;
/// MySQL.
const MYSQL: u16 = 3306;

/// Where the guides' ports are from outside; what must be closed is looked for at the guides' own numbers too.
pub(super) fn places(view: &View<'_>, ports: &[Ports], grows: bool, everywhere: bool) -> Vec<(Transport, u16)> {
    let target = view.target();
    let ranges = ports.iter().map(|ports| if grows { target.grown(*ports) } else { *ports });
    ranges
        .flat_map(|ports| ports.each().map(move |port| (ports.transport(), port)))
        .flat_map(|(transport, port)| {
            let places = target.places(transport, port).take(if everywhere { usize::MAX } else { 1 });
            places.map(move |place| (transport, place))
        })
        .collect()
}

pub(super) fn shut(view: &View<'_>, evidence: &Evidence, ports: &[Ports], grows: bool) -> Vec<Claim> {
    let mut claims = Vec::new();
    let places = places(view, ports, grows, true);
    if places.len() > PORTS {
        return claims;
    }
    // Ports on which nothing listens: those that are open nevertheless, and the others.
    let mut denied: Vec<(Transport, u16)> = Vec::new();
    let mut quiet: Vec<(Transport, u16)> = Vec::new();
    for (transport, port) in &places {
        let here = side(view, evidence, *transport, *port);
        let open = outside(view, *transport, *port) == Outside::Open;
        let holds = match &here {
            Side::Nothing(text) if !text.contains(LOCAL) => {
                let list = if open { &mut denied } else { &mut quiet };
                list.push((*transport, *port));
                continue;
            }
            Side::Nothing(_) | Side::Dropped(_) => Some(true),
            // What the host lets in and a perimeter drops is what a perimeter is for: no contradiction of a closed port.
            Side::LetIn(_) => open.then_some(false),
            Side::Depends(_) | Side::Unknown(_) => None,
        };
        let mut claim = port_claim(&view.actual_name(*transport, *port), holds, here.text(), &WHEN_OPEN);
        claim.lacking = lacks(&here, evidence);
        claim.network = (open && holds == Some(true)).then(|| format!("{} is open", claim.subject));
        if *port == view.target().actual(Transport::Tcp, MYSQL) && *transport == Transport::Tcp {
            claim.seen.extend(mysql(evidence));
        }
        claims.push(claim);
        if matches!(here, Side::Unknown(_)) {
            break;
        }
    }
    for (ports, open) in [(denied, true), (quiet, false)] {
        if !ports.is_empty() {
            let subject = ranges(&ports);
            let mut claim =
                port_claim(&subject, Some(true), &format!("nothing listens on {subject} on the host"), &WHEN_OPEN);
            claim.network = open.then(|| format!("{subject}: open"));
            claims.push(claim);
        }
    }
    if places.contains(&(Transport::Tcp, view.target().actual(Transport::Tcp, WEB_MANAGEMENT))) {
        claims.push(web_management(evidence));
    }
    claims
}

/// Whether what would tell of a port was not collected.
fn lacks(here: &Side, evidence: &Evidence) -> bool {
    match here {
        Side::Unknown(_) => true,
        Side::Depends(_) => evidence.firewall.is_err(),
        Side::Nothing(_) | Side::Dropped(_) | Side::LetIn(_) => false,
    }
}

/// Ports in as few ranges as they can be written in.
fn ranges(ports: &[(Transport, u16)]) -> String {
    let of = |wanted: Transport| {
        let own = ports.iter().filter(move |(transport, _)| *transport == wanted).map(|(_, port)| *port);
        Ports::ranges(wanted, own)
    };
    let all: Vec<String> =
        of(Transport::Tcp).into_iter().chain(of(Transport::Udp)).map(|ports| ports.to_string()).collect();
    all.join(", ")
}

pub(super) fn open(view: &View<'_>, evidence: &Evidence, ports: &[Ports]) -> Vec<Claim> {
    let places = places(view, ports, false, false);
    let claim = |(transport, port): &(Transport, u16)| {
        let here = side(view, evidence, *transport, *port);
        let there = outside(view, *transport, *port);
        let holds = match &here {
            Side::LetIn(_) => Some(true),
            Side::Nothing(_) | Side::Dropped(_) => Some(false),
            Side::Depends(_) | Side::Unknown(_) => None,
        };
        let explanations = if there == Outside::Open { &WHEN_OPEN } else { &WHEN_SHUT };
        let mut claim = port_claim(&view.actual_name(*transport, *port), holds, here.text(), explanations);
        claim.lacking = lacks(&here, evidence);
        claim.network = match (holds, there) {
            (Some(false), Outside::Open) => Some(format!("{} is open", claim.subject)),
            (Some(true), Outside::Shut(state)) if state != PortState::OpenOrFiltered => {
                Some(format!("{} is {state}", claim.subject))
            }
            _ => None,
        };
        if *transport == Transport::Udp && matches!(here, Side::LetIn(_)) {
            let name = claim.subject.clone();
            claim.seen.push(format!(
                "a listener that has nothing to say explains silence on {name}; a firewall that drops would be as silent"
            ));
        }
        claim
    };
    places.iter().take(64).map(claim).collect()
}

/// A port answers that does not by the host's word.
const WHEN_OPEN: [&str; 4] = [
    "the port is forwarded to another machine, or to another port of the host",
    "a router or proxy in front answers in its place",
    "the service or the rule changed after the bundle was collected",
    "the bundle is of another host",
];

/// A port does not answer that should by the host's word.
const WHEN_SHUT: [&str; 4] = [
    "a firewall in front of the host drops what the host lets in",
    "the port is not forwarded to the host",
    "the service or the rule changed after the bundle was collected",
    "the bundle is of another host",
];

fn port_claim(subject: &str, holds: Option<bool>, seen: &str, explanations: &[&str]) -> Claim {
    Claim {
        subject: subject.to_owned(),
        holds,
        seen: vec![seen.to_owned()],
        lacking: false,
        passes_alone: false,
        own: false,
        network: None,
        explanations: explanations.iter().map(|one| (*one).to_owned()).collect(),
        settle: "Look at the port's forward on the perimeter, collect again, and scan again; `portreeve witness` on the host proves where \
                 the port leads."
            .to_owned(),
    }
}

fn mysql(evidence: &Evidence) -> Vec<String> {
    match &evidence.mysql {
        Err(why) => vec![format!("the options of MySQL were not collected: {why}")],
        Ok(all) if all.is_empty() => vec!["no service of MySQL or MariaDB is installed".to_owned()],
        Ok(all) => all
            .iter()
            .map(|server| {
                let name = crate::model::peer_text::PeerText::new(&server.service, 60);
                match server.options.as_ref().map(Options::network) {
                    Err(why) => format!("what {name} serves is not known: {why} ({})", server.image.quote()),
                    Ok(Network::Local(line)) => format!("{name} serves this machine only ({})", line.quote()),
                    Ok(Network::Open(line)) => format!("{name} serves other machines too ({})", line.quote()),
                }
            })
            .collect(),
    }
}

/// The Web Management Service: disabled or absent.
fn web_management(evidence: &Evidence) -> Claim {
    let start = evidence.registry.value(&format!(r"{SERVICES}\WMSVC"), "Start");
    let running = evidence.services.as_ref().map(|services| services.get("wmsvc").cloned());
    let quoted = |line: &Line| line.quote();
    let mut lacking = false;
    let mut not_collected = |why: &str| {
        lacking = true;
        (None, vec![format!("not collected: {why}")])
    };
    let (holds, seen) = match (&start, dword(&start), &running) {
        (State::Absent(line), _, Ok(None)) => {
            (Some(true), vec![format!("the Web Management Service is not installed ({})", line.quote())])
        }
        (State::Value(_, line), Some(4), Ok(Some(service))) if service.state != RUNNING => (
            Some(true),
            vec![format!("the Web Management Service is disabled ({})", line.quote()), quoted(&service.line)],
        ),
        (State::Value(_, line), Some(number), _) if number != 4 => {
            (Some(false), vec![format!("the Web Management Service is installed and not disabled ({})", line.quote())])
        }
        (_, _, Ok(Some(service))) if service.state == RUNNING => {
            (Some(false), vec![format!("the Web Management Service runs ({})", service.line.quote())])
        }
        (State::NotCollected(why), _, _) => not_collected(why),
        (_, _, Err(why)) => not_collected(&format!("whether it runs: {why}")),
        _ => not_collected("the registry and the list of services say different things of it"),
    };
    Claim {
        subject: format!("tcp/{WEB_MANAGEMENT}"),
        holds,
        seen,
        lacking,
        passes_alone: true,
        own: true,
        network: None,
        explanations: Vec::new(),
        settle: String::new(),
    }
}
