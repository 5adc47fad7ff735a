//! What a bundle, or single files that somebody exported by hand, say of the host: each source read, or not collected and why.

use super::bundle::Bundle;
use super::config::{self, Iis, ScreenConnect};
use super::firewall::{Firewall, Placed, Profile};
use super::http_sys::{self, Binding, Place};
use super::inf::{self, Policy};
use super::ini::{self, Server};
use super::key_times::{self, KeyTimes};
use super::registry::{self, Registry};
use super::services::{self, Service};
use super::sockets::{self, Listener, Process};
use super::system::{self, System};
use super::{Collected, Line, State, acl, collector, firewall};
use crate::catalog::diagnostic::Diagnostic;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The services' own keys.
pub const SERVICES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services";
/// The firewall's own settings.
const FIREWALL: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";
/// Those of Group Policy.
const FIREWALL_POLICY: &str = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall";

/// The most rules of both stores; a server has some hundreds.
const FIREWALL_RULES: usize = 10_000;

/// The most users whose hives are read; a terminal server has some dozens.
const USERS: usize = 2000;

/// Keys that the collector exports whole, by the command's id.
const EXPORTS: [(&str, &str); 5] = [
    ("policies-windows", r"HKLM\SOFTWARE\Policies\Microsoft\Windows"),
    ("policies-explorer", r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies"),
    ("schannel", r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL"),
    ("firewall", FIREWALL),
    ("firewall-policy", FIREWALL_POLICY),
];

/// Keys of which it lists the values and the names of the subkeys.
const LISTINGS: [(&str, &str); 7] = [
    ("lsa", r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa"),
    ("policies-microsoft", r"HKLM\SOFTWARE\Policies\Microsoft"),
    ("http", r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters"),
    ("services", SERVICES),
    ("wmsvc", r"HKLM\SYSTEM\CurrentControlSet\Services\WMSVC"),
    ("w3svc", r"HKLM\SYSTEM\CurrentControlSet\Services\W3SVC"),
    ("profiles", r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"),
];

/// A user whose hive was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The SID, or `.DEFAULT`.
    pub sid: String,
    /// Where the policies of the user are.
    pub policies: String,
}

/// A share of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: String,
    /// Who may use it.
    pub acl: Result<acl::Acl, String>,
    /// Where it stands.
    pub line: Line,
}

/// Access lists as `icacls /save` wrote them, with what each is of.
pub type Saved = Vec<(String, acl::Acl, Line)>;

/// All of it.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The bundle, or the files, as the user names them.
    pub name: String,
    /// The computer's name, where the evidence says it.
    pub computer: Option<String>,
    /// What Windows says of its version.
    pub version: Option<String>,
    /// What the host says of itself.
    pub system: Collected<System>,
    /// Whether the collector was elevated, and by which line.
    pub elevated: Option<(bool, Line)>,
    /// Single files that somebody exported by hand: nobody knows how.
    pub by_hand: bool,
    /// The registry.
    pub registry: Registry,
    /// The policy of the host alone.
    pub local: Collected<Policy>,
    /// That policy and the domain's.
    pub merged: Collected<Policy>,
    /// The users' hives.
    pub users: Collected<Vec<User>>,
    /// The states of services.
    pub services: Collected<BTreeMap<String, Service>>,
    /// The accounts of services, lower case.
    pub accounts: Collected<Vec<String>>,
    /// What listens.
    pub listeners: Collected<Vec<Listener>>,
    /// Processes by number.
    pub processes: Collected<BTreeMap<u32, Process>>,
    /// Where http.sys has certificates.
    pub certificates: Collected<Vec<Binding>>,
    /// Where it serves addresses.
    pub registrations: Collected<Vec<Place>>,
    /// The firewall.
    pub firewall: Collected<Firewall>,
    /// IIS.
    pub iis: Collected<Iis>,
    /// Shares.
    pub shares: Collected<Vec<Share>>,
    /// LTShare's folder: its own list first.
    pub ltshare: Collected<Saved>,
    /// What is directly beneath it.
    pub ltshare_beneath: Collected<Saved>,
    /// What is below it at any depth, as far as it was looked at.
    pub ltshare_below: Collected<acl::Below>,
    /// The services of MySQL or MariaDB, and the options that each reads.
    pub mysql: Collected<Vec<Server>>,
    /// ScreenConnect's own configuration.
    pub screenconnect: Collected<ScreenConnect>,
    /// When keys were written last; only the compiled collector tells.
    pub key_times: Collected<KeyTimes>,
    /// What was not collected: what, and why.
    pub missing: Vec<(String, String)>,
    /// Files of the bundle that are not what its manifest says, each with what is wrong.
    pub changed: Vec<String>,
    /// What is odd about the bundle.
    pub oddities: Vec<String>,
    /// When it is judged.
    pub now: Option<Timestamp>,
}

fn nothing<T>() -> Collected<T> {
    Err("the files that were given do not hold it".to_owned())
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            name: String::new(),
            computer: None,
            version: None,
            system: nothing(),
            elevated: None,
            by_hand: true,
            registry: Registry::default(),
            local: nothing(),
            merged: nothing(),
            users: nothing(),
            services: nothing(),
            accounts: nothing(),
            listeners: nothing(),
            processes: nothing(),
            certificates: nothing(),
            registrations: nothing(),
            firewall: nothing(),
            iis: nothing(),
            shares: nothing(),
            ltshare: nothing(),
            ltshare_beneath: nothing(),
            ltshare_below: nothing(),
            mysql: nothing(),
            screenconnect: nothing(),
            key_times: nothing(),
            missing: Vec::new(),
            changed: Vec::new(),
            oddities: Vec::new(),
            now: None,
        }
    }
}

