#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::catalog::builtin::Catalogs;
use portreeve::catalog::statements::edit::{Entry, difference};
use portreeve::catalog::statements::{Kind, Known, Read, Scope};
use portreeve::model::statement::About;
use portreeve::model::target::{Host, Role, Target};
use std::sync::LazyLock;

static CATALOGS: LazyLock<Option<Catalogs>> = LazyLock::new(|| Catalogs::built_in().ok());

fuzz_target!(|text: &str| {
    let (Some(catalogs), Ok(now)) = (&*CATALOGS, "2026-11-21T12:00:00Z".parse()) else { return };
    let target = Target {
        name: "rmm".to_owned(),
        roles: [Role::Automate].into(),
        ..Target::new("Acme", Host::Name("rmm.acme.example".to_owned()))
    };
    for scope in [Scope::Inventory(&[]), Scope::Hosts] {
        let known = Known { targets: std::slice::from_ref(&target), scope, guides: &catalogs.guides, now };
        let (mut attested, mut waived) = (Read::default(), Read::default());
        let _ = waived.add(Kind::Waivers, "fuzz", text, known);
        if attested.add(Kind::Attestations, "fuzz", text, known).is_err() {
            continue;
        }
        // What can be read can be written, and read again with everything in it.
        for (index, one) in attested.attestations.iter().enumerate() {
            let client = matches!(scope, Scope::Inventory(_)).then_some(one.client.as_str());
            let entry = Entry::attestation(client, &one.target, &one.about, &one.content);
            let renewed = entry.renew_in(text, one.index).unwrap_or_default();
            let _ = difference(text, &renewed);
            let mut again = Read::default();
            assert!(again.add(Kind::Attestations, "fuzz", &renewed, known).is_ok(), "{renewed}");
            assert_eq!(again.attestations.get(index).map(|one| &one.content), Some(&one.content), "{renewed}");
            let other = About::Item { guide: "automate".to_owned(), item: "AUT-ACC-02".to_owned() };
            if attested.attestations.iter().all(|known| known.about != other) && text.contains("[[attestation]]") {
                let appended = Entry::attestation(client, &one.target, &other, &one.content).append_to(Some(text));
                let mut again = Read::default();
                if again.add(Kind::Attestations, "fuzz", &appended, known).is_ok() {
                    assert_eq!(again.attestations.len(), attested.attestations.len() + 1, "{appended}");
                }
            }
        }
    }
});
