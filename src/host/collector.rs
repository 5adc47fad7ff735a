//! The collector: a script of Windows' built-in commands, to be read before it is run; and what each of them asks.

use crate::model::peer_text::PeerText;
use std::sync::LazyLock;

/// The script as it is kept here.
const SCRIPT: &str = include_str!("collector.cmd");

/// What stands in a command for something that differs from host to host.
const PLACE: [&str; 2] = ["%LTSHARE%", "%PORTREEVE%"];

/// The script, with the line ends of Windows.
pub fn script() -> String {
    SCRIPT.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Where the script ends.
const END: &str = ">>manifest.txt echo done;%COUNT%";

/// The command that the compiled collector adds: the variable is the program itself.
const KEY_TIMES: &str = "\"%PORTREEVE%\" host key-times";

/// The script as the compiled collector runs it: the folder comes in the variable `PORTREEVE_OUT`, and the program, in
/// `PORTREEVE`, notes the times of keys. The manifest shows both.
pub fn compiled() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let first = ">manifest.txt echo portreeve-evidence;1\r\n";
    let script = script().replacen("set \"OUT=%~1\"", "set \"OUT=%PORTREEVE_OUT%\"", 1).replacen(
        first,
        &format!("{first}>>manifest.txt echo fact;collector;portreeve {version}, compiled\r\n"),
        1,
    );
    let adds = format!(
        "rem --- what no built-in command shows\r\nset RUN={KEY_TIMES}\r\ncall :print key-times key-times.txt\r\n\r\n"
    );
    script.replacen(END, &(adds + END), 1)
}

/// A command of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it collects.
    pub id: String,
    /// Its file.
    pub file: String,
    /// The command as the manifest records it; what differs from host to host is still a variable.
    pub arguments: String,
    /// It writes the file itself; else what it prints is kept.
    pub writes: bool,
}

/// The commands of the script, but for those of each user; and that of the compiled collector.
pub fn commands() -> &'static [Command] {
    static COMMANDS: LazyLock<Vec<Command>> = LazyLock::new(|| {
        let mut found = Vec::new();
        let mut variables: Vec<(String, &str)> = Vec::new();
        let mut arguments = None;
        for line in SCRIPT.lines().map(str::trim) {
            if let Some(run) = line.strip_prefix("set RUN=") {
                let expanded = variables.iter().fold(run.to_owned(), |run, (name, value)| run.replace(name, value));
                arguments = Some(expanded);
            } else if let Some((name, value)) = line.strip_prefix("set \"").and_then(|set| set.split_once('=')) {
                if matches!(name, "PS" | "UTF8" | "HIDE") {
                    variables.push((format!("%{name}%"), value.strip_suffix('"').unwrap_or(value)));
                }
            } else if let Some((verb, rest)) = line.strip_prefix("call :").and_then(|call| call.split_once(' '))
                && let Some((id, file)) = rest.split_once(' ')
                && let Some(arguments) = arguments.take().filter(|_| !id.contains('%'))
            {
                found.push(Command { id: id.to_owned(), file: file.to_owned(), arguments, writes: verb == "write" });
            }
        }
        let (id, file) = ("key-times".to_owned(), "key-times.txt".to_owned());
        found.push(Command { id, file, arguments: KEY_TIMES.to_owned(), writes: false });
        found
    });
    &COMMANDS
}

/// Why a recorded command is not the one with which the collector asks for `id`; `None` where it is.
pub fn not_asked(id: &str, recorded: &str) -> Option<String> {
    let Some(command) = commands().iter().find(|command| command.id == id) else {
        return Some(format!("the collector has no command `{}`", PeerText::new(id, 60)));
    };
    (!fits(&command.arguments, recorded.trim())).then(|| {
        "the recorded command is not that of this portreeve's collector, so what its file holds is not known; collect again"
            .to_owned()
    })
}

