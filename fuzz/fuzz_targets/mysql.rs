#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::mysql;

fuzz_target!(|bytes: &[u8]| {
    let _ = mysql::read_greeting(bytes);
    let _ = mysql::read_x_notice(bytes);
});
