//! What the host says of things that the network is asked about too, and both made one verdict.
//!
//! The network wins. Where the host says otherwise that is a contradiction, a result of its own. Where the network could not
//! tell, the host alone does not make a pass of it, but for silence of ports on which nothing listens.

use super::listening::dword;
use super::ports::{LOCAL, Outside, Side, fits, outside, side};
use super::trust;
use crate::catalog::guide::Item;
use crate::catalog::rule::{Method, Rule};
use crate::host::config::Iis;
use crate::host::evidence::{Evidence, SERVICES};
use crate::host::ini::Network;
use crate::host::services::RUNNING;
use crate::host::{Line, State};
use crate::judge::part::Part;
use crate::judge::view::View;
use crate::model::evidence::Contradiction;
use crate::model::fact::PortState;
use crate::model::ports::{Ports, Transport};
use crate::model::tls::TlsVersion;
use crate::model::verdict::{Check, Confidence, Verdict};

const PROTOCOLS: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols";
/// From this build on (version 1709, and so not on Server 2016) IIS 10 knows `removeServerHeader`.
const REMOVES_SERVER_HEADER: u32 = 16_299;
/// From this build on (Server 2025) what Windows does without a setting is not relied on.
const NEW_DEFAULTS: u32 = 26_100;
/// IIS's Web Management Service.
const WEB_MANAGEMENT: u16 = 8172;
/// MySQL.
const MYSQL: u16 = 3306;
/// How many ports of a rule are looked at one by one.
const PORTS: usize = 4096;

/// What the host says of a rule, or of a part of it.
#[derive(Clone, Debug)]
struct Claim {
    /// What it is about.
    subject: String,
    /// Whether the rule holds by the host's word; `None` where it does not tell.
    holds: Option<bool>,
    /// The lines that say so.
    seen: Vec<String>,
    /// Without any scan, it may pass by the host's word.
    passes_alone: bool,
    /// The item is about the host itself too: what the host says counts whatever is seen from outside.
    own: bool,
    /// For ports: what the network says of just this one, where that is the opposite.
    network: Option<String>,
    /// What may explain that the network says otherwise, the likeliest first.
    explanations: Vec<String>,
    settle: String,
}

/// The check of one rule from both sides, and where they disagree.
pub(in crate::judge) fn merge(
    check: Check,
    item: &Item,
    label: &str,
    rule: &Rule,
    view: &View<'_>,
    evidence: &Evidence,
) -> (Check, Vec<Contradiction>) {
    let claims = claims(rule, view, evidence);
    let (limit, doubts) = trust(evidence);
    let mut merged = check;
    let mut contradictions = Vec::new();
    let network = merged.verdict;
    let said = merged.seen.first().cloned().unwrap_or_else(|| merged.why.clone());
    for claim in &claims {
        merged.seen.extend(claim.seen.iter().map(|seen| format!("on the host: {seen}")));
        if claim.own && claim.holds == Some(false) && network != Verdict::Fail {
            merged.verdict = Verdict::Fail;
            merged.confidence = limit;
            merged.why = format!("{}; the host itself says that it is not so", merged.why);
            continue;
        }
        let against = match network {
            Verdict::Fail => claim.holds == Some(true),
            Verdict::Pass => claim.holds == Some(false),
            _ => false,
        };
        // A failing check of several subjects fails for one of them; the host may be right about the others.
        let against = match rule {
            Rule::Unreachable { .. } | Rule::Reachable { .. } => claim.network.is_some(),
            _ => against && concerns(&merged, claim),
        };
        if against && !claim.own {
            contradictions.push(Contradiction {
                subject: claim.subject.clone(),
                items: vec![format!("{label} {}", item.id)],
                host: claim.seen.first().cloned().unwrap_or_default(),
                network: claim.network.clone().unwrap_or_else(|| about(&merged, claim).unwrap_or_else(|| said.clone())),
                explanations: claim.explanations.clone(),
                settle: claim.settle.clone(),
            });
        }
    }
    if !contradictions.is_empty() {
        merged.why = format!("{}; the host says otherwise, and the network is believed", merged.why);
        if network == Verdict::Pass {
            merged.confidence = merged.confidence.min(Confidence::Medium);
        }
    } else if settles_silence(rule, &claims, network, view, evidence) {
        merged.verdict = Verdict::Pass;
        merged.confidence = limit.min(Confidence::Medium);
        merged.why = format!("{}; on the host nothing listens there, so there is nothing to be reached", merged.why);
        merged.settle = None;
        merged.seen.extend(doubts);
    } else if matches!(network, Verdict::Pass | Verdict::Fail) && merged.verdict == network {
        let said: Vec<bool> = claims.iter().filter_map(|claim| claim.holds).collect();
        if !said.is_empty() && said.iter().all(|holds| *holds == (network == Verdict::Pass)) {
            merged.why = format!("{}; the host says the same", merged.why);
        }
    }
    (merged, contradictions)
}

