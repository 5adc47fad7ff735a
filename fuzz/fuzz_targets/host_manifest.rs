#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::manifest;

fuzz_target!(|text: &str| {
    let _ = manifest::read("fuzz", text);
});
