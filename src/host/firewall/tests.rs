use super::*;
use proptest::prelude::*;

const WEB: &str = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=443|LPort2_10=8040-8041|Profile=Public|Profile=Private|Name=Web|";

fn firewall(rules: &[&str], default_allow: bool) -> Firewall {
    let placed = rules.iter().zip(1..).map(|(text, number)| Placed {
        rule: read(text).unwrap(),
        policy: false,
        line: Line::new("fw.reg", number, text),
    });
    let profile =
        |name| Profile { name, enabled: true, default_allow, local_rules: true, line: Line::new("fw.reg", 0, name) };
    Firewall {
        rules: placed.collect(),
        profiles: ["Domain", "Private", "Public"].map(profile).into(),
        unread: Vec::new(),
    }
}

fn public() -> Vec<String> {
    vec!["Public".to_owned()]
}

#[test]
fn a_rule_is_read_with_what_repeats_in_it() {
    let rule = read(WEB).unwrap();
    assert_eq!(rule.local_ports, [PortRange(443, 443), PortRange(8040, 8041)]);
    assert_eq!((rule.active, rule.protocol, rule.profiles.len()), (true, Some(6), 2));
    assert!(!read("v2.30|Action=Allow|Dir=In|").unwrap().active, "a rule that does not say so is not in force");
    assert!(read("v2.30|Action=Allow|Active=TRUE|Dir=In|LPort=RPC|NewKey=1|").unwrap().port_words == ["RPC"]);
    for text in [
        "",
        "Action=Allow|Dir=In|",
        "v2|Action=Allow|Dir=In|",
        "v2.1|Action=Permit|Dir=In|",
        "v2.1|Action=Allow|",
        "v2.1|Action|Dir=In|",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn block_is_stronger_than_allow() {
    let block = "v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=443|";
    let claim = |rules: &[&str], port| firewall(rules, false).claim(6, port, &[], &public());
    assert!(matches!(claim(&[WEB], 443), Claim::Allowed(_)));
    assert!(matches!(claim(&[WEB, block], 443), Claim::Blocked(line) if line.number == 2));
    assert!(matches!(claim(&[WEB, block], 8040), Claim::Allowed(_)));
    assert!(matches!(claim(&[WEB], 3389), Claim::NotAllowed(_)));
    let limited = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|RA4=LocalSubnet|";
    assert!(matches!(claim(&[limited], 3389), Claim::Limited(_)));
    let inactive = "v2.30|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|";
    assert!(matches!(claim(&[inactive], 3389), Claim::NotAllowed(_)));
    assert!(matches!(firewall(&[], true).claim(6, 1, &[], &public()), Claim::Allowed(_)));
}

#[test]
fn profiles_that_differ_are_unclear_unless_the_one_in_force_is_known() {
    let claim = |active: &[String]| firewall(&[WEB], false).claim(6, 443, &[], active);
    assert!(matches!(claim(&[]), Claim::Unclear(_)));
    assert!(matches!(claim(&public()), Claim::Allowed(_)));
    assert!(matches!(claim(&["Domain".to_owned()]), Claim::NotAllowed(_)));
}

#[test]
fn a_rule_for_another_program_does_not_count() {
    let rule = "v2.30|Action=Allow|Active=TRUE|Dir=In|App=C:\\x\\other.exe|";
    let programs = [("mysqld.exe".to_owned(), vec!["MySQL".to_owned()])];
    assert!(matches!(firewall(&[rule], false).claim(6, 3306, &programs, &public()), Claim::NotAllowed(_)));
    assert!(
        matches!(firewall(&[rule], false).claim(6, 3306, &[], &public()), Claim::Allowed(_)),
        "nobody knows what listens"
    );
}

#[test]
fn loopback_is_recognised_in_every_way_of_writing_it() {
    let wide = ["0.0.0.0/1", "64.0.0.0/2", "126.0.0.0/7", "64.0.0.0/192.0.0.0", "0.0.0.0/0.0.0.0", "::/0", "::/64"];
    let named = ["127.0.0.1", "127.0.0.0/255.0.0.0", "127.0.0.0/8", "126.0.0.0-128.0.0.0", "::1", "0.0.0.0/0"];
    for address in named.into_iter().chain(wide) {
        assert!(covers_loopback(address), "{address}");
    }
    for address in ["10.0.0.0/8", "LocalSubnet", "192.0.2.1-192.0.2.9", "fe80::/64", "x-y", "128.0.0.0/1", "1::/16"] {
        assert!(!covers_loopback(address), "{address}");
    }
}

#[test]
fn a_rule_against_all_of_tcp_is_in_the_way_of_loopback_too() {
    let meets = |rule: &str| read(&format!("v2.30|Action=Block|Active=TRUE|{rule}")).unwrap().meets_loopback();
    for rule in ["Dir=In|", "Dir=In|Protocol=6|", "Dir=Out|Protocol=6|", "Dir=Out|Protocol=17|"] {
        assert!(meets(rule), "{rule}");
    }
    for rule in ["Dir=In|Protocol=1|", "Dir=In|Protocol=6|LPort=80|", "Dir=In|Protocol=6|AppPkgId=S-1-15-2-1|"] {
        assert!(!meets(rule), "{rule}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(v2.30|Action=Block|Dir=In|LPort=|[|=0-9a-z.é/-])*") {
        if let Ok(rule) = read(&text) {
            let _ = rule.meets_loopback();
        }
        let _ = covers_loopback(&text);
    }
}
