//! The socket through which the ports of one address are asked, and its error queue.

use crate::net::error_queue::{self, Notice};
use crate::net::failure::is_unreachable;
use crate::net::route;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::trace;

/// How much the system may queue for us, in bytes; it may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// How many local ports are tried so that none is among those asked. Where three of four are asked, sixteen are not enough once in a
/// hundred times, and these never in a lifetime.
const BINDS: u32 = 64;

/// The local ports that sockets of ours had. They stay here when the socket is gone: its datagrams may still be waiting in
/// the queue of another.
static OURS: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A socket whose own port is not among `ports`, where that can be had: on this same machine it would hear itself.
pub(super) fn open_beside(address: IpAddr, ports: &[u16]) -> io::Result<std::net::UdpSocket> {
    let mut socket = open(address)?;
    if is_here(address) {
        for _ in 0..BINDS {
            if !ports.contains(&socket.local_addr()?.port()) {
                break;
            }
            // The next one is opened while this one still holds its port.
            socket = open(address)?;
        }
    }
    Ok(socket)
}

/// Whether `address` is this machine's own, as far as datagrams to it come from it.
pub(super) fn is_here(address: IpAddr) -> bool {
    route::source(address) == Some(address)
}

/// Whether a socket of ours has, or had, this local port.
pub(super) fn is_ours(port: u16) -> bool {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|ours| ours.contains(&port))
}

/// A socket with an error queue, where the system has one.
pub(super) fn open(address: IpAddr) -> io::Result<std::net::UdpSocket> {
    let (domain, any): (_, IpAddr) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Less is enough for every real peer; more helps where a thousand answer at once.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        trace!(%error, "the receive buffer stays as it is");
    }
    error_queue::enable(&socket, address.is_ipv6())?;
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let socket = std::net::UdpSocket::from(socket);
    let port = socket.local_addr()?.port();
    OURS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(port);
    Ok(socket)
}

/// Errors that answer an earlier datagram, whoever it was for. Without an error queue, only Windows tells such errors, and
/// as a reset only.
pub(super) fn is_pending(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
        || error_queue::AVAILABLE && is_unreachable(error)
}

/// What there is to wait for: datagrams, and errors where they are queued.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn interest() -> Interest {
    Interest::READABLE | Interest::ERROR
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn interest() -> Interest {
    Interest::READABLE
}

/// Takes the oldest datagram, also one that came after the system was last asked what there is to read.
pub(super) fn next_datagram(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket.try_recv_from(buffer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => unannounced(socket, buffer),
        taken => taken,
    }
}

#[cfg(unix)]
fn unannounced(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    use nix::sys::socket::{SockaddrStorage, recvfrom};
    use std::os::fd::AsRawFd as _;

    let (length, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), buffer)?;
    let from = from.and_then(|from| {
        let v4 = from.as_sockaddr_in().map(|from| SocketAddr::from((from.ip(), from.port())));
        v4.or_else(|| from.as_sockaddr_in6().map(|from| SocketAddr::from((from.ip(), from.port()))))
    });
    from.map(|from| (length, from)).ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(not(unix))]
fn unannounced(_socket: &UdpSocket, _buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    Err(ErrorKind::WouldBlock.into())
}

/// Takes the oldest entry off the error queue.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn next_notice(socket: &UdpSocket) -> Option<Notice> {
    let taken = socket.try_io(Interest::ERROR, || {
        error_queue::next(socket).and_then(|notice| notice.ok_or_else(|| ErrorKind::WouldBlock.into()))
    });
    match taken {
        Ok(notice) => Some(notice),
        // Not known to be ready: a failed `send` may be ahead of the readiness event.
        Err(_) => error_queue::next(socket).ok().flatten(),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn next_notice(_socket: &UdpSocket) -> Option<Notice> {
    None
}
