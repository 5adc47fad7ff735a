//! The suites and groups that daemons accept, held against their configuration, against sslscan and `openssl s_client` in the
//! same run.

use super::fronts::{Away, Front, Hello, hand_on, plainly};
use super::issuer::{Identity, self_signed};
use super::report::{Report, probe, probe_timed, scan};
use super::rig::{Daemon, Rig};
use super::webserver::nginx;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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

/// What `openssl s_client` prints about a handshake, if it succeeds.
fn s_client(rig: &Rig, server: &Daemon, options: &[&str]) -> Option<String> {
    let place = server.socket.to_string();
    let mut command = rig.command("timeout");
    let output = command.args(["20", "openssl", "s_client", "-connect", &place]).args(options).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_done = text.lines().any(|line| line.starts_with("New, ") && !line.contains("(NONE)"));
    is_done.then_some(text)
}

fn option_of(version: &str) -> &'static str {
    match version {
        "TLS 1.0" => "-tls1",
        "TLS 1.1" => "-tls1_1",
        "TLS 1.2" => "-tls1_2",
        "TLS 1.3" => "-tls1_3",
        other => panic!("{other}"),
    }
}

/// Whether `openssl s_client` gets a group, with that of the certificate behind it.
fn s_client_agrees(rig: &Rig, server: &Daemon, version: &str, group: u64) -> bool {
    let (name, told) = match group {
        0x17 => ("P-256", "prime256v1"),
        0x18 => ("P-384", "secp384r1"),
        0x19 => ("P-521", "secp521r1"),
        0x1d => ("X25519", "X25519"),
        0x1e => ("X448", "X448"),
        _ => return false,
    };
    let groups = format!("{name}:P-256");
    let options = [option_of(version), "-groups", &groups, "-cipher", "ECDHE:@SECLEVEL=0"];
    let text = s_client(rig, server, &options).unwrap_or_default();
    text.lines().any(|line| line.starts_with("Server Temp Key: ") && line.contains(told))
}

