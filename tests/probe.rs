//! Questions asked of listeners that behave badly, each in its own way.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use portreeve::model::fact::{Fact, PortReason, PortState};
use portreeve::model::http::{Request, Scheme, WebPath};
use portreeve::model::observation::{Attempt, Blame, Cause, Failure, Skip, Stage};
use portreeve::model::ports::Ports;
use portreeve::model::question::Question;
use portreeve::model::service::Service;
use portreeve::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use portreeve::net::dial::Dialer;
use portreeve::net::limits::Limits;
use portreeve::net::pace::Rates;
use portreeve::net::trust::TrustStore;
use portreeve::probe::{Asker, Known, Outcome, Peer, Timing};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Against hangs: nothing here takes nearly as long, on any machine.
const HANGS: Duration = Duration::from_mins(2);

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn timing() -> Timing {
    let short = Duration::from_millis(300);
    Timing {
        connect: short,
        connect_again: short,
        exchange: short,
        first_byte: short,
        unasked: short,
        ..Timing::default()
    }
}

fn asker(timing: Timing) -> Asker {
    let trust = TrustStore::load(None).unwrap();
    Asker::new(Dialer::new(Limits::new(64), Rates::default()), timing, trust, Instant::now())
}

fn peer() -> Peer {
    Peer { address: HERE, name: None }
}

/// A listener that runs `behave` for every connection, and how many there were.
async fn listener<F: Future<Output = ()> + Send>(
    behave: impl Fn(TcpStream) -> F + Send + Sync + Copy + 'static,
) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move { behave(stream).await });
        }
    });
    (port, count)
}

async fn silent(mut stream: TcpStream) {
    while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
}

async fn hang_up(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
}

async fn reset(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 1]).await;
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Says `bytes` at once, whatever it is asked.
async fn greet(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    silent(stream).await;
}

/// Waits for a request and answers `bytes`.
async fn answer(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(bytes).await;
    silent(stream).await;
}

async fn endless(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
    while stream.write_all(&[b'y'; 4096]).await.is_ok() {}
}

