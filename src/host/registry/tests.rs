use super::*;
use proptest::prelude::*;

const EXPORT: &str = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows]\r\n\r\n\
[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows\\Explorer]\r\n\"NoAutoplayfornonVolume\"=dword:00000001\r\n\
\"a \\\"b\\\" \\\\ c\"=\"two\r\nlines\"\r\n@=\"\"\r\n\"Multi\"=hex(7):61,00,62,00,00,00,\\\r\n  63,00,00,00,00,00\r\n\
\"Path\"=hex(2):25,00,61,00,25,00,00,00\r\n\r\n";
const EXPLORER: &str = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\Explorer";

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add_export("windows.reg", EXPORT).unwrap();
    registry
}

#[test]
fn an_export_is_read_with_the_lines_where_values_stand() {
    let registry = registry();
    let State::Value(data, line) = registry.value(EXPLORER, "noautoplayFORnonvolume") else { panic!() };
    assert_eq!(data.dword(), Some(1));
    assert_eq!(line.quote(), "windows.reg:6: \"NoAutoplayfornonVolume\"=dword:00000001");
    let text = |name| registry.value(EXPLORER, name).value().map(Data::texts);
    assert_eq!(text("a \"b\" \\ c").unwrap(), ["two\r\nlines"]);
    assert_eq!(text("Multi").unwrap(), ["ab", "c"]);
    assert_eq!(text("Path").unwrap(), ["%a%"]);
    assert!(
        matches!(registry.value(EXPLORER, ""), State::Value(Data::Text(text), line) if text.is_empty() && line.number == 9)
    );
}

#[test]
fn an_absence_is_proven_or_not_collected() {
    let registry = registry();
    assert!(matches!(registry.value(EXPLORER, "Other"), State::NotSet(line) if line.number == 5));
    let installer = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\Installer";
    assert!(matches!(registry.value(installer, "AlwaysInstallElevated"), State::Absent(_)));
    // A neighbour whose name only begins like the root is not beneath it.
    let defender = r"HKLM\SOFTWARE\Policies\Microsoft\Windows Defender";
    assert!(matches!(registry.value(defender, "x"), State::NotCollected(_)));
    assert!(matches!(Registry::default().value(EXPLORER, "x"), State::NotCollected(_)));
}

#[test]
fn a_listing_proves_which_subkeys_there_are() {
    let mut registry = Registry::default();
    let text = "\r\nHKEY_USERS\\S-1-5-21-1\\Software\r\n    Start    REG_DWORD    0x2\r\n    Name with  gaps    REG_SZ    a    b\r\n\r\n\
                HKEY_USERS\\S-1-5-21-1\\Software\\Microsoft\r\n";
    registry.add_listing("u.txt", text, r"HKU\S-1-5-21-1\Software").unwrap();
    let value = |key: &str, name: &str| registry.value(&format!(r"HKU\S-1-5-21-1\Software{key}"), name);
    assert_eq!(value("", "start").value().and_then(Data::dword), Some(2));
    assert_eq!(value("", "name with  gaps").value().and_then(Data::text).as_deref(), Some("a    b"));
    assert!(matches!(value("", "other"), State::NotSet(_)));
    assert!(matches!(value(r"\Policies\Microsoft", "x"), State::Absent(_)));
    assert!(matches!(value(r"\Microsoft\Windows", "x"), State::NotCollected(_)));
    assert!(matches!(value(r"\Microsoft", "x"), State::NotCollected(_)));
    assert_eq!(registry.subkeys(r"HKU\S-1-5-21-1\Software"), ["Microsoft"]);
    assert!(Registry::default().add_listing("u.txt", "ERROR: Access is denied.\r\n", "HKU").is_err());
    assert!(
        Registry::default().add_listing("u.txt", text.trim_end(), r"HKU\S-1-5-21-1\Software").is_err(),
        "half a line"
    );
    // What is cut off at a line end proves no absence of a service.
    let services = |names: &[&str]| {
        let root = r"HKLM\SYSTEM\CurrentControlSet\Services";
        let text =
            names.iter().map(|name| format!("HKEY_LOCAL_MACHINE\\{}\\{name}\r\n", &root[5..])).collect::<Vec<_>>();
        let mut registry = Registry::default();
        let added = registry.add_listing("s.txt", &text.concat(), root);
        (added.is_ok(), matches!(registry.key(&format!(r"{root}\WMSVC")), State::Absent(_)))
    };
    assert_eq!(services(&["HTTP", "W3SVC", "wuauserv"]), (true, true));
    assert_eq!(services(&["HTTP", "W3SVC"]), (false, false));
}

