//! Whether this machine has a route to an address at all.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// Whether the system knows a way to `address`. Nothing is sent: connecting a datagram socket only looks up the route.
///
/// "No" is said only where the system says so; any other trouble is left to the attempt that follows.
pub fn exists(address: IpAddr) -> bool {
    match look_up(address) {
        Ok(_) => true,
        Err(error) => !is_no_route(&error),
    }
}

/// The address of this machine from which the system would ask `address`; nothing is sent.
pub fn source(address: IpAddr) -> Option<IpAddr> {
    look_up(address).ok()
}

/// The address of this machine from which the system would ask `address`, or why it would not; nothing is sent.
pub(super) fn look_up(address: IpAddr) -> io::Result<IpAddr> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // The discard port (RFC 863); with a datagram socket it is only written down.
    socket.connect(&SocketAddr::new(address, 9).into())?;
    let local = socket.local_addr()?.as_socket();
    local.map(|local| local.ip()).ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

/// Whether a local call (not an answer from the network) says that there is no route or no such address family.
pub(super) fn is_no_route(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::HostUnreachable
            | ErrorKind::AddrNotAvailable
    ) || is_no_route_code(error)
}

/// No such address family here, or (`EINVAL`) a route that Linux calls a black hole.
#[cfg(unix)]
fn is_no_route_code(error: &io::Error) -> bool {
    use nix::errno::Errno;
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EAFNOSUPPORT | Errno::EINVAL))
}

/// `WSAEAFNOSUPPORT`.
#[cfg(not(unix))]
fn is_no_route_code(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10047)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reachable() {
        let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        assert!(exists(here));
        assert_eq!(source(here), Some(here));
    }
}
