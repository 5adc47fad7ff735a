//! What a bundle seems to prove, and does not.

use crate::items::{find, judged};
use crate::parts::{IIS, Parts, WEB_RULE, firewall, listing, netstat, policy, schannel};
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

#[test]
fn more_hives_than_are_read_are_not_collected() {
    let many: Vec<String> = (0..2001).map(|number| format!("S-1-5-21-11-22-33-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let judgement = judged(&Parts::good().with("hku", &listing("HKEY_USERS", &[], &many)).evidence());
    let finding = find(&judgement, "AUT-GPO-06");
    assert_eq!(finding.verdict, Verdict::NeedsEvidence);
    assert!(finding.checks[0].why.contains("2001"), "{}", finding.checks[0].why);
}

/// Listeners beyond loopback that bring a TLS of their own, or of which nobody knows the program.
#[test]
fn schannel_says_nothing_of_programs_that_do_not_use_it() {
    let listens = "  TCP    0.0.0.0:8443           0.0.0.0:0              LISTENING       3000\n";
    let runs = |program: &str| {
        let good = "\"System\",\"4\",\"N/A\"\n\"ScreenConnect.Service.exe\",\"2008\",\"ScreenConnect Relay\"\n\"mysqld.exe\",\"2212\",\"MySQL\"\n\
                    \"LTSvc.exe\",\"1200\",\"LTService\"\n";
        format!("{good}{program}")
    };
    let with = |program: &str| Parts::good().with("netstat", &netstat(listens)).with("tasklist", &runs(program));
    let judged = |parts: &Parts| {
        let judgement = judged(&parts.evidence());
        let finding = find(&judgement, "AUT-TLS-01");
        (finding.verdict, finding.checks[0].seen.join("; "))
    };
    for program in ["java.exe", "Tomcat10.exe", "nginx.exe", "mysqld.exe"] {
        let (verdict, seen) = judged(&with(&format!("\"{program}\",\"3000\",\"x\"\n")));
        assert_eq!(verdict, Verdict::Inconclusive, "{program}: {seen}");
        assert!(seen.contains(program) && seen.contains("tcp/8443"), "{seen}");
    }
    let (verdict, seen) = judged(&with(""));
    assert_eq!(verdict, Verdict::Inconclusive, "{seen}");
    assert!(seen.contains("not collected"), "{seen}");
    assert_eq!(judged(&with("\"svchost.exe\",\"3000\",\"TermService\"\n")).0, Verdict::Pass);
    for id in ["netstat", "tasklist"] {
        let (verdict, seen) = judged(&Parts::good().silent(id));
        assert_eq!(verdict, Verdict::Inconclusive, "{id}: {seen}");
        assert!(seen.contains("not collected"), "{seen}");
    }
    // What is enabled is wrong whoever listens.
    let enabled = with("\"java.exe\",\"3000\",\"x\"\n").with("schannel", &schannel("TLS 1.0", "00000001"));
    assert_eq!(judged(&enabled).0, Verdict::Fail);
}

/// MVC writes its header itself: no configuration shows that it does not.
#[test]
fn a_header_that_code_sends_is_not_proven_absent_by_the_configuration() {
    let judgement = judged(&Parts::good().evidence());
    let finding = find(&judgement, "AUT-IIS-02");
    assert_eq!(finding.verdict, Verdict::NeedsEvidence, "{:#?}", finding.checks);
    assert!(finding.checks[0].seen.iter().any(|seen| seen.contains("X-AspNetMvc-Version") && seen.contains("code")));
    let added = IIS.replace("<clear />", "<add name=\"X-AspNetMvc-Version\" value=\"5\" />");
    assert_eq!(verdict(&Parts::good().with("iis", &added), "AUT-IIS-02"), Verdict::Fail);
    let powered = IIS.replace("<clear />", "<clear /><add name=\"X-Powered-By\" value=\"ASP.NET\" />");
    assert_eq!(verdict(&Parts::good().with("iis", &powered), "AUT-IIS-02"), Verdict::Fail);
}

#[test]
fn what_a_site_keeps_to_itself_is_not_its_applications() {
    let config = IIS.replace("removeServerHeader=\"true\"", "").replace(
        "<bindings>",
        "<application path=\"/app\"><virtualDirectory path=\"/\" physicalPath=\"C:\\app\" /></application><bindings>",
    );
    let with = |inherits: &str| {
        let own = format!(
            "[application] Default Web Site/\n[there]\n<configuration><location path=\".\" inheritInChildApplications=\"{inherits}\">\
             <system.webServer><security><requestFiltering removeServerHeader=\"true\" /></security></system.webServer></location>\
             </configuration>\n[application] Default Web Site/app\n[none]\n[complete]\n"
        );
        verdict(&Parts::good().with("iis", &config).with("web-configs", &own), "AUT-IIS-01")
    };
    assert_eq!(with("true"), Verdict::Pass);
    assert_eq!(with("false"), Verdict::Fail);
    // A folder's own file is not collected, and whoever passes reads that.
    let good = judged(&Parts::good().evidence());
    let seen = &find(&good, "AUT-IIS-01").checks[0].seen;
    assert!(seen.iter().any(|seen| seen.contains("ordinary folders below")), "{seen:#?}");
}

/// What the configuration leaves to another file, or says to a Windows that does not know it, is not known.
#[test]
fn a_section_kept_elsewhere_and_a_windows_that_does_not_know_it_make_no_pass() {
    let kept = IIS.replace("<httpProtocol>", "<httpProtocol configSource=\"h.config\">");
    for item in ["AUT-IIS-01", "AUT-IIS-03"] {
        assert_eq!(verdict(&Parts::good(), item), Verdict::Pass, "{item}");
        assert_eq!(verdict(&Parts::good().with("iis", &kept), item), Verdict::NeedsEvidence, "{item}");
    }
    let system = |build: u32| format!("utc=2026-11-21T11:00:00Z\nbuild={build}\npart_of_domain=False\ncomplete=yes\n");
    assert_eq!(verdict(&Parts::good().with("system", &system(17_763)), "AUT-IIS-01"), Verdict::Pass);
    assert_eq!(verdict(&Parts::good().with("system", &system(14_393)), "AUT-IIS-01"), Verdict::NeedsEvidence);
}

/// A place below an application that says otherwise, and one of which nobody knows what it says, keep an item from passing.
#[test]
fn what_a_location_or_a_virtual_directory_turns_back_on_is_no_pass() {
    let location = |path: &str, says: &str| {
        IIS.replace("</configuration>", &format!("<location path=\"{path}\">{says}</location></configuration>"))
    };
    let server =
        "<system.webServer><security><requestFiltering removeServerHeader=\"false\" /></security></system.webServer>";
    let verbs = "<system.webServer><security><requestFiltering><verbs><clear /></verbs></requestFiltering></security></system.webServer>";
    let header = "<system.webServer><httpProtocol><customHeaders><add name=\"X-Powered-By\" value=\"ASP.NET\" /></customHeaders>\
                  </httpProtocol></system.webServer>";
    for (item, says) in [("AUT-IIS-01", server), ("AUT-IIS-03", verbs), ("AUT-IIS-02", header)] {
        let of_host = Parts::good().with("iis", &location("Default Web Site/Files/old", says));
        assert_eq!(verdict(&of_host, item), Verdict::Fail, "{item}");
        let judgement = judged(&of_host.evidence());
        assert!(find(&judgement, item).checks[0].seen[0].contains("default web site/files/old"), "{item}");
        let own = format!(
            "[application] Default Web Site/\n[there]\n<configuration><location path=\"files\">{says}</location></configuration>\n[complete]\n"
        );
        assert_eq!(verdict(&Parts::good().with("web-configs", &own), item), Verdict::Fail, "{item}");
        // Of a site that is not there, or saying nothing of these settings, it changes nothing.
        for harmless in [location("Gone/files", says), location("Default Web Site/x", "<system.web />")] {
            assert_eq!(verdict(&Parts::good().with("iis", &harmless), item), verdict(&Parts::good(), item), "{item}");
        }
    }
    // A virtual directory has a web.config of its own, where its files are.
    let shared = IIS.replace(
        "wwwroot\" /></application>",
        "wwwroot\" /><virtualDirectory path=\"/Transfer\" physicalPath=\"D:\\Transfer\" /></application>",
    );
    assert_ne!(shared, IIS);
    let with = |state: &str| {
        let own = format!(
            "[application] Default Web Site/\n[none]\n{}[complete]\n",
            if state.is_empty() {
                String::new()
            } else {
                format!("[application] Default Web Site/Transfer\n{state}\n")
            }
        );
        verdict(&Parts::good().with("iis", &shared).with("web-configs", &own), "AUT-IIS-01")
    };
    assert_eq!(with("[none]"), Verdict::Pass);
    assert_eq!(with(&format!("[there]\n<configuration>{server}</configuration>")), Verdict::Fail);
    assert_eq!(with("[there]\n<configuration>"), Verdict::NeedsEvidence);
    assert_eq!(with("[unreachable]"), Verdict::NeedsEvidence);
    assert_eq!(with(""), Verdict::NeedsEvidence, "an older collector did not look there");
}

#[test]
fn more_places_than_are_worked_out_are_no_pass() {
    let filtering =
        "<system.webServer><security><requestFiltering removeServerHeader=\"true\" /></security></system.webServer>";
    let locations = (0..1500).map(|number| format!("<location path=\"f{number}\">{filtering}</location>"));
    let many = locations.collect::<Vec<String>>().concat();
    let application = |number: u32| {
        format!("<application path=\"/a{number}\"><virtualDirectory path=\"/\" physicalPath=\"C:\\a\" /></application>")
    };
    let applications = (0..3).map(application).collect::<String>() + "<bindings>";
    let config = IIS.replace("<bindings>", &applications);
    let own = |names: &[&str]| {
        let own = names.iter().map(|name| {
            format!("[application] Default Web Site/{name}\n[there]\n<configuration>{many}</configuration>\n")
        });
        own.collect::<String>() + "[complete]\n"
    };
    let parts = |names: &[&str]| Parts::good().with("iis", &config).with("web-configs", &own(names));
    assert_eq!(verdict(&parts(&["", "a0", "a1", "a2"]), "AUT-IIS-01"), Verdict::NeedsEvidence);
    let few = Parts::good().with("web-configs", &own(&[""]));
    assert_eq!(verdict(&few, "AUT-IIS-01"), Verdict::Pass);
}

/// What a file holds is told by the command that wrote it: another one's output, or part of it, is not collected.
#[test]
fn a_command_that_asked_for_something_else_collected_nothing() {
    for (id, item, other) in [
        ("netstat", "CTL-NET-06", "netstat.exe -anp udp"),
        ("tasklist", "CTL-NET-06", "tasklist.exe /svc /fo csv /nh /fi \"PID ne 2000\""),
        ("requestq", "CTL-NET-06", "netsh.exe http show urlacl"),
        ("screenconnect", "CTL-NET-06", "powershell.exe -Command \"Get-Content C:\\other\\web.config\""),
        ("sc", "AUT-NET-04", "sc.exe query type= service state= inactive"),
        ("whoami", "AUT-GPO-05", "whoami.exe /all"),
        ("ltshare", "AUT-APP-03", "icacls.exe \"D:\\LTShare\" /save other.acl"),
        ("ltshare-beneath", "AUT-APP-03", "icacls.exe \"D:\\LTShare\\*\" /save ltshare-beneath.acl /c"),
        ("shares", "AUT-APP-03", "net.exe share"),
        ("iis", "AUT-IIS-01", "powershell.exe -Command \"Get-Content x.config\""),
        ("web-configs", "AUT-IIS-01", "powershell.exe -Command \"'[complete]'\""),
        (
            "policies-windows",
            "GPO-02",
            "reg.exe export \"HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\" other.reg /y /reg:64",
        ),
        (
            "secedit-merged",
            "IIS-URA-01",
            "secedit.exe /export /mergedpolicy /cfg other.inf /areas SECURITYPOLICY USER_RIGHTS",
        ),
    ] {
        let item = if item.starts_with("GPO") { format!("AUT-{item}") } else { item.to_owned() };
        let parts = Parts::good().silent("secedit-local");
        let parts = if id == "secedit-merged" { parts } else { Parts::good() };
        assert_eq!(verdict(&parts.clone(), &item), Verdict::Pass, "{item}");
        let judgement = judged(&parts.arguments(id, other).evidence());
        let finding = find(&judgement, &item);
        assert_eq!(finding.verdict, Verdict::NeedsEvidence, "{id}: {:#?}", finding.checks);
        let told = finding
            .checks
            .iter()
            .any(|check| format!("{} {}", check.why, check.seen.join(" ")).contains("recorded command"));
        assert!(told || id == "whoami", "{id}: {:#?}", finding.checks);
    }
}
