//! Targets: the servers that an inventory names, and what the guides' conditions need to know of them.

use super::expected::ExpectedRule;
use super::ports::{Ports, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// What a server is for. A host may have several roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// ConnectWise Automate.
    Automate,
    /// ConnectWise Control: ScreenConnect under its earlier name, judged by ConnectWise's own guide.
    Control,
    /// ScreenConnect, judged by the shorter guide.
    #[serde(rename = "screenconnect")]
    ScreenConnect,
    /// Endpoint Central MSP.
    EndpointCentral,
    /// Internet Information Services.
    Iis,
    /// A database server that belongs to one of the others.
    Database,
    /// A distribution server of Endpoint Central.
    DistributionServer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Automate,
        Self::Control,
        Self::ScreenConnect,
        Self::EndpointCentral,
        Self::Iis,
        Self::Database,
        Self::DistributionServer,
    ];

    /// The role as it is written in inventories and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automate => "automate",
            Self::Control => "control",
            Self::ScreenConnect => "screenconnect",
            Self::EndpointCentral => "endpoint-central",
            Self::Iis => "iis",
            Self::Database => "database",
            Self::DistributionServer => "distribution-server",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the Control (ScreenConnect) server is that an Automate server is integrated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlServer {
    /// At this host: 8040 and 8041 of this address lead to it.
    Here,
    /// At another host, which should be a target of its own.
    Elsewhere,
    /// In ConnectWise's cloud.
    Cloud,
    /// There is none.
    None,
}

/// A service that listens on other ports than the guides say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moved {
    /// The guides' ports.
    pub from: Ports,
    /// Where they are on this target; as many, of the same transport.
    pub to: Ports,
}

/// A host: a name to be resolved, or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A DNS name, lower case, without trailing dot.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A server to be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Whose server it is.
    pub client: String,
    /// What the technicians call it; unique within the client.
    pub name: String,
    /// Where it is.
    pub host: Host,
    /// What it is for.
    pub roles: BTreeSet<Role>,
    /// Labels to select by.
    pub tags: BTreeSet<String>,
    /// Whether it is joined to Active Directory; `None` where the inventory does not say.
    pub active_directory: Option<bool>,
    /// How many technicians use it: Automate's tunnels take four ports for each.
    pub technicians: Option<u32>,
    /// Whether Automate's redirectors are in use, a declared exception to the closed ports.
    pub redirectors: Option<bool>,
    /// Whether the database is on a machine of its own.
    pub split_database: Option<bool>,
    /// Where the integrated Control server is.
    pub control: Option<ControlServer>,
    /// The name to send as SNI and to check certificates against; the host's name where not given.
    pub sni: Option<String>,
    /// Services on other ports than the guides say.
    pub moved: Vec<Moved>,
    /// The address is shared with other servers, so what the guides' own numbers of moved ports lead to is not this one.
    pub shared_address: bool,
    /// Ports beyond the guides that are meant to be open, as they are on this target.
    pub expected: Vec<Ports>,
    /// What must be reachable and what must not, beyond the guides: the target's own rules, then the inventory's defaults.
    pub rules: Vec<ExpectedRule>,
    /// Free text, shown in reports.
    pub notes: Option<String>,
    /// Where evidence from inside the host is: a folder or a zip of the collector.
    pub evidence: Option<String>,
    /// When it is scanned, where it is scanned by a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Scheduled>,
}

/// When a target is scanned, as it is written in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scheduled {
    /// Five fields of cron.
    pub cron: String,
    /// A time zone of IANA's database.
    pub zone: String,
    /// By how much a scan begins later at most, such as `30m`.
    pub jitter: Option<String>,
    /// When none begins, such as `Mon-Fri 07:00-19:00`.
    pub quiet: Vec<String>,
}

impl Target {
    /// A target of which nothing is known but where it is.
    pub fn new(client: &str, host: Host) -> Self {
        Self {
            client: client.to_owned(),
            name: host.to_string(),
            host,
            roles: BTreeSet::new(),
            tags: BTreeSet::new(),
            active_directory: None,
            technicians: None,
            redirectors: None,
            split_database: None,
            control: None,
            sni: None,
            moved: Vec::new(),
            shared_address: false,
            expected: Vec::new(),
            rules: Vec::new(),
            notes: None,
            evidence: None,
            schedule: None,
        }
    }

    /// Every port where what the guides expect at `port` must not be reachable: where it is on this target, and the
    /// guides' own port, which may be open although the service was moved.
    pub fn places(&self, transport: Transport, port: u16) -> impl Iterator<Item = u16> {
        let actual = self.actual(transport, port);
        let own = (actual != port && !self.shared_address).then_some(port);
        std::iter::once(actual).chain(own)
    }

    /// The name that a client of this server would send as SNI, if it has one.
    pub fn server_name(&self) -> Option<&str> {
        match (&self.sni, &self.host) {
            (Some(sni), _) => Some(sni),
            (None, Host::Name(name)) => Some(name),
            (None, Host::Address(_)) => None,
        }
    }

    /// The port where the guides' `port` is found on this target.
    pub fn actual(&self, transport: Transport, port: u16) -> u16 {
        self.moved
            .iter()
            .find(|moved| moved.from.contains(transport, port))
            .map_or(port, |moved| moved.to.first() + (port - moved.from.first()))
    }

    /// The guides' port that is found at `actual` on this target: the inverse of [`Target::actual`].
    pub fn logical(&self, transport: Transport, actual: u16) -> u16 {
        self.moved
            .iter()
            .find(|moved| moved.to.contains(transport, actual))
            .map_or(actual, |moved| moved.from.first() + (actual - moved.to.first()))
    }

    /// A range of the guides that grows to four ports for every technician.
    pub fn grown(&self, ports: Ports) -> Ports {
        let wanted = self
            .technicians
            .map_or(0, |technicians| u32::from(ports.first()).saturating_add(technicians.saturating_mul(4)));
        let last = u16::try_from(wanted).unwrap_or(u16::MAX).max(ports.last());
        ports.with_last(last).unwrap_or(ports)
    }

    /// Where the guides' ports are on this target: as few ranges as they can be written in. With `everywhere` the guides'
    /// own numbers of moved ports too.
    pub fn actual_ranges(&self, ports: Ports, everywhere: bool) -> Vec<Ports> {
        let transport = ports.transport();
        let mut ranges = Ports::ranges(transport, ports.each().map(|port| self.actual(transport, port)));
        if everywhere {
            let own = ports.each().flat_map(|port| self.places(transport, port).skip(1));
            ranges.extend(Ports::ranges(transport, own));
        }
        ranges
    }

    /// `client/name`, by which reports and options name it.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.name)
    }
}
