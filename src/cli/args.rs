//! What the user can say. The meaning of it is made in the commands' own modules.

pub(super) mod alerts;
pub(super) mod diff;
pub(super) mod history;
pub(super) mod report;
mod servers;
mod statements;
mod values;
pub(super) mod watch;

pub(super) use servers::{FactArgs, SelectArgs};
pub(super) use statements::{AttestArgs, StateArgs, StatedArgs, WaiveArgs};

use super::args::alerts::AlertsCommand;
use super::args::diff::{DiffArgs, SchemaOf};
use super::args::history::{ExportArgs, HistoryArgs, ImportArgs, KeepArgs, PruneArgs, ShowArgs};
use super::args::report::{REPORT_EXIT_CODES, ReportArgs};
use super::args::watch::WatchArgs;
use crate::model::ports::Ports;
use crate::model::target::{ControlServer, Host, Role};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use values::{host, lasts, name, nowhere, only_tcp_ports, ports, rate, role_parser, seconds, tcp_ports, udp_ports};

const EXIT_CODES: &str = "\
Exit codes:
  0  the run is whole, and nothing is at or beyond --fail-on
  1  something is at or beyond --fail-on
  2  the command line or a file is wrong; nothing was scanned
  3  the run is partial (a target unreachable or unresolved, an interrupt): never read it as clean
  4  a defect of portreeve; please report it";

const DOCTOR: &str = "\
Is what this machine sees to be believed? Looks at it and its own network.

Without options nothing is sent: the machine is looked at. Nobody is asked whom you do not name. With HOST or --targets a few \
ports of each server are asked, among them those that providers often block (25, 135-139, 445). With --nowhere an address \
that must not answer is asked. With --control-host a machine of yours, outside and listening on what the guides name, proves \
which ports are let out. Where a name is to be resolved, this machine's own DNS servers are also asked for one that cannot \
exist (under .invalid, RFC 6761).";

const DOCTOR_EXIT_CODES: &str = "\
Exit codes:
  0  nothing was found that would spoil a scan
  1  something would spoil a scan, or a part of it
  2  the command line or a file is wrong; nothing was asked
  3  something could not be checked (a name not resolved, no route, an interrupt)
  4  a defect of portreeve; please report it";

/// Stands outside an RMM server and checks its gates against the vendors' hardening guides.
///
/// portreeve asks a server the questions that its guides raise (which ports are open, which TLS versions are accepted,
/// what its web server reveals) and answers every item of every guide that applies: pass, fail, inconclusive, needs
/// evidence from inside, needs a person's attestation, or not applicable; each with what was seen, why, what would
/// settle it, and what to do.
///
/// It signs in nowhere, requests no path that does anything, and scans only what you name.
#[derive(Debug, Parser)]
#[command(
    name = "portreeve",
    version,
    after_help = "Begin with `portreeve demo`; then `portreeve scan rmm.example.com --role automate`.",
    after_long_help = EXIT_CODES,
    max_term_width = 100,
    arg_required_else_help = true,
    propagate_version = false
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
    /// What all commands share.
    #[command(flatten)]
    pub(super) shared: Shared,
}

