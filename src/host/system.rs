//! What the host says of itself: clock, boot, build, domain; and of whom the collector ran as.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;
use crate::model::peer_text::PeerText;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The mandatory labels of elevated processes and of services (winnt.h).
const ELEVATED: [&str; 2] = ["S-1-16-12288", "S-1-16-16384"];

/// What the host says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    values: BTreeMap<String, (String, Line)>,
}

/// Reads lines `key=value`, of which the last is `complete=yes`.
pub fn read(file: &str, text: &str) -> Result<System, Box<Diagnostic>> {
    let mut found = System::default();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((key, value)) = line.split_once('=') {
            let value = (value.trim().to_owned(), Line::new(file, number, line));
            if let Some((_, first)) = found.values.insert(key.to_owned(), value) {
                let message =
                    format!("`{}` stands in it twice, in lines {} and {number}", PeerText::new(key, 60), first.number);
                return Err(Box::new(Diagnostic::whole(file, &message, Some("Collect it again.".to_owned()))));
            }
        }
    }
    if text.lines().next_back().is_none_or(|last| last.trim_end() != "complete=yes") {
        let message = "the last line, `complete=yes`, is missing: the command broke off or never ran";
        return Err(Box::new(Diagnostic::whole(
            file,
            message,
            Some("Run the collector where PowerShell is allowed.".to_owned()),
        )));
    }
    Ok(found)
}

impl System {
    /// A value that is there and not empty.
    pub fn get(&self, key: &str) -> Option<(&str, &Line)> {
        self.values.get(key).filter(|(value, _)| !value.is_empty()).map(|(value, line)| (value.as_str(), line))
    }

    /// A time, UTC.
    pub fn time(&self, key: &str) -> Option<(Timestamp, &Line)> {
        let (value, line) = self.get(key)?;
        Some((value.parse().ok()?, line))
    }

    /// Whether the host is joined to a domain.
    pub fn part_of_domain(&self) -> Option<(bool, &Line)> {
        let (value, line) = self.get("part_of_domain")?;
        match value.to_ascii_lowercase().as_str() {
            "true" => Some((true, line)),
            "false" => Some((false, line)),
            _ => None,
        }
    }

    /// The firewall's profiles in force: `Domain`, `Private`, `Public`; empty where not known.
    pub fn profiles(&self) -> Vec<String> {
        let value = self.get("network").map(|(value, _)| value).unwrap_or_default();
        let name = |category: &str| match category.trim().to_ascii_lowercase().as_str() {
            "domainauthenticated" | "2" => Some("Domain".to_owned()),
            "private" | "1" => Some("Private".to_owned()),
            "public" | "0" => Some("Public".to_owned()),
            _ => None,
        };
        value.split(',').map(name).collect::<Option<Vec<String>>>().unwrap_or_default()
    }
}

/// Whether `whoami /groups /fo csv /nh` shows an elevated process, and by which line: that of the one mandatory label, told by
/// its SID alone, which is the last column but one. What a group is called says nothing. An empty answer shows nothing, nor does
/// one of two labels.
pub fn elevated(file: &str, text: &str) -> Option<(bool, Line)> {
    let label = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.trim().strip_prefix('"')?.strip_suffix('"')?.split("\",\"").collect();
        let sid = fields.iter().nth_back(1).filter(|sid| fields.len() == 4 && sid.starts_with("S-1-16-"))?;
        Some((ELEVATED.contains(sid), Line::new(file, number, line)))
    };
    let mut labels = (1..).zip(text.lines()).filter_map(label);
    let first = labels.next()?;
    labels.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_counts() {
        let text = "utc=2026-11-21T10:00:00Z\r\nboot=2026-11-20T01:02:03Z\r\npart_of_domain=False\r\nnetwork=Public,DomainAuthenticated\r\ncomplete=yes\r\n";
        let found = read("system.txt", text).unwrap();
        assert_eq!(found.time("boot").unwrap().0.to_string(), "2026-11-20T01:02:03Z");
        assert!(!found.part_of_domain().unwrap().0);
        assert_eq!(found.profiles(), ["Public", "Domain"]);
        for twice in ["boot=2026-11-21T00:00:00Z\r\n", "part_of_domain=True\r\n", "complete=yes\r\n"] {
            assert!(read("system.txt", &text.replace("complete=", &format!("{twice}complete="))).is_err(), "{twice}");
        }
        assert!(read("system.txt", "complete=yes\r\nboot=\r\n").is_err(), "complete comes last");
        assert!(read("system.txt", "").is_err() && read("system.txt", "utc=2026-11-21T10:00:00Z\r\n").is_err());
    }

    #[test]
    fn elevation_is_told_by_the_label() {
        let csv = "\"Mandatory Label\\High Mandatory Level\",\"Label\",\"S-1-16-12288\",\"\"\r\n";
        assert!(elevated("w", csv).unwrap().0);
        assert!(!elevated("w", "\"x\",\"Label\",\"S-1-16-8192\",\"\"\r\n").unwrap().0);
        assert_eq!(elevated("w", ""), None);
        let medium = "\"Mandatory Label\\Medium Mandatory Level\",\"Label\",\"S-1-16-8192\",\"\"\r\n";
        for group in [
            "\"CORP\\S-1-16-12288 admins\",\"Group\",\"S-1-5-21-1-2-3-1109\",\"x\"\r\n",
            "\"S-1-16-12288\",\"Group\",\"S-1-5-21-1-2-3-1109\",\"S-1-16-12288\"\r\n",
        ] {
            assert!(!elevated("w", &format!("{group}{medium}")).unwrap().0, "{group}");
            assert_eq!(elevated("w", group), None);
        }
        assert!(!elevated("w", &csv.replace("12288", "122880")).unwrap().0);
        assert_eq!(elevated("w", &format!("{csv}{medium}")), None, "two labels");
    }
}
