//! The rules of the Windows firewall as the registry stores them ([MS-GPFAS] 2.2.2.19), and what they say of a port.

use super::Line;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest rule that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// TCP, by its number.
const TCP: u8 = 6;

/// UDP, by its number.
const UDP: u8 = 17;

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets it in.
    Allow,
    /// Lets it in where `IPsec` vouches for it.
    Bypass,
    /// Drops it; stronger than any rule that lets it in.
    Block,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Whether it is in force. A rule that does not say so is not.
    pub active: bool,
    /// Whether it is about what comes in.
    pub inbound: bool,
    /// The protocol by number (6 TCP, 17 UDP); `None` for any.
    pub protocol: Option<u8>,
    /// Local ports; empty for any.
    pub local_ports: Vec<PortRange>,
    /// Words in place of local ports (`RPC`, `IPHTTPS`): dynamic ones.
    pub port_words: Vec<String>,
    /// Remote ports limit it.
    pub remote_ports: bool,
    /// Local addresses, as written; empty for any.
    pub local_addresses: Vec<String>,
    /// Remote addresses, as written; empty for any.
    pub remote_addresses: Vec<String>,
    /// The profiles; empty for all.
    pub profiles: Vec<String>,
    /// The program, as a path.
    pub program: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// Something else limits it: interfaces, users, `IPsec`.
    pub limits: Vec<String>,
    /// Its name.
    pub name: String,
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange(pub u16, pub u16);

/// Reads a rule; what is wrong with it.
pub fn read(text: &str) -> Result<Rule, String> {
    if text.len() > LIMIT {
        return Err("a rule of more than 64 KiB".to_owned());
    }
    let mut fields = text.split('|');
    let version = fields.next().unwrap_or_default();
    let sound = version.strip_prefix('v').and_then(|version| version.split_once('.')).is_some_and(|(major, minor)| {
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        number(major) && number(minor)
    });
    if !sound {
        return Err(format!("a rule begins with its version, such as v2.30|, not with `{version}`"));
    }
    let mut rule = Rule {
        action: Action::Allow,
        active: false,
        inbound: true,
        protocol: None,
        local_ports: Vec::new(),
        port_words: Vec::new(),
        remote_ports: false,
        local_addresses: Vec::new(),
        remote_addresses: Vec::new(),
        profiles: Vec::new(),
        program: None,
        service: None,
        limits: Vec::new(),
        name: String::new(),
    };
    let (mut action, mut direction) = (false, false);
    for field in fields.filter(|field| !field.is_empty()) {
        let Some((key, value)) = field.split_once('=') else { return Err(format!("`{field}` is no KEY=VALUE")) };
        match key {
            "Action" => {
                action = true;
                rule.action = match value.to_ascii_lowercase().as_str() {
                    "allow" => Action::Allow,
                    "block" => Action::Block,
                    "bypass" => Action::Bypass,
                    _ => return Err(format!("the action `{value}` is not known")),
                };
            }
            "Active" => rule.active = value.eq_ignore_ascii_case("TRUE"),
            "Dir" => {
                direction = true;
                rule.inbound = match value.to_ascii_lowercase().as_str() {
                    "in" => true,
                    "out" => false,
                    _ => return Err(format!("the direction `{value}` is not known")),
                };
            }
            "Protocol" => {
                let number = value.parse::<u16>().map_err(|_| format!("the protocol `{value}` is no number"))?;
                // 256 stands for any.
                rule.protocol = u8::try_from(number).ok();
            }
            "LPort" | "LPort2_10" => match range(value) {
                Some(range) => rule.local_ports.push(range),
                None => rule.port_words.push(value.to_owned()),
            },
            "LPort2_20" | "LPort2_24" | "LPort2_29" => rule.port_words.push(value.to_owned()),
            _ if key.starts_with("RPort") => rule.remote_ports = true,
            "LA4" | "LA6" => rule.local_addresses.push(value.to_owned()),
            _ if key.starts_with("RA4") || key.starts_with("RA6") => rule.remote_addresses.push(value.to_owned()),
            "Profile" => rule.profiles.push(value.to_owned()),
            "App" => rule.program = Some(value.to_owned()),
            "Svc" => rule.service = (value != "*").then(|| value.to_owned()),
            "IF" | "IFType" | "Security" | "Security2" | "Security2_9" | "RMAuth" | "RUAuth" | "RUAuth2_24"
            | "LUAuth" | "LUAuth2_24" | "LUOwn" | "AppPkgId" | "ICMP4" | "ICMP6" => rule.limits.push(key.to_owned()),
            "Name" => value.clone_into(&mut rule.name),
            // Later versions have more keys; a rule that has them is still a rule.
            _ => {}
        }
    }
    if !action || !direction {
        return Err("a rule says its action and its direction".to_owned());
    }
    Ok(rule)
}

