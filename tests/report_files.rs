//! Where reports are written: what is there already is kept until the new one is whole, and never something else.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's helpers are test code")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{HANGS, Mock, PATIENCE, SMALL, WEB, ended, in_namespace, json, portreeve, process, stderr, stdout};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// A scan that asks nobody: the name leads nowhere.
fn scan(arguments: &[&str]) -> Output {
    portreeve().args(["scan", "no-such-host.invalid", "--role", "iis"]).args(arguments).output().unwrap()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn fifo(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    let real = folder.path().join("real/run.json");
    // Once where the file is still missing, once where it is there.
    for (number, link) in ["one", "two"].into_iter().enumerate() {
        symlink("real/run.json", folder.path().join(link)).unwrap();
        ended(&scan(&["--quiet", "--json", &path(folder.path(), link)]), 3);
        assert!(fs::symlink_metadata(folder.path().join(link)).unwrap().is_symlink(), "{link} was replaced");
        assert_eq!(json(&real)["format"], "portreeve-run", "{number}");
        if number == 0 {
            fs::write(&real, "old").unwrap();
            fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        }
    }
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640, "the file's permissions are kept");
    assert_eq!(names(&folder.path().join("real")), ["run.json"]);
    symlink("loop", folder.path().join("loop")).unwrap();
    ended(&scan(&["--json", &path(folder.path(), "loop")]), 2);
}

#[test]
fn a_pipe_is_written_into_where_somebody_reads_and_refused_where_nobody_does() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = path(folder.path(), "pipe");
    fifo(&pipe);
    let begin = Instant::now();
    let output = scan(&["--json", &pipe]);
    ended(&output, 2);
    assert!(stderr(&output).contains("it is a pipe, and nobody reads from it"), "{}", stderr(&output));
    assert!(begin.elapsed() < Duration::from_secs(20), "it waits for a reader");
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    std::thread::sleep(Duration::from_millis(200));
    ended(&scan(&["--quiet", "--json", &pipe]), 3);
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "the pipe was replaced");
    let read = reader.join().unwrap();
    assert!(read.contains("portreeve-run"), "{read}");
    let socket = path(folder.path(), "socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let output = scan(&["--json", &socket]);
    ended(&output, 2);
    assert!(stderr(&output).contains("it is a socket"), "{}", stderr(&output));
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
}

/// A device of the test's own: where this fails, the machine's must not be what is replaced.
#[test]
fn a_device_is_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let null = folder.path().join("null");
    if !Command::new("mknod").arg(&null).args(["c", "1", "3"]).output().is_ok_and(|made| made.status.success()) {
        eprintln!("SKIPPED: making a device takes the right to");
        return;
    }
    if OpenOptions::new().write(true).open(&null).is_err() {
        eprintln!("SKIPPED: devices of this folder may not be opened");
        return;
    }
    symlink(&null, folder.path().join("link")).unwrap();
    for name in ["null", "link"] {
        ended(&scan(&["--quiet", "--json", &path(folder.path(), name)]), 3);
        assert!(fs::symlink_metadata(&null).unwrap().file_type().is_char_device(), "the device was replaced");
    }
    assert_eq!(names(folder.path()).len(), 2);
}

/// Whatever stdout is: what is printed there is not lost, and the report is there too.
#[test]
fn stdout_can_be_named_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = scan(&["--quiet", "--json", "/dev/stdout"]);
    ended(&output, 3);
    assert!(stdout(&output).starts_with("{\n"), "{}", stdout(&output));
    let file = folder.path().join("out.txt");
    let mut child = process();
    child.args(["scan", "no-such-host.invalid", "--role", "iis", "--json", "/dev/stdout"]);
    let status = child.stdout(File::create(&file).unwrap()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(3));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("{\n") && text.contains("SUMMARY"), "{text}");
}

/// What would be printed beside the report would make it unreadable; a file that is called so is no surprise anybody wants.
#[test]
fn a_dash_is_no_file_and_what_to_do_is_said() {
    for option in ["--html", "--json"] {
        let output = scan(&[option, "-"]);
        ended(&output, 2);
        assert!(stderr(&output).contains("`-` names no file") && stderr(&output).contains("--format"));
        assert!(stdout(&output).is_empty() && !Path::new("-").exists());
    }
}

