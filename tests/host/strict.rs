//! What stands in the evidence twice, or in another form than Windows writes, is not read as if it were plain.

use crate::items::{find, judged};
use crate::parts::{IIS, POLICIES, Parts, WEB_RULE, export, firewall, listing, netstat, policy};
use portreeve::host::key_times::{HTTP, SCHANNEL, START};
use portreeve::model::verdict::{Confidence, Verdict};

fn verdict(parts: &Parts, item: &str) -> Verdict {
    find(&judged(&parts.evidence()), item).verdict
}

/// A key that has no time may be the one that was written last.
#[test]
fn a_key_without_its_time_makes_no_pass() {
    let keys = ["", r"\Protocols", r"\Protocols\TLS 1.0\Server", r"\Protocols\TLS 1.1\Server"];
    let lines = |left_out: &str, time: &str| {
        let keys = keys.iter().filter(|key| **key != left_out).map(|key| format!("{time}|{SCHANNEL}{key}\n"));
        keys.chain([format!("{time}|{HTTP}\n2026-11-20T03:00:09Z|{START}\n")]).collect::<String>()
    };
    let with = |text: &str| {
        let parts = Parts::good().text("key-times", "key-times.txt", &format!("{text}[complete]\n"));
        verdict(&parts.arguments("key-times", "\"C:\\portreeve.exe\" host key-times"), "AUT-TLS-03")
    };
    let time = "2026-11-19T10:00:00Z";
    let all = lines("-", time);
    assert_eq!(with(&all), Verdict::Pass);
    for left_out in &keys[1..] {
        assert_eq!(with(&lines(left_out, time)), Verdict::NeedsEvidence, "{left_out}");
    }
    assert_eq!(with(&lines("-", "1601-01-01T00:00:00Z")), Verdict::NeedsEvidence);
    assert_eq!(with(&format!("{all}{time}|{SCHANNEL}\\PROTOCOLS\n")), Verdict::NeedsEvidence, "twice");
    let gone = all.replace(&format!("{time}|{SCHANNEL}\n"), &format!("[absent] {SCHANNEL}\n"));
    assert_ne!(gone, all);
    assert_eq!(with(&gone), Verdict::NeedsEvidence, "absent, with children");
    let gone = all.replace(&format!("{time}|{HTTP}\n"), &format!("[absent] {HTTP}\n"));
    assert_eq!(with(&gone), Verdict::NeedsEvidence, "absent, and listed");
}

/// Where something stands twice the last does not win: it is not collected.
#[test]
fn what_stands_twice_is_not_collected() {
    let twice = |id: &str, text: &str, item: &str| {
        let good = verdict(&Parts::good(), item);
        assert!(matches!(good, Verdict::Pass), "{item}: {good:?}");
        let found = verdict(&Parts::good().with(id, text), item);
        assert_eq!(found, Verdict::NeedsEvidence, "{id}, {item}");
    };
    let run = format!(r"{POLICIES}\Explorer");
    let on: &[&str] = &["\"NoAutorun\"=dword:00000000", "\"noautorun\"=dword:00000001"];
    twice("policies-explorer", &export(&[(POLICIES, &[]), (&run, on)]), "AUT-GPO-03");
    let lsa =
        |values: &[&str]| listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Lsa", values, &["Kerberos"]);
    let (off, on) = ("RestrictAnonymous    REG_DWORD    0x0", "RestrictAnonymous    REG_DWORD    0x1");
    let both = lsa(&[off, on]);
    twice("lsa", &both, "AUT-GPO-01");
    // A text of two lines makes a line that looks like a value.
    twice("lsa", &lsa(&[off, &format!("Zz    REG_SZ    a\n    {on}")]), "AUT-GPO-01");
    twice("lsa", &lsa(&["RestrictAnonymous    REG_DWORD    0x+1"]), "AUT-GPO-01");
    let rule = "v2.30|Action=Block|Active=TRUE|Dir=In|LA4=127.0.0.1|";
    let rules = firewall(&[rule, WEB_RULE]).replace("{rule-1}", "{rule-0}");
    twice("firewall", &rules, "AUT-NET-04");
    let task = "\"svchost.exe\",\"2000\",\"x\"\n";
    let tasks = format!("\"ScreenConnect.Service.exe\",\"2000\",\"ScreenConnect Session Manager\"\n{task}");
    twice("tasklist", &tasks, "CTL-NET-06");
    let application =
        "<application path=\"/\"><virtualDirectory path=\"/\" physicalPath=\"C:\\other\" /></application><bindings>";
    twice("iis", &IIS.replace("<bindings>", application), "AUT-IIS-01");
    let share =
        "LTShare|D:\\LTShare|D:(A;;FA;;;BA)\nIPC$||D:(A;;GA;;;BA)\nltshare|C:\\x|D:(A;;FA;;;BA)\ncomplete=yes\n";
    twice("shares", share, "AUT-APP-03");
    let rights = policy(&[]).replace("[Version]", "[Privilege Rights]\nSeTcbPrivilege =\n[Version]");
    let both = Parts::good().with("secedit-merged", &rights).with("secedit-local", &rights);
    assert_eq!(verdict(&both, "AUT-GPO-05"), Verdict::NeedsEvidence);
    let system =
        "utc=2026-11-21T11:00:00Z\nbuild=17763\nrole=2\npart_of_domain=True\npart_of_domain=False\ncomplete=yes\n";
    let local = Parts::good().failing("secedit-merged", "secedit-merged.inf", 5);
    assert_eq!(verdict(&local, "AUT-GPO-05"), Verdict::Pass, "no domain has a say");
    assert_eq!(verdict(&local.with("system", system), "AUT-GPO-05"), Verdict::NeedsEvidence);
}

