//! Inventories: the servers of the MSP's clients, as TOML files in a folder.
//!
//! Reading is all or nothing: one mistake anywhere and nothing is scanned, because a target that is silently left out
//! reads like a target that is clean.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::expected::{self, Beside, Placed, RawRules};
use super::guide::ROLES;
use super::scheduled::{self, RawSchedule};
use super::toml_file::{FILE_LIMIT, Reader};
use crate::model::ports::{Ports, parse_range};
use crate::model::target::{ControlServer, Host, Moved, Role, Target};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The client of targets for which none is given.
pub const NO_CLIENT: &str = "unnamed";

/// The files of statements, beside inventories.
pub const ATTESTATIONS: &str = "attestations.toml";
/// The same for waivers.
pub const WAIVERS: &str = "waivers.toml";
/// The file of channels for alerts, there too.
pub const ALERTS: &str = "alerts.toml";
const BESIDE: [&str; 3] = [ATTESTATIONS, WAIVERS, ALERTS];

/// How deep folders of inventories may be nested; also ends loops of symbolic links.
const DEPTH_LIMIT: usize = 8;

/// More targets than any one run is for.
const TARGET_LIMIT: usize = 100_000;

/// Automate's tunnels take four ports per technician from 40000 on, so more cannot be.
const TECHNICIANS_LIMIT: i64 = (65_535 - 40_000) / 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInventory {
    client: Option<Spanned<String>>,
    schedule: Option<RawSchedule>,
    allow: RawRules,
    deny: RawRules,
    #[serde(default)]
    target: Vec<RawTarget>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    client: Option<Spanned<String>>,
    name: Spanned<String>,
    host: Spanned<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    active_directory: Option<bool>,
    technicians: Option<Spanned<i64>>,
    redirectors: Option<bool>,
    split_database: Option<bool>,
    control: Option<Spanned<String>>,
    sni: Option<Spanned<String>>,
    #[serde(default)]
    moved: BTreeMap<Spanned<String>, Spanned<PortOrRange>>,
    #[serde(default)]
    shared_address: bool,
    #[serde(default)]
    expected: Vec<Spanned<String>>,
    allow: RawRules,
    deny: RawRules,
    #[serde(default = "yes")]
    default_rules: bool,
    notes: Option<String>,
    evidence: Option<String>,
    schedule: Option<RawSchedule>,
    #[serde(default = "yes")]
    scheduled: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PortOrRange {
    Port(i64),
    Range(String),
}

const CONTROL: [(&str, ControlServer); 4] = [
    ("here", ControlServer::Here),
    ("elsewhere", ControlServer::Elsewhere),
    ("cloud", ControlServer::Cloud),
    ("none", ControlServer::None),
];

/// What was read of an inventory, and what stands beside it.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The targets, in the order of the files.
    pub targets: Vec<Target>,
    /// The file of each target.
    pub files: Vec<PathBuf>,
    /// The files of attestations in the inventory's folders.
    pub attestations: Vec<PathBuf>,
    /// The files of waivers.
    pub waivers: Vec<PathBuf>,
    /// The files of channels.
    pub alerts: Vec<PathBuf>,
    /// What other inventories beside these hold: statements may be about their targets too.
    pub elsewhere: Vec<Named>,
}

/// A target of an inventory that was not to be read, as far as it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its client.
    pub client: String,
    /// Its name.
    pub name: String,
    /// Its host as it is written.
    pub host: String,
}

