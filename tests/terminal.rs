//! What reaches a terminal, a page or a file: nothing that a server sends can do harm there, and no line is too wide.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use std::fs;
use support::{Mock, ended, portreeve, run, stderr, stdout};
use unicode_width::UnicodeWidthStr as _;

const HOSTILE: &str = "
[[face]]
port = \"tcp/443\"
[face.kind.http]
headers = { Server = \"Microsoft-IIS/10.0\\u202eDEKCAH\\u009b31m<script>alert(1)</script>\" }
[[face]]
port = \"tcp/80\"
kind.banner = { hex = \"1b5b324a1b5d303b6f776e656407e280ae0d0a00ff\" }
";

/// Answers that no HTTP reader takes: control characters, NUL, no UTF-8.
const BROKEN: &str = "
[[face]]
port = \"tcp/443\"
kind.http.product.hostile = { with = [\"escapes\", \"nul\", \"script\"] }
[[face]]
port = \"tcp/80\"
kind.http.product.hostile = { with = [\"status-line\", \"long-header\", \"many-headers\"] }
";

/// Characters that a terminal, an editor or a browser obeys instead of showing.
fn obeyed(text: &str) -> Vec<char> {
    let bad = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(bad).collect()
}

#[test]
fn nothing_that_a_server_sends_is_obeyed() {
    let mock = Mock::new(HOSTILE);
    let (file, page) = (mock.path("run.json"), mock.path("run.html"));
    let mut scan = mock.scan();
    scan.args(["--evidence", "--all", "--remedy", "--json"]).arg(&file).arg("--html").arg(&page);
    let output = scan.output().unwrap();
    ended(&output, 1);
    let (report, page) = (fs::read_to_string(file).unwrap(), fs::read_to_string(page).unwrap());
    let shown = [("terminal", stdout(&output)), ("log", stderr(&output)), ("JSON", report), ("HTML", page.clone())];
    for (place, text) in shown {
        assert_eq!(obeyed(&text), [], "{place}");
        // What was sent is shown all the same, with what is obeyed written out.
        assert!(place == "log" || text.contains("Microsoft-IIS/10.0"), "{place}: {text}");
    }
    assert!(!page.to_ascii_lowercase().contains("<script"), "markup of the server's is on the page");
}

#[test]
fn an_answer_that_cannot_be_read_is_no_pass() {
    let mock = Mock::new(BROKEN);
    let file = mock.path("run.json");
    let output = mock.scan().args(["--evidence", "--all", "--json"]).arg(&file).output().unwrap();
    ended(&output, 1);
    assert_eq!(obeyed(&stdout(&output)), []);
    let report = support::json(&file);
    let finding = support::array(&report["targets"][0], "findings").iter().find(|finding| finding["item"] == "SML-03");
    assert_eq!(finding.unwrap()["verdict"], "inconclusive", "its header was not read, so it is not known to be absent");
}

#[test]
fn probes_show_what_a_server_sends_and_obey_none_of_it() {
    for mock in [Mock::new(HOSTILE), Mock::new(BROKEN)] {
        probes_obey_nothing(&mock);
    }
}

fn probes_obey_nothing(mock: &Mock) {
    for (port, kind) in [(443, "http"), (80, "service"), (80, "tls"), (80, "ports")] {
        let actual = mock.running.actual(mock_servers::Transport::Tcp, port).unwrap();
        let host = mock.running.address().to_string();
        let place = if kind == "http" { format!("http://{host}:{actual}") } else { format!("{host}:{actual}") };
        for format in ["text", "json"] {
            let output = match kind {
                "ports" => run(&["probe", kind, &host, "--tcp", &actual.to_string(), "--format", format]),
                _ => run(&["probe", kind, &place, "--format", format]),
            };
            assert!(matches!(output.status.code(), Some(0 | 3)), "{kind}: {}", stderr(&output));
            assert_eq!(obeyed(&stdout(&output)), [], "{kind}, {format}");
            assert_eq!(obeyed(&stderr(&output)), [], "{kind}, {format}");
        }
    }
}

#[test]
fn nothing_that_a_user_types_is_obeyed_either() {
    let wicked = "a\u{1b}[31m\u{202e}b";
    for arguments in [
        vec!["scan", wicked, "--role", "iis"],
        vec!["scan", "--targets", wicked],
        vec!["guides", "show", wicked],
        vec!["guides", "check", wicked],
        vec!["guides", "list", "--guide", wicked],
        vec!["probe", "service", wicked],
        vec!["probe", "http", wicked],
    ] {
        let output = run(&arguments);
        ended(&output, 2);
        let message = stderr(&output);
        assert!(message.chars().all(|c| c == '\n' || !c.is_control()), "{arguments:?}: {message:?}");
    }
}

/// Nor what an inventory says, which somebody else may have written.
#[test]
fn nothing_that_an_inventory_says_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.toml");
    let text = "client = \"C\\u202Ec\"\n[[target]]\nname = \"N\\u202En\"\nhost = \"127.0.0.1\"\nroles = [\"iis\"]\n\
        notes = \"a\\u202Eb\"\ntags = [\"t\\u202E\"]\n";
    fs::write(&file, text).unwrap();
    for arguments in [&["--dry-run"][..], &["--dry-run", "--format", "json"], &["--guide", "automate", "-vv"]] {
        let output = portreeve().args(["scan", "--targets"]).arg(&file).args(arguments).output().unwrap();
        assert_eq!(obeyed(&stdout(&output)), [], "{arguments:?}");
        assert_eq!(obeyed(&stderr(&output)), [], "{arguments:?}");
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains("202e"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_host_of_no_client_is_called_by_its_name() {
    for arguments in [&["--all"][..], &["--dry-run"], &["--guide", "automate"], &["--width", "40"]] {
        let output =
            portreeve().args(["scan", "no-such-host.invalid", "--role", "iis"]).args(arguments).output().unwrap();
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains("no-such-host.invalid") && !said.contains("unnamed"), "{said}");
    }
}

/// What is to be typed can be copied.
#[test]
fn commands_are_not_broken_inside_a_word() {
    for item in ["AUT-IIS-02", "AUT-TLS-01", "CTL-IIS-02"] {
        let page = |width: &str| stdout(&run(&["guides", "show", item, "--width", width]));
        let wide = page("400");
        for width in [40, 47, 60] {
            let narrow = page(&width.to_string());
            let words: Vec<&str> = narrow.split_whitespace().collect();
            for word in wide.split_whitespace().filter(|word| word.len() < width - 8) {
                assert!(words.contains(&word), "{item} at {width}: {word} is broken in\n{narrow}");
            }
        }
    }
}

fn never_wider(text: &str, width: usize, what: &str) {
    for line in text.lines() {
        assert!(line.width() <= width, "{what} at {width}: {} columns: {line}", line.width());
    }
}

#[test]
fn no_line_is_wider_than_asked_for() {
    let mock = Mock::new(HOSTILE);
    for width in [40, 80, 160] {
        let columns = width.to_string();
        let scan = mock.scan().args(["--evidence", "--all", "--remedy", "--width", &columns]).output().unwrap();
        ended(&scan, 1);
        never_wider(&stdout(&scan), width, "scan");
        let plan = ["scan", "--targets", "targets/example", "--dry-run", "--width", &columns];
        never_wider(&stdout(&run(&plan)), width, "dry run");
        let many = ["scan", "no-such-host.invalid", "--role", "automate,iis,control", "--all", "--width", &columns];
        never_wider(&stdout(&run(&many)), width, "report of many items");
        never_wider(&stdout(&run(&["guides", "list", "--width", &columns])), width, "guides list");
        let port = mock.running.actual(mock_servers::Transport::Tcp, 443).unwrap();
        let place = format!("http://{}:{port}", mock.running.address());
        never_wider(&stdout(&run(&["probe", "http", &place, "--width", &columns])), width, "probe");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let coloured = |arguments: &[&str], no_color: Option<&str>| {
        let mut command = portreeve();
        command.args(["scan", "no-such-host.invalid", "--role", "iis"]).args(arguments);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let output = command.output().unwrap();
        ended(&output, 3);
        stdout(&output).contains("\u{1b}[")
    };
    assert!(!coloured(&[], None), "there is no terminal");
    assert!(!coloured(&["--color", "never"], None));
    assert!(coloured(&["--color", "always"], None));
    // What is said on the command line is nearer than the environment.
    assert!(coloured(&["--color", "always"], Some("1")));
    assert!(!coloured(&["--color", "auto"], Some("1")));
    let message = portreeve().args(["scan", "--targets", "no-such-file.toml", "--color", "never"]).output().unwrap();
    assert!(!stderr(&message).contains('\u{1b}'));
}

/// Colour changes how the report looks, never what it says.
#[test]
fn colours_change_no_word() {
    let page = |when: &str| stdout(&run(&["scan", "no-such-host.invalid", "--role", "iis", "--all", "--color", when]));
    let plain: String = {
        let mut rest = page("always");
        while let Some(at) = rest.find("\u{1b}[") {
            let end = rest[at..].find('m').unwrap();
            rest.replace_range(at..=at + end, "");
        }
        rest
    };
    // The first line tells the time.
    let body = |text: &str| text.lines().skip(1).map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(body(&plain), body(&page("never")));
}
