//! How the program ends, and what is left when it ends early. The numbers are part of its interface.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use support::{
    HANGS, Mock, SMALL, WEB, array, ended, in_namespace, json, portreeve, process, run, stderr, stdout, text,
};

const FAULTY: &str = "
[[face]]
port = \"tcp/443\"
[face.kind.http.product.iis]
[[face]]
port = \"tcp/80\"
[face.kind.http.product.iis]
";

#[test]
fn zero_when_nothing_is_at_or_beyond_the_limit() {
    let mock = Mock::new(WEB);
    ended(&mock.scan().output().unwrap(), 0);
    ended(&mock.scan().args(["--fail-on", "inconclusive"]).output().unwrap(), 0);
}

#[test]
fn one_when_something_fails_unless_nothing_counts() {
    let mock = Mock::new(FAULTY);
    ended(&mock.scan().output().unwrap(), 1);
    ended(&mock.scan().args(["--fail-on", "never"]).output().unwrap(), 0);
}

#[test]
fn one_when_a_person_is_needed_and_that_counts() {
    let mock = Mock::new("[[face]]\nport = \"tcp/1\"\nkind = \"closed\"\n");
    // The only item of the roles' guide that is chosen here is one that the host itself must answer.
    let guide = fs::read_to_string(support::root().join(SMALL)).unwrap();
    let head = guide.split("[[item]]").next().unwrap();
    let needs = "[[item]]\nid = \"SML-09\"\ntitle = \"t\"\nsection = \"s\"\nseverity = \"low\"\nhow = [\"host\"]\n\
        rationale = \"r\"\ncheck = \"c\"\nremedy = [\"r\"]\n[[item.rule]]\ncheck = \"needs\"\nsource = \"evidence\"\n\
        by = \"b\"\n[[item.rule.example]]\nseen = []\nverdict = \"needs-evidence\"\n";
    let file = mock.path("needs.toml");
    fs::write(&file, format!("{head}{needs}")).unwrap();
    let scan = |limit: &str| {
        let arguments = ["--guide", file.to_str().unwrap(), "--ports", "tcp/1", "--fail-on", limit];
        mock.scan_as("roles = [\"iis\"]", &arguments).output().unwrap()
    };
    ended(&scan("needs"), 1);
    ended(&scan("inconclusive"), 0);
}

