//! Files of Windows as text, whatever their encoding.

use crate::catalog::diagnostic::Diagnostic;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The largest file that is read, in bytes. Exports of whole policy trees have a few megabytes.
pub const LIMIT: usize = 32 * 1024 * 1024;

/// Reads `bytes`, the content of `file`: UTF-16 of both orders with a byte order mark or without, UTF-8, or else the ANSI
/// code page of western Windows, in which only names can come out wrong.
///
/// A file that ends in half a character was cut off, and is an error.
pub fn decode(file: &str, bytes: &[u8]) -> Result<String, Box<Diagnostic>> {
    let wrong = |message: &str, help: &str| Box::new(Diagnostic::whole(file, message, Some(help.to_owned())));
    if bytes.len() > LIMIT {
        return Err(wrong("the file is larger than 32 MiB", "Export only the keys that the collector names."));
    }
    let (encoding, mark) = encoding_of(bytes);
    let body = bytes.get(mark..).unwrap_or_default();
    if encoding != UTF_8 && encoding != WINDOWS_1252 && body.len() % 2 == 1 {
        return Err(wrong("the file ends in half a UTF-16 character: it was cut off", "Collect it again."));
    }
    let (text, broken) = encoding.decode_without_bom_handling(body);
    if broken {
        let at = text.find('\u{fffd}').unwrap_or_default();
        let message = format!("this is not {}: the file was cut off or damaged", encoding.name());
        return Err(Box::new(Diagnostic::at(file, &text, at..at + 3, &message, Some("Collect it again.".to_owned()))));
    }
    if let Some(at) = text.find('\0') {
        let help = "Collect it again; a file that a crash left behind is often full of zeros.".to_owned();
        return Err(Box::new(Diagnostic::at(file, &text, at..at + 1, "a zero character in a text file", Some(help))));
    }
    Ok(text.into_owned())
}

/// The encoding, and how long the byte order mark is.
fn encoding_of(bytes: &[u8]) -> (&'static Encoding, usize) {
    if let Some(found) = Encoding::for_bom(bytes) {
        return found;
    }
    // Without a mark: letters, digits and line ends of UTF-16 have a zero byte, always on the same side.
    let sample = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let zeros = |side: usize| sample.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let half = sample.len() / 2;
    if half > 0 && odd * 2 >= half && even == 0 {
        (UTF_16LE, 0)
    } else if half > 0 && even * 2 >= half && odd == 0 {
        (UTF_16BE, 0)
    } else if std::str::from_utf8(bytes).is_ok() || bytes.is_empty() {
        (UTF_8, 0)
    } else {
        (WINDOWS_1252, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn every_encoding_of_windows_is_read() {
        let text = "[Privilege Rights]\r\nSeTcbPrivilege = *S-1-1-0\r\n; Übung\r\n";
        for little in [true, false] {
            for mark in [true, false] {
                assert_eq!(decode("a", &utf16(text, little, mark)).unwrap(), text, "{little} {mark}");
            }
        }
        assert_eq!(decode("a", text.as_bytes()).unwrap(), text);
        assert_eq!(decode("a", &[&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()).unwrap(), text);
        assert_eq!(decode("a", b"\xdcbung").unwrap(), "Übung");
        assert_eq!(decode("a", b"").unwrap(), "");
    }

    #[test]
    fn half_a_character_at_the_end_is_an_error() {
        let mut bytes = utf16("abcdefgh\r\nij", true, true);
        bytes.pop();
        let error = decode("a.reg", &bytes).unwrap_err().to_string();
        assert!(error.contains("half a UTF-16 character"), "{error}");
        let mut bytes = utf16("line\r\nsmile 😀", true, true);
        bytes.truncate(bytes.len() - 2);
        let error = decode("a.reg", &bytes).unwrap_err().to_string();
        assert!(error.starts_with("a.reg:2:7:"), "{error}");
        assert!(decode("a", b"text\0\0\0\0 and zeros").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode("any", &bytes);
        }

        #[test]
        fn what_was_written_with_a_mark_is_read(text in "[^\0\u{feff}]{0,60}", little: bool) {
            prop_assert_eq!(decode("any", &utf16(&text, little, true)).unwrap(), text);
        }
    }
}
