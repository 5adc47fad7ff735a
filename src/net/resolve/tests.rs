//! Against a DNS server of our own on loopback.

use super::*;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{RData, Record};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Answers by the name's first label; `silent` gets no answer.
async fn serve(socket: UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let question = Message::from_vec(&buffer[..length]).unwrap();
        let query = question.queries[0].clone();
        let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
        answer.add_query(query.clone());
        let name = query.name().clone();
        let v4 = |a, b, c, d| Record::from_rdata(name.clone(), 60, RData::A(A::new(a, b, c, d)));
        let v6 =
            |last| Record::from_rdata(name.clone(), 60, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)));
        let label = String::from_utf8_lossy(name.iter().next().unwrap()).to_lowercase();
        let code = match (label.as_str(), query.query_type()) {
            ("silent", _) => continue,
            ("missing", _) => ResponseCode::NXDomain,
            ("broken", _) | ("half", RecordType::AAAA) => ResponseCode::ServFail,
            ("both" | "half", RecordType::A) => {
                answer.add_answer(v4(203, 0, 113, 9)).add_answer(v4(203, 0, 113, 1)).add_answer(v4(203, 0, 113, 9));
                ResponseCode::NoError
            }
            ("both", RecordType::AAAA) => {
                answer.add_answer(v6(7));
                ResponseCode::NoError
            }
            ("sinkhole", RecordType::A) => {
                answer.add_answer(v4(0, 0, 0, 0));
                ResponseCode::NoError
            }
            _ => ResponseCode::NoError,
        };
        answer.metadata.response_code = code;
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}

async fn resolver(hosts: &str) -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server: SocketAddr = socket.local_addr().unwrap();
    tokio::spawn(serve(socket));
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
    let config = ResolverConfig::from_parts(None, vec![], servers);
    let dns = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    let mut file = Hosts::default();
    file.read_hosts_conf(hosts.as_bytes()).unwrap();
    Resolver { hosts: file, dns: dns.map_err(|error| error.to_string()), within: Duration::from_millis(700) }
}

fn host(name: &str) -> Host {
    Host::Name(name.to_owned())
}

#[tokio::test]
async fn every_address_once_and_ipv4_first() {
    let resolved = resolver("").await.resolve(&host("both.example.com")).await.unwrap();
    let expected = ["203.0.113.1", "203.0.113.9", "2001:db8::7"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(resolved, Resolved { addresses: expected.to_vec(), incomplete: None });
}

#[tokio::test]
async fn a_family_that_could_not_be_asked_is_named() {
    let resolved = resolver("").await.resolve(&host("half.example.com")).await.unwrap();
    assert_eq!(resolved.addresses.len(), 2);
    assert!(matches!(resolved.incomplete, Some(ResolveError::ServerFailure { .. })), "{resolved:?}");
}

#[tokio::test]
async fn every_failure_is_told_apart() {
    let resolver = resolver("").await;
    let error = |name| {
        let host = host(name);
        let resolver = &resolver;
        async move { resolver.resolve(&host).await.unwrap_err() }
    };
    assert!(matches!(error("missing.example.com").await, ResolveError::NoSuchName { .. }));
    assert!(matches!(error("empty.example.com").await, ResolveError::NoAddress { .. }));
    assert!(matches!(error("broken.example.com").await, ResolveError::ServerFailure { .. }));
    assert!(matches!(error("silent.example.com").await, ResolveError::TimedOut { .. }));
    assert!(matches!(error("sinkhole.example.com").await, ResolveError::Unusable { .. }));
    assert!(matches!(error(&"x".repeat(70)).await, ResolveError::BadName { .. }));
}

#[test]
fn a_server_that_cannot_be_reached_is_no_matter_of_the_name() {
    let error = |error: &NetError| explain("both.example.com", error, Duration::from_secs(1)).unwrap_err();
    let unreachable = std::io::Error::from(std::io::ErrorKind::NetworkUnreachable);
    for error in [error(&NetError::NoConnections), error(&unreachable.into())] {
        assert!(matches!(error, ResolveError::NoServer { .. }), "{error:?}");
        assert!(error.to_string().starts_with("no DNS server could be reached from this machine"), "{error}");
        assert_eq!(error.blame(), Blame::Path);
    }
    let exhausted = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    assert!(matches!(error(&exhausted.into()), ResolveError::ServerFailure { .. }));
}

#[tokio::test]
async fn the_hosts_file_wins_and_needs_no_dns() {
    let mut resolver = resolver("203.0.113.5 both.example.com\n").await;
    resolver.dns = Err("none".to_owned());
    let fixed = resolver.resolve(&host("both.example.com")).await.unwrap();
    assert_eq!(fixed.addresses, ["203.0.113.5".parse::<IpAddr>().unwrap()]);
    let local = resolver.resolve(&host("localhost")).await.unwrap();
    assert_eq!(local.addresses.len(), 2);
    let error = resolver.resolve(&host("other.example.com")).await.unwrap_err();
    assert!(matches!(error, ResolveError::NoConfiguration { .. }));
    assert_eq!(error.blame(), Blame::Ourselves);
}
