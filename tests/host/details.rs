//! What decides in detail: bindings of http.sys, the options file that a service names, what is deep in LTShare.

use crate::items::{find, judged};
use crate::parts::{BELOW, MYSQL, Parts, schannel};
use portreeve::model::verdict::{Confidence, Verdict};

fn seen(parts: &Parts, item: &str) -> (Verdict, Confidence, String) {
    let judgement = judged(&parts.evidence());
    let finding = find(&judgement, item);
    (
        finding.verdict,
        finding.confidence,
        finding.checks.iter().flat_map(|check| check.seen.clone()).collect::<Vec<_>>().join("; "),
    )
}

/// A floor speaks for its own port: it is shown, and nothing passes by it.
#[test]
fn a_bindings_own_floor_is_shown_and_makes_no_pass() {
    let bindings = |flag: &str| {
        format!(
            "\nSSL Certificate bindings:\n\n    IP:port                      : 0.0.0.0:443\n    Disable TLS1.2               : Not Set\n    \
             Disable Legacy TLS Versions  : {flag}\n"
        )
    };
    let enabled = || Parts::good().with("schannel", &schannel("TLS 1.0", "00000001"));
    let (verdict, _, said) = seen(&enabled().with("sslcert", &bindings("Set")), "AUT-TLS-01");
    assert_eq!(verdict, Verdict::Fail, "{said}");
    assert!(said.contains("tcp/443 refuses TLS 1.0 by itself (sslcert.txt:6: Disable Legacy"), "{said}");
    for parts in [enabled().with("sslcert", &bindings("Not Set")), enabled(), enabled().silent("sslcert")] {
        let (verdict, _, said) = seen(&parts, "AUT-TLS-01");
        assert_eq!(verdict, Verdict::Fail);
        assert!(!said.contains("by itself"), "{said}");
    }
    let pass = seen(&Parts::good().with("sslcert", &bindings("Not Set")), "AUT-TLS-01");
    assert_eq!(pass.0, Verdict::Pass, "SCHANNEL goes before");
}

#[test]
fn only_the_options_that_the_service_reads_are_believed() {
    let said = |text: &str| seen(&Parts::good().with("mysql", text), "AUT-NET-12").2;
    assert!(
        said(MYSQL).contains("MySQL80 serves this machine only (mysql.txt (C:\\ProgramData\\MySQL 8\\my.ini):2:"),
        "{}",
        said(MYSQL)
    );
    let open = MYSQL.replace("127.0.0.1", "0.0.0.0");
    assert!(said(&open).contains("MySQL80 serves other machines too"), "{}", said(&open));
    for unknown in [
        MYSQL.replace("--defaults-file=\"C:\\ProgramData\\MySQL 8\\my.ini\" ", ""),
        MYSQL.replace("[file] C:\\ProgramData", "[file] C:\\Old"),
        MYSQL.replace("|bind-address", "|!include x.ini\n|bind-address"),
        MYSQL.replace(" MySQL80\n[file]", " --bind-address=* MySQL80\n[file]"),
    ] {
        assert_ne!(unknown, MYSQL);
        assert!(said(&unknown).contains("what MySQL80 serves is not known"), "{}", said(&unknown));
    }
    assert!(said("[complete]\n").contains("no service of MySQL or MariaDB"));
    let missing = seen(&Parts::good().silent("mysql"), "AUT-NET-12").2;
    assert!(missing.contains("options of MySQL were not collected"), "{missing}");
}

#[test]
fn what_is_deep_in_the_folder_counts_and_what_was_not_looked_at_is_said() {
    let items = ["AUT-APP-03", "AUT-APP-04"];
    for item in items {
        assert_eq!(seen(&Parts::good(), item).1, Confidence::High, "{item}: all of it was looked at");
        let deep = |sid: &str| {
            BELOW.replace("[looked]", &format!("\\Transfer\\a b\\c.txt|D:AI(A;ID;FA;;;SY)(A;;FR;;;{sid})\n[looked]"))
        };
        assert_eq!(seen(&Parts::good().with("ltshare-below", &deep("WD")), item).0, Verdict::Fail, "{item}");
        for (from, to, why) in [
            ("[looked] 42", "[looked] 20001", "20000 were looked at and there is more"),
            ("[unread] 0", "[unread] 3", "3 could not be read"),
            ("D:\\LTShare", "E:\\LTShare", "only the first level"),
            ("[complete]\n", "", "only the first level"),
        ] {
            let (verdict, confidence, said) =
                seen(&Parts::good().with("ltshare-below", &BELOW.replace(from, to)), item);
            assert_eq!((verdict, confidence), (Verdict::Pass, Confidence::Medium), "{item} {why}");
            assert!(said.contains(why), "{said}");
        }
        let judgement = judged(&Parts::good().silent("ltshare-below").evidence());
        let check = &find(&judgement, item).checks[0];
        assert!(check.lacking && check.confidence == Confidence::Medium && !judgement.troubles.is_empty());
    }
}
