#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::wire::witness::{self, Key};
use std::sync::LazyLock;

static KEY: LazyLock<Key> = LazyLock::new(|| {
    let text = witness::new_key_text(std::array::from_fn(|place| u8::try_from(place).unwrap_or_default()));
    Key::from_text(&text).expect("a key")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = witness::read(&KEY, bytes);
    let _ = witness::length(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = Key::from_text(&text);
    let _ = witness::log::read(&KEY, &text);
});
