//! The options of MySQL and MariaDB: `my.ini`, and which one a service reads.

use super::{Collected, Line, registry};
use crate::catalog::diagnostic::Diagnostic;
use crate::model::peer_text::PeerText;

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

/// Options of a service's own command line that go before its file, or bring in another.
const BEFORE: [&str; 5] =
    ["bind_address", "skip_networking", "defaults_extra_file", "no_defaults", "defaults_group_suffix"];

/// A service of MySQL or MariaDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub service: String,
    /// The command that starts it.
    pub image: Line,
    /// What its file says, or why that is not known.
    pub options: Collected<Options>,
}

/// The options file that a service's command names, and why nobody knows which one it reads.
fn file_of(image: &str) -> Collected<String> {
    let words = registry::words(image);
    let option = |word: &String| {
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('/'))?;
        let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value.to_owned())));
        Some((key.to_lowercase().replace('-', "_"), value))
    };
    let options: Vec<_> = words.iter().filter_map(option).collect();
    if let Some((key, _)) = options.iter().find(|(key, _)| BEFORE.contains(&key.as_str())) {
        return Err(format!("the service's own command has --{key}, which its file does not tell"));
    }
    let mut files = options.into_iter().filter(|(key, _)| key == "defaults_file").filter_map(|(_, value)| value);
    match (files.next().filter(|file| !file.is_empty()), files.next()) {
        (Some(file), None) => Ok(file),
        (Some(_), Some(_)) => Err("the service's command names two files of options".to_owned()),
        (None, _) => {
            Err("the service's command names no file of options (--defaults-file), so which it reads is not known"
                .to_owned())
        }
    }
}

/// Reads the services of MySQL and MariaDB with their files: `[service] NAME`, `[image] COMMAND`, `[file] PATH`, then `[there]` or
/// `[none]`, and the file's lines with `|` before each; `[complete]` is the last line.
pub fn read_servers(file: &str, text: &str) -> Result<Vec<Server>, Box<Diagnostic>> {
    let broken = |message: &str| Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned())));
    if text.lines().next_back().is_none_or(|last| last.trim() != "[complete]") || !text.ends_with('\n') {
        return Err(broken("the last line, `[complete]`, is missing: the command broke off"));
    }
    let mut found: Vec<Found> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let named = |start: &str| line.trim().strip_prefix(start).map(str::to_owned);
        if let Some(service) = named("[service] ") {
            let line = Line::new(file, number, line);
            found.push(Found {
                service,
                image: (String::new(), line),
                path: None,
                there: false,
                content: String::new(),
            });
        } else if let Some(server) = found.last_mut() {
            if let Some(line) = line.strip_prefix('|') {
                server.content.push_str(line);
                server.content.push('\n');
            } else if let Some(image) = named("[image] ") {
                server.image = (image, Line::new(file, number, line));
            } else if let Some(path) = named("[file] ") {
                server.path = Some(path);
            } else {
                server.there |= line.trim() == "[there]";
            }
        }
        if found.len() > SERVERS {
            return Err(broken("more services of MySQL than are read"));
        }
    }
    Ok(found.into_iter().map(|server| server.read(file)).collect())
}

/// A service as it stands in the file.
struct Found {
    service: String,
    image: (String, Line),
    path: Option<String>,
    there: bool,
    content: String,
}

impl Found {
    fn options(&self, file: &str) -> Collected<Options> {
        let wanted = file_of(&self.image.0)?;
        let shown = PeerText::new(&wanted, 160).as_str().replace("\\\\", "\\");
        if self.path.as_deref() != Some(&wanted) {
            return Err(format!("the file that the service's command names was not collected ({shown})"));
        }
        if !self.there {
            return Err(format!("{shown}, which the service's command names, is not there"));
        }
        let options = read(&format!("{file} ({shown})"), &self.content).map_err(|error| error.to_string())?;
        match &options.includes {
            Some(line) => Err(format!("it includes other files, which are not collected ({})", line.quote())),
            None => Ok(options),
        }
    }

    fn read(self, file: &str) -> Server {
        Server { options: self.options(file), service: self.service, image: self.image.1 }
    }
}

/// The most services.
const SERVERS: usize = 100;

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

    /// What the collector wrote of one service.
    fn written(image: &str, path: &str, state: &str, content: &str) -> String {
        let content: String = content.lines().flat_map(|line| ["|", line, "\r\n"]).collect();
        let path = if path.is_empty() { String::new() } else { format!("[file] {path}\r\n") };
        format!("[service] MySQL80\r\n[image] {image}\r\n{path}{state}\r\n{content}[complete]\r\n")
    }

    #[test]
    fn only_the_file_that_the_service_names_counts() {
        let ini = "[mysqld]\nbind-address=127.0.0.1\n";
        let path = r"C:\ProgramData\MySQL\MySQL Server 8.0\my.ini";
        let program = r"C:\Program Files\MySQL\bin\mysqld.exe";
        let options = |image: &str, path: &str, state: &str, ini: &str| {
            let servers = read_servers("mysql.txt", &written(image, path, state, ini)).unwrap();
            let [server] = servers.as_slice() else { panic!("{servers:?}") };
            assert_eq!((server.service.as_str(), server.image.number), ("MySQL80", 2));
            server.options.clone()
        };
        for image in [
            format!("\"{program}\" --defaults-file=\"{path}\" MySQL80"),
            format!("\"{program}\" \"--defaults-file={path}\" \"MariaDB\""),
            format!("\"{program}\" --defaults_file=\"{path}\" --local-service MySQL80"),
        ] {
            let found = options(&image, path, "[there]", ini).unwrap();
            assert!(
                matches!(found.network(), Network::Local(line) if line.file.contains("my.ini") && line.number == 2),
                "{image}"
            );
            for (path, state, ini) in [
                (r"C:\old\my.ini", "[there]", ini),
                (path, "[none]", ini),
                ("", "[default]", ini),
                (path, "[there]", "[mysqld]\n!include C:\\x.ini\n"),
                (path, "[there]", "bind-address=127.0.0.1\n"),
            ] {
                assert!(options(&image, path, state, ini).is_err(), "{path} {state} {ini}");
            }
        }
        for more in ["--bind-address=*", "--skip_networking=0", "--defaults-extra-file=C:\\x", "--defaults-file=C:\\x"]
        {
            let image = format!("\"{program}\" --defaults-file=\"{path}\" {more} MySQL80");
            assert!(options(&image, path, "[there]", ini).is_err(), "{more}");
        }
        assert!(options(&format!("\"{program}\" MySQL80"), path, "[there]", ini).is_err());
        let cut = written(program, path, "[there]", ini).replace("[complete]", "");
        assert!(read_servers("mysql.txt", &cut).is_err() && read_servers("mysql.txt", "").is_err());
        assert_eq!(read_servers("mysql.txt", "[complete]\r\n").unwrap(), []);
    }

    proptest! {
        #[test]
        fn any_account_of_services_is_read_without_panic(text in "(\\[service\\] |\\[image\\] |\\[file\\] a|\\[there\\]|--defaults-file=a|[|\\[=a\"\r\n])*") {
            let _ = read_servers("any", &(text + "\n[complete]\n"));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]=a-c\"'#! \r\n]{0,60}") {
            if let Ok(options) = read("any", &text) {
                let _ = options.network();
            }
        }
    }
}