/// What all commands share.
#[derive(Args, Clone, Debug)]
pub(super) struct Shared {
    /// No progress and no report on the terminal: only errors, files and the exit code.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Log what is being done to stderr; twice for more (PORTREEVE_LOG sets a filter instead).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,
    /// When to colour [auto: on a terminal, and not when NO_COLOR is set].
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub(super) color: ColorWhen,
    /// How wide to print, in columns [default: the terminal's width, else 100].
    #[arg(long, global = true, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=400), help_heading = "Output")]
    pub(super) width: Option<u16>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, and not when `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan servers and answer every item of the guides that apply.
    #[command(after_long_help = EXIT_CODES)]
    Scan(Box<ScanArgs>),
    /// Start mock servers on loopback, scan them, and show the report: a first look, without any server of yours.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// List the runs that were kept.
    History(HistoryArgs),
    /// Show a run that was kept, as `scan` did. The exit code is that of the scan.
    #[command(after_long_help = EXIT_CODES)]
    Show(Box<ShowArgs>),
    /// What changed between two runs, and why.
    ///
    /// Without OLD and NEW the last run that came to its end is compared with the last one before it of the same servers. Runs
    /// before and between are looked at for what the older run did not see, and for what only alternates.
    #[command(after_long_help = diff::EXIT_CODES)]
    Diff(Box<DiffArgs>),
    /// Many servers in one report: what stands, what to do first, what changed, and how it went.
    ///
    /// Nothing is scanned. Each server is told as the last run saw it that saw anything of it, so that the runs of many schedules
    /// make one picture; where that is old, or the last try saw nothing, the report says so first. Of one client it is a report for
    /// that client, which names no other; of several it is one for whoever looks after them.
    #[command(after_long_help = REPORT_EXIT_CODES)]
    Report(Box<ReportArgs>),
    /// Write runs to a file, to be imported into another store.
    Export(ExportArgs),
    /// Take in what `export` wrote; a run that is here already is not taken twice.
    Import(ImportArgs),
    /// Forget old runs, but never the last one of a target.
    Prune(PruneArgs),
    /// Scan by the schedules of an inventory, all the time or what is due now.
    #[command(after_long_help = watch::EXIT_CODES)]
    Watch(WatchArgs),
    /// What is open, what waits to be told, and whether channels work: alerts by alerts.toml.
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Ask one kind of question without any guide.
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Is what this machine sees to be believed? Looks at it and its own network.
    #[command(long_about = DOCTOR, after_long_help = DOCTOR_EXIT_CODES)]
    Doctor(Box<DoctorArgs>),
    /// Hold free ports on a machine behind the firewall, and confirm to `scan --witness` what arrives there.
    ///
    /// Both ends have the same key: make one with `--new-key FILE` and copy it to the scanning machine. The witness takes only
    /// ports that no other program has, answers nobody without the key, and ends by itself. What it proves is what the
    /// firewall does; while it holds a port, the service that belongs there cannot start.
    Witness(WitnessArgs),
    /// Evidence from inside a Windows host: print the collector, check what it brought.
    #[command(subcommand)]
    Host(HostCommand),
    /// Write down what you looked at on a server: an attestation, which answers an item that only a person can.
    ///
    /// It is written to `attestations.toml` beside the server's inventory, to be reviewed like code, and holds until a day that
    /// you name. What is not said by an option is asked. It never goes before what a scan sees.
    Attest(Box<AttestArgs>),
    /// Accept a failure for a time: a waiver, with why, who approved it, until when and at what risk.
    ///
    /// It is written to `waivers.toml` beside the server's inventory. The verdict stays what it is, in every report; until the
    /// waiver's last day is over the failure does not count for the exit code.
    Waive(Box<WaiveArgs>),
    /// List the guides' items, show one in full, or check a catalog of your own.
    #[command(subcommand)]
    Guides(GuidesCommand),
    /// Print the JSON Schema of the JSON report.
    Schema {
        /// Of a run's report, of what reads otherwise between two runs, of a report over many servers, or of an alert.
        #[arg(value_name = "OF", default_value = "run")]
        of: SchemaOf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff; show it with `portreeve man | man -l -`).
    Man,
}

/// `scan`
#[derive(Args, Debug)]
pub(super) struct ScanArgs {
    /// Servers to scan, each with all roles of --role: names or addresses.
    #[arg(value_name = "HOST", value_parser = host, required_unless_present_any = ["targets", "resume"])]
    pub(super) hosts: Vec<Host>,
    /// What the servers are for; give several where a server has several roles.
    #[arg(short, long = "role", value_name = "ROLE", value_parser = role_parser(), value_delimiter = ',', conflicts_with = "targets")]
    pub(super) roles: Vec<Role>,
    /// Inventory files, or folders of them, instead of HOST.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1.., conflicts_with = "hosts")]
    pub(super) targets: Vec<PathBuf>,
    /// What to select from the inventory.
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Only targets of this job of `portreeve watch`.
    #[arg(long, hide = true, value_name = "ID", requires = "targets")]
    pub(super) job: Option<String>,
    /// What the guides need to know of HOST.
    #[command(flatten)]
    pub(super) facts: FactArgs,
    /// What to ask.
    #[command(flatten)]
    pub(super) what: WhatArgs,
    /// What proves the firewall from both ends.
    #[command(flatten)]
    pub(super) prove: ProveArgs,
    /// What people say of the servers.
    #[command(flatten)]
    pub(super) stated: StatedArgs,
    /// How to ask.
    #[command(flatten)]
    pub(super) timing: TimingArgs,
    /// What to write.
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// What becomes of the run.
    #[command(flatten)]
    pub(super) keep: KeepArgs,
    /// Print the plan (what would be asked, of which address, for which items) and ask nothing but DNS.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Where the Control server is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ControlPlace {
    /// At this host.
    Here,
    /// At another host.
    Elsewhere,
    /// In the vendor's cloud.
    Cloud,
    /// There is none.
    None,
}

impl From<ControlPlace> for ControlServer {
    fn from(place: ControlPlace) -> Self {
        match place {
            ControlPlace::Here => Self::Here,
            ControlPlace::Elsewhere => Self::Elsewhere,
            ControlPlace::Cloud => Self::Cloud,
            ControlPlace::None => Self::None,
        }
    }
}

/// What to ask.
#[derive(Args, Debug)]
#[command(next_help_heading = "What to ask")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct WhatArgs {
    /// Only this guide; a file of your own takes the place of the guide with its id [default: every guide of the roles].
    #[arg(short, long = "guide", value_name = "ID|FILE")]
    pub(super) guides: Vec<String>,
    /// More ports, such as tcp/8443 or udp/500-510.
    #[arg(short, long, value_name = "PORTS", value_parser = ports, value_delimiter = ',')]
    pub(super) ports: Vec<Ports>,
    /// Every TCP port, 1 to 65535: the proof that nothing else is open.
    #[arg(long)]
    pub(super) sweep: bool,
    /// Also which suites and groups every port with TLS accepts, and what is weak about them. Judged by the items of the
    /// guide `beyond` about suites, which need this option.
    #[arg(long)]
    pub(super) ciphers: bool,
    /// Ask only IPv4 addresses.
    #[arg(short = '4', long = "ipv4", conflicts_with = "only_v6")]
    pub(super) only_v4: bool,
    /// Ask only IPv6 addresses.
    #[arg(short = '6', long = "ipv6")]
    pub(super) only_v6: bool,
    /// Trust these certificate authorities (PEM) beside the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// A machine of yours outside this network that listens on every TCP port that the guides name: asked first, to prove
    /// which are let out. Silence on a port that is not decides nothing.
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(super) control_host: Option<Host>,
    /// What the collector of `portreeve host collector` brought from inside a server: a folder or a zip. With several servers
    /// say whose it is; one of an inventory is CLIENT/NAME.
    #[arg(long, value_name = "[NAME=]BUNDLE")]
    pub(super) host_evidence: Vec<String>,
    /// The TCP ports that the control host listens on [default: those that the guides name].
    #[arg(long, value_name = "PORTS", value_parser = only_tcp_ports, value_delimiter = ',', requires = "control_host")]
    pub(super) control_ports: Vec<Ports>,
}

/// What proves the firewall from both ends.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Firewall proof (with `portreeve witness` behind the firewall)")]
pub(super) struct ProveArgs {
    /// Behind this scanned address a witness holds ports: ask it what arrived, and prove each port from both ends.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', requires = "witness_key")]
    pub(super) witness: Vec<IpAddr>,
    /// The file with the key that the witness has.
    #[arg(long, value_name = "FILE", requires = "witness")]
    pub(super) witness_key: Option<PathBuf>,
    /// Where the witness's log is, or will be brought to, if its account cannot be read over the network.
    #[arg(long, value_name = "FILE", requires = "witness")]
    pub(super) witness_log: Option<PathBuf>,
    /// All ports of those addresses lead to the witness's machine: what does not arrive there is blocked, and not forwarded
    /// elsewhere. Without it that is said only where messages arrived on two ports.
    #[arg(long, requires = "witness")]
    pub(super) witness_all_ports: bool,
}

/// `witness`
#[derive(Args, Debug)]
pub(super) struct WitnessArgs {
    /// TCP ports and ranges to hold, such as 443,3306,40000-40050; those that another program has are left to it.
    #[arg(long, value_name = "PORTS", value_parser = tcp_ports, value_delimiter = ',', required_unless_present_any = ["udp", "new_key"])]
    pub(super) tcp: Vec<Ports>,
    /// UDP ports and ranges to hold.
    #[arg(long, value_name = "PORTS", value_parser = udp_ports, value_delimiter = ',')]
    pub(super) udp: Vec<Ports>,
    /// The file with the key that the scanner has too: 32 random bytes or more, as hexadecimal or base64, readable by its
    /// owner alone.
    #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
    pub(super) key_file: Option<PathBuf>,
    /// How long to stay, such as 90s, 30m or 2h; a day at most.
    #[arg(long = "for", value_name = "TIME", value_parser = lasts, default_value = "1h")]
    pub(super) lasts: Duration,
    /// Only on this address of this machine [default: on all].
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(super) listen: Vec<IpAddr>,
    /// Write a signed log to a new file; `scan --witness-log` reads it where the network does not let the account through.
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Make a new key in this file, which must not exist yet, and do nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tcp", "udp", "key_file", "lasts", "listen", "log"])]
    pub(super) new_key: Option<PathBuf>,
}

/// `host`
#[derive(Debug, Subcommand)]
pub(super) enum HostCommand {
    /// Print the collector: a script of Windows' built-in commands that only reads. Run it elevated on the server.
    ///
    /// For Windows Server 2016 to 2025, also from a 32-bit agent: `portreeve host collector > collector.cmd`, then on the server
    /// `collector.cmd C:\evidence`. It writes that folder, and a zip of it beside it, and changes nothing else.
    Collector,
    /// On Windows: run the collector, and note what its commands cannot show (when settings were changed). Run it elevated.
    ///
    /// It runs the script that `portreeve host collector` prints, and writes the same bundle; into it goes also when the keys of
    /// SCHANNEL and http.sys were written last, which tells whether Windows was restarted since.
    Collect(HostCollectArgs),
    /// Print when the keys of SCHANNEL and http.sys were written last: what the collector runs.
    #[command(hide = true)]
    KeyTimes,
    /// Judge the items that evidence from inside can answer: a bundle of the collector, or single files exported by hand.
    #[command(after_long_help = EXIT_CODES)]
    Check(HostCheckArgs),
}

/// `host collect`
#[derive(Args, Debug)]
pub(super) struct HostCollectArgs {
    /// The folder to write, which must not exist yet [default: portreeve-evidence-COMPUTER in the folder for temporary files].
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
}

/// `host check`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("source").required(true).multiple(true).args(["bundle", "reg", "inf", "iis"]))]
pub(super) struct HostCheckArgs {
    /// The folder or zip that the collector wrote.
    #[arg(value_name = "BUNDLE", conflicts_with_all = ["reg", "inf", "iis"])]
    pub(super) bundle: Option<PathBuf>,
    /// What `reg export` wrote, of whatever keys, several times for several files; of the automate guide it can answer GPO-01
    /// to 04 (Lsa, Policies), GPO-06 (SOFTWARE\Policies of HKLM and of each user's hive), TLS-01 and 02 in part (SCHANNEL) and
    /// NET-04 (the firewall's two stores).
    #[arg(long, value_name = "FILE")]
    pub(super) reg: Vec<PathBuf>,
    /// What `secedit /export` wrote; it can answer GPO-05 of the automate guide and URA-01 to 06 of the iis guide.
    #[arg(long, value_name = "FILE")]
    pub(super) inf: Option<PathBuf>,
    /// A copy of `applicationHost.config`; it can show what fails IIS-01 to 03 of the automate guide, and proves no pass
    /// without the sites' web.config files, which only a bundle holds.
    #[arg(long, value_name = "FILE")]
    pub(super) iis: Option<PathBuf>,
    /// What the server is for; give several where it has several roles.
    #[arg(short, long = "role", value_name = "ROLE", value_parser = role_parser(), value_delimiter = ',', required = true)]
    pub(super) roles: Vec<Role>,
    /// Only this guide; a file of your own takes the place of the guide with its id [default: every guide of the roles].
    #[arg(short, long = "guide", value_name = "ID|FILE")]
    pub(super) guides: Vec<String>,
    /// What to write.
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// How to ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Timing")]
pub(super) struct TimingArgs {
    /// How long to wait for a handshake at the first try, in seconds; all other waits keep their proportion to it.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub(super) timeout: Duration,
    /// How long a whole target may take, in seconds; what is not asked by then is named as missing [default: 300; with
    /// --sweep or --thorough 3600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) host_time: Option<Duration>,
    /// How long an address is asked for its TCP ports before it is given up when nothing at all answers, in seconds; once
    /// something answers, waits follow the round trip [default: 2; for probe 0.5].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) patience: Option<Duration>,
    /// At most this many SYNs a second to one address. Asking begins at 1000, goes faster while ports that answer still do,
    /// and falls back to what a limit on the way lets through [default: 20000; with raw packets 60000].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<NonZeroU32>,
    /// How TCP ports are asked.
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub(super) method: Method,
    /// At most this many UDP datagrams a second to one address.
    #[arg(long, value_name = "N", value_parser = rate, default_value = "2000")]
    pub(super) udp_rate: NonZeroU32,
    /// Wait for servers that say only about once a second that a UDP port is closed, until every UDP port is decided.
    #[arg(long)]
    pub(super) thorough: bool,
    /// At most this many connections and datagrams a second to all addresses together [default: 20000; with raw packets
    /// 60000].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) max_rate: Option<NonZeroU32>,
    /// How many targets are scanned side by side.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), default_value = "50")]
    pub(super) parallel: u16,
}

/// How TCP ports are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// By connecting to them; a thousand and more at one address by raw packets, where this process may send them.
    Auto,
    /// By connecting to them, which needs no privilege.
    Connect,
    /// Like auto, and an error where raw packets cannot be sent (they need Linux and `CAP_NET_RAW`).
    Raw,
}

/// What to write.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Write the whole run as JSON to a file.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write the report for the client as one HTML file; into a folder, one for each client.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) html: Option<PathBuf>,
    /// How much of the report is printed.
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// Exit with 1 when a verdict is at or beyond this.
    #[arg(long, value_name = "VERDICT", default_value = "fail")]
    pub(super) fail_on: FailOn,
}

/// How much of the report is printed.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LookArgs {
    /// Show the observations beneath each verdict.
    #[arg(short, long)]
    pub(super) evidence: bool,
    /// Show what to do, step by step.
    #[arg(long)]
    pub(super) remedy: bool,
    /// Show every item in full, also those that pass, need evidence or do not apply.
    #[arg(short, long)]
    pub(super) all: bool,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// The whole run as JSON.
    Json,
    /// JSON Lines: one object for each port, finding and target, each target's as soon as it is finished.
    Jsonl,
}

/// When to exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// An item fails, or an expected rule is violated, and that is not waived.
    Fail,
    /// An item fails, an expected rule is violated, or one of them is inconclusive.
    Inconclusive,
    /// The same, or an item needs evidence or an attestation.
    Needs,
    /// Never.
    Never,
}

/// `demo`
#[cfg(feature = "demo")]
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Where to write the reports [default: a new folder portreeve-demo-N in the current one].
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// How much of the report is printed.
    #[command(flatten)]
    pub(super) look: LookArgs,
}

/// `probe`
#[derive(Debug, Subcommand)]
pub(super) enum ProbeCommand {
    /// In which state are these ports? With reason and sender.
    Ports {
        /// Names or addresses.
        #[arg(value_name = "HOST", required_unless_present = "hosts_from", value_parser = host)]
        hosts: Vec<Host>,
        /// Read more of them from a file (- for stdin), one on a line; # begins a comment.
        #[arg(long, value_name = "FILE")]
        hosts_from: Option<PathBuf>,
        /// TCP ports and ranges, such as 22,80,8000-8100 [default: those that the guides name].
        #[arg(long, value_name = "PORTS", value_parser = tcp_ports, value_delimiter = ',')]
        tcp: Vec<Ports>,
        /// UDP ports and ranges [default: those that the guides name, unless --tcp is given].
        #[arg(long, value_name = "PORTS", value_parser = udp_ports, value_delimiter = ',')]
        udp: Vec<Ports>,
        /// What all probes share.
        #[command(flatten)]
        shared: ProbeArgs,
        /// What proves the firewall from both ends.
        #[command(flatten)]
        prove: ProveArgs,
    },
    /// Which versions of TLS are accepted, and which certificate is served?
    Tls {
        /// HOST or HOST:PORT [port: 443]; RDP and MySQL are recognised.
        #[arg(value_name = "HOST[:PORT]", required = true)]
        places: Vec<String>,
        /// The name to send as SNI and to check the certificate against.
        #[arg(long, value_name = "NAME", value_parser = name)]
        sni: Option<String>,
        /// Also which suites and groups are accepted in each version, in whose order, and what is weak about them.
        #[arg(long)]
        ciphers: bool,
        /// Trust these certificate authorities (PEM) beside the system's.
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
        /// What all probes share.
        #[command(flatten)]
        shared: ProbeArgs,
    },
    /// What does a web server reveal: headers, OPTIONS, TRACE, a request without Host, its product?
    Http {
        /// http:// or https:// URLs; only their host and port are used.
        #[arg(value_name = "URL", required = true)]
        urls: Vec<String>,
        /// What all probes share.
        #[command(flatten)]
        shared: ProbeArgs,
    },
    /// What speaks on a port, by its first bytes?
    Service {
        /// HOST:PORT
        #[arg(value_name = "HOST:PORT", required = true)]
        places: Vec<String>,
        /// What all probes share.
        #[command(flatten)]
        shared: ProbeArgs,
    },
}

/// What all probes share.
#[derive(Args, Clone, Debug)]
pub(super) struct ProbeArgs {
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Ask only IPv4 addresses.
    #[arg(short = '4', long = "ipv4", conflicts_with = "only_v6")]
    pub(super) only_v4: bool,
    /// Ask only IPv6 addresses.
    #[arg(short = '6', long = "ipv6")]
    pub(super) only_v6: bool,
    /// How to ask.
    #[command(flatten)]
    pub(super) timing: TimingArgs,
}

/// `doctor`
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Servers that are to be scanned: names or addresses.
    #[arg(value_name = "HOST", value_parser = host)]
    pub(super) hosts: Vec<Host>,
    /// Inventory files, or folders of them.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    pub(super) targets: Vec<PathBuf>,
    /// A machine of yours outside this network that listens on every TCP port that the guides name, and not
    /// on every other one too.
    #[arg(long, visible_alias = "control", value_name = "HOST", value_parser = host)]
    pub(super) control_host: Option<Host>,
    /// An address that nobody has, so that nothing may answer [without a value: 192.0.2.1, TEST-NET-1 of RFC 5737].
    #[arg(long, value_name = "ADDRESS", value_parser = nowhere, num_args = 0..=1, default_missing_value = "192.0.2.1", action = clap::ArgAction::Append)]
    pub(super) nowhere: Vec<IpAddr>,
    /// Ask these TCP ports of whoever is named, instead of those that are of use for each.
    #[arg(long, value_name = "PORTS", value_parser = only_tcp_ports, value_delimiter = ',')]
    pub(super) ports: Vec<Ports>,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: DoctorFormat,
    /// Ask only IPv4 addresses.
    #[arg(short = '4', long = "ipv4", conflicts_with = "only_v6")]
    pub(super) only_v4: bool,
    /// Ask only IPv6 addresses.
    #[arg(short = '6', long = "ipv6")]
    pub(super) only_v6: bool,
    /// How to ask.
    #[command(flatten)]
    pub(super) timing: TimingArgs,
}

/// What the doctor prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DoctorFormat {
    /// For people.
    Text,
    /// Everything as JSON.
    Json,
}

/// `guides`
#[derive(Debug, Subcommand)]
pub(super) enum GuidesCommand {
    /// List every item.
    List {
        /// Only this guide, or file of your own.
        #[arg(short, long = "guide", value_name = "ID|FILE")]
        guides: Vec<String>,
        /// Only items for these roles.
        #[arg(short, long = "role", value_name = "ROLE", value_parser = role_parser(), value_delimiter = ',')]
        roles: Vec<Role>,
    },
    /// Show one item in full: why, how it is checked, how to mend it, references.
    Show {
        /// The item's id, such as AUT-NET-06; case does not matter.
        #[arg(value_name = "ITEM")]
        item: String,
        /// A guide's file of your own.
        #[arg(short, long = "guide", value_name = "FILE")]
        guides: Vec<String>,
    },
    /// Check catalogs of your own: their form, and that every example holds.
    Check {
        /// Catalogs.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
