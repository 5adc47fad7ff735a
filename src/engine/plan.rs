//! The plan: which questions the items of the guides lead to. Each is asked once, however many items want it, and the
//! plan knows who wanted what.

use crate::catalog::guide::Guide;
use crate::catalog::rule::{AnswersAs, Method, Rule};
use crate::model::expected::RulePorts;
use crate::model::http::{Request, WebPath};
use crate::model::ports::{Ports, Transport};
use crate::model::target::{Role, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Who wants something: the ids of items, guides, expected rules.
pub type Wanted = BTreeSet<String>;

/// What is asked of every address of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ports whose state is asked, as they are on the target, with the items that want them.
    pub ports: BTreeMap<Ports, Wanted>,
    /// Expected rules about every TCP port that no other rule names: they ask for none, and judge those that are asked.
    pub rest: Wanted,
    /// Every TCP port is asked, whatever the items want.
    pub sweep: bool,
    /// Ports that nothing uses are asked too, to find out whether something answers for the server.
    pub decoys: bool,
    /// What is asked of open TCP ports, once it is known what speaks there.
    pub follow_up: FollowUp,
    /// The user says that the ports speak TLS: they are asked for it at once, before it is known what speaks there.
    pub expects_tls: bool,
}

/// What is asked of open TCP ports. Each set names the items that want it; an empty one is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// What speaks there.
    pub service: Wanted,
    /// Which versions of TLS are accepted, with SNI and without.
    pub tls_versions: Wanted,
    /// Which certificate is served.
    pub certificate: Wanted,
    /// Which suites are accepted, where `tls_versions` is asked too.
    pub suites: Wanted,
    /// What answers these requests.
    pub http: BTreeMap<Request, Wanted>,
    /// Which products answer.
    pub products: Wanted,
    /// Whether RDP insists on network level authentication.
    pub rdp_nla: Wanted,
    /// Whether SMB 1 is answered.
    pub smb1: Wanted,
}

/// What the user asks for beyond the guides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// More ports.
    pub ports: Vec<Ports>,
    /// Every TCP port.
    pub sweep: bool,
    /// The suites of every port that speaks TLS.
    pub suites: bool,
}

/// Who wants what no item wants.
const BY_GUIDE: &str = "guide";
const BY_INVENTORY: &str = "inventory";
const BY_USER: &str = "option";
const BY_RULE: &str = "rule";
const BY_RULES: &str = "expected rules";
const BY_CALENDAR: &str = "the end of certificates";

impl Plan {
    /// Plans `target` by the guides that concern it.
    pub fn new(target: &Target, guides: &[Guide], extra: &Extra) -> Self {
        let mut plan = Self { sweep: extra.sweep, decoys: true, ..Self::default() };
        for guide in guides {
            let mut concerned = false;
            for item in guide.items_for(&target.roles) {
                concerned = true;
                for rule in &item.rules {
                    plan.want(target, &item.id, &rule.rule);
                }
            }
            if concerned {
                for ports in &guide.also_ask {
                    plan.want_ports(target, *ports, false, &format!("{BY_GUIDE} {}", guide.id));
                }
            }
        }
        // Where something was moved to, something listens, whether or not an item names it.
        for ports in target.moved.iter().map(|moved| &moved.to).chain(&target.expected) {
            plan.ports.entry(*ports).or_default().insert(BY_INVENTORY.to_owned());
        }
        for ports in &extra.ports {
            plan.ports.entry(*ports).or_default().insert(BY_USER.to_owned());
        }
        if extra.suites {
            let follow_up = &mut plan.follow_up;
            for wanted in [&mut follow_up.service, &mut follow_up.tls_versions, &mut follow_up.suites] {
                wanted.insert(BY_USER.to_owned());
            }
        }
        plan.want_rules(target);
        // No item asks it of every server, and every server's certificate ends one day: who asks for TLS learns when.
        if !plan.follow_up.tls_versions.is_empty() {
            plan.follow_up.certificate.insert(BY_CALENDAR.to_owned());
        }
        plan
    }

    /// An expected rule wants to know of its ports, and what speaks on those that are open: that proves them, or names what
    /// should not be there.
    fn want_rules(&mut self, target: &Target) {
        for rule in &target.rules {
            let note = rule.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
            let who = format!("{BY_RULE} {rule}{note}");
            let wanted = match rule.ports {
                RulePorts::These(ports) => self.ports.entry(ports).or_default(),
                RulePorts::Rest => &mut self.rest,
            };
            wanted.insert(who);
        }
        if !target.rules.is_empty() {
            self.follow_up.service.insert(BY_RULES.to_owned());
        }
    }

    fn want_ports(&mut self, target: &Target, ports: Ports, everywhere: bool, who: &str) {
        for actual in target.actual_ranges(ports, everywhere) {
            self.ports.entry(actual).or_default().insert(who.to_owned());
        }
    }