async fn drip(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
    while stream.write_all(b"H").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn half(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(&[22, 3, 1, 0, 80, 2, 0, 0]).await;
}

async fn nla(mut stream: TcpStream) {
    let mut request = [0; 19];
    let _ = stream.read_exact(&mut request).await;
    let _ = stream.write_all(b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x03\0\x08\0\x05\0\0\0").await;
}

/// Refuses TLS alone and takes standard security.
async fn lax(mut stream: TcpStream) {
    let mut request = [0; 19];
    let _ = stream.read_exact(&mut request).await;
    let refused = request[15] == 1;
    let _ = stream.write_all(&[3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 0, 0, if refused { 3 } else { 2 }, 0, 8, 0]).await;
    let _ = stream.write_all(&[if refused { 5 } else { 0 }, 0, 0, 0]).await;
}

async fn ask(question: Question, known: Known) -> Outcome {
    asker(timing()).ask(&peer(), question, &known).await
}

fn fact(outcome: Outcome) -> Fact {
    match outcome.attempt {
        Attempt::Answered { fact } => fact,
        other => panic!("{other:?}"),
    }
}

fn failure(outcome: Outcome) -> Failure {
    match outcome.attempt {
        Attempt::Failed { failure } => failure,
        other => panic!("{other:?}"),
    }
}

async fn service(port: u16, hint: u16) -> Service {
    let known = Known { logical_port: Some(hint), ..Known::default() };
    match fact(ask(Question::service(port), known).await) {
        Fact::Service { service, .. } => service,
        other => panic!("{other:?}"),
    }
}

fn hello(port: u16) -> Question {
    Question::TlsVersion { port, version: TlsVersion::Tls10, sni: false }
}

#[tokio::test]
async fn a_hang_up_a_reset_and_silence_after_a_hello_are_kept_apart() {
    let tls = |answer| Fact::Tls { answer };
    let (port, count) = listener(hang_up).await;
    assert_eq!(fact(ask(hello(port), Known::default()).await), tls(TlsAnswer::Closed));
    assert_eq!(count.load(Ordering::SeqCst), 2, "believed only the second time");
    let (port, _) = listener(reset).await;
    assert_eq!(fact(ask(hello(port), Known::default()).await), tls(TlsAnswer::Reset));
    let (port, _) = listener(|stream| answer(stream, &[21, 3, 1, 0, 2, 2, 70])).await;
    assert_eq!(fact(ask(hello(port), Known::default()).await), tls(TlsAnswer::Alert { description: 70 }));
    let (port, _) = listener(silent).await;
    let silence = failure(ask(hello(port), Known::default()).await);
    assert_eq!((silence.stage, silence.blame), (Stage::Handshake, Blame::Peer));
    assert!(matches!(silence.cause, Cause::TimedOut { .. }));
}

#[tokio::test]
async fn an_answer_cut_short_is_a_failure_and_no_refusal() {
    let (port, _) = listener(half).await;
    assert_eq!(failure(ask(hello(port), Known::default()).await).cause, Cause::Closed);
}

#[tokio::test]
async fn a_port_without_listener_is_never_a_tls_answer() {
    let port = TcpListener::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port();
    for question in [hello(port), Question::service(port), Question::Smb1 { port }, Question::RdpNla { port }] {
        let failure = failure(ask(question, Known::default()).await);
        assert_eq!((failure.stage, failure.cause), (Stage::Connect, Cause::Refused), "{question}");
    }
    let ports = Ports::tcp(port).unwrap();
    let Fact::Port(port) = fact(ask(Question::Port { ports }, Known::default()).await) else { panic!() };
    assert_eq!(port.state, PortState::Closed);
    assert!(matches!(port.reason, PortReason::Reset | PortReason::Refused));
}

#[tokio::test]
async fn a_server_that_hangs_up_on_everything_refuses_no_smb1() {
    let (port, _) = listener(hang_up).await;
    assert_eq!(failure(ask(Question::Smb1 { port }, Known::default()).await).cause, Cause::Closed);
}

#[tokio::test]
async fn without_a_name_sni_is_not_asked_for() {
    let question = Question::TlsVersion { port: 9, version: TlsVersion::Tls12, sni: true };
    let outcome = ask(question, Known::default()).await;
    assert_eq!((outcome.attempt, outcome.tries), (Attempt::Skipped { skip: Skip::NoName }, 0));
}

/// `Protocol::HandshakeV10` of a MariaDB, shortened.
const MYSQL: &[u8] =
    b"\x32\0\0\0\x0a5.5.5-10.6.1-MariaDB\0\x07\0\0\0abcdefgh\0\xfe\xff\x08\x02\0\xff\x81\0\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn a_mysql_is_asked_by_one_connection_whatever_its_port() {
    for hint in [3306, 443, 8484] {
        let (port, count) = listener(|stream| greet(stream, MYSQL)).await;
        let service = service(port, hint).await;
        assert!(matches!(service, Service::MySql { tls: true, .. }), "{service:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
    let blocked = b"\x0f\0\0\0\xff\x69\x04Host blocked";
    let (port, _) = listener(|stream| greet(stream, blocked)).await;
    assert!(matches!(service(port, 3306).await, Service::MySql { refused: Some(1129), .. }));
}

#[tokio::test]
async fn what_speaks_is_told_by_its_answer_and_not_by_its_port() {
    let (port, count) = listener(|stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_eq!(service(port, 443).await, Service::Http);
    assert_eq!(count.load(Ordering::SeqCst), 1, "the answer to a TLS hello gives it away");
    let confirm = b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x03\0\x08\0\x05\0\0\0";
    let (port, _) = listener(|stream| answer(stream, confirm)).await;
    assert_eq!(service(port, 3389).await, Service::Rdp { selected: None, failure: Some(5) });
    let (port, count) = listener(|stream| greet(stream, b"\0\x01\x02relay")).await;
    assert!(matches!(service(port, 8484).await, Service::Unknown { .. }));
    assert_eq!(count.load(Ordering::SeqCst), 2, "it speaks unasked, so the other questions are spared");
    let (port, count) = listener(silent).await;
    assert_eq!(service(port, 8041).await, Service::Silent);
    assert_eq!(count.load(Ordering::SeqCst), 11);
}

/// A server of SMB that answers the oldest protocol first, and each later one only when the answer before was read and its
/// connection closed.
async fn oldest_first(mut stream: TcpStream) {
    static NETBIOS_READ: Semaphore = Semaphore::const_new(0);
    static OLD_SMB_READ: Semaphore = Semaphore::const_new(0);
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let message = |head: &[u8], length: u8| {
        let mut message = [&[0, 0, 0, length][..], head].concat();
        message.resize(4 + usize::from(length), 0);
        message
    };
    match request {
        [0x81, ..] => {
            greet(stream, &[0x82, 0, 0, 0]).await;
            NETBIOS_READ.add_permits(1);
        }
        [0, _, _, _, 0xff, ..] => {
            NETBIOS_READ.acquire().await.unwrap().forget();
            greet(stream, &message(b"\xffSMB\x72", 35)).await;
            OLD_SMB_READ.add_permits(1);
        }
        [0, _, _, _, 0xfe, ..] => {
            OLD_SMB_READ.acquire().await.unwrap().forget();
            let mut negotiated = message(b"\xfeSMB", 4 + 64 + 65);
            negotiated[4 + 64..][..6].copy_from_slice(&[65, 0, 0, 0, 2, 3]);
            greet(stream, &negotiated).await;
        }
        // It hangs up on anything else.
        _ => {}
    }
}

#[tokio::test]
async fn a_server_of_smb_is_told_by_its_latest_protocol_whichever_answers_first() {
    let (port, _) = listener(oldest_first).await;
    let patient = Timing { exchange: Duration::from_secs(30), ..timing() };
    let answer = asker(patient).ask(&peer(), Question::service(port), &Known::default()).await;
    let service = Service::Smb { dialect: Some(0x0302) };
    assert_eq!(fact(answer), Fact::Service { service, tls: None });
}

/// A tenth of the default, so that what is slow there is slow here.
fn tenth() -> Timing {
    let Timing { connect, connect_again, exchange, first_byte, unasked, .. } = Timing::default();
    Timing {
        connect: connect / 10,
        connect_again: connect_again / 10,
        exchange: exchange / 10,
        first_byte: first_byte / 10,
        unasked: unasked / 10,
        ..Timing::default()
    }
}

/// Longer than is waited for a first byte, and shorter than an exchange.
async fn dawdle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

async fn service_in_time(port: u16, hint: u16) -> Service {
    let known = Known { logical_port: Some(hint), ..Known::default() };
    match fact(asker(tenth()).ask(&peer(), Question::service(port), &known).await) {
        Fact::Service { service, .. } => service,
        other => panic!("{other:?}"),
    }
}

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// Answers HTTP late, and anything else never.
async fn slow_http(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).await.unwrap_or(0);
    if request[..length].starts_with(b"GET ") {
        dawdle().await;
        let _ = stream.write_all(NOT_FOUND).await;
    }
    silent(stream).await;
}

#[tokio::test]
async fn a_slow_web_server_is_http_all_the_same() {
    for hint in [8040, 3306, 3389] {
        let (port, _) = listener(slow_http).await;
        assert_eq!(service_in_time(port, hint).await, Service::Http, "asked as {hint}");
    }
}

/// A listener that never says anything, and hangs up on all as soon as so many connections are open at once.
async fn mute_until_together(count: usize) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&accepted);
    let (open, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let (open, together) = (Arc::clone(&open), Arc::clone(&together));
            tokio::spawn(async move {
                if open.fetch_add(1, Ordering::SeqCst) + 1 == count {
                    together.add_permits(count);
                }
                tokio::select! {
                    () = silent(stream) => {}
                    permit = together.acquire() => permit.unwrap().forget(),
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, accepted)
}

/// All that is asked of it is asked at once: whoever asked one thing after the other would wait for half an hour each time.
#[tokio::test]
async fn a_mute_listener_costs_no_wait_for_each_protocol() {
    const TOGETHER: usize = 9;
    let patient = Timing { exchange: Duration::from_mins(30), ..tenth() };
    for (hint, before) in [(8041, 2), (22, 1), (135, 1), (445, 2), (3389, 1), (12413, 1)] {
        let (port, count) = mute_until_together(TOGETHER).await;
        let known = Known { logical_port: Some(hint), ..Known::default() };
        let (asker, peer) = (asker(patient), peer());
        let asking = asker.ask(&peer, Question::service(port), &known);
        let answer = tokio::time::timeout(HANGS, asking).await.unwrap_or_else(|_| panic!("asked as {hint}: it waits"));
        assert_eq!(fact(answer), Fact::Service { service: Service::Silent, tls: None }, "asked as {hint}");
        assert_eq!(count.load(Ordering::SeqCst) as usize, before + TOGETHER, "asked as {hint}");
    }
}

/// The page of a TLS port to a client without TLS.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\n\
    <h1>The plain HTTP request was sent to HTTPS port</";
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// Hangs up on every hello; tells others what it wants.
async fn hello_less(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    if request[0] != 22 {
        let _ = stream.write_all(USE_TLS).await;
    }
}

/// Hangs up on every hello but that of TLS 1.0; answers all else with an error page.
async fn only_old_tls(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let hello_of_1_0 = request[9..11] == [3, 1];
    let _ = match request[0] {
        22 if hello_of_1_0 => stream.write_all(&[21, 3, 1, 0, 2, 2, 40]).await,
        22 => return,
        _ => stream.write_all(BAD_REQUEST).await,
    };
}

#[tokio::test]
async fn a_tls_port_that_answers_plain_http_with_an_error_page_is_never_http() {
    for hint in [443, 70, 3389] {
        let (port, _) = listener(hello_less).await;
        let service = service_in_time(port, hint).await;
        assert!(matches!(service, Service::TlsOpaque { .. }), "{service:?}");
        let (port, _) = listener(only_old_tls).await;
        let service = service_in_time(port, hint).await;
        assert!(matches!(service, Service::TlsOpaque { .. }), "{service:?}");
    }
}

#[cfg(feature = "demo")]
mod with_tls {
    use super::*;
    use mock_servers::Authority;
    use mock_servers::settings::{CertificateKind, KeyKind};
    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use std::sync::LazyLock;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;

    static ACCEPTOR: LazyLock<TlsAcceptor> = LazyLock::new(|| {
        let names = ["rmm.example".to_owned()];
        let identity = Authority::new().unwrap().issue(CertificateKind::Trusted, KeyKind::Ecdsa, &names).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    });

    /// Accepts TLS, and reads a request in it. All else is told that TLS is wanted, but not in words that we know.
    async fn accept(stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let mut first = [0];
        let _ = stream.peek(&mut first).await;
        if first[0] != 22 {
            answer(stream, BAD_REQUEST).await;
            return None;
        }
        let mut stream = ACCEPTOR.accept(stream).await.ok()?;
        let _ = stream.read(&mut [0; 4096]).await;
        Some(stream)
    }

    async fn web(stream: TcpStream) {
        let Some(mut stream) = accept(stream).await else { return };
        let _ = stream.write_all(NOT_FOUND).await;
        let _ = stream.flush().await;
        let _ = stream.read(&mut [0]).await;
    }

    async fn slow_inside(stream: TcpStream) {
        let Some(mut stream) = accept(stream).await else { return };
        dawdle().await;
        let _ = stream.write_all(NOT_FOUND).await;
        let _ = stream.flush().await;
        let _ = stream.read(&mut [0]).await;
    }

    async fn slow_handshake(stream: TcpStream) {
        let mut first = [0];
        let _ = stream.peek(&mut first).await;
        if first[0] == 22 {
            dawdle().await;
        }
        web(stream).await;
    }

    async fn mute_inside(stream: TcpStream) {
        let Some(mut stream) = accept(stream).await else { return };
        let _ = stream.read(&mut [0]).await;
    }

    /// Begins what may become an HTTP answer.
    async fn half_inside(stream: TcpStream) {
        let Some(mut stream) = accept(stream).await else { return };
        let _ = stream.write_all(b"HTTP").await;
        let _ = stream.flush().await;
        let _ = stream.read(&mut [0]).await;
    }

    async fn other_inside(stream: TcpStream) {
        let Some(mut stream) = accept(stream).await else { return };
        let _ = stream.write_all(b"whatever it is").await;
        let _ = stream.flush().await;
        let _ = stream.read(&mut [0]).await;
    }

    #[tokio::test]
    async fn a_slow_web_server_inside_tls_is_https_and_a_late_one_is_not_called_anything_else() {
        let (port, _) = listener(slow_inside).await;
        assert_eq!(service_in_time(port, 443).await, Service::Https);
        let (port, count) = listener(mute_inside).await;
        let Service::TlsOpaque { why } = service_in_time(port, 443).await else { panic!() };
        assert_eq!(why.as_str(), "says nothing to an HTTP request within 500 ms");
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let (port, _) = listener(half_inside).await;
        assert!(matches!(service_in_time(port, 443).await, Service::TlsOpaque { .. }));
        let (port, _) = listener(other_inside).await;
        assert!(matches!(service_in_time(port, 443).await, Service::Tls { .. }));
    }

    #[tokio::test]
    async fn a_slow_handshake_is_waited_for_even_where_plain_http_has_an_answer() {
        for hint in [443, 22, 3389] {
            let (port, _) = listener(slow_handshake).await;
            assert_eq!(service_in_time(port, hint).await, Service::Https, "asked as {hint}");
        }
    }

    #[tokio::test]
    async fn tls_is_asked_before_http_and_believed_before_it() {
        let (port, count) = listener(web).await;
        assert_eq!(service_in_time(port, 443).await, Service::Https);
        assert_eq!(count.load(Ordering::SeqCst), 1, "nothing else was asked");
        for hint in [70, 12413, 135, 139, 445, 3389] {
            let (port, _) = listener(web).await;
            assert_eq!(service_in_time(port, hint).await, Service::Https, "asked as {hint}");
        }
    }
}

#[tokio::test]
async fn a_refusal_in_good_order_is_a_closed_connection() {
    async fn goodbye(mut stream: TcpStream) {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&[21, 3, 1, 0, 2, 1, 0]).await;
    }
    async fn warning(mut stream: TcpStream) {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&[21, 3, 1, 0, 2, 1, 112]).await;
    }
    let (port, count) = listener(goodbye).await;
    let closed = Fact::Tls { answer: TlsAnswer::Closed };
    assert_eq!(fact(ask(hello(port), Known::default()).await), closed);
    assert_eq!(count.load(Ordering::SeqCst), 2, "believed only the second time");
    let (port, _) = listener(warning).await;
    assert_eq!(failure(ask(hello(port), Known::default()).await).cause, Cause::Closed);
}

#[tokio::test]
async fn tls_within_mysql_costs_few_broken_handshakes() {
    async fn mysql(mut stream: TcpStream, answer: &[u8]) {
        let _ = stream.write_all(MYSQL).await;
        let _ = stream.read_exact(&mut [0; 36]).await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer).await;
    }
    let known = Known { preface: Some(TlsPreface::MySql), ..Known::default() };
    let (port, count) = listener(|stream| mysql(stream, &[21, 3, 1, 0, 2, 2, 70])).await;
    assert_eq!(fact(ask(hello(port), known).await), Fact::Tls { answer: TlsAnswer::Alert { description: 70 } });
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (port, count) = listener(|stream| mysql(stream, b"")).await;
    assert_eq!(fact(ask(hello(port), known).await), Fact::Tls { answer: TlsAnswer::Closed });
    assert_eq!(count.load(Ordering::SeqCst), 2, "asked again once");
    let (port, count) = listener(|stream| mysql(stream, &[21, 3, 1, 0, 2, 2, 70])).await;
    failure(ask(Question::Certificate { port, sni: false }, known).await);
    assert_eq!(count.load(Ordering::SeqCst), 2, "one hello of rustls and one of our own");
    let (port, count) = listener(|stream| greet(stream, b"\x0f\0\0\0\xff\x69\x04Host blocked")).await;
    assert!(matches!(failure(ask(hello(port), known).await).cause, Cause::Declined { .. }));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_login_page_of_screenconnect_is_asked_for_only_where_no_other_product_is_known() {
    static LOGINS: AtomicU32 = AtomicU32::new(0);
    async fn serve(mut stream: TcpStream, body: &str) {
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
            LOGINS.fetch_add(u32::from(request.starts_with(b"GET /Login ")), Ordering::SeqCst);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
    let known = Known { scheme: Some(Scheme::Http), ..Known::default() };
    let (port, _) = listener(|stream| serve(stream, "<title>ManageEngine Endpoint Central</title>")).await;
    let Fact::Products { products } = fact(ask(Question::Products { port }, known).await) else { panic!() };
    assert_eq!((products.len(), LOGINS.load(Ordering::SeqCst)), (1, 0));
    let (port, _) = listener(|stream| serve(stream, "<title>Welcome</title>")).await;
    let Fact::Products { products } = fact(ask(Question::Products { port }, known).await) else { panic!() };
    assert_eq!((products.len(), LOGINS.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn network_level_authentication_is_enforced_only_where_nobody_gets_in_without() {
    let (port, _) = listener(nla).await;
    let enforced = fact(ask(Question::RdpNla { port }, Known::default()).await);
    assert_eq!(enforced, Fact::RdpNla { enforced: true, code: 5 });
    let (port, _) = listener(lax).await;
    let open = fact(ask(Question::RdpNla { port }, Known::default()).await);
    assert_eq!(open, Fact::RdpNla { enforced: false, code: 0 });
    let (port, _) = listener(silent).await;
    assert_eq!(failure(ask(Question::RdpNla { port }, Known::default()).await).stage, Stage::Preface);
    let (port, _) = listener(nla).await;
    let known = Known { preface: Some(TlsPreface::Rdp), ..Known::default() };
    let refused = failure(ask(hello(port), known).await);
    assert!(matches!(refused, Failure { stage: Stage::Preface, cause: Cause::Declined { .. }, .. }), "{refused:?}");
}

#[tokio::test]
async fn http_is_read_as_sent_and_within_bounds() {
    let get = |port| Question::Http { port, request: Request::Get(WebPath::Root) };
    let known = Known { scheme: Some(Scheme::Http), ..Known::default() };
    let redirect = b"HTTP/1.1 302 Found\r\nX-a: 1\r\nx-A: 2\r\nLocation: http://203.0.113.1/\r\n\r\nhello";
    let (port, count) = listener(|stream| answer(stream, redirect)).await;
    let Fact::Http(http) = fact(ask(get(port), known).await) else { panic!() };
    let names: Vec<&str> = http.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!((http.status, names, http.body_start.as_str()), (302, vec!["X-a", "x-A", "Location"], "hello"));
    assert_eq!(count.load(Ordering::SeqCst), 1, "redirects are recorded and never followed");
    let (port, _) = listener(endless).await;
    assert!(matches!(failure(ask(get(port), known).await).cause, Cause::Malformed { .. } | Cause::TooLarge { .. }));
    let (port, _) = listener(drip).await;
    let asking = tokio::time::timeout(HANGS, ask(get(port), known)).await.expect("each byte is given time of its own");
    let allowed_ms = timing().exchange.as_millis().try_into().unwrap();
    assert_eq!(failure(asking).cause, Cause::TimedOut { allowed_ms });
}

#[tokio::test]
async fn a_cancelled_question_gives_back_what_it_held() {
    let (port, _) = listener(silent).await;
    let trust = TrustStore::load(None).unwrap();
    let asker = Asker::new(Dialer::new(Limits::new(1), Rates::default()), Timing::default(), trust, Instant::now());
    let (peer, known) = (peer(), Known::default());
    for _ in 0..3 {
        let asking = asker.ask(&peer, hello(port), &known);
        assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
    }
    let ports = Ports::tcp(port).unwrap();
    let Fact::Port(port) = fact(asker.ask(&peer, Question::Port { ports }, &known).await) else { panic!() };
    assert_eq!(port.state, PortState::Open);
}
