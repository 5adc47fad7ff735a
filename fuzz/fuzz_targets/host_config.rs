#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::config;

fuzz_target!(|text: &str| {
    if let Ok(iis) = config::read("fuzz", text) {
        let _ = iis.each(|_, _| ());
        let _ = iis.effective("Default Web Site/a");
    }
    let _ = config::read_screenconnect("fuzz", text);
});
