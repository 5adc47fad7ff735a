//! The hellos by which suites and groups are asked for, so many at once.

use super::Control;
use super::search::{Said, Why};
use crate::model::observation::{Cause, Failure, Stage};
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::probe::Stop;
use crate::probe::session::Session;
use crate::probe::talk::Cut;
use crate::probe::tls_version::{self, Hello};
use crate::wire::Parse;
use crate::wire::tls::{
    KeyExchange, KeyExchangeAnswer, Offer, ServerAnswer, all_suites, read_answer_to, read_key_exchange, read_kinds,
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many hellos are under way at once: a web server bears them without turning others away.
const AT_ONCE: u32 = 24;

/// What is offered, and by which part of the answer it is known what was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Suites; the ServerHello names one.
    Suites,
    /// Groups of TLS 1.3, without a key share; the ServerHello or `HelloRetryRequest` names one (RFC 8446, section 4.2.8).
    Groups,
    /// Groups of older versions, with suites that need one; the `ServerKeyExchange` names it.
    Curves {
        /// The suites.
        suites: Vec<u16>,
        /// A group that is offered behind, which counts for none where it is chosen.
        beside: Option<u16>,
    },
}

/// Sends hellos to a port.
#[derive(Debug)]
pub(super) struct Hellos<'a> {
    session: Mutex<Session<'a>>,
    preface: TlsPreface,
    slots: Semaphore,
    until: Instant,
}

impl<'a> Hellos<'a> {
    pub(super) fn new(session: Session<'a>, preface: TlsPreface, until: Instant) -> Self {
        let slots = Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(1));
        Self { session: Mutex::new(session), preface, slots, until }
    }

    /// The session, with all tries counted.
    pub(super) fn into_session(self) -> Session<'a> {
        self.session.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time for the port is over.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn session(&self) -> MutexGuard<'_, Session<'a>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers `items`, which are suites or groups, beside other hellos.
    pub(super) async fn offer(&self, control: &Control<'_>, topic: &Topic, items: Vec<u16>) -> Said {
        let _slot = self.slots.acquire().await.ok();
        self.offer_now(control, topic, items).await
    }

    /// The same while no other hello of ours is under way.
    pub(super) async fn offer_alone(&self, control: &Control<'_>, topic: &Topic, items: Vec<u16>) -> Said {
        let _slots: Option<SemaphorePermit<'_>> = self.slots.acquire_many(AT_ONCE).await.ok();
        self.offer_now(control, topic, items).await
    }

    async fn offer_now(&self, control: &Control<'_>, topic: &Topic, items: Vec<u16>) -> Said {
        let version = control.offer.version;
        let said = match topic {
            Topic::Suites => {
                let offer = Offer { suites: items, ..control.offer.clone() };
                self.exchange(offer, |bytes| read_answer_to(version, bytes))
                    .await
                    .map(|answer| suite_of(&answer, version))
            }
            Topic::Groups => {
                let suites = all_suites(version);
                let offer = Offer { suites, groups: items, key_share: false, ..control.offer.clone() };
                self.exchange(offer, |bytes| read_answer_to(version, bytes))
                    .await
                    .map(|answer| group_of(&answer, version))
            }
            Topic::Curves { suites, beside } => {
                let groups = items.into_iter().chain(*beside).collect();
                let offer = Offer { suites: suites.clone(), groups, ..control.offer.clone() };
                let said = self.exchange(offer, read_key_exchange).await.map(|answer| curve_of(&answer, version));
                said.map(
                    |said| if beside.is_some_and(|beside| said == Said::Picked(beside)) { Said::Refused } else { said },
                )
            }
        };
        said.unwrap_or_else(Said::Unclear)
    }

    /// Whether a hello that was accepted is accepted now.
    pub(super) async fn works(&self, control: &Control<'_>) -> bool {
        let version = control.offer.version;
        let answer = self.exchange(control.offer.clone(), |bytes| read_answer_to(version, bytes)).await;
        matches!(answer, Ok(ServerAnswer::Hello(hello)) if hello.version == version.wire())
    }

    /// The length of the prime that is chosen for `suites`, in bits. What meets no clear word is asked once more, alone.
    pub(super) async fn prime(&self, control: &Control<'_>, suites: &[u16]) -> Result<u32, Why> {
        let ask = async || {
            let offer = Offer { suites: suites.to_vec(), ..control.offer.clone() };
            match self.exchange(offer, read_key_exchange).await? {
                KeyExchangeAnswer::Chosen { exchange: KeyExchange::Prime { bits }, .. } => Ok(bits),
                _ => Err(Why::Odd("suites are accepted at one time and refused at another".to_owned())),
            }
        };
        {
            let _slot = self.slots.acquire().await.ok();
            if let Ok(bits) = ask().await {
                return Ok(bits);
            }
        }
        let _slots: Option<SemaphorePermit<'_>> = self.slots.acquire_many(AT_ONCE).await.ok();
        ask().await
    }

    /// The kinds of cipher of SSL 2.0.
    pub(super) async fn kinds(&self, control: &Control<'_>) -> Result<Vec<u32>, Why> {
        let _slot = self.slots.acquire().await.ok();
        self.exchange(control.offer.clone(), read_kinds).await
    }

    /// One hello, within what is left of the port's time.
    async fn exchange<T>(&self, offer: Offer<'_>, parse: impl Fn(&[u8]) -> Parse<T>) -> Result<T, Why> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Why::OutOfTime);
        }
        let mut session = self.session().branch();
        let within = session.asker.timing.exchange.min(left);
        let hello = Hello { preface: self.preface, offer, within };
        let answer = tls_version::exchange(&mut session, hello, &mut Vec::new(), parse).await;
        self.session().join(&session);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((cut, _))) if cut.is_end() => Err(Why::HungUp),
            Ok(Err((Cut::Late, _))) => Err(Why::Silent),
            Ok(Err((cut, deadline))) => Err(Why::Odd(cut.failure(Stage::Handshake, deadline).cause.to_string())),
            Err(Stop::Failed(failure)) => Err(why(&failure)),
            Err(Stop::Skipped(skip)) => Err(Why::Odd(skip.to_string())),
        }
    }
}

