use super::book::{Book, Heard, Place};
use super::*;
use crate::model::ports::{Ports, Transport};
use crate::wire::Parse;
use crate::wire::witness::log::{self as log_lines, Line, ListedPorts};
use crate::wire::witness::{
    Body, LIMIT, Message, Nonce, Read, Records, Section, SessionId, WINDOW_MS, new_key_text, read, write,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NOW: u64 = 1_800_000_000_000;
const SESSION: SessionId = SessionId([3; 16]);

fn key(seed: u8) -> Key {
    let random = std::array::from_fn(|place| u8::try_from(place).unwrap().wrapping_mul(29).wrapping_add(seed));
    Key::from_text(&new_key_text(random)).unwrap()
}

fn hail(number: u8, time_ms: u64, transport: Transport, port: u16) -> Message {
    Message { session: SESSION, nonce: Nonce([number; 8]), time_ms, body: Body::Hail { transport, port } }
}

fn ask(number: u8, time_ms: u64, section: Section, from: u32) -> Message {
    Message { session: SESSION, nonce: Nonce([number; 8]), time_ms, body: Body::Ask { section, from } }
}

fn place(transport: Transport, port: u16) -> Place {
    Place { transport, port, source: "198.51.100.2:4000".parse().unwrap(), here: "10.0.0.5".parse().ok() }
}

fn book() -> Book {
    let ports = "udp/70-75".parse().unwrap();
    Book::new(key(1), vec![ListedPorts { v6: false, ports, not_held: None }])
}

fn answer(heard: Heard) -> Message {
    match read(&key(1), &heard.answer.unwrap()) {
        Parse::Done(Read::Ours(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_counts_once_and_only_near_its_time() {
    let mut book = book();
    let udp = place(Transport::Udp, 75);
    let mut hear = |message, at: Place, now| book.hear(Read::Ours(message), at, now);
    let first = hear(hail(1, NOW, Transport::Udp, 75), udp, NOW);
    assert!(matches!(&first.line, Some(Line::Arrived(arrived)) if arrived.port == 75));
    assert_eq!(
        answer(first).body,
        Body::Confirm { transport: Transport::Udp, port: 75, source: udp.source, here: udp.here }
    );
    let again = hear(hail(1, NOW, Transport::Udp, 75), udp, NOW + 1);
    assert!(again.answer.is_none() && again.line.is_none(), "sent again");
    for time in [NOW - WINDOW_MS - 1, NOW + WINDOW_MS + 1] {
        let old = hear(hail(2, time, Transport::Udp, 75), udp, NOW);
        assert!(old.answer.is_none(), "over UDP its source may be forged");
        assert!(matches!(old.line, Some(Line::Stale(_))));
        let old = hear(hail(2, time, Transport::Tcp, 443), place(Transport::Tcp, 443), NOW);
        let told = answer(old);
        assert_eq!((told.body, told.time_ms), (Body::Clock, NOW), "over TCP it is told our clock");
    }
    assert!(hear(hail(3, NOW - WINDOW_MS, Transport::Udp, 75), udp, NOW).answer.is_some());
    assert_eq!(book.summary().arrivals, 2);
}

#[test]
fn an_account_tells_what_arrived_what_is_held_and_what_else_came() {
    let mut book = book();
    book.stranger(Transport::Udp, 70);
    for number in 1..=60 {
        book.hear(Read::Ours(hail(number, NOW, Transport::Udp, 75)), place(Transport::Udp, 71), NOW);
    }
    book.stranger(Transport::Udp, 71);
    book.hear(Read::Foreign(SESSION), place(Transport::Udp, 72), NOW);
    book.hear(Read::Foreign(SessionId([9; 16])), place(Transport::Udp, 72), NOW);
    book.crowded();
    let mut page = |number, section, from| match answer(book.hear(
        Read::Ours(ask(number, NOW, section, from)),
        place(Transport::Tcp, 443),
        NOW,
    ))
    .body
    {
        Body::Account(page) => page,
        other => panic!("{other:?}"),
    };
    let first = page(100, Section::Arrivals, 0);
    let Records::Arrivals(records) = &first.records else { panic!("{first:?}") };
    assert_eq!((first.total, first.crowded, first.full), (60, 1, false));
    assert!(records.iter().all(|arrival| arrival.port == 71));
    let rest = page(101, Section::Arrivals, u32::try_from(records.len()).unwrap());
    let Records::Arrivals(more) = rest.records else { panic!() };
    assert!(!more.is_empty() && more[0].nonce > records[records.len() - 1].nonce);
    let Records::Noise(noise) = page(102, Section::Noise, 0).records else { panic!() };
    let noise: Vec<(u16, u32, u32)> = noise.iter().map(|noise| (noise.port, noise.altered, noise.strangers)).collect();
    assert_eq!(noise, [(71, 0, 1), (72, 1, 2)], "what came before the session is none of its noise");
    let Records::Ports(ports) = page(103, Section::Ports, 0).records else { panic!() };
    assert_eq!(ports[0].ports, "udp/70-75".parse().unwrap());
    let Records::Ports(none) = page(104, Section::Ports, u32::MAX).records else { panic!() };
    assert!(none.is_empty());
}

#[test]
fn there_is_room_for_so_many_sessions_and_the_idle_ones_give_way() {
    let mut book = book();
    let mut hear = |session: u8, now| {
        let message = Message { session: SessionId([session; 16]), ..hail(1, now, Transport::Udp, 75) };
        book.hear(Read::Ours(message), place(Transport::Udp, 75), now)
    };
    for session in 0..64 {
        assert!(hear(session, NOW).ours);
    }
    let refused = hear(64, NOW);
    assert!(refused.answer.is_none() && refused.notice == Some(Notice::Full));
    let later = NOW + 4 * WINDOW_MS;
    assert!(hear(65, later).ours, "an idle one gave way");
}

/// Where there was no room, later sessions are noted again once the idle ones gave way, and are not called incomplete.
#[test]
fn a_witness_that_was_full_hears_again() {
    let mut book = book();
    let full_page = |book: &mut Book, session: u8, number: u64, now: u64| {
        let question = Message { session: SessionId([session; 16]), ..ask(200, now, Section::Arrivals, 0) };
        let question = Message { nonce: Nonce(number.to_be_bytes()), ..question };
        let heard = book.hear(Read::Ours(question), place(Transport::Tcp, 443), now);
        heard.answer.is_some().then(|| match answer(heard).body {
            Body::Account(page) => page.full,
            other => panic!("{other:?}"),
        })
    };
    let hail_of = |book: &mut Book, session: u8, number: u64, now: u64| {
        let message = Message { session: SessionId([session; 16]), ..hail(1, now, Transport::Udp, 75) };
        let message = Message { nonce: Nonce(number.to_be_bytes()), ..message };
        book.hear(Read::Ours(message), place(Transport::Udp, 75), now).ours
    };
    let most = 131_072;
    assert!((0..most).all(|number| hail_of(&mut book, 1, number, NOW)));
    assert!(!hail_of(&mut book, 1, most, NOW), "no room");
    assert!(!hail_of(&mut book, 2, 1, NOW + 1), "nor for another");
    let later = NOW + 4 * WINDOW_MS;
    assert!(hail_of(&mut book, 3, 1, later), "the idle ones gave way");
    assert_eq!(full_page(&mut book, 3, 2, later), Some(false), "it lacks nothing");
}

/// A message of a session, of which there may be many.
fn hear(book: &mut Book, session: u8, number: u32, now: u64) -> Heard {
    let mut nonce = [0; 8];
    nonce[..4].copy_from_slice(&number.to_be_bytes());
    let message = hail(1, now, Transport::Udp, 75);
    let message = Message { session: SessionId([session; 16]), nonce: Nonce(nonce), ..message };
    book.hear(Read::Ours(message), place(Transport::Udp, 75), now)
}

/// Whether the account of a session says that it is not whole; nothing where none is given.
fn says_full(book: &mut Book, session: u8, now: u64) -> Option<bool> {
    let message = Message { session: SessionId([session; 16]), ..ask(255, now, Section::Arrivals, 0) };
    let heard = book.hear(Read::Ours(message), place(Transport::Tcp, 443), now);
    heard.answer.is_some().then(|| match answer(heard).body {
        Body::Account(page) => page.full,
        other => panic!("{other:?}"),
    })
}

const LATER: u64 = NOW + 4 * WINDOW_MS;

#[test]
fn a_witness_that_had_no_room_for_a_session_is_not_deaf_to_those_that_come_later() {
    let mut book = book();
    for session in 0..64 {
        assert!(hear(&mut book, session, 1, NOW).ours);
    }
    assert!(!hear(&mut book, 64, 1, NOW).ours, "there is no room");
    assert_eq!(says_full(&mut book, 0, NOW), Some(false), "nothing of its own is missing");
    assert!(hear(&mut book, 65, 1, LATER).ours);
    assert_eq!(says_full(&mut book, 65, LATER), Some(false), "all of it was noted");
    // The log is about all sessions, and one of them is not whole.
    assert!(matches!(book.last_line(LATER), Line::Ended { full: true, .. }));
}

#[test]
fn a_session_of_which_something_was_not_noted_or_not_kept_says_so_when_it_comes_again() {
    let mut book = book();
    for session in 0..64 {
        hear(&mut book, session, 1, NOW + u64::from(session));
    }
    assert!(!hear(&mut book, 64, 1, NOW + 100).ours);
    assert!(hear(&mut book, 64, 2, LATER).ours, "the first gave way");
    assert_eq!(says_full(&mut book, 64, LATER), Some(true), "its first message was not noted");
    assert!(hear(&mut book, 0, 2, LATER).ours, "the second gave way");
    assert_eq!(says_full(&mut book, 0, LATER), Some(true), "its first message was forgotten");
}

#[test]
fn what_is_noted_has_a_bound_and_room_comes_again_with_time() {
    let mut book = book();
    let most = 131_072;
    for number in 0..most {
        assert!(hear(&mut book, 1, number, NOW).ours);
    }
    let refused = hear(&mut book, 2, 0, NOW);
    assert!(refused.answer.is_none() && refused.notice == Some(Notice::Full));
    assert!(hear(&mut book, 3, 0, LATER).ours, "what has been idle gave way");
    assert_eq!(says_full(&mut book, 3, LATER), Some(false));
    assert_eq!(says_full(&mut book, 2, LATER), Some(true), "it had a message that was not noted");
    assert_eq!(says_full(&mut book, 1, LATER), Some(true), "it had messages that are kept no longer");
    // A session never makes room for itself: what it had noted would be missing.
    let end = LATER + 4 * WINDOW_MS;
    let noted = (1..=most + 10).filter(|number| hear(&mut book, 3, *number, end).ours).count();
    assert_eq!(
        noted,
        usize::try_from(most).unwrap() - 2,
        "its first message and the question for its account are kept"
    );
}

#[test]
fn a_witness_that_failed_is_relied_on_by_no_session_again() {
    let mut book = book();
    book.spoil();
    hear(&mut book, 1, 1, LATER);
    assert_eq!(says_full(&mut book, 1, LATER), Some(true));
}

#[test]
fn sources_are_told_of_once() {
    let mut book = book();
    let mut notice = || book.hear(Read::Foreign(SESSION), place(Transport::Udp, 75), NOW).notice;
    assert_eq!(notice(), Some(Notice::OtherKey { source: [198, 51, 100, 2].into() }));
    assert_eq!(notice(), None);
}

/// A witness on free ports of loopback, one of each transport.
struct Running {
    tcp: SocketAddr,
    udp: SocketAddr,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<io::Result<Summary>>,
    _notices: mpsc::Receiver<Notice>,
}

fn terms(lasts: Duration, log: Option<Logbook>) -> Terms {
    Terms { key: key(1), lasts, log, clock: now_ms }
}

fn start(log: Option<Logbook>) -> Running {
    let free = |transport| {
        // The number may be taken by somebody else before the witness has it; another is drawn then.
        (0..50)
            .find_map(|_| {
                let number = match transport {
                    Transport::Tcp => std::net::TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port(),
                    Transport::Udp => std::net::UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap().port(),
                };
                let held = hold(&[Ports::one(transport, number).unwrap()], &[HERE], 8);
                (!held.is_empty()).then_some((number, held))
            })
            .unwrap()
    };
    let ((tcp, mut held), (udp, also)) = (free(Transport::Tcp), free(Transport::Udp));
    held.join(also);
    let (stop, stopped) = watch::channel(false);
    let (sender, notices) = mpsc::channel(8);
    let ended = tokio::spawn(run(held, terms(Duration::from_mins(1), log), stopped, sender));
    let at = |port| SocketAddr::new(HERE, port);
    Running { tcp: at(tcp), udp: at(udp), stop, ended, _notices: notices }
}

async fn exchange(stream: &mut TcpStream, message: &Message) -> Message {
    stream.write_all(&write(&key(1), message)).await.unwrap();
    let mut bytes = vec![0; LIMIT];
    let mut had = 0;
    loop {
        had += stream.read(&mut bytes[had..]).await.unwrap();
        match read(&key(1), &bytes[..had]) {
            Parse::Incomplete => {}
            Parse::Done(Read::Ours(message)) => return message,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_are_confirmed_over_both_transports_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.log");
    let witness = start(Some(Logbook::create(&path, &key(1)).unwrap()));
    assert!(matches!(Logbook::create(&path, &key(1)), Err(LogbookError::Exists)));
    let mut stream = TcpStream::connect(witness.tcp).await.unwrap();
    let port = witness.tcp.port();
    let confirmed = exchange(&mut stream, &hail(1, now_ms(), Transport::Tcp, port)).await;
    let source = stream.local_addr().unwrap();
    assert_eq!(confirmed.body, Body::Confirm { transport: Transport::Tcp, port, source, here: Some(HERE) });

    let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
    socket.connect(witness.udp).await.unwrap();
    let question = write(&key(1), &hail(2, now_ms(), Transport::Udp, witness.udp.port()));
    socket.send(&question).await.unwrap();
    let mut bytes = vec![0; LIMIT];
    let length = socket.recv(&mut bytes).await.unwrap();
    assert!(length <= question.len());
    let Parse::Done(Read::Ours(confirmed)) = read(&key(1), &bytes[..length]) else { panic!() };
    let (source, port) = (socket.local_addr().unwrap(), witness.udp.port());
    // Only some systems tell of a datagram where it came to.
    let here = Some(HERE).filter(|_| cfg!(any(target_os = "linux", target_os = "android")));
    assert_eq!(confirmed.body, Body::Confirm { transport: Transport::Udp, port, source, here });

    let Body::Account(page) = exchange(&mut stream, &ask(3, now_ms(), Section::Arrivals, 0)).await.body else {
        panic!()
    };
    assert_eq!(page.total, 2);
    witness.stop.send(true).unwrap();
    let summary = witness.ended.await.unwrap().unwrap();
    assert_eq!((summary.sessions, summary.arrivals), (1, 2));
    let lines = log_lines::read(&key(1), &std::fs::read_to_string(&path).unwrap()).unwrap();
    let arrived = lines.iter().filter(|line| matches!(line, Line::Arrived(_))).count();
    assert_eq!(arrived, 2);
    assert!(matches!(lines.last(), Some(Line::Ended { full: false, .. })));
}

/// What a stranger sees of a port that the witness holds: nothing, and then the end.
#[tokio::test]
async fn strangers_get_no_answer() {
    let witness = start(None);
    let other_key = write(&key(2), &hail(1, now_ms(), Transport::Tcp, witness.tcp.port()));
    let own_answer = Body::Confirm { transport: Transport::Tcp, port: 1, source: witness.tcp, here: None };
    let turned_around = write(&key(1), &Message { body: own_answer, ..hail(1, now_ms(), Transport::Tcp, 1) });
    let flood = vec![b'x'; 1 << 16];
    let said: [&[u8]; 6] = [b"", b"GET / HTTP/1.1\r\n\r\n", b"PRW1", &other_key, &turned_around, &flood];
    let began = Instant::now();
    let tcp = said.iter().map(|bytes| async {
        let mut stream = TcpStream::connect(witness.tcp).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        // An end with or without a reset: what counts is that nothing was said.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{:?}", bytes.get(..20));
    });
    futures::future::join_all(tcp).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
    socket.connect(witness.udp).await.unwrap();
    let mut trailing = write(&key(1), &hail(7, now_ms(), Transport::Udp, witness.udp.port()));
    trailing.push(0);
    for bytes in said.into_iter().chain([trailing.as_slice()]) {
        let _ = socket.send(bytes.get(..1400.min(bytes.len())).unwrap()).await;
    }
    // The answer to a message of the key's comes first, although it was sent last.
    let own = write(&key(1), &hail(8, now_ms(), Transport::Udp, witness.udp.port()));
    socket.send(&own).await.unwrap();
    let mut bytes = vec![0; LIMIT];
    let length = socket.recv(&mut bytes).await.unwrap();
    let Parse::Done(Read::Ours(answer)) = read(&key(1), &bytes[..length]) else { panic!() };
    assert_eq!(answer.nonce, Nonce([8; 8]));
    witness.stop.send(true).unwrap();
    let summary = witness.ended.await.unwrap().unwrap();
    assert_eq!(summary.arrivals, 1);
    assert!(summary.strangers >= 9, "{summary:?}");
}

#[tokio::test]
async fn a_witness_ends_by_itself() {
    let held = hold(&["tcp/1-1".parse().unwrap()], &["192.0.2.1".parse().unwrap()], 1);
    let (_stop, stopped) = watch::channel(false);
    let (sender, _notices) = mpsc::channel(1);
    let summary = run(held, terms(Duration::from_millis(50), None), stopped, sender).await.unwrap();
    assert_eq!(summary, Summary::default());
}
