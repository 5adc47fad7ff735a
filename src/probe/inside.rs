//! HTTP within TLS that rustls does not speak.

use super::session::Session;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::net::openssl::Inside;

/// Whether a server that refused rustls may speak to a client that knows older things.
pub(super) fn may_be_older(failure: &Failure) -> bool {
    failure.stage == Stage::Handshake
        && failure.blame == Blame::Peer
        && matches!(failure.cause, Cause::Declined { .. } | Cause::Closed | Cause::Reset | Cause::Other { .. })
}

/// Connects by other means, after rustls met this `failure`, which is given back where there are none.
pub(super) async fn connect(session: &mut Session<'_>, failure: Failure) -> Result<Inside, Failure> {
    let Some(openssl) = session.asker.openssl.clone().filter(|_| may_be_older(&failure)) else {
        return Err(explained(failure, "the openssl command, which may know more, is not installed here"));
    };
    let leave = session.leave().await;
    openssl
        .connect(session.socket(), session.peer.server_name(), leave)
        .map_err(|error| explained(failure, &format!("the openssl command could not be started: {error}")))
}

/// What is to be said where nothing came of it either.
pub(super) async fn failed(inside: Inside, failure: Failure) -> Failure {
    let reason = inside.complaint().await;
    let reason = reason.unwrap_or_else(|| "no answer".to_owned());
    explained(failure, &format!("the openssl command fared no better: {reason}"))
}

/// The failure, with what else was tried.
fn explained(failure: Failure, what: &str) -> Failure {
    if !may_be_older(&failure) {
        return failure;
    }
    let how = PeerText::new(&format!("{}; {what}", failure.cause), 300);
    Failure { cause: Cause::Declined { how }, ..failure }
}
