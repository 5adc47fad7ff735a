#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::firewall;

fuzz_target!(|text: &str| {
    if let Ok(rule) = firewall::read(text) {
        let _ = rule.meets_loopback();
        let _ = rule.may_match(6, 443, &[]);
    }
});
