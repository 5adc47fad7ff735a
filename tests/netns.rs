//! What a firewall does to our sockets, and what they make of it, in network namespaces of our own.
//!
//! The program as a whole is tried against more of the kind in `perimeter`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may")]

mod support;

use portreeve::model::fact::{PortFact, PortReason, PortState};
use portreeve::model::observation::{Blame, Cause};
use portreeve::net::limits::Limits;
use portreeve::net::pace::{Pace, Rates};
use portreeve::net::tcp::{self, NoConnection};
use portreeve::net::udp::{self, Answer, Asking};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use support::namespaces::usable;
use support::perimeter::{Perimeter, ROUTER};

const TARGETS: [&str; 2] = ["203.0.113.10", "2001:db8:7::10"];
const ROUTERS: [&str; 2] = ["203.0.113.1", "2001:db8:7::1"];

/// The router rejects, each port in its own way; the target rejects 1010 itself; we forbid ourselves 1020.
const ROUTER_RULES: &str = "table inet lab { chain forward { type filter hook forward priority 0;
    tcp dport 1001 drop; udp dport 1001 drop;
    tcp dport 1002 reject with icmpx admin-prohibited; udp dport 1002 reject with icmpx admin-prohibited;
    tcp dport 1003 reject with tcp reset;
    tcp dport 1004 reject with icmpx port-unreachable; udp dport 1004 reject with icmpx port-unreachable;
    tcp dport 1005 reject with icmpx host-unreachable; udp dport 1005 reject with icmpx host-unreachable;
    tcp dport 1006 reject with icmpx no-route; udp dport 1006 reject with icmpx no-route;
    iifname near0 udp dport 40000-41000 drop; }; }";
const TARGET_RULES: &str = "table inet lab { chain input { type filter hook input priority 0;
    tcp dport 1010 reject with icmpx port-unreachable; }; }";
const SCANNER_RULES: &str =
    "table inet lab { chain output { type filter hook output priority 0; udp dport 1020 drop; }; }";

#[test]
fn every_kind_of_refusal_is_told_apart_and_its_sender_named() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    perimeter.router.nft(ROUTER_RULES);
    perimeter.target.nft(TARGET_RULES);
    perimeter.scanner.nft(SCANNER_RULES);
    perimeter.scanner.ip("route add blackhole 192.0.2.64/26");
    for target in TARGETS {
        let address: IpAddr = target.parse().unwrap();
        perimeter.tcp(address, &[2000]);
        perimeter.udp_echo(address, 2000);
        perimeter.udp_silent(address, &[2001]);
    }
    perimeter.scanner.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (index, target) in TARGETS.iter().enumerate() {
                let address: IpAddr = target.parse().unwrap();
                tcp_facts(address, index).await;
                udp_facts(address, index).await;
            }
            own_troubles().await;
            a_thousand_ports().await;
        });
    });
}

fn icmp(state: PortState, v6: bool, kind: u8, code: u8, sender: &str) -> PortFact {
    PortFact { state, reason: PortReason::Icmp { v6, kind, code }, sender: Some(sender.parse().unwrap()) }
}

/// The port, and the fact that is expected of it, over either transport.
fn expected(index: usize) -> Vec<(u16, PortFact)> {
    let v6 = index == 1;
    let (target, router) = (TARGETS[index], ROUTER[index]);
    let rejected = |v4: u8, v6_code: u8| {
        let (kind, code) = if v6 { (1, v6_code) } else { (3, v4) };
        icmp(PortState::Rejected, v6, kind, code, router)
    };
    vec![
        (1002, rejected(13, 1)),
        (1004, rejected(3, 4)),
        (1005, rejected(1, 3)),
        (1006, rejected(0, 0)),
        (1010, icmp(PortState::Closed, v6, if v6 { 1 } else { 3 }, if v6 { 4 } else { 3 }, target)),
    ]
}

async fn connect(address: IpAddr, port: u16, within: Duration) -> Result<(), NoConnection> {
    tcp::connect(SocketAddr::new(address, port), within).await.map(drop)
}