/// Reads every inventory that `paths` name: files, or folders of `*.toml`, read recursively in the order of their names.
pub fn load(paths: &[PathBuf]) -> Result<Inventory, Diagnostics> {
    let mut collected = Collected::default();
    for path in paths {
        let before = collected.files.len();
        if BESIDE.iter().any(|name| path.ends_with(name)) && !path.is_dir() {
            collected.found.push(Diagnostic::whole(
                &shown(path),
                "this file holds statements about targets or channels for alerts, and no targets",
                Some("name the inventory, or its folder: this file is read with it".to_owned()),
            ));
            continue;
        }
        collect(path, 0, true, &mut collected);
        if collected.files.len() == before && collected.found.is_empty() {
            let found = &mut collected.found;
            found.push(Diagnostic::whole(
                &shown(path),
                "there is no inventory in this folder",
                Some("inventories are files that end with .toml; copy targets/template.toml to begin with".to_owned()),
            ));
        }
    }
    let Collected { files, statements, folders, mut found } = collected;
    let mut inventory = Inventory::default();
    let mut seen_files = BTreeSet::new();
    let mut places = Places::default();
    for file in files {
        let same = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if !seen_files.insert(same) {
            continue;
        }
        match read_text(&file) {
            Ok(text) => match parse(&shown(&file), &text, &mut places) {
                Ok(more) => {
                    inventory.files.extend(more.iter().map(|_| file.clone()));
                    inventory.targets.extend(more.into_iter().map(|target| beside(target, &file)));
                }
                Err(Diagnostics(more)) => found.extend(more),
            },
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    if inventory.targets.len() > TARGET_LIMIT {
        found.push(Diagnostic::whole("inventory", &format!("more than {TARGET_LIMIT} targets"), None));
    }
    for folder in folders {
        inventory.elsewhere.extend(named_in(&folder, &seen_files));
    }
    for file in statements {
        let same = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if seen_files.insert(same) {
            let list = match file.file_name().and_then(std::ffi::OsStr::to_str) {
                Some(ATTESTATIONS) => &mut inventory.attestations,
                Some(WAIVERS) => &mut inventory.waivers,
                _ => &mut inventory.alerts,
            };
            list.push(file);
        }
    }
    if found.is_empty() { Ok(inventory) } else { Err(Diagnostics(found)) }
}

/// The targets of the inventories of a folder, but for the files that were read already. What cannot be read is left out: it
/// was not to be read.
fn named_in(folder: &Path, read: &BTreeSet<PathBuf>) -> Vec<Named> {
    #[derive(Deserialize)]
    struct Loose {
        client: Option<String>,
        #[serde(default)]
        target: Vec<LooseTarget>,
    }
    #[derive(Deserialize)]
    struct LooseTarget {
        client: Option<String>,
        name: String,
        host: String,
    }
    let mut collected = Collected::default();
    collect(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }, 0, false, &mut collected);
    let others =
        collected.files.into_iter().filter(|file| !std::fs::canonicalize(file).is_ok_and(|file| read.contains(&file)));
    let loose = others.filter_map(|file| toml::from_str::<Loose>(&read_text(&file).ok()?).ok());
    let named = loose.flat_map(|Loose { client, target }| {
        target.into_iter().map(move |target| Named {
            client: target.client.or_else(|| client.clone()).unwrap_or_else(|| NO_CLIENT.to_owned()),
            name: target.name,
            host: target.host,
        })
    });
    named.take(TARGET_LIMIT).collect()
}

/// Evidence is found from where the inventory is.
fn beside(mut target: Target, inventory: &Path) -> Target {
    if let (Some(evidence), Some(folder)) = (&mut target.evidence, inventory.parent()) {
        *evidence = folder.join(evidence.as_str()).display().to_string();
    }
    target
}

/// A path as errors name it.
pub fn shown(path: &Path) -> String {
    crate::model::peer_text::PeerText::new(&path.display().to_string(), 400).as_str().to_owned()
}

/// Reads a file of the user's as UTF-8, with an error that says where it is not.
pub fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let problem = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => {
                Some("check the path; it is taken relative to the current folder".to_owned())
            }
            std::io::ErrorKind::PermissionDenied => Some("let this user read the file".to_owned()),
            _ => None,
        };
        Box::new(Diagnostic::whole(&shown(path), &format!("cannot be read: {error}"), help))
    };
    let metadata = std::fs::metadata(path).map_err(problem)?;
    if !metadata.is_file() {
        return Err(Box::new(Diagnostic::whole(&shown(path), "this is not a regular file", None)));
    }
    if metadata.len() > FILE_LIMIT as u64 {
        let message = format!("the file is larger than {FILE_LIMIT} bytes");
        return Err(Box::new(Diagnostic::whole(&shown(path), &message, None)));
    }
    let mut bytes = std::fs::read(path).map_err(problem)?;
    // A byte order mark, with which some editors begin UTF-8, is no part of the text (RFC 3629, section 6).
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let help = Some("save it as UTF-8".to_owned());
        Box::new(Diagnostic::at(&shown(path), &text, valid..valid, "the file is not UTF-8", help))
    })
}