#[test]
fn two_for_a_wrong_command_line() {
    for arguments in [
        &["scan"][..],
        &["scan", "one.invalid"],
        &["scan", "one.invalid", "--role", "automat"],
        &["scan", "one.invalid", "one.invalid", "--role", "iis"],
        &["scan", "127.0.0.1/8", "--role", "iis"],
        &["scan", "one.invalid", "--role", "iis", "--guide", "automate"],
        &["scan", "one.invalid", "--role", "iis", "--guide", "ais"],
        &["scan", "one.invalid", "--role", "iis", "--moved", "80=81", "--moved", "80=82"],
        &["scan", "one.invalid", "--role", "iis", "--timeout", "0"],
        &["scan", "one.invalid", "--role", "iis", "--timeout", "NaN"],
        &["scan", "one.invalid", "--role", "iis", "--rate", "0"],
        &["scan", "one.invalid", "--role", "iis", "--ca-file", "no-such-file.pem"],
        &["scan", "one.invalid", "--role", "iis", "--width", "10"],
        &["scan", "one.invalid", "--role", "iis", "--targets", "targets"],
        &["scan", "one.invalid", "--role", "iis", "-4", "-6"],
        // A selection that would be ignored, or a role that would be.
        &["scan", "one.invalid", "--role", "iis", "--client", "x"],
        &["scan", "one.invalid", "--role", "iis", "--tag", "x"],
        &["scan", "one.invalid", "--role", "iis", "--name", "x"],
        &["scan", "--targets", "targets/template.toml", "--role", "iis", "--dry-run"],
        &["scan", "--targets", "targets/template.toml", "--technicians", "3", "--dry-run"],
        &["probe", "tls", "127.0.0.1:0"],
        &["probe", "service", "127.0.0.1"],
        &["probe", "http", "ftp://127.0.0.1/"],
        &["probe", "http", "http://me@127.0.0.1/"],
        &["guides", "show", "AUT-NET-99"],
        &["nothing"],
    ] {
        let output = run(arguments);
        ended(&output, 2);
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn three_for_a_name_that_leads_nowhere_and_the_report_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let mut command = portreeve();
    command.args(["scan", "no-such-host.invalid", "--role", "automate", "--json"]).arg(&file).arg("--html").arg(&page);
    let output = command.output().unwrap();
    ended(&output, 3);
    assert!(stdout(&output).contains("PARTIAL RUN"), "{}", stdout(&output));
    let report = json(&file);
    assert_eq!((&report["partial"], &report["interrupted"]), (&true.into(), &false.into()));
    let target = &report["targets"][0];
    assert_eq!(array(target, "troubles").len(), 1, "{}", target["troubles"]);
    let findings = array(target, "findings");
    assert!(findings.len() > 40 && findings.iter().all(|finding| finding["verdict"] != "pass"));
    assert!(fs::read_to_string(page).unwrap().contains("no-such-host.invalid"));
}

#[test]
fn three_where_there_is_no_route_and_where_nothing_answers() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 198.51.100.1/24 dev v0
        ip link set v0 up; ip link set v1 up
        ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 nud permanent dev v0
        scan() { code=0; \"$PORTREEVE\" scan $1 --role iis --guide iis --timeout 0.2 --quiet --json $2 || code=$?; }
        scan 2001:db8::1 v6.json; echo $code; scan 203.0.113.1 v4.json; echo $code; scan 198.51.100.9 silent.json
        echo $code";
    let Some(output) = in_namespace(script, folder.path()) else { return };
    assert_eq!(stdout(&output), "3\n3\n3\n", "{}", stderr(&output));
    for (file, trouble) in [
        ("v6.json", "no route to 2001:db8::1"),
        ("v4.json", "no route to 203.0.113.1"),
        ("silent.json", "nothing came back that only the server itself"),
    ] {
        let report = json(&folder.path().join(file));
        let troubles = array(&report["targets"][0], "troubles").iter().map(ToString::to_string).collect::<String>();
        assert!(troubles.contains(trouble), "{file}: {troubles}");
        let verdicts = array(&report["targets"][0], "findings").iter().map(|finding| text(finding, "verdict"));
        assert!(verdicts.into_iter().all(|verdict| verdict != "pass" && verdict != "fail"), "{file}");
    }
}

/// A host that is down behind a working network: first silence, then the word that it cannot be reached.
#[test]
fn three_where_only_the_network_answers_for_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 198.51.100.1/24 dev v0
        ip link set v0 up; ip link set v1 up
        \"$PORTREEVE\" scan 198.51.100.9 --role iis --quiet --json run.json || echo $?";
    let Some(output) = in_namespace(script, folder.path()) else { return };
    assert_eq!(stdout(&output), "3\n", "{}", stderr(&output));
    assert_eq!(json(&folder.path().join("run.json"))["targets"][0]["addresses"][0]["answered"], false);
}

#[test]
fn ten_silent_targets_are_asked_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let hosts: Vec<String> = (10..20).map(|number| format!("198.51.100.{number}")).collect();
    let script = format!(
        "ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 198.51.100.1/24 dev v0
        ip link set v0 up; ip link set v1 up
        for host in {0}; do ip neigh add $host lladdr 02:00:00:00:00:09 nud permanent dev v0; done
        \"$PORTREEVE\" scan {0} --role iis --quiet --json run.json || echo $?",
        hosts.join(" ")
    );
    let Some(output) = in_namespace(&script, folder.path()) else { return };
    assert_eq!(stdout(&output), "3\n", "{}", stderr(&output));
    let report = json(&folder.path().join("run.json"));
    let number = |observation: &serde_json::Value, key: &str| observation[key].as_u64().unwrap();
    let spans = array(&report, "targets").iter().map(|target| {
        let observations = array(target, "observations");
        let begin = observations.iter().map(|one| number(one, "started_ms")).min().unwrap();
        let end = observations.iter().map(|one| number(one, "started_ms") + number(one, "elapsed_max_ms")).max();
        (begin, end.unwrap())
    });
    let (begins, ends): (Vec<u64>, Vec<u64>) = spans.unzip();
    assert_eq!(begins.len(), 10);
    assert!(begins.iter().max() < ends.iter().min(), "not all at the same time: {begins:?} {ends:?}");
}

/// Interrupts a scan that has got as far as the port that never says a word.
fn interrupted(mock: &Mock, quiet: bool) -> (std::process::Output, serde_json::Value) {
    let file = mock.path("run.json");
    let inventory = mock.inventory("roles = [\"iis\"]");
    let mut command = process();
    command
        .arg("scan")
        .arg("--targets")
        .arg(inventory)
        .args(["--guide", SMALL, "--timeout", "100", "--json"])
        .arg(&file);
    if quiet {
        command.arg("--quiet");
    }
    let before = mock.connections(mock_servers::Transport::Tcp, 443);
    assert_eq!(before, 0, "one interrupt for each mock");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    mock.wait_for_connection(443);
    assert!(!file.exists(), "the report is there before the end");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output, json(&file))
}

