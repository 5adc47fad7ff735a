//! The beginning of a response's body.

use super::super::Parse;
use super::super::bytes::{Bytes, Stop, bad};
use super::Head;
use crate::model::http::Header;

/// How many bytes of a body are read.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A body, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The content, without transfer coding; at most [`BODY_LIMIT`] bytes.
    pub bytes: Vec<u8>,
    /// Whether that is all of it: a body may be longer than we read, or the connection may end too early.
    pub whole: bool,
}

/// Reads a body (RFC 9112, section 6.3) out of all bytes that came after the head.
///
/// `answers_head` is whether the request was a `HEAD`, `closed` whether the server has closed the connection. While it
/// is open the result may be [`Parse::Incomplete`]; when it is closed, or no more will be waited for, what came is
/// returned.
pub fn read_body(head: &Head, answers_head: bool, bytes: &[u8], closed: bool) -> Parse<Body> {
    if answers_head || matches!(head.status, 100..200 | 204 | 304) {
        return Parse::Done(Body { bytes: Vec::new(), whole: true });
    }
    let window = bytes.get(..BODY_LIMIT).unwrap_or(bytes);
    if has(&head.headers, "transfer-encoding", "chunked") {
        return dechunk(bytes, closed);
    }
    let length = field(&head.headers, "content-length").and_then(|value| value.trim().parse::<usize>().ok());
    match length {
        Some(length) if bytes.len() >= length => match window.get(..length) {
            Some(body) => Parse::Done(Body { bytes: body.to_vec(), whole: true }),
            None => Parse::Done(Body { bytes: window.to_vec(), whole: false }),
        },
        _ if closed => {
            Parse::Done(Body { bytes: window.to_vec(), whole: length.is_none() && bytes.len() == window.len() })
        }
        _ if bytes.len() >= BODY_LIMIT => Parse::Done(Body { bytes: window.to_vec(), whole: false }),
        _ => Parse::Incomplete,
    }
}

fn field<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|h| h.name.as_str().eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
}

fn has(headers: &[Header], name: &str, token: &str) -> bool {
    field(headers, name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

/// The longest line that announces a chunk, extensions included.
const CHUNK_LINE: usize = 256;

/// Undoes the chunked coding (RFC 9112, section 7.1), until the last chunk or [`BODY_LIMIT`].
fn dechunk(bytes: &[u8], closed: bool) -> Parse<Body> {
    // Chunks of one byte take six on the wire; what lies beyond cannot matter.
    let mut rest = Bytes::stream(bytes.get(..BODY_LIMIT * 8).unwrap_or(bytes));
    let last = closed || bytes.len() >= BODY_LIMIT * 8;
    let mut body = Vec::new();
    loop {
        match chunk(&mut rest, &mut body, last) {
            Ok(true) if body.len() < BODY_LIMIT => {}
            Ok(more) => {
                let whole = !more && body.len() <= BODY_LIMIT;
                body.truncate(BODY_LIMIT);
                return Parse::Done(Body { bytes: body, whole });
            }
            Err(Stop::Short) if last => return Parse::Done(Body { bytes: body, whole: false }),
            Err(stop) => return Parse::from(Err(stop)),
        }
    }
}

/// Takes one chunk in; `false` after the last. Where no more bytes will come, a part of one is taken.
fn chunk(rest: &mut Bytes<'_>, body: &mut Vec<u8>, last: bool) -> Result<bool, Stop> {
    let mut ahead = rest.clone();
    let Some(end) = ahead.rest().iter().take(CHUNK_LINE).position(|byte| *byte == b'\n') else {
        return if ahead.rest().len() < CHUNK_LINE { Err(Stop::Short) } else { Err(bad("a chunk without size")) };
    };
    let line = ahead.take(end + 1)?;
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| !digits.starts_with('+'))
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or_else(|| bad("a chunk's size is no number"))?;
    if size == 0 {
        *rest = ahead;
        return Ok(false);
    }
    let wanted = size.min(BODY_LIMIT.saturating_sub(body.len()).max(1));
    if last && ahead.rest().len() < wanted {
        body.extend_from_slice(ahead.rest());
        return Err(Stop::Short);
    }
    let content = ahead.take(wanted)?;
    if wanted == size {
        let line_end = ahead.u8()?;
        if line_end == b'\r' {
            ahead.expect(b"\n", "a line's end after a chunk")?;
        } else if line_end != b'\n' {
            return Err(bad("a line's end after a chunk expected"));
        }
    }
    body.extend_from_slice(content);
    *rest = ahead;
    // A chunk cut at the limit fills the body, which ends the loop.
    Ok(true)
}
