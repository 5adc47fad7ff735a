//! Finding ports that are free now, without ever naming one in advance.
//!
//! Single ports come from the kernel. Ranges must be contiguous, so they are looked for from a random start below
//! the ephemeral range, where no client socket lands by accident. A closed UDP range cannot be held by sockets (a
//! thousand of them would exhaust small descriptor limits), yet another mock server must not open a port in the
//! middle of it: so UDP numbers below the ephemeral range are taken in chunks, and whoever holds the *TCP* port with
//! the first number of a chunk owns the chunk's UDP numbers. Programs that do not know this convention may still
//! collide; there are few below the ephemeral range.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// Below lie well-known services, above the ephemeral ports of Linux; other systems begin theirs higher still.
const FIRST: u16 = 8192;
const LAST: u16 = 32767;
const CHUNK: u16 = 64;
/// How often UDP numbers are taken that turn out not to be free.
const UDP_TRIES: usize = 8;

/// Binds without listening: a TCP socket in that state answers with RST and keeps everybody else out.
fn bind(address: IpAddr, port: u16, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The port a socket is bound to.
pub(crate) fn port_of(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    address.map(|address| address.port()).ok_or_else(|| io::Error::other("a socket without an address"))
}

/// Bound, not listening TCP sockets on contiguous ports.
pub(crate) fn tcp_block(address: IpAddr, count: usize) -> io::Result<Vec<Socket>> {
    if count == 1 {
        return Ok(vec![bind(address, 0, Type::STREAM)?]);
    }
    contiguous(count, 1, |first| block(address, first, count, Type::STREAM))
}

/// Bound UDP sockets on contiguous ports.
pub(crate) fn udp_block(address: IpAddr, count: usize, chunks: &mut UdpChunks) -> io::Result<Vec<Socket>> {
    if count == 1 {
        return Ok(vec![bind(address, 0, Type::DGRAM)?]);
    }
    let mut bound = Err(io::Error::from(io::ErrorKind::AddrInUse));
    for _ in 0..UDP_TRIES {
        // Between looking and binding, a program that takes random numbers (a resolver does) may have come.
        bound = chunks.take(count).and_then(|first| block(address, first, count, Type::DGRAM));
        if !matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    bound
}

/// Chunks of UDP numbers that this process owns.
#[derive(Debug)]
pub(crate) struct UdpChunks {
    address: IpAddr,
    locks: Vec<Socket>,
    /// What is left of the last chunk taken.
    rest: std::ops::Range<u16>,
}

impl UdpChunks {
    pub(crate) fn new(address: IpAddr) -> Self {
        Self { address, locks: Vec::new(), rest: 0..0 }
    }

    /// The sockets that mark the ownership; it ends when they are dropped.
    pub(crate) fn into_locks(self) -> Vec<Socket> {
        self.locks
    }

    /// The first of so many contiguous UDP numbers on which nothing is bound.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<u16> {
        let wanted = u16::try_from(count).map_err(|_| io::Error::other("a range of all ports is too long"))?;
        if usize::from(self.rest.end - self.rest.start) < count {
            let address = self.address;
            let chunks = wanted.div_ceil(CHUNK);
            let (first, locks) = contiguous(usize::from(chunks) * usize::from(CHUNK), CHUNK, |first| {
                let locks = (0..chunks)
                    .map(|chunk| bind(address, first + chunk * CHUNK, Type::STREAM))
                    .collect::<io::Result<Vec<_>>>()?;
                for port in first..first + chunks * CHUNK {
                    bind(address, port, Type::DGRAM)?;
                }
                Ok((first, locks))
            })?;
            self.locks.extend(locks);
            self.rest = first..first + chunks * CHUNK;
        }
        let first = self.rest.start;
        self.rest.start += wanted;
        Ok(first)
    }
}

fn block(address: IpAddr, first: u16, count: usize, kind: Type) -> io::Result<Vec<Socket>> {
    (first..).take(count).map(|port| bind(address, port, kind)).collect()
}

/// Tries starts from a random one on, once around, until `attempt` finds its whole block free.
fn contiguous<T>(count: usize, step: u16, attempt: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
    let room = usize::from(LAST - FIRST) + 1;
    let starts =
        room.checked_sub(count).ok_or_else(|| io::Error::other("no room for so long a range"))? / usize::from(step) + 1;
    let mut seed = [0; 8];
    crate::random(&mut seed).ok_or_else(|| io::Error::other("the system gives no random numbers"))?;
    let offset = usize::try_from(u64::from_le_bytes(seed) % starts as u64).unwrap_or_default();
    let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
    for index in 0..starts {
        let start = (offset + index) % starts * usize::from(step);
        let first = FIRST + u16::try_from(start).unwrap_or_default();
        match attempt(first) {
            Ok(found) => return Ok(found),
            // Anything else, such as too many open files, would be the same at every start.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ranges_are_contiguous_and_below_the_ephemeral_ports() {
        let sockets = tcp_block(Ipv4Addr::LOCALHOST.into(), 20).unwrap();
        let ports: Vec<_> = sockets.iter().map(|socket| port_of(socket).unwrap()).collect();
        assert!(ports.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert!(ports[0] >= FIRST && ports[19] <= LAST);
    }

    #[test]
    fn two_servers_never_share_udp_numbers() {
        let address = Ipv4Addr::LOCALHOST.into();
        let (mut one, mut other) = (UdpChunks::new(address), UdpChunks::new(address));
        let mut taken = std::collections::HashSet::new();
        for chunks in [&mut one, &mut other] {
            for count in [3, 1001, 70] {
                let first = chunks.take(count).unwrap();
                assert!((first..).take(count).all(|port| taken.insert(port)));
            }
        }
    }
}