/// The files that [`load`] reads.
pub fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut collected = Collected::default();
    for path in paths {
        collect(path, 0, true, &mut collected);
    }
    collected.files
}

/// The files that paths lead to.
#[derive(Debug, Default)]
struct Collected {
    /// Inventories.
    files: Vec<PathBuf>,
    /// What stands beside them.
    statements: Vec<PathBuf>,
    /// Folders of which one file was named, and that hold statements.
    folders: Vec<PathBuf>,
    found: Vec<Diagnostic>,
}

fn collect(path: &Path, depth: usize, named: bool, collected: &mut Collected) {
    let found = &mut collected.found;
    if path.is_dir() {
        if depth >= DEPTH_LIMIT {
            found.push(Diagnostic::whole(&shown(path), "folders are nested too deeply, or link to each other", None));
            return;
        }
        match std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(mut entries) => {
                entries.sort_by_key(std::fs::DirEntry::file_name);
                for entry in entries {
                    let hidden = entry.file_name().to_string_lossy().starts_with('.');
                    if !hidden {
                        collect(&entry.path(), depth + 1, false, collected);
                    }
                }
            }
            Err(error) => found.push(Diagnostic::whole(&shown(path), &format!("cannot be read: {error}"), None)),
        }
    } else if !named && BESIDE.iter().any(|name| path.ends_with(name)) {
        collected.statements.push(path.to_owned());
    } else if named || path.extension().is_some_and(|extension| extension == "toml") {
        collected.files.push(path.to_owned());
        let folder = path.parent().filter(|_| named);
        let beside = folder.into_iter().flat_map(|folder| BESIDE.map(|name| folder.join(name)));
        // A link that leads nowhere is there all the same, and a mistake.
        let beside: Vec<PathBuf> = beside.filter(|file| file.symlink_metadata().is_ok()).collect();
        collected.folders.extend(folder.filter(|_| !beside.is_empty()).map(Path::to_owned));
        collected.statements.extend(beside);
    }
}

/// Where each target was defined, to name both places of a duplicate.
#[derive(Debug, Default)]
pub struct Places {
    names: BTreeMap<(String, String), String>,
    servers: BTreeMap<(String, Vec<(Ports, Ports)>), String>,
}

/// Reads one inventory. `places` remembers what earlier files of the same run defined.
pub fn parse(file: &str, text: &str, places: &mut Places) -> Result<Vec<Target>, Diagnostics> {
    let mut reader = Reader::new(file, text);
    let raw: RawInventory = reader.parse()?;
    if let Some(client) = &raw.client {
        check_name(&mut reader, "client", client);
    }
    if raw.target.is_empty() {
        let message = "the inventory has no targets";
        reader.wrong(0..0, message, Some("add at least one [[target]] with `name`, `host` and `roles`".to_owned()));
    }
    let defaults = expected::read(&mut reader, raw.allow, raw.deny, None);
    let schedule = raw.schedule.and_then(|schedule| scheduled::read(&mut reader, schedule));
    let mut targets = Vec::new();
    for raw_target in raw.target {
        let (name_span, host_span) = (raw_target.name.span(), raw_target.host.span());
        let usual = schedule.clone().filter(|_| raw_target.scheduled && raw_target.schedule.is_none());
        let Some(mut target) = read_target(&mut reader, raw.client.as_ref(), &defaults, raw_target) else { continue };
        target.schedule = target.schedule.or(usual);
        let line = |span: &std::ops::Range<usize>| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
        let key = (target.client.to_lowercase(), target.name.to_lowercase());
        if let Some(place) = places.names.insert(key, format!("{file}:{}", line(&name_span))) {
            let message = format!("`{}` is already a target, at {place}", target.label());
            reader.wrong(name_span, &message, Some("give each target of a client its own name".to_owned()));
        }
        let moved = target.moved.iter().map(|moved| (moved.from, moved.to)).collect();
        if let Some(place) =
            places.servers.insert((target.host.to_string(), moved), format!("{file}:{}", line(&host_span)))
        {
            let message = format!("the server {} is already a target, at {place}", target.host);
            reader.wrong(host_span, &message, Some("name a server once, with all its roles".to_owned()));
        }
        targets.push(target);
    }
    reader.finish(targets)
}

