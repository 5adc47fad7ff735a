//! What a change is about.

use crate::model::http::Request;
use crate::model::peer_text::PeerText;
use crate::model::ports::Ports;
use crate::model::service::Product;
use crate::model::tls::TlsVersion;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "subject")]
pub enum Subject {
    /// The target itself: whether it is there, what it is called, or where it is.
    Target {
        /// Which of these.
        part: TargetPart,
    },
    /// An item of a guide.
    Item {
        /// The guide's id.
        guide: String,
        /// The item's id.
        item: String,
    },
    /// An expected rule.
    Rule {
        /// The rule in words.
        rule: String,
        /// It is one of the inventory's defaults.
        default: bool,
    },
    /// Whether the target's name leads to an address.
    Address {
        /// The address.
        address: IpAddr,
    },
    /// The state of ports.
    Port {
        /// The address.
        address: IpAddr,
        /// The ports.
        ports: Ports,
    },
    /// What speaks on ports.
    Service {
        /// The address.
        address: IpAddr,
        /// The ports.
        ports: Ports,
    },
    /// What a witness proves of ports.
    Proof {
        /// The address.
        address: IpAddr,
        /// The ports.
        ports: Ports,
    },
    /// Whether a version of TLS is accepted.
    TlsVersion {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The version.
        version: TlsVersion,
        /// Whether the server was named.
        sni: bool,
    },
    /// The suites that are accepted in a version of TLS.
    Suites {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The version.
        version: TlsVersion,
    },
    /// A certificate.
    Certificate {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Whether the server was named.
        sni: bool,
        /// What of it.
        part: CertificatePart,
    },
    /// An answer over HTTP.
    Http {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// What was asked.
        request: Request,
        /// What of it.
        part: HttpPart,
    },
    /// A product and its version.
    Product {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The product.
        product: Product,
    },
    /// Whether RDP insists on network level authentication.
    RdpNla {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// Whether SMB 1 is answered.
    Smb1 {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
}

/// What of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetPart {
    /// Whether it is in the run.
    Presence,
    /// What it is called.
    Name,
    /// Where it is.
    Host,
}

/// What of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificatePart {
    /// Which it is.
    Identity,
    /// How near its end is.
    End,
    /// Whether a careful client takes it.
    Trust,
}

/// What of an answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "part")]
pub enum HttpPart {
    /// The status code.
    Status,
    /// The methods that it allows.
    Methods,
    /// A header.
    Header {
        /// Its name in lower case.
        name: PeerText,
    },
}

impl Subject {
    /// The kind of subject as it is written in JSON and CSV.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Target { .. } => "target",
            Self::Item { .. } => "item",
            Self::Rule { .. } => "rule",
            Self::Address { .. } => "address",
            Self::Port { .. } => "port",
            Self::Service { .. } => "service",
            Self::Proof { .. } => "proof",
            Self::TlsVersion { .. } => "tls-version",
            Self::Suites { .. } => "suites",
            Self::Certificate { .. } => "certificate",
            Self::Http { .. } => "http",
            Self::Product { .. } => "product",
            Self::RdpNla { .. } => "rdp-nla",
            Self::Smb1 { .. } => "smb1",
        }
    }

    /// The same at another address, where it is at one.
    #[must_use]
    pub fn moved(mut self, now: impl Fn(IpAddr) -> IpAddr) -> Self {
        match &mut self {
            Self::Target { .. } | Self::Item { .. } | Self::Rule { .. } => {}
            Self::Address { address }
            | Self::Port { address, .. }
            | Self::Service { address, .. }
            | Self::Proof { address, .. }
            | Self::TlsVersion { address, .. }
            | Self::Suites { address, .. }
            | Self::Certificate { address, .. }
            | Self::Http { address, .. }
            | Self::Product { address, .. }
            | Self::RdpNla { address, .. }
            | Self::Smb1 { address, .. } => *address = now(*address),
        }
        self
    }

    /// The address that it is about, where it is one.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Target { .. } | Self::Item { .. } | Self::Rule { .. } => None,
            Self::Address { address }
            | Self::Port { address, .. }
            | Self::Service { address, .. }
            | Self::Proof { address, .. }
            | Self::TlsVersion { address, .. }
            | Self::Suites { address, .. }
            | Self::Certificate { address, .. }
            | Self::Http { address, .. }
            | Self::Product { address, .. }
            | Self::RdpNla { address, .. }
            | Self::Smb1 { address, .. } => Some(*address),
        }
    }

    /// Whether it is something that was seen, and no verdict.
    pub const fn is_seen(&self) -> bool {
        self.address().is_some()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |sni: &bool| if *sni { "" } else { " without SNI" };
        match self {
            Self::Target { part: TargetPart::Presence } => f.write_str("server"),
            Self::Target { part: TargetPart::Name } => f.write_str("name"),
            Self::Target { part: TargetPart::Host } => f.write_str("host"),
            Self::Item { item, .. } => f.write_str(item),
            Self::Rule { rule, default: false } => f.write_str(rule),
            Self::Rule { rule, default: true } => write!(f, "{rule} (default)"),
            Self::Address { address } => write!(f, "address {address}"),
            Self::Port { address, ports } => write!(f, "{ports} at {address}"),
            Self::Service { address, ports } => write!(f, "service on {ports} at {address}"),
            Self::Proof { address, ports } => write!(f, "firewall before {ports} at {address}"),
            Self::TlsVersion { address, port, version, sni } => {
                write!(f, "{version}{} on tcp/{port} at {address}", with(sni))
            }
            Self::Suites { address, port, version } => write!(f, "suites of {version} on tcp/{port} at {address}"),
            Self::Certificate { address, port, sni, part } => {
                let what = match part {
                    CertificatePart::Identity => "certificate",
                    CertificatePart::End => "end of the certificate",
                    CertificatePart::Trust => "trust in the certificate",
                };
                write!(f, "{what} on tcp/{port}{} at {address}", with(sni))
            }
            Self::Http { address, port, request, part } => match part {
                HttpPart::Status => write!(f, "status of {request} on tcp/{port} at {address}"),
                HttpPart::Methods => write!(f, "methods by {request} on tcp/{port} at {address}"),
                HttpPart::Header { name } => write!(f, "header {name} of {request} on tcp/{port} at {address}"),
            },
            Self::Product { address, port, product } => write!(f, "{product} on tcp/{port} at {address}"),
            Self::RdpNla { address, port } => {
                write!(f, "network level authentication on tcp/{port} at {address}")
            }
            Self::Smb1 { address, port } => write!(f, "SMB 1 on tcp/{port} at {address}"),
        }
    }
}
