#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::segment;

fuzz_target!(|bytes: &[u8]| {
    let _ = segment::read_packet(bytes);
    let _ = segment::read_segment(bytes);
    let _ = segment::read_quoted(bytes);
});
