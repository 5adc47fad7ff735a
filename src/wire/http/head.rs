//! The head of a response.

use super::super::Parse;
use super::super::bytes::complaint;
use super::looks_like_http;
use crate::model::http::{Header, HttpAnswer, Scheme};
use crate::model::peer_text::PeerText;
use httparse::{EMPTY_HEADER, ParserConfig, Response, Status};

/// How many bytes are read for a head, interim responses included.
pub const HEAD_LIMIT: usize = 64 * 1024;

/// How many header fields a response may have.
const FIELDS: usize = 256;

/// How much of a field's name and value and of the reason phrase is kept, in bytes.
const NAME: usize = 256;
const VALUE: usize = 4096;

/// How much of a body is kept as evidence, in bytes.
const EVIDENCE: usize = 2048;

/// The head of a response, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The minor version.
    pub minor_version: u8,
    /// The reason phrase.
    pub reason: PeerText,
    /// The header fields as sent.
    pub headers: Vec<Header>,
    /// How many bytes the head takes, with the interim responses before it: the body begins there.
    pub length: usize,
}

impl Head {
    /// The head, with the beginning of the body, as an answer.
    pub fn into_answer(self, scheme: Scheme, body: &[u8]) -> HttpAnswer {
        HttpAnswer {
            scheme,
            status: self.status,
            minor_version: self.minor_version,
            reason: self.reason,
            headers: self.headers,
            body_start: PeerText::from_bytes(body, EVIDENCE),
        }
    }
}

/// Reads a response's head (RFC 9112, sections 4 and 5) out of all bytes that came so far.
///
/// Interim responses (RFC 9110, section 15.2) are skipped, apart from 101, after which no other comes. What browsers
/// forgive is forgiven: a missing reason phrase, one that is not UTF-8, space before a colon, folded lines; a line that
/// is no field at all is passed over.
pub fn read_head(bytes: &[u8]) -> Parse<Head> {
    let window = bytes.get(..HEAD_LIMIT).unwrap_or(bytes);
    let mut start = 0;
    loop {
        let rest = window.get(start..).unwrap_or_default();
        match read_one(rest) {
            Parse::Done(mut head) => {
                start += head.length;
                if head.status == 101 || !(100..200).contains(&head.status) {
                    head.length = start;
                    return Parse::Done(head);
                }
            }
            Parse::Incomplete if bytes.len() >= HEAD_LIMIT => {
                return Parse::Malformed(complaint(format!("the head is longer than {HEAD_LIMIT} bytes")));
            }
            other => return other,
        }
    }
}

fn read_one(bytes: &[u8]) -> Parse<Head> {
    // httparse skips empty lines before the status line and takes them for a beginning; servers send none.
    if looks_like_http(bytes) == Some(false) {
        return Parse::Malformed(complaint("no status line of HTTP/1"));
    }
    let mut config = ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.ignore_invalid_headers_in_responses(true);
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut response = Response::new(&mut fields);
    match config.parse_response(&mut response, bytes) {
        Ok(Status::Partial) => Parse::Incomplete,
        Err(error) => Parse::Malformed(complaint(format!("HTTP head: {error}"))),
        Ok(Status::Complete(length)) => {
            let read: Vec<Header> = response.headers.iter().map(|field| header(field.name, field.value)).collect();
            let rest = passed_over(bytes.get(..length).unwrap_or(bytes), &read);
            Parse::Done(Head {
                status: response.code.unwrap_or_default(),
                minor_version: response.version.unwrap_or_default(),
                reason: reason(bytes),
                headers: [read, rest].concat(),
                length,
            })
        }
    }
}

fn header(name: &str, value: &[u8]) -> Header {
    Header { name: PeerText::new(name, NAME), value: PeerText::from_bytes(value, VALUE) }
}

/// The fields that httparse passes over, as where a control byte is in their values (RFC 9110, section 5.5). Clients differ in what
/// they make of such a field, and it tells all of them what the server is.
fn passed_over(head: &[u8], read: &[Header]) -> Vec<Header> {
    let fields = head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = std::str::from_utf8(name.trim_ascii_end()).ok().filter(|name| is_token(name))?;
        let value = value.get(1..)?.trim_ascii();
        let is_refused = value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        let is_known = || read.iter().any(|known| known.name.as_str().eq_ignore_ascii_case(name));
        (is_refused || !is_known()).then(|| header(name, value))
    });
    fields.take(FIELDS).collect()
}

/// Whether it is a field's name (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The reason phrase: what stands after the status code on the first line. httparse drops one that is not ASCII.
fn reason(head: &[u8]) -> PeerText {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let phrase = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    PeerText::from_bytes(phrase.trim_ascii(), NAME)
}
