//! The configuration of IIS: `applicationHost.config` and the sites' `web.config`, and what holds for each application.
//!
//! Settings are inherited: the server's defaults, then at each level of a path first the `<location>` of files above it, then
//! the level's own `web.config`. What is said here of an application, of a virtual directory, or of a path that a `<location>`
//! is about is what that order leaves. A `web.config` in an ordinary folder below them is in no bundle.

use super::Line;
use crate::catalog::diagnostic::Diagnostic;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{BTreeMap, BTreeSet};

/// The most elements and attributes of one file.
const LIMIT: u32 = 500_000;

/// The most methods and headers that a file may name.
const ENTRIES: usize = 1000;

/// The most applications with their virtual directories, and the most `<location>`s of a file.
const APPLICATIONS: usize = 2000;

/// The most places whose settings are worked out: applications, virtual directories and `<location>`s of all files together.
const PLACES: usize = 4000;

/// The longest path of an application, in bytes, and the most levels of one that are followed. Windows allows 260 characters.
const PATH: usize = 1024;
const DEPTH: usize = 32;

/// The settings that the items are about, as one section of one file says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    /// `requestFiltering@removeServerHeader`.
    remove_server_header: Option<(bool, Line)>,
    /// `requestFiltering/verbs@allowUnlisted`.
    allow_unlisted: Option<(bool, Line)>,
    verbs: Vec<Change<bool>>,
    headers: Vec<Change<String>>,
    /// `httpRuntime@enableVersionHeader`.
    version_header: Option<(bool, Line)>,
}

/// A change of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change<T> {
    Add(String, T, Line),
    Remove(String),
    Clear,
}

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct File {
    /// By path, lower case; empty for the file's own level.
    sections: BTreeMap<String, Section>,
    /// The same of `<location inheritInChildApplications="false">`: for that level, and not for applications below it.
    own: BTreeMap<String, Section>,
}

impl File {
    /// The paths beneath the file's own level of which it says something.
    fn beneath(&self) -> impl Iterator<Item = &String> {
        let all = self.sections.iter().chain(&self.own);
        all.filter(|(path, section)| !path.is_empty() && **section != Section::default()).map(|(path, _)| path)
    }
}

/// An application of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The site's name and the application's path: `Default Web Site/app`.
    pub path: String,
    /// Its pool.
    pub pool: Option<String>,
    /// The folder of its root.
    pub folder: Option<String>,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its applications, `/` among them.
    pub applications: Vec<Application>,
    /// The ports of its HTTP and HTTPS bindings, and whether under TLS.
    pub bindings: Vec<(u16, bool, Line)>,
}

/// The `web.config` of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Own {
    Read(File),
    None,
    Unknown(String),
}

/// What is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iis {
    /// The sites.
    pub sites: Vec<Site>,
    /// The names of the application pools.
    pub pools: Vec<String>,
    /// Virtual directories other than the applications' roots: `Default Web Site/app/files`. Each has a `web.config` of its own.
    pub folders: Vec<String>,
    file: String,
    host: File,
    own: BTreeMap<String, Own>,
    /// The paths of all applications, lower case.
    paths: BTreeSet<String>,
    /// Those of the virtual directories.
    folder_paths: BTreeSet<String>,
}

/// What holds for one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// Whether the Server header is removed.
    pub remove_server_header: Option<(bool, Line)>,
    /// Whether methods that are not named are allowed.
    pub allow_unlisted: Option<(bool, Line)>,
    /// Methods that are named.
    pub verbs: Vec<(String, bool, Line)>,
    /// Headers that are added.
    pub headers: Vec<(String, String, Line)>,
    /// Whether ASP.NET names its version.
    pub version_header: Option<(bool, Line)>,
    /// Why it is not certain.
    pub unknown: Vec<String>,
}

