//! The judge on bundles: what each item makes of good, bad and missing evidence.

use crate::parts::{
    IIS, POLICIES, Parts, SCHANNEL, USER, WEB_RULE, WINDOWS, export, firewall, listing, netstat, policy, requestq,
    schannel,
};
use portreeve::catalog::builtin::Catalogs;
use portreeve::host::evidence::Evidence;
use portreeve::judge::{Case, Judgement, judge};
use portreeve::model::fact::{Fact, PortFact, PortReason, PortState};
use portreeve::model::observation::{Attempt, Observation, ObservationId};
use portreeve::model::question::Question;
use portreeve::model::run::{AddressHealth, AddressRun};
use portreeve::model::statement::Statements;
use portreeve::model::target::{Host, Role, Target};
use portreeve::model::vantage::Ways;
use portreeve::model::verdict::{Confidence, Finding, Verdict};
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) fn judged(evidence: &Evidence) -> Judgement {
    judged_beside(Some(evidence), &[], &[], false)
}

/// With what was seen from outside; without anything seen, the evidence alone.
pub(crate) fn judged_beside(
    evidence: Option<&Evidence>,
    addresses: &[AddressRun],
    observations: &[Observation],
    shared_address: bool,
) -> Judgement {
    static CATALOGS: LazyLock<Catalogs> = LazyLock::new(|| Catalogs::built_in().unwrap());
    let catalogs = &*CATALOGS;
    let roles: BTreeSet<Role> = [Role::Automate, Role::Control, Role::ScreenConnect, Role::Iis].into();
    let target = Target { roles, shared_address, ..Target::new("c", Host::Name("h.example".to_owned())) };
    judge(Case {
        target: &target,
        addresses,
        observations,
        guides: &catalogs.guides,
        exploited: &catalogs.exploited,
        ways: &Ways::default(),
        evidence,
        statements: &Statements::default(),
        evidence_alone: addresses.is_empty(),
    })
}

pub(crate) fn find<'a>(judgement: &'a Judgement, item: &str) -> &'a Finding {
    judgement.findings.iter().find(|finding| finding.item == item).unwrap_or_else(|| panic!("{item}"))
}

/// A bundle with something else in it.
type Spoiled = fn(Parts) -> Parts;

/// Items that a bundle alone can settle, and what each is spoiled by: a bundle that fails it, one in which what it needs was not
/// collected.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Spoiled, Spoiled)> {
    fn right(parts: Parts, right: &str, holders: &str) -> Parts {
        parts.with("secedit-merged", &policy(&[(right, holders)]))
    }
    fn no_policy(parts: Parts) -> Parts {
        parts.silent("secedit-merged").silent("secedit-local")
    }
    vec![
        (
            "GPO-01",
            |parts| {
                parts.with(
                    "lsa",
                    &listing(
                        r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Lsa",
                        &["RestrictAnonymous    REG_DWORD    0x0"],
                        &[],
                    ),
                )
            },
            |parts| parts.silent("lsa"),
        ),
        (
            "GPO-02",
            |parts| parts.with("policies-windows", &export(&[(WINDOWS, &[])])),
            |parts| parts.silent("policies-windows"),
        ),
        (
            "GPO-03",
            |parts| parts.with("policies-explorer", &export(&[(POLICIES, &[])])),
            |parts| parts.silent("policies-explorer"),
        ),
        (
            "GPO-04",
            |parts| {
                parts.with(
                    "policies-explorer",
                    &export(&[
                        (POLICIES, &[]),
                        (
                            r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer",
                            &["\"NoDriveTypeAutoRun\"=dword:000000b5"],
                        ),
                    ]),
                )
            },
            |parts| parts.failing("policies-explorer", "policies-explorer.reg", 1),
        ),
        ("GPO-05", |parts| right(parts, "SeTcbPrivilege", "*S-1-5-18"), no_policy),
        (
            "GPO-06",
            |parts| {
                parts.with(
                    "policies-windows",
                    &export(&[
                        (WINDOWS, &[]),
                        (
                            r"SOFTWARE\Policies\Microsoft\Windows\Installer",
                            &["\"AlwaysInstallElevated\"=dword:00000001"],
                        ),
                    ]),
                )
            },
            |parts| parts.silent("hku"),
        ),
        (
            "AUT-NET-04",
            |parts| parts.with("firewall", &firewall(&["v2.30|Action=Block|Active=TRUE|Dir=In|LA4=127.0.0.1|"])),
            |parts| parts.silent("firewall"),
        ),
        ("AUT-APP-03", |parts| parts.with("ltshare", "LTShare\nD:(A;OICI;FR;;;WD)\n"), |parts| parts.silent("ltshare")),
        (
            "AUT-APP-04",
            |parts| parts.with("ltshare", "LTShare\nD:(A;OICI;FA;;;SY)(A;;FR;;;BU)\n"),
            |parts| parts.silent("iis"),
        ),
        (
            "CTL-NET-06",
            |parts| {
                parts.with(
                    "netstat",
                    &netstat("  TCP    0.0.0.0:9000           0.0.0.0:0              LISTENING       2000\n"),
                )
            },
            |parts| parts.silent("tasklist"),
        ),
        ("IIS-URA-01", |parts| right(parts, "SeImpersonatePrivilege", "*S-1-1-0"), no_policy),
        ("IIS-URA-02", |parts| right(parts, "SeAssignPrimaryTokenPrivilege", "*S-1-5-32-545"), no_policy),
        ("IIS-URA-03", |parts| right(parts, "SeNetworkLogonRight", "*S-1-1-0,*S-1-5-32-544"), no_policy),
        ("IIS-URA-04", |parts| right(parts, "SeIncreaseQuotaPrivilege", "*S-1-5-11"), no_policy),
        ("IIS-URA-05", |parts| right(parts, "SeBatchLogonRight", "*S-1-5-32-545"), no_policy),
        ("IIS-URA-06", |parts| right(parts, "SeServiceLogonRight", "*S-1-1-0"), no_policy),
        ("TLS-01", |parts| parts.with("schannel", &schannel("TLS 1.0", "ffffffff")), |parts| parts.silent("schannel")),
        ("TLS-02", |parts| parts.with("schannel", &schannel("TLS 1.1", "00000001")), |parts| parts.silent("schannel")),
        (
            "AUT-IIS-01",
            |parts| parts.with("iis", &IIS.replace("removeServerHeader=\"true\"", "")),
            |parts| parts.silent("iis"),
        ),
        (
            "AUT-IIS-03",
            |parts| parts.with("iis", &IIS.replace("<add verb=\"OPTIONS\" allowed=\"false\" />", "")),
            |parts| parts.silent("iis"),
        ),
        (
            "IIS-SVC-01",
            |parts| {
                parts.text(
                    "wmsvc",
                    "wmsvc.txt",
                    &listing(
                        r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\WMSVC",
                        &["Start    REG_DWORD    0x3"],
                        &[],
                    ),
                )
            },
            |parts| parts.silent("services"),
        ),
    ]
}

