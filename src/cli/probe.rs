//! `portreeve probe`: one kind of question without any guide.

use super::args::{Format, ProbeArgs, ProbeCommand, Shared};
use super::exit::{CliError, Exit};
use super::output::{self, complain, print, wrapped};
use super::progress;
use super::session::{self, Families};
use super::vantage;
use super::witness;
use crate::catalog::builtin::Catalogs;
use crate::catalog::inventory::{NO_CLIENT, parse_host};
use crate::engine::plan::{Extra, FollowUp, Plan};
use crate::engine::{Engine, Inquiry};
use crate::judge::vantage::Evidence;
use crate::model::fact::{Fact, PortState};
use crate::model::http::{Request, WebPath};
use crate::model::observation::Observation;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::target::{Host, Role, Target};
use crate::net::failure::millis;
use crate::probe::tcp_ports::RAW_FROM;
use crate::report;
use crate::report::text::clean;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Who wants what a probe asks.
const BY_USER: &str = "probe";

/// Runs `portreeve probe`.
pub(super) async fn run(command: ProbeCommand, shared: &Shared) -> Result<Exit, CliError> {
    let mut proving = None;
    let (probes, args, ca_file) = match command {
        ProbeCommand::Ports { mut hosts, hosts_from, tcp, udp, prove, shared } => {
            if let Some(path) = hosts_from {
                hosts.extend(read_hosts(&path)?);
            }
            proving = witness::settings(&prove)?;
            (ports(&hosts, &tcp, &udp)?, shared, None)
        }
        ProbeCommand::Tls { places, sni, ciphers, ca_file, shared } => {
            let follow_up = FollowUp { tls_versions: by_user(), certificate: by_user(), ..service() };
            let suites = if ciphers { by_user() } else { BTreeSet::new() };
            let follow_up = FollowUp { suites, ..follow_up };
            let mut inquiries = at_places(&places, Some(443), sni.as_deref(), &follow_up)?;
            for inquiry in &mut inquiries {
                Arc::make_mut(&mut inquiry.plan).expects_tls = true;
            }
            (inquiries, shared, ca_file)
        }
        ProbeCommand::Service { places, shared } => (at_places(&places, None, None, &service())?, shared, None),
        ProbeCommand::Http { urls, shared } => (at_urls(&urls)?, shared, None),
    };
    let families = Families::of_options(args.only_v4, args.only_v6);
    let many = probes.iter().any(|probe| probe.plan.port_counts().0 >= RAW_FROM);
    let mut engine =
        session::engine(&args.timing, families, ca_file.as_deref(), many, session::PATIENCE_OF_PROBE, shared)?;
    engine.settings.witness = proving;
    ask(&engine, &probes, &args, shared).await
}

fn by_user() -> BTreeSet<String> {
    BTreeSet::from([BY_USER.to_owned()])
}

fn service() -> FollowUp {
    FollowUp { service: by_user(), ..FollowUp::default() }
}

fn ports(hosts: &[Host], tcp: &[Ports], udp: &[Ports]) -> Result<Vec<Inquiry>, CliError> {
    let mut wanted: Vec<Ports> = tcp.iter().chain(udp).copied().collect();
    if wanted.is_empty() {
        wanted = guide_ports()?;
    }
    // An open port is believed only where ports that nothing uses stay shut.
    let plan = Arc::new(Plan { decoys: true, ..plan(wanted, FollowUp::default()) });
    let mut seen = BTreeSet::new();
    Ok(hosts
        .iter()
        .filter(|host| seen.insert(*host))
        .map(|host| Inquiry::new(target(host.clone(), None), Arc::clone(&plan)))
        .collect())
}

/// A longer list of hosts than this is a mistake, such as the name of another file.
const HOSTS_MOST: u64 = 16 << 20;

