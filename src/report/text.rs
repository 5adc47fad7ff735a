//! The boundary at which text of unknown origin becomes text that can be shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes `text` fit to be shown on a terminal or a page, whoever wrote it.
///
/// Control characters and invisible or direction-changing ones are written as `\xNN` or `\u{NNNN}`, so that they are
/// seen instead of obeyed. Every kind of white space, line ends among them, becomes a space: where lines break is the
/// report's business. Variation selectors, which only choose between two pictures of a character, are left out.
/// Unlike [`PeerText`](crate::model::peer_text::PeerText) a backslash is not doubled, because text that was escaped
/// before comes through here too.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| character == ' ' || !(character.is_whitespace() || is_special(character))) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            character if character.is_whitespace() => cleaned.push(' '),
            '\u{fe00}'..='\u{fe0f}' => {}
            character if is_special(character) && character.is_ascii() => {
                let _ = write!(cleaned, "\\x{:02x}", u32::from(character));
            }
            character if is_special(character) => {
                let _ = write!(cleaned, "\\u{{{:x}}}", u32::from(character));
            }
            character => cleaned.push(character),
        }
    }
    Cow::Owned(cleaned)
}

/// Whether a terminal or a browser would obey this character instead of showing it (Unicode TR 36, section 2.10).
pub fn is_special(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `count` and the word for that many: `1 server`, `2 servers`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number with its thousands apart: `65,535`.
pub(super) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `a, b and c`.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `text` with its first letter in upper case, to begin a sentence with; a name or an address stays as it is.
pub(super) fn capitalised(text: &str) -> String {
    if !text
        .split_whitespace()
        .next()
        .is_some_and(|word| word.trim_end_matches([',', ':']).chars().all(char::is_alphabetic))
    {
        return text.to_owned();
    }
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::peer_text::PeerText;

    #[test]
    fn shows_what_would_be_obeyed() {
        assert_eq!(clean("a\x1b[31m\u{9b}2J\u{7f}"), "a\\x1b[31m\\u{9b}2J\\x7f");
        assert_eq!(clean("evil\u{202e}txt.exe"), "evil\\u{202e}txt.exe");
        assert_eq!(clean("two\r\nlines\tand\u{2028}more"), "two  lines and more");
        assert_eq!(clean("caf\u{e9} \u{2615}\u{fe0f}"), "caf\u{e9} \u{2615}");
    }

    #[test]
    fn leaves_ordinary_and_escaped_text_alone() {
        assert!(matches!(clean("GET / \\r\\n caf\u{e9} \u{5d0}"), Cow::Borrowed(_)));
    }

    #[test]
    fn is_as_strict_as_peer_text() {
        for character in (0..=0x0010_ffff).filter_map(char::from_u32).filter(|character| *character != '\\') {
            let text = character.to_string();
            if PeerText::new(&text, 8).as_str() != text {
                assert_ne!(clean(&text), text, "U+{:04X}", u32::from(character));
            }
        }
    }
}
