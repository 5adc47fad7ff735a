//! Chains and OCSP staples, held against what `openssl s_client` makes of the same server.

use super::issuer::{Identity, Issuer, NAME, Special, self_signed};
use super::report::{Report, probe, scan};
use super::rig::{Daemon, Rig};
use super::tls::s_server;
use super::webserver::{nginx, nginx_tls};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What `openssl s_client` says of a server.
fn client(rig: &Rig, server: &Daemon, ca_file: &Path, options: &[&str]) -> String {
    let place = server.socket.to_string();
    let mut arguments = vec!["s_client", "-connect", &place, "-servername", NAME, "-showcerts", "-status"];
    arguments.extend(["-CAfile", ca_file.to_str().unwrap(), "-verify_hostname", NAME]);
    arguments.extend(options);
    rig.run("openssl", &arguments)
}

fn web(rig: &Rig, identity: &Identity, more: &str) -> Daemon {
    nginx(rig, "ssl", &format!("{}{more}location / {{ return 200 hello; }}", nginx_tls(identity, "TLSv1.2 TLSv1.3")))
}

fn scanned(rig: &Rig, server: &Daemon, ca_file: &Path) -> Report {
    let moved = server.moved(8041);
    let ca_file = ca_file.to_str().unwrap();
    scan(rig, &["--role", "endpoint-central", "--moved", &moved, "--sni", NAME, "--ca-file", ca_file])
}

/// The roles of the chain, as they were served.
fn roles(seen: &Value) -> Vec<&str> {
    seen["chain"].as_array().unwrap().iter().map(|link| link["role"].as_str().unwrap()).collect()
}

fn problems(seen: &Value) -> Vec<&str> {
    seen["chain_problems"].as_array().unwrap().iter().map(|problem| problem["problem"].as_str().unwrap()).collect()
}

/// One chain: what is served, what openssl's client and portreeve have to say of it.
struct Case<'a> {
    identity: Identity,
    ca_file: &'a Path,
    /// `Verify return code` of openssl.
    code: u32,
    verdict: &'a str,
    words: &'a [&'a str],
    roles: &'a [&'a str],
    problems: &'a [&'a str],
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn faults_of_a_chain_are_told_apart() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let issuer = Issuer::new(&rig);
    let elsewhere = [Rig::with(&["nginx"]).unwrap(), Rig::with(&["nginx"]).unwrap()];
    let stranger = Issuer::called(&elsewhere[0], "another authority");
    let namesake = Issuer::new(&elsewhere[1]);
    let (good, old) = (issuer.intermediate(2099), issuer.intermediate(2020));
    let root = issuer.pem();
    let (trusting, other) = (issuer.ca_file.as_path(), stranger.ca_file.as_path());
    let cases = [
        Case {
            identity: good.identity(Special::Nothing, &[&good.pem]),
            ca_file: trusting,
            code: 0,
            verdict: "pass",
            words: &["trusted"],
            roles: &["leaf", "intermediate"],
            problems: &[],
        },
        Case {
            identity: good.identity(Special::Nothing, &[&root, &good.pem]),
            ca_file: trusting,
            code: 0,
            verdict: "pass",
            words: &["out of order", "the root is sent along"],
            roles: &["leaf", "root", "intermediate"],
            problems: &[],
        },
        Case {
            identity: good.identity(Special::Fetchable, &[]),
            ca_file: trusting,
            code: 21,
            verdict: "fail",
            words: &["incomplete chain: the certificate of CN=portreeve test intermediate was not sent"],
            roles: &["leaf"],
            problems: &["incomplete"],
        },
        Case {
            identity: good.identity(Special::Nothing, &[]),
            ca_file: trusting,
            code: 21,
            verdict: "fail",
            words: &["incomplete chain or unknown authority: CN=portreeve test intermediate"],
            roles: &["leaf"],
            problems: &["issuer-not-sent"],
        },
        Case {
            identity: good.identity(Special::Nothing, &[&good.pem]),
            ca_file: other,
            code: 20,
            verdict: "fail",
            words: &["unknown authority: CN=portreeve test authority"],
            roles: &["leaf", "intermediate"],
            problems: &["unknown-authority"],
        },
        Case {
            identity: good.identity(Special::Nothing, &[&good.pem]),
            ca_file: &namesake.ca_file,
            code: 7,
            verdict: "fail",
            words: &["unknown authority: CN=portreeve test authority"],
            roles: &["leaf", "intermediate"],
            problems: &["unknown-authority"],
        },
        Case {
            identity: good.identity(Special::Nothing, &[&good.pem, &root]),
            ca_file: other,
            code: 19,
            verdict: "fail",
            words: &["unknown authority: the chain ends at CN=portreeve test authority, self-signed"],
            roles: &["leaf", "intermediate", "root"],
            problems: &["self-signed-authority"],
        },
        Case {
            identity: old.identity(Special::Nothing, &[&old.pem]),
            ca_file: trusting,
            code: 10,
            verdict: "fail",
            words: &[
                "expired intermediate: the certificate of CN=portreeve test intermediate (no. 1) ended on 2020-01-01",
            ],
            roles: &["leaf", "intermediate"],
            problems: &["expired"],
        },
        Case {
            identity: self_signed(&rig),
            ca_file: trusting,
            code: 18,
            verdict: "fail",
            words: &["it is self-signed"],
            roles: &["leaf"],
            problems: &["self-signed-leaf"],
        },
    ];
    for case in cases {
        let server = web(&rig, &case.identity, "");
        let said = client(&rig, &server, case.ca_file, &[]);
        assert!(said.contains(&format!("Verify return code: {} ", case.code)), "{:?}\n{said}", case.problems);
        assert_eq!(said.matches("BEGIN CERTIFICATE").count(), case.roles.len(), "openssl counts too:\n{said}");
        let report = scanned(&rig, &server, case.ca_file);
        report.says("EC-LOG-04", case.verdict, case.words);
        let seen = report.answer("certificate", server.port());
        assert_eq!((roles(seen), problems(seen)), (case.roles.to_vec(), case.problems.to_vec()), "{seen:#}");
        assert_eq!(seen["chain_length"], case.roles.len(), "{seen:#}");
    }
}

