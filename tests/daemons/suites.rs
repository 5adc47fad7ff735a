//! The suites and groups that daemons accept, held against their configuration and against sslscan in the same run.

use super::issuer::{Identity, self_signed};
use super::report::{Report, probe};
use super::rig::{Daemon, Rig};
use super::webserver::nginx;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A certificate with an RSA key, which every suite of TLS 1.2 but those of ECDSA and DSS can use.
fn rsa(rig: &Rig) -> Identity {
    let identity = Identity { certificate: rig.path("rsa.pem"), key: rig.path("rsa-key.pem") };
    let (certificate, key) = (identity.certificate.to_str().unwrap(), identity.key.to_str().unwrap());
    let subject = ["-subj", "/CN=rmm.example.com", "-days", "30"];
    let mut arguments = vec!["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate];
    arguments.extend(subject);
    rig.run("openssl", &arguments);
    identity
}

/// `openssl s_server`, which serves one connection after the other.
fn s_server(rig: &Rig, identity: &Identity, options: &[&str]) -> Daemon {
    rig.start("openssl", |socket| {
        let mut command = rig.command("openssl");
        command.args(["s_server", "-quiet", "-www", "-accept", &socket.to_string()]);
        command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key).args(options);
        command
    })
}

fn gnutls(rig: &Rig, identity: &Identity, priority: &str) -> Daemon {
    rig.start("gnutls", |socket| {
        let mut command = rig.command("gnutls-serv");
        command.args(["--http", "--quiet", "--port", &socket.port().to_string(), "--disable-client-cert"]);
        command.arg(format!("--priority={priority}"));
        command.arg("--x509certfile").arg(&identity.certificate).arg("--x509keyfile").arg(&identity.key);
        command
    })
}

fn ask(server: &Daemon) -> Report {
    probe(&["tls", "--ciphers", &server.socket.to_string()])
}

/// What is accepted, by version.
fn versions<'a>(report: &'a Report, server: &Daemon) -> BTreeMap<&'a str, &'a Value> {
    let answer = report.answer("suites", server.port());
    let versions = answer["versions"].as_array().unwrap().iter();
    versions.map(|version| (version["version"].as_str().unwrap(), version)).collect()
}

fn numbers(version: &Value, list: &str) -> Vec<u64> {
    version[list].as_array().unwrap().iter().map(|item| item["number"].as_u64().unwrap()).collect()
}

/// The lines of sslscan's XML for one kind of element: versions with the numbers that it found there, in its order.
fn found<'a>(xml: &'a str, element: &str) -> BTreeMap<String, Vec<u64>> {
    let attribute = |line: &'a str, name: &str| {
        let rest = line.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest)?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in xml.lines().filter(|line| line.contains(&format!("<{element} "))) {
        let version = attribute(line, "sslversion").unwrap().replace("TLSv", "TLS ").replace("SSLv", "SSL ");
        let number = u64::from_str_radix(attribute(line, "id").unwrap().trim_start_matches("0x"), 16).unwrap();
        versions.entry(version).or_default().push(number);
    }
    versions
}

fn sorted(numbers: &[u64]) -> Vec<u64> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

/// Holds what portreeve saw against sslscan: the same suites, and in the same order where the server has one; the same groups.
#[track_caller]
fn agree(rig: &Rig, server: &Daemon, order: &str) -> Report {
    let report = ask(server);
    let place = server.socket.to_string();
    let mut arguments = vec!["--xml=-", "--no-colour", "--no-fallback", "--no-renegotiation", "--no-compression"];
    arguments.extend(["--no-heartbleed", "--no-check-certificate", &place]);
    let xml = rig.run("sslscan", &arguments);
    let (suites, groups) = (found(&xml, "cipher"), found(&xml, "group"));
    let ours = versions(&report, server);
    let mut wrong = String::new();
    for version in suites.keys().map(String::as_str).chain(ours.keys().copied()) {
        let Some(our) = ours.get(version) else {
            let _ = writeln!(wrong, "{version}: only sslscan says that it is accepted");
            continue;
        };
        let theirs = suites.get(version).cloned().unwrap_or_default();
        let seen = numbers(our, "suites");
        let same = if our["order"] == "server" { seen == theirs } else { sorted(&seen) == sorted(&theirs) };
        if !same || our["exact"] != true {
            let _ = writeln!(wrong, "{version}: {our:#}\nsslscan: {theirs:#06x?}");
        }
        if our["order"] != order && seen.len() > 1 {
            let _ = writeln!(wrong, "{version}: the order is the {order}'s, not {}", our["order"]);
        }
        // It asks for groups in TLS 1.2 and 1.3 only.
        if let Some(theirs) = groups.get(version)
            && sorted(&numbers(our, "groups")) != sorted(theirs)
        {
            let _ = writeln!(wrong, "{version}: groups {:#}\nsslscan: {theirs:#06x?}", our["groups"]);
        }
    }
    assert!(wrong.is_empty(), "{place}\n{wrong}");
    report
}

