//! What is open while a look is taken.

use crate::history::outbox::{Look, Standing};
use crate::model::alert::{Notice, Phase};
use crate::model::matter::{KnownServer, Matter};
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
        }
    }

    /// Whether nobody ever looked before: what is past is not told.
    pub fn is_first_look(&self) -> bool {
        self.looks == 0
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

    /// A matter began; nothing where it is open.
    pub fn raise(&mut self, matter: Matter) {
        if !self.open.contains_key(&matter.key) {
            self.new.insert(matter.key.clone());
            self.tell(matter.notice(Phase::Raised));
            self.put(matter);
        }
    }

    /// An open matter is more urgent than it was told, or another thing than it was: it is told again, and has begun when it began.
    pub fn escalate(&mut self, matter: Matter) {
        let Some(known) = self.open.get(&matter.key) else { return self.raise(matter) };
        let matter = Matter { since: known.since.clone(), severity: known.severity.max(matter.severity), ..matter };
        let phase = if self.new.contains(&matter.key) { Phase::Raised } else { Phase::Escalated };
        self.tell(matter.notice(phase));
        self.put(matter);
    }

    /// Something else is known of an open matter, and nobody need be told.
    pub fn update(&mut self, matter: Matter) {
        if self.open.get(&matter.key).is_some_and(|known| *known != matter) {
            self.put(matter);
        }
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
        if self.new.remove(key) {
            self.notices.retain(|notice| notice.key != key);
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