/// The ids of an item that several guides have.
fn ids(item: &str) -> Vec<String> {
    let of = |prefixes: &[&str]| prefixes.iter().map(|prefix| format!("{prefix}-{item}")).collect();
    if item.starts_with("GPO") || item.starts_with("TLS") { of(&["AUT", "CTL", "SC"]) } else { vec![item.to_owned()] }
}

#[test]
fn every_item_passes_fails_and_needs_what_was_not_collected() {
    let good = judged(&Parts::good().evidence());
    for (item, fails, missing) in cases() {
        let (failing, lacking) = (judged(&fails(Parts::good()).evidence()), judged(&missing(Parts::good()).evidence()));
        for id in ids(item) {
            let passes = find(&good, &id);
            assert_eq!(passes.verdict, Verdict::Pass, "{id}: {:#?}", passes.checks);
            assert!(
                passes.checks.iter().all(|check| !check.seen.is_empty()),
                "{id} passes by nothing: {:#?}",
                passes.checks
            );
            let fails = find(&failing, &id);
            assert_eq!(fails.verdict, Verdict::Fail, "{id}: {:#?}", fails.checks);
            assert!(
                fails.checks.iter().any(|check| check.seen.iter().any(|seen| seen.contains(':'))),
                "{id}: {:#?}",
                fails.checks
            );
            let needs = find(&lacking, &id);
            assert_eq!(needs.verdict, Verdict::NeedsEvidence, "{id}: {:#?}", needs.checks);
            let told = |check: &portreeve::model::verdict::Check| {
                format!("{} {}", check.why, check.seen.join(" ")).contains("not collected")
            };
            assert!(needs.checks.iter().any(told), "{id}: {:#?}", needs.checks);
        }
    }
}

/// The bug that this must never have: whatever command fails, breaks off, is empty or was not run, and however, nothing that did
/// not pass passes by it.
#[test]
fn nothing_passes_because_something_was_not_collected() {
    let spoilers: [fn(Parts, &str) -> Parts; 6] = [
        |parts, id| parts.without(id),
        |parts, id| parts.silent(id),
        |parts, id| parts.failing(id, &format!("{id}.x"), 5),
        |parts, id| parts.bytes(id, &format!("{id}.x"), b""),
        |parts, id| parts.bytes(id, &format!("{id}.x"), b"\r\n"),
        |parts, id| parts.bytes(id, &format!("{id}.x"), b"Access is denied.\r\n"),
    ];
    let mut tried = 0;
    // All bad bundles at once would hide each other's faults: one with several faults stands for them.
    let rights = policy(&[("SeTcbPrivilege", "*S-1-5-18"), ("SeNetworkLogonRight", "*S-1-1-0")]);
    let worst = Parts::good()
        .with("secedit-merged", &rights)
        .with("secedit-local", &rights)
        .with("ltshare", "LTShare\nD:(A;OICI;FR;;;WD)\n")
        .with("schannel", &schannel("TLS 1.0", "00000001"));
    for parts in [&Parts::good(), &worst] {
        let before = judged(&parts.evidence());
        for id in parts.ids() {
            for spoil in spoilers {
                let after = judged(&spoil(parts.clone(), &id).evidence());
                for (before, after) in before.findings.iter().zip(&after.findings) {
                    tried += 1;
                    assert!(
                        after.verdict != Verdict::Pass || before.verdict == Verdict::Pass,
                        "{}: {} becomes pass without {id}: {:#?}",
                        before.item,
                        before.verdict,
                        after.checks
                    );
                }
            }
        }
    }
    assert!(tried > 5000, "{tried}");
}

