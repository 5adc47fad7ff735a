#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::text;

fuzz_target!(|bytes: &[u8]| {
    let _ = text::decode("fuzz", bytes);
});
