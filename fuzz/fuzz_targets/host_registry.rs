#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::host::registry;

fuzz_target!(|text: &str| {
    let mut registry = registry::Registry::default();
    let _ = registry.add_export("fuzz", text);
    let _ = registry.add_listing("fuzz", text, "HKLM");
});
