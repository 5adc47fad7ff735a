//! TLS versions of OpenSSL and GnuTLS, and servers of which not everything can be told.

use super::fronts::{Front, Hello, hand_on, plainly, until_closed};
use super::issuer::{Identity, self_signed};
use super::oracle::agree_on_versions;
use super::report::{Report, probe, scan};
use super::rig::{Daemon, Rig};
use super::webserver::{apache, nginx, nginx_tls};
use std::io::Write as _;
use std::net::TcpListener;

/// `openssl s_server`, which serves one connection after the other.
pub(crate) fn s_server(rig: &Rig, identity: &Identity, options: &[&str]) -> Daemon {
    rig.start("openssl", |socket| {
        let mut command = rig.command("openssl");
        command.args(["s_server", "-quiet", "-www", "-cipher", "ALL:@SECLEVEL=0", "-accept", &socket.to_string()]);
        command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key).args(options);
        command
    })
}

/// `gnutls-serv`; `versions` as priority strings name them.
fn gnutls(rig: &Rig, identity: &Identity, versions: &[&str]) -> Daemon {
    rig.start("gnutls", |socket| {
        let versions = versions.join(":+VERS-");
        let mut command = rig.command("gnutls-serv");
        command.args(["--http", "--quiet", "--port", &socket.port().to_string(), "--disable-client-cert"]);
        command.arg(format!("--priority=NORMAL:%VERIFY_ALLOW_SIGN_WITH_SHA1:-VERS-ALL:+VERS-{versions}"));
        command.arg("--x509certfile").arg(&identity.certificate).arg("--x509keyfile").arg(&identity.key);
        command
    })
}

fn directly(server: &Daemon) -> Report {
    probe(&["tls", &server.socket.to_string()])
}

#[test]
fn openssl_is_said_to_accept_what_it_was_told_to_and_nothing_else() {
    let Some(rig) = Rig::with(&["openssl", "sslscan"]) else { return };
    let identity = self_signed(&rig);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["-tls1"], &["TLS 1.0"]),
        (&["-tls1_1"], &["TLS 1.1"]),
        (&["-tls1_2"], &["TLS 1.2"]),
        (&["-tls1_3"], &["TLS 1.3"]),
        (&["-no_tls1_3"], &["TLS 1.0", "TLS 1.1", "TLS 1.2"]),
        (&["-no_tls1", "-no_tls1_1"], &["TLS 1.2", "TLS 1.3"]),
    ];
    for (options, versions) in cases {
        let server = s_server(&rig, &identity, options);
        agree_on_versions(&rig, &directly(&server), &server, &[], versions);
    }
}

#[test]
fn gnutls_is_said_to_accept_what_it_was_told_to_and_nothing_else() {
    let Some(rig) = Rig::with(&["gnutls-serv", "sslscan"]) else { return };
    let identity = self_signed(&rig);
    let cases: [(&[&str], &[&str]); 5] = [
        (&["TLS1.0"], &["TLS 1.0"]),
        (&["TLS1.1"], &["TLS 1.1"]),
        (&["TLS1.2"], &["TLS 1.2"]),
        (&["TLS1.3"], &["TLS 1.3"]),
        (&["TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3"], &["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"]),
    ];
    for (configured, versions) in cases {
        let server = gnutls(&rig, &identity, configured);
        agree_on_versions(&rig, &directly(&server), &server, &[], versions);
    }
}

