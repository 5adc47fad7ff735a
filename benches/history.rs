//! What a year of nightly runs of 500 servers costs: how much the store grows each night, and how long it takes to answer.
//!
//!     cargo bench --bench history [-- NIGHTS TARGETS RUNS FILE]
//!
//! One run a night, or as many as are asked for, as `portreeve watch` makes them: one for each client. The store is kept where a file
//! is named; where there is one already, it is asked only.
//!
//! Four mock servers are scanned once by the program itself; their answers, findings and all, are made into a hundred clients with
//! five servers each. Each night everything differs that differs with every asking (times, round trips, `Date`, cookies, days
//! left), and some things change: another port opens on five servers, certificates are renewed every 90 days, eight servers cannot be reached.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use mock_servers::{Authority, Builtin, Description, Transport};
use portreeve::history::sqlite::{Mode, Sqlite};
use portreeve::history::{Archive as _, Beginning, RunNumber, Wanted};
use portreeve::model::fact::{Fact, PortFact, PortReason, PortState};
use portreeve::model::http::Header;
use portreeve::model::observation::{Attempt, Observation, ObservationId};
use portreeve::model::peer_text::PeerText;
use portreeve::model::ports::{Ports, Transport as Protocol};
use portreeve::model::question::Question;
use portreeve::model::run::{Run, TargetRun, Trouble};
use portreeve::model::verdict::{Confidence, Verdict};
use portreeve::report::describe;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The first night, in seconds since 1970: 2025-01-01, 02:00. None of a year is to come.
const BEGIN: i64 = 1_735_696_800;
const DAY: i64 = 86_400;

/// For how long a certificate is valid, in days.
const VALID: i64 = 90;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |place: usize, usual: usize| arguments.get(place).map_or(usual, |text| text.parse().unwrap());
    let (nights, servers, runs) = (number(0, 365), number(1, 500), number(2, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = arguments.get(3).map_or_else(|| folder.path().join("year.db"), PathBuf::from);
    if path.exists() {
        println!("{}: as it is", path.display());
    } else {
        make(&path, folder.path(), nights, servers, runs);
    }
    wait_for(&path, nights, servers, runs);
}

/// Makes the store, and tells what it costs.
fn make(path: &Path, folder: &Path, nights: usize, servers: usize, runs: usize) {
    let models = models(folder);
    let estate: Vec<TargetRun> = (0..servers).map(|number| server(&models, number)).collect();
    let counted = |of: fn(&TargetRun) -> usize| estate.iter().map(of).sum::<usize>() / servers;
    println!(
        "{servers} servers, each with {} observations and {} findings; {nights} nights, {runs} runs each",
        counted(|target| target.observations.len()),
        counted(|target| target.findings.len())
    );
    let (mut first, mut keeping) = (0, Duration::ZERO);
    {
        let mut store = Sqlite::open(path, Mode::Create, describe).unwrap();
        for night in 0..nights {
            let run = night_of(&models.run, &estate, night);
            let bare = Run { targets: Vec::new(), ..run.clone() };
            let begin = Instant::now();
            for targets in run.targets.chunks(servers.div_ceil(runs)) {
                keep(&mut store, &Run { targets: targets.to_vec(), ..bare.clone() });
            }
            keeping += begin.elapsed();
            if night == 0 {
                first = size(path);
            }
        }
    }
    let last = size(path);
    let growth = (last - first) / u64::try_from(nights.max(2) - 1).unwrap();
    println!("first night               {:>9} KiB", first / 1024);
    println!("growth a night            {:>9.1} kB", f64::from(u32::try_from(growth).unwrap()) / 1000.0);
    println!("after all nights          {:>9} KiB", last / 1024);
    println!("keeping a night           {:>9} ms", keeping.as_millis() / u128::try_from(nights).unwrap());
}

/// How long answers take: the store's own, and the program's from its start to its end.
fn wait_for(path: &Path, nights: usize, servers: usize, runs: usize) {
    let open = || Sqlite::open(path, Mode::Existing, describe).unwrap();
    let of_client = Wanted { clients: vec![client(7)], names: Vec::new() };
    let (end, before) = {
        let runs = open().runs(&of_client).unwrap();
        (runs[runs.len() - 1].number, runs[runs.len() - 2].number)
    };
    time("open", || drop(open()));
    time("runs", || assert_eq!(open().runs(&Wanted::default()).unwrap().len(), nights * runs));
    time("runs of a client", || assert_eq!(open().runs(&of_client).unwrap().len(), nights));
    time("two runs of a client", || {
        let store = open();
        assert_eq!(store.load(end, &of_client).unwrap().targets.len(), 5);
        assert_eq!(store.load(before, &of_client).unwrap().targets.len(), 5);
    });
    time("a client's year, whole", || {
        let store = open();
        for run in store.runs(&of_client).unwrap() {
            assert_eq!(store.load(run.number, &of_client).unwrap().targets.len(), 5);
        }
    });
    time("a whole run", || {
        assert_eq!(open().load(end, &Wanted::default()).unwrap().targets.len(), servers / runs);
    });
    let name = client(7);
    let until = jiff::Timestamp::from_second(BEGIN + i64::try_from(nights).unwrap() * DAY).unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html").display().to_string();
    for arguments in [
        &["history"][..],
        &["history", "--last", "30"],
        &["history", "--client", &name],
        &["diff"],
        &["diff", "--client", &name],
        &["show", "last", "--client", &name],
        &["report", "--until", &until, "--client", &name, "--html", &page],
        &["report", "--until", &until, "--html", &page],
    ] {
        time(&arguments.join(" "), || {
            let mut program = Command::new(env!("CARGO_BIN_EXE_portreeve"));
            let output = program.args(arguments).arg("--store").arg(path).output().unwrap();
            assert!(output.status.code().is_some_and(|code| [0, 1, 3].contains(&code)), "{output:?}");
        });
    }
}

/// The best of five.
fn time(what: &str, mut work: impl FnMut()) {
    let best = (0..5).map(|_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    });
    println!("{what:<34}{:>9.1} ms", best.min().unwrap().as_secs_f64() * 1000.0);
}

