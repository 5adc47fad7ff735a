//! Expected rules as an inventory writes them, under `allow` and `deny` of a target, or of the whole file as defaults; and
//! what cannot stand beside each other.

use super::diagnostic::nearest;
use super::toml_file::Reader;
use crate::model::expected::{Direction, ExpectedRule, RuleAddress, RulePorts};
use crate::model::ports::Ports;
use crate::model::target::{Host, Moved};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

/// How many ports the rules of one target may name: far more than a firewall forwards one by one, and few enough to be asked
/// within a target's time beside decoys.
pub const PORTS_LIMIT: usize = 10_000;

/// The longest note, in characters.
const NOTE_LIMIT: usize = 200;

const REST: &str = "rest";

/// One value, or a list of them.
#[derive(Debug)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<Spanned<T>>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ports such as \"tcp/443\", or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(OneOrMany::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(value) = values.next_element()? {
                    many.push(value);
                }
                Ok(OneOrMany::Many(many))
            }
        }

        deserializer.deserialize_any(Values(PhantomData))
    }
}

impl<T> OneOrMany<T> {
    fn each(self, span: Range<usize>) -> Vec<Spanned<T>> {
        match self {
            Self::One(one) => vec![Spanned::new(span, one)],
            Self::Many(many) => many,
        }
    }
}

/// A rule as written: `"tcp/443"`, or a table that says more.
#[derive(Debug)]
pub(super) enum RawEntry {
    Ports(String),
    Table(Box<RawTable>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTable {
    ports: Spanned<OneOrMany<String>>,
    address: Option<Spanned<String>>,
    note: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for RawEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = RawEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ports such as \"tcp/443\", or a table such as { ports = \"tcp/443\", note = \"why\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(RawEntry::Ports(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = RawTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawEntry::Table(Box::new(table)))
            }
        }

        deserializer.deserialize_any(Entry)
    }
}

/// What stands under `allow` or `deny`.
pub(super) type RawRules = Option<Spanned<OneOrMany<RawEntry>>>;

/// A rule, and where it stands.
pub(super) type Placed = (ExpectedRule, Range<usize>);

/// What else is known of the target of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Where it is, as far as that is known.
    pub host: Option<&'a Host>,
    /// Services on other ports than the guides say.
    pub moved: &'a [Moved],
    /// The address leads to other servers too.
    pub shared_address: bool,
    /// What is open on purpose.
    pub expected: &'a [Ports],
}

/// What is known of the target of a default: nothing, for it may be any.
const NOTHING: Beside<'_> = Beside { host: None, moved: &[], shared_address: false, expected: &[] };

/// Why a rule cannot stand where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The earlier rule that it does not fit, by its place among them.
    pub with: Option<usize>,
}