fn why(failure: &Failure) -> Why {
    match (failure.stage, &failure.cause) {
        (Stage::Socket | Stage::Connect, _) => Why::NoConnection,
        (_, Cause::Closed | Cause::Reset) => Why::HungUp,
        (_, Cause::TimedOut { .. }) => Why::Silent,
        (_, cause) => Why::Odd(cause.to_string()),
    }
}

/// Alerts that refuse what was offered (RFC 8446, section 6.2; RFC 5246, section 7.2.2): handshake failure, illegal parameter,
/// export restriction, protocol version, insufficient security. Others may complain about something else.
fn refused(description: u8) -> Said {
    match description {
        40 | 47 | 60 | 70 | 71 => Said::Refused,
        other => Said::Unclear(Why::Alert(other)),
    }
}

fn not_tls() -> Said {
    Said::Unclear(Why::Odd("some hellos are answered by what is not TLS".to_owned()))
}

fn suite_of(answer: &ServerAnswer, version: TlsVersion) -> Said {
    match answer {
        ServerAnswer::Hello(hello) if hello.version == version.wire() => {
            Said::Picked(u16::try_from(hello.suite).unwrap_or(0))
        }
        // A server that has none of the suites in this version may have one in an older one.
        ServerAnswer::Hello(_) | ServerAnswer::Ssl2Error { .. } => Said::Refused,
        ServerAnswer::FatalAlert { description } => refused(*description),
        ServerAnswer::NotTls { .. } => not_tls(),
    }
}

fn group_of(answer: &ServerAnswer, version: TlsVersion) -> Said {
    match answer {
        ServerAnswer::Hello(hello) if hello.version == version.wire() => hello.group.map_or_else(
            || Said::Unclear(Why::Odd("the server names no group, though no key share was sent".to_owned())),
            Said::Picked,
        ),
        ServerAnswer::Hello(_) | ServerAnswer::Ssl2Error { .. } => Said::Refused,
        ServerAnswer::FatalAlert { description } => refused(*description),
        ServerAnswer::NotTls { .. } => not_tls(),
    }
}

fn curve_of(answer: &KeyExchangeAnswer, version: TlsVersion) -> Said {
    match *answer {
        KeyExchangeAnswer::Chosen { version: chosen, .. } if chosen != version.wire() => Said::Refused,
        KeyExchangeAnswer::Chosen { exchange: KeyExchange::Group(group), .. } => Said::Picked(group),
        KeyExchangeAnswer::Chosen { exchange: KeyExchange::ExplicitCurve, .. } => {
            Said::Unclear(Why::Odd("the server sends the parameters of its curve, not its name".to_owned()))
        }
        KeyExchangeAnswer::Chosen { .. } => {
            Said::Unclear(Why::Odd("the server names no group for a suite that needs one".to_owned()))
        }
        KeyExchangeAnswer::FatalAlert { description } => refused(description),
    }
}