/// A reader of one format.
type Reader<T> = fn(&str, &str) -> Result<T, Box<Diagnostic>>;

/// Reads a bundle, and notes what was not collected.
struct Taking<'a> {
    bundle: &'a Bundle,
    missing: Vec<(String, String)>,
}

impl Taking<'_> {
    fn take<T>(&mut self, id: &str, read: Reader<T>) -> Collected<T> {
        let taken = self.text(id).and_then(|(file, text)| read(&file, &text).map_err(|error| error.to_string()));
        if let Err(why) = &taken {
            self.missing.push((id.to_owned(), why.clone()));
        }
        taken
    }

    /// The output of a command, where the manifest shows that it is the collector's: what another one prints is something else.
    fn text(&self, id: &str) -> Collected<(String, String)> {
        let found = self.bundle.text(id)?;
        let arguments = self.bundle.run(id).map_or("", |run| run.arguments.as_str());
        collector::not_asked(id, arguments).map_or(Ok(found), |why| Err(format!("`{id}`: {why}")))
    }

    /// Adds what a command says of `root` to the registry, where the manifest shows that it asked for just that.
    fn of_registry(&self, registry: &mut Registry, id: &str, root: &str, verb: &str) -> Result<(), String> {
        let (file, text) = self.bundle.text(id)?;
        let arguments = self.bundle.run(id).map_or("", |run| run.arguments.as_str());
        if let Some(why) = registry::not_of(verb, root, arguments) {
            return Err(format!("`{id}`: {why}"));
        }
        // The word behind the key of an export.
        let written = registry::words(arguments).into_iter().nth(3);
        if verb == "export" && written.is_none_or(|written| !written.eq_ignore_ascii_case(&file)) {
            return Err(format!("`{id}`: the recorded command wrote another file than {file}"));
        }
        let added = match verb {
            "export" => registry.add_export_of(&file, &text, root),
            _ => registry.add_listing(&file, &text, root),
        };
        added.map_err(|error| error.to_string())
    }

    /// A policy, where the manifest shows that it is of this host, whole, and for the merged one that the domain's is in it.
    fn policy(&mut self, id: &str, merged: bool) -> Collected<Policy> {
        let taken = self
            .bundle
            .text(id)
            .and_then(|(file, text)| Ok((inf::read(&file, &text).map_err(|error| error.to_string())?, file)));
        let (taken, file) = taken.inspect_err(|why| self.missing.push((id.to_owned(), why.clone())))?;
        let arguments = self.bundle.run(id).map_or("", |run| run.arguments.as_str()).to_lowercase();
        let words = registry::words(&arguments);
        let has = |word: &str| words.iter().any(|one| one == word);
        let written = words.iter().skip_while(|word| *word != "/cfg").nth(1);
        let areas = !has("/areas") || has("securitypolicy") && has("user_rights");
        let why = if !has("/export") || has("/db") || !areas {
            "the recorded command does not export the whole policy of this host"
        } else if merged && !has("/mergedpolicy") {
            "the recorded command has no /mergedpolicy, so the domain's policy is not in it"
        } else if written.is_none_or(|written| !written.eq_ignore_ascii_case(&file)) {
            "the recorded command wrote another file than that which is here"
        } else {
            return Ok(taken);
        };
        let why = format!("`{id}`: {why}");
        self.missing.push((id.to_owned(), why.clone()));
        Err(why)
    }

    fn registry(&mut self) -> Registry {
        let mut registry = Registry::default();
        let exports = EXPORTS.map(|(id, root)| (id, root, "export"));
        for (id, root, verb) in exports.into_iter().chain(LISTINGS.map(|(id, root)| (id, root, "query"))) {
            if let Err(why) = self.of_registry(&mut registry, id, root, verb) {
                registry.add_missing(root, &why);
                self.missing.push((id.to_owned(), why));
            }
        }
        // A command may fail because there is nothing: where a listing of what is above proves that, nothing is missing.
        let all = || EXPORTS.iter().chain(&LISTINGS);
        let absent =
            |id: &str| all().any(|(known, root)| *known == id && matches!(registry.key(root), State::Absent(_)));
        self.missing.retain(|(id, _)| !absent(id));
        registry
    }

    fn users(&mut self, registry: &mut Registry) -> Collected<Vec<User>> {
        self.of_registry(registry, "hku", "HKU", "query")
            .inspect_err(|why| self.missing.push(("hku".to_owned(), why.clone())))?;
        let mut users = Vec::new();
        let mut sids = registry.subkeys("HKU");
        sids.retain(|sid| !sid.to_lowercase().ends_with("_classes"));
        if sids.len() > USERS {
            return Err(format!("hku names {} users' hives, and {USERS} are the most that are read", sids.len()));
        }
        for sid in sids {
            let software = format!(r"HKU\{sid}\Software");
            let policies = format!(r"{software}\Policies");
            if let Err(why) = self.of_registry(registry, &format!("user-{sid}"), &software, "query") {
                registry.add_missing(&software, &why);
            }
            if let Err(why) = self.of_registry(registry, &format!("user-policies-{sid}"), &policies, "export") {
                registry.add_missing(&policies, &why);
            }
            users.push(User { sid, policies });
        }
        Ok(users)
    }

    fn key_times(&mut self) -> Collected<KeyTimes> {
        if self.bundle.run("key-times").is_none() {
            return Err("no built-in command shows when a key was written; `portreeve host collect` does".to_owned());
        }
        self.take("key-times", key_times::read)
    }

    fn iis(&mut self) -> Collected<Iis> {
        let mut iis = self.take("iis", config::read)?;
        match self.text("web-configs") {
            Ok((file, text)) => web_configs(&mut iis, &file, &text),
            Err(why) => {
                unknown(&mut iis, &why);
                self.missing.push(("web-configs".to_owned(), why));
            }
        }
        Ok(iis)
    }
}

