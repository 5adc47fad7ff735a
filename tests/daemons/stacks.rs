//! TLS as other stacks speak it: what each was told to accept is confirmed by an independent client, and portreeve must say
//! the same. OpenSSL and GnuTLS are in `tls.rs`, those behind MariaDB and xrdp in `database.rs` and `windows.rs`.

use super::issuer::{Identity, self_signed, self_signed_rsa};
use super::oracle::{agree_with_s_client, agree_with_truth, s_client_accepts};
use super::report::{Report, probe};
use super::rig::{Daemon, Rig};
use super::webserver::{apache, nginx, nginx_tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream, SupportedProtocolVersion, version};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const TLS_10: &str = "TLS 1.0";
const TLS_11: &str = "TLS 1.1";
const TLS_12: &str = "TLS 1.2";
const TLS_13: &str = "TLS 1.3";
const SSL_30: &str = "SSL 3.0";

fn directly(place: SocketAddrV4) -> Report {
    probe(&["tls", &place.to_string()])
}

/// What an independent client and portreeve must say of a server.
#[track_caller]
fn accepts(rig: &Rig, server: &Daemon, truth: &[&str]) {
    agree_with_s_client(rig, &directly(server.socket), server.socket, truth);
}

#[test]
fn jsse_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["java", "javac", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed_rsa(&rig);
    let source = rig.write("Server.java", include_str!("stacks/Server.java"));
    rig.run("javac", &["-nowarn", source.to_str().unwrap()]);
    let (store, certificate, key) = (rig.path("store.p12"), identity.certificate, identity.key);
    let files = [&certificate, &key, &store].map(|path| path.to_str().unwrap());
    let export =
        ["pkcs12", "-export", "-passout", "pass:portreeve", "-in", files[0], "-inkey", files[1], "-out", files[2]];
    rig.run("openssl", &export);
    let cases: [(&[&str], &[&str]); 3] = [
        (&["SSLv3", "TLSv1"], &[SSL_30, TLS_10]),
        (&["TLSv1.1", "TLSv1.2"], &[TLS_11, TLS_12]),
        (&["TLSv1.2", "TLSv1.3"], &[TLS_12, TLS_13]),
    ];
    for (protocols, truth) in cases {
        let server = rig.start("java", |socket| {
            let mut command = rig.command("java");
            command.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", ".", "Server"]);
            command.args([&socket.ip().to_string(), &socket.port().to_string(), files[2]]).args(protocols);
            command
        });
        accepts(&rig, &server, truth);
    }
}

#[test]
fn go_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["go", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let source = rig.write("server.go", include_str!("stacks/server.go"));
    let program = rig.path("server-go");
    let mut build = rig.command("go");
    build.env("GOCACHE", rig.folder("go-cache")).env("GO111MODULE", "off").env("GOFLAGS", "").env("CGO_ENABLED", "0");
    let built = build.arg("build").arg("-o").arg(&program).arg(source).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let cases: [(&str, &str, &[&str]); 4] = [
        ("0x0301", "0x0301", &[TLS_10]),
        ("0x0301", "0x0303", &[TLS_10, TLS_11, TLS_12]),
        ("0x0303", "0x0304", &[TLS_12, TLS_13]),
        ("0x0304", "0x0304", &[TLS_13]),
    ];
    for (least, most, truth) in cases {
        let server = rig.start("go", |socket| {
            let mut command = rig.command(program.to_str().unwrap());
            command.arg(socket.to_string()).arg(&identity.certificate).arg(&identity.key).args([least, most]);
            command
        });
        accepts(&rig, &server, truth);
    }
}

#[test]
fn node_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["node", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let script = rig.write("server.js", include_str!("stacks/server.js"));
    let cases: [(&str, &str, &[&str]); 3] = [
        ("TLSv1", "TLSv1.1", &[TLS_10, TLS_11]),
        ("TLSv1", "TLSv1.3", &[TLS_10, TLS_11, TLS_12, TLS_13]),
        ("TLSv1.2", "TLSv1.2", &[TLS_12]),
    ];
    for (least, most, truth) in cases {
        let server = rig.start("node", |socket| {
            let mut command = rig.command("node");
            command.arg(&script).args([socket.ip().to_string(), socket.port().to_string()]);
            command.arg(&identity.certificate).arg(&identity.key).args([least, most]);
            command
        });
        accepts(&rig, &server, truth);
    }
}

/// NSS's own server. It serves nothing without a database of its own.
fn selfserv(rig: &Rig, versions: &str) -> Daemon {
    rig.start("selfserv", |socket| {
        let mut command = rig.command("selfserv");
        command.args(["-d", "sql:nss", "-n", "rmm", "-V", versions, "-p", &socket.port().to_string()]);
        command
    })
}