/// A contradiction about one of several subjects needs a word of the network about that one.
fn concerns(check: &Check, claim: &Claim) -> bool {
    check.verdict != Verdict::Fail || about(check, claim).is_some()
}

/// What was seen of the subject of a claim.
fn about(check: &Check, claim: &Claim) -> Option<String> {
    let names = |seen: &&String| {
        !seen.starts_with("on the host")
            && seen.match_indices(&claim.subject).any(|(at, found)| {
                let next = seen.get(at + found.len()..).and_then(|rest| rest.chars().next());
                !next.is_some_and(|next| next.is_ascii_digit())
            })
    };
    check.seen.iter().find(names).cloned()
}

/// Whether silence from outside may be believed: nothing listens on any port of the rule, and the bundle is of this host, fresh
/// and collected whole. Where several machines share an address, the bundle knows only one of them, and another may listen.
fn settles_silence(rule: &Rule, claims: &[Claim], network: Verdict, view: &View<'_>, evidence: &Evidence) -> bool {
    let Rule::Unreachable { ports, grows_with_technicians, .. } = rule else { return false };
    let silent = |port: (Transport, u16)| matches!(outside(view, port.0, port.1), Outside::Shut(state) if !matches!(state, PortState::Open | PortState::Unstable));
    let places = places(view, ports, *grows_with_technicians, true);
    network == Verdict::Inconclusive
        && !view.target().shared_address
        && !claims.is_empty()
        && claims.iter().all(|claim| claim.holds == Some(true))
        && places.len() <= PORTS
        && places.iter().all(|(transport, port)| {
            silent((*transport, *port)) && matches!(side(view, evidence, *transport, *port), Side::Nothing(_))
        })
        && view
            .addresses
            .iter()
            .all(|address| !address.health.silence_untrusted() && !address.health.handshakes_untrusted())
        && matches!(evidence.age(), Some(age) if (-300..24 * 3600).contains(&age))
        && fits(view, evidence)
}

/// The check of one rule by the host's word alone.
pub(in crate::judge) fn alone(rule: &Rule, view: &View<'_>, evidence: &Evidence) -> Check {
    let (limit, doubts) = trust(evidence);
    let scan = "Scan the host from outside with this bundle: `portreeve scan HOST --host-evidence BUNDLE`.";
    let mut claims = claims(rule, view, evidence);
    if claims.iter().any(|claim| claim.own) {
        claims.retain(|claim| claim.own);
    }
    let parts: Vec<Part> = claims
        .into_iter()
        .map(|claim| {
            let part = match claim.holds {
                Some(true) if claim.passes_alone => Part::pass(
                    "the host's settings are as the guide asks; whether they are in effect only a scan can tell",
                )
                .at_most(Confidence::Medium),
                Some(false) if claim.passes_alone || claim.own => {
                    Part::fail("the host's settings are not as the guide asks")
                }
                Some(_) => {
                    Part::inconclusive("what is reachable is seen from outside only; this is what the host says of it")
                        .settle(scan)
                }
                None if claim.seen.is_empty() => super::not_collected("nothing in the bundle tells").settle(scan),
                None => {
                    Part::new(Verdict::NeedsEvidence, Confidence::High, "what was collected does not tell").settle(scan)
                }
            };
            let part = claim.seen.into_iter().fold(part.at_most(limit), Part::seen);
            doubts.iter().cloned().fold(part, Part::seen)
        })
        .collect();
    let parts = if parts.is_empty() {
        vec![Part::inconclusive("what this asks is seen from outside only").settle(scan)]
    } else {
        parts
    };
    Part::combine(rule.describe(), parts)
}

