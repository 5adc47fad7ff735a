//! A message to be delivered.

use portreeve::model::alert::{Kind, Message, Notice, Phase};
use portreeve::model::verdict::Severity;

pub(crate) fn message() -> Message {
    let notice = Notice {
        key: "00000000000000a1".to_owned(),
        kind: Kind::Drift,
        phase: Phase::Raised,
        severity: Severity::High,
        client: "Northwind Dental".to_owned(),
        target: Some("rmm".to_owned()),
        title: "tcp/3389 opened on rmm".to_owned(),
        details: vec!["It was filtered, and is open.".to_owned()],
        action: Some("Close it.".to_owned()),
        since: "2026-09-02T02:30:00Z".to_owned(),
        run: Some(42),
    };
    Message {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        made: "2026-09-02T02:41:07Z".to_owned(),
        test: false,
        client: "Northwind Dental".to_owned(),
        notices: vec![notice],
    }
}
