#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::ocsp::read_staple;

/// A certificate, so that an answer can be about it.
const LEAF: &str = include_str!("../../src/wire/certificate/samples/chain-leaf.hex");

fuzz_target!(|bytes: &[u8]| {
    let digits: Vec<u8> = LEAF.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).unwrap_or_default();
    let leaf: Vec<u8> = digits.chunks(2).map(byte).collect();
    let _ = read_staple(bytes, &leaf, Some(&leaf), 1_800_000_000);
});
