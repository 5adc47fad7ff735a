#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::Parse;
use portreeve::wire::http::{asks_for_tls, looks_like_http, read_body, read_head};

fuzz_target!(|bytes: &[u8]| {
    let _ = (asks_for_tls(bytes), looks_like_http(bytes));
    if let Parse::Done(head) = read_head(bytes) {
        let body = bytes.get(head.length..).expect("a head is part of the answer");
        for closed in [false, true] {
            let _ = read_body(&head, closed, body, closed);
            let _ = read_body(&head, !closed, body, closed);
        }
    }
});
