//! Facts about what speaks on a port: protocols by their first bytes, products by their answers.

use super::http::{Scheme, WebPath};
use super::peer_text::PeerText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a listener is, proven by what it sent. Never derived from the port's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "protocol")]
pub enum Service {
    /// HTTP without TLS.
    Http,
    /// TLS, with HTTP inside.
    Https,
    /// TLS, with something other than HTTP inside.
    Tls {
        /// What is known of the inside.
        inside: PeerText,
    },
    /// TLS of which the inside could not be seen: it may be HTTP.
    TlsOpaque {
        /// Why.
        why: PeerText,
    },
    /// MySQL or MariaDB, by its greeting (protocol version 10) or by its error packet.
    MySql {
        /// The server's version, when it let us see it.
        version: Option<PeerText>,
        /// The error's number when it refused us before the greeting (1129 blocked, 1130 host not allowed).
        refused: Option<u16>,
        /// The server offers TLS (`CLIENT_SSL`).
        tls: bool,
    },
    /// The MySQL X plugin.
    MySqlX,
    /// Remote Desktop, by its X.224 connection confirm.
    Rdp {
        /// The security protocol it selected (MS-RDPBCGR 2.2.1.2.1): 0 RDP, 1 TLS, 2 CredSSP, 8 CredSSP with early
        /// user authentication; `None` where the confirm carried a failure or no negotiation.
        selected: Option<u32>,
        /// The failure code (MS-RDPBCGR 2.2.1.2.2), when it sent one.
        failure: Option<u32>,
    },
    /// SMB over TCP, by its negotiate response.
    Smb {
        /// The SMB2 dialect's revision (MS-SMB2 2.2.4), such as 0x0302; `None` where it speaks SMB and none of those that
        /// were offered: SMB 1 only, or 3.1.1 only.
        dialect: Option<u16>,
    },
    /// The NetBIOS session service (RFC 1002, section 4.3).
    NetBios {
        /// The packet type of its answer: 0x82 positive, 0x83 negative.
        answer: u8,
    },
    /// MSRPC, by its answer to a bind (C706, chapter 12).
    MsRpc {
        /// The PDU type: 12 `bind_ack`, 13 `bind_nak`, 3 fault.
        answer: u8,
    },
    /// Automate's redirector.
    AutomateRedirector,
    /// SSH, by its identification string (RFC 4253, section 4.2).
    Ssh {
        /// The identification string.
        banner: PeerText,
    },
    /// It sent bytes that we do not know.
    Unknown {
        /// The first of them.
        first_bytes: PeerText,
    },
    /// It accepted connections and said nothing to anything that was asked.
    Silent,
}

impl Service {
    /// Whether bytes came that only a real listener sends; a middlebox that completes handshakes sends none.
    pub fn is_protocol_answer(&self) -> bool {
        !matches!(self, Self::Silent)
    }

    /// Whether it named a protocol that we know.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Silent | Self::Unknown { .. })
    }

    /// Whether HTTP is spoken, and how.
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Http => Some(Scheme::Http),
            Self::Https => Some(Scheme::Https),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => write!(f, "HTTP without TLS"),
            Self::Https => write!(f, "HTTPS"),
            Self::Tls { inside } if inside.is_empty() => write!(f, "TLS"),
            Self::Tls { inside } => write!(f, "TLS ({inside})"),
            Self::TlsOpaque { why } => write!(f, "TLS, its inside not seen ({why})"),
            Self::MySql { version: Some(version), .. } => write!(f, "MySQL, version {version}"),
            Self::MySql { refused: Some(code), .. } => write!(f, "MySQL, refusing this address (error {code})"),
            Self::MySql { .. } => write!(f, "MySQL"),
            Self::MySqlX => write!(f, "MySQL X protocol"),
            Self::Rdp { .. } => write!(f, "Remote Desktop (RDP)"),
            Self::Smb { dialect: Some(dialect) } => write!(f, "SMB, dialect 0x{dialect:04x}"),
            Self::Smb { dialect: None } => write!(f, "SMB, in none of the dialects 2.0.2 to 3.0.2"),
            Self::NetBios { .. } => write!(f, "NetBIOS session service"),
            Self::MsRpc { .. } => write!(f, "MSRPC endpoint mapper"),
            Self::AutomateRedirector => write!(f, "Automate redirector"),
            Self::Ssh { banner } => write!(f, "SSH ({banner})"),
            Self::Unknown { first_bytes } => write!(f, "unknown, first bytes \"{first_bytes}\""),
            Self::Silent => write!(f, "accepts connections and says nothing"),
        }
    }
}

/// A product that the guides are about, or that stands under or before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// ConnectWise Automate.
    Automate,
    /// ScreenConnect, also sold as ConnectWise Control.
    #[serde(rename = "screenconnect")]
    ScreenConnect,
    /// ManageEngine Endpoint Central (Desktop Central), MSP or Enterprise.
    EndpointCentral,
    /// Internet Information Services.
    Iis,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automate => "ConnectWise Automate",
            Self::ScreenConnect => "ScreenConnect",
            Self::EndpointCentral => "Endpoint Central",
            Self::Iis => "IIS",
        })
    }
}

/// A dotted version, compared number by number: `23.9.10` is later than `23.9.8`; missing parts count as 0, so that `26.1`
/// and `26.1.0` are equal.
#[derive(Clone, Debug)]
pub struct Version(Vec<u32>);

impl Version {
    /// Reads `23.9.10.8817`; at most eight parts; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Option<Vec<u32>> =
            text.split('.').map(|part| part.parse().ok().filter(|_| !part.starts_with('+'))).collect();
        parts.filter(|parts| parts.len() <= 8).map(Self)
    }

    /// The parts, as they were written.
    pub fn parts(&self) -> &[u32] {
        &self.0
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let part = |version: &Self, place: usize| version.0.get(place).copied().unwrap_or_default();
        let length = self.0.len().max(other.0.len());
        (0..length)
            .map(|place| part(self, place).cmp(&part(other, place)))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{part}")?;
        }
        Ok(())
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a dotted version such as 23.9.8")))
    }
}

/// A product, known by its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// The product.
    pub product: Product,
    /// Its version, when the answer held one that we can read.
    pub version: Option<Version>,
    /// The part of the answer that says so.
    pub evidence: PeerText,
    /// The page that was asked.
    pub path: WebPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text: &str| Version::parse(text).unwrap();
        assert!(version("23.9.10.8817") > version("23.9.8"));
        assert!(version("10.0.474") < version("10.0.479"));
        assert_eq!(version("26.1.0"), version("26.1"));
        for bad in ["", "1..2", "a", "1.+2", "1.2.3.4.5.6.7.8.9", "4294967296"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
