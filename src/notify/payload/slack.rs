//! A message as blocks of an incoming webhook of Slack.
//!
//! In mrkdwn `&`, `<` and `>` are escaped, without which there is no mention and no link ("Formatting text for app surfaces");
//! `verbatim` keeps Slack from making them of plain text. What stands between two backticks of one line is a command, and shown as
//! code; all other backticks become apostrophes, for code spans reach over lines. What is left to a hostile text is to be code, bold,
//! italic or struck through in its own line.

use super::words::{Shown, TEST, headline, left_out};
use crate::model::alert::Message;
use serde_json::{Value, json};

/// The most blocks of a message (Block Kit, "Blocks").
const BLOCKS: usize = 50;
/// The most characters of a section's text, and of a header's.
const SECTION: usize = 3000;
const HEADER: usize = 150;
/// Blocks that are no notices: header, test, what found no room, the end.
const OTHERS: usize = 4;
/// More than so many notices nobody reads in a chat.
pub const NOTICES: usize = 40;
const _: () = assert!(NOTICES + OTHERS <= BLOCKS);

/// The payload.
pub fn payload(message: &Message) -> Value {
    let line = headline(message);
    let title = super::words::cut(&line, HEADER);
    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}})];
    if message.test {
        blocks.push(section(TEST));
    }
    blocks.extend(message.notices.iter().take(NOTICES).map(|notice| section(&text(&Shown::in_lines(notice)))));
    if let Some(rest) = message.notices.len().checked_sub(NOTICES).filter(|rest| *rest > 0) {
        blocks.push(section(&left_out(rest)));
    }
    let end = format!("portreeve, {}", escaped(&super::words::cut(&message.made, 40)));
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": end, "verbatim": true}]}));
    json!({"text": escaped(&line), "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn text(shown: &Shown) -> String {
    let mut lines = vec![format!("*{}* {}", shown.label, escaped(&shown.title))];
    for detail in &shown.details {
        let marks = std::iter::once("• ").chain(std::iter::repeat("   "));
        lines.extend(detail.lines().zip(marks).map(|(line, mark)| format!("{mark}{}", escaped(line))));
    }
    let action = shown.action.iter().map(|action| format!("*Next:* {}", escaped(action)));
    let last: Vec<String> = action.chain([escaped(&shown.place)]).collect();
    // What to do is worth more than why.
    let reserved: usize = last.iter().map(|line| line.chars().count() + 1).sum();
    let mut text = String::new();
    let mut used = reserved;
    for line in &lines {
        used += line.chars().count() + 1;
        if used + 2 > SECTION {
            text.push_str("…\n");
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&last.join("\n"));
    text
}

/// One line as Slack shows it.
fn escaped(line: &str) -> String {
    let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if has_code(&line) { line } else { line.replace('`', "'") }
}

/// Whether the backticks of a line are pairs about something, and no two stand together: three of them begin a block.
fn has_code(line: &str) -> bool {
    let parts: Vec<&str> = line.split('`').collect();
    let between = parts.iter().skip(1).take(parts.len().saturating_sub(2));
    parts.len() % 2 == 1 && between.into_iter().all(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{any_message, cases, hostile, long, many, one, test};
    use super::*;
    use proptest::prelude::*;

    fn check(message: &Message) {
        let payload = payload(message);
        let blocks = payload["blocks"].as_array().unwrap();
        assert!(blocks.len() <= BLOCKS, "{}", blocks.len());
        for block in blocks {
            let text = block["text"]["text"].as_str().or_else(|| block["elements"][0]["text"].as_str()).unwrap();
            let limit = if block["type"] == "header" { HEADER } else { SECTION };
            assert!(!text.is_empty() && text.chars().count() <= limit, "{} characters", text.chars().count());
            assert!(block["type"] == "header" || !text.contains(['<', '>']), "{text}");
            let is_paired = |line: &str| line.matches('`').count().is_multiple_of(2) && !line.contains("``");
            assert!(block["type"] == "header" || text.lines().all(is_paired), "{text}");
            assert!(text.chars().all(|c| c == '\n' || !crate::report::text::is_special(c)), "{text:?}");
        }
        assert!(!payload["text"].as_str().unwrap().contains(['<', '>']));
    }

    #[test]
    fn golden() {
        for (name, message) in [("one", one()), ("hostile", hostile()), ("test", test()), ("sixty", many(60))] {
            check(&message);
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&payload(&message)).unwrap());
        }
    }

    #[test]
    fn a_command_is_code_and_other_backticks_are_none() {
        assert_eq!(escaped("run `a <b>` and `c`"), "run `a &lt;b&gt;` and `c`");
        assert_eq!(escaped("`c`"), "`c`");
        for text in ["a ` b", "```", "a `` b", "`a` ` `", "`a``b`"] {
            assert_eq!(escaped(text), text.replace('`', "'"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_keeps_its_lines() {
        let mut message = one();
        message.notices[0].details = vec!["error: no `x`\n  --> t.toml:1\n\n1 | y = 5\n".to_owned()];
        check(&message);
        let text = payload(&message)["blocks"][1]["text"]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("\n• error: no `x`\n     --&gt; t.toml:1\n   1 | y = 5\n*Next:*"), "{text}");
    }

    #[test]
    fn what_to_do_is_said_whatever_the_length_of_the_rest() {
        let message = long();
        check(&message);
        let text = payload(&message)["blocks"][1]["text"]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("*Next:* Close"), "{text}");
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn no_message_exceeds_what_slack_takes(message in any_message()) {
            check(&message);
        }
    }
}
