//! The demo: every fault that is planted in its servers is found, and none where none is planted. The tables were made
//! from the comments of `mock-servers/servers/*.toml` and the guides, not from what the program prints.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use support::{array, ended, json, portreeve, root, stdout, text};
use tempfile::TempDir;

/// One demo for all tests of this file.
static DEMO: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let output = portreeve().args(["demo", "--output"]).arg(folder.path()).output().unwrap();
    ended(&output, 0);
    let page = stdout(&output);
    (folder, page)
});

fn folder() -> &'static Path {
    DEMO.0.path()
}

/// What is said of the items of a target. A `*` stands for the rest of an id.
fn verdicts(name: &str, expected: &[(&str, &str)]) {
    let report = json(&folder().join("report.json"));
    let target = array(&report, "targets").iter().find(|target| target["name"] == name).unwrap();
    let mut said: BTreeMap<&str, &str> =
        array(target, "findings").iter().map(|finding| (text(finding, "item"), text(finding, "verdict"))).collect();
    let said_count = said.len();
    let mut wrong = Vec::new();
    for (verdict, items) in expected {
        for pattern in items.split_whitespace() {
            let matches = |item: &str| match pattern.strip_suffix('*') {
                Some(start) => item.starts_with(start),
                None => item == pattern,
            };
            let found: Vec<&str> = said.keys().copied().filter(|item| matches(item)).collect();
            if found.is_empty() {
                wrong.push(format!("{pattern} is not in the report (expected {verdict})"));
            }
            for item in found {
                let actual = said.remove(item).unwrap();
                if actual != *verdict {
                    wrong.push(format!("{item}: {actual}, expected {verdict}"));
                }
            }
        }
    }
    assert!(wrong.is_empty() && said.is_empty(), "{name}: {wrong:#?}; not expected: {said:?}");
    assert_eq!(target["summary"]["total"], said_count);
}

#[test]
fn every_fault_of_the_careless_automate_server_is_found() {
    verdicts(
        "automate-careless",
        &[
            (
                "fail",
                "AUT-NET-03 AUT-NET-05 AUT-NET-06 AUT-NET-07 AUT-NET-08 AUT-NET-09 AUT-NET-10 AUT-NET-11 AUT-NET-12 \
                 AUT-NET-13 AUT-NET-14 AUT-NET-15 AUT-TLS-01 AUT-TLS-02 AUT-IIS-01 AUT-IIS-02 AUT-IIS-03 IIS-SVC-01 \
                 BEY-HTTP-01 BEY-HTTP-03 BEY-HTTP-04 BEY-NET-01 BEY-NET-02 BEY-DB-01 BEY-RDP-01 BEY-SMB-01 BEY-TLS-02",
            ),
            // udp/75 says nothing to strangers: open or filtered.
            ("inconclusive", "AUT-NET-01"),
            // TRACE is refused with 501, and SSL 3.0 with a reset.
            ("pass", "AUT-NET-02 BEY-HTTP-02 BEY-TLS-01"),
            ("not-applicable", "AUT-API-02 AUT-API-03 BEY-VER-01 BEY-VER-02 IIS-SVC-02"),
            ("needs-evidence", "AUT-GPO-* AUT-NET-04 AUT-TLS-03 AUT-APP-03 AUT-APP-04 IIS-URA-*"),
            ("needs-attestation", "AUT-OS-01 AUT-ACC-* AUT-APP-01 AUT-APP-02 AUT-API-01 AUT-API-04"),
        ],
    );
}

#[test]
fn no_fault_is_seen_on_the_hardened_automate_server() {
    verdicts(
        "automate-hardened",
        &[
            ("fail", ""),
            // Silent UDP; and only a sweep shows that nothing else is open.
            ("inconclusive", "AUT-NET-01 AUT-NET-05"),
            (
                "pass",
                "AUT-NET-02 AUT-NET-03 AUT-NET-06 AUT-NET-07 AUT-NET-08 AUT-NET-09 AUT-NET-10 AUT-NET-11 AUT-NET-12 \
                 AUT-NET-13 AUT-NET-14 AUT-NET-15 AUT-TLS-01 AUT-TLS-02 AUT-IIS-01 AUT-IIS-02 AUT-IIS-03 IIS-SVC-01 \
                 BEY-HTTP-* BEY-NET-* BEY-DB-01 BEY-TLS-*",
            ),
            ("not-applicable", "AUT-API-02 AUT-API-03 BEY-VER-01 BEY-VER-02 BEY-RDP-01 BEY-SMB-01 IIS-SVC-02"),
            ("needs-evidence", "AUT-GPO-* AUT-NET-04 AUT-TLS-03 AUT-APP-03 AUT-APP-04 IIS-URA-*"),
            ("needs-attestation", "AUT-OS-01 AUT-ACC-* AUT-APP-01 AUT-APP-02 AUT-API-01 AUT-API-04"),
        ],
    );
}

