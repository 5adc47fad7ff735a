use super::proof::Landing;
use super::*;
use crate::model::fact::Fact;
use crate::model::ports::Ports;
use crate::model::witness::{Proof, WitnessFact};
use crate::net::dial::Dialer;
use crate::net::limits::Limits;
use crate::net::pace::Rates;
use crate::net::trust::TrustStore;
use crate::probe::Timing;
use crate::wire::witness::new_key_text;
use crate::witness::{Held, Terms, hold, now_ms, run};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn key() -> Key {
    let random = std::array::from_fn(|place| u8::try_from(place).unwrap().wrapping_mul(31).wrapping_add(5));
    Key::from_text(&new_key_text(random)).unwrap()
}

/// A free port of this transport, held.
fn holding(transport: Transport) -> (u16, Held) {
    (0..50)
        .find_map(|_| {
            let port = match transport {
                Transport::Tcp => TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port(),
                Transport::Udp => UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap().port(),
            };
            let held = hold(&[Ports::one(transport, port).unwrap()], &[HERE], 8);
            (!held.is_empty()).then_some((port, held))
        })
        .unwrap()
}

/// What an inquest about the port of a witness with this clock brings.
async fn ask(transport: Transport, clock: fn() -> u64) -> Proofs {
    let (port, held) = holding(transport);
    let (stop, stopped) = watch::channel(false);
    let (notices, _kept) = mpsc::channel(8);
    let terms = Terms { key: key(), lasts: Duration::from_mins(1), log: None, clock };
    let witness = tokio::spawn(run(held, terms, stopped, notices));
    let fast = Duration::from_millis(300);
    let timing = Timing { first_byte: fast, exchange: fast, udp_wait: fast, ..Timing::default() };
    let dialer = Dialer::new(Limits::new(16), Rates::default());
    let asker = Asker::new(dialer, timing, TrustStore::load(None).unwrap(), Instant::now());
    let settings = WitnessSettings { addresses: vec![HERE], key: key(), log: None, all_ports: true };
    let asked = AskedPort { transport, number: port, open: transport == Transport::Tcp, speaks: false, refused: false };
    let peer = Peer { address: HERE, name: None };
    let mut inquest = Inquest::new(&asker, &peer, &settings, &[asked]).unwrap();
    inquest.run(|_| panic!("no log is waited for")).await;
    let proofs = inquest.finish(None);
    stop.send(true).unwrap();
    witness.await.unwrap().unwrap();
    proofs
}

fn fact(proofs: &Proofs) -> &WitnessFact {
    match proofs.outcomes[0].2.attempt.fact() {
        Some(Fact::Witness(fact)) => fact,
        _ => panic!("{proofs:?}"),
    }
}

fn two_hours_late() -> u64 {
    now_ms() - 7_200_000
}

#[tokio::test]
async fn over_tcp_a_wrong_clock_is_told_and_allowed_for() {
    let proofs = ask(Transport::Tcp, two_hours_late).await;
    let WitnessFact { proof, sent, arrived, answered, .. } = fact(&proofs);
    assert_eq!((proof, sent, arrived, answered), (&Proof::Passed, &1, &1, &1));
    assert!(proofs.reached && proofs.trouble.is_none());
}

/// A datagram of another time may be an old one that somebody sends again, so a witness does not answer it, not even with
/// its time; the scanner says what it may be.
#[tokio::test]
async fn over_udp_a_wrong_clock_is_among_the_reasons_for_silence() {
    let proofs = ask(Transport::Udp, two_hours_late).await;
    assert!(!proofs.reached);
    let trouble = proofs.trouble.unwrap();
    assert!(
        trouble.contains("its clock is within 5 minutes of this one's") && trouble.contains("--witness-log"),
        "{trouble}"
    );
    assert!(matches!(proofs.outcomes[0].2.attempt, Attempt::Failed { .. }));
    assert_eq!(
        *fact(&ask(Transport::Udp, now_ms).await),
        WitnessFact {
            proof: Proof::Passed,
            sent: 1,
            arrived: 1,
            answered: 1,
            source: Some(HERE),
            destination: Some(HERE).filter(|_| cfg!(any(target_os = "linux", target_os = "android"))),
            told_by: crate::model::witness::ToldBy::Confirmation,
        }
    );
}

#[tokio::test]
async fn what_was_proved_before_an_interrupt_is_kept() {
    let dialer = Dialer::new(Limits::new(16), Rates::default());
    let asker = Asker::new(dialer, Timing::default(), TrustStore::load(None).unwrap(), Instant::now());
    let settings = WitnessSettings { addresses: vec![HERE], key: key(), log: None, all_ports: true };
    let asked = [70, 71].map(|number| AskedPort {
        transport: Transport::Udp,
        number,
        open: false,
        speaks: false,
        refused: false,
    });
    let peer = Peer { address: HERE, name: None };
    let mut inquest = Inquest::new(&asker, &peer, &settings, &asked).unwrap();
    let landing = Landing { port: 70, source: (HERE, 4000).into(), here: None };
    inquest.ports[0].evidence.confirmed.insert(Nonce([1; 8]), landing);
    inquest.ports[0].evidence.sent.push(Nonce([1; 8]));
    let proofs = inquest.finish(Some(Skip::Interrupted));
    assert_eq!(fact(&proofs).proof, Proof::Passed);
    assert_eq!(proofs.outcomes[1].2.attempt, Attempt::Skipped { skip: Skip::Interrupted });
    assert_eq!(proofs.trouble, None);
}
