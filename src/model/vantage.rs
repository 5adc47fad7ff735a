//! The vantage: this machine and its own network, as far as they change what is seen from here.

use super::address::is_inside;
use super::ports::{Ports, Transport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// What came of looking at one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// As it should be.
    Ok,
    /// A scan from here is worth less because of it.
    Warning,
    /// A scan from here would say wrong things because of it.
    Broken,
    /// It was to be checked and could not be.
    Unknown,
    /// Nobody asked for it, or this platform does not tell.
    NotChecked,
}

impl Standing {
    /// The standing as it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::NotChecked => "not-checked",
        }
    }

    /// The standing in words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "not known",
            Self::NotChecked => "not checked",
            other => other.as_str(),
        }
    }

    /// Whether something is known to be wrong.
    pub const fn is_wrong(self) -> bool {
        matches!(self, Self::Warning | Self::Broken)
    }
}

/// What was looked at. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// How many files, and so connections, may be open at once.
    OpenFiles,
    /// Whether the system tells which ICMP message ended an attempt, and who sent it.
    ErrorQueue,
    /// Whether packets of one's own making may be sent.
    RawSockets,
    /// Routes to the Internet, and whether an address translation is between.
    Routes,
    /// How many local ports there are for connections.
    LocalPorts,
    /// The system's table of tracked connections.
    ConnectionTracking,
    /// The clock.
    Clock,
    /// Proxies that programs here are told to use.
    Proxies,
    /// The DNS servers.
    Resolver,
    /// Whether the DNS servers invent answers.
    InventedNames,
    /// Names of servers that lead to addresses inside.
    SplitHorizon,
    /// Servers at addresses that are of no use outside.
    InsideAddresses,
    /// Which way packets to the servers take.
    ServerRoutes,
    /// Whether anything answers at all.
    Answers,
    /// An address that must not answer.
    Nowhere,
    /// A machine of the user's that listens on what is asked.
    ControlHost,
    /// Ports of the servers that nothing uses.
    Decoys,
    /// Ports that are blocked on the way out.
    OutboundBlocks,
}

/// Where a subject belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// This machine; nothing is sent to find out.
    Machine,
    /// Names and addresses.
    Names,
    /// The network between here and the servers.
    Network,
}

impl Subject {
    /// Every subject, in order.
    pub const ALL: [Self; 18] = [
        Self::OpenFiles,
        Self::ErrorQueue,
        Self::RawSockets,
        Self::Routes,
        Self::LocalPorts,
        Self::ConnectionTracking,
        Self::Clock,
        Self::Proxies,
        Self::Resolver,
        Self::InventedNames,
        Self::SplitHorizon,
        Self::InsideAddresses,
        Self::ServerRoutes,
        Self::Answers,
        Self::Nowhere,
        Self::ControlHost,
        Self::Decoys,
        Self::OutboundBlocks,
    ];

    /// The subject as it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenFiles => "open-files",
            Self::ErrorQueue => "error-queue",
            Self::RawSockets => "raw-sockets",
            Self::Routes => "routes",
            Self::LocalPorts => "local-ports",
            Self::ConnectionTracking => "connection-tracking",
            Self::Clock => "clock",
            Self::Proxies => "proxies",
            Self::Resolver => "resolver",
            Self::InventedNames => "invented-names",
            Self::SplitHorizon => "split-horizon",
            Self::InsideAddresses => "inside-addresses",
            Self::ServerRoutes => "server-routes",
            Self::Answers => "answers",
            Self::Nowhere => "nowhere",
            Self::ControlHost => "control-host",
            Self::Decoys => "decoys",
            Self::OutboundBlocks => "outbound-blocks",
        }
    }

    /// The subject for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::OpenFiles => "Open files",
            Self::ErrorQueue => "ICMP errors",
            Self::RawSockets => "Raw sockets",
            Self::Routes => "Routes",
            Self::LocalPorts => "Local ports",
            Self::ConnectionTracking => "Connection tracking",
            Self::Clock => "Clock",
            Self::Proxies => "Proxies",
            Self::Resolver => "DNS servers",
            Self::InventedNames => "Names that do not exist",
            Self::SplitHorizon => "Names that lead inside",
            Self::InsideAddresses => "Outside view",
            Self::ServerRoutes => "Ways to the servers",
            Self::Answers => "Servers that answer",
            Self::Nowhere => "Address that must not answer",
            Self::ControlHost => "Control host",
            Self::Decoys => "Decoy ports",
            Self::OutboundBlocks => "Blocks on the way out",
        }
    }

    /// Where it belongs.
    pub const fn group(self) -> Group {
        match self {
            Self::OpenFiles
            | Self::ErrorQueue
            | Self::RawSockets
            | Self::Routes
            | Self::LocalPorts
            | Self::ConnectionTracking
            | Self::Clock
            | Self::Proxies => Group::Machine,
            Self::Resolver | Self::InventedNames | Self::SplitHorizon | Self::InsideAddresses => Group::Names,
            Self::ServerRoutes
            | Self::Answers
            | Self::Nowhere
            | Self::ControlHost
            | Self::Decoys
            | Self::OutboundBlocks => Group::Network,
        }
    }
}

