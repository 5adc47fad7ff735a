//! What a statement is about: a target that exists, and an item or a rule that it has.

use super::super::diagnostic::nearest;
use super::super::guide::{Guide, How, Item};
use super::super::inventory::{NO_CLIENT, parse_host};
use super::super::toml_file::Reader;
use super::{Kind, Known, Scope};
use crate::model::statement::About;
use crate::model::target::{Host, Target};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// The most names that a message lists.
const NAMES_TOLD: usize = 8;

/// Whose statement it is.
#[derive(Clone, Debug)]
pub(super) struct Whose {
    pub(super) client: String,
    pub(super) name: String,
    /// It is one of the targets that were given.
    pub(super) known: bool,
}

impl Whose {
    /// The target, where it was given.
    pub(super) fn target<'a>(&self, known: Known<'a>) -> Option<&'a Target> {
        known.targets.iter().find(|target| self.known && target.client == self.client && target.name == self.name)
    }
}

/// What it is about, and where that is written.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) about: About,
    pub(super) span: Range<usize>,
}

/// A target as it may be named.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    client: &'a str,
    name: &'a str,
    host: &'a Host,
    known: bool,
}

/// The target that a statement names.
pub(super) fn whose(
    reader: &mut Reader<'_>,
    client: Option<&Spanned<String>>,
    target: &Spanned<String>,
    known: Known<'_>,
) -> Option<Whose> {
    reader.require_text("target", target);
    if target.get_ref().trim().is_empty() {
        return None;
    }
    match known.scope {
        Scope::Hosts => of_hosts(reader, client, target, known),
        Scope::Inventory(elsewhere) => {
            let hosts: Vec<Host> = elsewhere
                .iter()
                .map(|named| parse_host(&named.host).unwrap_or_else(|_| Host::Name(named.host.clone())))
                .collect();
            let mine = known.targets.iter().map(|target| Candidate {
                client: &target.client,
                name: &target.name,
                host: &target.host,
                known: true,
            });
            let others = elsewhere.iter().zip(&hosts).map(|(named, host)| Candidate {
                client: &named.client,
                name: &named.name,
                host,
                known: false,
            });
            of_inventory(reader, client, target, &mine.chain(others).collect::<Vec<_>>())
        }
    }
}

/// Whether two names differ in case at most. Asked often, so that nothing is copied where it need not be.
fn same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.to_lowercase() == other.to_lowercase()
}

