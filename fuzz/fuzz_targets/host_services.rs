#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::services;

fuzz_target!(|text: &str| {
    let _ = services::read("fuzz", text);
});
