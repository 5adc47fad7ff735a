//! Which certificate is served?

use super::handshake::handshake;
use super::session::Session;
use super::tls_version::{Hello, exchange, negotiated};
use super::{Stop, bug, preface};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::tls::{CertificateFact, TlsPreface, TlsVersion};
use crate::wire::certificate::{Served, read_certificate};
use crate::wire::tls::{Offer, read_certificate_chain};
use rustls::pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Hellos of our own, for servers with which rustls has nothing in common. One that is offered 1.2 may choose 1.1.
const OLDER: [TlsVersion; 3] = [TlsVersion::Tls12, TlsVersion::Tls10, TlsVersion::Ssl3];

/// Those that are sent after `preface`. MySQL blocks who breaks off too many handshakes, so it is sent one alone.
fn older(preface: TlsPreface) -> impl Iterator<Item = TlsVersion> {
    OLDER.into_iter().take(if preface == TlsPreface::MySql { 1 } else { OLDER.len() })
}

/// The certificate that is served with or without SNI, and what a careful client makes of it.
pub(super) async fn ask(session: &mut Session<'_>, preface: TlsPreface, sni: bool) -> Result<CertificateFact, Stop> {
    session.server_name(sni)?;
    let (chain, negotiated) = match by_handshake(session, preface, sni).await {
        Err(Stop::Failed(failure)) if is_refusal(&failure) => {
            by_older_hello(session, preface, sni).await?.ok_or(Stop::Failed(failure))?
        }
        other => other?,
    };
    judge(session, chain, negotiated).await
}

type Chain = (Vec<CertificateDer<'static>>, u16);

/// Whether an older hello may fare better.
fn is_refusal(failure: &Failure) -> bool {
    failure.stage == Stage::Handshake && failure.blame == Blame::Peer
}

async fn by_handshake(session: &mut Session<'_>, preface: TlsPreface, sni: bool) -> Result<Chain, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    preface::pass(&mut connection, preface, deadline).await?;
    let made = handshake(connection, session.peer.tls_name(), sni, deadline).await;
    let chain = made.recorded.chain();
    match made.result {
        Ok(stream) => {
            let version = stream.get_ref().1.protocol_version().map_or(0, u16::from);
            Ok((chain, version))
        }
        // The server showed its certificate and then wanted one of ours.
        Err(failure) => match made.recorded.version() {
            Some(version) if !chain.is_empty() => Ok((chain, version)),
            _ => Err(failure.into()),
        },
    }
}

async fn by_older_hello(session: &mut Session<'_>, preface: TlsPreface, sni: bool) -> Result<Option<Chain>, Stop> {
    let server_name = session.server_name(sni)?;
    for version in older(preface) {
        let mut buffer = Vec::new();
        let offer = Offer::usual(version, server_name);
        let hello = Hello { preface, offer, within: session.asker.timing.exchange };
        let chain = exchange(session, hello, &mut buffer, read_certificate_chain).await?;
        if let (Ok(chain), Some(version)) = (chain, negotiated(&buffer))
            && !chain.is_empty()
        {
            return Ok(Some((chain.into_iter().map(CertificateDer::from).collect(), version)));
        }
    }
    Ok(None)
}

async fn judge(
    session: &Session<'_>,
    chain: Vec<CertificateDer<'static>>,
    version: u16,
) -> Result<CertificateFact, Stop> {
    let now = UnixTime::now();
    let name = session.peer.tls_name();
    let trust = Arc::clone(&session.asker.trust);
    // The system's verifier may block.
    let judging = tokio::task::spawn_blocking(move || (trust.judge(&chain, &name, now), chain));
    let (trust, chain) = judging.await.map_err(|error| bug(&error.to_string()))?;
    let unreadable = |what| Failure { stage: Stage::Handshake, blame: Blame::Peer, cause: Cause::Malformed { what } };
    let served = Served {
        chain_length: chain.len(),
        checked_name: &session.peer.checked_name(),
        now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        trust,
        negotiated: version,
    };
    let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
    read_certificate(leaf, served).map_err(|what| unreadable(what).into())
}
