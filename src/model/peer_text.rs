//! Text that a peer, and so an attacker, can choose.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// Text from a peer, escaped when it is made, so that it can be shown anywhere without being escaped again.
///
/// Control characters (C0, DEL, C1), invisible and direction-changing characters and bytes that are not UTF-8 are
/// written as `\n`, `\r`, `\t`, `\xNN` or `\u{NNNN}`, and a backslash as `\\`; all else stays as it was sent. HTML and
/// CSV still need their own escaping of `<`, `&`, `"` and of leading `=`, which their writers do.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PeerText(String);

/// Text that was escaped before, and was kept in a file since. Whoever wrote that file, nothing in it is obeyed: what should have been
/// escaped is.
impl From<String> for PeerText {
    fn from(text: String) -> Self {
        if !text.chars().any(|character| character.is_control() || is_invisible(character)) {
            return Self(text);
        }
        let mut escaped = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            if character == '\\' { escaped.push(character) } else { push_escaped(&mut escaped, character) }
        }
        Self(escaped)
    }
}

impl From<PeerText> for String {
    fn from(text: PeerText) -> Self {
        text.0
    }
}

impl PeerText {
    /// Escapes `bytes`, of which at most `limit` are kept; a cut is shown by a final `…`.
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Self {
        let cut = bytes.len() > limit;
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                push_escaped(&mut text, character);
            }
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        if cut {
            text.push('…');
        }
        Self(text)
    }

    /// Escapes `text`, of which at most `limit` bytes are kept.
    pub fn new(text: &str, limit: usize) -> Self {
        Self::from_bytes(text.as_bytes(), limit)
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(text, "\\x{:02x}", character as u32);
        }
        character if is_invisible(character) => {
            let _ = write!(text, "\\u{{{:x}}}", character as u32);
        }
        character => text.push(character),
    }
}

/// C1 controls, soft hyphen, zero-width and direction-changing characters (Unicode TR 36, section 2.10), line and
/// paragraph separators, byte-order marks, interlinear marks and tags.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        let text = PeerText::from_bytes(b"a\x1b[31m\x9b\xff\r\n\\ \xe2\x80\xaeevil", 100);
        assert_eq!(text.as_str(), "a\\x1b[31m\\x9b\\xff\\r\\n\\\\ \\u{202e}evil");
    }

    #[test]
    fn a_cut_is_visible() {
        assert_eq!(PeerText::new("abcdef", 3).as_str(), "abc…");
        assert_eq!(PeerText::new("abc", 3).as_str(), "abc");
    }

    #[test]
    fn what_is_read_back_is_what_was_written_and_is_never_obeyed() {
        let text = PeerText::from_bytes(b"a\\b\x1b\xff\n", 100);
        let written = serde_json::to_string(&text).unwrap();
        assert_eq!(serde_json::from_str::<PeerText>(&written).unwrap(), text);
        let forged: PeerText = serde_json::from_str("\"\\u001b[2J\u{9b}1m\u{202e}\"").unwrap();
        assert_eq!(forged.as_str(), "\\x1b[2J\\u{9b}1m\\u{202e}");
    }

    proptest! {
        #[test]
        fn never_holds_a_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..200), limit in 0usize..220) {
            let text = PeerText::from_bytes(&bytes, limit);
            prop_assert!(!text.as_str().chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
