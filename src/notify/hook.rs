//! Webhooks: of the user's own, of Slack, of Teams.

use super::hidden::Hidden;
use super::http::{Answer, Request, post, words};
use super::outcome::{Receipt, Undelivered};
use super::{Limits, payload, trouble};
use crate::catalog::channels::{Address, AddressError, Hook, Key, Service, WebAddress, Webhook};
use crate::model::alert::Message;
use data_encoding::BASE64;
use jiff::Timestamp;
use ring::hmac;

/// What Teams has been seen to say with a 200 when it had not posted anything ("Rate limiting for connectors").
const FAILED: &str = "delivery failed with error";

/// JSON to an address of the user's own, signed as Standard Webhooks wants it.
pub(super) async fn webhook(webhook: &Webhook, message: &Message, limits: &Limits) -> Result<Receipt, Undelivered> {
    let address = read(&webhook.address, Service::Webhook)?;
    let key = webhook.secret.read_key().map_err(|error| trouble::settings(&error.to_string(), &error.advice()))?;
    let body = payload::json::render(message).map_err(|_| bug())?;
    let timestamp = Timestamp::now().as_second();
    let id = identifier(message);
    let headers = vec![
        ("webhook-signature", signature(&key, id, timestamp, &body)),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        // A structured string (draft-ietf-httpapi-idempotency-key-header, section 2.1).
        ("idempotency-key", format!("\"{id}\"")),
    ];
    let answer = post(request(&webhook.address, &address, webhook.ca_file.as_deref(), headers, body), limits).await?;
    Ok(taken(&answer, ""))
}

/// Blocks to an incoming webhook, which answers `ok`.
pub(super) async fn slack(hook: &Hook, message: &Message, limits: &Limits) -> Result<Receipt, Undelivered> {
    let address = read(&hook.address, Service::Slack)?;
    let body = payload::slack::payload(message).to_string();
    let answer = post(request(&hook.address, &address, hook.ca_file.as_deref(), Vec::new(), body), limits).await?;
    if answer.body.as_deref().is_some_and(|body| body.trim() == "ok") {
        return Ok(taken(&answer, ""));
    }
    let said = answer.body.as_deref().map(|body| answer.hidden.shown(body)).filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| "nothing that could be read".to_owned());
    let what = format!("{address} answered {}, and {said} instead of `ok`", words(answer.status));
    Err(trouble::receiver(&what, "see whether that is the address of an incoming webhook of Slack"))
}

/// A card to a workflow, which takes it before it is posted.
pub(super) async fn teams(hook: &Hook, message: &Message, limits: &Limits) -> Result<Receipt, Undelivered> {
    let address = read(&hook.address, Service::Teams)?;
    let body = payload::teams::payload(message).to_string();
    let answer = post(request(&hook.address, &address, hook.ca_file.as_deref(), Vec::new(), body), limits).await?;
    if let Some(body) = answer.body.as_deref().filter(|body| body.contains(FAILED)) {
        let what = format!("{address} answered {}, but: {}", words(answer.status), answer.hidden.shown(body));
        return Err(trouble::receiver(&what, "it is tried again"));
    }
    Ok(taken(
        &answer,
        " (the workflow has it; whether it posts the card shows in Teams and in the workflow's run history)",
    ))
}

fn request<'a>(
    kept: &Address,
    address: &'a WebAddress,
    ca_file: Option<&'a std::path::Path>,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Request<'a> {
    let mut hidden = Hidden::default();
    let secret = matches!(kept, Address::Kept(_));
    hidden.add_address(address.expose(), secret);
    Request { address, ca_file, headers, body, hidden, known_by_address: secret }
}

fn read(address: &Address, service: Service) -> Result<WebAddress, Undelivered> {
    address.read(service).map_err(|error: AddressError| trouble::settings(&error.to_string(), &error.advice()))
}

fn taken(answer: &Answer, note: &str) -> Receipt {
    Receipt { said: format!("{}{note}", words(answer.status)), refused: Vec::new() }
}

/// An id as it may stand in a header and in what is signed: no full stop. Ours are hexadecimal.
fn identifier(message: &Message) -> &str {
    let fits = message.id.len() <= 64 && message.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { &message.id } else { "unnamed" }
}

/// HMAC-SHA256 over id, time and body, in base64 (Standard Webhooks, "Signature scheme").
fn signature(key: &Key, id: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(tag.as_ref()))
}

fn bug() -> Undelivered {
    trouble::here("the message cannot be written as JSON", "report this as a bug")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signs_as_the_specification_does() {
        let key = Key::new(&BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
