//! What the user can say about the servers: which of an inventory, and what the guides need to know of others.

use super::ControlPlace;
use super::values::{allowed, denied, moved, name, ports, yes_no};
use crate::model::expected::RulePorts;
use crate::model::ports::Ports;
use crate::model::target::Moved;
use clap::Args;

/// What to select from the inventory.
#[derive(Args, Debug)]
#[command(next_help_heading = "Select from the inventory")]
pub(in crate::cli) struct SelectArgs {
    /// Only targets of this client.
    #[arg(long, value_name = "CLIENT", requires = "targets", conflicts_with = "hosts")]
    pub(in crate::cli) client: Vec<String>,
    /// Only targets with this tag.
    #[arg(long, value_name = "TAG", requires = "targets", conflicts_with = "hosts")]
    pub(in crate::cli) tag: Vec<String>,
    /// Only targets with this name, or CLIENT/NAME; `*` stands for any characters.
    #[arg(long, value_name = "NAME", requires = "targets", conflicts_with = "hosts")]
    pub(in crate::cli) name: Vec<String>,
}

/// What the guides need to know of HOST; an inventory says the same for each target.
#[derive(Args, Debug)]
#[command(next_help_heading = "About HOST (in an inventory: keys of the target)")]
pub(in crate::cli) struct FactArgs {
    /// Whether it is joined to Active Directory.
    #[arg(long, value_name = "YES|NO", value_parser = yes_no, conflicts_with = "targets")]
    pub(in crate::cli) active_directory: Option<bool>,
    /// How many technicians use it: Automate's tunnels take four ports for each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=6383), conflicts_with = "targets")]
    pub(in crate::cli) technicians: Option<u32>,
    /// Whether Automate's redirectors are in use.
    #[arg(long, value_name = "YES|NO", value_parser = yes_no, conflicts_with = "targets")]
    pub(in crate::cli) redirectors: Option<bool>,
    /// Where the Control (ScreenConnect) server is that Automate is integrated with.
    #[arg(long, value_name = "PLACE", conflicts_with = "targets")]
    pub(in crate::cli) control: Option<ControlPlace>,
    /// The name to send as SNI and to check certificates against.
    #[arg(long, value_name = "NAME", value_parser = name, conflicts_with = "targets")]
    pub(in crate::cli) sni: Option<String>,
    /// A service on another port than the guides say, such as tcp/8040=443.
    #[arg(long, value_name = "PORT=PORT", value_parser = moved, conflicts_with = "targets")]
    pub(in crate::cli) moved: Vec<Moved>,
    /// The address is shared with other servers: do not ask the guides' own numbers of moved ports, which lead to those.
    #[arg(long, requires = "moved", conflicts_with = "targets")]
    pub(in crate::cli) shared_address: bool,
    /// A port beyond the guides that is meant to be open, such as tcp/80.
    #[arg(long, value_name = "PORTS", value_parser = ports, value_delimiter = ',', conflicts_with = "targets")]
    pub(in crate::cli) expect: Vec<Ports>,
    /// Ports that must be reachable, as they are on HOST, such as tcp/443,udp/75,tcp/40000-40050: an expected rule for each.
    #[arg(long, value_name = "PORTS", value_parser = allowed, value_delimiter = ',', conflicts_with = "targets")]
    pub(in crate::cli) allow: Vec<RulePorts>,
    /// Ports that must not be reachable, likewise; `rest` for every TCP port that no rule names (to prove it, add --sweep).
    #[arg(long, value_name = "PORTS", value_parser = denied, value_delimiter = ',', conflicts_with = "targets")]
    pub(in crate::cli) deny: Vec<RulePorts>,
}
