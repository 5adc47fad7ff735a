//! Secrets that have no place in a bundle: blacked out where a line is quoted, and found where the collector left them in.

use super::line_of;

/// Attributes of the configuration files of IIS and ASP.NET whose values are secret.
const ATTRIBUTES: [&str; 7] =
    ["password", "sessionkey", "validationkey", "decryptionkey", "connectionstring", "userpassword", "encryptedvalue"];

/// What the collector writes in their place.
pub const REDACTED: &str = "redacted";

/// The line with the values of secret attributes, and texts that IIS encrypted, replaced.
pub fn blacked_out(line: &str) -> String {
    // What is encrypted first: it may be a part of an attribute's value.
    replaced(&replaced(line, encrypted), attributes)
}

fn replaced(line: &str, next: impl Fn(&str) -> Option<(usize, usize)>) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((start, end)) = next(rest) {
        text.push_str(rest.get(..start).unwrap_or_default());
        text.push_str(REDACTED);
        rest = rest.get(end..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// The number of the first line of `text` that holds a secret.
pub fn first(text: &str) -> Option<usize> {
    let found = attributes(text).into_iter().chain(encrypted(text)).min();
    found.map(|(at, _)| line_of(text, at))
}

/// Where the first text that IIS encrypted begins and ends.
fn encrypted(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("[enc:")?;
    let end = lower.get(start..).and_then(|rest| rest.find(":enc]")).map_or(text.len(), |end| start + end + 5);
    Some((start, end))
}

/// Where the first secret value of an attribute begins and ends.
fn attributes(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    ATTRIBUTES.iter().filter_map(|name| attribute(&lower, name)).min()
}

/// The value of an attribute, `name="value"` or `name = value`, that is neither empty nor redacted.
fn attribute(lower: &str, name: &str) -> Option<(usize, usize)> {
    // The cheap questions first: where a value's end is looked for, it is either near or the answer, so a text of nothing but
    // `password=` takes no more time than its length.
    lower.match_indices(name).find_map(|(at, _)| {
        let whole =
            lower.get(..at).unwrap_or_default().chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        if !whole {
            return None;
        }
        let after = at + name.len();
        let rest = lower.get(after..).unwrap_or_default();
        let value = rest.trim_start_matches([' ', '\t']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
        let begin = after + (rest.len() - value.len());
        if value.strip_prefix(['"', '\'']).unwrap_or(value).starts_with('{') {
            return None;
        }
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (begin, length) = match quote {
            Some(quote) => {
                let inner = value.get(1..).unwrap_or_default();
                (begin + 1, inner.find(quote).unwrap_or(inner.len()))
            }
            None => (begin, value.find(['\r', '\n', ' ']).unwrap_or(value.len())),
        };
        let held = lower.get(begin..begin + length).unwrap_or_default();
        // In a text, such as a connection string, more stands behind it.
        let redacted = held.strip_prefix(REDACTED).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        (!held.is_empty() && !redacted).then_some((begin, begin + length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blacked_out_and_found() {
        let line = r#"<processModel userName="svc" password="hunter2" /> <add sessionKey='AQ==' x="[enc:A:bc:enc]"/>"#;
        let clean = blacked_out(line);
        assert_eq!(
            clean,
            r#"<processModel userName="svc" password="redacted" /> <add sessionKey='redacted' x="redacted"/>"#
        );
        assert_eq!(first(&format!("a\nb\n{line}")), Some(3));
        assert_eq!(first(&clean), None);
        assert_eq!(first("password=\nPasswordComplexity = 1\nMinimumPasswordLength = 12\n"), None);
        for text in ["password=[enc::enc]password", "password=[enc: :enc]password"] {
            assert_eq!(first(&blacked_out(text)), None);
        }
        assert_eq!(first("[client]\npassword = abc\n"), Some(2));
        assert_eq!(first("<add value=\"a;Password=redacted;b\"/> <b c=\"password=redacted\"/>"), None);
        assert_eq!(first("password=redactedx"), Some(1));
    }

    #[test]
    fn what_only_looks_like_a_secret_takes_no_time() {
        let begin = std::time::Instant::now();
        for text in ["apassword=", "password={", "password=\"{", "password=redacted\n", "password=\"\""] {
            assert_eq!(first(&text.repeat(4_000_000 / text.len())), None, "{text}");
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
    }

    proptest::proptest! {
        #[test]
        fn what_was_blacked_out_holds_no_secret(text in "(password|sessionkey|\\[enc:|:enc\\]|[=\"' a\n{é])*") {
            proptest::prop_assert_eq!(first(&blacked_out(&text)), None);
        }
    }
}
