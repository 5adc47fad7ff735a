//! Recognises products by their answers to the few pages that may be asked.
//!
//! A version is given only where the answer spells it in a way that we know; else the evidence shows what stood there.

use super::http::{BODY_LIMIT, Body};
use crate::model::http::{Header, WebPath};
use crate::model::peer_text::PeerText;
use crate::model::service::{Identified, Product, Version};

/// How much evidence is kept, in bytes.
const EVIDENCE: usize = 160;

/// The products that an answer to `GET path` gives away, possibly none. One product is named twice only where two parts
/// of the answer hold different versions.
pub fn recognise(path: WebPath, status: u16, headers: &[Header], body: &Body) -> Vec<Identified> {
    let text = String::from_utf8_lossy(body.bytes.get(..BODY_LIMIT).unwrap_or(&body.bytes));
    let mut seen = Vec::new();
    for server in values(headers, "server") {
        seen.extend(screenconnect_header(server));
        seen.extend(iis_header(server));
    }
    match path {
        WebPath::AutomateAgent if status == 200 => seen.extend(automate(&text, body.whole)),
        WebPath::ScreenConnectScript if status == 200 => seen.extend(screenconnect_script(&text)),
        WebPath::EndpointCentralConfigurations if status == 200 => seen.extend(endpoint_central_build(&text)),
        _ => {}
    }
    seen.extend(endpoint_central_title(&text));
    seen.extend(values(headers, "set-cookie").find_map(endpoint_central_cookie));
    distinct(seen)
        .into_iter()
        .map(|sight| Identified {
            product: sight.product,
            version: sight.version,
            evidence: PeerText::new(&sight.evidence, EVIDENCE),
            path,
        })
        .collect()
}

/// A product in one part of an answer.
struct Sight {
    product: Product,
    version: Option<Version>,
    evidence: String,
}

impl Sight {
    fn new(product: Product, version: Option<Version>, evidence: impl Into<String>) -> Self {
        Self { product, version, evidence: evidence.into() }
    }
}

/// Keeps of each product the parts with different versions, or the first part where none has a version.
fn distinct(seen: Vec<Sight>) -> Vec<Sight> {
    let mut kept: Vec<Sight> = Vec::new();
    for sight in seen {
        let mut same = kept.iter_mut().filter(|old| old.product == sight.product);
        if sight.version.is_none() {
            if same.next().is_none() {
                kept.push(sight);
            }
        } else if let Some(vague) = same.find(|old| old.version.is_none()) {
            *vague = sight;
        } else if !kept.iter().any(|old| old.product == sight.product && old.version == sight.version) {
            kept.push(sight);
        }
    }
    kept
}

fn values<'a>(headers: &'a [Header], name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    headers.iter().filter(move |h| h.name.as_str().eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
}

/// The version at the beginning of `text`: digits and dots, with at least one dot, and then nothing that could belong
/// to it.
fn leading_version(text: &str) -> Option<Version> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (version, rest) = text.split_at_checked(end)?;
    let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    if ends && version.contains('.') { Version::parse(version) } else { None }
}

/// `ScreenConnect/6.3.13446.6374-4039728469 Microsoft-HTTPAPI/2.0`; what follows the version is a random number.
fn screenconnect_header(server: &str) -> Option<Sight> {
    let token = server.split_whitespace().find(|token| token.starts_with("ScreenConnect/"))?;
    let version = token.strip_prefix("ScreenConnect/").and_then(leading_version);
    Some(Sight::new(Product::ScreenConnect, version, format!("Server: {server}")))
}

/// `Microsoft-IIS/10.0`.
fn iis_header(server: &str) -> Option<Sight> {
    let token = server.split_whitespace().find(|token| token.starts_with("Microsoft-IIS/"))?;
    let version = token.strip_prefix("Microsoft-IIS/").and_then(leading_version);
    Some(Sight::new(Product::Iis, version, format!("Server: {server}")))
}

