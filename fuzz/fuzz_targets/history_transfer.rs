#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::history::transfer::{self, Exporter};
use portreeve::report::{html, json, lines, terminal};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(records) = transfer::read(bytes) {
        let mut exporter = Exporter::new(Vec::new()).expect("memory takes everything");
        for record in &records {
            exporter.write(record.clone()).expect("memory takes everything");
        }
        let again = exporter.finish().expect("memory takes everything");
        assert_eq!(transfer::read(&again).as_ref(), Ok(&records), "what was taken is written as it is");
        for record in records {
            // Whatever it says, it can be shown.
            let page = terminal::render(&record.run, &terminal::Options::default());
            assert!(!page.contains(|character: char| character.is_control() && character != '\n'));
            let _ = (html::render(&record.run), json::render(&record.run));
            record.run.targets.iter().for_each(|target| drop(lines::render(target)));
        }
    }
});
