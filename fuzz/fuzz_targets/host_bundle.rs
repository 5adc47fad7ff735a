#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::bundle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(files) = bundle::unzip(bytes, "fuzz") {
        let _ = bundle::Bundle::of_files("fuzz", files);
    }
});
