//! States of ports, and the bookkeeping.

use std::io::ErrorKind;
use std::net::Ipv6Addr;

use mock_servers::{Authority, Builtin, Description, StartError, Transport, start};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::support::{LOCALHOST, PATIENCE, SILENCE, assert_reset, assert_silent, exchange, face, serve, talk};

#[tokio::test]
async fn a_closed_tcp_port_refuses_and_cannot_be_taken() {
    let running = serve("[[face]]\nport = \"tcp/40000-40050\"\nkind = \"closed\"").await;
    let first = running.actual(Transport::Tcp, 40000).unwrap();
    for offset in 0..=50 {
        assert_eq!(running.actual(Transport::Tcp, 40000 + offset), Some(first + offset));
        let address = (LOCALHOST, first + offset);
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
    assert_eq!(running.actual(Transport::Tcp, 40051), None);
    assert_eq!(running.actual(Transport::Udp, 40000), None);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_filtered_port_answers_nothing() {
    let (running, address) = face(" = \"filtered\"").await;
    for _ in 0..3 {
        assert!(timeout(SILENCE, TcpStream::connect(address)).await.is_err());
    }
    running.stop().await;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn udp_ports_echo_stay_silent_or_refuse() {
    let running = serve(
        "[[face]]\nport = \"udp/1-3\"\nkind = \"echo-udp\"\n[[face]]\nport = \"udp/75\"\nkind = \"silent-udp\"\n\
         [[face]]\nport = \"udp/40000-41000\"\nkind = \"closed\"",
    )
    .await;
    let mut buffer = [0; 16];
    let ask = async |logical| {
        let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
        socket.connect(running.socket(Transport::Udp, logical).unwrap()).await.unwrap();
        socket.send(b"anyone?").await.unwrap();
        socket
    };
    for logical in 1..=3 {
        let length = timeout(PATIENCE, ask(logical).await.recv(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer[..length], b"anyone?");
        assert_eq!(running.connections(Transport::Udp, logical), 1);
    }
    assert!(timeout(SILENCE, ask(75).await.recv(&mut buffer)).await.is_err());
    assert_eq!(running.connections(Transport::Udp, 75), 1);
    for logical in [40000, 40500, 41000] {
        let refused = timeout(PATIENCE, ask(logical).await.recv(&mut buffer)).await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn connections_end_as_the_face_says() {
    let (running, address) = face(" = \"close\"").await;
    assert_eq!(talk(address, b"hello\r\n").await, b"");
    assert_eq!(talk(address, b"").await, b"");
    assert_eq!(running.connections(Transport::Tcp, 1), 2);

    let (_running, address) = face(" = \"reset\"").await;
    assert_reset(address, b"").await;

    let (_running, address) = face(" = \"hang\"").await;
    let (mut stream, _) = exchange(address, b"hello\r\n", 0).await;
    assert_silent(&mut stream).await;
}

#[tokio::test]
async fn banner_flood_and_drip_speak_first() {
    let (_running, address) = face(".banner = { text = \"220 ready\\r\\n\", hex = \"00 ff\" }").await;
    let (_stream, answer) = exchange(address, b"", 13).await;
    assert_eq!(answer, b"220 ready\r\n\x00\xff");

    let (_running, address) = face(" = \"flood\"").await;
    exchange(address, b"", 4 << 20).await;

    let (_running, address) = face(" = \"drip\"").await;
    let (mut stream, answer) = exchange(address, b"", 1).await;
    assert_eq!(answer, b".");
    assert_silent(&mut stream).await;
}

#[tokio::test]
async fn a_stopped_server_leaves_nothing_open() {
    let (running, address) = face(" = \"hang\"").await;
    let (mut stream, _) = exchange(address, b"", 0).await;
    // The connection is being served once it is counted.
    while running.connections(Transport::Tcp, 1) == 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert!(!matches!(timeout(PATIENCE, stream.read_u8()).await, Err(_) | Ok(Ok(_))));
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let description = Description::builtin(Builtin::ScreenConnect);
    let authority = Authority::new().unwrap();
    for address in ["0.0.0.0", "::", "192.0.2.1"] {
        let refused = start(&description, &authority, address.parse().unwrap()).await;
        assert!(matches!(refused, Err(StartError::NotLoopback(_))));
    }
}

#[tokio::test]
async fn ipv6_loopback_works_where_the_system_has_it() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        println!("SKIPPED: no IPv6 loopback");
        return;
    }
    let description = Description::builtin(Builtin::AutomateHardened);
    let running = start(&description, &Authority::new().unwrap(), Ipv6Addr::LOCALHOST.into()).await.unwrap();
    assert!(TcpStream::connect(running.socket(Transport::Tcp, 443).unwrap()).await.is_ok());
}
