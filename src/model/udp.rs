//! What is known of UDP ports beyond their state: rations, and protocols that answer.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How often a host says that a UDP port is closed. Linux says it to one peer six times at once and then once a second
/// (`net.ipv4.icmp_ratelimit`); RFC 1812, section 4.3.2.8, and RFC 4443, section 2.4, ask every host for such a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpRation {
    /// How many refusals came at once before the first pause.
    pub burst: u32,
    /// The time between two refusals afterwards, in milliseconds, where it was seen.
    pub interval_ms: Option<u64>,
}

/// How far a host that rations its refusals came, and what it would cost to hear the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rationed {
    /// How many ports it refused.
    pub answered: usize,
    /// How many ports were asked.
    pub asked: usize,
    /// How many are undecided.
    pub undecided: usize,
    /// The time between two refusals, in milliseconds, where it was seen.
    pub interval_ms: Option<u64>,
}

impl Rationed {
    /// How long it would take to hear of every undecided port, in seconds.
    pub fn seconds_to_decide(&self) -> Option<u64> {
        let undecided = u64::try_from(self.undecided).unwrap_or(u64::MAX);
        self.interval_ms.map(|interval| undecided.saturating_mul(interval).div_ceil(1000))
    }

    /// What it would cost to decide the rest, and by which options, in words.
    pub fn cost(&self) -> String {
        let ports = if self.undecided == 1 { "port" } else { "ports" };
        let Some(seconds) = self.seconds_to_decide() else {
            return format!("{} {ports} left, and no pace was seen: --thorough waits longer", grouped(self.undecided));
        };
        let options = if seconds > THOROUGH_SECONDS {
            // Some of them are silent for another reason, which costs more.
            format!("--thorough --host-time {}", (seconds + seconds / 4).next_multiple_of(100))
        } else {
            "--thorough".to_owned()
        };
        format!("{} {ports} at {}: {}, {options}", grouped(self.undecided), self.pace(), rough_time(seconds))
    }

    /// How often it refuses, in words: `about one a second`.
    pub fn pace(&self) -> String {
        self.interval_ms.map_or_else(|| "none for as long as was waited".to_owned(), ration_pace)
    }
}

/// One refusal every so many milliseconds, in words.
pub fn ration_pace(interval_ms: u64) -> String {
    match interval_ms {
        0..=99 => format!("about {} a second", 1000 / interval_ms.max(1)),
        100..=799 => {
            let tenths = 10_000_u64.div_ceil(interval_ms);
            format!("about {} a second", if tenths % 10 < 5 { tenths / 10 } else { tenths / 10 + 1 })
        }
        800..=1399 => "about one a second".to_owned(),
        _ => format!("about one in {}.{} s", interval_ms / 1000, interval_ms % 1000 / 100),
    }
}

/// How long a thorough scan takes without further options, with something to spare, in seconds.
const THOROUGH_SECONDS: u64 = 2700;

/// A number with its thousands apart.
pub(super) fn grouped(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

/// A length of time, roughly.
fn rough_time(seconds: u64) -> String {
    match seconds {
        0..=1 => "1 second".to_owned(),
        2..=99 => format!("{seconds} seconds"),
        100..=5400 => format!("{} minutes", (seconds + 30) / 60),
        _ => format!("{} hours", (seconds + 1800) / 3600),
    }
}

/// A protocol over UDP that is recognised by its answer to our question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UdpProtocol {
    /// The Domain Name System, or multicast DNS.
    Dns,
    /// Remote procedure calls of Sun's port mapper.
    Rpcbind,
    /// The Network Time Protocol.
    Ntp,
    /// The NetBIOS name service.
    NetbiosNames,
    /// The Simple Network Management Protocol.
    Snmp,
    /// The Internet Key Exchange.
    Ike,
    /// The remote management of a mainboard.
    Ipmi,
    /// The browser of Microsoft SQL Server.
    SqlBrowser,
    /// The discovery of Universal Plug and Play.
    Ssdp,
    /// Session traversal for NAT.
    Stun,
    /// The Session Initiation Protocol.
    Sip,
    /// QUIC, which carries HTTP/3.
    Quic,
    /// memcached.
    Memcached,
}

impl UdpProtocol {
    /// Its name in reports of the JSON format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Rpcbind => "rpcbind",
            Self::Ntp => "ntp",
            Self::NetbiosNames => "netbios-names",
            Self::Snmp => "snmp",
            Self::Ike => "ike",
            Self::Ipmi => "ipmi",
            Self::SqlBrowser => "sql-browser",
            Self::Ssdp => "ssdp",
            Self::Stun => "stun",
            Self::Sip => "sip",
            Self::Quic => "quic",
            Self::Memcached => "memcached",
        }
    }
}

impl fmt::Display for UdpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "DNS",
            Self::Rpcbind => "rpcbind",
            Self::Ntp => "NTP",
            Self::NetbiosNames => "NetBIOS name service",
            Self::Snmp => "SNMP",
            Self::Ike => "IKE",
            Self::Ipmi => "IPMI",
            Self::SqlBrowser => "SQL Server Browser",
            Self::Ssdp => "SSDP (UPnP)",
            Self::Stun => "STUN",
            Self::Sip => "SIP",
            Self::Quic => "QUIC",
            Self::Memcached => "memcached",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rationed(undecided: usize, interval_ms: Option<u64>) -> Rationed {
        Rationed { answered: 6, asked: undecided + 6, undecided, interval_ms }
    }

    #[test]
    fn what_is_undecided_says_what_it_costs() {
        assert_eq!(rationed(1001, Some(1010)).cost(), "1,001 ports at about one a second: 17 minutes, --thorough");
        assert_eq!(rationed(1, Some(500)).cost(), "1 port at about 2 a second: 1 second, --thorough");
        assert_eq!(rationed(30, Some(62)).cost(), "30 ports at about 16 a second: 2 seconds, --thorough");
        assert_eq!(
            rationed(65_000, Some(1000)).cost(),
            "65,000 ports at about one a second: 18 hours, --thorough --host-time 81300"
        );
        assert_eq!(rationed(1001, Some(2500)).cost(), "1,001 ports at about one in 2.5 s: 42 minutes, --thorough");
        assert!(rationed(9, None).cost().ends_with("--thorough waits longer"));
    }
}