/// Reads the rules of a target, or without one the defaults of a file, in the order in which they stand; what cannot stand
/// beside each other, or beside what else the target says, is noted. The defaults that hold for a target count as its own
/// where their ports are counted.
pub(super) fn read(
    reader: &mut Reader<'_>,
    allow: RawRules,
    deny: RawRules,
    target: Option<(&Beside<'_>, &[Placed])>,
) -> Vec<Placed> {
    let (beside, defaults) = target.unwrap_or((&NOTHING, &[]));
    let mut found: Vec<Placed> = Vec::new();
    for (direction, raw) in [(Direction::Allow, allow), (Direction::Deny, deny)] {
        let Some(raw) = raw else { continue };
        let span = raw.span();
        for entry in raw.into_inner().each(span) {
            read_entry(reader, direction, entry, target.is_none(), &mut found);
        }
    }
    found.sort_by_key(|(_, span)| span.start);
    let mut kept: Vec<Placed> = Vec::new();
    let mut named: usize = defaults.iter().map(|(rule, _)| rule.named()).sum();
    for (rule, span) in found {
        named += rule.named();
        if named > PORTS_LIMIT {
            let message = format!("the rules name more than {PORTS_LIMIT} ports up to here");
            let help = "`deny = \"rest\"` is about every TCP port that no rule names, and --sweep asks all of them";
            reader.wrong(span, &message, Some(help.to_owned()));
            break;
        }
        let earlier = kept.iter().map(|(rule, _)| rule);
        match conflict(&rule, earlier, beside) {
            None => kept.push((rule, span)),
            Some(Conflict { message, help, with }) => {
                let place = with.and_then(|index| kept.get(index)).map(|(_, place)| line(reader.text, place));
                let place = place.map_or_else(String::new, |line| format!(" in line {line}"));
                reader.wrong(span, &format!("{message}{place}"), Some(help));
            }
        }
    }
    kept
}

/// Notes defaults that cannot hold for a target of the file.
pub(super) fn check_defaults(reader: &mut Reader<'_>, defaults: &[Placed], label: &str, beside: &Beside<'_>) {
    for (rule, span) in defaults {
        if let Some(moved) = moved_away(rule, beside) {
            let message = format!("`{rule}` cannot hold for `{label}`, where {} is moved to {}", moved.from, moved.to);
            let help = "give that target rules of its own, with `default_rules = false`".to_owned();
            reader.wrong(span.clone(), &message, Some(help));
        }
    }
}

fn line(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
}

fn read_entry(
    reader: &mut Reader<'_>,
    direction: Direction,
    entry: Spanned<RawEntry>,
    default: bool,
    found: &mut Vec<Placed>,
) {
    let span = entry.span();
    let (ports, address, note) = match entry.into_inner() {
        RawEntry::Ports(ports) => (vec![Spanned::new(span, ports)], None, None),
        RawEntry::Table(table) => {
            let span = table.ports.span();
            let ports = table.ports.into_inner().each(span.clone());
            if ports.is_empty() {
                reader.wrong(span, "`ports` is empty", None);
            }
            (ports, table.address, table.note)
        }
    };
    let address = match address {
        None => Some(RuleAddress::Each),
        Some(address) => read_address(reader, direction, &address, default),
    };
    if let Some(note) = &note {
        check_note(reader, note);
    }
    let note = note.map(Spanned::into_inner);
    for text in ports {
        let Some(ports) = reader.read(&text, |text| parse_ports(direction, text)) else { continue };
        if let Some(address) = address {
            found.push((ExpectedRule { direction, ports, address, note: note.clone(), default }, text.span()));
        }
    }
}

fn check_note(reader: &mut Reader<'_>, note: &Spanned<String>) {
    reader.require_text("note", note);
    if note.get_ref().chars().count() > NOTE_LIMIT {
        reader.wrong(note.span(), &format!("`note` is longer than {NOTE_LIMIT} characters"), None);
    }
    if note.get_ref().chars().any(char::is_control) {
        reader.wrong(note.span(), "`note` may not hold control characters", None);
    }
}

/// Reads `tcp/443`, `udp/500-510`, or, where it is to be denied, `rest`.
pub fn parse_ports(direction: Direction, text: &str) -> Result<RulePorts, String> {
    let text = text.trim();
    match (direction, text) {
        (Direction::Deny, REST) => return Ok(RulePorts::Rest),
        (Direction::Allow, REST) => return Err("`rest` can only be denied; name the ports that are allowed".to_owned()),
        _ => {}
    }
    if direction == Direction::Deny && nearest(text, [REST, "any", "all", "others"]).is_some() {
        let quoted = crate::model::peer_text::PeerText::new(text, 40);
        return Err(format!("`{quoted}` names no ports; `rest` stands for every TCP port that no rule names"));
    }
    text.parse().map(RulePorts::These).map_err(|error: crate::model::ports::PortsError| error.to_string())
}

fn read_address(
    reader: &mut Reader<'_>,
    direction: Direction,
    text: &Spanned<String>,
    default: bool,
) -> Option<RuleAddress> {
    const WORDS: [(&str, RuleAddress); 4] = [
        ("each", RuleAddress::Each),
        ("any", RuleAddress::Any),
        ("ipv4", RuleAddress::Ipv4),
        ("ipv6", RuleAddress::Ipv6),
    ];
    let bare = text.get_ref().trim_start_matches('[').trim_end_matches(']');
    let Ok(address) = bare.parse::<IpAddr>() else {
        let address = reader.choose("`each`, `any`, `ipv4`, `ipv6` or an address", text, &WORDS)?;
        let same = direction == Direction::Deny && address == RuleAddress::Any;
        return Some(if same { RuleAddress::Each } else { address });
    };
    if default {
        let help = "name it in the target that has it".to_owned();
        reader.wrong(text.span(), "what holds for all targets of the file cannot name one address", Some(help));
        return None;
    }
    reader.read(text, super::inventory::parse_host).map(|_| RuleAddress::One(address.to_canonical()))
}

/// Why `rule` cannot stand beside `earlier` rules and what else its target says; `None` where it can.
pub fn conflict<'a>(
    rule: &ExpectedRule,
    earlier: impl IntoIterator<Item = &'a ExpectedRule>,
    beside: &Beside<'_>,
) -> Option<Conflict> {
    let other = earlier.into_iter().enumerate().find(|(_, other)| collide(rule, other));
    if let Some((index, other)) = other {
        let ports = rule.ports;
        let (message, help) = if other.direction == rule.direction {
            let word = if rule.direction == Direction::Allow { "allowed" } else { "denied" };
            (format!("{ports} is already {word}"), "name a port once")
        } else {
            let (one, two) = match rule.direction {
                Direction::Allow => ("allowed", "denied"),
                Direction::Deny => ("denied", "allowed"),
            };
            (
                if ports == other.ports {
                    format!("{ports} is {one} here, and {two}")
                } else {
                    format!("{ports} is {one} here, and {} is {two}", other.ports)
                },
                "a port is either allowed or denied; where that depends on the address, give both rules an `address`",
            )
        };
        return Some(Conflict { message, help: help.to_owned(), with: Some(index) });
    }
    wrong_address(rule, beside).or_else(|| moved(rule, beside)).or_else(|| expected_too(rule, beside))
}

