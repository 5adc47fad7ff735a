//! SYNs of our own against connections: both must say the same of every port, and leave nothing behind.
//!
//! Where namespaces cannot be had the tests say so and pass; with `PORTREEVE_REQUIRE_NAMESPACES=1` they fail.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may")]

#[path = "support/namespaces.rs"]
mod namespaces;

use futures::future::{join, join_all};
use namespaces::{Namespace, usable};
use portreeve::model::fact::{PortFact, PortReason, PortState};
use portreeve::model::observation::{Blame, Cause};
use portreeve::net::knock::Knock;
use portreeve::net::raw::{RawSyn, RawUnavailable};
use portreeve::net::tcp::{self, NoConnection};
use portreeve::wire::segment::{Syn, read_packet};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

const TARGETS: [&str; 2] = ["203.0.113.10", "2001:db8:7::10"];

/// The router rejects, each port in its own way; the target rejects 1010 itself; what we send to 1020 we forbid ourselves.
const ROUTER_RULES: &str = "table inet lab { counter resets { }
    chain forward { type filter hook forward priority 0;
    tcp dport 2002 tcp flags & (syn | ack | rst) == rst counter name resets
    tcp dport 1001 drop
    tcp dport 1002 reject with icmpx admin-prohibited
    tcp dport 1003 reject with tcp reset
    tcp dport 1004 reject with icmpx port-unreachable
    tcp dport 1005 reject with icmpx host-unreachable
    tcp dport 1006 reject with icmpx no-route
    }; }";
const TARGET_RULES: &str = "table inet lab { chain input { type filter hook input priority 0;
    tcp dport 1010 reject with icmpx port-unreachable; };
    chain output { type filter hook output priority 0; meta mark != 7 tcp sport 1030 drop; }; }";

struct Lab {
    scanner: Namespace,
    router: Namespace,
    target: Namespace,
    /// 2000 and 2002 on each address of the target.
    listeners: Vec<TcpListener>,
}

