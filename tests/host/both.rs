//! A scan with a bundle: one verdict from both sides, and what they contradict each other on.

use crate::parts::{Parts, firewall, netstat, policy};
use crate::support::{HANGS, Mock, SMALL, array, ended, json, portreeve, process, stderr, stdout, text};
use mock_servers::Builtin;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;

fn fresh() -> Parts {
    let now = jiff::Timestamp::now();
    let system = format!(
        "utc={now}\nboot=2026-11-20T03:00:00Z\nbuild=17763\npart_of_domain=False\nrole=2\nnetwork=Public\ncomplete=yes\n"
    );
    Parts::good().with("system", &system)
}

/// A scan of a mock with this bundle, as text and as JSON.
fn scan(mock: &Mock, parts: &Parts) -> (String, Value) {
    let (bundle, report) = (mock.path("evidence"), mock.path("run.json"));
    parts.write(&bundle);
    let keys = "roles = [\"automate\", \"iis\"]\nactive_directory = false\ncontrol = \"none\"\nredirectors = false";
    let mut command = mock.scan_as(keys, &["--all", "--json", report.to_str().unwrap()]);
    let output = command.arg("--host-evidence").arg(format!("Test/mock={}", bundle.display())).output().unwrap();
    assert!(Path::new(&report).exists(), "{}", stderr(&output));
    (stdout(&output), json(&report))
}

fn finding<'a>(report: &'a Value, item: &str) -> &'a Value {
    let target = &array(report, "targets")[0];
    array(target, "findings").iter().find(|finding| text(finding, "item") == item).unwrap()
}

fn contradictions(report: &Value) -> &[Value] {
    array(&array(report, "targets")[0]["host_evidence"], "contradictions")
}

#[test]
fn what_the_host_denies_and_the_network_shows_is_a_contradiction() {
    let mock = Mock::builtin(Builtin::AutomateCareless);
    let (said, report) = scan(&mock, &fresh());
    let found = contradictions(&report);
    let tls = found.iter().find(|one| text(one, "subject") == "TLS 1.0").unwrap_or_else(|| panic!("{found:#?}"));
    assert!(text(tls, "host").contains("\"Enabled\"=dword:00000000"), "{tls:#}");
    assert!(text(tls, "network").contains("TLS 1.0"), "{tls:#}");
    let explanations: Vec<&str> = array(tls, "explanations").iter().map(|one| one.as_str().unwrap()).collect();
    assert!(
        explanations.iter().any(|one| one.contains("not restarted") && one.contains("2026-11-20T03:00:00Z")),
        "{explanations:?}"
    );
    assert!(text(tls, "settle").contains("Restart"));
    assert!(said.contains("Contradiction on TLS 1.0"), "{said}");
    // The network is believed.
    assert_eq!(text(finding(&report, "AUT-TLS-01"), "verdict"), "fail");
    assert_eq!(text(finding(&report, "AUT-TLS-03"), "verdict"), "fail");
    // The database listens for the machine itself only, by the host's word, and is open from outside.
    assert_eq!(text(finding(&report, "AUT-NET-12"), "verdict"), "fail");
    assert!(found.iter().any(|one| text(one, "host").contains("127.0.0.1:3306")), "{found:#?}");
    // Headers that the configuration removes and the server sends.
    assert!(found.iter().any(|one| text(one, "subject").eq_ignore_ascii_case("x-powered-by")), "{found:#?}");
    let table = array(&array(&report, "targets")[0]["host_evidence"], "firewall");
    assert!(table.iter().any(|row| text(row, "together").starts_with("contradiction: open")), "{table:#?}");
}

#[test]
fn settings_that_are_in_effect_prove_the_restart() {
    let mock = Mock::builtin(Builtin::AutomateHardened);
    let (_, report) = scan(&mock, &fresh());
    let restarted = finding(&report, "AUT-TLS-03");
    assert_eq!((text(restarted, "verdict"), text(restarted, "confidence")), ("pass", "medium"), "{restarted:#}");
    let tls = finding(&report, "AUT-TLS-01");
    assert_eq!(text(tls, "verdict"), "pass");
    let check = &array(tls, "checks")[0];
    assert!(text(check, "why").contains("the host says the same"), "{check:#}");
    assert!(
        array(check, "seen").iter().any(|seen| seen.as_str().unwrap().starts_with("on the host: schannel.reg:")),
        "{check:#}"
    );
    assert!(
        !contradictions(&report).iter().any(|one| text(one, "subject").starts_with("TLS")),
        "{:#?}",
        contradictions(&report)
    );
    // What the host alone can answer is answered in the same report.
    assert_eq!(text(finding(&report, "AUT-GPO-05"), "verdict"), "pass");
}