fn size(path: &Path) -> u64 {
    rusqlite::Connection::open(path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    std::fs::metadata(path).unwrap().len()
}

fn keep(store: &mut Sqlite, run: &Run) {
    let targets: Vec<_> = run.targets.iter().map(|target| target.target.clone()).collect();
    let number = store.begin(&run.started, &Beginning::default(), &targets).unwrap();
    let all: Vec<(usize, &TargetRun)> = run.targets.iter().enumerate().collect();
    store.finish(number, run, &all).unwrap();
}

/// What a scan of the mock servers brings.
struct Models {
    run: Run,
    address: String,
}

fn models(folder: &Path) -> Models {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let authority = Authority::new().unwrap();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.ca_pem()).unwrap();
    let address = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));
    let mut inventory = String::from("client = \"Model\"\n");
    let mut servers = Vec::new();
    for (builtin, role) in Builtin::ALL.into_iter().zip(["automate", "automate", "screenconnect", "endpoint-central"]) {
        let description = Description::builtin(builtin);
        let running = runtime.block_on(mock_servers::start(&description, &authority, address)).unwrap();
        let (name, sni) = (&description.name, &description.host);
        let _ = write!(inventory, "[[target]]\nname = \"{name}\"\nhost = \"{address}\"\nsni = \"{sni}\"\n");
        let _ = writeln!(inventory, "roles = [\"{role}\"]\nshared_address = true\n[target.moved]");
        for map in running.ports() {
            let (first, last) = (*map.logical.start(), *map.logical.end());
            let transport = if map.transport == Transport::Tcp { "tcp" } else { "udp" };
            let _ = writeln!(
                inventory,
                "\"{transport}/{first}-{last}\" = \"{}-{}\"",
                map.actual,
                map.actual + (last - first)
            );
        }
        servers.push(running);
    }
    let (targets, store) = (folder.join("models.toml"), folder.join("models.db"));
    std::fs::write(&targets, inventory).unwrap();
    let mut scan = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    scan.args(["scan", "-q", "--timeout", "0.4", "--targets"]).arg(&targets).arg("--ca-file").arg(&ca);
    assert!(scan.arg("--store").arg(&store).status().unwrap().code().is_some_and(|code| code < 2), "the models");
    let run = Sqlite::open(&store, Mode::Existing, describe).unwrap().load(RunNumber(1), &Wanted::default()).unwrap();
    Models { run, address: address.to_string() }
}

fn client(number: usize) -> String {
    format!("Client {number:03}")
}

/// A server of its own: its addresses, names and certificate are nobody else's.
fn server(models: &Models, number: usize) -> TargetRun {
    let model = &models.run.targets[number % models.run.targets.len()];
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    let json = serde_json::to_string(model).unwrap();
    let json = json.replace(&models.address, &format!("198.18.{high}.{low}"));
    let json = json.replace(".example", &format!(".client{number:03}.example"));
    let mut target: TargetRun = serde_json::from_str(&json).unwrap();
    target.target.client = client(number / 5);
    target.target.name = format!("server-{number:03}");
    target
}

