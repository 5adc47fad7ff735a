//! Which certificate is served?

use super::handshake::{handshake, shown};
use super::session::Session;
use super::tls_version::{Hello, exchange, negotiated};
use super::{Stop, bug, preface};
use crate::model::certificate::Staple;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::tls::{CertificateFact, TlsPreface, TlsVersion};
use crate::net::trust::{TrustStore, Verdict};
use crate::wire::certificate::{Chain, Judged, Served, read_certificate};
use crate::wire::ocsp::read_staple;
use crate::wire::tls::{Offer, read_certificate_chain};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
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
    let served = match by_handshake(session, preface, sni).await {
        Err(Stop::Failed(failure)) if is_refusal(&failure) => {
            by_older_hello(session, preface, sni).await?.ok_or(Stop::Failed(failure))?
        }
        other => other?,
    };
    let fact = judge(session, served).await?;
    if fact.must_staple && fact.staple == Staple::None && preface != TlsPreface::MySql {
        // Servers that fetch the response when somebody wants it have none for the first who does.
        if let Ok(again) = by_handshake(session, preface, sni).await {
            return judge(session, again).await;
        }
    }
    Ok(fact)
}

/// What a server showed.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    /// The OCSP response; `None` where none was asked for.
    staple: Option<Vec<u8>>,
    /// The negotiated version's number.
    version: u16,
}

/// Whether an older hello may fare better.
fn is_refusal(failure: &Failure) -> bool {
    failure.stage == Stage::Handshake && failure.blame == Blame::Peer
}

async fn by_handshake(session: &mut Session<'_>, preface: TlsPreface, sni: bool) -> Result<Shown, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    preface::pass(&mut connection, preface, deadline).await?;
    let name = session.peer.tls_name();
    let (recorded, result) = match preface {
        TlsPreface::Direct => shown(connection, name, sni, deadline).await,
        // RDP and MySQL count broken handshakes against the client.
        TlsPreface::Rdp | TlsPreface::MySql => {
            let made = handshake(connection, name, sni, deadline).await;
            (made.recorded, made.result.map(drop))
        }
    };
    match (recorded.version(), result) {
        // Also where the server showed its certificate and then wanted one of ours.
        (Some(version), _) if !recorded.chain().is_empty() => {
            Ok(Shown { chain: recorded.chain(), staple: Some(recorded.staple()), version })
        }
        (_, Err(failure)) => Err(failure.into()),
        (_, Ok(())) => Err(bug("a handshake showed no certificate").into()),
    }
}

async fn by_older_hello(session: &mut Session<'_>, preface: TlsPreface, sni: bool) -> Result<Option<Shown>, Stop> {
    let server_name = session.server_name(sni)?;
    for version in older(preface) {
        let mut buffer = Vec::new();
        let offer = Offer::usual(version, server_name);
        let hello = Hello { preface, offer, within: session.asker.timing.exchange };
        let chain = exchange(session, hello, &mut buffer, read_certificate_chain).await?;
        if let (Ok(chain), Some(version)) = (chain, negotiated(&buffer))
            && !chain.is_empty()
        {
            let chain = chain.into_iter().map(CertificateDer::from).collect();
            return Ok(Some(Shown { chain, staple: None, version }));
        }
    }
    Ok(None)
}

async fn judge(session: &Session<'_>, shown: Shown) -> Result<CertificateFact, Stop> {
    let now = UnixTime::now();
    let name = session.peer.tls_name();
    let checked_name = session.peer.checked_name();
    let trust = Arc::clone(&session.asker.trust);
    // The system's verifier may block, and signatures take their time.
    let judging = tokio::task::spawn_blocking(move || weigh(&shown, &trust, &name, &checked_name, now));
    let unreadable = |what| Failure { stage: Stage::Handshake, blame: Blame::Peer, cause: Cause::Malformed { what } };
    judging.await.map_err(|error| bug(&error.to_string()))?.map_err(|what| unreadable(what).into())
}

/// Everything that is said of what a server showed.
fn weigh(
    shown: &Shown,
    store: &TrustStore,
    name: &ServerName<'_>,
    checked_name: &str,
    at: UnixTime,
) -> Result<CertificateFact, PeerText> {
    let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let chain = Chain::read(shown.chain.iter().map(AsRef::as_ref), now);
    let verdict = store.judge_chain(&shown.chain, &chain, name, at);
    let leaf = shown.chain.first().map(AsRef::as_ref).unwrap_or_default();
    let staple = shown.staple.as_deref().map(|response| {
        let issuer = chain.issuer().or_else(|| store.own_issuer(leaf));
        read_staple(response, leaf, issuer, now)
    });
    let Verdict { trust, unknown_issuer, needed } = verdict;
    let fact = chain.fact(&Judged { trust: &trust, unknown_issuer, needed });
    let served = Served {
        chain_length: shown.chain.len(),
        checked_name,
        now,
        trust,
        negotiated: shown.version,
        chain: fact,
        staple: staple.unwrap_or_default(),
    };
    read_certificate(leaf, served)
}