/// Bundles that do not pass because of the end of one file: the file, the item, and the bundle.
fn spoiled_at_the_end() -> Vec<(&'static str, &'static str, Parts)> {
    let good = Parts::good;
    let joined = "utc=2026-11-21T11:00:00Z\npart_of_domain=True\ncomplete=yes\n";
    let level = "\"Everyone\",\"Group\",\"S-1-1-0\",\"\"\n\"Mandatory Label\\Medium Mandatory Level\",\"Label\",\"S-1-16-8192\",\"\"\n";
    let application = "[application] Default Web Site/\n[there]\n<configuration><system.webServer><security>\
         <requestFiltering removeServerHeader=\"false\" /></security></system.webServer></configuration>\n[complete]\n";
    let open = "  TCP    0.0.0.0:9000           0.0.0.0:0              LISTENING       2020\n";
    let tasks = "\"System\",\"4\",\"N/A\"\n\"svchost.exe\",\"900\",\"RpcSs\"\n\"ScreenConnect.Service.exe\",\"2000\",\"ScreenConnect Session Manager\"\n\
                 \"ScreenConnect.Service.exe\",\"2008\",\"ScreenConnect Relay\"\n\"ScreenConnect.Service.exe\",\"2020\",\"ScreenConnect Web Server\"\n";
    let services = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services";
    vec![
        (
            "secedit-merged",
            "AUT-GPO-05",
            good().with("secedit-merged", &policy(&[("SeTcbPrivilege", "*S-1-1-0")])).silent("secedit-local"),
        ),
        ("ltshare", "AUT-APP-03", good().with("ltshare", "LTShare\nD:PAI(A;OICI;FA;;;SY)(A;OICI;FR;;;WD)\n")),
        ("ltshare-beneath", "AUT-APP-04", good().with("ltshare-beneath", "Transfer\nD:AI(A;ID;FA;;;SY)(A;;FR;;;BU)\n")),
        ("schannel", "AUT-TLS-01", good().with("schannel", &schannel("TLS 1.0", "00000001"))),
        ("netstat", "CTL-NET-06", good().with("netstat", &netstat(open)).with("tasklist", tasks)),
        ("tasklist", "CTL-NET-06", good().with("netstat", &netstat(open)).with("tasklist", tasks)),
        ("iis", "AUT-IIS-03", good().with("iis", &IIS.replace("allowed=\"false\"", "allowed=\"true\""))),
        ("web-configs", "AUT-IIS-01", good().with("web-configs", application)),
        ("system", "AUT-GPO-05", good().with("system", joined).silent("secedit-merged")),
        ("whoami", "AUT-GPO-05", good().with("whoami", level)),
        (
            "shares",
            "AUT-APP-04",
            good().with("shares", "IPC$||D:(A;;GA;;;BA)\nLTShare|D:\\LTShare|D:(A;;FA;;\ncomplete=yes\n"),
        ),
        ("sc", "AUT-NET-04", good().with("sc", &crate::parts::sc(1))),
        (
            "services",
            "IIS-SVC-01",
            good().with("services", &listing(services, &[], &["HTTP", "W3SVC", "WMSVC", "wuauserv"])),
        ),
    ]
}

/// Cut anywhere, with a manifest that believes it: the readers themselves must notice, or what is left must not pass. Formats
/// without an end of their own (`reg query`, `netsh`, `sc`) can lose whole last entries unseen, but for those that must be
/// there; the manifest's size is what tells that.
#[test]
fn a_file_that_was_cut_off_makes_no_pass() {
    for (id, item, parts) in spoiled_at_the_end() {
        let verdict = |parts: &Parts| find(&judged(&parts.evidence()), item).verdict;
        assert_ne!(verdict(&parts), Verdict::Pass, "{id}: it is not spoiled");
        assert_eq!(verdict(&Parts::good()), Verdict::Pass, "{item}");
        let mut content = Vec::new();
        let _ = parts.clone().change(id, |whole| content.clone_from(whole));
        // Every line end and bracket, and where something has no reason to be cut.
        let edges = (0..content.len()).filter(|at| *at > 0 && [b'\n', b')', b'>'].contains(&content[*at - 1]));
        let anywhere = [1, 13, 37, 50, 71, 90, 99].map(|percent| content.len() * percent / 100);
        let wide = content.starts_with(&[0xff, 0xfe]);
        for at in edges.map(|at| if wide { at + 1 } else { at }).chain(anywhere).filter(|at| *at < content.len()) {
            let cut = parts.clone().change(id, |content| content.truncate(at));
            assert_ne!(verdict(&cut), Verdict::Pass, "{id} cut at {at} of {}: {item}", content.len());
        }
    }
}