/// Elevation is told by the SID of the label; a group may be called anything.
#[test]
fn a_group_called_like_a_label_elevates_nobody() {
    let group = "\"CORP\\S-1-16-12288 admins\",\"Group\",\"S-1-5-21-1-2-3-1109\",\"x\"\n";
    let medium = "\"Mandatory Label\\Medium Mandatory Level\",\"Label\",\"S-1-16-8192\",\"\"\n";
    assert_eq!(
        verdict(&Parts::good().with("whoami", &format!("{group}{medium}")), "AUT-GPO-05"),
        Verdict::NeedsEvidence
    );
    assert_eq!(verdict(&Parts::good().with("whoami", group), "AUT-GPO-05"), Verdict::NeedsEvidence);
}

/// An entry of a kind that nobody knows may grant anything; groups nearly as wide as Everyone are named.
#[test]
fn access_lists_are_read_whole_and_wide_groups_named() {
    let with = |entry: &str| Parts::good().with("ltshare", &format!("LTShare\nD:PAI(A;OICI;FA;;;SY){entry}\n"));
    for entry in ["(a;OICI;FA;;;WD)", "(B;OICI;FA;;;WD)", "(A;OICI;FA;;;wd)", "(A;;0x+1;;;WD)"] {
        for item in ["AUT-APP-03", "AUT-APP-04"] {
            assert_eq!(verdict(&with(entry), item), Verdict::NeedsEvidence, "{entry}, {item}");
        }
    }
    for sid in ["BG", "AN", "NU", "IU", "DU", "AU", "BU", "S-1-5-21-1-2-3-513"] {
        let judgement = judged(&with(&format!("(A;OICI;FA;;;{sid})")).evidence());
        let finding = find(&judgement, "AUT-APP-03");
        assert_eq!((finding.verdict, finding.confidence), (Verdict::Pass, Confidence::Low), "{sid}");
        assert!(finding.checks[0].why.contains("nearly as wide may write"), "{}", finding.checks[0].why);
        assert_eq!(find(&judgement, "AUT-APP-04").verdict, Verdict::Fail, "{sid}");
        let reads = judged(&with(&format!("(A;OICI;FR;;;{sid})")).evidence());
        let finding = find(&reads, "AUT-APP-03");
        assert!(
            finding.confidence > Confidence::Low
                && finding.checks[0].seen.iter().any(|seen| seen.contains("nearly as wide"))
        );
    }
    assert_eq!(verdict(&with("(A;OICI;FA;;;WD)"), "AUT-APP-03"), Verdict::Fail);
}

