#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::system;

fuzz_target!(|text: &str| {
    let _ = system::read("fuzz", text);
    let _ = system::elevated("fuzz", text);
});
