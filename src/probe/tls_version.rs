//! Is this version of TLS accepted?

use super::session::Session;
use super::talk::{Cut, Deadline, read, send};
use super::{Stop, preface};
use crate::model::observation::{Cause, Stage};
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::wire::Parse;
use crate::wire::tls::{CHAIN_LIMIT, Seed, ServerAnswer, client_hello, read_server_answer, says_goodbye};
use std::time::Duration;

/// The answer to a hello of exactly `version`.
///
/// A connection that ends or stays silent before the first byte is made once more: servers refuse so, and so do overload,
/// limits and loss.
pub(super) async fn ask(
    session: &mut Session<'_>,
    preface: TlsPreface,
    version: TlsVersion,
    sni: bool,
) -> Result<TlsAnswer, Stop> {
    let server_name = session.server_name(sni)?;
    match once(session, preface, version, server_name).await {
        Ok(TlsAnswer::Reset | TlsAnswer::Closed) => {}
        Err(Stop::Failed(failure)) if is_worth_another(&failure.cause) => {}
        answer => return answer,
    }
    once(session, preface, version, server_name).await
}

fn is_worth_another(cause: &Cause) -> bool {
    matches!(cause, Cause::TimedOut { .. } | Cause::Reset | Cause::Closed)
}

async fn once(
    session: &mut Session<'_>,
    preface: TlsPreface,
    version: TlsVersion,
    server_name: Option<&str>,
) -> Result<TlsAnswer, Stop> {
    let mut buffer = Vec::new();
    let hello = Hello { preface, version, server_name, within: session.asker.timing.exchange };
    match exchange(session, hello, &mut buffer, read_server_answer).await? {
        Ok(answer) => Ok(answer.to_fact(version)),
        // `close_notify` is how TLS itself says that it closes.
        Err((Cut::Closed, _)) if buffer.is_empty() || says_goodbye(&buffer) => Ok(TlsAnswer::Closed),
        Err((Cut::Reset, _)) if buffer.is_empty() => Ok(TlsAnswer::Reset),
        Err((cut, deadline)) => Err(cut.failure(Stage::Handshake, deadline).into()),
    }
}

/// A hello to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'a> {
    pub(super) preface: TlsPreface,
    pub(super) version: TlsVersion,
    pub(super) server_name: Option<&'a str>,
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
    let hello = client_hello(hello.version, hello.server_name, &seed());
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
