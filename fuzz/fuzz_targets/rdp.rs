#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::rdp;

fuzz_target!(|bytes: &[u8]| {
    let _ = rdp::read_confirm(bytes);
});
