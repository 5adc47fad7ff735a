//! What a careful client makes of certificates.

use super::issuer::{Identity, Issuer, NAME, self_signed};
use super::report::{probe, scan};
use super::rig::{Daemon, Rig};
use super::webserver::nginx;
use serde_json::Value;

fn nginx_with(rig: &Rig, identity: &Identity) -> Daemon {
    let files = (identity.certificate.display(), identity.key.display());
    let tls = format!(
        "ssl_certificate {};\nssl_certificate_key {};\nssl_ciphers ALL:@SECLEVEL=0;\nssl_protocols TLSv1.2 TLSv1.3;\n",
        files.0, files.1
    );
    nginx(rig, "ssl", &format!("{tls}location / {{ return 200 hello; }}"))
}

/// Scans a server with `identity` and holds EC-LOG-04 against `verdict`; gives back the certificate as it was seen.
fn judged(rig: &Rig, issuer: &Issuer<'_>, identity: &Identity, verdict: &str, words: &[&str]) -> Value {
    let server = nginx_with(rig, identity);
    let ca_file = issuer.ca_file.to_str().unwrap();
    let moved = server.moved(8041);
    let report = scan(rig, &["--role", "endpoint-central", "--moved", &moved, "--sni", NAME, "--ca-file", ca_file]);
    report.says("EC-LOG-04", verdict, words);
    let scanned = lasting(report.answer("certificate", server.port()));
    let report = probe(&["tls", &server.socket.to_string(), "--sni", NAME, "--ca-file", ca_file]);
    let probed = lasting(report.answer("certificate", server.port()));
    assert!(scanned == probed, "{scanned:#}\n{probed:#}");
    report.answer("certificate", server.port()).clone()
}

/// A certificate as it was seen, apart from the days that it has left: there may be one less a moment later.
fn lasting(seen: &Value) -> Value {
    let mut seen = seen.clone();
    seen.as_object_mut().unwrap().remove("days_left");
    seen
}

#[test]
fn a_certificate_of_an_authority_that_the_user_trusts_passes() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let issuer = Issuer::new(&rig);
    let identity = issuer.good();
    let seen = judged(&rig, &issuer, &identity, "pass", &["trusted", NAME]);
    assert!(seen["trust"] == "trusted" && seen["name_matches"] == true && seen["weak_key"] == false, "{seen:#}");

    let server = nginx_with(&rig, &identity);
    let stranger = probe(&["tls", &server.socket.to_string(), "--sni", NAME]);
    assert!(stranger.answer("certificate", server.port())["trust"] == "untrusted", "without --ca-file");
}

#[test]
fn an_expired_certificate_fails_and_its_end_is_named() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let issuer = Issuer::new(&rig);
    let seen = judged(&rig, &issuer, &issuer.expired(), "fail", &["it ended on 2020-01-01"]);
    assert!(seen["days_left"].as_i64().unwrap() < -365 && seen["name_matches"] == true, "{seen:#}");
}

#[test]
fn a_certificate_for_another_name_fails_and_the_name_is_named() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let issuer = Issuer::new(&rig);
    let words = [&*format!("it is not valid for {NAME}"), "somewhere-else.example"];
    let seen = judged(&rig, &issuer, &issuer.for_another_name(), "fail", &words);
    assert!(seen["name_matches"] == false && seen["days_left"].as_i64().unwrap() > 0, "{seen:#}");
}

#[test]
fn a_self_signed_certificate_fails_for_that() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let issuer = Issuer::new(&rig);
    let seen = judged(&rig, &issuer, &self_signed(&rig), "fail", &["it is self-signed"]);
    assert!(seen["self_signed"] == true && seen["trust"] == "untrusted", "{seen:#}");
}

#[test]
fn a_short_rsa_key_fails_and_its_length_is_named() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let issuer = Issuer::new(&rig);
    let seen = judged(&rig, &issuer, &issuer.short_key(), "fail", &["its key is weak (RSA 1024)"]);
    assert!(seen["weak_key"] == true && seen["self_signed"] == false, "{seen:#}");
}