async fn tcp_facts(address: IpAddr, index: usize) {
    let second = Duration::from_secs(1);
    assert_eq!(connect(address, 2000, second).await, Ok(()));
    for (port, fact) in expected(index) {
        assert_eq!(connect(address, port, second).await, Err(NoConnection::NotOpen(fact, second)), "tcp/{port}");
    }
    let plain = |state, reason| Err(NoConnection::NotOpen(PortFact { state, reason, sender: None }, second));
    assert_eq!(connect(address, 1001, second).await, plain(PortState::Filtered, PortReason::Silence));
    assert_eq!(connect(address, 1003, second).await, plain(PortState::Closed, PortReason::Reset), "router's RST");
    assert_eq!(connect(address, 1011, second).await, plain(PortState::Closed, PortReason::Reset), "target's RST");
}

async fn ask(address: IpAddr, ports: &[u16], rates: Rates) -> Vec<udp::Asked> {
    let asking = Asking {
        payload: |_| b"\r\n".to_vec(),
        read: |_, _| None,
        tries: 2,
        wait: Duration::from_millis(500),
        patience: Duration::from_secs(2),
        hint: &|| None,
        decided: &|_| {},
    };
    let (permit, never) = (Limits::new(8).permit().await, std::future::pending());
    udp::ask(address, &[ports.to_vec()], asking, &Pace::new(rates), permit, never).await.unwrap().ports
}

async fn udp_facts(address: IpAddr, index: usize) {
    // 1010 is closed here because nobody listens, which the target says with the same message.
    let expected = expected(index);
    let mut ports: Vec<u16> = expected.iter().map(|(port, _)| *port).collect();
    ports.extend([1001, 2000, 2001]);
    let asked = ask(address, &ports, Rates::default()).await;
    for ((port, fact), asked) in expected.iter().zip(&asked) {
        assert_eq!(asked.answer, Answer::State(fact.clone()), "udp/{port}");
        assert_eq!(asked.tries, 1, "udp/{port}");
    }
    let states: Vec<PortState> = asked[expected.len()..]
        .iter()
        .map(|asked| match &asked.answer {
            Answer::State(fact) => fact.state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [PortState::OpenOrFiltered, PortState::Open, PortState::OpenOrFiltered]);
}

/// What this machine lacks is never an answer of the peer.
async fn own_troubles() {
    for nowhere in ["192.0.2.1", "192.0.2.65", "2001:db8:dead::1"] {
        let address: IpAddr = nowhere.parse().unwrap();
        assert_eq!(connect(address, 80, Duration::from_secs(1)).await, Err(NoConnection::NoRoute), "{nowhere}");
        let asked = ask(address, &[75], Rates::default()).await;
        assert_eq!(asked[0].answer, Answer::NoRoute, "{nowhere}");
    }
    let asked = ask(TARGETS[0].parse().unwrap(), &[1020, 2000], Rates::default()).await;
    let Answer::Failed(failure) = &asked[0].answer else { panic!("{:?}", asked[0]) };
    assert_eq!(failure.blame, Blame::Ourselves);
    assert!(matches!(failure.cause, Cause::Forbidden { .. }), "{failure:?}");
    assert!(matches!(&asked[1].answer, Answer::State(fact) if fact.state == PortState::Open), "{:?}", asked[1]);
    // A neighbour that does not answer ARP: the router says so after about three seconds.
    let (gone, patience) = ("203.0.113.77".parse().unwrap(), Duration::from_secs(6));
    let fact = icmp(PortState::Rejected, false, 3, 1, ROUTER[0]);
    assert_eq!(connect(gone, 80, patience).await, Err(NoConnection::NotOpen(fact, patience)));
    assert_eq!(
        connect(ROUTERS[0].parse().unwrap(), 81, patience).await.map_err(|error| match error {
            NoConnection::NotOpen(fact, _) => fact.reason,
            other => panic!("{other:?}"),
        }),
        Err(PortReason::Reset)
    );
}

async fn a_thousand_ports() {
    let ports: Vec<u16> = (40_000..=41_000).collect();
    let asked = ask(TARGETS[0].parse().unwrap(), &ports, Rates::default()).await;
    // None waits for another: whoever asks one port after the other begins with no second one before the first has its end.
    let end = asked[0].started + asked[0].elapsed;
    let beside = asked.iter().filter(|asked| asked.started < end).count();
    assert!(beside > 50, "{beside} ports were asked while the first was waited for");
    let silent =
        |asked: &udp::Asked| matches!(&asked.answer, Answer::State(fact) if fact.state == PortState::OpenOrFiltered);
    assert!(asked.iter().all(silent));
    assert!(asked.iter().all(|asked| asked.tries == 2));
}
