use super::socket::{open, open_beside};
use super::*;
use crate::model::fact::{PortReason, PortState};
use crate::net::limits::Limits;
use crate::net::pace::Rates;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn fast() -> Pace {
    let most = NonZeroU32::new(100_000).unwrap();
    Pace::new(Rates { all: most, syn: most, tcp: most, udp: most, connections: 100 })
}

async fn ask_here(address: IpAddr, ports: &[u16]) -> Vec<Asked> {
    ask_with(address, ports, std::future::pending(), &|_| {}).await.ports
}

async fn ask_with(
    address: IpAddr,
    ports: &[u16],
    stop: impl Future<Output = ()>,
    decided: &(dyn Fn(usize) + Sync),
) -> AskedAll {
    let asking = Asking {
        payload: |_| b"\r\n".to_vec(),
        read: |_, _| None,
        tries: 2,
        wait: Duration::from_millis(200),
        patience: Duration::from_secs(2),
        hint: &|| None,
        decided,
    };
    ask(address, &[ports.to_vec()], asking, &fast(), Limits::new(4).permit().await, stop).await.unwrap()
}

fn state(asked: &Asked) -> PortState {
    match &asked.answer {
        Answer::State(fact) => fact.state,
        other => panic!("{other:?}"),
    }
}

/// Sockets that answer, that stay silent, and a port that was free a moment ago.
async fn three(address: IpAddr) -> (UdpSocket, UdpSocket, u16) {
    let bind = || UdpSocket::bind((address, 0));
    let (answers, silent, free) = (bind().await.unwrap(), bind().await.unwrap(), bind().await.unwrap());
    let port = free.local_addr().unwrap().port();
    (answers, silent, port)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn open_silent_and_closed_are_told_apart_over_one_socket() {
    for address in [HERE, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let (answers, silent, free) = three(address).await;
        let ports = [answers.local_addr().unwrap().port(), silent.local_addr().unwrap().port(), free];
        tokio::spawn(async move {
            let mut buffer = [0; 100];
            while let Ok((length, from)) = answers.recv_from(&mut buffer).await {
                let _ = answers.send_to(&buffer[..length], from).await;
            }
        });
        let asked = ask_here(address, &ports).await;
        assert_eq!(asked.iter().map(|one| one.port).collect::<Vec<_>>(), ports);
        assert_eq!(
            asked.iter().map(state).collect::<Vec<_>>(),
            [PortState::Open, PortState::OpenOrFiltered, PortState::Closed]
        );
        assert_eq!((asked[0].tries, asked[2].tries), (1, 1));
        let Answer::State(closed) = &asked[2].answer else { panic!() };
        assert_eq!(closed.sender, Some(address));
        let Answer::State(silent) = &asked[1].answer else { panic!() };
        assert_eq!(silent.reason, PortReason::SilentAmongRefusals { refusals: 1, tries: 3 });
        assert!(asked[1].tries >= 4, "two tries and two more trials: {:?}", asked[1]);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thousand_closed_ports_all_answer_and_no_error_is_taken_for_anothers() {
    let held = UdpSocket::bind((HERE, 0)).await.unwrap();
    let mine = held.local_addr().unwrap().port();
    // Below the range of ephemeral ports, where other tests open sockets; a few may be in use by others all the same.
    let ports: Vec<u16> = (20_000..21_000).chain([mine]).collect();
    let start = Instant::now();
    let asked = ask_here(HERE, &ports).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let closed = asked.iter().filter(|one| state(one) == PortState::Closed).count();
    assert!(closed >= 990, "{closed}");
    assert_eq!(state(asked.last().unwrap()), PortState::OpenOrFiltered);
}

#[tokio::test]
async fn a_strangers_datagram_is_no_answer() {
    let (_answers, silent, _) = three(HERE).await;
    let port = silent.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        let (_, from) = silent.recv_from(&mut buffer).await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        let _ = stranger.send_to(b"hello", from).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let asked = ask_here(HERE, &[port]).await;
    assert_eq!(state(&asked[0]), PortState::OpenOrFiltered);
}

#[tokio::test]
async fn our_own_datagrams_open_no_port() {
    for address in [HERE, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let bind = || UdpSocket::from_std(open(address).unwrap()).unwrap();
        let (one, other, gone) = (bind(), bind(), bind());
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let listener = UdpSocket::bind((address, 0)).await.unwrap();
        // Left in the queue by a socket that is closed by the time it is read.
        gone.send_to(b"late", (address, port(&one))).await.unwrap();
        let mut of_one = batch(address, &[port(&one), port(&other), port(&gone), port(&listener)]);
        let mut of_other = batch(address, &[port(&one)]);
        drop(gone);
        tokio::spawn(async move {
            let (_, from) = listener.recv_from(&mut [0; 100]).await.unwrap();
            listener.send_to(b"hello", from).await.unwrap();
        });
        let pace = fast();
        tokio::join!(run(&mut of_one, &one, &pace), run(&mut of_other, &other, &pace));
        let states: Vec<PortState> = of_one.finish().iter().map(state).collect();
        assert_eq!(states[..2], [PortState::OpenOrFiltered; 2]);
        assert_ne!(states[2], PortState::Open);
        assert_eq!(states[3], PortState::Open, "a stranger on this machine is heard");
        assert_eq!(of_other.finish().iter().map(state).collect::<Vec<_>>(), [PortState::OpenOrFiltered]);
    }
}

#[tokio::test]
async fn a_socket_on_this_machine_keeps_out_of_the_range_it_asks() {
    let ports: Vec<u16> = (1024..=u16::MAX).filter(|port| port % 4 != 0).collect();
    for _ in 0..8 {
        let socket = open_beside(HERE, &ports).unwrap();
        assert_eq!(socket.local_addr().unwrap().port() % 4, 0);
    }
}

fn batch(address: IpAddr, ports: &[u16]) -> Batch {
    let manner = Manner { tries: 1, wait: Duration::from_millis(100), rate: 1000, patience: Duration::from_secs(1) };
    Batch::new(address, ports, &[ports.len()], manner, |_, _| None)
}

async fn run(batch: &mut Batch, socket: &UdpSocket, pace: &Pace) {
    super::run(batch, socket, |_| b"\r\n".to_vec(), &|| None, &|_| {}, pace).await;
}

#[tokio::test]
async fn what_is_known_when_asking_is_stopped_is_kept() {
    let (answers, silent, _) = three(HERE).await;
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    let ports = [port(&answers), port(&silent)];
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        let (length, from) = answers.recv_from(&mut buffer).await.unwrap();
        answers.send_to(&buffer[..length], from).await.unwrap();
    });
    let heard = tokio::sync::Notify::new();
    let decided = |_| heard.notify_one();
    let asked = ask_with(HERE, &ports, heard.notified(), &decided).await;
    assert_eq!(state(&asked.ports[0]), PortState::Open);
    assert_eq!(asked.ports[1].answer, Answer::Unfinished);
}

/// Refusals of other ports are neither sent instead of a datagram nor taken for an answer.
#[tokio::test]
async fn an_exchange_hears_its_address_alone_whatever_is_refused_meanwhile() {
    let (answers, _silent, closed) = three(HERE).await;
    let port = answers.local_addr().unwrap().port();
    tokio::spawn(async move {
        let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        let mut buffer = [0; 100];
        while let Ok((length, from)) = answers.recv_from(&mut buffer).await {
            let _ = stranger.send_to(b"stranger", from).await;
            let _ = answers.send_to(&buffer[..length], from).await;
        }
    });
    let exchange = Exchange::open(HERE).await.unwrap();
    let mut buffer = [0; 100];
    for number in 0..50_u8 {
        exchange.send(b"refused", closed).await.unwrap();
        exchange.send(&[number], port).await.unwrap();
        let heard = loop {
            exchange.arrival().await;
            if let Some(heard) = exchange.try_receive(&mut buffer) {
                break heard;
            }
        };
        assert_eq!((heard, buffer[0]), ((1, port), number));
    }
}

#[test]
fn answers_that_contradict_each_other_make_a_port_unstable() {
    let mut batch = batch(HERE, &[75]);
    batch.port(0).tries = 1;
    let fact = |state| Answer::State(PortFact { state, reason: PortReason::Silence, sender: None });
    batch.settle(75, fact(PortState::Closed));
    batch.settle(75, fact(PortState::Closed));
    assert_eq!(batch.port(0).answer, Some(fact(PortState::Closed)));
    batch.settle(75, fact(PortState::Open));
    let Some(Answer::State(fact)) = &batch.port(0).answer else { panic!() };
    let tries = vec![PortState::Closed, PortState::Open];
    assert_eq!((fact.state, &fact.reason), (PortState::Unstable, &PortReason::Disagreement { tries }));
    batch.settle(76, Answer::NoRoute);
    assert_eq!(batch.course.decided(), 1);
}

/// A process that was not given the processor for a while finds the answers in its queues when the time is over.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_listens_late_still_hears() {
    let (_answers, _silent, free) = three(HERE).await;
    for _ in 0..8 {
        let mut asking = Box::pin(ask_here(HERE, std::slice::from_ref(&free)));
        assert!(futures::poll!(&mut asking).is_pending());
        std::thread::sleep(Duration::from_millis(500));
        let asked = asking.await;
        assert_eq!((state(&asked[0]), asked[0].tries), (PortState::Closed, 1));
    }
}
