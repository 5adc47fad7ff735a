//! What speaks on this TCP port? Told by its answer, never by its number: the number only decides what is asked first.

use super::handshake::handshake_begun;
use super::session::{Session, unless_over};
use super::talk::{Cut, Deadline, read, send};
use super::tls_version::{Hello, exchange};
use super::{Stop, Timing, inside};
use crate::model::fact::Fact;
use crate::model::http::{Request, Scheme, WebPath};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::service::Service;
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::net::failure::millis;
use crate::wire::Parse;
use crate::wire::first_bytes::{LIMIT, classify, settle};
use crate::wire::http::{asks_for_tls, looks_like_http, read_head, request_bytes};
use crate::wire::tls::{Offer, looks_like_record};
use crate::wire::{msrpc, netbios, rdp, redirector, smb};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep_until;

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

/// What is tried side by side when those met silence, so that a mute listener does not cost a wait for each. The likely
/// ones are among them once more: a server that is slow may need all the time that an exchange is given.
const TOGETHER: [Step; 9] = [
    Step::Tls,
    Step::OldTls,
    Step::Http,
    Step::Redirector,
    Step::Rdp,
    Step::Smb,
    Step::OldSmb,
    Step::MsRpc,
    Step::NetBios,
];

/// What must have had no answer before plain HTTP is believed.
const HELLOS: [Step; 2] = [Step::Tls, Step::OldTls];

/// What a server of SMB may answer too, and later than an older protocol: the newest goes first.
const SMB: [Step; 2] = [Step::Smb, Step::OldSmb];

/// How long a step is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// As long as a listener of that protocol commonly takes for its first byte; others wait their turn.
    Short,
    /// As long as any exchange may take.
    Full,
}

impl Patience {
    fn first_byte(self, step: Step, timing: &Timing) -> Duration {
        match (self, step) {
            (Self::Short, Step::Unasked) => timing.unasked.max(timing.first_byte),
            (Self::Short, _) => timing.first_byte,
            (Self::Full, _) => timing.exchange.max(timing.first_byte),
        }
    }
}

/// What was heard so far.
#[derive(Debug, Default)]
struct Heard {
    service: Option<Service>,
    /// Whether it was listened to without a word.
    listened: bool,
    /// Whether something that is no TLS answered a hello.
    no_tls: bool,
}

impl Heard {
    /// Takes the answer to `step`; whether it settles the question.
    ///
    /// HTTP does where it answers a hello: a TLS port may answer anything else with an HTTP error page, and with an alert
    /// of which the inside is still to be seen.
    fn take(&mut self, step: Step, service: Service) -> bool {
        let hello = HELLOS.contains(&step);
        self.listened |= step == Step::Unasked;
        self.no_tls |= hello && matches!(service, Service::Unknown { .. } | Service::Http);
        let settled = match service {
            Service::Silent => false,
            // It speaks without being asked, and would say the same again.
            Service::Unknown { .. } => step == Step::Unasked,
            Service::Http => self.no_tls,
            Service::TlsOpaque { .. } => step == Step::Tls,
            _ => true,
        };
        let (old, new) = (self.service.as_ref().map_or(0, weight), weight(&service));
        // What settles the question also goes before what waited for it.
        if new > old || (settled && new > UNKNOWN && old < SETTLED) {
            self.service = Some(service);
        }
        settled
    }

    /// Which steps alone can tell more than what was heard; none, where either any can or nothing more is to be told.
    fn awaited(&self) -> &'static [Step] {
        match self.service {
            Some(Service::Http | Service::TlsOpaque { .. }) => &HELLOS,
            // Servers of SMB speak three protocols on a port, and which answers first is chance.
            Some(Service::NetBios { .. }) => &SMB,
            Some(Service::Smb { dialect: None }) => &SMB[..1],
            _ => &[],
        }
    }

    /// Whether only a hello can tell more.
    fn awaits_hello(&self) -> bool {
        self.awaited() == HELLOS
    }

    /// Whether the rest need not be waited for, after an answer that `settled` the question or not, while `unanswered` are
    /// still asked.
    fn is_enough(&self, settled: bool, unanswered: &[Step]) -> bool {
        let awaits = self.awaited().iter().any(|step| unanswered.contains(step));
        match self.service {
            Some(Service::NetBios { .. } | Service::Smb { dialect: None }) => !awaits,
            Some(Service::Http | Service::TlsOpaque { .. }) => settled || !awaits,
            _ => settled,
        }
    }
}

