//! TLS faces: real handshakes by rustls, hand-made hellos, and `openssl` and `curl` as strangers.

use std::net::SocketAddr;
use std::sync::Arc;

use mock_servers::{Authority, Running, Transport};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{assert_reset, assert_silent, exchange, program, read_exactly, serve_with, talk, text};

const RSA_SUITES: &[u16] = &[0xc014, 0xc013, 0x0035, 0x002f, 0x000a, 0x00ff];

struct Server {
    authority: Authority,
    running: Running,
    address: SocketAddr,
}

async fn https(tls: &str) -> Server {
    let authority = Authority::new().unwrap();
    let faces = format!("[[face]]\nport = \"tcp/443\"\nkind.http = {{ product.iis = {{}}, tls = {{ {tls} }} }}\n");
    let running = serve_with(&authority, &faces).await;
    let address = running.socket(Transport::Tcp, 443).unwrap();
    Server { authority, running, address }
}

fn client(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca_der()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connect(server: &Server, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    client(&server.authority, rustls::ALL_VERSIONS).connect(ServerName::try_from(name).unwrap(), stream).await
}

fn hello(version: u16, suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([9; 32]);
    body.push(0);
    body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    if !extensions.is_empty() {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let record = (u16::try_from(body.len()).unwrap() + 4).to_be_bytes();
    [&[22, 3, 1, record[0], record[1], 1, 0, length[0], length[1]], body.as_slice()].concat()
}

/// Reads one record and gives its type, version and payload.
async fn record(stream: &mut TcpStream) -> (u8, u16, Vec<u8>) {
    let header = read_exactly(stream, 5).await;
    let payload = read_exactly(stream, usize::from(u16::from_be_bytes([header[3], header[4]]))).await;
    (header[0], u16::from_be_bytes([header[1], header[2]]), payload)
}

#[tokio::test]
async fn modern_versions_really_work() {
    for key in ["rsa", "ecdsa"] {
        let server = https(&format!("key = \"{key}\"")).await;
        let mut stream = connect(&server, "rmm.example").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("IIS Windows Server"));
        let server = https(&format!("key = \"{key}\", \"tls1.3\" = \"rst\"")).await;
        let stream = connect(&server, "127.0.0.1").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    }
}

#[tokio::test]
async fn each_kind_of_certificate_fails_in_its_own_way() {
    let failure = async |kind: &str| {
        let server = https(&format!("certificate = \"{kind}\"")).await;
        let error = connect(&server, "rmm.example").await.unwrap_err();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(error)) => error.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failure("self-signed").await, CertificateError::UnknownIssuer);
    assert_eq!(failure("unknown-authority").await, CertificateError::UnknownIssuer);
    assert!(matches!(failure("expired").await, CertificateError::ExpiredContext { .. }));
    assert!(matches!(failure("not-yet-valid").await, CertificateError::NotValidYetContext { .. }));
    assert!(matches!(failure("wrong-name").await, CertificateError::NotValidForNameContext { .. }));
}

#[tokio::test]
async fn old_versions_are_answered_with_a_whole_flight() {
    for (name, version) in [("ssl3", 0x0300_u16), ("tls1.0", 0x0301), ("tls1.1", 0x0302)] {
        let server = https(&format!("\"{name}\" = \"accept\"")).await;
        let (mut stream, _) = exchange(server.address, &hello(version, RSA_SUITES, &[]), 0).await;
        let (kind, answered, payload) = record(&mut stream).await;
        assert_eq!((kind, answered), (22, version));
        let kinds = message_kinds(&payload);
        assert_eq!(kinds, [2, 11, 14]);
        assert_eq!(payload[4..6], version.to_be_bytes());
        assert_eq!(payload[4 + 2 + 32 + 1 + 32..][..3], [0, 0x35, 0]);
        assert_silent(&mut stream).await;
        stream.write_all(&[22, 3, 1, 0, 4, 16, 0, 0, 0]).await.unwrap();
        assert_eq!(record(&mut stream).await, (21, version, vec![2, 40]));
    }
}

fn message_kinds(mut payload: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [kind, a, b, c, rest @ ..] = payload {
        kinds.push(*kind);
        payload = &rest[usize::from(*a) * 65536 + usize::from(*b) * 256 + usize::from(*c)..];
    }
    kinds
}

#[tokio::test]
async fn elliptic_curves_bring_a_key_exchange_message() {
    let server = https("\"tls1.0\" = \"accept\", legacy-suites = [0xc014]").await;
    let (mut stream, _) = exchange(server.address, &hello(0x0301, RSA_SUITES, &[]), 0).await;
    assert_eq!(message_kinds(&record(&mut stream).await.2), [2, 11, 12, 14]);
}

#[tokio::test]
async fn refusals_are_the_chosen_ones() {
    let old = hello(0x0301, RSA_SUITES, &[]);
    let server = https("").await;
    assert_reset(server.address, &old).await;
    let server = https("\"tls1.0\" = \"fin\"").await;
    assert_eq!(talk(server.address, &old).await, b"");
    let server = https("\"tls1.0\" = { alert = 70 }").await;
    assert_eq!(talk(server.address, &old).await, [21, 3, 1, 0, 2, 2, 70]);
    let server = https("\"tls1.0\" = \"silence\"").await;
    assert_silent(&mut exchange(server.address, &old, 0).await.0).await;
    assert_eq!(server.running.connections(Transport::Tcp, 443), 1);
}

#[tokio::test]
async fn a_server_name_can_be_required() {
    let server = https("sni-required = \"rst\"").await;
    assert!(connect(&server, "rmm.example").await.is_ok());
    // An address is never sent as a name.
    assert!(connect(&server, "127.0.0.1").await.is_err());
}

