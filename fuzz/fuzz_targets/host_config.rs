#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::config;

fuzz_target!(|text: &str| {
    if let Ok(iis) = config::read("fuzz", text) {
        for place in iis.places().unwrap_or_default() {
            let _ = iis.effective(&place);
        }
        let _ = iis.effective("Default Web Site/a");
    }
    let _ = config::read_screenconnect("fuzz", text);
});