/// Reads hosts from a file, one on a line.
fn read_hosts(path: &Path) -> Result<Vec<Host>, CliError> {
    let name = clean(&path.display().to_string()).into_owned();
    let unreadable = |error: &io::Error| CliError::Usage(format!("{name}: cannot be read: {error}"));
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(HOSTS_MOST + 1).read_to_end(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(HOSTS_MOST + 1).read_to_end(&mut text))
    };
    read.map_err(|error| unreadable(&error))?;
    if text.len() as u64 > HOSTS_MOST {
        return Err(CliError::Usage(format!(
            "{name}: longer than {} MiB, so it is no list of hosts",
            HOSTS_MOST >> 20
        )));
    }
    let text = String::from_utf8(text).map_err(|error| {
        CliError::Usage(format!("{name}: not UTF-8 after byte {}", error.utf8_error().valid_up_to()))
    })?;
    let mut hosts = Vec::new();
    // A byte order mark, with which some editors begin UTF-8, is no part of the first host (RFC 3629, section 6).
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (number, line) in text.lines().enumerate() {
        let host = line.split_once('#').map_or(line, |(host, _)| host).trim();
        if !host.is_empty() {
            let host = parse_host(host)
                .map_err(|why| CliError::Usage(clean(&format!("{name}:{}: {why}", number + 1)).into_owned()))?;
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        return Err(CliError::Usage(format!("{name}: names no host")));
    }
    Ok(hosts)
}

/// Every port that any guide names.
pub(super) fn guide_ports() -> Result<Vec<Ports>, CliError> {
    let catalogs = Catalogs::built_in().map_err(|error| CliError::Bug(format!("a built-in catalog: {error}")))?;
    let mut everything = target(Host::Name("localhost".to_owned()), None);
    everything.roles = Role::ALL.into_iter().collect();
    Ok(Plan::new(&everything, &catalogs.guides, &Extra::default()).ports.into_keys().collect())
}

/// A plan that asks these ports, for the user.
pub(super) fn plan(ports: Vec<Ports>, follow_up: FollowUp) -> Plan {
    Plan { ports: ports.into_iter().map(|ports| (ports, by_user())).collect(), follow_up, ..Plan::default() }
}

fn target(host: Host, sni: Option<&str>) -> Target {
    Target { sni: sni.map(str::to_owned), ..Target::new(NO_CLIENT, host) }
}

/// Reads `HOST:PORT`, `[ADDRESS]:PORT`, or `HOST` where a port is implied.
fn place(text: &str, implied: Option<u16>) -> Result<(Host, u16), CliError> {
    let wrong = |message: String| CliError::Usage(message);
    let quoted = crate::model::peer_text::PeerText::new(text, 120);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| wrong(format!("`{quoted}` has no closing bracket")))?;
        (host, rest.strip_prefix(':'))
    } else if text.matches(':').count() == 1 {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    } else {
        (text, None)
    };
    let port = match port {
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| wrong(format!("`{quoted}`: the port is a whole number from 1 to 65535")))?,
        None => implied.ok_or_else(|| wrong(format!("`{quoted}` names no port; write HOST:PORT")))?,
    };
    Ok((parse_host(host).map_err(wrong)?, port))
}

fn at_places(
    places: &[String],
    implied: Option<u16>,
    sni: Option<&str>,
    follow_up: &FollowUp,
) -> Result<Vec<Inquiry>, CliError> {
    let mut by_host: BTreeMap<Host, Vec<Ports>> = BTreeMap::new();
    for text in places {
        let (host, port) = place(text, implied)?;
        by_host.entry(host).or_default().extend(Ports::tcp(port));
    }
    Ok(by_host
        .into_iter()
        .map(|(host, ports)| Inquiry::new(target(host, sni), Arc::new(plan(ports, follow_up.clone()))))
        .collect())
}

fn at_urls(urls: &[String]) -> Result<Vec<Inquiry>, CliError> {
    let mut places = Vec::new();
    for url in urls {
        let quoted = crate::model::peer_text::PeerText::new(url, 120);
        let (implied, rest) = match url.split_once("://") {
            Some(("https", rest)) => (443, rest),
            Some(("http", rest)) => (80, rest),
            _ => return Err(CliError::Usage(format!("`{quoted}` is not an http:// or https:// URL"))),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(CliError::Usage(format!("`{quoted}` holds a user name; portreeve sends none")));
        }
        let (host, port) = place(authority, Some(implied))?;
        let host = match host {
            Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
            host => host.to_string(),
        };
        places.push(format!("{host}:{port}"));
    }
    let requests = [
        Request::Get(WebPath::Root),
        Request::Get(WebPath::MissingPage),
        Request::Options(WebPath::Root),
        Request::Trace(WebPath::Root),
        Request::HostlessHead(WebPath::AspNetClient),
        Request::MissingHost,
    ];
    let http = requests.into_iter().map(|request| (request, by_user())).collect();
    let follow_up = FollowUp { http, products: by_user(), ..service() };
    at_places(&places, None, None, &follow_up)
}