impl Lab {
    fn new() -> Self {
        let [scanner, router, target] = std::array::from_fn(|_| {
            let namespace = Namespace::new().unwrap();
            for (parameter, value) in
                [("ipv6/conf/default/accept_dad", "0"), ("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")]
            {
                namespace.set(parameter, value);
            }
            namespace.ration_icmp(false);
            namespace.ip("link set lo up");
            namespace
        });
        router.ip(&format!("link add near0 type veth peer name scan0 netns {}", scanner.path()));
        router.ip(&format!("link add far0 type veth peer name serv0 netns {}", target.path()));
        let interface = |namespace: &Namespace, link: &str, v4: &str, v6: &str| {
            namespace
                .ip(&format!("addr add {v4}/24 dev {link}\naddr add {v6}/64 dev {link} nodad\nlink set {link} up"));
        };
        interface(&scanner, "scan0", "198.51.100.2", "2001:db8:ff::2");
        interface(&router, "near0", "198.51.100.1", "2001:db8:ff::1");
        interface(&router, "far0", "203.0.113.1", "2001:db8:7::1");
        interface(&target, "serv0", TARGETS[0], TARGETS[1]);
        scanner.ip("route add 203.0.113.0/24 via 198.51.100.1\nroute add 2001:db8:7::/64 via 2001:db8:ff::1
            route add blackhole 192.0.2.64/26\nroute add unreachable 192.0.2.128/26");
        target.ip("route add default via 203.0.113.1\nroute add default via 2001:db8:7::1");
        router.nft(ROUTER_RULES);
        target.nft(TARGET_RULES);
        let listeners = target.inside(|| {
            let ports = TARGETS.iter().flat_map(|target| [(*target, 2000), (*target, 2002)]);
            let listen = |(target, port): (&str, u16)| {
                let listener = TcpListener::bind((address(target), port)).unwrap();
                listener.set_nonblocking(true).unwrap();
                listener
            };
            ports.map(listen).collect()
        });
        Self { scanner, router, target, listeners }
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Runs `work` in a namespace, with a runtime whose threads are all in it.
fn inside<T: Send>(namespace: &Namespace, work: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.inside(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work()))
}

fn fact(state: PortState, reason: PortReason, sender: Option<&str>) -> PortFact {
    PortFact { state, reason, sender: sender.map(address) }
}

fn icmp(state: PortState, kind: u8, code: u8, sender: &str) -> PortFact {
    fact(state, PortReason::Icmp { v6: sender.contains(':'), kind, code }, Some(sender))
}

fn plain(state: PortState, reason: PortReason) -> PortFact {
    fact(state, reason, None)
}

async fn knock(raw: &RawSyn, peer: SocketAddr, within: Duration) -> Result<Knock, NoConnection> {
    raw.knock(peer, tokio::time::Instant::now() + within).await
}

/// What a connection says of a port.
async fn connect(peer: SocketAddr, within: Duration) -> Result<PortFact, NoConnection> {
    tcp::knock(peer, within).await.map(|knock| knock.fact)
}

/// Ports of every kind, and what is to be said of them.
fn expected(v6: bool) -> Vec<(SocketAddr, PortFact)> {
    let (target, router) = if v6 { (TARGETS[1], "2001:db8:ff::1") } else { (TARGETS[0], "198.51.100.1") };
    let rejected = |v4: u8, v6_code: u8| {
        if v6 { icmp(PortState::Rejected, 1, v6_code, router) } else { icmp(PortState::Rejected, 3, v4, router) }
    };
    let (open, closed) =
        (plain(PortState::Open, PortReason::HandshakeCompleted), plain(PortState::Closed, PortReason::Reset));
    let at = |host: &str, port| SocketAddr::new(address(host), port);
    vec![
        (at(target, 2000), open),
        (at(target, 1001), plain(PortState::Filtered, PortReason::Silence)),
        (at(target, 1002), rejected(13, 1)),
        (at(target, 1003), closed.clone()),
        (at(target, 1004), rejected(3, 4)),
        (at(target, 1005), rejected(1, 3)),
        (at(target, 1006), rejected(0, 0)),
        (at(target, 1010), icmp(PortState::Closed, if v6 { 1 } else { 3 }, if v6 { 4 } else { 3 }, target)),
        (at(target, 1011), closed.clone()),
        (at(router, 81), closed.clone()),
        // Ourselves, and loopback.
        (at(if v6 { "2001:db8:ff::2" } else { "198.51.100.2" }, 81), closed.clone()),
        (at(if v6 { "::1" } else { "127.0.0.1" }, 81), closed.clone()),
        // Nobody is there: beyond the router, and beside us, where this machine itself gives up.
        (at(if v6 { "2001:db8:7::77" } else { "203.0.113.77" }, 80), rejected(1, 3)),
        (
            at(if v6 { "2001:db8:ff::77" } else { "198.51.100.77" }, 80),
            if v6 {
                icmp(PortState::Rejected, 1, 3, "2001:db8:ff::2")
            } else {
                icmp(PortState::Rejected, 3, 1, "198.51.100.2")
            },
        ),
    ]
}

#[test]
fn a_knock_says_what_a_connection_says() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    // Longer than a router waits for a neighbour that does not answer.
    let patience = Duration::from_secs(5);
    inside(&lab.scanner, async || {
        let raw = RawSyn::open().unwrap();
        for target in TARGETS {
            assert_eq!(raw.serves(address(target)), Ok(()));
        }
        let expected: Vec<_> = [false, true].into_iter().flat_map(expected).collect();
        let both = |peer| join(knock(&raw, peer, patience), connect(peer, patience));
        let said = join_all(expected.iter().map(|(peer, _)| both(*peer))).await;
        for ((peer, fact), (knock, connection)) in expected.iter().zip(said) {
            let knock = knock.unwrap();
            assert_eq!((&knock.fact, connection.as_ref()), (fact, Ok(fact)), "{peer}");
            let (answered, segment) = match fact.reason {
                PortReason::Silence => (false, false),
                PortReason::Icmp { .. } => (true, false),
                _ => (true, true),
            };
            assert_eq!((knock.round_trip.is_some(), knock.segment.is_some()), (answered, segment), "{peer}");
            if let Some(traits) = knock.segment {
                // One router is between us and the target, and answers itself for port 1003.
                let hops = u8::from(peer.port() != 81 && peer.port() != 1003);
                assert_eq!(traits.ttl, 64 - hops, "{peer}");
                assert_eq!(traits.window == 0, fact.state == PortState::Closed, "{peer}: {traits:?}");
            }
        }
        for nowhere in ["192.0.2.1", "192.0.2.65", "192.0.2.129", "2001:db8:dead::1", "224.0.0.5"] {
            let peer = SocketAddr::new(address(nowhere), 80);
            let (knock, connection) = both(peer).await;
            assert_eq!(
                (knock.map(|knock| knock.fact), connection),
                (Err(NoConnection::NoRoute), Err(NoConnection::NoRoute)),
                "{nowhere}"
            );
        }
        assert_eq!(raw.overflowed(), 0);
    });
}

#[test]
fn an_open_port_is_left_as_it_was() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    // As many as one port bears at a time, several times.
    let (knocks, times) = (8, 10);
    inside(&lab.scanner, async || {
        let raw = RawSyn::open().unwrap();
        for target in TARGETS {
            let peer = SocketAddr::new(address(target), 2002);
            for _ in 0..times {
                for knock in join_all((0..knocks).map(|_| knock(&raw, peer, Duration::from_secs(5)))).await {
                    assert_eq!(knock.unwrap().fact.state, PortState::Open);
                }
            }
        }
    });
    let resets = || {
        let list = || Command::new("nft").args(["list", "counter", "inet", "lab", "resets"]).output().unwrap();
        let output = lab.router.inside(list);
        let text = String::from_utf8(output.stdout).unwrap();
        let count = text.split("packets ").nth(1).unwrap().split_whitespace().next().unwrap();
        count.parse::<usize>().unwrap()
    };
    eventually("a RST for every SYN-ACK", || resets() == 2 * knocks * times);
    // 0x01 is an established connection, 0x03 a half-open one (include/net/tcp_states.h of Linux); 2002 is 0x07D2.
    let left = || {
        let tables = lab.target.inside(|| {
            ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap())
        });
        let half = |line: &&str| line.contains(":07D2 ") && (line.contains(" 01 ") || line.contains(" 03 "));
        tables.iter().flat_map(|table| table.lines()).filter(half).count()
    };
    eventually("no half-open connection", || left() == 0);
    for listener in &lab.listeners {
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody was accepted");
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the system's queue has no room for is sent later, and never taken for silence.
#[test]
fn a_full_queue_is_waited_for() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    // Both slow; the first drops what does not fit into some tens of packets, the second holds more than a socket may send.
    for queue in ["tbf rate 4mbit burst 3kb limit 3kb", "tbf rate 4mbit burst 3kb limit 10mb"] {
        lab.scanner.inside(|| {
            let arguments = format!("qdisc replace dev scan0 root {queue}");
            assert!(Command::new("tc").args(arguments.split(' ')).status().unwrap().success(), "{queue}");
        });
        inside(&lab.scanner, async || {
            let raw = RawSyn::open().unwrap();
            for target in TARGETS {
                // What waits for the router's hardware address is queued elsewhere.
                knock(&raw, SocketAddr::new(address(target), 2000), Duration::from_secs(10)).await.unwrap();
                let ports = (3000..4000).map(|port| SocketAddr::new(address(target), port));
                let knocks = join_all(ports.map(|peer| knock(&raw, peer, Duration::from_secs(10)))).await;
                for knock in knocks {
                    assert_eq!(knock.unwrap().fact, plain(PortState::Closed, PortReason::Reset), "{queue}");
                }
            }
        });
    }
}

