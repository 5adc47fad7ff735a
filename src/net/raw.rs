//! TCP ports asked by a SYN of our own, where this process may send one: the fast way, never needed.
//!
//! Says the same of a port as a connection (module `tcp`): the same states, reasons and senders. It holds no descriptor per
//! port, and sees what a connection does not: the TTL and window of the answer.
//!
//! How it is done on Linux, with two raw sockets for each family:
//!
//! - One sends whole packets (`IPPROTO_RAW`). It hears nothing, so neither foreign segments nor errors of other ports get in
//!   the way of sending; and it is told when the system's queue drops a packet (`ENOBUFS`), which is then sent again.
//! - One hears TCP segments, behind the packet filter as every program does, and the ICMP messages about ours, by its
//!   error queue. A filter in the kernel keeps the segments of other programs away from it.
//! - A few local ports are bound by ordinary TCP sockets that neither listen nor connect. No other program is given them,
//!   and the system, which knows no connection there, answers each SYN-ACK with a RST: the peer forgets us at once.
//!
//! The initial sequence number is a keyed hash. An answer counts only if it acknowledges exactly that number (RFC 9293, section
//! 3.10.7.3), an ICMP message only if it repeats it; what is late, forged or for another program counts for nothing.
//!
//! Differences from a connection: a SYN that the packet filter of this machine drops is "forbidden" here, where `connect`
//! only finds silence. Routing rules that look at ports (`ip rule ... dport`) are not followed.

use super::knock::Knock;
use super::tcp::NoConnection;
use crate::model::observation::Failure;
use std::net::{IpAddr, SocketAddr};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod awaited;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod filter;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sockets;

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as system;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use other as system;

/// Why ports cannot be asked by SYNs of our own. Asking by connections is always possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawUnavailable {
    /// Only Linux is supported.
    #[error("raw packets are supported on Linux only; ports are asked by connecting to them")]
    Unsupported,
    /// This process may not.
    #[error(
        "this process may not send raw packets: run it as root or give the program the capability \
         (`setcap cap_net_raw+ep`); without it, ports are asked by connecting to them"
    )]
    Forbidden,
    /// A SYN that was sent to this same machine was not answered, so silence would mean nothing.
    #[error(
        "raw packets are sent but their answers not seen: something on this machine keeps them away, such as its packet \
         filter or a sandbox; ports are asked by connecting to them"
    )]
    Deaf,
    /// Something else failed here.
    #[error("raw packets cannot be sent: {0}; ports are asked by connecting to them")]
    Failed(Failure),
}

/// Asks TCP ports by SYNs of its own. Ends its receiving tasks when dropped.
#[derive(Debug)]
pub struct RawSyn(system::RawSyn);

impl RawSyn {
    /// Opens what it needs; says why it cannot. It is enough if one family, IPv4 or IPv6, can be had: [`Self::serves`].
    ///
    /// To be called inside a Tokio runtime; the answers are received there. May wait for a fraction of a second.
    pub fn open() -> Result<Self, RawUnavailable> {
        system::RawSyn::open().map(Self)
    }

    /// Why addresses like this one cannot be asked; others may be.
    pub fn serves(&self, address: IpAddr) -> Result<(), RawUnavailable> {
        self.0.serves(address)
    }

    /// Sends one SYN to `peer` and waits until `until` for the answer; silence is an answer too.
    ///
    /// Time that this machine needs until it has room for the packet is added. Up to eight knocks at one port at the same time
    /// do not disturb each other; more fail. Dropping the future forgets the knock.
    pub async fn knock(&self, peer: SocketAddr, until: tokio::time::Instant) -> Result<Knock, NoConnection> {
        self.0.knock(peer, until).await
    }

    /// How many segments this machine threw away since [`Self::open`] because they came faster than we read them. While the
    /// number grows, silence is our own fault: ask again, slower.
    pub fn overflowed(&self) -> u64 {
        self.0.overflowed()
    }
}
