//! What speaks on this TCP port? Told by its answer, never by its number: the number only decides what is asked first.

use super::Stop;
use super::handshake::handshake;
use super::session::Session;
use super::talk::{Cut, Deadline, read, send};
use super::tls_version::{Hello, exchange};
use crate::model::fact::Fact;
use crate::model::http::{Request, Scheme, WebPath};
use crate::model::observation::{Cause, Failure};
use crate::model::peer_text::PeerText;
use crate::model::service::Service;
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::wire::Parse;
use crate::wire::first_bytes::{LIMIT, classify, settle};
use crate::wire::http::request_bytes;
use crate::wire::tls::looks_like_record;
use crate::wire::{msrpc, netbios, rdp, redirector, smb};
use std::collections::VecDeque;

/// One thing to try, each on a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Listen without a word.
    Unasked,
    /// A whole TLS handshake, and HTTP inside.
    Tls,
    /// A hello of TLS 1.0, for servers that hang up on anything later.
    OldTls,
    Http,
    Rdp,
    Smb,
    /// SMB 1 only, for servers that know nothing later.
    OldSmb,
    NetBios,
    MsRpc,
    Redirector,
}

/// What is tried one after the other: most listeners on a server of ours are found by these. TLS comes before HTTP, for a
/// web server may answer plain HTTP on its TLS port with an error page. By the end every listener had its chance to speak
/// first while we waited.
const LIKELY: [Step; 2] = [Step::Tls, Step::Http];

/// What is tried side by side when those met silence, so that a mute listener does not cost a wait for each.
const OTHERS: [Step; 7] =
    [Step::OldTls, Step::Redirector, Step::Rdp, Step::Smb, Step::OldSmb, Step::MsRpc, Step::NetBios];

/// What the number suggests, to be asked before all else.
fn first_steps(logical_port: u16) -> &'static [Step] {
    match logical_port {
        // MySQL counts every broken handshake against us: one connection, and not a byte sent.
        21 | 22 | 23 | 25 | 3306 | 33060 => &[Step::Unasked],
        70 | 12413 => &[Step::Redirector],
        135 => &[Step::MsRpc],
        139 => &[Step::NetBios],
        445 => &[Step::Smb, Step::OldSmb],
        3389 => &[Step::Rdp],
        _ => &[],
    }
}