#[test]
fn a_file_that_is_of_another_key_proves_nothing() {
    let export = |keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(|key| format!("[{key}]\r\n\r\n")).collect();
        format!("{HEADER}\r\n\r\n{}", keys.concat())
    };
    let added = |text: &str, root: &str| {
        let mut registry = Registry::default();
        let error = registry.add_export_of("a.reg", text, root).err().map(|error| error.to_string());
        (registry, error)
    };
    let (registry, error) = added(&export(&["HKEY_USERS"]), r"HKLM\SOFTWARE\Policies\Microsoft\Windows");
    assert!(error.unwrap().contains("not of hkey_local_machine"));
    assert!(matches!(registry.value(EXPLORER, "x"), State::NotCollected(_)));
    let (registry, error) = added(&export(&[r"HKEY_LOCAL_MACHINE\A", r"HKEY_LOCAL_MACHINE\AB"]), r"HKLM\A");
    assert!(error.is_some() && matches!(registry.key(r"HKLM\A"), State::NotCollected(_)), "nothing of it counts");
    // By hand, a hive alone is no proof of what it does not hold.
    let mut registry = Registry::default();
    registry.add_export("h.reg", &export(&["HKEY_USERS"])).unwrap();
    assert!(matches!(registry.key(r"HKU\S-1-5-18"), State::NotCollected(_)));
    assert!(registry.add_export("h.reg", &export(&[r"HKEY_LOCAL_MACHINE\A", r"HKEY_LOCAL_MACHINE\B"])).is_err());
    let mut registry = Registry::default();
    let listed = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Foo\r\n    A    REG_DWORD    0x1\r\n";
    assert!(registry.add_listing("a.txt", listed, r"HKLM\SOFTWARE\Bar").is_err());
    assert!(matches!(registry.value(r"HKLM\SOFTWARE\Bar", "A"), State::NotCollected(_)));
}

/// Which of two counts nobody knows; Windows writes each once.
#[test]
fn what_stands_twice_in_a_file_is_an_error() {
    let export = |text: &str| {
        let text = format!("{HEADER}\r\n\r\n[HKEY_LOCAL_MACHINE\\A\\B]\r\n\"X\"=dword:00000001\r\n{text}");
        Registry::default().add_export("a.reg", &text)
    };
    export("\"X \"=dword:00000000\r\n[HKEY_LOCAL_MACHINE\\A\\B\\C]\r\n").unwrap();
    for text in [
        "\"x\"=dword:00000000\r\n",
        "[HKEY_LOCAL_MACHINE\\a\\b]\r\n",
        "[HKEY_LOCAL_MACHINE\\A\\B\\C]\r\n[HKEY_LOCAL_MACHINE\\A\\b\\c]\r\n",
    ] {
        let error = export(text).unwrap_err().to_string();
        assert!(error.contains("twice") && error.starts_with("a.reg"), "{text}: {error}");
    }
    let listing = |text: &str| {
        let mut registry = Registry::default();
        let text = format!("HKEY_LOCAL_MACHINE\\A\r\n    X    REG_DWORD    0x1\r\n{text}");
        registry.add_listing("a.txt", &text, "HKLM\\A").map(|()| registry)
    };
    listing("    X     REG_SZ    a\r\n\r\nHKEY_LOCAL_MACHINE\\A\\C\r\n").unwrap();
    for text in [
        "    x    REG_DWORD    0x0\r\n",
        "HKEY_LOCAL_MACHINE\\a\r\n",
        "    Z    REG_SZ    a\r\n    X    REG_DWORD    0x0\r\n",
        // A text of several lines.
        "    Z    REG_SZ    a\n    Y    REG_DWORD    0x1\r\n",
        "    Z    REG_SZ    a\r\nb\r\n",
    ] {
        assert!(listing(text).is_err(), "{text}");
    }
}

