#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::model::http::WebPath;
use portreeve::wire::Parse;
use portreeve::wire::http::{Body, read_head};
use portreeve::wire::product::recognise;

fuzz_target!(|bytes: &[u8]| {
    let (headers, bytes) = match read_head(bytes) {
        Parse::Done(head) => (head.headers, bytes.get(head.length..).expect("a head is part of the answer")),
        _ => (Vec::new(), bytes),
    };
    let body = Body { bytes: bytes.to_vec(), whole: true };
    for path in WebPath::ALL {
        let _ = recognise(path, 200, &headers, &body);
    }
});
