#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::first_bytes;

fuzz_target!(|bytes: &[u8]| {
    let _ = first_bytes::classify(bytes);
    let _ = first_bytes::settle(bytes);
});
