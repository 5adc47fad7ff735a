#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::acl;

fuzz_target!(|text: &str| {
    let _ = acl::read_below("fuzz", text);
    let _ = acl::read(text);
    let _ = acl::read_saved("fuzz", text);
});
