//! Servers and clients that are called otherwise in the inventory: what is open of them goes on under the new name.
//!
//! A server is taken for the same where its host is: one that the inventory has no more under that name, and one that is new, both
//! of the same client and alone with that host. Drift knows servers by the same. A client is taken for the same only where no
//! server of the old name is left, nobody knew the new one, and every server is there again under it, by name and host. What is
//! between two clients otherwise is never carried from one to the other: a server that was handed over begins anew.

use super::{Book, EVERYBODY, as_of, counted, covers};
use crate::model::alert::{Notice, Phase};
use crate::model::matter::KnownServer;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How many things that go on are named.
const NAMED_MOST: usize = 6;

/// A server of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whose it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
    /// Its host as the inventory names it, with what tells it from others there.
    pub host: String,
}

/// Finds the servers of an inventory that are called otherwise. `others` are clients that are in
/// inventories beside it; `last` is the number of the last run of a server.
pub fn renamed(
    book: &mut Book,
    inventory: &str,
    targets: &[Placed],
    others: &BTreeSet<&str>,
    last: impl Fn(&str, &str) -> i64,
    now: Timestamp,
) {
    let wanted: BTreeSet<(&str, &str)> = targets.iter().map(|one| (one.client.as_str(), one.name.as_str())).collect();
    let known: Vec<KnownServer> = book.servers().cloned().collect();
    let names: BTreeSet<(&str, &str)> =
        known.iter().map(|server| (server.client.as_str(), server.name.as_str())).collect();
    let is_known = |one: &Placed| names.contains(&(one.client.as_str(), one.name.as_str()));
    let gone: Vec<&KnownServer> = (known.iter())
        .filter(|server| covers(inventory, &server.inventory))
        .filter(|server| !wanted.contains(&(server.client.as_str(), server.name.as_str())))
        .collect();
    let new: Vec<&Placed> = targets.iter().filter(|one| !is_known(one)).collect();
    let mut clients: BTreeMap<&str, &str> = BTreeMap::new();
    for client in gone.iter().map(|server| server.client.as_str()).collect::<BTreeSet<_>>() {
        let is_left = others.contains(client)
            || wanted.iter().any(|(of, _)| *of == client)
            || known.iter().any(|server| server.client == client && !covers(inventory, &server.inventory));
        if !is_left && let Some(to) = successor(client, &gone, &new, &known) {
            clients.insert(client, to);
        }
    }
    let mut moved: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for server in &gone {
        let from = (server.client.as_str(), server.name.as_str());
        let until = last(from.0, from.1).max(server.looked.last().copied().unwrap_or_default());
        if let Some(to) = clients.get(from.0) {
            moved.entry(&server.client).or_default().extend(book.rename(from, (to, &server.name), until));
        } else if let Some(one) = same_host(server, &gone, &new, &known) {
            let keys = book.rename(from, (&one.client, &one.name), until);
            let title = |count: &str| format!("{} is called {} now: {count} open of it go on", server.name, one.name);
            say(book, &keys, title, None, now);
        }
    }
    for (from, keys) in &moved {
        let to = clients.get(from).copied().unwrap_or_default();
        let title = |count: &str| format!("The client {from} is called {to} now: {count} open of its servers go on");
        // Whoever is told of one client only need not know of another name.
        say(book, keys, title, Some(EVERYBODY), now);
    }
}

/// Remembers where the servers of an inventory are.
pub fn placed(book: &mut Book, targets: &[Placed]) {
    for one in targets {
        if let Some(known) = book.server(&one.client, &one.name).cloned() {
            book.remember(KnownServer { host: Some(one.host.clone()), ..known });
        }
    }
}

/// The client that all servers of this one are of now.
fn successor<'a>(client: &str, gone: &[&KnownServer], new: &[&'a Placed], known: &[KnownServer]) -> Option<&'a str> {
    let own = || gone.iter().filter(|server| server.client == client);
    let to = |server: &KnownServer| {
        let mut there = new.iter().filter(|one| one.name == server.name && Some(&one.host) == server.host.as_ref());
        let first = there.next()?;
        there.next().is_none().then_some(first.client.as_str())
    };
    let to: Option<BTreeSet<&str>> = own().map(|server| to(server)).collect();
    let to = to?;
    let [only] = to.iter().copied().collect::<Vec<_>>()[..] else { return None };
    // Two that became one cannot be told from one that took over another.
    let of_another = |server: &&&KnownServer| {
        let same =
            |one: &&&Placed| one.client == only && one.name == server.name && Some(&one.host) == server.host.as_ref();
        server.client != client && new.iter().any(|one| same(&one))
    };
    let is_new = known.iter().all(|server| server.client != only) && !gone.iter().any(|server| of_another(&server));
    is_new.then_some(only)
}

/// The one server that is new where this one was, where it is alone there.
fn same_host<'a>(
    server: &KnownServer,
    gone: &[&KnownServer],
    new: &[&'a Placed],
    known: &[KnownServer],
) -> Option<&'a Placed> {
    let host = server.host.as_ref()?;
    let are_gone = gone.iter().filter(|other| other.client == server.client && other.host.as_ref() == Some(host));
    let mut there = new.iter().filter(|one| one.client == server.client && one.host == *host);
    let first = there.next()?;
    let is_kept = |other: &KnownServer| {
        other.host.as_ref() == Some(host)
            && !gone.iter().any(|one| (&one.client, &one.name) == (&other.client, &other.name))
    };
    (are_gone.count() == 1 && there.next().is_none() && !known.iter().any(is_kept)).then_some(*first)
}

/// One word for all that goes on, with the key of what is gravest.
fn say(book: &mut Book, keys: &[String], title: impl Fn(&str) -> String, to: Option<&str>, now: Timestamp) {
    let mut open: Vec<_> = keys.iter().filter_map(|key| book.get(key)).map(|matter| as_of(matter, now)).collect();
    open.sort_by_key(|matter| (std::cmp::Reverse(matter.severity), matter.since.clone()));
    let Some(gravest) = open.first() else { return };
    let mut notice: Notice = gravest.notice(Phase::Escalated);
    let count = i64::try_from(open.len()).unwrap_or(i64::MAX);
    notice.title = title(&counted(count, "thing that is", "things that are"));
    notice.details = vec!["Nothing else happened: each keeps its key, and since when it is so.".to_owned()];
    let named = open.iter().take(NAMED_MOST).map(|matter| format!("{} (since {}).", matter.title, matter.since));
    notice.details.extend(named);
    let more = open.len().saturating_sub(NAMED_MOST);
    if more > 0 {
        notice.details.push(format!("And {more} more: `portreeve alerts list` has all."));
    }
    notice.action = None;
    if let Some(to) = to {
        (notice.client, notice.target) = (to.to_owned(), None);
    }
    book.say(notice);
}
