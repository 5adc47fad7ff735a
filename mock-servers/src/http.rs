//! Web faces: the connection loop. Requests are read here, products answer in the modules below.

mod hostile;
mod http_sys;
mod iis;
mod message;
mod others;

use std::io;
use std::net::IpAddr;

use tokio::io::AsyncWriteExt;

use crate::settings::{Http, Product};
use crate::wire::{self, Stream};
use message::{Malformed, Request, Response};

/// Requests answered on one connection.
const MAX_REQUESTS: usize = 100;

/// What a product may know of the connection beside the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    /// The address the client connected to.
    pub(crate) local: IpAddr,
    /// Behind TLS.
    pub(crate) tls: bool,
}

/// Serves a connection until it ends. Every request line is told to `seen`.
pub(crate) async fn serve(
    mut stream: impl Stream,
    settings: &Http,
    connection: Connection,
    seen: impl Fn(&str),
) -> io::Result<()> {
    if let Product::Hostile(hostile) = &settings.product {
        if let Some(request) = message::read(&mut stream).await? {
            seen(&request.map(|request| request.line).unwrap_or_default());
            hostile::answer(&mut stream, &hostile.with).await?;
        }
        wire::finish(stream).await;
        return Ok(());
    }
    for _ in 0..MAX_REQUESTS {
        let Some(request) = message::read(&mut stream).await? else { break };
        if let Ok(request) = &request {
            seen(&request.line);
        }
        if settings.hang {
            wire::hang(stream).await;
            return Ok(());
        }
        let mut response = answer(&settings.product, request.as_ref(), connection);
        if let Some(target) = &settings.redirect {
            response = Response::new(302).header("Location", target).html("");
        }
        for (name, value) in &settings.headers {
            response = response.header(name, value);
        }
        let request = request.ok();
        let old = matches!(settings.product, Product::Http10(_));
        let close = old || response.close || request.as_ref().is_none_or(Request::wants_close);
        let head_only = request.as_ref().is_some_and(|request| request.method == "HEAD");
        let bytes = response.into_bytes(head_only, close, old, settings.coding);
        tokio::time::timeout(wire::IDLE, stream.write_all(&bytes)).await??;
        stream.flush().await?;
        if close {
            break;
        }
    }
    wire::finish(stream).await;
    Ok(())
}

fn answer(product: &Product, request: Result<&Request, &Malformed>, connection: Connection) -> Response {
    match product {
        Product::Iis(iis) => iis::answer(iis, request, connection),
        Product::Screenconnect(settings) => others::screenconnect(settings, request),
        Product::EndpointCentral(settings) => others::endpoint_central(settings, request, connection),
        Product::Plain(plain) | Product::Http10(plain) => others::plain(plain, request),
        Product::Hostile(_) => Response::new(500),
    }
}
