//! What a bundle seems to prove, and does not.

use crate::items::{find, judged};
use crate::parts::{Parts, WEB_RULE, firewall, policy};
use portreeve::model::verdict::Verdict;

fn verdict(parts: &Parts, item: &str) -> Verdict {
    find(&judged(&parts.evidence()), item).verdict
}

#[test]
fn every_rule_in_the_way_of_loopback_fails() {
    let with = |rule: &str| {
        let rule = format!("v2.30|Action=Block|Active=TRUE|{rule}");
        verdict(&Parts::good().with("firewall", &firewall(&[WEB_RULE, &rule])), "AUT-NET-04")
    };
    for rule in [
        "Dir=In|RA4=126.0.0.0/7|",
        "Dir=In|Protocol=6|LA4=0.0.0.0/1|",
        "Dir=In|Protocol=6|",
        r"Dir=Out|App=C:\\Program Files\\LabTech\\LTAgent.exe|",
    ] {
        assert_eq!(with(rule), Verdict::Fail, "{rule}");
    }
    for rule in ["Dir=In|RA4=128.0.0.0/1|", "Dir=In|Protocol=1|", r"Dir=Out|App=C:\\x\\game.exe|"] {
        assert_eq!(with(rule), Verdict::Pass, "{rule}");
    }
}

#[test]
fn a_plain_name_is_no_account_of_a_domain() {
    let with = |account: &str, holder: &str| {
        let accounts = format!("HKEY_LOCAL_MACHINE\\x\n    ObjectName    REG_SZ    {account}\n");
        let holders = policy(&[("SeServiceLogonRight", &format!("*S-1-5-80-0,{holder}"))]);
        verdict(&Parts::good().with("accounts", &accounts).with("secedit-merged", &holders), "IIS-URA-06")
    };
    for (account, holder) in
        [(r".\svc", "svc"), (r"rmm01\svc", "SVC"), (r".\svc", r"RMM01\svc"), (r"CORP\svc", r"corp\svc")]
    {
        assert_eq!(with(account, holder), Verdict::Pass, "{account} {holder}");
    }
    for (account, holder) in [(r"CORP\svc", "svc"), (r".\svc", r"CORP\svc"), (r"other\svc", "svc")] {
        assert_eq!(with(account, holder), Verdict::Inconclusive, "{account} {holder}");
    }
}