/// How much an answer says that is of no protocol that we know.
const UNKNOWN: u8 = 1;

/// How much an answer says at least that names a protocol and needs no hello beside it.
const SETTLED: u8 = 4;

/// How much an answer says.
fn weight(service: &Service) -> u8 {
    match service {
        Service::Silent => 0,
        Service::Unknown { .. } => UNKNOWN,
        Service::Http => 2,
        Service::TlsOpaque { .. } => 3,
        Service::NetBios { .. } => SETTLED,
        Service::Smb { dialect: None } => 5,
        _ => 6,
    }
}

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

/// Whether the port's number suggests something that is asked before TLS.
pub fn begins_otherwise(logical_port: u16) -> bool {
    !first_steps(logical_port).is_empty()
}

/// What speaks, and how TLS starts there.
///
/// Stops at the first answer that is known. A connection that cannot be made ends the question as a failure: "silent" is
/// said only of a listener that was asked everything, and was given as much time for it as for any other question.
pub(super) async fn ask(session: &mut Session<'_>, logical_port: u16) -> Result<Fact, Stop> {
    let first = first_steps(logical_port);
    let mut steps: VecDeque<Step> = first.iter().chain(&LIKELY).copied().collect();
    let mut heard = Heard::default();
    while let Some(step) = steps.pop_front() {
        if step == Step::Http && heard.awaits_hello() {
            continue;
        }
        let asker = session.asker;
        let service = match unless_over(session.until, try_step(session, step, Patience::Short)).await {
            Some(Ok(service)) => service,
            // What was said before still stands.
            Some(Err(_)) | None if heard.service.is_some() => break,
            Some(Err(stop)) => return Err(stop),
            None => return Err(asker.endpoint_over().into()),
        };
        tracing::trace!(?step, %service, "tried");
        let unknown = heard.service.is_none() && matches!(service, Service::Unknown { .. });
        if heard.take(step, service) {
            if step == Step::OldSmb && !heard.awaited().is_empty() {
                // A later dialect may only have been slower.
                break;
            }
            return Ok(fact(heard.service.unwrap_or(Service::Silent)));
        }
        if unknown && !heard.listened {
            // Was that an answer, or would it have been said anyway?
            steps.push_front(Step::Unasked);
        }
        if heard.service.is_none() && first.last() == Some(&step) {
            // Not what the number suggests, and much of the time is gone: the rest at once.
            break;
        }
    }
    together(session, heard).await.map(fact)
}

/// What is tried where all that matters is whether anybody is there: whoever speaks first, and the two protocols that
/// answer almost anything.
const QUICK: [Step; 3] = [Step::Unasked, Step::Tls, Step::Http];

/// What speaks, by the first that is said; silent where nobody says anything in the session's hurry.
pub(super) async fn ask_quickly(session: &mut Session<'_>) -> Result<Fact, Stop> {
    side_by_side(session, Heard::default(), &QUICK).await.map(fact)
}

/// Asks side by side what is left to be asked, with all the time that there is.
async fn together(session: &mut Session<'_>, heard: Heard) -> Result<Service, Stop> {
    match heard.awaited() {
        [] => side_by_side(session, heard, &TOGETHER).await,
        steps => side_by_side(session, heard, steps).await,
    }
}

async fn side_by_side(session: &mut Session<'_>, heard: Heard, steps: &[Step]) -> Result<Service, Stop> {
    let mut branches: Vec<Session<'_>> = steps.iter().map(|_| session.branch()).collect();
    let asking = branches
        .iter_mut()
        .zip(steps)
        .map(|(branch, &step)| async move { (step, try_step(branch, step, Patience::Full).await) })
        .collect();
    let over = async {
        match session.until {
            Some(until) => sleep_until(until.into()).await,
            None => pending().await,
        }
        session.asker.endpoint_over()
    };
    let service = first_known(heard, steps, asking, over).await;
    for branch in &branches {
        session.join(branch);
    }
    service
}

