//! What this machine says of itself, without sending anything. Where a system does not tell, that is said, and never
//! guessed.

use super::limits::{capacity, raise_open_files};
use super::{error_queue, route};
use crate::model::vantage::{Interface, InterfaceKind, Machine, Route};
use jiff::Timestamp;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that stand for all of the Internet when the system is asked for its routes: documentation addresses have none
/// of their own (RFC 5737), and a machine that has one to a network of them has none to the others. Nothing is sent there.
const ANYWHERE_V4: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
];

/// The same over IPv6 (RFC 3849, RFC 9637).
const ANYWHERE_V6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 1)),
];

/// Environment variables by which programs are told of a proxy.
const PROXIES: [&str; 6] = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"];

/// How tunnels' interfaces are called that do not say by their flags what they are.
const TUNNELS: [&str; 9] = ["tun", "tap", "utun", "wg", "ppp", "ipsec", "tailscale", "nordlynx", "vpn"];

/// Looks at this machine. Raises the limit of open files as a scan would.
pub fn look() -> Machine {
    let open_files = raise_open_files();
    let set = |name: &&&str| std::env::var_os(**name).is_some_and(|value| !value.is_empty());
    Machine {
        open_files: (open_files, capacity(open_files)),
        error_queue: error_queue::AVAILABLE,
        raw_sockets: system::raw_sockets(),
        route_v4: default_route(&ANYWHERE_V4),
        route_v6: default_route(&ANYWHERE_V6),
        local_ports: system::local_ports(),
        tracked: system::tracked(),
        proxies: PROXIES.iter().filter(set).map(|name| (*name).to_owned()).collect(),
        now: Timestamp::now(),
    }
}

fn default_route(anywhere: &[IpAddr]) -> Option<Route> {
    anywhere.iter().map(|address| route(*address)).collect::<Option<Vec<Route>>>()?.pop()
}

/// Which way packets to `address` take; `None` without a route.
pub fn route(address: IpAddr) -> Option<Route> {
    let source = route::source(address)?;
    Some(Route { source, interface: interface(source) })
}

#[cfg(unix)]
fn interface(source: IpAddr) -> Option<Interface> {
    use nix::net::if_::InterfaceFlags;
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let found = interfaces.find(|interface| {
        let address = interface.address.as_ref();
        let v4 = address.and_then(|address| Some(IpAddr::V4(address.as_sockaddr_in()?.ip())));
        let v6 = || address.and_then(|address| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())));
        v4.or_else(v6) == Some(source)
    })?;
    let kind = if found.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        InterfaceKind::Loopback
    } else if found.flags.contains(InterfaceFlags::IFF_POINTOPOINT) || has_name_of_tunnel(&found.interface_name) {
        InterfaceKind::Tunnel
    } else {
        InterfaceKind::Ordinary
    };
    Some(Interface { name: found.interface_name, kind })
}

#[cfg(not(unix))]
fn interface(source: IpAddr) -> Option<Interface> {
    source.is_loopback().then(|| Interface { name: "loopback".to_owned(), kind: InterfaceKind::Loopback })
}

#[cfg_attr(not(unix), allow(dead_code, reason = "interfaces have no names there"))]
fn has_name_of_tunnel(name: &str) -> bool {
    TUNNELS.iter().any(|tunnel| name.strip_prefix(tunnel).is_some_and(|rest| !rest.starts_with(char::is_alphabetic)))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::fs::read_to_string;

    /// `CAP_NET_RAW` of linux/capability.h.
    const CAP_NET_RAW: u32 = 13;

    /// capabilities(7): the effective set, a hexadecimal mask.
    pub(super) fn raw_sockets() -> Option<bool> {
        let status = read_to_string("/proc/self/status").ok()?;
        super::capability(&status, CAP_NET_RAW)
    }

    /// ip-sysctl.rst of the kernel: two numbers.
    pub(super) fn local_ports() -> Option<(u16, u16)> {
        super::two_numbers(&read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
    }

    /// nf_conntrack-sysctl.rst of the kernel.
    pub(super) fn tracked() -> Option<(u64, u64)> {
        let read = |name: &str| {
            read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?.trim().parse().ok()
        };
        Some((read("count")?, read("max")?))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    pub(super) fn raw_sockets() -> Option<bool> {
        None
    }

    pub(super) fn local_ports() -> Option<(u16, u16)> {
        None
    }

    pub(super) fn tracked() -> Option<(u64, u64)> {
        None
    }
}

#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code, reason = "of Linux"))]
fn capability(status: &str, number: u32) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << number) != 0)
}

#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code, reason = "of Linux"))]
fn two_numbers(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = look();
        let (files, connections) = machine.open_files;
        assert!(files >= connections && connections > 0);
        assert_eq!(machine.error_queue, cfg!(any(target_os = "linux", target_os = "android")));
        assert_eq!(machine.raw_sockets.is_some(), cfg!(any(target_os = "linux", target_os = "android")));
    }

    #[test]
    fn the_way_to_this_machine_is_loopback() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let route = route(here).unwrap();
        assert_eq!(route.source, here);
        assert_eq!(route.interface.unwrap().kind, InterfaceKind::Loopback);
    }

    #[test]
    fn tunnels_are_known_by_name_and_nothing_else_is() {
        for name in ["tun0", "wg0", "utun3", "ppp0", "tailscale0", "wg-office"] {
            assert!(has_name_of_tunnel(name), "{name}");
        }
        for name in ["eth0", "en0", "wlan0", "tunnelbear", "docker0", "lo"] {
            assert!(!has_name_of_tunnel(name), "{name}");
        }
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000000000002000\n";
        assert_eq!(capability(status, 13), Some(true));
        assert_eq!(capability(status, 12), Some(false));
        assert_eq!(capability("Name:\tx\n", 13), None);
        assert_eq!(two_numbers("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(two_numbers("32768\n"), None);
    }
}
