//! Services: their states from `sc query`, whatever its language.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// `SERVICE_RUNNING` (winsvc.h).
pub const RUNNING: u32 = 4;

/// How many lines with a value stand beneath each service: type, state, two exit codes, checkpoint and wait hint.
const LINES: usize = 6;

/// A service and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The state: 1 stopped, 4 running (winsvc.h).
    pub state: u32,
    /// Where the state stands.
    pub line: Line,
}

/// Reads what `sc query type= service state= all` printed: for each service an unindented line with its name, one with its
/// display name, then indented lines, of which the second has the number of the state. A list that ends behind a whole
/// service may be short all the same: a service that is not named is not known.
pub fn read(file: &str, text: &str) -> Result<BTreeMap<String, Service>, Box<Diagnostic>> {
    let again = || Some("Collect it again.".to_owned());
    let mut found = BTreeMap::new();
    let mut name: Option<String> = None;
    let mut numbers = 0;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let inner = line.trim();
        if inner.is_empty() {
            continue;
        }
        let (label, value) = inner.split_once(':').unwrap_or((inner, ""));
        if !line.starts_with([' ', '\t']) {
            // The label of the name is the same in every language; that of the display name follows it.
            if label.trim() == "SERVICE_NAME" {
                name = Some(value.trim().to_owned());
                numbers = 0;
            }
            continue;
        }
        let digits: String = value.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
        if let (Some(service), true) = (&name, inner.contains(':')) {
            numbers += 1;
            if numbers == 2 {
                let Ok(state) = digits.parse::<u32>() else {
                    return Err(Box::new(Diagnostic::at(
                        file,
                        text,
                        span,
                        "the state of a service is a number",
                        again(),
                    )));
                };
                let line = Line::new(file, number, &format!("{service}: {inner}"));
                if found.insert(service.to_lowercase(), Service { state, line }).is_some() {
                    let message = "a service stands here twice: two lists were mixed";
                    return Err(Box::new(Diagnostic::at(file, text, span, message, again())));
                }
            }
        }
    }
    // Each service ends with lines of its codes and an empty one.
    if name.is_some() && numbers < LINES || !text.ends_with('\n') {
        let message = "the last service has not all of its lines: the file was cut off";
        return Err(Box::new(Diagnostic::whole(file, message, again())));
    }
    if found.is_empty() {
        let message = "there is no service in it, and every Windows has some: the command failed";
        return Err(Box::new(Diagnostic::whole(file, message, again())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_by_number() {
        let text = "\r\nSERVICE_NAME: W3SVC\r\nANZEIGENAME: WWW-Publishingdienst: x\r\n        TYP                : 20  WIN32_SHARE_PROCESS\r\n\
                    \x20       STATUS             : 4  RUNNING\r\n                                (STOPPABLE)\r\n        WIN32_BEENDIGUNGSCODE    : 0  (0x0)\r\n        DIENST_BEENDIGUNGSCODE : 0\r\n\
                    \x20       PRÜFPUNKT : 0x0\r\n        WARTEHINWEIS : 0x0\r\n\r\n\
                    SERVICE_NAME: WMSVC\r\nDISPLAY_NAME: y\r\n        TYPE : 10\r\n        STATE : 1  STOPPED\r\n        A : 1077\r\n\
                    \x20       B : 0\r\n        C : 0x0\r\n        D : 0x0\r\n";
        let found = read("sc.txt", text).unwrap();
        assert_eq!((found["w3svc"].state, found["wmsvc"].state), (4, 1));
        for at in text.match_indices('\n').map(|(at, _)| at + 1).filter(|at| text.len() - 120 < *at && *at < text.len())
        {
            assert!(read("sc.txt", &text[..at]).is_err(), "{}", &text[..at]);
        }
        assert!(read("sc.txt", &text.repeat(2)).unwrap_err().to_string().contains("twice"));
        assert!(read("sc.txt", "").is_err() && read("sc.txt", "SERVICE_NAME: x\r\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(SERVICE_NAME: |[ a:0-9\t\r\n])*") {
            let _ = read("any", &text);
        }
    }
}
