#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::ssh;

fuzz_target!(|bytes: &[u8]| {
    let _ = ssh::read_banner(bytes);
});
