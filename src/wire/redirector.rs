//! Automate's redirector. Its protocol is not public; the probe and its answer are those that nmap knows it by.

use super::Parse;
use super::bytes::Bytes;

/// What makes a redirector speak: two empty lines, nmap's `GenericLines`.
pub const PROBE: &[u8] = b"\r\n\r\n";

/// Its answer.
const ANSWER: &[u8] = &[0x02, 0x00, 0x00, 0x01, 0x42, 0x09, 0x00, 0x00, 0x01, 0x42];

/// Reads the answer to [`PROBE`].
pub fn read_redirector(bytes: &[u8]) -> Parse<()> {
    Bytes::stream(bytes).expect(ANSWER, "the redirector's answer").into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::only_whole;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_whole_answer_counts() {
        only_whole(ANSWER, read_redirector);
        assert!(matches!(read_redirector(&[2, 0, 0, 1, 0x43]), Parse::Malformed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = read_redirector(&bytes);
        }
    }
}