#[test]
fn two_names_of_one_file_are_seen_through() {
    let folder = tempfile::tempdir().unwrap();
    symlink("same", folder.path().join("link")).unwrap();
    symlink(folder.path(), folder.path().join("here")).unwrap();
    for other in ["./same", "link", "here/same"] {
        let output = scan(&["--json", &path(folder.path(), "same"), "--html", &path(folder.path(), other)]);
        ended(&output, 2);
        assert!(stderr(&output).contains("name the same file"), "{other}: {}", stderr(&output));
    }
    let mut relative = portreeve();
    relative.current_dir(folder.path()).args(["scan", "no-such-host.invalid", "--role", "iis"]);
    ended(&relative.args(["--json", "same", "--html", "./same"]).output().unwrap(), 2);
    // In a folder, the page of the only client.
    let page = path(folder.path(), "unnamed.html");
    ended(&scan(&["--json", &page, "--html", folder.path().to_str().unwrap()]), 2);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, ["here", "link"], "something was left behind");
}

#[test]
fn a_name_may_be_as_long_as_the_system_allows() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = ("a".repeat(245), "b".repeat(255));
    ended(&scan(&["--quiet", "--json", &path(folder.path(), &one), "--html", &path(folder.path(), &two)]), 3);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, [one, two]);
}

/// Where stdout can hold nothing, the files are written all the same.
#[test]
fn a_full_disk_behind_stdout_costs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
    let (report, page) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let mut command = process();
    command.args(["scan", "no-such-host.invalid", "--role", "iis", "--json"]).arg(&report).arg("--html").arg(&page);
    let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    ended(&output, 3);
    assert!(stderr(&output).contains("cannot write to stdout"), "{}", stderr(&output));
    assert_eq!(json(&report)["format"], "portreeve-run");
    assert!(fs::read_to_string(page).unwrap().contains("no-such-host.invalid"));
}