#[test]
fn a_staple_is_read_and_one_that_revokes_fails() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let issuer = Issuer::new(&rig);
    let authority = issuer.intermediate(2099);
    let identity = authority.identity(Special::MustStaple, &[&authority.pem]);
    let (ca_file, port) = (issuer.ca_file.as_path(), |server: &Daemon| server.port());
    for (state, status, shown, verdict, words) in [
        ("V", "good", "Cert Status: good", "pass", &["trusted"][..]),
        ("R", "revoked", "Cert Status: revoked", "fail", &["revoked on 2025-06-07T00:00:00Z, key compromise"]),
        ("", "unknown", "Cert Status: unknown", "inconclusive", &["does not know the certificate"]),
    ] {
        let response = authority.staple(&identity, state);
        let file = response.display();
        let server = web(&rig, &identity, &format!("ssl_stapling on;\nssl_stapling_file {file};\n"));
        let said = client(&rig, &server, ca_file, &[]);
        assert!(said.contains(shown), "{said}");
        let report = scanned(&rig, &server, ca_file);
        report.says("EC-LOG-04", verdict, words);
        let seen = &report.answer("certificate", port(&server))["ocsp_staple"];
        let expected = (status, "valid", true, "current");
        let told = (&seen["status"], &seen["signature"], &seen["about_this"], &seen["age"]);
        assert!(told == (&expected.0.into(), &expected.1.into(), &expected.2.into(), &expected.3.into()), "{seen:#}");

        // The staple is a message of its own in TLS 1.2, and an extension of the certificate's in TLS 1.3.
        for version in ["-tls1_2", "-tls1_3"] {
            let chain = identity.certificate.to_str().unwrap();
            let options = ["-status_file", response.to_str().unwrap(), "-cert_chain", chain, version];
            let server = s_server(&rig, &identity, &options);
            assert!(client(&rig, &server, ca_file, &[]).contains(shown));
            let report =
                probe(&["tls", &server.socket.to_string(), "--sni", NAME, "--ca-file", ca_file.to_str().unwrap()]);
            let seen = report.answer("certificate", port(&server));
            assert!(seen["ocsp_staple"]["status"] == status && seen["must_staple"] == true, "{version}: {seen:#}");
        }
    }
}

#[test]
fn a_certificate_that_demands_a_staple_fails_without_one() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let issuer = Issuer::new(&rig);
    let authority = issuer.intermediate(2099);
    let identity = authority.identity(Special::MustStaple, &[&authority.pem]);
    let server = web(&rig, &identity, "");
    assert!(client(&rig, &server, &issuer.ca_file, &[]).contains("OCSP response: no response sent"));
    let report = scanned(&rig, &server, &issuer.ca_file);
    report.says("EC-LOG-04", "fail", &["it demands an OCSP staple (RFC 7633)", "none came"]);
    let seen = report.answer("certificate", server.port());
    assert!(seen["ocsp_staple"]["status"] == "none" && seen["must_staple"] == true, "{seen:#}");
    assert!(seen["embedded_scts"] == 0, "{seen:#}");
}

/// What `probe tls` prints for people, in lines of 80 columns.
fn printed(server: &Daemon, ca_file: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    command.args(["probe", "tls", &server.socket.to_string(), "--sni", NAME, "--width", "80", "--timeout", "2"]);
    let output = command.arg("--ca-file").arg(ca_file).env_remove("PORTREEVE_LOG").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn people_read_the_chain_in_80_columns() {
    let Some(rig) = Rig::with(&["nginx", "openssl"]) else { return };
    let issuer = Issuer::new(&rig);
    let old = issuer.intermediate(2020);
    let identity = old.identity(Special::MustStaple, &[&old.pem]);
    let text = printed(&web(&rig, &identity, ""), &issuer.ca_file);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "expired intermediate: the certificate of CN=portreeve test intermediate (no. 1) ended on 2020-01-01",
        "key EC P-256; signed with ecdsa-with-SHA256; no SCT; no OCSP staple, which the certificate demands",
        "chain of 2 as sent: 0 leaf: CN=rmm.example.com 1 intermediate: CN=portreeve test intermediate by",
        "1 intermediate: CN=portreeve test intermediate by CN=portreeve test authority; EXPIRED 2020-01-01; EC P-256",
    ] {
        assert!(flat.contains(words), "{words}\n{text}");
    }
    let fetchable = issuer.intermediate(2099).identity(Special::Fetchable, &[]);
    let text = printed(&web(&rig, &fetchable, ""), &issuer.ca_file);
    assert!(text.contains("- missing: CN=portreeve test intermediate"), "{text}");
}