#[test]
fn three_after_an_interrupt_and_nothing_that_was_learned_is_lost() {
    let mock = Mock::new(HANGS);
    let (output, report) = interrupted(&mock, false);
    ended(&output, 3);
    assert!(stderr(&output).contains("interrupted: writing what was learned"), "{}", stderr(&output));
    assert!(stdout(&output).contains("PARTIAL RUN"), "{}", stdout(&output));
    assert_eq!((&report["interrupted"], &report["partial"]), (&true.into(), &true.into()));
    let target = &report["targets"][0];
    assert_eq!(array(target, "findings").len(), 3, "every item is there");
    assert!(!array(target, "observations").is_empty(), "what was learned is there");
    let left: Vec<_> = fs::read_dir(mock.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn a_quiet_scan_says_nothing_even_when_interrupted() {
    let mock = Mock::new(HANGS);
    let (output, report) = interrupted(&mock, true);
    ended(&output, 3);
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    assert_eq!(report["interrupted"], true);
}

#[test]
fn quiet_scans_speak_by_files_and_the_exit_code() {
    let mock = Mock::new(FAULTY);
    let output = mock.scan().args(["--quiet", "--json"]).arg(mock.path("run.json")).output().unwrap();
    ended(&output, 1);
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    assert_eq!(json(&mock.path("run.json"))["summary"]["fail"], 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&["guides", "list"][..], &["schema"], &["man"], &["completions", "bash"]] {
        let mut child = process().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        ended(&output, 0);
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn two_for_a_report_that_cannot_be_written_before_anything_is_asked() {
    let mock = Mock::new(FAULTY);
    let missing = mock.path("no/such/folder/run");
    let same = mock.path("same");
    for arguments in [
        vec!["--json", missing.to_str().unwrap()],
        vec!["--html", missing.to_str().unwrap()],
        vec!["--json", mock.folder.path().to_str().unwrap()],
        vec!["--json", same.to_str().unwrap(), "--html", same.to_str().unwrap()],
    ] {
        let output = mock.scan().args(&arguments).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
    assert_eq!(mock.asked(), 0, "the server was asked before it was known that the report can be written");
}

#[test]
fn a_client_is_shown_its_own_servers_only() {
    let mock = Mock::new(FAULTY);
    let clients = ["Acme Dental", "../Harbour & Söhne", "acme-dental"];
    let target = |client: &str, number: usize| {
        format!(
            "[[target]]\nclient = \"{client}\"\nname = \"server{number}\"\nhost = \"host{number}.invalid\"\nroles = [\"iis\"]\n"
        )
    };
    let inventory = mock.path("all.toml");
    let refused = format!("{}{}", target(clients[0], 1), target(clients[1], 2));
    fs::write(&inventory, &refused).unwrap();
    let scan = |html: &std::path::Path| {
        portreeve().args(["scan", "--targets"]).arg(&inventory).arg("--html").arg(html).output().unwrap()
    };
    ended(&scan(&mock.path("one.html")), 2);

    let names = ["Acme Dental", "Harbour & Söhne", "acme-dental"];
    let all: String = names.iter().zip(1..).map(|(client, number)| target(client, number)).collect();
    fs::write(&inventory, all).unwrap();
    let output = scan(&mock.path("one.html"));
    ended(&output, 2);
    assert!(stderr(&output).contains("3 clients"), "{}", stderr(&output));
    assert!(!mock.path("one.html").exists());

    let folder = mock.path("pages");
    fs::create_dir(&folder).unwrap();
    ended(&scan(&folder), 3);
    let pages: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(pages.len(), 3);
    for number in 1..=3 {
        let holding: Vec<&String> =
            pages.iter().filter(|page| page.contains(&format!("host{number}.invalid"))).collect();
        assert_eq!(holding.len(), 1, "host{number} is on {} pages", holding.len());
        let others = (1..=3).filter(|other| *other != number);
        for other in others {
            assert!(!holding[0].contains(&format!("server{other}")), "server{other} is on the page of server{number}");
        }
    }
}

#[test]
fn probes_end_with_zero_when_everything_was_answered() {
    let mock = Mock::new(FAULTY);
    let port = mock.running.actual(mock_servers::Transport::Tcp, 80).unwrap();
    let host = mock.running.address().to_string();
    let place = format!("{host}:{port}");
    ended(&run(&["probe", "ports", &host, "--tcp", &port.to_string()]), 0);
    ended(&run(&["probe", "service", &place]), 0);
    ended(&run(&["probe", "http", &format!("http://{place}/")]), 0);
    ended(&run(&["probe", "service", "no-such-host.invalid:80"]), 3);
}
