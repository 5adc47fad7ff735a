//! Expected rules: what must be reachable from outside and what must not, by the inventory's own word, beyond the guides.

use super::ports::{Ports, Transport};
use super::statement::Waived;
use super::verdict::{Check, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What a rule wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It must be reachable.
    Allow,
    /// It must not be reachable.
    Deny,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// Which ports a rule is about, as they are on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RulePorts {
    /// These.
    These(Ports),
    /// Every TCP port that no other rule names and that the inventory does not expect to be open.
    Rest,
}

impl fmt::Display for RulePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(ports) => write!(f, "{ports}"),
            Self::Rest => f.write_str("rest"),
        }
    }
}

/// At which addresses of the target a rule must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAddress {
    /// At each of them.
    Each,
    /// At one of them, whichever: enough for what must be reachable. What is denied at any of them is denied at each.
    Any,
    /// At each IPv4 address.
    Ipv4,
    /// At each IPv6 address.
    Ipv6,
    /// At this one.
    One(IpAddr),
}

impl RuleAddress {
    /// Whether a rule for such addresses is about this one.
    pub fn is_about(self, address: IpAddr) -> bool {
        match self {
            Self::Each | Self::Any => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
            Self::One(one) => one == address,
        }
    }

    /// Whether there may be an address that both are about.
    pub fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Each | Self::Any, _) | (_, Self::Each | Self::Any) => true,
            (Self::One(one), at) | (at, Self::One(one)) => at.is_about(one),
            (one, other) => one == other,
        }
    }
}

/// The address as an inventory writes it.
impl fmt::Display for RuleAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("each"),
            Self::Any => f.write_str("any"),
            Self::Ipv4 => f.write_str("ipv4"),
            Self::Ipv6 => f.write_str("ipv6"),
            Self::One(address) => write!(f, "{address}"),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedRule {
    /// What it wants.
    pub direction: Direction,
    /// Of which ports.
    pub ports: RulePorts,
    /// At which addresses.
    pub address: RuleAddress,
    /// Why, or by which ticket.
    pub note: Option<String>,
    /// It stands in the inventory for all its targets; what a target says itself goes before it.
    pub default: bool,
}

impl ExpectedRule {
    /// A rule about each address, without a note.
    pub fn new(direction: Direction, ports: RulePorts) -> Self {
        Self { direction, ports, address: RuleAddress::Each, note: None, default: false }
    }

    /// Whether the rule names this port, or means it by `rest`, at this address.
    pub fn covers(&self, address: IpAddr, transport: Transport, port: u16) -> bool {
        self.address.is_about(address)
            && match self.ports {
                RulePorts::These(ports) => ports.contains(transport, port),
                RulePorts::Rest => transport == Transport::Tcp,
            }
    }

    /// How many ports the rule names.
    pub fn named(&self) -> usize {
        match self.ports {
            RulePorts::These(ports) => ports.count(),
            RulePorts::Rest => 0,
        }
    }

    /// Which of two rules about the same port decides: a port that is named goes before the rest, and the target's own word
    /// before the inventory's default.
    fn rank(&self) -> (bool, bool) {
        (self.ports != RulePorts::Rest, !self.default)
    }
}

/// `allow tcp/443 over IPv6`, by which reports and plans name it.
impl fmt::Display for ExpectedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.direction, self.ports)?;
        match self.address {
            RuleAddress::Each => Ok(()),
            RuleAddress::Any => f.write_str(" at any address"),
            RuleAddress::Ipv4 => f.write_str(" over IPv4"),
            RuleAddress::Ipv6 => f.write_str(" over IPv6"),
            RuleAddress::One(address) => write!(f, " at {address}"),
        }
    }
}

/// Whether `rule`, one of `rules`, is the one that decides about this port at this address. Ports that are `expected` to be
/// open are left out of `rest` and of what the defaults deny.
pub fn decides(
    rule: &ExpectedRule,
    rules: &[ExpectedRule],
    expected: &[Ports],
    (address, transport, port): (IpAddr, Transport, u16),
) -> bool {
    let yields = rule.direction == Direction::Deny && (rule.default || rule.ports == RulePorts::Rest);
    rule.covers(address, transport, port)
        && !(yields && expected.iter().any(|ports| ports.contains(transport, port)))
        && !rules.iter().any(|other| other.rank() > rule.rank() && other.covers(address, transport, port))
}

/// The ports that a rule about the rest decides at this address: what [`decides`] says of each of them.
pub fn rest(rule: &ExpectedRule, rules: &[ExpectedRule], expected: &[Ports], address: IpAddr) -> Vec<Ports> {
    let before = rules.iter().filter(|other| other.rank() > rule.rank() && other.address.is_about(address));
    let named = before.map(|other| match other.ports {
        RulePorts::These(ports) => ports,
        RulePorts::Rest => Ports::EVERY_TCP,
    });
    let taken: Vec<Ports> = named.chain(expected.iter().copied()).collect();
    Ports::EVERY_TCP.without(&taken)
}

/// What is said of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// It does not hold, and that was seen.
    Violated,
    /// It was asked and could not be told.
    Inconclusive,
    /// It holds, and that was seen.
    Proved,
    /// It does not concern this target.
    NotApplicable,
}

impl RuleVerdict {
    /// Every verdict, in the order of reports: what needs work comes first.
    pub const ALL: [Self; 4] = [Self::Violated, Self::Inconclusive, Self::Proved, Self::NotApplicable];

