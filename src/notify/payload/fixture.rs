//! Messages for tests.

use crate::model::alert::{Kind, Message, Notice, Phase};
use crate::model::verdict::Severity;
use proptest::prelude::*;

fn message(notices: Vec<Notice>) -> Message {
    Message {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        made: "2026-09-02T02:41:07Z".to_owned(),
        test: false,
        client: "Northwind Dental".to_owned(),
        notices,
    }
}

fn opened() -> Notice {
    Notice {
        key: "00000000000000a1".to_owned(),
        kind: Kind::Drift,
        phase: Phase::Raised,
        severity: Severity::High,
        client: "Northwind Dental".to_owned(),
        target: Some("rmm".to_owned()),
        title: "tcp/3389 opened on rmm".to_owned(),
        details: vec![
            "It was filtered in run 41, and is open in run 42: an RDP service answered.".to_owned(),
            "The guide wants it closed (AUT-NET-12).".to_owned(),
        ],
        action: Some("Close tcp/3389 at the firewall, or declare it in the inventory.".to_owned()),
        since: "2026-09-02T02:30:00Z".to_owned(),
        run: Some(42),
    }
}

pub(super) fn one() -> Message {
    message(vec![opened()])
}

pub(super) fn test() -> Message {
    Message { test: true, ..one() }
}

/// So many notices of every phase and kind.
pub(super) fn many(count: usize) -> Message {
    let phases = [Phase::Raised, Phase::Escalated, Phase::Resolved, Phase::Withdrawn];
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let notice = |place: usize| Notice {
        key: format!("{place:016x}"),
        kind: Kind::ALL[place % Kind::ALL.len()],
        phase: phases[place / 20 % phases.len()],
        severity: severities[place / 5 % severities.len()],
        target: (place % 7 != 6).then(|| format!("rmm-{place}")),
        title: format!("tcp/{} opened on rmm-{place}", 3000 + place),
        ..opened()
    };
    message((0..count).map(notice).collect())
}

/// Texts that want to be obeyed.
pub(super) fn hostile() -> Message {
    let evil = "<!channel> <https://evil.example|click> & @here *b* _i_ `c` [x](https://evil.example) <script>alert(1)</script> \
                {{DATE(2026-01-01)}} \u{1b}[31m\u{202e}txt\u{0}\r\nBcc: everybody@example.com\r\n\r\n.\r\nQUIT";
    let notice = Notice {
        target: Some(format!("rmm{evil}")),
        title: format!("banner {evil}"),
        details: vec![evil.to_owned(), "```".to_owned(), "<at>everybody</at>".to_owned()],
        action: Some(evil.to_owned()),
        client: evil.to_owned(),
        ..opened()
    };
    Message { client: format!("Evil\r\nBcc: a@b.example {evil}"), ..message(vec![notice]) }
}

/// One notice with far too much text.
pub(super) fn long() -> Message {
    let long = "&".repeat(5000);
    let notice = Notice {
        title: long.clone(),
        details: vec![long.clone(); 500],
        client: long.clone(),
        target: Some(long.clone()),
        ..opened()
    };
    Message { client: long, ..message(vec![notice]) }
}

pub(super) fn any_message() -> impl Strategy<Value = Message> {
    let text = || prop_oneof![".{0,300}", "[&<>`*_\\[\\]\\\\\"]{0,900}", "[\\x00-\\x20\u{202e}\u{200b}\r\n]{0,40}"];
    let notice = (text(), proptest::collection::vec(text(), 0..9), text(), text(), 0usize..4).prop_map(
        |(title, details, action, target, phase)| Notice {
            title,
            details,
            action: Some(action),
            target: Some(target),
            phase: [Phase::Raised, Phase::Escalated, Phase::Resolved, Phase::Withdrawn][phase],
            ..opened()
        },
    );
    // Few texts, many notices: what finds no room depends on both.
    (proptest::collection::vec(notice, 1..5), 1usize..20, text(), any::<bool>()).prop_map(
        |(notices, times, client, test)| {
            let notices = notices.iter().cycle().take(notices.len() * times).cloned().collect();
            Message { test, client, ..message(notices) }
        },
    )
}

/// Messages are large: fewer of them.
pub(super) fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(48)
}
