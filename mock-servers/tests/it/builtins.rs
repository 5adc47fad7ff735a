//! The servers that come with the crate.

use std::io::ErrorKind;

use mock_servers::{Authority, Builtin, Description, Running, Transport, start};
use tokio::net::{TcpStream, UdpSocket};

use crate::support::{LOCALHOST, talk};

async fn builtin(which: Builtin) -> Running {
    start(&Description::builtin(which), &Authority::new().unwrap(), LOCALHOST).await.unwrap()
}

async fn is_open(running: &Running, port: u16) -> bool {
    match TcpStream::connect(running.socket(Transport::Tcp, port).unwrap()).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            false
        }
    }
}

async fn open_tcp(running: &Running) -> Vec<u16> {
    let mut open = Vec::new();
    for mapping in running.ports().iter().filter(|mapping| mapping.transport == Transport::Tcp) {
        for logical in mapping.logical.clone() {
            if is_open(running, logical).await {
                open.push(logical);
            }
        }
    }
    open.sort_unstable();
    open
}

#[tokio::test]
async fn all_builtins_run_side_by_side() {
    let mut running = Vec::new();
    for which in Builtin::ALL {
        running.push(builtin(which).await);
        assert_eq!(running.last().unwrap().name(), which.name());
    }
    let mut actual: Vec<_> = running
        .iter()
        .flat_map(Running::ports)
        .flat_map(|map| map.logical.clone().map(|port| (map.transport, map.actual + (port - map.logical.start()))))
        .collect();
    let all = actual.len();
    actual.sort_unstable();
    actual.dedup();
    assert_eq!(actual.len(), all, "no two faces share an actual port");
}

#[tokio::test]
async fn the_hardened_server_opens_two_tcp_ports() {
    let running = builtin(Builtin::AutomateHardened).await;
    assert_eq!(open_tcp(&running).await, [443, 8484]);
    for logical in (70..=74).chain([8002]).chain(40000..=41000) {
        let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
        socket.connect(running.socket(Transport::Udp, logical).unwrap()).await.unwrap();
        socket.send(b"x").await.unwrap();
        let refused = socket.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn the_careless_server_opens_nearly_everything() {
    let running = builtin(Builtin::AutomateCareless).await;
    let expected: Vec<u16> =
        [70, 80, 135, 139, 443, 445, 3306, 3389, 8002, 8172, 12413, 33060].into_iter().chain(40000..=40010).collect();
    assert_eq!(open_tcp(&running).await, expected);
    let page = talk(
        running.socket(Transport::Tcp, 80).unwrap(),
        b"GET /LabTech/Agent.aspx HTTP/1.1\r\nHost: careless\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(page.ends_with(b"\r\n\r\n||||||220.105"));
    assert_eq!(running.requests()[0].line, "GET /LabTech/Agent.aspx HTTP/1.1");
    assert_eq!(running.requests()[0].port, 80);
}

#[tokio::test]
async fn the_other_two_share_their_ports() {
    for which in [Builtin::ScreenConnect, Builtin::EndpointCentral] {
        assert_eq!(open_tcp(&builtin(which).await).await, [8040, 8041]);
    }
}