    /// The verdict in words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Violated => "violated",
            Self::Inconclusive => "inconclusive",
            Self::Proved => "proved",
            Self::NotApplicable => "not applicable",
        }
    }

    /// The verdict on an item of a guide that weighs as much.
    pub const fn weight(self) -> Verdict {
        match self {
            Self::Violated => Verdict::Fail,
            Self::Inconclusive => Verdict::Inconclusive,
            Self::Proved => Verdict::Pass,
            Self::NotApplicable => Verdict::NotApplicable,
        }
    }
}

impl From<Verdict> for RuleVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fail => Self::Violated,
            Verdict::Pass => Self::Proved,
            Verdict::NotApplicable => Self::NotApplicable,
            Verdict::Inconclusive | Verdict::NeedsEvidence | Verdict::NeedsAttestation => Self::Inconclusive,
        }
    }
}

impl fmt::Display for RuleVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What is said of a rule of a target, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFinding {
    /// The rule.
    pub rule: ExpectedRule,
    /// What was seen, why that decides it, and what would settle it.
    pub check: Check,
    /// Where a guide asks for the opposite.
    pub disagreements: Vec<String>,
    /// The waiver of it. The verdict is what it is without.
    #[serde(default)]
    pub waiver: Option<Box<Waived>>,
}

impl RuleFinding {
    /// Whether it is violated, and that is accepted for a time.
    pub fn is_waived(&self) -> bool {
        self.verdict() == RuleVerdict::Violated && self.waiver.as_ref().is_some_and(|waived| waived.counts())
    }

    /// What is said of it.
    pub fn verdict(&self) -> RuleVerdict {
        self.check.verdict.into()
    }
}

/// How many rules have each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTally {
    counts: BTreeMap<RuleVerdict, usize>,
    waived: usize,
}

impl RuleTally {
    /// Counts `findings`.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a RuleFinding>) -> Self {
        let mut tally = Self::default();
        for finding in findings {
            *tally.counts.entry(finding.verdict()).or_default() += 1;
            tally.waived += usize::from(finding.is_waived());
        }
        tally
    }

    /// How many of the violated ones are waived.
    pub fn waived(&self) -> usize {
        self.waived
    }

    /// How many have this verdict.
    pub fn count(&self, verdict: RuleVerdict) -> usize {
        self.counts.get(&verdict).copied().unwrap_or_default()
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(direction: Direction, ports: &str, address: RuleAddress, default: bool) -> ExpectedRule {
        let ports = if ports == "rest" { RulePorts::Rest } else { RulePorts::These(ports.parse().unwrap()) };
        ExpectedRule { address, default, ..ExpectedRule::new(direction, ports) }
    }

    #[test]
    fn a_named_port_goes_before_the_rest_and_the_targets_own_word_before_a_default() {
        use Direction::{Allow, Deny};
        use RuleAddress::{Any, Each, Ipv6};
        let rules = [
            rule(Allow, "tcp/443", Any, false),
            rule(Allow, "tcp/3389", Ipv6, false),
            rule(Deny, "rest", Each, false),
            rule(Deny, "tcp/3380-3390", Each, true),
            rule(Deny, "tcp/80-81", Each, true),
            rule(Deny, "rest", Each, true),
        ];
        let expected = ["tcp/80".parse().unwrap()];
        let decided = |address: &str, transport, port| -> Vec<usize> {
            let place = (address.parse().unwrap(), transport, port);
            (0..rules.len()).filter(|index| decides(&rules[*index], &rules, &expected, place)).collect()
        };
        let (v4, v6, tcp) = ("203.0.113.5", "2001:db8::5", Transport::Tcp);
        assert_eq!(decided(v4, tcp, 443), [0]);
        assert_eq!(decided(v4, tcp, 3389), [3]);
        assert_eq!(decided(v6, tcp, 3389), [1]);
        assert_eq!(decided(v4, tcp, 81), [4]);
        assert_eq!(decided(v4, tcp, 80), Vec::<usize>::new(), "open on purpose");
        assert_eq!(decided(v4, tcp, 9), [2]);
        assert_eq!(decided(v4, Transport::Udp, 9), Vec::<usize>::new());
        for address in [v4, v6] {
            for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.ports == RulePorts::Rest) {
                let each =
                    Ports::ranges(tcp, (1..=u16::MAX).filter(|port| decided(address, tcp, *port).contains(&index)));
                assert_eq!(rest(rule, &rules, &expected, address.parse().unwrap()), each, "{address} {index}");
            }
        }
    }

    #[test]
    fn addresses_meet_where_one_address_can_be_both() {
        let one = RuleAddress::One("203.0.113.5".parse().unwrap());
        assert!(one.meets(RuleAddress::Ipv4) && RuleAddress::Ipv4.meets(one) && !one.meets(RuleAddress::Ipv6));
        assert!(!RuleAddress::Ipv4.meets(RuleAddress::Ipv6) && RuleAddress::Any.meets(RuleAddress::Ipv6));
        assert!(!one.meets(RuleAddress::One("203.0.113.6".parse().unwrap())) && one.meets(one));
    }

    #[test]
    fn a_rule_is_named_by_what_it_wants_of_which_ports_and_where() {
        let named = |address| rule(Direction::Allow, "udp/75", address, false).to_string();
        assert_eq!(named(RuleAddress::Each), "allow udp/75");
        assert_eq!(named(RuleAddress::Ipv6), "allow udp/75 over IPv6");
        assert_eq!(named(RuleAddress::One("192.0.2.1".parse().unwrap())), "allow udp/75 at 192.0.2.1");
        assert_eq!(rule(Direction::Deny, "rest", RuleAddress::Each, false).to_string(), "deny rest");
    }
}