#[test]
fn of_a_server_with_only_old_tls_the_headers_are_judged_too() {
    let Some(rig) = Rig::with(&["nginx", "openssl", "sslscan"]) else { return };
    let identity = self_signed(&rig);
    // rustls speaks neither: the version, and the CBC suites of TLS 1.2.
    let cases: [(String, &[&str]); 3] = [
        (nginx_tls(&identity, "TLSv1"), &["TLS 1.0"]),
        (nginx_tls(&identity, "TLSv1.1"), &["TLS 1.1"]),
        (
            nginx_tls(&identity, "TLSv1.2").replace("ALL:@SECLEVEL=0", "AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
            &["TLS 1.2"],
        ),
    ];
    for (tls, versions) in cases {
        let pages = "location / { add_header X-Powered-By ASP.NET; return 200 hello; }\n\
             location = /LabTech/Agent.aspx { return 200 ||||||220.105; }";
        let server = nginx(&rig, "ssl", &format!("{tls}{pages}"));
        let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
        let verdict = |version: &str| if versions.contains(&version) { "fail" } else { "pass" };
        report.says("AUT-TLS-01", verdict("TLS 1.0"), &["TLS 1.0"]);
        report.says("AUT-TLS-02", verdict("TLS 1.1"), &["TLS 1.1"]);
        report.says("AUT-IIS-01", "fail", &["Server: nginx"]);
        report.says("AUT-IIS-02", "fail", &["X-Powered-By: ASP.NET"]);
        assert_eq!(report.protocol(server.port()), "https");
        let products = report.answer("products", server.port()).to_string();
        assert!(products.contains("220.105"), "{products}");
        agree_on_versions(&rig, &report, &server, &[], versions);
    }
}

#[test]
fn of_a_server_that_wants_a_client_certificate_the_tls_is_judged_and_the_http_could_not_be_told() {
    let Some(rig) = Rig::with(&["apache2", "sslscan"]) else { return };
    let identity = self_signed(&rig);
    // The refusal comes within the handshake of TLS 1.2, and after that of TLS 1.3.
    let cases: [(&str, &[&str]); 2] = [
        ("-all +TLSv1 +TLSv1.1 +TLSv1.2", &["TLS 1.0", "TLS 1.1", "TLS 1.2"]),
        ("-all +TLSv1.2 +TLSv1.3", &["TLS 1.2", "TLS 1.3"]),
    ];
    for (protocols, versions) in cases {
        let settings = format!(
            "SSLEngine on\nSSLSessionCache none\nSSLProtocol {protocols}\nSSLCipherSuite ALL:@SECLEVEL=0\nSSLCertificateFile {0}\n\
             SSLCertificateKeyFile {1}\nSSLVerifyClient require\nSSLCACertificateFile {0}\n",
            identity.certificate.display(),
            identity.key.display()
        );
        let server = apache(&rig, &["ssl"], &settings);
        let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
        let old = if versions.contains(&"TLS 1.0") { "fail" } else { "pass" };
        report.says("AUT-TLS-01", old, &["TLS 1.0"]);
        report.says("AUT-TLS-02", old, &["TLS 1.1"]);
        for item in ["AUT-IIS-01", "AUT-IIS-02", "AUT-IIS-03", "BEY-HTTP-02"] {
            report.says(item, "inconclusive", &["could not be asked"]);
        }
        agree_on_versions(&rig, &report, &server, &[], versions);
        let directly = directly(&server);
        agree_on_versions(&rig, &directly, &server, &[], versions);
        assert!(directly.answer("certificate", server.port())["self_signed"] == true);
    }
}

#[test]
fn a_server_that_wants_a_client_certificate_by_an_error_page_hides_what_it_would_send() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let identity = self_signed(&rig);
    let wanted = format!("ssl_verify_client on;\nssl_client_certificate {};", identity.certificate.display());
    let page = "location / { add_header X-Powered-By ASP.NET; return 200 hello; }";
    let server = nginx(&rig, "ssl", &format!("{}{wanted}\n{page}", nginx_tls(&identity, "TLSv1.2 TLSv1.3")));
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
    report.says("AUT-TLS-01", "pass", &["refuses TLS 1.0", "accepts TLS 1.3"]);
    report.says("AUT-IIS-01", "fail", &["Server: nginx"]);
    report.says("AUT-IIS-02", "inconclusive", &["every page turned us away", "GET / answers 400"]);
    report.says("AUT-IIS-03", "inconclusive", &["OPTIONS / answers 400"]);
}

/// Greets everybody like an SSH server, and says nothing more.
fn ssh_like(rig: &Rig) -> u16 {
    let listener = TcpListener::bind((rig.address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n");
            kept.push(stream);
        }
    });
    port
}

#[test]
fn a_port_without_tls_is_never_said_to_refuse_an_old_version() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let web = nginx(&rig, "", "location / { return 200 hello; }");
    let ssh = ssh_like(&rig);
    let (web_moved, ssh_moved) = (web.moved(443), format!("tcp/8484={ssh}"));
    for moved in [vec![&web_moved], vec![&ssh_moved], vec![&web_moved, &ssh_moved]] {
        let mut arguments = vec!["--role", "automate"];
        for moved in moved {
            arguments.extend(["--moved", moved.as_str()]);
        }
        let report = scan(&rig, &arguments);
        for item in ["AUT-TLS-01", "AUT-TLS-02", "BEY-TLS-01"] {
            report.says(item, "not-applicable", &["none speaks TLS"]);
        }
    }
    for (port, protocol) in [(web.port(), "http"), (ssh, "ssh")] {
        let report = probe(&["tls", &format!("{}:{port}", rig.address)]);
        assert_eq!(report.protocol(port), protocol);
        assert!(report.versions(port).is_empty(), "{:?}", report.versions(port));
    }
}

/// No library here speaks SSL 2.0, so a front says its first word (section 5.3 of the protocol) and hands everybody else on.
#[test]
fn a_server_that_accepts_ssl_2_fails_for_that() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let tls = nginx_tls(&self_signed(&rig), "TLSv1.2 TLSv1.3");
    let server = nginx(&rig, "ssl", &format!("{tls}location / {{ return 200 hello; }}"));
    let place = server.socket;
    // SERVER-HELLO: no session, an X.509 certificate of 5 bytes, version 2, one kind (RC4 with MD5), 16 bytes of connection.
    let mut answer = vec![0x80, 35, 4, 0, 1, 0, 2, 0, 5, 0, 3, 0, 16];
    answer.extend_from_slice(b"cert!\x01\x00\x80sixteen bytes...");
    let front = Front::start(&rig, move |mut stream| {
        let mut first = [0; 3];
        // A record of SSL 2.0 with a CLIENT-HELLO has its first bit set, and what is in it begins with 1.
        if stream.peek(&mut first).is_ok_and(|count| count == 3) && first[0] & 0x80 != 0 && first[2] == 1 {
            let _ = stream.write_all(&answer);
            until_closed(&stream);
        } else {
            hand_on(&stream, &Hello::default(), place, plainly);
        }
    });
    let moved = format!("tcp/443={}", front.place.port());
    let report = scan(&rig, &["--role", "automate", "--moved", &moved]);
    report.says("BEY-TLS-01", "fail", &["accepts SSL 2.0", "SSL 2.0 is accepted"]);
    // Nothing else has it.
    report.says("AUT-TLS-01", "pass", &["refuses TLS 1.0"]);
}
