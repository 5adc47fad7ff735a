//! This machine.

use crate::model::address::is_inside;
use crate::model::vantage::{Checkup, InterfaceKind, Machine, Route, Standing, Subject};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::net::IpAddr;

/// With fewer connections at once than this a scan is slow.
const FEW_CONNECTIONS: usize = 64;

/// With fewer than this it can hardly be done.
const HARDLY_ANY_CONNECTIONS: usize = 8;

/// With fewer local ports than this, connections to one port of one server run out of them: each holds its own for about a
/// minute after its end (`TIME_WAIT`; RFC 9293, section 3.4.2).
const FEW_LOCAL_PORTS: usize = 1000;

/// With room for fewer connections than this in the table, the scan of a few servers fills it.
const LITTLE_ROOM: u64 = 10_000;

/// With less room than this the table is as good as full.
const NO_ROOM: u64 = 500;

/// What is said of this machine. `newest` is the day of the newest guide that is built in: no clock shows an earlier one.
pub fn machine(machine: &Machine, newest: Option<Date>) -> Vec<Checkup> {
    vec![
        open_files(machine.open_files),
        error_queue(machine.error_queue),
        raw_sockets(machine.raw_sockets),
        routes(machine),
        local_ports(machine.local_ports),
        tracked(machine.tracked),
        clock(machine, newest),
    ]
}

fn open_files((files, connections): (usize, usize)) -> Checkup {
    let subject = Subject::OpenFiles;
    let seen = format!("{files} files may be open, which allows {connections} connections at once.");
    if connections >= FEW_CONNECTIONS {
        return Checkup::ok(subject, seen);
    }
    let standing = if connections < HARDLY_ANY_CONNECTIONS { Standing::Broken } else { Standing::Warning };
    let why = "A scan waits for its own connections, may not finish in the time a server has, and is partial then.";
    Checkup::bad(subject, standing, seen, why, "Allow more with `ulimit -n 1024`.")
}

fn error_queue(available: bool) -> Checkup {
    let subject = Subject::ErrorQueue;
    if available {
        return Checkup::ok(subject, "The system tells which ICMP message ended an attempt, and who sent it.");
    }
    Checkup::bad(
        subject,
        Standing::Warning,
        "This system does not tell which ICMP message ended an attempt, nor who sent it.",
        "A firewall that refuses a port cannot be told from the server itself: both read as closed.",
        "Scan from Linux where that difference matters.",
    )
}

fn raw_sockets(permitted: Option<bool>) -> Checkup {
    let subject = Subject::RawSockets;
    match permitted {
        Some(true) => Checkup::ok(subject, "Permitted; they are not needed."),
        Some(false) => Checkup::ok(subject, "Not permitted, and not needed."),
        None => Checkup::not_checked(subject, "This system does not tell; they are not needed.", ""),
    }
}

fn routes(machine: &Machine) -> Checkup {
    let subject = Subject::Routes;
    let say = |version: &str, route: &Option<Route>| match route {
        Some(route) => format!("{version} leaves from {}.", described(route)),
        None => format!("There is no route to the Internet over {version}."),
    };
    let seen = format!("{} {}", say("IPv4", &machine.route_v4), say("IPv6", &machine.route_v6));
    if machine.route_v4.is_none() && machine.route_v6.is_none() {
        let why = "Only servers in networks that this machine has routes to can be asked.";
        return Checkup::bad(subject, Standing::Warning, seen, why, "Check this machine's connection.");
    }
    Checkup::ok(subject, seen)
}

fn described(route: &Route) -> String {
    let mut text = route.source.to_string();
    if let Some(interface) = &route.interface {
        let _ = write!(text, " by {interface}");
        if interface.kind == InterfaceKind::Tunnel {
            text.push_str(", which looks like a tunnel, so that the view is from its far end");
        }
    }
    let shared = matches!(route.source, IpAddr::V4(v4) if v4.octets()[0] == 100);
    if is_inside(route.source) && shared {
        // RFC 6598; overlay networks use the same addresses.
        text.push_str(
            "; that is a shared address, so a provider's address translation or an overlay network is between",
        );
    } else if is_inside(route.source) {
        text.push_str("; that is a private address, so an address translation (NAT) is between");
    }
    text
}

