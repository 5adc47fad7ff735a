//! Expected rules from end to end: an inventory, or options, say what must be reachable and what must not; the report says
//! of each whether it holds, by which packet, and the exit code counts it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use mock_servers::Transport::{self, Tcp, Udp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;
use support::{Mock, SMALL, WEB, array, ended, in_namespace, json, portreeve, run, stderr, stdout, text};

/// What the small guide wants, and more of every kind.
const FACES: &str = "
[[face]]
port = \"tcp/3306\"
kind.mysql = {}
[[face]]
port = \"tcp/8443\"
[face.kind.http.tls]
[[face]]
port = \"tcp/22\"
kind = \"closed\"
[[face]]
port = \"tcp/3389\"
kind = \"closed\"
[[face]]
port = \"udp/75\"
kind = \"echo-udp\"
[[face]]
port = \"udp/76\"
kind = \"echo-udp\"
[[face]]
port = \"udp/161\"
kind = \"silent-udp\"
[[face]]
port = \"udp/162\"
kind = \"silent-udp\"
[[face]]
port = \"udp/163\"
kind = \"closed\"
";

fn mock() -> Mock {
    Mock::new(&format!("{WEB}{FACES}"))
}

/// A port as a rule names it: where it really is.
fn port(mock: &Mock, transport: Transport, logical: u16) -> String {
    format!("{transport}/{}", mock.running.actual(transport, logical).unwrap())
}

/// A scan of the mock with these rules; what it said, and its report.
fn scan(mock: &Mock, rules: &str, arguments: &[&str]) -> (Output, Value) {
    let file = mock.path("run.json");
    let keys = format!("roles = [\"iis\"]\n{rules}");
    let mut command = mock.scan_as(&keys, &["--guide", SMALL, "--json", file.to_str().unwrap()]);
    let output = command.args(arguments).output().unwrap();
    assert!(file.exists(), "{}", stderr(&output));
    let report = json(&file);
    (output, report)
}

/// The rules of the only target, by what they say.
fn rules(report: &Value) -> BTreeMap<String, &Value> {
    array(&report["targets"][0], "rules").iter().map(|rule| (text(rule, "rule").to_owned(), rule)).collect()
}

