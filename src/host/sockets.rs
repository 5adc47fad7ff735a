//! What listens on the host: `netstat -ano`, and `tasklist /svc /fo csv /nh` for the names.

use super::{Line, number as number_of};
use crate::catalog::diagnostic::Diagnostic;
use crate::model::ports::Transport;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The most sockets and processes that are read. A DNS server of Windows alone holds 2500 UDP sockets for each family
/// (`SocketPoolSize`, 10,000 at most), and a busy server some ten thousand connections.
const LIMIT: usize = 100_000;

/// Something that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// TCP or UDP.
    pub transport: Transport,
    /// The local address; unspecified for all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The process.
    pub pid: u32,
    /// Where it stands.
    pub line: Line,
}

impl Listener {
    /// Whether other machines can reach it at all.
    pub fn beyond_loopback(&self) -> bool {
        !self.address.is_loopback()
    }
}

/// Reads what `netstat -ano` printed. Words of it are in the language of the host, so listeners are told by the other end:
/// nobody's (`0.0.0.0:0`, `[::]:0`, `*:*`). They come in the order of transport and port.
pub fn read(file: &str, text: &str) -> Result<Vec<Listener>, Box<Diagnostic>> {
    let mut found = Vec::new();
    let mut lines_of_sockets = 0;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let transport = match words.first() {
            Some(word) if word.eq_ignore_ascii_case("TCP") => Transport::Tcp,
            Some(word) if word.eq_ignore_ascii_case("UDP") => Transport::Udp,
            _ => continue,
        };
        let wrong = |message: &str| {
            Box::new(Diagnostic::at(file, text, span.clone(), message, Some("Collect it again.".to_owned())))
        };
        let (Some(local), Some(foreign), Some(pid)) = (words.get(1), words.get(2), words.last()) else {
            return Err(wrong("a socket has two addresses and a process"));
        };
        if words.len() < if transport == Transport::Tcp { 5 } else { 4 } {
            return Err(wrong("a socket has two addresses and a process: the line was cut off"));
        }
        let pid = number_of(pid).ok_or_else(|| wrong("a line ends with the number of the process (`netstat -ano`)"))?;
        let (address, port) = endpoint(local).ok_or_else(|| wrong("this is no address with a port"))?;
        lines_of_sockets += 1;
        let listens = match transport {
            Transport::Tcp => foreign.ends_with(":0"),
            Transport::Udp => true,
        };
        if listens {
            found.push(Listener { transport, address, port, pid, line: Line::new(file, number, line) });
        }
        if lines_of_sockets > LIMIT {
            return Err(wrong("more sockets than are read"));
        }
    }
    if found.iter().all(|listener| listener.transport != Transport::Tcp) {
        let message = "no listening TCP socket is in it, and every Windows has some: the command failed";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    // TCP sockets come first, in both families, and every Windows has UDP sockets (123, 500, 5355): without any, the end is
    // missing. Where only UDP lines are missing nothing tells it but the manifest.
    if found.iter().all(|listener| listener.transport != Transport::Udp) || !text.ends_with('\n') {
        let message = "the end is missing: UDP sockets come last, and every Windows has some";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    // In the order of ports, so that those of one port are found without looking at all.
    found.sort_by_key(|listener| (listener.transport, listener.port));
    Ok(found)
}

fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let address = address.split('%').next().unwrap_or(address);
    Some((address.parse().ok()?, number_of(port)?))
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The file's name, such as `svchost.exe`.
    pub name: String,
    /// The services in it.
    pub services: Vec<String>,
}