fn local_ports(range: Option<(u16, u16)>) -> Checkup {
    let subject = Subject::LocalPorts;
    let Some((first, last)) = range else {
        return Checkup::not_checked(subject, "This system does not tell how many there are.", "");
    };
    let count = usize::from(last.saturating_sub(first)) + 1;
    let seen =
        format!("{first} to {last}: {count} connections at once, or within a minute, to one port of one address.");
    if count >= FEW_LOCAL_PORTS {
        return Checkup::ok(subject, seen);
    }
    Checkup::bad(
        subject,
        Standing::Warning,
        seen,
        "Connections run out of local ports, and the questions that need them have no answer.",
        "Allow more: `sysctl net.ipv4.ip_local_port_range=\"32768 60999\"`.",
    )
}

fn tracked(table: Option<(u64, u64)>) -> Checkup {
    let subject = Subject::ConnectionTracking;
    let Some((count, most)) = table else {
        return Checkup::not_checked(subject, "This system tracks no connections, or does not tell.", "");
    };
    let room = most.saturating_sub(count);
    let seen = format!("{count} connections are tracked here, and {most} can be.");
    if room >= LITTLE_ROOM {
        return Checkup::ok(subject, seen);
    }
    let standing = if room < NO_ROOM { Standing::Broken } else { Standing::Warning };
    Checkup::bad(
        subject,
        standing,
        seen,
        "When the table is full, this machine drops its own packets, which looks like a firewall at the server.",
        "Raise `net.netfilter.nf_conntrack_max`, or scan with a low --rate.",
    )
}

fn clock(machine: &Machine, newest: Option<Date>) -> Checkup {
    let subject = Subject::Clock;
    let seen = format!("It is {}.", machine.now.strftime("%Y-%m-%d %H:%M UTC"));
    let Some(newest) = newest else {
        return Checkup::not_checked(subject, "There is nothing to hold it against.", "");
    };
    // Whoever wrote the guide may have lived a day ahead of UTC.
    let earliest = newest.checked_sub(1.day()).unwrap_or(newest);
    if machine.now.to_zoned(TimeZone::UTC).date() >= earliest {
        return Checkup::ok(subject, seen);
    }
    Checkup::bad(
        subject,
        Standing::Broken,
        format!("{seen} That is before this program was made: a guide in it is of {newest}."),
        "Certificates are judged by this clock, and reports are dated by it.",
        "Set the clock, then look again.",
    )
}

