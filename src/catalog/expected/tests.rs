use crate::catalog::inventory::{Places, parse};
use crate::model::expected::Direction;
use proptest::prelude::*;

const TARGET: &str = "[[target]]\nname = 'a'\nhost = 'a.example'\nroles = ['iis']\n";

/// The rules of the first target as text, with their notes and whether they are defaults; or what is wrong.
fn rules(text: &str) -> Result<Vec<String>, String> {
    let targets = parse("t.toml", text, &mut Places::default()).map_err(|found| found.to_string())?;
    let told = |rule: &crate::model::expected::ExpectedRule| {
        let note = rule.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        format!("{rule}{note}{}", if rule.default { " by default" } else { "" })
    };
    Ok(targets[0].rules.iter().map(told).collect())
}

#[test]
fn every_form_of_a_rule_is_read_in_the_order_in_which_it_stands() {
    let text = "
deny = [{ ports = ['tcp/3389', 'tcp/22'], note = 'never' }]
[[target]]
name = 'a'
host = 'a.example'
roles = ['iis']
allow = ['tcp/443', { ports = 'udp/500-510', address = 'any' }]
[[target.deny]]
ports = ['tcp/8080', 'rest']
note = 'CHG-1'
[[target.deny]]
ports = 'tcp/25'
address = '[2001:db8::5]'
";
    let expected = [
        "allow tcp/443",
        "allow udp/500-510 at any address",
        "deny tcp/8080 (CHG-1)",
        "deny rest (CHG-1)",
        "deny tcp/25 at 2001:db8::5",
        "deny tcp/3389 (never) by default",
        "deny tcp/22 (never) by default",
    ];
    assert_eq!(rules(text).unwrap(), expected);
    assert_eq!(rules(&format!("{TARGET}deny = 'rest'\nallow = 'tcp/443'")).unwrap(), ["deny rest", "allow tcp/443"]);
    assert_eq!(rules(&format!("{TARGET}allow = {{ ports = 'tcp/443' }}")).unwrap(), ["allow tcp/443"]);
    assert_eq!(rules(&format!("deny = 'udp/161'\n{TARGET}default_rules = false")).unwrap(), Vec::<String>::new());
    // What is denied at any address is denied at each.
    let any = rules(&format!("{TARGET}deny = [{{ ports = 'tcp/1', address = 'any' }}]"));
    assert_eq!(any.unwrap(), ["deny tcp/1"]);
}

#[test]
fn only_what_cannot_both_be_meant_is_a_contradiction() {
    let of = |allow: &str, deny: &str| {
        let rule = |address: &str| format!("{{ ports = 'tcp/443', address = '{address}' }}");
        rules(&format!("{TARGET}allow = [{}]\ndeny = [{}]", rule(allow), rule(deny))).is_ok()
    };
    assert!(of("ipv4", "ipv6") && of("203.0.113.5", "203.0.113.6") && of("203.0.113.5", "ipv6"));
    assert!(of("any", "ipv6") && of("any", "203.0.113.5"), "another address may be meant");
    assert!(!of("any", "each") && !of("each", "ipv4") && !of("ipv6", "2001:db8::5") && !of("each", "203.0.113.5"));
    let with = |keys: &str| rules(&format!("{TARGET}{keys}")).is_ok();
    assert!(with("allow = ['tcp/443', 'udp/443']\ndeny = ['tcp/442', 'tcp/444-8000']"));
    assert!(with("allow = ['tcp/443']\ndeny = ['rest', 'udp/443']"));
    // Ports as they are on the target: where something was moved to, and what it left behind.
    assert!(with("allow = ['tcp/443']\ndeny = ['tcp/8040']\n[target.moved]\n'tcp/8040' = 443"));
    assert!(with("allow = ['tcp/443']\n[target.moved]\n'tcp/443' = 8443\n'tcp/8040' = 443"));
    assert!(!with("allow = ['tcp/443']\n[target.moved]\n'tcp/443' = 8443"));
}

#[test]
fn a_host_that_could_not_be_read_brings_no_further_mistake() {
    let text = "[[target]]\nname = 'a'\nhost = 'https://a'\nroles = ['iis']\nallow = [{ ports = 'tcp/1', address = '203.0.113.5' }]";
    let found = rules(text).unwrap_err();
    assert_eq!(found.lines().count(), 1, "{found}");
}

proptest! {
    #[test]
    fn any_rules_are_read_without_panic(
        allow in "(\"|\\[|\\[\\{)?(ports|address|note|tcp/|rest|[0-9]{1,5}|[\"=,{}\\[\\] -]){0,8}",
        deny in "\\[\\{ ports = \"(tcp|udp)/[0-9]{1,6}(-[0-9]{1,6})?\", address = \"[a-z0-9:.]{0,8}\" \\}\\]",
    ) {
        let _ = rules(&format!("{TARGET}allow = {allow}\ndeny = {deny}"));
    }

    #[test]
    fn rules_that_do_not_meet_are_never_contradictions(first in 1u16..30_000, length in 0u16..200) {
        let last = first + length;
        let keys = format!("allow = ['tcp/{first}-{last}']\ndeny = ['tcp/{}-{}', 'udp/{first}']", last + 1, last + 9);
        let apart = format!("{TARGET}{keys}");
    prop_assert!(rules(&apart).is_ok());
        let keys = format!("allow = ['tcp/{first}-{last}']\ndeny = ['tcp/{last}']");
        let meeting = format!("{TARGET}{keys}");
    prop_assert!(rules(&meeting).is_err());
    }
}

#[test]
fn rest_is_a_word_for_what_is_denied() {
    use super::parse_ports;
    assert!(parse_ports(Direction::Deny, " rest ").is_ok() && parse_ports(Direction::Allow, "rest").is_err());
    for wrong in ["Rest", "all", "any", "other"] {
        assert!(parse_ports(Direction::Deny, wrong).unwrap_err().contains("`rest` stands for"), "{wrong}");
    }
}
