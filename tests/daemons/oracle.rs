//! What `sslscan` and `curl` see on the same port, beside what portreeve saw there.

use super::report::{Report, VERSIONS};
use super::rig::{Daemon, Rig};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Fields that change from answer to answer or from method to method.
const VOLATILE: [&str; 7] =
    ["date", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "set-cookie"];

/// Holds the versions that portreeve saw on a port against the daemon's configuration and against sslscan, which is
/// told with `how` what comes before TLS.
#[track_caller]
pub(crate) fn agree_on_versions(rig: &Rig, report: &Report, daemon: &Daemon, how: &[&str], configured: &[&str]) {
    let place = daemon.socket.to_string();
    let mut arguments = vec!["--xml=-", "--no-colour", "--no-ciphersuites", "--no-groups", "--no-fallback"];
    arguments.extend(["--no-renegotiation", "--no-compression", "--no-heartbleed", "--no-check-certificate"]);
    arguments.extend(how);
    arguments.push(&place);
    let xml = rig.run("sslscan", &arguments);
    let ours = report.versions(daemon.port());
    let mut table = format!("{:8} {:>10} {:>10} portreeve\n", "", "configured", "sslscan");
    let mut agree = true;
    for version in VERSIONS {
        let (kind, number) = match version.split_once(' ') {
            Some(("SSL", _)) => ("ssl", "3"),
            Some((_, number)) => ("tls", number),
            None => panic!("{version}"),
        };
        let told = |enabled: u8| xml.contains(&format!("type=\"{kind}\" version=\"{number}\" enabled=\"{enabled}\""));
        assert!(told(0) || told(1), "sslscan does not tell of {version}:\n{xml}");
        let (expected, theirs) = (configured.contains(&version), told(1));
        let our = ours.get(version).map_or("not asked", String::as_str);
        agree &= expected == theirs && expected == (our == "accepted");
        let _ = writeln!(table, "{version:8} {expected:>10} {theirs:>10} {our}");
    }
    assert!(agree, "{place} {how:?}\n{table}");
}

/// Holds the status and the fields that portreeve saw against curl's.
#[track_caller]
pub(crate) fn agree_on_headers(rig: &Rig, report: &Report, daemon: &Daemon, method: &str, path: &str) {
    let ours = report.http(daemon.port(), method, path);
    let scheme = ours["scheme"].as_str().unwrap();
    let url = format!("{scheme}://{}{path}", daemon.socket);
    let mut arguments = vec!["-sSkI", "--http1.1", "--noproxy", "*", "--max-time", "30"];
    if method != "GET" {
        arguments.extend(["-X", method]);
    }
    arguments.push(&url);
    let head = rig.run("curl", &arguments);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let theirs =
        fields(lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name, value.trim())), status);
    let text = |field: &Value| field.as_str().unwrap().to_owned();
    let sent: Vec<(String, String)> =
        ours["headers"].as_array().unwrap().iter().map(|field| (text(&field["name"]), text(&field["value"]))).collect();
    let ours = fields(sent.iter().map(|(name, value)| (name.as_str(), value.as_str())), &ours["status"].to_string());
    let mut table = format!("{method} {url}\n{:9} {:9} field\n", "portreeve", "curl");
    for field in ours.union(&theirs) {
        let _ = writeln!(table, "{:9} {:9} {field}", ours.contains(field), theirs.contains(field));
    }
    assert!(ours == theirs, "{table}");
}

fn fields<'a>(sent: impl Iterator<Item = (&'a str, &'a str)>, status: &str) -> BTreeSet<String> {
    let lasting = sent.filter(|(name, _)| !VOLATILE.contains(&name.to_ascii_lowercase().as_str()));
    lasting.map(|(name, value)| format!("{name}: {value}")).chain([format!("status {status}")]).collect()
}
