//! What answers this request? The head is kept as sent; redirects are recorded and never followed.

use super::handshake::handshake;
use super::session::Session;
use super::talk::{Cut, Deadline, read, send};
use super::{Stop, inside, preface};
use crate::model::http::{HttpAnswer, Request, Scheme};
use crate::model::observation::{Cause, Failure, Stage};
use crate::model::tls::TlsPreface;
use crate::wire::Parse;
use crate::wire::http::{BODY_LIMIT, HEAD_LIMIT, Head, read_body, read_head, request_bytes};
use tokio::io::{AsyncRead, AsyncWrite};

/// How much of a body is waited for, in bytes.
const BODY: usize = 2048;

/// The answer to `request`. One more try where the connection ended before the first byte.
pub(super) async fn ask(session: &mut Session<'_>, scheme: Scheme, request: Request) -> Result<HttpAnswer, Stop> {
    match once(session, scheme, request).await {
        Err(Stop::Failed(failure)) if matches!(failure.cause, Cause::Reset | Cause::Closed) => {
            once(session, scheme, request).await
        }
        answer => answer,
    }
}

async fn once(session: &mut Session<'_>, scheme: Scheme, request: Request) -> Result<HttpAnswer, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    let bytes = request_bytes(request, &session.host(scheme));
    match scheme {
        Scheme::Http => exchange(&mut connection, scheme, request, &bytes, deadline).await,
        Scheme::Https => {
            preface::pass(&mut connection, TlsPreface::Direct, deadline).await?;
            let sni = session.peer.server_name().is_some();
            let made = handshake(connection, session.peer.tls_name(), sni, deadline).await;
            match made.result {
                Ok(mut stream) => exchange(&mut stream, scheme, request, &bytes, deadline).await,
                Err(failure) => {
                    let mut old = inside::connect(session, failure.clone()).await?;
                    let deadline = session.deadline();
                    match exchange(&mut old.stream, scheme, request, &bytes, deadline).await {
                        // Nothing came: what rustls was told says more.
                        Err(Stop::Failed(Failure { cause: Cause::Closed | Cause::Reset, .. })) => {
                            Err(inside::failed(old, failure).await.into())
                        }
                        answer => answer,
                    }
                }
            }
        }
    }
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    scheme: Scheme,
    request: Request,
    bytes: &[u8],
    deadline: Deadline,
) -> Result<HttpAnswer, Stop> {
    let sent = send(stream, bytes, deadline).await;
    let mut buffer = Vec::new();
    // A server may answer before it has read all, and close: an error of sending matters only when nothing came.
    let head = match (sent, read(stream, &mut buffer, HEAD_LIMIT, deadline, read_head).await) {
        (_, Ok(head)) => head,
        (Err(cut), Err(_)) if buffer.is_empty() => return Err(cut.failure(Stage::Request, deadline).into()),
        (_, Err(cut)) => return Err(cut.failure(Stage::Response, deadline).into()),
    };
    let body = body(stream, buffer, &head, request, deadline).await;
    Ok(head.into_answer(scheme, &body))
}

/// The beginning of the body: evidence only, so that whatever ends it is no failure.
async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    mut buffer: Vec<u8>,
    head: &Head,
    request: Request,
    deadline: Deadline,
) -> Vec<u8> {
    let answers_head = matches!(request, Request::HostlessHead(_));
    let beginning = |bytes: &[u8], closed| read_body(head, answers_head, after(head, bytes), closed);
    if matches!(request, Request::Get(_) | Request::Trace(_) | Request::MissingHost) {
        let enough = |bytes: &[u8]| match beginning(bytes, false) {
            Parse::Done(_) | Parse::Malformed(_) => Parse::Done(()),
            Parse::Incomplete if after(head, bytes).len() >= BODY => Parse::Done(()),
            Parse::Incomplete => Parse::Incomplete,
        };
        let ended: Result<(), Cut> = read(stream, &mut buffer, HEAD_LIMIT + BODY_LIMIT, deadline, enough).await;
        if let Err(cut) = ended {
            tracing::trace!(?cut, "the body ends early");
        }
    }
    match beginning(&buffer, true) {
        Parse::Done(body) => body.bytes,
        // No proper body: shown as it came.
        Parse::Incomplete | Parse::Malformed(_) => after(head, &buffer).to_vec(),
    }
}

fn after<'a>(head: &Head, bytes: &'a [u8]) -> &'a [u8] {
    bytes.get(head.length..).unwrap_or_default()
}