fn claims(rule: &Rule, view: &View<'_>, evidence: &Evidence) -> Vec<Claim> {
    match rule {
        Rule::TlsRefused { versions } => versions.iter().map(|version| tls(evidence, *version)).collect(),
        Rule::HeaderAbsent { headers, .. } => headers.iter().map(|header| self::header(evidence, header)).collect(),
        Rule::MethodDenied { method: Method::Options, .. } => vec![options(evidence)],
        Rule::Unreachable { ports, grows_with_technicians, .. } => shut(view, evidence, ports, *grows_with_technicians),
        Rule::Reachable { ports, .. } => open(view, evidence, ports),
        _ => Vec::new(),
    }
}

/// Whether SCHANNEL lets its servers accept a version: enabled or not by a value, or not set.
pub(super) fn schannel(evidence: &Evidence, version: TlsVersion) -> State<bool> {
    let key = match version {
        TlsVersion::Ssl2 => "SSL 2.0",
        TlsVersion::Ssl3 => "SSL 3.0",
        TlsVersion::Tls10 => "TLS 1.0",
        TlsVersion::Tls11 => "TLS 1.1",
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    };
    let state = evidence.registry.value(&format!(r"{PROTOCOLS}\{key}\Server"), "Enabled");
    match (dword(&state), state) {
        (Some(number), state) => state.map(|_| number != 0),
        (None, State::Value(_, line)) => State::NotCollected(format!("{} is no number (REG_DWORD)", line.quote())),
        (None, state) => state.map(|_| false),
    }
}

fn tls(evidence: &Evidence, version: TlsVersion) -> Claim {
    let build = evidence.system.as_ref().ok().and_then(|system| system.get("build")?.0.parse::<u32>().ok());
    let state = schannel(evidence, version);
    let (holds, seen) = match &state {
        State::Value(enabled, line) => (Some(!enabled), vec![line.quote()]),
        State::NotSet(line) | State::Absent(line) => {
            let by_default = build.is_some_and(|build| build < NEW_DEFAULTS)
                && matches!(version, TlsVersion::Tls10 | TlsVersion::Tls11);
            let says = format!("{version} is not set in SCHANNEL ({})", line.quote());
            (
                by_default.then_some(false),
                vec![if by_default { format!("{says}, so this Windows accepts it") } else { says }],
            )
        }
        State::NotCollected(why) => (None, vec![format!("not collected: {why}")]),
    };
    let disabled = holds == Some(true);
    let boot = evidence.system.as_ref().ok().and_then(|system| system.get("boot")).map(|(boot, _)| boot.to_owned());
    let boot = boot.map_or_else(String::new, |boot| format!(" (started {boot})"));
    let foreign = foreign_listeners(evidence);
    let alone = matches!(&foreign, Ok(programs) if programs.is_empty());
    let mut seen = seen;
    let mut explanations = Vec::new();
    if disabled {
        match foreign {
            Ok(programs) => {
                explanations.extend(programs.into_iter().map(|program| {
                    format!("{program} listens too and does not use SCHANNEL: it has settings of its own")
                }));
            }
            Err(why) => {
                seen.push(format!("not collected: whether programs listen that do not use SCHANNEL: {why}"));
            }
        }
        seen.extend(explanations.iter().cloned());
        explanations.push(format!("Windows was not restarted since the setting changed{boot}"));
        explanations.push("a proxy or load balancer in front of the host answers".to_owned());
        explanations.push("the bundle is of another host".to_owned());
    } else {
        explanations.push("a proxy or load balancer in front of the host answers, and refuses the version".to_owned());
        explanations.push("the certificate's binding has a floor of its own (`netsh http show sslcert`)".to_owned());
        explanations
            .push("the setting changed after the bundle was collected, or the bundle is of another host".to_owned());
    }
    Claim {
        subject: version.to_string(),
        holds,
        seen,
        // SCHANNEL speaks for the programs that use it; what it enables is wrong whoever listens.
        passes_alone: !disabled || alone,
        own: false,
        network: None,
        explanations,
        settle: "Restart the host, collect again and scan again; if both stay as they are, compare the certificate on the host with \
                 the one that is seen from outside."
            .to_owned(),
    }
}

