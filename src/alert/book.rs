//! What is open while a look is taken.

use super::{EVERYBODY, key_of};
use crate::history::outbox::{Look, Standing};
use crate::model::alert::{Notice, Phase};
use crate::model::matter::{Former, KnownServer, Matter};
use std::collections::{BTreeMap, BTreeSet};

/// What is open and remembered, and what a look made of it.
#[derive(Clone, Debug)]
pub struct Book {
    looks: i64,
    open: BTreeMap<String, Matter>,
    servers: BTreeMap<(String, String), KnownServer>,
    touched: BTreeSet<String>,
    touched_servers: BTreeSet<(String, String)>,
    /// The notices of this look, one for each matter, in the order in which they came.
    notices: Vec<Notice>,
    /// Matters that this look began.
    new: BTreeSet<String>,
    /// The servers that were known before the look, where its inventory is looked at for the first time.
    first: Option<BTreeSet<(String, String)>>,
}

impl Book {
    /// As it stands before a look.
    pub fn new(standing: Standing) -> Self {
        let Standing { looks, matters, servers } = standing;
        let own = |server: KnownServer| ((server.client.clone(), server.name.clone()), server);
        Self {
            looks,
            open: matters.into_iter().map(|matter| (matter.key.clone(), matter)).collect(),
            servers: servers.into_iter().map(own).collect(),
            touched: BTreeSet::new(),
            touched_servers: BTreeSet::new(),
            notices: Vec::new(),
            new: BTreeSet::new(),
            first: None,
        }
    }

    /// The same for a look at this inventory. What it first finds of servers that nobody knew was so before anybody was to be told,
    /// whatever other inventories the store knows.
    #[must_use]
    pub fn of_inventory(mut self, inventory: &str) -> Self {
        let is_new = self.servers.values().all(|server| server.inventory != inventory);
        self.first = is_new.then(|| self.servers.keys().cloned().collect());
        self
    }

    /// Whether nobody ever looked before.
    pub fn is_first_look(&self) -> bool {
        self.looks == 0
    }

    /// Whether something was so before anybody was to be told of it: such things are told together.
    pub fn is_past(&self, notice: &Notice) -> bool {
        let is_new = |known: &BTreeSet<(String, String)>| match &notice.target {
            Some(target) => !known.contains(&(notice.client.clone(), target.clone())),
            None => notice.client == EVERYBODY || known.iter().all(|(client, _)| *client != notice.client),
        };
        notice.phase.is_open() && (self.is_first_look() || self.first.as_ref().is_some_and(is_new))
    }

    /// The matter of this key, where it is open.
    pub fn get(&self, key: &str) -> Option<&Matter> {
        self.open.get(key)
    }

    /// What is open.
    pub fn open(&self) -> impl Iterator<Item = &Matter> {
        self.open.values()
    }

