//! Datagrams that are answered from the very address that they came to, which a machine with several addresses does not do
//! by itself: clients and firewalls take an answer from elsewhere for none.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Its length.
    pub(super) length: usize,
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// Which of our addresses it came to, where the system says so.
    pub(super) here: Option<IpAddr>,
}

/// Waits for a datagram.
pub(super) async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Heard> {
    socket.async_io(Interest::READABLE, || system::receive(socket, buffer)).await
}

/// Answers a datagram.
pub(super) async fn answer(socket: &UdpSocket, bytes: &[u8], heard: Heard) -> io::Result<()> {
    socket.async_io(Interest::WRITABLE, || system::send(socket, bytes, heard)).await
}

pub(super) use system::prepare;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::Heard;
    use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
    use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
    use nix::sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg, sendmsg,
        setsockopt,
    };
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::os::fd::{AsFd, AsRawFd};

    /// Room for one control message: `in6_pktinfo` (20 bytes) with header.
    const CONTROL: usize = 128;

    /// Asks for the address that each datagram came to.
    pub(crate) fn prepare(socket: &impl AsFd, place: SocketAddr) -> io::Result<()> {
        if place.is_ipv6() {
            setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(socket, Ipv4PacketInfo, &true)?;
        }
        Ok(())
    }

    pub(super) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Heard> {
        let mut parts = [IoSliceMut::new(buffer)];
        let mut control = [0; CONTROL];
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let here = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr))))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
            _ => None,
        });
        let source = message.address.as_ref().and_then(|storage| {
            let v4 = storage.as_sockaddr_in().map(|from| SocketAddr::from((from.ip(), from.port())));
            // A link-local source is of no use without its scope.
            v4.or_else(|| storage.as_sockaddr_in6().map(|from| SocketAddr::V6((*from).into())))
        });
        let source = source.ok_or_else(|| io::Error::other("a datagram without source"))?;
        Ok(Heard { length: message.bytes, source, here })
    }

    pub(super) fn send(socket: &impl AsRawFd, bytes: &[u8], heard: Heard) -> io::Result<()> {
        let parts = [IoSlice::new(bytes)];
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        match (heard.source, heard.here) {
            (SocketAddr::V4(to), here) => {
                let from = match here {
                    Some(IpAddr::V4(from)) => from,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                let info = in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr { s_addr: u32::from(from).to_be() },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&SockaddrIn::from(to)))?;
            }
            (SocketAddr::V6(to), here) => {
                let from = match here {
                    Some(IpAddr::V6(from)) => from,
                    _ => Ipv6Addr::UNSPECIFIED,
                };
                let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex: to.scope_id() };
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&SockaddrIn6::from(to)))?;
            }
        }
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::Heard;
    use std::io;
    use std::net::SocketAddr;
    use tokio::net::UdpSocket;

    pub(crate) fn prepare<S>(_socket: &S, _place: SocketAddr) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Heard> {
        let (length, source) = socket.try_recv_from(buffer)?;
        Ok(Heard { length, source, here: None })
    }

    pub(super) fn send(socket: &UdpSocket, bytes: &[u8], heard: Heard) -> io::Result<()> {
        socket.try_send_to(bytes, heard.source).map(drop)
    }
}