#[test]
fn no_fault_is_seen_on_the_screenconnect_server() {
    verdicts(
        "screenconnect",
        &[
            ("fail", ""),
            ("inconclusive", ""),
            ("pass", "SC-NET-* SC-TLS-01 SC-TLS-02 SC-SSL-01 BEY-VER-01 BEY-HTTP-02 BEY-HTTP-03 BEY-DB-01 BEY-TLS-01"),
            // Its web server is no IIS, and says so in a header that no setting of IIS removes.
            ("not-applicable", "SC-HTTP-* BEY-VER-02 BEY-RDP-01 BEY-SMB-01"),
            ("needs-evidence", "SC-GPO-* SC-TLS-03"),
            ("needs-attestation", "SC-ACC-* SC-APP-01"),
        ],
    );
}

#[test]
fn every_fault_of_the_endpoint_central_server_is_found() {
    verdicts(
        "endpoint-central",
        &[
            ("fail", "EC-OPS-01 EC-LOG-03 EC-LOG-04 EC-COM-01 EC-COM-03 BEY-VER-02"),
            ("inconclusive", ""),
            ("pass", "EC-LOG-02 BEY-HTTP-02 BEY-DB-01 BEY-TLS-01"),
            ("not-applicable", "BEY-VER-01 BEY-HTTP-03 BEY-RDP-01 BEY-SMB-01"),
            ("needs-evidence", ""),
            ("needs-attestation", "EC-OPS-* EC-LOG-* EC-COM-* EC-MOD-*"),
        ],
    );
}

#[test]
fn what_was_planted_is_what_is_shown_as_seen() {
    let report = json(&folder().join("report.json"));
    let seen = |target: &str, item: &str| {
        let target = array(&report, "targets").iter().find(|known| known["name"] == target).unwrap();
        let finding = array(target, "findings").iter().find(|known| known["item"] == item).unwrap();
        let failed = array(finding, "checks").iter().filter(|check| check["verdict"] == "fail");
        let lines: Vec<&str> = failed.flat_map(|check| array(check, "seen")).filter_map(Value::as_str).collect();
        lines.join("\n")
    };
    for (target, item, words) in [
        ("automate-careless", "AUT-NET-06", "tcp/70 "),
        ("automate-careless", "AUT-NET-12", "MySQL"),
        ("automate-careless", "AUT-NET-07", "udp/70"),
        ("automate-careless", "AUT-NET-09", "tcp/40000"),
        ("automate-careless", "AUT-NET-10", "udp/40000"),
        ("automate-careless", "AUT-TLS-01", "accepts TLS 1.0"),
        ("automate-careless", "AUT-IIS-01", "Microsoft-IIS/10.0"),
        ("automate-careless", "AUT-IIS-02", "X-AspNet-Version"),
        ("automate-careless", "BEY-HTTP-04", "192.168.77.10"),
        ("automate-careless", "BEY-DB-01", "tcp/33060"),
        ("automate-careless", "IIS-SVC-01", "tcp/8172"),
        ("endpoint-central", "EC-OPS-01", "10.0.474"),
        ("endpoint-central", "BEY-VER-02", "10.0.474"),
        ("endpoint-central", "EC-LOG-03", "tcp/8040"),
        ("endpoint-central", "EC-COM-03", "accepts TLS 1.0"),
    ] {
        let shown = seen(target, item);
        assert!(shown.contains(words), "{target} {item}: {words:?} is not in {shown:?}");
    }
    assert!(!seen("endpoint-central", "EC-COM-03").contains("accepts TLS 1.1"), "TLS 1.1 is refused there");
}