/// That the service is off is no pass where something holds its port.
#[test]
fn another_listener_in_the_place_of_web_management_is_no_pass() {
    assert_eq!(verdict(&Parts::good(), "IIS-SVC-01"), Verdict::Pass);
    let listens = "  TCP    0.0.0.0:8172           0.0.0.0:0              LISTENING       900\n";
    let judgement = judged(&Parts::good().with("netstat", &netstat(listens)).evidence());
    let finding = find(&judgement, "IIS-SVC-01");
    assert_eq!(finding.verdict, Verdict::NeedsEvidence, "{:#?}", finding.checks);
    let seen = finding.checks[0].seen.join("; ");
    assert!(seen.contains("svchost.exe listens on tcp/8172") && seen.contains("netstat.txt:"), "{seen}");
    assert_ne!(verdict(&Parts::good().silent("netstat"), "IIS-SVC-01"), Verdict::Pass);
    let local = listens.replace("0.0.0.0:8172  ", "127.0.0.1:8172");
    assert_eq!(verdict(&Parts::good().with("netstat", &netstat(&local)), "IIS-SVC-01"), Verdict::Pass);
}

#[test]
fn what_screenconnects_configuration_leaves_open_is_not_known() {
    let config = |model: &str, after: &str| {
        let text = format!(
            "<configuration><appSettings><add key=\"WebServerListenUri\" value=\"https://+:8040/\" /><add key=\"RelayListenUri\" \
             value=\"relay://+:8041/\" /></appSettings><system.serviceModel>{model}<client><endpoint \
             address=\"net.pipe://localhost/SessionManager\" /></client></system.serviceModel>{after}</configuration>\n"
        );
        verdict(&Parts::good().with("screenconnect", &text), "CTL-NET-06")
    };
    assert_eq!(config("", ""), Verdict::Pass);
    let based = "<services><service><host><baseAddresses><add baseAddress=\"net.pipe://localhost/s\" /></baseAddresses></host>\
                 <endpoint address=\"\" binding=\"netNamedPipeBinding\" /></service></services>";
    assert_eq!(config(based, ""), Verdict::Pass);
    assert_eq!(config(&based.replace("net.pipe", "net.tcp"), ""), Verdict::Fail);
    let second = "<system.serviceModel><services><service><host><baseAddresses><add baseAddress=\"net.tcp://0.0.0.0:8042/\"/>\
                  </baseAddresses></host></service></services></system.serviceModel>";
    for (model, after) in [
        ("<services configSource=\"services.config\" />", ""),
        ("<services configProtectionProvider=\"x\"><EncryptedData /></services>", ""),
        ("<services><service><endpoint address=\"\" binding=\"netTcpBinding\" /></service></services>", ""),
        ("<services><service><endpoint binding=\"netTcpBinding\" /></service></services>", ""),
        ("<services><service><endpoint address=\"net.tcp:\\\\x:8042\" /></service></services>", ""),
        ("", second),
        ("", &format!("<location path=\"x\">{second}</location>")),
        ("", "<appSettings><add key=\"RelayListenUri\" value=\"relay://+:9999/\" /></appSettings>"),
    ] {
        assert_eq!(config(model, after), Verdict::NeedsEvidence, "{model} {after}");
    }
}

/// What is encrypted, or neither true nor false, is not known.
#[test]
fn what_iis_keeps_encrypted_or_says_oddly_is_not_known() {
    let with = |from: &str, to: &str, item: &str| {
        assert!(IIS.contains(from), "{from}");
        verdict(&Parts::good().with("iis", &IIS.replace(from, to)), item)
    };
    let encrypted = "<httpProtocol configProtectionProvider=\"RsaProtectedConfigurationProvider\"><EncryptedData /></httpProtocol><security>";
    assert_eq!(with("<security>", encrypted, "AUT-IIS-03"), Verdict::NeedsEvidence);
    assert_eq!(with("Header=\"true\"", "Header=\"1\"", "AUT-IIS-01"), Verdict::NeedsEvidence);
    for odd in ["0", "yes", "", " false"] {
        assert_eq!(
            with("allowed=\"false\"", &format!("allowed=\"{odd}\""), "AUT-IIS-03"),
            Verdict::NeedsEvidence,
            "{odd}"
        );
    }
    assert_eq!(with("allowed=\"false\"", "allowed=\"False\"", "AUT-IIS-03"), Verdict::Pass);
    let judgement = judged(&Parts::good().evidence());
    let seen = find(&judgement, "AUT-IIS-01").checks[0].seen.join("; ");
    assert!(seen.contains("redirection.config"), "{seen}");
}