/// What is said of proxies. portreeve uses none, and a network that wants one may answer for, or block, what goes past it.
/// `honest` says that an address which must not answer did not.
pub fn proxies(machine: &Machine, honest: bool) -> Checkup {
    let subject = Subject::Proxies;
    if machine.proxies.is_empty() {
        return Checkup::ok(subject, "No environment variable names one.");
    }
    let verb = if machine.proxies.len() == 1 { "names" } else { "name" };
    let seen = format!("{} {verb} a proxy. portreeve uses none.", super::listed(&machine.proxies));
    if honest {
        return Checkup::ok(subject, format!("{seen} What goes past it is not answered for."));
    }
    Checkup::bad(
        subject,
        Standing::Warning,
        seen,
        "A network that wants a proxy may answer for the servers, or block what goes past it.",
        "Look whether it does, with --nowhere and --control-host.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::vantage::Interface;

    fn usual() -> Machine {
        let interface = Some(Interface { name: "eth0".to_owned(), kind: InterfaceKind::Ordinary });
        Machine {
            open_files: (1_048_576, 16_384),
            error_queue: true,
            raw_sockets: Some(false),
            route_v4: Some(Route { source: "203.0.113.2".parse().unwrap(), interface }),
            route_v6: None,
            local_ports: Some((32_768, 60_999)),
            tracked: Some((120, 262_144)),
            proxies: Vec::new(),
            now: "2027-01-02T03:04:05Z".parse().unwrap(),
        }
    }

    fn of(machine: &Machine, subject: Subject) -> Checkup {
        let all = super::machine(machine, Some("2026-11-21".parse().unwrap()));
        all.into_iter().chain([proxies(machine, false)]).find(|checkup| checkup.subject == subject).unwrap()
    }

    #[test]
    fn an_ordinary_machine_is_healthy() {
        for checkup in machine(&usual(), Some("2026-11-21".parse().unwrap())) {
            assert_eq!(checkup.standing, Standing::Ok, "{checkup:?}");
        }
        assert_eq!(of(&usual(), Subject::Proxies).standing, Standing::Ok);
    }

    #[test]
    fn what_is_wrong_says_why_and_what_to_do() {
        let mut found = Vec::new();
        let mut wrong = |machine: Machine, subject, standing| {
            let checkup = of(&machine, subject);
            assert_eq!(checkup.standing, standing, "{checkup:?}");
            assert!(!checkup.seen.is_empty() && !checkup.why.is_empty() && !checkup.todo.is_empty(), "{checkup:?}");
            found.push(checkup.seen);
        };
        wrong(Machine { open_files: (64, 32), ..usual() }, Subject::OpenFiles, Standing::Warning);
        wrong(Machine { open_files: (9, 4), ..usual() }, Subject::OpenFiles, Standing::Broken);
        wrong(Machine { error_queue: false, ..usual() }, Subject::ErrorQueue, Standing::Warning);
        wrong(Machine { route_v4: None, ..usual() }, Subject::Routes, Standing::Warning);
        wrong(Machine { local_ports: Some((60_000, 60_010)), ..usual() }, Subject::LocalPorts, Standing::Warning);
        wrong(Machine { tracked: Some((65_500, 65_536)), ..usual() }, Subject::ConnectionTracking, Standing::Broken);
        wrong(Machine { tracked: Some((100, 8192)), ..usual() }, Subject::ConnectionTracking, Standing::Warning);
        // More than the table holds, as the kernel reports after the limit was lowered.
        wrong(Machine { tracked: Some((9000, 8192)), ..usual() }, Subject::ConnectionTracking, Standing::Broken);
        let early = "2026-11-19T23:59:59Z".parse().unwrap();
        wrong(Machine { now: early, ..usual() }, Subject::Clock, Standing::Broken);
        wrong(Machine { proxies: vec!["HTTPS_PROXY".to_owned()], ..usual() }, Subject::Proxies, Standing::Warning);
        assert_eq!(found.last().unwrap(), "HTTPS_PROXY names a proxy. portreeve uses none.");
    }

    #[test]
    fn a_clock_may_be_a_day_behind_the_newest_guide() {
        let now = "2026-11-20T00:00:00Z".parse().unwrap();
        assert_eq!(of(&Machine { now, ..usual() }, Subject::Clock).standing, Standing::Ok);
    }

    #[test]
    fn what_a_system_does_not_tell_is_not_called_ok() {
        let mute = Machine { raw_sockets: None, local_ports: None, tracked: None, ..usual() };
        for subject in [Subject::RawSockets, Subject::LocalPorts, Subject::ConnectionTracking] {
            assert_eq!(of(&mute, subject).standing, Standing::NotChecked);
        }
        let checkups = machine(&usual(), None);
        let clock = checkups.iter().find(|checkup| checkup.subject == Subject::Clock).unwrap();
        assert_eq!(clock.standing, Standing::NotChecked);
    }

    #[test]
    fn translations_and_tunnels_on_the_way_out_are_told() {
        let from = |source: &str, kind| {
            let interface = Some(Interface { name: "if0".to_owned(), kind });
            let route = Route { source: source.parse().unwrap(), interface };
            of(&Machine { route_v4: Some(route), ..usual() }, Subject::Routes).seen
        };
        assert!(from("192.168.1.7", InterfaceKind::Ordinary).contains("private address"));
        assert!(from("100.70.0.1", InterfaceKind::Ordinary).contains("shared address"));
        assert!(from("100.70.0.1", InterfaceKind::Tunnel).contains("tunnel"));
        assert!(!from("203.0.113.2", InterfaceKind::Ordinary).contains(';'));
        assert!(!from("100.128.0.1", InterfaceKind::Ordinary).contains(';'));
    }

    #[test]
    fn a_proxy_does_not_matter_where_nothing_is_answered_for() {
        let machine = Machine { proxies: vec!["all_proxy".to_owned()], ..usual() };
        assert_eq!(proxies(&machine, true).standing, Standing::Ok);
    }
}
