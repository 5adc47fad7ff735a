//! Every mistake that an inventory can hold: one fixture each, and the message that it must bring. A mistake anywhere
//! means that nothing is scanned.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use std::fs;
use std::time::{Duration, Instant};
use support::{ended, portreeve, root, run, stderr, stdout};

const FIXTURES: &str = "tests/fixtures/inventories";

/// Compares with the message that stands beside the fixture.
fn message_is(name: &str, message: &str) {
    insta::with_settings!({
        snapshot_path => "fixtures/inventories",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, message);
    });
}

/// The place that the message names, in the form that editors jump to.
fn names_a_place(message: &str, file: &str) -> bool {
    message.match_indices(&format!("{file}:")).any(|(at, found)| {
        let place = message[at + found.len()..].split([' ', '\n', ':']).take(2).collect::<Vec<_>>();
        place.len() == 2 && place.iter().all(|number| number.parse::<usize>().is_ok_and(|number| number > 0))
    })
}

#[test]
fn every_wrong_inventory_is_refused_where_it_is_wrong() {
    let folder = fs::read_dir(root().join(FIXTURES)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut fixtures: Vec<String> =
        folder.filter_map(|name| name.to_string_lossy().strip_suffix(".toml").map(str::to_owned)).collect();
    fixtures.sort();
    assert!(fixtures.len() > 40, "{fixtures:?}");
    for name in fixtures {
        let file = format!("{FIXTURES}/{name}.toml");
        let output = run(&["scan", "--targets", &file]);
        ended(&output, 2);
        assert_eq!(stdout(&output), "", "{name}");
        let message = stderr(&output);
        assert!(names_a_place(&message, &file), "{name}: {message}");
        assert!(message.ends_with("found; nothing was scanned.\n"), "{name}: {message}");
        assert!(!message.contains('\u{1b}'), "{name}: {message:?}");
        message_is(&name, &message);
    }
}

#[test]
fn a_misspelling_is_answered_with_what_was_probably_meant() {
    for (name, meant) in [
        ("unknown-key", "technicians"),
        ("unknown-key-in-file", "client"),
        ("role-misspelt", "automate"),
        ("control-unknown", "cloud"),
    ] {
        let message = stderr(&run(&["scan", "--targets", &format!("{FIXTURES}/{name}.toml")]));
        assert!(message.contains(&format!("did you mean `{meant}`?")), "{name}: {message}");
    }
}

#[test]
fn one_wrong_file_keeps_the_whole_folder_from_being_scanned() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("all/east")).unwrap();
    let good = "[[target]]\nname = \"a\"\nhost = \"a.invalid\"\nroles = [\"iis\"]\n";
    fs::write(folder.path().join("all/good.toml"), good).unwrap();
    fs::write(folder.path().join("all/east/wrong.toml"), good.replace("iis", "isi")).unwrap();
    fs::write(folder.path().join("all/notes.txt"), "not an inventory").unwrap();
    let output = portreeve().current_dir(folder.path()).args(["scan", "--targets", "all"]).output().unwrap();
    ended(&output, 2);
    assert!(names_a_place(&stderr(&output), "all/east/wrong.toml"), "{}", stderr(&output));
}

#[test]
fn a_server_in_two_files_is_named_with_both_places() {
    let folder = tempfile::tempdir().unwrap();
    for (file, name) in [("a.toml", "one"), ("b.toml", "two")] {
        let text = format!("[[target]]\nname = \"{name}\"\nhost = \"same.invalid\"\nroles = [\"iis\"]\n");
        fs::write(folder.path().join(file), text).unwrap();
    }
    let output =
        portreeve().current_dir(folder.path()).args(["scan", "--targets", "a.toml", "b.toml"]).output().unwrap();
    ended(&output, 2);
    let message = stderr(&output);
    assert!(names_a_place(&message, "b.toml") && message.contains("already a target, at a.toml:3"), "{message}");
}

#[test]
fn a_folder_without_inventories_and_a_missing_file_are_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("servers")).unwrap();
    fs::write(folder.path().join("servers/README.md"), "none yet").unwrap();
    for (path, name) in [("servers", "a folder without inventories"), ("servers/rmm.toml", "a missing file")] {
        let output = portreeve().current_dir(folder.path()).args(["scan", "--targets", path]).output().unwrap();
        ended(&output, 2);
        message_is(&name.replace(' ', "-"), &stderr(&output));
    }
}

/// Their names end in `.example` and lead nowhere (RFC 6761), so that is what a plan of them must say.
#[test]
fn the_template_and_the_example_estate_are_sound() {
    for inventory in ["targets/template.toml", "targets/example", "targets"] {
        let begin = Instant::now();
        let output = run(&["scan", "--targets", inventory, "--dry-run"]);
        ended(&output, 3);
        assert!(begin.elapsed() < Duration::from_secs(30), "{inventory} took {:?}", begin.elapsed());
        assert!(stdout(&output).contains("cannot be scanned: "), "{}", stdout(&output));
    }
    let output = run(&["scan", "--targets", "targets/example", "--dry-run", "--client", "harbour logistics"]);
    ended(&output, 3);
    assert!(!stdout(&output).contains("Northwind"), "{}", stdout(&output));
}

/// What the template shows behind `#` works when it is uncommented, all at once.
#[test]
fn every_key_that_the_template_shows_can_be_used() {
    let text = fs::read_to_string(root().join("targets/template.toml")).unwrap();
    let mut shown = 0;
    let lines = text.lines().map(|line| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let key = bare.split(" = ").next().unwrap_or_default();
        let is_key = bare.contains(" = ") && key.chars().all(|c| c.is_alphanumeric() || "_\"/-".contains(c));
        let uncommented = line.starts_with("# ") && (is_key || bare.starts_with('['));
        shown += usize::from(uncommented);
        if uncommented { bare } else { line }
    });
    let used: Vec<&str> = lines.collect();
    assert!(shown > 12, "{shown}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.toml"), used.join("\n")).unwrap();
    let plan = || {
        portreeve().current_dir(folder.path()).args(["scan", "--targets", "all.toml", "--dry-run"]).output().unwrap()
    };
    // The evidence is found from where the inventory is, and one that is not there is a mistake.
    let output = plan();
    ended(&output, 2);
    assert!(stderr(&output).contains("the evidence of Client's name/rmm"), "{}", stderr(&output));
    fs::create_dir_all(folder.path().join("evidence/rmm.zip")).unwrap();
    let manifest = "portreeve-evidence;1\r\nfact;computer;RMM01\r\ndone;0\r\n";
    fs::write(folder.path().join("evidence/rmm.zip/manifest.txt"), manifest).unwrap();
    let output = plan();
    ended(&output, 3);
    let plan = stdout(&output);
    assert!(plan.contains("rule deny tcp/22") && plan.contains("tcp/50000-50050"), "{plan}");
}

#[test]
fn a_selection_that_selects_nothing_is_a_mistake() {
    for selection in [["--client", "Nobody"], ["--tag", "nothing"], ["--name", "x*"]] {
        let output = run(&["scan", "--targets", "targets/example", selection[0], selection[1]]);
        ended(&output, 2);
        assert!(stderr(&output).contains("none of the 5 targets"), "{}", stderr(&output));
    }
}
