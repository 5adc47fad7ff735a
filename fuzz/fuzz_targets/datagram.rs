#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::datagram;

fuzz_target!(|bytes: &[u8]| {
    if let [high, low, answer @ ..] = bytes {
        let _ = datagram::read_answer(u16::from_be_bytes([*high, *low]), answer);
    }
});
