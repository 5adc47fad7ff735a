//! What a scan, a demo and a probe share: the engine made of options, Ctrl-C, and the run made of scans.

use super::args::{Method, Shared, TimingArgs};
use super::exit::CliError;
use super::keep::is_finished;
use super::output::complain;
use super::pending::discard_unfinished;
use super::progress;
use super::vantage::{conclude, seen};
use crate::catalog::builtin::Catalogs;
use crate::catalog::guide::Guide;
use crate::engine::plan::{Extra, Plan};
use crate::engine::{Engine, Inquiry, Settings, TargetScan};
use crate::history::keeper::Learner;
use crate::host::evidence::Evidence as HostEvidence;
use crate::judge::vantage::Evidence;
use crate::judge::{Case, Judgement, judge};
use crate::model::observation::Observation;
use crate::model::run::{AddressRun, Run, TargetRun};
use crate::model::statement::Statements;
use crate::model::target::Target;
use crate::model::vantage::{Vantage, Ways};
use crate::net::dial::Dialer;
use crate::net::failure::millis;
use crate::net::limits::Limits;
use crate::net::pace::Rates;
use crate::net::raw::RawSyn;
use crate::net::resolve::Resolver;
use crate::net::trust::TrustStore;
use crate::probe::{Asker, Timing};
use crate::report;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(8);

/// Which address families to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Families {
    /// IPv4.
    pub(super) ipv4: bool,
    /// IPv6.
    pub(super) ipv6: bool,
}

impl Families {
    /// Both, unless an option names one.
    pub(super) fn of_options(only_v4: bool, only_v6: bool) -> Self {
        Self { ipv4: !only_v6, ipv6: !only_v4 }
    }
}

/// How long a target may take where no option says so.
const HOST_TIME: Duration = Duration::from_mins(5);
/// The same for a sweep or a thorough scan.
const LONG_HOST_TIME: Duration = Duration::from_hours(1);

/// How long an address that answers nothing is asked where no option says so: a scan is to be believed, a probe is to be
/// quick.
pub(super) const PATIENCE_OF_SCAN: Duration = Duration::from_secs(2);
pub(super) const PATIENCE_OF_PROBE: Duration = Duration::from_millis(500);

/// The most SYNs a second where no option says so and this process may send its own.
const RAW_RATE: NonZeroU32 = match NonZeroU32::new(60_000) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};

/// The engine that the options describe.
pub(super) fn engine(
    timing: &TimingArgs,
    families: Families,
    ca_file: Option<&Path>,
    sweep: bool,
    patience: Duration,
    shared: &Shared,
) -> Result<Engine, CliError> {
    let trust = TrustStore::load(ca_file)
        .map_err(|error| CliError::Usage(report::text::clean(&error.to_string()).into_owned()))?;
    let raw = match timing.method {
        Method::Connect => None,
        // Opening takes a moment, and is worth it for many ports only.
        Method::Auto => sweep.then(RawSyn::open).and_then(Result::ok),
        Method::Raw => Some(RawSyn::open().map_err(|error| CliError::Machine(error.to_string()))?),
    };
    let usual = Rates::default();
    let most = if raw.is_some() { RAW_RATE } else { usual.syn };
    let syn = timing.rate.unwrap_or(most);
    let rates = Rates {
        all: timing.max_rate.unwrap_or(most),
        syn,
        tcp: syn.min(usual.tcp),
        udp: timing.udp_rate,
        connections: usual.connections,
    };
    let mut dialer = Dialer::new(limits(shared)?, rates);
    if let Some(raw) = raw {
        dialer = dialer.with_raw(raw);
    }
    let mut waits = waits(timing.timeout, timing.patience.unwrap_or(patience));
    if timing.thorough {
        waits.udp_patience = Duration::MAX;
    }
    let asker = Asker::new(dialer, waits, trust, Instant::now());
    Ok(Engine {
        asker: Arc::new(asker),
        resolver: Arc::new(Resolver::of_system(RESOLVE_WITHIN)),
        settings: Settings {
            parallel: usize::from(timing.parallel),
            host_time: timing.host_time.unwrap_or(if sweep || timing.thorough { LONG_HOST_TIME } else { HOST_TIME }),
            ipv4: families.ipv4,
            ipv6: families.ipv6,
            witness: None,
        },
    })
}

