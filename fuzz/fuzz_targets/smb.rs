#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::smb;

fuzz_target!(|bytes: &[u8]| {
    let _ = smb::read_negotiated(bytes);
});
