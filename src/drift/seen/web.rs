//! What was seen of an answer over HTTP: its status, the methods that it allows, and its headers.

use super::{Sight, Value, Worth, lost};
use crate::model::drift::HttpPart;
use crate::model::fact::Fact;
use crate::model::http::HttpAnswer;
use crate::model::observation::Attempt;
use crate::model::peer_text::PeerText;
use std::collections::BTreeSet;

/// Headers whose values tell what a server is or does, and the same with each asking. The value is how bad it is that it is
/// sent: these give something away, or protect.
const TOLD: [(&str, Option<bool>); 8] = [
    ("server", Some(true)),
    ("x-powered-by", Some(true)),
    ("x-aspnet-version", Some(true)),
    ("x-aspnetmvc-version", Some(true)),
    ("via", None),
    ("dav", None),
    ("x-frame-options", Some(false)),
    ("strict-transport-security", Some(false)),
];

/// Headers of which only whether they are sent is told, since their values hold challenges, nonces and the like.
const NAMED: [(&str, Option<bool>); 5] = [
    ("content-security-policy", Some(false)),
    ("www-authenticate", None),
    ("x-content-type-options", Some(false)),
    ("referrer-policy", Some(false)),
    ("access-control-allow-origin", None),
];

/// Methods that a guide advises against, or by which content is changed.
const RISKY: [&str; 10] =
    ["TRACE", "TRACK", "OPTIONS", "PUT", "DELETE", "CONNECT", "PROPFIND", "PROPPATCH", "MKCOL", "MOVE"];

pub(super) fn parts(fact: Option<&Fact>, attempt: &Attempt) -> Vec<(HttpPart, Sight)> {
    let header = |name: &str| HttpPart::Header { name: PeerText::new(name, 64) };
    let names = || TOLD.iter().chain(&NAMED).map(|(name, bad)| (*name, *bad));
    let Some(Fact::Http(answer)) = fact else {
        let headers = names().map(|(name, _)| header(name));
        let parts = [HttpPart::Status, HttpPart::Methods].into_iter().chain(headers);
        return parts.map(|part| (part, Sight::Lost(lost(attempt)))).collect();
    };
    let mut parts = vec![(HttpPart::Status, status(answer)), (HttpPart::Methods, methods(answer))];
    for (name, bad) in names() {
        let told = TOLD.iter().any(|(told, _)| *told == name);
        parts.push((header(name), one(answer, name, bad, told)));
    }
    parts
}

/// Where a redirect leads to is a header of its own kind: of its value only what stands before `?` is the same each time.
fn status(answer: &HttpAnswer) -> Sight {
    let place =
        answer.first("location").map(|location| location.as_str().split(['?', '#', ';']).next().unwrap_or_default());
    let words = match place.filter(|_| (300..400).contains(&answer.status)) {
        Some(place) => format!("{}, to {place}", answer.status),
        None => answer.status.to_string(),
    };
    Sight::text(words)
}

fn methods(answer: &HttpAnswer) -> Sight {
    let values = answer.header("allow").chain(answer.header("public"));
    let methods: BTreeSet<String> = values
        .flat_map(|value| value.as_str().split(','))
        .map(|method| method.trim().to_ascii_uppercase())
        .filter(|method| !method.is_empty())
        .collect();
    let risky = methods.iter().filter(|method| RISKY.contains(&method.as_str())).count();
    if methods.is_empty() {
        return Sight::level("none are told", 0);
    }
    Sight::level(methods.into_iter().collect::<Vec<_>>().join(", "), risky)
}

fn one(answer: &HttpAnswer, name: &str, bad: Option<bool>, told: bool) -> Sight {
    let values: Vec<&str> = answer.header(name).map(PeerText::as_str).collect();
    let words = match (values.is_empty(), told) {
        (true, _) => "not sent".to_owned(),
        (false, true) => values.join(", "),
        (false, false) => "sent".to_owned(),
    };
    let worth = bad.map_or(Worth::Unknown, |bad| Worth::Bad(usize::from(bad != values.is_empty())));
    Sight::Seen(Value::new(words, worth))
}
