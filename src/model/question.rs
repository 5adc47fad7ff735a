//! The closed set of questions, in which guides and probes meet.

use super::http::Request;
use super::ports::{Ports, Transport};
use super::tls::TlsVersion;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A question about one address of a target.
///
/// The port is the one that is really asked, after `moved` of the inventory was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Question {
    /// In which state is this port? Asked one port at a time; neighbours with the same answer are kept as one range.
    Port {
        /// The port or ports.
        ports: Ports,
    },
    /// What speaks on this TCP port? Asked one port at a time; neighbours that all say nothing, or the same that nobody knows,
    /// are kept as one range.
    Service {
        /// The port or ports.
        ports: Ports,
    },
    /// Is this version of TLS accepted?
    TlsVersion {
        /// The port.
        port: u16,
        /// The only version offered.
        version: TlsVersion,
        /// Whether the hello names the server (RFC 6066, section 3).
        sni: bool,
    },
    /// Which certificate is served?
    Certificate {
        /// The port.
        port: u16,
        /// Whether the hello names the server.
        sni: bool,
    },
    /// Which suites are accepted in each version of TLS, in whose order, and which groups?
    Suites {
        /// The port.
        port: u16,
        /// Whether the hellos name the server.
        sni: bool,
    },
    /// What answers this request?
    Http {
        /// The port.
        port: u16,
        /// The request.
        #[serde(flatten)]
        request: Request,
    },
    /// Which products answer here?
    Products {
        /// The port.
        port: u16,
    },
    /// Does RDP insist on network level authentication?
    RdpNla {
        /// The port.
        port: u16,
    },
    /// Is SMB 1 answered?
    Smb1 {
        /// The port.
        port: u16,
    },
    /// Do messages from here reach the witness behind the firewall on this port? Neighbours with the same answer are kept as
    /// one range.
    Witness {
        /// The port or ports.
        ports: Ports,
    },
}

impl Question {
    /// What speaks on TCP `port`, which is not 0?
    pub fn service(port: u16) -> Self {
        let port = port.max(1);
        Self::Service { ports: Ports::tcp(port).unwrap_or_else(|| unreachable!("{port} is a port")) }
    }

    /// The transport that the question is about.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Port { ports } | Self::Service { ports } | Self::Witness { ports } => ports.transport(),
            _ => Transport::Tcp,
        }
    }

    /// The first port that the question is about.
    pub fn port(&self) -> u16 {
        match self {
            Self::Port { ports } | Self::Service { ports } | Self::Witness { ports } => ports.first(),
            Self::TlsVersion { port, .. }
            | Self::Certificate { port, .. }
            | Self::Suites { port, .. }
            | Self::Http { port, .. }
            | Self::Products { port }
            | Self::RdpNla { port }
            | Self::Smb1 { port } => *port,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |sni: &bool| if *sni { "with SNI" } else { "without SNI" };
        match self {
            Self::Port { ports } => write!(f, "state of {ports}"),
            Self::Service { ports } => write!(f, "service on {ports}"),
            Self::TlsVersion { port, version, sni } => write!(f, "{version} on tcp/{port}, {}", with(sni)),
            Self::Certificate { port, sni } => write!(f, "certificate on tcp/{port}, {}", with(sni)),
            Self::Suites { port, sni } => write!(f, "suites on tcp/{port}, {}", with(sni)),
            Self::Http { port, request } => write!(f, "{request} on tcp/{port}"),
            Self::Products { port } => write!(f, "products on tcp/{port}"),
            Self::RdpNla { port } => write!(f, "network level authentication on tcp/{port}"),
            Self::Smb1 { port } => write!(f, "SMB 1 on tcp/{port}"),
            Self::Witness { ports } => write!(f, "firewall before {ports}"),
        }
    }
}