/// One thing that was looked at, and what came of it, in whole sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// What was looked at.
    pub subject: Subject,
    /// What came of it.
    pub standing: Standing,
    /// What was seen.
    pub seen: String,
    /// Why it matters; empty where it is as it should be.
    pub why: String,
    /// What to do; empty where there is nothing to do.
    pub todo: String,
}

impl Checkup {
    /// As it should be.
    pub fn ok(subject: Subject, seen: impl Into<String>) -> Self {
        Self { subject, standing: Standing::Ok, seen: seen.into(), why: String::new(), todo: String::new() }
    }

    /// Not looked at; `todo` says how it would be.
    pub fn not_checked(subject: Subject, seen: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { standing: Standing::NotChecked, todo: todo.into(), ..Self::ok(subject, seen) }
    }

    /// Something is wrong with it, or it could not be looked at.
    pub fn bad(
        subject: Subject,
        standing: Standing,
        seen: impl Into<String>,
        why: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self { subject, standing, seen: seen.into(), why: why.into(), todo: todo.into() }
    }
}

/// What becomes of packets to a port on the way out of this machine's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// They arrive: the control host answered.
    Passes,
    /// The control host listens there, and its answer was a refusal: it does not listen after all, or something on the way
    /// refuses in its place. So refusals on this way are nobody's word for certain.
    Refused,
    /// Nobody knows: nothing in the whole run answered on any port but those of the web, so that this machine may be let out on
    /// those only.
    Unproven,
    /// They probably never leave: silent at every server that refuses other ports.
    ProbablyBlocked,
    /// They do not arrive: the control host listens there and was not reached.
    Blocked,
}

impl Passage {
    /// The passage as it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Refused => "refused",
            Self::Unproven => "unproven",
            Self::ProbablyBlocked => "probably-blocked",
            Self::Blocked => "blocked",
        }
    }
}

/// What is known of the way out to some TCP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The ports.
    pub ports: Ports,
    /// Over IPv6, or IPv4.
    pub v6: bool,
    /// To addresses inside, or to public ones: those lead different ways.
    pub inside: bool,
    /// What becomes of the packets.
    pub passage: Passage,
    /// Who refuses with an ICMP message, where somebody does.
    pub sender: Option<IpAddr>,
}

/// What is known of the way out, of each port at most once for each kind of address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways(Vec<Way>);

impl Ways {
    /// Each, in order.
    pub fn each(&self) -> impl Iterator<Item = &Way> {
        self.0.iter()
    }

    /// What is known of the way to TCP `port` of `address`.
    pub fn to(&self, address: IpAddr, port: u16) -> Option<&Way> {
        self.leading_to(address).find(|way| way.ports.contains(Transport::Tcp, port))
    }

    fn leading_to(&self, address: IpAddr) -> impl Iterator<Item = &Way> {
        let (v6, inside) = (address.is_ipv6(), is_inside(address));
        self.0.iter().filter(move |way| way.v6 == v6 && way.inside == inside)
    }

    /// How many of `ports` are known to be blocked on the way to `address`, and the first of them.
    pub fn blocked(&self, address: IpAddr, ports: Ports) -> Option<(usize, u16)> {
        self.of(Passage::Blocked, address, ports)
    }

    /// How many of `ports` have this passage on the way to `address`, and the first of them.
    pub fn of(&self, passage: Passage, address: IpAddr, ports: Ports) -> Option<(usize, u16)> {
        let such = self.leading_to(address).filter(|way| way.passage == passage);
        let shared = such.filter(|way| way.ports.overlaps(ports)).map(|way| {
            let (first, last) = (way.ports.first().max(ports.first()), way.ports.last().min(ports.last()));
            (usize::from(last - first) + 1, first)
        });
        shared.reduce(|(count, first), (more, other)| (count + more, first.min(other)))
    }

