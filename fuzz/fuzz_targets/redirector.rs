#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::redirector;

fuzz_target!(|bytes: &[u8]| {
    let _ = redirector::read_redirector(bytes);
});
