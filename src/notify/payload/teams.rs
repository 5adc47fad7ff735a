//! A message as an Adaptive Card for a workflow of Microsoft Teams ("When a Teams webhook request is received").
//!
//! Texts stand in runs of rich text blocks, which know no Markdown; text blocks do, and there is nothing in them but our own
//! words. A card has no entities, so nothing in it is a mention.

use super::words::{Shown, TEST, cut, headline, left_out};
use crate::model::alert::{Message, Notice, Phase};
use crate::model::verdict::Severity;
use serde_json::{Value, json};

/// The largest message that Teams takes ("Limits and specifications for Microsoft Teams": 28 KB), in bytes, less a margin for
/// what the workflow adds.
const LIMIT: usize = 24 * 1024;

/// More than so many notices nobody reads in a chat.
const NOTICES: usize = 40;

/// The payload. What finds no room is counted.
pub fn payload(message: &Message) -> Value {
    let mut room = message.notices.len().min(NOTICES);
    loop {
        let payload = with(message, room);
        if room == 0 || payload.to_string().len() <= LIMIT {
            return payload;
        }
        room -= 1;
    }
}

/// Whether every notice has room.
pub fn has_room(message: &Message) -> bool {
    let count = message.notices.len();
    count <= NOTICES && with(message, count).to_string().len() <= LIMIT
}

fn with(message: &Message, room: usize) -> Value {
    let line = headline(message);
    let mut body = vec![block(&[run(&line, true, "Default")], false)];
    if message.test {
        body.push(block(&[run(TEST, true, "Accent")], false));
    }
    for notice in message.notices.iter().take(room) {
        body.extend(parts(notice));
    }
    if let Some(rest) = message.notices.len().checked_sub(room).filter(|rest| *rest > 0) {
        body.push(block(&[run(&left_out(rest), false, "Default")], true));
    }
    body.push(block(&[run(&format!("portreeve, {}", cut(&message.made, 40)), false, "Default")], true));
    json!({
        "type": "message",
        "summary": line,
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": line,
                "body": body,
                "msteams": {"width": "Full"},
            },
        }],
    })
}

fn parts(notice: &Notice) -> Vec<Value> {
    let shown = Shown::of(notice);
    let colour = match (notice.phase, notice.severity) {
        (Phase::Resolved, _) => "Good",
        (Phase::Withdrawn, _) | (_, Severity::Low) => "Default",
        (_, Severity::Medium) => "Warning",
        (_, Severity::High | Severity::Critical) => "Attention",
    };
    let label = run(&format!("{}  ", shown.label), true, colour);
    let mut parts = vec![block(&[label, run(&shown.title, false, "Default")], true)];
    let details = shown.details.iter().map(|detail| block(&[run(&format!("• {detail}"), false, "Default")], false));
    parts.extend(details);
    let action = shown.action.iter();
    parts.extend(action.map(|action| block(&[run("Next: ", true, "Default"), run(action, false, "Default")], false)));
    let mut place = run(&shown.place, false, "Default");
    place["isSubtle"] = true.into();
    parts.push(block(&[place], false));
    parts
}

fn block(runs: &[Value], apart: bool) -> Value {
    let mut block = json!({"type": "RichTextBlock", "inlines": runs});
    if apart {
        block["separator"] = true.into();
    } else {
        block["spacing"] = "Small".into();
    }
    block
}

fn run(text: &str, bold: bool, colour: &str) -> Value {
    let mut run = json!({"type": "TextRun", "text": text});
    if bold {
        run["weight"] = "Bolder".into();
    }
    if colour != "Default" {
        run["color"] = colour.into();
    }
    run
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{any_message, cases, hostile, long, many, one, test};
    use super::*;
    use proptest::prelude::*;

    fn check(message: &Message) {
        let text = payload(message).to_string();
        assert!(text.len() <= LIMIT, "{} bytes", text.len());
        assert!(!text.contains("TextBlock\",\"text") && !text.contains("\"entities\""), "{text}");
        assert!(!text.chars().any(crate::report::text::is_special), "{text}");
    }

    #[test]
    fn golden() {
        for (name, message) in [("one", one()), ("hostile", hostile()), ("test", test())] {
            check(&message);
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&payload(&message)).unwrap());
        }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let message = many(60);
        check(&message);
        let text = payload(&message).to_string();
        let shown = text.matches("Next: ").count();
        assert!(text.contains(&format!("{} more notices found no room", 60 - shown)), "{shown}");
        check(&long());
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn no_message_exceeds_what_teams_takes(message in any_message()) {
            check(&message);
        }
    }
}
