//! Real web servers: their TLS, their headers, their methods.

use super::issuer::{NAME, self_signed};
use super::oracle::{agree_on_headers, agree_on_versions};
use super::report::{probe, scan};
use super::rig::Rig;
use super::webserver::{apache, nginx, nginx_tls};

/// The port of the guides, and where it really is, as a report names them.
fn place(port: u16, actual: u16) -> String {
    format!("tcp/{port} (here tcp/{actual})")
}

#[test]
fn a_lax_nginx_fails_for_old_tls_and_for_its_header() {
    let Some(rig) = Rig::with(&["nginx", "sslscan", "curl"]) else { return };
    let tls = nginx_tls(&self_signed(&rig), "TLSv1 TLSv1.1 TLSv1.2");
    let server = nginx(&rig, "ssl", &format!("{tls}server_tokens on;\nlocation / {{ return 200 hello; }}"));
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
    let place = place(443, server.port());
    report.says("AUT-NET-02", "pass", &[&place]);
    report.says("AUT-TLS-01", "fail", &[&place, "accepts TLS 1.0"]);
    report.says("AUT-TLS-02", "fail", &[&place, "accepts TLS 1.1"]);
    report.says("BEY-TLS-01", "pass", &[&place, "refuses SSL 2.0", "refuses SSL 3.0"]);
    report.says("AUT-IIS-01", "fail", &[&place, "Server: nginx/"]);
    report.says("AUT-IIS-02", "pass", &[&place]);

    let directly = probe(&["tls", &server.socket.to_string()]);
    let configured = ["TLS 1.0", "TLS 1.1", "TLS 1.2"];
    agree_on_versions(&rig, &report, &server, &[], &configured);
    agree_on_versions(&rig, &directly, &server, &[], &configured);
    let ports = probe(&["ports", &rig.address.to_string(), "--tcp", &server.port().to_string()]);
    assert_eq!(ports.states(), [(format!("tcp/{}", server.port()), "open".to_owned())]);
    let directly = probe(&["http", &format!("https://{}", server.socket)]);
    for method in ["GET", "OPTIONS", "TRACE"] {
        agree_on_headers(&rig, &directly, &server, method, "/");
    }
}

#[test]
fn a_hardened_nginx_passes_with_a_control() {
    let Some(rig) = Rig::with(&["nginx", "sslscan", "curl"]) else { return };
    let tls = nginx_tls(&self_signed(&rig), "TLSv1.2 TLSv1.3");
    let options = "if ($request_method = OPTIONS) { return 404; }\nlocation / { return 200 hello; }";
    let server = nginx(&rig, "ssl", &format!("{tls}server_tokens off;\n{options}"));
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
    let place = place(443, server.port());
    report.says("AUT-TLS-01", "pass", &[&place, "refuses TLS 1.0", "accepts TLS 1.3"]);
    report.says("AUT-TLS-02", "pass", &[&place, "refuses TLS 1.1", "accepts TLS 1.3"]);
    report.says("AUT-IIS-01", "fail", &["Server: nginx\""]);
    report.says("AUT-IIS-03", "pass", &["OPTIONS / answers 404", "GET / answers 200"]);
    report.says("BEY-HTTP-02", "pass", &["TRACE / answers 405"]);
    agree_on_versions(&rig, &report, &server, &[], &["TLS 1.2", "TLS 1.3"]);
    agree_on_headers(&rig, &report, &server, "OPTIONS", "/");
    let directly = probe(&["tls", &server.socket.to_string()]);
    agree_on_versions(&rig, &directly, &server, &[], &["TLS 1.2", "TLS 1.3"]);
}

#[test]
fn an_apache_that_echoes_trace_and_answers_options_fails_for_both() {
    let Some(rig) = Rig::with(&["apache2", "curl"]) else { return };
    let server = apache(&rig, &[], "ServerTokens Full\nTraceEnable On");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(80)]);
    let place = place(80, server.port());
    report.says("BEY-NET-01", "fail", &[&place]);
    report.says("BEY-HTTP-02", "fail", &[&place, "TRACE / answers 200"]);
    report.says("AUT-IIS-01", "fail", &[&place, "Server: Apache/2."]);
    report.says("AUT-IIS-03", "fail", &[&place, "OPTIONS / answers 200", "Allow: ", "TRACE"]);
    report.says("AUT-TLS-01", "not-applicable", &["none speaks TLS"]);
    for method in ["GET", "OPTIONS", "TRACE"] {
        agree_on_headers(&rig, &report, &server, method, "/");
    }
    assert!(report.http(server.port(), "TRACE", "/")["body_start"].as_str().unwrap().starts_with("TRACE / HTTP/1.1"));
}