fn night_of(model: &Run, estate: &[TargetRun], night: usize) -> Run {
    let days = i64::try_from(night).unwrap();
    let started = jiff::Timestamp::from_second(BEGIN + days * DAY).unwrap();
    let targets = estate.iter().enumerate().map(|(number, base)| {
        let mut target = base.clone();
        // Every hundred nights another port.
        let changes = (night + number * 37 % 100) / 100;
        if changes > 0 {
            open_port(&mut target, 3388 + u16::try_from(changes).unwrap());
        }
        renew(&mut target, number, days);
        differ(&mut target, night);
        if (number * 31 + night * 17) % estate.len().max(1) < estate.len() * 8 / 500 {
            vanish(&mut target);
        }
        target
    });
    let started = started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Run {
        started,
        elapsed_ms: 240_000 + u64::try_from(night).unwrap() * 13,
        targets: targets.collect(),
        ..model.clone()
    }
}

fn open_port(target: &mut TargetRun, port: u16) {
    let Some(address) = target.observations.first().map(|first| first.address) else { return };
    let fact = Fact::Port(PortFact { state: PortState::Open, reason: PortReason::HandshakeCompleted, sender: None });
    target.observations.push(Observation {
        id: ObservationId(u32::try_from(target.observations.len()).unwrap() + 1),
        address,
        question: Question::Port { ports: Ports::one(Protocol::Tcp, port).unwrap() },
        started_ms: 10,
        elapsed_ms: 20,
        elapsed_max_ms: 20,
        tries: 1,
        attempt: Attempt::Answered { fact },
    });
    if let Some(finding) = target.findings.iter_mut().find(|finding| finding.verdict == Verdict::Pass) {
        finding.verdict = Verdict::Fail;
        finding.checks[0].verdict = Verdict::Fail;
        finding.checks[0].seen = vec![format!("tcp/{port} is open")];
    }
}

/// The certificate of this night: renewed every so many days, with the days that are left in facts and in sentences.
fn renew(target: &mut TargetRun, number: usize, day: i64) {
    let offset = i64::try_from(number).unwrap() % VALID;
    let generation = (day + offset) / VALID;
    let end = BEGIN + (generation * VALID - offset + VALID + 20) * DAY + 4321;
    let (left, end) = ((end - BEGIN - day * DAY) / DAY, jiff::Timestamp::from_second(end).unwrap());
    let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for observation in &mut target.observations {
        if let Attempt::Answered { fact: Fact::Certificate(fact) } = &mut observation.attempt {
            let old = (std::mem::replace(&mut fact.not_after, end.clone()), fact.days_left);
            fact.days_left = left;
            fact.serial = format!("{number:04x}{generation:04x}");
            for seen in
                target.findings.iter_mut().flat_map(|finding| &mut finding.checks).flat_map(|check| &mut check.seen)
            {
                *seen = seen.replace(&old.0, &end).replace(&format!("({} days)", old.1), &format!("({left} days)"));
            }
        }
    }
}

/// Everything differs that differs with every asking.
fn differ(target: &mut TargetRun, night: usize) {
    let number = u64::try_from(night).unwrap();
    let text = |text: String| PeerText::new(&text, 200);
    for address in &mut target.addresses {
        if let Some(path) = &mut address.health.path {
            path.round_trip_us += number * 37 % 1000;
            path.answerable += number % 7;
        }
    }
    for observation in &mut target.observations {
        observation.started_ms += number % 91;
        observation.elapsed_ms += number % 13;
        observation.elapsed_max_ms += number % 13;
        if let Attempt::Answered { fact: Fact::Http(answer) } = &mut observation.attempt {
            answer.headers.retain(|header| !header.name.as_str().eq_ignore_ascii_case("date"));
            let header = |name: &str, value| Header { name: text(name.to_owned()), value: text(value) };
            answer.headers.push(header("Date", format!("day {night} at 02:00:07 GMT")));
            answer.headers.push(header("Set-Cookie", format!("ASP.NET_SessionId=s{night}; path=/; HttpOnly")));
        }
    }
}

/// Nothing answers tonight.
fn vanish(target: &mut TargetRun) {
    target.troubles = vec![Trouble::Unreachable];
    target.observations.retain(|observation| matches!(observation.question, Question::Port { .. }));
    for observation in &mut target.observations {
        let fact = Fact::Port(PortFact { state: PortState::Filtered, reason: PortReason::Silence, sender: None });
        observation.attempt = Attempt::Answered { fact };
    }
    for finding in &mut target.findings {
        if matches!(finding.verdict, Verdict::Pass | Verdict::Fail) {
            (finding.verdict, finding.confidence) = (Verdict::Inconclusive, Confidence::High);
        }
        for check in &mut finding.checks {
            check.seen = vec!["nothing answered".to_owned()];
            check.rests_on = vec![ObservationId(1)];
        }
    }
}
