//! Web faces over plain HTTP.

use std::io::Read;
use std::net::SocketAddr;

use mock_servers::{Running, Transport};

use crate::support::{assert_silent, exchange, face, program, talk, text};

async fn iis(settings: &str) -> (Running, SocketAddr) {
    face(&format!(".http.product.iis = {{ {settings} }}")).await
}

/// Sends a request with Host and gives the head, without Date, and the body.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String) {
    raw(address, &format!("{method} {path} HTTP/1.1\r\nHost: rmm.example\r\nConnection: close\r\n\r\n")).await
}

async fn raw(address: SocketAddr, request: &str) -> (String, String) {
    let answer = text(&talk(address, request.as_bytes()).await);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    (head.join("\n"), body.to_owned())
}

#[tokio::test]
async fn iis_answers_options_to_the_byte() {
    let (_running, address) = iis("").await;
    assert_eq!(
        ask(address, "OPTIONS", "/").await.0,
        "HTTP/1.1 200 OK\nAllow: OPTIONS, TRACE, GET, HEAD, POST\nServer: Microsoft-IIS/10.0\n\
         Public: OPTIONS, TRACE, GET, HEAD, POST\nX-Powered-By: ASP.NET\nContent-Length: 0\nConnection: close"
    );
    let (_running, address) = iis("options = \"denied\"").await;
    assert!(ask(address, "OPTIONS", "/").await.0.starts_with("HTTP/1.1 404 "));
    assert!(ask(address, "GET", "/").await.0.starts_with("HTTP/1.1 200 "));
    let (_running, address) = iis("webdav = true").await;
    let (head, _) = ask(address, "OPTIONS", "/").await;
    assert!(head.contains("\nDAV: 1,2,3\nMS-Author-Via: DAV\n"), "{head}");
}

#[tokio::test]
async fn iis_treats_the_other_verbs_as_known() {
    let (_running, address) = iis("").await;
    assert!(ask(address, "TRACE", "/").await.0.starts_with("HTTP/1.1 501 "));
    for verb in ["PUT", "DELETE"] {
        assert!(ask(address, verb, "/").await.0.starts_with("HTTP/1.1 405 "));
    }
    let (_running, address) = iis("trace = \"echo\"").await;
    let (head, body) = ask(address, "TRACE", "/x").await;
    assert!(head.contains("Content-Type: message/http"));
    assert!(body.starts_with("TRACE /x HTTP/1.1\r\nHost: rmm.example\r\n"));
}

#[tokio::test]
async fn version_headers_are_where_iis_puts_them() {
    let (_running, address) = iis("").await;
    let (head, _) = ask(address, "GET", "/").await;
    assert!(head.contains("Server: Microsoft-IIS/10.0\nX-Powered-By: ASP.NET"), "{head}");
    assert!(!head.contains("X-AspNet-Version"));
    let (head, _) = ask(address, "GET", "/nothing.aspx").await;
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("X-AspNet-Version: 4.0.30319"), "{head}");

    let (_running, address) =
        iis("remove-server-header = true, powered-by = false, aspnet-version = false, http-sys-header = false").await;
    for (method, path) in [("GET", "/"), ("GET", "/x.aspx"), ("OPTIONS", "/"), ("get", "/"), ("PUT", "/")] {
        let (head, _) = ask(address, method, path).await;
        assert!(!head.contains("Server:") && !head.contains("X-"), "{head}");
    }
}

