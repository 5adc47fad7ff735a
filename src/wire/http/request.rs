//! Requests as bytes.

use crate::model::http::{Request, Scheme};
use crate::model::target::Host;
use std::net::IpAddr;

/// Who asks: the administrator of a scanned server should find us in the log.
const USER_AGENT: &str = concat!("portreeve/", env!("CARGO_PKG_VERSION"));

/// The value of the Host field (RFC 9110, section 7.2): the port is left out where it is the scheme's own.
pub fn host_value(host: &Host, scheme: Scheme, port: u16) -> String {
    let name = match host {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        other => other.to_string(),
    };
    match (scheme, port) {
        (Scheme::Http, 80) | (Scheme::Https, 443) => name,
        _ => format!("{name}:{port}"),
    }
}

/// A request as bytes; `host` is the value of the Host field, in requests that have one. Characters that could end the
/// field are left out of it.
pub fn request_bytes(request: Request, host: &str) -> Vec<u8> {
    let (method, version, with_host) = match request {
        Request::Get(_) => ("GET", "1.1", true),
        Request::Options(_) => ("OPTIONS", "1.1", true),
        Request::Trace(_) => ("TRACE", "1.1", true),
        Request::HostlessHead(_) => ("HEAD", "1.0", false),
        Request::MissingHost => ("GET", "1.1", false),
    };
    let mut text = format!("{method} {} HTTP/{version}\r\n", request.path());
    if with_host {
        text.push_str("Host: ");
        text.extend(host.chars().filter(char::is_ascii_graphic));
        text.push_str("\r\n");
    }
    text.push_str("User-Agent: ");
    text.push_str(USER_AGENT);
    text.push_str("\r\n");
    // RFC 9110, section 9.3.8: a TRACE carries nothing that its echo could give away, so nothing more than this.
    if matches!(request, Request::Get(_) | Request::MissingHost) {
        text.push_str("Accept: */*\r\n");
    }
    text.push_str("Connection: close\r\n\r\n");
    text.into_bytes()
}
