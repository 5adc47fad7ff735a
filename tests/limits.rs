//! Servers that serve only so many connections at once: our own questions must not become their refusals.

#![expect(clippy::unwrap_used, reason = "a test may")]

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A `ServerHello` of the version and a suite that the hello offered, in a record of its own.
fn server_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x14, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, version, 0, length + 4, 2, 0, 0, length];
    record.extend(hello);
    record
}

/// Accepts TLS 1.0 to 1.2, two connections at a time, each for a while; closes the others without a word.
fn two_at_a_time() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let busy = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if busy.fetch_add(1, Ordering::SeqCst) > 1 {
                busy.fetch_sub(1, Ordering::SeqCst);
                drop(stream);
                continue;
            }
            let busy = Arc::clone(&busy);
            std::thread::spawn(move || {
                serve(stream);
                busy.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
    let mut hello = [0; 2048];
    let read = stream.read(&mut hello).unwrap_or_default();
    // The client's version (RFC 5246, section 7.4.1.2) stands behind the record's and the handshake's heads.
    if read > 11 && hello[0] == 22 && (1..=3).contains(&hello[10]) {
        let _ = stream.write_all(&server_hello(hello[10]));
        // What a real server does with the rest of a handshake takes a while, too.
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_serves_few_at_a_time_is_not_said_to_refuse_old_tls() {
    let port = two_at_a_time();
    let output = Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .env("PORTREEVE_STORE", "none")
        .args([
            "scan",
            "127.0.0.1",
            "--role",
            "automate",
            "--guide",
            "automate",
            "--format",
            "json",
            "--sni",
            "rmm.example",
        ])
        .args(["--shared-address", "--moved", &format!("tcp/443={port}")])
        .output()
        .unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = run["targets"][0]["findings"].as_array().unwrap();
    for id in ["AUT-TLS-01", "AUT-TLS-02"] {
        let finding = findings.iter().find(|finding| finding["item"] == id).unwrap();
        let verdict = finding["verdict"].as_str().unwrap();
        assert!(matches!(verdict, "fail" | "inconclusive"), "{id}: {verdict}\n{:#}", finding["checks"]);
    }
}
