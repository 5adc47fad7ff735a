#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::sockets;

fuzz_target!(|text: &str| {
    let _ = sockets::read("fuzz", text);
    let _ = sockets::read_tasks("fuzz", text);
});