#[test]
fn nss_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["selfserv", "certutil", "pk12util", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed_rsa(&rig);
    let (certificate, key) = (identity.certificate.to_str().unwrap(), identity.key.to_str().unwrap());
    rig.folder("nss");
    rig.run("certutil", &["-N", "-d", "sql:nss", "--empty-password"]);
    let export = ["pkcs12", "-export", "-name", "rmm", "-passout", "pass:", "-in", certificate, "-inkey", key];
    rig.run("openssl", &[export.as_slice(), &["-out", "nss.p12"]].concat());
    rig.run("pk12util", &["-i", "nss.p12", "-d", "sql:nss", "-W", "", "-K", ""]);
    let cases: [(&str, &[&str]); 5] = [
        ("ssl3:ssl3", &[SSL_30]),
        ("ssl3:tls1.2", &[SSL_30, TLS_10, TLS_11, TLS_12]),
        ("tls1.1:tls1.1", &[TLS_11]),
        ("tls1.0:tls1.3", &[TLS_10, TLS_11, TLS_12, TLS_13]),
        ("tls1.3:tls1.3", &[TLS_13]),
    ];
    for (versions, truth) in cases {
        accepts(&rig, &selfserv(&rig, versions), truth);
    }
}

/// lighttpd with the TLS of one of its modules.
fn lighttpd(rig: &Rig, module: &str, identity: &Identity, command: &str) -> Daemon {
    rig.start("lighttpd", |socket| {
        let folder = rig.folder(&format!("lighttpd-{}", socket.port()));
        let configuration = format!(
            "server.modules = (\"mod_{module}\")\nserver.document-root = \"{0}\"\nserver.bind = \"{1}\"\n\
             server.port = {2}\nssl.engine = \"enable\"\nssl.pemfile = \"{3}\"\nssl.privkey = \"{4}\"\n\
             ssl.openssl.ssl-conf-cmd = ({command})\n",
            folder.display(),
            socket.ip(),
            socket.port(),
            identity.certificate.display(),
            identity.key.display(),
        );
        let file = rig.write(&format!("lighttpd-{}/lighttpd.conf", socket.port()), &configuration);
        let mut command = rig.command("lighttpd");
        command.arg("-D").arg("-f").arg(file);
        command
    })
}

/// Where Debian keeps lighttpd's modules.
const MBEDTLS: &str = "/usr/lib/lighttpd/mod_mbedtls.so";
const WOLFSSL: &str = "/usr/lib/lighttpd/mod_wolfssl.so";
const OPENSSL: &str = "/usr/lib/lighttpd/mod_openssl.so";

#[test]
fn mbedtls_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["lighttpd", MBEDTLS, "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed_rsa(&rig);
    let cases: [(&str, &[&str]); 3] = [
        ("\"MinProtocol\" => \"TLSv1.0\", \"CipherString\" => \"HIGH\"", &[TLS_10, TLS_11, TLS_12]),
        (
            "\"MinProtocol\" => \"TLSv1.0\", \"MaxProtocol\" => \"TLSv1.1\", \"CipherString\" => \"HIGH\"",
            &[TLS_10, TLS_11],
        ),
        ("\"MinProtocol\" => \"TLSv1.2\"", &[TLS_12]),
    ];
    for (command, truth) in cases {
        accepts(&rig, &lighttpd(&rig, "mbedtls", &identity, command), truth);
    }
}

/// wolfSSL takes a key share for x25519 whose last bit is set for a bad key and closes the connection. Of random ones every
/// other has it set, so it is asked several times.
#[test]
fn wolfssl_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["lighttpd", WOLFSSL, "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed_rsa(&rig);
    let cases: [(&str, &[&str]); 2] =
        [("\"MinProtocol\" => \"TLSv1.2\"", &[TLS_12, TLS_13]), ("\"MinProtocol\" => \"TLSv1.3\"", &[TLS_13])];
    for (command, truth) in cases {
        let server = lighttpd(&rig, "wolfssl", &identity, command);
        (0..6).for_each(|_| accepts(&rig, &server, truth));
    }
}

#[test]
fn lighttpd_with_openssl_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["lighttpd", OPENSSL, "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let command =
        "\"MinProtocol\" => \"TLSv1\", \"MaxProtocol\" => \"TLSv1.2\", \"CipherString\" => \"ALL:@SECLEVEL=0\"";
    accepts(&rig, &lighttpd(&rig, "openssl", &identity, command), &[TLS_10, TLS_11, TLS_12]);
    let command = "\"MinProtocol\" => \"TLSv1.2\"";
    accepts(&rig, &lighttpd(&rig, "openssl", &identity, command), &[TLS_12, TLS_13]);
}