/// Whether two rules speak of the same port at the same address, and cannot both be meant. What must be reachable at one
/// address, whichever, may well be denied at some.
fn collide(rule: &ExpectedRule, other: &ExpectedRule) -> bool {
    let ports = match (rule.ports, other.ports) {
        (RulePorts::These(one), RulePorts::These(two)) => one.overlaps(two),
        (RulePorts::Rest, RulePorts::Rest) => true,
        _ => false,
    };
    let whichever =
        |one: &ExpectedRule, two: &ExpectedRule| one.address == RuleAddress::Any && two.address != RuleAddress::Each;
    let apart = rule.direction != other.direction && (whichever(rule, other) || whichever(other, rule));
    ports && rule.address.meets(other.address) && !apart
}

fn alone(message: String, help: &str) -> Conflict {
    Conflict { message, help: help.to_owned(), with: None }
}

fn wrong_address(rule: &ExpectedRule, beside: &Beside<'_>) -> Option<Conflict> {
    let Some(Host::Address(host)) = beside.host else { return None };
    (!rule.address.is_about(*host)).then(|| {
        let message = format!("`{rule}` is about no address of the host, which is {host}");
        alone(message, "leave `address` out, or give the host's name")
    })
}

fn moved(rule: &ExpectedRule, beside: &Beside<'_>) -> Option<Conflict> {
    let moved = moved_away(rule, beside)?;
    let why = if rule.direction == Direction::Deny { ", and its address is shared with other servers" } else { "" };
    let message = format!("`{rule}` is about {}, which is moved to {}{why}", moved.from, moved.to);
    Some(alone(message, "rules name ports as they are on the target, not as the guides number them"))
}

/// What was moved away from the rule's ports, where the rule cannot mean what is left there.
fn moved_away<'a>(rule: &ExpectedRule, beside: &Beside<'a>) -> Option<&'a Moved> {
    let RulePorts::These(ports) = rule.ports else { return None };
    if rule.direction == Direction::Deny && !beside.shared_address {
        // The old port of a service that was moved may well be denied.
        return None;
    }
    let transport = ports.transport();
    let taken_again = |port| beside.moved.iter().any(|other| other.to.contains(transport, port));
    beside.moved.iter().find(|moved| {
        moved.from.overlaps(ports)
            && ports.each().any(|port| moved.from.contains(transport, port) && !taken_again(port))
    })
}

fn expected_too(rule: &ExpectedRule, beside: &Beside<'_>) -> Option<Conflict> {
    let RulePorts::These(ports) = rule.ports else { return None };
    let expected = beside.expected.iter().find(|expected| expected.overlaps(ports))?;
    Some(match rule.direction {
        Direction::Allow => {
            let message = format!("{ports} is allowed, and {expected} is under `expected` too");
            alone(message, "take it out of `expected`: what must be open is expected to be")
        }
        Direction::Deny => {
            let message = format!("{ports} is denied, and {expected} is under `expected`, as open on purpose");
            alone(message, "take it out of one of the two")
        }
    })
}

#[cfg(test)]
mod tests;