/// With fewer open files than this a scan is slower than it need be.
const FEW_FILES: usize = 64;

/// Where there are few: how many of those that are free are left for the resolver and for reports.
const SPARE_FILES: usize = 4;

/// What this machine lets us hold at once. Where that is little, it is counted exactly: waiting until a connection that
/// was refused may be had after all takes much longer than not to ask for it.
fn limits(shared: &Shared) -> Result<Limits, CliError> {
    let limits = Limits::of_system(None);
    let Some(allowed) = open_files_allowed().filter(|allowed| *allowed < FEW_FILES) else { return Ok(limits) };
    let open = std::fs::read_dir("/dev/fd").map_or(allowed / 2, Iterator::count);
    let left = allowed.saturating_sub(open + SPARE_FILES);
    if left < 2 {
        return Err(CliError::Machine(format!(
            "this machine allows only {allowed} open files, too few to ask anything; allow more with `ulimit -n 1024`"
        )));
    }
    if !shared.quiet {
        complain(&format!(
            "warning: this machine allows only {allowed} open files, so this will be slow; allow more with `ulimit -n \
             1024`"
        ));
    }
    Ok(Limits::of_system(Some(left)))
}

#[cfg(unix)]
fn open_files_allowed() -> Option<usize> {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    usize::try_from(soft).ok()
}

#[cfg(not(unix))]
fn open_files_allowed() -> Option<usize> {
    None
}

/// All waits, in proportion to the one that the user gives.
fn waits(timeout: Duration, patience: Duration) -> Timing {
    let usual = Timing::default();
    let factor = timeout.as_secs_f64() / usual.connect.as_secs_f64();
    let scaled = |wait: Duration| wait.mul_f64(factor);
    Timing {
        connect: scaled(usual.connect),
        connect_again: scaled(usual.connect_again),
        exchange: scaled(usual.exchange),
        endpoint: scaled(usual.endpoint),
        first_byte: scaled(usual.first_byte),
        unasked: scaled(usual.unasked),
        udp_wait: scaled(usual.udp_wait),
        patience,
        ..usual
    }
}

/// Why the program is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Somebody asks for it.
    Asked,
    /// The terminal went away. That can be told several times, and nobody means anything by it.
    HungUp,
}

/// Becomes true when the user presses Ctrl-C, the terminal goes away or the service manager says stop; whoever asks a
/// second time ends the program at once.
pub(super) fn interrupts(shared: &Shared) -> watch::Receiver<bool> {
    stops(shared, StopSignals::listen())
}

/// The same where a terminal that goes away is no reason to stop: SIGHUP means something else to a service.
pub(super) fn interrupts_but_hangup(shared: &Shared) -> watch::Receiver<bool> {
    stops(shared, StopSignals::listen().but_hangup())
}

fn stops(shared: &Shared, mut signals: StopSignals) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let quiet = shared.quiet;
    // Listened for already: a signal that comes before the task below has run must not end the program.
    tokio::spawn(async move {
        let mut stopping = false;
        while let Some(stop) = signals.next().await {
            if stopping && stop == Stop::Asked {
                discard_unfinished();
                std::process::exit(i32::from(super::exit::Exit::Partial as u8));
            }
            if !stopping && !quiet {
                complain("interrupted: writing what was learned so far; press Ctrl-C again to stop at once");
            }
            stopping = true;
            let _ = sender.send(true);
        }
    });
    receiver
}

#[cfg(unix)]
struct StopSignals([Option<tokio::signal::unix::Signal>; 3]);