    /// The TCP ports of which nothing is known on the way to addresses of a kind, those in `except` aside.
    pub fn unknown(&self, inside: bool, v6: bool, except: &[u16]) -> Vec<Ports> {
        let known = self.0.iter().filter(|way| (way.inside, way.v6) == (inside, v6));
        let mut known: Vec<(u16, u16)> = known.map(|way| (way.ports.first(), way.ports.last())).collect();
        known.extend(except.iter().map(|port| (*port, *port)));
        known.sort_unstable();
        let (mut unknown, mut next) = (Vec::new(), Some(1));
        for (first, last) in known {
            if let Some(from) = next.filter(|from| *from < first) {
                unknown.extend(Ports::new(Transport::Tcp, from, first - 1));
            }
            next = next.and_then(|from| last.checked_add(1).map(|after| after.max(from)));
        }
        unknown.extend(next.and_then(|from| Ports::new(Transport::Tcp, from, u16::MAX)));
        unknown
    }

    /// The parts of TCP `ports` of each of which the same is known on the way to `address`, in order.
    pub fn apart(&self, address: IpAddr, ports: Ports) -> Vec<Ports> {
        let mut firsts: BTreeSet<u16> = BTreeSet::from([ports.first()]);
        for way in self.leading_to(address).filter(|way| way.ports.overlaps(ports)) {
            firsts.extend([Some(way.ports.first()), way.ports.last().checked_add(1)].into_iter().flatten());
        }
        let firsts: Vec<u16> = firsts.into_iter().filter(|first| ports.contains(ports.transport(), *first)).collect();
        let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([ports.last()]);
        firsts.iter().zip(lasts).filter_map(|(first, last)| Ports::new(ports.transport(), *first, last)).collect()
    }

    /// Adds what is known of some ports, and says whether it was added: what is known of any of them already stays. A
    /// neighbour of the same kind joins the range before it.
    pub fn add(&mut self, way: Way) -> bool {
        let same_kind = |known: &Way| (known.v6, known.inside) == (way.v6, way.inside);
        if self.0.iter().any(|known| same_kind(known) && known.ports.overlaps(way.ports)) {
            return false;
        }
        if let Some(last) = self.0.last_mut()
            && (Way { ports: last.ports, ..way }) == *last
            && last.ports.last().checked_add(1) == Some(way.ports.first())
            && let Some(joined) = last.ports.with_last(way.ports.last())
        {
            last.ports = joined;
        } else {
            self.0.push(way);
        }
        true
    }
}

/// Everything that is known of the vantage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// What was looked at, in the order of the subjects.
    pub checkups: Vec<Checkup>,
    /// What is known of the way out.
    pub ways: Ways,
}

impl Vantage {
    /// Those that are wrong or not known, in order.
    pub fn doubts(&self) -> impl Iterator<Item = &Checkup> {
        self.checkups.iter().filter(|checkup| checkup.standing.is_wrong() || checkup.standing == Standing::Unknown)
    }

    /// Those that could not be checked although somebody asked for it.
    pub fn unknown(&self) -> impl Iterator<Item = &Checkup> {
        self.checkups.iter().filter(|checkup| checkup.standing == Standing::Unknown)
    }

    /// Adds checkups, each at its place.
    pub fn extend(&mut self, checkups: impl IntoIterator<Item = Checkup>) {
        self.checkups.extend(checkups);
        self.checkups.sort_by_key(|checkup| checkup.subject);
    }
}

/// What kind of interface packets leave by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceKind {
    /// This machine itself.
    Loopback,
    /// A tunnel: a VPN, or a line to a provider that is dialled.
    Tunnel,
    /// Any other.
    Ordinary,
}

/// An interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What kind it is.
    pub kind: InterfaceKind,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Which way packets take from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The address of this machine that they come from.
    pub source: IpAddr,
    /// The interface that has this address, where the system tells.
    pub interface: Option<Interface>,
}

/// What a DNS server says of a name that cannot exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// It has no address.
    Nothing,
    /// It has these.
    Addresses(Vec<IpAddr>),
    /// Nothing that could be read: why.
    Unreadable(String),
}