fn of_inventory(
    reader: &mut Reader<'_>,
    client: Option<&Spanned<String>>,
    target: &Spanned<String>,
    candidates: &[Candidate<'_>],
) -> Option<Whose> {
    let clients: BTreeSet<&str> = candidates.iter().map(|one| one.client).collect();
    if let Some(client) = client
        && !clients.iter().any(|known| same(known, client.get_ref()))
    {
        let near = nearest(client.get_ref(), clients.iter().copied());
        let help =
            near.map_or_else(|| format!("clients: {}", listed(&clients)), |near| format!("did you mean `{near}`?"));
        reader.wrong(client.span(), &format!("the inventory has no client `{}`", client.get_ref()), Some(help));
        return None;
    }
    let written = target.get_ref().as_str();
    let of_client: Vec<Candidate<'_>> = candidates
        .iter()
        .filter(|one| client.is_none_or(|client| same(one.client, client.get_ref())))
        .copied()
        .collect();
    let by_name: Vec<Candidate<'_>> = of_client.iter().filter(|one| same(one.name, written)).copied().collect();
    let found = if by_name.is_empty() {
        let host = parse_host(written).ok();
        of_client.iter().filter(|one| Some(one.host) == host.as_ref()).copied().collect()
    } else {
        by_name
    };
    match found.as_slice() {
        [one] => Some(Whose { client: one.client.to_owned(), name: one.name.to_owned(), known: one.known }),
        [] => {
            let names: Vec<String> =
                of_client.iter().flat_map(|one| [one.name.to_owned(), one.host.to_string()]).collect();
            let near = nearest(written, names.iter().map(String::as_str));
            let known: BTreeSet<&str> = of_client.iter().map(|one| one.name).collect();
            let help =
                near.map_or_else(|| format!("targets: {}", listed(&known)), |near| format!("did you mean `{near}`?"));
            let of = client.map_or_else(String::new, |client| format!(" of `{}`", client.get_ref()));
            reader.wrong(target.span(), &format!("the inventory has no target `{written}`{of}"), Some(help));
            None
        }
        several => {
            let labels: BTreeSet<String> = several.iter().map(|one| format!("{}/{}", one.client, one.name)).collect();
            let labels: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
            let one_client = several.iter().all(|one| several.first().is_some_and(|first| first.client == one.client));
            let help = if one_client { "give its name, not its host" } else { "say whose it is with `client`" };
            let message = format!("`{written}` may be any of {}", listed(&labels));
            reader.wrong(target.span(), &message, Some(help.to_owned()));
            None
        }
    }
}

/// Servers of the command line are named by their hosts alone.
fn of_hosts(
    reader: &mut Reader<'_>,
    client: Option<&Spanned<String>>,
    target: &Spanned<String>,
    known: Known<'_>,
) -> Option<Whose> {
    if let Some(client) = client {
        let help = "leave `client` out, or scan an inventory that has it, with --targets".to_owned();
        reader.wrong(client.span(), "without an inventory no client is known", Some(help));
        return None;
    }
    match parse_host(target.get_ref()) {
        Ok(host) => {
            let found = known.targets.iter().find(|target| target.host == host);
            let name = found.map_or_else(|| host.to_string(), |target| target.name.clone());
            Some(Whose { client: NO_CLIENT.to_owned(), name, known: found.is_some() })
        }
        Err(message) => {
            let help = "without an inventory a target is named by its host".to_owned();
            reader.wrong(target.span(), &message, Some(help));
            None
        }
    }
}

fn listed(names: &BTreeSet<&str>) -> String {
    let told: Vec<&str> = names.iter().take(NAMES_TOLD).copied().collect();
    let more = if names.len() > told.len() { format!(" and {} more", names.len() - told.len()) } else { String::new() };
    format!("{}{more}", told.join(", "))
}

/// The item that a statement names. `target` is known where its inventory was read.
pub(super) fn item(
    reader: &mut Reader<'_>,
    guide: Option<&Spanned<String>>,
    id: &Spanned<String>,
    target: Option<&Target>,
    kind: Kind,
    known: Known<'_>,
) -> Option<Subject> {
    if let Some(guide) = guide
        && !known.guides.iter().any(|known| known.id == *guide.get_ref())
    {
        let ids = || known.guides.iter().map(|guide| guide.id.as_str());
        let help = nearest(guide.get_ref(), ids()).map_or_else(
            || {
                format!(
                    "guides: {}; one of your own is known where it is given with --guide",
                    ids().collect::<Vec<_>>().join(", ")
                )
            },
            |near| format!("did you mean `{near}`?"),
        );
        reader.wrong(guide.span(), &format!("there is no guide `{}`", guide.get_ref()), Some(help));
        return None;
    }
    if id.get_ref().contains('*') {
        let help = "a statement is about one item: make one for each".to_owned();
        reader.wrong(id.span(), "`*` names no item", Some(help));
        return None;
    }
    let guides = || known.guides.iter().filter(|known| guide.is_none_or(|guide| known.id == *guide.get_ref()));
    let found = guides().find_map(|guide| Some((guide, guide.items.iter().find(|item| item.id == *id.get_ref())?)));
    let Some((guide, item)) = found else {
        let ids = guides().flat_map(|guide| &guide.items).map(|item| item.id.as_str());
        let near = nearest(&id.get_ref().to_ascii_uppercase(), ids);
        let help = near.map_or_else(
            || {
                "`portreeve guides list` lists them; one of your own guide is known where it is given with --guide"
                    .to_owned()
            },
            |near| format!("did you mean `{near}`?"),
        );
        let of = guide.map_or_else(String::new, |guide| format!(" in the guide `{}`", guide.get_ref()));
        reader.wrong(id.span(), &format!("there is no item `{}`{of}", id.get_ref()), Some(help));
        return None;
    };
    if let Some(target) = target
        && !guide.items_for(&target.roles).any(|one| one.id == item.id)
    {
        let roles: Vec<&str> = target.roles.iter().map(|role| role.as_str()).collect();
        let message =
            format!("`{}` does not concern `{}`, whose roles are {}", item.id, target.label(), roles.join(", "));
        let help = "take it out, or mend the roles of the target".to_owned();
        reader.wrong(id.span(), &message, Some(help));
        return None;
    }
    if kind == Kind::Attestations && !attestable(reader, id, item) {
        return None;
    }
    Some(Subject { about: about(guide, item), span: id.span() })
}

/// What a statement about an item is about.
pub(super) fn about(guide: &Guide, item: &Item) -> About {
    About::Item { guide: guide.id.clone(), item: item.id.clone() }
}

/// Whether a person can answer the item at all, by its catalog entry.
fn attestable(reader: &mut Reader<'_>, id: &Spanned<String>, item: &Item) -> bool {
    if item.how.contains(&How::Attestation) {
        return true;
    }
    let how: Vec<&str> = item.how.iter().map(|how| how.words()).collect();
    let message = format!("`{}` is answered {}: no attestation can answer it", item.id, how.join(", and "));
    let help = if item.how.contains(&How::Outside) {
        "where it fails and that is accepted for a time, write a waiver"
    } else {
        "collect evidence with `portreeve host collector`; where it fails and that is accepted for a time, write a waiver"
    };
    reader.wrong(id.span(), &message, Some(help.to_owned()));
    false
}

/// The expected rule that a waiver names, in the words of reports: `deny tcp/3389`, `allow tcp/443 over IPv6`.
pub(super) fn rule(reader: &mut Reader<'_>, rule: &Spanned<String>, target: Option<&Target>) -> Option<Subject> {
    let written = rule.get_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    if !written.starts_with("allow ") && !written.starts_with("deny ") {
        let message = format!("`{}` is no expected rule", rule.get_ref());
        let help = "write it as reports do, such as `deny tcp/3389` or `allow tcp/443 over IPv6`".to_owned();
        reader.wrong(rule.span(), &message, Some(help));
        return None;
    }
    if let Some(target) = target {
        let rules: BTreeSet<String> = target.rules.iter().map(ToString::to_string).collect();
        if !rules.contains(&written) {
            let names: BTreeSet<&str> = rules.iter().map(String::as_str).collect();
            // The same rule with an address is meant rather than another.
            let longer = names.iter().find(|name| name.starts_with(&format!("{written} "))).copied();
            let near = longer.or_else(|| nearest(&written, names.iter().copied()));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "it has no expected rules".to_owned(),
                None => format!("its rules: {}", listed(&names)),
            };
            reader.wrong(rule.span(), &format!("`{}` has no rule `{written}`", target.label()), Some(help));
            return None;
        }
    }
    Some(Subject { about: About::Rule(written), span: rule.span() })
}