#[test]
fn a_bundle_of_another_host_settles_nothing() {
    let mock = Mock::builtin(Builtin::AutomateHardened);
    let other = "\n  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       900\n  UDP    0.0.0.0:123            *:*                                    900\n";
    let (said, report) = scan(&mock, &fresh().with("netstat", other));
    let evidence = &array(&report, "targets")[0]["host_evidence"];
    assert!(
        array(evidence, "doubts").iter().any(|doubt| doubt.as_str().unwrap().contains("another host")),
        "{evidence:#}"
    );
    // What only the host can answer needs the evidence of this one, and each check says why; the network's own verdicts stand.
    for item in ["AUT-GPO-01", "AUT-GPO-05", "AUT-APP-03", "AUT-TLS-03"] {
        let found = finding(&report, item);
        assert_eq!(text(found, "verdict"), "needs-evidence", "{found:#}");
        assert!(array(found, "checks").iter().all(|check| text(check, "why").contains("another host")), "{found:#}");
    }
    let findings = array(&array(&report, "targets")[0], "findings");
    let by_host =
        |check: &Value| array(check, "seen").iter().any(|seen| seen.as_str().unwrap().contains("on the host:"));
    assert!(!findings.iter().flat_map(|one| array(one, "checks")).any(by_host), "{findings:#?}");
    let tls = finding(&report, "AUT-TLS-01");
    let seen = array(&array(tls, "checks")[0], "seen");
    assert!(seen.iter().any(|seen| seen.as_str().unwrap().contains("another host")), "{tls:#}");
    assert!(contradictions(&report).is_empty());
    assert_eq!(report["partial"], true);
    assert!(said.contains("! Evidence not whole") && said.contains("another host"), "{said}");
}

#[test]
fn what_was_not_collected_leaves_the_networks_verdict_alone() {
    let mock = Mock::builtin(Builtin::AutomateHardened);
    let missing = fresh().silent("schannel").silent("netstat").silent("iis").silent("firewall");
    let (_, report) = scan(&mock, &missing);
    assert_eq!(text(finding(&report, "AUT-TLS-01"), "verdict"), "pass");
    assert_eq!(text(finding(&report, "AUT-TLS-03"), "verdict"), "needs-evidence");
    assert!(contradictions(&report).is_empty(), "{:#?}", contradictions(&report));
}

/// A rule that blocks, and a port that answers.
#[test]
fn a_blocking_rule_and_an_open_port_contradict_each_other() {
    let mock = Mock::builtin(Builtin::AutomateCareless);
    let listens = netstat("").replace("127.0.0.1:3306         ", "0.0.0.0:3306           ");
    let block = firewall(&["v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=3306|Name=No database|"]);
    let (_, report) = scan(&mock, &fresh().with("netstat", &listens).with("firewall", &block));
    let found = contradictions(&report);
    assert!(
        found.iter().any(|one| text(one, "host").contains("a rule of the host's firewall blocks it")),
        "{found:#?}"
    );
}

#[test]
fn a_scan_with_evidence_that_is_not_whole_is_partial() {
    let mock = Mock::builtin(Builtin::AutomateHardened);
    let (_, report) = scan(&mock, &fresh());
    assert_eq!(report["partial"], false, "{:#}", array(&report, "targets")[0]["troubles"]);
    let (said, report) = scan(&mock, &fresh().with("whoami", "\"x\",\"Label\",\"S-1-16-8192\",\"\"\n"));
    assert_eq!(report["partial"], true);
    assert!(said.contains("! Evidence not whole") && said.contains("not elevated"), "{said}");
}

/// What the host said is judged with what was asked: a run is not gone on with beside another bundle.
#[test]
fn a_run_is_not_gone_on_with_when_the_evidence_is_another() {
    let mock = Mock::new(HANGS);
    let (bundle, store) = (mock.path("evidence"), mock.path("history.db"));
    fresh().write(&bundle);
    let mut command = process();
    command.arg("scan").arg("--targets").arg(mock.inventory("roles = [\"iis\"]")).args(["--guide", SMALL]);
    command.arg("--host-evidence").arg(format!("Test/mock={}", bundle.display())).arg("--store").arg(&store);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    mock.wait_for_connection(443);
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = || {
        let mut command = portreeve();
        command.args(["scan", "--resume", "last", "--fail-on", "never", "--store"]).arg(&store).output().unwrap()
    };
    std::fs::remove_dir_all(&bundle).unwrap();
    fresh().with("secedit-merged", &policy(&[("SeTcbPrivilege", "*S-1-5-18")])).write(&bundle);
    let output = resume();
    ended(&output, 2);
    assert!(stderr(&output).contains("the evidence from inside its hosts was changed"), "{}", stderr(&output));
}
