//! Logical ports: the numbers a description speaks of.
//!
//! They are never bound themselves. A running server binds ephemeral ports and tells which stands for which.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Deserialize;

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
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

/// One logical port or a contiguous range of them, written `tcp/443` or `udp/40000-41000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Ports {
    /// TCP or UDP.
    pub transport: Transport,
    /// First port of the range.
    pub first: u16,
    /// Last port of the range; the same as `first` for a single port.
    pub last: u16,
}

impl Ports {
    /// How many ports the range holds; never zero.
    pub fn count(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// The range as a Rust range.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Whether both ranges name a port in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.transport == other.transport && self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport, self.first)?;
        if self.first != self.last {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

/// Why a text is not a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Neither `tcp/` nor `udp/` in front.
    #[error("`{0}` is not a port: write it like tcp/443 or udp/40000-41000")]
    Shape(String),
    /// A number outside 1 to 65535.
    #[error("`{0}` is not a port number from 1 to 65535")]
    Number(String),
    /// The last port comes before the first.
    #[error("the range `{0}` runs backwards")]
    Backwards(String),
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let shape = || PortsError::Shape(text.to_owned());
        let (transport, numbers) = text.split_once('/').ok_or_else(shape)?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(shape()),
        };
        let number = |digits: &str| match digits.parse::<u16>() {
            // `parse` would take a leading plus sign.
            Ok(number) if number > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ => Err(PortsError::Number(digits.to_owned())),
        };
        let (first, last) = match numbers.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(numbers)?, number(numbers)?),
        };
        if last < first {
            return Err(PortsError::Backwards(numbers.to_owned()));
        }
        Ok(Self { transport, first, last })
    }
}

impl TryFrom<String> for Ports {
    type Error = PortsError;

    fn try_from(text: String) -> Result<Self, PortsError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_read_back_as_written() {
        for text in ["tcp/443", "udp/40000-41000", "tcp/1", "udp/65535"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["443", "sctp/1", "tcp/0", "tcp/65536", "tcp/+5", "tcp/9-3", "tcp/", "tcp/1-", "tcp/a"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
