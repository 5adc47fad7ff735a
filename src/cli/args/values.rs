//! What the values of options may be.

use crate::catalog::expected::parse_ports;
use crate::catalog::inventory::{parse_host, parse_name, read_move};
use crate::model::expected::{Direction, RulePorts};
use crate::model::ports::{Ports, Transport, parse_range};
use crate::model::target::{Host, Moved, Role};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

pub(super) fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .map(|text| Role::ALL.into_iter().find(|role| role.as_str() == text).unwrap_or(Role::Iis))
}

pub(super) fn host(text: &str) -> Result<Host, String> {
    parse_host(text).map_err(|error| error.replace("as moved (`\"tcp/443\" = ", "with --moved (`tcp/443="))
}

/// An address that nobody has. This machine answers for its own.
pub(super) fn nowhere(text: &str) -> Result<IpAddr, String> {
    let wrong = || "an address that nobody has, such as 192.0.2.1; HOST goes before --nowhere".to_owned();
    let address: IpAddr = text.parse().map_err(|_| wrong())?;
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() { Err(wrong()) } else { Ok(address) }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    parse_name(text)
}

pub(super) fn yes_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "y" => Ok(true),
        "no" | "false" | "n" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

pub(super) fn ports(text: &str) -> Result<Ports, String> {
    text.trim().parse().map_err(|error: crate::model::ports::PortsError| error.to_string())
}

pub(super) fn allowed(text: &str) -> Result<RulePorts, String> {
    parse_ports(Direction::Allow, text)
}

pub(super) fn denied(text: &str) -> Result<RulePorts, String> {
    parse_ports(Direction::Deny, text)
}

pub(super) fn tcp_ports(text: &str) -> Result<Ports, String> {
    parse_range(Transport::Tcp, text.trim()).map_err(|error| error.to_string())
}

/// TCP ports, with or without the transport in front.
pub(super) fn only_tcp_ports(text: &str) -> Result<Ports, String> {
    let text = text.trim();
    tcp_ports(text.strip_prefix("tcp/").unwrap_or(text))
}

pub(super) fn udp_ports(text: &str) -> Result<Ports, String> {
    parse_range(Transport::Udp, text.trim()).map_err(|error| error.to_string())
}

pub(super) fn moved(text: &str) -> Result<Moved, String> {
    let (from, to) = text.split_once('=').ok_or("write the guides' port and the real one, such as tcp/8040=443")?;
    let from = if from.contains('/') { ports(from)? } else { tcp_ports(from)? };
    read_move(from, to.trim())
}

pub(super) fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse::<NonZeroU32>().ok().filter(|number| number.get() <= 1_000_000);
    number.ok_or_else(|| "a whole number from 1 to 1000000".to_owned())
}

pub(super) fn lasts(text: &str) -> Result<Duration, String> {
    let wrong = || "a time from 1s to 24h, such as 90s, 30m or 1h30m".to_owned();
    let lasts: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let lasts = Duration::try_from(lasts).map_err(|_| wrong())?;
    (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&lasts).then_some(lasts).ok_or_else(wrong)
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds from 0.05 to 86400, such as 2 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.05..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_a_control_host_are_tcp_ports() {
        assert_eq!(only_tcp_ports("443"), only_tcp_ports(" tcp/443"));
        assert!(only_tcp_ports("udp/75").is_err());
    }

    #[test]
    fn a_witness_stays_for_a_day_at_most() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("24h", 86_400)] {
            assert_eq!(lasts(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "-1h", "25h", "5", "soon"] {
            assert!(lasts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moved_port_is_read() {
        let moved = moved("8040=443").unwrap();
        assert_eq!((moved.from.to_string(), moved.to.to_string()), ("tcp/8040".into(), "tcp/443".into()));
        assert!(super::moved("8040").is_err() && super::moved("udp/1-3=5").is_err());
    }
}