/// Every suite that `openssl` knows, offered alone by its client, is accepted exactly where portreeve says so. What only one of
/// them knows is left out.
#[track_caller]
fn agree_with_s_client(rig: &Rig, server: &Daemon, report: &Report) {
    let mut wrong = String::new();
    for (version, ours) in versions(report, server) {
        let known =
            rig.run("openssl", &["ciphers", "-s", "-stdname", option_of(version), "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]);
        let ours: Vec<&str> =
            ours["suites"].as_array().unwrap().iter().filter_map(|suite| suite["name"].as_str()).collect();
        for line in known.lines() {
            let mut words = line.split_whitespace();
            let (standard, Some("-"), Some(name)) = (words.next().unwrap(), words.next(), words.next()) else {
                continue;
            };
            let is_new = standard.starts_with("TLS_AES") || standard.starts_with("TLS_CHACHA");
            if is_new != (version == "TLS 1.3") || standard.contains("PSK") || standard.contains("SRP") {
                continue;
            }
            let cipher = format!("{name}:@SECLEVEL=0");
            let option = if is_new { ["-ciphersuites", name] } else { ["-cipher", &cipher] };
            let theirs = s_client(rig, server, &[[option_of(version)].as_slice(), &option].concat()).is_some();
            if theirs != ours.contains(&standard) {
                let _ = writeln!(wrong, "{version} {standard}: s_client {theirs}, portreeve {}", !theirs);
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{wrong}", server.socket);
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
        if let Some(theirs) = groups.get(version) {
            let ours = numbers(our, "groups");
            // It offers each alone, and so finds none but the certificate's where that is for an elliptic curve.
            let more = ours.iter().filter(|group| !theirs.contains(group));
            let false_groups: Vec<&u64> =
                more.filter(|group| !s_client_agrees(rig, server, version, **group)).collect();
            if !false_groups.is_empty() || theirs.iter().any(|group| !ours.contains(group)) {
                let _ = writeln!(
                    wrong,
                    "{version}: groups {ours:#06x?}\nsslscan: {theirs:#06x?}, s_client {false_groups:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{place}\n{wrong}");
    report
}

/// The second Oakley group, 1024 bits (RFC 2409, section 6.2).
const SHORT_PRIME: &str = "-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
";

#[test]
fn every_suite_is_accepted_that_openssl_gets_and_no_other() {
    let Some(rig) = Rig::with(&["openssl", "timeout"]) else { return };
    for (identity, ciphers) in [
        (rsa(&rig), "ALL:COMPLEMENTOFALL:@SECLEVEL=0"),
        (self_signed(&rig), "ALL:COMPLEMENTOFALL:@SECLEVEL=0"),
        (rsa(&rig), "eNULL:aNULL:AES128-SHA:@SECLEVEL=0"),
    ] {
        let server = s_server(&rig, &identity, &["-cipher", ciphers]);
        let report = ask(&server);
        assert!(versions(&report, &server).len() == 4);
        agree_with_s_client(&rig, &server, &report);
    }
}

#[test]
fn tls_1_3_alone_has_its_suites_and_groups_and_no_primes() {
    let Some(rig) = Rig::with(&["openssl", "sslscan", "timeout"]) else { return };
    let options =
        ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_8_SHA256"];
    for (order, identity) in [("client", rsa(&rig)), ("server", self_signed(&rig))] {
        let preference: &[&str] = if order == "server" { &["-serverpref"] } else { &[] };
        let server = s_server(&rig, &identity, &[&options, preference].concat());
        let report = ask(&server);
        let seen = versions(&report, &server);
        let only = seen["TLS 1.3"];
        assert!(seen.len() == 1 && only["exact"] == true && only["order"] == order, "{seen:#?}");
        let suites = numbers(only, "suites");
        let own = [0x1301, 0x1302, 0x1305];
        assert!(if order == "server" { suites == own } else { sorted(&suites) == own }, "{suites:#06x?}");
        assert!(only["dh_bits"].as_array().unwrap().is_empty() && only["dh_incomplete"].is_null());
        agree_with_s_client(&rig, &server, &report);
    }
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
    let prime = rig.write("prime.pem", SHORT_PRIME);
    let prime = prime.to_str().unwrap();
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

/// `openssl s_client` of a distribution offers neither RC4 nor 3DES, and sslscan rests on the same library. tlslite-ng does.
/// Nobody at hand offers or takes suites for export: their bytes are like those of any other, and the policy's table names them.
#[test]
fn rc4_3des_null_and_anonymous_suites_are_those_that_another_client_gets() {
    let Some(rig) = Rig::with(&["gnutls-serv", "openssl", "tls.py"]) else { return };
    let identity = rsa(&rig);
    let script = rig.write("client.py", include_str!("stacks/client.py"));
    let plain = "NORMAL:-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2";
    let weak = "3DES-CBC:+ARCFOUR-128:+NULL:+MD5:+ANON-DH:+ANON-ECDH";
    for (priority, is_weak) in [(plain.to_owned(), false), (format!("{plain}:+{weak}"), true)] {
        let server = gnutls(&rig, &identity, &priority);
        let (address, port) = (server.socket.ip().to_string(), server.port().to_string());
        let client = rig.interpreter_of("tls.py").arg(&script).args([&address, &port]).output().unwrap();
        let told = String::from_utf8(client.stdout).unwrap();
        let report = ask(&server);
        let seen = versions(&report, &server);
        let (mut wrong, mut accepted, mut asked) = (String::new(), 0, 0);
        for line in told.lines() {
            let [version, number, picked] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let suite = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap();
            let theirs = picked == number;
            let ours = numbers(seen[version], "suites").contains(&suite);
            asked += 1;
            accepted += usize::from(theirs);
            if ours != theirs {
                let _ = writeln!(wrong, "{line}: portreeve {ours}");
            }
        }
        assert!(wrong.is_empty(), "{priority}\n{wrong}");
        assert!(asked == 48, "{told}\n{}", String::from_utf8_lossy(&client.stderr));
        assert!(if is_weak { accepted > 30 } else { accepted == 0 }, "{accepted} by tlslite-ng:\n{told}");
        assert!(seen.values().all(|version| version["exact"] == true), "{seen:#?}");
        let weaknesses = |suite: &Value| suite["weaknesses"].as_array().unwrap().clone();
        for weakness in ["rc4", "3des", "null", "anonymous"] {
            let found = seen.values().flat_map(|version| version["suites"].as_array().unwrap()).flat_map(weaknesses);
            assert_eq!(found.into_iter().any(|found| found == weakness), is_weak, "{weakness}");
        }
    }
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

#[test]
fn items_about_suites_are_judged_where_these_are_asked_for() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let identity = rsa(&rig);
    let strong = "ECDHE-RSA-AES256-GCM-SHA384";
    let cases = [
        (strong.to_owned(), "pass", "pass"),
        (format!("{strong}:AES128-SHA"), "pass", "fail"),
        (format!("{strong}:ECDHE-RSA-NULL-SHA"), "fail", "pass"),
    ];
    for (ciphers, broken, secret) in cases {
        let settings = format!(
            "{}ssl_ciphers {ciphers}:@SECLEVEL=0;\nlocation / {{ return 200 hello; }}",
            certified(&identity, "TLSv1.2")
        );
        let server = nginx(&rig, "ssl", &settings);
        let place = ["--role", "iis", "--guide", "beyond", "--moved", &server.moved(443)];
        let report = scan(&rig, &[place.as_slice(), &["--ciphers"]].concat());
        report.says(
            "BEY-TLS-03",
            broken,
            if broken == "fail" { &["TLS_ECDHE_RSA_WITH_NULL_SHA (TLS 1.2)"] } else { &[] },
        );
        report.says(
            "BEY-TLS-04",
            secret,
            if secret == "fail" { &["TLS_RSA_WITH_AES_128_CBC_SHA (TLS 1.2)"] } else { &[] },
        );
        let without = scan(&rig, &place);
        assert!(without.observations("suites", server.port()).count() == 0 && !without.judges("BEY-TLS-03"));
    }
}

fn certified(identity: &Identity, versions: &str) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    format!("ssl_certificate {certificate};\nssl_certificate_key {key};\nssl_protocols {versions};\n")
}

/// nginx with a few suites and versions, for fronts.
fn behind(rig: &Rig) -> SocketAddrV4 {
    let identity = rsa(rig);
    let settings = format!(
        "{}ssl_ciphers {FEW}:@SECLEVEL=0;\nssl_prefer_server_ciphers on;\nlocation / {{ return 200 hello; }}",
        certified(&identity, "TLSv1 TLSv1.2 TLSv1.3")
    );
    let server = nginx(rig, "ssl", &settings);
    let place = server.socket;
    rig.keep(server);
    place
}

const FEW: &str = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA:AES128-SHA:DHE-RSA-AES128-SHA";

/// What a server with these accepts, in its order; it has no prime, so nothing with DHE.
const TRUTH: [(&str, &[u64]); 3] =
    [("TLS 1.0", &[0xc014, 0x002f]), ("TLS 1.2", &[0xc02f, 0xc014, 0x002f]), ("TLS 1.3", &[0x1302, 0x1303, 0x1301])];

/// How long versions and suites may take together, with what a busy machine may add.
const BOUND: Duration = Duration::from_secs(24);

/// Nothing is said to be accepted that is not; what is said to be exact is so; what is missing is said to be. With `whole`
/// nothing is missing of a version that is accepted.
#[track_caller]
fn never_wrong(front: &Front, whole: bool) {
    let (report, took) = probe_timed(&["tls", "--ciphers", &front.place.to_string()]);
    assert!(took < BOUND, "{took:?}");
    let answer = report.answer("suites", front.place.port());
    let list = |name: &str| answer[name].as_array().unwrap();
    for (version, truth) in TRUTH {
        let unsettled = list("unsettled").iter().any(|one| one["version"] == version);
        let Some(seen) = list("versions").iter().find(|seen| seen["version"] == version) else {
            // Whether it is refused is another question, and has its own tests.
            let is_refused = report.versions(front.place.port()).get(version).is_some_and(|ours| ours != "accepted");
            assert!(unsettled || is_refused, "{version} is missing: {answer:#}");
            continue;
        };
        let ours = numbers(seen, "suites");
        assert!(ours.iter().all(|suite| truth.contains(suite)), "{version}: {seen:#}");
        let is_all = sorted(&ours) == sorted(truth);
        assert!(if seen["exact"] == true { is_all } else { !whole }, "{version}: {seen:#}");
        assert!(seen["order"] != "client" && seen["order"] != "single", "{version}: {seen:#}");
        assert!(seen["order"] != "server" || !is_all || ours == truth, "{version}: {seen:#}");
    }
    assert!(list("versions").iter().all(|seen| TRUTH.iter().any(|(version, _)| seen["version"] == *version)));
}

/// A front that hands on whom `welcome` lets in, and turns the others away.
fn picky(rig: &Rig, away: Away, welcome: impl Fn(&Hello) -> bool + Send + Sync + 'static) -> Front {
    let server = behind(rig);
    Front::start(rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        if welcome(&hello) { hand_on(&stream, &hello, server, plainly) } else { away.turn(stream) }
    })
}

const PROGRAMS: [&str; 2] = ["nginx", "openssl"];

#[test]
fn a_refusal_may_be_a_closed_connection() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = behind(&rig);
    for away in [Away::Close, Away::Reset] {
        // Whatever the server answers with an alert is a closed connection, as SChannel has it.
        let front = Front::start(&rig, move |mut stream| {
            let Some(hello) = Hello::read(&mut stream) else { return };
            let Ok(mut inside) = TcpStream::connect(server) else { return };
            let mut first = [0];
            let answered = inside.write_all(&hello.bytes).and_then(|()| inside.peek(&mut first));
            let refused = !matches!(answered, Ok(1..)) || first != [22];
            drop(inside);
            if refused { away.turn(stream) } else { hand_on(&stream, &hello, server, plainly) }
        });
        never_wrong(&front, true);
    }
}

#[test]
fn where_few_suites_are_welcome_no_more_are_offered() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Alert(40), Away::Silence] {
        never_wrong(&picky(&rig, away, |hello| hello.suites <= 100), false);
        never_wrong(&picky(&rig, away, |hello| hello.suites <= 30), false);
    }
}

#[test]
fn who_comes_second_waits_or_is_turned_away() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = behind(&rig);
    let waits = Front::one_by_one(&rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        hand_on(&stream, &hello, server, plainly);
    });
    never_wrong(&waits, true);
    for away in [Away::Close, Away::Reset] {
        let busy = AtomicUsize::new(0);
        let front = Front::start(&rig, move |mut stream| {
            if busy.fetch_add(1, Ordering::SeqCst) > 0 {
                away.turn(stream);
            } else if let Some(hello) = Hello::read(&mut stream) {
                hand_on(&stream, &hello, server, plainly);
            }
            busy.fetch_sub(1, Ordering::SeqCst);
        });
        never_wrong(&front, true);
    }
}

#[test]
fn what_a_limited_rate_turns_away_is_not_refused() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = behind(&rig);
    for (most, away) in [(3, Away::Close), (10, Away::Reset), (20, Away::Alert(80))] {
        let served: Mutex<Vec<Instant>> = Mutex::default();
        // Those that ask for versions come before the limit.
        let free = AtomicUsize::new(30);
        let front = Front::start(&rig, move |mut stream| {
            let is_too_many = {
                let (mut served, now) = (served.lock().unwrap(), Instant::now());
                served.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
                served.push(now);
                let is_free = free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                !is_free && served.len() > most && served.pop().is_some()
            };
            if is_too_many {
                away.turn(stream);
            } else if let Some(hello) = Hello::read(&mut stream) {
                hand_on(&stream, &hello, server, plainly);
            }
        });
        never_wrong(&front, false);
    }
}

#[test]
fn who_stops_answering_in_the_middle_leaves_an_incomplete_list() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = behind(&rig);
    for away in [Away::Close, Away::Reset, Away::Silence] {
        for after in [60, 100] {
            let count = AtomicUsize::new(0);
            let front = Front::start(&rig, move |mut stream| {
                let Some(hello) = Hello::read(&mut stream) else { return };
                if count.fetch_add(1, Ordering::SeqCst) < after {
                    hand_on(&stream, &hello, server, plainly);
                } else {
                    away.turn(stream);
                }
            });
            never_wrong(&front, false);
        }
    }
}