#[cfg(unix)]
impl StopSignals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = (!hangup_is_ignored()).then(SignalKind::hangup);
        let kinds = [Some(SignalKind::interrupt()), Some(SignalKind::terminate()), hangup];
        Self(kinds.map(|kind| signal(kind?).ok()))
    }

    fn but_hangup(self) -> Self {
        let [interrupt, terminate, _] = self.0;
        Self([interrupt, terminate, None])
    }

    async fn next(&mut self) -> Option<Stop> {
        async fn received(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
            match signal {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        }
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            interrupted = received(interrupt) => interrupted.map(|()| Stop::Asked),
            terminated = received(terminate) => terminated.map(|()| Stop::Asked),
            hung_up = received(hangup) => hung_up.map(|()| Stop::HungUp),
        }
    }
}

/// Whether the program was started to outlive its terminal, as by `nohup`. Only Linux tells.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[cfg(windows)]
struct StopSignals {
    interrupt: Option<tokio::signal::windows::CtrlC>,
    stop: Option<tokio::signal::windows::CtrlBreak>,
    close: Option<tokio::signal::windows::CtrlClose>,
    shutdown: Option<tokio::signal::windows::CtrlShutdown>,
}

#[cfg(windows)]
impl StopSignals {
    fn listen() -> Self {
        use tokio::signal::windows;
        Self {
            interrupt: windows::ctrl_c().ok(),
            stop: windows::ctrl_break().ok(),
            close: windows::ctrl_close().ok(),
            shutdown: windows::ctrl_shutdown().ok(),
        }
    }

    fn but_hangup(self) -> Self {
        self
    }

    /// When the window is closed or the machine goes down, Windows gives us five seconds.
    async fn next(&mut self) -> Option<Stop> {
        macro_rules! received {
            ($signal:ident) => {
                async {
                    match &mut self.$signal {
                        Some(signal) => signal.recv().await,
                        None => std::future::pending().await,
                    }
                }
            };
        }
        tokio::select! {
            interrupted = received!(interrupt) => interrupted.map(|()| Stop::Asked),
            stopped = received!(stop) => stopped.map(|()| Stop::Asked),
            closed = received!(close) => closed.map(|()| Stop::HungUp),
            shut_down = received!(shutdown) => shut_down.map(|()| Stop::HungUp),
        }
    }
}

/// What a scan is to find out, and what it must know.
#[derive(Clone, Copy)]
pub(super) struct Brief<'a> {
    /// The guides.
    pub(super) catalogs: &'a Catalogs,
    /// What the user asks for beyond them.
    pub(super) extra: &'a Extra,
    /// What is known of the vantage before anything is asked.
    pub(super) vantage: &'a Vantage,
    /// What hosts say of themselves.
    pub(super) hosts: &'a HostEvidences,
    /// The run that this one goes on with: targets that it finished are not asked again.
    pub(super) earlier: Option<&'a Run>,
    /// What was learned of other targets, by their places.
    pub(super) known: &'a Learned,
    /// Who keeps what is learned.
    pub(super) learner: Option<&'a Learner>,
    /// What people say of the targets.
    pub(super) statements: &'a TargetStatements,
}

/// What people say, by the label of its target.
pub(super) type TargetStatements = BTreeMap<String, Statements>;

/// What people say of a target: of most of them nothing.
pub(super) fn said_of<'a>(statements: &'a TargetStatements, target: &Target) -> &'a Statements {
    static NOTHING: Statements = Statements { attestations: Vec::new(), waivers: Vec::new(), today: None };
    statements.get(&target.label()).unwrap_or(&NOTHING)
}

/// What was learned of targets that are not finished, by their places.
pub(super) type Learned = BTreeMap<usize, Arc<[Observation]>>;

/// Evidence from inside, by the label of its target.
pub(super) type HostEvidences = BTreeMap<String, HostEvidence>;

