//! The key that a witness and a scanner share.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::hmac;
use std::fmt;

/// The fewest bytes of a key: as many as the hash gives (RFC 2104, section 3).
const FEWEST: usize = 32;

/// The most characters of a key's text that are read; a key needs 64.
const MOST: usize = 4096;

/// The fewest different bytes. Thirty-two random ones have thirty; typed ones have few.
const DIFFERENT: usize = 12;

/// A shared key. What it is made of is never shown.
#[derive(Clone)]
pub struct Key {
    messages: hmac::Key,
    log: hmac::Key,
    fingerprint: String,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It is much longer than a key.
    #[error("it is longer than {MOST} characters, so it is no key")]
    Long,
    /// It is neither hexadecimal nor base64.
    #[error("it is neither hexadecimal nor base64")]
    Encoding,
    /// It is too short.
    #[error("it holds {0} bytes, and a key needs at least {FEWEST}")]
    Short(usize),
    /// It was typed, or is a placeholder.
    #[error("it holds hardly any different bytes, so it was not drawn at random")]
    NotRandom,
}

/// The text of a key made of `random` bytes, as it is written to a file.
pub fn new_key_text(random: [u8; 32]) -> String {
    format!("{}\n", HEXLOWER.encode(&random))
}

impl Key {
    /// Reads a key: hexadecimal or base64, white space around and within it left out.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        if text.len() > MOST {
            return Err(KeyError::Long);
        }
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let text = text.as_bytes();
        let encodings = [&HEXLOWER_PERMISSIVE, &BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
        let secret = encodings.into_iter().find_map(|encoding| encoding.decode(text).ok()).ok_or(KeyError::Encoding)?;
        if secret.len() < FEWEST {
            return Err(KeyError::Short(secret.len()));
        }
        let mut different = secret.clone();
        different.sort_unstable();
        different.dedup();
        if different.len() < DIFFERENT {
            return Err(KeyError::NotRandom);
        }
        Ok(Self::of(&secret))
    }

    fn of(secret: &[u8]) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        // A key of its own for each purpose, so that a line of the log can never pass for a message.
        let derived = |purpose: &str| hmac::sign(&master, purpose.as_bytes());
        let own = |purpose| hmac::Key::new(hmac::HMAC_SHA256, derived(purpose).as_ref());
        let print = derived("portreeve witness fingerprint 1");
        Self {
            messages: own("portreeve witness messages 1"),
            log: own("portreeve witness log 1"),
            fingerprint: HEXLOWER.encode(print.as_ref().get(..4).unwrap_or_default()),
        }
    }

    /// Eight characters by which two people see that they hold the same key, and from which nobody learns it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn of_messages(&self) -> &hmac::Key {
        &self.messages
    }

    pub(super) fn of_log(&self) -> &hmac::Key {
        &self.log
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn random() -> [u8; 32] {
        std::array::from_fn(|place| u8::try_from(place * 7 + 3).unwrap())
    }

    #[test]
    fn hexadecimal_and_base64_of_the_same_bytes_are_the_same_key() {
        let of = |text: &str| Key::from_text(text).unwrap().fingerprint().to_owned();
        let hex = new_key_text(random());
        let same = of(&hex);
        assert_eq!(same.len(), 8);
        assert_eq!(of(&hex.to_uppercase()), same);
        assert_eq!(of(&BASE64.encode(&random())), same);
        assert_eq!(of(&BASE64_NOPAD.encode(&random())), same);
        assert_eq!(of(&format!("  {}\r\n{}\n", &hex[..20], &hex[20..])), same);
        assert_ne!(of(&new_key_text([random(), [0; 32]].concat()[1..33].try_into().unwrap())), same);
    }

    #[test]
    fn what_is_no_key_is_refused_and_says_why() {
        let wrong = |text: &str| Key::from_text(text).unwrap_err();
        assert_eq!(wrong(" \n"), KeyError::Empty);
        assert_eq!(wrong("not a key!"), KeyError::Encoding);
        assert_eq!(wrong("0011223344556677"), KeyError::Short(8));
        assert_eq!(wrong(&"ab".repeat(32)), KeyError::NotRandom);
        assert_eq!(wrong(&"a".repeat(MOST + 1)), KeyError::Long);
    }

    #[test]
    fn a_key_is_never_shown() {
        let text = new_key_text(random());
        let key = Key::from_text(&text).unwrap();
        assert!(!format!("{key:?}").contains(&text[..12]) && format!("{key:?}").contains(key.fingerprint()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = Key::from_text(&text);
        }
    }
}
