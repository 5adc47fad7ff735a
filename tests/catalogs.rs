//! The guides: no recommendation of theirs is missing, each is explained, and a user's own guide is read as strictly as
//! those that are built in.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use support::{Mock, SMALL, WEB, array, ended, json, portreeve, root, run, stderr, stdout, text};

/// Every id of every guide. `A-01..03` stands for `A-01 A-02 A-03`.
const FLOOR: [(&str, &str); 5] = [
    (
        "automate",
        "AUT-OS-01 AUT-ACC-01..04 AUT-GPO-01..06 AUT-NET-01..15 AUT-TLS-01..03 AUT-APP-01..04 AUT-IIS-01..03 \
         AUT-API-01..04",
    ),
    (
        "control",
        "CTL-OS-01 CTL-GPO-01..06 CTL-ACC-01 CTL-IIS-01..03 CTL-NET-01..06 CTL-TLS-01..03 CTL-SSL-01 CTL-APP-01..02 \
         CTL-SEC-01..16",
    ),
    ("screenconnect", "SC-ACC-01..04 SC-GPO-01..06 SC-NET-01..05 SC-TLS-01..03 SC-APP-01 SC-HTTP-01..03 SC-SSL-01"),
    ("endpoint-central", "EC-OPS-01..07 EC-LOG-01..08 EC-COM-01..06 EC-MOD-01..28"),
    ("iis", "IIS-URA-01..06 IIS-SVC-01..02"),
];

fn expanded(ids: &str) -> BTreeSet<String> {
    let expand = |id: &str| match id.split_once("..") {
        None => vec![id.to_owned()],
        Some((first, last)) => {
            let (stem, first) = first.rsplit_once('-').unwrap();
            let numbers = first.parse::<u32>().unwrap()..=last.parse().unwrap();
            numbers.map(|number| format!("{stem}-{number:02}")).collect()
        }
    };
    ids.split_whitespace().flat_map(expand).collect()
}

