#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::netbios;

fuzz_target!(|bytes: &[u8]| {
    let _ = netbios::read_session(bytes);
});
