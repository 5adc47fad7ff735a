//! A perimeter in namespaces: a scanner, perhaps a wire that delays and loses, a router, and a machine with the targets.
//!
//! ```text
//! scanner 198.51.100.2 ---- [wire] ---- 198.51.100.1 router 203.0.113.1 ---- 203.0.113.10 ... targets
//!         2001:db8:ff::2          2001:db8:ff::1        2001:db8:7::1        2001:db8:7::10 ...
//! ```
//!
//! The addresses are those reserved for documentation, and nothing leads out.

use super::namespaces::Namespace;
use super::wire::{Path, Wire};
use std::fmt::Write as _;
use std::net::{IpAddr, TcpListener, UdpSocket};

/// The router's addresses on the scanner's side: the source of what it sends to the scanner.
pub(crate) const ROUTER: [&str; 2] = ["198.51.100.1", "2001:db8:ff::1"];

/// The network of the targets, as prefixes to which a host's number is added.
const TARGETS: [&str; 2] = ["203.0.113.", "2001:db8:7::"];

/// The IPv4 address of the target with this number, from 10 to 99.
pub(crate) fn v4(number: u8) -> IpAddr {
    format!("{}{number}", TARGETS[0]).parse().unwrap()
}

/// Its IPv6 address.
pub(crate) fn v6(number: u8) -> IpAddr {
    format!("{}{number}", TARGETS[1]).parse().unwrap()
}

pub(crate) struct Perimeter {
    pub(crate) scanner: Namespace,
    pub(crate) router: Namespace,
    pub(crate) target: Namespace,
    pub(crate) wire: Option<Wire>,
    listeners: Vec<TcpListener>,
    silent: Vec<UdpSocket>,
}

impl Perimeter {
    /// Without delay and loss.
    pub(crate) fn new(targets: &[u8]) -> Self {
        Self::make(targets, None)
    }

    /// The router and everything behind it at the far end of a path.
    pub(crate) fn behind(path: Path, targets: &[u8]) -> Self {
        Self::make(targets, Some(path))
    }

    fn make(targets: &[u8], path: Option<Path>) -> Self {
        let [scanner, router, target] = std::array::from_fn(|_| {
            let namespace = Namespace::new().unwrap();
            for (parameter, value) in
                [("ipv6/conf/default/accept_dad", "0"), ("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")]
            {
                namespace.set(parameter, value);
            }
            namespace.ration_icmp(false);
            namespace
        });
        let wire = path.map(|path| {
            let middle = Namespace::new().unwrap();
            middle.set("ipv6/conf/default/disable_ipv6", "1");
            middle.ip(&format!(
                "link add wire0 type veth peer name scan0 netns {}\nlink add wire1 type veth peer name near0 netns {}
                link set wire0 up\nlink set wire1 up",
                scanner.path(),
                router.path()
            ));
            Wire::start(&middle, "wire0", "wire1", path)
        });
        if wire.is_none() {
            router.ip(&format!("link add near0 type veth peer name scan0 netns {}", scanner.path()));
        }
        router.ip(&format!("link add far0 type veth peer name serv0 netns {}", target.path()));
        router.ip(&interface("near0", ROUTER[0], ROUTER[1]));
        router.ip(&interface("far0", "203.0.113.1", "2001:db8:7::1"));
        scanner.ip(&interface("scan0", "198.51.100.2", "2001:db8:ff::2"));
        scanner.ip("route add 203.0.113.0/24 via 198.51.100.1\nroute add 2001:db8:7::/64 via 2001:db8:ff::1");
        for number in targets {
            target.ip(&interface("serv0", &v4(*number).to_string(), &v6(*number).to_string()));
        }
        target.ip("route add default via 203.0.113.1\nroute add default via 2001:db8:7::1");
        Self { scanner, router, target, wire, listeners: Vec::new(), silent: Vec::new() }
    }

    /// Listens on TCP ports. The system completes the handshakes; nobody says a word.
    pub(crate) fn tcp(&mut self, address: IpAddr, ports: &[u16]) {
        let bound = || ports.iter().map(|port| TcpListener::bind((address, *port)).unwrap()).collect::<Vec<_>>();
        self.listeners.extend(self.target.inside(bound));
    }

    /// Takes UDP datagrams and says nothing.
    pub(crate) fn udp_silent(&mut self, address: IpAddr, ports: &[u16]) {
        let bound = || ports.iter().map(|port| UdpSocket::bind((address, *port)).unwrap()).collect::<Vec<_>>();
        self.silent.extend(self.target.inside(bound));
    }

    /// Sends UDP datagrams back, until the test's process ends.
    pub(crate) fn udp_echo(&self, address: IpAddr, port: u16) {
        let echo = self.target.inside(|| UdpSocket::bind((address, port)).unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = echo.recv_from(&mut buffer) {
                let _ = echo.send_to(&buffer[..length], from);
            }
        });
    }
}

/// Commands of `ip` that bring an interface up with these addresses.
fn interface(name: &str, v4: &str, v6: &str) -> String {
    let mut commands = String::new();
    for (address, flags) in [(format!("{v4}/24"), ""), (format!("{v6}/64"), " nodad")] {
        let _ = writeln!(commands, "addr add {address} dev {name}{flags}");
    }
    let _ = writeln!(commands, "link set lo up\nlink set {name} up");
    commands
}