fn range(value: &str) -> Option<PortRange> {
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(PortRange(first, last))
}

impl Rule {
    /// Whether it may match what comes in to `port` of a process.
    pub fn may_match(&self, protocol: u8, port: u16, programs: &[(String, Vec<String>)]) -> bool {
        let port_fits = self.local_ports.is_empty() && self.port_words.is_empty()
            || self.local_ports.iter().any(|range| (range.0..=range.1).contains(&port))
            || !self.port_words.is_empty() && port >= 49152;
        self.active
            && self.inbound
            && self.protocol.is_none_or(|known| known == protocol)
            && port_fits
            && self.fits_program(programs)
    }

    /// Whether one of the processes that listen is the program and the service of the rule; where nobody knows what listens, it
    /// may be.
    fn fits_program(&self, programs: &[(String, Vec<String>)]) -> bool {
        if programs.is_empty() {
            return true;
        }
        let file = self.program.as_deref().map(|path| path.rsplit(['\\', '/']).next().unwrap_or(path));
        programs.iter().any(|(name, services)| {
            file.is_none_or(|file| file.eq_ignore_ascii_case(name))
                && self
                    .service
                    .as_ref()
                    .is_none_or(|wanted| services.iter().any(|service| service.eq_ignore_ascii_case(wanted)))
        })
    }

    /// Whether it holds for everybody who may come: from any address, without further conditions.
    pub fn is_unlimited(&self) -> bool {
        self.remote_addresses.is_empty()
            && self.local_addresses.is_empty()
            && !self.remote_ports
            && self.limits.is_empty()
    }

    /// Whether it holds in a profile: `Domain`, `Private` or `Public`.
    pub fn holds_in(&self, profile: &str) -> bool {
        self.profiles.is_empty() || self.profiles.iter().any(|known| known.eq_ignore_ascii_case(profile))
    }

    /// Whether it names loopback, or every address for every program and port of TCP or UDP. A rule about a package of the store
    /// is about one program too.
    pub fn meets_loopback(&self) -> bool {
        let names = self.local_addresses.iter().chain(&self.remote_addresses).any(|address| covers_loopback(address));
        let everything = self.local_addresses.is_empty() && self.remote_addresses.is_empty();
        names
            || everything
                && self.local_ports.is_empty()
                && self.port_words.is_empty()
                && self.protocol.is_none_or(|protocol| matches!(protocol, TCP | UDP))
                && self.program.is_none()
                && !self.limits.iter().any(|limit| limit == "AppPkgId")
    }
}

/// Whether an address, a range or a subnet as a rule writes it covers 127.0.0.1 or `::1`.
fn covers_loopback(text: &str) -> bool {
    let here4 = Ipv4Addr::LOCALHOST;
    let here6 = Ipv6Addr::LOCALHOST;
    if let Some((first, last)) = text.split_once('-') {
        let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>()) else { return false };
        let here: IpAddr = if first.is_ipv4() { here4.into() } else { here6.into() };
        return first <= here && here <= last;
    }
    let (address, mask) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    // The subnet need not begin at 127: 126.0.0.0/7 holds it too.
    let within = match address {
        IpAddr::V4(base) => {
            let mask = mask
                .parse::<Ipv4Addr>()
                .map_or_else(|_| u32::MAX.checked_shl(32 - mask.parse().unwrap_or(32).min(32)).unwrap_or(0), u32::from);
            u32::from(base) & mask == u32::from(here4) & mask
        }
        IpAddr::V6(base) => {
            let mask = u128::MAX.checked_shl(128 - mask.parse().unwrap_or(128).min(128)).unwrap_or(0);
            u128::from(base) & mask == u128::from(here6) & mask
        }
    };
    address.is_loopback() || within
}