    /// What is open of a server.
    pub fn of_server<'a>(&'a self, client: &'a str, target: &'a str) -> impl Iterator<Item = &'a Matter> {
        self.open.values().filter(move |matter| matter.is_of(client, target))
    }

    /// What is remembered of a server.
    pub fn server(&self, client: &str, name: &str) -> Option<&KnownServer> {
        self.servers.get(&(client.to_owned(), name.to_owned()))
    }

    /// Every server of which anything is remembered.
    pub fn servers(&self) -> impl Iterator<Item = &KnownServer> {
        self.servers.values()
    }

    /// Remembers this of a server.
    pub fn remember(&mut self, server: KnownServer) {
        let name = (server.client.clone(), server.name.clone());
        if self.servers.get(&name) != Some(&server) {
            self.touched_servers.insert(name.clone());
            self.servers.insert(name, server);
        }
    }

    /// Forgets a server.
    pub fn forget(&mut self, client: &str, name: &str) {
        let name = (client.to_owned(), name.to_owned());
        self.servers.remove(&name);
        self.touched_servers.insert(name);
    }

    /// A server is called otherwise: what is open of it, and what is remembered, goes on under its new name. The last run under the
    /// old one has the number `until`. The keys of what went on, as it is called now.
    pub fn rename(&mut self, from: (&str, &str), to: (&str, &str), until: i64) -> Vec<String> {
        let old = (from.0.to_owned(), from.1.to_owned());
        let new = (to.0.to_owned(), to.1.to_owned());
        if let Some(mut server) = self.servers.remove(&old) {
            server.formerly.push(Former { client: server.client, name: server.name, until });
            (server.client, server.name) = new.clone();
            self.servers.insert(new.clone(), server);
            self.touched_servers.extend([old.clone(), new.clone()]);
        }
        if let Some(first) = &mut self.first
            && first.remove(&old)
        {
            first.insert(new.clone());
        }
        let open: Vec<Matter> = self.of_server(from.0, from.1).cloned().collect();
        let mut keys = Vec::new();
        for mut matter in open {
            self.open.remove(&matter.key);
            self.touched.insert(matter.key.clone());
            matter.told_as = Some(matter.told_key().to_owned());
            (matter.client, matter.target) = (new.0.clone(), Some(new.1.clone()));
            matter.key = key_of(&matter);
            if from.0 == to.0 {
                matter.details.push(format!("It began when the server was called {}.", from.1));
            }
            keys.push(matter.key.clone());
            self.put(matter);
        }
        keys
    }

    /// One word about an open matter that is no news of it.
    pub fn say(&mut self, notice: Notice) {
        self.tell(notice);
    }

    /// A matter began; nothing where it is open.
    pub fn raise(&mut self, mut matter: Matter) {
        if !self.open.contains_key(&matter.key) {
            // Another server was called so when it was told of the same: receivers must not take one for the other.
            let taken = |key: &str| self.open.values().any(|open| open.told_as.as_deref() == Some(key));
            if taken(&matter.key) {
                matter.told_as = Some(super::key(&matter.client, matter.target.as_deref(), matter.kind, &matter.since));
            }
            self.new.insert(matter.key.clone());
            self.tell(matter.notice(Phase::Raised));
            self.put(matter);
        }
    }

    /// An open matter is more urgent than it was told, or another thing than it was: it is told again, and has begun when it began.
    pub fn escalate(&mut self, matter: Matter) {
        let Some(known) = self.open.get(&matter.key) else { return self.raise(matter) };
        if known.is_renewed() {
            let matter = Matter { told_as: known.told_as.clone(), ..matter };
            self.tell(matter.notice(Phase::Raised));
            return self.put(matter);
        }
        let matter = Matter {
            since: known.since.clone(),
            severity: known.severity.max(matter.severity),
            told_as: known.told_as.clone(),
            ..matter
        };
        let phase = if self.new.contains(&matter.key) { Phase::Raised } else { Phase::Escalated };
        self.tell(matter.notice(phase));
        self.put(matter);
    }

    /// Something else is known of an open matter, and nobody need be told.
    pub fn update(&mut self, mut matter: Matter) {
        matter.told_as = self.open.get(&matter.key).and_then(|known| known.told_as.clone());
        if self.open.get(&matter.key).is_some_and(|known| *known != matter) {
            self.put(matter);
        }
    }

    /// What was told is over, as urgently as it was told, though there is less of it left: the matter stays, and whatever is told of
    /// it next begins anew.
    pub fn settle(&mut self, mut matter: Matter, title: String, details: Vec<String>) {
        let Some(known) = self.open.get(&matter.key) else { return };
        let mut notice = known.notice(Phase::Resolved);
        (notice.title, notice.details, notice.action) = (title, details, None);
        matter.told_as.clone_from(&known.told_as);
        self.tell(notice);
        self.put(matter);
    }

    /// A matter was seen to be mended: in one line, how, and by which run.
    pub fn resolve(&mut self, key: &str, title: String, details: Vec<String>, run: Option<u64>) {
        self.end(key, Phase::Resolved, title, details, run);
    }

    /// Nobody asks for a matter any more.
    pub fn withdraw(&mut self, key: &str, title: String, why: String) {
        self.end(key, Phase::Withdrawn, title, vec![why], None);
    }

    fn end(&mut self, key: &str, phase: Phase, title: String, mut details: Vec<String>, run: Option<u64>) {
        let Some(matter) = self.open.remove(key) else { return };
        self.touched.insert(key.to_owned());
        if matter.is_renewed() {
            // It was told as ended.
            return;
        }
        if self.new.remove(key) {
            self.notices.retain(|notice| notice.key != matter.told_key());
            if phase == Phase::Withdrawn {
                // Told neither when it began nor when it ended.
                return;
            }
            details.push(format!("It was not told when it began: {}.", matter.title));
        }
        let mut notice = matter.notice(phase);
        (notice.title, notice.details, notice.action) = (title, details, None);
        notice.run = run.or(notice.run);
        self.tell(notice);
    }

    fn put(&mut self, matter: Matter) {
        self.touched.insert(matter.key.clone());
        self.open.insert(matter.key.clone(), matter);
    }

    /// One notice for each matter: the last word of this look.
    fn tell(&mut self, notice: Notice) {
        self.notices.retain(|known| known.key != notice.key);
        self.notices.push(notice);
    }

    /// The notices of this look.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What the look came to, without its messages.
    pub fn look(&self) -> Look {
        let mut look = Look { looks: self.looks, ..Look::default() };
        for key in &self.touched {
            match self.open.get(key) {
                Some(matter) => look.open.push(matter.clone()),
                None => look.closed.push(key.clone()),
            }
        }
        for name in &self.touched_servers {
            match self.servers.get(name) {
                Some(server) => look.servers.push(server.clone()),
                None => look.forgotten.push(name.clone()),
            }
        }
        look
    }

    /// As it stands after the look.
    pub fn standing(&self) -> Standing {
        Standing {
            looks: self.looks + 1,
            matters: self.open.values().cloned().collect(),
            servers: self.servers.values().cloned().collect(),
        }
    }
}
