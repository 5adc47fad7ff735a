use super::super::Parse;
use super::super::testing::only_whole;
use super::*;
use crate::model::http::{Request, Scheme, WebPath};
use crate::model::target::Host;
use proptest::prelude::*;

/// nginx 1.22.1 to our `GET /`.
const NGINX: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 02:24:04 GMT\r\nContent-Type: \
    text/html\r\nContent-Length: 615\r\nLast-Modified: Wed, 19 Oct 2022 08:02:20 GMT\r\nConnection: close\r\nETag: \
    \"634faf0c-267\"\r\nAccept-Ranges: bytes\r\n\r\n";

fn head(text: &[u8]) -> Head {
    only_whole(text, read_head)
}

fn fields(head: &Head) -> Vec<String> {
    head.headers.iter().map(|field| format!("{}: {}", field.name, field.value)).collect()
}

#[test]
fn requests_are_spelled_as_asked() {
    let text = |request| String::from_utf8(request_bytes(request, "rmm.example.com:8040")).unwrap();
    let get = text(Request::Get(WebPath::AutomateAgent));
    assert!(
        get.starts_with("GET /LabTech/Agent.aspx HTTP/1.1\r\nHost: rmm.example.com:8040\r\nUser-Agent: portreeve/")
    );
    assert!(get.ends_with("\r\nConnection: close\r\n\r\n"));
    assert!(text(Request::Trace(WebPath::Root)).starts_with("TRACE / HTTP/1.1\r\nHost: "));
    assert!(text(Request::Options(WebPath::Root)).starts_with("OPTIONS / HTTP/1.1\r\nHost: "));
    let head = text(Request::HostlessHead(WebPath::AspNetClient));
    assert!(head.starts_with("HEAD /aspnet_client HTTP/1.0\r\n") && !head.contains("Host:"));
    let missing = text(Request::MissingHost);
    assert!(missing.starts_with("GET / HTTP/1.1\r\n") && !missing.contains("Host:"));
    let injected = request_bytes(Request::Get(WebPath::Root), "a\r\nX: y");
    assert!(String::from_utf8(injected).unwrap().contains("\r\nHost: aX:y\r\n"));
}

#[test]
fn the_host_field_names_the_port_where_it_is_not_the_scheme_s_own() {
    let name = Host::Name("rmm.example.com".to_owned());
    assert_eq!(host_value(&name, Scheme::Https, 443), "rmm.example.com");
    assert_eq!(host_value(&name, Scheme::Http, 443), "rmm.example.com:443");
    let address = Host::Address("2001:db8::7".parse().unwrap());
    assert_eq!(host_value(&address, Scheme::Http, 80), "[2001:db8::7]");
    assert_eq!(host_value(&address, Scheme::Http, 8040), "[2001:db8::7]:8040");
}

#[test]
fn a_real_head_is_read_whole_or_not_at_all() {
    let head = head(NGINX);
    assert_eq!((head.status, head.minor_version, head.reason.as_str(), head.length), (200, 1, "OK", NGINX.len()));
    assert_eq!(fields(&head)[0], "Server: nginx/1.22.1");
}

#[test]
fn a_field_is_not_hidden_by_a_control_byte_in_it() {
    for (sent, read) in [
        (&b"Server: Microsoft-IIS/10.0\x01"[..], "Server: Microsoft-IIS/10.0"),
        (b"Server: a\x1b[2J", "Server: a"),
        (b"server : \x7fx", "server: "),
        (b"Server: a\r\n \x01b", "Server: a"),
    ] {
        let head = head(&[b"HTTP/1.1 200 OK\r\nDate: now\r\n", sent, b"\r\nVary: *\r\n\r\n"].concat());
        let fields = fields(&head);
        assert!(fields.iter().any(|field| field.starts_with(read)), "{fields:?}");
        assert_eq!(fields.len(), 3, "{fields:?}");
        assert!(!fields.concat().contains('\u{1b}'));
    }
    let twice = head(b"HTTP/1.1 200 OK\r\nServer: a\r\nServer: b\x01\r\n\r\n");
    assert_eq!(twice.headers.len(), 2, "one that is well does not hide another");
}