/// The agent runs on every managed machine, the server too: that it listens nowhere says nothing of the server.
#[test]
fn the_session_manager_is_judged_where_it_runs_and_where_all_that_it_may_listen_on_is_known() {
    let verdict = |parts: Parts| find(&judged(&parts.evidence()), "CTL-NET-06").verdict;
    let tasks = |more: &str| {
        Parts::good().with(
            "tasklist",
            &format!(
                "\"System\",\"4\",\"N/A\"\n\"ScreenConnect.ClientService.exe\",\"2012\",\"ScreenConnect Client (0011)\"\n\
                 \"ScreenConnect.WindowsClient.exe\",\"2016\",\"N/A\"\n\"svchost.exe\",\"900\",\"RpcSs\"\n{more}"
            ),
        )
    };
    assert_eq!(verdict(Parts::good()), Verdict::Pass);
    let alone = Parts::good().with("netstat", &netstat("").replace(" 2008\n", " 4\n"));
    assert_eq!(verdict(alone), Verdict::Pass);
    let quiet = tasks("").with("netstat", &netstat("").replace(" 2008\n", " 4\n"));
    assert_eq!(verdict(quiet.clone()), Verdict::NeedsEvidence, "only the agent ran");
    let rest = "\"ScreenConnect.Service.exe\",\"2004\",\"ScreenConnect Web Server\"\n";
    assert_eq!(verdict(tasks(rest)), Verdict::NeedsEvidence, "the session manager did not run");
    // A listener whose process is not listed may be anybody's.
    let whole = format!("{rest}\"ScreenConnect.Service.exe\",\"2000\",\"ScreenConnect Session Manager\"\n");
    let extra = "  TCP    0.0.0.0:9000           0.0.0.0:0              LISTENING       2020\n";
    assert_eq!(verdict(tasks(&whole)), Verdict::Pass);
    assert_eq!(verdict(tasks(&whole).with("netstat", &netstat(extra))), Verdict::NeedsEvidence);
    // Sockets of http.sys are the system's; its queues say whose they are.
    let queue =
        |pids: &[u32]| Parts::good().with("requestq", &requestq(&[("x", pids, "HTTP://+:9000/SessionManager/")]));
    assert_eq!(verdict(queue(&[2000])), Verdict::Fail);
    assert_eq!(verdict(queue(&[900])), Verdict::Pass, "it is another program's");
    assert_eq!(verdict(queue(&[2024])), Verdict::NeedsEvidence, "nobody knows whose it is");
    assert_eq!(verdict(Parts::good().silent("requestq")), Verdict::NeedsEvidence);
    // Without an endpoint, nothing is said of the session manager; one on the network fails whatever else is missing.
    let config = |endpoint: &str| {
        format!(
            "<configuration><appSettings><add key=\"WebServerListenUri\" value=\"https://+:8040/\" /><add key=\"RelayListenUri\" \
             value=\"relay://+:8041/\" /></appSettings>{endpoint}</configuration>\n"
        )
    };
    assert_eq!(verdict(Parts::good().with("screenconnect", &config(""))), Verdict::NeedsEvidence);
    let open = config(
        "<system.serviceModel><client><endpoint address=\"net.tcp://0.0.0.0:9001/\" /></client></system.serviceModel>",
    );
    assert_eq!(verdict(quiet.with("screenconnect", &open)), Verdict::Fail);
}

