//! Transports, ports and ranges of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Transmission Control Protocol (RFC 9293).
    Tcp,
    /// User Datagram Protocol (RFC 768).
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Ports `first` to `last` of one transport, both included; `first <= last` and neither is 0.
///
/// Written `tcp/443` or `udp/40000-41000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    transport: Transport,
    first: u16,
    last: u16,
}

impl Ports {
    /// Every TCP port, 1 to 65,535.
    pub const EVERY_TCP: Self = Self { transport: Transport::Tcp, first: 1, last: u16::MAX };

    /// The ports `first` to `last`; `None` where the range is empty or holds port 0.
    pub fn new(transport: Transport, first: u16, last: u16) -> Option<Self> {
        (first != 0 && first <= last).then_some(Self { transport, first, last })
    }

    /// One port; `None` for port 0.
    pub fn one(transport: Transport, port: u16) -> Option<Self> {
        Self::new(transport, port, port)
    }

    /// One TCP port; `None` for port 0.
    pub fn tcp(port: u16) -> Option<Self> {
        Self::one(Transport::Tcp, port)
    }

    /// The transport.
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports there are: 1 to 65,535.
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// Whether `port` of `transport` is among them.
    pub fn contains(self, transport: Transport, port: u16) -> bool {
        self.transport == transport && (self.first..=self.last).contains(&port)
    }

    /// The same ports one by one.
    pub fn each(self) -> impl Iterator<Item = u16> + Clone {
        self.first..=self.last
    }

    /// The same range, with another last port; `None` where that would be empty.
    pub fn with_last(self, last: u16) -> Option<Self> {
        Self::new(self.transport, self.first, last)
    }

    /// Ports as ranges: neighbours that follow each other in `ports` become one.
    pub fn ranges(transport: Transport, ports: impl IntoIterator<Item = u16>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for port in ports {
            match ranges.last_mut() {
                Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
                _ => ranges.extend(Self::one(transport, port)),
            }
        }
        ranges
    }

    /// What is left of the range without the ports of `taken`, in order.
    pub fn without(self, taken: &[Self]) -> Vec<Self> {
        let mut taken: Vec<Self> = taken.iter().copied().filter(|other| self.overlaps(*other)).collect();
        taken.sort_unstable();
        let mut left = Vec::new();
        // The lowest port that nothing taken so far reaches; none beyond the last port that there is.
        let mut next = Some(self.first);
        for other in taken {
            let Some(first) = next else { break };
            if let Some(last) = other.first.checked_sub(1).filter(|last| *last >= first) {
                left.extend(Self::new(self.transport, first, last));
            }
            next = next.zip(other.last.checked_add(1)).map(|(first, after)| first.max(after));
        }
        left.extend(
            next.filter(|first| *first <= self.last).and_then(|first| Self::new(self.transport, first, self.last)),
        );
        left
    }

    /// Whether the two have a port in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.transport == other.transport && self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}/{}", self.transport, self.first)
        } else {
            write!(f, "{}/{}-{}", self.transport, self.first, self.last)
        }
    }
}

/// Why a text names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// The text has no `tcp/` or `udp/` in front, and none is implied.
    #[error("`{0}` does not say which transport: write `tcp/{0}` or `udp/{0}`")]
    NoTransport(String),
    /// The transport is neither `tcp` nor `udp`.
    #[error("`{0}` is not a transport: `tcp` or `udp`")]
    Transport(String),
    /// A number is not a port.
    #[error("`{0}` is not a port: a whole number from 1 to 65535")]
    Port(String),
    /// The range runs backwards.
    #[error("the range {0}-{1} runs backwards: write {1}-{0}")]
    Backwards(u16, u16),
}

fn parse_port(text: &str) -> Result<u16, PortsError> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(PortsError::Port(text.chars().take(40).collect())),
    }
}

/// Reads `443` or `40000-40050`, without a transport.
pub fn parse_range(transport: Transport, text: &str) -> Result<Ports, PortsError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_port(first.trim())?, parse_port(last.trim())?);
    Ports::new(transport, first, last).ok_or(PortsError::Backwards(first, last))
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((transport, range)) = text.split_once('/') else {
            return Err(PortsError::NoTransport(text.chars().take(40).collect()));
        };
        let transport = match transport.trim() {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            other => return Err(PortsError::Transport(other.chars().take(40).collect())),
        };
        parse_range(transport, range)
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_what_is_wrong_with_a_port() {
        let error = |text: &str| text.parse::<Ports>().unwrap_err().to_string();
        assert_eq!(error("443"), "`443` does not say which transport: write `tcp/443` or `udp/443`");
        assert_eq!(error("sctp/443"), "`sctp` is not a transport: `tcp` or `udp`");
        assert_eq!(error("tcp/0"), "`0` is not a port: a whole number from 1 to 65535");
        assert_eq!(error("tcp/65536"), "`65536` is not a port: a whole number from 1 to 65535");
        assert_eq!(error("tcp/+1"), "`+1` is not a port: a whole number from 1 to 65535");
        assert_eq!(error("udp/20-10"), "the range 20-10 runs backwards: write 10-20");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(udp in any::<bool>(), a in 1u16.., b in 1u16..) {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let ports = Ports::new(transport, a.min(b), a.max(b)).unwrap();
            prop_assert_eq!(ports.to_string().parse::<Ports>(), Ok(ports));
            prop_assert_eq!(ports.each().count(), ports.count());
        }

        #[test]
        fn what_is_left_is_what_was_not_taken(
            first in 1u16.., length in 0u16..60, taken in prop::collection::vec((0u16..80, 0u16..20, any::<bool>()), 0..6),
        ) {
            let range = |first: u16, length: u16| Ports::new(Transport::Tcp, first, first.saturating_add(length)).unwrap();
            let from = range(first, length);
            let taken: Vec<Ports> = taken
                .into_iter()
                .map(|(start, length, udp)| {
                    let taken = range(first.saturating_sub(10).saturating_add(start).max(1), length);
                    if udp { Ports { transport: Transport::Udp, ..taken } } else { taken }
                })
                .collect();
            let free = from.each().filter(|port| !taken.iter().any(|taken| taken.contains(Transport::Tcp, *port)));
            prop_assert_eq!(from.without(&taken), Ports::ranges(Transport::Tcp, free));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,40}") {
            let _ = text.parse::<Ports>();
        }
    }
}