#[test]
fn odd_heads_are_read_as_browsers_do() {
    let odd = head(
        b"HTTP/1.0 404\r\nserver : a\r\nSet-Cookie: 1\r\nno field at all\r\n\
        set-cookie: 2\r\nX: a\r\n b\r\nY: \xff\r\n\r\n",
    );
    assert_eq!((odd.status, odd.minor_version, odd.reason.as_str()), (404, 0, ""));
    assert_eq!(fields(&odd), ["server: a", "Set-Cookie: 1", "set-cookie: 2", "X: a\\r\\n b", "Y: \\xff"]);
    assert_eq!(head(b"HTTP/1.1 200 D\xe9sol\xe9\r\n\r\n").reason.as_str(), "D\\xe9sol\\xe9");
    assert_eq!(head(b"HTTP/1.1 200 all is well\n\n").reason.as_str(), "all is well");
}

#[test]
fn interim_responses_are_skipped() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
        HTTP/1.1 204 No Content\r\nA: b\r\n\r\n";
    let last = head(text);
    assert_eq!((last.status, last.length), (204, text.len()));
    assert_eq!(fields(&last), ["A: b"]);
    assert_eq!(head(b"HTTP/1.1 101 Switching\r\n\r\n").status, 101);
}

#[test]
fn a_head_without_end_is_malformed() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(HEAD_LIMIT)].concat();
    assert!(matches!(read_head(&endless), Parse::Malformed(_)));
    let many = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(257), b"\r\n".to_vec()].concat();
    assert!(matches!(read_head(&many), Parse::Malformed(_)));
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_LIMIT);
    assert!(matches!(read_head(&interim), Parse::Malformed(_)));
    for stranger in [&b"SSH-2.0-x\r\n"[..], b"\r\n\r\n", b"HTTP/2 200\r\n", b"<html>"] {
        assert!(matches!(read_head(stranger), Parse::Malformed(_)), "{stranger:?}");
    }
}

#[test]
fn a_body_ends_where_its_head_says() {
    let sized = head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let read = |head: &Head, bytes: &[u8], closed| {
        read_body(head, false, bytes, closed).done().map(|body| (String::from_utf8(body.bytes).unwrap(), body.whole))
    };
    let some = |text: &str, whole| Some((text.to_owned(), whole));
    assert_eq!(read(&sized, b"hell", false), None);
    assert_eq!(read(&sized, b"hell", true), some("hell", false));
    assert_eq!(read(&sized, b"hello, more", false), some("hello", true));
    assert_eq!(read_body(&sized, true, b"", false), Parse::Done(Body { bytes: Vec::new(), whole: true }));

    let open = head(b"HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(read(&open, b"hello", false), None);
    assert_eq!(read(&open, b"hello", true), some("hello", true));
    let long = vec![b'a'; BODY_LIMIT + 1];
    assert_eq!(read(&open, &long, false).map(|(text, whole)| (text.len(), whole)), Some((BODY_LIMIT, false)));

    let chunked = head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
    let coded = b"6;x=y\r\n||||||\r\n7\r\n220.105\r\n0\r\n\r\n";
    assert_eq!(read(&chunked, coded, false), some("||||||220.105", true));
    assert_eq!(read(&chunked, &coded[..20], false), None);
    assert_eq!(read(&chunked, &coded[..20], true), some("||||||22", false));
    assert!(matches!(read_body(&chunked, false, b"zz\r\n", false), Parse::Malformed(_)));
    let huge = [&b"fffffff\r\n"[..], &long].concat();
    assert_eq!(read(&chunked, &huge, false).map(|(text, whole)| (text.len(), whole)), Some((BODY_LIMIT, false)));
}

#[test]
fn chunks_may_come_in_any_split() {
    let chunked = head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n");
    let body = only_whole(b"1\r\na\r\n2\nbc\n0\r\n", |bytes| read_body(&chunked, false, bytes, false));
    assert_eq!(body, Body { bytes: b"abc".to_vec(), whole: true });
}

#[test]
fn a_tls_port_is_known_by_its_complaint_about_plain_http() {
    // nginx 1.22.1, and Go's net/http.
    let nginx =
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\n\r\n<html>\r\n<head><title>400 The plain HTTP request \
        was sent to HTTPS port</title></head>";
    assert!(asks_for_tls(nginx));
    assert!(asks_for_tls(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"));
    assert!(!asks_for_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n<h1>Bad Request</h1>") && !asks_for_tls(b""));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, closed: bool, line in "[0-9a-f;]{0,20}\r\n") {
        let _ = read_head(&bytes);
        let _ = read_head(&[b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat());
        for start in [NGINX, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            let head = read_head(start).done().unwrap();
            let _ = read_body(&head, false, &bytes, closed);
            let _ = read_body(&head, false, &[line.as_bytes(), &bytes].concat(), closed);
        }
    }
}
