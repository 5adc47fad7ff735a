//! What one SYN brought.

use crate::model::fact::{PortFact, PortReason};
use std::time::Duration;

/// What the segment that answered looked like, where it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentTraits {
    /// Time to live, or hop limit, when it arrived.
    pub ttl: u8,
    /// The window it offered, unscaled (RFC 9293, section 3.1).
    pub window: u16,
}

/// What one SYN brought: perhaps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// The port's state as this try saw it.
    pub fact: PortFact,
    /// From the SYN to the answer.
    pub round_trip: Option<Duration>,
    /// The answer, where it could be seen.
    pub segment: Option<SegmentTraits>,
}

impl Knock {
    /// Whether nothing came back.
    pub fn is_silence(&self) -> bool {
        self.fact.reason == PortReason::Silence
    }
}
