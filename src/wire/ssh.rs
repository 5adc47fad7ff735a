//! SSH, by its identification string (RFC 4253, section 4.2).

use super::Parse;
use super::bytes::complaint;
use crate::model::peer_text::PeerText;

/// How many bytes are read for it: it may follow other lines.
pub const LIMIT: usize = 8 * 1024;

/// The longest identification string, its line end included.
const LINE: usize = 255;

/// Reads the identification string. Lines before it are skipped, as a server may send some.
pub fn read_banner(bytes: &[u8]) -> Parse<PeerText> {
    let window = bytes.get(..LIMIT).unwrap_or(bytes);
    for line in window.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.last() == Some(&b'\n');
        if line.starts_with(b"SSH-") {
            if whole || line.len() > LINE {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                return Parse::Done(PeerText::from_bytes(line.strip_suffix(b"\r").unwrap_or(line), LINE));
            }
            return Parse::Incomplete;
        }
        // RFC 4253 asks for UTF-8 text; a zero byte is no text.
        if line.contains(&0) {
            return Parse::Malformed(complaint("bytes that are no text before the identification string"));
        }
    }
    if bytes.len() >= LIMIT {
        return Parse::Malformed(complaint(format!("no identification string in {LIMIT} bytes")));
    }
    Parse::Incomplete
}

#[cfg(test)]
mod tests {
    use super::super::testing::only_whole;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_before_the_identification_are_skipped() {
        let banner = only_whole(b"Authorized use only\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", read_banner);
        assert_eq!(banner.as_str(), "SSH-2.0-OpenSSH_9.2p1 Debian-2");
        assert!(matches!(read_banner(&[b'a'; LIMIT]), Parse::Malformed(_)));
        assert!(matches!(read_banner(b"a\0"), Parse::Malformed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = read_banner(&bytes);
            let _ = read_banner(&[b"SSH-", &bytes[..]].concat());
        }
    }
}
