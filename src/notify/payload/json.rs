//! A message for programs: what a webhook gets, and a command on its standard input. Versioned like the reports.
//!
//! Within a version fields are added, never removed or given another meaning; readers ignore what they do not know.
//! `schema/alert-v1.schema.json` is derived from these types. After a change of them, write it anew with
//! `PORTREEVE_UPDATE_SCHEMA=1 cargo test --lib notify::payload::json`.
//!
//! Texts are shown as a terminal may show them: control and direction-changing characters are written out as `\xNN` or
//! `\u{NNNN}`, for whoever receives them pastes them into tickets and chats.

use super::words::headline;
use crate::model::alert::{self, Message};
use crate::model::verdict;
use crate::report::text::clean;
use schemars::JsonSchema;
use serde::Serialize;

/// The name of the format, the value of `format`.
pub const FORMAT: &str = "portreeve-alert";
/// The version of the format, the value of `version`.
pub const VERSION: u32 = 1;

/// What somebody should know without having asked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "portreeve alert, version 1")]
struct Alert {
    /// Always `portreeve-alert`.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// What tells the message from every other. It stays the same when delivery is tried again.
    id: String,
    /// When it was made, RFC 3339, UTC.
    made: String,
    /// Made to try the channel: nothing happened.
    test: bool,
    /// Whose servers all notices are about.
    client: String,
    /// The message in one line.
    headline: String,
    /// What happened, what to do first comes first.
    notices: Vec<Notice>,
}

/// One thing that began, got more urgent or is mended.
#[derive(Debug, Serialize, JsonSchema)]
struct Notice {
    /// What tells the matter from every other, the same in all its phases.
    key: String,
    /// What it is about.
    kind: Kind,
    /// How far it has come.
    phase: Phase,
    /// Whether something is to be done about it: raised or escalated.
    open: bool,
    /// How much it matters.
    severity: Severity,
    /// Whose server it is.
    client: String,
    /// The server, by its name in the inventory; null where it is about all servers of a schedule.
    target: Option<String>,
    /// What happened, in one line.
    title: String,
    /// What was seen, and why it reads so: a sentence each.
    details: Vec<String>,
    /// What to do next; null where nothing is to be done.
    action: Option<String>,
    /// When it began, RFC 3339, UTC.
    since: String,
    /// The run that showed it, by its number in the history.
    run: Option<u64>,
}

/// What a notice is about.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Something reads worse than before.
    Drift,
    /// A scan failed, or did not learn what it should have.
    Failure,
    /// A scan that was due did not happen.
    Missed,
    /// A certificate is about to expire, or has.
    Certificate,
    /// An attestation is about to end, or has.
    Attestation,
    /// A waiver is about to end, or has.
    Waiver,
}

/// How far a matter has come.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// It began.
    Raised,
    /// It was told before, and is more urgent now.
    Escalated,
    /// It is mended, and that was seen.
    Resolved,
    /// Nobody asks any more. It was not seen to be mended.
    Withdrawn,
}

/// How much something matters.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Severity {
    /// Good practice.
    Low,
    /// Helps an attacker who is already at work.
    Medium,
    /// Opens a way in, or weakens the protection of what passes.
    High,
    /// Known to be used to take over such servers.
    Critical,
}

fn shown(text: &str) -> String {
    clean(text).into_owned()
}

impl From<&alert::Notice> for Notice {
    fn from(notice: &alert::Notice) -> Self {
        Self {
            key: shown(&notice.key),
            kind: match notice.kind {
                alert::Kind::Drift => Kind::Drift,
                alert::Kind::Failure => Kind::Failure,
                alert::Kind::Missed => Kind::Missed,
                alert::Kind::Certificate => Kind::Certificate,
                alert::Kind::Attestation => Kind::Attestation,
                alert::Kind::Waiver => Kind::Waiver,
            },
            phase: match notice.phase {
                alert::Phase::Raised => Phase::Raised,
                alert::Phase::Escalated => Phase::Escalated,
                alert::Phase::Resolved => Phase::Resolved,
                alert::Phase::Withdrawn => Phase::Withdrawn,
            },
            open: notice.phase.is_open(),
            severity: match notice.severity {
                verdict::Severity::Low => Severity::Low,
                verdict::Severity::Medium => Severity::Medium,
                verdict::Severity::High => Severity::High,
                verdict::Severity::Critical => Severity::Critical,
            },
            client: shown(&notice.client),
            target: notice.target.as_deref().map(shown),
            title: shown(&notice.title),
            details: notice.details.iter().map(|detail| shown(detail)).collect(),
            action: notice.action.as_deref().map(shown),
            since: shown(&notice.since),
            run: notice.run,
        }
    }
}

/// The message as JSON on one line, without a line end.
pub fn render(message: &Message) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Alert {
        format: FORMAT,
        version: VERSION,
        id: shown(&message.id),
        made: shown(&message.made),
        test: message.test,
        client: shown(&message.client),
        headline: headline(message),
        notices: message.notices.iter().map(Notice::from).collect(),
    })
}

/// The JSON Schema (draft 2020-12) of what [`render`] writes.
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Alert>()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{hostile, many, one, test};
    use super::*;

    const SCHEMA: &str = "schema/alert-v1.schema.json";

    #[test]
    fn the_published_schema_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
        let current = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
        if std::env::var_os("PORTREEVE_UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
        let hint = "run PORTREEVE_UPDATE_SCHEMA=1 cargo test --lib notify::payload::json, and look at what changed for readers";
        assert!(published == current, "{SCHEMA} is not current: {hint}");
    }

    #[test]
    fn what_is_written_is_what_the_schema_says() {
        let validator = jsonschema::validator_for(&serde_json::to_value(schema()).unwrap()).unwrap();
        for message in [one(), many(60), hostile(), test()] {
            let text = render(&message).unwrap();
            assert!(!text.contains('\n') && !text.chars().any(crate::report::text::is_special), "{text}");
            let written: serde_json::Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
            assert_eq!(written["notices"].as_array().unwrap().len(), message.notices.len());
        }
        assert!(!validator.is_valid(&serde_json::json!({"format": "portreeve-alert", "version": 2})));
    }

    #[test]
    fn golden() {
        for (name, message) in [("one", one()), ("hostile", hostile()), ("test", test())] {
            let written: serde_json::Value = serde_json::from_str(&render(&message).unwrap()).unwrap();
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&written).unwrap());
        }
    }
}