/// A folder of that name may be left over: only the one that is shared counts, with all that is said of it.
#[test]
fn ltshare_is_the_folder_that_is_shared_and_all_of_its_lists_count() {
    let verdicts = |parts: Parts| {
        let judgement = judged(&parts.evidence());
        ["AUT-APP-03", "AUT-APP-04"].map(|item| find(&judgement, item).verdict)
    };
    let needs = [Verdict::NeedsEvidence; 2];
    assert_eq!(verdicts(Parts::good()), [Verdict::Pass; 2]);
    let shares = |text: &str| Parts::good().with("shares", &format!("{text}complete=yes\n"));
    assert_eq!(verdicts(shares("")), needs, "the command failed without an error");
    assert_eq!(verdicts(shares("IPC$||D:(A;;GA;;;BA)\n")), needs, "nothing is shared as LTShare");
    assert_eq!(verdicts(shares("LTShare|E:\\LTShare|D:(A;;FA;;;BA)\n")), needs, "the lists are of another drive");
    assert_eq!(verdicts(shares("LTShare|D:\\LTShare|D:(A;;FA;;\n")), needs, "the share's own list cannot be read");
    assert_eq!(verdicts(Parts::good().silent("shares")), needs);
    let acl = "Other\nD:PAI(A;OICI;FA;;;SY)\n";
    assert_eq!(verdicts(Parts::good().with("ltshare", acl)), needs, "it is another folder's list");
    let other = Parts::good().arguments("ltshare-beneath", "icacls.exe \"C:\\LTShare\\*\" /save ltshare-beneath.acl");
    assert_eq!(verdicts(other), needs, "another folder's content");
    let past = Parts::good().arguments("ltshare-beneath", "icacls.exe \"D:\\LTShare\\*\" /save ltshare-beneath.acl /c");
    assert_eq!(verdicts(past), needs, "what was denied is left out");
    assert_eq!(verdicts(Parts::good().silent("ltshare-beneath")), needs);
    let beneath = |sid: &str| {
        Parts::good().with("ltshare-beneath", &format!("Transfer\nD:AI(A;OICIID;FA;;;SY)(A;OICI;FR;;;{sid})\n"))
    };
    assert_eq!(verdicts(beneath("BU")), [Verdict::Pass, Verdict::Fail]);
    assert_eq!(verdicts(beneath("WD")), [Verdict::Fail; 2]);
}