/// How the files of programs begin that bring a TLS library of their own.
const FOREIGN: [&str; 20] = [
    "java",
    "tomcat",
    "nginx",
    "httpd",
    "apache",
    "mysqld",
    "mariadbd",
    "node.",
    "python",
    "postgres",
    "mongod",
    "redis-server",
    "openvpn",
    "stunnel",
    "haproxy",
    "caddy",
    "traefik",
    "ruby",
    "php",
    "jetty",
];

/// Programs that listen beyond this machine and bring a TLS library of their own, the first three; an error where it is not
/// known which programs listen.
fn foreign_listeners(evidence: &Evidence) -> Result<Vec<String>, String> {
    let listeners = evidence.listeners.as_ref().map_err(|why| format!("what listens: {why}"))?;
    let processes = evidence.processes.as_ref().map_err(|why| format!("the processes: {why}"))?;
    let mut found: Vec<String> = Vec::new();
    let mut unknown = None;
    for listener in listeners.iter().filter(|one| one.transport == Transport::Tcp && one.beyond_loopback()) {
        let Some(process) = processes.get(&listener.pid) else {
            unknown = Some(format!("process {}, which has tcp/{}, is in no list", listener.pid, listener.port));
            continue;
        };
        let name = process.name.to_ascii_lowercase();
        if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            found.push(format!("{} (tcp/{})", process.name, listener.port));
        }
    }
    found.dedup();
    found.truncate(3);
    // Those that are known to be foreign are told first.
    match unknown {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(found),
    }
}

/// What is said of all applications of IIS together.
fn everywhere(
    iis: &Iis,
    holds: impl Fn(&crate::host::config::Effective) -> (bool, String),
) -> (Option<bool>, Vec<String>) {
    let mut all = Some(true);
    let mut seen = Vec::new();
    for application in iis.applications() {
        let effective = iis.effective(&application.path);
        let (fine, line) = holds(&effective);
        let name = crate::model::peer_text::PeerText::new(&application.path, 120);
        if !effective.unknown.is_empty() {
            if all == Some(true) {
                all = None;
            }
            seen.push(format!("{name}: not collected: {}", effective.unknown.join("; ")));
        } else if fine {
            seen.push(format!("{name}: {line}"));
        } else {
            all = Some(false);
            seen.insert(0, format!("{name}: {line}"));
        }
    }
    if seen.is_empty() {
        return (None, vec![format!("no site is configured ({})", iis.line().quote())]);
    }
    if all == Some(true) {
        seen.push(
            "no bundle holds web.config files below an application's root: a folder may have settings of its own"
                .to_owned(),
        );
    }
    (all, seen)
}

const WEB_EXPLANATIONS: [&str; 4] = [
    "another web server than IIS answers on that port, or a proxy in front of the host",
    "the change is not in effect yet: http.sys reads its settings when it starts (restart the host)",
    "an application sets it in its own code",
    "the bundle is of another host, or older than the change",
];

fn web(subject: &str, (holds, seen): (Option<bool>, Vec<String>)) -> Claim {
    Claim {
        subject: subject.to_owned(),
        holds,
        seen,
        passes_alone: true,
        own: false,
        network: None,
        explanations: WEB_EXPLANATIONS.map(str::to_owned).to_vec(),
        settle: "Ask the web server on the host itself (`curl -I http://localhost/`) and compare with what is seen from outside.".to_owned(),
    }
}

fn header(evidence: &Evidence, header: &str) -> Claim {
    let iis = match &evidence.iis {
        Ok(iis) => iis,
        Err(why) => return without_iis(evidence, header, why),
    };
    let unset = |what: &str| format!("{what} is not set ({})", iis.line().quote());
    let (mut holds, mut seen) = everywhere(iis, |effective| {
        if header.eq_ignore_ascii_case("Server") {
            return match &effective.remove_server_header {
                Some((on, line)) => (*on, line.quote()),
                None => (false, unset("removeServerHeader")),
            };
        }
        if header.eq_ignore_ascii_case("X-AspNet-Version") {
            return match &effective.version_header {
                Some((on, line)) => (!on, line.quote()),
                None => (false, unset("enableVersionHeader")),
            };
        }
        match effective.headers.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(header)) {
            Some((_, _, line)) => (false, line.quote()),
            None => (true, format!("customHeaders without {header} ({})", iis.line().quote())),
        }
    });
    if holds == Some(true) && header.eq_ignore_ascii_case("X-AspNetMvc-Version") {
        holds = None;
        seen.push(format!("no configuration shows whether code sends {header}: MVC does by itself"));
    }
    let build = evidence.system.as_ref().ok().and_then(|system| system.get("build")?.0.parse::<u32>().ok());
    if let Some(build) = build.filter(|build| *build < REMOVES_SERVER_HEADER)
        && holds == Some(true)
        && header.eq_ignore_ascii_case("Server")
    {
        holds = None;
        seen.push(format!("build {build} of Windows has no removeServerHeader, whatever its configuration says"));
    }
    web(header, (holds, seen))
}

