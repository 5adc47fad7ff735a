//! Taking the free ports of a list, and saying why the others could not be had.

use crate::model::ports::{Ports, Transport};
use crate::model::witness::NotHeld;
use crate::net::failure::is_exhausted;
use crate::net::limits::Limits;
use crate::wire::witness::log::ListedPorts;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// The most ports of a list: every port of every guide is less than a third of it.
pub const MOST_PORTS: usize = 4096;

/// How many connections may wait to be accepted on a port.
const BACKLOG: i32 = 1024;

/// Ports that are held, and what became of the others.
#[derive(Debug)]
pub struct Held {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) udp: Vec<UdpSocket>,
    listed: Vec<ListedPorts>,
    unavailable: Option<String>,
}

impl Held {
    /// The list, by address family, each range with why it is not held.
    pub fn listed(&self) -> &[ListedPorts] {
        &self.listed
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }

    /// What the system said of ports that are neither occupied nor forbidden.
    pub fn unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }
}

/// Takes `ports` on the addresses of this machine that `listen` names; on all of them where it names none. A port counts as
/// held in an address family only if it could be had on all addresses of it.
pub fn hold(ports: &[Ports], listen: &[IpAddr], connections: usize) -> Held {
    let _ = Limits::of_system(None);
    // Descriptors for the connections and the log are set aside before the ports take what there is.
    let reserved = reserve(connections);
    let everywhere = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let listen: Vec<IpAddr> = if listen.is_empty() {
        everywhere.into_iter().filter(|address| has_family(*address)).collect()
    } else {
        listen.to_vec()
    };
    let mut held = Held { tcp: Vec::new(), udp: Vec::new(), listed: Vec::new(), unavailable: None };
    let mut reasons: BTreeMap<(bool, Transport, u16), Option<NotHeld>> = BTreeMap::new();
    let numbers: BTreeSet<(Transport, u16)> =
        ports.iter().flat_map(|range| range.each().map(|port| (range.transport(), port))).collect();
    for &(transport, port) in &numbers {
        for &address in &listen {
            let taken = held.take(transport, SocketAddr::new(address, port));
            let reason = reasons.entry((address.is_ipv6(), transport, port)).or_default();
            *reason = reason.or(taken.err());
        }
    }
    drop(reserved);
    for ((v6, transport, port), not_held) in reasons {
        match held.listed.last_mut() {
            Some(last)
                if last.v6 == v6
                    && last.not_held == not_held
                    && last.ports.transport() == transport
                    && last.ports.last().checked_add(1) == Some(port) =>
            {
                last.ports = last.ports.with_last(port).unwrap_or(last.ports);
            }
            _ => held.listed.extend(Ports::one(transport, port).map(|ports| ListedPorts { v6, ports, not_held })),
        }
    }
    held
}

impl Held {
    /// Both together.
    #[cfg(test)]
    pub(super) fn join(&mut self, other: Self) {
        self.tcp.extend(other.tcp);
        self.udp.extend(other.udp);
        self.listed.extend(other.listed);
    }

    fn take(&mut self, transport: Transport, place: SocketAddr) -> Result<(), NotHeld> {
        let taken = match transport {
            Transport::Tcp => listener(place).map(|listener| self.tcp.push(listener)),
            Transport::Udp => datagram_socket(place).map(|socket| self.udp.push(socket)),
        };
        taken.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => NotHeld::Occupied,
            ErrorKind::PermissionDenied => NotHeld::NotPermitted,
            kind => {
                self.unavailable.get_or_insert_with(|| {
                    if kind == ErrorKind::AddrNotAvailable {
                        format!("{} is no address of this machine", place.ip())
                    } else if is_exhausted(&error) {
                        format!("this machine allows no more open files ({error}); allow more with `ulimit -n 16384`")
                    } else {
                        error.to_string()
                    }
                });
                NotHeld::Unavailable
            }
        })
    }
}

fn has_family(address: IpAddr) -> bool {
    Socket::new(Domain::for_address(SocketAddr::new(address, 0)), Type::DGRAM, Some(Protocol::UDP)).is_ok()
}

/// So many descriptors, or as many as there are.
fn reserve(count: usize) -> Vec<UdpSocket> {
    let Ok(first) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return Vec::new() };
    let more: Vec<UdpSocket> = (0..count).map_while(|_| first.try_clone().ok()).collect();
    more.into_iter().chain([first]).collect()
}

fn listener(place: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(place), Type::STREAM, Some(Protocol::TCP))?;
    if place.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier program that are still being closed do not make a port occupied. On Linux a listener does,
    // with this option too, on whichever address; elsewhere the option would let us stand beside it, or in its place.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_reuse_address(true)?;
    socket.bind(&place.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn datagram_socket(place: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(place), Type::DGRAM, Some(Protocol::UDP))?;
    if place.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&place.into())?;
    socket.set_nonblocking(true)?;
    super::datagrams::prepare(&socket, place)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn one(transport: Transport, port: u16) -> Ports {
        Ports::one(transport, port).unwrap()
    }

    #[test]
    fn free_ports_are_held_and_occupied_ones_are_named() {
        let (tcp, udp) = (TcpListener::bind((HERE, 0)).unwrap(), UdpSocket::bind((HERE, 0)).unwrap());
        let occupied = [(Transport::Tcp, tcp.local_addr().unwrap()), (Transport::Udp, udp.local_addr().unwrap())];
        for (transport, place) in occupied {
            let held = hold(&[one(transport, place.port())], &[HERE], 4);
            assert!(held.is_empty());
            let listed = &held.listed()[0];
            assert_eq!((listed.v6, listed.not_held), (false, Some(NotHeld::Occupied)), "{transport}");
        }
        let free = tcp.local_addr().unwrap().port();
        drop(tcp);
        let held = hold(&[one(Transport::Tcp, free)], &[HERE], 4);
        assert_eq!(held.listed(), [ListedPorts { v6: false, ports: one(Transport::Tcp, free), not_held: None }]);
        assert_eq!(held.tcp.len(), 1);
    }

    #[test]
    fn an_address_of_another_machine_is_said_to_be_one() {
        let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
        let held = hold(&[one(Transport::Udp, 40_000)], &[elsewhere], 4);
        assert!(held.is_empty() && held.unavailable().unwrap().contains("192.0.2.1 is no address of this machine"));
        assert_eq!(held.listed()[0].not_held, Some(NotHeld::Unavailable));
    }
}