fn parse<'a>(file: &str, text: &'a str) -> Result<Document<'a>, Box<Diagnostic>> {
    if text.trim().is_empty() {
        return Err(Box::new(Diagnostic::whole(file, "the file is empty", Some("Collect it again.".to_owned()))));
    }
    // The text says nothing of its bytes any more, so what it declares about them does not matter.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: LIMIT, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let position = error.pos();
        let row = usize::try_from(position.row).unwrap_or(1).max(1);
        let column = usize::try_from(position.col).unwrap_or(1).max(1);
        let start: usize = text.split_inclusive('\n').take(row - 1).map(str::len).sum();
        let line = text.get(start..).unwrap_or_default();
        let at = start + line.char_indices().nth(column - 1).map_or(line.len(), |(at, _)| at);
        let help = Some("Collect it again; if it is whole, mend it on the host.".to_owned());
        Box::new(Diagnostic::at(file, text, at..at, &format!("this is not XML: {error}"), help))
    })?;
    let root = document.root_element();
    if !root.tag_name().name().eq_ignore_ascii_case("configuration") {
        let message = format!("the root is <{}>, not <configuration>", root.tag_name().name());
        return Err(Box::new(Diagnostic::at(file, text, root.range(), &message, None)));
    }
    Ok(document)
}

/// A file, and where its lines begin: asking the document each time would count from the top.
struct Place<'a> {
    file: &'a str,
    starts: Vec<usize>,
}

impl<'a> Place<'a> {
    fn new(file: &'a str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file, starts: std::iter::once(0).chain(breaks).collect() }
    }
}