#[tokio::test]
async fn http_sys_answers_what_is_malformed() {
    let (_running, address) = iis("remove-server-header = true, host-bindings = [\"rmm.example\"]").await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n",
        "get / HTTP/1.1\r\nHost: rmm.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: rmm.example\r\nX y: z\r\n\r\n",
    ] {
        let (head, body) = raw(address, request).await;
        let length = body.len();
        assert_eq!(
            head,
            format!(
                "HTTP/1.1 400 Bad Request\nContent-Type: text/html; charset=us-ascii\n\
                 Server: Microsoft-HTTPAPI/2.0\nContent-Length: {length}\nConnection: close"
            )
        );
    }
    // A TLS hello at a plain port ends at once, too.
    assert!(text(&talk(address, b"\x16\x03\x01\x00\x05hello").await).starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_directory_without_host_names_the_server() {
    let leak = "HEAD /aspnet_client HTTP/1.0\r\n\r\n";
    for (settings, location) in [
        ("internal-address = \"10.1.2.3\"", "http://10.1.2.3/aspnet_client/"),
        ("internal-address = \"10.1.2.3\", alternate-host-name = \"rmm.example\"", "http://rmm.example/aspnet_client/"),
        ("", "http://127.0.0.1/aspnet_client/"),
    ] {
        let (_running, address) = iis(settings).await;
        let (head, body) = raw(address, leak).await;
        assert!(head.starts_with("HTTP/1.1 301 ") && head.contains(&format!("\nLocation: {location}\n")), "{head}");
        assert_eq!(body, "", "HEAD has no body");
        let (head, _) = ask(address, "GET", "/aspnet_client").await;
        assert!(head.contains("Location: http://rmm.example/aspnet_client/"));
    }
    let (_running, address) = iis("directories = []").await;
    assert!(raw(address, leak).await.0.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn automate_answers_beside_iis() {
    let (_running, address) = iis("agent-version = \"220.105\", automate-status = 403").await;
    for path in ["/LabTech/Agent.aspx", "/labtech/AGENT.ASPX"] {
        let (head, body) = ask(address, "GET", path).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("X-AspNet-Version: 4.0.30319"), "{head}");
        assert_eq!(body, "||||||220.105");
    }
    assert!(ask(address, "GET", "/automate").await.0.starts_with("HTTP/1.1 403 "));
    assert!(ask(address, "GET", "/WCC2/").await.0.starts_with("HTTP/1.1 200 "));
    assert!(raw(address, "HEAD /LabTech HTTP/1.0\r\n\r\n").await.0.starts_with("HTTP/1.1 301 "));
}

#[tokio::test]
async fn screenconnect_tells_its_version_twice() {
    let (_running, address) = face(".http.product.screenconnect = { version = \"23.9.10.8817\" }").await;
    for path in ["/", "/Login"] {
        let (head, _) = ask(address, "GET", path).await;
        assert!(head.contains("\nServer: ScreenConnect/23.9.10.8817-4039728469 Microsoft-HTTPAPI/2.0\n"), "{head}");
    }
    assert!(ask(address, "GET", "/Script.ashx").await.1.contains("productVersion\":\"23.9.10.8817\""));
    assert!(raw(address, "GET / HTTP/1.1\r\n\r\n").await.0.contains("Server: Microsoft-HTTPAPI/2.0"));
    let (_running, address) = face(".http.product.screenconnect = { httpapi-suffix = false }").await;
    assert!(ask(address, "GET", "/").await.0.contains("\nServer: ScreenConnect/26.1.21.9593-4039728469\n"));
}

#[tokio::test]
async fn endpoint_central_shows_its_build() {
    let (_running, address) = face(".http.product.endpoint-central = { build = \"100474\" }").await;
    let (head, _) = ask(address, "GET", "/").await;
    assert!(head.starts_with("HTTP/1.1 302 ") && head.contains("/configurations.do\n"), "{head}");
    let (head, body) = ask(address, "GET", "/configurations.do").await;
    assert!(head.contains("Set-Cookie: DCJSESSIONID=") && !head.contains("Server:"), "{head}");
    assert!(body.contains("<input id=\"buildNum\" value=\"100474\">") && body.contains("<title>ManageEngine "));
}

#[tokio::test]
async fn bodies_travel_as_asked() {
    let body = "x".repeat(40);
    let product = format!("product.plain = {{ body = \"{body}\" }}");
    let (_running, address) = face(&format!(".http = {{ {product}, coding = \"chunked\" }}")).await;
    let (head, sent) = ask(address, "GET", "/").await;
    assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
    assert!(sent.starts_with("10\r\nxxxxxxxxxxxxxxxx\r\n") && sent.ends_with("\r\n0\r\n\r\n"));

    let (_running, address) = face(&format!(".http = {{ {product}, coding = \"gzip\" }}")).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = talk(address, request).await;
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&answer[start..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, body);

    let (_running, address) = face(".http = { coding = \"gzip-bomb\" }").await;
    let answer = talk(address, request).await;
    assert!(answer.len() < 1 << 20);
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let unpacked = std::io::copy(&mut flate2::read::GzDecoder::new(&answer[start..]), &mut std::io::sink());
    assert_eq!(unpacked.unwrap(), 64 << 20);

    let (_running, address) = face(".http.product.http10 = {}").await;
    let (head, _) = ask(address, "GET", "/").await;
    assert!(head.starts_with("HTTP/1.0 200 OK\n") && !head.contains("Content-Length"), "{head}");

    let (_running, address) = face(".http.product.plain = { status = 204 }").await;
    let (head, body) = ask(address, "GET", "/").await;
    assert!(head.starts_with("HTTP/1.1 204 ") && !head.contains("Content-Length") && body.is_empty(), "{head}");
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let (running, address) = iis("").await;
    let requests = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxxHEAD /x HTTP/1.1\r\nHost: a\r\n\r\n\
                    OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = text(&talk(address, requests.as_bytes()).await);
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 3, "{answer}");
    assert_eq!(running.requests().len(), 3);
    assert_eq!(running.connections(Transport::Tcp, 1), 1);
}

#[tokio::test]
async fn redirect_and_hang_stand_before_the_product() {
    let (_running, address) = face(".http = { redirect = \"https://elsewhere.example/\" }").await;
    assert!(ask(address, "GET", "/").await.0.contains("Location: https://elsewhere.example/"));
    let (running, address) = face(".http = { hang = true }").await;
    let (mut stream, _) = exchange(address, b"GET / HTTP/1.0\r\n\r\n", 0).await;
    assert_silent(&mut stream).await;
    assert_eq!(running.requests()[0].line, "GET / HTTP/1.0");
}

#[tokio::test]
async fn hostile_answers_are_hostile() {
    let hostile = async |with: &str| {
        let (running, address) = face(&format!(".http.product.hostile = {{ with = [\"{with}\"] }}")).await;
        let answer = talk(address, b"GET / HTTP/1.0\r\n\r\n").await;
        drop(running);
        answer
    };
    assert!(hostile("escapes").await.windows(4).any(|bytes| bytes == b"\x1b[2J"));
    assert!(hostile("nul").await.contains(&0));
    assert!(text(&hostile("script").await).contains("Server: <script>"));
    assert!(hostile("long-header").await.len() > 256 * 1024);
    assert_eq!(text(&hostile("many-headers").await).matches("X-Many-").count(), 5000);
    assert!(text(&hostile("huge-length").await).contains("Content-Length: 9223372036854775807\r\n"));
    assert!(!hostile("status-line").await.starts_with(b"HTTP/1."));
    let (_running, address) = face(".http.product.hostile = { with = [\"endless-body\"] }").await;
    exchange(address, b"GET / HTTP/1.0\r\n\r\n", 4 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_agrees() {
    let (_running, address) = iis("internal-address = \"10.1.2.3\"").await;
    let url = format!("http://{address}/aspnet_client");
    // The line of the hardening guides.
    let Some(output) = program("curl", &["-sS", "-q", "-H", "Host:", "--http1.0", "-I", &url]) else { return };
    assert!(text(&output.stdout).contains("Location: http://10.1.2.3/aspnet_client/"), "{output:?}");
    let Some(output) = program("curl", &["-sS", "-q", &format!("http://{address}/")]) else { return };
    assert!(text(&output.stdout).contains("<title>IIS Windows Server</title>"), "{output:?}");
}