#[test]
fn asp_net_on_mono_shows_its_headers_through_nginx() {
    let Some(rig) = Rig::with(&["nginx", "fastcgi-mono-server4", "curl"]) else { return };
    // Mono tells its version by itself; what IIS adds by its configuration, the page adds here.
    let powered = "<%@ Page Language=\"C#\" %><% Response.AppendHeader(\"X-Powered-By\", \"ASP.NET\"); %>hello";
    rig.write("site/index.aspx", powered);
    rig.write("site/LabTech/Agent.aspx", "<%@ Page Language=\"C#\" %><% Response.Write(\"||||||220.105\"); %>");
    let site = rig.folder("site");
    let mono = rig.start("mono", |socket| {
        let mut command = rig.command("fastcgi-mono-server4");
        command.env("HOME", rig.folder("home")).env("MONO_DISABLE_SHARED_AREA", "1");
        command.arg(format!("/socket=tcp:{socket}")).arg(format!("/applications=/:{}", site.display()));
        command.args(["/printlog=True", "/loglevels=Notice,Warning,Error"]);
        command
    });
    let fastcgi = format!(
        "root {};\nlocation / {{\nindex index.aspx;\nfastcgi_pass {};\nfastcgi_index index.aspx;\n\
         include /etc/nginx/fastcgi_params;\nfastcgi_param PATH_INFO \"\";\n\
         fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n}}",
        site.display(),
        mono.socket
    );
    let tls = nginx_tls(&self_signed(&rig), "TLSv1.2 TLSv1.3");
    let server = nginx(&rig, "ssl", &format!("{tls}{fastcgi}"));
    // The first request compiles the pages.
    for page in ["/", "/LabTech/Agent.aspx", "/portreeve-no-such-page.aspx"] {
        rig.run("curl", &["-sk", "--noproxy", "*", "--max-time", "120", &format!("https://{}{page}", server.socket)]);
    }
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(443)]);
    report.says("AUT-IIS-02", "fail", &["X-AspNet-Version: 4.0.30319", "X-Powered-By: ASP.NET"]);
    report.says("BEY-HTTP-01", "pass", &["over HTTPS"]);
    agree_on_headers(&rig, &report, &server, "GET", "/");
    agree_on_headers(&rig, &report, &server, "GET", "/portreeve-no-such-page.aspx");
    let products = &report.answer("products", server.port())["products"];
    assert!(products[0]["product"] == "automate" && products[0]["version"] == "220.105", "{products:#}");
}

#[test]
fn stunnel_before_plain_http_is_https_and_is_judged_as_such() {
    let Some(rig) = Rig::with(&["nginx", "stunnel4", "sslscan", "curl"]) else { return };
    let plain = nginx(&rig, "", "location / { return 200 hello; }");
    let identity = self_signed(&rig);
    let tunnel = rig.start("stunnel", |socket| {
        let configuration = format!(
            "foreground = yes\npid =\nsyslog = no\n[web]\naccept = {socket}\nconnect = {}\ncert = {}\nkey = {}\n\
             sslVersionMin = TLSv1.1\nsslVersionMax = TLSv1.2\nciphers = ALL:@SECLEVEL=0\nsecurityLevel = 0\n",
            plain.socket,
            identity.certificate.display(),
            identity.key.display(),
        );
        let file = rig.write(&format!("stunnel-{}.conf", socket.port()), &configuration);
        let mut command = rig.command("stunnel4");
        command.arg(file);
        command
    });
    let (moved, behind) = (tunnel.moved(443), plain.moved(80));
    let report = scan(&rig, &["--role", "automate", "--moved", &moved, "--moved", &behind, "--sni", NAME]);
    report.says("AUT-NET-02", "pass", &[&place(443, tunnel.port()), "HTTPS"]);
    report.says("AUT-TLS-01", "pass", &[&place(443, tunnel.port()), "accepts TLS 1.2"]);
    report.says("AUT-TLS-02", "fail", &[&place(443, tunnel.port())]);
    assert_eq!((report.protocol(tunnel.port()), report.protocol(plain.port())), ("https", "http"));
    agree_on_versions(&rig, &report, &tunnel, &[], &["TLS 1.1", "TLS 1.2"]);
    for server in [&tunnel, &plain] {
        agree_on_headers(&rig, &report, server, "GET", "/");
    }
}
