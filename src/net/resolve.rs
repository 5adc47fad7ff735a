//! Names to addresses: all of them, with a deadline, and with errors that say what to do.
//!
//! The hosts file comes first, then the DNS servers that the system is configured with; multicast DNS and NetBIOS names are
//! left out. A name with a dot is taken as it stands and never completed from the system's search list: with a wildcard
//! there, a slip of the pen would lead to somebody else's server. A and AAAA are asked apart, so that a server which fails
//! for one of them is noticed and not read as "has none".

mod honesty;

pub use honesty::NameServers;

use super::failure::is_exhausted;
use crate::model::observation::Blame;
use crate::model::target::Host;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tracing::debug;

/// Why a name has no addresses that could be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// DNS says that there is no such name.
    #[error("there is no such name as `{name}`: check its spelling, or whether its record was removed")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// The name exists and has no address.
    #[error("`{name}` exists in DNS and has no address: it needs an A or AAAA record")]
    NoAddress {
        /// The name.
        name: String,
    },
    /// It leads only to addresses that are no host's, such as 0.0.0.0.
    #[error(
        "`{name}` leads only to {addresses}, which is no host's address: a filtering DNS server may stand in between"
    )]
    Unusable {
        /// The name.
        name: String,
        /// What it leads to.
        addresses: String,
    },
    /// It cannot be a name in DNS.
    #[error("`{name}` cannot be a DNS name: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The DNS server failed.
    #[error(
        "the DNS server could not answer for `{name}`: {reason}; try again, or give the address instead of the name"
    )]
    ServerFailure {
        /// The name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// No answer in time.
    #[error(
        "no DNS answer for `{name}` within {} ms: check this machine's connection and DNS servers, or give the address \
         instead of the name", within.as_millis()
    )]
    TimedOut {
        /// The name.
        name: String,
        /// The time allowed.
        within: Duration,
    },
    /// None of the DNS servers could be reached.
    #[error(
        "no DNS server could be reached from this machine, so `{name}` cannot be resolved: check this machine's \
         connection and DNS servers, or give the address instead of the name"
    )]
    NoServer {
        /// The name.
        name: String,
    },
    /// This machine has no DNS configuration.
    #[error(
        "this machine has no usable DNS configuration ({reason}), so `{name}` cannot be resolved: add a name server to \
         /etc/resolv.conf, or give the address instead of the name"
    )]
    NoConfiguration {
        /// The name.
        name: String,
        /// What is missing.
        reason: String,
    },
}

impl ResolveError {
    /// Who is to blame. The peer is here whoever keeps the name's records, or the inventory that names it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoSuchName { .. } | Self::NoAddress { .. } | Self::Unusable { .. } => Blame::Peer,
            Self::ServerFailure { .. } | Self::TimedOut { .. } | Self::NoServer { .. } => Blame::Path,
            Self::NoConfiguration { .. } | Self::BadName { .. } => Blame::Ourselves,
        }
    }
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its addresses, at least one; IPv4 before IPv6, each in ascending order, each once.
    pub addresses: Vec<IpAddr>,
    /// Why addresses of the other family may be missing: the question about them was not answered.
    pub incomplete: Option<ResolveError>,
}

/// Resolves names as this machine is configured to.
pub struct Resolver {
    hosts: Hosts,
    dns: Result<TokioResolver, String>,
    within: Duration,
}

impl Resolver {
    /// With the system's hosts file and DNS servers; every name must be resolved `within` this time.
    pub fn of_system(within: Duration) -> Self {
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            debug!(%error, "no hosts file");
            Hosts::default()
        });
        let dns = TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
        Self { hosts, dns: dns.map_err(|error| error.to_string()), within }
    }

    /// All addresses of `host`.
    pub async fn resolve(&self, host: &Host) -> Result<Resolved, ResolveError> {
        let text = match host {
            Host::Address(address) => return Ok(Resolved { addresses: vec![*address], incomplete: None }),
            Host::Name(text) => text,
        };
        let name = parse(text)?;
        let fixed = self.in_hosts(&name);
        if !fixed.is_empty() {
            return usable(text, fixed, None);
        }
        if name.is_localhost() {
            // RFC 6761, section 6.3: never a question for DNS.
            let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(Resolved { addresses: addresses.to_vec(), incomplete: None });
        }
        let dns = self
            .dns
            .as_ref()
            .map_err(|reason| ResolveError::NoConfiguration { name: text.clone(), reason: reason.clone() })?;
        let family = async |kind| match tokio::time::timeout(self.within, dns.lookup(name.clone(), kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()),
            Ok(Err(error)) => explain(text, &error, self.within),
            Err(_) => Err(ResolveError::TimedOut { name: text.clone(), within: self.within }),
        };
        let (v4, v6) = tokio::join!(family(RecordType::A), family(RecordType::AAAA));
        join(text, v4, v6)
    }

    fn in_hosts(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
            .collect()
    }
}

fn parse(text: &str) -> Result<Name, ResolveError> {
    let mut name = Name::from_utf8(text)
        .map_err(|error| ResolveError::BadName { name: text.to_owned(), reason: error.to_string() })?;
    if name.num_labels() > 1 {
        name.set_fqdn(true);
    }
    Ok(name)
}

/// An empty list where DNS says that there are no such records, an error where it says anything else.
fn explain(name: &str, error: &NetError, within: Duration) -> Result<Vec<IpAddr>, ResolveError> {
    let name = name.to_owned();
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => match *response_code {
            ResponseCode::NoError => Ok(Vec::new()),
            ResponseCode::NXDomain => Err(ResolveError::NoSuchName { name }),
            code => Err(ResolveError::ServerFailure { name, reason: code.to_string() }),
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => Err(ResolveError::NoSuchName { name }),
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Err(ResolveError::ServerFailure { name, reason: code.to_string() })
        }
        NetError::NoConnections => Err(ResolveError::NoServer { name }),
        // What this machine ran out of is another matter.
        NetError::Io(error) if !is_exhausted(error) => Err(ResolveError::NoServer { name }),
        NetError::Timeout => Err(ResolveError::TimedOut { name, within }),
        other => Err(ResolveError::ServerFailure { name, reason: other.to_string() }),
    }
}

type Family = Result<Vec<IpAddr>, ResolveError>;

fn join(name: &str, v4: Family, v6: Family) -> Result<Resolved, ResolveError> {
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => usable(name, [v4, v6].concat(), None),
        // "No such name" speaks of the name, whatever was asked of it; servers that say so for AAAA only are mistaken.
        (Ok(some), Err(error)) | (Err(error), Ok(some)) if !some.is_empty() => {
            let incomplete = (!matches!(error, ResolveError::NoSuchName { .. })).then_some(error);
            usable(name, some, incomplete)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn usable(name: &str, found: Vec<IpAddr>, incomplete: Option<ResolveError>) -> Result<Resolved, ResolveError> {
    let found: BTreeSet<IpAddr> = found.into_iter().collect();
    let name = name.to_owned();
    if found.is_empty() {
        return Err(ResolveError::NoAddress { name });
    }
    // `IpAddr` sorts IPv4 before IPv6.
    let addresses: Vec<IpAddr> = found.iter().copied().filter(|address| is_host(*address)).collect();
    if addresses.is_empty() {
        let addresses = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(ResolveError::Unusable { name, addresses });
    }
    Ok(Resolved { addresses, incomplete })
}

/// Whether a single host can have this address. Connecting to 0.0.0.0 would reach this machine.
fn is_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests;