/// The ids that `guides list` shows.
fn listed(arguments: &[&str]) -> BTreeSet<String> {
    let output = portreeve().args(["guides", "list", "--width", "200"]).args(arguments).output().unwrap();
    ended(&output, 0);
    let lines = stdout(&output);
    lines.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn every_guide_has_exactly_its_recommendations() {
    let count: usize = FLOOR.iter().map(|(_, ids)| expanded(ids).len()).sum();
    assert_eq!(count, 40 + 39 + 23 + 49 + 8);
    for (guide, ids) in FLOOR {
        assert_eq!(listed(&["--guide", guide]), expanded(ids), "{guide}");
    }
    let beyond = listed(&["--guide", "beyond"]);
    assert!(!beyond.is_empty() && beyond.iter().all(|id| id.starts_with("BEY-")), "{beyond:?}");
}

/// Nothing is dropped in silence: a report shows every item, also of a server that could not be asked at all.
#[test]
fn a_report_shows_every_item_of_the_guides_that_apply() {
    for (role, ids) in FLOOR {
        let output = run(&["scan", "no-such-host.invalid", "--role", role, "--format", "json"]);
        ended(&output, 3);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let findings = array(&report["targets"][0], "findings");
        let shown: BTreeSet<String> = findings.iter().map(|finding| text(finding, "item").to_owned()).collect();
        assert_eq!(shown.len(), findings.len(), "{role}: an item twice");
        let own: BTreeSet<String> = shown.iter().filter(|id| !id.starts_with("BEY-")).cloned().collect();
        assert_eq!(own, expanded(ids), "{role}");
        for finding in findings {
            let verdict = text(finding, "verdict");
            let said = ["inconclusive", "needs-evidence", "needs-attestation", "not-applicable"].contains(&verdict);
            assert!(said, "{}: {verdict}", finding["item"]);
            assert!(
                !array(finding, "checks").is_empty() && !array(finding, "remedy").is_empty(),
                "{}",
                finding["item"]
            );
        }
        let page = run(&["scan", "no-such-host.invalid", "--role", role, "--all", "--width", "200"]);
        for id in expanded(ids) {
            assert!(stdout(&page).contains(&id), "{id} is not on the terminal");
        }
    }
}

#[test]
fn every_item_can_be_shown_with_reason_and_remedy() {
    for (_, ids) in FLOOR {
        for id in expanded(ids) {
            let output = run(&["guides", "show", &id.to_lowercase()]);
            ended(&output, 0);
            let page = stdout(&output);
            assert!(page.starts_with(&format!("{id}  ")), "{page}");
            for part in ["\nWhy\n  ", "\nHow portreeve decides\n  ", "\nWhat must hold\n  ", "\nHow to mend it\n  1. "]
            {
                assert!(page.contains(part), "{id} has no {part:?}:\n{page}");
            }
            assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
        }
    }
}

#[test]
fn the_guides_themselves_and_a_guide_of_ones_own_are_sound() {
    let mut files: Vec<String> = FLOOR.iter().map(|(guide, _)| format!("guides/{guide}.toml")).collect();
    files.extend(["guides/beyond.toml".to_owned(), SMALL.to_owned()]);
    for file in files {
        let output = run(&["guides", "check", &file]);
        ended(&output, 0);
        assert!(stdout(&output).contains(" examples run"), "{}", stdout(&output));
    }
}

/// The small guide with one mistake made in it, where the mistake is, and what is said of it.
const MISTAKES: [(&str, &str, &str, &str); 22] = [
    ("unknown-check", "check = \"reachable\"", "check = \"reachible\"", "did you mean `reachable`?"),
    ("missing-ports", "ports = [\"tcp/80\"]\n", "", "the check `unreachable` needs `ports`"),
    ("empty-ports", "ports = [\"tcp/80\"]", "ports = []", "`ports` is empty"),
    ("wrong-ports", "ports = [\"tcp/80\"]", "ports = [\"tcp/80000\"]", "80000"),
    ("stranger", "check = \"reachable\"\n", "check = \"reachable\"\nheaders = [\"X\"]\n", "has no `headers`"),
    (
        "no-example",
        "[[item.rule.example]]\nseen = [\"tcp/443 open\"]\nverdict = \"pass\"\n",
        "",
        "the rule has no example",
    ),
    ("example-does-not-hold", "verdict = \"pass\"", "verdict = \"fail\"", "SML-01: the example says"),
    ("example-unreadable", "tcp/443 open", "tcp/443 ajar", "no observation that is known"),
    ("unknown-verdict", "verdict = \"pass\"", "verdict = \"passed\"", "did you mean `pass`?"),
    ("duplicate-id", "id = \"SML-02\"", "id = \"SML-01\"", "already used in line 12"),
    ("id-of-another-guide", "id = \"SML-02\"", "id = \"AUT-NET-01\"", "is in the guides"),
    ("id-in-small-letters", "id = \"SML-02\"", "id = \"sml-02\"", "only A-Z, 0-9"),
    ("bad-stig", "V-218821", "V-2188", "`V-` and six digits"),
    ("bad-cis", "IIS 7.3", "IIS", "ends with a section number"),
    ("bad-cve", "CVE-2024-1709", "CVE-24-1", "looks like `CVE-2024-1709`"),
    ("plain-url", "url = \"https://", "url = \"http://", "starts with `https://`"),
    ("plain-reference", "urls = [\"https://", "urls = [\"http://", "starts with `https://`"),
    ("how-without-rule", "how = [\"outside\"]", "how = [\"outside\", \"attestation\"]", "no rule needs an attestation"),
    ("rule-without-how", "how = [\"outside\", \"host\"]", "how = [\"host\"]", "`how` does not say `outside`"),
    ("no-remedy", "remedy = [\"Open it.\"]", "remedy = []", "`remedy` is empty"),
    ("unknown-severity", "severity = \"medium\"", "severity = \"midium\"", "did you mean `medium`?"),
    ("unknown-role", "roles = [\"iis\"]", "roles = [\"isi\"]", "did you mean `iis`?"),
];

#[test]
fn every_mistake_in_a_catalog_is_named_where_it_is() {
    let good = fs::read_to_string(root().join(SMALL)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, from, to, said) in MISTAKES {
        assert!(good.contains(from), "{name}: the good guide has no {from:?}");
        let file = format!("{name}.toml");
        fs::write(folder.path().join(&file), good.replacen(from, to, 1)).unwrap();
        let output = portreeve().current_dir(folder.path()).args(["guides", "check", &file]).output().unwrap();
        ended(&output, 2);
        let message = stderr(&output);
        assert!(message.contains(said), "{name}: {message}");
        assert!(message.ends_with(" found.\n"), "{name}: there was nothing to be scanned: {message}");
        // The guide as a whole is wrong where it takes an id of another.
        if name == "id-of-another-guide" {
            assert!(message.starts_with("error: guide small: "), "{message}");
            continue;
        }
        let line =
            message.split(&format!("{file}:")).nth(1).and_then(|rest| rest.split(':').next()).map(str::parse::<usize>);
        assert!(line.is_some_and(|line| line.is_ok_and(|line| line > 0)), "{name}: {message}");
    }
}

#[test]
fn a_wrong_guide_keeps_a_scan_from_beginning() {
    let mock = Mock::new(WEB);
    let file = mock.path("wrong.toml");
    let good = fs::read_to_string(root().join(SMALL)).unwrap();
    fs::write(&file, good.replace("tcp/80", "tcp/0")).unwrap();
    let output = mock.scan_as("roles = [\"iis\"]", &["--guide", file.to_str().unwrap()]).output().unwrap();
    ended(&output, 2);
    assert!(stderr(&output).contains("wrong.toml:"), "{}", stderr(&output));
    assert_eq!(mock.asked(), 0);
}

#[test]
fn a_guide_of_ones_own_takes_the_place_of_the_one_with_its_id() {
    let mock = Mock::new(WEB);
    let scan = |guide: &str, file: &str| {
        let path = mock.path(file);
        let arguments = ["--quiet", "--fail-on", "never", "--guide", guide, "--json", path.to_str().unwrap()];
        ended(&mock.scan_as("roles = [\"iis\"]", &arguments).output().unwrap(), 0);
        json(&path)
    };
    let own = mock.path("iis.toml");
    let text = fs::read_to_string(root().join(SMALL)).unwrap().replace("id = \"small\"", "id = \"iis\"");
    fs::write(&own, text).unwrap();
    let report = scan(own.to_str().unwrap(), "own.json");
    let guides = array(&report, "guides");
    assert_eq!(guides.len(), 1);
    assert_eq!(
        (&guides[0]["id"], &guides[0]["built_in"], &guides[0]["revision"]),
        (&"iis".into(), &false.into(), &"1".into())
    );
    let items: Vec<&str> =
        array(&report["targets"][0], "findings").iter().map(|finding| support::text(finding, "item")).collect();
    assert_eq!(items, ["SML-01", "SML-02", "SML-03"]);

    let changed = mock.path("changed.toml");
    fs::write(&changed, format!("{}\n", fs::read_to_string(&own).unwrap())).unwrap();
    let other = scan(changed.to_str().unwrap(), "changed.json");
    let digest = |report: &serde_json::Value| report["guides"][0]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(digest(&report).len(), 64);
    assert_ne!(digest(&report), digest(&other), "another text has another digest");

    let built_in = run(&["scan", "no-such-host.invalid", "--role", "iis", "--guide", "iis", "--format", "json"]);
    let built_in: serde_json::Value = serde_json::from_str(&stdout(&built_in)).unwrap();
    assert_eq!(built_in["guides"][0]["built_in"], true);
}
