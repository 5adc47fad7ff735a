//! The program `mock-servers`.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mock-servers");
const SERVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers");

#[test]
fn it_tells_where_each_logical_port_is() {
    let file = format!("{SERVERS}/screenconnect.toml");
    let ca = std::env::temp_dir().join(format!("mock-servers-ca-{}.pem", std::process::id()));
    let mut child = Command::new(PROGRAM).arg(file).arg("--ca").arg(&ca).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().take(9).map(Result::unwrap).collect();
    let (logical, actual) = lines[0].split_once(" -> ").unwrap();
    assert_eq!(logical, "tcp/8040");
    assert!(TcpStream::connect(actual).is_ok());
    assert!(std::fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    std::fs::remove_file(ca).unwrap();
    interrupt(&mut child);
}

/// Ends the child as Ctrl-C would, and checks that it takes it well.
fn interrupt(child: &mut std::process::Child) {
    let pid = child.id().to_string();
    if cfg!(unix) && Command::new("kill").args(["-INT", &pid]).status().is_ok_and(|status| status.success()) {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    } else {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_exit_two() {
    let broken = std::env::temp_dir().join(format!("mock-servers-broken-{}.toml", std::process::id()));
    std::fs::write(&broken, "name = \"x\"\n\n[[face]]\nport = \"tcp/x\"\nkind = \"hang\"\n").unwrap();
    let broken = broken.to_str().unwrap();
    let good = format!("{SERVERS}/screenconnect.toml");
    let cases: [(&[&str], &str); 6] = [
        (&[broken], ":4:8: `x` is not a port number"),
        (&["no-such-file.toml"], "no-such-file.toml: "),
        (&[&good, "--listen", "192.0.2.1"], "not a loopback address"),
        (&[&good, "--listen", "nowhere"], "not an IP address"),
        (&[&good, "--other"], "Usage"),
        (&[], "Usage"),
    ];
    for (arguments, expected) in cases {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected), "{error}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    }
    std::fs::remove_file(broken).unwrap();
}
