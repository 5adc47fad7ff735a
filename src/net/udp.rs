//! Many UDP ports of one address over one socket.
//!
//! The socket is not connected, and its error queue names for every ICMP message the port that was asked and the sender.
//! Silence is never more than "open or filtered": a listener may have nothing to say to a stranger, and hosts ration
//! their ICMP messages (Linux: about one a second after the first six), so that most closed ports of a range stay silent.
//! When which port is asked, and what silence among refusals tells, is the matter of `course`; here it is done and
//! written down. Where there is no error queue, only datagrams are seen.
//!
//! Scanning this same machine, sockets of our own may stand in the asked range: what they send is no answer.

mod batch;
mod clock;
mod course;
mod exchange;
mod ration;
mod socket;
mod trial;

use super::failure::{from_io, millis};
use super::limits::{Permit, patiently};
use super::pace::Pace;
use super::route;
use crate::model::fact::PortFact;
use crate::model::observation::{Failure, Stage};
use crate::model::udp::{UdpProtocol, UdpRation};
pub use exchange::{Exchange, Unsent};

use batch::Batch;
use course::{Manner, Step};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// How ports are asked.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// What is sent to each port.
    pub payload: fn(u16) -> Vec<u8>,
    /// Of which protocol an answer of a port is, where it answers that payload.
    pub read: fn(u16, &[u8]) -> Option<UdpProtocol>,
    /// How often a port that stays silent is asked, before it is asked beside others.
    pub tries: u32,
    /// How long a port is listened to where nothing is known of the round trip.
    pub wait: Duration,
    /// How long a host that rations its refusals is waited for. Groups of ports that would take longer are left undecided.
    pub patience: Duration,
    /// The round trip to the address, where somebody knows it.
    pub hint: &'a (dyn Fn() -> Option<Duration> + Sync),
    /// Is told how many ports more have an answer.
    pub decided: &'a (dyn Fn(usize) + Sync),
}

/// What came of asking a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A state, perhaps from silence.
    State(PortFact),
    /// This machine could not ask.
    Failed(Failure),
    /// This machine has no route to the address; nothing was sent.
    NoRoute,
    /// It has not answered, and was not asked as often as it should be, because asking was stopped.
    Unfinished,
}

/// A port that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The port.
    pub port: u16,
    /// What came of it.
    pub answer: Answer,
    /// How many datagrams were sent.
    pub tries: u32,
    /// When the first was sent, or would have been.
    pub started: Instant,
    /// From the first datagram to the answer, or to the end of the last wait.
    pub elapsed: Duration,
}

/// What came of asking all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedAll {
    /// The ports, in the order in which they were given.
    pub ports: Vec<Asked>,
    /// How the host rations its refusals, where that was seen.
    pub ration: Option<UdpRation>,
}

/// Asks the ports of `address`, of which each is named once, those of the first groups first. A group is a set of ports that
/// are decided together or not at all.
///
/// Returns early with a failure that concerns all of them, and not before exhaustion was waited out; and, with what was
/// learned, when `stop` says so. Dropping the future closes the socket; what was learned is lost with it.
pub async fn ask(
    address: IpAddr,
    groups: &[Vec<u16>],
    asking: Asking<'_>,
    pace: &Pace,
    _permit: Permit,
    stop: impl Future<Output = ()>,
) -> Result<AskedAll, Failure> {
    let ports: Vec<u16> = groups.iter().flatten().copied().collect();
    let without_route = || Ok(AskedAll { ports: all_without_route(&ports), ration: None });
    let socket = match patiently(|| socket::open_beside(address, &ports)).await {
        Ok(socket) => UdpSocket::from_std(socket).map_err(|error| from_io(Stage::Socket, &error))?,
        Err(error) if route::is_no_route(&error) => return without_route(),
        Err(error) => return Err(from_io(Stage::Socket, &error)),
    };
    if !route::exists(address) {
        return without_route();
    }
    let manner =
        Manner { tries: asking.tries, wait: asking.wait, rate: pace.udp_rate().get(), patience: asking.patience };
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let mut batch = Batch::new(address, &ports, &sizes, manner, asking.read);
    tokio::select! {
        () = run(&mut batch, &socket, asking.payload, asking.hint, asking.decided, pace) => {}
        () = stop => {}
    }
    let ration = batch.course.ration();
    let ration = ration.map(|(burst, interval)| UdpRation { burst, interval_ms: interval.map(millis) });
    Ok(AskedAll { ports: batch.finish(), ration })
}

async fn run(
    batch: &mut Batch,
    socket: &UdpSocket,
    payload: fn(u16) -> Vec<u8>,
    hint: &(dyn Fn() -> Option<Duration> + Sync),
    tell: &(dyn Fn(usize) + Sync),
    pace: &Pace,
) {
    let mut decided = 0;
    loop {
        // Whether or not it was announced: a busy machine listens late, and what lies unheard in a queue is no silence.
        batch.receive(socket);
        let step = batch.course.step(batch.now(), hint());
        if batch.course.decided() > decided {
            tell(batch.course.decided() - decided);
            decided = batch.course.decided();
        }
        match step {
            Step::Send(place) => tokio::select! {
                () = pace.datagram(batch.address) => batch.send(socket, place, payload).await,
                () = batch::arrival(socket) => {}
            },
            Step::Wait(until) => {
                let wait = until.saturating_sub(batch.now());
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = batch::arrival(socket) => {}
                }
            }
            Step::Done => return,
        }
    }
}

fn all_without_route(ports: &[u16]) -> Vec<Asked> {
    let (started, elapsed) = (Instant::now(), Duration::ZERO);
    ports.iter().map(|&port| Asked { port, answer: Answer::NoRoute, tries: 0, started, elapsed }).collect()
}

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
