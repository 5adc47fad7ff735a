//! One hello of our own, and what answers it.

use super::session::Session;
use super::talk::{Cut, Deadline, read, send};
use super::{Stop, preface};
use crate::model::observation::{Cause, Stage};
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::wire::Parse;
use crate::wire::tls::{
    CHAIN_LIMIT, Offer, Seed, ServerAnswer, client_hello, read_answer_to, read_server_answer, says_goodbye,
};
use std::time::Duration;

/// The answer to one hello.
pub(super) async fn ask(session: &mut Session<'_>, hello: Hello<'_>) -> Result<TlsAnswer, Stop> {
    let version = hello.offer.version;
    let mut buffer = Vec::new();
    match exchange(session, hello, &mut buffer, |bytes| read_answer_to(version, bytes)).await? {
        Ok(answer) => Ok(answer.to_fact(version)),
        // `close_notify` is how TLS itself says that it closes.
        Err((Cut::Closed, _)) if buffer.is_empty() || says_goodbye(&buffer) => Ok(TlsAnswer::Closed),
        Err((Cut::Reset, _)) if buffer.is_empty() => Ok(TlsAnswer::Reset),
        Err((cut, deadline)) => Err(cut.failure(Stage::Handshake, deadline).into()),
    }
}

/// The answer to the usual hello of one version, asked for by itself.
///
/// A connection that ends or stays silent before the first byte is made once more: servers refuse so, and so do overload,
/// limits and loss.
pub(super) async fn ask_one(
    session: &mut Session<'_>,
    preface: TlsPreface,
    version: TlsVersion,
    sni: bool,
) -> Result<TlsAnswer, Stop> {
    let within = session.asker.timing.exchange;
    let hello = Hello { preface, offer: Offer::usual(version, session.server_name(sni)?), within };
    match ask(session, hello.clone()).await {
        Ok(TlsAnswer::Reset | TlsAnswer::Closed) => {}
        Err(Stop::Failed(failure)) if is_worth_another(&failure.cause) => {}
        answer => return answer,
    }
    ask(session, hello).await
}

fn is_worth_another(cause: &Cause) -> bool {
    matches!(cause, Cause::TimedOut { .. } | Cause::Reset | Cause::Closed)
}

/// A hello to be sent.
#[derive(Clone, Debug)]
pub(super) struct Hello<'a> {
    pub(super) preface: TlsPreface,
    pub(super) offer: Offer<'a>,
    /// How long the whole exchange may take.
    pub(super) within: Duration,
}

/// Sends a hello of our own and reads the answer with `parse`; what came is in `buffer` in any case.
pub(super) async fn exchange<T>(
    session: &mut Session<'_>,
    hello: Hello<'_>,
    buffer: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Parse<T>,
) -> Result<Result<T, (Cut, Deadline)>, Stop> {
    let mut connection = session.connect().await?;
    let deadline = Deadline::after(hello.within);
    preface::pass(&mut connection, hello.preface, deadline).await?;
    let hello = client_hello(&hello.offer, &seed());
    let sent = send(&mut connection, &hello, deadline).await;
    // A server may answer and close before it has taken the hello: what it said is there to be read.
    let answer = read(&mut connection, buffer, CHAIN_LIMIT, deadline, parse).await;
    Ok(match (sent, answer) {
        (_, Ok(answer)) => Ok(answer),
        (Err(cut), Err(_)) if buffer.is_empty() => Err((cut, deadline)),
        (_, Err(cut)) => Err((cut, deadline)),
    })
}

/// The version that a server negotiated, by the bytes that it sent.
pub(super) fn negotiated(bytes: &[u8]) -> Option<u16> {
    match read_server_answer(bytes).done() {
        Some(ServerAnswer::Hello(hello)) => Some(hello.version),
        _ => None,
    }
}

/// Nothing secret depends on these.
fn seed() -> Seed {
    let random = || std::array::from_fn(|_| fastrand::u8(..));
    Seed { random: random(), session_id: random(), key_share: random() }
}