fn check_name(reader: &mut Reader<'_>, key: &str, value: &Spanned<String>) {
    reader.require_text(key, value);
    let text = value.get_ref();
    if text.trim().is_empty() {
        return;
    }
    if text.chars().count() > 100 {
        reader.wrong(value.span(), &format!("`{key}` is longer than 100 characters"), None);
    }
    if text.contains('/') || text.chars().any(char::is_control) || text.trim() != text {
        let message = format!("`{key}` may not hold `/` or control characters, nor begin or end with a blank");
        reader.wrong(value.span(), &message, None);
    }
}

fn read_target(
    reader: &mut Reader<'_>,
    client: Option<&Spanned<String>>,
    defaults: &[Placed],
    raw: RawTarget,
) -> Option<Target> {
    let before = reader.found.len();
    if let Some(client) = &raw.client {
        check_name(reader, "client", client);
    }
    check_name(reader, "name", &raw.name);
    let host = reader.read(&raw.host, parse_host);
    let mut roles = BTreeSet::new();
    for role in raw.roles.get_ref() {
        if let Some(known) = reader.choose("a role", role, &ROLES)
            && !roles.insert(known)
        {
            reader.wrong(role.span(), &format!("the role `{known}` is given twice"), None);
        }
    }
    if raw.roles.get_ref().is_empty() {
        let names: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        reader.wrong(raw.roles.span(), "a target has at least one role", Some(format!("roles: {}", names.join(", "))));
    }
    for tag in &raw.tags {
        check_name(reader, "tags", tag);
    }
    let technicians = raw.technicians.as_ref().and_then(|value| {
        let number = *value.get_ref();
        if (1..=TECHNICIANS_LIMIT).contains(&number) {
            u32::try_from(number).ok()
        } else {
            reader.wrong(value.span(), &format!("`technicians` is a number from 1 to {TECHNICIANS_LIMIT}"), None);
            None
        }
    });
    let control =
        raw.control.as_ref().and_then(|value| reader.choose("a place of the Control server", value, &CONTROL));
    let sni = raw.sni.as_ref().and_then(|value| reader.read(value, parse_name));
    let moved = read_moved(reader, raw.moved);
    let expected: Vec<Ports> =
        raw.expected.iter().filter_map(|ports| reader.read(ports, str::parse::<Ports>)).collect();
    let client = raw.client.as_ref().or(client).map_or(NO_CLIENT, |client| client.get_ref().as_str()).to_owned();
    let beside = Beside { host: host.as_ref(), moved: &moved, shared_address: raw.shared_address, expected: &expected };
    let defaults = if raw.default_rules { defaults } else { &[] };
    let own = expected::read(reader, raw.allow, raw.deny, Some((&beside, defaults)));
    let label = format!("{client}/{}", raw.name.get_ref());
    expected::check_defaults(reader, defaults, &label, &beside);
    let rules = own.iter().chain(defaults).map(|(rule, _)| rule.clone()).collect();
    let schedule = raw.schedule.and_then(|schedule| scheduled::read(reader, schedule)).filter(|_| raw.scheduled);
    let target = Target {
        client,
        name: raw.name.into_inner(),
        host: host?,
        roles,
        tags: raw.tags.into_iter().map(Spanned::into_inner).collect(),
        active_directory: raw.active_directory,
        technicians,
        redirectors: raw.redirectors,
        split_database: raw.split_database,
        control,
        sni,
        moved,
        shared_address: raw.shared_address,
        expected,
        rules,
        notes: raw.notes,
        evidence: raw.evidence,
        schedule,
    };
    (reader.found.len() == before).then_some(target)
}

