#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::model::tls::Trust;
use portreeve::wire::certificate::{Served, read_certificate};

fuzz_target!(|bytes: &[u8]| {
    let served = Served {
        chain_length: 1,
        checked_name: "rmm.example.com",
        now: 1_800_000_000,
        trust: Trust::Trusted,
        negotiated: 0x0303,
    };
    let _ = read_certificate(bytes, served);
});
