//! What a scan, a demo and a probe share: the engine made of options, Ctrl-C, and the run made of scans.

use super::args::{Shared, TimingArgs};
use super::exit::CliError;
use super::output::complain;
use super::progress;
use crate::catalog::builtin::Catalogs;
use crate::catalog::guide::Guide;
use crate::engine::plan::{Extra, Plan};
use crate::engine::{Engine, Inquiry, Settings, TargetScan};
use crate::judge::{Case, judge};
use crate::model::run::{Run, TargetRun};
use crate::model::target::Target;
use crate::net::dial::Dialer;
use crate::net::failure::millis;
use crate::net::limits::Limits;
use crate::net::pace::Rates;
use crate::net::resolve::Resolver;
use crate::net::trust::TrustStore;
use crate::probe::{Asker, Timing};
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
const HOST_TIME_OF_SWEEP: Duration = Duration::from_hours(1);

/// How long connections to ports that drop them are held in all, in seconds: a sweep at full rate needs room for them.
const HELD_FOR: usize = 5;

/// The engine that the options describe.
pub(super) fn engine(
    timing: &TimingArgs,
    families: Families,
    ca_file: Option<&Path>,
    sweep: bool,
) -> Result<Engine, CliError> {
    let trust = TrustStore::load(ca_file).map_err(|error| CliError::Usage(error.to_string()))?;
    let mut rates = Rates { all: timing.max_rate, tcp: timing.rate, udp: timing.udp_rate, ..Rates::default() };
    if sweep {
        let rate = usize::try_from(timing.rate.get()).unwrap_or(usize::MAX);
        rates.connections = rates.connections.max(rate.saturating_mul(HELD_FOR));
    }
    let dialer = Dialer::new(Limits::of_system(None), rates);
    let asker = Asker::new(dialer, waits(timing.timeout), trust, Instant::now());
    Ok(Engine {
        asker: Arc::new(asker),
        resolver: Arc::new(Resolver::of_system(RESOLVE_WITHIN)),
        settings: Settings {
            parallel: usize::from(timing.parallel),
            host_time: timing.host_time.unwrap_or(if sweep { HOST_TIME_OF_SWEEP } else { HOST_TIME }),
            ipv4: families.ipv4,
            ipv6: families.ipv6,
        },
    })
}

/// All waits, in proportion to the one that the user gives.
fn waits(timeout: Duration) -> Timing {
    let usual = Timing::default();
    let factor = timeout.as_secs_f64() / usual.connect.as_secs_f64();
    let scaled = |wait: Duration| wait.mul_f64(factor);
    Timing {
        connect: scaled(usual.connect),
        connect_again: scaled(usual.connect_again),
        exchange: scaled(usual.exchange),
        first_byte: scaled(usual.first_byte),
        unasked: scaled(usual.unasked),
        udp_wait: scaled(usual.udp_wait),
        ..usual
    }
}

/// Becomes true when the user presses Ctrl-C (or the service manager says stop); a second time ends the program at once.
pub(super) fn interrupts(shared: &Shared) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let quiet = shared.quiet;
    // Listened for from here on: a signal that comes before the task below has run must not end the program.
    let mut signals = StopSignals::listen();
    tokio::spawn(async move {
        let mut count = 0;
        while signals.next().await {
            count += 1;
            if count > 1 {
                std::process::exit(i32::from(super::exit::Exit::Partial as u8));
            }
            if !quiet {
                complain("interrupted: writing what was learned so far; press Ctrl-C again to stop at once");
            }
            let _ = sender.send(true);
        }
    });
    receiver
}

#[cfg(unix)]
struct StopSignals([Option<tokio::signal::unix::Signal>; 2]);

#[cfg(unix)]
impl StopSignals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self([SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()))
    }

    async fn next(&mut self) -> bool {
        async fn received(signal: &mut Option<tokio::signal::unix::Signal>) -> bool {
            match signal {
                Some(signal) => signal.recv().await.is_some(),
                None => std::future::pending().await,
            }
        }
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            interrupted = received(interrupt) => interrupted,
            terminated = received(terminate) => terminated,
        }
    }
}

#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

/// Scans `targets` and judges them.
pub(super) async fn run(
    engine: &Engine,
    targets: Vec<Target>,
    catalogs: &Catalogs,
    extra: &Extra,
    shared: &Shared,
    interrupted: watch::Receiver<bool>,
) -> Run {
    let mut run = empty_run();
    let begin = Instant::now();
    let (sender, receiver) = mpsc::unbounded_channel();
    let inquire = |target: Target| Inquiry { plan: Plan::new(&target, &catalogs.guides, extra), target };
    let inquiries: Vec<Inquiry> = targets.into_iter().map(inquire).collect();
    let listener = progress::listen(receiver, &inquiries, shared.quiet);
    let (scans, ()) = tokio::join!(engine.run(&inquiries, interrupted.clone(), sender), listener);
    run.elapsed_ms = millis(begin.elapsed());
    run.interrupted = *interrupted.borrow();
    run.targets =
        inquiries.into_iter().zip(scans).map(|(inquiry, scan)| verdicts(inquiry.target, scan, catalogs)).collect();
    let used = |id: &str| run.targets.iter().any(|target| target.findings.iter().any(|finding| finding.guide == id));
    run.guides = catalogs.guides.iter().filter(|guide| used(&guide.id)).map(Guide::used).collect();
    run
}

/// A run that begins now and has nothing in it.
pub(super) fn empty_run() -> Run {
    Run {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        elapsed_ms: 0,
        guides: Vec::new(),
        targets: Vec::new(),
        interrupted: false,
    }
}

fn verdicts(target: Target, scan: TargetScan, catalogs: &Catalogs) -> TargetRun {
    let judgement = judge(Case {
        target: &target,
        addresses: &scan.addresses,
        observations: &scan.observations,
        guides: &catalogs.guides,
        exploited: &catalogs.exploited,
    });
    TargetRun {
        target,
        addresses: scan.addresses,
        observations: scan.observations,
        findings: judgement.findings,
        disagreements: judgement.disagreements,
        troubles: scan.troubles,
    }
}
