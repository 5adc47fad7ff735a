//! http.sys: which certificates are bound where (`netsh http show sslcert`), and which addresses are registered by whom
//! (`netsh http show servicestate view=requestq`). Labels are in the language of the host; only structure is read.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;

/// Where http.sys serves something that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The port.
    pub port: u16,
    /// Whether under TLS.
    pub tls: bool,
    /// The processes that serve it; `None` where the answer does not say it, or not wholly.
    pub pids: Option<Vec<u32>>,
    /// Where it stands.
    pub line: Line,
}

/// A port to which a certificate is bound, and what the binding says of versions (Server 2022; Server 2019 with updates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The port.
    pub port: u16,
    /// Where it stands.
    pub line: Line,
    /// Whether it refuses TLS 1.1 and everything before (`Disable Legacy TLS Versions`); `None` where that is not told.
    pub no_legacy: Option<(bool, Line)>,
    /// Whether it refuses TLS 1.2 (`Disable TLS1.2`).
    pub no_tls12: Option<(bool, Line)>,
}

/// A flag of a binding. Only English Windows is read: elsewhere it is not told.
fn set(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "set" | "enabled" => Some(true),
        "not set" | "disabled" => Some(false),
        _ => None,
    }
}

/// The ports that have a certificate. An answer without any is sound: there may be none.
pub fn bindings(file: &str, text: &str) -> Result<Vec<Binding>, Box<Diagnostic>> {
    if text.trim().is_empty() {
        return Err(Box::new(Diagnostic::whole(
            file,
            "the file is empty: the command failed",
            Some("Collect it again.".to_owned()),
        )));
    }
    let mut found: Vec<Binding> = Vec::new();
    // Flags are of the binding above them, in the same block of lines.
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        inside &= !line.trim().is_empty();
        // `    IP:port                      : 0.0.0.0:443`, `    Hostname:port  : a.example:443`.
        let Some((label, value)) = line.rsplit_once(" : ") else { continue };
        let value = value.trim();
        let place = || Line::new(file, number, line);
        if let Some((host, port)) = value.rsplit_once(':')
            && !host.is_empty()
            && !host.contains(char::is_whitespace)
            && let Ok(port) = port.parse()
        {
            found.push(Binding { port, line: place(), no_legacy: None, no_tls12: None });
            inside = true;
        } else if let (true, Some(binding), Some(on)) = (inside, found.last_mut(), set(value)) {
            match label.trim() {
                "Disable Legacy TLS Versions" => binding.no_legacy = Some((on, place())),
                "Disable TLS1.2" => binding.no_tls12 = Some((on, place())),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// A request queue: its name stands unindented, then labels with a version, a state, the most requests and the number of
/// processes attached, then those processes, then what is registered. Labels are told by their order.
#[derive(Default)]
struct Queue {
    /// The numbers behind labels: the most requests, and the processes attached.
    numbers: Vec<usize>,
    /// `2652`, or `ID: 2652, image: C:\...`.
    pids: Vec<u32>,
}

impl Queue {
    fn line(&mut self, text: &str) {
        if let Ok(pid) = text.parse() {
            self.pids.push(pid);
            return;
        }
        let Some((_, value)) = text.split_once(": ") else { return };
        match value.split_once(',') {
            Some((pid, _)) => self.pids.extend(pid.trim().parse::<u32>()),
            None if self.numbers.len() < 2 => self.numbers.extend(value.trim().parse::<usize>()),
            None => {}
        }
    }

    /// The processes, where there are as many as it says.
    fn pids(&self) -> Option<Vec<u32>> {
        (self.numbers.get(1) == Some(&self.pids.len())).then(|| self.pids.clone())
    }
}

/// The addresses that are registered. Without any the answer is none: Windows' own remote management has one, and so has
/// every server that this is asked of.
pub fn registrations(file: &str, text: &str) -> Result<Vec<Place>, Box<Diagnostic>> {
    let mut found = Vec::new();
    let mut queue = Queue::default();
    for (number, line) in (1..).zip(text.lines()) {
        let address = line.trim();
        if !address.is_empty() && !line.starts_with([' ', '\t']) {
            queue = Queue::default();
            continue;
        }
        let lower = address.to_ascii_lowercase();
        let (tls, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => {
                queue.line(address);
                continue;
            }
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        // `http://+:8040:10.0.0.5/` names an address behind the port.
        let mut parts = if let Some(end) = authority.rfind(']') {
            authority.get(end + 1..).unwrap_or_default().split(':')
        } else {
            authority.split(':')
        };
        if let Some(port) = parts.nth(1).and_then(|port| port.parse().ok()) {
            found.push(Place { port, tls, pids: queue.pids(), line: Line::new(file, number, line) });
        }
    }
    if found.is_empty() || !text.ends_with('\n') {
        let message = "no address is registered in it, or its last line has no end: the command failed";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_whatever_the_language() {
        let text = "\r\nSSL-Zertifikatsbindungen:\r\n\r\n    IP:Port                      : 0.0.0.0:8040\r\n    Zertifikathash             : ab12\r\n\
                    \x20   IP:port : [::]:443\r\n    Hostname:port : a.example:8443\r\n    Application ID : {4dc3e181-e14b-4a21-b022-59fc669b0914}\r\n";
        let ports: Vec<u16> = bindings("s", text).unwrap().iter().map(|place| place.port).collect();
        assert_eq!(ports, [8040, 443, 8443]);
        assert!(bindings("s", "").is_err());
        let text = "  Registered URLs:\r\n      HTTP://+:8040/\r\n      HTTPS://*:443:10.0.0.5/x\r\n      HTTP://[::1]:80/\r\n";
        let places: Vec<(u16, bool)> =
            registrations("r", text).unwrap().iter().map(|place| (place.port, place.tls)).collect();
        assert_eq!(places, [(8040, false), (443, true), (80, false)]);
        assert!(registrations("r", "").is_err() && registrations("r", "Access is denied.\r\n").is_err());
    }

    #[test]
    fn a_binding_says_which_versions_it_refuses_where_it_is_told_in_english() {
        let block =
            |port: u16, flags: &str| format!("    IP:port                      : 0.0.0.0:{port}\r\n{flags}\r\n");
        let text = [
            block(443, "    Disable TLS1.2               : Not Set\r\n    Disable Legacy TLS Versions  : Set\r\n"),
            block(8040, "    Disable TLS1.2               : Set\r\n    Disable Legacy TLS Versions  : Not Set\r\n"),
            block(8443, "    TLS-Vorg\u{e4}ngerversionen deaktivieren : Festgelegt\r\n"),
            // A block that is no binding of a port: its flags are nobody's.
            "    Central Certificate Store    : 443\r\n    Disable Legacy TLS Versions  : Set\r\n".to_owned(),
        ];
        let found = bindings("s", &text.concat()).unwrap();
        let flags: Vec<(u16, Option<bool>, Option<bool>)> = found
            .iter()
            .map(|one| (one.port, one.no_legacy.as_ref().map(|flag| flag.0), one.no_tls12.as_ref().map(|flag| flag.0)))
            .collect();
        assert_eq!(flags, [(443, Some(true), Some(false)), (8040, Some(false), Some(true)), (8443, None, None)]);
        assert_eq!(found[0].no_legacy.as_ref().unwrap().1.number, 3);
    }

    #[test]
    fn a_queue_says_whose_its_addresses_are_whatever_the_language_or_it_does_not_count() {
        let queue = |count: &str, pids: &str| {
            format!(
                "Name der Anforderungswarteschlange: x\r\n    Version: 2.0\r\n    Status: Aktiv\r\n    Max. Anforderungen: 1000\r\n    \
                 Angefügte Prozesse: {count}\r\n    Controllerprozess-ID: 1504\r\n    Prozess-IDs:\r\n{pids}\r\n    URL-Gruppen:\r\n        \
                 Max. Verbindungen: 7\r\n            HTTP://+:8040/\r\n\r\n"
            )
        };
        let text = [
            queue("2", "        2652\r\n        2700\r\n"),
            queue("1", "        ID: 900, Abbild: C:\\Windows\\System32\\svchost.exe\r\n        Dienste: WinRM\r\n"),
            queue("0", ""),
            queue("1", ""),
        ];
        let pids: Vec<Option<Vec<u32>>> =
            registrations("r", &text.concat()).unwrap().into_iter().map(|place| place.pids).collect();
        assert_eq!(pids, [Some(vec![2652, 2700]), Some(vec![900]), Some(vec![]), None]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(http://|HTTPS://|Disable Legacy TLS Versions : Set|[ :+\\[\\]é0-9/\r\n])*") {
            let _ = bindings("any", &text);
            let _ = registrations("any", &text);
        }
    }
}