/// Whether a command is `wanted`, with something without quotes in it where that has a variable.
fn fits(wanted: &str, recorded: &str) -> bool {
    let Some((before, behind)) = PLACE.iter().find_map(|place| wanted.split_once(place)) else {
        return recorded.eq_ignore_ascii_case(wanted);
    };
    let head = recorded.get(..before.len()).filter(|head| head.eq_ignore_ascii_case(before));
    let at = recorded.len().checked_sub(behind.len());
    let tail = at.and_then(|at| recorded.get(at..)).filter(|tail| tail.eq_ignore_ascii_case(behind));
    let inner = at.and_then(|at| recorded.get(before.len()..at));
    head.is_some() && tail.is_some() && inner.is_some_and(|inner| !inner.is_empty() && !inner.contains('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_script_is_known_as_it_is_recorded() {
        let ids: Vec<&str> = commands().iter().map(|command| command.id.as_str()).collect();
        assert_eq!(
            ids.len(),
            SCRIPT.matches("\ncall :print ").count() + SCRIPT.matches("\ncall :write ").count() - USERS + 1
        );
        for command in commands() {
            let left = PLACE.iter().fold(command.arguments.clone(), |text, place| text.replace(place, ""));
            assert!(!left.contains('%'), "{command:?}");
            assert!(!command.writes || command.arguments.contains(&command.file), "{command:?}");
        }
        let netstat = commands().iter().find(|command| command.id == "netstat").unwrap();
        assert_eq!(
            (netstat.arguments.as_str(), netstat.file.as_str(), netstat.writes),
            ("netstat.exe -ano", "netstat.txt", false)
        );
        assert!(commands().iter().any(|command| command.id == "iis" && command.arguments.contains("validationKey")));
    }

    /// The commands of each user.
    const USERS: usize = 2;

    #[test]
    fn the_compiled_collector_runs_the_same_script_and_adds_the_times_of_keys() {
        let (own, script) = (compiled(), script());
        let added: Vec<&str> = own.lines().filter(|line| !script.lines().any(|known| known == *line)).collect();
        let [out, fact, comment, run, call] = added.as_slice() else { panic!("{added:#?}") };
        assert_eq!(*out, "set \"OUT=%PORTREEVE_OUT%\"");
        assert!(fact.starts_with(">>manifest.txt echo fact;collector;portreeve ") && comment.starts_with("rem"));
        assert_eq!((*run, *call), ("set RUN=\"%PORTREEVE%\" host key-times", "call :print key-times key-times.txt"));
        let left: Vec<&str> = script.lines().filter(|line| !own.lines().any(|known| known == *line)).collect();
        assert_eq!(left, ["set \"OUT=%~1\""]);
        assert_eq!(not_asked("key-times", r#""C:\Program Files\portreeve.exe" host key-times"#), None);
    }

    #[test]
    fn a_command_that_asks_for_something_else_is_told() {
        assert_eq!(not_asked("netstat", "NETSTAT.EXE -ano "), None);
        assert_eq!(not_asked("ltshare", r#"icacls.exe "D:\LT Share" /save ltshare.acl"#), None);
        for (id, recorded) in [
            ("netstat", "netstat.exe -anop udp"),
            ("netstat", "netstat.exe"),
            ("tasklist", "tasklist.exe /svc /fo csv /nh /fi \"PID ne 4\""),
            ("sc", "sc.exe query"),
            ("ltshare", r#"icacls.exe "D:\LTShare" /save ltshare.acl /c"#),
            ("ltshare", r#"icacls.exe "D:\x" "D:\y" /save ltshare.acl"#),
            ("ltshare", r#"icacls.exe "" /save ltshare.acl"#),
            ("ltshare", "icacls.exe"),
            ("é", ""),
        ] {
            assert!(not_asked(id, recorded).is_some(), "{id}: {recorded}");
        }
    }

    /// What changes a host or fetches something has no place in it.
    #[test]
    fn the_script_changes_nothing() {
        let script = script().to_lowercase();
        for word in [
            "reg add",
            "reg delete",
            "reg import",
            "secedit /configure",
            "/grant",
            "/remove ",
            "set-",
            "new-item",
            "remove-item",
            "sc config",
            "sc stop",
            "net stop",
            "invoke-",
            "http://",
            "https://",
            "bitsadmin",
            "curl",
            "msiexec",
            "del ",
            "rd ",
            "start-",
            "stop-",
            "netsh advfirewall set",
            "certutil -urlcache",
            "schtasks",
        ] {
            assert!(!script.contains(word), "{word}");
        }
        assert!(script.is_ascii(), "consoles of other code pages show nothing else");
        assert!(script.lines().count() < 200, "{} lines", script.lines().count());
        assert!(script.contains("\r\n") && !script.replace("\r\n", "").contains('\n'));
    }
}
