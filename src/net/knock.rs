//! What came of asking a TCP port once, however it was asked.

use crate::model::fact::PortFact;
use std::time::Duration;

/// What one SYN brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// The port's state, with reason and sender.
    pub fact: PortFact,
    /// From the SYN to its answer; none without an answer.
    pub rtt: Option<Duration>,
    /// What the answering segment looked like, where it was seen and was one.
    pub segment: Option<SegmentTraits>,
}

/// Traits of a SYN-ACK or RST by which one sender is told from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentTraits {
    /// How many routers it might still have passed (for IPv6 the hop limit).
    pub ttl: u8,
    /// The window, unscaled.
    pub window: u16,
}
