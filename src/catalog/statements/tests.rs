use super::*;
use crate::catalog::builtin::Catalogs;
use crate::model::expected::{Direction, ExpectedRule, RuleAddress};
use crate::model::statement::days_left;
use crate::model::target::{Host, Role};
use jiff::civil::date;
use proptest::prelude::*;
use std::sync::LazyLock;

static CATALOGS: LazyLock<Catalogs> = LazyLock::new(|| Catalogs::built_in().unwrap());

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn targets() -> Vec<Target> {
    let target = |client: &str, name: &str, host: &str, role| {
        let rule =
            ExpectedRule::new(Direction::Deny, crate::model::expected::RulePorts::These("tcp/3389".parse().unwrap()));
        let over_v6 = ExpectedRule { address: RuleAddress::Ipv6, ..rule.clone() };
        Target {
            name: name.to_owned(),
            roles: [role].into(),
            rules: vec![rule, over_v6],
            ..Target::new(client, Host::Name(host.to_owned()))
        }
    };
    vec![
        target("Acme", "rmm", "rmm.acme.example", Role::Automate),
        target("Acme", "web", "www.acme.example", Role::Iis),
        target("Bolt", "rmm", "rmm.bolt.example", Role::Automate),
    ]
}

fn known<'a>(targets: &'a [Target], scope: Scope<'a>) -> Known<'a> {
    Known { targets, scope, guides: &CATALOGS.guides, now: now() }
}

fn read_as(kind: Kind, scope: Scope<'_>, text: &str) -> Result<Read, String> {
    let (targets, mut read) = (targets(), Read::default());
    read.add(kind, "s.toml", text, known(&targets, scope)).map_err(|found| found.to_string())?;
    Ok(read)
}

fn read(kind: Kind, text: &str) -> Result<Read, String> {
    read_as(kind, Scope::Inventory(&[]), text)
}

/// An attestation with other keys in place of some.
fn attestation(changes: &[(&str, &str)]) -> String {
    let keys = [
        ("client", "'acme'"),
        ("target", "'RMM'"),
        ("item", "'AUT-ACC-01'"),
        ("by", "'Dana Cole'"),
        ("on", "2026-09-01"),
        ("seen", "'Looked at all twelve accounts.'"),
        ("until", "'2027-02-28'"),
    ];
    entry("attestation", &keys, changes)
}

fn waiver(changes: &[(&str, &str)]) -> String {
    let keys = [
        ("target", "'web'"),
        ("item", "'IIS-SVC-01'"),
        ("why", "'The hoster manages it.'"),
        ("approved_by", "'Kim Lee'"),
        ("on", "'2026-09-01T10:00:00+02:00'"),
        ("until", "2026-12-01"),
        ("risk", "'medium'"),
        ("risk_words", "'Guessing of passwords.'"),
    ];
    entry("waiver", &keys, changes)
}

fn entry(key: &str, keys: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let changed = |key: &str| changes.iter().any(|(name, _)| *name == key);
    let kept =
        keys.iter().filter(|(name, _)| !changed(name)).chain(changes.iter().filter(|(_, value)| !value.is_empty()));
    kept.fold(format!("[[{key}]]\n"), |text, (name, value)| format!("{text}{name} = {value}\n"))
}

