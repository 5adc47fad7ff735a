//! Many servers in one report, from outside: scans of mock servers over several runs, then the report in every form.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{HANGS, Mock, SMALL, WEB, another_run, array, ended, portreeve, stderr, stdout, text};

/// A command about the store in this folder.
fn about(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = portreeve();
    command.args(arguments).arg("--store").arg(folder.join("history.db"));
    command
}

/// A scan of a client's server, which is kept in this folder.
fn scanned(folder: &Path, mock: &Mock, names: (&str, &str)) {
    scanned_by(folder, mock, names, SMALL);
}

/// The same with this guide.
fn scanned_by(folder: &Path, mock: &Mock, (client, name): (&str, &str), guide: &str) {
    let inventory = folder.join("one.toml");
    fs::write(&inventory, mock.target(client, name, "roles = [\"iis\"]")).unwrap();
    let mut scan = about(folder, &["scan", "--quiet", "--fail-on", "never", "--guide", guide]);
    scan.arg("--targets").arg(&inventory).arg("--ca-file").arg(mock.path("ca.pem"));
    let output = scan.output().unwrap();
    assert!(output.status.code().is_some_and(|code| code != 2 && code != 4), "{}", stderr(&output));
}

/// Carries the last run of this client back into the store as one of another day, changed by `change`.
fn again(folder: &Path, client: &str, (uid, day): (u8, &str), change: impl Fn(&mut Value)) {
    let shown = about(folder, &["history", "--format", "json", "--client", client]).output().unwrap();
    ended(&shown, 0);
    let runs: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let first = array(&runs, "runs").iter().rev().find(|run| !text(run, "started").starts_with("2099")).unwrap();
    let (number, file) = (first["run"].to_string(), folder.join("run.jsonl"));
    ended(&about(folder, &["export", &number, file.to_str().unwrap()]).output().unwrap(), 0);
    let exported = fs::read_to_string(&file).unwrap();
    fs::write(&file, another_run(&exported, uid, &format!("{day}T02:00:00Z"), change)).unwrap();
    let output = about(folder, &["import", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Lets an item fail.
fn fails(target: &mut Value, item: &str) {
    for finding in target["findings"].as_array_mut().unwrap().iter_mut().filter(|finding| finding["item"] == item) {
        finding["verdict"] = "fail".into();
        for check in finding["checks"].as_array_mut().unwrap() {
            check["verdict"] = "fail".into();
        }
    }
}

/// Lets a scan have seen nothing.
fn unseen(target: &mut Value) {
    target["troubles"] = json!([{ "trouble": "unreachable" }]);
    target["observations"] = json!([]);
    for address in target["addresses"].as_array_mut().unwrap() {
        address["health"]["answered"] = false.into();
    }
    for finding in target["findings"].as_array_mut().unwrap() {
        finding["verdict"] = "inconclusive".into();
        for check in finding["checks"].as_array_mut().unwrap() {
            (check["verdict"], check["rests_on"]) = ("inconclusive".into(), json!([]));
        }
    }
}

/// An item that passes on the mock of [`WEB`].
fn passing(folder: &Path, client: &str) -> String {
    let output =
        about(folder, &["show", "last", "--format", "json", "--fail-on", "never", "--client", client]).output();
    let run: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let findings = array(&array(&run, "targets")[0], "findings");
    text(findings.iter().find(|finding| finding["verdict"] == "pass").unwrap(), "item").to_owned()
}

fn report(folder: &Path, arguments: &[&str]) -> Value {
    let all = [&["report", "--format", "json", "--until", "2099-01-20"], arguments].concat();
    let output = about(folder, &all).output().unwrap();
    assert!(output.status.code().is_some_and(|code| [0, 1, 3].contains(&code)), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

const UNTIL: [&str; 2] = ["--until", "2099-01-20"];

#[test]
fn several_runs_make_one_picture_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (one, other) = (Mock::new(WEB), Mock::new(WEB));
    scanned(folder, &one, ("Northwind Dental", "rmm"));
    scanned(folder, &other, ("Harbour & <Söhne>", "help|desk"));
    let item = passing(folder, "Northwind Dental");
    // Each client has runs of its own, as scheduled scans make them.
    again(folder, "Northwind Dental", (1, "2099-01-10"), |_| {});
    again(folder, "Northwind Dental", (2, "2099-01-18"), |target| fails(target, &item));
    again(folder, "Northwind Dental", (3, "2099-01-19"), |target| fails(target, &item));
    again(folder, "Harbour & <Söhne>", (4, "2099-01-17"), |_| {});
    again(folder, "Harbour & <Söhne>", (5, "2099-01-19"), unseen);

    let told = report(folder, &[]);
    assert_eq!((text(&told, "format"), &told["client"]), ("portreeve-report", &Value::Null));
    let servers = array(&told, "servers");
    let [rmm, help] = servers else { panic!("two servers: {told}") };
    assert_eq!((text(rmm, "name"), text(rmm, "standing")), ("rmm", "current"));
    assert_eq!((text(help, "name"), text(help, "standing")), ("help|desk", "not-seen"));
    assert_eq!(text(&help["seen"], "started"), "2099-01-17T02:00:00Z");
    assert_eq!(text(&help["lost"], "started"), "2099-01-19T02:00:00Z");
    let step = array(&told, "steps").iter().find(|step| step["item"] == item.as_str()).unwrap();
    let failure = &array(step, "failures")[0];
    assert_eq!(text(&failure["since"], "started"), "2099-01-18T02:00:00Z", "{failure}");
    assert_eq!((&failure["at_least"], &failure["client"]), (&false.into(), &"Northwind Dental".into()));
    let worse = array(&rmm["drift"], "changes").iter().filter(|change| change["class"] == "worse").count();
    assert_eq!(worse, 1, "{}", rmm["drift"]);
    assert!(!told["whole"].as_bool().unwrap() && text(&told, "headline").contains("not the whole picture"));

    let forms = ["html", "json", "markdown", "csv"].map(|form| (form, folder.join(format!("all.{form}"))));
    let mut command = about(folder, &["report", "--width", "100"]);
    command.args(UNTIL).env("LC_ALL", "C.UTF-8");
    for (form, path) in &forms {
        command.arg(format!("--{form}")).arg(path);
    }
    let output = command.output().unwrap();
    ended(&output, 3);
    let page = stdout(&output);
    for words in
        ["All clients", "NOT CURRENT", "Northwind Dental/rmm", "WHAT TO DO FIRST", "Trend", &item, "2099-01-17"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    for (form, path) in &forms {
        let written = fs::read_to_string(path).unwrap();
        assert!(written.contains(&item) && written.contains("Northwind Dental"), "{form}: {written}");
    }
    let html = fs::read_to_string(&forms[0].1).unwrap();
    assert!(html.contains("<svg class=\"plot\"") && html.contains("S\u{f6}hne&#62;"), "{html}");
    let markdown = fs::read_to_string(&forms[2].1).unwrap();
    assert!(markdown.contains("\\<S\u{f6}hne\\>/help\\|desk"), "{markdown}");
    let table = fs::read_to_string(&forms[3].1).unwrap();
    assert!(table.starts_with("rank,severity,client,target,item,") && table.contains("NOT SEEN"), "{table}");

    // The locale says that the terminal has no blocks.
    let output = about(folder, &["report", "--width", "100"]).args(UNTIL).env("LC_ALL", "C").output().unwrap();
    assert!(!stdout(&output).contains(['\u{2581}', '\u{2588}']), "{}", stdout(&output));
}

/// A tired technician looks at one thing by hand, and the report says nothing better of all others.
#[test]
fn a_scan_with_fewer_guides_mends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mock = Mock::new(WEB);
    scanned(folder, &mock, ("Northwind Dental", "rmm"));
    let item = passing(folder, "Northwind Dental");
    again(folder, "Northwind Dental", (1, "2099-01-18"), |target| fails(target, &item));
    let guide = folder.join("tls.toml");
    let text_of_guide = fs::read_to_string(support::root().join(SMALL)).unwrap();
    fs::write(&guide, text_of_guide.replace("id = \"small\"", "id = \"tls\"").replace("SML-", "TLS-")).unwrap();
    scanned_by(folder, &mock, ("Northwind Dental", "rmm"), guide.to_str().unwrap());
    again(folder, "Northwind Dental", (2, "2099-01-19"), |_| {});

    let told = report(folder, &[]);
    let server = &array(&told, "servers")[0];
    assert_eq!(text(&server["seen"], "started"), "2099-01-19T02:00:00Z");
    assert_eq!(text(server, "standing"), "in-part", "{server}");
    let step = array(&told, "steps").iter().find(|step| step["item"] == item.as_str()).unwrap();
    assert_eq!(text(&array(step, "failures")[0]["unconfirmed"], "started"), "2099-01-18T02:00:00Z");
    let point = array(&told["trend"], "points").last().unwrap().clone();
    let open: u64 = ["critical", "high", "medium", "low"].iter().map(|one| told["open"][one].as_u64().unwrap()).sum();
    let trend: u64 = ["critical", "high", "medium", "low"].iter().map(|one| point["fail"][one].as_u64().unwrap()).sum();
    assert!(open > 0 && open == trend, "{told}");

    let output = about(folder, &["report", "--until", "2099-01-20"]).output().unwrap();
    let page = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("not asked by the last scan"), "{page}");
}

#[test]
fn the_last_runs_are_counted_for_each_client() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (one, other) = (Mock::new(WEB), Mock::new(WEB));
    scanned(folder, &one, ("Northwind Dental", "rmm"));
    scanned(folder, &other, ("Harbour Logistics", "helpdesk"));
    for (uid, day) in (1..).zip(["2099-01-10", "2099-01-11", "2099-01-12"]) {
        again(folder, "Northwind Dental", (uid, day), |_| {});
    }
    for (uid, day) in (4..).zip(["2099-01-17", "2099-01-18", "2099-01-19"]) {
        again(folder, "Harbour Logistics", (uid, day), |_| {});
    }
    let arguments = ["report", "--quiet", "--last", "2", "--forms", "json", "--by-client", folder.to_str().unwrap()];
    let output = about(folder, &arguments).args(UNTIL).output().unwrap();
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", stderr(&output));
    for (file, since) in [("northwind-dental", "2099-01-11"), ("harbour-logistics", "2099-01-18")] {
        let page = |name: &str| name.starts_with(file) && name.rsplit('.').next() == Some("json");
        let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let name = names.find(|name| page(name)).unwrap();
        let told: Value = serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        assert_eq!(text(&told, "since"), format!("{since}T02:00:00Z"));
        assert_eq!(array(&told["trend"], "points").len(), 2, "{}", told["trend"]);
    }
    let narrowed = report(folder, &["--client", "Northwind Dental", "--name", "rmm"]);
    assert!(text(&narrowed, "headline").starts_with("This is only a part of Northwind Dental: rmm"), "{narrowed}");
    // What was chosen of one client is nothing that the other reads.
    let pages = folder.join("pages");
    fs::create_dir(&pages).unwrap();
    let mut command = about(folder, &["report", "--quiet", "--fail-on", "never", "--forms", "html,json,markdown,csv"]);
    command.args(["--name", "northwind dental/rm*", "--name", "harbour logistics/help*"]).args(UNTIL);
    command.arg("--by-client").arg(&pages).output().unwrap();
    let files: Vec<_> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 8, "{files:?}");
    for file in files {
        let page = fs::read_to_string(&file).unwrap();
        let own = file.file_name().unwrap().to_str().unwrap().starts_with("northwind");
        let (own, foreign) = if own { ("rmm", ["arbour", "helpdesk"]) } else { ("helpdesk", ["orthwind", "rm*"]) };
        assert!(page.contains("only a part of") && page.contains(own), "{page}");
        assert!(foreign.iter().all(|name| !page.contains(name)), "{page}");
    }
}

#[test]
fn each_client_gets_a_report_that_names_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (one, other) = (Mock::new(WEB), Mock::new(HANGS));
    scanned(folder, &one, ("Northwind Dental", "rmm"));
    scanned(folder, &other, ("Harbour Logistics", "helpdesk"));
    let pages = folder.join("pages");
    let arguments = ["report", "--by-client", pages.to_str().unwrap(), "--forms", "html,json,markdown,csv", "--quiet"];
    ended(&about(folder, &arguments).output().unwrap(), 2);
    fs::create_dir(&pages).unwrap();
    let output = about(folder, &arguments).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2) && output.stdout.is_empty(), "{}", stderr(&output));
    let mut names: Vec<String> =
        fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let of = |client: &str| -> Vec<&str> {
        names.iter().filter(|name| name.starts_with(client)).filter_map(|name| name.rsplit('.').next()).collect()
    };
    assert_eq!(of("harbour-logistics-"), ["csv", "html", "json", "md"], "{names:?}");
    assert_eq!((of("northwind-dental-"), names.len()), (of("harbour-logistics-"), 8), "{names:?}");
    for name in names {
        let text = fs::read_to_string(pages.join(&name)).unwrap();
        let foreign = if name.starts_with("harbour") { ["Northwind", "rmm\""] } else { ["Harbour", "helpdesk"] };
        for foreign in foreign {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
    }
    let told = about(folder, &["report", "--client", "northwind dental", "--format", "json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((text(&told, "client"), array(&told, "servers").len()), ("Northwind Dental", 1));
}

#[test]
fn an_inventory_tells_what_was_never_scanned_and_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mock = Mock::new(WEB);
    scanned(folder, &mock, ("Northwind Dental", "rmm"));
    let inventory = folder.join("now.toml");
    fs::write(
        &inventory,
        "client = \"Northwind Dental\"\n[[target]]\nname = \"new\"\nhost = \"new.invalid\"\nroles = [\"iis\"]\n",
    )
    .unwrap();
    let output =
        about(folder, &["report", "--format", "json", "--targets", inventory.to_str().unwrap()]).output().unwrap();
    ended(&output, 3);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(array(&told, "servers").len(), 0, "what is gone counts for nothing");
    let inventory = &told["inventory"];
    assert_eq!(array(inventory, "never_scanned")[0]["name"], "new");
    assert_eq!(array(inventory, "no_longer_there")[0]["name"], "rmm");
}

#[test]
fn what_cannot_be_reported_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |arguments: &[&str], words: &str| {
        let output = about(folder, arguments).output().unwrap();
        ended(&output, 2);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    };
    refused(&["report"], "history.db");
    // A store that holds no run.
    let mock = Mock::new(WEB);
    scanned(folder, &mock, ("Northwind Dental", "rmm"));
    refused(&["report", "--client", "nobody"], "holds no run of --client nobody");
    refused(&["report", "--until", "2001-01-01"], "until 2001-01-01");
    refused(&["report", "--since", "2098-01-01"], "after it ends");
    refused(&["report", "--since", "last week"], "such as 30d");
    refused(&["report", "--since", "2026-02-30"], "there is no day 2026-02-30");
    refused(&["report", "--html", "-"], "`-` names no file");
    refused(&["report", "--since", "3d", "--last", "3"], "cannot be used with");
    refused(&["report", "--forms", "html"], "--by-client");
    refused(&["report", "--last", "1"], "1 is not in");
    let same = folder.join("same");
    let same = same.to_str().unwrap();
    refused(&["report", "--html", same, "--json", same], "named for two forms");
    assert!(!Path::new(same).exists());
    // A month later nobody has scanned it since.
    let to_come = about(folder, &["report", "--until", "2099-01-20", "--since", "yesterday"]).output().unwrap();
    assert!(stderr(&to_come).contains("2099-01-20 00:00 UTC is yet to come"), "{}", stderr(&to_come));
    let late = about(folder, &["report", "--until", "2099-01-20"]).output().unwrap();
    ended(&late, 3);
    assert!(stdout(&late).contains("OVERDUE"), "{}", stdout(&late));
}

#[test]
fn an_interrupted_run_makes_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mock = Mock::new(WEB);
    scanned(folder, &mock, ("Northwind Dental", "rmm"));
    again(folder, "Northwind Dental", (1, "2099-01-18"), |target| {
        target["troubles"] = json!([{ "trouble": "interrupted" }]);
    });
    let told = report(folder, &[]);
    let server = &array(&told, "servers")[0];
    assert_eq!(text(server, "standing"), "not-seen");
    assert!(
        !text(&server["seen"], "started").starts_with("2099") && text(&server["lost"], "started").starts_with("2099")
    );
}