/// A process that was not given the processor for a while finds the answers in its queue when the time is over.
#[test]
fn who_listens_late_still_hears() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    inside(&lab.scanner, async || {
        let raw = RawSyn::open().unwrap();
        for target in TARGETS {
            knock(&raw, SocketAddr::new(address(target), 2000), Duration::from_secs(10)).await.unwrap();
            let patience = Duration::from_millis(100);
            let ports = (3000..5000).map(|port| SocketAddr::new(address(target), port));
            let mut knocks = Box::pin(join_all(ports.map(|peer| knock(&raw, peer, patience))));
            assert!(futures::poll!(&mut knocks).is_pending());
            std::thread::sleep(2 * patience);
            for knock in knocks.await {
                assert_eq!(knock.unwrap().fact, plain(PortState::Closed, PortReason::Reset), "{target}");
            }
            assert_eq!(raw.overflowed(), 0);
        }
    });
}

#[test]
fn what_this_machine_forbids_is_no_silence() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    lab.scanner.nft("table inet own { chain output { type filter hook output priority 0; tcp dport 1020 drop; }; }");
    inside(&lab.scanner, async || {
        let raw = RawSyn::open().unwrap();
        for target in TARGETS {
            let peer = SocketAddr::new(address(target), 1020);
            let Err(NoConnection::Failed(failure)) = knock(&raw, peer, Duration::from_secs(1)).await else {
                panic!("an answer")
            };
            assert_eq!(failure.blame, Blame::Ourselves);
            assert!(matches!(failure.cause, Cause::Forbidden { .. }), "{failure:?}");
        }
    });
}

