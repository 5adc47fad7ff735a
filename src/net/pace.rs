//! Politeness: how fast we send, to everyone together and to each address, and how many connections an address bears.
//!
//! Waiting here is our own choice; callers start the peer's deadline only afterwards.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How fast to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Connections and datagrams per second, to all addresses together.
    pub all: NonZeroU32,
    /// SYNs per second to one address, when its ports are asked for their states.
    pub syn: NonZeroU32,
    /// Connections per second to one address, begun to ask what speaks on a port. Port states have a pace of their own.
    pub tcp: NonZeroU32,
    /// Datagrams per second to one address.
    pub udp: NonZeroU32,
    /// Connections held at once to one address.
    pub connections: usize,
}

impl Default for Rates {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { all: number(20_000), syn: number(20_000), tcp: number(1000), udp: number(1000), connections: 64 }
    }
}

/// Conversations begun per second, with all addresses together. Each is half a dozen packets or more, at the pace of its peer,
/// where a SYN that asks for a port's state is two: hundreds that begin in one burst overflow the queue of the next router, or
/// of this machine's own interface (often 500 or 1000 packets), and each SYN lost there costs a second.
const CONVERSATIONS: NonZeroU32 = NonZeroU32::new(3000).unwrap();

/// How many of them may begin at the same moment.
const CONVERSATIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// The rates of a run, shared by everything that sends.
#[derive(Debug)]
pub struct Pace {
    rates: Rates,
    all: Turnstile,
    conversations: Turnstile,
    addresses: Mutex<HashMap<IpAddr, Arc<AddressPace>>>,
}

/// The rates of one address.
#[derive(Debug)]
struct AddressPace {
    tcp: Mutex<Arc<Turnstile>>,
    udp: Turnstile,
    connections: Arc<Semaphore>,
}

/// The right to hold one connection to an address; given back when dropped.
#[derive(Debug)]
pub struct AddressPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pace {
    /// A pace with these rates.
    pub fn new(rates: Rates) -> Self {
        let conversations = Turnstile::with_burst(CONVERSATIONS, CONVERSATIONS_AT_ONCE);
        Self { rates, all: Turnstile::new(rates.all), conversations, addresses: Mutex::default() }
    }

    /// The rates.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// The most datagrams a second to one address.
    pub fn udp_rate(&self) -> NonZeroU32 {
        self.rates.udp
    }

    /// Waits until another connection to `address` may be begun.
    pub async fn connection(&self, address: IpAddr) -> AddressPermit {
        let pace = self.of(address);
        let permit = AddressPermit { _permit: Arc::clone(&pace.connections).acquire_owned().await.ok() };
        let turnstile = Arc::clone(&pace.tcp.lock().unwrap_or_else(PoisonError::into_inner));
        turnstile.pass().await;
        self.conversation().await;
        permit
    }

    /// Waits until another connection may be begun on which something is said, wherever to.
    pub async fn conversation(&self) {
        self.conversations.pass().await;
        self.all.pass().await;
    }

    /// Waits until another packet may be sent, wherever to.
    pub async fn pass(&self) {
        self.all.pass().await;
    }

    /// Whether another packet may be sent at once, and nobody waits who came before.
    pub fn try_pass(&self) -> bool {
        self.all.try_pass()
    }

    /// Waits until another datagram may be sent to `address`.
    pub async fn datagram(&self, address: IpAddr) {
        self.of(address).udp.pass().await;
        self.all.pass().await;
    }

    /// From here on begins at most `rate` connections a second to `address`, where that is less than before.
    pub fn slow_down(&self, address: IpAddr, rate: NonZeroU32) {
        if rate < self.rates.tcp {
            let pace = self.of(address);
            *pace.tcp.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Turnstile::new(rate));
        }
    }

    fn of(&self, address: IpAddr) -> Arc<AddressPace> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(addresses.entry(address).or_insert_with(|| {
            Arc::new(AddressPace {
                tcp: Mutex::new(Arc::new(Turnstile::new(self.rates.tcp))),
                udp: Turnstile::new(self.rates.udp),
                connections: Arc::new(Semaphore::new(self.rates.connections.max(1))),
            })
        }))
    }
}

/// Lets one through at a time, at most so many a second, in the order in which they came.
#[derive(Debug)]
struct Turnstile {
    limiter: DefaultDirectRateLimiter,
    /// Keeps the order: without it everyone who waits would wake, and all but one go to sleep again.
    turn: tokio::sync::Mutex<()>,
}

impl Turnstile {
    fn new(rate: NonZeroU32) -> Self {
        // A burst of a tenth of a second's worth, so that a rate holds in the short run too.
        Self::with_burst(rate, NonZeroU32::new(rate.get() / 10).unwrap_or(NonZeroU32::MIN))
    }

    fn with_burst(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let limiter = DefaultDirectRateLimiter::direct(Quota::per_second(rate).allow_burst(burst));
        Self { limiter, turn: tokio::sync::Mutex::new(()) }
    }

    fn try_pass(&self) -> bool {
        self.turn.try_lock().is_ok_and(|_turn| self.limiter.check().is_ok())
    }

    async fn pass(&self) {
        let _turn = self.turn.lock().await;
        while let Err(not_until) = self.limiter.check() {
            tokio::time::sleep(not_until.wait_time_from(DefaultClock::default().now())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn rates(all: u32, tcp: u32, connections: usize) -> Rates {
        let number = |n| NonZeroU32::new(n).unwrap();
        Rates { all: number(all), syn: number(tcp), tcp: number(tcp), udp: number(tcp), connections }
    }

    #[tokio::test]
    async fn an_address_is_not_asked_faster_than_its_rate() {
        let pace = Pace::new(rates(10_000, 100, 1000));
        let start = Instant::now();
        for _ in 0..30 {
            drop(pace.connection(HERE).await);
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(180), "30 connections, of them 10 at once, took {elapsed:?}");
    }

    #[tokio::test]
    async fn conversations_do_not_begin_in_one_burst() {
        let pace = Pace::new(rates(1_000_000, 1_000_000, 1000));
        let start = Instant::now();
        for last in 1..=10_u8 {
            for _ in 0..50 {
                drop(pace.connection(IpAddr::from([192, 0, 2, last])).await);
            }
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(140), "500 conversations, 64 of them at once, took {elapsed:?}");
    }

    #[tokio::test]
    async fn an_address_bears_only_so_many_connections() {
        let pace = Pace::new(rates(10_000, 10_000, 2));
        let held = (pace.connection(HERE).await, pace.connection(HERE).await);
        let third = tokio::time::timeout(Duration::from_millis(30), pace.connection(HERE)).await;
        assert!(third.is_err());
        drop(held);
        pace.connection(HERE).await;
    }

    #[tokio::test]
    async fn a_dropped_wait_costs_nobody_a_turn() {
        let pace = Pace::new(rates(10_000, 10, 1000));
        pace.datagram(HERE).await;
        for _ in 0..20 {
            let _ = tokio::time::timeout(Duration::from_millis(1), pace.datagram(HERE)).await;
        }
        let start = Instant::now();
        pace.datagram(HERE).await;
        assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    }
}