#[test]
fn names_are_not_trimmed_and_numbers_are_plain() {
    let listed = |text: &str| {
        let mut registry = Registry::default();
        registry.add_listing("a.txt", &format!("HKEY_LOCAL_MACHINE\\A\r\n{text}"), "HKLM\\A").map(|()| registry)
    };
    let one = listed("     X    REG_DWORD    0x1\r\nHKEY_LOCAL_MACHINE\\A\\WMSVC \r\n").unwrap();
    assert!(matches!(one.value("HKLM\\A", "X"), State::NotSet(_)), "a value with a leading blank is another one");
    assert!(matches!(one.key(r"HKLM\A\WMSVC"), State::Absent(_)), "so is a key with one behind");
    for number in ["0x+1", "0x1 ", "+0x1", "1", "0x", "0x100000000", " 0x1"] {
        assert!(listed(&format!("    X    REG_DWORD    {number}\r\n")).is_err(), "{number}");
    }
    for data in ["dword:+0000001", "dword:00000001 ", "hex:+1,00", "hex(+7):00"] {
        let text = format!("{HEADER}\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n\"X\"={data}\r\n");
        assert!(Registry::default().add_export("a.reg", &text).is_err(), "{data}");
    }
}

/// Of two files that differ the last does not win.
#[test]
fn two_files_that_say_different_things_are_an_error_that_names_both() {
    let file = |keys: &str| format!("{HEADER}\r\n\r\n{keys}");
    let (a, b) = (r"[HKEY_LOCAL_MACHINE\A]", r"[HKEY_LOCAL_MACHINE\A\B]");
    let (off, on) = ("\"X\"=dword:00000000\r\n", "\"X\"=dword:00000001\r\n");
    let error = |first: &str, second: &str| {
        let mut registry = Registry::default();
        registry.add_export("a.reg", &file(first)).unwrap();
        registry.add_export("c.reg", &file(second)).err().map(|error| error.to_string())
    };
    let with = |key: &str, value: &str| format!("{key}\r\n{value}");
    for (first, second) in [
        (with(b, on), with(b, off)),
        (with(b, on), with(b, "")),
        (with(b, ""), with(b, on)),
        (with(b, on), with(a, "")),
        (with(a, ""), with(b, on)),
    ] {
        let error = error(&first, &second).unwrap_or_else(|| panic!("{first} {second}"));
        assert!(error.contains("a.reg") && error.contains("c.reg"), "{error}");
    }
    assert_eq!(error(&with(b, on), &with(b, on)), None);
    assert_eq!(error(&with(b, on), &format!("{a}\r\n{b}\r\n{on}")), None);
}

