//! Binary protocols, asked with the bytes a scanner would send.

use tokio::io::AsyncWriteExt;

use crate::support::{assert_reset, assert_silent, exchange, face, read_exactly, talk};

fn rdp_request(protocols: u8) -> Vec<u8> {
    vec![3, 0, 0, 0x13, 0x0e, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, protocols, 0, 0, 0]
}

#[tokio::test]
async fn mysql_greets_or_refuses_by_number() {
    let (_running, address) = face(".mysql = { version = \"5.7.26-log\" }").await;
    let (mut stream, header) = exchange(address, b"", 4).await;
    assert_eq!(&header[1..], [0, 0, 0]);
    let greeting = read_exactly(&mut stream, usize::from(header[0])).await;
    assert!(greeting.starts_with(b"\x0a5.7.26-log\x00"));
    assert!(greeting.ends_with(b"mysql_native_password\x00"));
    // Thread and eight bytes of challenge behind the version, a zero, then capabilities: without TLS no TLS bit.
    assert_eq!(greeting[12 + 4 + 8 + 1 + 1] & 0x08, 0);

    for (answer, code) in [("not-allowed", 1130_u16), ("blocked", 1129)] {
        let (_running, address) = face(&format!(".mysql = {{ answer = \"{answer}\", text = \"Hôte refusé\" }}")).await;
        let packet = talk(address, b"").await;
        assert_eq!(usize::from(packet[0]), packet.len() - 4);
        assert_eq!(packet[4..7], [0xff, code.to_le_bytes()[0], code.to_le_bytes()[1]]);
        assert_eq!(&packet[7..], "Hôte refusé".as_bytes());
    }

    let (_running, address) = face(".mysql = { answer = \"silent\" }").await;
    assert_silent(&mut exchange(address, b"", 0).await.0).await;

    let (_running, address) = face(" = \"mysqlx\"").await;
    assert_eq!(exchange(address, b"", 9).await.1, [5, 0, 0, 0, 0x0b, 8, 5, 0x1a, 0]);
}

#[tokio::test]
async fn rdp_with_nla_takes_nothing_less() {
    let (_running, address) = face(".rdp = {}").await;
    for protocols in [0, 1] {
        let refused = talk(address, &rdp_request(protocols)).await;
        assert_eq!(refused[..6], [3, 0, 0, 0x13, 0x0e, 0xd0]);
        assert_eq!(refused[11..], [3, 0, 8, 0, 5, 0, 0, 0]);
    }
    let (_stream, confirm) = exchange(address, &rdp_request(3), 19).await;
    assert_eq!(confirm[11..], [2, 0x1f, 8, 0, 2, 0, 0, 0]);
}

#[tokio::test]
async fn rdp_without_nla_takes_what_it_is_offered() {
    let (_running, address) = face(".rdp = { nla = false }").await;
    for (offered, selected) in [(0, 0), (1, 1), (3, 2)] {
        let (_stream, confirm) = exchange(address, &rdp_request(offered), 19).await;
        assert_eq!(confirm[11..], [2, 0x1f, 8, 0, selected, 0, 0, 0]);
    }
    let (_running, address) = face(".rdp = { nla = false, tls-required = true }").await;
    assert_eq!(talk(address, &rdp_request(0)).await[11..], [3, 0, 8, 0, 1, 0, 0, 0]);
    assert_eq!(exchange(address, &rdp_request(1), 19).await.1[11..], [2, 0x1f, 8, 0, 1, 0, 0, 0]);
    let (_running, address) = face(".rdp = { negotiation = false }").await;
    let (mut stream, confirm) = exchange(address, &rdp_request(3), 11).await;
    assert_eq!(confirm, [3, 0, 0, 0x0b, 6, 0xd0, 0, 0, 0x12, 0x34, 0]);
    assert_silent(&mut stream).await;
    assert_reset(address, b"GET / HTTP/1.0\r\n\r\n").await;
}

fn smb2_negotiate(dialects: &[u16]) -> Vec<u8> {
    let mut message = b"\xfeSMB\x40\x00".to_vec();
    message.resize(64, 0);
    message[24] = 7;
    message.extend([36, 0, u8::try_from(dialects.len()).unwrap(), 0, 1, 0, 0, 0]);
    message.resize(100, 0);
    message.extend(dialects.iter().flat_map(|dialect| dialect.to_le_bytes()));
    framed(message)
}