#[test]
fn an_attestation_is_read_for_the_target_that_it_names() {
    let read = read(Kind::Attestations, &attestation(&[("guide", "'automate'"), ("reference", "'T-7'")])).unwrap();
    let statement = &read.attestations[0];
    assert_eq!((statement.label().as_str(), statement.line, statement.known), ("Acme/rmm", 4, true));
    assert_eq!(statement.content.until, date(2027, 2, 28));
    let of = |target: &Target| read.about(target, now()).attestations.len();
    assert_eq!(targets().iter().map(of).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(read.about(&targets()[0], now()).today, Some(date(2026, 11, 21)));
}

#[test]
fn a_target_may_be_named_by_its_host_and_a_length_stands_for_an_end() {
    let changes = [("client", ""), ("target", "'RMM.bolt.example.'"), ("until", ""), ("valid_for", "'12w'")];
    let read = read(Kind::Attestations, &attestation(&changes)).unwrap();
    let statement = &read.attestations[0];
    assert_eq!(statement.label(), "Bolt/rmm");
    assert_eq!(days_left(statement.content.until, statement.content.on), 84);
}

#[test]
fn a_waiver_is_of_an_item_or_of_a_rule_as_reports_write_it() {
    let read_rule = |rule: &str| {
        let text = waiver(&[("item", ""), ("rule", rule)]);
        read(Kind::Waivers, &text).map(|read| read.waivers[0].about.to_string())
    };
    assert_eq!(read_rule("'deny  tcp/3389 over IPv6'").unwrap(), "deny tcp/3389 over IPv6");
    assert!(read_rule("'deny tcp/3390'").unwrap_err().contains("`Acme/web` has no rule `deny tcp/3390`"));
    assert!(read_rule("'tcp/3389'").unwrap_err().contains("no expected rule"));
    let read = read(Kind::Waivers, &waiver(&[])).unwrap();
    assert_eq!(read.waivers[0].content.on, date(2026, 9, 1));
}

#[test]
fn an_end_that_is_over_is_no_mistake() {
    let read = read(Kind::Attestations, &attestation(&[("on", "2024-01-01"), ("until", "2024-02-01")])).unwrap();
    assert_eq!(read.attestations.len(), 1);
}

#[test]
fn every_mistake_is_told_where_it_is() {
    for (changes, place, words) in [
        (&[("target", "'rnm'")][..], "target", "no target `rnm` of `acme`"),
        (&[("client", "'Acmee'")], "client", "no client `Acmee`"),
        (&[("client", "")], "target", "may be any of Acme/rmm, Bolt/rmm"),
        (&[("item", "'AUT-ACC-99'")], "item", "no item `AUT-ACC-99`"),
        (&[("item", "'AUT-*'")], "item", "`*` names no item"),
        (&[("item", "'IIS-SVC-01'")], "item", "does not concern `Acme/rmm`"),
        (&[("item", "'AUT-NET-12'")], "item", "no attestation can answer it"),
        (&[("item", "'AUT-GPO-01'")], "item", "no attestation can answer it"),
        (&[("guide", "'iis'")], "item", "no item `AUT-ACC-01` in the guide `iis`"),
        (&[("guide", "'automat'")], "guide", "no guide `automat`"),
        (&[("on", "'1.9.2026'")], "on", "cannot be read as a day"),
        (&[("on", "'2026-02-30'")], "on", "there is no day 2026-02-30"),
        (&[("on", "'2026-9-1'")], "on", "cannot be read as a day"),
        (&[("on", "2026-09-01T10:00:00")], "on", "no instant of RFC 3339"),
        (&[("on", "10:00:00")], "on", "cannot be read as a day"),
        (&[("on", "2026")], "on", "expected a day"),
        (&[("on", "{ a = 1 }")], "on", "expected a day"),
        (&[("on", "2026-11-23")], "on", "yet to come: today is 2026-11-21"),
        (&[("on", "2026-11-21T12:06:00Z")], "on", "yet to come"),
        (&[("until", "2026-08-31")], "until", "before `on`"),
        (&[("until", "2027-10-07")], "until", "401 days after `on`"),
        (&[("until", "2027-01-01T00:00:00Z")], "until", "a day, without a time"),
        (&[("until", "")], "item", "does not say how long"),
        (&[("valid_for", "'90d'")], "valid_for", "both say how long"),
        (&[("until", ""), ("valid_for", "'401d'")], "valid_for", "no length of time"),
        (&[("until", ""), ("valid_for", "'90'")], "valid_for", "no length of time"),
        (&[("until", ""), ("valid_for", "'-1d'")], "valid_for", "no length of time"),
        (&[("seen", "' '")], "seen", "`seen` is empty"),
        (&[("seen", "")], "", "missing field `seen`"),
        (&[("by", "''")], "by", "`by` is empty"),
        (&[("sen", "'x'")], "sen", "unknown field `sen`"),
    ] {
        let text = attestation(changes);
        let found = read(Kind::Attestations, &text).expect_err(&text);
        let message = found.lines().next().unwrap_or_default();
        assert!(message.contains(words), "{changes:?}: {message}");
        let line = text.lines().position(|line| line.starts_with(&format!("{place} = "))).unwrap_or_default();
        let value = text.lines().nth(line).and_then(|line| line.find("= ")).map_or(0, |at| at + 2);
        let column = if words.starts_with("unknown field") { 0 } else { value };
        let at = format!("s.toml:{}:{}: ", line + 1, column + 1);
        assert!(message.starts_with(&at), "{changes:?}: {message}, not at {at}");
    }
}

#[test]
fn mistakes_of_waivers_are_told_too() {
    for (changes, words) in [
        (&[("rule", "'deny tcp/3389'")][..], "not of both"),
        (&[("item", "")], "does not say what is waived"),
        (&[("item", ""), ("rule", "'deny tcp/3389'"), ("guide", "'iis'")], "`guide` belongs to `item`"),
        (&[("risk", "'hgh'")], "not a risk"),
        (&[("risk_words", "''")], "`risk_words` is empty"),
        (&[("until", "")], "missing field `until`"),
        (&[("until", "'soon'")], "cannot be read as a day"),
        (&[("approved_by", "'a\\u001bb'")], "control characters"),
    ] {
        let text = waiver(changes).replace("'a\\u001bb'", "\"a\\u001bb\"");
        let found = read(Kind::Waivers, &text).expect_err(&text);
        assert!(found.contains(words), "{changes:?}: {found}");
    }
}

#[test]
fn the_same_thing_is_stated_once_over_all_files() {
    let (targets, mut read) = (targets(), Read::default());
    let known = known(&targets, Scope::Inventory(&[]));
    read.add(Kind::Attestations, "a.toml", &attestation(&[]), known).unwrap();
    let by_host = attestation(&[("client", ""), ("target", "'rmm.acme.example'")]);
    let found = read.add(Kind::Attestations, "b.toml", &by_host, known).unwrap_err().to_string();
    assert!(found.contains("`AUT-ACC-01` of Acme/rmm is already attested, at a.toml:4"), "{found}");
    // A waiver of what is attested is another matter.
    let waived = waiver(&[("client", "'Acme'"), ("target", "'rmm'"), ("item", "'AUT-ACC-01'")]);
    read.add(Kind::Waivers, "w.toml", &waived, known).unwrap();
}

#[test]
fn a_target_of_another_inventory_beside_this_one_is_known() {
    let elsewhere = [Named { client: "Cove".to_owned(), name: "ec".to_owned(), host: "ec.cove.example".to_owned() }];
    for name in ["'ec'", "'ec.cove.example'"] {
        let changes = [("client", "'Cove'"), ("target", name)];
        let read = read_as(Kind::Attestations, Scope::Inventory(&elsewhere), &attestation(&changes)).unwrap();
        assert!(!read.attestations[0].known);
    }
}

#[test]
fn without_an_inventory_targets_are_hosts() {
    let hosts = |changes: &[(&str, &str)]| read_as(Kind::Attestations, Scope::Hosts, &attestation(changes));
    let read = hosts(&[("client", ""), ("target", "'rmm.other.example'")]).unwrap();
    assert_eq!((read.attestations[0].target.as_str(), read.attestations[0].known), ("rmm.other.example", false));
    assert!(hosts(&[]).unwrap_err().contains("no client is known"));
    assert!(hosts(&[("client", ""), ("target", "'a b'")]).unwrap_err().contains("neither an address nor a DNS name"));
}

#[test]
fn a_day_that_has_begun_somewhere_is_not_in_the_future() {
    let (late, early) = ("2026-11-21T10:30:00Z".parse().unwrap(), "2026-11-21T09:30:00Z".parse().unwrap());
    let tomorrow = date(2026, 11, 22);
    assert!(!is_future(tomorrow, None, late) && is_future(tomorrow, None, early));
}

proptest! {
    #[test]
    fn any_file_is_read_without_panic(
        text in "(\\[\\[(attestation|waiver)\\]\\]\n)?((client|target|item|rule|by|on|until|seen|valid_for) ?= ?[\"'\\[{0-9a-zT:.,\\]}-]{0,20}\n){0,6}",
    ) {
        for kind in [Kind::Attestations, Kind::Waivers] {
            let _ = read(kind, &text);
        }
    }

    /// What is read as a day is exactly that day: nothing is guessed.
    #[test]
    fn a_day_is_read_as_it_is_written_or_not_at_all(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9./ -]{1,12}|\\PC{0,12}") {
        if let Ok((day, None)) = parse_day(&text) {
            prop_assert_eq!(day.to_string(), text);
        }
    }

    #[test]
    fn a_length_is_read_or_refused(text in "-?[0-9]{0,12}[dwmy]?|\\PC{0,6}") {
        if let Ok(days) = length(&text) {
            prop_assert!((1..=LONGEST_DAYS).contains(&days));
        }
    }
}

#[test]
fn a_day_may_be_called_by_its_name_where_somebody_types_it_and_not_in_a_file() {
    let now = "2026-11-21T23:30:00Z".parse().unwrap();
    let called = |text: &str| day_called(text, now).map(|day| day.to_string());
    assert_eq!(called("today").as_deref(), Some("2026-11-21"));
    assert_eq!(called(" Yesterday ").as_deref(), Some("2026-11-20"));
    assert_eq!((called("tomorrow"), called("2026-11-21")), (None, None));
    assert!(parse_day("today").is_err(), "it would be another day tomorrow");
}
