//! One POST, and what the answer means.

use super::hidden::Hidden;
use super::outcome::Undelivered;
use super::{Limits, USER_AGENT, trouble, verifying};
use crate::catalog::channels::{WebAddress, is_loopback};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use std::error::Error as _;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How much of an answer is read, in bytes.
const ANSWER: usize = 4096;

/// The longest pause that a receiver is granted.
const PAUSE: Duration = Duration::from_hours(24);

/// What is sent, and where.
pub(super) struct Request<'a> {
    pub(super) address: &'a WebAddress,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) hidden: Hidden,
    /// Whether the address is a secret, as those of Slack and Teams are.
    pub(super) known_by_address: bool,
}

/// An answer that accepts.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The beginning of the body, as it came; none where it did not come whole.
    pub(super) body: Option<String>,
    pub(super) hidden: Hidden,
}

/// Sends it, and gives back what accepts.
pub(super) async fn post(request: Request<'_>, limits: &Limits) -> Result<Answer, Undelivered> {
    let Request { address, ca_file, headers, body, hidden, known_by_address } = request;
    let whom = address.to_string();
    let url = address.expose();
    let client = client(url, ca_file, limits).await?;
    let mut sending = client.post(url.clone()).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        sending = sending.header(name, value);
    }
    let mut response = sending.body(body).send().await.map_err(|error| explain(&error, &whom, &hidden, limits))?;
    let status = response.status();
    let (retry_after, elsewhere) = (pause(response.headers()), location(response.headers(), url));
    let (body, whole) = read(&mut response).await;
    if status.is_success() {
        return Ok(Answer { status, body: whole.then_some(body), hidden });
    }
    let said = format!("{whom} answered {}", words(status));
    let said = if body.trim().is_empty() { said } else { format!("{said}: {}", hidden.shown(&body)) };
    let mut wrong = meaning(status, &said, elsewhere, known_by_address);
    wrong.retry_after = retry_after.filter(|_| !wrong.lasting);
    Err(wrong)
}

async fn client(url: &Url, ca_file: Option<&Path>, limits: &Limits) -> Result<reqwest::Client, Undelivered> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .user_agent(USER_AGENT)
        .connect_timeout(limits.connect)
        .timeout(limits.hook)
        .tls_backend_preconfigured(verifying(ca_file).await?);
    // What goes to this machine in the open goes through nobody else.
    if url.host_str().is_some_and(is_loopback) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|_| trouble::here("the HTTP client cannot be made", "report this as a bug"))
}

/// The beginning of the body, and whether that is all of it.
async fn read(response: &mut reqwest::Response) -> (String, bool) {
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk.into_iter().take(ANSWER + 1 - bytes.len().min(ANSWER))),
            Ok(None) => break true,
            Err(_) => break false,
        }
        if bytes.len() > ANSWER {
            break false;
        }
    };
    bytes.truncate(ANSWER);
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

pub(super) fn words(status: StatusCode) -> String {
    status
        .canonical_reason()
        .map_or_else(|| status.as_u16().to_string(), |reason| format!("{} {reason}", status.as_u16()))
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let then = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
        Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
    };
    Some(pause.min(PAUSE))
}

/// Where an answer leads, as far as it may be shown.
fn location(headers: &HeaderMap, from: &Url) -> Option<String> {
    let to = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = crate::model::peer_text::PeerText::new(to.host_str()?, 200);
    Some(format!("{}://{host}{port}", if to.scheme() == "http" { "http" } else { "https" }))
}

/// What an answer that does not accept means.
fn meaning(status: StatusCode, said: &str, elsewhere: Option<String>, known_by_address: bool) -> Undelivered {
    let copy = "copy its address anew from the service where it was made";
    match status.as_u16() {
        300..=399 => {
            let to = elsewhere.map(|to| format!(", to {to}")).unwrap_or_default();
            let what = format!("{said}{to}: it leads elsewhere, and redirects are not followed");
            trouble::settings(
                &what,
                "write the address that finally answers; a sign-in page in between means that the address is wrong",
            )
        }
        401 | 403 if known_by_address => {
            trouble::settings(said, "see whether the webhook or workflow is still allowed to post, and to whom")
        }
        401 | 403 => {
            trouble::settings(said, "see whether the receiver knows the secret that signs, and lets this machine in")
        }
        404 => {
            let advice = if known_by_address {
                "the webhook was removed, or the address is incomplete: "
            } else {
                "nothing is at that address: "
            };
            trouble::settings(said, &format!("{advice}{copy}"))
        }
        410 => {
            let advice = format!("the webhook is gone for good: make a new one, or remove the channel; {copy}");
            trouble::settings(said, &advice)
        }
        408 | 425 => trouble::receiver(said, "it is tried again"),
        429 => trouble::receiver(said, "too much was sent at once; it is tried again after the pause that it asks for"),
        413 => trouble::refused(said, "raise what the receiver takes at once"),
        400..=499 => trouble::refused(
            said,
            "the receiver does not take this kind of message: see whether `kind` is right for it",
        ),
        _ => trouble::receiver(said, "look at the receiver; it is tried again"),
    }
}

/// Finds out what lies under reqwest's error, whose own words may hold the address.
fn explain(error: &reqwest::Error, whom: &str, hidden: &Hidden, limits: &Limits) -> Undelivered {
    if error.is_timeout() {
        if error.is_connect() {
            return trouble::path(
                &format!("{whom} did not accept a connection within {} s", limits.connect.as_secs_f64()),
                trouble::CHECK_NETWORK,
            );
        }
        return trouble::late(whom, limits.hook, "to answer");
    }
    let stage = if error.is_connect() { "while connecting" } else { "before it answered" };
    let (mut source, mut innermost) = (error.source(), None);
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return trouble::tls(tls, whom);
        }
        if let Some(mut io) = inner.downcast_ref::<io::Error>() {
            while let Some(deeper) = io.get_ref().and_then(|deeper| deeper.downcast_ref::<io::Error>()) {
                io = deeper;
            }
            if error.is_connect() && io.raw_os_error().is_none() && io.to_string().contains("lookup address") {
                return trouble::name(whom);
            }
            return trouble::io(io, whom, stage);
        }
        innermost = Some(inner.to_string());
        source = inner.source();
    }
    let why = innermost.map(|why| format!(": {}", hidden.shown(&why))).unwrap_or_default();
    trouble::path(&format!("{whom} was not reached {stage}{why}"), trouble::CHECK_NETWORK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Blame;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date_and_has_an_end() {
        assert_eq!(pause(&headers("17")), Some(Duration::from_secs(17)));
        assert_eq!(pause(&headers("99999999999")), Some(PAUSE));
        assert_eq!(pause(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        assert_eq!(pause(&headers("Fri, 31 Dec 2999 23:59:59 GMT")), Some(PAUSE));
        for nonsense in ["", "soon", "-1", "1e9", "18446744073709551616"] {
            assert_eq!(pause(&headers(nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn every_status_is_somebodys_and_says_what_to_do() {
        for code in (100..200).chain(300..600) {
            let status = StatusCode::from_u16(code).unwrap();
            let wrong = meaning(status, &words(status), None, code % 2 == 0);
            assert!(!wrong.advice.is_empty() && wrong.what.contains(&code.to_string()), "{code}");
            // What may mend itself is asked again; what will not is said to be lasting.
            assert_eq!(wrong.lasting, (300..500).contains(&code) && ![408, 425, 429].contains(&code), "{code}");
        }
        let gone = meaning(StatusCode::GONE, "", None, false);
        assert!(gone.blame == Blame::Settings && gone.advice.contains("gone for good"));
    }
}
