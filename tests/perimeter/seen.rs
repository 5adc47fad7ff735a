//! What the program says of a perimeter, and the truth that it is held against.

use crate::support::perimeter::Perimeter;
use crate::support::{array, ended, stdout, text};
use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::net::IpAddr;
use std::process::Output;
use std::time::Duration;

/// Against hangs: no scan of these tests takes nearly as long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const OPEN: &str = "open handshake-completed";
pub(crate) const CLOSED: &str = "closed reset";
pub(crate) const FILTERED: &str = "filtered silence";
pub(crate) const ANSWERS: &str = "open datagram";
pub(crate) const SILENT: &str = "open-or-filtered silence";
pub(crate) const AMONG_REFUSALS: &str = "open-or-filtered silent-among-refusals";

/// What is said of each port, in a few words: state, reason, ICMP type and code, sender.
pub(crate) type States = BTreeMap<(Transport, u16), String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// "Rejected" by ICMP message `kind`/`code` from `sender`, over the version of ICMP that goes with it.
pub(crate) fn icmp(state: &str, kind: u8, code: u8, sender: &dyn Display) -> String {
    let sender = sender.to_string();
    let version = if sender.contains(':') { "v6" } else { "" };
    format!("{state} icmp{version} {kind}/{code} {sender}")
}

/// The state of each port; what is said later of a port takes the place of what was said before.
pub(crate) fn truth(said: &[(Transport, &[u16], &str)]) -> States {
    let each = said
        .iter()
        .flat_map(|(transport, ports, state)| ports.iter().map(|port| ((*transport, *port), (*state).to_owned())));
    each.collect()
}

/// What a run of the program brought.
pub(crate) struct Seen {
    pub(crate) report: Value,
    pub(crate) output: Output,
}

impl Seen {
    /// Asks for the states of TCP and UDP ports of hosts.
    pub(crate) fn probe<H: ToString>(perimeter: &Perimeter, hosts: &[H], tcp: &[u16], udp: &[u16]) -> Self {
        let mut command = probe(hosts, tcp, udp);
        command.args(["--format", "json"]);
        Self::of(perimeter.scanner.inside(|| command.output().unwrap()))
    }

    /// What a run printed as JSON.
    pub(crate) fn of(output: Output) -> Self {
        let said = stdout(&output);
        let report = serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {:?}\n{said}\n{}", output.status, crate::support::stderr(&output))
        });
        Self { report, output }
    }

    /// How the program ended.
    pub(crate) fn ended(&self, code: i32) -> &Self {
        ended(&self.output, code);
        self
    }

    /// What kept the run from being whole.
    pub(crate) fn troubles(&self) -> Vec<&str> {
        let targets = array(&self.report, "targets").iter();
        targets.flat_map(|target| array(target, "troubles")).map(|trouble| text(trouble, "kind")).collect()
    }

    /// What is said of an address as a whole.
    pub(crate) fn health(&self, address: IpAddr) -> &Value {
        let address = address.to_string();
        let all = array(&self.report, "targets").iter().flat_map(|target| array(target, "addresses"));
        let mut those = all.filter(|one| text(one, "address") == address);
        those.next().unwrap_or_else(|| panic!("nothing is said of {address}"))
    }

    /// What is said of every port of an address, each once.
    pub(crate) fn states(&self, address: IpAddr) -> States {
        let address = address.to_string();
        let mut states = States::new();
        for target in array(&self.report, "targets") {
            for observation in array(target, "observations") {
                if text(observation, "address") != address || text(&observation["question"], "ask") != "port" {
                    continue;
                }
                let state = state(observation);
                for port in ports(text(&observation["question"], "ports")) {
                    assert_eq!(states.insert(port, state.clone()), None, "{port:?} is said twice");
                }
            }
        }
        states
    }

    /// Asserts that exactly this is said of the ports of an address.
    pub(crate) fn is(&self, address: IpAddr, truth: &States) -> &Self {
        let states = self.states(address);
        let mut wrong = String::new();
        for port in states.keys().chain(truth.keys()).collect::<std::collections::BTreeSet<_>>() {
            let nothing = "nothing".to_owned();
            let (said, is) = (states.get(port).unwrap_or(&nothing), truth.get(port).unwrap_or(&nothing));
            if said != is {
                let _ = writeln!(wrong, "  {port:?}: said {said}, is {is}");
            }
        }
        assert!(wrong.is_empty(), "{address}:\n{wrong}{}", crate::support::stderr(&self.output));
        self
    }

    /// The TCP ports of an address that are said to be open.
    pub(crate) fn open(&self, address: IpAddr) -> Vec<u16> {
        let states = self.states(address).into_iter();
        states.filter(|(_, state)| state.starts_with("open ")).map(|((_, port), _)| port).collect()
    }
}

/// `portreeve probe ports`
pub(crate) fn probe<H: ToString>(hosts: &[H], tcp: &[u16], udp: &[u16]) -> Command {
    let mut command = crate::support::portreeve();
    command.timeout(PATIENCE).args(["probe", "ports"]);
    for (option, ports) in [("--tcp", tcp), ("--udp", udp)] {
        if !ports.is_empty() {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            command.args([option, &ports.join(",")]);
        }
    }
    command.args(hosts.iter().map(ToString::to_string));
    command
}

fn state(observation: &Value) -> String {
    if let Some(skipped) = observation["skipped"].as_str() {
        return format!("skipped {skipped}");
    }
    let failure = &observation["failure"];
    if !failure.is_null() {
        return format!("failed {} {}", text(failure, "blame"), text(failure, "cause"));
    }
    let answer = &observation["answer"];
    let mut state = format!("{} {}", text(answer, "state"), text(answer, "reason"));
    let icmp = &answer["icmp"];
    if !icmp.is_null() {
        let version = if icmp["v6"] == true { "v6" } else { "" };
        let _ = write!(state, "{version} {}/{}", icmp["type"], icmp["code"]);
    }
    if let Some(sender) = answer["sender"].as_str() {
        let _ = write!(state, " {sender}");
    }
    state
}

/// The ports of a range such as `tcp/1-5`.
pub(crate) fn ports(range: &str) -> impl Iterator<Item = (Transport, u16)> {
    let (transport, range) = range.split_once('/').unwrap();
    let transport = if transport == "tcp" { Transport::Tcp } else { Transport::Udp };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    (first.parse().unwrap()..=last.parse().unwrap()).map(move |port| (transport, port))
}