#[test]
fn haproxy_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["haproxy", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let both = rig.write("both.pem", &(read(&identity.certificate) + &read(&identity.key)));
    let cases: [(&str, &str, &[&str]); 3] = [
        ("TLSv1.0", "TLSv1.1", &[TLS_10, TLS_11]),
        ("TLSv1.0", "TLSv1.3", &[TLS_10, TLS_11, TLS_12, TLS_13]),
        ("TLSv1.2", "TLSv1.2", &[TLS_12]),
    ];
    for (least, most, truth) in cases {
        let server = rig.start("haproxy", |socket| {
            let configuration = format!(
                "global\nssl-default-bind-ciphers ALL:@SECLEVEL=0\ndefaults\nmode http\ntimeout client 20s\n\
                 timeout server 20s\ntimeout connect 5s\nfrontend tls\n\
                 bind {socket} ssl crt {} ssl-min-ver {least} ssl-max-ver {most}\nhttp-request return status 200\n",
                both.display()
            );
            let file = rig.write(&format!("haproxy-{}.cfg", socket.port()), &configuration);
            let mut command = rig.command("haproxy");
            command.arg("-db").arg("-f").arg(file);
            command
        });
        accepts(&rig, &server, truth);
    }
}

#[test]
fn stunnel_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["stunnel4", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let inside = TcpListener::bind((rig.address, 0)).unwrap();
    let inside_place = inside.local_addr().unwrap();
    std::thread::spawn(move || inside.incoming().flatten().for_each(|mut stream| say_hello(&mut stream)));
    let cases: [(&str, &str, &[&str]); 3] = [
        ("TLSv1", "TLSv1.2", &[TLS_10, TLS_11, TLS_12]),
        ("TLSv1.1", "TLSv1.1", &[TLS_11]),
        ("TLSv1.2", "TLSv1.3", &[TLS_12, TLS_13]),
    ];
    for (least, most, truth) in cases {
        let server = rig.start("stunnel", |socket| {
            let configuration = format!(
                "foreground = yes\npid =\nsyslog = no\n[tls]\naccept = {socket}\nconnect = {inside_place}\ncert = {}\n\
                 key = {}\nsslVersionMin = {least}\nsslVersionMax = {most}\nciphers = ALL:@SECLEVEL=0\n",
                identity.certificate.display(),
                identity.key.display()
            );
            let file = rig.write(&format!("stunnel-{}.conf", socket.port()), &configuration);
            let mut command = rig.command("stunnel4");
            command.arg(file);
            command
        });
        accepts(&rig, &server, truth);
    }
}

#[test]
fn nginx_and_apache_are_said_to_accept_what_they_were_told_to() {
    let Some(rig) = Rig::with(&["nginx", "apache2", "openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let server =
        nginx(&rig, "ssl", &format!("{}location / {{ return 200; }}", nginx_tls(&identity, "TLSv1.1 TLSv1.3")));
    // With a gap, which most stacks cannot have.
    accepts(&rig, &server, &[TLS_11, TLS_13]);
    let settings = format!(
        "SSLEngine on\nSSLSessionCache none\nSSLProtocol -all +TLSv1 +TLSv1.1\nSSLCipherSuite ALL:@SECLEVEL=0\n\
         SSLCertificateFile {}\nSSLCertificateKeyFile {}\n",
        identity.certificate.display(),
        identity.key.display()
    );
    accepts(&rig, &apache(&rig, &["ssl"], &settings), &[TLS_10, TLS_11]);
}

/// A server of this very process.
fn rustls(rig: &Rig, identity: &Identity, versions: &[&'static SupportedProtocolVersion]) -> SocketAddrV4 {
    let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind((rig.address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                let mut session = ServerConnection::new(config).unwrap();
                let mut inside = Stream::new(&mut session, &mut stream);
                if matches!(inside.read(&mut [0; 4096]), Ok(1..)) {
                    let _ = inside.write_all(HELLO);
                }
                session.send_close_notify();
                while session.wants_write() && session.write_tls(&mut stream).is_ok() {}
            });
        }
    });
    SocketAddrV4::new(rig.address, port)
}

const HELLO: &[u8] = b"HTTP/1.0 204 No Content\r\n\r\n";

fn say_hello(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
        let _ = stream.write_all(HELLO);
    }
}