/// Six pipes and the version: `||||||220.105`. Of a body that was cut, a version at the end may be half of one.
fn automate(body: &str, whole: bool) -> Option<Sight> {
    let text = body.trim_start_matches('\u{feff}').trim();
    let rest = text.strip_prefix("||||||")?;
    let line = rest.lines().next().unwrap_or_default().trim();
    // A page of some other kind may begin with pipes; Automate's go on with the version or with nothing.
    if !line.is_empty() && !line.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let cut = !whole && line.len() == rest.len();
    let version = if cut || line.contains('|') { None } else { leading_version(line) };
    Some(Sight::new(Product::Automate, version, text.lines().next().unwrap_or_default()))
}

/// `"productVersion":"23.9.10.8817"`.
fn screenconnect_script(body: &str) -> Option<Sight> {
    let (_, rest) = body.split_once("productVersion\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (value, _) = value.split_once('"')?;
    Some(Sight::new(Product::ScreenConnect, whole_version(value), format!("productVersion: {}", shorten(value))))
}

/// A version that is all of `text`.
fn whole_version(text: &str) -> Option<Version> {
    text.contains('.').then(|| Version::parse(text)).flatten()
}

fn shorten(text: &str) -> String {
    text.chars().take(EVIDENCE).collect()
}

/// `<input id="buildNum" value="100474">`, whatever the order of the attributes.
fn endpoint_central_build(body: &str) -> Option<Sight> {
    let tag = body.split('<').find(|tag| {
        let tag = tag.split('>').next().unwrap_or_default();
        tag.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("input")) && attribute(tag, "id") == Some("buildNum")
    })?;
    let tag = tag.split('>').next().unwrap_or_default();
    let build = attribute(tag, "value").unwrap_or_default().trim();
    Some(Sight::new(Product::EndpointCentral, build_version(build), format!("buildNum {}", shorten(build))))
}

/// The value of a quoted attribute.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once('=')?;
        let value = after.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            rest = after;
            continue;
        };
        let (value, following) = value.get(1..)?.split_once(quote)?;
        let found = before.trim_end().rsplit(|c: char| c.is_whitespace() || c == '"' || c == '\'').next()?;
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = following;
    }
}

/// The version of a build: `100474` is 10.0.474, and a dotted build is its own version. Numbers of other lengths are
/// cut in ways that we do not know, so they have no version.
fn build_version(build: &str) -> Option<Version> {
    if build.contains('.') {
        return whole_version(build);
    }
    let (major, minor, patch) = (build.get(..2)?, build.get(2..3)?, build.get(3..)?);
    let known = build.len() == 6 && build.bytes().all(|byte| byte.is_ascii_digit()) && major.starts_with('1');
    // Three digits of a build number are a number: 007 is 7.
    known.then(|| Version::parse(&format!("{major}.{minor}.{patch}"))).flatten()
}

/// `<title>ManageEngine Desktop Central 10</title>`, `Endpoint Central`, with or without `MSP`.
fn endpoint_central_title(body: &str) -> Option<Sight> {
    let lower = body.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let (_, rest) = body.get(start..)?.split_once('>')?;
    let title = rest.split('<').next().unwrap_or_default().trim();
    let known =
        ["ManageEngine Desktop Central", "ManageEngine Endpoint Central"].iter().any(|name| title.starts_with(name));
    known.then(|| Sight::new(Product::EndpointCentral, None, format!("title: {}", shorten(title))))
}

/// `Set-Cookie: DCJSESSIONID=...`; the value is nobody's business.
fn endpoint_central_cookie(cookie: &str) -> Option<Sight> {
    cookie
        .trim_start()
        .starts_with("DCJSESSIONID=")
        .then(|| Sight::new(Product::EndpointCentral, None, "Set-Cookie: DCJSESSIONID"))
}

#[cfg(test)]
mod tests;
