#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::secrets;

fuzz_target!(|text: &str| {
    assert_eq!(secrets::first(&secrets::blacked_out(text)), None);
});
