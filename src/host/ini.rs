//! The options of MySQL and MariaDB: `my.ini`.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;

/// The sections that a server of MySQL or MariaDB reads, but for those with its version in their names.
const SERVER: [&str; 5] = ["mysqld", "server", "mariadb", "mariadbd", "mariadb-server"];

/// The options of the server, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    set: Vec<(String, Option<String>, Line)>,
    /// A line that includes other files, which nobody collected.
    pub includes: Option<Line>,
    /// The last line.
    pub end: usize,
    file: String,
}

/// Reads an options file.
pub fn read(file: &str, text: &str) -> Result<Options, Box<Diagnostic>> {
    let mut found = Options { file: file.to_owned(), ..Options::default() };
    let mut section: Option<bool> = None;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let span = at..at + line.trim_end().len();
        at += line.len();
        found.end = number;
        let line = line.trim();
        let wrong = |message: &str| Box::new(Diagnostic::at(file, text, span.clone(), message, None));
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with("!include") {
            found.includes = Some(Line::new(file, number, line));
        } else if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().filter(|name| name.len() + 1 < line.len());
            let name = name.ok_or_else(|| wrong("a section without its closing bracket"))?.trim().to_lowercase();
            section =
                Some(SERVER.contains(&name.as_str()) || name.starts_with("mysqld-") || name.starts_with("mariadb-"));
        } else {
            let reads = section.ok_or_else(|| wrong("an option before the first section"))?;
            let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value.trim())));
            if reads {
                let value = value.map(unquoted);
                found.set.push((key.trim().to_lowercase().replace('-', "_"), value, Line::new(file, number, line)));
            }
        }
    }
    if section.is_none() {
        return Err(Box::new(Diagnostic::whole(file, "there is no section in it", None)));
    }
    Ok(found)
}

fn unquoted(value: &str) -> String {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(inner, _)| inner);
    let plain = || value.split([' ', '\t']).next().filter(|_| value.contains(" #")).unwrap_or(value);
    inner('"').or_else(|| inner('\'')).unwrap_or_else(plain).trim().to_owned()
}

/// What the options say of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Only this machine is served, by this line.
    Local(Line),
    /// Other machines are served too, by this line.
    Open(Line),
}

impl Options {
    fn last(&self, key: &str) -> Option<(&Option<String>, &Line)> {
        self.set.iter().rev().find(|(known, _, _)| known == key).map(|(_, value, line)| (value, line))
    }

    /// What the options say of the network: the last of each option counts, and without any every interface is served (since
    /// MySQL 5.6.6, MariaDB 10.0).
    pub fn network(&self) -> Network {
        if let Some((value, line)) = self.last("skip_networking")
            && value
                .as_deref()
                .is_none_or(|value| ["1", "on", "true", "yes", ""].contains(&value.to_lowercase().as_str()))
        {
            return Network::Local(line.clone());
        }
        match self.last("bind_address") {
            Some((Some(value), line)) => {
                let local = |address: &str| {
                    let address = address.trim().to_lowercase();
                    address.starts_with("127.") || address == "::1" || address == "localhost"
                };
                if !value.trim().is_empty() && value.split(',').all(local) {
                    Network::Local(line.clone())
                } else {
                    Network::Open(line.clone())
                }
            }
            _ => Network::Open(Line::new(&self.file, 0, "neither bind-address nor skip-networking")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        read("my.ini", text).unwrap().network()
    }

    #[test]
    fn the_last_option_counts_however_it_is_written() {
        let is_local = |text: &str| matches!(network(text), Network::Local(_));
        assert!(is_local("[client]\nport=1\n[mysqld]\nbind_address = \"127.0.0.1\"\n"));
        assert!(is_local("[mysqld]\nbind-address=0.0.0.0\nbind_address=::1,127.0.0.1 # both\n"));
        assert!(is_local("[mysqld]\nskip-networking\n"));
        assert!(!is_local("[mysqld]\nskip-networking=0\n"));
        assert!(!is_local("[mysqld]\nbind-address=127.0.0.1\nbind-address=*\n"));
        assert!(!is_local("[mysqld]\nport=3306\n"));
        assert!(!is_local("[client]\nbind-address=127.0.0.1\n[mysqld]\n"));
        assert!(!is_local("[mysqld]\nbind-address=127.0.0.1,10.0.0.5\n"));
        assert!(matches!(network("[mysqld]\n\nbind-address=0.0.0.0\n"), Network::Open(line) if line.number == 3));
    }

    #[test]
    fn what_is_no_options_file_is_an_error() {
        assert!(read("my.ini", "").is_err());
        assert!(read("my.ini", "bind-address=127.0.0.1\n").unwrap_err().to_string().starts_with("my.ini:1:1:"));
        assert!(read("my.ini", "[mysqld\n").is_err());
        assert!(read("my.ini", "[mysqld]\n!includedir C:/x\n").unwrap().includes.is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]=a-c\"'#! \r\n]{0,60}") {
            if let Ok(options) = read("any", &text) {
                let _ = options.network();
            }
        }
    }
}
