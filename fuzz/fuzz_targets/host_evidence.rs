#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::catalog::builtin::Catalogs;
use portreeve::host::bundle::Bundle;
use portreeve::host::collector;
use portreeve::host::evidence::Evidence;
use portreeve::judge::{Case, judge};
use portreeve::model::statement::Statements;
use portreeve::model::target::{Host, Role, Target};
use portreeve::model::vantage::Ways;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

static CATALOGS: LazyLock<Catalogs> = LazyLock::new(|| Catalogs::built_in().expect("the guides"));

// A text of parts, each beneath `=== ID`, is the bundle that the collector would have written with these outputs: all of it is
// read, and judged.
fuzz_target!(|text: &str| {
    let mut manifest = "portreeve-evidence;1\n".to_owned();
    let mut files = BTreeMap::new();
    for part in text.split("=== ").skip(1) {
        let (id, content) = part.split_once('\n').unwrap_or((part, ""));
        let Some(command) = collector::commands().iter().find(|command| command.id == id) else { continue };
        if files.insert(command.file.clone(), content.as_bytes().to_vec()).is_none() {
            let arguments = command.arguments.replace("%LTSHARE%", r"D:\LTShare").replace("%PORTREEVE%", "p.exe");
            let size = content.len();
            let _ = writeln!(manifest, "run;{id};0;a;b;{};{size};-;{arguments}", command.file);
        }
    }
    let _ = writeln!(manifest, "done;{}", files.len());
    files.insert("manifest.txt".to_owned(), manifest.into_bytes());
    let now = "2026-11-21T12:00:00Z".parse().expect("a time");
    if let Ok(bundle) = Bundle::of_files("fuzz", files) {
        let evidence = Evidence::of_bundle(&bundle, now);
        let target = Target { roles: [Role::Automate].into(), ..Target::new("c", Host::Name("h.example".to_owned())) };
        let _ = judge(Case {
            target: &target,
            addresses: &[],
            observations: &[],
            guides: &CATALOGS.guides,
            exploited: &CATALOGS.exploited,
            ways: &Ways::default(),
            evidence: Some(&evidence),
            statements: &Statements::default(),
            evidence_alone: true,
        });
    }
});