#[test]
fn the_suites_of_openssl_in_its_own_order() {
    let Some(rig) = Rig::with(&["openssl", "sslscan"]) else { return };
    let identity = rsa(&rig);
    let own = "AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:ECDHE-RSA-CHACHA20-POLY1305:AES256-GCM-SHA384:@SECLEVEL=0";
    for cipher in ["ALL:COMPLEMENTOFALL:@SECLEVEL=0", own, "HIGH:!kRSA:@SECLEVEL=0"] {
        let server = s_server(&rig, &identity, &["-cipher", cipher, "-serverpref"]);
        agree(&rig, &server, "server");
    }
}

#[test]
fn the_suites_of_openssl_in_the_clients_order() {
    let Some(rig) = Rig::with(&["openssl", "sslscan"]) else { return };
    let server = s_server(&rig, &self_signed(&rig), &["-cipher", "ALL:@SECLEVEL=0"]);
    agree(&rig, &server, "client");
}

#[test]
fn a_server_that_gives_chacha_to_who_asks_for_it_first_has_an_order_of_its_own() {
    let Some(rig) = Rig::with(&["openssl", "sslscan"]) else { return };
    let options = ["-cipher", "HIGH:@SECLEVEL=0", "-serverpref", "-prioritize_chacha", "-no_tls1", "-no_tls1_1"];
    let server = s_server(&rig, &rsa(&rig), &options);
    let report = ask(&server);
    for (version, seen) in versions(&report, &server) {
        assert!(
            seen["order"] == "server" && seen["chacha_first"] == true && seen["exact"] == true,
            "{version}: {seen:#}"
        );
    }
    let without = s_server(&rig, &rsa(&rig), &["-cipher", "HIGH:@SECLEVEL=0", "-serverpref"]);
    let report = agree(&rig, &without, "server");
    assert!(versions(&report, &without)["TLS 1.3"]["chacha_first"] == false);
}

#[test]
fn groups_and_a_short_prime_are_those_that_were_configured() {
    let Some(rig) = Rig::with(&["openssl", "sslscan"]) else { return };
    let identity = rsa(&rig);
    let prime = rig.path("prime.pem");
    let prime = prime.to_str().unwrap();
    rig.run("openssl", &["dhparam", "-dsaparam", "-out", prime, "1024"]);
    let options = ["-cipher", "ALL:@SECLEVEL=0", "-groups", "P-384:X25519", "-dhparam", prime];
    let server = s_server(&rig, &identity, &options);
    let report = agree(&rig, &server, "client");
    let seen = versions(&report, &server);
    for (version, accepted) in seen {
        assert!(sorted(&numbers(accepted, "groups")) == [0x18, 0x1d], "{version}: {accepted:#}");
        let legacy = version != "TLS 1.3";
        assert!(accepted["dh_weak"] == legacy, "{version}: {accepted:#}");
        assert!(accepted["dh_bits"].as_array().unwrap().len() == usize::from(legacy), "{version}: {accepted:#}");
    }
}

#[test]
fn the_suites_of_gnutls() {
    let Some(rig) = Rig::with(&["gnutls-serv", "openssl", "sslscan"]) else { return };
    let identity = rsa(&rig);
    let all = "NORMAL:-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3:+3DES-CBC:+ARCFOUR-128:+MD5";
    let server = gnutls(&rig, &identity, all);
    let report = ask(&server);
    let seen = versions(&report, &server);
    assert!(seen.len() == 4 && seen.values().all(|version| version["exact"] == true), "{seen:#?}");
    let weak: Vec<&Value> =
        seen["TLS 1.0"]["suites"].as_array().unwrap().iter().map(|suite| &suite["weaknesses"]).collect();
    for weakness in ["rc4", "3des", "no-forward-secrecy"] {
        assert!(
            weak.iter().any(|list| list.as_array().unwrap().contains(&Value::from(weakness))),
            "{weakness}: {weak:?}"
        );
    }
    let own = gnutls(&rig, &identity, "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3:%SERVER_PRECEDENCE");
    agree(&rig, &own, "server");
}

#[test]
fn the_suites_of_nginx() {
    let Some(rig) = Rig::with(&["nginx", "openssl", "sslscan"]) else { return };
    let identity = rsa(&rig);
    let own = "ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA:@SECLEVEL=0;\nssl_prefer_server_ciphers on;";
    for (ciphers, order) in [(own, "server"), ("ssl_ciphers ALL:@SECLEVEL=0;", "client")] {
        let settings = format!(
            "ssl_certificate {};\nssl_certificate_key {};\nssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\n{ciphers}\n\
             location / {{ return 200 hello; }}",
            identity.certificate.display(),
            identity.key.display()
        );
        let server = nginx(&rig, "ssl", &settings);
        let report = agree(&rig, &server, order);
        let answer = report.answer("suites", server.port());
        assert!(answer["policy"].as_str().unwrap().starts_with("20"), "{answer:#}");
    }
}
