//! Reading requests as strictly as HTTP.SYS does, and writing answers.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::AsyncReadExt;

use crate::settings::Coding;
use crate::wire::{self, Stream};

const MAX_HEAD: usize = 64 * 1024;
/// A bomb unpacks to 64 MiB.
const BOMB_PART: usize = 4096;
const BOMB_PARTS: usize = 16 * 1024;

/// A request that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The first line as received.
    pub(super) line: String,
    pub(super) method: String,
    /// Path without the query.
    pub(super) path: String,
    /// The minor version of HTTP/1.
    pub(super) minor: u8,
    pub(super) headers: Vec<(String, String)>,
}

/// Why a request could not be read, in the words of HTTP.SYS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    Verb,
    Url,
    Header,
    Hostname,
    Version,
}

impl Request {
    /// A header by name, whatever its case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn wants_close(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        // A body in chunks is not read; what follows it could not be told from a request.
        connection.contains("close")
            || self.header("transfer-encoding").is_some()
            || self.minor == 0 && !connection.contains("keep-alive")
    }
}

/// Reads one request and its body. `None`: the peer left.
pub(super) async fn read(stream: &mut impl Stream) -> io::Result<Option<Result<Request, Malformed>>> {
    let mut head = Vec::new();
    // Byte by byte from the connection's own buffers is slow but takes nothing that belongs to the next request.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if tokio::time::timeout(wire::IDLE, stream.read(&mut byte)).await?? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        // A TLS hello, say: no line will ever end, so the answer must not wait for it.
        let binary = head.len() <= 8 && !(byte[0].is_ascii_graphic() || matches!(byte[0], b' ' | b'\r' | b'\n'));
        if binary {
            return Ok(Some(Err(Malformed::Verb)));
        }
        if head.len() > MAX_HEAD {
            return Ok(Some(Err(Malformed::Header)));
        }
    }
    let request = parse(&String::from_utf8_lossy(&head));
    if let Ok(request) = &request {
        let length = request.header("content-length").and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
        let mut body = stream.take(length.min(MAX_HEAD as u64));
        tokio::time::timeout(wire::IDLE, tokio::io::copy(&mut body, &mut tokio::io::sink())).await??;
    }
    Ok(Some(request))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn parse(head: &str) -> Result<Request, Malformed> {
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let line = lines.next().unwrap_or_default();
    let mut parts = line.split(' ');
    let method = parts.next().unwrap_or_default();
    if !is_token(method) || method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Malformed::Verb);
    }
    let target = parts.next().unwrap_or_default();
    if !(target.starts_with('/') || target == "*" || target.starts_with("http")) {
        return Err(Malformed::Url);
    }
    let minor = match (parts.next(), parts.next()) {
        (Some("HTTP/1.0"), None) => 0,
        (Some("HTTP/1.1"), None) => 1,
        _ => return Err(Malformed::Version),
    };
    let mut headers = Vec::new();
    for header in lines {
        let (name, value) = header.split_once(':').ok_or(Malformed::Header)?;
        if !is_token(name) {
            return Err(Malformed::Header);
        }
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let hosts: Vec<_> = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).collect();
    let sound = |host: &str| !host.contains([' ', '/', '@', '\\', ',']);
    if hosts.len() > 1 || minor == 1 && hosts.is_empty() || hosts.iter().any(|(_, host)| !sound(host)) {
        return Err(Malformed::Hostname);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Request { line: line.to_owned(), method: method.to_owned(), path, minor, headers })
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The server ends the connection after it.
    pub(super) close: bool,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), close: false }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the header only if asked to.
    pub(super) fn header_if(self, wanted: bool, name: &str, value: &str) -> Self {
        if wanted { self.header(name, value) } else { self }
    }

    pub(super) fn body(self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }.header("Content-Type", kind)
    }

    pub(super) fn html(self, body: &str) -> Self {
        self.body("text/html", body)
    }

    pub(super) fn into_bytes(self, head_only: bool, close: bool, old: bool, coding: Coding) -> Vec<u8> {
        let reason = reason(self.status);
        let mut head = format!("HTTP/1.{} {} {reason}\r\n", u8::from(!old), self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Date: {}\r\n", date(SystemTime::now()));
        let no_body = matches!(self.status, 204 | 304);
        let mut body = self.body;
        match coding {
            _ if no_body => {}
            Coding::Gzip => body = gzip(&body, 1),
            Coding::GzipBomb => body = gzip(&[b'a'; BOMB_PART], BOMB_PARTS),
            Coding::Identity | Coding::Chunked => {}
        }
        if matches!(coding, Coding::Gzip | Coding::GzipBomb) && !no_body {
            head.push_str("Content-Encoding: gzip\r\n");
        }
        if coding == Coding::Chunked && !no_body && !old {
            head.push_str("Transfer-Encoding: chunked\r\n");
            let mut chunked = Vec::new();
            for chunk in body.chunks(16) {
                chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                chunked.extend_from_slice(chunk);
                chunked.extend(b"\r\n");
            }
            chunked.extend(b"0\r\n\r\n");
            body = chunked;
        } else if !no_body && !old {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        if close {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !head_only && !no_body {
            bytes.extend(body);
        }
        bytes
    }
}

fn gzip(part: &[u8], count: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..count {
        // Writing to memory cannot fail.
        let _ = encoder.write_all(part);
    }
    encoder.finish().unwrap_or_default()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// A date as HTTP wants it.
fn date(now: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let weekday = usize::try_from(days % 7).map_or("Thu", |day| DAYS[day]);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut name = "Jan";
    for (month, length) in MONTHS {
        let length = length + u64::from(month == "Feb" && leap(year));
        name = month;
        if day < length {
            break;
        }
        day -= length;
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{weekday}, {:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(1_709_251_199), "Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(at(1_735_689_599), "Tue, 31 Dec 2024 23:59:59 GMT");
    }

    #[test]
    fn malformed_requests_are_told_apart() {
        let why = |head: &str| parse(&format!("{head}\r\n\r\n")).unwrap_err();
        assert_eq!(why("get / HTTP/1.1\r\nHost: a"), Malformed::Verb);
        assert_eq!(why("GET / HTTP/1.1"), Malformed::Hostname);
        assert_eq!(why("GET / HTTP/1.1\r\nHost: a\r\nHost: b"), Malformed::Hostname);
        assert_eq!(why("GET / HTTP/1.1\r\nHost: a b"), Malformed::Hostname);
        assert_eq!(why("GET / HTTP/1.1\r\nHost: a\r\nX y: b"), Malformed::Header);
        assert_eq!(why("GET /"), Malformed::Version);
        assert_eq!(why("GET x HTTP/1.1\r\nHost: a"), Malformed::Url);
        assert!(parse("GET / HTTP/1.0\r\n\r\n").is_ok());
    }
}