#[tokio::test]
async fn a_1_3_hello_can_meet_a_server_that_knows_no_1_3() {
    let server = https("\"tls1.3\" = \"rst\", ignore-supported-versions = true").await;
    let request = hello(0x0303, &[0x1301, 0x002f], &[0, 43, 0, 3, 2, 3, 4]);
    let (mut stream, _) = exchange(server.address, &request, 0).await;
    let (kind, version, payload) = record(&mut stream).await;
    assert_eq!((kind, version, &payload[4..6]), (22, 0x0303, [3, 3].as_slice()));
    let server = https("\"tls1.3\" = \"rst\"").await;
    assert_reset(server.address, &request).await;
}

#[tokio::test]
async fn secure_renegotiation_can_be_required() {
    let server = https("renegotiation-required = true").await;
    assert_reset(server.address, &hello(0x0303, &[0xc02f], &[])).await;
    assert!(connect(&server, "rmm.example").await.is_ok());
}

#[tokio::test]
async fn warnings_and_tiny_segments_come_before_a_good_handshake() {
    let server = https("split = 1").await;
    assert!(connect(&server, "rmm.example").await.is_ok());
    let server = https("early-warning = 112, \"tls1.0\" = \"accept\"").await;
    let (mut stream, _) = exchange(server.address, &hello(0x0301, RSA_SUITES, &[]), 0).await;
    assert_eq!(record(&mut stream).await, (21, 0x0301, vec![1, 112]));
    assert_eq!(record(&mut stream).await.0, 22);
}

#[tokio::test]
async fn what_is_no_tls_is_answered_as_chosen() {
    let plain = b"GET / HTTP/1.0\r\n\r\n";
    assert_reset(https("").await.address, plain).await;
    assert_eq!(talk(https("plain-http = \"fin\"").await.address, plain).await, b"");
    let server = https("plain-http = \"bad-request\"").await;
    assert!(text(&talk(server.address, plain).await).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    let server = https("").await;
    assert_eq!(talk(server.address, &[22, 3, 1, 0, 0]).await, [21, 3, 1, 0, 2, 2, 50]);
    let server = https("http-answer = true").await;
    assert!(text(&talk(server.address, &hello(0x0303, RSA_SUITES, &[])).await).starts_with("HTTP/1.1 400 "));
    let server = https("garbage-answer = true").await;
    assert!(talk(server.address, &hello(0x0303, RSA_SUITES, &[])).await.starts_with(&[0xfe; 16]));
}

#[tokio::test]
async fn tls_stands_behind_rdp_and_mysql() {
    let authority = Authority::new().unwrap();
    let running = serve_with(
        &authority,
        "[[face]]\nport = \"tcp/3389\"\nkind.rdp = {}\n[[face]]\nport = \"tcp/3306\"\nkind.mysql = { tls = {} }\n",
    )
    .await;
    let connector = client(&authority, rustls::ALL_VERSIONS);
    let name = ServerName::try_from("rmm.example").unwrap();

    let request = [3, 0, 0, 0x13, 0x0e, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];
    let (stream, _) = exchange(running.socket(Transport::Tcp, 3389).unwrap(), &request, 19).await;
    assert!(connector.connect(name.clone(), stream).await.is_ok());

    let (mut stream, header) = exchange(running.socket(Transport::Tcp, 3306).unwrap(), b"", 4).await;
    let greeting = read_exactly(&mut stream, usize::from(header[0])).await;
    assert_eq!(greeting[7 + 4 + 8 + 1 + 1] & 0x08, 0x08, "the server offers TLS");
    let mut request = vec![32, 0, 0, 1, 0, 0x08, 0, 0];
    request.resize(36, 0);
    stream.write_all(&request).await.unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(&[1, 0, 0, 2, 0]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[3..7], [3, 0xff, 0x15, 0x04]);
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_reads_the_old_flight() {
    let server = https("\"tls1.0\" = \"accept\"").await;
    let target = server.address.to_string();
    let arguments = ["s_client", "-connect", &target, "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-state"];
    let Some(output) = program("openssl", &arguments) else { return };
    let (shown, states) = (text(&output.stdout), text(&output.stderr));
    if !states.contains("SSLv3/TLS write client hello") {
        println!("SKIPPED: this openssl does not speak TLS 1.0: {states}");
        return;
    }
    assert!(states.contains("SSLv3/TLS read server done") && states.contains("write client key exchange"), "{states}");
    assert!(shown.contains("BEGIN CERTIFICATE"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_curl_agree_on_the_new_versions() {
    let server = https("").await;
    let target = server.address.to_string();
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let Some(output) = program("openssl", &["s_client", "-connect", &target, option]) else { return };
        assert!(text(&output.stdout).contains(&format!("New, {version}, Cipher is ")), "{output:?}");
    }
    let roots = std::env::temp_dir().join(format!("mock-servers-{}.pem", std::process::id()));
    std::fs::write(&roots, server.authority.ca_pem()).unwrap();
    let resolve = format!("rmm.example:{}:127.0.0.1", server.address.port());
    let url = format!("https://rmm.example:{}/", server.address.port());
    let arguments = ["-sS", "-q", "--noproxy", "*", "--resolve", &resolve, "--cacert", roots.to_str().unwrap(), &url];
    if let Some(output) = program("curl", &arguments) {
        assert!(text(&output.stdout).contains("IIS Windows Server"), "{output:?}");
    }
    std::fs::remove_file(roots).unwrap();
}
