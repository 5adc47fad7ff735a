#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::ini;

fuzz_target!(|text: &str| {
    let _ = ini::read_servers("fuzz", text);
    if let Ok(options) = ini::read("fuzz", text) {
        let _ = options.network();
    }
});
