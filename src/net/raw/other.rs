//! Where there are no raw sockets that we know.

use super::RawUnavailable;
use crate::net::knock::Knock;
use crate::net::tcp::NoConnection;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

/// Cannot be had.
#[derive(Debug)]
pub(super) struct RawSyn(Infallible);

impl RawSyn {
    pub(super) fn open() -> Result<Self, RawUnavailable> {
        Err(RawUnavailable::Unsupported)
    }

    pub(super) fn serves(&self, _address: IpAddr) -> Result<(), RawUnavailable> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "elsewhere it waits")]
    pub(super) async fn knock(&self, _: SocketAddr, _: tokio::time::Instant) -> Result<Knock, NoConnection> {
        match self.0 {}
    }

    pub(super) fn overflowed(&self) -> u64 {
        match self.0 {}
    }
}
