//! The collector: a script of Windows' built-in commands, to be read before it is run.

/// The script, with the line ends of Windows.
pub fn script() -> String {
    include_str!("collector.cmd").replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

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