async fn ask(engine: &Engine, probes: &[Inquiry], args: &ProbeArgs, shared: &Shared) -> Result<Exit, CliError> {
    let interrupted = session::interrupts(shared);
    let mut text = String::new();
    let mut run = session::empty_run();
    let begin = Instant::now();
    // Beside the questions: their answers take their time anyway.
    let looked = tokio::task::spawn_blocking(vantage::look);
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = progress::listen(receiver, probes, shared.quiet);
    let mut done: Vec<Option<TargetRun>> = probes.iter().map(|_| None).collect();
    let mut written = Ok(());
    let mut evidence = Evidence::default();
    let asked = engine.run(probes, interrupted.clone(), sender, |number, scan| {
        let (Some(probe), Some(place)) = (probes.get(number), done.get_mut(number)) else { return };
        evidence.add(vantage::seen(&scan));
        let mut target = TargetRun {
            target: probe.target.clone(),
            addresses: scan.addresses,
            observations: scan.observations,
            findings: Vec::new(),
            rules: Vec::new(),
            disagreements: Vec::new(),
            troubles: scan.troubles,
            evidence: None,
        };
        if args.format == Format::Jsonl && written.is_ok() {
            written = output::lines(&target);
            // What was written need not be kept.
            target.observations = Vec::new();
        }
        *place = Some(target);
    });
    tokio::join!(asked, listener);
    written?;
    run.elapsed_ms = millis(begin.elapsed());
    run.interrupted = *interrupted.borrow();
    run.targets = done.into_iter().flatten().collect();
    witness::note_unused(&mut run, engine.settings.witness.as_deref());
    let (_, checkups) =
        looked.await.map_err(|error| CliError::Bug(format!("the look at this machine ended early: {error}")))?;
    run.vantage.extend(checkups);
    vantage::conclude(&mut run, &evidence, None);
    if args.format == Format::Jsonl {
        output::last_line(&run.vantage)?;
    }
    for target in &run.targets {
        if args.format == Format::Text {
            describe(&mut text, target, shared);
        }
        if args.format != Format::Json {
            for doubt in target.addresses.iter().filter_map(report::doubt_of_handshakes) {
                complain(&format!("{}: {doubt}", target.target.host));
            }
            for trouble in &target.troubles {
                complain(&format!("{}: {}", target.target.host, clean(&trouble.describe())));
            }
        }
    }
    if args.format == Format::Text {
        for target in &run.targets {
            let proof = report::terminal::firewall_proof(target, shared.columns(), shared.colour());
            let suites = report::terminal::accepted_suites(target, shared.columns(), shared.colour());
            for table in [proof, suites].into_iter().filter(|table| !table.is_empty()) {
                let _ = write!(text, "\n{table}");
            }
        }
        for doubt in report::doubts_of_vantage(&run.vantage) {
            complain(&clean(&doubt));
        }
    }
    if args.format == Format::Json {
        text = report::json::render(&run).map_err(|error| CliError::Bug(format!("the JSON output: {error}")))?;
    }
    print(&text)?;
    Ok(Exit::of_probe(&run))
}

fn is_open_over_tcp(observation: &Observation) -> bool {
    let over_tcp = matches!(observation.question, Question::Port { ports } if ports.transport() == Transport::Tcp);
    over_tcp && matches!(observation.attempt.fact(), Some(Fact::Port(fact)) if fact.state == PortState::Open)
}

fn describe(text: &mut String, run: &TargetRun, shared: &Shared) {
    let (target, observations) = (&run.target, &run.observations);
    let untrusted = run.addresses.iter().filter(|address| address.health.handshakes_untrusted());
    let untrusted: Vec<IpAddr> = untrusted.map(|address| address.address).collect();
    let mut address = None;
    // What a witness proves is told in a table of its own.
    for observation in observations.iter().filter(|seen| !matches!(seen.question, Question::Witness { .. })) {
        if address != Some(observation.address) {
            address = Some(observation.address);
            let _ = writeln!(text, "{} ({})", target.host, observation.address);
        }
        let mut line = report::describe(observation);
        if is_open_over_tcp(observation) && untrusted.contains(&observation.address) {
            line.push_str("; not believed unless something speaks there, for ports that nothing uses open too");
        }
        let _ = writeln!(text, "{}", wrapped(&clean(&line), shared.columns(), "  ", "      "));
        for line in report::chain(observation) {
            let _ = writeln!(text, "{}", wrapped(&clean(&line), shared.columns(), "      ", "        "));
        }
    }
}
