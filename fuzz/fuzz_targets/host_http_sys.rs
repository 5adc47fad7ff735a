#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::http_sys;

fuzz_target!(|text: &str| {
    let _ = http_sys::bindings("fuzz", text);
    let _ = http_sys::registrations("fuzz", text);
});