fn read_moved(reader: &mut Reader<'_>, raw: BTreeMap<Spanned<String>, Spanned<PortOrRange>>) -> Vec<Moved> {
    let mut moved: Vec<Moved> = Vec::new();
    let mut raw: Vec<_> = raw.into_iter().collect();
    raw.sort_by_key(|(from, _)| from.span().start);
    for (from, to) in raw {
        let span = to.span();
        let text = match to.get_ref() {
            PortOrRange::Port(port) => port.to_string(),
            PortOrRange::Range(range) => range.clone(),
        };
        let Some(from_ports) = reader.read(&from, str::parse::<Ports>) else { continue };
        match read_move(from_ports, &text) {
            Ok(new) if moved.iter().any(|known| known.from.overlaps(new.from)) => {
                reader.wrong(from.span(), &format!("{from_ports} is already moved"), None);
            }
            Ok(new) if moved.iter().any(|known| known.to.overlaps(new.to)) => {
                reader.wrong(span, &format!("something else is already moved to {}", new.to), None);
            }
            Ok(new) => moved.push(new),
            Err(message) => reader.wrong(span, &message, None),
        }
    }
    moved
}

/// Reads where `from` is moved to: `443`, `50000-50050`, or the same with its transport.
pub fn read_move(from: Ports, to: &str) -> Result<Moved, String> {
    let parsed = if to.contains('/') { to.parse() } else { parse_range(from.transport(), to) };
    let to: Ports = parsed.map_err(|error| error.to_string())?;
    if to.transport() != from.transport() {
        return Err(format!("{from} cannot be moved to another transport ({to})"));
    }
    if to.count() != from.count() {
        return Err(format!("{from} has {} ports, {to} has {}", from.count(), to.count()));
    }
    Ok(Moved { from, to })
}

/// Reads a host: an address, or a DNS name.
pub fn parse_host(text: &str) -> Result<Host, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        if address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255, 255, 255, 255]) {
            return Err(format!("{address} is not the address of a server"));
        }
        return Ok(Host::Address(address));
    }
    let quoted = crate::model::peer_text::PeerText::new(text, 80);
    if let Some((scheme, _)) = text.split_once("://") {
        let rest = text.get(scheme.len() + 3..).unwrap_or_default();
        let name = rest.split(['/', ':']).next().unwrap_or_default();
        let name = crate::model::peer_text::PeerText::new(name, 80);
        return Err(format!("`{quoted}` is a URL; write only the name, such as `{name}`"));
    }
    if text.contains('/') {
        return Err(format!("`{quoted}` is a network or a path; name one server"));
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && !name.contains(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(format!("`{quoted}` names a port; write `{name}`, and the port as moved (`\"tcp/443\" = {port}`)"));
    }
    parse_name(text).map(Host::Name)
}

/// Reads a DNS name (RFC 1123, section 2.1; RFC 1035, section 2.3.4), or `localhost`.
pub fn parse_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let quoted = crate::model::peer_text::PeerText::new(text, 80);
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if name.starts_with('*') {
        return Err(format!("`{quoted}` has a wildcard; name one server"));
    }
    if !name.is_ascii() {
        return Err(format!("`{quoted}` is not ASCII; write the name in its `xn--` form"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!("`{quoted}` is neither an address nor a DNS name"));
    }
    // Many resolvers take 0x7f000001 for 127.0.0.1.
    let is_number = |label: &str| match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    };
    if name.rsplit('.').next().is_some_and(is_number) {
        return Err(format!("`{quoted}` looks like an address, but is none"));
    }
    Ok(name)
}

/// Which targets of an inventory to scan. An empty list selects all; several values of one kind are alternatives.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Clients, whatever their case.
    pub clients: Vec<String>,
    /// Tags, whatever their case.
    pub tags: Vec<String>,
    /// Names, or `client/name`, with `*` for any characters.
    pub names: Vec<String>,
}

impl Selection {
    /// Whether `target` is selected.
    pub fn selects(&self, target: &Target) -> bool {
        any(&self.tags, |tag| target.tags.iter().any(|known| known.eq_ignore_ascii_case(tag)))
            && selects(&self.clients, &self.names, &target.client, &target.name)
    }
}

