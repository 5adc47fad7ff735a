//! Is this version of TLS accepted?

use super::session::Session;
use super::talk::{Cut, read, send};
use super::{Stop, preface};
use crate::model::observation::{Cause, Stage};
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::wire::Parse;
use crate::wire::tls::{ANSWER_LIMIT, Seed, ServerAnswer, client_hello, read_server_answer};

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
    match exchange(session, preface, version, server_name, &mut buffer, read_server_answer).await? {
        Ok(answer) => Ok(answer.to_fact(version)),
        Err((Cut::Closed, _)) if buffer.is_empty() => Ok(TlsAnswer::Closed),
        Err((Cut::Reset, _)) if buffer.is_empty() => Ok(TlsAnswer::Reset),
        Err((cut, deadline)) => Err(cut.failure(Stage::Handshake, deadline).into()),
    }
}

/// Sends a hello of our own and reads the answer with `parse`; what came is in `buffer` in any case.
pub(super) async fn exchange<T>(
    session: &mut Session<'_>,
    preface: TlsPreface,
    version: TlsVersion,
    server_name: Option<&str>,
    buffer: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Parse<T>,
) -> Result<Result<T, (Cut, super::talk::Deadline)>, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    preface::pass(&mut connection, preface, deadline).await?;
    let hello = client_hello(version, server_name, &seed());
    let sent = send(&mut connection, &hello, deadline).await;
    // A server may answer and close before it has taken the hello: what it said is there to be read.
    let answer = read(&mut connection, buffer, ANSWER_LIMIT.max(crate::wire::tls::CHAIN_LIMIT), deadline, parse).await;
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
