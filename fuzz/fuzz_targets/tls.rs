#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::tls;

fuzz_target!(|bytes: &[u8]| {
    let _ = tls::read_server_answer(bytes);
    let _ = tls::read_certificate_chain(bytes);
    let _ = tls::read_key_exchange(bytes);
    let _ = tls::read_kinds(bytes);
});