/// The line of an element's first tag.
fn line_of(place: &Place<'_>, node: Node<'_, '_>) -> Line {
    let number = place.starts.partition_point(|start| *start <= node.range().start);
    let text = node.document().input_text().get(node.range()).unwrap_or_default();
    let end = text.find('>').map_or(text.len(), |end| end + 1);
    Line::new(place.file, number, text.get(..end).unwrap_or_default())
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

fn at<'a, 'i>(node: Node<'a, 'i>, path: &str) -> Option<Node<'a, 'i>> {
    path.split('/').try_fold(node, child)
}

fn named<'a, 'i>(node: Option<Node<'a, 'i>>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.into_iter().flat_map(move |node| node.children().filter(move |child| child.has_tag_name(name)))
}

fn flag(place: &Place<'_>, node: Option<Node<'_, '_>>, attribute: &str) -> Option<(bool, Line)> {
    let node = node?;
    let value = node.attribute(attribute)?;
    Some((value.trim().eq_ignore_ascii_case("true") || value.trim() == "1", line_of(place, node)))
}

fn changes<T>(
    place: &Place<'_>,
    node: Option<Node<'_, '_>>,
    key: &str,
    value: impl Fn(Node<'_, '_>) -> T,
) -> Vec<Change<T>> {
    let elements = node.into_iter().flat_map(|node| node.children().filter(Node::is_element));
    let change = |element: Node<'_, '_>| match element.tag_name().name() {
        "clear" => Some(Change::Clear),
        "remove" => Some(Change::Remove(element.attribute(key)?.to_owned())),
        "add" => Some(Change::Add(element.attribute(key)?.to_owned(), value(element), line_of(place, element))),
        _ => None,
    };
    elements.filter_map(change).collect()
}

fn section(place: &Place<'_>, node: Node<'_, '_>) -> Section {
    let filtering = at(node, "system.webServer/security/requestFiltering");
    let verbs = filtering.and_then(|node| child(node, "verbs"));
    let headers = at(node, "system.webServer/httpProtocol/customHeaders");
    let runtime = at(node, "system.web/httpRuntime");
    let allowed = |node: Node<'_, '_>| node.attribute("allowed").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    Section {
        remove_server_header: flag(place, filtering, "removeServerHeader"),
        allow_unlisted: flag(place, verbs, "allowUnlisted"),
        verbs: changes(place, verbs, "verb", allowed),
        headers: changes(place, headers, "name", |node| node.attribute("value").unwrap_or_default().to_owned()),
        version_header: flag(place, runtime, "enableVersionHeader"),
    }
}

/// The elements whose settings are read, and those above them.
const READ: [&str; 8] = [
    "system.webServer",
    "security",
    "requestFiltering",
    "verbs",
    "httpProtocol",
    "customHeaders",
    "system.web",
    "httpRuntime",
];

fn sections(place: &Place<'_>, root: Node<'_, '_>) -> Result<File, Box<Diagnostic>> {
    let elsewhere = |node: &Node<'_, '_>| node.has_attribute("configSource") && READ.contains(&node.tag_name().name());
    if let Some(node) = root.descendants().find(elsewhere) {
        let message = format!(
            "<{}> is kept in another file (configSource), which no bundle holds: what holds here is not known",
            node.tag_name().name()
        );
        return Err(Box::new(Diagnostic::whole(place.file, &message, None)));
    }
    let mut found = File::default();
    found.sections.insert(String::new(), section(place, root));
    for location in named(Some(root), "location") {
        let path = location.attribute("path").unwrap_or_default().trim_matches('/').to_lowercase();
        let path = if path == "." { String::new() } else { path };
        let said = section(place, location);
        let inherits = location.attribute("inheritInChildApplications").map(|value| value.trim().to_ascii_lowercase());
        let inherits = !matches!(inherits.as_deref(), Some("false" | "0"));
        let known = if inherits { &mut found.sections } else { &mut found.own }.entry(path).or_default();
        known.remove_server_header = said.remove_server_header.or(known.remove_server_header.take());
        known.allow_unlisted = said.allow_unlisted.or(known.allow_unlisted.take());
        known.version_header = said.version_header.or(known.version_header.take());
        known.verbs.extend(said.verbs);
        known.headers.extend(said.headers);
    }
    let all = || found.sections.values().chain(found.own.values());
    let entries: usize = all().map(|section| section.verbs.len() + section.headers.len()).sum();
    if entries > ENTRIES || all().count() > APPLICATIONS {
        let message =
            format!("more than {ENTRIES} methods and headers, or {APPLICATIONS} locations: more than is read");
        return Err(Box::new(Diagnostic::whole(place.file, &message, None)));
    }
    Ok(found)
}

/// Reads `applicationHost.config`.
pub fn read(file: &str, text: &str) -> Result<Iis, Box<Diagnostic>> {
    let document = parse(file, text)?;
    let root = document.root_element();
    let Some(host) = child(root, "system.applicationHost") else {
        let message = "there is no <system.applicationHost> in it: this is not the server's applicationHost.config";
        return Err(Box::new(Diagnostic::whole(file, message, None)));
    };
    let place = &Place::new(file, text);
    let pools = named(child(host, "applicationPools"), "add").filter_map(|pool| pool.attribute("name"));
    let mut iis = Iis {
        pools: pools.map(str::to_owned).collect(),
        file: file.to_owned(),
        host: sections(place, root)?,
        ..Iis::default()
    };
    let sites = child(host, "sites");
    let default_pool = |node: Option<Node<'_, '_>>| {
        node.and_then(|node| child(node, "applicationDefaults"))
            .and_then(|node| node.attribute("applicationPool"))
            .map(str::to_owned)
    };
    for site in named(sites, "site") {
        let name = site.attribute("name").unwrap_or_default();
        let pool = default_pool(Some(site)).or_else(|| default_pool(sites));
        let application = |node: Node<'_, '_>| {
            let path = node.attribute("path").unwrap_or("/").trim_end_matches('/');
            let root = named(Some(node), "virtualDirectory").find(|folder| folder.attribute("path") == Some("/"));
            Application {
                path: format!("{name}{path}"),
                pool: node.attribute("applicationPool").map(str::to_owned).or_else(|| pool.clone()),
                folder: root.and_then(|folder| folder.attribute("physicalPath")).map(str::to_owned),
            }
        };
        let bindings = named(child(site, "bindings"), "binding").filter_map(|binding| {
            let tls = match binding.attribute("protocol")? {
                "http" => false,
                "https" => true,
                _ => return None,
            };
            // `*:443:` or `[::]:443:host`.
            let port = binding.attribute("bindingInformation")?.rsplit(':').nth(1)?.parse().ok()?;
            Some((port, tls, line_of(place, binding)))
        });
        for node in named(Some(site), "application") {
            let path = node.attribute("path").unwrap_or("/").trim_end_matches('/');
            let folders = named(Some(node), "virtualDirectory").filter_map(|folder| folder.attribute("path"));
            let folders = folders.map(|folder| folder.trim_matches('/')).filter(|folder| !folder.is_empty());
            iis.folders.extend(folders.map(|folder| format!("{name}{path}/{folder}")));
        }
        iis.sites.push(Site {
            name: name.to_owned(),
            applications: named(Some(site), "application").map(application).collect(),
            bindings: bindings.collect(),
        });
    }
    if iis.applications().count() + iis.folders.len() > APPLICATIONS {
        let message = format!(
            "more than {APPLICATIONS} applications and virtual directories are configured, which is more than is read"
        );
        return Err(Box::new(Diagnostic::whole(file, &message, None)));
    }
    iis.paths = iis.applications().map(|application| application.path.to_lowercase()).collect();
    iis.folder_paths = iis.folders.iter().map(|folder| folder.to_lowercase()).collect();
    Ok(iis)
}

impl Iis {
    /// Adds the `web.config` of an application, or of a virtual directory.
    pub fn add_own(&mut self, application: &str, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        let read = parse(file, text).and_then(|document| sections(&Place::new(file, text), document.root_element()));
        let own = match &read {
            Ok(found) => Own::Read(found.clone()),
            Err(error) => Own::Unknown(error.to_string()),
        };
        self.own.insert(application.to_lowercase(), own);
        read.map(|_| ())
    }

    /// Notes that an application, or a virtual directory, has no `web.config`.
    pub fn add_none(&mut self, application: &str) {
        self.own.insert(application.to_lowercase(), Own::None);
    }

    /// Notes why nobody knows the `web.config` of an application or a virtual directory.
    pub fn add_unknown(&mut self, application: &str, why: &str) {
        self.own.insert(application.to_lowercase(), Own::Unknown(why.to_owned()));
    }

    /// Where the server's own settings stand.
    pub fn line(&self) -> Line {
        Line::new(&self.file, 0, "")
    }

    /// All applications.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.sites.iter().flat_map(|site| &site.applications)
    }

    /// Every place whose settings may be its own: the applications, their virtual directories, and what a `<location>` beneath
    /// them is about. Why not, where they are more than are worked out.
    pub fn places(&self) -> Result<Vec<String>, String> {
        let sites: BTreeSet<String> = self.sites.iter().map(|site| site.name.to_lowercase()).collect();
        let of_a_site = |path: &&String| path.split('/').next().is_some_and(|site| sites.contains(site));
        let of_files = self.own.iter().filter_map(|(level, own)| match own {
            Own::Read(file) => Some((level, file)),
            Own::None | Own::Unknown(_) => None,
        });
        let of_files = of_files.flat_map(|(level, file)| file.beneath().map(move |path| format!("{level}/{path}")));
        let all = self.applications().map(|one| one.path.clone()).chain(self.folders.iter().cloned());
        let all = all.chain(self.host.beneath().filter(of_a_site).cloned()).chain(of_files);
        let mut known = BTreeSet::new();
        let found: Vec<String> = all.filter(|path| known.insert(path.to_lowercase())).take(PLACES + 1).collect();
        if found.len() > PLACES {
            return Err(format!("the configuration is about more than {PLACES} places, which are not worked out"));
        }
        Ok(found)
    }

    /// What holds for a place, an application among others: what all levels above it and its own files leave.
    pub fn effective(&self, path: &str) -> Effective {
        let path = path.to_lowercase();
        let mut found = Effective::default();
        let ends: Vec<usize> = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()])
            .filter(|at| *at > 0)
            .take(DEPTH + 1)
            .collect();
        if path.len() > PATH || ends.len() > DEPTH {
            found
                .unknown
                .push(format!("its path is longer than {PATH} bytes or {DEPTH} levels, which are not followed"));
            return found;
        }
        let levels: Vec<&str> = ends.iter().filter_map(|end| path.get(..*end)).collect();
        found.apply(self.host.sections.get(""));
        if self.host.own.contains_key("") {
            found.unknown.push(format!(
                "{} has a <location> for the whole server that applications do not inherit: what it leaves of it is not known",
                self.file
            ));
        }
        for (depth, level) in levels.iter().enumerate() {
            let (above, below) = levels.split_at(depth);
            // Whether the path leads into another application below this level.
            let left = below.iter().skip(1).any(|level| self.paths.contains(*level));
            found.apply_of(&self.host, level, left);
            // Files above say something of this level too, by their <location>.
            for upper in above {
                if let (Some(Own::Read(file)), Some(beneath)) =
                    (self.own.get(*upper), level.strip_prefix(upper).and_then(|rest| rest.strip_prefix('/')))
                {
                    found.apply_of(file, beneath, left);
                }
            }
            match self.own.get(*level) {
                Some(Own::Read(file)) => found.apply_of(file, "", left),
                Some(Own::Unknown(why)) => found.unknown.push(format!("the web.config of {level}: {why}")),
                None if self.paths.contains(*level) || self.folder_paths.contains(*level) => {
                    found.unknown.push(format!("the web.config of {level} was not collected"));
                }
                Some(Own::None) | None => {}
            }
        }
        found
    }
}

