//! What `sslscan` and `curl` see on the same port, beside what portreeve saw there.

use super::report::{Report, VERSIONS};
use super::rig::{Daemon, Rig};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddrV4;

/// The words of a report that say that a version was refused.
pub(crate) const REFUSED: [&str; 5] = ["alert", "other-version", "ssl2-error", "reset", "closed"];

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

/// Holds the versions that portreeve saw on a port against those that its server was told to have. `openssl s_client`, and
/// sslscan for the one that it no longer knows, must confirm those first.
#[track_caller]
pub(crate) fn agree_with_s_client(rig: &Rig, report: &Report, place: SocketAddrV4, truth: &[&str]) {
    for version in VERSIONS {
        let theirs = match version {
            "SSL 3.0" => sslscan_accepts_ssl_3(rig, place),
            _ => s_client_accepts(
                rig,
                place,
                &[&format!(
                    "-{}",
                    version.replace("TLS 1.0", "TLS 1").replace(' ', "").replace('.', "_").to_lowercase()
                )],
            ),
        };
        assert_eq!(theirs, truth.contains(&version), "{place}: {version}, of {truth:?}, by an independent client");
    }
    agree_with_truth(report, place, truth);
}

/// Holds the versions that portreeve saw on a port against the truth: each is accepted, or refused in so many words, as often
/// as it was asked.
#[track_caller]
pub(crate) fn agree_with_truth(report: &Report, place: SocketAddrV4, truth: &[&str]) {
    let ours = report.answers(place.port());
    let of = |version| ours.iter().filter(move |(asked, _)| asked == version).map(|(_, answer)| answer.as_str());
    let agree = VERSIONS.into_iter().all(|version| {
        let right = |our| if truth.contains(&version) { our == "accepted" } else { REFUSED.contains(&our) };
        of(version).count() > 0 && of(version).all(right)
    });
    // What is no TLS is no SSL 2.0 either.
    let without_ssl_2 = of("SSL 2.0").all(|our| our == "not-tls" || REFUSED.contains(&our));
    assert!(agree && without_ssl_2, "{place} accepts {truth:?}, and portreeve says {ours:#?}");
}

/// Whether a handshake succeeds.
pub(crate) fn s_client_accepts(rig: &Rig, place: SocketAddrV4, options: &[&str]) -> bool {
    let place = place.to_string();
    let mut command = rig.command("timeout");
    command.args(["20", "openssl", "s_client", "-connect", &place, "-cipher", "ALL:@SECLEVEL=0"]).args(options);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let end = text.lines().rfind(|line| line.starts_with("New, "));
    end.is_some_and(|line| !line.contains("(NONE)"))
}

fn sslscan_accepts_ssl_3(rig: &Rig, place: SocketAddrV4) -> bool {
    let quiet = ["--no-ciphersuites", "--no-groups", "--no-fallback", "--no-renegotiation", "--no-compression"];
    let mut arguments = vec!["--xml=-", "--ssl3", "--no-colour", "--no-heartbleed", "--no-check-certificate"];
    let place = place.to_string();
    arguments.extend(quiet);
    arguments.push(&place);
    let xml = rig.run("sslscan", &arguments);
    let told = |enabled: u8| xml.contains(&format!("type=\"ssl\" version=\"3\" enabled=\"{enabled}\""));
    assert!(told(0) || told(1), "sslscan does not tell of SSL 3.0:\n{xml}");
    told(1)
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
