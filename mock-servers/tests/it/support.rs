//! What the tests share: starting a face, talking to it, and calling programs that may not be installed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mock_servers::{Authority, Description, Running, Transport, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for a busy machine; reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long silence is listened to before it counts as such.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Starts a server from faces in TOML.
pub(crate) async fn serve(faces: &str) -> Running {
    serve_with(&Authority::new().unwrap(), faces).await
}

/// Starts a server whose certificates come from a known authority.
pub(crate) async fn serve_with(authority: &Authority, faces: &str) -> Running {
    let text = format!("name = \"test\"\nhost = \"rmm.example\"\n{faces}");
    let description = Description::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    start(&description, authority, LOCALHOST).await.unwrap()
}

/// Starts one TCP face on logical port 1, given what stands after `kind`.
pub(crate) async fn face(kind: &str) -> (Running, SocketAddr) {
    let running = serve(&format!("[[face]]\nport = \"tcp/1\"\nkind{kind}\n")).await;
    let address = running.socket(Transport::Tcp, 1).unwrap();
    (running, address)
}

/// Connects, sends, and reads until the server ends the connection.
pub(crate) async fn talk(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server ends the connection").unwrap();
    answer
}

/// Connects, sends, and reads so many bytes; the connection goes on.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8], count: usize) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let answer = read_exactly(&mut stream, count).await;
    (stream, answer)
}

pub(crate) async fn read_exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut answer = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("the server answers").unwrap();
    answer
}

/// Nothing comes, and the connection stays.
pub(crate) async fn assert_silent(stream: &mut TcpStream) {
    assert!(timeout(SILENCE, stream.read_u8()).await.is_err(), "the server said something or left");
}

/// The connection ends with RST.
pub(crate) async fn assert_reset(address: SocketAddr, request: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let ended = async {
        stream.write_all(request).await?;
        stream.read_to_end(&mut answer).await
    };
    let error = timeout(PATIENCE, ended).await.expect("the server ends the connection").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(answer, b"");
}

/// Runs a program with no input; `None`, and a line that says so, if it is not installed.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Option<Output> {
    let run = || Command::new(name).args(arguments).stdin(Stdio::null()).output();
    match tokio::task::block_in_place(run) {
        Ok(output) => Some(output),
        Err(error) => {
            println!("SKIPPED: cannot run {name}: {error}");
            None
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
