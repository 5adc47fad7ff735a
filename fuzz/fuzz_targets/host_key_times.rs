#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::key_times;

fuzz_target!(|text: &str| {
    let _ = key_times::read("fuzz", text);
});
