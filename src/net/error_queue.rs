//! The error queue of Linux (`IP_RECVERR`, ip(7)): which ICMP message ended an attempt, and who sent it.
//!
//! Other systems report only that something failed; there the queue is always empty and [`AVAILABLE`] is false.

#![cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "without an error queue nothing makes an entry")
)]

use std::net::{IpAddr, SocketAddr};

/// An entry of the error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Where the packet went that the message is about.
    pub(super) destination: Option<SocketAddr>,
    /// The ICMP message; `None` where the system itself made the entry.
    pub(super) icmp: Option<Icmp>,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Icmp {
    pub(super) v6: bool,
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) sender: Option<IpAddr>,
}

pub(super) use system::{AVAILABLE, enable, next};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use system::next_quoting;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::{Icmp, Notice};
    use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
    use std::io::{self, IoSliceMut};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::os::fd::{AsFd, AsRawFd};

    /// Whether this system has an error queue.
    pub(crate) const AVAILABLE: bool = true;

    /// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6` of linux/errqueue.h.
    const FROM_ICMP: u8 = 2;
    const FROM_ICMP6: u8 = 3;

    /// Room for one control message: `sock_extended_err` (16 bytes) and the sender's `sockaddr_in6` (28), with header.
    const CONTROL: usize = 256;

    /// Asks for errors to be queued; to be called before the first packet leaves.
    pub(crate) fn enable(socket: &impl AsFd, v6: bool) -> io::Result<()> {
        if v6 {
            setsockopt(socket, Ipv6RecvErr, &true)?;
        } else {
            setsockopt(socket, Ipv4RecvErr, &true)?;
        }
        Ok(())
    }

    /// Takes the oldest entry off the queue; `None` when it is empty. Never waits.
    pub(crate) fn next(socket: &impl AsFd) -> io::Result<Option<Notice>> {
        // The packet that the message quotes is not wanted.
        Ok(next_quoting(socket, &mut [0; 1])?.map(|(notice, _)| notice))
    }

    /// The same, and how much of the packet that the message is about was put into `quoted`.
    pub(crate) fn next_quoting(socket: &impl AsFd, quoted: &mut [u8]) -> io::Result<Option<(Notice, usize)>> {
        let mut parts = [IoSliceMut::new(quoted)];
        let mut control = [0; CONTROL];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_fd().as_raw_fd();
        let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags) {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let icmp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, sender) if error.ee_origin == FROM_ICMP => Some(Icmp {
                v6: false,
                kind: error.ee_type,
                code: error.ee_code,
                sender: sender.map(|sender| IpAddr::V4(Ipv4Addr::from(u32::from_be(sender.sin_addr.s_addr)))),
            }),
            ControlMessageOwned::Ipv6RecvErr(error, sender) if error.ee_origin == FROM_ICMP6 => Some(Icmp {
                v6: true,
                kind: error.ee_type,
                code: error.ee_code,
                sender: sender.map(|sender| IpAddr::V6(Ipv6Addr::from(sender.sin6_addr.s6_addr))),
            }),
            _ => None,
        });
        let destination = message.address.as_ref().and_then(socket_address);
        Ok(Some((Notice { destination, icmp }, message.bytes)))
    }

    fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
        v4.or_else(|| storage.as_sockaddr_in6().map(|a| SocketAddr::from((a.ip(), a.port()))))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::Notice;
    use std::io;

    pub(crate) const AVAILABLE: bool = false;

    pub(crate) fn enable<S>(_socket: &S, _v6: bool) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn next<S>(_socket: &S) -> io::Result<Option<Notice>> {
        Ok(None)
    }
}