impl Effective {
    /// What a file says of one level; `left` where the application is another one below it.
    fn apply_of(&mut self, file: &File, level: &str, left: bool) {
        self.apply(file.sections.get(level));
        if !left {
            self.apply(file.own.get(level));
        }
    }

    fn apply(&mut self, section: Option<&Section>) {
        let Some(section) = section else { return };
        let set = |known: &mut Option<(bool, Line)>, said: &Option<(bool, Line)>| {
            if said.is_some() {
                known.clone_from(said);
            }
        };
        set(&mut self.remove_server_header, &section.remove_server_header);
        set(&mut self.allow_unlisted, &section.allow_unlisted);
        set(&mut self.version_header, &section.version_header);
        change(&mut self.verbs, &section.verbs);
        change(&mut self.headers, &section.headers);
    }

    /// Whether a method is denied, and by which line.
    pub fn denies(&self, method: &str) -> Option<&Line> {
        let named = self.verbs.iter().find(|(verb, _, _)| verb.eq_ignore_ascii_case(method));
        match (named, &self.allow_unlisted) {
            (Some((_, false, line)), _) | (None, Some((false, line))) => Some(line),
            _ => None,
        }
    }
}

fn change<T: Clone>(known: &mut Vec<(String, T, Line)>, changes: &[Change<T>]) {
    if changes.is_empty() {
        return;
    }
    let mut all: BTreeMap<String, (String, T, Line)> =
        known.drain(..).map(|entry| (entry.0.to_ascii_lowercase(), entry)).collect();
    for change in changes {
        match change {
            Change::Clear => all.clear(),
            Change::Remove(name) => drop(all.remove(&name.to_ascii_lowercase())),
            Change::Add(name, value, line) => {
                all.insert(name.to_ascii_lowercase(), (name.clone(), value.clone(), line.clone()));
            }
        }
    }
    known.extend(all.into_values());
}