/// Notes that no web.config is known.
fn unknown(iis: &mut Iis, why: &str) {
    let all = iis.applications().map(|one| one.path.clone()).chain(iis.folders.iter().cloned());
    for place in all.collect::<Vec<String>>() {
        iis.add_unknown(&place, why);
    }
}

/// Reads the web.config files, each beneath a line with its application or virtual directory and one that says whether it is there.
fn web_configs(iis: &mut Iis, file: &str, text: &str) {
    if text.lines().next_back().is_none_or(|last| last.trim() != "[complete]") {
        unknown(iis, &format!("{file} was cut off"));
        return;
    }
    for part in text.split("[application] ").skip(1) {
        let (application, rest) = part.split_once('\n').unwrap_or((part, ""));
        let application = application.trim().trim_end_matches('/');
        let (state, content) = rest.split_once('\n').unwrap_or((rest, ""));
        match state.trim() {
            "[there]" => {
                let content = content.trim_end().trim_end_matches("[complete]").trim_start_matches('\u{feff}');
                // The error is kept with the application, and told where it matters.
                let _ = iis.add_own(application, &format!("{file} ({application}/web.config)"), content);
            }
            "[none]" => iis.add_none(application),
            _ => iis.add_unknown(application, "the collector could not reach its folder"),
        }
    }
}

