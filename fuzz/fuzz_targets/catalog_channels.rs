#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::catalog::channels::{Known, parse};
use portreeve::catalog::inventory::Named;
use std::path::Path;

fuzz_target!(|text: &str| {
    let elsewhere = [Named { client: "Acme".to_owned(), name: "rmm".to_owned(), host: "rmm.acme.example".to_owned() }];
    for known in [None, Some(Known { targets: &[], elsewhere: &elsewhere })] {
        match parse("fuzz", text, Path::new("folder"), known) {
            Ok(alerts) => assert_eq!(parse("fuzz", text, Path::new("folder"), known).as_ref(), Ok(&alerts)),
            // What is wrong can be shown, whatever the file holds.
            Err(errors) => errors.0.iter().for_each(|one| assert!(!one.render(false).contains('\u{1b}'))),
        }
    }
});