/// Of answers to `steps` that come side by side before it is `over`: the first that settles the question, else the one that
/// says most. A failure counts where nobody said anything, for then the step that failed might have been the one; and plain
/// HTTP is not believed where a hello could not be sent.
async fn first_known<F>(
    mut heard: Heard,
    steps: &[Step],
    mut asking: FuturesUnordered<F>,
    over: impl Future<Output = Failure>,
) -> Result<Service, Stop>
where
    F: Future<Output = (Step, Result<Service, Stop>)>,
{
    let mut unanswered = steps.to_vec();
    let (mut failed, mut hello_failed): (Option<Stop>, Option<Stop>) = (None, None);
    let mut over = std::pin::pin!(over);
    loop {
        let (step, answer) = tokio::select! {
            biased;
            next = asking.next() => match next {
                Some(next) => next,
                None => break,
            },
            failure = &mut over => {
                let hello = unanswered.iter().any(|step| HELLOS.contains(step));
                let left = if hello { &mut hello_failed } else { &mut failed };
                left.get_or_insert(failure.into());
                break;
            }
        };
        tracing::trace!(?step, ?answer, "tried side by side");
        unanswered.retain(|other| *other != step);
        let settled = match answer {
            Ok(service) => heard.take(step, service),
            Err(stop) => {
                let kind = if HELLOS.contains(&step) { &mut hello_failed } else { &mut failed };
                let _ = kind.get_or_insert(stop);
                false
            }
        };
        if heard.is_enough(settled, &unanswered) {
            break;
        }
    }
    match (heard.service, hello_failed, failed) {
        (Some(Service::Http), Some(stop), _) if !heard.no_tls => Err(stop),
        (Some(service), ..) => Ok(service),
        (None, Some(stop), _) | (None, None, Some(stop)) => Err(stop),
        (None, None, None) => Ok(Service::Silent),
    }
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

async fn try_step(session: &mut Session<'_>, step: Step, patience: Patience) -> Result<Service, Stop> {
    let wait = patience.first_byte(step, &session.timing);
    let request = match step {
        Step::Unasked => Vec::new(),
        Step::Tls => return tls(session, wait).await,
        Step::OldTls => return old_tls(session, wait).await,
        Step::Http => request_bytes(Request::Get(WebPath::Root), &session.host(Scheme::Http)),
        Step::Rdp => rdp::connection_request(rdp::PROTOCOL_SSL | rdp::PROTOCOL_HYBRID),
        Step::Smb => smb::smb2_negotiate(std::array::from_fn(|_| fastrand::u8(..))),
        Step::OldSmb => smb::smb1_negotiate(),
        Step::NetBios => netbios::session_request(),
        Step::MsRpc => msrpc::bind_request(),
        Step::Redirector => redirector::PROBE.to_vec(),
    };
    let mut connection = session.connect().await?;
    let deadline = Deadline::after(wait);
    let mut bytes = Vec::new();
    let sent = if request.is_empty() { Ok(()) } else { send(&mut connection, &request, deadline).await };
    let answer = read(&mut connection, &mut bytes, LIMIT, deadline, classify).await;
    if matches!(answer, Ok(Service::Http)) {
        let _ = read(&mut connection, &mut bytes, LIMIT, deadline, whether_tls_is_wanted).await;
        if asks_for_tls(&bytes) {
            let why = PeerText::new("tells plain HTTP to use TLS, and answered no TLS hello", 200);
            return Ok(Service::TlsOpaque { why });
        }
    }
    tracing::trace!(?step, ?sent, length = bytes.len(), "answered");
    Ok(answer.unwrap_or_else(|_| settle(&bytes)))
}

/// Of an answer to plain HTTP, how much must be read to know whether it is the complaint of a TLS port.
fn whether_tls_is_wanted(bytes: &[u8]) -> Parse<()> {
    match read_head(bytes) {
        Parse::Done(head) if head.status == 400 && !asks_for_tls(bytes) => Parse::Incomplete,
        head => head.map(|_| ()),
    }
}

/// A handshake with rustls over a connection that remembers its first bytes, so that whatever else answers is known too.
///
/// Only the first byte must come within `wait`: whatever has begun is given the time of an exchange, and so is the inside.
async fn tls(session: &mut Session<'_>, wait: Duration) -> Result<Service, Stop> {
    let connection = session.connect().await?;
    let (first_byte, whole) = (Deadline::after(wait), session.deadline());
    let sni = session.peer.server_name().is_some();
    let made = handshake_begun(connection, session.peer.tls_name(), sni, first_byte, whole).await;
    let mut stream = match made.result {
        Ok(stream) => stream,
        Err(failure) if looks_like_tls(&made.first_bytes) => return Ok(old_inside(session, failure).await),
        Err(_) => return Ok(settle(&made.first_bytes)),
    };
    let deadline = session.deadline();
    let request = request_bytes(Request::Get(WebPath::Root), &session.host(Scheme::Https));
    let mut bytes = Vec::new();
    let sent = send(&mut stream, &request, deadline).await;
    let answer = read(&mut stream, &mut bytes, LIMIT, deadline, classify).await;
    tracing::trace!(?sent, length = bytes.len(), "answered within TLS");
    Ok(match answer {
        Ok(Service::Http) => Service::Https,
        Ok(inside) => Service::Tls { inside: PeerText::new(&format!("inside: {inside}"), 200) },
        // What came may still be the beginning of an HTTP answer, or nothing came: it may be HTTP.
        Err(cut) if looks_like_http(&bytes).is_none() => {
            Service::TlsOpaque { why: no_answer(cut, deadline, &session.timing) }
        }
        Err(_) => Service::Tls { inside: PeerText::new(&format!("inside: {}", settle(&bytes)), 200) },
    })
}

/// What is inside TLS that rustls does not speak.
async fn old_inside(session: &mut Session<'_>, failure: Failure) -> Service {
    let mut old = match inside::connect(session, failure.clone()).await {
        Ok(old) => old,
        Err(failure) => return Service::TlsOpaque { why: outside(&failure) },
    };
    let request = request_bytes(Request::Get(WebPath::Root), &session.host(Scheme::Https));
    let deadline = session.deadline();
    let mut bytes = Vec::new();
    let sent = send(&mut old.stream, &request, deadline).await;
    let answer = read(&mut old.stream, &mut bytes, LIMIT, deadline, classify).await;
    tracing::trace!(?sent, length = bytes.len(), "answered within older TLS");
    match answer {
        Ok(Service::Http) => Service::Https,
        Ok(inside) => Service::Tls { inside: PeerText::new(&format!("inside: {inside}"), 200) },
        Err(_) => Service::TlsOpaque { why: outside(&inside::failed(old, failure).await) },
    }
}

/// Why the inside is not known, where it gave no answer to an HTTP request. One that is late may be a slow web server; one
/// that hangs up may want a client certificate or a name that we do not know, and is HTTP for those who have it.
fn no_answer(cut: Cut, deadline: Deadline, timing: &Timing) -> PeerText {
    let why = match cut {
        Cut::Late => format!("says nothing to an HTTP request within {} ms", millis(timing.exchange)),
        other => format!("no answer to an HTTP request: {}", other.failure(Stage::Response, deadline).cause),
    };
    PeerText::new(&why, 200)
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

async fn old_tls(session: &mut Session<'_>, wait: Duration) -> Result<Service, Stop> {
    let name = session.peer.server_name();
    let mut bytes = Vec::new();
    let offer = Offer::usual(TlsVersion::Tls10, name);
    let hello = Hello { preface: TlsPreface::Direct, offer, within: wait };
    let answer = exchange(session, hello, &mut bytes, classify).await?;
    Ok(match answer.ok() {
        Some(Service::TlsOpaque { .. }) => {
            let how = PeerText::new("only TLS versions older than 1.2", 200);
            let cause = Cause::Declined { how };
            old_inside(session, Failure { stage: Stage::Handshake, blame: Blame::Peer, cause }).await
        }
        Some(service) => service,
        None => settle(&bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::future::ready;

    fn refused() -> Stop {
        Stop::Failed(Failure { stage: Stage::Connect, blame: Blame::Peer, cause: Cause::Refused })
    }

    fn unknown() -> Service {
        Service::Unknown { first_bytes: PeerText::new("?", 9) }
    }

    fn opaque() -> Service {
        Service::TlsOpaque { why: PeerText::new("?", 9) }
    }

    /// What is made of these answers, which must not depend on their order.
    async fn of(answers: &[(Step, Result<Service, Stop>)]) -> Result<Service, Stop> {
        let steps: Vec<Step> = answers.iter().map(|(step, _)| *step).collect();
        let forwards = answers.iter().cloned().map(ready).collect();
        let backwards = answers.iter().rev().cloned().map(ready).collect();
        let result = first_known(Heard::default(), &steps, forwards, pending()).await;
        assert_eq!(first_known(Heard::default(), &steps, backwards, pending()).await, result);
        result
    }

    #[tokio::test]
    async fn what_was_recognised_goes_before_what_failed_and_both_before_silence() {
        let silent = (Step::Tls, Ok(Service::Silent));
        let failed = (Step::OldTls, Err(refused()));
        let rdp = Service::Rdp { selected: Some(1), failure: None };
        let answers = [silent.clone(), failed.clone(), (Step::Redirector, Ok(unknown())), (Step::Rdp, Ok(rdp.clone()))];
        assert_eq!(of(&answers).await, Ok(rdp));
        assert_eq!(of(&answers[..3]).await, Ok(unknown()));
        assert_eq!(of(&answers[..2]).await, Err(refused()));
        assert_eq!(of(&answers[..1]).await, Ok(Service::Silent));
        assert_eq!(of(&[silent, (Step::MsRpc, Err(refused()))]).await, Err(refused()));
    }

    #[tokio::test]
    async fn plain_http_is_believed_only_of_a_port_that_met_hellos_without_tls() {
        let http = (Step::Http, Ok(Service::Http));
        let silent = |step| (step, Ok(Service::Silent));
        assert_eq!(of(&[http.clone(), silent(Step::Tls), silent(Step::OldTls)]).await, Ok(Service::Http));
        assert_eq!(of(&[http.clone(), silent(Step::Tls), (Step::OldTls, Ok(opaque()))]).await, Ok(opaque()));
        assert_eq!(
            of(&[http.clone(), (Step::Tls, Ok(Service::Https)), silent(Step::OldTls)]).await,
            Ok(Service::Https)
        );
        assert_eq!(of(&[http.clone(), (Step::Tls, Err(refused())), silent(Step::OldTls)]).await, Err(refused()));
        assert_eq!(of(&[http, (Step::Tls, Ok(Service::Http)), silent(Step::OldTls)]).await, Ok(Service::Http));
        // An alert to something that was no hello says who speaks, and not what is inside.
        let alerted = (Step::Rdp, Ok(opaque()));
        assert_eq!(of(&[alerted, (Step::Tls, Ok(Service::Https)), silent(Step::OldTls)]).await, Ok(Service::Https));
    }

    #[tokio::test]
    async fn of_smb_the_later_protocol_is_reported() {
        let smb = |dialect| Ok(Service::Smb { dialect });
        assert_eq!(of(&[(Step::OldSmb, smb(None)), (Step::Smb, smb(Some(0x0302)))]).await, smb(Some(0x0302)));
        assert_eq!(of(&[(Step::OldSmb, smb(None)), (Step::Smb, Ok(Service::Silent))]).await, smb(None));
        let netbios = (Step::NetBios, Ok(Service::NetBios { answer: 0x82 }));
        assert_eq!(of(&[netbios.clone(), (Step::Smb, smb(Some(0x0302)))]).await, smb(Some(0x0302)));
        let (old, late) = ((Step::OldSmb, smb(None)), (Step::Smb, Err(refused())));
        assert_eq!(of(&[netbios.clone(), old.clone(), late.clone()]).await, smb(None));
        assert_eq!(of(&[old, netbios.clone(), late.clone()]).await, smb(None));
        assert_eq!(of(&[netbios.clone(), late]).await, netbios.1);
    }

    #[tokio::test]
    async fn nobody_waits_for_what_can_tell_nothing_more() {
        let never = || (Step::MsRpc, futures::future::pending().boxed());
        let steps = [Step::NetBios, Step::Smb, Step::OldSmb, Step::MsRpc];
        let said = |step, service| (step, ready(Ok(service)).boxed());
        let netbios = Service::NetBios { answer: 0x82 };
        for (answers, result) in [
            (
                [
                    said(Step::NetBios, netbios.clone()),
                    said(Step::Smb, Service::Silent),
                    said(Step::OldSmb, Service::Silent),
                ],
                netbios.clone(),
            ),
            (
                [
                    said(Step::OldSmb, Service::Smb { dialect: None }),
                    said(Step::Smb, Service::Silent),
                    said(Step::NetBios, netbios),
                ],
                Service::Smb { dialect: None },
            ),
        ] {
            let asking = answers
                .into_iter()
                .chain([never()])
                .map(|(step, answer)| async move { (step, answer.await) })
                .collect();
            assert_eq!(first_known(Heard::default(), &steps, asking, pending()).await, Ok(result));
        }
    }
}