fn accounts(file: &str, text: &str) -> Result<Vec<String>, Box<Diagnostic>> {
    let account = |line: &str| line.split_once("    REG_SZ    ").map(|(_, account)| account.trim().to_lowercase());
    let accounts: Vec<String> = text.lines().filter_map(account).collect();
    if accounts.is_empty() {
        let message = "there is no account of a service in it, and every Windows has some: the command failed";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    Ok(accounts)
}

fn shares(file: &str, text: &str) -> Result<Vec<Share>, Box<Diagnostic>> {
    if text.lines().next_back().is_none_or(|last| last.trim() != "complete=yes") {
        return Err(Box::new(Diagnostic::whole(
            file,
            "the last line, `complete=yes`, is missing: the command broke off",
            None,
        )));
    }
    let share = |(number, line): (usize, &str)| {
        let mut fields = line.splitn(3, '|');
        let (name, path, sddl) = (fields.next()?, fields.next()?, fields.next()?);
        let acl = acl::read(sddl.trim()).map_err(|(_, message)| message);
        Some(Share { name: name.to_owned(), path: path.to_owned(), acl, line: Line::new(file, number, line) })
    };
    let found: Vec<Share> = (1..).zip(text.lines()).filter_map(share).collect();
    if found.is_empty() {
        let message = "no share is in it, and every Windows that answers has IPC$: the command failed";
        return Err(Box::new(Diagnostic::whole(file, message, Some("Collect it again.".to_owned()))));
    }
    Ok(found)
}

impl Share {
    /// The share that Automate's server gives its agents' files by.
    pub fn ltshare(shares: &[Self]) -> Option<&Self> {
        shares.iter().find(|share| share.name.eq_ignore_ascii_case("LTShare"))
    }
}

/// Access lists as they were saved, where they are those of the folder that is shared as LTShare: a folder of that name may be
/// left over elsewhere. What `icacls` saves has the last name of a path only, so its arguments tell the path.
fn of_share(
    lists: Collected<Saved>,
    shares: &Collected<Vec<Share>>,
    arguments: Option<&str>,
    beneath: bool,
) -> Collected<Saved> {
    let lists = lists?;
    let shares = shares.as_ref().map_err(|why| format!("which folder is shared as LTShare: {why}"))?;
    let share = Share::ltshare(shares).ok_or(
        "no folder is shared as LTShare, so which one Automate uses is not known: is this the server with the share?",
    )?;
    let path = share.path.trim_end_matches('\\').to_lowercase();
    let arguments = arguments.unwrap_or_default().to_lowercase();
    let asked = if beneath { format!("\"{path}\\*\"") } else { format!("\"{path}\"") };
    let name = path.rsplit('\\').next().unwrap_or_default();
    let named = beneath || lists.first().is_some_and(|(saved, ..)| saved.to_lowercase() == name);
    if path.is_empty() || !arguments.contains(&asked) || !named {
        return Err(format!(
            "the access lists are of another folder than the one that is shared as LTShare ({})",
            share.line.quote()
        ));
    }
    Ok(lists)
}

/// What is below the folder that is shared as LTShare.
fn below_share(below: Collected<acl::Below>, shares: &Collected<Vec<Share>>) -> Collected<acl::Below> {
    let below = below?;
    let shares = shares.as_ref().map_err(|why| format!("which folder is shared as LTShare: {why}"))?;
    let plain = |path: &str| path.trim_end_matches('\\').to_lowercase();
    match Share::ltshare(shares) {
        Some(share) if plain(&share.path) == plain(&below.folder) => Ok(below),
        _ => Err("what was looked at is below another folder than the one that is shared as LTShare".to_owned()),
    }
}

impl Evidence {
    /// What a bundle says; `now` is when it is judged.
    pub fn of_bundle(bundle: &Bundle, now: Timestamp) -> Self {
        let mut taking = Taking { bundle, missing: Vec::new() };
        let fact = |key: &str| bundle.manifest.facts.get(key).filter(|value| !value.is_empty()).cloned();
        let elevated = taking.text("whoami").ok().and_then(|(file, text)| system::elevated(&file, &text));
        let mut registry = taking.registry();
        let users = taking.users(&mut registry);
        let services = taking.take("sc", services::read);
        let firewall = firewall_of(&registry, Some(&services));
        let mut evidence = Self {
            name: bundle.name.clone(),
            computer: fact("computer"),
            version: fact("version"),
            system: taking.take("system", system::read),
            elevated,
            by_hand: false,
            local: taking.policy("secedit-local", false),
            merged: taking.policy("secedit-merged", true),
            users,
            services,
            accounts: taking.take("accounts", accounts),
            listeners: taking.take("netstat", sockets::read),
            processes: taking.take("tasklist", sockets::read_tasks),
            certificates: taking.take("sslcert", http_sys::bindings),
            registrations: taking.take("requestq", http_sys::registrations),
            firewall,
            iis: taking.iis(),
            shares: taking.take("shares", shares),
            ltshare: taking.take("ltshare", acl::read_saved),
            ltshare_beneath: taking.take("ltshare-beneath", acl::read_saved),
            ltshare_below: taking.take("ltshare-below", acl::read_below),
            mysql: taking.take("mysql", ini::read_servers),
            screenconnect: taking.take("screenconnect", config::read_screenconnect),
            key_times: taking.key_times(),
            registry,
            missing: Vec::new(),
            changed: bundle.changed(),
            oddities: bundle.oddities(),
            now: Some(now),
        };
        let arguments = |id: &str| bundle.run(id).map(|run| run.arguments.as_str());
        evidence.ltshare = of_share(evidence.ltshare, &evidence.shares, arguments("ltshare"), false);
        evidence.ltshare_beneath =
            of_share(evidence.ltshare_beneath, &evidence.shares, arguments("ltshare-beneath"), true);
        evidence.ltshare_below = below_share(evidence.ltshare_below, &evidence.shares);
        // Without the collector's own rights nothing that needs them can be whole.
        match &evidence.elevated {
            Some((true, _)) => {}
            Some((false, line)) => evidence.unproven(&format!("the collector was not elevated ({})", line.quote())),
            None => evidence.unproven("the bundle does not show that the collector was elevated (`whoami /groups`)"),
        }
        evidence.missing = taking.missing;
        evidence
    }

    /// What needs an elevated collector counts as not collected.
    fn unproven(&mut self, why: &str) {
        self.local = Err(why.to_owned());
        self.merged = Err(why.to_owned());
    }

    /// Adds what `reg export` wrote, exported by hand.
    pub fn add_reg(&mut self, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        self.registry.add_export(file, text)?;
        self.firewall = firewall_of(&self.registry, None);
        Ok(())
    }

    /// Adds what `secedit /export` wrote, exported by hand.
    pub fn add_inf(&mut self, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        self.local = Ok(inf::read(file, text)?);
        Ok(())
    }

    /// Adds `applicationHost.config`, copied by hand.
    pub fn add_iis(&mut self, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        self.iis = Ok(config::read(file, text)?);
        Ok(())
    }

    /// When it was collected, by the host's clock.
    pub fn collected(&self) -> Option<Timestamp> {
        Some(self.system.as_ref().ok()?.time("utc")?.0)
    }

    /// How old it is, in seconds; negative where the host's clock is ahead.
    pub fn age(&self) -> Option<i64> {
        Some(self.now?.as_second() - self.collected()?.as_second())
    }

    /// Whether the host is joined to a domain.
    pub fn part_of_domain(&self) -> Option<(bool, Line)> {
        self.system.as_ref().ok()?.part_of_domain().map(|(joined, line)| (joined, line.clone()))
    }

    /// The policy in force: the merged one, or the host's own where no domain has a say.
    pub fn policy(&self) -> Collected<&Policy> {
        match (&self.merged, &self.local) {
            (Ok(policy), _) => Ok(policy),
            (Err(_), Ok(policy)) if self.by_hand => Ok(policy),
            (Err(why), Ok(policy)) => match self.part_of_domain() {
                Some((false, _)) => Ok(policy),
                Some((true, _)) => {
                    Err(format!("only the host's own policy was collected, and its domain's may say otherwise: {why}"))
                }
                None => Err(format!(
                    "only the host's own policy was collected, and whether a domain has a say is not known: {why}"
                )),
            },
            (Err(why), Err(_)) => Err(why.clone()),
        }
    }

    /// The processes that have a port, by name and services; empty where not known.
    pub fn programs(&self, listeners: &[&Listener]) -> Vec<(String, Vec<String>)> {
        let Ok(processes) = &self.processes else { return Vec::new() };
        let known: Option<Vec<_>> = listeners
            .iter()
            .map(|listener| {
                processes.get(&listener.pid).map(|process| (process.name.clone(), process.services.clone()))
            })
            .collect();
        known.unwrap_or_default()
    }
}

/// The firewall of both stores. Where one of them was not collected, nothing is certain.
fn firewall_of(registry: &Registry, services: Option<&Collected<BTreeMap<String, Service>>>) -> Collected<Firewall> {
    // Every Windows has settings of its own firewall: without them something went wrong, whatever seems to be proven.
    match registry.key(&format!(r"{FIREWALL}\FirewallRules")) {
        State::Value(..) => {}
        State::NotCollected(why) => return Err(why),
        State::NotSet(_) | State::Absent(_) => return Err(format!("{FIREWALL} was not collected")),
    }
    if let State::NotCollected(why) = registry.key(FIREWALL_POLICY) {
        return Err(why);
    }
    // Of single files nobody says whether the service runs; a bundle must.
    if let Some(services) = services {
        let services = services.as_ref().map_err(|why| format!("whether the firewall's service runs: {why}"))?;
        let service = services.get("mpssvc").ok_or(
            "whether the firewall's service runs: mpssvc is not among the services, and every Windows has it: the list is short",
        )?;
        if service.state != services::RUNNING {
            return Err(format!(
                "the firewall's service does not run ({}), so its rules say nothing",
                service.line.quote()
            ));
        }
    }
    let mut rules = Vec::new();
    let mut unread = Vec::new();
    let count: usize =
        [FIREWALL, FIREWALL_POLICY].iter().map(|root| registry.values(&format!(r"{root}\FirewallRules")).count()).sum();
    if count > FIREWALL_RULES {
        return Err(format!("the firewall has {count} rules, and {FIREWALL_RULES} are the most that are read"));
    }
    for (root, policy) in [(FIREWALL, false), (FIREWALL_POLICY, true)] {
        for value in registry.values(&format!(r"{root}\FirewallRules")) {
            let text = value.data.text().unwrap_or_default();
            match firewall::read(&text) {
                Ok(rule) => rules.push(Placed { rule, policy, line: value.line.clone() }),
                Err(message) => unread.push(format!("{} ({message})", value.line.quote())),
            }
        }
    }
    let profile = |(name, own, policy): (&'static str, &str, &[&str])| {
        let setting = |value: &str, default: u32| -> Result<(u32, Line), String> {
            let keys = policy.iter().map(|key| format!(r"{FIREWALL_POLICY}\{key}"));
            for key in keys.chain([format!(r"{FIREWALL}\{own}")]) {
                match registry.value(&key, value) {
                    State::Value(data, line) => {
                        let number = data.dword().ok_or_else(|| format!("{} is no number", line.quote()))?;
                        return Ok((number, line));
                    }
                    State::NotCollected(why) => return Err(why),
                    State::NotSet(_) | State::Absent(_) => {}
                }
            }
            Ok((default, Line::new("the firewall's settings", 0, &format!("{own} without {value}"))))
        };
        let (enabled, on) = setting("EnableFirewall", 1)?;
        let (inbound, line) = setting("DefaultInboundAction", 1)?;
        let (merge, _) = setting("AllowLocalPolicyMerge", 1)?;
        let (enabled, default_allow) = (enabled != 0, inbound == 0);
        let line = if enabled { line } else { on };
        Ok::<Profile, String>(Profile { name, enabled, default_allow, local_rules: merge != 0, line })
    };
    let profiles = [
        ("Domain", "DomainProfile", ["DomainProfile"].as_slice()),
        ("Private", "StandardProfile", ["PrivateProfile", "StandardProfile"].as_slice()),
        ("Public", "PublicProfile", ["PublicProfile"].as_slice()),
    ];
    let profiles = profiles.into_iter().map(profile).collect::<Result<Vec<Profile>, String>>()?;
    Ok(Firewall { rules, profiles, unread })
}