/// A scan that has got as far as the port that never says a word, and the folder of its report.
fn hanging(mock: &Mock) -> Child {
    let folder = mock.path("out");
    fs::create_dir(&folder).unwrap();
    let program = process();
    // Who runs the tests under nohup has the hang-up ignored, and so has every child.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(program.get_program()).current_dir(program.get_current_dir().unwrap());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.arg("scan").arg("--targets").arg(mock.inventory("roles = [\"iis\"]"));
    command.args(["--guide", SMALL, "--timeout", "100", "--json"]).arg(folder.join("run.json"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    mock.wait_for_connection(443);
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_terminal_that_goes_away_is_an_interrupt_however_often_it_is_told() {
    let mock = Mock::new(HANGS);
    let child = hanging(&mock);
    signal(&child, "-HUP");
    signal(&child, "-HUP");
    let output = child.wait_with_output().unwrap();
    ended(&output, 3);
    assert_eq!(json(&mock.path("out/run.json"))["interrupted"], true);
    assert_eq!(names(&mock.path("out")), ["run.json"]);
}

/// One report goes to a pipe that is full and that nobody empties, so that the program waits there after the first one.
#[test]
fn a_second_interrupt_leaves_nothing_behind() {
    let mock = Mock::new(HANGS);
    let folder = mock.path("out");
    fs::create_dir(&folder).unwrap();
    let mut command = process();
    command.arg("scan").arg("--targets").arg(mock.inventory("roles = [\"iis\"]"));
    command.args(["--guide", SMALL, "--timeout", "100", "--html"]).arg(folder.join("run.html"));
    let pipe = path(&folder, "pipe");
    fifo(&pipe);
    // Read and write: opening it waits for nobody.
    let mut held = OpenOptions::new();
    let mut held = held.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe).unwrap();
    while held.write(&[0; 512]).is_ok() {}
    command.args(["--json", &pipe]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    mock.wait_for_connection(443);
    assert!(names(&folder).iter().any(|name| name.starts_with(".portreeve-")));
    let mut said = BufReader::new(child.stderr.take().unwrap());
    signal(&child, "-INT");
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("interrupted: "), "{line}");
    signal(&child, "-INT");
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < PATIENCE, "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!names(&folder).iter().any(|name| name.starts_with(".portreeve-")), "{:?}", names(&folder));
    drop(held);
}

#[test]
fn what_is_no_file_is_no_file_of_roots() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = path(folder.path(), "pipe");
    fifo(&pipe);
    for wrong in ["/dev/zero", &pipe, folder.path().to_str().unwrap()] {
        let output = scan(&["--ca-file", wrong]);
        ended(&output, 2);
        assert!(stderr(&output).contains("is not a regular file"), "{}", stderr(&output));
    }
}

#[test]
fn few_open_files_are_told_of_and_bring_no_needless_waits() {
    let mock = Mock::new(WEB);
    let folder = tempfile::tempdir().unwrap();
    let inventory = mock.inventory("roles = [\"iis\"]");
    for files in [20, 40] {
        let limited = |quiet: &str| {
            let script =
                format!("ulimit -n {files}; exec \"$0\" scan --targets \"$1\" --guide \"$2\" --json \"$3\" {quiet}");
            let mut command = Command::new("sh");
            command
                .env("PORTREEVE_STORE", "none")
                .args(["-c", &script, env!("CARGO_BIN_EXE_portreeve")])
                .arg(&inventory)
                .arg(support::root().join(SMALL));
            command.arg(folder.path().join("run.json")).output().unwrap()
        };
        let begin = Instant::now();
        let output = limited("");
        assert!(begin.elapsed() < Duration::from_secs(30), "{files}: {:?}", begin.elapsed());
        let words = format!("this machine allows only {files} open files");
        assert!(stderr(&output).contains(&words), "{}", stderr(&output));
        assert_eq!(json(&folder.path().join("run.json"))["partial"], false, "{files}: {}", stdout(&output));
        assert_eq!(stderr(&limited("--quiet")), "");
    }
}

#[test]
fn too_few_open_files_end_a_scan_before_it_begins() {
    let begin = Instant::now();
    let script = "ulimit -n 10; exec \"$0\" scan no-such-host.invalid --role iis";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_portreeve")])
        .env("PORTREEVE_STORE", "none")
        .output()
        .unwrap();
    ended(&output, 3);
    assert!(stderr(&output).contains("only 10 open files, too few"), "{}", stderr(&output));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn no_dns_server_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ip link set lo up; \"$PORTREEVE\" probe ports rmm.example.com --tcp 80 || echo $?";
    let Some(output) = in_namespace(script, folder.path()) else { return };
    let said = stderr(&output);
    // With a DNS server on loopback, or none, other words fit; these never do.
    assert!(!said.contains("no connections available") && !said.contains("in the inventory"), "{said}");
}

#[test]
fn a_report_takes_the_place_of_neither_a_store_nor_an_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let (store, inventory) = (path(folder.path(), "history.db"), path(folder.path(), "targets.toml"));
    let targets =
        "format = 1\n[[target]]\nclient = \"c\"\nname = \"n\"\nhost = \"no-such-host.invalid\"\nroles = [\"iis\"]\n";
    fs::write(&inventory, targets).unwrap();
    ended(&scan(&["--quiet", "--store", &store]), 3);
    let as_it_was = fs::read(&store).unwrap();
    for precious in [&store, &inventory] {
        for arguments in [
            &["scan", "no-such-host.invalid", "--role", "iis", "--json", precious][..],
            &["scan", "no-such-host.invalid", "--role", "iis", "--html", precious],
            &["report", "--html", precious],
            &["report", "--csv", precious],
            &["show", "last", "--json", precious],
            &["export", "--all", precious],
        ] {
            let output = portreeve().args(arguments).args(["--store", &store]).output().unwrap();
            ended(&output, 2);
            let said = stderr(&output);
            assert!(said.contains("would be lost") && said.contains(precious.as_str()), "{said}");
        }
    }
    assert!(fs::read(&store).unwrap() == as_it_was, "the store is as it was");
    assert_eq!(fs::read_to_string(&inventory).unwrap(), targets);
}
