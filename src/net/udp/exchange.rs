//! Datagrams to ports of one address and back, for whoever minds what they say: the same socket and the same patience with
//! which states are asked, and none of its conclusions.

use super::batch;
use super::socket::{self, is_pending, next_datagram, next_notice};
use crate::model::observation::{Failure, Stage};
use crate::net::failure::{from_io, is_exhausted, is_unreachable};
use crate::net::limits::patiently;
use crate::net::route;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How many pending errors of other ports are cleared before one `send` counts as failed.
const SEND_ATTEMPTS: u32 = 64;

/// Why a datagram was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// This machine has no route to the address.
    NoRoute,
    /// The system remembers that a neighbour on the way did not answer.
    Unreachable,
    /// This machine could not.
    Failed(Failure),
}

/// Sends a datagram, and waits for as long as this machine has no room for it. An error that belongs to an earlier datagram may
/// be reported instead of sending: `clear` takes those off the socket's queue, and says whether there were any.
pub(super) async fn send(
    socket: &UdpSocket,
    peer: SocketAddr,
    payload: &[u8],
    mut clear: impl FnMut() -> bool,
) -> Result<(), Unsent> {
    let mut pause = Duration::from_millis(2);
    for attempt in 0..SEND_ATTEMPTS {
        let Err(error) = socket.try_send_to(payload, peer) else { return Ok(()) };
        if error.kind() == ErrorKind::WouldBlock {
            socket.writable().await.map_err(|error| Unsent::Failed(from_io(Stage::Request, &error)))?;
            // After an ICMP error the socket counts as writable even while its buffer is full.
            tokio::task::yield_now().await;
            if attempt > 0 {
                tokio::time::sleep(pause).await;
            }
        } else if clear() {
            // The error was another port's; nothing was sent.
        } else if is_exhausted(&error) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        } else if route::is_no_route(&error) && !route::exists(peer.ip()) {
            return Err(Unsent::NoRoute);
        } else if is_pending(&error) {
            // An error whose entry of the queue was read before.
        } else if is_unreachable(&error) {
            return Err(Unsent::Unreachable);
        } else {
            return Err(Unsent::Failed(from_io(Stage::Request, &error)));
        }
    }
    let full = io::Error::new(ErrorKind::OutOfMemory, "the system keeps refusing to send datagrams");
    Err(Unsent::Failed(from_io(Stage::Request, &full)))
}

/// A socket for one address, whose other datagrams it does not hear.
#[derive(Debug)]
pub struct Exchange {
    socket: UdpSocket,
    address: IpAddr,
}

impl Exchange {
    /// A socket for `address`. Waits where this machine has none left for now.
    pub async fn open(address: IpAddr) -> Result<Self, Failure> {
        let socket = patiently(|| socket::open(address)).await.and_then(UdpSocket::from_std);
        let socket = socket.map_err(|error| from_io(Stage::Socket, &error))?;
        Ok(Self { socket, address })
    }

    /// Sends to a port.
    pub async fn send(&self, bytes: &[u8], port: u16) -> Result<(), Unsent> {
        send(&self.socket, SocketAddr::new(self.address, port), bytes, || self.clear()).await
    }

    /// A datagram of the address, if one waits: how long it is and from which port. What does not fit into `buffer` is cut off.
    pub fn try_receive(&self, buffer: &mut [u8]) -> Option<(usize, u16)> {
        self.clear();
        loop {
            match next_datagram(&self.socket, buffer) {
                Ok((length, from)) if from.ip().to_canonical() == self.address.to_canonical() => {
                    return Some((length, from.port()));
                }
                // A stranger's.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // A pending error: its entry is in the queue.
                Err(_) if self.clear() => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits until there may be something to receive.
    pub async fn arrival(&self) {
        batch::arrival(&self.socket).await;
    }

    /// Empties the error queue; whether it held anything.
    fn clear(&self) -> bool {
        let mut any = false;
        // Without it the next wait would not be one.
        while next_notice(&self.socket).is_some() {
            any = true;
        }
        any
    }
}
