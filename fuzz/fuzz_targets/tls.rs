#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::model::tls::TlsVersion;
use portreeve::wire::tls;

fuzz_target!(|bytes: &[u8]| {
    let _ = tls::read_server_answer(bytes);
    for version in TlsVersion::ALL {
        if let Some(answer) = tls::read_answer_to(version, bytes).done() {
            let _ = answer.to_fact(version);
        }
    }
    let _ = (tls::says_goodbye(bytes), tls::looks_like_record(bytes));
    let _ = tls::read_certificate_chain(bytes);
    let _ = tls::read_key_exchange(bytes);
    let _ = tls::read_kinds(bytes);
});