#[test]
fn rustls_is_said_to_accept_what_it_was_told_to() {
    let Some(rig) = Rig::with(&["openssl", "sslscan", "timeout"]) else { return };
    let identity = self_signed(&rig);
    let (new, old) = (&version::TLS13, &version::TLS12);
    let cases: [(&[&'static SupportedProtocolVersion], &[&str]); 3] =
        [(&[old], &[TLS_12]), (&[new], &[TLS_13]), (&[new, old], &[TLS_12, TLS_13])];
    for (versions, truth) in cases {
        let place = rustls(&rig, &identity, versions);
        agree_with_s_client(&rig, &directly(place), place, truth);
    }
}

/// tlslite-ng, with versions as the minors of 3.
fn tlslite(rig: &Rig, identity: &Identity, versions: [&str; 2], ciphers: &str) -> Daemon {
    let script = rig.write("server.py", include_str!("stacks/server.py"));
    rig.start("tlslite", |socket| {
        let mut command = rig.interpreter_of("tls.py");
        command.arg(&script).args([socket.ip().to_string(), socket.port().to_string()]);
        command.arg(&identity.certificate).arg(&identity.key).args(versions).arg(ciphers);
        command
    })
}

const TLSLITE: [&str; 5] = ["tls.py", "gnutls-cli", "openssl", "sslscan", "timeout"];

#[test]
fn tlslite_is_said_to_accept_ssl_3_where_it_was_told_to() {
    let Some(rig) = Rig::with(&TLSLITE) else { return };
    let identity = self_signed_rsa(&rig);
    let cases: [([&str; 2], &[&str]); 3] =
        [(["0", "0"], &[SSL_30]), (["0", "2"], &[SSL_30, TLS_10, TLS_11]), (["1", "3"], &[TLS_10, TLS_11, TLS_12])];
    for (versions, truth) in cases {
        accepts(&rig, &tlslite(&rig, &identity, versions, "aes128,3des"), truth);
    }
}

/// tlslite-ng takes a hello for TLS 1.3 alone that names groups which only TLS 1.2 has for an illegal one.
#[test]
fn tlslite_is_said_to_accept_tls_1_3_beside_older_versions() {
    let Some(rig) = Rig::with(&TLSLITE) else { return };
    let identity = self_signed_rsa(&rig);
    accepts(&rig, &tlslite(&rig, &identity, ["3", "4"], "aes128gcm,aes128"), &[TLS_12, TLS_13]);
}

#[test]
fn a_tlslite_with_nothing_but_rc4_or_null_is_no_refusal() {
    let Some(rig) = Rig::with(&TLSLITE) else { return };
    let identity = self_signed_rsa(&rig);
    for (cipher, theirs) in [("rc4", "ARCFOUR-128"), ("null", "NULL")] {
        let server = tlslite(&rig, &identity, ["1", "3"], cipher);
        for version in ["1.0", "1.1", "1.2"] {
            let priority = format!(
                "NONE:+VERS-TLS{version}:+{theirs}:+SHA1:+MD5:+SHA256:+RSA:+DHE-RSA:+ECDHE-RSA:+GROUP-ALL:+SIGN-ALL:+COMP-NULL"
            );
            let port = server.port().to_string();
            let mut command = rig.command("timeout");
            command.args(["20", "gnutls-cli", "--insecure", "--priority", &priority, "--port", &port]);
            let output = command.arg(server.socket.ip().to_string()).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("Handshake was completed"), "gnutls-cli with {priority}:\n{text}");
        }
        agree_with_truth(&directly(server.socket), server.socket, &[TLS_10, TLS_11, TLS_12]);
    }
}

/// Suites of which few clients know, each alone: a server that has nothing else refuses the usual hello, and accepts the
/// version all the same.
#[test]
fn a_server_with_nothing_but_odd_suites_is_no_refusal() {
    let Some(rig) = Rig::with(&["openssl", "timeout"]) else { return };
    let identity = self_signed_rsa(&rig);
    let suites = [
        "ADH-AES128-SHA256",
        "NULL-SHA256",
        "ARIA128-GCM-SHA256",
        "AES128-CCM8",
        "CAMELLIA128-SHA",
        "PSK-AES128-CBC-SHA",
    ];
    for suite in suites {
        let cipher = format!("{suite}:@SECLEVEL=0");
        let server = rig.start("openssl", |socket| {
            let mut command = rig.command("openssl");
            command.args(["s_server", "-quiet", "-www", "-tls1_2", "-psk", "0123456789abcdef", "-cipher", &cipher]);
            command.arg("-accept").arg(socket.to_string());
            command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key);
            command
        });
        let options = ["-tls1_2", "-psk", "0123456789abcdef", "-cipher", &cipher];
        assert!(s_client_accepts(&rig, server.socket, &options), "{suite}: openssl s_client");
        agree_with_truth(&directly(server.socket), server.socket, &[TLS_12]);
    }
}