/// A DNS server of Windows holds thousands of sockets: they are read, and take time in proportion.
#[test]
fn thousands_of_sockets_are_no_reason_to_know_nothing() {
    let one = |number: usize| {
        format!("  UDP    0.0.0.0:{}          *:*                        1500\n", 1024 + number % 60_000)
    };
    let many = (0..90_000).map(one).collect::<Vec<_>>().concat();
    let begin = std::time::Instant::now();
    let judgement = judged(&Parts::good().with("netstat", &netstat(&many)).evidence());
    assert_eq!(find(&judgement, "CTL-NET-06").verdict, Verdict::Pass);
    assert!(!judgement.evidence.as_ref().unwrap().firewall.is_empty());
    assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn verdicts_rest_on_the_very_line() {
    let judgement = judged(&cases()[0].1(Parts::good()).evidence());
    let seen = &find(&judgement, "AUT-GPO-01").checks[0].seen;
    assert_eq!(seen[0], "lsa.txt:3: RestrictAnonymous    REG_DWORD    0x0");
}

#[test]
fn an_unelevated_collector_proves_no_rights() {
    let parts =
        Parts::good().with("whoami", "\"Mandatory Label\\Medium Mandatory Level\",\"Label\",\"S-1-16-8192\",\"\"\n");
    let judgement = judged(&parts.evidence());
    for item in ["AUT-GPO-05", "IIS-URA-01", "IIS-URA-06"] {
        let finding = find(&judgement, item);
        assert_eq!(finding.verdict, Verdict::NeedsEvidence);
        assert!(finding.checks[0].why.contains("not elevated"), "{}", finding.checks[0].why);
    }
    assert_eq!(find(&judgement, "AUT-GPO-01").verdict, Verdict::Pass, "the registry needs no elevation");
}

#[test]
fn the_registry_of_32_bit_programs_is_another_one() {
    let parts = Parts::good().fact("architecture", "x86").fact("wow64", "AMD64");
    assert_eq!(
        find(&judged(&parts.evidence()), "AUT-GPO-02").verdict,
        Verdict::Pass,
        "with /reg:64 it is the right one"
    );
    let wrong =
        parts.arguments("policies-windows", "reg.exe export HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows x.reg");
    let judgement = judged(&wrong.evidence());
    let finding = find(&judgement, "AUT-GPO-02");
    assert_eq!(finding.verdict, Verdict::NeedsEvidence);
    assert!(finding.checks[0].why.contains("32-bit"), "{}", finding.checks[0].why);
}

/// What a file is about is told by the command that wrote it, and by what stands in it.
#[test]
fn a_file_about_something_else_is_not_collected() {
    let needs = |parts: Parts, item: &str, why: &str| {
        let judgement = judged(&parts.evidence());
        let finding = find(&judgement, item);
        assert_eq!(finding.verdict, Verdict::NeedsEvidence, "{item}: {:#?}", finding.checks);
        assert!(finding.checks.iter().any(|check| check.why.contains(why)), "{why}: {:#?}", finding.checks);
    };
    let good = Parts::good;
    needs(good().arguments("lsa", r"reg.exe query HKLM\SOFTWARE\Foo /reg:64"), "AUT-GPO-01", "and not of");
    let values = ["RestrictAnonymous    REG_DWORD    0x1"];
    let foo = listing(r"HKEY_LOCAL_MACHINE\SOFTWARE\Foo", &values, &[]);
    needs(good().with("lsa", &foo), "AUT-GPO-01", "not of hkey_local_machine");
    let users = "Windows Registry Editor Version 5.00\n\n[HKEY_USERS]\n\n";
    needs(good().with("policies-explorer", users), "AUT-GPO-03", "not of hkey_local_machine");
    let own = "secedit.exe /export /cfg a.inf /areas SECURITYPOLICY USER_RIGHTS";
    let domain = "utc=2026-11-21T11:00:00Z\npart_of_domain=True\ncomplete=yes\n";
    needs(good().arguments("secedit-merged", own).with("system", domain), "AUT-GPO-05", "/mergedpolicy");
    let other = "secedit.exe /export /db x.sdb /mergedpolicy /cfg a.inf";
    needs(good().arguments("secedit-merged", other).with("system", domain), "AUT-GPO-05", "of this host");
}

#[test]
fn a_domains_policy_goes_before_the_hosts_own() {
    let domain = "utc=2026-11-21T11:00:00Z\npart_of_domain=True\ncomplete=yes\n";
    let own_bad = Parts::good().with("secedit-local", &policy(&[("SeTcbPrivilege", "*S-1-5-18")]));
    assert_eq!(find(&judged(&own_bad.evidence()), "AUT-GPO-05").verdict, Verdict::Pass);
    let only_own = Parts::good().silent("secedit-merged");
    assert_eq!(find(&judged(&only_own.evidence()), "AUT-GPO-05").verdict, Verdict::Pass, "no domain has a say");
    let joined = only_own.with("system", domain);
    assert_eq!(find(&judged(&joined.evidence()), "AUT-GPO-05").verdict, Verdict::NeedsEvidence);
}

#[test]
fn pools_strangers_and_names_are_told_apart() {
    let verdict = |right: &str, holders: &str, item: &str| {
        let parts = Parts::good().with("secedit-merged", &policy(&[(right, holders)]));
        find(&judged(&parts.evidence()), item).verdict
    };
    let pool = portreeve::host::sids::of_pool("labtech webcc");
    assert_eq!(verdict("SeIncreaseQuotaPrivilege", &format!("*S-1-5-19,*{pool}"), "IIS-URA-04"), Verdict::Pass);
    let gone = portreeve::host::sids::of_pool("gone");
    assert_eq!(verdict("SeIncreaseQuotaPrivilege", &format!("*{gone}"), "IIS-URA-04"), Verdict::Inconclusive);
    assert_eq!(verdict("SeIncreaseQuotaPrivilege", "Administratoren", "IIS-URA-04"), Verdict::Inconclusive);
    assert_eq!(verdict("SeServiceLogonRight", "*S-1-5-80-0,svc-backup", "IIS-URA-06"), Verdict::Pass);
    assert_eq!(verdict("SeServiceLogonRight", "*S-1-5-80-0,somebody", "IIS-URA-06"), Verdict::Inconclusive);
    assert_eq!(
        verdict("SeNetworkLogonRight", "*S-1-5-11,*S-1-5-32-544,*S-1-5-32-551", "IIS-URA-03"),
        Verdict::Inconclusive
    );
    assert_eq!(verdict("SeTcbPrivilege", "", "AUT-GPO-05"), Verdict::Pass);
    assert_eq!(verdict("SeTcbPrivilege", "Jemand", "AUT-GPO-05"), Verdict::Fail);
}

#[test]
fn a_users_own_policy_counts() {
    let text = export(&[])
        + &format!(
            "[HKEY_USERS\\{USER}\\Software\\Policies]\n\n[HKEY_USERS\\{USER}\\Software\\Policies\\Microsoft\\Windows\\Installer]\n\"AlwaysInstallElevated\"=dword:00000001\n\n"
        );
    let parts = Parts::good()
        .with(
            &format!("user-{USER}"),
            &listing(&format!("HKEY_USERS\\{USER}\\Software"), &[], &["Microsoft", "Policies"]),
        )
        .wide(&format!("user-policies-{USER}"), &format!("user-policies-{USER}.reg"), &text);
    assert_eq!(find(&judged(&parts.evidence()), "AUT-GPO-06").verdict, Verdict::Fail);
    // The key is listed, and its export failed: nobody knows.
    let parts = Parts::good()
        .with(&format!("user-{USER}"), &listing(&format!("HKEY_USERS\\{USER}\\Software"), &[], &["Policies"]));
    assert_eq!(find(&judged(&parts.evidence()), "AUT-GPO-06").verdict, Verdict::NeedsEvidence);
    let more = listing(
        r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList",
        &[],
        &[USER, "S-1-5-21-11-22-33-1002"],
    );
    let judgement = judged(&Parts::good().with("profiles", &more).evidence());
    let finding = find(&judgement, "AUT-GPO-06");
    assert_eq!((finding.verdict, finding.confidence), (Verdict::Pass, Confidence::Medium));
    assert!(finding.checks[0].seen.iter().any(|seen| seen.contains("S-1-5-21-11-22-33-1002")));
}

#[test]
fn encodings_do_not_matter_and_languages_do_not_either() {
    let ascii = Parts::good().bytes(
        "secedit-merged",
        "secedit-merged.inf",
        policy(&[]).replace('Ü', "U").replace('\n', "\r\n").as_bytes(),
    );
    let ansi: Vec<u8> =
        policy(&[]).replace('\n', "\r\n").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let ansi = Parts::good().bytes("secedit-merged", "secedit-merged.inf", &ansi);
    let german = Parts::good()
        .with("netstat", &netstat("").replace("LISTENING", "ABHÖREN").replace("Local Address ", "Lokale Adresse"));
    for parts in [ascii, ansi, german] {
        let judgement = judged(&parts.evidence());
        assert_eq!(find(&judgement, "AUT-GPO-05").verdict, Verdict::Pass);
        assert_eq!(find(&judgement, "CTL-NET-06").verdict, Verdict::Pass);
    }
}

#[test]
fn an_old_bundle_and_a_clock_that_is_ahead_are_believed_less() {
    let at = |utc: &str| {
        let parts = Parts::good().with("system", &format!("utc={utc}\nboot=2026-11-01T00:00:00Z\nbuild=17763\npart_of_domain=False\nnetwork=Public\ncomplete=yes\n"));
        let judgement = judged(&parts.evidence());
        let finding = find(&judgement, "AUT-GPO-01");
        (finding.verdict, finding.confidence, finding.checks[0].seen.join("; "))
    };
    assert_eq!(at("2026-11-21T11:59:00Z").1, Confidence::High);
    let (verdict, confidence, seen) = at("2026-11-01T00:00:00Z");
    assert_eq!((verdict, confidence), (Verdict::Pass, Confidence::Medium));
    assert!(seen.contains("20 days old"), "{seen}");
    assert_eq!(at("2026-01-01T00:00:00Z").1, Confidence::Low);
    assert_eq!(at("2026-11-21T13:00:00Z").1, Confidence::Low);
}

#[test]
fn a_default_is_read_as_this_windows_has_it() {
    let unset = export(&[(SCHANNEL, &[])]);
    let verdict = |build: &str| {
        let system = format!("utc=2026-11-21T11:00:00Z\nbuild={build}\npart_of_domain=False\ncomplete=yes\n");
        let parts = Parts::good().with("schannel", &unset).with("system", &system);
        find(&judged(&parts.evidence()), "AUT-TLS-01").verdict
    };
    assert_eq!(verdict("17763"), Verdict::Fail);
    assert_eq!(
        verdict("26100"),
        Verdict::NeedsEvidence,
        "what the newest Windows does without a setting is not relied on"
    );
}

#[test]
fn the_restart_is_told_by_a_scan_only() {
    let judgement = judged(&Parts::good().evidence());
    let finding = find(&judgement, "AUT-TLS-03");
    assert_eq!(finding.verdict, Verdict::NeedsEvidence);
    assert!(finding.checks[0].why.contains("no built-in command"), "{}", finding.checks[0].why);
    assert_eq!(find(&judgement, "IIS-SVC-02").verdict, Verdict::NotApplicable);
}

#[test]
fn ports_are_not_judged_without_a_look_from_outside() {
    let judgement = judged(&Parts::good().with("firewall", &firewall(&[WEB_RULE])).evidence());
    for item in ["AUT-NET-02", "AUT-NET-12", "AUT-NET-11"] {
        let finding = find(&judgement, item);
        assert_eq!(finding.verdict, Verdict::Inconclusive, "{:#?}", finding.checks);
        assert!(finding.checks[0].settle.as_ref().is_some_and(|settle| settle.contains("--host-evidence")));
    }
    let table = &judgement.evidence.as_ref().unwrap().firewall;
    let row = table.iter().find(|row| row.port == "tcp/443").unwrap();
    assert_eq!((row.claim.as_str(), row.listener.as_deref()), ("let in", Some("System")));
}

#[test]
fn without_iis_the_header_is_that_of_http_sys() {
    let services = listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services", &[], &["HTTP", "wuauserv"]);
    let parameters = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\HTTP\Parameters";
    let bare =
        Parts::good().silent("iis").silent("web-configs").failing("w3svc", "w3svc.txt", 1).with("services", &services);
    assert_eq!(find(&judged(&bare.evidence()), "SC-HTTP-01").verdict, Verdict::Pass);
    let sends = bare.clone().with("http", &listing(parameters, &["MaxConnections    REG_DWORD    0x2"], &[]));
    assert_eq!(find(&judged(&sends.evidence()), "SC-HTTP-01").verdict, Verdict::Fail);
    let untold = bare.silent("services");
    assert_eq!(find(&judged(&untold.evidence()), "SC-HTTP-01").verdict, Verdict::NeedsEvidence);
}

#[test]
fn what_is_proven_not_to_be_there_is_not_missing() {
    let evidence = Parts::good().evidence();
    let missing: Vec<&str> = evidence.missing.iter().map(|(what, _)| what.as_str()).collect();
    assert!(!missing.contains(&"wmsvc") && !missing.contains(&"firewall-policy"), "{missing:?}");
}

#[test]
fn a_rule_against_automates_own_programs_fails() {
    let rule = r"v2.30|Action=Block|Active=TRUE|Dir=In|App=C:\\Windows\\LTSvc\\LTSVC.exe|";
    let judgement = judged(&Parts::good().with("firewall", &firewall(&[WEB_RULE, rule])).evidence());
    let finding = find(&judgement, "AUT-NET-04");
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(finding.checks[0].seen[0].contains("LTSVC.exe"), "{:?}", finding.checks[0].seen);
}

/// Ports as they were seen from outside.
pub(crate) fn seen(ports: &[(&str, PortState)], decoys: usize) -> (Vec<AddressRun>, Vec<Observation>) {
    let address = "203.0.113.9".parse().unwrap();
    let health = AddressHealth { answered: true, decoys_asked: decoys, ..AddressHealth::default() };
    let observation = |(number, (ports, state)): (u32, &(&str, PortState))| {
        let reason = if *state == PortState::Open { PortReason::HandshakeCompleted } else { PortReason::Silence };
        Observation {
            id: ObservationId(number),
            address,
            question: Question::Port { ports: ports.parse().unwrap() },
            started_ms: 0,
            elapsed_ms: 1,
            elapsed_max_ms: 1,
            tries: 3,
            attempt: Attempt::Answered { fact: Fact::Port(PortFact { state: *state, reason, sender: None }) },
        }
    };
    let observations = (1..).zip(ports).map(observation).collect();
    (vec![AddressRun { address, vantage: None, health }], observations)
}

/// The one case in which the host turns silence into a pass, and everything that keeps it from doing so.
#[test]
fn silence_passes_only_where_a_bundle_of_today_and_of_this_host_has_no_listener() {
    let silent = [("tcp/443", PortState::Open), ("udp/70-74", PortState::OpenOrFiltered)];
    let at = |shared: bool, parts: Option<Parts>, ports: &[(&str, PortState)], decoys| {
        let (addresses, observations) = seen(ports, decoys);
        let evidence = parts.map(|parts| parts.evidence());
        let judgement = judged_beside(evidence.as_ref(), &addresses, &observations, shared);
        let finding = find(&judgement, "AUT-NET-07");
        (finding.verdict, finding.confidence)
    };
    let verdict = |parts, ports: &[(&str, PortState)], decoys| at(false, parts, ports, decoys);
    assert_eq!(verdict(None, &silent, 3).0, Verdict::Inconclusive);
    assert_eq!(verdict(Some(Parts::good()), &silent, 3), (Verdict::Pass, Confidence::Medium));
    let shared = at(true, Some(Parts::good()), &silent, 3).0;
    assert_eq!(shared, Verdict::Inconclusive, "another machine at the address may listen");
    let listens = Parts::good()
        .with("netstat", &netstat("  UDP    0.0.0.0:71             *:*                                    1200\n"));
    assert_eq!(verdict(Some(listens), &silent, 3).0, Verdict::Inconclusive);
    assert_eq!(verdict(Some(Parts::good().silent("netstat")), &silent, 3).0, Verdict::Inconclusive);
    let old = Parts::good().with("system", "utc=2026-11-18T11:00:00Z\npart_of_domain=False\ncomplete=yes\n");
    assert_eq!(verdict(Some(old), &silent, 3).0, Verdict::Inconclusive);
    let other =
        Parts::good().with("netstat", "\n  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       900\n  UDP    0.0.0.0:123            *:*                                    900\n");
    assert_eq!(verdict(Some(other), &silent, 3).0, Verdict::Inconclusive, "it is of another host");
    assert_eq!(
        verdict(Some(Parts::good()), &silent, 0).0,
        Verdict::Inconclusive,
        "no handshake is believed without decoys"
    );
    let more = [("tcp/443", PortState::Open), ("tcp/9999", PortState::Open), ("udp/70-74", PortState::OpenOrFiltered)];
    assert_eq!(verdict(Some(Parts::good()), &more, 3).0, Verdict::Inconclusive, "another machine answers too");
    let some = [("tcp/443", PortState::Open), ("udp/70-72", PortState::OpenOrFiltered)];
    assert_eq!(verdict(Some(Parts::good()), &some, 3).0, Verdict::Inconclusive, "two ports were not asked");
    let open = [("tcp/443", PortState::Open), ("udp/70-73", PortState::OpenOrFiltered), ("udp/74", PortState::Open)];
    assert_eq!(verdict(Some(Parts::good()), &open, 3).0, Verdict::Fail, "the network wins");
}