/// A packet filter that keeps answers away would make everything "filtered".
#[test]
fn who_cannot_hear_says_so() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    lab.scanner.nft("table ip own { chain input { type filter hook input priority 0; tcp flags rst drop; }; }");
    inside(&lab.scanner, async || {
        let raw = RawSyn::open().unwrap();
        assert_eq!(raw.serves(address(TARGETS[0])), Err(RawUnavailable::Deaf));
        assert_eq!(raw.serves(address(TARGETS[1])), Ok(()));
        let peer = SocketAddr::new(address(TARGETS[0]), 2000);
        let Err(NoConnection::Failed(failure)) = knock(&raw, peer, Duration::from_secs(1)).await else {
            panic!("an answer")
        };
        assert_eq!(failure.blame, Blame::Ourselves);
    });
    lab.scanner.nft("table ip6 own { chain input { type filter hook input priority 0; tcp flags rst drop; }; }");
    inside(&lab.scanner, async || assert_eq!(RawSyn::open().unwrap_err(), RawUnavailable::Deaf));
}

#[test]
fn who_may_not_is_told_what_is_missing() {
    if !usable() {
        return;
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "without_the_capability", "--ignored", "--nocapture"]).env("PORTREEVE_LAB", "1");
    match command.output() {
        Ok(output) => {
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // A filter that fits no test succeeds too.
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(error) => eprintln!("SKIPPED: `setpriv` is needed: {error}"),
    }
}

#[tokio::test]
#[ignore = "runs without a capability, started by the other test"]
async fn without_the_capability() {
    if std::env::var_os("PORTREEVE_LAB").is_some() {
        let unavailable = RawSyn::open().unwrap_err();
        assert_eq!(unavailable, RawUnavailable::Forbidden);
        assert!(unavailable.to_string().contains("setcap cap_net_raw+ep"), "{unavailable}");
    }
}

/// Somebody who sees our SYN may answer what he likes; somebody who does not cannot answer at all.
#[test]
fn a_forged_answer_counts_for_nothing() {
    if !usable() {
        return;
    }
    let lab = Lab::new();
    let pause = Duration::from_millis(300);
    std::thread::scope(|scope| {
        let forger = lab.target.inside(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // By this the target's packet filter tells him from the target.
            socket.set_mark(7).unwrap();
            socket
        });
        scope.spawn(move || forge(&forger, pause));
        inside(&lab.scanner, async || {
            let raw = RawSyn::open().unwrap();
            let knock = knock(&raw, SocketAddr::new(address(TARGETS[0]), 1030), Duration::from_secs(10)).await.unwrap();
            assert_eq!(knock.fact, plain(PortState::Open, PortReason::HandshakeCompleted));
            assert!(knock.round_trip.unwrap() >= pause, "a forged answer was believed");
        });
    });
}

/// Answers a SYN to port 1030: wrongly in many ways, and at last rightly.
fn forge(mut socket: &Socket, pause: Duration) {
    let mut buffer = [0; 200];
    let syn = loop {
        let length = socket.read(&mut buffer).unwrap();
        let packet = read_packet(&buffer[..length]).done().unwrap();
        if packet.segment.destination_port == 1030 {
            break packet.segment;
        }
    };
    let (from, to) = ("203.0.113.10:1030".parse().unwrap(), SocketAddr::from(([198, 51, 100, 2], syn.source_port)));
    let send = |control: u8, acknowledged: u32, to: SocketAddr| {
        // A SYN of the same form, with another control byte and acknowledgement, and its checksum brought up to date.
        let mut segment = Syn { from, to, sequence: 77, clock: 0 }.packet().split_off(20);
        segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        segment[13] = control;
        let before = u64::from(!u16::from_be_bytes([segment[16], segment[17]]));
        let mut sum =
            before + u64::from(control) - 2 + u64::from(acknowledged >> 16) + u64::from(acknowledged & 0xffff);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        segment[16..18].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
        socket.send_to(&segment, &SocketAddr::new(to.ip(), 0).into()).unwrap();
    };
    let (syn_ack, rst, rst_ack) = (0x12, 0x04, 0x14);
    let right = syn.sequence.wrapping_add(1);
    for wrong in [syn.sequence, right.wrapping_add(1), 0, right ^ 0x8000_0000] {
        send(syn_ack, wrong, to);
        send(rst_ack, wrong, to);
    }
    send(rst, right, to);
    send(syn_ack, right, SocketAddr::new(to.ip(), to.port() ^ 1));
    std::thread::sleep(pause);
    send(syn_ack, right, to);
}
