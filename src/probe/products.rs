//! Which products answer here? A few ordinary pages, fetched as any client would, over one connection; from a server that speaks
//! only TLS that no such client has any more, over one each (module `inside`).

use super::handshake::tls_failure;
use super::session::{Session, unless_over};
use super::talk::{Cut, read, send};
use super::{Stop, USER_AGENT, bug, inside};
use crate::model::http::{Header, Request, Scheme, WebPath};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::service::{Identified, Product};
use crate::net::failure::{from_io, timed_out};
use crate::net::trust::recording_client;
use crate::wire::http::{BODY_LIMIT, Body, HEAD_LIMIT, read_body, read_head, request_bytes};
use crate::wire::product::recognise;
use std::error::Error;
use std::io::{self, ErrorKind};

/// The pages, in the order in which they are asked for. Each is harmless; see [`WebPath`].
const PAGES: [WebPath; 5] = [
    WebPath::Root,
    WebPath::AutomateAgent,
    WebPath::ScreenConnectScript,
    WebPath::EndpointCentralConfigurations,
    WebPath::ScreenConnectLogin,
];

/// The products that the pages give away; stops at the first that is known with its version, apart from the web server. The
/// login page, which servers may count and log, is asked for only where no other page told of another product.
///
/// Where a page could not be had and the others gave away no more than the web server, that is a failure: the product
/// is not known.
pub(super) async fn ask(session: &mut Session<'_>, scheme: Scheme) -> Result<Vec<Identified>, Stop> {
    let client = client(session).map_err(|message| bug(&message))?;
    let base = format!("{scheme}://{}", session.host(scheme));
    let mut leave = Some(session.leave().await);
    // Why only older TLS will do.
    let mut refused: Option<Failure> = None;
    let mut products = Vec::new();
    let mut failed = None;
    for path in PAGES {
        if path == WebPath::ScreenConnectLogin && products.iter().any(is_another_than_screenconnect) {
            continue;
        }
        let (until, asker) = (session.until, session.asker);
        let page = unless_over(until, async {
            if refused.is_none() {
                match fetch(&client, &base, path, session).await {
                    Err(failure) if inside::may_be_older(&failure) => refused = Some(failure),
                    page => return page,
                }
                // Another is needed for each page, and there may be no more than one.
                leave = None;
            }
            match &refused {
                Some(failure) => fetch_older(session, path, failure).await,
                None => Err(bug("nothing refused the page")),
            }
        });
        match page.await.unwrap_or_else(|| Err(asker.endpoint_over())) {
            Ok((status, headers, body)) => {
                for identified in recognise(path, status, &headers, &body) {
                    add(&mut products, identified);
                }
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
        if products.iter().any(|one| one.product != Product::Iis && one.version.is_some()) {
            break;
        }
    }
    match failed {
        Some(failure) if products.iter().all(|one| one.product == Product::Iis) => Err(failure.into()),
        _ => Ok(products),
    }
}

/// Whether a product is known whose answers the login page of ScreenConnect would add nothing to.
fn is_another_than_screenconnect(one: &Identified) -> bool {
    !matches!(one.product, Product::Iis | Product::ScreenConnect)
}

/// Keeps one sight of each version of a product, and none without version beside one with.
fn add(products: &mut Vec<Identified>, new: Identified) {
    let same = |one: &Identified| one.product == new.product;
    if products.iter().any(|one| same(one) && (new.version.is_none() || one.version == new.version)) {
        return;
    }
    products.retain(|one| !same(one) || one.version.is_some());
    products.push(new);
}

fn client(session: &Session<'_>) -> Result<reqwest::Client, String> {
    let name = session.peer.server_name();
    let (config, _) = recording_client(name.is_some()).map_err(|error| error.to_string())?;
    let timing = session.asker.timing;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(1)
        .user_agent(USER_AGENT)
        .connect_timeout(timing.connect_again)
        .timeout(timing.exchange);
    if let Some(name) = name {
        builder = builder.resolve(name, session.socket());
    }
    builder.build().map_err(|error| error.to_string())
}

type Page = (u16, Vec<Header>, Body);

async fn fetch(client: &reqwest::Client, base: &str, path: WebPath, session: &Session<'_>) -> Result<Page, Failure> {
    let explain = |error: reqwest::Error| explain(&error, session);
    let mut response = client.get(format!("{base}{path}")).send().await.map_err(explain)?;
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| Header {
            name: PeerText::new(name.as_str(), 256),
            value: PeerText::from_bytes(value.as_bytes(), 4096),
        })
        .collect();
    let mut body = Body { bytes: Vec::new(), whole: false };
    while body.bytes.len() < BODY_LIMIT {
        match response.chunk().await {
            Ok(Some(chunk)) => body.bytes.extend(chunk.into_iter().take(BODY_LIMIT - body.bytes.len())),
            Ok(None) => {
                body.whole = true;
                break;
            }
            // The head came: what there is of the body may do.
            Err(error) => {
                tracing::debug!(%error, %path, "the body ends early");
                break;
            }
        }
    }
    Ok((response.status().as_u16(), headers, body))
}

/// The same over TLS that reqwest does not speak, after it met `refused`.
async fn fetch_older(session: &mut Session<'_>, path: WebPath, refused: &Failure) -> Result<Page, Failure> {
    let request = request_bytes(Request::Get(path), &session.host(Scheme::Https));
    let mut inside = inside::connect(session, refused.clone()).await?;
    let deadline = session.deadline();
    let mut buffer = Vec::new();
    let sent = send(&mut inside.stream, &request, deadline).await;
    let head = match (sent, read(&mut inside.stream, &mut buffer, HEAD_LIMIT, deadline, read_head).await) {
        (_, Ok(head)) => head,
        // Nothing came: what rustls was told says more.
        (_, Err(Cut::Closed | Cut::Reset)) => return Err(inside::failed(inside, refused.clone()).await),
        (_, Err(cut)) => return Err(cut.failure(Stage::Response, deadline)),
    };
    let body = |bytes: &[u8], closed| read_body(&head, false, bytes.get(head.length..).unwrap_or_default(), closed);
    let limit = HEAD_LIMIT + 2 * BODY_LIMIT;
    let came = read(&mut inside.stream, &mut buffer, limit, deadline, |bytes| body(bytes, false)).await;
    let body = match came {
        Ok(body) => body,
        // The head came: what there is of the body may do.
        Err(cut) => {
            let beginning = body(&buffer, true).done().unwrap_or(Body { bytes: Vec::new(), whole: false });
            Body { whole: beginning.whole && matches!(cut, Cut::Closed), ..beginning }
        }
    };
    Ok((head.status, head.headers, body))
}

/// Finds out what lies under reqwest's error.
fn explain(error: &reqwest::Error, session: &Session<'_>) -> Failure {
    let stage = if error.is_connect() { Stage::Connect } else { Stage::Response };
    if error.is_timeout() {
        let timing = session.asker.timing;
        return timed_out(stage, if error.is_connect() { timing.connect_again } else { timing.exchange });
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return tls_failure(Stage::Handshake, tls);
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let io = innermost_io(io);
            return match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls) => tls_failure(Stage::Handshake, tls),
                // Without a connection there would be nothing to end.
                None if error.is_connect() && is_end(io) => from_io(Stage::Handshake, io),
                None => from_io(stage, io),
            };
        }
        source = inner.source();
    }
    let what = PeerText::new(&innermost(error), 200);
    Failure { stage, blame: Blame::Peer, cause: Cause::Malformed { what } }
}

/// Errors of I/O are wrapped into others on their way through the client.
fn innermost_io(mut error: &io::Error) -> &io::Error {
    while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        error = inner;
    }
    error
}

/// Whether the peer ended a connection.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
