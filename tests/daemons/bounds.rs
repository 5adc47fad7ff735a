//! A port that speaks TLS is asked for ten seconds at most, whatever is asked of it; what is missing then says so.

use super::fronts::{Front, Hello, by_bytes, hand_on, ignore, plainly};
use super::issuer::self_signed_rsa;
use super::report::{Report, scan_timed};
use super::rig::Rig;
use super::webserver::{nginx, nginx_tls};
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The ten seconds, the port states before them, and what a busy machine may add.
const BOUND: Duration = Duration::from_secs(14);

/// What is said of a question for which there was no time left.
const OVER: &str = "the 10 s that one port may be asked for are over";

fn behind(rig: &Rig, versions: &str) -> SocketAddrV4 {
    let tls = nginx_tls(&self_signed_rsa(rig), versions);
    let server = nginx(rig, "ssl", &format!("{tls}location / {{ return 200 hello; }}"));
    let place = server.socket;
    rig.keep(server);
    place
}

/// Scans a front at the place of port 443, in the time that it may take.
#[track_caller]
fn bounded(rig: &Rig, front: &Front) -> Report {
    let (report, took) =
        scan_timed(rig, &["--role", "screenconnect", "--moved", &format!("tcp/443={}", front.place.port())]);
    assert!(took < BOUND, "{} was asked for {took:?}", front.place);
    report
}

/// What has no answer names the peer, and why.
#[track_caller]
fn says_what_is_missing(report: &Report, front: &Front, kinds: &[&str]) {
    for kind in kinds {
        let missing: Vec<String> = report
            .observations(kind, front.place.port())
            .filter(|seen| seen["outcome"] != "answered")
            .map(ToString::to_string)
            .collect();
        assert!(missing.iter().any(|seen| seen.contains(OVER)), "{kind}: {missing:#?}");
        assert!(missing.iter().all(|seen| seen.contains("\"blame\":\"peer\"")), "{kind}: {missing:#?}");
    }
}

/// A byte now and then: TLS is there, and no question about it is ever answered.
#[test]
fn a_handshake_in_drips_is_left_undecided_in_time() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let server = behind(&rig, "TLSv1.2 TLSv1.3");
    let front = Front::start(&rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        hand_on(&stream, &hello, server, by_bytes(Duration::from_millis(300)));
    });
    let report = bounded(&rig, &front);
    assert_eq!(report.protocol(front.place.port()), "tls-opaque");
    says_what_is_missing(&report, &front, &["certificate"]);
    report.says("BEY-TLS-01", "inconclusive", &[]);
}

/// The handshake is like any other, and after the first page what is within comes in drips.
#[test]
fn pages_in_drips_are_left_undecided_in_time() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let server = behind(&rig, "TLSv1.2");
    let pages = AtomicUsize::new(0);
    let front = Front::start(&rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        let mut drip = by_bytes(Duration::from_millis(300));
        hand_on(&stream, &hello, server, |bytes, client| {
            // application_data (RFC 5246, section 6.2.1)
            let is_page = bytes.first() == Some(&23);
            if is_page && pages.fetch_add(1, Ordering::SeqCst) > 0 {
                drip(bytes, client)
            } else {
                plainly(bytes, client)
            }
        });
    });
    let report = bounded(&rig, &front);
    let port = front.place.port();
    assert_eq!(report.protocol(port), "https");
    let versions = report.versions(port);
    assert!(versions["TLS 1.2"] == "accepted" && versions["TLS 1.3"] != "accepted", "{versions:?}");
    report.answer("certificate", port);
    says_what_is_missing(&report, &front, &["http"]);
    assert_eq!(report.observations("products", port).filter(|seen| seen["outcome"] == "answered").count(), 0);
}

/// Who takes every hello and says nothing is asked no longer.
#[test]
fn silence_after_the_hello_is_left_undecided_in_time() {
    let Some(rig) = Rig::with(&[]) else { return };
    let front = Front::start(&rig, |mut stream| {
        let _ = Hello::read(&mut stream);
        ignore(&stream);
    });
    let report = bounded(&rig, &front);
    report.says("BEY-TLS-01", "inconclusive", &[]);
}
