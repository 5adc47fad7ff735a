//! The judge on bundles: what each item makes of good, bad and missing evidence.

use crate::parts::{
    IIS, POLICIES, Parts, SCHANNEL, USER, WEB_RULE, WINDOWS, export, firewall, listing, netstat, policy, schannel,
};
use portreeve::catalog::builtin::Catalogs;
use portreeve::host::evidence::Evidence;
use portreeve::judge::{Case, Judgement, judge};
use portreeve::model::fact::{Fact, PortFact, PortReason, PortState};
use portreeve::model::observation::{Attempt, Observation, ObservationId};
use portreeve::model::question::Question;
use portreeve::model::run::{AddressHealth, AddressRun};
use portreeve::model::target::{Host, Role, Target};
use portreeve::model::vantage::Ways;
use portreeve::model::verdict::{Confidence, Finding, Verdict};
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) fn judged(evidence: &Evidence) -> Judgement {
    judged_beside(Some(evidence), &[], &[])
}

/// With what was seen from outside; without anything seen, the evidence alone.
fn judged_beside(evidence: Option<&Evidence>, addresses: &[AddressRun], observations: &[Observation]) -> Judgement {
    static CATALOGS: LazyLock<Catalogs> = LazyLock::new(|| Catalogs::built_in().unwrap());
    let catalogs = &*CATALOGS;
    let roles: BTreeSet<Role> = [Role::Automate, Role::Control, Role::ScreenConnect, Role::Iis].into();
    let target = Target { roles, ..Target::new("c", Host::Name("h.example".to_owned())) };
    judge(Case {
        target: &target,
        addresses,
        observations,
        guides: &catalogs.guides,
        exploited: &catalogs.exploited,
        ways: &Ways::default(),
        evidence,
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

/// Cut anywhere, with a manifest that believes it: the readers themselves must notice, or what is left must not pass.
#[test]
fn a_file_that_was_cut_off_makes_no_pass() {
    let worst =
        Parts::good().with("secedit-merged", &policy(&[("SeTcbPrivilege", "*S-1-5-18")])).silent("secedit-local");
    let before = judged(&worst.evidence());
    for id in ["secedit-merged", "ltshare", "schannel", "netstat", "iis", "system", "whoami", "shares", "web-configs"] {
        for percent in [1, 13, 37, 50, 71, 90, 99] {
            let cut = worst.clone().change(id, |content| content.truncate(content.len() * percent / 100));
            let after = judged(&cut.evidence());
            for (before, after) in before.findings.iter().zip(&after.findings) {
                assert!(
                    after.verdict != Verdict::Pass || before.verdict == Verdict::Pass,
                    "{}: {id} cut at {percent} %",
                    after.item
                );
            }
        }
    }
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
    let services = listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services", &[], &["HTTP"]);
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
fn seen(ports: &[(&str, PortState)], decoys: usize) -> (Vec<AddressRun>, Vec<Observation>) {
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
    let verdict = |parts: Option<Parts>, ports: &[(&str, PortState)], decoys| {
        let (addresses, observations) = seen(ports, decoys);
        let evidence = parts.map(|parts| parts.evidence());
        let judgement = judged_beside(evidence.as_ref(), &addresses, &observations);
        let finding = find(&judgement, "AUT-NET-07");
        (finding.verdict, finding.confidence)
    };
    assert_eq!(verdict(None, &silent, 3).0, Verdict::Inconclusive);
    assert_eq!(verdict(Some(Parts::good()), &silent, 3), (Verdict::Pass, Confidence::Medium));
    let listens = Parts::good()
        .with("netstat", &netstat("  UDP    0.0.0.0:71             *:*                                    1200\n"));
    assert_eq!(verdict(Some(listens), &silent, 3).0, Verdict::Inconclusive);
    assert_eq!(verdict(Some(Parts::good().silent("netstat")), &silent, 3).0, Verdict::Inconclusive);
    let old = Parts::good().with("system", "utc=2026-11-18T11:00:00Z\npart_of_domain=False\ncomplete=yes\n");
    assert_eq!(verdict(Some(old), &silent, 3).0, Verdict::Inconclusive);
    let other =
        Parts::good().with("netstat", "\n  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       900\n");
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
