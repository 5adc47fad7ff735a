//! A message as mail: plain text, and the same in HTML.
//!
//! Its `Message-ID` is made of the message's id, so that a second try is the same mail, and `References` name the client, so
//! that mail about one client is one thread. No text reaches a header with a line end in it. Everything is encoded in ASCII.

use super::words::{Shown, TEST, cut, headline, left_out};
use crate::catalog::channels::Mail;
use crate::model::alert::{Message, Notice, Phase};
use crate::model::verdict::Severity;
use askama::Template;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, MultiPartKind, SinglePart};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::time::SystemTime;

/// More than so many notices nobody reads in a mail.
pub const NOTICES: usize = 200;

/// The most of a subject, in characters.
const SUBJECT: usize = 160;

/// Headers that keep programs from answering: RFC 3834, section 5, and Exchange's own (MS-OXCMAIL, 2.2.3.2.14).
const NO_ANSWERS: [(&str, &str); 2] = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The page cannot be written.
    #[error("the page cannot be written: {0}")]
    Page(#[from] askama::Error),
    /// A header cannot be.
    #[error("a header cannot be written: {0}")]
    Header(String),
}

/// The mail, as it goes to the server.
pub fn payload(mail: &Mail, message: &Message) -> Result<Vec<u8>, MailError> {
    let domain = mail.from.email.domain();
    // `=?` begins an encoded word (RFC 2047, section 2), which nobody but us is to write.
    let subject = cut(&format!("[portreeve] {}", headline(message)), SUBJECT).replace("=?", "= ?");
    let thread = format!("<client.{}@{domain}>", digest(&message.client));
    let made = message.made.parse::<Timestamp>().ok().map(SystemTime::from);
    let mut builder = lettre::Message::builder()
        .message_id(Some(format!("<alert.{}@{domain}>", identifier(&message.id))))
        .in_reply_to(thread.clone())
        .references(thread)
        .from(mail.from.clone())
        .subject(subject)
        .date(made.unwrap_or_else(SystemTime::now));
    for to in &mail.to {
        builder = builder.to(to.clone());
    }
    for (name, value) in NO_ANSWERS {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let parts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("portreeve-{}", digest(&message.id)))
        .singlepart(SinglePart::plain(text(message)))
        .singlepart(SinglePart::html(page(message)?));
    let built = builder.multipart(parts).map_err(|error| MailError::Header(error.to_string()))?;
    Ok(built.formatted())
}

/// An id as it may stand in a header. Ours are hexadecimal, and stay as they are.
fn identifier(id: &str) -> String {
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        id.to_owned()
    } else {
        digest(id)
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    HEXLOWER.encode(digest.get(..16).unwrap_or_default())
}

fn text(message: &Message) -> String {
    let mut text = format!("{}\r\n", headline(message));
    if message.test {
        let _ = write!(text, "\r\n{TEST}\r\n");
    }
    for notice in message.notices.iter().take(NOTICES) {
        let shown = Shown::of(notice);
        let _ = write!(text, "\r\n{}: {}\r\n", shown.label, shown.title);
        for detail in &shown.details {
            let _ = write!(text, "  {detail}\r\n");
        }
        if let Some(action) = &shown.action {
            let _ = write!(text, "  Next: {action}\r\n");
        }
        let _ = write!(text, "  ({})\r\n", shown.place);
    }
    if let Some(rest) = rest(message) {
        let _ = write!(text, "\r\n{rest}\r\n");
    }
    let _ = write!(text, "\r\n-- \r\nportreeve, {}. Message {}.\r\n", cut(&message.made, 40), cut(&message.id, 64));
    text
}

fn rest(message: &Message) -> Option<String> {
    message.notices.len().checked_sub(NOTICES).filter(|rest| *rest > 0).map(left_out)
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'a> {
    headline: String,
    test: bool,
    test_words: &'static str,
    rows: Vec<Row>,
    rest: Option<String>,
    made: &'a str,
    id: &'a str,
}

struct Row {
    colour: &'static str,
    shown: Shown,
}

impl Row {
    fn of(notice: &Notice) -> Self {
        let colour = match (notice.phase, notice.severity) {
            (Phase::Resolved, _) => "#1a7f37",
            (Phase::Withdrawn, _) | (_, Severity::Low) => "#59636e",
            (_, Severity::Medium) => "#9a6700",
            (_, Severity::High | Severity::Critical) => "#b35900",
        };
        let colour = if notice.phase.is_open() && notice.severity == Severity::Critical { "#cf222e" } else { colour };
        Self { colour, shown: Shown::of(notice) }
    }
}

fn page(message: &Message) -> Result<String, askama::Error> {
    let page = Page {
        headline: headline(message),
        test: message.test,
        test_words: TEST,
        rows: message.notices.iter().take(NOTICES).map(Row::of).collect(),
        rest: rest(message),
        made: &message.made,
        id: &message.id,
    };
    page.render()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{any_message, cases, hostile, many, one, test};
    use super::*;
    use crate::catalog::channels::MailTls;
    use proptest::prelude::*;

    fn mail() -> Mail {
        Mail {
            host: "smtp.example".to_owned(),
            port: 587,
            tls: MailTls::StartTls,
            from: "portreeve <portreeve@msp.example>".parse().unwrap(),
            to: vec!["noc@msp.example".parse().unwrap(), "Kim Lee <kim@msp.example>".parse().unwrap()],
            login: None,
            hello: None,
            ca_file: None,
        }
    }

    fn written(message: &Message) -> String {
        String::from_utf8(payload(&mail(), message).unwrap()).unwrap()
    }

    const NAMES: [&str; 12] = [
        "Message-ID",
        "In-Reply-To",
        "References",
        "From",
        "Subject",
        "Date",
        "To",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    /// The mail is ASCII in lines that every server takes, and has our headers, each once, and no other.
    fn check(message: &Message) {
        let text = written(message);
        assert!(text.is_ascii());
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0', '\x1b'])));
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        for (place, name) in names.iter().enumerate() {
            assert!(NAMES.contains(name), "{name:?} in {head}");
            assert!(!names[..place].contains(name), "{name} twice in {head}");
        }
    }

    #[test]
    fn golden() {
        for (name, message) in [("one", one()), ("hostile", hostile()), ("test", test())] {
            check(&message);
            insta::assert_snapshot!(name, written(&message).replace("\r\n", "\n"));
        }
        check(&many(60));
        insta::assert_snapshot!("sixty_text", text(&many(60)).replace("\r\n", "\n"));
    }

    #[test]
    fn a_second_try_is_the_same_mail_and_a_client_is_one_thread() {
        assert_eq!(written(&one()), written(&one()));
        let other = Message { id: "f".repeat(32), ..many(3) };
        let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_eq!(line(&written(&one()), "References"), line(&written(&other), "References"));
        assert_ne!(line(&written(&one()), "Message-ID"), line(&written(&other), "Message-ID"));
        let forged = Message { id: "a>\r\nBcc: x@y".to_owned(), ..one() };
        check(&forged);
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn no_message_makes_a_header(message in any_message()) {
            check(&message);
        }
    }
}