fn smb1_negotiate(dialects: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = dialects.iter().flat_map(|name| [b"\x02", name.as_bytes(), b"\x00"].concat()).collect();
    let mut message = b"\xffSMB\x72".to_vec();
    message.resize(32, 0);
    message.extend([0, u8::try_from(names.len()).unwrap(), 0]);
    message.extend(names);
    framed(message)
}

fn framed(message: Vec<u8>) -> Vec<u8> {
    [u32::try_from(message.len()).unwrap().to_be_bytes().to_vec(), message].concat()
}

#[tokio::test]
async fn smb2_picks_the_highest_dialect() {
    let (_running, address) = face(".smb = {}").await;
    let request = smb2_negotiate(&[0x0202, 0x0210, 0x0300, 0x0302]);
    let (_stream, reply) = exchange(address, &request, 4 + 128).await;
    assert_eq!(reply[..4], [0, 0, 0, 128]);
    assert_eq!(&reply[4..10], b"\xfeSMB\x40\x00");
    assert_eq!(reply[4 + 24], 7, "the message number comes back");
    assert_eq!(reply[4 + 64..4 + 70], [65, 0, 1, 0, 0x02, 0x03]);

    let (_running, address) = face(".smb = { dialect = 0x0210, signing-required = true }").await;
    let (_stream, reply) = exchange(address, &request, 4 + 128).await;
    assert_eq!(reply[4 + 64..4 + 70], [65, 0, 3, 0, 0x10, 0x02]);
}

#[tokio::test]
async fn smb1_answers_only_where_it_is_on() {
    let request = smb1_negotiate(&["PC NETWORK PROGRAM 1.0", "NT LM 0.12"]);
    let (_running, address) = face(".smb = { smb1 = true }").await;
    let (_stream, reply) = exchange(address, &request, 4 + 81).await;
    assert_eq!(reply[..4], [0, 0, 0, 81]);
    assert_eq!(&reply[4..9], b"\xffSMB\x72");
    assert_eq!(reply[4 + 32..4 + 35], [17, 1, 0]);

    let (_running, address) = face(".smb = {}").await;
    assert_eq!(talk(address, &request).await, b"");
    let (_running, address) = face(".smb = { reset = true }").await;
    assert_reset(address, &request).await;
}

#[tokio::test]
async fn netbios_says_yes_or_no() {
    let request = [&[0x81, 0, 0, 68], [b' '; 68].as_slice()].concat();
    let (_running, address) = face(".netbios = {}").await;
    assert_eq!(exchange(address, &request, 4).await.1, [0x82, 0, 0, 0]);
    let (_running, address) = face(".netbios = { refuse = 0x82 }").await;
    assert_eq!(talk(address, &request).await, [0x83, 0, 0, 1, 0x82]);
}

#[tokio::test]
async fn the_endpoint_mapper_acknowledges_or_not() {
    let mut bind = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 9, 0, 0, 0];
    bind.resize(72, 0);
    let (_running, address) = face(".msrpc = {}").await;
    let (_stream, reply) = exchange(address, &bind, 60).await;
    assert_eq!(reply[..3], [5, 0, 12]);
    assert_eq!(reply[8..16], [60, 0, 0, 0, 9, 0, 0, 0]);
    let (_running, address) = face(".msrpc = { refuse = true }").await;
    let (_stream, reply) = exchange(address, &bind, 21).await;
    assert_eq!((reply[2], reply[8]), (13, 21));
}

#[tokio::test]
async fn the_redirector_answers_an_empty_line() {
    let (_running, address) = face(" = \"redirector\"").await;
    assert_eq!(talk(address, b"\r\n\r\n").await, [2, 0, 0, 1, 0x42, 9, 0, 0, 1, 0x42]);
}

#[tokio::test]
async fn the_relay_speaks_first_or_waits() {
    let (_running, address) = face(".screenconnect-relay = {}").await;
    let (mut stream, _) = exchange(address, b"", 0).await;
    assert_silent(&mut stream).await;
    stream.write_all(b"\r\n").await.unwrap();
    assert_silent(&mut stream).await;
    let (_running, address) = face(".screenconnect-relay = { speaks-first = { hex = \"0201\" } }").await;
    assert_eq!(exchange(address, b"", 2).await.1, [2, 1]);
}