fn seen(rule: &Value) -> String {
    array(rule, "seen").iter().map(|seen| seen.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_rule_is_proved_violated_or_told_why_not() {
    let mock = mock();
    let tcp = |logical| port(&mock, Tcp, logical);
    let udp = |logical| port(&mock, Udp, logical);
    let keys = format!(
        "allow = [\"{}\", \"{}\", {{ ports = [\"{}\", \"{}\"], address = \"any\", note = \"CHG-1042\" }}]\n\
         deny = [\"{}\", \"{}\", \"{}\", \"{}\", \"{}\", \"rest\"]",
        tcp(443),
        tcp(22),
        udp(75),
        udp(162),
        tcp(3306),
        tcp(3389),
        udp(76),
        udp(161),
        udp(163),
    );
    let (output, report) = scan(&mock, &keys, &[]);
    ended(&output, 1);
    let found = rules(&report);
    let address = mock.running.address();
    let rest = "deny rest".to_owned();
    for (rule, verdict, said) in [
        (format!("allow {}", tcp(443)), "proved", "TCP handshake completed); HTTPS".to_owned()),
        (format!("allow {}", tcp(22)), "violated", format!("(TCP RST from {address})")),
        (format!("allow {} at any address", udp(75)), "proved", "came back".to_owned()),
        (format!("allow {} at any address", udp(162)), "inconclusive", "no answer".to_owned()),
        (format!("deny {}", tcp(3306)), "violated", "MySQL".to_owned()),
        (format!("deny {}", tcp(3389)), "proved", format!("(TCP RST from {address})")),
        (format!("deny {}", udp(76)), "violated", "came back".to_owned()),
        (format!("deny {}", udp(161)), "inconclusive", "open or filtered".to_owned()),
        (format!("deny {}", udp(163)), "proved", format!("port unreachable from {address}")),
        (rest, "violated", "HTTPS".to_owned()),
    ] {
        let Some(rule) = found.get(&rule) else { panic!("no `{rule}` in {:?}", found.keys()) };
        assert_eq!(text(rule, "verdict"), verdict, "{rule:#}");
        assert!(seen(rule).contains(&said), "{said}: {rule:#}");
        assert!(!array(rule, "rests_on").is_empty(), "{rule:#}");
        assert_eq!(rule["settle"].is_string(), verdict == "inconclusive", "{rule:#}");
    }
    assert_eq!(found.len(), 10);
    assert_eq!(found[&format!("allow {} at any address", udp(75))]["note"], "CHG-1042");
    let ids: Vec<&str> =
        array(&report["targets"][0], "observations").iter().map(|observation| text(observation, "id")).collect();
    let rested = found.values().flat_map(|rule| array(rule, "rests_on")).map(|id| id.as_str().unwrap());
    assert!(rested.into_iter().all(|id| ids.contains(&id)));
    let summary = &report["rules_summary"];
    assert_eq!((&summary["total"], &summary["violated"]), (&10.into(), &4.into()));
    assert_eq!((&summary["proved"], &summary["inconclusive"]), (&4.into(), &2.into()));
    let page = stdout(&output);
    for part in ["EXPECTED RULES (10)", "VIOLATED  allow", "PROVED  deny", "CHG-1042", "4 expected rules are violated"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn rules_count_for_the_exit_code() {
    let shut = "[[face]]\nport = \"tcp/3389\"\nkind = \"closed\"\n";
    let silent = "[[face]]\nport = \"udp/161\"\nkind = \"silent-udp\"\n";
    let (web, datagrams) = (Mock::new(&format!("{WEB}{shut}")), Mock::new(&format!("{WEB}{silent}")));
    let (https, shut, silent) = (port(&web, Tcp, 443), port(&web, Tcp, 3389), port(&datagrams, Udp, 161));
    for (mock, rules, limit, code) in [
        (&web, format!("allow = [\"{https}\"]\ndeny = [\"{shut}\"]"), "inconclusive", 0),
        (&web, format!("deny = [\"{https}\"]"), "fail", 1),
        (&web, format!("deny = [\"{https}\"]"), "never", 0),
        (&web, format!("allow = [\"{shut}\"]"), "fail", 1),
        (&datagrams, format!("deny = [\"{silent}\"]"), "fail", 0),
        (&datagrams, format!("deny = [\"{silent}\"]"), "inconclusive", 1),
        (&web, "deny = \"rest\"".to_owned(), "fail", 1),
    ] {
        ended(&scan(mock, &rules, &["--quiet", "--fail-on", limit]).0, code);
    }
}

/// Without a sweep "nothing else" is never proved, and what was asked is said.
#[test]
fn the_rest_is_not_proved_by_the_ports_that_happened_to_be_asked() {
    let mock = Mock::new(WEB);
    let rules_of = format!("allow = [\"{}\"]\ndeny = \"rest\"", port(&mock, Tcp, 443));
    ended(&scan(&mock, &rules_of, &["--quiet"]).0, 0);
    let (output, report) = scan(&mock, &rules_of, &["--quiet", "--fail-on", "inconclusive"]);
    ended(&output, 1);
    let found = rules(&report);
    let rest = found["deny rest"];
    assert_eq!(text(rest, "verdict"), "inconclusive");
    assert!(text(rest, "settle").contains("--sweep"), "{rest:#}");
    assert!(seen(rest).contains("of 65534 other TCP ports were asked"), "{rest:#}");
    assert!(seen(rest).contains(&port(&mock, Tcp, 80)), "{rest:#}");
}

#[test]
fn options_say_for_one_server_what_an_inventory_says_for_many() {
    let mock = mock();
    let address = mock.running.address().to_string();
    let (https, mysql, ssh) = (port(&mock, Tcp, 443), port(&mock, Tcp, 3306), port(&mock, Tcp, 22));
    let moved = format!("443={}", https.trim_start_matches("tcp/"));
    let denied = format!("{mysql},{ssh}");
    let begin = ["scan", &address, "--role", "iis", "--guide", SMALL, "--moved", &moved, "--shared-address"];
    let scan = |arguments: &[&str]| run(&[&begin[..], arguments].concat());
    let output = scan(&["--allow", &https, "--deny", &denied, "--format", "json", "--fail-on", "never"]);
    ended(&output, 0);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let found = rules(&report);
    assert_eq!(text(found[&format!("allow {https}")], "verdict"), "proved");
    assert_eq!(text(found[&format!("deny {mysql}")], "verdict"), "violated");
    assert_eq!(text(found[&format!("deny {ssh}")], "verdict"), "proved");
    for (arguments, said) in [
        (
            &["--allow", "tcp/22", "--deny", "tcp/20-25"][..],
            "--deny tcp/20-25: tcp/20-25 is denied here, and tcp/22 is",
        ),
        (&["--allow", "tcp/22,tcp/22"], "is already allowed"),
        (&["--allow", "rest"], "`rest` can only be denied"),
        (&["--allow", "22"], "write `tcp/22`"),
        (&["--deny", "all"], "`rest` stands for every TCP port"),
        (&["--expect", "tcp/80", "--deny", "tcp/80"], "is under `--expect`"),
        (&["--allow", "tcp/443"], "which is moved to"),
        (&["--deny", "tcp/1000-9999,udp/1-1001"], "10000 are the most"),
    ] {
        let output = scan(&[arguments, &["--dry-run"]].concat());
        ended(&output, 2);
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    let output = run(&["scan", "--targets", "targets/template.toml", "--deny", "tcp/1", "--dry-run"]);
    ended(&output, 2);
}

#[test]
fn a_plan_tells_which_rule_wants_a_port() {
    let arguments = ["scan", "198.51.100.1", "--role", "iis", "--guide", SMALL, "--dry-run", "--width", "200"];
    let rules = ["--allow", "tcp/443,udp/75", "--deny", "tcp/3000-3010,rest"];
    let output = run(&[&arguments[..], &rules].concat());
    ended(&output, 0);
    let plan = stdout(&output);
    for line in [
        "    tcp/443  for SML-01, rule allow tcp/443\n",
        "    tcp/3000-3010  for rule deny tcp/3000-3010\n",
        "    udp/75  for rule allow udp/75\n",
        "    every other TCP port that is asked  for rule deny rest\n",
    ] {
        assert!(plan.contains(line), "{line:?}: {plan}");
    }
    let output = run(&[&arguments[..], &rules, &["--format", "json"]].concat());
    let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(plan["targets"][0]["every_other_tcp_port"]["for"][0], "rule deny rest");
}

#[test]
fn a_default_of_the_inventory_holds_for_each_target_that_does_not_say_otherwise() {
    let mock = mock();
    let (mysql, ssh) = (port(&mock, Tcp, 3306), port(&mock, Tcp, 22));
    let target = mock.target("Test", "mock", &format!("roles = [\"iis\"]\nallow = [\"{mysql}\"]"));
    let file = mock.path("defaults.toml");
    std::fs::write(&file, format!("deny = [\"{mysql}\", {{ ports = \"{ssh}\", note = \"all\" }}]\n{target}")).unwrap();
    let mut command = portreeve();
    command.args(["scan", "--format", "json", "--guide", SMALL, "--targets"]).arg(&file);
    let output = command.arg("--ca-file").arg(mock.path("ca.pem")).output().unwrap();
    ended(&output, 0);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let found = rules(&report);
    assert_eq!(text(found[&format!("allow {mysql}")], "verdict"), "proved");
    assert_eq!(text(found[&format!("deny {mysql}")], "verdict"), "not-applicable");
    let ssh = found[&format!("deny {ssh}")];
    assert_eq!((text(ssh, "verdict"), &ssh["default"]), ("proved", &true.into()));
}

/// In a network namespace of its own, where nothing listens but the mock: all 65,535 ports may be asked there.
#[test]
fn a_sweep_proves_that_nothing_else_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "ip link set lo up; PORTREEVE_LAB=1 '{}' --exact sweeping --ignored --nocapture --test-threads=1",
        program.display()
    );
    let Some(output) = in_namespace(&script, folder.path()) else { return };
    ended(&output, 0);
    assert!(stdout(&output).contains("1 passed"), "{}", stdout(&output));
}

#[test]
#[ignore = "runs inside a namespace, started by the other test"]
fn sweeping() {
    if std::env::var_os("PORTREEVE_LAB").is_none() {
        return;
    }
    let mock = Mock::new(&format!("{WEB}{FACES}"));
    let tcp = |logical| port(&mock, Tcp, logical);
    let fast = ["--quiet", "--sweep", "--rate", "100000", "--max-rate", "1000000", "--fail-on", "never"];
    let allowed = format!("allow = [\"{}\", \"{}\"]\nexpected = [\"{}\"]", tcp(443), tcp(3306), tcp(8443));
    let (output, report) = scan(&mock, &format!("{allowed}\ndeny = \"rest\""), &fast);
    ended(&output, 0);
    let found = rules(&report);
    let rest = found["deny rest"];
    assert_eq!(text(rest, "verdict"), "proved", "{rest:#}");
    assert!(!array(rest, "rests_on").is_empty() && rest["settle"].is_null(), "{rest:#}");
    let (output, report) = scan(&mock, &format!("allow = [\"{}\"]\ndeny = \"rest\"", tcp(443)), &fast);
    ended(&output, 0);
    let found = rules(&report);
    let rest = found["deny rest"];
    assert_eq!(text(rest, "verdict"), "violated", "{rest:#}");
    let said = seen(rest);
    assert!(said.contains(&tcp(3306)) && said.contains("MySQL") && said.contains(&tcp(8443)), "{said}");
}
