#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::inf;

fuzz_target!(|text: &str| {
    if let Ok(policy) = inf::read("fuzz", text) {
        let _ = policy.right("SeTcbPrivilege");
    }
});