/// Reads what `tasklist /svc /fo csv /nh` printed.
pub fn read_tasks(file: &str, text: &str) -> Result<BTreeMap<u32, Process>, Box<Diagnostic>> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let fields = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(|rest| rest.split("\",\""));
        let fields: Vec<&str> = fields.map(Iterator::collect).unwrap_or_default();
        let parsed = match fields.as_slice() {
            [name, pid, services, ..] => number_of::<u32>(pid).map(|pid| (pid, name, services)),
            _ => None,
        };
        let Some((pid, name, services)) = parsed else {
            let message = "a line has the name, the number and the services of a process, in quotes";
            return Err(Box::new(Diagnostic::at(file, text, span, message, Some("Collect it again.".to_owned()))));
        };
        let services = services.split(',').map(|service| service.trim().to_owned()).collect();
        if found.insert(pid, Process { name: (*name).to_owned(), services }).is_some() {
            let message = "a process stands here twice: lists of two times, or of two hosts, were mixed";
            return Err(Box::new(Diagnostic::at(file, text, span, message, Some("Collect it again.".to_owned()))));
        }
        if found.len() > LIMIT {
            return Err(Box::new(Diagnostic::at(file, text, span, "more processes than are read", None)));
        }
    }
    if found.is_empty() {
        return Err(Box::new(Diagnostic::whole(file, "there is no process in it: the command failed", None)));
    }
    // A list that ends with a whole line may be short all the same: whoever judges it must miss the process of a listener.
    if !text.ends_with('\n') {
        let message = "the last line has no end: the file was cut off";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GERMAN: &str = "\r\nAktive Verbindungen\r\n\r\n  Proto  Lokale Adresse         Remoteadresse          Status           PID\r\n\
        \x20 TCP    0.0.0.0:443            0.0.0.0:0              ABHÖREN         4\r\n\
        \x20 TCP    10.0.0.5:443           192.0.2.7:50123        HERGESTELLT     4\r\n\
        \x20 TCP    127.0.0.1:3306         0.0.0.0:0              ABHÖREN         2212\r\n\
        \x20 TCP    [::]:443               [::]:0                 ABHÖREN         4\r\n\
        \x20 UDP    0.0.0.0:75             *:*                                    1200\r\n\
        \x20 UDP    [fe80::1%4]:546        *:*                                    900\r\n";

    #[test]
    fn listeners_are_told_in_any_language() {
        let found = read("netstat.txt", GERMAN).unwrap();
        let short: Vec<String> =
            found.iter().map(|one| format!("{}/{} {}", one.transport, one.port, one.pid)).collect();
        assert_eq!(short, ["tcp/443 4", "tcp/443 4", "tcp/3306 2212", "udp/75 1200", "udp/546 900"]);
        assert!(found[0].beyond_loopback() && !found[2].beyond_loopback());
        assert_eq!(found[3].line.number, 9);
    }

    #[test]
    fn a_server_that_holds_thousands_of_sockets_is_read_whole_and_one_without_end_is_not() {
        let many = |count: usize| {
            let one = |number: usize| {
                format!("  UDP    0.0.0.0:{}          *:*                    1500\r\n", 1 + number % 65_000)
            };
            format!("{GERMAN}{}", (0..count).map(one).collect::<Vec<_>>().concat())
        };
        assert_eq!(read("n", &many(20_000)).unwrap().len(), 20_005);
        assert!(read("n", &many(LIMIT)).unwrap_err().to_string().contains("more sockets than are read"));
    }

    #[test]
    fn an_empty_or_cut_list_is_an_error() {
        assert!(read("n", "").is_err());
        let tcp = GERMAN.split("  UDP").next().unwrap();
        assert!(read("n", tcp).unwrap_err().to_string().contains("UDP sockets come last"), "cut at a line end");
        assert!(read("n", GERMAN.trim_end()).is_err() && read_tasks("t", "\"System\",\"4\",\"N/A\"").is_err());
        assert!(read("n", "Active Connections\r\n").is_err());
        assert!(read("n", "  TCP 0.0.0.0:443 0.0.0.0:0 LISTENING 4\r\n  TCP 0.0.0.0:80").is_err());
        assert!(
            read("n", "  TCP 0.0.0.0:443 0.0.0.0:0 LISTENING 4\r\n  TCP 0.0.0.0:80 0.0.0.0:0 LISTENING\r\n").is_err()
        );
    }

    #[test]
    fn processes_have_names_and_services() {
        let found =
            read_tasks("t", "\"System\",\"4\",\"N/A\"\r\n\"svchost.exe\",\"1200\",\"Dhcp,EventLog\"\r\n").unwrap();
        assert_eq!(
            found[&1200],
            Process { name: "svchost.exe".into(), services: vec!["Dhcp".into(), "EventLog".into()] }
        );
        let twice = "\"nginx.exe\",\"7\",\"N/A\"\r\n\"svchost.exe\",\"7\",\"N/A\"\r\n";
        assert!(read_tasks("t", "\"a.exe\",\"+7\",\"N/A\"\r\n").is_err());
        assert!(read("n", &GERMAN.replace(" 2212", " +2212")).is_err());
        assert!(read_tasks("t", twice).unwrap_err().to_string().starts_with("t:2:"));
        assert!(read_tasks("t", "").is_err() && read_tasks("t", "INFO: nothing\r\n").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(TCP|UDP|[ :\\[\\]*0-9.\",\r\n])*") {
            let _ = read("any", &text);
            let _ = read_tasks("any", &text);
        }
    }
}