/// What this machine says of itself; nothing is sent to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many files may be open, and how many connections at once that allows.
    pub open_files: (usize, usize),
    /// Whether the system has an error queue.
    pub error_queue: bool,
    /// Whether raw sockets are permitted, where the system tells.
    pub raw_sockets: Option<bool>,
    /// The way to the Internet over IPv4.
    pub route_v4: Option<Route>,
    /// The same over IPv6.
    pub route_v6: Option<Route>,
    /// The first and last local port for connections, where the system tells.
    pub local_ports: Option<(u16, u16)>,
    /// How many connections are tracked, and how many can be, where the system tells.
    pub tracked: Option<(u64, u64)>,
    /// Environment variables that name a proxy; their values may hold a password.
    pub proxies: Vec<String>,
    /// The time.
    pub now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(ports: &str, passage: Passage) -> Way {
        Way { ports: ports.parse().unwrap(), v6: false, inside: false, passage, sender: None }
    }

    #[test]
    fn a_way_leads_to_its_own_kind_of_address_only() {
        let mut ways = Ways::default();
        ways.add(way("tcp/445", Passage::Blocked));
        let to = |address: &str, port| ways.to(address.parse().unwrap(), port).map(|way| way.passage);
        assert_eq!(to("203.0.113.5", 445), Some(Passage::Blocked));
        assert_eq!(to("203.0.113.5", 444), None);
        assert_eq!(to("2001:db8::5", 445), None);
        assert_eq!(to("10.0.0.5", 445), None);
    }

    #[test]
    fn neighbours_join_and_what_is_known_stays() {
        let mut ways = Ways::default();
        for port in [135, 136, 138, 139, 140] {
            let passage = if port == 140 { Passage::Passes } else { Passage::Blocked };
            ways.add(way(&format!("tcp/{port}"), passage));
        }
        ways.add(way("tcp/136", Passage::Passes));
        let all: Vec<String> = ways.each().map(|way| format!("{} {:?}", way.ports, way.passage)).collect();
        assert_eq!(all, ["tcp/135-136 Blocked", "tcp/138-139 Blocked", "tcp/140 Passes"]);
        let address = "203.0.113.5".parse().unwrap();
        let blocked = |ports: &str| ways.blocked(address, ports.parse().unwrap());
        assert_eq!(blocked("tcp/1-65535"), Some((4, 135)));
        assert_eq!(blocked("tcp/136-138"), Some((2, 136)));
        assert_eq!(blocked("tcp/137"), None);
        assert_eq!(blocked("udp/136"), None);
    }

    #[test]
    fn a_range_falls_apart_where_ways_begin_and_end() {
        let mut ways = Ways::default();
        for (ports, passage) in [("tcp/135-139", Passage::Blocked), ("tcp/445", Passage::Blocked)] {
            ways.add(way(ports, passage));
        }
        let apart = |address: &str, ports: &str| -> Vec<String> {
            let parts = ways.apart(address.parse().unwrap(), ports.parse().unwrap());
            parts.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            apart("203.0.113.5", "tcp/1-65535"),
            ["tcp/1-134", "tcp/135-139", "tcp/140-444", "tcp/445", "tcp/446-65535"]
        );
        assert_eq!(apart("203.0.113.5", "tcp/137-445"), ["tcp/137-139", "tcp/140-444", "tcp/445"]);
        assert_eq!(apart("203.0.113.5", "tcp/136"), ["tcp/136"]);
        assert_eq!(apart("203.0.113.5", "udp/1-500"), ["udp/1-500"]);
        assert_eq!(apart("10.0.0.5", "tcp/1-500"), ["tcp/1-500"]);
    }

    #[test]
    fn every_subject_has_its_place_and_a_name_of_its_own() {
        assert!(Subject::ALL.is_sorted());
        let groups: Vec<Group> = Subject::ALL.iter().map(|subject| subject.group()).collect();
        assert!(groups.is_sorted());
        for subject in Subject::ALL {
            assert_eq!(serde_json::to_value(subject).unwrap(), subject.as_str());
        }
        for standing in [Standing::Ok, Standing::Warning, Standing::Broken, Standing::Unknown, Standing::NotChecked] {
            assert_eq!(serde_json::to_value(standing).unwrap(), standing.as_str());
        }
    }

    #[test]
    fn what_is_not_known_is_the_rest() {
        let mut ways = Ways::default();
        ways.add(way("tcp/1-5", Passage::Blocked));
        ways.add(way("tcp/100-200", Passage::Passes));
        ways.add(way("tcp/65535", Passage::Blocked));
        let unknown: Vec<String> = ways.unknown(false, false, &[80, 150]).iter().map(ToString::to_string).collect();
        assert_eq!(unknown, ["tcp/6-79", "tcp/81-99", "tcp/201-65534"]);
        assert_eq!(Ways::default().unknown(false, false, &[]).len(), 1);
        assert_eq!(ways.unknown(true, false, &[]).len(), 1, "of other addresses nothing is known");
    }
}