/// A rule, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The rule.
    pub rule: Rule,
    /// It comes of Group Policy.
    pub policy: bool,
    /// Where it stands.
    pub line: Line,
}

/// A profile of the firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `Domain`, `Private` or `Public`.
    pub name: &'static str,
    /// Whether the firewall is on in it.
    pub enabled: bool,
    /// Whether it lets in what no rule is about.
    pub default_allow: bool,
    /// Whether local rules count beside those of Group Policy.
    pub local_rules: bool,
    /// What says so.
    pub line: Line,
}

/// What the firewall of the host does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// The rules of both stores.
    pub rules: Vec<Placed>,
    /// The three profiles.
    pub profiles: Vec<Profile>,
    /// Rules that could not be read: nothing that they might match is certain.
    pub unread: Vec<String>,
}

/// What it does with what comes in to a port from anywhere outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is let in, by a rule or because the firewall is off.
    Allowed(Line),
    /// Only some are let in.
    Limited(Line),
    /// It is dropped, by a rule.
    Blocked(Line),
    /// It is dropped because no rule lets it in.
    NotAllowed(Line),
    /// It depends on the profile, or on a rule that could not be read.
    Unclear(String),
}

impl Firewall {
    /// What comes in to `port`; `active` are the profiles in force, all where that is not known.
    pub fn claim(&self, protocol: u8, port: u16, programs: &[(String, Vec<String>)], active: &[String]) -> Claim {
        let wanted = |profile: &&Profile| active.is_empty() || active.iter().any(|name| name == profile.name);
        let mut claims: Vec<Claim> = Vec::new();
        for profile in self.profiles.iter().filter(wanted) {
            let claim = self.in_profile(profile, protocol, port, programs);
            if !claims.iter().any(|known| std::mem::discriminant(known) == std::mem::discriminant(&claim)) {
                claims.push(claim);
            }
        }
        if let (Some(unread), false) = (self.unread.first(), matches!(claims.as_slice(), [Claim::Blocked(_)])) {
            return Claim::Unclear(format!("a rule could not be read: {unread}"));
        }
        match (claims.pop(), claims.is_empty()) {
            (Some(claim), true) => claim,
            (None, _) => Claim::Unclear("no profile of the firewall is known".to_owned()),
            (Some(_), false) => {
                Claim::Unclear("the profiles of the firewall differ, and it is not known which is in force".to_owned())
            }
        }
    }

    fn in_profile(&self, profile: &Profile, protocol: u8, port: u16, programs: &[(String, Vec<String>)]) -> Claim {
        if !profile.enabled {
            return Claim::Allowed(profile.line.clone());
        }
        let matching: Vec<&Placed> = self
            .rules
            .iter()
            .filter(|placed| placed.policy || profile.local_rules)
            .filter(|placed| placed.rule.holds_in(profile.name) && placed.rule.may_match(protocol, port, programs))
            .collect();
        let find = |action: Action, unlimited: bool| {
            matching.iter().find(|placed| placed.rule.action == action && placed.rule.is_unlimited() == unlimited)
        };
        if let Some(placed) = find(Action::Block, true) {
            return Claim::Blocked(placed.line.clone());
        }
        if profile.default_allow {
            let block = find(Action::Block, false);
            return block
                .map_or_else(|| Claim::Allowed(profile.line.clone()), |placed| Claim::Limited(placed.line.clone()));
        }
        match (find(Action::Allow, true), find(Action::Block, false)) {
            (Some(placed), None) => return Claim::Allowed(placed.line.clone()),
            (Some(_), Some(placed)) => return Claim::Limited(placed.line.clone()),
            _ => {}
        }
        match find(Action::Allow, false).or_else(|| matching.iter().find(|placed| placed.rule.action == Action::Bypass))
        {
            Some(placed) => Claim::Limited(placed.line.clone()),
            None => Claim::NotAllowed(profile.line.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