/// An address that ScreenConnect's own `web.config` names, and an endpoint of its session manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenConnect {
    /// `WebServerListenUri` and `RelayListenUri`.
    pub listen: Vec<(String, String, Line)>,
    /// The addresses of endpoints and of base addresses, which name the session manager's transport.
    pub endpoints: Vec<(String, Line)>,
    /// Where it was read.
    pub file: String,
}

/// Reads ScreenConnect's `web.config`.
pub fn read_screenconnect(file: &str, text: &str) -> Result<ScreenConnect, Box<Diagnostic>> {
    let document = parse(file, text)?;
    let place = &Place::new(file, text);
    let mut found = ScreenConnect { file: file.to_owned(), ..ScreenConnect::default() };
    for setting in named(child(document.root_element(), "appSettings"), "add") {
        if let (Some(key), Some(value)) = (setting.attribute("key"), setting.attribute("value"))
            && key.ends_with("ListenUri")
        {
            found.listen.push((key.to_owned(), value.to_owned(), line_of(place, setting)));
        }
    }
    let services = child(document.root_element(), "system.serviceModel");
    for node in services.into_iter().flat_map(|node| node.descendants()) {
        let address = match node.tag_name().name() {
            "endpoint" => node.attribute("address"),
            "add" => node.attribute("baseAddress"),
            _ => None,
        };
        if let Some(address) = address.filter(|address| address.contains("://")) {
            found.endpoints.push((address.to_owned(), line_of(place, node)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