/// What speaks, and how TLS starts there.
///
/// Stops at the first answer that is known. A connection that cannot be made ends the question as a failure: "silent" is
/// said only of a listener that was asked everything.
pub(super) async fn ask(session: &mut Session<'_>, logical_port: u16) -> Result<Fact, Stop> {
    let first = first_steps(logical_port);
    let mut steps: VecDeque<Step> =
        first.iter().chain(LIKELY.iter().filter(|step| !first.contains(step))).copied().collect();
    let mut listened = false;
    let mut unknown = None;
    while let Some(step) = steps.pop_front() {
        let service = match try_step(session, step).await {
            Ok(service) => service,
            // What was said before still stands.
            Err(_) if unknown.is_some() => break,
            Err(stop) => return Err(stop),
        };
        tracing::trace!(?step, %service, "tried");
        listened |= step == Step::Unasked;
        match service {
            Service::Silent => {}
            Service::Unknown { .. } => {
                let known_before = unknown.is_some();
                unknown.get_or_insert(service);
                if step == Step::Unasked {
                    // It speaks without being asked, and would say the same again.
                    return Ok(fact(unknown.unwrap_or(Service::Silent)));
                }
                if !listened && !known_before {
                    // Was that an answer, or would it have been said anyway?
                    steps.push_front(Step::Unasked);
                }
            }
            known => return Ok(fact(known)),
        }
    }
    let others = OTHERS.iter().filter(|step| !first.contains(step)).map(|step| {
        let mut branch = session.branch();
        async move { (try_step(&mut branch, *step).await, branch) }
    });
    for (answer, branch) in futures::future::join_all(others).await {
        session.join(&branch);
        match answer {
            Ok(Service::Silent) => {}
            Ok(service @ Service::Unknown { .. }) => {
                unknown.get_or_insert(service);
            }
            Ok(known) => return Ok(fact(known)),
            Err(_) if unknown.is_some() => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(fact(unknown.unwrap_or(Service::Silent)))
}

fn fact(service: Service) -> Fact {
    let tls = match &service {
        Service::Https | Service::Tls { .. } | Service::TlsOpaque { .. } => Some(TlsPreface::Direct),
        Service::Rdp { selected: Some(protocol), .. } if *protocol != rdp::PROTOCOL_RDP => Some(TlsPreface::Rdp),
        Service::MySql { tls: true, .. } => Some(TlsPreface::MySql),
        _ => None,
    };
    Fact::Service { service, tls }
}

async fn try_step(session: &mut Session<'_>, step: Step) -> Result<Service, Stop> {
    let request = match step {
        Step::Unasked => Vec::new(),
        Step::Tls => return tls(session).await,
        Step::OldTls => return old_tls(session).await,
        Step::Http => request_bytes(Request::Get(WebPath::Root), &session.host(Scheme::Http)),
        Step::Rdp => rdp::connection_request(rdp::PROTOCOL_SSL | rdp::PROTOCOL_HYBRID),
        Step::Smb => smb::smb2_negotiate(std::array::from_fn(|_| fastrand::u8(..))),
        Step::OldSmb => smb::smb1_negotiate(),
        Step::NetBios => netbios::session_request(),
        Step::MsRpc => msrpc::bind_request(),
        Step::Redirector => redirector::PROBE.to_vec(),
    };
    let timing = session.asker.timing;
    let mut connection = session.connect().await?;
    let deadline =
        Deadline::after(if step == Step::Unasked { timing.unasked.max(timing.first_byte) } else { timing.first_byte });
    let mut bytes = Vec::new();
    let sent = if request.is_empty() { Ok(()) } else { send(&mut connection, &request, deadline).await };
    let answer = read(&mut connection, &mut bytes, LIMIT, deadline, classify).await;
    tracing::trace!(?step, ?sent, length = bytes.len(), "answered");
    Ok(answer.unwrap_or_else(|_| settle(&bytes)))
}

/// A handshake with rustls over a connection that remembers its first bytes, so that whatever else answers is known too.
async fn tls(session: &mut Session<'_>) -> Result<Service, Stop> {
    let connection = session.connect().await?;
    let first_byte = Deadline::after(session.asker.timing.first_byte);
    let sni = session.peer.server_name().is_some();
    let made = handshake(connection, session.peer.tls_name(), sni, first_byte).await;
    let mut stream = match made.result {
        Ok(stream) => stream,
        Err(failure) if looks_like_tls(&made.first_bytes) => return Ok(Service::TlsOpaque { why: outside(&failure) }),
        Err(_) => return Ok(settle(&made.first_bytes)),
    };
    let deadline = Deadline::after(session.asker.timing.first_byte);
    let request = request_bytes(Request::Get(WebPath::Root), &session.host(Scheme::Https));
    let mut bytes = Vec::new();
    let sent = send(&mut stream, &request, deadline).await;
    let answer = read(&mut stream, &mut bytes, LIMIT, deadline, classify).await;
    Ok(match (answer, sent) {
        (Ok(Service::Http), _) => Service::Https,
        (Ok(inside), _) => Service::Tls { inside: PeerText::new(&format!("inside: {inside}"), 200) },
        (Err(_), _) if !bytes.is_empty() => {
            Service::Tls { inside: PeerText::new(&format!("inside: {}", settle(&bytes)), 200) }
        }
        (Err(cut), _) => silence(cut, deadline),
    })
}

/// What the inside is, where it said nothing to an HTTP request. One that hangs up may want a client certificate or a
/// name that we do not know, and is HTTP for those who have it.
fn silence(cut: Cut, deadline: Deadline) -> Service {
    match cut {
        Cut::Late => Service::Tls { inside: PeerText::new("says nothing to an HTTP request", 200) },
        other => {
            let cause = other.failure(crate::model::observation::Stage::Response, deadline).cause;
            Service::TlsOpaque { why: PeerText::new(&format!("no answer to an HTTP request: {cause}"), 200) }
        }
    }
}

/// What is known where the handshake failed.
fn outside(failure: &Failure) -> PeerText {
    match &failure.cause {
        Cause::Declined { how } => how.clone(),
        cause => PeerText::new(&cause.to_string(), 200),
    }
}

fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(classify(bytes), Parse::Done(Service::TlsOpaque { .. }))
        || (matches!(classify(bytes), Parse::Incomplete) && bytes.len() >= 5 && looks_like_record(bytes))
}

async fn old_tls(session: &mut Session<'_>) -> Result<Service, Stop> {
    let name = session.peer.server_name();
    let mut bytes = Vec::new();
    let hello = Hello {
        preface: TlsPreface::Direct,
        version: TlsVersion::Tls10,
        server_name: name,
        within: session.asker.timing.first_byte,
    };
    let answer = exchange(session, hello, &mut bytes, classify).await?;
    Ok(match answer.ok() {
        Some(Service::TlsOpaque { .. }) => {
            Service::TlsOpaque { why: PeerText::new("only TLS versions older than 1.2, too old to look inside", 200) }
        }
        Some(service) => service,
        None => settle(&bytes),
    })
}
