//! Options about attestations and waivers.

use super::DoctorFormat;
use clap::Args;
use std::path::PathBuf;

/// What people say of the servers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Attestations and waivers (beside an inventory they are found by themselves)")]
pub(in crate::cli) struct StatedArgs {
    /// What people attest of the servers, as `portreeve attest` writes it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) attestations: Vec<PathBuf>,
    /// Failures that are accepted for a time, as `portreeve waive` writes them.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) waivers: Vec<PathBuf>,
}

/// What `attest` and `waive` share.
#[derive(Args, Debug)]
pub(in crate::cli) struct StateArgs {
    /// Inventory files, or folders of them, of which one has the server.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1.., required_unless_present = "file")]
    pub(in crate::cli) targets: Vec<PathBuf>,
    /// The file to write, for `scan HOST` with --attestations or --waivers [default: beside the inventory].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// A catalog of your own whose items are meant.
    #[arg(short, long = "guide", value_name = "FILE")]
    pub(in crate::cli) guides: Vec<String>,
    /// List what there is, and until when it holds, instead.
    #[arg(long)]
    pub(in crate::cli) list: bool,
    /// How to list.
    #[arg(short, long, value_name = "FORMAT", default_value = "text", requires = "list")]
    pub(in crate::cli) format: DoctorFormat,
    /// Whose server it is, where several clients have one of that name; with --list only this client's.
    #[arg(long, value_name = "CLIENT")]
    pub(in crate::cli) client: Option<String>,
    /// The server: its name or host in the inventory.
    #[arg(long, value_name = "NAME|HOST", conflicts_with = "list")]
    pub(in crate::cli) target: Option<String>,
    /// The item, such as AUT-ACC-01.
    #[arg(long, value_name = "ITEM", conflicts_with = "list")]
    pub(in crate::cli) item: Option<String>,
    /// On which day [default: today].
    #[arg(long, value_name = "DAY", conflicts_with = "list")]
    pub(in crate::cli) on: Option<String>,
    /// The last day on which it holds, such as 2027-03-31; 400 days after --on at most.
    #[arg(long, value_name = "DAY", conflicts_with = "list")]
    pub(in crate::cli) until: Option<String>,
    /// The same as a length of time, such as 90d or 12w.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["list", "until"])]
    pub(in crate::cli) valid_for: Option<String>,
    /// A ticket or document.
    #[arg(long, value_name = "TEXT", conflicts_with = "list")]
    pub(in crate::cli) reference: Option<String>,
    /// Put it in the place of what is stated of the same thing already.
    #[arg(long, conflicts_with = "list")]
    pub(in crate::cli) renew: bool,
    /// Write it without asking whether to.
    #[arg(short, long, conflicts_with = "list")]
    pub(in crate::cli) yes: bool,
}

/// `attest`
#[derive(Args, Debug)]
pub(in crate::cli) struct AttestArgs {
    /// What `attest` and `waive` share.
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
    /// Who attests.
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub(in crate::cli) by: Option<String>,
    /// What was seen.
    #[arg(long, value_name = "TEXT", conflicts_with = "list")]
    pub(in crate::cli) seen: Option<String>,
}

/// `waive`
#[derive(Args, Debug)]
pub(in crate::cli) struct WaiveArgs {
    /// What `attest` and `waive` share.
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
    /// An expected rule instead of an item, as reports write it, such as "deny tcp/3389".
    #[arg(long, value_name = "RULE", conflicts_with_all = ["list", "item"])]
    pub(in crate::cli) rule: Option<String>,
    /// Why it is not mended.
    #[arg(long, value_name = "TEXT", conflicts_with = "list")]
    pub(in crate::cli) why: Option<String>,
    /// Who approved that.
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub(in crate::cli) approved_by: Option<String>,
    /// How much is at stake meanwhile.
    #[arg(long, value_name = "RISK", value_parser = ["low", "medium", "high", "critical"], conflicts_with = "list")]
    pub(in crate::cli) risk: Option<String>,
    /// What may happen meanwhile.
    #[arg(long, value_name = "TEXT", conflicts_with = "list")]
    pub(in crate::cli) risk_words: Option<String>,
}