#[test]
fn a_recorded_command_tells_what_it_asked_for() {
    let query = |arguments: &str| not_of("query", r"HKLM\SOFTWARE\A B", arguments);
    assert_eq!(query(r#"reg.exe query "HKLM\SOFTWARE\A B" /reg:64"#), None);
    assert_eq!(query(r#"REG QUERY "HKEY_LOCAL_MACHINE\software\a b" /REG:64 "#), None);
    for (arguments, wanted) in [
        ("", "not that of the collector"),
        (r#"reg.exe query "HKLM\SOFTWARE\Foo" /reg:64"#, r"of hkey_local_machine\software\foo,"),
        (r#"reg.exe query "HKLM\SOFTWARE\A B\C" /reg:64"#, "and not of"),
        (r#"reg.exe query "HKLM\SOFTWARE\A B""#, "32-bit"),
        (r#"reg.exe query "HKLM\SOFTWARE\A B" /reg:32"#, "/reg:32"),
        (r#"reg.exe query "HKLM\SOFTWARE\A B" /v X /reg:64"#, "leaves something out"),
        (r#"reg.exe export "HKLM\SOFTWARE\A B" x.reg /reg:64"#, "not `reg query`"),
        (r#"cmd.exe query "HKLM\SOFTWARE\A B" /reg:64"#, "not `reg query`"),
    ] {
        let why = query(arguments).unwrap_or_else(|| panic!("{arguments}"));
        assert!(why.contains(wanted), "{arguments}: {why}");
    }
    assert_eq!(not_of("export", r"HKU\S-1\Software", r#"reg.exe export "HKU\S-1\Software" a.reg /y"#), None);
    assert!(
        not_of("export", "HKLM\\A", "reg.exe export HKLM\\A /reg:64").is_some(),
        "without a file there is no option"
    );
}

#[test]
fn what_is_no_whole_export_is_an_error_with_its_line() {
    let error = |text: &str| Registry::default().add_export("a.reg", text).unwrap_err().to_string();
    assert!(error("").contains("empty"));
    assert!(error("HKEY_LOCAL_MACHINE\\X\n").starts_with("a.reg:1:1:"));
    assert!(error("Windows Registry Editor Version 5.00\r\n\r\n").contains("no key"));
    let head = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\X]\r\n";
    for (rest, wanted) in [
        ("\"A\"=dword:0000", "a.reg:4:5:"),
        ("\"A\"=dword:00000001", "cut off"),
        ("\"A\"=hex:01,02,\\", "cut off"),
        ("\"A\"=\"abc", "closing quote"),
        ("\"A\"", "without `=`"),
        ("[-HKEY_LOCAL_MACHINE\\Y]\r\n", "deletes"),
        ("[HKEY_LOCAL_MACHINE\\Y", "bracket"),
        ("what\r\n", "neither"),
    ] {
        let error = error(&format!("{head}{rest}"));
        assert!(error.contains(wanted), "{rest}: {error}");
    }
}

/// Each line of a value is read once: with all that came before it copied each time, this would take minutes.
#[test]
fn a_value_of_very_many_lines_is_read_in_no_time() {
    let lines = 1_000_000;
    let text = format!("{HEADER}\n\n[HKEY_LOCAL_MACHINE\\X]\n\"A\"=hex:{}00\n", "00,\\\n  ".repeat(lines));
    let begun = std::time::Instant::now();
    let mut registry = Registry::default();
    registry.add_export("a.reg", &text).unwrap();
    let State::Value(Data::Bytes(3, bytes), line) = registry.value("HKLM\\X", "A") else { panic!() };
    assert_eq!((bytes.len(), line.number), (lines + 1, 4));
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[\\[\\]\"=@a-c0-1:,\\\\\r\n()-]{0,80}") {
        let mut registry = Registry::default();
        let _ = registry.add_export("any", &format!("{HEADER}\n{text}"));
        let _ = registry.add_listing("any", &text, "HKLM");
    }

    /// A prefix of an export may lose values only together with the proof that they are absent: no value that is there
    /// reads as not set.
    #[test]
    fn a_cut_export_never_turns_a_value_into_an_absence(cut in 0..EXPORT.len()) {
        let mut registry = Registry::default();
        let Some(part) = EXPORT.get(..cut) else { return Ok(()) };
        if registry.add_export("cut.reg", part).is_ok() {
            // Cut at the end of a line: only the manifest's size and digest can tell. Nothing but that may pass.
            prop_assert!(part.ends_with('\n'));
        }
    }
}