/// Scans `targets` and judges them. `finished` is told of each, with its place.
pub(super) async fn run(
    engine: &Engine,
    targets: Vec<Target>,
    Brief { catalogs, extra, vantage, hosts, statements, earlier, known, learner }: Brief<'_>,
    shared: &Shared,
    interrupted: watch::Receiver<bool>,
    mut finished: impl FnMut(usize, &mut TargetRun),
) -> Run {
    let mut run = empty_run();
    if let Some(earlier) = earlier {
        run.started.clone_from(&earlier.started);
        run.elapsed_ms = earlier.elapsed_ms;
    }
    let begin = Instant::now();
    let (sender, receiver) = mpsc::unbounded_channel();
    let inquire = |place: usize, target: Target| {
        let plan = Arc::new(Plan::new(&target, &catalogs.guides, extra));
        let known = known.get(&place).cloned().unwrap_or_default();
        let keep = learner.map(|learner| learner.of(place));
        Inquiry { known, keep, ..Inquiry::new(target, plan) }
    };
    let mut evidence = Evidence::default();
    let mut done: Vec<Option<TargetRun>> = Vec::with_capacity(targets.len());
    let (mut inquiries, mut places) = (Vec::new(), Vec::new());
    for (place, target) in targets.into_iter().enumerate() {
        let done_before = earlier.and_then(|run| run.targets.get(place)).filter(|done| is_finished(done)).cloned();
        if let Some(mut target) = done_before {
            evidence.add(seen(&as_scanned(&target)));
            finished(place, &mut target);
            done.push(Some(target));
        } else {
            inquiries.push(inquire(place, target));
            places.push(place);
            done.push(None);
        }
    }
    let listener = progress::listen(receiver, &inquiries, shared.quiet);
    let asked = engine.run(&inquiries, interrupted.clone(), sender, |number, scan| {
        let place = places.get(number).copied();
        if let (Some(inquiry), Some(place)) = (inquiries.get(number), place) {
            evidence.add(seen(&scan));
            let mut target = verdicts(inquiry.target.clone(), scan, catalogs, &vantage.ways, (hosts, statements));
            finished(place, &mut target);
            if let Some(done) = done.get_mut(place) {
                *done = Some(target);
            }
        }
    });
    tokio::join!(asked, listener);
    run.elapsed_ms += millis(begin.elapsed());
    run.interrupted = *interrupted.borrow();
    run.targets = done.into_iter().flatten().collect();
    run.vantage = vantage.clone();
    conclude(&mut run, &evidence, Some((catalogs, hosts, statements)));
    let used = |id: &str| run.targets.iter().any(|target| target.findings.iter().any(|finding| finding.guide == id));
    run.guides = catalogs.guides.iter().filter(|guide| used(&guide.id)).map(Guide::used).collect();
    run
}

/// What the scan of a target had brought that was kept.
fn as_scanned(target: &TargetRun) -> TargetScan {
    TargetScan {
        addresses: target.addresses.clone(),
        observations: target.observations.clone(),
        troubles: target.troubles.clone(),
    }
}

/// The time, as runs note it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A run that begins now and has nothing in it.
pub(super) fn empty_run() -> Run {
    Run {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        started: now(),
        elapsed_ms: 0,
        guides: Vec::new(),
        targets: Vec::new(),
        interrupted: false,
        vantage: Vantage::default(),
        drift: None,
    }
}

/// What is said of a target by all guides.
pub(super) fn judged(
    target: &Target,
    addresses: &[AddressRun],
    observations: &[Observation],
    catalogs: &Catalogs,
    ways: &Ways,
    evidence: Option<&HostEvidence>,
    statements: &Statements,
) -> Judgement {
    let (guides, exploited) = (&catalogs.guides, &catalogs.exploited);
    judge(Case {
        target,
        addresses,
        observations,
        guides,
        exploited,
        ways,
        evidence,
        statements,
        evidence_alone: false,
    })
}

fn verdicts(
    target: Target,
    mut scan: TargetScan,
    catalogs: &Catalogs,
    ways: &Ways,
    (hosts, statements): (&HostEvidences, &TargetStatements),
) -> TargetRun {
    let host = hosts.get(&target.label());
    let said = said_of(statements, &target);
    let judgement = judged(&target, &scan.addresses, &scan.observations, catalogs, ways, host, said);
    scan.troubles.extend(judgement.troubles);
    TargetRun {
        target,
        addresses: scan.addresses,
        observations: scan.observations,
        findings: judgement.findings,
        rules: judgement.rules,
        disagreements: judgement.disagreements,
        troubles: scan.troubles,
        evidence: judgement.evidence,
    }
}
