//! HTTP/1 as far as a response's head and the beginning of its body.
//!
//! An HTTP library repairs what it sends and normalises what it reads; the guides ask about requests that no library
//! sends and about headers as they were sent. Redirects are not followed, and nothing is asked beyond [`Request`].

mod body;
mod head;
mod request;

pub use body::{BODY_LIMIT, Body, read_body};
pub use head::{HEAD_LIMIT, Head, read_head};
pub use request::{host_value, request_bytes};

#[cfg(doc)]
use crate::model::http::Request;

/// Whether these first bytes are the beginning of an HTTP/1 status line (RFC 9112, section 4); `None` while too few
/// have come to tell.
pub fn looks_like_http(bytes: &[u8]) -> Option<bool> {
    const START: &[u8] = b"HTTP/1.";
    if bytes.iter().zip(START).any(|(byte, expected)| byte != expected) {
        return Some(false);
    }
    bytes.get(START.len()).map(u8::is_ascii_digit)
}

/// Whether an answer to plain HTTP is the error page of a port that speaks TLS, in the words of nginx, Apache, Tomcat
/// or Go.
pub fn asks_for_tls(bytes: &[u8]) -> bool {
    const COMPLAINTS: [&str; 4] = [
        "plain HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server port",
        "combination of host and port requires TLS",
        "sent an HTTP request to an HTTPS server",
    ];
    let text = String::from_utf8_lossy(bytes);
    text.starts_with("HTTP/1.") && COMPLAINTS.iter().any(|complaint| text.contains(complaint))
}

#[cfg(test)]
mod tests;