/// Whether a target of this client and name is among these clients, whatever their case, and has one of these names, or
/// `client/name`, with `*` for any characters. An empty list is no restriction.
pub fn selects(clients: &[String], names: &[String], client: &str, name: &str) -> bool {
    any(clients, |known| known.eq_ignore_ascii_case(client))
        && any(names, |known| glob(known, name) || glob(known, &format!("{client}/{name}")))
}

fn any(wanted: &[String], matches: impl Fn(&str) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| matches(one))
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters; case is ignored.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Target>, Diagnostics> {
        parse("t.toml", text, &mut Places::default())
    }

    #[test]
    fn reads_everything_a_target_can_say() {
        let targets = read(
            r#"
client = "Acme Dental"
[[target]]
name = "rmm"
host = "RMM.Acme.example."
roles = ["automate", "iis"]
tags = ["prod"]
active_directory = false
technicians = 12
redirectors = true
split_database = false
control = "here"
sni = "public.acme.example"
expected = ["tcp/80", "udp/500-501"]
notes = "behind the old firewall"
[target.moved]
"tcp/8040" = 443
"tcp/40000-40050" = "50000-50050"
"#,
        )
        .unwrap();
        let target = &targets[0];
        assert_eq!(target.label(), "Acme Dental/rmm");
        assert_eq!(target.host, Host::Name("rmm.acme.example".into()));
        assert_eq!(target.actual(crate::model::ports::Transport::Tcp, 40010), 50010);
        assert_eq!(target.logical(crate::model::ports::Transport::Tcp, 443), 8040);
        assert_eq!(target.server_name(), Some("public.acme.example"));
    }

    #[test]
    fn a_file_that_begins_with_a_byte_order_mark_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}[[target]]\nname = 'a'\nhost = 'a.example'\nroles = ['iis']\n").unwrap();
        let text = read_text(file.path()).unwrap();
        assert!(text.starts_with("[[target]]"), "{text:?}");
        assert_eq!(read(&text).unwrap().len(), 1);
    }

    #[test]
    fn hosts_are_one_server_each() {
        assert!(
            parse_host("2001:db8::1").is_ok() && parse_host("[2001:db8::1]").is_ok() && parse_host("192.0.2.1").is_ok()
        );
        for (bad, hint) in [
            ("https://rmm.example/login", "`rmm.example`"),
            ("192.0.2.0/24", "name one server"),
            ("rmm.example:8040", "as moved"),
            ("*.example", "wildcard"),
            ("192.0.2.300", "looks like an address"),
            ("0x7f000001", "looks like an address"),
            ("0X7F.0x1", "looks like an address"),
            ("0.0.0.0", "not the address"),
            ("bücher.example", "xn--"),
            ("a b", "neither"),
            ("", "empty"),
        ] {
            let message = parse_host(bad).unwrap_err();
            assert!(message.contains(hint), "{bad}: {message}");
        }
    }

    #[test]
    fn selects_by_client_tag_and_name() {
        let target =
            &read("client='Acme'\n[[target]]\nname='rmm-1'\nhost='h'\nroles=['iis']\ntags=['Prod']").unwrap()[0];
        let names = |name: &str| Selection { names: vec![name.to_owned()], ..Selection::default() }.selects(target);
        assert!(names("rmm-*") && names("acme/rmm-1") && names("*1") && names("*") && !names("rmm") && !names("*2"));
        assert!(Selection { tags: vec!["prod".into()], ..Selection::default() }.selects(target));
        assert!(!Selection { clients: vec!["other".into()], ..Selection::default() }.selects(target));
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(text in "(\\[\\[target\\]\\]\n)?([a-z_]{1,12} ?= ?[\"'\\[{0-9a-z/.,\\]}-]{0,20}\n){0,6}") {
            let _ = read(&text);
        }

        #[test]
        fn any_host_is_read_without_panic(text in "\\PC{0,80}") {
            let _ = parse_host(&text);
        }
    }
}