    fn want(&mut self, target: &Target, id: &str, rule: &Rule) {
        if !rule.asks() {
            return;
        }
        for ports in rule.ports() {
            let grows = matches!(rule, Rule::Unreachable { grows_with_technicians: true, .. });
            let ports = if grows { target.grown(*ports) } else { *ports };
            self.want_ports(target, ports, matches!(rule, Rule::Unreachable { .. }), id);
        }
        let follow_up = &mut self.follow_up;
        let note = |set: &mut Wanted| {
            set.insert(id.to_owned());
        };
        note(&mut follow_up.service);
        match rule {
            Rule::TlsRefused { .. } => note(&mut follow_up.tls_versions),
            Rule::SuitesRefused { .. } => {
                note(&mut follow_up.tls_versions);
                note(&mut follow_up.suites);
            }
            Rule::CertificateValid { .. } => note(&mut follow_up.certificate),
            Rule::Reachable { answers_as: Some(AnswersAs::Product(_)), .. }
            | Rule::Unreachable { product: Some(_), .. }
            | Rule::VersionAtLeast { .. }
            | Rule::NotKnownExploited { .. }
            | Rule::ProductNotOverHttp { .. } => note(&mut follow_up.products),
            Rule::RdpNla => note(&mut follow_up.rdp_nla),
            Rule::Smb1Refused => note(&mut follow_up.smb1),
            _ => {}
        }
        if let Rule::HeaderAbsent { skip_products, .. }
        | Rule::MethodDenied { skip_products, .. }
        | Rule::HostlessHeaderAbsent { skip_products }
        | Rule::HostlessAddressHidden { skip_products } = rule
            && !skip_products.is_empty()
        {
            note(&mut follow_up.products);
        }
        for request in requests(rule, &target.roles) {
            note(follow_up.http.entry(request).or_default());
        }
    }

    /// How many TCP and UDP ports are asked of each address.
    pub fn port_counts(&self) -> (usize, usize) {
        let tcp = if self.sweep { usize::from(u16::MAX) } else { self.numbers(Transport::Tcp).len() };
        (tcp, self.numbers(Transport::Udp).len())
    }

    /// The ports of one transport that somebody wants, each once, in order.
    pub fn numbers(&self, transport: Transport) -> Vec<u16> {
        let ranges = self.ports.keys().filter(|ports| ports.transport() == transport);
        let numbers: BTreeSet<u16> = ranges.flat_map(|ports| ports.each()).collect();
        numbers.into_iter().collect()
    }

    /// The UDP ports in groups that are decided together, each port once: the fewer ports somebody asks for, the more each of
    /// them matters to him, and the sooner it is asked. A host may say of only a few that they are closed.
    pub fn udp_groups(&self) -> Vec<Vec<u16>> {
        let mut ranges: Vec<Ports> =
            self.ports.keys().copied().filter(|ports| ports.transport() == Transport::Udp).collect();
        ranges.sort_by_key(|ports| (ports.count(), *ports));
        let mut seen = BTreeSet::new();
        let groups = ranges.into_iter().map(|ports| ports.each().filter(|port| seen.insert(*port)).collect());
        groups.filter(|group: &Vec<u16>| !group.is_empty()).collect()
    }

    /// The TCP ports that only a sweep asks.
    pub fn rest_of_sweep(&self) -> Vec<u16> {
        if !self.sweep {
            return Vec::new();
        }
        let wanted: BTreeSet<u16> = self.numbers(Transport::Tcp).into_iter().collect();
        (1..=u16::MAX).filter(|port| !wanted.contains(port)).collect()
    }
}

/// The requests that a rule needs of every web port. Directories and pages are those that servers of the roles have.
fn requests(rule: &Rule, roles: &BTreeSet<Role>) -> Vec<Request> {
    let automate = roles.contains(&Role::Automate);
    match rule {
        Rule::HeaderAbsent { .. } => {
            let mut paths = vec![WebPath::Root, WebPath::MissingPage];
            if automate {
                paths.push(WebPath::AutomateAgent);
            }
            paths.into_iter().map(Request::Get).collect()
        }
        Rule::MethodDenied { method: Method::Options, .. } => {
            vec![Request::Options(WebPath::Root), Request::Get(WebPath::Root)]
        }
        Rule::MethodDenied { method: Method::Trace, .. } => {
            vec![Request::Trace(WebPath::Root), Request::Options(WebPath::Root), Request::Get(WebPath::Root)]
        }
        Rule::HostlessHeaderAbsent { .. } | Rule::HostlessAddressHidden { .. } => {
            let mut paths = vec![WebPath::AspNetClient];
            if automate {
                paths.push(WebPath::LabTech);
            }
            paths.into_iter().map(Request::HostlessHead).collect()
        }
        Rule::HttpSysSilent => vec![Request::MissingHost],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::builtin::Catalogs;
    use crate::model::target::Host;

    #[test]
    fn udp_ports_that_somebody_asks_for_by_name_come_before_ranges() {
        let ports = ["udp/40000-41000", "tcp/443", "udp/70-74", "udp/8002", "udp/72-75", "udp/75"];
        let wanted = |text: &&str| (text.parse().unwrap(), Wanted::new());
        let plan = Plan { ports: ports.iter().map(wanted).collect(), ..Plan::default() };
        let groups = plan.udp_groups();
        assert_eq!(groups[..4], [vec![75], vec![8002], vec![72, 73, 74], vec![70, 71]]);
        assert_eq!((groups.len(), groups[4].len()), (5, 1001));
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), plan.numbers(Transport::Udp).len());
    }

    /// Also of servers whose guides have no item about it: alerts and reports tell of every certificate that ends.
    #[test]
    fn the_end_of_certificates_is_asked_of_every_role_that_is_asked_for_tls() {
        let catalogs = Catalogs::built_in().unwrap();
        for role in Role::ALL {
            let target = Target { roles: [role].into(), ..Target::new("c", Host::Name("rmm.example".to_owned())) };
            let plan = Plan::new(&target, &catalogs.guides, &Extra::default());
            assert!(!plan.follow_up.tls_versions.is_empty(), "{role}");
            assert!(!plan.follow_up.certificate.is_empty(), "{role}");
        }
        let plain = Plan::new(&Target::new("c", Host::Name("h".to_owned())), &[], &Extra::default());
        assert!(plain.follow_up.certificate.is_empty(), "nobody asks for TLS");
    }
}
