#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::msrpc;

fuzz_target!(|bytes: &[u8]| {
    let _ = msrpc::read_bind_answer(bytes);
});
