//! What the user can say about alerts.

use super::DoctorFormat;
use super::history::StoreArgs;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// `alerts`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AlertsCommand {
    /// Send a message that is marked as a test, now, and print what each channel answered.
    ///
    /// The exit code is 0 where every channel took it, and 3 where one did not. Nothing is kept.
    Test(TestArgs),
    /// List what is open, and the messages that wait.
    ///
    /// Days that are left are those of now. With --targets or --alerts it says too by which channels this process could not send,
    /// as where a secret is missing. The exit code is 3 where a message has waited for longer than a day, or is for a channel that
    /// is in no alerts.toml.
    List(ListArgs),
    /// Look at the runs, the inventory and the day, and send what is to be told: for cron, where no `portreeve watch` runs.
    ///
    /// The first look at an inventory tells which scans are not whole and what ends soon in one message for each channel. Which items
    /// fail by then is not told, only how many are: alerts tell what gets worse from then on. Give it the --alerts of the watch,
    /// and behind -- the options of its scans: what stands in a file that it was not given stays as it is, and it says so. The exit
    /// code is 0 where everything that waited was taken, and 3 where something waits still, a channel's secret cannot be read, or a channel is for
    /// a client that no inventory has.
    Check(CheckArgs),
    /// Send what waits now, also what would be tried later.
    Send(SendArgs),
    /// Give messages up that wait: what they told is lost.
    Drop(DropArgs),
}

/// Where channels are found.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ChannelArgs {
    /// Inventory files, or folders of them: alerts.toml stands beside.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1..)]
    pub(in crate::cli) targets: Vec<PathBuf>,
    /// Channels that stand in another file, or elsewhere.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) alerts: Vec<PathBuf>,
}

/// `alerts test`
#[derive(Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// Only this channel.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) channel: Vec<String>,
    /// Where channels are found.
    #[command(flatten)]
    pub(in crate::cli) channels: ChannelArgs,
}

/// `alerts list`
#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    /// Only what is about this client.
    #[arg(long, value_name = "CLIENT")]
    pub(in crate::cli) client: Vec<String>,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: DoctorFormat,
    /// Where channels are found; without it nothing is said of channels that are gone.
    #[command(flatten)]
    pub(in crate::cli) channels: ChannelArgs,
    /// Where it is kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// `alerts check`
#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    /// Where channels are found.
    #[command(flatten)]
    pub(in crate::cli) channels: ChannelArgs,
    /// Only look, and leave the sending to whoever asked.
    #[arg(long, hide = true)]
    pub(in crate::cli) no_send: bool,
    /// Where it is kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
    /// The options of scans, as far as attestations and guides of your own are among them: `-- --guide my.toml`.
    #[arg(last = true, value_name = "SCAN OPTION")]
    pub(in crate::cli) scan: Vec<OsString>,
}

/// `alerts send`
#[derive(Args, Debug)]
pub(in crate::cli) struct SendArgs {
    /// Only to this channel.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) channel: Vec<String>,
    /// Where channels are found.
    #[command(flatten)]
    pub(in crate::cli) channels: ChannelArgs,
    /// Where it is kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}

/// `alerts drop`
#[derive(Args, Debug)]
pub(in crate::cli) struct DropArgs {
    /// The messages, by their ids or how these begin.
    #[arg(value_name = "ID", required_unless_present = "channel")]
    pub(in crate::cli) ids: Vec<String>,
    /// All messages of this channel.
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    pub(in crate::cli) channel: Vec<String>,
    /// The file that has the channel, or had it; needed where several inventories in one store have a channel of this name.
    #[arg(long, value_name = "FILE", requires = "channel")]
    pub(in crate::cli) alerts: Option<PathBuf>,
    /// Where they are kept.
    #[command(flatten)]
    pub(in crate::cli) place: StoreArgs,
}
