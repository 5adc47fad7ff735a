//! http.sys: which certificates are bound where (`netsh http show sslcert`), and which addresses are registered by whom
//! (`netsh http show servicestate view=requestq`). Labels are in the language of the host; only structure is read.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;

/// Where http.sys serves something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The port.
    pub port: u16,
    /// Whether under TLS.
    pub tls: bool,
    /// Where it stands.
    pub line: Line,
}

/// The ports that have a certificate. An answer without any is sound: there may be none.
pub fn bindings(file: &str, text: &str) -> Result<Vec<Place>, Box<Diagnostic>> {
    if text.trim().is_empty() {
        return Err(Box::new(Diagnostic::whole(
            file,
            "the file is empty: the command failed",
            Some("Collect it again.".to_owned()),
        )));
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // `    IP:port                      : 0.0.0.0:443`, `    Hostname:port  : a.example:443`.
        let Some((_, value)) = line.rsplit_once(" : ") else { continue };
        let value = value.trim();
        if let Some((host, port)) = value.rsplit_once(':')
            && !host.is_empty()
            && !host.contains(char::is_whitespace)
            && let Ok(port) = port.parse()
        {
            found.push(Place { port, tls: true, line: Line::new(file, number, line) });
        }
    }
    Ok(found)
}

/// The addresses that are registered.
pub fn registrations(file: &str, text: &str) -> Result<Vec<Place>, Box<Diagnostic>> {
    if text.trim().is_empty() {
        return Err(Box::new(Diagnostic::whole(
            file,
            "the file is empty: the command failed",
            Some("Collect it again.".to_owned()),
        )));
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let address = line.trim();
        let lower = address.to_ascii_lowercase();
        let (tls, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        // `http://+:8040:10.0.0.5/` names an address behind the port.
        let mut parts = if let Some(end) = authority.rfind(']') {
            authority.get(end + 1..).unwrap_or_default().split(':')
        } else {
            authority.split(':')
        };
        if let Some(port) = parts.nth(1).and_then(|port| port.parse().ok()) {
            found.push(Place { port, tls, line: Line::new(file, number, line) });
        }
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
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(http://|HTTPS://|[ :+\\[\\]é0-9/\r\n])*") {
            let _ = bindings("any", &text);
            let _ = registrations("any", &text);
        }
    }
}