/// Where IIS is proven not to be installed, http.sys alone writes the Server header.
fn without_iis(evidence: &Evidence, header: &str, why: &str) -> Claim {
    let installed = evidence.registry.key(&format!(r"{SERVICES}\W3SVC"));
    let silent = evidence.registry.value(&format!(r"{SERVICES}\HTTP\Parameters"), "DisableServerHeader");
    let (State::Absent(none), true) = (&installed, header.eq_ignore_ascii_case("Server")) else {
        return web(header, (None, vec![format!("not collected: {why}")]));
    };
    let none = format!("IIS is not installed: {} has no W3SVC", none.quote());
    match &silent {
        State::Value(data, line) => web(header, (Some(data.dword() == Some(2)), vec![line.quote(), none])),
        State::NotSet(line) | State::Absent(line) => {
            web(header, (Some(false), vec![format!("DisableServerHeader is not set ({})", line.quote()), none]))
        }
        State::NotCollected(why) => web(header, (None, vec![format!("not collected: {why}"), none])),
    }
}

fn options(evidence: &Evidence) -> Claim {
    let iis = match &evidence.iis {
        Ok(iis) => iis,
        Err(why) => return web("OPTIONS", (None, vec![format!("not collected: {why}")])),
    };
    let says = everywhere(iis, |effective| {
        if let Some(line) = effective.denies("OPTIONS") {
            return (true, line.quote());
        }
        let named = effective.verbs.iter().find(|(verb, _, _)| verb.eq_ignore_ascii_case("OPTIONS"));
        let line = named.map_or_else(|| iis.line(), |(_, _, line)| line.clone());
        (false, format!("requestFiltering does not deny OPTIONS ({})", line.quote()))
    });
    web("OPTIONS", says)
}

/// Where the guides' ports are from outside; what must be closed is looked for at the guides' own numbers too.
fn places(view: &View<'_>, ports: &[Ports], grows: bool, everywhere: bool) -> Vec<(Transport, u16)> {
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

fn shut(view: &View<'_>, evidence: &Evidence, ports: &[Ports], grows: bool) -> Vec<Claim> {
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

fn open(view: &View<'_>, evidence: &Evidence, ports: &[Ports]) -> Vec<Claim> {
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
        Err(why) => vec![format!("MySQL's options were not collected: {why}")],
        Ok(all) => all
            .iter()
            .map(|options| match options.network() {
                Network::Local(line) => format!("MySQL serves this machine only ({})", line.quote()),
                Network::Open(line) => format!("MySQL serves other machines too ({})", line.quote()),
            })
            .collect(),
    }
}

/// The Web Management Service: disabled or absent.
fn web_management(evidence: &Evidence) -> Claim {
    let start = evidence.registry.value(&format!(r"{SERVICES}\WMSVC"), "Start");
    let running = evidence.services.as_ref().map(|services| services.get("wmsvc").cloned());
    let quoted = |line: &Line| line.quote();
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
        (State::NotCollected(why), _, _) => (None, vec![format!("not collected: {why}")]),
        (_, _, Err(why)) => (None, vec![format!("not collected: whether it runs: {why}")]),
        _ => (None, vec!["not collected: the registry and the list of services say different things of it".to_owned()]),
    };
    Claim {
        subject: format!("tcp/{WEB_MANAGEMENT}"),
        holds,
        seen,
        passes_alone: true,
        own: true,
        network: None,
        explanations: Vec::new(),
        settle: String::new(),
    }
}
