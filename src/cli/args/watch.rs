//! What the user can say about scheduled scans.

use super::history::StoreArgs;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// How it ends.
pub(in crate::cli) const EXIT_CODES: &str = "\
Exit codes:
  0  it was told to end; with --once: all scans are whole, and nothing is at or beyond --fail-on
  1  with --once: something is at or beyond --fail-on
  2  the command line or a file is wrong; with --once also: of a scan
  3  the store cannot be opened; with --once also: a scan is partial, or an alert was not told
  4  a defect of portreeve; please report it
  5  the store was removed or replaced while it was watched: put it back first

Started again after 5, the watch begins with an empty store; the units of --write-units do not.";

/// `watch`
#[derive(Args, Debug)]
pub(in crate::cli) struct WatchArgs {
    /// Inventory files, or folders of them.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub(in crate::cli) targets: Vec<PathBuf>,
    /// Scan what is due now, also what was missed, and end: for cron and Task Scheduler, which call it every few minutes.
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// Print what is scheduled, when it is due next, and where alerts go, and end. Mistakes in the channels are told too.
    #[arg(long, conflicts_with = "once")]
    pub(in crate::cli) list: bool,
    /// Keep a file that says how it goes: each job, when it ran and is due, alerts that wait, and what is wrong. Written at
    /// every change and every twenty seconds; one that is minutes old means that nobody watches.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    pub(in crate::cli) status: Option<PathBuf>,
    /// Write units for systemd into this folder, and end: a service that watches, and a timer with a service that does what is
    /// due every five minutes. Existing files are not replaced.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["once", "list", "status"])]
    pub(in crate::cli) write_units: Option<PathBuf>,
    /// Channels for alerts that do not stand in an alerts.toml beside the inventory. With either, drift, failures, what ends
    /// soon and scans that do not happen are told.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) alerts: Vec<PathBuf>,
    /// Where runs are kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
    /// Options for every scan, such as `-- --ciphers --guide my.toml`.
    #[arg(last = true, value_name = "SCAN OPTION")]
    pub(in crate::cli) scan: Vec<OsString>,
}