/// The demo asks nothing on this machine but what it started itself.
#[test]
fn the_demo_asks_its_own_servers_only() {
    let report = json(&folder().join("report.json"));
    let range = |text: &str| {
        let (transport, ports) = text.split_once('/').unwrap();
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let ports = first.parse::<u16>().unwrap()..=last.parse().unwrap();
        ports.map(|port| (transport.to_owned(), port)).collect::<Vec<_>>()
    };
    for target in array(&report, "targets") {
        let own: BTreeSet<_> = array(target, "moved").iter().flat_map(|moved| range(text(moved, "to"))).collect();
        let asked = array(target, "observations").iter().map(|observation| &observation["question"]);
        let asked =
            asked.filter(|question| question["ask"] == "port").flat_map(|question| range(text(question, "ports")));
        let strange: Vec<_> = asked.filter(|port| !own.contains(port)).collect();
        assert!(strange.is_empty(), "{}: {strange:?}", target["name"]);
    }
}

#[test]
fn the_json_report_is_as_its_schema_says() {
    let schema = json(&root().join("schema/run-v1.schema.json"));
    let report = json(&folder().join("report.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let printed: Value = serde_json::from_slice(&support::run(&["schema"]).stdout).unwrap();
    assert!(printed == schema, "schema/run-v1.schema.json is not what `portreeve schema` prints");
    let printed: Value = serde_json::from_slice(&support::run(&["schema", "diff"]).stdout).unwrap();
    assert!(printed == json(&root().join("schema/diff-v1.schema.json")), "`portreeve schema diff` prints another one");
    let printed: Value = serde_json::from_slice(&support::run(&["schema", "alert"]).stdout).unwrap();
    assert!(
        printed == json(&root().join("schema/alert-v1.schema.json")),
        "`portreeve schema alert` prints another one"
    );
}

/// A page for a client loads nothing and runs nothing; it links to documents of its references only.
#[test]
fn the_html_report_loads_and_runs_nothing() {
    let page = std::fs::read_to_string(folder().join("report.html")).unwrap();
    let small = page.to_ascii_lowercase();
    let forbidden = [
        "src=",
        "<script",
        "javascript:",
        "<iframe",
        "<link",
        "<object",
        "<embed",
        "<form",
        "@import",
        "url(",
        "http://",
        " onload",
        " onclick",
    ];
    for forbidden in forbidden {
        // What a server said may hold anything, as text.
        let found = small.find(forbidden).map(|at| small.get(at.saturating_sub(80)..at + 80));
        let harmless = forbidden == "http://" && !small.contains("=\"http://") && !small.contains("='http://");
        assert!(found.is_none() || harmless, "{forbidden}: {found:?}");
    }
    let report = json(&folder().join("report.json"));
    let references: BTreeSet<&str> = array(&report, "targets")
        .iter()
        .flat_map(|target| array(target, "findings"))
        .flat_map(|finding| array(finding, "references"))
        .filter_map(Value::as_str)
        .collect();
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link.starts_with("https://"), "{link}");
        let known = references.iter().any(|reference| link.replace("&amp;", "&").contains(reference) || derived(link));
        assert!(link.starts_with('#') || known, "{link} is no reference");
    }
    for name in ["automate-hardened", "automate-careless", "screenconnect", "endpoint-central"] {
        assert!(page.contains(name), "{name} is not on the page");
    }
}

/// Addresses that are made of an id: of a CVE, of a STIG.
fn derived(link: &str) -> bool {
    ["https://nvd.nist.gov/", "https://www.cve.org/", "https://stigaview.com/", "https://www.stigviewer.com/"]
        .iter()
        .any(|site| link.starts_with(site))
}

#[test]
fn the_terminal_names_the_servers_and_the_reports() {
    let page = &DEMO.1;
    for words in ["automate-careless", "report.html", "report.json", "mock servers on loopback", "SUMMARY"] {
        assert!(page.contains(words), "{words} is not in:\n{page}");
    }
    assert!(!page.contains('\u{1b}'), "colours where there is no terminal");
}

/// The inventory that the demo leaves is one that a scan accepts: its servers are gone, and the plan is still sound.
#[test]
fn the_demos_inventory_can_be_read() {
    let inventory = folder().join("targets.toml");
    let output =
        portreeve().args(["scan", "--dry-run", "--format", "json", "--targets"]).arg(inventory).output().unwrap();
    ended(&output, 0);
    let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(array(&plan, "targets").len(), 4);
}
